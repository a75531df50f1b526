//! What sar's counters alone allow to say, where the rules lack sockets and TcpExt: retransmissions, resets, TIME_WAIT.
//!
//! RetransSegs counts everything that was sent again: SYNs to dead hosts, probes of the tail, loopback, what arrived twice. So
//! its share of OutSegs is an upper bound of loss: it can clear the lines of the host, and accuse nobody by name.

use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, Verdict, Why};
use crate::rules::Limits;
use crate::say;
use crate::statistics::{poisson_tail, proves_below, still_needed};
use crate::window::Window;
use crate::words::Message;

const RETRANSMITTED: Counter = Counter("Tcp.RetransSegs");
const SENT: Counter = Counter("Tcp.OutSegs");
const RESET: Counter = Counter("Tcp.EstabResets");
const OPENED: [Counter; 2] = [Counter("Tcp.ActiveOpens"), Counter("Tcp.PassiveOpens")];
const TIME_WAIT: Counter = Counter("TCP.tw");

/// How sure a finding is that cannot tell whose loss it is.
const POSSIBLE: f64 = 0.6;
/// How seldom chance alone shows as much.
const CHANCE: f64 = 0.001;
/// TIME_WAIT that is not worth a line: the usual range has 28 232 local ports for one destination.
const TIME_WAIT_FEW: u64 = 1000;

/// What the counters of a window decide, by rule; for windows whose own rules are undecided.
pub fn verdicts(window: &Window, limits: &Limits) -> Vec<(&'static str, Verdict)> {
    if window.seconds() < limits.window_min_seconds {
        return Vec::new();
    }
    let mut all = Vec::new();
    if let (Some(again), Some(sent)) = (window.delta(RETRANSMITTED), window.delta(SENT)) {
        let local = limits.retransmit_local_info_ratio;
        all.push(("retransmit-local", cleared((again, sent), local)));
        all.push(("retransmit-remote", remote((again, sent), limits)));
    }
    all.extend(resets(window).map(|verdict| ("peer-resets", verdict)));
    all.extend(window.value(TIME_WAIT).map(|count| ("time-wait-natural", time_wait(count))));
    all
}

/// Healthy when even everything that was sent again is below the limit; else undecided.
fn cleared((again, sent): (u64, u64), limit: f64) -> Verdict {
    let usual = format!("{} %", limit * 100.0);
    if sent > 0 && proves_below(again, sent, limit) {
        return Verdict::Healthy(Some(say! {
            en: "all segments sent again, whatever the reason: {again} of {sent}, below {usual}",
            ko: "이유를 불문하고 다시 보낸 세그먼트: {sent}개 중 {again}개, {usual} 미만",
            again = again, sent = sent, usual = usual
        }));
    }
    let reason = say! {
        en: "{again} of {sent} segments were sent again; without the sockets nobody can tell to whom, and SYNs count too",
        ko: "세그먼트 {sent}개 중 {again}개를 다시 보냄. 소켓 정보가 없어 누구에게 보낸 것인지 알 수 없고 SYN도 포함됨",
        again = again, sent = sent
    };
    let more = still_needed(again, sent, limit);
    let needs = say! { en: "{more} more segments", ko: "세그먼트 {more}개 더", more = more };
    Verdict::Undecided(Why { reason, needs: (again == 0).then_some(needs) })
}

/// More than a distance explains is worth a line, and a warning when it is much; never critical without a name.
fn remote((again, sent): (u64, u64), limits: &Limits) -> Verdict {
    let limit = limits.retransmit_remote_info_ratio;
    let beyond = poisson_tail(again, sent as f64 * limit) < CHANCE;
    if sent == 0 || !beyond {
        return cleared((again, sent), limit);
    }
    let ratio = again as f64 / sent as f64;
    let severity = if ratio > limits.retransmit_remote_warning_ratio { Severity::Warning } else { Severity::Info };
    let percent = format!("{:.2} %", ratio * 100.0);
    let summary = say! {
        en: "{percent} of the segments were sent again ({again} of {sent}); SYNs, dead peers and duplicates included",
        ko: "세그먼트의 {percent}를 다시 보냄({sent}개 중 {again}개). SYN, 응답 없는 상대, 중복 수신분 포함",
        percent = percent, again = again, sent = sent
    };
    let mut finding = Finding::new(severity, Subject::default(), summary);
    finding.confidence = POSSIBLE;
    finding.size = ratio;
    finding.cause = say! {
        en: "a line that loses, or peers that do not answer: these counters cannot tell them apart, nor name a peer",
        ko: "손실 나는 회선이거나 응답 없는 상대. 이 카운터로는 둘을 구분할 수도, 상대를 지목할 수도 없음"
    };
    finding.now = vec![Advice::from(say! {
        en: "tcphealth check on the host while it lasts: it names the peers",
        ko: "지속되는 동안 해당 호스트에서 tcphealth check: 상대를 지목해 줌"
    })];
    finding.verify = vec!["sar -n TCP,ETCP -f FILE".to_owned()];
    Verdict::Findings(vec![
        finding.evidence(RETRANSMITTED.0, (again as f64, "segments"), "netns", "/proc/net/snmp").evidence(
            SENT.0,
            (sent as f64, "segments"),
            "netns",
            "/proc/net/snmp",
        ),
    ])
}

/// No reset at all is healthy; how many are too many only the sockets tell.
fn resets(window: &Window) -> Option<Verdict> {
    let reset = window.delta(RESET)?;
    if reset == 0 {
        let why = say! { en: "no connection was reset", ko: "RST로 끊긴 연결 없음" };
        return Some(Verdict::Healthy(Some(why)));
    }
    let opened = OPENED.iter().map(|counter| window.delta(*counter)).sum::<Option<u64>>()?;
    let reason: Message = say! {
        en: "{reset} connections were reset, {opened} opened; by whom, and with data in them or not, only the sockets tell",
        ko: "연결 {reset}개가 RST로 끊기고 {opened}개가 열림. 누가 끊었고 데이터가 남았는지는 소켓 정보가 있어야 알 수 있음",
        reset = reset, opened = opened
    };
    Some(Verdict::Undecided(Why { reason, needs: None }))
}

fn time_wait(count: u64) -> Verdict {
    if count <= TIME_WAIT_FEW {
        let why = say! { en: "{count} TIME_WAIT", ko: "TIME_WAIT {count}개", count = count };
        return Verdict::Healthy(Some(why));
    }
    let summary = say! {
        en: "{count} TIME_WAIT: natural on a server; on a client they hold local ports toward their destination",
        ko: "TIME_WAIT {count}개: 서버에서는 자연스러우며, 클라이언트에서는 목적지별 로컬 포트를 차지함",
        count = count
    };
    let mut finding = Finding::new(Severity::Info, Subject::default(), summary);
    finding.confidence = POSSIBLE;
    finding.size = count as f64;
    finding.verify = vec!["sar -n SOCK -f FILE".to_owned()];
    Verdict::Findings(vec![finding.evidence(TIME_WAIT.0, (count as f64, "sockets"), "netns", "/proc/net/sockstat")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote_of(again: u64, sent: u64) -> Verdict {
        remote((again, sent), &Limits::default())
    }

    /// Three over n bounds a count of none: 0.01 % needs 30 000 segments.
    #[test]
    fn no_retransmission_clears_the_local_network_from_thirty_thousand_segments_on() {
        let limit = Limits::default().retransmit_local_info_ratio;
        assert!(matches!(cleared((0, 30_000), limit), Verdict::Healthy(Some(_))));
        let Verdict::Undecided(why) = cleared((0, 20_000), limit) else { panic!("too few segments decide nothing") };
        assert!(why.needs.unwrap().en.starts_with("995"), "29 958 are needed");
        assert!(matches!(cleared((5, 30_000), limit), Verdict::Undecided(Why { needs: None, .. })));
    }

    #[test]
    fn beyond_half_a_percent_is_a_line_beyond_one_a_warning_and_never_critical() {
        let severity = |verdict| match verdict {
            Verdict::Findings(list) => Some(list[0].severity),
            _ => None,
        };
        assert_eq!(severity(remote_of(700, 100_000)), Some(Severity::Info));
        assert_eq!(severity(remote_of(2_000, 100_000)), Some(Severity::Warning));
        assert_eq!(severity(remote_of(50_000, 100_000)), Some(Severity::Warning));
        assert_eq!(severity(remote_of(1, 100)), None, "one of a hundred is chance");
        assert!(matches!(remote_of(10, 100_000), Verdict::Healthy(Some(_))));
    }
}
