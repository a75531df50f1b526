//! A network that exists only on a virtual clock: hops that delay, lose, limit, mislead and move, from one seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use tcphealth_core::path::{Answer, Path, Plan, Probe, Protocol, Reply, Step, Tracer, Walker};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, and without, 1.
    pub fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn hits(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.share() < probability
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// One hop and the segment that leads to it.
#[derive(Clone, Debug, Default)]
pub struct Router {
    /// One way over the segment before it, in microseconds.
    pub delay_us: u64,
    /// At most this much more, at random: packets overtake each other.
    pub jitter_us: u64,
    /// Packets lost on the segment before it, on the way there.
    pub loss_forward: f64,
    /// …and on the way back.
    pub loss_back: f64,
    /// A queue on the segment before it: how often a packet waits, and how long.
    pub queue: (f64, u64),
    /// Never replies.
    pub silent: bool,
    /// It replies once in so many microseconds, six times at once after a rest; 0: always. Linux has 1 000 000
    /// (`icmp_ratelimit`, `XRLIM_BURST_FACTOR` in net/ipv4/route.c).
    pub reply_every_us: u64,
    /// How many routers share this place; each flow always meets the same of them.
    pub branches: u16,
    /// The loss is that of this branch alone.
    pub lossy_branch: Option<u16>,
}

/// The time that each router has saved up for replies.
#[derive(Default)]
struct Buckets(HashMap<u8, (u64, u64)>);

impl Buckets {
    fn allow(&mut self, ttl: u8, every_us: u64, now_us: u64) -> bool {
        let (saved, last_us) = self.0.entry(ttl).or_insert((6 * every_us, now_us));
        *saved = (*saved + now_us - *last_us).min(6 * every_us);
        *last_us = now_us;
        let allowed = *saved >= every_us;
        *saved -= if allowed { every_us } else { 0 };
        allowed
    }
}

/// A way to a target; the last router is the target.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub routers: Vec<Router>,
    /// The way that is taken from this time on.
    pub later: Option<(u64, Vec<Router>)>,
    /// Replies that come twice.
    pub duplicates: f64,
    /// Replies that quote a probe that was never sent, or another one.
    pub wrong_quotes: f64,
}

pub const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));

impl Network {
    fn way(&self, now_us: u64) -> (&[Router], u8) {
        match &self.later {
            Some((from_us, routers)) if now_us >= *from_us => (routers, 100),
            _ => (&self.routers, 0),
        }
    }

    /// The address of a hop (from 1) for one flow, on the way that is taken at this time.
    pub fn address(&self, ttl: usize, flow: u16, now_us: u64) -> IpAddr {
        let (way, era) = self.way(now_us);
        if ttl >= way.len() {
            return TARGET;
        }
        let branch = flow % way[ttl - 1].branches.max(1);
        IpAddr::V4(Ipv4Addr::new(198, 18, ttl as u8 + era, branch as u8 + 1))
    }

    /// What comes back for a probe, and when.
    fn replies(&self, now_us: u64, probe: Probe, dice: &mut Dice, buckets: &mut Buckets) -> Vec<(u64, Reply)> {
        let (way, _) = self.way(now_us);
        let reach = usize::from(probe.ttl).min(way.len());
        let arrived = reach == way.len();
        let mut rtt_us = 0;
        for router in &way[..reach] {
            let spared = router.lossy_branch.is_some_and(|branch| branch != probe.flow % router.branches.max(1));
            if !spared && (dice.hits(router.loss_forward) || dice.hits(router.loss_back)) {
                return Vec::new();
            }
            rtt_us += 2 * router.delay_us + dice.below(router.jitter_us + 1);
            rtt_us += if dice.hits(router.queue.0) { router.queue.1 } else { 0 };
        }
        let last = &way[reach - 1];
        if last.silent || (!arrived && !buckets.allow(probe.ttl, last.reply_every_us, now_us)) {
            return Vec::new();
        }
        let reply = Reply {
            id: probe.id,
            from: Some(self.address(reach, probe.flow, now_us)),
            answer: if arrived { Answer::Arrived } else { Answer::TimeExceeded },
            rtt_us: Some(rtt_us as u32),
        };
        let mut replies = vec![(now_us + rtt_us, reply)];
        if dice.hits(self.duplicates) {
            replies.push((now_us + rtt_us + 100, reply));
        }
        if dice.hits(self.wrong_quotes) {
            let id = if dice.hits(0.5) { probe.id.wrapping_sub(1) } else { dice.roll() as u32 };
            replies.push((now_us + dice.below(rtt_us + 1), Reply { id, ..reply }));
        }
        replies
    }
}

pub fn plan(flows: u16, rounds: u32) -> Plan {
    Plan {
        target: TARGET,
        port: 443,
        source: SOURCE,
        protocol: Protocol::Tcp,
        flows,
        rounds,
        interval_us: tcphealth_core::path::INTERVAL_US,
        max_ttl: 30,
        duration_us: None,
    }
}

/// What was sent, for the limits that hold whatever comes back.
pub struct Run {
    pub path: Path,
    pub sent: Vec<(u64, Probe)>,
    pub ended_us: u64,
}

/// Walks a network from its first probe to its last.
pub fn walk(network: &Network, plan: Plan, seed: u64) -> Run {
    let (mut dice, mut buckets) = (Dice(seed), Buckets::default());
    let mut tracer = Tracer::new(plan, 0);
    let mut on_their_way = BinaryHeap::new();
    let mut replies: Vec<Reply> = Vec::new();
    let (mut now_us, mut sent) = (0, Vec::new());
    loop {
        match tracer.step(now_us) {
            Step::Send(probe) => {
                sent.push((now_us, probe));
                for (at_us, reply) in network.replies(now_us, probe, &mut dice, &mut buckets) {
                    on_their_way.push(Reverse((at_us, replies.len())));
                    replies.push(reply);
                }
            }
            Step::Forget(_) => {}
            Step::Wait(until_us) => match on_their_way.peek() {
                Some(Reverse((at_us, index))) if *at_us <= until_us => {
                    now_us = now_us.max(*at_us);
                    tracer.reply(replies[*index]);
                    on_their_way.pop();
                }
                _ => now_us = until_us,
            },
            Step::Done => return Run { path: tracer.path(), sent, ended_us: now_us },
        }
    }
}
