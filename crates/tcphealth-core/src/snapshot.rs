//! What the kernel said at one instant: counters, settings, interfaces, sockets; and what it would not say, and why.
//!
//! A snapshot holds no rate, no ratio and no judgement. Absent is not zero.
//!
//! What a release keeps of it every later one reads: a field that an old recording lacks has its default. So a field that is
//! added must be one whose default says that nothing is known, an `Option` or a list, unless nothing to see is all that it means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod answers;
mod census;
mod counters;
mod event;
mod fold;
mod instant;
mod marks;
mod trim;
mod over;
mod quick;
mod socket;
mod sparse;
mod tally;
mod tcp_info;

pub use answers::{
    Answer, Answers, ClosedSocket, Fact, Heard, Neighbour, NeighbourState, Owner, Packet, PacketKind, Process, Qdisc,
    Question, Route, Watch,
};
pub use census::{AGES, Census, Followed, LeftOut, Line, Listener, Peer, PortUse, Service, ServiceKey, StateCounts};
pub use counters::{Counters, Names, Table};
pub use event::{Attempt, Closer, Event, EventCounts, Happening, Life, Program};
pub(crate) use event::{EADDRNOTAVAIL, ECONNREFUSED};
pub use fold::Fold;
pub use instant::rfc3339;
pub use marks::{Mark, Marks};
pub use quick::{Mixed, Quick};
pub use socket::{Endpoint, Progress, SkMem, Socket, SocketSums, State, Timer};
pub use tally::{Passed, PeerTally, ProcessTally, QueueTally, Sums, Tally, With};
pub use tcp_info::{FIELDS, Field, TcpInfo};

/// Why something that was looked for is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absent {
    /// This kernel, or this namespace, does not have it.
    NotHere,
    /// We may not read it; the words name the privilege.
    NotPermitted(String),
    /// Reading or parsing failed; the words name the file and the place.
    Failed(String),
    /// Nobody asked for it.
    NotAsked,
    /// The time for it ran out; the words say how far it got.
    CutShort(String),
}

/// When a look began and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stamp {
    /// `CLOCK_BOOTTIME` at its begin, ns since boot, suspend included.
    pub begin_ns: u64,
    /// `CLOCK_BOOTTIME` at its end, ns.
    pub end_ns: u64,
    /// `CLOCK_REALTIME` at its begin, ns since 1970-01-01 UTC.
    pub wall_ns: i64,
    /// What the local clock was ahead of UTC, seconds.
    pub utc_offset_seconds: i32,
}

/// Whose snapshot it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// `uname -n`.
    pub hostname: String,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`; empty where a recording does not say.
    pub hardware: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Inode of `/proc/self/ns/net`.
    pub netns: u64,
    /// Whether it is the namespace of process 1; `None` when that may not be read.
    pub first_netns: Option<bool>,
}

impl Identity {
    /// Whether both are of the same boot and the same namespace, so that their counters go on.
    pub fn is(&self, other: &Self) -> bool {
        self.boot_id == other.boot_id && self.netns == other.netns
    }
}

/// A network interface of the namespace (rtnetlink `RTM_GETLINK`, `/sys/class/net`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its name, `eth0`.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// `IFLA_INFO_KIND`: `veth`, `tun`, `bond`, …; `None` for hardware and lo.
    pub kind: Option<String>,
    /// `ARPHRD_*`: 1 Ethernet, 772 loopback, 65534 none.
    pub link_type: u16,
    /// Largest packet, bytes.
    pub mtu_bytes: u32,
    /// `IFLA_OPERSTATE` as `/sys` writes it: `up`, `down`, `unknown`, …
    pub operstate: String,
    /// Line rate, Mbit/s; `None` when the driver does not say.
    pub speed_mbit_per_second: Option<u32>,
    /// `full` or `half`; `None` when the driver does not say.
    pub duplex: Option<String>,
}

/// `net.ipv4.…`: the settings by their names, each as the kernel prints it.
pub type Sysctls = BTreeMap<String, Result<String, Absent>>;

/// Everything read from one network namespace at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Whose it is.
    pub identity: Identity,
    /// When it was read.
    pub at: Stamp,
    /// All counters and gauges, by the kernel's names.
    pub counters: Counters,
    /// The settings in [`SYSCTLS`].
    pub sysctls: Sysctls,
    /// The interfaces.
    pub interfaces: Result<Vec<Interface>, Absent>,
    /// The sockets, folded while they were read.
    pub census: Result<Census, Absent>,
}

impl Snapshot {
    /// The same host when it was booted, as far as that is known: counters at zero, gauges as they are, no sockets. The counters of
    /// a namespace that was made later began later: rates since boot are lower bounds.
    pub fn at_boot(&self) -> Self {
        let mut boot = self.clone();
        let wall_ns = self.at.wall_ns.saturating_sub_unsigned(self.at.begin_ns);
        boot.at = Stamp { begin_ns: 0, end_ns: 0, wall_ns, ..self.at };
        boot.counters.restart();
        boot.census = Err(Absent::NotAsked);
        boot
    }

    /// A setting as a number; `None` when it is absent or no number.
    pub fn sysctl_number(&self, name: &str) -> Option<i64> {
        self.sysctl(name)?.trim().parse().ok()
    }

    /// A setting as the kernel prints it.
    pub fn sysctl(&self, name: &str) -> Option<&str> {
        self.sysctls.get(name)?.as_ref().ok().map(String::as_str)
    }
}

/// The settings that rules read.
pub const SYSCTLS: &[&str] = &[
    "net.core.netdev_max_backlog",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_early_retrans",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv4.tcp_orphan_retries",
    "net.ipv4.tcp_recovery",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_recycle",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_tw_reuse_delay",
    "net.ipv4.tcp_wmem",
    "net.netfilter.nf_conntrack_max",
];
