//! `time-wait-natural`: many TIME_WAIT on a listening port, where they cost no local port. Never an alarm.

use super::{Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Endpoint, State};
use crate::window::Window;
use crate::{say, text};

pub(super) const BUCKETS: &str = "net.ipv4.tcp_max_tw_buckets";

/// The rule.
pub static RULE: Rule = Rule {
    id: "time-wait-natural",
    trouble: text! {
        en: "many TIME_WAIT that cost no local port (no trouble)",
        ko: "로컬 포트를 쓰지 않는 많은 TIME_WAIT(문제 아님)"
    },
    page: Page {
        sees: text! {
            en: "TIME_WAIT whose local port is a listening port: more than 1000, or all TIME_WAIT above half of tcp_max_tw_buckets.",
            ko: "로컬 포트가 수신 포트인 TIME_WAIT가 1000개를 넘거나, 전체 TIME_WAIT가 tcp_max_tw_buckets의 절반을 넘을 때."
        },
        matters: text! {
            en: "It does not: the side that closes first keeps TIME_WAIT for 60 s so that a lost last ACK can be answered. Each costs about \
                 0.25 to 0.5 kB, and as a server none of the ephemeral ports.",
            ko: "문제가 아니다. 먼저 닫은 쪽이 마지막 ACK 유실에 대비해 60초간 TIME_WAIT를 둔다. 하나에 0.25~0.5 kB쯤 들고, 서버 쪽이므로 임시 \
                 포트는 쓰지 않는다."
        },
        act: text! { en: "Nothing: leave them alone.", ko: "할 일 없음: 그대로 둔다." },
        sources: "RFC 9293 §3.6.1; RFC 1337; include/net/tcp.h TCP_TIMEWAIT_LEN",
    },
    rank: 99,
    reads: &[Read::Census, Read::Sysctl(BUCKETS)],
    asks: &[],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let servers = census
        .services
        .iter()
        .filter_map(|service| Some((service.key.listener()?, service.states.get(State::TimeWait))));
    let Some((listener, most)) = servers.max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0) else {
        return Verdict::Healthy(None);
    };
    let table = window.last().sysctl_number(BUCKETS).map_or(f64::MAX, |max| max as f64);
    let all = f64::from(census.states.get(State::TimeWait));
    if f64::from(most) <= limits.time_wait_mention_sockets && all <= table * limits.time_wait_mention_ratio {
        return Verdict::Healthy(None);
    }
    Verdict::Findings(vec![finding(listener, most, table)])
}

fn finding(listener: Endpoint, count: u32, table: f64) -> Finding {
    let summary = say! {
        en: "{count} TIME_WAIT on the listening port {port}: natural, this side closes first; they hold no local port",
        ko: "수신 포트 {port}의 TIME_WAIT {count}개: 이쪽이 먼저 닫으므로 자연스러우며 로컬 포트를 쓰지 않음",
        count = count, port = listener.port
    };
    let place = Some(listener.to_string());
    let subject = Subject { kind: SubjectKind::Listener, listener: place.clone(), local: place, ..Subject::default() };
    let mut finding = Finding::new(Severity::Info, subject, summary);
    finding.size = f64::from(count);
    finding.cause = say! {
        en: "whoever closes first keeps TIME_WAIT for 60 s, so that a lost last ACK can be answered",
        ko: "먼저 닫는 쪽이 마지막 ACK 유실에 대비해 60초간 TIME_WAIT를 유지함"
    };
    finding.now = vec![Advice::from(say! { en: "nothing", ko: "할 일 없음" })];
    finding.avoid = vec![say! {
        en: "do not lower tcp_max_tw_buckets to have fewer: that takes their protection away",
        ko: "수를 줄이려고 tcp_max_tw_buckets를 낮추지 않는다: TIME_WAIT의 보호가 사라진다"
    }];
    finding.ruled_out = vec![say! {
        en: "lack of ports: the local port of all of them is {port}, a listening one",
        ko: "포트 부족: 모두 로컬 포트가 수신 포트 {port}임",
        port = listener.port
    }];
    finding.verify = vec![format!("ss -Htan state time-wait sport = :{} | wc -l", listener.port)];
    let finding = finding.evidence("TIME_WAIT", (f64::from(count), "sockets"), "listener", "sock_diag");
    finding.evidence(BUCKETS, (table, "sockets"), "netns", "/proc/sys/net/ipv4/tcp_max_tw_buckets")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::Socket;

    fn server(waiting: u16, buckets: &str) -> Example {
        let scene = Scene::new().sysctl(BUCKETS, buckets).still(&Socket::listener("0.0.0.0:80", 0, 128));
        let remote = |number: u16| format!("192.0.2.9:{}", 10_000 + number);
        scene.each(waiting, |scene, n| scene.born(Socket::time_wait("192.0.2.1:80", &remote(n), 5))).build()
    }

    pub(super) fn example() -> Example {
        server(1_001, "131072")
    }

    #[test]
    fn a_thousand_are_not_worth_a_line_unless_the_table_is_half_full() {
        assert_eq!(server(1_000, "131072").severity(&RULE), None);
        assert_eq!(server(1_001, "131072").severity(&RULE), Some(Severity::Info));
        assert_eq!(server(100, "200").severity(&RULE), None);
        assert_eq!(server(101, "200").severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn the_listener_is_named() {
        let list = example().findings(&RULE);
        assert_eq!(list[0].subject.listener.as_deref(), Some("0.0.0.0:80"));
    }
}
