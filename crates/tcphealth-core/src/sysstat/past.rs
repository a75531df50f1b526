//! Two readings of a file → two snapshots, so that the rules judge what sar's counters allow.
//!
//! Everything that a file of sysstat's cannot hold (sockets, settings, TcpExt) is absent, and the rules that need it are
//! undecided.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;

use super::activity::{Activity, DUPLEX, SPEED};
use super::input::Trouble;
use super::items::Items;
use super::live::{DEV_COLUMNS, EDEV_COLUMNS, File, counters, file};
use super::record::{Kind, Moment, Reader};
use crate::snapshot::{Absent, Counters, Identity, Interface, Names, SYSCTLS, Snapshot, Stamp, Table};

/// Which readings of a file are judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// The interval that holds this moment, seconds since 1970; without it the last one.
    pub at: Option<u64>,
    /// At least so long, hundredths of a second; without it the file's own interval.
    pub window_cs: u64,
}

/// What a file holds of the interval that is wished for.
#[derive(Debug)]
pub struct Found {
    /// The snapshots at both ends of the interval; `None` when the file holds no such interval.
    pub ends: Option<(Snapshot, Snapshot)>,
    /// The times of the file's first and last reading, seconds since 1970.
    pub span: Option<(u64, u64)>,
    /// What is wrong with the file behind the interval.
    pub damage: Option<Trouble>,
}

/// Parts of a window that a reading is kept for: those between its ends say only where a shorter one may begin.
const PARTS: u64 = 60;

/// Readings of one boot, oldest first.
#[derive(Default)]
struct Boot {
    since: u64,
    readings: VecDeque<(Moment, Vec<Items>)>,
}

impl Boot {
    /// Adds a reading and forgets those that no window of that length which ends at the newest one may begin with.
    fn add(&mut self, reading: (Moment, Vec<Items>), window_cs: u64) {
        let now_cs = reading.0.uptime_cs;
        let age = |kept: Option<&(Moment, Vec<Items>)>| kept.and_then(|(at, _)| now_cs.checked_sub(at.uptime_cs));
        if age(self.readings.back()).is_none_or(|age| age == 0) {
            // The host was started and nobody wrote it down.
            self.readings.clear();
        }
        let count = self.readings.len();
        if count > 2 && age(self.readings.get(count - 2)).is_some_and(|age| age < window_cs / PARTS) {
            self.readings.pop_back();
        }
        while age(self.readings.get(1)).is_some_and(|age| age >= window_cs.max(1)) {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    fn ends<R: Read>(&self, reader: &Reader<R>) -> Option<(Snapshot, Snapshot)> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let snapshot = |reading| snapshot(reader, self.since, reading);
        (self.readings.len() > 1).then(|| (snapshot(first), snapshot(last)))
    }
}

/// Finds the interval in a file. A damaged end is told, and what stands before it is taken.
pub fn interval<R: Read>(mut reader: Reader<R>, wish: Wish) -> Found {
    let mut boot = Boot { since: reader.header().ust_time, ..Boot::default() };
    let mut found = Found { ends: None, span: None, damage: None };
    let mut before = None;
    loop {
        match step(&mut reader, &mut boot, wish.window_cs) {
            Ok(Some((moment, Kind::Statistics))) => {
                let now = moment.ust_time;
                found.span = Some((found.span.map_or(now, |(first, _)| first), now));
                let begin = before.replace(now).filter(|_| boot.readings.len() > 1);
                if wish.at.is_some_and(|at| begin.is_some_and(|begin| (begin..=now).contains(&at))) {
                    found.ends = boot.ends(&reader);
                    return found;
                }
            }
            Ok(Some((moment, Kind::Restart(_)))) => {
                found.ends = boot.ends(&reader).or(found.ends);
                boot = Boot { since: moment.ust_time, ..Boot::default() };
            }
            Ok(Some(_)) => {}
            ended => {
                found.damage = ended.err();
                found.ends = boot.ends(&reader).or(found.ends).filter(|_| wish.at.is_none());
                return found;
            }
        }
    }
}

/// Hands on every reading of a file, as far as the file is whole, each with the number of starts of the host before it; returns
/// what is wrong with the file behind the last.
pub fn readings<R: Read>(mut reader: Reader<R>, take: &mut dyn FnMut(Snapshot, usize)) -> Option<Trouble> {
    let mut starts = 0;
    loop {
        let mut boot = Boot { since: reader.header().ust_time, ..Boot::default() };
        match step(&mut reader, &mut boot, 0) {
            Ok(Some((_, Kind::Statistics))) => {
                boot.readings.iter().for_each(|reading| take(snapshot(&reader, boot.since, reading), starts));
            }
            Ok(Some((_, Kind::Restart(_)))) => starts += 1,
            Ok(Some(_)) => {}
            ended => return ended.err(),
        }
    }
}

/// Reads a record, and adds what it holds of readings.
fn step<R: Read>(reader: &mut Reader<R>, boot: &mut Boot, window_cs: u64) -> Result<Option<(Moment, Kind)>, Trouble> {
    let Some((moment, kind)) = reader.advance()? else { return Ok(None) };
    if kind == Kind::Statistics {
        let mut sets: Vec<Items> = reader.activities().iter().map(|activity| Items::none(activity)).collect();
        reader.items(&mut sets)?;
        boot.add((moment, sets), window_cs);
    }
    Ok(Some((moment, kind)))
}

/// What a file of sysstat's does not hold.
const NOT_KEPT: Absent = Absent::NotAsked;

fn snapshot<R: Read>(reader: &Reader<R>, since: u64, (moment, sets): &(Moment, Vec<Items>)) -> Snapshot {
    let header = reader.header();
    let begin_ns = moment.uptime_cs.saturating_mul(10_000_000);
    let with_items = || reader.activities().iter().copied().zip(sets);
    let dev = with_items().find(|(activity, _)| activity.has_speed());
    Snapshot {
        identity: Identity {
            hostname: String::from_utf8_lossy(&header.nodename).into_owned(),
            kernel: String::from_utf8_lossy(&header.release).into_owned(),
            hardware: String::from_utf8_lossy(&header.hardware).into_owned(),
            boot_id: format!("since-{since}"),
            netns: 0,
            first_netns: None,
        },
        at: Stamp {
            begin_ns,
            end_ns: begin_ns,
            wall_ns: (moment.ust_time.min(i64::MAX as u64 / 1_000_000_000) * 1_000_000_000).cast_signed(),
            utc_offset_seconds: 0,
        },
        counters: Counters { tables: with_items().filter_map(|(activity, items)| table(activity, items)).collect() },
        sysctls: SYSCTLS.iter().map(|name| ((*name).to_owned(), Err(NOT_KEPT))).collect(),
        interfaces: dev.map_or(Err(NOT_KEPT), |(_, items)| Ok(interfaces(items))),
        census: Err(NOT_KEPT),
    }
}

/// An activity's items under the names that the kernel's files have for them.
fn table(activity: &'static Activity, items: &Items) -> Option<Table> {
    let file = file(activity)?;
    let counted: Vec<(String, u64)> = match file {
        File::Dev => (0..items.len()).flat_map(|index| of_link(activity, items, index)).collect(),
        File::Softnet => of_cpus(items),
        File::Nfs | File::Nfsd => return None,
        _ => {
            let (prefix, names) = counters(activity.keyword);
            names.split_whitespace().map(|name| format!("{prefix}{name}")).zip(items.row(0).iter().copied()).collect()
        }
    };
    let (names, values): (Vec<String>, Vec<u64>) = counted.into_iter().unzip();
    Some(Table { file: file.path(), names: Arc::new(Names::new(names)), values, ..Table::default() })
}

/// The columns of `/proc/net/dev`, in their order.
pub(super) const DEV_NAMES: [&str; 16] = [
    "rx_bytes",
    "rx_packets",
    "rx_errs",
    "rx_drop",
    "rx_fifo",
    "rx_frame",
    "rx_compressed",
    "rx_multicast",
    "tx_bytes",
    "tx_packets",
    "tx_errs",
    "tx_drop",
    "tx_fifo",
    "tx_colls",
    "tx_carrier",
    "tx_compressed",
];

fn of_link(activity: &Activity, items: &Items, index: usize) -> Vec<(String, u64)> {
    let columns: &[usize] = if activity.has_speed() { &DEV_COLUMNS } else { &EDEV_COLUMNS };
    let name = String::from_utf8_lossy(items.name(index));
    let named = |(&column, &value): (&usize, &u64)| Some((format!("dev.{name}.{}", DEV_NAMES.get(column)?), value));
    columns.iter().zip(items.row(index)).filter_map(named).collect()
}

/// The counters of a CPU, in the order of their columns.
pub(super) const CPU_NAMES: [&str; 6] =
    ["processed", "dropped", "time_squeeze", "received_rps", "flow_limit", "backlog_len"];

/// The counters of every CPU and their sums; item 0, the sum, is not stored. Nothing when no CPU ever processed a packet: then
/// sysstat could not read them and keeps zeros.
fn of_cpus(items: &Items) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for index in 1..items.len() {
        for (name, &value) in CPU_NAMES.iter().zip(items.row(index)) {
            *sums.entry(name).or_default() += value;
            all.push((format!("softnet.cpu{}.{name}", index - 1), value));
        }
    }
    if sums.get("processed").is_none_or(|&processed| processed == 0) {
        return Vec::new();
    }
    all.extend(sums.into_iter().map(|(name, sum)| (format!("softnet.{name}"), sum)));
    all
}

/// `ARPHRD_LOOPBACK` and `ARPHRD_ETHER`.
const LOOPBACK: u16 = 772;
const ETHERNET: u16 = 1;

/// How the kernel, or who makes them as a rule, begins the names of devices whose speed nobody measured.
const VIRTUAL: &[&str] = &["br-", "docker", "dummy", "ifb", "tap", "tun", "veth", "virbr", "vxlan", "wg"];

/// The interfaces of a reading; what sysstat does not keep of them is unknown.
fn interfaces(items: &Items) -> Vec<Interface> {
    let one = |index: usize| {
        let name = String::from_utf8_lossy(items.name(index)).into_owned();
        let value = |place: usize| items.row(index).get(place).copied().unwrap_or(0);
        Interface {
            ifindex: index as u32 + 1,
            link_type: if name == "lo" { LOOPBACK } else { ETHERNET },
            kind: VIRTUAL.iter().find(|kind| name.starts_with(**kind)).map(|kind| (*kind).to_owned()),
            operstate: "unknown".to_owned(),
            speed_mbit_per_second: u32::try_from(value(SPEED)).ok().filter(|&speed| speed > 0),
            duplex: match value(DUPLEX) {
                1 => Some("half".to_owned()),
                2 => Some("full".to_owned()),
                _ => None,
            },
            name,
            ..Interface::default()
        }
    };
    (0..items.len()).map(one).collect()
}
