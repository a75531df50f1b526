//! `sadf -j` and `-x`: JSON and XML, the readings of a file, then its RESTARTs, then its comments.
//!
//! Names and comments are escaped, which sysstat forgets.

use super::{Times, seconds};
use crate::sysstat::activity::{Activity, Dialect, ItemKind};
use crate::sysstat::header::Header;
use crate::sysstat::items::Items;
use crate::sysstat::rates::{Pair, Wanted, each_pair, figures, interval_cs};
use crate::sysstat::record::Kind;
use crate::sysstat::text::{name, printable};
use crate::sysstat::walk::{Outs, Printer, Special, Stamp, Step};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// The lanes: readings, RESTARTs, comments.
const READINGS: usize = 0;
const RESTARTS: usize = 1;
const COMMENTS: usize = 2;

/// Prints a tree.
pub struct TreePrinter<'a> {
    markup: Markup,
    times: Times<'a>,
    wanted: Wanted,
    activities: Vec<&'static Activity>,
    comments: bool,
    /// How many elements each lane holds.
    held: [u64; 3],
}

impl<'a> TreePrinter<'a> {
    /// Prints these activities, and comments if they are wanted.
    pub fn new(
        markup: Markup,
        activities: &[&'static Activity],
        (times, wanted, comments): (Times<'a>, Wanted, bool),
    ) -> Self {
        Self { markup, times, wanted, activities: activities.to_vec(), comments, held: [0; 3] }
    }

    /// How many readings were printed.
    pub fn readings(&self) -> u64 {
        self.held.first().copied().unwrap_or(0)
    }

    /// Prints what is known of the host and the day on which the file was made; `alone`: nothing follows.
    pub fn begin(&self, out: &mut Outs<'_>, header: &Header, (date, alone): (&str, bool)) {
        let text = out.lane(READINGS);
        let utc = crate::sysstat::clock::utc(header.ust_time).unwrap_or_default();
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let about = [
            ("nodename", name(&header.nodename)),
            ("sysname", name(&header.sysname)),
            ("release", name(&header.release)),
            ("machine", name(&header.hardware)),
            ("number-of-cpus", Header::cpus_shown(header.cpus).to_string()),
            ("file-date", date.to_owned()),
            ("file-utc-time", utc.time()),
            ("timezone", name(&header.timezone)),
        ];
        match self.markup {
            Markup::Json => begin_json(text, &about, alone),
            Markup::Xml => begin_xml(text, &about, (self.times.dialect, alone)),
        }
    }

    /// Closes everything and shows it.
    pub fn finish(&self, out: &mut Outs<'_>) {
        match self.markup {
            Markup::Json => self.finish_json(out),
            Markup::Xml => self.finish_xml(out),
        }
        out.end_section(COMMENTS + 1);
    }

    /// Closes what `begin` opened when nothing followed.
    pub fn finish_alone(&self, out: &mut Outs<'_>) {
        let end: &[u8] = if self.markup == Markup::Json { b"\n\t\t}\n\t]\n}}\n" } else { b"\t</host>\n</sysstat>\n" };
        out.lane(READINGS).extend_from_slice(end);
        out.end_section(1);
    }

    fn finish_json(&self, out: &mut Outs<'_>) {
        let held = |lane: usize| self.held.get(lane).is_some_and(|&held| held > 0);
        let end = |lane: usize| if held(lane) { "\n\t\t\t]" } else { "\t\t\t]" };
        let readings = format!("{},\n\t\t\t\"restarts\": [\n", end(READINGS));
        out.lane(READINGS).extend(readings.bytes());
        let follow = if self.comments { ",\n\t\t\t\"comments\": [\n" } else { "" };
        out.lane(RESTARTS).extend(format!("{}{follow}", end(RESTARTS)).bytes());
        let close = if self.comments { end(COMMENTS) } else { "" };
        out.lane(COMMENTS).extend(format!("{close}\n\t\t}}\n\t]\n}}}}\n").bytes());
    }

    fn finish_xml(&self, out: &mut Outs<'_>) {
        out.lane(READINGS).extend_from_slice(b"\t\t</statistics>\n\t\t<restarts>\n");
        let follow = if self.comments { "\t\t<comments>\n" } else { "" };
        out.lane(RESTARTS).extend(format!("\t\t</restarts>\n{follow}").bytes());
        let close = if self.comments { "\t\t</comments>\n" } else { "" };
        out.lane(COMMENTS).extend(format!("{close}\t</host>\n</sysstat>\n").bytes());
    }

    /// Date, time and zone as members or attributes.
    fn when(&self, at: &Stamp) -> String {
        let (date, time) = (at.civil.iso_date(), at.civil.time());
        let utc = u8::from(matches!(
            self.times.clock,
            crate::sysstat::clock::Clock::Utc | crate::sysstat::clock::Clock::Epoch
        ));
        match (self.markup, self.times.dialect) {
            (Markup::Json, Dialect::V12_6) => format!("\"date\": \"{date}\", \"time\": \"{time}\", \"utc\": {utc}"),
            (Markup::Json, Dialect::Current) => {
                let zone = escaped(Markup::Json, self.times.zone_name(at).as_bytes());
                format!("\"date\": \"{date}\", \"time\": \"{time}\", \"tz\": \"{zone}\"")
            }
            (Markup::Xml, Dialect::V12_6) => format!("date=\"{date}\" time=\"{time}\" utc=\"{utc}\""),
            (Markup::Xml, Dialect::Current) => {
                let zone = escaped(Markup::Xml, self.times.zone_name(at).as_bytes());
                format!("date=\"{date}\" time=\"{time}\" tz=\"{zone}\"")
            }
        }
    }

    /// Counts an element of a lane; behind the first one JSON has commas.
    fn count(&mut self, out: &mut Outs<'_>, lane: usize) {
        let Some(held) = self.held.get_mut(lane) else { return };
        if *held > 0 && self.markup == Markup::Json {
            out.lane(lane).extend_from_slice(b",\n");
        }
        *held += 1;
    }

    fn json_reading(&self, text: &mut Vec<u8>, step: &mut Step<'_>) {
        let interval = interval_cs(step.before.at.moment.uptime_cs, step.now.at.moment.uptime_cs);
        let when = self.when(&step.now.at);
        let head = format!("\t\t\t\t{{\n\t\t\t\t\t\"timestamp\": {{{when}, \"interval\": {}}}", seconds(step));
        text.extend(head.bytes());
        let mut members = Vec::new();
        for ((activity, before), now) in self.activities.iter().zip(&step.before.items).zip(&mut step.now.items) {
            if !now.is_empty() {
                let items = self.json_items(activity, interval, (before, now));
                members.push(json_member(activity, &items));
            }
        }
        if !members.is_empty() {
            text.extend_from_slice(b",\n\t\t\t\t\t\"network\": {\n");
            text.extend(members.join(&b",\n"[..]));
            text.extend_from_slice(b"\n\t\t\t\t\t}");
        }
        text.extend_from_slice(b"\n\t\t\t\t}");
    }

    fn json_items(&self, activity: &Activity, interval: u64, items: (&Items, &mut Items)) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        each_pair(activity, items, &self.wanted, &mut |pair| {
            let mut item = b"{".to_vec();
            if let Some(key) = item_key(activity) {
                let name = escaped(Markup::Json, &name(pair.label));
                item.extend(format!("\"{key}\": \"{name}\", ").bytes());
            }
            let shown = figures(activity, &pair, interval);
            for (index, (column, figure)) in activity.columns.iter().zip(&shown).enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                item.extend(format!("{comma}\"{}\": ", self.times.dialect.key(column)).bytes());
                super::lines::value(&mut item, column.kind, *figure);
            }
            item.push(b'}');
            all.push(item);
        });
        all
    }

    fn xml_reading(&self, text: &mut Vec<u8>, step: &mut Step<'_>) {
        let interval = interval_cs(step.before.at.moment.uptime_cs, step.now.at.moment.uptime_cs);
        let when = self.when(&step.now.at);
        text.extend(format!("\t\t\t<timestamp {when} interval=\"{}\">\n", seconds(step)).bytes());
        let some = step.now.items.iter().any(|items| !items.is_empty());
        if some {
            text.extend_from_slice(b"\t\t\t\t<network per=\"second\">\n");
        }
        for ((activity, before), now) in self.activities.iter().zip(&step.before.items).zip(&mut step.now.items) {
            each_pair(activity, (before, now), &self.wanted, &mut |pair| {
                self.xml_item(text, activity, (&pair, interval));
            });
        }
        if some {
            text.extend_from_slice(b"\t\t\t\t</network>\n");
        }
        text.extend_from_slice(b"\t\t\t</timestamp>\n");
    }

    fn xml_item(&self, text: &mut Vec<u8>, activity: &Activity, (pair, interval): (&Pair<'_>, u64)) {
        let (element, key) = match activity.item {
            ItemKind::FcHost => ("fchost", Some("name")),
            _ => (activity.element, item_key(activity)),
        };
        text.extend(format!("\t\t\t\t\t<{element}").bytes());
        if let Some(key) = key {
            text.extend(format!(" {key}=\"{}\"", escaped(Markup::Xml, &name(pair.label))).bytes());
        }
        let shown = figures(activity, pair, interval);
        for (column, figure) in activity.columns.iter().zip(&shown) {
            text.extend(format!(" {}=\"", self.times.dialect.key(column)).bytes());
            super::lines::value(text, column.kind, *figure);
            text.push(b'"');
        }
        text.extend_from_slice(b"/>\n");
    }
}

/// The member or attribute that names an item.
fn item_key(activity: &Activity) -> Option<&'static str> {
    match activity.item {
        ItemKind::One => None,
        ItemKind::Interface => Some("iface"),
        ItemKind::FcHost => Some("fchost"),
        ItemKind::Cpu => Some("cpu"),
    }
}

/// One activity of a reading: an object, or a list of them.
fn json_member(activity: &Activity, items: &[Vec<u8>]) -> Vec<u8> {
    let mut member = format!("\t\t\t\t\t\t\"{}\": ", activity.element).into_bytes();
    if activity.item == ItemKind::One {
        member.extend(items.concat());
        return member;
    }
    member.extend_from_slice(b"[\n");
    for (index, item) in items.iter().enumerate() {
        member.extend_from_slice(if index == 0 { b"\t\t\t\t\t\t\t" } else { b",\n\t\t\t\t\t\t\t" });
        member.extend_from_slice(item);
    }
    member.extend_from_slice(b"\n\t\t\t\t\t\t]");
    member
}

fn begin_json(text: &mut Vec<u8>, about: &[(&str, String)], alone: bool) {
    text.extend_from_slice(b"{\"sysstat\": {\n\t\"hosts\": [\n\t\t{\n");
    for (index, (key, value)) in about.iter().enumerate() {
        let comma = if index == 0 { "" } else { ",\n" };
        let value = escaped(Markup::Json, value.as_bytes());
        let quote = if *key == "number-of-cpus" { "" } else { "\"" };
        text.extend(format!("{comma}\t\t\t\"{key}\": {quote}{value}{quote}").bytes());
    }
    if !alone {
        text.extend_from_slice(b",\n\t\t\t\"statistics\": [\n");
    }
}

fn begin_xml(text: &mut Vec<u8>, about: &[(&str, String)], (dialect, alone): (Dialect, bool)) {
    let (doctype, space, version) = match dialect {
        Dialect::Current => ("", "https://sysstat.github.io", "3.18"),
        Dialect::V12_6 => (
            "<!DOCTYPE sysstat PUBLIC \"DTD v3.11 sysstat //EN\"\n\
             \"http://pagesperso-orange.fr/sebastien.godard/sysstat-3.11.dtd\">\n",
            "http://pagesperso-orange.fr/sebastien.godard/sysstat",
            "3.11",
        ),
    };
    let schema = match dialect {
        Dialect::Current => format!("{space} {space}/sysstat.xsd"),
        Dialect::V12_6 => "http://pagesperso-orange.fr/sebastien.godard sysstat.xsd".to_owned(),
    };
    text.extend(
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{doctype}<sysstat\nxmlns=\"{space}\"\n\
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\nxsi:schemaLocation=\"{schema}\">\n\
             \t<sysdata-version>{version}</sysdata-version>\n"
        )
        .bytes(),
    );
    for (key, value) in about {
        let value = escaped(Markup::Xml, value.as_bytes());
        let line = match *key {
            "nodename" => format!("\t<host nodename=\"{value}\">\n"),
            _ => format!("\t\t<{key}>{value}</{key}>\n"),
        };
        text.extend(line.bytes());
    }
    if !alone {
        text.extend_from_slice(b"\t\t<statistics>\n");
    }
}

/// Text in which nothing can be taken for markup.
fn escaped(markup: Markup, bytes: &[u8]) -> String {
    let mut out = String::new();
    for character in String::from_utf8_lossy(bytes).chars() {
        match (markup, character) {
            (Markup::Json, '"' | '\\') => out.extend(['\\', character]),
            (Markup::Json, control) if control.is_control() => {
                out.extend(format!("\\u{:04x}", u32::from(control)).chars());
            }
            (Markup::Xml, '&') => out += "&amp;",
            (Markup::Xml, '<') => out += "&lt;",
            (Markup::Xml, '>') => out += "&gt;",
            (Markup::Xml, '"') => out += "&quot;",
            (Markup::Xml, control) if control.is_control() => out.push('.'),
            _ => out.push(character),
        }
    }
    out
}

impl Printer for TreePrinter<'_> {
    fn special(&mut self, out: &mut Outs<'_>, _: usize, special: &Special) {
        let when = self.when(&special.at);
        let (lane, element) = match (&special.kind, self.markup) {
            (Kind::Restart(cpus), markup) => {
                let cpus = Header::cpus_shown(*cpus);
                let element = match markup {
                    Markup::Json => format!("\"boot\": {{{when}, \"cpu_count\": {cpus}}}"),
                    Markup::Xml => format!("<boot {when} cpu_count=\"{cpus}\"/>"),
                };
                (RESTARTS, element)
            }
            (Kind::Comment(comment), markup) => {
                let comment = escaped(markup, &printable(comment).collect::<Vec<u8>>());
                let element = match markup {
                    Markup::Json => format!("\"comment\": {{{when}, \"com\": \"{comment}\"}}"),
                    Markup::Xml => format!("<comment {when} com=\"{comment}\"/>"),
                };
                (COMMENTS, element)
            }
            (Kind::Statistics | Kind::Interruption, _) => return,
        };
        self.count(out, lane);
        let text = match self.markup {
            Markup::Json => format!("\t\t\t\t{{\n\t\t\t\t\t{element}\n\t\t\t\t}}"),
            Markup::Xml => format!("\t\t\t{element}\n"),
        };
        out.lane(lane).extend(text.bytes());
    }

    fn open(&mut self, _: &mut Outs<'_>, _: usize) {}

    fn turn(&mut self, _: usize) {}

    fn rows(&mut self, out: &mut Outs<'_>, mut step: Step<'_>) -> bool {
        self.count(out, READINGS);
        let text = out.lane(READINGS);
        match self.markup {
            Markup::Json => self.json_reading(text, &mut step),
            Markup::Xml => self.xml_reading(text, &mut step),
        }
        true
    }

    /// sysstat's JSON has an empty object for every reading that it does not show.
    fn passed(&mut self, out: &mut Outs<'_>, _: usize) {
        if self.markup == Markup::Json {
            self.count(out, READINGS);
            out.lane(READINGS).extend_from_slice(b"\t\t\t\t{\n\t\t\t\t}");
        }
    }

    fn close(&mut self, _: &mut Outs<'_>, _: Step<'_>) {}

    /// The lanes are shown when the file ends, not its sections.
    fn end_section(&mut self, _: &mut Outs<'_>, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_taken_for_markup() {
        assert_eq!(escaped(Markup::Json, b"x\"y;z\\\n"), "x\\\"y;z\\\\\\u000a");
        assert_eq!(escaped(Markup::Xml, b"a<b&c>\"\x01"), "a&lt;b&amp;c&gt;&quot;.");
    }
}
