//! `tcphealth path`: response time and loss of each hop, and the segment to blame.

mod asn;
mod show;
mod target;

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context;
use tcphealth_core::path::{Judgement, Mtu, Outcome, Path, Plan, Protocol, Tracer, judge};
use tcphealth_linux::probe;

use crate::args::{PathArgs, TextOrJson};
use crate::speech::{self, Speech};

/// Exit status: the path could not be probed.
const FAILED: u8 = 3;

/// The port that is probed when none is named.
const HTTPS: u16 = 443;

/// The port that traceroute(8) sends datagrams to, since nobody listens there.
const TRACEROUTE: u16 = 33434;

/// Probes, prints, and says by the exit status what came out.
pub(crate) fn run(args: &PathArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let found = find(args, speech).with_context(|| args.target.clone())?;
    let text = match args.format {
        TextOrJson::Text => show::report(&found, speech),
        TextOrJson::Json => show::json(&found, speech.machine_lang),
    };
    speech::print(&text)?;
    Ok(ExitCode::from(status(&found)))
}

/// All that was found out about a path.
struct Found {
    path: Path,
    judgement: Judgement,
    mtu: Option<Mtu>,
    /// Names and autonomous systems.
    labels: Vec<(IpAddr, String)>,
}

fn status(found: &Found) -> u8 {
    let hole = found.mtu.as_ref().is_some_and(|mtu| mtu.black_hole.is_some());
    match found.judgement.outcome {
        Outcome::Clean | Outcome::Undecided => u8::from(hole),
        Outcome::Blamed => 1,
        Outcome::Unreached => FAILED,
    }
}

fn find(args: &PathArgs, speech: &Speech) -> io::Result<Found> {
    let table = args.as_table.as_deref().map(asn::open).transpose()?;
    let path = trace(args, speech)?;
    let length = path.length();
    let mtu = args.mtu.then(|| probe::find_mtu(&path.plan, length as u8)).transpose()?;
    let hops = path.hops();
    let addresses: Vec<IpAddr> = hops.iter().flat_map(|hop| &hop.addresses).map(|(address, _)| *address).collect();
    let mut labels = Vec::new();
    if args.names {
        labels.extend(addresses.iter().filter_map(|address| Some((*address, probe::name_of(*address)?))));
    }
    if let Some(table) = table {
        labels.extend(asn::look_up(table, &addresses)?);
    }
    Ok(Found { judgement: judge(&path), path, mtu, labels })
}

fn trace(args: &PathArgs, speech: &Speech) -> io::Result<Path> {
    let plan = plan(args)?;
    let live = args.format == TextOrJson::Text && io::stdout().is_terminal();
    if args.format == TextOrJson::Text {
        eprint!("{}", show::lines(&show::promise(&plan), speech));
    }
    let mut screen = show::Screen::default();
    let watch = |tracers: &[&Tracer]| {
        for tracer in tracers.iter().filter(|_| live) {
            screen.draw(&tracer.path(), speech);
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
    let peer = target::resolve(&args.target, if args.udp { TRACEROUTE } else { HTTPS })?;
    Ok(Plan {
        target: peer.ip(),
        port: peer.port(),
        source: probe::source_for(peer.ip())?,
        protocol,
        flows: args.flows,
        rounds: args.count,
        interval_us: args.interval.as_micros() as u64,
        max_ttl: args.max_ttl,
        duration_us: args.duration.map(|time| time.as_micros() as u64),
    })
}
