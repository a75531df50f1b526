//! How a quantity changed in other pairs of ranges → how unusual a change is.
//!
//! z = |b − a| / s, s² = (n·h² + 8·p²) / (n + 8) + c²: h is what the recording shows of n pairs (nine of ten differences are not
//! larger than 1.645 h, as for a normal distribution), p what is believed without one (a sixth of the larger of the two), c the
//! chance in counting.

use super::period::{Measure, Period};
use crate::frame::totals::Quantity;
use crate::statistics::median;

/// From here on a change is unusual (Iglewicz and Hoaglin 1993, the modified z-score of an outlier).
pub const UNUSUAL: f64 = 3.5;
/// With fewer pairs than this at the same distance, neighbours are taken.
const PAIRS_MIN: usize = 8;
/// What is believed without history weighs as much as so many pairs.
const BELIEF_PAIRS: f64 = 8.0;
/// The standard deviation that is believed without history, as a part of the larger value: what doubles is no news, what becomes
/// two and a half times as large is.
const BELIEF_SHARE: f64 = 1.0 / 6.0;
/// Nine of ten, and how many standard deviations that is of a normal distribution, on both sides.
const SHARE: f64 = 0.9;
const SHARE_Z: f64 = 1.645;

/// The recording in periods as long as the ranges that are compared, oldest first; those without data are empty.
#[derive(Debug, Default)]
pub struct Periods {
    /// The periods.
    pub list: Vec<Period>,
    /// The place of the second range among them, when it is one of them.
    pub second: Option<usize>,
    /// Periods from the first range to the second.
    pub lag: usize,
}

/// What the recording shows of one quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usual {
    /// The median over the periods; `None` without any.
    pub median: Option<f64>,
    /// Pairs of periods that were compared.
    pub pairs: usize,
    /// The spread of the differences in the pairs, as a standard deviation.
    pub spread: f64,
}

impl Periods {
    /// Pairs of periods that can be compared for a change from the first range to the second, and the distance in them: that of
    /// the two ranges, or 1 when there are too few such pairs.
    pub fn pairs(&self) -> (usize, usize) {
        let has = |place: usize| self.list.get(place).is_some_and(|period| !period.is_empty());
        let count = |lag: usize| self.places(lag).filter(|&place| has(place) && has(place + lag)).count();
        let far = count(self.lag);
        if far >= PAIRS_MIN { (far, self.lag) } else { (count(1), 1) }
    }

    /// Where pairs begin: everywhere but at the second range, and where they end in it.
    fn places(&self, lag: usize) -> impl Iterator<Item = usize> {
        let last = self.list.len().saturating_sub(lag);
        let second = self.second;
        (0..last).filter(move |&place| Some(place) != second && Some(place + lag) != second)
    }

    /// What is usual of a quantity, by its number.
    pub fn usual(&self, number: usize, quantity: &Quantity, lag: usize) -> Usual {
        let values: Vec<Option<f64>> =
            self.list.iter().map(|period| period.measure(number, quantity).value()).collect();
        self.usual_in(&values, lag)
    }

    /// What is usual of a quantity that has these values.
    pub fn usual_in(&self, values: &[Option<f64>], lag: usize) -> Usual {
        let difference = |place: usize| Some((values.get(place + lag).copied()?? - values.get(place).copied()??).abs());
        let mut differences: Vec<f64> = self.places(lag).filter_map(difference).collect();
        differences.sort_unstable_by(f64::total_cmp);
        let rank = (differences.len() as f64 * SHARE).ceil() as usize;
        let spread = rank.checked_sub(1).and_then(|place| differences.get(place)).map_or(0.0, |d| d / SHARE_Z);
        let others = values.iter().enumerate().filter(|(place, _)| Some(*place) != self.second);
        let median = median(&mut others.filter_map(|(_, value)| *value).collect::<Vec<f64>>());
        Usual { median, pairs: differences.len(), spread }
    }
}

impl Usual {
    /// How unusual it is to go from `a` to `b` when counting alone has this variance.
    pub fn z(&self, a: f64, b: f64, chance: f64) -> f64 {
        let (pairs, belief) = (self.pairs as f64, a.abs().max(b.abs()) * BELIEF_SHARE);
        let shown = pairs * self.spread.powi(2) + BELIEF_PAIRS * belief.powi(2);
        let variance = shown / (pairs + BELIEF_PAIRS) + chance;
        if variance > 0.0 { (b - a).abs() / variance.sqrt() } else { 0.0 }
    }
}

/// The variance of the difference of two rates that comes from counting: Poisson, with one event more than was seen.
pub(super) fn chance_of_rates(a: Measure, b: Measure) -> f64 {
    [a, b].map(|measure| (measure.amount + 1.0) / measure.per.powi(2)).iter().sum()
}

/// As [`chance_of_rates`], of two means of things that come and go by themselves, such as sockets.
pub(super) fn chance_of_means(a: f64, b: f64) -> f64 {
    1.0 + f64::midpoint(a.abs(), b.abs())
}

/// As [`chance_of_rates`], of two shares: `amount` in `per`.
pub(super) fn chance_of_shares(a: Measure, b: Measure) -> f64 {
    let share = (a.amount + b.amount + 1.0) / (a.per + b.per + 2.0);
    share * (1.0 - share).max(0.0) * (1.0 / a.per + 1.0 / b.per)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lag: usize, second: Option<usize>, periods: usize) -> Periods {
        let mut period = Period::default();
        period.seconds = 3600.0;
        Periods { list: vec![period; periods], second, lag }
    }

    #[test]
    fn what_is_usual_is_what_nine_of_ten_pairs_show() {
        // Differences to the neighbour: 1, 2, … 10; the ninth of ten is 9. The last value belongs to the second range.
        let values: Vec<Option<f64>> =
            [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0, 5.0, -5.0, 999.0].map(Some).to_vec();
        let usual = history(1, Some(11), 12).usual_in(&values, 1);
        assert_eq!((usual.pairs, usual.median), (10, Some(0.0)));
        assert!((usual.spread - 9.0 / 1.645).abs() < 1e-12, "{usual:?}");
    }

    #[test]
    fn a_day_and_night_that_repeat_are_no_spread() {
        let (day, history) = (24, history(24, Some(24 * 5), 24 * 5 + 1));
        let values: Vec<Option<f64>> = (0..=day * 5).map(|hour| Some(f64::from(hour % day * 100))).collect();
        assert_eq!(history.pairs(), (24 * 4, 24));
        assert!(history.usual_in(&values, 24).spread.abs() < f64::EPSILON);
        // Too few days: neighbours are compared.
        let short = Periods { list: history.list[..27].to_vec(), second: Some(26), lag: 24 };
        assert_eq!(short.pairs(), (25, 1));
    }

    #[test]
    fn z_is_as_by_hand() {
        // h = 2, 24 pairs; p = 30/6 = 5: s² = (24·4 + 8·25) / 32 + 0.75 = 10; z = 20 / √10.
        let usual = Usual { median: None, pairs: 24, spread: 2.0 };
        assert!((usual.z(10.0, 30.0, 0.75) - 20.0 / 10.0_f64.sqrt()).abs() < 1e-12);
        // Without history the sixth of the larger is the measure: twice as much is usual, three times is not.
        let none = Usual::default();
        assert!(none.z(100.0, 200.0, 0.0) < UNUSUAL && none.z(100.0, 300.0, 0.0) > UNUSUAL);
        assert!(none.z(0.0, 0.0, 0.0).abs() < f64::EPSILON);
    }

    #[test]
    fn one_event_in_an_hour_is_chance_and_twenty_are_not() {
        let usual = Usual { median: Some(0.0), pairs: 600, spread: 0.0 };
        let z = |events: f64| {
            let (none, some) = (Measure { amount: 0.0, per: 3600.0 }, Measure { amount: events, per: 3600.0 });
            usual.z(0.0, events / 3600.0, chance_of_rates(none, some))
        };
        assert!(z(1.0) < 1.0 && z(8.0) < UNUSUAL && z(20.0) > UNUSUAL, "{} {} {}", z(1.0), z(8.0), z(20.0));
    }
}
