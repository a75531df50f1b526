//! What a command wants of the sockets → the question to either who can answer it.

use tcphealth_core::wire::hash_walk::{OWNER, PROGRESS, QUEUES};
use tcphealth_core::wire::sock_diag::{Code, Family, INFO};

use crate::bpf::Want;
use crate::sockets::Request;

/// Which sockets are wanted, and what of each beside its state and ends: the less, the fewer lines of memory are read.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    /// Bits of [`tcphealth_core::snapshot::State::bit`].
    pub states: u32,
    /// Of these only those that the kernel may choose by this; who asks looks again.
    pub code: Option<&'a Code>,
    /// User and inode.
    pub owners: bool,
    /// Recv-Q and Send-Q.
    pub queues: bool,
    /// Round-trip time and retransmissions.
    pub progress: bool,
}

impl<'a> Brief<'a> {
    /// Nothing but the states and ends.
    pub fn of(states: u32) -> Self {
        Self { states, code: None, owners: false, queues: false, progress: false }
    }

    pub(super) fn request(self) -> Request<'a> {
        let attributes = if self.progress { INFO } else { 0 };
        Request { states: self.states, attributes, family: Family::Both, code: self.code }
    }

    pub(super) fn want(self, everywhere: bool) -> Want {
        let parts = [(self.owners, OWNER), (self.queues, QUEUES), (self.progress, PROGRESS)];
        let parts = parts.iter().filter(|(wanted, _)| *wanted).fold(0, |all, (_, part)| all | part);
        Want { states: self.states, parts, everywhere }
    }
}
