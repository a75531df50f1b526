//! `check --every`: one line a window, and the losses of many windows together, so that 0.01 % becomes decidable.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use tcphealth_core::format::{Format, json_line, pad, rfc3339};
use tcphealth_core::report::{Report, Severity, Word};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::statistics::{Faded, Standing};
use tcphealth_core::words::Lang;
use tcphealth_core::{say, text};
use tcphealth_linux::{Host, Pass, give_back};

use crate::examine::{Examiner, Meanwhile};
use crate::speech::{self, Speech};

/// Windows, one after the other.
pub(super) struct Every<'a> {
    /// Length of each.
    pub(super) window: Duration,
    /// How many; without it, until the user stops it.
    pub(super) count: Option<u64>,
    /// Text or JSON.
    pub(super) format: Format,
    /// The limits in force.
    pub(super) limits: &'a Limits,
    /// How to speak.
    pub(super) speech: &'a Speech,
}

/// Nothing but the line is shown.
pub(super) struct Silence;

impl Meanwhile for Silence {
    fn first(&mut self, _: &Report) {}

    fn wait(&mut self, time: Duration, _: Duration) {
        sleep(time);
    }
}

impl Every<'_> {
    /// Prints until it is enough; the worst verdict is the exit status.
    pub(super) fn run(&self, mut host: Host) -> anyhow::Result<Word> {
        let mut before = host.look(Pass::First)?;
        let history = History::default();
        let mut examiner = Examiner { host: &mut host, limits: self.limits, history, meanwhile: &mut Silence };
        let (mut near, mut far) = (Faded::default(), Faded::default());
        let mut worst = Word::Ok;
        if self.format == Format::Text {
            speech::print(&head(self.speech.lang))?;
        }
        for _ in 0..self.count.unwrap_or(u64::MAX) {
            give_back();
            let (report, now) = examiner.next(before, self.window)?;
            before = now;
            worst = worst.max(report.word);
            add(&mut near, &report, "local");
            add(&mut far, &report, "remote");
            let line = match self.format {
                Format::Json => json_line(&report, self.speech.machine_lang),
                _ => self.line(&report, &near, &far),
            };
            // Whoever read this has gone: there is nothing more to do.
            if write(&line).is_err() {
                break;
            }
        }
        Ok(worst)
    }

    fn line(&self, report: &Report, near: &Faded, far: &Faded) -> String {
        let end = rfc3339(&report.end);
        let time = end.get(11..19).unwrap_or_default();
        let limits = self.limits;
        let near = pad(&ratio(near, limits.retransmit_local_info_ratio), 17);
        let far = pad(&ratio(far, limits.retransmit_remote_info_ratio), 17);
        let rate = |name| figure(report, name).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        let count = |name| figure(report, name).map_or_else(|| "-".to_owned(), |count| format!("{count:.0}"));
        let (active, passive) = (rate("active_opens_per_second"), rate("passive_opens_per_second"));
        let states = ["sockets_established", "sockets_time_wait", "sockets_close_wait"].map(count).join("/");
        let word = report.word.name();
        let mut line = format!("{time} {word:8} {near} {far} {active:>6} {passive:>6} {states}\n");
        if let Some(worst) = report.findings.first().filter(|worst| worst.severity > Severity::Info) {
            let _ = writeln!(line, "         {}: {}", worst.rule, worst.summary.get(self.speech.lang));
        }
        line
    }
}

fn head(lang: Lang) -> String {
    let legend = say! {
        en: "lost/sent: ≤ within the limit, > above, ? too few to say; counts halve in {seconds} s",
        ko: "손실/전송: ≤ 한계 이내, > 한계 초과, ? 아직 판단 불가. {seconds}초마다 절반으로 줄여 셈",
        seconds = Faded::HALF_LIFE_SECONDS
    };
    let near = pad(text! { en: "local", ko: "근거리" }.get(lang), 17);
    let far = pad(text! { en: "remote", ko: "원거리" }.get(lang), 17);
    let word = pad(text! { en: "verdict", ko: "판정" }.get(lang), 8);
    let time = pad(text! { en: "time", ko: "시각" }.get(lang), 8);
    format!("{}\n{time} {word} {near} {far} act./s pas./s estab/tw/cw\n", legend.get(lang))
}

/// `≤ 3/81204 0.0037 %`.
fn ratio(line: &Faded, limit: f64) -> String {
    let mark = match line.standing(limit) {
        Standing::Within => '≤',
        Standing::Above => '>',
        Standing::Open => '?',
    };
    let percent = line.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{:.3}%", ratio * 100.0));
    format!("{mark} {:.0}/{} {percent}", line.events, short(line.trials))
}

/// Five digits at most.
fn short(count: f64) -> String {
    match count {
        few if few < 99_999.5 => format!("{few:.0}"),
        some if some < 9_999_500.0 => format!("{:.0}k", some / 1e3),
        many => format!("{:.0}M", many / 1e6),
    }
}

fn figure(report: &Report, name: &str) -> Option<f64> {
    report.figures.iter().find(|figure| figure.name == name)?.value
}

fn add(line: &mut Faded, report: &Report, which: &str) {
    let count = |part: &str| figure(report, &format!("{part}_{which}_segments")).unwrap_or(0.0) as u64;
    line.add(report.seconds, count("lost"), count("data"));
}

/// Prints and flushes a line.
pub(super) fn write(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_what_is_proven() {
        let cell = |events, trials| ratio(&Faded { events, trials }, 0.0001);
        assert_eq!(cell(0.0, 0.0), "? 0/0 -");
        assert_eq!(cell(0.0, 40_000.0), "≤ 0/40000 0.000%");
        assert_eq!(cell(30.0, 100_000.0), "> 30/100k 0.030%");
        assert_eq!(cell(0.0, 12_345_678.0), "≤ 0/12M 0.000%");
    }
}
