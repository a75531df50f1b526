//! `lossy-hop`: the segment of the path that loses or delays; known only when the path was probed.
//!
//! The peers that the sockets suffer with are probed beside one that is fine. What that one crosses without loss is not to
//! blame, whatever the others' probes say.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::loss::{self, PeerLoss};
use super::retransmit_local::READS;
use super::wording::percent;
use super::{Ask, Class, Known, Limits, Page, Rule, watches_nothing};
use crate::path::{Blame, Judgement, Kind, Path, judge};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// Peers whose paths are probed: the worst.
const GUILTY_MAX: usize = 3;
/// The port that is probed when no socket names one.
const HTTPS: u16 = 443;

/// The rule.
pub static RULE: Rule = Rule {
    id: "lossy-hop",
    trouble: text! { en: "one segment of a path loses or delays", ko: "경로의 한 구간이 패킷을 잃거나 지연시킴" },
    page: Page {
        sees: text! {
            en: "With `check --path`: SYNs to the service's port with rising TTL, one a second and hop, to the three worst peers that are not \
                 on-link and to a healthy one. One change point is fitted over the losses of all hops and the end; a segment is blamed when \
                 it holds 95 % of the probability. Replies that a router withholds and the end does not miss are no loss.",
            ko: "`check --path`일 때: 직접 연결이 아닌 최악의 상대 셋과 정상 상대 하나에게 서비스 포트로 TTL을 늘려 가며 홉마다 초당 한 번 SYN을 보낸다. 모든 홉과 \
                 끝의 손실에 변화점 하나를 맞추고, 확률의 95 %를 차지하는 구간을 지목한다. 라우터가 아낀 응답은 끝에 나타나지 않으면 손실이 아니다."
        },
        matters: text! {
            en: "Whoever runs that segment can repair it; nobody else can, and without the table of hops nobody will believe it.",
            ko: "그 구간의 운영자만이 고칠 수 있고, 홉별 표가 없으면 아무도 믿지 않는다."
        },
        act: text! {
            en: "Run `tcphealth path PEER:PORT --count 150` for the full table and take it to whoever runs the segment.",
            ko: "`tcphealth path PEER:PORT --count 150`으로 전체 표를 얻어 그 구간의 운영자에게 전달한다."
        },
        sources: "RFC 792; RFC 1812, section 4.3.2.8; net/ipv4/icmp.c (icmp_ratelimit); ip(7), IP_RECVERR",
    },
    rank: 99,
    reads: READS,
    asks: &[Ask::Route, Ask::Path],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let peers: Vec<PeerLoss> = loss::peers(window, limits, &mut questions);
    let (guilty, control) = suspects(&peers);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    if guilty.is_empty() {
        let reason = say! { en: "no path was probed: no peer behind a router loses", ko: "탐침하지 않음: 라우터 너머에 손실 상대가 없음" };
        return Verdict::Undecided(Why { reason, needs: None });
    }
    for peer in guilty.iter().copied().chain(control) {
        window.path_to(peer.peer.address).or_ask(&mut questions);
    }
    if questions.is_empty() { judged(&guilty, window) } else { Verdict::Ask(questions) }
}

/// The worst peers behind a router, and the fine one that is most nearly as far away as the worst of them.
fn suspects(peers: &[PeerLoss]) -> (Vec<&PeerLoss>, Option<&PeerLoss>) {
    let routed = |peer: &&PeerLoss| matches!(peer.classed.class, Class::Remote | Class::Site);
    let (mut bad, fine): (Vec<_>, Vec<_>) = peers.iter().filter(routed).partition(|peer| peer.severity.is_some());
    bad.sort_by_key(|peer| Reverse((peer.severity, peer.peer.line.lost)));
    bad.truncate(GUILTY_MAX);
    let far = |peer: &PeerLoss| peer.peer.min_rtt_us.unwrap_or(0);
    let worst = bad.first().map_or(0, |peer| far(peer));
    let control = fine.into_iter().min_by_key(|peer| far(peer).abs_diff(worst)).filter(|_| !bad.is_empty());
    (bad, control)
}

fn judged(guilty: &[&PeerLoss], window: &Window) -> Verdict {
    let findings: Vec<Finding> = guilty.iter().filter_map(|peer| finding(peer, window)).collect();
    if !findings.is_empty() {
        return Verdict::Findings(findings);
    }
    let reason = guilty.first().and_then(|peer| why_no_hop(window, peer.peer.address));
    let not_asked = say! { en: "the path was not probed", ko: "경로를 탐침하지 않음" };
    let needs = guilty.first().map(|peer| {
        let command = command(window, peer.peer.address, 150);
        say! { en: "check --path, or {command}", ko: "check --path 또는 {command}", command = command }
    });
    Verdict::Undecided(Why { reason: reason.unwrap_or(not_asked), needs })
}

/// Why no hop to this peer is blamed; `None` when one is, or its path was not probed.
pub(super) fn why_no_hop(window: &Window, peer: IpAddr) -> Option<Message> {
    let (_, judgement) = verdict_on(window, peer)?;
    if judgement.blame.is_some() {
        return None;
    }
    judgement.why.into_iter().reduce(|a, b| say! { en: "{a} {b}", ko: "{a} {b}"; a = a, b = b })
}

/// The judgement of a probed path, cleared by every other path that crosses the blamed segment without loss.
fn verdict_on<'a>(window: &Window<'a>, peer: IpAddr) -> Option<(&'a Path, Judgement)> {
    let Known::Yes(path) = window.path_to(peer) else { return None };
    let mut judgement = judge(path);
    let cleared = judgement.blame.as_ref().and_then(|blame| {
        window.paths().find(|other| other.plan.target != peer && judge(other).blame.is_none() && crosses(other, blame))
    });
    if let Some(other) = cleared {
        judgement.blame = None;
        judgement.why = vec![say! {
            en: "No segment is blamed: {other} is reached over the same one without loss.",
            ko: "지목할 구간이 없다: {other}까지 같은 구간을 손실 없이 지난다.",
            other = other.plan.target
        }];
    }
    Some((path, judgement))
}

/// Whether a path whose target replies leads over both ends of a segment.
fn crosses(path: &Path, blame: &Blame) -> bool {
    let hops = path.hops();
    let place = |address: IpAddr| hops.iter().position(|hop| hop.address() == Some(address));
    let before = if blame.from == path.plan.source { Some(0) } else { place(blame.from).map(|at| at + 1) };
    path.reached() && before.zip(place(blame.to)).is_some_and(|(from, to)| from <= to)
}

fn finding(peer: &PeerLoss, window: &Window) -> Option<Finding> {
    let (path, judgement) = verdict_on(window, peer.peer.address)?;
    let blame = judgement.blame?;
    let (share, from, to, target) = (percent(blame.loss), blame.from, blame.to, path.plan.target);
    let summary = match blame.kind {
        Kind::Loss => say! {
            en: "the segment {from} → {to} loses {share} of the packets to {target}",
            ko: "구간 {from} → {to}에서 {target}(으)로 가는 패킷의 {share} 손실",
            from = from, to = to, share = share, target = target
        },
        Kind::Delay => say! {
            en: "the segment {from} → {to} delays {share} of the packets to {target}",
            ko: "구간 {from} → {to}에서 {target}(으)로 가는 패킷의 {share} 지연",
            from = from, to = to, share = share, target = target
        },
    };
    let mut finding = Finding::new(peer.severity.unwrap_or(Severity::Info), subject(peer, path, &blame), summary);
    (finding.confidence, finding.size) = (blame.confidence, blame.loss);
    finding.cause = judgement.why.into_iter().reduce(|a, b| say! { en: "{a} {b}", ko: "{a} {b}"; a = a, b = b })?;
    let command = command(window, target, 150);
    finding.repair = vec![Advice::from(say! {
        en: "take the table of {command} to whoever runs {from} and {to}",
        ko: "{from}, {to} 운영자에게 {command}의 표를 전달한다",
        command = command, from = from, to = to
    })];
    finding.verify = vec![command, format!("mtr -n -r -c 150 -i 1 --tcp -P {} {target}", path.plan.port)];
    Some(with_evidence(finding, path))
}

fn subject(peer: &PeerLoss, path: &Path, blame: &Blame) -> Subject {
    let ttl = path.hops().iter().find(|hop| hop.address() == Some(blame.to)).map(|hop| hop.ttl);
    Subject {
        kind: SubjectKind::Hop,
        hop: Some(blame.to.to_string()),
        ttl,
        remote: Some(path.plan.target.to_string()),
        source: Some(path.plan.source.to_string()),
        interface: peer.classed.interface.clone(),
        ..Subject::default()
    }
}

fn with_evidence(finding: Finding, path: &Path) -> Finding {
    path.hops().iter().filter(|hop| !hop.silent()).fold(finding, |finding, hop| {
        let name = hop.address().map_or_else(|| hop.ttl.to_string(), |address| address.to_string());
        let scope = format!("hop {}, {} probes", hop.ttl, hop.sent);
        let finding =
            finding.evidence(format!("{name} lost"), (f64::from(hop.lost), "probes"), &scope, "TCP SYN, ICMP");
        match hop.quantiles() {
            Some(times) => {
                finding.evidence(format!("{name} p50"), (f64::from(times.p50) / 1e3, "ms"), &scope, "TCP SYN, ICMP")
            }
            None => finding,
        }
    })
}

/// The command that measures each segment of the way to a peer.
pub(super) fn command(window: &Window, peer: IpAddr, count: u32) -> String {
    let address = if peer.is_ipv6() { format!("[{peer}]") } else { peer.to_string() };
    format!("tcphealth path {address}:{} --count {count}", port_of(window, peer))
}

/// The service's port where we are the client, else that of any connection: a closed port answers too.
pub(super) fn port_of(window: &Window, peer: IpAddr) -> u16 {
    let Some(census) = window.census() else { return HTTPS };
    let services = census.services.iter().filter_map(|service| service.key.destination());
    let service = services.filter(|to| to.address == peer).map(|to| to.port).min();
    let any = census.sockets.iter().map(|kept| kept.socket.remote).find(|remote| remote.address == peer);
    service.or(any.map(|remote| remote.port)).unwrap_or(HTTPS)
}

impl<'a> Window<'a> {
    /// What the probes to a peer met.
    fn path_to(&self, peer: IpAddr) -> Known<&'a Path> {
        self.path(peer, port_of(self, peer))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::path::{Flow, Hop, Plan, Protocol};
    use crate::rules::retransmit_local::tests::lines;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Absent, Fact, Question};

    const PEER: &str = "203.0.113.9";
    const HOPS: [&str; 2] = ["198.51.100.1", "198.51.100.9"];

    /// A path over both hops, on which so many of forty probes were lost at each hop and at the end.
    pub(crate) fn probed(target: &str, lost: [u32; 3]) -> Path {
        let target: IpAddr = target.parse().unwrap();
        let addresses = [HOPS[0].parse().unwrap(), HOPS[1].parse().unwrap(), target];
        let hops = addresses.iter().zip(lost).zip(1..).map(|((address, lost), ttl)| {
            let rtts_us = vec![u32::from(ttl) * 5_000; 40 - lost as usize];
            Hop { ttl, addresses: vec![(*address, 40 - lost)], sent: 40, lost, rtts_us }
        });
        let plan = Plan {
            target,
            port: 80,
            source: "192.0.2.1".parse().unwrap(),
            protocol: Protocol::Tcp,
            flows: 1,
            rounds: 40,
            interval_us: crate::path::INTERVAL_US,
            max_ttl: 30,
            duration_us: None,
        };
        let flows = vec![Flow { hops: hops.collect(), end: Some(3) }];
        Path { plan, rounds: 40, flows, refusal: None, route_changes: 0, strays: 0 }
    }

    fn question(peer: &str) -> Question {
        Question::Path { peer: peer.parse().unwrap(), port: 80 }
    }

    fn scene() -> Scene {
        let peers = [(PEER, 10_000, 800, 0), ("203.0.113.77", 10_000, 1, 0)];
        let scene = lines(&peers, 20_000, Some("192.0.2.254")).grew("Tcp.RetransSegs", 801);
        scene.grew("TcpExt.TCPSackRecovery", 10)
    }

    fn with(guilty: [u32; 3], control: [u32; 3]) -> Example {
        let answer = |peer, lost| Ok(Fact::Path(probed(peer, lost)));
        let scene = scene().answer(question(PEER), answer(PEER, guilty));
        scene.answer(question("203.0.113.77"), answer("203.0.113.77", control)).build()
    }

    pub(super) fn example() -> Example {
        // The healthy peer is probed too, and its own path is no proof against the first segment.
        with([0, 10, 11], [0, 9, 10])
    }

    #[test]
    fn the_segment_that_the_end_shares_is_named() {
        let list = example().findings(&RULE);
        let subject = &list[0].subject;
        assert_eq!(
            (subject.hop.as_deref(), subject.ttl, subject.remote.as_deref()),
            (Some(HOPS[1]), Some(2), Some(PEER))
        );
        assert!(
            list[0].summary.en.starts_with("the segment 198.51.100.1 → 198.51.100.9 loses"),
            "{}",
            list[0].summary.en
        );
        assert!(list[0].confidence >= 0.95);
    }

    #[test]
    fn a_healthy_path_over_the_same_segment_clears_it() {
        let example = with([0, 10, 11], [0, 0, 0]);
        assert!(example.is_undecided(&RULE));
        let why = why_no_hop(&example.window(), PEER.parse().unwrap()).unwrap();
        assert!(why.en.contains("203.0.113.77 is reached over the same one without loss"), "{}", why.en);
    }

    #[test]
    fn a_limit_on_replies_is_no_loss_and_the_finding_says_why_no_hop_is_blamed() {
        let example = with([30, 30, 0], [0, 0, 0]);
        assert!(example.is_undecided(&RULE));
        let found = example.findings(&super::super::retransmit_remote::RULE);
        assert!(found[0].ruled_out.iter().any(|said| said.en.contains("is a limit on ICMP replies")), "{found:#?}");
    }

    #[test]
    fn nothing_is_probed_without_being_asked() {
        let mut example = example();
        example.answers.retain(|question, _| !matches!(question, Question::Path { .. }));
        assert_eq!(example.verdict(&RULE), Verdict::Ask(vec![question(PEER), question("203.0.113.77")]));
        example.answers.extend([PEER, "203.0.113.77"].map(|peer| (question(peer), Err(Absent::NotAsked))));
        let Verdict::Undecided(why) = example.verdict(&RULE) else { panic!("not undecided") };
        assert_eq!(why.reason.en, "the path was not probed");
    }

    #[test]
    fn peers_that_lose_nothing_are_not_probed() {
        let quiet = lines(&[(PEER, 10_000, 1, 0)], 20_000, Some("192.0.2.254")).build();
        assert!(quiet.is_undecided(&RULE));
    }
}
