//! The chronic levels of a rule → the sentences of its manual page.

use super::levels::CHRONIC;
use super::{Chronic, When, value};
use crate::rules::Limits;
use crate::say;
use crate::words::Message;

/// What several windows add to a rule's levels, in words; `None` where they add nothing.
pub fn words_of(rule: &str) -> Option<Message> {
    let levels = CHRONIC.iter().filter(|chronic| chronic.rule == rule);
    let lines: Vec<Message> = levels.map(line).collect();
    (!lines.is_empty()).then(|| joined(&lines, " "))
}

fn line(chronic: &Chronic) -> Message {
    let all: Vec<Message> = chronic.when.iter().map(When::words).collect();
    let from = chronic.from.name();
    let level = match chronic.level {
        None => say! { en: "{from} and worse", ko: "{from} 이상", from = from },
        Some(level) if level == chronic.from => Message::same(from),
        Some(level) => Message::same(format!("{from} → {}", level.name())),
    };
    say! { en: "{level}: {all}.", ko: "{level}: {all}."; level = level, all = joined(&all, ", ") }
}

fn joined(list: &[Message], between: &str) -> Message {
    let join = |pick: fn(&Message) -> &str| list.iter().map(pick).collect::<Vec<_>>().join(between);
    Message { en: join(|one| &one.en), ko: join(|one| &one.ko) }
}

impl When {
    fn words(&self) -> Message {
        let of = |name: &str, unit| format!("{}{unit} (`{name}`)", value(&Limits::default(), name));
        let (shown, time) = (|name: &str| of(name, ""), |name: &str| of(name, " s"));
        match self {
            Self::Over { seconds, instead } => over_words(&time(seconds), instead, &shown),
            Self::InARow(windows) => say! {
                en: "the same in {windows} windows in a row", ko: "연속 {windows}개 구간에서 같은 판정", windows = shown(windows)
            },
            Self::Of { times, windows } => say! {
                en: "the same in {times} of {windows} windows", ko: "{windows}개 구간 중 {times}개에서 같은 판정",
                times = shown(times), windows = shown(windows)
            },
            Self::Lasts(seconds) => say! {
                en: "the same in every window for {time}", ko: "{time} 동안 모든 구간에서 같은 판정", time = time(seconds)
            },
            Self::Grows(windows) => say! {
                en: "growing over {windows} windows", ko: "{windows}개 구간에 걸쳐 증가", windows = shown(windows)
            },
            Self::Returns { times, seconds, level } => say! {
                en: "begun ({level} or worse) {times} times in {seconds}", ko: "{seconds} 안에 {times}번 시작({level} 이상)",
                level = level.name(), times = shown(times), seconds = time(seconds)
            },
            Self::Size(least) => say! { en: "at least {least}", ko: "{least} 이상", least = shown(least) },
            Self::PerSecond(least) => {
                say! { en: "at least {least} a second", ko: "초당 {least} 이상", least = shown(least) }
            }
            Self::Also(words, _) => (*words).into(),
        }
    }
}

fn over_words(seconds: &str, instead: &[(&str, &str)], shown: &dyn Fn(&str) -> String) -> Message {
    let pairs: Vec<String> = instead.iter().map(|(name, chronic)| format!("`{name}` = {}", shown(chronic))).collect();
    let with = if pairs.is_empty() {
        say! { en: "", ko: "" }
    } else {
        say! { en: " with {pairs}", ko: "({pairs})", pairs = pairs.join(", ") }
    };
    say! {
        en: "judged over {seconds} as one window{with}", ko: "{seconds}를 한 구간으로 판정{with}",
        seconds = seconds; with = with
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::rule;

    #[test]
    fn every_row_is_of_a_rule_and_every_number_is_a_limit() {
        for chronic in CHRONIC {
            assert!(rule(chronic.rule).is_some(), "{}", chronic.rule);
            let words = words_of(chronic.rule).unwrap();
            assert!(!words.en.contains("inf ") && !words.en.contains("inf s") && !words.ko.is_empty(), "{}", words.en);
        }
    }

    #[test]
    fn limits_in_the_place_of_others_exist() {
        let places = CHRONIC.iter().flat_map(|chronic| chronic.when).filter_map(|when| match when {
            When::Over { instead, .. } => Some(*instead),
            _ => None,
        });
        assert!(
            places
                .flatten()
                .all(|(name, chronic)| [name, chronic].iter().all(|one| Limits::default().get(one).is_some()))
        );
    }
}
