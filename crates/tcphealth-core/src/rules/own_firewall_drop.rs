//! `own-firewall-drop`: this host's own filter drops the answers to its connects, or the requests.

use super::connecting::{self, DESTINATIONS_MAX, RETRANS_FAIL, SYN_RETRANS, Waiting};
use super::judge::said;
use super::reverse_path_filter::REVERSE_PATH;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, conntrack_full};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{PacketKind, Question, Watch};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const IN_RECEIVES: Counter = Counter("Ip.InReceives");
const IN_DELIVERS: Counter = Counter("Ip.InDelivers");
const FORWARDED: Counter = Counter("Ip.ForwDatagrams");

/// Packets that came in and did not get to a protocol for a reason that has its own counter.
const EXPLAINED: [&str; 8] = [
    "Ip.InHdrErrors",
    "Ip.InAddrErrors",
    "Ip.InUnknownProtos",
    "Ip.InDiscards",
    "Ip.ForwDatagrams",
    "IpExt.InNoRoutes",
    "IpExt.InTruncatedPkts",
    "TcpExt.IPReversePathFilter",
];
const EXPLAINED6: [&str; 8] = [
    "Ip6InHdrErrors",
    "Ip6InTooBigErrors",
    "Ip6InNoRoutes",
    "Ip6InAddrErrors",
    "Ip6InUnknownProtos",
    "Ip6InTruncatedPkts",
    "Ip6InDiscards",
    "Ip6OutForwDatagrams",
];

/// The rule.
pub static RULE: Rule = Rule {
    id: "own-firewall-drop",
    trouble: text! {
        en: "this host's own filter drops the answers (or the requests)",
        ko: "이 호스트 자신의 방화벽이 응답(또는 요청)을 버림"
    },
    page: Page {
        sees: text! {
            en: "While SYN_SENT sockets send their SYN again: ΔIp.InReceives − InDelivers − ForwDatagrams − IPReversePathFilter − errors \
                 (and Ip6…) ≥ 3 and ≥ half of ΔTCPSynRetrans for answers dropped on the way in, ΔTcpExt.TCPRetransFail for requests \
                 dropped on the way out. A packet socket hears the SYN-ACKs before the filter does.",
            ko: "SYN_SENT 소켓이 SYN을 다시 보내는 동안: 들어오는 응답의 폐기는 ΔIp.InReceives − InDelivers − ForwDatagrams − \
                 IPReversePathFilter − 오류(Ip6 포함)가 3 이상이고 ΔTCPSynRetrans의 절반 이상일 때, 나가는 요청의 폐기는 \
                 ΔTcpExt.TCPRetransFail로 안다. 패킷 소켓은 방화벽보다 먼저 SYN-ACK를 듣는다."
        },
        matters: text! {
            en: "connect() hangs although the peer answers: the network is innocent.",
            ko: "상대가 응답하는데도 connect()가 멈춘다. 네트워크 문제가 아니다."
        },
        act: text! {
            en: "Find the rule whose packet counter grows: nft list ruleset.",
            ko: "패킷 카운터가 늘어나는 규칙을 찾는다: nft list ruleset."
        },
        sources: "net/ipv4/ip_input.c ip_local_deliver(); net/ipv4/tcp_output.c tcp_retransmit_skb(); RFC 4293 ipSystemStatsInReceives",
    },
    rank: 12,
    reads: &[
        Read::Counter(IN_RECEIVES),
        Read::Counter(IN_DELIVERS),
        Read::Counter(FORWARDED),
        Read::Counter(RETRANS_FAIL),
        Read::Counter(SYN_RETRANS),
        Read::Census,
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Watch(Watch::SynAcks)],
    hides: &[
        Hides { rule: "connect-unanswered", shared: Shared::Destination },
        Hides { rule: "slow-connect", shared: Shared::Destination },
    ],
    watches: |window, _| connecting::while_syns_retry(window, &[Watch::SynAcks]),
    check,
    #[cfg(test)]
    example: tests::example,
};

/// Where the filter stands, and how many packets it dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drops {
    /// Answers on the way in.
    In(u64),
    /// Requests on the way out.
    Out(u64),
}

impl Drops {
    fn count(self) -> u64 {
        match self {
            Self::In(count) | Self::Out(count) => count,
        }
    }
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (mut questions, mut list) = (Vec::new(), Vec::new());
    let mut waiting = connecting::waiting(window);
    if let Some(drops) = drops(window, limits) {
        waiting.retain(|target| answered(window, target, drops));
        if let Some((target, others)) = waiting.split_first() {
            let concerns = others.iter().take(DESTINATIONS_MAX).map(|other| other.destination.to_string()).collect();
            list.push(Finding { concerns, ..finding(window, target, drops, &mut questions) });
        }
    }
    said(window, limits, list, questions)
}

/// The drops of this window, when they are enough to explain the half of the SYNs that were sent again.
fn drops(window: &Window, limits: &Limits) -> Option<Drops> {
    let half = window.delta(SYN_RETRANS)? as f64 * limits.connect_explained_ratio;
    let enough = |count: u64| count as f64 >= limits.own_firewall_drop_warning_packets && count as f64 >= half;
    let out = window.delta(RETRANS_FAIL).filter(|&count| enough(count) && !conntrack_full::is_full(window, limits));
    out.map(Drops::Out).or_else(|| dropped_in(window).filter(|&count| enough(count)).map(Drops::In))
}

/// Packets received and neither delivered nor counted as anything else: a filter dropped them.
fn dropped_in(window: &Window) -> Option<u64> {
    let grown = |name: &str| window.delta_named(name).unwrap_or(0);
    let lost = |received: u64, delivered: u64, explained: &[&str], family: &str| {
        let merged = grown(&format!("{family}ReasmReqds")).saturating_sub(grown(&format!("{family}ReasmOKs")));
        let explained: u64 = explained.iter().map(|name| grown(name)).sum();
        received.saturating_sub(delivered + explained + merged)
    };
    let v4 = lost(window.delta(IN_RECEIVES)?, window.delta(IN_DELIVERS)?, &EXPLAINED, "Ip.");
    Some(v4 + lost(grown("Ip6InReceives"), grown("Ip6InDelivers"), &EXPLAINED6, "Ip6"))
}

/// Answers dropped on the way in have been heard before the filter, if somebody listened.
fn answered(window: &Window, target: &Waiting, drops: Drops) -> bool {
    match (drops, connecting::heard(window, Watch::SynAcks)) {
        (Drops::In(_), Some(heard)) => heard
            .packets
            .iter()
            .any(|packet| packet.kind == PacketKind::SynAck && !packet.outgoing && packet.source == target.destination),
        _ => true,
    }
}

fn finding(window: &Window, target: &Waiting, drops: Drops, questions: &mut Vec<Question>) -> Finding {
    let place = target.destination;
    let severity = if connecting::any_connected(window) { Severity::Warning } else { Severity::Critical };
    let proven = matches!(drops, Drops::In(_)) && connecting::heard(window, Watch::SynAcks).is_some();
    let summary = match drops {
        Drops::In(_) => say! {
            en: "this host's own firewall drops the answers of {place}",
            ko: "이 호스트의 방화벽이 {place}의 응답을 버림",
            place = place
        },
        Drops::Out(_) => say! {
            en: "this host's own firewall drops the requests to {place}",
            ko: "이 호스트의 방화벽이 {place}(으)로 가는 요청을 버림",
            place = place
        },
    };
    let finding = Finding {
        confidence: if proven { 0.95 } else { 0.8 },
        size: drops.count() as f64,
        cause: cause(drops, proven),
        now: vec![Advice::from(say! {
            en: "find the rule whose packet counter grows: nft list ruleset (counters), iptables -vnL",
            ko: "패킷 카운터가 늘어나는 규칙을 찾는다: nft list ruleset(counter), iptables -vnL"
        })],
        repair: vec![repair(drops, target)],
        ruled_out: vec![say! {
            en: "not the network: the packets are lost inside this host",
            ko: "네트워크 문제 아님: 패킷이 이 호스트 안에서 사라짐"
        }],
        verify: vec!["nft list ruleset".into(), verify(drops).into()],
        ..Finding::new(severity, target.subject(window, questions), summary)
    };
    with_evidence(window, target, drops, finding)
}

/// Answers belong to a connection; a SYN that leaves is a new one, and has to be allowed by its port.
fn repair(drops: Drops, target: &Waiting) -> Advice {
    let (peer, port) = (target.destination.address, target.destination.port);
    let family = if peer.is_ipv4() { "ip" } else { "ip6" };
    Advice::from(match drops {
        Drops::In(_) => say! {
            en: "accept established connections before that rule: ct state established,related accept",
            ko: "그 규칙 앞에서 성립된 연결을 허용한다: ct state established,related accept"
        },
        Drops::Out(_) => say! {
            en: "accept these requests before that rule: {family} daddr {peer} tcp dport {port} accept",
            ko: "그 규칙 앞에서 이 요청을 허용한다: {family} daddr {peer} tcp dport {port} accept",
            family = family, peer = peer, port = port
        },
    })
}

fn verify(drops: Drops) -> &'static str {
    match drops {
        Drops::In(_) => "nstat -z IpInReceives IpInDelivers TcpExtTCPSynRetrans",
        Drops::Out(_) => "nstat -z TcpExtTCPRetransFail TcpExtTCPSynRetrans",
    }
}

fn with_evidence(window: &Window, target: &Waiting, drops: Drops, finding: Finding) -> Finding {
    let (name, source) = match drops {
        Drops::In(_) => ("received and not delivered", "InReceives - InDelivers - ForwDatagrams - errors"),
        Drops::Out(_) => (RETRANS_FAIL.0, "/proc/net/netstat"),
    };
    let retrans = window.delta(SYN_RETRANS).unwrap_or(0) as f64;
    let reverse = window.delta(REVERSE_PATH).unwrap_or(0) as f64;
    finding
        .evidence(name, (drops.count() as f64, "packets"), "netns", source)
        .evidence(SYN_RETRANS.0, (retrans, "segments"), "netns", "/proc/net/netstat")
        .evidence(REVERSE_PATH.0, (reverse, "packets"), "netns", "/proc/net/netstat")
        .evidence("SYN_SENT with SYN sent again", (f64::from(target.sockets), "sockets"), "destination", "sock_diag")
}

fn cause(drops: Drops, proven: bool) -> Message {
    match drops {
        Drops::In(count) if proven => say! {
            en: "SYN-ACKs arrive, and {count} packets were dropped before TCP saw them: a rule in the input or prerouting chain",
            ko: "SYN-ACK는 도착하지만 TCP에 닿기 전에 패킷 {count}개가 버려짐: input 또는 prerouting 체인의 규칙",
            count = count
        },
        Drops::In(count) => say! {
            en: "{count} packets arrived and were dropped before any protocol saw them, while SYNs are sent again: a rule in the input or \
                 prerouting chain",
            ko: "SYN을 다시 보내는 동안 도착한 패킷 {count}개가 프로토콜에 닿기 전에 버려짐: input 또는 prerouting 체인의 규칙",
            count = count
        },
        Drops::Out(count) => say! {
            en: "{count} SYNs could not be sent again because this host refused to send them, and the connection tracking table is not \
                 full: a rule in the output or postrouting chain",
            ko: "이 호스트가 전송을 거부해 SYN {count}개를 다시 보내지 못했고 연결 추적 테이블은 가득 차지 않음: output 또는 postrouting 체인의 규칙",
            count = count
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect_unanswered::tests::waiting;
    use super::*;
    use crate::rules::testing::{Example, Scene, endpoint, last_two};
    use crate::snapshot::{Fact, Heard, Packet, Socket, State};

    const PLACE: &str = "198.51.100.7:443";

    fn scene(received: u64, retrans: u64) -> Scene {
        Scene::new()
            .owner(1, 42, "app")
            .grew(IN_RECEIVES.0, received)
            .grew(IN_DELIVERS.0, 100)
            .grew(SYN_RETRANS.0, retrans)
            .still(&waiting(0, PLACE))
    }

    fn syn_acks(scene: Scene, from: &str) -> Scene {
        let packet = Packet {
            kind: PacketKind::SynAck,
            at_ns: 0,
            outgoing: false,
            ifindex: 2,
            from: endpoint(from).address,
            ttl: 60,
            source: endpoint(from),
            destination: endpoint("192.0.2.1:40000"),
            sequence: 1,
        };
        let heard = Heard { packets: vec![packet], ..Heard::default() };
        scene.answer(Question::Watch(Watch::SynAcks), Ok(Fact::Heard(heard)))
    }

    pub(super) fn example() -> Example {
        scene(110, 10).build()
    }

    fn open() -> Socket {
        Socket::tcp(State::Established, "192.0.2.1:50000", "198.51.100.8:80")
    }

    #[test]
    fn three_drops_and_half_of_the_retries_are_needed() {
        assert_eq!(scene(102, 3).born(open()).build().severity(&RULE), None);
        assert_eq!(scene(103, 3).born(open()).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(104, 9).born(open()).build().severity(&RULE), None);
        assert_eq!(scene(105, 10).born(open()).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(105, 10).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn what_another_counter_explains_is_no_filter() {
        assert_eq!(scene(110, 10).grew(REVERSE_PATH.0, 10).build().severity(&RULE), None);
        assert_eq!(scene(110, 10).grew("Ip.InAddrErrors", 6).build().severity(&RULE), None);
        let fragments = scene(110, 10).grew("Ip.ReasmReqds", 20).grew("Ip.ReasmOKs", 10);
        assert_eq!(fragments.build().severity(&RULE), None);
        let v6 = scene(100, 10).grew("Ip6InReceives", 15).grew("Ip6InDelivers", 10);
        assert_eq!(v6.build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn drops_without_connects_that_wait_are_the_filter_at_work() {
        let scene = Scene::new().grew(IN_RECEIVES.0, 500).grew(SYN_RETRANS.0, 0);
        assert_eq!(scene.build().severity(&RULE), None);
    }

    #[test]
    fn requests_dropped_on_the_way_out_are_told_from_a_full_table() {
        let out = |scene: Scene| scene.grew(RETRANS_FAIL.0, 3);
        let found = out(scene(100, 3)).build().findings(&RULE);
        assert_eq!(found[0].severity, Severity::Critical);
        assert!(found[0].repair[0].act.en.ends_with("ip daddr 198.51.100.7 tcp dport 443 accept"));
        assert_eq!(out(scene(100, 7)).build().severity(&RULE), None);
        let full = out(scene(100, 3)).gauge("conntrack.count", 100).gauge("conntrack.max", 100);
        assert_eq!(full.build().severity(&RULE), None);
    }

    #[test]
    fn the_answers_are_heard_before_the_filter() {
        let found = syn_acks(scene(110, 10), PLACE).build().findings(&RULE);
        assert!(found[0].confidence >= 0.95);
        assert_eq!(found[0].subject.remote.as_deref(), Some(PLACE));
        assert_eq!(syn_acks(scene(110, 10), "198.51.100.9:443").build().severity(&RULE), None);
    }

    #[test]
    fn what_single_windows_hold_too_little_of_ten_minutes_show() {
        assert_eq!(last_two(&RULE, 60, |_| scene(101, 1).born(open()).build()), [None, Some(Severity::Warning)]);
    }
}
