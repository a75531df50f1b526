//! What the README claims about cost, measured here and now: a sample of the counters, and a host of 100 000 sockets.
//!
//! CPU time (user and system, getrusage(2)) is the figure to trust on a busy machine, and the ratios inside one interleaved run
//! more than the figures.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use tcphealth_core::wire::sock_diag::{ALL_STATES, Family};
use tcphealth_linux::{Host, Pass, Request};

const COUNTERS: [&str; 4] = ["net/snmp", "net/netstat", "net/sockstat", "net/dev"];
const SAMPLES: u32 = 2000;
/// Connections, both ends here: twice as many sockets.
const PAIRS: usize = 50_000;
const ROUNDS: usize = 5;
/// Listeners of one actor: each gives all local ports once more.
const LISTENERS: usize = 16;

/// Measures everything and prints two tables.
///
/// # Errors
/// The network namespace or its sockets cannot be made (root is needed), or a program to compare with is missing.
pub fn bench() -> Result<()> {
    counters()?;
    sockets()
}

/// CPU time that has been used, µs.
pub(crate) fn cpu_us(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who)?;
    Ok((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64)
}

fn counters() -> Result<()> {
    let mut host = Host::live();
    let (mut kept_open, mut naive_us, mut values) = (0.0, 0.0, (0, 0));
    // Turn by turn, so that both see the same machine.
    for _ in 0..10 {
        let begin = cpu_us(UsageWho::RUSAGE_SELF)?;
        for _ in 0..SAMPLES / 10 {
            values.0 = host.counters_of(&COUNTERS).tables.iter().map(|table| table.values.len()).sum();
        }
        let between = cpu_us(UsageWho::RUSAGE_SELF)?;
        for _ in 0..SAMPLES / 10 {
            values.1 = naive()?;
        }
        kept_open += between - begin;
        naive_us += cpu_us(UsageWho::RUSAGE_SELF)? - between;
    }
    let each = |us: f64| us / f64::from(SAMPLES);
    println!("one sample of {}: {} values", COUNTERS.join(" "), values.0);
    println!("  files kept open, parsed by name      {:8.1} µs CPU", each(kept_open));
    println!("  open, read, split_whitespace, parse  {:8.1} µs CPU ({} numbers)", each(naive_us), values.1);
    println!("  ratio                                {:8.2}", naive_us / kept_open);
    Ok(())
}

/// The same texts, read as one would in a hurry.
fn naive() -> Result<usize> {
    let mut values = HashMap::new();
    for file in COUNTERS {
        let text = fs::read_to_string(format!("/proc/{file}"))?;
        for (place, word) in text.split_whitespace().enumerate() {
            if let Ok(value) = word.parse::<i64>() {
                values.insert((file, place), value);
            }
        }
    }
    Ok(values.len())
}

fn sockets() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own needs root")?;
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "ip link set lo up");
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
    let actors = populate()?;
    let program = std::env::current_exe()?;
    let program = program.to_str().context("a path in UTF-8")?;
    let contestants: [(&str, &[&str]); 5] = [
        ("states, grouped", &[program, "bench-states"]),
        ("census with tcp_info, grouped", &[program, "bench-census"]),
        ("ss -tan", &["ss", "-tan"]),
        ("ss -tani", &["ss", "-tani"]),
        ("ss -tanp", &["ss", "-tanp"]),
    ];
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..ROUNDS {
        for ((_, command), times) in contestants.iter().zip(&mut times) {
            times.push(run(command)?);
        }
    }
    println!("{} sockets, whole process, median of {ROUNDS} interleaved runs", 2 * PAIRS);
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    let ours = medians.first().copied().unwrap_or(f64::NAN);
    for ((name, _), median) in contestants.iter().zip(&medians) {
        println!("  {name:32} {:8.3} s CPU {:8.1} ×", median / 1e6, median / ours);
    }
    for mut actor in actors {
        drop(actor.stdin.take());
        actor.wait()?;
    }
    Ok(())
}

pub(crate) fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(command: &[&str]) -> Result<f64> {
    let (program, arguments) = command.split_first().context("a command")?;
    let before = cpu_us(UsageWho::RUSAGE_CHILDREN)?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status().context(program.to_string())?;
    ensure!(status.success(), "{program}: {status}");
    Ok(cpu_us(UsageWho::RUSAGE_CHILDREN)? - before)
}

/// As many processes as the limit of descriptors demands, each with its share of the connections.
fn populate() -> Result<Vec<Child>> {
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?;
    let each = (limit as usize).saturating_sub(100) / 2;
    let mut actors = Vec::new();
    let mut left = PAIRS;
    while left > 0 {
        let share = left.min(each);
        left -= share;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench-actor", &actors.len().to_string(), &share.to_string()]);
        let mut actor = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(actor.stdout.take().context("a pipe")?).read_line(&mut line)?;
        ensure!(line == "ready\n", "an actor has failed");
        actors.push(actor);
    }
    Ok(actors)
}

/// `bench-actor NUMBER PAIRS`: holds connections until its standard input ends.
///
/// # Errors
/// A socket cannot be made.
pub fn actor(number: u8, pairs: usize) -> Result<()> {
    let listen = |port| TcpListener::bind((format!("127.1.{number}.1"), 20_000 + port as u16));
    let listeners: Vec<TcpListener> = (0..LISTENERS).map(listen).collect::<Result<_, _>>()?;
    let mut held = Vec::with_capacity(2 * pairs);
    for listener in listeners.iter().cycle().take(pairs) {
        held.push(TcpStream::connect(listener.local_addr()?)?);
        held.push(listener.accept()?.0);
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// `bench-states`: every socket counted by its state.
///
/// # Errors
/// The sockets cannot be read.
pub fn states() -> Result<()> {
    let mut counts = [0_u32; 12];
    let request = Request { states: ALL_STATES, attributes: 0, family: Family::Both, code: None };
    let read = Host::live().sockets(request, &mut |socket| {
        if let Some(count) = counts.get_mut(socket.state as usize) {
            *count += 1;
        }
    });
    ensure!(read.is_ok(), "{read:?}");
    println!("{counts:?}");
    Ok(())
}

/// `bench-census`: a look as `check` takes it, and the largest memory it needed.
///
/// # Errors
/// The sockets cannot be read.
pub fn census() -> Result<()> {
    let (snapshot, marks) = Host::live().look(Pass::First)?;
    let census = snapshot.census.map_err(|absent| anyhow::anyhow!("{absent:?}"))?;
    println!("{} sockets, {} services, {} peers", census.states.total(), census.services.len(), census.peers.len());
    let rss_kb = getrusage(UsageWho::RUSAGE_SELF)?.max_rss();
    eprintln!("{} marks, {:.1} MB", marks.len(), rss_kb as f64 / 1024.0);
    Ok(())
}
