//! The items of one activity in one record: names and counters, whatever machine wrote them.

use super::activity::{Activity, DUPLEX, ItemKind, SPEED, Width};
use super::bytes::{Machine, Shape, text};

/// The bytes of a name: `IFNAMSIZ`, and sysstat's `MAX_FCH_LEN`.
pub const NAME_BYTES: usize = 16;
/// The most values that an item has: the seventeen columns of ICMP6.
pub const VALUES_MAX: usize = 17;

/// The items of one activity, in the order in which they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    width: usize,
    values: Vec<u64>,
    names: Vec<[u8; NAME_BYTES]>,
}

impl Items {
    /// No items of an activity.
    pub fn none(activity: &Activity) -> Self {
        Self { width: activity.values(), values: Vec::new(), names: Vec::new() }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Forgets the items and keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.names.clear();
    }

    /// Adds an item whose values are zero, and gives them to be filled in.
    pub fn push(&mut self, name: &[u8]) -> &mut [u64] {
        let mut field = [0; NAME_BYTES];
        for (to, from) in field.iter_mut().zip(name.iter().take(NAME_BYTES - 1)) {
            *to = *from;
        }
        self.names.push(field);
        let start = self.values.len();
        self.values.resize(start + self.width, 0);
        self.values.get_mut(start..).unwrap_or_default()
    }

    /// The values of an item in printed order; for interfaces speed and duplex follow. Empty beyond the end.
    pub fn row(&self, index: usize) -> &[u64] {
        self.values.get(index * self.width..(index + 1) * self.width).unwrap_or_default()
    }

    /// The same, to be changed.
    pub fn row_mut(&mut self, index: usize) -> &mut [u64] {
        self.values.get_mut(index * self.width..(index + 1) * self.width).unwrap_or_default()
    }

    /// The name of an item without its padding; empty for items that have none.
    pub fn name(&self, index: usize) -> &[u8] {
        self.names.get(index).map_or(&[], |name| text(name))
    }

    /// Where the item with a name stands; the search begins at `start` and goes round, as sysstat's does.
    pub fn find(&self, name: &[u8], start: usize) -> Option<usize> {
        let start = start.min(self.len().saturating_sub(1));
        (start..self.len()).chain(0..start).find(|&index| self.name(index) == name)
    }

    /// Drops everything from the first nameless item on.
    pub fn end_at_nameless(&mut self) {
        let count = (0..self.len()).find(|&index| self.name(index).is_empty()).unwrap_or(self.len());
        self.names.truncate(count);
        self.values.truncate(count * self.width);
    }

    /// Makes the items at least that many; new ones are zero and nameless.
    pub fn grow_to(&mut self, count: usize) {
        while self.len() < count {
            self.push(&[]);
        }
    }
}

/// Where one stored value stands in a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Absent,
    U64(usize),
    Long(usize),
    U32(usize),
}

/// Where the values and the name of one activity's items stand in a particular file.
#[derive(Clone, Debug)]
pub struct Layout {
    slots: Vec<Slot>,
    duplex: Option<usize>,
    name: Option<usize>,
}

impl Layout {
    /// The layout of an activity in a file of today's format, whatever fields its writer had.
    pub fn new(activity: &Activity, shape: Shape) -> Self {
        let slot = |stored: u32| match activity.width {
            Width::U64 => shape.u64_at(stored).map(Slot::U64),
            Width::Long => shape.long_at(stored).map(Slot::Long),
            Width::U32 => shape.u32_at(stored).map(Slot::U32),
        };
        let mut slots: Vec<Slot> = activity.columns.iter().map(|c| slot(c.stored).unwrap_or(Slot::Absent)).collect();
        if let (true, Some(speed)) = (activity.has_speed(), slots.get_mut(SPEED)) {
            *speed = shape.u32_at(0).map_or(Slot::Absent, Slot::U32);
        }
        let name = matches!(activity.item, ItemKind::Interface | ItemKind::FcHost).then(|| shape.tail());
        Self { slots, duplex: activity.has_speed().then(|| shape.tail() + NAME_BYTES), name }
    }

    /// The layout of an older structure: 64-bit counters (or longs) in slots of `stride` bytes, the speed of a link
    /// directly behind them when `speed`, then the name.
    pub fn strided(activity: &Activity, long: bool, stride: usize, speed: bool) -> Self {
        let counters = if activity.has_speed() { SPEED } else { activity.columns.len() };
        let place = |stored: u32| {
            let at = stride * stored as usize;
            if long { Slot::Long(at) } else { Slot::U64(at) }
        };
        let mut slots: Vec<Slot> = activity.columns.iter().take(counters).map(|c| place(c.stored)).collect();
        let end = stride * counters;
        if activity.has_speed() {
            slots.push(if speed { Slot::U32(end) } else { Slot::Absent });
        }
        let name = if speed { end + 4 } else { end };
        Self { slots, duplex: speed.then_some(name + NAME_BYTES), name: activity.counted().then_some(name) }
    }

    /// Reads one item and adds it to `items`.
    pub fn read(&self, machine: Machine, bytes: &[u8], items: &mut Items) {
        let name = self.name.and_then(|at| bytes.get(at..at + NAME_BYTES)).unwrap_or_default();
        let row = items.push(text(name));
        for (value, slot) in row.iter_mut().zip(&self.slots) {
            *value = match *slot {
                Slot::Absent => 0,
                Slot::U64(at) => machine.u64(bytes, at),
                Slot::Long(at) => machine.long(bytes, at),
                Slot::U32(at) => u64::from(machine.u32(bytes, at)),
            };
        }
        if let (Some(at), Some(duplex)) = (self.duplex, row.get_mut(DUPLEX)) {
            *duplex = u64::from(bytes.get(at).copied().unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysstat::activity::by_keyword;

    const LITTLE: Machine = Machine { big_endian: false, long32: false };

    #[test]
    fn time_wait_is_stored_third_and_printed_last() {
        let sock = by_keyword("SOCK").unwrap();
        let bytes: Vec<u8> = (1u32..=6).flat_map(u32::to_le_bytes).collect();
        let mut items = Items::none(sock);
        Layout::new(sock, sock.shape).read(LITTLE, &bytes, &mut items);
        assert_eq!(items.row(0), [1, 2, 4, 5, 6, 3]);
    }

    #[test]
    fn fewer_fields_than_expected_are_zero_and_more_are_passed_over() {
        let soft = by_keyword("SOFT").unwrap();
        let bytes: Vec<u8> = (1u32..=8).flat_map(u32::to_le_bytes).collect();
        let mut items = Items::none(soft);
        Layout::new(soft, Shape::new(0, 0, 5)).read(LITTLE, &bytes, &mut items);
        Layout::new(soft, Shape::new(1, 0, 7)).read(LITTLE, &bytes, &mut items);
        assert_eq!(items.row(0), [1, 2, 3, 4, 5, 0]);
        assert_eq!(items.row(1), [3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn the_search_for_a_name_goes_round() {
        let mut items = Items::none(by_keyword("FC").unwrap());
        for name in [&b"a"[..], b"b", b"c"] {
            items.push(name);
        }
        assert_eq!((items.find(b"a", 2), items.find(b"c", 9), items.find(b"d", 0)), (Some(0), Some(2), None));
    }

    #[test]
    fn a_name_is_cut_to_fifteen_bytes() {
        let mut items = Items::none(by_keyword("DEV").unwrap());
        items.push(b"veth0123456789abcdef");
        assert_eq!(items.name(0), b"veth0123456789a");
    }
}
