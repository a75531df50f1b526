//! `peer-not-reading`: the peer does not read, and its window is closed.

use std::net::IpAddr;

use super::held::{CERTAIN, seconds};
use super::peer_sockets::{PeerSockets, by_peer, unacknowledged};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Census, Endpoint, Followed, Owner, ServiceKey, State, TcpInfo, Timer};
use crate::window::Window;
use crate::{say, text};

/// Share of the window that the peer's window must have been what held the socket up.
const HELD_UP: f64 = 0.9;

/// The rule.
pub static RULE: Rule = Rule {
    id: "peer-not-reading",
    trouble: text! { en: "the peer does not read: its window is closed", ko: "상대가 읽지 않아 윈도가 닫힘" },
    page: Page {
        sees: text! {
            en: "ESTABLISHED with Send-Q above 0 and the persist timer, nothing acknowledged between the looks, tcpi_rwnd_limited grown by \
                 nine tenths of the window. Closed since tcpi_last_data_sent.",
            ko: "Send-Q가 0보다 크고 persist 타이머가 도는 ESTABLISHED 가운데, 두 시점 사이에 확인 응답이 없고 tcpi_rwnd_limited가 관찰 구간의 \
                 90 % 이상 늘어난 것. 닫힌 시각은 tcpi_last_data_sent 기준이다."
        },
        matters: text! {
            en: "Our data wait; the program on the peer hangs or is overloaded. The network is innocent.",
            ko: "보낼 데이터가 기다린다. 상대 프로그램이 멈췄거나 과부하이다. 네트워크 탓이 아니다."
        },
        act: text! {
            en: "Look at the program on the peer; here, give sending a time limit (TCP_USER_TIMEOUT).",
            ko: "상대 쪽 프로그램을 확인하고, 이쪽에서는 보내기에 시간 제한(TCP_USER_TIMEOUT)을 둔다."
        },
        sources: "RFC 9293 §3.8.6.1; net/ipv4/tcp_timer.c tcp_probe_timer(); tcp_output.c tcp_chrono_start()",
    },
    rank: 27,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "slow-reader", shared: Shared::Peer },
        Hides { rule: "fin-wait1-orphans", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let mut questions = Vec::new();
    let mut findings = Vec::new();
    for peer in by_peer(census, |followed| stuck(window, followed)) {
        let first = peer.sockets.first().map(|followed| &followed.socket);
        let owner = first.and_then(|socket| window.owner(socket.inode, socket.uid).or_ask(&mut questions));
        findings.push(finding(census, limits, &peer, owner));
    }
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (true, true) => Verdict::Healthy(None),
        (true, false) => Verdict::Findings(findings),
    }
}

fn stuck(window: &Window, followed: &Followed) -> bool {
    let socket = &followed.socket;
    let waits = socket.state == State::Established && socket.wqueue > 0 && socket.timer == Timer::Persist;
    let limited = socket.info.as_ref().and_then(TcpInfo::rwnd_limited).zip(followed.before);
    waits
        && unacknowledged(followed)
        && limited.is_some_and(|(now_us, mark)| {
            let grown_ms = ((now_us / 1000) as u32).wrapping_sub(mark.rwnd_limited_ms);
            f64::from(grown_ms) >= HELD_UP * window.seconds() * 1000.0
        })
}

/// Since when nothing was sent, ms: zero-window probes leave it alone.
fn closed_ms(followed: &Followed) -> u32 {
    followed.socket.info.as_ref().and_then(TcpInfo::last_data_sent).unwrap_or(0)
}

/// All live connections toward a service, from all our addresses.
fn connections(census: &Census, service: Endpoint) -> u32 {
    let toward = |key: &ServiceKey| key.destination() == Some(service);
    census.services.iter().filter(|one| toward(&one.key)).map(|one| one.states.get(State::Established)).sum()
}

fn severity(census: &Census, limits: &Limits, peer: &PeerSockets) -> Severity {
    let long = |followed: &&&Followed| f64::from(closed_ms(followed)) >= limits.peer_not_reading_seconds * 1000.0;
    let long = peer.sockets.iter().filter(long).count() as u32;
    let many = f64::from(long) >= limits.peer_not_reading_critical_count;
    let Some(service) = peer.service(census) else {
        return if many { Severity::Warning } else { Severity::Info };
    };
    let all = long > 0 && long >= connections(census, service);
    if many && all {
        Severity::Critical
    } else if all || f64::from(long) >= limits.peer_not_reading_warning_count {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn finding(census: &Census, limits: &Limits, peer: &PeerSockets, owner: Option<&Owner>) -> Finding {
    let name = peer.service(census).map_or_else(|| peer.address.to_string(), |service| service.to_string());
    let (count, bytes) = (peer.count(), peer.sockets.iter().map(|one| u64::from(one.socket.wqueue)).sum::<u64>());
    let longest = peer.sockets.iter().map(|followed| closed_ms(followed)).max().unwrap_or(0);
    let since = seconds(longest);
    let summary = say! {
        en: "{name} has not read for {since} s: {bytes} bytes wait on {count} connections, its window is 0",
        ko: "{name}: {since}초 동안 읽지 않음. 연결 {count}개에 {bytes}바이트가 기다리며 윈도는 0",
        name = name, since = since, bytes = bytes, count = count
    };
    let mut subject = peer.subject();
    subject.remote = Some(name.clone());
    subject.pid = owner.map(|owner| owner.pid);
    subject.comm = owner.map(|owner| owner.comm.clone());
    let mut finding = Finding::new(severity(census, limits, peer), subject, summary);
    finding.confidence = CERTAIN;
    finding.size = f64::from(count);
    finding.cause = say! {
        en: "The program on {name} does not take what has arrived there; its kernel answers our probes and announces no room. The \
             network is innocent.",
        ko: "{name}의 프로그램이 도착한 데이터를 가져가지 않음. 상대 커널은 프로브에 답하며 빈자리가 없다고 알림. 네트워크 탓이 아님.",
        name = name
    };
    advise(&mut finding, &name, peer.address);
    finding
        .evidence(
            "stuck with the window closed",
            (f64::from(count), "sockets"),
            "peer, whole window",
            "sock_diag cookies",
        )
        .evidence("Send-Q", (bytes as f64, "bytes"), "peer", "sock_diag")
        .evidence("closed since", (f64::from(longest) / 1000.0, "s"), "longest of them", "tcpi_last_data_sent")
}

fn advise(finding: &mut Finding, name: &str, address: IpAddr) {
    finding.now =
        vec![Advice::from(say! { en: "look at the program on {name}", ko: "{name}의 프로그램을 확인", name = name })];
    finding.repair = vec![Advice::from(say! {
        en: "there: read, or close; here: TCP_USER_TIMEOUT or a time limit on sending",
        ko: "그쪽: 읽거나 닫기. 이쪽: TCP_USER_TIMEOUT 또는 보내기 시간 제한"
    })];
    finding.avoid = vec![say! { en: "larger send buffers: they fill, too", ko: "송신 버퍼 늘리기: 그것도 찰 뿐임" }];
    finding.ruled_out = vec![say! {
        en: "a dead peer: it would end in retransmissions, not in window probes that are answered",
        ko: "죽은 상대가 아님: 그렇다면 윈도 프로브 응답이 아니라 재전송으로 끝남"
    }];
    finding.verify = vec![format!("ss -tino dst {address}")];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::Socket;

    fn socket(local: &str, remote: &str, closed_ms: u64) -> (Socket, Socket) {
        let socket =
            Socket::tcp(State::Established, local, remote).timer(Timer::Persist, 0, 900).queues(0, 5000).inode(9);
        let limited = |us, closed| socket.clone().info(&[("rwnd_limited", us), ("last_data_sent", closed)]);
        (limited(1_000_000, closed_ms.saturating_sub(10_000)), limited(10_900_000, closed_ms))
    }

    fn toward_service(stuck: u16, live: u16, closed_ms: u64) -> Option<Severity> {
        let scene = Scene::new().owner(9, 42, "app").each(stuck, |scene, n| {
            let (before, after) = socket(&format!("192.0.2.1:{}", 40_000 + n), "198.51.100.9:80", closed_ms);
            scene.kept(before, after)
        });
        let other = |n: u16| Socket::tcp(State::Established, &format!("192.0.2.1:{}", 50_000 + n), "198.51.100.9:80");
        scene.each(live, |scene, n| scene.still(&other(n))).build().severity(&RULE)
    }

    /// One connection of one.
    pub(crate) fn example() -> Example {
        let (before, after) = socket("192.0.2.1:40000", "198.51.100.9:80", 10_000);
        Scene::new().owner(9, 42, "app").kept(before, after).build()
    }

    #[test]
    fn toward_a_service_levels_stand_at_three_or_all_for_ten_seconds() {
        assert_eq!(toward_service(1, 0, 9_999), Some(Severity::Info));
        assert_eq!(toward_service(1, 0, 10_000), Some(Severity::Warning), "all of its connections");
        assert_eq!(toward_service(2, 1, 10_000), Some(Severity::Info));
        assert_eq!(toward_service(3, 1, 10_000), Some(Severity::Warning));
        assert_eq!(toward_service(10, 1, 10_000), Some(Severity::Warning));
        assert_eq!(toward_service(10, 0, 10_000), Some(Severity::Critical));
    }

    #[test]
    fn a_client_may_pause() {
        let level = |count| {
            let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 16)).owner(9, 42, "web");
            let scene = scene.each(count, |scene, n| {
                let (before, after) = socket("192.0.2.1:80", &format!("198.51.100.7:{}", 20_000 + n), 60_000);
                scene.kept(before, after)
            });
            scene.build().severity(&RULE)
        };
        assert_eq!(
            (level(1), level(9), level(10)),
            (Some(Severity::Info), Some(Severity::Info), Some(Severity::Warning))
        );
    }

    #[test]
    fn a_window_that_opened_in_between_is_no_stall() {
        let (before, after) = socket("192.0.2.1:40000", "198.51.100.9:80", 10_000);
        let acked = Scene::new().kept(before.clone(), after.clone().info(&[("bytes_acked", 1)]));
        assert_eq!(acked.build().severity(&RULE), None);
        let short = Scene::new().kept(before, after.info(&[("rwnd_limited", 9_900_000)]));
        assert_eq!(short.build().severity(&RULE), None, "8.9 of 10 s");
    }

    #[test]
    fn one_connection_to_a_service_for_half_a_minute_is_a_warning() {
        let of_two = |_| {
            let (before, after) = socket("192.0.2.1:40000", "198.51.100.9:80", 10_000);
            let other = Socket::tcp(State::Established, "192.0.2.1:50000", "198.51.100.9:80");
            Scene::new().owner(9, 42, "app").kept(before, after).still(&other).build()
        };
        assert_eq!(last_two(&RULE, 3, of_two), [Some(Severity::Info), Some(Severity::Warning)]);
        let client = |_| {
            let (before, after) = socket("192.0.2.1:80", "198.51.100.7:20000", 60_000);
            Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 16)).kept(before, after).build()
        };
        assert_eq!(last_two(&RULE, 3, client), [Some(Severity::Info); 2], "a client may pause");
    }
}
