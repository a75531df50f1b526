//! Routes, neighbours and queueing disciplines, asked of rtnetlink.

use std::net::IpAddr;

use nix::errno::Errno;
use tcphealth_core::snapshot::{Absent, Interface, Neighbour, NeighbourState, Qdisc, Route};
use tcphealth_core::wire::WireError;
use tcphealth_core::wire::rtnetlink;

use crate::links;
use crate::netlink::{Each, Ended, Failure, Netlink, Protocol, absent, feed};
use crate::source::Source;

/// What may be needed for several answers.
#[derive(Default)]
pub(super) struct Network {
    links: Option<Vec<Interface>>,
}

impl Network {
    /// The way to a peer; `None` when there is none.
    pub(super) fn route(&mut self, peer: IpAddr) -> Result<Option<Route>, Absent> {
        let mut found = None;
        let asked = ask(&rtnetlink::route_request(peer), false, &mut |kind, body, _| {
            if kind == rtnetlink::NEWROUTE {
                found = rtnetlink::route(body)?;
            }
            Ok(())
        });
        match asked {
            // unreachable, prohibit and blackhole routes answer with an errno.
            Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL) => return Ok(None),
            asked => asked.map_err(|errno| absent(errno, "rtnetlink", "CAP_NET_ADMIN"))?,
        }
        let Some(mut route) = found else { return Ok(None) };
        if let Some(link) = self.link(route.ifindex)? {
            route.interface.clone_from(&link.name);
            route.kind.clone_from(&link.kind);
            route.link_type = link.link_type;
        }
        Ok(Some(route))
    }

    /// What the neighbour table says of an address. Where several devices know it, the one that answers.
    pub(super) fn neighbour(&mut self, address: IpAddr) -> Result<Neighbour, Absent> {
        let mut found: Option<(u32, NeighbourState)> = None;
        let each = &mut |kind, body: &[u8], _| {
            let entry = if kind == rtnetlink::NEWNEIGH { rtnetlink::neighbour(body)? } else { None };
            let answers = found.is_some_and(|(_, state)| state == NeighbourState::Answers);
            if let Some((_, ifindex, state)) = entry.filter(|entry| entry.0 == address && !answers) {
                found = Some((ifindex, state));
            }
            Ok(())
        };
        let request = rtnetlink::neighbours_request(address);
        ask(&request, true, each).map_err(|errno| absent(errno, "rtnetlink", "CAP_NET_ADMIN"))?;
        let (ifindex, state) = found.unwrap_or((0, NeighbourState::Unknown));
        let interface = self.link(ifindex)?.map(|link| link.name.clone()).unwrap_or_default();
        Ok(Neighbour { state, ifindex, interface })
    }

    /// The queueing disciplines of a device.
    #[expect(clippy::unused_self, reason = "the three questions are asked alike")]
    pub(super) fn qdisc(&self, ifindex: u32) -> Result<Vec<Qdisc>, Absent> {
        let mut found = Vec::new();
        let asked = ask(&rtnetlink::qdiscs_request(), true, &mut |kind, body, _| {
            if kind == rtnetlink::NEWQDISC {
                found.extend(
                    Some(rtnetlink::qdisc(body)?).filter(|(device, _)| *device == ifindex).map(|(_, qdisc)| qdisc),
                );
            }
            Ok(())
        });
        asked.map_err(|errno| absent(errno, "rtnetlink", "CAP_NET_ADMIN"))?;
        Ok(found)
    }

    fn link(&mut self, ifindex: u32) -> Result<Option<&Interface>, Absent> {
        if self.links.is_none() {
            self.links = Some(links::dump(&mut Source::live(None))?);
        }
        Ok(self.links.iter().flatten().find(|link| link.ifindex == ifindex))
    }
}

/// A request that is no dump is answered by one message.
fn ask(request: &[u8], dump: bool, each: &mut Each<'_>) -> Result<(), Errno> {
    let mut chunk = |bytes: &[u8]| -> Result<Ended, WireError> {
        Ok(match feed(Protocol::Route.section(), bytes, each)? {
            Ended::NotYet if !dump => Ended::Done,
            ended => ended,
        })
    };
    match Netlink::open(Protocol::Route, 0)?.ask(request, &mut chunk) {
        Ok(Ended::Refused(errno)) => Err(Errno::from_raw(errno)),
        Ok(_) => Ok(()),
        Err(Failure::System(errno)) => Err(errno),
        Err(Failure::Wire(_)) => Err(Errno::EBADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_address_is_local_and_goes_over_lo() {
        let route = Network::default().route("127.0.0.1".parse().unwrap()).unwrap().unwrap();
        assert_eq!((route.local, route.interface.as_str(), route.link_type, route.gateway), (true, "lo", 772, None));
    }

    #[test]
    fn an_address_that_nobody_talked_to_is_unknown() {
        let neighbour = Network::default().neighbour("192.0.2.77".parse().unwrap()).unwrap();
        assert_eq!(neighbour, Neighbour { state: NeighbourState::Unknown, ifindex: 0, interface: String::new() });
    }

    #[test]
    fn a_device_that_is_not_there_has_no_discipline() {
        assert_eq!(Network::default().qdisc(u32::MAX).unwrap(), []);
    }
}
