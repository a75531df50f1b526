//! Sums by process, as programs at the tracepoints kept them → who opened, who failed, who aborted: exact where a rule had to
//! estimate, and also of those who have gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::snapshot::{Attempt, EADDRNOTAVAIL, Endpoint, Owner, ProcessTally, Sums, Tally, With};

/// A process that opened more than this share of the connections is the one to name.
const MAIN_SHARE: f64 = 0.5;

/// A process, and what it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Doer {
    /// Which; of one that has gone the name is still known.
    pub(super) owner: Owner,
    pub(super) sums: Sums,
}

impl Doer {
    /// Connections a second that it opened.
    pub(super) fn opened_per_second(&self, tally: &Tally) -> f64 {
        self.sums.opened as f64 / tally.seconds().max(f64::MIN_POSITIVE)
    }

    /// How long a connection of it lived on average, seconds; `None` when none was seen from its begin to its end.
    pub(super) fn life_seconds(&self) -> Option<f64> {
        (self.sums.lives > 0).then(|| self.sums.lived_ns as f64 / self.sums.lives as f64 / 1e9)
    }

    /// Connections that it has open at any moment, by Little's law: a pool of so many would do.
    pub(super) fn pool(&self, tally: &Tally) -> Option<f64> {
        Some((self.opened_per_second(tally) * self.life_seconds()?).ceil().max(1.0))
    }
}

/// The processes that had connections of some kind, those that opened and closed most first.
pub(super) fn doers(tally: &Tally, of: impl Fn(&ProcessTally) -> bool) -> Vec<Doer> {
    let mut found: BTreeMap<u32, Doer> = BTreeMap::new();
    for one in tally.processes.iter().filter(|one| of(one)) {
        let Some(pid) = one.pid else { continue };
        let doer = found.entry(pid).or_default();
        doer.owner = Owner { pid, comm: one.comm.clone(), others: 0 };
        doer.sums += one.sums;
    }
    let mut list: Vec<Doer> = found.into_values().collect();
    list.sort_by_key(|doer| std::cmp::Reverse(doer.sums.opened + doer.sums.ended));
    list
}

/// The processes that made connections to a destination.
pub(super) fn openers(tally: &Tally, to: Endpoint) -> Vec<Doer> {
    doers(tally, |one| one.with == With::Destination(to) && one.failed.is_none())
}

/// The one place at an address where connects failed in this way, if there is one only.
pub(super) fn failed_at(tally: &Tally, address: IpAddr, how: Attempt) -> Option<Endpoint> {
    let places = tally.processes.iter().filter(|one| one.failed == Some(how)).filter_map(|one| match one.with {
        With::Destination(to) => (to.address == address).then_some(to),
        _ => None,
    });
    let places: BTreeSet<Endpoint> = places.collect();
    places.first().copied().filter(|_| places.len() == 1)
}

/// Connections that were made only after a SYN had been sent again, by destination, most first; `None` as destination where
/// connecting had begun before anybody counted.
pub(super) fn late(tally: &Tally) -> Vec<(Option<Endpoint>, u64)> {
    let mut late: BTreeMap<Option<Endpoint>, u64> = BTreeMap::new();
    for one in &tally.processes {
        let to = match one.with {
            With::Destination(to) => Some(to),
            With::Before => None,
            With::Port(_) => continue,
        };
        *late.entry(to).or_default() += one.sums.retried;
    }
    let mut late: Vec<_> = late.into_iter().filter(|(_, count)| *count > 0).collect();
    late.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    late
}

/// The process that ended most of the connections which processes here ended with a reset, when it is more than half.
pub(super) fn aborter(tally: &Tally) -> Option<Owner> {
    let mut list = doers(tally, |_| true);
    list.sort_by_key(|doer| std::cmp::Reverse(doer.sums.aborted));
    let all: u64 = list.iter().map(|doer| doer.sums.aborted).sum();
    let most = list.into_iter().next()?;
    (most.sums.aborted as f64 > MAIN_SHARE * all as f64).then_some(most.owner)
}

/// Where connects went that found no local port.
pub(super) fn wanted_a_port(tally: &Tally) -> BTreeSet<Endpoint> {
    let failed = tally.processes.iter().filter(|one| one.failed == Some(Attempt::Failed(EADDRNOTAVAIL)));
    failed.filter_map(|one| if let With::Destination(to) = one.with { Some(to) } else { None }).collect()
}

/// Connects to a place that found no local port.
pub(super) fn without_a_port(tally: &Tally, to: Endpoint) -> u64 {
    let failed =
        |one: &&ProcessTally| one.failed == Some(Attempt::Failed(EADDRNOTAVAIL)) && one.with == With::Destination(to);
    tally.processes.iter().filter(failed).map(|one| one.sums.ended).sum()
}

/// The one that opened most of them, when it is more than half.
pub(super) fn main(doers: &[Doer]) -> Option<&Doer> {
    let all: u64 = doers.iter().map(|doer| doer.sums.opened + doer.sums.ended).sum();
    let share = |doer: &Doer| (doer.sums.opened + doer.sums.ended) as f64 / all.max(1) as f64;
    doers.first().filter(|doer| share(doer) > MAIN_SHARE)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::endpoint as place;

    pub(in crate::rules) const SECOND: u64 = 1_000_000_000;

    /// What a process did with a destination.
    pub(in crate::rules) fn opener(pid: u32, comm: &str, to: &str, sums: Sums) -> ProcessTally {
        ProcessTally { pid: Some(pid), comm: comm.into(), with: With::Destination(place(to)), failed: None, sums }
    }

    /// Ten connects of a process that a place refused.
    pub(in crate::rules) fn refusal(by: &str) -> Tally {
        let refused = opener(42, "shop", by, Sums { ended: 10, ..Sums::default() });
        Tally { processes: vec![ProcessTally { failed: Some(Attempt::Failed(111)), ..refused }], ..Tally::default() }
    }

    /// Connects of a process that found no local port.
    pub(in crate::rules) fn portless(to: &str, count: u64) -> Tally {
        let failed = opener(42, "shop", to, Sums { ended: count, ..Sums::default() });
        Tally { processes: vec![ProcessTally { failed: Some(Attempt::Failed(99)), ..failed }], ..Tally::default() }
    }

    /// Connects of a process that were answered only when the SYN came again.
    pub(in crate::rules) fn answered_late(by: &str, retried: u64) -> Tally {
        let sums = Sums { opened: 2 * retried, retried, ..Sums::default() };
        Tally { processes: vec![opener(42, "shop", by, sums)], ..Tally::default() }
    }

    /// Ten seconds in which two processes opened and closed, one of them failing too.
    pub(in crate::rules) fn tally() -> Tally {
        let sums = |opened, lived_ns| Sums {
            opened,
            ended: opened,
            lives: opened,
            lived_ns,
            time_wait: opened,
            ..Sums::default()
        };
        let refused = Attempt::Failed(111);
        Tally {
            begin_ns: SECOND,
            end_ns: 11 * SECOND,
            processes: vec![
                opener(7, "curl", "192.0.2.9:80", sums(100, SECOND)),
                // 300 a second of 20 ms each: six at any moment.
                opener(42, "shop", "192.0.2.9:80", sums(3_000, 60 * SECOND)),
                ProcessTally {
                    failed: Some(refused),
                    ..opener(42, "shop", "192.0.2.9:80", Sums { ended: 12, ..Sums::default() })
                },
                opener(9, "other", "192.0.2.9:81", sums(9_000, SECOND)),
            ],
            ..Tally::default()
        }
    }

    #[test]
    fn rate_life_and_pool_are_those_of_the_process_that_opened_most() {
        let list = openers(&tally(), place("192.0.2.9:80"));
        let told: Vec<_> = list.iter().map(|doer| (doer.owner.pid, doer.opened_per_second(&tally()))).collect();
        assert_eq!(told, [(42, 300.0), (7, 10.0)]);
        assert_eq!((list[0].life_seconds(), list[0].pool(&tally())), (Some(0.02), Some(6.0)));
        assert_eq!(main(&list).map(|doer| doer.owner.comm.as_str()), Some("shop"));
        assert!(main(&list[..0]).is_none());
    }

    #[test]
    fn the_one_place_that_refused_is_known_and_of_two_none() {
        let (refused, address) = (Attempt::Failed(111), "192.0.2.9".parse().unwrap());
        assert_eq!(failed_at(&tally(), address, refused), Some(place("192.0.2.9:80")));
        assert_eq!(failed_at(&tally(), address, Attempt::Failed(110)), None);
        let mut two = tally();
        two.processes[3].failed = Some(refused);
        assert_eq!(failed_at(&two, address, refused), None);
    }

    #[test]
    fn who_aborted_most_is_the_one() {
        let with = |counts: [u64; 2]| {
            let mut tally = tally();
            for (one, aborted) in tally.processes.iter_mut().zip(counts) {
                one.sums.aborted = aborted;
            }
            aborter(&tally).map(|owner| owner.pid)
        };
        assert_eq!([with([3, 2]), with([2, 3]), with([2, 2]), with([0, 0])], [Some(7), Some(42), None, None]);
    }
}
