//! `rejected-by-router`: an ICMP error from a router or firewall rejects the connections.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::connecting::{self, ATTEMPT_FAILS, DESTINATIONS_MAX, EMBRYONIC_RSTS, Waiting};
use super::judge::said;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Endpoint, Packet, PacketKind, Question, Watch};
use crate::window::Window;
use crate::{say, text};

/// ICMP and ICMPv6 errors "destination unreachable" that arrived; a host without IPv6 lacks the second.
pub(super) const IN_UNREACHABLE: [Counter; 2] = [Counter("Icmp.InDestUnreachs"), Counter("Icmp6InDestUnreachs")];
const OUT_UNREACHABLE: [Counter; 2] = [Counter("Icmp.OutDestUnreachs"), Counter("Icmp6OutDestUnreachs")];

/// The rule.
pub static RULE: Rule = Rule {
    id: "rejected-by-router",
    trouble: text! {
        en: "an ICMP error from a router or firewall rejects the connections",
        ko: "라우터나 방화벽이 ICMP 오류로 연결을 거절함"
    },
    page: Page {
        sees: text! {
            en: "ΔIcmp.InDestUnreachs − ΔIcmp.OutDestUnreachs (and Icmp6…) ≥ 2, while connects fail (ΔTcp.AttemptFails − \
                 ΔTcpExt.EmbryonicRsts); the destinations from SYN_SENT sockets that send their SYN again, and from the ICMP errors, with \
                 their sender, that a packet socket hears.",
            ko: "ΔIcmp.InDestUnreachs − ΔIcmp.OutDestUnreachs(Icmp6 포함) ≥ 2이면서 실패하는 연결이(ΔTcp.AttemptFails − \
                 ΔTcpExt.EmbryonicRsts > 0) 있을 때. 목적지는 SYN을 다시 보내는 SYN_SENT 소켓과 패킷 소켓이 들은 ICMP 오류로, 오류를 보낸 주소도 \
                 패킷 소켓으로 안다."
        },
        matters: text! {
            en: "connect() fails with 'No route to host' or hangs: errors are limited to about one a second, so that only some SYNs get one.",
            ko: "connect()가 'No route to host'로 실패하거나 멈춘다. 오류는 초당 한 번 정도로 제한되어 일부 SYN만 오류를 받는다."
        },
        act: text! {
            en: "Ask whoever runs the router that sends the errors for its rule on this destination and port.",
            ko: "오류를 보낸 라우터의 관리자에게 이 목적지와 포트에 대한 규칙을 확인한다."
        },
        sources: "RFC 792; RFC 1812 §5.2.7.1; RFC 4443 §3.1; net/ipv4/tcp_ipv4.c tcp_v4_err(); net/ipv4/icmp.c icmp_global_allow()",
    },
    rank: 12,
    reads: &[
        Read::Counter(IN_UNREACHABLE[0]),
        Read::Counter(OUT_UNREACHABLE[0]),
        Read::Counter(ATTEMPT_FAILS),
        Read::Counter(EMBRYONIC_RSTS),
        Read::Census,
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Watch(Watch::IcmpErrors), Ask::Watch(Watch::Closed)],
    hides: &[
        Hides { rule: "connect-unanswered", shared: Shared::Destination },
        Hides { rule: "slow-connect", shared: Shared::Destination },
    ],
    watches: |window, _| match errors(window) {
        Some(errors) if errors > 0 => vec![Watch::IcmpErrors, Watch::Closed],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

/// Errors that arrived, without those that this host sent to itself for a silent neighbour.
fn errors(window: &Window) -> Option<u64> {
    let all = |counters: [Counter; 2]| {
        let [v4, v6] = counters;
        Some(window.delta(v4)? + window.delta(v6).unwrap_or(0))
    };
    Some(all(IN_UNREACHABLE)?.saturating_sub(all(OUT_UNREACHABLE)?))
}

/// Who rejects connects to one destination, and with what.
type Rejections<'a> = BTreeMap<Endpoint, Vec<&'a Packet>>;

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (mut questions, mut list) = (Vec::new(), Vec::new());
    let errors = errors(window).unwrap_or(0);
    let failed = connecting::failed(window).unwrap_or(0);
    if errors as f64 >= limits.rejected_by_router_warning_errors && failed > 0 {
        let heard = rejections(window);
        for target in targets(window, &heard).iter().take(DESTINATIONS_MAX) {
            let packets = heard.get(&target.destination).map(Vec::as_slice).unwrap_or_default();
            let severity = severity(window, limits, target, failed);
            list.push(finding(window, target, (packets, errors, severity), &mut questions));
        }
    }
    said(window, limits, list, questions)
}

/// Destinations whose connects wait, or fail faster than a look can see; of them those that errors were heard about, if any were.
fn targets(window: &Window, heard: &Rejections) -> Vec<Waiting> {
    let mut targets = connecting::waiting(window);
    if !heard.is_empty() {
        targets.retain(|target| heard.contains_key(&target.destination));
        let seen: Vec<Endpoint> = targets.iter().map(|target| target.destination).collect();
        let unseen = heard.iter().filter(|(place, _)| !seen.contains(place) && !connecting::connected(window, place));
        targets.extend(
            unseen.filter_map(|(place, packets)| Some(Waiting::unseen(*place, packets.first()?.source.address))),
        );
    } else if targets.is_empty() {
        let failed =
            connecting::closed_clients(window).filter(|closed| closed.segs_in == Some(0) && closed.remote.port != 0);
        let places: BTreeMap<Endpoint, IpAddr> = failed.map(|closed| (closed.remote, closed.local.address)).collect();
        targets.extend(places.into_iter().map(|(place, source)| Waiting::unseen(place, source)));
    }
    targets
}

fn severity(window: &Window, limits: &Limits, target: &Waiting, failed: u64) -> Severity {
    let tries = failed + u64::from(target.sockets);
    let in_vain = !connecting::connected(window, &target.destination);
    if tries as f64 >= limits.rejected_by_router_critical_count && in_vain {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

/// The errors heard, by the destination of the segment they quote; none that this host sent itself.
fn rejections<'a>(window: &Window<'a>) -> Rejections<'a> {
    let mut found = Rejections::new();
    let packets = connecting::heard(window, Watch::IcmpErrors).into_iter().flat_map(|heard| &heard.packets);
    for packet in packets.filter(|packet| !packet.outgoing && packet.from != packet.source.address) {
        if rejects(packet) {
            found.entry(packet.destination).or_default().push(packet);
        }
    }
    found
}

/// Unreachable, but not "fragmentation needed", which is path MTU discovery at work.
fn rejects(packet: &Packet) -> bool {
    match packet.kind {
        PacketKind::IcmpError { icmp_type: 3, code } => packet.from.is_ipv4() && code != 4,
        PacketKind::IcmpError { icmp_type: 1, .. } => packet.from.is_ipv6(),
        _ => false,
    }
}

fn finding(
    window: &Window,
    target: &Waiting,
    (packets, errors, severity): (&[&Packet], u64, Severity),
    questions: &mut Vec<Question>,
) -> Finding {
    let place = target.destination;
    let router = packets.first().map(|packet| packet.from);
    let mut subject = target.subject(window, questions);
    subject.hop = router.map(|router| router.to_string());
    let summary = match router {
        Some(router) => {
            say! { en: "{router} rejects connections to {place}", ko: "{router}이(가) {place}(으)로 가는 연결을 거절함", router = router, place = place }
        }
        None => {
            say! { en: "a router on the way rejects connections to {place}", ko: "경로상의 라우터가 {place}(으)로 가는 연결을 거절함", place = place }
        }
    };
    let finding = Finding {
        confidence: if router.is_some() { 0.95 } else { 0.75 },
        size: f64::from(target.sockets),
        cause: cause(place, router, packets),
        now: vec![Advice::from(say! {
            en: "ask who runs that router or firewall for its rule on {place}",
            ko: "그 라우터나 방화벽의 관리자에게 {place}에 대한 규칙을 확인한다",
            place = place
        })],
        repair: vec![Advice::from(say! {
            en: "allow TCP to {place} there, or mend the route that ends there",
            ko: "그곳에서 {place}(으)로 가는 TCP를 허용하거나, 그곳에서 끊기는 경로를 바로잡는다",
            place = place
        })],
        verify: vec!["tcpdump -ni any 'icmp[0] = 3 or icmp6[0] = 1'".into(), "nstat -z IcmpInDestUnreachs".into()],
        ..Finding::new(severity, subject, summary)
    };
    let finding = finding
        .evidence("InDestUnreachs - OutDestUnreachs", (errors as f64, "errors"), "netns", "/proc/net/snmp, snmp6")
        .evidence("SYN_SENT with SYN sent again", (f64::from(target.sockets), "sockets"), "destination", "sock_diag");
    if packets.is_empty() {
        return finding;
    }
    finding.evidence("ICMP errors heard", (packets.len() as f64, "packets"), "destination", "packet socket")
}

fn cause(place: Endpoint, router: Option<IpAddr>, packets: &[&Packet]) -> crate::words::Message {
    let kind = packets.first().map(|packet| packet.kind);
    match (router, kind) {
        (Some(router), Some(PacketKind::IcmpError { icmp_type, code })) if router == place.address => say! {
            en: "{router} itself answers with ICMP type {icmp_type} code {code}: its own filter rejects this port",
            ko: "{router} 자신이 ICMP type {icmp_type} code {code}(으)로 답함: 그 호스트의 방화벽이 이 포트를 거절함",
            router = router, icmp_type = icmp_type, code = code
        },
        (Some(router), Some(PacketKind::IcmpError { icmp_type, code })) => say! {
            en: "{router} answers the SYNs to {place} with ICMP type {icmp_type} code {code}: a rule there rejects them, or it has no route",
            ko: "{router}이(가) {place}(으)로 가는 SYN에 ICMP type {icmp_type} code {code}(으)로 답함: 그곳의 규칙이 거절하거나 경로가 없음",
            router = router, place = place, icmp_type = icmp_type, code = code
        },
        _ => say! {
            en: "ICMP errors arrive while connects to {place} fail; who sends them was not heard (that takes CAP_NET_RAW)",
            ko: "{place}(으)로의 연결이 실패하는 동안 ICMP 오류가 도착함. 누가 보내는지는 듣지 못함(CAP_NET_RAW 필요)",
            place = place
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect_unanswered::tests::waiting;
    use super::*;
    use crate::rules::testing::{Example, Scene, endpoint, last_two};
    use crate::snapshot::{ClosedSocket, Fact, Heard};

    const PLACE: &str = "198.51.100.7:9000";

    fn scene(errors: u64, failed: u64) -> Scene {
        Scene::new()
            .owner(1, 42, "app")
            .grew(IN_UNREACHABLE[0].0, errors)
            .grew(ATTEMPT_FAILS.0, failed)
            .still(&waiting(0, PLACE))
    }

    fn error(from: &str, icmp_type: u8, code: u8) -> Packet {
        Packet {
            kind: PacketKind::IcmpError { icmp_type, code },
            at_ns: 0,
            outgoing: false,
            ifindex: 2,
            from: from.parse().unwrap(),
            ttl: 60,
            source: endpoint("192.0.2.1:40000"),
            destination: endpoint(PLACE),
            sequence: 1,
        }
    }

    fn hearing(scene: Scene, packets: Vec<Packet>) -> Scene {
        let heard = Heard { packets, ..Heard::default() };
        scene.answer(Question::Watch(Watch::IcmpErrors), Ok(Fact::Heard(heard)))
    }

    pub(super) fn example() -> Example {
        hearing(scene(6, 6), vec![error("203.0.113.1", 3, 13)]).build()
    }

    #[test]
    fn two_errors_with_failed_connects_are_a_warning_and_ten_failures_critical() {
        assert_eq!(scene(1, 1).build().severity(&RULE), None);
        assert_eq!(scene(2, 0).build().severity(&RULE), None);
        assert_eq!(scene(2, 1).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(6, 8).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(6, 9).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn errors_of_our_own_for_a_silent_neighbour_do_not_count() {
        assert_eq!(scene(6, 6).grew(OUT_UNREACHABLE[0].0, 5).build().severity(&RULE), None);
    }

    #[test]
    fn the_router_is_named_when_it_was_heard() {
        let found = example().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some(PLACE));
        assert_eq!((found[0].subject.hop.as_deref(), found[0].subject.pid), (Some("203.0.113.1"), Some(42)));
        assert!(found[0].cause.en.contains("type 3 code 13"));
        let unheard = scene(6, 6).build().findings(&RULE);
        assert_eq!(unheard[0].subject.hop, None);
    }

    #[test]
    fn connects_that_fail_faster_than_a_look_are_named_by_the_errors_or_by_their_sockets() {
        let fast = || Scene::new().grew(IN_UNREACHABLE[0].0, 6).grew(ATTEMPT_FAILS.0, 6);
        let remote =
            |scene: Scene| scene.build().findings(&RULE).first().and_then(|found| found.subject.remote.clone());
        assert_eq!(remote(hearing(fast(), vec![error("203.0.113.1", 3, 13)])).as_deref(), Some(PLACE));
        let died = |segments| {
            let closed = ClosedSocket { remote: endpoint(PLACE), segs_in: Some(segments), ..ClosedSocket::default() };
            let heard = Heard { closed: vec![closed], ..Heard::default() };
            fast().answer(Question::Watch(Watch::Closed), Ok(Fact::Heard(heard)))
        };
        assert_eq!(remote(died(0)).as_deref(), Some(PLACE));
        assert_eq!(died(1).build().severity(&RULE), None);
    }

    #[test]
    fn path_mtu_discovery_and_our_own_errors_name_no_router() {
        let scene = hearing(scene(6, 6), vec![error("203.0.113.1", 3, 4), error("192.0.2.1", 3, 1)]);
        assert_eq!(scene.build().findings(&RULE)[0].subject.hop, None);
    }

    #[test]
    fn one_error_a_minute_for_ten_minutes_is_a_warning() {
        assert_eq!(last_two(&RULE, 10, |_| scene(1, 1).lasting(60).build()), [None, Some(Severity::Warning)]);
    }
}
