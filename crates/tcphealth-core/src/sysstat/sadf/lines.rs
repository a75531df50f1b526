//! `sadf -d`, `-p` and `-r`: a line for an item, for a value, for an item with its counters.

use super::{Times, seconds};
use crate::sysstat::activity::{Activity, DUPLEX, Dialect, ItemKind, Kind as ColumnKind, SPEED};
use crate::sysstat::header::Header;
use crate::sysstat::items::{Items, VALUES_MAX};
use crate::sysstat::number::{fixed, integer};
use crate::sysstat::rates::{Label, Pair, Wanted, each_pair, figures, interval_cs};
use crate::sysstat::record::Kind;
use crate::sysstat::style::{Ink, Style};
use crate::sysstat::text::printable;
use crate::sysstat::walk::{Outs, Printer, Special, Step};

/// Which of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `-d`: a line for an item, fields between semicolons.
    Database,
    /// `-dh`: a line for a record.
    Wide,
    /// `-p`: a line for a value, fields between tabs.
    Values,
    /// `-r`: counters before and now.
    Raw,
}

/// Prints lines.
pub struct LinePrinter<'a> {
    form: Form,
    times: Times<'a>,
    wanted: Wanted,
    style: Style,
    nodename: Vec<u8>,
    activities: Vec<&'static Activity>,
    /// Whether the file was begun with more than one item of the activity.
    several: Vec<bool>,
}

impl<'a> LinePrinter<'a> {
    /// Prints these activities of a file.
    pub fn new(
        form: Form,
        (header, activities): (&Header, &[&'static Activity]),
        times: Times<'a>,
        (wanted, style): (Wanted, Style),
    ) -> Self {
        let items = |activity: &&Activity| {
            let listed = header.activities.iter().find(|listed| listed.id == activity.id);
            listed.is_some_and(|listed| listed.items > 1)
        };
        let several = activities.iter().map(items).collect();
        Self { form, times, wanted, style, nodename: header.nodename.clone(), activities: activities.to_vec(), several }
    }

    /// A piece of the line of headings, which is the only one with a colour.
    fn heading(&self, out: &mut Vec<u8>, piece: &str) {
        self.style.ink(out, Ink::Comment, |out| out.extend_from_slice(piece.as_bytes()));
    }

    /// A RESTART tells whether the lines of CPUs that follow are several.
    fn count_cpus(&mut self, cpus: u32) {
        let per_cpu = self.activities.iter().zip(&mut self.several).filter(|(one, _)| one.item == ItemKind::Cpu);
        per_cpu.for_each(|(_, several)| *several = cpus > 1);
    }

    fn separator(&self) -> u8 {
        if self.form == Form::Values { b'\t' } else { b';' }
    }

    fn of_lane(&self, lane: usize) -> std::ops::Range<usize> {
        if self.form == Form::Wide { 0..self.activities.len() } else { lane..lane + 1 }
    }

    /// Host, interval, time: what stands in front of every line.
    fn prefix(&self, interval: &str, time: &str) -> Vec<u8> {
        let separator = [self.separator()];
        [&self.nodename, interval.as_bytes(), time.as_bytes()].join(&separator[..])
    }

    fn lines(&self, out: &mut Vec<u8>, prefix: &[u8], (activity, pair, interval): (&Activity, &Pair<'_>, u64)) {
        let shown = figures(activity, pair, interval);
        if self.form == Form::Values {
            return self.values(out, prefix, (activity, pair, &shown));
        }
        if self.form == Form::Database {
            out.extend_from_slice(prefix);
        }
        fields(out, activity, pair, &shown);
        if self.form == Form::Database {
            out.push(b'\n');
        }
    }

    fn values(
        &self,
        out: &mut Vec<u8>,
        prefix: &[u8],
        (activity, pair, shown): (&Activity, &Pair<'_>, &[f64; VALUES_MAX]),
    ) {
        let item = match pair.label {
            Label::One => b"-".to_vec(),
            Label::Cpu(number) => format!("cpu{number}").into_bytes(),
            label => crate::sysstat::text::name(label),
        };
        for (column, figure) in activity.columns.iter().zip(shown) {
            let head = self.times.dialect.head(column).as_bytes();
            for part in [prefix, b"\t", &item, b"\t", head, b"\t"] {
                out.extend_from_slice(part);
            }
            value(out, column.kind, *figure);
            out.push(b'\n');
        }
    }

    fn raw(&self, out: &mut Vec<u8>, time: &str, activity: &Activity, (prev, curr): (&Items, &mut Items)) {
        let mut show = |pair: Pair<'_>| raw_line(out, self.times.dialect, time, (activity, &pair));
        if activity.item != ItemKind::Cpu {
            return each_pair(activity, (prev, curr), &self.wanted, &mut show);
        }
        for index in (1..curr.len()).filter(|&index| self.wanted.cpus.holds(index)) {
            let (old, new) = (prev.row(index), curr.row(index));
            show(Pair { label: Label::Cpu(index - 1), old, new, fresh: false, went_back: false });
        }
    }
}

/// The fields of an item, each behind a semicolon.
fn fields(out: &mut Vec<u8>, activity: &Activity, pair: &Pair<'_>, shown: &[f64; VALUES_MAX]) {
    let item = match pair.label {
        Label::One => None,
        Label::AllCpus => Some(b"-1".to_vec()),
        label => Some(crate::sysstat::text::name(label)),
    };
    if let Some(item) = item {
        out.push(b';');
        out.extend(item);
    }
    for (column, figure) in activity.columns.iter().zip(shown) {
        out.push(b';');
        value(out, column.kind, *figure);
    }
}

/// A figure with two decimals, a gauge without, bytes in units of 1024.
pub(super) fn value(out: &mut Vec<u8>, kind: ColumnKind, figure: f64) {
    match kind {
        ColumnKind::Gauge => integer(out, figure as u64, 0),
        ColumnKind::KiloRate => fixed(out, figure / 1024.0, 0, 2),
        ColumnKind::Rate | ColumnKind::Utilisation => fixed(out, figure, 0, 2),
    }
}

/// An item's counters before and now, its gauges now.
fn raw_line(out: &mut Vec<u8>, dialect: Dialect, time: &str, (activity, pair): (&Activity, &Pair<'_>)) {
    out.extend_from_slice(time.as_bytes());
    out.push(b';');
    if let Some(head) = activity.item_head() {
        raw_field(out, head.as_bytes());
        raw_field(out, &crate::sysstat::text::name(pair.label));
    }
    let number = |out: &mut Vec<u8>, row: &[u64], index: usize| {
        raw_field(out, row.get(index).copied().unwrap_or(0).to_string().as_bytes());
    };
    for (index, column) in activity.columns.iter().enumerate() {
        if column.kind == ColumnKind::Utilisation {
            for (head, place) in [("speed", SPEED), ("duplex", DUPLEX)] {
                raw_field(out, head.as_bytes());
                number(out, pair.new, place);
            }
            continue;
        }
        raw_field(out, dialect.head(column).as_bytes());
        if column.kind != ColumnKind::Gauge {
            number(out, pair.old, index);
        }
        number(out, pair.new, index);
    }
    out.push(b'\n');
}

fn raw_field(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(text);
    out.push(b';');
}

impl Printer for LinePrinter<'_> {
    fn special(&mut self, out: &mut Outs<'_>, lane: usize, special: &Special) {
        if let Kind::Restart(cpus) = special.kind {
            self.count_cpus(cpus);
        }
        let restart = |word: &str, blank: &str, cpus: u32| format!("{word}{blank}({} CPU)", Header::cpus_shown(cpus));
        let raw = self.form == Form::Raw;
        let mut text = if raw {
            [self.times.time(&special.at).as_bytes(), b"; "].concat()
        } else {
            let mut prefix = self.prefix("-1", &self.times.date_and_time(&special.at));
            prefix.push(self.separator());
            prefix
        };
        match &special.kind {
            Kind::Restart(cpus) => text.extend(restart("LINUX-RESTART", if raw { " " } else { "\t" }, *cpus).bytes()),
            Kind::Interruption => text.extend_from_slice(b"RECORDING-INTERRUPTED"),
            Kind::Comment(comment) => {
                text.extend_from_slice(b"COM ");
                text.extend(printable(comment));
            }
            Kind::Statistics => {}
        }
        text.push(b'\n');
        out.lane(lane).append(&mut text);
    }

    fn open(&mut self, out: &mut Outs<'_>, lane: usize) {
        if !matches!(self.form, Form::Database | Form::Wide) {
            return;
        }
        let text = out.lane(lane);
        let range = self.of_lane(lane);
        self.heading(text, "# hostname;interval;timestamp");
        for (activity, several) in self.activities.iter().zip(&self.several).take(range.end).skip(range.start) {
            let heads = activity.columns.iter().map(|column| self.times.dialect.head(column));
            let heads: Vec<&str> = activity.item_head().into_iter().chain(heads).collect();
            self.heading(text, &format!(";{}", heads.join(";")));
            if self.form == Form::Wide && *several {
                self.heading(text, "[...]");
            }
        }
        text.push(b'\n');
    }

    fn turn(&mut self, _: usize) {}

    fn rows(&mut self, out: &mut Outs<'_>, step: Step<'_>) -> bool {
        let interval = interval_cs(step.before.at.moment.uptime_cs, step.now.at.moment.uptime_cs);
        let text = out.lane(step.lane);
        let at = step.now.at;
        // A zone without a name leaves no blank here, other than behind the time of a RESTART or comment.
        let prefix = match self.form {
            Form::Raw => self.times.time(&at).trim_end().as_bytes().to_vec(),
            _ => self.prefix(&seconds(&step).to_string(), self.times.date_and_time(&at).trim_end()),
        };
        if self.form == Form::Wide {
            text.extend_from_slice(&prefix);
        }
        let range = self.of_lane(step.lane);
        let activities = self.activities.get(range).unwrap_or_default();
        for ((activity, before), now) in activities.iter().zip(&step.before.items).zip(&mut step.now.items) {
            match self.form {
                Form::Raw => self.raw(text, &String::from_utf8_lossy(&prefix), activity, (before, now)),
                _ => each_pair(activity, (before, now), &self.wanted, &mut |pair| {
                    self.lines(text, &prefix, (activity, &pair, interval));
                }),
            }
        }
        if self.form == Form::Wide {
            text.push(b'\n');
        }
        true
    }

    fn close(&mut self, _: &mut Outs<'_>, _: Step<'_>) {}
}
