//! What this process has cost so far.
//!
//! Source: getrusage(2); `VmHWM` of proc_pid_status(5), because getrusage's maximum of memory goes back to before exec, when the
//! process was a copy of its parent.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// CPU time and memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// CPU time of all its threads, user and system, µs.
    pub cpu_us: u64,
    /// The most memory that it has had resident, kB; 0 where `/proc` does not tell.
    pub resident_kb: u64,
}

impl Cost {
    /// As of now.
    pub fn now() -> Self {
        let cpu_us =
            getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| us(usage.user_time()) + us(usage.system_time()));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        Self { cpu_us, resident_kb: peak.unwrap_or(0) }
    }
}

fn us(time: TimeVal) -> u64 {
    time.tv_sec().unsigned_abs() * 1_000_000 + time.tv_usec().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_used_and_work_that_was_done_are_counted() {
        let before = Cost::now();
        let used = std::hint::black_box(vec![1_u8; 32 << 20]);
        let sum: u64 = used.iter().map(|&byte| u64::from(byte)).sum();
        assert_eq!(sum, 32 << 20);
        let after = Cost::now();
        assert!(after.cpu_us > before.cpu_us && after.resident_kb >= 32 << 10, "{before:?} {after:?}");
    }
}
