//! A recording → what is compared: two ranges as they were, and all of it summed up in periods of their length.
//!
//! Of a range every sample of the counters is followed. Of its looks at the sockets one in each sixtieth of the range is
//! counted, and every tenth of them is judged with the look before it: whole looks are costly to read.

use std::collections::{BTreeMap, HashMap};

use tcphealth_core::diff::{Follower, Period, Periods, Quantities, Side, Value};
use tcphealth_core::frame::block::{Block, Moment};
use tcphealth_core::frame::leaves::Leaf;
use tcphealth_core::frame::row::Series;
use tcphealth_core::frame::taken::{self, Taken};
use tcphealth_core::frame::totals::{Looks, PERIOD_US, Quantity, looks_of};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::snapshot::Counters;

use super::day::Day;
use super::history::{Past, follows};
use super::names::nameless;
use super::{Store, Stream};

/// Looks of a range that are counted at most.
const LOOKS: i64 = 60;
/// Of so many one is judged.
const JUDGED_EVERY: i64 = 10;
/// A sample is summed up when a row of sums follows it by no more than this, µs.
const SUMMED_WITHIN_US: i64 = PERIOD_US.cast_signed() * 3 / 2;

/// From and until, µs since 1970, both included.
pub(crate) type Range = (i64, i64);

/// The columns of a block that have a number, with the numbers.
type Columns = Vec<(usize, bool, Vec<Option<u64>>)>;

impl Store {
    /// What is compared of one range. It is empty when nothing was recorded.
    ///
    /// # Errors
    /// The recording is damaged.
    pub(crate) fn side(&self, range: Range, quantities: &mut Quantities, limits: &Limits) -> anyhow::Result<Side> {
        let mut side = Side::default();
        let days = self.opened(range)?;
        let mut choice = Choice { range, counted: -1, judged: -1, pairs: Vec::new() };
        for day in &days {
            day.each_block(Stream::Census, range, &mut |block| choice.look(day, block, &mut side, quantities))?;
        }
        let wanted = choice.pairs.iter().flatten().map(|look| (look.moment().boot_us, look.moment().wall_us));
        let mut counters: BTreeMap<(u64, i64), Counters> = wanted.map(|at| (at, Counters::default())).collect();
        let mut follower = Follower::default();
        for day in &days {
            day.each_block(Stream::Counters, range, &mut |block| {
                keep(day, block, &mut counters)?;
                let columns = columns(block, &numbers(day, block, quantities))?;
                for (place, at) in block.moments()?.into_iter().enumerate().filter(|(_, at)| within(range, *at)) {
                    follower.step(at, sample(&columns, place), &mut side.period);
                }
                Ok(())
            })?;
        }
        for [first, last] in choice.pairs {
            let mut with = |look: Taken| {
                let at = (look.moment().boot_us, look.moment().wall_us);
                look.with(counters.remove(&at).unwrap_or_default())
            };
            let (first, (last, answers)) = (with(first).0, with(last));
            side.judge(&Past { first: Some(first), last, answers }.judged(&mut History::default(), limits)?);
        }
        Ok(side)
    }

    /// All of the recording in periods as long as the second range.
    ///
    /// # Errors
    /// The recording is damaged.
    pub(crate) fn periods(&self, a: Range, b: Range, quantities: &mut Quantities) -> anyhow::Result<Periods> {
        let length_us = (b.1 - b.0).max(PERIOD_US.cast_signed());
        let mut periods = Sorted { begin_us: b.0, length_us, periods: BTreeMap::new() };
        let days = self.opened((i64::MIN, i64::MAX))?;
        let summed = summed(&days, &mut periods, quantities)?;
        unsummed(&days, &summed, &mut periods, quantities)?;
        let lag = (b.0 - a.0 + length_us / 2).div_euclid(length_us).unsigned_abs().max(1);
        Ok(periods_of(periods.periods, usize::try_from(lag).unwrap_or(usize::MAX)))
    }

    fn opened(&self, range: Range) -> anyhow::Result<Vec<Day>> {
        self.days_of(range).map(Day::read).collect()
    }
}

/// Periods, the first one that begins at `begin_us` being 0.
struct Sorted {
    begin_us: i64,
    length_us: i64,
    periods: BTreeMap<i64, Period>,
}

impl Sorted {
    fn at(&mut self, wall_us: i64) -> &mut Period {
        self.periods.entry((wall_us - self.begin_us).div_euclid(self.length_us)).or_default()
    }
}

/// Adds what was summed up, and says at which times.
fn summed(days: &[Day], periods: &mut Sorted, quantities: &mut Quantities) -> anyhow::Result<Vec<i64>> {
    let (mut follower, mut summed) = (Follower::default(), Vec::new());
    for day in days {
        day.each_block(Stream::Totals, (i64::MIN, i64::MAX), &mut |block| {
            let sums = Sums::of(day, block, quantities)?;
            for (row, at) in block.moments()?.into_iter().enumerate() {
                summed.push(at.wall_us);
                sums.step(row, at, &mut follower, periods.at(at.wall_us - PERIOD_US.cast_signed() / 2));
            }
            Ok(())
        })?;
    }
    summed.sort_unstable();
    Ok(summed)
}

/// Adds the counters that were not summed up: the newest, those of older releases, and imported ones.
fn unsummed(days: &[Day], summed: &[i64], periods: &mut Sorted, quantities: &mut Quantities) -> anyhow::Result<()> {
    let mut follower = Follower::default();
    let is_new = |span: &Range| !is_summed(span.0, summed) || !is_summed(span.1, summed);
    for day in days {
        for span in day.spans(Stream::Counters)?.into_iter().filter(is_new) {
            day.each_block(Stream::Counters, span, &mut |block| {
                let columns = columns(block, &numbers(day, block, quantities))?;
                let rows = block.moments()?.into_iter().enumerate();
                for (row, at) in rows.filter(|(_, at)| !is_summed(at.wall_us, summed)) {
                    follower.step(at, sample(&columns, row), periods.at(at.wall_us));
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// The periods as a list, with empty ones where nothing was recorded. The second range is at 0.
fn periods_of(mut periods: BTreeMap<i64, Period>, lag: usize) -> Periods {
    let (Some((first, _)), Some((last, _))) = (periods.first_key_value(), periods.last_key_value()) else {
        return Periods { lag, ..Periods::default() };
    };
    let places = *first..=*last;
    let second = places.contains(&0).then(|| usize::try_from(-*first).unwrap_or(usize::MAX));
    Periods { list: places.map(|place| periods.remove(&place).unwrap_or_default()).collect(), second, lag }
}

/// Whether a sample of the counters is in a row of sums.
fn is_summed(wall_us: i64, summed: &[i64]) -> bool {
    let next = summed.get(summed.partition_point(|at| *at < wall_us));
    next.is_some_and(|next| next - wall_us <= SUMMED_WITHIN_US)
}

fn within(range: Range, at: Moment) -> bool {
    (range.0..=range.1).contains(&at.wall_us)
}

/// The number of each series of a block of counters; `None` for what is no number.
fn numbers(day: &Day, block: &Block<'_>, quantities: &mut Quantities) -> Vec<Option<(usize, bool)>> {
    let number = |series: &Series| {
        let name = day.names.text(u64::from(series.field)).filter(|_| !series.word)?;
        let quantity = Quantity::named(name);
        let is_gauge = matches!(quantity, Quantity::Gauge(_));
        Some((quantities.number(quantity), is_gauge))
    };
    block.series().iter().map(number).collect()
}

fn columns(block: &Block<'_>, numbers: &[Option<(usize, bool)>]) -> anyhow::Result<Columns> {
    let numbered = numbers.iter().enumerate().filter_map(|(place, number)| Some((place, (*number)?)));
    numbered.map(|(place, (number, is_gauge))| Ok((number, is_gauge, block.column(place)?))).collect()
}

/// What a row of counters says.
fn sample(columns: &Columns, row: usize) -> impl Iterator<Item = (usize, Value)> {
    columns.iter().filter_map(move |(number, is_gauge, column)| {
        let value = (*column.get(row)?)?;
        let gauge = || Value::Gauge { sum: value.cast_signed() as f64, looks: 1.0 };
        Some((*number, if *is_gauge { gauge() } else { Value::Counter(value) }))
    })
}

/// Keeps the counters of the moments that are wanted.
fn keep(day: &Day, block: &Block<'_>, wanted: &mut BTreeMap<(u64, i64), Counters>) -> anyhow::Result<()> {
    let moments = block.moments()?;
    for (row, at) in moments.into_iter().enumerate() {
        if let Some(counters) = wanted.get_mut(&(at.boot_us, at.wall_us)) {
            let leaves = leaves(day, block, row)?;
            *counters = taken::counters(leaves);
        }
    }
    Ok(())
}

/// The leaves of one row of a block: entity, field, value.
fn leaves<'a>(day: &'a Day, block: &Block<'_>, row: usize) -> anyhow::Result<Vec<(&'a str, &'a str, Leaf)>> {
    let mut leaves = Vec::new();
    for (place, series) in block.series().iter().enumerate() {
        if let Some(value) = block.column(place)?.get(row).copied().flatten() {
            leaves.push(day.names.leaf(*series, value).ok_or_else(nameless)?);
        }
    }
    Ok(leaves)
}

/// Which looks of a range are counted, and which are judged.
struct Choice {
    range: Range,
    counted: i64,
    judged: i64,
    pairs: Vec<[Taken; 2]>,
}

impl Choice {
    fn look(
        &mut self,
        day: &Day,
        block: &Block<'_>,
        side: &mut Side,
        quantities: &mut Quantities,
    ) -> anyhow::Result<()> {
        let length = (self.range.1 - self.range.0).max(1);
        let moments = block.moments()?;
        let look = |row: usize, whole: bool| -> anyhow::Result<Taken> {
            let leaves = leaves(day, block, row)?.into_iter();
            let leaves = leaves.filter(|(entity, field, _)| whole || taken::is_to_count(entity, field));
            Ok(Taken::from_leaves(&leaves.map(|(entity, field, leaf)| (format!("{entity}{field}"), leaf)).collect())?)
        };
        for (row, at) in moments.iter().enumerate().filter(|(_, at)| within(self.range, **at)) {
            let slot = i64::try_from(i128::from(at.wall_us - self.range.0) * i128::from(LOOKS) / i128::from(length))?;
            if slot <= self.counted {
                continue;
            }
            self.counted = slot;
            let before = row.checked_sub(1).filter(|_| slot / JUDGED_EVERY > self.judged);
            let now = look(row, before.is_some())?;
            side.see(&now, quantities);
            let Some(before) = before.map(|before| look(before, true)).transpose()? else { continue };
            if follows(&before, &now) {
                self.judged = slot / JUDGED_EVERY;
                self.pairs.push([before, now]);
            }
        }
        Ok(())
    }
}

/// A block of rows that sum up.
struct Sums {
    columns: Vec<(usize, Kind, Vec<Option<u64>>)>,
    looks: HashMap<Kind, Vec<Option<u64>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Counter,
    Gauge,
    Sockets,
}

impl Sums {
    fn of(day: &Day, block: &Block<'_>, quantities: &mut Quantities) -> anyhow::Result<Self> {
        let mut sums = Self { columns: Vec::new(), looks: HashMap::new() };
        for (place, series) in block.series().iter().enumerate().filter(|(_, series)| !series.word) {
            let text = |id: u32| day.names.text(u64::from(id)).ok_or_else(nameless);
            let (entity, field) = (text(series.entity)?, text(series.field)?);
            if let Some(quantity) = Quantity::of(entity, field) {
                let kind = match &quantity {
                    Quantity::Counter(_) => Kind::Counter,
                    Quantity::Gauge(_) => Kind::Gauge,
                    Quantity::Sockets(..) => Kind::Sockets,
                };
                sums.columns.push((quantities.number(quantity), kind, block.column(place)?));
            } else if let Some(looks) = looks_of(entity, field) {
                let kind = if looks == Looks::Gauges { Kind::Gauge } else { Kind::Sockets };
                sums.looks.insert(kind, block.column(place)?);
            }
        }
        Ok(sums)
    }

    fn step(&self, row: usize, at: Moment, follower: &mut Follower, period: &mut Period) {
        let looks = |kind| self.looks.get(&kind).and_then(|column| *column.get(row)?).unwrap_or(0) as f64;
        let gauges = looks(Kind::Gauge);
        period.looks += looks(Kind::Sockets);
        let values = self.columns.iter().filter_map(|(number, kind, column)| {
            let value = (*column.get(row)?)?;
            let sum = value.cast_signed() as f64;
            let value = match kind {
                Kind::Counter => Value::Counter(value),
                Kind::Gauge => Value::Gauge { sum, looks: gauges },
                Kind::Sockets => Value::Gauge { sum, looks: 0.0 },
            };
            Some((*number, value))
        });
        follower.step(at, values, period);
    }
}
