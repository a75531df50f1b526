//! Connections that ended with a reset: how many arrived, toward whom they broke connections with data, and who here sends them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::connecting;
use super::judge::said;
use super::wording;
use super::{Limits, held, processes};
use crate::catalog::Counter;
use crate::report::{Finding, Severity, Subject, SubjectKind, Verdict};
use crate::say;
use crate::snapshot::{ClosedSocket, Endpoint, Heard, Packet, PacketKind, Question, Service, ServiceKey, State, Watch};
use crate::window::Window;
use crate::words::Message;

pub(super) const ESTAB_RESETS: Counter = Counter("Tcp.EstabResets");
pub(super) const OUT_RSTS: Counter = Counter("Tcp.OutRsts");
pub(super) const PASSIVE_OPENS: Counter = Counter("Tcp.PassiveOpens");
pub(super) const CURR_ESTAB: Counter = Counter("Tcp.CurrEstab");
pub(super) const ON_DATA: Counter = Counter("TcpExt.TCPAbortOnData");
pub(super) const ON_CLOSE: Counter = Counter("TcpExt.TCPAbortOnClose");
pub(super) const ON_TIMEOUT: Counter = Counter("TcpExt.TCPAbortOnTimeout");
pub(super) const ON_MEMORY: Counter = Counter("TcpExt.TCPAbortOnMemory");
pub(super) const ON_LINGER: Counter = Counter("TcpExt.TCPAbortOnLinger");

/// Connections that this host ended itself.
pub(super) fn aborts(window: &Window) -> Option<u64> {
    window.sum(&[ON_DATA, ON_CLOSE, ON_TIMEOUT, ON_MEMORY, ON_LINGER])
}

/// Resets received on connections: EstabResets counts our own aborts and keepalive timeouts too.
pub(super) fn received(window: &Window) -> Option<u64> {
    Some(window.delta(ESTAB_RESETS)?.saturating_sub(aborts(window)?))
}

/// Connections that ended in the window: opened, less what there is more of now.
pub(super) fn closes(window: &Window) -> Option<u64> {
    let opened = window.delta(connecting::ACTIVE_OPENS)? + window.delta(PASSIVE_OPENS)?;
    let (before, now) = (window.first().counters.get(CURR_ESTAB)?, window.last().counters.get(CURR_ESTAB)?);
    Some((opened + before).saturating_sub(now))
}

/// Connections with data toward one destination that resets took away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    /// Where to: address and port, or port 0 for a client of ours.
    pub(super) remote: Endpoint,
    /// Our address.
    pub(super) source: IpAddr,
    /// Of the first look's connections with data, those that are gone and that resets explain.
    pub(super) gone: u32,
    /// ESTABLISHED connections at the first look.
    pub(super) of: u32,
    /// Those with data that are still there.
    pub(super) kept: u32,
    /// Connections that were made in the window and live.
    pub(super) born: u32,
    /// Resets with data heard a second, of connections that no look saw.
    pub(super) unseen_per_second: f64,
}

impl Broken {
    /// The levels of resets that broke connections.
    pub(super) fn severity(&self, limits: &Limits) -> Severity {
        let gone = f64::from(self.gone);
        let share = gone / f64::from(self.of.max(1));
        if gone >= limits.peer_resets_critical_connections && share >= limits.peer_resets_critical_ratio {
            Severity::Critical
        } else if gone >= limits.peer_resets_warning_connections
            || self.unseen_per_second >= limits.peer_resets_warning_per_second
        {
            Severity::Warning
        } else {
            Severity::Info
        }
    }

    /// `192.0.2.1:80`, or the address alone of a client.
    pub(super) fn name(&self) -> String {
        if self.remote.port == 0 { self.remote.address.to_string() } else { self.remote.to_string() }
    }
}

/// Who lost connections with data to resets, those that lost most first.
pub(super) fn broken(window: &Window) -> Vec<Broken> {
    let mut left = with_data(window);
    let mut list = gone(window);
    list.sort_by_key(|broken| std::cmp::Reverse(broken.gone));
    for broken in &mut list {
        broken.gone = broken.gone.min(left as u32);
        left -= u64::from(broken.gone);
    }
    for (remote, (source, count)) in heard_with_data(window) {
        let seconds = heard_seconds(window, Watch::Resets);
        let rate = |gone: u32| (count.saturating_sub(u64::from(gone))) as f64 / seconds;
        match list.iter_mut().find(|broken| broken.remote == remote) {
            Some(broken) => broken.unseen_per_second = rate(broken.gone),
            None => list.push(Broken { unseen_per_second: rate(0), ..empty(remote, source) }),
        }
    }
    list.retain(|broken| broken.gone > 0 || broken.unseen_per_second > 0.0);
    list
}

fn empty(remote: Endpoint, source: IpAddr) -> Broken {
    Broken { remote, source, gone: 0, of: 0, kept: 0, born: 0, unseen_per_second: 0.0 }
}

/// Connections with data of the first look that the second has no more and that did not end in order.
fn gone(window: &Window) -> Vec<Broken> {
    let before = window.census_before().map(|census| census.services.as_slice()).unwrap_or_default();
    let of_service = |before: &Service| {
        let ServiceKey::Destination { source, destination } = before.key else { return None };
        let now = window.census()?.service(&before.key);
        let kept = now.map_or(0, |now| now.kept_with_data);
        let gone = before.with_data.saturating_sub(kept + now.map_or(0, |now| ending(window, now)));
        let born = now.map_or(0, |now| now.born.get(State::Established));
        Some(Broken { gone, of: before.states.get(State::Established), kept, born, ..empty(destination, source) })
    };
    before.iter().filter_map(of_service).filter(|broken| broken.gone > 0).collect()
}

/// Connections of the first look that have left ESTABLISHED by FIN within the window.
fn ending(window: &Window, service: &Service) -> u32 {
    let closing = [State::FinWait1, State::FinWait2, State::CloseWait, State::LastAck, State::Closing];
    let new = |state: &State| service.states.get(*state).saturating_sub(service.kept.get(*state));
    let time_wait =
        f64::from(service.time_wait_younger_than_seconds(window.seconds() as usize)) * of_first_look(window);
    closing.iter().map(new).sum::<u32>() + time_wait.round() as u32
}

/// Share of the window's TIME_WAIT that connections of the first look left: those made and ended within it left theirs too.
fn of_first_look(window: &Window) -> f64 {
    let services = window.census().map(|census| census.services.as_slice()).unwrap_or_default();
    let own = || services.iter().filter(|service| service.key.destination().is_some());
    let young: u32 = own().map(|service| service.time_wait_younger_than_seconds(window.seconds() as usize)).sum();
    let live: u32 = own().map(|service| service.born.live()).sum();
    let made = window.delta(connecting::ACTIVE_OPENS).unwrap_or(0);
    let passed = made.saturating_sub(connecting::failed(window).unwrap_or(0) + u64::from(live));
    (1.0 - passed as f64 / f64::from(young.max(1))).max(0.0)
}

/// Resets received less those of connections without data: health checks end so.
fn with_data(window: &Window) -> u64 {
    let received = received(window).unwrap_or(0);
    let Some(closed) = connecting::heard(window, Watch::Closed) else { return received };
    let silent = closed.closed.iter().filter(|closed| was_silent(closed));
    let scale = window.seconds() / heard_seconds(window, Watch::Closed);
    let scaled = |count: usize| (count as f64 * scale).ceil() as u64;
    let Some(resets) = connecting::heard(window, Watch::Resets) else {
        // Whether they ended by reset is not known: as many as were reset at most, or they ended in order.
        let silent = scaled(silent.count());
        return if silent <= received + received / 5 + 2 { received.saturating_sub(silent) } else { received };
    };
    let ended = pairs(resets);
    received.saturating_sub(scaled(silent.filter(|closed| ended.contains(&(closed.local, closed.remote))).count()))
}

/// A connection that was made and carried no byte.
fn was_silent(closed: &ClosedSocket) -> bool {
    let bytes = closed.bytes_acked.unwrap_or(0) + closed.bytes_received.unwrap_or(0);
    bytes <= 1 && closed.rtt_us.is_some_and(|rtt| rtt > 0)
}

/// Whether a byte went either way; the acknowledgement of our own SYN counts one.
fn carried_data(closed: &ClosedSocket) -> bool {
    closed.bytes_received.unwrap_or(0) > 0 || closed.bytes_acked.unwrap_or(0) > 1
}

/// Connections, by both ends, for which a reset arrived.
fn pairs(heard: &Heard) -> BTreeSet<(Endpoint, Endpoint)> {
    incoming(heard).map(|packet| (packet.destination, packet.source)).collect()
}

/// Resets that arrived.
pub(super) fn incoming(heard: &Heard) -> impl Iterator<Item = &Packet> {
    heard.packets.iter().filter(|packet| packet.kind == PacketKind::Reset && !packet.outgoing)
}

/// Connections with data that died by a reset heard, by peer: its address and port, or its address when it is a client of ours.
fn heard_with_data(window: &Window) -> BTreeMap<Endpoint, (IpAddr, u64)> {
    let mut found = BTreeMap::new();
    let heard = connecting::heard(window, Watch::Closed).zip(connecting::heard(window, Watch::Resets));
    let Some((closed, resets)) = heard else { return found };
    let ended = pairs(resets);
    for closed in closed.closed.iter().filter(|closed| ended.contains(&(closed.local, closed.remote))) {
        if carried_data(closed) {
            let client = window.census().is_some_and(|census| census.listener(&closed.local).is_some());
            let remote = if client { Endpoint { port: 0, ..closed.remote } } else { closed.remote };
            found.entry(remote).or_insert((closed.local.address, 0)).1 += 1;
        }
    }
    found
}

fn heard_seconds(window: &Window, watch: Watch) -> f64 {
    let heard = connecting::heard(window, watch);
    let seconds = heard.map_or(0.0, |heard| heard.end_ns.saturating_sub(heard.begin_ns) as f64 / 1e9);
    if seconds > 0.0 { seconds } else { window.seconds() }
}

/// What a rule says of a counter of connections that a program here ended with a reset.
pub(super) fn aborted(
    window: &Window,
    limits: &Limits,
    counter: Counter,
    finding: fn(&Window, &Limits, u64, Subject) -> Finding,
) -> Verdict {
    let (mut questions, mut list) = (Vec::new(), Vec::new());
    if let Some(count) = window.delta(counter).filter(|&count| count > 0) {
        let subject = aborter(window, &mut questions);
        list.push(finding(window, limits, count, subject));
    }
    said(window, limits, list, questions)
}

/// The program that ends connections with resets: by the kernel's events, by resets heard, by the sockets that died, or because there is only one
/// listener. Asks for its process.
fn aborter(window: &Window, questions: &mut Vec<Question>) -> Subject {
    if let Some(owner) = window.tally().and_then(processes::aborter) {
        let (pid, comm) = (Some(owner.pid), Some(owner.comm));
        return Subject { kind: SubjectKind::Process, pid, comm, ..Subject::default() };
    }
    let Some(key) = sender(window) else { return Subject::default() };
    let census = window.census();
    let (inode, uid) = match key {
        ServiceKey::Listener(local) => {
            let listener = census.and_then(|census| census.listener(&local));
            listener.map_or((0, 0), |listener| (listener.inode, listener.uid))
        }
        ServiceKey::Destination { .. } => {
            let service = census.and_then(|census| census.service(&key));
            service.map_or((0, 0), |service| (service.inodes.first().copied().unwrap_or(0), service.uid))
        }
    };
    let owner = window.owner(inode, uid).or_ask(questions);
    let subject = match key {
        ServiceKey::Listener(local) => Subject {
            kind: SubjectKind::Listener,
            local: Some(local.to_string()),
            listener: Some(local.to_string()),
            pid: owner.map(|owner| owner.pid),
            comm: owner.map(|owner| owner.comm.clone()),
            ..Subject::default()
        },
        ServiceKey::Destination { source, destination } => wording::destination(destination, source, owner),
    };
    Subject { kind: if owner.is_some() { SubjectKind::Process } else { subject.kind }, ..subject }
}

/// `web (pid 42)`, else a program of this host by its listener or by what it connects to.
pub(super) fn who(subject: &Subject) -> Message {
    let process = subject.comm.as_ref().zip(subject.pid).map(|(comm, pid)| format!("{comm} (pid {pid})"));
    if let Some(known) = process.or(subject.listener.clone()) {
        return Message::same(known);
    }
    match &subject.remote {
        Some(remote) => say! {
            en: "a program here that connects to {remote}",
            ko: "{remote}에 접속하는 이 호스트의 프로그램",
            remote = remote
        },
        None => say! { en: "a program here", ko: "이 호스트의 한 프로그램" },
    }
}

/// How sure the culprit is.
pub(super) fn confidence(subject: &Subject) -> f64 {
    match subject.kind {
        SubjectKind::Process => held::CERTAIN,
        SubjectKind::Netns => 0.75,
        _ => held::LIKELY,
    }
}

/// The numbers that a finding on aborts rests on.
pub(super) fn with_closes(finding: Finding, window: &Window, counter: Counter, count: u64) -> Finding {
    let closes = closes(window).unwrap_or(0) as f64;
    finding
        .evidence(counter.0, (count as f64, "connections"), "netns", "/proc/net/netstat")
        .evidence("connections ended", (closes, "connections"), "netns", "PassiveOpens + ActiveOpens - CurrEstab")
        .evidence(OUT_RSTS.0, (window.delta(OUT_RSTS).unwrap_or(0) as f64, "segments"), "netns", "/proc/net/snmp")
}

fn sender(window: &Window) -> Option<ServiceKey> {
    let census = window.census()?;
    let key_of = |local: Endpoint, remote: Endpoint| match census.listener(&local) {
        Some(listener) => ServiceKey::Listener(listener.local),
        None => ServiceKey::Destination { source: local.address, destination: remote },
    };
    let closed = connecting::heard(window, Watch::Closed).map(|heard| heard.closed.as_slice()).unwrap_or_default();
    let lived: BTreeSet<_> = closed.iter().map(|closed| (closed.local, closed.remote)).collect();
    let packets = connecting::heard(window, Watch::Resets).map(|heard| heard.packets.as_slice()).unwrap_or_default();
    let sent = packets.iter().filter(|packet| packet.kind == PacketKind::Reset && packet.outgoing);
    let of_us = sent.filter(|packet| {
        census.listener(&packet.source).is_some() || lived.contains(&(packet.source, packet.destination))
    });
    let by_packets = most(of_us.map(|packet| key_of(packet.source, packet.destination)), 0.5);
    let by_deaths = || most(closed.iter().filter(|c| !was_silent(c)).map(|c| key_of(c.local, c.remote)), 0.9);
    let only = || match census.listeners.as_slice() {
        [listener] => Some(ServiceKey::Listener(listener.local)),
        _ => None,
    };
    by_packets.or_else(by_deaths).or_else(only)
}

/// The most frequent, if it is at least this share of all.
fn most(keys: impl Iterator<Item = ServiceKey>, share: f64) -> Option<ServiceKey> {
    let mut counts: BTreeMap<ServiceKey, u64> = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    let all: u64 = counts.values().sum();
    let (key, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count as f64 >= share * all as f64).then_some(key)
}

/// What the rules on resets are tested with.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Scene, endpoint};
    use crate::snapshot::{Fact, Socket};

    pub(crate) const PLACE: &str = "198.51.100.7:443";

    pub(crate) fn talking(number: u16, remote: &str) -> Socket {
        Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + number), remote)
            .info(&[("bytes_acked", 500), ("bytes_received", 500)])
            .inode(100 + u32::from(number))
    }

    /// A host whose connections: `gone` of them vanish, `kept` stay, and so many resets arrive.
    pub(crate) fn crash(gone: u16, kept: u16, resets: u64) -> Scene {
        Scene::new()
            .grew(ESTAB_RESETS.0, resets)
            .each(gone, |scene, n| scene.gone(talking(n, PLACE)))
            .each(kept, |scene, n| scene.still(&talking(1000 + n, PLACE)))
    }

    pub(crate) fn reset(from: &str, to: &str, outgoing: bool, at_ms: u64) -> Packet {
        Packet {
            kind: PacketKind::Reset,
            at_ns: at_ms * 1_000_000,
            outgoing,
            ifindex: 2,
            from: endpoint(from).address,
            ttl: 60,
            source: endpoint(from),
            destination: endpoint(to),
            sequence: 1,
        }
    }

    pub(crate) fn closed(local: &str, remote: &str, bytes: u64, at_ms: u64) -> ClosedSocket {
        ClosedSocket {
            local: endpoint(local),
            remote: endpoint(remote),
            bytes_acked: Some(bytes + 1),
            bytes_received: Some(bytes),
            rtt_us: Some(300),
            segs_in: Some(3),
            at_ns: at_ms * 1_000_000,
            ..ClosedSocket::default()
        }
    }

    /// Nine seconds of listening.
    pub(crate) fn hearing(scene: Scene, watch: Watch, closed: Vec<ClosedSocket>, packets: Vec<Packet>) -> Scene {
        let heard = Heard { begin_ns: 0, end_ns: 9_000_000_000, closed, packets, ..Heard::default() };
        scene.answer(Question::Watch(watch), Ok(Fact::Heard(heard)))
    }

    #[test]
    fn our_own_aborts_are_no_resets_received() {
        let scene = Scene::new().grew(ESTAB_RESETS.0, 10).grew(ON_CLOSE.0, 3).grew(ON_TIMEOUT.0, 2);
        let aborts = [ON_DATA, ON_MEMORY, ON_LINGER].iter().fold(scene, |scene, counter| scene.grew(counter.0, 1));
        assert_eq!(received(&aborts.build().window()), Some(2));
    }

    #[test]
    fn what_was_made_and_ended_within_the_window_is_no_end_of_what_the_first_look_showed() {
        let churn = |scene: Scene, n| scene.born(Socket::time_wait(&format!("192.0.2.1:{}", 30_000 + n), PLACE, 1));
        let scene = || crash(7, 20, 9).each(40, churn);
        let gone = |scene: Scene| broken(&scene.build().window()).first().map(|broken| broken.gone);
        assert_eq!(gone(scene().grew("Tcp.ActiveOpens", 40)), Some(7));
        assert_eq!(gone(scene().grew("Tcp.ActiveOpens", 38)), Some(5));
        assert_eq!(gone(scene()), None);
    }

    #[test]
    fn closes_are_opens_less_what_there_is_more_of() {
        let scene = Scene::new().grew("Tcp.ActiveOpens", 10).grew(PASSIVE_OPENS.0, 20).grew(CURR_ESTAB.0, 5);
        assert_eq!(closes(&scene.build().window()), Some(25));
    }
}
