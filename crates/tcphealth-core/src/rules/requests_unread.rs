//! `requests-unread`: a program accepted connections whose requests nobody reads, and the clients have given up.

use super::held::{Group, Pick, age_ms, is_server_side, kept_in_silence, span, with_processes};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Followed, Process, Socket, State, TcpInfo};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "requests-unread",
    trouble: text! {
        en: "a program accepted connections whose requests nobody reads; the clients gave up",
        ko: "프로그램이 연결을 받아 놓고 요청을 읽지 않아 클라이언트가 포기함"
    },
    page: Page {
        sees: text! {
            en: "Server-side CLOSE_WAIT sockets of a process with Recv-Q above 1 that does not change between the looks: n + 1 is a \
                 request of n bytes and the client's FIN, both unread.",
            ko: "프로세스가 가진 서버 쪽 CLOSE_WAIT 소켓 가운데 Recv-Q가 1보다 크고 두 관찰 사이에 변하지 않는 것. n + 1은 읽지 않은 \
                 n바이트 요청과 클라이언트의 FIN이다."
        },
        matters: text! {
            en: "Clients wait for an answer until their own timeout. The workers hang in something behind them: a database, a lock, a \
                 full disk.",
            ko: "클라이언트는 자기 시간 제한까지 응답을 기다린다. 워커는 뒤쪽의 무언가(데이터베이스, 락, 가득 찬 디스크)에 걸려 있다."
        },
        act: text! {
            en: "See what the worker threads wait for; repair that bottleneck, not the network.",
            ko: "워커 스레드가 무엇을 기다리는지 보고 그 병목을 고친다. 네트워크 문제가 아니다."
        },
        sources: "RFC 9293 §3.6; net/ipv4/tcp_diag.c tcp_diag_get_info() (idiag_rqueue)",
    },
    rank: 7,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner, Ask::Process],
    hides: &[
        Hides { rule: "close-wait-leak", shared: Shared::Process },
        Hides { rule: "process-not-reading", shared: Shared::Process },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

const PICK: Pick = Pick {
    service: is_server_side,
    socket: |socket: &Socket| socket.state == State::CloseWait && socket.inode != 0 && socket.rqueue > 1,
    held: unread,
    whole_process: true,
};

fn unread(followed: &Followed) -> bool {
    kept_in_silence(followed) && followed.before.is_some_and(|mark| mark.rqueue == followed.socket.rqueue)
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let groups = match with_processes(window, &PICK, limits.requests_unread_info_count as u32) {
        Ok(groups) => groups,
        Err(questions) => return Verdict::Ask(questions),
    };
    let findings: Vec<Finding> =
        groups.iter().map(|(group, process)| finding(window, limits, group, *process)).collect();
    findings.into()
}

fn severity(window: &Window, limits: &Limits, group: &Group) -> Severity {
    let many = limits.requests_unread_warning_count;
    let lasting = f64::from(group.kept) >= many && group.survival() >= limits.close_wait_survival_ratio;
    let old = group.share_of(|followed| {
        let ack_ms = followed.socket.info.as_ref().and_then(TcpInfo::last_ack_recv);
        ack_ms.is_some_and(|ms| f64::from(ms) > limits.close_wait_old_seconds * 1000.0)
    });
    if lasting && group.born() > group.gone && waiting(window, group) > 0 {
        Severity::Critical
    } else if lasting || f64::from(old) >= many {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// Clients that still wait: ESTABLISHED with an unread request.
fn waiting(window: &Window, group: &Group) -> u32 {
    window.census().and_then(|census| census.service(&group.key)).map_or(0, |service| service.unread)
}

fn finding(window: &Window, limits: &Limits, group: &Group, process: Option<&Process>) -> Finding {
    let (who, count) = (group.who(), group.now);
    let summary = say! {
        en: "{who} has {count} requests unread whose clients have given up",
        ko: "{who}: 읽지 않은 요청 {count}개, 클라이언트는 이미 포기함",
        who = who, count = count
    };
    let mut finding = Finding::new(severity(window, limits, group), group.subject(), summary);
    finding.confidence = group.confidence();
    finding.size = f64::from(count);
    finding.cause = cause(window, group, process);
    advise(&mut finding, &who);
    let bytes: u32 = group.sockets.iter().map(|followed| followed.socket.rqueue).max().unwrap_or(0);
    finding
        .evidence("CLOSE_WAIT with Recv-Q > 1", (f64::from(count), "sockets"), "process", "sock_diag")
        .evidence("kept", (f64::from(group.kept), "sockets"), "process, whole window", "sock_diag cookies")
        .evidence("survival", (group.survival(), "ratio"), "process, whole window", "kept / (kept + gone)")
        .evidence("Recv-Q", (f64::from(bytes), "bytes"), "largest of them", "sock_diag")
        .evidence("ESTABLISHED unread", (f64::from(waiting(window, group)), "sockets"), "listener", "sock_diag")
}

fn cause(window: &Window, group: &Group, process: Option<&Process>) -> Message {
    let age = group.sockets.iter().filter_map(|followed| age_ms(followed, window)).max_by_key(|age| age.0);
    let age = span(age.unwrap_or_default());
    let waits = process.and_then(|process| process.waits.first());
    let wait = waits.map_or_else(|| "?".to_owned(), |(place, threads)| format!("{place} × {threads}"));
    let state = process.map_or('?', |process| process.state);
    say! {
        en: "It accepted the connections and its workers do not get to them: the oldest client left {age} s ago. Process state \
             {state}, threads sleep in {wait}.",
        ko: "연결은 받았지만 워커가 처리하지 못함: 가장 오래된 클라이언트는 {age}초 전에 떠남. 프로세스 상태 {state}, 스레드 대기 위치 {wait}.",
        age = age, state = state, wait = wait
    }
}

fn advise(finding: &mut Finding, who: &str) {
    finding.now = vec![Advice::from(say! {
        en: "look at what the workers of {who} wait for: their stacks, /proc/PID/task/*/wchan, the database and locks behind them",
        ko: "{who}의 워커가 무엇을 기다리는지 확인: 스택, /proc/PID/task/*/wchan, 뒤쪽의 데이터베이스와 락",
        who = who
    })];
    finding.repair = vec![Advice::from(say! {
        en: "a timeout on what the workers call, and more of them only when they are busy rather than stuck",
        ko: "워커가 부르는 대상에 시간 제한을 두고, 멈춘 것이 아니라 바쁜 경우에만 워커를 늘린다"
    })];
    finding.avoid = vec![
        say! { en: "a larger backlog: it only lengthens the wait", ko: "backlog를 늘려도 기다림만 길어짐" },
        say! { en: "restarting the network does not clear CLOSE_WAIT", ko: "네트워크를 재시작해도 CLOSE_WAIT는 없어지지 않음" },
    ];
    finding.ruled_out = vec![say! {
        en: "a missing close(): the requests themselves are unread (Recv-Q above 1)",
        ko: "close() 누락이 아님: 요청 자체를 읽지 않음(Recv-Q가 1보다 큼)"
    }];
    finding.verify = vec!["ss -Htanp state close-wait".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};

    fn socket(n: u16, rqueue: u32, age_ms: u64) -> Socket {
        let remote = format!("198.51.100.7:{}", 20_000 + n);
        let socket = Socket::tcp(State::CloseWait, "192.0.2.1:80", &remote).inode(1000 + u32::from(n));
        socket.info(&[("last_ack_recv", age_ms), ("last_data_recv", age_ms + 2000)]).queues(rqueue, 0)
    }

    fn scene(kept: u16, born: u16, gone: u16) -> Scene {
        let process = Process { pid: 42, comm: "web".into(), state: 'S', ..Process::default() };
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 128).inode(7)).process(process);
        let scene = scene.each(100, |scene, n| scene.owner(1000 + u32::from(n), 42, "web"));
        let scene = scene.each(kept, |scene, n| scene.still(&socket(n, 101, 11_000)));
        let scene = scene.each(born, |scene, n| scene.born(socket(kept + n, 101, 500)));
        scene.each(gone, |scene, n| scene.gone(socket(kept + born + n, 101, 100)))
    }

    /// Ten unread requests.
    pub(crate) fn example() -> Example {
        scene(10, 0, 0).build()
    }

    #[test]
    fn levels_stand_at_three_at_ten_and_where_more_come_and_wait() {
        let level = |kept, born, gone| scene(kept, born, gone).build().severity(&RULE);
        assert_eq!(level(2, 0, 0), None);
        assert_eq!(level(3, 0, 0), Some(Severity::Info));
        assert_eq!(level(9, 0, 0), Some(Severity::Info));
        assert_eq!(level(10, 0, 0), Some(Severity::Warning));
        assert_eq!(level(10, 0, 2), Some(Severity::Info), "10 of 12 last: 83 %");
        assert_eq!(level(10, 5, 0), Some(Severity::Warning), "nobody waits any more");
        let waits = Socket::tcp(State::Established, "192.0.2.1:80", "198.51.100.7:9").inode(5000).queues(100, 0);
        assert_eq!(scene(10, 5, 0).born(waits).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn a_queue_that_moves_is_read() {
        let moving = |scene: Scene, n| scene.kept(socket(n, 101, 11_000), socket(n, 51, 11_000));
        assert_eq!(scene(0, 0, 0).each(20, moving).build().severity(&RULE), None);
        let fin_only = |scene: Scene, n| scene.still(&socket(n, 1, 11_000));
        assert_eq!(scene(0, 0, 0).each(20, fin_only).build().severity(&RULE), None);
    }

    #[test]
    fn the_age_is_a_bracket_of_acknowledgement_and_data() {
        let finding = &example().findings(&RULE)[0];
        assert!(finding.cause.en.contains("11.0–13.0 s"), "{}", finding.cause.en);
        assert_eq!(finding.subject.pid, Some(42));
    }
}
