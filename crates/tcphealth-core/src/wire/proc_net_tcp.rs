//! A line of `/proc/net/tcp` or `/proc/net/tcp6` → a [`Socket`]: what remains where sock_diag is refused.
//!
//! Source: net/ipv4/tcp_ipv4.c `get_tcp4_sock()`, `get_openreq4()`, `get_timewait4_sock()`; Documentation/networking/proc_net_tcp.rst.
//! It has no cookie, no `tcp_info`, and of a listener not the limit of its queue.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{WireError, error, hexadecimal, lines, number, words};
use crate::snapshot::{Endpoint, Socket, State, Timer};

/// Clock ticks a second in which `/proc` gives times (USER_HZ, 100 on every architecture in use), as ms a tick.
const TICK_MS: u64 = 10;

/// Hands every socket of the text to `each`.
///
/// # Errors
/// A line that is not a socket.
pub fn parse(section: &'static str, text: &[u8], each: &mut dyn FnMut(&Socket)) -> Result<(), WireError> {
    let mut socket = Socket::default();
    for (place, line) in lines(text).skip(1) {
        read(line, &mut socket).ok_or_else(|| error(section, place, line))?;
        each(&socket);
    }
    Ok(())
}

fn read(line: &[u8], socket: &mut Socket) -> Option<()> {
    let mut words = words(line).skip(1);
    (socket.local, socket.inet6) = endpoint(words.next()?)?;
    (socket.remote, _) = endpoint(words.next()?)?;
    socket.state = State::from_kernel(hexadecimal(words.next()?)? as u8)?;
    let (sent, received) = pair(words.next()?)?;
    (socket.wqueue, socket.rqueue) = (sent as u32, received as u32);
    let (timer, ticks) = pair(words.next()?)?;
    socket.timer = [Timer::None, Timer::On, Timer::Keepalive, Timer::TimeWait, Timer::Persist]
        .get(timer as usize)
        .copied()
        .unwrap_or_default();
    socket.timer_expires_ms = ticks.saturating_mul(TICK_MS).min(u64::from(u32::MAX)) as u32;
    socket.timer_retrans = hexadecimal(words.next()?)? as u8;
    socket.uid = number(words.next()?)? as u32;
    socket.inode = number(words.nth(1)?)? as u32;
    Some(())
}

fn pair(word: &[u8]) -> Option<(u64, u64)> {
    let colon = word.iter().position(|&byte| byte == b':')?;
    Some((hexadecimal(word.get(..colon)?)?, hexadecimal(word.get(colon + 1..)?)?))
}

/// The address is printed word by word in host order, the port as a number; the second says whether it is AF_INET6.
fn endpoint(word: &[u8]) -> Option<(Endpoint, bool)> {
    let colon = word.iter().position(|&byte| byte == b':')?;
    let port = hexadecimal(word.get(colon + 1..)?)? as u16;
    let mut octets = [0; 16];
    let digits = word.get(..colon)?;
    for (to, word) in octets.chunks_exact_mut(4).zip(digits.chunks(8)) {
        to.copy_from_slice(&(hexadecimal(word)? as u32).to_ne_bytes());
    }
    let [a, b, c, d, ..] = octets;
    let address = match digits.len() {
        8 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        32 => IpAddr::V6(Ipv6Addr::from(octets)),
        _ => return None,
    };
    Some((Endpoint::new(address, port), address.is_ipv6()))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    const HEADER: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn sockets(text: &str) -> Result<Vec<Socket>, WireError> {
        let mut all = Vec::new();
        parse("net/tcp", text.as_bytes(), &mut |socket| all.push(socket.clone()))?;
        Ok(all)
    }

    #[test]
    fn a_line_is_a_socket() {
        let line =
            "   0: 0100007F:1F90 0200007F:C350 08 0000000A:00000001 01:00000014 00000002  1000        0 20721 1 ffff\n";
        let socket = &sockets(&format!("{HEADER}{line}")).unwrap()[0];
        let ends = (socket.local.to_string(), socket.remote.to_string());
        assert_eq!(ends, ("127.0.0.1:8080".to_owned(), "127.0.0.2:50000".to_owned()));
        assert_eq!((socket.state, socket.wqueue, socket.rqueue), (State::CloseWait, 10, 1));
        assert_eq!((socket.timer, socket.timer_expires_ms, socket.timer_retrans), (Timer::On, 200, 2));
        assert_eq!((socket.uid, socket.inode, socket.cookie), (1000, 20721, 0));
    }

    #[test]
    fn a_mapped_address_of_tcp6_is_written_as_ipv4() {
        let line =
            "   1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000001000000:0051 01 0:0 00:0 0 0 0 7\n";
        let socket = &sockets(&format!("{HEADER}{line}")).unwrap()[0];
        assert_eq!((socket.local.to_string(), socket.remote.to_string()), ("127.0.0.1:80".into(), "[::1]:81".into()));
        assert!(socket.inet6);
    }

    #[test]
    fn a_cut_line_is_an_error_with_its_number() {
        assert_eq!(sockets(&format!("{HEADER}   0: 0100007F:1F90 02\n")).unwrap_err().place, 2);
    }
}
