//! `check --netns all`: a look at every network namespace of the host, one window for all, and a second look at each.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tcphealth_core::format::Format;
use tcphealth_core::report::{Place, Report, Survey, Unseen};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::snapshot::{Answers, Marks, Snapshot};
use tcphealth_core::wire::sock_diag::ALL_STATES;
use tcphealth_core::{say, text};
use tcphealth_linux::{Brief, Host, Hosts, Member, Namespace, Namespaces, Pass, boot_ns};

use super::WINDOW;
use crate::args::CheckArgs;
use crate::config;
use crate::examine::{self, Ears, Meanwhile, ROUNDS};
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
    let alone = alone || args.events.is_some();
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
    let unseen: Vec<Unseen> = without_a_way_in(&found).into_iter().chain(too_many(found.left_out)).collect();
    let begin = Duration::from_nanos(boot_ns());
    let (mut hosts, closed) = Hosts::within(found.open);
    let unseen: Vec<Unseen> = unseen.into_iter().chain(not_permitted(closed, found.refused)).collect();
    let first_pass = vec![Pass::First; hosts.members().len()];
    let firsts = hosts.look(&first_pass, Duration::ZERO)?;
    let mut ears: Vec<Ears> = firsts.iter().map(|_| Ears::default()).collect();
    examine::pass(begin + window, meanwhile, &mut || listen(&mut hosts, &firsts, &mut ears, limits))?;
    let second_pass: Vec<Pass<'_>> = firsts.iter().map(|(_, marks)| Pass::Second(marks)).collect();
    let seconds = hosts.look(&second_pass, window)?;
    let answers = heard(&mut hosts, ears)?;
    let looks = firsts.iter().zip(&seconds).map(|((first, _), (second, _))| (first, Some(second))).collect();
    let places = Cases { looks, answers }.judged(&mut hosts, limits)?;
    Ok(Survey::new(places, unseen))
}

/// Two looks at each namespace, and what is known of each beside.
struct Cases<'a> {
    looks: Vec<(&'a Snapshot, Option<&'a Snapshot>)>,
    answers: Vec<Answers>,
}

impl Cases<'_> {
    /// As [`examine::settle`] does it, but the questions of all are answered together.
    fn judged(mut self, hosts: &mut Hosts, limits: &Limits) -> anyhow::Result<Vec<Place>> {
        let deadline = Instant::now() + ANSWERS_BUDGET;
        for _ in 0..ROUNDS {
            let asked = self.each(|looks, answers| examine::asked(looks, &History::default(), answers, limits))?;
            if asked.iter().all(BTreeSet::is_empty) {
                break;
            }
            hosts.answer(&asked, &mut self.answers, deadline.saturating_duration_since(Instant::now()))?;
        }
        let reports = self.each(|looks, answers| examine::conclude(looks, &mut History::default(), answers, limits))?;
        let place = |(member, report): (&mut Member, Report)| {
            let Namespace { name, kind, .. } = &member.namespace;
            Place { name: name.clone(), kind, report }
        };
        Ok(hosts.members().iter_mut().zip(reports).map(place).collect())
    }

    fn each<T>(
        &self,
        work: impl Fn((&Snapshot, Option<&Snapshot>), &Answers) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        self.looks.iter().zip(&self.answers).map(|(looks, answers)| work(*looks, answers)).collect()
    }
}

fn listen(hosts: &mut Hosts, firsts: &[(Snapshot, Marks)], ears: &mut [Ears], limits: &Limits) -> anyhow::Result<()> {
    let mut open = ears.iter().filter(|ears| ears.are_open()).count();
    for ((member, (first, _)), ears) in hosts.members().iter_mut().zip(firsts).zip(ears) {
        if ears.are_open() || open < HEARD_MAX {
            member.enter();
            let were_open = ears.are_open();
            ears.peek(&mut member.host, first, limits)?;
            member.host.rest();
            open += usize::from(ears.are_open() && !were_open);
        }
    }
    Ok(())
}

fn heard(hosts: &mut Hosts, ears: Vec<Ears>) -> anyhow::Result<Vec<Answers>> {
    hosts.members().iter_mut().zip(ears).map(|(member, ears)| ears.stop(&mut member.host)).collect()
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
