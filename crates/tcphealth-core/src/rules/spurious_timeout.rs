//! `spurious-timeout`: nothing was lost; the path or a host stood still for longer than the retransmission timeout.

use super::retransmissions::{self, Culprit, Retransmissions, culprit};
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Rule, Shared, loss, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::window::Window;
use crate::{say, text};
use std::collections::BTreeSet;

/// The rule.
pub static RULE: Rule = Rule {
    id: "spurious-timeout",
    trouble: text! {
        en: "no loss, but stalls longer than the retransmission timeout",
        ko: "손실은 없지만 재전송 타임아웃보다 긴 멈춤이 있음"
    },
    page: Page {
        sees: text! {
            en: "Timeouts of data, at least half of them undone (ΔTCPLossUndo + TCPSpuriousRTOs + TCPFullUndo), and 70 % of the retransmissions \
                 back as duplicates (TCPDSACKRecvSegs). Warning from five on two connections.",
            ko: "데이터 타임아웃의 절반 이상이 취소되고(ΔTCPLossUndo + TCPSpuriousRTOs + TCPFullUndo), 재전송의 70 %가 중복(TCPDSACKRecvSegs)으로 \
                 돌아올 때. 두 연결에서 다섯 번부터 경고."
        },
        matters: text! {
            en: "Requests stall for hundreds of milliseconds, and it looks like loss: people change cables that are fine.",
            ko: "요청이 수백 ms씩 멈추는데 손실처럼 보여 멀쩡한 케이블을 바꾸게 된다."
        },
        act: text! {
            en: "Find what stands still: CPU steal, a paused virtual machine, Wi-Fi power saving, garbage collection of a proxy.",
            ko: "무엇이 멈추는지 찾는다: CPU steal, 멈춘 가상 머신, Wi-Fi 절전, 프록시의 GC."
        },
        sources: "RFC 5682; RFC 3522; net/ipv4/tcp_input.c tcp_try_undo_loss(), tcp_process_loss()",
    },
    rank: 21,
    reads: retransmissions::READS,
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "ack-loss", shared: Shared::Peer },
        Hides { rule: "tail-loss", shared: Shared::Peer },
        Hides { rule: "path-congested", shared: Shared::Peer },
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// Whether the timeouts of a window were mere stalls.
pub(super) fn is_stall(counts: &Retransmissions, limits: &Limits) -> bool {
    let undone = counts.undone as f64 >= limits.spurious_undone_ratio * counts.timeouts as f64;
    // A stall sends each connection's tail probe and then its timer, and brings every duplicate back.
    let mostly_probes = (counts.timeouts as f64) < limits.spurious_timeouts_ratio * counts.again as f64;
    let acks_lost = mostly_probes && counts.unnecessary() < limits.spurious_all_ratio;
    undone && counts.undone > 0 && counts.unnecessary() >= limits.spurious_duplicate_ratio && !acks_lost
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (Some(counts), Some(census)) = (Retransmissions::of(window), window.census()) else {
        return Verdict::Healthy(None);
    };
    let timeouts = counts.timeouts as f64;
    if timeouts < limits.spurious_info_count || !is_stall(&counts, limits) {
        return Verdict::Healthy(None);
    }
    let mut questions = Vec::new();
    let mut culprit = culprit(window, |line| line.dsack_dups, &mut questions);
    let peers = loss::peers(window, limits, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let stalled = peers.iter().filter(|peer| peer.peer.line.dsack_dups > 0);
    let devices: BTreeSet<_> = stalled.filter_map(|peer| peer.classed.interface.clone()).collect();
    if devices.len() > 1 {
        // Peers on several devices stood still at once: what they share is this host.
        culprit.subject = Subject { kind: SubjectKind::Host, ..Subject::default() };
    }
    let connections: u32 = census.peers.iter().map(|peer| peer.line.sockets_again).sum();
    let many = timeouts >= limits.spurious_warning_count && connections >= 2;
    Verdict::Findings(vec![finding(if many { Severity::Warning } else { Severity::Info }, &counts, &culprit)])
}

fn finding(severity: Severity, counts: &Retransmissions, culprit: &Culprit) -> Finding {
    let Retransmissions { timeouts, undone, again, .. } = *counts;
    let summary = say! {
        en: "no loss to {peer}, but stalls longer than the timeout: {undone} recoveries undone for {timeouts} timeouts",
        ko: "{peer} 방향은 손실이 아니라 타임아웃보다 긴 멈춤: 타임아웃 {timeouts}회에 취소된 복구 {undone}회",
        undone = undone, timeouts = timeouts; peer = culprit.name()
    };
    let mut finding = Finding::new(severity, culprit.subject.clone(), summary);
    finding.confidence = culprit.confidence;
    finding.concerns.clone_from(&culprit.concerns);
    finding.size = timeouts as f64;
    finding.cause = say! {
        en: "the answers came, only late: {share} of {again} retransmissions arrived twice. The path or one of the hosts stood still",
        ko: "응답은 왔으나 늦었음: 재전송 {again}개의 {share}가 두 번 도착. 경로나 한쪽 호스트가 멈췄음",
        share = percent(counts.unnecessary()), again = again
    };
    finding.now = vec![Advice::from(say! {
        en: "look for CPU steal and squeezed softirqs here first: mpstat 1; cat /proc/net/softnet_stat",
        ko: "먼저 이 호스트의 CPU steal과 softirq 부족을 확인: mpstat 1; cat /proc/net/softnet_stat"
    })];
    finding.repair = vec![Advice::from(say! {
        en: "remove the stall: more CPU for the virtual machine, no Wi-Fi power saving, shorter pauses of the program at the other end",
        ko: "멈춤을 없앤다: 가상 머신 CPU 증설, Wi-Fi 절전 끄기, 상대 프로그램의 GC 시간 단축"
    })];
    finding.avoid =
        vec![say! { en: "do not hunt cables: nothing is lost", ko: "케이블을 의심하지 않는다: 손실된 것이 없다" }];
    finding.ruled_out = vec![say! {
        en: "loss: {dsacks} of {again} retransmissions were duplicates, {undone} recoveries were undone",
        ko: "손실: 재전송 {again}개 중 {dsacks}개가 중복, 복구 {undone}회가 취소됨",
        dsacks = counts.dsacks.min(again), again = again, undone = undone
    }];
    finding.verify = vec!["nstat -z TcpExtTCPLossUndo TcpExtTCPTimeouts TcpExtTCPDSACKRecv".into(), "mpstat 1".into()];
    retransmissions::with_evidence(finding, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::retransmit_local::tests::lines;
    use crate::rules::testing::{Example, levels};

    /// Timeouts, undone recoveries and duplicates; each timeout sends two segments again on two connections.
    fn stalls(timeouts: u64, undone: u64, dsacks: u64) -> Example {
        lines(&[("203.0.113.9", 5_000, timeouts * 2, dsacks)], 30_000, Some("192.0.2.254"))
            .grew("Tcp.RetransSegs", timeouts * 2)
            .grew("TcpExt.TCPOrigDataSent", 5_000)
            .grew("TcpExt.TCPTimeouts", timeouts)
            .grew("TcpExt.TCPLossUndo", undone)
            .grew("TcpExt.TCPDSACKRecvSegs", dsacks)
            .build()
    }

    pub(super) fn example() -> Example {
        stalls(20, 20, 40)
    }

    #[test]
    fn three_are_worth_a_line_and_five_a_warning() {
        let severity = |timeouts| stalls(timeouts, timeouts, timeouts * 2).severity(&RULE);
        assert_eq!(
            [2, 3, 4, 5].map(severity),
            [None, Some(Severity::Info), Some(Severity::Info), Some(Severity::Warning)]
        );
    }

    #[test]
    fn half_must_be_undone_and_seven_tenths_come_back_twice() {
        assert_eq!([9, 10].map(|undone| stalls(20, undone, 40).severity(&RULE)), [None, Some(Severity::Warning)]);
        assert_eq!([27, 28].map(|dsacks| stalls(20, 20, dsacks).severity(&RULE)), [None, Some(Severity::Warning)]);
    }

    #[test]
    fn tail_probes_whose_duplicates_do_not_all_come_back_are_lost_acknowledgements() {
        let probes = |timeouts, dsacks| {
            let scene = lines(&[("203.0.113.9", 5_000, 100, dsacks)], 30_000, Some("192.0.2.254"));
            let scene = scene.grew("Tcp.RetransSegs", 100).grew("TcpExt.TCPOrigDataSent", 5_000);
            let scene = scene.grew("TcpExt.TCPTimeouts", timeouts).grew("TcpExt.TCPLossUndo", timeouts);
            scene.grew("TcpExt.TCPDSACKRecvSegs", dsacks).build().severity(&RULE)
        };
        assert_eq!(
            [probes(24, 89), probes(24, 90), probes(25, 89)],
            [None, Some(Severity::Warning), Some(Severity::Warning)]
        );
    }

    #[test]
    fn peers_on_several_devices_blame_this_host() {
        let list = example().findings(&RULE);
        assert_eq!(list[0].subject.remote.as_deref(), Some("203.0.113.9"));
        let both = [("203.0.113.9", 5_000, 20, 20), ("198.51.100.7", 5_000, 20, 20)];
        let scene = lines(&both, 30_000, Some("192.0.2.254")).route("198.51.100.7", Some("192.0.2.253"), "eth1");
        let scene =
            scene.grew("Tcp.RetransSegs", 40).grew("TcpExt.TCPOrigDataSent", 10_000).grew("TcpExt.TCPTimeouts", 20);
        let example = scene.grew("TcpExt.TCPLossUndo", 20).grew("TcpExt.TCPDSACKRecvSegs", 40).build();
        assert_eq!(example.findings(&RULE)[0].subject.kind, SubjectKind::Host);
    }

    #[test]
    fn five_a_minute_in_two_windows_are_a_warning() {
        assert_eq!(levels(&RULE, 2, |_| stalls(3, 3, 6)), [Some(Severity::Info), Some(Severity::Warning)]);
    }
}
