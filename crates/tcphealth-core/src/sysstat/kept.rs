//! Counters by the kernel's names → the items of activities: a recording told as sysstat would have kept it.

use std::collections::{BTreeMap, HashMap};

use super::activity::{Activity, DUPLEX, SPEED};
use super::items::Items;
use super::live::{DEV_COLUMNS, EDEV_COLUMNS, File, counters, file};
use super::past::{CPU_NAMES, DEV_NAMES};
use crate::snapshot::Interface;

/// Where a counter stands among the items of some activities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    activity: usize,
    item: usize,
    column: usize,
}

impl Place {
    /// Which of the activities it belongs to.
    pub fn activity(self) -> usize {
        self.activity
    }
}

/// Finds the places of counters.
#[derive(Debug)]
pub struct Places {
    activities: Vec<&'static Activity>,
    fixed: HashMap<String, Place>,
    links: Vec<String>,
}

impl Places {
    /// Of the counters of these activities.
    pub fn new(activities: &[&'static Activity]) -> Self {
        let mut fixed = HashMap::new();
        for (activity, known) in activities.iter().enumerate() {
            let (prefix, names) = counters(known.keyword);
            for (column, name) in names.split_whitespace().enumerate() {
                fixed.insert(format!("{prefix}{name}"), Place { activity, item: 0, column });
            }
        }
        Self { activities: activities.to_vec(), fixed, links: Vec::new() }
    }

    /// The place of a counter; `None` when none of the activities has it.
    pub fn of(&mut self, counter: &str) -> Option<Place> {
        if let Some(of_link) = counter.strip_prefix("dev.") {
            return self.of_link(of_link);
        }
        match counter.strip_prefix("softnet.cpu") {
            Some(of_cpu) => self.of_cpu(of_cpu),
            None => self.fixed.get(counter).copied(),
        }
    }

    fn of_link(&mut self, counter: &str) -> Option<Place> {
        let (name, column) = counter.rsplit_once('.')?;
        let stored = DEV_NAMES.iter().position(|known| *known == column)?;
        let find = |columns: &[usize]| columns.iter().position(|known| *known == stored);
        let (has_speed, column) = match find(&DEV_COLUMNS) {
            Some(column) => (true, column),
            None => (false, find(&EDEV_COLUMNS)?),
        };
        let is_it =
            |activity: &&'static Activity| file(activity) == Some(File::Dev) && activity.has_speed() == has_speed;
        let activity = self.activities.iter().position(is_it)?;
        let item = self.links.iter().position(|known| known == name).unwrap_or_else(|| {
            self.links.push(name.to_owned());
            self.links.len() - 1
        });
        Some(Place { activity, item, column })
    }

    fn of_cpu(&self, counter: &str) -> Option<Place> {
        let (cpu, column) = counter.split_once('.')?;
        let activity = self.activities.iter().position(|activity| file(activity) == Some(File::Softnet))?;
        let column = CPU_NAMES.iter().position(|known| *known == column)?;
        // Item 0 is the sum, which is not stored.
        Some(Place { activity, item: cpu.parse::<usize>().ok()? + 1, column })
    }

    /// The items of every activity; `None` for one of which nothing was kept.
    pub fn items(&self, values: &[(Place, u64)], links: &[Interface]) -> Vec<Option<Items>> {
        let mut rows: BTreeMap<(usize, usize), Vec<(usize, u64)>> = BTreeMap::new();
        for (place, value) in values {
            let rank = self.rank(*place, links);
            rows.entry((place.activity, rank)).or_default().push((place.column, *value));
        }
        let mut all: Vec<Option<Items>> = vec![None; self.activities.len()];
        for ((place, rank), columns) in rows {
            let (Some(slot), Some(activity)) = (all.get_mut(place), self.activities.get(place)) else { continue };
            let items = slot.get_or_insert_with(|| Items::none(activity));
            fill(self.push(activity, items, (rank, links)), &columns);
        }
        all
    }

    /// In which order an item comes: links in that of the kernel.
    fn rank(&self, place: Place, links: &[Interface]) -> usize {
        let is_link = self.activities.get(place.activity).is_some_and(|activity| file(activity) == Some(File::Dev));
        let name = self.links.get(place.item).filter(|_| is_link);
        let known = name.and_then(|name| links.iter().position(|link| link.name == *name));
        if is_link { known.unwrap_or(links.len() + place.item) } else { place.item }
    }

    fn push<'a>(
        &self,
        activity: &Activity,
        items: &'a mut Items,
        (rank, links): (usize, &[Interface]),
    ) -> &'a mut [u64] {
        match file(activity) {
            Some(File::Dev) => {
                let link = links.get(rank);
                let unknown = || self.links.get(rank - links.len()).map_or("", String::as_str);
                let row = items.push(link.map_or_else(unknown, |link| link.name.as_str()).as_bytes());
                if let Some(link) = link.filter(|_| activity.has_speed()) {
                    fill(row, &[(SPEED, link.speed_mbit_per_second.unwrap_or(0).into()), (DUPLEX, duplex(link))]);
                }
                row
            }
            Some(File::Softnet) => {
                items.grow_to(rank + 1);
                items.row_mut(rank)
            }
            _ => items.push(&[]),
        }
    }
}

/// 2 full, 1 half, 0 unknown.
fn duplex(link: &Interface) -> u64 {
    match link.duplex.as_deref() {
        Some("full") => 2,
        Some("half") => 1,
        _ => 0,
    }
}

fn fill(row: &mut [u64], columns: &[(usize, u64)]) {
    for (column, value) in columns {
        if let Some(slot) = row.get_mut(*column) {
            *slot = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysstat::activity::by_keyword;

    fn told(keyword: &str, counters: &[(&str, u64)], links: &[Interface]) -> Option<Items> {
        let mut places = Places::new(&[by_keyword(keyword).unwrap()]);
        let values: Vec<(Place, u64)> =
            counters.iter().filter_map(|(name, value)| Some((places.of(name)?, *value))).collect();
        places.items(&values, links).pop().unwrap()
    }

    // The order of columns is that of `man sar`: active/s passive/s iseg/s oseg/s; rxpck/s txpck/s rxkB/s …
    #[test]
    fn counters_stand_in_the_columns_of_their_reports() {
        let counters = [("Tcp.OutSegs", 4), ("Tcp.ActiveOpens", 1), ("Tcp.InErrs", 9), ("Tcp.InSegs", 3)];
        assert_eq!(told("TCP", &counters, &[]).unwrap().row(0), [1, 0, 3, 4]);
        assert_eq!(told("ETCP", &counters, &[]).unwrap().row(0)[3], 9);
        assert_eq!(told("IP", &counters, &[]), None);
    }

    #[test]
    fn links_come_in_the_order_of_the_kernel_and_those_it_has_lost_behind() {
        let link = |name: &str, speed| Interface {
            name: name.into(),
            speed_mbit_per_second: speed,
            duplex: Some("full".into()),
            ..Interface::default()
        };
        let counters =
            [("dev.gone.rx_packets", 7), ("dev.a.b.rx_packets", 1), ("dev.lo.tx_bytes", 2), ("dev.lo.rx_errs", 3)];
        let items = told("DEV", &counters, &[link("lo", None), link("a.b", Some(1000))]).unwrap();
        assert_eq!([items.name(0), items.name(1), items.name(2)], [&b"lo"[..], b"a.b", b"gone"]);
        assert_eq!((items.row(0)[3], items.row(1)[0], items.row(2)[0]), (2, 1, 7));
        assert_eq!((items.row(1)[SPEED], items.row(1)[DUPLEX]), (1000, 2));
    }

    #[test]
    fn a_cpu_is_one_item_further_on() {
        let counters = [("softnet.cpu1.dropped", 5), ("softnet.dropped", 5)];
        let items = told("SOFT", &counters, &[]).unwrap();
        assert_eq!((items.len(), items.row(2)[1]), (3, 5));
    }
}
