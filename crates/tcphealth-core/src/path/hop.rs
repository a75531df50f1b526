//! What the probes with one TTL met, counted: who replied, how many were lost, how long replies took.

use crate::statistics::wilson;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The most addresses that are kept for one hop: behind more, a forger is at work rather than a router.
const ADDRESSES_MAX: usize = 16;

/// One hop, as the probes with its TTL saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The TTL of the probes, from 1.
    pub ttl: u8,
    /// Who replied, and how often; more than one where load is balanced.
    pub addresses: Vec<(IpAddr, u32)>,
    /// Probes whose fate is known.
    pub sent: u32,
    /// Those of them without a reply.
    pub lost: u32,
    /// The response times, in the order of the replies, in microseconds.
    pub rtts_us: Vec<u32>,
}

/// Response times of one hop, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The shortest: distance.
    pub min: u32,
    /// The median.
    pub p50: u32,
    /// Nineteen of twenty are at most this.
    pub p95: u32,
    /// The latest.
    pub last: u32,
}

impl Hop {
    /// Probes that were replied to.
    pub fn answered(&self) -> u32 {
        self.sent - self.lost
    }

    /// Whether it was asked and never replied.
    pub fn silent(&self) -> bool {
        self.answered() == 0
    }

    /// The address that replied most often.
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses
            .iter()
            .filter(|(_, count)| *count > 0)
            .max_by_key(|(_, count)| *count)
            .map(|(address, _)| *address)
    }

    /// Response times by the nearest-rank method; `None` without any.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let mut sorted = self.rtts_us.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Quantiles { min: *sorted.first()?, p50: rank(50)?, p95: rank(95)?, last: *self.rtts_us.last()? })
    }

    /// The 95 % interval of the share lost.
    pub fn loss_interval(&self) -> Option<(f64, f64)> {
        wilson(u64::from(self.lost), u64::from(self.sent))
    }

    /// Replies that took at least this much longer than the shortest.
    pub fn slow(&self, by_us: u32) -> u32 {
        let min = self.rtts_us.iter().min().copied().unwrap_or(0);
        self.rtts_us.iter().filter(|rtt| **rtt - min >= by_us).count() as u32
    }

    /// Counts a reply.
    pub(super) fn replied(&mut self, from: Option<IpAddr>, rtt_us: Option<u32>) {
        self.sent += 1;
        self.rtts_us.extend(rtt_us);
        if let Some(from) = from {
            self.count(from, 1);
        }
    }

    /// Whether this address has never replied, before a route change neither.
    pub(super) fn is_new(&self, address: IpAddr) -> bool {
        self.addresses.len() < ADDRESSES_MAX && self.addresses.iter().all(|(known, _)| *known != address)
    }

    /// Begins anew, but remembers who replied.
    pub(super) fn forget(&mut self) {
        self.addresses.iter_mut().for_each(|(_, count)| *count = 0);
        (self.sent, self.lost) = (0, 0);
        self.rtts_us.clear();
    }

    pub(super) fn add(&mut self, other: &Hop) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.rtts_us.extend(&other.rtts_us);
        for (address, count) in other.addresses.iter().filter(|(_, count)| *count > 0) {
            self.count(*address, *count);
        }
    }

    fn count(&mut self, address: IpAddr, times: u32) {
        if let Some((_, count)) = self.addresses.iter_mut().find(|(known, _)| *known == address) {
            *count += times;
        } else if self.addresses.len() < ADDRESSES_MAX {
            self.addresses.push((address, times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let hop = Hop { rtts_us: (1..=20).rev().collect(), ..Hop::default() };
        assert_eq!(hop.quantiles(), Some(Quantiles { min: 1, p50: 10, p95: 19, last: 1 }));
        assert_eq!(Hop::default().quantiles(), None);
        assert_eq!(hop.slow(10), 10);
    }
}
