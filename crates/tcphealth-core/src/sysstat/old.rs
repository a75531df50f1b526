//! The two older formats: 0x2171 (sysstat 9.1.6 to 10.2) and 0x2173 (10.3.1 to 11.6).
//!
//! Source: sysstat's `sa_conv.h`. Records have no counts: every one has as many items as the list says, and a list
//! of named items ends at the first empty name. 64-bit counters stand in slots of sixteen bytes.

use std::io::Read;

use super::activity::{Activity, Width, by_id};
use super::bytes::{Machine, Shape, text};
use super::header::{ACTIVITIES_MAX, FORMAT_10_3_1, Header, Listed, MAGIC_BYTES, not_sa};
use super::input::{Input, Trouble};
use super::items::Layout;

/// The bytes of an entry of the list: id, magic, nr, nr2, size.
const ENTRY_BYTES: usize = 20;
/// The bytes of the file header.
const HEADER_BYTES: usize = 280;
const HEADER_BYTES_10_3_1: usize = 288;
/// The activity whose items are the CPUs and their sum.
const A_CPU: u32 = 1;

/// Reads the head of a file behind its first eight bytes.
pub(super) fn read_header<R: Read>(
    input: &mut Input<R>,
    machine: Machine,
    (format, version): (u16, [u8; 4]),
    hz: u64,
) -> Result<Header, Trouble> {
    let newer = format == FORMAT_10_3_1;
    if newer {
        input.take(MAGIC_BYTES - 8).map_err(not_sa)?;
    }
    let size = if newer { HEADER_BYTES_10_3_1 } else { HEADER_BYTES };
    let bytes = input.take(size)?.to_vec();
    let count = machine.u32(&bytes, if newer { 12 } else { 8 });
    let mut header = from_bytes(machine, &bytes, newer);
    (header.format, header.version, header.hz) = (format, version, hz);
    header.volatile = if newer { machine.u32(&bytes, 16) } else { 0 };
    if count > ACTIVITIES_MAX || header.volatile > ACTIVITIES_MAX {
        return Err(Trouble::NotSa);
    }
    for _ in 0..count {
        let entry = read_listed(machine, input.take(ENTRY_BYTES)?)?;
        header.activities.push(entry);
    }
    if let (false, Some(cpu)) = (newer, header.activities.iter().find(|listed| listed.id == A_CPU)) {
        header.cpus = cpu.items;
    }
    Ok(header)
}

fn from_bytes(machine: Machine, bytes: &[u8], newer: bool) -> Header {
    let tail = if newer { 20 } else { 12 };
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let machine = Machine { long32: byte(tail + 3) == 4, ..machine };
    let name = |n: usize| text(bytes.get(tail + 4 + 65 * n..tail + 4 + 65 * (n + 1)).unwrap_or_default()).to_vec();
    Header {
        format: 0,
        version: [0; 4],
        upgraded: 0,
        machine,
        ust_time: machine.long(bytes, 0),
        hz: 100,
        cpus: if newer { machine.u32(bytes, 8) } else { 0 },
        date: (byte(tail), byte(tail + 1), i32::from(byte(tail + 2))),
        shapes: [Shape::default(); 3],
        record_bytes: 0,
        extra: false,
        volatile: 0,
        sysname: name(0),
        nodename: name(1),
        release: name(2),
        hardware: name(3),
        timezone: Vec::new(),
        activities: Vec::new(),
    }
}

fn read_listed(machine: Machine, bytes: &[u8]) -> Result<Listed, Trouble> {
    let field = |n: usize| machine.u32(bytes, 4 * n);
    let meaning = by_id(field(0)).and_then(|activity| Some((activity, layout(activity, field(1))?)));
    let listed = Listed {
        id: field(0),
        magic: field(1),
        items: field(2),
        columns: field(3),
        counted: false,
        size: field(4),
        shape: Shape::default(),
        meaning,
    };
    if listed.is_sane() { Ok(listed) } else { Err(Trouble::NotSa) }
}

/// Where values stand: 0x8a has longs, 0x8b 64-bit counters, 0x8c of interfaces the speed and duplex as well.
fn layout(activity: &Activity, magic: u32) -> Option<Layout> {
    match (activity.width, magic) {
        (Width::U64, 0x8a) => Some(Layout::strided(activity, true, 8, false)),
        (Width::U64, 0x8b) => Some(Layout::strided(activity, false, 16, false)),
        (Width::U64, 0x8c) if activity.has_speed() => Some(Layout::strided(activity, false, 16, true)),
        (Width::Long | Width::U32, 0x8a) => Some(Layout::new(activity, activity.shape)),
        _ => None,
    }
}

/// The body of a RESTART record of 0x2173: the list again, for the activities whose number of items may change.
pub(super) fn restart<R: Read>(input: &mut Input<R>, header: &mut Header) -> Result<(), Trouble> {
    let machine = header.machine;
    for _ in 0..header.volatile {
        let bytes = input.take(ENTRY_BYTES)?;
        let (id, items) = (machine.u32(bytes, 0), machine.u32(bytes, 8));
        if let Some(listed) = header.activities.iter_mut().find(|listed| listed.id == id) {
            listed.items = items;
        }
        if id == A_CPU {
            header.cpus = items;
        }
    }
    Ok(())
}
