//! `connect-refused`: nothing listens on the peer's port.

use std::collections::BTreeMap;

use super::connecting::{self, ACTIVE_OPENS, ATTEMPT_FAILS, DESTINATIONS_MAX, EMBRYONIC_RSTS, SYN_RETRANS};
use super::judge::said;
use super::rejected_by_router::IN_UNREACHABLE;
use super::{Ask, Limits, Page, Read, Rule, processes, wording};
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::{
    Attempt, ClosedSocket, ECONNREFUSED, Endpoint, Heard, Owner, PacketKind, Question, State, Watch,
};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "connect-refused",
    trouble: text! { en: "nothing listens on the peer's port", ko: "상대 포트에서 아무것도 listen하지 않음" },
    page: Page {
        sees: text! {
            en: "Sockets that die in the window with one segment received and none acknowledged (sock_diag destroy group), by destination: \
                 refused, with none accepted since. Without them ΔTcp.AttemptFails − ΔTcpExt.EmbryonicRsts against ΔTcp.ActiveOpens, \
                 where no SYN was sent again and no ICMP error came.",
            ko: "구간 안에 세그먼트 하나를 받고 아무것도 확인받지 못한 채 사라진 소켓(sock_diag destroy 그룹)을 목적지별로 센다: 거부된 뒤 \
                 성공한 연결이 없는 경우. 이것이 없으면 SYN 재전송과 ICMP 오류가 없을 때 ΔTcp.AttemptFails − ΔTcpExt.EmbryonicRsts를 \
                 ΔTcp.ActiveOpens와 비교한다."
        },
        matters: text! {
            en: "connect() fails at once with 'Connection refused': the network is fine, the service is not there.",
            ko: "connect()가 곧바로 'Connection refused'로 실패한다. 네트워크는 정상이고 서비스가 없는 것이다."
        },
        act: text! {
            en: "On the peer, see whether the service runs and on which address it listens: ss -ltn.",
            ko: "상대 호스트에서 서비스가 실행 중인지, 어느 주소에서 listen하는지 확인한다: ss -ltn."
        },
        sources: "RFC 9293 §3.10.7.3; net/ipv4/tcp_input.c tcp_rcv_synsent_state_process(), tcp_reset(); net/ipv4/tcp.c tcp_done()",
    },
    rank: 99,
    reads: &[
        Read::Counter(ACTIVE_OPENS),
        Read::Counter(ATTEMPT_FAILS),
        Read::Counter(EMBRYONIC_RSTS),
        Read::Counter(SYN_RETRANS),
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Watch(Watch::Closed), Ask::Watch(Watch::Resets)],
    hides: &[],
    watches: |window, _| match connecting::failed(window) {
        Some(failed) if failed > 0 => vec![Watch::Closed, Watch::Resets],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

/// Refused connects to one destination since the last that succeeded.
#[derive(Default)]
struct Refused<'a> {
    last: Option<&'a ClosedSocket>,
    since_success: u64,
    first_ns: u64,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let list = match connecting::heard(window, Watch::Closed) {
        Some(heard) => by_destination(window, limits, heard, &mut questions),
        None => by_counters(window, limits).into_iter().collect(),
    };
    said(window, limits, list, questions)
}

/// The RST was the only segment received, nothing of ours was acknowledged, and no round trip could be measured.
fn is_refused(closed: &ClosedSocket) -> bool {
    closed.bytes_acked == Some(0)
        && closed.bytes_received == Some(0)
        && closed.segs_in.is_some_and(|segments| segments > 0)
        && closed.rtt_us.unwrap_or(0) == 0
}

/// A connect() that waited and failed is taken back before the socket dies: its peer's address is left, and port 0. Why it failed
/// is told by the counters: refused, where nothing was sent again and no ICMP error came. One that never had a port of its own found
/// no route.
fn is_taken_back(closed: &ClosedSocket) -> bool {
    closed.remote.port == 0 && !closed.remote.is_any() && closed.local.port != 0
}

fn only_resets(window: &Window) -> bool {
    let unreachable = IN_UNREACHABLE.iter().filter_map(|counter| window.delta(*counter)).sum::<u64>();
    unreachable == 0
        && window.delta(SYN_RETRANS) == Some(0)
        && connecting::failed(window).is_some_and(|count| count > 0)
}

/// Where a connect that was taken back went: the kernel's events, or the resets of that address, name the port, when they were
/// heard.
fn target_of(window: &Window, closed: &ClosedSocket) -> Endpoint {
    if closed.remote.port != 0 {
        return closed.remote;
    }
    let address = closed.remote.address;
    let told = window.tally().and_then(|tally| processes::failed_at(tally, address, Attempt::Failed(ECONNREFUSED)));
    if let Some(place) = told {
        return place;
    }
    let packets = connecting::heard(window, Watch::Resets).into_iter().flat_map(|heard| &heard.packets);
    let mut resets = packets.filter(|packet| packet.kind == PacketKind::Reset && !packet.outgoing);
    resets.find(|packet| packet.source.address == closed.remote.address).map_or(closed.remote, |packet| packet.source)
}

fn targets<'a>(window: &Window<'a>) -> BTreeMap<Endpoint, Refused<'a>> {
    let mut targets: BTreeMap<Endpoint, Refused> = BTreeMap::new();
    let only_resets = only_resets(window);
    for closed in connecting::closed_clients(window) {
        let target = targets.entry(target_of(window, closed)).or_default();
        if is_refused(closed) || (only_resets && is_taken_back(closed)) {
            target.first_ns = if target.since_success == 0 { closed.at_ns } else { target.first_ns };
            target.since_success += 1;
            target.last = Some(closed);
        } else if connecting::had_connected(closed) {
            target.since_success = 0;
        }
    }
    targets
}

fn by_destination(window: &Window, limits: &Limits, heard: &Heard, questions: &mut Vec<Question>) -> Vec<Finding> {
    let refused = targets(window).into_iter().filter_map(|(place, target)| Some((place, target.last?, target)));
    let mut list: Vec<_> = refused.collect();
    list.sort_by_key(|(_, _, target)| std::cmp::Reverse(target.since_success));
    list.truncate(DESTINATIONS_MAX);
    let findings = list.into_iter().map(|(place, last, target)| {
        let seconds = heard.end_ns.saturating_sub(target.first_ns) as f64 / 1e9;
        let many = target.since_success as f64 >= limits.connect_refused_warning_count
            && seconds >= limits.connect_refused_warning_seconds;
        let severity = if many && !lives(window, &place) { Severity::Warning } else { Severity::Info };
        with_overruns(destination_finding(window, (place, last), (target.since_success, severity), questions), heard)
    });
    findings.collect()
}

/// A connection that was made in the window and still lives: the port is open.
fn lives(window: &Window, place: &Endpoint) -> bool {
    let services = window.census().map(|census| census.services.as_slice()).unwrap_or_default();
    services.iter().any(|service| service.key.destination() == Some(*place) && service.born.get(State::Established) > 0)
}

fn destination_finding(
    window: &Window,
    (place, refused): (Endpoint, &ClosedSocket),
    (count, severity): (u64, Severity),
    questions: &mut Vec<Question>,
) -> Finding {
    let owner = owner_inode(window, &place).and_then(|inode| window.owner(inode, refused.uid).or_ask(questions));
    let subject = subject(place, refused, owner);
    let name = subject.remote.clone().unwrap_or_default();
    let summary = if severity == Severity::Warning {
        say! { en: "{place} refuses: no program listens there", ko: "{place} 연결 거부: 그 포트에서 listen하는 프로그램이 없음", place = name }
    } else {
        say! { en: "{place} refused connections for a moment, or a few of them", ko: "{place}이(가) 잠시 또는 일부 연결을 거부함", place = name }
    };
    let finding = Finding {
        size: count as f64,
        cause: say! {
            en: "{name} answers SYNs with a reset at once: the host and the network are fine, the service is down, restarting, or listens \
                 on another address or port. The last {count} in a row were refused.",
            ko: "{name}이(가) SYN에 곧바로 RST로 답함: 호스트와 네트워크는 정상이고 서비스가 내려갔거나 재시작 중이거나 다른 주소·포트에서 \
                 listen 중임. 마지막 {count}개가 연속으로 거부됨.",
            name = name, count = count
        },
        ..base(severity, subject, summary)
    };
    let finding = Finding { verify: vec![format!("nc -vz {} {}", place.address, place.port)], ..finding };
    finding.evidence(
        "refused since the last success",
        (count as f64, "connections"),
        "destination",
        "sock_diag destroy group",
    )
}

/// Address and port, or the address alone where the kernel forgot the port; never a port that is not known.
fn subject(place: Endpoint, refused: &ClosedSocket, owner: Option<&Owner>) -> Subject {
    let mut subject = wording::destination(place, refused.local.address, owner);
    if place.port == 0 {
        subject.remote = Some(place.address.to_string());
    }
    subject.source = subject.source.filter(|_| !refused.local.is_any());
    subject
}

fn owner_inode(window: &Window, destination: &Endpoint) -> Option<u32> {
    let services = &window.census()?.services;
    let service = services.iter().find(|service| service.key.destination() == Some(*destination))?;
    service.inodes.first().copied()
}

fn with_overruns(finding: Finding, heard: &Heard) -> Finding {
    if heard.overruns == 0 {
        return finding;
    }
    let source = "sock_diag destroy group (ENOBUFS)";
    Finding { confidence: 0.8, ..finding }.evidence("messages lost", (heard.overruns as f64, "times"), "netns", source)
}

fn by_counters(window: &Window, limits: &Limits) -> Option<Finding> {
    let failed = connecting::failed(window).filter(|&failed| failed > 0)?;
    if !only_resets(window) {
        return None;
    }
    let opens = window.delta(ACTIVE_OPENS)?;
    let many = failed as f64 >= limits.connect_refused_warning_count
        && failed as f64 >= limits.connect_refused_warning_ratio * opens as f64;
    let severity = if many { Severity::Warning } else { Severity::Info };
    let summary = say! {
        en: "{failed} of {opens} connects were refused at once",
        ko: "연결 시도 {opens}개 가운데 {failed}개가 곧바로 거부됨",
        failed = failed, opens = opens
    };
    let finding = Finding {
        size: failed as f64,
        cause: say! {
            en: "they failed without a SYN sent again and without an ICMP error: a peer answered with a reset, because nothing listens on \
                 its port. Which one, the counters do not tell; nobody listened while the sockets died.",
            ko: "SYN 재전송도 ICMP 오류도 없이 실패함: 포트에서 listen하는 프로그램이 없어 상대가 RST로 답한 것임. 소켓이 사라지는 것을 \
                 지켜보지 못해 카운터만으로는 어느 상대인지 알 수 없음."
        },
        confidence: 0.75,
        ..base(severity, Subject::default(), summary)
    };
    let source = "AttemptFails - EmbryonicRsts";
    let finding = finding
        .evidence("failed connects", (failed as f64, "connections"), "netns", source)
        .evidence(ACTIVE_OPENS.0, (opens as f64, "connections"), "netns", "/proc/net/snmp")
        .evidence(SYN_RETRANS.0, (0.0, "segments"), "netns", "/proc/net/netstat");
    Some(finding)
}

fn base(severity: Severity, subject: Subject, summary: crate::words::Message) -> Finding {
    Finding {
        now: vec![Advice::from(say! {
            en: "on the peer: ss -ltn, and the service's log",
            ko: "상대 호스트에서 ss -ltn과 서비스 로그를 확인한다"
        })],
        repair: vec![Advice::from(say! {
            en: "start the service, or correct the address or port that the program here connects to",
            ko: "서비스를 시작하거나, 이쪽 프로그램이 접속하는 주소·포트를 바로잡는다"
        })],
        ruled_out: vec![say! {
            en: "not the network: the peer answers at once",
            ko: "네트워크 문제 아님: 상대가 즉시 응답함"
        }],
        verify: vec!["nstat -z TcpAttemptFails TcpActiveOpens TcpExtTCPSynRetrans".into()],
        ..Finding::new(severity, subject, summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, endpoint, last_two};
    use crate::snapshot::{Fact, Socket};

    const SECOND: u64 = 1_000_000_000;

    fn closed(at_ms: u64, acked: u64) -> ClosedSocket {
        ClosedSocket {
            local: endpoint("192.0.2.1:40000"),
            remote: endpoint("198.51.100.7:9000"),
            bytes_acked: Some(acked),
            bytes_received: Some(acked),
            segs_in: Some(1),
            rtt_us: Some(acked as u32),
            at_ns: 1_000 * SECOND + at_ms * 1_000_000,
            ..ClosedSocket::default()
        }
    }

    fn hearing(closed: Vec<ClosedSocket>) -> Scene {
        let heard = Heard { begin_ns: 1_001 * SECOND, end_ns: 1_010 * SECOND, closed, ..Heard::default() };
        Scene::new().answer(Question::Watch(Watch::Closed), Ok(Fact::Heard(heard)))
    }

    fn refused(count: u64, begin_ms: u64) -> Vec<ClosedSocket> {
        (0..count).map(|n| closed(begin_ms + n, 0)).collect()
    }

    pub(super) fn example() -> Example {
        hearing(refused(10, 2_000)).grew(ATTEMPT_FAILS.0, 10).grew(ACTIVE_OPENS.0, 10).build()
    }

    #[test]
    fn ten_in_a_row_for_three_seconds_to_the_end_are_a_warning() {
        assert_eq!(hearing(Vec::new()).build().severity(&RULE), None);
        assert_eq!(hearing(refused(9, 2_000)).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(hearing(refused(10, 2_000)).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(hearing(refused(10, 7_000)).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(hearing(refused(10, 7_001)).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn a_restart_is_a_burst_with_successes_after_it() {
        let mut burst = refused(30, 2_000);
        burst.push(closed(3_000, 500));
        assert_eq!(hearing(burst).build().severity(&RULE), Some(Severity::Info));
        let open = Socket::tcp(State::Established, "192.0.2.1:40001", "198.51.100.7:9000");
        assert_eq!(hearing(refused(30, 2_000)).born(open).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn the_destination_is_named() {
        let found = example().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some("198.51.100.7:9000"));
        assert_eq!(found[0].subject.source.as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn what_dies_at_our_own_listener_or_of_silence_is_not_refused() {
        let ours = hearing(refused(10, 2_000)).born(Socket::listener("192.0.2.1:40000", 0, 128));
        assert_eq!(ours.build().severity(&RULE), None);
        let silent = refused(10, 2_000).into_iter().map(|closed| ClosedSocket { segs_in: Some(0), ..closed });
        assert_eq!(hearing(silent.collect()).build().severity(&RULE), None);
    }

    #[test]
    fn a_connect_that_was_taken_back_is_refused_when_nothing_else_failed() {
        let taken = |mut closed: ClosedSocket| {
            (closed.remote.port, closed.segs_in) = (0, Some(0));
            closed
        };
        let scene = || hearing(refused(10, 2_000).into_iter().map(taken).collect()).grew(ATTEMPT_FAILS.0, 10);
        let found = scene().build().findings(&RULE);
        assert_eq!((found[0].severity, found[0].subject.remote.as_deref()), (Severity::Warning, Some("198.51.100.7")));
        let told = scene()
            .answer(Question::Watch(Watch::Events), Ok(Fact::Tally(processes::tests::refusal("198.51.100.7:443"))));
        let found = told.build().findings(&RULE);
        assert_eq!((found[0].subject.remote.as_deref(), found[0].subject.pid), (Some("198.51.100.7:443"), Some(42)));
        assert_eq!(scene().grew(SYN_RETRANS.0, 1).build().severity(&RULE), None);
        assert_eq!(scene().grew("Icmp.InDestUnreachs", 1).build().severity(&RULE), None);
    }

    #[test]
    fn without_a_watch_the_counters_tell_the_half() {
        let counters = |failed, opens| Scene::new().grew(ATTEMPT_FAILS.0, failed).grew(ACTIVE_OPENS.0, opens);
        assert_eq!(counters(9, 9).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(counters(10, 20).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(counters(10, 21).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(counters(10, 20).grew(SYN_RETRANS.0, 1).build().severity(&RULE), None);
        assert_eq!(counters(10, 20).grew("Icmp.InDestUnreachs", 1).build().severity(&RULE), None);
        assert_eq!(counters(10, 20).grew(EMBRYONIC_RSTS.0, 10).build().severity(&RULE), None);
    }

    #[test]
    fn one_a_second_for_half_a_minute_is_a_warning() {
        assert_eq!(
            last_two(&RULE, 3, |_| hearing(refused(10, 7_001)).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(last_two(&RULE, 3, |_| hearing(refused(9, 7_001)).build()), [Some(Severity::Info); 2]);
    }
}
