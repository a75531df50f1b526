//! Into another network namespace, by the name that ip-netns(8) gave it or by a process that lives in it.

use std::fs::File;
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns};

use crate::Error;

/// Moves the calling thread into the namespace, for good.
pub(crate) fn enter(which: &str) -> Result<(), Error> {
    let path = path_of(which);
    let file = File::open(&path).map_err(|error| Error::new(&path, error))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::new(&path, errno.desc()))
}

/// A number is a process; everything else is a name.
fn path_of(which: &str) -> PathBuf {
    match which.parse::<u32>() {
        Ok(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        Err(_) => PathBuf::from("/run/netns").join(which),
    }
}
