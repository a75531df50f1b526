//! The local time zone, as TZ or the system has it.

use std::cell::Cell;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tcphealth_core::sysstat::clock::{Civil, Zone, utc};

/// The local zone with the offset of the last quarter of an hour: no zone changes between.
pub(crate) struct LocalZone {
    zone: TimeZone,
    last: Cell<(u64, i64)>,
}

const QUARTER_SECONDS: u64 = 900;

impl LocalZone {
    /// The zone of this process.
    pub(crate) fn of_process() -> Self {
        Self { zone: zone_of(std::env::var("TZ").ok().as_deref()), last: Cell::new((u64::MAX, 0)) }
    }

    /// The zone whose clock is saved, and whose days the files of days are named after.
    pub(crate) fn of_files() -> Self {
        if super::environment::saves_utc() {
            return Self { zone: TimeZone::UTC, last: Cell::new((u64::MAX, 0)) };
        }
        Self::of_process()
    }

    /// What local time is ahead of UTC at a moment, seconds.
    pub(crate) fn offset_seconds(&self, epoch: u64) -> i32 {
        self.offset(epoch).and_then(|offset| offset.try_into().ok()).unwrap_or(0)
    }

    /// When the local day of a moment began, seconds since 1970.
    pub(crate) fn midnight(&self, epoch: u64) -> u64 {
        let civil = self.local(epoch).unwrap_or_default();
        let of_day = [civil.hour, civil.minute, civil.second].iter().fold(0, |sum, part| sum * 60 + u64::from(*part));
        epoch.saturating_sub(of_day)
    }

    fn offset(&self, epoch: u64) -> Option<i64> {
        let quarter = epoch / QUARTER_SECONDS;
        let (known, offset) = self.last.get();
        if known == quarter {
            return Some(offset);
        }
        let offset = i64::from(self.zone.to_offset(timestamp(epoch)?).seconds());
        self.last.set((quarter, offset));
        Some(offset)
    }
}

/// The zone that TZ names, as tzset(3) reads it: a file, else a rule, else UTC; without TZ the system's file.
///
/// `TimeZone::system()` looks for the same among all zones that are installed, which costs more than ten readings.
fn zone_of(name: Option<&str>) -> TimeZone {
    let name = match name {
        None => "/etc/localtime",
        Some("") => return TimeZone::UTC,
        Some(name) => name.strip_prefix(':').unwrap_or(name),
    };
    let file = std::fs::read(Path::new("/usr/share/zoneinfo").join(name)).ok();
    let zone = file.and_then(|bytes| TimeZone::tzif(name, &bytes).ok());
    zone.or_else(|| TimeZone::posix(name).ok()).unwrap_or(TimeZone::UTC)
}

fn timestamp(epoch: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(epoch).ok()?).ok()
}

impl Zone for LocalZone {
    fn local(&self, epoch: u64) -> Option<Civil> {
        utc(epoch.checked_add_signed(self.offset(epoch)?)?)
    }

    fn abbreviation(&self, epoch: u64) -> String {
        timestamp(epoch).map(|at| self.zone.to_offset_info(at).abbreviation().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TZ=America/New_York date -d @1700000000`: 17:13:20 EST.
    #[test]
    fn the_local_time_is_that_of_date() {
        let zone = LocalZone { zone: zone_of(Some("EST5EDT,M3.2.0,M11.1.0")), last: Cell::new((u64::MAX, 0)) };
        assert_eq!(zone.local(1_700_000_000).unwrap().time(), "17:13:20");
        assert_eq!(zone.local(1_555_593_609).unwrap().time(), "09:20:09");
        assert_eq!((zone.abbreviation(1_555_593_609), zone.local(u64::MAX)), ("EDT".to_owned(), None));
    }

    #[test]
    fn a_zone_that_nobody_knows_is_utc() {
        assert_eq!([zone_of(Some("")), zone_of(Some("No/Such"))], [TimeZone::UTC, TimeZone::UTC]);
    }
}
