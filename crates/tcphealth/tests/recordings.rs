//! Recordings of every version that was released stay readable: `testdata/recordings/N` is one of version N, with the right answers
//! here. The host of version 1 had 40 connections that their clients had closed and a Python program had not, three idle ones,
//! and nothing else; its sockets were looked at at 15:49:37, :43 and :49 UTC.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const VERSIONS: [u32; 1] = [1];

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
