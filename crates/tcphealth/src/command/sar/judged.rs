//! `sar --judge -f`: behind the report a line for each moment of the file or recording: what was lost toward near and far peers,
//! and the verdict.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use tcphealth_core::report::Report;
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::snapshot::Snapshot;
use tcphealth_core::sysstat::clock::Zone;
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::past::readings;
use tcphealth_core::sysstat::record::Reader;
use tcphealth_core::words::Lang;

use super::judge::{failed, line};
use super::options::Options;
use crate::command::sysstat::failure::Failure;
use crate::command::sysstat::recorded::bounds;
use crate::command::sysstat::zone::LocalZone;
use crate::config;
use crate::examine::counters_only;
use crate::speech::early_lang;
use crate::store::{Past, Store};

/// Prints the lines.
pub(super) fn print(options: &Options, file: &str) -> Result<(), Failure> {
    let directory = Path::new(file);
    let limits = config::limits().map_err(|error| failed(&error))?;
    let interval_us = options.interval.unwrap_or(0).saturating_mul(1_000_000);
    let mut lines =
        Lines { lang: early_lang(&[]), zone: LocalZone::of_process(), interval_us, next_us: 0, begun: false };
    if !Store::is_one(directory) {
        return of_file(options, file, &limits, &mut lines);
    }
    let told = (|| {
        let store = Store::open(directory)?;
        let (mut history, range) = (History::default(), bounds(&store, &options.selection)?);
        Past::each(&store, range, &mut |past| {
            // What several windows decide needs all of them.
            let report = past.judged(&mut history, &limits)?;
            if lines.is_due(past.last.at.begin_ns / 1000) { lines.put(&report) } else { Ok(()) }
        })
    })();
    told.map_err(|error| failed(&error))
}

/// Of a file of sysstat's each interval is judged by what its counters allow.
fn of_file(options: &Options, file: &str, limits: &Limits, lines: &mut Lines) -> Result<(), Failure> {
    let of_file = |trouble: Trouble| Failure::of_file(&trouble, file);
    let mut input = Input::new(File::open(file).map_err(|error| options.cannot_open(file, &error))?);
    let header = Header::read(&mut input, options.old_hz).map_err(of_file)?;
    let (begin, end) = options.selection.range(lines.zone.midnight(header.ust_time));
    let (mut before, mut failure) = (None, None);
    let mut put = |now: Snapshot, starts: usize| -> anyhow::Result<()> {
        let second = u64::try_from(now.at.wall_ns / 1_000_000_000).unwrap_or(0);
        if second < begin || end.is_some_and(|end| second > end) {
            return Ok(());
        }
        let same = before.take_if(|(_, before_starts)| *before_starts != starts).is_none();
        let Some((first, _)) = before.as_ref().filter(|_| same) else {
            lines.is_due(now.at.begin_ns / 1000);
            before = Some((now, starts));
            return Ok(());
        };
        if lines.is_due(now.at.begin_ns / 1000) {
            lines.put(&counters_only(first, &now, limits)?)?;
            before = Some((now, starts));
        }
        Ok(())
    };
    let damage = readings(Reader::new(input, header, |_| true), &mut |now, starts| {
        if failure.is_none() {
            failure = put(now, starts).err();
        }
    });
    match (failure, damage) {
        (Some(error), _) => Err(failed(&error)),
        (None, Some(trouble)) => Err(of_file(trouble)),
        (None, None) => Ok(()),
    }
}

/// Where the lines go.
struct Lines {
    lang: Lang,
    zone: LocalZone,
    /// At most one line in this time, µs.
    interval_us: u64,
    /// When the next may be, µs on the boot clock.
    next_us: u64,
    begun: bool,
}

impl Lines {
    /// Whether a moment has a line, µs on the boot clock, which begins anew with the host.
    fn is_due(&mut self, boot_us: u64) -> bool {
        let early = boot_us < self.next_us && self.next_us - boot_us <= self.interval_us;
        if !early {
            self.next_us = boot_us + self.interval_us;
        }
        !early
    }

    fn put(&mut self, report: &Report) -> anyhow::Result<()> {
        let second = u64::try_from(report.end.wall_ns / 1_000_000_000).unwrap_or(0);
        let time = self.zone.local(second).unwrap_or_default().time();
        let space = if std::mem::replace(&mut self.begun, true) { "" } else { "\n" };
        let line = line(report, self.lang);
        Ok(write!(std::io::stdout().lock(), "{space}{time:<11}  {line}")?)
    }
}
