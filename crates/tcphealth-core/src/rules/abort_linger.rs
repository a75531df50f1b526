//! `abort-linger`: a program here closes connections with SO_LINGER 0, which sends a reset.

use super::connecting::ACTIVE_OPENS;
use super::resetting::{self, CURR_ESTAB, ON_DATA, OUT_RSTS, PASSIVE_OPENS};
use super::{Ask, Limits, Page, Read, Rule};
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::Watch;
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "abort-linger",
    trouble: text! {
        en: "a program here closes with SO_LINGER 0",
        ko: "이쪽 프로그램이 SO_LINGER 0으로 연결을 닫음"
    },
    page: Page {
        sees: text! {
            en: "ΔTcpExt.TCPAbortOnData against the connections that ended (ΔPassiveOpens + ΔActiveOpens − ΔCurrEstab).",
            ko: "끝난 연결 수(ΔPassiveOpens + ΔActiveOpens − ΔCurrEstab) 대비 ΔTcpExt.TCPAbortOnData."
        },
        matters: text! {
            en: "Data that were sent and not yet acknowledged are thrown away, and the peer sees a reset. Some proxies and health checks do so \
                 on purpose.",
            ko: "보냈지만 아직 확인받지 못한 데이터가 버려지고 상대는 RST를 본다. 일부 프록시와 상태 확인은 일부러 그렇게 한다."
        },
        act: text! {
            en: "Where it is not meant so: drop SO_LINGER 0 from the program.",
            ko: "의도한 것이 아니면 프로그램에서 SO_LINGER 0을 없앤다."
        },
        sources: "socket(7) SO_LINGER; RFC 9293 §3.10.5; net/ipv4/tcp.c __tcp_close(), tcp_disconnect()",
    },
    rank: 99,
    reads: &[
        Read::Counter(ON_DATA),
        Read::Counter(OUT_RSTS),
        Read::Counter(ACTIVE_OPENS),
        Read::Counter(PASSIVE_OPENS),
        Read::Counter(CURR_ESTAB),
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Watch(Watch::Resets), Ask::Watch(Watch::Closed)],
    hides: &[],
    watches: |window, _| match window.delta(ON_DATA) {
        Some(count) if count > 0 => vec![Watch::Resets, Watch::Closed],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    resetting::aborted(window, limits, ON_DATA, finding)
}

fn finding(window: &Window, limits: &Limits, count: u64, subject: Subject) -> Finding {
    let closes = resetting::closes(window).unwrap_or(0);
    let (per_second, share) = (count as f64 / window.seconds(), count as f64 / closes.max(1) as f64);
    let many = per_second >= limits.abort_linger_warning_per_second && share >= limits.abort_linger_warning_ratio;
    let severity = if many { Severity::Warning } else { Severity::Info };
    let rate = format!("{per_second:.1}");
    let summary = say! {
        en: "{who} ends {rate} connections a second with SO_LINGER 0: a reset instead of a FIN",
        ko: "{who}이(가) SO_LINGER 0으로 초당 연결 {rate}개를 끝냄: FIN 대신 RST",
        rate = rate; who = resetting::who(&subject)
    };
    let finding = Finding {
        confidence: resetting::confidence(&subject),
        size: per_second,
        cause: say! {
            en: "{count} of {closes} connections that ended: the program set SO_LINGER with a time of 0 before close(), or disconnected \
                 with data in flight",
            ko: "끝난 연결 {closes}개 가운데 {count}개: 프로그램이 close() 전에 시간이 0인 SO_LINGER를 설정했거나 전송 중에 연결을 끊음",
            count = count, closes = closes
        },
        now: vec![Advice::from(say! {
            en: "strace -f -e trace=setsockopt,close on the program: SO_LINGER {{onoff=1, linger=0}}",
            ko: "프로그램에 strace -f -e trace=setsockopt,close를 걸어 SO_LINGER {{onoff=1, linger=0}}을 확인한다"
        })],
        repair: vec![
            Advice::from(say! { en: "drop SO_LINGER 0", ko: "SO_LINGER 0을 없앤다" })
                .effect(say! { en: "connections end with a FIN and nothing is lost", ko: "연결이 FIN으로 끝나고 데이터를 잃지 않음" })
                .side_effect(say! { en: "TIME_WAIT comes back, which is natural", ko: "TIME_WAIT가 다시 생기며 이는 자연스러움" })
                .undo(say! { en: "set the option again", ko: "옵션을 다시 설정한다" }),
        ],
        verify: vec!["nstat -z TcpExtTCPAbortOnData TcpOutRsts".into(), "tracepoint tcp/tcp_send_reset".into()],
        ..Finding::new(severity, subject, summary)
    };
    resetting::with_closes(finding, window, ON_DATA, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::Socket;

    fn scene(aborts: u64, closes: u64) -> Scene {
        let listener = Socket::listener("192.0.2.1:80", 0, 128).inode(7);
        Scene::new().grew(ON_DATA.0, aborts).grew(PASSIVE_OPENS.0, closes).owner(7, 42, "web").still(&listener)
    }

    pub(super) fn example() -> Example {
        scene(100, 100).build()
    }

    #[test]
    fn one_a_second_and_the_half_of_all_are_a_warning() {
        assert_eq!(scene(0, 100).build().severity(&RULE), None);
        assert_eq!(scene(9, 9).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 20).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10, 21).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(example().findings(&RULE)[0].subject.pid, Some(42));
    }

    #[test]
    fn the_mean_of_ten_minutes_counts_between_its_bursts() {
        let bursts = levels(&RULE, 61, |n| scene(n % 2 * 20, n % 2 * 20).build());
        assert_eq!(
            bursts[56..],
            [None, Some(Severity::Warning), None, Some(Severity::Warning), Some(Severity::Warning)]
        );
    }
}
