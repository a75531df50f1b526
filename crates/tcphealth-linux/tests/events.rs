//! The counts of events are the kernel's own counters, to the last one, with segmentation offload off; and each event is told.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::sleep;
use std::time::Duration;

use tcphealth_core::snapshot::{Attempt, Closer, Endpoint, Event, EventCounts, Happening, State};
use tcphealth_core::wire::events::Kind;
use tcphealth_linux::{Events, Host};

mod common;

const ALL: [Kind; 8] = [
    Kind::Retransmit,
    Kind::RetransmitSynAck,
    Kind::ResetSent,
    Kind::ResetReceived,
    Kind::State,
    Kind::Connect,
    Kind::Life,
    Kind::Drop,
];

/// One test at a time: a child that another thread starts has our sockets open until it becomes its program, and is then the one
/// that closes them.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs that a comparison with the kernel's counters may take: on a busy machine Linux 6.18 now and then does not run any program
/// at its tracepoints for some 30 µs, and counts no miss. What we do wrong is wrong in every run.
const RUNS: u32 = 3;

/// A namespace of its own with events of it; where that is not permitted the test says so and passes, unless every test is
/// demanded.
fn with_events(test: impl FnOnce(Events) + Send + 'static) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    common::in_private_netns(|| {
        run("ip", &["link", "set", "lo", "mtu", "1500"]);
        run("ethtool", &["-K", "lo", "tso", "off", "gso", "off", "gro", "off"]);
        let netns = Host::live().identity().unwrap().netns;
        match Events::open(netns, &BTreeSet::from(ALL), true) {
            Ok(events) => test(events),
            Err(why) => {
                assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{why:?}");
                println!("not run: {why:?}");
            }
        }
    });
}

/// Lets `measure` count what it does in a namespace of its own; in one of the runs its counts must be those of nstat.
fn agrees_with_nstat(measure: fn(Events) -> (Vec<u64>, Vec<u64>)) {
    for _ in 0..RUNS {
        let (tell, told) = mpsc::channel();
        with_events(move |events| tell.send(measure(events)).unwrap());
        match told.recv() {
            Ok((ours, kernel)) if ours != kernel => println!("events {ours:?}, nstat {kernel:?}"),
            _ => return,
        }
    }
    panic!("events are not what nstat counts, in none of {RUNS} runs");
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
}

/// Everything that nstat knows of this namespace.
fn nstat() -> BTreeMap<String, u64> {
    let output = Command::new("nstat").args(["-asz"]).stderr(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        })
        .collect()
}

fn grown(before: &BTreeMap<String, u64>, names: &[&str]) -> Vec<u64> {
    let now = nstat();
    names.iter().map(|name| now[*name] - before[*name]).collect()
}

fn told(events: &mut Events) -> Vec<Event> {
    let mut told = Vec::new();
    events.read(&mut |event| told.push(event));
    told
}

/// Every event is told as often as it is counted, and nothing is lost.
fn assert_all_told(told: &[Event], counts: &EventCounts) {
    let mut sums = EventCounts::default();
    for event in told {
        sums.add(event);
    }
    assert_eq!(&sums, counts);
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn closed_port() -> SocketAddr {
    listener().1
}

fn abort(stream: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

#[test]
fn opens_and_resets_are_those_of_nstat() {
    agrees_with_nstat(|mut events| {
        let before = nstat();
        let (listener, address) = listener();
        for number in 0..300 {
            let mut client = TcpStream::connect(address).unwrap();
            let mut server = listener.accept().unwrap().0;
            client.write_all(b"question").unwrap();
            server.read_exact(&mut [0; 8]).unwrap();
            if number % 10 == 0 {
                abort(&client);
            }
            drop(client);
        }
        let to = Endpoint::new(address.ip(), address.port());
        let nobody = closed_port();
        for _ in 0..40 {
            TcpStream::connect(nobody).unwrap_err();
        }
        events.stop();
        let counts = events.counts();
        let kernel = grown(&before, &["TcpActiveOpens", "TcpPassiveOpens", "TcpOutRsts"]);
        let sent: u64 = counts.resets_sent.values().sum();
        let ours = vec![counts.active_opens(), counts.passive_opens(), sent];
        if ours != kernel {
            return (ours, kernel);
        }
        assert_eq!(kernel, [340, 300, 70]);
        assert_eq!(counts.resets_received, 70, "{counts:?}");
        let reasons = &events.reasons().resets;
        let by_name = |name: &str| {
            let number = reasons.iter().find(|(_, reason)| *reason == name).map(|(number, _)| *number);
            number.and_then(|number| counts.resets_sent.get(&number)).copied().unwrap_or(0)
        };
        assert_eq!(by_name("NO_SOCKET"), 40);
        let failed = counts.attempts.get(&Attempt::Failed(nix::libc::ECONNREFUSED));
        assert_eq!((failed, counts.attempts.get(&Attempt::Established)), (Some(&40), Some(&300)));
        assert_eq!((counts.untold, counts.missed, counts.forgotten), (0, 0, 0));
        let told = told(&mut events);
        assert_all_told(&told, &counts);
        let aborts = told.iter().filter(|event| {
            let is_ours = event.program.as_ref().is_some_and(|program| program.pid == std::process::id());
            matches!(event.what, Happening::ResetSent { .. }) && event.remote == to && event.local.port > 0 && is_ours
        });
        assert_eq!(aborts.count(), 30);
        (ours, kernel)
    });
}

/// Drops what comes in on `lo` and is described by the words of nft(8).
fn drop_incoming(words: &str) {
    run("nft", &["add table inet test; add chain inet test in { type filter hook input priority 0; }"]);
    run("nft", &[&format!("add rule inet test in {words} drop")]);
}

/// Whether a FIN may still have to be sent again.
fn closing() -> bool {
    let words = ["-tanH", "state", "fin-wait-1", "state", "closing", "state", "last-ack"];
    !Command::new("ss").args(words).output().unwrap().stdout.is_empty()
}

fn nonblocking(to: SocketAddr) -> std::os::fd::OwnedFd {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
    use std::os::fd::AsRawFd;
    let client = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
    assert_eq!(connect(client.as_raw_fd(), &SockaddrStorage::from(to)), Err(nix::errno::Errno::EINPROGRESS));
    client
}

#[test]
fn retransmissions_are_those_of_nstat() {
    agrees_with_nstat(|mut events| {
        let before = nstat();
        let ((lossy, to_lossy), (deaf, to_deaf), (mute, to_mute)) = (listener(), listener(), listener());
        let ports = [to_lossy, to_deaf, to_mute].map(|address| address.port());
        drop_incoming(&format!("tcp dport {} tcp flags & syn == 0 numgen random mod 20 < 1", ports[0]));
        // SYNs to the deaf and SYN-ACKs from the mute never arrive.
        drop_incoming(&format!("tcp dport {}", ports[1]));
        drop_incoming(&format!("tcp sport {}", ports[2]));
        let waiting = [nonblocking(to_deaf), nonblocking(to_mute)];
        let mut client = TcpStream::connect(to_lossy).unwrap();
        let mut server = lossy.accept().unwrap().0;
        let reader = std::thread::spawn(move || std::io::copy(&mut server, &mut std::io::sink()).unwrap());
        client.write_all(&vec![7; 1 << 20]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.join().unwrap(), 1 << 20);
        // The second SYN leaves after one second.
        sleep(Duration::from_millis(1500));
        drop((waiting, deaf, mute));
        while closing() {
            sleep(Duration::from_millis(50));
        }
        events.stop();
        let counts = events.counts();
        let names = ["TcpRetransSegs", "TcpExtTCPSynRetrans", "TcpActiveOpens", "TcpExtTCPRetransFail"];
        let kernel = grown(&before, &names);
        let syns = counts.retransmitted_syn + counts.retransmitted_synack;
        // The kernel counts in RetransSegs also what it could not send; here nothing failed.
        let ours = vec![counts.retransmitted + syns, syns, counts.active_opens(), counts.retransmit_failed];
        if ours != kernel {
            return (ours, kernel);
        }
        assert!(counts.retransmitted >= 3 && counts.retransmitted_syn >= 2 && counts.retransmitted_synack >= 1);
        let told = told(&mut events);
        assert_all_told(&told, &counts);
        let of = |port: u16, what: &Happening| {
            told.iter().filter(|event| event.what == *what && event.remote.port == port).count() as u64
        };
        assert!(of(ports[1], &Happening::Retransmit { segments: 1 }) >= 1);
        let unanswered = told
            .iter()
            .filter(|event| matches!(event.what, Happening::RetransmitSynAck) && event.local.port == ports[2]);
        assert!(unanswered.count() >= 1, "{told:?}");
        assert!(told.iter().any(|event| matches!(event.what, Happening::Drop { .. })), "nft dropped");
        (ours, kernel)
    });
}

#[test]
fn a_life_is_told_by_both_its_ends_with_their_processes() {
    with_events(|mut events| {
        let (listener, address) = listener();
        let mut client = TcpStream::connect(address).unwrap();
        let mut server = listener.accept().unwrap().0;
        client.write_all(&[1; 1000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        server.write_all(&[2; 30]).unwrap();
        client.read_exact(&mut [0; 30]).unwrap();
        sleep(Duration::from_millis(50));
        drop(client);
        sleep(Duration::from_millis(20));
        drop(server);
        sleep(Duration::from_millis(50));
        events.stop();
        let told = told(&mut events);
        let lives: Vec<_> = told
            .iter()
            .filter_map(|event| {
                let Happening::Life(life) = &event.what else { return None };
                Some((event.local.port == address.port(), event, life))
            })
            .collect();
        assert_eq!(lives.len(), 2, "{told:?}");
        for (is_server, event, life) in lives {
            let (closer, sent, received) = if is_server { (Closer::Peer, 30, 1000) } else { (Closer::Us, 1000, 30) };
            assert_eq!(life.closer(event.state), Some(closer), "{event:?}");
            // bytes_acked counts our SYN, and our FIN when it was acknowledged.
            assert!((sent..=sent + 2).contains(&life.bytes_acked), "{event:?}");
            assert!((received..=received + 1).contains(&life.bytes_received), "{event:?}");
            assert!(life.lasted_ns.unwrap() >= 50_000_000 && life.rtt_us > 0 && life.error == 0, "{event:?}");
            assert_eq!(event.program.as_ref().unwrap().pid, std::process::id(), "{event:?}");
        }
        let changes: Vec<_> = told
            .iter()
            .filter(|event| event.local.port == address.port())
            .filter_map(|event| {
                let Happening::State { to } = event.what else { return None };
                Some((event.state, to))
            })
            .collect();
        let (established, wait) = (State::Established, State::CloseWait);
        assert!(changes.windows(2).any(|pair| pair == [(established, wait), (wait, State::LastAck)]), "{changes:?}");
    });
}

#[test]
fn an_attempt_without_a_port_and_one_given_up_are_told_apart() {
    with_events(|mut events| {
        let (full, address) = listener();
        drop_incoming(&format!("tcp dport {}", address.port()));
        drop(nonblocking(address));
        // Two ports: the third connection to the same place finds none.
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "20000 20001").unwrap();
        let (open, to) = (TcpListener::bind("127.0.0.1:9").unwrap(), "127.0.0.1:9".parse::<SocketAddr>().unwrap());
        let held: Vec<_> = (0..2).map(|_| TcpStream::connect(to).unwrap()).collect();
        let error = TcpStream::connect(to).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EADDRNOTAVAIL));
        events.stop();
        let counts = events.counts();
        let attempts =
            [(Attempt::Established, 2), (Attempt::Failed(nix::libc::EADDRNOTAVAIL), 1), (Attempt::GivenUp, 1)];
        assert_eq!(counts.attempts, BTreeMap::from(attempts));
        assert_eq!(counts.active_opens(), 3);
        let told = told(&mut events);
        let failed = told.iter().find(|event| {
            let no_port = Attempt::Failed(nix::libc::EADDRNOTAVAIL);
            matches!(event.what, Happening::Connect { attempt, .. } if attempt == no_port)
        });
        assert_eq!(failed.unwrap().program.as_ref().unwrap().pid, std::process::id());
        drop((held, open, full));
    });
}

#[test]
fn other_namespaces_are_not_told() {
    with_events(|mut events| {
        std::thread::spawn(|| {
            common::in_private_netns(|| drop(TcpStream::connect(closed_port()).unwrap_err()));
        })
        .join()
        .unwrap();
        events.stop();
        assert_eq!(events.counts(), EventCounts::default());
        assert!(told(&mut events).is_empty());
    });
}
