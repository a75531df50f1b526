//! Readings → a file that sysstat reads: format 0x2175 with the network's activities only, for this machine.
//!
//! Source: sysstat's `sa.h`, `setup_file_hdr()` and `write_stats()` in `sadc.c`.

use super::activity::{Activity, DUPLEX, SPEED, Width};
use super::header::{FORMAT, Header, MAGIC, MAGIC_BYTES};
use super::items::{Items, NAME_BYTES};
use super::record::{INTERRUPTION, Moment, RESTART, STATISTICS};

/// The bytes of `file_header` since 12.2.0, and its fields.
const HEADER_BYTES: usize = 336;
/// The bytes of an entry of the list.
const LISTED_BYTES: u32 = 36;
/// The bytes of a record's head.
const RECORD_BYTES: usize = 24;
/// The version that is written is the one whose format it is.
const VERSION: [u8; 4] = [12, 8, 0, 0];

/// The head of a file with these activities, each with its number of items now.
pub fn head(header: &Header, activities: &[(&Activity, u32)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC_BYTES + HEADER_BYTES + 36 * activities.len());
    put(&mut out, &[u64::from(MAGIC), u64::from(FORMAT)], 2);
    out.extend_from_slice(&VERSION);
    put(&mut out, &[HEADER_BYTES as u64, 0, 1, 1, 12], 4);
    out.resize(MAGIC_BYTES, 0);
    put(&mut out, &[header.ust_time, header.hz], 8);
    let (day, month, year) = header.date;
    put(&mut out, &[u64::from(header.cpus), activities.len() as u64, u64::from(year.cast_unsigned())], 4);
    put(&mut out, &[0, 0, 9, 2, 0, 1, u64::from(LISTED_BYTES), RECORD_BYTES as u64, 0], 4);
    out.extend_from_slice(&[day, month, 8]);
    for (name, room) in [
        (&header.sysname, 65),
        (&header.nodename, 65),
        (&header.release, 65),
        (&header.hardware, 65),
        (&header.timezone, 8),
    ] {
        padded(&mut out, name, room);
    }
    out.resize(MAGIC_BYTES + HEADER_BYTES, 0);
    for (activity, items) in activities {
        let shape = activity.shape;
        let numbers = [
            activity.id,
            activity.magic,
            // A reader takes none for damage; every record says how many there really are.
            (*items).max(1),
            1,
            u32::from(activity.counted()),
            activity.size,
            shape.u64s,
            shape.longs,
            shape.u32s,
        ];
        put(&mut out, &numbers.map(u64::from), 4);
    }
    out
}

/// The record of a start of the host, which had so many CPUs plus one.
pub fn restart(moment: &Moment, cpus: u32) -> Vec<u8> {
    let mut out = record(moment, RESTART);
    put(&mut out, &[u64::from(cpus)], 4);
    out
}

/// The record of a time of which nothing is known: what was before is not compared with what follows.
pub fn interruption(moment: &Moment) -> Vec<u8> {
    record(moment, INTERRUPTION)
}

/// One record of statistics: its head, then the items of every activity in the file's order.
pub fn statistics(moment: &Moment, sets: &[(&Activity, &Items)]) -> Vec<u8> {
    let mut out = record(moment, STATISTICS);
    for (activity, items) in sets {
        if activity.counted() {
            put(&mut out, &[items.len() as u64], 4);
        }
        for index in 0..items.len() {
            item(&mut out, activity, (items.name(index), items.row(index)));
        }
    }
    out
}

/// The head of a record.
fn record(moment: &Moment, kind: u8) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &[moment.uptime_cs, moment.ust_time], 8);
    put(&mut out, &[0], 4);
    let (hour, minute, second) = moment.clock;
    out.extend_from_slice(&[kind, hour, minute, second]);
    out.resize(RECORD_BYTES, 0);
    out
}

/// One item as its structure has it: the counters in stored order, the speed of a link, the name, the duplex.
fn item(out: &mut Vec<u8>, activity: &Activity, (name, row): (&[u8], &[u64])) {
    let start = out.len();
    let counters = if activity.has_speed() { SPEED } else { activity.columns.len() };
    let width = if activity.width == Width::U32 { 4 } else { 8 };
    for stored in 0..counters as u32 {
        let place = activity.columns.iter().position(|column| column.stored == stored);
        let value = place.and_then(|place| row.get(place)).copied().unwrap_or(0);
        put(out, &[value], width);
    }
    let value = |place: usize| row.get(place).copied().unwrap_or(0);
    if activity.has_speed() {
        put(out, &[value(SPEED)], 4);
    }
    if !name.is_empty() {
        padded(out, name, NAME_BYTES);
    }
    if activity.has_speed() {
        out.push(value(DUPLEX) as u8);
    }
    out.resize(start + activity.size as usize, 0);
}

/// Appends the low bytes of every number, in this machine's order.
fn put(out: &mut Vec<u8>, numbers: &[u64], bytes: usize) {
    for number in numbers {
        let all = number.to_ne_bytes();
        let part = if cfg!(target_endian = "big") { all.get(8 - bytes..) } else { all.get(..bytes) };
        out.extend_from_slice(part.unwrap_or_default());
    }
}

fn padded(out: &mut Vec<u8>, text: &[u8], room: usize) {
    let end = out.len() + room;
    out.extend(text.iter().take(room - 1));
    out.resize(end, 0);
}

/// Whether a file can go on with our records: written by the same kind of machine, with our structures only.
pub fn can_append(header: &Header) -> bool {
    let ours = |listed: &super::header::Listed| {
        let known = listed.meaning.as_ref().map(|(activity, _)| activity);
        known.is_some_and(|activity| {
            activity.shape == listed.shape && activity.size == listed.size && listed.columns == 1
        })
    };
    let native = header.machine.big_endian == cfg!(target_endian = "big") && !header.machine.long32;
    let [_, _, record] = header.shapes;
    native
        && header.format == FORMAT
        && record == super::bytes::Shape::new(2, 0, 1)
        && header.record_bytes as usize == RECORD_BYTES
        && !header.activities.is_empty()
        && header.activities.iter().all(ours)
}
