//! A redacted host has the same findings about others: nothing of its addresses and names is left.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

fn check(words: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_tcphealth")).arg("check").args(words).output().unwrap();
    assert!(output.status.code().is_some_and(|status| status <= 2), "{words:?}: {output:?}");
    output
}

fn report(words: &[&str]) -> Value {
    serde_json::from_slice(&check(words).stdout).unwrap()
}

/// What must stay: which rules say what of which kind of culprit, and how bad it is.
fn outline(report: &Value) -> (Vec<[Value; 4]>, Vec<[Value; 2]>) {
    let list = |name: &str| report[name].as_array().unwrap().clone();
    let findings = list("findings").into_iter().map(|found| {
        let subject = &found["subject"];
        [&found["rule"], &found["severity"], &subject["kind"], &subject["interface"]].map(Clone::clone)
    });
    let checks = list("checks").into_iter().map(|check| [check["rule"].clone(), check["outcome"].clone()]);
    (findings.collect(), checks.collect())
}

#[test]
fn every_saved_host_has_the_same_findings_with_other_names() {
    let mut told = 0;
    for host in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts")).unwrap() {
        let host = host.unwrap().path().display().to_string();
        let plain = report(&["--from", &host, "--format", "json"]);
        let other = report(&["--from", &host, "--format", "json", "--redact"]);
        assert_eq!(outline(&plain), outline(&other), "{host}");
        let text = other.to_string();
        assert!(!text.contains("192.0.2."), "{host}: {text}");
        assert_eq!(other["host"]["hostname"], "host-1");
        for finding in plain["findings"].as_array().unwrap() {
            let Some(comm) = finding["subject"]["comm"].as_str() else { continue };
            assert!(!text.contains(comm) && text.contains("process-1"), "{host}: {text}");
            told += 1;
        }
    }
    assert!(told > 3, "{told}");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
}

/// 198.51.100.7 stands in no file of the directory, and the directory is judged as the host was.
fn save_and_search() {
    let sh = |line: &str| assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
    sh("ip link set lo up && ip address add 198.51.100.7/24 dev lo && ip address add 2a00:77::7/64 dev lo nodad");
    let four = TcpListener::bind("198.51.100.7:0").unwrap();
    let six = TcpListener::bind("[2a00:77::7]:0").unwrap();
    let _ends = [&four, &six].map(|listener| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let home = tempfile::tempdir().unwrap();
    let saved = home.path().join("saved").display().to_string();
    let live = report(&["--window", "300ms", "--save", &saved, "--redact", "--format", "json"]);
    let mut all = Vec::new();
    files(Path::new(&saved), &mut all);
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for path in &all {
        for secret in
            [&[198, 51, 100, 7][..], b"198.51.100.7", &[0x2a, 0, 0, 0x77], b"2a00:77:", hostname.trim().as_bytes()]
        {
            assert!(!holds(path, secret), "{} holds {secret:?}", path.display());
        }
    }
    assert!(all.iter().any(|path| holds(path, &[240, 0, 0, 1])), "the address that stands for it is there");
    assert_eq!(outline(&live), outline(&report(&["--from", &saved, "--format", "json"])));
}

#[test]
fn what_is_saved_redacted_holds_no_address() {
    let run = || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => save_and_search(),
        Err(_) if std::env::var_os("TCPHEALTH_ALL_TESTS").is_none() => println!("not run: needs CAP_SYS_ADMIN"),
        Err(errno) => panic!("unshare: {errno}"),
    };
    std::thread::spawn(run).join().unwrap();
}
