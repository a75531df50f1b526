//! Seconds since 1970 → the date and time that a report shows.

use super::record::Moment;

/// A date and a time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month.
    pub day: u8,
    /// The hour.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
    /// The second.
    pub second: u8,
}

/// The local time zone, which only the program knows.
pub trait Zone {
    /// The local date and time of a moment; `None` beyond the calendar.
    fn local(&self, epoch: u64) -> Option<Civil>;
    /// What the zone is called at that moment.
    fn abbreviation(&self, epoch: u64) -> String;
}

/// Whose clock a report shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// Local time.
    #[default]
    Local,
    /// UTC.
    Utc,
    /// The clock of the host that wrote the file.
    Writer,
    /// Seconds since 1970.
    Epoch,
}

impl Clock {
    /// The date and time to show for a record; `None` beyond the calendar.
    pub fn civil(self, zone: &dyn Zone, moment: &Moment) -> Option<Civil> {
        match self {
            Clock::Local => zone.local(moment.ust_time),
            Clock::Utc | Clock::Epoch => utc(moment.ust_time),
            Clock::Writer => {
                let (hour, minute, second) = moment.clock;
                Some(Civil { hour, minute, second, ..zone.local(moment.ust_time)? })
            }
        }
    }
}

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// UTC of a moment; `None` after the year 9999. Days to civil by Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn utc(epoch: u64) -> Option<Civil> {
    if epoch > LAST {
        return None;
    }
    let (days, second) = (epoch / 86_400, epoch % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    Some(Civil {
        year: (year_of_era + era * 400 + u64::from(month <= 2)).cast_signed(),
        month: month as u8,
        day: (of_year - (153 * march_month + 2) / 5 + 1) as u8,
        hour: (second / 3600) as u8,
        minute: (second / 60 % 60) as u8,
        second: (second % 60) as u8,
    })
}

impl Civil {
    /// `22:13:20`.
    pub fn time(&self) -> String {
        let mut text = Vec::with_capacity(8);
        for (number, end) in [(self.hour, ":"), (self.minute, ":"), (self.second, "")] {
            text.extend_from_slice(&[b'0' + number / 10 % 10, b'0' + number % 10]);
            text.extend_from_slice(end.as_bytes());
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// `2023-11-14`.
    pub fn iso_date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `11/14/23`, the date of the C locale.
    pub fn c_date(&self) -> String {
        format!("{:02}/{:02}/{:02}", self.month, self.day, self.year.rem_euclid(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected dates by `date -u -d @N`.
    #[test]
    fn utc_is_that_of_date() {
        for (epoch, date, time) in [
            (0, "1970-01-01", "00:00:00"),
            (951_782_399, "2000-02-28", "23:59:59"),
            (951_782_400, "2000-02-29", "00:00:00"),
            (1_555_593_609, "2019-04-18", "13:20:09"),
            (1_700_000_000, "2023-11-14", "22:13:20"),
            (4_107_542_400, "2100-03-01", "00:00:00"),
        ] {
            let civil = utc(epoch).unwrap();
            assert_eq!((civil.iso_date().as_str(), civil.time().as_str()), (date, time));
        }
        assert_eq!(utc(1_700_000_000).unwrap().c_date(), "11/14/23");
        assert_eq!(utc(LAST).unwrap().iso_date(), "9999-12-31");
        assert_eq!(utc(u64::MAX), None);
    }
}
