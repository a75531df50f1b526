//! Two readings of sar's counters → a report on what they allow; the rest is undecided.

use tcphealth_core::report::{Report, Unseen, Word};
use tcphealth_core::rules::{History, Limits, Read, judge, reason_of, summary};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Absent, Answers, Snapshot};
use tcphealth_core::sysstat::verdict::{RETRANSMITTED, lacking, no_figures, verdicts};
use tcphealth_core::window::Window;

/// Judges an interval of which sysstat kept the counters and nothing else.
pub(crate) fn counters_only(first: &Snapshot, last: &Snapshot, limits: &Limits) -> anyhow::Result<Report> {
    let answers = Answers::new();
    let window = Window::between(first, last, &answers)?;
    let mut judgement = judge(&window, &History::default(), limits);
    judgement.reword(&window, limits, |read| lacking(read, &window));
    let verdicts = verdicts(&window, limits);
    let decides = verdicts.iter().any(|(rule, _)| rule.starts_with("retransmit-"));
    for (rule, verdict) in verdicts {
        judgement.fill_in(rule, verdict);
    }
    let mut report = summary(&window, judgement, limits);
    if decides && report.word == Word::Unknown {
        // Such a file never has sockets: with the counters of TCP the host is judged as far as they go.
        report.word = Word::Ok;
    }
    for check in report.checks.iter_mut().filter(|check| check.why == Some(reason_of(&Absent::NotAsked))) {
        check.why = Some(say! { en: "sysstat does not keep what it needs", ko: "필요한 값을 sysstat이 남기지 않음" });
    }
    report.unseen = vec![Unseen {
        what: say! { en: "sockets, settings, and the counters of TcpExt", ko: "소켓, 설정, TcpExt 카운터" },
        why: say! { en: "sysstat does not keep them", ko: "sysstat은 남기지 않음" },
        remedy: say! { en: "keep them with tcphealth record", ko: "tcphealth record로 남긴다" },
    }];
    if lacking(Read::Counter(RETRANSMITTED), &window).is_some() {
        report.unseen.insert(0, no_tcp());
    }
    Ok(report)
}

/// The usual collection has no report on TCP.
fn no_tcp() -> Unseen {
    Unseen {
        what: say! { en: "retransmissions and resets", ko: "재전송과 RST" },
        why: no_figures("ETCP"),
        remedy: say! { en: "let sadc collect them: -S SNMP", ko: "sadc를 -S SNMP로 실행해 수집한다" },
    }
}
