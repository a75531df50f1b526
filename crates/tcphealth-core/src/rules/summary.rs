//! What the rules said, together with what could not be seen and a few numbers worth a glance → the report.

use super::judge::reason_of;
use super::wording::percent;
use super::{Class, Judgement, Limits, class_of};
use crate::catalog::Counter;
use crate::report::{Figure, Report, Severity, Unseen, Word};
use crate::snapshot::{Absent, Fact, Line, Question, State, Watch};
use crate::window::Window;
use crate::words::{Message, Text};
use crate::{say, text};

/// The report on a judged window.
pub fn summary(window: &Window, judgement: Judgement, limits: &Limits) -> Report {
    let (word, findings, checks) = judgement.combine();
    let quiet = findings.iter().all(|finding| finding.severity < Severity::Warning);
    Report {
        identity: window.last().identity.clone(),
        begin: window.first().at,
        end: window.last().at,
        seconds: window.seconds(),
        word: if quiet && is_blind(window) { Word::Unknown } else { word },
        findings,
        checks,
        unseen: unseen(window),
        since_boot: false,
        limits_changed: limits.changed(),
        figures: figures(window),
    }
}

const RETRANSMITTED: Counter = Counter("Tcp.RetransSegs");
const ACTIVE_OPENS: Counter = Counter("Tcp.ActiveOpens");
const PASSIVE_OPENS: Counter = Counter("Tcp.PassiveOpens");

/// Without the counters of TCP, or without the sockets, silence proves nothing.
fn is_blind(window: &Window) -> bool {
    window.value(RETRANSMITTED).is_none() || window.census().is_none()
}

fn figures(window: &Window) -> Vec<Figure> {
    let mut all = lines(window);
    let opens = [
        ("active_opens_per_second", ACTIVE_OPENS, text! { en: "connects out", ko: "나가는 연결" }),
        ("passive_opens_per_second", PASSIVE_OPENS, text! { en: "connects in", ko: "들어온 연결" }),
    ];
    all.extend(opens.map(|(name, counter, label)| {
        let value = window.per_second(counter);
        let shown = value.map(|rate| say! { en: "{rate}/s", ko: "초당 {rate}", rate = format!("{rate:.1}") });
        Figure { name, label: label.into(), value, unit: "connections per second", shown }
    }));
    all.extend(states(window));
    all
}

fn states(window: &Window) -> Vec<Figure> {
    let states = [
        ("sockets_established", State::Established),
        ("sockets_time_wait", State::TimeWait),
        ("sockets_close_wait", State::CloseWait),
        ("sockets_syn_sent", State::SynSent),
        ("sockets_syn_recv", State::SynRecv),
    ];
    let count = |state| window.census().map(|census| census.states.get(state));
    let words: Vec<String> = State::ALL
        .iter()
        .filter_map(|state| Some((state, count(*state).filter(|count| *count > 0)?)))
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    let mut shown = (!words.is_empty()).then(|| Message::same(words.join("  ")));
    let figure = |(name, state)| {
        let label = text! { en: "sockets", ko: "소켓" }.into();
        Figure { name, label, value: count(state).map(f64::from), unit: "sockets", shown: shown.take() }
    };
    states.into_iter().map(figure).collect()
}

/// What was lost toward near and far peers, over the sockets followed through the window.
fn lines(window: &Window) -> Vec<Figure> {
    let Some(census) = window.census().filter(|census| census.joined) else { return Vec::new() };
    let (mut near, mut far) = (Line::default(), Line::default());
    for peer in &census.peers {
        let super::Known::Yes(classed) = class_of(window, peer) else { continue };
        let sum = match classed.class {
            Class::Loopback => continue,
            Class::Remote => &mut far,
            Class::Local | Class::Site => &mut near,
        };
        sum.data_segs += peer.line.data_segs;
        sum.lost += peer.line.lost;
    }
    let near_label = text! { en: "retransmission, local", ko: "재전송, 근거리" };
    let far_label = text! { en: "retransmission, remote", ko: "재전송, 원거리" };
    let near = line(["retransmit_local_ratio", "lost_local_segments", "data_local_segments"], near, near_label);
    let far = line(["retransmit_remote_ratio", "lost_remote_segments", "data_remote_segments"], far, far_label);
    near.into_iter().chain(far).collect()
}

fn line([ratio, lost, sent]: [&'static str; 3], line: Line, label: Text) -> [Figure; 3] {
    let value = (line.data_segs > 0).then(|| line.lost as f64 / line.data_segs as f64);
    let shown = value.map(|value| {
        say! {
            en: "{k} of {n} data segments ({percent})", ko: "데이터 세그먼트 {n}개 중 {k}개 ({percent})",
            k = line.lost, n = line.data_segs, percent = percent(value)
        }
    });
    let part = |name, count: u64| Figure {
        name,
        label: label.into(),
        value: Some(count as f64),
        unit: "segments",
        shown: None,
    };
    let share = Figure { name: ratio, label: label.into(), value, unit: "ratio", shown };
    [share, part(lost, line.lost), part(sent, line.data_segs)]
}

fn unseen(window: &Window) -> Vec<Unseen> {
    let mut all = tables(window);
    all.extend(owners(window).or_else(|| others(window)));
    all.extend(watches(window));
    all.extend(bounds(window));
    all
}

const TABLES: [&str; 2] = ["net/snmp", "net/netstat"];

fn tables(window: &Window) -> Vec<Unseen> {
    let remedy = say! { en: "mount /proc, or run as root", ko: "/proc을 마운트하거나 root로 실행" };
    let mut all = Vec::new();
    if let Err(absent) = &window.last().census {
        let what = say! { en: "the sockets", ko: "소켓 목록" };
        all.push(Unseen { what, why: reason_of(absent), remedy: remedy.clone() });
    }
    for table in &window.last().counters.tables {
        let Some(absent) = &table.absent else { continue };
        // A table that this host simply does not have hides nothing, unless every kernel has it.
        if *absent != Absent::NotHere || TABLES.contains(&table.file) {
            let what = Message::same(format!("/proc/{}", table.file));
            all.push(Unseen { what, why: reason_of(absent), remedy: remedy.clone() });
        }
    }
    all
}

/// Who may not look into process 1 may not look into any process of another user.
fn others(window: &Window) -> Option<Unseen> {
    window.last().identity.first_netns.is_none().then(|| Unseen {
        what: say! { en: "processes of other users", ko: "다른 사용자의 프로세스" },
        why: say! { en: "not permitted: CAP_SYS_PTRACE", ko: "권한 없음: CAP_SYS_PTRACE" },
        remedy: say! {
            en: "run with CAP_SYS_PTRACE, and with CAP_NET_RAW for packets on the wire; root usually has both",
            ko: "CAP_SYS_PTRACE 권한으로, 회선의 패킷까지 보려면 CAP_NET_RAW 권한으로 실행. root에는 보통 둘 다 있음"
        },
    })
}

/// Sockets whose process nobody could name.
fn owners(window: &Window) -> Option<Unseen> {
    let answers = window.answers().iter().filter(|(question, _)| matches!(question, Question::Owner { .. }));
    let hidden = answers.filter(|(_, answer)| matches!(answer, Err(_) | Ok(Fact::Owner(None))));
    let absents: Vec<Option<&Absent>> = hidden.map(|(_, answer)| answer.as_ref().err()).collect();
    let first = absents.iter().flatten().next();
    let why = first.map_or_else(
        || say! { en: "no process here has them", ko: "여기 있는 프로세스 중에는 없음" },
        |absent| reason_of(absent),
    );
    (!absents.is_empty()).then(|| Unseen {
        what: say! { en: "the process behind {count} socket(s)", ko: "소켓 {count}개의 프로세스", count = absents.len() },
        why,
        remedy: to_find_owners(first.copied()).into(),
    })
}

/// What would name the processes behind sockets, by why they could not be found.
fn to_find_owners(absent: Option<&Absent>) -> Text {
    match absent {
        Some(Absent::NotPermitted(_)) => text! {
            en: "run with CAP_SYS_PTRACE, which root usually has", ko: "CAP_SYS_PTRACE 권한으로 실행. root에는 보통 있음"
        },
        Some(Absent::CutShort(_)) => text! {
            en: "run as root, or with CAP_BPF and CAP_PERFMON: then the kernel is asked for all at once",
            ko: "root 또는 CAP_BPF와 CAP_PERFMON 권한으로 실행. 그러면 커널에 한꺼번에 묻는다"
        },
        Some(_) => text! {
            en: "run it where that process was started: a sandbox or security module hides it here even from CAP_SYS_PTRACE",
            ko: "그 프로세스를 시작한 곳에서 실행. 여기서는 CAP_SYS_PTRACE가 있어도 샌드박스나 보안 모듈이 막음"
        },
        None => text! {
            en: "run it outside this container, if it is one; the kernel's own sockets have no process",
            ko: "컨테이너라면 그 밖에서 실행. 커널 자신의 소켓에는 프로세스가 없음"
        },
    }
}

fn watches(window: &Window) -> Vec<Unseen> {
    let mut all = Vec::new();
    for (question, answer) in window.answers() {
        let Question::Watch(watch) = question else { continue };
        match answer {
            Err(absent) if *watch == Watch::Events => all.push(Unseen {
                what: watched(*watch).into(),
                why: reason_of(absent),
                remedy: say! {
                    en: "run as root, or with CAP_BPF and CAP_PERFMON, on Linux 6.1 or later with CONFIG_DEBUG_INFO_BTF",
                    ko: "CONFIG_DEBUG_INFO_BTF가 켜진 Linux 6.1 이상에서 root 또는 CAP_BPF와 CAP_PERFMON 권한으로 실행"
                },
            }),
            Ok(Fact::Tally(tally)) if !tally.is_whole() => all.push(Unseen {
                what: watched(*watch).into(),
                why: say! {
                    en: "{unnamed} have no process or peer, of {forgotten} connections the begin, {missed} were not counted: too many at once",
                    ko: "한꺼번에 너무 많아 {unnamed}개는 프로세스나 상대를, 연결 {forgotten}개는 시작을 모르며 {missed}개는 세지 못함",
                    unnamed = tally.unnamed, forgotten = tally.forgotten, missed = tally.missed
                },
                remedy: say! { en: "take a shorter window", ko: "관찰 구간을 줄인다" },
            }),
            Err(absent) => all.push(Unseen {
                what: watched(*watch).into(),
                why: reason_of(absent),
                remedy: say! { en: "run as root, or with CAP_NET_RAW", ko: "root 또는 CAP_NET_RAW 권한으로 실행" },
            }),
            Ok(Fact::Heard(heard)) if heard.left_out > 0 || heard.overruns > 0 => all.push(Unseen {
                what: watched(*watch).into(),
                why: say! {
                    en: "{left_out} were too many to keep, {overruns} times the kernel dropped some",
                    ko: "{left_out}개는 너무 많아 버렸고, 커널이 {overruns}번 일부를 버림",
                    left_out = heard.left_out, overruns = heard.overruns
                },
                remedy: say! { en: "take a shorter window", ko: "관찰 구간을 줄인다" },
            }),
            Ok(_) => {}
        }
    }
    all
}

fn watched(watch: Watch) -> Text {
    match watch {
        Watch::Closed => text! { en: "sockets as they die", ko: "사라지는 소켓" },
        Watch::Resets => text! { en: "resets on the wire", ko: "회선의 RST" },
        Watch::IcmpErrors => text! { en: "ICMP errors on the wire", ko: "회선의 ICMP 오류" },
        Watch::SynAcks => text! { en: "SYN-ACKs on the wire", ko: "회선의 SYN-ACK" },
        Watch::Events => {
            text! { en: "who opens, closes and fails to connect (events)", ko: "연결을 열고 닫고 실패하는 프로세스(이벤트)" }
        }
        Watch::Listeners => text! { en: "accept queues between two looks", ko: "두 관찰 사이의 accept 큐" },
    }
}

fn bounds(window: &Window) -> Vec<Unseen> {
    let Some(census) = window.census() else { return Vec::new() };
    let mut all = Vec::new();
    if !census.left_out.is_none() {
        let left = &census.left_out;
        let count = left.sockets + left.services + left.peers + left.listeners + left.sources;
        all.push(Unseen {
            what: say! { en: "{count} sockets in detail", ko: "소켓 {count}개의 세부 정보", count = count },
            why: say! { en: "tables are bounded; the sums hold all of them", ko: "표의 크기가 정해져 있음. 합계에는 모두 포함됨" },
            remedy: say! { en: "tcphealth sockets lists every one", ko: "tcphealth sockets로 모두 볼 수 있음" },
        });
    }
    if census.interrupted {
        all.push(Unseen {
            what: say! { en: "sockets that moved while they were read", ko: "읽는 동안 바뀐 소켓" },
            why: say! { en: "the kernel's table changed during the dump", ko: "덤프 중에 커널의 표가 바뀜" },
            remedy: say! { en: "look again", ko: "다시 실행한다" },
        });
    }
    all
}
