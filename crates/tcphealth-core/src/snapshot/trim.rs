//! A census → the part of it that a recording keeps: what a rule may have to name, the worst first, and how much is left out.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::fold::{Reason, reason_to_keep};
use super::{Census, Followed, Peer, Service};

/// Sockets kept for each reason to keep one.
const SOCKETS_EACH: usize = 32;
/// Of the senders in bulk: they are what moves most, and a median of a few tells the queue they share.
const SENDERS: usize = 8;
/// Peers, and services, kept.
const TABLE_MAX: usize = 256;

impl Census {
    /// Keeps the worst and the largest; what goes is counted in `left_out`.
    pub fn trim(&mut self) {
        self.trim_sockets();
        let size = |service: &Service| Reverse(service.states.total());
        for gone in largest(&mut self.services, size) {
            self.left_out.services += u64::from(gone.states.total());
        }
        self.services.sort_unstable_by_key(|service| service.key);
        let size = |peer: &Peer| Reverse((peer.line.lost > 0 || peer.line.sockets_stuck > 0, peer.sockets));
        for gone in largest(&mut self.peers, size) {
            self.left_out.peers += u64::from(gone.sockets);
        }
        self.peers.sort_unstable_by_key(|peer| peer.address);
    }

    fn trim_sockets(&mut self) {
        self.sockets.sort_by_key(badness);
        let mut kept = HashMap::new();
        let before = self.sockets.len();
        self.sockets.retain(|followed| {
            let reason = reason_to_keep(&followed.socket, followed.before.as_ref(), 0);
            let count: &mut usize = kept.entry(reason).or_default();
            *count += 1;
            *count <= if reason == Some(Reason::Bulk) { SENDERS } else { SOCKETS_EACH }
        });
        self.left_out.sockets += (before - self.sockets.len()) as u64;
        self.sockets.shrink_to_fit();
    }
}

/// The most retries first, then the fullest queues, then the oldest.
fn badness(followed: &Followed) -> (Reverse<u8>, Reverse<u64>, u64) {
    let socket = &followed.socket;
    (Reverse(socket.timer_retrans), Reverse(u64::from(socket.rqueue) + u64::from(socket.wqueue)), socket.cookie)
}

/// Takes out all but the largest.
fn largest<T, K: Ord>(table: &mut Vec<T>, size: impl Fn(&T) -> K) -> Vec<T> {
    if table.len() <= TABLE_MAX {
        return Vec::new();
    }
    table.sort_by_key(size);
    table.split_off(TABLE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Endpoint, ServiceKey, Socket, State};

    #[test]
    fn the_worst_stay_and_the_rest_is_counted() {
        let socket = |cookie, rqueue| Socket { state: State::CloseWait, inode: 1, cookie, rqueue, ..Socket::default() };
        let sockets = (1..=100).map(|n| Followed { socket: socket(n, n as u32), before: None }).collect();
        let mut census = Census { sockets, ..Census::default() };
        for port in 1..=300_u16 {
            let mut service = Service::new(ServiceKey::Listener(Endpoint { port, ..Endpoint::default() }));
            (0..port).for_each(|_| service.states.add(State::Established));
            census.services.push(service);
        }
        census.trim();
        let smallest = census.sockets.iter().map(|followed| followed.socket.rqueue).min();
        assert_eq!((census.sockets.len(), smallest, census.left_out.sockets), (32, Some(69), 68));
        // Ports 1 to 44 had so many connections each.
        assert_eq!((census.services.len(), census.left_out.services), (256, 44 * 45 / 2));
        assert!(census.services.is_sorted_by_key(|service| service.key));
    }
}
