//! `accept-overflow`: connections arrive faster than the program accepts them, and its queue is full.

use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Listener, Owner, Question};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const OVERFLOWS: Counter = Counter("TcpExt.ListenOverflows");
const PASSIVE_OPENS: Counter = Counter("Tcp.PassiveOpens");

/// The rule.
pub static RULE: Rule = Rule {
    id: "accept-overflow",
    trouble: text! { en: "a listener's accept queue overflows", ko: "리스너의 accept 큐가 넘침" },
    page: Page {
        sees: text! {
            en: "ΔTcpExt.ListenOverflows over the window. The listener is the one whose skmem drops grew; its Recv-Q stands at \
                 Send-Q + 1 while the queue is full.",
            ko: "관찰 구간의 ΔTcpExt.ListenOverflows. skmem drops가 늘어난 리스너가 원인이며, 큐가 가득 차면 Recv-Q가 Send-Q + 1이 된다."
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
    reads: &[Read::Counter(OVERFLOWS), Read::Counter(PASSIVE_OPENS), Read::Window],
    asks: &[Ask::Owner],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// An overflowing queue, before it is told apart who set its limit.
pub(super) struct Overflow<'a> {
    /// The listener, when it can be told.
    pub(super) listener: Option<&'a Listener>,
    /// Its process.
    pub(super) owner: Option<&'a Owner>,
    /// Overflows in the window.
    pub(super) count: u64,
    /// Overflows a second.
    pub(super) per_second: f64,
    /// How bad.
    pub(super) severity: Severity,
    /// Share of the arriving connections that overflowed.
    pub(super) share: f64,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let Some(overflow) = overflow(window, limits, &mut questions) else { return Verdict::Healthy(None) };
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    Verdict::Findings(vec![finding(&overflow)])
}

/// The overflow of this window, if there is one; asks for the owner.
pub(super) fn overflow<'a>(
    window: &Window<'a>,
    limits: &Limits,
    questions: &mut Vec<Question>,
) -> Option<Overflow<'a>> {
    let count = window.delta(OVERFLOWS).filter(|&count| count > 0)?;
    let per_second = window.per_second(OVERFLOWS)?;
    let share = count as f64 / (window.delta(PASSIVE_OPENS)? + count) as f64;
    let listener = window.census().and_then(|census| fullest(&census.listeners));
    let owner = listener.and_then(|listener| window.listener_owner(listener).or_ask(questions));
    let severity = severity(count, per_second, share, limits);
    Some(Overflow { listener, owner, count, per_second, severity, share })
}

fn severity(count: u64, per_second: f64, share: f64, limits: &Limits) -> Severity {
    let many = count as f64 >= limits.accept_overflow_warning_count;
    if per_second >= limits.accept_overflow_critical_per_second
        || (share >= limits.accept_overflow_critical_ratio && count >= 10)
    {
        Severity::Critical
    } else if many && per_second >= limits.accept_overflow_warning_per_second {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// The listener whose drops grew most; else the one whose queue is full now.
fn fullest(listeners: &[Listener]) -> Option<&Listener> {
    let dropping = listeners.iter().filter(|listener| listener.drops_grown.unwrap_or(0) > 0);
    let full = || listeners.iter().filter(|listener| listener.queue > listener.limit).max_by_key(|full| full.queue);
    dropping.max_by_key(|listener| listener.drops_grown).or_else(full)
}

/// Listener and process as the subject of a finding.
pub(super) fn subject(listener: Option<&Listener>, owner: Option<&Owner>) -> Subject {
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

fn finding(overflow: &Overflow) -> Finding {
    let place = overflow.listener.map_or("?".to_owned(), |listener| listener.local.to_string());
    let rate = format!("{:.1}", overflow.per_second);
    let summary = say! {
        en: "the accept queue of {place} overflows {rate} times a second",
        ko: "{place}의 accept 큐가 초당 {rate}회 넘침",
        place = place, rate = rate
    };
    let mut finding = Finding::new(overflow.severity, subject(overflow.listener, overflow.owner), summary);
    finding.confidence = if overflow.owner.is_some() { 0.95 } else { 0.8 };
    finding.size = overflow.per_second;
    finding.cause = cause(overflow);
    finding.now = vec![Advice::from(say! {
        en: "see what the program does instead of accepting (its threads, its stack)",
        ko: "프로그램이 accept 대신 무엇을 하는지 스레드와 스택을 확인한다"
    })];
    finding.repair = vec![Advice::from(
        say! { en: "accept faster: more workers, no work in the accepting thread", ko: "accept를 빠르게: 워커를 늘리고 accept 스레드에서 일을 덜어낸다" },
    )];
    finding.avoid = vec![say! {
        en: "a larger somaxconn changes nothing while the program itself passes the smaller backlog to listen()",
        ko: "프로그램이 listen()에 작은 backlog를 넘기는 한 somaxconn을 늘려도 소용없다"
    }];
    finding.verify = vec!["ss -ltnm".into(), "nstat -z TcpExtListenOverflows TcpExtListenDrops".into()];
    with_evidence(finding, overflow)
}

pub(super) fn with_evidence(finding: Finding, overflow: &Overflow) -> Finding {
    let finding = finding
        .evidence("TcpExt.ListenOverflows", (overflow.count as f64, "connections"), "netns", "/proc/net/netstat")
        .evidence("overflows", (overflow.per_second, "per second"), "netns", "/proc/net/netstat")
        .evidence(
            "overflow share",
            (overflow.share, "ratio"),
            "netns",
            "ListenOverflows / (PassiveOpens + ListenOverflows)",
        );
    let Some(listener) = overflow.listener else { return finding };
    finding
        .evidence("Recv-Q", (f64::from(listener.queue), "connections"), "listener", "sock_diag")
        .evidence("Send-Q", (f64::from(listener.limit), "connections"), "listener", "sock_diag")
        .evidence("sk_drops", (f64::from(listener.drops_grown.unwrap_or(0)), "connections"), "listener", "sock_diag")
}

fn cause(overflow: &Overflow) -> Message {
    let Some(listener) = overflow.listener else {
        return say! { en: "no listener's drops grew: which one cannot be told", ko: "drops가 늘어난 리스너가 없어 어느 것인지 알 수 없음" };
    };
    let who = overflow.owner.map_or_else(|| "?".to_owned(), |owner| format!("{} (pid {})", owner.comm, owner.pid));
    say! {
        en: "{who} accepts more slowly than connections arrive: {queue} wait now, {limit} is the limit. Clients connect after 1 s or later.",
        ko: "{who}의 accept가 연결이 들어오는 속도보다 느림: 지금 {queue}개 대기, 한계는 {limit}개. 클라이언트는 1초 이상 늦게 연결됨.",
        who = who, queue = listener.queue, limit = listener.limit
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
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
}
