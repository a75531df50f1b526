//! Inodes → processes and ids → cgroups, asked once for all sockets of a listing.

use std::collections::BTreeSet;
use std::time::Duration;

use tcphealth_core::snapshot::{Absent, Answers, Fact, Question, Socket};
use tcphealth_linux::{Holders, Host};

/// Time to find the owners of all sockets of a host.
const BUDGET: Duration = Duration::from_secs(10);

/// What is known of the sockets' owners.
#[derive(Debug, Default)]
pub(crate) struct Names {
    asked: BTreeSet<Question>,
    answers: Answers,
    holders: Option<Holders>,
}

impl Names {
    /// Whether the processes of all sockets could be found at once, so that none need be wanted.
    pub(crate) fn find_holders(&mut self, host: &mut Host) -> bool {
        self.holders = host.holders();
        self.holders.is_some()
    }

    /// Of what was answered at another time.
    pub(crate) fn known(answers: &Answers) -> Self {
        Self { answers: answers.clone(), ..Self::default() }
    }

    /// Remembers whose process is wanted.
    pub(crate) fn want_process(&mut self, socket: &Socket) {
        if socket.inode != 0 {
            self.asked.insert(owner_of(socket));
        }
    }

    /// Remembers whose cgroup is wanted.
    pub(crate) fn want_cgroup(&mut self, socket: &Socket) {
        self.asked.extend(socket.cgroup.map(|id| Question::Cgroup { id }));
    }

    /// Wants what others want, too.
    pub(crate) fn want(&mut self, others: Self) {
        self.asked.extend(others.asked);
    }

    /// Asks for all that is wanted.
    pub(crate) fn ask(&mut self, host: &mut Host) -> anyhow::Result<()> {
        let asked = std::mem::take(&mut self.asked);
        Ok(host.answer(&asked, &mut self.answers, BUDGET)?)
    }

    /// The process that holds a socket, by its id and name.
    pub(crate) fn process(&self, socket: &Socket) -> Option<(u32, &str)> {
        if let Some(holders) = &self.holders {
            return holders.of(socket.inode);
        }
        match self.answers.get(&owner_of(socket))? {
            Ok(Fact::Owner(owner)) => owner.as_ref().map(|owner| (owner.pid, owner.comm.as_str())),
            _ => None,
        }
    }

    /// How many processes there was no time to find.
    pub(crate) fn late(&self) -> usize {
        self.answers.values().filter(|answer| matches!(answer, Err(Absent::CutShort(_)))).count()
    }

    /// The path of a socket's cgroup.
    pub(crate) fn cgroup(&self, socket: &Socket) -> Option<&str> {
        match self.answers.get(&Question::Cgroup { id: socket.cgroup? })? {
            Ok(Fact::Cgroup { path, .. }) => Some(path),
            _ => None,
        }
    }
}

fn owner_of(socket: &Socket) -> Question {
    Question::Owner { inode: socket.inode, uid: socket.uid }
}
