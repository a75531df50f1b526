//! `ack-loss`: the data arrives; the acknowledgements get lost on the way back.

use super::retransmissions::{self, Culprit, Retransmissions, culprit, healthy_or_too_few, is_more};
use super::spurious_timeout::is_stall;
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Rule, Shared, slow_reader, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict, Why};
use crate::snapshot::Peer;
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "ack-loss",
    trouble: text! {
        en: "data arrives, acknowledgements get lost on the way back",
        ko: "데이터는 도착하지만 ACK가 돌아오는 길에 손실됨"
    },
    page: Page {
        sees: text! {
            en: "Most retransmissions come back as duplicates (ΔTCPDSACKRecvSegs / ΔRetransSegs, beyond chance), they are timeouts and tail probes \
                 rather than fast ones, the timeouts are not undone, nothing is reordered, and ΔRetransSegs / ΔTCPOrigDataSent exceeds the \
                 limit of the peer's class; warning above 1 %.",
            ko: "재전송 대부분이 중복으로 돌아오고(ΔTCPDSACKRecvSegs / ΔRetransSegs, 우연 이상), 빠른 재전송이 아니라 타임아웃과 꼬리 프로브이며, \
                 타임아웃이 취소되지 않고, 순서도 뒤바뀌지 않으며, ΔRetransSegs / ΔTCPOrigDataSent가 상대 등급의 한계를 넘을 때. 1 % 초과면 경고."
        },
        matters: text! {
            en: "Requests stall as with loss, but the fault is on the way back, or in this host's own receiving side.",
            ko: "손실처럼 요청이 멈추지만 문제는 돌아오는 길이나 이 호스트의 수신 쪽에 있다."
        },
        act: text! {
            en: "Look at this host's receive errors and drops first, then at the return path.",
            ko: "먼저 이 호스트의 수신 오류와 드롭을, 그다음 돌아오는 경로를 확인한다."
        },
        sources: "RFC 2883; RFC 3708; Documentation/networking/snmp_counter.rst",
    },
    rank: 22,
    reads: retransmissions::READS,
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "tail-loss", shared: Shared::Peer },
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "reordering", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(counts) = Retransmissions::of(window) else { return Verdict::Healthy(None) };
    let by_timer = counts.timeouts + counts.probes > counts.fast;
    let in_order = counts.reordered * 10 <= counts.again;
    if !counts.mostly_unnecessary(limits) || !by_timer || !in_order || is_stall(&counts, limits) {
        // As many retransmissions as a majority needs have said that there is none.
        let told = counts.again as f64 >= limits.majority_cases_min;
        let few = || healthy_or_too_few(window, (counts.again, counts.sent), limits.ack_loss_warning_ratio);
        return if told { Verdict::Healthy(None) } else { few() };
    }
    let mut questions = Vec::new();
    let culprit = culprit(window, |line| line.dsack_dups, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let Some(peer) = culprit.peer else { return Verdict::Undecided(unseen(&counts)) };
    if held_by_reader(window, limits, peer) {
        return Verdict::Healthy(None);
    }
    let more_than = |ratio, alpha| is_more(counts.again, counts.sent, ratio, alpha);
    if more_than(limits.ack_loss_warning_ratio, limits.loss_alpha_warning) {
        Verdict::Findings(vec![finding(Severity::Warning, &counts, &culprit)])
    } else if more_than(culprit.usual(limits), limits.loss_alpha_info) {
        Verdict::Findings(vec![finding(Severity::Info, &counts, &culprit)])
    } else {
        Verdict::Healthy(None)
    }
}

/// Whether the peer's window holds our data up: its kernel keeps back what it would acknowledge while nobody reads there
/// (`__tcp_ack_snd_check()`), and tail probes are sooner.
fn held_by_reader(window: &Window, limits: &Limits, peer: &Peer) -> bool {
    let sockets = window.census().into_iter().flat_map(|census| &census.sockets);
    let mut shares = sockets.filter(|followed| followed.socket.remote.address == peer.address);
    shares.any(|followed| slow_reader::is_slow(window, limits, followed))
}

/// Connections that come and go between the looks do not tell whether their peers lose or only hesitate.
fn unseen(counts: &Retransmissions) -> Why {
    Why {
        reason: say! {
            en: "{again} retransmissions came back as duplicates on connections that no look followed: late acknowledgements, or lost ones",
            ko: "두 시점 사이에 열리고 닫힌 연결에서 재전송 {again}개가 중복으로 돌아옴: ACK가 늦었거나 손실됨",
            again = counts.dsacks.min(counts.again)
        },
        needs: Some(say! { en: "connections that last through the window", ko: "관찰 구간 내내 유지되는 연결" }),
    }
}

fn finding(severity: Severity, counts: &Retransmissions, culprit: &Culprit) -> Finding {
    let summary = say! {
        en: "data to {peer} arrives, its acknowledgements get lost on the way back ({dsacks} of {again} retransmissions were duplicates)",
        ko: "{peer}(으)로 보낸 데이터는 도착하지만 ACK가 돌아오는 길에 손실됨(재전송 {again}개 중 {dsacks}개가 중복)",
        dsacks = counts.dsacks, again = counts.again; peer = culprit.name()
    };
    let mut finding = Finding::new(severity, culprit.subject.clone(), summary);
    finding.confidence = culprit.confidence.min(0.9);
    finding.concerns.clone_from(&culprit.concerns);
    finding.size = counts.ratio();
    finding.cause = say! {
        en: "{ratio} of the segments were sent again by a timer although they had arrived: the way back loses, or this host's own receiving side drops",
        ko: "세그먼트의 {ratio}가 이미 도착했는데도 타이머로 재전송됨: 돌아오는 길이 손실되거나 이 호스트의 수신 쪽이 버림",
        ratio = percent(counts.ratio())
    };
    finding.now = vec![Advice::from(say! {
        en: "look at what {device} drops on receiving: ip -s -s link show {device}; ethtool -S {device}; cat /proc/net/softnet_stat",
        ko: "{device}의 수신 드롭 확인: ip -s -s link show {device}; ethtool -S {device}; cat /proc/net/softnet_stat",
        device = culprit.device()
    })];
    finding.repair = vec![Advice::from(say! {
        en: "measure the path from {peer} to here: it may differ from the way there",
        ko: "{peer}에서 이쪽으로 오는 경로를 측정: 가는 길과 다를 수 있음"; peer = culprit.name()
    })];
    let (undone, timeouts, reordered, fast) = (counts.undone, counts.timeouts, counts.reordered, counts.fast);
    finding.ruled_out = vec![
        say! {
            en: "loss on the way there: most of what was sent again had arrived",
            ko: "가는 길의 손실: 재전송한 것 대부분이 이미 도착해 있었음"
        },
        say! {
            en: "stalls: {undone} recoveries were undone, of {timeouts} timeouts",
            ko: "멈춤: 타임아웃 {timeouts}회 중 취소된 복구 {undone}회",
            undone = undone, timeouts = timeouts
        },
        say! {
            en: "reordering: {reordered} seen, and {fast} fast retransmissions",
            ko: "순서 뒤바뀜: {reordered}회, 빠른 재전송 {fast}회",
            reordered = reordered, fast = fast
        },
    ];
    finding.verify = vec![
        "nstat -z TcpExtTCPDSACKRecv TcpRetransSegs TcpExtTCPTimeouts".into(),
        format!("ss -tinO dst {}", culprit.address()),
    ];
    retransmissions::with_evidence(finding, counts)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::retransmit_local::tests::lines;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Socket, State};

    /// Retransmissions by timer, duplicates, in so many segments to one distant peer.
    pub(crate) fn scene(again: u64, dsacks: u64, sent: u64) -> Scene {
        lines(&[("203.0.113.9", sent, again, dsacks)], 20_000, Some("192.0.2.254"))
            .grew("Tcp.RetransSegs", again)
            .grew("TcpExt.TCPOrigDataSent", sent)
            .grew("TcpExt.TCPTimeouts", again / 2)
            .grew("TcpExt.TCPLossProbes", again / 2)
            .grew("TcpExt.TCPDSACKRecvSegs", dsacks)
            .grew("TcpExt.TCPLossUndo", 7)
    }

    pub(super) fn example() -> Example {
        scene(183, 129, 2_000).build()
    }

    fn severity(again: u64, dsacks: u64, sent: u64) -> Option<Severity> {
        scene(again, dsacks, sent).build().severity(&RULE)
    }

    #[test]
    fn most_must_have_come_back_twice() {
        // Wilson's lower end passes one half between 59 and 60 of 100.
        assert_eq!([59, 60].map(|dsacks| severity(100, dsacks, 2_000)), [None, Some(Severity::Warning)]);
        assert!(scene(9, 9, 100).build().is_undecided(&RULE), "fewer than ten have no majority");
    }

    #[test]
    fn the_levels_are_the_class_limit_and_one_percent() {
        // At 1 % of 10 000, a hundred: 133; at 0.5 %, fifty: 63.
        assert_eq!(
            [132, 133].map(|again| severity(again, again * 2 / 3, 10_000)),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!([62, 63].map(|again| severity(again, again * 2 / 3, 10_000)), [None, Some(Severity::Info)]);
    }

    #[test]
    fn connections_that_no_look_follows_leave_it_open() {
        let bare = scene(183, 129, 2_000).build();
        let grown = ["Tcp.RetransSegs", "TcpExt.TCPLossProbes", "TcpExt.TCPDSACKRecvSegs"];
        let alone =
            grown.iter().fold(Scene::new(), |scene, name| scene.grew(name, 42)).grew("TcpExt.TCPOrigDataSent", 1_338);
        assert_eq!(bare.severity(&RULE), Some(Severity::Warning));
        assert!(alone.build().is_undecided(&RULE));
    }

    #[test]
    fn a_peer_that_reads_slowly_acknowledges_late() {
        let slow = Socket::tcp(State::Established, "192.0.2.1:80", "203.0.113.9:20000");
        let held = [("busy_time", 9_000_000), ("rwnd_limited", 6_000_000), ("bytes_acked", 9)];
        assert_eq!(scene(183, 129, 2_000).kept(slow.clone(), slow.info(&held)).build().severity(&RULE), None);
    }

    #[test]
    fn stalls_reordering_and_fast_retransmission_are_other_troubles() {
        assert_eq!(scene(100, 80, 2_000).grew("TcpExt.TCPLossUndo", 50).build().severity(&RULE), None);
        assert_eq!(scene(100, 80, 2_000).grew("TcpExt.TCPSACKReorder", 11).build().severity(&RULE), None);
        assert_eq!(scene(100, 80, 2_000).grew("TcpExt.TCPFastRetrans", 100).build().severity(&RULE), None);
    }
}
