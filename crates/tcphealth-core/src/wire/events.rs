//! What the programs at the tracepoints tell → events and their counts.
//!
//! Source: `struct record` and the counters of one CPU in crates/tcphealth-linux/bpf/events.c. Addresses are IPv6, or IPv4 mapped
//! into it; 0 is what is not known.

use std::net::Ipv6Addr;

use super::netlink::{u8_at, u16_at, u32_at, u64_at};
use crate::snapshot::{Attempt, Endpoint, Event, EventCounts, Happening, Life, Program, State};

/// `sizeof(struct record)`.
pub const RECORD_BYTES: usize = 112;
/// Counters of one CPU, each of 8 bytes.
pub const COUNTERS: usize = 1024;

/// The kinds of records, in the order of `enum kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// [`Happening::Retransmit`].
    Retransmit,
    /// [`Happening::RetransmitSynAck`].
    RetransmitSynAck,
    /// [`Happening::ResetSent`].
    ResetSent,
    /// [`Happening::ResetReceived`].
    ResetReceived,
    /// [`Happening::State`].
    State,
    /// [`Happening::Connect`].
    Connect,
    /// [`Happening::Life`].
    Life,
    /// [`Happening::Drop`].
    Drop,
}

/// The counter of events that are in no sum of a process or a peer.
pub const UNNAMED: usize = 913;

const UNSENT: u32 = 254;
const GIVEN_UP: u32 = 255;

/// Reads a record; `None` for one of a kind or a state that is not known.
pub fn parse(record: &[u8]) -> Option<Event> {
    let state = |at| State::from_kernel(u8_at(record, at)?);
    Some(Event {
        at_ns: u64_at(record, 0)?,
        local: Endpoint::new(address(record, 32)?, u16_at(record, 24)?),
        remote: Endpoint::new(address(record, 48)?, u16_at(record, 26)?),
        state: state(17)?,
        program: program(record),
        inode: u32_at(record, 104)?,
        uid: u32_at(record, 108)?,
        what: what(record, state(18)?)?,
        stack: stack(record),
    })
}

/// What stands behind the record up to the first 0.
fn stack(record: &[u8]) -> Vec<u64> {
    let addresses = record.get(RECORD_BYTES..).unwrap_or_default().chunks_exact(8);
    addresses.map_while(|bytes| u64_at(bytes, 0).filter(|address| *address > 0)).collect()
}

fn what(record: &[u8], to: State) -> Option<Happening> {
    let number = u32_at(record, 20)?;
    let since = u64_at(record, 8).filter(|birth| *birth > 0);
    let age_ns = since.and_then(|birth| u64_at(record, 0)?.checked_sub(birth));
    Some(match u8_at(record, 16)? {
        0 => Happening::Retransmit { segments: number },
        1 => Happening::RetransmitSynAck,
        2 => Happening::ResetSent { reason: number },
        3 => Happening::ResetReceived,
        4 => Happening::State { to },
        5 => Happening::Connect { attempt: attempt(number), took_ns: age_ns },
        6 => Happening::Life(life(record, number, age_ns)?),
        7 => Happening::Drop { reason: number },
        _ => return None,
    })
}

pub(super) fn attempt(number: u32) -> Attempt {
    match number {
        0 => Attempt::Established,
        UNSENT => Attempt::Unsent,
        GIVEN_UP => Attempt::GivenUp,
        errno => Attempt::Failed(errno.cast_signed()),
    }
}

fn life(record: &[u8], error: u32, lasted_ns: Option<u64>) -> Option<Life> {
    Some(Life {
        lasted_ns,
        error: error.cast_signed(),
        bytes_acked: u64_at(record, 80)?,
        bytes_received: u64_at(record, 88)?,
        // The kernel keeps eight times the smoothed time.
        rtt_us: u32_at(record, 96)? >> 3,
        total_retrans: u32_at(record, 100)?,
    })
}

fn program(record: &[u8]) -> Option<Program> {
    let pid = u32_at(record, 28).filter(|pid| *pid > 0)?;
    Some(Program { pid, comm: comm(record.get(64..80)?) })
}

/// The name of a task, up to its first zero.
pub(super) fn comm(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

pub(super) fn address(record: &[u8], at: usize) -> Option<std::net::IpAddr> {
    let bytes: [u8; 16] = record.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

/// The counters of all CPUs together; `count` tells the sum of one of them by its number, from 0 to [`COUNTERS`].
pub fn counts(count: impl Fn(usize) -> u64) -> EventCounts {
    let several = |begin: usize, length: usize| {
        (0..length).map(move |number| (number, begin + number)).filter_map(|(number, at)| {
            let count = count(at);
            (count > 0).then_some((number as u32, count))
        })
    };
    let change = |(number, count): (u32, u64)| {
        let state = |number: u32| State::from_kernel(number as u8);
        Some(((state(number >> 4)?, state(number & 15)?), count))
    };
    let states: std::collections::BTreeMap<_, _> = several(0, 256).filter_map(change).collect();
    let unfinished = [State::SynSent, State::SynRecv, State::Listen, State::Close];
    let ended = |&(&(from, to), _): &(&(State, State), &u64)| to == State::Close && !unfinished.contains(&from);
    EventCounts {
        lives: states.iter().filter(ended).map(|(_, count)| count).sum(),
        states,
        attempts: several(256, 256).map(|(number, count)| (attempt(number), count)).collect(),
        resets_sent: several(512, 128).collect(),
        drops: several(640, 256).collect(),
        retransmitted: count(896),
        retransmitted_syn: count(897),
        retransmitted_synack: count(898),
        retransmit_failed: count(899),
        resets_received: count(900),
        untold: (904..912).map(&count).sum(),
        forgotten: count(912),
        missed: 0,
        overruns: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, from: u8, to: u8, number: u32) -> Vec<u8> {
        let mut record = vec![0; RECORD_BYTES];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &5_000_000_000u64.to_ne_bytes());
        put(8, &2_000_000_000u64.to_ne_bytes());
        put(16, &[kind as u8, from, to]);
        put(20, &number.to_ne_bytes());
        put(24, &443u16.to_ne_bytes());
        put(26, &40_000u16.to_ne_bytes());
        put(28, &4711u32.to_ne_bytes());
        put(32, &"::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().octets());
        put(48, &"2001:db8::9".parse::<Ipv6Addr>().unwrap().octets());
        put(64, b"nginx\0rest");
        put(80, &700u64.to_ne_bytes());
        put(88, &800u64.to_ne_bytes());
        put(96, &[(12_345u32 << 3).to_ne_bytes(), 3u32.to_ne_bytes()].concat());
        put(104, &[77u32.to_ne_bytes(), 1000u32.to_ne_bytes()].concat());
        record
    }

    #[test]
    fn a_life_has_its_ends_its_program_and_its_figures() {
        let event = parse(&record(Kind::Life, 9, 7, 104)).unwrap();
        let ends = (event.local.to_string(), event.remote.to_string());
        assert_eq!(ends, ("192.0.2.1:443".to_owned(), "[2001:db8::9]:40000".to_owned()));
        assert_eq!(event.program, Some(Program { pid: 4711, comm: "nginx".to_owned() }));
        assert_eq!((event.state, event.inode, event.uid), (State::LastAck, 77, 1000));
        let life = Life {
            lasted_ns: Some(3_000_000_000),
            error: 104,
            bytes_acked: 700,
            bytes_received: 800,
            rtt_us: 12_345,
            total_retrans: 3,
        };
        assert_eq!(event.what, Happening::Life(life));
    }

    #[test]
    fn a_stack_ends_at_the_first_zero() {
        let mut longer = record(Kind::Drop, 2, 7, 3);
        assert!(parse(&longer).unwrap().stack.is_empty());
        longer.extend([0xffff_ffff_8100_1234_u64, 7, 0, 9].iter().flat_map(|word| word.to_ne_bytes()));
        assert_eq!(parse(&longer).unwrap().stack, [0xffff_ffff_8100_1234, 7]);
    }

    #[test]
    fn every_kind_is_read_and_others_are_not() {
        let what = |kind, number| parse(&record(kind, 2, 7, number)).unwrap().what;
        assert_eq!(what(Kind::Retransmit, 4), Happening::Retransmit { segments: 4 });
        assert_eq!(what(Kind::RetransmitSynAck, 1), Happening::RetransmitSynAck);
        assert_eq!(what(Kind::ResetSent, 11), Happening::ResetSent { reason: 11 });
        assert_eq!(what(Kind::ResetReceived, 0), Happening::ResetReceived);
        assert_eq!(what(Kind::State, 0), Happening::State { to: State::Close });
        assert_eq!(what(Kind::Drop, 3), Happening::Drop { reason: 3 });
        let took_ns = Some(3_000_000_000);
        for (number, attempt) in
            [(0, Attempt::Established), (111, Attempt::Failed(111)), (254, Attempt::Unsent), (255, Attempt::GivenUp)]
        {
            assert_eq!(what(Kind::Connect, number), Happening::Connect { attempt, took_ns });
        }
        let mut unknown = record(Kind::Drop, 2, 7, 0);
        unknown[16] = 8;
        assert!(parse(&unknown).is_none() && parse(&record(Kind::Drop, 0, 7, 0)).is_none());
        assert!(parse(&record(Kind::Life, 2, 7, 0)[..111]).is_none());
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let mut life = record(Kind::Life, 4, 7, 0);
        life[8..16].fill(0);
        life[28..32].fill(0);
        let event = parse(&life).unwrap();
        assert!(event.program.is_none());
        assert!(matches!(event.what, Happening::Life(Life { lasted_ns: None, .. })));
    }

    #[test]
    fn counters_are_found_at_their_places() {
        let told = [
            (0x72, 5),
            (0x97, 3),
            (0x27, 1),
            (256, 4),
            (256 + 111, 1),
            (512 + 11, 2),
            (640 + 3, 9),
            (898, 6),
            (905, 7),
            (910, 1),
        ];
        let counts = counts(|at| told.iter().find(|(place, _)| *place == at).map_or(0, |(_, count)| *count));
        assert_eq!(counts.change(State::Close, State::SynSent), 5);
        assert_eq!((counts.lives, counts.retransmitted_synack, counts.untold), (3, 6, 8));
        assert_eq!(counts.attempts, [(Attempt::Established, 4), (Attempt::Failed(111), 1)].into());
        assert_eq!((counts.resets_sent, counts.drops), ([(11, 2)].into(), [(3, 9)].into()));
    }
}
