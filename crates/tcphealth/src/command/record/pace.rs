//! When to look next, so that the looks at the sockets stay within their share of a CPU.

use super::ns;
use crate::args::RecordArgs;

/// The share of one CPU that looks at the sockets may take on a host with few of them: of 0.3 % the counters take the rest;
const SHARE_FEW: f64 = 0.0028;
/// and on one with so many or more, of 1 %; between the two it grows with their number.
const SHARE_MANY: f64 = 0.009;
const MANY: f64 = 100_000.0;
/// The looks at the sockets are never further apart than this, ns.
const CENSUS_MAX_NS: u64 = 160_000_000_000;
/// Of how many looks the cost is the mean, the newest counting most: one dear look alone changes nothing.
const LOOKS: f64 = 4.0;

/// When to look.
pub(super) struct Pace {
    pub(super) interval_ns: u64,
    /// What was asked for.
    pub(super) census_min_ns: u64,
    /// What is affordable.
    pub(super) census_ns: u64,
    next_census_ns: u64,
    mean_us: f64,
    once: bool,
}

impl Pace {
    pub(super) fn new(args: &RecordArgs) -> Self {
        let interval_ns = ns(args.interval);
        let census_ns = ns(args.census).max(interval_ns);
        Self { interval_ns, census_min_ns: census_ns, census_ns, next_census_ns: 0, mean_us: 0.0, once: args.once }
    }

    /// The next full interval of the boot clock.
    pub(super) fn next(&self, now_ns: u64) -> u64 {
        let next = (now_ns / self.interval_ns).saturating_add(1).saturating_mul(self.interval_ns);
        if self.once { u64::MAX } else { next }
    }

    /// Whether it is time to look at the sockets.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_census_ns
    }

    /// A look has begun at `now_ns`; the next one is a whole number of intervals away. A tick that is a little early is it.
    pub(super) fn looked(&mut self, now_ns: u64) {
        self.next_census_ns = now_ns.saturating_add(self.census_ns).saturating_sub(self.interval_ns / 2);
    }

    /// Looks that cost too much are made half as often, and cheap ones more often again; whether that changed.
    pub(super) fn adapt(&mut self, cost_us: u64, sockets: u32) -> bool {
        self.mean_us += (cost_us as f64 - self.mean_us) / LOOKS;
        let share = SHARE_FEW + (SHARE_MANY - SHARE_FEW) * (f64::from(sockets) / MANY).min(1.0);
        let allowed_us = self.census_ns as f64 / 1000.0 * share;
        let before_ns = self.census_ns;
        if self.mean_us > allowed_us {
            self.census_ns = (self.census_ns * 2).min(CENSUS_MAX_NS.max(self.census_min_ns));
        } else if self.mean_us < allowed_us / 4.0 {
            self.census_ns = (self.census_ns / 2).max(self.census_min_ns);
        }
        self.census_ns != before_ns && !self.once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn pace() -> Pace {
        Pace { interval_ns: S, census_min_ns: 10 * S, census_ns: 10 * S, next_census_ns: 0, mean_us: 0.0, once: false }
    }

    #[test]
    fn looks_keep_within_their_share_and_come_back_when_they_are_cheap() {
        let mut pace = pace();
        // 0.15 s a look is 1.5 % of ten seconds, and 0.75 % of twenty.
        for _ in 0..20 {
            pace.adapt(150_000, 100_000);
        }
        assert_eq!(pace.census_ns, 20 * S);
        // 3 ms are 0.03 % of ten seconds.
        for _ in 0..20 {
            pace.adapt(3_000, 100);
        }
        assert_eq!(pace.census_ns, 10 * S);
        // 0.28 % of ten seconds are 28 ms: one look of 100 ms among cheap ones is forgiven, each at 40 ms is not.
        assert!(!pace.adapt(100_000, 100));
        for _ in 0..20 {
            pace.adapt(40_000, 100);
        }
        assert_eq!(pace.census_ns, 20 * S);
        for _ in 0..20 {
            pace.adapt(10_000_000, 2_000_000);
        }
        assert_eq!(pace.census_ns, 160 * S);
    }

    #[test]
    fn a_look_is_due_at_the_tick_nearest_to_its_time() {
        let mut pace = pace();
        pace.looked(5 * S + 300);
        assert!(!pace.is_due(14 * S + 100) && pace.is_due(15 * S + 100));
        assert_eq!(pace.next(14 * S + 100), 15 * S);
    }
}
