//! `tcphealth sockets` shows what `ss` shows: the same sockets in the same states, and every field of `ss -i` with its value.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use tcphealth_core::snapshot::{Endpoint, State};

/// Sockets that stay as they are: established with data, half closed, waiting; IPv4, IPv6 and one family mapped into the other.
fn populate() -> (Vec<TcpListener>, Vec<TcpStream>) {
    std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "0").unwrap();
    let listeners = ["127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0"].map(|place| TcpListener::bind(place).unwrap());
    let place = |number: usize| {
        let port = listeners[number].local_addr().unwrap().port();
        let address: IpAddr = if number == 1 { "::1" } else { "127.0.0.1" }.parse().unwrap();
        SocketAddr::new(address, port)
    };
    let mut kept = Vec::new();
    for round in 0..2_400 {
        let number = round % 4;
        let mut client = TcpStream::connect(place(number)).unwrap();
        let mut server = listeners[number].accept().unwrap().0;
        match round % 12 {
            // Data both ways.
            0..=2 => {
                client.write_all(&vec![1; 1 + round * 7]).unwrap();
                server.read_exact(&mut vec![0; 1 + round]).unwrap();
                server.write_all(b"answer").unwrap();
                kept.extend([client, server]);
            }
            // CLOSE_WAIT here, FIN_WAIT2 there.
            3 => {
                client.shutdown(std::net::Shutdown::Write).unwrap();
                kept.extend([client, server]);
            }
            // TIME_WAIT.
            _ => drop((client, server)),
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    (listeners.into(), kept)
}

fn ss(words: &[&str]) -> Vec<Vec<String>> {
    let output = Command::new("ss").args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// `127.0.0.1:80`, `[::1]:80`, `*:80` (any address of either family), `0.0.0.0:*`, as we write them.
fn place(text: &str) -> String {
    let (address, port) = text.rsplit_once(':').unwrap();
    let address: IpAddr = match address.trim_matches(['[', ']']) {
        "*" => "::".parse().unwrap(),
        address => address.parse().unwrap(),
    };
    Endpoint::new(address, if port == "*" { 0 } else { port.parse().unwrap() }).to_string()
}

fn ours(words: &[&str]) -> Vec<Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tcphealth")).args(["sockets", "--format", "json"]).args(words).output();
    let output = output.unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    found["sockets"].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn compare_sets() {
    let mut theirs: Vec<_> = ss(&["-tanH"])
        .iter()
        .map(|words| {
            let state = State::ALL.iter().find(|state| state.ss_name() == words[0]).unwrap();
            (state.name().to_owned(), place(&words[3]), place(&words[4]))
        })
        .collect();
    let json = ours(&[]);
    let mut own: Vec<_> =
        json.iter().map(|socket| ["state", "local", "remote"].map(|key| text(&socket[key])).into()).collect();
    theirs.sort();
    own.sort();
    assert!(own == theirs, "{} of ours, {} of ss", own.len(), theirs.len());
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for (state, _, _) in &own {
        *states.entry(state).or_default() += 1;
    }
    let expected =
        [("CLOSE_WAIT", 200), ("ESTABLISHED", 1_200), ("FIN_WAIT2", 200), ("LISTEN", 4), ("TIME_WAIT", 1_600)];
    assert_eq!(states, BTreeMap::from(expected));
}

/// Filters that the kernel is asked to choose by, of ports that exist and of both families, one mapped into the other.
fn compare_filters(listeners: &[TcpListener]) {
    let port = |number: usize| listeners[number].local_addr().unwrap().port();
    let (first, mapped) = (port(0), port(2));
    let filters = [
        format!("sport = :{first}"),
        format!("dport != :{mapped} and dst 127.0.0.0/8"),
        format!("not ( sport = :{first} or dport = :{first} ) and src 127.0.0.1"),
        format!("dst [::1] or sport < :{first}"),
        format!("( dport >= :{mapped} or not src [::1] ) and dport != :0"),
        format!("dst 127.0.0.1:{mapped}"),
    ];
    for filter in filters {
        let words: Vec<&str> = filter.split_whitespace().collect();
        let mut theirs: Vec<_> =
            ss(&[&["-tanH"], &*words].concat()).iter().map(|words| (place(&words[3]), place(&words[4]))).collect();
        let mut own: Vec<_> =
            ours(&words).iter().map(|socket| (text(&socket["local"]), text(&socket["remote"]))).collect();
        theirs.sort();
        own.sort();
        assert!(own == theirs && !own.is_empty(), "{filter}: {} of ours, {} of ss", own.len(), theirs.len());
    }
}

/// Ours for each word of `ss -i`; the others are ours by the same name.
const NAMES: [(&str, &str); 13] = [
    ("mss", "snd_mss"),
    ("rcvmss", "rcv_mss"),
    ("cwnd", "snd_cwnd"),
    ("ssthresh", "snd_ssthresh"),
    ("notsent", "notsent_bytes"),
    ("minrtt", "min_rtt"),
    ("busy", "busy_time"),
    ("lastsnd", "last_data_sent"),
    ("lastrcv", "last_data_recv"),
    ("lastack", "last_ack_recv"),
    ("wscale", "snd_wscale"),
    ("retrans", "total_retrans"),
    ("app_limited", "delivery_rate_app_limited"),
];
/// Fields that ss prints in ms while the kernel counts µs.
const TIMES: [&str; 6] = ["rto", "rtt", "ato", "rcv_rtt", "minrtt", "busy"];
/// Words of `ss -ti` that are no field of tcp_info: options and congestion controls, and `send`, which ss computes.
const NO_FIELDS: [&str; 8] = ["ts", "sack", "cubic", "reno", "bbr", "ecn", "ecnseen", "send"];

fn compare_fields() {
    let json = ours(&["state", "established"]);
    let by_ends: BTreeMap<_, _> =
        json.iter().map(|socket| ((text(&socket["local"]), text(&socket["remote"])), &socket["tcp_info"])).collect();
    let mut compared = 0;
    for words in ss(&["-tinOH", "state", "established"]) {
        let info = by_ends[&(place(&words[2]), place(&words[3]))];
        for word in words[4..].iter().filter(|word| !word.ends_with("bps")) {
            let (name, value) = word.split_once(':').unwrap_or((word, ""));
            if NO_FIELDS.contains(&name) {
                continue;
            }
            let ours = NAMES.iter().find(|(ss, _)| *ss == name).map_or(name, |(_, ours)| *ours);
            assert!(info.get(ours).is_some(), "ss prints {word}, and there is no {ours}: {info}");
            let number = value.split(['/', ',', 'm', '(']).next().unwrap();
            if TIMES.contains(&name) {
                let (ms, us): (f64, f64) = (number.parse().unwrap(), info[ours].as_f64().unwrap());
                assert!((ms - us / 1_000.0).abs() <= 1.0 + ms * 1e-5, "{word}: {us} µs");
            } else if !number.is_empty() && !name.starts_with("last") && name != "retrans" {
                assert_eq!(number, info[ours].to_string(), "{word}");
            }
            compared += 1;
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn the_same_sockets_and_fields_as_ss() {
    let run = || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            let kept = populate();
            compare_sets();
            compare_fields();
            compare_filters(&kept.0);
            drop(kept);
        }
        Err(_) if std::env::var_os("TCPHEALTH_ALL_TESTS").is_none() => println!("not run: needs CAP_SYS_ADMIN"),
        Err(errno) => panic!("unshare: {errno}"),
    };
    std::thread::spawn(run).join().unwrap();
}
