//! sar's command line, word by word as sar reads it.

use std::path::Path;

use tcphealth_core::sysstat::activity::NETWORK;
use tcphealth_core::sysstat::rates::Wanted;
use tcphealth_core::sysstat::text::Settings;

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

/// A report's options.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(crate) struct Options {
    /// Activities, items and bounds.
    pub(crate) selection: Selection,
    /// How the report looks.
    pub(crate) settings: Settings,
    /// Times are the writer's, `-t`.
    pub(crate) writers_clock: bool,
    /// Comments are shown, `-C`.
    pub(crate) comments: bool,
    /// The file to be read, `-f`.
    pub(crate) file: Option<String>,
    /// The file was not named.
    pub(crate) default_file: bool,
    /// The file to be written, `-o`; `-` is the day's.
    pub(crate) output: Option<String>,
    /// Files of the day have long names, `-D`.
    pub(crate) long_names: bool,
    /// Seconds between readings.
    pub(crate) interval: Option<u64>,
    /// How many.
    pub(crate) count: Option<u64>,
    /// The older formats are read, with that HZ.
    pub(crate) old_hz: Option<u64>,
    /// A verdict stands below each sample, `--judge`.
    pub(crate) judge: bool,
    /// Fake hosts, and the first of them: directory and name.
    pub(crate) roots: Option<(String, String)>,
    interval_by_option: bool,
    days_ago: Option<u64>,
}

impl Options {
    /// What is said when the file cannot be opened; nobody named the day's file, so a hint follows.
    pub(crate) fn cannot_open(&self, file: &str, error: &std::io::Error) -> Failure {
        let mut failure = Failure::of_open(file, error);
        if self.default_file && error.kind() == std::io::ErrorKind::NotFound {
            failure.message += "Please check if data collecting is enabled\n";
        }
        failure
    }
}

/// Reads the command line behind `sar`.
pub(crate) fn parse(words: &[String]) -> Result<Request, Misused> {
    let mut options = Options::default();
    options.settings.style.decimals = 2;
    let mut words = Words::new(words);
    let none = words.rest().is_empty();
    while let Some(word) = words.take() {
        if let Some(request) = one(&mut options, word, &mut words)? {
            return Ok(request);
        }
    }
    settle(options, none)
}

/// Reads one option with its argument.
fn one(options: &mut Options, word: &str, words: &mut Words<'_>) -> Result<Option<Request>, Misused> {
    if let Some((name, value)) = word.strip_prefix("--").and_then(|long| long.split_once('=')) {
        valued(options, name, value)?;
        return Ok(None);
    }
    match word {
        "--sadc" => return Ok(Some(Request::Say(collector()))),
        "--help" => return Ok(Some(Request::Say(help()))),
        "--human" => options.settings.style.human = true,
        "--pretty" => options.settings.style.pretty = true,
        "--judge" => options.judge = true,
        "--old-format" => options.old_hz = Some(100),
        "--roots" => options.roots = Some((words.take().ok_or(Misused)?.to_owned(), "root1".to_owned())),
        "--first-root" => {
            let (_, first) = options.roots.as_mut().ok_or(Misused)?;
            words.take().ok_or(Misused)?.clone_into(first);
        }
        "-P" => options.selection.add_cpus(words.take().ok_or(Misused)?)?,
        "-n" => options.selection.add_keywords(words.take().ok_or(Misused)?)?,
        "-o" if options.output.is_none() => options.output = Some(words.take_file().unwrap_or("-").to_owned()),
        "-f" if options.file.is_none() && options.days_ago.is_none() => set_file(options, words.take_file()),
        "-s" => options.selection.start = Some(bound(words, START)?),
        "-e" => options.selection.end = Some(bound(words, END)?),
        "-i" => {
            options.interval = Some(number(words.take().ok_or(Misused)?)?).filter(|&seconds| seconds > 0);
            options.interval_by_option = options.interval.is_some();
            options.interval.ok_or(Misused)?;
        }
        "-D" => options.long_names = true,
        "-f" | "-o" => return Err(Misused),
        _ => return plain(options, word),
    }
    Ok(None)
}

fn valued(options: &mut Options, name: &str, value: &str) -> Result<(), Misused> {
    match (name, value) {
        ("dec", "0" | "1" | "2") => options.settings.style.decimals = number(value)? as usize,
        ("iface", _) => options.selection.add_interfaces(value),
        ("old-format", _) => options.old_hz = Some(number(value)?).filter(|&hz| hz > 0),
        // Lists for reports that are not the network's choose nothing here.
        ("dev" | "fs" | "int", _) => {}
        _ => return Err(Misused),
    }
    Ok(())
}

/// Days ago, letters, interval and count.
fn plain(options: &mut Options, word: &str) -> Result<Option<Request>, Misused> {
    match word.strip_prefix('-') {
        Some(days) if !days.is_empty() && is_number(days) && days.len() < 3 => {
            if options.file.is_some() || options.days_ago.is_some() {
                return Err(Misused);
            }
            // Today's file is the usual one.
            options.days_ago = Some(number(days)?).filter(|&days| days > 0);
        }
        Some(letters) => return letters.chars().find_map(|letter| flag(options, letter).transpose()).transpose(),
        None if options.interval.is_none() => options.interval = Some(number(word)?),
        None if options.interval == Some(0) || options.count.is_some() => return Err(Misused),
        None => options.count = Some(number(word)?).filter(|&count| count > 0).ok_or(Misused)?.into(),
    }
    Ok(None)
}

fn flag(options: &mut Options, letter: char) -> Result<Option<Request>, Misused> {
    match letter {
        'A' => options.selection.add_all(),
        'C' => options.comments = true,
        'h' => (options.settings.style.human, options.settings.style.pretty) = (true, true),
        'p' => options.settings.style.pretty = true,
        't' => options.writers_clock = true,
        'x' => options.settings.extremes = true,
        'z' => options.settings.omit_unchanged = true,
        'V' => return Ok(Some(Request::Say(version()))),
        'B' | 'b' | 'd' | 'F' | 'H' | 'I' | 'j' | 'm' | 'q' | 'r' | 'S' | 'u' | 'v' | 'W' | 'w' | 'y' => {
            return Ok(Some(Request::Fail(not_network(letter))));
        }
        _ => return Err(Misused),
    }
    Ok(None)
}

fn not_network(letter: char) -> Failure {
    Failure::line(1, format_args!("-{letter}: only the network reports are made here (-n); sysstat's own sar makes it"))
}

fn set_file(options: &mut Options, file: Option<&str>) {
    match file {
        Some(file) if is_folder(file) => options.file = Some(of_day(Path::new(file), 0)),
        Some(file) => options.file = Some(file.to_owned()),
        None => options.file = Some(of_day(places::directory(), 0)),
    }
    options.default_file = file.is_none_or(is_folder);
}

/// A directory with files of days, and no recording.
fn is_folder(file: &str) -> bool {
    Path::new(file).is_dir() && !Store::is_one(Path::new(file))
}

fn of_day(directory: &Path, days_ago: u64) -> String {
    places::file_of_day(directory, &LocalZone::of_files(), days_ago).to_string_lossy().into_owned()
}

/// What follows from all the options together.
fn settle(mut options: Options, none: bool) -> Result<Request, Misused> {
    let by_file = options.interval.is_none() || options.interval_by_option;
    if none || (by_file && options.file.is_none() && options.output.is_none()) {
        options.file = Some(of_day(places::directory(), options.days_ago.unwrap_or(0)));
        options.default_file = true;
    }
    options.selection.settle_bounds()?;
    let file = options.file.is_some();
    if file && options.output.is_some() {
        return Ok(Request::Fail(Failure::line(1, "-f and -o options are mutually exclusive")));
    }
    if !file && (options.selection.start.is_some() || options.interval_by_option) {
        let line = "Not reading from a system activity file (use -f option)";
        return Ok(Request::Fail(Failure::line(1, line)));
    }
    if options.judge && (options.roots.is_some() || options.interval == Some(0)) {
        let line = "--judge is for live samples, files and recordings: nothing else has a window to judge";
        return Ok(Request::Fail(Failure::line(1, line)));
    }
    let since_boot = options.interval == Some(0);
    if (since_boot && (file || options.output.is_some())) || (options.output.is_some() && options.days_ago.is_some()) {
        return Err(Misused);
    }
    if !file && options.interval.is_none() {
        return Err(Misused);
    }
    if options.selection.is_empty() {
        return Ok(Request::Fail(Failure::line(1, "Say which network reports: -n DEV,TCP,ETCP (--help lists them)")));
    }
    options.settings.wanted = Wanted { since_boot, ..options.selection.wanted() };
    Ok(Request::Report(Box::new(options)))
}

fn version() -> String {
    format!(
        "{}tcphealth {} (sar of sysstat 12.8.0, network reports)\n",
        environment::listing(),
        env!("CARGO_PKG_VERSION")
    )
}

fn collector() -> String {
    let path = std::env::current_exe().map_or_else(|_| "tcphealth".to_owned(), |path| path.display().to_string());
    format!("Data collector found: {path}\n")
}

fn help() -> String {
    let reports: Vec<String> =
        NETWORK.iter().map(|activity| format!("\t{}\t[{}]\n", activity.keyword, activity.name)).collect();
    format!("{USAGE}Reports behind -n (or ALL):\n{}", reports.concat())
}

/// The usage.
pub(crate) const USAGE: &str = "\
Usage: tcphealth sar -n { KEYWORD[,...] | ALL } [options] [interval [count]]
  which       [-P { CPU[,...] | ALL }] [--iface=NAME[,...]] [-z]
  from files  [-f [FILE]] [-1..-99] [-s [hh:mm[:ss] | epoch]] [-e [hh:mm[:ss] | epoch]] [-i seconds] [-C] [-t]
  recorded    -f DIRECTORY of tcphealth record, its newest day unless -s says: -s 'yesterday 03:00' -e -2h
              [--old-format[=HZ]]
  to a file   [-o [FILE]] [-D]
  look        [-h] [-p] [-x] [--dec={0|1|2}] [--human] [--pretty]
  verdicts    [--judge] (what local and remote peers lost, and the verdict: below each live sample, behind a report on a file)
  other       [--help] [--sadc] [-V]
";
