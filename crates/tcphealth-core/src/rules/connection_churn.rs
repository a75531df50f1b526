//! `connection-churn`: a connection per request, so that much of the time goes into handshakes.

use super::connecting::SYN_RETRANS;
use super::ports::{self, Ports};
use super::wording::{destination, ms, percent, process, span};
use super::{Ask, Limits, Page, Read, Rule, processes, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{AGES, Endpoint, Owner, Service, ServiceKey, State};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};
use std::net::IpAddr;

const FINDINGS_MAX: usize = 10;

/// The rule.
pub static RULE: Rule = Rule {
    id: "connection-churn",
    trouble: text! {
        en: "a connection per request: handshakes cost a large share of the time",
        ko: "요청마다 연결을 새로 열어 핸드셰이크가 시간의 큰 몫을 차지함"
    },
    page: Page {
        sees: text! {
            en: "Toward one destination: r = (TIME_WAIT younger than the window + connections born in it) / seconds; w = r × round trip, by \
                 Little's law the mean number of connections in handshake. A warning needs r ≥ 50/s, w ≥ 1, no connection that lasted \
                 through the window, and arrivals in each third of the last ten seconds.",
            ko: "한 목적지에 대해 r = (구간 안의 TIME_WAIT + 새로 생긴 연결) / 초, w = r × 왕복 시간. 리틀의 법칙으로 w는 핸드셰이크 중인 평균 \
                 연결 수다. 경고는 r ≥ 50/s, w ≥ 1이고 구간 내내 유지된 연결이 없으며 최근 10초의 각 3분의 1에 고르게 생겼을 때."
        },
        matters: text! {
            en: "Every request waits a round trip for its handshake (three with TLS), begins with a small window, and leaves a TIME_WAIT of 60 s.",
            ko: "요청마다 핸드셰이크로 왕복 한 번(TLS면 세 번)을 기다리고, 작은 윈도로 시작하며, 60초짜리 TIME_WAIT를 남긴다."
        },
        act: text! {
            en: "Keep connections alive in the application, or pool them.",
            ko: "애플리케이션에서 연결을 유지하거나 커넥션 풀을 쓴다."
        },
        sources: "RFC 9293 §3.5; RFC 6928; Little, A Proof for the Queuing Formula L = λW, 1961",
    },
    rank: 99,
    reads: &[
        Read::TwoLooks,
        Read::Sysctl(ports::REUSE),
        Read::Sysctl(ports::TIMESTAMPS),
        Read::Sysctl(ports::RANGE),
        Read::Sysctl(ports::RESERVED),
    ],
    asks: &[Ask::Owner],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// How often one destination is connected to anew, and what that costs.
struct Churn<'a> {
    service: &'a Service,
    source: IpAddr,
    to: Endpoint,
    per_second: f64,
    rtt_us: Option<u32>,
    /// Connections that are in handshake at any moment.
    waiting: f64,
    /// Connections that are established at any moment.
    open: f64,
    /// The sum of what a pool in each process would hold, by the kernel's events.
    pool: Option<f64>,
    severity: Severity,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (Some(ports), Some(census)) = (Ports::of(window.last()), window.census()) else {
        return Verdict::Healthy(None);
    };
    let mut churns: Vec<Churn> =
        census.services.iter().filter_map(|service| churn(window, &ports, service, limits)).collect();
    churns.sort_by(|a, b| b.severity.cmp(&a.severity).then(b.waiting.total_cmp(&a.waiting)));
    churns.truncate(FINDINGS_MAX);
    let mut questions = Vec::new();
    let opener = |churn: &Churn| {
        let openers = processes::openers(window.tally()?, churn.to);
        Some(processes::main(&openers)?.owner.clone())
    };
    let findings = churns.iter().map(|churn| {
        let owner = opener(churn).or_else(|| ports::owner(window, churn.service, &mut questions).cloned());
        finding(churn, owner.as_ref())
    });
    let findings: Vec<_> = findings.collect();
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (_, true) => Verdict::Healthy(None),
        _ => Verdict::Findings(findings),
    }
}

fn churn<'a>(window: &Window<'a>, ports: &Ports, service: &'a Service, limits: &Limits) -> Option<Churn<'a>> {
    let ServiceKey::Destination { source, destination: to } = service.key else { return None };
    // A TIME_WAIT that may be taken over after a second has left no trace of the connections before it.
    let seconds = if ports.reuses(&service.key) { 1 } else { (window.seconds() as usize).clamp(1, AGES) };
    let ended = f64::from(service.time_wait_younger_than_seconds(seconds)) / seconds as f64;
    let estimated = ended + f64::from(service.born.live()) / window.seconds();
    let events = window.tally().filter(|tally| tally.is_whole()).map(|tally| (tally, processes::openers(tally, to)));
    let per_second = events
        .as_ref()
        .map_or(estimated, |(tally, openers)| openers.iter().map(|opener| opener.opened_per_second(tally)).sum());
    let peer = window.census().and_then(|census| census.peer(&to.address));
    let rtt_us = service.rtt_us.or_else(|| peer.and_then(|peer| peer.min_rtt_us));
    // Where SYNs are lost, the sockets that wait a second to send theirs again hide how long a handshake takes.
    let lossy = window.per_second(SYN_RETRANS).unwrap_or(0.0) > limits.slow_connect_warning_ratio * per_second;
    let opening = || if lossy { 0.0 } else { f64::from(service.states.get(State::SynSent)) };
    let waiting = rtt_us.map_or_else(opening, |rtt| per_second * f64::from(rtt) / 1e6);
    let before = window.service_before(&service.key).map_or(0, |before| before.states.get(State::Established));
    let open = f64::from(before + service.states.get(State::Established)) / 2.0;
    let steady = ports::rate(service, limits.churn_storm_seconds as usize).is_some() || seconds == 1;
    let short_lived = service.kept.get(State::Established) == 0;
    let costly = per_second >= limits.churn_warning_per_second && waiting >= limits.churn_warning_waiting;
    let severity = if costly && steady && short_lived {
        Severity::Warning
    } else if per_second >= limits.churn_info_per_second || waiting >= limits.churn_info_waiting {
        Severity::Info
    } else {
        return None;
    };
    // By Little's law, where each connection was seen from its begin to its end.
    let pools = events.iter().flat_map(|(tally, openers)| openers.iter().filter_map(|opener| opener.pool(tally)));
    let pool = pools.reduce(|sum, pool| sum + pool);
    Some(Churn { service, source, to, per_second, rtt_us, waiting, open, pool, severity })
}

impl Churn<'_> {
    /// A pool of this size would do: by Little's law as many as are in use at any moment.
    fn pool(&self) -> f64 {
        self.pool.unwrap_or_else(|| self.open.ceil().max(1.0))
    }

    /// Share of a connection's life that its handshake takes.
    fn share(&self) -> f64 {
        self.waiting / (self.waiting + self.open).max(f64::MIN_POSITIVE)
    }
}

fn finding(churn: &Churn, owner: Option<&Owner>) -> Finding {
    let who = owner.map_or_else(|| churn.source.to_string(), process);
    let rate = format!("{:.0}", churn.per_second);
    let summary = say! {
        en: "{who} opens {rate} connections a second to {to}",
        ko: "{who}이(가) {to}(으)로 초당 {rate}개씩 연결을 엶",
        who = who, rate = rate, to = churn.to
    };
    let mut finding = Finding::new(churn.severity, destination(churn.to, churn.source, owner), summary);
    finding.confidence = if owner.is_some() && churn.rtt_us.is_some() { 0.95 } else { 0.85 };
    finding.size = churn.waiting;
    finding.cause = cause(churn);
    finding.now = vec![
        Advice::from(say! {
            en: "keep connections to {to} alive in the application (keep-alive), or use a pool of about {pool}",
            ko: "애플리케이션에서 {to} 연결을 유지하거나(keep-alive) 약 {pool}개짜리 풀을 쓴다",
            to = churn.to, pool = churn.pool()
        })
        .effect(say! {
            en: "one round trip less per request (three with TLS), and no TIME_WAIT",
            ko: "요청마다 왕복 한 번(TLS면 세 번)이 줄고 TIME_WAIT가 생기지 않음"
        })
        .side_effect(say! {
            en: "the pool must give up idle connections before the server does",
            ko: "풀은 서버보다 먼저 유휴 연결을 정리해야 함"
        }),
    ];
    finding.repair = vec![Advice::from(say! {
        en: "let the server keep idle connections for longer, and allow more requests on each",
        ko: "서버가 유휴 연결을 더 오래 두고 연결당 요청 수를 늘리게 한다"
    })];
    finding.avoid = vec![say! {
        en: "tcp_tw_reuse saves the ports, not the time of the handshakes",
        ko: "tcp_tw_reuse는 포트를 아낄 뿐 핸드셰이크 시간은 줄이지 않는다"
    }];
    finding.ruled_out = vec![say! {
        en: "long-lived connections: {kept} of those of the first look are still there",
        ko: "오래 유지되는 연결: 첫 시점의 연결 중 {kept}개가 남아 있음",
        kept = churn.service.kept.get(State::Established)
    }];
    finding.verify = vec!["sar -n TCP 5".into(), format!("ss -Htan state time-wait dst {} | wc -l", churn.to.address)];
    with_evidence(finding, churn)
}

fn cause(churn: &Churn) -> Message {
    let waiting = churn.service.states.get(State::TimeWait);
    let Some(rtt_us) = churn.rtt_us else {
        return say! {
            en: "a connection per request; {waiting} TIME_WAIT are kept for 60 s each",
            ko: "요청마다 연결 하나; TIME_WAIT {waiting}개가 60초씩 남음",
            waiting = waiting
        };
    };
    let always = format!("{:.1}", churn.waiting);
    say! {
        en: "each waits {rtt} ms for its handshake: {always} connections are always just shaking hands, {share} of their time; {waiting} TIME_WAIT are kept for {life} each",
        ko: "각각 핸드셰이크로 {rtt} ms를 기다림: 항상 {always}개가 핸드셰이크 중이며 시간의 {share}; TIME_WAIT {waiting}개가 {life}씩 남음",
        rtt = ms(rtt_us), always = always, share = percent(churn.share()), waiting = waiting, life = span(AGES as f64)
    }
}

fn with_evidence(finding: Finding, churn: &Churn) -> Finding {
    let scope = "destination, window";
    let count = |state| f64::from(churn.service.states.get(state));
    let told = churn.pool.is_some();
    let rate_source = if told { "inet_sock_set_state" } else { "TIME_WAIT ages and new cookies" };
    let pool_source = if told { "rate × mean life" } else { "mean of ESTABLISHED at both looks" };
    let finding = finding
        .evidence("new connections", (churn.per_second, "per second"), scope, rate_source)
        .evidence("in handshake", (churn.waiting, "connections"), scope, "rate × round trip")
        .evidence(
            "share of the time in handshakes",
            (churn.share(), "ratio"),
            scope,
            "in handshake / (in handshake + open)",
        )
        .evidence("pool that would do", (churn.pool(), "connections"), scope, pool_source)
        .evidence("TIME_WAIT", (count(State::TimeWait), "sockets"), "destination", "sock_diag");
    match churn.rtt_us {
        Some(rtt) => finding.evidence("tcpi_rtt", (f64::from(rtt), "µs"), "destination", "sock_diag"),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ports_running_out::tests::even;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::Socket;

    /// So many TIME_WAIT a second for so long, beside one new live connection with this round trip.
    fn client(per_second: u16, ages: u32, rtt_us: u64) -> Scene {
        let local = |number: u16| format!("192.0.2.1:{}", 33_000 + number);
        let ages = even(ages);
        let count = per_second * ages.len() as u16;
        let scene = Scene::new().owner(77, 42, "client").each(count, |scene, number| {
            scene.born(Socket::time_wait(&local(number), "192.0.2.9:80", ages[usize::from(number) % ages.len()]))
        });
        let live = Socket::tcp(State::Established, "192.0.2.1:32999", "192.0.2.9:80").inode(77);
        scene.born(live.info(&[("bytes_acked", 100), ("rtt", rtt_us), ("min_rtt", rtt_us)]))
    }

    pub(super) fn example() -> Example {
        client(300, 12, 20_000).build()
    }

    #[test]
    fn three_hundred_a_second_at_twenty_milliseconds_are_six_that_wait() {
        let list = example().findings(&RULE);
        assert_eq!((list[0].severity, list[0].subject.remote.as_deref()), (Severity::Warning, Some("192.0.2.9:80")));
        assert!((list[0].size - 6.0).abs() < 0.01, "{}", list[0].size);
        assert!(list[0].now[0].act.en.ends_with("a pool of about 1"), "{}", list[0].now[0].act.en);
    }

    #[test]
    fn rate_and_cost_must_both_be_high() {
        // The live connection adds 0.1/s.
        let severity = |rate, rtt_us| client(rate, 12, rtt_us).build().severity(&RULE);
        assert_eq!([severity(9, 1_000), severity(10, 1_000)], [None, Some(Severity::Info)]);
        assert_eq!([severity(5, 19_000), severity(5, 20_000)], [None, Some(Severity::Info)]);
        assert_eq!([severity(49, 30_000), severity(50, 30_000)], [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!([severity(100, 9_900), severity(100, 10_000)], [Some(Severity::Info), Some(Severity::Warning)]);
    }

    #[test]
    fn a_connect_that_waits_for_its_lost_syn_is_in_no_handshake() {
        // Nobody knows the round trip: 60 connections a second, 5 of them opening at the look.
        let ended = |scene: Scene, n: u16| {
            scene.born(Socket::time_wait(&format!("192.0.2.1:{}", 33_000 + n), "192.0.2.9:80", u32::from(n) % 12))
        };
        let opening = |scene: Scene, n: u16| {
            scene.born(Socket::tcp(State::SynSent, &format!("192.0.2.1:{}", 32_000 + n), "192.0.2.9:80").inode(77))
        };
        let scene = || Scene::new().owner(77, 42, "client").each(720, ended).each(5, opening);
        assert_eq!(scene().build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene().grew(SYN_RETRANS.0, 6).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene().grew(SYN_RETRANS.0, 7).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn a_storm_of_seconds_or_a_lasting_connection_is_no_way_of_working() {
        assert_eq!(client(100, 6, 20_000).build().severity(&RULE), Some(Severity::Info));
        let lasting = Socket::tcp(State::Established, "192.0.2.1:60000", "192.0.2.9:80").inode(77);
        let scene = client(300, 12, 20_000).still(&lasting);
        assert_eq!(scene.build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn a_minute_at_half_a_connection_that_waits_is_a_warning() {
        assert_eq!(
            last_two(&RULE, 6, |_| client(50, 60, 10_000).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
    }
}
