//! `softnet-drops`: the kernel drops packets before TCP sees them, because a CPU's backlog is full.

use super::judge::said;
use super::{Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const DROPPED: Counter = Counter("softnet.dropped");
const SQUEEZED: Counter = Counter("softnet.time_squeeze");
const BACKLOG: &str = "net.core.netdev_max_backlog";

/// The rule.
pub static RULE: Rule = Rule {
    id: "softnet-drops",
    trouble: text! {
        en: "the kernel drops packets before TCP sees them",
        ko: "TCP에 닿기 전에 커널이 패킷을 버림"
    },
    page: Page {
        sees: text! {
            en: "Δdropped (second column) and Δtime_squeeze (third) of /proc/net/softnet_stat, by CPU. They are the whole machine's.",
            ko: "/proc/net/softnet_stat의 CPU별 Δdropped(둘째 열)와 Δtime_squeeze(셋째 열). 호스트 전체의 값이다."
        },
        matters: text! {
            en: "Packets that had arrived are thrown away; to TCP it looks like loss in the network.",
            ko: "이미 도착한 패킷이 버려진다. TCP에는 네트워크 손실로 보인다."
        },
        act: text! {
            en: "One CPU only: spread the interrupts (RPS, IRQ affinity). All CPUs: a longer backlog, less load.",
            ko: "한 CPU뿐이면 인터럽트를 나눈다(RPS, IRQ 배치). 모든 CPU면 backlog를 늘리고 부하를 줄인다."
        },
        sources: "net/core/dev.c enqueue_to_backlog(), net_rx_action(); Documentation/admin-guide/sysctl/net.rst; netdata softnet.conf",
    },
    rank: 3,
    reads: &[Read::Counter(DROPPED), Read::Counter(SQUEEZED), Read::Window],
    asks: &[],
    hides: &[
        Hides { rule: "ack-loss", shared: Shared::Nothing },
        Hides { rule: "bad-checksum", shared: Shared::Nothing },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let dropped = window.delta(DROPPED).unwrap_or(0);
    let squeezed = window.per_second(SQUEEZED).unwrap_or(0.0);
    let list = match dropped {
        0 if squeezed > limits.softnet_squeeze_info_per_second => vec![finding(window, Severity::Info, 0)],
        0 => Vec::new(),
        _ => vec![finding(window, severity(window, limits, dropped), dropped)],
    };
    said(window, limits, list, Vec::new())
}

/// The machine's trouble is no more than information in a namespace that is not its first.
fn severity(window: &Window, limits: &Limits, dropped: u64) -> Severity {
    let per_second = dropped as f64 / window.seconds();
    let many =
        dropped as f64 >= limits.softnet_drops_warning_packets || per_second >= limits.softnet_drops_warning_per_second;
    let elsewhere = window.last().identity.first_netns == Some(false);
    if many && !elsewhere { Severity::Warning } else { Severity::Info }
}

/// The CPU that dropped most, and whether it alone did.
fn worst_cpu(window: &Window) -> Option<(u32, bool)> {
    let cpu_of = |name: &str| name.strip_prefix("softnet.cpu")?.strip_suffix(".dropped")?.parse().ok();
    let names = window.last().counters.iter().filter_map(|(name, _)| Some((cpu_of(name)?, window.delta_named(name)?)));
    let dropping: Vec<(u32, u64)> = names.filter(|(_, drops)| *drops > 0).collect();
    let (cpu, _) = dropping.iter().max_by_key(|(_, drops)| *drops)?;
    Some((*cpu, dropping.len() == 1))
}

fn finding(window: &Window, severity: Severity, dropped: u64) -> Finding {
    let subject = Subject { kind: SubjectKind::Host, ..Subject::default() };
    let summary = if dropped > 0 {
        say! { en: "the kernel dropped {dropped} packets before TCP saw them", ko: "TCP에 닿기 전에 커널이 패킷 {dropped}개를 버림", dropped = dropped }
    } else {
        say! { en: "a CPU often leaves packets waiting (time_squeeze)", ko: "CPU가 패킷을 자주 남겨 둠(time_squeeze)" }
    };
    let backlog = window.last().sysctl(BACKLOG).unwrap_or("?").to_owned();
    let finding = Finding {
        size: dropped as f64,
        explains: dropped > 0,
        cause: cause(window, &backlog),
        now: vec![Advice::from(say! {
            en: "mpstat -P ALL 1 (soft), and column 2 of /proc/net/softnet_stat by CPU",
            ko: "mpstat -P ALL 1(%soft)과 /proc/net/softnet_stat 둘째 열을 CPU별로 확인한다"
        })],
        repair: vec![
            Advice::from(say! {
                en: "spread the load: more queues (ethtool -L), RPS (/sys/class/net/DEV/queues/rx-*/rps_cpus), IRQ affinity; for bursts \
                     sysctl -w net.core.netdev_max_backlog of twice {backlog}",
                ko: "부하를 나눈다: 큐 늘리기(ethtool -L), RPS(/sys/class/net/DEV/queues/rx-*/rps_cpus), IRQ 배치. 순간적인 몰림이면 \
                     net.core.netdev_max_backlog를 {backlog}의 두 배로 올린다",
                backlog = backlog
            })
            .side_effect(say! { en: "a longer backlog delays packets while it is full", ko: "backlog가 길면 가득 찬 동안 지연이 늘어남" })
            .undo(say! { en: "sysctl -w net.core.netdev_max_backlog={backlog}", ko: "sysctl -w net.core.netdev_max_backlog={backlog}", backlog = backlog }),
        ],
        verify: vec!["cat /proc/net/softnet_stat".into(), "mpstat -P ALL 1".into()],
        ..Finding::new(severity, subject, summary)
    };
    let squeezed = window.delta(SQUEEZED).unwrap_or(0) as f64;
    let finding = finding.evidence(DROPPED.0, (dropped as f64, "packets"), "host", "/proc/net/softnet_stat").evidence(
        SQUEEZED.0,
        (squeezed, "times"),
        "host",
        "/proc/net/softnet_stat",
    );
    match worst_cpu(window) {
        Some((cpu, _)) => finding.evidence("cpu that dropped most", (f64::from(cpu), "cpu"), "host", "softnet_stat"),
        None => finding,
    }
}

fn cause(window: &Window, backlog: &str) -> Message {
    match worst_cpu(window) {
        Some((cpu, true)) => say! {
            en: "CPU {cpu} alone drops: all packets are steered to it, and its backlog of {backlog} is full",
            ko: "CPU {cpu}에서만 버려짐: 패킷이 모두 이 CPU로 몰려 backlog({backlog})가 가득 참",
            cpu = cpu, backlog = backlog
        },
        Some((cpu, false)) => say! {
            en: "several CPUs drop, CPU {cpu} most: packets arrive faster than the host takes them (backlog {backlog})",
            ko: "여러 CPU에서 버려지고 CPU {cpu}이(가) 가장 많음: 호스트가 처리하는 것보다 빠르게 도착함(backlog {backlog})",
            cpu = cpu, backlog = backlog
        },
        None => say! {
            en: "the CPU had more packets to handle than one round allows; nothing was dropped (backlog {backlog})",
            ko: "CPU가 한 번에 처리할 수 있는 것보다 패킷이 많았음. 버려진 것은 없음(backlog {backlog})",
            backlog = backlog
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};

    fn scene(dropped: u64) -> Scene {
        Scene::new().grew(DROPPED.0, dropped).grew("softnet.cpu1.dropped", dropped).grew("softnet.cpu0.dropped", 0)
    }

    pub(super) fn example() -> Example {
        scene(100).build()
    }

    #[test]
    fn ten_or_one_a_second_are_a_warning() {
        assert_eq!(scene(0).build().severity(&RULE), None);
        assert_eq!(scene(9).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10).lasting(60).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(6).lasting(6).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn squeezes_are_information() {
        assert_eq!(Scene::new().grew(SQUEEZED.0, 100).build().severity(&RULE), None);
        assert_eq!(Scene::new().grew(SQUEEZED.0, 101).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn in_another_namespace_it_is_the_hosts_and_information() {
        let mut example = scene(1_000).build();
        example.second.identity.first_netns = Some(false);
        assert_eq!(example.severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn the_cpu_is_named() {
        let found = example().findings(&RULE);
        assert!(found[0].cause.en.contains("CPU 1 alone"), "{}", found[0].cause.en);
    }

    #[test]
    fn ten_a_second_for_a_minute_are_critical() {
        assert_eq!(last_two(&RULE, 6, |_| scene(100).build()), [Some(Severity::Warning), Some(Severity::Critical)]);
        assert_eq!(last_two(&RULE, 6, |_| scene(99).build()), [Some(Severity::Warning); 2]);
    }
}
