//! What the README claims about the cost of many network namespaces: each is filled with connections, and all are judged, by eBPF and
//! by sock_diag in turn.
//!
//! It has process ids and mounts of its own, so that no other namespace of the machine is found; but the kernel's table of sockets is
//! one, and whatever else is in it is gone through, too.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::bench::median;
use crate::bench_sar::cost_of;
use crate::bench_sockets::{actor_of, dismiss, shell};

const ROUNDS: usize = 5;
/// The window of `check` unless told otherwise.
const WINDOW_SECONDS: f64 = 5.0;
/// Without the kernel's type information there is no eBPF.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Begins anew where no other namespace is to be found.
///
/// # Errors
/// It is not permitted (root is needed), or something failed there.
pub fn bench(program: &str, namespaces: &str, sockets: &str) -> Result<()> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--mount", "--fork", "--mount-proc"]).arg(std::env::current_exe()?);
    let done = command.args(["bench-netns-inside", program, namespaces, sockets]).status()?;
    anyhow::ensure!(done.success(), "namespaces of its own need root");
    Ok(())
}

/// Fills so many namespaces with so many sockets each, measures, and prints a table.
///
/// # Errors
/// A namespace or its sockets cannot be made, or the program fails.
pub fn inside(program: &str, namespaces: usize, sockets: usize) -> Result<()> {
    shell("umount -q -a -t nsfs; mkdir -p /run/netns; mount -t tmpfs none /run/netns")?;
    let actors: Vec<Child> = (0..namespaces).map(|number| fill(number, sockets / 2)).collect::<Result<_>>()?;
    let check = [program, "check", "--netns", "all", "--format", "json"];
    let count = [program, "sockets", "--by", "netns"];
    let mut lines = vec![Line::new("check --netns all", &check), Line::new("the same by sock_diag", &check)];
    lines.push(Line::new("sockets --by netns", &count));
    for _ in 0..ROUNDS {
        for (number, line) in lines.iter_mut().enumerate() {
            line.run(number == 1)?;
        }
    }
    println!(
        "| {namespaces} namespaces with {sockets} sockets each, median of {ROUNDS} | CPU | beyond the window | memory |"
    );
    println!("|---|---:|---:|---:|");
    lines.into_iter().for_each(Line::print);
    dismiss(actors)
}

/// A command and what its runs took.
struct Line<'a> {
    what: &'static str,
    command: &'a [&'a str],
    cpu_us: Vec<f64>,
    wall_seconds: Vec<f64>,
    rss_kb: u32,
}

impl<'a> Line<'a> {
    fn new(what: &'static str, command: &'a [&'a str]) -> Self {
        Self { what, command, cpu_us: Vec::new(), wall_seconds: Vec::new(), rss_kb: 0 }
    }

    fn run(&mut self, without_types: bool) -> Result<()> {
        let hides = without_types && Path::new(TYPES).exists();
        if hides {
            shell(&format!("mount --bind /dev/null {TYPES}"))?;
        }
        let begin = Instant::now();
        let (cpu_us, rss_kb) = cost_of(self.command)?;
        self.wall_seconds.push(begin.elapsed().as_secs_f64());
        if hides {
            shell(&format!("umount {TYPES}"))?;
        }
        self.cpu_us.push(cpu_us);
        self.rss_kb = self.rss_kb.max(rss_kb);
        Ok(())
    }

    fn print(mut self) {
        let waits = if self.command.contains(&"check") { WINDOW_SECONDS } else { 0.0 };
        let (cpu, wall) = (median(&mut self.cpu_us) / 1e6, median(&mut self.wall_seconds) - waits);
        println!("| {} | {cpu:.2} s | {wall:.2} s | {:.0} MB |", self.what, f64::from(self.rss_kb) / 1024.0);
    }
}

fn fill(number: usize, pairs: usize) -> Result<Child> {
    let name = format!("bench{number}");
    let enter = format!("ip netns exec {name}");
    shell(&format!(
        "ip netns add {name} && ip -n {name} link set lo up && {enter} sysctl -qw net.ipv4.ip_local_port_range='1024 65535'"
    ))?;
    let program = std::env::current_exe()?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &name]).arg(program).args(["bench-actor", "0", &pairs.to_string()]);
    actor_of(command.stdin(Stdio::piped()).stdout(Stdio::piped())).with_context(|| name)
}
