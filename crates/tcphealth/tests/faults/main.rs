//! Real faults and healthy look-alikes in private namespaces, judged by the program as a user runs it.
//!
//! Needs root, or a kernel that gives user namespaces to everybody; `TCPHEALTH_ALL_TESTS=1` makes their absence a failure.
//! `TCPHEALTH_KEEP=DIR` keeps what each check read, for the fixtures in testdata/hosts.

#![expect(clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

mod actors;
mod emulator;
mod stories;
mod world;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, getgid, getuid};
use serde_json::{Value, json};

use actors::Curtain;
use stories::{STORIES, Story, Truth};

const WINDOW: &str = "5s";

fn main() -> ExitCode {
    let chosen: Vec<&Story> = chosen().collect();
    if std::env::args().any(|word| word == "--list") {
        for story in &chosen {
            println!("{}: test", story.name);
        }
        return ExitCode::SUCCESS;
    }
    if let Err(why) = become_root_of_ourselves() {
        println!("faults: {} tests need root or user namespaces ({why}) and were not run", chosen.len());
        println!("\ntest result: ok. 0 passed; 0 failed; {} ignored; 0 measured; 0 filtered out", chosen.len());
        return ExitCode::from(u8::from(std::env::var_os("TCPHEALTH_ALL_TESTS").is_some()));
    }
    println!("\nrunning {} tests", chosen.len());
    let failed = chosen.iter().filter(|story| !passes(story)).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let passed = chosen.len() - failed;
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::from(u8::from(failed > 0))
}

/// The stories whose names contain one of the words given, or all.
fn chosen() -> impl Iterator<Item = &'static Story> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    STORIES.iter().filter(move |story| words.is_empty() || words.iter().any(|word| story.name.contains(word)))
}

/// Before any thread: a user namespace in which we may make network namespaces, unless we are root already.
fn become_root_of_ourselves() -> Result<(), String> {
    let (user, group) = (getuid(), getgid());
    if user != Uid::from_raw(0) {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| format!("user namespace: {error}"))?;
        let maps =
            [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))];
        for (file, map) in maps {
            std::fs::write(format!("/proc/self/{file}"), map).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET))
        .join()
        .expect("the thread only asks")
        .map_err(|error| format!("network namespace: {error}"))
}

fn passes(story: &Story) -> bool {
    let curtain = Curtain::default();
    let stage = (story.begin)(&curtain);
    std::thread::sleep(story.warm_up);
    let mut check = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    check.args(["check", "--window", WINDOW, "--format", "json"]);
    let keep = std::env::var_os("TCPHEALTH_KEEP").map(|keep| Path::new(&keep).join(story.name));
    if let Some(keep) = &keep {
        check.arg("--save").arg(keep);
    }
    let output = stage.here.run(move || check.output());
    let below = matches!(story.truth, Truth::Fault("retransmit-local", _)).then(|| below_a_sample(&stage.here));
    curtain.fall();
    std::thread::sleep(Duration::from_millis(300));
    let why = output.map_err(|error| error.to_string()).and_then(|output| {
        let status = output.status.code();
        let report = serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("no report, exit {status:?}: {}", String::from_utf8_lossy(&output.stderr)))?;
        judge(&story.truth, &report, status)
    });
    let why = why.and(below.unwrap_or(Ok(())));
    if let Some(keep) = keep {
        std::fs::write(keep.join("truth.json"), truth_of(story).to_string())
            .expect("the fixture has just been written");
    }
    println!("test {} ... {}", story.name, if why.is_ok() { "ok" } else { "FAILED" });
    why.map_err(|why| println!("  {why}")).is_ok()
}

/// What `sar --judge` says of eight lost in a thousand, below its sample of [`WINDOW`].
fn below_a_sample(here: &world::Host) -> Result<(), String> {
    let sar = || Command::new(env!("CARGO_BIN_EXE_tcphealth")).args(["sar", "-n", "TCP", "--judge", "5", "1"]).output();
    let output = here.run(sar).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("judge      local ")).unwrap_or_default();
    let counts = line.split_once(" (").and_then(|(counts, _)| counts.split_once('/'));
    let share = counts.and_then(|(lost, sent)| Some(lost.parse::<f64>().ok()? / sent.parse::<f64>().ok()?));
    let near = share.is_some_and(|share| (0.002..0.03).contains(&share));
    let named = line.contains(", remote 0/0 (undecided): ") && line.contains(", retransmit-local, ");
    if near && named { Ok(()) } else { Err(format!("sar --judge: {said}")) }
}

/// What the fixture's test expects of it.
fn truth_of(story: &Story) -> Value {
    match story.truth {
        Truth::Healthy => json!({ "rule": null }),
        Truth::Fault(rule, subject) => json!({ "rule": rule, "subject": subject }),
    }
}

/// Compares the report with the truth.
fn judge(truth: &Truth, report: &Value, status: Option<i32>) -> Result<(), String> {
    let all = report["findings"].as_array().cloned().unwrap_or_default();
    let above: Vec<&Value> = all.iter().filter(|finding| finding["severity"] != "info").collect();
    let said: Vec<String> = all.iter().map(|finding| format!("{} {}", finding["id"], finding["severity"])).collect();
    let worst =
        if above.iter().any(|finding| finding["severity"] == "critical") { 2 } else { i32::from(!above.is_empty()) };
    if status != Some(worst) {
        return Err(format!("exit {status:?} with {said:?}"));
    }
    match (truth, above.first()) {
        (Truth::Healthy, None) => Ok(()),
        (Truth::Fault(rule, words), Some(first)) if first["rule"] == *rule => {
            let subject = first["subject"].to_string();
            if subject.contains(words) { Ok(()) } else { Err(format!("subject {subject} lacks {words}")) }
        }
        _ => Err(format!("found {said:?}")),
    }
}
