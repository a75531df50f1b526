//! `syn-ack-unanswered`: our SYN-ACKs to one network get no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::held::LIKELY;
use super::peer_sockets::{network, network_name};
use super::syn_flood::{DO_COOKIES, QUEUE_FULL_DROP};
use super::{Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Census, Endpoint, Followed, State};
use crate::window::Window;
use crate::{say, text};

/// Retransmissions of a SYN-ACK from which it is not just slow: three seconds without an answer.
const TWICE: u8 = 2;

/// The rule.
pub static RULE: Rule = Rule {
    id: "syn-ack-unanswered",
    trouble: text! { en: "our SYN-ACKs to one network get no answer", ko: "한 네트워크로 보낸 SYN-ACK에 응답이 없음" },
    page: Page {
        sees: text! {
            en: "SYN_RECV whose SYN-ACK was sent again twice or more, all of one /24 (/64), while the SYN queue is not full.",
            ko: "SYN-ACK를 두 번 이상 다시 보낸 SYN_RECV가 모두 한 /24(/64)에서 온 것이고 SYN 큐는 가득 차지 않았을 때."
        },
        matters: text! {
            en: "Clients of that network reach us, our answers do not reach them: they cannot connect.",
            ko: "그 네트워크의 클라이언트는 우리에게 도달하지만 우리 응답이 그쪽에 도달하지 못해 연결할 수 없다."
        },
        act: text! {
            en: "Check the route and the firewalls from here to that network.",
            ko: "이곳에서 그 네트워크로 가는 경로와 방화벽을 확인한다."
        },
        sources: "RFC 9293 §3.5; net/ipv4/inet_connection_sock.c reqsk_timer_handler(); ip-sysctl.rst tcp_synack_retries",
    },
    rank: 99,
    reads: &[Read::Counter(DO_COOKIES), Read::Counter(QUEUE_FULL_DROP), Read::Census, Read::Window],
    asks: &[],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    if window.sum(&[DO_COOKIES, QUEUE_FULL_DROP]).unwrap_or(0) > 0 {
        let why = say! { en: "the SYN queue is full: see syn-flood", ko: "SYN 큐가 가득 참: syn-flood 참조" };
        return Verdict::Healthy(Some(why));
    }
    let mut listeners: BTreeMap<Endpoint, Vec<&Followed>> = BTreeMap::new();
    for followed in census.in_state(State::SynRecv).filter(|followed| followed.socket.timer_retrans >= TWICE) {
        let Some(local) = census.key_of(&followed.socket).listener() else { continue };
        listeners.entry(local).or_default().push(followed);
    }
    let findings: Vec<Finding> =
        listeners.iter().filter_map(|(local, waiting)| finding(census, limits, *local, waiting)).collect();
    findings.into()
}

fn finding(census: &Census, limits: &Limits, local: Endpoint, waiting: &[&Followed]) -> Option<Finding> {
    let networks: BTreeSet<_> = waiting.iter().map(|followed| network(followed.socket.remote.address)).collect();
    let only = networks.first().copied().filter(|_| networks.len() == 1)?;
    if (waiting.len() as f64) < limits.syn_ack_unanswered_count {
        return None;
    }
    let through: u32 = census.peers.iter().filter(|peer| network(peer.address) == only).map(|peer| peer.sockets).sum();
    let severity = if through == 0 { Severity::Warning } else { Severity::Info };
    let (name, count) = (network_name(only), waiting.len());
    let summary = say! {
        en: "our SYN-ACKs to {name} get no answer ({count} connections half open at {local})",
        ko: "{name}(으)로 보낸 SYN-ACK에 응답이 없음({local}에 반쯤 열린 연결 {count}개)",
        name = name, count = count, local = local
    };
    let listener = Some(local.to_string());
    let subject = Subject {
        kind: SubjectKind::Subnet,
        subnet: Some(name.clone()),
        local: listener.clone(),
        listener,
        ..Subject::default()
    };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = LIKELY;
    finding.size = count as f64;
    finding.cause = say! {
        en: "SYNs of {name} arrive, our answers do not get there: the way back is broken or filtered",
        ko: "{name}의 SYN은 도착하지만 우리 응답이 그곳에 이르지 못함: 돌아가는 경로가 끊겼거나 걸러짐",
        name = name
    };
    let address = waiting.first()?.socket.remote.address;
    advise(&mut finding, address);
    let most = waiting.iter().map(|followed| followed.socket.timer_retrans).max().unwrap_or(0);
    Some(
        finding
            .evidence("SYN_RECV sent again twice", (count as f64, "sockets"), "subnet, listener", "sock_diag")
            .evidence("idiag_retrans", (f64::from(most), "retransmissions"), "largest of them", "sock_diag")
            .evidence("other connections of it", (f64::from(through), "sockets"), "subnet", "sock_diag"),
    )
}

fn advise(finding: &mut Finding, address: IpAddr) {
    finding.now =
        vec![Advice::from(say! { en: "ip route get {address}", ko: "ip route get {address}", address = address })];
    finding.repair = vec![Advice::from(say! {
        en: "the return route, or the filter that lets SYNs in and answers not out",
        ko: "돌아가는 경로, 또는 SYN은 들이고 응답은 막는 필터"
    })];
    finding.ruled_out = vec![say! {
        en: "a SYN flood: the queue is not full, and all come from one network",
        ko: "SYN 폭주가 아님: 큐가 가득 차지 않았고 모두 한 네트워크에서 옴"
    }];
    finding.verify = vec!["ss -tano state syn-recv".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Socket, Timer};

    fn half_open(host: u16, retrans: u8) -> Socket {
        let remote = format!("203.0.113.{host}:4000");
        Socket { info: None, ..Socket::tcp(State::SynRecv, "192.0.2.1:80", &remote).timer(Timer::On, retrans, 900) }
    }

    fn scene(count: u16, retrans: u8) -> Scene {
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 100).inode(7));
        scene.each(count, |scene, n| scene.born(half_open(n + 1, retrans)))
    }

    /// Three of one network.
    pub(crate) fn example() -> Example {
        scene(3, 2).build()
    }

    #[test]
    fn three_sent_again_twice_are_a_warning() {
        assert_eq!(scene(2, 5).build().severity(&RULE), None);
        assert_eq!(scene(9, 1).build().severity(&RULE), None);
        let finding = &example().findings(&RULE)[0];
        assert_eq!((finding.severity, finding.subject.subnet.as_deref()), (Severity::Warning, Some("203.0.113.0/24")));
    }

    #[test]
    fn where_others_get_through_or_others_wait_it_is_not_the_network() {
        let through = Socket::tcp(State::Established, "192.0.2.1:80", "203.0.113.99:4000");
        assert_eq!(scene(3, 2).still(&through).build().severity(&RULE), Some(Severity::Info));
        let other = Socket {
            info: None,
            ..Socket::tcp(State::SynRecv, "192.0.2.1:80", "198.51.100.1:9").timer(Timer::On, 2, 9)
        };
        assert_eq!(scene(3, 2).born(other).build().severity(&RULE), None);
        assert_eq!(scene(3, 2).grew(DO_COOKIES.0, 1).build().severity(&RULE), None);
    }
}
