//! `closed-port-probed`: connections arrive at ports where nothing listens. Worth a line, never more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::connecting::{self, EMBRYONIC_RSTS};
use super::judge::said;
use super::resetting::{self, ON_CLOSE, ON_DATA, ON_LINGER, ON_MEMORY, ON_TIMEOUT, OUT_RSTS};
use super::{Ask, Limits, Page, Read, Rule};
use crate::report::{Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Packet, PacketKind, Passed, PeerTally, Tally, Watch};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "closed-port-probed",
    trouble: text! {
        en: "connections to ports where nothing listens",
        ko: "listen하는 프로그램이 없는 포트로 연결이 들어옴"
    },
    page: Page {
        sees: text! {
            en: "ΔTcp.OutRsts − ΔTcpExt.TCPAbortOn{Data,Close,Timeout,Memory,Linger} ≥ 1 a second: resets that answer strangers. By the \
                 resets that a packet socket hears leave: one source and many ports is a scan, one port and many sources a service that \
                 is gone.",
            ko: "ΔTcp.OutRsts − ΔTcpExt.TCPAbortOn{Data,Close,Timeout,Memory,Linger}가 초당 1 이상: 모르는 상대에게 답한 RST. 패킷 소켓이 들은 \
                 나가는 RST로 구별한다: 발신지 하나에 포트 여럿이면 스캔, 포트 하나에 발신지 여럿이면 사라진 서비스."
        },
        matters: text! {
            en: "Nothing here is broken. If clients still ask for a service that was stopped or moved, they fail.",
            ko: "이쪽에 고장 난 것은 없다. 중지했거나 옮긴 서비스를 클라이언트가 아직 찾는다면 그들은 실패한다."
        },
        act: text! {
            en: "A scan: nothing, or a filter. A service that moved: tell its clients.",
            ko: "스캔이면 그대로 두거나 방화벽으로 막는다. 옮긴 서비스라면 클라이언트에 알린다."
        },
        sources: "RFC 9293 §3.5.2; net/ipv4/tcp_ipv4.c tcp_v4_send_reset()",
    },
    rank: 99,
    reads: &[
        Read::Counter(OUT_RSTS),
        Read::Counter(ON_DATA),
        Read::Counter(ON_CLOSE),
        Read::Counter(ON_TIMEOUT),
        Read::Counter(ON_MEMORY),
        Read::Counter(ON_LINGER),
        Read::Window,
    ],
    asks: &[Ask::Watch(Watch::Resets)],
    hides: &[],
    watches: |window, _| match strangers(window) {
        Some(count) if count > 0 => vec![Watch::Resets],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

/// Resets sent for another reason than that a program here ended a connection.
fn strangers(window: &Window) -> Option<u64> {
    Some(window.delta(OUT_RSTS)?.saturating_sub(resetting::aborts(window)?))
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let count = strangers(window).unwrap_or(0);
    let per_second = count as f64 / window.seconds();
    let list = if window.is_whole() && per_second >= limits.closed_port_info_per_second {
        vec![finding(window, count, per_second)]
    } else {
        Vec::new()
    };
    said(window, limits, list, Vec::new())
}

/// `SK_RST_REASON_NO_SOCKET`.
const NO_SOCKET: &str = "NO_SOCKET";

/// Whom we answered with resets, and from which ports.
#[derive(Default)]
struct Answered {
    ports_of: BTreeMap<IpAddr, BTreeSet<u16>>,
    sources_of: BTreeMap<u16, BTreeSet<IpAddr>>,
}

impl Answered {
    /// By the kernel's events, which know why each reset was sent.
    fn told(tally: &Tally) -> Self {
        let mut answered = Self::default();
        let stray = |peer: &&PeerTally| matches!(&peer.what, Passed::WeReset { reason } if reason == NO_SOCKET);
        for peer in tally.peers.iter().filter(stray) {
            answered.ports_of.entry(peer.address).or_default().insert(peer.port);
            answered.sources_of.entry(peer.port).or_default().insert(peer.address);
        }
        answered
    }

    fn is_known(&self) -> bool {
        !self.ports_of.is_empty()
    }

    /// Resets that left from ports where nothing listens.
    fn heard(window: &Window) -> Self {
        let mut answered = Self::default();
        let open = |packet: &Packet| window.census().is_some_and(|census| census.listener(&packet.source).is_some());
        let packets = connecting::heard(window, Watch::Resets).into_iter().flat_map(|heard| &heard.packets);
        for packet in packets.filter(|packet| packet.kind == PacketKind::Reset && packet.outgoing && !open(packet)) {
            answered.ports_of.entry(packet.destination.address).or_default().insert(packet.source.port);
            answered.sources_of.entry(packet.source.port).or_default().insert(packet.destination.address);
        }
        answered
    }

    /// The source that tried most ports.
    fn scanner(&self) -> Option<(IpAddr, usize)> {
        let most = self.ports_of.iter().max_by_key(|(_, ports)| ports.len());
        most.map(|(source, ports)| (*source, ports.len()))
    }

    /// The port that most sources asked for.
    fn wanted(&self) -> Option<(u16, usize)> {
        let most = self.sources_of.iter().max_by_key(|(_, sources)| sources.len());
        most.map(|(port, sources)| (*port, sources.len()))
    }
}

fn finding(window: &Window, count: u64, per_second: f64) -> Finding {
    let answered = window.tally().map(Answered::told).filter(Answered::is_known);
    let answered = answered.unwrap_or_else(|| Answered::heard(window));
    let scanner = answered.scanner();
    let subject = Subject {
        kind: if scanner.is_some() { SubjectKind::Peer } else { SubjectKind::Netns },
        remote: scanner.map(|(source, _)| source.to_string()),
        ..Subject::default()
    };
    let rate = format!("{per_second:.1}");
    let summary = say! {
        en: "{rate} connections a second to ports where nothing listens",
        ko: "listen하지 않는 포트로 초당 {rate}개의 연결이 들어옴",
        rate = rate
    };
    let finding = Finding {
        confidence: if scanner.is_some() { 0.95 } else { 0.75 },
        size: per_second,
        cause: cause(&answered),
        verify: vec!["nstat -z TcpOutRsts 'TcpExtTCPAbortOn*'".into(), "tcpdump -ni any 'tcp[13] & 4 != 0'".into()],
        ..Finding::new(Severity::Info, subject, summary)
    };
    let embryonic = window.delta(EMBRYONIC_RSTS).unwrap_or(0) as f64;
    finding.evidence("OutRsts - TCPAbortOn*", (count as f64, "segments"), "netns", "/proc/net/snmp, netstat").evidence(
        EMBRYONIC_RSTS.0,
        (embryonic, "connections"),
        "netns",
        "/proc/net/netstat",
    )
}

fn cause(answered: &Answered) -> Message {
    match (answered.scanner(), answered.wanted()) {
        (Some((source, ports)), _) if ports > 1 => say! {
            en: "{source} tried {ports} closed ports: a scan; the resets are this host's answers, and nothing here is broken",
            ko: "{source}이(가) 닫힌 포트 {ports}개를 시도함: 스캔임. RST는 이 호스트의 응답이며 고장 난 것은 없음",
            source = source, ports = ports
        },
        (_, Some((port, sources))) => say! {
            en: "{sources} sources ask for port {port}, where nothing listens: a service that was stopped or moved, or a probe",
            ko: "발신지 {sources}곳이 listen하지 않는 {port} 포트를 찾음: 중지했거나 옮긴 서비스이거나 탐색임",
            sources = sources, port = port
        },
        _ => say! {
            en: "this host answers segments that belong to no connection with resets: scans, health checks, or clients of a service that \
                 was stopped; from whom was not heard (that takes CAP_NET_RAW)",
            ko: "어느 연결에도 속하지 않는 세그먼트에 RST로 답함: 스캔, 상태 확인, 또는 중지한 서비스의 클라이언트. 누구인지는 듣지 \
                 못함(CAP_NET_RAW 필요)"
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::resetting::tests::{hearing, reset};
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::Socket;

    fn scene(resets: u64) -> Scene {
        Scene::new().grew(OUT_RSTS.0, resets)
    }

    pub(super) fn example() -> Example {
        let sent = (1..=10).map(|port| reset(&format!("192.0.2.1:{port}"), "198.51.100.9:50000", true, 0));
        hearing(scene(100), Watch::Resets, Vec::new(), sent.collect()).build()
    }

    #[test]
    fn one_a_second_is_worth_a_line_and_a_thousand_no_more() {
        assert_eq!(scene(9).build().severity(&RULE), None);
        assert_eq!(scene(10).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10_000).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10).grew(ON_CLOSE.0, 1).build().severity(&RULE), None);
    }

    #[test]
    fn many_ports_of_one_source_are_a_scan() {
        let found = example().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some("198.51.100.9"));
        assert!(found[0].cause.en.contains("tried 10 closed ports"), "{}", found[0].cause.en);
    }

    #[test]
    fn one_port_of_many_sources_is_a_service_that_is_gone() {
        let sent = (1..=9).map(|n| reset("192.0.2.1:8080", &format!("198.51.100.{n}:50000"), true, 0)).collect();
        let found = hearing(scene(100), Watch::Resets, Vec::new(), sent).build().findings(&RULE);
        assert!(found[0].cause.en.contains("9 sources ask for port 8080"), "{}", found[0].cause.en);
    }

    #[test]
    fn events_name_the_scanner_where_no_packet_was_heard() {
        let reset = |port, reason: &str| PeerTally {
            address: "198.51.100.9".parse().unwrap(),
            port,
            what: Passed::WeReset { reason: reason.into() },
            count: 10,
        };
        let of = |reason: &str| {
            let peers = (1..=10).map(|port| reset(port, reason)).collect();
            let tally = crate::snapshot::Fact::Tally(Tally { peers, ..Tally::default() });
            scene(100)
                .answer(crate::snapshot::Question::Watch(Watch::Events), Ok(tally))
                .build()
                .findings(&RULE)
                .remove(0)
        };
        assert!(of(NO_SOCKET).cause.en.contains("198.51.100.9 tried 10 closed ports"));
        assert_eq!(of("TCP_ABORT_ON_CLOSE").subject.remote, None);
    }

    #[test]
    fn resets_from_an_open_port_name_nobody() {
        let sent = vec![reset("192.0.2.1:80", "198.51.100.9:50000", true, 0)];
        let open = hearing(scene(100), Watch::Resets, Vec::new(), sent).still(&Socket::listener("192.0.2.1:80", 0, 9));
        assert_eq!(open.build().findings(&RULE)[0].subject.remote, None);
    }
}
