//! What `sar` prints: a table per activity, its header, its averages.
//!
//! Source: `print_hdr_line()` in sysstat's `common.c`, `pr_stats.c`, `write_stats_avg()` in `sar.c`.

use super::activity::{Activity, Column, Dialect, ItemKind, Kind as ColumnKind};
use super::header::Header;
use super::items::VALUES_MAX;
use super::number::{integer, padded};
use super::rates::{Label, Pair, Wanted, each_pair, figures, interval_cs};
use super::record::Kind;
use super::style::{Ink, Style};
use super::walk::{Outs, Printer, Special, Step};

/// What is asked of a report.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Which sysstat's column names.
    pub dialect: Dialect,
    /// How values look.
    pub style: Style,
    /// Which items.
    pub wanted: Wanted,
    /// Items that did not change are left out, `-z`.
    pub omit_unchanged: bool,
    /// Extremes beside the average, `-x`.
    pub extremes: bool,
    /// Lines after which the header is repeated.
    pub rows: u64,
}

/// Prints the reports of `sar`.
pub struct SarPrinter {
    settings: Settings,
    activities: Vec<&'static Activity>,
    /// The activities of a record are printed together, with one header for all or for each.
    together: bool,
    lanes: Vec<Heading>,
    tallies: Vec<Vec<Tally>>,
    oddities: Vec<Oddity>,
}

/// A counter that went back, and where sysstat would not have said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The keyword of the activity.
    pub keyword: &'static str,
    /// The time of the line.
    pub time: String,
    /// The item, if the activity has several.
    pub item: String,
}

/// Whether a lane is due a header.
#[derive(Clone, Copy, Debug, Default)]
struct Heading {
    lines: u64,
    due: bool,
}

/// What is remembered of an item for the lines below its table.
#[derive(Clone, Debug)]
struct Tally {
    name: Vec<u8>,
    sums: [u64; VALUES_MAX],
    least: [f64; VALUES_MAX],
    most: [f64; VALUES_MAX],
}

/// One line: whose, its values, how gauges are written.
struct Line<'a> {
    title: &'a str,
    name: &'a [u8],
    figures: &'a [f64; VALUES_MAX],
    mean: bool,
}

const AVERAGE: &str = "Average:";

impl SarPrinter {
    /// Prints these activities, each on a lane of its own or all `together`.
    pub fn new(settings: Settings, activities: &[&'static Activity], together: bool) -> Self {
        let lanes = if together { 1 } else { activities.len() };
        Self {
            settings,
            together,
            lanes: vec![Heading::default(); lanes],
            tallies: vec![Vec::new(); activities.len()],
            activities: activities.to_vec(),
            oddities: Vec::new(),
        }
    }

    /// The counters that went back; the first few, for one line.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// Whether the next lines begin with a header; for live reports, which decide that themselves.
    pub fn set_heading(&mut self, due: bool) {
        self.lanes.iter_mut().for_each(|lane| lane.due = due);
    }

    fn of_lane(&self, lane: usize) -> std::ops::Range<usize> {
        if self.together { 0..self.activities.len() } else { lane..lane + 1 }
    }

    /// One activity's lines of one reading.
    fn table(&mut self, out: &mut Vec<u8>, index: usize, (item, step): (usize, &mut Step<'_>)) -> bool {
        let Some(&activity) = self.activities.get(index) else { return false };
        let interval = interval_cs(step.before.at.moment.uptime_cs, step.now.at.moment.uptime_cs);
        let time = step.now.at.civil.time();
        let (Some(before), Some(now)) = (step.before.items.get(item), step.now.items.get_mut(item)) else {
            return false;
        };
        if now.is_empty() {
            return false;
        }
        let due = self.lanes.get(step.lane).is_some_and(|lane| lane.due);
        if due || self.omits(activity) {
            self.settings.header(out, activity, &step.before.at.civil.time());
        }
        let settings = &self.settings;
        let Some(tallies) = self.tallies.get_mut(index) else { return false };
        let kept = settings.extremes || activity.columns.iter().any(|column| column.kind == ColumnKind::Gauge);
        let (mut oddities, mut place) = (Vec::new(), 0);
        each_pair(activity, (before, now), &settings.wanted, &mut |pair| {
            if settings.omit_unchanged && unchanged(activity, &pair) {
                return;
            }
            let shown = figures(activity, &pair, interval);
            if kept {
                tally(tallies, &name(pair.label), place).remember(activity, &pair, &shown);
                place += 1;
            }
            if pair.went_back {
                oddities.push(oddity(activity, &pair, &time));
            }
            settings.line(out, activity, &Line { title: &time, name: &name(pair.label), figures: &shown, mean: false });
        });
        let room = 1_usize.saturating_sub(self.oddities.len());
        self.oddities.extend(oddities.into_iter().take(room));
        true
    }

    fn omits(&self, activity: &Activity) -> bool {
        self.settings.omit_unchanged && matches!(activity.item, ItemKind::Interface | ItemKind::Cpu)
    }

    /// One activity's lines below its table: averages, and with `-x` the extremes.
    fn below(&mut self, out: &mut Vec<u8>, index: usize, (item, step): (usize, &mut Step<'_>)) {
        let Some(&activity) = self.activities.get(index) else { return };
        let interval = interval_cs(step.before.at.moment.uptime_cs, step.now.at.moment.uptime_cs);
        let (Some(first), Some(last)) = (step.before.items.get(item), step.now.items.get_mut(item)) else { return };
        let tallies = self.tallies.get_mut(index).map(std::mem::take).unwrap_or_default();
        if last.is_empty() {
            return;
        }
        let settings = &self.settings;
        let due = self.lanes.get(step.lane).is_some_and(|lane| lane.due);
        if !settings.extremes && (due || self.omits(activity)) {
            settings.header(out, activity, AVERAGE);
        }
        let readings = step.shown;
        each_pair(activity, (first, last), &settings.wanted, &mut |pair| {
            if settings.omit_unchanged && unchanged(activity, &pair) {
                return;
            }
            let name = name(pair.label);
            let tally = tallies.iter().find(|tally| tally.name == name);
            let mut shown = figures(activity, &pair, interval);
            means(activity, tally, readings, &mut shown);
            if let (true, Some(tally)) = (settings.extremes, tally) {
                settings.header(out, activity, "Summary:");
                for (title, figures) in [("Minimum:", &tally.least), ("Maximum:", &tally.most)] {
                    settings.line(out, activity, &Line { title, name: &name, figures, mean: false });
                }
            }
            settings.line(out, activity, &Line { title: AVERAGE, name: &name, figures: &shown, mean: true });
        });
    }
}

/// Puts the mean of what was printed in the place of every gauge.
fn means(activity: &Activity, tally: Option<&Tally>, readings: u64, shown: &mut [f64; VALUES_MAX]) {
    for (index, (column, figure)) in activity.columns.iter().zip(shown).enumerate() {
        if column.kind == ColumnKind::Gauge {
            let sum = tally.and_then(|tally| tally.sums.get(index)).copied().unwrap_or(0);
            *figure = sum as f64 / readings.max(1) as f64;
        }
    }
}

/// The tally of an item, which most likely stands where it stood before.
fn tally<'a>(tallies: &'a mut Vec<Tally>, name: &[u8], place: usize) -> &'a mut Tally {
    let there = tallies.get(place).is_some_and(|tally| tally.name == name);
    let place = if there { Some(place) } else { tallies.iter().position(|tally| tally.name == name) };
    let place = place.unwrap_or_else(|| {
        let (sums, least, most) = ([0; VALUES_MAX], [f64::INFINITY; VALUES_MAX], [0.0; VALUES_MAX]);
        tallies.push(Tally { name: name.to_vec(), sums, least, most });
        tallies.len() - 1
    });
    tallies.get_mut(place).expect("found, or just pushed")
}

impl Tally {
    /// Adds what is printed; a counter that went back adds nothing to the extremes.
    fn remember(&mut self, activity: &Activity, pair: &Pair<'_>, shown: &[f64; VALUES_MAX]) {
        let tallied = self.sums.iter_mut().zip(self.least.iter_mut().zip(&mut self.most));
        let values = pair.old.iter().zip(pair.new).zip(shown);
        for ((column, ((&old, &new), &figure)), (sum, (least, most))) in
            activity.columns.iter().zip(values).zip(tallied)
        {
            let counter = matches!(column.kind, ColumnKind::Rate | ColumnKind::KiloRate);
            let figure = if counter && new < old { 0.0 } else { figure };
            *sum = sum.wrapping_add(new);
            *least = least.min(figure);
            *most = most.max(figure);
        }
    }
}

fn oddity(activity: &Activity, pair: &Pair<'_>, time: &str) -> Oddity {
    let item = String::from_utf8_lossy(&name(pair.label)).into_owned();
    Oddity { keyword: activity.keyword, time: time.to_owned(), item }
}

/// Whether `-z` leaves an item out. An interface that was not there before is compared with no name at all, where
/// sysstat's comparison of DEV reaches into the name; that of EDEV does not.
fn unchanged(activity: &Activity, pair: &Pair<'_>) -> bool {
    let compared = if activity.has_speed() { super::activity::SPEED + 1 } else { activity.columns.len() };
    match activity.item {
        ItemKind::One | ItemKind::FcHost => false,
        _ if activity.has_speed() && pair.fresh => false,
        _ => pair.old.iter().take(compared).eq(pair.new.iter().take(compared)),
    }
}

/// A time, or what stands in its place.
fn title_column(out: &mut Vec<u8>, title: &str) {
    out.extend_from_slice(title.as_bytes());
    out.extend(std::iter::repeat_n(b' ', 11_usize.saturating_sub(title.len())));
}

/// The name of an item as it stands in a line.
pub(super) fn name(label: Label<'_>) -> Vec<u8> {
    match label {
        Label::One => Vec::new(),
        Label::Name(name) => name.to_vec(),
        Label::AllCpus => b"all".to_vec(),
        Label::Cpu(number) => number.to_string().into_bytes(),
    }
}

impl Settings {
    /// An empty line, a time, and the names of the columns.
    fn header(&self, out: &mut Vec<u8>, activity: &Activity, title: &str) {
        out.push(b'\n');
        title_column(out, title);
        let item = activity.item_head().unwrap_or_default().as_bytes();
        let last = self.item_last(activity);
        if !item.is_empty() && !last {
            out.push(b' ');
            padded(out, item, if activity.item == ItemKind::Cpu { 7 } else { 9 });
        }
        for column in activity.columns {
            out.push(b' ');
            padded(out, self.dialect.head(column).as_bytes(), 9);
        }
        if last {
            out.push(b' ');
            out.extend_from_slice(item);
        }
        out.push(b'\n');
    }

    fn item_last(&self, activity: &Activity) -> bool {
        activity.item == ItemKind::FcHost || (activity.item == ItemKind::Interface && self.style.pretty)
    }

    fn line(&self, out: &mut Vec<u8>, activity: &Activity, line: &Line<'_>) {
        title_column(out, line.title);
        let last = self.item_last(activity);
        match activity.item {
            ItemKind::One => {}
            ItemKind::Cpu => self.style.item(out, line.name, 7),
            _ if last => {}
            _ => self.style.item(out, line.name, 9),
        }
        for (column, figure) in activity.columns.iter().zip(line.figures) {
            self.cell(out, column, *figure, line.mean);
        }
        match activity.item {
            // The line's end is in the colour of the name, here and nowhere else.
            ItemKind::FcHost => self.style.item(out, &[line.name, b"\n"].concat(), 0),
            _ if last => self.style.item(out, line.name, 0),
            _ => {}
        }
        if activity.item != ItemKind::FcHost {
            out.push(b'\n');
        }
    }

    fn cell(&self, out: &mut Vec<u8>, column: &Column, figure: f64, mean: bool) {
        match column.kind {
            ColumnKind::Rate => self.style.rate(out, figure),
            ColumnKind::KiloRate => self.style.bytes(out, figure),
            ColumnKind::Gauge if mean => self.style.mean(out, figure),
            ColumnKind::Gauge => self.style.gauge(out, figure as u64),
            ColumnKind::Utilisation => self.style.percentage(out, figure),
        }
    }

    /// How many lines an activity's items count for.
    fn lines(&self, activity: &Activity, items: usize) -> u64 {
        if activity.item == ItemKind::Cpu { self.wanted.cpus.bits() } else { items as u64 }
    }
}

impl Printer for SarPrinter {
    fn special(&mut self, out: &mut Outs<'_>, lane: usize, special: &Special) {
        let text = out.lane(lane);
        if matches!(special.kind, Kind::Restart(_) | Kind::Interruption) {
            text.push(b'\n');
        }
        title_column(text, &special.at.civil.time());
        match &special.kind {
            Kind::Restart(cpus) => self.settings.style.ink(text, Ink::Restart, |text| {
                text.extend_from_slice(b"  LINUX RESTART\t(");
                integer(text, u64::from(Header::cpus_shown(*cpus)), 0);
                text.extend_from_slice(b" CPU)\n");
            }),
            Kind::Interruption => self.settings.style.ink(text, Ink::Restart, |text| {
                text.extend_from_slice(b"  RECORDING INTERRUPTED\n");
            }),
            Kind::Comment(comment) => self.settings.style.ink(text, Ink::Comment, |text| {
                text.extend_from_slice(b"  COM ");
                text.extend(printable(comment));
                text.push(b'\n');
            }),
            Kind::Statistics => {}
        }
        if let Some(heading) = self.lanes.get_mut(lane).filter(|heading| heading.lines > 0) {
            heading.lines += 1;
        }
    }

    fn open(&mut self, _: &mut Outs<'_>, lane: usize) {
        if let Some(heading) = self.lanes.get_mut(lane) {
            *heading = Heading::default();
        }
    }

    fn turn(&mut self, lane: usize) {
        if let Some(heading) = self.lanes.get_mut(lane) {
            heading.due = heading.lines == 0 || heading.lines >= self.settings.rows;
            if heading.due {
                heading.lines = 0;
            }
        }
    }

    fn rows(&mut self, out: &mut Outs<'_>, mut step: Step<'_>) -> bool {
        let mut printed = false;
        for (item, index) in self.of_lane(step.lane).enumerate() {
            printed |= self.table(out.lane(step.lane), index, (item, &mut step));
        }
        if let (true, Some(activity)) = (printed, self.activities.get(step.lane)) {
            // sysstat counts the items of the reading before, which may have had none.
            let items = step.before.items.first().map_or(0, super::items::Items::len);
            let lines = self.settings.lines(activity, items);
            if let Some(heading) = self.lanes.get_mut(step.lane) {
                heading.lines += lines;
            }
        }
        printed
    }

    fn close(&mut self, out: &mut Outs<'_>, mut step: Step<'_>) {
        for (item, index) in self.of_lane(step.lane).enumerate() {
            self.below(out.lane(step.lane), index, (item, &mut step));
        }
    }
}

/// A comment's bytes with a dot for each that cannot be printed.
pub(super) fn printable(comment: &[u8]) -> impl Iterator<Item = u8> + '_ {
    comment.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { byte } else { b'.' })
}

/// The first line of a report: the host, the date, the CPUs.
pub fn banner(header: &Header, date: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (before, name) in [("", &header.sysname), (" ", &header.release), (" (", &header.nodename)] {
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(name);
    }
    out.extend_from_slice(format!(") \t{date} \t_").as_bytes());
    out.extend_from_slice(&header.hardware);
    out.extend_from_slice(format!("_\t({} CPU)\n", Header::cpus_shown(header.cpus)).as_bytes());
    out
}
