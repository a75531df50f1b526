//! Private hosts and the wires between them. A host is a network namespace that only this process keeps: when the process
//! ends, however it ends, everything is gone.

use std::fs::File;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::gettid;

use crate::emulator::{self, Line};

/// A network namespace, kept by a thread that waits in it.
pub struct Host {
    namespace: File,
    keeper: i32,
    _end: Sender<()>,
}

impl Host {
    /// A new one with `lo` up.
    pub fn new() -> Self {
        let (ready, kept) = channel();
        let (end, ended) = channel::<()>();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("allowed, as the runner has tried");
            let namespace = File::open("/proc/thread-self/ns/net").expect("every thread has a namespace");
            ready.send((namespace, gettid().as_raw())).expect("the creator waits");
            // Ends when the host is dropped.
            let _ = ended.recv();
        });
        let (namespace, keeper) = kept.recv().expect("the keeper sends first");
        let host = Self { namespace, keeper, _end: end };
        host.sh("ip link set lo up");
        host
    }

    /// A thread that lives in this host.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let namespace = self.namespace.try_clone().expect("a descriptor can be duplicated");
        thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("the namespace is ours");
            work()
        })
    }

    /// Does something in this host and waits for it.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(work).join().expect("the work does not panic")
    }

    /// Runs a line of shell in this host; its failure is a broken test, not a finding.
    pub fn sh(&self, line: &str) {
        let words = line.to_owned();
        let output = self.run(move || Command::new("sh").args(["-c", &words]).output()).expect("sh can be started");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sets a setting of the namespace.
    pub fn sysctl(&self, name: &str, value: &str) {
        self.sh(&format!("echo {value} > /proc/sys/{}", name.replace('.', "/")));
    }

    /// Drops packets that match, in this host.
    pub fn drop_packets(&self, hook: &str, matching: &str) {
        self.sh(&format!(
            "nft 'add table inet t; add chain inet t {hook} {{ type filter hook {hook} priority 0; }}; \
             add rule inet t {hook} {matching} drop'"
        ));
    }
}

/// Connects `a.eth0` and `b.eth0` by a plain wire.
pub fn wire(a: (&Host, &str), b: (&Host, &str)) {
    a.0.sh(&format!("ip link add eth0 type veth peer name eth0 netns {}", b.0.keeper));
    for (host, address) in [a, b] {
        host.sh(&format!("ip address add {address} dev eth0 nodad && ip link set eth0 up"));
        plain_segments(host, "eth0");
    }
}

/// Connects them through a third host that delays, loses and reorders as told; `forth` is from `a` to `b`.
pub fn line(a: (&Host, &str), b: (&Host, &str), forth: Line, back: Line) -> Host {
    let between = Host::new();
    for (outer, (host, address)) in [("near", a), ("far", b)] {
        between.sh(&format!("ip link add {outer} type veth peer name eth0 netns {}", host.keeper));
        between.sh(&format!("ip link set {outer} up arp off promisc on"));
        plain_segments(&between, outer);
        host.sh(&format!("ip address add {address} dev eth0 nodad && ip link set eth0 up"));
        plain_segments(host, "eth0");
    }
    between.spawn(move || emulator::forward("near", "far", forth));
    between.spawn(move || emulator::forward("far", "near", back));
    between
}

// A packet socket hands on what it sees: whole segments with their checksums, as on a real wire.
fn plain_segments(host: &Host, device: &str) {
    host.sh(&format!("ethtool -K {device} tso off gso off gro off tx off rx off >/dev/null"));
}
