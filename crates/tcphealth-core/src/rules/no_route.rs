//! `no-route`: there is no route to the destination.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use super::judge::said;
use super::{Ask, Known, Limits, Page, Read, Rule, connecting};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::Watch;
use crate::window::Window;
use crate::{say, text};

const NO_ROUTES: Counter = Counter("Ip.OutNoRoutes");
const NO_ROUTES6: Counter = Counter("Ip6OutNoRoutes");
/// An address of the global unicast space (RFC 4291 §2.4): with no route to it the host has no IPv6 beyond its links.
const GLOBAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1));

/// The rule.
pub static RULE: Rule = Rule {
    id: "no-route",
    trouble: text! { en: "no route to the destination", ko: "목적지로 가는 경로가 없음" },
    page: Page {
        sees: text! {
            en: "ΔIp.OutNoRoutes and, where IPv6 has a global route, ΔIp6OutNoRoutes; without one, the TCP sockets that died without a \
                 port of their own: connects to unique local addresses, and to global ones where fewer connects succeeded meanwhile.",
            ko: "ΔIp.OutNoRoutes, 그리고 전역 IPv6 경로가 있으면 ΔIp6OutNoRoutes. 없으면 자기 포트도 얻지 못하고 사라진 TCP 소켓, 곧 고유 \
                 로컬 주소로의 연결과, 그동안 성공한 연결이 더 적을 때 전역 주소로의 연결."
        },
        matters: text! {
            en: "connect() fails at once with 'Network is unreachable'; no packet leaves. On a host without IPv6 every name lookup tries \
                 an IPv6 route and counts one: that is harmless.",
            ko: "connect()가 곧바로 'Network is unreachable'로 실패하고 패킷은 나가지 않는다. IPv6가 없는 호스트에서는 이름을 찾을 때마다 \
                 IPv6 경로를 시도해 하나씩 세므로 해롭지 않다."
        },
        act: text! { en: "Add the missing route.", ko: "빠진 경로를 추가한다." },
        sources: "RFC 4293 ipSystemStatsOutNoRoutes; net/ipv4/tcp_ipv4.c tcp_v4_connect(); net/ipv6/ip6_output.c ip6_dst_lookup_tail(); \
                  RFC 6724 §2",
    },
    rank: 99,
    reads: &[Read::Counter(NO_ROUTES), Read::Window],
    asks: &[Ask::Route, Ask::Watch(Watch::Closed)],
    hides: &[],
    watches: |window, _| match window.delta(NO_ROUTES6) {
        Some(1..) => vec![Watch::Closed],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (v4, v6) = (window.delta(NO_ROUTES).unwrap_or(0), window.delta(NO_ROUTES6).unwrap_or(0));
    if v4 + v6 == 0 {
        return said(window, limits, Vec::new(), Vec::new());
    }
    let has_ipv6 = match window.route(GLOBAL) {
        Known::Ask(question) if v6 > 0 => return Verdict::Ask(vec![question]),
        Known::Yes(_) => true,
        _ => false,
    };
    let (connects, place) = unrouted(window);
    let hurts = if has_ipv6 { v4 + v6 } else { v4 + connects };
    let finding = finding(window, limits, (hurts, place));
    let finding = finding.evidence(NO_ROUTES.0, (v4 as f64, "packets"), "netns", "/proc/net/snmp").evidence(
        NO_ROUTES6.0,
        (v6 as f64, "packets"),
        "netns",
        "/proc/net/snmp6",
    );
    Verdict::Findings(vec![finding])
}

/// TCP connects that found no IPv6 route, and where most of them went: the socket dies with its peer's address and without a port.
/// A program that tries IPv6 first and then succeeds over IPv4 is not hurt by it.
fn unrouted(window: &Window) -> (u64, Option<IpAddr>) {
    let dead = connecting::closed_clients(window).filter(|closed| closed.local.port == 0 && !closed.remote.is_any());
    let (mut own, mut global) = (BTreeMap::new(), BTreeMap::new());
    for closed in dead {
        let address = closed.remote.address;
        let unique_local = matches!(address, IpAddr::V6(address) if address.is_unique_local());
        *(if unique_local { &mut own } else { &mut global }).entry(address).or_insert(0) += 1;
    }
    let tried: u64 = global.values().sum();
    let opened = window.delta(connecting::ACTIVE_OPENS).unwrap_or(0);
    if opened < tried + connecting::failed(window).unwrap_or(0) {
        own.append(&mut global);
    }
    (own.values().sum(), own.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address))
}

fn finding(window: &Window, limits: &Limits, (hurts, place): (u64, Option<IpAddr>)) -> Finding {
    let per_second = hurts as f64 / window.seconds();
    let many = hurts as f64 >= limits.no_route_warning_count && per_second >= limits.no_route_warning_per_second;
    let severity = if many { Severity::Warning } else { Severity::Info };
    let rate = format!("{per_second:.1}");
    let summary = if hurts > 0 {
        say! { en: "{hurts} packets had no route ({rate} a second)", ko: "경로가 없는 패킷 {hurts}개(초당 {rate}개)", hurts = hurts, rate = rate }
    } else {
        say! { en: "lookups try IPv6, which this host does not have", ko: "이름 조회가 이 호스트에 없는 IPv6를 시도함" }
    };
    Finding {
        confidence: 0.9,
        size: per_second,
        cause: say! {
            en: "the routing table has no entry for the destination, or a rule forbids it; the program sees 'Network is unreachable'. \
                 Which destination, this counter does not tell.",
            ko: "라우팅 테이블에 목적지 항목이 없거나 규칙이 막고 있음. 프로그램은 'Network is unreachable'을 봄. 이 카운터로는 어느 \
                 목적지인지 알 수 없음."
        },
        now: vec![Advice::from(say! {
            en: "ip route get DESTINATION for what the programs here connect to; strace -f -e trace=connect -p PID names it",
            ko: "이쪽 프로그램이 접속하는 주소에 ip route get을 실행한다. strace -f -e trace=connect -p PID로 주소를 알 수 있다"
        })],
        repair: vec![Advice::from(say! {
            en: "add the route, or the default route; or mend what should have set it (DHCP, the routing daemon, the VPN)",
            ko: "경로나 기본 경로를 추가하거나, 그것을 설정했어야 할 DHCP·라우팅 데몬·VPN을 고친다"
        })],
        verify: vec!["nstat -z IpOutNoRoutes Ip6OutNoRoutes".into(), "ip route; ip -6 route".into()],
        ..Finding::new(severity, subject(place), summary)
    }
}

/// The destination where a socket told it, else the namespace.
fn subject(place: Option<IpAddr>) -> Subject {
    let Some(place) = place else { return Subject::default() };
    Subject { kind: SubjectKind::Destination, remote: Some(place.to_string()), ..Subject::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{ClosedSocket, Endpoint, Fact, Heard, Question};

    fn scene(v4: u64, v6: u64) -> Scene {
        let nowhere = Question::Route { peer: GLOBAL };
        Scene::new().grew(NO_ROUTES.0, v4).grew(NO_ROUTES6.0, v6).answer(nowhere, Ok(Fact::Route(None)))
    }

    pub(super) fn example() -> Example {
        scene(10, 0).build()
    }

    #[test]
    fn one_is_worth_a_line_and_ten_at_one_a_second_a_warning() {
        assert_eq!(scene(0, 0).build().severity(&RULE), None);
        assert_eq!(scene(1, 0).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(9, 0).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 0).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10, 0).lasting(11).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn connects_over_ipv6_that_nothing_replaces_hurt() {
        let level = |address: &str, opened| {
            let dead = |_| ClosedSocket {
                remote: Endpoint::new(address.parse().unwrap(), 0),
                local: Endpoint::new("::".parse().unwrap(), 0),
                ..ClosedSocket::default()
            };
            let heard = Heard { closed: (0..10).map(dead).collect(), ..Heard::default() };
            let scene = scene(0, 500).answer(Question::Watch(Watch::Closed), Ok(Fact::Heard(heard)));
            scene.grew(connecting::ACTIVE_OPENS.0, opened).build().severity(&RULE)
        };
        assert_eq!(level("fd00:99::5", 500), Some(Severity::Warning));
        let global = [9, 10].map(|opened| level("2001:db8::5", opened));
        assert_eq!(global, [Some(Severity::Warning), Some(Severity::Info)], "IPv4 answered as often");
    }

    #[test]
    fn a_host_without_ipv6_counts_lookups_and_that_is_harmless() {
        assert_eq!(scene(0, 500).build().severity(&RULE), Some(Severity::Info));
        let with_ipv6 = scene(0, 500).route("2000::1", Some("fe80::1"), "eth0");
        assert_eq!(with_ipv6.build().severity(&RULE), Some(Severity::Warning));
    }
}
