//! Records → reports: which records are shown, compared with which, and in what order.
//!
//! Source: `read_stats_from_file()`, `handle_curr_act_stats()` and `write_stats()` in sysstat's `sar.c`, their
//! counterparts in `sadf.c`, `next_slice()` and `datecmp()` in `sa_common.c`. sysstat reads a file once for every
//! activity; here every activity writes on a lane of its own, and the lanes are laid one behind the other.

use std::cmp::Ordering;
use std::io::Read;
use std::ops::Range;

use super::activity::{Activity, CPUS_MAX, ItemKind};
use super::clock::{Civil, Clock, Zone};
use super::input::Trouble;
use super::items::Items;
use super::record::{Kind, Moment, Reader};

/// A moment that a report is bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Seconds since midnight on the clock that the report shows; a day more when it is of the next day.
    Clock(u32),
    /// Seconds since 1970.
    Epoch(u64),
}

/// Which records are shown.
#[derive(Clone, Debug)]
pub struct Choice {
    /// None before this one; the first one inside is only compared with.
    pub start: Option<Bound>,
    /// None behind this one.
    pub end: Option<Bound>,
    /// Those nearest to multiples of so many seconds; 1 takes all.
    pub interval: u64,
    /// So many of every section and lane.
    pub count: Option<u64>,
    /// Comments are shown.
    pub comments: bool,
    /// All activities of a record together, not one activity after the other.
    pub together: bool,
    /// Whose clock bounds and times are on.
    pub clock: Clock,
}

impl Choice {
    /// Whether every record is to be shown that can be compared with one before.
    fn takes_all(&self) -> bool {
        self.start.is_none() && self.end.is_none() && self.interval <= 1
    }
}

/// When something was, and how that is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp {
    /// As recorded.
    pub moment: Moment,
    /// As shown.
    pub civil: Civil,
}

/// A record that is not statistics.
#[derive(Clone, Debug)]
pub struct Special {
    /// When.
    pub at: Stamp,
    /// What: never statistics.
    pub kind: Kind,
}

/// One reading of a lane's activities.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// When.
    pub at: Stamp,
    /// The items of each of the lane's activities.
    pub items: Vec<Items>,
}

/// One lane's two readings to be shown.
pub struct Step<'a> {
    /// Which lane.
    pub lane: usize,
    /// The reading that is compared with.
    pub before: &'a Reading,
    /// The reading that is shown.
    pub now: &'a mut Reading,
    /// How many readings of this section and lane were to be shown so far, this one included.
    pub shown: u64,
}

/// Takes the text of reports. Lanes are shown in order of their numbers, section by section.
pub trait Paper {
    /// Takes what a lane has to say, and leaves the buffer empty.
    ///
    /// # Errors
    /// When it can be neither shown nor kept.
    fn put(&mut self, lane: usize, text: &mut Vec<u8>) -> std::io::Result<()>;

    /// Ends a section: what was kept of the first `lanes` lanes is shown, the rest forgotten.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn end_section(&mut self, lanes: usize) -> std::io::Result<()>;
}

/// What an output format does with what the walk comes upon.
pub trait Printer {
    /// Shows a RESTART or a comment on a lane.
    fn special(&mut self, out: &mut Outs<'_>, lane: usize, special: &Special);
    /// A lane of a new section begins.
    fn open(&mut self, out: &mut Outs<'_>, lane: usize);
    /// The lane is about to look at its next record, whatever that is.
    fn turn(&mut self, lane: usize);
    /// Shows a reading. False when there was nothing to show and the reading before stays the one to compare with.
    fn rows(&mut self, out: &mut Outs<'_>, step: Step<'_>) -> bool;
    /// A reading is not shown: it is out of bounds, or not near enough to the interval.
    fn passed(&mut self, _out: &mut Outs<'_>, _lane: usize) {}
    /// A lane on which something was shown ends; `step` holds its first and its last reading.
    fn close(&mut self, out: &mut Outs<'_>, step: Step<'_>);
    /// A section ends; so many of its lanes are whole.
    fn end_section(&mut self, out: &mut Outs<'_>, lanes: usize) {
        out.end_section(lanes);
    }
}

/// A buffer for every lane, in front of the paper.
pub struct Outs<'a> {
    lanes: Vec<Vec<u8>>,
    paper: &'a mut dyn Paper,
    failed: Option<std::io::Error>,
}

/// A lane's buffer goes to the paper when it has so many bytes.
const BUFFER_BYTES: usize = 32 * 1024;

impl<'a> Outs<'a> {
    /// Buffers in front of a paper.
    pub fn new(paper: &'a mut dyn Paper) -> Self {
        Self { lanes: Vec::new(), paper, failed: None }
    }

    /// The buffer of a lane, to be written at its end.
    pub fn lane(&mut self, lane: usize) -> &mut Vec<u8> {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, Vec::new);
        }
        self.lanes.get_mut(lane).expect("resized to hold it")
    }

    fn spill(&mut self, at_least: usize) {
        for (lane, text) in self.lanes.iter_mut().enumerate().filter(|(_, text)| text.len() >= at_least) {
            if let Err(error) = self.paper.put(lane, text) {
                self.failed.get_or_insert(error);
            }
            text.clear();
        }
    }

    /// Shows what the first lane holds.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.end_section(1);
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Shows the first `lanes` lanes and forgets the others.
    pub fn end_section(&mut self, lanes: usize) {
        self.spill(1);
        if let Err(error) = self.paper.end_section(lanes) {
            self.failed.get_or_insert(error);
        }
    }

    /// The first trouble with the paper since the last time.
    fn checked(&mut self) -> Result<(), Trouble> {
        self.spill(BUFFER_BYTES);
        self.failed.take().map_or(Ok(()), |error| Err(Trouble::Paper(error)))
    }
}

struct Lane {
    activities: Range<usize>,
    first: Reading,
    prev: Reading,
    curr: Reading,
    left: Option<u64>,
    next_day: bool,
    done: bool,
    printed: bool,
    shown: u64,
}

/// Walks over the records of a file and has them printed.
pub struct Walk<'a, R> {
    reader: Reader<R>,
    choice: &'a Choice,
    zone: &'a dyn Zone,
    sets: Vec<Items>,
    cpus: usize,
    lanes: Vec<Lane>,
    /// There are records.
    records: bool,
    /// Something was shown of them.
    shown: bool,
}

impl<'a, R: Read> Walk<'a, R> {
    /// Prepares to walk over what `reader` reads.
    pub fn new(reader: Reader<R>, choice: &'a Choice, zone: &'a dyn Zone) -> Self {
        let activities = reader.activities();
        let sets = activities.iter().map(|activity| Items::none(activity)).collect();
        let groups: Vec<Range<usize>> = if choice.together {
            std::iter::once(0..activities.len()).collect()
        } else {
            (0..activities.len()).map(|index| index..index + 1).collect()
        };
        let lanes = groups.into_iter().map(|group| Lane {
            first: reading(activities, &group),
            prev: reading(activities, &group),
            curr: reading(activities, &group),
            activities: group,
            left: None,
            next_day: false,
            done: false,
            printed: false,
            shown: 0,
        });
        let lanes = lanes.collect();
        let cpus = cpus_of(reader.header().cpus);
        Self { reader, choice, zone, sets, cpus, lanes, records: false, shown: false }
    }

    /// Walks to the end of the file.
    ///
    /// # Errors
    /// When the file is damaged: what was read before is shown as far as sysstat shows it.
    pub fn run(&mut self, printer: &mut dyn Printer, out: &mut Outs<'_>) -> Result<(), Trouble> {
        loop {
            match self.find_first(printer, out) {
                Ok(true) => {}
                Ok(false) => break,
                Err(trouble) => {
                    printer.end_section(out, 1);
                    return Err(trouble);
                }
            }
            for (index, lane) in self.lanes.iter_mut().enumerate() {
                lane.begin(self.choice.count);
                printer.open(out, index);
            }
            match self.section(printer, out) {
                Err(trouble) => {
                    let whole = self.lanes.iter().take_while(|lane| lane.done).count();
                    printer.end_section(out, whole + 1);
                    return Err(trouble);
                }
                Ok(End::File) => break,
                Ok(End::Restart(restart)) => {
                    printer.end_section(out, self.lanes.len() + 1);
                    if let Some(restart) = restart {
                        printer.special(out, 0, &restart);
                    }
                }
            }
            out.checked()?;
        }
        printer.end_section(out, self.lanes.len() + 1);
        out.checked()?;
        let silent = !self.shown && self.choice.takes_all();
        if silent { Err(Trouble::Nothing { records: self.records }) } else { Ok(()) }
    }

    /// Finds the first reading of a section, showing what comes before it. False at the end of the file.
    fn find_first(&mut self, printer: &mut dyn Printer, out: &mut Outs<'_>) -> Result<bool, Trouble> {
        while let Some((moment, kind)) = self.reader.advance()? {
            self.records = true;
            if kind != Kind::Statistics {
                if let Some(special) = self.special(moment, kind) {
                    printer.special(out, 0, &special);
                    out.checked()?;
                }
                continue;
            }
            self.reader.items(&mut self.sets)?;
            let Some(at) = self.stamp(moment) else { continue };
            let early = self.choice.start.is_some_and(|start| against(&at, start, false) == Ordering::Less);
            let late = self.choice.end.is_some_and(|end| against(&at, end, false) == Ordering::Greater);
            if !early && !late {
                self.deal(at, self.cpus, |lane| &mut lane.first);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Shows the readings up to the next RESTART or the end of the file.
    fn section(&mut self, printer: &mut dyn Printer, out: &mut Outs<'_>) -> Result<End, Trouble> {
        let first = self.lanes.first().map_or(0, |lane| lane.first.at.moment.uptime_cs);
        let mut slicer = Slicer { interval: self.choice.interval, first, last: first };
        loop {
            match self.reader.advance()? {
                None => {
                    self.close_all(printer, out);
                    return Ok(End::File);
                }
                Some((moment, kind @ (Kind::Restart(_) | Kind::Interruption))) => {
                    self.close_all(printer, out);
                    return Ok(End::Restart(self.special(moment, kind)));
                }
                Some((moment, kind @ Kind::Comment(_))) => {
                    if let Some(comment) = self.special(moment, kind) {
                        self.comment(printer, out, &comment);
                    }
                }
                Some((moment, Kind::Statistics)) => {
                    let taken = slicer.takes(moment.uptime_cs);
                    self.statistics(printer, out, (moment, taken))?;
                }
            }
            out.checked()?;
        }
    }

    /// A comment stands on every lane that is not done; behind all of them when the last one is.
    fn comment(&mut self, printer: &mut dyn Printer, out: &mut Outs<'_>, comment: &Special) {
        for (index, _) in self.lanes.iter().enumerate().filter(|(_, lane)| !lane.done) {
            printer.turn(index);
            printer.special(out, index, comment);
        }
        if self.lanes.last().is_some_and(|lane| lane.done) {
            printer.special(out, self.lanes.len(), comment);
        }
    }

    fn statistics(
        &mut self,
        printer: &mut dyn Printer,
        out: &mut Outs<'_>,
        (moment, taken): (Moment, bool),
    ) -> Result<(), Trouble> {
        let mut open: Vec<usize> = Vec::with_capacity(self.lanes.len());
        open.extend((0..self.lanes.len()).filter(|&index| self.lanes.get(index).is_some_and(|lane| !lane.done)));
        for &index in &open {
            printer.turn(index);
        }
        if !taken || open.is_empty() {
            for &index in &open {
                printer.passed(out, index);
            }
            return self.reader.pass();
        }
        self.reader.items(&mut self.sets)?;
        let Some(at) = self.stamp(moment) else { return Ok(()) };
        self.cpus = self.most_cpus();
        self.deal(at, self.cpus, |lane| &mut lane.curr);
        for index in open {
            if let Some(lane) = self.lanes.get_mut(index) {
                lane.step(index, self.choice, (printer, out));
                self.shown |= lane.printed;
            }
        }
        Ok(())
    }

    fn close_all(&mut self, printer: &mut dyn Printer, out: &mut Outs<'_>) {
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.done) {
            printer.turn(index);
            lane.close(index, (printer, out));
        }
    }

    /// A RESTART, an interruption or a comment, unless it is out of bounds or comments are not shown.
    fn special(&mut self, moment: Moment, kind: Kind) -> Option<Special> {
        match kind {
            Kind::Restart(cpus) => self.cpus = cpus_of(cpus),
            Kind::Interruption => {}
            _ if !self.choice.comments => return None,
            _ => {}
        }
        let at = self.stamp(moment)?;
        let early = self.choice.start.is_some_and(|start| against(&at, start, false) == Ordering::Less);
        let late = self.choice.end.is_some_and(|end| against(&at, end, false) == Ordering::Greater);
        self.shown |= !early && !late;
        (!early && !late).then_some(Special { at, kind })
    }

    fn stamp(&self, moment: Moment) -> Option<Stamp> {
        let civil = self.choice.clock.civil(self.zone, &moment)?;
        Some(Stamp { moment, civil })
    }

    /// How many CPUs, with their sum, there have been since the last RESTART. The first reading of a section does not
    /// tell: a CPU that only it has is never shown.
    fn most_cpus(&self) -> usize {
        let sets = self.reader.activities().iter().zip(&self.sets);
        sets.filter(|(activity, _)| activity.item == ItemKind::Cpu)
            .fold(self.cpus, |most, (_, set)| most.max(set.len()))
    }

    /// Gives every lane that is not done the items that were just read.
    /// CPUs that a record does not list report nothing.
    fn deal(&mut self, at: Stamp, cpus: usize, place: impl Fn(&mut Lane) -> &mut Reading) {
        for (activity, set) in self.reader.activities().iter().zip(&mut self.sets) {
            if activity.item == ItemKind::Cpu && !set.is_empty() {
                set.grow_to(cpus);
            }
        }
        for lane in &mut self.lanes {
            let sets = self.sets.get_mut(lane.activities.clone()).unwrap_or_default();
            let reading = place(lane);
            reading.at = at;
            reading.items.iter_mut().zip(sets).for_each(|(items, set)| std::mem::swap(items, set));
        }
    }
}

/// A stored number of CPUs and their sum, as far as sysstat counts.
fn cpus_of(stored: u32) -> usize {
    stored.min(CPUS_MAX + 1) as usize
}

enum End {
    File,
    Restart(Option<Special>),
}

fn reading(activities: &[&'static Activity], group: &Range<usize>) -> Reading {
    let items = activities.get(group.clone()).unwrap_or_default().iter().map(|activity| Items::none(activity));
    Reading { at: Stamp::default(), items: items.collect() }
}

impl Lane {
    fn begin(&mut self, count: Option<u64>) {
        self.prev.clone_from(&self.first);
        (self.left, self.next_day, self.done, self.printed, self.shown) = (count, false, false, false, 0);
    }

    /// Shows the reading in `curr`, unless it is behind the bound.
    fn step(&mut self, index: usize, choice: &Choice, (printer, out): (&mut dyn Printer, &mut Outs<'_>)) {
        let (before, now) = (&self.prev.at, &self.curr.at);
        let midnight = now.moment.ust_time > before.moment.ust_time && now.civil.hour < before.civil.hour;
        self.next_day |= choice.start.is_some() && midnight;
        if choice.end.is_some_and(|end| against(now, end, self.next_day) == Ordering::Greater) {
            printer.passed(out, index);
            return self.close(index, (printer, out));
        }
        self.shown += 1;
        let step = Step { lane: index, before: &self.prev, now: &mut self.curr, shown: self.shown };
        if !printer.rows(out, step) {
            return;
        }
        self.printed = true;
        std::mem::swap(&mut self.prev, &mut self.curr);
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            self.close(index, (printer, out));
        }
    }

    fn close(&mut self, index: usize, (printer, out): (&mut dyn Printer, &mut Outs<'_>)) {
        self.done = true;
        if self.printed {
            let step = Step { lane: index, before: &self.first, now: &mut self.prev, shown: self.shown };
            printer.close(out, step);
        }
    }
}

/// Whether a moment of a live report is behind a bound.
pub fn later(at: &Stamp, bound: Bound) -> bool {
    against(at, bound, false) == Ordering::Greater
}

/// How a moment stands to a bound; `next_day`: the records have passed midnight since the first.
fn against(at: &Stamp, bound: Bound, next_day: bool) -> Ordering {
    match bound {
        Bound::Epoch(epoch) => at.moment.ust_time.cmp(&epoch),
        Bound::Clock(seconds) => {
            let of_day = [at.civil.hour, at.civil.minute, at.civil.second];
            let now = of_day.iter().fold(0, |sum, &part| sum * 60 + u32::from(part));
            (now + if next_day { 86_400 } else { 0 }).cmp(&seconds)
        }
    }
}

/// Chooses the records nearest to the multiples of an interval.
struct Slicer {
    interval: u64,
    first: u64,
    last: u64,
}

impl Slicer {
    /// With E seconds since the first record and I since the one before, both rounded half up, a record is taken
    /// if a multiple of the interval lies in [E − I/2, E + I/2).
    fn takes(&mut self, uptime_cs: u64) -> bool {
        let seconds = |from: u64| ((uptime_cs.wrapping_sub(from) & 0xffff_ffff) + 50) / 100;
        let since_last = seconds(self.last);
        self.last = uptime_cs;
        if self.interval <= 1 {
            return true;
        }
        let entry = seconds(self.first);
        let around = entry.saturating_sub(since_last / 2)..entry + since_last.div_ceil(2);
        let below = entry / self.interval * self.interval;
        [below, below.saturating_add(self.interval)].iter().any(|point| around.contains(point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: records at 0, 11, 12, 17, 22 s; every 10 s takes 11 (10 in [5.5→6, 17)), 22 (20 in [20, 25)).
    #[test]
    fn the_records_nearest_to_the_multiples_are_taken() {
        let mut slicer = Slicer { interval: 10, first: 0, last: 0 };
        let taken: Vec<bool> = [1100, 1200, 1700, 2200].iter().map(|&uptime| slicer.takes(uptime)).collect();
        assert_eq!(taken, [true, false, false, true]);
    }

    #[test]
    fn an_interval_of_one_takes_everything() {
        let mut slicer = Slicer { interval: 1, first: 0, last: 0 };
        assert!(slicer.takes(0) && slicer.takes(1) && slicer.takes(u64::MAX));
    }

    #[test]
    fn after_midnight_the_hours_go_on() {
        let at = Stamp { civil: Civil { hour: 0, minute: 0, second: 8, ..Civil::default() }, ..Stamp::default() };
        assert_eq!(against(&at, Bound::Clock(86_400 + 20), true), Ordering::Less);
        assert_eq!(against(&at, Bound::Clock(86_400 + 20), false), Ordering::Less);
        assert_eq!(against(&at, Bound::Clock(0), true), Ordering::Greater);
    }
}
