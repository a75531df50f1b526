//! `close-wait-leak`: a program read the end of its clients' connections and does not close them.

use super::held::{
    Group, Pick, age_ms, descriptor_share, is_server_side, kept_in_silence, seconds, span, with_processes,
};
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Followed, Listener, Process, Socket, State, TcpInfo};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "close-wait-leak",
    trouble: text! {
        en: "a program read the end of its connections and does not close them",
        ko: "프로그램이 연결의 끝(EOF)을 읽고도 닫지 않음"
    },
    page: Page {
        sees: text! {
            en: "Server-side CLOSE_WAIT sockets of a process with Recv-Q 0 or 1, followed by cookie: how many of the first look are \
                 still there at the second (survival), and whether more come than go. A healthy program closes within moments, and \
                 survival is near 0.",
            ko: "프로세스가 가진 서버 쪽 CLOSE_WAIT 소켓 가운데 Recv-Q가 0 또는 1인 것을 쿠키로 추적한다. 첫 관찰의 소켓이 두 번째에도 \
                 남아 있는 비율(생존율)과 늘어나는지를 본다. 정상 프로그램은 곧바로 닫으므로 생존율이 0에 가깝다."
        },
        matters: text! {
            en: "Every such socket keeps a descriptor and memory. The kernel never ends CLOSE_WAIT by itself; at the limit of open \
                 files accept() fails and new clients hang.",
            ko: "소켓마다 디스크립터와 메모리를 붙잡는다. 커널은 CLOSE_WAIT를 스스로 끝내지 않으며, 열린 파일 한계에 이르면 accept()가 \
                 실패해 새 클라이언트가 멈춘다."
        },
        act: text! {
            en: "Find the path in the program that misses close() (errors, exceptions, half-closed proxies). A restart frees the sockets.",
            ko: "프로그램에서 close()를 빠뜨린 경로(오류, 예외, 반쯤 닫힌 프록시)를 찾는다. 재시작하면 소켓이 풀린다."
        },
        sources: "RFC 9293 §3.6; net/ipv4/tcp_input.c tcp_fin(); include/net/tcp_states.h",
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
    service: is_server_side,
    socket: |socket: &Socket| socket.state == State::CloseWait && socket.inode != 0 && socket.rqueue <= 1,
    held: kept_in_silence,
    whole_process: true,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let groups = match with_processes(window, &PICK, limits.close_wait_info_count as u32) {
        Ok(groups) => groups,
        Err(questions) => return Verdict::Ask(questions),
    };
    let findings: Vec<Finding> =
        groups.iter().map(|(group, process)| finding(window, limits, group, *process)).collect();
    if findings.is_empty() { healthy(window) } else { Verdict::Findings(findings) }
}

fn healthy(window: &Window) -> Verdict {
    let count = window.census().map_or(0, |census| census.states.get(State::CloseWait));
    Verdict::Healthy((count > 0).then(|| {
        say! { en: "{count} CLOSE_WAIT now, none that lasts", ko: "지금 CLOSE_WAIT {count}개, 오래 남는 것은 없음", count = count }
    }))
}

fn severity(window: &Window, limits: &Limits, group: &Group, process: Option<&Process>) -> Severity {
    let lasting = group.survival() >= limits.close_wait_survival_ratio;
    let growing = group.born() > group.gone;
    let leaking = f64::from(group.kept) >= limits.close_wait_warning_count && lasting && growing;
    let old = group.share_of(|followed| is_old(followed, limits));
    if !leaking && f64::from(old) < limits.close_wait_old_warning_count {
        return Severity::Info;
    }
    let share = process.and_then(descriptor_share).unwrap_or(0.0);
    let soon = runs_out_seconds(window, group, process).is_some_and(|left| left < limits.descriptors_critical_seconds);
    if share >= limits.descriptors_critical_ratio || soon || listener_full(window, group) {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

fn is_old(followed: &Followed, limits: &Limits) -> bool {
    let ack_ms = followed.socket.info.as_ref().and_then(TcpInfo::last_ack_recv);
    ack_ms.is_some_and(|ms| f64::from(ms) > limits.close_wait_old_seconds * 1000.0)
}

/// Until the process is at its limit of descriptors, seconds, at the growth of this window.
fn runs_out_seconds(window: &Window, group: &Group, process: Option<&Process>) -> Option<f64> {
    let process = process?;
    let growth = group.growth_per_second(window);
    let left = process.fd_limit?.saturating_sub(process.fds?);
    (growth > 0.0).then(|| left as f64 / growth)
}

fn listener_full(window: &Window, group: &Group) -> bool {
    let listeners = window.census().map_or(&[][..], |census| &census.listeners);
    listeners.iter().filter(|listener| Some(listener.local) == group.key.listener()).any(Listener::is_full)
}

fn finding(window: &Window, limits: &Limits, group: &Group, process: Option<&Process>) -> Finding {
    let (who, count) = (group.who(), group.now);
    let age = group.sockets.iter().filter_map(|followed| age_ms(followed, window)).max_by_key(|age| age.0);
    let age = age.map_or_else(|| seconds((window.seconds() * 1000.0) as u32), span);
    let summary = say! {
        en: "{who} does not close {count} connections that its clients have closed, the oldest {age} s ago",
        ko: "{who}: 클라이언트가 닫은 연결 {count}개를 닫지 않음. 가장 오래된 것은 {age}초 전",
        who = who, count = count, age = age
    };
    let mut finding = Finding::new(severity(window, limits, group, process), group.subject(), summary);
    finding.confidence = group.confidence();
    finding.size = f64::from(count);
    finding.cause = cause(window, group);
    finding.eta_seconds = runs_out_seconds(window, group, process);
    advise(&mut finding, group);
    let pid = group.owner.map_or_else(|| "PID".to_owned(), |owner| owner.pid.to_string());
    finding.verify = vec!["ss -tanpoi state close-wait".into(), format!("ls -l /proc/{pid}/fd | grep -c socket")];
    with_evidence(finding, window, group, process)
}

fn cause(window: &Window, group: &Group) -> Message {
    let rate = format!("{:.1}", group.growth_per_second(window));
    say! {
        en: "It has read the end-of-file and not called close(): {kept} of them lasted the whole window, {born} came, {gone} went \
             (+{rate}/s). No timer ends them.",
        ko: "EOF를 읽었지만 close()를 부르지 않음: 관찰 구간 내내 남은 것 {kept}개, 새로 생긴 것 {born}개, 사라진 것 {gone}개(초당 +{rate}). \
             타이머로 끝나지 않음.",
        kept = group.kept, born = group.born(), gone = group.gone, rate = rate
    }
}

fn advise(finding: &mut Finding, group: &Group) {
    let who = group.who();
    finding.now = vec![
        Advice::from(say! { en: "restart {who}", ko: "{who} 재시작", who = who })
            .effect(say! { en: "frees all these sockets and descriptors", ko: "이 소켓과 디스크립터가 모두 풀림" })
            .side_effect(say! { en: "its live connections end, and the leak begins anew", ko: "살아 있는 연결도 끊기며, 누수는 다시 시작됨" }),
    ];
    finding.repair = vec![Advice::from(say! {
        en: "add the missing close(): look at error paths, exceptions, and code that only waits for more data after read() returned 0",
        ko: "빠진 close()를 넣는다: 오류 경로, 예외, read()가 0을 돌려준 뒤에도 데이터를 기다리는 코드를 확인한다"
    })];
    finding.avoid = vec![
        say! { en: "no sysctl helps: CLOSE_WAIT has no timeout", ko: "도움이 되는 sysctl은 없음: CLOSE_WAIT에는 시간 제한이 없음" },
        say! { en: "restarting the network does not clear CLOSE_WAIT", ko: "네트워크를 재시작해도 CLOSE_WAIT는 없어지지 않음" },
        say! { en: "ss -K frees the port, not the descriptor", ko: "ss -K는 포트만 풀고 디스크립터는 그대로 남김" },
    ];
    let survival = format!("{:.0}", group.survival() * 100.0);
    finding.ruled_out = vec![say! {
        en: "a blip of normal closing: {survival} % of the sockets of the first look are still there",
        ko: "정상 종료 중의 순간적인 현상이 아님: 첫 관찰의 소켓 가운데 {survival} %가 그대로 남음",
        survival = survival
    }];
}

fn with_evidence(finding: Finding, window: &Window, group: &Group, process: Option<&Process>) -> Finding {
    let mut finding = finding
        .evidence("CLOSE_WAIT", (f64::from(group.now), "sockets"), "process", "sock_diag")
        .evidence("CLOSE_WAIT kept", (f64::from(group.kept), "sockets"), "process, whole window", "sock_diag cookies")
        .evidence("survival", (group.survival(), "ratio"), "process, whole window", "kept / (kept + gone)")
        .evidence(
            "growth",
            (group.growth_per_second(window), "per second"),
            "process, whole window",
            "(born − gone) / s",
        );
    let Some(process) = process else { return finding };
    if let Some(fds) = process.fds {
        finding = finding.evidence("descriptors", (fds as f64, "descriptors"), "process", "/proc/PID/fd");
    }
    if let Some(limit) = process.fd_limit {
        finding = finding.evidence("RLIMIT_NOFILE", (limit as f64, "descriptors"), "process", "/proc/PID/limits");
    }
    finding
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};

    /// A server at :80, with descriptors in use.
    fn server(fds: u64) -> Scene {
        let process =
            Process { pid: 42, comm: "web".into(), fds: Some(fds), fd_limit: Some(1000), ..Process::default() };
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 128).inode(7)).process(process);
        scene.each(200, |scene, n| scene.owner(1000 + u32::from(n), 42, "web"))
    }

    fn socket(n: u16, age_ms: u64) -> Socket {
        let remote = format!("198.51.100.7:{}", 20_000 + n);
        let idle = [("last_ack_recv", age_ms), ("last_data_recv", age_ms), ("last_data_sent", age_ms)];
        Socket::tcp(State::CloseWait, "192.0.2.1:80", &remote).inode(1000 + u32::from(n)).info(&idle).queues(1, 0)
    }

    fn scene(fds: u64, kept: u16, born: u16, gone: u16) -> Scene {
        let scene = server(fds).each(kept, |scene, n| scene.still(&socket(n, 11_000)));
        let scene = scene.each(born, |scene, n| scene.born(socket(kept + n, 500)));
        scene.each(gone, |scene, n| scene.gone(socket(kept + born + n, 100)))
    }

    /// Twenty lasting ones and one more.
    pub(crate) fn example() -> Example {
        scene(100, 20, 1, 0).build()
    }

    #[test]
    fn levels_stand_at_five_and_at_twenty_that_grow() {
        let level = |kept, born, gone| scene(100, kept, born, gone).build().severity(&RULE);
        assert_eq!(level(4, 9, 0), None);
        assert_eq!(level(5, 0, 0), Some(Severity::Info));
        assert_eq!(level(19, 9, 0), Some(Severity::Info));
        assert_eq!(level(20, 0, 0), Some(Severity::Info), "it does not grow");
        assert_eq!(level(20, 1, 0), Some(Severity::Warning));
        assert_eq!(level(27, 9, 3), Some(Severity::Warning), "27 of 30 last: 90 %");
        assert_eq!(level(26, 9, 4), Some(Severity::Info), "26 of 30 last: 87 %");
        assert_eq!(level(0, 30, 30), None, "a blip: nothing lasts");
    }

    #[test]
    fn descriptors_near_their_limit_make_it_critical() {
        let level = |fds, born| scene(fds, 20, born, 0).build().severity(&RULE);
        assert_eq!(level(799, 1), Some(Severity::Warning), "201 left at 0.1/s");
        assert_eq!(level(800, 1), Some(Severity::Critical), "80 %");
        assert_eq!(level(400, 10), Some(Severity::Warning), "600 left at 1/s: 600 s");
        assert_eq!(level(401, 10), Some(Severity::Critical), "599 s");
    }

    #[test]
    fn a_full_listener_makes_it_critical() {
        let full = Socket::listener("0.0.0.0:80", 129, 128).inode(7);
        let scene = Scene::new().still(&full).each(200, |scene, n| scene.owner(1000 + u32::from(n), 42, "web"));
        let process = Process { pid: 42, comm: "web".into(), ..Process::default() };
        let scene = scene.process(process).each(20, |scene, n| scene.still(&socket(n, 11_000))).born(socket(99, 10));
        assert_eq!(scene.build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn fifty_older_than_a_minute_need_not_grow() {
        let level =
            |count, age_ms| server(100).each(count, |scene, n| scene.still(&socket(n, age_ms))).build().severity(&RULE);
        assert_eq!(level(49, 60_001), Some(Severity::Info));
        assert_eq!(level(50, 60_000), Some(Severity::Info));
        assert_eq!(level(50, 60_001), Some(Severity::Warning));
    }

    #[test]
    fn more_than_can_be_kept_in_full_are_still_counted() {
        let many = scene(100, 5_000, 100, 0).each(5_100, |scene, n| scene.owner(1000 + u32::from(n), 42, "web"));
        let finding = &many.build().findings(&RULE)[0];
        assert_eq!(finding.severity, Severity::Critical, "900 descriptors left at 10/s: 90 s");
        assert!(finding.summary.en.contains("5100 connections"), "{}", finding.summary.en);
    }

    #[test]
    fn a_peer_that_still_gets_its_answer_is_no_leak() {
        let answered = |scene: Scene, n| {
            let (before, after) =
                (socket(n, 11_000).info(&[("data_segs_out", 5)]), socket(n, 11_000).info(&[("data_segs_out", 9)]));
            scene.kept(before, after)
        };
        assert_eq!(server(100).each(30, answered).build().severity(&RULE), None);
    }

    #[test]
    fn the_process_its_listener_and_the_age_are_named() {
        let finding = &example().findings(&RULE)[0];
        assert_eq!((finding.subject.pid, finding.subject.local.as_deref()), (Some(42), Some("0.0.0.0:80")));
        assert!(
            finding.summary.en.contains("21 connections") && finding.summary.en.contains("11.0 s"),
            "{}",
            finding.summary.en
        );
    }

    #[test]
    fn of_two_processes_the_leaking_one_is_named() {
        let other = |scene: Scene, n: u16| {
            scene.owner(1000 + u32::from(n), 43, "web").born(socket(n, 10)).gone(socket(n + 50, 10))
        };
        let scene = scene(100, 20, 5, 0).each(40, |scene, n| other(scene, 100 + n));
        let findings = scene.build().findings(&RULE);
        assert_eq!(findings.iter().map(|finding| finding.subject.pid).collect::<Vec<_>>(), [Some(42)]);
    }

    #[test]
    fn ten_that_grow_for_a_minute_are_a_warning() {
        assert_eq!(
            last_two(&RULE, 6, |n| scene(100, 10 + n as u16, 1, 0).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(last_two(&RULE, 6, |_| scene(100, 15, 0, 0).build()), [Some(Severity::Info); 2]);
    }

    #[test]
    fn descriptors_that_end_within_the_hour_are_critical() {
        // Six a second for a minute: 540 more last 90 s.
        let leak = |n: u64| scene(100 + 60 * n, 10 + n as u16, 1, 0).build();
        assert_eq!(last_two(&RULE, 7, leak), [Some(Severity::Warning), Some(Severity::Critical)]);
    }
}
