//! How often things happen, a second: state changes counted by a program in the kernel, else the kernel's own counters.

use std::collections::{BTreeMap, BTreeSet};

use tcphealth_core::rules::reason_of;
use tcphealth_core::snapshot::{Absent, Answers, Counters, Identity, Snapshot, Stamp, State, Sysctls};
use tcphealth_core::text;
use tcphealth_core::window::Window;
use tcphealth_core::wire::events::Kind;
use tcphealth_core::words::Message;
use tcphealth_linux::{Events, Host, boot_ns};

use super::edges::Edge;
use crate::store::Past;

/// The counters that stand for edges, and for what leaves the diagram.
const COUNTERS: [&str; 6] =
    ["Tcp.ActiveOpens", "Tcp.PassiveOpens", "Tcp.AttemptFails", "Tcp.EstabResets", "Tcp.OutRsts", "TcpExt.TW"];

/// Counts as long as it lives.
pub(super) struct Rates {
    /// The program, or why there is none.
    source: Result<Events, Absent>,
    before: Snapshot,
}

/// What happened since the last time.
#[derive(Debug)]
pub(super) struct Interval {
    /// How long that was.
    pub(super) seconds: f64,
    /// By `OLD → NEW`, or by the counter's name without its group.
    pub(super) per_second: BTreeMap<String, f64>,
}

/// An edge by its name.
pub(super) fn name((from, to): Edge) -> String {
    format!("{from} → {to}")
}

impl Rates {
    /// Begins to count in this namespace.
    pub(super) fn open(netns: u64, host: &mut Host) -> Self {
        let source = Events::open(netns, &BTreeSet::from([Kind::State]), false);
        let before = sample(&source, host);
        Self { source, before }
    }

    /// What has happened since this was last asked; `None` when no time has passed.
    pub(super) fn since(&mut self, host: &mut Host) -> Option<Interval> {
        let (now, answers) = (sample(&self.source, host), Answers::new());
        let window = Window::between(&self.before, &now, &answers).ok()?;
        let named = |name: &str| if self.source.is_ok() { Some(name.to_owned()) } else { counter(name) };
        let interval = Interval::of(&window, named);
        self.before = now;
        Some(interval)
    }

    /// Who counts.
    pub(super) fn counted(&self) -> Counted {
        match &self.source {
            Ok(events) => Counted::Events { missed: events.counts().missed },
            Err(absent) => Counted::Counters(reason_of(absent)),
        }
    }
}

/// What the rates come from.
pub(super) enum Counted {
    /// A program in the kernel, and how many state changes it could not count.
    Events { missed: u64 },
    /// The kernel's counters, and why there is no program.
    Counters(Message),
}

/// A counter's name without its group, if it is one of those that stand for edges.
fn counter(name: &str) -> Option<String> {
    Some(COUNTERS.contains(&name).then_some(name)?.split_once('.')?.1.to_owned())
}

/// The edge that a recorded counter counts.
fn change(name: &str) -> Option<String> {
    let (from, to) = name.strip_prefix("event.change.")?.split_once('.')?;
    Some(format!("{from} → {to}"))
}

impl Interval {
    fn of(window: &Window, named: impl Fn(&str) -> Option<String>) -> Self {
        let seconds = window.seconds();
        let rate = |(name, _): (&str, u64)| Some((named(name)?, window.delta_named(name)? as f64 / seconds));
        Self { seconds, per_second: window.last().counters.iter().filter_map(rate).collect() }
    }

    /// What a recording says of the time before a moment; `None` when it begins there.
    pub(super) fn recorded(past: &Past) -> Option<(Self, Counted)> {
        let window = Window::between(past.first.as_ref()?, &past.last, past.answers()).ok()?;
        let events = Self::of(&window, change);
        if events.per_second.is_empty() {
            let why = text! {
                en: "this recording holds no counts of events here",
                ko: "기록의 이 부분에는 이벤트 수가 없음"
            };
            return Some((Self::of(&window, counter), Counted::Counters(why.into())));
        }
        Some((events, Counted::Events { missed: window.delta_named("event.missed").unwrap_or(0) }))
    }

    /// What is known of an edge. A counter stands for two of them.
    pub(super) fn along(&self, edge: Edge) -> Option<f64> {
        let counter = match edge {
            (State::Close, State::SynSent) => "ActiveOpens",
            (State::Listen, State::SynRecv) => "PassiveOpens",
            _ => "",
        };
        self.per_second.get(&name(edge)).or_else(|| self.per_second.get(counter)).copied()
    }
}

/// All counts now; one of events names every change, so that none is missing which has not happened yet.
fn sample(source: &Result<Events, Absent>, host: &mut Host) -> Snapshot {
    let at = Stamp { begin_ns: boot_ns(), ..Stamp::default() };
    let counters = match source {
        Ok(events) => {
            let counts = events.counts();
            let edges = State::ALL.iter().flat_map(|from| State::ALL.map(|to| (*from, to)));
            let named: Vec<(String, u64)> = edges.map(|edge| (name(edge), counts.change(edge.0, edge.1))).collect();
            Counters::from_pairs(named.iter().map(|(name, count)| (name.as_str(), *count)))
        }
        Err(_) => host.counters_of(&["net/snmp", "net/netstat"]),
    };
    let (interfaces, census) = (Err(Absent::NotAsked), Err(Absent::NotAsked));
    Snapshot { identity: Identity::default(), at, counters, sysctls: Sysctls::new(), interfaces, census }
}
