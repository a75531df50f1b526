//! One file a command. A command takes what was typed, prints, and says with which status to exit.

use std::ffi::OsString;
use std::process::ExitCode;

use tcphealth_core::words::Lang;

use crate::args::{self, Command};
use crate::speech::{self, Speech};

mod check;
mod diff;
mod doctor;
mod explain;
mod import;
mod path;
mod pin;
mod record;
mod replay;
mod rules;
mod sockets;
mod states;
mod trace;
mod why;
mod sadf;
mod sar;
mod sysstat;

pub(crate) use sockets::Column;

/// Runs what was typed, the program's name included; the exit status is the command's own.
pub fn run(words: Vec<OsString>) -> ExitCode {
    if let Some(run) = words.get(1).and_then(|name| sysstat::command(name)) {
        return run(words.get(2..).unwrap_or_default()).into();
    }
    let failed = args::usage_status(&words);
    let lang = speech::early_lang(&words);
    let line = match args::parse(words, lang) {
        Ok(line) => line,
        Err(error) => return usage(&error, failed, lang),
    };
    let speech = Speech::new(&line);
    let done = match &line.command {
        Command::Check(args) => check::run(args, &speech),
        Command::Why(args) => why::run(args, &speech),
        Command::Path(args) => path::run(args, &speech),
        Command::Record(args) => record::run(args, &speech),
        Command::Import(args) => import::run(args, &speech),
        Command::Replay(args) => replay::run(args, &speech),
        Command::Diff(args) => diff::run(args, &speech),
        Command::States(args) => states::run(args, &speech),
        Command::Sockets(args) => sockets::run(args, &speech),
        Command::Trace(args) => trace::run(args, &speech),
        Command::Doctor(args) => doctor::run(args, &speech),
        Command::Pin => pin::pin(&speech),
        Command::Unpin => pin::unpin(&speech),
        Command::Explain(args) => explain::run(args, &speech),
        Command::Rules(args) => rules::run(args, &speech),
        Command::Sar(args) => Ok(sar::run(&args.words).into()),
        Command::Sadf(args) => Ok(sadf::run(&args.words).into()),
    };
    done.unwrap_or_else(|error| {
        speech::complain(&error, speech.lang);
        ExitCode::from(if failed == 3 { 3 } else { 1 })
    })
}

/// Prints help to standard output with status 0, a usage error to standard error with the command's own status.
fn usage(error: &clap::Error, failed: u8, lang: Lang) -> ExitCode {
    if error.use_stderr() {
        let text = match lang {
            Lang::En => error.render().to_string(),
            Lang::Ko => args::in_korean(error),
        };
        eprint!("{text}");
        return ExitCode::from(failed);
    }
    match speech::print(&error.render().to_string()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            speech::complain(&error.into(), lang);
            ExitCode::from(failed)
        }
    }
}
