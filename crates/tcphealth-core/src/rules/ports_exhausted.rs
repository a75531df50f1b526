//! `ports-exhausted`: no local port is left toward one destination; connect() fails and no counter says so.

use super::ports::{self, Ports, Usage};
use super::wording::{destination, process};
use super::{Ask, Hides, Limits, Page, Rule, Shared, processes, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::{Owner, Service, ServiceKey, State};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};
use std::net::{IpAddr, Ipv4Addr};

/// The source of connects that no look shows.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The rule.
pub static RULE: Rule = Rule {
    id: "ports-exhausted",
    trouble: text! { en: "no local port is left toward one destination", ko: "한 목적지로 쓸 로컬 포트가 남지 않음" },
    page: Page {
        sees: text! {
            en: "As ports-running-out, at 99 % of N at either look. No kernel counter moves when connect() finds no port: the occupancy per \
                 source, destination and port is the only sign.",
            ko: "ports-running-out과 같되 두 시점 중 하나에서 N의 99 % 이상. connect()가 포트를 찾지 못해도 커널 카운터는 변하지 않으므로 \
                 출발지·목적지·포트별 사용량이 유일한 증거다."
        },
        matters: text! {
            en: "The program cannot connect: 'Cannot assign requested address' (EADDRNOTAVAIL), or a timeout of about a minute while it \
                 retries. Other destinations work.",
            ko: "프로그램이 연결하지 못한다: 'Cannot assign requested address'(EADDRNOTAVAIL)이거나 재시도하다 약 1분 뒤 시간 초과. 다른 \
                 목적지는 정상이다."
        },
        act: text! {
            en: "Reduce the connections that the program opens (pool, keep-alive); for TIME_WAIT tcp_tw_reuse=1 helps at once.",
            ko: "프로그램이 여는 연결을 줄인다(풀, keep-alive). TIME_WAIT라면 tcp_tw_reuse=1이 바로 듣는다."
        },
        sources: "net/ipv4/inet_hashtables.c __inet_hash_connect(); connect(2) EADDRNOTAVAIL; RFC 6056; RFC 6191",
    },
    rank: 9,
    reads: ports::READS,
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "ports-running-out", shared: Shared::Destination },
        Hides { rule: "connection-churn", shared: Shared::Destination },
        Hides { rule: "close-wait-pool", shared: Shared::Destination },
        Hides { rule: "half-open-suspect", shared: Shared::Peer },
        Hides { rule: "connect-unanswered", shared: Shared::Destination },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(ports) = Ports::of(window.last()) else { return Verdict::Healthy(None) };
    let mut usages = ports::usages(window, &ports, limits);
    // Full at the first look and a port short of it now is exhausted all the same.
    for usage in &mut usages {
        let before = window.service_before(&usage.service.key).and_then(|service| ports.usage(service, limits));
        if let Some(before) = before.filter(|before| before.taken > usage.taken) {
            *usage = before;
        }
    }
    let unseen = unseen(window, &usages);
    usages.extend(unseen.iter().filter_map(|service| ports.usage(service, limits)));
    let is_full = |usage: &Usage| usage.share() >= limits.ports_exhausted_ratio;
    let failed = |usage: &Usage| window.tally().map_or(0, |tally| processes::without_a_port(tally, usage.destination));
    usages.retain(|usage| is_full(usage) || failed(usage) > 0);
    if usages.is_empty() {
        return Verdict::Healthy(None);
    }
    let mut questions = Vec::new();
    let findings = usages.iter().map(|usage| {
        let found = finding(&ports, usage, ports::owner(window, usage.service, &mut questions));
        if is_full(usage) { found } else { momentary(usage, failed(usage), found) }
    });
    let findings = findings.collect();
    if questions.is_empty() { Verdict::Findings(findings) } else { Verdict::Ask(questions) }
}

/// Destinations that connects found no port for and that no look shows.
fn unseen(window: &Window, seen: &[Usage]) -> Vec<Service> {
    let mut wanted = window.tally().map(processes::wanted_a_port).unwrap_or_default();
    wanted.retain(|to| seen.iter().all(|usage| usage.destination != *to));
    let service = |destination| Service::new(ServiceKey::Destination { source: UNKNOWN, destination });
    wanted.into_iter().map(service).collect()
}

/// Where the looks show a free port and connects failed all the same.
fn momentary(usage: &Usage, failed: u64, found: Finding) -> Finding {
    let summary = say! {
        en: "{failed} connects to {to} found no local port in the window, though {taken} of {capacity} are taken at the look",
        ko: "{to}(으)로의 연결 시도 {failed}개가 구간 안에 로컬 포트를 얻지 못함. 관찰 시점에는 {capacity}개 중 {taken}개만 사용 중",
        failed = failed, to = usage.destination, taken = usage.taken, capacity = usage.capacity
    };
    let cause = say! {
        en: "the range was full between the looks, or the program's own is smaller (IP_LOCAL_PORT_RANGE), or other programs bind its ports. The application sees 'Cannot assign requested address'",
        ko: "두 관찰 사이에 포트 범위가 가득 찼거나, 프로그램 자신의 범위(IP_LOCAL_PORT_RANGE)가 더 좁거나, 다른 프로그램이 그 포트를 bind함. 애플리케이션에는 'Cannot assign requested address'로 보임"
    };
    let known = usage.source != UNKNOWN;
    let subject = Subject { source: found.subject.source.filter(|_| known), ..found.subject };
    let mut repair = found.repair.into_iter();
    let now = repair.next().into_iter().collect();
    Finding { summary, cause, subject, now, repair: repair.collect(), ruled_out: Vec::new(), ..found }
}

fn finding(ports: &Ports, usage: &Usage, owner: Option<&Owner>) -> Finding {
    let (source, to) = (usage.source, usage.destination);
    let (low, high) = ports.range;
    let waiting = usage.service.states.get(State::TimeWait);
    let summary = say! {
        en: "no local port is left from {source} to {to}: all {capacity} of {low}–{high} are taken, {waiting} of them TIME_WAIT",
        ko: "{source}에서 {to}(으)로 쓸 로컬 포트가 없음: {low}–{high}의 {capacity}개 모두 사용 중, 그중 TIME_WAIT {waiting}개",
        source = source, to = to, capacity = usage.capacity, low = low, high = high, waiting = waiting
    };
    let mut finding = Finding::new(Severity::Critical, destination(to, source, owner), summary);
    finding.confidence = if owner.is_some() { 0.97 } else { 0.95 };
    finding.size = f64::from(usage.taken);
    finding.cause = cause(usage, owner);
    finding.now = now(ports, usage);
    finding.repair = ports::repair(ports, usage);
    finding.avoid = ports::avoid();
    finding.ruled_out = ruled_out(usage);
    finding.verify = ports::verify(usage);
    let trace = owner.map_or_else(
        || "perf trace -e connect --failure".to_owned(),
        |owner| format!("strace -f -e trace=connect -p {}", owner.pid),
    );
    finding.verify.push(trace);
    ports::with_evidence(finding, ports, usage)
}

fn cause(usage: &Usage, owner: Option<&Owner>) -> Message {
    let who = owner.map_or_else(String::new, |owner| format!("{}: ", process(owner)));
    let held = usage.service.states.get(usage.main_state());
    let why = match usage.main_state() {
        State::TimeWait => say! {
            en: "a connection per request; this side closes first and keeps each port for 60 s",
            ko: "요청마다 연결을 새로 열고 이쪽이 먼저 닫아 포트마다 60초씩 묶임"
        },
        State::Established => say! {
            en: "{held} connections are open and none is given back: a leak, which no reuse of TIME_WAIT helps",
            ko: "연결 {held}개가 열린 채 반납되지 않음: 누수이며 TIME_WAIT 재사용으로는 해결되지 않음",
            held = held
        },
        State::CloseWait => say! {
            en: "{held} connections were closed by the other side and are kept by the program",
            ko: "상대가 닫은 연결 {held}개를 프로그램이 닫지 않고 쥐고 있음",
            held = held
        },
        State::SynSent => say! {
            en: "{held} connects wait for an answer that does not come",
            ko: "연결 시도 {held}개가 오지 않는 응답을 기다림",
            held = held
        },
        other => say! { en: "{held} are {other}", ko: "{held}개가 {other}", held = held, other = other },
    };
    say! {
        en: "{who}{why}. The application sees 'Cannot assign requested address', or a timeout of about a minute while it retries",
        ko: "{who}{why}. 애플리케이션에는 'Cannot assign requested address'나 재시도 끝에 약 1분 뒤 시간 초과로 보임",
        who = who; why = why
    }
}

fn now(ports: &Ports, usage: &Usage) -> Vec<Advice> {
    if usage.main_state() != State::TimeWait {
        return vec![Advice::from(say! {
            en: "restart the program that holds the connections: that gives the ports back until it has leaked them again",
            ko: "연결을 쥐고 있는 프로그램을 재시작: 다시 샐 때까지 포트가 돌아옴"
        })];
    }
    // The last advice is the one that acts at once, when it has not been done already.
    ports::repair(ports, usage).pop().into_iter().collect()
}

fn ruled_out(usage: &Usage) -> Vec<Message> {
    let (other, all) = (usage.service.ports_second_parity, usage.service.ports);
    vec![
        say! {
            en: "the destination: it answers, for {done} connections to it are live or were closed in the last minute",
            ko: "목적지 문제: 살아 있거나 지난 1분 안에 정상 종료된 연결이 {done}개이므로 응답하고 있음",
            done = usage.service.states.get(State::Established) + usage.service.states.get(State::TimeWait)
        },
        say! {
            en: "a program that binds before it connects: of {all} ports toward this one destination {other} have the second parity, as the order of connect() gives at full use",
            ko: "connect 전 bind하는 프로그램: 이 목적지 하나로의 포트 {all}개 중 {other}개가 두 번째 홀짝이며, 가득 찼을 때 connect() 순서와 같음",
            all = all, other = other
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ports_running_out::tests::{client, even};
    use crate::rules::testing::Example;
    use crate::snapshot::{Fact, Question, Watch};

    pub(super) fn example() -> Example {
        client(999, &even(60), 1).owner(77, 42, "client").build()
    }

    #[test]
    fn it_begins_at_ninety_nine_percent() {
        let severity = |waiting| client(waiting, &even(60), 0).build().severity(&RULE);
        assert_eq!([989, 990, 1000].map(severity), [None, Some(Severity::Critical), Some(Severity::Critical)]);
    }

    #[test]
    fn connects_without_a_port_are_found_though_no_look_shows_it() {
        let with = |to, failed| {
            let tally = Ok(Fact::Tally(processes::tests::portless(to, failed)));
            client(500, &even(60), 0).answer(Question::Watch(Watch::Events), tally).build()
        };
        assert_eq!(with("192.0.2.9:80", 0).severity(&RULE), None);
        let found = with("192.0.2.9:80", 7).findings(&RULE);
        assert_eq!((found[0].severity, found[0].subject.pid), (Severity::Critical, Some(42)));
        let summary = &found[0].summary.en;
        assert!(summary.starts_with("7 connects to 192.0.2.9:80"), "{summary}");
        assert_eq!(found[0].subject.source.as_deref(), Some("192.0.2.1"));
        let gone = with("192.0.2.9:81", 7).findings(&RULE).remove(0).subject;
        assert_eq!((gone.remote.as_deref(), gone.source, gone.pid), (Some("192.0.2.9:81"), None, Some(42)));
    }

    #[test]
    fn the_state_that_fills_the_ports_is_the_cause() {
        let churn = example().findings(&RULE);
        assert!(churn[0].cause.en.starts_with("client (pid 42): a connection per request"), "{}", churn[0].cause.en);
        assert!(churn[0].now[0].act.en.starts_with("sysctl -w net.ipv4.tcp_tw_reuse=1"), "{}", churn[0].now[0].act.en);
        let leak = client(0, &[0], 1000).owner(77, 42, "client").build().findings(&RULE);
        assert!(leak[0].cause.en.contains("a leak"), "{}", leak[0].cause.en);
        assert!(leak[0].repair.iter().all(|advice| !advice.act.en.contains("tcp_tw_reuse")), "reuse cannot help");
    }

    #[test]
    fn reuse_that_is_on_is_not_advised_again() {
        let reused = |scene: crate::rules::testing::Scene| scene.sysctl("net.ipv4.tcp_tw_reuse", "1");
        assert_eq!(reused(client(1000, &even(60), 0)).build().severity(&RULE), None);
    }
}
