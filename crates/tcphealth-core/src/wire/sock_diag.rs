//! `struct inet_diag_msg` with its attributes → one reusable [`Socket`]; and the requests that ask for it.
//!
//! Source: include/uapi/linux/inet_diag.h, sock_diag(7). Every field is read at its offset: what a kernel does not send is `None`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

mod bytecode;

use super::WireError;
use super::netlink::{attributes, cut, request, u8_at, u16_be_at, u32_at, u64_at};
use crate::snapshot::{Endpoint, SkMem, Socket, State, TcpInfo, Timer};

pub use bytecode::{Code, End};

/// `SOCK_DIAG_BY_FAMILY`, also the type of every answer but the legacy request's.
pub const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`: the older request, which dumps IPv4 and IPv6 in one pass over the host's table.
pub const TCPDIAG_GETSOCK: u16 = 18;
/// Every state; the kernel shows a request socket (its state 12) as SYN_RECV.
pub const ALL_STATES: u32 = 0xfff;

/// `TCPF_BOUND_INACTIVE` (6.8+): sockets that are bound and no more; they come in state CLOSE.
pub const BOUND: u32 = 1 << 13;

/// `1 << (INET_DIAG_INFO - 1)`: ask for `tcp_info`.
pub const INFO: u8 = 1 << 1;
/// `1 << (INET_DIAG_CONG - 1)`: ask for the name of the congestion control.
pub const CONG: u8 = 1 << 3;
/// `1 << (INET_DIAG_SKMEMINFO - 1)`: ask for the memory and the drops.
pub const SKMEMINFO: u8 = 1 << 6;

const INET_DIAG_REQ_BYTECODE: u16 = 1;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const SECTION: &str = "sock_diag";
/// `sizeof(struct inet_diag_msg)`.
const BYTES: usize = 72;
/// `sizeof(struct inet_diag_sockid)`.
const SOCKID_BYTES: usize = 48;

/// Which sockets to dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6 in one pass (the legacy request).
    Both,
    /// AF_INET.
    Inet,
    /// AF_INET6, those with mapped addresses too.
    Inet6,
}

/// A request to dump the TCP sockets in these states (bits of [`State::bit`]) that the code chooses, with these attributes
/// ([`INFO`], …).
pub fn dump(family: Family, states: u32, attributes: u8, code: Option<&Code>) -> Vec<u8> {
    let (kind, head, at_end) = match family {
        // struct inet_diag_req: family, two lengths, ext; then the identity, the states, and idiag_dbs.
        Family::Both => (TCPDIAG_GETSOCK, [0, 0, 0, attributes], true),
        // struct inet_diag_req_v2: family, protocol, ext, pad; the states, then the identity.
        Family::Inet => (SOCK_DIAG_BY_FAMILY, [2, IPPROTO_TCP, attributes, 0], false),
        Family::Inet6 => (SOCK_DIAG_BY_FAMILY, [AF_INET6, IPPROTO_TCP, attributes, 0], false),
    };
    let mut body = head.to_vec();
    if at_end {
        body.extend_from_slice(&[0; SOCKID_BYTES]);
        body.extend_from_slice(&states.to_ne_bytes());
        body.extend_from_slice(&[0; 4]);
    } else {
        body.extend_from_slice(&states.to_ne_bytes());
        body.extend_from_slice(&[0; SOCKID_BYTES]);
    }
    if let Some(code) = code.and_then(Code::bytes) {
        body.extend(((4 + code.len()) as u16).to_ne_bytes());
        body.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
        body.extend(code);
    }
    request(kind, true, &body)
}

/// Reads one message into `socket`, of which nothing old remains.
///
/// # Errors
/// A message shorter than `inet_diag_msg`, or in a state that TCP does not have.
pub fn parse(body: &[u8], socket: &mut Socket) -> Result<(), WireError> {
    fixed_part(body, socket).ok_or_else(|| cut(SECTION, body.len(), "shorter than inet_diag_msg, or no TCP state"))?;
    socket.v6only = None;
    socket.cgroup = None;
    socket.shutdown = None;
    socket.congestion = [0; 16];
    socket.skmem = None;
    socket.info = None;
    for (kind, payload) in attributes(body.get(BYTES..).unwrap_or_default()) {
        attribute(socket, kind, payload);
    }
    Ok(())
}

fn fixed_part(body: &[u8], socket: &mut Socket) -> Option<()> {
    let body = body.get(..BYTES)?;
    socket.inet6 = u8_at(body, 0)? == AF_INET6;
    socket.state = State::from_kernel(u8_at(body, 1)?)?;
    socket.timer = timer(u8_at(body, 2)?);
    socket.timer_retrans = u8_at(body, 3)?;
    socket.local = Endpoint::new(address(body, 8, socket.inet6)?, u16_be_at(body, 4)?);
    socket.remote = Endpoint::new(address(body, 24, socket.inet6)?, u16_be_at(body, 6)?);
    socket.ifindex = u32_at(body, 40)?;
    // Two halves, the low one first.
    socket.cookie = u64::from(u32_at(body, 44)?) | u64::from(u32_at(body, 48)?) << 32;
    socket.timer_expires_ms = u32_at(body, 52)?;
    socket.rqueue = u32_at(body, 56)?;
    socket.wqueue = u32_at(body, 60)?;
    socket.uid = u32_at(body, 64)?;
    socket.inode = u32_at(body, 68)?;
    Some(())
}

fn attribute(socket: &mut Socket, kind: u16, payload: &[u8]) {
    match kind {
        2 => socket.info = Some(TcpInfo::new(payload)),
        4 => {
            for (to, from) in socket.congestion.iter_mut().zip(payload) {
                *to = *from;
            }
        }
        7 => socket.skmem = skmem(payload),
        8 => socket.shutdown = u8_at(payload, 0),
        11 => socket.v6only = u8_at(payload, 0).map(|flag| flag != 0),
        21 => socket.cgroup = u64_at(payload, 0),
        _ => {}
    }
}

/// `SK_MEMINFO_*` in their order; `drops` came with 4.9.
fn skmem(payload: &[u8]) -> Option<SkMem> {
    let at = |place: usize| u32_at(payload, place * 4);
    Some(SkMem {
        rmem_alloc_bytes: at(0)?,
        rcvbuf_bytes: at(1)?,
        wmem_alloc_bytes: at(2)?,
        sndbuf_bytes: at(3)?,
        fwd_alloc_bytes: at(4)?,
        wmem_queued_bytes: at(5)?,
        optmem_bytes: at(6)?,
        backlog_bytes: at(7)?,
        drops: at(8)?,
    })
}

fn timer(number: u8) -> Timer {
    match number {
        1 => Timer::On,
        2 => Timer::Keepalive,
        3 => Timer::TimeWait,
        4 => Timer::Persist,
        _ => Timer::None,
    }
}

fn address(body: &[u8], at: usize, inet6: bool) -> Option<IpAddr> {
    let bytes: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
    let [a, b, c, d, ..] = bytes;
    Some(if inet6 { IpAddr::V6(Ipv6Addr::from(bytes)) } else { IpAddr::V4(Ipv4Addr::new(a, b, c, d)) })
}

#[cfg(test)]
mod tests {
    use super::super::netlink::put_attribute;
    use super::*;

    // An inet_diag_msg written by hand from the header's declaration.
    fn fixed(family: u8, state: u8) -> Vec<u8> {
        let mut body = vec![family, state, 1, 3];
        body.extend(8080u16.to_be_bytes());
        body.extend(443u16.to_be_bytes());
        body.extend([192, 0, 2, 1]);
        body.extend([0; 12]);
        body.extend([198, 51, 100, 7]);
        body.extend([0; 12]);
        for word in [5u32, 0x89ab_cdef, 0x0123_4567, 2500, 11, 22, 1000, 987_654] {
            body.extend(word.to_ne_bytes());
        }
        body
    }

    #[test]
    fn the_fixed_part_is_read_at_its_offsets() {
        let mut socket = Socket::default();
        parse(&fixed(2, 8), &mut socket).unwrap();
        assert_eq!(socket.state, State::CloseWait);
        assert_eq!(
            (socket.local.to_string(), socket.remote.to_string()),
            ("192.0.2.1:8080".into(), "198.51.100.7:443".into())
        );
        assert_eq!((socket.timer, socket.timer_retrans, socket.timer_expires_ms), (Timer::On, 3, 2500));
        assert_eq!((socket.ifindex, socket.cookie), (5, 0x0123_4567_89ab_cdef));
        assert_eq!((socket.rqueue, socket.wqueue, socket.uid, socket.inode), (11, 22, 1000, 987_654));
        assert!(!socket.inet6 && socket.info.is_none() && socket.skmem.is_none() && socket.v6only.is_none());
    }

    #[test]
    fn attributes_are_taken_and_the_socket_before_leaves_nothing() {
        let mut body = fixed(10, 1);
        body[8..24].copy_from_slice(&"::ffff:192.0.2.9".parse::<Ipv6Addr>().unwrap().octets());
        put_attribute(&mut body, 2, &[9; 104]);
        put_attribute(&mut body, 4, b"bbr\0");
        put_attribute(&mut body, 7, &(1..=9u32).flat_map(u32::to_ne_bytes).collect::<Vec<_>>());
        put_attribute(&mut body, 8, &[2]);
        put_attribute(&mut body, 11, &[0]);
        put_attribute(&mut body, 21, &77u64.to_ne_bytes());
        put_attribute(&mut body, 999, &[1, 2, 3]);
        let mut socket = Socket::default();
        parse(&body, &mut socket).unwrap();
        assert_eq!(socket.local.to_string(), "192.0.2.9:8080");
        assert_eq!(
            (socket.inet6, socket.v6only, socket.shutdown, socket.cgroup),
            (true, Some(false), Some(2), Some(77))
        );
        assert_eq!((socket.congestion_name(), socket.skmem.unwrap().drops), (Some("bbr"), 9));
        assert_eq!(socket.info.unwrap().bytes().len(), 104);
        parse(&fixed(2, 1), &mut socket).unwrap();
        assert!(socket.info.is_none() && socket.skmem.is_none() && socket.congestion_name().is_none());
        assert_eq!((socket.v6only, socket.shutdown, socket.cgroup), (None, None, None));
    }

    #[test]
    fn short_attributes_are_none() {
        let mut body = fixed(2, 1);
        put_attribute(&mut body, 7, &[0; 32]);
        put_attribute(&mut body, 21, &[0; 4]);
        let mut socket = Socket::default();
        parse(&body, &mut socket).unwrap();
        assert!(socket.skmem.is_none() && socket.cgroup.is_none());
    }

    #[test]
    fn what_is_too_short_or_no_state_is_an_error() {
        assert_eq!(parse(&fixed(2, 1)[..71], &mut Socket::default()).unwrap_err().place, 71);
        assert!(parse(&fixed(2, 13), &mut Socket::default()).is_err());
    }

    #[test]
    fn requests_have_the_sizes_of_the_kernels_structures() {
        let v2 = dump(Family::Inet6, 1 << 10, INFO | SKMEMINFO, None);
        assert_eq!((v2.len(), &v2[16..24]), (72, &[10, 6, 0x42, 0, 0, 4, 0, 0][..]));
        let legacy = dump(Family::Both, ALL_STATES, 0, None);
        assert_eq!((legacy.len(), legacy[4], &legacy[68..72]), (76, 18, &[0xff, 0x0f, 0, 0][..]));
    }
}
