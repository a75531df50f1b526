//! Recordings of every version that was released stay readable: `testdata/recordings/N` is one of version N, with the right answers
//! here. The host of version 1 had 40 connections that their clients had closed and a Python program had not, three idle ones,
//! and nothing else; its sockets were looked at at 15:49:37, :43 and :49 UTC. Version 2 is the same, written by another program.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const VERSIONS: [u32; 2] = [1, 2];

fn store(version: u32) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/recordings");
    root.join(version.to_string()).to_str().expect("UTF-8").to_owned()
}

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.args(words).env("LC_ALL", "C").env("TZ", "UTC").env("XDG_CONFIG_HOME", "/nonexistent");
    command.output().expect("the program runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_recording_of_every_version_is_judged() {
    for version in VERSIONS {
        let report =
            json(&run(&["check", "--from", &store(version), "--at", "2026-11-22 15:49:50", "--format", "json"]));
        assert_eq!(report["host"]["hostname"], "web-1");
        let finding = &report["findings"][0];
        assert_eq!(finding["rule"], "close-wait-leak");
        assert_eq!(finding["subject"]["comm"], "python3");
        assert_eq!(finding["evidence"][0]["value"], 40);
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn the_states_of_every_version_are_drawn() {
    for version in VERSIONS {
        let drawn =
            json(&run(&["states", "--from", &store(version), "--at", "2026-11-22 15:49:50", "--format", "json"]));
        let counted = |state: &str| drawn["states"][state].as_u64();
        // The clients' ends are here too: what they closed is in FIN_WAIT2.
        assert_eq!([counted("CLOSE_WAIT"), counted("FIN_WAIT2")], [Some(40); 2]);
        assert_eq!([counted("ESTABLISHED"), counted("LISTEN"), counted("TIME_WAIT")], [Some(6), Some(1), Some(0)]);
    }
}

/// The counts of groups, each by its keys.
fn groups(by: &str, filter: &[&str]) -> Vec<(Value, u64, Value)> {
    let base = [
        "sockets",
        "--from",
        &store(1),
        "--at",
        "2026-11-22 15:49:50",
        "--format",
        "json",
        "--by",
        by,
        "--with",
        "recv_q",
    ];
    let counted = json(&run(&[&base[..], filter].concat()));
    let groups = counted.get("groups").and_then(Value::as_array).expect("a list").iter();
    groups
        .map(|group| {
            let of = |key: &str| group.get(key).cloned().unwrap_or_default();
            (of("key"), of("sockets").as_u64().expect("a number"), of("recv_q_bytes"))
        })
        .collect()
}

#[test]
fn every_socket_of_a_recorded_moment_is_counted() {
    // 40 and 3 connections that the program accepted, and its listener; their other ends, that connected to it. A byte is unread
    // where a FIN came (40 × 1), and 3 × 100 bytes were never read.
    let service = serde_json::json!({ "listener": "127.0.0.1:8080" });
    let other = serde_json::json!({ "listener": null });
    assert_eq!(groups("listener", &[]), [(service, 44, 340.into()), (other, 43, 0.into())]);
    let by_state = groups("state,destination", &["state", "fin-wait-2"]);
    let clients = serde_json::json!({ "state": "FIN_WAIT2", "destination": "127.0.0.1:8080" });
    assert_eq!(by_state, [(clients, 40, Value::Null)]);
    let all: u64 = groups("state,listener,destination", &[]).iter().map(|(_, sockets, _)| sockets).sum();
    assert_eq!(all, 87);
    // Of the connections 46 are a live socket's at this end: stubs in FIN_WAIT2 are nobody's.
    assert_eq!(groups("peer", &[]), [(serde_json::json!({ "peer": "127.0.0.1" }), 46, Value::Null)]);
}

#[test]
fn the_worst_sockets_of_a_recorded_moment_are_listed_with_their_owners_and_the_rest_is_told_of() {
    let base = ["sockets", "--from", &store(1), "--at", "2026-11-22 15:49:50", "state", "close-wait", "-p"];
    let listed = json(&run(&[&base[..], &["--format", "json"]].concat()));
    assert_eq!(listed["sockets"].as_array().map(Vec::len), Some(32));
    assert_eq!(listed["sockets"][0]["comm"], "python3");
    assert_eq!(listed["recorded"]["of"], 87);
    let output = run(&base);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 33);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(" of 87 sockets; ") && said.lines().count() == 1, "{said}");
    let refused = run(&["sockets", "--from", &store(1), "--at", "2026-11-22 15:49:50", "--by", "process"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    let which = run(&["sockets", "--from", &store(1)]);
    assert!(String::from_utf8_lossy(&which.stderr).contains("of which moment?"));
}

#[test]
fn sar_and_sadf_tell_of_a_recording() {
    let of_seconds = |from: &str, until: &str| {
        let output = run(&["sar", "-n", "SOCK", "-f", &store(1), "-s", from, "-e", until]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let said = of_seconds("2026-11-22 15:49:40", "2026-11-22 15:49:44 UTC");
    assert!(said.starts_with("Linux 6.18.44-fc-v669 (web-1) \t11/22/26 \t"), "{said}");
    // 46 connections and their listener; the kernel's stubs of the 40 closed ends count as TIME_WAIT.
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let shown = rows.iter().filter(|row| row.first().is_some_and(|word| word.starts_with("15:49:4")) && row[2] == "47");
    let times: Vec<&str> = shown.map(|row| row[0]).collect();
    assert_eq!(times, ["15:49:41", "15:49:42", "15:49:43", "15:49:44"]);
    assert!(rows.iter().any(|row| row.first() == Some(&"Average:") && row[2] == "47" && row[6] == "40"), "{said}");
    assert_eq!(of_seconds("15:49:40", "15:49:44").lines().last(), said.lines().last());
    let for_programs = run(&["sadf", "-d", &store(1), "--", "-n", "SOCK"]);
    assert!(String::from_utf8_lossy(&for_programs.stdout).contains("web-1;1;2026-11-22 15:49:44 UTC;49;47;0;0;0;40"));
    let nothing = run(&["sar", "-n", "TCP", "-f", &store(1), "-s", "2026-11-21 03:00", "-e", "2026-11-21 04:00"]);
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(nothing.status.code() == Some(1) && said.contains("nothing was recorded at 2026-11-21 03:00:00"), "{said}");
}

#[test]
fn sar_judges_every_look_of_a_recording() {
    let output = run(&["sar", "-n", "SOCK", "--judge", "-f", &store(1)]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let judged: Vec<&str> = said.lines().filter(|line| line.contains("judge ")).collect();
    // Looks at :37, :43 and :49 have two windows between them.
    assert_eq!(judged.len(), 2, "{said}");
    assert!(
        judged[0].starts_with("15:49:43     judge      local 0/")
            && judged[0].contains(": ok, no trouble found in 6.1 s"),
        "{said}"
    );
    assert!(judged[1].starts_with("15:49:49     judge      local 0/"), "{said}");
    let later = run(&["sar", "-n", "SOCK", "--judge", "-i", "10", "-f", &store(1), "-s", "15:49:44"]);
    assert!(!String::from_utf8_lossy(&later.stdout).contains("judge "), "{later:?}");
}

#[test]
fn a_timeline_says_when_a_finding_began() {
    let output = run(&["why", "close-wait-leak", "--timeline", "--from", &store(1), "--at", "2026-11-22 16:00"]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("close-wait-leak, 2026-11-22 15:49:37+00:00 to 2026-11-22 15:49:49+00:00, "),
        "{said}"
    );
    let dated: Vec<&&str> = lines.iter().filter(|line| line.starts_with("2026-")).collect();
    assert!(dated[0].starts_with("2026-11-22 15:49:37+00:00  undecided "), "{said}");
    assert!(dated[1].starts_with("2026-11-22 15:49:43+00:00  info      python3 (pid 24075)"), "{said}");
    assert_eq!(dated.len(), 2, "{said}");
    let nothing = run(&["why", "close-wait-leak", "--timeline", "--from", &store(1), "--at", "2026-11-21 03:00 UTC"]);
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(said.contains("nothing was recorded at 2026-11-20 03:00:00") && nothing.status.code() == Some(1), "{said}");
}

/// Runs a command on the recording as of a time, where the clocks are nine hours ahead.
fn in_seoul(command: &[&str], option: &str, time: &str) -> Output {
    let store = store(1);
    let mut program = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    program.args(command).args([if option == "-s" { "-f" } else { "--from" }, &store, option, time]);
    program.env("LC_ALL", "C").env("TZ", "Asia/Seoul").env("XDG_CONFIG_HOME", "/nonexistent");
    program.output().expect("the program runs")
}

/// Every command that looks back, and how it takes a time.
const BACK: [(&[&str], &str); 6] = [
    (&["check", "--format", "json"], "--at"),
    (&["why", "close-wait-leak"], "--at"),
    (&["why", "close-wait-leak", "--timeline"], "--at"),
    (&["states"], "--at"),
    (&["sockets", "--by", "state"], "--at"),
    (&["sar", "-n", "SOCK"], "-s"),
];

#[test]
fn times_are_local_or_utc_for_every_command() {
    for (command, option) in BACK {
        let local = in_seoul(command, option, "2026-11-23 00:49:47");
        let utc = in_seoul(command, option, "2026-11-22 15:49:47 UTC");
        let offset = in_seoul(command, option, "2026-11-22T14:49:47-01:00");
        assert!(!local.stdout.is_empty(), "{command:?}: {local:?}");
        assert!(local.stdout == utc.stdout && local.stdout == offset.stdout, "{command:?}: {utc:?} {offset:?}");
    }
    let replayed =
        in_seoul(&["replay", "--until", "2026-11-22 15:49:50 UTC", "--step", "1s"], "--at", "2026-11-23 00:49:40");
    let said = String::from_utf8(replayed.stdout).expect("UTF-8");
    let times: Vec<&str> = said.lines().filter_map(|line| line.get(..25)).collect();
    assert_eq!(times, ["2026-11-23 00:49:37+09:00", "2026-11-23 00:49:43+09:00", "2026-11-23 00:49:49+09:00"]);
}

#[test]
fn a_time_outside_a_recording_is_told_with_its_begin_or_end() {
    let at = |time| String::from_utf8(run(&["check", "--from", &store(1), "--at", time]).stderr).expect("UTF-8");
    let (early, late) = (at("2026-11-21 12:00"), at("2026-11-23 12:00"));
    assert!(
        early.ends_with("2026-11-21 12:00:00+00:00; the recording begins at 2026-11-22 15:49:37+00:00\n"),
        "{early}"
    );
    assert!(late.ends_with("2026-11-23 12:00:00+00:00; the recording ends at 2026-11-22 15:49:49+00:00\n"), "{late}");
    let words = ["replay", "--from", &store(1), "--at", "2026-11-22 15:50", "--until", "2026-11-22 15:49"];
    let backwards = run(&words);
    let said = String::from_utf8_lossy(&backwards.stderr).into_owned();
    assert!(!backwards.status.success() && said.contains("--until is before --at"), "{said}");
}

#[test]
fn every_command_says_that_nothing_was_recorded() {
    for (command, option) in BACK {
        // sar goes on to the end of the recording unless told otherwise: for it, a time behind that.
        let output = in_seoul(command, option, if option == "-s" { "2026-11-24 12:00" } else { "2026-11-21 12:00" });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("nothing was recorded at ") && said.lines().count() == 1, "{command:?}: {said}");
        assert_eq!((output.status.success(), output.stdout.len()), (false, 0), "{command:?}");
    }
}
