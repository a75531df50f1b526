//! `retransmit-local`: segments are lost on the network right here, where practically none may be lost.

use super::loss::{self, Bad, DATA_SENT, DSACK_SEGS, EPISODES, RETRANS, SYN_RETRANS, Speaker};
use super::wording::percent;
use super::{Ask, Class, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Verdict};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// What both rules of loss cannot do without.
pub(super) const READS: &[Read] = &[
    Read::Counter(RETRANS),
    Read::Counter(SYN_RETRANS),
    Read::Counter(DSACK_SEGS),
    Read::Counter(DATA_SENT),
    Read::Counter(EPISODES[0]),
    Read::Counter(EPISODES[1]),
    Read::Counter(EPISODES[2]),
    Read::Counter(EPISODES[3]),
    Read::TwoLooks,
];

/// The rule.
pub static RULE: Rule = Rule {
    id: "retransmit-local",
    trouble: text! {
        en: "segments lost on the directly connected network or site",
        ko: "직접 연결된 네트워크나 사이트 안에서 세그먼트가 손실됨"
    },
    page: Page {
        sees: text! {
            en: "Per peer, over the connections that both looks saw and that are not stuck: Σ max(0, Δtcpi_total_retrans − Δtcpi_dsack_dups) / \
                 Σ(Δtcpi_data_segs_out − Δtcpi_total_retrans). Local is on-link and at most 2 ms away (limit 0.01 %), site is at most \
                 2 ms away behind a gateway (0.1 %). At least three losses, more than chance shows (Poisson); a warning also needs \
                 three recoveries and losses on two connections, or ten recoveries. Loopback is left out.",
            ko: "상대별로, 두 시점에 모두 있고 멈추지 않은 연결에 대해 Σ max(0, Δtcpi_total_retrans − Δtcpi_dsack_dups) / \
                 Σ(Δtcpi_data_segs_out − Δtcpi_total_retrans). 로컬은 게이트웨이 없이 2 ms 이내(한계 0.01 %), 사이트는 게이트웨이 너머 2 ms \
                 이내(0.1 %)이다. 손실이 세 번 이상이고 우연(푸아송)보다 많아야 한다. 경고는 복구 3회 이상이면서 연결 둘 이상의 손실이거나 \
                 복구 10회 이상이어야 한다. 루프백은 제외한다."
        },
        matters: text! {
            en: "A cable, a port or a card is failing. Every loss stalls a connection for a round trip, the last segment of an answer for \
                 200 ms and more.",
            ko: "케이블, 포트, NIC 가운데 하나가 고장 나고 있다. 손실마다 연결이 왕복 시간만큼 멈추고, 응답의 마지막 세그먼트를 잃으면 200 ms 이상 \
                 멈춘다."
        },
        act: text! {
            en: "Look at the error counters of the card and of the switch port; change cable or port of the peer that is alone in losing.",
            ko: "NIC와 스위치 포트의 오류 카운터를 확인하고, 혼자 손실이 나는 상대의 케이블이나 포트를 바꿔 본다."
        },
        sources: "Documentation/networking/snmp_counter.rst; RFC 2883, RFC 6298, RFC 8985; include/uapi/linux/tcp.h struct tcp_info",
    },
    rank: 99,
    reads: READS,
    asks: &[Ask::Route],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

const SPEAKER: Speaker =
    Speaker { classes: &[Class::Local, Class::Site], peers: text! { en: "local peers", ko: "로컬 상대" }, finding };

fn check(window: &Window, limits: &Limits) -> Verdict {
    loss::check(window, limits, &SPEAKER)
}

fn finding(bad: &Bad, window: &Window) -> Finding {
    let device = bad.subject.interface.clone().unwrap_or_else(|| "?".into());
    let summary = say! {
        en: "{ratio} of the segments to {name} on {device} were lost ({lost} of {sent}, usual ≤ {usual})",
        ko: "{device}의 {name}(으)로 보낸 세그먼트 {ratio} 손실({sent}개 중 {lost}개, 보통 ≤ {usual})",
        ratio = percent(bad.ratio()), name = bad.name(), device = device, lost = bad.lost, sent = bad.sent,
        usual = percent(bad.usual)
    };
    let mut finding = Finding::new(bad.severity, bad.subject.clone(), summary);
    finding.confidence = loss::confidence(bad, window);
    finding.size = bad.ratio();
    finding.cause = cause(bad, &device);
    finding.now = vec![Advice::from(say! {
        en: "read the error counters of the card and of the switch port: ethtool -S {device}; ip -s -s link show {device}",
        ko: "NIC와 스위치 포트의 오류 카운터를 확인: ethtool -S {device}; ip -s -s link show {device}",
        device = device
    })];
    finding.repair = vec![
        Advice::from(say! {
            en: "change cable, transceiver or switch port of {name}; check that both ends agree on speed and duplex (ethtool {device})",
            ko: "{name}의 케이블, 트랜시버, 스위치 포트를 바꾸고 양쪽의 속도와 duplex가 맞는지 확인(ethtool {device})",
            name = bad.name(), device = device
        })
        .effect(say! { en: "the losses stop when the faulty part is gone", ko: "고장 난 부품을 바꾸면 손실이 멈춤" })
        .side_effect(say! { en: "the link is down for a moment", ko: "링크가 잠시 끊김" }),
    ];
    finding.avoid = vec![say! {
        en: "larger buffers or another congestion control do not repair a line that loses",
        ko: "버퍼를 늘리거나 혼잡 제어를 바꿔도 손실 나는 회선은 고쳐지지 않는다"
    }];
    finding.ruled_out = loss::ruled_out(bad, window);
    finding.verify = verify(bad, &device);
    loss::with_evidence(finding, bad, window)
}

fn cause(bad: &Bad, device: &str) -> Message {
    let (members, fine) = (bad.members.len(), bad.fine);
    if members > 1 {
        return say! {
            en: "all {members} peers of it lose: what they share is at fault, our cable, port or card {device}, or the switch",
            ko: "그 안의 상대 {members}곳이 모두 손실: 공유하는 부분, 즉 이쪽 케이블·포트·NIC({device})나 스위치가 원인",
            members = members, device = device
        };
    }
    let reason = bad.members.first().map(|member| member.classed.reason.clone()).unwrap_or_default();
    if fine == 0 {
        return say! {
            en: "{reason}; no other local peer was seen, so the fault may lie at either end of the line on {device}",
            ko: "{reason}; 비교할 다른 로컬 상대가 없어 {device} 회선의 어느 쪽이 원인인지는 알 수 없음",
            device = device; reason = reason
        };
    }
    say! {
        en: "{reason}; the other {fine} local peers lose nothing unusual, so it is this peer's cable, port, card or host",
        ko: "{reason}; 다른 로컬 상대 {fine}곳은 정상이므로 이 상대의 케이블, 포트, NIC, 호스트가 원인",
        fine = fine; reason = reason
    }
}

fn verify(bad: &Bad, device: &str) -> Vec<String> {
    let target = bad.subject.subnet.clone().or_else(|| bad.subject.remote.clone()).unwrap_or_default();
    vec![
        format!("ss -tinO dst {target}"),
        "nstat -z TcpRetransSegs TcpExtTCPOrigDataSent TcpExtTCPDSACKRecvSegs".into(),
        format!("ip -s -s link show {device}"),
        format!("ethtool -S {device}"),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::{Severity, SubjectKind};
    use crate::rules::testing::{Example, Scene, in_a_row, levels};
    use crate::snapshot::{Socket, State};

    /// A connection to a peer that has sent so many segments, of them so many again and so many in vain.
    pub(in crate::rules) fn sender(remote: &str, sent: u64, again: u64, dsack: u64, rtt_us: u64) -> Socket {
        Socket::tcp(State::Established, "192.0.2.1:40000", remote).inode(9).info(&[
            ("bytes_acked", 1 + (sent - again) * 1448),
            ("data_segs_out", sent),
            ("total_retrans", again),
            ("dsack_dups", dsack),
            ("rtt", rtt_us),
            ("min_rtt", rtt_us),
        ])
    }

    /// Lines to local peers: address, segments sent once, lost, came back as duplicates; two connections each.
    pub(in crate::rules) fn lines(peers: &[(&str, u64, u64, u64)], rtt_us: u64, gateway: Option<&str>) -> Scene {
        peers.iter().fold(Scene::new(), |scene, &(address, sent, again, dsack)| {
            let scene = scene.route(address, gateway, "eth0");
            (0..2).fold(scene, |scene, half| {
                let share = |count: u64| u64::midpoint(count, half);
                let remote = format!("{address}:{}", 80 + half);
                let before = sender(&remote, 100, 0, 0, rtt_us);
                let after = sender(&remote, 100 + share(sent) + share(again), share(again), share(dsack), rtt_us);
                scene.kept(before, after)
            })
        })
    }

    fn local(peers: &[(&str, u64, u64, u64)]) -> Scene {
        let lost = peers.iter().map(|peer| peer.2).sum();
        let dsacks = peers.iter().map(|peer| peer.3).sum();
        let counted = lines(peers, 300, None).grew("Tcp.RetransSegs", lost).grew("TcpExt.TCPDSACKRecvSegs", dsacks);
        counted.grew("TcpExt.TCPSackRecovery", 3).grew("TcpExt.TCPOrigDataSent", peers.iter().map(|p| p.1).sum())
    }

    pub(in crate::rules) fn example() -> Example {
        local(&[("192.0.2.9", 22_400, 204, 0), ("192.0.2.10", 22_400, 3, 3), ("192.0.2.11", 22_400, 2, 2)]).build()
    }

    #[test]
    fn the_levels_stand_where_chance_ends() {
        // 100 000 segments at 0.01 %: ten losses are expected, from 16 on chance shows them less than once in twenty.
        let severity = |lost| local(&[("192.0.2.9", 100_000, lost, 0)]).build().severity(&RULE);
        assert_eq!(severity(16), Some(Severity::Info));
        // At 0.1 %, a hundred: P(X ≥ 132) = 0.00127, P(X ≥ 133) = 0.00094.
        assert_eq!([132, 133].map(severity), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(severity(1_200), Some(Severity::Critical));
        assert!(local(&[("192.0.2.9", 100_000, 15, 0)]).build().is_undecided(&RULE));
    }

    #[test]
    fn three_losses_are_needed_and_duplicates_are_none() {
        assert!(local(&[("192.0.2.9", 1_000, 2, 0)]).build().is_undecided(&RULE));
        assert_eq!(local(&[("192.0.2.9", 1_000, 3, 0)]).build().severity(&RULE), Some(Severity::Info));
        assert!(local(&[("192.0.2.9", 1_000, 3, 3)]).build().is_undecided(&RULE));
    }

    #[test]
    fn nothing_lost_is_health_only_from_thirty_thousand_segments_on() {
        assert_eq!(local(&[("192.0.2.9", 29_958, 0, 0)]).build().severity(&RULE), None);
        let Verdict::Undecided(why) = local(&[("192.0.2.9", 20_000, 0, 0)]).build().verdict(&RULE) else { panic!() };
        assert_eq!(why.needs.unwrap().en, "9958 more segments, about 5 s at this rate");
    }

    #[test]
    fn a_single_burst_is_no_warning() {
        let burst = local(&[("192.0.2.9", 100_000, 1_200, 0)]).grew("TcpExt.TCPSackRecovery", 2).build();
        assert_eq!(burst.severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn the_lossy_peer_is_named_and_the_clean_ones_are_not() {
        let list = example().findings(&RULE);
        let subject = &list[0].subject;
        assert_eq!((list.len(), subject.kind, subject.remote.as_deref()), (1, SubjectKind::Peer, Some("192.0.2.9")));
        assert_eq!((subject.interface.as_deref(), list[0].severity), (Some("eth0"), Severity::Warning));
        assert!(list[0].cause.en.contains("the other 2 local peers"), "{}", list[0].cause.en);
    }

    #[test]
    fn three_bad_peers_of_one_network_are_one_finding() {
        let bad = [("192.0.2.9", 30_000, 90, 0), ("192.0.2.10", 30_000, 80, 0), ("192.0.2.11", 30_000, 85, 0)];
        let list = local(&bad).build().findings(&RULE);
        assert_eq!((list.len(), list[0].subject.subnet.as_deref()), (1, Some("192.0.2.0/24")));
        let list = local(&[bad[0], bad[1], bad[2], ("192.0.2.12", 30_000, 0, 0)]).build().findings(&RULE);
        assert_eq!(list.len(), 3, "a clean peer beside them acquits the network");
    }

    #[test]
    fn behind_a_near_gateway_the_limit_is_the_sites() {
        let site = |lost| {
            let scene = lines(&[("192.0.2.9", 10_000, lost, 0)], 1_500, Some("192.0.2.254"));
            scene.grew("Tcp.RetransSegs", lost).grew("TcpExt.TCPSackRecovery", 9).build()
        };
        assert!(site(15).is_undecided(&RULE));
        assert_eq!(site(16).severity(&RULE), Some(Severity::Info));
        assert_eq!(site(90).severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn stuck_connections_and_loopback_are_left_out() {
        let stuck = sender("192.0.2.9:80", 120, 20, 0, 300).info(&[("backoff", 4), ("bytes_acked", 1)]);
        let before = sender("192.0.2.9:80", 100, 0, 0, 300).info(&[("bytes_acked", 1)]);
        let own = |sent, again| sender("192.0.2.1:80", sent, again, 0, 20);
        let scene =
            Scene::new().route("192.0.2.9", None, "eth0").kept(before, stuck).kept(own(100, 0), own(9_000, 900));
        assert!(scene.grew("Tcp.RetransSegs", 920).build().is_undecided(&RULE));
    }

    #[test]
    fn losses_of_short_connections_forbid_to_say_healthy() {
        let short =
            local(&[("192.0.2.9", 100_000, 0, 0)]).grew("Tcp.RetransSegs", 40).grew("TcpExt.TCPOrigDataSent", 100_500);
        assert!(short.build().is_undecided(&RULE));
    }

    #[test]
    fn what_is_too_little_for_one_window_is_enough_for_a_minute() {
        // 12 of 60 000 at 0.01 %: six are expected, chance shows twelve one time in fifty.
        let found = levels(&RULE, 6, |_| local(&[("192.0.2.9", 10_000, 2, 0)]).build());
        assert_eq!(found, [None, None, None, None, None, Some(Severity::Info)]);
        // The rule of three: 36 000 without a loss prove 0.01 %, 6 000 do not.
        let clean = in_a_row(&RULE, 6, |_| local(&[("192.0.2.9", 6_000, 0, 0)]).build());
        assert!(matches!(clean.as_slice(), [Verdict::Undecided(_), .., Verdict::Undecided(_), Verdict::Healthy(_)]));
    }

    #[test]
    fn loss_in_ten_of_twelve_windows_is_a_warning() {
        // 7 of 20 000: two are expected, chance shows seven one time in two hundred: a line, and in a minute no warning either.
        let last = |clean: u64| {
            let lost = |n| if n < clean { 0 } else { 7 };
            levels(&RULE, 12, |n| local(&[("192.0.2.9", 20_000, lost(n), 0)]).build()).pop().unwrap()
        };
        assert_eq!([2, 3].map(last), [Some(Severity::Warning), Some(Severity::Info)]);
    }
}
