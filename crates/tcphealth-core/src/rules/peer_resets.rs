//! `peer-resets`: a peer reset connections that carried data.

use super::connecting::DESTINATIONS_MAX;
use super::judge::said;
use super::resetting::{self, Broken, ESTAB_RESETS, ON_CLOSE, ON_DATA, ON_LINGER, ON_MEMORY, ON_TIMEOUT};
use super::{Ask, Limits, Page, Read, Rule};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::Watch;
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// What every rule on received resets reads.
pub(super) const READS: &[Read] = &[
    Read::Counter(ESTAB_RESETS),
    Read::Counter(ON_DATA),
    Read::Counter(ON_CLOSE),
    Read::Counter(ON_TIMEOUT),
    Read::Counter(ON_MEMORY),
    Read::Counter(ON_LINGER),
    Read::TwoLooks,
];

/// The rule.
pub static RULE: Rule = Rule {
    id: "peer-resets",
    trouble: text! { en: "a peer reset connections", ko: "상대가 연결을 재설정(RST)함" },
    page: Page {
        sees: text! {
            en: "Resets received = ΔTcp.EstabResets − ΔTcpExt.TCPAbortOn{Data,Close,Timeout,Memory,Linger}, and connections with data of the \
                 first look that are gone at the second, by peer and port, as far as those resets explain them. Connections without data \
                 do not count.",
            ko: "받은 RST = ΔTcp.EstabResets − ΔTcpExt.TCPAbortOn{Data,Close,Timeout,Memory,Linger}. 첫 관찰에서 데이터가 오간 연결 가운데 둘째 \
                 관찰에 없는 것을 상대와 포트별로, 받은 RST로 설명되는 만큼 센다. 데이터가 없던 연결은 세지 않는다."
        },
        matters: text! {
            en: "Programs see 'Connection reset by peer', and what was on its way is lost.",
            ko: "프로그램은 'Connection reset by peer'를 보고, 전송 중이던 데이터는 사라진다."
        },
        act: text! {
            en: "Read the peer's log for a crash or restart at this time.",
            ko: "상대 쪽 로그에서 이 시각의 충돌이나 재시작을 확인한다."
        },
        sources: "RFC 9293 §3.5.2; net/ipv4/tcp_input.c tcp_reset(); net/ipv4/tcp.c tcp_set_state()",
    },
    rank: 99,
    reads: READS,
    asks: &[Ask::Watch(Watch::Closed), Ask::Watch(Watch::Resets)],
    hides: &[],
    watches: |window, _| match resetting::received(window) {
        Some(count) if count > 0 => vec![Watch::Closed, Watch::Resets],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let received = resetting::received(window).unwrap_or(0);
    let broken = resetting::broken(window);
    let mut list: Vec<Finding> = broken
        .iter()
        .take(DESTINATIONS_MAX)
        .map(|broken| finding(broken, broken.severity(limits)))
        .map(|finding| with_counters(finding, received))
        .collect();
    if list.is_empty() && received > 0 {
        list.push(with_counters(harmless(received), received));
    }
    said(window, limits, list, Vec::new())
}

fn finding(broken: &Broken, severity: Severity) -> Finding {
    let name = broken.name();
    let subject = Subject {
        kind: SubjectKind::Peer,
        remote: Some(name.clone()),
        source: Some(broken.source.to_string()),
        ..Subject::default()
    };
    let summary = if broken.gone > 0 {
        say! {
            en: "{name} reset {gone} of {of} connections",
            ko: "{name}이(가) 연결 {of}개 가운데 {gone}개를 재설정함",
            name = name, gone = broken.gone, of = broken.of
        }
    } else {
        let rate = format!("{:.1}", broken.unseen_per_second);
        say! { en: "{name} resets {rate} connections a second", ko: "{name}이(가) 초당 연결 {rate}개를 재설정함", name = name, rate = rate }
    };
    let finding = Finding {
        confidence: if broken.gone > 0 { 0.85 } else { 0.95 },
        size: f64::from(broken.gone) + broken.unseen_per_second,
        cause: cause(broken),
        now: vec![Advice::from(say! {
            en: "the log of the service at {name}: a crash, a restart, a deployment",
            ko: "{name} 서비스의 로그에서 충돌, 재시작, 배포 여부를 확인한다",
            name = name
        })],
        repair: vec![Advice::from(say! {
            en: "let the service finish its connections before it ends; let the program here try again what may be repeated",
            ko: "서비스가 연결을 마친 뒤 종료하게 하고, 이쪽 프로그램은 반복해도 되는 요청을 재시도하게 한다"
        })],
        ruled_out: vec![say! {
            en: "not this host: its own aborts are taken out of the number",
            ko: "이 호스트의 중단 아님: 스스로 끊은 연결은 뺀 수임"
        }],
        ..Finding::new(severity, subject, summary)
    };
    finding
        .evidence(
            "connections with data gone",
            (f64::from(broken.gone), "connections"),
            "peer, both looks",
            "sock_diag",
        )
        .evidence("connections that stayed", (f64::from(broken.kept), "connections"), "peer, both looks", "sock_diag")
        .evidence("resets of others", (broken.unseen_per_second, "per second"), "peer", "packet socket")
}

fn cause(broken: &Broken) -> Message {
    if broken.gone > 0 && broken.kept == 0 {
        say! {
            en: "all its connections ended together: its service crashed, was restarted, or something between reset them all",
            ko: "모든 연결이 함께 끊김: 서비스가 죽었거나 재시작했거나, 중간의 무언가가 전부 재설정함"
        }
    } else {
        say! {
            en: "some of its connections were reset in the middle while {kept} went on: a worker behind it died, or its program aborts",
            ko: "연결 {kept}개는 유지되는 동안 일부가 도중에 재설정됨: 뒤의 워커가 죽었거나 상대 프로그램이 중단시킴",
            kept = broken.kept
        }
    }
}

/// Health checks end so: a connection, no data, a reset.
fn harmless(received: u64) -> Finding {
    let summary = say! {
        en: "{received} resets arrived; no connection with data is known to have broken",
        ko: "RST {received}개를 받았으나 데이터가 오가던 연결이 끊긴 것은 확인되지 않음",
        received = received
    };
    Finding {
        cause: say! {
            en: "connections without data, as health checks of load balancers make them, or connections that lived between the two looks",
            ko: "로드 밸런서의 상태 확인처럼 데이터가 없는 연결이거나, 두 시점 사이에만 살아 있던 연결임"
        },
        confidence: 0.75,
        ..Finding::new(Severity::Info, Subject::default(), summary)
    }
}

fn with_counters(finding: Finding, received: u64) -> Finding {
    let verify = vec!["nstat -z TcpEstabResets 'TcpExtTCPAbortOn*'".into(), "tracepoint tcp/tcp_receive_reset".into()];
    let source = "EstabResets - TCPAbortOn*";
    Finding { verify, ..finding }.evidence("resets received", (received as f64, "connections"), "netns", source)
}

#[cfg(test)]
mod tests {
    use super::super::resetting::tests::{PLACE, closed, crash, hearing, reset, talking};
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{ClosedSocket, Socket, State};

    pub(super) fn example() -> Example {
        crash(40, 0, 40).build()
    }

    #[test]
    fn five_gone_are_a_warning_and_ten_that_are_a_third_are_critical() {
        assert_eq!(crash(0, 20, 0).build().severity(&RULE), None);
        assert_eq!(crash(4, 20, 4).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(crash(5, 20, 5).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(crash(9, 0, 9).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(crash(10, 23, 10).build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(crash(10, 24, 10).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn only_as_many_as_resets_explain_and_none_that_ended_in_order() {
        assert_eq!(crash(40, 0, 4).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(crash(40, 0, 0).build().severity(&RULE), None);
        let orderly = crash(10, 0, 10)
            .each(10, |scene, n| scene.born(Socket::time_wait(&format!("192.0.2.1:{}", 40_000 + n), PLACE, 2)));
        assert_eq!(orderly.build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn health_checks_that_reset_without_data_are_information() {
        // Beside them twelve connections with data end in order, peer first: they leave no trace.
        let checks = || (0..90).map(|n| closed("192.0.2.1:80", &format!("198.51.100.9:{}", 1024 + n), 0, 100 * n));
        let ends: Vec<_> = checks().map(|c| reset(&c.remote.to_string(), "192.0.2.1:80", false, 0)).collect();
        let scene = || hearing(crash(12, 0, 100), Watch::Closed, checks().collect(), Vec::new());
        assert_eq!(scene().build().severity(&RULE), Some(Severity::Info));
        assert_eq!(hearing(scene(), Watch::Resets, Vec::new(), ends).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(crash(12, 0, 100).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn short_connections_with_data_count_by_the_second() {
        let died = |count: u64| -> Vec<_> {
            (0..count).map(|n| closed(&format!("192.0.2.1:{}", 33_000 + n), PLACE, 700, 9_000 * n / count)).collect()
        };
        let scene = |count: u64| {
            let died = died(count);
            let packets = died.iter().map(|c| reset(PLACE, &c.local.to_string(), false, 0)).collect();
            let scene = hearing(Scene::new().grew(ESTAB_RESETS.0, count), Watch::Closed, died, Vec::new());
            hearing(scene, Watch::Resets, Vec::new(), packets)
        };
        assert_eq!(scene(44).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(45).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn clients_that_reset_what_they_have_just_asked_are_named() {
        // The request arrived, no answer was acknowledged: data went one way.
        let of = |n: u64| format!("198.51.100.9:{}", 1024 + n);
        let scene = |count: u64| {
            let died = (0..count).map(|n| ClosedSocket {
                bytes_acked: Some(0),
                bytes_received: Some(100),
                ..closed("192.0.2.1:80", &of(n), 0, 9_000 * n / count)
            });
            let packets = (0..count).map(|n| reset(&of(n), "192.0.2.1:80", false, 0)).collect();
            let scene = Scene::new().still(&Socket::listener("192.0.2.1:80", 0, 128)).grew(ESTAB_RESETS.0, count);
            let scene = hearing(scene, Watch::Closed, died.collect(), Vec::new());
            hearing(scene, Watch::Resets, Vec::new(), packets).build()
        };
        assert_eq!([44, 45].map(|count| scene(count).severity(&RULE)), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(scene(45).findings(&RULE)[0].subject.remote.as_deref(), Some("198.51.100.9"));
    }

    #[test]
    fn the_peer_is_named_with_its_port() {
        let found = example().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some(PLACE));
        let v6 = Scene::new().grew(ESTAB_RESETS.0, 9).each(9, |scene, n| scene.gone(talking(n, "[2001:db8::7]:443")));
        assert_eq!(v6.build().findings(&RULE)[0].subject.remote.as_deref(), Some("[2001:db8::7]:443"));
    }

    #[test]
    fn a_state_without_data_is_no_broken_connection() {
        let idle = Socket::tcp(State::Established, "192.0.2.1:40000", PLACE).info(&[("bytes_acked", 1)]);
        let scene = Scene::new().grew(ESTAB_RESETS.0, 9).each(9, |scene, _| scene.gone(idle.clone()));
        assert_eq!(scene.build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn ten_times_the_minute_before_is_a_surge() {
        let surge = |last: u64| {
            let resets = move |n| if n == 6 { last } else { 5 };
            levels(&RULE, 7, |n| crash(0, 20, resets(n)).build()).pop().unwrap()
        };
        // 0.5 a second, then more than 5.
        assert_eq!([50, 51].map(surge), [Some(Severity::Info), Some(Severity::Warning)]);
    }
}
