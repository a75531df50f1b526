//! `tcphealth trace`: what happens to the connections of a namespace now, an event a line, and the counts at the end.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

use tcphealth_core::say;
use tcphealth_core::snapshot::{Event, EventCounts};
use tcphealth_core::wire::events::Kind;
use tcphealth_core::words::Message;
use tcphealth_linux::Host;

use super::check;
use super::sockets::{Ends, Filter};
use crate::args::{TextOrJson, TraceArgs};
use crate::speech::{self, Complaint, Speech};
use crate::stop::Stop;

mod line;
mod names;
mod source;
mod summary;

use line::Lines;
use names::Names;
use source::{Source, Tell};

/// What may be asked for, and the kinds of events behind each word.
const WORDS: [(&str, &[Kind]); 6] = [
    ("retransmit", &[Kind::Retransmit, Kind::RetransmitSynAck]),
    ("reset", &[Kind::ResetSent, Kind::ResetReceived]),
    ("connect", &[Kind::Connect]),
    ("life", &[Kind::Life]),
    ("state", &[Kind::State]),
    ("drop", &[Kind::Drop]),
];
/// The first so many are told when none is asked for: the others are many, and normal.
const USUAL: usize = 4;

/// What is wanted.
struct Wish {
    is_named: bool,
    words: Vec<&'static str>,
    kinds: BTreeSet<Kind>,
    filter: Filter,
}

impl Wish {
    fn parse(words: &[String]) -> Result<Self, Message> {
        let named = words.first().and_then(|first| WORDS.iter().find(|(word, _)| word == first));
        let filter = if named.is_some() { words.get(1..).unwrap_or_default() } else { words };
        let wanted: Vec<_> = named.map_or_else(|| WORDS.iter().take(USUAL).collect(), |named| vec![named]);
        Ok(Self {
            is_named: named.is_some(),
            words: wanted.iter().map(|(word, _)| *word).collect(),
            kinds: wanted.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect(),
            filter: Filter::parse(filter)?,
        })
    }

    /// Forgets what this does not tell.
    fn keep(&mut self, source: &Source) {
        let is_told = |word: &&str| {
            let kinds = WORDS.iter().find(|(name, _)| name == word).map(|(_, kinds)| *kinds);
            kinds.is_some_and(|kinds| kinds.iter().all(|kind| source.tells(*kind)))
        };
        self.words.retain(is_told);
    }
}

/// Prints until it is enough.
pub(crate) fn run(args: &TraceArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let mut wish = match Wish::parse(&args.words) {
        Ok(wish) => wish,
        Err(error) => {
            speech::complain(&Complaint(error).into(), speech.lang);
            return Ok(ExitCode::from(2));
        }
    };
    let stop = Stop::new()?;
    let mut host = check::host(None, args.netns.as_deref(), None)?;
    let identity = host.identity()?;
    let told = !args.summary || !wish.filter.is_everything();
    if args.stack && !wish.kinds.contains(&Kind::Retransmit) && !wish.kinds.contains(&Kind::Drop) {
        speech::complain(&no_stacks().into(), speech.lang);
        return Ok(ExitCode::from(2));
    }
    let how = Tell { named: wish.is_named, each: told, stacks: args.stack };
    let source = Source::open(identity.netns, &wish.kinds, how)?;
    if !source.has_states() && wish.filter.asks_state() {
        return Err(source::no_states().into());
    }
    wish.keep(&source);
    let lines = Lines::new(args.format, &source, (args.stack, speech.lang));
    let mut trace =
        Trace { args, wish, host, source, lines, names: Names::default(), taken: EventCounts::default(), told: 0 };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = trace.announce(identity.netns, speech.columns, &mut out).and_then(|()| trace.run(&stop, &mut out));
    match done.map_err(anyhow::Error::downcast::<io::Error>) {
        Err(Ok(error)) => speech::ignore_broken_pipe(Err(error))?,
        Err(Err(error)) => return Err(error),
        Ok(()) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn no_stacks() -> Complaint {
    Complaint(say! {
        en: "--stack is for retransmit and drop",
        ko: "--stack은 retransmit과 drop에만 쓴다"
    })
}

/// One run.
struct Trace<'a> {
    args: &'a TraceArgs,
    wish: Wish,
    host: Host,
    source: Source,
    lines: Lines,
    names: Names,
    /// What the filter took, counted.
    taken: EventCounts,
    told: u64,
}

impl Trace<'_> {
    /// Says what will be told, and what cannot.
    fn announce(&self, netns: u64, columns: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.args.format == TextOrJson::Json {
            line::head(&self.wish.words, netns, &self.source, out)?;
            return Ok(out.flush()?);
        }
        let lang = self.lines.lang;
        eprintln!("{}", promise(&self.wish.words).get(lang));
        for line in self.source.unseen_lines(lang, columns) {
            eprintln!("{line}");
        }
        Ok(())
    }

    fn run(&mut self, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
        let (begin, tick) = (Instant::now(), self.source.tick());
        let left = |begin: Instant| self.args.duration.map_or(tick, |time| time.saturating_sub(begin.elapsed()));
        loop {
            let time = left(begin);
            let stopped = stop.within(time.min(tick).as_nanos() as u64)?;
            if stopped || left(begin).is_zero() {
                self.source.stop();
            }
            self.tell(out)?;
            out.flush()?;
            if stopped || left(begin).is_zero() || self.is_enough() {
                break;
            }
        }
        self.source.stop();
        let seconds = begin.elapsed().as_secs_f64();
        let summary = summary::Summary {
            seconds,
            words: &self.wish.words,
            counts: &self.counts(),
            has_opens: self.source.has_states()
                && (self.wish.filter.is_everything() || self.wish.kinds.contains(&Kind::State)),
            reasons: &self.source.reasons(),
        };
        match self.args.format {
            TextOrJson::Text => out.write_all(summary.text(self.lines.lang).as_bytes())?,
            TextOrJson::Json => writeln!(out, "{}", summary.json())?,
        }
        Ok(out.flush()?)
    }

    fn is_enough(&self) -> bool {
        self.args.count.is_some_and(|count| self.told >= count)
    }

    /// Prints what has happened since the last time and is wanted.
    fn tell(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut taken: Vec<Event> = Vec::new();
        let (filter, counts) = (&self.wish.filter, &mut self.taken);
        self.source.read(&mut |event| {
            if filter.takes_ends(&Ends { state: event.state, local: event.local, remote: event.remote }) {
                counts.add(&event);
                taken.push(event);
            }
        });
        if self.args.summary {
            return Ok(());
        }
        self.names.learn(&mut self.host, &taken);
        for event in &taken {
            if self.is_enough() {
                break;
            }
            self.told += 1;
            self.lines.write(event, &self.names, out)?;
        }
        Ok(())
    }

    /// Of what was asked for: the kernel's own counts where that is everything.
    fn counts(&self) -> EventCounts {
        let all = self.source.counts();
        if self.wish.filter.is_everything() {
            return all;
        }
        let EventCounts { untold, forgotten, missed, overruns, .. } = all;
        EventCounts { untold, forgotten, missed, overruns, ..self.taken.clone() }
    }
}

fn promise(words: &[&str]) -> Message {
    say! {
        en: "{words}, as they happen; Ctrl-C ends and sums up",
        ko: "{words}, 일어나는 대로. Ctrl-C로 마치고 요약",
        words = words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str) -> Result<Wish, Message> {
        Wish::parse(&line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_kind_stands_first_and_the_filter_behind_it() {
        let of = |line: &str| {
            let wish = wish(line).unwrap_or_else(|error| panic!("{}", error.en));
            (wish.words.join(" "), wish.filter.is_everything())
        };
        assert_eq!(of(""), ("retransmit reset connect life".to_owned(), true));
        assert_eq!(of("dport = :443"), ("retransmit reset connect life".to_owned(), false));
        assert_eq!(of("drop"), ("drop".to_owned(), true));
        assert_eq!(of("state state established"), ("state".to_owned(), false));
        assert!(wish("life nonsense").is_err());
    }
}
