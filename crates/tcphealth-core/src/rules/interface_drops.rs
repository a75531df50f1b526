//! `interface-drops`: an interface or its queueing discipline drops packets.

use super::judge::said;
use super::link::{self, Direction, Harm};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, held, watches_nothing, wording::percent};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::{Interface, Question};
use crate::window::Window;
use crate::{say, text};

const HOST_QUEUES: Counter = Counter("TcpExt.TCPSpuriousRtxHostQueues");

/// The rule.
pub static RULE: Rule = Rule {
    id: "interface-drops",
    trouble: text! {
        en: "an interface or its queueing discipline drops packets",
        ko: "인터페이스나 큐 규칙(qdisc)이 패킷을 버림"
    },
    page: Page {
        sees: text! {
            en: "Received: Δrx_drop less Δrx_multicast (frames of protocols that nobody asked for count as drops and arrive as multicast), \
                 against Δrx_packets. Sent: Δtx_drop plus the drops of the root queueing discipline, against Δtx_packets.",
            ko: "수신: Δrx_drop에서 Δrx_multicast를 뺀 값(아무도 받지 않는 프로토콜의 프레임도 폐기로 세며 멀티캐스트로 온다)을 Δrx_packets와 \
                 비교. 송신: Δtx_drop과 루트 qdisc의 폐기를 더해 Δtx_packets와 비교."
        },
        matters: text! {
            en: "What is dropped on the way out hardly shows as retransmission: TCP only slows down. What is dropped on the way in may be no \
                 TCP at all.",
            ko: "송신 폐기는 재전송으로 거의 드러나지 않고 TCP가 느려질 뿐이다. 수신 폐기는 TCP가 아닐 수도 있다."
        },
        act: text! {
            en: "Sent: a longer queue or fq, a shaper at the true rate. Received: ring size, CPU affinity, and what the frames are.",
            ko: "송신: 큐를 늘리거나 fq를 쓰고, 실제 속도에 맞춰 셰이핑한다. 수신: 링 크기, CPU 배치, 그리고 어떤 프레임인지 확인한다."
        },
        sources: "Documentation/networking/statistics.rst; net/core/dev.c __netif_receive_skb_core(); net/sched/sch_generic.c; netdata \
                  net.conf",
    },
    rank: 2,
    reads: &[Read::Interfaces, Read::Window],
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "retransmit-local", shared: Shared::Interface },
        Hides { rule: "retransmit-remote", shared: Shared::Interface },
        Hides { rule: "tail-loss", shared: Shared::Interface },
        Hides { rule: "path-congested", shared: Shared::Interface },
        Hides { rule: "spurious-timeout", shared: Shared::Interface },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let (mut questions, mut list) = (Vec::new(), Vec::new());
    let devices = link::devices(window, &["rx_packets", "rx_drop", "tx_drop"]);
    if devices.is_empty() {
        return link::uncounted();
    }
    for device in devices {
        list.extend(received(window, limits, device, &mut questions));
        list.extend(sent(window, limits, device, &mut questions));
    }
    said(window, limits, list, questions)
}

/// Drops on the way in. While TCP is unharmed they are possible trouble only, and never the cause of TCP trouble.
fn received(window: &Window, limits: &Limits, device: &Interface, questions: &mut Vec<Question>) -> Option<Finding> {
    let multicast = link::grown(window, device, "rx_multicast").unwrap_or(0);
    let dropped = link::grown(window, device, "rx_drop")?.saturating_sub(multicast);
    let packets = link::grown(window, device, "rx_packets")?;
    let (per_second, share) = (dropped as f64 / window.seconds(), dropped as f64 / packets.max(1) as f64);
    if dropped == 0 || per_second < limits.interface_drops_info_per_second {
        return None;
    }
    let many = per_second >= limits.interface_drops_rx_warning_per_second
        && share >= limits.interface_drops_rx_warning_ratio
        && packets as f64 >= limits.interface_drops_rx_warning_packets;
    let harm = if many { link::harm(window, limits, device, questions) } else { Harm::default() };
    let severity = match (many, harm.lossy) {
        (true, true) => Severity::Critical,
        (true, false) => Severity::Warning,
        (false, _) => Severity::Info,
    };
    let (name, of) = (&device.name, percent(share));
    let summary = say! {
        en: "{name} drops {of} of what it receives",
        ko: "{name}이(가) 수신 패킷의 {of}를 버림",
        name = name, of = of
    };
    let finding = Finding {
        confidence: if harm.lossy { held::LIKELY } else { held::POSSIBLE },
        explains: false,
        size: per_second,
        cause: say! {
            en: "{dropped} frames were dropped after {multicast} multicast frames are taken out: no room in the ring, a protocol that nobody \
                 here takes, or a filter below IP. TCP trouble is not blamed on it.",
            ko: "멀티캐스트 {multicast}개를 빼고 프레임 {dropped}개가 버려짐: 링의 자리가 모자라거나, 받는 곳이 없는 프로토콜이거나, IP 아래의 \
                 필터임. TCP 문제의 원인으로 보지는 않음.",
            dropped = dropped, multicast = multicast
        },
        now: vec![Advice::from(say! {
            en: "ip -s -s link show {name} (missed, overrun), then tcpdump -eni {name} for frames that are no IP",
            ko: "ip -s -s link show {name}(missed, overrun), 이어서 tcpdump -eni {name}으로 IP가 아닌 프레임을 확인한다",
            name = name
        })],
        repair: vec![Advice::from(say! {
            en: "where missed grows: ethtool -G {name} rx MORE; where frames are no IP: stop their sender or its VLAN",
            ko: "missed가 늘면 ethtool -G {name} rx로 링을 키우고, IP가 아닌 프레임이면 보내는 곳이나 VLAN을 막는다",
            name = name
        })],
        verify: vec![format!("ip -s -s link show {name}"), format!("ethtool -S {name}")],
        ..Finding::new(severity, link::subject(device, Direction::Rx), summary)
    };
    let finding = finding
        .evidence("rx_drop less multicast", (dropped as f64, "packets"), "interface", "/proc/net/dev")
        .evidence("rx_packets", (packets as f64, "packets"), "interface", "/proc/net/dev");
    Some(finding)
}

/// Drops on the way out: by the driver and by the queueing discipline.
fn sent(window: &Window, limits: &Limits, device: &Interface, questions: &mut Vec<Question>) -> Option<Finding> {
    let dropped = link::dropped_out(window, device);
    let packets = link::grown(window, device, "tx_packets")?;
    let share = dropped as f64 / (packets + dropped).max(1) as f64;
    if (dropped as f64) / window.seconds() < limits.interface_drops_info_per_second {
        return None;
    }
    let many =
        dropped as f64 >= limits.interface_drops_tx_warning_packets && share >= limits.interface_drops_tx_warning_ratio;
    let harm = if many { link::harm(window, limits, device, questions) } else { Harm::default() };
    let severity = match many {
        true if share >= limits.interface_drops_tx_critical_ratio && harm.any() => Severity::Critical,
        true => Severity::Warning,
        false => Severity::Info,
    };
    let qdisc = link::qdisc_drops(window, device).into_iter().max_by_key(|(_, drops)| *drops);
    let qdisc = qdisc.filter(|(_, drops)| *drops > 0);
    let subject = Subject { qdisc: qdisc.map(|(kind, _)| kind.to_owned()), ..link::subject(device, Direction::Tx) };
    let explains = link::explains(window, dropped, harm);
    let finding = sent_finding(device, (dropped, share), qdisc.map(|(kind, _)| kind));
    let finding = Finding { severity, subject, explains, size: share, ..finding };
    let finding = finding
        .evidence("dropped on the way out", (dropped as f64, "packets"), "interface", "tx_drop + qdisc drops")
        .evidence("tx_packets", (packets as f64, "packets"), "interface", "/proc/net/dev");
    Some(with_host_queues(window, finding))
}

fn sent_finding(device: &Interface, (dropped, share): (u64, f64), qdisc: Option<&str>) -> Finding {
    let (name, of, by) = (&device.name, percent(share), qdisc.unwrap_or("driver"));
    let summary = say! {
        en: "{name} ({by}) drops {of} of what is sent: {dropped} packets",
        ko: "{name}({by})이(가) 보내는 패킷의 {of}를 버림: {dropped}개",
        name = name, by = by, of = of, dropped = dropped
    };
    Finding {
        cause: say! {
            en: "the queue of {name} is full: programs send faster than the device, or a shaper on it, lets go. TCP hardly sends these \
                 packets again as losses; it slows down.",
            ko: "{name}의 큐가 가득 참: 프로그램이 장치나 셰이퍼가 내보내는 속도보다 빠르게 보냄. TCP는 이를 손실 재전송으로 거의 드러내지 \
                 않고 느려짐.",
            name = name
        },
        now: vec![Advice::from(say! {
            en: "tc -s qdisc show dev {name}: which discipline drops, and its limit",
            ko: "tc -s qdisc show dev {name}: 어떤 qdisc가 버리는지와 그 한계를 확인한다",
            name = name
        })],
        repair: vec![
            Advice::from(say! {
                en: "tc qdisc replace dev {name} root fq (or fq_codel); raise the shaper's rate or burst where it is below the line's",
                ko: "tc qdisc replace dev {name} root fq(또는 fq_codel). 셰이퍼의 속도나 burst가 회선보다 낮으면 올린다",
                name = name
            })
            .effect(say! { en: "flows share the queue, and senders are told early", ko: "흐름들이 큐를 나눠 쓰고 송신자가 일찍 알게 됨" })
            .side_effect(say! { en: "a shaper that stood at the root is gone", ko: "루트에 있던 셰이퍼는 사라짐" })
            .undo(say! { en: "tc qdisc del dev {name} root, then set the old one again", ko: "tc qdisc del dev {name} root 후 이전 qdisc를 다시 설정", name = name }),
        ],
        verify: vec![format!("tc -s qdisc show dev {name}"), format!("ip -s -s link show {name}")],
        ..Finding::new(Severity::Info, Subject::default(), summary)
    }
}

/// Packets that still waited in this host when TCP wanted to send them again.
pub(super) fn with_host_queues(window: &Window, finding: Finding) -> Finding {
    match window.delta(HOST_QUEUES) {
        Some(count) if count > 0 => {
            finding.evidence(HOST_QUEUES.0, (count as f64, "segments"), "netns", "/proc/net/netstat")
        }
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::tests::{host, lossy};
    use super::*;
    use crate::rules::testing::{Example, last_two};

    pub(super) fn example() -> Example {
        lossy(host(10_000).grew("qdisc.eth0.tbf.drops", 500)).build()
    }

    #[test]
    fn frames_that_arrive_and_are_dropped_count_less_multicast() {
        let with = |drops, multicast, packets| {
            host(packets)
                .grew("dev.eth0.rx_drop", drops)
                .grew("dev.eth0.rx_multicast", multicast)
                .build()
                .severity(&RULE)
        };
        assert_eq!(with(9, 0, 1_000), None);
        assert_eq!(with(10, 0, 1_000), Some(Severity::Info));
        assert_eq!(with(99, 0, 1_000), Some(Severity::Info));
        assert_eq!(with(100, 0, 5_000), Some(Severity::Warning));
        assert_eq!(with(100, 0, 5_001), Some(Severity::Info));
        assert_eq!(with(500, 495, 1_000), None);
        let harmed = lossy(host(5_000).grew("dev.eth0.rx_drop", 100)).build().findings(&RULE);
        assert_eq!((harmed[0].severity, harmed[0].explains), (Severity::Critical, false));
    }

    #[test]
    fn drops_on_the_way_out_count_driver_and_discipline() {
        let with = |driver, qdisc, packets| {
            host(packets).grew("dev.eth0.tx_drop", driver).grew("qdisc.eth0.fq.drops", qdisc).build().severity(&RULE)
        };
        assert_eq!(with(4, 5, 0), None);
        assert_eq!(with(5, 5, 9_990), Some(Severity::Warning));
        assert_eq!(with(5, 5, 9_991), Some(Severity::Info));
        assert_eq!(with(500, 500, 1_000), Some(Severity::Warning));
        let harmed = example().findings(&RULE);
        assert_eq!((harmed[0].severity, harmed[0].subject.qdisc.as_deref()), (Severity::Critical, Some("tbf")));
    }

    #[test]
    fn it_explains_losses_when_it_made_half_of_them() {
        assert!(example().findings(&RULE)[0].explains);
        let few = lossy(host(10_000).grew("qdisc.eth0.tbf.drops", 249)).build().findings(&RULE);
        assert!(!few[0].explains);
    }

    #[test]
    fn two_percent_of_ten_thousand_in_ten_minutes_are_a_warning() {
        assert_eq!(
            last_two(&RULE, 60, |_| host(200).grew("dev.eth0.rx_drop", 4).build()),
            [None, Some(Severity::Warning)]
        );
        assert_eq!(last_two(&RULE, 60, |_| host(100).grew("dev.eth0.rx_drop", 2).build()), [None; 2]);
    }
}
