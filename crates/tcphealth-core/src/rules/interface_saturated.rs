//! `interface-saturated`: an interface is at its line rate.

use super::interface_drops::with_host_queues;
use super::judge::said;
use super::link::{self, Direction, Harm};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::Interface;
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "interface-saturated",
    trouble: text! { en: "an interface is at its line rate", ko: "인터페이스가 회선 속도에 이름" },
    page: Page {
        sees: text! {
            en: "Δrx_bytes and Δtx_bytes of /proc/net/dev against the speed (%ifutil of sar), each direction of its own when full duplex. \
                 The speed of a virtual device is a placeholder, believed only when it drops or holds back.",
            ko: "/proc/net/dev의 Δrx_bytes, Δtx_bytes를 속도와 비교한다(sar의 %ifutil). 전이중이면 방향별로 본다. 가상 장치의 속도는 형식적인 \
                 값이므로 폐기나 밀림이 있을 때만 믿는다."
        },
        matters: text! {
            en: "A full line delays everybody on it and drops; TCP sees longer round trips and loss.",
            ko: "회선이 가득 차면 모두가 느려지고 패킷이 버려진다. TCP에는 긴 왕복 시간과 손실로 보인다."
        },
        act: text! {
            en: "See who sends so much; shape it, move it, or get a faster line.",
            ko: "누가 그렇게 많이 보내는지 찾아 셰이핑하거나 옮기거나 회선을 늘린다."
        },
        sources: "sar(1) %ifutil; Documentation/ABI/testing/sysfs-class-net speed; netdata net.conf",
    },
    rank: 2,
    reads: &[Read::Interfaces, Read::Window],
    asks: &[Ask::Route],
    hides: &[
        Hides { rule: "interface-drops", shared: Shared::Interface },
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
    let devices = link::devices(window, &["rx_bytes", "tx_bytes"]);
    if devices.is_empty() {
        return link::uncounted();
    }
    for device in devices {
        let used = used(window, device).filter(|(_, used)| *used >= limits.interface_saturated_info_ratio);
        if let Some((direction, used)) = used.filter(|_| believed(window, device)) {
            let harm = link::harm(window, limits, device, &mut questions);
            list.push(finding(window, limits, device, (direction, used, harm)));
        }
    }
    said(window, limits, list, questions)
}

/// The busier direction and what share of the speed it used; the sum of both where they share the line.
fn used(window: &Window, device: &Interface) -> Option<(Direction, f64)> {
    let speed = f64::from(device.speed_mbit_per_second.filter(|&speed| speed > 0)?) * 1e6;
    let share = |direction| {
        let bytes = link::grown_in(window, device, direction, "bytes")?;
        Some(bytes as f64 * 8.0 / window.seconds() / speed)
    };
    let (rx, tx) = (share(Direction::Rx)?, share(Direction::Tx)?);
    let (direction, most) = if rx > tx { (Direction::Rx, rx) } else { (Direction::Tx, tx) };
    Some((direction, if device.duplex.as_deref() == Some("half") { rx + tx } else { most }))
}

/// A device of a kind (`tun`, `veth`, …) has a speed that nobody measured.
fn believed(window: &Window, device: &Interface) -> bool {
    device.kind.is_none() || link::dropped_out(window, device) > 0 || held_back(window, device)
}

/// Packets that the driver refused and the queueing discipline kept.
fn held_back(window: &Window, device: &Interface) -> bool {
    let prefix = format!("qdisc.{}.", device.name);
    let mut names = window.last().counters.iter().map(|(name, _)| name).filter(|name| name.starts_with(&prefix));
    names.any(|name| name.ends_with(".requeues") && window.delta_named(name).is_some_and(|count| count > 0))
}

fn severity(limits: &Limits, used: f64, hurts: bool) -> Severity {
    if used >= limits.interface_saturated_critical_ratio && hurts {
        Severity::Critical
    } else if used >= limits.interface_saturated_warning_ratio {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn finding(
    window: &Window,
    limits: &Limits,
    device: &Interface,
    (direction, used, harm): (Direction, f64, Harm),
) -> Finding {
    let dropped = link::dropped_out(window, device);
    let severity = severity(limits, used, dropped > 0 || harm.queued);
    let (name, word, percent) = (&device.name, direction.word(), format!("{:.1}", used * 100.0));
    let speed = device.speed_mbit_per_second.unwrap_or(0);
    let summary = say! {
        en: "{name} is {percent} % busy ({word}, {speed} Mbit/s)",
        ko: "{name} 사용률 {percent} %({word}, {speed} Mbit/s)",
        name = name, percent = percent, word = word, speed = speed
    };
    let finding = Finding {
        size: used,
        explains: link::explains(window, dropped, harm),
        cause: say! {
            en: "the line itself is the bottleneck: {dropped} packets were dropped here on their way out, and what waits in its queue \
                 lengthens every round trip",
            ko: "회선 자체가 병목임: 나가는 패킷 {dropped}개가 여기서 버려졌고, 큐에서 기다리는 만큼 왕복 시간이 길어짐",
            dropped = dropped
        },
        now: vec![Advice::from(say! {
            en: "who uses it: ss -tinO (bytes_sent, delivery_rate), or iftop -i {name}",
            ko: "누가 쓰는지 확인: ss -tinO(bytes_sent, delivery_rate) 또는 iftop -i {name}",
            name = name
        })],
        repair: vec![
            Advice::from(say! {
                en: "shape the bulk a little below {speed} Mbit/s with cake or fq_codel on {name}, fewer parallel flows, or a faster line",
                ko: "{name}에서 cake나 fq_codel로 대용량 전송을 {speed} Mbit/s보다 조금 낮게 셰이핑하거나, 병렬 흐름을 줄이거나, 회선을 늘린다",
                speed = speed, name = name
            })
            .effect(say! { en: "the queue forms where it is managed, and small flows stay fast", ko: "관리되는 곳에 큐가 생겨 작은 흐름이 빨라짐" })
            .side_effect(say! { en: "bulk transfers get a little slower", ko: "대용량 전송은 조금 느려짐" })
            .undo(say! { en: "tc qdisc del dev {name} root", ko: "tc qdisc del dev {name} root", name = name }),
        ],
        verify: vec![format!("sar -n DEV 5 (%ifutil of {name})"), format!("tc -s qdisc show dev {name}")],
        ..Finding::new(severity, link::subject(device, direction), summary)
    };
    let finding = finding
        .evidence("%ifutil", (used * 100.0, "percent"), "interface, window", "/proc/net/dev, /sys/class/net/*/speed")
        .evidence("dropped on the way out", (dropped as f64, "packets"), "interface", "tx_drop + qdisc drops");
    with_host_queues(window, finding)
}

#[cfg(test)]
mod tests {
    use super::super::interface_drops;
    use super::super::link::tests::{host, lossy};
    use super::*;
    use crate::report::Word;
    use crate::rules::testing::{Example, Scene};
    use crate::rules::{History, Limits, judge};

    /// So many per mille of 100 Mbit/s for ten seconds.
    fn busy(per_mille: u64) -> Scene {
        host(90_000).grew("dev.eth0.tx_bytes", 125_000 * per_mille)
    }

    pub(super) fn example() -> Example {
        busy(990).grew("dev.eth0.tx_drop", 300).build()
    }

    #[test]
    fn the_levels_stand_at_85_90_and_95_percent() {
        assert_eq!(busy(849).build().severity(&RULE), None);
        assert_eq!(busy(850).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(busy(899).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(busy(900).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(busy(990).build().severity(&RULE), Some(Severity::Warning));
        let dropping = |per_mille| busy(per_mille).grew("dev.eth0.tx_drop", 1).build().severity(&RULE);
        assert_eq!([dropping(949), dropping(950)], [Some(Severity::Warning), Some(Severity::Critical)]);
    }

    #[test]
    fn each_direction_is_its_own_unless_they_share_the_line() {
        let both = || busy(500).grew("dev.eth0.rx_bytes", 125_000 * 500);
        assert_eq!(both().build().severity(&RULE), None);
        let mut half = both().build();
        half.second.interfaces.as_mut().unwrap()[0].duplex = Some("half".into());
        assert_eq!(half.severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn the_speed_of_a_virtual_device_is_believed_only_when_it_holds_back() {
        let of_kind = |scene: Scene| {
            let mut example = scene.build();
            example.second.interfaces.as_mut().unwrap()[0].kind = Some("tun".into());
            example.severity(&RULE)
        };
        assert_eq!(of_kind(busy(990)), None);
        assert_eq!(of_kind(busy(990).grew("qdisc.eth0.pfifo_fast.requeues", 3)), Some(Severity::Warning));
        assert_eq!(of_kind(busy(990).grew("dev.eth0.tx_drop", 3)), Some(Severity::Critical));
    }

    #[test]
    fn its_drops_and_the_losses_behind_it_are_its_consequences() {
        let example = lossy(busy(990).grew("dev.eth0.tx_drop", 400)).build();
        assert_eq!(example.severity(&interface_drops::RULE), Some(Severity::Warning));
        let (word, findings, _) = judge(&example.window(), &History::default(), &Limits::default()).combine();
        let above: Vec<_> = findings.iter().filter(|found| found.severity > Severity::Info).collect();
        let rules: Vec<_> = above.iter().map(|found| found.rule.as_str()).collect();
        assert_eq!((word, rules), (Word::Critical, vec![RULE.id]));
    }
}
