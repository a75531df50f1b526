//! What the README claims about the cost of `trace`: connections are made over loopback as fast as this machine can, in turn
//! without and with it.
//!
//! Each thread of the load plays both ends, so that nobody waits for being woken; the kernel works for both in its system calls.
//! The figure to trust is the CPU time of the load for a connection (getrusage(2)), and its ratio inside one round.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::UsageWho;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bench::{cpu_us, median};

const ROUNDS: usize = 11;
const THREADS: u8 = 2;
/// Of each thread in a round.
const CONNECTIONS: usize = 10_000;
/// Each gives all local ports once more: those in TIME_WAIT need not be searched through.
const ADDRESSES: usize = 40;
const MESSAGE: [u8; 64] = [7; 64];

/// What runs beside the load.
const CONTESTANTS: [(&str, &[&str]); 3] = [
    ("without", &[]),
    ("`trace state --summary`: counted only", &["trace", "state", "--summary", "--format", "json"]),
    ("`trace life --format json`", &["trace", "life", "--format", "json"]),
];

/// What the rounds of one have shown.
#[derive(Default)]
struct Shown {
    load_us: Vec<f64>,
    ratios: Vec<f64>,
    own_us: Vec<f64>,
    rates: Vec<f64>,
    lost: u64,
}

/// Measures and prints a table: `program` is ours.
///
/// # Errors
/// A namespace cannot be made or the program may not listen (root is needed).
pub fn bench(program: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own needs root")?;
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "ip link set lo up");
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
    fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "2000000")?;
    let mut shown: [Shown; CONTESTANTS.len()] = Default::default();
    for _ in 0..ROUNDS {
        let mut alone_us = None;
        for ((_, words), shown) in CONTESTANTS.iter().zip(&mut shown) {
            shown.add(program, words, &mut alone_us)?;
        }
    }
    print(&mut shown);
    Ok(())
}

impl Shown {
    fn add(&mut self, program: &str, words: &[&str], alone_us: &mut Option<f64>) -> Result<()> {
        let number = CONNECTIONS * usize::from(THREADS);
        let before_us = cpu_us(UsageWho::RUSAGE_CHILDREN)?;
        let watcher = if words.is_empty() { None } else { Some(Watcher::start(program, words)?) };
        let (load_us, seconds) = run_load()?;
        let told = watcher.map(Watcher::finish).transpose()?;
        let children_us = cpu_us(UsageWho::RUSAGE_CHILDREN)? - before_us;
        self.load_us.push(load_us / number as f64);
        self.own_us.push((children_us - load_us).max(0.0) / number as f64);
        self.ratios.push(load_us / *alone_us.get_or_insert(load_us));
        self.rates.push(number as f64 / seconds);
        // Both ends of each connection live.
        self.lost += told.map_or(0, |told| told.lost.max((2 * number as u64).saturating_sub(told.lives)));
        Ok(())
    }
}

/// What was told of a round.
struct Told {
    lives: u64,
    lost: u64,
}

/// `trace`, and what it writes.
struct Watcher {
    child: Child,
    reader: std::thread::JoinHandle<Result<Told>>,
}

impl Watcher {
    /// Begins, and waits until it listens.
    fn start(program: &str, words: &[&str]) -> Result<Self> {
        let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn().context(program.to_owned())?;
        let mut lines = BufReader::new(child.stdout.take().context("a pipe")?);
        ensure!(lines.read_line(&mut String::new())? > 0, "{program} {words:?} has failed");
        let counts_only = words.contains(&"--summary");
        Ok(Self { child, reader: std::thread::spawn(move || told(lines, counts_only)) })
    }

    fn finish(mut self) -> Result<Told> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT)?;
        let told = self.reader.join().ok().context("the reader has failed")?;
        ensure!(self.child.wait()?.success(), "trace has failed");
        told
    }
}

/// Counts the lines up to the summary, or takes what that counts.
fn told(mut from: impl BufRead, counts_only: bool) -> Result<Told> {
    let (mut line, mut lives) = (String::new(), 0);
    loop {
        let mut next = String::new();
        if from.read_line(&mut next)? == 0 {
            break;
        }
        (line, lives) = (next, lives + 1);
    }
    let summary: Value = serde_json::from_str(&line)?;
    let count = |value: &Value| value.as_object().map_or(0, |map| map.values().filter_map(Value::as_u64).sum());
    let ended = ["LAST_ACK → CLOSE", "FIN_WAIT2 → CLOSE"];
    let counted = ended.iter().filter_map(|change| summary.get("states")?.get(*change)?.as_u64()).sum();
    Ok(Told { lives: if counts_only { counted } else { lives - 1 }, lost: summary.get("lost").map_or(0, count) })
}

fn print(shown: &mut [Shown]) {
    let number = CONNECTIONS * usize::from(THREADS);
    println!(
        "| CPU for one connection, medians of {ROUNDS} rounds of {number} | the load | ratio | `tcphealth` itself | connections a second | lost |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for ((name, _), shown) in CONTESTANTS.iter().zip(shown) {
        let [load_us, ratio, own_us, rate] =
            [&mut shown.load_us, &mut shown.ratios, &mut shown.own_us, &mut shown.rates].map(|list| median(list));
        println!("| {name} | {load_us:.1} µs | {ratio:.3} × | {own_us:.1} µs | {rate:.0} | {} |", shown.lost);
    }
}

/// CPU time in µs and wall time in s of the load in a process of its own.
fn run_load() -> Result<(f64, f64)> {
    let output = Command::new(std::env::current_exe()?).arg("bench-load").output()?;
    ensure!(output.status.success(), "the load: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (cpu_us, seconds) = text.trim().split_once(' ').context("two numbers")?;
    Ok((cpu_us.parse()?, seconds.parse()?))
}

/// `bench-load`: makes the connections of a round and says what they took.
///
/// # Errors
/// A connection fails.
pub fn load() -> Result<()> {
    let begin = Instant::now();
    let threads: Vec<_> = (1..=THREADS).map(|number| std::thread::spawn(move || connect(number))).collect();
    for thread in threads {
        thread.join().ok().context("a thread of the load")??;
    }
    println!("{} {}", cpu_us(UsageWho::RUSAGE_SELF)?, begin.elapsed().as_secs_f64());
    Ok(())
}

/// Connections one after the other: a message each way, and the client closes first.
fn connect(thread: u8) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 700 + u16::from(thread)))?;
    let port = listener.local_addr()?.port();
    let mut room = MESSAGE;
    for number in 0..CONNECTIONS {
        let to = SocketAddr::from(([127, 1, thread, (1 + number % ADDRESSES) as u8], port));
        let mut client = TcpStream::connect(to)?;
        let mut server = listener.accept()?.0;
        client.write_all(&MESSAGE)?;
        server.read_exact(&mut room)?;
        server.write_all(&MESSAGE)?;
        client.read_exact(&mut room)?;
        drop(client);
        drop(server);
    }
    Ok(())
}
