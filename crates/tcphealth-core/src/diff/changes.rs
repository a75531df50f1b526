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

#[cfg(test)]
mod tests {
    use super::super::period::{Follower, Value};
    use super::*;
    use crate::frame::block::Moment;
    use crate::report::{Finding, Report, Subject, SubjectKind, Word};
    use crate::snapshot::{Identity, Stamp, State};

    /// An hour of counters that grow evenly, and one look.
    fn side(quantities: &mut Quantities, counters: &[(&str, u64)], close_wait: f64) -> Side {
        let (mut side, mut follower) = (Side::default(), Follower::default());
        for minute in 0..=60 {
            let at = Moment { boot_us: minute * 60_000_000, wall_us: 0 };
            let at = Moment { wall_us: at.boot_us.cast_signed(), ..at };
            let values: Vec<_> = counters
                .iter()
                .map(|(name, grown)| (quantities.number(Quantity::named(name)), Value::Counter(grown * minute / 60)))
                .collect();
            follower.step(at, values, &mut side.period);
        }
        side.period.looks = 1.0;
        let listener = Place::Listener("0.0.0.0:8080".to_owned());
        side.period.add(quantities.number(Quantity::Sockets(listener, State::CloseWait)), close_wait, 0.0);
        side
    }

    fn report(severity: Severity, pid: u32) -> Report {
        let subject = Subject {
            kind: SubjectKind::Process,
            pid: Some(pid),
            comm: Some("web-api".to_owned()),
            ..Subject::default()
        };
        let mut finding = Finding::new(severity, subject, Message::same("it leaks"));
        "close-wait-leak".clone_into(&mut finding.rule);
        Report {
            identity: Identity::default(),
            begin: Stamp::default(),
            end: Stamp::default(),
            seconds: 5.0,
            word: Word::Warning,
            findings: vec![finding],
            checks: Vec::new(),
            unseen: Vec::new(),
            since_boot: false,
            limits_changed: Vec::new(),
            figures: Vec::new(),
        }
    }

    fn named<'a>(changes: &'a [Change], name: &str) -> &'a Change {
        changes.iter().find(|change| change.name == name).unwrap_or_else(|| panic!("no {name}: {changes:?}"))
    }

    #[test]
    fn differences_are_as_by_hand() {
        let mut quantities = Quantities::default();
        let a = side(&mut quantities, &[("Tcp.RetransSegs", 180), ("Tcp.OutSegs", 1_800_000)], 0.0);
        let b = side(&mut quantities, &[("Tcp.RetransSegs", 36_000), ("Tcp.OutSegs", 1_800_000)], 180.0);
        let changes = compare(&a, &b, &quantities, &Periods::default());
        // 180 and 36 000 in 3600 s; of 1.8 million segments.
        let again = named(&changes, "Tcp.RetransSegs");
        assert_eq!((&again.a, &again.b), (&Worth::Number(0.05), &Worth::Number(10.0)));
        let share = named(&changes, "Tcp.RetransSegs / Tcp.OutSegs");
        assert_eq!((&share.a, &share.b), (&Worth::Number(0.0001), &Worth::Number(0.02)));
        // Without history: s² = (180/6)² + 1 + (0 + 180)/2.
        let sockets = named(&changes, "CLOSE_WAIT 0.0.0.0:8080");
        assert!((sockets.z.unwrap() - 180.0 / 991.0_f64.sqrt()).abs() < 1e-9, "{sockets:?}");
        assert!([again, share, sockets].iter().all(|change| change.is_unusual()));
        assert!(!named(&changes, "Tcp.OutSegs").is_unusual());
        assert!(compare(&a, &a, &quantities, &Periods::default()).iter().all(|change| !change.is_unusual()));
    }

    #[test]
    fn verdicts_stand_first_and_settings_before_numbers() {
        let mut quantities = Quantities::default();
        let (mut a, mut b) = (side(&mut quantities, &[], 0.0), side(&mut quantities, &[], 500.0));
        a.judge(&report(Severity::Info, 1));
        b.judge(&report(Severity::Critical, 2));
        let set = |value: &str| [("net.ipv4.tcp_tw_reuse".to_owned(), Ok(value.to_owned()))].into();
        (a.settings, b.settings) = (set("2"), set("1"));
        a.settings.insert("net.ipv4.tcp_mem".to_owned(), Err(Absent::NotPermitted("root".to_owned())));
        b.settings.insert("net.ipv4.tcp_mem".to_owned(), Ok("1\t2\t3".to_owned()));
        let changes = compare(&a, &b, &quantities, &Periods::default());
        let told: Vec<(Kind, &str)> = changes.iter().map(|change| (change.kind, change.name.as_str())).collect();
        // A program that was started again is the same; a setting that could not be read is not known to have changed.
        let expected = [
            (Kind::Finding, "close-wait-leak@pid:2"),
            (Kind::Setting, "net.ipv4.tcp_tw_reuse"),
            (Kind::Sockets, "CLOSE_WAIT 0.0.0.0:8080"),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (&changes[0].a, &changes[0].b),
            (&Worth::Seen(Severity::Info, 1, 1), &Worth::Seen(Severity::Critical, 1, 1))
        );
    }

    #[test]
    fn what_only_one_range_knows_is_not_compared() {
        let mut quantities = Quantities::default();
        let (a, b) = (side(&mut quantities, &[], 0.0), side(&mut quantities, &[("dev.eth1.rx_bytes", 5_000_000)], 0.0));
        assert!(compare(&a, &b, &quantities, &Periods::default()).is_empty());
    }
}
