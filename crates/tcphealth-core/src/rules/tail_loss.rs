//! `tail-loss`: losses end in timeouts of 200 ms and more instead of fast retransmission.

use super::retransmissions::{self, Culprit, Retransmissions, culprit, healthy_or_too_few, is_majority, is_more};
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const EARLY_RETRANS: &str = "net.ipv4.tcp_early_retrans";
const RECOVERY: &str = "net.ipv4.tcp_recovery";

/// The rule.
pub static RULE: Rule = Rule {
    id: "tail-loss",
    trouble: text! {
        en: "losses end in timeouts instead of fast retransmission",
        ko: "손실이 빠른 재전송 대신 타임아웃으로 끝남"
    },
    page: Page {
        sees: text! {
            en: "T = min(ΔTCPTimeouts, ΔRetransSegs) − ΔTCPSynRetrans, stuck sockets left out; L = ΔTCPLossProbes; F = ΔTCPFastRetrans. \
                 (T + L) / (T + L + F) above one half beyond chance, T at least 10 (5 on three connections), and T / TCPOrigDataSent above \
                 0.1 %; critical above 1 %, or when 20 % of the retransmissions are lost again (TCPLostRetransmit).",
            ko: "T = min(ΔTCPTimeouts, ΔRetransSegs) − ΔTCPSynRetrans(멈춘 소켓 제외), L = ΔTCPLossProbes, F = ΔTCPFastRetrans. \
                 (T + L) / (T + L + F)가 우연 이상으로 절반을 넘고, T가 10 이상(연결 셋이면 5), T / TCPOrigDataSent가 0.1 % 초과. 1 % \
                 초과이거나 재전송의 20 %가 다시 손실되면(TCPLostRetransmit) 위험."
        },
        matters: text! {
            en: "Each timeout stalls its request for 200 ms or more; fast retransmission needs three later segments, which short answers do \
                 not have. Latency suffers while throughput looks fine.",
            ko: "타임아웃마다 요청이 200 ms 이상 멈춘다. 빠른 재전송에는 뒤따르는 세그먼트 셋이 필요한데 짧은 응답에는 없다. 처리량은 멀쩡해 보여도 \
                 지연이 나빠진다."
        },
        act: text! {
            en: "Remove the loss (see retransmit-local, retransmit-remote); keep RACK-TLP on; write larger and less often.",
            ko: "손실 자체를 없앤다(retransmit-local, retransmit-remote 참고). RACK-TLP를 켜 두고, 더 크게 덜 자주 쓴다."
        },
        sources: "RFC 6298; RFC 8985 (RACK-TLP); Documentation/networking/snmp_counter.rst",
    },
    rank: 25,
    reads: retransmissions::READS,
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (Some(counts), Some(census)) = (Retransmissions::of(window), window.census()) else {
        return Verdict::Healthy(None);
    };
    let lossy: u32 = census.peers.iter().map(|peer| peer.line.sockets_again).sum();
    let Some(severity) = severity(&counts, lossy, limits) else {
        return healthy_or_too_few(window, (counts.timeouts, counts.sent), limits.tail_loss_warning_ratio);
    };
    let mut questions = Vec::new();
    let culprit = culprit(window, |line| line.retrans, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    // Short connections of nobody known: a server whose accept queue is full makes their first data wait for a timer too.
    let severity = if culprit.peer.is_some() { severity } else { Severity::Info };
    Verdict::Findings(vec![finding(window, severity, &counts, &culprit)])
}

fn severity(counts: &Retransmissions, connections: u32, limits: &Limits) -> Option<Severity> {
    let timeouts = counts.timeouts as f64;
    let slow = counts.timeouts + counts.probes;
    let all = slow + counts.fast;
    if timeouts < limits.losses_min || slow * 2 <= all {
        return None;
    }
    let spread = connections >= 3 && timeouts >= limits.tail_loss_warning_spread;
    let enough = timeouts >= limits.tail_loss_warning_count || spread;
    let more_than = |ratio| is_more(counts.timeouts, counts.sent, ratio, limits.loss_alpha_warning);
    if !enough || !is_majority(slow, all, limits) || !more_than(limits.tail_loss_warning_ratio) {
        return Some(Severity::Info);
    }
    let again = counts.lost_again as f64 > counts.again as f64 * limits.tail_loss_critical_lost_again;
    Some(if more_than(limits.tail_loss_critical_ratio) || again { Severity::Critical } else { Severity::Warning })
}

fn finding(window: &Window, severity: Severity, counts: &Retransmissions, culprit: &Culprit) -> Finding {
    let Retransmissions { timeouts, probes, fast, .. } = *counts;
    let summary = say! {
        en: "losses to {peer} end in timeouts of 200 ms or more ({timeouts} timeouts, {probes} tail probes, {fast} fast)",
        ko: "{peer} 방향 손실이 200 ms 이상의 타임아웃으로 끝남(타임아웃 {timeouts}, 꼬리 프로브 {probes}, 빠른 재전송 {fast})",
        timeouts = timeouts, probes = probes, fast = fast; peer = culprit.name()
    };
    let mut finding = Finding::new(severity, culprit.subject.clone(), summary);
    finding.confidence = culprit.confidence;
    finding.concerns.clone_from(&culprit.concerns);
    finding.size = timeouts as f64 / counts.sent.max(1) as f64;
    finding.cause = say! {
        en: "the last segments of short answers are lost, with nothing behind them to tell of it: {share} of all data segments waited for a timer; \
             throughput looks fine, requests stall",
        ko: "짧은 응답의 마지막 세그먼트가 손실되고 뒤따르는 것이 없어 알아채지 못함: 데이터 세그먼트의 {share}가 타이머를 기다림. 처리량은 정상으로 \
             보이지만 요청이 멈춤",
        share = percent(finding.size)
    };
    finding.now = vec![Advice::from(say! {
        en: "find where the segments to {peer} are lost: errors of {device} (ip -s -s link show {device}), then the path",
        ko: "{peer}(으)로 가는 세그먼트가 어디서 손실되는지 확인: {device} 오류(ip -s -s link show {device}), 그다음 경로",
        device = culprit.device(); peer = culprit.name()
    })];
    finding.repair = repair(window);
    finding.ruled_out = ruled_out(counts);
    finding.verify = vec![
        "nstat -z TcpExtTCPTimeouts TcpExtTCPLossProbes TcpExtTCPFastRetrans TcpExtTCPLostRetransmit".into(),
        format!("ss -tinO dst {}", culprit.address()),
    ];
    retransmissions::with_evidence(finding, counts)
}

/// Switches that shorten the wait, where they are off.
fn repair(window: &Window) -> Vec<Advice> {
    let mut repair = vec![Advice::from(say! {
        en: "write larger and less often, so that later segments tell of a loss",
        ko: "더 크게 덜 자주 써서 뒤따르는 세그먼트가 손실을 알리게 한다"
    })];
    for (key, value) in [(RECOVERY, 1), (EARLY_RETRANS, 3)] {
        let Some(current) = window.last().sysctl_number(key).filter(|current| *current == 0) else { continue };
        repair.push(
            Advice::from(say! { en: "sysctl -w {key}={value}", ko: "sysctl -w {key}={value}", key = key, value = value })
                .effect(say! { en: "RACK-TLP finds a lost tail after about two round trips", ko: "RACK-TLP가 왕복 두 번쯤이면 꼬리 손실을 찾음" })
                .side_effect(say! { en: "a few more probes", ko: "프로브가 조금 늘어남" })
                .undo(say! { en: "sysctl -w {key}={current}", ko: "sysctl -w {key}={current}", key = key, current = current }),
        );
    }
    repair
}

fn ruled_out(counts: &Retransmissions) -> Vec<Message> {
    let (undone, timeouts, dsacks, again) = (counts.undone, counts.timeouts, counts.dsacks, counts.again);
    vec![
        say! {
            en: "mere stalls: only {undone} recoveries were undone, of {timeouts} timeouts",
            ko: "단순 지연: 타임아웃 {timeouts}회에 비해 취소된 복구는 {undone}회뿐",
            undone = undone, timeouts = timeouts
        },
        say! {
            en: "lost acknowledgements: {dsacks} of {again} retransmissions came back as duplicates",
            ko: "ACK 유실: 재전송 {again}개 중 {dsacks}개만 중복으로 돌아옴",
            dsacks = dsacks, again = again
        },
        say! { en: "dead peers and SYNs: their timers are left out", ko: "죽은 상대와 SYN: 그 타이머는 제외함" },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::retransmit_local::tests::lines;
    use crate::rules::testing::{Example, Scene, last_two};

    /// Timeouts, probes and fast retransmissions in so many segments to one distant peer.
    fn scene(timeouts: u64, probes: u64, fast: u64, sent: u64) -> Scene {
        let again = timeouts + probes + fast;
        lines(&[("203.0.113.9", sent, again, 0)], 4_000, Some("192.0.2.254"))
            .grew("Tcp.RetransSegs", again)
            .grew("TcpExt.TCPOrigDataSent", sent)
            .grew("TcpExt.TCPTimeouts", timeouts)
            .grew("TcpExt.TCPLossProbes", probes)
            .grew("TcpExt.TCPFastRetrans", fast)
    }

    fn tail(timeouts: u64, probes: u64, fast: u64, sent: u64) -> Example {
        scene(timeouts, probes, fast, sent).build()
    }

    pub(super) fn example() -> Example {
        tail(34, 251, 0, 2_500)
    }

    #[test]
    fn the_levels_follow_the_timeouts_and_their_share() {
        let severity = |timeouts, sent| tail(timeouts, 10, 0, sent).severity(&RULE);
        assert_eq!([2, 3].map(|timeouts| severity(timeouts, 20_000)), [None, Some(Severity::Info)]);
        assert_eq!([9, 10].map(|timeouts| severity(timeouts, 2_000)), [Some(Severity::Info), Some(Severity::Warning)]);
        // 34 of 2 500 are 1.36 %: P(X ≥ 34 | 25) = 0.05 does not prove 1 %; 45 do (0.0002).
        assert_eq!(
            [34, 45].map(|timeouts| severity(timeouts, 2_500)),
            [Some(Severity::Warning), Some(Severity::Critical)]
        );
    }

    #[test]
    fn fast_retransmissions_in_the_majority_are_silence() {
        assert_eq!(tail(20, 0, 20, 100_000).severity(&RULE), None);
        assert_eq!(tail(20, 0, 19, 2_000).severity(&RULE), Some(Severity::Info), "21 of 40 may be chance");
        assert_eq!(tail(20, 20, 10, 2_000).severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn losses_that_no_followed_connection_shows_are_nobodys() {
        let short = Scene::new().grew("Tcp.RetransSegs", 30).grew("TcpExt.TCPOrigDataSent", 2_000);
        let list = short.grew("TcpExt.TCPTimeouts", 30).build().findings(&RULE);
        assert!(list[0].summary.en.starts_with("losses to unknown peers end in timeouts"), "{}", list[0].summary.en);
        assert_eq!((list[0].subject.remote.as_ref(), list[0].verify[1].as_str()), (None, "ss -tinO dst PEER"));
    }

    #[test]
    fn few_segments_decide_nothing() {
        assert!(tail(0, 0, 0, 2_000).is_undecided(&RULE));
        assert_eq!(tail(0, 0, 0, 3_000).severity(&RULE), None);
    }

    #[test]
    fn retransmissions_that_are_lost_again_are_critical() {
        let again = |lost| scene(12, 8, 0, 2_000).grew("TcpExt.TCPLostRetransmit", lost).build().severity(&RULE);
        assert_eq!([4, 5].map(again), [Some(Severity::Warning), Some(Severity::Critical)]);
    }

    #[test]
    fn timeouts_of_nobody_known_are_worth_a_line_at_most() {
        let counters = Scene::new().grew("TcpExt.TCPTimeouts", 40).grew("Tcp.RetransSegs", 40);
        assert_eq!(counters.grew("TcpExt.TCPOrigDataSent", 400).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn ten_timeouts_a_minute_in_two_windows_are_a_warning() {
        assert_eq!(last_two(&RULE, 6, |_| tail(3, 10, 0, 100_000)), [Some(Severity::Info), Some(Severity::Warning)]);
        // In one window of the minute only: it is over.
        let once = |n: u64| if n == 4 { tail(20, 10, 0, 100_000) } else { tail(0, 0, 0, 100_000) };
        assert_eq!(last_two(&RULE, 6, once), [Some(Severity::Info), None]);
    }
}
