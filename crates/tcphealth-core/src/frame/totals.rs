//! Ten minutes of looks → one row that sums them up, so that weeks can be compared without reading every second of them.
//!
//! What it keeps is the kernel's: a counter as it stood at the end; a gauge, the sockets in a state and the sockets of a service
//! in a state as the sum over the looks, with their number. A service without a socket is not in it.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::leaves::Leaf;
use crate::catalog::{Kind, entry};
use crate::snapshot::{Census, Counters, ServiceKey, State, StateCounts};

/// Time that a row sums up, µs.
pub const PERIOD_US: u64 = 600_000_000;
/// Services of a row: the largest.
const SERVICES_MAX: usize = 64;
/// Services that are summed at most; more have come and gone in one period than anybody could compare.
const SERVICES_SUMMED_MAX: usize = 4096;

/// What connections serve, in the words of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// All of the namespace.
    All,
    /// A listener here, `0.0.0.0:8080`.
    Listener(String),
    /// From our address to a destination, `192.0.2.1 → 192.0.2.9:5432`.
    Destination(String),
}

impl From<&ServiceKey> for Place {
    fn from(key: &ServiceKey) -> Self {
        match key {
            ServiceKey::Listener(local) => Self::Listener(local.to_string()),
            ServiceKey::Destination { source, destination } => Self::Destination(format!("{source} → {destination}")),
        }
    }
}

/// What a number is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// A counter by the kernel's name: only its growth means something.
    Counter(String),
    /// A gauge by the kernel's name.
    Gauge(String),
    /// Sockets in a state.
    Sockets(Place, State),
}

// The names of entities.
const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";
const ALL: &str = "sockets";
const LISTENER: &str = "listener ";
const DESTINATION: &str = "destination ";
const LOOKS: &str = "looks";

impl Place {
    fn entity(&self) -> String {
        match self {
            Self::All => ALL.to_owned(),
            Self::Listener(local) => format!("{LISTENER}{local}"),
            Self::Destination(destination) => format!("{DESTINATION}{destination}"),
        }
    }

    fn of(entity: &str) -> Option<Self> {
        let listener = |local: &str| Self::Listener(local.to_owned());
        let destination = || entity.strip_prefix(DESTINATION).map(|text| Self::Destination(text.to_owned()));
        match entity {
            ALL => Some(Self::All),
            _ => entity.strip_prefix(LISTENER).map(listener).or_else(destination),
        }
    }
}

impl Quantity {
    /// A counter or a gauge, as the catalogue says; what it does not know grows.
    pub fn named(name: &str) -> Self {
        match entry(name) {
            Some(entry) if entry.kind == Kind::Gauge => Self::Gauge(name.to_owned()),
            _ => Self::Counter(name.to_owned()),
        }
    }

    /// What a leaf of a row is of; `None` for the number of looks, and for what a later release may add.
    pub fn of(entity: &str, field: &str) -> Option<Self> {
        match entity {
            COUNTER => Some(Self::Counter(field.to_owned())),
            GAUGE => Some(Self::Gauge(field.to_owned())),
            _ => {
                let state = State::ALL.into_iter().find(|state| state.name() == field)?;
                Some(Self::Sockets(Place::of(entity)?, state))
            }
        }
    }
}

/// The looks of a row at gauges and at sockets, when the leaf is one of these two numbers.
pub fn looks_of(entity: &str, field: &str) -> Option<Looks> {
    match (entity, field) {
        (LOOKS, GAUGE) => Some(Looks::Gauges),
        (LOOKS, ALL) => Some(Looks::Sockets),
        _ => None,
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// The gauges.
    Gauges,
    /// The sockets.
    Sockets,
}

/// A row while it grows.
#[derive(Debug, Default)]
pub struct Totals {
    looks: u64,
    /// The sum of each gauge; `None` for what is a counter.
    gauges: HashMap<Box<str>, Option<u64>>,
    looks_at_sockets: u64,
    states: [u64; State::ALL.len()],
    services: HashMap<ServiceKey, [u64; State::ALL.len()]>,
}

impl Totals {
    /// Adds a look; without a census when the sockets could not be read.
    pub fn add(&mut self, counters: &Counters, census: Option<&Census>) {
        self.looks += 1;
        for (name, value) in counters.iter() {
            if !self.gauges.contains_key(name) {
                let is_gauge = matches!(Quantity::named(name), Quantity::Gauge(_));
                self.gauges.insert(name.into(), is_gauge.then_some(0));
            }
            if let Some(Some(sum)) = self.gauges.get_mut(name) {
                *sum = sum.wrapping_add(value);
            }
        }
        let Some(census) = census else { return };
        self.looks_at_sockets += 1;
        add(&mut self.states, &census.states);
        for service in &census.services {
            if self.services.len() < SERVICES_SUMMED_MAX || self.services.contains_key(&service.key) {
                add(self.services.entry(service.key).or_default(), &service.states);
            }
        }
    }

    /// Hands on the leaves of the row: entity, field, value. The next row begins.
    pub fn finish(&mut self, counters: &Counters, each: &mut dyn FnMut(&str, &str, Leaf)) {
        let mut number = |entity: &str, field: &str, value| each(entity, field, Leaf::Number(value));
        number(LOOKS, GAUGE, self.looks);
        number(LOOKS, ALL, self.looks_at_sockets);
        for (name, value) in counters.iter() {
            match self.gauges.get(name) {
                Some(Some(sum)) => number(GAUGE, name, *sum),
                _ => number(COUNTER, name, value),
            }
        }
        let mut sockets = |entity: &str, sums: &[u64]| {
            let set = State::ALL.iter().zip(sums).filter(|(_, sum)| **sum > 0);
            set.for_each(|(state, sum)| number(entity, state.name(), *sum));
        };
        sockets(ALL, &self.states);
        let mut services: Vec<_> = self.services.drain().collect();
        services.sort_unstable_by_key(|(key, sums)| (Reverse(sums.iter().sum::<u64>()), *key));
        for (key, sums) in services.iter().take(SERVICES_MAX) {
            sockets(&Place::from(key).entity(), sums);
        }
        (self.looks, self.looks_at_sockets, self.states) = Default::default();
        for sum in self.gauges.values_mut().flatten() {
            *sum = 0;
        }
    }
}

fn add(sums: &mut [u64], states: &StateCounts) {
    for (sum, state) in sums.iter_mut().zip(State::ALL) {
        *sum += u64::from(states.get(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Endpoint, Service};
    use std::collections::BTreeMap;

    fn look(retrans: u64, orphans: u64, close_wait: u32) -> (Counters, Census) {
        let counters =
            Counters::from_pairs([("Tcp.RetransSegs", retrans), ("TCP.orphan", orphans), ("X.new", retrans)]);
        let mut census = Census::default();
        let local = Endpoint { address: [0, 0, 0, 0].into(), port: 8080 };
        let mut service = Service::new(ServiceKey::Listener(local));
        service.states.set(State::CloseWait, close_wait);
        census.states.set(State::CloseWait, close_wait);
        census.services.push(service);
        (counters, census)
    }

    fn leaves(totals: &mut Totals, counters: &Counters) -> BTreeMap<(String, String), u64> {
        let mut leaves = BTreeMap::new();
        totals.finish(counters, &mut |entity, field, leaf| {
            let Leaf::Number(number) = leaf else { panic!("{entity} {field} is a word") };
            leaves.insert((entity.to_owned(), field.to_owned()), number);
        });
        leaves
    }

    #[test]
    fn counters_stand_as_they_are_and_the_rest_is_summed() {
        let mut totals = Totals::default();
        let looks = [look(100, 7, 2), look(104, 9, 0), look(110, 0, 3)];
        for (counters, census) in &looks {
            totals.add(counters, Some(census));
        }
        totals.add(&looks[2].0, None);
        let row = leaves(&mut totals, &looks[2].0);
        let quantity = |(entity, field): &(String, String)| Some((Quantity::of(entity, field)?, 0));
        let listener = Place::Listener("0.0.0.0:8080".into());
        let expected = [
            (Quantity::Counter("Tcp.RetransSegs".into()), 110),
            (Quantity::Counter("X.new".into()), 110),
            (Quantity::Gauge("TCP.orphan".into()), 16),
            (Quantity::Sockets(Place::All, State::CloseWait), 5),
            (Quantity::Sockets(listener, State::CloseWait), 5),
        ];
        let read = row.iter().filter_map(|(names, value)| Some((quantity(names)?.0, *value)));
        assert_eq!(read.collect::<BTreeMap<_, _>>(), BTreeMap::from(expected));
        let counts: Vec<_> =
            row.iter().filter_map(|((entity, field), value)| Some((looks_of(entity, field)?, *value))).collect();
        assert_eq!(counts, [(Looks::Gauges, 4), (Looks::Sockets, 3)]);
        let next = leaves(&mut totals, &looks[0].0);
        assert_eq!(next[&(GAUGE.to_owned(), "TCP.orphan".to_owned())], 0);
        assert!(!next.contains_key(&("listener 0.0.0.0:8080".to_owned(), "CLOSE_WAIT".to_owned())));
    }

    #[test]
    fn the_largest_services_stay() {
        let mut totals = Totals::default();
        let mut census = Census::default();
        for port in 1..=100_u16 {
            let address = [192, 0, 2, 1].into();
            let key = ServiceKey::Destination { source: address, destination: Endpoint { address, port } };
            let mut service = Service::new(key);
            service.states.set(State::Established, u32::from(port));
            census.services.push(service);
        }
        totals.add(&Counters::default(), Some(&census));
        let row = leaves(&mut totals, &Counters::default());
        let ports = row.iter().filter(|((entity, _), _)| entity.starts_with(DESTINATION)).map(|(_, sockets)| *sockets);
        assert_eq!(ports.clone().count(), 64);
        assert_eq!(ports.min(), Some(37));
    }
}
