//! What the README claims about the cost of `sar`, beside the installed sysstat: live with few and with many interfaces, and a
//! day's file read again.
//!
//! CPU time (user and system, getrusage(2)) of everything that a command starts: sar ends before its sadc, which is
//! therefore inherited and waited for.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::wait;
use tcphealth_core::sysstat::activity::{Activity, DUPLEX, ItemKind, Kind, NETWORK, SPEED};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::items::Items;
use tcphealth_core::sysstat::record::Moment;
use tcphealth_core::sysstat::writer::{head, statistics};

use crate::bench::{cpu_us, median};

const ROUNDS: usize = 3;
/// Readings of a file that has one a second.
const DAY: u64 = 86_400;
const LINKS: [&str; 4] = ["lo", "eth0", "eth1", "docker0"];
const CPUS: u32 = 2;

/// Measures everything and prints a table: `program` is ours.
///
/// # Errors
/// A network namespace cannot be made (root is needed), or sysstat is missing.
pub fn bench(program: &str) -> Result<()> {
    let program = std::fs::canonicalize(program).context(program.to_owned())?;
    let program = program.to_str().context("a path in UTF-8")?;
    println!("| CPU, median of {ROUNDS} runs in turn | sysstat | tcphealth | ratio | memory |");
    println!("|---|---:|---:|---:|---:|");
    own_network()?;
    pairs(1..=2)?;
    let live = ["-n", "DEV,TCP,ETCP", "1", "30"];
    compare("30 samples, 5 interfaces", program, &live)?;
    pairs(3..=500)?;
    compare("30 samples, 1 001 interfaces", program, &live)?;
    let file = std::env::temp_dir().join(format!("tcphealth-bench-{}", std::process::id()));
    let name = file.to_str().context("a path in UTF-8")?;
    let replayed = replays(program, name);
    std::fs::remove_file(&file)?;
    replayed
}

fn replays(program: &str, file: &str) -> Result<()> {
    day(file, |activity| ["DEV", "TCP", "ETCP"].contains(&activity.keyword))?;
    compare("a day of DEV, TCP, ETCP", program, &["-n", "DEV,TCP,ETCP", "-f", file])?;
    day(file, |activity| activity.keyword != "FC")?;
    compare("the same of all that sar -o keeps", program, &["-n", "DEV,TCP,ETCP", "-f", file])?;
    compare("all 19 reports of that day", program, &["-n", "ALL", "-f", file])
}

/// A network with nothing but loopback, and a `/sys` that shows it.
fn own_network() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("a network namespace of its own needs root")?;
    for words in [&["--make-rprivate", "/"][..], &["-t", "sysfs", "sysfs", "/sys"]] {
        ensure!(Command::new("mount").args(words).status()?.success(), "mount {words:?}");
    }
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "ip link set lo up");
    Ok(())
}

/// Adds pairs of interfaces that are wired to each other.
fn pairs(numbers: std::ops::RangeInclusive<u32>) -> Result<()> {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
    let mut batch = ip.stdin.take().context("a pipe")?;
    for number in numbers {
        writeln!(batch, "link add this{number} up type veth peer name that{number}\nlink set that{number} up")?;
    }
    drop(batch);
    ensure!(ip.wait()?.success(), "ip cannot add interfaces");
    Ok(())
}

fn compare(title: &str, program: &str, words: &[&str]) -> Result<()> {
    let contestants = [&["sar"][..], &[program, "sar"]];
    let (mut times, mut rss_kb) = ([Vec::new(), Vec::new()], [0, 0]);
    for _ in 0..ROUNDS {
        for (contestant, (times, rss_kb)) in contestants.iter().zip(times.iter_mut().zip(&mut rss_kb)) {
            let (cpu_us, peak_kb) = cost_of(&[contestant, words].concat())?;
            times.push(cpu_us);
            *rss_kb = peak_kb.max(*rss_kb);
        }
    }
    let [theirs, ours] = times.each_mut().map(|times| median(times));
    let [_, memory] = rss_kb.map(|rss_kb: u32| f64::from(rss_kb) / 1024.0);
    let ratio = theirs / ours;
    println!("| {title} | {:.3} s | {:.3} s | {ratio:.1} × | {memory:.1} MB |", theirs / 1e6, ours / 1e6);
    Ok(())
}

/// CPU time in µs and peak memory in kB of a command and all that it starts.
pub(crate) fn cost_of(command: &[&str]) -> Result<(f64, u32)> {
    let output = Command::new(std::env::current_exe()?).arg("bench-cost").args(command).output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let (cpu_us, rss_kb) = text.trim().split_once(' ').context("two numbers")?;
    Ok((cpu_us.parse()?, rss_kb.parse()?))
}

/// `bench-cost COMMAND…`: runs it to the end of the last process that it leaves behind, and says what all of them cost.
///
/// # Errors
/// The command fails.
pub fn cost(command: &[&str]) -> Result<()> {
    let (program, words) = command.split_first().context("a command")?;
    set_child_subreaper(true)?;
    let mut running = Command::new(program).args(words).env("LC_ALL", "C").stdout(Stdio::null()).spawn()?;
    ensure!(running.wait()?.success(), "{program} failed");
    while wait().is_ok() {}
    println!("{} {}", cpu_us(UsageWho::RUSAGE_CHILDREN)?, getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}

/// A file with a reading a second for a day, of a host with some traffic.
fn day(file: &str, wanted: impl Fn(&Activity) -> bool) -> Result<()> {
    let activities: Vec<&Activity> = NETWORK.iter().filter(|activity| wanted(activity)).collect();
    let mut sets: Vec<Items> = activities.iter().map(|activity| idle(activity)).collect();
    let header = Header {
        ust_time: 1_700_000_000,
        cpus: CPUS + 1,
        date: (14, 10, 123),
        hz: 100,
        nodename: b"host".to_vec(),
        ..Header::of_this_machine()
    };
    let counted: Vec<_> = activities.iter().zip(&sets).map(|(one, set)| (*one, set.len() as u32)).collect();
    let mut out = BufWriter::new(File::create(file)?);
    out.write_all(&head(&header, &counted))?;
    let mut random = 1;
    for second in 0..=DAY {
        for (activity, set) in activities.iter().zip(&mut sets) {
            (0..set.len()).for_each(|index| grow(activity, set.row_mut(index), &mut random));
        }
        let of_day = (80_000 + second) % DAY;
        let clock = ((of_day / 3600) as u8, (of_day / 60 % 60) as u8, (of_day % 60) as u8);
        let moment = Moment { uptime_cs: 500_000 + 100 * second, ust_time: header.ust_time + second, clock };
        let named: Vec<_> = activities.iter().copied().zip(&sets).collect();
        out.write_all(&statistics(&moment, &named))?;
    }
    Ok(out.flush()?)
}

fn idle(activity: &Activity) -> Items {
    let mut items = Items::none(activity);
    match activity.item {
        ItemKind::One => items.grow_to(1),
        ItemKind::Cpu => items.grow_to(CPUS as usize + 1),
        ItemKind::Interface => LINKS.iter().for_each(|name| _ = items.push(name.as_bytes())),
        ItemKind::FcHost => {}
    }
    items
}

/// A second goes by: traffic comes in packets of up to 1 500 bytes, errors are rare, gauges move.
fn grow(activity: &Activity, row: &mut [u64], random: &mut u64) {
    let errors = activity.keyword.starts_with('E');
    for (column, value) in activity.columns.iter().zip(row.iter_mut()) {
        // Knuth's generator (MMIX): any numbers will do, the same ones every time.
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = *random >> 40;
        match column.kind {
            Kind::Gauge => *value = chance % 4000,
            Kind::KiloRate => *value += chance % 3_000_000,
            Kind::Rate if errors => *value += u64::from(chance.is_multiple_of(64)),
            Kind::Rate => *value += chance % 2000,
            Kind::Utilisation => {}
        }
    }
    if let (true, Some(link)) = (activity.has_speed(), row.get_mut(SPEED..=DUPLEX)) {
        link.copy_from_slice(&[10_000, 2]);
    }
}
