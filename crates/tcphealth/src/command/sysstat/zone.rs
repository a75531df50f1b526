//! The local time zone, as TZ or the system has it.

use std::cell::Cell;

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
        Self { zone: TimeZone::try_system().unwrap_or(TimeZone::UTC), last: Cell::new((u64::MAX, 0)) }
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
        let Ok(zone) = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0") else { panic!("a POSIX zone is understood") };
        let zone = LocalZone { zone, last: Cell::new((u64::MAX, 0)) };
        assert_eq!(zone.local(1_700_000_000).unwrap().time(), "17:13:20");
        assert_eq!(zone.local(1_555_593_609).unwrap().time(), "09:20:09");
        assert_eq!((zone.abbreviation(1_555_593_609), zone.local(u64::MAX)), ("EDT".to_owned(), None));
    }
}
