//! `check --from SAFILE`: an interval of a file of sysstat's, judged by what it holds.

use std::fs::File;
use std::path::Path;

use tcphealth_core::report::{Report, Unseen};
use tcphealth_core::say;
use tcphealth_core::snapshot::Snapshot;
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::past::{Found, Wish, interval};
use tcphealth_core::sysstat::record::Reader;

use super::zone::LocalZone;
use crate::args::LookArgs;
use crate::config;
use crate::examine::counters_only;
use crate::speech::Complaint;
use crate::when::When;

/// The HZ of the older formats, whose files do not say it.
pub(crate) const OLD_HZ: u64 = 100;

/// The report on the interval that is meant; `None` when the file is not sysstat's.
pub(crate) fn report(file: &Path, look: &LookArgs) -> anyhow::Result<Option<Report>> {
    let mut input = Input::new(File::open(file).map_err(|error| broken(file, &Trouble::Io(error)))?);
    let header = match Header::read(&mut input, Some(OLD_HZ)) {
        Err(Trouble::NotSa) => return Ok(None),
        read => read.map_err(|trouble| broken(file, &trouble))?,
    };
    let limits = config::limits()?;
    let wish = Wish {
        at: look.at.map(|when| u64::try_from(when.0 / 1_000_000).unwrap_or(0)),
        window_cs: look.window.map_or(limits.window_min_seconds * 100.0, |window| window.as_secs_f64() * 100.0) as u64,
    };
    let Found { ends, span, damage } = interval(Reader::new(input, header, |_| true), wish);
    let Some((mut first, mut last)) = ends else {
        return Err(damage.map_or_else(|| nothing(file, look.at, span), |trouble| broken(file, &trouble)).into());
    };
    let zone = LocalZone::of_process();
    localise(&mut first, &zone);
    localise(&mut last, &zone);
    let mut report = counters_only(&first, &last, &limits)?;
    report.unseen.extend(damage.map(|trouble| cut(file, &trouble)));
    Ok(Some(report))
}

fn cut(file: &Path, trouble: &Trouble) -> Unseen {
    Unseen {
        what: say! { en: "the rest of the file, which is damaged", ko: "손상된 파일의 나머지" },
        why: broken(file, trouble).0,
        remedy: say! { en: "--at judges what stands before", ko: "--at으로 그 앞의 시점을 판정할 수 있음" },
    }
}

fn localise(snapshot: &mut Snapshot, zone: &LocalZone) {
    let epoch = u64::try_from(snapshot.at.wall_ns / 1_000_000_000).unwrap_or(0);
    snapshot.at.utc_offset_seconds = zone.offset_seconds(epoch);
}

/// The interval is not in the file.
fn nothing(file: &Path, at: Option<When>, span: Option<(u64, u64)>) -> Complaint {
    let file = file.display();
    let shown = |seconds: u64| When(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000)).shown();
    match (at, span.map(|(first, last)| (shown(first), shown(last)))) {
        (Some(when), Some((first, last))) => Complaint(say! {
            en: "{file} holds no interval with {when}: its readings are from {first} to {last}",
            ko: "{file}: {when} 시점이 든 구간이 없음. 기록은 {first}부터 {last}까지",
            file = file, when = when.shown(), first = first, last = last
        }),
        (None, Some(_)) => Complaint(say! {
            en: "{file} holds one reading of a boot only, and an interval needs two",
            ko: "{file}: 한 번 부팅한 동안의 기록이 하나뿐임. 구간에는 둘이 필요함", file = file
        }),
        (_, None) => Complaint(say! { en: "{file} holds no reading", ko: "{file}: 기록이 없음", file = file }),
    }
}

/// A file of sysstat's that cannot be read on.
pub(crate) fn broken(file: &Path, trouble: &Trouble) -> Complaint {
    let file = file.display();
    Complaint(match trouble {
        Trouble::Format { format, version: [major, minor, ..] } => say! {
            en: "{file}: sysstat {version} wrote it in a format that is not read ({format}): 0x2171, 0x2173 and 0x2175 are",
            ko: "{file}: sysstat {version}의 형식({format})은 읽지 못함. 0x2171, 0x2173, 0x2175만 읽음",
            file = file, version = format!("{major}.{minor}"), format = format!("{format:#x}")
        },
        Trouble::Cut => {
            say! { en: "{file} ends in the middle of a record", ko: "{file}: 레코드 중간에서 끊김", file = file }
        }
        Trouble::Invalid | Trouble::NotSa => {
            say! { en: "{file}: a record contradicts itself", ko: "{file}: 앞뒤가 맞지 않는 레코드가 있음", file = file }
        }
        Trouble::Nothing { .. } => say! {
            en: "{file} has no two readings to compare",
            ko: "{file}: 비교할 수 있는 두 기록이 없음", file = file
        },
        Trouble::Io(error) | Trouble::Paper(error) => {
            say! { en: "{file}: {error}", ko: "{file}: {error}", file = file, error = error }
        }
    })
}
