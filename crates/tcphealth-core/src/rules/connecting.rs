//! What became of the connections that this host opened in a window: shared by the rules on connecting out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::wording;
use crate::catalog::Counter;
use crate::report::Subject;
use crate::snapshot::{Census, ClosedSocket, Endpoint, Followed, Heard, Question, Service, State, Watch};
use crate::window::Window;

pub(super) const ACTIVE_OPENS: Counter = Counter("Tcp.ActiveOpens");
pub(super) const ATTEMPT_FAILS: Counter = Counter("Tcp.AttemptFails");
pub(super) const EMBRYONIC_RSTS: Counter = Counter("TcpExt.EmbryonicRsts");
pub(super) const SYN_RETRANS: Counter = Counter("TcpExt.TCPSynRetrans");
pub(super) const RETRANS_FAIL: Counter = Counter("TcpExt.TCPRetransFail");

/// Destinations of which a rule speaks at most; the rest stands in the numbers.
pub(super) const DESTINATIONS_MAX: usize = 8;

/// Connects to one destination whose SYN was sent again and has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Where to.
    pub(super) destination: Endpoint,
    /// From where.
    pub(super) source: IpAddr,
    /// How many at the look that shows more of them, or how many gave up in between when those are more.
    pub(super) sockets: u32,
    /// How many waited through the window.
    pub(super) kept: u32,
    /// How many died unanswered while somebody listened, their SYN sent again.
    gave_up: u32,
    /// SYNs that the newest look's sockets sent again.
    pub(super) retries: u32,
    inode: u32,
    uid: u32,
}

impl Waiting {
    /// A destination whose connects end before a look can see them.
    pub(super) fn unseen(destination: Endpoint, source: IpAddr) -> Self {
        Self { destination, source, sockets: 0, kept: 0, gave_up: 0, retries: 0, inode: 0, uid: 0 }
    }

    /// The destination as a subject, with the program when it can be told; asks for it.
    pub(super) fn subject(&self, window: &Window, questions: &mut Vec<Question>) -> Subject {
        let owner = window.owner(self.inode, self.uid).or_ask(questions);
        wording::destination(self.destination, self.source, owner)
    }
}

/// Destinations with connects that wait, those with most first. Connects that succeeded by the second look do not count.
pub(super) fn waiting(window: &Window) -> Vec<Waiting> {
    let mut then = by_destination(window.census_before());
    for followed in window.census().into_iter().flat_map(|census| &census.sockets).filter(|now| answered_late(now)) {
        if let Some(waiting) = then.get_mut(&followed.socket.remote) {
            waiting.sockets = waiting.sockets.saturating_sub(1);
        }
    }
    let mut now = by_destination(window.census());
    for (destination, waiting) in then {
        let sockets = waiting.sockets;
        let entry = now.entry(destination).or_insert(Waiting { retries: 0, ..waiting });
        entry.sockets = entry.sockets.max(sockets);
    }
    for closed in gave_up(window) {
        // Programs that try in step may leave both looks with fresh connects only.
        let unseen = Waiting::unseen(closed.remote, closed.local.address);
        let entry = now.entry(closed.remote).or_insert(unseen);
        entry.gave_up += 1;
        entry.sockets = entry.sockets.max(entry.gave_up);
    }
    let mut list: Vec<Waiting> = now.into_values().filter(|waiting| waiting.sockets > 0).collect();
    list.sort_by_key(|waiting| std::cmp::Reverse((waiting.sockets, waiting.kept)));
    list
}

fn by_destination(census: Option<&Census>) -> BTreeMap<Endpoint, Waiting> {
    let mut found = BTreeMap::new();
    let opening = census.into_iter().flat_map(|census| census.in_state(State::SynSent));
    for followed in opening.filter(|followed| followed.socket.timer_retrans > 0) {
        let socket = &followed.socket;
        let seen = Waiting::unseen(socket.remote, socket.local.address);
        let waiting = found.entry(socket.remote).or_insert(Waiting { inode: socket.inode, uid: socket.uid, ..seen });
        waiting.sockets += 1;
        waiting.kept += u32::from(followed.kept());
        waiting.retries += u32::from(socket.timer_retrans);
    }
    found
}

/// Whether it waited with a SYN sent again at the look before and is established now.
pub(super) fn answered_late(now: &Followed) -> bool {
    let waited = |mark: &crate::snapshot::Mark| mark.state == State::SynSent && mark.timer_retrans > 0;
    now.socket.state == State::Established && now.before.as_ref().is_some_and(waited)
}

/// Connects that failed: what our own listeners refused to half-open peers is not among them.
pub(super) fn failed(window: &Window) -> Option<u64> {
    Some(window.delta(ATTEMPT_FAILS)?.saturating_sub(window.delta(EMBRYONIC_RSTS)?))
}

/// What a watch heard, when somebody listened and was permitted to.
pub(super) fn heard<'a>(window: &Window<'a>, watch: Watch) -> Option<&'a Heard> {
    window.heard(watch)?.ok()
}

/// Sockets that died while somebody listened and were ours to open.
pub(super) fn closed_clients<'a>(window: &Window<'a>) -> impl Iterator<Item = &'a ClosedSocket> {
    let census = window.census();
    let ours = move |closed: &&ClosedSocket| census.is_none_or(|census| census.listener(&closed.local).is_none());
    heard(window, Watch::Closed).into_iter().flat_map(|heard| &heard.closed).filter(ours)
}

/// Connects that a program gave up: their SYN was sent again, and nothing ever came back.
pub(super) fn gave_up<'a>(window: &Window<'a>) -> impl Iterator<Item = &'a ClosedSocket> {
    let again = |closed: &&ClosedSocket| closed.total_retrans.is_some_and(|count| count > 0);
    closed_clients(window).filter(again).filter(|closed| !had_connected(closed) && closed.segs_in == Some(0))
}

/// Whether a socket that died had connected: the peer acknowledged its SYN.
pub(super) fn had_connected(closed: &ClosedSocket) -> bool {
    closed.bytes_acked.is_some_and(|bytes| bytes > 0)
}

fn services<'a>(census: Option<&'a Census>, destination: &Endpoint) -> impl Iterator<Item = &'a Service> {
    let services = census.map(|census| census.services.as_slice()).unwrap_or_default();
    services.iter().filter(move |service| service.key.destination() == Some(*destination))
}

/// Whether either look shows a connection to the destination that was answered, or one died that had been.
pub(super) fn ever_connected(window: &Window, destination: &Endpoint) -> bool {
    let answered = |service: &Service| service.states.total() > service.states.get(State::SynSent);
    services(window.census(), destination).any(answered)
        || services(window.census_before(), destination).any(answered)
        || closed_clients(window).any(|closed| closed.remote == *destination && had_connected(closed))
}

/// Whether a connect to the destination succeeded in the window.
pub(super) fn connected(window: &Window, destination: &Endpoint) -> bool {
    successes(window, destination) > 0
}

/// Connects to the destination that succeeded in the window. One that has died may still stand in TIME_WAIT: what shows more counts.
pub(super) fn successes(window: &Window, destination: &Endpoint) -> u32 {
    let standing: u32 = services(window.census(), destination).map(|service| opened(window, service)).sum();
    let died = closed_clients(window).filter(|closed| closed.remote == *destination && had_connected(closed));
    let late = late(window).filter(|followed| followed.socket.remote == *destination);
    (late.count() as u32 + standing).max(died.count() as u32)
}

/// Whether any connect succeeded in the window.
pub(super) fn any_connected(window: &Window) -> bool {
    let services = window.census().map(|census| census.services.as_slice()).unwrap_or_default();
    services.iter().any(|service| service.key.destination().is_some() && opened(window, service) > 0)
        || closed_clients(window).any(had_connected)
        || late(window).next().is_some()
}

/// Connections made in the window that live or have left a TIME_WAIT.
fn opened(window: &Window, service: &Service) -> u32 {
    if !window.is_whole() {
        return 0;
    }
    let born = service.born.total().saturating_sub(service.born.get(State::SynSent));
    born + service.time_wait_younger_than_seconds(window.seconds() as usize)
}

/// Connects that were answered only after their SYN was sent again.
pub(super) fn late<'a>(window: &Window<'a>) -> impl Iterator<Item = &'a Followed> {
    window.census().into_iter().flat_map(|census| &census.sockets).filter(|followed| answered_late(followed))
}

/// Watches that a rule wants while SYNs are sent again.
pub(super) fn while_syns_retry(window: &Window, wanted: &[Watch]) -> Vec<Watch> {
    let retry = window.delta(SYN_RETRANS).is_some_and(|count| count > 0);
    let waits = || !by_destination(window.census_before()).is_empty();
    if retry || waits() { wanted.to_vec() } else { Vec::new() }
}
