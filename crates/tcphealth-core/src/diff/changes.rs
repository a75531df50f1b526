//! Two ranges and the periods of their quantities → the changes in their order.
//!
//! First the verdicts, the worst first; then what is no number, of which every change is worth a line; then the numbers by how
//! unusual their change is.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::period::{Measure, Quantities};
use super::side::{Seen, Side};
use super::unusual::{Periods, UNUSUAL, Usual, chance_of_means, chance_of_rates, chance_of_shares};
use crate::catalog::entry;
use crate::frame::totals::{Place, Quantity};
use crate::report::Severity;
use crate::snapshot::{Absent, Interface, Listener};
use crate::words::Message;

/// What a change is of, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A finding of the rules.
    Finding,
    /// A setting of the kernel.
    Setting,
    /// The kernel, or the name of the host.
    Host,
    /// An interface.
    Interface,
    /// A listener.
    Listener,
    /// Sockets in a state, of a service or of all.
    Sockets,
    /// A share: of segments, of attempts.
    Share,
    /// A counter, a second.
    Counter,
    /// A gauge.
    Gauge,
}

impl Kind {
    /// The word that is never translated.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Setting => "setting",
            Self::Host => "host",
            Self::Interface => "interface",
            Self::Listener => "listener",
            Self::Sockets => "sockets",
            Self::Share => "share",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }

    /// Whether what changed is a number.
    pub fn is_number(self) -> bool {
        self >= Self::Sockets
    }
}

/// What something was in a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Worth {
    /// It was not there.
    Absent,
    /// A setting, an attribute.
    Word(String),
    /// A number in the unit of the change.
    Number(f64),
    /// A finding, and at how many of so many moments.
    Seen(Severity, usize, usize),
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it is of.
    pub kind: Kind,
    /// Its name, never translated: a counter, a setting, a state with its service, the id of a finding.
    pub name: String,
    /// Who holds the sockets, `java[2231]`, where that is known.
    pub owner: Option<String>,
    /// In the first range.
    pub a: Worth,
    /// In the second.
    pub b: Worth,
    /// The unit of the numbers; of counters it is a second's.
    pub unit: &'static str,
    /// How unusual; `None` for what is no number.
    pub z: Option<f64>,
    /// What is usual of it.
    pub usual: Usual,
    /// What a finding says.
    pub says: Option<Message>,
}

impl Change {
    fn of(kind: Kind, name: impl Into<String>, a: Worth, b: Worth) -> Self {
        let (unit, usual) = ("", Usual::default());
        Self { kind, name: name.into(), owner: None, a, b, unit, z: None, usual, says: None }
    }

    fn number(kind: Kind, name: impl Into<String>, (a, b): (f64, f64), (usual, chance): (Usual, f64)) -> Self {
        let z = Some(usual.z(a, b, chance));
        Self { z, usual, ..Self::of(kind, name, Worth::Number(a), Worth::Number(b)) }
    }

    /// Whether it is worth a line.
    pub fn is_unusual(&self) -> bool {
        self.z.is_none_or(|z| z >= UNUSUAL)
    }

    fn place(&self) -> (Kind, Reverse<Option<Severity>>, Reverse<u64>, &str) {
        let kind = if self.kind.is_number() { Kind::Sockets } else { self.kind };
        let severity = match (&self.a, &self.b) {
            (Worth::Seen(a, ..), Worth::Seen(b, ..)) => Some(*a.max(b)),
            (Worth::Seen(a, ..), _) | (_, Worth::Seen(a, ..)) => Some(*a),
            _ => None,
        };
        // Six digits tell numbers of this size apart, and order them the same everywhere.
        (kind, Reverse(severity), Reverse((self.z.unwrap_or(0.0) * 1e6) as u64), &self.name)
    }
}

/// Shares that mean something: name, part, whole.
const SHARES: [(&str, &str, &str); 4] = [
    ("Tcp.RetransSegs / Tcp.OutSegs", "Tcp.RetransSegs", "Tcp.OutSegs"),
    ("Tcp.InErrs / Tcp.InSegs", "Tcp.InErrs", "Tcp.InSegs"),
    ("Tcp.AttemptFails / Tcp.ActiveOpens", "Tcp.AttemptFails", "Tcp.ActiveOpens"),
    ("TcpExt.ListenDrops / Tcp.PassiveOpens", "TcpExt.ListenDrops", "Tcp.PassiveOpens"),
];

/// Every difference between the two ranges, usual or not.
pub fn compare(a: &Side, b: &Side, quantities: &Quantities, periods: &Periods) -> Vec<Change> {
    let mut changes = findings(a, b);
    changes.extend(settings(a, b));
    changes.extend(hosts(a, b));
    changes.extend(interfaces(a, b));
    changes.extend(listeners(a, b));
    changes.extend(numbers(a, b, quantities, periods));
    changes.extend(shares(a, b, quantities, periods));
    changes.extend(losses(a, b));
    changes.sort_by(|x, y| x.place().cmp(&y.place()));
    changes
}

/// Findings of one range only, and those that became worse or better. What is only worth a line must have been seen at half of
/// the moments: it comes and goes.
fn findings(a: &Side, b: &Side) -> Vec<Change> {
    let keys = union(&a.findings, &b.findings);
    let change = |key: &String| {
        let (was, is) = (a.findings.get(key), b.findings.get(key));
        let worth = |seen: Option<&Seen>, side: &Side| {
            seen.map_or(Worth::Absent, |seen| Worth::Seen(seen.severity, seen.times, side.judged))
        };
        let often = |seen: Option<&Seen>, side: &Side| seen.is_some_and(|seen| seen.times * 2 >= side.judged);
        let severity = |seen: Option<&Seen>| seen.map(|seen| seen.severity);
        let bad = severity(was).max(severity(is)) > Some(Severity::Info);
        let judged = a.judged > 0 && b.judged > 0;
        let changed = severity(was) != severity(is) && (bad || often(was, a) || often(is, b));
        let last = is.or(was).filter(|_| judged && changed)?;
        let says = Some(last.summary.clone());
        Some(Change { says, ..Change::of(Kind::Finding, last.id.clone(), worth(was, a), worth(is, b)) })
    };
    keys.into_iter().filter_map(change).collect()
}

/// Settings of the last looks. What could not be read is not known to have changed.
fn settings(a: &Side, b: &Side) -> Vec<Change> {
    let worth = |value: Option<&Result<String, Absent>>| match value {
        Some(Ok(value)) => Some(Worth::Word(value.split_whitespace().collect::<Vec<_>>().join(" "))),
        Some(Err(Absent::NotHere)) => Some(Worth::Absent),
        _ => None,
    };
    let change = |name: &String| {
        let (was, is) = (worth(a.settings.get(name))?, worth(b.settings.get(name))?);
        (was != is).then(|| Change::of(Kind::Setting, name, was, is))
    };
    union(&a.settings, &b.settings).into_iter().filter_map(change).collect()
}

fn hosts(a: &Side, b: &Side) -> Vec<Change> {
    let (Some(was), Some(is)) = (a.hosts.last(), b.hosts.last()) else { return Vec::new() };
    let pairs = [("hostname", &was.hostname, &is.hostname), ("kernel", &was.kernel, &is.kernel)];
    let changed = pairs.into_iter().filter(|(_, was, is)| was != is);
    changed
        .map(|(name, was, is)| Change::of(Kind::Host, name, Worth::Word(was.clone()), Worth::Word(is.clone())))
        .collect()
}

fn interfaces(a: &Side, b: &Side) -> Vec<Change> {
    let mut changes = Vec::new();
    for name in union(&a.interfaces, &b.interfaces) {
        let (was, is) = (attributes(a.interfaces.get(name)), attributes(b.interfaces.get(name)));
        let gone_or_new = was.is_empty() || is.is_empty();
        for (attribute, now) in if is.is_empty() { &was } else { &is } {
            let worth = |of: &BTreeMap<&str, String>| of.get(attribute).cloned().map_or(Worth::Absent, Worth::Word);
            if gone_or_new && *attribute == "operstate" {
                changes.push(Change::of(Kind::Interface, name, worth(&was), worth(&is)));
            } else if !gone_or_new && was.get(attribute) != Some(now) {
                changes.push(Change::of(Kind::Interface, format!("{name} {attribute}"), worth(&was), worth(&is)));
            }
        }
    }
    changes
}

/// What is compared of an interface; nothing when it is not there.
fn attributes(interface: Option<&Interface>) -> BTreeMap<&'static str, String> {
    let Some(interface) = interface else { return BTreeMap::new() };
    let speed = interface.speed_mbit_per_second.map_or_else(|| "-".to_owned(), |speed| format!("{speed} Mbit/s"));
    let pairs = [
        ("mtu", format!("{} bytes", interface.mtu_bytes)),
        ("operstate", interface.operstate.clone()),
        ("speed", speed),
        ("duplex", interface.duplex.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    pairs.into_iter().collect()
}

/// Listeners that were there at the end of one range and never in the other, and those with another backlog.
fn listeners(a: &Side, b: &Side) -> Vec<Change> {
    if a.period.looks <= 0.0 || b.period.looks <= 0.0 {
        return Vec::new();
    }
    let limit = |listener: Option<&Listener>| {
        listener.map_or(Worth::Absent, |each| Worth::Word(format!("backlog {}", each.limit)))
    };
    let change = |local: &String| {
        let (was, is) = (a.listeners.get(local), b.listeners.get(local));
        let stays = match (was, is) {
            (Some(was), Some(is)) => was.limit == is.limit,
            (Some(_), None) => b.listened.contains(local),
            _ => a.listened.contains(local),
        };
        (!stays).then(|| Change::of(Kind::Listener, local, limit(was), limit(is)))
    };
    union(&a.listeners, &b.listeners).into_iter().filter_map(change).collect()
}

fn numbers(a: &Side, b: &Side, quantities: &Quantities, periods: &Periods) -> Vec<Change> {
    let lag = periods.pairs().1;
    let change = |(number, quantity): (usize, &Quantity)| {
        let (was, is) = (a.period.measure(number, quantity), b.period.measure(number, quantity));
        let values = (was.value()?, is.value()?);
        if values == (0.0, 0.0) {
            return None;
        }
        let usual = periods.usual(number, quantity, lag);
        let of = |kind, name: &str, chance| Some(Change::number(kind, name, values, (usual, chance)));
        let unit = |name| entry(name).map_or("", |entry| entry.unit);
        match quantity {
            Quantity::Counter(name) => {
                Some(Change { unit: unit(name), ..of(Kind::Counter, name, chance_of_rates(was, is))? })
            }
            Quantity::Gauge(name) => {
                Some(Change { unit: unit(name), ..of(Kind::Gauge, name, chance_of_means(values.0, values.1))? })
            }
            Quantity::Sockets(place, state) => {
                let name = match place {
                    Place::All => state.name().to_owned(),
                    Place::Listener(text) | Place::Destination(text) => format!("{state} {text}"),
                };
                let owner = b.owners.get(place).or_else(|| a.owners.get(place)).cloned();
                let changed = of(Kind::Sockets, &name, chance_of_means(values.0, values.1))?;
                Some(Change { unit: "sockets", owner, ..changed })
            }
        }
    };
    quantities.list().iter().enumerate().filter_map(change).collect()
}

fn shares(a: &Side, b: &Side, quantities: &Quantities, periods: &Periods) -> Vec<Change> {
    let change = |(name, part, whole): (&str, &str, &str)| {
        let (part, whole) = (Quantity::Counter(part.to_owned()), Quantity::Counter(whole.to_owned()));
        let numbers = (quantities.get(&part)?, quantities.get(&whole)?);
        let share = |period: &super::Period| {
            let (part, whole) = (period.measure(numbers.0, &part), period.measure(numbers.1, &whole));
            (part.per > 0.0).then_some(Measure { amount: part.amount, per: whole.amount })
        };
        let values: Vec<Option<f64>> = periods.list.iter().map(|period| share(period)?.value()).collect();
        let usual = periods.usual_in(&values, periods.pairs().1);
        share_changed(name, share(&a.period)?, share(&b.period)?, usual)
    };
    SHARES.into_iter().filter_map(change).collect()
}

/// Losses on the way to each peer that is in both ranges, as its connections count them.
fn losses(a: &Side, b: &Side) -> Vec<Change> {
    let both = a.losses.iter().filter_map(|(peer, was)| Some((peer, *was, *b.losses.get(peer)?)));
    both.filter_map(|(peer, was, is)| share_changed(&format!("lost → {peer}"), was, is, Usual::default())).collect()
}

fn share_changed(name: &str, was: Measure, is: Measure, usual: Usual) -> Option<Change> {
    let values = (was.value()?, is.value()?);
    let change = Change::number(Kind::Share, name, values, (usual, chance_of_shares(was, is)));
    (values != (0.0, 0.0)).then_some(change)
}

/// The names that stand in one of two maps.
fn union<'a, A, B>(a: &'a BTreeMap<String, A>, b: &'a BTreeMap<String, B>) -> Vec<&'a String> {
    a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect()
}
