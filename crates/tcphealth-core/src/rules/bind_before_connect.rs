//! `bind-before-connect`: a program binds a source address before it connects, so that each of its ports is lost to everybody.

use std::net::IpAddr;

use super::ports::{self, Ports, Usage};
use super::wording::{percent, process};
use super::{Ask, Hides, Limits, Page, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Owner, PortUse};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "bind-before-connect",
    trouble: text! {
        en: "a program binds before it connects and uses up ports for everybody",
        ko: "프로그램이 connect 전에 bind하여 모두의 포트를 소모함"
    },
    page: Page {
        sees: text! {
            en: "Per source address: toward several destinations no local port serves two of them although chance would share ten, or toward \
                 one destination, less than 45 % in use, more than a quarter of the ports have the parity that plain connect() takes last. \
                 bind() to port 0 takes a port exclusively and the other parity first.",
            ko: "출발지 주소별로, 여러 목적지 사이에 공유되는 로컬 포트가 우연으로도 10개는 되어야 하는데 하나도 없거나, 사용률 45 % 미만인 한 목적지에서 \
                 포트의 4분의 1 넘게가 일반 connect()가 나중에 쓰는 홀짝일 때. 포트 0으로 bind()하면 포트를 독점하며 반대쪽 홀짝부터 쓴다."
        },
        matters: text! {
            en: "N ports are N connections in all, not N per destination; and when they are gone, every other program's plain connect() fails \
                 with EADDRNOTAVAIL, to any destination.",
            ko: "포트 N개가 목적지마다가 아니라 전체 연결 N개가 된다. 바닥나면 다른 모든 프로그램의 connect()도 어느 목적지든 EADDRNOTAVAIL로 \
                 실패한다."
        },
        act: text! {
            en: "Set IP_BIND_ADDRESS_NO_PORT on the socket before bind(), or do not bind.",
            ko: "bind() 전에 소켓에 IP_BIND_ADDRESS_NO_PORT를 설정하거나 bind하지 않는다."
        },
        sources: "net/ipv4/inet_connection_sock.c inet_csk_find_open_port(); net/ipv4/inet_hashtables.c __inet_hash_connect(); ip(7) \
                  IP_BIND_ADDRESS_NO_PORT",
    },
    rank: 8,
    reads: ports::READS,
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "ports-running-out", shared: Shared::Source },
        Hides { rule: "ports-exhausted", shared: Shared::Source },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// The ports of one source address that look as if they had been bound.
struct Bound<'a> {
    source: IpAddr,
    /// Ports in use toward any destination.
    distinct: u32,
    /// Destinations they serve.
    usages: Vec<Usage<'a>>,
    /// Ports that chance would share between them.
    expected: f64,
    /// Ports of the parity that connect() takes last.
    second: u32,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (Some(ports), Some(census)) = (Ports::of(window.last()), window.census()) else {
        return Verdict::Healthy(None);
    };
    let mut questions = Vec::new();
    let mut findings = Vec::new();
    for used in &census.ports {
        let Some(bound) = bound(window, &ports, used, limits) else { continue };
        let owner = bound.usages.iter().find_map(|usage| ports::owner(window, usage.service, &mut questions));
        findings.push(finding(&ports, &bound, owner, limits));
    }
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    findings.into()
}

fn bound<'a>(window: &Window<'a>, ports: &Ports, used: &PortUse, limits: &Limits) -> Option<Bound<'a>> {
    let mut usages = ports::usages(window, ports, limits);
    usages.retain(|usage| usage.source == used.source);
    let (all, second) = usages
        .iter()
        .fold((0, 0), |(all, second), usage| (all + usage.service.ports, second + usage.service.ports_second_parity));
    let expected = expected_shared(&usages, ports.capacity());
    // Plain connect() begins at an offset of its own for every destination and may well share nothing by chance, but it
    // takes the second parity last: ports of the first alone prove no bind().
    let none_shared = used.shared == 0 && expected >= limits.bind_shared_expected && odd_order(second, all, limits);
    let out_of_order = usages.iter().any(|usage| {
        let share = f64::from(usage.service.ports) / f64::from(usage.capacity.max(1));
        share < limits.bind_ratio_below && odd_order(usage.service.ports_second_parity, usage.service.ports, limits)
    });
    let enough = f64::from(used.distinct) >= limits.bind_ports_min;
    (enough && (none_shared || out_of_order)).then_some(Bound {
        source: used.source,
        distinct: used.distinct,
        usages,
        expected,
        second,
    })
}

fn odd_order(second: u32, all: u32, limits: &Limits) -> bool {
    f64::from(second) > f64::from(all) * limits.bind_second_parity_ratio && f64::from(all) >= limits.bind_ports_min
}

/// Ports that two destinations share by chance, over all pairs: Σ n_i · n_j / N.
fn expected_shared(usages: &[Usage], capacity: u32) -> f64 {
    let counts = || usages.iter().map(|usage| f64::from(usage.service.ports));
    let (sum, squares) = counts().fold((0.0, 0.0), |(sum, squares), n| (sum + n, squares + n * n));
    (sum * sum - squares) / 2.0 / f64::from(capacity.max(1))
}

fn finding(ports: &Ports, bound: &Bound, owner: Option<&Owner>, limits: &Limits) -> Finding {
    let share = f64::from(bound.distinct) / f64::from(ports.capacity().max(1));
    let severity = if share >= limits.bind_critical_ratio {
        Severity::Critical
    } else if share >= limits.bind_warning_ratio {
        Severity::Warning
    } else {
        Severity::Info
    };
    let who = owner.map_or_else(|| bound.source.to_string(), process);
    let summary = say! {
        en: "{who} binds before connecting: {distinct} of {capacity} local ports are gone for every program ({share})",
        ko: "{who}이(가) connect 전에 bind함: 로컬 포트 {capacity}개 중 {distinct}개를 모든 프로그램이 쓸 수 없음({share})",
        who = who, distinct = bound.distinct, capacity = ports.capacity(), share = percent(share)
    };
    let mut finding = Finding::new(severity, subject(bound, owner), summary);
    finding.confidence = if owner.is_some() { 0.85 } else { 0.75 };
    finding.size = share;
    finding.cause = say! {
        en: "bind() to port 0 takes each port exclusively, whatever the destination; {second} of the ports are of the parity that plain \
             connect() takes last. When none is left bind() fails with EADDRINUSE and other programs' connect() with EADDRNOTAVAIL",
        ko: "포트 0으로 bind()하면 목적지와 무관하게 포트를 독점함. 포트 중 {second}개가 일반 connect()가 나중에 쓰는 홀짝임. 바닥나면 bind()는 \
             EADDRINUSE, 다른 프로그램의 connect()는 EADDRNOTAVAIL로 실패함",
        second = bound.second
    };
    finding.now = vec![Advice::from(say! {
        en: "find the program that sets a source address for outgoing connections (proxy_bind, source, local address of a driver)",
        ko: "나가는 연결에 출발지 주소를 지정하는 프로그램을 찾는다(proxy_bind, source, 드라이버의 로컬 주소 설정)"
    })];
    finding.repair = vec![
        Advice::from(say! {
            en: "set IP_BIND_ADDRESS_NO_PORT (Linux 4.2) before bind(); nginx, HAProxy and others do so in current versions",
            ko: "bind() 전에 IP_BIND_ADDRESS_NO_PORT(Linux 4.2)를 설정한다. nginx, HAProxy 등은 현재 버전에서 그렇게 한다"
        })
        .effect(say! { en: "each destination has the whole range again", ko: "목적지마다 포트 범위 전체를 다시 씀" }),
    ];
    finding.avoid = ports::avoid();
    finding.ruled_out = ruled_out(bound);
    finding.verify = verify(bound, owner);
    with_evidence(finding, ports, bound, share)
}

fn subject(bound: &Bound, owner: Option<&Owner>) -> Subject {
    Subject {
        kind: if owner.is_some() { SubjectKind::Process } else { SubjectKind::Netns },
        source: Some(bound.source.to_string()),
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    }
}

fn ruled_out(bound: &Bound) -> Vec<crate::words::Message> {
    let (count, expected) = (bound.usages.len(), format!("{:.0}", bound.expected));
    vec![say! {
        en: "plain connect(): between {count} destinations it would share about {expected} ports, and takes the second parity only after the first",
        ko: "일반 connect(): 목적지 {count}곳 사이에 포트 약 {expected}개를 공유했을 것이고, 두 번째 홀짝은 첫 번째를 다 쓴 뒤에만 씀",
        count = count, expected = expected
    }]
}

fn verify(bound: &Bound, owner: Option<&Owner>) -> Vec<String> {
    let trace = owner.map(|owner| format!("strace -f -e trace=bind,connect -p {}", owner.pid));
    let list = format!("ss -Htan src {} | awk '{{print $4}}' | sort | uniq -c | sort -n | tail", bound.source);
    trace.into_iter().chain([list, "sysctl net.ipv4.ip_local_port_range".into()]).collect()
}

fn with_evidence(finding: Finding, ports: &Ports, bound: &Bound, share: f64) -> Finding {
    let (scope, source) = ("source address", "sock_diag");
    finding
        .evidence("local ports in use", (f64::from(bound.distinct), "ports"), scope, source)
        .evidence(
            "local ports",
            (f64::from(ports.capacity()), "ports"),
            "netns",
            "ip_local_port_range − reserved − listening",
        )
        .evidence("share in use", (share, "ratio"), scope, source)
        .evidence("destinations", (bound.usages.len() as f64, "destinations"), scope, source)
        .evidence("ports shared by chance", (bound.expected, "ports"), scope, "Σ nᵢ·nⱼ / N")
        .evidence("ports of the second parity", (f64::from(bound.second), "ports"), scope, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Socket, State};

    /// Connections to two services on these ports of a range of 1000.
    fn client(first: impl Iterator<Item = u16>, second: impl Iterator<Item = u16>) -> Example {
        let connect = |scene: Scene, port: u16, remote: &str| {
            let socket = Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + port), remote);
            scene.still(&socket.inode(77))
        };
        let scene = Scene::new().sysctl("net.ipv4.ip_local_port_range", "40000\t40999").owner(77, 42, "proxy");
        let scene = first.fold(scene, |scene, port| connect(scene, port, "192.0.2.9:80"));
        second.fold(scene, |scene, port| connect(scene, port, "192.0.2.9:81")).build()
    }

    pub(super) fn example() -> Example {
        client(0..475, 475..950)
    }

    #[test]
    fn ports_of_both_parities_that_no_two_destinations_share_were_bound() {
        // 475 · 475 / 1000 = 226 shared ports are expected, none is.
        let list = example().findings(&RULE);
        assert_eq!((list[0].severity, list[0].subject.pid), (Severity::Critical, Some(42)));
        assert_eq!(list[0].subject.source.as_deref(), Some("192.0.2.1"));
        assert_eq!(client(0..470, 479..950).severity(&RULE), Some(Severity::Warning));
        assert_eq!(client(0..250, 250..500).severity(&RULE), Some(Severity::Warning));
        assert_eq!(client(0..250, 250..499).severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn plain_connects_are_not_taken_for_it() {
        // Each destination counts the even ports upward from an offset of its own.
        assert_eq!(client((0..500).step_by(2), (500..1000).step_by(2)).severity(&RULE), None);
        // The same ports serve both.
        assert_eq!(client((0..800).step_by(2), (0..800).step_by(2)).severity(&RULE), None);
        // Past the half the second parity is what is left.
        assert_eq!(client((0..1000).step_by(2).chain((1..301).step_by(2)), 0..0).severity(&RULE), None);
    }

    #[test]
    fn one_destination_shows_it_by_the_parity() {
        let odd = |count: u16| client((1..1000).step_by(2).take(count.into()), 0..0);
        assert_eq!([odd(19).severity(&RULE), odd(20).severity(&RULE)], [None, Some(Severity::Info)]);
        // A quarter exactly is not more than a quarter.
        let quarter = |second: u16| client((0..150).step_by(2).chain((1..=second * 2).step_by(2)), 0..0);
        assert_eq!([quarter(25).severity(&RULE), quarter(26).severity(&RULE)], [None, Some(Severity::Info)]);
    }
}
