//! `tcphealth path`: response time and loss of each hop, and the segment to blame.

mod show;
mod target;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tcphealth_core::path::{Outcome, Path, Plan, Protocol, Tracer, judge};
use tcphealth_linux::probe;

use crate::args::{PathArgs, TextOrJson};
use crate::speech::{self, Speech};

/// Exit status: the path could not be probed.
const FAILED: u8 = 3;

/// Probes, prints, and says by the exit status what came out.
pub(crate) fn run(args: &PathArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let path = trace(args, speech).with_context(|| args.target.clone())?;
    let judgement = judge(&path);
    let names = if args.names { show::names(&path) } else { Vec::new() };
    let text = match args.format {
        TextOrJson::Text => show::report(&path, &judgement, &names, speech.lang),
        TextOrJson::Json => show::json(&path, &judgement, &names, speech.machine_lang),
    };
    speech::print(&text)?;
    Ok(ExitCode::from(status(judgement.outcome)))
}

fn status(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Clean | Outcome::Undecided => 0,
        Outcome::Blamed => 1,
        Outcome::Unreached => FAILED,
    }
}

fn trace(args: &PathArgs, speech: &Speech) -> io::Result<Path> {
    let plan = plan(args)?;
    let live = args.format == TextOrJson::Text && io::stdout().is_terminal();
    if args.format == TextOrJson::Text {
        eprintln!("{}", show::promise(&plan).get(speech.lang));
    }
    let mut screen = show::Screen::default();
    let watch = |tracers: &[&Tracer]| {
        if live {
            for tracer in tracers {
                screen.draw(&tracer.path(), speech.lang);
            }
        }
    };
    let mut paths = probe::walk(&[plan], watch)?;
    screen.clear();
    paths.pop().unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))
}

fn plan(args: &PathArgs) -> io::Result<Plan> {
    let protocol = match (args.udp, args.icmp) {
        (true, _) => Protocol::Udp,
        (_, true) => Protocol::Icmp,
        _ => Protocol::Tcp,
    };
    let peer = target::resolve(&args.target, if args.udp { 33434 } else { 443 })?;
    Ok(Plan {
        target: peer.ip(),
        port: peer.port(),
        source: probe::source_for(peer.ip())?,
        protocol,
        flows: args.flows,
        rounds: args.count,
        interval_us: Duration::from_secs_f64(args.interval).as_micros() as u64,
        max_ttl: args.max_ttl,
        duration_us: args.duration.map(|seconds| Duration::from_secs_f64(seconds).as_micros() as u64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_what_came_out() {
        let all = [Outcome::Clean, Outcome::Undecided, Outcome::Blamed, Outcome::Unreached];
        assert_eq!(all.map(status), [0, 0, 1, 3]);
    }
}
