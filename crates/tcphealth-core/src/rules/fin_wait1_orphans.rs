//! `fin-wait1-orphans`: connections that we closed while data or the FIN is not acknowledged.

use super::held::LIKELY;
use super::peer_sockets::{PeerSockets, by_peer};
use super::{Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Followed, State, Timer};
use crate::window::Window;
use crate::{say, text};

const ABORT_ON_MEMORY: Counter = Counter("TcpExt.TCPAbortOnMemory");
const ORPHANS: Counter = Counter("TCP.orphan");
const MAX_ORPHANS: &str = "net.ipv4.tcp_max_orphans";

/// The rule.
pub static RULE: Rule = Rule {
    id: "fin-wait1-orphans",
    trouble: text! { en: "closed connections whose data nobody acknowledges", ko: "닫은 연결의 데이터를 아무도 확인하지 않음" },
    page: Page {
        sees: text! {
            en: "FIN_WAIT1 sockets that both looks saw with the same Send-Q, by peer: with the persist timer the peer does not read, with \
                 the retransmission timer it is not reached. Beside it sockstat's TCP orphan against tcp_max_orphans, both of the \
                 whole host.",
            ko: "두 시점에 Send-Q가 같은 FIN_WAIT1 소켓을 상대별로 센다. persist 타이머면 상대가 읽지 않는 것이고, 재전송 타이머면 도달하지 \
                 못하는 것이다. sockstat의 TCP orphan과 tcp_max_orphans(모두 호스트 전체)도 비교한다."
        },
        matters: text! {
            en: "The kernel holds the unsent data. Near tcp_max_orphans it resets such connections and answers are cut off.",
            ko: "커널이 보내지 못한 데이터를 붙잡는다. tcp_max_orphans에 가까우면 이런 연결을 RST로 끊어 응답이 잘린다."
        },
        act: text! {
            en: "Look at the program on the peer, or at the path to it.",
            ko: "상대 쪽 프로그램이나 그곳으로 가는 경로를 확인한다."
        },
        sources: "net/ipv4/tcp_timer.c tcp_out_of_resources(), tcp_orphan_retries(); netdata tcp_orphans.conf; ip-sysctl.rst tcp_max_orphans",
    },
    rank: 18,
    reads: &[Read::Counter(ABORT_ON_MEMORY), Read::TwoLooks],
    asks: &[],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "tail-loss", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let peers = by_peer(census, stuck);
    let all: u32 = peers.iter().map(PeerSockets::count).sum();
    let aborted = window.delta(ABORT_ON_MEMORY).unwrap_or(0) > 0;
    let large = peers.iter().filter(|peer| f64::from(peer.count()) >= limits.fin_wait1_info_count);
    let mut findings: Vec<Finding> = large.map(|peer| of_peer(limits, peer, aborted)).collect();
    if findings.is_empty() && f64::from(all) >= limits.fin_wait1_warning_count {
        findings.push(spread(all));
    }
    findings.extend(of_host(window, limits, aborted));
    findings.into()
}

/// In FIN_WAIT1 at both looks, with the same bytes waiting.
fn stuck(followed: &Followed) -> bool {
    let socket = &followed.socket;
    let waits = socket.state == State::FinWait1 && socket.wqueue > 0 && socket.timer != Timer::None;
    waits && followed.kept() && followed.before.is_some_and(|mark| mark.wqueue == socket.wqueue)
}

fn of_peer(limits: &Limits, peer: &PeerSockets, aborted: bool) -> Finding {
    let (count, address) = (peer.count(), peer.address);
    let many = f64::from(count) >= limits.fin_wait1_warning_count && peer.share() >= limits.fin_wait1_warning_ratio;
    let severity = match (many, aborted) {
        (true, true) => Severity::Critical,
        (true, false) => Severity::Warning,
        (false, _) => Severity::Info,
    };
    let kbytes = format!("{:.0}", peer.send_memory_kbytes());
    let summary = say! {
        en: "{count} closed connections still wait for {address}'s acknowledgement ({kbytes} kB)",
        ko: "닫은 연결 {count}개가 아직 {address}의 확인 응답을 기다림({kbytes} kB)",
        count = count, address = address, kbytes = kbytes
    };
    let mut finding = Finding::new(severity, peer.subject(), summary);
    finding.confidence = LIKELY;
    finding.size = f64::from(count);
    let closed = peer.sockets.iter().filter(|followed| followed.socket.timer == Timer::Persist).count();
    finding.cause = if closed * 2 >= peer.sockets.len() {
        say! {
            en: "its window is closed: the program on {address} does not read what we sent before we closed",
            ko: "윈도가 닫혀 있음: {address}의 프로그램이 우리가 닫기 전에 보낸 데이터를 읽지 않음",
            address = address
        }
    } else {
        say! {
            en: "what we sent before we closed is sent again and again: {address} is not reached",
            ko: "닫기 전에 보낸 데이터를 거듭 다시 보냄: {address}에 도달하지 못함",
            address = address
        }
    };
    advise(&mut finding);
    finding
        .evidence("FIN_WAIT1 stuck", (f64::from(count), "sockets"), "peer, whole window", "sock_diag cookies")
        .evidence("persist timer", (closed as f64, "sockets"), "peer", "sock_diag")
        .evidence("share of its sockets", (peer.share(), "ratio"), "peer", "sock_diag")
        .evidence("wmem_queued", (peer.send_memory_kbytes(), "kB"), "peer", "sock_diag skmem w")
}

fn spread(all: u32) -> Finding {
    let summary = say! {
        en: "{all} closed connections to many clients wait for acknowledgements",
        ko: "여러 클라이언트로 가는 닫은 연결 {all}개가 확인 응답을 기다림",
        all = all
    };
    let mut finding = Finding::new(Severity::Info, Subject::default(), summary);
    finding.confidence = LIKELY;
    finding.size = f64::from(all);
    finding.cause =
        say! { en: "clients that went away while an answer was on its way", ko: "응답을 보내는 동안 떠난 클라이언트" };
    advise(&mut finding);
    finding.evidence("FIN_WAIT1 stuck", (f64::from(all), "sockets"), "netns, whole window", "sock_diag cookies")
}

/// Orphans are the host's, and so is their limit: in another namespace than the first they are told as information.
fn of_host(window: &Window, limits: &Limits, aborted: bool) -> Option<Finding> {
    let orphans = window.value(ORPHANS)?;
    let max = window.last().sysctl_number(MAX_ORPHANS).filter(|&max| max > 0)?;
    let share = orphans as f64 / max as f64;
    if share < limits.orphans_warning_ratio {
        return None;
    }
    let elsewhere = window.last().identity.first_netns == Some(false) && !aborted;
    let critical = share >= limits.orphans_critical_ratio || aborted;
    let severity = match (elsewhere, critical) {
        (true, _) => Severity::Info,
        (false, true) => Severity::Critical,
        (false, false) => Severity::Warning,
    };
    let summary = say! {
        en: "{orphans} closed connections without a process on this host, {max} are allowed",
        ko: "이 호스트에 프로세스 없는 닫은 연결 {orphans}개, 한계는 {max}개",
        orphans = orphans, max = max
    };
    let mut finding = Finding::new(severity, Subject { kind: SubjectKind::Host, ..Subject::default() }, summary);
    finding.confidence = LIKELY;
    finding.size = share;
    finding.cause = say! {
        en: "at the limit the kernel resets closed connections before their data is delivered; it counts a suspicious one two to four times",
        ko: "한계에 이르면 데이터가 전달되기 전에 닫은 연결을 RST로 끊음. 의심스러운 것은 2–4배로 셈"
    };
    advise(&mut finding);
    Some(finding.evidence("orphan", (orphans as f64, "sockets"), "host", "/proc/net/sockstat").evidence(
        MAX_ORPHANS,
        (max as f64, "sockets"),
        "host",
        "/proc/sys/net/ipv4/tcp_max_orphans",
    ))
}

fn advise(finding: &mut Finding) {
    finding.now = vec![Advice::from(say! {
        en: "look at the program on the peer (does it read?) and at the path to it",
        ko: "상대 쪽 프로그램이 읽는지, 그곳으로 가는 경로가 살아 있는지 확인"
    })];
    finding.repair = vec![
        Advice::from(say! { en: "sysctl -w net.ipv4.tcp_orphan_retries=3", ko: "sysctl -w net.ipv4.tcp_orphan_retries=3" })
            .effect(say! { en: "such connections end after seconds instead of minutes", ko: "이런 연결이 몇 분이 아니라 몇 초 만에 끝남" })
            .side_effect(say! { en: "slow but living clients may lose the end of an answer", ko: "느리지만 살아 있는 클라이언트는 응답 끝을 잃을 수 있음" })
            .undo(say! { en: "sysctl -w net.ipv4.tcp_orphan_retries=0", ko: "sysctl -w net.ipv4.tcp_orphan_retries=0" }),
    ];
    finding.verify = vec!["ss -tano state fin-wait-1".into(), "cat /proc/net/sockstat".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::Socket;

    fn waiting(n: u16, host: u16) -> Socket {
        let remote = format!("198.51.{host}.7:{}", 20_000 + n);
        Socket::tcp(State::FinWait1, "192.0.2.1:80", &remote).timer(Timer::Persist, 2, 900).queues(0, 5000)
    }

    fn scene(count: u16, others: u16) -> Scene {
        let scene = Scene::new().each(count, |scene, n| scene.still(&waiting(n, 7)));
        let live = |n: u16| Socket::tcp(State::Established, "192.0.2.1:80", &format!("198.51.7.7:{}", 30_000 + n));
        scene.each(others, |scene, n| scene.still(&live(n)))
    }

    /// Ten stuck ones to one peer.
    pub(crate) fn example() -> Example {
        scene(10, 0).build()
    }

    #[test]
    fn levels_stand_at_three_at_ten_and_at_the_half() {
        assert_eq!(scene(2, 0).build().severity(&RULE), None);
        assert_eq!(scene(3, 0).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(9, 0).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 10).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10, 11).build().severity(&RULE), Some(Severity::Info), "less than half of its sockets");
        assert_eq!(scene(10, 0).grew(ABORT_ON_MEMORY.0, 1).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn many_clients_are_information() {
        let spread = Scene::new().each(12, |scene, n| scene.still(&waiting(n, n)));
        let findings = spread.build().findings(&RULE);
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Info));
    }

    #[test]
    fn what_moves_is_not_stuck() {
        let moving = |scene: Scene, n| scene.kept(waiting(n, 7), waiting(n, 7).queues(0, 4000));
        assert_eq!(Scene::new().each(20, moving).build().severity(&RULE), None);
    }

    #[test]
    fn orphans_are_judged_against_the_hosts_limit() {
        let level = |orphans| {
            let scene = Scene::new().sysctl(MAX_ORPHANS, "1000").gauge(ORPHANS.0, orphans);
            scene.build().severity(&RULE)
        };
        assert_eq!(level(249), None);
        assert_eq!(level(250), Some(Severity::Warning));
        assert_eq!(level(499), Some(Severity::Warning));
        assert_eq!(level(500), Some(Severity::Critical));
    }

    #[test]
    fn a_hundred_that_grow_over_three_windows_are_a_warning() {
        assert_eq!(
            last_two(&RULE, 3, |n| scene(100 + n as u16, 200).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(last_two(&RULE, 3, |_| scene(100, 200).build()), [Some(Severity::Info); 2]);
    }
}
