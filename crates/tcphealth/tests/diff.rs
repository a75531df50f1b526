//! What changed between two times of a real recording, at the command line.

mod leaking;
mod program;

use std::process::Command;

use serde_json::Value;

use leaking::leak;
use program::{run, text};

/// From when until when the next part of a recording reaches.
fn record(store: &str, seconds: &str) -> String {
    let begin = now();
    let done = run(&["record", "--store", store, "--duration", seconds, "--interval", "500ms", "--census", "6s"]);
    assert!(done.status.success(), "{done:?}");
    format!("{begin}..{}", now())
}

fn now() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"]).output().expect("date");
    text(&output.stdout).trim().to_owned()
}

#[test]
fn a_leak_and_its_listener_are_what_changed() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    let before = record(store, "7s");
    let (listener, _leaked) = leak(40);
    let after = record(store, "13s");
    let output = run(&["diff", &before, &after, "--from", store, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let diff: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(diff["schema"], "tcphealth.diff/1");
    let changes = diff["changes"].as_array().expect("a list");
    let first = &changes[0];
    assert_eq!((&first["kind"], &first["a"]), (&"finding".into(), &Value::Null), "{first}");
    assert!(first["name"].as_str().is_some_and(|name| name.starts_with("close-wait-leak@pid:")), "{first}");
    let local = listener.local_addr().expect("bound").to_string();
    let named = |name: &str| {
        changes.iter().find(|change| change["name"] == name).unwrap_or_else(|| panic!("no {name}: {diff}"))
    };
    assert_eq!(named(&local)["kind"], "listener");
    let sockets = named(&format!("CLOSE_WAIT {local}"));
    assert_eq!((&sockets["a"], &sockets["b"], &sockets["unusual"]), (&0.0.into(), &40.0.into(), &true.into()));
    let process = sockets["process"].as_str().expect("a process");
    assert!(process.ends_with(&format!("[{}]", std::process::id())), "{process}");
    let said = text(&run(&["diff", &before, &after, "--from", store]).stdout);
    assert!(said.lines().count() <= 24 && said.starts_with("unusual changes: "), "{said}");
    assert!(said.contains("0 → 40") && said.contains("little history"), "{said}");
    let korean = text(&run(&["diff", &before, &after, "--from", store, "--lang", "ko"]).stdout);
    assert!(korean.starts_with("이례적인 변화 ") && korean.contains("0 → 40"), "{korean}");
}

#[test]
fn the_same_time_twice_is_nothing_unusual() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    let range = record(store, "1s");
    let output = run(&["diff", &range, &range, "--from", store]);
    let said = text(&output.stdout);
    assert_eq!((output.status.code(), said.lines().next()), (Some(0), Some("nothing unusual has changed")), "{said}");
}

#[test]
fn what_cannot_be_compared_is_said_in_one_line() {
    let place = tempfile::tempdir().expect("a directory");
    let store = place.path().to_str().expect("UTF-8");
    let failed = |words: &[&str], status, expected: &str| {
        let output = run(words);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0), "{said}");
        assert!(said.contains(expected), "{said}");
        said.lines().count()
    };
    assert_eq!(failed(&["diff", "--from", store], 3, "no recording here"), 1);
    assert_eq!(failed(&["diff", "--from", "/nonexistent"], 3, "/nonexistent: no recording here"), 1);
    record(store, "1s");
    assert_eq!(failed(&["diff", "--from", store], 3, "nothing was recorded at"), 1);
    failed(&["diff", "soon"], 3, "not a time such as");
    failed(&["diff", "now..-1h"], 3, "not a time such as");
}
