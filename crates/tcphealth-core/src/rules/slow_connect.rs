//! `slow-connect`: connects take a second or more because a SYN or SYN-ACK was lost once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::connect_unanswered::is_unanswered;
use super::connecting::{self, ACTIVE_OPENS, ATTEMPT_FAILS, EMBRYONIC_RSTS, RETRANS_FAIL, SYN_RETRANS};
use super::judge::said;
use super::{Ask, Limits, Page, Read, Rule, processes, wording};
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::{Endpoint, Followed, ServiceKey, State, Watch};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "slow-connect",
    trouble: text! {
        en: "connects take a second or more because a SYN or SYN-ACK was lost",
        ko: "SYN이나 SYN-ACK가 유실되어 연결에 1초 이상 걸림"
    },
    page: Page {
        sees: text! {
            en: "Sockets in SYN_SENT with timer count ≥ 1 at the first look and ESTABLISHED at the second, or ΔTcpExt.TCPSynRetrans less \
                 what still waits, what failed and what could not be sent; at most ΔTcp.ActiveOpens − failures.",
            ko: "첫 관찰에서 SYN_SENT(타이머 횟수 ≥ 1)였다가 둘째 관찰에서 ESTABLISHED인 소켓, 또는 ΔTcpExt.TCPSynRetrans에서 아직 \
                 기다리는 것, 실패한 것, 보내지 못한 것을 뺀 수. ΔTcp.ActiveOpens − 실패 수를 넘지 않는다."
        },
        matters: text! {
            en: "The first SYN is sent again after 1 s, then after 2, 3 and 4 s more (1 s, 3 s, 7 s before Linux 6.5): requests that should \
                 take milliseconds take seconds.",
            ko: "첫 SYN은 1초 뒤 다시 보내고 그다음은 2, 3, 4초 뒤다(Linux 6.5 이전은 1, 3, 7초). 밀리초면 될 요청이 몇 초씩 걸린다."
        },
        act: text! {
            en: "Look at the server's TcpExt.ListenDrops first: a full accept queue drops SYNs. If it is flat, the path loses them.",
            ko: "먼저 서버의 TcpExt.ListenDrops를 본다. accept 큐가 가득 차면 SYN이 버려진다. 늘지 않으면 경로에서 유실되는 것이다."
        },
        sources: "RFC 6298 §2.1; net/ipv4/tcp_timer.c tcp_retransmit_timer(); Documentation/networking/ip-sysctl.rst \
                  tcp_syn_linear_timeouts",
    },
    rank: 99,
    reads: &[
        Read::Counter(SYN_RETRANS),
        Read::Counter(ACTIVE_OPENS),
        Read::Counter(ATTEMPT_FAILS),
        Read::Counter(EMBRYONIC_RSTS),
        Read::TwoLooks,
    ],
    asks: &[Ask::Watch(Watch::Closed)],
    hides: &[],
    watches: |window, _| connecting::while_syns_retry(window, &[Watch::Closed]),
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let seen = connecting::late(window).count() as u64;
    let told = window.tally().filter(|tally| tally.is_whole());
    let told = told.map(|tally| processes::late(tally).iter().map(|(_, count)| count).sum());
    let slow = seen.max(told.or_else(|| by_counters(window, limits)).unwrap_or(0));
    let list =
        if slow as f64 >= limits.slow_connect_info_count { vec![finding(window, limits, slow)] } else { Vec::new() };
    said(window, limits, list, Vec::new())
}

/// SYNs sent again for connects that neither wait nor failed. SYN-ACKs sent again stand in the same counter: while half-open
/// connections of ours are tried again, it says nothing; nor while a destination answers nobody, whose connects die unseen.
fn by_counters(window: &Window, limits: &Limits) -> Option<u64> {
    let census = window.census()?;
    if connecting::waiting(window).iter().any(|target| is_unanswered(window, limits, target)) {
        return None;
    }
    let half_open = |census: &crate::snapshot::Census| census.listeners.iter().any(|own| own.syn_recv_retried > 0);
    if half_open(census) || window.census_before().is_some_and(half_open) {
        return None;
    }
    let retries = |followed: &Followed| {
        let before = followed.before.filter(|mark| mark.state == State::SynSent).map_or(0, |mark| mark.timer_retrans);
        u64::from(followed.socket.timer_retrans.saturating_sub(before))
    };
    let waiting: u64 = census.in_state(State::SynSent).map(retries).sum();
    let failed = connecting::failed(window)?;
    let unsent = window.delta(RETRANS_FAIL).unwrap_or(0);
    let in_vain: u64 = connecting::gave_up(window).map(|closed| u64::from(closed.total_retrans.unwrap_or(0))).sum();
    let answered = window.delta(SYN_RETRANS)?.saturating_sub(waiting + failed + unsent + in_vain);
    let left = window.delta(ACTIVE_OPENS)?.saturating_sub(failed + u64::from(census.born.get(State::SynSent)));
    Some(answered.min(left))
}

/// The destination with most connects that were seen to be late; those that lived and died in the window count too.
fn worst(window: &Window) -> Option<(Endpoint, IpAddr)> {
    if let Some(place) = told(window) {
        return Some(place);
    }
    let mut late: BTreeMap<(Endpoint, IpAddr), u32> = BTreeMap::new();
    let died = connecting::closed_clients(window)
        .filter(|closed| connecting::had_connected(closed) && closed.total_retrans.unwrap_or(0) > 0);
    let seen = connecting::late(window).map(|followed| (followed.socket.remote, followed.socket.local.address));
    for destination in seen.chain(died.map(|closed| (closed.remote, closed.local.address))) {
        *late.entry(destination).or_default() += 1;
    }
    late.into_iter().max_by_key(|(_, count)| *count).map(|(destination, _)| destination).or_else(|| only(window))
}

/// The destination with most late connects by the kernel's events, when a look shows from which address it is reached.
fn told(window: &Window) -> Option<(Endpoint, IpAddr)> {
    let (to, _) = processes::late(window.tally()?).into_iter().find_map(|(to, count)| Some((to?, count)))?;
    window.census()?.services.iter().find_map(|service| match service.key {
        ServiceKey::Destination { source, destination } => (destination == to).then_some((to, source)),
        ServiceKey::Listener(_) => None,
    })
}

/// The one destination to which connections were opened, if there was one only.
fn only(window: &Window) -> Option<(Endpoint, IpAddr)> {
    let services = &window.census()?.services;
    let mut opened = services.iter().filter_map(|service| match service.key {
        ServiceKey::Destination { source, destination } => {
            connecting::connected(window, &destination).then_some((destination, source))
        }
        ServiceKey::Listener(_) => None,
    });
    let one = opened.next()?;
    opened.all(|other| other == one).then_some(one)
}

fn finding(window: &Window, limits: &Limits, slow: u64) -> Finding {
    let opens = window.delta(ACTIVE_OPENS).unwrap_or(0);
    let many = slow as f64 >= limits.slow_connect_warning_count
        && slow as f64 >= limits.slow_connect_warning_ratio * opens as f64;
    let severity = if many { Severity::Warning } else { Severity::Info };
    let place = worst(window);
    let subject = place.map_or_else(Subject::default, |(to, source)| wording::destination(to, source, None));
    let to = place.map_or_else(|| "?".to_owned(), |(to, _)| to.to_string());
    let summary = say! {
        en: "{slow} connects took 1 s or more (most to {to})",
        ko: "연결 {slow}개에 1초 이상 걸림(주로 {to})",
        slow = slow, to = to
    };
    let finding = Finding {
        confidence: if place.is_some() { 0.8 } else { 0.7 },
        size: slow as f64,
        cause: say! {
            en: "a SYN or its answer was lost once: by the network, or by the server, whose accept queue was full. From here the two \
                 cannot be told apart.",
            ko: "SYN이나 그 응답이 한 번 유실됨: 네트워크에서이거나, accept 큐가 가득 찬 서버에서임. 이쪽에서는 둘을 구별할 수 없음."
        },
        now: vec![Advice::from(say! {
            en: "on the server: nstat -z TcpExtListenDrops TcpExtListenOverflows; ss -ltn",
            ko: "서버에서: nstat -z TcpExtListenDrops TcpExtListenOverflows; ss -ltn"
        })],
        repair: vec![Advice::from(say! {
            en: "where ListenDrops grow: let the server accept faster; where they do not: look for loss on the path",
            ko: "ListenDrops가 늘면 서버의 accept를 빠르게 하고, 늘지 않으면 경로의 유실을 찾는다"
        })],
        avoid: vec![say! {
            en: "fewer tcp_syn_retries only turn slow connects into failed ones",
            ko: "tcp_syn_retries를 줄이면 느린 연결이 실패한 연결로 바뀔 뿐이다"
        }],
        verify: vec!["nstat -z TcpExtTCPSynRetrans TcpActiveOpens".into()],
        ..Finding::new(severity, subject, summary)
    };
    finding
        .evidence("late connects", (slow as f64, "connections"), "netns", "sock_diag, TCPSynRetrans")
        .evidence(ACTIVE_OPENS.0, (opens as f64, "connections"), "netns", "/proc/net/snmp")
        .evidence(
            SYN_RETRANS.0,
            (window.delta(SYN_RETRANS).unwrap_or(0) as f64, "segments"),
            "netns",
            "/proc/net/netstat",
        )
}

#[cfg(test)]
mod tests {
    use super::super::connect_unanswered::tests::waiting;
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::{Fact, Question, Socket, Timer};

    const PLACE: &str = "198.51.100.7:443";

    fn scene(retrans: u64, opens: u64) -> Scene {
        Scene::new().grew(SYN_RETRANS.0, retrans).grew(ACTIVE_OPENS.0, opens)
    }

    pub(super) fn example() -> Example {
        let open = Socket::tcp(State::Established, "192.0.2.1:50000", PLACE);
        scene(10, 1000).born(open).build()
    }

    #[test]
    fn three_are_worth_a_line_and_ten_with_one_percent_a_warning() {
        assert_eq!(scene(2, 100).build().severity(&RULE), None);
        assert_eq!(scene(3, 100).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(9, 100).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 1000).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10, 1001).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn what_waits_failed_or_was_not_sent_was_not_late() {
        // Two retries of the waiting socket, three failures and three that could not be sent leave two of ten.
        let scene = || scene(10, 100).grew(ATTEMPT_FAILS.0, 3).grew(RETRANS_FAIL.0, 3);
        assert_eq!(scene().born(waiting(0, PLACE)).build().severity(&RULE), None);
        assert_eq!(scene().build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn retries_toward_a_destination_that_answers_nobody_were_not_late() {
        let dead = |waits: u16| scene(100, 100).each(waits, |scene, n| scene.born(waiting(n, PLACE)));
        assert_eq!(dead(2).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(dead(3).build().severity(&RULE), None);
    }

    #[test]
    fn syn_acks_sent_again_do_not_count() {
        let half_open = Socket::tcp(State::SynRecv, "192.0.2.1:80", "198.51.100.9:1234").timer(Timer::On, 1, 500);
        let server = scene(50, 100).born(Socket::listener("192.0.2.1:80", 0, 128)).born(half_open);
        assert_eq!(server.build().severity(&RULE), None);
    }

    #[test]
    fn connects_seen_to_be_late_name_their_destination() {
        let late = |scene: Scene, n| {
            let now = Socket { state: State::Established, ..waiting(n, PLACE).timer(Timer::None, 0, 0) };
            scene.kept(waiting(n, PLACE), now)
        };
        let found = scene(0, 100).each(3, late).build().findings(&RULE);
        assert_eq!((found[0].severity, found[0].subject.remote.as_deref()), (Severity::Info, Some(PLACE)));
    }

    #[test]
    fn the_kernels_events_count_better_than_the_counters() {
        let told = |retried, syns| {
            let tally = processes::tests::answered_late(PLACE, retried);
            let open = Socket::tcp(State::Established, "192.0.2.1:50000", PLACE);
            let scene = scene(syns, 1000).answer(Question::Watch(Watch::Events), Ok(Fact::Tally(tally)));
            let found = scene.born(open).build();
            (found.severity(&RULE), found)
        };
        assert_eq!(
            [told(2, 100).0, told(3, 0).0, told(10, 0).0],
            [None, Some(Severity::Info), Some(Severity::Warning)]
        );
        let subject = told(10, 0).1.findings(&RULE).remove(0).subject;
        assert_eq!((subject.remote.as_deref(), subject.pid), (Some(PLACE), Some(42)));
    }

    #[test]
    fn the_only_destination_is_the_one() {
        assert_eq!(example().findings(&RULE)[0].subject.remote.as_deref(), Some(PLACE));
    }

    #[test]
    fn one_percent_for_ten_minutes_is_a_warning() {
        assert_eq!(last_two(&RULE, 60, |_| scene(3, 300).build()), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(last_two(&RULE, 60, |_| scene(3, 301).build()), [Some(Severity::Info); 2]);
    }
}
