//! `retransmit-remote`: more segments than usual are lost on a long path.

use std::net::IpAddr;

use super::loss::{self, Bad, Speaker};
use super::lossy_hop::{command, port_of};
use super::retransmit_local::READS;
use super::wording::{ms, percent};
use super::{Ask, Class, Limits, Page, Rule, watches_nothing};
use crate::report::{Advice, Finding, Verdict};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const CONGESTION: &str = "net.ipv4.tcp_congestion_control";
/// What a segment carries at an MTU of 1500 with timestamps, bytes.
const MSS_BYTES: f64 = 1448.0;
/// From here on mobile and satellite access are likely, which lose 1 to 2 % as a rule.
const FAR_US: u32 = 100_000;

/// Probes a hop that tell a loss of 2 % from none.
const PROBES: u32 = 150;

/// The rule.
pub static RULE: Rule = Rule {
    id: "retransmit-remote",
    trouble: text! { en: "segments lost on the way to distant peers", ko: "원거리 상대까지의 경로에서 세그먼트가 손실됨" },
    page: Page {
        sees: text! {
            en: "As retransmit-local, for peers that are neither on-link nor within 2 ms (private addresses: 5 ms): limit 0.5 %, warning above \
                 1 %, critical above 3 %. A network is blamed instead of its peers when three or more of them lose and none does not.",
            ko: "retransmit-local과 같되, 직접 연결도 아니고 2 ms(사설 주소는 5 ms) 안도 아닌 상대에 적용: 한계 0.5 %, 1 % 초과 경고, 3 % 초과 \
                 위험. 한 네트워크에서 셋 이상이 모두 손실이면 상대 대신 네트워크를 지목한다."
        },
        matters: text! {
            en: "A connection's rate falls with the square root of the loss: 0.5 % at 60 ms leaves 3.3 Mbit/s, 2 % at 20 ms leaves 5 Mbit/s.",
            ko: "연결 하나의 속도는 손실률의 제곱근에 반비례한다: 60 ms에서 0.5 %면 3.3 Mbit/s, 20 ms에서 2 %면 5 Mbit/s가 한계다."
        },
        act: text! {
            en: "Measure response time and loss of each segment of the path with the real port, and take the table to whoever runs the segment.",
            ko: "실제 서비스 포트로 경로의 구간별 응답 시간과 손실을 재고, 그 구간의 운영자에게 표를 전달한다."
        },
        sources: "Documentation/networking/snmp_counter.rst; RFC 2883, RFC 6298; Mathis et al., The Macroscopic Behavior of the TCP \
                  Congestion Avoidance Algorithm, 1997",
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
    Speaker { classes: &[Class::Remote], peers: text! { en: "distant peers", ko: "원거리 상대" }, finding };

fn check(window: &Window, limits: &Limits) -> Verdict {
    loss::check(window, limits, &SPEAKER)
}

fn finding(bad: &Bad, window: &Window) -> Finding {
    let distance = bad.members.iter().filter_map(|member| member.peer.min_rtt_us).min();
    let away = distance.map_or_else(|| "?".into(), ms);
    let summary = say! {
        en: "{ratio} of the segments to {name}, {away} ms away, were lost ({lost} of {sent}, usual ≤ {usual})",
        ko: "{away} ms 거리의 {name}(으)로 보낸 세그먼트 {ratio} 손실({sent}개 중 {lost}개, 보통 ≤ {usual})",
        ratio = percent(bad.ratio()), name = bad.name(), away = away, lost = bad.lost, sent = bad.sent,
        usual = percent(bad.usual)
    };
    let mut finding = Finding::new(bad.severity, bad.subject.clone(), summary);
    finding.confidence = loss::confidence(bad, window);
    finding.size = bad.ratio();
    finding.cause = cause(bad, distance);
    let worst = bad.worst().map(|peer| peer.address);
    finding.now = worst.map(|peer| measure(window, peer)).into_iter().collect();
    finding.repair = repair(window);
    finding.avoid = vec![say! {
        en: "loss that a middle hop shows and the end does not is rate limiting of ICMP, no fault",
        ko: "중간 홉에만 보이고 끝에는 없는 손실은 ICMP 속도 제한일 뿐 장애가 아니다"
    }];
    finding.ruled_out = loss::ruled_out(bad, window);
    finding.verify = vec![
        worst.map(|peer| mtr(window, peer)).unwrap_or_default(),
        format!("ss -tinO dst {}", bad.name()),
        "nstat -z TcpRetransSegs TcpExtTCPOrigDataSent TcpExtTCPDSACKRecvSegs".into(),
    ];
    loss::with_evidence(finding, bad, window)
}

fn cause(bad: &Bad, distance: Option<u32>) -> Message {
    let reason = bad.members.first().map(|member| member.classed.reason.clone()).unwrap_or_default();
    let Some(rtt_us) = distance else { return reason };
    let rate = format!("{:.1}", loss::mathis_mbit(MSS_BYTES, rtt_us, bad.ratio()));
    let said = say! {
        en: "{reason}; such loss leaves a connection about {rate} Mbit/s; {fine} other distant peers are within the limit",
        ko: "{reason}; 이 손실이면 연결 하나의 속도는 약 {rate} Mbit/s에 그침; 다른 원거리 상대 {fine}곳은 한계 이내",
        rate = rate, fine = bad.fine; reason = reason
    };
    if rtt_us <= FAR_US {
        return said;
    }
    say! {
        en: "{reason} (on mobile or satellite access 1 to 2 % are usual)",
        ko: "{reason} (모바일·위성 회선에서는 1~2 %가 흔함)"; reason = said
    }
}

fn measure(window: &Window, peer: IpAddr) -> Advice {
    Advice::from(say! {
        en: "measure each segment of the path: {command}",
        ko: "경로의 각 구간을 측정: {command}",
        command = command(window, peer, PROBES)
    })
}

/// The same measured by another program.
fn mtr(window: &Window, peer: IpAddr) -> String {
    format!("mtr -n -r -c {PROBES} -i 1 --tcp -P {} {peer}", port_of(window, peer))
}

fn repair(window: &Window) -> Vec<Advice> {
    let provider = say! {
        en: "send the table of hops to the provider of the segment where the loss begins",
        ko: "손실이 시작되는 구간의 사업자에게 홉별 표를 보낸다"
    };
    let mut repair = vec![Advice::from(provider)];
    let current = window.last().sysctl(CONGESTION).filter(|name| *name != "bbr");
    repair.extend(current.map(|current| {
        Advice::from(say! {
            en: "until then: sysctl -w {key}=bbr (modprobe tcp_bbr where it is a module)",
            ko: "그때까지: sysctl -w {key}=bbr (모듈이면 modprobe tcp_bbr)",
            key = CONGESTION
        })
        .effect(say! { en: "new connections keep their rate under loss", ko: "새 연결이 손실 속에서도 속도를 유지함" })
        .side_effect(say! {
            en: "the latency of each loss stays, and other senders on the path get less",
            ko: "손실마다 생기는 지연은 그대로이며, 같은 경로의 다른 송신자 몫이 줄어듦"
        })
        .undo(say! { en: "sysctl -w {key}={current}", ko: "sysctl -w {key}={current}", key = CONGESTION, current = current })
    }));
    repair
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Severity;
    use crate::rules::retransmit_local::tests::lines;
    use crate::rules::testing::{Example, last_two};

    fn remote(peers: &[(&str, u64, u64, u64)]) -> Example {
        let lost = peers.iter().map(|peer| peer.2).sum();
        let scene = lines(peers, 20_000, Some("192.0.2.254")).grew("Tcp.RetransSegs", lost);
        scene.grew("TcpExt.TCPSackRecovery", 10).build()
    }

    pub(super) fn example() -> Example {
        remote(&[("203.0.113.9", 10_000, 200, 0)])
    }

    #[test]
    fn the_levels_stand_where_chance_ends() {
        // 10 000 segments at 0.5 %: fifty are expected, from 63 on chance shows them less than once in twenty.
        let severity = |lost| remote(&[("203.0.113.9", 10_000, lost, 0)]).severity(&RULE);
        assert_eq!(severity(63), Some(Severity::Info));
        // At 1 %, a hundred, at 3 %, three hundred: chance shows 133 and 356 less than once in a thousand.
        assert_eq!([132, 133].map(severity), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!([355, 356].map(severity), [Some(Severity::Warning), Some(Severity::Critical)]);
        assert_eq!(severity(14), None, "0.14 % at a distance is healthy");
        assert!(remote(&[("203.0.113.9", 10_000, 62, 0)]).is_undecided(&RULE));
    }

    #[test]
    fn the_probe_goes_to_the_service_of_the_worst_peer() {
        let list = remote(&[("203.0.113.9", 10_000, 200, 0), ("203.0.113.77", 10_000, 1, 0)]).findings(&RULE);
        assert!(list[0].now[0].act.en.ends_with("tcphealth path 203.0.113.9:80 --count 150"));
        assert_eq!(list[0].verify[0], "mtr -n -r -c 150 -i 1 --tcp -P 80 203.0.113.9");
        assert_eq!(list[0].subject.remote.as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn a_peer_whose_route_is_unknown_is_judged_as_remote() {
        let mut example = example();
        example.answers.values_mut().for_each(|answer| *answer = Err(crate::snapshot::Absent::NotHere));
        let list = example.findings(&RULE);
        assert!(list[0].cause.en.starts_with("its route is unknown"), "{}", list[0].cause.en);
    }

    #[test]
    fn the_rate_that_loss_leaves_is_mathis_bound() {
        assert_eq!(format!("{:.1}", loss::mathis_mbit(1448.0, 60_000, 0.005)), "3.3");
        assert_eq!(format!("{:.0}", loss::mathis_mbit(1448.0, 20_000, 0.02)), "5");
    }

    #[test]
    fn what_is_too_little_for_one_window_is_enough_for_a_minute() {
        assert_eq!(last_two(&RULE, 6, |_| remote(&[("203.0.113.9", 100, 2, 0)])), [None, Some(Severity::Info)]);
    }
}
