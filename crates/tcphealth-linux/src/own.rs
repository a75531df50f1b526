//! What this process has cost so far, how it costs less, and whom it may look into.
//!
//! Source: getrusage(2), mallopt(3), malloc_trim(3), madvise(2), proc_pid_maps(5); of proc_pid_status(5) `CapEff`, and `VmHWM`, because
//! getrusage's maximum of memory goes back to before exec, when the process was a copy of its parent.

use std::fs;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use tcphealth_core::snapshot::Absent;

/// What glibc itself begins with: it doubles with the blocks that are freed unless it is set.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 128 * 1024;

/// From which size on a process that stays gives back its code, too, kB: beside few sockets it stays below.
const LARGE_KB: u64 = 16 * 1024;

/// Bit of CAP_SYS_PTRACE; include/uapi/linux/capability.h.
const SYS_PTRACE: u64 = 1 << 19;

/// Why we may not look into a process: for want of CAP_SYS_PTRACE, which is enough for the kernel (`__ptrace_may_access()`); and
/// with it because of a security module, or of a process that lives outside our user namespace.
pub(crate) fn refused(pid: u32) -> Absent {
    if effective().is_some_and(|effective| effective & SYS_PTRACE != 0) {
        Absent::Failed(format!("/proc/{pid}/fd: {}", Errno::EACCES.desc()))
    } else {
        Absent::NotPermitted("CAP_SYS_PTRACE".to_owned())
    }
}

/// The capabilities that count.
fn effective() -> Option<u64> {
    u64::from_str_radix(&status("CapEff:")?, 16).ok()
}

/// The first word of a line of our own status.
fn status(title: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let word = status.lines().find_map(|line| line.strip_prefix(title)?.split_whitespace().next());
    word.map(str::to_owned)
}

/// CPU time of all threads of this process so far, user and system, µs.
pub fn cpu_us() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| us(usage.user_time()) + us(usage.system_time()))
}

/// The most memory that this process has had resident, kB; 0 where `/proc` does not tell.
pub fn resident_kb() -> u64 {
    status_kb("VmHWM:").unwrap_or(0)
}

fn status_kb(name: &str) -> Option<u64> {
    status(name)?.parse().ok()
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

/// Gives back what is free between blocks that are not; and of a process that is large all the same, its code and constants. What is
/// used again of these comes back when it is, from the kernel's cache of files (some 0.5 ms of CPU in all); what only the start
/// needed does not.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches only what the allocator itself holds.
    unsafe {
        libc::malloc_trim(0);
    }
    if status_kb("VmRSS:").is_some_and(|resident_kb| resident_kb >= LARGE_KB) {
        unchanged(&fs::read_to_string("/proc/self/maps").unwrap_or_default()).for_each(drop_pages);
    }
}

fn drop_pages((begin, length): (usize, usize)) {
    // SAFETY: they are as they are in their file, and are read from it again.
    unsafe {
        libc::madvise(std::ptr::without_provenance_mut(begin), length, libc::MADV_DONTNEED);
    }
}

/// Where files are mapped as they are, and the length: code, and what stands before it. What stands behind it was written to when the
/// program was linked at its start.
fn unchanged(maps: &str) -> impl Iterator<Item = (usize, usize)> {
    let is_it = |line: &&str| (line.contains(" r-xp ") || line.contains(" r--p 00000000 ")) && line.contains('/');
    maps.lines().filter(is_it).filter_map(|line| {
        let (begin, end) = line.split_once(' ')?.0.split_once('-')?;
        let [begin, end] = [begin, end].map(|address| usize::from_str_radix(address, 16).ok());
        Some((begin?, end?.checked_sub(begin?)?))
    })
}

fn us(time: TimeVal) -> u64 {
    time.tv_sec().unsigned_abs() * 1_000_000 + time.tv_usec().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    // capget(2) tells the same of the calling thread; without the capability the refusal names it.
    #[test]
    fn a_refusal_names_the_capability_only_where_it_lacks() {
        let may =
            std::process::Command::new("grep").args(["-q", "^CapEff:.*[89a-f].....$", "/proc/self/status"]).status();
        let lacking = Absent::NotPermitted("CAP_SYS_PTRACE".into());
        let refused = refused(7);
        assert_eq!(refused == lacking, !may.unwrap().success(), "{refused:?}");
        assert!(refused == lacking || refused == Absent::Failed("/proc/7/fd: Permission denied".into()), "{refused:?}");
    }

    #[test]
    fn memory_that_was_used_and_work_that_was_done_are_counted() {
        let before_us = cpu_us();
        let used = std::hint::black_box(vec![1_u8; 32 << 20]);
        let sum: u64 = used.iter().map(|&byte| u64::from(byte)).sum();
        assert_eq!(sum, 32 << 20);
        assert!(cpu_us() > before_us && resident_kb() >= 32 << 10, "{before_us} {} {}", cpu_us(), resident_kb());
    }

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        // Of cat, as proc_pid_maps(5) shows it: what is written to has the address 0x55d34000 and all behind.
        let maps = "55d00000-55d02000 r--p 00000000 08:02 1731 /usr/bin/cat\n\
            55d02000-55d06000 r-xp 00002000 08:02 1731 /usr/bin/cat\n\
            55d34000-55d35000 r--p 00007000 08:02 1731 /usr/bin/cat\n\
            55d35000-55d36000 rw-p 00008000 08:02 1731 /usr/bin/cat\n\
            7ffd0000-7ffd2000 r-xp 00000000 00:00 0 [vdso]\n";
        assert_eq!(unchanged(maps).collect::<Vec<_>>(), [(0x55d0_0000, 0x2000), (0x55d0_2000, 0x4000)]);
        // And we live on without.
        let own = fs::read_to_string("/proc/self/maps").unwrap();
        unchanged(&own).for_each(drop_pages);
        assert!(unchanged(&own).count() >= 2 && own.contains(" rw-p "));
    }
}
