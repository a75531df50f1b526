//! The sockets by state at one moment, with the rates along the edges of the diagram → a page, a line, JSON.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tcphealth_core::format::wrap;
use tcphealth_core::say;
use tcphealth_core::snapshot::{State, StateCounts};
use tcphealth_core::words::{Lang, Message};

use super::edges::{self, DIAGRAM};
use super::rates::{Counted, Interval, name};
use super::{fill_states, states_json};
use crate::speech::Speech;
use crate::when::When;

/// With the others these make a page of 24 lines.
const BESIDE_LINES: usize = 3;

/// One time.
pub(super) struct Moment<'a> {
    /// The sockets.
    pub(super) counts: &'a StateCounts,
    /// What the rates come from.
    pub(super) counted: &'a Counted,
    /// What happened before; `None` at the first moment.
    pub(super) interval: Option<&'a Interval>,
    /// When.
    pub(super) at: When,
    /// The same as it is shown.
    pub(super) time: String,
}

impl Moment<'_> {
    /// For a terminal of 24 lines, of which the first and the last are for others.
    pub(super) fn drawn(&self, speech: &Speech) -> String {
        let along = |edge| self.interval.and_then(|interval| interval.along(edge));
        let diagram = fill_states(&edges::fill(DIAGRAM, speech.color, &along), self.counts, speech.color);
        let beside: String = wrap(" ", self.beside().get(speech.lang), speech.columns)
            .iter()
            .take(BESIDE_LINES)
            .fold(String::new(), |text, line| text + line + "\n");
        diagram + &beside
    }

    /// What is drawn.
    pub(super) fn head(&self) -> Message {
        let (time, sockets) = (&self.time, self.counts.total());
        let Some(Interval { seconds, .. }) = self.interval else {
            return say! { en: "{time}  sockets: {n}", ko: "{time}  소켓 {n}개", time = time, n = sockets };
        };
        let seconds = format!("{seconds:.1}");
        if self.by_counters() {
            say! {
                en: "{time}  sockets: {n}; on two lines: the kernel's counters, a second in the last {s} s",
                ko: "{time}  소켓 {n}개. 두 선 위: 지난 {s}초의 초당 커널 카운터", time = time, n = sockets, s = seconds
            }
        } else {
            say! {
                en: "{time}  sockets: {n}; on the lines: state changes a second in the last {s} s",
                ko: "{time}  소켓 {n}개. 선 위: 지난 {s}초의 초당 상태 변화", time = time, n = sockets, s = seconds
            }
        }
    }

    /// What is not on a line.
    fn beside(&self) -> Message {
        let list = self.others();
        match (self.counted, self.interval) {
            (_, None) => Message::default(),
            (Counted::Counters(why), _) => say! {
                en: "counters: {list}. The other lines need eBPF: {why}",
                ko: "카운터: {list}. 나머지 선의 값은 eBPF가 있어야 보임: {why}";
                list = Message::same(&list), why = why
            },
            (Counted::Events { .. }, _) if list.is_empty() => {
                say! { en: "beside the lines: nothing", ko: "선 밖의 변화: 없음" }
            }
            (Counted::Events { .. }, _) => {
                say! { en: "beside the lines: {list}", ko: "선 밖의 변화: {list}", list = list }
            }
        }
    }

    /// What was not counted.
    pub(super) fn missed_words(&self) -> Option<Message> {
        let n = Some(self.missed()).filter(|n| *n > 0)?;
        Some(say! { en: "{n} changes were missed", ko: "변화 {n}개를 놓침", n = n })
    }

    fn missed(&self) -> u64 {
        if let Counted::Events { missed } = self.counted { *missed } else { 0 }
    }

    fn by_counters(&self) -> bool {
        matches!(self.counted, Counted::Counters(_))
    }

    /// The most frequent first; of the counters all.
    fn others(&self) -> String {
        let Some(interval) = self.interval else { return String::new() };
        let drawn: Vec<String> = edges::drawn().map(name).collect();
        let counters = self.by_counters();
        let is_told = |&(name, rate): &(&String, &f64)| counters || (*rate > 0.0 && !drawn.contains(name));
        let mut others: Vec<_> = interval.per_second.iter().filter(is_told).collect();
        if !counters {
            others.sort_by(|a, b| b.1.total_cmp(a.1));
        }
        let words: Vec<String> = others.iter().map(|(name, rate)| format!("{name} {}", edges::short(**rate))).collect();
        words.join(", ")
    }

    /// For a pipe: what is not zero.
    pub(super) fn line(&self) -> String {
        let states = State::ALL.iter().map(|state| (state, self.counts.get(*state))).filter(|(_, count)| *count > 0);
        let states: Vec<String> = states.map(|(state, count)| format!("{state} {count}")).collect();
        let rates = self.interval.iter().flat_map(|interval| &interval.per_second).filter(|(_, rate)| **rate > 0.0);
        let rates: Vec<String> = rates.map(|(name, rate)| format!("{name} {}", edges::short(*rate))).collect();
        format!("{}  {} | {}", self.time, states.join(", "), rates.join(", "))
    }

    /// For programs.
    pub(super) fn json(&self, netns: u64) -> Value {
        let rates = self.interval.iter().flat_map(|interval| &interval.per_second);
        let is_told = |(_, rate): &(&String, &f64)| self.by_counters() || **rate > 0.0;
        let rates: Map<String, Value> = rates.filter(is_told).map(|(name, rate)| (name.clone(), json!(rate))).collect();
        let mut object = states_json(self.counts, netns);
        let mut put = |name: &str, value: Value| object.as_object_mut().map(|object| object.insert(name.into(), value));
        put("at", Timestamp::from_microsecond(self.at.0).unwrap_or_default().to_string().into());
        put("seconds", self.interval.map(|interval| interval.seconds).into());
        put("per_second", rates.into());
        match self.counted {
            Counted::Events { .. } => put("counted_by", "tracepoints".into()),
            Counted::Counters(why) => {
                put("why", why.get(Lang::En).into());
                put("counted_by", "counters".into())
            }
        };
        put("missed", self.missed().into());
        object
    }
}
