//! When does a ratio mean anything? Poisson tails and Wilson intervals, and the segments that are still needed.

/// z of a two-sided 95 % interval.
const Z95: f64 = 1.959_963_984_540_054;
/// z of a one-sided 95 % bound.
const Z95_ONE_SIDED: f64 = 1.644_853_626_951_472;

/// P(X ≥ k) for X Poisson with this mean: how often chance alone shows k events or more.
///
/// Example: mean 1 (10 000 segments at 0.01 %), k = 4 → 0.01899.
pub fn poisson_tail(k: u64, mean: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    if mean > 700.0 {
        // exp(−mean) would vanish. The cube-root transform of the gamma distribution is good to 10⁻⁴ here.
        let k = k as f64;
        let z = ((mean / k).cbrt() - (1.0 - 1.0 / (9.0 * k))) * (9.0 * k).sqrt();
        return normal_cdf(z);
    }
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for i in 0..k {
        below += term;
        term *= mean / (i + 1) as f64;
    }
    if below < 0.5 { 1.0 - below } else { upper_tail(k, mean, term) }
}

// Summed upwards from k, because 1 − (almost 1) has no digits left.
fn upper_tail(k: u64, mean: f64, first: f64) -> f64 {
    let (mut term, mut sum, mut i) = (first, 0.0, k);
    while term > sum * 1e-16 && term > 0.0 {
        sum += term;
        i += 1;
        term *= mean / i as f64;
    }
    sum
}

/// Wilson's 95 % interval of a share of `k` in `n`; `None` when n is 0 (a ratio of nothing) or k > n.
///
/// Example: 10 of 100 → 0.0552 … 0.1744 (Wilson 1927; Newcombe 1998, table I).
pub fn wilson(k: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || k > n {
        return None;
    }
    let (n, p) = (n as f64, k as f64 / n as f64);
    let z2 = Z95 * Z95;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    Some(((middle - half).max(0.0), (middle + half).min(1.0)))
}

/// The upper 95 % bound (one-sided) of the mean of a Poisson count of `k`: 3.0 for 0, 4.74 for 1, 6.30 for 2.
pub fn poisson_upper(k: u64) -> f64 {
    let (mut low, mut high) = (k as f64, k as f64 + 5.0 + 4.0 * Z95_ONE_SIDED * (k as f64 + 1.0).sqrt());
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        // The mean at which k or fewer events still happen one time in twenty.
        if 1.0 - poisson_tail(k + 1, middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

/// Whether `k` events in `n` prove that the ratio is not above the limit.
pub fn proves_below(k: u64, n: u64, limit: f64) -> bool {
    n as f64 * limit >= poisson_upper(k)
}

/// How many more of the kind are needed, if no further event happens, until [`proves_below`] holds; 0 when it does.
pub fn still_needed(k: u64, n: u64, limit: f64) -> u64 {
    ((poisson_upper(k) / limit).ceil() as u64).saturating_sub(n)
}

/// Events among trials whose memory fades, so that a rare event becomes decidable over many windows and an old one is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faded {
    /// Events, faded.
    pub events: f64,
    /// Trials, faded.
    pub trials: f64,
}

/// On which side of a limit a ratio is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Proven not to be above it.
    Within,
    /// Above it; chance alone shows that less than one time in a hundred.
    Above,
    /// There are too few trials to say.
    Open,
}

impl Faded {
    /// What happened this long ago counts half, s.
    pub const HALF_LIFE_SECONDS: f64 = 60.0;

    /// Fades what there is by `seconds` and adds what is new.
    ///
    /// Example: 8 of 1000, and 60 s later 1 of 500 → 5 of 1000.
    pub fn add(&mut self, seconds: f64, events: u64, trials: u64) {
        let left = 0.5_f64.powf(seconds / Self::HALF_LIFE_SECONDS);
        self.events = self.events * left + events as f64;
        self.trials = self.trials * left + trials as f64;
    }

    /// Events per trial; `None` without trials.
    pub fn ratio(&self) -> Option<f64> {
        (self.trials > 0.0).then(|| self.events / self.trials)
    }

    /// On which side of a limit it is.
    pub fn standing(&self, limit: f64) -> Standing {
        let (events, trials) = (self.events.round() as u64, self.trials.round() as u64);
        if proves_below(events, trials, limit) {
            Standing::Within
        } else if events > 0 && poisson_tail(events, trials as f64 * limit) < 0.01 {
            Standing::Above
        } else {
            Standing::Open
        }
    }
}

/// The median of a list, which is sorted by it; `None` of an empty one.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?))
    }
}

// Abramowitz and Stegun 7.1.26: error below 1.5 · 10⁻⁷.
fn normal_cdf(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let poly =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let erf = 1.0 - poly * (-x * x).exp();
    if z >= 0.0 { f64::midpoint(1.0, erf) } else { f64::midpoint(1.0, -erf) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, within: f64) {
        assert!((a - b).abs() <= within, "{a} is not {b}");
    }

    #[test]
    fn poisson_tails_are_those_of_the_tables() {
        close(poisson_tail(4, 1.0), 0.018_988, 1e-6);
        close(poisson_tail(3, 3.0), 0.576_810, 1e-6);
        close(poisson_tail(20, 5.0), 3.4521e-7, 1e-10);
        close(poisson_tail(1050, 1000.0), 0.059_4, 3e-4);
    }

    #[test]
    fn alarms_stand_where_the_table_of_the_facts_has_them() {
        // n · p0 → smallest k with P(X ≥ k) < 0.05 and < 0.01.
        for (mean, at95, at99) in
            [(1.0, 4, 5), (3.0, 7, 9), (5.0, 10, 12), (10.0, 16, 19), (15.0, 23, 26), (50.0, 63, 68)]
        {
            let alarm = |alpha: f64| (1..200).find(|&k| poisson_tail(k, mean) < alpha);
            assert_eq!((alarm(0.05), alarm(0.01)), (Some(at95), Some(at99)), "mean {mean}");
        }
    }

    #[test]
    fn the_rule_of_three_says_how_much_is_needed() {
        close(poisson_upper(0), 2.9957, 1e-3);
        close(poisson_upper(1), 4.7439, 1e-3);
        assert_eq!(still_needed(0, 0, 0.0001).div_ceil(1000), 30);
        assert!(proves_below(0, 600, 0.005) && !proves_below(0, 590, 0.005));
    }

    #[test]
    fn wilson_agrees_with_newcombe() {
        let (low, high) = wilson(81, 263).unwrap();
        close(low, 0.2553, 1e-4);
        close(high, 0.3662, 1e-4);
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn what_is_old_counts_less() {
        let mut line = Faded::default();
        assert_eq!(line.ratio(), None);
        line.add(5.0, 8, 1000);
        line.add(60.0, 1, 500);
        assert_eq!(line, Faded { events: 5.0, trials: 1000.0 });
        assert_eq!(line.ratio(), Some(0.005));
    }

    #[test]
    fn a_rare_event_is_decided_over_many_windows() {
        // 0 of 30 000 proves 0.01 % (rule of three); 4 of 10 000 exceed it, 3 of 10 000 may be chance.
        let standing = |events, trials| Faded { events, trials }.standing(0.0001);
        assert_eq!(standing(0.0, 10_000.0), Standing::Open);
        assert_eq!(standing(0.0, 30_000.0), Standing::Within);
        assert_eq!(standing(3.0, 10_000.0), Standing::Open);
        assert_eq!(standing(5.0, 10_000.0), Standing::Above);
        let mut line = Faded::default();
        for _ in 0..40 {
            line.add(5.0, 0, 2_000);
        }
        assert_eq!(line.standing(0.0001), Standing::Within);
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
