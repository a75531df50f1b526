//! The only crate that talks to the kernel; it concludes nothing.
//!
//! A [`Host`] is a place that snapshots come from: this machine, or a directory in which everything that was read of one is
//! kept. The modules stand in reading order.

mod clock;
mod own;
mod error;
mod netlink;
mod qdiscs;
mod saved;
mod redact;
mod source;
mod counters;
mod links;
mod bpf;
mod sockets;
mod netns;
mod answer;
mod packet_socket;
mod watch;
mod overheard;
mod host;
pub mod probe;
pub mod sysstat_live;

pub use answer::Holders;
pub use bpf::{Events, PINNED_IN, Reasons, is_pinned, pin, try_deep_walk, try_walk, unpin};
pub use clock::boot_ns;
pub use error::{Error, Reason};
pub use host::{Brief, Host, Hosts, Member, Pass, Walker, Watcher};
pub use netns::{Namespace, Namespaces};
pub use overheard::Overheard;
pub use own::{cpu_us, give_back, resident_kb};
pub use redact::Redaction;
pub use sockets::Request;
