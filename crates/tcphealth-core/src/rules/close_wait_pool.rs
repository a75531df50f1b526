//! `close-wait-pool`: a client's pool keeps connections that the server has closed.

use super::held::{Group, Pick, age_ms, descriptor_share, is_client_side, kept_in_silence, span, with_processes};
use super::ports::share_taken;
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Followed, Process, Socket, State, TcpInfo};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "close-wait-pool",
    trouble: text! {
        en: "a client's pool keeps connections the server has closed",
        ko: "클라이언트 풀이 서버가 닫은 연결을 붙잡고 있음"
    },
    page: Page {
        sees: text! {
            en: "Client-side CLOSE_WAIT sockets (our port is no listener) of a process toward one destination, followed by cookie, and \
                 their share of the process's sockets to that destination.",
            ko: "클라이언트 쪽(리스너가 아닌 포트) CLOSE_WAIT 소켓을 프로세스와 목적지별로 쿠키로 추적하고, 그 목적지로 가는 소켓 가운데 \
                 비율을 본다."
        },
        matters: text! {
            en: "The next request on such a connection fails (reset, broken pipe) and is repeated or lost; each keeps a port and a \
                 descriptor.",
            ko: "이런 연결로 보낸 다음 요청은 실패(RST, broken pipe)해 다시 보내거나 잃게 된다. 포트와 디스크립터도 하나씩 붙잡는다."
        },
        act: text! {
            en: "Let the pool drop idle connections sooner than the server's keep-alive timeout, and validate before use.",
            ko: "풀의 유휴 시간을 서버의 keep-alive 시간보다 짧게 하고, 쓰기 전에 검사한다."
        },
        sources: "RFC 9293 §3.6; RFC 9112 §9.5; net/ipv4/tcp_input.c tcp_fin()",
    },
    rank: 99,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner, Ask::Process],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

const PICK: Pick = Pick {
    service: is_client_side,
    socket: |socket: &Socket| socket.state == State::CloseWait && socket.inode != 0,
    held: kept_in_silence,
    whole_process: false,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let groups = match with_processes(window, &PICK, limits.close_wait_info_count as u32) {
        Ok(groups) => groups,
        Err(questions) => return Verdict::Ask(questions),
    };
    let of = |(group, process): &(Group, Option<&Process>)| {
        finding(window, limits, group, share(window, &groups, group), *process)
    };
    let findings: Vec<Finding> = groups.iter().map(of).collect();
    findings.into()
}

/// Their share of the process's sockets to that destination; where several processes go there, at least that.
fn share(window: &Window, groups: &[(Group, Option<&Process>)], group: &Group) -> f64 {
    let live = window.census().and_then(|census| census.service(&group.key)).map_or(0, |service| service.states.live());
    let others: u32 = groups.iter().filter(|(other, _)| other.key == group.key).map(|(other, _)| other.now).sum();
    f64::from(group.now) / f64::from(live.saturating_sub(others - group.now).max(group.now).max(1))
}

fn severity(limits: &Limits, group: &Group, (share, ports): (f64, f64), process: Option<&Process>) -> Severity {
    let lasting = f64::from(group.kept) >= limits.close_wait_warning_count
        && group.survival() >= limits.close_wait_survival_ratio
        && (share >= limits.close_wait_pool_ratio || ports >= limits.ports_warning_ratio);
    let old = group.share_of(|followed| is_old(followed, limits));
    if !lasting && f64::from(old) < limits.close_wait_old_warning_count {
        Severity::Info
    } else if process.and_then(descriptor_share).is_some_and(|share| share >= limits.descriptors_critical_ratio) {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

/// Share of the local ports toward that destination that is taken.
fn ports(window: &Window, limits: &Limits, group: &Group) -> f64 {
    let service = window.census().and_then(|census| census.service(&group.key));
    service.map_or(0.0, |service| share_taken(window, service, limits))
}

fn is_old(followed: &Followed, limits: &Limits) -> bool {
    let ack_ms = followed.socket.info.as_ref().and_then(TcpInfo::last_ack_recv);
    ack_ms.is_some_and(|ms| f64::from(ms) > limits.close_wait_old_seconds * 1000.0)
}

fn finding(window: &Window, limits: &Limits, group: &Group, share: f64, process: Option<&Process>) -> Finding {
    let (who, count) = (group.who(), group.now);
    let server = group.key.destination().unwrap_or_default();
    let summary = say! {
        en: "{who} keeps {count} connections which {server} has closed",
        ko: "{who}: {server}가 닫은 연결 {count}개를 계속 붙잡고 있음",
        who = who, count = count, server = server
    };
    let mut finding =
        Finding::new(severity(limits, group, (share, ports(window, limits, group)), process), group.subject(), summary);
    finding.confidence = group.confidence();
    finding.size = f64::from(count);
    let age = group.sockets.iter().filter_map(|followed| age_ms(followed, window)).max_by_key(|age| age.0);
    let (age, percent) = (span(age.unwrap_or_default()), format!("{:.0}", share * 100.0));
    finding.cause = say! {
        en: "The server closed first, the oldest {age} s ago (an idle timeout, a restart), and the pool has not noticed: {percent} % of \
             its connections there are dead. The next request on one of them fails.",
        ko: "서버가 먼저 닫았고(유휴 시간 초과, 재시작) 가장 오래된 것은 {age}초 전인데 풀이 알아채지 못함: 그곳으로 가는 연결의 {percent} %가 \
             죽은 연결. 다음 요청이 실패함.",
        age = age, percent = percent
    };
    advise(&mut finding, group);
    let unread = group.share_of(|followed| followed.socket.rqueue > 1);
    finding.verify = vec![format!("ss -Htanp state close-wait dst {} dport = :{}", server.address, server.port)];
    finding
        .evidence("CLOSE_WAIT", (f64::from(count), "sockets"), "process, this destination", "sock_diag")
        .evidence("kept", (f64::from(group.kept), "sockets"), "process, whole window", "sock_diag cookies")
        .evidence("survival", (group.survival(), "ratio"), "process, whole window", "kept / (kept + gone)")
        .evidence("share of its sockets there", (share, "ratio"), "process, this destination", "sock_diag")
        .evidence(
            "unread last words",
            (f64::from(unread), "sockets"),
            "process, this destination",
            "sock_diag Recv-Q > 1",
        )
}

fn advise(finding: &mut Finding, group: &Group) {
    finding.now = vec![
        Advice::from(say! { en: "restart {who}", ko: "{who} 재시작", who = group.who() })
            .effect(say! { en: "frees these ports and descriptors", ko: "포트와 디스크립터가 풀림" })
            .side_effect(say! { en: "its other connections end", ko: "다른 연결도 끊김" }),
    ];
    finding.repair = vec![Advice::from(say! {
        en: "evict idle connections from the pool sooner than the server's keep-alive timeout; check a connection before using it",
        ko: "풀의 유휴 연결을 서버의 keep-alive 시간보다 먼저 버리고, 쓰기 전에 연결을 검사한다"
    })];
    finding.avoid = vec![
        say! { en: "no sysctl helps: CLOSE_WAIT has no timeout", ko: "도움이 되는 sysctl은 없음: CLOSE_WAIT에는 시간 제한이 없음" },
        say! { en: "ss -K frees the port, not the descriptor", ko: "ss -K는 포트만 풀고 디스크립터는 그대로 남김" },
    ];
    finding.ruled_out = vec![say! {
        en: "a leak of a server here: our port is no listening one",
        ko: "이쪽 서버의 누수가 아님: 이쪽 포트는 리스닝 포트가 아님"
    }];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};

    fn socket(n: u16, state: State) -> Socket {
        let local = format!("192.0.2.1:{}", 40_000 + n);
        Socket::tcp(state, &local, "198.51.100.9:8080").inode(1000 + u32::from(n)).info(&[("last_ack_recv", 20_000)])
    }

    fn scene(dead: u16, alive: u16, fds: u64) -> Scene {
        let process =
            Process { pid: 42, comm: "app".into(), fds: Some(fds), fd_limit: Some(100), ..Process::default() };
        let scene = Scene::new().process(process).each(200, |scene, n| scene.owner(1000 + u32::from(n), 42, "app"));
        let scene = scene.each(dead, |scene, n| scene.still(&socket(n, State::CloseWait)));
        scene.each(alive, |scene, n| scene.still(&socket(dead + n, State::Established)))
    }

    /// Twenty dead connections beside twenty live ones.
    pub(crate) fn example() -> Example {
        scene(20, 20, 50).build()
    }

    #[test]
    fn levels_stand_at_five_at_twenty_and_at_the_half() {
        let level = |dead, alive, fds| scene(dead, alive, fds).build().severity(&RULE);
        assert_eq!(level(4, 0, 50), None);
        assert_eq!(level(5, 0, 50), Some(Severity::Info));
        assert_eq!(level(19, 0, 50), Some(Severity::Info));
        assert_eq!(level(20, 20, 50), Some(Severity::Warning));
        assert_eq!(level(20, 21, 50), Some(Severity::Info), "less than half of its sockets there");
        assert_eq!(level(20, 20, 79), Some(Severity::Warning));
        assert_eq!(level(20, 20, 80), Some(Severity::Critical));
    }

    #[test]
    fn half_of_the_ports_are_a_warning_whatever_the_share() {
        let range = |range| scene(20, 21, 50).sysctl("net.ipv4.ip_local_port_range", range).build().severity(&RULE);
        assert_eq!(range("40000 40081"), Some(Severity::Warning), "41 of 82");
        assert_eq!(range("40000 40082"), Some(Severity::Info), "41 of 83");
    }

    #[test]
    fn connections_that_come_and_go_are_no_pool() {
        let blip = |scene: Scene, n| scene.gone(socket(n, State::CloseWait)).born(socket(100 + n, State::CloseWait));
        assert_eq!(scene(0, 0, 50).each(60, blip).build().severity(&RULE), None);
    }

    #[test]
    fn the_process_and_the_server_are_named() {
        let finding = &example().findings(&RULE)[0];
        assert_eq!((finding.subject.pid, finding.subject.remote.as_deref()), (Some(42), Some("198.51.100.9:8080")));
    }

    #[test]
    fn ten_that_grow_for_a_minute_are_a_warning() {
        assert_eq!(
            last_two(&RULE, 6, |n| scene(10 + n as u16, 40, 50).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
    }
}
