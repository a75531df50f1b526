//! Bad input is one clear line with the file, the right exit status, and no panic: damaged directories, full disks, closed pipes,
//! a /proc that is not there.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tcphealth"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// A copy of a saved host, and its files.
fn copy(name: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts").join(name);
    let to = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    files(&from, &mut all);
    let places = all.iter().map(|path| {
        let place = to.path().join(path.strip_prefix(&from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, &place).unwrap();
        place
    });
    let places = places.filter(|path| !path.ends_with("truth.json")).collect();
    (to, places)
}

/// Either the host is judged, or one line names the file; nothing else may happen.
fn judged_or_told(host: &Path, damaged: &Path) -> bool {
    let output = program().args(["check", "--from"]).arg(host).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = output.status.code().unwrap();
    assert!(status <= 3, "{}: {status} {complaint}", damaged.display());
    // A host without counters is unknown too, and its report says so.
    let told = status == 3 && output.stdout.is_empty();
    if told {
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        let place = damaged.display().to_string();
        let stands =
            complaint.contains(&place) || complaint.contains("meta.json") || complaint.contains("two snapshots");
        assert!(stands, "{place}: {complaint}");
    } else {
        assert!(complaint.is_empty(), "{}: {complaint}", damaged.display());
    }
    told
}

#[test]
fn a_truncated_file_is_told_or_does_no_harm() {
    let (host, files) = copy("close-forgotten");
    let mut told = 0;
    for path in &files {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        told += usize::from(judged_or_told(host.path(), path));
        fs::write(path, bytes).unwrap();
    }
    // The dumps of both looks and the two tables of JSON at least cannot be read by half.
    assert!(files.len() > 40 && told >= 6, "{told} of {}", files.len());
}

#[test]
fn a_missing_file_is_told() {
    let (host, files) = copy("close-forgotten");
    for path in files.iter().filter(|path| !path.ends_with("answers.json")) {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(judged_or_told(host.path(), path), "{}", path.display());
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let (host, files) = copy("close-forgotten");
    // Numerical Recipes' linear congruential generator: any places will do, the same ones every time.
    let mut state: u32 = 1;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for path in &files {
        let bytes = fs::read(path).unwrap();
        for _ in 0..2 {
            let mut other = bytes.clone();
            for _ in 0..=bytes.len() / 400 {
                let place = next(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
                if let Some(byte) = other.get_mut(place) {
                    *byte ^= 1 << next(8);
                }
            }
            fs::write(path, other).unwrap();
            judged_or_told(host.path(), path);
        }
        fs::write(path, bytes).unwrap();
    }
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn output_that_cannot_be_written_is_told_and_nobody_listening_is_not() {
    let quiet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts/quiet").display().to_string();
    for (words, status) in [(&["check", "--from", &quiet][..], 3), (&["states"], 1), (&["sockets"], 1), (&["rules"], 1)]
    {
        let full = program().args(words).stdout(Stdio::from(File::create("/dev/full").unwrap())).output().unwrap();
        let told = complaint(&full);
        assert_eq!((full.status.code(), told.lines().count()), (Some(status), 1), "{words:?}: {told}");
        assert!(told.contains("No space left"), "{told}");
        let mut gone = program().args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(gone.stdout.take());
        let gone = gone.wait_with_output().unwrap();
        assert_eq!((gone.status.code(), complaint(&gone).as_str()), (Some(0), ""), "{words:?}");
    }
}

/// Runs a line of shell as root with mounts of its own; `None` where that is not permitted.
fn with_own_mounts(line: &str) -> Option<Output> {
    let run = |line: &str| Command::new("unshare").args(["-m", "sh", "-c", line]).output().unwrap();
    if run("true").status.success() {
        return Some(run(line));
    }
    assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
    println!("not run: mounts of its own need CAP_SYS_ADMIN");
    None
}

#[test]
fn a_place_that_cannot_be_written_is_told_with_the_file() {
    for place in ["/dev/full", "/proc/nowhere"] {
        let output = program().args(["check", "--window", "100ms", "--save", place]).output().unwrap();
        let told = complaint(&output);
        assert_eq!((output.status.code(), told.lines().count()), (Some(3), 1), "{told}");
        assert!(told.starts_with(&format!("tcphealth: {place}: ")), "{told}");
    }
    let home = tempfile::tempdir().unwrap();
    let (disk, binary) = (home.path().display(), env!("CARGO_BIN_EXE_tcphealth"));
    let line = format!("mount -t tmpfs -o size=16k none {disk} && {binary} check --window 100ms --save {disk}/saved");
    let Some(output) = with_own_mounts(&line) else { return };
    let told = complaint(&output);
    assert_eq!((output.status.code(), told.lines().count()), (Some(3), 1), "{told}");
    assert!(told.starts_with(&format!("tcphealth: {disk}/saved/")) && told.contains("No space left"), "{told}");
}

#[test]
fn without_proc_the_host_is_unknown_and_the_report_says_why() {
    let line =
        format!("mount -t tmpfs none /proc && {} check --window 100ms --format json", env!("CARGO_BIN_EXE_tcphealth"));
    let Some(output) = with_own_mounts(&line) else { return };
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((output.status.code(), &report["verdict"]), (Some(3), &"unknown".into()), "{report}");
    assert!(report["unseen"].to_string().contains("/proc/net/snmp"), "{}", report["unseen"]);
}

#[test]
fn history_is_context_and_no_verdict() {
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts");
    let mut told = 0;
    for host in fs::read_dir(hosts).unwrap() {
        let host = host.unwrap().path();
        let run = |format| {
            program().args(["check", "--since-boot", "--format", format, "--from"]).arg(&host).output().unwrap()
        };
        let report: serde_json::Value = serde_json::from_slice(&run("json").stdout).unwrap();
        assert_eq!((run("json").status.code(), &report["since_boot"]), (Some(0), &true.into()), "{}", host.display());
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["severity"] == "info"), "{}", host.display());
        told += findings.len();
        // The clock of the look, less the time since boot.
        let meta: serde_json::Value = serde_json::from_slice(&fs::read(host.join("meta.json")).unwrap()).unwrap();
        let seconds = meta["looks"][0]["at"]["begin_ns"].as_f64().unwrap() / 1e9;
        assert!((report["window"]["seconds"].as_f64().unwrap() - seconds).abs() < 1e-6);
        let text = String::from_utf8(run("text").stdout).unwrap();
        assert!(text.starts_with("CONTEXT  no verdict: what the counters of this namespace say since boot"), "{text}");
    }
    assert!(told > 0);
}
