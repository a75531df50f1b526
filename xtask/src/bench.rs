//! What the README claims about the cost of a sample of the counters, measured here and now.
//!
//! CPU time (user and system, getrusage(2)) is the figure to trust on a busy machine, and the ratios inside one interleaved run
//! more than the figures.

use std::collections::HashMap;
use std::fs;

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tcphealth_linux::Host;

const COUNTERS: [&str; 4] = ["net/snmp", "net/netstat", "net/sockstat", "net/dev"];
const SAMPLES: u32 = 2000;
/// CPU time that has been used, µs.
pub(crate) fn cpu_us(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who)?;
    Ok((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64)
}

/// Reads them in two ways, turn by turn.
///
/// # Errors
/// The kernel does not tell what a process has used.
pub fn counters() -> Result<()> {
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

pub(crate) fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
