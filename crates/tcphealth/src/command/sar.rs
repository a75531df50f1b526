//! `tcphealth sar`: sar's network reports, from files and live.

mod collector;
mod judge;
mod judged;
mod live;
mod options;
mod output;

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use tcphealth_core::sysstat::clock::{Civil, Clock, Zone};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::record::Reader;
use tcphealth_core::sysstat::text::{SarPrinter, Settings, banner};
use tcphealth_core::sysstat::walk::{Choice, Outs, Walk};

use tcphealth_linux::sysstat_live::terminal_size;

use self::options::{Options, Request};
use super::sysstat::environment;
use super::sysstat::failure::Failure;
use super::sysstat::paper::Sheet;
use super::sysstat::recorded::Tape;
use super::sysstat::zone::LocalZone;

/// Runs the command and returns its exit status.
pub(crate) fn run(words: &[OsString]) -> u8 {
    let done = match options::parse(&super::sysstat::words(words)) {
        Err(_) => Err(Failure { status: 1, message: options::USAGE.to_owned() }),
        Ok(Request::Say(text)) => {
            std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::of_output(&error))
        }
        Ok(Request::Fail(failure)) => Err(failure),
        Ok(Request::Report(options)) => report(&options),
    };
    let Err(failure) = done else { return 0 };
    eprint!("{}", failure.message);
    failure.status
}

fn report(options: &Options) -> Result<(), Failure> {
    match &options.file {
        Some(file) => from_file(options, file),
        None => live::report(options),
    }
}

fn settings(options: &Options) -> Settings {
    let terminal = std::io::stdout().is_terminal();
    let mut settings = options.settings.clone();
    settings.style.colours = environment::colours(terminal);
    settings.dialect = environment::dialect();
    settings.rows = environment::rows(terminal.then(|| terminal_size().map_or(0, |(rows, _)| rows)));
    settings
}

fn from_file(options: &Options, file: &str) -> Result<(), Failure> {
    let source: Box<dyn Read> = match Tape::of(Path::new(file), &options.selection)? {
        Some(tape) => Box::new(tape),
        None => Box::new(std::fs::File::open(file).map_err(|error| options.cannot_open(file, &error))?),
    };
    let mut input = Input::new(source);
    let failed = |trouble: Trouble| Failure::of_file(&trouble, file);
    let header = Header::read(&mut input, options.old_hz).map_err(failed)?;
    let reader = Reader::new(input, header, |activity| options.selection.holds(activity));
    if reader.activities().is_empty() {
        return Err(Failure::line(1, format_args!("Requested activities not available in file {file}")));
    }
    let zone = LocalZone::of_process();
    let choice = choice(options);
    let mut sheet = Sheet::new(std::io::stdout().lock());
    let first = file_banner(reader.header(), &zone, choice.clock);
    sheet.out().write_all(&first).map_err(|error| Failure::of_output(&error))?;
    let mut printer = SarPrinter::new(settings(options), reader.activities(), false);
    let walked = Walk::new(reader, &choice, &zone).run(&mut printer, &mut Outs::new(&mut sheet));
    tell_oddities(&printer);
    walked.map_err(failed)?;
    if options.judge { judged::print(options, file) } else { Ok(()) }
}

fn choice(options: &Options) -> Choice {
    Choice {
        start: options.selection.start,
        end: options.selection.end,
        interval: options.interval.unwrap_or(1),
        count: options.count,
        comments: options.comments,
        together: false,
        clock: if options.writers_clock { Clock::Writer } else { Clock::Local },
    }
}

/// The day on which a file was made: the local one, or with `-t` the writer's own.
pub(crate) fn file_date(header: &Header, zone: &LocalZone, clock: Clock) -> Civil {
    let (day, month, year) = header.date;
    match clock {
        Clock::Writer => {
            Civil { day, month: month.saturating_add(1), year: i64::from(year) + 1900, ..Civil::default() }
        }
        _ => zone.local(header.ust_time).unwrap_or_default(),
    }
}

/// The first line of a report on a file.
pub(crate) fn file_banner(header: &Header, zone: &LocalZone, clock: Clock) -> Vec<u8> {
    let civil = file_date(header, zone, clock);
    let date = if environment::iso_time() { civil.iso_date() } else { civil.c_date() };
    banner(header, &date)
}

/// sysstat prints garbage without a word when a counter goes back; the word is here.
fn tell_oddities(printer: &SarPrinter) {
    if let Some(odd) = printer.oddities().first() {
        let item = if odd.item.is_empty() { String::new() } else { format!(" of {}", odd.item) };
        eprintln!("a counter of {}{item} went back before {}: what is printed there is no rate", odd.keyword, odd.time);
    }
}
