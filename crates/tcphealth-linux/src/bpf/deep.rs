//! The walk over the kernel's hash tables that also reads what tcp_info and the memory of a socket are computed from: what a census
//! needs of a million sockets, at a third of what sock_diag takes, and in all namespaces.
//!
//! Source: bpf/walk.c, made with DEEP.

use std::collections::HashSet;

use tcphealth_core::snapshot::{Absent, Socket, State};
use tcphealth_core::wire::deep_walk::{Deep, Jiffies};
use tcphealth_core::wire::hash_walk::netns;

use super::load::{self, Program};
use super::memory::Layout;
use super::walk::{RECORDS_AT, Walk, Want};
use crate::clock;

const DIRECT: &[u8] = include_bytes!("../../bpf/deep-direct.o");
const BY_CALL: &[u8] = include_bytes!("../../bpf/deep.o");
/// In the order of bpf/deep.all.h; the last are the values of a record.
const FIELDS: [&str; 3] = [
    include_str!("../../bpf/walk.fields.h"),
    include_str!("../../bpf/stubs.fields.h"),
    include_str!("../../bpf/deep.fields.h"),
];
/// `struct shared` in bpf/walk.c: 1 MB, in two halves. Where so many buckets have more sockets, fewer are read at once.
const RECORDS: usize = 2_048;

/// The loaded program.
#[derive(Debug)]
pub(crate) struct DeepWalk {
    walk: Walk,
    deep: Deep,
    hz: u32,
}

impl DeepWalk {
    /// Loads it: 30 ms.
    pub(crate) fn load() -> Result<Self, Absent> {
        Self::load_either(DIRECT)
    }

    fn load_either(direct: &[u8]) -> Result<Self, Absent> {
        let fields: Vec<(&str, &str)> = FIELDS.iter().flat_map(|list| load::fields(list)).collect();
        let values: Vec<&str> = load::fields(FIELDS[2]).into_iter().map(|(_, member)| member).collect();
        let record_bytes = Deep::record_bytes(values.len());
        let layout = Layout { records_at: RECORDS_AT, records: RECORDS, record_bytes };
        let program = Program { direct, by_call: BY_CALL, iterates: None };
        let (walk, _) = Walk::load_program(program, &fields, layout)?;
        // It has run once: a kernel whose clock is not understood tells times that are not either.
        let clock = Jiffies::new(walk.jiffies(), clock::running_seconds()).ok_or(Absent::NotHere)?;
        let deep = Deep::new(walk.places, &values).ok_or(Absent::NotHere)?;
        Ok(Self { walk, deep, hz: clock.hz })
    }

    /// The same with a program that cannot be run.
    #[cfg(test)]
    pub(crate) fn failing(self) -> Self {
        Self { walk: self.walk.failing(), ..self }
    }

    /// Hands every wanted socket but listeners to `each`, of the namespace of the calling thread. The answer tells whether some
    /// buckets would not stand still.
    pub(crate) fn visit(&mut self, states: u32, each: &mut dyn FnMut(&Socket)) -> Result<bool, Absent> {
        self.records(states, None, &mut |socket, _| each(socket))
    }

    /// The same of all wanted namespaces that share its table, each with the inode of its own.
    pub(crate) fn visit_all(
        &mut self,
        states: u32,
        namespaces: &HashSet<u32>,
        each: &mut dyn FnMut(&Socket, u32),
    ) -> Result<bool, Absent> {
        self.records(states, Some(namespaces), each)
    }

    /// Which table that is; a namespace may have one of its own.
    pub(crate) fn table(&mut self) -> Result<u64, Absent> {
        self.walk.head()
    }

    fn records(
        &mut self,
        states: u32,
        namespaces: Option<&HashSet<u32>>,
        each: &mut dyn FnMut(&Socket, u32),
    ) -> Result<bool, Absent> {
        let states = states & !State::Listen.bit();
        let want = Want { states, parts: 0, everywhere: namespaces.is_some() };
        self.walk.choose(namespaces);
        let (mut socket, deep, hz) = (Socket::default(), &self.deep, self.hz);
        self.walk.records_ahead(want, &mut |record, now| {
            // Some of what is read may be of others: that is not looked into.
            if namespaces.is_some_and(|wanted| !netns(record).is_some_and(|netns| wanted.contains(&netns))) {
                return;
            }
            let told = deep.parse(record, Jiffies { now, hz }, &mut socket);
            if let Some(netns) = told
                && states & socket.state.bit() != 0
            {
                each(&socket, netns);
            }
        })
    }
}

/// Whether looks at many sockets can be walked, and if not, why.
///
/// # Errors
/// The privilege, the kernel's type information, or a structure where it is expected is missing.
pub fn try_deep_walk() -> Result<(), Absent> {
    DeepWalk::load().map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tcphealth_core::snapshot::{Endpoint, FIELDS as INFO_FIELDS, Fold, Service};
    use tcphealth_core::wire::sock_diag::{ALL_STATES, Family, INFO, SKMEMINFO};

    use super::super::walk::tests::{population, with};
    use super::*;
    use crate::sockets::{Request, census, census_by_walk, visit_any};
    use crate::source::Source;

    type Table = BTreeMap<(Endpoint, Endpoint), Socket>;

    fn by_netlink() -> Table {
        let states = ALL_STATES & !State::Listen.bit();
        let request = Request { states, attributes: INFO | SKMEMINFO, family: Family::Both, code: None };
        let mut table = Table::new();
        visit_any(&mut Source::live(None), request, &mut |socket| {
            table.insert((socket.local, socket.remote), socket.clone());
        })
        .unwrap();
        table
    }

    fn by_walk(walk: &mut DeepWalk) -> Table {
        let mut table = Table::new();
        walk.visit(ALL_STATES, &mut |socket| {
            table.insert((socket.local, socket.remote), socket.clone());
        })
        .unwrap();
        table
    }

    /// Times that go on while the two are read.
    const MOVES: [&str; 3] = ["last_data_sent", "last_data_recv", "last_ack_recv"];

    fn same_info(ours: &Socket, theirs: &Socket) {
        let (Some(info), Some(told)) = (&ours.info, &theirs.info) else {
            return assert_eq!(ours.info.is_some(), theirs.info.is_some(), "{theirs:?}");
        };
        let mut compared = 0;
        for field in INFO_FIELDS.iter().filter(|field| Deep::tells(field.name)) {
            let (ours, told) = (info.field(field).unwrap(), told.field(field).unwrap());
            let slack = if MOVES.contains(&field.name) { 3_000 } else { 0 };
            assert!(ours.abs_diff(told) <= slack, "{}: {ours} for {told}: {theirs:?}", field.name);
            compared += 1;
        }
        assert!(compared > 20, "{compared}");
    }

    fn sees_what_sock_diag_tells(walk: &mut DeepWalk) {
        let held = population();
        std::thread::sleep(Duration::from_millis(500));
        let (walked, told) = (by_walk(walk), by_netlink());
        assert_eq!(walked.len(), told.len());
        assert!(told.len() > 1_400, "{}", told.len());
        for (ends, theirs) in &told {
            let ours = &walked[ends];
            let brief = |socket: &Socket| {
                let Socket { state, inet6, ifindex, timer, timer_retrans, rqueue, wqueue, uid, inode, .. } = socket;
                (*state, *inet6, *ifindex, *timer, *timer_retrans, *rqueue, *wqueue, *uid, *inode)
            };
            assert_eq!(brief(ours), brief(theirs), "{ends:?}");
            assert_eq!(ours.skmem, theirs.skmem, "{ends:?}");
            assert!(ours.timer_expires_ms.abs_diff(theirs.timer_expires_ms) < 3_000, "{ours:?} {theirs:?}");
            assert!(ours.info.is_none() || ours.cgroup == theirs.cgroup, "{ours:?} {theirs:?}");
            same_info(ours, theirs);
        }
        let again = by_walk(walk);
        assert!(walked.iter().all(|(ends, socket)| again[ends].cookie == socket.cookie));
        let mut cookies: Vec<u64> = walked.values().map(|socket| socket.cookie).collect();
        cookies.sort_unstable();
        cookies.dedup();
        assert_eq!(cookies.len(), walked.len());
        drop(held);
    }

    #[test]
    fn the_deep_walk_tells_what_sock_diag_tells() {
        with(DeepWalk::load, sees_what_sock_diag_tells);
    }

    fn folds_as_sock_diag_does(walk: &mut DeepWalk) {
        let held = population();
        std::thread::sleep(Duration::from_millis(500));
        let (mut source, range) = (Source::live(None), (32_768, 60_999));
        let (walked, marks) = census_by_walk(&mut source, Fold::first(range), walk).unwrap();
        let (told, _) = census(&mut source, Fold::first(range)).unwrap();
        assert_eq!(walked.states, told.states);
        assert_eq!((walked.services.len(), walked.listeners.len()), (told.services.len(), 3));
        for (ours, theirs) in walked.services.iter().zip(&told.services) {
            let sums = |of: &Service| {
                (of.key, of.states, of.unaccepted, of.with_data, of.ports, of.memory_bytes, of.uid, of.cgroup)
            };
            assert_eq!(sums(ours), sums(theirs));
        }
        let (again, _) = census_by_walk(&mut source, Fold::second(&marks, 100, range), walk).unwrap();
        assert!(again.joined && again.born.total() == 0, "{:?}", again.born);
        let kept: u32 = again.services.iter().map(|service| service.kept.total()).sum();
        assert_eq!(kept, told.states.live());
        drop(held);
    }

    #[test]
    fn two_looks_by_the_deep_walk_are_joined_and_sum_up_as_sock_diag_does() {
        with(DeepWalk::load, folds_as_sock_diag_does);
    }

    #[test]
    fn the_one_that_reads_by_calls_tells_the_same() {
        with(|| DeepWalk::load_either(&[]), sees_what_sock_diag_tells);
    }

    /// The sources of the rules and of the census, without their tests.
    fn readers() -> Vec<String> {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcphealth-core/src");
        let (mut paths, mut folders) = (Vec::new(), vec![source.join("rules"), source.join("snapshot")]);
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { folders.push(path) } else { paths.push(path) }
            }
        }
        let text = |path| std::fs::read_to_string(path).unwrap();
        // Events and the fields themselves are no matter of a walk.
        paths.retain(|path| !path.ends_with("event.rs") && !path.ends_with("tcp_info.rs"));
        paths.into_iter().map(|path| text(path).split("mod tests {").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_field_that_a_rule_reads_is_told() {
        let mut read = 0;
        for text in readers() {
            for field in INFO_FIELDS {
                let ways = [
                    format!("TcpInfo::{}", field.name),
                    format!("info.{}()", field.name),
                    format!("?.{}()", field.name),
                ];
                let reads = ways.iter().any(|way| {
                    text.match_indices(way).any(|(at, way)| {
                        !text[at + way.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_')
                    })
                });
                assert!(!reads || Deep::tells(field.name), "{}", field.name);
                read += u32::from(reads);
            }
        }
        assert!(read > 15, "{read}");
    }
}
