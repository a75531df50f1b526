//! What the namespace's counters say of its retransmissions, dead peers taken out; and the peer that they belong to.
//!
//! Source: Documentation/networking/snmp_counter.rst. TCPTimeouts also counts the timers of SYNs, SYN-ACKs and FINs, and of
//! SYNs that never left; RetransSegs does not count what could not be sent: the smaller of the two is what data timers sent.

use std::cmp::Reverse;

use super::held::{CERTAIN, LIKELY, POSSIBLE};
use super::loss::{self, DATA_SENT, DSACK_SEGS, Levels, RETRANS, SYN_RETRANS, TIMEOUTS};
use super::wording::{percent, span};
use super::{Class, Classed, Limits, Read, class_of};
use crate::catalog::Counter;
use crate::report::{Finding, Subject, SubjectKind, Verdict, Why};
use crate::say;
use crate::snapshot::{Line, Peer, Question};
use crate::statistics::{poisson_tail, proves_below, still_needed, wilson};
use crate::window::Window;
use crate::words::Message;

const PROBES: Counter = Counter("TcpExt.TCPLossProbes");
const FAST: Counter = Counter("TcpExt.TCPFastRetrans");
const LOST_AGAIN: Counter = Counter("TcpExt.TCPLostRetransmit");
const UNDONE: [Counter; 3] =
    [Counter("TcpExt.TCPLossUndo"), Counter("TcpExt.TCPSpuriousRTOs"), Counter("TcpExt.TCPFullUndo")];
const REORDERED: [Counter; 3] =
    [Counter("TcpExt.TCPSACKReorder"), Counter("TcpExt.TCPTSReorder"), Counter("TcpExt.TCPRenoReorder")];

/// What no rule on retransmissions can do without.
pub(super) const READS: &[Read] = &[
    Read::Counter(RETRANS),
    Read::Counter(SYN_RETRANS),
    Read::Counter(DATA_SENT),
    Read::Counter(DSACK_SEGS),
    Read::Counter(TIMEOUTS),
    Read::Counter(PROBES),
    Read::Counter(FAST),
    Read::Counter(LOST_AGAIN),
    Read::Counter(UNDONE[0]),
    Read::Counter(UNDONE[1]),
    Read::Counter(UNDONE[2]),
    Read::Counter(REORDERED[0]),
    Read::Counter(REORDERED[1]),
    Read::Counter(REORDERED[2]),
    Read::TwoLooks,
];

/// How the counters of retransmission grew over the window.
#[derive(Clone, Copy)]
pub(super) struct Retransmissions {
    /// Segments of data sent once.
    pub(super) sent: u64,
    /// Segments of data sent again, those of stuck sockets and of sockets that found a smaller MTU left out.
    pub(super) again: u64,
    /// Of them, by the retransmission timer.
    pub(super) timeouts: u64,
    /// Of them, as probes of the tail (TLP).
    pub(super) probes: u64,
    /// Of them, fast, after later segments arrived.
    pub(super) fast: u64,
    /// Of them, lost once more.
    pub(super) lost_again: u64,
    /// Segments that the peers reported as duplicates.
    pub(super) dsacks: u64,
    /// Timeouts and recoveries that turned out to be unnecessary.
    pub(super) undone: u64,
    /// Reorderings seen.
    pub(super) reordered: u64,
}

impl Retransmissions {
    /// From the counters of a window; `None` when one is missing.
    pub(super) fn of(window: &Window) -> Option<Self> {
        let aside = loss::set_aside(window, window.census()?);
        let (sent, syn) = (window.delta(DATA_SENT)?, window.delta(SYN_RETRANS)?);
        let data = |counter| Some(window.delta(counter)?.saturating_sub(syn + aside));
        let again = data(RETRANS)?;
        let timeouts = if sent == 0 { 0 } else { data(TIMEOUTS)?.min(again) };
        Some(Self {
            sent,
            again,
            timeouts,
            probes: window.delta(PROBES)?,
            fast: window.delta(FAST)?,
            lost_again: window.delta(LOST_AGAIN)?,
            dsacks: window.delta(DSACK_SEGS)?,
            undone: window.sum(&UNDONE)?,
            reordered: window.sum(&REORDERED)?,
        })
    }

    /// Share of the retransmissions that came back as duplicates; 0 without any.
    pub(super) fn unnecessary(&self) -> f64 {
        self.dsacks.min(self.again) as f64 / self.again.max(1) as f64
    }

    /// Whether most of the retransmissions were unnecessary, beyond chance.
    pub(super) fn mostly_unnecessary(&self, limits: &Limits) -> bool {
        is_majority(self.dsacks.min(self.again), self.again, limits)
    }

    /// Retransmissions per segment of data.
    pub(super) fn ratio(&self) -> f64 {
        self.again as f64 / self.sent.max(1) as f64
    }
}

/// Whether `k` of `n` are more than half, beyond chance.
pub(super) fn is_majority(k: u64, n: u64, limits: &Limits) -> bool {
    n as f64 >= limits.majority_cases_min && wilson(k, n).is_some_and(|(low, _)| low > 0.5)
}

/// Whether `k` in `n` are more than a share of them, beyond chance.
pub(super) fn is_more(k: u64, n: u64, share: f64, alpha: f64) -> bool {
    k as f64 > n as f64 * share && poisson_tail(k, n as f64 * share) < alpha
}

/// Healthy when `k` in `n` prove that the share is not exceeded, else undecided with the segments and the time still needed.
pub(super) fn healthy_or_too_few(window: &Window, (k, n): (u64, u64), limit: f64) -> Verdict {
    if n > 0 && proves_below(k, n, limit) {
        return Verdict::Healthy(None);
    }
    let missing = still_needed(k, n, limit);
    let reason = say! {
        en: "only {n} data segments: {limit} cannot be judged",
        ko: "데이터 세그먼트가 {n}개뿐: {limit}을 판정할 수 없음",
        n = n, limit = percent(limit)
    };
    Verdict::Undecided(Why { reason, needs: Some(segments_needed(window, missing, n)) })
}

/// So many more segments, and how long that takes at the rate of the window.
pub(super) fn segments_needed(window: &Window, missing: u64, sent: u64) -> Message {
    if sent == 0 {
        return say! { en: "{missing} segments of data", ko: "데이터 세그먼트 {missing}개", missing = missing };
    }
    let time = span(missing as f64 * window.seconds() / sent as f64);
    say! {
        en: "{missing} more segments, about {time} at this rate",
        ko: "세그먼트 {missing}개 추가, 이 속도로 약 {time}",
        missing = missing, time = time
    }
}

/// The peer, or the network of at least three, that a symptom belongs to.
pub(super) struct Culprit<'a> {
    pub(super) peer: Option<&'a Peer>,
    pub(super) classed: Option<Classed>,
    pub(super) subject: Subject,
    /// The addresses that are meant.
    pub(super) concerns: Vec<String>,
    /// How sure it is that the symptom is theirs.
    pub(super) confidence: f64,
}

impl Culprit<'_> {
    /// The usual loss toward it.
    pub(super) fn usual(&self, limits: &Limits) -> f64 {
        Levels::of(self.classed.as_ref().map_or(Class::Remote, |classed| classed.class), limits).info
    }

    /// How it is called in a sentence.
    pub(super) fn name(&self) -> Message {
        let unknown = say! { en: "unknown peers", ko: "알 수 없는 상대" };
        self.known().map_or(unknown, Message::same)
    }

    /// How it is called in a command.
    pub(super) fn address(&self) -> String {
        self.known().unwrap_or_else(|| "PEER".into())
    }

    fn known(&self) -> Option<String> {
        self.subject.subnet.clone().or_else(|| self.subject.remote.clone())
    }

    /// The device toward it, in a command.
    pub(super) fn device(&self) -> String {
        self.subject.interface.clone().unwrap_or_else(|| "DEVICE".into())
    }
}

/// Who shows most of a symptom; nobody when no followed connection does.
pub(super) fn culprit<'a>(window: &Window<'a>, of: fn(&Line) -> u64, questions: &mut Vec<Question>) -> Culprit<'a> {
    let peers = window.census().map_or(&[][..], |census| &census.peers);
    let mut showing: Vec<&Peer> = peers.iter().filter(|peer| of(&peer.line) > 0).collect();
    showing.retain(|peer| !peer.address.is_loopback() && peer.address != peer.source);
    showing.sort_by_key(|peer| Reverse(of(&peer.line)));
    let Some(&worst) = showing.first() else {
        return Culprit {
            peer: None,
            classed: None,
            subject: Subject::default(),
            concerns: Vec::new(),
            confidence: POSSIBLE,
        };
    };
    let network = loss::subnet(worst.address);
    let total: u64 = showing.iter().map(|peer| of(&peer.line)).sum();
    let near: Vec<_> = showing.iter().filter(|peer| loss::subnet(peer.address) == network).collect();
    let shared = near.len() >= loss::GROUP_MIN && of(&worst.line) * 2 < total;
    let blamed: u64 = if shared { near.iter().map(|peer| of(&peer.line)).sum() } else { of(&worst.line) };
    let classed = class_of(window, worst).or_ask(questions);
    let subject = Subject {
        kind: if shared { SubjectKind::Subnet } else { SubjectKind::Peer },
        remote: (!shared).then(|| worst.address.to_string()),
        subnet: shared.then_some(network),
        source: Some(worst.source.to_string()),
        interface: classed.as_ref().and_then(|classed| classed.interface.clone()),
        ..Subject::default()
    };
    let concerns = if shared { near.iter().map(|peer| peer.address.to_string()).collect() } else { Vec::new() };
    let confidence = if blamed * 5 >= total * 4 { CERTAIN } else { LIKELY };
    Culprit { peer: Some(worst), classed, subject, concerns, confidence }
}

/// The counters that a rule on retransmissions rests on.
pub(super) fn with_evidence(finding: Finding, counts: &Retransmissions) -> Finding {
    let (scope, source) = ("netns, window", "/proc/net/netstat, snmp");
    let rows = [
        (DATA_SENT.0, counts.sent),
        ("RetransSegs − TCPSynRetrans − set aside", counts.again),
        ("timeouts of data", counts.timeouts),
        (PROBES.0, counts.probes),
        (FAST.0, counts.fast),
        (LOST_AGAIN.0, counts.lost_again),
        (DSACK_SEGS.0, counts.dsacks),
        ("TCPLossUndo + TCPSpuriousRTOs + TCPFullUndo", counts.undone),
        ("TCPSACKReorder + TCPTSReorder + TCPRenoReorder", counts.reordered),
    ];
    rows.into_iter().fold(finding, |finding, (name, count)| {
        let unit = if name.contains("Undo") || name.contains("Reorder") { "events" } else { "segments" };
        finding.evidence(name, (count as f64, unit), scope, source)
    })
}
