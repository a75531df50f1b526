//! Any part of what a map shows, as memory: counters that the kernel adds to, words that we and it hand to each other.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tcphealth_core::snapshot::Absent;

use super::absent;

/// A mapping, gone with its value.
#[derive(Debug)]
pub(super) struct Mapping {
    begin: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: the memory belongs to this value alone and to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// All of a map's value, to be read and written.
    pub(super) fn shared(map: &OwnedFd, length: usize) -> Result<Self, Absent> {
        Self::of(map, length, 0, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }

    /// A part of what a map shows, from `offset` on.
    pub(super) fn of(map: &OwnedFd, length: usize, offset: i64, access: ProtFlags) -> Result<Self, Absent> {
        Self::new(map, length, offset, (access, MapFlags::MAP_SHARED))
    }

    /// A file that does not change, to be read.
    pub(super) fn of_file(file: &File, length: usize) -> Result<Self, Absent> {
        Self::new(file, length, 0, (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE))
    }

    fn new(of: impl AsFd, length: usize, offset: i64, how: (ProtFlags, MapFlags)) -> Result<Self, Absent> {
        let length = NonZeroUsize::new(length).ok_or(Absent::NotHere)?;
        // SAFETY: a new mapping at an address that the kernel chooses disturbs no other memory.
        let mapped = unsafe { mmap(None, length, how.0, how.1, of, offset) };
        Ok(Self { begin: mapped.map_err(absent)?.cast(), length })
    }

    /// How much of it there is, bytes.
    pub(super) fn length(&self) -> usize {
        self.length.get()
    }

    /// A double word, which the kernel may change.
    pub(super) fn double_word(&self, at: usize) -> u64 {
        self.atomic64(at).load(Ordering::Relaxed)
    }

    /// A word that we and the kernel hand to each other.
    pub(super) fn atomic32(&self, at: usize) -> &AtomicU32 {
        assert!(at + 4 <= self.length.get() && at.is_multiple_of(4), "inside the mapping");
        // SAFETY: inside the mapping, aligned, and lent no longer than the mapping lives.
        unsafe { AtomicU32::from_ptr(self.begin.add(at).cast().as_ptr()) }
    }

    /// A double word that we and the kernel hand to each other.
    pub(super) fn atomic64(&self, at: usize) -> &AtomicU64 {
        assert!(at + 8 <= self.length.get() && at.is_multiple_of(8), "inside the mapping");
        // SAFETY: inside the mapping, aligned, and lent no longer than the mapping lives.
        unsafe { AtomicU64::from_ptr(self.begin.add(at).cast().as_ptr()) }
    }

    /// Bytes that the kernel does not change as long as they are borrowed: its programs have run, or have handed them over.
    pub(super) fn bytes(&self, at: usize, length: usize) -> &[u8] {
        assert!(at.checked_add(length).is_some_and(|end| end <= self.length.get()), "inside the mapping");
        // SAFETY: inside the mapping, and what stands there stays as it is, as each caller sees to.
        unsafe { std::slice::from_raw_parts(self.begin.add(at).as_ptr(), length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing borrowed from it outlives this value.
        let _ = unsafe { munmap(self.begin.cast(), self.length.get()) };
    }
}
