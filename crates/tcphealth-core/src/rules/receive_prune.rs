//! `receive-prune`: received data are thrown away for want of buffer.

use super::held::{CERTAIN, LIKELY, POSSIBLE, who};
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Owner, Socket};
use crate::window::Window;
use crate::{say, text};

/// Counters of data thrown away after they had arrived.
pub(super) const THROWN: [Counter; 4] = [
    Counter("TcpExt.OfoPruned"),
    Counter("TcpExt.RcvPruned"),
    Counter("TcpExt.TCPRcvQDrop"),
    Counter("TcpExt.TCPOFODrop"),
];
const PRUNE_CALLED: Counter = Counter("TcpExt.PruneCalled");
/// Share of the receive buffer from which it counts as full.
const FULL: f64 = 0.9;

/// The rule.
pub static RULE: Rule = Rule {
    id: "receive-prune",
    trouble: text! { en: "received data thrown away for want of buffer", ko: "버퍼가 부족해 받은 데이터를 버림" },
    page: Page {
        sees: text! {
            en: "ΔOfoPruned + ΔRcvPruned + ΔTCPRcvQDrop + ΔTCPOFODrop; or ΔPruneCalled of ten a second and more with a full buffer that is \
                 mostly overhead (Recv-Q below a quarter of skmem r). PruneCalled alone is harmless collapsing.",
            ko: "ΔOfoPruned + ΔRcvPruned + ΔTCPRcvQDrop + ΔTCPOFODrop. 또는 ΔPruneCalled가 초당 10 이상이고 가득 찬 버퍼가 대부분 \
                 오버헤드일 때(Recv-Q가 skmem r의 4분의 1 미만). PruneCalled만 늘어나는 것은 무해한 정리이다."
        },
        matters: text! {
            en: "What arrived must be sent again: transfers slow down and the line looks lossy although it is not.",
            ko: "도착한 것을 다시 보내야 하므로 전송이 느려지고, 회선이 멀쩡해도 손실처럼 보인다."
        },
        act: text! {
            en: "Read faster; let the sender batch its small writes; only then enlarge tcp_rmem.",
            ko: "더 빨리 읽고, 보내는 쪽의 작은 쓰기를 묶는다. 그다음에 tcp_rmem을 늘린다."
        },
        sources: "net/ipv4/tcp_input.c tcp_prune_queue(), tcp_try_rmem_schedule(); snmp_counter.rst TcpExtPruneCalled",
    },
    rank: 20,
    reads: &[
        Read::Counter(THROWN[0]),
        Read::Counter(THROWN[1]),
        Read::Counter(THROWN[2]),
        Read::Counter(THROWN[3]),
        Read::Counter(PRUNE_CALLED),
        Read::Census,
        Read::Window,
    ],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "process-not-reading", shared: Shared::Process },
        Hides { rule: "old-timestamps", shared: Shared::Process },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let thrown = window.sum(&THROWN).unwrap_or(0);
    let collapses = window.per_second(PRUNE_CALLED).unwrap_or(0.0);
    let overhead = overhead(window).filter(|_| collapses >= limits.prune_warning_per_second);
    if thrown == 0 && overhead.is_none() {
        return Verdict::Healthy(None);
    }
    let socket = overhead.or_else(|| fullest(window));
    let mut questions = Vec::new();
    let owner = socket.and_then(|socket| window.owner(socket.inode, socket.uid).or_ask(&mut questions));
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let per_second = thrown as f64 / window.seconds();
    let often = thrown as f64 >= limits.thrown_warning_count && per_second >= limits.thrown_warning_per_second;
    let severity = if often || overhead.is_some() { Severity::Warning } else { Severity::Info };
    let mut finding = finding((thrown, collapses), severity, socket, owner);
    finding.confidence = match (owner, socket) {
        (Some(_), _) => CERTAIN,
        (None, Some(_)) => LIKELY,
        (None, None) => POSSIBLE,
    };
    Verdict::Findings(vec![finding])
}

fn memory(socket: &Socket) -> u32 {
    socket.skmem.map_or(0, |mem| mem.rmem_alloc_bytes)
}

fn is_full(socket: &Socket) -> bool {
    let full = |mem: crate::snapshot::SkMem| f64::from(mem.rmem_alloc_bytes) >= FULL * f64::from(mem.rcvbuf_bytes);
    memory(socket) > 0 && socket.skmem.is_some_and(full)
}

/// The full buffer with most memory that holds less than a quarter of it in data: tiny segments.
fn overhead<'a>(window: &Window<'a>) -> Option<&'a Socket> {
    let sockets = window.census()?.sockets.iter().map(|followed| &followed.socket);
    sockets
        .filter(|socket| is_full(socket))
        .filter(|socket| socket.rqueue < memory(socket) / 4)
        .max_by_key(|socket| memory(socket))
}

/// The socket whose buffer is full, else the one with most drops.
fn fullest<'a>(window: &Window<'a>) -> Option<&'a Socket> {
    let sockets = || window.census().into_iter().flat_map(|census| &census.sockets).map(|followed| &followed.socket);
    let drops = |socket: &&Socket| socket.skmem.map_or(0, |mem| mem.drops);
    let full = sockets().filter(|socket| is_full(socket)).max_by_key(|socket| memory(socket));
    full.or_else(|| sockets().filter(|socket| drops(socket) > 0).max_by_key(drops))
}

fn finding(
    (thrown, collapses): (u64, f64),
    severity: Severity,
    socket: Option<&Socket>,
    owner: Option<&Owner>,
) -> Finding {
    let who = if socket.is_some() { who(owner, socket.map_or(0, |socket| socket.inode)) } else { "?".to_owned() };
    let (rate, payload) = (format!("{collapses:.0}"), socket.map(payload));
    let summary = if thrown > 0 {
        say! { en: "{thrown} received segments were thrown away for want of buffer ({who})", ko: "버퍼가 부족해 받은 세그먼트 {thrown}개를 버림({who})", thrown = thrown, who = who }
    } else {
        say! { en: "the receive buffer of {who} is full of overhead: {rate} collapses a second", ko: "{who}의 수신 버퍼가 오버헤드로 가득 참: 초당 {rate}회 정리", who = who, rate = rate }
    };
    let mut finding = Finding::new(severity, subject(socket, owner), summary);
    finding.size = thrown as f64 + collapses;
    let share = payload.map_or_else(|| "?".to_owned(), percent);
    finding.cause = say! {
        en: "The program reads too slowly, or the sender sends tiny segments: {share} of the memory of the buffer is data.",
        ko: "프로그램이 너무 느리게 읽거나 보내는 쪽이 아주 작은 세그먼트를 보냄: 버퍼 메모리 가운데 데이터는 {share}.",
        share = share
    };
    advise(&mut finding, &who);
    let netns = "netns, whole window";
    let finding = finding
        .evidence("thrown away", (thrown as f64, "segments"), netns, "OfoPruned + RcvPruned + TCPRcvQDrop + TCPOFODrop")
        .evidence(PRUNE_CALLED.0, (collapses, "per second"), netns, "/proc/net/netstat");
    let Some(socket) = socket else { return finding };
    finding.evidence("rmem_alloc", (f64::from(memory(socket)), "bytes"), "socket", "sock_diag skmem r").evidence(
        "Recv-Q",
        (f64::from(socket.rqueue), "bytes"),
        "socket",
        "sock_diag",
    )
}

fn payload(socket: &Socket) -> f64 {
    f64::from(socket.rqueue) / f64::from(memory(socket).max(1))
}

fn subject(socket: Option<&Socket>, owner: Option<&Owner>) -> Subject {
    Subject {
        kind: if socket.is_some() { SubjectKind::Process } else { SubjectKind::Netns },
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        local: socket.map(|socket| socket.local.to_string()),
        remote: socket.map(|socket| socket.remote.to_string()),
        ..Subject::default()
    }
}

fn advise(finding: &mut Finding, who: &str) {
    finding.now =
        vec![Advice::from(say! { en: "see why {who} does not read", ko: "{who}가 왜 읽지 않는지 확인", who = who })];
    finding.repair = vec![
        Advice::from(
            say! { en: "read faster; batch small writes at the sender", ko: "더 빨리 읽고, 보내는 쪽의 작은 쓰기를 묶는다" },
        ),
        Advice::from(
            say! { en: "a larger third value of net.ipv4.tcp_rmem", ko: "net.ipv4.tcp_rmem의 세 번째 값 늘리기" },
        )
        .effect(say! { en: "a longer pause of the reader fits", ko: "읽는 쪽이 더 오래 쉬어도 됨" })
        .side_effect(say! { en: "more memory a connection", ko: "연결마다 메모리를 더 씀" })
        .undo(say! { en: "the former value", ko: "이전 값으로 되돌림" }),
    ];
    finding.verify = vec!["nstat -z 'TcpExt*Prune*' TcpExtTCPRcvQDrop TcpExtTCPOFODrop".into(), "ss -tnpm".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{SkMem, State};

    fn scene(thrown: u64, collapses: u64, filled: u32, queue: u32) -> Example {
        let mem = SkMem { rmem_alloc_bytes: filled, rcvbuf_bytes: 1000, ..SkMem::default() };
        let socket = Socket::tcp(State::Established, "192.0.2.1:80", "198.51.100.7:20000");
        let scene = Scene::new().grew("TcpExt.OfoPruned", thrown).grew(PRUNE_CALLED.0, collapses).owner(9, 42, "web");
        scene.still(&socket.inode(9).queues(queue, 0).skmem(mem)).build()
    }

    /// Ten segments thrown away.
    pub(crate) fn example() -> Example {
        scene(10, 10, 900, 500)
    }

    #[test]
    fn levels_stand_at_one_and_at_one_a_second() {
        assert_eq!(scene(0, 426, 900, 800).severity(&RULE), None, "collapsing alone is harmless");
        assert_eq!(scene(1, 1, 900, 500).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(9, 9, 900, 500).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 10, 900, 500).severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn a_full_buffer_of_overhead_is_a_warning() {
        assert_eq!(scene(0, 99, 900, 100).severity(&RULE), None, "9.9 a second");
        assert_eq!(scene(0, 100, 899, 100).severity(&RULE), None, "not full");
        assert_eq!(scene(0, 100, 900, 225).severity(&RULE), None, "a quarter is data");
        assert_eq!(scene(0, 100, 900, 224).severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(0, 100, 900, 100).findings(&RULE)[0].subject.pid, Some(42));
    }

    #[test]
    fn a_few_in_each_of_two_windows_are_a_warning() {
        assert_eq!(levels(&RULE, 2, |_| scene(1, 1, 900, 500)), [Some(Severity::Info), Some(Severity::Warning)]);
    }
}
