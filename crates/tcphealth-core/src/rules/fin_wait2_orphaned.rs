//! `fin-wait2-orphaned`: we have closed, the peer does not close its side, and the kernel keeps FIN_WAIT2 for it.

use super::held::{LIKELY, service_owner};
use super::ports::share_taken;
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Owner, Question, Service, ServiceKey, State};
use crate::window::Window;
use crate::{say, text};

const MAX_TW_BUCKETS: &str = "net.ipv4.tcp_max_tw_buckets";
const FIN_TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";

/// The rule.
pub static RULE: Rule = Rule {
    id: "fin-wait2-orphaned",
    trouble: text! {
        en: "the peer does not close its side; the kernel holds FIN_WAIT2",
        ko: "상대가 자기 쪽을 닫지 않아 커널이 FIN_WAIT2를 붙잡음"
    },
    page: Page {
        sees: text! {
            en: "FIN_WAIT2 that the kernel keeps without a socket, seen at both looks, by destination, against the TIME_WAIT of the same \
                 destination: a healthy peer closes within a round trip.",
            ko: "커널이 소켓 없이 유지하는 FIN_WAIT2 가운데 두 시점에 모두 있는 것을 목적지별로 세어 같은 목적지의 TIME_WAIT와 비교한다. \
                 정상 상대는 왕복 시간 안에 닫는다."
        },
        matters: text! {
            en: "Each keeps a local port for tcp_fin_timeout (60 s); tcp_tw_reuse never takes it over. The peer's program leaks: there it \
                 is CLOSE_WAIT.",
            ko: "하나마다 tcp_fin_timeout(60초) 동안 로컬 포트를 차지하며 tcp_tw_reuse로도 재사용되지 않는다. 상대 프로그램의 누수이며 그쪽에서는 \
                 CLOSE_WAIT이다."
        },
        act: text! {
            en: "Repair the program on the peer: it misses a close().",
            ko: "상대 쪽 프로그램을 고친다. close()가 빠져 있다."
        },
        sources: "RFC 9293 §3.6; net/ipv4/tcp.c __tcp_close(), tcp_minisocks.c tcp_time_wait(); ip-sysctl.rst tcp_fin_timeout",
    },
    rank: 99,
    reads: &[Read::TwoLooks, Read::Sysctl(MAX_TW_BUCKETS), Read::Sysctl(FIN_TIMEOUT)],
    asks: &[Ask::Owner],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let services = window.census().map_or(&[][..], |census| &census.services);
    let kept: u32 = services.iter().map(|service| service.kept_fin_wait2_stubs).sum();
    let enough = |count: u32| f64::from(count) >= limits.fin_wait2_orphaned_count;
    if !enough(kept) {
        return Verdict::Healthy(None);
    }
    let all: u32 = services.iter().map(|service| service.fin_wait2_stubs).sum();
    let buckets = window.last().sysctl_number(MAX_TW_BUCKETS).unwrap_or(0).max(1);
    let crowded = f64::from(all) >= limits.fin_wait2_orphaned_buckets_ratio * buckets as f64;
    let mut questions: Vec<Question> = Vec::new();
    let large = services.iter().filter(|service| enough(service.kept_fin_wait2_stubs));
    let of = |service: &Service| {
        let owner = service_owner(window, service, &mut questions);
        finding(window, limits, service, (owner, crowded))
    };
    let mut findings: Vec<Finding> = large.map(of).collect();
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    if findings.is_empty() {
        findings.push(spread(kept, all, crowded));
    }
    Verdict::Findings(findings)
}

/// FIN_WAIT2 as a share of what we closed first toward this service.
fn share(service: &Service) -> f64 {
    let waiting = f64::from(service.fin_wait2_stubs);
    waiting / (waiting + f64::from(service.states.get(State::TimeWait))).max(1.0)
}

fn finding(window: &Window, limits: &Limits, service: &Service, (owner, crowded): (Option<&Owner>, bool)) -> Finding {
    let client = service.key.destination().is_some();
    let ports = share_taken(window, service, limits) >= limits.ports_warning_ratio;
    let most = client && (ports || share(service) >= limits.fin_wait2_orphaned_ratio);
    let severity = if most || crowded { Severity::Warning } else { Severity::Info };
    let count = service.fin_wait2_stubs;
    let summary = match service.key {
        ServiceKey::Destination { destination, .. } => say! {
            en: "{destination} does not close its side: {count} FIN_WAIT2",
            ko: "{destination}: 상대가 자기 쪽을 닫지 않아 FIN_WAIT2 {count}개",
            destination = destination, count = count
        },
        ServiceKey::Listener(local) => say! {
            en: "clients of {local} do not close their side: {count} FIN_WAIT2",
            ko: "{local}의 클라이언트가 자기 쪽을 닫지 않아 FIN_WAIT2 {count}개",
            local = local, count = count
        },
    };
    let mut finding = Finding::new(severity, subject(service, owner), summary);
    finding.confidence = LIKELY;
    finding.size = f64::from(count);
    let rate = f64::from(count.saturating_sub(service.kept_fin_wait2_stubs)) / window.seconds().max(1.0);
    let timeout = window.last().sysctl_number(FIN_TIMEOUT).unwrap_or(60);
    let level = format!("{:.0}", rate * timeout as f64);
    finding.cause = say! {
        en: "We closed and the peer acknowledged, but its program has not called close() (its CLOSE_WAIT). Each stays {timeout} s; at \
             this rate {level} of them stand.",
        ko: "우리가 닫았고 상대 커널도 확인했지만 상대 프로그램이 close()를 부르지 않음(그쪽의 CLOSE_WAIT). 하나가 {timeout}초씩 남으며 \
             이 속도면 {level}개가 유지됨.",
        timeout = timeout, level = level
    };
    advise(&mut finding);
    let stays = f64::from(service.kept_fin_wait2_stubs);
    finding
        .evidence("FIN_WAIT2", (f64::from(count), "sockets"), "destination", "sock_diag")
        .evidence("kept", (stays, "sockets"), "destination, whole window", "sock_diag cookies")
        .evidence(
            "share of our closes",
            (share(service), "ratio"),
            "destination",
            "FIN_WAIT2 / (FIN_WAIT2 + TIME_WAIT)",
        )
}

fn spread(kept: u32, all: u32, crowded: bool) -> Finding {
    let severity = if crowded { Severity::Warning } else { Severity::Info };
    let summary = say! { en: "{all} FIN_WAIT2 toward many peers", ko: "여러 상대로 FIN_WAIT2 {all}개", all = all };
    let mut finding = Finding::new(severity, Subject::default(), summary);
    finding.confidence = LIKELY;
    finding.size = f64::from(all);
    finding.cause =
        say! { en: "many peers leave their side open for a while", ko: "여러 상대가 자기 쪽을 한동안 열어 둠" };
    advise(&mut finding);
    finding.evidence("FIN_WAIT2 kept", (f64::from(kept), "sockets"), "netns, whole window", "sock_diag cookies")
}

fn subject(service: &Service, owner: Option<&Owner>) -> Subject {
    let (kind, listener, source) = match service.key {
        ServiceKey::Destination { source, .. } => (SubjectKind::Destination, None, Some(source.to_string())),
        ServiceKey::Listener(local) => (SubjectKind::Listener, Some(local.to_string()), None),
    };
    Subject {
        kind,
        remote: service.key.destination().map(|remote| remote.to_string()),
        local: listener.clone(),
        listener,
        source,
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    }
}

fn advise(finding: &mut Finding) {
    finding.now = vec![Advice::from(say! {
        en: "look at the peer: its sockets to us are in CLOSE_WAIT, its program misses a close()",
        ko: "상대를 확인: 그쪽 소켓은 CLOSE_WAIT이며 프로그램에 close()가 빠져 있음"
    })];
    finding.repair = vec![
        Advice::from(say! { en: "meanwhile sysctl -w net.ipv4.tcp_fin_timeout=15 here", ko: "그동안 이쪽에서 sysctl -w net.ipv4.tcp_fin_timeout=15" })
            .effect(say! { en: "each of them goes after 15 s", ko: "하나마다 15초 뒤에 사라짐" })
            .side_effect(say! { en: "a peer that still sends after our close gets a reset sooner", ko: "우리가 닫은 뒤에도 보내는 상대는 더 일찍 RST를 받음" })
            .undo(say! { en: "sysctl -w net.ipv4.tcp_fin_timeout=60", ko: "sysctl -w net.ipv4.tcp_fin_timeout=60" }),
    ];
    finding.avoid = vec![say! {
        en: "tcp_tw_reuse: a FIN_WAIT2 is never reused",
        ko: "tcp_tw_reuse: FIN_WAIT2는 재사용되지 않음"
    }];
    finding.verify = vec!["ss -tano state fin-wait-2".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Socket, Timer};

    fn stub(n: u16) -> Socket {
        let local = format!("192.0.2.1:{}", 33_000 + n);
        let stub = Socket::tcp(State::FinWait2, &local, "198.51.100.9:80").timer(Timer::TimeWait, 0, 40_000);
        Socket { info: None, ..stub }
    }

    fn scene(kept: u16, time_wait: u16) -> Scene {
        let scene = Scene::new().each(kept, |scene, n| scene.still(&stub(n)));
        let closed = |n: u16| Socket::time_wait(&format!("192.0.2.1:{}", 43_000 + n), "198.51.100.9:80", 20);
        scene.each(time_wait, |scene, n| scene.born(closed(n)))
    }

    /// A hundred toward one destination.
    pub(crate) fn example() -> Example {
        scene(100, 0).build()
    }

    #[test]
    fn levels_stand_at_a_hundred_and_at_the_half_of_our_closes() {
        assert_eq!(scene(99, 0).build().severity(&RULE), None);
        assert_eq!(scene(100, 100).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(100, 101).build().severity(&RULE), Some(Severity::Info));
        let crowded = |buckets| scene(100, 500).sysctl(MAX_TW_BUCKETS, buckets).build().severity(&RULE);
        assert_eq!((crowded("500"), crowded("501")), (Some(Severity::Warning), Some(Severity::Info)));
    }

    #[test]
    fn half_of_the_ports_are_a_warning_whatever_the_share() {
        let range = |range| scene(100, 101).sysctl("net.ipv4.ip_local_port_range", range).build().severity(&RULE);
        // 201 ports are taken: 33000 to 33099 and 43000 to 43100.
        assert_eq!(range("33000 43101"), Some(Severity::Info), "201 of 10102");
        assert_eq!(range("33000 33199"), Some(Severity::Warning), "100 of 200 in the range");
    }

    #[test]
    fn what_came_in_the_window_may_yet_go() {
        let born = Scene::new().each(400, |scene, n| scene.born(stub(n)));
        assert_eq!(born.build().severity(&RULE), None);
    }

    #[test]
    fn clients_of_ours_are_information_only() {
        let client = |n: u16| {
            let remote = format!("198.51.100.{}:{}", n % 200, 20_000 + n);
            let stub = Socket::tcp(State::FinWait2, "192.0.2.1:80", &remote).timer(Timer::TimeWait, 0, 40_000);
            Socket { info: None, ..stub }
        };
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 128));
        assert_eq!(scene.each(300, |scene, n| scene.still(&client(n))).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn the_destination_is_named() {
        let finding = &example().findings(&RULE)[0];
        assert_eq!(finding.id(), "@destination:198.51.100.9:80");
    }
}
