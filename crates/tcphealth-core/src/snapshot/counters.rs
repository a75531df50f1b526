//! The open map of counters: what the kernel printed, by the kernel's names, whether we know them or not.

use std::collections::HashMap;
use std::sync::Arc;

use super::Absent;
use crate::catalog::{Counter, Kind, entry};

/// The names of one table, found once and shared by all its samples.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    list: Vec<Box<str>>,
    index: HashMap<Box<str>, usize>,
}

impl Names {
    /// Names in the order of their values. A name that comes twice keeps its first place.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let list: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        let mut index = HashMap::with_capacity(list.len());
        for (place, name) in list.iter().enumerate() {
            index.entry(name.clone()).or_insert(place);
        }
        Self { list, index }
    }

    /// The names in the order of their values.
    pub fn list(&self) -> &[Box<str>] {
        &self.list
    }
}

/// One file of the kernel: its names, its values, when it was read, or why it was not.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The file, relative to `/proc`: `net/snmp`.
    pub file: &'static str,
    /// The names.
    pub names: Arc<Names>,
    /// The values, in the order of the names. The few signed ones (`Tcp.MaxConn`) stand in two's complement.
    pub values: Vec<u64>,
    /// `CLOCK_BOOTTIME` when it was read, ns.
    pub read_ns: u64,
    /// Why there is nothing.
    pub absent: Option<Absent>,
}

impl Table {
    /// The files under `/proc` that are read, by the name their table has.
    pub const FILES: [&'static str; 10] = [
        "net/snmp",
        "net/netstat",
        "net/sockstat",
        "net/dev",
        "net/snmp6",
        "net/sockstat6",
        "net/softnet_stat",
        "net/stat/nf_conntrack",
        "sys/net/netfilter/nf_conntrack_count",
        "sys/net/netfilter/nf_conntrack_max",
    ];
    /// The table of the queues of the interfaces, which rtnetlink answers.
    pub const QDISCS: &'static str = "netlink/qdiscs";
    /// The table of the events that programs at the tracepoints count, from when they began to.
    pub const EVENTS: &'static str = "tracepoints";

    /// The value of a name, if this table has it.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.values.get(*self.names.index.get(name)?).copied()
    }
}

/// The tables of one look.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// One a file.
    pub tables: Vec<Table>,
}

impl Counters {
    /// What the kernel said; `None` when it said nothing.
    pub fn get(&self, counter: Counter) -> Option<u64> {
        self.named(counter.0)
    }

    /// As [`Counters::get`], for a name made at run time (`dev.eth0.rx_bytes`).
    pub fn named(&self, name: &str) -> Option<u64> {
        self.tables.iter().find_map(|table| table.get(name))
    }

    /// Every name with its value, file by file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tables
            .iter()
            .flat_map(|table| table.names.list.iter().map(AsRef::as_ref).zip(table.values.iter().copied()))
    }

    /// Sets everything to zero that counts up from zero; gauges stay.
    pub fn restart(&mut self) {
        for table in &mut self.tables {
            for (name, value) in table.names.list.iter().zip(&mut table.values) {
                if entry(name).is_none_or(|entry| entry.kind != Kind::Gauge) {
                    *value = 0;
                }
            }
        }
    }

    /// Takes one counter away, as a kernel without it would; for tests of what a missing counter does.
    pub fn remove(&mut self, name: &str) {
        for table in &mut self.tables {
            let Some(&place) = table.names.index.get(name) else { continue };
            let kept = |at: usize| at != place;
            let list =
                table.names.list.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, name)| name.to_string());
            let names = Names::new(list);
            table.values = table.values.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, v)| *v).collect();
            table.names = Arc::new(names);
        }
    }

    /// Counters from a list, as a test or an import has them.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).unzip();
        Self { tables: vec![Table { names: Arc::new(Names::new(names)), values, ..Table::default() }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_taken_away_is_absent_and_its_neighbours_stay() {
        let mut counters = Counters::from_pairs([("A.x", 1), ("A.y", 2), ("A.z", 3)]);
        counters.remove("A.y");
        assert_eq!([counters.named("A.x"), counters.named("A.y"), counters.named("A.z")], [Some(1), None, Some(3)]);
    }
}
