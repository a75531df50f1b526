//! The first bytes of the packet that an ICMP error quotes → which probe it speaks of.
//!
//! The kernel hands them over with the error, from the transport header on (`ip_icmp_error`, net/ipv4/ip_sockglue.c);
//! of UDP from the payload on. RFC 792 promises eight bytes, and whoever sends an ICMP error may write what he likes.

use super::Protocol;

/// What a quoted packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// The ports of a TCP segment.
    Ports {
        /// The port it left from.
        source: u16,
        /// The port it went to.
        destination: u16,
    },
    /// The mark in a datagram's payload.
    Mark(u32),
    /// The sequence number of an echo request.
    Sequence(u16),
}

impl Quote {
    /// Reads a quote; `None` when it is too short to tell, which routers may do.
    pub fn parse(protocol: Protocol, quoted: &[u8]) -> Option<Self> {
        match protocol {
            Protocol::Tcp => Some(Quote::Ports { source: be16(quoted, 0)?, destination: be16(quoted, 2)? }),
            Protocol::Udp => Some(Quote::Mark(u32::from(be16(quoted, 0)?) << 16 | u32::from(be16(quoted, 2)?))),
            Protocol::Icmp => Some(Quote::Sequence(be16(quoted, 6)?)),
        }
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN from port 40000 to 443, an echo request with identifier 7 and sequence number 513, as on the wire.
    const SYN: [u8; 8] = [0x9c, 0x40, 0x01, 0xbb, 0x12, 0x34, 0x56, 0x78];
    const ECHO: [u8; 8] = [0x08, 0x00, 0xf7, 0xf7, 0x00, 0x07, 0x02, 0x01];

    #[test]
    fn quotes_are_read_from_their_headers() {
        assert_eq!(Quote::parse(Protocol::Tcp, &SYN), Some(Quote::Ports { source: 40000, destination: 443 }));
        assert_eq!(Quote::parse(Protocol::Icmp, &ECHO), Some(Quote::Sequence(513)));
        assert_eq!(Quote::parse(Protocol::Udp, &[0, 0, 1, 2, 9]), Some(Quote::Mark(258)));
    }

    #[test]
    fn a_short_quote_is_no_quote() {
        for length in 0..4 {
            assert_eq!(Quote::parse(Protocol::Tcp, &SYN[..length]), None);
            assert_eq!(Quote::parse(Protocol::Udp, &SYN[..length]), None);
            assert_eq!(Quote::parse(Protocol::Icmp, &ECHO[..length + 4]), None);
        }
    }
}
