//! `socket-backlog-drop`: a program holds its socket locked for so long that segments for it are dropped.

use super::held::{CERTAIN, LIKELY, POSSIBLE};
use super::wording::process;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Followed, Owner};
use crate::window::Window;
use crate::{say, text};

const DROPS: Counter = Counter("TcpExt.TCPBacklogDrop");
const RECEIVED: Counter = Counter("Tcp.InSegs");

/// The rule.
pub static RULE: Rule = Rule {
    id: "socket-backlog-drop",
    trouble: text! {
        en: "segments dropped because their socket was locked too long",
        ko: "소켓이 너무 오래 잠겨 세그먼트를 버림"
    },
    page: Page {
        sees: text! {
            en: "ΔTCPBacklogDrop: one is worth a line, ten and one a second a warning, more than 1 % of InSegs critical. The process is that of \
                 the socket whose skmem d grew most.",
            ko: "ΔTCPBacklogDrop: 하나면 알리고, 10 이상이며 초당 1 이상이면 경고, InSegs의 1 % 초과면 위험. skmem d가 가장 많이 늘어난 소켓의 \
                 프로세스를 지목한다."
        },
        matters: text! {
            en: "What arrived safely is thrown away at the last step and must be sent again; the connection slows as with loss.",
            ko: "무사히 도착한 것을 마지막 단계에서 버려 다시 보내야 하고, 손실처럼 연결이 느려진다."
        },
        act: text! {
            en: "See why the program stays so long in one recv() or send(): huge buffers, page faults, swapping.",
            ko: "프로그램이 recv()나 send() 한 번에 왜 오래 머무는지 본다: 큰 버퍼, 페이지 폴트, 스왑."
        },
        sources: "net/ipv4/tcp_ipv4.c tcp_add_backlog(); include/net/sock.h sk_rcvqueues_full()",
    },
    rank: 19,
    reads: &[Read::Counter(DROPS), Read::Counter(RECEIVED), Read::Window],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "old-timestamps", shared: Shared::Process },
        Hides { rule: "process-not-reading", shared: Shared::Process },
        Hides { rule: "receive-prune", shared: Shared::Process },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some((dropped, received)) = window.delta(DROPS).zip(window.delta(RECEIVED)) else {
        return Verdict::Healthy(None);
    };
    if dropped == 0 {
        return Verdict::Healthy(None);
    }
    let per_second = dropped as f64 / window.seconds();
    let many = dropped as f64 >= limits.backlog_drop_warning_count;
    let severity = if many && dropped as f64 > received as f64 * limits.backlog_drop_critical_ratio {
        Severity::Critical
    } else if many && per_second >= limits.backlog_drop_warning_per_second {
        Severity::Warning
    } else {
        Severity::Info
    };
    let mut questions = Vec::new();
    let socket = worst(window);
    let owner = socket.and_then(|worst| window.owner(worst.socket.inode, worst.socket.uid).or_ask(&mut questions));
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let finding = finding((severity, dropped, per_second), socket, owner);
    let (scope, source) = ("netns, window", "/proc/net/netstat, snmp");
    let finding = finding
        .evidence(DROPS.0, (dropped as f64, "segments"), scope, source)
        .evidence("dropped", (per_second, "per second"), scope, source)
        .evidence(RECEIVED.0, (received as f64, "segments"), scope, source);
    Verdict::Findings(vec![match socket.and_then(Followed::drops_grown) {
        Some(drops) => finding.evidence("sk_drops", (f64::from(drops), "segments"), "socket, window", "sock_diag"),
        None => finding,
    }])
}

/// The socket whose own drops grew most; a listener's drops are connections.
fn worst<'a>(window: &Window<'a>) -> Option<&'a Followed> {
    let sockets = window.census()?.sockets.iter();
    sockets.filter(|kept| kept.drops_grown().unwrap_or(0) > 0).max_by_key(|kept| kept.drops_grown())
}

fn finding(
    (severity, dropped, per_second): (Severity, u64, f64),
    socket: Option<&Followed>,
    owner: Option<&Owner>,
) -> Finding {
    let who =
        owner.map(process).or_else(|| socket.map(|kept| kept.socket.local.to_string())).unwrap_or_else(|| "?".into());
    let rate = format!("{per_second:.0}");
    let summary = say! {
        en: "{who} held its socket locked so long that {dropped} segments were dropped ({rate} a second)",
        ko: "{who}이(가) 소켓을 오래 잠가 세그먼트 {dropped}개를 버림(초당 {rate}개)",
        who = who, dropped = dropped, rate = rate
    };
    let subject = Subject {
        kind: if socket.is_some() { SubjectKind::Process } else { SubjectKind::Netns },
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        local: socket.map(|kept| kept.socket.local.to_string()),
        remote: socket.map(|kept| kept.socket.remote.to_string()),
        ..Subject::default()
    };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = match (socket, owner) {
        (Some(_), Some(_)) => CERTAIN,
        (Some(_), None) => LIKELY,
        _ => POSSIBLE,
    };
    finding.size = per_second;
    finding.cause = say! {
        en: "while a process is inside recv() or send(), segments for that socket wait in its backlog; the call lasted until the backlog was full: \
             huge copies, page faults, swapping",
        ko: "프로세스가 recv()나 send() 안에 있는 동안 그 소켓의 세그먼트는 백로그에서 기다림. 호출이 백로그가 찰 때까지 길어졌음: 큰 복사, 페이지 \
             폴트, 스왑"
    };
    advise(&mut finding, owner);
    finding
}

fn advise(finding: &mut Finding, owner: Option<&Owner>) {
    let pid = owner.map_or_else(|| "PID".to_owned(), |owner| owner.pid.to_string());
    finding.now = vec![Advice::from(say! {
        en: "see where it stays: strace -T -e trace=recvfrom,read,sendto,write -p {pid}; page faults: pidstat -r -p {pid} 1",
        ko: "어디에 머무는지 확인: strace -T -e trace=recvfrom,read,sendto,write -p {pid}; 페이지 폴트: pidstat -r -p {pid} 1",
        pid = pid
    })];
    finding.repair = vec![
        Advice::from(say! { en: "smaller copies per call, no swapping (more memory, mlock)", ko: "호출당 복사를 줄이고 스왑을 없앤다(메모리 증설, mlock)" }),
        Advice::from(say! { en: "a larger SO_RCVBUF: the backlog may be as long as both buffers", ko: "SO_RCVBUF를 키운다: 백로그는 두 버퍼를 합한 만큼 길어질 수 있다" })
            .side_effect(say! { en: "more memory for each connection", ko: "연결마다 메모리를 더 씀" }),
    ];
    finding.ruled_out = vec![say! {
        en: "a full receive buffer: that is counted as TCPRcvQDrop and pruning, not here",
        ko: "가득 찬 수신 버퍼: 그것은 TCPRcvQDrop과 prune으로 세며 여기에는 없음"
    }];
    finding.verify = vec!["nstat -z TcpExtTCPBacklogDrop".into(), "ss -tmp".into()];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::{SkMem, Socket, State};

    fn dropping(dropped: u64, received: u64) -> Example {
        let socket = |drops| {
            let socket = Socket::tcp(State::Established, "192.0.2.1:80", "192.0.2.9:5000").inode(7);
            socket.skmem(SkMem { drops, ..SkMem::default() })
        };
        let scene = Scene::new().grew(DROPS.0, dropped).grew(RECEIVED.0, received).owner(7, 42, "reader");
        scene.kept(socket(5), socket(5 + dropped as u32)).build()
    }

    pub(super) fn example() -> Example {
        dropping(19_733, 500_000)
    }

    #[test]
    fn one_a_second_warns_and_one_percent_is_critical() {
        let severity = |dropped, received| dropping(dropped, received).severity(&RULE);
        assert_eq!(
            [0, 1, 9, 10].map(|dropped| severity(dropped, 100_000)),
            [None, Some(Severity::Info), Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(
            [1_000, 1_001].map(|dropped| severity(dropped, 100_000)),
            [Some(Severity::Warning), Some(Severity::Critical)]
        );
        assert_eq!(severity(9, 100), Some(Severity::Info), "nine of anything are few");
    }

    #[test]
    fn the_process_of_the_socket_that_dropped_is_named() {
        let list = example().findings(&RULE);
        assert_eq!((list[0].subject.pid, list[0].subject.local.as_deref()), (Some(42), Some("192.0.2.1:80")));
    }

    #[test]
    fn a_tenth_a_second_for_ten_minutes_is_a_warning() {
        assert_eq!(last_two(&RULE, 60, |_| dropping(1, 100_000)), [Some(Severity::Info), Some(Severity::Warning)]);
    }
}
