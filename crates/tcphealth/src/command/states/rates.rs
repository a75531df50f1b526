//! How often things happen, a second: state changes counted by a program in the kernel, else the kernel's own counters.

use std::collections::{BTreeMap, BTreeSet};

use tcphealth_core::snapshot::{Absent, Answers, Counters, Identity, Snapshot, Stamp, State, Sysctls};
use tcphealth_core::window::Window;
use tcphealth_core::wire::events::Kind;
use tcphealth_linux::{Events, Host, boot_ns};

use super::edges::Edge;

/// The counters that stand for edges, and for what leaves the diagram.
const COUNTERS: [&str; 6] =
    ["Tcp.ActiveOpens", "Tcp.PassiveOpens", "Tcp.AttemptFails", "Tcp.EstabResets", "Tcp.OutRsts", "TcpExt.TW"];

/// Counts as long as it lives.
pub(super) struct Rates {
    /// The program, or why there is none.
    pub(super) source: Result<Events, Absent>,
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
        let seconds = window.seconds();
        let rate = |(name, _): (&str, u64)| {
            let short =
                if self.source.is_ok() { name } else { COUNTERS.contains(&name).then_some(name)?.split_once('.')?.1 };
            Some((short.to_owned(), window.delta_named(name)? as f64 / seconds))
        };
        let per_second = now.counters.iter().filter_map(rate).collect();
        self.before = now;
        Some(Interval { seconds, per_second })
    }

    /// State changes that the program could not count.
    pub(super) fn missed(&self) -> u64 {
        self.source.as_ref().map_or(0, |events| events.counts().missed)
    }
}

impl Interval {
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
