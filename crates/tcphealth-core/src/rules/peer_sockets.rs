//! Sockets that wait for a peer, by peer: how long they have waited, and what else goes on with that peer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::report::{Subject, SubjectKind};
use crate::snapshot::{Census, Endpoint, Followed, Peer, Socket, TcpInfo, Timer};

/// Sockets of one remote address.
pub(super) struct PeerSockets<'a> {
    /// The address.
    pub(super) address: IpAddr,
    /// All that is known of it; `None` when none of its sockets has a `tcp_info`.
    pub(super) peer: Option<&'a Peer>,
    /// The sockets picked.
    pub(super) sockets: Vec<&'a Followed>,
}

impl PeerSockets<'_> {
    /// How many were picked.
    pub(super) fn count(&self) -> u32 {
        self.sockets.len() as u32
    }

    /// Their share of the live sockets of that peer.
    pub(super) fn share(&self) -> f64 {
        let all = self.peer.map_or(0, |peer| peer.sockets);
        f64::from(self.count()) / f64::from(all.max(self.count()).max(1))
    }

    /// The peer as the subject of a finding.
    pub(super) fn subject(&self) -> Subject {
        let source = self.sockets.first().map(|followed| followed.socket.local.address.to_string());
        Subject { kind: SubjectKind::Peer, remote: Some(self.address.to_string()), source, ..Subject::default() }
    }

    /// The one address and port that all of them go to, when we opened them.
    pub(super) fn service(&self, census: &Census) -> Option<Endpoint> {
        let first = self.sockets.first()?;
        let same = self.sockets.iter().all(|followed| followed.socket.remote == first.socket.remote);
        (same && is_client_side(census, &first.socket)).then_some(first.socket.remote)
    }

    /// Memory that they hold for sending, Σ skmem w, kB.
    pub(super) fn send_memory_kbytes(&self) -> f64 {
        let queued = self.sockets.iter().filter_map(|followed| followed.socket.skmem);
        queued.map(|mem| f64::from(mem.wmem_queued_bytes)).sum::<f64>() / 1024.0
    }
}

/// The picked sockets by peer, the peer with most first.
pub(super) fn by_peer(census: &Census, pick: impl Fn(&Followed) -> bool) -> Vec<PeerSockets<'_>> {
    let mut peers: BTreeMap<IpAddr, Vec<&Followed>> = BTreeMap::new();
    for followed in census.sockets.iter().filter(|followed| pick(followed)) {
        peers.entry(followed.socket.remote.address).or_default().push(followed);
    }
    let of = |(address, sockets)| PeerSockets { address, peer: census.peer(&address), sockets };
    let mut peers: Vec<_> = peers.into_iter().map(of).collect();
    peers.sort_by_key(|peer| (std::cmp::Reverse(peer.count()), peer.address));
    peers
}

/// Whether we opened this connection: its local port is no listener's.
pub(super) fn is_client_side(census: &Census, socket: &Socket) -> bool {
    census.listener(&socket.local).is_none()
}

/// Whether it was in this state before and the peer has acknowledged nothing since; false when that cannot be known.
pub(super) fn unacknowledged(followed: &Followed) -> bool {
    let acked = followed.socket.info.as_ref().and_then(TcpInfo::bytes_acked);
    followed.kept() && followed.before.zip(acked).is_some_and(|(mark, acked)| mark.bytes_acked_low == acked as u32)
}

/// Whether it sends again and again, at least so often, and gets no answer.
pub(super) fn retransmits(followed: &Followed, times: u8) -> bool {
    followed.socket.timer == Timer::On && followed.socket.timer_retrans >= times
}

/// How long a stuck socket has been without an answer, ms: not longer than it was busy, and not longer than since its last
/// transmission and the doubling timeouts before it.
pub(super) fn stuck_ms(socket: &Socket) -> Option<f64> {
    let info = socket.info.as_ref()?;
    let doublings = i32::from(info.backoff()?);
    let timeouts_ms = f64::from(info.rto()?) / 1000.0 * (1.0 - 0.5_f64.powi(doublings));
    Some((info.busy_time()? as f64 / 1000.0).min(f64::from(info.last_data_sent()?) + timeouts_ms))
}

/// The network of an address: /24, or /64 for IPv6.
pub(super) fn network(address: IpAddr) -> (IpAddr, u8) {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            (IpAddr::from([a, b, c, 0]), 24)
        }
        IpAddr::V6(v6) => (IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()), 64),
    }
}

/// `192.0.2.0/24`.
pub(super) fn network_name((address, bits): (IpAddr, u8)) -> String {
    format!("{address}/{bits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::State;

    #[test]
    fn a_network_is_24_or_64_bits() {
        let name = |address: &str| network_name(network(address.parse().unwrap()));
        assert_eq!(name("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(name("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn stuck_time_is_that_of_the_doublings() {
        // Sent at 0, again at 0.2, 0.6 and 1.4 s; 0.5 s later: rto 1.6 s, 3 doublings, 1.9 s without an answer.
        let fields = [("backoff", 3), ("rto", 1_600_000), ("busy_time", 9_000_000), ("last_data_sent", 500)];
        let socket = Socket::tcp(State::Established, "192.0.2.1:9", "192.0.2.2:9").info(&fields);
        assert_eq!(stuck_ms(&socket), Some(1900.0));
        assert_eq!(stuck_ms(&socket.info(&[("busy_time", 1_700_000)])), Some(1700.0));
    }
}
