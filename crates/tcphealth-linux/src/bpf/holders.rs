//! Which processes hold which sockets, from the kernel's file tables: 0.1 to 0.2 µs a descriptor, where the links in
//! `/proc/PID/fd` cost 5.
//!
//! Source: bpf/holders.c, kernel/bpf/task_iter.c (`bpf_iter_task`), kernel/bpf/bpf_iter.c (`bpf_seq_read()`).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;

use tcphealth_core::snapshot::Absent;
use tcphealth_core::wire::btf::Btf;

use super::load::{self, Program};
use super::memory::{Layout, Memory, Part};
use super::{absent, syscall};

const DIRECT: &[u8] = include_bytes!("../../bpf/holders-direct.o");
const BY_CALL: &[u8] = include_bytes!("../../bpf/holders.o");
const FIELDS: &str = include_str!("../../bpf/holders.fields.h");

/// `struct shared` in bpf/holders.c.
const LAYOUT: Layout = Layout { records_at: 32, records: 16_384, record_bytes: 16 };
const COUNT_AT: usize = 0;
/// The process that was read last, and where it is gone on with; there is none of number 0.
const TGID_AT: usize = 4;

/// The loaded program.
#[derive(Debug)]
pub(crate) struct FileTables {
    program: OwnedFd,
    memory: Memory,
}

impl FileTables {
    /// Loads it: 10 ms.
    ///
    /// # Errors
    /// The privilege, the kernel's type information, or a structure where it is expected is missing.
    pub(crate) fn load() -> Result<Self, Absent> {
        let types = load::types()?;
        let btf = Btf::new(&types).map_err(|error| Absent::Failed(error.to_string()))?;
        let offsets = load::offsets(&btf, &load::fields(FIELDS))?;
        let memory = Memory::create(LAYOUT)?;
        let iterates = Some(btf.function("bpf_iter_task").ok_or(Absent::NotHere)?);
        let program = Program { direct: DIRECT, by_call: BY_CALL, iterates }.load(&btf, &offsets, &memory)?;
        Ok(Self { program, memory })
    }

    /// Hands on the inode of each socket that a process holds, with the process's id in our pid namespace: of all processes in it,
    /// once a descriptor.
    ///
    /// # Errors
    /// The tasks cannot be gone through.
    pub(crate) fn holders(&mut self, each: &mut dyn FnMut(u32, u32)) -> Result<(), Absent> {
        self.memory.put(COUNT_AT, 0);
        self.memory.put(TGID_AT, 0);
        let mut tasks = syscall::iterate(&self.program).map_err(absent)?;
        while next(&mut tasks)? {
            hand_on(&self.memory, each);
            self.memory.put(COUNT_AT, 0);
        }
        hand_on(&self.memory, each);
        Ok(())
    }
}

/// Goes through tasks until there are no more (false), or until the program asks for one again or many have been seen (true).
fn next(tasks: &mut File) -> Result<bool, Absent> {
    match tasks.read(&mut [0]) {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(true),
        Err(error) => Err(Absent::Failed(format!("bpf: {error}"))),
    }
}

fn hand_on(memory: &Memory, each: &mut dyn FnMut(u32, u32)) {
    let part = Part { end: memory.word(COUNT_AT) as usize, ..memory.part(0, 1) };
    for record in memory.records(&part) {
        // The objects are little-endian: first comes the half of the inode's number that sock_diag tells.
        if let (Some(inode), Some(pid)) = (word(record, 0), word(record, 8)) {
            each(inode, pid);
        }
    }
}

fn word(record: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*record.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::process::{Command, Stdio};

    use std::collections::{BTreeSet, HashMap, HashSet};

    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::*;

    fn inode(socket: &impl AsRawFd) -> u32 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap()
    }

    /// `None`, said, where the program is not permitted, unless every test is demanded.
    fn found(wanted: &HashSet<u32>) -> Option<HashMap<u32, BTreeSet<u32>>> {
        let mut found: HashMap<u32, BTreeSet<u32>> = HashMap::new();
        let mut each = |inode, pid| {
            if wanted.contains(&inode) {
                found.entry(inode).or_default().insert(pid);
            }
        };
        // The second time is like the first.
        let done = FileTables::load().and_then(|mut tables| {
            tables.holders(&mut |_, _| {})?;
            tables.holders(&mut each)
        });
        if let Err(why) = &done {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{why:?}");
            println!("not run: {why:?}");
        }
        done.ok().map(|()| found)
    }

    #[test]
    fn more_sockets_than_there_is_room_for_all_have_their_holders() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The same socket behind 17 000 descriptors takes more than one read and more than one call.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        let copies: Vec<OwnedFd> = (0..17_000).map_while(|_| client.as_fd().try_clone_to_owned().ok()).collect();
        let last = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let input = Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
        let mut child = Command::new("sleep").arg("60").stdin(input).spawn().unwrap();
        let (me, sockets) = (std::process::id(), [inode(&listener), inode(&client), inode(&last)]);
        let found = found(&sockets.into());
        child.kill().unwrap();
        child.wait().unwrap();
        let Some(found) = found else { return };
        let holders = [[me, child.id()].into(), [me].into(), [me].into()];
        assert_eq!(found, sockets.into_iter().zip(holders).collect());
        assert!(copies.len() > 1000, "{}", copies.len());
    }

    #[test]
    fn a_file_that_has_the_number_of_a_socket_is_not_taken_for_it() {
        let file = File::open("/proc/self/exe").unwrap();
        let number = std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap()) as u32;
        let Some(found) = found(&[number].into()) else { return };
        let me = std::process::id();
        assert!(!found.get(&number).is_some_and(|pids| pids.contains(&me)), "{found:?}");
    }
}
