//! What the recorder says of itself in its recording: whether one is running, what it costs, how much it keeps.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use tcphealth_core::format::wrap;
use tcphealth_core::frame::taken::Meter;
use tcphealth_core::say;
use tcphealth_core::words::{Lang, Message};

use crate::speech::Speech;
use crate::store::{Sample, Store, is_written};
use crate::when::When;

/// Its cost is the mean of this time before the newest look, µs.
const COST_US: i64 = 3_600_000_000;
/// Less than this does not tell what a day takes, s.
const DAY_FROM_SECONDS: f64 = 3_600.0;

/// A recording and its recorder.
pub(super) struct Recorder {
    directory: PathBuf,
    running: bool,
    kept: Option<Kept>,
}

struct Kept {
    spans: Vec<(i64, i64)>,
    bytes: u64,
    newest: Sample<Meter>,
    cpu_percent: Option<f64>,
}

impl Recorder {
    /// Reads the recording, if there is one.
    pub(super) fn of(directory: &Path) -> anyhow::Result<Self> {
        let kept = if Store::is_one(directory) { Kept::read(&Store::open(directory)?)? } else { None };
        Ok(Self { directory: directory.to_owned(), running: is_written(directory), kept })
    }

    pub(super) fn text(&self, speech: &Speech) -> String {
        let mut text = String::new();
        for words in [Some(self.state()), self.kept.as_ref().map(Kept::cost), self.kept.as_ref().map(Kept::extent)]
            .into_iter()
            .flatten()
        {
            for line in wrap("  ", words.get(speech.lang), speech.columns) {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    fn state(&self) -> Message {
        let place = self.directory.display();
        let Some(kept) = &self.kept else {
            return say! { en: "no recording in {place}; `tcphealth record` begins one", ko: "{place}에 기록이 없음. `tcphealth record`로 시작함" };
        };
        if !self.running {
            let until = When(kept.newest.at.wall_us).shown();
            return say! { en: "no recorder writes to {place} now; the newest look is of {until}", ko: "지금 {place}에 쓰는 기록기가 없음. 마지막 관찰은 {until}" };
        }
        let meter = &kept.newest.said;
        let (since, seconds) = (When(meter.begun_us).shown(), meter.interval_ms as f64 / 1000.0);
        let (census, asked) = (meter.census_interval_ms as f64 / 1000.0, meter.census_asked_ms as f64 / 1000.0);
        if census > asked {
            return say! {
                en: "a recorder writes to {place} since {since}: counters every {seconds} s, sockets every {census} s instead of {asked} s, because a look at them costs much",
                ko: "{since}부터 {place}에 기록 중: 카운터 {seconds}초마다, 소켓은 보는 비용이 커서 {asked}초 대신 {census}초마다"
            };
        }
        say! {
            en: "a recorder writes to {place} since {since}: counters every {seconds} s, sockets every {census} s",
            ko: "{since}부터 {place}에 기록 중: 카운터 {seconds}초마다, 소켓 {census}초마다"
        }
    }

    pub(super) fn json(&self) -> Value {
        let kept = self.kept.as_ref();
        let meter = kept.map(|kept| &kept.newest.said);
        json!({
            "directory": self.directory, "running": self.running,
            "since_us": meter.map(|meter| meter.begun_us),
            "interval_ms": meter.map(|meter| meter.interval_ms),
            "census_interval_ms": meter.map(|meter| meter.census_interval_ms),
            "census_asked_ms": meter.map(|meter| meter.census_asked_ms),
            "cpu_percent": kept.and_then(|kept| kept.cpu_percent),
            "resident_kb": meter.map(|meter| meter.resident_kb),
            "pauses": meter.map(|meter| meter.pauses),
            "newest_look_us": kept.map(|kept| kept.newest.at.wall_us),
            "bytes": kept.map(|kept| kept.bytes),
            "bytes_per_day": kept.and_then(Kept::bytes_per_day),
            "spans_us": kept.map(|kept| kept.spans.clone()),
        })
    }
}

impl Kept {
    fn read(store: &Store) -> anyhow::Result<Option<Self>> {
        let spans = store.spans()?;
        let Some(&(_, end)) = spans.last() else { return Ok(None) };
        let mut meters = store.meters((end.saturating_sub(COST_US), end))?;
        let Some(newest) = meters.pop() else { return Ok(None) };
        let first = meters.into_iter().find(|first| first.said.begun_us == newest.said.begun_us);
        let cpu_percent = first.and_then(|first| percent(&first, &newest));
        Ok(Some(Self { spans, bytes: store.bytes()?, newest, cpu_percent }))
    }

    fn bytes_per_day(&self) -> Option<f64> {
        let seconds = self.spans.iter().map(|(begin, end)| end - begin).sum::<i64>() as f64 / 1e6;
        (seconds >= DAY_FROM_SECONDS).then(|| self.bytes as f64 / seconds * 86_400.0)
    }

    fn cost(&self) -> Message {
        let memory = self.newest.said.resident_kb as f64 / 1000.0;
        match self.cpu_percent {
            Some(percent) => say! {
                en: "it took {percent:.2} % of one CPU over its last hour, and {memory:.1} MB of memory at most",
                ko: "최근 1시간 CPU 1개의 {percent:.2} %, 메모리 최대 {memory:.1} MB 사용"
            },
            None => say! { en: "it took {memory:.1} MB of memory at most", ko: "메모리 최대 {memory:.1} MB 사용" },
        }
    }

    fn extent(&self) -> Message {
        let begin = When(self.spans.first().map_or(0, |(begin, _)| *begin)).shown();
        let (size, pauses) = (self.bytes as f64 / 1e6, self.newest.said.pauses);
        let age = (Timestamp::now().as_microsecond() - self.newest.at.wall_us) / 1_000_000;
        let gaps = self.spans.len() - 1;
        let day = self.bytes_per_day().map_or_else(
            || Message::same(""),
            |bytes| {
                let day = bytes / 1e6;
                say! { en: ", {day:.1} MB a day", ko: ", 하루 {day:.1} MB" }
            },
        );
        let (day_en, day_ko) = (day.get(Lang::En), day.get(Lang::Ko));
        say! {
            en: "it reaches back to {begin}, {size:.1} MB{day_en}; the newest look is {age} s old; gaps of ten minutes and more: {gaps}; pauses since it began, because nothing could be stored: {pauses}",
            ko: "기록은 {begin}부터, {size:.1} MB{day_ko}. 마지막 관찰은 {age}초 전. 10분 이상의 공백: {gaps}회. 시작한 뒤 저장하지 못해 멈춘 일: {pauses}회"
        }
    }
}

/// The share of one CPU between two looks of one recorder, %.
fn percent(first: &Sample<Meter>, last: &Sample<Meter>) -> Option<f64> {
    let time_us = last.at.boot_us.checked_sub(first.at.boot_us).filter(|&time_us| time_us > 0)?;
    Some(last.said.cpu_us.checked_sub(first.said.cpu_us)? as f64 * 100.0 / time_us as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcphealth_core::frame::block::Moment;

    #[test]
    fn the_share_of_a_cpu_is_what_the_meter_grew_by() {
        let sample = |seconds: u64, cpu_us| Sample {
            at: Moment { boot_us: seconds * 1_000_000, wall_us: 0 },
            said: Meter { cpu_us, ..Meter::default() },
        };
        assert_eq!(percent(&sample(100, 5_000), &sample(200, 105_000)), Some(0.1));
        assert_eq!(percent(&sample(100, 5_000), &sample(100, 6_000)), None);
        assert_eq!(percent(&sample(100, 5_000), &sample(200, 1_000)), None);
    }
}
