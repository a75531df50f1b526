//! `tcphealth path`: response time and loss of each hop, and the segment to blame.

mod show;
mod target;

use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;
use tcphealth_core::path::{FLOWS_MAX, INTERVAL_US, Outcome, Path, Plan, Protocol, Tracer, judge};
use tcphealth_core::words::Lang;
use tcphealth_linux::probe;

/// Exit status: the path could not be probed.
const FAILED: u8 = 3;

/// Measures each hop to a peer and says which segment loses or delays.
///
/// The probes are SYNs to the service's own port and need no privilege. A loss of 2 % needs 150 probes a hop: 2 min 38 s.
/// Exit status: 0 nothing to blame, 1 a segment is blamed, 3 the path could not be probed.
#[derive(Args, Debug)]
pub struct PathArgs {
    /// The peer: HOST, HOST:PORT or [IPv6]:PORT; port 443 unless given (UDP: 33434)
    target: String,
    /// Probe with UDP datagrams instead
    #[arg(long, conflicts_with = "icmp")]
    udp: bool,
    /// Probe with echo requests instead (net.ipv4.ping_group_range must admit the group)
    #[arg(long)]
    icmp: bool,
    /// Walk this many flows (source ports): shows the branches where routers balance load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(FLOWS_MAX)))]
    flows: u16,
    /// Probes a hop
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Seconds between two probes with the same TTL; routers limit their replies to one a second
    #[arg(long, value_name = "SECONDS", default_value_t = INTERVAL_US as f64 / 1e6, value_parser = seconds)]
    interval: f64,
    /// The highest TTL to try
    #[arg(long, value_name = "TTL", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    max_ttl: u8,
    /// Stop after this many seconds, whatever --count says
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<f64>,
    /// Look up the names of the hops
    #[arg(long)]
    names: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a path is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table and the reasons.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Probes, prints, and says by the exit status what came out.
pub fn run(args: &PathArgs, lang: Lang) -> ExitCode {
    match trace(args, lang) {
        Ok(path) => {
            let judgement = judge(&path);
            let names = if args.names { show::names(&path) } else { Vec::new() };
            let text = match args.format {
                Format::Text => show::report(&path, &judgement, &names, lang),
                Format::Json => show::json(&path, &judgement, &names, lang),
            };
            println!("{text}");
            ExitCode::from(status(judgement.outcome))
        }
        Err(error) => {
            eprintln!("tcphealth: {}: {error}", args.target);
            ExitCode::from(FAILED)
        }
    }
}

fn status(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Clean | Outcome::Undecided => 0,
        Outcome::Blamed => 1,
        Outcome::Unreached => FAILED,
    }
}

fn trace(args: &PathArgs, lang: Lang) -> io::Result<Path> {
    let plan = plan(args)?;
    let live = args.format == Format::Text && io::stdout().is_terminal();
    if args.format == Format::Text {
        eprintln!("{}", show::promise(&plan).get(lang));
    }
    let mut screen = show::Screen::default();
    let watch = |tracers: &[&Tracer]| {
        if live {
            tracers.iter().for_each(|tracer| screen.draw(&tracer.path(), lang));
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

/// A tenth of a second at least: more than ten probes a second to each router is an attack, not a measurement.
fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim_end_matches('s').parse().map_err(|_| "not a number of seconds".to_owned())?;
    (0.1..=86_400.0).contains(&value).then_some(value).ok_or_else(|| "must be from 0.1 to 86400 seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_what_came_out() {
        let all = [Outcome::Clean, Outcome::Undecided, Outcome::Blamed, Outcome::Unreached];
        assert_eq!(all.map(status), [0, 0, 1, 3]);
    }

    #[test]
    fn an_interval_is_a_number_of_seconds_within_bounds() {
        assert_eq!(seconds("1.05"), Ok(1.05));
        assert_eq!(seconds("30s"), Ok(30.0));
        assert!(seconds("0.01").is_err() && seconds("NaN").is_err() && seconds("soon").is_err());
    }
}
