//! `check --netns all`: a look at every network namespace of the host, one window for all, and a second look at each.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tcphealth_core::format::Format;
use tcphealth_core::report::{Place, Report, Survey, Unseen};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Answers, Marks, Question, Snapshot};
use tcphealth_linux::{Hosts, Member, Namespaces, Pass, Redaction};

use super::WINDOW;
use crate::args::CheckArgs;
use crate::config;
use crate::examine::{self, Ears, Meanwhile, ROUNDS};
use crate::progress::Progress;
use crate::speech::{self, Complaint, Speech};

mod every;
mod saved;
mod unseen;

pub(crate) use saved::is_one as is_saved;
pub(super) use saved::run as run_saved;

/// What stands behind `--netns`.
pub(super) const NAME: &str = "all";

/// Time for the answers that the rules ask for, in all namespaces together.
const ANSWERS_BUDGET: Duration = Duration::from_secs(1);
/// Namespaces that are listened to at once: each has a thread and a buffer in the kernel.
const HEARD_MAX: usize = 64;

/// Prints all reports; the verdict on the worst is the exit status.
pub(super) fn run(args: &CheckArgs, format: Format, speech: &Speech) -> anyhow::Result<ExitCode> {
    if args.path.is_some() || args.events.is_some() {
        let words = say! {
            en: "--path and --events are for one namespace: --netns NAME instead of --netns all",
            ko: "--path와 --events는 한 네임스페이스에 쓴다. --netns all 대신 --netns 이름"
        };
        return Err(Complaint(words).into());
    }
    let limits = config::limits()?;
    let mut all = All::find(&limits);
    if let Some(directory) = args.save.as_deref() {
        all = all.saving(directory, args.redact)?;
    }
    if let Some(window) = args.every {
        return every::run(all, (window, args.count), format, speech);
    }
    let mut progress = Progress::new(speech);
    let survey =
        if args.since_boot { all.since_boot() } else { all.once(args.look.window.unwrap_or(WINDOW), &mut progress) };
    progress.clear();
    let survey = survey?;
    if let Some(directory) = args.save.as_deref() {
        saved::write(directory, &mut all.hosts, &survey.unseen, args.redact)?;
    }
    print(&survey, format, speech)
}

fn print(survey: &Survey, format: Format, speech: &Speech) -> anyhow::Result<ExitCode> {
    speech::print(&format.print_all(survey, &speech.style(format)))?;
    Ok(ExitCode::from(survey.word().status()))
}

/// A look at each namespace, with its marks.
type Looks = Vec<(Snapshot, Marks)>;

/// The namespaces of this host, as they were found at the begin.
struct All<'a> {
    hosts: Hosts,
    unseen: Vec<Unseen>,
    histories: Vec<History>,
    limits: &'a Limits,
}

impl<'a> All<'a> {
    fn find(limits: &'a Limits) -> Self {
        let found = Namespaces::find();
        let mut unseen = unseen::of(&found);
        let (mut hosts, closed) = Hosts::within(found.open);
        unseen.extend(unseen::not_permitted(closed, found.refused));
        let histories = hosts.members().iter().map(|_| History::default()).collect();
        Self { hosts, unseen, histories, limits }
    }

    fn saving(mut self, directory: &Path, redact: bool) -> anyhow::Result<Self> {
        saved::refuse_a_second(directory)?;
        let redaction = redact.then(Redaction::default);
        self.hosts = self.hosts.saving(directory, redaction.as_ref())?;
        Ok(self)
    }

    fn first(&mut self) -> anyhow::Result<Looks> {
        let passes = self.hosts.members().iter().map(|_| Pass::First).collect();
        Ok(self.hosts.look(passes, Duration::ZERO)?)
    }

    fn once(&mut self, window: Duration, meanwhile: &mut dyn Meanwhile) -> anyhow::Result<Survey> {
        let (firsts, marks): (Vec<_>, Vec<_>) = self.first()?.into_iter().unzip();
        Ok(self.window(&firsts, marks.iter().map(Pass::Second).collect(), window, meanwhile)?.0)
    }

    /// The window that begins where another ended; also returns the looks that end it.
    fn next(
        &mut self,
        before: Looks,
        window: Duration,
        meanwhile: &mut dyn Meanwhile,
    ) -> anyhow::Result<(Survey, Looks)> {
        let (firsts, marks): (Vec<_>, Vec<_>) = before.into_iter().unzip();
        self.window(&firsts, marks.into_iter().map(Pass::Next).collect(), window, meanwhile)
    }

    fn window(
        &mut self,
        firsts: &[Snapshot],
        passes: Vec<Pass<'_>>,
        window: Duration,
        meanwhile: &mut dyn Meanwhile,
    ) -> anyhow::Result<(Survey, Looks)> {
        let begin = firsts.first().map_or(0, |look| look.at.begin_ns);
        let mut ears: Vec<Ears> = firsts.iter().map(|_| Ears::default()).collect();
        let end = Duration::from_nanos(begin) + window;
        examine::pass(end, meanwhile, &mut || self.listen(firsts, &mut ears))?;
        let seconds = self.hosts.look(passes, window)?;
        let heard = self.hosts.members().iter_mut().zip(ears).map(|(member, ears)| ears.stop(&mut member.host));
        let answers = heard.collect::<anyhow::Result<Vec<Answers>>>()?;
        let looks = firsts.iter().zip(&seconds).map(|(first, (second, _))| (first, second)).collect();
        let reports = self.judged(&Cases { looks, limits: self.limits }, answers)?;
        Ok((self.survey(reports), seconds))
    }

    fn since_boot(&mut self) -> anyhow::Result<Survey> {
        let looks = self.first()?;
        let boots: Vec<Snapshot> = looks.iter().map(|(now, _)| now.at_boot()).collect();
        let answers = boots.iter().map(|_| Answers::new()).collect();
        let looks = boots.iter().zip(&looks).map(|(boot, (now, _))| (boot, now)).collect();
        let reports = self.judged(&Cases { looks, limits: self.limits }, answers)?;
        Ok(self.survey(reports.into_iter().map(Report::into_context).collect()))
    }

    fn listen(&mut self, firsts: &[Snapshot], ears: &mut [Ears]) -> anyhow::Result<()> {
        let mut open = ears.iter().filter(|ears| ears.are_open()).count();
        for ((member, first), ears) in self.hosts.members().iter_mut().zip(firsts).zip(ears) {
            if ears.are_open() || open < HEARD_MAX {
                member.enter();
                let were_open = ears.are_open();
                ears.peek(&mut member.host, first, self.limits)?;
                member.host.rest();
                open += usize::from(ears.are_open() && !were_open);
            }
        }
        Ok(())
    }

    /// As [`examine::settle`] does it, but the questions of all are answered together.
    fn judged(&mut self, cases: &Cases<'_>, mut answers: Vec<Answers>) -> anyhow::Result<Vec<Report>> {
        let deadline = Instant::now() + ANSWERS_BUDGET;
        for _ in 0..ROUNDS {
            let asked = cases.asked(&self.histories, &answers)?;
            if asked.iter().all(BTreeSet::is_empty) {
                break;
            }
            self.hosts.answer(&asked, &mut answers, deadline.saturating_duration_since(Instant::now()))?;
        }
        cases.concluded(&mut self.histories, &answers)
    }

    fn survey(&mut self, reports: Vec<Report>) -> Survey {
        let refused = self.hosts.walk_refused().map(unseen::not_in_one_pass);
        let place = |(Member { namespace, .. }, report): (&mut Member, Report)| Place {
            name: namespace.name.clone(),
            kind: namespace.kind.to_owned(),
            report,
        };
        let places = self.hosts.members().iter_mut().zip(reports).map(place).collect();
        Survey::new(places, self.unseen.iter().cloned().chain(refused).collect())
    }
}

/// Two looks at each namespace.
struct Cases<'a> {
    looks: Vec<(&'a Snapshot, &'a Snapshot)>,
    limits: &'a Limits,
}

impl Cases<'_> {
    fn asked(&self, histories: &[History], answers: &[Answers]) -> anyhow::Result<Vec<BTreeSet<Question>>> {
        let cases = self.looks.iter().zip(histories).zip(answers);
        let asked = cases.map(|(((first, second), history), answers)| {
            examine::asked((first, Some(second)), history, answers, self.limits)
        });
        asked.collect()
    }

    fn concluded(&self, histories: &mut [History], answers: &[Answers]) -> anyhow::Result<Vec<Report>> {
        let cases = self.looks.iter().zip(histories).zip(answers);
        let reports = cases.map(|(((first, second), history), answers)| {
            examine::conclude((first, Some(second)), history, answers, self.limits)
        });
        reports.collect()
    }
}
