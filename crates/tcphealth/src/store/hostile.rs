//! A recording that was damaged in every way that bytes describe → an error or fewer data, and every value that is read is the
//! undamaged one. The fuzzer and the ordinary tests share this.
#![expect(clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, params};
use tcphealth_core::diff::{Quantities, compare};
use tcphealth_core::format::json_line;
use tcphealth_core::frame::block::Moment;
use tcphealth_core::frame::leaves::{Leaf, Slots, split};
use tcphealth_core::frame::taken::counter_leaves;
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::words::Lang;

use super::{Keep, Past, Range, Store, Stream, Writer};
use crate::when::When;

const DAY: &str = "20261122.db";
const ALWAYS: Range = (i64::MIN, i64::MAX);
/// What is written behind the recording that is in blocks, so that rows of their own follow it, µs.
const LATER_US: i64 = 18_000_000;
/// Changes to one recording.
const CHANGES_MAX: usize = 64;

/// A sample by its stream and its times, with all that it says.
type Rows = BTreeMap<(i64, u64, i64), Vec<(String, Leaf)>>;
/// Reports, by the times of the looks at both ends, ns on the boot clock.
type Reports = BTreeMap<(u64, u64), String>;

/// A recording that is whole.
struct Truth {
    place: tempfile::TempDir,
    bytes: Vec<u8>,
    rows: Rows,
    moments: Vec<When>,
    reports: Reports,
}

impl Truth {
    /// Six looks with the counters between them: three in blocks, three in rows.
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/recordings/2/20261122.db");
        fs::copy(saved, place.path().join(DAY)).expect("a recording");
        write_more(place.path());
        let bytes = fs::read(place.path().join(DAY)).expect("a file");
        let store = Store::open(place.path()).expect("a recording");
        let rows = rows(&store).expect("it is whole");
        let looks = store.taken(ALWAYS).expect("it is whole");
        assert_eq!(looks.len(), 6);
        // In a block, where rows follow it, and at the end.
        let moments: Vec<When> = looks.iter().skip(1).step_by(2).map(|look| When(look.at.wall_us)).collect();
        let reports = reports(&store, &moments).expect("it is whole");
        assert!(reports.len() > 3 && rows.len() > 30);
        Self { place, bytes, rows, moments, reports }
    }
}

/// Writes the samples of a recording once more, as if they had been taken later, and leaves them as a death would.
fn write_more(place: &Path) {
    let store = Store::open(place).expect("a recording");
    let (looks, counters) = (store.taken(ALWAYS).expect("looks"), store.counters(ALWAYS, &|_| true).expect("counters"));
    let mut writer = Writer::new(place, Keep { days: u32::MAX, bytes: u64::MAX }).expect("the only writer");
    let mut slots = Slots::default();
    let later = |at: Moment| Moment { boot_us: at.boot_us + LATER_US as u64, wall_us: at.wall_us + LATER_US };
    for sample in &counters {
        let at = later(sample.at);
        if let Some(look) = looks.iter().find(|look| look.at.boot_us == sample.at.boot_us) {
            let mut said = look.said.clone();
            said.at.begin_ns += LATER_US as u64 * 1000;
            said.at.wall_ns += LATER_US * 1000;
            if let Ok(census) = &mut said.census {
                census.joined = true;
            }
            let leaves = said.leaves(&mut slots);
            let stored = writer.append(Stream::Census, at, &mut |each| {
                for (path, leaf) in &leaves {
                    let (entity, field) = split(path);
                    each(entity, field, leaf.clone());
                }
            });
            stored.expect("it is stored");
        }
        writer.append(Stream::Counters, at, &mut |each| counter_leaves(&sample.said, each)).expect("it is stored");
    }
}

/// Everything that is in a recording.
fn rows(store: &Store) -> anyhow::Result<Rows> {
    let mut rows = Rows::new();
    for stream in Stream::ALL {
        let name = |entity: &str, field: &str| Some(format!("{entity}\n{field}"));
        for (at, mut values) in store.picked(stream, ALWAYS, &mut { name })? {
            values.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            assert!(rows.insert((stream as i64, at.boot_us, at.wall_us), values).is_none(), "a sample is there twice");
        }
    }
    Ok(rows)
}

/// What is said of every moment, over the recorded window and over a longer one. What cannot be read makes no report.
fn reports(store: &Store, moments: &[When]) -> anyhow::Result<Reports> {
    let mut reports = Reports::new();
    for when in moments {
        for window in [None, Some(Duration::from_secs(12))] {
            let Ok(Some(past)) = Past::find(store, *when, window) else { continue };
            let begin_ns = past.first.as_ref().map_or(0, |first| first.at.begin_ns);
            let report = past.judged(&mut History::default(), &Limits::default())?;
            reports.insert((begin_ns, past.last.at.begin_ns), json_line(&report, Lang::En));
        }
    }
    Ok(reports)
}

/// Numbers from bytes, zeros at their end.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        let number = (0..3).fold(0, |sum, _| sum << 8 | usize::from(self.byte()));
        number % end.max(1)
    }
}

/// Damages a recording as the bytes say and reads it.
pub fn survive(bytes: &[u8]) {
    static TRUTH: OnceLock<Truth> = OnceLock::new();
    let truth = TRUTH.get_or_init(Truth::new);
    let directory = truth.place.path();
    let path = directory.join(DAY);
    for file in fs::read_dir(directory).expect("a directory") {
        fs::remove_file(file.expect("a file").path()).expect("it is there");
    }
    let mut script = Script(bytes);
    let (with_rows, restarted, way) =
        (script.byte().is_multiple_of(2), script.byte().is_multiple_of(4), usize::from(script.byte()));
    let mut damaged = truth.bytes.clone();
    if with_rows {
        fs::write(&path, &damaged).expect("a file");
        // Rows are changed as far as SQLite lets them be.
        let _ = change_rows(&path, &mut script);
        damaged = fs::read(&path).expect("a file");
    }
    change_bytes(&mut damaged, &path, &mut script);
    fs::write(&path, damaged).expect("a file");
    read(directory, truth, way);
    if restarted {
        let keep = Keep { days: u32::MAX, bytes: u64::MAX };
        if let Ok(mut writer) = Writer::new(directory, keep) {
            let at = Moment { boot_us: 1 << 50, wall_us: truth.moments[0].0 + 2 * LATER_US };
            let _ = writer.append(Stream::Totals, at, &mut |each| each("", "", Leaf::Number(1)));
            let _ = writer.close();
        }
        read_after_restart(directory, truth);
    }
}

/// Changes bytes and pages of a file, cuts it, or puts some of it beside it as SQLite's log.
fn change_bytes(bytes: &mut Vec<u8>, path: &Path, script: &mut Script<'_>) {
    const PAGE: usize = 1024;
    for _ in 0..CHANGES_MAX {
        if script.0.is_empty() {
            return;
        }
        let (what, at, value) = (script.byte(), script.below(bytes.len()), script.byte());
        let end = (at / PAGE * PAGE + PAGE).min(bytes.len());
        match what % 8 {
            0..=2 => bytes[at..end][0] = value,
            3 | 4 => bytes[at..end][0] ^= 1 << (value % 8),
            5 => bytes[at / PAGE * PAGE..end].fill(0),
            6 => {
                let from = script.below(bytes.len()) / PAGE * PAGE;
                let page = bytes[from..(from + PAGE).min(bytes.len())].to_vec();
                bytes.splice(at / PAGE * PAGE..end, page);
            }
            _ if value % 2 == 0 => bytes.truncate(at),
            _ => fs::write(format!("{}-wal", path.display()), &bytes[at..end]).expect("a file"),
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// Changes, moves and removes rows of the tables.
fn change_rows(path: &Path, script: &mut Script<'_>) -> anyhow::Result<()> {
    const CHANGES: [&str; 12] = [
        "DELETE FROM block WHERE id = ?1",
        "DELETE FROM live WHERE id = ?1",
        "DELETE FROM name WHERE id > ?1",
        "UPDATE live SET wall_us = wall_us + ?2 WHERE id = ?1",
        "UPDATE live SET boot_us = boot_us - ?2 WHERE id = ?1",
        "UPDATE live SET stream = ?2 % 4 WHERE id = ?1",
        "UPDATE block SET begin_us = begin_us + ?2 << 40 WHERE id = ?1",
        "UPDATE block SET end_us = end_us - ?2 << 40, stream = ?2 % 4 WHERE id = ?1",
        "UPDATE name SET text = text || 'x' WHERE id = ?1",
        "UPDATE live SET bytes = (SELECT bytes FROM live WHERE id = ?2) WHERE id = ?1",
        "UPDATE block SET bytes = CAST(bytes AS TEXT), crc = 'none' WHERE id = ?1",
        "UPDATE meta SET v = 'tcphealth.store/' || ?2",
    ];
    let sql = Connection::open(path)?;
    for _ in 0..=script.byte() % 4 {
        let (what, id, value): (usize, i64, i64) =
            (usize::from(script.byte()), (script.below(2000) as u32).into(), i64::from(script.byte()));
        match CHANGES.get(what % (CHANGES.len() + 1)) {
            Some(change) if change.contains("?1") && change.contains("?2") => {
                sql.execute(change, params![id, value])?
            }
            Some(change) if change.contains("?1") => sql.execute(change, [id])?,
            Some(change) => sql.execute(&change.replace("?2", &value.to_string()), [])?,
            None => repack(&sql, id, script)?,
        };
    }
    Ok(())
}

/// Changes what is in a block before it was compressed.
fn repack(sql: &Connection, id: i64, script: &mut Script<'_>) -> anyhow::Result<usize> {
    let bytes: Vec<u8> = sql.query_row("SELECT bytes FROM block WHERE id = ?1", [id], |row| row.get(0))?;
    let mut raw = Vec::new();
    ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut raw)?;
    let (at, value) = (script.below(raw.len()), script.byte());
    if let Some(byte) = raw.get_mut(at) {
        *byte ^= value;
    }
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&raw)?;
    Ok(sql.execute("UPDATE block SET bytes = ?2 WHERE id = ?1", params![id, packer.finish()?])?)
}

/// Reads all values, and in one way more, for each way takes its time; whatever is not refused is right.
fn read(directory: &Path, truth: &Truth, way: usize) {
    let Ok(store) = Store::open(directory) else { return };
    if let Ok(found) = rows(&store) {
        for (at, values) in &found {
            assert_eq!(truth.rows.get(at), Some(values), "another sample at {at:?}");
        }
    }
    match (way % 3, truth.moments.get(way / 3 % truth.moments.len())) {
        (0, Some(moment)) => judge(&store, truth, *moment),
        (1, _) => compare_halves(&store, truth),
        _ => {
            let (_, _) = (store.spans(), store.meters(ALWAYS));
        }
    }
}

fn judge(store: &Store, truth: &Truth, moment: When) {
    for (window, report) in reports(store, &[moment]).expect("what was read can be judged") {
        let right = truth.reports.get(&window);
        // A window whose begin was lost is judged as one look: it says less.
        let less = window.0 == 0 || report.contains("undecided");
        assert!(right.is_none_or(|right| *right == report || less), "another report on {window:?}: {report}");
        assert!(right.is_some() || window.0 == 0, "a window that was none: {window:?}");
    }
}

fn compare_halves(store: &Store, truth: &Truth) {
    let Some((a, b)) = truth.moments.first().zip(truth.moments.last()) else { return };
    let (a, b) = ((a.0, a.0 + LATER_US), (b.0 - LATER_US, b.0));
    let mut quantities = Quantities::default();
    let sides = [a, b].map(|range| store.side(range, &mut quantities, &Limits::default()));
    if let ([Ok(a_side), Ok(b_side)], Ok(periods)) = (&sides, store.periods(a, b, &mut quantities)) {
        compare(a_side, b_side, &quantities, &periods);
    }
}

/// A recorder that began again has added a row of its own, and lost nothing that could be read.
fn read_after_restart(directory: &Path, truth: &Truth) {
    let Ok(store) = Store::open(directory) else { return };
    let Ok(found) = rows(&store) else { return };
    for (at, values) in found.iter().filter(|((_, boot_us, _), _)| *boot_us != 1 << 50) {
        assert_eq!(truth.rows.get(at), Some(values), "another sample at {at:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_replayed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/store");
        let mut inputs = 0;
        for input in fs::read_dir(corpus).expect("a folder") {
            survive(&fs::read(input.expect("a file").path()).expect("bytes"));
            inputs += 1;
        }
        assert!(inputs >= 4, "no corpus");
    }
}
