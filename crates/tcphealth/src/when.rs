//! A time as people write it → µs since 1970: `2026-11-21 03:00`, `yesterday 03:00`, `03:00`, `-2h`, `now`; local, or with `Z`,
//! `UTC` or an offset behind it.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use tcphealth_core::text;

use crate::speech::Complaint;

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When(pub(crate) i64);

impl When {
    /// As RFC 3339 with the local offset, to the second.
    pub(crate) fn shown(self) -> String {
        let time = Timestamp::from_microsecond(self.0).unwrap_or_default();
        time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
    }

    /// As the time of day alone, local.
    pub(crate) fn time_shown(self) -> String {
        let time = Timestamp::from_microsecond(self.0).unwrap_or_default();
        time.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
    }

    /// Now.
    pub(crate) fn now() -> Self {
        Self(Timestamp::now().as_microsecond())
    }
}

/// A time, or a range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// What ended at this time.
    Until(When),
    /// From and until.
    Between(When, When),
}

/// Reads a time, or two with `..` between them; a time of day alone is that of the day where the range begins, or of the next.
pub(crate) fn parse_span(text: &str) -> Result<Span, Complaint> {
    read_span(text, &Zoned::now()).ok_or_else(|| {
        let words = text! {
            en: "not a time such as '03:00' or -2h, nor a range such as 'yesterday 03:00..04:00'",
            ko: "'03:00', -2h 같은 시각이나 'yesterday 03:00..04:00' 같은 구간이어야 함"
        };
        Complaint(words.into())
    })
}

fn read_span(text: &str, now: &Zoned) -> Option<Span> {
    let when = |time: Timestamp| When(time.as_microsecond());
    let Some((begin, end)) = text.split_once("..") else {
        return Some(Span::Until(when(read(text.trim(), now)?)));
    };
    let (begin, end) = (read(begin.trim(), now)?, end.trim());
    let end = if is_time_of_day(end) {
        let end = read(end, &begin.to_zoned(now.time_zone().clone()))?;
        if end > begin { end } else { end.checked_add(SignedDuration::from_hours(24)).ok()? }
    } else {
        read(end, now)?
    };
    (end > begin).then(|| Span::Between(when(begin), when(end)))
}

fn is_time_of_day(text: &str) -> bool {
    text.contains(':') && !text.contains(['-', '+']) && !text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// This moment.
pub(crate) fn now() -> When {
    When(Timestamp::now().as_microsecond())
}

/// Reads one, seen from now and from here.
pub(crate) fn parse(text: &str) -> Result<When, Complaint> {
    read(text.trim(), &Zoned::now()).map(|time| When(time.as_microsecond())).ok_or_else(|| {
        let words = text! {
            en: "not a time such as '2026-11-21 03:00', 'yesterday 03:00', '03:00', -2h or now",
            ko: "'2026-11-21 03:00', 'yesterday 03:00', '03:00', -2h, now 같은 시각이어야 함"
        };
        Complaint(words.into())
    })
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    match text {
        "now" => return Some(now.timestamp()),
        "yesterday" => return Some(now.checked_sub(1.day()).ok()?.timestamp()),
        _ => {}
    }
    if let Some(ago) = text.strip_prefix('-') {
        let ago: SignedDuration = ago.parse().ok().filter(|ago: &SignedDuration| ago.is_positive())?;
        return now.timestamp().checked_sub(ago).ok();
    }
    let utc = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).map(str::trim_end);
    let now = if utc.is_some() { now.with_time_zone(TimeZone::UTC) } else { now.clone() };
    let civil = utc.unwrap_or(text);
    // A date with an offset would also be read as one without.
    let local = || Some(now.time_zone().to_zoned(read_civil(civil, &now)?).ok()?.timestamp());
    text.parse().ok().or_else(local)
}

fn read_civil(text: &str, now: &Zoned) -> Option<DateTime> {
    let (day, time) = match text.split_once(' ') {
        Some(("yesterday", time)) => (now.date().checked_sub(1.day()).ok()?, time),
        Some(("today", time)) => (now.date(), time),
        None if text.contains(':') && !text.contains('-') => (now.date(), text),
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
        assert_eq!(seconds("2026-11-21T03:00:00-01:00"), Some(1_795_230_000 + 3_600));
        assert_eq!([seconds("now"), seconds("-2h")], [Some(1_795_278_600), Some(1_795_278_600 - 7_200)]);
        assert_eq!([seconds("soon"), seconds("--2h"), seconds("25:00"), seconds("")], [None; 4]);
        assert_eq!(seconds("yesterday"), Some(1_795_278_600 - 86_400));
    }

    #[test]
    fn a_range_is_two_times_and_a_time_of_day_belongs_to_the_day_where_it_begins() {
        let now: Zoned = "2026-11-22T01:30:00+09:00[+09:00]".parse().unwrap();
        let span = |text| match read_span(text, &now) {
            Some(Span::Between(begin, end)) => Some((begin.0 / 1_000_000, end.0 / 1_000_000)),
            Some(Span::Until(end)) => Some((0, end.0 / 1_000_000)),
            None => None,
        };
        let three = 1_795_197_600;
        assert_eq!(span("2026-11-21 03:00..04:00"), Some((three, three + 3_600)));
        assert_eq!(span("yesterday 03:00 .. 02:30"), Some((three, three + 86_400 - 1_800)));
        assert_eq!(span("2026-11-21 03:00..now"), Some((three, 1_795_278_600)));
        assert_eq!(span("-2h..-1h"), Some((1_795_278_600 - 7_200, 1_795_278_600 - 3_600)));
        assert_eq!(span("2026-11-21 03:00"), Some((0, three)));
        assert_eq!([span("now..-1h"), span("soon"), span("03:00.."), span("..03:00")], [None; 4]);
    }
}
