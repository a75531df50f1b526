//! What the judgement of a path says to people.

use super::{Blame, Hop, Kind, Path, probes_to_see};
use crate::words::{Message, Text};
use crate::{say, text};

/// A loss worth claiming: four times what is usual over distance.
const WORTH_SEEING: f64 = 0.02;

/// A time in minutes and seconds, rounded up: "2 min 38 s".
pub fn span(us: u64) -> String {
    let seconds = us.div_ceil(1_000_000);
    match (seconds / 60, seconds % 60) {
        (0, s) => format!("{s} s"),
        (m, s) => format!("{m} min {s} s"),
    }
}

/// What a loss of this share costs to see.
pub(super) fn cost(path: &Path, share: f64) -> Message {
    let probes = probes_to_see(share);
    let time = span(u64::from(probes) * path.plan.interval_us);
    say! {
        en: "{percent} % needs {probes} probes a hop: {time}.",
        ko: "{percent} %를 가려내려면 홉마다 탐침 {probes}개가 필요하다: {time}.",
        percent = percent(share), probes = probes, time = time,
    }
}

/// Why the target did not reply.
pub(super) fn unreached(path: &Path) -> Message {
    if path.refusal.is_some_and(|refusal| refusal.by == path.plan.source) {
        return text! {
            en: "This host cannot send: the first hop does not answer on the link (ARP, neighbour discovery).",
            ko: "이 호스트가 보내지 못한다: 첫 홉이 링크에서 응답하지 않는다(ARP, neighbour discovery).",
        }
        .into();
    }
    if let Some(refusal) = path.refusal {
        return say! {
            en: "{by} (hop {ttl}) refuses to forward the probes: ICMP unreachable, code {code}.",
            ko: "{by}(홉 {ttl}): 탐침 전달을 거부한다, ICMP unreachable 코드 {code}.",
            by = refusal.by, ttl = refusal.ttl, code = refusal.code,
        };
    }
    let hops = path.hops();
    match hops.iter().rev().find_map(Hop::address) {
        Some(last) => say! {
            en: "The target does not reply on this port and nothing behind {last} does: a filter or a dead host. \
                 Try the port of a running service, or --icmp.",
            ko: "대상이 이 포트에서 응답하지 않고 {last} 뒤로는 응답이 없다: 필터이거나 죽은 호스트다. \
                 동작 중인 서비스의 포트나 --icmp로 다시 시도한다.",
            last = last,
        },
        None => text! {
            en: "Nothing replied at all: no route, or a firewall on this host drops what comes back.",
            ko: "아무 응답도 없다: 경로가 없거나 이 호스트의 방화벽이 응답을 버린다.",
        }
        .into(),
    }
}

/// Why nothing is blamed, how sure that is, and what it would take to be surer.
pub(super) fn clean(path: &Path) -> Vec<Message> {
    let hops = path.hops();
    let Some(end) = hops.last() else { return Vec::new() };
    let upper = end.loss_interval().map_or(1.0, |(_, high)| high);
    let mut why = vec![say! {
        en: "{lost} of {sent} probes to the target were lost: at most {upper} % with 95 % confidence.",
        ko: "대상까지의 탐침 {sent}개 중 {lost}개 손실: 95 % 신뢰도로 {upper} % 이하.",
        lost = end.lost, sent = end.sent, upper = percent(upper),
    }];
    why.extend(limiters(&hops, end));
    if upper > WORTH_SEEING {
        why.push(cost(path, WORTH_SEEING));
    }
    why
}

/// The hops whose loss the target does not share.
fn limiters(hops: &[Hop], end: &Hop) -> Option<Message> {
    let target_low = end.loss_interval()?.1;
    let alone =
        |hop: &&Hop| !hop.silent() && hop.loss_interval().is_some_and(|(low, _)| low > target_low) && hop.ttl < end.ttl;
    let names: Vec<String> = hops.iter().filter(alone).filter_map(|hop| Some(hop.address()?.to_string())).collect();
    (!names.is_empty()).then(|| {
        say! {
            en: "What {names} did not answer is a limit on ICMP replies, not loss: the target does not share it.",
            ko: "{names}의 무응답은 손실이 아니라 ICMP 응답 제한이다: 대상에는 나타나지 않는다.",
            names = names.join(", "),
        }
    })
}

/// Why this segment.
pub(super) fn blamed(path: &Path, blame: &Blame, more: f64) -> Vec<Message> {
    let (from, to, share, sure) = (blame.from, blame.to, percent(blame.loss), percent(blame.confidence));
    let mut why = vec![match blame.kind {
        Kind::Loss => say! {
            en: "All hops behind {from} lose, from {to} on to the target: {share} %; none before does ({sure} % sure). \
                 There and back: on which way, only the sockets' DSACKs tell (reverse-loss).",
            ko: "{from} 뒤의 모든 홉이 {to}부터 대상까지 {share} %를 잃고, 그 앞은 잃지 않는다(확신 {sure} %). \
                 왕복 기준이며, 어느 방향인지는 소켓의 DSACK만이 알려 준다(reverse-loss).",
            from = from, to = to, share = share, sure = sure,
        },
        Kind::Delay => say! {
            en: "Replies come late from {to} on to the target: {share} % of them; from {from} and before they do not \
                 ({sure} % sure). A queue stands on this segment.",
            ko: "{to}부터 대상까지 응답의 {share} %가 늦고, {from}까지는 늦지 않다(확신 {sure} %). \
                 이 구간에 큐가 쌓여 있다.",
            from = from, to = to, share = share, sure = sure,
        },
    }];
    why.extend((blame.to == path.plan.target).then(|| only_the_end().into()));
    why.extend((blame.segments > 1).then(|| need(path, blame.segments, more)));
    why
}

/// What no hop shares may be the last segment's, or not the network's at all.
fn only_the_end() -> Text {
    text! {
        en: "Only the target shows it: the last segment, the target itself, or its own way back.",
        ko: "대상에서만 나타난다: 마지막 구간이거나, 대상 자신이거나, 대상이 돌려보내는 경로다.",
    }
}

/// Why no segment can be told from the others.
pub(super) fn undecided(path: &Path, blame: &Blame, more: f64) -> Vec<Message> {
    let why = say! {
        en: "No segment can be blamed, because so few probes cannot tell them apart: the target loses {share} %.",
        ko: "어느 구간도 지목할 수 없다. 탐침이 너무 적어 구간을 구별하지 못한다: 대상 손실 {share} %.",
        share = percent(blame.loss),
    };
    vec![why, need(path, blame.segments, more)]
}

/// How many rounds are missing.
fn need(path: &Path, segments: usize, more: f64) -> Message {
    let rounds = (f64::from(path.rounds.max(1)) * (more - 1.0)).ceil().max(1.0) as u64;
    say! {
        en: "{segments} segments are still possible; about {rounds} more rounds would decide ({time}).",
        ko: "아직 가능한 구간이 {segments}개다. 약 {rounds}회 더 탐침하면 가려진다({time}).",
        segments = segments, rounds = rounds, time = span(rounds * path.plan.interval_us),
    }
}

/// The hops that never replied although later ones did.
pub(super) fn silent_hops(path: &Path) -> Option<Message> {
    let hops = path.hops();
    let silent: Vec<String> =
        hops.iter().filter(|hop| hop.silent() && hop.sent > 0).map(|hop| hop.ttl.to_string()).collect();
    (!silent.is_empty()).then(|| {
        say! {
            en: "Silent, and skipped: hop {ttls}.",
            ko: "응답이 없어 건너뛴 홉: {ttls}.",
            ttls = silent.join(", "),
        }
    })
}

/// The hops that replied, but whose names this kernel keeps to itself.
pub(super) fn hidden_hops(path: &Path) -> Option<Message> {
    let hops = path.hops();
    let hidden = hops.iter().filter(|hop| !hop.silent() && hop.address().is_none());
    let hidden: Vec<String> = hidden.map(|hop| hop.ttl.to_string()).collect();
    (!hidden.is_empty()).then(|| {
        say! {
            en: "This kernel does not say who replied (it does from Linux 5.8 on, or with --udp): hop {ttls}.",
            ko: "이 커널은 누가 응답했는지 알려 주지 않는다(Linux 5.8부터, 또는 --udp로 가능): 홉 {ttls}.",
            ttls = hidden.join(", "),
        }
    })
}

/// That the route changed on the way.
pub(super) fn route_changes(path: &Path) -> Option<Message> {
    (path.route_changes > 0).then(|| {
        say! {
            en: "The route changed {n} times while it was probed; only what came after the last change counts.",
            ko: "탐침 도중 경로가 {n}번 바뀌었다. 마지막 변경 이후의 결과만 계산했다.",
            n = path.route_changes,
        }
    })
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1}") } else { format!("{percent:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_percent_takes_two_minutes_and_a_half() {
        assert_eq!(probes_to_see(0.02), 150);
        assert_eq!(span(150 * 1_050_000), "2 min 38 s");
        assert_eq!(span(40 * 1_050_000), "42 s");
    }
}
