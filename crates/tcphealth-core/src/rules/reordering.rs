//! `reordering`: segments overtake each other; what looks like loss is not.

use super::retransmissions::{self, Culprit, Retransmissions, culprit, healthy_or_too_few, is_more};
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Rule, Shared, loss, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "reordering",
    trouble: text! { en: "segments overtake each other on the path", ko: "경로에서 세그먼트의 순서가 뒤바뀜" },
    page: Page {
        sees: text! {
            en: "Δ(TCPSACKReorder + TCPTSReorder + TCPRenoReorder) / ΔTCPOrigDataSent above 0.1 %; warning above 1 % with at least 100; critical \
                 when most retransmissions come back as duplicates and exceed the limit of the peer's class. The peer is the one whose \
                 tcpi_reord_seen grew most.",
            ko: "Δ(TCPSACKReorder + TCPTSReorder + TCPRenoReorder) / ΔTCPOrigDataSent가 0.1 % 초과. 1 % 초과이고 100 이상이면 경고, 재전송 대부분이 \
                 중복으로 돌아오고 상대 등급의 한계를 넘으면 위험. tcpi_reord_seen이 가장 많이 늘어난 상대를 지목한다."
        },
        matters: text! {
            en: "The sender waits longer before it believes in a loss, so real losses are repaired late; other systems send again at once and slow \
                 down for nothing.",
            ko: "송신 측이 손실을 늦게 믿게 되어 실제 손실의 복구가 늦어진다. 다른 시스템은 곧바로 재전송하며 괜히 속도를 줄인다."
        },
        act: text! {
            en: "Find where packets of one flow take several ways (bonding, ECMP) and hash per flow.",
            ko: "한 흐름의 패킷이 여러 길로 나뉘는 곳(본딩, ECMP)을 찾아 흐름 단위로 해시하게 한다."
        },
        sources: "RFC 4737; RFC 8985 §6.2; net/ipv4/tcp_input.c tcp_check_sack_reordering()",
    },
    rank: 23,
    reads: retransmissions::READS,
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "duplicate-delivery", shared: Shared::Peer },
        // A segment that is overtaken by a millisecond carries an older timestamp.
        Hides { rule: "old-timestamps", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(counts) = Retransmissions::of(window) else { return Verdict::Healthy(None) };
    let more_than = |ratio, alpha| is_more(counts.reordered, counts.sent, ratio, alpha);
    if (counts.reordered as f64) < limits.losses_min || !more_than(limits.reorder_info_ratio, limits.loss_alpha_info) {
        return healthy_or_too_few(window, (counts.reordered, counts.sent), limits.reorder_info_ratio);
    }
    let mut questions = Vec::new();
    let culprit = culprit(window, |line| line.reord_seen, &mut questions);
    let lossy = loss::peers(window, limits, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let many = counts.reordered as f64 >= limits.reorder_warning_count;
    let again = is_more(counts.again, counts.sent, culprit.usual(limits), limits.loss_alpha_warning);
    let severity = if counts.mostly_unnecessary(limits) && again {
        Severity::Critical
    } else if many && more_than(limits.reorder_warning_ratio, limits.loss_alpha_warning) {
        Severity::Warning
    } else {
        Severity::Info
    };
    let mut finding = finding(severity, &counts, &culprit);
    // Real losses beside the reordering speak for themselves.
    let loses = |peer: &loss::PeerLoss| {
        peer.severity.is_some() && culprit.peer.is_some_and(|worst| worst.address == peer.peer.address)
    };
    finding.explains = !lossy.iter().any(loses);
    Verdict::Findings(vec![finding])
}

fn finding(severity: Severity, counts: &Retransmissions, culprit: &Culprit) -> Finding {
    let share = counts.reordered as f64 / counts.sent.max(1) as f64;
    let summary = say! {
        en: "packets to {peer} overtake each other: {count} reorderings in {sent} segments ({share})",
        ko: "{peer}(으)로 가는 패킷의 순서가 뒤바뀜: 세그먼트 {sent}개 중 {count}회({share})",
        count = counts.reordered, sent = counts.sent, share = percent(share); peer = culprit.name()
    };
    let mut finding = Finding::new(severity, culprit.subject.clone(), summary);
    finding.confidence = culprit.confidence;
    finding.concerns.clone_from(&culprit.concerns);
    finding.size = share;
    finding.cause = say! {
        en: "packets of one flow take ways of different length: per-packet balancing on a bond or ECMP, or a card that spreads a flow; \
             {unnecessary} of the {again} retransmissions were unnecessary",
        ko: "한 흐름의 패킷이 길이가 다른 길로 나뉨: 본딩이나 ECMP의 패킷 단위 분산, 또는 흐름을 나누는 NIC. 재전송 {again}개 중 {unnecessary}는 \
             불필요했음",
        unnecessary = percent(counts.unnecessary()), again = counts.again
    };
    finding.now = vec![Advice::from(say! {
        en: "look for a bond in balance-rr mode on {device} (cat /proc/net/bonding/*) and for per-packet ECMP on the routers",
        ko: "{device}에 balance-rr 모드 본딩이 있는지(cat /proc/net/bonding/*), 라우터가 패킷 단위 ECMP를 쓰는지 확인",
        device = culprit.device()
    })];
    finding.repair = vec![
        Advice::from(say! { en: "hash per flow (bond mode 802.3ad or balance-xor, ECMP by flow)", ko: "흐름 단위로 해시(본딩 802.3ad 또는 balance-xor, 흐름 단위 ECMP)" })
            .effect(say! { en: "each flow keeps to one way and its order", ko: "흐름마다 한 길로 가며 순서가 유지됨" })
            .side_effect(say! { en: "a single flow is limited to the rate of one link", ko: "한 흐름은 링크 하나의 속도로 제한됨" }),
    ];
    finding.ruled_out = vec![say! {
        en: "loss: {dsacks} of {again} retransmissions came back as duplicates",
        ko: "손실: 재전송 {again}개 중 {dsacks}개가 중복으로 돌아옴",
        dsacks = counts.dsacks.min(counts.again), again = counts.again
    }];
    finding.verify = vec![
        "nstat -z TcpExtTCPSACKReorder TcpExtTCPTSReorder TcpExtTCPDSACKRecv".into(),
        format!("ss -tinO dst {}", culprit.address()),
    ];
    retransmissions::with_evidence(finding, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::retransmit_local::tests::sender;
    use crate::rules::testing::{Example, Scene, last_two};

    /// Reorderings, retransmissions and duplicates in so many segments to one local peer.
    fn reordered(count: u64, again: u64, dsacks: u64, sent: u64) -> Example {
        let after = sender("192.0.2.9:80", 100 + sent + again, again, dsacks, 300).info(&[("reord_seen", count)]);
        Scene::new()
            .route("192.0.2.9", None, "eth0")
            .kept(sender("192.0.2.9:80", 100, 0, 0, 300), after)
            .grew("TcpExt.TCPSACKReorder", count)
            .grew("TcpExt.TCPOrigDataSent", sent)
            .grew("Tcp.RetransSegs", again)
            .grew("TcpExt.TCPDSACKRecvSegs", dsacks)
            .build()
    }

    pub(super) fn example() -> Example {
        reordered(1_573, 0, 0, 54_372)
    }

    #[test]
    fn the_levels_follow_the_share_of_reorderings() {
        let severity = |count, sent| reordered(count, 0, 0, sent).severity(&RULE);
        // 10 000 at 0.1 %: ten are expected, 16 are beyond chance.
        assert!(reordered(15, 0, 0, 10_000).is_undecided(&RULE));
        assert_eq!(severity(16, 10_000), Some(Severity::Info));
        // At 1 %, a hundred: 132 and 133 as in the tables.
        assert_eq!([132, 133].map(|count| severity(count, 10_000)), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!([99, 100].map(|count| severity(count, 1_000)), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(severity(0, 3_000), None);
    }

    #[test]
    fn unnecessary_retransmissions_above_the_limit_are_critical() {
        assert_eq!(reordered(1_000, 20, 19, 54_372).severity(&RULE), Some(Severity::Critical));
        assert_eq!(reordered(1_000, 20, 12, 54_372).severity(&RULE), Some(Severity::Warning), "12 of 20 may be chance");
    }

    #[test]
    fn real_losses_beside_it_are_not_explained_away() {
        assert!(reordered(1_000, 20, 19, 54_372).findings(&RULE)[0].explains);
        assert!(!reordered(1_000, 200, 19, 54_372).findings(&RULE)[0].explains);
    }

    #[test]
    fn the_peer_is_the_one_that_sees_them() {
        let list = example().findings(&RULE);
        assert_eq!(list[0].subject.remote.as_deref(), Some("192.0.2.9"));
    }

    #[test]
    fn a_thousandth_for_ten_minutes_is_a_warning_on_the_local_network() {
        assert_eq!(
            last_two(&RULE, 60, |_| reordered(16, 0, 0, 10_000)),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
    }
}
