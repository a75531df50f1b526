//! The windows before this one → what a chronic level asks of them: what was found in each, and one long window over several.
//!
//! Bounded: [`STEPS_MAX`] windows of counters and findings, their sockets (trimmed, as a recording keeps them) for a minute.

use std::collections::VecDeque;

use super::{Judgement, Limits, Rule};
use crate::report::{Finding, Severity};
use crate::snapshot::{Absent, Answers, Fact, Question, Snapshot, rfc3339};
use crate::window::Window;

/// Windows that are remembered: twenty minutes of five seconds each.
pub const STEPS_MAX: usize = 240;
/// Beginnings of findings that are remembered for as long as the history lasts.
const ONSETS_MAX: usize = 1_024;
/// For so long the sockets of a look are remembered, seconds.
const SOCKETS_SECONDS: f64 = 61.0;
/// A minute of windows may come out a hair shorter.
const NEARLY: f64 = 0.99;

/// What a rule found in one window, by its own levels of one window.
#[derive(Clone, Debug)]
pub struct Sighting {
    rule: &'static str,
    subject: String,
    severity: Severity,
    size: f64,
}

impl Sighting {
    pub(super) fn new(rule: &'static Rule, finding: &Finding) -> Self {
        Self { rule: rule.id, subject: finding.subject.key(), severity: finding.severity, size: finding.size }
    }

    fn is_of(&self, rule: &Rule, finding: &Finding) -> bool {
        self.rule == rule.id && self.subject == finding.subject.key()
    }
}

/// One window that has passed.
#[derive(Debug)]
struct Step {
    /// The look at its begin, trimmed.
    begin: Snapshot,
    end_ns: u64,
    seen: Vec<Sighting>,
    /// Open descriptors of the processes that were asked for.
    fds: Vec<(u32, u64)>,
}

impl Step {
    fn sighting(&self, rule: &Rule, finding: &Finding) -> Option<&Sighting> {
        self.seen.iter().find(|seen| seen.is_of(rule, finding))
    }
}

/// The windows before this one, oldest first.
#[derive(Debug, Default)]
pub struct History {
    steps: VecDeque<Step>,
    /// When findings began or rose, and how bad they were then.
    onsets: VecDeque<(u64, Sighting)>,
}

impl History {
    /// Adds a window that was judged; one look alone is none.
    pub fn add(&mut self, window: &Window, judgement: &Judgement) {
        if !window.is_whole() {
            return;
        }
        let (begin_ns, end_ns) = (window.first().at.begin_ns, window.last().at.begin_ns);
        let seen = judgement.sightings().to_vec();
        let before = self.steps.back().filter(|step| step.end_ns == begin_ns);
        let new = |now: &&Sighting| {
            let mut then = before.into_iter().flat_map(|step| &step.seen);
            !then.any(|then| (then.rule, &then.subject) == (now.rule, &now.subject) && then.severity >= now.severity)
        };
        let new: Vec<_> = seen.iter().filter(new).map(|seen| (begin_ns, seen.clone())).collect();
        self.onsets.extend(new);
        self.steps.push_back(Step { begin: slim(window.first()), end_ns, seen, fds: descriptors(window.answers()) });
        for step in &mut self.steps {
            if seconds(step.begin.at.begin_ns, end_ns) > SOCKETS_SECONDS {
                step.begin.census = Err(Absent::NotAsked);
            }
        }
        self.steps.drain(..self.steps.len().saturating_sub(STEPS_MAX));
        self.onsets.drain(..self.onsets.len().saturating_sub(ONSETS_MAX));
    }

    /// The windows that lead up to this one without a gap.
    pub(super) fn until<'a>(&'a self, window: &Window<'a>) -> Series<'a> {
        let mut next = window.first();
        let mut steps = Vec::new();
        for step in self.steps.iter().rev() {
            let same = step.begin.identity.boot_id == next.identity.boot_id
                && step.begin.identity.netns == next.identity.netns;
            if !same || step.end_ns != next.at.begin_ns {
                break;
            }
            next = &step.begin;
            steps.push(step);
        }
        Series { window: *window, steps, onsets: &self.onsets }
    }
}

/// Without what only the newest look needs.
fn slim(look: &Snapshot) -> Snapshot {
    let mut slim = Snapshot { interfaces: Err(Absent::NotAsked), sysctls: [].into(), ..look.clone() };
    if let Ok(census) = &mut slim.census {
        census.trim();
    }
    slim
}

fn descriptors(answers: &Answers) -> Vec<(u32, u64)> {
    let asked = answers.iter().filter_map(|(question, answer)| match (question, answer) {
        (Question::Process { pid }, Ok(Fact::Process(process))) => Some((*pid, process.fds?)),
        _ => None,
    });
    asked.collect()
}

fn seconds(begin_ns: u64, end_ns: u64) -> f64 {
    end_ns.saturating_sub(begin_ns) as f64 / 1e9
}

/// A window and those that lead up to it without a gap, newest first.
pub(super) struct Series<'a> {
    /// The window itself.
    pub(super) window: Window<'a>,
    steps: Vec<&'a Step>,
    onsets: &'a VecDeque<(u64, Sighting)>,
}

impl<'a> Series<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn now_ns(&self) -> u64 {
        self.window.last().at.begin_ns
    }

    /// The windows just before this one in which the rule found the same, newest first.
    fn row(&self, rule: &Rule, finding: &Finding) -> impl Iterator<Item = (&'a Step, &'a Sighting)> {
        self.steps.iter().map_while(move |step| Some((*step, step.sighting(rule, finding)?)))
    }

    /// In how many windows in a row the same was found, this one included.
    pub(super) fn in_a_row(&self, rule: &Rule, finding: &Finding) -> usize {
        1 + self.row(rule, finding).count()
    }

    /// In how many of the last windows, this one included, the same was found; `None` when there were not so many.
    pub(super) fn times_of(&self, windows: usize, rule: &Rule, finding: &Finding) -> Option<usize> {
        let before = self.steps.get(..windows.checked_sub(1)?)?;
        Some(1 + before.iter().filter(|step| step.sighting(rule, finding).is_some()).count())
    }

    /// For how long the same has been found in every window, seconds.
    pub(super) fn lasting_seconds(&self, rule: &Rule, finding: &Finding) -> f64 {
        let oldest = self.row(rule, finding).last();
        oldest.map_or(self.window.seconds(), |(step, _)| seconds(step.begin.at.begin_ns, self.now_ns()))
    }

    /// Since when it has been found in every window, RFC 3339; `None` when this window is the first.
    pub(super) fn since(&self, rule: &Rule, finding: &Finding) -> Option<String> {
        Some(rfc3339(&self.row(rule, finding).last()?.0.begin.at))
    }

    /// Whether its size grew from window to window, over so many of them.
    pub(super) fn grows(&self, windows: usize, rule: &Rule, finding: &Finding) -> bool {
        let sizes = self.row(rule, finding).map(|(_, seen)| seen.size);
        let sizes: Vec<f64> = [finding.size].into_iter().chain(sizes).take(windows).collect();
        sizes.len() == windows && sizes.is_sorted_by(|newer, older| newer > older)
    }

    /// How often, in the last so many seconds, it began or rose to this level; what stands now counts once.
    pub(super) fn onsets(&self, within: f64, level: Severity, (rule, finding): (&Rule, &Finding)) -> usize {
        let recent = |(at_ns, seen): &&(u64, Sighting)| {
            seen.is_of(rule, finding) && seen.severity >= level && seconds(*at_ns, self.now_ns()) <= within
        };
        let new = self.in_a_row(rule, finding) == 1 && finding.severity >= level;
        self.onsets.iter().filter(recent).count() + usize::from(new)
    }

    /// How many descriptors a process opens a second more than it closes, over so long a time in which they became more and never
    /// fewer; `None` when they did not, or when it was not asked in every window.
    pub(super) fn descriptors_per_second(&self, pid: u32, now: f64, over_seconds: f64) -> Option<f64> {
        let known = self.steps.iter().map_while(|step| {
            let (_, fds) = step.fds.iter().find(|(of, _)| *of == pid)?;
            Some((seconds(step.end_ns, self.now_ns()), *fds as f64))
        });
        let known: Vec<(f64, f64)> = [(0.0, now)].into_iter().chain(known).collect();
        let far = known.iter().position(|(ago, _)| *ago >= over_seconds * NEARLY)?;
        let minute = known.get(..=far)?;
        let (ago, then) = minute.last()?;
        let grew = minute.is_sorted_by(|(_, newer), (_, older)| newer >= older) && now > *then;
        grew.then(|| (now - then) / ago)
    }

    /// The looks at the begin of each window over so long a time before the end of this one, newest first; `None` when the series
    /// does not reach back so far.
    pub(super) fn looks(&self, over_seconds: f64) -> Option<Vec<&'a Snapshot>> {
        let begins = [self.window.first()].into_iter().chain(self.steps.iter().map(|step| &step.begin));
        let begins: Vec<&Snapshot> = begins.collect();
        let far = |look: &&&Snapshot| seconds(look.at.begin_ns, self.now_ns()) >= over_seconds * NEARLY;
        let count = begins.iter().position(|look| far(&look))? + 1;
        Some(begins.into_iter().take(count).collect())
    }

    /// One window over so long a time: its counters are compared over all of it, its sockets as far back as they are remembered.
    pub(super) fn long(&self, over_seconds: f64) -> Option<Long> {
        let looks = self.looks(over_seconds)?;
        let (oldest, between) = looks.split_last()?;
        let mut first = slim(self.window.first());
        (first.counters, first.at) = (oldest.counters.clone(), oldest.at);
        let mut last = slim(self.window.last());
        (last.sysctls, last.interfaces) = (self.window.last().sysctls.clone(), self.window.last().interfaces.clone());
        if let (Ok(_), Ok(now)) = (&oldest.census, &mut last.census) {
            first.census.clone_from(&oldest.census);
            between.iter().filter_map(|look| look.census.as_ref().ok()).for_each(|before| now.stretch(before));
        }
        Some(Long { first, last })
    }
}

/// The two looks of a long window.
pub(super) struct Long {
    first: Snapshot,
    last: Snapshot,
}

impl Long {
    /// The window between them, with what was answered at its end.
    pub(super) fn window<'a>(&'a self, answers: &'a Answers) -> Option<Window<'a>> {
        Window::between(&self.first, &self.last, answers).ok()
    }
}

/// The limits with some put in the place of others: pairs of names.
pub(super) fn with_instead(limits: &Limits, instead: &[(&str, &str)]) -> Limits {
    let mut changed = limits.clone();
    for (name, chronic) in instead {
        let value = limits.get(chronic).unwrap_or(f64::INFINITY);
        changed.set(name, value).unwrap_or_default();
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::judge;
    use crate::window::tests::snapshot;

    /// So many windows of ten seconds from this second on.
    fn passed(history: &mut History, begin: u64, windows: u64) {
        for number in 0..windows {
            let first = snapshot(begin + number * 10, &[("T.c", number)]);
            let (second, answers) = (snapshot(begin + number * 10 + 10, &[("T.c", number + 1)]), Answers::new());
            let window = Window::between(&first, &second, &answers).unwrap();
            let judgement = judge(&window, &History::default(), &Limits::default());
            history.add(&window, &judgement);
        }
    }

    fn reach(history: &History, begin: u64) -> usize {
        let (first, second, answers) = (snapshot(begin, &[]), snapshot(begin + 10, &[]), Answers::new());
        history.until(&Window::between(&first, &second, &answers).unwrap()).steps.len()
    }

    #[test]
    fn only_windows_without_a_gap_lead_up_to_this_one() {
        let mut history = History::default();
        passed(&mut history, 100, 3);
        assert_eq!((reach(&history, 130), reach(&history, 131)), (3, 0));
        passed(&mut history, 200, 2);
        assert_eq!((reach(&history, 220), reach(&history, 130)), (2, 0));
    }

    #[test]
    fn it_is_bounded_and_forgets_the_sockets_after_a_minute() {
        let mut history = History::default();
        passed(&mut history, 100, 300);
        let sockets = history.steps.iter().filter(|step| step.begin.census.is_ok()).count();
        assert_eq!((history.steps.len(), sockets), (STEPS_MAX, 6));
    }

    #[test]
    fn a_long_window_compares_the_counters_of_all_of_it() {
        let mut history = History::default();
        passed(&mut history, 100, 5);
        let (first, second, answers) = (snapshot(150, &[("T.c", 5)]), snapshot(160, &[("T.c", 6)]), Answers::new());
        let series = history.until(&Window::between(&first, &second, &answers).unwrap());
        let long = series.long(60.0).unwrap();
        let window = long.window(&answers).unwrap();
        assert_eq!((window.seconds(), window.delta_named("T.c")), (60.0, Some(6)));
        assert!(series.long(61.0).is_none(), "the history does not reach so far back");
    }
}
