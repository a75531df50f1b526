//! The clocks of the kernel, as numbers.

use nix::libc;
use nix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`: ns since boot, suspend included.
pub fn boot_ns() -> u64 {
    now_ns(ClockId::CLOCK_BOOTTIME) as u64
}

/// `CLOCK_MONOTONIC`: seconds since boot, suspend excluded.
pub(crate) fn running_seconds() -> f64 {
    now_ns(ClockId::CLOCK_MONOTONIC) as f64 / 1e9
}

/// `CLOCK_REALTIME`: ns since 1970-01-01 UTC.
pub(crate) fn wall_ns() -> i64 {
    now_ns(ClockId::CLOCK_REALTIME)
}

fn now_ns(clock: ClockId) -> i64 {
    let now = clock_gettime(clock).expect("these clocks exist since Linux 2.6.39");
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

/// What local time was ahead of UTC at this moment, seconds.
pub(crate) fn utc_offset_seconds(wall_ns: i64) -> i32 {
    let seconds: libc::time_t = wall_ns / 1_000_000_000;
    // SAFETY: all-zero is a valid `tm`; localtime_r writes to it only and keeps no pointer.
    let local = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut local);
        local
    };
    local.tm_gmtoff as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_agree_with_the_standard_library_and_with_date() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
        assert!((wall_ns() - now).abs() < 1_000_000_000);
        let date = std::process::Command::new("date").arg("+%z").output().unwrap();
        let offset: i32 = String::from_utf8(date.stdout).unwrap().trim().parse().unwrap();
        assert_eq!(utc_offset_seconds(now), (offset / 100 * 60 + offset % 100) * 60);
    }
}
