//! What happens to the TCP sockets of a network namespace, by programs at the kernel's tracepoints: counted, and told one by one.
//!
//! Source: bpf/events.c. It needs CAP_BPF, CAP_PERFMON and CONFIG_DEBUG_INFO_BTF. The ring holds 8 MiB, which is two seconds of
//! 25 000 events each; what finds no room is counted. 262 144 connections that began while we listen are remembered; when there
//! are more, the new ones are not, and counted. Sums by process, by peer or by accept queue are kept for the first 16 384 of each;
//! what else would begin a sum is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use tcphealth_core::snapshot::{Absent, Event, EventCounts, Names, PeerTally, ProcessTally, QueueTally, Table, Tally};
use tcphealth_core::wire::btf::Btf;
use tcphealth_core::wire::events::{COUNTERS, Kind, UNNAMED, counts, parse};
use tcphealth_core::wire::kallsyms::Symbols;
use tcphealth_core::wire::tally::{self, COUNT_BYTES, DOING_BYTES, PLACE_BYTES, QUEUE_BYTES, WHO_BYTES, WHOM_BYTES};

use super::mapping::Mapping;
use super::object::{Values, section};
use super::ring::Ring;
use super::{absent, load, syscall};
use crate::clock::boot_ns;

const OBJECT: &[u8] = include_bytes!("../../bpf/events.o");
const FIELDS: &str = include_str!("../../bpf/events.fields.h");

const RING_BYTES: usize = 8 << 20;
/// The smallest that a kernel takes, which is one of its pages, whatever their size.
const PAGE_MAX: usize = 64 << 10;
const BIRTHS: u32 = 1 << 18;
/// `sizeof(struct birth)`.
const BIRTH_BYTES: usize = 40;
/// A key of ours: the address of a socket.
const SOCKET_BYTES: usize = 8;
/// Sums by process, by peer, and by accept queue: at most 6 MiB.
const SUMS: u32 = 1 << 14;
const BLOCK_BYTES: usize = COUNTERS * 8;
/// CPUs that a kernel may have (`CONFIG_NR_CPUS` is 8192 at most); each takes 8 KiB.
const CPUS_MAX: usize = 8192;

/// The tracepoint that tells a kind.
fn tracepoint(kind: Kind) -> &'static str {
    match kind {
        Kind::Retransmit => "tcp_retransmit_skb",
        Kind::RetransmitSynAck => "tcp_retransmit_synack",
        Kind::ResetSent => "tcp_send_reset",
        Kind::ResetReceived => "tcp_receive_reset",
        Kind::State | Kind::Connect | Kind::Life => "inet_sock_set_state",
        Kind::Drop => "kfree_skb",
    }
}

/// The running kernel's words for its reasons, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Reasons {
    /// `enum sk_rst_reason` without `SK_RST_REASON_`.
    pub resets: BTreeMap<u32, String>,
    /// `enum skb_drop_reason` without `SKB_DROP_REASON_`.
    pub drops: BTreeMap<u32, String>,
}

impl Reasons {
    fn of(btf: &Btf<'_>) -> Self {
        let names = |name: &str, prefix: &str| {
            let plain = |(name, value): (&str, u32)| (value, name.strip_prefix(prefix).unwrap_or(name).to_owned());
            btf.enumerators(name).into_iter().map(plain).collect()
        };
        Self { resets: names("sk_rst_reason", "SK_RST_REASON_"), drops: names("skb_drop_reason", "SKB_DROP_REASON_") }
    }
}

/// What is counted where nobody chooses: all but dropped packets, of which there are many.
const KINDS: [Kind; 5] = [Kind::State, Kind::Retransmit, Kind::RetransmitSynAck, Kind::ResetSent, Kind::ResetReceived];

/// Tells the end of every system call: what costs each of them some time.
const CALLS: &str = "sys_exit";
/// Where `struct pt_regs` has the number of a system call, and the numbers of accept() and accept4(). Source:
/// arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
const ACCEPTING: Option<(&str, [u32; 2])> = if cfg!(target_arch = "x86_64") {
    Some(("orig_ax", [43, 288]))
} else if cfg!(target_arch = "aarch64") {
    Some(("syscallno", [202, 242]))
} else {
    None
};

/// What is kept of events beside their counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    Each,
    /// Those that are retransmissions or drops with their stacks.
    EachWithStack,
    Sums,
}

impl Keep {
    fn is_each(self) -> bool {
        matches!(self, Self::Each | Self::EachWithStack)
    }
}

/// What the programs fill.
#[derive(Debug)]
struct Maps {
    ring: Ring,
    births: OwnedFd,
    doings: OwnedFd,
    peers: OwnedFd,
    queues: OwnedFd,
}

impl Maps {
    /// Of those that are not needed, the smallest that a kernel takes.
    fn create(keep: Keep) -> Result<Self, Absent> {
        let size = |needed: bool, size: u32| if needed { size } else { 1 };
        let sums = size(keep == Keep::Sums, SUMS);
        Ok(Self {
            ring: Ring::create(if keep.is_each() { RING_BYTES } else { PAGE_MAX })?,
            births: syscall::create_hash(SOCKET_BYTES, BIRTH_BYTES, size(keep != Keep::Nothing, BIRTHS))
                .map_err(absent)?,
            doings: syscall::create_hash(WHO_BYTES, DOING_BYTES, sums).map_err(absent)?,
            peers: syscall::create_hash(WHOM_BYTES, COUNT_BYTES, sums).map_err(absent)?,
            queues: syscall::create_hash(PLACE_BYTES, QUEUE_BYTES, sums).map_err(absent)?,
        })
    }

    /// In the order of their numbers in the source.
    fn all(&self) -> [BorrowedFd<'_>; 5] {
        [self.ring.map().as_fd(), self.births.as_fd(), self.doings.as_fd(), self.peers.as_fd(), self.queues.as_fd()]
    }
}

/// Listening, as long as it lives.
#[derive(Debug)]
pub struct Events {
    /// Each keeps a program at its tracepoint.
    links: Vec<OwnedFd>,
    programs: Vec<OwnedFd>,
    counters: Mapping,
    cpus: usize,
    maps: Maps,
    reasons: Reasons,
    begin_ns: u64,
    sees_accepts: bool,
}

/// What is written into every program.
struct Loader<'a> {
    btf: &'a Btf<'a>,
    places: Vec<u32>,
    shared: BorrowedFd<'a>,
    maps: [BorrowedFd<'a>; 5],
    /// The number of arguments is that of the tracepoint.
    settings: [u32; 9],
}

impl Loader<'_> {
    /// The program for a tracepoint.
    fn load(&self, name: &str) -> Result<OwnedFd, Absent> {
        let (target, number) = self.btf.tracepoint(name).ok_or(Absent::NotHere)?;
        let mut settings = self.settings;
        let [_, _, _, arguments, ..] = &mut settings;
        *arguments = number;
        let values =
            Values { places: &self.places, shared: self.shared, maps: &self.maps, settings: &settings, callback_at: 0 };
        let mut code = section(OBJECT, name).filter(|code| !code.is_empty()).ok_or(Absent::NotHere)?;
        if !values.write_in(&mut code) {
            return Err(Absent::NotHere);
        }
        syscall::load_tracing(&code, target).map_err(absent)
    }
}

fn attach(program: &OwnedFd) -> Result<OwnedFd, Absent> {
    syscall::attach(program.as_fd()).map_err(absent)
}

impl Events {
    /// Counts events of these kinds in the namespace with this inode from now on, and keeps each one to be read if they are
    /// `told`. Life and connect, told, remember who began each connection.
    ///
    /// # Errors
    /// The privilege, the kernel's type information or one of the tracepoints is missing.
    pub fn open(netns: u64, kinds: &BTreeSet<Kind>, told: bool) -> Result<Self, Absent> {
        Self::keeping(if told { Keep::Each } else { Keep::Nothing }, netns, kinds)
    }

    /// Counts what happens in the namespace with this inode, and keeps nothing but the counts; see [`Events::table`].
    pub(crate) fn counting(netns: u64) -> Result<Self, Absent> {
        Self::keeping(Keep::Nothing, netns, &KINDS.into())
    }

    /// As [`Events::open`], each told; retransmissions and drops with the calls that led to them ([`Event::stack`]).
    ///
    /// # Errors
    /// As [`Events::open`].
    pub fn with_stacks(netns: u64, kinds: &BTreeSet<Kind>) -> Result<Self, Absent> {
        Self::keeping(Keep::EachWithStack, netns, kinds)
    }

    /// Counts what happens in the namespace with this inode, and adds it up by process and by peer; see [`Events::tally`].
    ///
    /// # Errors
    /// As [`Events::open`].
    pub fn adding_up(netns: u64) -> Result<Self, Absent> {
        Self::keeping(Keep::Sums, netns, &KINDS.into())
    }

    fn keeping(keep: Keep, netns: u64, kinds: &BTreeSet<Kind>) -> Result<Self, Absent> {
        let types = load::types()?;
        let btf = Btf::new(&types).map_err(|error| Absent::Failed(error.to_string()))?;
        let cpus = possible_cpus().next_power_of_two();
        let shared = syscall::create_shared((cpus * BLOCK_BYTES) as u32).map_err(absent)?;
        let maps = Maps::create(keep)?;
        let streamed = kinds.iter().filter(|_| keep.is_each()).fold(0, |bits, kind| bits | 1 << *kind as u8);
        let calls = ACCEPTING.filter(|_| keep == Keep::Sums);
        let calls = calls.and_then(|(member, numbers)| Some((btf.offset("pt_regs", member)?, numbers)));
        let (number_at, [accept, accept4]) = calls.unwrap_or_default();
        let loader = Loader {
            btf: &btf,
            places: load::offsets(&btf, &load::fields(FIELDS))?,
            shared: shared.as_fd(),
            maps: maps.all(),
            settings: [
                netns as u32,
                streamed,
                cpus as u32 - 1,
                0,
                u32::from(keep == Keep::Sums),
                u32::from(keep == Keep::EachWithStack),
                accept,
                accept4,
                number_at,
            ],
        };
        let names: BTreeSet<&str> = kinds.iter().map(|kind| tracepoint(*kind)).collect();
        let programs: Result<Vec<OwnedFd>, Absent> = names.into_iter().map(|name| loader.load(name)).collect();
        let mut programs = programs?;
        let links: Result<Vec<OwnedFd>, Absent> = programs.iter().map(attach).collect();
        let mut links = links?;
        // Without this one only the time in accept queues is not known.
        let calls = calls.and_then(|_| loader.load(CALLS).ok());
        let calls = calls.and_then(|program| Some((attach(&program).ok()?, program)));
        let sees_accepts = calls.is_some();
        let (link, program): (Option<OwnedFd>, Option<OwnedFd>) = calls.unzip();
        links.extend(link);
        programs.extend(program);
        let (counters, reasons) = (Mapping::shared(&shared, cpus * BLOCK_BYTES)?, Reasons::of(&btf));
        Ok(Self { links, programs, counters, cpus, maps, reasons, begin_ns: boot_ns(), sees_accepts })
    }

    /// What has happened since this was last asked, in its order.
    pub fn read(&mut self, each: &mut dyn FnMut(Event)) {
        self.maps.ring.drain(&mut |record| {
            if let Some(event) = parse(record) {
                each(event);
            }
        });
    }

    /// No more events from now on; those before can still be read.
    pub fn stop(&mut self) {
        self.links.clear();
    }

    /// How often each thing has happened so far.
    pub fn counts(&self) -> EventCounts {
        let sum = |at: usize| self.counter(at);
        let missed = self.programs.iter().filter_map(|program| syscall::misses(program.as_fd()).ok()).sum();
        EventCounts { missed, ..counts(sum) }
    }

    /// The counts so far, as a table of counters.
    pub(crate) fn table(&self) -> Table {
        let (names, values): (Vec<String>, Vec<u64>) = self.counts().columns(&self.reasons.resets).into_iter().unzip();
        Table { file: Table::EVENTS, names: Arc::new(Names::new(names)), values, read_ns: boot_ns(), absent: None }
    }

    fn counter(&self, at: usize) -> u64 {
        (0..self.cpus).map(|cpu| self.counters.double_word(cpu * BLOCK_BYTES + at * 8)).sum()
    }

    /// What was added up so far.
    ///
    /// # Errors
    /// The kernel does not give its tables.
    pub fn tally(&self) -> Result<Tally, Absent> {
        let (counts, end_ns) = (self.counts(), boot_ns());
        Ok(Tally {
            begin_ns: self.begin_ns,
            end_ns,
            changes: counts.states.into_iter().map(|((from, to), count)| (from, to, count)).collect(),
            processes: self.processes()?,
            peers: self.peers()?,
            queues: self.sees_accepts.then(|| self.queues(end_ns)).transpose()?,
            unnamed: self.counter(UNNAMED),
            forgotten: counts.forgotten,
            missed: counts.missed,
        })
    }

    fn processes(&self) -> Result<Vec<ProcessTally>, Absent> {
        let (keys, values) = syscall::read_hash(&self.maps.doings, WHO_BYTES, DOING_BYTES, SUMS).map_err(absent)?;
        let pairs = keys.chunks_exact(WHO_BYTES).zip(values.chunks_exact(DOING_BYTES));
        Ok(pairs.filter_map(|(who, doing)| tally::process(who, doing)).collect())
    }

    fn peers(&self) -> Result<Vec<PeerTally>, Absent> {
        let (keys, values) = syscall::read_hash(&self.maps.peers, WHOM_BYTES, COUNT_BYTES, SUMS).map_err(absent)?;
        let pairs = keys.chunks_exact(WHOM_BYTES).zip(values.chunks_exact(COUNT_BYTES));
        Ok(pairs.filter_map(|(whom, count)| tally::peer(whom, count, &self.reasons.resets)).collect())
    }

    fn queues(&self, now_ns: u64) -> Result<Vec<QueueTally>, Absent> {
        let (keys, values) = syscall::read_hash(&self.maps.queues, PLACE_BYTES, QUEUE_BYTES, SUMS).map_err(absent)?;
        let pairs = keys.chunks_exact(PLACE_BYTES).zip(values.chunks_exact(QUEUE_BYTES));
        Ok(pairs.filter_map(|(place, queue)| tally::queue(place, queue, now_ns)).collect())
    }

    /// The kernel's functions by their addresses, our programs among them; none where we may not know them.
    pub fn symbols() -> Symbols {
        fs::read_to_string("/proc/kallsyms").map(|text| Symbols::parse(&text)).unwrap_or_default()
    }

    /// The words for the numbers in events.
    pub fn reasons(&self) -> &Reasons {
        &self.reasons
    }
}

/// CPUs that may ever run, by the last number of `0-3` or `0,2-5`.
fn possible_cpus() -> usize {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim_end().rsplit(['-', ',']).next().and_then(|last| last.parse::<usize>().ok());
    last.map_or(CPUS_MAX, |last| last + 1).min(CPUS_MAX)
}
