//! Reports → OpenMetrics 1.0: the verdict and the outcome of each rule as state sets, findings and figures as gauges.
//!
//! Source: OpenMetrics specification 1.0; the suffixes and the last line are its demands.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::report::{Figure, Outcome, Report, Survey, Word};

/// What is told, each with the label of its namespace: `netns="blue",`, or nothing when it is alone.
type Labelled<'a> = [(String, &'a Report)];

/// The exposition, with its `# EOF`.
pub(super) fn print(report: &Report) -> String {
    exposition(&[(String::new(), report)])
}

/// The same of many namespaces, told apart by the label `netns`.
pub(super) fn print_all(survey: &Survey) -> String {
    let label = |name: &str| format!("netns=\"{}\",", escaped(name));
    exposition(&survey.places.iter().map(|place| (label(&place.name), &place.report)).collect::<Vec<_>>())
}

fn exposition(all: &Labelled<'_>) -> String {
    let mut text = String::new();
    host(&mut text, all);
    verdict(&mut text, all);
    outcomes(&mut text, all);
    findings(&mut text, all);
    family(&mut text, "tcphealth_window_seconds", "gauge", "Length of the window that was judged.");
    for (label, report) in all {
        let _ = writeln!(text, "tcphealth_window_seconds{} {}", alone(label), report.seconds);
    }
    let mut told = BTreeSet::new();
    for figure in all.iter().flat_map(|(_, report)| &report.figures) {
        if told.insert(figure.name) {
            gauge(&mut text, figure, all);
        }
    }
    text.push_str("# EOF\n");
    text
}

/// A label without others behind it, in braces.
fn alone(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{{{}}}", label.trim_end_matches(',')) }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    for unit in ["seconds", "ratio", "bytes"] {
        if name.ends_with(&format!("_{unit}")) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
    }
    let _ = writeln!(text, "# HELP {name} {}", escaped(help));
}

fn host(text: &mut String, all: &Labelled<'_>) {
    family(text, "tcphealth_host", "info", "What was judged.");
    for (label, report) in all {
        let host = &report.identity;
        let (name, kernel, inode) = (escaped(&host.hostname), escaped(&host.kernel), host.netns);
        // One that stands alone has no name but its number.
        let number = if label.is_empty() { "netns" } else { "netns_inode" };
        let _ = writeln!(
            text,
            "tcphealth_host_info{{{label}hostname=\"{name}\",kernel=\"{kernel}\",{number}=\"{inode}\"}} 1"
        );
    }
}

fn verdict(text: &mut String, all: &Labelled<'_>) {
    family(text, "tcphealth_verdict", "stateset", "The host in one word.");
    for (label, report) in all {
        for word in Word::ALL {
            let is = u8::from(word == report.word);
            let _ = writeln!(text, "tcphealth_verdict{{{label}tcphealth_verdict=\"{}\"}} {is}", word.name());
        }
    }
}

fn outcomes(text: &mut String, all: &Labelled<'_>) {
    const NAME: &str = "tcphealth_rule_outcome";
    family(text, NAME, "stateset", "What each rule says.");
    for (label, check) in all.iter().flat_map(|(label, report)| report.checks.iter().map(move |check| (label, check))) {
        for outcome in Outcome::ALL {
            let (rule, is) = (escaped(&check.rule), u8::from(outcome == check.outcome));
            let _ = writeln!(text, "{NAME}{{{label}rule=\"{rule}\",{NAME}=\"{}\"}} {is}", outcome.name());
        }
    }
}

fn findings(text: &mut String, all: &Labelled<'_>) {
    family(text, "tcphealth_finding_confidence", "gauge", "A finding, and how sure it is, 0 to 1.");
    for (label, finding) in all.iter().flat_map(|(label, report)| report.findings.iter().map(move |one| (label, one))) {
        let (id, rule, severity) = (escaped(&finding.id()), escaped(&finding.rule), finding.severity.name());
        let labels = format!("{label}id=\"{id}\",rule=\"{rule}\",severity=\"{severity}\"");
        let _ = writeln!(text, "tcphealth_finding_confidence{{{labels}}} {}", finding.confidence);
    }
}

/// What all know of a figure.
fn gauge(text: &mut String, figure: &Figure, all: &Labelled<'_>) {
    let of = |report: &Report| report.figures.iter().find(|one| one.name == figure.name).and_then(|one| one.value);
    let known: Vec<(&String, f64)> = all.iter().filter_map(|(label, report)| Some((label, of(report)?))).collect();
    if known.is_empty() {
        return;
    }
    let name = format!("tcphealth_{}", figure.name);
    family(text, &name, "gauge", &figure.label.en);
    for (label, value) in known {
        let _ = writeln!(text, "{name}{} {value}", alone(label));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
