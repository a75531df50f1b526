//! Programs of our own that run in the kernel (bpf(2)), from committed objects.
//!
//! They take no lock and need no type information but the kernel's own; where anything is missing (CAP_BPF and CAP_PERFMON,
//! CONFIG_DEBUG_INFO_BTF, Linux 6.1) the kernel is asked in other ways.

use nix::errno::Errno;
use tcphealth_core::snapshot::Absent;

mod deep;
mod events;
mod holders;
mod load;
mod mapping;
mod memory;
mod object;
mod pin;
mod ring;
mod syscall;
mod walk;

pub(crate) use deep::DeepWalk;
pub use deep::try_deep_walk;
pub use events::{Events, Reasons};
pub(crate) use holders::FileTables;
pub use pin::{DIRECTORY as PINNED_IN, is_pinned, remove as unpin};
#[cfg(test)]
pub(crate) use walk::tests::population;
pub(crate) use walk::{Walk, Want};
pub use walk::{pin, try_walk};

fn absent(errno: Errno) -> Absent {
    match errno {
        Errno::EPERM | Errno::EACCES => Absent::NotPermitted("CAP_BPF, CAP_PERFMON".to_owned()),
        Errno::ENOSYS => Absent::NotHere,
        errno => Absent::Failed(format!("bpf: {}", errno.desc())),
    }
}
