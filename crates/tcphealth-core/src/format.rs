//! A report in the forms that people and programs read. A format names no counter and no rule: it prints what the report holds.
//!
//! To add a format: a file here, its `mod` line, and its line in [`Format::ALL`].

use crate::report::{Report, Survey};
use crate::words::Lang;

mod json;
mod layout;
mod nagios;
mod openmetrics;
mod survey;
mod text;
mod why;
#[cfg(test)]
mod tests;

pub use crate::snapshot::rfc3339;
pub use json::line as json_line;
pub use layout::{cut, pad, width, wrap};
pub use survey::{counts as survey_counts, json_line as survey_line, summary as survey_summary};
pub use text::headline;
pub use why::finding_in_full;

/// How to speak.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Language of the sentences.
    pub lang: Lang,
    /// Columns of a line.
    pub columns: usize,
    /// Whether to colour.
    pub color: bool,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: 24 lines at most.
    Text,
    /// For programs: schema `tcphealth.report/1`.
    Json,
    /// One line with performance data (monitoring-plugins.org guidelines).
    Nagios,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// All, by the names that are typed.
    pub const ALL: [(&'static str, Self); 4] =
        [("text", Self::Text), ("json", Self::Json), ("nagios", Self::Nagios), ("openmetrics", Self::OpenMetrics)];

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// Whether it can be printed a line a window.
    pub fn is_a_line(self) -> bool {
        matches!(self, Self::Text | Self::Json)
    }

    /// The report in this form.
    pub fn print(self, report: &Report, style: &Style) -> String {
        match self {
            Self::Text => text::print(report, style),
            Self::Json => json::print(report, style.lang),
            Self::Nagios => nagios::print(report, style.lang),
            Self::OpenMetrics => openmetrics::print(report),
        }
    }

    /// The reports on many namespaces in this form.
    pub fn print_all(self, survey: &Survey, style: &Style) -> String {
        match self {
            Self::Text => survey::text(survey, style),
            Self::Json => survey::json(survey, style.lang),
            Self::Nagios => survey::nagios(survey, style.lang),
            Self::OpenMetrics => openmetrics::print_all(survey),
        }
    }
}
