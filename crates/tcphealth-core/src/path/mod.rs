//! Where on the way to a peer packets are lost or delayed: (now, reply) in, probe out, and at the end one segment or none.
//!
//! [`Tracer`] decides when which probe is sent and what every reply means; it never asks the time. What it met is a
//! [`Path`], plain data; [`judge`] finds the segment to blame in it.
//! Sources: RFC 792, RFC 1812 section 5.3.1 (TTL), Linux `net/ipv4/icmp.c` (`icmp_ratelimit`), ip(7) `IP_RECVERR`.

mod hop;
mod blame;
mod judge;
mod mtu;
mod sentences;
mod quote;
mod tracer;

pub use blame::{Change, Tally, change_point};
pub use hop::{Hop, Quantiles};
pub use judge::{Blame, Judgement, Kind, Outcome, judge, probes_to_see};
pub use mtu::{BlackHole, Mtu, MtuSearch};
pub use quote::Quote;
pub use sentences::span;
pub use tracer::Tracer;

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What a probe is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A SYN to the service's own port: what the service's connections meet.
    #[default]
    Tcp,
    /// A datagram to a port where nobody listens.
    Udp,
    /// An echo request.
    Icmp,
}

/// The shortest time between two probes with the same TTL: Linux answers one ICMP error a second to one address
/// (`net.ipv4.icmp_ratelimit` = 1000 ms, with a burst of six), so a faster probe measures the limit instead of the path.
pub const INTERVAL_US: u64 = 1_050_000;

/// How long a reply is waited for. Linux sends a SYN again after 1 s (RFC 6298 section 2.1): a socket that is left open
/// longer gets a second chance, and a loss would be told as a late reply.
pub const PATIENCE_US: u64 = 950_000;

/// The most flows that are walked side by side.
pub const FLOWS_MAX: u16 = 64;

/// What to probe, and how hard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The peer.
    pub target: IpAddr,
    /// The service's port; unused by ICMP.
    pub port: u16,
    /// This host's own address on the way there.
    pub source: IpAddr,
    /// What a probe is made of.
    pub protocol: Protocol,
    /// How many flows (source ports) are walked; routers that balance load send each its own way. 1 to [`FLOWS_MAX`].
    pub flows: u16,
    /// How often the path is walked.
    pub rounds: u32,
    /// The time between two probes with the same TTL; [`INTERVAL_US`] unless the user asks for less.
    pub interval_us: u64,
    /// The highest TTL that is tried.
    pub max_ttl: u8,
    /// No round begins later than this after the first.
    pub duration_us: Option<u64>,
}

/// One probe on its way: a socket of one flow with one TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Names the probe; never used twice in a run.
    pub id: u32,
    /// The flow, from 0: all probes of a flow have the same addresses and ports.
    pub flow: u16,
    /// The time to live it leaves with, from 1.
    pub ttl: u8,
    /// How many bytes the packet shall have, headers included; 0 for as few as it needs.
    pub size: u16,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this probe.
    Send(Probe),
    /// The probe is lost: close its socket. If that has heard something after all, say so by [`Walker::heard`].
    Forget(Probe),
    /// Nothing before this time, unless a reply comes.
    Wait(u64),
    /// Every probe has had its time.
    Done,
}

/// A state machine that asks for probes and takes replies.
pub trait Walker {
    /// What to do now, on any clock that never goes backwards; call again until it says to wait.
    fn step(&mut self, now_us: u64) -> Step;
    /// Takes a reply. One that fits no probe on its way is ignored.
    fn reply(&mut self, reply: Reply);
    /// A forgotten probe had reached the target after all: its socket heard something that is no answer to it, such as
    /// the challenge of RFC 5961 section 4 for a connection of the round before.
    fn heard(&mut self, probe: Probe);
}

/// What came back for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The probe that the reply quotes.
    pub id: u32,
    /// Who replied; `None` when the kernel tells that, but not who (Linux before 5.8 for TCP).
    pub from: Option<IpAddr>,
    /// What it says.
    pub answer: Answer,
    /// From sending to receiving; `None` when the reply proves arrival only.
    pub rtt_us: Option<u32>,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A router threw the probe away because its time to live was over: ICMP type 11, ICMPv6 type 3.
    TimeExceeded,
    /// The target itself replied: a SYN-ACK, a reset, an echo reply, port unreachable.
    Arrived,
    /// Somebody on the way refuses to forward it: the code of ICMP type 3, of ICMPv6 type 1.
    Unreachable(u8),
    /// Somebody on the way cannot forward so many bytes, and how many it can: ICMP type 3 code 4, ICMPv6 type 2.
    TooBig(u16),
}

/// A refusal by somebody on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Who refuses.
    pub by: IpAddr,
    /// The TTL at which it was met.
    pub ttl: u8,
    /// The ICMP code.
    pub code: u8,
}

/// What one flow met on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// One entry for each TTL from 1.
    pub hops: Vec<Hop>,
    /// The TTL at which the target replies; `None` while it has not.
    pub end: Option<u8>,
}

/// What all probes to one peer met: plain data, as it is saved and judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// What was asked.
    pub plan: Plan,
    /// How many rounds have begun.
    pub rounds: u32,
    /// Every flow for itself.
    pub flows: Vec<Flow>,
    /// Who refuses to forward the probes.
    pub refusal: Option<Refusal>,
    /// How often the route changed while it was probed; what was counted before a change is left out.
    pub route_changes: u32,
    /// Replies that fit no probe: late, twice, or forged.
    pub strays: u32,
}

impl Path {
    /// The TTL of the target, or of the last hop that ever replied when the target does not.
    pub fn length(&self) -> usize {
        let flow = |flow: &Flow| flow.end.map_or(flow.deepest(), usize::from);
        self.flows.iter().map(flow).max().unwrap_or(0)
    }

    /// Whether the target ever replied.
    pub fn reached(&self) -> bool {
        self.flows.iter().any(|flow| flow.end.is_some())
    }

    /// All flows together, one entry for each TTL up to the target.
    pub fn hops(&self) -> Vec<Hop> {
        let all: Vec<&Flow> = self.flows.iter().collect();
        pooled(&all, self.length())
    }

    /// The flows grouped by the way they take; flows that met no two different addresses at one TTL share a way.
    pub fn branches(&self) -> Vec<Flow> {
        let mut groups: Vec<Vec<&Flow>> = Vec::new();
        for flow in self.flows.iter().filter(|flow| flow.deepest() > 0) {
            match groups.iter_mut().find(|group| group.iter().all(|other| flow.same_way(other))) {
                Some(group) => group.push(flow),
                None => groups.push(vec![flow]),
            }
        }
        let length = |group: &[&Flow]| group.iter().map(|flow| flow.end.map_or(flow.deepest(), usize::from)).max();
        groups
            .iter()
            .map(|group| Flow {
                hops: pooled(group, length(group).unwrap_or(0)),
                end: group.iter().find_map(|flow| flow.end),
            })
            .collect()
    }
}

impl Flow {
    /// The highest TTL at which somebody replied; 0 when nobody did.
    pub fn deepest(&self) -> usize {
        self.hops.iter().rposition(|hop| hop.answered() > 0).map_or(0, |at| at + 1)
    }

    fn same_way(&self, other: &Flow) -> bool {
        let ends = self.end.is_none() || other.end.is_none() || self.end == other.end;
        ends && self.hops.iter().zip(&other.hops).all(|(a, b)| match (a.address(), b.address()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        })
    }
}

fn pooled(flows: &[&Flow], length: usize) -> Vec<Hop> {
    (0..length)
        .map(|at| {
            let mut sum = Hop { ttl: at as u8 + 1, ..Hop::default() };
            flows.iter().filter_map(|flow| flow.hops.get(at)).for_each(|hop| sum.add(hop));
            sum
        })
        .collect()
}
