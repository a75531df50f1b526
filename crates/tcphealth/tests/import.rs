//! Files of sysstat's in the store: the same reports as from the files themselves, once and only once.
#![expect(clippy::unwrap_used, reason = "a test may panic, and it is then wrong itself")]

mod program;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use program::{run, text};

/// Ten readings of a made-up host, ten seconds apart: 20 segments sent again among 1000 a second, then none.
fn sysstat_file(folder: &Path) -> String {
    let roots = folder.join("roots");
    fs::create_dir(&roots).unwrap();
    fs::write(roots.join("clock"), "1591016000\n").unwrap();
    fs::write(roots.join("uname"), "Linux 6.1.0 host.test x86_64\n").unwrap();
    for reading in 0..10 {
        let root = roots.join(format!("root{}", reading + 1));
        fs::create_dir_all(root.join("proc/net")).unwrap();
        fs::create_dir_all(root.join("sys/devices/system/cpu/cpu0")).unwrap();
        let (sent, again) = (50_000 + reading * 10_000, 100 + reading.min(5) * 20);
        let tcp = format!("Tcp: ActiveOpens InSegs OutSegs RetransSegs\nTcp: 7 {sent} {sent} {again}\n");
        fs::write(root.join("proc/net/snmp"), tcp).unwrap();
        fs::write(root.join("proc/uptime"), format!("{}.00 0.00\n", 5000 + reading * 10)).unwrap();
    }
    let directory = folder.join("sa");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("sa01").to_str().unwrap().to_owned();
    let words = ["sar", "--roots", roots.to_str().unwrap(), "-n", "TCP,ETCP", "-o", &file, "10", "9"];
    assert!(run(&words).status.success());
    file
}

#[test]
fn what_is_imported_is_told_and_judged_as_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = sysstat_file(folder.path());
    let (directory, store) = (folder.path().join("sa"), folder.path().join("store"));
    let (directory, store) = (directory.to_str().unwrap(), store.to_str().unwrap());
    let first = run(&["import", directory, "--store", store]);
    let told = "10 of 10 readings added, 2020-06-01 12:53:20+00:00 to 2020-06-01 12:54:50+00:00\n";
    assert!(first.status.success() && text(&first.stdout).ends_with(told), "{first:?}");
    let second = run(&["import", directory, "--store", store]);
    assert!(second.status.success() && text(&second.stdout).contains(": 0 of 10 readings added, "), "{second:?}");

    let printed = |from: &str| {
        let output = run(&["sar", "-n", "TCP,ETCP", "-f", from]);
        text(&output.stdout).lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let of_store = printed(store);
    assert_eq!(of_store, printed(&file));
    // By hand: 20 and 10 000 in ten seconds; 100 in ninety.
    assert!(
        of_store.contains(&"12:53:30         0.00      0.00      2.00      0.00      0.00".to_owned()),
        "{of_store:?}"
    );
    assert!(
        of_store.contains(&"Average:         0.00      0.00      1.11      0.00      0.00".to_owned()),
        "{of_store:?}"
    );
    assert!(of_store.contains(&"12:54:50         0.00      0.00   1000.00   1000.00".to_owned()), "{of_store:?}");

    let judged = |from: &str, at: &str| -> Value {
        let output = run(&["check", "--from", from, "--at", at, "--window", "10s", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        ["findings", "checks", "verdict", "unseen"]
            .iter()
            .map(|key| report.get(key).cloned())
            .collect::<Option<Vec<_>>>()
            .unwrap()
            .into()
    };
    for at in ["2020-06-01 12:53:45", "2020-06-01 12:54:45"] {
        assert_eq!(judged(store, at), judged(&file, at), "{at}");
    }
    let clears = judged(store, "2020-06-01 12:54:45").to_string();
    assert!(clears.contains("none of 10000 segments was sent again"), "{clears}");
}

#[test]
fn a_damaged_file_is_told_in_a_line_and_the_others_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let file = sysstat_file(folder.path());
    let (directory, store) = (folder.path().join("sa"), folder.path().join("store"));
    let whole = fs::read(&file).unwrap();
    fs::write(directory.join("sa02"), &whole[..whole.len() - 30]).unwrap();
    fs::write(directory.join("sa03"), "nothing of the kind").unwrap();
    fs::write(directory.join("sa04.xz"), "packed").unwrap();
    fs::write(directory.join("sar01"), "a report in words").unwrap();
    let output = run(&["import", directory.to_str().unwrap(), "--store", store.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(
        said.contains("sa02 ends in the middle of a record") && said.contains("sa03 is no file of sysstat's"),
        "{said}"
    );
    assert!(said.contains("sa04.xz: compressed"), "{said}");
    assert!(text(&output.stdout).contains("10 of 10 readings added"), "{output:?}");
}

#[test]
fn nobody_imports_while_a_recorder_writes() {
    let folder = tempfile::tempdir().unwrap();
    let file = sysstat_file(folder.path());
    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    let mut recorder =
        Command::new(env!("CARGO_BIN_EXE_tcphealth")).args(["record", "--store", store]).spawn().unwrap();
    while !fs::read_dir(store).is_ok_and(|files| files.count() > 1) {
        assert_eq!(recorder.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let output = run(&["import", &file, "--store", store]);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("another recorder writes here"), "{output:?}");
}
