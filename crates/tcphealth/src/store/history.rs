//! A moment of a recording → the looks that were judged then, as they were.

use std::collections::BTreeSet;
use std::time::Duration;

use tcphealth_core::frame::taken::{Taken, goes_on};
use tcphealth_core::report::{Report, Unseen};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Absent, Answers, Census, Counters, Question, Snapshot};

use super::{Sample, Store, Stream};
use crate::examine::{counters_only, settle};
use crate::speech::Complaint;
use crate::when::When;

/// A look is believed to tell how it was until so many intervals after it,
const INTERVALS_MAX: u64 = 3;
/// and for this long at least: whoever types `now` needs a moment for it.
const BELIEVED_US: u64 = 5_000_000;
/// How far back the look before a moment is searched, beyond the window: the longest interval is 160 s.
const SEARCH_US: i64 = 600_000_000;
/// The same for readings of sysstat's, which may be an hour apart.
const SEARCH_LONG_US: i64 = 4_000_000_000;
/// So much of a recording is in memory at a time, µs.
const CHUNK_US: i64 = 600_000_000;
/// The usual interval of sysstat's, ms.
const USUAL_MS: u64 = 600_000;

/// The looks at the ends of a window.
#[derive(Debug)]
pub(crate) struct Past {
    /// The look at its begin; `None` when the recording begins or was interrupted there.
    pub(crate) first: Option<Snapshot>,
    /// The look at its end.
    pub(crate) last: Snapshot,
    pub(super) answers: Answers,
}

impl Past {
    /// The window that ends at a time; without a length, the one that was recorded there.
    ///
    /// # Errors
    /// Nothing was recorded then, or it is damaged.
    pub(crate) fn at(store: &Store, when: When, window: Option<Duration>) -> anyhow::Result<Self> {
        Self::find(store, when, window)?.map_or_else(|| Err(store.nothing_at(when)), Ok)
    }

    /// As [`Past::at`]; `None` where nothing was recorded.
    ///
    /// # Errors
    /// It is damaged, or does not reach back as far as the window.
    pub(crate) fn find(store: &Store, when: When, window: Option<Duration>) -> anyhow::Result<Option<Self>> {
        let window_us = window.map_or(0, |window| i64::try_from(window.as_micros()).unwrap_or(i64::MAX));
        let Some(from) = begin_of(store, when, window_us)? else { return Ok(None) };
        let mut looks = store.taken((from, when.0))?;
        looks.extend(looks.last().map(|last| interval_end(store, last, when)).transpose()?.flatten());
        let Some((last, before)) = looks.split_last().filter(|(last, _)| covers(last, when)) else {
            return Ok(None);
        };
        let first = first_of(last, before, window_us)?;
        let steps = first.map_or(&[][..], |place| before.get(place + 1..).unwrap_or_default());
        let first = first.and_then(|place| before.get(place));
        let ends = [first.unwrap_or(last).at, last.at];
        let counters = store.counters(ends.map(|at| at.wall_us).into(), &|at| ends.contains(&at))?;
        let (mut last, answers) = whole(last, &counters);
        if let Ok(census) = &mut last.census {
            steps.iter().rev().filter_map(|step| step.said.census.as_ref().ok()).for_each(|step| census.stretch(step));
        }
        let first = first.map(|first| whole(first, &counters).0);
        Ok(Some(Self { first, last, answers }))
    }

    /// What was known when it was judged.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The windows that lead up to this one, each judged with those before it, as far back as rules look.
    ///
    /// # Errors
    /// The recording is damaged.
    pub(crate) fn history(&self, store: &Store, limits: &Limits) -> anyhow::Result<History> {
        let mut history = History::default();
        let Some(first) = &self.first else { return Ok(history) };
        let until_us = first.at.wall_ns.div_euclid(1000);
        let since_us = until_us.saturating_sub((limits.chronic_long_seconds * 1e6) as i64);
        Self::each(store, (since_us, until_us), &mut |past| past.judged(&mut history, limits).map(drop))?;
        Ok(history)
    }

    /// Hands on every window between two looks that was recorded between two times, oldest first.
    ///
    /// # Errors
    /// The recording is damaged, or the caller's.
    pub(crate) fn each(
        store: &Store,
        (begin, end): (i64, i64),
        each: &mut dyn FnMut(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut before: Option<(Taken, Snapshot)> = None;
        let mut from = begin;
        while from <= end {
            let until = from.saturating_add(CHUNK_US - 1).min(end);
            let looks = store.taken((from, until))?;
            let counters = store.counters((from, until), &|at| looks.iter().any(|look| look.at == at))?;
            for look in looks {
                let (last, answers) = whole(&look, &counters);
                let first = before.take().filter(|(taken, _)| follows(taken, &look.said)).map(|(_, first)| first);
                let past = Self { first, last, answers };
                if past.first.is_some() {
                    each(&past)?;
                }
                before = Some((look.said, past.last));
            }
            from = until.saturating_add(1);
        }
        Ok(())
    }

    /// Judged by the same rules as a live look; what was not asked then stays unanswered.
    pub(crate) fn judged(&self, history: &mut History, limits: &Limits) -> anyhow::Result<Report> {
        let mut none = |asked: BTreeSet<Question>, answers: &mut Answers| {
            answers.extend(asked.into_iter().map(|question| (question, Err(Absent::NotAsked))));
            Ok(())
        };
        let (first, second) = match &self.first {
            Some(first) if is_imported(&self.last.census) => return counters_only(first, &self.last, limits),
            Some(first) => (first, Some(&self.last)),
            None => (&self.last, None),
        };
        let mut report = settle((first, second), history, (self.answers.clone(), limits), &mut none)?;
        report.unseen.extend(self.first.is_none().then(interrupted));
        Ok(report)
    }
}

/// Why a look of a recording is judged alone.
fn interrupted() -> Unseen {
    Unseen {
        what: say! {
            en: "what was before this look, at which the recording begins or was interrupted",
            ko: "이 관찰 앞의 일. 여기서 기록이 시작되거나 끊김"
        },
        why: say! {
            en: "a boot, a suspend, a clock that was set or another network namespace lies between",
            ko: "부팅, 절전, 시계 변경 또는 다른 네트워크 네임스페이스가 사이에 있음"
        },
        remedy: say! { en: "--at judges a later moment", ko: "--at으로 더 뒤의 시점을 판정한다" },
    }
}

/// When the look was taken that is just before the window, so that no other need be read.
fn begin_of(store: &Store, when: When, window_us: i64) -> anyhow::Result<Option<i64>> {
    let begin = when.0.saturating_sub(window_us);
    let moments = |begin: i64| store.picked::<()>(Stream::Census, (begin, when.0), &mut |_, _| None);
    let mut looks = moments(begin.saturating_sub(SEARCH_US))?;
    if looks.len() < 2 {
        looks = moments(begin.saturating_sub(SEARCH_LONG_US))?;
    }
    let Some(((last, _), before)) = looks.split_last() else { return Ok(None) };
    let begin = before.iter().rev().find(|(at, _)| at.wall_us <= last.wall_us.saturating_sub(window_us));
    Ok(begin.or(before.first()).map(|(at, _)| at.wall_us).or(Some(last.wall_us)))
}

/// A look with the counters that were taken with it.
fn whole(look: &Sample<Taken>, counters: &[Sample<Counters>]) -> (Snapshot, Answers) {
    let same = counters.iter().find(|sample| sample.at.boot_us == look.at.boot_us);
    look.said.clone().with(same.map_or_else(Counters::default, |sample| sample.said.clone()))
}

/// Whether what was seen at a look still tells of this time.
fn covers(last: &Sample<Taken>, when: When) -> bool {
    let interval_ms = last.said.meter.census_interval_ms;
    let believed_us =
        if is_imported(&last.said.census) && interval_ms == 0 { BELIEVED_US } else { patience_us(interval_ms) };
    when.0.abs_diff(last.at.wall_us) <= believed_us
}

/// The place of the look that begins the window: the nearest to its begin, with no break between; an error when the recording
/// does not reach back so far.
fn first_of(last: &Sample<Taken>, before: &[Sample<Taken>], window_us: i64) -> anyhow::Result<Option<usize>> {
    let mut later = last;
    let mut found = None;
    for (place, look) in before.iter().enumerate().rev() {
        if !follows(&look.said, &later.said) {
            break;
        }
        let away = |place: usize| {
            let at = before.get(place).map_or(last.at.boot_us, |look| look.at.boot_us);
            (last.at.boot_us.saturating_sub(at).cast_signed() - window_us).abs()
        };
        if found.is_some_and(|nearest| away(place) >= away(nearest)) {
            break;
        }
        found = Some(place);
        later = look;
    }
    let reach_us = found.and_then(|place| before.get(place)).map_or(0, |look| last.at.boot_us - look.at.boot_us);
    let interval_us = last.said.meter.census_interval_ms.saturating_mul(1000);
    if window_us.cast_unsigned().saturating_sub(reach_us) > interval_us {
        let words = say! {
            en: "the recording was interrupted or began {reach} s before that time: a window of {window} s is not in it",
            ko: "그 시점의 {reach}초 전에 기록이 끊겼거나 시작되어 {window}초 구간이 들어 있지 않음",
            reach = reach_us / 1_000_000, window = window_us / 1_000_000
        };
        return Err(Complaint(words).into());
    }
    Ok(found)
}

/// Whether a look was compared with this one when it was taken, so that the two make a window; readings of sysstat's have nothing
/// but counters, which can be compared over any time.
pub(super) fn follows(earlier: &Taken, later: &Taken) -> bool {
    let joined = later.census.as_ref().is_ok_and(|census| census.joined);
    let counters = is_imported(&earlier.census) && is_imported(&later.census);
    let patience_us = if counters { u64::MAX } else { patience_us(later.meter.census_interval_ms) };
    (joined || counters)
        && earlier.identity.is(&later.identity)
        && goes_on(earlier.moment(), later.moment(), patience_us)
}

/// How far two samples of a recording that goes on are apart at most; `0` is how readings of sysstat's say that they do not know
/// how often there was one.
pub(crate) fn patience_us(census_interval_ms: u64) -> u64 {
    let interval_ms = if census_interval_ms == 0 { USUAL_MS } else { census_interval_ms };
    interval_ms.saturating_mul(1000 * INTERVALS_MAX).max(BELIEVED_US)
}

/// Whether it comes from a file of sysstat's, which has no sockets.
fn is_imported(census: &Result<Census, Absent>) -> bool {
    matches!(census, Err(Absent::NotAsked))
}

/// The reading of sysstat's that ends the interval in which a time lies.
fn interval_end(store: &Store, last: &Sample<Taken>, when: When) -> anyhow::Result<Option<Sample<Taken>>> {
    if !is_imported(&last.said.census) || last.at.wall_us == when.0 {
        return Ok(None);
    }
    let patience_us = last.said.meter.census_interval_ms.max(USUAL_MS).saturating_mul(1000 * INTERVALS_MAX);
    let after = store.taken((when.0, when.0.saturating_add_unsigned(patience_us)))?;
    Ok(after.into_iter().next().filter(|next| follows(&last.said, &next.said)))
}

impl Store {
    /// The next time at which a recording begins.
    pub(crate) fn next(&self, when: When) -> anyhow::Result<Option<When>> {
        Ok(self.spans()?.into_iter().map(|(begin, _)| When(begin)).find(|begin| *begin > when))
    }

    /// Why there is nothing at this time, and where there is something.
    fn nothing_at(&self, when: When) -> anyhow::Error {
        self.nothing_in((when.0, when.0))
    }

    /// Why there is nothing from one time until another, µs since 1970.
    pub(crate) fn nothing_in(&self, range: (i64, i64)) -> anyhow::Error {
        let spans = match self.spans() {
            Ok(spans) => spans,
            Err(error) => return error,
        };
        let before = spans.iter().rev().find(|(_, end)| *end < range.0).map(|(_, end)| *end);
        let after = spans.iter().find(|(begin, _)| *begin > range.1).map(|(begin, _)| *begin);
        // A pause within a span: where it begins and ends only the looks themselves say.
        let around = spans.iter().find(|(begin, end)| *begin < range.0 && *end > range.1);
        let looks = around.map(|span| self.picked::<()>(Stream::Census, *span, &mut |_, _| None)).transpose();
        let looks: Vec<i64> = match looks {
            Ok(looks) => looks.unwrap_or_default().iter().map(|(at, _)| at.wall_us).collect(),
            Err(error) => return error,
        };
        let before = looks.iter().rev().find(|at| **at < range.0).copied().or(before);
        let after = looks.iter().find(|at| **at > range.1).copied().or(after);
        let shown = |at: i64| When(at).shown();
        let (place, begin, end) = (self.directory().display(), shown(range.0), shown(range.1));
        let at = if begin == end { begin } else { format!("{begin} – {end}") };
        let words = match (before.map(shown), after.map(shown)) {
            (Some(before), None) => say! {
                en: "{place}: nothing was recorded at {at}; the recording ends at {before}",
                ko: "{place}: {at}에는 기록이 없음. {before}까지 기록이 있음",
                place = place, at = at, before = before
            },
            (None, Some(after)) => say! {
                en: "{place}: nothing was recorded at {at}; the recording begins at {after}",
                ko: "{place}: {at}에는 기록이 없음. {after}부터 기록이 있음",
                place = place, at = at, after = after
            },
            (before, after) => say! {
                en: "{place}: nothing was recorded at {at}; there is something until {before} and from {after}",
                ko: "{place}: {at}에는 기록이 없음. {before}까지, 그리고 {after}부터 기록이 있음",
                place = place, at = at, before = before.unwrap_or_default(), after = after.unwrap_or_default()
            },
        };
        Complaint(words).into()
    }
}
