//! Programs that stay in the kernel between two runs of ours, by names in bpffs: what is loaded already costs nothing to load.
//!
//! Source: bpf(2), kernel/bpf/inode.c. A name holds a sum over the object and over the build of the kernel, so that what another
//! version or another kernel left is not found. The memory of a pinned program has one user at a time.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use tcphealth_core::snapshot::Absent;

use super::{absent, syscall};
use crate::Error;

/// Where pinned programs are.
pub const DIRECTORY: &str = "/sys/fs/bpf/tcphealth";
/// The build id of the running kernel (elf(5), `NT_GNU_BUILD_ID`).
const BUILD: &str = "/sys/kernel/notes";

/// A program, its memory, and the right to use them, which lasts as long as this.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) program: OwnedFd,
    pub(super) memory: OwnedFd,
    pub(super) lock: Flock<File>,
}

/// What is pinned for this object in this kernel; `None` when nothing is, or another process uses it just now.
pub(super) fn find(object: &[u8]) -> Option<Pinned> {
    let directory = Path::new(DIRECTORY);
    let opened = File::open(directory).ok()?;
    // Only what nobody but us and root can have put there.
    let about = opened.metadata().ok()?;
    if about.mode() & 0o022 != 0 || ![0, nix::unistd::geteuid().as_raw()].contains(&about.uid()) {
        return None;
    }
    let [program, memory] = names(object)?;
    let lock = Flock::lock(opened, FlockArg::LockExclusiveNonblock).ok()?;
    let get = |path: &Path| syscall::get(&text(path)?).ok();
    Some(Pinned { program: get(&program)?, memory: get(&memory)?, lock })
}

/// Gives both a name, instead of what had a name before.
pub(super) fn keep(object: &[u8], program: BorrowedFd<'_>, memory: BorrowedFd<'_>) -> Result<(), Absent> {
    remove().map_err(|error| Absent::Failed(error.to_string()))?;
    let directory = Path::new(DIRECTORY);
    let made = DirBuilder::new().mode(0o700).create(directory);
    made.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Absent::NotPermitted("CAP_BPF".to_owned()),
        ErrorKind::NotFound => Absent::NotHere,
        _ => Absent::Failed(format!("{DIRECTORY}: {error}")),
    })?;
    let names = names(object).ok_or(Absent::NotHere)?;
    for (path, fd) in names.iter().zip([program, memory]) {
        let path = text(path).ok_or(Absent::NotHere)?;
        syscall::pin(&path, fd).map_err(absent)?;
    }
    Ok(())
}

/// Whether anything of ours is there.
pub fn is_pinned() -> bool {
    Path::new(DIRECTORY).exists()
}

/// Takes all names away; the kernel forgets what nobody uses. The answer tells whether there were any.
///
/// # Errors
/// We may not.
pub fn remove() -> Result<bool, Error> {
    let failed = |path: &Path, error: io::Error| Err(Error::new(path, error));
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return failed(Path::new(DIRECTORY), error),
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if let Err(error) = fs::remove_file(&path) {
            return failed(&path, error);
        }
    }
    fs::remove_dir(DIRECTORY).map_or_else(|error| failed(Path::new(DIRECTORY), error), |()| Ok(true))
}

/// Of the program and its memory. bpffs reserves names with a dot.
fn names(object: &[u8]) -> Option<[PathBuf; 2]> {
    let mut sum = DefaultHasher::new();
    sum.write(object);
    sum.write(&fs::read(BUILD).ok()?);
    let name = |what| Path::new(DIRECTORY).join(format!("{what}-{:016x}", sum.finish()));
    Some([name("program"), name("memory")])
}

fn text(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}
