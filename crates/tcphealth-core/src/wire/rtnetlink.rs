//! rtnetlink messages → links, routes, neighbours, queueing disciplines; and the requests that ask for them.
//!
//! Source: include/uapi/linux/{rtnetlink,if_link,neighbour,gen_stats}.h, rtnetlink(7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::WireError;
use super::netlink::{attributes, cut, put_attribute, request, u8_at, u16_at, u32_at, u64_at};
use crate::snapshot::{Interface, NeighbourState, Qdisc, Route};

/// `RTM_NEWLINK`.
pub const NEWLINK: u16 = 16;
/// `RTM_NEWSTATS`.
pub const NEWSTATS: u16 = 92;
/// `RTM_NEWROUTE`.
pub const NEWROUTE: u16 = 24;
/// `RTM_NEWNEIGH`.
pub const NEWNEIGH: u16 = 28;
/// `RTM_NEWQDISC`.
pub const NEWQDISC: u16 = 36;

/// `RTN_UNICAST`, `RTN_LOCAL`: the kinds of route by which packets go.
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
/// `TC_H_ROOT`.
const TC_H_ROOT: u32 = u32::MAX;

/// `IF_OPER_*` (RFC 2863 §3.1.14) in the words of `/sys/class/net/*/operstate`.
const OPERSTATES: [&str; 7] = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// All links of the namespace.
pub fn links_request() -> Vec<u8> {
    request(18, true, &[0; 16])
}

/// The counters of all links, `IFLA_STATS_LINK_64` and nothing else.
pub fn stats_request() -> Vec<u8> {
    let mut body = [0; 12];
    body[8] = 1;
    request(94, true, &body)
}

/// `RTM_NEWSTATS`: a link's index and its `rtnl_link_stats64`, shorter than this from an older kernel. `None` when the message
/// holds no counters.
pub fn link_stats(body: &[u8]) -> Option<(u32, [u64; 23])> {
    let (_, stats) = attributes(body.get(12..)?).find(|(kind, _)| *kind == 1)?;
    Some((u32_at(body, 4)?, std::array::from_fn(|n| u64_at(stats, 8 * n).unwrap_or(0))))
}

/// The route to one peer, as the kernel would choose it now.
pub fn route_request(peer: IpAddr) -> Vec<u8> {
    let (family, octets) = family_and_octets(peer);
    let mut body = vec![0; 12];
    body.splice(..2, [family, (octets.len() * 8) as u8]);
    put_attribute(&mut body, 1, &octets);
    request(26, false, &body)
}

/// All neighbours of the address's family.
pub fn neighbours_request(address: IpAddr) -> Vec<u8> {
    let mut body = [0; 12];
    body[0] = family_and_octets(address).0;
    request(30, true, &body)
}

/// All queueing disciplines of the namespace.
pub fn qdiscs_request() -> Vec<u8> {
    request(38, true, &[0; 20])
}

/// `RTM_NEWLINK` without what `/sys` knows (speed, duplex).
///
/// # Errors
/// A message shorter than `ifinfomsg`.
pub fn link(body: &[u8]) -> Result<Interface, WireError> {
    const SECTION: &str = "rtnetlink link";
    let short = || cut(SECTION, body.len(), "shorter than ifinfomsg");
    let mut link = Interface {
        link_type: u16_at(body, 2).ok_or_else(short)?,
        ifindex: u32_at(body, 4).ok_or_else(short)?,
        operstate: "unknown".to_owned(),
        ..Interface::default()
    };
    for (kind, payload) in attributes(body.get(16..).ok_or_else(short)?) {
        match kind {
            3 => link.name = text(payload),
            4 => link.mtu_bytes = u32_at(payload, 0).unwrap_or(0),
            16 => {
                let word = u8_at(payload, 0).and_then(|number| OPERSTATES.get(usize::from(number)));
                link.operstate = word.map_or_else(String::new, ToString::to_string);
            }
            18 => link.kind = attributes(payload).find(|(kind, _)| *kind == 1).map(|(_, kind)| text(kind)),
            _ => {}
        }
    }
    Ok(link)
}

/// `RTM_NEWROUTE`; `None` for a route by which nothing goes (unreachable, blackhole, prohibit). The device's name, kind and type
/// are the links' to say.
///
/// # Errors
/// A message shorter than `rtmsg`.
pub fn route(body: &[u8]) -> Result<Option<Route>, WireError> {
    let short = || cut("rtnetlink route", body.len(), "shorter than rtmsg");
    let kind = u8_at(body, 7).ok_or_else(short)?;
    let mut route = Route { local: kind == RTN_LOCAL, ..Route::default() };
    for (kind, payload) in attributes(body.get(12..).ok_or_else(short)?) {
        match kind {
            4 => route.ifindex = u32_at(payload, 0).unwrap_or(0),
            5 => route.gateway = address(payload),
            7 => route.source = address(payload),
            8 => route.mtu_bytes = attributes(payload).find(|(kind, _)| *kind == 2).and_then(|(_, mtu)| u32_at(mtu, 0)),
            // struct rtvia: the gateway of another family than the route's.
            18 => route.gateway = payload.get(2..).and_then(address),
            _ => {}
        }
    }
    Ok(matches!(kind, RTN_UNICAST | RTN_LOCAL).then_some(route))
}

/// A neighbour entry: its address, device and state.
pub type NeighbourEntry = (IpAddr, u32, NeighbourState);

/// `RTM_NEWNEIGH`; `None` for an entry without an IP address (a bridge's).
///
/// # Errors
/// A message shorter than `ndmsg`.
pub fn neighbour(body: &[u8]) -> Result<Option<NeighbourEntry>, WireError> {
    let short = || cut("rtnetlink neighbour", body.len(), "shorter than ndmsg");
    let ifindex = u32_at(body, 4).ok_or_else(short)?;
    let state = match u16_at(body, 8).ok_or_else(short)? {
        0x01 => NeighbourState::Incomplete,
        0x20 => NeighbourState::Failed,
        0 => NeighbourState::Unknown,
        _ => NeighbourState::Answers,
    };
    let found = attributes(body.get(12..).ok_or_else(short)?).find(|(kind, _)| *kind == 1);
    Ok(found.and_then(|(_, payload)| Some((address(payload)?, ifindex, state))))
}

/// `RTM_NEWQDISC` with its device.
///
/// # Errors
/// A message shorter than `tcmsg`.
pub fn qdisc(body: &[u8]) -> Result<(u32, Qdisc), WireError> {
    let short = || cut("rtnetlink qdisc", body.len(), "shorter than tcmsg");
    let ifindex = u32_at(body, 4).ok_or_else(short)?;
    let handle = u32_at(body, 8).ok_or_else(short)?;
    let root = u32_at(body, 12).ok_or_else(short)? == TC_H_ROOT;
    let mut qdisc = Qdisc { handle, root, ..Qdisc::default() };
    for (kind, payload) in attributes(body.get(20..).ok_or_else(short)?) {
        match kind {
            1 => qdisc.kind = text(payload),
            7 => statistics(payload, &mut qdisc),
            _ => {}
        }
    }
    Ok((ifindex, qdisc))
}

/// `TCA_STATS2`: gnet_stats_basic, gnet_stats_queue, and the 64-bit packet count since 5.4.
fn statistics(payload: &[u8], qdisc: &mut Qdisc) {
    for (kind, payload) in attributes(payload) {
        let word = |at: usize| u32_at(payload, at * 4).unwrap_or(0);
        match kind {
            1 => qdisc.packets = qdisc.packets.max(u64::from(word(2))),
            3 => {
                (qdisc.queue_packets, qdisc.backlog_bytes) = (word(0), word(1));
                (qdisc.drops, qdisc.requeues, qdisc.overlimits) = (word(2).into(), word(3).into(), word(4).into());
            }
            8 => qdisc.packets = u64_at(payload, 0).unwrap_or(qdisc.packets),
            _ => {}
        }
    }
}

fn family_and_octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    }
}

fn address(payload: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(payload) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    <[u8; 16]>::try_from(payload).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fixed: &[u8], list: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = fixed.to_vec();
        for (kind, payload) in list {
            put_attribute(&mut body, *kind, payload);
        }
        body
    }

    fn nested(list: &[(u16, &[u8])]) -> Vec<u8> {
        body(&[], list)
    }

    #[test]
    fn a_link_has_its_name_kind_type_and_mtu() {
        let mut fixed = [0; 16];
        (fixed[2], fixed[4]) = (1, 7);
        let info = nested(&[(1, b"veth\0")]);
        let bytes = body(&fixed, &[(3, b"eth0\0"), (4, &1500u32.to_ne_bytes()), (16, &[6]), (18, &info)]);
        let found = link(&bytes).unwrap();
        assert_eq!((found.name.as_str(), found.ifindex, found.link_type), ("eth0", 7, 1));
        assert_eq!((found.mtu_bytes, found.operstate.as_str(), found.kind.as_deref()), (1500, "up", Some("veth")));
        assert!(link(&fixed[..15]).is_err());
    }

    #[test]
    fn a_route_has_gateway_device_source_and_mtu() {
        let mut fixed = [0; 12];
        fixed[7] = RTN_UNICAST;
        let metrics = nested(&[(2, &1400u32.to_ne_bytes())]);
        let list: [(u16, &[u8]); 4] =
            [(4, &3u32.to_ne_bytes()), (5, &[192, 0, 2, 1]), (7, &[192, 0, 2, 9]), (8, &metrics)];
        let found = route(&body(&fixed, &list)).unwrap().unwrap();
        let source = "192.0.2.9".parse().ok();
        assert_eq!((found.gateway, found.source), ("192.0.2.1".parse().ok(), source));
        assert_eq!((found.ifindex, found.mtu_bytes, found.local), (3, Some(1400), false));
        fixed[7] = 7; // RTN_UNREACHABLE
        assert_eq!(route(&fixed).unwrap(), None);
        assert!(route(&fixed[..11]).is_err());
    }

    #[test]
    fn a_gateway_of_the_other_family_is_taken() {
        let mut fixed = [0; 12];
        fixed[7] = RTN_UNICAST;
        let gateway: Ipv6Addr = "fe80::1".parse().unwrap();
        let via = [&10u16.to_ne_bytes()[..], &gateway.octets()].concat();
        assert_eq!(route(&body(&fixed, &[(18, &via)])).unwrap().unwrap().gateway, Some(gateway.into()));
    }

    #[test]
    fn a_neighbour_answers_is_asked_or_has_failed() {
        let state = |number: u16| {
            let fixed = [&[2, 0, 0, 0, 4, 0, 0, 0][..], &number.to_ne_bytes(), &[0; 2]].concat();
            neighbour(&body(&fixed, &[(1, &[192, 0, 2, 3])])).unwrap().unwrap()
        };
        assert_eq!(state(4), ("192.0.2.3".parse().unwrap(), 4, NeighbourState::Answers));
        assert_eq!([state(1).2, state(0x20).2], [NeighbourState::Incomplete, NeighbourState::Failed]);
        assert!(neighbour(&[0; 11]).is_err());
    }

    #[test]
    fn a_qdisc_has_its_statistics() {
        let fixed: Vec<u8> = [0u32, 2, 0x8001_0000, TC_H_ROOT, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let basic = [1000u64.to_ne_bytes(), 10u64.to_ne_bytes()].concat();
        let queue: Vec<u8> = [4u32, 600, 5, 6, 7].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let statistics = nested(&[(1, &basic), (3, &queue), (8, &(1u64 << 33).to_ne_bytes())]);
        let (ifindex, found) = qdisc(&body(&fixed, &[(1, b"tbf\0"), (7, &statistics)])).unwrap();
        assert_eq!((ifindex, found.kind.as_str(), found.handle, found.root), (2, "tbf", 0x8001_0000, true));
        assert_eq!((found.packets, found.drops, found.requeues, found.overlimits), (1 << 33, 5, 6, 7));
        assert_eq!((found.queue_packets, found.backlog_bytes), (4, 600));
        assert!(qdisc(&fixed[..19]).is_err());
    }

    #[test]
    fn requests_name_their_peer() {
        let request = route_request("192.0.2.5".parse().unwrap());
        assert_eq!((request.len(), &request[16..18], &request[32..]), (36, &[2, 32][..], &[192, 0, 2, 5][..]));
        assert_eq!(neighbours_request("::1".parse().unwrap())[16], 10);
    }
}
