//! A recording → the bytes of a file of sysstat's, so that sar and sadf tell of it with all their options.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use tcphealth_core::frame::block;
use tcphealth_core::frame::leaves::Leaf;
use tcphealth_core::frame::taken::{Scene, goes_on};
use tcphealth_core::snapshot::Identity;
use tcphealth_core::sysstat::activity::{Activity, NETWORK};
use tcphealth_core::sysstat::clock::{Civil, Zone, utc};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::items::Items;
use tcphealth_core::sysstat::kept::{Place, Places};
use tcphealth_core::sysstat::record::Moment;
use tcphealth_core::sysstat::walk::Bound;
use tcphealth_core::sysstat::writer::{head, interruption, restart, statistics};

use super::arguments::Selection;
use super::failure::Failure;
use super::zone::LocalZone;
use crate::store::{Picked, Store, Stream, patience_us};
use crate::when::When;

/// Ticks a second in everything that Linux tells user space.
const USER_HZ: u64 = 100;
/// So much of a recording is in memory at a time, µs.
const CHUNK_US: i64 = 1_800_000_000;
const US_PER_SECOND: i64 = 1_000_000;
/// The look that tells how the host was is at most so much older, µs: the longest interval between two.
const LOOK_BACK_US: i64 = 600_000_000;

/// A recording as a file of sysstat's.
pub(crate) struct Tape {
    store: Store,
    activities: Vec<&'static Activity>,
    places: Places,
    /// How the host was, from when on, µs since 1970.
    scenes: Vec<(i64, Scene)>,
    /// When there is something, µs since 1970.
    spans: Vec<(i64, i64)>,
    /// The time that is still to be told, µs since 1970.
    range: (i64, i64),
    /// Whose the record before was.
    before: Option<(block::Moment, Identity)>,
    /// CPUs of the host, plus one.
    cpus: u32,
    told_lacking: bool,
    bytes: Vec<u8>,
    at: usize,
}

impl Tape {
    /// The part of a recording that the bounds mean, without any the newest day; `None` when it is no recording.
    pub(crate) fn of(directory: &Path, selection: &Selection) -> Result<Option<Self>, Failure> {
        if !Store::is_one(directory) {
            return Ok(None);
        }
        let opened = Self::open(directory, selection);
        let tape = opened.map_err(|error| Failure::line(1, format_args!("{error:#}")))?;
        let none = || format!("Requested activities not available in file {}", directory.display());
        if tape.activities.is_empty() { Err(Failure::line(1, none())) } else { Ok(Some(tape)) }
    }

    fn open(directory: &Path, selection: &Selection) -> anyhow::Result<Self> {
        let store = Store::open(directory)?;
        let range = range(&store, selection)?;
        let mut spans = store.spans()?;
        spans.retain(|(begin, end)| *begin <= range.1 && *end >= range.0);
        if spans.is_empty() {
            return Err(store.nothing_in(range));
        }
        let activities = kept(&store, range, selection)?;
        let mut tape = Self {
            places: Places::new(&activities),
            scenes: scenes(&store, range)?,
            store,
            activities,
            spans,
            range,
            cpus: 0,
            before: None,
            told_lacking: false,
            bytes: Vec::new(),
            at: 0,
        };
        tape.begin()?;
        Ok(tape)
    }

    /// The head tells of the first sample.
    fn begin(&mut self) -> anyhow::Result<()> {
        let first = loop {
            let chunk = self.chunk()?;
            if !chunk.is_empty() || self.range.0 > self.range.1 {
                break chunk;
            }
        };
        let at_us = first.first().map_or(self.range.0, |(at, _)| at.wall_us);
        let scene = self.scene(at_us);
        self.store.names((at_us, at_us), &mut |name| self.cpus += u32::from(is_cpu(name)))?;
        self.cpus += 1;
        let ust_time = seconds(at_us);
        let civil = civil(ust_time, &scene);
        let header = Header {
            ust_time,
            hz: USER_HZ,
            cpus: self.cpus,
            date: (civil.day, civil.month.saturating_sub(1), (civil.year - 1900) as i32),
            sysname: b"Linux".to_vec(),
            nodename: scene.identity.hostname.into_bytes(),
            release: scene.identity.kernel.into_bytes(),
            hardware: scene.identity.hardware.into_bytes(),
            timezone: LocalZone::of_process().abbreviation(ust_time).into_bytes(),
            ..Header::of_this_machine()
        };
        let listed: Vec<(&Activity, u32)> = self.activities.iter().map(|activity| (*activity, 1)).collect();
        self.bytes = head(&header, &listed);
        self.put(first);
        Ok(())
    }

    /// The samples of the next part of the time.
    fn chunk(&mut self) -> anyhow::Result<Vec<Picked<Place>>> {
        let end = self.range.0.saturating_add(CHUNK_US - 1).min(self.range.1);
        let places = &mut self.places;
        let chunk = self.store.picked(Stream::Counters, (self.range.0, end), &mut |_, name| places.of(name))?;
        self.range.0 = end + 1;
        // Over a time without data in one step.
        let ahead = self.spans.iter().find(|(_, end)| *end >= self.range.0);
        self.range.0 = ahead.map_or(self.range.1 + 1, |(begin, _)| self.range.0.max(*begin));
        Ok(chunk)
    }

    fn scene(&self, wall_us: i64) -> Scene {
        let after = self.scenes.partition_point(|(from, _)| *from <= wall_us);
        let scene = self.scenes.get(after.saturating_sub(1)).map(|(_, scene)| scene.clone());
        scene.unwrap_or_default()
    }

    /// Writes records. Where the host was started anew, the clock was set, another namespace was recorded or nothing was, nothing is
    /// compared across.
    fn put(&mut self, samples: Vec<Picked<Place>>) {
        for (at, values) in samples {
            let scene = self.scene(at.wall_us);
            let clock = civil(seconds(at.wall_us), &scene);
            let clock = (clock.hour, clock.minute, clock.second);
            let moment = Moment { uptime_cs: at.boot_us / 10_000, ust_time: seconds(at.wall_us), clock };
            if let Some((before, identity)) = self.before.replace((at, scene.identity.clone())) {
                if identity.boot_id != scene.identity.boot_id {
                    self.bytes.extend(restart(&moment, self.cpus));
                } else if !scene.identity.is(&identity)
                    || !goes_on(before, at, patience_us(scene.meter.census_interval_ms))
                {
                    self.bytes.extend(interruption(&moment));
                }
            }
            let number = |(place, leaf): &(Place, Leaf)| Some((*place, leaf.number()?));
            let values: Vec<(Place, u64)> = values.iter().filter_map(number).collect();
            let links = scene.interfaces.as_deref().unwrap_or_default();
            let sets: Option<Vec<Items>> = self.places.items(&values, links).into_iter().collect();
            let Some(sets) = sets else {
                self.tell_lacking(at.wall_us);
                continue;
            };
            let sets: Vec<(&Activity, &Items)> = self.activities.iter().copied().zip(&sets).collect();
            self.bytes.extend(statistics(&moment, &sets));
        }
    }

    /// A record has all of its reports or is none.
    fn tell_lacking(&mut self, wall_us: i64) {
        if !std::mem::replace(&mut self.told_lacking, true) {
            let at = When(wall_us).shown();
            eprintln!(
                "{at}: not all of these reports were kept; such moments are left out: ask for fewer at a time (-n)"
            );
        }
    }
}

impl Read for Tape {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.bytes.len() && self.range.0 <= self.range.1 {
            (self.bytes, self.at) = (Vec::new(), 0);
            let chunk = self.chunk().map_err(|error| io::Error::other(format!("{error:#}")))?;
            self.put(chunk);
        }
        let count = self.bytes.get(self.at..).unwrap_or_default().read(to)?;
        self.at += count;
        Ok(count)
    }
}

fn seconds(wall_us: i64) -> u64 {
    u64::try_from(wall_us / US_PER_SECOND).unwrap_or(0)
}

fn is_cpu(name: &str) -> bool {
    name.starts_with("softnet.cpu") && name.ends_with(".processed")
}

/// The time on the host's own clock.
fn civil(ust_time: u64, scene: &Scene) -> Civil {
    utc(ust_time.saturating_add_signed(scene.at.utc_offset_seconds.into())).unwrap_or_default()
}

/// From when until when: the bounds that are seconds since 1970, else the day of the newest sample with room for its clock.
fn range(store: &Store, selection: &Selection) -> anyhow::Result<(i64, i64)> {
    let (midnight, newest_us) = day(store, selection)?;
    let begin = if let Some(Bound::Epoch(start)) = selection.start { us(start) } else { us(midnight) };
    let end = match selection.end {
        Some(Bound::Epoch(end)) => us(end.saturating_add(1)) - 1,
        Some(Bound::Clock(end)) => us(midnight + u64::from(end) + 3600),
        None if matches!(selection.start, Some(Bound::Epoch(_))) => newest_us,
        None => us(midnight + 86_400) - 1,
    };
    Ok((begin, end.min(newest_us.max(begin))))
}

/// From when until when exactly, µs since 1970.
pub(crate) fn bounds(store: &Store, selection: &Selection) -> anyhow::Result<(i64, i64)> {
    let (midnight, newest_us) = day(store, selection)?;
    let (begin, end) = selection.range(midnight);
    Ok((us(begin), end.map_or(newest_us, |end| us(end.saturating_add(1)) - 1).min(newest_us)))
}

/// The local midnight of the day that is meant, seconds since 1970, and the newest sample, µs.
fn day(store: &Store, selection: &Selection) -> anyhow::Result<(u64, i64)> {
    let newest_us = store.spans()?.last().map_or(0, |(_, end)| *end);
    let of = if let Some(Bound::Epoch(start)) = selection.start { start } else { seconds(newest_us) };
    Ok((LocalZone::of_process().midnight(of), newest_us))
}

fn us(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(0).saturating_mul(US_PER_SECOND)
}

/// The reports that are wanted and of which something was kept in that time.
fn kept(store: &Store, range: (i64, i64), selection: &Selection) -> anyhow::Result<Vec<&'static Activity>> {
    let wanted: Vec<&'static Activity> = NETWORK.iter().filter(|activity| selection.holds(activity)).collect();
    let mut places = Places::new(&wanted);
    let mut found = BTreeSet::new();
    store.names(range, &mut |name| found.extend(places.of(name).map(Place::activity)))?;
    Ok(found.into_iter().filter_map(|place| wanted.get(place).copied()).collect())
}

/// How the host was when, each time that it was another.
fn scenes(store: &Store, range: (i64, i64)) -> anyhow::Result<Vec<(i64, Scene)>> {
    let begin = range.0.saturating_sub(LOOK_BACK_US);
    let picked = store.picked(Stream::Census, (begin, range.1), &mut |entity, field| {
        let path = format!("{entity}{field}");
        Scene::has(&path).then_some(path)
    })?;
    let mut scenes: Vec<(i64, Scene)> = Vec::new();
    let mut before = Vec::new();
    for (at, leaves) in picked {
        if leaves != before {
            before.clone_from(&leaves);
            scenes.push((at.wall_us, Scene::from_leaves(&leaves.into_iter().collect())?));
        }
    }
    Ok(scenes)
}
