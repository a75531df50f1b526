//! A report → OpenMetrics 1.0: the verdict and the outcome of each rule as state sets, findings and figures as gauges.
//!
//! Source: OpenMetrics specification 1.0; the suffixes and the last line are its demands.

use std::fmt::Write;

use crate::report::{Figure, Outcome, Report, Word};

/// The exposition, with its `# EOF`.
pub(super) fn print(report: &Report) -> String {
    let mut text = String::new();
    host(&mut text, report);
    verdict(&mut text, report);
    outcomes(&mut text, report);
    findings(&mut text, report);
    family(&mut text, "tcphealth_window_seconds", "gauge", "Length of the window that was judged.");
    let _ = writeln!(text, "tcphealth_window_seconds {}", report.seconds);
    for figure in &report.figures {
        gauge(&mut text, figure);
    }
    text.push_str("# EOF\n");
    text
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

fn host(text: &mut String, report: &Report) {
    let host = &report.identity;
    family(text, "tcphealth_host", "info", "What was judged.");
    let (name, kernel, netns) = (escaped(&host.hostname), escaped(&host.kernel), host.netns);
    let _ = writeln!(text, "tcphealth_host_info{{hostname=\"{name}\",kernel=\"{kernel}\",netns=\"{netns}\"}} 1");
}

fn verdict(text: &mut String, report: &Report) {
    family(text, "tcphealth_verdict", "stateset", "The host in one word.");
    for word in Word::ALL {
        let is = u8::from(word == report.word);
        let _ = writeln!(text, "tcphealth_verdict{{tcphealth_verdict=\"{}\"}} {is}", word.name());
    }
}

fn outcomes(text: &mut String, report: &Report) {
    const NAME: &str = "tcphealth_rule_outcome";
    family(text, NAME, "stateset", "What each rule says.");
    for check in &report.checks {
        for outcome in Outcome::ALL {
            let (rule, is) = (escaped(&check.rule), u8::from(outcome == check.outcome));
            let _ = writeln!(text, "{NAME}{{rule=\"{rule}\",{NAME}=\"{}\"}} {is}", outcome.name());
        }
    }
}

fn findings(text: &mut String, report: &Report) {
    family(text, "tcphealth_finding_confidence", "gauge", "A finding, and how sure it is, 0 to 1.");
    for finding in &report.findings {
        let (id, rule, severity) = (escaped(&finding.id()), escaped(&finding.rule), finding.severity.name());
        let labels = format!("id=\"{id}\",rule=\"{rule}\",severity=\"{severity}\"");
        let _ = writeln!(text, "tcphealth_finding_confidence{{{labels}}} {}", finding.confidence);
    }
}

fn gauge(text: &mut String, figure: &Figure) {
    let Some(value) = figure.value else { return };
    let name = format!("tcphealth_{}", figure.name);
    family(text, &name, "gauge", &figure.label.en);
    let _ = writeln!(text, "{name} {value}");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
