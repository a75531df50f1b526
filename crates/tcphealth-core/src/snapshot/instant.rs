//! A wall-clock time → RFC 3339 with the local offset. The core is told the time and the offset; it asks for neither.

use super::Stamp;

/// `2026-08-02T03:00:27.120+09:00`: the begin of a look, to the millisecond.
pub fn rfc3339(at: &Stamp) -> String {
    let offset = i64::from(at.utc_offset_seconds);
    let local_ms = at.wall_ns.div_euclid(1_000_000) + offset * 1000;
    let (days, ms) = (local_ms.div_euclid(86_400_000), local_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (sign, away) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    let (zone_hour, zone_minute) = (away / 3600, away / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}{sign}{zone_hour:02}:{zone_minute:02}"
    )
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar: eras of 400 years that begin in March,
/// so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(wall_seconds: i64, utc_offset_seconds: i32) -> String {
        rfc3339(&Stamp { wall_ns: wall_seconds * 1_000_000_000, utc_offset_seconds, ..Stamp::default() })
    }

    // The expected times are those of `date -d @N --iso-8601=ns` with TZ set.
    #[test]
    fn times_are_those_of_date() {
        assert_eq!(shown(0, 0), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(shown(1_709_164_800, 32_400), "2024-02-29T09:00:00.000+09:00");
        assert_eq!(shown(1_735_689_599, -12_600), "2024-12-31T20:29:59.000-03:30");
        assert_eq!(shown(4_107_542_400, 0), "2100-03-01T00:00:00.000+00:00");
        assert_eq!(shown(-1, 0), "1969-12-31T23:59:59.000+00:00");
    }
}
