//! Looks that follow each other → the last as if it had been compared with the first: what a longer window of a recording is.

use super::{Census, Line, Peer, Service, State, StateCounts};

impl Census {
    /// Stretches the comparison back over the look before. Growth adds up; what was kept is what was kept at every step, so
    /// that a socket is never said to have been there longer than it was.
    pub fn stretch(&mut self, before: &Self) {
        add(&mut self.born, &before.born);
        for service in &mut self.services {
            if let Some(before) = before.service(&service.key) {
                stretch_service(service, before);
            }
        }
        for peer in &mut self.peers {
            if let Some(before) = before.peer(&peer.address) {
                stretch_peer(peer, before);
            }
        }
        for listener in &mut self.listeners {
            let same = before.listeners.iter().find(|before| before.cookie == listener.cookie);
            let grown = same.and_then(|before| before.drops_grown);
            listener.drops_grown = listener.drops_grown.zip(grown).map(|(now, then)| now.saturating_add(then));
        }
    }
}

fn add(to: &mut StateCounts, from: &StateCounts) {
    for state in State::ALL {
        to.set(state, to.get(state).saturating_add(from.get(state)));
    }
}

fn stretch_service(service: &mut Service, before: &Service) {
    add(&mut service.born, &before.born);
    for state in State::ALL {
        service.kept.set(state, service.kept.get(state).min(before.kept.get(state)));
    }
    service.kept_fin_wait2_stubs = service.kept_fin_wait2_stubs.min(before.kept_fin_wait2_stubs);
    service.kept_unaccepted = service.kept_unaccepted.min(before.kept_unaccepted);
    service.kept_with_data = service.kept_with_data.min(before.kept_with_data);
    service.moved = service.moved.max(before.moved);
    service.moved_idle_ms_longest = service.moved_idle_ms_longest.max(before.moved_idle_ms_longest);
}

fn stretch_peer(peer: &mut Peer, before: &Peer) {
    peer.kept = peer.kept.min(before.kept);
    peer.kept_with_data = peer.kept_with_data.min(before.kept_with_data);
    peer.moved = peer.moved.max(before.moved);
    peer.moved_small = peer.moved_small.max(before.moved_small);
    peer.line = sum(&peer.line, &before.line);
}

fn sum(now: &Line, then: &Line) -> Line {
    Line {
        sockets: now.sockets.max(then.sockets),
        sockets_again: now.sockets_again.max(then.sockets_again),
        sockets_lossy: now.sockets_lossy.max(then.sockets_lossy),
        data_segs: now.data_segs + then.data_segs,
        retrans: now.retrans + then.retrans,
        dsack_dups: now.dsack_dups + then.dsack_dups,
        lost: now.lost + then.lost,
        reord_seen: now.reord_seen + then.reord_seen,
        sockets_stuck: now.sockets_stuck,
        retrans_stuck: now.retrans_stuck + then.retrans_stuck,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_adds_up_and_what_was_kept_is_the_least() {
        let address = [192, 0, 2, 1].into();
        let census = |kept, lost, born| {
            let mut census = Census { joined: true, ..Census::default() };
            census.born.set(State::Established, born);
            let line = Line { lost, data_segs: 100, ..Line::default() };
            census.peers.push(Peer { kept, line, ..Peer::new(address, address) });
            census
        };
        let mut last = census(7, 2, 1);
        last.stretch(&census(5, 3, 4));
        let peer = last.peer(&address).unwrap();
        assert_eq!((peer.kept, peer.line.lost, peer.line.data_segs), (5, 5, 200));
        assert_eq!(last.born.get(State::Established), 5);
    }
}
