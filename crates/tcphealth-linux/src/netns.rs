//! The network namespaces of this host: which there are, what each goes by, and the way into one.
//!
//! Source: namespaces(7), network_namespaces(7). Processes tell theirs in `/proc/PID/ns/net`, mounts in `/proc/self/mountinfo`. A
//! namespace that only a descriptor keeps, or a thread beside a process's first, is told by neither.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{Error, Reason};

mod title;

use title::Title;

/// No more than this are opened: each costs a descriptor, and every look at one its time.
const NAMESPACES_MAX: usize = 4_096;
/// Descriptors for everything else.
const OTHER_DESCRIPTORS: u64 = 256;
const NAMED: &str = "/run/netns";

/// A network namespace, which lives as long as this value.
#[derive(Debug)]
pub struct Namespace {
    /// Inode of its file, as `/proc/PID/ns/net` tells it.
    pub inode: u64,
    /// What it goes by: `host`, a service, a container, a name of ip-netns(8), a process. No two of a host have the same.
    pub name: String,
    /// Which of these: `host`, `self`, `service`, `container`, `pod`, `netns`, `process`.
    pub kind: &'static str,
    /// Whether it is the one of the calling thread.
    pub is_own: bool,
    file: File,
    place: PathBuf,
}

impl Namespace {
    /// The directory in which it is kept, beside those of others.
    pub fn directory(&self) -> String {
        format!("net-{}", self.inode)
    }

    /// Moves the calling thread into it.
    ///
    /// # Errors
    /// We may not (CAP_SYS_ADMIN).
    pub fn enter(&self) -> Result<(), Error> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::new(&self.place, errno.desc()))
    }
}

/// The namespaces that were found.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// Ours first.
    pub open: Vec<Namespace>,
    /// Processes that do not let us see theirs.
    pub refused: usize,
    /// Namespaces over the bound of 4096.
    pub left_out: usize,
}

/// Where a namespace was found.
#[derive(Debug, Default)]
struct Found {
    /// The process in it with the smallest id.
    pid: Option<u32>,
    mount: Option<PathBuf>,
}

impl Namespaces {
    /// Finds and opens them: one readlink a process.
    pub fn find() -> Self {
        let mut all = Self::default();
        let found = all.search();
        let own = of_process(std::process::id()).ok();
        let first = first();
        let mut titles: BTreeMap<String, usize> = BTreeMap::new();
        allow_descriptors(found.len());
        for (inode, found) in found {
            let is_own = Some(inode) == own;
            if all.open.len() >= NAMESPACES_MAX && !is_own {
                all.left_out += 1;
                continue;
            }
            let title = match first {
                Some(first) if first == inode => Title::Host,
                None if is_own => Title::Own,
                _ => Title::of(found.pid, found.mount.as_deref(), Path::new("/")),
            };
            // One that has gone meanwhile needs no judgement.
            if let Some((file, place)) = open(inode, &found) {
                let name = title.to_string();
                *titles.entry(name.clone()).or_default() += 1;
                all.open.push(Namespace { inode, name, kind: title.kind(), is_own, file, place });
            }
        }
        for twin in all.open.iter_mut().filter(|one| titles.get(&one.name).is_some_and(|count| *count > 1)) {
            twin.name = format!("{} net:[{}]", twin.name, twin.inode);
        }
        all.open.sort_by_key(|one| !one.is_own);
        all
    }

    fn search(&mut self) -> BTreeMap<u64, Found> {
        let mut found: BTreeMap<u64, Found> = BTreeMap::new();
        for pid in pids() {
            match of_process(pid) {
                Ok(inode) => {
                    let smallest = &mut found.entry(inode).or_default().pid;
                    *smallest = Some(smallest.map_or(pid, |other| other.min(pid)));
                }
                Err(error) => self.refused += usize::from(error.kind() == ErrorKind::PermissionDenied),
            }
        }
        for (inode, path) in mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()) {
            match found.entry(inode).or_default().mount {
                // Of several mounts the one that has a name.
                Some(ref known) if known.starts_with(NAMED) => {}
                ref mut mount => *mount = Some(path),
            }
        }
        found
    }
}

/// Moves the calling thread into a namespace, for good: of a process, of a name of ip-netns(8), or of what [`Namespaces`] calls it.
pub(crate) fn enter(which: &str) -> Result<(), Error> {
    let path = match which.parse::<u32>() {
        Ok(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        Err(_) => Path::new(NAMED).join(which),
    };
    match File::open(&path) {
        Ok(file) => setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::new(&path, errno.desc())),
        Err(error) => match Namespaces::find().open.iter().find(|one| one.name == which) {
            Some(namespace) => namespace.enter(),
            None if error.kind() == ErrorKind::NotFound => Err(Error::known(&path, Reason::NoNamespace)),
            None => Err(Error::new(&path, error)),
        },
    }
}

/// The processes that `/proc` shows.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Where process 1 lives. The kernel's threads live there too, and may be looked at where that may not.
fn first() -> Option<u64> {
    let kernels = || fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm == "kthreadd\n");
    of_process(1).ok().or_else(|| kernels().then(|| of_process(2).ok())?)
}

/// The inode of the namespace that a process lives in.
pub(crate) fn of_process(pid: u32) -> io::Result<u64> {
    // `setns` moves a thread, and we may be one that moved.
    let path =
        if pid == std::process::id() { "/proc/thread-self/ns/net".to_owned() } else { format!("/proc/{pid}/ns/net") };
    let link = fs::read_link(path)?;
    link.to_str().and_then(inode).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// Of the namespace that the calling thread is in; 0, which none has, where /proc cannot be read.
pub(crate) fn own_inode() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").map_or(0, |file| file.ino())
}

/// `net:[4026531833]` → 4026531833.
pub(crate) fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// The process may have gone, and its id may be another's: only the inode tells.
fn open(inode: u64, found: &Found) -> Option<(File, PathBuf)> {
    let by_process = found.pid.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/net")));
    by_process.into_iter().chain(found.mount.clone()).find_map(|place| {
        let file = File::open(&place).ok()?;
        (file.metadata().ok()?.ino() == inode).then_some((file, place))
    })
}

/// Where network namespaces are mounted. proc_pid_mountinfo(5): the root of such a mount is its `net:[…]`; a space is `\040`.
fn mounts(mountinfo: &str) -> Vec<(u64, PathBuf)> {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(3);
        let (root, place) = (words.next()?, words.next()?);
        Some((inode(root)?, place.replace("\\040", " ").into()))
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// As many descriptors as the hard limit permits, when the soft one is too low. Without them some are not opened.
fn allow_descriptors(namespaces: usize) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = namespaces.min(NAMESPACES_MAX) as u64 + OTHER_DESCRIPTORS;
    if soft < wanted {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn mounts_of_namespaces_are_told_from_others() {
        let text = "22 1 0:20 / /proc rw - proc proc rw\n\
                    61 23 0:4 net:[4026532573] /run/netns/blue rw shared:2 - nsfs nsfs rw\n\
                    62 23 0:4 net:[4026532600] /srv/a\\040b rw - nsfs nsfs rw\n\
                    63 23 0:4 mnt:[4026532601] /run/mnt rw - nsfs nsfs rw\n";
        let expected = [(4_026_532_573, "/run/netns/blue"), (4_026_532_600, "/srv/a b")];
        assert_eq!(mounts(text), expected.map(|(inode, path)| (inode, PathBuf::from(path))));
    }

    #[test]
    fn ours_comes_first_and_is_the_one_of_the_kernels_link() {
        let all = Namespaces::find();
        let link = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let ours = all.open.first().unwrap();
        assert!(ours.is_own);
        assert_eq!(format!("net:[{}]", ours.inode), link.to_str().unwrap());
        let names: std::collections::BTreeSet<&str> = all.open.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), all.open.len(), "{all:?}");
    }

    #[test]
    fn a_namespace_of_a_process_is_found_by_it_and_entered() {
        let mut child = Command::new("unshare").args(["-n", "sleep", "60"]).stdin(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let there = of_process(child.id());
        let entered = std::thread::spawn(move || {
            let found =
                Namespaces::find().open.into_iter().find(|one| there.as_ref().is_ok_and(|it| *it == one.inode))?;
            let done = found.enter().map(|()| of_process(std::process::id()).unwrap());
            Some((found.inode, found.name, done))
        });
        let entered = entered.join().unwrap();
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        match entered {
            Some((inode, name, Ok(inside))) => {
                assert_eq!(inside, inode);
                assert!(name == format!("sleep (pid {pid})") || nix::unistd::geteuid().as_raw() != 0, "{name}");
            }
            other => assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{other:?}"),
        }
    }
}
