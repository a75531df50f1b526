//! Evidence that is read only when a rule asks for it: the questions, in an order so that a set of them is asked once, and
//! their answers, plain data that is saved with the snapshot.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Absent, Endpoint, Tally};
use crate::path::Path;

/// What a rule may ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Question {
    /// Which process holds the socket with this inode?
    Owner {
        /// The inode.
        inode: u32,
        /// The socket's user, where the search begins.
        uid: u32,
    },
    /// How is this process doing?
    Process {
        /// Its id.
        pid: u32,
    },
    /// Which way do packets to this peer go?
    Route {
        /// The peer.
        peer: IpAddr,
    },
    /// Does this neighbour answer on the link?
    Neighbour {
        /// Its address.
        address: IpAddr,
    },
    /// What do the queueing disciplines of this interface drop?
    Qdisc {
        /// Its index.
        ifindex: u32,
    },
    /// What is the name of this cgroup, and what does its memory say?
    Cgroup {
        /// `INET_DIAG_CGROUP_ID`.
        id: u64,
    },
    /// Which descriptors of this process are TCP sockets that no table has?
    Ghosts {
        /// Its id.
        pid: u32,
    },
    /// What do probes to this peer's port meet on the way? Never asked for without the user's leave.
    Path {
        /// The peer.
        peer: IpAddr,
        /// Its port.
        port: u16,
    },
    /// Listen to something for the rest of the window.
    Watch(Watch),
}

/// What can be listened to during a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Watch {
    /// Every socket that dies (sock_diag destroy groups, unprivileged).
    Closed,
    /// Resets on the wire (packet socket, CAP_NET_RAW).
    Resets,
    /// ICMP errors on the wire (packet socket, CAP_NET_RAW).
    IcmpErrors,
    /// SYN-ACKs on the wire (packet socket, CAP_NET_RAW).
    SynAcks,
    /// The queues of the listeners, ten times a second.
    Listeners,
    /// The kernel's events, counted by process and by peer (programs in the kernel, CAP_BPF and CAP_PERFMON). Only with the
    /// user's leave.
    Events,
}

/// The way to a peer (`RTM_GETROUTE`), and what it goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// `RTN_LOCAL`: an address of this host.
    pub local: bool,
    /// The next hop, when there is one.
    pub gateway: Option<IpAddr>,
    /// The device it leaves by.
    pub ifindex: u32,
    /// That device's name.
    pub interface: String,
    /// Its kind (`veth`, `wireguard`, …); `None` for hardware.
    pub kind: Option<String>,
    /// Its `ARPHRD_*` type.
    pub link_type: u16,
    /// The address we would use.
    pub source: Option<IpAddr>,
    /// `RTAX_MTU`, when the route has learnt or been given one, bytes.
    pub mtu_bytes: Option<u32>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// `comm`, 15 bytes at most.
    pub comm: String,
    /// How many more processes hold the same socket (forked workers).
    pub others: u32,
}

/// How a process is doing (`/proc/PID`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// `comm`.
    pub comm: String,
    /// State letter of `/proc/PID/stat`: R, S, D, T, t, Z, …
    pub state: char,
    /// Open descriptors; `None` when they may not be counted.
    pub fds: Option<u64>,
    /// RLIMIT_NOFILE, soft; `None` for unlimited or unreadable.
    pub fd_limit: Option<u64>,
    /// Where its threads sleep (`/proc/PID/task/*/wchan`), most frequent first, with how many; empty when unreadable.
    pub waits: Vec<(String, u32)>,
    /// `systemd` unit or container from its cgroup path.
    pub cgroup: Option<String>,
}

/// State of a neighbour entry (`NUD_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NeighbourState {
    /// It answered, lately or once, or is permanent.
    Answers,
    /// Asked, no answer yet.
    Incomplete,
    /// Asked in vain.
    Failed,
    /// There is no entry.
    #[default]
    Unknown,
}

/// A neighbour entry (`RTM_GETNEIGH`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Neighbour {
    /// Its state.
    pub state: NeighbourState,
    /// The device.
    pub ifindex: u32,
    /// That device's name.
    pub interface: String,
}

/// A queueing discipline (`RTM_GETQDISC`), counters since it was attached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Qdisc {
    /// `fq_codel`, `tbf`, …
    pub kind: String,
    /// `8001:`.
    pub handle: u32,
    /// Whether it is the root of its device.
    pub root: bool,
    /// Packets sent.
    pub packets: u64,
    /// Packets dropped.
    pub drops: u64,
    /// Packets the driver refused and the discipline kept.
    pub requeues: u64,
    /// Packets over its limits.
    pub overlimits: u64,
    /// Waiting now, packets.
    pub queue_packets: u32,
    /// Waiting now, bytes.
    pub backlog_bytes: u32,
}

/// A socket that died during the window.
///
/// A connect() that waits and is refused is taken back by the kernel (`tcp_disconnect()`) before it dies: of the peer only the
/// address is left, with port 0 and an empty `tcp_info`. One that does not wait keeps both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClosedSocket {
    /// Our end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Its cookie.
    pub cookie: u64,
    /// Its user.
    pub uid: u32,
    /// Segments sent again.
    pub total_retrans: Option<u32>,
    /// Data bytes acknowledged.
    pub bytes_acked: Option<u64>,
    /// Data bytes received.
    pub bytes_received: Option<u64>,
    /// `tcpi_segs_in`: 0 or 1 for a connect that never succeeded.
    pub segs_in: Option<u32>,
    /// `tcpi_rtt`, µs.
    pub rtt_us: Option<u32>,
    /// When it died, ns on the boot clock.
    pub at_ns: u64,
}

/// What kind of packet was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PacketKind {
    /// A TCP segment with RST.
    Reset,
    /// A TCP segment with SYN and ACK.
    SynAck,
    /// An ICMP or ICMPv6 error, with type and code.
    IcmpError {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
    },
}

/// A packet heard by the packet socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// What it was.
    pub kind: PacketKind,
    /// When, ns on the boot clock.
    pub at_ns: u64,
    /// Whether it left this host.
    pub outgoing: bool,
    /// The device it was heard on.
    pub ifindex: u32,
    /// Sender of the IP packet (for ICMP the router that reports).
    pub from: IpAddr,
    /// TTL or hop limit as it arrived.
    pub ttl: u8,
    /// The TCP segment's (for ICMP: the quoted segment's) source.
    pub source: Endpoint,
    /// The TCP segment's (for ICMP: the quoted segment's) destination.
    pub destination: Endpoint,
    /// Sequence number of the segment.
    pub sequence: u32,
}

/// What was heard during a window; bounded, with what was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Heard {
    /// When listening began, ns on the boot clock.
    pub begin_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Sockets that died.
    pub closed: Vec<ClosedSocket>,
    /// Packets heard.
    pub packets: Vec<Packet>,
    /// Largest Recv-Q of each listener by cookie, over the samples taken.
    pub listener_queues: Vec<(u64, u32)>,
    /// Σ Recv-Q of each listener by cookie, over the samples taken.
    pub listener_queue_sums: Vec<(u64, u64)>,
    /// Samples of the listeners that were taken.
    pub listener_samples: u32,
    /// Messages left out because the bound was reached.
    pub left_out: u64,
    /// How often the kernel said ENOBUFS: it dropped messages for us.
    pub overruns: u64,
}

/// A known answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// To [`Question::Owner`]; `None` when every process could be looked into and none has it.
    Owner(Option<Owner>),
    /// To [`Question::Process`].
    Process(Process),
    /// To [`Question::Route`]; `None` when there is no route.
    Route(Option<Route>),
    /// To [`Question::Neighbour`].
    Neighbour(Neighbour),
    /// To [`Question::Qdisc`].
    Qdisc(Vec<Qdisc>),
    /// To [`Question::Cgroup`]: its path, and `memory.stat`/`memory.events` as far as they can be read.
    Cgroup {
        /// Path below the cgroup root.
        path: String,
        /// Values by their file and key, `memory.stat sock`.
        values: BTreeMap<String, u64>,
    },
    /// To [`Question::Ghosts`]: inodes of TCP descriptors that no dump has.
    Ghosts(Vec<u64>),
    /// To [`Question::Path`].
    Path(Path),
    /// To [`Question::Watch`].
    Heard(Heard),
    /// To [`Watch::Events`].
    Tally(Tally),
}

/// A fact, or why there is none.
pub type Answer = Result<Fact, Absent>;

/// What has been answered so far.
pub type Answers = BTreeMap<Question, Answer>;
