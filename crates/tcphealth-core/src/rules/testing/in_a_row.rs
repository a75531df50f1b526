//! Made-up windows that follow each other: what the history adds to a rule's levels.

use super::Example;
use crate::catalog::{Kind, entry};
use crate::report::{Severity, Verdict};
use crate::rules::chronic::lifted;
use crate::rules::judge::{judge_by, verdict_of};
use crate::rules::{History, Limits, Rule};
use crate::snapshot::{Absent, Counters, Snapshot};

/// What a rule says of each of so many windows, made from their numbers; each begins with the look that ended the one before,
/// and the counters go on. What a window has no answer to was not asked.
pub(crate) fn in_a_row(rule: &'static Rule, windows: u64, make: impl Fn(u64) -> Example) -> Vec<Verdict> {
    let mut history = History::default();
    let mut before: Option<Snapshot> = None;
    let mut next = |number| {
        let mut example = make(number);
        if let Some(before) = &before {
            example.follow(before);
        }
        let verdict = example.settled(rule, &history);
        let alone = judge_by(&[rule], &example.window(), &History::default(), &Limits::default());
        history.add(&example.window(), &alone);
        before = Some(example.second);
        verdict
    };
    (0..windows).map(&mut next).collect()
}

/// As [`in_a_row`]: how bad the worst finding of each window is; `None` when there is none.
pub(crate) fn levels(rule: &'static Rule, windows: u64, make: impl Fn(u64) -> Example) -> Vec<Option<Severity>> {
    let level = |verdict: &Verdict| match verdict {
        Verdict::Findings(list) => list.iter().map(|finding| finding.severity).max(),
        _ => None,
    };
    in_a_row(rule, windows, make).iter().map(level).collect()
}

/// The level of the last of so many windows that are all alike, after the level of the one before it.
pub(crate) fn last_two(rule: &'static Rule, windows: u64, make: impl Fn(u64) -> Example) -> [Option<Severity>; 2] {
    *levels(rule, windows, make).last_chunk().unwrap()
}

impl Example {
    fn settled(&mut self, rule: &'static Rule, history: &History) -> Verdict {
        loop {
            let (window, limits) = (self.window(), Limits::default());
            let acute = verdict_of(rule, &window, &limits);
            match lifted(rule, acute, &history.until(&window), &limits) {
                Verdict::Ask(asked) => self.answers.extend(asked.into_iter().map(|one| (one, Err(Absent::NotAsked)))),
                verdict => return verdict,
            }
        }
    }

    /// Begins with another's last look.
    fn follow(&mut self, before: &Snapshot) {
        let grown = |name: &str, now: u64| {
            let gauge = entry(name).is_some_and(|entry| entry.kind == Kind::Gauge);
            let then = before.counters.named(name).filter(|_| !gauge);
            then.map_or(now, |then| then + now - self.first.counters.named(name).unwrap_or(now))
        };
        let pairs: Vec<(String, u64)> =
            self.second.counters.iter().map(|(name, now)| (name.to_owned(), grown(name, now))).collect();
        let length_ns = self.second.at.begin_ns - self.first.at.begin_ns;
        self.second.counters = Counters::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), *value)));
        self.second.at.begin_ns = before.at.begin_ns + length_ns;
        self.second.at.end_ns = self.second.at.begin_ns;
        self.first = before.clone();
    }
}
