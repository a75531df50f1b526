//! Samples one after another → how much each quantity grew, or how large it was, in a time.

use std::collections::{BTreeSet, HashMap};

use crate::frame::block::Moment;
use crate::frame::taken::goes_on;
use crate::frame::totals::Quantity;

/// Two samples further apart are not compared, µs: nobody knows what was between them.
const APART_MAX_US: u64 = 1_800_000_000;

/// Numbers for quantities, so that weeks of them fit into lists.
#[derive(Debug, Default)]
pub struct Quantities {
    list: Vec<Quantity>,
    numbers: HashMap<Quantity, usize>,
}

impl Quantities {
    /// The number of a quantity; a new one when it is new.
    pub fn number(&mut self, quantity: Quantity) -> usize {
        let list = &mut self.list;
        *self.numbers.entry(quantity).or_insert_with_key(|quantity| {
            list.push(quantity.clone());
            list.len() - 1
        })
    }

    /// The number of a quantity that is known.
    pub fn get(&self, quantity: &Quantity) -> Option<usize> {
        self.numbers.get(quantity).copied()
    }

    /// All, in the order of their numbers.
    pub fn list(&self) -> &[Quantity] {
        &self.list
    }
}

/// What a sample says of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A counter as it stands.
    Counter(u64),
    /// A gauge: its sum over so many looks.
    Gauge {
        /// The sum.
        sum: f64,
        /// The looks.
        looks: f64,
    },
}

/// An amount and what it is divided by: growth and seconds, or a sum and looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measure {
    /// Growth, or the sum.
    pub amount: f64,
    /// Seconds, or looks; 0 when nothing is known.
    pub per: f64,
}

impl Measure {
    /// The rate or the mean; `None` when nothing is known.
    pub fn value(self) -> Option<f64> {
        (self.per > 0.0).then(|| self.amount / self.per)
    }
}

/// What was measured in a time.
#[derive(Clone, Debug, Default)]
pub struct Period {
    /// Seconds between samples that were compared.
    pub seconds: f64,
    /// Samples.
    pub samples: usize,
    /// The longest time between two samples, seconds.
    pub pause_seconds: f64,
    /// Looks at the sockets.
    pub looks: f64,
    /// Counters that went back; what they grew by is not known.
    pub went_back: BTreeSet<usize>,
    /// Breaks: boots, clocks that were set, long times without a sample; the wall's time after each, µs since 1970.
    pub breaks: Vec<i64>,
    measures: Vec<Measure>,
}

impl Period {
    /// Adds to a quantity.
    pub fn add(&mut self, number: usize, amount: f64, per: f64) {
        if self.measures.len() <= number {
            self.measures.resize(number + 1, Measure::default());
        }
        if let Some(measure) = self.measures.get_mut(number) {
            measure.amount += amount;
            measure.per += per;
        }
    }

    /// What a quantity was; sockets that nobody saw, though somebody looked, are none.
    pub fn measure(&self, number: usize, quantity: &Quantity) -> Measure {
        let measure = self.measures.get(number).copied().unwrap_or_default();
        match quantity {
            Quantity::Sockets(..) => Measure { per: self.looks, ..measure },
            Quantity::Counter(_) if self.went_back.contains(&number) => Measure::default(),
            _ => measure,
        }
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.seconds <= 0.0 && self.looks <= 0.0
    }
}

/// Compares each sample with the one before.
#[derive(Debug, Default)]
pub struct Follower {
    before: Option<Moment>,
    samples: u64,
    /// Each counter's last value, and the sample that had it.
    last: Vec<Option<(u64, u64)>>,
}

impl Follower {
    /// Adds a sample to what was measured. Across a break nothing is compared.
    pub fn step(&mut self, at: Moment, values: impl IntoIterator<Item = (usize, Value)>, to: &mut Period) {
        let seconds = self.before.and_then(|before| seconds(before, at));
        if seconds.is_none() && self.before.is_some() {
            to.breaks.push(at.wall_us);
        }
        to.seconds += seconds.unwrap_or(0.0);
        to.pause_seconds = to.pause_seconds.max(seconds.unwrap_or(0.0));
        to.samples += 1;
        self.before = Some(at);
        self.samples += 1;
        for (number, value) in values {
            match value {
                Value::Gauge { sum, looks } => to.add(number, sum, looks),
                Value::Counter(now) => {
                    let was = self.swap(number, now).zip(seconds);
                    match was.map(|(was, seconds)| (now.checked_sub(was), seconds)) {
                        Some((Some(grown), seconds)) => to.add(number, grown as f64, seconds),
                        Some((None, _)) => drop(to.went_back.insert(number)),
                        None => {}
                    }
                }
            }
        }
    }

    /// What the sample before had; remembers what this one has.
    fn swap(&mut self, number: usize, now: u64) -> Option<u64> {
        if self.last.len() <= number {
            self.last.resize(number + 1, None);
        }
        let last = self.last.get_mut(number)?.replace((now, self.samples));
        last.and_then(|(was, sample)| (sample + 1 == self.samples).then_some(was))
    }
}

/// The time between two samples; `None` when a break lies between them.
fn seconds(before: Moment, now: Moment) -> Option<f64> {
    goes_on(before, now, APART_MAX_US).then(|| now.boot_us.saturating_sub(before.boot_us) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, ahead: i64) -> Moment {
        Moment { boot_us: seconds * 1_000_000, wall_us: (seconds.cast_signed() + ahead) * 1_000_000 }
    }

    fn followed(samples: &[(Moment, u64)]) -> Period {
        let (mut follower, mut period) = (Follower::default(), Period::default());
        for (at, value) in samples {
            follower.step(*at, [(0, Value::Counter(*value))], &mut period);
        }
        period
    }

    fn rate(period: &Period) -> Option<f64> {
        period.measure(0, &Quantity::Counter("T.c".into())).value()
    }

    #[test]
    fn a_counter_grows_by_so_much_a_second() {
        let period = followed(&[(at(10, 0), 100), (at(11, 0), 103), (at(14, 0), 108)]);
        assert_eq!((rate(&period), period.seconds, period.breaks.len()), (Some(2.0), 4.0, 0));
    }

    #[test]
    fn a_boot_a_set_clock_and_a_pause_are_no_growth() {
        // 3 in a second; then a boot, after which the counter is far ahead; then 1 in a second.
        let boot = [(at(900, 0), 5), (at(901, 0), 8), (at(2, 9000), 700), (at(3, 9000), 701)];
        let period = followed(&boot);
        assert_eq!((rate(&period), period.breaks.as_slice()), (Some(2.0), [9_002_000_000].as_slice()));
        let set = [(at(900, 0), 5), (at(901, 3600), 800), (at(902, 3600), 801)];
        assert_eq!(rate(&followed(&set)), Some(1.0));
        let pause = [(at(900, 0), 5), (at(2701, 0), 800), (at(2702, 0), 801)];
        assert_eq!(rate(&followed(&pause)), Some(1.0));
    }

    #[test]
    fn a_counter_that_went_back_or_was_absent_tells_nothing() {
        let period = followed(&[(at(10, 0), 100), (at(11, 0), 4), (at(12, 0), 5)]);
        assert_eq!((rate(&period), period.went_back.len()), (None, 1));
        let (mut follower, mut period) = (Follower::default(), Period::default());
        follower.step(at(1, 0), [(0, Value::Counter(1))], &mut period);
        follower.step(at(2, 0), [], &mut period);
        follower.step(at(3, 0), [(0, Value::Counter(100))], &mut period);
        assert_eq!(rate(&period), None);
    }

    #[test]
    fn a_gauge_is_its_mean_and_sockets_that_nobody_saw_are_none() {
        let (mut follower, mut period) = (Follower::default(), Period::default());
        follower.step(at(1, 0), [(0, Value::Gauge { sum: 12.0, looks: 4.0 })], &mut period);
        follower.step(at(2, 0), [(0, Value::Gauge { sum: 8.0, looks: 1.0 })], &mut period);
        assert_eq!(period.measure(0, &Quantity::Gauge("T.g".into())).value(), Some(4.0));
        let sockets = Quantity::Sockets(crate::frame::totals::Place::All, crate::snapshot::State::CloseWait);
        assert_eq!(period.measure(1, &sockets).value(), None);
        period.looks = 5.0;
        assert_eq!(period.measure(1, &sockets).value(), Some(0.0));
    }
}
