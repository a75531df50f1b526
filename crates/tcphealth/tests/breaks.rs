//! Where a recording cannot be compared with what stands before: another clock, another network namespace, another boot. No rate
//! spans such a place, and it is said.

mod program;

use std::fs;
use std::path::Path;
use std::process::Command;

use program::{run, text};

/// Records for a few seconds in a world of its own, which the words in front of the command make.
fn record(store: &str, world: &[&str]) {
    let own = ["record", "--store", store, "--duration", "3s", "--interval", "500ms", "--census", "2s"];
    // env(1) of coreutils runs what stands behind it.
    let mut command = Command::new("env");
    command.args(world).arg(env!("CARGO_BIN_EXE_tcphealth")).args(own).env("LC_ALL", "C");
    let done = command.output().expect("the program runs");
    assert!(done.status.success(), "{world:?}: {done:?}");
}

fn is_permitted() -> bool {
    let done = Command::new("unshare").args(["-mnT", "--boottime", "60", "true"]).output();
    let permitted = done.is_ok_and(|done| done.status.success());
    assert!(permitted || std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
    permitted
}

/// A recording of the host, then with the boot clock an hour ahead of the wall's, in another network, and after another boot.
fn broken(place: &Path) -> String {
    let store = place.join("store").to_str().expect("UTF-8").to_owned();
    let boot = place.join("boot").to_str().expect("UTF-8").to_owned();
    fs::write(&boot, "01234567-89ab-cdef-0123-456789abcdef\n").expect("a file");
    let uptime = fs::read_to_string("/proc/uptime").expect("Linux");
    let back = format!("-{}", uptime.split('.').next().expect("seconds").parse::<u64>().expect("a number") - 10);
    let mount = format!("mount --bind {boot} /proc/sys/kernel/random/boot_id && exec \"$@\"");
    record(&store, &[]);
    record(&store, &["unshare", "-T", "--boottime", "3600"]);
    record(&store, &["unshare", "-nT", "--boottime", "3600"]);
    record(&store, &["unshare", "-mT", "--boottime", &back, "sh", "-c", &mount, "sh"]);
    store
}

#[test]
fn another_clock_another_network_and_another_boot_are_breaks_and_no_rate_spans_them() {
    if !is_permitted() {
        println!("not run: needs CAP_SYS_ADMIN");
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let store = broken(place.path());
    let listed = text(&run(&["sadf", "-d", &store, "--", "-n", "TCP"]).stdout);
    let fields: Vec<Vec<&str>> = listed.lines().map(|line| line.split(';').collect()).collect();
    let breaks: Vec<&str> = fields.iter().filter(|row| row.get(1) == Some(&"-1")).map(|row| row[3]).collect();
    assert_eq!(breaks.len(), 3, "{listed}");
    assert_eq!(breaks[..2], ["RECORDING-INTERRUPTED"; 2]);
    assert!(breaks[2].starts_with("LINUX-RESTART"), "{listed}");
    let seconds = fields.iter().filter_map(|row| row.get(1)?.parse::<i64>().ok()).filter(|seconds| *seconds >= 0);
    let seconds: Vec<i64> = seconds.collect();
    // Two a second, none of them over a break: the boot clock went on by an hour and back by all of it.
    assert!(seconds.len() >= 8 && seconds.iter().all(|seconds| *seconds < 60), "{listed}");
    let printed = text(&run(&["sar", "-n", "TCP", "-f", &store]).stdout);
    let said = |word: &str| printed.lines().filter(|line| line.contains(word)).count();
    assert_eq!((said("RECORDING INTERRUPTED"), said("LINUX RESTART"), said("Average:")), (2, 1, 4), "{printed}");
    // The first look after the last break, within the second that is printed; the next comes two seconds later.
    let restart = fields.iter().rfind(|row| row.get(1) == Some(&"-1")).expect("a break")[2];
    let first_of_last = restart.replace(" UTC", ".999 UTC");
    let alone = text(&run(&["check", "--from", &store, "--at", &first_of_last]).stdout);
    assert!(alone.contains("at which the recording begins or"), "{first_of_last}: {alone}");
    let long = run(&["check", "--from", &store, "--at", "now", "--window", "60s"]);
    let said = text(&long.stderr);
    assert!(long.status.code() == Some(3) && said.contains("the recording was interrupted or began"), "{said}");
    assert_eq!(said.lines().count(), 1);
}
