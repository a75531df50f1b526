//! `ports-running-out`: the local ports toward one destination pass the half, where connect slows, or will run out.

use super::ports::{self, Ports, Usage};
use super::wording::{destination, percent, process, span};
use super::{Ask, Hides, Limits, Page, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::Owner;
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const FINDINGS_MAX: usize = 10;

/// The rule.
pub static RULE: Rule = Rule {
    id: "ports-running-out",
    trouble: text! {
        en: "the local ports toward one destination run low",
        ko: "한 목적지로 쓸 로컬 포트가 부족해지고 있음"
    },
    page: Page {
        sees: text! {
            en: "Per source, destination and port: (TIME_WAIT + live sockets on ephemeral ports) / N, with N = ip_local_port_range less \
                 reserved and listening ports. The rate of the last 20 s of TIME_WAIT ages times 60 s, plus the live ones, is the level it \
                 leads to. With tcp_tw_reuse=1 and timestamps (2: on loopback) only TIME_WAIT younger than a second count.",
            ko: "출발지·목적지·포트별로 (TIME_WAIT + 임시 포트의 살아 있는 소켓) / N. N은 ip_local_port_range에서 예약 포트와 수신 포트를 뺀 수. \
                 최근 20초 TIME_WAIT 나이로 잰 속도 × 60초에 살아 있는 소켓을 더하면 앞으로 이를 수준이다. tcp_tw_reuse=1과 타임스탬프가 켜져 \
                 있으면(2는 루프백) 1초가 안 된 TIME_WAIT만 센다."
        },
        matters: text! {
            en: "Past the half connect() searches long and burns CPU; at the end it fails with 'Cannot assign requested address', or times out \
                 after about a minute of retries.",
            ko: "절반을 넘으면 connect()가 오래 찾으며 CPU를 쓰고, 바닥나면 'Cannot assign requested address'로 실패하거나 약 1분간 재시도하다 \
                 시간 초과된다."
        },
        act: text! {
            en: "Make the program keep its connections or pool them.",
            ko: "프로그램이 연결을 유지하거나 커넥션 풀을 쓰게 한다."
        },
        sources: "net/ipv4/inet_hashtables.c __inet_hash_connect(); net/ipv4/tcp_ipv4.c tcp_twsk_unique(); ip-sysctl.rst; RFC 6056; \
                  RFC 9293 §3.6.1",
    },
    rank: 10,
    reads: ports::READS,
    asks: &[Ask::Owner],
    hides: &[Hides { rule: "connection-churn", shared: Shared::Destination }],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(ports) = Ports::of(window.last()) else { return Verdict::Healthy(None) };
    let usages = ports::usages(window, &ports, limits);
    let mut low: Vec<_> = usages.iter().filter_map(|usage| Some((severity(usage, limits)?, usage))).collect();
    low.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.share().total_cmp(&a.1.share())));
    low.truncate(FINDINGS_MAX);
    if low.is_empty() {
        return Verdict::Healthy(healthy(&usages));
    }
    let mut questions = Vec::new();
    let findings = low.into_iter().map(|(severity, usage)| {
        let owner = ports::owner(window, usage.service, &mut questions);
        finding(severity, &ports, usage, owner)
    });
    let findings = findings.collect();
    if questions.is_empty() { Verdict::Findings(findings) } else { Verdict::Ask(questions) }
}

fn severity(usage: &Usage, limits: &Limits) -> Option<Severity> {
    let (share, level) = (usage.share(), usage.level().unwrap_or(0.0));
    let full_within = |seconds: f64| usage.until_full().is_some_and(|left| left < seconds);
    let heading = level >= limits.ports_level_ratio;
    if share >= limits.ports_exhausted_ratio {
        None
    } else if share >= limits.ports_critical_ratio || full_within(limits.ports_critical_seconds) {
        Some(Severity::Critical)
    } else if share >= limits.ports_warning_ratio
        || (share >= limits.ports_info_ratio && heading)
        || full_within(limits.ports_warning_seconds)
    {
        Some(Severity::Warning)
    } else {
        (share >= limits.ports_info_ratio || heading).then_some(Severity::Info)
    }
}

fn healthy(usages: &[Usage]) -> Option<Message> {
    let usage = ports::fullest(usages)?;
    let (share, capacity) = (percent(usage.share()), usage.capacity);
    let to = usage.destination;
    if usage.reused && usage.service.ports > usage.taken {
        let waiting = usage.service.ports - usage.live;
        return Some(say! {
            en: "{share} of {capacity} local ports to {to} are taken; its {waiting} TIME_WAIT are tolerated by tcp_tw_reuse",
            ko: "{to}(으)로 쓸 로컬 포트 {capacity}개 중 {share} 사용; TIME_WAIT {waiting}개는 tcp_tw_reuse로 허용됨",
            share = share, capacity = capacity, to = to, waiting = waiting
        });
    }
    Some(say! {
        en: "at most {share} of {capacity} local ports are taken, to {to}",
        ko: "로컬 포트 {capacity}개 중 최대 {share} 사용({to})",
        share = share, capacity = capacity, to = to
    })
}

fn finding(severity: Severity, ports: &Ports, usage: &Usage, owner: Option<&Owner>) -> Finding {
    let (source, to) = (usage.source, usage.destination);
    let summary = say! {
        en: "{share} of the local ports to {to} are in use ({taken} of {capacity})",
        ko: "{to}(으)로 쓸 로컬 포트의 {share} 사용 중({capacity}개 중 {taken}개)",
        share = percent(usage.share()), to = to, taken = usage.taken, capacity = usage.capacity
    };
    let mut finding = Finding::new(severity, destination(to, source, owner), summary);
    finding.confidence = if owner.is_some() { 0.95 } else { 0.9 };
    finding.size = usage.share();
    finding.eta_seconds = usage.until_full().or_else(|| usage.until_half());
    finding.cause = cause(usage, owner);
    finding.now = vec![Advice::from(say! {
        en: "see which program opens a connection per request to {to}, and keep its connections open",
        ko: "어느 프로그램이 {to}(으)로 요청마다 연결을 여는지 확인하고 연결을 유지하게 한다",
        to = to
    })];
    finding.repair = ports::repair(ports, usage);
    finding.avoid = ports::avoid();
    finding.ruled_out = ruled_out(usage, ports);
    finding.verify = ports::verify(usage);
    ports::with_evidence(finding, ports, usage)
}

fn cause(usage: &Usage, owner: Option<&Owner>) -> Message {
    let who = owner.map_or_else(|| usage.main_state().name().to_owned(), process);
    let held = say! {
        en: "{who}: most are {state}",
        ko: "{who}: 대부분 {state}",
        who = who, state = usage.main_state()
    };
    let Some((rate, level)) = usage.rate.zip(usage.level()) else { return held };
    let (rate, level) = (format!("{rate:.0}"), percent(level));
    if let Some(left) = usage.until_full().map(span) {
        return say! {
            en: "{held}; {rate} new ones a second, each kept 60 s: no port is left in {left}, and connect() will fail with 'Cannot assign requested address'",
            ko: "{held}; 초당 {rate}개씩 늘고 각각 60초 유지: {left} 뒤 포트가 바닥나 connect()가 'Cannot assign requested address'로 실패함",
            rate = rate, left = left; held = held
        };
    }
    let half = usage.until_half().map(span).unwrap_or_default();
    let soon = if half.is_empty() {
        Message::default()
    } else {
        say! { en: " in {half}", ko: " {half} 뒤", half = half }
    };
    say! {
        en: "{held}; {rate} new ones a second, each kept 60 s, lead to {level}; from the half on{soon} connect() searches long",
        ko: "{held}; 초당 {rate}개씩 늘고 각각 60초 유지하면 {level}에 이름; 절반부터{soon} connect()가 오래 찾음",
        rate = rate, level = level; held = held, soon = soon
    }
}

fn ruled_out(usage: &Usage, ports: &Ports) -> Vec<Message> {
    let other = usage.service.ports_second_parity;
    vec![
        say! {
            en: "TIME_WAIT that cost no port: only those toward this destination and port are counted",
            ko: "포트를 쓰지 않는 TIME_WAIT: 이 목적지와 포트로의 것만 세었음"
        },
        say! {
            en: "reuse: tcp_tw_reuse is {reuse}, timestamps {stamps}",
            ko: "재사용: tcp_tw_reuse는 {reuse}, 타임스탬프 {stamps}",
            reuse = ports.reuse, stamps = u8::from(ports.timestamps)
        },
        say! {
            en: "binding before connecting: {other} of {all} ports have the parity that connect() takes last",
            ko: "connect 전 bind: {all}개 중 {other}개만 connect()가 나중에 쓰는 홀짝의 포트",
            other = other, all = usage.service.ports
        },
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::Socket;

    /// Sockets to one service in a range of 1000 ports: TIME_WAIT of these ages in turn, even ports first, then live ones.
    pub(in crate::rules) fn client(waiting: u16, ages: &[u32], live: u16) -> Scene {
        let port = |number: u16| 40_000 + if number < 500 { number * 2 } else { (number - 500) * 2 + 1 };
        let local = |number: u16| format!("192.0.2.1:{}", port(number));
        let scene =
            Scene::new().sysctl("net.ipv4.ip_local_port_range", "40000\t40999").each(waiting, |scene, number| {
                scene.born(Socket::time_wait(&local(number), "192.0.2.9:80", ages[usize::from(number) % ages.len()]))
            });
        scene.each(live, |scene, number| {
            let socket = Socket::tcp(crate::snapshot::State::Established, &local(waiting + number), "192.0.2.9:80");
            scene.still(&socket.inode(77).info(&[("bytes_acked", 500), ("rtt", 20_000), ("min_rtt", 20_000)]))
        })
    }

    /// Ages that spread evenly over the last `seconds`.
    pub(in crate::rules) fn even(seconds: u32) -> Vec<u32> {
        (0..seconds).collect()
    }

    pub(super) fn example() -> Example {
        client(599, &even(60), 1).owner(77, 42, "client").build()
    }

    fn severity_of(waiting: u16, ages: &[u32]) -> Option<Severity> {
        client(waiting, ages, 0).build().severity(&RULE)
    }

    #[test]
    fn occupancy_alone_decides_at_a_quarter_a_half_and_85_percent() {
        // A single burst 30 s ago: no rate, so only what is taken counts.
        let burst = |waiting| severity_of(waiting, &[30]);
        assert_eq!([249, 250].map(burst), [None, Some(Severity::Info)]);
        assert_eq!([499, 500].map(burst), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!([849, 850].map(burst), [Some(Severity::Warning), Some(Severity::Critical)]);
        assert_eq!([989, 990].map(burst), [Some(Severity::Critical), None], "then it is exhausted: another rule");
    }

    #[test]
    fn the_level_that_the_rate_leads_to_counts_before_it_is_reached() {
        // 10/s for 24 s: 24 % taken, 60 % in the end. For 25 s: 25 % taken.
        assert_eq!(severity_of(240, &even(24)), Some(Severity::Info));
        assert_eq!(severity_of(250, &even(25)), Some(Severity::Warning));
        // 8/s for 24 s leads to 48 %.
        assert_eq!(severity_of(192, &even(24)), None);
        // 20/s for 20 s on 1000 ports: full in 30 s.
        let example = client(400, &even(20), 0).build();
        let list = example.findings(&RULE);
        assert_eq!((list[0].severity, list[0].eta_seconds), (Severity::Critical, Some(30.0)));
    }

    #[test]
    fn reuse_tolerates_what_is_older_than_a_second() {
        let tolerated = client(900, &even(60), 0).sysctl("net.ipv4.tcp_tw_reuse", "1");
        assert_eq!(tolerated.build().severity(&RULE), None);
        let stampless =
            client(900, &even(60), 0).sysctl("net.ipv4.tcp_tw_reuse", "1").sysctl("net.ipv4.tcp_timestamps", "0");
        assert_eq!(stampless.build().severity(&RULE), Some(Severity::Critical));
        let live = client(0, &[0], 600).sysctl("net.ipv4.tcp_tw_reuse", "1").owner(77, 42, "client");
        assert_eq!(live.build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn the_destination_and_the_process_are_named() {
        let list = example().findings(&RULE);
        let subject = &list[0].subject;
        assert_eq!((subject.remote.as_deref(), subject.source.as_deref()), (Some("192.0.2.9:80"), Some("192.0.2.1")));
        assert_eq!(subject.pid, Some(42));
    }

    #[test]
    fn time_wait_of_a_server_takes_no_port() {
        let server = Scene::new().sysctl("net.ipv4.ip_local_port_range", "40000\t40999").still(&Socket::listener(
            "0.0.0.0:80",
            0,
            128,
        ));
        let server = server.each(900, |scene, number| {
            scene.born(Socket::time_wait("192.0.2.1:80", &format!("192.0.2.9:{}", 40_000 + number), 30))
        });
        assert_eq!(server.build().severity(&RULE), None);
    }

    #[test]
    fn the_peak_of_the_day_stays_a_warning() {
        assert_eq!(
            levels(&RULE, 2, |n| client(if n == 0 { 500 } else { 250 }, &[30], 0).build()),
            [Some(Severity::Warning), Some(Severity::Warning)]
        );
    }
}
