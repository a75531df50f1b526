//! `process-not-reading`: a program here does not read its connections, and their buffers are full.

use std::collections::BTreeSet;

use super::held::{Group, Pick, seconds, with_processes};
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Followed, Process, Socket, State, TcpInfo};
use crate::window::Window;
use crate::{say, text};

/// Share of the receive buffer from which it counts as full: the peer's window is closed then.
const FULL: f64 = 0.9;

/// The rule.
pub static RULE: Rule = Rule {
    id: "process-not-reading",
    trouble: text! { en: "a program here does not read its connections", ko: "이쪽 프로그램이 연결을 읽지 않음" },
    page: Page {
        sees: text! {
            en: "ESTABLISHED and FIN_WAIT2 of a process with Recv-Q above 0 and skmem r at nine tenths of rb and more, on which nothing \
                 arrived and nothing was read between the looks. Stuck since tcpi_last_data_recv. All counters stay flat.",
            ko: "프로세스의 ESTABLISHED, FIN_WAIT2 가운데 Recv-Q가 0보다 크고 skmem r이 rb의 90 % 이상이며, 두 시점 사이에 도착한 것도 읽은 \
                 것도 없는 것. 멈춘 시각은 tcpi_last_data_recv 기준이다. 카운터에는 나타나지 않는다."
        },
        matters: text! {
            en: "The sender stops: its window is closed. Whoever waits for the answer waits for this process.",
            ko: "윈도가 닫혀 보내는 쪽이 멈춘다. 응답을 기다리는 쪽은 이 프로세스를 기다리는 것이다."
        },
        act: text! {
            en: "Take the stack of the process: what does it do instead of reading?",
            ko: "프로세스의 스택을 떠서 읽지 않고 무엇을 하는지 확인한다."
        },
        sources: "RFC 9293 §3.8.6; net/ipv4/tcp_output.c tcp_select_window(); include/uapi/linux/sock_diag.h SK_MEMINFO",
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
    service: |_| true,
    socket: full,
    held: |followed| followed.socket.info.is_some() && unread(followed),
    whole_process: true,
};

fn full(socket: &Socket) -> bool {
    let state = matches!(socket.state, State::Established | State::FinWait2);
    let buffer = |mem: crate::snapshot::SkMem| f64::from(mem.rmem_alloc_bytes) >= FULL * f64::from(mem.rcvbuf_bytes);
    state && socket.inode != 0 && socket.rqueue > 0 && socket.skmem.is_some_and(buffer)
}

/// Nothing arrived and nothing was read; what we send meanwhile does not matter.
fn unread(followed: &Followed) -> bool {
    let received = followed.socket.info.as_ref().and_then(TcpInfo::bytes_received);
    let same = |mark: crate::snapshot::Mark| {
        mark.rqueue == followed.socket.rqueue && received.is_some_and(|bytes| bytes as u32 == mark.bytes_received_low)
    };
    followed.kept() && followed.before.is_some_and(same)
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let groups = match with_processes(window, &PICK, 1) {
        Ok(groups) => groups,
        Err(questions) => return Verdict::Ask(questions),
    };
    let findings: Vec<Finding> =
        groups.iter().map(|(group, process)| finding(window, limits, group, *process)).collect();
    findings.into()
}

/// Since when nothing has arrived any more, ms.
fn stuck_ms(followed: &Followed) -> u32 {
    followed.socket.info.as_ref().and_then(TcpInfo::last_data_recv).unwrap_or(0)
}

/// Accepted connections of the services that these sockets belong to.
fn connections(window: &Window, group: &Group) -> u32 {
    let Some(census) = window.census() else { return 0 };
    let keys: BTreeSet<_> = group.sockets.iter().map(|followed| census.key_of(&followed.socket)).collect();
    let services = keys.iter().filter_map(|key| census.service(key));
    services.map(|service| service.states.get(State::Established).saturating_sub(service.unaccepted)).sum()
}

fn severity(window: &Window, limits: &Limits, group: &Group, process: Option<&Process>) -> Severity {
    let long = group.share_of(|followed| f64::from(stuck_ms(followed)) >= limits.process_not_reading_seconds * 1000.0);
    let stopped = process.is_some_and(|process| matches!(process.state, 'T' | 't' | 'D'));
    if long == 0 || (f64::from(long) < limits.process_not_reading_warning_count && !stopped) {
        Severity::Info
    } else if f64::from(long) >= limits.process_not_reading_critical_count && long >= connections(window, group) {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

fn finding(window: &Window, limits: &Limits, group: &Group, process: Option<&Process>) -> Finding {
    let bytes: u64 = group.sockets.iter().map(|followed| u64::from(followed.socket.rqueue)).sum();
    let longest = group.sockets.iter().map(|followed| stuck_ms(followed)).max().unwrap_or(0);
    let (who, count, since) = (group.who(), group.kept, seconds(longest));
    let summary = say! {
        en: "{who} does not read {bytes} bytes on {count} connections, the oldest for {since} s",
        ko: "{who}: 연결 {count}개의 {bytes}바이트를 읽지 않음. 가장 오래된 것은 {since}초",
        who = who, bytes = bytes, count = count, since = since
    };
    let mut finding = Finding::new(severity(window, limits, group, process), group.subject(), summary);
    finding.confidence = group.confidence();
    finding.size = f64::from(count);
    let state = process.map_or('?', |process| process.state);
    let waits = process.and_then(|process| process.waits.first());
    let wait = waits.map_or_else(|| "?".to_owned(), |(place, threads)| format!("{place} × {threads}"));
    finding.cause = say! {
        en: "Its receive buffers are full and its senders have stopped. Process state {state}, threads sleep in {wait}.",
        ko: "수신 버퍼가 가득 차 보내는 쪽이 멈춤. 프로세스 상태 {state}, 스레드 대기 위치 {wait}.",
        state = state, wait = wait
    };
    advise(&mut finding, group);
    finding
        .evidence("unread", (f64::from(count), "sockets"), "process, whole window", "sock_diag cookies")
        .evidence("Recv-Q", (bytes as f64, "bytes"), "process", "sock_diag")
        .evidence("stuck since", (f64::from(longest) / 1000.0, "s"), "longest of them", "tcpi_last_data_recv")
}

fn advise(finding: &mut Finding, group: &Group) {
    let pid = group.owner.map_or_else(|| "PID".to_owned(), |owner| owner.pid.to_string());
    finding.now = vec![Advice::from(
        say! { en: "take its stack: gdb -p {pid}, /proc/{pid}/stack", ko: "스택을 뜬다: gdb -p {pid}, /proc/{pid}/stack", pid = pid },
    )];
    finding.repair = vec![Advice::from(say! {
        en: "read in a thread of its own, or close connections that cannot be served",
        ko: "별도 스레드에서 읽거나, 처리할 수 없는 연결은 닫는다"
    })];
    finding.avoid = vec![say! { en: "a larger tcp_rmem: it fills, too", ko: "tcp_rmem 늘리기: 그것도 찰 뿐임" }];
    finding.ruled_out = vec![
        say! { en: "the network: no counter moves, nothing is sent again", ko: "네트워크 탓이 아님: 움직이는 카운터도 재전송도 없음" },
    ];
    finding.verify = vec!["ss -tnpm".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::SkMem;

    fn socket(n: u16, filled: u32, stuck_ms: u64) -> Socket {
        let mem = SkMem { rmem_alloc_bytes: filled, rcvbuf_bytes: 1000, ..SkMem::default() };
        let socket = Socket::tcp(State::Established, "192.0.2.1:80", &format!("198.51.100.7:{}", 20_000 + n));
        socket.inode(9).queues(500, 0).skmem(mem).info(&[("last_data_recv", stuck_ms)])
    }

    fn scene(state: char) -> Scene {
        let process = Process { pid: 42, comm: "web".into(), state, ..Process::default() };
        Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 16).inode(7)).owner(9, 42, "web").process(process)
    }

    fn level(state: char, stuck: u16, live: u16, stuck_ms: u64) -> Option<Severity> {
        let scene = scene(state).each(stuck, |scene, n| scene.still(&socket(n, 900, stuck_ms)));
        let other = |n: u16| Socket::tcp(State::Established, "192.0.2.1:80", &format!("198.51.100.7:{}", 30_000 + n));
        scene.each(live, |scene, n| scene.still(&other(n).inode(8))).build().severity(&RULE)
    }

    /// Three connections for ten seconds.
    pub(crate) fn example() -> Example {
        scene('S').each(3, |scene, n| scene.still(&socket(n, 900, 10_000))).build()
    }

    #[test]
    fn levels_stand_at_one_at_three_for_ten_seconds_and_at_ten_of_all() {
        assert_eq!(level('S', 1, 0, 60_000), Some(Severity::Info), "one may pause");
        assert_eq!(level('T', 1, 0, 10_000), Some(Severity::Warning), "the process is stopped");
        assert_eq!(level('S', 3, 0, 9_999), Some(Severity::Info));
        assert_eq!(level('S', 3, 0, 10_000), Some(Severity::Warning));
        assert_eq!(level('S', 10, 1, 10_000), Some(Severity::Warning));
        assert_eq!(level('S', 10, 0, 10_000), Some(Severity::Critical));
    }

    #[test]
    fn a_buffer_that_is_not_full_or_is_read_is_no_trouble() {
        assert_eq!(scene('S').still(&socket(1, 899, 60_000)).build().severity(&RULE), None);
        let read = scene('S').kept(socket(1, 950, 60_000), socket(1, 950, 60_000).queues(400, 0));
        assert_eq!(read.build().severity(&RULE), None);
    }

    #[test]
    fn one_connection_for_half_a_minute_is_a_warning() {
        assert_eq!(
            last_two(&RULE, 3, |_| scene('S').still(&socket(1, 900, 60_000)).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
    }
}
