//! `peer-vanished`: one peer answers nothing any more on established connections.

use std::net::IpAddr;

use super::held::{CERTAIN, LIKELY, seconds};
use super::peer_sockets::{PeerSockets, by_peer, is_client_side, retransmits, stuck_ms, unacknowledged};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Census, Followed, Owner, Peer, State, TcpInfo, Timer};
use crate::window::Window;
use crate::{say, text};

const ABORT_ON_TIMEOUT: Counter = Counter("TcpExt.TCPAbortOnTimeout");
const RETRIES: &str = "net.ipv4.tcp_retries2";
/// Retransmissions without an answer from which a peer is silent and not merely late.
const THRICE: u8 = 3;

/// The rule.
pub static RULE: Rule = Rule {
    id: "peer-vanished",
    trouble: text! {
        en: "one peer answers nothing any more on established connections",
        ko: "한 상대가 맺어진 연결에서 더는 응답하지 않음"
    },
    page: Page {
        sees: text! {
            en: "All connections to a peer with data in flight are stuck: retransmission timer with three fires and more, nothing \
                 acknowledged, and no other socket of that peer moves. Or connections of the first look are gone with \
                 ΔTCPAbortOnTimeout, or keepalive probes go unanswered.",
            ko: "전송 중인 데이터가 있는 상대의 모든 연결이 멈춤: 재전송 타이머 3회 이상, 확인 응답 없음, 그 상대의 다른 소켓도 움직이지 \
                 않음. 또는 첫 관찰의 연결이 ΔTCPAbortOnTimeout과 함께 사라지거나 keepalive 프로브에 응답이 없음."
        },
        matters: text! {
            en: "Requests on these connections hang for many minutes (tcp_retries2 = 15: about 15) before they fail.",
            ko: "이 연결의 요청은 실패하기까지 여러 분(tcp_retries2 = 15이면 약 15분) 멈춘다."
        },
        act: text! {
            en: "See whether the peer or the path to it is down; give connections TCP_USER_TIMEOUT.",
            ko: "상대나 경로가 죽었는지 확인하고, 연결에 TCP_USER_TIMEOUT을 둔다."
        },
        sources: "RFC 9293 §3.8.3; RFC 5482; net/ipv4/tcp_timer.c tcp_write_timeout(), tcp_keepalive_timer()",
    },
    rank: 17,
    reads: &[Read::Counter(ABORT_ON_TIMEOUT), Read::TwoLooks],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "tail-loss", shared: Shared::Peer },
        Hides { rule: "path-congested", shared: Shared::Peer },
        Hides { rule: "half-open-suspect", shared: Shared::Peer },
        Hides { rule: "fin-wait1-orphans", shared: Shared::Peer },
        Hides { rule: "last-ack-stuck", shared: Shared::Peer },
        Hides { rule: "peer-resets", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let silent = |followed: &Followed| retransmits_in_vain(window, followed) || probes_in_vain(window, followed);
    let mut questions = Vec::new();
    let mut findings = Vec::new();
    let stuck = by_peer(census, silent);
    for peer in stuck.iter().filter(|peer| peer.peer.is_some_and(|all| all.moved == 0)) {
        let given_up = gone(window, peer.address).filter(|_| aborts_explain(window)).unwrap_or(0);
        let first = peer.sockets.first().map(|followed| &followed.socket);
        let owner = first.and_then(|socket| window.owner(socket.inode, socket.uid).or_ask(&mut questions));
        findings.push(finding(window, limits, peer, (owner, given_up)));
    }
    let told = |address: &IpAddr| stuck.iter().any(|peer| peer.address == *address);
    if aborts_explain(window) {
        findings.extend(vanished(window).filter(|(peer, _)| !told(&peer.address)).map(|(peer, given_up)| {
            let client = window.census_before().is_some_and(|before| is_service(before, peer.address));
            of_gone(limits, peer, given_up, client)
        }));
    }
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (true, true) => Verdict::Healthy(None),
        (true, false) => Verdict::Findings(findings),
    }
}

fn retransmits_in_vain(window: &Window, followed: &Followed) -> bool {
    let socket = &followed.socket;
    if !matches!(socket.state, State::Established | State::CloseWait) || !unacknowledged(followed) {
        return false;
    }
    let quiet = socket.info.as_ref().and_then(TcpInfo::last_ack_recv).is_some_and(|ack_ms| {
        let first_again_ms = stuck_ms(socket).unwrap_or(f64::INFINITY);
        f64::from(ack_ms) >= window.seconds() * 1000.0 || f64::from(ack_ms) >= first_again_ms
    });
    retransmits(followed, THRICE) && quiet
}

/// Keepalive probes unanswered at both looks.
fn probes_in_vain(window: &Window, followed: &Followed) -> bool {
    let socket = &followed.socket;
    let probing = socket.timer == Timer::Keepalive && socket.timer_retrans >= 1;
    let before = followed.before.is_some_and(|mark| mark.timer_retrans >= 1);
    let ack_ms = socket.info.as_ref().and_then(TcpInfo::last_ack_recv);
    probing && before && followed.kept() && ack_ms.is_some_and(|ms| f64::from(ms) >= window.seconds() * 1000.0)
}

/// Connections of a peer that the first look saw and the second did not.
fn gone(window: &Window, address: IpAddr) -> Option<u32> {
    let before = window.census_before()?.peer(&address)?.sockets;
    let kept = window.census()?.peer(&address).map_or(0, |peer| peer.kept);
    Some(before.saturating_sub(kept))
}

/// Peers of the first look of which nothing moves, or is there, any more.
fn vanished<'a>(window: &Window<'a>) -> impl Iterator<Item = (&'a Peer, u32)> {
    let before = window.census_before().map_or(&[][..], |census| &census.peers);
    let window = *window;
    let silent = move |peer: &&Peer| {
        window
            .census()
            .and_then(|now| now.peer(&peer.address))
            .is_none_or(|now| now.moved == 0 && now.sockets == now.kept)
    };
    before
        .iter()
        .filter(silent)
        .filter_map(move |peer| Some((peer, gone(&window, peer.address)?)))
        .filter(|(_, gone)| *gone > 0)
}

/// Whether the timeouts of the window are enough for all connections that are gone from silent peers.
fn aborts_explain(window: &Window) -> bool {
    let gone: u32 = vanished(window).map(|(_, gone)| gone).sum();
    gone > 0 && window.delta(ABORT_ON_TIMEOUT).unwrap_or(0) >= u64::from(gone)
}

/// Whether we opened the connections to this peer.
fn is_service(census: &Census, address: IpAddr) -> bool {
    census.services.iter().any(|service| service.key.destination().is_some_and(|remote| remote.address == address))
}

fn severity(limits: &Limits, count: u32, service: bool) -> Severity {
    match f64::from(count) >= limits.peer_vanished_warning_count {
        false => Severity::Info,
        true if service => Severity::Critical,
        true => Severity::Warning,
    }
}

fn finding(window: &Window, limits: &Limits, peer: &PeerSockets, (owner, given_up): (Option<&Owner>, u32)) -> Finding {
    let (count, address) = (peer.count() + given_up, peer.address);
    let service =
        peer.sockets.iter().all(|one| window.census().is_some_and(|census| is_client_side(census, &one.socket)));
    let most = peer.sockets.iter().map(|followed| followed.socket.timer_retrans).max().unwrap_or(0);
    let next = seconds(peer.sockets.iter().map(|followed| followed.socket.timer_expires_ms).min().unwrap_or(0));
    let quiet = peer.sockets.iter().filter_map(|followed| followed.socket.info.as_ref()?.last_ack_recv()).max();
    let quiet = seconds(quiet.unwrap_or(0));
    let summary = say! {
        en: "{address} has vanished: {count} connections without an answer for up to {quiet} s",
        ko: "{address}가 사라짐: 연결 {count}개에 최대 {quiet}초 동안 응답 없음",
        address = address, count = count, quiet = quiet
    };
    let mut subject = peer.subject();
    subject.pid = owner.map(|owner| owner.pid);
    subject.comm = owner.map(|owner| owner.comm.clone());
    let mut finding = Finding::new(severity(limits, count, service), subject, summary);
    finding.confidence = CERTAIN;
    finding.size = f64::from(count);
    let retries = window.last().sysctl(RETRIES).unwrap_or("?").to_owned();
    finding.cause = say! {
        en: "Up to {most} retransmissions or probes in vain, the next in {next} s; the kernel gives up after tcp_retries2 = {retries} \
             (15: about 15 minutes). No socket of this peer moves.",
        ko: "재전송 또는 프로브를 최대 {most}회 보냈으나 응답 없음. 다음은 {next}초 뒤. tcp_retries2 = {retries}(15이면 약 15분) 뒤 커널이 포기. \
             이 상대의 소켓은 하나도 움직이지 않음.",
        most = most, next = next, retries = retries
    };
    advise(&mut finding, address);
    finding
        .evidence("stuck", (f64::from(peer.count()), "sockets"), "peer, whole window", "sock_diag cookies")
        .evidence("given up", (f64::from(given_up), "sockets"), "peer, whole window", "TCPAbortOnTimeout and sock_diag")
        .evidence("idiag_retrans", (f64::from(most), "retransmissions"), "largest of them", "sock_diag")
        .evidence("moved", (0.0, "sockets"), "peer, whole window", "sock_diag")
}

fn of_gone(limits: &Limits, peer: &Peer, given_up: u32, service: bool) -> Finding {
    let address = peer.address;
    let summary = say! {
        en: "{address} has vanished: {given_up} connections were given up",
        ko: "{address}가 사라짐: 연결 {given_up}개를 포기함",
        address = address, given_up = given_up
    };
    let one = PeerSockets { address, peer: None, sockets: Vec::new() };
    let mut subject = one.subject();
    subject.source = Some(peer.source.to_string());
    let mut finding = Finding::new(severity(limits, given_up, service), subject, summary);
    finding.confidence = LIKELY;
    finding.size = f64::from(given_up);
    finding.cause = say! {
        en: "retransmissions or keepalive probes had no answer until the kernel ended the connections; programs see ETIMEDOUT",
        ko: "재전송이나 keepalive 프로브에 끝내 응답이 없어 커널이 연결을 끝냄. 프로그램은 ETIMEDOUT을 받음"
    };
    advise(&mut finding, address);
    finding.evidence(
        "given up",
        (f64::from(given_up), "sockets"),
        "peer, whole window",
        "TCPAbortOnTimeout and sock_diag",
    )
}

fn advise(finding: &mut Finding, address: IpAddr) {
    finding.now = vec![Advice::from(say! {
        en: "see whether {address} and the path to it are alive",
        ko: "{address}와 그곳으로 가는 경로가 살아 있는지 확인",
        address = address
    })];
    finding.repair = vec![
        Advice::from(say! { en: "TCP_USER_TIMEOUT of 30 s or so on these connections", ko: "이 연결에 30초 정도의 TCP_USER_TIMEOUT" })
            .effect(say! { en: "a dead peer is noticed in seconds, not minutes", ko: "죽은 상대를 몇 분이 아니라 몇 초 만에 앎" })
            .side_effect(say! { en: "a longer outage of the path ends them", ko: "경로가 더 오래 끊기면 연결이 끝남" }),
    ];
    finding.verify =
        vec![format!("ss -tano dst {address}"), "nstat -z TcpExtTCPAbortOnTimeout TcpExtTCPTimeouts".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::Socket;

    fn stuck(n: u16, retrans: u8, ack_ms: u64) -> Socket {
        let socket = Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + n), "198.51.100.9:80");
        socket.inode(9).queues(0, 100).timer(Timer::On, retrans, 900).info(&[
            ("last_ack_recv", ack_ms),
            ("rto", 3_200_000),
            ("backoff", 4),
            ("busy_time", 60_000_000),
            ("last_data_sent", 2_300),
        ])
    }

    fn scene(count: u16, retrans: u8, ack_ms: u64) -> Scene {
        Scene::new().owner(9, 42, "app").each(count, |scene, n| scene.still(&stuck(n, retrans, ack_ms)))
    }

    /// Three connections to a silent service.
    pub(crate) fn example() -> Example {
        scene(3, 3, 10_000).build()
    }

    #[test]
    fn levels_stand_at_one_and_at_three_sent_again_thrice() {
        assert_eq!(scene(3, 2, 10_000).build().severity(&RULE), None);
        assert_eq!(scene(2, 3, 10_000).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(3, 3, 10_000).build().severity(&RULE), Some(Severity::Critical));
        // 2.3 s + 3.2 s · (1 − 1/16) = 5.3 s since the first transmission.
        assert_eq!(scene(3, 3, 5_300).build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(scene(3, 3, 5_299).build().severity(&RULE), None);
    }

    #[test]
    fn a_client_that_walked_away_is_a_warning_at_most() {
        let scene = scene(0, 0, 0).still(&Socket::listener("0.0.0.0:80", 0, 16));
        let client = |n: u16| Socket {
            remote: crate::rules::testing::endpoint(&format!("198.51.100.7:{}", 20_000 + n)),
            local: crate::rules::testing::endpoint("192.0.2.1:80"),
            ..stuck(n, 5, 20_000)
        };
        assert_eq!(scene.each(3, |scene, n| scene.still(&client(n))).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn a_peer_that_still_moves_has_not_vanished() {
        let other = Socket::tcp(State::Established, "192.0.2.1:50000", "198.51.100.9:80");
        let moving = scene(3, 3, 10_000).kept(other.clone(), other.info(&[("bytes_received", 1)]));
        assert_eq!(moving.build().severity(&RULE), None);
    }

    #[test]
    fn connections_given_up_count_as_far_as_the_timeouts_explain_them() {
        let level = |aborts| {
            let idle =
                |n: u16| Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + n), "198.51.100.9:80");
            let scene = Scene::new().each(3, |scene, n| scene.gone(idle(n)));
            scene.grew(ABORT_ON_TIMEOUT.0, aborts).build().severity(&RULE)
        };
        assert_eq!((level(2), level(3)), (None, Some(Severity::Critical)));
    }

    #[test]
    fn unanswered_probes_count_when_both_looks_saw_them() {
        let probing = |n, retrans| stuck(n, retrans, 30_000).timer(Timer::Keepalive, retrans, 900).queues(0, 0);
        let level = |before| {
            let scene = scene(0, 0, 0).each(3, |scene, n| scene.kept(probing(n, before), probing(n, 2)));
            scene.build().severity(&RULE)
        };
        assert_eq!((level(0), level(1)), (None, Some(Severity::Critical)));
    }

    #[test]
    fn three_times_in_an_hour_are_a_warning() {
        assert_eq!(
            levels(&RULE, 5, |n| scene(if n % 2 == 0 { 2 } else { 0 }, 3, 10_000).build()),
            [Some(Severity::Info), None, Some(Severity::Info), None, Some(Severity::Warning)]
        );
        assert_eq!(
            levels(&RULE, 5, |_| scene(2, 3, 10_000).build()),
            [Some(Severity::Info); 5],
            "it has vanished once"
        );
    }
}
