//! `tcp-memory`: TCP memory of the host or of a cgroup is under pressure.

use super::held::{CERTAIN, LIKELY, service_owner, who};
use super::receive_prune::THROWN;
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::snapshot::{Fact, Owner, Question, Service};
use crate::window::Window;
use crate::{say, text};

const ABORT_ON_MEMORY: Counter = Counter("TcpExt.TCPAbortOnMemory");
const PRESSURES: Counter = Counter("TcpExt.TCPMemoryPressures");
const PAGES: Counter = Counter("TCP.mem");
const TCP_MEM: &str = "net.ipv4.tcp_mem";

/// The rule.
pub static RULE: Rule = Rule {
    id: "tcp-memory",
    trouble: text! { en: "TCP memory of the host or of a cgroup under pressure", ko: "호스트나 cgroup의 TCP 메모리가 부족함" },
    page: Page {
        sees: text! {
            en: "sockstat's TCP mem (pages, the whole host) against the three values of tcp_mem, ΔTCPAbortOnMemory and \
                 ΔTCPMemoryPressures; and data thrown away while TCP memory is far from its limit, which is a cgroup at its own limit: its files say so, or \
                 ΔTCPRcvQDrop + ΔTCPOFODrop without ΔRcvPruned: dropped although the buffer itself was not full.",
            ko: "sockstat의 TCP mem(페이지, 호스트 전체)을 tcp_mem의 세 값과 비교하고 ΔTCPAbortOnMemory, ΔTCPMemoryPressures를 본다. TCP \
                 메모리가 한계에서 먼데도 데이터를 버린다면 자기 한계에 이른 cgroup이다: cgroup의 파일이 그렇게 말하거나, \
                 ΔRcvPruned 없이 ΔTCPRcvQDrop + ΔTCPOFODrop이 늘어난다. 버퍼가 차지 않았는데 버린 것이다."
        },
        matters: text! {
            en: "Under pressure the kernel shrinks windows and throws received data away; above the maximum it aborts connections.",
            ko: "부족하면 커널이 윈도를 줄이고 받은 데이터를 버린다. 최대값을 넘으면 연결을 끊는다."
        },
        act: text! {
            en: "Find who holds the memory (Recv-Q: we do not read; Send-Q: the peer does not) before raising the limit.",
            ko: "한계를 올리기 전에 누가 메모리를 쥐고 있는지 찾는다(Recv-Q: 우리가 읽지 않음, Send-Q: 상대가 읽지 않음)."
        },
        sources: "Documentation/networking/ip-sysctl.rst tcp_mem; net/core/sock.c __sk_mem_raise_allocated(); netdata tcp_mem.conf; cgroup-v2.rst",
    },
    rank: 4,
    reads: &[
        Read::Counter(ABORT_ON_MEMORY),
        Read::Counter(PRESSURES),
        Read::Counter(PAGES),
        Read::Counter(THROWN[0]),
        Read::Counter(THROWN[1]),
        Read::Counter(THROWN[2]),
        Read::Counter(THROWN[3]),
        Read::Census,
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Cgroup],
    hides: &[
        Hides { rule: "receive-prune", shared: Shared::Nothing },
        Hides { rule: "process-not-reading", shared: Shared::Nothing },
        Hides { rule: "old-timestamps", shared: Shared::Nothing },
        Hides { rule: "socket-backlog-drop", shared: Shared::Nothing },
        Hides { rule: "requests-unread", shared: Shared::Nothing },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

/// Pages in use, and the pages from which the kernel saves and refuses.
struct Memory {
    pages: u64,
    pressure: u64,
    max: u64,
}

fn memory(window: &Window) -> Option<Memory> {
    let mut values = window.last().sysctl(TCP_MEM)?.split_whitespace().map(|word| word.parse::<u64>().ok());
    let (_, pressure, max) = (values.next()??, values.next()??, values.next()??);
    Some(Memory { pages: window.value(PAGES)?, pressure, max: max.max(1) })
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let aborted = window.delta(ABORT_ON_MEMORY).unwrap_or(0);
    let memory = memory(window);
    let thrown = window.sum(&THROWN).unwrap_or(0);
    let far = memory.as_ref().is_none_or(|memory| memory.pages < memory.pressure);
    let mut questions = Vec::new();
    let cgroup = if thrown > 0 && far { at_its_limit(window, limits, &mut questions) } else { None };
    let cgroup = cgroup.or_else(|| starved(window, limits, &mut questions).filter(|_| far));
    let holder = holder(window);
    let high = |memory: &Memory| memory.pages as f64 > memory.pressure as f64 * limits.tcp_memory_warning_ratio;
    let pressed = aborted > 0 || memory.as_ref().is_some_and(high);
    let owner = holder.filter(|_| pressed).and_then(|service| service_owner(window, service, &mut questions));
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let host = pressed.then(|| of_host(window, limits, (memory.as_ref(), aborted, thrown), (holder, owner)));
    let findings: Vec<Finding> = host.into_iter().chain(cgroup).collect();
    match (findings.is_empty(), memory.is_some()) {
        (false, _) => Verdict::Findings(findings),
        (true, true) => Verdict::Healthy(None),
        (true, false) => Verdict::Undecided(Why {
            reason: say! { en: "{name} cannot be read in this namespace", ko: "이 네임스페이스에서는 {name}을 읽을 수 없음", name = TCP_MEM },
            needs: Some(say! { en: "a check in the first namespace", ko: "첫 네임스페이스에서의 점검" }),
        }),
    }
}

/// The service whose sockets hold most memory.
fn holder<'a>(window: &Window<'a>) -> Option<&'a Service> {
    let services = &window.census()?.services;
    services.iter().filter(|service| service.memory_bytes > 0).max_by_key(|service| service.memory_bytes)
}

type Host<'a> = (Option<&'a Memory>, u64, u64);

fn of_host(window: &Window, limits: &Limits, host: Host, holder: (Option<&Service>, Option<&Owner>)) -> Finding {
    let (memory, aborted, thrown) = host;
    let share = memory.map_or(0.0, |memory| memory.pages as f64 / memory.max as f64);
    // The memory is the host's: another namespace than the first is judged by what its own sockets suffer.
    let elsewhere = window.last().identity.first_netns == Some(false) && aborted == 0 && thrown == 0;
    let severity = match (elsewhere, aborted > 0 || share > limits.tcp_memory_critical_ratio) {
        (true, _) => Severity::Info,
        (false, true) => Severity::Critical,
        (false, false) => Severity::Warning,
    };
    let ratio = percent(share);
    let summary = say! {
        en: "TCP memory of the host stands at {ratio} of its maximum; {aborted} connections were aborted for it",
        ko: "호스트의 TCP 메모리가 최대값의 {ratio}. 이 때문에 끊긴 연결 {aborted}개",
        ratio = ratio, aborted = aborted
    };
    let mut finding = Finding::new(severity, Subject { kind: SubjectKind::Host, ..Subject::default() }, summary);
    finding.confidence = if aborted > 0 { CERTAIN } else { LIKELY };
    finding.size = share;
    blame(&mut finding, holder);
    finding.repair = vec![Advice::from(say! {
        en: "repair the reader that is behind (or the peer that is); only then raise {name}",
        ko: "밀린 쪽(읽는 프로그램 또는 상대)을 고친다. 그다음에 {name}을 올린다",
        name = TCP_MEM
    })];
    finding.verify = vec!["cat /proc/net/sockstat".into(), "sysctl net.ipv4.tcp_mem".into(), "ss -tnpm".into()];
    let pages = memory.map_or(0, |memory| memory.pages);
    let pressures = window.delta(PRESSURES).unwrap_or(0);
    let finding = finding
        .evidence("TCP mem", (pages as f64, "pages"), "host", "/proc/net/sockstat")
        .evidence(ABORT_ON_MEMORY.0, (aborted as f64, "connections"), "netns, whole window", "/proc/net/netstat")
        .evidence(PRESSURES.0, (pressures as f64, "times"), "netns, whole window", "/proc/net/netstat");
    let Some(memory) = memory else { return finding };
    finding
        .evidence("tcp_mem pressure", (memory.pressure as f64, "pages"), "host", "/proc/sys/net/ipv4/tcp_mem")
        .evidence("tcp_mem max", (memory.max as f64, "pages"), "host", "/proc/sys/net/ipv4/tcp_mem")
}

/// Names who holds most of it here, and whether it waits to be read or to be acknowledged.
fn blame(finding: &mut Finding, (service, owner): (Option<&Service>, Option<&Owner>)) {
    let Some(service) = service else {
        finding.cause = say! {
            en: "no socket of this namespace holds much of it: look into the others",
            ko: "이 네임스페이스의 소켓은 많이 쓰지 않음: 다른 네임스페이스를 확인"
        };
        return;
    };
    finding.subject.pid = owner.map(|owner| owner.pid);
    finding.subject.comm = owner.map(|owner| owner.comm.clone());
    finding.subject.cgroup = service.cgroup.map(|id| id.to_string());
    let who = who(owner, service.inodes[0]);
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / 1_048_576.0);
    finding.cause = say! {
        en: "{who} holds most of it here: {all} MiB, of which {unread} MiB wait to be read and {unsent} MiB to be acknowledged",
        ko: "여기서는 {who}가 가장 많이 씀: {all} MiB 가운데 읽기를 기다리는 것 {unread} MiB, 확인 응답을 기다리는 것 {unsent} MiB",
        who = who, all = mib(service.memory_bytes), unread = mib(service.recv_queue_bytes),
        unsent = mib(service.send_queue_bytes)
    };
}

/// The cgroup that uses all the memory it may, while data are thrown away and the host has enough.
fn at_its_limit(window: &Window, limits: &Limits, questions: &mut Vec<Question>) -> Option<Finding> {
    let service = holder(window)?;
    let question = Question::Cgroup { id: service.cgroup? };
    let owner = service_owner(window, service, questions);
    let Some(answer) = window.answer(&question) else {
        questions.push(question);
        return None;
    };
    let Ok(Fact::Cgroup { path, values }) = answer else { return None };
    let used = *values.get("memory.current").or_else(|| values.get("memory.kmem.tcp.usage_in_bytes"))?;
    let allowed = *values.get("memory.max").or_else(|| values.get("memory.kmem.tcp.limit_in_bytes"))?;
    if (used as f64) < allowed as f64 * limits.cgroup_memory_warning_ratio {
        return None;
    }
    let who = who(owner, service.inodes[0]);
    let summary = say! {
        en: "{who}: its cgroup {path} is at its memory limit, and received data are thrown away",
        ko: "{who}: cgroup {path}가 메모리 한계에 이르러 받은 데이터를 버림",
        who = who, path = path
    };
    let subject = Subject {
        kind: SubjectKind::Process,
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        cgroup: Some(path.clone()),
        ..Subject::default()
    };
    let mut finding = Finding::new(Severity::Warning, subject, summary);
    finding.confidence = LIKELY;
    finding.cause = say! {
        en: "TCP memory of the host is far from its limit; the memory of the container is not",
        ko: "호스트의 TCP 메모리는 여유가 있으나 컨테이너의 메모리가 한계임"
    };
    finding.repair = vec![Advice::from(say! {
        en: "read faster, or raise memory.max of {path}",
        ko: "더 빨리 읽거나 {path}의 memory.max를 올린다",
        path = path
    })];
    finding.verify = vec![format!("cat /sys/fs/cgroup{path}/memory.current /sys/fs/cgroup{path}/memory.max")];
    let sock = values.get("memory.stat sock").copied().unwrap_or(0);
    Some(
        finding
            .evidence("memory in use", (used as f64, "bytes"), "cgroup", "memory.current")
            .evidence("memory allowed", (allowed as f64, "bytes"), "cgroup", "memory.max")
            .evidence("memory of sockets", (sock as f64, "bytes"), "cgroup", "memory.stat sock"),
    )
}

/// Segments that were thrown away although their socket's own buffer had room, or had been given room: where the buffer itself is
/// full, `tcp_prune_queue()` counts RcvPruned beside the drop (net/ipv4/tcp_input.c).
fn refused(window: &Window) -> Option<u64> {
    let [_, pruned, dropped, out_of_order] = THROWN;
    Some(window.sum(&[dropped, out_of_order])?.saturating_sub(window.delta(pruned)?))
}

/// Most of what is thrown away was refused by memory, not by the sockets' own buffers, and the host has enough: a cgroup is at its
/// limit, whether or not its files can be read here.
fn starved(window: &Window, limits: &Limits, questions: &mut Vec<Question>) -> Option<Finding> {
    let (thrown, refused) = (window.sum(&THROWN)?, refused(window)?);
    let often = refused as f64 >= limits.thrown_warning_count
        && refused as f64 / window.seconds() >= limits.thrown_warning_per_second;
    let sockets = &window.census().filter(|_| often && refused * 2 > thrown)?.sockets;
    let dropping: Vec<_> = sockets.iter().filter(|kept| kept.drops_grown().unwrap_or(0) > 0).collect();
    let socket = &dropping.iter().max_by_key(|kept| kept.drops_grown())?.socket;
    let owner = window.owner(socket.inode, socket.uid).or_ask(questions);
    let (who, count) = (who(owner, socket.inode), dropping.len());
    let summary = say! {
        en: "{who}: the memory of its cgroup is at its limit; {thrown} received segments were thrown away",
        ko: "{who}: cgroup의 메모리가 한계에 이르러 받은 세그먼트 {thrown}개를 버림",
        who = who, thrown = thrown
    };
    let subject = Subject {
        kind: SubjectKind::Process,
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        local: Some(socket.local.to_string()),
        cgroup: socket.cgroup.map(|id| id.to_string()),
        ..Subject::default()
    };
    let mut finding = Finding::new(Severity::Warning, subject, summary);
    (finding.confidence, finding.size) = (LIKELY, thrown as f64);
    finding.cause = say! {
        en: "{count} connections drop data for want of memory: {refused} segments were refused without a full receive buffer (no RcvPruned), \
             and TCP memory of the host is far from its limit",
        ko: "연결 {count}개가 메모리가 모자라 데이터를 버림: 수신 버퍼가 가득 차지 않았는데도(RcvPruned 없음) 세그먼트 {refused}개가 거절되었고, \
             호스트의 TCP 메모리에는 여유가 있음",
        count = count, refused = refused
    };
    finding.repair = vec![Advice::from(say! {
        en: "read faster, or raise the cgroup's memory.max (version 1: memory.kmem.tcp.limit_in_bytes)",
        ko: "더 빨리 읽거나 cgroup의 memory.max(버전 1은 memory.kmem.tcp.limit_in_bytes)를 올린다"
    })];
    finding.verify = vec!["cat /proc/PID/cgroup".into(), "ss -tnpm".into()];
    Some(
        finding
            .evidence("thrown away", (thrown as f64, "segments"), "netns, whole window", "/proc/net/netstat")
            .evidence(
                "refused by memory",
                (refused as f64, "segments"),
                "netns, whole window",
                "TCPRcvQDrop + TCPOFODrop - RcvPruned",
            )
            .evidence("drop", (count as f64, "sockets"), "netns, both looks", "sock_diag skmem d"),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::{SkMem, Socket, State};

    fn scene(pages: u64, aborted: u64) -> Scene {
        let mem = SkMem { rmem_alloc_bytes: 2_000_000, rcvbuf_bytes: 6_000_000, ..SkMem::default() };
        let socket = Socket::tcp(State::Established, "192.0.2.1:80", "198.51.100.7:20000");
        let socket = Socket { cgroup: Some(77), ..socket.inode(9).queues(1_900_000, 0).skmem(mem) };
        let scene = Scene::new().sysctl(TCP_MEM, "500 1000 2000").gauge(PAGES.0, pages);
        scene.grew(ABORT_ON_MEMORY.0, aborted).still(&socket).owner(9, 42, "web")
    }

    /// Above the pressure.
    pub(crate) fn example() -> Example {
        scene(1001, 0).build()
    }

    #[test]
    fn levels_stand_at_the_pressure_at_nine_tenths_and_at_an_abort() {
        assert_eq!(scene(1000, 0).build().severity(&RULE), None);
        assert_eq!(scene(1001, 0).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(1800, 0).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(1801, 0).build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(scene(10, 1).build().severity(&RULE), Some(Severity::Critical));
        assert!(example().findings(&RULE)[0].cause.en.contains("web (pid 42)"));
    }

    #[test]
    fn another_namespace_is_judged_by_what_it_suffers() {
        let elsewhere = |scene: Scene| {
            let mut example = scene.build();
            example.second.identity.first_netns = Some(false);
            example.severity(&RULE)
        };
        assert_eq!(elsewhere(scene(1900, 0)), Some(Severity::Info));
        assert_eq!(elsewhere(scene(1900, 0).grew(THROWN[2].0, 1)), Some(Severity::Critical));
        let mut example = scene(10, 0).build();
        example.second.sysctls.insert(TCP_MEM.into(), Err(crate::snapshot::Absent::NotHere));
        assert!(example.is_undecided(&RULE));
    }

    #[test]
    fn a_cgroup_at_its_limit_is_named_when_data_are_thrown_away() {
        let level = |used, thrown| {
            let values = [("memory.current".to_owned(), used), ("memory.max".to_owned(), 1000)].into();
            let answer = Ok(Fact::Cgroup { path: "/shop".into(), values });
            let scene = scene(10, 0).answer(Question::Cgroup { id: 77 }, answer);
            scene.grew(THROWN[0].0, thrown).build().severity(&RULE)
        };
        assert_eq!((level(1000, 1), level(1000, 0)), (Some(Severity::Warning), None));
        assert_eq!((level(990, 1), level(989, 1)), (Some(Severity::Warning), None));
    }

    #[test]
    fn drops_without_a_full_buffer_are_a_cgroup_whose_files_nobody_sees() {
        let level = |dropped: u64, pruned: u64| {
            let socket = |drops, queue| {
                let mem = SkMem { rmem_alloc_bytes: 76_000, rcvbuf_bytes: 100_000, drops, ..SkMem::default() };
                let socket = Socket::tcp(State::Established, "192.0.2.1:80", "198.51.100.7:20000");
                socket.inode(9).queues(queue, 0).skmem(mem)
            };
            let scene = Scene::new().sysctl(TCP_MEM, "500 1000 2000").gauge(PAGES.0, 10).owner(9, 42, "web");
            let scene = scene.grew(THROWN[2].0, dropped).grew(THROWN[1].0, pruned);
            scene.kept(socket(3, 1448), socket(3 + dropped as u32, 60_000)).build().severity(&RULE)
        };
        assert_eq!(level(10, 0), Some(Severity::Warning), "the program reads, but slowly");
        assert_eq!(level(9, 0), None, "too few");
        assert_eq!(level(25, 25), None, "the buffers themselves were full");
        // 15 of 45 were refused by memory.
        assert_eq!(level(30, 15), None);
    }

    #[test]
    fn eight_tenths_of_the_pressure_for_ten_minutes_are_worth_a_line() {
        assert_eq!(last_two(&RULE, 60, |_| scene(801, 0).build()), [None, Some(Severity::Info)]);
        assert_eq!(last_two(&RULE, 60, |n| scene(if n == 30 { 800 } else { 801 }, 0).build()), [None; 2]);
    }
}
