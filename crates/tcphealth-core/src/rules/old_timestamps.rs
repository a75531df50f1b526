//! `old-timestamps`: segments are dropped because their timestamps run backwards (PAWS).

use super::{Limits, Page, Read, Rule, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const ESTABLISHED: Counter = Counter("TcpExt.PAWSEstab");
const ACTIVE: Counter = Counter("TcpExt.PAWSActive");
/// Not in every kernel.
const OTHERS: [Counter; 2] = [Counter("TcpExt.PAWSTimewait"), Counter("TcpExt.TSEcrRejected")];
const RECYCLE: &str = "net.ipv4.tcp_tw_recycle";

/// The rule.
pub static RULE: Rule = Rule {
    id: "old-timestamps",
    trouble: text! { en: "segments dropped for old timestamps (PAWS)", ko: "타임스탬프가 오래되어 세그먼트를 버림(PAWS)" },
    page: Page {
        sees: text! {
            en: "ΔPAWSEstab + PAWSActive (+ PAWSTimewait, TSEcrRejected): any is worth a line, ten and more than one a second a warning. \
                 tcp_tw_recycle set on a kernel that still has it is critical whatever the counters say.",
            ko: "ΔPAWSEstab + PAWSActive(+ PAWSTimewait, TSEcrRejected): 하나라도 있으면 알리고, 10 이상이며 초당 1을 넘으면 경고. 아직 \
                 tcp_tw_recycle이 있는 커널에서 켜져 있으면 카운터와 무관하게 위험."
        },
        matters: text! {
            en: "A stray duplicate is what PAWS is for; a steady number are good segments of hosts that share an address: their connections hang.",
            ko: "떠도는 중복 세그먼트를 막는 것이 PAWS의 일이다. 꾸준히 나온다면 한 주소를 나눠 쓰는 호스트들의 정상 세그먼트이고, 그 연결이 멈춘다."
        },
        act: text! {
            en: "Find the NAT or load balancer that merges hosts with different clocks.",
            ko: "시계가 다른 호스트들을 한 주소로 합치는 NAT나 로드 밸런서를 찾는다."
        },
        sources: "RFC 7323 §5; RFC 1337; net/ipv4/tcp_input.c tcp_paws_discard()",
    },
    rank: 99,
    reads: &[Read::Counter(ESTABLISHED), Read::Counter(ACTIVE), Read::Window],
    asks: &[],
    hides: &[],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let recycles = window.last().sysctl_number(RECYCLE).is_some_and(|value| value != 0);
    let counters = [ESTABLISHED, ACTIVE].into_iter().chain(OTHERS);
    let dropped: Vec<_> = counters.filter_map(|counter| Some((counter, window.delta(counter)?))).collect();
    let total: u64 = dropped.iter().map(|(_, count)| count).sum();
    let per_second = total as f64 / window.seconds();
    let steady =
        total as f64 >= limits.old_timestamps_warning_count && per_second > limits.old_timestamps_warning_per_second;
    let severity = match (recycles, steady, total) {
        (true, ..) => Severity::Critical,
        (_, true, _) => Severity::Warning,
        (_, _, 0) => return Verdict::Healthy(None),
        _ => Severity::Info,
    };
    let finding = finding(severity, total, per_second, recycles);
    let scope = "netns, window";
    let finding =
        finding.evidence("dropped for old timestamps", (per_second, "per second"), scope, "/proc/net/netstat");
    Verdict::Findings(vec![dropped.into_iter().fold(finding, |finding, (counter, count)| {
        finding.evidence(counter.0, (count as f64, "segments"), scope, "/proc/net/netstat")
    })])
}

fn finding(severity: Severity, total: u64, per_second: f64, recycles: bool) -> Finding {
    let summary = say! {
        en: "{total} segments dropped for old timestamps (PAWS), {rate} a second",
        ko: "타임스탬프가 오래되어 버린 세그먼트 {total}개(PAWS), 초당 {rate}개",
        total = total, rate = format!("{per_second:.1}")
    };
    let subject = Subject { kind: SubjectKind::Netns, ..Subject::default() };
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = 0.8;
    finding.size = per_second;
    finding.cause = cause(recycles);
    finding.now = if recycles {
        vec![
            Advice::from(say! { en: "sysctl -w {key}=0", ko: "sysctl -w {key}=0", key = RECYCLE })
                .effect(say! { en: "clients behind one NAT can connect again", ko: "한 NAT 뒤의 클라이언트들이 다시 연결됨" })
                .side_effect(say! { en: "TIME_WAIT lives its 60 s again", ko: "TIME_WAIT가 다시 60초를 채움" }),
        ]
    } else {
        vec![Advice::from(say! {
            en: "name the peer: perf trace -e skb:kfree_skb, reason TCP_RFC7323_PAWS",
            ko: "상대 확인: perf trace -e skb:kfree_skb, 사유 TCP_RFC7323_PAWS"
        })]
    };
    finding.repair = vec![Advice::from(say! {
        en: "give the hosts behind the NAT or load balancer addresses or ports of their own, or let it rewrite timestamps",
        ko: "NAT·로드 밸런서 뒤 호스트에 주소나 포트를 따로 주거나, 장비가 타임스탬프를 다시 쓰게 한다"
    })];
    finding.avoid = vec![say! {
        en: "never turn tcp_tw_recycle on: it drops the SYNs of clients behind a NAT without a word (gone since Linux 4.12)",
        ko: "tcp_tw_recycle을 켜지 않는다: NAT 뒤 클라이언트의 SYN을 말없이 버린다(Linux 4.12에서 제거됨)"
    }];
    finding.verify = vec!["nstat -z 'TcpExtPAWS*' TcpExtTSEcrRejected".into()];
    finding
}

fn cause(recycles: bool) -> Message {
    if recycles {
        say! {
            en: "tcp_tw_recycle is on: SYNs of clients that share an address behind a NAT are dropped whenever their clocks differ",
            ko: "tcp_tw_recycle이 켜져 있음: NAT로 주소를 나눠 쓰는 클라이언트의 시계가 다르면 SYN을 버림"
        }
    } else {
        say! {
            en: "hosts with different clocks share one address (NAT, load balancer), or old packets are replayed",
            ko: "시계가 다른 호스트들이 한 주소를 나눠 쓰거나(NAT, 로드 밸런서) 옛 패킷이 다시 들어옴"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};

    fn dropped(established: u64, active: u64) -> Scene {
        Scene::new().grew(ESTABLISHED.0, established).grew(ACTIVE.0, active)
    }

    pub(super) fn example() -> Example {
        dropped(270, 0).build()
    }

    #[test]
    fn ten_and_more_than_one_a_second_are_a_warning() {
        let severity = |count| dropped(count, 0).build().severity(&RULE);
        assert_eq!(
            [0, 1, 10, 11].map(severity),
            [None, Some(Severity::Info), Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(
            [9, 10].map(|count| dropped(count, 0).lasting(5).build().severity(&RULE)),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(dropped(6, 5).grew("TcpExt.PAWSTimewait", 0).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn recycling_is_critical_whatever_the_counters_say() {
        assert_eq!(dropped(0, 0).sysctl(RECYCLE, "1").build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(dropped(0, 0).sysctl(RECYCLE, "0").build().severity(&RULE), None);
    }

    #[test]
    fn a_tenth_a_second_for_ten_minutes_is_a_warning() {
        assert_eq!(
            last_two(&RULE, 10, |_| dropped(7, 0).lasting(60).build()),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        // 0.1 a second is not more than 0.1 a second.
        assert_eq!(last_two(&RULE, 10, |_| dropped(6, 0).lasting(60).build()), [Some(Severity::Info); 2]);
    }
}
