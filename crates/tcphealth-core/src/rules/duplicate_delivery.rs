//! `duplicate-delivery`: the network delivers segments twice that were sent once.

use super::loss::{DATA_SENT, DSACK_SEGS, RETRANS};
use super::retransmissions::{Culprit, culprit, healthy_or_too_few, is_more};
use super::wording::percent;
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::window::Window;
use crate::{say, text};

const DSACKS: Counter = Counter("TcpExt.TCPDSACKRecv");
const IGNORED: [Counter; 2] = [Counter("TcpExt.TCPDSACKIgnoredDubious"), Counter("TcpExt.TCPDSACKIgnoredNoUndo")];

/// The rule.
pub static RULE: Rule = Rule {
    id: "duplicate-delivery",
    trouble: text! { en: "the network delivers segments twice", ko: "네트워크가 세그먼트를 두 번 전달함" },
    page: Page {
        sees: text! {
            en: "ΔTCPDSACKRecv of at least ten and more than five times ΔRetransSegs, of which the kernel ignored some because it had sent nothing \
                 again (TCPDSACKIgnoredDubious, TCPDSACKIgnoredNoUndo). Warning above 0.1 % of TCPOrigDataSent.",
            ko: "ΔTCPDSACKRecv가 10 이상이고 ΔRetransSegs의 5배를 넘으며, 재전송한 적이 없어 커널이 무시한 것(TCPDSACKIgnoredDubious, \
                 TCPDSACKIgnoredNoUndo)이 있을 때. TCPOrigDataSent의 0.1 %를 넘으면 경고."
        },
        matters: text! {
            en: "Half of the capacity may carry copies; a loop that is only now bearable brings a network down later.",
            ko: "용량의 절반까지 복제본이 차지할 수 있고, 지금은 견딜 만한 루프가 나중에 네트워크를 멈출 수 있다."
        },
        act: text! {
            en: "Look for an L2 loop, a mirror port that feeds back, or a bond in broadcast mode.",
            ko: "L2 루프, 되돌아 들어오는 미러 포트, broadcast 모드 본딩을 찾는다."
        },
        sources: "RFC 2883; net/ipv4/tcp_input.c tcp_dsack_seen(); Documentation/networking/snmp_counter.rst",
    },
    rank: 99,
    reads: &[
        Read::Counter(DSACKS),
        Read::Counter(DSACK_SEGS),
        Read::Counter(RETRANS),
        Read::Counter(DATA_SENT),
        Read::Counter(IGNORED[0]),
        Read::Counter(IGNORED[1]),
        Read::TwoLooks,
    ],
    asks: &[Ask::Route],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let grown =
        || Some((window.delta(DSACKS)?, window.delta(RETRANS)?, window.delta(DATA_SENT)?, window.sum(&IGNORED)?));
    let Some((dsacks, again, sent, ignored)) = grown() else { return Verdict::Healthy(None) };
    let many = dsacks as f64 >= limits.duplicate_info_count && dsacks as f64 > again as f64 * limits.duplicate_factor;
    if !many || ignored == 0 {
        // Duplicates that retransmissions explain are no copies of the network.
        return healthy_or_too_few(window, (dsacks.saturating_sub(again), sent), limits.duplicate_warning_ratio);
    }
    let mut questions = Vec::new();
    let culprit = culprit(window, |line| line.dsack_dups, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let severe = is_more(dsacks, sent, limits.duplicate_warning_ratio, limits.loss_alpha_warning);
    let severity = if severe { Severity::Warning } else { Severity::Info };
    let finding = finding(severity, &culprit, (dsacks, again, sent));
    let (scope, source) = ("netns, window", "/proc/net/netstat, snmp");
    let rows =
        [(DSACKS.0, dsacks), ("TCPDSACKIgnoredDubious + NoUndo", ignored), (RETRANS.0, again), (DATA_SENT.0, sent)];
    Verdict::Findings(vec![
        rows.into_iter()
            .fold(finding, |finding, (name, count)| finding.evidence(name, (count as f64, "segments"), scope, source)),
    ])
}

fn finding(severity: Severity, culprit: &Culprit, (dsacks, again, sent): (u64, u64, u64)) -> Finding {
    let share = dsacks as f64 / sent.max(1) as f64;
    let summary = say! {
        en: "segments to {peer} arrive twice: {dsacks} reports of duplicates for {again} retransmissions ({share} of the data)",
        ko: "{peer}(으)로 보낸 세그먼트가 두 번 도착: 재전송 {again}개에 중복 보고 {dsacks}개(데이터의 {share})",
        dsacks = dsacks, again = again, share = percent(share); peer = culprit.name()
    };
    let mut finding = Finding::new(severity, culprit.subject.clone(), summary);
    finding.confidence = culprit.confidence;
    finding.concerns.clone_from(&culprit.concerns);
    finding.size = share;
    finding.cause = say! {
        en: "something on the way copies packets: a loop on layer 2, a mirror port that feeds back, a bond in broadcast mode, a faulty bridge",
        ko: "경로의 무언가가 패킷을 복제함: L2 루프, 되돌아 들어오는 미러 포트, broadcast 모드 본딩, 고장 난 브리지"
    };
    finding.now = vec![Advice::from(say! {
        en: "see the copies on the wire: tcpdump -ni {device} host {peer}",
        ko: "회선에서 복제본 확인: tcpdump -ni {device} host {peer}",
        device = culprit.device(), peer = culprit.address()
    })];
    finding.repair = vec![Advice::from(say! {
        en: "break the loop (spanning tree, mirror configuration), or change the bond's mode",
        ko: "루프를 끊거나(스패닝 트리, 미러 설정) 본딩 모드를 바꾼다"
    })];
    finding.ruled_out = vec![say! {
        en: "retransmissions of our own: there were only {again}",
        ko: "이쪽의 재전송: {again}개뿐",
        again = again
    }];
    finding.verify = vec![
        "nstat -z TcpExtTCPDSACKRecv TcpExtTCPDSACKIgnoredDubious TcpRetransSegs".into(),
        format!("tcpdump -ni {} host {}", culprit.device(), culprit.address()),
    ];
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::retransmit_local::tests::lines;
    use crate::rules::testing::Example;

    fn copies(dsacks: u64, again: u64, ignored: u64, sent: u64) -> Example {
        lines(&[("192.0.2.9", sent, again, dsacks)], 300, None)
            .grew("TcpExt.TCPDSACKRecv", dsacks)
            .grew("TcpExt.TCPDSACKIgnoredDubious", ignored)
            .grew("Tcp.RetransSegs", again)
            .grew("TcpExt.TCPOrigDataSent", sent)
            .build()
    }

    pub(super) fn example() -> Example {
        copies(586, 0, 586, 20_000)
    }

    #[test]
    fn ten_and_five_times_the_retransmissions_that_the_kernel_did_not_believe() {
        assert_eq!(
            [9, 10].map(|dsacks| copies(dsacks, 0, dsacks, 100_000).severity(&RULE)),
            [None, Some(Severity::Info)]
        );
        assert_eq!([2, 1].map(|again| copies(10, again, 10, 100_000).severity(&RULE)), [None, Some(Severity::Info)]);
        assert_eq!(copies(10, 0, 0, 100_000).severity(&RULE), None);
    }

    #[test]
    fn a_thousandth_of_the_data_is_a_warning() {
        // 100 000 at 0.1 %, a hundred: 132 and 133 as in the tables.
        assert_eq!(
            [132, 133].map(|dsacks| copies(dsacks, 0, dsacks, 100_000).severity(&RULE)),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert!(copies(0, 0, 0, 100).is_undecided(&RULE));
    }

    #[test]
    fn the_peer_is_the_one_that_reports_them() {
        assert_eq!(example().findings(&RULE)[0].subject.remote.as_deref(), Some("192.0.2.9"));
    }
}
