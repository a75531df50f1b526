//! `connect-unanswered`: SYNs to a peer's port get no answer.

use super::connecting::{self, DESTINATIONS_MAX, SYN_RETRANS, Waiting};
use super::judge::said;
use super::{Ask, Limits, Page, Read, Rule};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Question, State, Watch};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "connect-unanswered",
    trouble: text! { en: "SYNs to a peer's port get no answer", ko: "상대 포트로 보낸 SYN에 응답이 없음" },
    page: Page {
        sees: text! {
            en: "Sockets in SYN_SENT whose SYN was sent again (timer count ≥ 1), by destination, and those that gave up between \
                 the looks; those that stay through the window; ΔTcpExt.TCPSynRetrans beside them.",
            ko: "SYN을 다시 보낸(타이머 횟수 ≥ 1) SYN_SENT 소켓과 두 시점 사이에 포기한 연결을 목적지별로 센다. 구간 내내 남은 것과 ΔTcpExt.TCPSynRetrans도 함께 본다."
        },
        matters: text! {
            en: "connect() hangs: SYNs go out after 1, 2, 3, 4 s and then ever more slowly, until it fails after about 130 s.",
            ko: "connect()가 멈춘다. SYN을 1, 2, 3, 4초 뒤, 그다음은 점점 뜸하게 다시 보내다가 약 130초 뒤 실패한다."
        },
        act: text! {
            en: "Try another port of the same host: if it answers, a filter on the way or on the host drops this port; if nothing \
                 answers, the host or the path is down.",
            ko: "같은 호스트의 다른 포트를 시험한다. 응답하면 경로나 호스트의 방화벽이 이 포트를 버리는 것이고, 전혀 응답이 없으면 호스트나 \
                 경로가 죽은 것이다."
        },
        sources: "net/ipv4/tcp_timer.c tcp_retransmit_timer(); tcp(7) tcp_syn_retries; Documentation/networking/ip-sysctl.rst \
                  tcp_syn_linear_timeouts",
    },
    rank: 99,
    reads: &[Read::Census],
    asks: &[Ask::Owner, Ask::Watch(Watch::Closed)],
    hides: &[],
    watches: |window, _| connecting::while_syns_retry(window, &[Watch::Closed]),
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let targets = connecting::waiting(window);
    let rated = targets.iter().filter_map(|target| Some((target, severity(window, limits, target)?)));
    let list: Vec<Finding> = rated
        .take(DESTINATIONS_MAX)
        .map(|(target, severity)| finding(window, target, severity, &mut questions))
        .collect();
    said(window, limits, list, questions)
}

/// Whether this rule speaks of the destination.
pub(super) fn is_unanswered(window: &Window, limits: &Limits, target: &Waiting) -> bool {
    severity(window, limits, target).is_some()
}

fn severity(window: &Window, limits: &Limits, target: &Waiting) -> Option<Severity> {
    let sockets = f64::from(target.sockets);
    if sockets >= limits.connect_unanswered_critical_sockets && !connecting::ever_connected(window, &target.destination)
    {
        return Some(Severity::Critical);
    }
    let successes = f64::from(connecting::successes(window, &target.destination));
    let lasting = target.kept > 0 && window.seconds() >= limits.window_min_seconds - 0.1;
    // Where others get through, a few whose SYN was lost twice are slow, not unanswered.
    let share = sockets / (sockets + successes);
    let many = sockets >= limits.connect_unanswered_warning_sockets && share >= limits.connect_unanswered_ratio;
    (many || (lasting && successes == 0.0)).then_some(Severity::Warning)
}

fn finding(window: &Window, target: &Waiting, severity: Severity, questions: &mut Vec<Question>) -> Finding {
    let (place, count) = (target.destination, target.sockets);
    let (peer, port) = (place.address, place.port);
    let summary = say! {
        en: "{place} does not answer: {count} connects wait or gave up, their SYNs sent again",
        ko: "{place} 응답 없음: SYN을 다시 보내며 기다리거나 포기한 연결 {count}개",
        place = place, count = count
    };
    let finding = Finding {
        confidence: 0.95,
        size: f64::from(count),
        cause: cause(window, target),
        now: vec![Advice::from(say! {
            en: "see how far SYNs to this very port get: mtr -n -r -c 5 --tcp -P {port} {peer}",
            ko: "이 포트로 가는 SYN이 어디까지 가는지 확인: mtr -n -r -c 5 --tcp -P {port} {peer}",
            port = port, peer = peer
        })],
        repair: vec![Advice::from(say! {
            en: "open {port}/tcp in the filters between here and {peer} and on {peer} itself, or start the host again",
            ko: "여기서 {peer}까지의 방화벽과 {peer} 자체의 방화벽에서 {port}/tcp를 열거나 호스트를 다시 켠다",
            port = port, peer = peer
        })],
        avoid: vec![say! {
            en: "more tcp_syn_retries only make the program wait longer",
            ko: "tcp_syn_retries를 늘리면 프로그램이 더 오래 기다릴 뿐이다"
        }],
        ruled_out: vec![say! {
            en: "not refused: a closed port answers with a reset at once, and these sockets still wait",
            ko: "연결 거부 아님: 닫힌 포트는 곧바로 RST로 답하지만 이 소켓들은 계속 기다리고 있음"
        }],
        verify: vec![format!("ss -tano state syn-sent dst {peer}"), format!("mtr -n -r -c 5 --tcp -P {port} {peer}")],
        ..Finding::new(severity, target.subject(window, questions), summary)
    };
    with_evidence(window, target, finding)
}

fn with_evidence(window: &Window, target: &Waiting, finding: Finding) -> Finding {
    let finding = finding
        .evidence("connects with SYN sent again", (f64::from(target.sockets), "sockets"), "destination", "sock_diag")
        .evidence("SYN_SENT at both looks", (f64::from(target.kept), "sockets"), "destination", "sock_diag");
    match window.delta(SYN_RETRANS) {
        Some(count) => finding.evidence(SYN_RETRANS.0, (count as f64, "segments"), "netns", "/proc/net/netstat"),
        None => finding,
    }
}

/// Another port of the same host tells a filter from a dead host.
fn cause(window: &Window, target: &Waiting) -> Message {
    let peer = target.destination.address;
    let services = window.census().map(|census| census.services.as_slice()).unwrap_or_default();
    let other = services.iter().find_map(|service| {
        let other = service.key.destination().filter(|other| other.address == peer && *other != target.destination)?;
        (service.states.get(State::Established) > 0 || connecting::connected(window, &other)).then_some(other.port)
    });
    if let Some(other) = other {
        say! {
            en: "a filter on the way to {peer} or on it drops port {port}: port {other} of the same host does answer",
            ko: "{peer}까지의 경로나 호스트의 방화벽이 {port} 포트를 버림: 같은 호스트의 {other} 포트는 응답함",
            peer = peer, port = target.destination.port, other = other
        }
    } else {
        say! {
            en: "{peer} is down, hung, or cut off, or a filter drops port {port}: nothing else talks to this host now, so the two \
                 cannot be told apart",
            ko: "{peer}가 죽었거나 멈췄거나 끊겼거나, 방화벽이 {port} 포트를 버림: 이 호스트와 통신하는 다른 연결이 없어 둘을 구별할 수 없음",
            peer = peer, port = target.destination.port
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::slow_connect;
    use crate::rules::testing::{Example, Scene, endpoint, levels};
    use crate::snapshot::{ClosedSocket, Fact, Heard, Question, Socket, Timer};

    pub(crate) fn waiting(number: u16, remote: &str) -> Socket {
        Socket::tcp(State::SynSent, &format!("192.0.2.1:{}", 40_000 + number), remote)
            .timer(Timer::On, 2, 900)
            .inode(u32::from(number) + 1)
    }

    fn open(number: u16, remote: &str) -> Socket {
        Socket::tcp(State::Established, &format!("192.0.2.1:{}", 50_000 + number), remote).info(&[("bytes_acked", 90)])
    }

    fn scene(born: u16) -> Scene {
        Scene::new().owner(1, 42, "app").each(born, |scene, n| scene.born(waiting(n, "198.51.100.7:9000")))
    }

    pub(super) fn example() -> Example {
        scene(10).build()
    }

    #[test]
    fn three_that_wait_are_a_warning_and_ten_are_critical() {
        assert_eq!(scene(0).build().severity(&RULE), None);
        assert_eq!(scene(2).build().severity(&RULE), None);
        assert_eq!(scene(3).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(9).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn connects_that_gave_up_between_two_looks_count_too() {
        let closed = |segs_in| ClosedSocket {
            local: endpoint("192.0.2.1:40000"),
            remote: endpoint("198.51.100.7:9000"),
            total_retrans: Some(4),
            bytes_acked: Some(0),
            segs_in: Some(segs_in),
            ..ClosedSocket::default()
        };
        let hearing = |count, segs_in| {
            let heard = Heard { closed: vec![closed(segs_in); count], ..Heard::default() };
            let scene = Scene::new().answer(Question::Watch(Watch::Closed), Ok(Fact::Heard(heard)));
            scene.grew(connecting::SYN_RETRANS.0, 40).grew(connecting::ACTIVE_OPENS.0, 40)
        };
        let level = |count, segs_in| hearing(count, segs_in).build().severity(&RULE);
        assert_eq!([level(2, 0), level(3, 0), level(10, 0)], [None, Some(Severity::Warning), Some(Severity::Critical)]);
        assert_eq!(level(10, 1), None, "a reset came back");
        assert_eq!(hearing(10, 0).build().severity(&slow_connect::RULE), None, "none of them got through late");
    }

    #[test]
    fn one_that_waits_through_the_window_is_enough_unless_others_get_through() {
        let one = || scene(0).still(&waiting(0, "198.51.100.7:9000"));
        assert_eq!(one().build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(one().born(open(1, "198.51.100.7:9000")).build().severity(&RULE), None);
        assert_eq!(one().born(open(1, "198.51.100.8:9000")).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn a_few_of_many_whose_syn_was_lost_twice_are_slow_and_not_unanswered() {
        let among = |others: u16| scene(3).each(others, |scene, n| scene.born(open(n, "198.51.100.7:9000")));
        assert_eq!(among(7).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(among(8).build().severity(&RULE), None);
    }

    #[test]
    fn a_destination_that_works_for_others_is_no_more_than_a_warning() {
        let partly = scene(10).still(&open(1, "198.51.100.7:9000"));
        assert_eq!(partly.build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn connects_that_got_through_late_are_not_unanswered() {
        let late = |scene: Scene, n| {
            let now = Socket { state: State::Established, ..waiting(n, "198.51.100.7:9000").timer(Timer::None, 0, 0) };
            scene.kept(waiting(n, "198.51.100.7:9000"), now)
        };
        assert_eq!(scene(0).each(5, late).build().severity(&RULE), None);
    }

    #[test]
    fn the_culprit_is_address_and_port_and_a_living_port_tells_a_filter() {
        let found = scene(3).born(open(1, "198.51.100.7:443")).build().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some("198.51.100.7:9000"));
        assert_eq!((found[0].subject.source.as_deref(), found[0].subject.pid), (Some("192.0.2.1"), Some(42)));
        assert!(found[0].cause.en.contains("port 443 of the same host does answer"), "{}", found[0].cause.en);
        let v6 = Scene::new().owner(1, 42, "app").each(3, |scene, n| scene.born(waiting(n, "[2001:db8::7]:9000")));
        assert_eq!(v6.build().findings(&RULE)[0].subject.remote.as_deref(), Some("[2001:db8::7]:9000"));
    }

    #[test]
    fn half_a_minute_without_an_answer_is_critical_however_few_try() {
        let one = |_| Scene::new().owner(1, 42, "app").still(&waiting(0, "198.51.100.7:9000")).build();
        let warning = Some(Severity::Warning);
        assert_eq!(levels(&RULE, 3, one), [warning, warning, Some(Severity::Critical)]);
        let some_get_through = |_| scene(3).born(open(0, "198.51.100.7:9000")).build();
        assert_eq!(levels(&RULE, 4, some_get_through), [warning; 4]);
    }
}
