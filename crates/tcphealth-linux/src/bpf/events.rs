//! What happens to the TCP sockets of a network namespace, by programs at the kernel's tracepoints: counted, and told one by one.
//!
//! Source: bpf/events.c. It needs CAP_BPF, CAP_PERFMON and CONFIG_DEBUG_INFO_BTF. The ring holds 8 MiB, which is two seconds of
//! 25 000 events each; what finds no room is counted. 262 144 connections that began while we listen are remembered; when there
//! are more, the new ones are not, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use tcphealth_core::snapshot::{Absent, Event, EventCounts};
use tcphealth_core::wire::btf::Btf;
use tcphealth_core::wire::events::{COUNTERS, Kind, counts, parse};

use super::mapping::Mapping;
use super::object::{Values, section};
use super::ring::Ring;
use super::{absent, load, syscall};

const OBJECT: &[u8] = include_bytes!("../../bpf/events.o");
const FIELDS: &str = include_str!("../../bpf/events.fields.h");

const RING_BYTES: usize = 8 << 20;
/// The smallest that a kernel takes, which is one of its pages, whatever their size.
const PAGE_MAX: usize = 64 << 10;
const BIRTHS: u32 = 1 << 18;
/// `sizeof(struct birth)`.
const BIRTH_BYTES: u32 = 32;
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

/// Listening, as long as it lives.
#[derive(Debug)]
pub struct Events {
    /// Each keeps a program at its tracepoint.
    links: Vec<OwnedFd>,
    programs: Vec<OwnedFd>,
    counters: Mapping,
    cpus: usize,
    ring: Ring,
    reasons: Reasons,
}

impl Events {
    /// Counts events of these kinds in the namespace with this inode from now on, and keeps each one to be read if they are
    /// `told`. Life and connect, told, remember who began each connection.
    ///
    /// # Errors
    /// The privilege, the kernel's type information or one of the tracepoints is missing.
    pub fn open(netns: u64, kinds: &BTreeSet<Kind>, told: bool) -> Result<Self, Absent> {
        let types = load::types()?;
        let btf = Btf::new(&types).map_err(|error| Absent::Failed(error.to_string()))?;
        let places = load::offsets(&btf, &load::fields(FIELDS))?;
        let cpus = possible_cpus().next_power_of_two();
        let shared = syscall::create_shared((cpus * BLOCK_BYTES) as u32).map_err(absent)?;
        let streamed = kinds.iter().filter(|_| told).fold(0, |bits, kind| bits | 1 << *kind as u8);
        // Who only counts needs neither.
        let (births, ring) = if told { (BIRTHS, RING_BYTES) } else { (1, PAGE_MAX) };
        let births = syscall::create_hash(BIRTH_BYTES, births).map_err(absent)?;
        let ring = Ring::create(ring)?;
        let names: BTreeSet<&str> = kinds.iter().map(|kind| tracepoint(*kind)).collect();
        let mut programs = Vec::new();
        for name in names {
            let (target, arguments) = btf.tracepoint(name).ok_or(Absent::NotHere)?;
            let values = Values {
                places: &places,
                shared: shared.as_fd(),
                maps: &[ring.map().as_fd(), births.as_fd()],
                settings: &[netns as u32, streamed, cpus as u32 - 1, arguments],
                callback_at: 0,
            };
            let mut code = section(OBJECT, name).filter(|code| !code.is_empty()).ok_or(Absent::NotHere)?;
            if !values.write_in(&mut code) {
                return Err(Absent::NotHere);
            }
            programs.push(syscall::load_tracing(&code, target).map_err(absent)?);
        }
        let counters = Mapping::shared(&shared, cpus * BLOCK_BYTES)?;
        let links: Result<_, _> = programs.iter().map(|program| syscall::attach(program.as_fd())).collect();
        Ok(Self { links: links.map_err(absent)?, programs, counters, cpus, ring, reasons: Reasons::of(&btf) })
    }

    /// What has happened since this was last asked, in its order.
    pub fn read(&mut self, each: &mut dyn FnMut(Event)) {
        self.ring.drain(&mut |record| {
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
        let sum = |at: usize| {
            let of_cpu = |cpu: usize| self.counters.double_word(cpu * BLOCK_BYTES + at * 8);
            (0..self.cpus).map(of_cpu).sum()
        };
        let missed = self.programs.iter().filter_map(|program| syscall::misses(program.as_fd()).ok()).sum();
        EventCounts { missed, ..counts(sum) }
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
