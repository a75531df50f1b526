//! `bad-checksum`: segments arrive corrupted, past the check of the link.

use super::loss::DSACK_SEGS;
use super::wording::percent;
use super::{Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::window::Window;
use crate::{say, text};

const BAD: Counter = Counter("Tcp.InCsumErrors");
const RECEIVED: Counter = Counter("Tcp.InSegs");

/// The rule.
pub static RULE: Rule = Rule {
    id: "bad-checksum",
    trouble: text! { en: "segments arrive with a wrong TCP checksum", ko: "TCP 체크섬이 틀린 세그먼트가 도착함" },
    page: Page {
        sees: text! {
            en: "ΔTcp.InCsumErrors: one is worth a line; three and more than 10⁻⁶ of InSegs a warning; ten and more than 10⁻⁴ critical.",
            ko: "ΔTcp.InCsumErrors: 하나면 알리고, 3 이상이며 InSegs의 10⁻⁶을 넘으면 경고, 10 이상이며 10⁻⁴을 넘으면 위험."
        },
        matters: text! {
            en: "Ethernet's own check catches errors of the wire: a wrong TCP checksum means memory, a card or a box on the way corrupts data. \
                 Some of it passes even TCP's check.",
            ko: "회선 오류는 이더넷 검사가 잡는다. TCP 체크섬이 틀렸다면 메모리, NIC, 중간 장비가 데이터를 망가뜨리는 것이고, 일부는 TCP 검사마저 \
                 통과한다."
        },
        act: text! {
            en: "Switch receive offload off as a test; then replace card, transceiver or the box on the way; test the memory.",
            ko: "시험 삼아 수신 오프로드를 끄고, NIC·트랜시버·중간 장비를 바꾸고 메모리를 검사한다."
        },
        sources: "RFC 9293 §3.1; net/ipv4/tcp_ipv4.c tcp_v4_rcv(); Stone, Partridge, When the CRC and TCP checksum disagree, 2000",
    },
    rank: 20,
    reads: &[Read::Counter(BAD), Read::Counter(RECEIVED), Read::Window],
    asks: &[],
    hides: &[Hides { rule: "ack-loss", shared: Shared::Nothing }, Hides { rule: "tail-loss", shared: Shared::Nothing }],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some((bad, received)) = window.delta(BAD).zip(window.delta(RECEIVED)) else { return Verdict::Healthy(None) };
    if bad == 0 {
        return Verdict::Healthy(None);
    }
    let share = bad as f64 / received.max(1) as f64;
    let at_least = |count: f64, ratio: f64| bad as f64 >= count && share > ratio;
    let severity = if at_least(limits.checksum_critical_count, limits.checksum_critical_ratio) {
        Severity::Critical
    } else if at_least(limits.checksum_warning_count, limits.checksum_warning_ratio) {
        Severity::Warning
    } else {
        Severity::Info
    };
    // A corrupted acknowledgement is a lost one: what was sent again in vain for it has this cause.
    let explains = window.delta(DSACK_SEGS).is_some_and(|duplicates| bad * 2 >= duplicates);
    let finding = Finding { explains, ..finding(severity, bad, share) };
    let (scope, source) = ("netns, window", "/proc/net/snmp");
    let finding = finding.evidence(BAD.0, (bad as f64, "segments"), scope, source);
    let finding = finding.evidence(RECEIVED.0, (received as f64, "segments"), scope, source);
    Verdict::Findings(vec![finding.evidence("share", (share, "ratio"), scope, "InCsumErrors / InSegs")])
}

fn finding(severity: Severity, bad: u64, share: f64) -> Finding {
    let summary = say! {
        en: "{bad} segments arrived with a wrong TCP checksum ({share} of those received)",
        ko: "TCP 체크섬이 틀린 세그먼트 {bad}개 도착(수신의 {share})",
        bad = bad, share = percent(share)
    };
    let subject = Subject { kind: SubjectKind::Netns, ..Subject::default() };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = 0.8;
    finding.size = share;
    finding.cause = say! {
        en: "memory, a card or a box on the way changes data after the link's own check; each such segment is dropped and sent again",
        ko: "메모리, NIC, 중간 장비가 링크 검사 뒤에 데이터를 바꿈; 그런 세그먼트는 버려지고 재전송됨"
    };
    finding.now = vec![Advice::from(say! {
        en: "name the sender: perf trace -e tcp:tcp_bad_csum, or tcpdump -vv on the receiving side ('incorrect')",
        ko: "보낸 쪽 확인: perf trace -e tcp:tcp_bad_csum, 또는 수신 쪽에서 tcpdump -vv('incorrect')"
    })];
    finding.repair = vec![
        Advice::from(
            say! { en: "as a test: ethtool -K DEV rx off gro off", ko: "시험: ethtool -K DEV rx off gro off" },
        )
        .effect(say! { en: "errors that stop are the card's own", ko: "오류가 멈추면 NIC의 문제" })
        .side_effect(say! { en: "more CPU for receiving", ko: "수신에 CPU를 더 씀" })
        .undo(say! { en: "ethtool -K DEV rx on gro on", ko: "ethtool -K DEV rx on gro on" }),
        Advice::from(
            say! { en: "replace card, transceiver or the box on the way; test the memory", ko: "NIC, 트랜시버, 중간 장비를 교체하고 메모리를 검사한다" },
        ),
    ];
    finding.ruled_out = vec![say! {
        en: "checksum offload of a sender: what a capture there shows as bad is not counted here",
        ko: "송신 측 체크섬 오프로드: 거기서 캡처할 때 틀려 보이는 것은 여기에 세지 않음"
    }];
    finding.verify = vec!["nstat -z TcpInCsumErrors TcpInSegs".into(), "perf trace -e tcp:tcp_bad_csum".into()];
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::rules::{History, ack_loss, judge};

    fn corrupted(bad: u64, received: u64) -> Example {
        Scene::new().grew(BAD.0, bad).grew(RECEIVED.0, received).build()
    }

    pub(super) fn example() -> Example {
        corrupted(144, 20_000)
    }

    #[test]
    fn the_levels_need_a_count_and_a_share() {
        let severity = |bad, received| corrupted(bad, received).severity(&RULE);
        assert_eq!(
            [severity(0, 1_000), severity(1, 1_000), severity(2, 1_000)],
            [None, Some(Severity::Info), Some(Severity::Info)]
        );
        assert_eq!([severity(3, 3_000_000), severity(3, 2_999_999)], [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!([severity(9, 1_000), severity(10, 1_000)], [Some(Severity::Warning), Some(Severity::Critical)]);
        assert_eq!([severity(10, 100_000), severity(10, 99_999)], [Some(Severity::Warning), Some(Severity::Critical)]);
    }

    #[test]
    fn acknowledgements_that_arrive_corrupted_are_its_consequence() {
        let unexplained = |bad| {
            let example = ack_loss::tests::scene(136, 130, 8_000).grew(BAD.0, bad).grew(RECEIVED.0, 8_000).build();
            let (_, findings, _) = judge(&example.window(), &History::default(), &Limits::default()).combine();
            findings.iter().any(|finding| finding.rule == ack_loss::RULE.id)
        };
        assert_eq!([unexplained(65), unexplained(64)], [false, true], "half of what came back twice");
    }

    #[test]
    fn one_in_each_of_two_windows_is_a_warning() {
        assert_eq!(levels(&RULE, 2, |_| corrupted(1, 1_000)), [Some(Severity::Info), Some(Severity::Warning)]);
        let apart = levels(&RULE, 3, |n| corrupted(1 - n % 2, 1_000));
        assert_eq!(apart, [Some(Severity::Info), None, Some(Severity::Info)]);
    }
}
