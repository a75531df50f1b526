//! `descriptor-limit`: a program is at its limit of open files, or will be.

use super::accept_stalled::is_stalled;
use super::held::{descriptor_share, who};
use super::judge::missing_privilege;
use super::suspects::{Suspect, suspects};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::snapshot::{Listener, Process};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "descriptor-limit",
    trouble: text! {
        en: "a program is at its limit of open files, or will be",
        ko: "프로그램이 열린 파일 한계에 이르렀거나 곧 이름"
    },
    page: Page {
        sees: text! {
            en: "Descriptors in /proc/PID/fd against RLIMIT_NOFILE (soft), for the processes that other socket trouble points at or that \
                 hold more than a quarter of the sockets.",
            ko: "/proc/PID/fd의 디스크립터 수를 RLIMIT_NOFILE(soft)과 비교한다. 다른 소켓 문제가 가리키는 프로세스나 소켓의 4분의 1 이상을 \
                 가진 프로세스가 대상이다."
        },
        matters: text! {
            en: "accept(), socket() and open() fail with EMFILE. Connections stay in the accept queue and clients hang.",
            ko: "accept(), socket(), open()이 EMFILE로 실패한다. 연결은 accept 큐에 남고 클라이언트는 멈춘다."
        },
        act: text! {
            en: "Look for a leak first; only if the program really needs so many, raise its limit.",
            ko: "먼저 누수를 찾는다. 정말 그만큼 필요할 때만 한계를 올린다."
        },
        sources: "getrlimit(2) RLIMIT_NOFILE; accept(2) EMFILE; fs/file.c alloc_fd()",
    },
    rank: 5,
    reads: &[Read::Census],
    asks: &[Ask::Owner, Ask::Process],
    hides: &[
        Hides { rule: "close-wait-leak", shared: Shared::Process },
        Hides { rule: "accept-stalled", shared: Shared::Process },
        Hides { rule: "accept-overflow", shared: Shared::Process },
        Hides { rule: "backlog-clamped", shared: Shared::Process },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let (suspects, mut unknown) = suspects(window, limits, &mut questions);
    let mut findings = Vec::new();
    for suspect in &suspects {
        let process = window.process(suspect.owner.pid).or_ask(&mut questions);
        match process.filter(|process| process.fds.is_some()) {
            Some(process) => findings.extend(finding(window, limits, suspect, process)),
            None => unknown += 1,
        }
    }
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    match (findings.is_empty(), unknown) {
        (false, _) => Verdict::Findings(findings),
        (true, 0) => Verdict::Healthy(None),
        (true, _) => Verdict::Undecided(unreadable(window, unknown)),
    }
}

fn unreadable(window: &Window, unknown: usize) -> Why {
    Why {
        reason: say! {
            en: "the descriptors of the processes behind {unknown} sockets cannot be read",
            ko: "소켓 {unknown}개를 가진 프로세스의 디스크립터를 읽을 수 없음",
            unknown = unknown
        },
        needs: missing_privilege(window),
    }
}

fn finding(window: &Window, limits: &Limits, suspect: &Suspect, process: &Process) -> Option<Finding> {
    let share = descriptor_share(process).filter(|&share| share >= limits.descriptors_warning_ratio)?;
    let listeners = window.census().map_or(&[][..], |census| &census.listeners);
    let own = |listener: &&Listener| Some(listener.local) == suspect.key.listener() && listener.queue > 0;
    let waiting = listeners.iter().filter(own).max_by_key(|listener| listener.queue);
    let full = share >= limits.descriptors_full_ratio;
    let hanging = full && waiting.is_some_and(|listener| is_stalled(window, listener));
    let severity = if hanging { Severity::Critical } else { Severity::Warning };
    let (who, fds) = (who(Some(suspect.owner), 0), process.fds?);
    let limit = process.fd_limit?;
    let summary = say! {
        en: "{who} has {fds} of at most {limit} files open",
        ko: "{who}: 열린 파일 {fds}개, 한계는 {limit}개",
        who = who, fds = fds, limit = limit
    };
    let mut finding = Finding::new(severity, subject(suspect, process), summary);
    finding.size = share;
    let queue = waiting.map_or(0, |listener| listener.queue);
    finding.cause = if hanging {
        say! {
            en: "accept() fails with EMFILE: {queue} connections wait and none is taken out. Clients hang.",
            ko: "accept()가 EMFILE로 실패함: 연결 {queue}개가 기다리지만 하나도 꺼내지 못함. 클라이언트는 멈춤.",
            queue = queue
        }
    } else {
        say! {
            en: "at the limit accept(), socket() and open() fail with EMFILE ({queue} connections wait now)",
            ko: "한계에 이르면 accept(), socket(), open()이 EMFILE로 실패함(지금 {queue}개 대기)",
            queue = queue
        }
    };
    advise(&mut finding, process.pid, limit);
    Some(
        finding
            .evidence("descriptors", (fds as f64, "descriptors"), "process", "/proc/PID/fd")
            .evidence("RLIMIT_NOFILE", (limit as f64, "descriptors"), "process", "/proc/PID/limits")
            .evidence("Recv-Q", (f64::from(queue), "connections"), "listener", "sock_diag"),
    )
}

fn subject(suspect: &Suspect, process: &Process) -> Subject {
    let local = suspect.key.listener().map(|local| local.to_string());
    Subject {
        kind: SubjectKind::Process,
        pid: Some(process.pid),
        comm: Some(suspect.owner.comm.clone()),
        listener: local.clone(),
        local,
        remote: suspect.key.destination().map(|remote| remote.to_string()),
        cgroup: process.cgroup.clone(),
        ..Subject::default()
    }
}

fn advise(finding: &mut Finding, pid: u32, limit: u64) {
    let twice = limit.saturating_mul(2);
    finding.now = vec![
        Advice::from(say! {
            en: "prlimit --pid {pid} --nofile={twice}:",
            ko: "prlimit --pid {pid} --nofile={twice}:",
            pid = pid, twice = twice
        })
        .effect(say! { en: "accept() works again at once, if the hard limit allows it", ko: "hard 한계가 허용하면 accept()가 바로 다시 됨" })
        .side_effect(say! { en: "a leak only takes longer to fill it", ko: "누수라면 다시 찰 때까지 늦춰질 뿐임" })
        .undo(say! { en: "prlimit --pid {pid} --nofile={limit}:", ko: "prlimit --pid {pid} --nofile={limit}:", pid = pid, limit = limit }),
    ];
    finding.repair = vec![
        Advice::from(
            say! { en: "look for a leak: sockets in CLOSE_WAIT, files never closed", ko: "누수를 찾는다: CLOSE_WAIT 소켓, 닫지 않은 파일" },
        ),
        Advice::from(
            say! { en: "if it needs so many: LimitNOFILE= in its unit, then restart", ko: "정말 필요하면 유닛의 LimitNOFILE=을 올리고 재시작" },
        ),
    ];
    finding.avoid = vec![say! {
        en: "a larger backlog: what waits there cannot be accepted either",
        ko: "backlog를 늘려도 소용없음: 대기 중인 연결도 accept할 수 없음"
    }];
    finding.verify = vec![format!("grep 'open files' /proc/{pid}/limits"), format!("ls /proc/{pid}/fd | wc -l")];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::Verdict;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::{Socket, State};

    fn scene(fds: u64, queue: u16) -> Scene {
        let process =
            Process { pid: 42, comm: "web".into(), fds: Some(fds), fd_limit: Some(1000), ..Process::default() };
        let scene = Scene::new().process(process).owner(7, 42, "web");
        let scene = scene.still(&Socket::listener("0.0.0.0:80", u32::from(queue), 128).inode(7));
        scene.each(queue, |scene, n| {
            scene.still(&Socket::tcp(State::Established, "192.0.2.1:80", &format!("198.51.100.7:{}", 20_000 + n)))
        })
    }

    /// A process at its limit whose queue nobody empties.
    pub(crate) fn example() -> Example {
        scene(1000, 5).build()
    }

    #[test]
    fn levels_stand_at_ninety_and_ninety_nine_percent_with_a_queue() {
        let level = |fds, queue| scene(fds, queue).build().severity(&RULE);
        assert_eq!(level(899, 5), None);
        assert_eq!(level(900, 5), Some(Severity::Warning));
        assert_eq!(level(989, 5), Some(Severity::Warning));
        assert_eq!(level(990, 0), Some(Severity::Warning));
        assert_eq!(level(990, 1), Some(Severity::Critical));
    }

    #[test]
    fn a_queue_that_is_emptied_is_not_critical() {
        let taken = Socket::tcp(State::Established, "192.0.2.1:80", "198.51.100.7:9");
        let scene = scene(1000, 5).kept(taken.clone(), taken.inode(8)).owner(8, 42, "web");
        assert_eq!(scene.build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn one_look_already_tells() {
        let example = example();
        let window = Window::instant(&example.second, &example.answers);
        assert!(
            matches!(check(&window, &Limits::default()), Verdict::Findings(list) if list[0].severity == Severity::Warning)
        );
    }

    #[test]
    fn descriptors_that_may_not_be_counted_decide_nothing() {
        let process = Process { pid: 42, comm: "web".into(), fds: None, fd_limit: Some(1000), ..Process::default() };
        assert!(scene(0, 5).process(process).build().is_undecided(&RULE));
    }

    #[test]
    fn growth_that_ends_within_the_hour_is_a_warning() {
        // One a second for a minute: 840 more last 14 minutes. One in ten seconds: more than two hours.
        let growing = |by: u64| last_two(&RULE, 7, move |n| scene(100 + by * n, 0).build());
        assert_eq!(growing(10), [None, Some(Severity::Warning)]);
        assert_eq!(growing(1), [None, None]);
    }
}
