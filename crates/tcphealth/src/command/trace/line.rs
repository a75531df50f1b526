//! An event → a line of text, or an object of JSON on a line.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nix::errno::Errno;
use serde::Serialize;
use serde_json::json;
use tcphealth_core::snapshot::{Attempt, Closer, Event, Happening, Life};
use tcphealth_core::text;
use tcphealth_core::wire::kallsyms::Symbols;
use tcphealth_core::words::{Lang, Text};
use tcphealth_linux::{Events, Reasons, boot_ns};

use super::names::{Named, Names};
use super::source::{self, Source};
use crate::args::TextOrJson;

/// Writes events.
pub(super) struct Lines {
    format: TextOrJson,
    reasons: Reasons,
    /// Whether events know the state of their socket.
    has_states: bool,
    symbols: Symbols,
    pub(super) lang: Lang,
    /// What the clock showed when the host was booted.
    booted: Timestamp,
    zone: TimeZone,
}

/// One event for programs.
#[derive(Serialize)]
struct Object<'a> {
    at: String,
    event: &'static str,
    local: String,
    remote: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    named_by: Option<&'static str>,
    #[serde(flatten)]
    more: More<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stack: Vec<String>,
}

/// What only some kinds have.
#[derive(Default, Serialize)]
struct More<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasted_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_acked: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_retrans: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The first line for programs.
pub(super) fn head(words: &[&str], netns: u64, source: &Source, out: &mut dyn Write) -> io::Result<()> {
    let unseen: Vec<_> = source.unseen().iter().map(|unseen| source::json(unseen, Lang::En)).collect();
    let head = json!({
        "schema": "tcphealth.trace/1", "netns": netns, "kinds": words, "source": source.name(), "unseen": unseen,
    });
    writeln!(out, "{head}")
}

/// An errno by its name.
pub(super) fn errno(number: i32) -> String {
    match Errno::from_raw(number) {
        Errno::UnknownErrno => format!("errno {number}"),
        known => format!("{known:?}"),
    }
}

/// How an active open came out, for programs.
pub(super) fn outcome(attempt: Attempt) -> String {
    match attempt {
        Attempt::Established => "ESTABLISHED".to_owned(),
        Attempt::Failed(number) => errno(number),
        Attempt::Unsent => "unsent".to_owned(),
        Attempt::GivenUp => "given_up".to_owned(),
    }
}

/// How an active open came out, for people.
pub(super) fn outcome_words(attempt: Attempt, lang: Lang) -> String {
    match attempt {
        Attempt::Unsent => text! { en: "no SYN left", ko: "SYN을 보내지 못함" }.get(lang).to_owned(),
        Attempt::GivenUp => text! { en: "given up", ko: "답을 기다리다 닫음" }.get(lang).to_owned(),
        other => outcome(other),
    }
}

/// The kernel's word for a reason.
pub(super) fn reason(words: &std::collections::BTreeMap<u32, String>, number: u32) -> &str {
    words.get(&number).map_or("?", String::as_str)
}

/// `word: more`, or the word alone.
fn told(word: Text, more: Option<&str>, lang: Lang) -> String {
    more.map_or_else(|| word.get(lang).to_owned(), |more| format!("{}: {more}", word.get(lang)))
}

impl Lines {
    pub(super) fn new(format: TextOrJson, source: &Source, (stacks, lang): (bool, Lang)) -> Self {
        let up = SignedDuration::from_nanos(boot_ns().cast_signed());
        let (reasons, has_states) = (source.reasons(), source.has_states());
        let symbols = if stacks { Events::symbols() } else { Symbols::default() };
        Self { format, reasons, has_states, symbols, lang, booted: Timestamp::now() - up, zone: TimeZone::system() }
    }

    /// One event.
    pub(super) fn write(&self, event: &Event, names: &Names, out: &mut dyn Write) -> io::Result<()> {
        let who = names.of(event);
        match self.format {
            TextOrJson::Text => self.text(event, who, out),
            TextOrJson::Json => {
                serde_json::to_writer(&mut *out, &self.object(event, who))?;
                out.write_all(b"\n")
            }
        }
    }

    fn at(&self, event: &Event) -> Timestamp {
        self.booted + SignedDuration::from_nanos(event.at_ns.cast_signed())
    }

    /// The calls that led to it, the innermost first, without those of tracing itself.
    fn calls(&self, event: &Event) -> Vec<String> {
        let name = |address: &u64| self.symbols.name(*address).unwrap_or_else(|| format!("{address:#x}"));
        let is_tracing =
            |name: &String| name.starts_with("bpf_") || name.starts_with("__bpf_") || name.starts_with("__traceiter_");
        event.stack.iter().map(name).skip_while(is_tracing).collect()
    }

    fn state(&self, event: &Event) -> Option<&'static str> {
        self.has_states.then(|| event.state.name())
    }

    fn text(&self, event: &Event, named: Option<Named<'_>>, out: &mut dyn Write) -> io::Result<()> {
        let time = self.at(event).to_zoned(self.zone.clone()).time();
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        let micros = time.subsec_nanosecond() / 1000;
        let (local, remote) = (event.local.to_string(), event.remote.to_string());
        write!(
            out,
            "{hour:02}:{minute:02}:{second:02}.{micros:06} {:10} {local:>21} → {remote:<21} ",
            word(&event.what)
        )?;
        self.what(event, out)?;
        if let Some(Named { pid, comm, .. }) = named {
            write!(out, "  {comm} ({pid})")?;
        }
        for call in self.calls(event) {
            write!(out, "\n    {call}")?;
        }
        out.write_all(b"\n")
    }

    fn what(&self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        match &event.what {
            Happening::Retransmit { segments } => write!(out, "{} ×{segments}", event.state),
            Happening::RetransmitSynAck => write!(out, "{} ×1", event.state),
            Happening::ResetSent { reason: number } => {
                let reason = self.reasons.resets.get(number).map(String::as_str);
                out.write_all(told(text! { en: "sent", ko: "보냄" }, reason, self.lang).as_bytes())
            }
            Happening::ResetReceived => {
                out.write_all(told(text! { en: "received", ko: "받음" }, self.state(event), self.lang).as_bytes())
            }
            Happening::State { to } => write!(out, "{} → {to}", event.state),
            Happening::Connect { attempt, took_ns } => {
                write!(out, "{}", outcome_words(*attempt, self.lang))?;
                took_ns.map_or(Ok(()), |took| write!(out, " {:.3} ms", took as f64 / 1e6))
            }
            Happening::Life(life) => self.life(life, event, out),
            Happening::Drop { reason: number } => out.write_all(reason(&self.reasons.drops, *number).as_bytes()),
        }
    }

    fn life(&self, life: &Life, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        if let Some(lasted) = life.lasted_ns {
            write!(out, "{:.3} s ", lasted as f64 / 1e9)?;
        }
        let Life { bytes_acked, bytes_received, total_retrans, rtt_us, .. } = life;
        write!(out, "↑{bytes_acked} ↓{bytes_received} ")?;
        if *rtt_us > 0 {
            write!(out, "rtt {:.3} ms ", f64::from(*rtt_us) / 1e3)?;
        }
        write!(out, "retrans {total_retrans}")?;
        if let Some(closer) = life.closer(event.state) {
            write!(out, ", {}", closed(closer).get(self.lang))?;
        }
        if life.error == 0 { Ok(()) } else { write!(out, " {}", errno(life.error)) }
    }

    fn object<'a>(&'a self, event: &Event, named: Option<Named<'a>>) -> Object<'a> {
        Object {
            at: self.at(event).to_string(),
            event: word(&event.what),
            local: event.local.to_string(),
            remote: event.remote.to_string(),
            state: self.state(event),
            pid: named.map(|named| named.pid),
            comm: named.map(|named| named.comm),
            named_by: named.map(|named| named.by),
            more: self.more(event),
            stack: self.calls(event),
        }
    }

    fn more(&self, event: &Event) -> More<'_> {
        let none = More::default();
        let us = |time: Option<u64>| time.map(|ns| ns / 1000);
        match &event.what {
            Happening::Retransmit { segments } => More { segments: Some(*segments), ..none },
            Happening::RetransmitSynAck => More { segments: Some(1), ..none },
            Happening::ResetSent { reason: number } => {
                let reason = self.reasons.resets.get(number).map(String::as_str);
                More { direction: Some("sent"), reason, ..none }
            }
            Happening::ResetReceived => More { direction: Some("received"), ..none },
            Happening::State { to } => More { to: Some(to.name()), ..none },
            Happening::Connect { attempt, took_ns } => {
                More { outcome: Some(outcome(*attempt)), took_us: us(*took_ns), ..none }
            }
            Happening::Drop { reason: number } => More { reason: Some(reason(&self.reasons.drops, *number)), ..none },
            Happening::Life(life) => More {
                lasted_us: us(life.lasted_ns),
                bytes_acked: Some(life.bytes_acked),
                bytes_received: Some(life.bytes_received),
                rtt_us: Some(life.rtt_us).filter(|rtt| *rtt > 0),
                total_retrans: Some(life.total_retrans),
                closed_by: life.closer(event.state).map(closer),
                error: (life.error != 0).then(|| errno(life.error)),
                ..none
            },
        }
    }
}

/// The word of its kind, as it is asked for.
fn word(what: &Happening) -> &'static str {
    match what {
        Happening::Retransmit { .. } | Happening::RetransmitSynAck => "retransmit",
        Happening::ResetSent { .. } | Happening::ResetReceived => "reset",
        Happening::State { .. } => "state",
        Happening::Connect { .. } => "connect",
        Happening::Life(_) => "life",
        Happening::Drop { .. } => "drop",
    }
}

fn closer(closer: Closer) -> &'static str {
    match closer {
        Closer::Us => "us",
        Closer::Peer => "peer",
        Closer::Both => "both",
        Closer::Nobody => "nobody",
    }
}

fn closed(closer: Closer) -> Text {
    match closer {
        Closer::Us => text! { en: "closed by us", ko: "이쪽이 먼저 닫음" },
        Closer::Peer => text! { en: "closed by the peer", ko: "상대가 먼저 닫음" },
        Closer::Both => text! { en: "closed by both", ko: "양쪽이 동시에 닫음" },
        Closer::Nobody => text! { en: "failed", ko: "끊어짐" },
    }
}
