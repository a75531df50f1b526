//! What the README claims about the cost of many sockets, beside `ss`: a namespace is filled with connections, and each program
//! reads them in turn.
//!
//! CPU time (user and system, getrusage(2)) of the whole process is the figure to trust on a busy machine, and the ratios inside
//! one run more than the figures.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::bench::median;
use crate::bench_sar::cost_of;

const ROUNDS: usize = 5;
/// Listeners of one actor: each gives all local ports once more.
const LISTENERS: usize = 16;
/// More sockets than this `ss -tanp` does not read in a time that one would wait for.
const NAMED_MAX: usize = 100_000;
const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// Fills a namespace with so many sockets, measures, and prints a table: `program` is ours.
///
/// # Errors
/// The namespaces or their sockets cannot be made (root is needed), or a program to compare with is missing.
pub fn bench(program: &str, sockets: usize) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("namespaces of its own need root")?;
    for step in ["mount --make-rprivate /", "mount -t bpf bpf /sys/fs/bpf", "ip link set lo up"] {
        shell(step)?;
    }
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
    // Where an ordinary user may reach it.
    let installed = std::env::temp_dir().join(format!("tcphealth-bench-{}", std::process::id()));
    fs::copy(program, &installed).context(program.to_owned())?;
    fs::set_permissions(&installed, Permissions::from_mode(0o755))?;
    let actors = populate(sockets / 2)?;
    let measured = compare(installed.to_str().context("a path in UTF-8")?, sockets);
    dismiss(actors)?;
    fs::remove_file(installed)?;
    measured
}

/// A command, whether with our program pinned, and the command that its cost is measured by.
struct Contestant {
    command: String,
    pinned: bool,
    than: &'static str,
    times_us: Vec<f64>,
    rss_kb: u32,
}

impl Contestant {
    fn new(command: &str, than: &'static str) -> Self {
        Self { command: command.to_owned(), pinned: false, than, times_us: Vec::new(), rss_kb: 0 }
    }

    fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }

    fn run(&mut self, program: &str) -> Result<()> {
        if self.pinned {
            shell(&format!("{program} pin >/dev/null"))?;
        }
        let (cpu_us, rss_kb) = cost_of(&self.command.split(' ').collect::<Vec<_>>())?;
        if self.pinned {
            shell(&format!("{program} unpin >/dev/null"))?;
        }
        self.times_us.push(cpu_us);
        self.rss_kb = self.rss_kb.max(rss_kb);
        Ok(())
    }
}

fn contestants(program: &str, sockets: usize) -> Vec<Contestant> {
    let by_state = format!("{program} sockets --by state --format json");
    let by_peer = format!("{program} sockets --by peer --with total_retrans,rtt");
    let (all, info, named) = ("ss -tan", "ss -tani", "ss -tanp");
    let mut contestants = vec![
        Contestant::new(all, all),
        Contestant::new(&format!("{NOBODY} {by_state}"), all),
        Contestant::new(&by_state, all),
        Contestant::new(&by_state, all).pinned(),
        Contestant::new(info, info),
        Contestant::new(&by_peer, info),
        Contestant::new(&by_peer, info).pinned(),
    ];
    if sockets <= NAMED_MAX {
        contestants.push(Contestant::new(named, named));
        contestants.push(Contestant::new(&format!("{program} sockets --by process"), named));
    }
    contestants
}

fn compare(program: &str, sockets: usize) -> Result<()> {
    let mut contestants = contestants(program, sockets);
    for _ in 0..ROUNDS {
        contestants.iter_mut().try_for_each(|one| one.run(program))?;
    }
    println!("| {sockets} sockets: CPU, median of {ROUNDS} runs in turn | CPU | less than | ratio | memory |");
    println!("|---|---:|---|---:|---:|");
    let medians: Vec<f64> = contestants.iter_mut().map(|one| median(&mut one.times_us)).collect();
    for (one, median) in contestants.iter().zip(&medians) {
        let theirs = contestants.iter().position(|other| other.command == one.than).and_then(|at| medians.get(at));
        let ratio = theirs.map_or(f64::NAN, |theirs| theirs / median);
        let shown = one.command.replace(program, "tcphealth").replace(NOBODY, "nobody:");
        let (how, megabytes) = (if one.pinned { ", pinned" } else { "" }, f64::from(one.rss_kb) / 1024.0);
        println!("| `{shown}`{how} | {:.3} s | `{}` | {ratio:.1} × | {megabytes:.1} MB |", median / 1e6, one.than);
    }
    Ok(())
}

pub(crate) fn shell(line: &str) -> Result<()> {
    ensure!(Command::new("sh").args(["-c", line]).status()?.success(), "{line}");
    Ok(())
}

/// As many processes as the limit of descriptors demands, each with its share of the connections.
pub(crate) fn populate(pairs: usize) -> Result<Vec<Child>> {
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?;
    let each = (limit as usize).saturating_sub(100) / 2;
    let mut actors = Vec::new();
    let mut left = pairs;
    while left > 0 {
        let share = left.min(each);
        left -= share;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench-actor", &actors.len().to_string(), &share.to_string()]);
        actors.push(actor_of(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?);
    }
    Ok(actors)
}

/// Ends them and their connections.
pub(crate) fn dismiss(actors: Vec<Child>) -> Result<()> {
    for mut actor in actors {
        drop(actor.stdin.take());
        actor.wait()?;
    }
    Ok(())
}

/// Starts an actor and waits until its sockets are there.
pub(crate) fn actor_of(command: &mut Command) -> Result<Child> {
    let mut actor = command.spawn()?;
    let mut line = String::new();
    BufReader::new(actor.stdout.take().context("a pipe")?).read_line(&mut line)?;
    ensure!(line == "ready\n", "an actor has failed");
    Ok(actor)
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
