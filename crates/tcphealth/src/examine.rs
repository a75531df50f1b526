//! Two looks at a host with a window between them → a report. The rules run three times: on the first look alone, on the
//! window, and again with the answers to what they asked.

use std::collections::BTreeSet;
use std::time::Duration;

use tcphealth_core::path::Tracer;
use tcphealth_core::report::Report;
use tcphealth_core::rules::{ALL, History, Limits, judge, summary};
use tcphealth_core::snapshot::{Absent, Answers, Census, Marks, Question, Snapshot, Stamp, Watch};
use tcphealth_core::window::Window;
use tcphealth_linux::{Host, Pass, Watcher, boot_ns};

mod counters;

pub(crate) use counters::counters_only;

/// Questions of a round that are answered; the rest stays undecided.
const QUESTIONS_MAX: usize = 64;
/// Time for a round of answers.
pub(crate) const ANSWER_BUDGET: Duration = Duration::from_millis(500);
/// Rounds of questions: who, then what of them.
pub(crate) const ROUNDS: usize = 2;

/// How often it is seen whether there is something to listen to.
const PEEK_EVERY: Duration = Duration::from_secs(1);
const WATCHES: [Watch; 6] =
    [Watch::Closed, Watch::Resets, Watch::IcmpErrors, Watch::SynAcks, Watch::Listeners, Watch::Events];

/// What happens while a window passes.
pub(crate) trait Meanwhile {
    /// The first look, judged alone.
    fn first(&mut self, provisional: &Report);
    /// Waits for `time`, when the window still takes `left`.
    fn wait(&mut self, time: Duration, left: Duration);
    /// About once a second while paths are probed.
    fn probing(&mut self, _paths: &[&Tracer]) {}
}

/// Who looks at what, and by which limits.
pub(crate) struct Examiner<'a> {
    /// The host.
    pub(crate) host: &'a mut Host,
    /// The limits in force.
    pub(crate) limits: &'a Limits,
    /// The windows before.
    pub(crate) history: History,
    /// What else happens.
    pub(crate) meanwhile: &'a mut dyn Meanwhile,
}

impl Examiner<'_> {
    /// Looks, waits, looks again, and judges.
    pub(crate) fn once(&mut self, window: Duration) -> anyhow::Result<Report> {
        let (first, marks) = self.host.look(Pass::First)?;
        if self.host.is_live() {
            let provisional = self.report(&first, None, Answers::new())?;
            self.meanwhile.first(&provisional);
        }
        let ears = self.pass(&first, window)?;
        let (second, _) = self.host.look(Pass::Second(&marks))?;
        let heard = ears.stop(self.host)?;
        self.report(&first, Some(&second), heard)
    }

    /// What one look says of the time since boot.
    pub(crate) fn since_boot(&mut self) -> anyhow::Result<Report> {
        let (now, _) = self.host.look(Pass::First)?;
        Ok(self.report(&now.at_boot(), Some(&now), Answers::new())?.into_context())
    }

    /// The window that begins where another ended; also returns the look that ends it.
    pub(crate) fn next(
        &mut self,
        (before, marks): (Snapshot, Marks),
        window: Duration,
    ) -> anyhow::Result<(Report, (Snapshot, Marks))> {
        let ears = self.pass(&before, window)?;
        let now = self.host.look(Pass::Next(marks))?;
        let heard = ears.stop(self.host)?;
        Ok((self.report(&before, Some(&now.0), heard)?, now))
    }

    /// Lets the window pass, and listens from the moment on when a rule sees a reason to.
    fn pass(&mut self, first: &Snapshot, window: Duration) -> anyhow::Result<Ears> {
        let mut ears = Ears::default();
        if !self.host.is_live() {
            return Ok(ears);
        }
        if self.host.counts_events() {
            ears.listen(self.host, [Watch::Events, Watch::Listeners].into_iter());
        }
        let begin = Duration::from_nanos(first.at.begin_ns);
        pass(begin + window, self.meanwhile, &mut || ears.peek(self.host, first, self.limits))?;
        Ok(ears)
    }

    fn report(&mut self, first: &Snapshot, second: Option<&Snapshot>, answers: Answers) -> anyhow::Result<Report> {
        let (host, meanwhile) = (&mut *self.host, &mut *self.meanwhile);
        let mut ask = |asked: BTreeSet<Question>, answers: &mut Answers| {
            Ok(host.answer_watched(&asked, answers, ANSWER_BUDGET, &mut |paths| meanwhile.probing(paths))?)
        };
        settle((first, second), &mut self.history, (answers, self.limits), &mut ask)
    }
}

/// Finds answers and adds them.
pub(crate) type Find<'a> = dyn FnMut(BTreeSet<Question>, &mut Answers) -> anyhow::Result<()> + 'a;

/// Judges, answers what the rules ask, and judges again. The window joins those before it.
pub(crate) fn settle(
    (first, second): (&Snapshot, Option<&Snapshot>),
    history: &mut History,
    (answers, limits): (Answers, &Limits),
    find: &mut Find<'_>,
) -> anyhow::Result<Report> {
    let answers = answered((first, second), history, (answers, limits), find)?;
    conclude((first, second), history, &answers, limits)
}

/// What the rules ask about a window, answered, and what they ask then.
pub(crate) fn answered(
    (first, second): (&Snapshot, Option<&Snapshot>),
    history: &History,
    (mut answers, limits): (Answers, &Limits),
    find: &mut Find<'_>,
) -> anyhow::Result<Answers> {
    for _ in 0..ROUNDS {
        let asked = asked((first, second), history, &answers, limits)?;
        if asked.is_empty() {
            break;
        }
        find(asked, &mut answers)?;
    }
    Ok(answers)
}

/// What the rules ask and is not known yet.
pub(crate) fn asked(
    (first, second): (&Snapshot, Option<&Snapshot>),
    history: &History,
    answers: &Answers,
    limits: &Limits,
) -> anyhow::Result<BTreeSet<Question>> {
    let asked = judge(&window(first, second, answers)?, history, limits).asked();
    Ok(asked.into_iter().filter(|asked| !answers.contains_key(asked)).take(QUESTIONS_MAX).collect())
}

/// The verdict on what is known.
pub(crate) fn conclude(
    (first, second): (&Snapshot, Option<&Snapshot>),
    history: &mut History,
    answers: &Answers,
    limits: &Limits,
) -> anyhow::Result<Report> {
    let window = window(first, second, answers)?;
    let judgement = judge(&window, history, limits);
    history.add(&window, &judgement);
    Ok(summary(&window, judgement, limits))
}

/// Waits until `end`, on the boot clock, and calls `peek` each second before. A look takes its time, too: the next one begins
/// when the window ends, whose length is from begin to begin.
pub(crate) fn pass(
    end: Duration,
    meanwhile: &mut dyn Meanwhile,
    peek: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        let left = end.saturating_sub(Duration::from_nanos(boot_ns()));
        meanwhile.wait(left.min(PEEK_EVERY), left);
        if left <= PEEK_EVERY {
            return Ok(());
        }
        peek()?;
    }
}

/// What is listened to while a window passes.
#[derive(Default)]
pub(crate) struct Ears {
    watchers: Vec<Watcher>,
    started: BTreeSet<Watch>,
}

impl Ears {
    /// Whether anything is listened to.
    pub(crate) fn are_open(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// Reads the counters again, and begins to listen to what a rule sees a reason for in what they grew by.
    pub(crate) fn peek(&mut self, host: &mut Host, first: &Snapshot, limits: &Limits) -> anyhow::Result<()> {
        // Of the sockets, only the listeners matter now.
        let listeners = |census: &Census| Census { listeners: census.listeners.clone(), ..Census::default() };
        let now = Snapshot {
            identity: first.identity.clone(),
            at: Stamp { begin_ns: boot_ns(), ..first.at },
            counters: host.counters(),
            sysctls: first.sysctls.clone(),
            interfaces: first.interfaces.clone(),
            census: first.census.as_ref().map(listeners).map_err(Clone::clone),
        };
        let answers = Answers::new();
        let so_far = Window::between(first, &now, &answers)?;
        self.listen(host, ALL.iter().flat_map(|rule| (rule.watches)(&so_far, limits)));
        Ok(())
    }

    /// Begins to listen to what is wanted and not listened to yet.
    fn listen(&mut self, host: &Host, wanted: impl Iterator<Item = Watch>) {
        let new: BTreeSet<Watch> = wanted.filter(|watch| !self.started.contains(watch)).collect();
        if !new.is_empty() {
            self.watchers.push(host.watch(&new));
            self.started.extend(new);
        }
    }

    /// What was heard. A frozen host is asked for everything, and has what was listened to when it was live.
    pub(crate) fn stop(mut self, host: &mut Host) -> anyhow::Result<Answers> {
        let mut answers = Answers::new();
        if !host.is_live() {
            self.watchers.push(host.watch(&WATCHES.into()));
        }
        for watcher in self.watchers {
            host.heard(watcher, &mut answers)?;
        }
        answers.retain(|_, answer| *answer != Err(Absent::NotAsked));
        Ok(answers)
    }
}

fn window<'a>(first: &'a Snapshot, second: Option<&'a Snapshot>, answers: &'a Answers) -> anyhow::Result<Window<'a>> {
    Ok(match second {
        Some(second) => Window::between(first, second, answers)?,
        None => Window::instant(first, answers),
    })
}
