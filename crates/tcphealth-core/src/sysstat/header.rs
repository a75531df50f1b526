//! The head of a file: who wrote it, on which machine, and which activities its records hold.
//!
//! Source: sysstat's `sa.h` (`file_magic`, `file_header`, `file_activity`) and `check_file_actlst()` in
//! `sa_common.c`. Formats 0x2171 and 0x2173 differ in every offset; they are read only when asked for.

use std::io::Read;

use super::activity::{Activity, by_id};
use super::bytes::{Machine, Shape, text};
use super::input::{Input, Trouble};
use super::items::Layout;

/// The format of sysstat 11.7.1 and everything later.
pub const FORMAT: u16 = 0x2175;
/// The format of 9.1.6 to 10.2.x.
pub const FORMAT_9_1_6: u16 = 0x2171;
/// The format of 10.3.1 to 11.6.x.
pub const FORMAT_10_3_1: u16 = 0x2173;
/// The first two bytes of every file, `SYSSTAT_MAGIC`.
pub const MAGIC: u16 = 0xd596;
/// The bytes of `file_magic`.
pub const MAGIC_BYTES: usize = 76;
/// The most activities that a file may list, `MAX_NR_ACT`.
pub(super) const ACTIVITIES_MAX: u32 = 256;
/// The largest structure, `MAX_ITEM_STRUCT_SIZE`.
const ITEM_BYTES_MAX: u32 = 1024;
/// The most items of an unknown activity, `NR_MAX`.
const ITEMS_MAX: u32 = 1 << 28;
/// The most columns of a matrix of items, `NR2_MAX`.
const COLUMNS_MAX: u32 = 4096;

/// One entry of the file's list of activities.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The activity's number.
    pub id: u32,
    /// The version of its structure.
    pub magic: u32,
    /// How many items there were when the file was made.
    pub items: u32,
    /// The second dimension of a matrix of items; 1 for the network.
    pub columns: u32,
    /// Records say how many items they have.
    pub counted: bool,
    /// The bytes of an item.
    pub size: u32,
    /// The fields of an item.
    pub shape: Shape,
    /// What the activity is and where its values stand, if it is the network's and of a known version.
    pub meaning: Option<(&'static Activity, Layout)>,
}

/// The head of a file.
#[derive(Clone, Debug)]
pub struct Header {
    /// The format's number.
    pub format: u16,
    /// The sysstat version that wrote it: major, minor, sub, extra.
    pub version: [u8; 4],
    /// Zero, or which version converted it from an older format: minor · 256 + sub + 1.
    pub upgraded: u32,
    /// How the writer stored numbers.
    pub machine: Machine,
    /// When the file was made, in seconds since 1970.
    pub ust_time: u64,
    /// The writer's clock ticks per second.
    pub hz: u64,
    /// CPUs of the writer plus one.
    pub cpus: u32,
    /// The day, month (0–11) and year (since 1900) on the writer's own clock.
    pub date: (u8, u8, i32),
    /// The fields of this header, of an entry of the list, of a record's head.
    pub shapes: [Shape; 3],
    /// The bytes of a record's head.
    pub record_bytes: u32,
    /// Structures unknown to this version follow the list.
    pub extra: bool,
    /// How many entries follow a RESTART record in format 0x2173.
    pub volatile: u32,
    /// `uname -s`.
    pub sysname: Vec<u8>,
    /// `uname -n`.
    pub nodename: Vec<u8>,
    /// `uname -r`.
    pub release: Vec<u8>,
    /// `uname -m`.
    pub hardware: Vec<u8>,
    /// The writer's time zone; empty where the format has none.
    pub timezone: Vec<u8>,
    /// The activities, in the order in which records hold them.
    pub activities: Vec<Listed>,
}

impl Header {
    /// Reads the head of a file. `old_hz`: read the two older formats too, whose files do not say their `HZ`.
    ///
    /// # Errors
    /// When the file is none of sysstat's, of another format, or ends too early.
    pub fn read<R: Read>(input: &mut Input<R>, old_hz: Option<u64>) -> Result<Self, Trouble> {
        let start = input.take(8).map_err(not_sa)?.to_vec();
        let machine = byte_order(&start).ok_or(Trouble::NotSa)?;
        let format = machine.u16(&start, 2);
        let version = std::array::from_fn(|i| start.get(4 + i).copied().unwrap_or(0));
        match (format, old_hz) {
            (FORMAT, _) => Self::read_current(input, machine, version),
            (FORMAT_9_1_6 | FORMAT_10_3_1, Some(hz)) => super::old::read_header(input, machine, (format, version), hz),
            _ => Err(Trouble::Format { format, version }),
        }
    }

    fn read_current<R: Read>(input: &mut Input<R>, machine: Machine, version: [u8; 4]) -> Result<Self, Trouble> {
        let rest = input.take(MAGIC_BYTES - 8).map_err(not_sa)?;
        let size = machine.u32(rest, 0);
        let upgraded = machine.u32(rest, 4);
        let shape = Shape::read(machine, rest, 8);
        if !(1..=8192).contains(&size) || !shape.fits(size) {
            return Err(Trouble::NotSa);
        }
        let bytes = input.take(size as usize)?.to_vec();
        let mut header = Self::from_bytes(machine, shape, &bytes);
        header.version = version;
        header.upgraded = upgraded;
        let (count, act_bytes, rec_bytes) =
            (group(machine, shape, &bytes, 1), group(machine, shape, &bytes, 9), header.record_bytes);
        let sizes_fit = header.shapes.get(1).is_some_and(|act| act.fits(act_bytes))
            && header.shapes.get(2).is_some_and(|rec| rec.fits(rec_bytes));
        if count > ACTIVITIES_MAX || act_bytes > ITEM_BYTES_MAX || rec_bytes > 512 || !sizes_fit {
            return Err(Trouble::NotSa);
        }
        for _ in 0..count {
            let entry = read_listed(machine, input.take(act_bytes as usize)?)?;
            header.activities.push(entry);
        }
        if header.extra {
            skip_extra(input, machine)?;
        }
        Ok(header)
    }

    /// Everything but the list. The tail begins with the day, the month and the size of a long.
    fn from_bytes(machine: Machine, shape: Shape, bytes: &[u8]) -> Self {
        let field = |n| group(machine, shape, bytes, n);
        let act = Shape::new(field(3), field(4), field(5));
        let rec = Shape::new(field(6), field(7), field(8));
        let tail = bytes.get(shape.tail()..).unwrap_or_default();
        let byte = |at: usize| tail.get(at).copied().unwrap_or(0);
        let name = |at: usize, size: usize| text(tail.get(at..at + size).unwrap_or_default()).to_vec();
        let machine = Machine { long32: byte(2) == 4, ..machine };
        Self {
            format: FORMAT,
            version: [0; 4],
            upgraded: 0,
            machine,
            ust_time: machine.u64(bytes, 0),
            hz: shape.long_at(0).map_or(0, |at| machine.long(bytes, at)),
            cpus: field(0),
            date: (byte(0), byte(1), field(2).cast_signed()),
            shapes: [shape, act, rec],
            record_bytes: field(10),
            extra: field(11) != 0,
            volatile: 0,
            sysname: name(3, 65),
            nodename: name(68, 65),
            release: name(133, 65),
            hardware: name(198, 65),
            timezone: name(263, 8),
            activities: Vec::new(),
        }
    }

    /// The head of a file that this machine writes, before anything is known of it.
    pub fn of_this_machine() -> Self {
        let machine = Machine { big_endian: cfg!(target_endian = "big"), long32: false };
        Self::from_bytes(machine, Shape::new(1, 1, 12), &[])
    }

    /// How many CPUs a report names for a stored count: the count has one more than there are.
    pub fn cpus_shown(stored: u32) -> u32 {
        stored.saturating_sub(1).max(1)
    }
}

/// The `n`-th 32-bit field of a header; zero if the writer did not have it.
fn group(machine: Machine, shape: Shape, bytes: &[u8], n: u32) -> u32 {
    shape.u32_at(n).map_or(0, |at| machine.u32(bytes, at))
}

/// A file that ends within its first bytes is no such file.
pub(super) fn not_sa(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Cut => Trouble::NotSa,
        other => other,
    }
}

/// The byte order that makes the first two bytes sysstat's number; the size of a long comes later.
fn byte_order(start: &[u8]) -> Option<Machine> {
    let orders = [false, true].map(|big_endian| Machine { big_endian, long32: false });
    orders.into_iter().find(|machine| machine.u16(start, 0) == MAGIC)
}

fn read_listed(machine: Machine, bytes: &[u8]) -> Result<Listed, Trouble> {
    let field = |n: usize| machine.u32(bytes, 4 * n);
    let shape = Shape::read(machine, bytes, 24);
    let known = by_id(field(0)).filter(|activity| activity.magic == field(1));
    let listed = Listed {
        id: field(0),
        magic: field(1),
        items: field(2),
        columns: field(3),
        counted: field(4) != 0,
        size: field(5),
        shape,
        meaning: known.map(|activity| (activity, Layout::new(activity, shape))),
    };
    if listed.is_sane() && shape.fits(listed.size) { Ok(listed) } else { Err(Trouble::NotSa) }
}

impl Listed {
    /// Whether the numbers are within sysstat's limits.
    pub(super) fn is_sane(&self) -> bool {
        let items_max = self.meaning.as_ref().map_or(ITEMS_MAX, |(activity, _)| activity.items_max());
        (1..=items_max).contains(&self.items)
            && (1..=COLUMNS_MAX).contains(&self.columns)
            && (1..=ITEM_BYTES_MAX).contains(&self.size)
    }
}

/// Passes over a chain of structures that this version does not know.
pub(super) fn skip_extra<R: Read>(input: &mut Input<R>, machine: Machine) -> Result<(), Trouble> {
    loop {
        let descriptor = input.take(24)?;
        let (count, size, next) = (machine.u32(descriptor, 0), machine.u32(descriptor, 4), machine.u32(descriptor, 8));
        let shape = Shape::read(machine, descriptor, 12);
        if count > 8192 || size > ITEM_BYTES_MAX || !shape.fits(size) {
            return Err(Trouble::Invalid);
        }
        input.skip(u64::from(count) * u64::from(size))?;
        if next == 0 {
            return Ok(());
        }
    }
}
