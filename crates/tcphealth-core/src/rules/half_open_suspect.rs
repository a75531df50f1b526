//! `half-open-suspect`: silent connections whose peer's death nothing would notice.

use std::net::IpAddr;

use super::held::{LIKELY, POSSIBLE, seconds, service_owner};
use super::{Ask, Known, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Census, Fact, NeighbourState, Owner, Peer, Question, Service, State};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// Suspects that are probed at most, those with most connections first.
const PROBED_MAX: usize = 3;
/// SYNs without an answer that prove a silence: one or two may be lost.
const PROBES_MIN: u32 = 3;

/// The rule.
pub static RULE: Rule = Rule {
    id: "half-open-suspect",
    trouble: text! {
        en: "silent connections whose peer's death nothing would notice",
        ko: "상대가 죽어도 아무것도 알아채지 못할 조용한 연결"
    },
    page: Page {
        sees: text! {
            en: "ESTABLISHED with no timer and empty queues that neither sent nor received for the whole window and longer, to one \
                 destination of which nothing else moves either; or silent for more than two hours. A warning only with proof: a \
                 neighbour that does not answer, a route that is gone, connects to the same peer that get no answer, or (`check --path`) \
                 SYNs to the same port that get none.",
            ko: "타이머가 없고 큐가 비었으며 관찰 구간 이상 아무것도 주고받지 않은 ESTABLISHED로, 그 목적지의 다른 소켓도 움직이지 않거나 두 \
                 시간 넘게 조용한 것. 응답 없는 이웃, 사라진 경로, 같은 상대로의 응답 없는 연결 시도, `check --path`로 같은 포트에 보낸 응답 없는 SYN 같은 증거가 있을 때만 경고한다."
        },
        matters: text! {
            en: "If the peer has died, the program waits for ever and finds out only when it sends. An idle pool is healthy: idleness \
                 alone proves nothing.",
            ko: "상대가 죽었다면 프로그램은 한없이 기다리다 보낼 때에야 안다. 쉬는 풀은 정상이며 쉬고 있다는 것만으로는 아무것도 증명되지 않는다."
        },
        act: text! {
            en: "Turn on SO_KEEPALIVE (60 to 300 s) or an application heartbeat.",
            ko: "SO_KEEPALIVE(60–300초)나 애플리케이션 heartbeat를 켠다."
        },
        sources: "RFC 9293 §3.8.4; RFC 5382 REQ-5; RFC 1122 §4.2.3.6; tcp(7) TCP_KEEPIDLE",
    },
    rank: 99,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner, Ask::Route, Ask::Neighbour, Ask::Path],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

/// Silent connections to one destination, or of one client.
struct Silent<'a> {
    address: IpAddr,
    source: IpAddr,
    name: String,
    count: u32,
    longest_ms: u32,
    service: Option<&'a Service>,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let mut questions = Vec::new();
    let mut findings = Vec::new();
    let mut suspects: Vec<Silent> = silent(census).into_iter().filter(|one| suspect(census, limits, one)).collect();
    suspects.sort_by_key(|silent| std::cmp::Reverse(silent.count));
    for (place, silent) in suspects.into_iter().enumerate() {
        let owner = silent.service.and_then(|service| service_owner(window, service, &mut questions));
        let proof = proof(window, census, (&silent, place < PROBED_MAX), &mut questions);
        findings.push(finding(&silent, owner, proof));
    }
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (true, true) => Verdict::Healthy(None),
        (true, false) => {
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            findings.truncate(10);
            Verdict::Findings(findings)
        }
    }
}

fn suspect(census: &Census, limits: &Limits, silent: &Silent) -> bool {
    let still = census.peer(&silent.address).is_some_and(|peer| peer.moved == 0);
    let many = f64::from(silent.count) >= limits.half_open_info_count && still;
    many || f64::from(silent.longest_ms) > limits.half_open_silent_seconds * 1000.0
}

/// By destination for what we opened, by peer for what others did. Ourselves are no suspects: loopback cannot be cut.
fn silent(census: &Census) -> Vec<Silent<'_>> {
    let of_service = census.services.iter().filter(|service| service.silent > 0).filter_map(|service| {
        let remote = service.key.destination()?;
        let peer = census.peer(&remote.address)?;
        let (count, longest_ms) = (service.silent, service.silent_ms_longest);
        Some(Silent {
            address: remote.address,
            source: peer.source,
            name: remote.to_string(),
            count,
            longest_ms,
            service: Some(service),
        })
    });
    let mut all: Vec<Silent> = of_service.collect();
    for peer in census.peers.iter().filter(|peer| peer.silent > 0) {
        let told: u32 = all.iter().filter(|silent| silent.address == peer.address).map(|silent| silent.count).sum();
        if peer.silent > told && told == 0 {
            all.push(of_peer(peer));
        }
    }
    all.retain(|silent| !silent.address.is_loopback() && silent.address != silent.source);
    all
}

fn of_peer(peer: &Peer) -> Silent<'static> {
    let (name, count, longest_ms) = (peer.address.to_string(), peer.silent, peer.silent_ms_longest);
    Silent { address: peer.address, source: peer.source, name, count, longest_ms, service: None }
}

/// What proves that the peer is not there: its neighbour entry, its route, or its silence to new connects, of programs here or of
/// a probe.
fn proof(
    window: &Window,
    census: &Census,
    (silent, probe): (&Silent, bool),
    questions: &mut Vec<Question>,
) -> Option<Message> {
    let address = silent.address;
    let retried =
        census.in_state(State::SynSent).any(|one| one.socket.remote.address == address && one.socket.timer_retrans > 0);
    if retried {
        return Some(say! { en: "new connects to it get no answer either", ko: "새 연결 시도에도 응답이 없음" });
    }
    let route = match window.route(address) {
        Known::Ask(question) => {
            questions.push(question);
            return None;
        }
        Known::No(crate::snapshot::Absent::NotHere) => {
            return Some(say! { en: "there is no route to it any more", ko: "그곳으로 가는 경로가 더는 없음" });
        }
        Known::No(_) => return None,
        Known::Yes(route) => route,
    };
    let unanswered = if probe { unanswered(window, silent, questions) } else { None };
    let hop = route.gateway.unwrap_or(address);
    let question = Question::Neighbour { address: hop };
    match window.answer(&question) {
        None => {
            questions.push(question);
            None
        }
        _ if unanswered.is_some() => unanswered,
        Some(Ok(Fact::Neighbour(neighbour)))
            if matches!(neighbour.state, NeighbourState::Failed | NeighbourState::Incomplete) =>
        {
            Some(say! { en: "{hop} does not answer on the link", ko: "{hop}가 링크에서 응답하지 않음", hop = hop })
        }
        Some(_) => None,
    }
}

/// What SYNs to the same port met, when the user lets us send some: nothing, or the word of this host that nobody is there.
fn unanswered(window: &Window, silent: &Silent, questions: &mut Vec<Question>) -> Option<Message> {
    let remote = silent.service?.key.destination()?;
    let path = window.path(remote.address, remote.port).or_ask(questions)?;
    let refused = path.refusal.is_some_and(|refusal| refusal.by != path.plan.source);
    (path.rounds >= PROBES_MIN && !path.reached() && !refused).then(|| {
        say! {
            en: "{remote} answered none of {rounds} SYNs that were sent to it now",
            ko: "지금 {remote}에 보낸 SYN {rounds}개에 응답이 하나도 없음",
            remote = remote, rounds = path.rounds
        }
    })
}

fn finding(silent: &Silent, owner: Option<&Owner>, proof: Option<Message>) -> Finding {
    let (count, name, longest) = (silent.count, &silent.name, seconds(silent.longest_ms));
    let summary = say! {
        en: "{count} connections to {name} are silent, the longest for {longest} s, and nothing would notice its death",
        ko: "{name}(으)로 가는 연결 {count}개가 조용함(가장 오래 {longest}초). 상대가 죽어도 알 수 없음",
        count = count, name = name, longest = longest
    };
    let severity = if proof.is_some() { Severity::Warning } else { Severity::Info };
    let subject = Subject {
        kind: SubjectKind::Peer,
        remote: Some(name.clone()),
        source: Some(silent.source.to_string()),
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = if proof.is_some() { LIKELY } else { POSSIBLE };
    finding.size = f64::from(count);
    finding.cause = proof.unwrap_or_else(|| say! {
        en: "no keepalive, nothing in flight: whether the peer is there cannot be told. An idle pool looks the same and is healthy.",
        ko: "keepalive도 전송 중인 데이터도 없어 상대가 있는지 알 수 없음. 쉬고 있는 정상 풀도 똑같이 보임."
    });
    advise(&mut finding, silent.address);
    finding
        .evidence("silent", (f64::from(count), "sockets"), "peer, whole window", "sock_diag: no timer, empty queues")
        .evidence(
            "longest silence",
            (f64::from(silent.longest_ms) / 1000.0, "s"),
            "peer",
            "tcpi_last_data_sent, _recv, _ack_recv",
        )
}

fn advise(finding: &mut Finding, address: IpAddr) {
    finding.now = vec![Advice::from(say! {
        en: "see whether the peer is there: its own view of these connections",
        ko: "상대가 있는지, 그쪽에도 이 연결이 있는지 확인"
    })];
    finding.repair = vec![
        Advice::from(say! { en: "SO_KEEPALIVE with TCP_KEEPIDLE of 60 to 300 s, or a heartbeat", ko: "TCP_KEEPIDLE 60–300초의 SO_KEEPALIVE 또는 heartbeat" })
            .effect(say! { en: "a dead peer is noticed within minutes", ko: "죽은 상대를 몇 분 안에 앎" })
            .side_effect(say! { en: "a probe per idle connection and interval", ko: "유휴 연결마다 간격당 프로브 하나" }),
    ];
    finding.verify = vec![format!("ss -tano dst {address}"), format!("ip neigh show {address}")];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::path::{Path, Refusal};
    use crate::rules::lossy_hop;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::{Absent, Neighbour, Socket, Timer};

    const PEER: &str = "198.51.100.9";

    fn idle(n: u16, idle_ms: u64) -> Socket {
        let socket = Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + n), "198.51.100.9:80").inode(9);
        socket.info(&[("last_data_sent", idle_ms), ("last_data_recv", idle_ms), ("last_ack_recv", idle_ms)])
    }

    fn neighbour(scene: Scene, state: NeighbourState) -> Scene {
        let fact = Fact::Neighbour(Neighbour { state, ifindex: 2, interface: "eth0".into() });
        scene.answer(Question::Neighbour { address: PEER.parse().unwrap() }, Ok(fact))
    }

    fn scene(count: u16, idle_ms: u64) -> Scene {
        let scene = Scene::new().owner(9, 42, "app").route(PEER, None, "eth0");
        let scene = scene.each(count, |scene, n| scene.still(&idle(n, idle_ms)));
        let scene = scene.answer(path(), Err(Absent::NotAsked));
        neighbour(scene, NeighbourState::Answers)
    }

    fn path() -> Question {
        Question::Path { peer: PEER.parse().unwrap(), port: 80 }
    }

    /// Ten silent ones.
    pub(crate) fn example() -> Example {
        scene(10, 10_000).build()
    }

    #[test]
    fn it_is_information_from_ten_on_or_two_hours() {
        assert_eq!(scene(9, 60_000).build().severity(&RULE), None);
        assert_eq!(scene(10, 9_999).build().severity(&RULE), None, "shorter than the window");
        assert_eq!(scene(10, 10_000).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(1, 7_200_000).build().severity(&RULE), None);
        assert_eq!(scene(1, 7_200_001).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn it_is_a_warning_with_proof_only() {
        let failed = neighbour(scene(10, 10_000), NeighbourState::Failed);
        assert_eq!(failed.build().severity(&RULE), Some(Severity::Warning));
        let unknown = neighbour(scene(10, 10_000), NeighbourState::Unknown);
        assert_eq!(unknown.build().severity(&RULE), Some(Severity::Info), "no entry proves nothing");
        let no_route = scene(10, 10_000).answer(Question::Route { peer: PEER.parse().unwrap() }, Ok(Fact::Route(None)));
        assert_eq!(no_route.build().severity(&RULE), Some(Severity::Warning));
        let refused = Err(Absent::NotPermitted("x".into()));
        let unread = scene(10, 10_000).answer(Question::Route { peer: PEER.parse().unwrap() }, refused);
        assert_eq!(unread.build().severity(&RULE), Some(Severity::Info));
        let asks = Socket::tcp(State::SynSent, "192.0.2.1:50000", "198.51.100.9:80").timer(Timer::On, 1, 900);
        assert_eq!(scene(10, 10_000).born(asks).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn syns_to_the_same_port_prove_it_when_they_may_be_sent() {
        let probed = |end, by: Option<&str>, rounds| {
            let mut path = Path { rounds, ..lossy_hop::tests::probed(PEER, [0, 0, 0]) };
            path.flows[0].end = end;
            path.refusal = by.map(|by| Refusal { by: by.parse().unwrap(), ttl: 1, code: 1 });
            scene(10, 10_000).answer(self::path(), Ok(Fact::Path(path))).build().severity(&RULE)
        };
        assert_eq!(probed(None, None, 3), Some(Severity::Warning));
        assert_eq!(probed(None, None, 2), Some(Severity::Info));
        assert_eq!(probed(Some(3), None, 40), Some(Severity::Info), "it is there");
        assert_eq!(probed(None, Some("192.0.2.254"), 40), Some(Severity::Info), "a router forbids the probe");
        assert_eq!(probed(None, Some("192.0.2.1"), 40), Some(Severity::Warning), "our own word: no such neighbour");
    }

    #[test]
    fn a_keepalive_or_any_movement_of_the_peer_clears_it() {
        let kept = |scene: Scene, n| scene.still(&idle(n, 60_000).timer(Timer::Keepalive, 0, 900));
        assert_eq!(Scene::new().each(20, kept).build().severity(&RULE), None);
        let moving = scene(10, 10_000).kept(idle(90, 0), idle(90, 0).info(&[("bytes_received", 9)]));
        assert_eq!(moving.build().severity(&RULE), None);
    }

    #[test]
    fn silence_in_every_window_for_two_hours_and_four_minutes_is_a_warning() {
        assert_eq!(
            last_two(&RULE, 124, |_| scene(10, 60_000).lasting(60).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
    }
}
