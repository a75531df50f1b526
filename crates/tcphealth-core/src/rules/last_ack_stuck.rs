//! `last-ack-stuck`: both sides have closed, and our FIN gets no answer.

use std::collections::BTreeMap;

use super::held::LIKELY;
use super::peer_sockets::{PeerSockets, by_peer, network, network_name, retransmits, unacknowledged};
use super::{Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Followed, State};
use crate::window::Window;
use crate::{say, text};

/// Retransmissions of a FIN from which one such socket is worth counting, and from which it is sure.
const TWICE: u8 = 2;
const THRICE: u8 = 3;

/// The rule.
pub static RULE: Rule = Rule {
    id: "last-ack-stuck",
    trouble: text! { en: "our FINs get no answer", ko: "우리 FIN에 응답이 없음" },
    page: Page {
        sees: text! {
            en: "LAST_ACK and CLOSING sockets whose retransmission timer has fired twice or more, by peer or by network (/24, /64).",
            ko: "재전송 타이머가 두 번 이상 만료된 LAST_ACK, CLOSING 소켓을 상대 또는 네트워크(/24, /64)별로 센다."
        },
        matters: text! {
            en: "The path to the peer died or a firewall dropped the flow while connections were being closed. The sockets hold \
                 memory until tcp_orphan_retries is used up.",
            ko: "연결을 닫는 동안 상대로 가는 경로가 끊기거나 방화벽이 흐름을 버렸다. tcp_orphan_retries를 다 쓸 때까지 메모리를 붙잡는다."
        },
        act: text! {
            en: "Look whether the peer is reachable at all; if it is, look for a stateful device between.",
            ko: "상대에 도달할 수 있는지 확인하고, 도달한다면 중간의 상태 추적 장비를 확인한다."
        },
        sources: "RFC 9293 §3.6; net/ipv4/tcp_timer.c tcp_orphan_retries(); Documentation/networking/ip-sysctl.rst",
    },
    rank: 18,
    reads: &[Read::TwoLooks],
    asks: &[],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "tail-loss", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let mut networks: BTreeMap<_, Vec<PeerSockets>> = BTreeMap::new();
    for peer in by_peer(census, waits) {
        networks.entry(network(peer.address)).or_default().push(peer);
    }
    let mut findings = Vec::new();
    for (net, peers) in networks {
        let (mut alone, together): (Vec<_>, Vec<_>) =
            peers.into_iter().partition(|peer| is_many(limits, &peer.sockets));
        if together.len() > 1 {
            findings.push(of_network(limits, &network_name(net), &together));
        } else {
            alone.extend(together);
        }
        let of_peer = |peer: &PeerSockets| finding(limits, peer.subject(), &peer.address.to_string(), &peer.sockets);
        findings.extend(alone.iter().map(of_peer));
    }
    findings.retain(|finding| finding.size >= limits.last_ack_info_count);
    findings.into()
}

/// Peers of one network none of which waits often enough to be a case of its own.
fn of_network(limits: &Limits, name: &str, peers: &[PeerSockets]) -> Finding {
    let sockets: Vec<&Followed> = peers.iter().flat_map(|peer| peer.sockets.iter().copied()).collect();
    let subject = Subject { kind: SubjectKind::Subnet, subnet: Some(name.to_owned()), ..Subject::default() };
    let concerns = peers.iter().map(|peer| peer.address.to_string()).collect();
    Finding { concerns, ..finding(limits, subject, name, &sockets) }
}

fn stuck(sockets: &[&Followed]) -> usize {
    sockets.iter().filter(|followed| retransmits(followed, THRICE) && unacknowledged(followed)).count()
}

fn is_many(limits: &Limits, sockets: &[&Followed]) -> bool {
    stuck(sockets) as f64 >= limits.last_ack_warning_count
}

fn waits(followed: &Followed) -> bool {
    match followed.socket.state {
        State::LastAck => retransmits(followed, TWICE),
        State::Closing => retransmits(followed, THRICE),
        _ => false,
    }
}

fn finding(limits: &Limits, subject: Subject, name: &str, sockets: &[&Followed]) -> Finding {
    let (count, stuck) = (sockets.len(), stuck(sockets));
    let severity = if is_many(limits, sockets) { Severity::Warning } else { Severity::Info };
    let summary = say! {
        en: "{count} closed connections still wait for {name}'s acknowledgement of our FIN",
        ko: "닫은 연결 {count}개가 아직 {name}의 FIN 확인 응답을 기다림",
        count = count, name = name
    };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = LIKELY;
    finding.size = count as f64;
    finding.cause = say! {
        en: "The peer closed, we answered with our own FIN and sent it again and again: the path to {name} died, or a firewall has \
             dropped the flow.",
        ko: "상대가 닫고 우리가 FIN으로 답해 거듭 다시 보냈지만 응답이 없음: {name}(으)로 가는 경로가 끊겼거나 방화벽이 흐름을 버림.",
        name = name
    };
    advise(&mut finding, name);
    let most = sockets.iter().map(|followed| followed.socket.timer_retrans).max().unwrap_or(0);
    finding
        .evidence("LAST_ACK, CLOSING", (count as f64, "sockets"), "peer", "sock_diag")
        .evidence("stuck", (stuck as f64, "sockets"), "peer, whole window", "sock_diag cookies")
        .evidence("idiag_retrans", (f64::from(most), "retransmissions"), "largest of them", "sock_diag")
}

fn advise(finding: &mut Finding, name: &str) {
    finding.now = vec![Advice::from(
        say! { en: "see whether {name} is reachable", ko: "{name}에 도달할 수 있는지 확인", name = name },
    )];
    finding.repair = vec![Advice::from(say! {
        en: "the path, or the stateful device on it that forgets a flow at its first FIN",
        ko: "경로, 또는 첫 FIN에서 흐름을 지우는 중간의 상태 추적 장비"
    })];
    finding.avoid = vec![say! {
        en: "tcp_fin_timeout: it does not concern LAST_ACK; these end by tcp_orphan_retries",
        ko: "tcp_fin_timeout: LAST_ACK와 무관함. tcp_orphan_retries로 끝남"
    }];
    finding.verify = vec!["ss -tano state last-ack".into(), "cat /proc/net/sockstat".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{Socket, Timer};

    fn waiting(n: u16, host: u16, retrans: u8) -> Socket {
        let remote = format!("198.51.100.{host}:{}", 20_000 + n);
        Socket::tcp(State::LastAck, "192.0.2.1:80", &remote).timer(Timer::On, retrans, 900).queues(0, 1)
    }

    fn scene(count: u16, retrans: u8) -> Example {
        Scene::new().each(count, |scene, n| scene.still(&waiting(n, 7, retrans))).build()
    }

    /// Twenty stuck ones to one peer.
    pub(crate) fn example() -> Example {
        scene(20, 3)
    }

    #[test]
    fn levels_stand_at_five_sent_twice_and_twenty_sent_thrice() {
        assert_eq!(scene(4, 9).severity(&RULE), None);
        assert_eq!(scene(5, 1).severity(&RULE), None, "sent again once");
        assert_eq!(scene(5, 2).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(19, 3).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(20, 2).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(20, 3).severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn what_came_in_the_window_is_no_warning() {
        let born = Scene::new().each(20, |scene, n| scene.born(waiting(n, 7, 3)));
        assert_eq!(born.build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn peers_of_one_network_are_one_finding() {
        let spread = Scene::new().each(20, |scene, n| scene.still(&waiting(n, n + 1, 3)));
        let findings = spread.build().findings(&RULE);
        assert_eq!(findings[0].subject.subnet.as_deref(), Some("198.51.100.0/24"));
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn peers_that_are_each_worth_a_line_are_one_warning_together_beside_one_that_is_a_warning_alone() {
        let three = Scene::new().each(21, |scene, n| scene.still(&waiting(n, n % 3 + 1, 3)));
        let names = |scene: Scene| -> Vec<_> {
            let name = |found: Finding| (found.severity, found.subject.subnet.or(found.subject.remote));
            scene.build().findings(&RULE).into_iter().map(name).collect()
        };
        let network = (Severity::Warning, Some("198.51.100.0/24".to_owned()));
        assert_eq!(names(three), std::slice::from_ref(&network));
        let beside = Scene::new().each(40, |scene, n| scene.still(&waiting(n, if n < 20 { 9 } else { n % 2 + 1 }, 3)));
        assert_eq!(names(beside), [network, (Severity::Warning, Some("198.51.100.9".to_owned()))]);
    }

    #[test]
    fn twenty_in_two_windows_are_a_warning() {
        assert_eq!(levels(&RULE, 2, |_| scene(20, 2)), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(levels(&RULE, 2, |_| scene(19, 2)), [Some(Severity::Info); 2]);
    }
}
