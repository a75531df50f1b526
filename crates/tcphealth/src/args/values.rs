//! A word of the command line → its value, or in both languages what is wrong with it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use tcphealth_core::words::Text;
use tcphealth_core::{say, text};

use crate::speech::Complaint;

/// No time that is typed may be longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// More than ten probes a second to each router is an attack, not a measurement.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A time as people write it; a bare number is seconds.
pub(super) fn duration(word: &str) -> Result<Duration, Complaint> {
    read_duration(word).ok_or_else(|| {
        wrong(text! {
            en: "not a time between 0 and 24 h such as 30s, 2m or 1m30s",
            ko: "30s, 2m, 1m30s처럼 0보다 크고 24시간 이하인 시간이어야 함"
        })
    })
}

/// The time between two probes.
pub(super) fn interval(word: &str) -> Result<Duration, Complaint> {
    read_duration(word).filter(|time| *time >= INTERVAL_MIN).ok_or_else(|| {
        wrong(text! { en: "not a time from 0.1 s to 24 h", ko: "0.1초 이상 24시간 이하인 시간이어야 함" })
    })
}

fn read_duration(word: &str) -> Option<Duration> {
    let time = match word.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => word.parse::<jiff::SignedDuration>().ok().and_then(|time| time.try_into().ok()),
    };
    time.filter(|time| !time.is_zero() && *time <= LONGEST)
}

/// A number of bytes; k, M and G are 1024 and its powers.
pub(super) fn size(word: &str) -> Result<u64, Complaint> {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: Option<u64> = match word.get(digits.len()..) {
        Some("") => Some(1),
        Some("k" | "K") => Some(1 << 10),
        Some("M") => Some(1 << 20),
        Some("G") => Some(1 << 30),
        _ => None,
    };
    let bytes = digits.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| wrong(text! { en: "not a size such as 500M or 2G", ko: "500M, 2G 같은 크기여야 함" }))
}

/// Reads whole numbers of a range.
pub(super) fn whole<T: FromStr + PartialOrd + Display>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, Complaint> + Clone
where
    RangeInclusive<T>: Clone,
{
    move |word| {
        let number = word.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            Complaint(say! {
                en: "not a whole number from {least} to {most}",
                ko: "{least}부터 {most}까지의 정수여야 함",
                least = range.start(), most = range.end()
            })
        })
    }
}

fn wrong(words: Text) -> Complaint {
    Complaint(words.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let ms = |text| duration(text).map(|time| time.as_millis()).ok();
        assert_eq!(
            [ms("5"), ms("30s"), ms("2m"), ms("1m30s")],
            [Some(5000), Some(30_000), Some(120_000), Some(90_000)]
        );
        assert_eq!([ms("250ms"), ms("0.5"), ms("1h")], [Some(250), Some(500), Some(3_600_000)]);
        assert_eq!([ms("0"), ms("-5s"), ms("25h"), ms("soon"), ms(""), ms("inf"), ms("nan")], [None; 7]);
    }

    #[test]
    fn an_interval_is_a_tenth_of_a_second_at_least() {
        let ms = |text| interval(text).map(|time| time.as_millis()).ok();
        assert_eq!([ms("1.05"), ms("30s"), ms("100ms")], [Some(1050), Some(30_000), Some(100)]);
        assert_eq!([ms("0.01"), ms("NaN"), ms("soon")], [None; 3]);
    }

    #[test]
    fn a_size_has_a_unit_of_1024() {
        let bytes = |text| size(text).ok();
        assert_eq!(
            [bytes("7"), bytes("3k"), bytes("500M"), bytes("2G")],
            [7, 3072, 524_288_000, 2_147_483_648].map(Some)
        );
        assert_eq!([bytes("0"), bytes("2T"), bytes("M"), bytes("-1"), bytes("99999999999G")], [None; 5]);
    }

    #[test]
    fn a_whole_number_outside_its_range_is_told_with_the_range() {
        let read = whole(1..=30_u8);
        assert_eq!([read("1").ok(), read("30").ok()], [Some(1), Some(30)]);
        for word in ["0", "31", "300", "x", "1.5", ""] {
            assert_eq!(read(word).unwrap_err().to_string(), "not a whole number from 1 to 30");
        }
    }
}
