//! `tcphealth why --timeline`: a recording judged moment after moment → when findings began, how they changed, when they ended.
//!
//! The moments are a step apart; where two of them differ, what lies between is halved until the look is found that made the
//! difference.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use tcphealth_core::format::wrap;
use tcphealth_core::report::{Outcome, Severity};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::words::{Lang, Message};
use tcphealth_core::{say, text};

use crate::args::WhyArgs;
use crate::config;
use crate::speech::{self, Speech};
use crate::store::{self, Past, Store};
use crate::when::{self, When};

/// Moments that are judged before the differences are looked at closer.
const MOMENTS_MAX: i64 = 360;
/// The usual time between two looks, µs: moments closer together are the same look.
const LOOK_US: i64 = 10_000_000;
/// How exactly a change is found, µs: to the look, which are rarely closer together.
const EXACT_US: i64 = 1_000_000;
/// Lines that are written.
const LINES_MAX: usize = 40;
/// How far back it is looked unless told otherwise, µs.
const DAY_US: i64 = 86_400_000_000;
/// A finding that grew or shrank by this factor since its line has another line.
const FACTOR: f64 = 2.0;
/// Who waits longer than this is told how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a severity or an outcome would stand.
const NONE: &str = "-";

/// What is to be said of a moment.
enum Seen {
    /// Nothing was recorded.
    Nothing,
    /// No finding of it, and why.
    None(Outcome, Message),
    /// Findings by their ids.
    Found(BTreeMap<String, (Severity, f64, Message)>),
}

impl Seen {
    /// Whether it is worth a line after another.
    fn differs(&self, from: &Self) -> bool {
        match (self, from) {
            (Self::Nothing, Self::Nothing) => false,
            (Self::None(outcome, _), Self::None(other, _)) => outcome != other,
            (Self::Found(now), Self::Found(before)) => {
                now.len() != before.len()
                    || now.iter().any(|(id, is)| before.get(id).is_none_or(|was| Self::changed(was, is)))
            }
            _ => true,
        }
    }

    fn changed(was: &(Severity, f64, Message), is: &(Severity, f64, Message)) -> bool {
        was.0 != is.0 || is.1 >= was.1 * FACTOR && is.1 > was.1 || was.1 >= is.1 * FACTOR && was.1 > is.1
    }

    /// A word and a sentence for what is new after another.
    fn told(&self, before: Option<&Self>, lang: Lang) -> Vec<(&'static str, String)> {
        match self {
            Self::Nothing => vec![(NONE, text! { en: "nothing was recorded", ko: "기록 없음" }.get(lang).to_owned())],
            Self::None(outcome, why) => vec![(outcome.name(), why.get(lang).to_owned())],
            Self::Found(findings) => {
                let known = if let Some(Self::Found(known)) = before { Some(known) } else { None };
                let was = |id: &String| known.and_then(|known| known.get(id));
                let new = findings.iter().filter(|(id, is)| was(id).is_none_or(|was| Self::changed(was, is)));
                let new = new.map(|(_, (severity, _, words))| (severity.name(), words.get(lang).to_owned()));
                let gone = known.into_iter().flatten().filter(|(id, _)| !findings.contains_key(*id));
                let end = text! { en: "no more:", ko: "사라짐:" }.get(lang);
                new.chain(gone.map(|(id, _)| (NONE, format!("{end} {id}")))).collect()
            }
        }
    }
}

/// Looks through the recording.
struct Search<'a> {
    store: Store,
    limits: Limits,
    args: &'a WhyArgs,
    rule: &'a str,
    speech: &'a Speech,
    begun: Instant,
    shown: bool,
    judged: usize,
}

/// Prints the changes of a rule's findings, or of one of them.
pub(super) fn run(args: &WhyArgs, rule: &str, speech: &Speech) -> anyhow::Result<()> {
    let store = Store::open(&args.look.from.clone().unwrap_or_else(store::default_dir))?;
    let until = args.look.at.unwrap_or_else(when::now);
    let since = args.since.unwrap_or(When(until.0.saturating_sub(DAY_US)));
    let spans = store.spans()?;
    let within: Vec<(i64, i64)> = spans
        .into_iter()
        .map(|(begin, end)| (begin.max(since.0), end.min(until.0)))
        .filter(|(begin, end)| begin <= end)
        .collect();
    let (Some((begin, _)), Some((_, end))) = (within.first(), within.last()) else {
        return Err(store.nothing_in((since.0, until.0)));
    };
    let range = (*begin, *end);
    let shown = io::stderr().is_terminal();
    let limits = config::limits()?;
    let mut search = Search { store, limits, args, rule, speech, begun: Instant::now(), shown, judged: 0 };
    let lines = search.changes(range);
    search.clear();
    speech::print(&search.page(range, &lines?))?;
    Ok(())
}

/// A time and what is said of it.
type Told = (i64, &'static str, String);

impl Search<'_> {
    fn changes(&mut self, (begin, end): (i64, i64)) -> anyhow::Result<Vec<Told>> {
        let step = ((end - begin) / MOMENTS_MAX).max(LOOK_US);
        let (_, mut before) = self.seen(begin)?;
        let mut lines = self.lines(begin, &before, None);
        let mut at = begin;
        while at < end && lines.len() < LINES_MAX {
            let next = (at + step).min(end);
            let now = self.seen(next)?;
            if now.1.differs(&before) {
                let (place, (look, seen)) = self.first_difference((at, next), &before, now)?;
                lines.extend(self.lines(look, &seen, Some(&before)));
                (at, before) = (place, seen);
            } else {
                at = next;
            }
        }
        if at >= end && matches!(before, Seen::Found(_)) && lines.last().is_some_and(|(last, ..)| *last < end - LOOK_US)
        {
            let (look, last) = self.seen(end)?;
            lines.extend(self.lines(look, &last, None));
        }
        Ok(lines)
    }

    /// Where it first differs; what lies at the begin does not, what lies at the end does.
    fn first_difference(
        &mut self,
        (mut same, mut other): (i64, i64),
        before: &Seen,
        mut seen: (i64, Seen),
    ) -> anyhow::Result<(i64, (i64, Seen))> {
        while other - same > EXACT_US {
            let middle = same + (other - same) / 2;
            let now = self.seen(middle)?;
            if now.1.differs(before) {
                (other, seen) = (middle, now);
            } else {
                same = middle;
            }
        }
        Ok((other, seen))
    }

    /// What the newest look of a moment says, and when it was taken.
    fn seen(&mut self, at: i64) -> anyhow::Result<(i64, Seen)> {
        self.progress();
        let Some(past) = Past::find(&self.store, When(at), None)? else { return Ok((at, Seen::Nothing)) };
        let look = past.last.at.wall_ns.div_euclid(1000);
        let report = past.judged(&mut History::default(), &self.limits)?;
        let what = &self.args.what;
        let meant = report.findings.iter().filter(|found| found.rule == self.rule);
        let meant = meant.map(|found| (found.id(), found)).filter(|(id, _)| what == self.rule || id == what);
        let found: BTreeMap<_, _> =
            meant.map(|(id, found)| (id, (found.severity, found.size, found.summary.clone()))).collect();
        if !found.is_empty() {
            return Ok((look, Seen::Found(found)));
        }
        let check = report.checks.into_iter().find(|check| check.rule == self.rule);
        let none = check.map_or(Seen::Nothing, |check| Seen::None(check.outcome, check.why.unwrap_or_default()));
        Ok((look, none))
    }

    fn lines(&self, at: i64, seen: &Seen, before: Option<&Seen>) -> Vec<Told> {
        seen.told(before, self.speech.lang).into_iter().map(|(word, words)| (at, word, words)).collect()
    }

    fn page(&self, (begin, end): (i64, i64), lines: &[Told]) -> String {
        let lang = self.speech.lang;
        let heading = say! {
            en: "{what}, {begin} to {end}, {judged} moments judged", ko: "{what}, {begin}부터 {end}까지, {judged}개 시점 판정",
            what = self.args.what, begin = When(begin).shown(), end = When(end).shown(), judged = self.judged
        };
        let mut page = wrap("", heading.get(lang), self.speech.columns).join("\n") + "\n";
        for (at, word, words) in lines {
            let first = format!("{}  {word:9} ", When(*at).shown());
            for line in wrap(&first, words, self.speech.columns) {
                page.extend([line.trim_end(), "\n"]);
            }
        }
        let earlier = text! {
            en: "It was so already at the begin: --since looks further back.",
            ko: "처음 시점에 이미 그러했음. --since로 더 앞을 볼 수 있음."
        };
        let more = text! {
            en: "There are more changes: --since and --at look at less.",
            ko: "변화가 더 있음. --since와 --at으로 범위를 좁혀 볼 수 있음."
        };
        let is_finding = |word| word != NONE && Outcome::ALL.iter().all(|outcome| outcome.name() != word);
        let was_there = lines.first().is_some_and(|(_, word, _)| is_finding(*word));
        for (_, words) in [(was_there, earlier), (lines.len() >= LINES_MAX, more)].iter().filter(|(is, _)| *is) {
            page.extend([words.get(lang), "\n"]);
        }
        page
    }

    /// On a terminal, how many moments have been judged, when that takes long.
    fn progress(&mut self) {
        self.judged += 1;
        if self.shown && self.begun.elapsed() > PATIENCE {
            let words = say! { en: "{count} moments judged", ko: "{count}개 시점 판정", count = self.judged };
            // Nothing depends on the terminal's being there.
            let _ = write!(io::stderr(), "\r\x1b[K{}", words.get(self.speech.lang));
        }
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
