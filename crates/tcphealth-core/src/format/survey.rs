//! The reports on many network namespaces → one line each, the worst first, and that one in full.

use std::fmt::Write;

use serde::Serialize;

use super::layout::{cut, pad, width, wrap};
use super::text::{color_of, colored};
use super::{Style, headline, json, nagios, rfc3339, text};
use crate::report::{Place, Report, Survey, Unseen, Word};
use crate::words::{Lang, Message};
use crate::{say, text};

/// Columns of the longest verdict, and the most that a name may take.
const WORD: usize = 8;
const NAME_MAX: usize = 32;

/// For people: the verdict, a line a namespace, and the worst as if it had been judged alone.
pub(super) fn text(survey: &Survey, style: &Style) -> String {
    let word = survey.word().name().to_uppercase();
    let mut lines = wrap(&format!("{word}  "), summary(survey).get(style.lang), style.columns);
    if let Some(first) = lines.first_mut() {
        *first = first.replacen(&word, &colored(&word, color_of(survey.word()), style), 1);
    }
    if let Some(worst) = survey.places.first() {
        lines.extend(wrap("", &scope(survey, &worst.report, style.lang), style.columns));
    }
    lines.push(String::new());
    let names = survey.places.iter().map(|place| width(&place.name)).max().unwrap_or(0).min(NAME_MAX);
    lines.extend(survey.places.iter().map(|place| line(place, names, style)));
    for unseen in &survey.unseen {
        let label = text! { en: "unseen: ", ko: "보지 못함: " }.get(style.lang);
        let (what, why, remedy) = told(unseen, style.lang);
        lines.extend(wrap(label, &format!("{what}: {why} ({remedy})"), style.columns));
    }
    let mut text = lines.join("\n") + "\n";
    if let Some(worst) = survey.places.first().filter(|worst| !worst.report.findings.is_empty()) {
        let place = format!(" --netns {}", quoted(&worst.name));
        let _ = write!(text, "\n== {} ==\n{}", worst.name, text::print_of(&worst.report, style, &place));
    }
    text
}

fn told(unseen: &Unseen, lang: Lang) -> (&str, &str, &str) {
    (unseen.what.get(lang), unseen.why.get(lang), unseen.remedy.get(lang))
}

/// What decides: the worst, or that there is no trouble.
pub fn summary(survey: &Survey) -> Message {
    if let Some(context) = survey.places.first().filter(|first| first.report.since_boot) {
        return headline(&context.report);
    }
    match survey.places.first().filter(|_| survey.word() != Word::Ok) {
        None => say! {
            en: "no trouble found in {all} network namespace(s)",
            ko: "네트워크 네임스페이스 {all}개에서 이상 없음", all = survey.places.len()
        },
        Some(worst) => {
            say! { en: "{name}: {headline}", ko: "{name}: {headline}", name = worst.name; headline = headline(&worst.report) }
        }
    }
}

/// How many there are of each verdict, where, and when.
fn scope(survey: &Survey, report: &Report, lang: Lang) -> String {
    let until = rfc3339(&report.end);
    let words = say! {
        en: "{all} network namespace(s): {counts}; {host}, kernel {kernel}, {seconds} s until {clock}",
        ko: "네트워크 네임스페이스 {all}개: {counts}. {host}, 커널 {kernel}, {clock}까지 {seconds}초",
        all = survey.places.len(), counts = counts(survey),
        host = report.identity.hostname, kernel = report.identity.kernel,
        seconds = format!("{:.1}", report.seconds), clock = until.get(11..19).unwrap_or(&until)
    };
    words.get(lang).to_owned()
}

/// `1 critical, 2 ok`.
pub fn counts(survey: &Survey) -> String {
    let counts = [Word::Critical, Word::Unknown, Word::Warning, Word::Ok].map(|word| (word.name(), survey.count(word)));
    let counts = counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn line(place: &Place, names: usize, style: &Style) -> String {
    let word = place.report.word;
    let name = pad(&cut(&place.name, names), names);
    let room = style.columns.saturating_sub(WORD + names + 4);
    let words = cut(headline(&place.report).get(style.lang), room);
    format!("{}  {name}  {words}", colored(&pad(word.name(), WORD), color_of(word), style))
}

/// As a shell wants it.
fn quoted(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./:@".contains(letter);
    if name.chars().all(plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

#[derive(Serialize)]
struct Root<'a> {
    schema: &'static str,
    verdict: Word,
    namespaces: Vec<Named<'a>>,
    unseen: Vec<json::Hidden<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    kind: &'a str,
    report: json::Root<'a>,
}

/// For programs: schema `tcphealth.reports/1`, a `tcphealth.report/1` for each.
pub(super) fn json(survey: &Survey, lang: Lang) -> String {
    serde_json::to_string_pretty(&root(survey, lang)).expect("a report has string keys only") + "\n"
}

/// The same on one line (JSON Lines).
pub fn json_line(survey: &Survey, lang: Lang) -> String {
    serde_json::to_string(&root(survey, lang)).expect("a report has string keys only") + "\n"
}

fn root(survey: &Survey, lang: Lang) -> Root<'_> {
    let namespaces = survey.places.iter().map(|place| Named {
        name: &place.name,
        kind: &place.kind,
        report: json::root(&place.report, lang),
    });
    Root {
        schema: "tcphealth.reports/1",
        verdict: survey.word(),
        namespaces: namespaces.collect(),
        unseen: json::hidden(&survey.unseen, lang),
    }
}

/// For a monitoring plugin: how many of each verdict, and a line each as long output.
pub(super) fn nagios(survey: &Survey, lang: Lang) -> String {
    let counts = Word::ALL.map(|word| format!("'{}'={};;;0;", word.name(), survey.count(word)));
    let word = survey.word().name().to_uppercase();
    let mut text = format!("TCPHEALTH {word} - {} | {}\n", nagios::plain(summary(survey).get(lang)), counts.join(" "));
    for place in &survey.places {
        let words = nagios::plain(headline(&place.report).get(lang));
        let _ = writeln!(text, "{} {}: {words}", place.report.word.name().to_uppercase(), nagios::plain(&place.name));
    }
    text
}
