//! The sockets of all network namespaces, read from the kernel's hash tables by a program that runs in the kernel.
//!
//! Source: bpf/walk.c. It takes no lock and needs no type information but the kernel's own; where anything is missing
//! (CAP_BPF and CAP_PERFMON, CONFIG_DEBUG_INFO_BTF, Linux 6.1) sock_diag is asked instead.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tcphealth_core::snapshot::{Absent, Socket, State};
use tcphealth_core::wire::btf::Btf;
use tcphealth_core::wire::hash_walk::{COMMON_BYTES, Places, RECORD_BYTES, parse};

mod object;
mod syscall;

/// The same program twice: one reads what it follows directly, as kernels from 6.17 on permit, one by a call.
const DIRECT: &[u8] = include_bytes!("../bpf/walk-direct.o");
const BY_CALL: &[u8] = include_bytes!("../bpf/walk.o");
const FIELDS: &str = include_str!("../bpf/fields.h");
const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// `struct shared` in bpf/walk.c: offsets, and how many records follow.
const RECORDS_AT: usize = 264;
const RECORDS: usize = 16_384;
const SHARED_BYTES: usize = RECORDS_AT + RECORDS * RECORD_BYTES;
/// Buckets of a run: 0.2 to 0.4 ms, for a kernel without preemption cannot interrupt it.
const CHUNK: u32 = 512;
/// Runs over the same buckets before a table that does not stand still is taken as it is.
const RETRIES: u32 = 3;
/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// Bits of [`State::bit`].
    pub(crate) states: u32,
    /// User and inode, too.
    pub(crate) owners: bool,
    /// Of all namespaces, not only of ours.
    pub(crate) everywhere: bool,
}

/// The loaded program, and the memory that it shares with us.
#[derive(Debug)]
pub(crate) struct Walk {
    program: OwnedFd,
    memory: Memory,
    places: Places,
}

impl Walk {
    /// Loads it: 10 ms.
    pub(crate) fn load() -> Result<Self, Absent> {
        Self::load_either(DIRECT)
    }

    /// The one that reads directly, where it is given and the kernel takes it.
    fn load_either(direct: &[u8]) -> Result<Self, Absent> {
        if cfg!(target_endian = "big") || cfg!(target_pointer_width = "32") {
            return Err(Absent::NotHere);
        }
        let types = fs::read(TYPES).map_err(|_| Absent::NotHere)?;
        let btf = Btf::new(&types).map_err(|error| Absent::Failed(error.to_string()))?;
        let fields = fields();
        let offsets: Option<Vec<u32>> = fields.iter().map(|(kind, member)| btf.offset(kind, member)).collect();
        let offsets = offsets.ok_or(Absent::NotHere)?;
        let places = places(&fields, &offsets).ok_or(Absent::NotHere)?;
        let shared = syscall::create_shared(SHARED_BYTES as u32).map_err(absent)?;
        let types = syscall::load_btf(&object::two_functions()).map_err(absent)?;
        let load = |object, cast| load_program(object, cast, &offsets, &shared, &types);
        let direct = btf.function("bpf_rdonly_cast").and_then(|cast| load(direct, cast).ok());
        let program = direct.map_or_else(|| load(BY_CALL, 0), Ok)?;
        let mut walk = Self { program, memory: Memory::map(&shared)?, places };
        walk.prove()?;
        Ok(walk)
    }

    /// Takes a first step: a kernel whose tables are not where they are expected has none whose size is a power of two.
    fn prove(&mut self) -> Result<(), Absent> {
        let nothing = Want { states: 0, owners: false, everywhere: false };
        for listeners in [false, true] {
            let ran = self.run(listeners, nothing, 0, 1)?;
            if !ran.finished || !ran.buckets.is_power_of_two() {
                return Err(Absent::NotHere);
            }
        }
        Ok(())
    }

    /// Hands every wanted socket to `each`, with its namespace when all are wanted. The answer tells whether some buckets would
    /// not stand still.
    pub(crate) fn visit(&mut self, want: Want, each: &mut dyn FnMut(&Socket, u32)) -> Result<bool, Absent> {
        let mut interrupted = false;
        if want.states & State::Listen.bit() != 0 {
            interrupted |= self.table(true, want, each)?;
        }
        if want.states & !State::Listen.bit() != 0 {
            interrupted |= self.table(false, want, each)?;
        }
        Ok(interrupted)
    }

    fn table(&mut self, listeners: bool, want: Want, each: &mut dyn FnMut(&Socket, u32)) -> Result<bool, Absent> {
        let (mut bucket, mut chunk, mut tries, mut interrupted) = (0, CHUNK, 0, false);
        loop {
            let ran = self.run(listeners, want, bucket, bucket.saturating_add(chunk))?;
            if !ran.finished {
                // More sockets than there is room for: fewer buckets at once.
                chunk /= 2;
                if chunk == 0 {
                    return Err(Absent::Failed("a chain of sockets without an end".to_owned()));
                }
                continue;
            }
            tries += 1;
            if ran.broken && tries <= RETRIES {
                continue;
            }
            interrupted |= ran.broken;
            self.hand_on(ran.count, want, each);
            bucket = bucket.saturating_add(chunk);
            tries = 0;
            if bucket >= ran.buckets {
                return Ok(interrupted);
            }
        }
    }

    fn run(&mut self, listeners: bool, want: Want, begin: u32, end: u32) -> Result<Ran, Absent> {
        let wants = 1 | if want.owners { 2 } else { 0 } | if want.everywhere { 4 } else { 0 };
        let request = [u32::from(listeners), begin, end, wants, kernel_states(want.states), u32::from(want.everywhere)];
        for (number, word) in request.into_iter().enumerate() {
            self.memory.put(number * 4, word);
        }
        if syscall::run(self.program.as_fd()).map_err(absent)? != 0 {
            return Err(Absent::NotHere);
        }
        let [buckets, count, broken, finished] = [24, 28, 32, 36].map(|at| self.memory.word(at));
        let finished = finished != 0 && (count as usize) < RECORDS;
        Ok(Ran { buckets, count: count as usize, broken: broken > 0, finished })
    }

    fn hand_on(&self, count: usize, want: Want, each: &mut dyn FnMut(&Socket, u32)) {
        let mut socket = Socket::default();
        for record in self.memory.records(count).chunks_exact(RECORD_BYTES) {
            if let Some(netns) = parse(record, &self.places, &mut socket)
                && want.states & socket.state.bit() != 0
            {
                each(&socket, netns);
            }
        }
    }
}

fn load_program(
    object: &[u8],
    cast: u32,
    offsets: &[u32],
    shared: &OwnedFd,
    types: &OwnedFd,
) -> Result<OwnedFd, Absent> {
    let (mut code, callback_at) = object::code(object).ok_or(Absent::NotHere)?;
    object::write_in_cast(&mut code, cast);
    if !object::write_in(&mut code, offsets, shared.as_fd(), callback_at) {
        return Err(Absent::NotHere);
    }
    let begins = [[0, 3], [callback_at as u32, 4]];
    syscall::load_program(&code, types.as_fd(), &begins).map_err(absent)
}

/// Whether the tables can be walked, and if not, why.
///
/// # Errors
/// The privilege, the kernel's type information, or a table where it is expected is missing.
pub fn try_walk() -> Result<(), Absent> {
    Walk::load().map(drop)
}

/// How a run ended.
struct Ran {
    buckets: u32,
    count: usize,
    broken: bool,
    finished: bool,
}

/// The memory that a map shares with us. The kernel writes to it only while a program runs, which is while we wait for it.
#[derive(Debug)]
struct Memory(NonNull<u8>);

// SAFETY: the memory belongs to this value alone and to no thread.
unsafe impl Send for Memory {}

impl Memory {
    fn map(shared: &OwnedFd) -> Result<Self, Absent> {
        let bytes = SHARED_BYTES.try_into().map_err(|_| Absent::NotHere)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses disturbs no other memory.
        let mapped = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, shared, 0) };
        Ok(Self(mapped.map_err(absent)?.cast()))
    }

    fn word(&self, at: usize) -> u32 {
        debug_assert!(at + 4 <= RECORDS_AT);
        // SAFETY: inside the mapping, and aligned as all our offsets are.
        unsafe { self.0.add(at).cast::<u32>().read_volatile() }
    }

    fn put(&mut self, at: usize, word: u32) {
        debug_assert!(at + 4 <= RECORDS_AT);
        // SAFETY: inside the mapping, and aligned as all our offsets are.
        unsafe { self.0.add(at).cast::<u32>().write_volatile(word) }
    }

    fn records(&self, count: usize) -> &[u8] {
        let bytes = count.min(RECORDS) * RECORD_BYTES;
        // SAFETY: inside the mapping, and nothing writes to it as long as it is borrowed: a run needs it exclusively.
        unsafe { std::slice::from_raw_parts(self.0.add(RECORDS_AT).as_ptr(), bytes) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no slice of it outlives this value.
        let _ = unsafe { munmap(self.0.cast(), SHARED_BYTES) };
    }
}

/// The lines of bpf/fields.h: a structure and one of its members.
fn fields() -> Vec<(&'static str, &'static str)> {
    let lines = FIELDS.lines().filter_map(|line| line.strip_prefix("FIELD(")?.strip_suffix(')')?.split_once(", "));
    lines.collect()
}

/// `None` when `struct sock_common` has grown over what a record keeps of it.
fn places(fields: &[(&str, &str)], offsets: &[u32]) -> Option<Places> {
    let place = |name: &str, bytes: usize| {
        let number = fields.iter().position(|field| *field == ("sock_common", name))?;
        let offset = *offsets.get(number)? as usize;
        (offset + bytes <= COMMON_BYTES).then_some(offset)
    };
    place("skc_net", 8)?;
    Some(Places {
        daddr: place("skc_daddr", 4)?,
        rcv_saddr: place("skc_rcv_saddr", 4)?,
        dport: place("skc_dport", 2)?,
        num: place("skc_num", 2)?,
        family: place("skc_family", 2)?,
        state: place("skc_state", 1)?,
        bound_dev_if: place("skc_bound_dev_if", 4)?,
        v6_daddr: place("skc_v6_daddr", 16)?,
        v6_rcv_saddr: place("skc_v6_rcv_saddr", 16)?,
    })
}

/// The states by the kernel's numbers: TIME_WAIT tells its own state only in its record, a request for a connection is 12.
fn kernel_states(states: u32) -> u32 {
    let has = |state: State| states & state.bit() != 0;
    let stubs = if has(State::FinWait2) { State::TimeWait.bit() } else { 0 };
    let requests = if has(State::SynRecv) { 1 << 12 } else { 0 };
    states | stubs | requests
}

fn absent(errno: Errno) -> Absent {
    match errno {
        Errno::EPERM | Errno::EACCES => Absent::NotPermitted("CAP_BPF, CAP_PERFMON".to_owned()),
        Errno::ENOSYS => Absent::NotHere,
        errno => Absent::Failed(format!("bpf: {}", errno.desc())),
    }
}

#[cfg(test)]
mod tests;
