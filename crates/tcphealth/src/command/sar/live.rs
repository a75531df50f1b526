//! `sar INTERVAL [COUNT]`: reads, waits, prints.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tcphealth_core::sysstat::activity::ItemKind;
use tcphealth_core::sysstat::text::{SarPrinter, banner};
use tcphealth_core::sysstat::walk::{Outs, Printer, Reading, Step, later};
use tcphealth_linux::sysstat_live::Machine;

use super::collector::Collector;
use super::judge::Judge;
use super::options::Options;
use super::output::Output;
use crate::command::sysstat::environment;
use crate::command::sysstat::failure::Failure;
use crate::command::sysstat::paper::Sheet;
use crate::speech::early_lang;

/// Prints a report of this machine as time goes by.
pub(crate) fn report(options: &Options) -> Result<(), Failure> {
    let interval = options.interval.unwrap_or(1);
    let mut pace = Pace::new(interval, options.roots.is_some())?;
    let all = options.output.is_some();
    let mut collector =
        Collector::new(options.roots.as_ref(), (interval, all), |activity| options.selection.holds(activity))?;
    let mut first = collector.reading();
    if !collector.take(&mut first)? {
        return Err(Failure::line(1, "--roots: the first root is not there"));
    }
    collector.keep_present(&mut first);
    let mut output = options.output.as_ref().map(|_| Output::open(options, &collector, &first)).transpose()?;
    let shown: Vec<bool> = collector.activities().iter().map(|activity| options.selection.holds(activity)).collect();
    if !shown.contains(&true) {
        return Err(Failure::line(3, "Requested activities not available"));
    }
    for path in collector.missing() {
        eprintln!("/proc/{path} is not there: its zeros mean that nothing is known");
    }
    let mut report = Report::new(options, &collector, &first, shown)?;
    if interval == 0 {
        return report.since_boot(&first);
    }
    let mut judge = if options.judge { Some(Judge::begin(early_lang(&[]))?) } else { None };
    let mut now = collector.reading();
    while report.more() {
        if !pace.wait(collector.machine()) || !collector.take(&mut now)? {
            report.interrupted();
            break;
        }
        if let Some(output) = &mut output {
            output.write(&now)?;
        }
        report.show(&mut now)?;
        if let Some(judge) = &mut judge {
            report.add(&judge.line()?)?;
        }
    }
    report.averages()
}

/// Waits for the next full interval since the start, or for a signal.
struct Pace {
    signals: Option<SignalFd>,
    next: Instant,
    interval: Duration,
}

impl Pace {
    fn new(interval: u64, fake: bool) -> Result<Self, Failure> {
        let mut ends = SigSet::empty();
        ends.extend([Signal::SIGINT, Signal::SIGTERM]);
        let open = || {
            ends.thread_block()?;
            SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        };
        let failed = |error: nix::Error| Failure::line(4, format_args!("signalfd: {}", error.desc()));
        let signals = if fake { None } else { Some(open().map_err(failed)?) };
        Ok(Self { signals, next: Instant::now(), interval: Duration::from_secs(interval) })
    }

    /// False when a signal came first. Links that change meanwhile are told to the machine, once.
    fn wait(&mut self, machine: &mut Machine) -> bool {
        let Some(signals) = &self.signals else { return true };
        self.next += self.interval;
        let mut changed = false;
        loop {
            let left = self.next.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
            let mut waited = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            waited.extend(machine.link_changes().filter(|_| !changed).map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            let woken = poll(&mut waited, timeout);
            let [signal, change] = [0, 1].map(|at| waited.get(at).and_then(PollFd::any) == Some(true));
            if woken.is_ok() && signal {
                return false;
            }
            if change {
                changed = true;
                machine.links_changed();
            }
            if self.next <= Instant::now() {
                return true;
            }
        }
    }
}

/// A report in the making.
struct Report<'a> {
    options: &'a Options,
    printer: SarPrinter,
    sheet: Sheet<std::io::StdoutLock<'static>>,
    shown: Vec<bool>,
    first: Reading,
    last: Reading,
    readings: u64,
    rows: u64,
    always_header: bool,
    left: Option<u64>,
}

impl<'a> Report<'a> {
    fn new(options: &'a Options, collector: &Collector, first: &Reading, shown: Vec<bool>) -> Result<Self, Failure> {
        let settings = super::settings(options);
        let wanted = collector.activities().iter().zip(&shown).filter(|(_, shown)| **shown);
        let activities: Vec<_> = wanted.map(|(activity, _)| *activity).collect();
        let first = picked(first, &shown);
        let many = match (activities.as_slice(), first.items.as_slice()) {
            ([only], [_]) if only.item == ItemKind::Cpu => settings.wanted.cpus.bits() > 1,
            ([_], [items]) => items.len() > 1,
            _ => true,
        };
        let rows = settings.rows;
        let mut sheet = Sheet::new(std::io::stdout().lock());
        let date = if environment::iso_time() { first.at.civil.iso_date() } else { first.at.civil.c_date() };
        let banner = banner(&collector.header(&first.at), &date);
        std::io::Write::write_all(sheet.out(), &banner).map_err(|error| Failure::of_output(&error))?;
        Ok(Self {
            options,
            printer: SarPrinter::new(settings, &activities, true),
            sheet,
            shown,
            last: first.clone(),
            first,
            readings: 0,
            rows,
            always_header: many,
            left: options.count,
        })
    }

    fn more(&self) -> bool {
        self.left != Some(0)
    }

    fn since_boot(mut self, now: &Reading) -> Result<(), Failure> {
        let mut now = picked(now, &self.shown);
        let mut before = now.clone();
        before.at.moment.uptime_cs = 0;
        self.printer.set_heading(true);
        self.print(|printer, out| {
            printer.rows(out, Step { lane: 0, before: &before, now: &mut now, shown: 1 });
        })
    }

    /// Shows a reading against the one before, and takes it.
    fn show(&mut self, reading: &mut Reading) -> Result<(), Failure> {
        let mut now = if self.shown.contains(&false) { picked(reading, &self.shown) } else { std::mem::take(reading) };
        if self.options.selection.end.is_some_and(|end| later(&now.at, end)) {
            self.left = Some(0);
            return Ok(());
        }
        self.printer.set_heading(self.always_header || self.readings.is_multiple_of(self.rows));
        self.readings += 1;
        let (before, shown) = (std::mem::take(&mut self.last), self.readings);
        self.print(|printer, out| {
            printer.rows(out, Step { lane: 0, before: &before, now: &mut now, shown });
        })?;
        // Of a reading that was taken whole, the one before goes back to be filled again.
        *reading = if reading.items.is_empty() { before } else { std::mem::take(reading) };
        self.last = now;
        self.left = self.left.map(|left| left - 1);
        Ok(())
    }

    /// Prints a line of ours below a sample.
    fn add(&mut self, line: &str) -> Result<(), Failure> {
        self.print(|_, out| out.lane(0).extend_from_slice(line.as_bytes()))
    }

    /// The line behind the `^C` of a terminal.
    fn interrupted(&mut self) {
        // The averages that follow meet the same trouble and tell it.
        let _ = self.print(|_, out| out.lane(0).push(b'\n'));
    }

    fn averages(mut self) -> Result<(), Failure> {
        if self.readings > 0 {
            self.printer.set_heading(self.always_header);
            let (first, shown) = (std::mem::take(&mut self.first), self.readings);
            let mut last = std::mem::take(&mut self.last);
            self.print(|printer, out| {
                printer.close(out, Step { lane: 0, before: &first, now: &mut last, shown });
            })?;
        }
        super::tell_oddities(&self.printer);
        Ok(())
    }

    /// Prints with one write.
    fn print(&mut self, write: impl FnOnce(&mut SarPrinter, &mut Outs<'_>)) -> Result<(), Failure> {
        let mut out = Outs::new(&mut self.sheet);
        write(&mut self.printer, &mut out);
        out.flush().map_err(|error| Failure::of_output(&error))
    }
}

/// The part of a reading that is shown.
fn picked(reading: &Reading, shown: &[bool]) -> Reading {
    let items = reading.items.iter().zip(shown).filter(|(_, shown)| **shown).map(|(items, _)| items.clone());
    Reading { at: reading.at, items: items.collect() }
}
