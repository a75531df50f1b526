//! A time as people write it → µs since 1970: `2026-11-21 03:00`, `yesterday 03:00`, `03:00`, `-2h`, `now`; local, or with `Z`,
//! `UTC` or an offset behind it.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When(pub(crate) i64);

impl When {
    /// As RFC 3339 with the local offset, to the second.
    pub(crate) fn shown(self) -> String {
        let time = Timestamp::from_microsecond(self.0).unwrap_or_default();
        time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
    }
}

/// This moment.
pub(crate) fn now() -> When {
    When(Timestamp::now().as_microsecond())
}

/// Reads one, seen from now and from here.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    read(text.trim(), &Zoned::now())
        .map(|time| When(time.as_microsecond()))
        .ok_or_else(|| "not a time such as '2026-11-21 03:00', 'yesterday 03:00', '03:00', -2h or now".to_owned())
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text == "now" {
        return Some(now.timestamp());
    }
    if let Some(ago) = text.strip_prefix('-') {
        let ago: SignedDuration = ago.parse().ok().filter(|ago: &SignedDuration| ago.is_positive())?;
        return now.timestamp().checked_sub(ago).ok();
    }
    let utc = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).map(str::trim_end);
    let now = if utc.is_some() { now.with_time_zone(TimeZone::UTC) } else { now.clone() };
    let civil = utc.unwrap_or(text);
    let offset = || text.parse::<Timestamp>().ok();
    read_civil(civil, &now).and_then(|time| Some(now.time_zone().to_zoned(time).ok()?.timestamp())).or_else(offset)
}

fn read_civil(text: &str, now: &Zoned) -> Option<DateTime> {
    let (day, time) = match text.split_once(' ') {
        Some(("yesterday", time)) => (now.date().checked_sub(1.day()).ok()?, time),
        Some(("today", time)) => (now.date(), time),
        None if text.contains(':') && !text.contains('-') => (now.date(), text),
        _ if text.contains('+') => return None,
        _ => return text.parse().ok(),
    };
    Some(day.to_datetime(time.parse::<Time>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seconds since 1970 are those of `date -d '…' +%s` with TZ=Asia/Seoul (+09:00) or -u.
    #[test]
    fn times_are_those_of_date() {
        let now: Zoned = "2026-11-22T01:30:00+09:00[+09:00]".parse().unwrap();
        let seconds = |text| read(text, &now).map(jiff::Timestamp::as_second);
        assert_eq!(seconds("2026-11-21 03:00"), Some(1_795_197_600));
        assert_eq!(seconds("2026-11-21T03:00:05"), Some(1_795_197_605));
        assert_eq!(seconds("yesterday 03:00"), seconds("2026-11-21 03:00"));
        assert_eq!([seconds("today 01:00"), seconds("01:00")], [seconds("2026-11-22 01:00"); 2]);
        assert_eq!([seconds("2026-11-21 03:00Z"), seconds("2026-11-21 03:00 UTC")], [Some(1_795_230_000); 2]);
        // It is still the 21st in UTC.
        assert_eq!(seconds("yesterday 03:00 UTC"), Some(1_795_230_000 - 86_400));
        assert_eq!(seconds("2026-11-21T03:00:00+01:00"), Some(1_795_230_000 - 3_600));
        assert_eq!([seconds("now"), seconds("-2h")], [Some(1_795_278_600), Some(1_795_278_600 - 7_200)]);
        assert_eq!([seconds("soon"), seconds("--2h"), seconds("25:00"), seconds(""), seconds("yesterday")], [None; 5]);
    }
}
