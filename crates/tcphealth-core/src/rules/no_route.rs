//! `no-route`: there is no route to the destination.

use std::net::{IpAddr, Ipv6Addr};

use super::judge::said;
use super::{Ask, Known, Limits, Page, Read, Rule, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
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
            en: "ΔIp.OutNoRoutes and, where IPv6 has a global route, ΔIp6OutNoRoutes.",
            ko: "ΔIp.OutNoRoutes, 그리고 전역 IPv6 경로가 있으면 ΔIp6OutNoRoutes."
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
    asks: &[Ask::Route],
    hides: &[],
    watches: watches_nothing,
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
    let hurts = if has_ipv6 { v4 + v6 } else { v4 };
    let finding = finding(window, limits, hurts);
    let finding = finding.evidence(NO_ROUTES.0, (v4 as f64, "packets"), "netns", "/proc/net/snmp").evidence(
        NO_ROUTES6.0,
        (v6 as f64, "packets"),
        "netns",
        "/proc/net/snmp6",
    );
    Verdict::Findings(vec![finding])
}

fn finding(window: &Window, limits: &Limits, hurts: u64) -> Finding {
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
        ..Finding::new(severity, Subject::default(), summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Fact, Question};

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
    fn a_host_without_ipv6_counts_lookups_and_that_is_harmless() {
        assert_eq!(scene(0, 500).build().severity(&RULE), Some(Severity::Info));
        let with_ipv6 = scene(0, 500).route("2000::1", Some("fe80::1"), "eth0");
        assert_eq!(with_ipv6.build().severity(&RULE), Some(Severity::Warning));
    }
}
