//! `idle-forgotten`: connections die after idling, because something on the path forgets them.

use std::collections::BTreeMap;

use super::held::{CERTAIN, LIKELY};
use super::peer_sockets::{retransmits, stuck_ms, unacknowledged};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Endpoint, Followed, Owner, Service, ServiceKey, State};
use crate::window::Window;
use crate::{say, text};

/// Retransmissions without an answer from which a connection counts as dead.
const THRICE: u8 = 3;

/// The rule.
pub static RULE: Rule = Rule {
    id: "idle-forgotten",
    trouble: text! {
        en: "connections die after idling: something on the path forgets them",
        ko: "쉬던 연결이 죽음: 경로의 무언가가 연결을 잊음"
    },
    page: Page {
        sees: text! {
            en: "Stuck connections that were idle before their last send (tcpi_last_ack_recv − the time they have been stuck) at least twice \
                 as long as any connection to the same destination that moves.",
            ko: "마지막 전송 전의 유휴 시간(tcpi_last_ack_recv − 멈춰 있던 시간)이, 같은 목적지로 가며 움직이는 어떤 연결보다 두 배 이상 긴 \
                 멈춘 연결."
        },
        matters: text! {
            en: "The first request after a pause hangs, every time; busy connections are fine, so it looks random.",
            ko: "쉬고 난 뒤의 첫 요청이 매번 멈춘다. 바쁜 연결은 멀쩡해 우연처럼 보인다."
        },
        act: text! {
            en: "Keep connections busy with a keepalive shorter than the device's timer, or close them sooner.",
            ko: "장비의 타이머보다 짧은 keepalive로 연결을 유지하거나 더 일찍 닫는다."
        },
        sources: "RFC 5382 REQ-5; include/uapi/linux/tcp.h tcpi_last_ack_recv; tcp(7) TCP_KEEPIDLE",
    },
    rank: 16,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "tail-loss", shared: Shared::Peer },
        Hides { rule: "peer-vanished", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let mut services: BTreeMap<ServiceKey, Vec<(f64, &Followed)>> = BTreeMap::new();
    let stuck = |followed: &&Followed| {
        followed.socket.state == State::Established && retransmits(followed, THRICE) && unacknowledged(followed)
    };
    for followed in census.sockets.iter().filter(stuck) {
        let Some(idle) = idle_seconds(followed) else { continue };
        services.entry(census.key_of(&followed.socket)).or_default().push((idle, followed));
    }
    let mut questions = Vec::new();
    let mut findings = Vec::new();
    for (key, mut dead) in services {
        let Some(service) = census.service(&key).filter(|service| service.moved > 0) else { continue };
        let survived = f64::from(service.moved_idle_ms_longest) / 1000.0;
        let long = limits.idle_forgotten_min_seconds.max(survived * limits.idle_forgotten_factor);
        dead.retain(|(idle, _)| *idle >= long);
        let Some(socket) = dead.first().map(|(_, followed)| &followed.socket) else { continue };
        let owner = window.owner(socket.inode, socket.uid).or_ask(&mut questions);
        findings.extend(finding(limits, service, &dead, owner));
    }
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (true, true) => Verdict::Healthy(None),
        (true, false) => Verdict::Findings(findings),
    }
}

/// How long a stuck connection had been idle when it was used again.
fn idle_seconds(followed: &Followed) -> Option<f64> {
    let ack_ms = followed.socket.info.as_ref()?.last_ack_recv()?;
    Some((f64::from(ack_ms) - stuck_ms(&followed.socket)?).max(0.0) / 1000.0)
}

fn finding(limits: &Limits, service: &Service, dead: &[(f64, &Followed)], owner: Option<&Owner>) -> Option<Finding> {
    let remote = service.key.destination()?;
    let count = dead.len() as f64;
    let severity = if count >= limits.idle_forgotten_critical_count {
        Severity::Critical
    } else if count >= limits.idle_forgotten_warning_count {
        Severity::Warning
    } else {
        Severity::Info
    };
    let shortest = dead.iter().map(|(idle, _)| *idle).fold(f64::INFINITY, f64::min);
    let survived = f64::from(service.moved_idle_ms_longest) / 1000.0;
    let (low, high) = (format!("{survived:.1}"), format!("{shortest:.1}"));
    let summary = say! {
        en: "{count} connections to {remote} died after {high} s idle and more: something on the path forgets them",
        ko: "{remote}(으)로 가는 연결 {count}개가 {high}초 이상 쉰 뒤 죽음: 경로의 무언가가 연결을 잊음",
        count = count, remote = remote, high = high
    };
    let mut finding = Finding::new(severity, subject(service, owner)?, summary);
    finding.confidence = if severity >= Severity::Warning { CERTAIN } else { LIKELY };
    finding.size = count;
    finding.cause = say! {
        en: "Connections idle for up to {low} s still work, those idle for {high} s and more do not: a stateful device between has a timer \
             in between.",
        ko: "{low}초까지 쉰 연결은 살아 있고 {high}초 이상 쉰 연결은 죽음: 중간 상태 추적 장비의 타이머가 그 사이에 있음.",
        low = low, high = high
    };
    advise(&mut finding, remote, service.moved, (survived, shortest));
    Some(
        finding
            .evidence("dead after idling", (count, "sockets"), "destination", "sock_diag")
            .evidence("shortest idle of the dead", (shortest, "s"), "destination", "tcpi_last_ack_recv")
            .evidence("longest idle of the living", (survived, "s"), "destination", "tcpi_last_* at the first look")
            .evidence("moved", (f64::from(service.moved), "sockets"), "destination, whole window", "sock_diag cookies"),
    )
}

fn subject(service: &Service, owner: Option<&Owner>) -> Option<Subject> {
    let source = match service.key {
        ServiceKey::Destination { source, .. } => Some(source.to_string()),
        ServiceKey::Listener(_) => None,
    };
    Some(Subject {
        kind: SubjectKind::Destination,
        remote: Some(service.key.destination()?.to_string()),
        source,
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    })
}

fn advise(finding: &mut Finding, remote: Endpoint, moved: u32, (survived, shortest): (f64, f64)) {
    let interval = format!("{:.0}", (survived.max(shortest / 2.0)).max(1.0));
    finding.now = vec![Advice::from(say! {
        en: "keepalive every {interval} s at most on these connections (SO_KEEPALIVE with TCP_KEEPIDLE, or the protocol's own)",
        ko: "이 연결에 {interval}초 이하 간격의 keepalive(SO_KEEPALIVE와 TCP_KEEPIDLE, 또는 프로토콜 자체)",
        interval = interval
    })];
    finding.repair = vec![Advice::from(say! {
        en: "or close idle connections sooner; common timers: 240 s, 350 s, 3600 s",
        ko: "또는 유휴 연결을 더 일찍 닫는다. 흔한 타이머: 240초, 350초, 3600초"
    })];
    finding.ruled_out = vec![say! {
        en: "a dead peer: {moved} connections to it work",
        ko: "죽은 상대가 아님: 그곳으로 가는 연결 {moved}개는 정상",
        moved = moved
    }];
    finding.verify = vec![format!("ss -tano dst {} dport = :{}", remote.address, remote.port)];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{Socket, Timer};

    /// Stuck for 5.3 s after so long an idle time.
    fn dead(n: u16, idle_ms: u64) -> Socket {
        let socket = Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + n), "198.51.100.9:80");
        socket.inode(9).queues(0, 100).timer(Timer::On, 4, 900).info(&[
            ("last_ack_recv", idle_ms + 5_300),
            ("rto", 3_200_000),
            ("backoff", 4),
            ("busy_time", 60_000_000),
            ("last_data_sent", 2_300),
        ])
    }

    fn living(idle_ms: u64) -> (Socket, Socket) {
        let socket = Socket::tcp(State::Established, "192.0.2.1:50000", "198.51.100.9:80").info(&[
            ("last_data_sent", idle_ms),
            ("last_data_recv", idle_ms),
            ("last_ack_recv", idle_ms),
        ]);
        (socket.clone(), socket.info(&[("bytes_received", 9)]))
    }

    fn scene(count: u16, idle_ms: u64, survived_ms: u64) -> Example {
        let (before, after) = living(survived_ms);
        let scene = Scene::new().owner(9, 42, "app").kept(before, after);
        scene.each(count, |scene, n| scene.still(&dead(n, idle_ms))).build()
    }

    /// Three dead after eight seconds, one busy survivor.
    pub(crate) fn example() -> Example {
        scene(3, 8_000, 500)
    }

    #[test]
    fn levels_stand_at_one_three_and_ten() {
        let level = |count| scene(count, 8_000, 500).severity(&RULE);
        assert_eq!([level(1), level(2)], [Some(Severity::Info); 2]);
        assert_eq!([level(3), level(9)], [Some(Severity::Warning); 2]);
        assert_eq!(level(10), Some(Severity::Critical));
    }

    #[test]
    fn idle_means_a_second_and_twice_what_others_survive() {
        let level = |idle, survived| scene(3, idle, survived).severity(&RULE);
        assert_eq!(level(999, 0), None);
        assert_eq!(level(1_000, 0), Some(Severity::Warning));
        assert_eq!(level(7_999, 4_000), None);
        assert_eq!(level(8_000, 4_000), Some(Severity::Warning));
    }

    #[test]
    fn without_a_survivor_the_peer_may_be_dead() {
        let alone = Scene::new().owner(9, 42, "app").each(3, |scene, n| scene.still(&dead(n, 8_000)));
        assert_eq!(alone.build().severity(&RULE), None);
    }

    #[test]
    fn three_times_in_a_day_are_a_warning() {
        assert_eq!(
            levels(&RULE, 5, |n| scene(u16::from(n % 2 == 0), 8_000, 500)),
            [Some(Severity::Info), None, Some(Severity::Info), None, Some(Severity::Warning)]
        );
    }
}
