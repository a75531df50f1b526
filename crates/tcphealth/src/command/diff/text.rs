//! A comparison → at most a screen: what was compared, and the unusual changes, those that move together on one line.

use tcphealth_core::diff::{Change, Kind, Side, UNUSUAL, Worth};
use tcphealth_core::format::{cut, pad, width, wrap};
use tcphealth_core::report::Severity;
use tcphealth_core::words::{Lang, Message};
use tcphealth_core::{say, text};

use super::{Diff, json};
use crate::speech::Speech;
use crate::store::Range;
use crate::when::When;

/// Lines of a screen.
const LINES: usize = 24;
/// Of one kind that is no number, so many are shown.
const OF_A_KIND: usize = 5;
/// With fewer pairs than this, what is usual is mostly belief.
const PAIRS_FEW: usize = 24;
/// A time between two samples that is worth a word, seconds.
const PAUSE_SECONDS: f64 = 60.0;
/// Two changes that differ by no more than this share move together.
const ALIKE: f64 = 0.1;

/// Changes that move together, the first of them to be shown.
type Group<'a> = Vec<&'a Change>;

/// Prints a comparison.
pub(super) fn text(diff: &Diff, speech: &Speech) -> String {
    let unusual: Vec<&Change> = diff.changes.iter().filter(|change| change.is_unusual()).collect();
    let groups = groups(&unusual);
    let mut lines = head(diff, unusual.len(), speech);
    let tail = tail(diff, unusual.len(), speech);
    let mut room = LINES.saturating_sub(lines.len() + tail.len() + 3);
    let mut shown = 0;
    if !groups.is_empty() {
        lines.push(String::new());
    }
    for (place, group) in groups.iter().enumerate() {
        let kind = group.first().map(|change| change.kind);
        let same = groups.iter().take(place).filter(|other| other.first().map(|change| change.kind) == kind).count();
        let row = row(group, speech);
        if row.len() > room || (same >= OF_A_KIND && kind.is_some_and(|kind| !kind.is_number())) {
            continue;
        }
        room -= row.len();
        shown += group.len();
        lines.extend(row);
    }
    if shown < unusual.len() {
        let more =
            say! { en: "{n} more: --format json", ko: "그 밖에 {n}개: --format json", n = unusual.len() - shown };
        lines.push(more.get(speech.lang).to_owned());
    }
    lines.push(String::new());
    lines.extend(tail);
    lines.iter().map(|line| cut(line, speech.columns.max(80)) + "\n").collect()
}

/// Words on as many lines as they need.
fn broken(first: &str, words: &str, speech: &Speech) -> Vec<String> {
    wrap(first, words, speech.columns.max(80))
}

fn head(diff: &Diff, unusual: usize, speech: &Speech) -> Vec<String> {
    let first = match unusual {
        0 => text! { en: "nothing unusual has changed", ko: "이례적인 변화 없음" }.into(),
        n => say! { en: "unusual changes: {n}", ko: "이례적인 변화 {n}개", n = n },
    };
    let first = first.get(speech.lang);
    let mut lines = vec![if speech.color { format!("\x1b[1m{first}\x1b[0m") } else { first.to_owned() }];
    for (name, (side, range)) in ["A", "B"].into_iter().zip(diff.sides.iter().zip(diff.ranges)) {
        lines.extend(broken(&format!("{name}  "), of_range(side, range).get(speech.lang), speech));
    }
    lines.extend(broken("", usual(diff).get(speech.lang), speech));
    let netns = |side: &Side| side.hosts.last().map(|host| host.netns);
    if netns(&diff.sides[0]) != netns(&diff.sides[1]) {
        let other = text! {
            en: "A and B are of different network namespaces",
            ko: "A와 B의 네트워크 네임스페이스가 서로 다름"
        };
        lines.push(other.get(speech.lang).to_owned());
    }
    lines
}

/// Which time, and what is missing in it.
fn of_range(side: &Side, (begin, end): Range) -> Message {
    let seconds = ((end - begin) as f64 / 1e6).round();
    let mut all = say! {
        en: "{begin} to {end}, recorded {recorded} of {seconds} s",
        ko: "{begin} ~ {end}, {seconds}초 중 {recorded}초 기록됨",
        begin = When(begin).shown(), end = When(end).time_shown(), recorded = side.period.seconds.round(), seconds = seconds
    };
    let mut add = |more: Message| {
        all.en.push_str(&more.en);
        all.ko.push_str(&more.ko);
    };
    let boots = side.hosts.len().saturating_sub(1);
    if boots > 0 {
        add(
            say! { en: ", booted or moved to another namespace {n} ×", ko: ", 재부팅이나 네임스페이스 변경 {n}회", n = boots },
        );
    } else if let Some(at) = side.period.breaks.first() {
        let at = When(*at).time_shown();
        add(say! { en: ", not compared across {at}", ko: ", {at} 전후는 비교하지 않음", at = at });
    }
    if side.period.pause_seconds > PAUSE_SECONDS.max(3.0 * side.period.seconds / side.period.samples.max(1) as f64) {
        let pause = length_shown(side.period.pause_seconds.round() as u64);
        add(say! { en: ", a pause of {pause}", ko: ", {pause} 공백", pause = pause });
    }
    all
}

/// `45 s`, `10 min`, `1 h`, `7 d`: the largest unit of which it is a whole number.
fn length_shown(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

/// What the order rests on.
fn usual(diff: &Diff) -> Message {
    let (pairs, lag) = diff.periods.pairs();
    let seconds = ((diff.ranges[1].1 - diff.ranges[1].0) / 1_000_000).max(600).unsigned_abs();
    let (length, apart) = (length_shown(seconds), length_shown(seconds * lag as u64));
    if pairs < PAIRS_FEW {
        return say! {
            en: "little history ({pairs} pairs of {length}): unusual is what becomes 2.5 × as large or small, or appears",
            ko: "과거 기록이 적음({length} 구간 {pairs}쌍): 2.5배로 늘거나 줄거나 새로 나타나면 이례적으로 봄",
            pairs = pairs, length = length
        };
    }
    say! {
        en: "usual is how {pairs} other pairs of {length} differ that lie {apart} apart",
        ko: "평소의 기준: {apart} 떨어진 {length} 구간 {pairs}쌍의 차이",
        pairs = pairs, length = length, apart = apart
    }
}

fn tail(diff: &Diff, unusual: usize, speech: &Speech) -> Vec<String> {
    let others = diff.changes.len() - unusual;
    let mut all = vec![say! {
        en: "{others} other quantities are as usual (z below {limit})",
        ko: "나머지 수치 {others}개는 평소 범위(z {limit} 미만)",
        others = others, limit = UNUSUAL
    }];
    for (name, side) in ["A", "B"].into_iter().zip(&diff.sides) {
        let back = json::went_back(diff, side);
        if !back.is_empty() {
            all.push(say! {
                en: "went back in {name} and are not compared: {list}",
                ko: "{name}에서 값이 줄어 비교하지 않음: {list}",
                name = name, list = back.join(", ")
            });
        }
    }
    all.iter().flat_map(|words| broken("", words.get(speech.lang), speech)).collect()
}

/// Puts numbers that move together into one group, which stands where its most unusual stands. Sockets whose holder is known
/// are shown first: they say most.
fn groups<'a>(changes: &[&'a Change]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for &change in changes {
        match groups.iter_mut().find(|group| group.iter().any(|other| alike(other, change))) {
            Some(group) => group.push(change),
            None => groups.push(vec![change]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|change| (change.owner.is_none(), !change.name.contains(' ')));
    }
    groups
}

/// Whether two numbers changed by the same factor, or by the same amount of the same kind.
fn alike(one: &Change, two: &Change) -> bool {
    let numbers = |change: &Change| match (&change.a, &change.b) {
        (Worth::Number(a), Worth::Number(b)) if change.kind != Kind::Share => Some((*a, *b)),
        _ => None,
    };
    let (Some(first), Some(second)) = (numbers(one), numbers(two)) else { return false };
    let close = |a: f64, b: f64| (a - b).abs() <= ALIKE * a.abs().max(b.abs());
    let factor = first.0 > 0.0 && second.0 > 0.0 && close(first.1 / first.0, second.1 / second.0);
    let same_kind = (one.kind == Kind::Counter) == (two.kind == Kind::Counter);
    same_kind && (factor || close(first.1 - first.0, second.1 - second.0))
}

/// The columns before a name, and those of a name with numbers beside it.
const INDENT: usize = 10;
const NAME: usize = 29;

fn row(group: &Group<'_>, speech: &Speech) -> Vec<String> {
    let Some(change) = group.first() else { return Vec::new() };
    let kind = pad(change.kind.name(), INDENT);
    let name = change.owner.as_ref().map_or_else(|| change.name.clone(), |owner| format!("{} {owner}", change.name));
    let worth = worth(change, speech.lang);
    let mut rows = if change.z.is_some() && width(&name) > NAME {
        vec![format!("{kind}{name}"), format!("{} {worth}", " ".repeat(INDENT + NAME))]
    } else {
        vec![format!("{kind}{} {worth}", pad(&name, NAME))]
    };
    let columns = speech.columns.max(80);
    let mut add = |words: &str| {
        let wrapped = wrap(&" ".repeat(INDENT), words, columns);
        // Two lines say enough; what is cut shows that there is more.
        rows.extend(wrapped.into_iter().take(2));
    };
    if let Some(says) = &change.says {
        add(says.get(speech.lang));
    }
    if group.len() > 1 {
        let names: Vec<&str> = group.iter().skip(1).map(|change| change.name.as_str()).collect();
        let alike = say! { en: "alike: {names}", ko: "함께 변함: {names}", names = names.join(", ") };
        add(alike.get(speech.lang));
    }
    rows
}

/// From what to what, what is usual where that is known, and how unusual.
fn worth(change: &Change, lang: Lang) -> String {
    let unit = Unit::of(change);
    let both = format!("{} → {}", unit.shown(&change.a), unit.shown(&change.b));
    let Some(z) = change.z else { return both };
    let usually = match change.usual.median.filter(|_| change.usual.pairs > 0) {
        Some(median) => say! { en: "usual {usual}", ko: "평소 {usual}", usual = unit.number(median) },
        None => Message::default(),
    };
    format!("{} {} z {z:.0}", pad(&both, 18), pad(usually.get(lang), 14))
}

/// How numbers are shown: in both ranges alike.
#[derive(Clone, Copy)]
struct Unit {
    factor: f64,
    sign: &'static str,
}

impl Unit {
    /// What happens less than once in ten seconds is told by the hour.
    fn of(change: &Change) -> Self {
        let number = |worth: &Worth| if let Worth::Number(number) = worth { *number } else { 0.0 };
        let largest = number(&change.a).max(number(&change.b));
        let (factor, sign) = match change.kind {
            Kind::Counter if largest < 0.1 => (3600.0, "/h"),
            Kind::Counter => (1.0, "/s"),
            Kind::Share => (100.0, " %"),
            _ => (1.0, ""),
        };
        Self { factor, sign }
    }

    fn number(self, value: f64) -> String {
        format!("{}{}", three_digits(value * self.factor), self.sign)
    }

    fn shown(self, worth: &Worth) -> String {
        match worth {
            Worth::Absent => "–".to_owned(),
            Worth::Word(word) => word.clone(),
            Worth::Number(number) => self.number(*number),
            Worth::Seen(severity, seen, of) => format!("{} {seen}/{of}", Severity::name(*severity)),
        }
    }
}

/// A number with three digits that matter.
fn three_digits(value: f64) -> String {
    let (value, sign) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let before = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let digits = usize::try_from(2 - before).unwrap_or(0).min(6);
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{sign}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_in_its_unit() {
        let shown = [45, 600, 3600, 5400, 86_400, 7 * 86_400].map(length_shown);
        assert_eq!(shown, ["45 s", "10 min", "1 h", "90 min", "1 d", "7 d"]);
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let shown = [0.0, 0.001_234, 0.5, 1.0, 14.16, 180.0, 1234.0, 12_345.0, 5e6, 2.5e9, -3.2].map(three_digits);
        assert_eq!(shown, ["0", "0.00123", "0.5", "1", "14.2", "180", "1234", "12.3k", "5M", "2.5G", "-3.2"]);
    }
}
