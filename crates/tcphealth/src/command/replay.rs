//! `tcphealth replay`: a recording judged moment after moment, by the rules that judge the live host.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use tcphealth_core::format::{json_line, wrap};
use tcphealth_core::report::{Report, Severity};
use tcphealth_core::rules::History;
use tcphealth_core::{say, text};

use crate::args::{ReplayArgs, TextOrJson};
use crate::config;
use crate::speech::{Complaint, Speech, ignore_broken_pipe};
use crate::store::{self, Past, Store};
use crate::when::When;

/// Prints from the first moment to the last.
pub(crate) fn run(args: &ReplayArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    if args.until < args.at {
        let words = say! { en: "--until is before --at", ko: "--until이 --at보다 앞섬" };
        return Err(Complaint(words).into());
    }
    let store = Store::open(&args.from.clone().unwrap_or_else(store::default_dir))?;
    let (limits, mut history) = (config::limits()?, History::default());
    let step_us = i64::try_from(args.step.as_micros()).unwrap_or(i64::MAX).max(1);
    let end = store.spans()?.last().map_or(args.at, |(_, end)| When(*end));
    let (mut when, mut shown_ns, mut gap) = (args.at, None, false);
    while when <= args.until {
        match Past::find(&store, when, args.window)? {
            Some(past) if Some(past.last.at.begin_ns) == shown_ns => {}
            Some(past) => {
                shown_ns = Some(past.last.at.begin_ns);
                gap = false;
                let line = line(&past.judged(&mut history, &limits)?, args.format, speech);
                if write(&line)? {
                    break;
                }
            }
            None => {
                if !gap && args.format == TextOrJson::Text && write(&nothing(when, speech))? {
                    break;
                }
                gap = true;
                // On with the same steps, just before there is something again, or through a short pause.
                let next = if when < end { store.next(when)?.unwrap_or(when) } else { break };
                when.0 += (next.0 - when.0) / step_us * step_us;
            }
        }
        when = When(when.0.saturating_add(step_us));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(report: &Report, format: TextOrJson, speech: &Speech) -> String {
    if format == TextOrJson::Json {
        return json_line(report, speech.machine_lang);
    }
    let time = When(report.end.wall_ns.div_euclid(1000)).shown();
    let worst = report.findings.iter().find(|finding| finding.severity > Severity::Info);
    let said = worst.map(|worst| format!("{}: {}", worst.rule, worst.summary.get(speech.lang)));
    let (first, said) = (format!("{time} {:8} ", report.word.name()), said.unwrap_or_default());
    // Who reads on a terminal has lines that fit; who searches in a file has a line for each moment.
    let columns = if io::stdout().is_terminal() { speech.columns } else { usize::MAX };
    wrap(&first, &said, columns).iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

fn nothing(when: When, speech: &Speech) -> String {
    let words = text! { en: "nothing was recorded", ko: "기록 없음" };
    format!("{} -        {}\n", when.shown(), words.get(speech.lang))
}

/// Whether nobody reads any more.
fn write(line: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ignore_broken_pipe(Err(error)).map(|()| true),
        done => done.map(|()| false),
    }
}
