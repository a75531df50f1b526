//! `sar --judge`, live: below each sample what was lost toward near and far peers, and the verdict.

use std::io;

use tcphealth_core::format::headline;
use tcphealth_core::report::{Report, Severity};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::snapshot::{Answers, Marks, Snapshot};
use tcphealth_core::words::Lang;
use tcphealth_core::{say, text};
use tcphealth_linux::{Host, Pass, give_back};

use crate::command::sysstat::failure::Failure;
use crate::config;
use crate::examine::{ANSWER_BUDGET, settle};

/// Looks at the sockets with every sample.
pub(crate) struct Judge {
    host: Host,
    before: Snapshot,
    marks: Marks,
    history: History,
    limits: Limits,
    lang: Lang,
}

impl Judge {
    /// Takes the first look.
    pub(crate) fn begin(lang: Lang) -> Result<Self, Failure> {
        let mut host = Host::live().resident();
        let limits = config::limits().map_err(|error| failed(&error))?;
        let (before, marks) = host.look(Pass::First).map_err(|error| failed(&error.into()))?;
        Ok(Self { host, before, marks, history: History::default(), limits, lang })
    }

    /// The line on the time since the look before.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let report = self.report().map_err(|error| failed(&error))?;
        Ok(line(&report, self.lang))
    }

    fn report(&mut self) -> anyhow::Result<Report> {
        let (now, marks) = self.host.look(Pass::Next(std::mem::take(&mut self.marks)))?;
        self.marks = marks;
        let before = std::mem::replace(&mut self.before, now);
        let host = &mut self.host;
        let mut find = |asked, answers: &mut Answers| Ok(host.answer(&asked, answers, ANSWER_BUDGET)?);
        let report =
            settle((&before, Some(&self.before)), &mut self.history, (Answers::new(), &self.limits), &mut find);
        give_back();
        report
    }
}

/// `judge      local 3/1000 (0.300 %), remote 0/0 (undecided): ok, no trouble found in 5.0 s`.
pub(super) fn line(report: &Report, lang: Lang) -> String {
    let value = |name: &str| report.figures.iter().find(|figure| figure.name == name)?.value;
    let lost = |[lost, sent]: [&str; 2]| match (value(lost), value(sent)) {
        (Some(lost), Some(sent)) if sent > 0.0 => format!("{lost}/{sent} ({:.3} %)", lost / sent * 100.0),
        (Some(_), Some(_)) => text! { en: "0/0 (undecided)", ko: "0/0 (판정 보류)" }.get(lang).to_owned(),
        _ => text! { en: "undecided (sockets not seen twice)", ko: "판정 보류(소켓을 두 번 보지 못함)" }
            .get(lang)
            .to_owned(),
    };
    let worst = report.findings.first().filter(|finding| finding.severity > Severity::Info);
    let rule = worst.map(|finding| format!(", {}", finding.rule)).unwrap_or_default();
    let line = say! {
        en: "judge      local {near}, remote {far}: {word}{rule}, {headline}\n",
        ko: "판정       근거리 {near}, 원거리 {far}: {word}{rule}, {headline}\n",
        near = lost(["lost_local_segments", "data_local_segments"]),
        far = lost(["lost_remote_segments", "data_remote_segments"]),
        word = report.word.name(), rule = rule; headline = headline(report)
    };
    line.get(lang).to_owned()
}

pub(super) fn failed(error: &anyhow::Error) -> Failure {
    match error.downcast_ref::<io::Error>().filter(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        Some(closed) => Failure::of_output(closed),
        None => Failure::line(2, format_args!("--judge: {error:#}")),
    }
}
