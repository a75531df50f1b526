//! `sar --judge`: below each sample what was lost toward near and far peers, and the verdict.

use tcphealth_core::report::{Report, Severity};
use tcphealth_core::rules::Limits;
use tcphealth_core::say;
use tcphealth_core::snapshot::{Answers, Marks, Snapshot};
use tcphealth_core::words::Lang;
use tcphealth_linux::{Host, Pass};

use crate::command::sysstat::failure::Failure;
use crate::config;
use crate::examine::{ANSWER_BUDGET, settle};

/// Looks at the sockets with every sample.
pub(crate) struct Judge {
    host: Host,
    before: (Snapshot, Marks),
    limits: Limits,
    lang: Lang,
}

impl Judge {
    /// Takes the first look.
    pub(crate) fn begin(lang: Lang) -> Result<Self, Failure> {
        let mut host = Host::live();
        let limits = config::limits().map_err(|error| failed(&error))?;
        let before = host.look(Pass::First).map_err(|error| failed(&error.into()))?;
        Ok(Self { host, before, limits, lang })
    }

    /// The line on the time since the look before.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let report = self.report().map_err(|error| failed(&error))?;
        let shown = |name: &str| {
            let figure = report.figures.iter().find(|figure| figure.name == name);
            figure.and_then(|figure| figure.shown.as_ref()).map_or("-", |shown| shown.get(self.lang)).to_owned()
        };
        let worst = report.findings.first().filter(|finding| finding.severity > Severity::Info);
        let worst = worst.map(|finding| format!(": {}, {}", finding.rule, finding.summary.get(self.lang)));
        let line = say! {
            en: "judge      lost, local {near}; remote {far}; verdict {word}{worst}\n",
            ko: "판정       손실, 근거리 {near}; 원거리 {far}; 판정 {word}{worst}\n",
            near = shown("retransmit_local_ratio"), far = shown("retransmit_remote_ratio"),
            word = report.word.name(), worst = worst.unwrap_or_default()
        };
        Ok(line.get(self.lang).to_owned())
    }

    fn report(&mut self) -> anyhow::Result<Report> {
        let now = self.host.look(Pass::Next(&self.before.1))?;
        let before = std::mem::replace(&mut self.before, now);
        let host = &mut self.host;
        let mut find = |asked, answers: &mut Answers| Ok(host.answer(&asked, answers, ANSWER_BUDGET)?);
        Ok(settle(&before.0, Some(&self.before.0), (Answers::new(), &self.limits), &mut find)?.0)
    }
}

fn failed(error: &anyhow::Error) -> Failure {
    Failure::line(2, format_args!("--judge: {error:#}"))
}
