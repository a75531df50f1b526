//! (now, reply) in, full-sized probe out: the largest packet that every segment carries, and where larger ones vanish.
//!
//! RFC 1191 and RFC 8201 want a router to say which size it can forward; where somebody filters that, large packets vanish
//! and small ones pass: a black hole (RFC 2923 section 2.1). The probes are datagrams that must not be fragmented.

use super::{Answer, PATIENCE_US, Plan, Probe, Reply, Step, Walker};
use crate::{say, words::Message};
use serde::Serialize;
use std::net::IpAddr;

/// How often a full-sized probe is lost before a small one is tried instead.
const TRIES: u8 = 4;

/// How often a size is lost before it counts as too large, once large ones are known to vanish.
const TRIES_NARROWING: u8 = 2;

/// The search ends when it knows the size to so many bytes.
const EXACT_BYTES: u16 = 8;

/// A probe of this size is small: the headers of IPv6 and UDP, and a mark.
const SMALL_BYTES: u16 = 56;

/// A segment that large packets enter and do not leave, though nobody says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlackHole {
    /// The last address before it.
    pub from: IpAddr,
    /// The first address behind it.
    pub to: IpAddr,
    /// A packet of this many bytes still passes, to within eight bytes.
    pub passes: u16,
    /// A packet of this many bytes vanishes.
    pub dies: u16,
}

/// What the search has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mtu {
    /// The size that this host's own interface carries, bytes.
    pub first: u16,
    /// The size that passed as far as somebody replied, bytes.
    pub path: u16,
    /// The TTL up to which it did.
    pub up_to_ttl: u8,
    /// Routers that said how much they can forward.
    pub reported: Vec<(IpAddr, u16)>,
    /// The segment where large packets vanish.
    pub black_hole: Option<BlackHole>,
}

/// What the probe on its way is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// Does a full-sized packet get as far as this TTL?
    Full,
    /// Does a small one?
    Small,
    /// Does one between a size that does and a size that does not?
    Between(u16, u16),
}

/// The search, one probe at a time.
#[derive(Debug)]
pub struct MtuSearch {
    interval_us: u64,
    length: u8,
    ttl: u8,
    question: Question,
    tries: u8,
    probes: u32,
    waiting: Option<(Probe, u64)>,
    /// When the last probe with this TTL left.
    left_us: Option<u64>,
    /// Who replied last to a full-sized probe.
    reached: IpAddr,
    found: Mtu,
}

impl MtuSearch {
    /// A search along a path of so many hops, beginning with the size that this host's interface carries.
    pub fn new(plan: &Plan, length: u8, first: u16) -> Self {
        Self {
            interval_us: plan.interval_us,
            length: length.min(plan.max_ttl),
            ttl: 1,
            question: Question::Full,
            tries: 0,
            probes: 0,
            waiting: None,
            left_us: None,
            reached: plan.source,
            found: Mtu { first, path: first, up_to_ttl: 0, reported: Vec::new(), black_hole: None },
        }
    }

    /// What has been found.
    pub fn into_found(self) -> Mtu {
        self.found
    }

    fn size(&self) -> u16 {
        match self.question {
            Question::Full => self.found.path,
            Question::Small => SMALL_BYTES,
            Question::Between(passes, dies) => u16::midpoint(passes, dies),
        }
    }

    fn send(&mut self, now_us: u64) -> Step {
        let probe = Probe { id: self.probes, flow: 0, ttl: self.ttl, size: self.size() };
        self.probes += 1;
        (self.waiting, self.left_us) = (Some((probe, now_us)), Some(now_us));
        Step::Send(probe)
    }

    fn ask(&mut self, question: Question) {
        (self.question, self.tries) = (question, 0);
    }

    fn next_hop(&mut self) {
        self.ttl += 1;
        self.left_us = None;
        self.ask(Question::Full);
    }

    fn lost(&mut self) {
        self.tries += 1;
        match self.question {
            Question::Full if self.tries >= TRIES => self.ask(Question::Small),
            Question::Small if self.tries >= TRIES => self.next_hop(),
            Question::Between(passes, _) if self.tries >= TRIES_NARROWING => self.narrow(passes, self.size()),
            _ => {}
        }
    }

    fn passed(&mut self, probe: Probe, reply: &Reply) {
        match self.question {
            Question::Full => {
                self.reached = reply.from.unwrap_or(self.reached);
                self.found.up_to_ttl = probe.ttl;
                if reply.answer == Answer::Arrived {
                    self.ttl = self.length;
                }
                self.next_hop();
            }
            Question::Small => {
                let to = reply.from.unwrap_or(self.reached);
                let hole = BlackHole { from: self.reached, to, passes: SMALL_BYTES, dies: self.found.path };
                self.found.black_hole = Some(hole);
                self.narrow(SMALL_BYTES, self.found.path);
            }
            Question::Between(_, dies) => self.narrow(probe.size, dies),
        }
    }

    fn narrow(&mut self, passes: u16, dies: u16) {
        if dies.saturating_sub(passes) > EXACT_BYTES {
            return self.ask(Question::Between(passes, dies));
        }
        if dies == self.found.path {
            // All but the last few bytes pass: the full-sized probes were lost by chance.
            self.found.black_hole = None;
            return self.next_hop();
        }
        if let Some(hole) = &mut self.found.black_hole {
            (hole.passes, hole.dies) = (passes, dies);
        }
        self.ttl = self.length.saturating_add(1);
    }

    /// A router says what it can forward; a size that is not smaller than the probe's says nothing.
    fn too_big(&mut self, probe: Probe, from: Option<IpAddr>, mtu: u16) {
        if mtu >= probe.size || mtu <= SMALL_BYTES {
            return self.lost();
        }
        self.found.reported.extend(from.map(|from| (from, mtu)));
        self.found.path = mtu;
        self.ask(Question::Full);
    }
}

impl Walker for MtuSearch {
    fn step(&mut self, now_us: u64) -> Step {
        if let Some((probe, left)) = self.waiting {
            if now_us < left + PATIENCE_US {
                return Step::Wait(left + PATIENCE_US);
            }
            self.waiting = None;
            self.lost();
            return Step::Forget(probe);
        }
        match self.left_us.map_or(0, |left| left + self.interval_us) {
            _ if self.ttl > self.length => Step::Done,
            ready if ready > now_us => Step::Wait(ready),
            _ => self.send(now_us),
        }
    }

    fn reply(&mut self, reply: Reply) {
        let Some((probe, _)) = self.waiting.take_if(|(probe, _)| probe.id == reply.id) else { return };
        match reply.answer {
            Answer::TooBig(mtu) => self.too_big(probe, reply.from, mtu),
            Answer::Unreachable(_) => self.lost(),
            Answer::TimeExceeded | Answer::Arrived => self.passed(probe, &reply),
        }
    }

    fn heard(&mut self, _: Probe) {}
}

impl Mtu {
    /// What was found, in words.
    pub fn sentences(&self, length: usize) -> Vec<Message> {
        let mut said: Vec<Message> = self.reported.iter().map(|(by, mtu)| {
            say! { en: "{by} forwards packets of {mtu} bytes at most, and says so.", ko: "{by}: 최대 {mtu}바이트까지 전달하며 이를 알려 준다.", by = by, mtu = mtu }
        }).collect();
        said.push(match &self.black_hole {
            Some(hole) => say! {
                en: "Packets of more than {passes} bytes vanish between {from} and {to}, and nobody says so: an MTU black hole.",
                ko: "{from} → {to} 구간에서 {passes}바이트를 넘는 패킷이 통보 없이 사라진다: MTU 블랙홀.",
                passes = hole.passes, from = hole.from, to = hole.to,
            },
            None if usize::from(self.up_to_ttl) < length => say! {
                en: "Packets of {path} bytes pass up to hop {ttl} of {length}; behind it nobody replies to datagrams.",
                ko: "{path}바이트 패킷은 전체 {length}홉 중 {ttl}홉까지 통과한다. 그 뒤로는 데이터그램에 응답이 없다.",
                path = self.path, ttl = self.up_to_ttl, length = length,
            },
            None => say! {
                en: "Packets of {path} bytes pass all the way.", ko: "{path}바이트 패킷이 끝까지 통과한다.", path = self.path,
            },
        });
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn plan() -> Plan {
        Plan {
            target: ip(4),
            port: 33434,
            source: ip(100),
            protocol: super::super::Protocol::Udp,
            flows: 1,
            rounds: 1,
            interval_us: 1_050_000,
            max_ttl: 30,
            duration_us: None,
        }
    }

    /// Four hops; the segment to the third carries so much, and the router before it says so or not.
    fn search(carries: u16, says_so: bool, lost: &[u32]) -> (Mtu, u64) {
        let mut search = MtuSearch::new(&plan(), 4, 1500);
        let mut now_us = 0;
        loop {
            match search.step(now_us) {
                Step::Send(probe) => {
                    let stuck = probe.ttl >= 3 && probe.size > carries;
                    let answer = match probe.ttl {
                        _ if stuck => Answer::TooBig(carries),
                        4.. => Answer::Arrived,
                        _ => Answer::TimeExceeded,
                    };
                    let from = Some(ip(if stuck { 2 } else { probe.ttl }));
                    now_us += 1000;
                    if (!stuck || says_so) && !lost.contains(&probe.id) {
                        search.reply(Reply { id: probe.id, from, answer, rtt_us: Some(1000) });
                    }
                }
                Step::Forget(_) => {}
                Step::Wait(until_us) => now_us = until_us,
                Step::Done => return (search.into_found(), now_us),
            }
        }
    }

    #[test]
    fn a_path_that_carries_everything_is_walked_once() {
        let (found, now_us) = search(1500, false, &[]);
        assert_eq!((found.path, found.up_to_ttl, found.black_hole), (1500, 4, None));
        assert!(now_us < 100_000);
    }

    #[test]
    fn a_router_that_speaks_is_believed() {
        let (found, _) = search(1400, true, &[]);
        assert_eq!((found.path, found.up_to_ttl, found.black_hole), (1400, 4, None));
        assert_eq!(found.reported, [(ip(2), 1400)]);
    }

    #[test]
    fn a_black_hole_is_found_with_its_segment_and_its_size() {
        for carries in [600, 1280, 1400, 1476] {
            let hole = search(carries, false, &[]).0.black_hole.unwrap();
            assert_eq!((hole.from, hole.to), (ip(2), ip(3)));
            assert!(hole.passes <= carries && carries < hole.dies && hole.dies - hole.passes <= 8, "{hole:?}");
        }
    }

    #[test]
    fn chance_is_no_black_hole() {
        assert_eq!(search(1500, false, &[1, 2, 3, 4]).0.black_hole, None);
    }

    #[test]
    fn a_forged_size_does_not_make_the_search_endless() {
        assert_eq!(search(20, true, &[]).0.path, 1500);
    }
}
