//! `tcphealth sadf`: what sysstat's files hold, for programs.

mod options;

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use tcphealth_core::sysstat::clock::Clock;
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::record::Reader;
use tcphealth_core::sysstat::sadf::Times;
use tcphealth_core::sysstat::sadf::head::head;
use tcphealth_core::sysstat::sadf::lines::{Form, LinePrinter};
use tcphealth_core::sysstat::sadf::tree::{Markup, TreePrinter};
use tcphealth_core::sysstat::style::Style;
use tcphealth_core::sysstat::walk::{Choice, Outs, Walk};

use self::options::{Format, Options, Request};
use super::sar::{file_banner, file_date};
use super::sysstat::environment;
use super::sysstat::failure::{Failure, version_text};
use super::sysstat::paper::Sheet;
use super::sysstat::recorded::Tape;
use super::sysstat::zone::LocalZone;

/// Runs the command and returns its exit status.
pub(crate) fn run(words: &[OsString]) -> u8 {
    let done = match options::parse(&super::sysstat::words(words)) {
        Err(_) => Err(Failure { status: 1, message: options::USAGE.to_owned() }),
        Ok(Request::Say(text)) => print(text.as_bytes()),
        Ok(Request::Fail(failure)) => Err(failure),
        Ok(Request::Report(options)) => report(&options),
    };
    let Err(failure) = done else { return 0 };
    eprint!("{}", failure.message);
    failure.status
}

fn print(text: &[u8]) -> Result<(), Failure> {
    std::io::stdout().write_all(text).map_err(|error| Failure::of_output(&error))
}

fn report(options: &Options) -> Result<(), Failure> {
    let file = &options.file;
    let source: Box<dyn Read> = match Tape::of(Path::new(file), &options.selection)? {
        Some(tape) => Box::new(tape),
        None => Box::new(std::fs::File::open(file).map_err(|error| options.cannot_open(&error))?),
    };
    let mut input = Input::new(source);
    let header = match Header::read(&mut input, options.old_hz) {
        Err(Trouble::Format { format, version }) if options.format == Format::Head => {
            return print(old_head(file, format, version).as_bytes());
        }
        read => read.map_err(|trouble| Failure::of_file(&trouble, file))?,
    };
    let zone = LocalZone::of_process();
    let head_only = options.head && matches!(options.format, Format::Tree(_));
    if options.format == Format::Head {
        let banner = file_banner(&header, &zone, Clock::Local);
        let date = file_date(&header, &zone, options.clock).iso_date();
        return print(&head(&header, file, (&banner, &version_text(header.version), &date)));
    }
    let reader = Reader::new(input, header, |activity| options.selection.holds(activity));
    if reader.activities().is_empty() && !head_only {
        return Err(Failure::line(1, format_args!("Requested activities not available in file {file}")));
    }
    let times = Times::new(reader.header(), options.clock, environment::dialect(), &zone);
    match options.format {
        Format::Lines(form) => lines(options, form, (reader, times, &zone)),
        Format::Tree(markup) => tree(options, markup, (reader, times, &zone)),
        Format::Head => Ok(()),
    }
}

/// All that the head of a file of another format tells.
fn old_head(file: &str, format: u16, version: [u8; 4]) -> String {
    let version = version_text(version);
    format!(
        "System activity data file: {file} ({format:#x})\nFile created by sar/sadc from sysstat version {version}\n"
    )
}

type Opened<'a> = (Reader<Box<dyn Read>>, Times<'a>, &'a LocalZone);

fn lines(options: &Options, form: Form, (reader, times, zone): Opened<'_>) -> Result<(), Failure> {
    let choice = choice(options, form == Form::Wide);
    let reader = if form == Form::Wide { reader.in_table_order() } else { reader };
    let colours = environment::colours(std::io::stdout().is_terminal());
    let look = (options.selection.wanted(), Style { colours, ..Style::default() });
    let mut printer = LinePrinter::new(form, (reader.header(), reader.activities()), times, look);
    let mut sheet = Sheet::new(std::io::stdout().lock());
    let walked = Walk::new(reader, &choice, zone).run(&mut printer, &mut Outs::new(&mut sheet));
    walked.map_err(|trouble| Failure::of_file(&trouble, &options.file))
}

fn tree(options: &Options, markup: Markup, (reader, times, zone): Opened<'_>) -> Result<(), Failure> {
    let choice = choice(options, true);
    let reader = reader.in_table_order();
    let about = (times, options.selection.wanted(), options.comments);
    let mut printer = TreePrinter::new(markup, reader.activities(), about);
    let mut sheet = Sheet::new(std::io::stdout().lock());
    let mut out = Outs::new(&mut sheet);
    let date = file_date(reader.header(), zone, options.clock).iso_date();
    printer.begin(&mut out, reader.header(), (&date, options.head));
    if options.head {
        printer.finish_alone(&mut out);
        return out.flush().map_err(|error| Failure::of_output(&error));
    }
    let walked = Walk::new(reader, &choice, zone).run(&mut printer, &mut out);
    printer.finish(&mut out);
    out.flush().map_err(|error| Failure::of_output(&error))?;
    let Err(trouble) = walked else { return Ok(()) };
    let failure = Failure::of_file(&trouble, &options.file);
    // The tree is whole as far as it goes, which sysstat calls success; one without a reading is none.
    if printer.readings() == 0 || !matches!(trouble, Trouble::Cut) {
        return Err(failure);
    }
    eprint!("{}", failure.message);
    Ok(())
}

fn choice(options: &Options, together: bool) -> Choice {
    Choice {
        start: options.selection.start,
        end: options.selection.end,
        interval: options.interval.unwrap_or(1),
        count: options.count,
        comments: options.comments,
        together,
        clock: if options.clock == Clock::Epoch { Clock::Utc } else { options.clock },
    }
}
