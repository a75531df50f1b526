//! What `sockets` takes.

use clap::{Args, ValueEnum};
use tcphealth_core::text;
use tcphealth_core::words::Text;

use super::Elsewhere;
use super::values::whole;
use crate::command::Column;

pub(super) const SOCKETS_EXAMPLES: &str = "Examples:
  tcphealth sockets state close-wait --by process
  tcphealth sockets state time-wait and dst 10.0.0.0/8 --by destination
  tcphealth sockets '( dport = :443 or dport = :80 ) and not dst 192.0.2.0/24'
  tcphealth sockets --sort total_retrans --limit 5 --format json
  tcphealth sockets --at 'yesterday 03:00' --by state,listener
  tcphealth sockets --by netns,state       the sockets of all namespaces
";

/// Lines that may be asked for.
const LINES_MAX: usize = 1_000_000_000;

/// What `sockets` needs.
#[derive(Debug, Args)]
#[command(after_help = SOCKETS_EXAMPLES)]
pub(crate) struct SocketsArgs {
    /// Which: state NAME, exclude NAME, sport, dport, src, dst with = != < > <= >=, and, or, not, brackets.
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Count them by what they have in common; by netns, those of all namespaces are counted unless --netns names one.
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(crate) by: Vec<By>,
    /// Tell of each group, beside how many they are.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "by")]
    pub(crate) with: Vec<With>,
    /// Largest first: recv_q, send_q, sockets or a field of tcp_info; or by state, local, remote.
    #[arg(long, value_name = "COLUMN", value_parser = Column::parse)]
    pub(crate) sort: Option<Column>,
    /// No more lines than this.
    #[arg(long, value_name = "N", value_parser = whole(0..=LINES_MAX))]
    pub(crate) limit: Option<usize>,
    /// Name the process that holds each socket.
    #[arg(long, short)]
    pub(crate) process: bool,
    /// How to print them.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Table,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
}

/// What sockets may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The state.
    State,
    /// The process that holds it.
    Process,
    /// The listener that it arrived at.
    Listener,
    /// The address and port that it was connected to.
    Destination,
    /// The remote address.
    Peer,
    /// The remote network: /24, or /48 of IPv6.
    Subnet,
    /// The control group.
    Cgroup,
    /// The network namespace.
    Netns,
}

impl By {
    /// The key in JSON and CSV.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Process => "process",
            Self::Listener => "listener",
            Self::Destination => "destination",
            Self::Peer => "peer",
            Self::Subnet => "subnet",
            Self::Cgroup => "cgroup",
            Self::Netns => "netns",
        }
    }
}

impl By {
    /// The title of its column for people.
    pub(crate) fn title(self) -> Text {
        match self {
            Self::State => text! { en: "state", ko: "상태" },
            Self::Process => text! { en: "process", ko: "프로세스" },
            Self::Listener => text! { en: "listener", ko: "리스너" },
            Self::Destination => text! { en: "destination", ko: "목적지" },
            Self::Peer => text! { en: "peer", ko: "상대" },
            Self::Subnet => text! { en: "subnet", ko: "서브넷" },
            Self::Cgroup => text! { en: "cgroup", ko: "cgroup" },
            Self::Netns => text! { en: "netns", ko: "네임스페이스" },
        }
    }
}

/// What is told of a group of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum With {
    /// Bytes received and not read, in sum.
    RecvQ,
    /// Bytes not acknowledged, in sum.
    SendQ,
    /// Segments retransmitted in the sockets' lives, in sum.
    TotalRetrans,
    /// Smoothed round-trip time, the mean of those that have one.
    Rtt,
}

impl With {
    pub(crate) const ALL: [Self; 4] = [Self::RecvQ, Self::SendQ, Self::TotalRetrans, Self::Rtt];

    /// The key in JSON and CSV.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RecvQ => "recv_q_bytes",
            Self::SendQ => "send_q_bytes",
            Self::TotalRetrans => "total_retrans",
            Self::Rtt => "rtt_us",
        }
    }

    /// The title of its column, which is what is typed.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::RecvQ => "recv_q",
            Self::SendQ => "send_q",
            Self::TotalRetrans => "total_retrans",
            Self::Rtt => "rtt_us",
        }
    }
}

/// The formats of long tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// For people.
    Text,
    /// For programs: schema tcphealth.sockets/1.
    Json,
    /// For spreadsheets (RFC 4180).
    Csv,
}
