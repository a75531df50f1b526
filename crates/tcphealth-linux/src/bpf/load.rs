//! A committed object and the kernel's type information → a program in the running kernel.

use std::fs::{self, File};
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};

use tcphealth_core::snapshot::Absent;
use tcphealth_core::wire::btf::Btf;

use super::mapping::Mapping;
use super::memory::Memory;
use super::object::Values;
use super::{absent, object, syscall};

const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// A program that is not loaded yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    /// What `bpf/build` made: the one that reads what it follows directly, as kernels from 6.17 on permit.
    pub(super) direct: &'a [u8],
    /// The same, but reading by a call.
    pub(super) by_call: &'a [u8],
    /// The id of the iterator's function (`bpf_iter_task`) that calls it; without, we run it ourselves.
    pub(super) iterates: Option<u32>,
}

impl Program<'_> {
    /// Loads the one that reads directly where the kernel takes it, with every place written in.
    pub(super) fn load(self, btf: &Btf<'_>, offsets: &[u32], memory: &Memory) -> Result<OwnedFd, Absent> {
        let types = syscall::load_btf(&object::two_functions()).map_err(absent)?;
        let load = |object: &[u8], cast: u32| {
            let (mut code, callback_at) = object::code(object).ok_or(Absent::NotHere)?;
            object::write_in_cast(&mut code, cast);
            let values = Values { places: offsets, shared: memory.map(), maps: &[], settings: &[], callback_at };
            if !values.write_in(&mut code) {
                return Err(Absent::NotHere);
            }
            let begins = [[0, 3], [callback_at as u32, 4]];
            syscall::load_program(&code, types.as_fd(), &begins, self.iterates).map_err(absent)
        };
        let direct = btf.function("bpf_rdonly_cast").and_then(|cast| load(self.direct, cast).ok());
        direct.map_or_else(|| load(self.by_call, 0), Ok)
    }
}

/// The kernel's type information.
pub(super) enum Types {
    /// As it lies in the kernel's memory, which Linux shows from 6.16 on: that spares some 1400 reads of a page each.
    Mapped(Mapping),
    /// A copy.
    Read(Vec<u8>),
}

impl Deref for Types {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(types) => types.bytes(0, types.length()),
            Self::Read(types) => types,
        }
    }
}

/// Reads it.
pub(super) fn types() -> Result<Types, Absent> {
    // The objects are made for such machines.
    if cfg!(target_endian = "big") || cfg!(target_pointer_width = "32") {
        return Err(Absent::NotHere);
    }
    let mapped = || Mapping::of_file(&File::open(TYPES).ok()?, fs::metadata(TYPES).ok()?.len() as usize).ok();
    let read = || fs::read(TYPES).map(Types::Read).map_err(|_| Absent::NotHere);
    mapped().map_or_else(read, |types| Ok(Types::Mapped(types)))
}

/// The lines of a list of fields: a structure and one of its members.
pub(super) fn fields(list: &str) -> Vec<(&str, &str)> {
    let lines = list.lines().filter_map(|line| line.strip_prefix("FIELD(")?.strip_suffix(')')?.split_once(", "));
    lines.collect()
}

/// Where the fields are in the running kernel.
pub(super) fn offsets(btf: &Btf<'_>, fields: &[(&str, &str)]) -> Result<Vec<u32>, Absent> {
    let offsets: Option<_> = fields.iter().map(|(kind, member)| btf.offset(kind, member)).collect();
    offsets.ok_or(Absent::NotHere)
}
