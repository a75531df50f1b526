//! What this process has cost so far, and how it costs less.
//!
//! Source: getrusage(2), mallopt(3), malloc_trim(3); `VmHWM` of proc_pid_status(5), because getrusage's maximum of memory goes back to before exec, when the
//! process was a copy of its parent.

use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What glibc itself begins with: it doubles with the blocks that are freed unless it is set.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 128 * 1024;

/// CPU time of all threads of this process so far, user and system, µs.
pub fn cpu_us() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| us(usage.user_time()) + us(usage.system_time()))
}

/// The most memory that this process has had resident, kB; 0 where `/proc` does not tell.
pub fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    peak.unwrap_or(0)
}

/// From now on a large block is given back to the kernel when it is freed. Without this glibc keeps what the first was as large
/// as, and what lies before it: the kernel's type information (5 MB) is read once, and a look at many sockets needs little after.
pub(crate) fn give_back_at_once() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets two numbers of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE_BYTES);
    }
}

/// Gives back what is free between blocks that are not.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches only what the allocator itself holds.
    unsafe {
        libc::malloc_trim(0);
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
        let before_us = cpu_us();
        let used = std::hint::black_box(vec![1_u8; 32 << 20]);
        let sum: u64 = used.iter().map(|&byte| u64::from(byte)).sum();
        assert_eq!(sum, 32 << 20);
        assert!(cpu_us() > before_us && resident_kb() >= 32 << 10, "{before_us} {} {}", cpu_us(), resident_kb());
    }
}
