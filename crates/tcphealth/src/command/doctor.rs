//! `tcphealth doctor`: what can be seen on this host, found out by trying; what is missing, and how to get it; what the recorder
//! does and costs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;

use serde_json::json;
use tcphealth_core::format::wrap;
use tcphealth_core::rules::reason_of;
use tcphealth_core::snapshot::{Absent, Answers, Question, Snapshot, State, Watch};
use tcphealth_core::text;
use tcphealth_core::wire::events::Kind;
use tcphealth_core::wire::sock_diag::{Family, INFO};
use tcphealth_core::words::{Message, Text};
use tcphealth_linux::{Events, Host, Pass, Request};

use crate::args::{DoctorArgs, TextOrJson};
use crate::speech::{self, Speech};
use crate::store;
use recorder::Recorder;

mod recorder;

/// Something that was tried.
struct Trial {
    what: Text,
    /// Why it cannot be seen; `None` when it can.
    why: Option<Message>,
    remedy: Text,
}

impl Trial {
    fn new<T>(what: Text, tried: Result<T, Absent>, remedy: Text) -> Self {
        Self { what, why: tried.err().as_ref().map(reason_of), remedy }
    }
}

const ROOT: Text = text! { en: "run as root", ko: "root로 실행" };
const PTRACE: Text = text! {
    en: "run with CAP_SYS_PTRACE, which root usually has", ko: "CAP_SYS_PTRACE 권한으로 실행. root에는 보통 있음"
};
const NET_RAW: Text = text! { en: "run as root, or with CAP_NET_RAW", ko: "root 또는 CAP_NET_RAW 권한으로 실행" };
const SYS_ADMIN: Text = text! { en: "run as root, or with CAP_SYS_ADMIN", ko: "root 또는 CAP_SYS_ADMIN 권한으로 실행" };
pub(crate) const WITH_BPF: Text = text! {
    en: "run as root, or with CAP_BPF and CAP_PERFMON, on Linux 6.1 or later with CONFIG_DEBUG_INFO_BTF",
    ko: "root 또는 CAP_BPF와 CAP_PERFMON 권한으로, CONFIG_DEBUG_INFO_BTF가 켜진 Linux 6.1 이상에서 실행"
};
const MODULE: Text =
    text! { en: "nothing: this host tracks no connections", ko: "필요 없음: 이 호스트는 연결 추적을 쓰지 않음" };

/// Tries everything once.
pub(crate) fn run(args: &DoctorArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let mut host = Host::live();
    let (snapshot, _) = host.look(Pass::First)?;
    let mut trials = read(&mut host, &snapshot);
    trials.extend(watched(&mut host)?);
    trials.push(other_namespaces());
    trials.push(walk());
    trials.push(one_pass());
    trials.push(events(snapshot.identity.netns));
    let recorder = Recorder::of(&args.from.clone().unwrap_or_else(store::default_dir))?;
    let text = match args.format {
        TextOrJson::Text => format!("{}\n{}", text(&snapshot, &trials, speech), recorder.text(speech)),
        TextOrJson::Json => json(&snapshot, &trials, &recorder, speech),
    };
    speech::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn read(host: &mut Host, snapshot: &Snapshot) -> Vec<Trial> {
    let table = |file: &str| {
        let found = snapshot.counters.tables.iter().find(|table| table.file == file);
        found.map_or(Err(Absent::NotHere), |table| table.absent.clone().map_or(Ok(()), Err))
    };
    let others = snapshot.identity.first_netns.ok_or_else(|| Absent::NotPermitted("CAP_SYS_PTRACE".to_owned()));
    let census = snapshot.census.as_ref().map(drop).map_err(Clone::clone);
    vec![
        Trial::new(
            text! { en: "counters of TCP (/proc/net/snmp)", ko: "TCP 카운터 (/proc/net/snmp)" },
            table("net/snmp"),
            ROOT,
        ),
        Trial::new(
            text! { en: "more counters of TCP (/proc/net/netstat)", ko: "TCP 확장 카운터 (/proc/net/netstat)" },
            table("net/netstat"),
            ROOT,
        ),
        Trial::new(text! { en: "all sockets", ko: "모든 소켓" }, census, ROOT),
        Trial::new(
            text! { en: "tcp_info of the sockets (sock_diag)", ko: "소켓의 tcp_info (sock_diag)" },
            tcp_info(host),
            text! { en: "a kernel with CONFIG_INET_DIAG", ko: "CONFIG_INET_DIAG가 켜진 커널" },
        ),
        Trial::new(
            text! { en: "interfaces (rtnetlink)", ko: "인터페이스 (rtnetlink)" },
            snapshot.interfaces.as_ref().map(drop).map_err(Clone::clone),
            ROOT,
        ),
        Trial::new(text! { en: "processes of other users", ko: "다른 사용자의 프로세스" }, others, PTRACE),
        Trial::new(
            text! { en: "connection tracking", ko: "연결 추적(conntrack)" },
            table("sys/net/netfilter/nf_conntrack_count"),
            MODULE,
        ),
    ]
}

/// Only a kernel that is asked by sock_diag describes its sockets; the text tables do not.
fn tcp_info(host: &mut Host) -> Result<(), Absent> {
    let (mut sockets, mut described) = (0, 0);
    let states = State::ALL.iter().fold(0, |mask, state| mask | state.bit()) & !State::TimeWait.bit();
    let request = Request { states, attributes: INFO, family: Family::Both, code: None };
    host.sockets(request, &mut |socket| {
        sockets += 1;
        described += u32::from(socket.info.is_some());
    })?;
    if sockets > 0 && described == 0 { Err(Absent::NotHere) } else { Ok(()) }
}

fn watched(host: &mut Host) -> anyhow::Result<Vec<Trial>> {
    let watches = [
        (Watch::Closed, text! { en: "sockets as they die", ko: "사라지는 소켓" }, ROOT),
        (Watch::Resets, text! { en: "resets and ICMP errors on the wire", ko: "회선의 RST와 ICMP 오류" }, NET_RAW),
    ];
    let mut answers = Answers::new();
    let listening = host.watch(&watches.iter().map(|(watch, ..)| *watch).collect::<BTreeSet<Watch>>());
    host.heard(listening, &mut answers)?;
    let mut tried = |watch| answers.remove(&Question::Watch(watch)).unwrap_or(Err(Absent::NotAsked));
    Ok(watches.into_iter().map(|(watch, what, remedy)| Trial::new(what, tried(watch), remedy)).collect())
}

/// Entering a namespace moves a thread for good, so another thread tries it with the namespace that it is in already.
fn other_namespaces() -> Trial {
    let own = std::process::id().to_string();
    let entered = std::thread::spawn(move || Host::live().in_netns(&own).map(drop)).join();
    let tried = match entered {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Absent::Failed(error.to_string())),
        Err(_) => Err(Absent::NotAsked),
    };
    Trial::new(
        text! { en: "other network namespaces (--netns)", ko: "다른 네트워크 네임스페이스 (--netns)" },
        tried,
        SYS_ADMIN,
    )
}

/// Without the program sock_diag is asked: nothing is lost but time.
fn walk() -> Trial {
    let pinned = tcphealth_linux::is_pinned();
    Trial::new(
        if pinned {
            text! { en: "many sockets in a tenth of the time (eBPF, pinned)", ko: "많은 소켓을 10분의 1 시간에 읽기 (eBPF, 고정됨)" }
        } else {
            text! { en: "many sockets in a tenth of the time (eBPF)", ko: "많은 소켓을 10분의 1 시간에 읽기 (eBPF)" }
        },
        tcphealth_linux::try_walk(),
        WITH_BPF,
    )
}

/// Without it each namespace is asked for itself: nothing is lost but time.
fn one_pass() -> Trial {
    Trial::new(
        text! {
            en: "all namespaces in one pass, tcp_info included (eBPF)",
            ko: "tcp_info를 포함해 모든 네임스페이스를 한 번에 읽기 (eBPF)"
        },
        tcphealth_linux::try_deep_walk(),
        WITH_BPF,
    )
}

/// Listens to the rarest of them for a moment.
fn events(netns: u64) -> Trial {
    Trial::new(
        text! { en: "events as they happen (trace)", ko: "일어나는 이벤트 (trace)" },
        Events::open(netns, &BTreeSet::from([Kind::RetransmitSynAck]), false),
        WITH_BPF,
    )
}

fn text(snapshot: &Snapshot, trials: &[Trial], speech: &Speech) -> String {
    let mut text = String::new();
    let identity = &snapshot.identity;
    let _ = writeln!(text, "{}, Linux {}, netns {}\n", identity.hostname, identity.kernel, identity.netns);
    for trial in trials {
        let word = match trial.why {
            None => text! { en: "  seen    ", ko: "  보임    " },
            Some(_) => text! { en: "  unseen  ", ko: "  안 보임 " },
        };
        let what = trial.what.get(speech.lang);
        let words = match &trial.why {
            None => what.to_owned(),
            Some(why) => format!("{what}: {} → {}", why.get(speech.lang), trial.remedy.get(speech.lang)),
        };
        for line in wrap(word.get(speech.lang), &words, speech.columns) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn json(snapshot: &Snapshot, trials: &[Trial], recorder: &Recorder, speech: &Speech) -> String {
    let (identity, lang) = (&snapshot.identity, speech.machine_lang);
    let trials: Vec<_> = trials
        .iter()
        .map(|trial| {
            let why = trial.why.as_ref().map(|why| why.get(lang));
            json!({ "what": trial.what.get(lang), "seen": why.is_none(), "why": why,
                    "remedy": why.map(|_| trial.remedy.get(lang)) })
        })
        .collect();
    let root = json!({ "schema": "tcphealth.doctor/1", "hostname": identity.hostname, "kernel": identity.kernel,
                       "netns": identity.netns, "first_netns": identity.first_netns, "sights": trials, "recorder": recorder.json() });
    format!("{root:#}\n")
}
