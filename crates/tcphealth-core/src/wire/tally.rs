//! Sums by process and by peer, as programs at the tracepoints keep them → parts of a [`crate::snapshot::Tally`].
//!
//! Source: `struct who`, `doing`, `whom`, `place` and `queue` in crates/tcphealth-linux/bpf/events.c. Addresses are IPv6, or IPv4 mapped into it.

use std::collections::BTreeMap;

use super::events::{address, attempt, comm};
use super::netlink::{u8_at, u16_at, u32_at, u64_at};
use crate::snapshot::{Endpoint, Passed, PeerTally, ProcessTally, QueueTally, Sums, With};

/// `sizeof(struct who)`.
pub const WHO_BYTES: usize = 24;
/// `sizeof(struct doing)`.
pub const DOING_BYTES: usize = 112;
/// `sizeof(struct whom)`.
pub const WHOM_BYTES: usize = 24;
/// `sizeof(struct place)`.
pub const PLACE_BYTES: usize = 24;
/// `sizeof(struct queue)`.
pub const QUEUE_BYTES: usize = 56;
/// Bytes of a count.
pub const COUNT_BYTES: usize = 8;

/// Reads what one process did; `None` for a side that is not known.
pub fn process(who: &[u8], doing: &[u8]) -> Option<ProcessTally> {
    let port = u16_at(who, 6)?;
    let with = match u8_at(who, 4)? {
        0 => With::Before,
        1 => With::Destination(Endpoint::new(address(who, 8)?, port)),
        2 => With::Port(port),
        _ => return None,
    };
    let sum = |number: usize| u64_at(doing, 16 + number * 8);
    Some(ProcessTally {
        pid: u32_at(who, 0).filter(|pid| *pid > 0),
        comm: comm(doing.get(..16)?),
        with,
        failed: u8_at(who, 5).filter(|failure| *failure > 0).map(|failure| attempt(u32::from(failure))),
        sums: Sums {
            opened: sum(0)?,
            opening_ns: sum(1)?,
            opening_ns_max: sum(2)?,
            retried: sum(3)?,
            ended: sum(4)?,
            lives: sum(5)?,
            lived_ns: sum(6)?,
            time_wait: sum(7)?,
            close_waits: sum(8)?,
            close_wait_ns: sum(9)?,
            close_wait_ns_max: sum(10)?,
            aborted: sum(11)?,
        },
    })
}

/// Reads what passed between us and a peer, with the kernel's words for its reasons; `None` for a kind that is not known.
pub fn peer(whom: &[u8], count: &[u8], reasons: &BTreeMap<u32, String>) -> Option<PeerTally> {
    let reason = u32::from(u8_at(whom, 19)?);
    let what = match u8_at(whom, 18)? {
        0 => Passed::DataAgain,
        1 => Passed::SynAgain,
        2 => Passed::SynAckAgain,
        3 => Passed::WeReset { reason: reasons.get(&reason).cloned().unwrap_or_else(|| reason.to_string()) },
        4 => Passed::TheyReset,
        _ => return None,
    };
    Some(PeerTally {
        address: address(whom, 0)?.to_canonical(),
        port: u16_at(whom, 16)?,
        what,
        count: u64_at(count, 0)?,
    })
}

/// Reads what became of the connections in an accept queue up to this moment of the boot clock.
pub fn queue(place: &[u8], queue: &[u8], now_ns: u64) -> Option<QueueTally> {
    let sum = |number: usize| u64_at(queue, number * 8);
    let (waiting, arrived_ns) = (sum(3)?, sum(4)?);
    Some(QueueTally {
        local: Endpoint::new(address(place, 0)?, u16_at(place, 16)?),
        accepted: sum(0)?,
        waited_ns: sum(1)?,
        waited_ns_max: sum(2)?,
        waiting,
        // Both products are larger than 64 bits may be, what is between them is not.
        waiting_ns: waiting.wrapping_mul(now_ns).wrapping_sub(arrived_ns),
        ended: sum(5)?,
        unseen: sum(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Attempt;

    fn mapped(text: &str) -> [u8; 16] {
        text.parse::<std::net::Ipv4Addr>().unwrap().to_ipv6_mapped().octets()
    }

    fn who(side: u8, failure: u8) -> Vec<u8> {
        let mut who = 4711_u32.to_ne_bytes().to_vec();
        who.extend([side, failure]);
        who.extend(443_u16.to_ne_bytes());
        who.extend(mapped("192.0.2.9"));
        who
    }

    fn doing() -> Vec<u8> {
        let sums = (1..=12_u64).flat_map(u64::to_ne_bytes);
        b"nginx\0\0\0\0\0\0\0\0\0\0\0".iter().copied().chain(sums).collect()
    }

    #[test]
    fn a_process_its_destination_and_its_sums_stand_in_their_places() {
        let told = process(&who(1, 0), &doing()).unwrap();
        let to = Endpoint::new("192.0.2.9".parse().unwrap(), 443);
        assert_eq!((told.pid, told.comm.as_str(), told.with), (Some(4711), "nginx", With::Destination(to)));
        let Sums { opened, retried, ended, lived_ns, time_wait, close_wait_ns_max, aborted, .. } = told.sums;
        assert_eq!([opened, retried, ended, lived_ns, time_wait], [1, 4, 5, 7, 8]);
        assert_eq!([close_wait_ns_max, aborted], [11, 12]);
        assert_eq!((told.failed, process(&who(2, 0), &doing()).unwrap().with), (None, With::Port(443)));
        assert_eq!(process(&who(1, 111), &doing()).unwrap().failed, Some(Attempt::Failed(111)));
        assert!(process(&who(3, 0), &doing()).is_none() && process(&who(1, 0), &doing()[..111]).is_none());
    }

    #[test]
    fn those_in_a_queue_have_waited_from_when_they_came_until_now() {
        let place: Vec<u8> = mapped("192.0.2.9").into_iter().chain(80_u16.to_ne_bytes()).chain([0; 6]).collect();
        // Three wait; they came 1, 5 and 9 s after boot.
        let sums: Vec<u8> = [7, 900, 300, 3, 15_000_000_000, 2, 4].iter().copied().flat_map(u64::to_ne_bytes).collect();
        let told = queue(&place, &sums, 10_000_000_000).unwrap();
        assert_eq!((told.local.to_string().as_str(), told.accepted), ("192.0.2.9:80", 7));
        assert_eq!((told.waited_ns, told.waited_ns_max, told.waiting), (900, 300, 3));
        assert_eq!((told.waiting_ns, told.ended, told.unseen), (15_000_000_000, 2, 4));
        // 40 000 connections, a year after boot: the products do not fit into 64 bits.
        let year_ns = 365 * 86_400 * 1_000_000_000_u64;
        let came_ns = 40_000_u64.wrapping_mul(year_ns - 1_000_000_000);
        let sums: Vec<u8> = [0, 0, 0, 40_000, came_ns, 0, 0].iter().copied().flat_map(u64::to_ne_bytes).collect();
        assert_eq!(queue(&place, &sums, year_ns).unwrap().waiting_ns, 40_000_000_000_000);
        assert!(queue(&place, &sums[..55], year_ns).is_none());
    }

    #[test]
    fn a_peer_has_its_port_and_the_reason_its_word() {
        let of = |what: u8, reason: u8| {
            let mut whom = mapped("192.0.2.9").to_vec();
            whom.extend(80_u16.to_ne_bytes());
            whom.extend([what, reason, 0, 0, 0, 0]);
            peer(&whom, &5_u64.to_ne_bytes(), &[(2, "NO_SOCKET".to_owned())].into())
        };
        let told = of(3, 2).unwrap();
        assert_eq!((told.address.to_string().as_str(), told.port, told.count), ("192.0.2.9", 80, 5));
        assert_eq!(told.what, Passed::WeReset { reason: "NO_SOCKET".to_owned() });
        assert_eq!(of(3, 9).unwrap().what, Passed::WeReset { reason: "9".to_owned() });
        let rest: Vec<Passed> = [0, 1, 2, 4].into_iter().map(|what| of(what, 0).unwrap().what).collect();
        assert_eq!(rest, [Passed::DataAgain, Passed::SynAgain, Passed::SynAckAgain, Passed::TheyReset]);
        assert!(of(5, 0).is_none());
    }
}
