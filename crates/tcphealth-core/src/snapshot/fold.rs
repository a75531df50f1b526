//! Sockets → census, one at a time while they are read: the same function live, from a saved dump, and in the recorder.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::census::AGES;
use super::{
    Census, Endpoint, Followed, LeftOut, Line, Listener, Mark, Marks, Peer, PortUse, Quick, Service, ServiceKey,
    Socket, State, Timer,
};

const LISTENERS_MAX: usize = 16_384;
const SERVICES_MAX: usize = 65_536;
const PEERS_MAX: usize = 65_536;
const SOURCES_MAX: usize = 256;
/// Sockets kept in full, per reason: 4096 × 10 reasons × 500 bytes stay near 20 MB.
const KEPT_MAX: usize = 4_096;
/// The same in a program that stays: 5 MB.
const KEPT_RESIDENT_MAX: usize = 1_024;
/// TIME_WAIT lasts 60 s (TCP_TIMEWAIT_LEN, include/net/tcp.h).
const TIME_WAIT_MS: u32 = 60_000;
/// A socket is stuck from this many doublings on: at a timeout of 200 ms it has been silent for more than 1.4 s.
const STUCK_BACKOFF: u8 = 2;
/// A socket whose segments carry less than this on average sends small packets, bytes.
const SMALL_BYTES: u64 = 1_000;
/// Segments sent in the window from which a sender counts as bulk, when it was sending for half of the window or more: no rule
/// names one that was not, and of those a busy host has many.
const BULK_SEGMENTS: u32 = 10;
/// A sender is kept, too, when the peer's window held it up for this long in the window, ms.
const HELD_MS: u32 = 1_000;

/// Why a socket is kept in full; each has its own bound, so that one cannot crowd out another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    CloseWait,
    Opening,
    HalfOpen,
    Closing,
    Unaccepted,
    TimerFired,
    QueueStuck,
    BufferFull,
    Dropping,
    Lossy,
    Bulk,
}

/// Ports of one source address: a bit a port, once for "in use", once for "in use twice".
#[derive(Clone)]
struct PortBits {
    once: Box<[u64; 1024]>,
    twice: Box<[u64; 1024]>,
}

impl Default for PortBits {
    fn default() -> Self {
        Self { once: Box::new([0; 1024]), twice: Box::new([0; 1024]) }
    }
}

impl PortBits {
    fn add(&mut self, port: u16) {
        let (word, bit) = (usize::from(port >> 6), 1u64 << (port & 63));
        if let (Some(once), Some(twice)) = (self.once.get_mut(word), self.twice.get_mut(word)) {
            *twice |= *once & bit;
            *once |= bit;
        }
    }
}

/// A pass in progress.
#[derive(Clone)]
pub struct Fold<'a> {
    /// Marks that stay as they are.
    before: Option<&'a Marks>,
    /// Marks that become those of this pass; `None` when nobody asks for them.
    marks: Option<Marks>,
    /// Where in either the next socket is expected.
    expected: usize,
    window_ms: u32,
    range: (u16, u16),
    listening: HashMap<u16, Vec<usize>, Quick>,
    services: HashMap<ServiceKey, Service, Quick>,
    peers: HashMap<IpAddr, Peer, Quick>,
    ports: BTreeMap<IpAddr, PortBits>,
    kept: HashMap<Reason, usize>,
    texts: bool,
    census: Census,
}

impl<'a> Fold<'a> {
    /// A first pass: `range` is `ip_local_port_range`. It leaves marks for the second.
    pub fn first(range: (u16, u16)) -> Self {
        Self::new((None, Some(Marks::default())), false, 0, range)
    }

    /// A second pass, `window_ms` after the first.
    pub fn second(before: &'a Marks, window_ms: u32, range: (u16, u16)) -> Self {
        Self::new((Some(before), None), true, window_ms, range)
    }

    /// A pass that is second to one and first to another: what a resident program takes. The marks become those of this pass.
    pub fn next(before: Marks, window_ms: u32, range: (u16, u16)) -> Self {
        Self::new((None, Some(before)), true, window_ms, range)
    }

    fn new(
        (before, marks): (Option<&'a Marks>, Option<Marks>),
        joined: bool,
        window_ms: u32,
        range: (u16, u16),
    ) -> Self {
        Self {
            before,
            marks,
            expected: 0,
            window_ms,
            range,
            listening: HashMap::default(),
            services: HashMap::default(),
            peers: HashMap::default(),
            ports: BTreeMap::new(),
            kept: HashMap::new(),
            texts: false,
            census: Census { joined, ..Census::default() },
        }
    }

    /// The same pass before its first socket; `None` when the marks of before become its own, so that it can begin only once.
    pub fn again(&self) -> Option<Self> {
        (!self.renews()).then(|| self.clone())
    }

    /// Whether the marks of before become those of this pass.
    fn renews(&self) -> bool {
        self.census.joined && self.marks.is_some()
    }

    /// The same pass over the text tables: without cookies none of their sockets can be found again, so nothing is compared, and
    /// they do not tell the limit of an accept queue.
    pub fn of_texts(&self) -> Fold<'static> {
        Fold { texts: true, ..Fold::new((None, None), false, self.window_ms, self.range) }
    }

    /// Takes one socket. All listeners must come before everything else: they tell which side of a connection we are.
    pub fn add(&mut self, socket: &Socket) {
        self.census.states.add(socket.state);
        match socket.state {
            State::Listen => self.add_listener(socket),
            State::Close => {}
            _ => self.add_connection(socket),
        }
    }

    /// The census, and the marks for the next pass.
    pub fn finish(mut self) -> (Census, Marks) {
        self.census.services = self.services.into_values().collect();
        self.census.services.sort_unstable_by_key(|service| service.key);
        self.census.peers = self.peers.into_values().collect();
        self.census.peers.sort_unstable_by_key(|peer| peer.address);
        let count = |bits: &[u64]| bits.iter().map(|word| word.count_ones()).sum();
        self.census.ports = self
            .ports
            .into_iter()
            .map(|(source, bits)| PortUse { source, distinct: count(&*bits.once), shared: count(&*bits.twice) })
            .collect();
        let mut marks = self.marks.unwrap_or_default();
        marks.end_pass();
        (self.census, marks)
    }

    /// Notes that the kernel's table changed while it was dumped.
    pub fn interrupted(&mut self) {
        self.census.interrupted = true;
    }

    fn add_listener(&mut self, socket: &Socket) {
        let drops = socket.skmem.map(|mem| mem.drops);
        // A listener has no retransmissions: its mark keeps its drops in their place.
        let total_retrans = drops.unwrap_or(0);
        let mark = || Mark { cookie: socket.cookie, state: State::Listen, total_retrans, ..Mark::default() };
        let before = self.meet(socket.cookie, mark);
        let drops_grown = before.zip(drops).map(|(mark, drops)| drops.wrapping_sub(mark.total_retrans));
        if self.census.listeners.len() >= LISTENERS_MAX {
            self.census.left_out.listeners += 1;
            return;
        }
        self.listening.entry(socket.local.port).or_default().push(self.census.listeners.len());
        self.census.listeners.push(Listener {
            local: socket.local,
            ifindex: socket.ifindex,
            dual_stack: socket.inet6 && socket.v6only == Some(false),
            queue: socket.rqueue,
            limit: if self.texts { u32::MAX } else { socket.wqueue },
            drops,
            drops_grown,
            syn_recv: 0,
            syn_recv_retried: 0,
            inode: socket.inode,
            uid: socket.uid,
            cookie: socket.cookie,
            cgroup: socket.cgroup,
        });
    }

    fn add_connection(&mut self, socket: &Socket) {
        // A stub in FIN_WAIT2 is followed like a socket; TIME_WAIT never is.
        let followed = socket.state != State::TimeWait;
        let before = if followed { self.meet(socket.cookie, || mark_of(socket)) } else { None };
        let listener = self.listener_of(&socket.local);
        if let Some(place) = listener {
            self.count_half_open(place, socket);
        }
        let key = match listener.and_then(|place| self.census.listeners.get(place)) {
            Some(listener) => ServiceKey::Listener(listener.local),
            None => ServiceKey::Destination { source: socket.local.address, destination: socket.remote },
        };
        if followed && self.census.joined && before.is_none() {
            self.census.born.add(socket.state);
        }
        self.count_service(key, socket, before.as_ref());
        self.count_peer(socket, before.as_ref());
        if listener.is_none() {
            self.count_port(socket);
        }
        if followed {
            self.keep(socket, before);
        }
    }

    /// The mark that a socket had at the look before. Where marks are left, it has that of now from here on.
    fn meet(&mut self, cookie: u64, now: impl FnOnce() -> Mark) -> Option<Mark> {
        let (mark, place) = match &mut self.marks {
            Some(marks) => marks.renew(now(), self.expected)?,
            None => self.before?.find(cookie, self.expected).map(|(mark, place)| (*mark, place))?,
        };
        self.expected = place.saturating_add(1);
        Some(mark)
    }

    fn listener_of(&self, local: &Endpoint) -> Option<usize> {
        let places = self.listening.get(&local.port)?;
        let at = |place: &&usize| self.census.listeners.get(**place);
        let exact = places.iter().find(|place| at(place).is_some_and(|listener| listener.local == *local));
        let any = || {
            places.iter().find(|place| {
                at(place).is_some_and(|listener| {
                    let family = listener.local.address.is_ipv4() == local.address.is_ipv4() || listener.dual_stack;
                    listener.local.is_any() && family
                })
            })
        };
        exact.or_else(any).copied()
    }

    fn count_half_open(&mut self, place: usize, socket: &Socket) {
        if socket.state != State::SynRecv {
            return;
        }
        if let Some(listener) = self.census.listeners.get_mut(place) {
            listener.syn_recv += 1;
            listener.syn_recv_retried += u32::from(socket.timer_retrans > 0);
        }
    }

    fn count_service(&mut self, key: ServiceKey, socket: &Socket, before: Option<&Mark>) {
        let full = self.services.len() >= SERVICES_MAX;
        if full && !self.services.contains_key(&key) {
            self.census.left_out.services += 1;
            return;
        }
        let (joined, window_ms, range) = (self.census.joined, self.window_ms, self.range);
        let service = self.services.entry(key).or_insert_with(|| Service::new(key));
        count_now(service, socket, range);
        count_idle(service, socket, window_ms);
        if joined && socket.state != State::TimeWait {
            count_kept(service, socket, before);
        }
    }

    fn count_peer(&mut self, socket: &Socket, before: Option<&Mark>) {
        let Some(info) = &socket.info else { return };
        let address = socket.remote.address;
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&address) {
            self.census.left_out.peers += 1;
            return;
        }
        let peer = self.peers.entry(address).or_insert_with(|| Peer::new(address, socket.local.address));
        peer.sockets += 1;
        peer.min_rtt_us = least(peer.min_rtt_us, info.min_rtt_us());
        peer.rttvar_us = least(peer.rttvar_us, info.rttvar().filter(|_| info.min_rtt_us().is_some()));
        let with_data = socket.state == State::Established && carried_data(socket);
        peer.with_data += u32::from(with_data);
        if let Some(silent_ms) = silent_ms(socket, self.window_ms) {
            peer.silent += 1;
            peer.silent_ms_longest = peer.silent_ms_longest.max(silent_ms);
        }
        if let Some(mark) = before {
            peer.kept_with_data += u32::from(with_data && mark.with_data && mark.state == State::Established);
            peer.kept += 1;
            let moved = moved(socket, mark);
            peer.moved += u32::from(moved);
            peer.moved_small += u32::from(moved && sends_small(info));
            grow(&mut peer.line, socket, mark);
        }
    }

    fn count_port(&mut self, socket: &Socket) {
        let port = socket.local.port;
        if port < self.range.0 || port > self.range.1 {
            return;
        }
        let source = socket.local.address;
        if self.ports.len() >= SOURCES_MAX && !self.ports.contains_key(&source) {
            self.census.left_out.sources += 1;
            return;
        }
        self.ports.entry(source).or_default().add(port);
    }

    fn keep(&mut self, socket: &Socket, before: Option<Mark>) {
        let Some(reason) = reason_to_keep(socket, before.as_ref(), self.window_ms) else { return };
        let most = if self.renews() { KEPT_RESIDENT_MAX } else { KEPT_MAX };
        let kept = self.kept.entry(reason).or_default();
        if *kept >= most {
            self.census.left_out.sockets += 1;
            return;
        }
        *kept += 1;
        self.census.sockets.push(Followed { socket: socket.clone(), before });
    }
}

fn count_now(service: &mut Service, socket: &Socket, range: (u16, u16)) {
    service.states.add(socket.state);
    let unaccepted = is_unaccepted(socket);
    service.unaccepted += u32::from(unaccepted);
    service.unaccepted_close_wait += u32::from(unaccepted && socket.state == State::CloseWait);
    service.fin_wait2_stubs += u32::from(socket.state == State::FinWait2 && socket.is_stub());
    service.with_data += u32::from(socket.state == State::Established && carried_data(socket));
    service.unread += u32::from(socket.state == State::Established && socket.inode != 0 && socket.rqueue > 0);
    count_memory(service, socket);
    if (range.0..=range.1).contains(&socket.local.port) {
        service.ports += 1;
        service.ports_second_parity += u32::from((socket.local.port ^ range.0) & 1 == 1);
    }
    if socket.state == State::TimeWait {
        let age_seconds = socket.stub_age_ms(TIME_WAIT_MS).unwrap_or(0) as usize / 1000;
        if let Some(count) = service.time_wait_ages.get_mut(age_seconds.min(AGES - 1)) {
            *count += 1;
        }
    }
    if let Some(info) = &socket.info {
        service.min_rtt_us = least(service.min_rtt_us, info.min_rtt_us());
        service.rtt_us = least(service.rtt_us, info.rtt().filter(|&rtt| rtt != 0));
    }
    if socket.inode != 0 {
        service.uid = socket.uid;
        service.cgroup = socket.cgroup.or(service.cgroup);
        if let Some(free) = service.inodes.iter_mut().find(|inode| **inode == 0) {
            *free = socket.inode;
        }
    }
}

fn count_memory(service: &mut Service, socket: &Socket) {
    service.recv_queue_bytes += u64::from(socket.rqueue);
    service.send_queue_bytes += u64::from(socket.wqueue);
    if let Some(mem) = socket.skmem {
        let parts = [mem.rmem_alloc_bytes, mem.wmem_alloc_bytes, mem.wmem_queued_bytes];
        service.memory_bytes += parts.map(u64::from).iter().sum::<u64>();
    }
}

fn count_idle(service: &mut Service, socket: &Socket, window_ms: u32) {
    if let Some(silent_ms) = silent_ms(socket, window_ms) {
        service.silent += 1;
        service.silent_ms_longest = service.silent_ms_longest.max(silent_ms);
    }
}

/// How long a connection has been silent that no timer watches; `None` when one does, or when it has something to do.
fn silent_ms(socket: &Socket, window_ms: u32) -> Option<u32> {
    let quiet = socket.state == State::Established && socket.timer == Timer::None;
    let empty = socket.rqueue == 0 && socket.wqueue == 0;
    idle_ms(socket).filter(|&idle_ms| quiet && empty && idle_ms >= window_ms.max(1))
}

fn count_kept(service: &mut Service, socket: &Socket, before: Option<&Mark>) {
    let Some(mark) = before else { return service.born.add(socket.state) };
    // A client that gives up moves its connection to CLOSE_WAIT; it waits in the same queue as before.
    service.kept_unaccepted += u32::from(is_unaccepted(socket) && mark.ownerless);
    if mark.state != socket.state {
        return;
    }
    service.kept.add(socket.state);
    service.kept_fin_wait2_stubs += u32::from(socket.state == State::FinWait2 && socket.is_stub());
    service.kept_with_data += u32::from(socket.state == State::Established && mark.with_data);
    if moved(socket, mark) {
        service.moved += 1;
        service.moved_idle_ms_longest = service.moved_idle_ms_longest.max(mark.idle_ms);
    }
}

fn grow(line: &mut Line, socket: &Socket, mark: &Mark) {
    let Some(info) = &socket.info else { return };
    let grown = |now: Option<u32>, then: u32| u64::from(now.unwrap_or(then).wrapping_sub(then));
    let retrans = grown(info.total_retrans(), mark.total_retrans);
    if info.backoff().unwrap_or(0) >= STUCK_BACKOFF && !acked(socket, mark) {
        line.sockets_stuck += 1;
        line.retrans_stuck += retrans;
        return;
    }
    // What is sent again before the first data is a SYN: no loss of data.
    if mark.state != socket.state {
        return;
    }
    let dsack_dups = grown(info.dsack_dups(), mark.dsack_dups);
    let lost = retrans.saturating_sub(dsack_dups);
    line.sockets += 1;
    line.sockets_again += u32::from(retrans > 0);
    line.sockets_lossy += u32::from(lost > 0);
    line.retrans += retrans;
    line.lost += lost;
    line.data_segs += grown(info.data_segs_out(), mark.data_segs_out).saturating_sub(retrans);
    line.dsack_dups += dsack_dups;
    line.reord_seen += u64::from((info.reord_seen().unwrap_or(0) as u16).wrapping_sub(mark.reord_seen_low));
}

fn mark_of(socket: &Socket) -> Mark {
    let mut mark = Mark {
        cookie: socket.cookie,
        rqueue: socket.rqueue,
        wqueue: socket.wqueue,
        state: socket.state,
        timer_retrans: socket.timer_retrans,
        ownerless: is_unaccepted(socket),
        drops_low: socket.skmem.map_or(0, |mem| mem.drops as u16),
        ..Mark::default()
    };
    if let Some(info) = &socket.info {
        mark.bytes_acked_low = info.bytes_acked().unwrap_or(0) as u32;
        mark.bytes_received_low = info.bytes_received().unwrap_or(0) as u32;
        mark.data_segs_out = info.data_segs_out().unwrap_or(0);
        mark.total_retrans = info.total_retrans().unwrap_or(0);
        mark.dsack_dups = info.dsack_dups().unwrap_or(0);
        mark.rtt_us = info.rtt().unwrap_or(0);
        mark.rttvar_us = info.rttvar().unwrap_or(0);
        mark.busy_ms = (info.busy_time().unwrap_or(0) / 1000) as u32;
        mark.rwnd_limited_ms = (info.rwnd_limited().unwrap_or(0) / 1000) as u32;
        mark.idle_ms = idle_ms(socket).unwrap_or(0);
        mark.reord_seen_low = info.reord_seen().unwrap_or(0) as u16;
        mark.with_data = carried_data(socket);
    }
    mark
}

pub(super) fn reason_to_keep(socket: &Socket, before: Option<&Mark>, window_ms: u32) -> Option<Reason> {
    Some(match socket.state {
        State::CloseWait if socket.inode != 0 => Reason::CloseWait,
        State::SynSent => Reason::Opening,
        State::SynRecv => Reason::HalfOpen,
        State::FinWait1 | State::LastAck | State::Closing => Reason::Closing,
        State::FinWait2 if !socket.is_stub() => Reason::Closing,
        State::Established | State::CloseWait if is_unaccepted(socket) => Reason::Unaccepted,
        State::Established if before.is_some_and(|mark| mark.state == State::SynSent) => Reason::Opening,
        State::Established if before.is_some_and(|mark| dropped(socket, mark)) => Reason::Dropping,
        State::Established if socket.timer_retrans > 0 || socket.timer == Timer::Persist => Reason::TimerFired,
        State::Established if before.is_some_and(|mark| queue_stuck(socket, mark)) => Reason::QueueStuck,
        State::Established if buffer_full(socket) => Reason::BufferFull,
        State::Established => return reason_by_growth(socket, before?, window_ms),
        _ => return None,
    })
}

fn reason_by_growth(socket: &Socket, mark: &Mark, window_ms: u32) -> Option<Reason> {
    let info = socket.info.as_ref()?;
    if info.total_retrans()? != mark.total_retrans || info.dsack_dups().unwrap_or(0) != mark.dsack_dups {
        return Some(Reason::Lossy);
    }
    let sent = info.data_segs_out()?.wrapping_sub(mark.data_segs_out);
    let held_ms = (info.rwnd_limited().unwrap_or(0) / 1000) as u32;
    let bulk = sent >= BULK_SEGMENTS || held_ms.wrapping_sub(mark.rwnd_limited_ms) >= HELD_MS;
    let busy_ms = info.busy_time().map(|busy_us| ((busy_us / 1000) as u32).wrapping_sub(mark.busy_ms));
    (bulk && busy_ms.is_none_or(|busy_ms| busy_ms >= window_ms / 2)).then_some(Reason::Bulk)
}

/// Bytes wait to be read and none arrived, or wait to be acknowledged and none was.
fn queue_stuck(socket: &Socket, mark: &Mark) -> bool {
    let Some(info) = &socket.info else { return false };
    let received = info.bytes_received().is_some_and(|bytes| bytes as u32 != mark.bytes_received_low);
    let acked = info.bytes_acked().is_some_and(|bytes| bytes as u32 != mark.bytes_acked_low);
    (socket.rqueue > 0 && !received) || (socket.wqueue > 0 && !acked)
}

/// Nine tenths of the receive buffer are in use, or segments were dropped for want of it.
fn buffer_full(socket: &Socket) -> bool {
    socket
        .skmem
        .is_some_and(|mem| mem.drops > 0 || (mem.rcvbuf_bytes > 0 && mem.rmem_alloc_bytes >= mem.rcvbuf_bytes / 10 * 9))
}

fn dropped(socket: &Socket, mark: &Mark) -> bool {
    socket.skmem.is_some_and(|mem| mem.drops as u16 != mark.drops_low)
}

/// In the accept queue of a listener: a connection without an inode that is not an orphan.
fn is_unaccepted(socket: &Socket) -> bool {
    socket.inode == 0 && matches!(socket.state, State::Established | State::CloseWait)
}

/// `bytes_acked` counts the SYN, and a handshake alone is no data.
fn carried_data(socket: &Socket) -> bool {
    let bytes = socket.info.as_ref().and_then(|info| Some(info.bytes_acked()?.saturating_add(info.bytes_received()?)));
    bytes.is_some_and(|bytes| bytes > 1)
}

/// Whether the segments that it sends are small: no measure of the way for full ones.
fn sends_small(info: &super::TcpInfo) -> bool {
    let sent = info.bytes_sent().zip(info.data_segs_out());
    sent.is_some_and(|(bytes, segments)| segments > 0 && bytes / u64::from(segments) < SMALL_BYTES)
}

fn acked(socket: &Socket, mark: &Mark) -> bool {
    let bytes = socket.info.as_ref().and_then(super::TcpInfo::bytes_acked);
    bytes.is_some_and(|bytes| bytes as u32 != mark.bytes_acked_low)
}

fn moved(socket: &Socket, mark: &Mark) -> bool {
    let Some(info) = &socket.info else { return false };
    acked(socket, mark) || info.bytes_received().is_some_and(|bytes| bytes as u32 != mark.bytes_received_low)
}

fn idle_ms(socket: &Socket) -> Option<u32> {
    let info = socket.info.as_ref()?;
    Some(info.last_data_sent()?.min(info.last_data_recv()?).min(info.last_ack_recv()?))
}

fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}

// `LeftOut` is filled field by field above; this keeps its meaning in one place.
impl LeftOut {
    /// Whether everything fitted.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
