//! What the README claims about the recorder, beside sadc collecting the same activities: CPU of the whole processes, started
//! and ended together in a namespace where connections come and go; bytes a day; what the recorder says of itself.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::UsageWho;
use rusqlite::Connection;
use serde_json::Value;

use crate::bench::cpu_us;
use crate::bench_sockets::{dismiss, populate};

const SADC: &str = "/usr/lib/sysstat/sadc";
/// Connections a second.
const RATE: u64 = 20;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Runs all three for so many seconds beside so many idle sockets, and prints a table: `program` is ours.
///
/// # Errors
/// A network namespace cannot be made (root is needed), or sysstat is missing.
pub fn bench(program: &str, seconds: &str, sockets: usize) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own needs root")?;
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "ip link set lo up");
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
    let actors = populate(sockets / 2)?;
    connections()?;
    let place = std::env::temp_dir().join(format!("tcphealth-bench-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    println!(
        "| {seconds} s at 1 s, {sockets} idle sockets | CPU | | bytes a day | | of itself |\n|---|---:|---:|---:|---:|---|"
    );
    let compared = compare(program, seconds, &place);
    fs::remove_dir_all(&place)?;
    dismiss(actors)?;
    compared
}

fn compare(program: &str, seconds: &str, place: &Path) -> Result<()> {
    let path = |name: &str| Ok::<_, anyhow::Error>(place.join(name).to_str().context("a path in UTF-8")?.to_owned());
    let (sadc, counters, all) = (path("sadc")?, path("counters")?, path("all")?);
    let duration = format!("{seconds}s");
    let recorder = |store| vec![program, "record", "--duration", &duration, "--store", store];
    let contestants = [
        ("sadc -S SNMP,IPV6", &sadc, vec![SADC, "-S", "SNMP,IPV6", "1", seconds, &sadc]),
        ("record, the counters only", &counters, [recorder(&counters), vec!["--census", "1h"]].concat()),
        ("record, with the sockets", &all, recorder(&all)),
    ];
    let started = contestants.iter().map(|(_, _, words)| start(words)).collect::<Result<Vec<Child>>>()?;
    let (mut theirs, days) = (None, seconds.parse::<f64>()? / SECONDS_PER_DAY);
    for ((name, store, words), mut child) in contestants.iter().zip(started) {
        let before = cpu_us(UsageWho::RUSAGE_CHILDREN)?;
        ensure!(child.wait()?.success(), "{words:?} has failed");
        let cpu_ms = (cpu_us(UsageWho::RUSAGE_CHILDREN)? - before) / 1000.0;
        let bytes = bytes_a_day(Path::new(store), days)?;
        let (their_ms, their_bytes) = *theirs.get_or_insert((cpu_ms, bytes));
        let own = if Path::new(store).is_dir() { of_itself(program, store)? } else { String::new() };
        let (cpu, megabytes, less) = (cpu_ms / their_ms, bytes / 1e6, their_bytes / bytes);
        println!("| {name} | {cpu_ms:.0} ms | {cpu:.2} × | {megabytes:.2} MB | 1/{less:.0} | {own} |");
    }
    Ok(())
}

/// Of a file, its size; of a recording, its blocks, and its names, which a day has once.
fn bytes_a_day(store: &Path, days: f64) -> Result<f64> {
    if !store.is_dir() {
        return Ok(fs::metadata(store)?.len() as f64 / days);
    }
    let mut sum = 0.0;
    for day in fs::read_dir(store)? {
        let path = day?.path();
        if path.extension().is_some_and(|ending| ending == "db") {
            let sql = Connection::open(&path)?;
            let count = |query| sql.query_row(query, [], |row| row.get::<_, f64>(0));
            sum += count("SELECT total(length(bytes)) FROM block")? / days;
            sum += count("SELECT total(length(text)) FROM name")?;
        }
    }
    Ok(sum)
}

/// What the recorder says of itself.
fn of_itself(program: &str, store: &str) -> Result<String> {
    let output = Command::new(program).args(["doctor", "--format", "json", "--from", store]).output()?;
    let told: Value = serde_json::from_slice(&output.stdout).context("doctor --format json")?;
    let recorder = |name: &str| told.pointer(&format!("/recorder/{name}")).and_then(Value::as_f64).unwrap_or(f64::NAN);
    if recorder("cpu_percent").is_nan() {
        return Ok("–".to_owned());
    }
    let (percent, every) = (recorder("cpu_percent"), recorder("census_interval_ms") / 1000.0);
    let megabytes = recorder("resident_kb") / 1000.0;
    Ok(format!("{percent:.2} % of a CPU, sockets every {every} s, {megabytes:.1} MB of memory"))
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
