//! A report → one JSON object, schema `tcphealth.report/1`: keys are stable, numbers are numbers, unknown is null.

use serde::Serialize;
use serde_json::{Number, Value};

use super::rfc3339;
use crate::report::{Advice, Evidence, Finding, Outcome, Report, Severity, Subject, Unseen, Word};
use crate::words::{Lang, Message};

/// A report as an object.
#[derive(Serialize)]
pub(super) struct Root<'a> {
    schema: &'static str,
    host: Host<'a>,
    window: Span,
    verdict: Word,
    findings: Vec<Trouble<'a>>,
    checks: Vec<Line<'a>>,
    unseen: Vec<Hidden<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    since_boot: bool,
    limits_changed: Vec<Changed<'a>>,
    figures: Vec<Measured>,
}

#[derive(Serialize)]
struct Host<'a> {
    hostname: &'a str,
    kernel: &'a str,
    boot_id: &'a str,
    netns: u64,
}

#[derive(Serialize)]
struct Span {
    begin: String,
    end: String,
    seconds: f64,
}

#[derive(Serialize)]
struct Trouble<'a> {
    id: String,
    rule: &'a str,
    severity: Severity,
    confidence: f64,
    subject: &'a Subject,
    summary: &'a str,
    cause: &'a str,
    evidence: Vec<Proof<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a str>,
    now: Vec<&'a str>,
    repair: Vec<&'a str>,
    avoid: Vec<&'a str>,
    ruled_out: Vec<&'a str>,
    verify: &'a [String],
    consequences: Vec<&'a str>,
    advice: Vec<Counsel<'a>>,
}

#[derive(Serialize)]
struct Proof<'a> {
    name: &'a str,
    value: Value,
    unit: &'a str,
    scope: &'a str,
    source: &'a str,
}

/// Advice again, with what it would do: `now` and `repair` are for reading.
#[derive(Serialize)]
struct Counsel<'a> {
    when: &'static str,
    act: &'a str,
    effect: Option<&'a str>,
    side_effect: Option<&'a str>,
    undo: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    rule: &'a str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<&'a str>,
}

/// Something that could not be seen, as an object.
#[derive(Serialize)]
pub(super) struct Hidden<'a> {
    what: &'a str,
    why: &'a str,
    remedy: &'a str,
}

#[derive(Serialize)]
struct Changed<'a> {
    name: &'a str,
    value: Value,
    default: Value,
}

#[derive(Serialize)]
struct Measured {
    name: &'static str,
    value: Option<Value>,
    unit: &'static str,
}

/// The report as one object over many lines.
pub(super) fn print(report: &Report, lang: Lang) -> String {
    serde_json::to_string_pretty(&root(report, lang)).expect("a report has string keys only") + "\n"
}

/// The report as one object on one line (JSON Lines).
pub fn line(report: &Report, lang: Lang) -> String {
    serde_json::to_string(&root(report, lang)).expect("a report has string keys only") + "\n"
}

/// The report as an object that can be part of another.
pub(super) fn root(report: &Report, lang: Lang) -> Root<'_> {
    let host = &report.identity;
    Root {
        schema: "tcphealth.report/1",
        host: Host { hostname: &host.hostname, kernel: &host.kernel, boot_id: &host.boot_id, netns: host.netns },
        window: Span { begin: rfc3339(&report.begin), end: rfc3339(&report.end), seconds: report.seconds },
        verdict: report.word,
        findings: report.findings.iter().map(|finding| trouble(finding, lang)).collect(),
        checks: lines(report, lang),
        unseen: hidden(&report.unseen, lang),
        since_boot: report.since_boot,
        limits_changed: report
            .limits_changed
            .iter()
            .map(|(name, value, default)| Changed { name, value: number(*value), default: number(*default) })
            .collect(),
        figures: report
            .figures
            .iter()
            .map(|figure| Measured { name: figure.name, value: figure.value.map(number), unit: figure.unit })
            .collect(),
    }
}

fn trouble(finding: &Finding, lang: Lang) -> Trouble<'_> {
    Trouble {
        id: finding.id(),
        rule: &finding.rule,
        severity: finding.severity,
        confidence: finding.confidence,
        subject: &finding.subject,
        summary: finding.summary.get(lang),
        cause: finding.cause.get(lang),
        evidence: proofs(finding),
        eta_seconds: finding.eta_seconds.map(number),
        since: finding.since.as_deref(),
        now: acts(&finding.now, lang),
        repair: acts(&finding.repair, lang),
        avoid: texts(&finding.avoid, lang),
        ruled_out: texts(&finding.ruled_out, lang),
        verify: &finding.verify,
        consequences: texts(&finding.consequences, lang),
        advice: counsel(finding, lang),
    }
}

fn proofs<'a>(finding: &'a Finding) -> Vec<Proof<'a>> {
    let proof = |evidence: &'a Evidence| {
        let Evidence { name, value, unit, scope, source } = evidence;
        Proof { name, value: number(*value), unit, scope, source }
    };
    finding.evidence.iter().map(proof).collect()
}

fn acts(advice: &[Advice], lang: Lang) -> Vec<&str> {
    advice.iter().map(|advice| advice.act.get(lang)).collect()
}

fn texts(messages: &[Message], lang: Lang) -> Vec<&str> {
    messages.iter().map(|message| message.get(lang)).collect()
}

fn counsel(finding: &Finding, lang: Lang) -> Vec<Counsel<'_>> {
    let lists = [("now", &finding.now), ("repair", &finding.repair)];
    let all = lists.into_iter().flat_map(|(when, list)| list.iter().map(move |advice| (when, advice)));
    all.map(|(when, advice)| Counsel {
        when,
        act: advice.act.get(lang),
        effect: advice.effect.as_ref().map(|text| text.get(lang)),
        side_effect: advice.side_effect.as_ref().map(|text| text.get(lang)),
        undo: advice.undo.as_ref().map(|text| text.get(lang)),
    })
    .collect()
}

fn lines(report: &Report, lang: Lang) -> Vec<Line<'_>> {
    report
        .checks
        .iter()
        .map(|check| Line {
            rule: &check.rule,
            outcome: check.outcome,
            why: check.why.as_ref().map(|why| why.get(lang)),
            needs: check.needs.as_ref().map(|needs| needs.get(lang)),
        })
        .collect()
}

/// What could not be seen, as objects.
pub(super) fn hidden(unseen: &[Unseen], lang: Lang) -> Vec<Hidden<'_>> {
    unseen
        .iter()
        .map(|unseen| Hidden {
            what: unseen.what.get(lang),
            why: unseen.why.get(lang),
            remedy: unseen.remedy.get(lang),
        })
        .collect()
}

/// Whole numbers without a fraction; what is no number is null.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
