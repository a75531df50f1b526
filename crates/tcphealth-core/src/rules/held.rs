//! Sockets in one state → how many each process holds, how many of them were there before, how many have come and gone.
//!
//! What the rules on CLOSE_WAIT, FIN_WAIT2 and unread data count: one look cannot tell a leak from a blip, survival can.

use std::collections::{BTreeMap, HashSet};

use crate::report::{Subject, SubjectKind};
use crate::snapshot::{Census, Followed, Owner, Process, Question, Service, ServiceKey, Socket, State, TcpInfo};
use crate::window::Window;

/// Counter, socket and owner agree.
pub(super) const CERTAIN: f64 = 0.97;
/// Two of the three agree.
pub(super) const LIKELY: f64 = 0.85;
/// One of them only.
pub(super) const POSSIBLE: f64 = 0.6;

/// Owners that one rule asks for, at most: a walk over `/proc/*/fd` is dear.
pub(super) const OWNERS_MAX: usize = 16;
/// What left its state sooner than this was on its way, ms.
const BLIP_MS: u32 = 1_000;

/// Which sockets a rule counts.
pub(super) struct Pick {
    /// Services by their side.
    pub(super) service: fn(&ServiceKey) -> bool,
    /// Sockets by what they are at one look.
    pub(super) socket: fn(&Socket) -> bool,
    /// Of those, the ones that count as held: same state as before, and nothing that excuses them.
    pub(super) held: fn(&Followed) -> bool,
    /// Whether a finding is about a process as a whole or about its sockets toward one service.
    pub(super) whole_process: bool,
}

/// The sockets of one process, toward one service or toward all.
pub(super) struct Group<'a> {
    /// The service with most of them.
    pub(super) key: ServiceKey,
    /// The process; `None` when it could not be found out.
    pub(super) owner: Option<&'a Owner>,
    /// The held ones, longest first; a sample of them where several processes share a service.
    pub(super) sockets: Vec<&'a Followed>,
    /// How many there are now.
    pub(super) now: u32,
    /// How many of them are held since the look before.
    pub(super) kept: u32,
    /// How many of the look before are not there any more.
    pub(super) gone: u32,
}

impl Group<'_> {
    /// Share of the first look's sockets that are still there; 0 when there was none.
    pub(super) fn survival(&self) -> f64 {
        f64::from(self.kept) / f64::from((self.kept + self.gone).max(1))
    }

    /// Those that are new in this state.
    pub(super) fn born(&self) -> u32 {
        self.now - self.kept.min(self.now)
    }

    /// By how many a second their number grows; 0 when it does not.
    pub(super) fn growth_per_second(&self, window: &Window) -> f64 {
        f64::from(self.born().saturating_sub(self.gone)) / window.seconds().max(1.0)
    }

    /// How many of the held ones pass a test, the sample taken for the whole.
    pub(super) fn share_of(&self, test: impl Fn(&Followed) -> bool) -> u32 {
        let passed = self.sockets.iter().filter(|followed| test(followed)).count();
        (passed as f64 * f64::from(self.kept) / self.sockets.len().max(1) as f64).round() as u32
    }

    /// The process, or the inode to look for.
    pub(super) fn who(&self) -> String {
        who(self.owner, self.sockets.first().map_or(0, |followed| followed.socket.inode))
    }

    /// The process as the subject of a finding, with its listener or destination.
    pub(super) fn subject(&self) -> Subject {
        let local = self.key.listener().map(|local| local.to_string());
        Subject {
            kind: SubjectKind::Process,
            pid: self.owner.map(|owner| owner.pid),
            comm: self.owner.map(|owner| owner.comm.clone()),
            listener: local.clone(),
            local,
            remote: self.key.destination().map(|remote| remote.to_string()),
            source: match self.key {
                ServiceKey::Destination { source, .. } => Some(source.to_string()),
                ServiceKey::Listener(_) => None,
            },
            ..Subject::default()
        }
    }

    /// Certain with the owner, likely without.
    pub(super) fn confidence(&self) -> f64 {
        if self.owner.is_some() { CERTAIN } else { LIKELY }
    }
}

/// `web (pid 42)`, or `inode 4711` when the process could not be found out.
pub(super) fn who(owner: Option<&Owner>, inode: u32) -> String {
    owner.map_or_else(|| format!("inode {inode}"), |owner| format!("{} (pid {})", owner.comm, owner.pid))
}

/// Open descriptors as a share of their limit.
pub(super) fn descriptor_share(process: &Process) -> Option<f64> {
    Some(process.fds? as f64 / process.fd_limit.filter(|&limit| limit > 0)? as f64)
}

/// Time since the peer's FIN, ms: not shorter than since the last acknowledgement, nor than the window for a socket that was
/// in this state at its begin; not longer than since the last data.
pub(super) fn age_ms(followed: &Followed, window: &Window) -> Option<(u32, u32)> {
    let info = followed.socket.info.as_ref()?;
    let kept_ms = if followed.kept() { (window.seconds() * 1000.0) as u32 } else { 0 };
    let low = info.last_ack_recv()?.max(kept_ms);
    Some((low, info.last_data_recv()?.max(low)))
}

/// `11.6`, or `0.6–2.6` where only a bracket is known, in seconds.
pub(super) fn span((low_ms, high_ms): (u32, u32)) -> String {
    let (low, high) = (seconds(low_ms), seconds(high_ms));
    if low == high { low } else { format!("{low}–{high}") }
}

/// Seconds with one decimal below 100, else whole.
pub(super) fn seconds(ms: u32) -> String {
    let seconds = f64::from(ms) / 1000.0;
    if seconds < 100.0 { format!("{seconds:.1}") } else { format!("{seconds:.0}") }
}

/// The groups of processes with at least `enough` held sockets, largest first. Asks for the owners of a sample.
pub(super) fn groups<'a>(
    window: &Window<'a>,
    pick: &Pick,
    enough: u32,
    questions: &mut Vec<Question>,
) -> Vec<Group<'a>> {
    let mut services = services(window, pick);
    let total: u32 = services.iter().map(|service| service.kept).sum();
    services.retain(|service| service.kept > 0 && (pick.whole_process || service.kept >= enough));
    if total < enough || services.is_empty() {
        return Vec::new();
    }
    services.sort_by_key(|service| (std::cmp::Reverse(service.kept), service.key));
    services.truncate(OWNERS_MAX);
    let sample = (OWNERS_MAX / services.len()).max(1);
    let split = services.into_iter().flat_map(|service| by_owner(window, service, sample, questions)).collect();
    let mut groups = if pick.whole_process { by_process(split) } else { split };
    groups.retain(|group| group.kept >= enough);
    groups.sort_by_key(|group| (std::cmp::Reverse(group.kept), group.key));
    groups
}

/// The groups and the process of each as far as it is known; or what must be known first.
pub(super) fn with_processes<'a>(
    window: &Window<'a>,
    pick: &Pick,
    enough: u32,
) -> Result<Vec<(Group<'a>, Option<&'a Process>)>, Vec<Question>> {
    let mut questions = Vec::new();
    let groups = groups(window, pick, enough, &mut questions);
    let with_process = |group: Group<'a>| {
        let process = group.owner.and_then(|owner| window.process(owner.pid).or_ask(&mut questions));
        (group, process)
    };
    let known = groups.into_iter().map(with_process).collect();
    if questions.is_empty() { Ok(known) } else { Err(questions) }
}

/// Every service's sockets, whoever holds them.
fn services<'a>(window: &Window<'a>, pick: &Pick) -> Vec<Group<'a>> {
    let (Some(now), Some(before)) = (window.census(), window.census_before()) else { return Vec::new() };
    let mut services: BTreeMap<ServiceKey, Group> = BTreeMap::new();
    let mut there = HashSet::new();
    for followed in now.sockets.iter().filter(|followed| (pick.socket)(&followed.socket)) {
        let key = now.key_of(&followed.socket);
        if !(pick.service)(&key) {
            continue;
        }
        there.insert(followed.socket.cookie);
        let service = services.entry(key).or_insert_with(|| empty(key));
        if (pick.held)(followed) {
            service.kept += 1;
            service.now += 1;
            service.sockets.push(followed);
        } else if !followed.kept() {
            service.now += 1;
        }
    }
    for followed in before.sockets.iter().filter(|followed| (pick.socket)(&followed.socket)) {
        if there.contains(&followed.socket.cookie) {
            continue;
        }
        if let Some(service) = services.get_mut(&now.key_of(&followed.socket)) {
            service.gone += 1;
        }
    }
    let seen = seen(now);
    services.into_values().map(|service| in_full(window, service, &seen)).collect()
}

/// How many sockets of each state and service that a process has were kept in full.
fn seen(now: &Census) -> BTreeMap<(State, ServiceKey), usize> {
    let mut seen = BTreeMap::new();
    for followed in now.sockets.iter().filter(|followed| followed.socket.inode != 0) {
        *seen.entry((followed.socket.state, now.key_of(&followed.socket))).or_default() += 1;
    }
    seen
}

/// Where not every socket could be kept, the exact sums of the service take the place of what was counted on the kept ones.
fn in_full<'a>(window: &Window<'a>, mut service: Group<'a>, seen: &BTreeMap<(State, ServiceKey), usize>) -> Group<'a> {
    let (Some(now), Some(before)) = (window.census(), window.census_before()) else { return service };
    let Some(state) = service.sockets.first().map(|followed| followed.socket.state) else { return service };
    let (Some(after), Some(first)) = (now.service(&service.key), before.service(&service.key)) else { return service };
    if now.left_out.sockets + before.left_out.sockets == 0 {
        return service;
    }
    let seen = seen.get(&(state, service.key)).copied().unwrap_or(0);
    let grown = f64::from(owned(after, state)) / seen.max(1) as f64;
    let gone = owned(first, state).saturating_sub(after.kept.get(state)) as f64;
    service.gone = (gone * f64::from(service.kept) / seen.max(1) as f64).round() as u32;
    service.now = (f64::from(service.now) * grown).round() as u32;
    service.kept = ((f64::from(service.kept) * grown).round() as u32).min(after.kept.get(state));
    service
}

/// Sockets of a service in a state that a process has.
fn owned(service: &Service, state: State) -> u32 {
    let without = match state {
        State::CloseWait => service.unaccepted_close_wait,
        State::FinWait2 => service.fin_wait2_stubs,
        _ => 0,
    };
    service.states.get(state).saturating_sub(without)
}

fn empty<'a>(key: ServiceKey) -> Group<'a> {
    Group { key, owner: None, sockets: Vec::new(), now: 0, kept: 0, gone: 0 }
}

/// Splits the sockets of a service by process. One process has them all; of several each has its share of the sample.
fn by_owner<'a>(
    window: &Window<'a>,
    mut service: Group<'a>,
    sample: usize,
    questions: &mut Vec<Question>,
) -> Vec<Group<'a>> {
    service.sockets.sort_by_key(|followed| (std::cmp::Reverse(idle_ms(followed)), followed.socket.cookie));
    let step = service.sockets.len().div_ceil(sample).max(1);
    let mut owners: BTreeMap<Option<u32>, (Option<&Owner>, Vec<&Followed>)> = BTreeMap::new();
    for followed in service.sockets.iter().copied().step_by(step) {
        let owner = window.owner(followed.socket.inode, followed.socket.uid).or_ask(questions);
        owners.entry(owner.map(|owner| owner.pid)).or_insert((owner, Vec::new())).1.push(followed);
    }
    if owners.keys().flatten().count() <= 1 {
        service.owner = owners.into_values().find_map(|(owner, _)| owner);
        return vec![service];
    }
    let sampled: usize = owners.values().map(|(_, sockets)| sockets.len()).sum();
    let gone = gone_after_a_blip(window, &service);
    let part = |count: u32, of: usize| (f64::from(count) * of as f64 / sampled as f64).round() as u32;
    owners
        .into_values()
        .map(|(owner, sockets)| {
            let (now, kept) = (part(service.now, sockets.len()), part(service.kept, sockets.len()));
            Group { key: service.key, owner, now, kept, gone: part(gone, sockets.len()), sockets }
        })
        .collect()
}

/// Of those that are gone: what had not just come. Whose they were is not known any more, and a healthy process beside a
/// leaking one lets its own go within moments.
fn gone_after_a_blip(window: &Window, service: &Group) -> u32 {
    let (Some(now), Some(before)) = (window.census(), window.census_before()) else { return 0 };
    let there: HashSet<u64> = now.sockets.iter().map(|followed| followed.socket.cookie).collect();
    let state = service.sockets.first().map(|followed| followed.socket.state);
    let gone = before.sockets.iter().filter(|followed| {
        Some(followed.socket.state) == state
            && !there.contains(&followed.socket.cookie)
            && now.key_of(&followed.socket) == service.key
            && idle_ms(followed) >= BLIP_MS
    });
    (gone.count() as u32).min(service.gone)
}

fn idle_ms(followed: &Followed) -> u32 {
    followed.socket.info.as_ref().and_then(TcpInfo::last_ack_recv).unwrap_or(0)
}

/// One group a process, over all its services; what has no known process stays apart.
fn by_process(split: Vec<Group>) -> Vec<Group> {
    let mut whole: Vec<Group> = Vec::new();
    for group in split {
        let same = |other: &&mut Group| other.owner.is_some_and(|a| group.owner.is_some_and(|b| a.pid == b.pid));
        match whole.iter_mut().find(same) {
            None => whole.push(group),
            Some(process) => {
                process.now += group.now;
                process.kept += group.kept;
                process.gone += group.gone;
                process.sockets.extend(group.sockets);
            }
        }
    }
    whole
}

/// A listening port's connections.
pub(super) fn is_server_side(key: &ServiceKey) -> bool {
    key.listener().is_some()
}

/// Connections that we opened.
pub(super) fn is_client_side(key: &ServiceKey) -> bool {
    key.destination().is_some()
}

/// Whether it was in this state before and we sent nothing since: a half-closed peer that still gets its answer is healthy.
pub(super) fn kept_in_silence(followed: &Followed) -> bool {
    let sent = followed.socket.info.as_ref().and_then(TcpInfo::data_segs_out);
    followed.kept() && followed.before.is_some_and(|mark| sent.is_none_or(|sent| sent == mark.data_segs_out))
}

/// The process behind a service, by one of its live sockets; `None` when it has none or it cannot be found out.
pub(super) fn service_owner<'a>(
    window: &Window<'a>,
    service: &Service,
    questions: &mut Vec<Question>,
) -> Option<&'a Owner> {
    let inode = service.inodes.into_iter().find(|&inode| inode != 0)?;
    window.owner(inode, service.uid).or_ask(questions)
}
