//! `time-wait-overflow`: TIME_WAIT sockets are destroyed early because their table is full.

use super::time_wait_natural::BUCKETS;
use super::wording::percent;
use super::{Limits, Page, Read, Rule, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::State;
use crate::window::Window;
use crate::{say, text};

const OVERFLOWS: Counter = Counter("TcpExt.TCPTimeWaitOverflow");
/// The kernel's own default on a host with much memory: half of the connection hash, at most this.
const BUCKETS_USUAL: i64 = 262_144;

/// The rule.
pub static RULE: Rule = Rule {
    id: "time-wait-overflow",
    trouble: text! { en: "TIME_WAIT sockets destroyed early for lack of room", ko: "자리가 없어 TIME_WAIT 소켓이 일찍 파괴됨" },
    page: Page {
        sees: text! {
            en: "ΔTcpExt.TCPTimeWaitOverflow, and TIME_WAIT (with the FIN_WAIT2 that the kernel keeps) against tcp_max_tw_buckets.",
            ko: "ΔTcpExt.TCPTimeWaitOverflow, 그리고 tcp_max_tw_buckets 대비 TIME_WAIT(커널이 맡은 FIN_WAIT2 포함)의 수."
        },
        matters: text! {
            en: "The protection of TIME_WAIT is skipped: a late segment may hit a new connection, and the peer's last FIN is answered with a \
                 reset. The kernel log says 'time wait bucket table overflow'.",
            ko: "TIME_WAIT의 보호가 사라진다. 늦은 세그먼트가 새 연결에 섞이거나, 상대의 마지막 FIN에 RST로 답하게 된다. 커널 로그에 'time wait \
                 bucket table overflow'가 남는다."
        },
        act: text! { en: "Raise tcp_max_tw_buckets to the default.", ko: "tcp_max_tw_buckets를 기본값으로 올린다." },
        sources: "net/ipv4/inet_timewait_sock.c inet_twsk_alloc(); net/ipv4/tcp_minisocks.c tcp_time_wait(); ip-sysctl.rst \
                  tcp_max_tw_buckets",
    },
    rank: 99,
    reads: &[Read::Counter(OVERFLOWS), Read::Sysctl(BUCKETS), Read::Census, Read::Window],
    asks: &[],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let facts = || {
        let census = window.census()?;
        let kept: u32 = census.services.iter().map(|service| service.fin_wait2_stubs).sum();
        let waiting = census.states.get(State::TimeWait) + kept;
        Some((window.delta(OVERFLOWS)?, window.per_second(OVERFLOWS)?, waiting, window.last().sysctl_number(BUCKETS)?))
    };
    let Some((destroyed, per_second, waiting, table)) = facts() else { return Verdict::Healthy(None) };
    let share = f64::from(waiting) / (table.max(1) as f64);
    let severity = if per_second >= limits.time_wait_overflow_warning_per_second
        || share >= limits.time_wait_table_warning_ratio
    {
        Severity::Warning
    } else if destroyed > 0 {
        Severity::Info
    } else {
        return Verdict::Healthy(Some(say! {
            en: "{waiting} TIME_WAIT, {share} of the table",
            ko: "TIME_WAIT {waiting}개, 표의 {share}",
            waiting = waiting, share = percent(share)
        }));
    };
    let finding = finding(severity, (destroyed, waiting, table));
    let finding = finding
        .evidence(OVERFLOWS.0, (destroyed as f64, "sockets"), "netns, window", "/proc/net/netstat")
        .evidence("destroyed early", (per_second, "per second"), "netns, window", "/proc/net/netstat")
        .evidence("TIME_WAIT and kept FIN_WAIT2", (f64::from(waiting), "sockets"), "netns", "sock_diag")
        .evidence(BUCKETS, (table as f64, "sockets"), "netns", "/proc/sys/net/ipv4/tcp_max_tw_buckets");
    Verdict::Findings(vec![finding])
}

fn finding(severity: Severity, (destroyed, waiting, table): (u64, u32, i64)) -> Finding {
    let summary = say! {
        en: "the TIME_WAIT table is at its limit: {waiting} of {table}, {destroyed} destroyed early in the window",
        ko: "TIME_WAIT 표가 한계에 이름: {table}개 중 {waiting}개, 구간 동안 {destroyed}개가 일찍 파괴됨",
        waiting = waiting, table = table, destroyed = destroyed
    };
    let subject = Subject { kind: SubjectKind::Netns, ..Subject::default() };
    let mut finding = Finding::new(severity, subject, summary);
    finding.size = destroyed as f64;
    finding.cause = say! {
        en: "more connections are closed by this side in 60 s than {table}; those beyond it skip TIME_WAIT, so late segments may hit new \
             connections and peers' last FINs get a reset",
        ko: "60초 동안 이쪽이 닫는 연결이 {table}개를 넘음. 넘친 것은 TIME_WAIT를 건너뛰므로 늦은 세그먼트가 새 연결에 섞이거나 상대의 마지막 \
             FIN에 RST로 답할 수 있음",
        table = table
    };
    if table < BUCKETS_USUAL {
        finding.now = vec![
            Advice::from(say! { en: "sysctl -w {key}={usual}", ko: "sysctl -w {key}={usual}", key = BUCKETS, usual = BUCKETS_USUAL })
                .effect(say! { en: "every TIME_WAIT lives its 60 s", ko: "모든 TIME_WAIT가 60초를 채움" })
                .side_effect(say! { en: "up to half a kilobyte of memory for each", ko: "하나에 최대 0.5 kB의 메모리" })
                .undo(say! { en: "sysctl -w {key}={table}", ko: "sysctl -w {key}={table}", key = BUCKETS, table = table }),
        ];
    }
    finding.repair = vec![Advice::from(say! {
        en: "keep connections open and use them again, so that fewer are closed",
        ko: "연결을 유지하고 다시 써서 닫는 수를 줄인다"
    })];
    finding.avoid = vec![say! {
        en: "never lower tcp_max_tw_buckets to get rid of TIME_WAIT: the kernel's documentation forbids it",
        ko: "TIME_WAIT를 없애려고 tcp_max_tw_buckets를 낮추지 않는다: 커널 문서가 금한다"
    }];
    finding.verify =
        vec!["nstat -z TcpExtTCPTimeWaitOverflow".into(), format!("sysctl {BUCKETS}"), "cat /proc/net/sockstat".into()];
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::Socket;

    fn overflowing(by: u64, waiting: u16) -> Example {
        let scene = Scene::new().sysctl(BUCKETS, "100").grew(OVERFLOWS.0, by);
        let local = |number: u16| format!("192.0.2.1:{}", 40_000 + number);
        scene.each(waiting, |scene, n| scene.born(Socket::time_wait(&local(n), "192.0.2.9:80", 5))).build()
    }

    pub(super) fn example() -> Example {
        overflowing(10, 100)
    }

    #[test]
    fn it_warns_from_one_a_second_or_nine_tenths_of_the_table() {
        let severity = |by, waiting| overflowing(by, waiting).severity(&RULE);
        assert_eq!(
            [severity(0, 0), severity(1, 0), severity(9, 0)],
            [None, Some(Severity::Info), Some(Severity::Info)]
        );
        assert_eq!(severity(10, 0), Some(Severity::Warning));
        assert_eq!([severity(0, 89), severity(0, 90)], [None, Some(Severity::Warning)]);
    }

    #[test]
    fn a_table_at_its_default_is_not_advised_to_grow() {
        let advice = |table| finding(Severity::Warning, (1, 1, table)).now.len();
        assert_eq!([advice(100), advice(262_144)], [1, 0]);
    }

    #[test]
    fn a_few_in_each_of_two_windows_are_a_warning() {
        assert_eq!(levels(&RULE, 2, |_| overflowing(1, 0)), [Some(Severity::Info), Some(Severity::Warning)]);
    }
}
