//! The memory that a program in the kernel shares with us: words in front, records behind them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tcphealth_core::snapshot::Absent;

use super::{absent, syscall};

/// How a program's `struct shared` is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Where the records begin, bytes.
    pub(super) records_at: usize,
    /// How many there is room for.
    pub(super) records: usize,
    /// Bytes of one.
    pub(super) record_bytes: usize,
}

impl Layout {
    const fn bytes(self) -> usize {
        self.records_at + self.records * self.record_bytes
    }
}

/// Some of the records. A run fills it, then they are read: whoever has it does either, and nobody else.
#[derive(Debug)]
pub(super) struct Part {
    /// Its first record.
    pub(super) first: usize,
    /// The first that is no longer its own.
    pub(super) last: usize,
    /// The first that is not filled.
    pub(super) end: usize,
    /// The clock of jiffies when it was filled.
    pub(super) jiffies: u64,
}

/// The memory, and the map that it belongs to. The kernel writes to it only while a program runs, which is while somebody waits
/// for it who has the part that it fills.
#[derive(Debug)]
pub(super) struct Memory {
    at: NonNull<u8>,
    layout: Layout,
    map: OwnedFd,
}

// SAFETY: the memory belongs to this value alone and to no thread.
unsafe impl Send for Memory {}
// SAFETY: the words in front are those of the one thread that runs the program, and a record is that of whoever has its part.
unsafe impl Sync for Memory {}

impl Memory {
    /// New, all zero.
    pub(super) fn create(layout: Layout) -> Result<Self, Absent> {
        Self::of(syscall::create_shared(layout.bytes() as u32).map_err(absent)?, layout)
    }

    /// Of a map that exists.
    pub(super) fn of(map: OwnedFd, layout: Layout) -> Result<Self, Absent> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let length = layout.bytes().try_into().map_err(|_| Absent::NotHere)?;
        // SAFETY: a new mapping at an address that the kernel chooses disturbs no other memory.
        let mapped = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &map, 0) };
        Ok(Self { at: mapped.map_err(absent)?.cast(), layout, map })
    }

    /// What a program is told to find it by.
    pub(super) fn map(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    /// One of so many equal parts.
    pub(super) fn part(&self, number: usize, of: usize) -> Part {
        let records = self.layout.records / of;
        let first = number * records;
        Part { first, last: first + records, end: first, jiffies: 0 }
    }

    /// A word in front of the records.
    pub(super) fn word(&self, at: usize) -> u32 {
        debug_assert!(at + 4 <= self.layout.records_at);
        // SAFETY: inside the mapping, and aligned as all our offsets are.
        unsafe { self.at.add(at).cast::<u32>().read_volatile() }
    }

    /// Two of them, the lower half first, as the objects have them.
    pub(super) fn double_word(&self, at: usize) -> u64 {
        u64::from(self.word(at)) | u64::from(self.word(at + 4)) << 32
    }

    /// Writes one.
    pub(super) fn put(&self, at: usize, word: u32) {
        debug_assert!(at + 4 <= self.layout.records_at);
        // SAFETY: inside the mapping, and aligned as all our offsets are.
        unsafe { self.at.add(at).cast::<u32>().write_volatile(word) }
    }

    /// What a part was filled with.
    pub(super) fn records<'a>(&'a self, part: &'a Part) -> std::slice::ChunksExact<'a, u8> {
        let (first, end) = (part.first.min(self.layout.records), part.end.min(self.layout.records));
        let (at, bytes) = (first * self.layout.record_bytes, end.saturating_sub(first) * self.layout.record_bytes);
        // SAFETY: inside the mapping, and nothing writes to it as long as the part is borrowed: a run needs it exclusively.
        let records = unsafe { std::slice::from_raw_parts(self.at.add(self.layout.records_at + at).as_ptr(), bytes) };
        records.chunks_exact(self.layout.record_bytes)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no slice of it outlives this value.
        let _ = unsafe { munmap(self.at.cast(), self.layout.bytes()) };
    }
}
