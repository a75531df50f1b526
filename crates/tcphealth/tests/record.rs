//! What was recorded is judged as it was seen, survives the death of the recorder and a full disk, and is never read wrong.

mod leaking;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use leaking::leak;

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.args(words).env("LC_ALL", "C").env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

fn run(words: &[&str]) -> Output {
    program(words).output().expect("the program runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// What is said of this process, without what depends on when it was looked at.
fn said_of_us(report: &Value) -> Vec<(Value, Value, Value)> {
    let ours = format!("@pid:{}", std::process::id());
    let findings = report["findings"].as_array().expect("a list");
    let ours = findings.iter().filter(|finding| finding["id"].as_str().is_some_and(|id| id.ends_with(&ours)));
    ours.map(|finding| {
        let timeless = ["CLOSE_WAIT", "CLOSE_WAIT kept", "survival", "growth"];
        let evidence = finding["evidence"].as_array().expect("a list").iter();
        let evidence = evidence.filter(|piece| timeless.iter().any(|name| piece["name"] == *name)).cloned();
        (finding["id"].clone(), finding["severity"].clone(), evidence.collect())
    })
    .collect()
}

#[test]
fn a_recorded_window_is_judged_as_the_live_one() {
    let place = tempfile::tempdir().expect("a directory");
    let (store, saved) = (place.path().join("store"), place.path().join("saved"));
    let (store, saved) = (store.to_str().expect("UTF-8"), saved.to_str().expect("UTF-8"));
    let _leak = leak(30);
    let mut recorder =
        program(&["record", "--once", "--census", "6s", "--store", store]).spawn().expect("the program runs");
    let live = json(&run(&["check", "--window", "6s", "--save", saved, "--format", "json"]));
    assert!(recorder.wait().expect("it was started").success());
    let replayed = json(&run(&["check", "--from", store, "--at", "now", "--format", "json"]));
    let drawn = json(&run(&["states", "--from", store, "--at", "now", "--format", "json"]));
    assert!(drawn["states"]["CLOSE_WAIT"].as_u64() >= Some(30), "{drawn}");
    let replay = run(&["replay", "--from", store, "--at", "-1h", "--step", "2s", "--format", "json"]);
    let lines = String::from_utf8(replay.stdout).expect("UTF-8");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(said_of_us(lines.last().expect("a moment")), said_of_us(&replayed));
    let ours = said_of_us(&live);
    assert_eq!(ours.len(), 1, "{live}");
    assert_eq!(ours[0].2[0]["value"], 30);
    assert_eq!(said_of_us(&replayed), ours);
    assert_eq!(replayed["host"], live["host"]);
    let seconds = replayed["window"]["seconds"].as_f64().expect("a number");
    assert!((5.9..8.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_time_without_data_says_where_there_is_some() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    assert!(run(&["record", "--once", "--census", "100ms", "--store", store]).status.success());
    let output = run(&["check", "--from", store, "--at", "-2h"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains("nothing was recorded at") && said.contains("the recording begins at "), "{said}");
    let output = run(&["check", "--from", store, "--at", "now", "--window", "1h"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(run(&["check", "--from", store]).status.code(), Some(3));
}

#[test]
fn there_is_one_writer() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    let mut first = recorder(place.path());
    let second = run(&["record", "--once", "--store", store]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another recorder writes here"));
    first.kill().expect("it runs");
    first.wait().expect("it was started");
}

#[test]
fn doctor_tells_of_the_recorder() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    let doctor = || json(&run(&["doctor", "--from", store, "--format", "json"]))["recorder"].clone();
    assert_eq!((&doctor()["running"], &doctor()["bytes"]), (&Value::Bool(false), &Value::Null));
    let mut child = recorder(place.path());
    sleep(Duration::from_millis(300));
    let running = doctor();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    child.kill().expect("it runs");
    child.wait().expect("it was started");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("proc_pid_status(5)");
    let peak: u64 = peak.trim_end_matches("kB").trim().parse().expect("a number");
    let number = |field: &str| running[field].as_u64().expect("a number");
    assert_eq!((&running["running"], number("interval_ms"), number("pauses")), (&Value::Bool(true), 10, 0));
    assert!(number("census_asked_ms") == 50 && number("census_interval_ms") >= 50, "{running}");
    assert!(number("resident_kb") <= peak && number("resident_kb") > peak / 2, "{running}, {peak}");
    assert!(running["cpu_percent"].as_f64().expect("a number") > 0.0, "{running}");
    let text = String::from_utf8(run(&["doctor", "--from", store]).stdout).expect("UTF-8");
    assert!(text.contains("no recorder writes to"), "{text}");
}

/// Begins a fast recording, and waits until it has stored something.
fn recorder(store: &Path) -> Child {
    let store_text = store.to_str().expect("UTF-8");
    let begun = rows(store);
    let mut child = program(&["record", "--store", store_text, "--interval", "10ms", "--census", "50ms"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let patience = Instant::now() + Duration::from_secs(20);
    while rows(store) <= begun {
        assert!(Instant::now() < patience, "nothing is stored");
        if let Some(status) = child.try_wait().expect("it was started") {
            let mut said = String::new();
            child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
            panic!("{status}: {said}");
        }
        sleep(Duration::from_millis(5));
    }
    child
}

fn days(store: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(store).into_iter().flatten().map(|entry| entry.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "db")).collect()
}

/// The time of the newest sample that is committed, in a block or not, µs; 0 before the first.
fn rows(store: &Path) -> i64 {
    let newest = "SELECT max(t) FROM (SELECT wall_us AS t FROM live UNION ALL SELECT end_us FROM block)";
    let of = |path: &PathBuf| {
        let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        sql.query_row(newest, [], |row| row.get::<_, Option<i64>>(0)).ok()?
    };
    days(store).iter().filter_map(of).max().unwrap_or(0)
}

fn is_whole(store: &Path) {
    for path in days(store) {
        let sql = Connection::open(&path).expect("it opens");
        let checked: String = sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
        assert_eq!(checked, "ok");
    }
}

/// So many times unless the environment asks for more: TCPHEALTH_CRASHES=200 cargo test -p tcphealth --test record crash
fn rounds(usual: u32) -> u32 {
    std::env::var("TCPHEALTH_CRASHES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// A few milliseconds, other ones each time, and the same ones in every run.
fn moment(round: u32) -> Duration {
    Duration::from_millis(u64::from(round.wrapping_mul(2_654_435_761) >> 23))
}

#[test]
fn a_crash_costs_no_committed_sample() {
    let place = tempfile::tempdir().expect("a directory");
    for round in 0..rounds(4) {
        let mut child = recorder(place.path());
        sleep(moment(round));
        let committed = rows(place.path());
        child.kill().expect("it runs");
        child.wait().expect("it was started");
        assert!(rows(place.path()) >= committed && committed > 0, "round {round}");
        is_whole(place.path());
    }
    let output = run(&["check", "--from", place.path().to_str().expect("UTF-8"), "--at", "now", "--format", "json"]);
    assert_eq!(json(&output)["schema"], "tcphealth.report/1");
}

/// What it says of pauses; looks that cost much are told of, too.
fn said_by(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    lines.map(|line| line.expect("UTF-8")).filter(|line| line.contains("recording"))
}

fn limit(child: &Child, bytes: &str) {
    let pid = child.id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
    assert!(done.expect("prlimit of util-linux").success());
}

#[test]
fn a_crash_on_a_full_disk_and_a_disk_that_has_room_again_lose_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    for round in 0..rounds(2) {
        let mut child = recorder(place.path());
        let mut said = said_by(&mut child);
        sleep(moment(round));
        limit(&child, "4096");
        let line = said.next().expect("a line");
        assert!(line.starts_with("tcphealth: recording pauses: "), "{line}");
        let committed = rows(place.path());
        if round % 3 == 1 {
            child.kill().expect("it runs");
        } else {
            limit(&child, "unlimited");
            assert_eq!(said.next().expect("a line"), "tcphealth: recording again");
            assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill").success());
        }
        child.wait().expect("it was started");
        assert!(rows(place.path()) >= committed && committed > 0, "round {round}");
        is_whole(place.path());
    }
}

/// A disk of one megabyte in a mount namespace of its own; `None` where that is not permitted. It is there while the child is.
fn small_disk(place: &Path) -> Option<Child> {
    let mount = format!("mount -t tmpfs -o size=1m small {} && echo mounted && exec cat", place.display());
    let mut child = Command::new("unshare")
        .args(["--mount", "sh", "-c", &mount])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("unshare of util-linux");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    if line == "mounted\n" {
        return Some(child);
    }
    child.wait().expect("it was started");
    assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
    println!("not run: needs CAP_SYS_ADMIN");
    None
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill").success());
}

/// The newest sample of a copy of the store, which must be whole. SQLite follows `/proc/PID/root` to the place of that name here.
fn rows_of_copy(inside: &Path, child: &Child) -> i64 {
    let copy = tempfile::tempdir().expect("a directory");
    signal(child, "-STOP");
    for file in fs::read_dir(inside).expect("a store").map(|entry| entry.expect("a file").path()) {
        let name = file.file_name().expect("a name");
        if !name.to_string_lossy().ends_with("-shm") && name != "filler" {
            fs::copy(&file, copy.path().join(name)).expect("a copy");
        }
    }
    signal(child, "-CONT");
    is_whole(copy.path());
    rows(copy.path())
}

/// Whether it is SQLite's log with a few samples in it.
fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "db-wal")
        && fs::metadata(path).is_ok_and(|meta| meta.len() > 50_000)
}

#[test]
fn a_disk_without_room_pauses_the_recording_until_there_is_some() {
    let place = tempfile::tempdir().expect("a directory");
    let Some(mut disk) = small_disk(place.path()) else { return };
    let pid = disk.id().to_string();
    let inside = PathBuf::from(format!("/proc/{pid}/root{}", place.path().display()));
    let mut child = Command::new("nsenter")
        .args(["--mount", "--target", &pid, env!("CARGO_BIN_EXE_tcphealth"), "record", "--interval", "10ms"])
        .args(["--store", place.path().to_str().expect("UTF-8")])
        .env("LC_ALL", "C")
        .stderr(Stdio::piped())
        .spawn()
        .expect("nsenter of util-linux");
    let mut said = said_by(&mut child);
    let stored = || fs::read_dir(&inside).expect("a disk").any(|file| file.is_ok_and(|file| is_log(&file.path())));
    let patience = Instant::now() + Duration::from_secs(20);
    while !stored() {
        assert!(Instant::now() < patience, "nothing is stored");
        sleep(Duration::from_millis(5));
    }
    let filler = inside.join("filler");
    fs::write(&filler, vec![1; 1 << 20]).expect_err("there is less room");
    let line = said.next().expect("a line");
    assert!(line.starts_with("tcphealth: recording pauses: ") && line.contains("full"), "{line}");
    let committed = rows_of_copy(&inside, &child);
    fs::remove_file(&filler).expect("it is there");
    assert_eq!(said.next().expect("a line"), "tcphealth: recording again");
    assert!(rows_of_copy(&inside, &child) >= committed && committed > 0);
    signal(&child, "-TERM");
    assert!(child.wait().expect("it was started").success());
    drop(disk.stdin.take());
    disk.wait().expect("it was started");
}

#[test]
fn a_flipped_bit_is_an_error_or_fewer_data_and_never_another_number() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    assert!(run(&["record", "--once", "--census", "5s", "--store", store]).status.success());
    let path = days(place.path()).pop().expect("a day");
    let whole = fs::read(&path).expect("a file");
    let judged = || run(&["check", "--from", store, "--at", "-1s", "--format", "json"]);
    let figures = |output: &Output| json(output)["host"].clone();
    let right = figures(&run(&["check", "--from", store, "--at", "now", "--format", "json"]));
    let mut errors = 0;
    for round in 0..rounds(40) {
        let mut damaged = whole.clone();
        let at = round.wrapping_mul(2_654_435_761) as usize % whole.len();
        damaged[at] ^= 1 << (round % 8);
        if round % 5 == 4 {
            damaged.truncate(at);
        }
        fs::write(&path, damaged).expect("a file");
        let output = judged();
        if output.stdout.is_empty() {
            errors += 1;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "byte {at}: {said}");
        } else {
            assert_eq!(figures(&output), right, "byte {at}");
        }
    }
    assert!(errors > 0);
}

#[test]
fn a_recording_can_be_read_where_nothing_can_be_written() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    assert!(run(&["record", "--once", "--census", "100ms", "--store", store]).status.success());
    let path = days(place.path()).pop().expect("a day");
    assert!(!path.with_extension("db-wal").exists());
    let mut header = [0; 20];
    fs::File::open(&path).expect("a file").read_exact(&mut header).expect("a header");
    // Bytes 18 and 19 of an SQLite file are 1 without a log, 2 with one.
    assert_eq!(header[18..], [1, 1]);
}

#[test]
fn sar_names_the_machine_that_was_recorded() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    let made = run(&["record", "--duration", "500ms", "--interval", "100ms", "--store", store]);
    assert!(made.status.success(), "{made:?}");
    let uname = Command::new("uname").args(["-snrm"]).output().expect("coreutils").stdout;
    let uname = String::from_utf8(uname).expect("UTF-8");
    let [system, node, release, hardware] = uname.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{uname}") };
    let said = String::from_utf8(run(&["sar", "-n", "TCP", "-f", store]).stdout).expect("UTF-8");
    let banner: Vec<&str> = said.lines().next().unwrap_or_default().split('\t').collect();
    assert_eq!(banner.len(), 4, "{said}");
    assert_eq!((banner[0], banner[2]), (&*format!("{system} {release} ({node}) "), &*format!("_{hardware}_")));
}
