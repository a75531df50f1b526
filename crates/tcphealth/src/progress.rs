//! What is shown while a window passes or paths are probed, on a terminal only: what one look decides, and how long it still
//! takes. All of it is gone when the report comes.

use std::io::{self, IsTerminal, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tcphealth_core::format::{cut, headline};
use tcphealth_core::path::{Path, Tracer, span};
use tcphealth_core::report::{Finding, Report, Severity};
use tcphealth_core::words::Lang;
use tcphealth_core::{say, text};

use crate::examine::Meanwhile;
use crate::speech::Speech;

const STEP: Duration = Duration::from_millis(200);
/// Provisional findings that are shown.
const SHOWN: usize = 3;

/// The lines below the prompt.
pub(crate) struct Progress {
    lang: Lang,
    columns: usize,
    shown: bool,
    lines: usize,
}

impl Progress {
    /// Silent unless both streams are a terminal.
    pub(crate) fn new(speech: &Speech) -> Self {
        let shown = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self { lang: speech.lang, columns: speech.columns, shown, lines: 0 }
    }

    /// Takes away what was shown.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            let up = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
            write(&format!("\r{up}\x1b[J"));
        }
        self.lines = 0;
    }

    fn line(&mut self, words: &str) {
        write(&format!("{}\n", cut(words, self.columns)));
        self.lines += 1;
    }
}

/// Nothing depends on the terminal's being there.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

impl Meanwhile for Progress {
    fn first(&mut self, provisional: &Report) {
        if !self.shown {
            return;
        }
        let label = text! { en: "provisional", ko: "잠정" }.get(self.lang);
        let bad: Vec<&Finding> =
            provisional.findings.iter().filter(|finding| finding.severity > Severity::Info).take(SHOWN).collect();
        for finding in &bad {
            let words = format!("{label}  {}: {}", finding.severity.name(), finding.summary.get(self.lang));
            self.line(&words);
        }
        if bad.is_empty() {
            let words = format!("{label}  {}", headline(provisional).get(self.lang));
            self.line(&words);
        }
    }

    fn wait(&mut self, time: Duration, left: Duration) {
        if !self.shown {
            return sleep(time);
        }
        let end = Instant::now() + time;
        while let Some(now) = end.checked_duration_since(Instant::now()).filter(|now| !now.is_zero()) {
            let seconds = format!("{:.0}", (left.saturating_sub(time) + now).as_secs_f64().ceil());
            let words = say! { en: "measuring, {seconds} s to go", ko: "측정 중, {seconds}초 남음", seconds = seconds };
            write(&format!("\r\x1b[K{}", words.get(self.lang)));
            sleep(now.min(STEP));
        }
        write("\r\x1b[K");
    }

    fn probing(&mut self, paths: &[&Tracer]) {
        if !self.shown {
            return;
        }
        let left_us = |path: Path| u64::from(path.plan.rounds.saturating_sub(path.rounds)) * path.plan.interval_us;
        let left_us = paths.iter().map(|tracer| left_us(tracer.path())).max().unwrap_or(0);
        let words = say! {
            en: "probing the paths to {count} peer(s) that lose or are silent, {time} to go",
            ko: "손실이 있거나 조용한 상대 {count}곳까지의 경로를 탐침하는 중, {time} 남음",
            count = paths.len(), time = span(left_us)
        };
        write(&format!("\r\x1b[K{}", words.get(self.lang)));
    }
}
