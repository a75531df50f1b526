use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use tcphealth_core::wire::hash_walk::{OWNER, PROGRESS, QUEUES};
use tcphealth_core::wire::sock_diag::{ALL_STATES, Family, INFO};

use super::*;
use crate::sockets::{Request, visit_any};
use crate::source::Source;

/// Runs a test in a namespace of its own; where that, or the program, is not permitted it says so and passes, unless every test
/// is demanded.
fn with_walk(test: impl FnOnce(&mut Walk) + Send + 'static) {
    with(Walk::load, test);
}

/// The same with what `load` loads.
pub(in crate::bpf) fn with<T: 'static>(load: fn() -> Result<T, Absent>, test: impl FnOnce(&mut T) + Send + 'static) {
    let run = move || {
        let entered = unshare(CloneFlags::CLONE_NEWNET).map_err(absent).and_then(|()| load());
        match entered {
            Ok(mut walk) => {
                assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
                test(&mut walk);
            }
            Err(why) => {
                assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{why:?}");
                println!("not run: {why:?}");
            }
        }
    };
    if let Err(panic) = std::thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Everything that a brief record says of a socket.
type Brief = (State, String, String, bool, [u32; 7]);

fn brief(socket: &Socket) -> Brief {
    let Socket { state, local, remote, inet6, ifindex, rqueue, wqueue, uid, inode, .. } = *socket;
    let progress = [socket.rtt_us(), socket.total_retrans()].map(Option::unwrap_or_default);
    let numbers = [ifindex, rqueue, wqueue, uid, inode, progress[0], progress[1]];
    (state, local.to_string(), remote.to_string(), inet6, numbers)
}

fn by_walk(walk: &mut Walk, states: u32) -> Vec<Brief> {
    let mut seen = Vec::new();
    walk.visit(Want { states, parts: QUEUES | OWNER | PROGRESS, everywhere: false }, &mut |socket, _| {
        seen.push(brief(socket));
    })
    .unwrap();
    seen.sort();
    seen
}

/// SocketSums by state and peer.
type Summed = BTreeMap<(State, IpAddr), SocketSums>;

fn summed_by_walk(walk: &mut Walk) -> Summed {
    let (mut summed, mut records) = (Summed::new(), 0);
    let want = Want { states: ALL_STATES, parts: QUEUES | PROGRESS, everywhere: false };
    walk.sums(want, &mut |socket, sums, _| {
        *summed.entry((socket.state, socket.remote.address)).or_default() += sums;
        records += 1;
    })
    .unwrap();
    // Some of them have met in a run.
    assert!(records < summed.values().map(|sums| sums.sockets).sum::<u64>(), "{records}");
    summed
}

fn summed_by_netlink() -> Summed {
    let mut summed = Summed::new();
    let request = Request { states: ALL_STATES, attributes: INFO, family: Family::Both, code: None };
    visit_any(&mut Source::live(None), request, &mut |socket| {
        *summed.entry((socket.state, socket.remote.address)).or_default() += SocketSums::of(socket);
    })
    .unwrap();
    summed
}

fn by_netlink(states: u32) -> Vec<Brief> {
    let mut seen = Vec::new();
    let request = Request { states, attributes: INFO, family: Family::Both, code: None };
    visit_any(&mut Source::live(None), request, &mut |socket| seen.push(brief(socket))).unwrap();
    seen.sort();
    seen
}

/// Says what only one of them has; thousands of equal lines would hide it.
fn assert_same(walked: &[Brief], told: &[Brief]) {
    let only = |some: &[Brief], others: &[Brief]| -> Vec<Brief> {
        some.iter().filter(|socket| others.binary_search(socket).is_err()).take(5).cloned().collect()
    };
    assert_eq!((only(walked, told), only(told, walked)), (vec![], vec![]));
    assert_eq!(walked.len(), told.len());
}

fn pair(listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream) {
    (TcpStream::connect(to).unwrap(), listener.accept().unwrap().0)
}

/// Sockets of every kind that stands still: with unread data, closed by one side, by both, not accepted, of both families.
pub(crate) fn population() -> (Vec<TcpListener>, Vec<TcpStream>) {
    let (mut listeners, mut streams) = (Vec::new(), Vec::new());
    for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = if address.starts_with('1') { "127.0.0.1" } else { "[::1]" };
        let mut hosts = vec![host];
        hosts.extend((address == "[::]:0").then_some("127.0.0.1"));
        for to in hosts.iter().map(|host| format!("{host}:{port}").parse().unwrap()) {
            for bytes in 0..100 {
                let (client, mut server) = pair(&listener, to);
                server.write_all(&vec![7; bytes]).unwrap();
                streams.extend([client, server]);
            }
            for _ in 0..50 {
                streams.push(pair(&listener, to).1);
                let (client, mut server) = pair(&listener, to);
                drop(client);
                assert_eq!(server.read(&mut [0]).unwrap(), 0);
            }
            streams.push(TcpStream::connect(to).unwrap());
        }
        listeners.push(listener);
    }
    (listeners, streams)
}

#[test]
fn the_walk_sees_what_sock_diag_sees() {
    with_walk(sees_what_sock_diag_sees);
}

#[test]
fn the_walk_that_reads_by_calls_sees_the_same() {
    with(|| Walk::load_either(&[]), sees_what_sock_diag_sees);
}

fn sees_what_sock_diag_sees(walk: &mut Walk) {
    let held = population();
    std::thread::sleep(Duration::from_millis(300));
    let (walked, told) = (by_walk(walk, ALL_STATES), by_netlink(ALL_STATES));
    let mut states: BTreeMap<State, usize> = BTreeMap::new();
    for socket in &told {
        *states.entry(socket.0).or_default() += 1;
    }
    // Four ways in: 100 pairs each and one not accepted, 50 half closed, 50 closed.
    let expected = [
        (State::Established, 808),
        (State::FinWait2, 200),
        (State::TimeWait, 200),
        (State::CloseWait, 200),
        (State::Listen, 3),
    ];
    assert_eq!(states, BTreeMap::from(expected));
    assert_same(&walked, &told);
    assert_eq!(summed_by_walk(walk), summed_by_netlink());
    let counts = walk.counts(ALL_STATES).unwrap();
    for state in State::ALL {
        assert_same(&by_walk(walk, state.bit()), &by_netlink(state.bit()));
        let count = states.get(&state).map_or(0, |count| *count as u32);
        let alone = walk.counts(state.bit()).unwrap();
        assert_eq!((counts.get(state), alone.get(state), alone.total()), (count, count, count), "{state}");
    }
    drop(held);
}

#[test]
fn what_is_pinned_sees_the_same_and_has_one_user_at_a_time() {
    with_walk(|_| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        for mount in ["mount --make-rprivate /", "mount -t bpf bpf /sys/fs/bpf"] {
            assert!(Command::new("sh").args(["-c", mount]).status().unwrap().success());
        }
        super::pin().unwrap();
        let mut pinned = Walk::load().unwrap();
        assert!(pin::find(DIRECT).is_none());
        sees_what_sock_diag_sees(&mut pinned);
        assert!(Walk::load().is_ok());
        drop(pinned);
        assert!(pin::find(DIRECT).is_some() && pin::find(BY_CALL).is_none());
        assert!(pin::remove().unwrap() && !pin::is_pinned() && !pin::remove().unwrap());
        assert!(pin::find(DIRECT).is_none());
    });
}

#[test]
fn other_namespaces_are_seen_only_when_all_are_wanted() {
    with_walk(|walk| {
        let elsewhere = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let listener = TcpListener::bind("0.0.0.0:0").unwrap();
            let link = fs::read_link("/proc/thread-self/ns/net").unwrap();
            let inode: u32 = link.to_str().unwrap().trim_start_matches("net:[").trim_end_matches(']').parse().unwrap();
            (listener.local_addr().unwrap(), listener, inode)
        });
        let (there, _listener, inode) = elsewhere.join().unwrap();
        let mut seen = Vec::new();
        let want = Want { states: State::Listen.bit(), parts: 0, everywhere: true };
        walk.visit(want, &mut |socket, netns| seen.push((socket.local.to_string(), netns))).unwrap();
        assert!(seen.contains(&(there.to_string(), inode)), "{there} {inode} {seen:?}");
        assert!(by_walk(walk, State::Listen.bit()).iter().all(|socket| socket.1 != there.to_string()));
    });
}

#[test]
fn under_churn_every_socket_that_stays_is_seen_exactly_once() {
    with_walk(|walk| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let held: Vec<_> = (0..2000).map(|_| pair(&listener, address)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let netns = fs::File::open("/proc/thread-self/ns/net").unwrap();
        let churn = std::thread::spawn({
            let stop = stop.clone();
            move || {
                nix::sched::setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
                let other = TcpListener::bind("127.0.0.2:0").unwrap();
                let to = other.local_addr().unwrap();
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    drop(pair(&other, to));
                    count += 1;
                }
                count
            }
        });
        let begin = Instant::now();
        for scan in 0..100 {
            let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
            for socket in by_walk(walk, State::Established.bit()) {
                if socket.1 == address.to_string() || socket.2 == address.to_string() {
                    *seen.entry((socket.1, socket.2)).or_default() += 1;
                }
            }
            assert_eq!(seen.len(), 2 * held.len(), "scan {scan}");
            assert!(seen.values().all(|&times| times == 1), "scan {scan}");
        }
        stop.store(true, Ordering::Relaxed);
        let connections: u32 = churn.join().unwrap();
        println!("{:.0} connections a second", f64::from(connections) / begin.elapsed().as_secs_f64());
        assert!(connections > 100, "{connections}");
    });
}

#[test]
fn every_field_that_the_program_uses_has_a_line() {
    let fields = load::fields(FIELDS);
    assert!(fields.contains(&("task_struct", "nsproxy")) && fields.contains(&("ns_common", "inum")));
    let (code, callback_at) = crate::bpf::object::code(BY_CALL).unwrap();
    assert!(callback_at > 0 && callback_at < code.len());
    assert_eq!(FIELDS.lines().filter(|line| line.starts_with("FIELD")).count(), fields.len());
}
