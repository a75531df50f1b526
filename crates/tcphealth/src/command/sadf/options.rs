//! sadf's command line, word by word as sadf reads it; behind `--` stand sar's options.

use std::path::Path;

use tcphealth_core::sysstat::clock::Clock;
use tcphealth_core::sysstat::sadf::lines::Form;
use tcphealth_core::sysstat::sadf::tree::Markup;

use crate::command::sysstat::arguments::{END, Misused, START, Selection, Words, bound, is_number, number};
use crate::command::sysstat::environment;
use crate::command::sysstat::failure::Failure;
use crate::command::sysstat::places;
use crate::command::sysstat::zone::LocalZone;
use crate::store::Store;

/// What the command line asks for.
pub(crate) enum Request {
    /// Some text.
    Say(String),
    /// Something that cannot be done.
    Fail(Failure),
    /// A report.
    Report(Box<Options>),
}

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines.
    Lines(Form),
    /// A tree.
    Tree(Markup),
    /// The head of the file.
    #[default]
    Head,
}

/// A report's options.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(crate) struct Options {
    /// Activities, items and bounds.
    pub(crate) selection: Selection,
    /// What is printed.
    pub(crate) format: Format,
    /// Whose clock.
    pub(crate) clock: Clock,
    /// Comments are shown, `-C`.
    pub(crate) comments: bool,
    /// Only the head of the file, `-H`.
    pub(crate) head: bool,
    /// The file.
    pub(crate) file: String,
    /// The file was not named.
    pub(crate) default_file: bool,
    /// Seconds between readings.
    pub(crate) interval: Option<u64>,
    /// How many.
    pub(crate) count: Option<u64>,
    /// The older formats are read, with that HZ.
    pub(crate) old_hz: Option<u64>,
    wide: bool,
    debug: bool,
    chosen: Option<Format>,
    hz: Option<u64>,
    days_ago: Option<u64>,
    of_sar: bool,
}

impl Options {
    /// What is said when the file cannot be opened.
    pub(crate) fn cannot_open(&self, error: &std::io::Error) -> Failure {
        let mut failure = Failure::of_open(&self.file, error);
        if self.default_file && error.kind() == std::io::ErrorKind::NotFound {
            failure.message += "Please check if data collecting is enabled\n";
        }
        failure
    }
}

/// Reads the command line behind `sadf`.
pub(crate) fn parse(words: &[String]) -> Result<Request, Misused> {
    let mut options = Options { clock: Clock::Utc, ..Options::default() };
    let mut words = Words::new(words);
    while let Some(word) = words.take() {
        if word == "--" {
            options.of_sar = true;
        } else if let Some(request) = one(&mut options, word, &mut words)? {
            return Ok(request);
        }
    }
    settle(options)
}

fn one(options: &mut Options, word: &str, words: &mut Words<'_>) -> Result<Option<Request>, Misused> {
    match word {
        "-s" => options.selection.start = Some(bound(words, START)?),
        "-e" => options.selection.end = Some(bound(words, END)?),
        "-P" => options.selection.add_cpus(words.take().ok_or(Misused)?)?,
        "-O" if !options.of_sar => outputs(options, words.take().ok_or(Misused)?)?,
        "-n" if options.of_sar => options.selection.add_keywords(words.take().ok_or(Misused)?)?,
        "--old-format" => options.old_hz = options.old_hz.or(Some(100)),
        _ => return other(options, word),
    }
    Ok(None)
}

fn other(options: &mut Options, word: &str) -> Result<Option<Request>, Misused> {
    if let Some((name, value)) = word.strip_prefix("--").and_then(|long| long.split_once('=')) {
        match name {
            "iface" => options.selection.add_interfaces(value),
            "old-format" => options.old_hz = Some(number(value)?).filter(|&hz| hz > 0),
            // Lists for reports that are not the network's choose nothing here.
            "dev" | "fs" | "int" => {}
            _ => return Err(Misused),
        }
        return Ok(None);
    }
    match word.strip_prefix('-') {
        Some(days) if !days.is_empty() && is_number(days) && days.len() < 3 && !options.of_sar => {
            if !options.file.is_empty() || options.days_ago.is_some() {
                return Err(Misused);
            }
            // Today's file is the usual one.
            options.days_ago = Some(number(days)?).filter(|&days| days > 0);
        }
        Some(letters) => return letters.chars().find_map(|one| letter(options, one).transpose()).transpose(),
        None => plain(options, word)?,
    }
    Ok(None)
}

/// The file, the interval, the count.
fn plain(options: &mut Options, word: &str) -> Result<(), Misused> {
    if !is_number(word) {
        if !options.file.is_empty() || options.days_ago.is_some() {
            return Err(Misused);
        }
        word.clone_into(&mut options.file);
    } else if options.interval.is_none() {
        options.interval = Some(number(word)?).filter(|&seconds| seconds > 0).ok_or(Misused)?.into();
    } else if options.count.is_none() {
        options.count = Some(number(word)?);
    } else {
        return Err(Misused);
    }
    Ok(())
}

fn letter(options: &mut Options, letter: char) -> Result<Option<Request>, Misused> {
    if options.of_sar {
        return sar_letter(options, letter);
    }
    match letter {
        'C' => options.comments = true,
        'h' => options.wide = true,
        'H' => options.head = true,
        'd' => choose(options, Format::Lines(Form::Database))?,
        'p' => choose(options, Format::Lines(Form::Values))?,
        'r' => choose(options, Format::Lines(Form::Raw))?,
        'j' => choose(options, Format::Tree(Markup::Json))?,
        'x' => choose(options, Format::Tree(Markup::Xml))?,
        'T' => clock(options, Clock::Local)?,
        't' => clock(options, Clock::Writer)?,
        'U' => clock(options, Clock::Epoch)?,
        'V' => return Ok(Some(Request::Say(version()))),
        'c' | 'g' | 'l' => return Ok(Some(Request::Fail(not_made(letter)))),
        _ => return Err(Misused),
    }
    Ok(None)
}

/// sar's own letters: those that choose records and items; how sar looks is nothing here.
fn sar_letter(options: &mut Options, letter: char) -> Result<Option<Request>, Misused> {
    match letter {
        'A' => options.selection.add_all(),
        'C' => options.comments = true,
        'h' | 'p' | 'x' | 'z' => {}
        'V' => return Ok(Some(Request::Say(version()))),
        _ => return Err(Misused),
    }
    Ok(None)
}

fn not_made(letter: char) -> Failure {
    let instead = match letter {
        'c' => "files of older formats are read as they are with --old-format",
        'g' => "sysstat's own sadf draws it",
        _ => "PCP support not compiled in",
    };
    Failure::line(1, format_args!("-{letter}: {instead}"))
}

fn choose(options: &mut Options, format: Format) -> Result<(), Misused> {
    if options.chosen.replace(format).is_some() { Err(Misused) } else { Ok(()) }
}

fn clock(options: &mut Options, clock: Clock) -> Result<(), Misused> {
    // Two clocks cannot be shown; the same one may be asked for twice.
    let before = std::mem::replace(&mut options.clock, clock);
    if before == Clock::Utc || before == clock { Ok(()) } else { Err(Misused) }
}

/// The words behind `-O`: most are for the graphs, `debug` is for `-r`, `hz` for the older formats.
fn outputs(options: &mut Options, list: &str) -> Result<(), Misused> {
    for word in list.split(',') {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "hz" => options.hz = Some(number(value)?).filter(|&hz| hz > 0).ok_or(Misused)?.into(),
            "height" => drop(number(value)?),
            "debug" => options.debug = true,
            "skipempty" | "autoscale" | "oneday" | "showidle" | "showinfo" | "packed" | "showtoc" | "customcol"
            | "bwcol" | "pcparchive" => {}
            _ => return Err(Misused),
        }
    }
    Ok(())
}

fn settle(mut options: Options) -> Result<Request, Misused> {
    options.format = match options.chosen {
        Some(Format::Lines(Form::Database)) if options.wide => Format::Lines(Form::Wide),
        Some(format) => format,
        None if options.head => Format::Head,
        None => Format::Lines(Form::Values),
    };
    let is_store = Store::is_one(Path::new(&options.file));
    if options.file.is_empty() || (Path::new(&options.file).is_dir() && !is_store) {
        let folder = if options.file.is_empty() { places::directory() } else { Path::new(&options.file) };
        let file = places::file_of_day(folder, &LocalZone::of_files(), options.days_ago.unwrap_or(0));
        options.file = file.to_string_lossy().into_owned();
        options.default_file = true;
    }
    // No count is no bound.
    options.count = options.count.filter(|&count| count > 0);
    options.old_hz = options.old_hz.map(|assumed| options.hz.unwrap_or(assumed));
    options.selection.settle_bounds()?;
    if options.debug && options.format == Format::Lines(Form::Raw) {
        return Ok(Request::Fail(Failure::line(1, "-O debug: sysstat's own sadf shows a file's records")));
    }
    let needs = options.format != Format::Head && !options.head;
    if needs && options.selection.is_empty() {
        let line = "Say which network reports: -- -n DEV,TCP,ETCP (sar --help lists them)";
        return Ok(Request::Fail(Failure::line(1, line)));
    }
    Ok(Request::Report(Box::new(options)))
}

fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{}tcphealth {version} (sadf of sysstat 12.8.0, network reports)\n", environment::listing())
}

/// The usage.
pub(crate) const USAGE: &str = "\
Usage: tcphealth sadf [options] [interval [count]] [FILE | -1..-99] -- -n { KEYWORD[,...] | ALL }
  format      [-d [-h] | -j | -p | -r | -x] [-H] [-C]
  clock       [-T | -t | -U]
  which       [-P { CPU[,...] | ALL }] [--iface=NAME[,...]] [-s [hh:mm[:ss] | epoch]] [-e [hh:mm[:ss] | epoch]]
  other       [-O WORD[,...]] [--old-format[=HZ]] [-V]
";
