//! `conntrack-full`: the connection tracking table is full, or soon will be.

use super::connecting::{RETRANS_FAIL, SYN_RETRANS};
use super::judge::{reason_of, said};
use super::{Ask, Hides, Limits, Page, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, Verdict, Why};
use crate::snapshot::{Absent, Owner, Question, Service};
use crate::window::Window;
use crate::words::Message;
use crate::{say, text};

const COUNT: Counter = Counter("conntrack.count");
const MAX: Counter = Counter("conntrack.max");
const DROP: Counter = Counter("conntrack.drop");
const EARLY_DROP: Counter = Counter("conntrack.early_drop");
const INSERT_FAILED: Counter = Counter("conntrack.insert_failed");
const INVALID: Counter = Counter("conntrack.invalid");

/// The rule.
pub static RULE: Rule = Rule {
    id: "conntrack-full",
    trouble: text! { en: "the connection tracking table is full", ko: "연결 추적(conntrack) 테이블이 가득 참" },
    page: Page {
        sees: text! {
            en: "nf_conntrack_count against nf_conntrack_max; Δdrop + Δearly_drop in /proc/net/stat/nf_conntrack, with \
                 ΔTcpExt.TCPRetransFail = ΔTCPSynRetrans beside it; Δinsert_failed and Δinvalid for information.",
            ko: "nf_conntrack_count와 nf_conntrack_max의 비율, /proc/net/stat/nf_conntrack의 Δdrop + Δearly_drop과 함께 나타나는 \
                 ΔTcpExt.TCPRetransFail = ΔTCPSynRetrans. Δinsert_failed와 Δinvalid는 참고용."
        },
        matters: text! {
            en: "New connections are dropped in this host before they leave it, or before a program sees them; old ones go on working.",
            ko: "새 연결은 이 호스트를 떠나기 전, 또는 프로그램에 닿기 전에 버려진다. 기존 연결은 계속 동작한다."
        },
        act: text! {
            en: "Raise nf_conntrack_max with its buckets, then find who makes so many connections.",
            ko: "nf_conntrack_max와 버킷 수를 늘린 뒤, 누가 그렇게 많은 연결을 만드는지 찾는다."
        },
        sources: "net/netfilter/nf_conntrack_core.c __nf_conntrack_alloc(); Documentation/networking/nf_conntrack-sysctl.rst; \
                  node-mixin NodeHighNumberConntrackEntriesUsed",
    },
    rank: 1,
    reads: &[],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "connect-unanswered", shared: Shared::Nothing },
        Hides { rule: "own-firewall-drop", shared: Shared::Nothing },
        Hides { rule: "slow-connect", shared: Shared::Nothing },
        Hides { rule: "half-open-suspect", shared: Shared::Nothing },
    ],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

/// Whether new connections are refused for want of room: so full, or something dropped in the window.
pub(super) fn is_full(window: &Window, limits: &Limits) -> bool {
    use_ratio(window).is_some_and(|ratio| ratio >= limits.conntrack_critical_ratio) || dropped(window) > 0
}

fn use_ratio(window: &Window) -> Option<f64> {
    let max = window.value(MAX).filter(|&max| max > 0)?;
    Some(window.value(COUNT)? as f64 / max as f64)
}

fn dropped(window: &Window) -> u64 {
    window.delta(DROP).unwrap_or(0) + window.delta(EARLY_DROP).unwrap_or(0)
}

/// Where the table is not loaded nothing is tracked, and that is healthy; where it may not be read nothing is known.
fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(ratio) = use_ratio(window) else { return without_table(window) };
    let mut questions = Vec::new();
    let severity = if is_full(window, limits) {
        Some(Severity::Critical)
    } else if ratio >= limits.conntrack_warning_ratio {
        Some(Severity::Warning)
    } else {
        None
    };
    let list = match severity {
        Some(severity) => vec![full(window, ratio, severity, &mut questions)],
        None => odd(window, limits).into_iter().collect(),
    };
    match said(window, limits, list, questions) {
        // How full it is needs one look only.
        Verdict::Undecided(_) => Verdict::Healthy(None),
        verdict => verdict,
    }
}

fn without_table(window: &Window) -> Verdict {
    let tables = &window.last().counters.tables;
    let absent = tables.iter().filter(|table| table.file.contains("nf_conntrack_"));
    let reasons: Vec<&Absent> = absent.filter_map(|table| table.absent.as_ref()).collect();
    match reasons.iter().find(|reason| ***reason != Absent::NotHere) {
        None if !reasons.is_empty() => {
            Verdict::Healthy(Some(say! { en: "connections are not tracked here", ko: "연결 추적을 쓰지 않음" }))
        }
        reason => Verdict::Undecided(Why { reason: reason_of(reason.unwrap_or(&&Absent::NotAsked)), needs: None }),
    }
}

/// The service with most connections, to ask for its process.
fn largest<'a>(window: &Window<'a>, questions: &mut Vec<Question>) -> Option<&'a Owner> {
    let services = &window.census()?.services;
    let service: &Service = services.iter().max_by_key(|service| service.states.total())?;
    window.owner(*service.inodes.first()?, service.uid).or_ask(questions)
}

fn full(window: &Window, ratio: f64, severity: Severity, questions: &mut Vec<Question>) -> Finding {
    let (count, max) = (window.value(COUNT).unwrap_or(0), window.value(MAX).unwrap_or(0));
    let percent = format!("{:.0}", ratio * 100.0);
    let owner = largest(window, questions);
    let subject = Subject {
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    };
    let summary = say! {
        en: "the connection tracking table is {percent} % full ({count} of {max})",
        ko: "연결 추적 테이블이 {percent} % 참({max}개 가운데 {count}개)",
        percent = percent, count = count, max = max
    };
    let refused = window.delta(RETRANS_FAIL).unwrap_or(0);
    let finding = Finding {
        size: ratio,
        explains: dropped(window) > 0 || refused > 0,
        cause: cause(dropped(window), refused),
        now: vec![Advice::from(say! {
            en: "who holds the entries: conntrack -L | awk '{{print $5}}' | sort | uniq -c | sort -rn | head",
            ko: "누가 항목을 차지하는지 확인: conntrack -L | awk '{{print $5}}' | sort | uniq -c | sort -rn | head"
        })],
        repair: vec![raise(max)],
        avoid: vec![say! {
            en: "flushing the table (conntrack -F) cuts connections that are translated (NAT)",
            ko: "테이블을 비우면(conntrack -F) NAT된 연결이 끊긴다"
        }],
        verify: vec!["conntrack -C; conntrack -S".into(), "dmesg | grep nf_conntrack".into()],
        ..Finding::new(severity, subject, summary)
    };
    let finding = finding
        .evidence(COUNT.0, (count as f64, "entries"), "netns", "/proc/sys/net/netfilter/nf_conntrack_count")
        .evidence(MAX.0, (max as f64, "entries"), "host", "/proc/sys/net/netfilter/nf_conntrack_max");
    counted(window, finding, &[DROP, EARLY_DROP, INSERT_FAILED, INVALID, RETRANS_FAIL, SYN_RETRANS])
}

fn counted(window: &Window, finding: Finding, counters: &[Counter]) -> Finding {
    counters.iter().fold(finding, |finding, counter| match window.delta(*counter) {
        Some(count) => finding.evidence(counter.0, (count as f64, "packets"), "netns", "/proc/net"),
        None => finding,
    })
}

fn raise(max: u64) -> Advice {
    let twice = max * 2;
    let act = say! {
        en: "sysctl -w net.netfilter.nf_conntrack_max={twice} (in the first namespace), and half as many buckets in \
             /sys/module/nf_conntrack/parameters/hashsize",
        ko: "(첫 네임스페이스에서) sysctl -w net.netfilter.nf_conntrack_max={twice}, 버킷은 그 절반으로 \
             /sys/module/nf_conntrack/parameters/hashsize에 설정",
        twice = twice
    };
    Advice::from(act)
        .effect(say! { en: "room for twice as many connections", ko: "두 배의 연결을 담음" })
        .side_effect(say! { en: "about 300 bytes of kernel memory an entry", ko: "항목당 커널 메모리 약 300바이트" })
        .undo(say! { en: "sysctl -w net.netfilter.nf_conntrack_max={max}", ko: "sysctl -w net.netfilter.nf_conntrack_max={max}", max = max })
}

fn cause(dropped: u64, refused: u64) -> Message {
    if dropped + refused > 0 {
        say! {
            en: "{dropped} new connections were dropped in the window and {refused} SYNs could not be sent again: this host itself throws \
                 them away",
            ko: "구간 안에 새 연결 {dropped}개가 버려지고 SYN {refused}개를 다시 보내지 못함: 이 호스트 자신이 버리고 있음",
            dropped = dropped, refused = refused
        }
    } else {
        say! {
            en: "nothing was dropped yet; at the limit every new connection will be",
            ko: "아직 버려진 것은 없지만, 한계에 이르면 새 연결이 모두 버려짐"
        }
    }
}

/// Clashes of tuples and packets that fit no connection: worth a line, no more.
fn odd(window: &Window, limits: &Limits) -> Option<Finding> {
    let failed = window.delta(INSERT_FAILED).unwrap_or(0);
    let invalid = window.per_second(INVALID).unwrap_or(0.0);
    if failed == 0 && invalid < limits.conntrack_invalid_info_per_second {
        return None;
    }
    let summary = say! {
        en: "connection tracking refused {failed} entries and saw {invalid} invalid packets a second",
        ko: "연결 추적이 항목 {failed}개를 거절하고 초당 {invalid}개의 invalid 패킷을 봄",
        failed = failed, invalid = format!("{invalid:.1}")
    };
    let finding = Finding {
        cause: say! {
            en: "insert_failed: two packets of one connection raced, or address translation has no free port; invalid: packets outside \
                 their connection's window, or of a connection that was forgotten",
            ko: "insert_failed: 한 연결의 두 패킷이 경쟁했거나 NAT에 남은 포트가 없음. invalid: 연결의 윈도우를 벗어났거나 잊힌 연결의 패킷"
        },
        verify: vec!["conntrack -S".into()],
        ..Finding::new(Severity::Info, Subject::default(), summary)
    };
    Some(counted(window, finding, &[INSERT_FAILED, INVALID]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::Table;

    fn scene(count: u64) -> Scene {
        Scene::new().gauge(COUNT.0, count).gauge(MAX.0, 1000)
    }

    pub(super) fn example() -> Example {
        scene(1000).grew(DROP.0, 12).build()
    }

    #[test]
    fn three_quarters_are_a_warning_and_a_twentieth_left_is_critical() {
        assert_eq!(scene(749).build().severity(&RULE), None);
        assert_eq!(scene(750).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(949).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(950).build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(scene(10).grew(EARLY_DROP.0, 1).build().severity(&RULE), Some(Severity::Critical));
    }

    #[test]
    fn it_explains_failed_connects_only_when_something_was_dropped() {
        assert!(!scene(960).build().findings(&RULE)[0].explains);
        assert!(scene(960).grew(RETRANS_FAIL.0, 1).build().findings(&RULE)[0].explains);
        assert!(example().findings(&RULE)[0].explains);
    }

    #[test]
    fn clashes_are_information() {
        assert_eq!(scene(10).grew(INSERT_FAILED.0, 1).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10).grew(INVALID.0, 9).build().severity(&RULE), None);
        assert_eq!(scene(10).grew(INVALID.0, 10).build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn not_loaded_is_healthy_and_unreadable_is_undecided() {
        let with = |absent: Absent| {
            let mut example = Scene::new().build();
            let file = "sys/net/netfilter/nf_conntrack_count";
            example.second.counters.tables.push(Table { file, absent: Some(absent), ..Table::default() });
            example
        };
        assert_eq!(with(Absent::NotHere).severity(&RULE), None);
        assert!(with(Absent::NotPermitted("root".into())).is_undecided(&RULE));
        assert!(Scene::new().build().is_undecided(&RULE));
    }
}
