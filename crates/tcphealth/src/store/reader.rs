//! A directory of days → the samples between two times.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tcphealth_core::frame::block::Moment;
use tcphealth_core::frame::leaves::Leaf;
use tcphealth_core::frame::taken::{self, Meter, Taken};
use tcphealth_core::say;
use tcphealth_core::snapshot::Counters;

use super::day::Day;
use super::order::in_order;
use super::{Stream, US_PER_DAY};
use crate::speech::Complaint;

/// A recording, to be read.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    days: Vec<(i64, PathBuf)>,
}

/// A sample: when, and what it is worth.
#[derive(Debug)]
pub(crate) struct Sample<T> {
    /// When it was taken.
    pub(crate) at: Moment,
    /// What it says.
    pub(crate) said: T,
}

impl Store {
    /// Finds the days.
    ///
    /// # Errors
    /// The directory cannot be read, or holds no recording.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        let is_missing = matches!(directory.try_exists(), Ok(false));
        let days = if is_missing { Vec::new() } else { days(directory)? };
        if days.is_empty() {
            let words = say! {
                en: "{place}: no recording here; `tcphealth record` makes one",
                ko: "{place}: 기록이 없음. `tcphealth record`로 기록함",
                place = directory.display()
            };
            return Err(Complaint(words).into());
        }
        Ok(Self { directory: directory.to_owned(), days })
    }

    /// Whether a directory holds a recording.
    pub(crate) fn is_one(directory: &Path) -> bool {
        days(directory).is_ok_and(|days| !days.is_empty())
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The looks between two times, µs since 1970 and both included, in their order.
    pub(crate) fn taken(&self, range: (i64, i64)) -> anyhow::Result<Vec<Sample<Taken>>> {
        let mut all = Vec::new();
        self.samples(Stream::Census, range, &|_| true, &mut |at, leaves, path| {
            let leaves: BTreeMap<String, Leaf> =
                leaves.into_iter().map(|(entity, field, leaf)| (format!("{entity}{field}"), leaf)).collect();
            let said = Taken::from_leaves(&leaves).with_context(|| path.display().to_string())?;
            all.push(Sample { at, said });
            Ok(())
        })?;
        Ok(all)
    }

    /// The counters between two times, of the moments that are wanted: there are ten times as many as looks, and they are costly.
    pub(crate) fn counters(&self, range: (i64, i64), wanted: &Wanted<'_>) -> anyhow::Result<Vec<Sample<Counters>>> {
        let mut all = Vec::new();
        self.samples(Stream::Counters, range, wanted, &mut |at, leaves, _| {
            all.push(Sample { at, said: taken::counters(leaves) });
            Ok(())
        })?;
        Ok(all)
    }

    /// What the recorder said of itself between two times.
    pub(crate) fn meters(&self, range: (i64, i64)) -> anyhow::Result<Vec<Sample<Meter>>> {
        let mut all = Vec::new();
        self.samples(Stream::Census, range, &|_| true, &mut |at, leaves, _| {
            all.push(Sample { at, said: Taken::meter_of(leaves) });
            Ok(())
        })?;
        Ok(all)
    }

    /// Bytes of all days together.
    pub(crate) fn bytes(&self) -> anyhow::Result<u64> {
        self.days.iter().map(|(_, path)| Day::read(path)?.bytes()).sum()
    }

    fn samples(
        &self,
        stream: Stream,
        range: (i64, i64),
        wanted: &Wanted<'_>,
        each: &mut Each<'_>,
    ) -> anyhow::Result<()> {
        for path in self.days_of(range) {
            let day = Day::read(path)?;
            for (at, row) in in_order(day.samples(stream, range)?).into_iter().filter(|(at, _)| wanted(*at)) {
                let leaves = row.iter().map(|(series, value)| day.names.leaf(*series, *value)).collect::<Option<_>>();
                let leaves = leaves.with_context(|| format!("{}: a name is missing", path.display()))?;
                each(at, leaves, path)?;
            }
        }
        Ok(())
    }

    /// The files of the days of a time, oldest first.
    pub(super) fn days_of(&self, (begin_us, end_us): (i64, i64)) -> impl Iterator<Item = &Path> {
        let numbers = begin_us.div_euclid(US_PER_DAY)..=end_us.div_euclid(US_PER_DAY);
        self.days.iter().filter(move |(number, _)| numbers.contains(number)).map(|(_, path)| path.as_path())
    }

    /// When there are looks: from, until, in µs since 1970 and in their order; a pause of ten minutes ends a span.
    ///
    /// # Errors
    /// A day cannot be read.
    pub(crate) fn spans(&self) -> anyhow::Result<Vec<(i64, i64)>> {
        let mut parts = Vec::new();
        for (_, path) in &self.days {
            parts.extend(Day::read(path)?.spans(Stream::Census)?);
        }
        parts.sort_unstable();
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for (begin, end) in parts {
            match spans.last_mut() {
                Some((_, until)) if begin.saturating_sub(*until) <= PAUSE_US => *until = end.max(*until),
                _ => spans.push((begin, end)),
            }
        }
        Ok(spans)
    }
}

/// A longer time without a look ends a span.
pub(super) const PAUSE_US: i64 = 600_000_000;

/// Which samples of a time are meant.
type Wanted<'a> = dyn Fn(Moment) -> bool + 'a;

type Each<'a> = dyn FnMut(Moment, Vec<(&str, &str, Leaf)>, &Path) -> anyhow::Result<()> + 'a;

/// The files of a directory by their days, oldest first.
pub(super) fn days(directory: &Path) -> anyhow::Result<Vec<(i64, PathBuf)>> {
    let place = || directory.display().to_string();
    let mut days = Vec::new();
    for entry in fs::read_dir(directory).with_context(place)? {
        let path = entry.with_context(place)?.path();
        let is_day = path.extension().is_some_and(|ending| ending == "db");
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let date = jiff::civil::Date::strptime("%Y%m%d", name).ok().filter(|_| is_day && name.len() == 8);
        if let Some(begin) = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok()) {
            days.push((begin.timestamp().as_microsecond().div_euclid(US_PER_DAY), path));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// `20261122`.
pub(super) fn day_of(number: i64) -> String {
    let begin = Timestamp::from_microsecond(number.saturating_mul(US_PER_DAY)).unwrap_or_default();
    begin.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string()
}
