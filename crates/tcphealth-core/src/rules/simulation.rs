//! Hosts made by chance from a seed, thousands of them: a healthy one may never alarm, a lossy one may never pass for healthy.
//!
//! Their sockets pass through the real fold. Each segment is lost for itself: the number of losses is binomial.

use std::collections::BTreeMap;

use super::testing::{Example, Scene};
use super::{History, Limits, judge};
use crate::report::{Check, Finding, Outcome, Severity};
use crate::snapshot::{
    Absent, Answer, Fact, Heard, Interface, Neighbour, NeighbourState, Owner, Process, Qdisc, Question, SkMem, Socket,
    State,
};

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Above 0, and 1 at most.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` to `high`, both among them.
    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// From `low` to `high`, each order of magnitude as likely as another.
    fn volume(&mut self, low: f64, high: f64) -> u64 {
        (low * (high / low).powf(self.unit())) as u64
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    /// How many of so many independent trials happen: the gaps between those that do are geometric.
    fn events(&mut self, trials: u64, ratio: f64) -> u64 {
        let (mut events, mut at) = (0, 0.0);
        if ratio <= 0.0 {
            return 0;
        }
        loop {
            at += (self.unit().ln() / (1.0 - ratio).ln()).floor() + 1.0;
            if at > trials as f64 {
                return events;
            }
            events += 1;
        }
    }
}

/// How far a peer is: its addresses, gateway, round trip and limit (diagnosis by route and smallest round trip).
#[derive(Clone, Copy, PartialEq)]
enum Far {
    Loopback,
    Local,
    Site,
    Remote,
}

impl Far {
    const ALL: [Self; 4] = [Self::Loopback, Self::Local, Self::Site, Self::Remote];

    fn address(self, number: u64) -> String {
        match self {
            Self::Loopback => format!("127.0.0.{}", 1 + number % 9),
            Self::Local => format!("192.0.2.{}", 2 + number % 200),
            Self::Site => format!("10.{}.0.{}", number % 20, 1 + number % 99),
            Self::Remote if number.is_multiple_of(5) => format!("2001:db8:{:x}::1", 1 + number % 500),
            Self::Remote => format!("203.0.113.{}", 1 + number % 250),
        }
    }

    fn source(self, remote: &str) -> &'static str {
        match self {
            Self::Loopback => "127.0.0.1",
            _ if remote.contains(':') => "[2001:db8::2]",
            _ => "192.0.2.1",
        }
    }

    fn rtt_us(self, chance: &mut Chance) -> u64 {
        match self {
            Self::Loopback => chance.within(15, 60),
            Self::Local => chance.within(80, 1_500),
            Self::Site => chance.within(300, 1_900),
            Self::Remote => chance.within(6_000, 180_000),
        }
    }

    /// The usual ratio of loss: 0.01 %, 0.1 %, 0.5 %; lo loses nothing.
    fn limit(self) -> f64 {
        match self {
            Self::Loopback => 0.0,
            Self::Local => 0.0001,
            Self::Site => 0.001,
            Self::Remote => 0.005,
        }
    }
}

/// What a connection did in the window.
#[derive(Clone, Copy, Default)]
struct Traffic {
    segments: u64,
    lost: u64,
    /// Probes of the tail that the peer then had twice.
    probes: u64,
    reordered: u64,
    rtt_us: u64,
}

/// A host in the making: what grew, by the kernel's names, beside its sockets.
struct World {
    chance: Chance,
    /// Always some: each step takes it and puts it back.
    scene: Option<Scene>,
    grown: BTreeMap<&'static str, u64>,
    seconds: u64,
    ports: u16,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let seconds = chance.within(5, 30);
        let eth0 = Interface {
            name: "eth0".into(),
            ifindex: 2,
            link_type: 1,
            mtu_bytes: 1500,
            operstate: "up".into(),
            speed_mbit_per_second: Some(10_000),
            duplex: Some("full".into()),
            ..Interface::default()
        };
        let listener = Socket::listener("0.0.0.0:443", 0, 511).inode(40);
        let scene = Scene::new().lasting(seconds).interface(eth0).still(&listener);
        Self { chance, scene: Some(scene), grown: BTreeMap::new(), seconds, ports: 0 }
    }

    fn grow(&mut self, name: &'static str, by: u64) {
        *self.grown.entry(name).or_default() += by;
    }

    fn put(&mut self, put: impl FnOnce(Scene) -> Scene) {
        self.scene = self.scene.take().map(put);
    }

    fn route(&mut self, far: Far, address: &str) {
        let gateway = match (far, address.contains(':')) {
            (Far::Site | Far::Remote, true) => Some("2001:db8::fe"),
            (Far::Site | Far::Remote, false) => Some("192.0.2.254"),
            _ => None,
        };
        self.put(|scene| scene.route(address, gateway, if far == Far::Loopback { "lo" } else { "eth0" }));
    }

    /// Both ends of a connection: to a service there, or from there to the service here.
    fn ends(&mut self, far: Far, address: &str) -> (String, String) {
        self.ports += 1;
        let source = far.source(address);
        let remote = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let own = 32_768 + self.ports;
        if self.chance.once_in(2) && !address.contains(':') {
            (format!("{source}:443"), format!("{remote}:{own}"))
        } else {
            (format!("{source}:{own}"), format!("{remote}:{}", 5_000 + self.ports % 3))
        }
    }

    /// A connection that both looks see, and what the counters say of it.
    fn connection(&mut self, far: Far, address: &str, traffic: Traffic) {
        let (local, remote) = self.ends(far, address);
        let old = self.chance.within(1, 5_000);
        let inode = 100 + u32::from(self.ports);
        let busy = self.seconds * self.chance.within(0, 900_000);
        let socket = |sent: u64, again: u64, dsack: u64, reordered: u64, busy: u64, idle: u64| {
            let mem = SkMem { rcvbuf_bytes: 131_072, sndbuf_bytes: 87_040, ..SkMem::default() };
            Socket::tcp(State::Established, &local, &remote).inode(inode).skmem(mem).info(&[
                ("bytes_acked", 1 + sent * 1_200),
                ("bytes_sent", (sent + again) * 1_200),
                ("bytes_received", 1 + sent * 300),
                ("data_segs_out", sent + again),
                ("total_retrans", again),
                ("dsack_dups", dsack),
                ("reord_seen", reordered),
                ("rtt", traffic.rtt_us * 11 / 10),
                ("rttvar", traffic.rtt_us / 8),
                ("min_rtt", traffic.rtt_us),
                ("snd_cwnd", 10),
                ("snd_ssthresh", 0x7fff_ffff),
                ("snd_mss", 1_448),
                ("pmtu", 1_500),
                ("busy_time", busy),
                ("last_data_sent", idle),
                ("last_data_recv", idle),
                ("last_ack_recv", idle),
            ])
        };
        let Traffic { segments, lost, probes, reordered, .. } = traffic;
        let idle = if segments == 0 { self.seconds * 1_000 + self.chance.within(0, 60_000) } else { 20 };
        let earlier = idle.saturating_sub(self.seconds * 1_000);
        let before = socket(old, 0, 0, 0, 1_000, earlier);
        let after = socket(old + segments, lost + probes, probes, reordered, 1_000 + busy, idle);
        self.put(|scene| scene.kept(before, after));
        self.count(traffic);
    }

    /// Nineteen losses of twenty are sent again fast, one by the timer.
    fn count(&mut self, Traffic { segments, lost, probes, reordered, .. }: Traffic) {
        let timeouts = (0..lost).filter(|_| self.chance.once_in(20)).count() as u64;
        let fast = lost - timeouts;
        for (name, by) in [
            ("Tcp.OutSegs", segments + segments / 3),
            ("Tcp.InSegs", segments),
            ("Tcp.RetransSegs", lost + probes),
            ("TcpExt.TCPOrigDataSent", segments),
            ("TcpExt.TCPFastRetrans", fast),
            ("TcpExt.TCPSackRecovery", fast),
            ("TcpExt.TCPTimeouts", timeouts),
            ("TcpExt.TCPLossProbes", probes),
            ("TcpExt.TCPDSACKRecv", probes),
            ("TcpExt.TCPDSACKRecvSegs", probes),
            ("TcpExt.TCPSACKReorder", reordered),
            ("dev.eth0.tx_packets", segments),
            ("dev.eth0.rx_packets", segments / 2),
            ("dev.eth0.tx_bytes", segments * 1_266),
            ("dev.eth0.rx_bytes", segments * 150),
            ("Ip.InReceives", segments / 2),
            ("Ip.InDelivers", segments / 2),
        ] {
            self.grow(name, by);
        }
    }

    fn finish(self) -> Example {
        self.grown.iter().fold(self.scene.unwrap(), |scene, (name, by)| scene.grew(name, *by)).build()
    }
}

/// A host on which nothing is wrong.
fn healthy(seed: u64) -> Example {
    let mut world = World::new(seed);
    for number in 0..world.chance.within(0, 7) {
        let far = Far::ALL[world.chance.within(0, 3) as usize];
        let address = far.address(world.chance.next() % 10_000 + number);
        world.route(far, &address);
        peer(&mut world, far, &address);
    }
    churn(&mut world);
    health_checks(&mut world);
    world.finish()
}

/// Connections to one peer, idle or busy, on a line that loses nothing, or up to what is usual.
fn peer(world: &mut World, far: Far, address: &str) {
    let chance = &mut world.chance;
    let ratio = if chance.once_in(2) { 0.0 } else { far.limit() * chance.unit() };
    let noise = if far == Far::Loopback { 0.0 } else { 0.0002 * chance.unit() };
    let (rtt_us, idle) = (far.rtt_us(chance), chance.once_in(4));
    for _ in 0..chance.within(1, 5) {
        let chance = &mut world.chance;
        let segments = if idle { 0 } else { chance.volume(1.0, 60_000.0) };
        let traffic = Traffic {
            segments,
            lost: chance.events(segments, ratio),
            probes: chance.events(segments, noise),
            reordered: chance.events(segments, noise / 20.0),
            rtt_us,
        };
        world.connection(far, address, traffic);
    }
}

/// Short connections: of ours to a service, and of clients to ours, which closes first and keeps their TIME_WAIT.
fn churn(world: &mut World) {
    let (ours, theirs) = (world.chance.within(0, 15), world.chance.volume(1.0, 100.0));
    for number in 0..ours {
        let age = world.chance.within(0, 59) as u32;
        let gone = Socket::time_wait(&format!("192.0.2.1:{}", 45_000 + number), "10.3.0.7:6379", age);
        world.put(|scene| scene.born(gone));
    }
    for number in 0..theirs {
        let age = world.chance.within(0, 59) as u32;
        let client = format!("203.0.113.{}:{}", number % 250, 20_000 + number);
        let gone = Socket::time_wait("192.0.2.1:443", &client, age);
        world.put(|scene| scene.born(gone));
    }
    world.grow("Tcp.ActiveOpens", ours * world.seconds / 60);
    world.grow("Tcp.PassiveOpens", theirs * world.seconds / 60);
}

/// A balancer connects and resets, half of the time before the handshake is over; a scanner meets closed ports.
fn health_checks(world: &mut World) {
    let (resets, half_open, scans) =
        (world.chance.within(0, 40), world.chance.within(0, 40), world.chance.within(0, 20));
    for (name, by) in [
        ("Tcp.PassiveOpens", resets + half_open),
        ("Tcp.EstabResets", resets),
        ("Tcp.AttemptFails", half_open),
        ("TcpExt.EmbryonicRsts", half_open),
        ("Tcp.OutRsts", scans),
    ] {
        world.grow(name, by);
    }
}

/// As the program does: judge, answer what is asked, judge again.
fn judged(example: &mut Example, privileged: bool) -> (Vec<Finding>, Vec<Check>) {
    let limits = Limits::default();
    for _ in 0..3 {
        let asked = judge(&example.window(), &History::default(), &limits).asked();
        let open: Vec<Question> = asked.into_iter().filter(|asked| !example.answers.contains_key(asked)).collect();
        if open.is_empty() {
            break;
        }
        example.answers.extend(open.into_iter().map(|asked| {
            let answer = answer(&asked, privileged);
            (asked, answer)
        }));
    }
    let (_, findings, checks) = judge(&example.window(), &History::default(), &limits).combine();
    (findings, checks)
}

/// What a host on which nothing is wrong answers.
fn answer(question: &Question, privileged: bool) -> Answer {
    let (comm, refused) = ("app".to_owned(), Err(Absent::NotPermitted("CAP_NET_RAW".into())));
    Ok(match question {
        Question::Owner { inode, .. } => Fact::Owner(Some(Owner { pid: 1_000 + inode % 5, comm, others: 0 })),
        Question::Process { pid } => Fact::Process(Process {
            pid: *pid,
            comm,
            state: 'S',
            fds: Some(80),
            fd_limit: Some(1_024),
            waits: vec![("ep_poll".into(), 4)],
            cgroup: None,
        }),
        Question::Route { .. } => Fact::Route(None),
        Question::Neighbour { .. } => {
            Fact::Neighbour(Neighbour { state: NeighbourState::Answers, ifindex: 2, interface: "eth0".into() })
        }
        Question::Qdisc { .. } => Fact::Qdisc(vec![Qdisc { kind: "fq_codel".into(), root: true, ..Qdisc::default() }]),
        Question::Cgroup { .. } => Fact::Cgroup { path: "/system.slice/app.service".into(), values: BTreeMap::new() },
        Question::Ghosts { .. } => Fact::Ghosts(Vec::new()),
        Question::Path { .. } => return Err(Absent::NotAsked),
        Question::Watch(_) if privileged => Fact::Heard(Heard::default()),
        Question::Watch(_) => return refused,
    })
}

#[test]
fn ten_thousand_healthy_hosts_give_no_finding_above_info() {
    let (mut told, mut decided) = (0, 0);
    for seed in 0..10_000 {
        let (findings, checks) = judged(&mut healthy(seed), seed % 2 == 0);
        let alarm = findings.iter().find(|finding| finding.severity > Severity::Info);
        assert!(alarm.is_none(), "host {seed}: {} {}", alarm.unwrap().id(), alarm.unwrap().summary.en);
        told += findings.len();
        let lines = ["retransmit-local", "retransmit-remote"];
        let healthy = |check: &&Check| lines.contains(&check.rule.as_str()) && check.outcome == Outcome::Healthy;
        decided += checks.iter().filter(healthy).count();
    }
    // The hosts are no empty ones: on thousands of them a line is proven healthy, and much is worth a line.
    assert!(decided > 4_000 && told > 1_000, "{decided} {told}");
}

/// A line that loses each of so many segments with this chance.
fn lossy(seed: u64, far: Far, segments: u64, ratio: f64) -> Example {
    let mut world = World::new(seed);
    let address = far.address(1);
    world.route(far, &address);
    let rtt_us = far.rtt_us(&mut world.chance);
    for _ in 0..4 {
        let lost = world.chance.events(segments / 4, ratio);
        world.connection(far, &address, Traffic { segments: segments / 4, lost, rtt_us, ..Traffic::default() });
    }
    world.finish()
}

/// How bad the line's own rule calls it; `None` when it finds nothing.
fn called(rule: &str, example: &mut Example) -> Option<Severity> {
    let (findings, checks) = judged(example, false);
    let outcome = checks.iter().find(|check| check.rule == rule).map(|check| check.outcome);
    assert_ne!(outcome, Some(Outcome::Healthy), "{rule} is healthy on a line above its limit");
    findings.iter().find(|finding| finding.rule == rule).map(|finding| finding.severity)
}

/// The levels of the catalogue: locally a warning from 0.1 % and critical from 1 %, far away from 1 % and 3 %.
#[test]
fn a_thousand_lossy_lines_are_found() {
    use Severity::{Critical, Info, Warning};
    let lines = [
        ("retransmit-local", Far::Local, 300_000, 3.0, Info..=Info),
        ("retransmit-local", Far::Local, 300_000, 30.0, Warning..=Warning),
        ("retransmit-local", Far::Local, 10_000, 300.0, Critical..=Critical),
        ("retransmit-remote", Far::Remote, 10_000, 3.0, Info..=Warning),
        ("retransmit-remote", Far::Remote, 10_000, 30.0, Critical..=Critical),
    ];
    for (rule, far, segments, times, levels) in lines {
        let hosts = (0..1_000).map(|seed| lossy(seed, far, segments, far.limit() * times));
        let right = hosts.filter_map(|mut host| called(rule, &mut host)).filter(|found| levels.contains(found)).count();
        assert!(right >= 990, "{rule} at {times} × its limit: {right} times {levels:?}");
    }
}

/// The upper 95 % bound of a Poisson count of 0, 1, 2 (Garwood 1936) over the limit: so many segments would prove it.
#[test]
fn too_few_segments_are_undecided_with_the_number_that_is_missing() {
    let lines = [
        ("retransmit-local", Far::Local, 800, [29_958, 47_439, 62_958]),
        ("retransmit-remote", Far::Remote, 80, [600, 949, 1_260]),
    ];
    for (rule, far, segments, proof) in lines {
        let mut undecided = 0;
        for seed in 0..1_000 {
            let mut host = lossy(seed, far, segments, far.limit() * 3.0);
            let lost: u64 = host.second.census.as_ref().unwrap().peers.iter().map(|peer| peer.line.lost).sum();
            if called(rule, &mut host).is_some() {
                assert!(lost >= 3, "{lost} losses are noise");
                continue;
            }
            let (_, checks) = judged(&mut host, false);
            let check = checks.iter().find(|check| check.rule == rule).unwrap();
            let missing = proof.get(lost as usize).map(|proof| format!("{} more segments", proof - segments));
            let needs = &check.needs.as_ref().unwrap().en;
            assert!(missing.is_none_or(|missing| needs.starts_with(&missing)), "{lost} of {segments}: {needs}");
            undecided += 1;
        }
        assert!(undecided > 800, "{rule}: {undecided}");
    }
}
