//! Two looks at a host with a window between them → a report. The rules run three times: on the first look alone, on the
//! window, and again with the answers to what they asked.

use std::collections::BTreeSet;
use std::time::Duration;

use tcphealth_core::report::Report;
use tcphealth_core::rules::{Limits, judge, summary};
use tcphealth_core::snapshot::{Answers, Marks, Question, Snapshot};
use tcphealth_core::window::Window;
use tcphealth_linux::{Host, Pass};

/// Questions of a round that are answered; the rest stays undecided.
const QUESTIONS_MAX: usize = 64;
/// Time for a round of answers.
const ANSWER_BUDGET: Duration = Duration::from_millis(500);
/// Rounds of questions: who, then what of them.
const ROUNDS: usize = 2;

/// What happens while a window passes.
pub(crate) trait Meanwhile {
    /// The first look, judged alone.
    fn first(&mut self, provisional: &Report);
    /// Waits until the window is over.
    fn wait(&mut self, rest: Duration);
}

/// Looks, waits, looks again, and judges.
pub(crate) fn examine(
    host: &mut Host,
    window: Duration,
    limits: &Limits,
    meanwhile: &mut dyn Meanwhile,
) -> anyhow::Result<Report> {
    let (first, marks) = host.look(Pass::First)?;
    if host.is_live() {
        meanwhile.first(&report(host, &first, None, limits)?);
        meanwhile.wait(window);
    }
    let second = second_look(host, &marks)?;
    report(host, &first, Some(&second), limits)
}

fn second_look(host: &mut Host, marks: &Marks) -> anyhow::Result<Snapshot> {
    Ok(host.look(Pass::Second(marks))?.0)
}

/// Judges, answers what the rules ask, and judges again.
pub(crate) fn report(
    host: &mut Host,
    first: &Snapshot,
    second: Option<&Snapshot>,
    limits: &Limits,
) -> anyhow::Result<Report> {
    let mut answers = Answers::new();
    for _ in 0..ROUNDS {
        let asked = judge(&window(first, second, &answers)?, limits).asked();
        let new: BTreeSet<Question> = asked.into_iter().filter(|question| !answers.contains_key(question)).collect();
        if new.is_empty() {
            break;
        }
        host.answer(&new.into_iter().take(QUESTIONS_MAX).collect(), &mut answers, ANSWER_BUDGET)?;
    }
    let window = window(first, second, &answers)?;
    Ok(summary(&window, judge(&window, limits), limits))
}

fn window<'a>(first: &'a Snapshot, second: Option<&'a Snapshot>, answers: &'a Answers) -> anyhow::Result<Window<'a>> {
    Ok(match second {
        Some(second) => Window::between(first, second, answers)?,
        None => Window::instant(first, answers),
    })
}
