//! `mtu-black-hole`: full-sized segments to a peer vanish while small ones pass, and nobody says so.

use std::collections::BTreeMap;

use super::held::{CERTAIN, LIKELY};
use super::lossy_hop::command;
use super::shrunk::{PROBED, shrunk};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, class_of, loss, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Followed, Question, Timer};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const UNREACHABLE: Counter = Counter("Icmp.InDestUnreachs");
const PROBING: &str = "net.ipv4.tcp_mtu_probing";
/// Doublings of the timeout from which a connection is stuck.
const STUCK_BACKOFF: u8 = 2;
/// Firings of the timer from which a connection is stuck.
const STUCK_FIRED: u8 = 3;

/// The rule.
pub static RULE: Rule = Rule {
    id: "mtu-black-hole",
    trouble: text! { en: "full-sized segments vanish, small ones pass", ko: "최대 크기 세그먼트는 사라지고 작은 것만 통과함" },
    page: Page {
        sees: text! {
            en: "Connections that acknowledge nothing over the window, with backoff ≥ 2 (or the timer fired 3 times), snd_mss ≥ 1300 and bytes_retrans \
                 of at least so many full segments; two of them to one network, and either small segments to it move or the peer has the \
                 short tail (sacked > 0 on each). When ΔTCPMTUPSuccess > 0 the kernel has worked around it: a line only.",
            ko: "구간 내내 아무것도 확인되지 않고 backoff ≥ 2(또는 타이머 3회), snd_mss ≥ 1300이며 bytes_retrans가 그만큼의 최대 크기 세그먼트인 연결이 \
                 한 네트워크로 둘 이상이고, 그리로 가는 작은 세그먼트는 통하거나 상대가 짧은 꼬리를 받았을 때(모두 sacked > 0). ΔTCPMTUPSuccess > \
                 0이면 커널이 이미 우회한 것이므로 알리기만 한다."
        },
        matters: text! {
            en: "Ping works, logins work, and every larger answer hangs for minutes: uploads, TLS certificates, query results.",
            ko: "ping도 로그인도 되는데 큰 응답은 모두 몇 분씩 멈춘다: 업로드, TLS 인증서, 질의 결과."
        },
        act: text! {
            en: "Find the size that passes (ping -M do -s 1472, 1400, 1372 …), then let ICMP through or clamp the MSS on the router.",
            ko: "통과하는 크기를 찾고(ping -M do -s 1472, 1400, 1372 …) ICMP를 허용하거나 라우터에서 MSS를 조정한다."
        },
        sources: "RFC 2923; RFC 4821; RFC 8899; net/ipv4/tcp_timer.c tcp_mtu_probing()",
    },
    rank: 15,
    reads: &[Read::Counter(PROBED), Read::Counter(UNREACHABLE), Read::Sysctl(PROBING), Read::TwoLooks],
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
        Hides { rule: "tail-loss", shared: Shared::Peer },
        Hides { rule: "path-congested", shared: Shared::Peer },
        Hides { rule: "peer-vanished", shared: Shared::Peer },
        Hides { rule: "idle-forgotten", shared: Shared::Peer },
        Hides { rule: "fin-wait1-orphans", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// The connections to one network that are stuck on full-sized segments.
struct Hole<'a> {
    stuck: Vec<&'a Followed>,
    /// Connections to the same network whose small segments move.
    small: u32,
    /// The kernel found a size that passes and they move again.
    worked_around: bool,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let mut holes: BTreeMap<String, Vec<&Followed>> = BTreeMap::new();
    for kept in census.sockets.iter().filter(|kept| is_stuck_on_full(kept, limits)).chain(shrunk(window)) {
        holes.entry(loss::subnet(kept.socket.remote.address)).or_default().push(kept);
    }
    let mut questions = Vec::new();
    let findings = holes.into_iter().filter_map(|(network, sockets)| {
        let near = census.peers.iter().filter(|peer| loss::subnet(peer.address) == network);
        let small = near.map(|peer| peer.moved_small).sum();
        let stuck: Vec<_> = sockets.iter().copied().filter(|kept| is_stuck_on_full(kept, limits)).collect();
        let worked_around = stuck.is_empty();
        let hole = Hole { stuck: if worked_around { sockets } else { stuck }, small, worked_around };
        let proven = worked_around || small > 0 || hole.stuck.iter().all(|kept| sacked(kept) > 0);
        proven.then(|| finding(window, &hole, limits, &mut questions)).flatten()
    });
    let findings: Vec<_> = findings.collect();
    match (questions.is_empty(), findings.is_empty()) {
        (false, _) => Verdict::Ask(questions),
        (_, true) => Verdict::Healthy(None),
        _ => Verdict::Findings(findings),
    }
}

/// Nothing acknowledged over the window, and all that was sent again was of full size.
fn is_stuck_on_full(kept: &Followed, limits: &Limits) -> bool {
    let facts = || {
        let (info, before) = (kept.socket.info.as_ref()?, kept.before.as_ref().filter(|_| kept.kept())?);
        let unacked = info.bytes_acked()? as u32 == before.bytes_acked_low && info.unacked()? > 0;
        let fired = kept.socket.timer == Timer::On && kept.socket.timer_retrans >= STUCK_FIRED;
        let mss = u64::from(info.snd_mss()?);
        let times = u64::from(info.retransmits()?.max(1));
        let full = mss as f64 >= limits.black_hole_mss_bytes && info.bytes_retrans()? >= mss * times;
        Some(unacked && (info.backoff()? >= STUCK_BACKOFF || fired) && full)
    };
    facts().unwrap_or(false)
}

fn sacked(kept: &Followed) -> u32 {
    kept.socket.info.and_then(|info| info.sacked()).unwrap_or(0)
}

fn finding(window: &Window, hole: &Hole, limits: &Limits, questions: &mut Vec<Question>) -> Option<Finding> {
    let subject = subject(window, hole, questions)?;
    let count = hole.stuck.len();
    let mss = hole.stuck.iter().filter_map(|kept| kept.socket.info?.snd_mss()).max().unwrap_or(0);
    let name = subject.subnet.clone().or_else(|| subject.remote.clone())?;
    let severity = match hole.worked_around {
        true => Severity::Info,
        false if count as f64 >= limits.black_hole_critical_connections => Severity::Critical,
        false => Severity::Warning,
    };
    let summary = if hole.worked_around {
        say! {
            en: "full-sized packets to {name} vanish; the kernel found that {mss} bytes pass ({count} connections)",
            ko: "{name}(으)로 가는 최대 크기 패킷이 사라짐; 커널이 {mss}바이트는 통과함을 찾아 우회 중(연결 {count}개)",
            name = name, mss = mss, count = count
        }
    } else {
        say! {
            en: "full-sized packets to {name} vanish (MSS {mss}), small ones pass: {count} connections are stuck",
            ko: "{name}(으)로 가는 최대 크기 패킷이 사라지고(MSS {mss}) 작은 것만 통과: 연결 {count}개가 멈춤",
            name = name, mss = mss, count = count
        }
    };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence =
        if hole.small > 0 && hole.stuck.iter().any(|kept| sacked(kept) > 0) { CERTAIN } else { LIKELY };
    finding.concerns = hole.stuck.iter().map(|kept| kept.socket.remote.to_string()).collect();
    finding.size = count as f64;
    finding.cause = say! {
        en: "a link on the way (VPN, PPPoE, overlay) has a smaller MTU, and somebody drops the ICMP message that would say so (type 3 code 4, \
             ICMPv6 type 2): an MTU black hole. Ping and small requests work, larger answers hang"
        , ko: "경로의 어떤 구간(VPN, PPPoE, 오버레이)의 MTU가 더 작은데, 이를 알리는 ICMP(type 3 code 4, ICMPv6 type 2)를 누군가 버림: MTU \
             블랙홀. ping과 작은 요청은 되지만 큰 응답은 멈춤"
    };
    advise(&mut finding, window, hole);
    finding.ruled_out = ruled_out(window, hole);
    Some(with_evidence(finding, window, hole, mss))
}

/// One peer, or the network of several.
fn subject(window: &Window, hole: &Hole, questions: &mut Vec<Question>) -> Option<Subject> {
    let first = hole.stuck.first()?.socket.remote.address;
    let peer = window.census()?.peer(&first)?;
    let interface = class_of(window, peer).or_ask(questions).and_then(|classed| classed.interface);
    let one = hole.stuck.iter().all(|kept| kept.socket.remote.address == first);
    Some(Subject {
        kind: if one { SubjectKind::Peer } else { SubjectKind::Subnet },
        remote: one.then(|| first.to_string()),
        subnet: (!one).then(|| loss::subnet(first)),
        source: Some(peer.source.to_string()),
        interface,
        ..Subject::default()
    })
}

fn advise(finding: &mut Finding, window: &Window, hole: &Hole) {
    let Some(peer) = hole.stuck.first().map(|kept| kept.socket.remote.address) else { return };
    finding.now = vec![Advice::from(say! {
        en: "find the hop and the size that passes: {command} --mtu; or ping -M do -s 1472 {peer}, then 1400, 1372 …",
        ko: "어느 홉에서 어떤 크기까지 통과하는지 찾는다: {command} --mtu, 또는 ping -M do -s 1472 {peer}, 이어서 1400, 1372 …",
        command = command(window, peer, 10), peer = peer
    })];
    finding.repair = vec![
        Advice::from(say! {
            en: "let ICMP type 3 code 4 and ICMPv6 type 2 through every filter on the way",
            ko: "경로의 모든 필터에서 ICMP type 3 code 4와 ICMPv6 type 2를 허용한다"
        }),
        Advice::from(say! {
            en: "or clamp the MSS where the link is narrow: nft … tcp flags syn tcp option maxseg size set rt mtu",
            ko: "또는 좁은 구간의 라우터에서 MSS를 조정한다: nft … tcp flags syn tcp option maxseg size set rt mtu"
        }),
    ];
    if window.last().sysctl_number(PROBING) == Some(0) {
        finding.repair.push(
            Advice::from(
                say! { en: "until then: sysctl -w {key}=1", ko: "그때까지: sysctl -w {key}=1", key = PROBING },
            )
            .effect(say! {
                en: "a connection tries smaller segments after two timeouts",
                ko: "연결이 타임아웃 두 번 뒤 더 작은 세그먼트를 시도함"
            })
            .side_effect(say! { en: "each still stalls for a second or two first", ko: "그래도 처음 1~2초는 멈춤" })
            .undo(say! { en: "sysctl -w {key}=0", ko: "sysctl -w {key}=0", key = PROBING }),
        );
    }
    finding.verify =
        vec![format!("ping -M do -s 1472 {peer}"), format!("tracepath -n {peer}"), format!("ss -tinO dst {peer}")];
}

fn ruled_out(window: &Window, hole: &Hole) -> Vec<Message> {
    let (small, with_tail) = (hole.small, hole.stuck.iter().filter(|kept| sacked(kept) > 0).count());
    let unreachable = window.delta(UNREACHABLE).unwrap_or(0);
    vec![
        say! {
            en: "a dead peer: {small} connections with small segments move, and {with_tail} of the stuck ones had the end of their data acknowledged",
            ko: "죽은 상대: 작은 세그먼트를 쓰는 연결 {small}개는 움직이고, 멈춘 것 중 {with_tail}개는 데이터 끝부분이 확인됨",
            small = small, with_tail = with_tail
        },
        say! {
            en: "working path MTU discovery: {unreachable} ICMP errors came in",
            ko: "정상 동작하는 경로 MTU 탐색: 들어온 ICMP 오류 {unreachable}개",
            unreachable = unreachable
        },
    ]
}

fn with_evidence(finding: Finding, window: &Window, hole: &Hole, mss: u32) -> Finding {
    let (scope, source) = ("peer", "sock_diag");
    let most = |of: fn(&crate::snapshot::TcpInfo) -> Option<u64>| {
        hole.stuck.iter().filter_map(|kept| of(kept.socket.info.as_ref()?)).max().unwrap_or(0) as f64
    };
    finding
        .evidence(
            "connections stuck",
            (if hole.worked_around { 0.0 } else { hole.stuck.len() as f64 }, "connections"),
            scope,
            source,
        )
        .evidence("tcpi_snd_mss", (f64::from(mss), "bytes"), scope, source)
        .evidence("tcpi_backoff, largest", (most(|info| info.backoff().map(u64::from)), "doublings"), scope, source)
        .evidence(
            "tcpi_bytes_retrans, largest",
            (most(crate::snapshot::TcpInfo::bytes_retrans), "bytes"),
            scope,
            source,
        )
        .evidence("tcpi_sacked, largest", (most(|info| info.sacked().map(u64::from)), "segments"), scope, source)
        .evidence("tcpi_pmtu", (most(|info| info.pmtu().map(u64::from)), "bytes"), scope, source)
        .evidence("connections whose small segments move", (f64::from(hole.small), "connections"), scope, source)
        .evidence(
            UNREACHABLE.0,
            (window.delta(UNREACHABLE).unwrap_or(0) as f64, "messages"),
            "netns, window",
            "/proc/net/snmp",
        )
        .evidence(PROBED.0, (window.delta(PROBED).unwrap_or(0) as f64, "probes"), "netns, window", "/proc/net/netstat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::rule;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Socket, State};

    const PEER: &str = "203.0.113.9:443";

    struct Stuck {
        count: u16,
        backoff: u64,
        mss: u64,
        retransmits: u64,
        bytes_retrans: u64,
        sacked: u64,
    }

    const HOLE: Stuck = Stuck { count: 2, backoff: 6, mss: 1448, retransmits: 7, bytes_retrans: 7 * 1448, sacked: 1 };

    fn hole(stuck: &Stuck) -> Scene {
        let scene = Scene::new().route("203.0.113.9", Some("192.0.2.254"), "eth0");
        scene.each(stuck.count, |scene, number| {
            let socket = Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + number), PEER).inode(9);
            let socket = socket.queues(0, 8_000).timer(Timer::On, 7, 9_000).info(&[
                ("bytes_acked", 300),
                ("snd_mss", stuck.mss),
                ("backoff", stuck.backoff),
                ("retransmits", stuck.retransmits),
                ("bytes_retrans", stuck.bytes_retrans),
                ("unacked", 6),
                ("sacked", stuck.sacked),
                ("pmtu", 1500),
            ]);
            scene.still(&socket)
        })
    }

    /// A connection that sends so many bytes a segment and moves.
    fn mover(scene: Scene, bytes: u64) -> Scene {
        let socket = |segments: u64| {
            Socket::tcp(State::Established, "192.0.2.1:50000", PEER).inode(8).info(&[
                ("bytes_acked", segments * bytes),
                ("bytes_sent", segments * bytes),
                ("data_segs_out", segments),
            ])
        };
        scene.kept(socket(10), socket(110))
    }

    pub(super) fn example() -> Example {
        hole(&HOLE).build()
    }

    #[test]
    fn one_is_a_warning_and_two_are_critical() {
        let severity = |count| hole(&Stuck { count, ..HOLE }).build().severity(&RULE);
        assert_eq!([0, 1, 2].map(severity), [None, Some(Severity::Warning), Some(Severity::Critical)]);
    }

    #[test]
    fn each_sign_is_needed() {
        let severity = |stuck: Stuck| hole(&stuck).build().severity(&RULE);
        assert_eq!(severity(Stuck { bytes_retrans: 7 * 1448 - 1, ..HOLE }), None, "something smaller was sent again");
        assert_eq!(severity(Stuck { mss: 1299, ..HOLE }), None);
        assert_eq!(severity(Stuck { mss: 1300, bytes_retrans: 9_100, ..HOLE }), Some(Severity::Critical));
        assert_eq!(severity(Stuck { sacked: 0, ..HOLE }), None, "a peer that answers nothing at all is dead");
    }

    #[test]
    fn small_segments_that_move_prove_it_and_large_ones_do_not() {
        let silent = || hole(&Stuck { sacked: 0, ..HOLE });
        assert_eq!(mover(silent(), 999).build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(mover(silent(), 1_000).build().severity(&RULE), None);
    }

    /// Four connections over a hole: seventy-five segments of a thousand were sent again, most of them by timers.
    fn worked_around(probed: u64, lossy: bool) -> Example {
        let scene = Scene::new().route("203.0.113.9", Some("192.0.2.254"), "eth0");
        let scene = scene.each(4, |scene, number| {
            let socket = |sent: u64, again: u64| {
                Socket::tcp(State::Established, &format!("192.0.2.1:{}", 40_000 + number), PEER).inode(9).info(&[
                    ("bytes_acked", sent * 1000),
                    ("data_segs_out", sent + again),
                    ("total_retrans", again),
                    ("snd_mss", if lossy && number == 0 { 1_448 } else { 1_347 }),
                    ("advmss", 1_448),
                    ("pmtu", 1_500),
                    ("rtt", 20_000),
                    ("min_rtt", 20_000),
                ])
            };
            scene.kept(socket(10, 0), socket(1_010, 75))
        });
        let scene = scene.grew("Tcp.RetransSegs", 300).grew("TcpExt.TCPOrigDataSent", 4_000);
        let scene = scene.grew("TcpExt.TCPTimeouts", 150).grew("TcpExt.TCPLossProbes", 150);
        scene.grew("TcpExt.TCPSackRecovery", 90).grew(PROBED.0, probed).build()
    }

    #[test]
    fn what_the_kernel_has_worked_around_is_a_line() {
        let list = worked_around(9, false).findings(&RULE);
        assert_eq!((list[0].severity, list[0].subject.remote.as_deref()), (Severity::Info, Some("203.0.113.9")));
        assert_eq!(worked_around(0, false).severity(&RULE), None, "a peer may ask for small segments");
    }

    #[test]
    fn what_was_sent_again_on_the_way_round_is_no_loss_of_the_line() {
        let others =
            |example: Example| ["retransmit-remote", "tail-loss"].map(|id| example.severity(rule(id).unwrap()));
        assert_eq!(others(worked_around(9, false)), [None; 2]);
        assert!(others(worked_around(0, false)).iter().all(|level| *level >= Some(Severity::Warning)));
        assert_eq!(others(worked_around(9, true))[0], Some(Severity::Warning), "the fourth loses at full size");
    }

    #[test]
    fn probing_is_advised_only_where_it_is_off() {
        let advice = |value| hole(&HOLE).sysctl(PROBING, value).build().findings(&RULE)[0].repair.len();
        assert_eq!([advice("0"), advice("1")], [3, 2]);
    }
}
