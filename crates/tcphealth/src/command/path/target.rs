//! What was typed as a peer → its address and port.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Takes `HOST`, `HOST:PORT`, `ADDRESS`, `[IPv6]:PORT`; the first address of a name counts.
pub(super) fn resolve(text: &str, default_port: u16) -> io::Result<SocketAddr> {
    let (host, port) = split(text, default_port)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not HOST, HOST:PORT or [IPv6]:PORT"))?;
    (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

fn split(text: &str, default_port: u16) -> Option<(&str, u16)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, default_port));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return Some((host, if port.is_empty() { default_port } else { number(port.strip_prefix(':')?)? }));
    }
    match text.split_once(':') {
        None => (!text.is_empty()).then_some((text, default_port)),
        Some((host, port)) => (!host.is_empty()).then_some((host, number(port)?)),
    }
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_a_peer_is_taken_apart() {
        for (text, host, port) in [
            ("db.example", "db.example", 443),
            ("db.example:5432", "db.example", 5432),
            ("192.0.2.7", "192.0.2.7", 443),
            ("192.0.2.7:80", "192.0.2.7", 80),
            ("2001:db8::7", "2001:db8::7", 443),
            ("[2001:db8::7]", "2001:db8::7", 443),
            ("[2001:db8::7]:80", "2001:db8::7", 80),
        ] {
            assert_eq!(split(text, 443), Some((host, port)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", ":80", "host:", "host:0", "host:70000", "[2001:db8::7", "[2001:db8::7]80", "[host]:80", "a:b:c"]
        {
            assert_eq!(split(text, 443), None, "{text}");
        }
    }
}
