//! Sockets and listeners → the processes that hold them, searched for seldom and kept.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use tcphealth_core::snapshot::{Answers, Event, Fact, Happening, Owner, Question, State};
use tcphealth_core::wire::sock_diag::Family;
use tcphealth_linux::{Host, Request};

/// A search through all processes may take this long,
const BUDGET: Duration = Duration::from_millis(100);
/// and is made no more often than this.
const PAUSE: Duration = Duration::from_secs(1);
/// Owners that are kept; when there are more, all are forgotten.
const KEPT_MAX: usize = 65_536;

/// Who a process is, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// Its number.
    pub(super) pid: u32,
    /// Its name.
    pub(super) comm: &'a str,
    /// `event`: it did it; `socket`: it holds the socket; `listener`: it holds the listener that the connection came to.
    pub(super) by: &'static str,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Names {
    holders: HashMap<u32, Option<Owner>>,
    /// By port.
    listeners: HashMap<u16, Option<Owner>>,
    searched: Option<Instant>,
}

impl Names {
    /// Searches for those who are not known yet, if it is time.
    pub(super) fn learn(&mut self, host: &mut Host, events: &[Event]) {
        if self.searched.is_some_and(|searched| searched.elapsed() < PAUSE) {
            return;
        }
        let nameless = || events.iter().filter(|event| event.program.is_none());
        let is_new = |inode: u32| inode != 0 && !self.holders.contains_key(&inode);
        let sockets: BTreeSet<(u32, u32)> =
            nameless().filter(|event| is_new(event.inode)).map(|event| (event.inode, event.uid)).collect();
        let arrived = nameless().filter(|event| matches!(event.what, Happening::Life(_)));
        let ports: BTreeSet<u16> = arrived.map(|event| event.local.port).collect();
        if sockets.is_empty() && ports.iter().all(|port| self.listeners.contains_key(port)) {
            return;
        }
        if self.holders.len() + self.listeners.len() > KEPT_MAX {
            (self.holders, self.listeners) = (HashMap::new(), HashMap::new());
        }
        let found = holders(host, &sockets);
        self.holders.extend(found);
        self.learn_listeners(host, &ports);
        self.searched = Some(Instant::now());
    }

    fn learn_listeners(&mut self, host: &mut Host, ports: &BTreeSet<u16>) {
        let mut listening: HashMap<u16, (u32, u32)> = HashMap::new();
        let request = Request { states: State::Listen.bit(), attributes: 0, family: Family::Both, code: None };
        let told = host.sockets(request, &mut |socket| {
            if ports.contains(&socket.local.port) {
                listening.insert(socket.local.port, (socket.inode, socket.uid));
            }
        });
        if told.is_err() {
            return;
        }
        let mut found = holders(host, &listening.values().copied().collect());
        for port in ports {
            let owner = listening.get(port).and_then(|(inode, _)| found.remove(inode)).flatten();
            self.listeners.insert(*port, owner);
        }
    }

    /// Whose event it is.
    pub(super) fn of<'a>(&'a self, event: &'a Event) -> Option<Named<'a>> {
        if let Some(program) = &event.program {
            return Some(Named { pid: program.pid, comm: &program.comm, by: "event" });
        }
        let holder = self.holders.get(&event.inode).and_then(Option::as_ref).map(|owner| (owner, "socket"));
        let listener = || {
            let is_life = matches!(event.what, Happening::Life(_));
            let owner = self.listeners.get(&event.local.port).filter(|_| is_life).and_then(Option::as_ref);
            owner.map(|owner| (owner, "listener"))
        };
        holder.or_else(listener).map(|(owner, by)| Named { pid: owner.pid, comm: &owner.comm, by })
    }
}

/// The owners that could be found in time, by inode.
fn holders(host: &mut Host, sockets: &BTreeSet<(u32, u32)>) -> HashMap<u32, Option<Owner>> {
    let asked = sockets.iter().map(|&(inode, uid)| Question::Owner { inode, uid }).collect();
    let mut answers = Answers::new();
    // Names are an addition: the events are told without them, too.
    if host.answer(&asked, &mut answers, BUDGET).is_err() {
        return HashMap::new();
    }
    let found = answers.into_iter().filter_map(|(question, answer)| match (question, answer) {
        (Question::Owner { inode, .. }, Ok(Fact::Owner(owner))) => Some((inode, owner)),
        _ => None,
    });
    found.collect()
}
