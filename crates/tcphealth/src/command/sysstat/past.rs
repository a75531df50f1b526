//! `check --from SAFILE`: an interval of a file of sysstat's, judged by what it holds.

use std::fs::File;
use std::path::Path;

use tcphealth_core::report::{Report, Unseen};
use tcphealth_core::rules::{Limits, judge, summary};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Answers, Snapshot};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::past::{Wish, interval};
use tcphealth_core::sysstat::record::Reader;
use tcphealth_core::sysstat::verdict::verdicts;
use tcphealth_core::window::Window;

use super::failure::Failure;
use super::zone::LocalZone;
use crate::args::LookArgs;
use crate::config;
use crate::speech::Complaint;

/// The HZ of the older formats, whose files do not say it.
const OLD_HZ: u64 = 100;

/// The report on the interval that is meant; `None` when the file is not sysstat's.
pub(crate) fn report(file: &Path, look: &LookArgs) -> anyhow::Result<Option<Report>> {
    let mut input = Input::new(File::open(file)?);
    let failed = |trouble: &Trouble| anyhow::anyhow!(Failure::of_file(trouble, &file.display().to_string()).message);
    let header = match Header::read(&mut input, Some(OLD_HZ)) {
        Err(Trouble::NotSa) => return Ok(None),
        read => read.map_err(|trouble| failed(&trouble))?,
    };
    let limits = config::limits()?;
    let wish = Wish {
        at: look.at.map(|when| u64::try_from(when.0 / 1_000_000).unwrap_or(0)),
        window_cs: look.window.map_or(limits.window_min_seconds * 100.0, |window| window.as_secs_f64() * 100.0) as u64,
    };
    let found = interval(Reader::new(input, header, |_| true), wish).map_err(|trouble| failed(&trouble))?;
    let Some((first, mut last)) = found else { return Err(nothing(file, look).into()) };
    let zone = LocalZone::of_process();
    let mut first = first.unwrap_or_else(|| last.clone());
    localise(&mut first, &zone);
    localise(&mut last, &zone);
    Ok(Some(judged(&first, &last, &limits)?))
}

fn judged(first: &Snapshot, last: &Snapshot, limits: &Limits) -> anyhow::Result<Report> {
    let answers = Answers::new();
    let window =
        if first.at == last.at { Window::instant(last, &answers) } else { Window::between(first, last, &answers)? };
    let mut judgement = judge(&window, limits);
    for (rule, verdict) in verdicts(&window, limits) {
        judgement.fill_in(rule, verdict);
    }
    let mut report = summary(&window, judgement, limits);
    report.unseen = vec![Unseen {
        what: say! { en: "sockets, settings, and the counters of TcpExt", ko: "소켓, 설정, TcpExt 카운터" },
        why: say! { en: "sysstat does not keep them", ko: "sysstat은 남기지 않음" },
        remedy: say! { en: "keep them with tcphealth record", ko: "tcphealth record로 남긴다" },
    }];
    Ok(report)
}

fn localise(snapshot: &mut Snapshot, zone: &LocalZone) {
    let epoch = u64::try_from(snapshot.at.wall_ns / 1_000_000_000).unwrap_or(0);
    snapshot.at.utc_offset_seconds = zone.offset_seconds(epoch);
}

fn nothing(file: &Path, look: &LookArgs) -> Complaint {
    let file = file.display();
    Complaint(match look.at {
        Some(when) => say! {
            en: "{file} holds no reading at {when} or later",
            ko: "{file}: {when} 이후의 기록이 없음",
            file = file, when = when.shown()
        },
        None => say! { en: "{file} holds no reading", ko: "{file}: 기록이 없음", file = file },
    })
}
