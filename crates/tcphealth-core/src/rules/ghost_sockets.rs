//! `ghost-sockets`: descriptors whose TCP socket is in no table any more.

use super::held::{LIKELY, who};
use super::judge::missing_privilege;
use super::suspects::{Suspect, suspects};
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::snapshot::{Fact, Process, Question};
use crate::window::Window;
use crate::{say, text};

const ALLOCATED: Counter = Counter("TCP.alloc");
const IN_USE: [Counter; 2] = [Counter("TCP.inuse"), Counter("TCP6.inuse")];

/// The rule.
pub static RULE: Rule = Rule {
    id: "ghost-sockets",
    trouble: text! {
        en: "descriptors whose TCP socket is in no table any more",
        ko: "TCP 소켓이 어느 표에도 없는 디스크립터"
    },
    page: Page {
        sees: text! {
            en: "Descriptors of a process that are TCP sockets of this namespace and whose inode is in no dump. Only looked for when \
                 sockstat's alloc (the whole host) exceeds inuse, and only in processes that other trouble points at or that hold \
                 more than a quarter of the sockets.",
            ko: "프로세스의 디스크립터 가운데 이 네임스페이스의 TCP 소켓이면서 inode가 어떤 덤프에도 없는 것. sockstat의 alloc(호스트 \
                 전체)이 inuse보다 클 때만, 그리고 다른 문제가 가리키거나 소켓의 4분의 1 이상을 가진 프로세스에서만 찾는다."
        },
        matters: text! {
            en: "ss and netstat do not show them, yet each counts against the limit of open files: a keepalive that failed, ss -K (which leaves the descriptor), or a \
                 reset whose descriptor was never closed.",
            ko: "ss와 netstat에는 보이지 않지만 하나마다 열린 파일 한계를 차지한다. 실패한 keepalive, ss -K, 또는 RST를 받고도 디스크립터를 \
                 닫지 않은 경우이다."
        },
        act: text! {
            en: "Let the program close on errors; a restart frees the descriptors.",
            ko: "프로그램이 오류 때 닫도록 고친다. 재시작하면 디스크립터가 풀린다."
        },
        sources: "net/ipv4/tcp.c tcp_abort(), tcp_done(); net/socket.c system.sockprotoname; fs/file.c",
    },
    rank: 99,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner, Ask::Process, Ask::Ghosts],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    if hidden(window).is_some_and(|hidden| (hidden as f64) < limits.ghosts_info_count) {
        return Verdict::Healthy(None);
    }
    let mut questions = Vec::new();
    let (suspects, mut unknown) = suspects(window, limits, &mut questions);
    let mut findings = Vec::new();
    for suspect in &suspects {
        let process = window.process(suspect.owner.pid).or_ask(&mut questions);
        let question = Question::Ghosts { pid: suspect.owner.pid };
        match window.answer(&question) {
            Some(Ok(Fact::Ghosts(ghosts))) => findings.extend(finding(limits, suspect, process, ghosts.len())),
            Some(_) => unknown += 1,
            None => questions.push(question),
        }
    }
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    match (findings.is_empty(), unknown) {
        (false, _) => Verdict::Findings(findings),
        (true, 0) => Verdict::Healthy(None),
        (true, _) => Verdict::Undecided(Why {
            reason: say! { en: "the descriptors of {unknown} processes cannot be read", ko: "프로세스 {unknown}개의 디스크립터를 읽을 수 없음", unknown = unknown },
            needs: missing_privilege(window),
        }),
    }
}

/// TCP sockets of the host that are not in this namespace's tables: no namespace can have more ghosts than that.
fn hidden(window: &Window) -> Option<u64> {
    let listed: u64 = IN_USE.iter().filter_map(|counter| window.value(*counter)).sum();
    window.value(IN_USE[0])?;
    Some(window.value(ALLOCATED)?.saturating_sub(listed))
}

fn finding(limits: &Limits, suspect: &Suspect, process: Option<&Process>, count: usize) -> Option<Finding> {
    let ghosts = count as f64;
    if ghosts < limits.ghosts_info_count {
        return None;
    }
    let limit = process.and_then(|process| process.fd_limit).filter(|&limit| limit > 0);
    let share = limit.map_or(0.0, |limit| ghosts / limit as f64);
    let many = ghosts >= limits.ghosts_warning_count || share >= limits.ghosts_warning_ratio;
    let severity = if many { Severity::Warning } else { Severity::Info };
    let who = who(Some(suspect.owner), 0);
    let summary = say! {
        en: "{who} holds {count} descriptors whose TCP socket no longer exists",
        ko: "{who}: TCP 소켓이 이미 없는 디스크립터 {count}개를 가지고 있음",
        who = who, count = count
    };
    let mut finding = Finding::new(severity, subject(suspect), summary);
    finding.confidence = LIKELY;
    finding.size = ghosts;
    finding.cause = say! {
        en: "The kernel has ended these connections (a reset, a failed keepalive, a killed socket); the program has not noticed or not called \
             close(). Sockets created and never connected look alike.",
        ko: "커널은 연결을 끝냈지만(RST, keepalive 실패, 소켓 강제 종료) 프로그램이 알아채지 못했거나 close()를 부르지 않음. 만들고 연결하지 않은 \
             소켓도 똑같이 보임."
    };
    advise(&mut finding, &who, suspect.owner.pid);
    let finding = finding.evidence("ghosts", (ghosts, "descriptors"), "process", "/proc/PID/fd and sock_diag");
    Some(match limit {
        Some(limit) => finding.evidence("RLIMIT_NOFILE", (limit as f64, "descriptors"), "process", "/proc/PID/limits"),
        None => finding,
    })
}

fn subject(suspect: &Suspect) -> Subject {
    let local = suspect.key.listener().map(|local| local.to_string());
    Subject {
        kind: SubjectKind::Process,
        pid: Some(suspect.owner.pid),
        comm: Some(suspect.owner.comm.clone()),
        listener: local.clone(),
        local,
        remote: suspect.key.destination().map(|remote| remote.to_string()),
        ..Subject::default()
    }
}

fn advise(finding: &mut Finding, who: &str, pid: u32) {
    finding.now = vec![
        Advice::from(say! { en: "restart {who}", ko: "{who} 재시작", who = who })
            .effect(say! { en: "frees the descriptors", ko: "디스크립터가 풀림" })
            .side_effect(say! { en: "its live connections end", ko: "살아 있는 연결도 끊김" }),
    ];
    finding.repair = vec![Advice::from(say! {
        en: "close the descriptor when read() or write() fails, and watch idle connections for errors (POLLERR, POLLHUP)",
        ko: "read()나 write()가 실패하면 디스크립터를 닫고, 유휴 연결의 오류(POLLERR, POLLHUP)를 살핀다"
    })];
    finding.avoid = vec![
        say! { en: "ss -K: it leaves the descriptor open and makes more of them", ko: "ss -K: 디스크립터는 열린 채 남아 오히려 늘어남" },
    ];
    finding.verify = vec![format!("ls -l /proc/{pid}/fd | grep -c socket"), "ss -tane".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::Socket;

    fn scene(count: u64, limit: u64) -> Scene {
        let process =
            Process { pid: 42, comm: "web".into(), fds: Some(count), fd_limit: Some(limit), ..Process::default() };
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 128).inode(7)).owner(7, 42, "web");
        let scene = scene.gauge("TCP.inuse", 1).gauge("TCP.alloc", 1 + count).process(process);
        scene.answer(Question::Ghosts { pid: 42 }, Ok(Fact::Ghosts((0..count).collect())))
    }

    /// A hundred ghosts.
    pub(crate) fn example() -> Example {
        scene(100, 10_000).build()
    }

    #[test]
    fn levels_stand_at_five_a_hundred_and_a_quarter_of_the_limit() {
        let level = |count, limit| scene(count, limit).build().severity(&RULE);
        assert_eq!(level(4, 1000), None);
        assert_eq!(level(5, 1000), Some(Severity::Info));
        assert_eq!(level(99, 1000), Some(Severity::Info));
        assert_eq!(level(100, 1000), Some(Severity::Warning));
        assert_eq!(level(25, 100), Some(Severity::Warning));
        assert_eq!(level(24, 100), Some(Severity::Info));
    }

    #[test]
    fn where_all_sockets_are_listed_nobody_is_asked() {
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 128).inode(7));
        let none = scene.gauge("TCP.inuse", 1).gauge("TCP.alloc", 5).build();
        assert_eq!(none.severity(&RULE), None);
    }

    #[test]
    fn growing_over_three_windows_they_are_a_warning() {
        assert_eq!(last_two(&RULE, 3, |n| scene(5 + n, 1000).build()), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(last_two(&RULE, 3, |_| scene(5, 1000).build()), [Some(Severity::Info); 2]);
    }
}
