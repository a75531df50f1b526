//! One TCP socket as the kernel describes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::TcpInfo;

/// The states of RFC 9293 §3.3.2 with the kernel's names and numbers (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum State {
    /// Data flow both ways.
    Established = 1,
    /// We asked; no answer yet.
    SynSent = 2,
    /// A peer asked, we answered; its last word is missing.
    SynRecv = 3,
    /// We closed; our FIN is not acknowledged.
    #[serde(rename = "FIN_WAIT1")]
    FinWait1 = 4,
    /// We closed and that is acknowledged; the peer has not closed.
    #[serde(rename = "FIN_WAIT2")]
    FinWait2 = 5,
    /// Both closed, we first; kept 60 s.
    TimeWait = 6,
    /// No connection.
    #[default]
    Close = 7,
    /// The peer closed; our program has not.
    CloseWait = 8,
    /// The peer closed, then we; our FIN is not acknowledged.
    LastAck = 9,
    /// Waits for connections.
    Listen = 10,
    /// Both closed at once.
    Closing = 11,
}

impl State {
    /// All eleven, in the kernel's order.
    pub const ALL: [Self; 11] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
    ];

    /// From the kernel's number; 12 is `TCP_NEW_SYN_RECV`, shown as SYN_RECV. `None` for a number we do not know.
    pub fn from_kernel(number: u8) -> Option<Self> {
        if number == 12 { Some(Self::SynRecv) } else { Self::ALL.get(usize::from(number.checked_sub(1)?)).copied() }
    }

    /// The kernel's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        }
    }

    /// The word that `ss` prints and takes: `ESTAB`, `CLOSE-WAIT`, `UNCONN`.
    pub fn ss_name(self) -> &'static str {
        match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "UNCONN",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        }
    }

    /// The bit of this state in a kernel state mask.
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An address and a port; a v4-mapped address is the IPv4 address that it maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// Maps a v4-mapped address to IPv4.
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self { address: address.to_canonical(), port }
    }

    /// Whether the address is the wildcard.
    pub fn is_any(&self) -> bool {
        self.address.is_unspecified()
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// What the kernel's timer of the socket is for (`idiag_timer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// None runs.
    #[default]
    None,
    /// Retransmission, or a tail-loss probe.
    On,
    /// Keepalive.
    Keepalive,
    /// The end of TIME_WAIT, or of a FIN_WAIT2 that the kernel keeps.
    TimeWait,
    /// Probing of a closed window.
    Persist,
}

/// `INET_DIAG_SKMEMINFO`: the memory of a socket, bytes, and its drops (`include/uapi/linux/sock_diag.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SkMem {
    /// `r`: received and not read.
    pub rmem_alloc_bytes: u32,
    /// `rb`: limit of the receive buffer.
    pub rcvbuf_bytes: u32,
    /// `t`: handed to the device.
    pub wmem_alloc_bytes: u32,
    /// `tb`: limit of the send buffer.
    pub sndbuf_bytes: u32,
    /// `f`: reserved ahead.
    pub fwd_alloc_bytes: u32,
    /// `w`: queued to be sent.
    pub wmem_queued_bytes: u32,
    /// `o`: options.
    pub optmem_bytes: u32,
    /// `bl`: waiting because a process holds the socket.
    pub backlog_bytes: u32,
    /// `d`: segments (LISTEN: connections) dropped at this socket, ever.
    pub drops: u32,
}

/// One socket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Socket {
    /// Its state.
    pub state: State,
    /// Our end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Whether it is an AF_INET6 socket, whatever its addresses.
    pub inet6: bool,
    /// IPV6_V6ONLY; `None` when the kernel did not say (it says so only of AF_INET6 sockets).
    pub v6only: Option<bool>,
    /// The device it is bound to, 0 for none.
    pub ifindex: u32,
    /// The running timer.
    pub timer: Timer,
    /// `idiag_retrans`: how often that timer has fired for the same cause.
    pub timer_retrans: u8,
    /// Until it fires, ms.
    pub timer_expires_ms: u32,
    /// Recv-Q: bytes received and not read (a FIN counts one); LISTEN: connections not accepted.
    pub rqueue: u32,
    /// Send-Q: bytes not acknowledged; LISTEN: the limit of the accept queue.
    pub wqueue: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Inode; 0 when no process has it (not yet accepted, orphaned, TIME_WAIT, SYN_RECV).
    pub inode: u32,
    /// The kernel's name for this socket and no other, until reboot.
    pub cookie: u64,
    /// `INET_DIAG_CGROUP_ID` (5.8+).
    pub cgroup: Option<u64>,
    /// `INET_DIAG_SHUTDOWN`: 1 read side, 2 write side.
    pub shutdown: Option<u8>,
    /// `INET_DIAG_CONG`, zero-padded.
    #[serde(with = "congestion")]
    pub congestion: [u8; 16],
    /// Memory, when asked for.
    pub skmem: Option<SkMem>,
    /// `tcp_info`, when asked for and this kind of socket has one.
    pub info: Option<TcpInfo>,
    /// What a walk of the kernel's tables reads instead of it.
    #[serde(skip)]
    pub progress: Option<Progress>,
}

/// How a connection fares, of what `tcp_info` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Smoothed round-trip time, µs; 0 before one was measured.
    pub rtt_us: u32,
    /// Segments that were retransmitted, ever.
    pub total_retrans: u32,
}

/// SocketSums over sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketSums {
    /// How many they are.
    pub sockets: u64,
    /// Received and not read; a listener's queue holds connections, which are not counted here.
    pub unread_bytes: u64,
    /// Sent or to be sent, and not acknowledged.
    pub unacknowledged_bytes: u64,
    /// Segments that were retransmitted, ever.
    pub total_retrans: u64,
    /// Smoothed round-trip times, of those that have one.
    pub rtt_us: u64,
    /// How many have one.
    pub measured: u64,
}

impl SocketSums {
    /// Of one.
    pub fn of(socket: &Socket) -> Self {
        let bytes = |queue: u32| if socket.state == State::Listen { 0 } else { queue.into() };
        Self {
            sockets: 1,
            unread_bytes: bytes(socket.rqueue),
            unacknowledged_bytes: bytes(socket.wqueue),
            total_retrans: socket.total_retrans().unwrap_or(0).into(),
            rtt_us: socket.rtt_us().unwrap_or(0).into(),
            measured: socket.rtt_us().is_some().into(),
        }
    }
}

impl AddAssign for SocketSums {
    fn add_assign(&mut self, more: Self) {
        self.sockets += more.sockets;
        self.unread_bytes += more.unread_bytes;
        self.unacknowledged_bytes += more.unacknowledged_bytes;
        self.total_retrans += more.total_retrans;
        self.rtt_us += more.rtt_us;
        self.measured += more.measured;
    }
}

impl Socket {
    /// The congestion control's name, if the kernel gave it.
    pub fn congestion_name(&self) -> Option<&str> {
        let end = self.congestion.iter().position(|&byte| byte == 0).unwrap_or(self.congestion.len());
        let name = std::str::from_utf8(self.congestion.get(..end)?).ok()?;
        (!name.is_empty()).then_some(name)
    }

    /// Smoothed round-trip time, µs; `None` when it was not asked for, or none was measured yet.
    pub fn rtt_us(&self) -> Option<u32> {
        let told = self.info.as_ref().and_then(TcpInfo::rtt);
        told.or(self.progress.map(|progress| progress.rtt_us)).filter(|time| *time > 0)
    }

    /// Segments that were retransmitted, ever; `None` when it was not asked for.
    pub fn total_retrans(&self) -> Option<u32> {
        self.info.as_ref().and_then(TcpInfo::total_retrans).or(self.progress.map(|progress| progress.total_retrans))
    }

    /// Whether the kernel keeps only a stub of it (TIME_WAIT and orphaned FIN_WAIT2): no inode, no tcp_info.
    pub fn is_stub(&self) -> bool {
        self.timer == Timer::TimeWait
    }

    /// How long a stub has existed if its whole life is `life_ms`; `None` for a full socket.
    pub fn stub_age_ms(&self, life_ms: u32) -> Option<u32> {
        self.is_stub().then(|| life_ms.saturating_sub(self.timer_expires_ms))
    }
}

/// The name as a word; recordings of version 1 have its bytes as a list.
mod congestion {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Name {
        Word(String),
        Bytes([u8; 16]),
    }

    pub(super) fn serialize<S: Serializer>(name: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(String::from_utf8_lossy(name).trim_end_matches('\0'))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        Ok(match Name::deserialize(from)? {
            Name::Bytes(bytes) => bytes,
            Name::Word(word) => {
                let mut bytes = word.into_bytes();
                bytes.resize(16, 0);
                bytes.try_into().unwrap_or_default()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_the_kernels_names() {
        assert_eq!(State::from_kernel(8), Some(State::CloseWait));
        assert_eq!(State::from_kernel(12), Some(State::SynRecv));
        assert_eq!([State::from_kernel(0), State::from_kernel(13)], [None, None]);
        assert_eq!(State::CloseWait.bit(), 0x100);
    }

    #[test]
    fn a_mapped_address_is_written_as_ipv4() {
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Endpoint::new(mapped, 80).to_string(), "192.0.2.1:80");
        assert_eq!(Endpoint::new("2001:db8::1".parse().unwrap(), 443).to_string(), "[2001:db8::1]:443");
    }
}
