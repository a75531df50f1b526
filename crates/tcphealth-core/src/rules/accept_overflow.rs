//! `accept-overflow`: connections arrive faster than the program accepts them, and its queue is full.

use std::collections::BTreeMap;

use super::accept_stalled::is_stalled;
use super::held::{CERTAIN, LIKELY, who};
use super::judge::short;
use super::{Ask, Limits, Page, Read, Rule};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Endpoint, Listener, Owner, Process, Question, Watch};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const OVERFLOWS: Counter = Counter("TcpExt.ListenOverflows");
const PASSIVE_OPENS: Counter = Counter("Tcp.PassiveOpens");
const SOMAXCONN: &str = "net.core.somaxconn";

/// The rule.
pub static RULE: Rule = Rule {
    id: "accept-overflow",
    trouble: text! { en: "a listener's accept queue overflows", ko: "리스너의 accept 큐가 넘침" },
    page: Page {
        sees: text! {
            en: "ΔTcpExt.ListenOverflows over the window. The listener is the one whose skmem drops grew; its Recv-Q stands at \
                 Send-Q + 1 while the queue is full. Listeners that share a port (SO_REUSEPORT) are taken together.",
            ko: "관찰 구간의 ΔTcpExt.ListenOverflows. skmem drops가 늘어난 리스너가 원인이며, 큐가 가득 차면 Recv-Q가 Send-Q + 1이 된다. \
                 포트를 함께 쓰는 리스너(SO_REUSEPORT)는 합쳐서 본다."
        },
        matters: text! {
            en: "The last ACK of the handshake is dropped; the client sends its SYN again after one second or, with \
                 tcp_abort_on_overflow, gets a reset. Connects take 1 s, 3 s and more.",
            ko: "핸드셰이크의 마지막 ACK가 버려진다. 클라이언트는 1초 뒤 SYN을 다시 보내거나, tcp_abort_on_overflow가 켜져 있으면 RST를 \
                 받는다. 연결에 1초, 3초씩 걸린다."
        },
        act: text! {
            en: "Find out why the program does not accept; only when it merely suffers from bursts, raise its backlog.",
            ko: "프로그램이 왜 accept하지 못하는지 찾는다. 순간적인 몰림일 때만 backlog를 늘린다."
        },
        sources: "net/ipv4/tcp_ipv4.c tcp_v4_syn_recv_sock(); include/net/sock.h sk_acceptq_is_full(); listen(2)",
    },
    rank: 99,
    reads: &[Read::Counter(OVERFLOWS), Read::Counter(PASSIVE_OPENS)],
    asks: &[Ask::Owner, Ask::Process, Ask::Watch(Watch::Listeners)],
    hides: &[],
    watches,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// An overflowing queue, before it is told apart who set its limit.
pub(super) struct Overflow<'a> {
    /// The listener, when it can be told; of several that share a port, the one that dropped most.
    pub(super) listener: Option<&'a Listener>,
    /// How many listeners share the port.
    sharing: usize,
    /// Its process.
    owner: Option<&'a Owner>,
    /// How that does.
    process: Option<&'a Process>,
    /// Overflows in the window.
    count: u64,
    /// Overflows a second.
    pub(super) per_second: f64,
    /// How bad.
    pub(super) severity: Severity,
    /// Share of the arriving connections that overflowed.
    share: f64,
    why: Why,
}

/// Why a queue overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Nothing is accepted at all.
    Stalled,
    /// The queue was empty at both looks: more came at once than it holds.
    Burst,
    /// The queue turns over, too slowly.
    Slow,
}

/// Only where the kernel does not tell the drops of each listener must their queues be watched.
fn watches(window: &Window, _: &Limits) -> Vec<Watch> {
    let listeners = window.census().map_or(&[][..], |census| &census.listeners);
    let untold = listeners.iter().any(|listener| listener.drops.is_none() && listener.queue > 0);
    if untold { vec![Watch::Listeners] } else { Vec::new() }
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    if !window.is_whole() {
        return full_now(window);
    }
    let mut questions = Vec::new();
    match overflows(window, limits, &mut questions) {
        Err(verdict) => verdict,
        Ok(overflows) if overflows.is_empty() => Verdict::Healthy(None),
        Ok(overflows) => {
            Verdict::Findings(overflows.iter().map(|overflow| finding(window, limits, overflow)).collect())
        }
    }
}

/// What one look tells: which queues are full at this moment.
fn full_now(window: &Window) -> Verdict {
    let listeners = window.census().map_or(&[][..], |census| &census.listeners);
    let full = listeners.iter().filter(|listener| listener.queue > listener.limit);
    let findings: Vec<Finding> = full
        .map(|listener| {
            let summary = say! {
                en: "the accept queue of {local} is full now ({queue}/{limit})",
                ko: "{local}의 accept 큐가 지금 가득 참({queue}/{limit})",
                local = listener.local, queue = listener.queue, limit = listener.limit
            };
            let mut finding = Finding::new(Severity::Info, subject(Some(listener), None), summary.clone());
            finding.confidence = LIKELY;
            finding.cause = summary;
            finding.verify = vec!["ss -ltn".into()];
            finding.evidence("Recv-Q", (f64::from(listener.queue), "connections"), "listener, one look", "sock_diag")
        })
        .collect();
    findings.into()
}

/// The overflows of this window, by port; what must be known or is wanting is the error.
pub(super) fn overflows<'a>(
    window: &Window<'a>,
    limits: &Limits,
    questions: &mut Vec<Question>,
) -> Result<Vec<Overflow<'a>>, Verdict> {
    let total = window.delta(OVERFLOWS).unwrap_or(0);
    if let Some(why) = short(window, limits) {
        return Err(Verdict::Undecided(why));
    }
    if total == 0 {
        return Ok(Vec::new());
    }
    let mut dropping = dropping(window);
    if dropping.is_empty() {
        dropping.push((longest(window), total, 1));
    }
    let known = |(listener, drops, sharing): (Option<&'a Listener>, u64, usize)| {
        overflow(window, limits, (listener, drops.min(total), sharing), questions)
    };
    let overflows: Vec<Overflow> = dropping.into_iter().map(known).collect();
    if questions.is_empty() { Ok(overflows) } else { Err(Verdict::Ask(std::mem::take(questions))) }
}

/// The ports whose listeners dropped connections: the worst listener, their drops together, how many they are.
fn dropping<'a>(window: &Window<'a>) -> Vec<(Option<&'a Listener>, u64, usize)> {
    let mut ports: BTreeMap<Endpoint, (Option<&Listener>, u64, usize)> = BTreeMap::new();
    for listener in window.census().map_or(&[][..], |census| &census.listeners) {
        let port = ports.entry(listener.local).or_insert((None, 0, 0));
        let grown = listener.drops_grown.unwrap_or(0);
        if port.0.is_none_or(|worst| worst.drops_grown.unwrap_or(0) < grown) {
            port.0 = Some(listener);
        }
        port.1 += u64::from(grown);
        port.2 += 1;
    }
    let mut ports: Vec<_> = ports.into_values().filter(|(_, drops, _)| *drops > 0).collect();
    ports.sort_by_key(|(_, drops, _)| std::cmp::Reverse(*drops));
    ports
}

/// Without drops by listener: the one whose queue is full, or was while it was watched.
fn longest<'a>(window: &Window<'a>) -> Option<&'a Listener> {
    let heard = window.heard(Watch::Listeners).and_then(Result::ok);
    let seen = |listener: &Listener| {
        let samples = heard.map_or(&[][..], |heard| &heard.listener_queues);
        let most = samples.iter().filter(|(cookie, _)| *cookie == listener.cookie).map(|(_, queue)| *queue).max();
        listener.queue.max(most.unwrap_or(0))
    };
    let listeners = &window.census()?.listeners;
    listeners.iter().filter(|listener| seen(listener) > listener.limit).max_by_key(|listener| seen(listener))
}

fn overflow<'a>(
    window: &Window<'a>,
    limits: &Limits,
    (listener, count, sharing): (Option<&'a Listener>, u64, usize),
    questions: &mut Vec<Question>,
) -> Overflow<'a> {
    let per_second = count as f64 / window.seconds();
    let share = count as f64 / (window.delta(PASSIVE_OPENS).unwrap_or(0) + count) as f64;
    let owner = listener.and_then(|listener| window.listener_owner(listener).or_ask(questions));
    let process = owner.and_then(|owner| window.process(owner.pid).or_ask(questions));
    let severity = severity(count, per_second, share, limits);
    let why = listener.map_or(Why::Slow, |listener| why(window, listener));
    Overflow { listener, sharing, owner, process, count, per_second, severity, share, why }
}

fn why(window: &Window, listener: &Listener) -> Why {
    let before = window.census_before().map_or(&[][..], |census| &census.listeners);
    let first = before.iter().find(|first| first.cookie == listener.cookie);
    if is_stalled(window, listener) {
        Why::Stalled
    } else if listener.queue == 0 && first.is_none_or(|first| first.queue == 0) {
        Why::Burst
    } else {
        Why::Slow
    }
}

fn severity(count: u64, per_second: f64, share: f64, limits: &Limits) -> Severity {
    let often = count as f64 >= limits.accept_overflow_critical_ratio_count;
    if per_second >= limits.accept_overflow_critical_per_second
        || (share >= limits.accept_overflow_critical_ratio && often)
    {
        Severity::Critical
    } else if count as f64 >= limits.accept_overflow_warning_count
        && per_second >= limits.accept_overflow_warning_per_second
    {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// Listener and process as the subject of a finding.
fn subject(listener: Option<&Listener>, owner: Option<&Owner>) -> Subject {
    let local = listener.map(|listener| listener.local.to_string());
    Subject {
        kind: if local.is_some() { SubjectKind::Listener } else { SubjectKind::Netns },
        listener: local.clone(),
        local,
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    }
}

fn finding(window: &Window, limits: &Limits, overflow: &Overflow) -> Finding {
    let place = overflow.listener.map_or("?".to_owned(), |listener| listener.local.to_string());
    let rate = format!("{:.1}", overflow.per_second);
    let mut finding = found(
        overflow,
        say! {
            en: "the accept queue of {place} overflows {rate} times a second",
            ko: "{place}의 accept 큐가 초당 {rate}회 넘침",
            place = place, rate = rate
        },
    );
    finding.cause = cause(window, overflow);
    finding.now = vec![Advice::from(say! {
        en: "see what the program does instead of accepting (its threads, its stack)",
        ko: "프로그램이 accept 대신 무엇을 하는지 스레드와 스택을 확인한다"
    })];
    finding.repair = vec![repair(overflow)];
    finding.avoid = avoid(window, limits, overflow);
    finding.verify = vec!["ss -ltnm".into(), "nstat -z TcpExtListenOverflows TcpExtListenDrops".into()];
    finding
}

/// What this rule and the one on somaxconn say alike: who, how sure, how much, by which numbers.
pub(super) fn found(overflow: &Overflow, summary: Message) -> Finding {
    let mut finding = Finding::new(overflow.severity, subject(overflow.listener, overflow.owner), summary);
    finding.confidence = if overflow.owner.is_some() { CERTAIN } else { LIKELY };
    finding.size = overflow.per_second;
    let netns = "netns, whole window";
    let ratio = "ListenOverflows / (PassiveOpens + ListenOverflows)";
    let finding = finding
        .evidence(OVERFLOWS.0, (overflow.count as f64, "connections"), netns, "/proc/net/netstat")
        .evidence("overflows", (overflow.per_second, "per second"), netns, "/proc/net/netstat")
        .evidence("overflow share", (overflow.share, "ratio"), netns, ratio);
    let Some(listener) = overflow.listener else { return finding };
    let drops = f64::from(listener.drops_grown.unwrap_or(0));
    finding
        .evidence("Recv-Q", (f64::from(listener.queue), "connections"), "listener", "sock_diag")
        .evidence("Send-Q", (f64::from(listener.limit), "connections"), "listener", "sock_diag")
        .evidence("sk_drops", (drops, "connections"), "listener, whole window", "sock_diag skmem d")
        .evidence("listeners on the port", (overflow.sharing as f64, "listeners"), "netns", "sock_diag")
}

fn cause(window: &Window, overflow: &Overflow) -> Message {
    let Some(listener) = overflow.listener else {
        return say! { en: "no listener's drops grew: which one cannot be told", ko: "drops가 늘어난 리스너가 없어 어느 것인지 알 수 없음" };
    };
    let reset = window.last().sysctl("net.ipv4.tcp_abort_on_overflow").is_some_and(|value| value.trim() == "1");
    let felt = if reset {
        text! { en: "Clients get a reset (tcp_abort_on_overflow).", ko: "클라이언트는 RST를 받음(tcp_abort_on_overflow)." }
    } else {
        text! { en: "Clients connect after 1 s or later.", ko: "클라이언트는 1초 이상 늦게 연결됨." }
    };
    let reason = reason(listener, overflow);
    Message { en: format!("{} {}", reason.en, felt.en), ko: format!("{} {}", reason.ko, felt.ko) }
}

fn reason(listener: &Listener, overflow: &Overflow) -> Message {
    let who = who(overflow.owner, listener.inode);
    let state = overflow.process.map_or('?', |process| process.state);
    let (queue, limit) = (listener.queue, listener.limit);
    match overflow.why {
        Why::Stalled => say! {
            en: "{who} (state {state}) accepts nothing at all: {queue} wait, {limit} is the limit.",
            ko: "{who}(상태 {state})이 아무것도 accept하지 않음: {queue}개 대기, 한계는 {limit}개.",
            who = who, state = state, queue = queue, limit = limit
        },
        Why::Burst => say! {
            en: "The queue was empty at both looks ({who}, state {state}): connections come in bursts of more than {limit}.",
            ko: "두 관찰 시점에는 큐가 비어 있음({who}, 상태 {state}): 연결이 한꺼번에 {limit}개 넘게 몰려 옴.",
            who = who, state = state, limit = limit
        },
        Why::Slow => say! {
            en: "{who} (state {state}) accepts more slowly than connections arrive: {queue} wait now, {limit} is the limit.",
            ko: "{who}(상태 {state})의 accept가 연결이 들어오는 속도보다 느림: 지금 {queue}개 대기, 한계는 {limit}개.",
            who = who, state = state, queue = queue, limit = limit
        },
    }
}

fn repair(overflow: &Overflow) -> Advice {
    if overflow.why == Why::Burst {
        let act = say! { en: "a larger backlog in the program's listen(), then restart it", ko: "프로그램의 listen() backlog를 늘린 뒤 재시작" };
        return Advice::from(act)
            .effect(say! { en: "the queue holds the burst", ko: "몰린 연결을 큐가 받아 줌" })
            .side_effect(say! { en: "clients wait in the queue instead of retrying", ko: "클라이언트는 재시도 대신 큐에서 기다림" });
    }
    Advice::from(say! {
        en: "accept faster: more workers, no work in the accepting thread",
        ko: "accept를 빠르게: 워커를 늘리고 accept 스레드에서 일을 덜어낸다"
    })
}

fn avoid(window: &Window, limits: &Limits, overflow: &Overflow) -> Vec<Message> {
    let limit = overflow.listener.map(|listener| i64::from(listener.limit));
    let somaxconn = window.last().sysctl_number(SOMAXCONN);
    if limit.is_some_and(|limit| limit as f64 >= limits.somaxconn_default_connections) {
        return vec![say! {
            en: "a still longer queue: from {limit} on clients only wait longer",
            ko: "큐를 더 늘리지 않는다: {limit} 이상이면 클라이언트가 더 오래 기다릴 뿐임",
            limit = limit.unwrap_or_default()
        }];
    }
    if limit >= somaxconn {
        return Vec::new();
    }
    vec![say! {
        en: "a larger somaxconn changes nothing while the program itself passes the smaller backlog to listen()",
        ko: "프로그램이 listen()에 작은 backlog를 넘기는 한 somaxconn을 늘려도 소용없다"
    }]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{SkMem, Socket};

    /// A full queue of 16 on which this many connections overflowed, while this many were accepted.
    fn overflowing(overflows: u64, passive: u64) -> Example {
        let listener =
            |drops| Socket::listener("192.0.2.1:80", 17, 16).inode(7).skmem(SkMem { drops, ..SkMem::default() });
        Scene::new()
            .grew("TcpExt.ListenOverflows", overflows)
            .grew("Tcp.PassiveOpens", passive)
            .sysctl("net.core.somaxconn", "16")
            .kept(listener(0), listener(overflows as u32))
            .owner(7, 42, "web")
            .process(Process { pid: 42, comm: "web".into(), state: 'R', ..Process::default() })
            .build()
    }

    pub(in crate::rules) fn example() -> Example {
        overflowing(50, 1000)
    }

    #[test]
    fn the_levels_stand_at_one_and_at_five_a_second() {
        let severity = |overflows, passive| overflowing(overflows, passive).severity(&RULE);
        assert_eq!(severity(0, 1000), None);
        assert_eq!(severity(9, 1000), Some(Severity::Info));
        assert_eq!(severity(10, 1000), Some(Severity::Warning));
        assert_eq!(severity(49, 1000), Some(Severity::Warning));
        assert_eq!(severity(50, 1000), Some(Severity::Critical));
        assert_eq!(severity(10, 90), Some(Severity::Critical));
    }

    #[test]
    fn the_listener_and_its_process_are_named() {
        let list = example().findings(&RULE);
        assert_eq!((list[0].subject.listener.as_deref(), list[0].subject.pid), (Some("192.0.2.1:80"), Some(42)));
    }

    fn listener(inode: u32, queue: u32, limit: u32, drops: u32) -> Socket {
        Socket::listener("192.0.2.1:80", queue, limit).inode(inode).skmem(SkMem { drops, ..SkMem::default() })
    }

    fn scene(overflows: u64) -> Scene {
        let process = Process { pid: 42, comm: "web".into(), state: 'R', ..Process::default() };
        Scene::new().grew(OVERFLOWS.0, overflows).owner(7, 42, "web").process(process)
    }

    #[test]
    fn listeners_that_share_a_port_are_summed_and_the_worst_is_shown() {
        let shared = scene(50).kept(listener(7, 17, 16, 0), listener(7, 17, 16, 30));
        let shared = shared.kept(listener(8, 3, 16, 0), listener(8, 3, 16, 20));
        let list = shared.build().findings(&RULE);
        assert_eq!((list.len(), list[0].subject.pid, list[0].severity), (1, Some(42), Severity::Critical));
    }

    #[test]
    fn the_reason_is_told_by_the_queue() {
        let said = |scene: Scene| scene.build().findings(&RULE)[0].cause.en.clone();
        assert!(said(scene(5).kept(listener(7, 9, 16, 0), listener(7, 9, 16, 5))).contains("more slowly"));
        assert!(said(scene(5).kept(listener(7, 0, 16, 0), listener(7, 0, 16, 5))).contains("bursts"));
        let waiting = Socket::tcp(crate::snapshot::State::Established, "192.0.2.1:80", "198.51.100.7:9");
        let stalled = scene(5).kept(listener(7, 1, 0, 0), listener(7, 1, 0, 5)).still(&waiting);
        assert!(said(stalled).contains("nothing at all"));
        let reset =
            scene(5).kept(listener(7, 9, 16, 0), listener(7, 9, 16, 5)).sysctl("net.ipv4.tcp_abort_on_overflow", "1");
        assert!(said(reset).contains("reset"));
    }

    #[test]
    fn a_long_queue_is_not_made_longer() {
        let avoid = |limit| {
            let list = scene(5).kept(listener(7, 9, limit, 0), listener(7, 9, limit, 5)).build().findings(&RULE);
            list[0].avoid.iter().map(|message| message.en.clone()).collect::<String>()
        };
        assert!(avoid(4096).contains("wait longer"));
        assert!(avoid(4095).contains("somaxconn changes nothing"));
    }

    #[test]
    fn one_look_shows_a_full_queue() {
        let (example, limits) = (example(), Limits::default());
        let window = Window::instant(&example.first, &example.answers);
        assert!(matches!(check(&window, &limits), Verdict::Findings(list) if list[0].severity == Severity::Info));
    }

    #[test]
    fn without_drops_the_watched_queue_tells() {
        let untold = |queue| Socket { skmem: None, ..Socket::listener("192.0.2.1:80", queue, 16).inode(7) };
        let scene = scene(9).still(&untold(3));
        let mut example = scene.build();
        assert_eq!(watches(&Window::instant(&example.first, &example.answers), &Limits::default()), [Watch::Listeners]);
        assert_eq!(example.findings(&RULE)[0].subject.kind, SubjectKind::Netns);
        let cookie = example.second.census.as_ref().unwrap().listeners[0].cookie;
        let heard = crate::snapshot::Heard { listener_queues: vec![(cookie, 17)], ..Default::default() };
        example.answers.insert(Question::Watch(Watch::Listeners), Ok(crate::snapshot::Fact::Heard(heard)));
        assert_eq!(example.findings(&RULE)[0].subject.pid, Some(42));
    }

    #[test]
    fn the_mean_of_a_minute_counts_between_its_bursts() {
        assert_eq!(
            levels(&RULE, 7, |n| overflowing(n % 2 * 20, 1000)),
            [
                None,
                Some(Severity::Warning),
                None,
                Some(Severity::Warning),
                None,
                Some(Severity::Warning),
                Some(Severity::Warning)
            ]
        );
        let bursts = levels(&RULE, 7, |n| overflowing(n % 2 * 100, 10_000));
        assert_eq!(bursts[4..], [None, Some(Severity::Critical), Some(Severity::Critical)]);
    }
}
