//! An IP packet as a packet socket delivers it → what it says about TCP: a reset, a SYN-ACK, or an ICMP error about a segment.
//!
//! Source: RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1, RFC 792, RFC 4443 §3. IPv6 extension headers are not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{u8_at, u16_be_at, u32_at};
use crate::snapshot::{Endpoint, Packet, PacketKind};

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Flags of the TCP header.
const SYN_ACK: u8 = 0x12;
const RST: u8 = 0x04;

/// The part of an IP header that we need.
struct Ip<'a> {
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    protocol: u8,
    payload: &'a [u8],
}

/// The packet, without when and where it was heard; `None` when it is none of the three kinds.
pub fn parse(bytes: &[u8]) -> Option<Packet> {
    let ip = ip(bytes)?;
    match ip.protocol {
        TCP => {
            let flags = u8_at(ip.payload, 13)?;
            let kind = match flags {
                _ if flags & RST != 0 => PacketKind::Reset,
                _ if flags & SYN_ACK == SYN_ACK => PacketKind::SynAck,
                _ => return None,
            };
            packet(&ip, kind, &ip)
        }
        ICMP | ICMPV6 => {
            let (icmp_type, code) = (u8_at(ip.payload, 0)?, u8_at(ip.payload, 1)?);
            let is_error =
                if ip.protocol == ICMP { matches!(icmp_type, 3 | 11 | 12) } else { matches!(icmp_type, 1..=4) };
            let quoted = self::ip(ip.payload.get(8..)?).filter(|quoted| is_error && quoted.protocol == TCP)?;
            packet(&ip, PacketKind::IcmpError { icmp_type, code }, &quoted)
        }
        _ => None,
    }
}

fn packet(outer: &Ip<'_>, kind: PacketKind, segment: &Ip<'_>) -> Option<Packet> {
    Some(Packet {
        kind,
        at_ns: 0,
        outgoing: false,
        ifindex: 0,
        from: outer.from,
        ttl: outer.ttl,
        source: Endpoint::new(segment.from, u16_be_at(segment.payload, 0)?),
        destination: Endpoint::new(segment.to, u16_be_at(segment.payload, 2)?),
        sequence: u32_at(segment.payload, 4).map(u32::from_be)?,
    })
}

fn ip(bytes: &[u8]) -> Option<Ip<'_>> {
    match u8_at(bytes, 0)? >> 4 {
        4 => {
            let header = usize::from(u8_at(bytes, 0)? & 0xf) * 4;
            let first_fragment = u16_be_at(bytes, 6)? << 3 == 0;
            let octets =
                |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(|o: [u8; 4]| IpAddr::V4(Ipv4Addr::from(o)));
            let (from, to) = (octets(12)?, octets(16)?);
            let payload = bytes.get(header..).filter(|_| first_fragment && header >= 20)?;
            Some(Ip { from, to, ttl: u8_at(bytes, 8)?, protocol: u8_at(bytes, 9)?, payload })
        }
        6 => {
            let octets =
                |at: usize| bytes.get(at..at + 16)?.try_into().ok().map(|o: [u8; 16]| IpAddr::V6(Ipv6Addr::from(o)));
            let (from, to) = (octets(8)?, octets(24)?);
            Some(Ip { from, to, ttl: u8_at(bytes, 7)?, protocol: u8_at(bytes, 6)?, payload: bytes.get(40..)? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 57, protocol, 0, 0];
        bytes.extend(from);
        bytes.extend(to);
        bytes.extend(payload);
        bytes
    }

    fn segment(flags: u8) -> Vec<u8> {
        let mut bytes = [443u16.to_be_bytes(), 50_000u16.to_be_bytes()].concat();
        bytes.extend(7u32.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn resets_and_syn_acks_are_told_from_other_segments() {
        let of = |flags| parse(&ipv4(TCP, [192, 0, 2, 1], [192, 0, 2, 2], &segment(flags)));
        let reset = of(0x14).unwrap();
        assert_eq!((reset.kind, reset.ttl, reset.sequence), (PacketKind::Reset, 57, 7));
        assert_eq!(
            (reset.source.to_string(), reset.destination.to_string()),
            ("192.0.2.1:443".into(), "192.0.2.2:50000".into())
        );
        assert_eq!(of(0x12).unwrap().kind, PacketKind::SynAck);
        assert!([0x10, 0x02, 0x11, 0x18].into_iter().all(|flags| of(flags).is_none()));
    }

    #[test]
    fn an_icmp_error_names_router_and_segment() {
        let quoted = ipv4(TCP, [192, 0, 2, 2], [198, 51, 100, 1], &segment(0x02)[..8]);
        let error = |icmp_type| {
            ipv4(ICMP, [203, 0, 113, 9], [192, 0, 2, 2], &[&[icmp_type, 13, 0, 0, 0, 0, 0, 0][..], &quoted].concat())
        };
        let heard = parse(&error(3)).unwrap();
        assert_eq!(heard.kind, PacketKind::IcmpError { icmp_type: 3, code: 13 });
        assert_eq!((heard.from.to_string(), heard.source.to_string()), ("203.0.113.9".into(), "192.0.2.2:443".into()));
        assert_eq!(heard.destination.to_string(), "198.51.100.1:50000");
        assert!(parse(&error(8)).is_none());
    }

    #[test]
    fn ipv6_is_read_too_and_what_is_cut_is_nothing() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 20, TCP, 64];
        bytes.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend(segment(0x04));
        assert_eq!(parse(&bytes).unwrap().source.to_string(), "[2001:db8::1]:443");
        assert!((0..bytes.len() - 6).all(|length| parse(&bytes[..length]).is_none()));
        let fragment = {
            let mut bytes = ipv4(TCP, [1; 4], [2; 4], &segment(4));
            bytes[7] = 1;
            bytes
        };
        assert!(parse(&fragment).is_none());
    }
}
