//! `check --netns all --every`: a line a window, with the worst of all namespaces.

use std::process::ExitCode;
use std::time::Duration;

use tcphealth_core::format::{Format, cut, pad, rfc3339, survey_line, survey_summary};
use tcphealth_core::report::{Survey, Word};
use tcphealth_core::{say, text};

use super::super::every::{Silence, write};
use super::All;
use crate::speech::{self, Speech};

/// Columns of the time, of the longest verdict, and of four counts of three digits.
const TIME: usize = 8;
const WORD: usize = 8;
const COUNTS: usize = 15;

/// Prints until it is enough; the worst verdict is the exit status.
pub(super) fn run(
    mut all: All<'_>,
    (window, count): (Duration, Option<u64>),
    format: Format,
    speech: &Speech,
) -> anyhow::Result<ExitCode> {
    let mut before = all.first()?;
    let mut worst = Word::Ok;
    if format == Format::Text {
        speech::print(&head(&all, speech))?;
    }
    for _ in 0..count.unwrap_or(u64::MAX) {
        let (survey, now) = all.next(before, window, &mut Silence)?;
        before = now;
        worst = worst.max(survey.word());
        let line = match format {
            Format::Json => survey_line(&survey, speech.machine_lang),
            _ => line(&survey, speech),
        };
        // Whoever read this has gone: there is nothing more to do.
        if write(&line).is_err() {
            break;
        }
    }
    Ok(ExitCode::from(worst.status()))
}

fn head(all: &All<'_>, speech: &Speech) -> String {
    let lang = speech.lang;
    let legend = say! {
        en: "{count} network namespace(s); those that are made later are not among them",
        ko: "네트워크 네임스페이스 {count}개. 이후에 생기는 것은 포함하지 않음",
        count = all.histories.len()
    };
    let time = pad(text! { en: "time", ko: "시각" }.get(lang), TIME);
    let word = pad(text! { en: "verdict", ko: "판정" }.get(lang), WORD);
    let counts = pad("crit/unk/warn/ok", COUNTS + 1);
    let worst = text! { en: "the worst", ko: "가장 나쁜 곳" }.get(lang);
    format!("{}\n{time} {word} {counts} {worst}\n", legend.get(lang))
}

fn line(survey: &Survey, speech: &Speech) -> String {
    let end = survey.places.first().map(|worst| rfc3339(&worst.report.end)).unwrap_or_default();
    let time = pad(end.get(11..19).unwrap_or_default(), TIME);
    let word = pad(survey.word().name(), WORD);
    let counts = [Word::Critical, Word::Unknown, Word::Warning, Word::Ok].map(|word| survey.count(word).to_string());
    let counts = pad(&counts.join("/"), COUNTS + 1);
    let room = speech.columns.saturating_sub(TIME + WORD + COUNTS + 4);
    let worst =
        if survey.word() == Word::Ok { String::new() } else { cut(survey_summary(survey).get(speech.lang), room) };
    format!("{time} {word} {counts} {worst}").trim_end().to_owned() + "\n"
}
