//! What of a socket is a number or a word by itself, for sorting and for CSV: ss's words, then every field of `tcp_info`.

use tcphealth_core::say;
use tcphealth_core::snapshot::{FIELDS, Field, Socket, Timer};

use crate::args::With;
use crate::speech::Complaint;

/// Something of a socket, by the name that is typed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Our end.
    Local,
    /// The peer's end.
    Remote,
    /// `state`.
    State,
    /// `recv_q`.
    RecvQ,
    /// `send_q`.
    SendQ,
    /// Owner's user id.
    Uid,
    /// Inode.
    Inode,
    /// Number of sockets in a group.
    Sockets,
    /// A field of `tcp_info`.
    Info(&'static Field),
}

const NAMED: [(&str, Column); 8] = [
    ("state", Column::State),
    ("recv_q", Column::RecvQ),
    ("send_q", Column::SendQ),
    ("local", Column::Local),
    ("remote", Column::Remote),
    ("uid", Column::Uid),
    ("inode", Column::Inode),
    ("sockets", Column::Sockets),
];

impl Column {
    /// By the name that is typed.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let name = text.replace('-', "_").to_lowercase();
        let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, column)| *column);
        let field = || FIELDS.iter().find(|field| field.name == name).map(Column::Info);
        named.or_else(field).ok_or_else(|| {
            let known: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
            Complaint(say! {
                en: "none of {known}, or a field of tcp_info such as rtt or total_retrans",
                ko: "{known} 가운데 하나, 또는 rtt, total_retrans 같은 tcp_info의 필드여야 함",
                known = known.join(", ")
            })
        })
    }

    /// What of a group is sorted by.
    pub(crate) fn with(self) -> Option<With> {
        match self {
            Self::RecvQ => Some(With::RecvQ),
            Self::SendQ => Some(With::SendQ),
            Self::Info(field) if field.name == "total_retrans" => Some(With::TotalRetrans),
            Self::Info(field) if field.name == "rtt" => Some(With::Rtt),
            _ => None,
        }
    }

    /// Whether the kernel must be asked for `tcp_info`.
    pub(crate) fn needs_info(self) -> bool {
        matches!(self, Self::Info(_))
    }

    /// Whether small ones come first: words do, numbers do not.
    pub(crate) fn ascends(self) -> bool {
        matches!(self, Self::Local | Self::Remote | Self::State)
    }

    /// What to sort by; numbers are told apart from words by their length, and what is unknown is least.
    pub(crate) fn key(self, socket: &Socket) -> (u128, u128) {
        let end = |endpoint: tcphealth_core::snapshot::Endpoint| {
            let address = match endpoint.address {
                std::net::IpAddr::V4(address) => u128::from(address.to_bits()),
                std::net::IpAddr::V6(address) => address.to_bits(),
            };
            (address, u128::from(endpoint.port))
        };
        let number = |value: u64| (u128::from(value), 0);
        match self {
            Self::Local => end(socket.local),
            Self::Remote => end(socket.remote),
            Self::State => number(socket.state as u64),
            Self::RecvQ => number(socket.rqueue.into()),
            Self::SendQ => number(socket.wqueue.into()),
            Self::Uid => number(socket.uid.into()),
            Self::Inode => number(socket.inode.into()),
            Self::Sockets => number(1),
            Self::Info(field) => {
                socket.info.as_ref().and_then(|info| info.field(field)).map_or((0, 0), |value| (value.into(), 1))
            }
        }
    }
}

/// ss's word for a timer.
pub(crate) fn timer_name(timer: Timer) -> Option<&'static str> {
    match timer {
        Timer::None => None,
        Timer::On => Some("on"),
        Timer::Keepalive => Some("keepalive"),
        Timer::TimeWait => Some("timewait"),
        Timer::Persist => Some("persist"),
    }
}
