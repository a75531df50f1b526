//! The parts of a command line that sar and sadf read alike.
//!
//! Source: `parse_sar_opt()`, `parse_sar_n_opt()`, `parse_sa_P_opt()`, `parse_timestamp()` and `parse_sa_devices()` in
//! sysstat's `sa_common.c`. A wrong word means the usage, exit status 1.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use tcphealth_core::sysstat::activity::{Activity, CPUS_MAX, NETWORK, by_keyword};
use tcphealth_core::sysstat::rates::{Cpus, Wanted};
use tcphealth_core::sysstat::walk::Bound;

use crate::when;

/// The command line cannot be understood: the usage is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misused;

/// What is left of a command line.
pub(crate) struct Words<'a> {
    words: &'a [String],
}

impl<'a> Words<'a> {
    /// All of them.
    pub(crate) fn new(words: &'a [String]) -> Self {
        Self { words }
    }

    /// The next word, which stays.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.words.first().map(String::as_str)
    }

    /// The next word.
    pub(crate) fn take(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// The next word, if it can be the name of a file: no option and no number.
    pub(crate) fn take_file(&mut self) -> Option<&'a str> {
        let file = self.peek().filter(|word| !word.starts_with('-') && !is_number(word))?;
        self.take();
        Some(file)
    }

    /// The rest.
    pub(crate) fn rest(&self) -> &'a [String] {
        self.words
    }
}

/// What chooses items and records, for sar and sadf alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Which activities, by their place in the table.
    pub(crate) activities: [bool; 20],
    /// Which CPUs; the sum alone when none is chosen.
    pub(crate) cpus: Option<Cpus>,
    /// Which interfaces.
    pub(crate) interfaces: Option<Vec<Vec<u8>>>,
    /// `-s`.
    pub(crate) start: Option<Bound>,
    /// `-e`.
    pub(crate) end: Option<Bound>,
}

impl Selection {
    /// Whether an activity is selected.
    pub(crate) fn holds(&self, activity: &Activity) -> bool {
        NETWORK.iter().zip(self.activities).any(|(one, selected)| selected && one.id == activity.id)
    }

    /// Which items are wanted.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { interfaces: self.interfaces.clone(), cpus: self.cpus.clone().unwrap_or_default(), since_boot: false }
    }

    /// From when and until when, seconds since 1970, when the day begins at this midnight.
    pub(crate) fn range(&self, midnight: u64) -> (u64, Option<u64>) {
        let second = |bound| match bound {
            Bound::Epoch(epoch) => epoch,
            Bound::Clock(seconds) => midnight.saturating_add(u64::from(seconds)),
        };
        (self.start.map_or(midnight, second), self.end.map(second))
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        !self.activities.contains(&true)
    }

    /// The keywords behind `-n`; selections add up.
    pub(crate) fn add_keywords(&mut self, list: &str) -> Result<(), Misused> {
        for keyword in list.split(',').filter(|keyword| !keyword.is_empty()) {
            let named = by_keyword(keyword);
            if named.is_none() && keyword != "ALL" {
                return Err(Misused);
            }
            for (activity, selected) in NETWORK.iter().zip(&mut self.activities) {
                *selected |= named.is_none_or(|named| named.id == activity.id);
            }
        }
        Ok(())
    }

    /// Everything that is told here, `-A`.
    pub(crate) fn add_all(&mut self) {
        self.activities = [true; 20];
        self.cpus = Some(Cpus::All);
    }

    /// The CPUs behind `-P`: `ALL` alone for everything, else numbers, ranges, `all` for the sum; lists add up.
    pub(crate) fn add_cpus(&mut self, list: &str) -> Result<(), Misused> {
        if list == "ALL" {
            self.cpus = Some(Cpus::All);
            return Ok(());
        }
        let mut added = BTreeSet::new();
        for word in list.split(',').filter(|word| !word.is_empty()) {
            added.extend(if word == "all" { 0..=0 } else { cpu_items(word)? });
        }
        match &mut self.cpus {
            Some(Cpus::All) => {}
            Some(Cpus::These(items)) => items.extend(added),
            None => self.cpus = (!added.is_empty()).then_some(Cpus::These(added)),
        }
        Ok(())
    }

    /// The names behind `--iface=`; lists add up, and an empty one chooses nothing.
    pub(crate) fn add_interfaces(&mut self, list: &str) {
        let names = list.split(',').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec());
        let mut all = self.interfaces.take().unwrap_or_default();
        all.extend(names);
        self.interfaces = (!all.is_empty()).then_some(all);
    }

    /// An end on an earlier hour than the start is of the next day; an earlier second since 1970 is a mistake.
    pub(crate) fn settle_bounds(&mut self) -> Result<(), Misused> {
        match (self.start, &mut self.end) {
            (Some(Bound::Clock(start)), Some(Bound::Clock(end))) if *end / 3600 < start / 3600 => *end += 86_400,
            (Some(Bound::Epoch(start)), Some(Bound::Epoch(end))) if *end < start => return Err(Misused),
            _ => {}
        }
        Ok(())
    }
}

/// The items of `3`, of `3-5`, or of `3-`, which has no end: each is one further on than its CPU.
fn cpu_items(word: &str) -> Result<RangeInclusive<u32>, Misused> {
    let (low, high) = match word.split_once('-') {
        None => (cpu(word)?, cpu(word)?),
        Some((low, "")) => (cpu(low)?, CPUS_MAX - 1),
        Some((low, high)) => (cpu(low)?, cpu(high)?),
    };
    if low <= high { Ok(low + 1..=high + 1) } else { Err(Misused) }
}

fn cpu(word: &str) -> Result<u32, Misused> {
    let number: u32 = if is_number(word) { word.parse().map_err(|_| Misused)? } else { return Err(Misused) };
    if number < CPUS_MAX { Ok(number) } else { Err(Misused) }
}

/// Whether a word is digits; the empty word is.
pub(crate) fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of seconds or lines.
pub(crate) fn number(word: &str) -> Result<u64, Misused> {
    if word.is_empty() || !is_number(word) { Err(Misused) } else { Ok(word.parse().unwrap_or(i64::MAX as u64)) }
}

/// The moment behind `-s` or `-e`; a word that cannot be one by its length is left, and `otherwise` taken. What sysstat does not
/// read may be a time as the other commands take it: `-2h`, `yesterday 03:00`, `2026-11-21 03:00 UTC`.
pub(crate) fn bound(words: &mut Words<'_>, otherwise: u32) -> Result<Bound, Misused> {
    let is_ours = |word: &&str| !matches!(word.len(), 5 | 8 | 10) || word.starts_with('-');
    if let Some(when) = words.peek().filter(is_ours).and_then(|word| when::parse(word).ok()) {
        words.take();
        return Ok(Bound::Epoch(u64::try_from(when.0 / 1_000_000).unwrap_or(0)));
    }
    let Some(word) = words.peek().filter(|word| matches!(word.len(), 5 | 8 | 10)) else {
        return Ok(Bound::Clock(otherwise));
    };
    words.take();
    if word.len() == 10 {
        return number(word).map(Bound::Epoch);
    }
    let mut seconds = 0;
    for (place, part) in word.split(':').enumerate() {
        let value = if part.len() == 2 { number(part)? } else { return Err(Misused) };
        if value > if place == 0 { 23 } else { 59 } {
            return Err(Misused);
        }
        seconds = seconds * 60 + value as u32;
    }
    Ok(Bound::Clock(if word.len() == 5 { seconds * 60 } else { seconds }))
}

/// 08:00:00, where `-s` begins without a time.
pub(crate) const START: u32 = 8 * 3600;
/// 18:00:00, where `-e` ends without a time.
pub(crate) const END: u32 = 18 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn bound_of(words: &[&str]) -> (Result<Bound, Misused>, usize) {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let mut left = Words::new(&words);
        let bound = bound(&mut left, START);
        (bound, left.rest().len())
    }

    #[test]
    fn a_time_is_told_by_its_length() {
        assert_eq!(bound_of(&["10:02"]), (Ok(Bound::Clock(36_120)), 0));
        assert_eq!(bound_of(&["10:02:03"]), (Ok(Bound::Clock(36_123)), 0));
        assert_eq!(bound_of(&["1555595349"]), (Ok(Bound::Epoch(1_555_595_349)), 0));
        assert_eq!(bound_of(&["-e"]), (Ok(Bound::Clock(START)), 1));
        assert_eq!(bound_of(&[]), (Ok(Bound::Clock(START)), 0));
        // `date -u -d '2026-11-21 03:00' +%s`
        assert_eq!(bound_of(&["2026-11-21 03:00 UTC"]), (Ok(Bound::Epoch(1_795_230_000)), 0));
        assert!(matches!(bound_of(&["-120m"]), (Ok(Bound::Epoch(_)), 0)));
        assert_eq!(bound_of(&["-1"]), (Ok(Bound::Clock(START)), 1));
        assert_eq!(bound_of(&["24:00"]).0, Err(Misused));
        assert_eq!(bound_of(&["1a:00"]).0, Err(Misused));
    }

    #[test]
    fn keywords_add_up_and_one_wrong_one_spoils_all() {
        let mut selection = Selection::default();
        assert_eq!(selection.add_keywords("TCP,DEV,TCP"), Ok(()));
        assert_eq!(selection.activities.iter().filter(|&&selected| selected).count(), 2);
        assert_eq!(selection.add_keywords("tcp"), Err(Misused));
        assert_eq!(selection.add_keywords("ALL"), Ok(()));
        assert_eq!(selection.activities, [true; 20]);
    }

    fn items(lists: &[&str]) -> Result<(Vec<usize>, u64), Misused> {
        let mut selection = Selection::default();
        lists.iter().try_for_each(|list| selection.add_cpus(list))?;
        let cpus = selection.wanted().cpus;
        Ok(((0..10).filter(|&item| cpus.holds(item)).collect(), cpus.bits()))
    }

    #[test]
    fn cpus_are_items_one_further_on() {
        assert_eq!(items(&["0,2-3,all"]), Ok((vec![0, 1, 3, 4], 4)));
        assert_eq!(items(&["7-"]), Ok((vec![8, 9], 8192 - 7)));
        assert_eq!(items(&["0", "2"]), Ok((vec![1, 3], 2)), "lists add up");
        assert_eq!(items(&["ALL", "1"]).unwrap().0.len(), 10);
        assert_eq!(items(&[","]), Ok((vec![0], 1)), "the sum when none is chosen");
        for wrong in ["8192", "3-2", "0,ALL", "-1", "1-2-3", "x"] {
            assert_eq!(items(&[wrong]), Err(Misused), "{wrong}");
        }
    }

    #[test]
    fn interfaces_add_up() {
        let mut selection = Selection::default();
        for list in ["lo,", "", "eth0"] {
            selection.add_interfaces(list);
        }
        assert_eq!(selection.interfaces, Some(vec![b"lo".to_vec(), b"eth0".to_vec()]));
    }

    #[test]
    fn an_end_before_the_start_is_of_the_next_day() {
        let (start, end) = (Some(Bound::Clock(86_370)), Some(Bound::Clock(20)));
        let mut selection = Selection { start, end, ..Selection::default() };
        assert_eq!(selection.settle_bounds(), Ok(()));
        assert_eq!(selection.end, Some(Bound::Clock(86_420)));
    }
}
