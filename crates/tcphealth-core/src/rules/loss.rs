//! Loss per peer: what had to be sent again on the connections that both looks saw, against the limit of the peer's class.
//!
//! The host's own ratio is context only: it mixes loopback, SYNs and dead peers into one number.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::retransmissions::segments_needed;
use super::wording::percent;
use super::{Class, Classed, Limits, class_of, shrunk};
use crate::catalog::Counter;
use crate::report::{Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::say;
use crate::snapshot::{Census, Peer, Question};
use crate::statistics::{median, poisson_tail, poisson_upper, proves_below, still_needed, wilson};
use crate::window::Window;
use crate::words::{Message, Text};

pub(super) const RETRANS: Counter = Counter("Tcp.RetransSegs");
pub(super) const SYN_RETRANS: Counter = Counter("TcpExt.TCPSynRetrans");
pub(super) const DSACK_SEGS: Counter = Counter("TcpExt.TCPDSACKRecvSegs");
pub(super) const DATA_SENT: Counter = Counter("TcpExt.TCPOrigDataSent");
pub(super) const TIMEOUTS: Counter = Counter("TcpExt.TCPTimeouts");
/// Each is one recovery, however many segments it sent again.
pub(super) const EPISODES: [Counter; 4] = [
    Counter("TcpExt.TCPSackRecovery"),
    Counter("TcpExt.TCPRenoRecovery"),
    TIMEOUTS,
    Counter("TcpExt.TCPLossProbeRecovery"),
];

/// Peers whose way is asked for: those with most losses, then the largest.
const PEERS_ASKED: usize = 16;
/// Peers that must share a network before it is blamed instead of them.
pub(super) const GROUP_MIN: usize = 3;
const FINDINGS_MAX: usize = 10;

/// The ratios at which a class of peers is worth a line, a warning, and critical.
#[derive(Clone, Copy)]
pub(super) struct Levels {
    pub(super) info: f64,
    pub(super) warning: f64,
    pub(super) critical: f64,
}

impl Levels {
    /// The levels of a class; a loopback has none.
    pub(super) fn of(class: Class, limits: &Limits) -> Self {
        let (info, warning, critical) = match class {
            Class::Local | Class::Loopback => (
                limits.retransmit_local_info_ratio,
                limits.retransmit_local_warning_ratio,
                limits.retransmit_local_critical_ratio,
            ),
            Class::Site => (
                limits.retransmit_site_info_ratio,
                limits.retransmit_site_warning_ratio,
                limits.retransmit_site_critical_ratio,
            ),
            Class::Remote => (
                limits.retransmit_remote_info_ratio,
                limits.retransmit_remote_warning_ratio,
                limits.retransmit_remote_critical_ratio,
            ),
        };
        Self { info, warning, critical }
    }
}

/// One peer, how far it is, and how bad its line.
#[derive(Clone)]
pub(super) struct PeerLoss {
    pub(super) peer: Peer,
    pub(super) classed: Classed,
    pub(super) severity: Option<Severity>,
}

/// Peers that are blamed together: one, or a network of at least three.
pub(super) struct Bad {
    pub(super) members: Vec<PeerLoss>,
    pub(super) subject: Subject,
    pub(super) severity: Severity,
    /// Segments lost.
    pub(super) lost: u64,
    /// Segments with data sent.
    pub(super) sent: u64,
    /// The limit of the class.
    pub(super) usual: f64,
    /// Peers of the same classes that lost nothing worth a finding.
    pub(super) fine: usize,
}

impl Bad {
    pub(super) fn ratio(&self) -> f64 {
        self.lost as f64 / self.sent.max(1) as f64
    }

    /// How the culprit is called in a sentence.
    pub(super) fn name(&self) -> String {
        self.subject.subnet.clone().or_else(|| self.subject.remote.clone()).unwrap_or_default()
    }

    /// The member with most losses.
    pub(super) fn worst(&self) -> Option<&Peer> {
        self.members.iter().max_by_key(|member| member.peer.line.lost).map(|member| &member.peer)
    }
}

/// What a rule of loss speaks of, and how it says it.
pub(super) struct Speaker {
    pub(super) classes: &'static [Class],
    /// Its peers in words, for the sentences of health and of doubt.
    pub(super) peers: Text,
    pub(super) finding: fn(&Bad, &Window) -> Finding,
}

/// What was lost toward the peers of some classes.
pub(super) fn check(window: &Window, limits: &Limits, speaker: &Speaker) -> Verdict {
    let mut questions = Vec::new();
    let peers = peers(window, limits, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let (bad, fine): (Vec<_>, Vec<_>) = peers
        .into_iter()
        .filter(|peer| speaker.classes.contains(&peer.classed.class))
        .partition(|p| p.severity.is_some());
    if bad.is_empty() {
        return not_bad(window, limits, speaker, &fine);
    }
    let mut groups = group(bad, &fine, limits);
    groups.sort_by(|a, b| b.severity.cmp(&a.severity).then(b.ratio().total_cmp(&a.ratio())));
    Verdict::Findings(groups.iter().take(FINDINGS_MAX).map(|bad| (speaker.finding)(bad, window)).collect())
}

/// The peers that data went to, as far as they are asked for; never this host itself.
pub(super) fn peers(window: &Window, limits: &Limits, questions: &mut Vec<Question>) -> Vec<PeerLoss> {
    let Some(census) = window.census() else { return Vec::new() };
    let episodes = episodes(window, census);
    let mut peers: Vec<&Peer> = census.peers.iter().filter(|peer| peer.line.data_segs + peer.line.lost > 0).collect();
    peers.retain(|peer| !peer.address.is_loopback() && peer.address != peer.source);
    peers.sort_by_key(|peer| Reverse((peer.line.lost, peer.line.data_segs)));
    let classed = peers.into_iter().take(PEERS_ASKED).filter_map(|peer| {
        let classed = class_of(window, peer).or_ask(questions)?;
        let peer = Peer { line: shrunk::without(&peer.line, window, peer.address), ..*peer };
        let severity = severity(&peer, Levels::of(classed.class, limits), episodes, limits);
        (classed.class != Class::Loopback).then_some(PeerLoss { peer, classed, severity })
    });
    classed.collect()
}

/// How many recoveries there were, those of SYNs and of what is set aside taken out: one queue overflow drops tens of segments.
fn episodes(window: &Window, census: &Census) -> u64 {
    let all = window.sum(&EPISODES).unwrap_or(0);
    all.saturating_sub(window.delta(SYN_RETRANS).unwrap_or(0) + set_aside(window, census))
}

/// What stuck sockets sent again, and those around which the kernel found a way, over all peers: no measure of a line.
pub(super) fn set_aside(window: &Window, census: &Census) -> u64 {
    retrans_stuck(census) + shrunk::retrans(window)
}

fn retrans_stuck(census: &Census) -> u64 {
    census.peers.iter().map(|peer| peer.line.retrans_stuck).sum()
}

fn severity(peer: &Peer, levels: Levels, episodes: u64, limits: &Limits) -> Option<Severity> {
    let line = &peer.line;
    if (line.lost as f64) < limits.losses_min {
        return None;
    }
    let more_than = |ratio: f64, alpha: f64| poisson_tail(line.lost, line.data_segs as f64 * ratio) < alpha;
    let (episodes, single) = (episodes as f64, limits.loss_episodes_one_connection);
    let spread = episodes >= limits.loss_episodes_min && (line.sockets_lossy >= 2 || episodes >= single);
    let surely = |ratio: f64| {
        let low = wilson(line.lost, line.data_segs + line.lost).map_or(0.0, |(low, _)| low);
        spread && low > ratio && more_than(ratio, limits.loss_alpha_warning)
    };
    if surely(levels.critical) {
        Some(Severity::Critical)
    } else if surely(levels.warning) {
        Some(Severity::Warning)
    } else {
        more_than(levels.info, limits.loss_alpha_info).then_some(Severity::Info)
    }
}

/// Networks of at least three bad peers that share the way and have no good one are blamed as one; the rest one by one.
fn group(bad: Vec<PeerLoss>, fine: &[PeerLoss], limits: &Limits) -> Vec<Bad> {
    let mut networks: BTreeMap<_, Vec<PeerLoss>> = BTreeMap::new();
    for peer in bad {
        networks.entry((peer.classed.class, way(&peer))).or_default().push(peer);
    }
    let mut groups = Vec::new();
    for ((_, way), members) in networks {
        let good = fine.iter().filter(|peer| self::way(peer) == way).any(|peer| is_better(peer, &members));
        if members.len() >= GROUP_MIN && !good {
            groups.push(Bad::new(members, fine.len(), limits));
        } else {
            groups.extend(members.into_iter().map(|member| Bad::new(vec![member], fine.len(), limits)));
        }
    }
    groups
}

type Way = (String, Option<String>, Option<IpAddr>);

fn way(peer: &PeerLoss) -> Way {
    (subnet(peer.peer.address), peer.classed.interface.clone(), peer.classed.gateway)
}

/// Whether so few losses would be chance less than one time in twenty if the peer shared the others' trouble.
fn is_better(peer: &PeerLoss, bad: &[PeerLoss]) -> bool {
    let (lost, sent) = sums(bad);
    let mean = peer.peer.line.data_segs as f64 * lost as f64 / sent.max(1) as f64;
    1.0 - poisson_tail(peer.peer.line.lost + 1, mean) < 0.05
}

fn sums(peers: &[PeerLoss]) -> (u64, u64) {
    peers.iter().fold((0, 0), |(lost, sent), peer| (lost + peer.peer.line.lost, sent + peer.peer.line.data_segs))
}

impl Bad {
    fn new(members: Vec<PeerLoss>, fine: usize, limits: &Limits) -> Self {
        let (lost, sent) = sums(&members);
        let severity = members.iter().filter_map(|member| member.severity).max().unwrap_or(Severity::Info);
        let class = members.first().map_or(Class::Remote, |member| member.classed.class);
        let subject = subject(&members);
        Self { members, subject, severity, lost, sent, usual: Levels::of(class, limits).info, fine }
    }
}

fn subject(members: &[PeerLoss]) -> Subject {
    let Some(first) = members.first() else { return Subject::default() };
    let one = members.len() == 1;
    Subject {
        kind: if one { SubjectKind::Peer } else { SubjectKind::Subnet },
        remote: one.then(|| first.peer.address.to_string()),
        subnet: (!one).then(|| subnet(first.peer.address)),
        source: Some(first.peer.source.to_string()),
        interface: first.classed.interface.clone(),
        ..Subject::default()
    }
}

/// The network that peers are grouped by: /24 or /64.
pub(super) fn subnet(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let network = std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
            format!("{network}/64")
        }
    }
}

/// Healthy when enough segments prove it, else undecided with what is missing.
fn not_bad(window: &Window, limits: &Limits, speaker: &Speaker, fine: &[PeerLoss]) -> Verdict {
    let (lost, sent) = sums(fine);
    let strictest = fine.iter().map(|peer| Levels::of(peer.classed.class, limits).info).reduce(f64::min);
    let limit = strictest.unwrap_or_else(|| Levels::of(class_limit(speaker), limits).info);
    if let Some(unknown) = lost_by_short_connections(window, limit, limits) {
        return Verdict::Undecided(Why { reason: unknown, needs: None });
    }
    if sent > 0 && proves_below(lost, sent, limit) {
        let (bound, count) = (percent(poisson_upper(lost) / sent as f64), fine.len());
        let healthy = say! {
            en: "{lost} lost of {sent} segments to {count} {peers} (≤ {bound})",
            ko: "{peers} {count}곳으로 보낸 세그먼트 {sent}개 중 손실 {lost}개(≤ {bound})",
            lost = lost, sent = sent, count = count, bound = bound; peers = speaker.peers
        };
        return Verdict::Healthy(Some(healthy));
    }
    Verdict::Undecided(too_few(window, (lost, sent), limit, speaker))
}

fn class_limit(speaker: &Speaker) -> Class {
    speaker.classes.first().copied().unwrap_or(Class::Remote)
}

fn too_few(window: &Window, (lost, sent): (u64, u64), limit: f64, speaker: &Speaker) -> Why {
    let missing = still_needed(lost, sent, limit);
    let usual = percent(limit);
    let reason = say! {
        en: "only {sent} data segments to {peers} ({lost} lost): {usual} cannot be judged",
        ko: "{peers}(으)로 보낸 데이터 세그먼트가 {sent}개뿐(손실 {lost}개): {usual}을 판정할 수 없음",
        sent = sent, lost = lost, usual = usual; peers = speaker.peers
    };
    Why { reason, needs: Some(segments_needed(window, missing, sent)) }
}

/// What the host lost and no followed connection shows was lost by connections that lived between the looks: whose, is unknown.
fn lost_by_short_connections(window: &Window, limit: f64, limits: &Limits) -> Option<Message> {
    let census = window.census()?;
    let lost = host_lost(window)?
        .saturating_sub(retrans_stuck(census) + census.peers.iter().map(|p| p.line.lost).sum::<u64>());
    let followed: u64 = census.peers.iter().map(|peer| peer.line.data_segs).sum();
    let sent = window.delta(DATA_SENT)?.saturating_sub(followed);
    let many = lost as f64 >= limits.losses_min && poisson_tail(lost, sent as f64 * limit) < limits.loss_alpha_info;
    many.then(|| {
        say! {
            en: "{lost} of {sent} segments of connections that lived between the two looks were lost: to whom is not known",
            ko: "두 시점 사이에만 살아 있던 연결에서 세그먼트 {sent}개 중 {lost}개 손실: 상대를 알 수 없음",
            lost = lost, sent = sent
        }
    })
}

/// Effective loss of the namespace: retransmissions less SYNs and less what came back as duplicate.
pub(super) fn host_lost(window: &Window) -> Option<u64> {
    let dsacks = window.delta(DSACK_SEGS).or_else(|| window.delta(Counter("TcpExt.TCPDSACKRecv")));
    Some(window.delta(RETRANS)?.saturating_sub(window.delta(SYN_RETRANS)? + dsacks.unwrap_or(0)))
}

/// Median round trip and smallest round trip over the followed connections to some peers, µs.
pub(super) fn round_trips(census: &Census, of: impl Fn(IpAddr) -> bool) -> Option<(u32, u32)> {
    let infos = census.sockets.iter().filter(|kept| of(kept.socket.remote.address)).filter_map(|kept| kept.socket.info);
    let (mut rtts, mut least) = (Vec::new(), u32::MAX);
    for info in infos {
        if let (Some(rtt), Some(min)) = (info.rtt().filter(|&rtt| rtt != 0), info.min_rtt_us()) {
            rtts.push(f64::from(rtt));
            least = least.min(min);
        }
    }
    Some((median(&mut rtts)? as u32, least))
}

/// What loss leaves of a connection's rate, Mbit/s: MSS / RTT · 1.22 / √p (Mathis et al. 1997).
///
/// Example: 1448 bytes, 60 ms, 0.5 % → 3.3 Mbit/s.
pub(super) fn mathis_mbit(mss_bytes: f64, rtt_us: u32, ratio: f64) -> f64 {
    mss_bytes * 8.0 / f64::from(rtt_us.max(1)) * 1.22 / ratio.sqrt()
}

/// The numbers that both rules of loss rest on.
pub(super) fn with_evidence(finding: Finding, bad: &Bad, window: &Window) -> Finding {
    let sum = |pick: fn(&Peer) -> u64| bad.members.iter().map(|member| pick(&member.peer)).sum::<u64>() as f64;
    let (low, high) = wilson(bad.lost, bad.sent + bad.lost).unwrap_or_default();
    let scope = "peer, both looks";
    let finding = finding
        .evidence("data segments sent", (bad.sent as f64, "segments"), scope, "tcpi_data_segs_out − tcpi_total_retrans")
        .evidence("tcpi_total_retrans", (sum(|peer| peer.line.retrans), "segments"), scope, "sock_diag")
        .evidence("tcpi_dsack_dups", (sum(|peer| peer.line.dsack_dups), "segments"), scope, "sock_diag")
        .evidence("lost", (bad.lost as f64, "segments"), scope, "tcpi_total_retrans − tcpi_dsack_dups")
        .evidence("loss", (bad.ratio(), "ratio"), scope, "lost / data segments sent")
        .evidence("loss, lower 95 % bound", (low, "ratio"), scope, "Wilson interval")
        .evidence("loss, upper 95 % bound", (high, "ratio"), scope, "Wilson interval")
        .evidence("connections followed", (sum(|peer| u64::from(peer.line.sockets)), "connections"), scope, "sock_diag")
        .evidence(
            "of them with losses",
            (sum(|peer| u64::from(peer.line.sockets_lossy)), "connections"),
            scope,
            "sock_diag",
        );
    let host = [RETRANS, SYN_RETRANS, DSACK_SEGS, DATA_SENT];
    host.iter().fold(finding, |finding, counter| match window.delta(*counter) {
        Some(grown) => {
            finding.evidence(counter.0, (grown as f64, "segments"), "netns, window", "/proc/net/netstat, snmp")
        }
        None => finding,
    })
}

/// What a loss is not, and by which number.
pub(super) fn ruled_out(bad: &Bad, window: &Window) -> Vec<Message> {
    let sum = |pick: fn(&Peer) -> u64| bad.members.iter().map(|member| pick(&member.peer)).sum::<u64>();
    let (again, twice) = (sum(|peer| peer.line.retrans), sum(|peer| peer.line.dsack_dups));
    let mut list = vec![say! {
        en: "unnecessary retransmissions: {twice} of {again} came back as duplicates and are taken out",
        ko: "불필요한 재전송: {again}개 중 {twice}개가 중복(DSACK)으로 확인되어 제외함",
        twice = twice, again = again
    }];
    let members = |address| bad.members.iter().any(|member| member.peer.address == address);
    if let Some((rtt, least)) =
        window.census().and_then(|census| round_trips(census, members)).filter(|(rtt, min)| rtt < &(min * 2))
    {
        let (rtt, least) = (super::wording::ms(rtt), super::wording::ms(least));
        list.push(say! {
            en: "a full queue: the round trip is {rtt} ms, {least} ms at best",
            ko: "가득 찬 큐: 왕복 시간 {rtt} ms, 최소 {least} ms",
            rtt = rtt, least = least
        });
    }
    let stuck = sum(|peer| u64::from(peer.line.sockets_stuck));
    list.push(say! {
        en: "dead connections: {stuck} stuck ones are left out",
        ko: "죽은 연결: 멈춘 연결 {stuck}개는 제외함",
        stuck = stuck
    });
    list.extend(bad.worst().and_then(|peer| super::lossy_hop::why_no_hop(window, peer.address)));
    list
}

/// Certain when the namespace's counters tell the same as the sockets, and the way to the peer is known.
pub(super) fn confidence(bad: &Bad, window: &Window) -> f64 {
    let counted = window.delta(RETRANS).is_some_and(|retrans| retrans >= bad.lost);
    if counted && bad.subject.interface.is_some() { 0.95 } else { 0.8 }
}
