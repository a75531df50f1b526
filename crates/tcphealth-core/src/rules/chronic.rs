//! What several windows decide: for each rule the levels that one window cannot give, as data. Where there is no history, or too
//! little, they are not judged, and the levels of one window stand.

use super::history::{Series, with_instead};
use super::judge::verdict_of;
use super::{Limits, Rule};
use crate::report::{Finding, Severity, Verdict};
use crate::say;
use crate::snapshot::Question;
use crate::words::Text;

mod levels;
mod words;

use levels::CHRONIC;
pub use words::words_of;

/// A level that several windows decide.
pub(super) struct Chronic {
    /// The rule.
    rule: &'static str,
    /// How bad a finding must be by itself.
    from: Severity,
    /// How bad it then is; `None` for as bad as the rule itself says of the long window.
    level: Option<Severity>,
    /// What must hold, all of it.
    when: &'static [When],
}

/// A condition on several windows. Numbers are names of limits.
enum When {
    /// The rule judges one long window over so many seconds, with some limits in the place of others.
    Over { seconds: &'static str, instead: &'static [(&'static str, &'static str)] },
    /// The same was found in so many windows in a row.
    InARow(&'static str),
    /// The same was found in so many of the last windows.
    Of { times: &'static str, windows: &'static str },
    /// The same was found in every window for so many seconds.
    Lasts(&'static str),
    /// Its size grew in each of so many windows.
    Grows(&'static str),
    /// It began or rose to this level so often in so many seconds.
    Returns { times: &'static str, seconds: &'static str, level: Severity },
    /// Its size is so large at least,
    Size(&'static str),
    /// or so large a second of the time that was judged.
    PerSecond(&'static str),
    /// Something else.
    Also(Text, fn(&Case) -> bool),
}

/// A finding in the light of the windows before it.
struct Case<'a> {
    series: &'a Series<'a>,
    limits: &'a Limits,
    rule: &'static Rule,
    finding: &'a Finding,
    /// In how many windows in a row it was found by the levels of one window; 0 when not in this one.
    row: usize,
    /// The time that was judged.
    seconds: f64,
}

/// A rule's verdict on this window, with the levels that the windows before it add.
pub(super) fn lifted(rule: &'static Rule, acute: Verdict, series: &Series, limits: &Limits) -> Verdict {
    if series.is_empty() {
        return acute;
    }
    let mut verdict = acute;
    for chronic in CHRONIC.iter().filter(|chronic| chronic.rule == rule.id) {
        verdict = chronic.lift(rule, verdict, series, limits);
    }
    if let Verdict::Findings(list) = &mut verdict {
        for finding in list {
            finding.since = series.since(rule, finding);
        }
    }
    verdict
}

impl Chronic {
    fn lift(&self, rule: &'static Rule, verdict: Verdict, series: &Series, limits: &Limits) -> Verdict {
        let Some((seconds, instead)) = self.over(limits) else {
            let list = match &verdict {
                Verdict::Findings(list) => self.chosen(rule, list, &verdict, (series, limits, series.window.seconds())),
                _ => Vec::new(),
            };
            return merged(verdict, list);
        };
        let Some(long) = series.long(seconds) else { return verdict };
        let Some(window) = long.window(series.window.answers()) else { return verdict };
        match verdict_of(rule, &window, &with_instead(limits, instead)) {
            Verdict::Findings(list) => {
                let chosen = self.chosen(rule, &list, &verdict, (series, limits, window.seconds()));
                merged(verdict, chosen)
            }
            Verdict::Ask(more) => asking(verdict, more),
            // What was too little for one window may be enough for many.
            Verdict::Healthy(why) if matches!(verdict, Verdict::Undecided(_)) && instead.is_empty() => {
                Verdict::Healthy(why)
            }
            _ => verdict,
        }
    }

    fn over(&self, limits: &Limits) -> Option<(f64, &'static [(&'static str, &'static str)])> {
        self.when.iter().find_map(|when| match when {
            When::Over { seconds, instead } => Some((value(limits, seconds), *instead)),
            _ => None,
        })
    }

    /// Those of the findings that reach this level.
    fn chosen(
        &self,
        rule: &'static Rule,
        list: &[Finding],
        acute: &Verdict,
        (series, limits, seconds): (&Series, &Limits, f64),
    ) -> Vec<Finding> {
        let row = |finding: &Finding| if has(acute, finding) { series.in_a_row(rule, finding) } else { 0 };
        let holds = |finding: &&Finding| {
            let case = Case { series, limits, rule, finding, row: row(finding), seconds };
            finding.severity >= self.from && self.when.iter().all(|when| when.holds(&case))
        };
        let told = |finding: &Finding| {
            let row = row(finding);
            let lasting = if row > 0 { series.lasting_seconds(rule, finding) } else { 0.0 };
            self.told(finding, row, seconds.max(lasting))
        };
        list.iter().filter(holds).map(told).collect()
    }

    /// A finding at this level, and what the level rests on.
    fn told(&self, finding: &Finding, row: usize, seconds: f64) -> Finding {
        let time = format!("{seconds:.0}");
        let several = if row > 1 {
            say! {
                en: "Several windows decide this: it was found in {row} of them in a row, {time} s.",
                ko: "여러 구간이 결정한 수준: 연속 {row}개 구간({time}초)에서 같은 판정.",
                row = row, time = time
            }
        } else {
            say! {
                en: "Several windows decide this: the last {time} s, judged as one.",
                ko: "여러 구간이 결정한 수준: 최근 {time}초를 하나로 판정.",
                time = time
            }
        };
        let severity = self.level.unwrap_or(finding.severity);
        let cause = say! { en: "{cause} {several}", ko: "{cause} {several}"; cause = finding.cause, several = several };
        Finding { severity, cause, ..finding.clone() }
            .evidence("windows in a row", (row as f64, "windows"), "this finding", "the windows before")
            .evidence("time judged", (seconds, "s"), "this finding", "the windows before")
    }
}

/// Whether a verdict speaks of the same subject.
fn has(verdict: &Verdict, finding: &Finding) -> bool {
    let same = |other: &Finding| other.subject.key() == finding.subject.key();
    matches!(verdict, Verdict::Findings(list) if list.iter().any(same))
}

fn value(limits: &Limits, name: &str) -> f64 {
    limits.get(name).unwrap_or(f64::INFINITY)
}

/// Both together; of two findings on the same subject the worse.
fn merged(verdict: Verdict, chronic: Vec<Finding>) -> Verdict {
    let mut list = match verdict {
        Verdict::Findings(list) => list,
        _ if chronic.is_empty() => return verdict,
        Verdict::Ask(questions) => return Verdict::Ask(questions),
        Verdict::Healthy(_) | Verdict::Undecided(_) => Vec::new(),
    };
    for worse in chronic {
        match list.iter_mut().find(|finding| finding.subject.key() == worse.subject.key()) {
            Some(finding) if finding.severity >= worse.severity => {}
            Some(finding) => *finding = worse,
            None => list.push(worse),
        }
    }
    list.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Verdict::Findings(list)
}

fn asking(verdict: Verdict, mut more: Vec<Question>) -> Verdict {
    if let Verdict::Ask(questions) = verdict {
        more.extend(questions);
    }
    Verdict::Ask(more)
}

impl When {
    fn holds(&self, case: &Case) -> bool {
        let Case { series, limits, rule, finding, row, seconds } = case;
        let limit = |name| value(limits, name);
        match self {
            Self::Over { .. } => true,
            Self::InARow(windows) => *row as f64 >= limit(windows),
            Self::Of { times, windows } => {
                series.times_of(limit(windows) as usize, rule, finding).is_some_and(|seen| seen as f64 >= limit(times))
            }
            // A series of windows may come out a hair shorter.
            Self::Lasts(time) => series.lasting_seconds(rule, finding) >= limit(time) - 0.5,
            Self::Grows(windows) => series.grows(limit(windows) as usize, rule, finding),
            Self::Returns { times, seconds, level } => {
                series.onsets(limit(seconds), *level, (rule, finding)) as f64 >= limit(times)
            }
            Self::Size(least) => finding.size >= limit(least),
            Self::PerSecond(least) => finding.size >= limit(least) * seconds,
            Self::Also(_, holds) => holds(case),
        }
    }
}
