//! `/proc/PID` → how a process is doing.
//!
//! Source: proc_pid_stat(5), proc_pid_limits(5), proc_pid_wchan(5); a stat of `/proc/PID/fd` gives their number since 6.2.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use tcphealth_core::snapshot::{Absent, Process};

/// More threads than this are not asked what they wait in.
const THREADS_MAX: usize = 512;

/// One process.
pub(super) fn process(pid: u32) -> Result<Process, Absent> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| Absent::NotHere)?;
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    Ok(Process {
        pid,
        comm: comm(pid).unwrap_or_default(),
        state: state.ok_or_else(|| Absent::Failed(format!("/proc/{pid}/stat: no state")))?,
        fds: descriptors(pid),
        fd_limit: limit(pid),
        waits: waits(pid),
        cgroup: cgroup(pid),
    })
}

/// Its name.
pub(super) fn comm(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end_matches('\n').to_owned())
}

fn descriptors(pid: u32) -> Option<u64> {
    let path = format!("/proc/{pid}/fd");
    match fs::metadata(&path).ok()?.size() {
        0 => Some(fs::read_dir(&path).ok()?.count() as u64),
        count => Some(count),
    }
}

fn limit(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `wchan` is 0 for a thread that runs, and for one that we may not look into.
fn waits(pid: u32) -> Vec<(String, u32)> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut counts: HashMap<String, u32> = HashMap::new();
    for thread in threads.flatten().take(THREADS_MAX) {
        let Ok(place) = fs::read_to_string(thread.path().join("wchan")) else { continue };
        if !matches!(place.as_str(), "" | "0") {
            *counts.entry(place).or_default() += 1;
        }
    }
    let mut waits: Vec<_> = counts.into_iter().collect();
    waits.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    waits
}

/// The innermost unit or scope of the path, else the whole path.
fn cgroup(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    unit(text.lines().find_map(|line| line.strip_prefix("0::"))?)
}

fn unit(path: &str) -> Option<String> {
    let is_unit = |part: &&str| matches!(part.rsplit_once('.'), Some((_, "service" | "scope")));
    let named = path.rsplit('/').find(is_unit).unwrap_or(path);
    (named != "/").then(|| named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_find_ourselves() {
        let _held: Vec<_> = (0..7).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let me = process(std::process::id()).unwrap();
        let counted = fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
        assert!(me.fds.unwrap().abs_diff(counted) <= 8 && me.fds.unwrap() >= 7, "{me:?} {counted}");
        let shell = std::process::Command::new("sh").args(["-c", "ulimit -Sn"]).output().unwrap();
        assert_eq!(
            me.fd_limit.map_or("unlimited".into(), |limit| limit.to_string()),
            String::from_utf8(shell.stdout).unwrap().trim()
        );
        assert!(matches!(me.state, 'R' | 'S'));
    }

    #[test]
    fn a_sleeping_process_says_where() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let found = process(sleeper.id()).unwrap();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!((found.comm.as_str(), found.state), ("sleep", 'S'));
        assert!(
            found.waits.iter().all(|(place, count)| place.contains("nanosleep") && *count == 1),
            "{:?}",
            found.waits
        );
    }

    #[test]
    fn a_process_that_is_gone_is_not_here() {
        assert_eq!(process(u32::MAX).unwrap_err(), Absent::NotHere);
    }

    #[test]
    fn a_unit_is_the_innermost_one() {
        assert_eq!(unit("/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        assert_eq!(unit("/kubepods/pod1/abc").as_deref(), Some("/kubepods/pod1/abc"));
        assert_eq!(unit("/"), None);
    }
}
