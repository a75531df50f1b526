//! `tcphealth import`: files of sysstat's → the store, so that memory reaches back before the installation.
//!
//! What the store has of a time already stays as it is: a second import adds nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tcphealth_core::frame::leaves::{Slots, split};
use tcphealth_core::frame::taken::{Meter, Taken};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Answers, Snapshot};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::past::readings;
use tcphealth_core::sysstat::record::Reader;
use tcphealth_core::words::Message;

use super::record::store_counters;
use super::sysstat::past::{OLD_HZ, broken};
use crate::args::ImportArgs;
use crate::speech::{self, Complaint, Speech};
use crate::store::{self, Keep, Store, Stream, Writer};
use crate::when::When;

/// Two readings are of the same boot when it seems to have begun within so many seconds at both: clocks are set now and then.
const SAME_BOOT_SECONDS: u64 = 300;

/// Imports every file; 1 when one of them could not be read whole.
pub(crate) fn run(args: &ImportArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let directory = args.store.clone().unwrap_or_else(store::default_dir);
    let mut whole = true;
    let mut complain = |complaint: Complaint| {
        whole = false;
        speech::complain(&complaint.into(), speech.lang);
    };
    let files = in_order(&args.from, &mut complain)?;
    if files.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    // For how long it is kept is the recorder's to say.
    let writer = Writer::new(&directory, Keep { days: u32::MAX, bytes: u64::MAX })?;
    let known = if Store::is_one(&directory) { Store::open(&directory)?.spans()? } else { Vec::new() };
    let mut import = Import { writer, known, added: BTreeSet::new(), boot: Boot::default(), slots: Slots::default() };
    for file in files {
        let done = import.file(&file)?;
        speech::print(&format!("{}\n", done.words(&file).get(speech.lang)))?;
        if let Some(trouble) = &done.damage {
            complain(broken(&file, trouble));
        }
    }
    import.writer.close()?;
    Ok(ExitCode::from(u8::from(!whole)))
}

/// The files that are meant, the oldest first.
fn in_order(from: &[PathBuf], complain: &mut dyn FnMut(Complaint)) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = BTreeSet::new();
    for path in from {
        let place = || path.display().to_string();
        if !path.is_dir() {
            files.insert(path.clone());
            continue;
        }
        let before = files.len();
        for entry in fs::read_dir(path).with_context(place)? {
            let file = entry.with_context(place)?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let day = name.strip_prefix("sa").filter(|day| day.starts_with(|first: char| first.is_ascii_digit()));
            files.extend(day.is_some().then_some(file.clone()));
        }
        if files.len() == before {
            complain(Complaint(say! {
                en: "{place}: no files of sysstat's here (sa01 to sa31, saYYYYMMDD)",
                ko: "{place}: sysstat 파일(sa01~sa31, saYYYYMMDD)이 없음",
                place = place()
            }));
        }
    }
    let mut dated = Vec::new();
    for file in files {
        match head(&file) {
            Ok((header, _)) => dated.push((header.ust_time, file)),
            Err(complaint) => complain(complaint),
        }
    }
    dated.sort_unstable();
    Ok(dated.into_iter().map(|(_, file)| file).collect())
}

/// Opens a file and reads its head.
fn head(file: &Path) -> Result<(Header, Input<File>), Complaint> {
    let packed =
        file.extension().is_some_and(|ending| ["xz", "gz", "bz2", "zst", "lz4"].iter().any(|one| ending == *one));
    if packed {
        let words = say! { en: "{file}: compressed; unpack it first", ko: "{file}: 압축되어 있음. 먼저 풀어야 함", file = file.display() };
        return Err(Complaint(words));
    }
    let mut input = Input::new(File::open(file).map_err(|error| broken(file, &Trouble::Io(error)))?);
    match Header::read(&mut input, Some(OLD_HZ)) {
        Ok(header) => Ok((header, input)),
        Err(Trouble::NotSa) => Err(Complaint(
            say! { en: "{file} is no file of sysstat's", ko: "{file}: sysstat 파일이 아님", file = file.display() },
        )),
        Err(trouble) => Err(broken(file, &trouble)),
    }
}

/// What became of a file.
#[derive(Default)]
struct Done {
    readings: usize,
    added: usize,
    /// The times of its first and last reading, µs since 1970.
    span: Option<(i64, i64)>,
    damage: Option<Trouble>,
}

impl Done {
    fn words(&self, file: &Path) -> Message {
        let shown = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), |at| When(at).shown());
        say! {
            en: "{file}: {added} of {readings} readings added, {begin} to {end}",
            ko: "{file}: 기록 {readings}개 중 {added}개 추가, {begin}부터 {end}까지",
            file = file.display(), added = self.added, readings = self.readings,
            begin = shown(self.span.map(|(begin, _)| begin)), end = shown(self.span.map(|(_, end)| end))
        }
    }
}

/// The boot that the newest reading is of.
#[derive(Default)]
struct Boot {
    id: String,
    began_seconds: u64,
    newest_ns: u64,
    /// Starts of the host in the file that it was read from.
    starts: usize,
}

impl Boot {
    /// Names the boot of the next reading.
    fn of(&mut self, snapshot: &Snapshot, starts: usize) -> String {
        let wall_seconds = u64::try_from(snapshot.at.wall_ns / 1_000_000_000).unwrap_or(0);
        let began_seconds = wall_seconds.saturating_sub(snapshot.at.begin_ns / 1_000_000_000);
        let goes_on = self.newest_ns < snapshot.at.begin_ns && self.starts == starts;
        if self.id.is_empty() || !goes_on || self.began_seconds.abs_diff(began_seconds) > SAME_BOOT_SECONDS {
            *self = Self { id: format!("booted-{began_seconds}"), began_seconds, ..Self::default() };
        }
        (self.newest_ns, self.starts) = (snapshot.at.begin_ns, starts);
        self.id.clone()
    }
}

struct Import {
    writer: Writer,
    /// The times of which the store had something, µs since 1970.
    known: Vec<(i64, i64)>,
    /// What is new of this run: seconds of the wall clock, ns of the boot clock.
    added: BTreeSet<(i64, u64)>,
    boot: Boot,
    slots: Slots,
}

impl Import {
    fn file(&mut self, file: &Path) -> anyhow::Result<Done> {
        let (header, input) = head(file)?;
        let (mut done, mut before, mut stored) = (Done::default(), None, Ok(()));
        self.boot.starts = 0;
        done.damage = readings(Reader::new(input, header, |_| true), &mut |snapshot, starts| {
            let at_us = snapshot.at.wall_ns / 1000;
            done.readings += 1;
            done.span = Some((done.span.map_or(at_us, |(begin, _)| begin), at_us));
            let since_us: Option<i64> = before.replace(at_us).map(|before| at_us - before);
            let is_known = self.known.iter().any(|(begin, end)| (*begin..=*end).contains(&at_us));
            if stored.is_ok() && !is_known && self.added.insert((at_us, snapshot.at.begin_ns)) {
                done.added += 1;
                stored = self.store(snapshot, starts, since_us.unwrap_or(0));
            }
        });
        stored.map(|()| done)
    }

    /// Stores a reading as a look without sockets, with the time since the one before as its interval.
    fn store(&mut self, mut snapshot: Snapshot, starts: usize, since_us: i64) -> anyhow::Result<()> {
        snapshot.identity.boot_id = self.boot.of(&snapshot, starts);
        let interval_ms = u64::try_from(since_us / 1000).unwrap_or(0);
        let meter = Meter { interval_ms, census_interval_ms: interval_ms, ..Meter::default() };
        let taken = Taken::of(&snapshot, &Answers::new(), meter);
        let leaves = taken.leaves(&mut self.slots);
        self.writer.append(Stream::Census, taken.moment(), &mut |each| {
            for (path, leaf) in &leaves {
                let (entity, field) = split(path);
                each(entity, field, leaf.clone());
            }
        })?;
        store_counters(&mut self.writer, taken.moment(), &snapshot.counters)
    }
}
