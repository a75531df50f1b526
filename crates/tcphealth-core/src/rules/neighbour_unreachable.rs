//! `neighbour-unreachable`: the next hop or peer does not answer ARP or neighbour discovery.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::connecting::DESTINATIONS_MAX;
use super::judge::{reason_of, said};
use super::{Ask, Hides, Known, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::snapshot::{Absent, Census, Neighbour, NeighbourState, Socket, State, Timer};
use crate::window::Window;
use crate::{say, text};

const TIMEOUTS: Counter = Counter("TcpExt.TCPTimeouts");
const HOST_QUEUES: Counter = Counter("TcpExt.TCPSpuriousRtxHostQueues");
const RETRANS: Counter = Counter("Tcp.RetransSegs");

/// The rule.
pub static RULE: Rule = Rule {
    id: "neighbour-unreachable",
    trouble: text! {
        en: "the next hop or peer does not answer ARP/ND",
        ko: "다음 홉이나 상대가 ARP/ND에 응답하지 않음"
    },
    page: Page {
        sees: text! {
            en: "A neighbour entry INCOMPLETE or FAILED while a socket that waits for an answer is routed to it. The SYNs never leave: \
                 TcpExt.TCPTimeouts and TcpExt.TCPSpuriousRtxHostQueues grow, Tcp.RetransSegs does not.",
            ko: "응답을 기다리는 소켓의 경로에 있는 이웃 항목이 INCOMPLETE 또는 FAILED인 경우. SYN이 나가지도 못하므로 \
                 TcpExt.TCPTimeouts와 TcpExt.TCPSpuriousRtxHostQueues는 늘고 Tcp.RetransSegs는 늘지 않는다."
        },
        matters: text! {
            en: "connect() fails with 'No route to host' after about 3 s; when it is the gateway, everything behind it is cut off.",
            ko: "connect()가 약 3초 뒤 'No route to host'로 실패한다. 게이트웨이라면 그 너머 전체가 끊긴다."
        },
        act: text! {
            en: "See whether the neighbour has power, is in the right VLAN, and whether the netmask here is right.",
            ko: "이웃 장비의 전원과 VLAN, 이쪽의 넷마스크가 맞는지 확인한다."
        },
        sources: "RFC 826; RFC 4861 §7.3; net/core/neighbour.c neigh_timer_handler(); net/ipv4/tcp_output.c skb_still_in_host_queue()",
    },
    rank: 11,
    reads: &[Read::Census],
    asks: &[Ask::Route, Ask::Neighbour],
    hides: &[
        Hides { rule: "connect-unanswered", shared: Shared::Peer },
        Hides { rule: "own-firewall-drop", shared: Shared::Peer },
        Hides { rule: "rejected-by-router", shared: Shared::Peer },
        Hides { rule: "slow-connect", shared: Shared::Peer },
        Hides { rule: "half-open-suspect", shared: Shared::Peer },
        Hides { rule: "peer-vanished", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// A neighbour that does not answer, and who waits for it.
struct Silent<'a> {
    address: IpAddr,
    entry: &'a Neighbour,
    gateway: bool,
    peers: BTreeSet<IpAddr>,
    sockets: u32,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (mut questions, mut refused) = (Vec::new(), None);
    let mut silent: BTreeMap<IpAddr, Silent> = BTreeMap::new();
    for (peer, sockets) in waiting_peers(window) {
        match next_hop(window, peer) {
            Known::Ask(question) => questions.push(question),
            Known::No(Absent::NotHere) => {}
            Known::No(absent) => refused = Some(absent),
            Known::Yes((address, entry)) => {
                let gateway = address != peer;
                let empty = || Silent { address, entry, gateway, peers: BTreeSet::new(), sockets: 0 };
                let found = silent.entry(address).or_insert_with(empty);
                found.peers.insert(peer);
                found.sockets += sockets;
            }
        }
    }
    silent.retain(|_, next| matches!(next.entry.state, NeighbourState::Incomplete | NeighbourState::Failed));
    let list: Vec<Finding> = silent.values().map(|silent| finding(window, silent)).collect();
    match refused {
        Some(absent) if list.is_empty() && questions.is_empty() => {
            Verdict::Undecided(Why { reason: reason_of(&absent), needs: None })
        }
        _ => said(window, limits, list, questions),
    }
}

/// The neighbour by which packets to a peer go; `NotHere` when they stay in this host or have no route.
fn next_hop<'a>(window: &Window<'a>, peer: IpAddr) -> Known<(IpAddr, &'a Neighbour)> {
    let route = match window.route(peer) {
        Known::Yes(route) if !route.local => route,
        Known::Yes(_) => return Known::No(Absent::NotHere),
        Known::No(absent) => return Known::No(absent),
        Known::Ask(question) => return Known::Ask(question),
    };
    let address = route.gateway.unwrap_or(peer);
    match window.neighbour(address) {
        Known::Yes(entry) => Known::Yes((address, entry)),
        Known::No(absent) => Known::No(absent),
        Known::Ask(question) => Known::Ask(question),
    }
}

/// Peers with a socket that has sent something again in vain at one of the looks, those with most first. A connect to a silent
/// neighbour fails after three seconds, so that those of the first look may be gone and those of the second still young.
fn waiting_peers(window: &Window) -> Vec<(IpAddr, u32)> {
    // What never left this host proves that some link address was asked for in vain: then the youngest SYN counts, too.
    let kept_here = window.delta(HOST_QUEUES).is_some_and(|count| count > 0);
    let mut peers = waiting_at(window.census(), kept_here);
    for (peer, sockets) in waiting_at(window.census_before(), kept_here) {
        let most = peers.entry(peer).or_default();
        *most = sockets.max(*most);
    }
    let mut list: Vec<_> = peers.into_iter().collect();
    list.sort_by_key(|(_, sockets)| std::cmp::Reverse(*sockets));
    list.truncate(DESTINATIONS_MAX);
    list
}

fn waiting_at(census: Option<&Census>, kept_here: bool) -> BTreeMap<IpAddr, u32> {
    let mut peers: BTreeMap<IpAddr, u32> = BTreeMap::new();
    let sockets = census.into_iter().flat_map(|census| &census.sockets);
    for followed in sockets.filter(|followed| waits(&followed.socket, kept_here)) {
        *peers.entry(followed.socket.remote.address).or_default() += 1;
    }
    peers
}

fn waits(socket: &Socket, kept_here: bool) -> bool {
    let in_vain = socket.timer_retrans > 0 || (kept_here && socket.state == State::SynSent);
    socket.timer == Timer::On && in_vain && !matches!(socket.state, State::SynRecv | State::Listen)
}

/// A gateway, or a peer that was connected: something that worked is gone.
fn severity(window: &Window, silent: &Silent) -> Severity {
    let looks = [window.census(), window.census_before()].into_iter().flatten();
    let mut services = looks.flat_map(|census| &census.services);
    let worked = services.any(|service| {
        let remote = service.key.destination().map(|destination| destination.address);
        remote == Some(silent.address) && service.states.get(State::Established) > 0
    });
    if silent.gateway || worked { Severity::Critical } else { Severity::Warning }
}

fn finding(window: &Window, silent: &Silent) -> Finding {
    let (address, device) = (silent.address, &silent.entry.interface);
    let subject = Subject {
        kind: SubjectKind::Peer,
        remote: Some(address.to_string()),
        interface: Some(device.clone()),
        ..Subject::default()
    };
    let protocol = if address.is_ipv4() { "ARP" } else { "ND" };
    let summary = say! {
        en: "{address} does not answer {protocol} on {device}",
        ko: "{address}이(가) {device}에서 {protocol}에 응답하지 않음",
        address = address, protocol = protocol, device = device
    };
    let finding = Finding {
        size: f64::from(silent.sockets),
        cause: cause(silent),
        concerns: silent.peers.iter().map(ToString::to_string).collect(),
        now: vec![Advice::from(say! {
            en: "ip neigh show {address}; arping -I {device} {address} (IPv6: ndisc6 {address} {device})",
            ko: "ip neigh show {address}; arping -I {device} {address} (IPv6: ndisc6 {address} {device})",
            address = address, device = device
        })],
        repair: vec![Advice::from(say! {
            en: "power and cable of {address}, its VLAN and the switch port; the netmask here (is {address} really on {device}?); an \
                 address used twice",
            ko: "{address}의 전원과 케이블, VLAN과 스위치 포트, 이쪽의 넷마스크({address}이(가) 정말 {device}에 있는지), IP 중복 사용을 확인한다",
            address = address, device = device
        })],
        ruled_out: vec![say! {
            en: "no filter on the path: the packets do not leave this host while the link address is unknown",
            ko: "경로상의 방화벽 아님: 링크 주소를 몰라 패킷이 이 호스트를 떠나지 못함"
        }],
        verify: vec![
            format!("ip neigh show {address}"),
            "nstat -z TcpRetransSegs TcpExtTCPTimeouts TcpExtTCPSpuriousRtxHostQueues".into(),
        ],
        ..Finding::new(severity(window, silent), subject, summary)
    };
    let finding =
        finding.evidence("sockets that wait for it", (f64::from(silent.sockets), "sockets"), "peer", "sock_diag");
    [TIMEOUTS, HOST_QUEUES, RETRANS].into_iter().fold(finding, |finding, counter| match window.delta(counter) {
        Some(count) => finding.evidence(counter.0, (count as f64, "segments"), "netns", "/proc/net/netstat, snmp"),
        None => finding,
    })
}

fn cause(silent: &Silent) -> crate::words::Message {
    let (address, peers) = (silent.address, silent.peers.len());
    if silent.gateway {
        say! {
            en: "the gateway {address} is down or cut off at the link: {peers} peers behind it cannot be reached",
            ko: "게이트웨이 {address}이(가) 죽었거나 링크에서 끊김: 그 너머의 상대 {peers}곳에 닿을 수 없음",
            address = address, peers = peers
        }
    } else {
        say! {
            en: "{address} is switched off, in another VLAN, or not on this network at all (wrong netmask)",
            ko: "{address}이(가) 꺼져 있거나 다른 VLAN에 있거나 이 네트워크에 없음(잘못된 넷마스크)",
            address = address
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect_unanswered;
    use super::super::connect_unanswered::tests::waiting;
    use super::*;
    use crate::report::Word;
    use crate::rules::testing::{Example, Scene};
    use crate::rules::{History, Limits, judge};
    use crate::snapshot::{Fact, Question};

    fn neighbour(scene: Scene, address: &str, state: NeighbourState) -> Scene {
        let fact = Fact::Neighbour(Neighbour { state, ifindex: 2, interface: "eth0".into() });
        scene.answer(Question::Neighbour { address: address.parse().unwrap() }, Ok(fact))
    }

    fn scene(state: NeighbourState) -> Scene {
        let scene =
            Scene::new().owner(1, 42, "app").born(waiting(0, "192.0.2.77:80")).route("192.0.2.77", None, "eth0");
        neighbour(scene, "192.0.2.77", state)
    }

    fn behind_gateway() -> Scene {
        let scene = Scene::new().each(3, |scene, n| {
            let peer = format!("198.51.100.{n}");
            let waits = waiting(n, &format!("{peer}:80"));
            scene.born(waits).owner(u32::from(n) + 1, 42, "app").route(&peer, Some("192.0.2.254"), "eth0")
        });
        neighbour(scene, "192.0.2.254", NeighbourState::Failed)
    }

    pub(super) fn example() -> Example {
        scene(NeighbourState::Failed).build()
    }

    #[test]
    fn only_a_neighbour_that_was_asked_in_vain_is_a_finding() {
        assert_eq!(scene(NeighbourState::Answers).build().severity(&RULE), None);
        assert_eq!(scene(NeighbourState::Unknown).build().severity(&RULE), None);
        assert_eq!(scene(NeighbourState::Incomplete).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(NeighbourState::Failed).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn connects_of_the_first_look_may_have_failed_by_the_second() {
        let young = |scene: Scene| {
            scene.born(Socket::tcp(State::SynSent, "192.0.2.1:41000", "192.0.2.77:80").timer(Timer::On, 0, 900))
        };
        let scene = |state| {
            let scene = young(Scene::new().gone(waiting(0, "192.0.2.77:80"))).route("192.0.2.77", None, "eth0");
            neighbour(scene, "192.0.2.77", state).build().severity(&RULE)
        };
        assert_eq!(scene(NeighbourState::Incomplete), Some(Severity::Warning));
        assert_eq!(scene(NeighbourState::Answers), None);
        let alone = || {
            let scene = young(Scene::new()).route("192.0.2.77", None, "eth0");
            neighbour(scene, "192.0.2.77", NeighbourState::Incomplete)
        };
        assert_eq!(alone().build().severity(&RULE), None, "a neighbour is asked for once, too, by a first connect");
        let kept_here = alone().grew(HOST_QUEUES.0, 3).build();
        assert_eq!(kept_here.severity(&RULE), Some(Severity::Warning), "SYNs that did not leave");
    }

    #[test]
    fn a_failed_entry_that_nobody_waits_for_is_nothing() {
        let scene = neighbour(Scene::new(), "192.0.2.77", NeighbourState::Failed);
        assert_eq!(scene.build().severity(&RULE), None);
    }

    #[test]
    fn a_peer_that_was_connected_and_a_gateway_are_critical() {
        let open = Socket::tcp(State::Established, "192.0.2.1:50000", "192.0.2.77:22");
        assert_eq!(scene(NeighbourState::Failed).gone(open).build().severity(&RULE), Some(Severity::Critical));
        let found = behind_gateway().build().findings(&RULE);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Critical));
        assert_eq!(found[0].subject.remote.as_deref(), Some("192.0.2.254"));
        assert_eq!(found[0].subject.interface.as_deref(), Some("eth0"));
    }

    #[test]
    fn unanswered_connects_behind_a_silent_gateway_are_its_consequence() {
        let example = behind_gateway().each(3, |scene, n| scene.born(waiting(n + 10, "198.51.100.1:80"))).build();
        assert_eq!(example.findings(&connect_unanswered::RULE).len(), 1);
        let (word, findings, _) = judge(&example.window(), &History::default(), &Limits::default()).combine();
        let rules: Vec<_> = findings.iter().filter(|found| found.severity > Severity::Info).collect();
        assert_eq!((word, rules.len(), rules[0].rule.as_str()), (Word::Critical, 1, RULE.id));
        assert_eq!(rules[0].consequences.len(), 1);
    }
}
