//! What the kernel's events add up to by process and by peer is what the load itself did, and what nstat and sockstat count.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::fs::read_to_string;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::id;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tcphealth_core::snapshot::{Attempt, Endpoint, Passed, PeerTally, QueueTally, State, Sums, Tally, With};
use tcphealth_linux::{Events, Host};

mod common;

/// One test at a time, as in events.rs.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs that a comparison may take, as in events.rs: now and then the kernel does not run any program for some 30 µs.
const RUNS: u32 = 3;

/// In one of the runs what is added up must be what the load says; where it is not permitted the test says so and passes.
fn adds_up<T: PartialEq + std::fmt::Debug + Send + 'static>(load: fn(&dyn Fn() -> Events) -> (T, T)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..RUNS {
        let (tell, told) = mpsc::channel();
        common::in_private_netns(move || {
            let netns = Host::live().identity().unwrap().netns;
            match Events::adding_up(netns) {
                Ok(_) => tell.send(load(&|| Events::adding_up(netns).unwrap())).unwrap(),
                Err(why) => {
                    assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{why:?}");
                    println!("not run: {why:?}");
                }
            }
        });
        match told.recv() {
            Ok((ours, load)) if ours != load => println!("events {ours:?}, load {load:?}"),
            _ => return,
        }
    }
    panic!("events are not what happened, in none of {RUNS} runs");
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address.ip(), address.port())
}

/// The sums of this process, or of nobody, with somebody.
fn sums(tally: &Tally, with: With, pid: Option<u32>, failed: Option<Attempt>) -> Sums {
    let mut all = Sums::default();
    for one in &tally.processes {
        if (one.with, one.pid, one.failed) == (with, pid, failed) {
            all += one.sums;
        }
    }
    all
}

fn gauge(file: &str, line: &str, name: &str) -> u64 {
    let text = read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
    let mut words = text.lines().find(|text| text.starts_with(line)).unwrap().split_whitespace();
    words.find(|word| *word == name).unwrap();
    words.next().unwrap().parse().unwrap()
}

/// A counter of `/proc/net/snmp`, in two lines: names and values.
fn snmp(name: &str) -> u64 {
    let text = read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let at = lines.next().unwrap().split(' ').position(|word| word == name).unwrap();
    lines.next().unwrap().split(' ').nth(at).unwrap().parse().unwrap()
}

#[test]
fn opened_ended_and_waiting_are_what_the_load_did() {
    adds_up(|begin| {
        let (listener, address) = listener();
        let mut events = begin();
        let before = [snmp("ActiveOpens"), snmp("PassiveOpens")];
        let started = Instant::now();
        for _ in 0..200 {
            let client = TcpStream::connect(address).unwrap();
            let mut server = listener.accept().unwrap().0;
            sleep(Duration::from_millis(1));
            drop(client);
            assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
        }
        let most = started.elapsed().as_nanos() as u64;
        events.stop();
        let tally = events.tally().unwrap();
        let client = sums(&tally, With::Destination(endpoint(address)), Some(id()), None);
        let server = sums(&tally, With::Port(address.port()), Some(id()), None);
        let arrived = sums(&tally, With::Port(address.port()), None, None);
        assert!((200_000_000..most).contains(&client.lived_ns), "{client:?}");
        assert!(client.opening_ns > 0 && client.opening_ns_max <= client.opening_ns && client.retried == 0);
        assert!(server.close_wait_ns_max <= server.close_wait_ns && server.close_wait_ns < most, "{server:?}");
        assert!(tally.is_whole() && tally.processes.iter().all(|one| one.pid.is_none() || one.comm == comm()));
        let ours = [client.opened, client.ended, client.lives, client.time_wait, server.ended, server.close_waits];
        let counted = [arrived.opened, tally.change(State::Established, State::CloseWait)];
        let kernel = [snmp("ActiveOpens") - before[0], snmp("PassiveOpens") - before[1]];
        assert_eq!(kernel, [200; 2]);
        let kernel = [kernel[0], 200, 200, gauge("sockstat", "TCP:", "tw"), 200, 200];
        ((ours, counted), (kernel, [200; 2]))
    });
}

fn comm() -> String {
    read_to_string("/proc/self/comm").unwrap().trim_end().to_owned()
}

#[test]
fn failures_and_resets_have_their_process_and_their_peer() {
    adds_up(|begin| {
        let nobody = listener().1;
        let mut events = begin();
        for _ in 0..30 {
            TcpStream::connect(nobody).unwrap_err();
        }
        let (busy, place) = listener();
        for _ in 0..4 {
            let client = TcpStream::connect(place).unwrap();
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            nix::sys::socket::setsockopt(&client, nix::sys::socket::sockopt::Linger, &linger).unwrap();
        }
        drop(busy);
        // One port: the second connection to the same place finds none.
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "20000 20000").unwrap();
        let (open, to) = (TcpListener::bind("127.0.0.1:9").unwrap(), "127.0.0.1:9".parse::<SocketAddr>().unwrap());
        let held = TcpStream::connect(to).unwrap();
        (0..5).for_each(|_| assert!(TcpStream::connect(to).is_err()));
        events.stop();
        let tally = events.tally().unwrap();
        let failed = |to: SocketAddr, errno: i32| {
            let sums = sums(&tally, With::Destination(endpoint(to)), Some(id()), Some(Attempt::Failed(errno)));
            assert_eq!(sums.ended, sums.lives);
            sums.ended
        };
        let passed = |port: u16, what: &Passed| {
            let is_it = |peer: &PeerTally| peer.port == port && peer.what == *what && peer.address == nobody.ip();
            tally.passed(is_it)
        };
        let unheard = Passed::WeReset { reason: "NO_SOCKET".to_owned() };
        let resets = [passed(nobody.port(), &unheard), passed(nobody.port(), &Passed::TheyReset)];
        let aborted: u64 = tally.processes.iter().filter(|one| one.pid == Some(id())).map(|one| one.sums.aborted).sum();
        let fails = [aborted, failed(nobody, nix::libc::ECONNREFUSED), failed(to, nix::libc::EADDRNOTAVAIL)];
        drop((open, held));
        ((fails, resets), ([4, 30, 5], [30; 2]))
    });
}

#[test]
fn close_wait_is_timed_also_on_connections_from_before() {
    const HELD: Duration = Duration::from_millis(300);
    adds_up(|begin| {
        let (listener, address) = listener();
        let pairs = || (TcpStream::connect(address).unwrap(), listener.accept().unwrap().0);
        let before: Vec<_> = (0..3).map(|_| pairs()).collect();
        let mut events = begin();
        let after: Vec<_> = (0..2).map(|_| pairs()).collect();
        let started = Instant::now();
        let (clients, servers): (Vec<_>, Vec<_>) = before.into_iter().chain(after).unzip();
        drop(clients);
        sleep(HELD);
        drop(servers);
        let most = started.elapsed().as_nanos() as u64;
        events.stop();
        let tally = events.tally().unwrap();
        let (old, new) =
            (sums(&tally, With::Before, Some(id()), None), sums(&tally, With::Port(address.port()), Some(id()), None));
        let times = (HELD.as_nanos() as u64)..most;
        assert!(times.contains(&old.close_wait_ns_max) && times.contains(&new.close_wait_ns_max), "{tally:?}");
        assert!(times.contains(&(old.close_wait_ns / old.close_waits.max(1))), "{tally:?}");
        // Of those from before, our clients are closed by this process too.
        (vec![old.close_waits, old.ended, old.lives, new.close_waits, new.lives], vec![3, 6, 0, 2, 2])
    });
}

/// What became of the connections in the accept queue at an address.
fn queue(tally: &Tally, address: SocketAddr) -> QueueTally {
    let queues = tally.queues.as_ref().expect("accept() is watched where the rest is");
    *queues.iter().find(|queue| queue.local == endpoint(address)).unwrap()
}

#[test]
fn the_time_in_an_accept_queue_is_what_the_program_let_pass() {
    const LATE: Duration = Duration::from_millis(200);
    adds_up(|begin| {
        let (listener, address) = listener();
        let (other, slow) = (TcpListener::bind("[::]:0").unwrap(), Duration::from_millis(50));
        let early = TcpStream::connect(address).unwrap();
        let mut events = begin();
        // One came before anybody looked, three are accepted late, one has gone before, and two are never accepted.
        let started = Instant::now();
        let late: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        sleep(LATE);
        let accepted: Vec<_> = (0..4).map(|_| listener.accept().unwrap()).collect();
        let most = started.elapsed().as_nanos() as u64;
        let reset = TcpStream::connect(address).unwrap();
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&reset, nix::sys::socket::sockopt::Linger, &linger).unwrap();
        drop(reset);
        let waiting: Vec<_> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
        let since = Instant::now();
        // IPv4 at a listener of IPv6, by accept() where the one above is accept4().
        let to = SocketAddr::from(([127, 0, 0, 1], other.local_addr().unwrap().port()));
        let client = TcpStream::connect(to).unwrap();
        sleep(slow);
        let by_accept = nix::sys::socket::accept(std::os::fd::AsRawFd::as_raw_fd(&other)).unwrap();
        events.stop();
        let (least, tally) = (since.elapsed().as_nanos() as u64, events.tally().unwrap());
        let (first, second) = (queue(&tally, address), queue(&tally, to));
        nix::unistd::close(by_accept).unwrap();
        drop((early, late, accepted, waiting, client));
        assert!((LATE.as_nanos() as u64..most).contains(&first.waited_ns_max), "{first:?}");
        assert!((3 * LATE.as_nanos() as u64..3 * most).contains(&first.waited_ns), "{first:?}");
        assert!(first.waiting_ns >= 2 * least && first.waiting_ns < 2 * 60_000_000_000, "{first:?}");
        assert!(second.waited_ns >= slow.as_nanos() as u64 && second.waited_ns == second.waited_ns_max, "{second:?}");
        let counts = |queue: QueueTally| [queue.accepted, queue.waiting, queue.ended, queue.unseen];
        ([counts(first), counts(second)], [[3, 2, 1, 1], [1, 0, 0, 0]])
    });
}

#[test]
fn syns_that_are_sent_again_are_counted_by_destination_and_the_connects_that_needed_them_by_process() {
    adds_up(|begin| {
        let full = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Inet,
            nix::sys::socket::SockType::Stream,
            nix::sys::socket::SockFlag::empty(),
            None,
        )
        .unwrap();
        nix::sys::socket::bind(
            std::os::fd::AsRawFd::as_raw_fd(&full),
            &nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 0),
        )
        .unwrap();
        nix::sys::socket::listen(&full, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let listener = TcpListener::from(full);
        let address = listener.local_addr().unwrap();
        let first = TcpStream::connect(address).unwrap();
        let mut events = begin();
        // The queue has room for one: the next SYN is dropped, and answered when it comes again.
        let late = std::thread::spawn(move || TcpStream::connect(address).unwrap());
        sleep(Duration::from_millis(300));
        let served = [listener.accept().unwrap(), listener.accept().unwrap()];
        let late = late.join().unwrap();
        events.stop();
        let tally = events.tally().unwrap();
        let sums = sums(&tally, With::Destination(endpoint(address)), Some(id()), None);
        let again = tally.passed(|peer| peer.what == Passed::SynAgain && peer.port == address.port());
        assert!(sums.opening_ns_max >= 1_000_000_000, "{tally:?}");
        drop((first, late, served));
        ([sums.opened, sums.retried, again], [1, 1, 1])
    });
}
