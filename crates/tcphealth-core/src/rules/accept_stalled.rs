//! `accept-stalled`: a program has stopped accepting, and its queue fills with connections that nobody will serve.

use super::held::{CERTAIN, LIKELY, who};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Listener, Owner, Process, Service};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "accept-stalled",
    trouble: text! {
        en: "a program has stopped accepting: its queue holds connections that are already dead",
        ko: "프로그램이 accept를 멈춤: 큐에 이미 끊긴 연결이 쌓임"
    },
    page: Page {
        sees: text! {
            en: "ESTABLISHED and CLOSE_WAIT sockets with inode 0 on a listening port (they sit in its accept queue), followed by cookie: \
                 every one of the first look still has inode 0 at the second.",
            ko: "리스닝 포트에서 inode가 0인 ESTABLISHED, CLOSE_WAIT 소켓(accept 큐에 있는 연결)을 쿠키로 추적한다. 첫 관찰의 모든 소켓이 \
                 두 번째에도 inode 0이면 아무것도 accept하지 않은 것이다."
        },
        matters: text! {
            en: "Clients connect, send their request and wait for nothing; when the queue is full, new ones do not even connect.",
            ko: "클라이언트는 연결하고 요청을 보내지만 응답이 없다. 큐가 가득 차면 새 연결도 되지 않는다."
        },
        act: text! {
            en: "Take the stack of the process, see what it waits for, then restart it.",
            ko: "프로세스의 스택을 떠서 무엇을 기다리는지 확인한 뒤 재시작한다."
        },
        sources: "net/ipv4/inet_connection_sock.c inet_csk_accept(); include/net/sock.h sk_acceptq_is_full(); listen(2)",
    },
    rank: 6,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner, Ask::Process],
    hides: &[
        Hides { rule: "close-wait-leak", shared: Shared::Listener },
        Hides { rule: "requests-unread", shared: Shared::Listener },
        Hides { rule: "accept-overflow", shared: Shared::Listener },
        Hides { rule: "backlog-clamped", shared: Shared::Listener },
        Hides { rule: "slow-connect", shared: Shared::Listener },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

/// A queue from which nothing was accepted.
pub(super) struct Stalled<'a> {
    listener: &'a Listener,
    service: &'a Service,
    /// Connections that waited through the whole window.
    kept: u32,
}

/// The queues with connections of which none was accepted in the window. Of several listeners that share a port, the longest
/// queue must have waited in full.
pub(super) fn stalled<'a>(window: &Window<'a>) -> Vec<Stalled<'a>> {
    let Some((now, before)) = window.census().zip(window.census_before()) else { return Vec::new() };
    let services = now.services.iter().filter(|service| service.kept_unaccepted > 0);
    let stalled = services.filter_map(|service| {
        let local = service.key.listener()?;
        let sharing = now.listeners.iter().filter(|listener| listener.local == local);
        let listener = sharing.clone().max_by_key(|listener| (listener.queue, listener.cookie))?;
        let queue = before.listeners.iter().find(|first| first.cookie == listener.cookie)?.queue;
        let waited = if sharing.count() == 1 { before.service(&service.key)?.unaccepted } else { queue };
        (waited > 0 && service.kept_unaccepted >= waited).then_some(Stalled { listener, service, kept: waited })
    });
    stalled.collect()
}

/// Whether nothing is accepted at this listener.
pub(super) fn is_stalled(window: &Window, listener: &Listener) -> bool {
    stalled(window).iter().any(|stalled| stalled.listener.local == listener.local)
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let mut findings = Vec::new();
    let enough = |stalled: &Stalled| f64::from(stalled.kept) >= limits.accept_stalled_warning_count;
    for stalled in stalled(window).into_iter().filter(enough) {
        let owner = window.listener_owner(stalled.listener).or_ask(&mut questions);
        let process = owner.and_then(|owner| window.process(owner.pid).or_ask(&mut questions));
        findings.push(finding(window, limits, &stalled, (owner, process)));
    }
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (true, true) => Verdict::Healthy(None),
        (true, false) => Verdict::Findings(findings),
    }
}

fn severity(stalled: &Stalled, limits: &Limits) -> Severity {
    let left = f64::from(stalled.service.unaccepted_close_wait) >= limits.accept_stalled_critical_close_wait_count;
    if left || stalled.listener.is_full() { Severity::Critical } else { Severity::Warning }
}

/// Stopped, in uninterruptible sleep, spinning, or waiting for a lock: a process that accepts nothing because it cannot.
fn confirms(process: &Process) -> bool {
    let locked = process.waits.first().is_some_and(|(place, _)| place.contains("futex"));
    matches!(process.state, 'T' | 't' | 'D' | 'R') || locked
}

type Who<'a> = (Option<&'a Owner>, Option<&'a Process>);

fn finding(window: &Window, limits: &Limits, stalled: &Stalled, (owner, process): Who) -> Finding {
    let (listener, service) = (stalled.listener, stalled.service);
    let who = who(owner, listener.inode);
    let seconds = format!("{:.0}", window.seconds());
    let summary = say! {
        en: "{who} has accepted nothing at {local} for {seconds} s: {queue} connections wait, {dead} of them are dead",
        ko: "{who}: {local}에서 {seconds}초 동안 아무것도 accept하지 않음. 대기 중인 연결 {queue}개 가운데 {dead}개는 이미 끊김",
        who = who, local = listener.local, seconds = seconds, queue = listener.queue, dead = service.unaccepted_close_wait
    };
    let mut finding = Finding::new(severity(stalled, limits), subject(listener, owner), summary);
    finding.confidence = if process.is_some_and(confirms) { CERTAIN } else { LIKELY };
    finding.size = f64::from(listener.queue);
    finding.cause = cause(stalled, process);
    advise(&mut finding, owner);
    let port = listener.local.port;
    let pid = owner.map_or_else(|| "PID".to_owned(), |owner| owner.pid.to_string());
    finding.verify =
        vec![format!("ss -ltn sport = :{port}"), format!("cat /proc/{pid}/stack /proc/{pid}/wchan /proc/{pid}/status")];
    let drops = f64::from(listener.drops_grown.unwrap_or(0));
    finding
        .evidence(
            "unaccepted kept",
            (f64::from(stalled.kept), "connections"),
            "listener, whole window",
            "sock_diag cookies",
        )
        .evidence("Recv-Q", (f64::from(listener.queue), "connections"), "listener", "sock_diag")
        .evidence("Send-Q", (f64::from(listener.limit), "connections"), "listener", "sock_diag")
        .evidence(
            "CLOSE_WAIT unaccepted",
            (f64::from(service.unaccepted_close_wait), "connections"),
            "listener",
            "sock_diag",
        )
        .evidence("sk_drops", (drops, "connections"), "listener, whole window", "sock_diag skmem d")
}

fn subject(listener: &Listener, owner: Option<&Owner>) -> Subject {
    let local = Some(listener.local.to_string());
    Subject {
        kind: SubjectKind::Listener,
        listener: local.clone(),
        local,
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    }
}

fn cause(stalled: &Stalled, process: Option<&Process>) -> Message {
    let (queue, limit) = (stalled.listener.queue, stalled.listener.limit);
    let state = process.map_or('?', |process| process.state);
    let waits = process.and_then(|process| process.waits.first());
    let wait = waits.map_or_else(|| "?".to_owned(), |(place, threads)| format!("{place} × {threads}"));
    say! {
        en: "The accept queue stands at {queue}/{limit} and none of its connections was taken out. Process state {state}, threads \
             sleep in {wait}. New clients hang.",
        ko: "accept 큐가 {queue}/{limit}이며 하나도 꺼내지 않음. 프로세스 상태 {state}, 스레드 대기 위치 {wait}. 새 클라이언트는 멈춤.",
        queue = queue, limit = limit, state = state, wait = wait
    }
}

fn advise(finding: &mut Finding, owner: Option<&Owner>) {
    let pid = owner.map_or_else(|| "PID".to_owned(), |owner| owner.pid.to_string());
    finding.now = vec![
        Advice::from(say! {
            en: "keep the evidence first: gdb -p {pid} (or jstack), /proc/{pid}/stack",
            ko: "먼저 증거를 남긴다: gdb -p {pid}(또는 jstack), /proc/{pid}/stack",
            pid = pid
        }),
        Advice::from(say! { en: "then restart it", ko: "그다음 재시작한다" })
            .side_effect(say! { en: "its other connections end", ko: "다른 연결도 끊김" }),
    ];
    finding.repair = vec![Advice::from(say! {
        en: "what its accepting thread waits for (a lock, a full pool, a call without timeout)",
        ko: "accept 스레드가 기다리는 것(락, 가득 찬 풀, 시간 제한 없는 호출)을 고친다"
    })];
    finding.avoid = vec![say! {
        en: "a larger backlog or somaxconn only postpones it",
        ko: "backlog나 somaxconn을 늘려도 늦춰질 뿐임"
    }];
    finding.ruled_out = vec![say! {
        en: "a slow program: then other connections would wait at the second look than at the first",
        ko: "느린 프로그램이 아님: 느릴 뿐이라면 두 번째 관찰에서 다른 연결이 기다리고 있어야 함"
    }];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::{Socket, State};

    fn waiting(n: u16, state: State) -> Socket {
        Socket::tcp(state, "192.0.2.1:80", &format!("198.51.100.7:{}", 20_000 + n)).queues(101, 0)
    }

    fn scene(queue: u32, kept: u16, state: char) -> Scene {
        let process = Process { pid: 42, comm: "web".into(), state, ..Process::default() };
        let scene = Scene::new().owner(7, 42, "web").process(process);
        let scene = scene.still(&Socket::listener("0.0.0.0:80", queue, 16).inode(7));
        scene.each(kept, |scene, n| scene.still(&waiting(n, State::Established)))
    }

    /// Three connections that wait through the window for a stopped process.
    pub(crate) fn example() -> Example {
        scene(3, 3, 'T').build()
    }

    #[test]
    fn levels_stand_at_three_at_a_full_queue_and_at_ten_dead() {
        assert_eq!(scene(2, 2, 'T').build().severity(&RULE), None);
        assert_eq!(scene(3, 3, 'T').build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(15, 15, 'T').build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(16, 16, 'T').build().severity(&RULE), Some(Severity::Critical));
        let dead = |count| {
            let gave_up = |scene: Scene, n| scene.kept(waiting(n, State::Established), waiting(n, State::CloseWait));
            scene(u32::from(count), 0, 'S').each(count, gave_up).build().severity(&RULE)
        };
        assert_eq!((dead(9), dead(10)), (Some(Severity::Warning), Some(Severity::Critical)));
    }

    #[test]
    fn one_that_was_accepted_shows_a_slow_program_not_a_stalled_one() {
        let taken = waiting(99, State::Established);
        let accepted = scene(16, 16, 'R').kept(taken.clone(), taken.inode(70));
        assert_eq!(accepted.build().severity(&RULE), None);
        assert_eq!(scene(16, 16, 'R').gone(waiting(98, State::Established)).build().severity(&RULE), None);
    }

    #[test]
    fn of_listeners_that_share_a_port_one_may_stall() {
        let idle = Socket::listener("0.0.0.0:80", 0, 16).inode(8);
        let shared = scene(4, 4, 'T').still(&idle).gone(waiting(98, State::Established));
        assert_eq!(shared.build().findings(&RULE)[0].subject.pid, Some(42));
    }

    #[test]
    fn the_state_of_the_process_makes_it_certain() {
        let confidence = |state| scene(3, 3, state).build().findings(&RULE)[0].confidence;
        assert!(confidence('T') >= 0.95 && confidence('S') < 0.95 && confidence('S') >= 0.75);
    }

    #[test]
    fn a_single_connection_that_waits_half_a_minute_is_a_warning() {
        assert_eq!(last_two(&RULE, 3, |_| scene(1, 1, 'T').build()), [None, Some(Severity::Warning)]);
    }
}
