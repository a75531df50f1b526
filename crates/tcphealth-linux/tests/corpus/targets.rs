//! What is fuzzed: every parser of bytes that the kernel, the wire or a saved directory supplies. Each target says what must
//! hold whatever the bytes are. The ordinary tests replay the corpus through the same functions.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use tcphealth_core::snapshot::{EventCounts, Socket};
use tcphealth_core::wire::btf::Btf;
use tcphealth_core::wire::deep_walk::{Deep, Jiffies};
use tcphealth_core::wire::hash_walk::Places;
use tcphealth_core::wire::netlink::{Message, Messages};
use tcphealth_core::wire::{
    conntrack, events, hash_walk as walk, kallsyms, net_dev, packet, pairs, proc_net_tcp, rtnetlink, snmp, sock_diag,
    softnet, tally,
};
use tcphealth_linux::{Host, Pass};
use tempfile::TempDir;

/// A target: what it does with the bytes.
pub type Target = fn(&[u8]);

/// The targets and their names, which are their corpora's too.
pub const ALL: [(&str, Target); 15] = [
    ("snmp", snmp),
    ("pairs", pairs),
    ("net_dev", net_dev),
    ("softnet", softnet),
    ("conntrack", conntrack),
    ("sock_diag", sock_diag),
    ("rtnetlink", rtnetlink),
    ("proc_net_tcp", proc_net_tcp),
    ("packet", packet),
    ("btf", btf),
    ("hash_walk", hash_walk),
    ("events", told),
    ("tally", tally),
    ("kallsyms", kallsyms),
    ("frozen", frozen),
];

/// Two samples one after the other: the second finds the names that the first learnt.
fn snmp(data: &[u8]) {
    let (first, second) = data.split_at(data.iter().position(|&byte| byte == 0).unwrap_or(data.len()));
    let (mut parser, mut values) = (snmp::Parser::default(), Vec::new());
    for text in [first, second] {
        let learnt = parser.parse("net/snmp", text, &mut values);
        let mut afresh = Vec::new();
        let known = snmp::Parser::default().parse("net/snmp", text, &mut afresh);
        assert_eq!(learnt, known);
        if let Ok(names) = learnt {
            assert_eq!((names.list().len(), &values), (values.len(), &afresh));
        }
    }
}

fn pairs(data: &[u8]) {
    let mut values = Vec::new();
    if let Ok(names) = pairs::Parser::default().snmp6(data, &mut values) {
        assert_eq!(names.list().len(), values.len());
    }
    if let Ok(names) = pairs::Parser::default().sockstat("net/sockstat", data, &mut values) {
        assert_eq!(names.list().len(), values.len());
    }
    drop(pairs::single("sys/x", "x", data, &mut values));
}

/// A place is inside what an offset of bits can say.
fn btf(data: &[u8]) {
    if let Ok(btf) = Btf::new(data) {
        let places = ["x", "y", "p", "z"].map(|member| btf.offset("a", member));
        assert!(places.iter().flatten().all(|&place| place <= u32::MAX / 8));
        assert!(btf.function("a").is_none_or(|id| id > 0));
    }
}

/// What is told is a length that is known, and of counters no more is told than was counted.
fn told(data: &[u8]) {
    if let Some(event) = events::parse(data) {
        let mut counts = EventCounts::default();
        counts.add(&event);
        assert!(
            data.len() >= events::RECORD_BYTES && counts != EventCounts::default() || data.get(20..24) == Some(&[0; 4])
        );
    }
    let counts = events::counts(|at| data.get(at).copied().map_or(0, u64::from));
    let sum: u64 = data.iter().take(events::COUNTERS).map(|&byte| u64::from(byte)).sum();
    assert!(counts.states.values().chain(counts.drops.values()).sum::<u64>() <= sum);
}

/// A sum is told whole or not at all, and as it stands.
fn tally(data: &[u8]) {
    let (who, sums) = data.split_at(data.len().min(tally::WHO_BYTES));
    let word = |at: usize| sums.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_ne_bytes);
    if let Some(told) = tally::process(who, sums) {
        assert!(told.pid != Some(0) && told.comm.chars().count() <= 16, "{told:?}");
        assert_eq!((Some(told.sums.opened), Some(told.sums.aborted)), (word(16), word(104)));
    }
    if let Some(told) = tally::peer(who, sums, &BTreeMap::new()) {
        assert_eq!(Some(told.count), word(0));
    }
    if let Some(told) = tally::queue(who, sums, u64::MAX) {
        assert_eq!((Some(told.accepted), Some(told.unseen)), (word(0), word(48)));
    }
}

/// A name begins where a line says, not behind the address.
fn kallsyms(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let symbols = kallsyms::Symbols::parse(&text);
    for address in [0, 0xffff_ffff_8100_0000, u64::MAX] {
        let Some(name) = symbols.name(address) else { continue };
        let (_, far) = name.rsplit_once("+0x").expect("how far");
        let begin = address - u64::from_str_radix(far, 16).expect("a hexadecimal number");
        let begins = |line: &str| u64::from_str_radix(line.split(' ').next().unwrap_or(""), 16) == Ok(begin);
        assert!(begin > 0 && text.lines().any(begins), "{name}");
    }
}

/// The first bytes say where the others are looked for. What was read before leaves nothing.
fn hash_walk(data: &[u8]) {
    let at = |number: usize| data.get(number).copied().map_or(0, usize::from);
    let places = Places { state: at(0), family: at(1), daddr: at(2), v6_daddr: at(3), ..Places::default() };
    let (mut once, mut again) = (Socket::default(), Socket { rqueue: 7, inode: 7, ..Socket::default() });
    let read = walk::parse(data, &places, u32::MAX, &mut once);
    assert_eq!(read, walk::parse(data, &places, u32::MAX, &mut again));
    if read.is_some() {
        assert_eq!((once.rqueue, once.inode, once.local), (again.rqueue, again.inode, again.local));
    }
    deep_walk(data, places);
}

/// The same record with the values behind it that tcp_info follows from.
fn deep_walk(data: &[u8], places: Places) {
    const FIELDS: &str = include_str!("../../bpf/deep.fields.h");
    let lines = FIELDS.lines().filter_map(|line| line.strip_prefix("FIELD(")?.strip_suffix(')')?.split_once(", "));
    let members: Vec<&str> = lines.map(|(_, member)| member).collect();
    let deep = Deep::new(places, &members).expect("the list has every value that is told");
    let jiffies = Jiffies { now: u64::from_le_bytes(*data.first_chunk().unwrap_or(&[0; 8])), hz: 250 };
    let (mut once, mut again) = (Socket::default(), Socket { timer_retrans: 7, ..Socket::default() });
    let read = deep.parse(data, jiffies, &mut once);
    assert_eq!(read, deep.parse(data, jiffies, &mut again));
    if read.is_some() {
        assert_eq!((once.cookie, once.timer, once.timer_retrans), (again.cookie, again.timer, again.timer_retrans));
        assert!(once.cookie >> 63 == 1 && once.info.is_some() == once.skmem.is_some());
    }
}

fn net_dev(data: &[u8]) {
    let (mut parser, mut values) = (net_dev::Parser::default(), Vec::new());
    if let Ok(names) = parser.parse(data, &mut values) {
        assert_eq!(names.list().len(), values.len());
    }
}

fn softnet(data: &[u8]) {
    let mut values = Vec::new();
    if let Ok(names) = softnet::parse(data, &mut values) {
        assert_eq!(names.list().len(), values.len());
    }
}

fn conntrack(data: &[u8]) {
    let mut values = Vec::new();
    if let Ok(names) = conntrack::parse(data, &mut values) {
        assert_eq!(names.list().len(), values.len());
    }
}

/// Answers and destroy events are the same messages. One socket is used again and again: nothing old may remain.
fn sock_diag(data: &[u8]) {
    let mut reused = Socket::default();
    for message in Messages::new("sock_diag", data) {
        let Ok(Message::Data { body, .. }) = message else { continue };
        let mut fresh = Socket::default();
        let parsed = sock_diag::parse(body, &mut reused);
        assert_eq!(parsed, sock_diag::parse(body, &mut fresh));
        if parsed.is_ok() {
            assert_eq!(format!("{reused:?}"), format!("{fresh:?}"));
        }
    }
}

fn rtnetlink(data: &[u8]) {
    for message in Messages::new("rtnetlink", data) {
        let Ok(Message::Data { body, .. }) = message else { continue };
        drop(rtnetlink::link(body));
        drop(rtnetlink::route(body));
        drop(rtnetlink::neighbour(body));
        drop(rtnetlink::qdisc(body));
    }
}

fn proc_net_tcp(data: &[u8]) {
    let mut count = 0;
    let parsed = proc_net_tcp::parse("net/tcp", data, &mut |_| count += 1);
    let lines = data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
    assert!(parsed.is_err() || count == lines.saturating_sub(1));
}

fn packet(data: &[u8]) {
    if let Some(packet) = packet::parse(data) {
        assert!(data.len() >= 28, "{packet:?}");
    }
}

/// A saved host of which one file is replaced: the first byte says which. It is read, or there is one line that names the file.
fn frozen(data: &[u8]) {
    static SAVED: OnceLock<TempDir> = OnceLock::new();
    const NAMES: [&str; 6] = [
        "meta.json",
        "answers.json",
        "look-1/netlink/sockets",
        "look-1/netlink/links",
        "look-1/proc/net/netstat",
        "look-1/proc/sys/net/ipv4/ip_local_port_range",
    ];
    let directory = SAVED
        .get_or_init(|| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let mut host = Host::live().saving(directory.path()).expect("an empty directory");
            host.look(Pass::First).expect("a look");
            fs::write(directory.path().join("answers.json"), "[]").expect("a writable directory");
            directory
        })
        .path();
    let Some((which, data)) = data.split_first() else { return };
    let replaced = directory.join(NAMES.iter().cycle().nth(usize::from(*which)).expect("the names go round"));
    let whole = fs::read(&replaced).expect("a saved file");
    fs::write(&replaced, data).expect("a writable directory");
    let read = Host::frozen(directory).and_then(|mut host| host.look(Pass::First).map(drop));
    fs::write(&replaced, whole).expect("a writable directory");
    if let Err(error) = read {
        let line = error.to_string();
        assert!(line.starts_with(&directory.display().to_string()), "{line}");
    }
}
