//! A [`Path`] → the segment that loses or delays, or the reason why none is blamed.
//!
//! Loss goes before delay. A step of the shortest response time is distance and never blamed; delay is replies that come
//! later than the shortest, from one hop on to the end.

use super::{Change, Flow, Hop, Path, Tally, change_point, sentences};
use crate::statistics::wilson;
use crate::words::Message;
use serde::Serialize;
use std::net::IpAddr;

/// A reply is late when it takes this much longer than the shortest, and twice as long at the end: a standing queue.
const LATE_US: u32 = 20_000;

/// A queue that stands delays most replies; some late ones are stalls, often of a busy host, and blame no segment.
const LATE_SHARE: f64 = 0.5;

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Packets vanish.
    Loss,
    /// Packets wait.
    Delay,
}

/// A segment that is to blame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blame {
    /// The last address before it: a hop, or this host.
    pub from: IpAddr,
    /// The first address behind it: a hop, or the target.
    pub to: IpAddr,
    /// The share of probes lost behind it, or of replies that came late.
    pub loss: f64,
    /// The probability that it is this one.
    pub confidence: f64,
    /// What it does.
    pub kind: Kind,
    /// How many segments between answering hops it spans: more than one when the probes cannot tell them apart yet.
    pub segments: usize,
}

/// How the judgement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is lost or delayed on the way to the target, as far as so many probes can tell.
    Clean,
    /// A segment is blamed.
    Blamed,
    /// The target loses, but no segment can be blamed.
    Undecided,
    /// The target did not reply at all.
    Unreached,
}

/// The segment to blame, or why none is.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// How it ended.
    pub outcome: Outcome,
    /// The segment.
    pub blame: Option<Blame>,
    /// The reasons, one sentence each.
    pub why: Vec<Message>,
}

/// Judges what the probes met.
pub fn judge(path: &Path) -> Judgement {
    let mut judgement = verdict(path);
    judgement.why.extend(sentences::silent_hops(path));
    judgement.why.extend(sentences::hidden_hops(path));
    judgement.why.extend(sentences::route_changes(path));
    judgement
}

/// How many probes a hop needs before a loss of this share is told from none with 95 % (rule of three: 3/share).
pub fn probes_to_see(share: f64) -> u32 {
    (3.0 / share).ceil() as u32
}

fn verdict(path: &Path) -> Judgement {
    let without = |outcome, why| Judgement { outcome, blame: None, why };
    if !path.reached() {
        return without(Outcome::Unreached, vec![sentences::unreached(path)]);
    }
    let ways = ways(path);
    match suspect(path, &ways, Kind::Loss).or_else(|| suspect(path, &ways, Kind::Delay)) {
        None => without(Outcome::Clean, sentences::clean(path)),
        Some(Suspect { blame, more, whole: true }) => {
            without(Outcome::Undecided, sentences::undecided(path, &blame, more))
        }
        Some(Suspect { blame, more, .. }) => {
            let why = sentences::blamed(path, &blame, more);
            Judgement { outcome: Outcome::Blamed, blame: Some(blame), why }
        }
    }
}

/// The surest suspect of all ways.
fn suspect(path: &Path, ways: &[Way], kind: Kind) -> Option<Suspect> {
    let suspects = ways.iter().filter_map(|way| way.suspect(path, kind));
    suspects.max_by(|a, b| a.blame.confidence.total_cmp(&b.blame.confidence))
}

/// A segment or a range of them.
struct Suspect {
    blame: Blame,
    /// How many times the probes would narrow it to one segment.
    more: f64,
    /// Whether the range is the whole way, and so says nothing.
    whole: bool,
}

/// One way to the target: the hops that have a name, and the end.
struct Way {
    hops: Vec<Hop>,
    end: Hop,
    /// All flows together, though they part somewhere.
    mixed: bool,
}

fn ways(path: &Path) -> Vec<Way> {
    let branches = path.branches();
    let part =
        branches.len() > 1 && branches.iter().all(|branch| usize::from(branch.end.unwrap_or(0)) == path.length());
    let mixed = part.then(|| Flow { hops: path.hops(), end: Some(path.length() as u8) });
    let mixed = mixed.and_then(|flow| Way::new(flow, true));
    branches.into_iter().filter_map(|flow| Way::new(flow, false)).chain(mixed).collect()
}

impl Way {
    fn new(flow: Flow, mixed: bool) -> Option<Self> {
        let end = usize::from(flow.end?);
        let mut hops = flow.hops;
        hops.truncate(end);
        let end = hops.pop()?;
        hops.retain(|hop| hop.address().is_some());
        Some(Self { hops, end, mixed })
    }

    fn suspect(&self, path: &Path, kind: Kind) -> Option<Suspect> {
        let change = match kind {
            Kind::Loss => self.change(|hop| Tally { n: hop.sent, k: hop.lost })?,
            Kind::Delay => self.delay()?,
        };
        let before = change.first.checked_sub(1).and_then(|at| self.hops.get(at));
        let behind = self.hops.get(change.last);
        let parted = |hop: Option<&Hop>| hop.is_some_and(|hop| hop.addresses.len() > 1);
        if self.mixed && (parted(before) || parted(behind)) {
            return None;
        }
        let blame = Blame {
            from: before.and_then(Hop::address).unwrap_or(path.plan.source),
            to: behind.and_then(Hop::address).unwrap_or(path.plan.target),
            loss: change.rate,
            confidence: change.confidence,
            kind,
            segments: change.last - change.first + 1,
        };
        let whole = blame.segments > 1 && blame.segments == self.hops.len() + 1;
        Some(Suspect { blame, more: change.more, whole })
    }

    fn change(&self, tally: impl Fn(&Hop) -> Tally) -> Option<Change> {
        let hops: Vec<Tally> = self.hops.iter().map(&tally).collect();
        change_point(&hops, tally(&self.end))
    }

    /// Late replies are counted like lost ones. Most replies of the end must be late beyond doubt.
    fn delay(&self) -> Option<Change> {
        let late_us = LATE_US.max(self.end.quantiles()?.min);
        let tally = |hop: &Hop| Tally { n: hop.rtts_us.len() as u32, k: hop.slow(late_us) };
        let end = tally(&self.end);
        wilson(u64::from(end.k), u64::from(end.n)).filter(|(low, _)| *low >= LATE_SHARE)?;
        self.change(tally)
    }
}
