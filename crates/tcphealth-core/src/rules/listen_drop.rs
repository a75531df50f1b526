//! `listen-drop`: SYNs are dropped although neither queue of the listener is full.

use super::held::{LIKELY, POSSIBLE};
use super::syn_flood::{LISTEN_DROPS, LISTEN_OVERFLOWS, QUEUE_FULL_DROP};
use super::{Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::Listener;
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "listen-drop",
    trouble: text! { en: "SYNs dropped for another reason than a full queue", ko: "큐가 가득 찬 것이 아닌 이유로 SYN이 버려짐" },
    page: Page {
        sees: text! {
            en: "ΔListenDrops − ΔListenOverflows − ΔTCPReqQFullDrop; the listener is the one whose skmem drops grew most.",
            ko: "ΔListenDrops − ΔListenOverflows − ΔTCPReqQFullDrop. 리스너는 skmem drops가 가장 많이 늘어난 것이다."
        },
        matters: text! {
            en: "Clients connect late or not at all, and no queue shows why.",
            ko: "클라이언트가 늦게 연결되거나 연결되지 않는데 큐에는 원인이 보이지 않는다."
        },
        act: text! {
            en: "Look for lack of memory, a missing route back, wrong MD5 or AO keys, and LSM or BPF programs that refuse.",
            ko: "메모리 부족, 돌아가는 경로 없음, 틀린 MD5·AO 키, 거부하는 LSM·BPF 프로그램을 확인한다."
        },
        sources: "Documentation/networking/snmp_counter.rst TcpExtListenDrops; net/ipv4/tcp_input.c tcp_conn_request()",
    },
    rank: 99,
    reads: &[
        Read::Counter(LISTEN_DROPS),
        Read::Counter(LISTEN_OVERFLOWS),
        Read::Counter(QUEUE_FULL_DROP),
        Read::Census,
        Read::Window,
    ],
    asks: &[],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let full = window.sum(&[LISTEN_OVERFLOWS, QUEUE_FULL_DROP]).unwrap_or(0);
    let count = window.delta(LISTEN_DROPS).unwrap_or(0).saturating_sub(full);
    if count == 0 {
        return Verdict::Healthy(None);
    }
    let listeners = window.census().map_or(&[][..], |census| &census.listeners);
    let dropping = listeners.iter().filter(|listener| listener.drops_grown.unwrap_or(0) > 0);
    let listener = dropping.max_by_key(|listener| listener.drops_grown);
    Verdict::Findings(vec![finding(window, limits, listener, count)])
}

fn finding(window: &Window, limits: &Limits, listener: Option<&Listener>, count: u64) -> Finding {
    let per_second = count as f64 / window.seconds();
    let often = count as f64 >= limits.listen_drop_warning_count && per_second >= limits.listen_drop_warning_per_second;
    let place = listener.map_or_else(|| "?".to_owned(), |listener| listener.local.to_string());
    let summary = say! {
        en: "{count} SYNs to {place} were dropped, and the queue is not full",
        ko: "{place}(으)로 온 SYN {count}개가 버려졌으나 큐는 가득 차지 않음",
        count = count, place = place
    };
    let severity = if often { Severity::Warning } else { Severity::Info };
    let local = listener.map(|listener| listener.local.to_string());
    let kind = if local.is_some() { SubjectKind::Listener } else { SubjectKind::Netns };
    let subject = Subject { kind, listener: local.clone(), local, ..Subject::default() };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = if listener.is_some() { LIKELY } else { POSSIBLE };
    finding.size = per_second;
    finding.cause = say! {
        en: "neither the accept queue nor the SYN queue was full: memory, no route back, a wrong MD5 or AO key, or a security module",
        ko: "accept 큐도 SYN 큐도 가득 차지 않음: 메모리, 돌아가는 경로 없음, 틀린 MD5·AO 키, 보안 모듈 중 하나"
    };
    finding.now = vec![Advice::from(say! {
        en: "trace the reason: perf trace -e skb:kfree_skb, or the log of the security module",
        ko: "이유를 추적: perf trace -e skb:kfree_skb 또는 보안 모듈의 로그"
    })];
    finding.avoid =
        vec![say! { en: "a larger backlog: the queue is not full", ko: "backlog 늘리기: 큐가 가득 차지 않았음" }];
    finding.verify = vec!["nstat -z TcpExtListenDrops TcpExtListenOverflows TcpExtTCPReqQFullDrop".into()];
    let formula = "ListenDrops − ListenOverflows − TCPReqQFullDrop";
    let grown = f64::from(listener.and_then(|listener| listener.drops_grown).unwrap_or(0));
    finding
        .evidence("other drops", (count as f64, "SYNs"), "netns, whole window", formula)
        .evidence("other drops a second", (per_second, "per second"), "netns, whole window", formula)
        .evidence("sk_drops", (grown, "connections"), "listener, whole window", "sock_diag skmem d")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{SkMem, Socket};

    fn scene(drops: u64, overflows: u64, full: u64) -> Example {
        let listener = |drops| Socket::listener("192.0.2.1:80", 0, 16).skmem(SkMem { drops, ..SkMem::default() });
        let scene = Scene::new().grew(LISTEN_DROPS.0, drops).grew(LISTEN_OVERFLOWS.0, overflows);
        scene.grew(QUEUE_FULL_DROP.0, full).kept(listener(0), listener(drops as u32)).build()
    }

    /// Ten drops without a reason of the queues.
    pub(crate) fn example() -> Example {
        scene(10, 0, 0)
    }

    #[test]
    fn levels_stand_at_one_and_at_one_a_second() {
        assert_eq!(scene(30, 20, 10).severity(&RULE), None, "the queues explain all");
        assert_eq!(scene(31, 20, 10).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(9, 0, 0).severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 0, 0).severity(&RULE), Some(Severity::Warning));
        assert_eq!(example().findings(&RULE)[0].subject.listener.as_deref(), Some("192.0.2.1:80"));
    }

    #[test]
    fn a_few_in_each_of_two_windows_are_a_warning() {
        assert_eq!(levels(&RULE, 2, |_| scene(1, 0, 0)), [Some(Severity::Info), Some(Severity::Warning)]);
    }
}
