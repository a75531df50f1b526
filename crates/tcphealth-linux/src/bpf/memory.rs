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

/// The memory, and the map that it belongs to. The kernel writes to it only while a program runs, which is while we wait for it.
#[derive(Debug)]
pub(super) struct Memory {
    at: NonNull<u8>,
    layout: Layout,
    map: OwnedFd,
}

// SAFETY: the memory belongs to this value alone and to no thread.
unsafe impl Send for Memory {}

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

    /// How many records there is room for.
    pub(super) fn room(&self) -> usize {
        self.layout.records
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
    pub(super) fn put(&mut self, at: usize, word: u32) {
        debug_assert!(at + 4 <= self.layout.records_at);
        // SAFETY: inside the mapping, and aligned as all our offsets are.
        unsafe { self.at.add(at).cast::<u32>().write_volatile(word) }
    }

    /// The first `count` records.
    pub(super) fn records(&self, count: usize) -> std::slice::ChunksExact<'_, u8> {
        let bytes = count.min(self.layout.records) * self.layout.record_bytes;
        // SAFETY: inside the mapping, and nothing writes to it as long as it is borrowed: a run needs it exclusively.
        let records = unsafe { std::slice::from_raw_parts(self.at.add(self.layout.records_at).as_ptr(), bytes) };
        records.chunks_exact(self.layout.record_bytes)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no slice of it outlives this value.
        let _ = unsafe { munmap(self.at.cast(), self.layout.bytes()) };
    }
}
