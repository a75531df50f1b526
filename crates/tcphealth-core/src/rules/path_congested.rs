//! `path-congested`: a queue on the path is full; data waits in it and some of it is dropped.

use super::loss::{self, PeerLoss};
use super::wording::{ms, percent};
use super::{Ask, Class, Hides, Limits, Page, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict, Why};
use crate::snapshot::{Followed, Mark, TcpInfo};
use crate::statistics::median;
use crate::window::Window;
use crate::{say, text};

/// A sender of fewer segments in the window does not fill a queue.
const BULK_SEGMENTS: u32 = 10;
/// `tcpi_snd_ssthresh` as long as nothing has reduced the window (TCP_INFINITE_SSTHRESH).
const SSTHRESH_NEVER: u32 = 0x7fff_ffff;
const FINDINGS_MAX: usize = 10;

/// The rule.
pub static RULE: Rule = Rule {
    id: "path-congested",
    trouble: text! {
        en: "a queue on the path is full: round trips far above the smallest",
        ko: "경로의 큐가 가득 참: 왕복 시간이 최소값보다 훨씬 김"
    },
    page: Page {
        sees: text! {
            en: "Over connections that sent in bulk and are not held up by the reader: at both looks median tcpi_rtt at least twice tcpi_min_rtt and \
                 20 ms above it (local 2 ms), tcpi_rttvar at most half of the round trip, and losses or a reduced window. Warning at four \
                 times or 100 ms, critical when the loss is above the limit too.",
            ko: "대량으로 보내며 수신 측에 막히지 않은 연결에 대해, 두 시점 모두 tcpi_rtt의 중앙값이 tcpi_min_rtt의 2배 이상이고 20 ms(로컬 2 ms) \
                 이상 길며, tcpi_rttvar가 왕복 시간의 절반 이하이고, 손실이나 윈도 축소가 있을 때. 4배 또는 100 ms면 경고, 손실도 한계를 넘으면 위험."
        },
        matters: text! {
            en: "Everything that shares the path waits in the same queue: calls stutter, logins lag, while one transfer runs at full rate.",
            ko: "경로를 공유하는 모든 것이 같은 큐에서 기다린다. 전송 하나가 전속력을 내는 동안 통화가 끊기고 로그인이 느려진다."
        },
        act: text! {
            en: "Shape to the rate of the bottleneck and manage its queue (fq_codel, cake); fewer parallel bulk transfers.",
            ko: "병목 속도에 맞춰 조절하고 큐를 관리한다(fq_codel, cake). 동시에 도는 대량 전송을 줄인다."
        },
        sources: "RFC 7567; RFC 8289; RFC 6298; include/uapi/linux/tcp.h struct tcp_info",
    },
    rank: 24,
    reads: super::retransmit_local::READS,
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "tail-loss", shared: Shared::Peer },
        Hides { rule: "retransmit-local", shared: Shared::Peer },
        Hides { rule: "retransmit-remote", shared: Shared::Peer },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// The queue toward one peer, by its bulk senders.
struct Queue {
    senders: usize,
    rtt_us: f64,
    rtt_before_us: f64,
    min_rtt_us: f64,
    rttvar_us: f64,
    /// Something made a sender slow down.
    reduced: bool,
}

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let peers = loss::peers(window, limits, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let queues: Vec<_> = peers.iter().filter_map(|peer| Some((peer, queue(window, peer)?))).collect();
    if queues.is_empty() {
        return Verdict::Undecided(Why {
            reason: say! { en: "no connection sent in bulk", ko: "대량으로 보내는 연결이 없음" },
            needs: Some(say! { en: "a transfer that lasts through the window", ko: "구간 내내 이어지는 전송" }),
        });
    }
    let full = queues.iter().filter_map(|(peer, queue)| Some(finding(severity(peer, queue, limits)?, peer, queue)));
    let mut findings: Vec<Finding> = full.collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(FINDINGS_MAX);
    findings.into()
}

fn queue(window: &Window, peer: &PeerLoss) -> Option<Queue> {
    let census = window.census()?;
    let half_ms = window.seconds() * 500.0;
    let of_peer = census.sockets.iter().filter(|kept| kept.socket.remote.address == peer.peer.address);
    let bulk: Vec<(&TcpInfo, &Mark)> = of_peer.filter_map(|kept| bulk(kept, half_ms)).collect();
    let middle = |of: &dyn Fn(&TcpInfo, &Mark) -> Option<u32>| {
        let mut values: Vec<f64> = bulk.iter().filter_map(|(info, mark)| of(info, mark)).map(f64::from).collect();
        median(&mut values)
    };
    Some(Queue {
        senders: bulk.len(),
        rtt_us: middle(&|info, _| info.rtt())?,
        rtt_before_us: middle(&|_, mark| Some(mark.rtt_us))?,
        min_rtt_us: middle(&|info, _| info.min_rtt_us())?,
        rttvar_us: middle(&|info, mark| Some(info.rttvar()?.max(mark.rttvar_us)))?,
        reduced: bulk.iter().any(|(info, _)| info.snd_ssthresh().is_some_and(|ssthresh| ssthresh < SSTHRESH_NEVER)),
    })
}

/// A connection that sent in bulk all the time and was not held up by its reader, who would lengthen the round trip too.
fn bulk(kept: &Followed, half_ms: f64) -> Option<(&TcpInfo, &Mark)> {
    let (info, mark) = (kept.socket.info.as_ref()?, kept.before.as_ref().filter(|_| kept.kept())?);
    let segments = info.data_segs_out()?.wrapping_sub(mark.data_segs_out);
    let grown = |now_us: u64, before_ms: u32| (now_us / 1000) as f64 - f64::from(before_ms);
    let busy_ms = grown(info.busy_time()?, mark.busy_ms);
    let held_ms = grown(info.rwnd_limited()?, mark.rwnd_limited_ms);
    (segments >= BULK_SEGMENTS && busy_ms >= half_ms && held_ms < busy_ms / 2.0).then_some((info, mark))
}

fn severity(peer: &PeerLoss, queue: &Queue, limits: &Limits) -> Option<Severity> {
    let local = peer.classed.class == Class::Local;
    let delay_us = 1000.0 * if local { limits.congestion_delay_local_ms } else { limits.congestion_delay_ms };
    let least = queue.rtt_us.min(queue.rtt_before_us);
    let stands = least >= queue.min_rtt_us * limits.congestion_info_factor && least - queue.min_rtt_us >= delay_us;
    let steady = queue.rttvar_us <= queue.rtt_us / 2.0;
    let slowed = queue.reduced || peer.peer.line.lost > 0;
    if !(stands && steady && slowed) {
        return None;
    }
    let long = least - queue.min_rtt_us >= limits.congestion_warning_delay_ms * 1000.0;
    if !long && least < queue.min_rtt_us * limits.congestion_warning_factor {
        return Some(Severity::Info);
    }
    Some(if peer.severity.is_some() { Severity::Critical } else { Severity::Warning })
}

fn finding(severity: Severity, peer: &PeerLoss, queue: &Queue) -> Finding {
    let (rtt, least) = (ms(queue.rtt_us as u32), ms(queue.min_rtt_us as u32));
    let name = peer.peer.address;
    let summary = say! {
        en: "the path to {name} is full: round trip {rtt} ms, {least} ms unloaded",
        ko: "{name}까지의 경로가 가득 참: 왕복 시간 {rtt} ms, 부하가 없을 때 {least} ms",
        name = name, rtt = rtt, least = least
    };
    let subject = Subject {
        kind: SubjectKind::Peer,
        remote: Some(name.to_string()),
        source: Some(peer.peer.source.to_string()),
        interface: peer.classed.interface.clone(),
        ..Subject::default()
    };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = if queue.reduced && peer.peer.line.lost > 0 { 0.95 } else { 0.85 };
    finding.size = queue.rtt_us / queue.min_rtt_us.max(1.0);
    let wait = ms((queue.rtt_us - queue.min_rtt_us) as u32);
    finding.cause = say! {
        en: "every packet waits {wait} ms in a queue on the way, and {lost} of {sent} segments were dropped there; a bad line loses without such a wait",
        ko: "모든 패킷이 경로의 큐에서 {wait} ms를 기다리고 세그먼트 {sent}개 중 {lost}개가 거기서 버려짐. 회선 불량이라면 이런 기다림 없이 손실만 남",
        wait = wait, lost = peer.peer.line.lost, sent = peer.peer.line.data_segs
    };
    finding.now = vec![Advice::from(say! {
        en: "see which transfers to {name} run at the same time and whether the queue is ours: tc -s qdisc show",
        ko: "{name}(으)로 동시에 도는 전송과 큐가 이쪽 것인지 확인: tc -s qdisc show",
        name = name
    })];
    finding.repair = vec![
        Advice::from(say! {
            en: "shape to the rate of the bottleneck, with fq_codel or cake there",
            ko: "병목에 fq_codel이나 cake를 두고 그 속도에 맞춰 조절한다"
        })
        .effect(say! { en: "the wait shrinks to a few milliseconds", ko: "기다림이 몇 ms로 줄어듦" })
        .side_effect(say! { en: "the top rate falls by a few percent", ko: "최고 속도가 몇 % 낮아짐" }),
        Advice::from(
            say! { en: "fewer parallel bulk transfers, or more capacity", ko: "동시 대량 전송을 줄이거나 용량을 늘린다" },
        ),
    ];
    finding.avoid = vec![say! {
        en: "larger buffers lengthen the queue and help nobody",
        ko: "버퍼를 키우면 큐만 길어지고 아무에게도 도움이 되지 않는다"
    }];
    finding.ruled_out = ruled_out(queue);
    finding.verify = vec![format!("ss -tinO dst {name}")];
    with_evidence(finding, peer, queue)
}

fn ruled_out(queue: &Queue) -> Vec<crate::words::Message> {
    let (share, before) = (percent(queue.rttvar_us / queue.rtt_us.max(1.0)), ms(queue.rtt_before_us as u32));
    vec![
        say! {
            en: "single stalls: the round trip varies by {share} only and was {before} ms at the first look",
            ko: "일시적 멈춤: 왕복 시간의 변동이 {share}뿐이고 첫 시점에도 {before} ms",
            share = share, before = before
        },
        say! {
            en: "a slow reader: connections held up by the peer's window for half of the time are left out",
            ko: "느린 수신자: 절반 이상 상대 윈도에 막힌 연결은 제외함"
        },
    ]
}

fn with_evidence(finding: Finding, peer: &PeerLoss, queue: &Queue) -> Finding {
    let (scope, source) = ("peer, bulk senders", "sock_diag");
    finding
        .evidence("tcpi_rtt, median", (queue.rtt_us, "µs"), scope, source)
        .evidence("tcpi_rtt, median at the first look", (queue.rtt_before_us, "µs"), scope, source)
        .evidence("tcpi_min_rtt, median", (queue.min_rtt_us, "µs"), scope, source)
        .evidence("tcpi_rttvar, median", (queue.rttvar_us, "µs"), scope, source)
        .evidence("bulk senders", (queue.senders as f64, "connections"), scope, source)
        .evidence("lost", (peer.peer.line.lost as f64, "segments"), "peer, both looks", source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Socket, State};

    struct Bulk {
        rtt_us: u64,
        rttvar_us: u64,
        lost: u64,
        limited_ms: u64,
    }

    const FULL: Bulk = Bulk { rtt_us: 184_000, rttvar_us: 4_000, lost: 0, limited_ms: 0 };

    /// One sender at full rate over a path whose smallest round trip is 20 ms.
    fn path(bulk: &Bulk) -> Example {
        let socket = |sent: u64, lost: u64, ms: u64| {
            Socket::tcp(State::Established, "192.0.2.1:40000", "203.0.113.9:80").inode(9).info(&[
                ("bytes_acked", 1 + sent * 1448),
                ("data_segs_out", sent + lost),
                ("total_retrans", lost),
                ("rtt", bulk.rtt_us),
                ("rttvar", bulk.rttvar_us),
                ("min_rtt", 20_000),
                ("snd_ssthresh", 30),
                ("busy_time", ms * 1000),
                ("rwnd_limited", ms * 1000 * bulk.limited_ms / 10_000),
            ])
        };
        let scene = Scene::new().route("203.0.113.9", Some("192.0.2.254"), "eth0").grew("Tcp.RetransSegs", bulk.lost);
        scene.grew("TcpExt.TCPSackRecovery", 9).kept(socket(100, 0, 0), socket(10_100, bulk.lost, 10_000)).build()
    }

    pub(super) fn example() -> Example {
        path(&FULL)
    }

    #[test]
    fn the_levels_follow_the_round_trip_and_the_loss() {
        let severity = |rtt_us, lost| path(&Bulk { rtt_us, lost, ..FULL }).severity(&RULE);
        assert_eq!([39_900, 40_000].map(|rtt| severity(rtt, 0)), [None, Some(Severity::Info)]);
        assert_eq!([79_900, 80_000].map(|rtt| severity(rtt, 0)), [Some(Severity::Info), Some(Severity::Warning)]);
        // 10 000 segments at 0.5 %: from 63 losses on the limit is passed.
        assert_eq!([62, 63].map(|lost| severity(184_000, lost)), [Some(Severity::Warning), Some(Severity::Critical)]);
    }

    #[test]
    fn stalls_and_slow_readers_are_no_queue() {
        assert_eq!(path(&Bulk { rtt_us: 112_000, rttvar_us: 81_000, ..FULL }).severity(&RULE), None);
        assert!(path(&Bulk { limited_ms: 5_000, ..FULL }).is_undecided(&RULE));
        assert_eq!(path(&Bulk { limited_ms: 4_900, ..FULL }).severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn losses_without_a_longer_round_trip_are_a_bad_line() {
        assert_eq!(path(&Bulk { rtt_us: 22_000, lost: 200, ..FULL }).severity(&RULE), None);
    }
}
