//! A saved host → a recording of days in which its counters grow and its services breathe, as a recorder would have stored it,
//! and trouble in the last hour. To measure reading on thirty days:
//!
//! `TCPHEALTH_DAYS=30 TCPHEALTH_STORE=DIR cargo test --profile quick -p tcphealth --bin tcphealth month`

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::Path;

use tcphealth_core::catalog::{Kind, entry};
use tcphealth_core::diff::{Change, Quantities, Worth, compare};
use tcphealth_core::frame::block::{Builder, Moment};
use tcphealth_core::frame::leaves::{Leaf, Slots, split};
use tcphealth_core::frame::row::{self, Row, Series};
use tcphealth_core::frame::taken::{Meter, Taken};
use tcphealth_core::frame::totals::{PERIOD_US, Totals};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::snapshot::{Answers, Endpoint, Service, ServiceKey, Snapshot, State};
use tcphealth_linux::{Host, Pass};

use super::day::Day;
use super::names::Names;
use super::reader::day_of;
use super::sum::LiveRow;
use super::{Range, Store, Stream, US_PER_DAY};
use crate::examine::answered;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const SYSCTL: &str = "net.ipv4.tcp_tw_reuse";

/// How a recording is made.
struct Plan {
    /// From when until when, µs since 1970.
    range: Range,
    /// Time between two samples of the counters, µs.
    interval: i64,
    /// Time between two looks, µs.
    census: i64,
}

/// Numbers that look random, the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The host: what it is like in trouble, and without.
struct Simulated {
    sick: Snapshot,
    healthy: Snapshot,
    answers: Answers,
    /// Counters that grow: table, place, so many a second.
    growing: Vec<(usize, usize, f64)>,
    dice: Dice,
}

impl Simulated {
    fn new() -> Self {
        let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/hosts/close-forgotten");
        let mut host = Host::frozen(Path::new(saved)).expect("a saved host");
        let (first, marks) = host.look(Pass::First).expect("a look");
        let (mut sick, _) = host.look(Pass::Second(&marks)).expect("a look");
        let mut find = |asked, answers: &mut Answers| Ok(host.answer(&asked, answers, std::time::Duration::MAX)?);
        let answers =
            answered((&first, Some(&sick)), &History::default(), (Answers::new(), &Limits::default()), &mut find)
                .expect("a window");
        let census = sick.census.as_mut().expect("sockets");
        let source = [198, 51, 100, 1].into();
        for port in 5001..=5040 {
            let destination = Endpoint { address: [203, 0, 113, (port % 8) as u8].into(), port };
            let mut service = Service::new(ServiceKey::Destination { source, destination });
            service.states.set(State::Established, u32::from(port) - 4990);
            census.services.push(service);
        }
        census.services.sort_unstable_by_key(|service| service.key);
        census.trim();
        let mut healthy = sick.clone();
        let census = healthy.census.as_mut().expect("sockets");
        census.sockets.retain(|followed| followed.socket.state != State::CloseWait);
        census.states.set(State::CloseWait, 0);
        for service in &mut census.services {
            service.states.set(State::CloseWait, 0);
            service.kept.set(State::CloseWait, 0);
        }
        sick.sysctls.insert(SYSCTL.to_owned(), Ok("1".to_owned()));
        healthy.sysctls.insert(SYSCTL.to_owned(), Ok("2".to_owned()));
        let growing = growing(&healthy);
        Self { sick, healthy, answers, growing, dice: Dice(0x9E37_79B9_7F4A_7C15) }
    }

    /// Lets some seconds pass: more happens by day than by night, and in trouble one segment in thirty is sent again.
    fn grow(&mut self, wall_us: i64, seconds: f64, trouble: bool) {
        let day = 1.0 + 0.6 * (wall_us as f64 / US_PER_DAY as f64 * TAU).sin();
        for &(table, place, per_second) in &self.growing {
            let (names, values) = {
                let table = &mut self.healthy.counters.tables[table];
                (table.names.list(), &mut table.values)
            };
            let per_second = match names[place].as_ref() {
                "Tcp.OutSegs" | "Tcp.InSegs" => 500.0,
                "Tcp.RetransSegs" => {
                    if trouble {
                        15.0
                    } else {
                        0.05
                    }
                }
                _ => per_second,
            };
            values[place] += (per_second * day * seconds + self.dice.roll()) as u64;
        }
    }

    /// A look at it now.
    fn look(&mut self, at: Moment, trouble: bool) -> Snapshot {
        let mut now = if trouble { self.sick.clone() } else { self.healthy.clone() };
        now.counters = self.healthy.counters.clone();
        for service in &mut now.census.as_mut().expect("sockets").services {
            let some = f64::from(service.states.get(State::Established));
            service.states.set(State::Established, (some * (0.9 + 0.2 * self.dice.roll())).round() as u32);
        }
        (now.at.begin_ns, now.at.end_ns, now.at.wall_ns) =
            (at.boot_us * 1000, at.boot_us * 1000 + 900_000, at.wall_us * 1000);
        now
    }
}

/// A fifth of the counters grow, a third of these every second.
fn growing(host: &Snapshot) -> Vec<(usize, usize, f64)> {
    let counts = |name: &str| entry(name).is_none_or(|entry| entry.kind == Kind::Counter);
    let mut growing = Vec::new();
    for (table, of) in host.counters.tables.iter().enumerate() {
        for (place, name) in of.names.list().iter().enumerate().filter(|(_, name)| counts(name)) {
            let busy = ["Tcp.OutSegs", "Tcp.InSegs", "Tcp.RetransSegs"].contains(&name.as_ref());
            if busy || place % 15 == 0 {
                growing.push((table, place, 20.0 + place as f64));
            } else if place % 5 == 0 {
                growing.push((table, place, 0.1));
            }
        }
    }
    growing
}

/// A stream of one day on its way into the file.
struct Pen {
    stream: Stream,
    block: Builder,
    last: (Moment, Row),
}

impl Pen {
    fn push(&mut self, day: &mut Day, at: Moment, row: Row) {
        self.block.push(at, &row);
        self.last = (at, row);
        if self.block.rows() >= self.stream.block_rows() {
            self.fold(day);
        }
    }

    /// A row that is stored alone brings the words of all; the block takes its place.
    fn fold(&mut self, day: &mut Day) {
        if self.block.rows() > 0 {
            let (at, row) = &self.last;
            let bytes = row::encode(&[], row);
            let alone = LiveRow { stream: self.stream, at: *at, bytes: &bytes, before: &[], now: row };
            day.append(0, &alone).expect("it is stored");
            day.fold(self.stream, &std::mem::take(&mut self.block).finish()).expect("it is stored");
        }
    }
}

type Put<'a> = dyn FnMut(&str, &str, Leaf) + 'a;

fn row_of(names: &mut Names, each: &mut dyn FnMut(&mut Put<'_>)) -> Row {
    let mut row = Row::new();
    each(&mut |entity, field, leaf| {
        let (entity, field) = (names.id(entity), names.id(field));
        row.push(match leaf {
            Leaf::Number(number) => (Series { entity, field, word: false }, number),
            Leaf::Word(word) => (Series { entity, field, word: true }, u64::from(names.id(&word))),
        });
    });
    row.sort_unstable();
    row
}

/// What writes the recording.
struct Recorder {
    plan: Plan,
    host: Simulated,
    totals: Totals,
    slots: Slots,
}

/// A day while it is written.
struct Page {
    day: Day,
    pens: [Pen; Stream::ALL.len()],
    /// Where each counter's series is.
    shape: Vec<(Series, usize, usize)>,
    look: Row,
}

impl Recorder {
    /// Writes everything, a file a day.
    fn record(mut self, directory: &Path) {
        let (begin, end) = self.plan.range;
        for number in begin.div_euclid(US_PER_DAY)..=end.div_euclid(US_PER_DAY) {
            let mut day = Day::write(&directory.join(format!("{}.db", day_of(number)))).expect("a day");
            let pens = Stream::ALL.map(|stream| Pen { stream, block: Builder::default(), last: Default::default() });
            let shape = shape_of(&mut day.names, &self.host.healthy);
            let mut page = Page { day, pens, shape, look: Row::new() };
            let midnight = begin.max(number * US_PER_DAY);
            let first = midnight + (begin - midnight).rem_euclid(self.plan.interval);
            let last = end.min((number + 1) * US_PER_DAY - 1);
            for wall_us in (first..=last).step_by(usize::try_from(self.plan.interval).expect("it is positive")) {
                self.sample(wall_us, &mut page);
            }
            for pen in &mut page.pens {
                pen.fold(&mut page.day);
            }
            page.day.close().expect("it is closed");
        }
    }

    fn sample(&mut self, wall_us: i64, page: &mut Page) {
        let (begin, end) = self.plan.range;
        let at = Moment { boot_us: (wall_us - begin + HOUR_US).unsigned_abs(), wall_us };
        let trouble = wall_us > end - HOUR_US;
        self.host.grow(wall_us, self.plan.interval as f64 / 1e6, trouble);
        let tables = &self.host.healthy.counters.tables;
        let value = |(series, table, place): &(Series, usize, usize)| (*series, tables[*table].values[*place]);
        page.pens[0].push(&mut page.day, at, page.shape.iter().map(value).collect());
        if (wall_us - begin) % self.plan.census == 0 {
            self.look(at, trouble, page);
        }
    }

    fn look(&mut self, at: Moment, trouble: bool, page: &mut Page) {
        let now = self.host.look(at, trouble);
        self.totals.add(&now.counters, now.census.as_ref().ok());
        // Without trouble the sockets move once an hour: that is what makes this fast.
        if page.look.is_empty() || trouble || at.wall_us % HOUR_US < self.plan.census {
            let ms = |us: i64| us.unsigned_abs() / 1000;
            let (interval_ms, census_interval_ms) = (ms(self.plan.interval), ms(self.plan.census));
            let meter = Meter { interval_ms, census_interval_ms, ..Meter::default() };
            let leaves = Taken::of(&now, &self.host.answers, meter).leaves(&mut self.slots);
            page.look = row_of(&mut page.day.names, &mut |each| put(&leaves, each));
        }
        retime(&mut page.day.names, &mut page.look, at);
        page.pens[1].push(&mut page.day, at, page.look.clone());
        if (at.wall_us - self.plan.range.0) % PERIOD_US.cast_signed() == 0 {
            let row = row_of(&mut page.day.names, &mut |each| self.totals.finish(&now.counters, each));
            page.pens[2].push(&mut page.day, at, row);
        }
    }
}

fn put(leaves: &BTreeMap<String, Leaf>, each: &mut Put<'_>) {
    for (path, leaf) in leaves {
        let (entity, field) = split(path);
        each(entity, field, leaf.clone());
    }
}

/// Each counter's series, in their order, with its place.
fn shape_of(names: &mut Names, host: &Snapshot) -> Vec<(Series, usize, usize)> {
    let mut shape = Vec::new();
    for (number, table) in host.counters.tables.iter().enumerate() {
        for (place, name) in table.names.list().iter().enumerate() {
            let series = Series { entity: names.id(table.file), field: names.id(name), word: false };
            shape.push((series, number, place));
        }
    }
    shape.sort_unstable();
    shape.dedup_by_key(|(series, ..)| *series);
    shape
}

/// Moves a look to another time.
fn retime(names: &mut Names, row: &mut Row, at: Moment) {
    let times = [
        ("begin_ns", at.boot_us * 1000),
        ("end_ns", at.boot_us * 1000 + 900_000),
        ("wall_ns", at.wall_us.unsigned_abs() * 1000),
    ];
    let entity = names.id("");
    for (name, value) in times {
        let series = Series { entity, field: names.id(&format!("\u{1f}at\u{1f}{name}")), word: false };
        let place = row.binary_search_by_key(&series, |(series, _)| *series).expect("a look has its times");
        row[place].1 = value;
    }
}

fn changes(store: &Store, a: Range, b: Range) -> Vec<Change> {
    let mut quantities = Quantities::default();
    let sides = [a, b].map(|range| store.side(range, &mut quantities, &Limits::default()).expect("a range"));
    let periods = store.periods(a, b, &mut quantities).expect("periods");
    compare(&sides[0], &sides[1], &quantities, &periods)
}

#[test]
fn trouble_in_the_last_hour_of_a_month_comes_first_and_equal_hours_have_none() {
    let place = tempfile::tempdir().expect("a directory");
    let set = |name| std::env::var(name).ok();
    let (days, kept) = (set("TCPHEALTH_DAYS").and_then(|days| days.parse().ok()), set("TCPHEALTH_STORE"));
    let directory = kept.as_ref().map_or(place.path(), Path::new);
    let end_us = days.map_or(1_795_300_000 * SECOND_US, |_: i64| jiff::Timestamp::now().as_microsecond());
    let (interval, census) =
        if days.is_some() { (SECOND_US, 10 * SECOND_US) } else { (60 * SECOND_US, 300 * SECOND_US) };
    let range = (end_us - days.map_or(26 * HOUR_US, |days| days * US_PER_DAY), end_us);
    let (plan, host) = (Plan { range, interval, census }, Simulated::new());
    Recorder { plan, host, totals: Totals::default(), slots: Slots::default() }.record(directory);
    let store = Store::open(directory).expect("a recording");
    let hour = |ago: i64| (end_us - (ago + 1) * HOUR_US, end_us - ago * HOUR_US);
    let unusual: Vec<Change> = changes(&store, hour(24), hour(0)).into_iter().filter(Change::is_unusual).collect();
    let told: Vec<String> = unusual.iter().map(|change| format!("{} {}", change.kind.name(), change.name)).collect();
    assert!(told[0].starts_with("finding close-wait-leak@"), "{told:?}");
    assert_eq!(told[1], format!("setting {SYSCTL}"));
    assert_eq!((&unusual[1].a, &unusual[1].b), (&Worth::Word("2".into()), &Worth::Word("1".into())));
    let numbers = &told[2..];
    assert!(numbers.iter().any(|name| name.starts_with("sockets CLOSE_WAIT 192.0.2.1:8080")), "{told:?}");
    assert!(numbers.contains(&"share Tcp.RetransSegs / Tcp.OutSegs".to_owned()), "{told:?}");
    assert!(numbers.iter().all(|name| name.contains("CLOSE_WAIT") || name.contains("RetransSegs")), "{told:?}");
    let usual = changes(&store, hour(25), hour(1));
    assert!(usual.len() > 50 && !usual.iter().any(Change::is_unusual), "{usual:?}");
}
