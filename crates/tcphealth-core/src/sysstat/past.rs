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

/// Readings of one boot, oldest first.
#[derive(Default)]
struct Boot {
    since: u64,
    readings: VecDeque<(Moment, Vec<Items>)>,
}

/// The snapshots at both ends of the interval that is wished for; the first one is missing when the host was started just
/// before the second. `None` when the file holds no reading at or behind the moment.
///
/// # Errors
/// The file is damaged before the moment; without one, what stands before the damage is taken.
pub fn interval<R: Read>(mut reader: Reader<R>, wish: Wish) -> Result<Option<(Option<Snapshot>, Snapshot)>, Trouble> {
    let reached = |moment: &Moment| wish.at.is_some_and(|at| moment.ust_time >= at);
    let mut boot = Boot { since: reader.header().ust_time, ..Boot::default() };
    let mut before = Boot::default();
    loop {
        match step(&mut reader, &mut boot, wish.window_cs) {
            Ok(Some(Kind::Restart(_))) => {
                let since = boot.since;
                let ended = std::mem::replace(&mut boot, Boot { since, ..Boot::default() });
                before = if ended.readings.len() > 1 { ended } else { before };
            }
            Ok(Some(_)) if boot.readings.back().is_some_and(|(moment, _)| reached(moment)) => break,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(Trouble::Cut) if wish.at.is_none() && boot.readings.len() + before.readings.len() > 1 => break,
            Err(trouble) => return Err(trouble),
        }
    }
    if wish.at.is_none() && boot.readings.len() < 2 && before.readings.len() > 1 {
        boot = before;
    }
    let last = boot.readings.pop_back().filter(|(moment, _)| wish.at.is_none() || reached(moment));
    let snapshot = |reading: &(Moment, Vec<Items>)| snapshot(&reader, boot.since, reading);
    Ok(last.map(|last| (boot.readings.front().map(snapshot), snapshot(&last))))
}

/// Reads a record; a reading is kept as long as a window that ends at the newest one may begin with it.
fn step<R: Read>(reader: &mut Reader<R>, boot: &mut Boot, window_cs: u64) -> Result<Option<Kind>, Trouble> {
    let Some((moment, kind)) = reader.advance()? else { return Ok(None) };
    match kind {
        Kind::Restart(_) => boot.since = moment.ust_time,
        Kind::Comment(_) => {}
        Kind::Statistics => {
            let mut sets: Vec<Items> = reader.activities().iter().map(|activity| Items::none(activity)).collect();
            reader.items(&mut sets)?;
            boot.readings.push_back((moment, sets));
            let far =
                |(kept, _): &(Moment, Vec<Items>)| moment.uptime_cs.saturating_sub(kept.uptime_cs) >= window_cs.max(1);
            while boot.readings.get(1).is_some_and(far) {
                boot.readings.pop_front();
            }
        }
    }
    Ok(Some(kind))
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
    let named: Vec<(String, u64)> = match file {
        File::Dev => (0..items.len()).flat_map(|index| of_link(activity, items, index)).collect(),
        File::Softnet => of_cpus(items),
        File::Nfs | File::Nfsd => return None,
        _ => {
            let (prefix, names) = counters(activity.keyword);
            names.split_whitespace().map(|name| format!("{prefix}{name}")).zip(items.row(0).iter().copied()).collect()
        }
    };
    let (names, values): (Vec<String>, Vec<u64>) = named.into_iter().unzip();
    Some(Table { file: file.path(), names: Arc::new(Names::new(names)), values, ..Table::default() })
}

/// The columns of `/proc/net/dev`, in their order.
const DEV_NAMES: [&str; 16] = [
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

/// The counters of every CPU and their sums; item 0, the sum, is not stored.
fn of_cpus(items: &Items) -> Vec<(String, u64)> {
    const NAMES: [&str; 6] = ["processed", "dropped", "time_squeeze", "received_rps", "flow_limit", "backlog_len"];
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for index in 1..items.len() {
        for (name, &value) in NAMES.iter().zip(items.row(index)) {
            *sums.entry(name).or_default() += value;
            all.push((format!("softnet.cpu{}.{name}", index - 1), value));
        }
    }
    all.extend(sums.into_iter().map(|(name, sum)| (format!("softnet.{name}"), sum)));
    all
}

/// `ARPHRD_LOOPBACK` and `ARPHRD_ETHER`.
const LOOPBACK: u16 = 772;
const ETHERNET: u16 = 1;

/// The interfaces of a reading; what sysstat does not keep of them is unknown.
fn interfaces(items: &Items) -> Vec<Interface> {
    let one = |index: usize| {
        let name = String::from_utf8_lossy(items.name(index)).into_owned();
        let value = |place: usize| items.row(index).get(place).copied().unwrap_or(0);
        Interface {
            ifindex: index as u32 + 1,
            link_type: if name == "lo" { LOOPBACK } else { ETHERNET },
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
