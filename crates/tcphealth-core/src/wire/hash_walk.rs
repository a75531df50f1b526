//! A record of the walk over the kernel's hash tables → one socket.
//!
//! Source: `struct record` in crates/tcphealth-linux/bpf/walk.c, whose first part is the kernel's `struct sock_common` as it is
//! in memory, with the offsets that its type information tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{u8_at, u16_at, u16_be_at, u32_at, u64_at};
use crate::snapshot::{Endpoint, Progress, Socket, SocketSums, State};

/// Bytes of `struct record` that every walk fills.
pub const RECORD_BYTES: usize = 168;
/// Bytes behind them of sums, which the deep walk has not.
pub const SUMS_BYTES: usize = 48;
/// Bytes of `struct sock_common` that a record has.
pub const COMMON_BYTES: usize = 112;

const NETNS_AT: usize = 140;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// The kernel's numbers of what is less than a socket: `TCP_TIME_WAIT` and `TCP_NEW_SYN_RECV`.
const STUB: u8 = 6;
const REQUEST: u8 = 12;

/// What a record has beside that part, as bits: the queues, or a listener's; user and inode; the namespace; smoothed round-trip
/// time and retransmissions.
pub const QUEUES: u32 = 1;
/// See [`QUEUES`].
pub const OWNER: u32 = 2;
/// See [`QUEUES`].
pub const NETNS: u32 = 4;
/// See [`QUEUES`].
pub const PROGRESS: u32 = 8;
/// No record at all: the program counts the sockets of each state.
pub const COUNTS: u32 = 16;
/// Sockets that have state, peer and namespace in common may share a record, which is otherwise one of them.
pub const SUMS: u32 = 32;

/// Where the members of `struct sock_common` lie, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    /// `skc_daddr`.
    pub daddr: usize,
    /// `skc_rcv_saddr`.
    pub rcv_saddr: usize,
    /// `skc_dport`.
    pub dport: usize,
    /// `skc_num`.
    pub num: usize,
    /// `skc_family`.
    pub family: usize,
    /// `skc_state`.
    pub state: usize,
    /// `skc_bound_dev_if`.
    pub bound_dev_if: usize,
    /// `skc_v6_daddr`.
    pub v6_daddr: usize,
    /// `skc_v6_rcv_saddr`.
    pub v6_rcv_saddr: usize,
}

/// The namespace of a record, where it was wanted.
pub fn netns(record: &[u8]) -> Option<u32> {
    u32_at(record, NETNS_AT)
}

/// Reads a record into `socket`, of which nothing old remains, and returns its namespace (0 when that was not wanted).
///
/// `None` for a record that is no socket of TCP over IP: nothing locked it while it was read.
pub fn parse(record: &[u8], places: &Places, wanted: u32, socket: &mut Socket) -> Option<u32> {
    let record = record.get(..RECORD_BYTES)?;
    let kernel_state = u8_at(record, places.state)?;
    let state = if kernel_state == STUB { u8_at(record, 152)? } else { kernel_state };
    let inet6 = match u16_at(record, places.family)? {
        AF_INET => false,
        AF_INET6 => true,
        _ => return None,
    };
    *socket = Socket { state: State::from_kernel(state)?, inet6, ..Socket::default() };
    let (local, remote) = if inet6 { (places.v6_rcv_saddr, places.v6_daddr) } else { (places.rcv_saddr, places.daddr) };
    socket.local = Endpoint::new(address(record, local, inet6)?, u16_at(record, places.num)?);
    socket.remote = Endpoint::new(address(record, remote, inet6)?, u16_be_at(record, places.dport)?);
    socket.ifindex = u32_at(record, places.bound_dev_if)?;
    // What is not wanted is what an earlier record had there.
    let has = |bit| wanted & bit != 0;
    let at = |place| u32_at(record, place);
    let netns = if has(NETNS) { netns(record)? } else { 0 };
    if matches!(kernel_state, STUB | REQUEST) {
        return Some(netns);
    }
    if has(QUEUES) {
        (socket.rqueue, socket.wqueue) = queues(socket.state, at)?;
    }
    if has(PROGRESS) && socket.state != State::Listen {
        // The kernel keeps eight times the time, so that it has fractions.
        socket.progress = Some(Progress { rtt_us: at(160)? >> 3, total_retrans: at(164)? });
    }
    if has(OWNER) {
        (socket.uid, socket.inode) = (at(136)?, u64_at(record, 144)? as u32);
    }
    Some(netns)
}

/// Of all sockets that share a record, when [`SUMS`] were wanted.
pub fn sums(record: &[u8], wanted: u32) -> Option<SocketSums> {
    let at = |number: usize, bit| match wanted & bit {
        0 => Some(0),
        _ => u64_at(record, RECORD_BYTES + 8 * number),
    };
    Some(SocketSums {
        sockets: at(0, SUMS)?,
        unread_bytes: at(1, QUEUES)?,
        unacknowledged_bytes: at(2, QUEUES)?,
        total_retrans: at(3, PROGRESS)?,
        rtt_us: at(4, PROGRESS)?,
        measured: at(5, PROGRESS)?,
    })
}

/// As tcp_diag_get_info() computes them.
fn queues(state: State, at: impl Fn(usize) -> Option<u32>) -> Option<(u32, u32)> {
    if state == State::Listen {
        return Some((at(128)?, at(132)?));
    }
    let unread = at(112)?.wrapping_sub(at(116)?).cast_signed().max(0).cast_unsigned();
    Some((unread, at(120)?.wrapping_sub(at(124)?)))
}

fn address(record: &[u8], at: usize, inet6: bool) -> Option<IpAddr> {
    if inet6 {
        let bytes: [u8; 16] = record.get(at..at + 16)?.try_into().ok()?;
        return Some(IpAddr::V6(Ipv6Addr::from(bytes)));
    }
    let bytes: [u8; 4] = record.get(at..at + 4)?.try_into().ok()?;
    Some(IpAddr::V4(Ipv4Addr::from(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The layout of Linux 6.18 on x86-64.
    const PLACES: Places = Places {
        daddr: 0,
        rcv_saddr: 4,
        dport: 12,
        num: 14,
        family: 16,
        state: 18,
        bound_dev_if: 20,
        v6_daddr: 56,
        v6_rcv_saddr: 72,
    };

    const ALL: u32 = QUEUES | OWNER | NETNS | PROGRESS;

    fn record(state: u8) -> Vec<u8> {
        let mut record = vec![0; RECORD_BYTES];
        record[..8].copy_from_slice(&[198, 51, 100, 7, 192, 0, 2, 1]);
        record[12..14].copy_from_slice(&443u16.to_be_bytes());
        record[14..16].copy_from_slice(&8080u16.to_ne_bytes());
        record[16..18].copy_from_slice(&AF_INET.to_ne_bytes());
        record[18] = state;
        for (place, word) in
            [(20, 5), (112, 7), (116, 9), (120, 3), (124, u32::MAX), (128, 11), (132, 4096), (160, 80_007), (164, 6)]
        {
            record[place..place + 4].copy_from_slice(&u32::to_ne_bytes(word));
        }
        record[136..140].copy_from_slice(&1000u32.to_ne_bytes());
        record[140..144].copy_from_slice(&77u32.to_ne_bytes());
        record[144..152].copy_from_slice(&987_654u64.to_ne_bytes());
        record
    }

    #[test]
    fn a_connection_is_read_at_its_places() {
        let mut socket = Socket { wqueue: 1, ..Socket::default() };
        assert_eq!(parse(&record(8), &PLACES, ALL, &mut socket), Some(77));
        assert_eq!(netns(&record(8)), Some(77));
        assert_eq!((socket.state, socket.ifindex, socket.uid, socket.inode), (State::CloseWait, 5, 1000, 987_654));
        let ends = (socket.local.to_string(), socket.remote.to_string());
        assert_eq!(ends, ("192.0.2.1:8080".to_owned(), "198.51.100.7:443".to_owned()));
        // The FIN is counted in rcv_nxt or not yet; sequence numbers wrap.
        assert_eq!((socket.rqueue, socket.wqueue), (0, 4));
        assert_eq!((socket.rtt_us(), socket.total_retrans()), (Some(10_000), Some(6)));
        assert_eq!(parse(&record(8), &PLACES, 0, &mut socket), Some(0));
        assert_eq!((socket.wqueue, socket.uid, socket.inode, socket.progress), (0, 0, 0, None));
    }

    #[test]
    fn a_listener_has_its_queue_and_time_wait_its_own_state() {
        let mut socket = Socket::default();
        parse(&record(10), &PLACES, ALL, &mut socket).unwrap();
        assert_eq!((socket.state, socket.rqueue, socket.wqueue), (State::Listen, 11, 4096));
        let mut stub = record(6);
        stub[152] = 5;
        parse(&stub, &PLACES, ALL, &mut socket).unwrap();
        assert_eq!(socket.state, State::FinWait2);
        assert!(parse(&record(12), &PLACES, ALL, &mut socket).is_some() && socket.state == State::SynRecv);
        // Whatever stands in the record: neither has queues or an owner.
        assert_eq!((socket.rqueue, socket.wqueue, socket.inode), (0, 0, 0));
    }

    #[test]
    fn a_shared_record_has_sums() {
        let mut shared = record(1);
        shared.extend([40, 1000, 70, 6, 90_000, 30].map(u64::to_ne_bytes).concat());
        let all = sums(&shared, SUMS | QUEUES | PROGRESS).unwrap();
        let expected = SocketSums {
            sockets: 40,
            unread_bytes: 1000,
            unacknowledged_bytes: 70,
            total_retrans: 6,
            rtt_us: 90_000,
            measured: 30,
        };
        assert_eq!(all, expected);
        assert_eq!(sums(&shared, SUMS), Some(SocketSums { sockets: 40, ..SocketSums::default() }));
        assert_eq!(sums(&record(1), SUMS), None);
    }

    #[test]
    fn a_mapped_address_is_ipv4_and_nonsense_is_no_socket() {
        let mut mapped = record(1);
        mapped[16..18].copy_from_slice(&AF_INET6.to_ne_bytes());
        mapped[72..88].copy_from_slice(&"::ffff:192.0.2.9".parse::<Ipv6Addr>().unwrap().octets());
        let mut socket = Socket::default();
        parse(&mapped, &PLACES, ALL, &mut socket).unwrap();
        assert_eq!((socket.inet6, socket.local.to_string()), (true, "192.0.2.9:8080".to_owned()));
        mapped[16] = 1;
        assert!(
            parse(&mapped, &PLACES, ALL, &mut socket).is_none()
                && parse(&record(13), &PLACES, ALL, &mut socket).is_none()
        );
        assert!(parse(&record(1)[1..], &PLACES, ALL, &mut socket).is_none());
    }
}
