//! What programs at the kernel's tracepoints counted over a time: the changes of state, what each process did with each
//! destination or port of its own, and what each peer did.

use std::net::IpAddr;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{Attempt, Endpoint, State};

/// Everything that was counted between two moments, of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// When counting began, ns on the boot clock.
    pub begin_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// How often the second state followed the first.
    pub changes: Vec<(State, State, u64)>,
    /// By process and what it had to do with.
    pub processes: Vec<ProcessTally>,
    /// By peer and what passed.
    pub peers: Vec<PeerTally>,
    /// By accept queue; `None` where accept() could not be watched.
    pub queues: Option<Vec<QueueTally>>,
    /// Events that are in no sum of a process, peer or queue: the tables were full.
    pub unnamed: u64,
    /// Connections whose begin could not be remembered: too many at once.
    pub forgotten: u64,
    /// Events that are not counted at all: they interrupted the program that counts.
    pub missed: u64,
}

/// What one process had to do with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum With {
    /// Connections that were there before anybody counted: who opened them is not known.
    #[default]
    Before,
    /// Connections that it made to this destination.
    Destination(Endpoint),
    /// Connections that it accepted at this port.
    Port(u16),
}

/// The sums of one process with one destination or port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessTally {
    /// Its id: who made the connections, or who closed those that it accepted; `None` when nobody here did, or it is not known.
    pub pid: Option<u32>,
    /// `comm` of its first thread; empty without a process.
    pub comm: String,
    /// What it had to do with.
    pub with: With,
    /// Sums of attempts that failed in this way; of connections when it is `None`.
    pub failed: Option<Attempt>,
    /// The sums.
    pub sums: Sums,
}

/// What was added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    /// Connections made.
    pub opened: u64,
    /// From the first SYN until they were made, Σ ns; only of those that were seen to begin.
    pub opening_ns: u64,
    /// The longest of these.
    pub opening_ns_max: u64,
    /// Made only after a SYN or SYN-ACK had been sent again.
    pub retried: u64,
    /// Connections that ended; attempts that failed.
    pub ended: u64,
    /// Of these, those that were seen to begin.
    pub lives: u64,
    /// From their first SYN to their end, Σ ns over `lives`.
    pub lived_ns: u64,
    /// Ended, and left to the kernel for a minute: TIME_WAIT, or FIN_WAIT2 before it.
    pub time_wait: u64,
    /// Left CLOSE_WAIT, and had been seen to come into it.
    pub close_waits: u64,
    /// How long they had been in CLOSE_WAIT, Σ ns.
    pub close_wait_ns: u64,
    /// The longest of these.
    pub close_wait_ns_max: u64,
    /// Connections that it ended with a reset (SO_LINGER 0, or closed with data unread); of what it had to do with,
    /// [`With::Before`] alone.
    pub aborted: u64,
}

/// The accept queue of one listener, or of one of the addresses that it listens at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueTally {
    /// Our end of its connections.
    pub local: Endpoint,
    /// Connections that came and were accepted.
    pub accepted: u64,
    /// How long they had waited, Σ ns.
    pub waited_ns: u64,
    /// The longest of these.
    pub waited_ns_max: u64,
    /// Connections that came and have not been seen to leave the queue.
    pub waiting: u64,
    /// How long these have waited so far, Σ ns.
    pub waiting_ns: u64,
    /// Connections that came and ended before they were accepted.
    pub ended: u64,
    /// Accepted, but how long they waited is not known: they came before anybody counted, or io_uring accepted them.
    pub unseen: u64,
}

/// Counts of one kind with one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTally {
    /// The peer.
    pub address: IpAddr,
    /// Its port where we connect, or ours where it does, as [`Passed`] says; 0 when it is not known.
    pub port: u16,
    /// What passed.
    pub what: Passed,
    /// How often; segments of what was sent again.
    pub count: u64,
}

/// What passes between us and a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Passed {
    /// Data was sent again, segments; without port.
    DataAgain,
    /// A SYN to its port was sent again.
    SynAgain,
    /// A SYN-ACK from our port was sent again.
    SynAckAgain,
    /// We sent a reset: from our port in answer to a segment, without port to end a connection.
    WeReset {
        /// `enum sk_rst_reason` without `SK_RST_REASON_`, or its number.
        reason: String,
    },
    /// It sent a reset, or somebody in its name: from its port where we had connected, to ours where it had.
    TheyReset,
}

impl Tally {
    /// How long was counted, seconds.
    pub fn seconds(&self) -> f64 {
        self.end_ns.saturating_sub(self.begin_ns) as f64 / 1e9
    }

    /// How often one state followed another.
    pub fn change(&self, from: State, to: State) -> u64 {
        self.changes.iter().filter(|change| (change.0, change.1) == (from, to)).map(|change| change.2).sum()
    }

    /// How often something passed between us and anybody.
    pub fn passed(&self, what: impl Fn(&PeerTally) -> bool) -> u64 {
        self.peers.iter().filter(|peer| what(peer)).map(|peer| peer.count).sum()
    }

    /// Whether every event is in all its sums.
    pub fn is_whole(&self) -> bool {
        self.unnamed == 0 && self.forgotten == 0 && self.missed == 0
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.opened += other.opened;
        self.opening_ns += other.opening_ns;
        self.opening_ns_max = self.opening_ns_max.max(other.opening_ns_max);
        self.retried += other.retried;
        self.ended += other.ended;
        self.lives += other.lives;
        self.lived_ns += other.lived_ns;
        self.time_wait += other.time_wait;
        self.close_waits += other.close_waits;
        self.close_wait_ns += other.close_wait_ns;
        self.close_wait_ns_max = self.close_wait_ns_max.max(other.close_wait_ns_max);
        self.aborted += other.aborted;
    }
}
