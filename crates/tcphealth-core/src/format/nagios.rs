//! A report → the one line of a monitoring plugin, performance data, and the other findings as long output.
//!
//! Source: Monitoring Plugins Development Guidelines, “Plugin Output for Nagios”.

use std::fmt::Write;

use super::headline;
use crate::report::{Figure, Report};
use crate::words::Lang;

/// `TCPHEALTH CRITICAL - … | 'label'=value[UOM] …`
pub(super) fn print(report: &Report, lang: Lang) -> String {
    let word = report.word.name().to_uppercase();
    let data: Vec<String> = report.figures.iter().filter_map(performance).collect();
    let mut text = format!("TCPHEALTH {word} - {}", plain(headline(report).get(lang)));
    if !data.is_empty() {
        let _ = write!(text, " | {}", data.join(" "));
    }
    text.push('\n');
    for finding in &report.findings {
        let _ = writeln!(text, "{}: {}", finding.id(), plain(finding.summary.get(lang)));
    }
    text
}

/// A bar begins the performance data wherever it stands.
pub(super) fn plain(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}

fn performance(figure: &Figure) -> Option<String> {
    let unit = match figure.unit {
        "seconds" => "s",
        "bytes" => "B",
        _ => "",
    };
    // The guidelines know digits, a sign and a point, and no exponent.
    let value = format!("{:.9}", figure.value?);
    let value = value.trim_end_matches('0').trim_end_matches('.');
    Some(format!("'{}'={value}{unit};;;0;", figure.name))
}
