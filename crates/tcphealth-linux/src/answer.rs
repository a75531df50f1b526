//! Questions of rules → answers from the running system, within a time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tcphealth_core::snapshot::{Absent, Answer, Fact, Question};

pub(crate) use owner::Finder;
pub use owner::Holders;

use crate::source::Source;

mod cgroup;
mod ghosts;
mod network;
mod owner;
pub(crate) mod path;
mod process;

/// Until when to search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// From now on.
    pub(crate) fn after(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// Whether it is over.
    pub(crate) fn passed(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Answers all questions; those of one kind are answered in one search. The owners come last: their search takes what time is
/// left.
pub(crate) fn answer(asked: &BTreeSet<Question>, budget: Duration, finder: &mut Finder) -> Vec<(Question, Answer)> {
    let deadline = Deadline::after(budget);
    let mut network = network::Network::default();
    let mut answers = Vec::with_capacity(asked.len());
    let mut owners = Vec::new();
    for question in asked {
        let answer = match question {
            Question::Owner { inode, uid } => {
                owners.push((*inode, *uid));
                continue;
            }
            _ if deadline.passed() => Err(Absent::CutShort("0".to_owned())),
            Question::Process { pid } => process::process(*pid).map(Fact::Process),
            Question::Route { peer } => network.route(*peer).map(Fact::Route),
            Question::Neighbour { address } => network.neighbour(*address).map(Fact::Neighbour),
            Question::Qdisc { ifindex } => network.qdisc(*ifindex).map(Fact::Qdisc),
            Question::Cgroup { id } => cgroup::cgroup(*id, deadline),
            Question::Ghosts { pid } => ghosts::ghosts(*pid, &mut Source::live(None), deadline).map(Fact::Ghosts),
            // What has not been listened to is past, and probes are sent only by the host's own leave.
            Question::Watch(_) | Question::Path { .. } => Err(Absent::NotAsked),
        };
        answers.push((question.clone(), answer));
    }
    answers.extend(finder.owners(&owners, deadline));
    answers
}
