//! `tcphealth diff`: what changed between two ranges of a recording, the most unusual first.

use std::process::ExitCode;
use std::time::Duration;

use tcphealth_core::diff::{Change, Periods, Quantities, Side, compare};

use crate::args::{DiffArgs, TextOrJson};
use crate::config;
use crate::speech::{self, Speech};
use crate::store::{self, Range, Store};
use crate::when::{Span, When};

mod json;
mod text;

/// Two ranges are compared an hour long unless something else is said,
const HOUR: Duration = Duration::from_secs(3600);
/// and a day apart.
const DAY_US: i64 = 86_400_000_000;

/// All that is printed.
struct Diff {
    ranges: [Range; 2],
    sides: [Side; 2],
    quantities: Quantities,
    periods: Periods,
    changes: Vec<Change>,
}

/// Compares; whether something unusual changed is the exit status.
pub(crate) fn run(args: &DiffArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let store = Store::open(&args.from.clone().unwrap_or_else(store::default_dir))?;
    let limits = config::limits()?;
    let [a, b] = ranges(args);
    let mut quantities = Quantities::default();
    let mut side = |range| {
        let side = store.side(range, &mut quantities, &limits)?;
        if side.period.is_empty() { Err(store.nothing_in(range)) } else { Ok(side) }
    };
    let (side_a, side_b) = (side(a)?, side(b)?);
    let periods = store.periods(a, b, &mut quantities)?;
    let changes = compare(&side_a, &side_b, &quantities, &periods);
    let unusual = changes.iter().any(Change::is_unusual);
    let diff = Diff { ranges: [a, b], sides: [side_a, side_b], quantities, periods, changes };
    speech::print(&match args.format {
        TextOrJson::Text => text::text(&diff, speech),
        TextOrJson::Json => json::json(&diff, speech.machine_lang),
    })?;
    Ok(ExitCode::from(u8::from(unusual)))
}

/// What is compared: the last hour with the same hour yesterday, unless something else is said. A moment is the end of a range.
fn ranges(args: &DiffArgs) -> [Range; 2] {
    let length = |span: Option<Span>| match span {
        Some(Span::Between(begin, end)) => Some(end.0 - begin.0),
        _ => None,
    };
    let window = args.window.map(|window| i64::try_from(window.as_micros()).unwrap_or(i64::MAX));
    let window = window.or(length(args.a)).or(length(args.b)).unwrap_or(HOUR.as_micros() as i64);
    let range = |span| match span {
        Span::Between(begin, end) => (begin.0, end.0),
        Span::Until(end) => (end.0.saturating_sub(window), end.0),
    };
    let b = range(args.b.unwrap_or(Span::Until(When::now())));
    let a = args.a.map_or((b.0.saturating_sub(DAY_US), b.1.saturating_sub(DAY_US)), range);
    [a, b]
}
