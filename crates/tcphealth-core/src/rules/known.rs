//! What a rule must ask before it can speak: known, asked for, or not to be had.

use std::net::IpAddr;

use crate::path::Path;
use crate::snapshot::{Absent, Fact, Listener, Neighbour, Owner, Process, Question, Route};
use crate::window::Window;

/// The state of one piece of asked-for evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// Here it is.
    Yes(T),
    /// It cannot be had, and why.
    No(Absent),
    /// It must be asked first.
    Ask(Question),
}

impl<T> Known<T> {
    /// The value, or `None`; collects the question when it has not been asked yet.
    pub fn or_ask(self, questions: &mut Vec<Question>) -> Option<T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::No(_) => None,
            Self::Ask(question) => {
                questions.push(question);
                None
            }
        }
    }
}

fn known<'a, T>(window: &Window<'a>, question: Question, pick: fn(&'a Fact) -> Option<T>) -> Known<T> {
    match window.answer(&question) {
        None => Known::Ask(question),
        Some(Err(absent)) => Known::No(absent.clone()),
        Some(Ok(fact)) => pick(fact).map_or(Known::No(Absent::NotHere), Known::Yes),
    }
}

impl<'a> Window<'a> {
    /// The process that holds a socket.
    pub fn owner(&self, inode: u32, uid: u32) -> Known<&'a Owner> {
        if inode == 0 {
            return Known::No(Absent::NotHere);
        }
        known(self, Question::Owner { inode, uid }, |fact| match fact {
            Fact::Owner(owner) => owner.as_ref(),
            _ => None,
        })
    }

    /// The process that holds a listener.
    pub fn listener_owner(&self, listener: &Listener) -> Known<&'a Owner> {
        self.owner(listener.inode, listener.uid)
    }

    /// How a process is doing.
    pub fn process(&self, pid: u32) -> Known<&'a Process> {
        known(self, Question::Process { pid }, |fact| match fact {
            Fact::Process(process) => Some(process),
            _ => None,
        })
    }

    /// The way to a peer.
    pub fn route(&self, peer: IpAddr) -> Known<&'a Route> {
        known(self, Question::Route { peer }, |fact| match fact {
            Fact::Route(route) => route.as_ref(),
            _ => None,
        })
    }

    /// What the probes to a peer met.
    pub fn path(&self, peer: IpAddr, port: u16) -> Known<&'a Path> {
        known(self, Question::Path { peer, port }, |fact| match fact {
            Fact::Path(path) => Some(path),
            _ => None,
        })
    }

    /// All paths that were probed.
    pub fn paths(&self) -> impl Iterator<Item = &'a Path> {
        self.answers().values().filter_map(|answer| match answer {
            Ok(Fact::Path(path)) => Some(path),
            _ => None,
        })
    }

    /// Whether a neighbour answers.
    pub fn neighbour(&self, address: IpAddr) -> Known<&'a Neighbour> {
        known(self, Question::Neighbour { address }, |fact| match fact {
            Fact::Neighbour(neighbour) => Some(neighbour),
            _ => None,
        })
    }
}
