//! What the README claims about the recorder, beside sadc collecting the same activities: CPU of the whole processes, started
//! and ended together in a namespace where connections come and go.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::UsageWho;

use crate::bench::cpu_us;

const SADC: &str = "/usr/lib/sysstat/sadc";
/// Connections a second.
const RATE: u64 = 20;

/// Runs all three for so many seconds and prints a table: `program` is ours.
///
/// # Errors
/// A network namespace cannot be made (root is needed), or sysstat is missing.
pub fn bench(program: &str, seconds: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own needs root")?;
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "ip link set lo up");
    connections()?;
    let place = std::env::temp_dir().join(format!("tcphealth-bench-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let compared = compare(program, seconds, &place);
    fs::remove_dir_all(&place)?;
    compared
}

fn compare(program: &str, seconds: &str, place: &Path) -> Result<()> {
    let path = |name: &str| Ok::<_, anyhow::Error>(place.join(name).to_str().context("a path in UTF-8")?.to_owned());
    let (sadc, counters, all) = (path("sadc")?, path("counters")?, path("all")?);
    let duration = format!("{seconds}s");
    let recorder = |store| vec![program, "record", "--duration", &duration, "--store", store];
    let contestants = [
        ("sadc -S SNMP,IPV6", vec![SADC, "-S", "SNMP,IPV6", "1", seconds, &sadc]),
        ("record, the counters only", [recorder(&counters), vec!["--census", "1h"]].concat()),
        ("record, with the sockets every 10 s", recorder(&all)),
    ];
    let started = contestants.iter().map(|(_, words)| start(words)).collect::<Result<Vec<Child>>>()?;
    let mut theirs = None;
    println!("| {seconds} s at 1 s | CPU | |\n|---|---:|---:|");
    for ((name, words), mut child) in contestants.iter().zip(started) {
        let before = cpu_us(UsageWho::RUSAGE_CHILDREN)?;
        ensure!(child.wait()?.success(), "{words:?} has failed");
        let cpu_ms = (cpu_us(UsageWho::RUSAGE_CHILDREN)? - before) / 1000.0;
        println!("| {name} | {cpu_ms:.0} ms | {:.1} × |", cpu_ms / *theirs.get_or_insert(cpu_ms));
    }
    Ok(())
}

fn start(words: &[&str]) -> Result<Child> {
    let (program, arguments) = words.split_first().context("a command")?;
    Command::new(program).args(arguments).stdout(Stdio::null()).spawn().context((*program).to_owned())
}

/// Connections that ask, are answered and end, for as long as we live.
fn connections() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    let served = move || -> std::io::Result<()> {
        for connection in listener.incoming() {
            let mut connection = connection?;
            connection.read_exact(&mut [0; 100])?;
            connection.write_all(&[0; 5_000])?;
        }
        Ok(())
    };
    std::thread::spawn(served);
    let ask = move || -> std::io::Result<()> {
        loop {
            let mut connection = TcpStream::connect(to)?;
            connection.write_all(&[0; 100])?;
            connection.read_to_end(&mut Vec::new())?;
            std::thread::sleep(Duration::from_millis(1000 / RATE));
        }
    };
    std::thread::spawn(ask);
    Ok(())
}
