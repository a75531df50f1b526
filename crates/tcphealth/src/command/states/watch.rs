//! `tcphealth states --watch`: the diagram again and again, with rates on its edges; where there is no terminal a line each time.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Zoned;
use serde_json::{Map, Value, json};
use tcphealth_core::format::{cut, wrap};
use tcphealth_core::rules::reason_of;
use tcphealth_core::say;
use tcphealth_core::snapshot::{State, StateCounts};
use tcphealth_core::words::{Lang, Message};
use tcphealth_linux::cpu_us;

use super::edges::{self, DIAGRAM};
use super::rates::{Interval, Rates, name};
use super::screen::Screen;
use super::{count, fill_states, states_json};
use crate::args::{StatesArgs, TextOrJson};
use crate::command::check;
use crate::speech::{self, Speech};
use crate::stop::Stop;

/// Counting the sockets takes at most one part in so many of a CPU's time.
const SHARE: u32 = 20;

/// With the others these make a page of 24 lines.
const BESIDE_LINES: usize = 3;

/// One time.
struct Moment<'a> {
    counts: &'a StateCounts,
    rates: &'a Rates,
    interval: Option<&'a Interval>,
    now: Zoned,
}

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
        let moment = Moment { counts: &counts, rates: &rates, interval: interval.as_ref(), now: Zoned::now() };
        if first && args.format == TextOrJson::Text {
            screen = Screen::take();
        }
        let shown = match (&screen, args.format) {
            (Some(_), _) => Screen::draw(&moment.page(speech)),
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

fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush())
}

impl Moment<'_> {
    /// For a terminal of 24 lines.
    fn page(&self, speech: &Speech) -> String {
        let along = |edge| self.interval.and_then(|interval| interval.along(edge));
        let diagram = fill_states(&edges::fill(DIAGRAM, speech.color, &along), self.counts, speech.color);
        let (head, foot) = (self.head(), self.foot());
        let [head, foot] = [&head, &foot].map(|line| cut(line.get(speech.lang), speech.columns));
        let beside: String = wrap(" ", self.beside().get(speech.lang), speech.columns)
            .iter()
            .take(BESIDE_LINES)
            .fold(String::new(), |text, line| text + line + "\n");
        format!(" {head}{diagram}{beside} {foot}")
    }

    fn head(&self) -> Message {
        let (time, sockets) = (self.now.strftime("%H:%M:%S"), self.counts.total());
        let Some(Interval { seconds, .. }) = self.interval else {
            return say! { en: "{time}  sockets: {n}", ko: "{time}  소켓 {n}개", time = time, n = sockets };
        };
        let seconds = format!("{seconds:.1}");
        if self.rates.source.is_ok() {
            say! {
                en: "{time}  sockets: {n}; on the lines: state changes a second in the last {s} s",
                ko: "{time}  소켓 {n}개. 선 위: 지난 {s}초의 초당 상태 변화", time = time, n = sockets, s = seconds
            }
        } else {
            say! {
                en: "{time}  sockets: {n}; on two lines: the kernel's counters, a second in the last {s} s",
                ko: "{time}  소켓 {n}개. 두 선 위: 지난 {s}초의 초당 커널 카운터", time = time, n = sockets, s = seconds
            }
        }
    }

    /// What is not on a line.
    fn beside(&self) -> Message {
        let list = self.others();
        match (&self.rates.source, self.interval) {
            (_, None) => Message::default(),
            (Err(absent), _) => say! {
                en: "counters: {list}. The other lines need eBPF: {why}",
                ko: "카운터: {list}. 나머지 선의 값은 eBPF가 있어야 보임: {why}";
                list = Message::same(&list), why = reason_of(absent)
            },
            (Ok(_), _) if list.is_empty() => say! { en: "beside the lines: nothing", ko: "선 밖의 변화: 없음" },
            (Ok(_), _) => say! { en: "beside the lines: {list}", ko: "선 밖의 변화: {list}", list = list },
        }
    }

    fn foot(&self) -> Message {
        match self.rates.missed() {
            0 => say! { en: "Ctrl-C ends", ko: "Ctrl-C로 마침" },
            missed => {
                say! { en: "Ctrl-C ends. {n} changes were missed", ko: "Ctrl-C로 마침. 변화 {n}개를 놓침", n = missed }
            }
        }
    }

    /// The most frequent first; of the counters all.
    fn others(&self) -> String {
        let Some(interval) = self.interval else { return String::new() };
        let drawn: Vec<String> = edges::drawn().map(name).collect();
        let counters = self.rates.source.is_err();
        let is_told = |&(name, rate): &(&String, &f64)| counters || (*rate > 0.0 && !drawn.contains(name));
        let mut others: Vec<_> = interval.per_second.iter().filter(is_told).collect();
        if !counters {
            others.sort_by(|a, b| b.1.total_cmp(a.1));
        }
        let words: Vec<String> = others.iter().map(|(name, rate)| format!("{name} {}", edges::short(**rate))).collect();
        words.join(", ")
    }

    /// For a pipe: what is not zero.
    fn line(&self) -> String {
        let states = State::ALL.iter().map(|state| (state, self.counts.get(*state))).filter(|(_, count)| *count > 0);
        let states: Vec<String> = states.map(|(state, count)| format!("{state} {count}")).collect();
        let rates = self.interval.iter().flat_map(|interval| &interval.per_second).filter(|(_, rate)| **rate > 0.0);
        let rates: Vec<String> = rates.map(|(name, rate)| format!("{name} {}", edges::short(*rate))).collect();
        format!("{}  {} | {}", self.now.strftime("%H:%M:%S"), states.join(", "), rates.join(", "))
    }

    fn json(&self, netns: u64) -> Value {
        let rates = self.interval.iter().flat_map(|interval| &interval.per_second);
        let is_told = |(_, rate): &(&String, &f64)| self.rates.source.is_err() || **rate > 0.0;
        let rates: Map<String, Value> = rates.filter(is_told).map(|(name, rate)| (name.clone(), json!(rate))).collect();
        let mut object = states_json(self.counts, netns);
        let mut put = |name: &str, value: Value| object.as_object_mut().map(|object| object.insert(name.into(), value));
        put("at", self.now.timestamp().to_string().into());
        put("seconds", self.interval.map(|interval| interval.seconds).into());
        put("per_second", rates.into());
        match &self.rates.source {
            Ok(_) => put("counted_by", "tracepoints".into()),
            Err(absent) => {
                put("why", reason_of(absent).get(Lang::En).into());
                put("counted_by", "counters".into())
            }
        };
        put("missed", self.rates.missed().into());
        object
    }
}
