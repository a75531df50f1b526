//! The looks of one range → what is compared of it and is no counter.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::period::{Measure, Period, Quantities};
use crate::frame::taken::Taken;
use crate::frame::totals::{Place, Quantity};
use crate::report::{Finding, Report, Severity, SubjectKind};
use crate::snapshot::{Census, Fact, Identity, Interface, Listener, Question, State, Sysctls};
use crate::words::Message;

/// How often a finding was seen in a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The worst that was said of it.
    pub severity: Severity,
    /// Its id when it was seen last.
    pub id: String,
    /// What was said of it last.
    pub summary: Message,
    /// Moments at which it was seen.
    pub times: usize,
}

/// One range.
#[derive(Debug, Default)]
pub struct Side {
    /// Counters, gauges, and sockets by state and service.
    pub period: Period,
    /// Whose looks they are: one, or one more after each boot or change of namespace.
    pub hosts: Vec<Identity>,
    /// Moments that were judged.
    pub judged: usize,
    /// The settings at the last look.
    pub(super) settings: Sysctls,
    /// The interfaces at the last look, by their names.
    pub(super) interfaces: BTreeMap<String, Interface>,
    /// The listeners of the last look.
    pub(super) listeners: BTreeMap<String, Listener>,
    /// Every address that was listened at.
    pub(super) listened: BTreeSet<String>,
    /// Who holds the sockets of a service, as far as anybody asked.
    pub(super) owners: BTreeMap<Place, String>,
    /// Segments lost on the way to a peer, of those with data.
    pub(super) losses: BTreeMap<IpAddr, Measure>,
    /// The findings by rule and culprit.
    pub(super) findings: BTreeMap<String, Seen>,
}

impl Side {
    /// Adds a look. They come in the order of time.
    pub fn see(&mut self, look: &Taken, quantities: &mut Quantities) {
        if !self.hosts.iter().any(|host| (&host.boot_id, host.netns) == (&look.identity.boot_id, look.identity.netns)) {
            self.hosts.push(look.identity.clone());
        }
        self.settings.clone_from(&look.sysctls);
        if let Ok(interfaces) = &look.interfaces {
            self.interfaces = interfaces.iter().map(|each| (each.name.clone(), each.clone())).collect();
        }
        let Ok(census) = &look.census else { return };
        self.period.looks += 1.0;
        let mut count = |place: Place, state: State, sockets: u32| {
            if sockets > 0 {
                self.period.add(quantities.number(Quantity::Sockets(place, state)), f64::from(sockets), 0.0);
            }
        };
        for state in State::ALL {
            count(Place::All, state, census.states.get(state));
            for service in &census.services {
                count(Place::from(&service.key), state, service.states.get(state));
            }
        }
        self.listeners = census.listeners.iter().map(|each| (each.local.to_string(), *each)).collect();
        self.listened.extend(self.listeners.keys().cloned());
        for peer in &census.peers {
            let loss = self.losses.entry(peer.address).or_default();
            loss.amount += peer.line.lost as f64;
            loss.per += peer.line.data_segs as f64;
        }
        self.learn_owners(look, census);
    }

    fn learn_owners(&mut self, look: &Taken, census: &Census) {
        let owner = |(question, answer): (&Question, &_)| match (question, answer) {
            (Question::Owner { inode, .. }, Ok(Fact::Owner(Some(owner)))) => {
                Some((*inode, format!("{}[{}]", owner.comm, owner.pid)))
            }
            _ => None,
        };
        let owners: BTreeMap<u32, String> = look.answers().filter_map(owner).collect();
        let held = census.sockets.iter().map(|followed| (census.key_of(&followed.socket), followed.socket.inode));
        let served = census.services.iter().flat_map(|each| each.inodes.map(|inode| (each.key, inode)));
        for (key, inode) in held.chain(served) {
            if let Some(owner) = owners.get(&inode) {
                self.owners.insert(Place::from(&key), owner.clone());
            }
        }
    }

    /// Adds what was judged at one moment.
    pub fn judge(&mut self, report: &Report) {
        self.judged += 1;
        for finding in &report.findings {
            let seen = self.findings.entry(key(finding)).or_insert_with(|| Seen {
                severity: finding.severity,
                id: String::new(),
                summary: Message::default(),
                times: 0,
            });
            seen.severity = seen.severity.max(finding.severity);
            (seen.id, seen.summary) = (finding.id(), finding.summary.clone());
            seen.times += 1;
        }
    }
}

/// A program that was started again is the same culprit.
fn key(finding: &Finding) -> String {
    match (&finding.subject.kind, &finding.subject.comm) {
        (SubjectKind::Process, Some(comm)) => format!("{}@{comm}", finding.rule),
        _ => finding.id(),
    }
}
