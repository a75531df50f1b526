//! The sockets of all network namespaces, read from the kernel's hash tables by a program that runs in the kernel.
//!
//! Source: bpf/walk.c. It takes no lock and needs no type information but the kernel's own; where anything is missing
//! (CAP_BPF and CAP_PERFMON, CONFIG_DEBUG_INFO_BTF, Linux 6.1) sock_diag is asked instead.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::Flock;
use tcphealth_core::snapshot::{Absent, Socket, State};
use tcphealth_core::wire::btf::Btf;
use tcphealth_core::wire::hash_walk::{COMMON_BYTES, NETNS, Places, RECORD_BYTES, parse};

use super::load::{self, Program};
use super::memory::{Layout, Memory};
use super::pin::{self, Pinned};
use super::{absent, syscall};

const DIRECT: &[u8] = include_bytes!("../../bpf/walk-direct.o");
const BY_CALL: &[u8] = include_bytes!("../../bpf/walk.o");
const FIELDS: &str = include_str!("../../bpf/walk.fields.h");

/// `struct shared` in bpf/walk.c.
const LAYOUT: Layout = Layout { records_at: 424, records: 16_384, record_bytes: RECORD_BYTES };
const HEAD_AT: usize = 40;
const PLACES_AT: usize = 264;
/// Buckets of a run: 0.2 to 0.4 ms, for a kernel without preemption cannot interrupt it.
const CHUNK: u32 = 512;
/// Runs over the same buckets before a table that does not stand still is taken as it is.
const RETRIES: u32 = 3;
/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// Bits of [`State::bit`].
    pub(crate) states: u32,
    /// [`QUEUES`], [`OWNER`], [`PROGRESS`], or 0.
    pub(crate) parts: u32,
    /// Of all namespaces, not only of ours.
    pub(crate) everywhere: bool,
}

impl Want {
    fn wanted(self) -> u32 {
        self.parts | if self.everywhere { NETNS } else { 0 }
    }
}

/// The loaded program, and the memory that it shares with us.
#[derive(Debug)]
pub(crate) struct Walk {
    program: OwnedFd,
    pub(super) memory: Memory,
    pub(super) places: Places,
    /// The right to use what is pinned.
    _lock: Option<Flock<File>>,
}

impl Walk {
    /// The pinned one, or loads it: 10 ms.
    pub(crate) fn load() -> Result<Self, Absent> {
        pin::find(DIRECT).map_or_else(|| Self::load_either(DIRECT), Self::of_pinned)
    }

    fn of_pinned(pinned: Pinned) -> Result<Self, Absent> {
        let memory = Memory::of(pinned.memory, LAYOUT)?;
        let fields = load::fields(FIELDS);
        let offsets: Vec<u32> = (0..fields.len()).map(|number| memory.word(PLACES_AT + 4 * number)).collect();
        let places = places(&fields, &offsets).ok_or(Absent::NotHere)?;
        Ok(Self { program: pinned.program, memory, places, _lock: Some(pinned.lock) })
    }

    /// The one that reads directly, where it is given and the kernel takes it.
    fn load_either(direct: &[u8]) -> Result<Self, Absent> {
        let program = Program { direct, by_call: BY_CALL, iterates: None };
        let (mut walk, offsets) = Self::load_program(program, &load::fields(FIELDS), LAYOUT)?;
        for (number, offset) in offsets.into_iter().enumerate() {
            walk.memory.put(PLACES_AT + 4 * number, offset);
        }
        Ok(walk)
    }

    /// A program made of bpf/walk.c, with the offsets of its fields.
    pub(super) fn load_program(
        program: Program<'_>,
        fields: &[(&str, &str)],
        layout: Layout,
    ) -> Result<(Self, Vec<u32>), Absent> {
        let types = load::types()?;
        let btf = Btf::new(&types).map_err(|error| Absent::Failed(error.to_string()))?;
        let offsets = load::offsets(&btf, fields)?;
        let places = places(fields, &offsets).ok_or(Absent::NotHere)?;
        let memory = Memory::create(layout)?;
        let program = program.load(&btf, &offsets, &memory)?;
        let mut walk = Self { program, memory, places, _lock: None };
        walk.prove()?;
        Ok((walk, offsets))
    }

    /// The same with a program that cannot be run.
    #[cfg(test)]
    pub(crate) fn failing(self) -> Self {
        Self { program: File::open("/dev/null").expect("every Linux has it").into(), ..self }
    }

    /// Takes a first step: a kernel whose tables are not where they are expected has none whose size is a power of two.
    fn prove(&mut self) -> Result<(), Absent> {
        let nothing = Want { states: 0, parts: 0, everywhere: false };
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
        let (mut socket, places) = (Socket::default(), self.places);
        self.records(want, &mut |record, _| {
            if let Some(netns) = parse(record, &places, want.wanted(), &mut socket)
                && want.states & socket.state.bit() != 0
            {
                each(&socket, netns);
            }
        })
    }

    /// Hands on the records, each with the memory that it was read together with.
    pub(super) fn records(&mut self, want: Want, each: &mut dyn FnMut(&[u8], &Memory)) -> Result<bool, Absent> {
        let mut interrupted = false;
        if want.states & State::Listen.bit() != 0 {
            interrupted |= self.table(true, want, each)?;
        }
        if want.states & !State::Listen.bit() != 0 {
            interrupted |= self.table(false, want, each)?;
        }
        Ok(interrupted)
    }

    /// Where in the kernel's memory the connections of the calling thread's namespace are: namespaces that share a table share this.
    pub(super) fn head(&mut self) -> Result<u64, Absent> {
        self.run(false, Want { states: 0, parts: 0, everywhere: false }, 0, 0)?;
        Ok(self.memory.double_word(HEAD_AT))
    }

    fn table(&mut self, listeners: bool, want: Want, each: &mut dyn FnMut(&[u8], &Memory)) -> Result<bool, Absent> {
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
            for record in self.memory.records(ran.count) {
                each(record, &self.memory);
            }
            bucket = bucket.saturating_add(chunk);
            tries = 0;
            if bucket >= ran.buckets {
                return Ok(interrupted);
            }
        }
    }

    fn run(&mut self, listeners: bool, want: Want, begin: u32, end: u32) -> Result<Ran, Absent> {
        let request =
            [u32::from(listeners), begin, end, want.wanted(), kernel_states(want.states), u32::from(want.everywhere)];
        for (number, word) in request.into_iter().enumerate() {
            self.memory.put(number * 4, word);
        }
        if syscall::run(self.program.as_fd()).map_err(absent)? != 0 {
            return Err(Absent::NotHere);
        }
        let [buckets, count, broken, finished] = [24, 28, 32, 36].map(|at| self.memory.word(at));
        let finished = finished != 0 && (count as usize) < self.memory.room();
        Ok(Ran { buckets, count: count as usize, broken: broken > 0, finished })
    }
}

/// Whether the tables can be walked, and if not, why.
///
/// # Errors
/// The privilege, the kernel's type information, or a table where it is expected is missing.
pub fn try_walk() -> Result<(), Absent> {
    Walk::load().map(drop)
}

/// Leaves the program in the kernel, under a name in bpffs, so that later runs need not load it.
///
/// # Errors
/// As [`try_walk`]; or there is no bpffs at `/sys/fs/bpf`, or we may not write to it.
pub fn pin() -> Result<(), Absent> {
    let walk = Walk::load_either(DIRECT)?;
    pin::keep(DIRECT, walk.program.as_fd(), walk.memory.map())
}

/// How a run ended.
struct Ran {
    buckets: u32,
    count: usize,
    broken: bool,
    finished: bool,
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

#[cfg(test)]
pub(super) mod tests;
