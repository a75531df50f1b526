//! `tcphealth states --watch`: the diagram again and again, with rates on its edges; where there is no terminal a line each time.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tcphealth_core::format::cut;
use tcphealth_core::words::Message;
use tcphealth_core::{say, text};
use tcphealth_linux::cpu_us;

use super::count;
use super::moment::Moment;
use super::rates::Rates;
use super::screen::Screen;
use crate::args::{StatesArgs, TextOrJson};
use crate::command::check;
use crate::speech::{self, Speech};
use crate::stop::Stop;
use crate::when::When;

/// Counting the sockets takes at most one part in so many of a CPU's time.
const SHARE: u32 = 20;

/// Shows until it is stopped.
pub(super) fn run(args: &StatesArgs, every: Duration, speech: &Speech) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let mut host = check::host(None, args.elsewhere.netns.as_deref(), None)?;
    let netns = host.identity()?.netns;
    let mut rates = Rates::open(netns, &mut host);
    let (mut screen, mut first) = (None, true);
    loop {
        let (begin, before_us) = (Instant::now(), cpu_us());
        let counts = count(&mut host)?;
        let cost = Duration::from_micros(cpu_us().saturating_sub(before_us));
        let interval = rates.since(&mut host).filter(|_| !first);
        let (interval, at) = (interval.as_ref(), When::now());
        let moment = Moment { counts: &counts, counted: &rates.counted(), interval, at, time: at.time_shown() };
        if first && args.format == TextOrJson::Text {
            screen = Screen::take();
        }
        let shown = match (&screen, args.format) {
            (Some(_), _) => Screen::draw(&page(&moment, speech)),
            (None, _) if first => Ok(()),
            (None, TextOrJson::Text) => print(&moment.line()),
            (None, TextOrJson::Json) => print(&moment.json(netns).to_string()),
        };
        if shown.is_err() {
            drop(screen);
            speech::ignore_broken_pipe(shown)?;
            return Ok(ExitCode::SUCCESS);
        }
        let period = if first { every } else { every.max(SHARE * cost) };
        first = false;
        let pause = period.saturating_sub(begin.elapsed());
        if stop.within(pause.as_nanos() as u64)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn page(moment: &Moment, speech: &Speech) -> String {
    let ends = text! { en: "Ctrl-C ends", ko: "Ctrl-C로 마침" };
    let foot: Message = moment.missed_words().map_or_else(
        || ends.into(),
        |missed| say! { en: "{ends}. {missed}", ko: "{ends}. {missed}"; ends = ends, missed = missed },
    );
    let head = moment.head();
    let [head, foot] = [&head, &foot].map(|line| cut(line.get(speech.lang), speech.columns));
    format!(" {head}{} {foot}", moment.drawn(speech))
}

fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush())
}
