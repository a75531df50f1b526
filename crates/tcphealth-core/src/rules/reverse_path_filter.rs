//! `reverse-path-filter`: answers arrive on another interface than the route says, and rp_filter drops them.

use std::net::IpAddr;

use super::connecting::{self, DESTINATIONS_MAX, SYN_RETRANS, Waiting};
use super::judge::said;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::{PacketKind, Question, Watch};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

pub(super) const REVERSE_PATH: Counter = Counter("TcpExt.IPReversePathFilter");

/// The rule.
pub static RULE: Rule = Rule {
    id: "reverse-path-filter",
    trouble: text! {
        en: "answers arrive on another interface and rp_filter drops them",
        ko: "응답이 다른 인터페이스로 들어와 rp_filter가 버림"
    },
    page: Page {
        sees: text! {
            en: "ΔTcpExt.IPReversePathFilter ≥ 3 and ≥ half of ΔTcpExt.TCPSynRetrans while SYN_SENT sockets send their SYN again; the \
                 interface from the SYN-ACKs that a packet socket hears.",
            ko: "SYN_SENT 소켓이 SYN을 다시 보내는 동안 ΔTcpExt.IPReversePathFilter가 3 이상이고 ΔTcpExt.TCPSynRetrans의 절반 이상일 때. \
                 인터페이스는 패킷 소켓이 들은 SYN-ACK로 안다."
        },
        matters: text! {
            en: "connect() hangs although the peer answers: the host has several interfaces and the answer takes another way than the \
                 request. Growth without failing connects is what the filter is for: forged senders.",
            ko: "상대가 응답하는데도 connect()가 멈춘다. 인터페이스가 여럿인 호스트에서 응답이 요청과 다른 길로 온 것이다. 실패하는 연결 \
                 없이 늘기만 하면 위조된 발신지를 거르는 정상 동작이다."
        },
        act: text! {
            en: "Make the routes symmetric, or set rp_filter to loose (2) on the interface on which the answers arrive.",
            ko: "경로를 대칭으로 만들거나, 응답이 들어오는 인터페이스의 rp_filter를 느슨하게(2) 설정한다."
        },
        sources: "RFC 3704 §2; net/ipv4/fib_frontend.c __fib_validate_source(); Documentation/networking/ip-sysctl.rst rp_filter",
    },
    rank: 12,
    reads: &[Read::Counter(REVERSE_PATH), Read::Counter(SYN_RETRANS), Read::Census, Read::Window],
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

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let dropped = window.delta(REVERSE_PATH).unwrap_or(0);
    let retrans = window.delta(SYN_RETRANS).unwrap_or(0);
    let waiting = connecting::waiting(window);
    let many = dropped as f64 >= limits.reverse_path_filter_warning_packets
        && dropped as f64 >= limits.connect_explained_ratio * retrans as f64;
    let list = match waiting.split_first().filter(|_| many) {
        Some((target, others)) => vec![failing(window, target, others, &mut questions)],
        None if dropped > 0 => vec![harmless()],
        None => Vec::new(),
    };
    let list = list.into_iter().map(|finding| with_evidence(finding, dropped, retrans)).collect();
    said(window, limits, list, questions)
}

/// The interface on which the answers of a destination arrive, when they have been heard.
fn arrives_on(window: &Window, target: &Waiting) -> Option<String> {
    let packets = &connecting::heard(window, Watch::SynAcks)?.packets;
    let heard = packets
        .iter()
        .find(|packet| packet.kind == PacketKind::SynAck && !packet.outgoing && packet.source == target.destination)?;
    let interfaces = window.last().interfaces.as_ref().ok()?;
    interfaces.iter().find(|known| known.ifindex == heard.ifindex).map(|known| known.name.clone())
}

fn failing(window: &Window, target: &Waiting, others: &[Waiting], questions: &mut Vec<Question>) -> Finding {
    let interface = arrives_on(window, target);
    let (place, device) = (target.destination, interface.clone().unwrap_or_else(|| "DEV".to_owned()));
    let severity = if connecting::any_connected(window) { Severity::Warning } else { Severity::Critical };
    let subject = Subject { interface: interface.clone(), ..target.subject(window, questions) };
    let summary = say! {
        en: "answers of {place} arrive, and rp_filter drops them",
        ko: "{place}의 응답이 도착하지만 rp_filter가 버림",
        place = place
    };
    Finding {
        confidence: if interface.is_some() { 0.95 } else { 0.8 },
        size: f64::from(target.sockets),
        cause: cause(place.address, interface.as_deref()),
        concerns: others.iter().take(DESTINATIONS_MAX).map(|other| other.destination.to_string()).collect(),
        now: vec![Advice::from(say! {
            en: "compare: ip route get {peer}; ip rule; and the interface of tcpdump -ni any 'tcp[13] & 18 = 18'",
            ko: "비교한다: ip route get {peer}; ip rule; tcpdump -ni any 'tcp[13] & 18 = 18'의 인터페이스",
            peer = place.address
        })],
        repair: vec![repair(&device)],
        ruled_out: vec![say! {
            en: "no filter rule: the kernel counts these drops as reverse-path drops",
            ko: "방화벽 규칙 아님: 커널이 역경로 폐기로 세고 있음"
        }],
        ..Finding::new(severity, subject, summary)
    }
}

fn cause(peer: IpAddr, interface: Option<&str>) -> Message {
    if let Some(device) = interface {
        say! {
            en: "the answers come in by {device}, but the route back to {peer} leaves by another interface: strict reverse-path filtering \
                 takes them for forged",
            ko: "응답이 {device}(으)로 들어오지만 {peer}(으)로 가는 경로는 다른 인터페이스임: 엄격한 역경로 필터가 위조로 보고 버림",
            device = device, peer = peer
        }
    } else {
        say! {
            en: "the answers come in by another interface than the route back to {peer} leaves by: strict reverse-path filtering takes them \
                 for forged (by which one was not heard; that takes CAP_NET_RAW)",
            ko: "응답이 {peer}(으)로 가는 경로와 다른 인터페이스로 들어옴: 엄격한 역경로 필터가 위조로 보고 버림(어느 인터페이스인지는 듣지 \
                 못함, CAP_NET_RAW 필요)",
            peer = peer
        }
    }
}

/// The larger of `all` and the interface's own value is in force, so 2 on the interface is loose whatever `all` says.
fn repair(device: &str) -> Advice {
    let act = say! {
        en: "sysctl -w net.ipv4.conf.{device}.rp_filter=2, or a route and rule that sends by the interface on which the answers come",
        ko: "sysctl -w net.ipv4.conf.{device}.rp_filter=2, 또는 응답이 들어오는 인터페이스로 내보내는 경로와 규칙을 둔다",
        device = device
    };
    Advice::from(act)
        .effect(say! { en: "an answer is taken from any interface if its sender is reachable at all", ko: "발신지에 닿는 경로가 있기만 하면 어느 인터페이스의 응답이든 받음" })
        .side_effect(say! { en: "forged senders from other networks are no longer dropped there", ko: "그 인터페이스에서 다른 네트워크의 위조 발신지를 거르지 않게 됨" })
        .undo(say! { en: "sysctl -w net.ipv4.conf.{device}.rp_filter=1", ko: "sysctl -w net.ipv4.conf.{device}.rp_filter=1", device = device })
}

fn harmless() -> Finding {
    let summary = say! {
        en: "rp_filter drops packets, and no connect suffers from it",
        ko: "rp_filter가 패킷을 버리지만 이로 인해 실패하는 연결은 없음"
    };
    Finding {
        cause: say! {
            en: "packets arrive whose sender would be answered by another interface: forged senders, which is what the filter is for, or \
                 asymmetric routes of somebody else",
            ko: "발신지에 다른 인터페이스로 답해야 하는 패킷이 도착함: 필터가 막으려는 위조 발신지이거나 다른 곳의 비대칭 경로"
        },
        ..Finding::new(Severity::Info, Subject::default(), summary)
    }
}

fn with_evidence(finding: Finding, dropped: u64, retrans: u64) -> Finding {
    let verify = vec!["nstat -z TcpExtIPReversePathFilter TcpExtTCPSynRetrans".into()];
    Finding { verify, ..finding }
        .evidence(REVERSE_PATH.0, (dropped as f64, "packets"), "netns", "/proc/net/netstat")
        .evidence(SYN_RETRANS.0, (retrans as f64, "segments"), "netns", "/proc/net/netstat")
}

#[cfg(test)]
mod tests {
    use super::super::connect_unanswered::tests::waiting;
    use super::*;
    use crate::rules::testing::{Example, Scene, endpoint};
    use crate::snapshot::{Fact, Heard, Interface, Packet, Socket, State};

    const PLACE: &str = "198.51.100.7:443";

    fn scene(dropped: u64, retrans: u64) -> Scene {
        Scene::new()
            .owner(1, 42, "app")
            .grew(REVERSE_PATH.0, dropped)
            .grew(SYN_RETRANS.0, retrans)
            .still(&waiting(0, PLACE))
    }

    pub(super) fn example() -> Example {
        let packet = Packet {
            kind: PacketKind::SynAck,
            at_ns: 0,
            outgoing: false,
            ifindex: 3,
            from: endpoint(PLACE).address,
            ttl: 60,
            source: endpoint(PLACE),
            destination: endpoint("192.0.2.1:40000"),
            sequence: 1,
        };
        let heard = Heard { packets: vec![packet], ..Heard::default() };
        scene(10, 10)
            .interface(Interface { name: "eth1".into(), ifindex: 3, ..Interface::default() })
            .answer(Question::Watch(Watch::SynAcks), Ok(Fact::Heard(heard)))
            .build()
    }

    #[test]
    fn three_drops_and_half_of_the_retries_are_needed() {
        let open = || Socket::tcp(State::Established, "192.0.2.1:50000", "198.51.100.8:80");
        assert_eq!(scene(0, 3).build().severity(&RULE), None);
        assert_eq!(scene(2, 3).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(3, 6).born(open()).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(3, 7).born(open()).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(3, 6).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn growth_without_failing_connects_is_what_the_filter_is_for() {
        assert_eq!(Scene::new().grew(REVERSE_PATH.0, 500).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn destination_and_interface_are_named() {
        let found = example().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some(PLACE));
        assert_eq!(found[0].subject.interface.as_deref(), Some("eth1"));
    }
}
