//! `middlebox-reset`: resets come from something between this host and several peers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::connecting::{self, DESTINATIONS_MAX};
use super::judge::said;
use super::resetting::{self, Broken, incoming};
use super::{Ask, Hides, Limits, Page, Rule, Shared, held, loss, peer_resets};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::snapshot::{PacketKind, Question, Watch};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "middlebox-reset",
    trouble: text! {
        en: "resets come from something between us and several peers",
        ko: "이쪽과 여러 상대 사이의 장비가 RST를 보냄"
    },
    page: Page {
        sees: text! {
            en: "Resets as in peer-resets, and one of: their TTL differs from that of the peer's SYN-ACKs; they trickle through the window \
                 while other connections to the same port move on and new ones are accepted; they hit several peers behind one next hop, \
                 none of which lost all its connections.",
            ko: "peer-resets의 RST이면서 다음 중 하나: TTL이 상대의 SYN-ACK와 다르다, 같은 포트의 다른 연결이 계속되고 새 연결도 되는데 구간 \
                 내내 간간이 온다, 같은 다음 홉 너머의 여러 상대에서 오며 어느 상대도 모든 연결을 잃지는 않았다."
        },
        matters: text! {
            en: "Connections break in the middle; both ends blame each other, and neither sent the reset.",
            ko: "연결이 도중에 끊긴다. 양쪽이 서로를 의심하지만 어느 쪽도 RST를 보내지 않았다."
        },
        act: text! {
            en: "Capture on both ends: a reset that one end received and the other never sent was made between them.",
            ko: "양쪽에서 패킷을 잡는다. 한쪽이 받았는데 다른 쪽이 보낸 적 없는 RST는 그 사이에서 만들어진 것이다."
        },
        sources: "RFC 9293 §3.5.2; RFC 3360; RFC 791 §3.2 (TTL)",
    },
    rank: 26,
    reads: peer_resets::READS,
    asks: &[Ask::Route, Ask::Watch(Watch::Closed), Ask::Watch(Watch::Resets), Ask::Watch(Watch::SynAcks)],
    hides: &[Hides { rule: "peer-resets", shared: Shared::Peer }],
    watches: |window, _| match resetting::received(window) {
        Some(count) if count > 0 => vec![Watch::Closed, Watch::Resets, Watch::SynAcks],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

/// What speaks for something in between.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// Several peers behind this next hop.
    SharedHop(IpAddr),
    /// They come one by one while the service goes on.
    Trickle,
    /// The reset travelled another distance than the peer's own packets.
    Ttl,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (mut questions, mut list) = (Vec::new(), Vec::new());
    let mut broken = resetting::broken(window);
    broken.truncate(DESTINATIONS_MAX);
    let suspicious = signs(window, limits, &broken, &mut questions);
    if let Some((worst, sign)) = suspicious.first().copied() {
        let others: Vec<&Broken> = suspicious.iter().skip(1).map(|(other, _)| other).collect();
        let severity = suspicious.iter().map(|(broken, _)| broken.severity(limits)).max().unwrap_or(Severity::Info);
        list.push(finding(&worst, &others, sign, severity));
    } else if questions.is_empty() && connecting::heard(window, Watch::Resets).is_none() {
        let partly = |broken: &Broken| broken.kept > 0 && broken.severity(limits) > Severity::Info;
        if broken.iter().any(partly) {
            return Verdict::Undecided(unheard());
        }
    }
    said(window, limits, list, questions)
}

fn unheard() -> Why {
    Why {
        reason: say! {
            en: "connections were reset, and nobody heard the resets: who made them is not known",
            ko: "연결이 재설정되었으나 RST를 듣지 못해 누가 보냈는지 알 수 없음"
        },
        needs: Some(say! {
            en: "CAP_NET_RAW, and resets that begin in the first second of the window",
            ko: "CAP_NET_RAW, 그리고 구간의 첫 1초에 시작되는 RST"
        }),
    }
}

/// Peers whose resets look as if somebody else had made them, with the strongest sign.
fn signs(window: &Window, limits: &Limits, broken: &[Broken], questions: &mut Vec<Question>) -> Vec<(Broken, Sign)> {
    let hops = shared_hops(window, broken, questions);
    let sign = |broken: &Broken| {
        let ttl = other_ttl(window, broken).then_some(Sign::Ttl);
        let trickle = || trickles(window, limits, broken).then_some(Sign::Trickle);
        ttl.or_else(trickle).or_else(|| hops.get(&broken.remote.address).copied().map(Sign::SharedHop))
    };
    broken.iter().filter_map(|broken| Some((*broken, sign(broken)?))).collect()
}

/// The TTL of a reset against that of the SYN-ACKs of the same peer.
fn other_ttl(window: &Window, broken: &Broken) -> bool {
    let Some((resets, answers)) =
        connecting::heard(window, Watch::Resets).zip(connecting::heard(window, Watch::SynAcks))
    else {
        return false;
    };
    let answers = answers.packets.iter().filter(|packet| packet.kind == PacketKind::SynAck && !packet.outgoing);
    let own: Vec<u8> = answers.filter(|packet| packet.source == broken.remote).map(|packet| packet.ttl).collect();
    let of_peer = incoming(resets).filter(|packet| packet.source == broken.remote);
    !own.is_empty() && of_peer.into_iter().any(|packet| !own.contains(&packet.ttl))
}

/// A crash takes all connections at once and refuses afterwards; this takes some, again and again.
fn trickles(window: &Window, limits: &Limits, broken: &Broken) -> bool {
    if broken.kept == 0 || broken.born == 0 {
        return false;
    }
    let times: Vec<u64> = match connecting::heard(window, Watch::Resets) {
        Some(heard) => incoming(heard).filter(|packet| packet.source == broken.remote).map(|p| p.at_ns).collect(),
        None => connecting::closed_clients(window).filter(|c| c.remote == broken.remote).map(|c| c.at_ns).collect(),
    };
    let spread = times.iter().max().zip(times.iter().min()).map_or(0, |(last, first)| last - first);
    times.len() as f64 >= limits.middlebox_reset_count
        && spread as f64 / 1e9 >= limits.middlebox_reset_spread_ratio * window.seconds()
}

/// Peers that lost some of their connections, by the next hop that several of them share.
fn shared_hops(window: &Window, broken: &[Broken], questions: &mut Vec<Question>) -> BTreeMap<IpAddr, IpAddr> {
    let mut partly: Vec<IpAddr> =
        broken.iter().filter(|b| b.gone > 0 && b.kept > 0).map(|b| b.remote.address).collect();
    partly.sort_unstable();
    partly.dedup();
    if partly.len() < 2 {
        return BTreeMap::new();
    }
    let mut gateways: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
    for peer in partly {
        if let Some(gateway) = window.route(peer).or_ask(questions).and_then(|route| route.gateway) {
            gateways.entry(gateway).or_default().push(peer);
        }
    }
    let shared = gateways.into_iter().filter(|(_, peers)| peers.len() > 1);
    shared.flat_map(|(gateway, peers)| peers.into_iter().map(move |peer| (peer, gateway))).collect()
}

fn finding(worst: &Broken, others: &[&Broken], sign: Sign, severity: Severity) -> Finding {
    let name = worst.name();
    let subnet = loss::subnet(worst.remote.address);
    let together = !others.is_empty() && others.iter().all(|other| loss::subnet(other.remote.address) == subnet);
    let subject = Subject {
        kind: if together { SubjectKind::Subnet } else { SubjectKind::Hop },
        subnet: together.then_some(subnet),
        remote: Some(name.clone()),
        source: Some(worst.source.to_string()),
        ..Subject::default()
    };
    let more = others.len();
    let summary = say! {
        en: "something between here and {name} resets connections (and of {more} more peers)",
        ko: "이쪽과 {name} 사이의 무언가가 연결을 재설정함(다른 상대 {more}곳도)",
        name = name, more = more
    };
    let finding = Finding {
        confidence: if sign == Sign::Ttl { held::LIKELY } else { held::POSSIBLE },
        size: f64::from(worst.gone) + worst.unseen_per_second,
        cause: cause(&name, sign),
        concerns: others.iter().map(|other| other.name()).collect(),
        now: vec![Advice::from(say! {
            en: "capture the resets with their TTL here, and on the peer whether it sent any: tcpdump -nvi any 'tcp[13] & 4 != 0'",
            ko: "이쪽에서 RST의 TTL을, 상대에서 RST를 보냈는지를 잡는다: tcpdump -nvi any 'tcp[13] & 4 != 0'"
        })],
        repair: vec![Advice::from(say! {
            en: "ask who runs the firewall, IPS, NAT or load balancer on the way for its session limits and its log",
            ko: "경로상의 방화벽·IPS·NAT·로드 밸런서 관리자에게 세션 제한과 로그를 확인한다"
        })],
        verify: vec!["tcpdump -nvi any 'tcp[13] & 4 != 0'".into(), "nstat -z TcpOutRsts".into()],
        ..Finding::new(severity, subject, summary)
    };
    finding
        .evidence("connections with data gone", (f64::from(worst.gone), "connections"), "peer, both looks", "sock_diag")
        .evidence("connections that stayed", (f64::from(worst.kept), "connections"), "peer, both looks", "sock_diag")
        .evidence("connections made since", (f64::from(worst.born), "connections"), "peer, both looks", "sock_diag")
}

fn cause(name: &str, sign: Sign) -> Message {
    match sign {
        Sign::Ttl => say! {
            en: "the resets in the name of {name} arrive with another TTL than its own packets: another machine made them",
            ko: "{name}의 이름으로 온 RST의 TTL이 그 호스트의 패킷과 다름: 다른 장비가 만든 것임",
            name = name
        },
        Sign::Trickle => say! {
            en: "connections to {name} break one by one while others go on and new ones are accepted: the service did not crash",
            ko: "{name}의 다른 연결이 계속되고 새 연결도 되는데 연결이 하나씩 끊김: 서비스가 죽은 것이 아님",
            name = name
        },
        Sign::SharedHop(gateway) => say! {
            en: "several peers behind {gateway} lose some of their connections at the same time, and none loses all",
            ko: "{gateway} 너머의 여러 상대가 동시에 연결 일부를 잃고, 전부 잃은 곳은 없음",
            gateway = gateway
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::resetting::ESTAB_RESETS;
    use super::super::resetting::tests::{PLACE, crash, hearing, reset, talking};
    use super::*;
    use crate::report::Word;
    use crate::rules::testing::{Example, Scene};
    use crate::rules::{History, Limits, judge};
    use crate::snapshot::Packet;

    fn trickle(gone: u16, until_ms: u64) -> Scene {
        let packets = (0..gone).map(|n| {
            let at_ms = until_ms * u64::from(n) / u64::from(gone - 1);
            reset(PLACE, &format!("192.0.2.1:{}", 40_000 + n), false, at_ms)
        });
        let scene = crash(gone, 20, u64::from(gone)).born(talking(500, PLACE));
        hearing(scene, Watch::Resets, Vec::new(), packets.collect())
    }

    pub(super) fn example() -> Example {
        trickle(6, 8_000).build()
    }

    #[test]
    fn resets_through_half_the_window_while_the_service_goes_on_are_somebody_elses() {
        assert_eq!(trickle(6, 4_999).build().severity(&RULE), None);
        assert_eq!(trickle(6, 5_000).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(trickle(3, 8_000).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(trickle(2, 8_000).build().severity(&RULE), None);
    }

    #[test]
    fn a_crash_takes_all_at_once_and_is_the_peers_own() {
        assert_eq!(crash(40, 0, 40).build().severity(&RULE), None);
    }

    #[test]
    fn another_ttl_tells_another_machine() {
        let with = |ttl: u8| {
            let answer = Packet { kind: PacketKind::SynAck, ttl, ..reset(PLACE, "192.0.2.1:40000", false, 0) };
            let resets = vec![reset(PLACE, "192.0.2.1:40000", false, 0)];
            let scene = hearing(crash(5, 20, 5), Watch::Resets, Vec::new(), resets);
            hearing(scene, Watch::SynAcks, Vec::new(), vec![answer])
        };
        assert_eq!(with(60).build().severity(&RULE), None);
        let found = with(52).build().findings(&RULE);
        assert!((found[0].severity, found[0].confidence) == (Severity::Warning, 0.85));
    }

    #[test]
    fn peers_that_share_a_next_hop_and_lose_some_connections_are_named_together() {
        let scene = |gateway| {
            let lose = |scene: Scene, peer: &str, base: u16| {
                let scene = scene.each(5, |scene, n| scene.gone(talking(base + n, &format!("{peer}:443"))));
                scene.still(&talking(base + 50, &format!("{peer}:443"))).route(peer, gateway, "eth0")
            };
            let scene = lose(Scene::new().grew(ESTAB_RESETS.0, 10), "198.51.100.7", 0);
            lose(scene, "198.51.100.8", 100)
        };
        let found = scene(Some("192.0.2.254")).build().findings(&RULE);
        assert_eq!((found.len(), found[0].subject.subnet.as_deref()), (1, Some("198.51.100.0/24")));
        assert!(scene(None).build().is_undecided(&RULE));
    }

    #[test]
    fn the_resets_of_the_peer_are_its_consequence() {
        let example = example();
        let (word, findings, _) = judge(&example.window(), &History::default(), &Limits::default()).combine();
        let above: Vec<_> = findings.iter().filter(|found| found.severity > Severity::Info).collect();
        assert_eq!((word, above.len(), above[0].rule.as_str()), (Word::Warning, 1, RULE.id));
    }
}
