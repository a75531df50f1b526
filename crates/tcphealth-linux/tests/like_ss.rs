//! The same sockets, states and numbers as `ss` shows, on a few thousand mixed sockets that stand still.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, getsockname, listen, setsockopt, socket,
};
use nix::{libc, setsockopt_impl, sockopt_impl};
use tcphealth_core::snapshot::{Endpoint, Socket, State, TcpInfo};
use tcphealth_core::wire::sock_diag::{ALL_STATES, CONG, Code, End, Family, INFO, SKMEMINFO};
use tcphealth_linux::{Host, Pass, Request};

sockopt_impl!(
    /// A connection is half open until data come.
    DeferAccept, SetOnly, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, i32);

/// Everything that keeps the sockets as they are.
#[derive(Default)]
struct Held {
    streams: Vec<TcpStream>,
    listeners: Vec<TcpListener>,
    sockets: Vec<OwnedFd>,
}

impl Held {
    fn listener(&mut self, address: &str) -> SocketAddr {
        let listener = TcpListener::bind(address).unwrap();
        let bound = listener.local_addr().unwrap();
        self.listeners.push(listener);
        bound
    }

    fn pair(&self, to: SocketAddr) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(to).unwrap();
        let listener = self.listeners.iter().find(|known| known.local_addr().unwrap().port() == to.port()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// Connections, every other one with data both ways.
    fn established(&mut self, to: SocketAddr, count: usize) {
        for number in 0..count {
            let (mut client, mut server) = self.pair(to);
            if number % 2 == 0 {
                client.write_all(&vec![1; 100 * number + 1]).unwrap();
                server.read_exact(&mut vec![0; 50 * number + 1]).unwrap();
                server.write_all(b"answer").unwrap();
            }
            self.streams.extend([client, server]);
        }
    }

    /// CLOSE_WAIT here, FIN_WAIT2 that the kernel keeps there.
    fn close_wait(&mut self, to: SocketAddr, count: usize) {
        for _ in 0..count {
            let (client, server) = self.pair(to);
            drop(client);
            self.streams.push(server);
        }
    }

    fn time_wait(&self, to: SocketAddr, count: usize) {
        for _ in 0..count {
            drop(self.pair(to));
        }
    }

    /// A full accept queue leaves SYNs without answer; a deferred one keeps connections half open.
    fn opening(&mut self, backlog: i32, deferred: bool, count: usize) {
        let listener = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        bind(listener.as_raw_fd(), &SockaddrStorage::from(any)).unwrap();
        if deferred {
            setsockopt(&listener, DeferAccept, &30).unwrap();
        }
        listen(&listener, Backlog::new(backlog).unwrap()).unwrap();
        let to: SockaddrStorage = getsockname(listener.as_raw_fd()).unwrap();
        self.sockets.push(listener);
        for _ in 0..count {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let client = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
            assert_eq!(connect(client.as_raw_fd(), &to), Err(Errno::EINPROGRESS));
            self.sockets.push(client);
        }
    }
}

fn populate() -> Held {
    fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "0").unwrap();
    let mut held = Held::default();
    let v4 = held.listener("127.0.0.1:0");
    let v6 = held.listener("[::1]:0");
    let dual = held.listener("[::]:0");
    let any = held.listener("0.0.0.0:0");
    let mapped = SocketAddr::new("127.0.0.1".parse().unwrap(), dual.port());
    held.established(v4, 120);
    held.established(v6, 50);
    held.established(mapped, 50);
    held.close_wait(v4, 100);
    held.close_wait(mapped, 20);
    held.time_wait(SocketAddr::new("127.0.0.7".parse().unwrap(), any.port()), 2500);
    held.time_wait(v6, 100);
    held.opening(0, false, 8);
    held.opening(16, true, 8);
    let half_closed = held.pair(v4);
    half_closed.0.shutdown(std::net::Shutdown::Write).unwrap();
    held.streams.extend([half_closed.0, half_closed.1]);
    // The last delayed acknowledgements go out.
    std::thread::sleep(Duration::from_millis(500));
    held
}

/// One line of `ss`.
struct Line {
    state: State,
    queues: (u32, u32),
    ends: (Endpoint, Endpoint),
    details: Vec<String>,
}

fn ss() -> Vec<Line> {
    let out = Command::new("ss").args(["-HtaniemO"]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(line).collect()
}

fn line(text: &str) -> Line {
    let words: Vec<&str> = text.split_whitespace().collect();
    Line {
        state: *State::ALL.iter().find(|state| state.ss_name() == words[0]).unwrap(),
        queues: (words[1].parse().unwrap(), words[2].parse().unwrap()),
        ends: (endpoint(words[3]), endpoint(words[4])),
        details: words[5..].iter().map(ToString::to_string).collect(),
    }
}

/// `127.0.0.1:80`, `[::1]:80`, `*:80` (any address of either family), `0.0.0.0:*`.
fn endpoint(text: &str) -> Endpoint {
    let (address, port) = text.rsplit_once(':').unwrap();
    let address: IpAddr = match address.trim_matches(['[', ']']) {
        "*" => "::".parse().unwrap(),
        address => address.parse().unwrap(),
    };
    Endpoint::new(address, if port == "*" { 0 } else { port.parse().unwrap() })
}

impl Line {
    fn detail(&self, key: &str) -> Option<&str> {
        self.details.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix(':'))
    }

    fn cookie(&self) -> u64 {
        u64::from_str_radix(self.detail("sk").unwrap(), 16).unwrap()
    }
}

fn ours() -> BTreeMap<u64, Socket> {
    let mut all = BTreeMap::new();
    let request = Request { states: ALL_STATES, attributes: INFO | SKMEMINFO | CONG, family: Family::Both, code: None };
    Host::live().sockets(request, &mut |socket| all.extend([(socket.cookie, socket.clone())])).unwrap();
    all
}

fn skmem(socket: &Socket) -> Option<String> {
    let mem = socket.skmem?;
    Some(format!(
        "(r{},rb{},t{},tb{},f{},w{},o{},bl{},d{})",
        mem.rmem_alloc_bytes,
        mem.rcvbuf_bytes,
        mem.wmem_alloc_bytes,
        mem.sndbuf_bytes,
        mem.fwd_alloc_bytes,
        mem.wmem_queued_bytes,
        mem.optmem_bytes,
        mem.backlog_bytes,
        mem.drops
    ))
}

/// A count as `ss` prints it, by its word for it.
fn count(info: &TcpInfo, word: &str) -> Option<u64> {
    let wide = |value: Option<u32>| value.map(u64::from);
    match word {
        "backoff" => info.backoff().map(u64::from),
        "mss" => wide(info.snd_mss()),
        "pmtu" => wide(info.pmtu()),
        "rcvmss" => wide(info.rcv_mss()),
        "advmss" => wide(info.advmss()),
        "cwnd" => wide(info.snd_cwnd()),
        "ssthresh" => wide(info.snd_ssthresh()),
        "bytes_sent" => info.bytes_sent(),
        "bytes_retrans" => info.bytes_retrans(),
        "bytes_acked" => info.bytes_acked(),
        "bytes_received" => info.bytes_received(),
        "segs_out" => wide(info.segs_out()),
        "segs_in" => wide(info.segs_in()),
        "data_segs_out" => wide(info.data_segs_out()),
        "data_segs_in" => wide(info.data_segs_in()),
        "delivered" => wide(info.delivered()),
        "unacked" => wide(info.unacked()),
        "lost" => wide(info.lost()),
        "sacked" => wide(info.sacked()),
        "dsack_dups" => wide(info.dsack_dups()),
        "reordering" => wide(info.reordering()),
        "reord_seen" => wide(info.reord_seen()),
        "rcv_space" => wide(info.rcv_space()),
        "rcv_ssthresh" => wide(info.rcv_ssthresh()),
        "notsent" => wide(info.notsent_bytes()),
        "rcv_ooopack" => wide(info.rcv_ooopack()),
        "snd_wnd" => wide(info.snd_wnd()),
        "rcv_wnd" => wide(info.rcv_wnd()),
        "rehash" => wide(info.rehash()),
        _ => None,
    }
}

/// A time that `ss` prints in ms, by its word for it, µs.
fn time_us(info: &TcpInfo, word: &str) -> Option<u64> {
    let wide = |value: Option<u32>| value.map(u64::from);
    match word {
        "rto" => wide(info.rto()),
        "ato" => wide(info.ato()),
        "rtt" => wide(info.rtt()),
        "rcv_rtt" => wide(info.rcv_rtt()),
        "minrtt" => wide(info.min_rtt()),
        "busy" => info.busy_time(),
        "rwnd_limited" => info.rwnd_limited(),
        "sndbuf_limited" => info.sndbuf_limited(),
        _ => None,
    }
}

/// Compares every `word:value` of `ss` that comes from tcp_info; returns the words that were compared.
fn compare(info: &TcpInfo, line: &Line) -> BTreeSet<String> {
    let mut compared = BTreeSet::new();
    for detail in &line.details {
        let Some((word, value)) = detail.split_once(':') else { continue };
        let number = value.split(['/', 'm', '(', ',']).next().unwrap();
        if let Some(ours) = count(info, word) {
            assert_eq!(ours.to_string(), number, "{word} of {:?}", line.ends);
        } else if let Some(us) = time_us(info, word) {
            // Printed with %g: six digits; busy and the limits in whole ms.
            let theirs: f64 = number.parse().unwrap();
            assert!(
                (us as f64 / 1000.0 - theirs).abs() <= theirs * 1e-5 + f64::from(value.ends_with("ms")),
                "{word} {us} {detail}"
            );
        } else if let Some(ours) = since_ms(info, word) {
            assert!(ours.abs_diff(number.parse().unwrap()) < 5000, "{word} {ours} {detail}");
        } else if word == "wscale" {
            let (send, receive) = info.wscale().unwrap();
            assert_eq!(format!("{send},{receive}"), value);
        } else if word == "retrans" {
            assert_eq!(format!("{}/{}", info.retrans().unwrap(), info.total_retrans().unwrap()), value);
        } else {
            assert!(
                ["ino", "sk", "uid", "cgroup", "v6only", "timer", "skmem", "bbr", "fwmark"].contains(&word),
                "not compared: {detail}"
            );
            continue;
        }
        compared.insert(word.to_owned());
    }
    compared
}

fn since_ms(info: &TcpInfo, word: &str) -> Option<u64> {
    let ms = match word {
        "lastsnd" => info.last_data_sent(),
        "lastrcv" => info.last_data_recv(),
        "lastack" => info.last_ack_recv(),
        _ => None,
    };
    ms.map(u64::from)
}

/// Rates stand as two words: `pacing_rate 33.1Mbps`.
fn compare_rates(info: &TcpInfo, line: &Line) {
    for pair in line.details.windows(2) {
        let ours = match pair[0].as_str() {
            "pacing_rate" => info.pacing_rate(),
            "delivery_rate" => info.delivery_rate(),
            _ => continue,
        };
        let text = pair[1].split('/').next().unwrap().strip_suffix("bps").unwrap();
        let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
        let unit = match &text[digits.len()..] {
            "K" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            _ => 1.0,
        };
        let theirs = digits.parse::<f64>().unwrap();
        assert!((ours.unwrap() as f64 * 8.0 / unit - theirs).abs() <= 0.51 + theirs * 1e-5, "{pair:?} {ours:?}");
    }
}

/// `(r0,…,bl0,d14)` without its drops, and the drops.
fn drops(skmem: &str) -> (&str, u64) {
    let (rest, drops) = skmem.rsplit_once(",d").unwrap();
    (rest, drops.trim_end_matches(')').parse().unwrap())
}

fn compare_all(lines: &[Line], ours: &BTreeMap<u64, Socket>) -> BTreeSet<String> {
    let mut compared = BTreeSet::new();
    for line in lines {
        let socket = &ours[&line.cookie()];
        assert_eq!((socket.state, socket.local, socket.remote), (line.state, line.ends.0, line.ends.1));
        assert_eq!((socket.rqueue, socket.wqueue), line.queues, "{:?}", line.ends);
        assert_eq!(socket.inode.to_string(), line.detail("ino").unwrap_or("0"));
        assert_eq!(socket.v6only.map(|only| u8::from(only).to_string()).as_deref(), line.detail("v6only"));
        // What is being retried changes between two looks.
        if matches!(line.state, State::SynSent | State::SynRecv) {
            continue;
        }
        let (our_mem, their_mem) = (skmem(socket), line.detail("skmem"));
        if line.state == State::Listen {
            // A full listener drops SYNs that come again after ss has looked.
            let [ours, theirs] = [our_mem.as_deref(), their_mem].map(|mem| drops(mem.unwrap()));
            assert!(ours.0 == theirs.0 && ours.1 >= theirs.1, "{our_mem:?} {their_mem:?}");
        } else {
            assert_eq!(our_mem.as_deref(), their_mem);
        }
        if let Some(info) = &socket.info {
            compared.extend(compare(info, line));
            compare_rates(info, line);
            let named = socket.congestion_name().is_none_or(|name| line.details.iter().any(|word| word == name));
            assert!(named || line.state == State::Listen, "{:?}", line.details);
        }
    }
    compared
}

#[test]
fn the_same_sockets_states_and_numbers_as_ss() {
    common::in_private_netns(|| {
        let held = populate();
        let (lines, ours) = (ss(), ours());
        let cookies = |all: &mut dyn Iterator<Item = u64>| all.collect::<BTreeSet<_>>();
        assert_eq!(cookies(&mut lines.iter().map(Line::cookie)), cookies(&mut ours.keys().copied()));
        let compared = compare_all(&lines, &ours);
        let needed =
            ["rto", "rtt", "mss", "cwnd", "bytes_acked", "segs_in", "minrtt", "rcv_space", "lastack", "wscale"];
        assert!(needed.iter().all(|word| compared.contains(*word)), "{compared:?}");
        census_counts_the_same(&lines);
        the_kernel_chooses_by_code(&held, &lines);
        drop(held);
    });
}

fn the_kernel_chooses_by_code(held: &Held, lines: &[Line]) {
    let port = held.listeners[0].local_addr().unwrap().port();
    let code = Code::port_from(End::Remote, port).and(&Code::port_to(End::Remote, port)).negated();
    let code = code.and(&Code::inside(End::Remote, "127.0.0.0".parse().unwrap(), 8));
    let mut chosen = 0;
    let request = Request { states: ALL_STATES, attributes: 0, family: Family::Both, code: Some(&code) };
    Host::live().sockets(request, &mut |_| chosen += 1).unwrap();
    let loopback = |address: IpAddr| matches!(address, IpAddr::V4(address) if address.is_loopback());
    let is_meant = |line: &&Line| line.ends.1.port != port && loopback(line.ends.1.address);
    assert_eq!(chosen, lines.iter().filter(is_meant).count());
    assert!(chosen > 100 && chosen < lines.len(), "{chosen} of {}", lines.len());
}

fn census_counts_the_same(lines: &[Line]) {
    let (snapshot, marks) = Host::live().look(Pass::First).unwrap();
    let census = snapshot.census.unwrap();
    for state in State::ALL {
        let theirs = lines.iter().filter(|line| line.state == state).count();
        assert_eq!(census.states.get(state) as usize, theirs, "{state}");
    }
    let present = [
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait2,
        State::TimeWait,
        State::CloseWait,
        State::Listen,
    ];
    assert!(present.iter().all(|state| census.states.get(*state) >= 1), "{:?}", census.states);
    assert!(census.states.get(State::TimeWait) == 2600 && census.states.total() > 3300, "{:?}", census.states);
    let time_wait = census.states.get(State::TimeWait);
    assert_eq!(marks.len() as u32, census.states.total() - time_wait);
}

#[test]
fn the_text_tables_show_the_same_sockets() {
    common::in_private_netns(|| {
        let held = populate();
        let key = |socket: &Socket| format!("{} {} {} {}", socket.state, socket.local, socket.remote, socket.inode);
        let mut diag: Vec<_> = ours().values().map(key).collect();
        let mut texts = Vec::new();
        for (name, section) in [("tcp", "net/tcp"), ("tcp6", "net/tcp6")] {
            let text = fs::read(format!("/proc/thread-self/net/{name}")).unwrap();
            tcphealth_core::wire::proc_net_tcp::parse(section, &text, &mut |socket| texts.push(key(socket))).unwrap();
        }
        diag.sort();
        texts.sort();
        assert_eq!(diag, texts);
        drop(held);
    });
}
