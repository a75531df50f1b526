//! Local or remote? Which limit applies to a peer, by route and by the smallest round trip, with the reason kept.

use std::net::IpAddr;

use super::Known;
use crate::say;
use crate::snapshot::{Peer, Route};
use crate::window::Window;
use crate::words::Message;

/// On-link or one's own site up to this round trip: 1 ms one way is about 100 km of fibre.
const NEAR_US: u32 = 2_000;
/// A private address behind a gateway counts as the site up to this.
const NEAR_PRIVATE_US: u32 = 5_000;
const ARPHRD_ETHER: u16 = 1;

/// How far a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// This host itself.
    Loopback,
    /// On the directly connected network.
    Local,
    /// Behind one or two routers of one's own.
    Site,
    /// Everything else.
    Remote,
}

/// A class and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Classed {
    /// The class.
    pub class: Class,
    /// Why.
    pub reason: Message,
    /// The interface toward it, when the route is known.
    pub interface: Option<String>,
    /// The next hop, when there is one.
    pub gateway: Option<IpAddr>,
}

/// The class of a peer; asks for its route first. Without a route it is judged as remote, and says so.
pub fn class_of(window: &Window, peer: &Peer) -> Known<Classed> {
    if peer.address.is_loopback() || peer.address == peer.source {
        let reason = say! { en: "an address of this host", ko: "이 호스트의 주소" };
        return Known::Yes(Classed { class: Class::Loopback, reason, interface: Some("lo".into()), gateway: None });
    }
    match window.route(peer.address) {
        Known::Ask(question) => Known::Ask(question),
        Known::No(_) => {
            let reason = say! { en: "its route is unknown: judged as remote", ko: "경로를 알 수 없어 원거리로 판정" };
            Known::Yes(Classed { class: Class::Remote, reason, interface: None, gateway: None })
        }
        Known::Yes(route) => Known::Yes(classify(peer, route)),
    }
}

fn classify(peer: &Peer, route: &Route) -> Classed {
    let (class, reason) = if route.local {
        (Class::Loopback, say! { en: "an address of this host", ko: "이 호스트의 주소" })
    } else if let Some(gateway) = route.gateway {
        behind_gateway(peer, gateway)
    } else {
        on_link(peer, route)
    };
    Classed { class, reason, interface: Some(route.interface.clone()), gateway: route.gateway }
}

fn on_link(peer: &Peer, route: &Route) -> (Class, Message) {
    let device = route.kind.as_ref().map_or(route.interface.clone(), |kind| format!("{} ({kind})", route.interface));
    match peer.min_rtt_us {
        Some(rtt) if rtt <= NEAR_US => (
            Class::Local,
            say! { en: "directly connected on {device}, {ms} ms away", ko: "{device}에 직접 연결, {ms} ms 거리", device = device, ms = ms(rtt) },
        ),
        Some(rtt) => (
            Class::Remote,
            say! { en: "on-link on {device}, but {ms} ms away", ko: "{device}에 직접 연결이지만 {ms} ms 거리", device = device, ms = ms(rtt) },
        ),
        None if route.link_type == ARPHRD_ETHER && route.kind.as_deref() != Some("wireguard") => (
            Class::Local,
            say! { en: "directly connected on {device}, distance not yet known", ko: "{device}에 직접 연결, 거리는 아직 모름", device = device },
        ),
        None => (
            Class::Remote,
            say! { en: "on the tunnel {device}, distance not yet known", ko: "터널 {device} 너머, 거리는 아직 모름", device = device },
        ),
    }
}

fn behind_gateway(peer: &Peer, gateway: IpAddr) -> (Class, Message) {
    let near = if is_private(&peer.address) { NEAR_PRIVATE_US } else { NEAR_US };
    match peer.min_rtt_us {
        Some(rtt) if rtt <= near => (
            Class::Site,
            say! { en: "behind {gateway}, {ms} ms away", ko: "{gateway} 너머, {ms} ms 거리", gateway = gateway, ms = ms(rtt) },
        ),
        Some(rtt) => (
            Class::Remote,
            say! { en: "behind {gateway}, {ms} ms away", ko: "{gateway} 너머, {ms} ms 거리", gateway = gateway, ms = ms(rtt) },
        ),
        None => (
            Class::Remote,
            say! { en: "behind {gateway}, distance not yet known", ko: "{gateway} 너머, 거리는 아직 모름", gateway = gateway },
        ),
    }
}

/// RFC 1918, RFC 4193 (ULA) and RFC 6598 (carrier-grade NAT): never proof of nearness, only of whose the address is.
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn ms(rtt_us: u32) -> String {
    format!("{:.1}", f64::from(rtt_us) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, min_rtt_us: Option<u32>) -> Peer {
        Peer { min_rtt_us, ..Peer::new(address.parse().unwrap(), "192.0.2.1".parse().unwrap()) }
    }

    fn route(gateway: Option<&str>, link_type: u16) -> Route {
        let gateway = gateway.map(|address| address.parse().unwrap());
        Route { gateway, link_type, interface: "eth0".into(), ..Route::default() }
    }

    #[test]
    fn the_route_and_the_distance_decide_together() {
        let class = |address, rtt, gateway, link| classify(&peer(address, rtt), &route(gateway, link)).class;
        assert_eq!(class("192.0.2.9", Some(300), None, 1), Class::Local);
        assert_eq!(class("192.0.2.9", Some(2_000), None, 1), Class::Local);
        assert_eq!(class("192.0.2.9", Some(2_001), None, 1), Class::Remote);
        assert_eq!(class("192.0.2.9", None, None, 1), Class::Local);
        assert_eq!(class("192.0.2.9", None, None, 65534), Class::Remote);
        assert_eq!(class("203.0.113.9", Some(2_000), Some("192.0.2.254"), 1), Class::Site);
        assert_eq!(class("203.0.113.9", Some(3_000), Some("192.0.2.254"), 1), Class::Remote);
        assert_eq!(class("10.1.2.3", Some(5_000), Some("192.0.2.254"), 1), Class::Site);
        assert_eq!(class("100.64.1.1", Some(5_001), Some("192.0.2.254"), 1), Class::Remote);
    }
}
