//! (now, reply) in, probe out: walks every flow from TTL 1 to the target, round after round.
//!
//! A flow is one source port, and the kernel allows one socket for two addresses and two ports: so the probes of a flow
//! leave one after the other, and what a balancing router does to one it does to all. Whatever comes back, no TTL gets
//! more than one probe in an interval, nor more than one in a round of each flow.

use super::{Answer, Flow, Hop, PATIENCE_US, Path, Plan, Probe, Refusal, Reply, Step, Walker};

/// How many silent hops in a row end the search for a target that does not reply.
const GAP: u8 = 5;

/// A hop that has not replied to this many probes is silent.
const SILENT_AFTER: u32 = 6;

/// A silent hop is still asked in every so-many-th round.
const SILENT_EVERY: u32 = 8;

/// A new address must reply this often in a row to be a new route rather than a balanced one.
const ROUTE_STREAK: u32 = 3;

/// The prober's state machine.
#[derive(Debug)]
pub struct Tracer {
    plan: Plan,
    walks: Vec<Walk>,
    /// When the last probe with each TTL left, by TTL.
    left_us: Vec<Option<u64>>,
    begun_us: u64,
    next_round_us: u64,
    rounds: u32,
    probes: u32,
    refusal: Option<Refusal>,
    route_changes: u32,
    strays: u32,
}

/// One flow on its way.
#[derive(Debug, Default)]
struct Walk {
    flow: Flow,
    round: u32,
    /// The TTL that is next; `None` between two rounds.
    next: Option<u8>,
    /// The probe on its way, and when it left.
    waiting: Option<(Probe, u64)>,
    /// How often the newest address of each TTL replied in a row.
    streaks: Vec<u32>,
}

impl Tracer {
    /// Begins at `now_us`, on any clock that never goes backwards.
    pub fn new(plan: Plan, now_us: u64) -> Self {
        let flows = usize::from(plan.flows.clamp(1, super::FLOWS_MAX));
        Self {
            walks: (0..flows).map(|_| Walk::default()).collect(),
            left_us: vec![None; usize::from(plan.max_ttl) + 1],
            begun_us: now_us,
            next_round_us: now_us,
            rounds: 0,
            probes: 0,
            refusal: None,
            route_changes: 0,
            strays: 0,
            plan,
        }
    }

    /// What has been met so far.
    pub fn path(&self) -> Path {
        Path {
            plan: self.plan.clone(),
            rounds: self.rounds,
            flows: self.walks.iter().map(|walk| walk.flow.clone()).collect(),
            refusal: self.refusal,
            route_changes: self.route_changes,
            strays: self.strays,
        }
    }

    /// A probe whose time is over counts as lost.
    fn overdue(&mut self, now_us: u64) -> Option<Probe> {
        let late = |walk: &&mut Walk| walk.waiting.is_some_and(|(_, left)| now_us >= left + PATIENCE_US);
        let walk = self.walks.iter_mut().find(late)?;
        let (probe, _) = walk.waiting.take()?;
        walk.lose(probe.ttl);
        walk.advance(probe.ttl, self.plan.max_ttl, false);
        Some(probe)
    }

    /// The flows take turns, one round each.
    fn begin_round(&mut self, now_us: u64) {
        if now_us < self.next_round_us || !self.more_rounds() {
            return;
        }
        let (round, max_ttl) = (self.rounds, self.plan.max_ttl);
        let Some(walk) = self.next_walk() else { return };
        if walk.next.is_none() {
            walk.round = round;
            walk.advance(0, max_ttl, false);
            self.rounds += 1;
            self.next_round_us = now_us + self.plan.interval_us;
        }
    }

    fn next_walk(&mut self) -> Option<&mut Walk> {
        let turn = self.rounds as usize % self.walks.len();
        self.walks.get_mut(turn)
    }

    fn more_rounds(&self) -> bool {
        let end = self.plan.duration_us.map_or(u64::MAX, |duration| self.begun_us + duration);
        self.rounds < self.plan.rounds && self.next_round_us <= end
    }

    fn due(&mut self, now_us: u64) -> Option<Probe> {
        let (left_us, interval_us) = (&self.left_us, self.plan.interval_us);
        let ready = |walk: &Walk| walk.ready_us(left_us, interval_us).is_some_and(|ready| ready <= now_us);
        let flow = self.walks.iter().position(ready)?;
        let walk = self.walks.get_mut(flow)?;
        let ttl = walk.next?;
        let probe = Probe { id: self.probes, flow: flow as u16, ttl, size: 0 };
        walk.waiting = Some((probe, now_us));
        *self.left_us.get_mut(usize::from(ttl))? = Some(now_us);
        self.probes += 1;
        Some(probe)
    }

    fn next_event(&mut self) -> Option<u64> {
        let round = (self.more_rounds() && self.next_walk()?.next.is_none()).then_some(self.next_round_us);
        let event = |walk: &Walk| match walk.waiting {
            Some((_, left)) => Some(left + PATIENCE_US),
            None => walk.ready_us(&self.left_us, self.plan.interval_us),
        };
        self.walks.iter().filter_map(event).chain(round).min()
    }
}

impl Walker for Tracer {
    fn step(&mut self, now_us: u64) -> Step {
        if let Some(probe) = self.overdue(now_us) {
            return Step::Forget(probe);
        }
        self.begin_round(now_us);
        if let Some(probe) = self.due(now_us) {
            return Step::Send(probe);
        }
        self.next_event().map_or(Step::Done, Step::Wait)
    }

    fn reply(&mut self, reply: Reply) {
        let fits = |walk: &&mut Walk| walk.waiting.is_some_and(|(probe, _)| probe.id == reply.id);
        let Some(walk) = self.walks.iter_mut().find(fits) else {
            self.strays = self.strays.saturating_add(1);
            return;
        };
        let Some((probe, _)) = walk.waiting.take() else { return };
        if let (Answer::Unreachable(code), Some(by)) = (reply.answer, reply.from) {
            self.refusal = Some(Refusal { by, ttl: probe.ttl, code });
        }
        let refused = matches!(reply.answer, Answer::Unreachable(_) | Answer::TooBig(_));
        if refused && reply.from == Some(self.plan.source) {
            // This host itself gave up, for want of a neighbour: nobody on the way has replied.
            walk.lose(probe.ttl);
        } else {
            self.route_changes += u32::from(walk.count(probe.ttl, &reply));
        }
        walk.advance(probe.ttl, self.plan.max_ttl, refused);
    }

    fn heard(&mut self, probe: Probe) {
        if let Some(walk) = self.walks.get_mut(usize::from(probe.flow))
            && let Some(hop) = walk.flow.hops.get_mut(usize::from(probe.ttl) - 1)
        {
            hop.lost = hop.lost.saturating_sub(1);
        }
    }
}

impl Walk {
    /// When the next probe may leave; `None` when there is none, or one is on its way.
    fn ready_us(&self, left_us: &[Option<u64>], interval_us: u64) -> Option<u64> {
        let ttl = self.next.filter(|_| self.waiting.is_none())?;
        let left = left_us.get(usize::from(ttl)).copied().flatten();
        Some(left.map_or(0, |left| left + interval_us))
    }

    fn hop(&mut self, ttl: u8) -> &mut Hop {
        let hops = &mut self.flow.hops;
        while hops.len() < usize::from(ttl.max(1)) {
            hops.push(Hop { ttl: hops.len() as u8 + 1, ..Hop::default() });
        }
        hops.get_mut(usize::from(ttl.max(1)) - 1).expect("pushed above")
    }

    /// Goes to the next TTL that is worth a probe, or ends the round.
    fn advance(&mut self, ttl: u8, max_ttl: u8, refused: bool) {
        let gap = (self.flow.deepest() as u8).saturating_add(GAP);
        let last = self.flow.end.unwrap_or(gap).min(max_ttl);
        let worth = |ttl: &u8| self.round.is_multiple_of(SILENT_EVERY) || !self.known_silent(*ttl);
        self.next = if refused { None } else { (ttl.saturating_add(1)..=last).find(worth) };
    }

    fn known_silent(&self, ttl: u8) -> bool {
        self.flow.hops.get(usize::from(ttl) - 1).is_some_and(|hop| hop.silent() && hop.sent >= SILENT_AFTER)
    }

    /// Counts a reply, anew if the route has changed with it; whether it has.
    fn count(&mut self, ttl: u8, reply: &Reply) -> bool {
        let changed = self.route_changed(ttl, reply);
        if changed {
            self.flow.hops.iter_mut().for_each(Hop::forget);
            self.flow.end = None;
        }
        self.hop(ttl).replied(reply.from, reply.rtt_us);
        if reply.answer == Answer::Arrived {
            self.flow.end = Some(self.flow.end.map_or(ttl, |end| end.min(ttl)));
        }
        changed
    }

    fn lose(&mut self, ttl: u8) {
        let hop = self.hop(ttl);
        hop.sent += 1;
        hop.lost += 1;
    }

    /// A route has changed when the target is nearer or farther than before, or when somebody new replies at one TTL
    /// and nobody else does any more.
    fn route_changed(&mut self, ttl: u8, reply: &Reply) -> bool {
        let Some(from) = reply.from else { return false };
        let end = self.flow.end;
        let arrived = reply.answer == Answer::Arrived;
        let hop = self.hop(ttl);
        let (new, met) = (hop.is_new(from), hop.answered() > 0);
        let same_as_last = hop.addresses.last().is_some_and(|(last, _)| *last == from);
        let others = hop.addresses.iter().any(|(address, count)| *address != from && *count > 0);
        let streak = self.streak(ttl, new, same_as_last);
        let moved = if arrived { end.is_none_or(|end| ttl < end) && met } else { end == Some(ttl) };
        (new && moved) || (streak == ROUTE_STREAK && others)
    }

    /// How often the newest address of this TTL has replied, nobody else between; 0 once somebody else has.
    fn streak(&mut self, ttl: u8, new: bool, same_as_last: bool) -> u32 {
        let at = usize::from(ttl);
        if self.streaks.len() <= at {
            self.streaks.resize(at + 1, 0);
        }
        let streak = self.streaks.get_mut(at).expect("resized above");
        *streak = match (new, same_as_last && *streak > 0) {
            (true, _) => 1,
            (false, true) => *streak + 1,
            (false, false) => 0,
        };
        *streak
    }
}
