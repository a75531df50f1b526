//! What happened to a socket at one moment, as the kernel told it; and how often each thing happened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Endpoint, State, TcpInfo};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, `CLOCK_BOOTTIME`, ns.
    pub at_ns: u64,
    /// Our end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// The state of the socket; before the event, if that changed it. CLOSE where there is no socket, or it was not told.
    pub state: State,
    /// The program that did it, where one did and the kernel could tell.
    pub program: Option<Program>,
    /// Inode of the socket, 0 when no process has it or it was not told.
    pub inode: u32,
    /// Owner's user id, 0 when it was not told.
    pub uid: u32,
    /// What it was.
    pub what: Happening,
    /// The kernel's return addresses that led to it, the innermost first; empty when they were not asked for.
    pub stack: Vec<u64>,
}

/// A process by its number and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its number.
    pub pid: u32,
    /// `comm` of its first thread.
    pub comm: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// `tcp_retransmit_skb`: sent again.
    Retransmit {
        /// Segments, which the device may cut from one packet.
        segments: u32,
    },
    /// `tcp_retransmit_synack`: a SYN-ACK was sent again.
    RetransmitSynAck,
    /// `tcp_send_reset`: we sent a reset.
    ResetSent {
        /// `enum sk_rst_reason`, which differs from kernel to kernel.
        reason: u32,
    },
    /// `tcp_receive_reset`: the peer, or somebody in its name, sent a reset.
    ResetReceived,
    /// `inet_sock_set_state`.
    State {
        /// The new state.
        to: State,
    },
    /// An active open was answered, or was not.
    Connect {
        /// How it came out.
        attempt: Attempt,
        /// Since the first SYN, ns; `None` when that was before we listened.
        took_ns: Option<u64>,
    },
    /// A connection has ended.
    Life(Life),
    /// `kfree_skb`: a packet of TCP was dropped.
    Drop {
        /// `enum skb_drop_reason`, which differs from kernel to kernel.
        reason: u32,
    },
}

/// How an active open came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attempt {
    /// Established.
    Established,
    /// Failed with this errno.
    Failed(i32),
    /// No SYN left this host, for a reason that the socket does not tell.
    Unsent,
    /// Its program closed it before any answer came.
    GivenUp,
}

impl Attempt {
    /// The name of its errno where it has one.
    pub fn name(self) -> String {
        let known = |errno| ERRNOS.iter().find(|(number, _)| *number == errno);
        match self {
            Self::Failed(errno) => known(errno).map_or_else(|| format!("errno{errno}"), |(_, name)| (*name).to_owned()),
            Self::Established => State::Established.name().to_owned(),
            Self::Unsent => "Unsent".to_owned(),
            Self::GivenUp => "GivenUp".to_owned(),
        }
    }
}

/// What connect(2) may say, by its numbers on all of Linux' machines but MIPS, SPARC, Alpha and PA-RISC.
const ERRNOS: &[(i32, &str)] = &[
    (1, "EPERM"),
    (13, "EACCES"),
    (EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (101, "ENETUNREACH"),
    (ECONNRESET, "ECONNRESET"),
    (110, "ETIMEDOUT"),
    (ECONNREFUSED, "ECONNREFUSED"),
    (113, "EHOSTUNREACH"),
];

/// A connection at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Since its first SYN, ns; `None` when that was before we listened. See also [`Life::at_its_end`].
    pub lasted_ns: Option<u64>,
    /// errno of its end, 0 when it was closed in order or by us, or that is not known.
    pub error: i32,
    /// `bytes_acked`: sent and acknowledged; the SYN and the FIN count one each.
    pub bytes_acked: u64,
    /// `bytes_received`.
    pub bytes_received: u64,
    /// `srtt_us`, smoothed, µs; 0 without a measurement.
    pub rtt_us: u32,
    /// `total_retrans`: segments.
    pub total_retrans: u32,
}

/// Who closed a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closer {
    /// We did.
    Us,
    /// The peer did.
    Peer,
    /// Both at once.
    Both,
    /// Nobody: it failed.
    Nobody,
}

/// ECONNRESET on all of Linux' machines but MIPS, SPARC, Alpha and PA-RISC.
const ECONNRESET: i32 = 104;

impl Life {
    /// Who closed first, by the last state before CLOSE; `None` where that was not told.
    pub fn closer(&self, last: State) -> Option<Closer> {
        Some(match last {
            State::Close => return None,
            State::FinWait1 | State::FinWait2 | State::TimeWait => Closer::Us,
            State::CloseWait | State::LastAck => Closer::Peer,
            State::Closing => Closer::Both,
            _ if self.error == 0 => Closer::Us,
            _ if self.error == ECONNRESET => Closer::Peer,
            _ => Closer::Nobody,
        })
    }

    /// What the tcp_info of a socket that is destroyed tells of its connection; `None` when there was none: it listened, or its
    /// connect failed.
    ///
    /// The clocks of `tcpi_last_data_sent` and `tcpi_last_data_recv` are set when it is established and again by data: where one
    /// side sent none, its clock tells how long the connection lasted, in ms.
    pub fn at_its_end(info: &TcpInfo) -> Option<Self> {
        let idle = |segments: Option<u32>, since_ms: Option<u32>| since_ms.filter(|_| segments == Some(0));
        let lasted_ms = idle(info.data_segs_in(), info.last_data_recv())
            .or_else(|| idle(info.data_segs_out(), info.last_data_sent()));
        let life = Self {
            lasted_ns: lasted_ms.map(|ms| u64::from(ms) * 1_000_000),
            error: 0,
            bytes_acked: info.bytes_acked()?,
            bytes_received: info.bytes_received()?,
            rtt_us: info.rtt()?,
            total_retrans: info.total_retrans()?,
        };
        // Who opened has its SYN acknowledged; who was opened to has measured its SYN-ACK.
        (life.bytes_acked > 0 || life.bytes_received > 0 || life.rtt_us > 0).then_some(life)
    }
}

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// State changes by old and new state.
    pub states: BTreeMap<(State, State), u64>,
    /// Active opens by how they came out.
    pub attempts: BTreeMap<Attempt, u64>,
    /// Connections that ended.
    pub lives: u64,
    /// Resets sent by `enum sk_rst_reason`.
    pub resets_sent: BTreeMap<u32, u64>,
    /// Resets received.
    pub resets_received: u64,
    /// Dropped packets by `enum skb_drop_reason`.
    pub drops: BTreeMap<u32, u64>,
    /// Segments sent again that were no SYN.
    pub retransmitted: u64,
    /// SYNs sent again.
    pub retransmitted_syn: u64,
    /// SYN-ACKs sent again.
    pub retransmitted_synack: u64,
    /// Packets that could not be sent again; `Tcp.RetransSegs` counts some of these.
    pub retransmit_failed: u64,
    /// Events that are counted but were not told one by one: the ring was full.
    pub untold: u64,
    /// Connections whose begin could not be remembered: too many at once.
    pub forgotten: u64,
    /// Events that are not even counted: they interrupted the program that counts them.
    pub missed: u64,
    /// How often a queue was full (ENOBUFS), or how many packets it did not take: at least one event each is neither told nor
    /// counted.
    pub overruns: u64,
}

/// The changes of state that TCP knows (RFC 9293 §3.3.2), as Linux makes them.
const CHANGES: &[(State, &[State])] = &[
    (State::Close, &[State::SynSent, State::Listen]),
    (State::Listen, &[State::SynRecv, State::Close]),
    (State::SynSent, &[State::Established, State::SynRecv, State::Close]),
    (State::SynRecv, &[State::Established, State::FinWait1, State::Close]),
    (State::Established, &[State::FinWait1, State::CloseWait, State::Close]),
    (State::FinWait1, &[State::FinWait2, State::Closing, State::Close]),
    (State::FinWait2, &[State::Close]),
    (State::CloseWait, &[State::LastAck, State::Close]),
    (State::LastAck, &[State::Close]),
    (State::Closing, &[State::Close]),
];

impl EventCounts {
    /// The counts as counters with names, those of what is usual also when they are 0, so that they have a growth; the words tell
    /// the reasons of resets.
    pub fn columns(&self, reasons: &BTreeMap<u32, String>) -> BTreeMap<String, u64> {
        let change = |from: State, to: State| format!("event.change.{from}.{to}");
        let usual = CHANGES.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to)));
        let mut all: BTreeMap<String, u64> = usual.map(|(from, to)| (change(from, to), 0)).collect();
        all.extend(self.states.iter().map(|((from, to), count)| (change(*from, *to), *count)));
        let others = [Attempt::Established, Attempt::Unsent, Attempt::GivenUp];
        let failures = ERRNOS.iter().map(|(errno, _)| Attempt::Failed(*errno));
        let known = others.into_iter().chain(failures).map(|attempt| (attempt, 0));
        for (attempt, count) in known.chain(self.attempts.iter().map(|(attempt, count)| (*attempt, *count))) {
            *all.entry(format!("event.connect.{}", attempt.name())).or_default() += count;
        }
        let sent =
            reasons.keys().map(|reason| (*reason, 0)).chain(self.resets_sent.iter().map(|(r, count)| (*r, *count)));
        for (reason, count) in sent {
            let word = reasons.get(&reason).cloned().unwrap_or_else(|| reason.to_string());
            *all.entry(format!("event.reset_sent.{word}")).or_default() += count;
        }
        let single = [
            ("event.reset_received", self.resets_received),
            ("event.retransmit", self.retransmitted),
            ("event.retransmit_syn", self.retransmitted_syn),
            ("event.retransmit_synack", self.retransmitted_synack),
            ("event.missed", self.missed),
        ];
        all.extend(single.map(|(name, count)| (name.to_owned(), count)));
        all
    }

    /// Connections that we opened, as `Tcp.ActiveOpens` counts them: a SYN left.
    pub fn active_opens(&self) -> u64 {
        let unsent = [Attempt::Unsent, Attempt::Failed(EADDRNOTAVAIL)];
        let unsent: u64 = unsent.iter().filter_map(|attempt| self.attempts.get(attempt)).sum();
        self.change(State::Close, State::SynSent).saturating_sub(unsent)
    }

    /// Connections that peers opened, as `Tcp.PassiveOpens` counts them: the last ACK of the handshake came.
    pub fn passive_opens(&self) -> u64 {
        self.change(State::Listen, State::SynRecv)
    }

    /// How often one state followed another.
    pub fn change(&self, from: State, to: State) -> u64 {
        self.states.get(&(from, to)).copied().unwrap_or(0)
    }

    /// Counts one more.
    pub fn add(&mut self, event: &Event) {
        match &event.what {
            Happening::Retransmit { segments } if event.state == State::SynSent => {
                self.retransmitted_syn += u64::from(*segments);
            }
            Happening::Retransmit { segments } => self.retransmitted += u64::from(*segments),
            Happening::RetransmitSynAck => self.retransmitted_synack += 1,
            Happening::ResetSent { reason } => *self.resets_sent.entry(*reason).or_default() += 1,
            Happening::ResetReceived => self.resets_received += 1,
            Happening::State { to } => *self.states.entry((event.state, *to)).or_default() += 1,
            Happening::Connect { attempt, .. } => *self.attempts.entry(*attempt).or_default() += 1,
            Happening::Life(_) => self.lives += 1,
            Happening::Drop { reason } => *self.drops.entry(*reason).or_default() += 1,
        }
    }
}

/// What connect(2) says when there is no free local port.
pub(crate) const EADDRNOTAVAIL: i32 = 99;
/// What it says when nobody listens there.
pub(crate) const ECONNREFUSED: i32 = 111;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_state_tells_who_closed_first() {
        let closer = |last, error| Life { error, ..Life::default() }.closer(last).unwrap();
        assert_eq!([closer(State::FinWait2, 0), closer(State::FinWait1, 110)], [Closer::Us; 2]);
        assert_eq!([closer(State::LastAck, 0), closer(State::CloseWait, 32)], [Closer::Peer; 2]);
        assert_eq!([closer(State::Closing, 0), closer(State::Established, 110)], [Closer::Both, Closer::Nobody]);
        // An abort: by us it leaves no error, by the peer it does.
        assert_eq!([closer(State::Established, 0), closer(State::Established, 104)], [Closer::Us, Closer::Peer]);
    }

    #[test]
    fn a_state_that_was_not_told_tells_nothing() {
        assert_eq!(Life::default().closer(State::Close), None);
    }

    #[test]
    fn tcp_info_at_the_end_tells_of_connections_only() {
        // include/uapi/linux/tcp.h: little words at their offsets.
        let info = |words: &[(usize, u32)]| {
            let mut bytes = [0; 280];
            for &(at, word) in words {
                bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
            }
            Life::at_its_end(&TcpInfo::new(&bytes))
        };
        assert_eq!((info(&[]), info(&[(100, 6)])), (None, None));
        let sent_alone = [(52, 7000), (44, 10), (68, 345), (100, 2), (120, 1001), (156, 5)];
        let life = Life {
            lasted_ns: Some(7_000_000_000),
            error: 0,
            bytes_acked: 1001,
            bytes_received: 0,
            rtt_us: 345,
            total_retrans: 2,
        };
        assert_eq!(info(&sent_alone), Some(life));
        // Data both ways has set both clocks anew.
        let both_ways = info(&[(44, 10), (52, 20), (68, 345), (128, 9), (152, 1), (156, 5)]);
        assert_eq!(both_ways.map(|life| (life.lasted_ns, life.bytes_received)), Some((None, 9)));
    }

    #[test]
    fn counts_are_columns_with_names_and_the_usual_ones_are_there_at_zero() {
        let mut counts =
            EventCounts { resets_sent: [(2, 5), (99, 1)].into(), resets_received: 7, ..EventCounts::default() };
        counts.states.insert((State::Established, State::CloseWait), 4);
        counts.attempts = [(Attempt::Failed(111), 3), (Attempt::Failed(77), 1)].into();
        let columns = counts.columns(&[(2, "NO_SOCKET".to_owned())].into());
        let of = |name: &str| columns.get(&format!("event.{name}")).copied();
        assert_eq!([of("change.ESTABLISHED.CLOSE_WAIT"), of("change.LAST_ACK.CLOSE")], [Some(4), Some(0)]);
        let connects =
            ["ECONNREFUSED", "EADDRNOTAVAIL", "errno77", "ESTABLISHED"].map(|name| of(&format!("connect.{name}")));
        assert_eq!(connects, [Some(3), Some(0), Some(1), Some(0)]);
        let resets = [of("reset_sent.NO_SOCKET"), of("reset_sent.99"), of("reset_received"), of("missed")];
        assert_eq!(resets, [Some(5), Some(1), Some(7), Some(0)]);
        assert!(columns.keys().all(|name| crate::catalog::entry(name).is_some()));
    }

    #[test]
    fn an_open_without_a_syn_is_none() {
        let mut counts = EventCounts::default();
        counts.states.insert((State::Close, State::SynSent), 10);
        counts.states.insert((State::Listen, State::SynRecv), 4);
        counts.attempts = [(Attempt::Established, 5), (Attempt::Failed(99), 2), (Attempt::Unsent, 1)].into();
        assert_eq!((counts.active_opens(), counts.passive_opens()), (7, 4));
    }
}
