//! Two readings of an activity → what is printed of them: rates, gauges, and the spikes sysstat is known for.
//!
//! Source: `S_VALUE` in `common.h`, `compute_ifutil()` in `common.c`, `check_net_dev_reg()`, `check_net_edev_reg()` and
//! `get_global_soft_statistics()` in `sa_common.c`. A counter that went back is not caught here but told.

use super::activity::{Activity, CPUS_MAX, DUPLEX, ItemKind, Kind, SPEED, Width};
use super::items::{Items, VALUES_MAX};

/// Which items are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only interfaces with these names; all when there is no list.
    pub interfaces: Option<Vec<Vec<u8>>>,
    /// Which CPUs.
    pub cpus: Cpus,
    /// Everything is compared with nothing: a report since boot.
    pub since_boot: bool,
}

/// Which CPUs are wanted; item 0 is the sum over all of them.
#[derive(Clone, Debug)]
pub enum Cpus {
    /// Every CPU and the sum.
    All,
    /// These items.
    These(std::collections::BTreeSet<u32>),
}

impl Default for Cpus {
    fn default() -> Self {
        Self::These(std::iter::once(0).collect())
    }
}

impl Cpus {
    /// Whether an item is wanted.
    pub fn holds(&self, item: usize) -> bool {
        match self {
            Self::All => true,
            Self::These(items) => u32::try_from(item).is_ok_and(|item| items.contains(&item)),
        }
    }

    /// How many lines a reader counts for them: the bits of its map, of which `ALL` sets every one.
    pub fn bits(&self) -> u64 {
        match self {
            Self::All => u64::from(CPUS_MAX) + 8,
            Self::These(items) => items.len() as u64,
        }
    }
}

/// The name of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label<'a> {
    /// There is only one.
    One,
    /// An interface or a Fibre Channel host.
    Name(&'a [u8]),
    /// The sum over all CPUs.
    AllCpus,
    /// A CPU.
    Cpu(usize),
}

/// An item with its values before and now.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Its name.
    pub label: Label<'a>,
    /// The values before; zeros for one that was not there or was made anew.
    pub old: &'a [u64],
    /// The values now.
    pub new: &'a [u64],
    /// It was not there before, or counts from zero again.
    pub fresh: bool,
    /// A counter is lower than before: what is printed is not a rate.
    pub went_back: bool,
}

static ZEROS: [u64; VALUES_MAX] = [0; VALUES_MAX];

/// Shows every wanted item of `curr` with its values in `prev`.
///
/// A CPU that reports nothing is offline: it keeps in `curr` what it had, so that the next interval starts from there,
/// and its last backlog stays in the sum.
pub fn each_pair(
    activity: &Activity,
    (prev, curr): (&Items, &mut Items),
    wanted: &Wanted,
    show: &mut dyn FnMut(Pair<'_>),
) {
    if activity.item == ItemKind::Cpu {
        return each_cpu(activity, (prev, curr), wanted, show);
    }
    for index in 0..curr.len() {
        let (name, new) = (curr.name(index), curr.row(index));
        let named = activity.item == ItemKind::Interface;
        if named && wanted.interfaces.as_ref().is_some_and(|list| !list.iter().any(|one| one == name)) {
            continue;
        }
        let place = if activity.item == ItemKind::One { Some(0) } else { prev.find(name, index) };
        let before = place.filter(|_| !wanted.since_boot).map(|place| prev.row(place)).filter(|row| !row.is_empty());
        let went_back = before.is_some_and(|old| decreased(activity, old, new));
        let old = before.filter(|old| !(named && made_anew(activity, old, new)));
        let label = if activity.item == ItemKind::One { Label::One } else { Label::Name(name) };
        show(Pair { label, old: old.unwrap_or(&ZEROS), new, fresh: old.is_none(), went_back });
    }
}

fn each_cpu(activity: &Activity, (prev, curr): (&Items, &mut Items), wanted: &Wanted, show: &mut dyn FnMut(Pair<'_>)) {
    let mut sums = [[0_u64; VALUES_MAX]; 2];
    let mut online = vec![false; curr.len()];
    for (index, online) in online.iter_mut().enumerate().skip(1) {
        let old = if wanted.since_boot { &ZEROS } else { prev.row(index) };
        if !wanted.since_boot && old.iter().all(|&value| value == 0) {
            continue;
        }
        *online = curr.row(index).iter().any(|&value| value != 0);
        if !*online {
            curr.row_mut(index).copy_from_slice(old.get(..activity.values()).unwrap_or_default());
        }
        for (sum, row) in sums.iter_mut().zip([old, curr.row(index)]) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum = (*sum + value) & u64::from(u32::MAX));
        }
    }
    let [old_sum, new_sum] = &sums;
    let width = activity.values();
    for index in (0..curr.len()).filter(|&index| wanted.cpus.holds(index)) {
        let (label, old, new) = match index {
            0 => (Label::AllCpus, old_sum.get(..width), new_sum.get(..width)),
            _ if online.get(index) != Some(&true) => continue,
            _ if wanted.since_boot => (Label::Cpu(index - 1), Some(&ZEROS[..]), Some(curr.row(index))),
            _ => (Label::Cpu(index - 1), Some(prev.row(index)), Some(curr.row(index))),
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        show(Pair { label, old, new, fresh: false, went_back: decreased(activity, old, new) });
    }
}

/// Whether any counter is lower than before; gauges may be.
fn decreased(activity: &Activity, old: &[u64], new: &[u64]) -> bool {
    let counters = activity.columns.iter().map(|column| matches!(column.kind, Kind::Rate | Kind::KiloRate));
    counters.zip(old.iter().zip(new)).any(|(counter, (old, new))| counter && new < old)
}

/// Whether sysstat takes an interface for a new one of the same name.
fn made_anew(activity: &Activity, old: &[u64], new: &[u64]) -> bool {
    if !activity.has_speed() {
        // Receive errors, the first column, are the one counter that is not looked at.
        return decreased(activity, &[&[0], old.get(1..).unwrap_or_default()].concat(), new);
    }
    let wrapped = |counter: usize, other: usize| {
        let value = |row: &[u64], index: usize| row.get(index).copied().unwrap_or(0);
        let high = value(old, counter) > u64::MAX / 2;
        high && value(new, counter) < value(old, counter) && value(new, other) > value(old, other)
    };
    let [rx_packets, tx_packets, rx_bytes, tx_bytes] = [0, 1, 2, 3];
    let overflow = wrapped(rx_bytes, rx_packets)
        || wrapped(tx_bytes, tx_packets)
        || wrapped(rx_packets, rx_bytes)
        || wrapped(tx_packets, tx_bytes);
    decreased(activity, old, new) && !overflow
}

/// The interval between two uptimes in hundredths of a second; never zero, and a wrap if time went back.
pub fn interval_cs(before: u64, now: u64) -> u64 {
    match now.wrapping_sub(before) {
        0 => 1,
        interval => interval,
    }
}

/// What the columns show: rates per second, the value of a gauge, the use of a link in percent.
///
/// `S_VALUE`: growth / interval in hundredths × 100. Bytes stay bytes here.
pub fn figures(activity: &Activity, pair: &Pair<'_>, interval_cs: u64) -> [f64; VALUES_MAX] {
    let mut shown = [0.0; VALUES_MAX];
    let values = pair.old.iter().zip(pair.new);
    for ((column, (&old, &new)), figure) in activity.columns.iter().zip(values).zip(&mut shown) {
        *figure = match column.kind {
            Kind::Rate | Kind::KiloRate => rate(activity.width, (old, new), interval_cs),
            Kind::Gauge => new as f64,
            Kind::Utilisation => continue,
        };
    }
    if activity.has_speed() {
        let [_, _, rx, tx, _, _, _, utilised, ..] = &mut shown;
        let value = |index: usize| pair.new.get(index).copied().unwrap_or(0);
        *utilised = utilisation(*rx, *tx, value(SPEED), value(DUPLEX));
    }
    shown
}

fn rate(width: Width, (old, new): (u64, u64), interval_cs: u64) -> f64 {
    let growth = match width {
        Width::U32 => u64::from((new as u32).wrapping_sub(old as u32)),
        Width::U64 | Width::Long => new.wrapping_sub(old),
    };
    growth as f64 / interval_cs as f64 * 100.0
}

/// `%ifutil`: the busier direction of a full-duplex link, both directions of any other, of its speed in Mbit/s.
fn utilisation(rx_bytes: f64, tx_bytes: f64, speed_mbit: u64, duplex: u64) -> f64 {
    if speed_mbit == 0 {
        return 0.0;
    }
    let used = if duplex == 2 { rx_bytes.max(tx_bytes) } else { rx_bytes + tx_bytes };
    used * 800.0 / (speed_mbit as f64 * 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysstat::activity::by_keyword;

    fn pairs(keyword: &str, prev: &Items, curr: &mut Items, wanted: &Wanted) -> Vec<(Vec<u64>, Vec<u64>, bool, bool)> {
        let mut seen = Vec::new();
        let activity = by_keyword(keyword).unwrap();
        each_pair(activity, (prev, curr), wanted, &mut |pair| {
            seen.push((pair.old.to_vec(), pair.new.to_vec(), pair.fresh, pair.went_back));
        });
        seen
    }

    fn items(keyword: &str, rows: &[(&str, &[u64])]) -> Items {
        let mut items = Items::none(by_keyword(keyword).unwrap());
        for (name, values) in rows {
            items.push(name.as_bytes())[..values.len()].copy_from_slice(values);
        }
        items
    }

    /// 35 events in 1.01 s are 34.65 a second: the resolution of the clock is 10 ms.
    #[test]
    fn rates_follow_the_uptime() {
        let udp = by_keyword("UDP").unwrap();
        let pair = Pair { label: Label::One, old: &[5, 0, 0, 0], new: &[40, 0, 0, 0], fresh: false, went_back: false };
        assert!((figures(udp, &pair, 101)[0] - 34.653_465_346).abs() < 1e-6);
    }

    /// 9 765.625 kB/s over 10 Mbit/s at full duplex is 800 %: 10 000 000 bytes × 8 / 10 000 000.
    #[test]
    fn the_use_of_a_link_is_not_capped() {
        assert!((utilisation(1e6, 1e7, 10, 2) - 800.0).abs() < 1e-9);
        assert!((utilisation(1e6, 1e7, 10, 1) - 880.0).abs() < 1e-9);
        assert!(utilisation(1e6, 1e7, 0, 2).abs() < f64::EPSILON);
    }

    #[test]
    fn a_32_bit_counter_wraps_and_a_64_bit_one_shows_garbage() {
        assert!((rate(Width::U32, (u64::from(u32::MAX), 6), 100) - 7.0).abs() < 1e-9);
        assert!((rate(Width::Long, (1, 0), 100) - 18_446_744_073_709_551_616.0).abs() < 1.0);
    }

    #[test]
    fn an_interface_that_counts_from_zero_again_shows_its_whole_counters() {
        let prev = items("DEV", &[("eth0", &[100, 100, 100, 100])]);
        let mut curr = items("DEV", &[("eth0", &[5, 100, 100, 100])]);
        let seen = pairs("DEV", &prev, &mut curr, &Wanted::default());
        assert_eq!((seen[0].0[0], seen[0].2, seen[0].3), (0, true, true));
    }

    #[test]
    fn a_byte_counter_that_wraps_while_packets_grow_is_not_a_new_interface() {
        let prev = items("DEV", &[("eth0", &[100, 100, u64::MAX - 10, 100])]);
        let mut curr = items("DEV", &[("eth0", &[101, 100, 89, 100])]);
        let seen = pairs("DEV", &prev, &mut curr, &Wanted::default());
        assert_eq!((seen[0].0[2], seen[0].2), (u64::MAX - 10, false));
    }

    #[test]
    fn receive_errors_that_go_back_do_not_make_an_interface_new() {
        let prev = items("EDEV", &[("lo", &[9, 1])]);
        let mut curr = items("EDEV", &[("lo", &[8, 1])]);
        let seen = pairs("EDEV", &prev, &mut curr, &Wanted::default());
        assert_eq!((seen[0].2, seen[0].3), (false, true));
        let mut curr = items("EDEV", &[("lo", &[9, 0])]);
        assert!(pairs("EDEV", &prev, &mut curr, &Wanted::default())[0].2);
    }

    #[test]
    fn an_offline_cpu_is_left_out_and_keeps_its_counters() {
        let prev = items("SOFT", &[("", &[]), ("", &[10, 0]), ("", &[20, 0]), ("", &[0, 0])]);
        let mut curr = items("SOFT", &[("", &[]), ("", &[13, 0]), ("", &[0, 0]), ("", &[7, 0])]);
        let seen = pairs("SOFT", &prev, &mut curr, &Wanted { cpus: Cpus::All, ..Wanted::default() });
        assert_eq!(seen.iter().map(|pair| (pair.0[0], pair.1[0])).collect::<Vec<_>>(), [(30, 33), (10, 13)]);
        assert_eq!(curr.row(2)[0], 20);
    }

    #[test]
    fn a_host_adapter_that_is_new_counts_from_zero() {
        let prev = items("FC", &[("host0", &[10])]);
        let mut curr = items("FC", &[("host1", &[4]), ("host0", &[12])]);
        let seen = pairs("FC", &prev, &mut curr, &Wanted::default());
        assert_eq!((seen[0].0[0], seen[1].0[0]), (0, 10));
    }
}
