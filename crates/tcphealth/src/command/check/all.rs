//! `check --netns all`: a look at every network namespace of the host, one window for all, and a second look at each.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use tcphealth_core::format::Format;
use tcphealth_core::report::{Place, Report, Survey, Unseen};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::snapshot::{Answers, Marks, Snapshot};
use tcphealth_core::wire::sock_diag::ALL_STATES;
use tcphealth_core::{say, text};
use tcphealth_linux::{Brief, Host, Namespace, Namespaces, Pass, Walker, boot_ns};

use super::WINDOW;
use crate::args::CheckArgs;
use crate::config;
use crate::examine::{self, ANSWER_BUDGET, Ears, Meanwhile, settle};
use crate::progress::Progress;
use crate::speech::{self, Complaint, Speech};

/// What stands behind `--netns`.
pub(super) const NAME: &str = "all";

/// Time for the answers that the rules ask for, in all namespaces together.
const ANSWERS_BUDGET: Duration = Duration::from_secs(1);
/// Namespaces that are listened to at once: each has a thread and a buffer in the kernel.
const HEARD_MAX: usize = 64;
/// Namespaces without a way in that are named.
const NAMED_MAX: usize = 5;

/// Prints all reports; the verdict on the worst is the exit status.
pub(super) fn run(args: &CheckArgs, format: Format, speech: &Speech) -> anyhow::Result<ExitCode> {
    let alone = args.path.is_some() || args.save.is_some() || args.redact || args.since_boot || args.every.is_some();
    if alone || format == Format::OpenMetrics {
        let words = say! {
            en: "--netns all goes with --window, --timeout, and --format text, json or nagios only",
            ko: "--netns all은 --window, --timeout, --format text·json·nagios와만 함께 쓴다"
        };
        return Err(Complaint(words).into());
    }
    let limits = config::limits()?;
    let mut progress = Progress::new(speech);
    let survey = survey(args.look.window.unwrap_or(WINDOW), &limits, &mut progress);
    progress.clear();
    let survey = survey?;
    speech::print(&format.print_all(&survey, &speech.style(format)).unwrap_or_default())?;
    Ok(ExitCode::from(survey.word().status()))
}

fn survey(window: Duration, limits: &Limits, meanwhile: &mut dyn Meanwhile) -> anyhow::Result<Survey> {
    let found = Namespaces::find();
    let mut unseen: Vec<Unseen> = without_a_way_in(&found).into_iter().collect();
    let begin = Duration::from_nanos(boot_ns());
    let (mut looked, mut closed) = (Vec::new(), 0);
    let walker = Walker::default();
    for namespace in found.open {
        match Looked::first(namespace, walker.clone())? {
            Some(place) => looked.push(place),
            None => closed += 1,
        }
    }
    unseen.extend(not_permitted(closed, found.refused));
    unseen.extend(too_many(found.left_out));
    examine::pass(begin + window, meanwhile, &mut || listen(&mut looked, limits))?;
    let seen: Vec<Seen> = looked.into_iter().map(|place| place.second(window)).collect::<anyhow::Result<_>>()?;
    let deadline = Instant::now() + ANSWERS_BUDGET;
    let places = seen.into_iter().map(|seen| seen.judged(limits, deadline)).collect::<anyhow::Result<_>>()?;
    Ok(Survey::new(places, unseen))
}

/// A namespace after the first look at it.
struct Looked {
    namespace: Namespace,
    host: Host,
    first: Snapshot,
    marks: Marks,
    ears: Ears,
}

impl Looked {
    /// `None` when it may not be entered.
    fn first(namespace: Namespace, walker: Walker) -> anyhow::Result<Option<Self>> {
        if !enter(&namespace) {
            return Ok(None);
        }
        let mut host = Host::within(&namespace).walking(walker);
        let (first, marks) = host.look(Pass::First)?;
        host.rest();
        Ok(Some(Self { namespace, host, first, marks, ears: Ears::default() }))
    }

    /// Not before its own window has ended: the first looks may have taken longer.
    fn second(mut self, window: Duration) -> anyhow::Result<Seen> {
        let end = Duration::from_nanos(self.first.at.begin_ns) + window;
        thread::sleep(end.saturating_sub(Duration::from_nanos(boot_ns())));
        enter(&self.namespace);
        let (second, _) = self.host.look(Pass::Second(&self.marks))?;
        let heard = self.ears.stop(&mut self.host)?;
        self.host.rest();
        Ok(Seen { namespace: self.namespace, host: self.host, first: self.first, second, heard })
    }
}

/// A namespace after both looks.
struct Seen {
    namespace: Namespace,
    host: Host,
    first: Snapshot,
    second: Snapshot,
    heard: Answers,
}

impl Seen {
    fn judged(mut self, limits: &Limits, deadline: Instant) -> anyhow::Result<Place> {
        enter(&self.namespace);
        let report = self.report(limits, deadline)?;
        Ok(Place { name: self.namespace.name, kind: self.namespace.kind, report })
    }

    fn report(&mut self, limits: &Limits, deadline: Instant) -> anyhow::Result<Report> {
        let (host, heard) = (&mut self.host, std::mem::take(&mut self.heard));
        let mut find = |asked, answers: &mut Answers| {
            let left = deadline.saturating_duration_since(Instant::now());
            Ok(host.answer(&asked, answers, left.min(ANSWER_BUDGET))?)
        };
        let looks = (&self.first, Some(&self.second));
        let (report, _) = settle(looks, &mut History::default(), (heard, limits), &mut find)?;
        Ok(report)
    }
}

/// Whether we are there now. Ours is never left when no other may be entered.
fn enter(namespace: &Namespace) -> bool {
    namespace.enter().is_ok() || namespace.is_own
}

fn listen(looked: &mut [Looked], limits: &Limits) -> anyhow::Result<()> {
    let mut heard = looked.iter().filter(|place| place.ears.are_open()).count();
    for place in looked {
        if place.ears.are_open() || heard < HEARD_MAX {
            enter(&place.namespace);
            let were_open = place.ears.are_open();
            place.ears.peek(&mut place.host, &place.first, limits)?;
            place.host.rest();
            heard += usize::from(place.ears.are_open() && !were_open);
        }
    }
    Ok(())
}

/// Namespaces that the kernel's tables show sockets of, and that neither a process nor a mount leads to.
fn without_a_way_in(found: &Namespaces) -> Option<Unseen> {
    let count = |counts: &mut BTreeMap<u64, u64>, _: &_, netns| *counts.entry(netns).or_default() += 1;
    let want = Brief::of(ALL_STATES);
    let (mut counts, _) = Host::live().everywhere(&[], want, &mut { count }).ok()?;
    counts.retain(|netns, _| found.left_out == 0 && found.open.iter().all(|one| one.inode != *netns));
    let sockets: u64 = counts.values().sum();
    let mut largest: Vec<(u64, u64)> = counts.iter().map(|(netns, sockets)| (*sockets, *netns)).collect();
    largest.sort_unstable_by(|a, b| b.cmp(a));
    let names: Vec<String> = largest.iter().take(NAMED_MAX).map(|(_, netns)| format!("net:[{netns}]")).collect();
    (sockets > 0).then(|| Unseen {
        what: say! {
            en: "{count} network namespace(s) with {sockets} socket(s), such as {names}",
            ko: "네트워크 네임스페이스 {count}개의 소켓 {sockets}개({names} 등)",
            count = counts.len(), sockets = sockets, names = names.join(", ")
        },
        why: text! {
            en: "only a thread or a descriptor keeps them, so that nothing leads there",
            ko: "스레드나 디스크립터만 붙들고 있어 들어갈 길이 없음"
        }
        .into(),
        remedy: text! {
            en: "run tcphealth in the program that keeps it", ko: "붙들고 있는 프로그램 안에서 tcphealth를 실행한다"
        }
        .into(),
    })
}

/// An ordinary user cannot even know how many there are.
fn not_permitted(closed: usize, refused: usize) -> Option<Unseen> {
    let why = match (closed, refused) {
        (0, 0) => return None,
        (0, _) => say! {
            en: "those of {refused} process(es) may not be seen", ko: "프로세스 {refused}개의 것은 볼 수 없음",
            refused = refused
        },
        _ => say! {
            en: "{closed} may not be entered, and those of {refused} process(es) not be seen",
            ko: "{closed}개는 들어갈 수 없고 프로세스 {refused}개의 것은 볼 수도 없음",
            closed = closed, refused = refused
        },
    };
    Some(Unseen {
        what: text! { en: "other network namespaces", ko: "다른 네트워크 네임스페이스" }.into(),
        why,
        remedy: text! {
            en: "run as root, or with CAP_SYS_ADMIN and CAP_SYS_PTRACE",
            ko: "root 또는 CAP_SYS_ADMIN과 CAP_SYS_PTRACE 권한으로 실행"
        }
        .into(),
    })
}

fn too_many(left_out: usize) -> Option<Unseen> {
    (left_out > 0).then(|| Unseen {
        what: say! {
            en: "{count} more network namespaces", ko: "그 밖의 네트워크 네임스페이스 {count}개", count = left_out
        },
        why: text! { en: "so many are not opened at once", ko: "이만큼 한꺼번에 열지 않음" }.into(),
        remedy: text! { en: "look at one by --netns NAME", ko: "--netns 이름으로 하나씩 본다" }.into(),
    })
}
