//! The sockets of all network namespaces, read from the kernel's hash tables by a program that runs in the kernel.
//!
//! Source: bpf/walk.c. It takes no lock and needs no type information but the kernel's own; where anything is missing
//! (CAP_BPF and CAP_PERFMON, CONFIG_DEBUG_INFO_BTF, Linux 6.1) sock_diag is asked instead.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use std::sync::mpsc;
use std::thread;

use nix::fcntl::Flock;
use tcphealth_core::snapshot::{Absent, Socket, SocketSums, State, StateCounts};
use tcphealth_core::wire::btf::Btf;
use tcphealth_core::wire::hash_walk::{
    COMMON_BYTES, COUNTS, NETNS, Places, RECORD_BYTES, SUMS, SUMS_BYTES, parse, sums,
};

use super::load::{self, Program};
use super::memory::{Layout, Memory, Part};
use super::pin::{self, Pinned};
use super::{absent, syscall};

const DIRECT: &[u8] = include_bytes!("../../bpf/walk-direct.o");
const BY_CALL: &[u8] = include_bytes!("../../bpf/walk.o");
const FIELDS: &str = include_str!("../../bpf/walk.fields.h");

/// `struct shared` in bpf/walk.c.
const LAYOUT: Layout = Layout { records_at: RECORDS_AT, records: 16_384, record_bytes: RECORD_BYTES + SUMS_BYTES };
const HEAD_AT: usize = 48;
const PLACES_AT: usize = 80;
const COUNTS_AT: usize = 240;
const JIFFIES_AT: usize = 304;
const NAMESPACES_AT: usize = 320;
const NAMESPACES_WORDS: u32 = 4096 / 32;
pub(super) const RECORDS_AT: usize = 832 + 32 * 40 + 512 * 32;
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

const NOTHING: Want = Want { states: 0, parts: 0, everywhere: false };

impl Want {
    fn wanted(self) -> u32 {
        self.parts | if self.everywhere { NETNS } else { 0 }
    }
}

/// The loaded program, and the memory that it shares with us.
#[derive(Debug)]
pub(crate) struct Walk {
    program: OwnedFd,
    memory: Memory,
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
        let (walk, offsets) = Self::load_program(program, &load::fields(FIELDS), LAYOUT)?;
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
        // What is not permitted fails here, before much is read.
        let memory = Memory::create(layout)?;
        let types = load::types()?;
        let btf = Btf::new(&types).map_err(|error| Absent::Failed(error.to_string()))?;
        let offsets = load::offsets(&btf, fields)?;
        let places = places(fields, &offsets).ok_or(Absent::NotHere)?;
        let program = program.load(&btf, &offsets, &memory)?;
        let walk = Self { program, memory, places, _lock: None };
        walk.prove()?;
        Ok((walk, offsets))
    }

    /// The same with a program that cannot be run.
    #[cfg(test)]
    pub(crate) fn failing(self) -> Self {
        Self { program: File::open("/dev/null").expect("every Linux has it").into(), ..self }
    }

    /// Takes a first step: a kernel whose tables are not where they are expected has none whose size is a power of two.
    fn prove(&self) -> Result<(), Absent> {
        for listeners in [false, true] {
            let ran = self.run(listeners, NOTHING, [0, 1], &mut self.memory.part(0, 1))?;
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
        self.records(want, &mut |record| {
            if let Some(netns) = parse(record, &places, want.wanted(), &mut socket)
                && want.states & socket.state.bit() != 0
            {
                each(&socket, netns);
            }
        })
    }

    /// Hands on sums of sockets that have state, peer and namespace in common, each with one of them: of many, or of few, for the
    /// program sums up no longer than one run lasts.
    pub(crate) fn sums(&mut self, want: Want, each: &mut dyn FnMut(&Socket, SocketSums, u32)) -> Result<bool, Absent> {
        let (mut socket, places) = (Socket::default(), self.places);
        let want = Want { parts: want.parts | SUMS, ..want };
        self.records(want, &mut |record| {
            if let Some(netns) = parse(record, &places, want.wanted(), &mut socket)
                && want.states & socket.state.bit() != 0
                && let Some(sums) = sums(record, want.parts)
            {
                each(&socket, sums, netns);
            }
        })
    }

    /// How many sockets are in each of these states; nothing else of them is read.
    pub(crate) fn counts(&mut self, states: u32) -> Result<StateCounts, Absent> {
        let (mut counts, mut part) = (StateCounts::default(), self.memory.part(0, 1));
        let mut steps = Steps::new(Want { states, parts: COUNTS, everywhere: false });
        while steps.next(self, &mut part)? {
            // The kernel's number of a request for a connection is 12.
            for (number, state) in (1..=12).filter_map(|number| Some((number, State::from_kernel(number)?))) {
                let sockets = self.memory.word(COUNTS_AT + 4 * usize::from(number));
                if states & state.bit() != 0 {
                    counts.set(state, counts.get(state) + sockets);
                }
            }
        }
        Ok(counts)
    }

    /// Of which other namespaces sockets are read where some are wanted: of these and of few more; `None` for all.
    pub(super) fn choose(&self, namespaces: Option<&HashSet<u32>>) {
        for word in 0..NAMESPACES_WORDS {
            let mine = |netns: &&u32| **netns / 32 % NAMESPACES_WORDS == word;
            let bits = |some: &HashSet<u32>| some.iter().filter(mine).fold(0, |bits, netns| bits | 1 << (netns % 32));
            self.memory.put(NAMESPACES_AT + 4 * word as usize, namespaces.map_or(u32::MAX, bits));
        }
    }

    /// Hands on the records. The answer tells whether some buckets would not stand still.
    fn records(&mut self, want: Want, each: &mut dyn FnMut(&[u8])) -> Result<bool, Absent> {
        self.choose(None);
        let (mut steps, mut part) = (Steps::new(want), self.memory.part(0, 1));
        while steps.next(self, &mut part)? {
            self.memory.records(&part).for_each(&mut *each);
        }
        Ok(steps.interrupted)
    }

    /// The same, each with the clock of jiffies, while a thread reads the next ones: where both take about as long, that is half
    /// the time.
    pub(super) fn records_ahead(&mut self, want: Want, each: &mut dyn FnMut(&[u8], u64)) -> Result<bool, Absent> {
        let (give_back, empty) = mpsc::channel();
        let (hand_over, full) = mpsc::channel();
        for half in 0..2 {
            give_back.send(self.memory.part(half, 2)).expect("we hold the other end");
        }
        let walk = &*self;
        let reads = move || {
            let mut steps = Steps::new(want);
            while let Ok(mut part) = empty.recv() {
                // Nobody takes it when `each` has panicked.
                if !steps.next(walk, &mut part)? || hand_over.send(part).is_err() {
                    break;
                }
            }
            Ok(steps.interrupted)
        };
        thread::scope(|scope| {
            let reader = thread::Builder::new().spawn_scoped(scope, reads);
            let reader = reader.map_err(|error| Absent::Failed(error.to_string()))?;
            for part in full {
                walk.memory.records(&part).for_each(|record| each(record, part.jiffies));
                // The reader wants no more of them after the last.
                let _ = give_back.send(part);
            }
            reader.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// The kernel's clock when the program last ran, if it is the deep one.
    pub(super) fn jiffies(&self) -> u64 {
        self.memory.double_word(JIFFIES_AT)
    }

    /// Where in the kernel's memory the connections of the calling thread's namespace are: namespaces that share a table share this.
    pub(super) fn head(&mut self) -> Result<u64, Absent> {
        self.run(false, NOTHING, [0, 0], &mut self.memory.part(0, 1))?;
        Ok(self.memory.double_word(HEAD_AT))
    }

    /// Fills a part of the records with these buckets. One thread at a time does this.
    fn run(&self, listeners: bool, want: Want, [begin, end]: [u32; 2], part: &mut Part) -> Result<Ran, Absent> {
        let all = u32::from(want.everywhere);
        let request = [u32::from(listeners), begin, end, want.wanted(), kernel_states(want.states), all];
        for (number, word) in request.into_iter().enumerate() {
            self.memory.put(number * 4, word);
        }
        self.memory.put(40, part.first as u32);
        self.memory.put(44, part.last as u32);
        if syscall::run(self.program.as_fd()).map_err(absent)? != 0 {
            return Err(Absent::NotHere);
        }
        let [buckets, count, broken, finished] = [24, 28, 32, 36].map(|at| self.memory.word(at));
        part.end = count as usize;
        part.jiffies = self.jiffies();
        Ok(Ran { buckets, broken: broken > 0, finished: finished != 0 && part.end < part.last })
    }
}

/// A walk under way: first over the listeners, then over all others, as far as they are wanted.
struct Steps {
    want: Want,
    listeners: bool,
    /// The next bucket, and how many there are.
    bucket: u32,
    buckets: u32,
    chunk: u32,
    interrupted: bool,
}

impl Steps {
    fn new(want: Want) -> Self {
        let listeners = want.states & State::Listen.bit() != 0;
        Self { want, listeners, bucket: 0, buckets: u32::MAX, chunk: CHUNK, interrupted: false }
    }

    /// Fills the part with the next buckets; false when there are none.
    fn next(&mut self, walk: &Walk, part: &mut Part) -> Result<bool, Absent> {
        if self.listeners && self.bucket >= self.buckets {
            (self.listeners, self.bucket, self.buckets) = (false, 0, u32::MAX);
        }
        let nothing = !self.listeners && self.want.states & !State::Listen.bit() == 0;
        if nothing || self.bucket >= self.buckets {
            return Ok(false);
        }
        let mut tries = 0;
        loop {
            let end = self.bucket.saturating_add(self.chunk);
            let ran = walk.run(self.listeners, self.want, [self.bucket, end], part)?;
            if !ran.finished {
                // More sockets than there is room for: fewer buckets at once.
                self.chunk /= 2;
                if self.chunk == 0 {
                    return Err(Absent::Failed("a chain of sockets without an end".to_owned()));
                }
                continue;
            }
            tries += 1;
            if !ran.broken || tries > RETRIES {
                self.interrupted |= ran.broken;
                (self.bucket, self.buckets) = (end, ran.buckets);
                return Ok(true);
            }
        }
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
