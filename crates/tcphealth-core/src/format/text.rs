//! A report → at most 24 lines for an operator at three in the morning: the verdict first, the remedy on the screen.

use super::layout::{Paragraph, fit, pad, width, wrap};
use super::{Style, rfc3339};
use crate::report::{Advice, Check, Finding, Outcome, Report, Severity, Word};
use crate::words::{Lang, Message, Text};
use crate::{say, text};

/// Lines of a report: it fits a terminal of 24 with the prompt below it, so one less.
const HEIGHT: usize = 23;
/// Findings that are shown; the rest is counted.
const SHOWN: usize = 3;
/// Columns of the words before a finding's lines.
const LABEL: usize = 9;

/// The report on a screen.
pub(super) fn print(report: &Report, style: &Style) -> String {
    print_of(report, style, "")
}

/// The report on a screen; `place` is what the commands that tell more need to look at the same place.
pub(super) fn print_of(report: &Report, style: &Style, place: &str) -> String {
    let mut paragraphs = head(report, style);
    for (number, finding) in report.findings.iter().take(SHOWN).enumerate() {
        paragraphs.extend(trouble(finding, number, report, style));
    }
    paragraphs.extend(more_findings(report, style));
    paragraphs.extend(figures(report, style));
    paragraphs.extend(foot(report, style));
    paragraphs.extend(hint(report, style, place));
    fit(paragraphs, HEIGHT).join("\n") + "\n"
}

/// What the first line says after the verdict.
pub fn headline(report: &Report) -> Message {
    if let Some(worst) = report.findings.first().filter(|worst| worst.severity > Severity::Info) {
        return worst.summary.clone();
    }
    let undecided = report.checks.iter().filter(|check| check.outcome == Outcome::Undecided).count();
    let seconds = format!("{:.1}", report.seconds);
    if report.word == Word::Unknown {
        return say! { en: "this host could not be judged", ko: "이 호스트를 판정할 수 없음" };
    }
    if report.since_boot {
        return say! {
            en: "no verdict: what the counters of this namespace say since boot, {begin}, is context only",
            ko: "판정 아님: 부팅({begin}) 이후 이 네임스페이스의 카운터가 말하는 참고 정보",
            begin = rfc3339(&report.begin)
        };
    }
    if report.seconds <= 0.0 {
        return say! { en: "no trouble at first sight", ko: "첫눈에는 이상 없음" };
    }
    if undecided == 0 {
        return say! { en: "no trouble found in {seconds} s", ko: "{seconds}초 동안 이상 없음", seconds = seconds };
    }
    say! {
        en: "no trouble found in {seconds} s; {undecided} of {all} rules could not decide",
        ko: "{seconds}초 동안 이상 없음, 규칙 {all}개 가운데 {undecided}개는 판정 못함",
        seconds = seconds, undecided = undecided, all = report.checks.len()
    }
}

fn head(report: &Report, style: &Style) -> Vec<Paragraph> {
    let word = if report.since_boot { "CONTEXT".to_owned() } else { report.word.name().to_uppercase() };
    let mut lines = wrap(&format!("{word}  "), headline(report).get(style.lang), style.columns);
    if let Some(first) = lines.first_mut() {
        *first = first.replacen(&word, &colored(&word, color_of(report.word), style), 1);
    }
    let seen = wrap("", &scope(report, style.lang), style.columns);
    vec![Paragraph::new(0, lines), Paragraph::new(1, seen)]
}

fn scope(report: &Report, lang: Lang) -> String {
    let identity = &report.identity;
    let until = rfc3339(&report.end);
    let clock = until.get(11..19).unwrap_or(&until);
    let netns = if identity.first_netns == Some(true) {
        say! { en: "the host's network namespace", ko: "호스트의 네트워크 네임스페이스" }
    } else if identity.netns == 0 {
        say! { en: "the collector's network namespace", ko: "수집기의 네트워크 네임스페이스" }
    } else {
        say! { en: "network namespace {netns}", ko: "네트워크 네임스페이스 {netns}", netns = identity.netns }
    };
    let words = say! {
        en: "{host}, {netns}, kernel {kernel}, {seconds} s until {clock}",
        ko: "{host}, {netns}, 커널 {kernel}, {clock}까지 {seconds}초",
        host = identity.hostname, netns = netns.get(lang), kernel = identity.kernel,
        seconds = format!("{:.1}", report.seconds), clock = clock
    };
    words.get(lang).to_owned()
}

fn trouble(finding: &Finding, number: usize, report: &Report, style: &Style) -> Vec<Paragraph> {
    // What comes later gives way sooner, and what is merely worth a line soonest.
    let later = 2 * number as u8 + if finding.severity == Severity::Info { 6 } else { 0 };
    let mut all = vec![Paragraph { weight: 1, gap: true, lines: title(finding, number, style) }];
    let is_headline = number == 0 && headline(report) == finding.summary;
    if !is_headline {
        all.push(Paragraph::new(2, wrap("   ", finding.summary.get(style.lang), style.columns)));
    }
    let line = |weight: u8, label: Text, words: &str| {
        let label = format!("   {} ", pad(label.get(style.lang), LABEL));
        Paragraph::new(weight + later, if words.is_empty() { Vec::new() } else { wrap(&label, words, style.columns) })
    };
    all.push(line(5, CAUSE, finding.cause.get(style.lang)));
    all.extend(finding.now.first().map(|advice| line(3, NOW, &with_effect(advice, style.lang))));
    all.extend(finding.repair.first().map(|advice| line(4, REPAIR, &with_effect(advice, style.lang))));
    all.extend(finding.avoid.first().map(|avoid| line(7, AVOID, avoid.get(style.lang))));
    all.extend(finding.ruled_out.first().map(|not| line(9, RULED_OUT, not.get(style.lang))));
    all.extend(finding.consequences.first().map(|effect| line(8, CONSEQUENCE, effect.get(style.lang))));
    all
}

pub(super) const CAUSE: Text = text! { en: "cause", ko: "원인" };
pub(super) const NOW: Text = text! { en: "now", ko: "지금" };
pub(super) const REPAIR: Text = text! { en: "repair", ko: "고치기" };
pub(super) const AVOID: Text = text! { en: "avoid", ko: "금물" };
pub(super) const RULED_OUT: Text = text! { en: "ruled out", ko: "배제" };
pub(super) const CONSEQUENCE: Text = text! { en: "hence", ko: "그 결과" };

/// `1  critical  RULE: shop (pid 42), 192.0.2.1:80; certain; worse in 49 s`.
pub(super) fn title(finding: &Finding, number: usize, style: &Style) -> Vec<String> {
    let severity = finding.severity.name();
    let eta = finding.eta_seconds.map(|seconds| eta(seconds, style.lang));
    let sure = sure(finding.confidence).get(style.lang).to_owned();
    let parts: Vec<String> = [who(finding), Some(sure), eta].into_iter().flatten().collect();
    let words = format!("{severity} {}: {}", finding.rule, parts.join("; "));
    let mut lines = wrap(&format!("{}  ", number + 1), &words, style.columns);
    let color = if finding.severity == Severity::Critical { RED } else { YELLOW };
    if let Some(first) = lines.first_mut() {
        *first = first.replacen(severity, &colored(severity, color, style), 1);
    }
    lines
}

fn who(finding: &Finding) -> Option<String> {
    let subject = &finding.subject;
    let process = match (&subject.comm, subject.pid) {
        (Some(comm), Some(pid)) => Some(format!("{comm} (pid {pid})")),
        (None, Some(pid)) => Some(format!("pid {pid}")),
        (comm, None) => comm.clone(),
    };
    let source = subject.source.as_ref().filter(|_| subject.remote.is_some());
    let route = subject.remote.as_ref().map(|remote| match source {
        Some(source) => format!("{source} → {remote}"),
        None => remote.clone(),
    });
    let place = subject.listener.clone().or(route).or_else(|| subject.subnet.clone());
    let words: Vec<String> = [process, place, subject.interface.clone()].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Certain from 0.95, likely from 0.75, possible below.
pub(super) fn sure(confidence: f64) -> Text {
    match confidence {
        sure if sure >= 0.95 => text! { en: "certain", ko: "확실" },
        likely if likely >= 0.75 => text! { en: "likely", ko: "유력" },
        _ => text! { en: "possible", ko: "가능성 있음" },
    }
}

fn eta(seconds: f64, lang: Lang) -> String {
    let time = duration(seconds);
    let words = say! { en: "worse in {time}", ko: "{time} 뒤 악화", time = time.get(lang) };
    words.get(lang).to_owned()
}

/// A time in the unit that people would use.
pub(super) fn duration(seconds: f64) -> Message {
    match seconds {
        short if short < 100.0 => say! { en: "{n} s", ko: "{n}초", n = format!("{short:.0}") },
        some if some < 6000.0 => say! { en: "{n} min", ko: "{n}분", n = format!("{:.0}", some / 60.0) },
        long => say! { en: "{n} h", ko: "{n}시간", n = format!("{:.1}", long / 3600.0) },
    }
}

fn with_effect(advice: &Advice, lang: Lang) -> String {
    let act = advice.act.get(lang);
    advice.effect.as_ref().map_or_else(|| act.to_owned(), |effect| format!("{act} → {}", effect.get(lang)))
}

fn more_findings(report: &Report, style: &Style) -> Option<Paragraph> {
    let rest = report.findings.get(SHOWN..).filter(|rest| !rest.is_empty())?;
    let names: Vec<String> = rest.iter().take(6).map(Finding::id).collect();
    let words = say! {
        en: "{count} more: {names}", ko: "그 밖에 {count}건: {names}", count = rest.len(), names = names.join(", ")
    };
    Some(Paragraph { weight: 3, gap: true, lines: wrap("", words.get(style.lang), style.columns) })
}

fn figures(report: &Report, style: &Style) -> Vec<Paragraph> {
    let shown = report.figures.iter().filter_map(|figure| Some((figure, figure.shown.as_ref()?)));
    let labels = shown.clone().map(|(figure, _)| width(figure.label.get(style.lang))).max().unwrap_or(0);
    let lines = shown.enumerate().map(|(number, (figure, shown))| {
        let label = format!("{}  ", pad(figure.label.get(style.lang), labels));
        let lines = wrap(&label, shown.get(style.lang), style.columns);
        Paragraph { weight: 12 + number as u8, gap: number == 0, lines }
    });
    lines.collect()
}

fn foot(report: &Report, style: &Style) -> Vec<Paragraph> {
    let undecided = undecided(report, style);
    let mut all = undecided;
    all.extend(healthy(report, style));
    all.extend(report.unseen.iter().enumerate().map(|(number, unseen)| {
        let label = text! { en: "unseen: ", ko: "보지 못함: " }.get(style.lang);
        let (what, remedy) = (unseen.what.get(style.lang), unseen.remedy.get(style.lang));
        Paragraph::new(if number == 0 { 3 } else { 10 }, wrap(label, &format!("{what} ({remedy})"), style.columns))
    }));
    all.extend(limits_changed(report, style));
    if let Some(first) = all.first_mut() {
        first.gap = true;
    }
    all
}

/// Rules that could not decide, those with the same reason in one line, what more observation would decide first.
fn undecided(report: &Report, style: &Style) -> Vec<Paragraph> {
    let mut groups: Vec<(String, bool, Vec<&str>)> = Vec::new();
    for check in report.checks.iter().filter(|check| check.outcome == Outcome::Undecided) {
        let (reason, by_time) = reason(check, style.lang);
        match groups.iter_mut().find(|group| group.0 == reason) {
            Some(group) => group.2.push(&check.rule),
            None => groups.push((reason, by_time, vec![&check.rule])),
        }
    }
    groups.sort_by_key(|group| !group.1);
    let label = text! { en: "undecided: ", ko: "판정 보류: " }.get(style.lang);
    let lines = groups.into_iter().enumerate().map(|(number, (reason, _, rules))| {
        let words = format!("{} ({reason})", some_of(&rules, style.lang));
        Paragraph::new(if number == 0 { 4 } else { 7 + number.min(20) as u8 }, wrap(label, &words, style.columns))
    });
    lines.collect()
}

fn reason(check: &Check, lang: Lang) -> (String, bool) {
    let words = |message: &Option<Message>| message.as_ref().map(|message| message.get(lang).to_owned());
    match (words(&check.why), words(&check.needs)) {
        (_, Some(needs)) => {
            let label = text! { en: "needs ", ko: "필요: " }.get(lang);
            (format!("{label}{needs}"), true)
        }
        (why, None) => (why.unwrap_or_default(), false),
    }
}

/// Up to five names, the rest counted.
fn some_of(names: &[&str], lang: Lang) -> String {
    const FEW: usize = 5;
    let few = names.get(..FEW.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(FEW) {
        0 => few,
        rest => {
            let more = say! { en: "{few} and {rest} more", ko: "{few} 외 {rest}개", few = few, rest = rest };
            more.get(lang).to_owned()
        }
    }
}

fn healthy(report: &Report, style: &Style) -> Vec<Paragraph> {
    let healthy = report.checks.iter().filter(|check| check.outcome == Outcome::Healthy);
    let said = healthy.clone().filter_map(|check| Some((check, check.why.as_ref()?)));
    let mut all: Vec<Paragraph> = said
        .map(|(check, why)| {
            let lines = wrap(&format!("{}: ", check.rule), why.get(style.lang), style.columns);
            Paragraph::new(11, lines)
        })
        .collect();
    let count = healthy.count();
    let words = say! {
        en: "healthy: {count} of {all} rules", ko: "이상 없음: 규칙 {all}개 가운데 {count}개",
        count = count, all = report.checks.len()
    };
    all.insert(0, Paragraph::new(6, wrap("", words.get(style.lang), style.columns)));
    all
}

fn limits_changed(report: &Report, style: &Style) -> Option<Paragraph> {
    let changed = report.limits_changed.iter();
    let words: Vec<String> = changed.map(|(name, value, default)| format!("{name} = {value} ({default})")).collect();
    let label = text! { en: "limits changed here: ", ko: "여기서 바꾼 한계값: " }.get(style.lang);
    (!words.is_empty()).then(|| Paragraph::new(6, wrap(label, &words.join(", "), style.columns)))
}

fn hint(report: &Report, style: &Style, place: &str) -> Option<Paragraph> {
    let rule = &report.findings.first()?.rule;
    let words = say! {
        en: "more: tcphealth why {rule}{place} · tcphealth explain {rule}",
        ko: "더 보기: tcphealth why {rule}{place} · tcphealth explain {rule}",
        rule = rule, place = place
    };
    Some(Paragraph::new(3, wrap("", words.get(style.lang), style.columns)))
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";

pub(super) fn color_of(word: Word) -> &'static str {
    match word {
        Word::Ok => "1;32",
        Word::Warning => YELLOW,
        Word::Critical => RED,
        Word::Unknown => "1;35",
    }
}

pub(super) fn colored(text: &str, color: &str, style: &Style) -> String {
    if style.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
}
