//! `interface-errors`: an interface counts errors.

use super::judge::said;
use super::link::{self, Direction};
use super::{Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::Interface;
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "interface-errors",
    trouble: text! { en: "an interface counts errors", ko: "인터페이스에 오류가 늘어남" },
    page: Page {
        sees: text! {
            en: "Δrx_errs and Δtx_errs of /proc/net/dev against the packets of the same direction; rx_frame (length, CRC, alignment), rx_fifo \
                 and tx_carrier tell the kind.",
            ko: "/proc/net/dev의 Δrx_errs, Δtx_errs를 같은 방향의 패킷 수와 비교한다. rx_frame(길이·CRC·정렬), rx_fifo, tx_carrier로 종류를 \
                 구별한다."
        },
        matters: text! {
            en: "Every error is a packet lost; TCP has to send it again.",
            ko: "오류 하나마다 패킷 하나가 사라지고 TCP가 다시 보내야 한다."
        },
        act: text! {
            en: "frame: cable, SFP, duplex. fifo: ring size, CPU. carrier: the link goes up and down.",
            ko: "frame: 케이블·SFP·듀플렉스. fifo: 링 크기·CPU. carrier: 링크가 끊겼다 붙었다 함."
        },
        sources: "Documentation/networking/statistics.rst; net/core/net-procfs.c dev_seq_printf_stats(); node-mixin \
                  NodeNetworkReceiveErrs",
    },
    rank: 3,
    reads: &[Read::Interfaces, Read::Window],
    asks: &[],
    hides: &[
        Hides { rule: "ack-loss", shared: Shared::Interface },
        Hides { rule: "bad-checksum", shared: Shared::Interface },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let devices = link::devices(window, &["rx_packets", "rx_errs", "tx_errs"]);
    if devices.is_empty() {
        return link::uncounted();
    }
    let both = |device| [(device, Direction::Rx), (device, Direction::Tx)];
    let sides = devices.into_iter().flat_map(both);
    let list = sides.filter_map(|(device, direction)| finding(window, limits, device, direction)).collect();
    said(window, limits, list, Vec::new())
}

fn severity(limits: &Limits, errors: u64, share: f64) -> Severity {
    let many = errors as f64 >= limits.interface_errors_warning_packets;
    if many && share > limits.interface_errors_critical_ratio {
        Severity::Critical
    } else if many && share > limits.interface_errors_warning_ratio {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn finding(window: &Window, limits: &Limits, device: &Interface, direction: Direction) -> Option<Finding> {
    let errors = link::grown_in(window, device, direction, "errs").filter(|&errors| errors > 0)?;
    let packets = link::grown_in(window, device, direction, "packets")?;
    let share = errors as f64 / packets.max(1) as f64;
    let (name, word) = (&device.name, direction.word());
    let summary = say! {
        en: "{name} counted {errors} {word} errors ({packets} packets)",
        ko: "{name}에서 {word} 오류 {errors}개(패킷 {packets}개)",
        name = name, errors = errors, word = word, packets = packets
    };
    let columns = match direction {
        Direction::Rx => ["rx_frame", "rx_fifo"],
        Direction::Tx => ["tx_carrier", "tx_fifo"],
    };
    let finding = Finding {
        size: share,
        cause: cause(window, device, direction),
        now: vec![Advice::from(say! {
            en: "ethtool -S {name} | grep -i err; ethtool {name} (speed, duplex); the counters of the switch port",
            ko: "ethtool -S {name} | grep -i err; ethtool {name}(속도·듀플렉스); 스위치 포트의 카운터",
            name = name
        })],
        repair: vec![Advice::from(say! {
            en: "change cable or SFP, then the port; set both ends to auto-negotiation",
            ko: "케이블이나 SFP, 다음으로 포트를 바꾼다. 양쪽을 자동 협상으로 맞춘다"
        })],
        verify: vec![format!("ip -s -s link show {name}"), format!("ethtool -S {name}")],
        ..Finding::new(severity(limits, errors, share), link::subject(device, direction), summary)
    };
    let finding = finding
        .evidence(format!("dev.{name}.{word}_errs"), (errors as f64, "packets"), "interface", "/proc/net/dev")
        .evidence(format!("dev.{name}.{word}_packets"), (packets as f64, "packets"), "interface", "/proc/net/dev");
    Some(columns.into_iter().fold(finding, |finding, column| match link::grown(window, device, column) {
        Some(count) => finding.evidence(column, (count as f64, "packets"), "interface", "/proc/net/dev"),
        None => finding,
    }))
}

fn cause(window: &Window, device: &Interface, direction: Direction) -> Message {
    let grew = |column| link::grown(window, device, column).unwrap_or(0) > 0;
    match direction {
        Direction::Rx if grew("rx_frame") => say! {
            en: "frames arrive damaged (CRC, length, alignment): cable, SFP, or a duplex mismatch",
            ko: "프레임이 손상되어 도착함(CRC·길이·정렬): 케이블, SFP, 또는 듀플렉스 불일치"
        },
        Direction::Rx if grew("rx_fifo") => say! {
            en: "the card's buffer overflows: the ring is too small or its CPU too busy",
            ko: "카드의 버퍼가 넘침: 링이 작거나 담당 CPU가 바쁨"
        },
        Direction::Tx if grew("tx_carrier") => say! {
            en: "the link is lost while packets are sent",
            ko: "전송 중에 링크가 끊김"
        },
        _ => say! {
            en: "the driver does not tell the kind here; its own statistics do",
            ko: "여기서는 종류를 알 수 없음: 드라이버 자체 통계에서 확인"
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::tests::host;
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two, levels};

    pub(super) fn example() -> Example {
        host(1_000).grew("dev.eth0.rx_errs", 20).grew("dev.eth0.rx_frame", 20).build()
    }

    #[test]
    fn ten_errors_over_a_thousandth_are_a_warning_over_a_hundredth_critical() {
        let with = |errors, packets| host(packets).grew("dev.eth0.rx_errs", errors).build().severity(&RULE);
        assert_eq!(with(0, 1_000), None);
        assert_eq!(with(1, 10), Some(Severity::Info));
        assert_eq!(with(9, 10), Some(Severity::Info));
        assert_eq!(with(10, 10_000), Some(Severity::Info));
        assert_eq!(with(10, 9_999), Some(Severity::Warning));
        assert_eq!(with(10, 1_000), Some(Severity::Warning));
        assert_eq!(with(10, 999), Some(Severity::Critical));
        let tx = host(100).grew("dev.eth0.tx_errs", 10).build().findings(&RULE);
        assert_eq!((tx[0].severity, tx[0].subject.direction.as_deref()), (Severity::Critical, Some("tx")));
    }

    #[test]
    fn the_kind_of_error_names_the_part() {
        let found = example().findings(&RULE);
        assert_eq!(found[0].subject.interface.as_deref(), Some("eth0"));
        assert!(found[0].cause.en.contains("duplex mismatch"));
    }

    #[test]
    fn what_another_device_of_this_name_counted_before_is_no_growth() {
        let mut replaced = example();
        replaced.first.interfaces.as_mut().unwrap()[0].ifindex = 1;
        assert!(replaced.is_undecided(&RULE));
    }

    #[test]
    fn without_counters_nothing_is_known() {
        assert!(Scene::new().build().is_undecided(&RULE));
    }

    #[test]
    fn any_share_for_ten_minutes_is_a_warning_and_a_hundredth_for_two_critical() {
        let errors = |by: u64, packets| host(packets).grew("dev.eth0.rx_errs", by).build();
        assert_eq!(last_two(&RULE, 60, |_| errors(1, 1_000)), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(last_two(&RULE, 60, |n| errors(u64::from(n < 2), 1_000)), [None; 2], "two are noise");
        assert_eq!(last_two(&RULE, 12, |_| errors(9, 100)), [Some(Severity::Info), Some(Severity::Critical)]);
        let fifo = |n: u64| {
            host(1_000).grew("dev.eth0.rx_errs", u64::from(n == 0)).grew("dev.eth0.rx_fifo", u64::from(n == 0))
        };
        assert_eq!(levels(&RULE, 60, |n| fifo(n).build()).pop(), Some(Some(Severity::Warning)));
    }
}
