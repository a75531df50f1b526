//! What one pass over the sockets leaves behind: sums per state, service and peer, and in full the sockets that a rule may
//! have to name. Every table is bounded and counts what it left out.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::sparse;
use super::{Endpoint, Mark, Socket, State};

/// Number of sockets in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCounts(#[serde(with = "sparse")] [u32; 12]);

impl StateCounts {
    /// How many are in this state.
    pub fn get(&self, state: State) -> u32 {
        self.0.get(state as usize).copied().unwrap_or(0)
    }

    /// One more.
    pub fn add(&mut self, state: State) {
        self.set(state, self.get(state) + 1);
    }

    /// So many.
    pub fn set(&mut self, state: State, sockets: u32) {
        if let Some(count) = self.0.get_mut(state as usize) {
            *count = sockets;
        }
    }

    /// All of them.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Those that are connections of a live socket: everything but LISTEN, CLOSE and TIME_WAIT.
    pub fn live(&self) -> u32 {
        self.total() - self.get(State::Listen) - self.get(State::Close) - self.get(State::TimeWait)
    }
}

/// Seconds of TIME_WAIT age that are told apart: its whole life (TCP_TIMEWAIT_LEN).
pub const AGES: usize = 60;

/// What connections serve: one listener here, or one destination that we connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServiceKey {
    /// Connections that arrived at this listener (its own address, which may be the wildcard).
    Listener(Endpoint),
    /// Connections from a source address of ours to a destination.
    Destination {
        /// Our address.
        source: IpAddr,
        /// Their address and port.
        destination: Endpoint,
    },
}

impl ServiceKey {
    /// The destination, for the client side.
    pub fn destination(&self) -> Option<Endpoint> {
        match self {
            Self::Destination { destination, .. } => Some(*destination),
            Self::Listener(_) => None,
        }
    }

    /// The listener, for the server side.
    pub fn listener(&self) -> Option<Endpoint> {
        match self {
            Self::Listener(local) => Some(*local),
            Self::Destination { .. } => None,
        }
    }
}

/// The connections of one service at one look, and how they compare with the look before.
///
/// The fields from `kept` on compare; they are zero at a first look ([`Census::joined`] tells).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Which.
    pub key: ServiceKey,
    /// Sockets by state.
    pub states: StateCounts,
    /// FIN_WAIT2 that the kernel keeps without a socket (part of `states`).
    pub fin_wait2_stubs: u32,
    /// Sockets that no process has accepted (inode 0, ESTABLISHED or CLOSE_WAIT).
    pub unaccepted: u32,
    /// Of the unaccepted, those in CLOSE_WAIT.
    pub unaccepted_close_wait: u32,
    /// ESTABLISHED sockets that carried data.
    pub with_data: u32,
    /// Destination: local ports inside the ephemeral range that are in use toward it.
    pub ports: u32,
    /// Of them, those of the parity that plain connect() takes last.
    pub ports_second_parity: u32,
    /// TIME_WAIT by age, whole seconds.
    #[serde(with = "sparse")]
    pub time_wait_ages: [u32; AGES],
    /// Smallest `tcpi_min_rtt`, µs; `None` when no live socket knows.
    pub min_rtt_us: Option<u32>,
    /// Smallest smoothed round trip of a live socket, µs.
    pub rtt_us: Option<u32>,
    /// ESTABLISHED with no timer, empty queues, and nothing sent or received for as long as the window at least.
    pub silent: u32,
    /// Longest such silence, ms.
    pub silent_ms_longest: u32,
    /// ESTABLISHED sockets of a process that has not read all that arrived (Recv-Q > 0).
    pub unread: u32,
    /// Memory of its sockets, Σ skmem r + t + w, bytes.
    pub memory_bytes: u64,
    /// Received and not read, Σ Recv-Q, bytes.
    pub recv_queue_bytes: u64,
    /// Not acknowledged, Σ Send-Q, bytes.
    pub send_queue_bytes: u64,
    /// One user of its sockets.
    pub uid: u32,
    /// One cgroup of its sockets.
    pub cgroup: Option<u64>,
    /// A few inodes of its live sockets, to ask for owners.
    pub inodes: [u32; 4],
    /// Sockets that were in the same state at the look before, by state. FIN_WAIT2 stubs count, TIME_WAIT never.
    pub kept: StateCounts,
    /// FIN_WAIT2 that the kernel kept without a socket at both looks (part of `kept`).
    pub kept_fin_wait2_stubs: u32,
    /// Unaccepted sockets that were unaccepted before, also those that their client has closed since.
    pub kept_unaccepted: u32,
    /// Sockets with data before that are still ESTABLISHED.
    pub kept_with_data: u32,
    /// Live sockets that were not there at the look before, by state now.
    pub born: StateCounts,
    /// Kept sockets on which bytes moved either way.
    pub moved: u32,
    /// Longest idle time before the window of a socket that moved in it, ms.
    pub moved_idle_ms_longest: u32,
}

impl Service {
    /// An empty one.
    pub fn new(key: ServiceKey) -> Self {
        Self {
            key,
            states: StateCounts::default(),
            fin_wait2_stubs: 0,
            unaccepted: 0,
            unaccepted_close_wait: 0,
            with_data: 0,
            ports: 0,
            ports_second_parity: 0,
            time_wait_ages: [0; AGES],
            min_rtt_us: None,
            rtt_us: None,
            silent: 0,
            silent_ms_longest: 0,
            unread: 0,
            memory_bytes: 0,
            recv_queue_bytes: 0,
            send_queue_bytes: 0,
            uid: 0,
            cgroup: None,
            inodes: [0; 4],
            kept: StateCounts::default(),
            kept_fin_wait2_stubs: 0,
            kept_unaccepted: 0,
            kept_with_data: 0,
            born: StateCounts::default(),
            moved: 0,
            moved_idle_ms_longest: 0,
        }
    }

    /// TIME_WAIT younger than this.
    pub fn time_wait_younger_than_seconds(&self, seconds: usize) -> u32 {
        self.time_wait_ages.iter().take(seconds).sum()
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::new(ServiceKey::Listener(Endpoint::default()))
    }
}

/// A listening socket.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// Where it listens.
    pub local: Endpoint,
    /// The device it is bound to, 0 for none.
    pub ifindex: u32,
    /// Whether it takes IPv4 connections too.
    pub dual_stack: bool,
    /// Connections not accepted (Recv-Q).
    pub queue: u32,
    /// Limit of the accept queue (Send-Q); it is full at limit + 1. `u32::MAX` where the kernel does not tell.
    pub limit: u32,
    /// Connections dropped here, ever (skmem `d`); `None` when not told.
    pub drops: Option<u32>,
    /// Connections dropped here since the look before; `None` at a first look or for a new listener.
    pub drops_grown: Option<u32>,
    /// Half-open connections toward it.
    pub syn_recv: u32,
    /// Of them, those whose SYN-ACK was sent again.
    pub syn_recv_retried: u32,
    /// Inode.
    pub inode: u32,
    /// User.
    pub uid: u32,
    /// Cookie.
    pub cookie: u64,
    /// Cgroup.
    pub cgroup: Option<u64>,
}

impl Listener {
    /// Whether its accept queue is full, or has dropped a connection since the look before.
    pub fn is_full(&self) -> bool {
        self.queue_is_full() || self.drops_grown.unwrap_or(0) > 0
    }

    /// Whether its accept queue was full at the look. What has been dropped since may be SYNs, too.
    pub fn queue_is_full(&self) -> bool {
        self.queue > 0 && self.queue >= self.limit
    }
}

/// How a line to a peer grew between two looks, over the sockets that were there at both and are not stuck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Sockets followed.
    pub sockets: u32,
    /// Of them, those that sent something again.
    pub sockets_again: u32,
    /// Of them, those that lost something: that sent more again than the peer then had twice.
    pub sockets_lossy: u32,
    /// Segments with data sent, retransmissions taken out.
    pub data_segs: u64,
    /// Segments sent again.
    pub retrans: u64,
    /// Duplicates that the peer reported: retransmissions that were unnecessary.
    pub dsack_dups: u64,
    /// Segments lost: socket by socket, those sent again less the duplicates.
    pub lost: u64,
    /// Reorderings seen.
    pub reord_seen: u64,
    /// Sockets that are stuck: nothing acknowledged, the timeout doubling.
    pub sockets_stuck: u32,
    /// What the stuck ones sent again: one event told many times.
    pub retrans_stuck: u64,
}

/// All sockets of one remote address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// A source address of ours toward it.
    pub source: IpAddr,
    /// Live connections.
    pub sockets: u32,
    /// ESTABLISHED ones that carried data.
    pub with_data: u32,
    /// Those that were ESTABLISHED with data at the look before and are still.
    pub kept_with_data: u32,
    /// Those that were there at the look before, in whatever state.
    pub kept: u32,
    /// Sockets on which bytes moved since the look before.
    pub moved: u32,
    /// Of them, those whose data fits into small packets: less than 1000 bytes a segment over their life.
    pub moved_small: u32,
    /// ESTABLISHED with no timer, empty queues, and nothing sent or received for as long as the window at least.
    pub silent: u32,
    /// Longest such silence, ms.
    pub silent_ms_longest: u32,
    /// Smallest `tcpi_min_rtt` over its connections, µs.
    pub min_rtt_us: Option<u32>,
    /// Smallest `tcpi_rttvar` beside it, µs.
    pub rttvar_us: Option<u32>,
    /// How the line grew.
    pub line: Line,
}

impl Peer {
    /// One without a socket yet.
    pub fn new(address: IpAddr, source: IpAddr) -> Self {
        Self {
            address,
            source,
            sockets: 0,
            with_data: 0,
            kept_with_data: 0,
            kept: 0,
            moved: 0,
            moved_small: 0,
            silent: 0,
            silent_ms_longest: 0,
            min_rtt_us: None,
            rttvar_us: None,
            line: Line::default(),
        }
    }
}

impl Default for Peer {
    fn default() -> Self {
        let nobody = Endpoint::default().address;
        Self::new(nobody, nobody)
    }
}

/// Local ports of one source address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PortUse {
    /// The address.
    pub source: IpAddr,
    /// Ephemeral ports in use toward any destination.
    #[serde(default)]
    pub distinct: u32,
    /// Of them, those in use toward more than one destination.
    #[serde(default)]
    pub shared: u32,
}

/// A socket kept in full, with its mark when it was there at the look before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Followed {
    /// The socket now.
    pub socket: Socket,
    /// What it was.
    pub before: Option<Mark>,
}

impl Followed {
    /// Whether it was in the same state at the look before.
    pub fn kept(&self) -> bool {
        self.before.is_some_and(|mark| mark.state == self.socket.state)
    }

    /// Whether it was kept and nothing moved on it: no byte acknowledged, none received, the same queues.
    pub fn stuck(&self) -> bool {
        let info = self.socket.info.as_ref();
        self.before.is_some_and(|mark| {
            mark.state == self.socket.state
                && info.and_then(super::TcpInfo::bytes_acked).is_none_or(|acked| acked as u32 == mark.bytes_acked_low)
                && info
                    .and_then(super::TcpInfo::bytes_received)
                    .is_none_or(|received| received as u32 == mark.bytes_received_low)
                && mark.rqueue == self.socket.rqueue
        })
    }
}

impl Followed {
    /// Segments dropped at this socket since the look before; `None` when it is new or the kernel told no memory.
    pub fn drops_grown(&self) -> Option<u16> {
        Some((self.socket.skmem?.drops as u16).wrapping_sub(self.before?.drops_low))
    }
}

/// How many did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// Sockets that would have been kept in full.
    pub sockets: u64,
    /// Connections whose service had no place.
    pub services: u64,
    /// Connections whose peer had no place.
    pub peers: u64,
    /// Listeners.
    pub listeners: u64,
    /// Connections whose source address had no place in the port table.
    pub sources: u64,
}

/// One pass over the sockets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Census {
    /// Whether it was joined with the marks of a look before.
    pub joined: bool,
    /// Sockets by state, both families.
    pub states: StateCounts,
    /// Live sockets with cookies not in the look before, by state.
    pub born: StateCounts,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The services, in the order of their keys.
    pub services: Vec<Service>,
    /// The peers, in the order of their addresses.
    pub peers: Vec<Peer>,
    /// Port use by source address.
    pub ports: Vec<PortUse>,
    /// The sockets that a rule may have to name.
    pub sockets: Vec<Followed>,
    /// What did not fit.
    pub left_out: LeftOut,
    /// Whether the dump was interrupted by changes (NLM_F_DUMP_INTR) to its last try.
    pub interrupted: bool,
}

impl Census {
    /// A service by its key.
    pub fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.get(self.services.binary_search_by(|service| service.key.cmp(key)).ok()?)
    }

    /// A peer by its address.
    pub fn peer(&self, address: &IpAddr) -> Option<&Peer> {
        self.peers.get(self.peers.binary_search_by(|peer| peer.address.cmp(address)).ok()?)
    }

    /// The listener that a connection to this local address belongs to.
    pub fn listener(&self, local: &Endpoint) -> Option<&Listener> {
        let exact = self.listeners.iter().find(|listener| listener.local == *local);
        exact.or_else(|| {
            self.listeners.iter().find(|listener| {
                let family = listener.local.address.is_ipv4() == local.address.is_ipv4() || listener.dual_stack;
                listener.local.is_any() && listener.local.port == local.port && family
            })
        })
    }

    /// Sockets kept in full that are in this state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &Followed> {
        self.sockets.iter().filter(move |followed| followed.socket.state == state)
    }

    /// Sockets kept in full, by service.
    pub fn by_service(&self) -> HashMap<ServiceKey, Vec<&Followed>> {
        let mut groups: HashMap<ServiceKey, Vec<&Followed>> = HashMap::new();
        for followed in &self.sockets {
            groups.entry(self.key_of(&followed.socket)).or_default().push(followed);
        }
        groups
    }

    /// The service that a connection belongs to: the listener of its local port, else its destination.
    pub fn key_of(&self, socket: &Socket) -> ServiceKey {
        match self.listener(&socket.local) {
            Some(listener) => ServiceKey::Listener(listener.local),
            None => ServiceKey::Destination { source: socket.local.address, destination: socket.remote },
        }
    }
}
