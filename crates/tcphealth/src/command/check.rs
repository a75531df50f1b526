//! `tcphealth check`: the verdict on this host; once, or again and again.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tcphealth_core::format::Format;
use tcphealth_core::report::{Report, Word};
use tcphealth_core::rules::History;
use tcphealth_core::say;
use tcphealth_core::words::Lang;
use tcphealth_linux::{Host, Redaction, Walker};

use super::sysstat;
use crate::args::{CheckArgs, LookArgs};
use crate::config;
use crate::examine::Examiner;
use crate::progress::Progress;
use crate::speech::{self, Complaint, Speech};
use crate::store::{self, Past, Store};

mod all;
mod every;

use every::Every;

/// Time between the two looks unless told otherwise.
const WINDOW: Duration = Duration::from_secs(5);

/// What every directory that `--save` wrote has.
const META: &str = "meta.json";

/// Prints the report; its verdict is the exit status.
pub(crate) fn run(args: &CheckArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let format = Format::named(&args.format).expect("the command line takes only names of formats");
    if let Some(time) = args.timeout {
        give_up_after(time, format, speech.lang);
    }
    if args.redact && args.save.is_none() && args.look.from.is_none() && args.look.at.is_none() {
        let words = say! { en: "--redact goes with --save or --from", ko: "--redact는 --save나 --from과 함께 쓴다" };
        return Err(Complaint(words).into());
    }
    if args.every.is_some() && !format.is_a_line() {
        let words = say! {
            en: "--every prints text or json, a line a window",
            ko: "--every는 text나 json으로만, 구간마다 한 줄씩 출력함"
        };
        return Err(Complaint(words).into());
    }
    if args.events.flatten().is_some() && (args.every.is_some() || args.look.window.is_some()) {
        let words = say! {
            en: "--every and --window tell the length of the window: --events goes with them without a time",
            ko: "구간 길이는 --every와 --window가 정하므로 --events에는 시간을 주지 않는다"
        };
        return Err(Complaint(words).into());
    }
    if args.look.netns.as_deref() == Some(all::NAME) {
        return all::run(args, format, speech);
    }
    if let Some(directory) = args.look.from.as_deref().filter(|from| args.look.at.is_none() && all::is_saved(from)) {
        return all::run_saved(directory, args, format, speech);
    }
    if let Some(report) = recorded(&args.look)? {
        if args.redact || args.since_boot {
            let words = say! {
                en: "--redact and --since-boot are for this host or a saved one, not for a recording",
                ko: "--redact와 --since-boot는 이 호스트나 저장한 호스트에만 쓰며 기록에는 쓸 수 없음"
            };
            return Err(Complaint(words).into());
        }
        return print(&report, format, speech);
    }
    let mut host = host(args.look.from.as_deref(), args.look.netns.as_deref(), args.save.as_deref())?;
    if args.redact {
        host = host.redacting(Redaction::default());
    }
    if let Some(rounds) = args.path {
        host = host.probing(rounds);
    }
    if args.events.is_some() {
        host = host.counting_events();
    }
    if let Some(window) = args.every {
        let limits = config::limits()?;
        let every = Every { window, count: args.count, format, limits: &limits, speech };
        return Ok(ExitCode::from(every.run(host.resident())?.status()));
    }
    let window = args.events.flatten().or(args.look.window);
    let report = if args.since_boot { since_boot(host, speech)? } else { look(host, window, speech)? };
    print(&report, format, speech)
}

fn print(report: &Report, format: Format, speech: &Speech) -> anyhow::Result<ExitCode> {
    speech::print(&format.print(report, &speech.style(format)))?;
    Ok(ExitCode::from(report.word.status()))
}

/// The report on a moment of a recording, when one is meant: of the directory that is named, or of the usual one.
pub(crate) fn recorded(look: &LookArgs) -> anyhow::Result<Option<Report>> {
    if let Some(file) = look.from.as_deref().filter(|from| from.is_file())
        && let Some(report) = sysstat::past::report(file, look)?
    {
        return Ok(Some(report));
    }
    let Some(when) = look.at else { return Ok(None) };
    let store = Store::open(&look.from.clone().unwrap_or_else(store::default_dir))?;
    let (past, limits) = (Past::at(&store, when, look.window)?, config::limits()?);
    let mut history = past.history(&store, &limits)?;
    Ok(Some(past.judged(&mut history, &limits)?))
}

fn no_saved_host(file: &Path) -> Complaint {
    Complaint(say! {
        en: "{file}: no file of sysstat's; --from takes one, a directory that --save wrote, or a recording",
        ko: "{file}: sysstat 파일이 아님. --from에는 sysstat 파일, --save로 저장한 디렉터리, 기록을 준다",
        file = file.display()
    })
}

/// Whether a directory that is there does not have this file.
fn is_without(directory: &Path, file: &str) -> bool {
    directory.is_dir() && matches!(directory.join(file).try_exists(), Ok(false))
}

fn no_saved_look(directory: &Path) -> Complaint {
    Complaint(say! {
        en: "{place}: neither a recording nor a directory that --save wrote (it has no {meta})",
        ko: "{place}: 기록도 아니고 --save로 저장한 디렉터리도 아님({meta} 없음)",
        place = directory.display(), meta = META
    })
}

fn no_moment(recording: &Path) -> Complaint {
    Complaint(say! {
        en: "{place}: of which moment? --at tells",
        ko: "{place}: 어느 시점인지 --at으로 알려야 함",
        place = recording.display()
    })
}

fn many_hosts(directory: &Path) -> Complaint {
    Complaint(say! {
        en: "{place}: many network namespaces, which only check judges together; name one of the directories in it",
        ko: "{place}: 여러 네트워크 네임스페이스를 저장한 곳으로 check만 함께 판정한다. 그 안의 디렉터리 하나를 지정한다",
        place = directory.display()
    })
}

/// The host that is meant: this one, or a saved one; in its own namespace, or in another.
pub(crate) fn host(from: Option<&Path>, netns: Option<&str>, save: Option<&Path>) -> anyhow::Result<Host> {
    let mut host = match from {
        Some(file) if file.is_file() => return Err(no_saved_host(file).into()),
        Some(recording) if Store::is_one(recording) => return Err(no_moment(recording).into()),
        Some(directory) if all::is_saved(directory) => return Err(many_hosts(directory).into()),
        Some(directory) if is_without(directory, META) => return Err(no_saved_look(directory).into()),
        Some(directory) => Host::frozen(directory)?,
        None => Host::live(),
    };
    if let Some(directory) = save {
        host = host.saving(directory)?;
    }
    Ok(match netns {
        Some(all::NAME) => {
            let words = say! {
                en: "--netns all is for check; sockets --by netns counts those of all namespaces",
                ko: "--netns all은 check에만 쓴다. 모든 네임스페이스의 소켓 수는 sockets --by netns"
            };
            return Err(Complaint(words).into());
        }
        Some(which) => host.in_netns(which)?,
        None => host,
    })
}

/// One window on a host, judged.
pub(crate) fn look(host: Host, window: Option<Duration>, speech: &Speech) -> anyhow::Result<Report> {
    let (limits, mut host) = (config::limits()?, host.walking(Walker::default()));
    let mut progress = Progress::new(speech);
    let mut examiner =
        Examiner { host: &mut host, limits: &limits, history: History::default(), meanwhile: &mut progress };
    let report = examiner.once(window.unwrap_or(WINDOW));
    progress.clear();
    report
}

fn since_boot(mut host: Host, speech: &Speech) -> anyhow::Result<Report> {
    let limits = config::limits()?;
    let mut progress = Progress::new(speech);
    Examiner { host: &mut host, limits: &limits, history: History::default(), meanwhile: &mut progress }.since_boot()
}

/// A monitoring system must never hang: when the time is over, the host is unknown.
fn give_up_after(time: Duration, format: Format, lang: Lang) {
    thread::spawn(move || {
        thread::sleep(time);
        let late = say! {
            en: "not judged within {seconds} s",
            ko: "{seconds}초 안에 판정하지 못함",
            seconds = time.as_secs_f64()
        };
        if format == Format::Nagios {
            let _ = writeln!(io::stdout(), "TCPHEALTH UNKNOWN - {}", late.get(lang));
        }
        speech::complain(&Complaint(late).into(), lang);
        std::process::exit(i32::from(Word::Unknown.status()));
    });
}
