//! What sar's counters alone allow to say, where the rules lack sockets and TcpExt: retransmissions, resets, errors, TIME_WAIT.
//!
//! RetransSegs counts everything that was sent again: SYNs to dead hosts, probes of the tail, loopback, what arrived twice; and
//! OutSegs counts acknowledgements. So none at all clears a line, many are worth a warning that names nobody, and what is
//! between stays undecided: one peer may lose all of it.

use super::activity::NETWORK;
use super::live::counters;
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::rules::{Limits, Read};
use crate::say;
use crate::statistics::{poisson_tail, proves_below, still_needed};
use crate::window::Window;
use crate::words::Message;

/// What was sent again.
pub const RETRANSMITTED: Counter = Counter("Tcp.RetransSegs");
const SENT: Counter = Counter("Tcp.OutSegs");
const RECEIVED: Counter = Counter("Tcp.InSegs");
const RESET: Counter = Counter("Tcp.EstabResets");
const FAILED: Counter = Counter("Tcp.AttemptFails");
const RESETS_SENT: Counter = Counter("Tcp.OutRsts");
const BAD: Counter = Counter("Tcp.InErrs");
const TIME_WAIT: Counter = Counter("TCP.tw");

/// How sure a finding is that cannot tell whose trouble it is.
const POSSIBLE: f64 = 0.6;
/// How seldom chance alone shows as much.
const CHANCE: f64 = 0.001;
/// Fewer retransmissions are no warning, whatever their share.
const FEW: u64 = 10;

/// Rules that have nothing to find while a counter stands still.
const STILL: &[(&str, Counter)] = &[
    ("tail-loss", RETRANSMITTED),
    ("spurious-timeout", RETRANSMITTED),
    ("ack-loss", RETRANSMITTED),
    ("slow-connect", RETRANSMITTED),
    ("connect-refused", FAILED),
    ("closed-port-probed", RESETS_SENT),
    ("abort-unread", RESETS_SENT),
    ("abort-linger", RESETS_SENT),
    ("peer-resets", RESET),
    ("bad-checksum", BAD),
];

/// What the counters of a window decide, by rule; for rules that are undecided for want of more.
pub fn verdicts(window: &Window, limits: &Limits) -> Vec<(&'static str, Verdict)> {
    let mut all = Vec::new();
    all.extend(window.value(TIME_WAIT).map(|count| ("time-wait-natural", time_wait(count, limits))));
    // Where a source cannot be read sysstat keeps zeros.
    if window.seconds() < limits.window_min_seconds - 0.1 || window.value(SENT).is_none_or(|sent| sent == 0) {
        return all;
    }
    if let (Some(again), Some(sent)) = (window.delta(RETRANSMITTED), window.delta(SENT)) {
        all.push(("retransmit-local", cleared((again, sent), limits.retransmit_local_info_ratio)));
        all.push(("retransmit-remote", remote((again, sent), limits)));
    }
    let still = STILL.iter().filter(|(_, counter)| window.delta(*counter) == Some(0));
    all.extend(still.map(|(rule, counter)| (*rule, stood_still(*counter))));
    all.extend(resets(window).map(|verdict| ("peer-resets", verdict)));
    all.extend(errors(window).map(|verdict| ("bad-checksum", verdict)));
    all
}

/// Why a rule that reads this is undecided: sysstat never keeps it, or this file does not; `None` when it is there.
pub fn lacking(read: Read, window: &Window) -> Option<Message> {
    match read {
        Read::Census | Read::TwoLooks => {
            Some(say! { en: "sysstat keeps no sockets", ko: "sysstat은 소켓을 남기지 않음" })
        }
        Read::Sysctl(_) => Some(say! { en: "sysstat keeps no settings", ko: "sysstat은 설정을 남기지 않음" }),
        Read::Interfaces => Some(no_figures("DEV")),
        Read::Counter(counter) if window.value(counter).is_none() => Some(not_kept(counter.0)),
        Read::Counter(_) | Read::Window => None,
    }
}

fn not_kept(name: &str) -> Message {
    let has = |keyword: &str| {
        let (prefix, names) = counters(keyword);
        name.strip_prefix(prefix).is_some_and(|rest| names.split_whitespace().any(|name| name == rest))
    };
    let report = NETWORK.iter().map(|activity| activity.keyword).find(|keyword| has(keyword));
    match report.or_else(|| name.starts_with("softnet.").then_some("SOFT")) {
        Some(report) => no_figures(report),
        None if name.starts_with("TcpExt.") => {
            say! { en: "sysstat keeps no counters of TcpExt", ko: "sysstat은 TcpExt 카운터를 남기지 않음" }
        }
        None => say! { en: "sysstat does not keep {name}", ko: "sysstat이 남기지 않는 값: {name}", name = name },
    }
}

/// A report that nobody collected, or whose source could not be read.
pub fn no_figures(report: &str) -> Message {
    say! { en: "the file has no figures of report {report}", ko: "파일에 {report} 보고의 값이 없음", report = report }
}

fn stood_still(counter: Counter) -> Verdict {
    Verdict::Healthy(Some(say! { en: "{name} did not grow", ko: "{name} 증가 없음", name = counter.0 }))
}

fn share_of(part: u64, whole: u64) -> String {
    format!("{:.2} %", part as f64 / whole.max(1) as f64 * 100.0)
}

/// Healthy when nothing was sent again of enough segments; else undecided.
fn cleared((again, sent): (u64, u64), limit: f64) -> Verdict {
    if again == 0 && proves_below(again, sent, limit) {
        return Verdict::Healthy(Some(say! {
            en: "none of {sent} segments was sent again", ko: "세그먼트 {sent}개 중 다시 보낸 것 없음", sent = sent
        }));
    }
    if again == 0 {
        let more = still_needed(again, sent, limit);
        let reason = say! {
            en: "none of {sent} segments was sent again, which are too few", ko: "세그먼트 {sent}개 중 다시 보낸 것은 없으나 너무 적음",
            sent = sent
        };
        let needs = say! { en: "{more} more segments", ko: "세그먼트 {more}개 더", more = more };
        return Verdict::Undecided(Why { reason, needs: Some(needs) });
    }
    let share = share_of(again, sent);
    let reason = say! {
        en: "{again} of {sent} segments were sent again ({share}): sysstat does not keep to whom, SYNs and duplicates count too, and \
             one peer may have lost all of them",
        ko: "세그먼트 {sent}개 중 {again}개를 다시 보냄({share}). sysstat은 상대를 남기지 않고 SYN과 중복분도 세며, 모두 한 상대의 \
             손실일 수도 있음",
        again = again, sent = sent, share = share
    };
    Verdict::Undecided(Why { reason, needs: None })
}

/// More than a distance explains is worth a line, and a warning when it is much; never critical without a name.
fn remote((again, sent): (u64, u64), limits: &Limits) -> Verdict {
    let limit = limits.retransmit_remote_info_ratio;
    if again == 0 || poisson_tail(again, sent as f64 * limit) >= CHANCE {
        return cleared((again, sent), limit);
    }
    let ratio = again as f64 / sent.max(1) as f64;
    let much = again >= FEW && ratio > limits.retransmit_remote_warning_ratio;
    let share = share_of(again, sent);
    let summary = say! {
        en: "{again} of {sent} segments were sent again ({share}), more than any distance explains",
        ko: "세그먼트 {sent}개 중 {again}개를 다시 보냄({share}). 거리로는 설명되지 않는 비율임",
        again = again, sent = sent, share = share
    };
    let mut finding = finding(if much { Severity::Warning } else { Severity::Info }, summary);
    finding.size = ratio;
    finding.cause = say! {
        en: "a line that loses, near or far, or peers that do not answer: sysstat keeps neither the peers nor how many were SYNs or \
             arrived twice",
        ko: "가깝든 멀든 손실이 있는 회선이거나 응답 없는 상대. sysstat은 상대도, SYN이나 중복 도착이 몇 개인지도 남기지 않음"
    };
    finding.now = vec![Advice::from(say! {
        en: "run tcphealth check on that host while it lasts: it names the peers",
        ko: "지속되는 동안 그 호스트에서 tcphealth check를 실행: 상대를 지목함"
    })];
    finding.verify = vec!["sar -n TCP,ETCP -f FILE".to_owned()];
    let finding = counted(finding, (RETRANSMITTED, again), "segments");
    Verdict::Findings(vec![counted(finding, (SENT, sent), "segments")])
}

/// Resets by themselves are worth a line: health checks look the same.
fn resets(window: &Window) -> Option<Verdict> {
    let reset = window.delta(RESET).filter(|&reset| reset > 0)?;
    let rate = format!("{:.1}", reset as f64 / window.seconds());
    let summary = say! {
        en: "{reset} established connections ended by a reset ({rate}/s)",
        ko: "연결 {reset}개가 RST로 끝남(초당 {rate})",
        reset = reset, rate = rate
    };
    let mut finding = finding(Severity::Info, summary);
    finding.size = reset as f64;
    finding.cause = say! {
        en: "a peer that crashes, a program here that aborts, or health checks: sysstat does not keep whose they were, nor whether data \
             was lost",
        ko: "상대의 비정상 종료, 이쪽 프로그램의 강제 종료, 또는 상태 점검. sysstat은 누구의 연결인지, 데이터를 잃었는지 남기지 않음"
    };
    finding.verify = vec!["sar -n ETCP -f FILE (estres/s)".to_owned()];
    Some(Verdict::Findings(vec![counted(finding, (RESET, reset), "connections")]))
}

/// InErrs has more kinds than wrong checksums, so it is no more than worth a line.
fn errors(window: &Window) -> Option<Verdict> {
    let (bad, received) = window.delta(BAD).filter(|&bad| bad > 0).zip(window.delta(RECEIVED))?;
    let share = share_of(bad, received);
    let summary = say! {
        en: "{bad} of {received} segments received were damaged ({share})",
        ko: "받은 세그먼트 {received}개 중 {bad}개가 손상됨({share})",
        bad = bad, received = received, share = share
    };
    let mut finding = finding(Severity::Info, summary);
    finding.size = bad as f64;
    finding.cause = say! {
        en: "a wrong checksum or a broken header: sysstat keeps only their sum",
        ko: "체크섬 오류이거나 깨진 헤더. sysstat은 둘의 합만 남김"
    };
    finding.verify = vec!["sar -n ETCP -f FILE (isegerr/s)".to_owned()];
    let finding = counted(finding, (BAD, bad), "segments");
    Some(Verdict::Findings(vec![counted(finding, (RECEIVED, received), "segments")]))
}

fn time_wait(count: u64, limits: &Limits) -> Verdict {
    if count as f64 <= limits.time_wait_mention_sockets {
        let why = say! { en: "{count} TIME_WAIT", ko: "TIME_WAIT {count}개", count = count };
        return Verdict::Healthy(Some(why));
    }
    let summary = say! {
        en: "{count} TIME_WAIT: natural on a server; on a client they hold local ports toward their destination",
        ko: "TIME_WAIT {count}개: 서버에서는 자연스러우며, 클라이언트에서는 목적지별 로컬 포트를 차지함",
        count = count
    };
    let mut finding = finding(Severity::Info, summary);
    finding.size = count as f64;
    finding.verify = vec!["sar -n SOCK -f FILE (tcp-tw)".to_owned()];
    let source = "/proc/net/sockstat";
    Verdict::Findings(vec![finding.evidence(TIME_WAIT.0, (count as f64, "sockets"), "netns", source)])
}

fn finding(severity: Severity, summary: Message) -> Finding {
    let subject = Subject { kind: SubjectKind::Netns, ..Subject::default() };
    Finding { confidence: POSSIBLE, ..Finding::new(severity, subject, summary) }
}

fn counted(finding: Finding, (counter, count): (Counter, u64), unit: &str) -> Finding {
    finding.evidence(counter.0, (count as f64, unit), "netns, window", "/proc/net/snmp")
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
        assert!(why.needs.unwrap().en.starts_with("9958 "), "29 958 are needed");
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
        assert_eq!(severity(remote_of(9, 100)), Some(Severity::Info), "nine are few, whatever their share");
        assert!(matches!(remote_of(10, 100_000), Verdict::Undecided(_)), "one peer may have lost all ten");
        assert!(matches!(remote_of(0, 1000), Verdict::Healthy(Some(_))), "600 without one prove less than 0.5 %");
    }
}
