//! Inodes of sockets → the processes that hold them, by the links in `/proc/PID/fd`.
//!
//! A walk over all descriptors of a host can take half a minute, so it begins where the owner is likely (processes of the
//! socket's user in our network namespace), takes those with few descriptors first, ends when all are found, and ends when
//! its time does. Where a program in the kernel may read the file tables and there are many, it does that instead.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tcphealth_core::snapshot::{Absent, Answer, Fact, Owner, Question};

use super::Deadline;
use super::process::comm;
use crate::bpf::FileTables;
use crate::netns;
use crate::own;

/// The clock is looked at once in so many descriptors (5 µs each).
const STEP: usize = 64;

/// Open files of the host from which loading the program (10 ms) costs less than following their links.
const HOLDERS_FROM: u64 = 4000;

/// After a search of all processes the next one waits so many times its length,
const REST: u32 = 2_000;
/// but no longer than this: until then only the processes that are known are searched.
const REST_MAX: Duration = Duration::from_secs(60);
/// They are known for so long: it may be others that hold the same sockets now.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// Of these only the ones with no more descriptors are searched first.
const FEW_DESCRIPTORS: u64 = 1_000;

/// What finds owners. In a program that asks again and again most have been found before.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    resident: bool,
    /// The program in the kernel, once it was needed.
    tables: Option<Result<FileTables, Absent>>,
    /// Processes that held something that was asked for, and since when they are known.
    known: BTreeSet<u32>,
    known_since: Option<Instant>,
    /// Until when all processes are not searched.
    rests_until: Option<Instant>,
}

impl Finder {
    /// For one who asks again and again.
    pub(crate) fn resident() -> Self {
        Self { resident: true, ..Self::default() }
    }

    /// Loads what a search will need, where it will: the kernel's type information takes memory that later others need.
    pub(crate) fn prepare(&mut self) {
        if self.resident && self.tables.is_none() && open_files().is_some_and(|files| files >= HOLDERS_FROM) {
            self.tables = Some(FileTables::load());
        }
    }

    /// The owners of these inodes, each with the user of its socket.
    pub(super) fn owners(&mut self, asked: &[(u32, u32)], deadline: Deadline) -> Vec<(Question, Answer)> {
        if asked.is_empty() {
            return Vec::new();
        }
        let wanted = asked.iter().map(|(inode, _)| *inode).collect();
        let mut search = Search { deadline, wanted, holders: HashMap::new(), refused: None, visited: 0 };
        let searched = self.search(&mut search, &asked.iter().map(|(_, uid)| *uid).collect());
        let mut names = HashMap::new();
        let mut answer = |inode: u32| match (search.owner(inode, &mut names), searched, search.refused) {
            (Some(owner), ..) => Ok(Fact::Owner(Some(owner))),
            (None, Searched::Some { of }, _) => Err(Absent::CutShort(format!("{} / {of}", search.visited))),
            (None, Searched::All, Some(pid)) => Err(own::refused(pid)),
            (None, Searched::All, None) => Ok(Fact::Owner(None)),
        };
        asked.iter().map(|&(inode, uid)| (Question::Owner { inode, uid }, answer(inode))).collect()
    }

    fn search(&mut self, search: &mut Search, users: &HashSet<u32>) -> Searched {
        if !self.resident {
            return search.all(&mut self.tables, users);
        }
        let begun = Instant::now();
        if self.known_since.is_none_or(|since| begun - since > KNOWN_FOR) {
            self.known.clear();
            self.known_since = Some(begun);
        }
        let few = |pid: &&u32| descriptors(**pid) <= FEW_DESCRIPTORS;
        let searched = search.run(&self.known.iter().filter(few).copied().collect::<Vec<_>>());
        if searched && search.all_found() {
            return Searched::All;
        }
        if self.rests_until.is_some_and(|until| begun < until) {
            return Searched::Some { of: netns::pids().count() };
        }
        let searched = search.all(&mut self.tables, users);
        self.rests_until = Some(Instant::now() + (begun.elapsed() * REST).min(REST_MAX));
        self.known.extend(search.holders.values().flatten());
        searched
    }
}

/// How far a search got.
#[derive(Clone, Copy, Debug)]
enum Searched {
    /// All processes, or as many as it took to find everything.
    All,
    /// Some of so many.
    Some { of: usize },
}

/// One search.
struct Search {
    deadline: Deadline,
    wanted: HashSet<u32>,
    holders: HashMap<u32, Vec<u32>>,
    /// A process whose descriptors we may not see.
    refused: Option<u32>,
    visited: usize,
}

/// Every process: those of the users first, then those with fewer descriptors (the size of `/proc/PID/fd` since 6.2, 0 before),
/// so that one with half a million of them does not use up the time of all others; then the newest.
fn likely_first(users: &HashSet<u32>) -> Vec<u32> {
    let mut all: Vec<(bool, u64, Reverse<u32>)> = netns::pids()
        .map(|pid| {
            let user = fs::metadata(format!("/proc/{pid}")).map(|about| about.uid());
            (!user.is_ok_and(|user| users.contains(&user)), descriptors(pid), Reverse(pid))
        })
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, _, Reverse(pid))| pid).collect()
}

/// How many descriptors a process has; 0 before Linux 6.2.
fn descriptors(pid: u32) -> u64 {
    fs::metadata(format!("/proc/{pid}/fd")).map_or(0, |about| about.len())
}

/// Open files of the host: the first number of `/proc/sys/fs/file-nr`.
fn open_files() -> Option<u64> {
    fs::read_to_string("/proc/sys/fs/file-nr").ok()?.split_whitespace().next()?.parse().ok()
}

impl Search {
    fn all(&mut self, tables: &mut Option<Result<FileTables, Absent>>, users: &HashSet<u32>) -> Searched {
        self.holders.clear();
        if self.asks_the_kernel(tables) {
            return Searched::All;
        }
        let processes = likely_first(users);
        if self.run(&processes) { Searched::All } else { Searched::Some { of: processes.len() } }
    }

    /// Whether a program in the kernel has looked into the tables of all processes.
    fn asks_the_kernel(&mut self, tables: &mut Option<Result<FileTables, Absent>>) -> bool {
        if self.deadline.passed() || open_files().is_none_or(|files| files < HOLDERS_FROM) {
            return false;
        }
        let Ok(tables) = tables.get_or_insert_with(FileTables::load) else { return false };
        let (wanted, found) = (&self.wanted, &mut self.holders);
        let asked = tables.holders(&mut |inode, pid| {
            if wanted.contains(&inode) {
                add(found.entry(inode).or_default(), pid);
            }
        });
        if asked.is_err() {
            self.holders.clear();
        }
        asked.is_ok()
    }

    /// Whether every process could be visited, or all were found.
    fn run(&mut self, processes: &[u32]) -> bool {
        let namespace = |pid| netns::of_process(pid).ok();
        let ours = namespace(std::process::id());
        let (near, far): (Vec<u32>, Vec<u32>) = processes.iter().partition(|&&pid| namespace(pid) == ours);
        let mut rest = near.into_iter().chain(far);
        while !self.all_found() {
            let Some(pid) = rest.next() else { return true };
            if !self.visit(pid) {
                return false;
            }
        }
        // Forked workers share a listener: they have its owner's name.
        let names: BTreeSet<String> = self.holders.values().flatten().filter_map(|&pid| comm(pid)).collect();
        for pid in rest.filter(|&pid| comm(pid).is_some_and(|name| names.contains(&name))).collect::<Vec<_>>() {
            if !self.visit(pid) {
                break;
            }
        }
        true
    }

    fn all_found(&self) -> bool {
        self.holders.len() == self.wanted.len()
    }

    /// False when the time is over.
    fn visit(&mut self, pid: u32) -> bool {
        if self.deadline.passed() {
            return false;
        }
        let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                self.note(pid, &error);
                return true;
            }
        };
        for (number, descriptor) in descriptors.flatten().enumerate() {
            if number % STEP == STEP - 1 && self.deadline.passed() {
                return false;
            }
            let link = match fs::read_link(descriptor.path()) {
                Ok(link) => link,
                // Root may list what it may not follow.
                Err(error) if self.note(pid, &error) => break,
                Err(_) => continue,
            };
            if let Some(inode) = inode_of(&link).filter(|inode| self.wanted.contains(inode)) {
                add(self.holders.entry(inode).or_default(), pid);
            }
        }
        self.visited += 1;
        true
    }

    /// Notes a process that does not let us see its descriptors; whether it is one.
    fn note(&mut self, pid: u32, error: &io::Error) -> bool {
        let refused = error.kind() == ErrorKind::PermissionDenied;
        if refused {
            self.refused = self.refused.or(Some(pid));
        }
        refused
    }

    /// Of several holders the first that was started, for it is there the longest.
    fn owner(&self, inode: u32, names: &mut HashMap<u32, String>) -> Option<Owner> {
        let holders = self.holders.get(&inode)?;
        let pid = holders.iter().copied().min()?;
        let comm = names.entry(pid).or_insert_with(|| comm(pid).unwrap_or_default()).clone();
        Some(Owner { pid, comm, others: holders.len() as u32 - 1 })
    }
}

/// A process may hold a socket more than once, and its descriptors come one after another.
fn add(holders: &mut Vec<u32>, pid: u32) {
    if holders.last() != Some(&pid) {
        holders.push(pid);
    }
}

/// The processes that hold the sockets of a host, all found at once.
#[derive(Debug, Default)]
pub struct Holders {
    by_inode: HashMap<u32, u32>,
    names: HashMap<u32, String>,
}

impl Holders {
    /// Everything that a program in the kernel finds.
    pub(crate) fn find() -> Result<Self, Absent> {
        let mut found = Self::default();
        FileTables::load()?.holders(&mut |inode, pid| {
            found.by_inode.entry(inode).and_modify(|first| *first = pid.min(*first)).or_insert(pid);
        })?;
        found.names = found
            .by_inode
            .values()
            .collect::<HashSet<_>>()
            .into_iter()
            .map(|pid| (*pid, comm(*pid).unwrap_or_default()))
            .collect();
        Ok(found)
    }

    /// The process that holds this socket, by its id and name; of several the one with the lowest id.
    pub fn of(&self, inode: u32) -> Option<(u32, &str)> {
        let pid = self.by_inode.get(&inode)?;
        Some((*pid, self.names.get(pid)?))
    }
}

/// `socket:[4711]` → 4711.
pub(super) fn socket_inode(descriptor: &Path) -> Option<u32> {
    inode_of(&fs::read_link(descriptor).ok()?)
}

/// `socket:[4711]` → 4711.
fn inode_of(link: &Path) -> Option<u32> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use super::*;

    fn inode(socket: &impl AsRawFd) -> u32 {
        socket_inode(&PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd()))).unwrap()
    }

    fn ask(asked: &[(u32, u32)], budget: Duration) -> Vec<Answer> {
        Finder::default().owners(asked, Deadline::after(budget)).into_iter().map(|(_, answer)| answer).collect()
    }

    const TIME: Duration = Duration::from_secs(20);

    #[test]
    fn we_own_our_socket_and_a_child_shares_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uid = nix::unistd::getuid().as_raw();
        let asked = [(inode(&listener), uid)];
        let me = comm(std::process::id()).unwrap();
        let alone = Owner { pid: std::process::id(), comm: me, others: 0 };
        assert_eq!(ask(&asked, TIME), [Ok(Fact::Owner(Some(alone)))]);
        // The listener becomes the standard input of a child, and its only holder's when we close it.
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::from(OwnedFd::from(listener))).spawn().unwrap();
        let found = ask(&asked, TIME);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [Ok(Fact::Owner(Some(Owner { pid: child.id(), comm: "sleep".into(), others: 0 })))]);
    }

    #[test]
    fn several_inodes_are_one_search() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // A wrong user only makes the search longer.
        let found = ask(&[(inode(&listener), 0), (inode(&client), 54_321)], TIME);
        let pid = std::process::id();
        assert!(
            found.iter().all(|answer| matches!(answer, Ok(Fact::Owner(Some(owner))) if owner.pid == pid)),
            "{found:?}"
        );
    }

    #[test]
    fn no_time_says_how_far_it_got() {
        let answer = ask(&[(1, 0)], Duration::ZERO).remove(0).unwrap_err();
        assert!(matches!(&answer, Absent::CutShort(how_far) if how_far.starts_with("0 / ")), "{answer:?}");
    }

    #[test]
    fn an_inode_that_nobody_has_is_nobodys_or_not_ours_to_see() {
        let answer = ask(&[(u32::MAX, 0)], TIME).remove(0);
        let refused = |answer: &Answer| matches!(answer, Err(Absent::NotPermitted(_) | Absent::Failed(_)));
        // A host with millions of descriptors takes longer than any test may.
        let cut_short = matches!(answer, Err(Absent::CutShort(_)));
        assert!(answer == Ok(Fact::Owner(None)) || refused(&answer) || cut_short, "{answer:?}");
    }

    #[test]
    fn a_finder_that_stays_knows_who_it_found_and_rests_between_its_searches() {
        let mut finder = Finder::resident();
        let mut ask = |asked: &[(u32, u32)]| {
            finder.owners(asked, Deadline::after(TIME)).into_iter().map(|(_, answer)| answer).collect::<Vec<_>>()
        };
        let uid = nix::unistd::getuid().as_raw();
        let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let inodes = [inode(&sockets[0]), inode(&sockets[1])];
        let [input, output] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket)));
        let mut child = Command::new("sleep").arg("60").stdin(input).stdout(output).spawn().unwrap();
        let first = ask(&[(inodes[0], uid)]);
        // It has just searched all processes; the one that it found is searched all the same.
        let second = ask(&[(inodes[1], uid), (u32::MAX, uid)]);
        child.kill().unwrap();
        child.wait().unwrap();
        let owner = Ok(Fact::Owner(Some(Owner { pid: child.id(), comm: "sleep".into(), others: 0 })));
        assert_eq!((&first[0], &second[0]), (&owner, &owner));
        assert!(matches!(&second[1], Err(Absent::CutShort(_))), "{second:?}");
    }
}
