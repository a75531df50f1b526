//! A ring buffer that programs in the kernel fill → its records, each once.
//!
//! Source: kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst. The data is mapped twice in a row, so that no record is cut.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use nix::sys::mman::ProtFlags;
use nix::unistd::{SysconfVar, sysconf};
use tcphealth_core::snapshot::Absent;

use super::mapping::Mapping;
use super::{absent, syscall};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER_BYTES: usize = 8;

/// The reading end.
#[derive(Debug)]
pub(super) struct Ring {
    map: OwnedFd,
    /// How far we have read.
    consumer: Mapping,
    /// How far the kernel has written, and a page further on, what.
    producer: Mapping,
    page: usize,
    bytes: usize,
}

impl Ring {
    /// One of so many bytes, a power of two of pages.
    pub(super) fn create(bytes: usize) -> Result<Self, Absent> {
        let offset = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
        let page = offset as usize;
        let map = syscall::create_ring(bytes as u32).map_err(absent)?;
        let consumer = Mapping::shared(&map, page)?;
        let producer = Mapping::of(&map, page + 2 * bytes, offset, ProtFlags::PROT_READ)?;
        Ok(Self { map, consumer, producer, page, bytes })
    }

    pub(super) fn map(&self) -> &OwnedFd {
        &self.map
    }

    /// Hands on what has been written since it was last read.
    pub(super) fn drain(&mut self, each: &mut dyn FnMut(&[u8])) {
        let mut at = self.consumer.atomic64(0).load(Ordering::Relaxed);
        let end = self.producer.atomic64(0).load(Ordering::Acquire);
        while at < end {
            let place = self.page + (at as usize & (self.bytes - 1));
            let header = self.producer.atomic32(place).load(Ordering::Acquire);
            if header & BUSY != 0 {
                return;
            }
            let length = (header & !DISCARDED) as usize;
            if header & DISCARDED == 0 {
                each(self.producer.bytes(place + HEADER_BYTES, length));
            }
            at += (HEADER_BYTES + length).next_multiple_of(8) as u64;
            self.consumer.atomic64(0).store(at, Ordering::Release);
        }
    }
}
