//! What one window only mentions, several decide: by `check --every`, and by a recording of the same time.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use serde_json::Value;

/// The table's minutes, shortened; and no number of one window alone is a warning.
const LIMITS: &str =
    "[limits]\nwindow_min_seconds = 0.9\nchronic_minute_seconds = 2\nclose_wait_warning_count = 1000\n";

fn program(config: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.args(words).env("LC_ALL", "C").env("XDG_CONFIG_HOME", config);
    command
}

/// One more connection that its client has closed and we have not.
fn leak(listener: &TcpListener) -> TcpStream {
    let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
    let mut server = listener.accept().expect("a connection").0;
    server.write_all(b"x").expect("a byte is sent");
    client.read_exact(&mut [0]).expect("a byte arrives");
    server
}

/// Ten leaked connections, and one more again and again until told to end.
fn leaking(end: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let end = Arc::clone(end);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut leaked: Vec<TcpStream> = (0..10).map(|_| leak(&listener)).collect();
    spawn(move || {
        while !end.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(300));
            leaked.push(leak(&listener));
        }
    })
}

/// The leak of this process in a report.
fn ours(report: &Value) -> &Value {
    let id = format!("close-wait-leak@pid:{}", std::process::id());
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().find(|finding| finding["id"] == id.as_str()).unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn a_leak_that_grows_window_after_window_becomes_a_warning() {
    let place = tempfile::tempdir().expect("a directory");
    let (config, store) = (place.path().to_str().expect("UTF-8"), place.path().join("store"));
    std::fs::create_dir(place.path().join("tcphealth")).expect("a directory");
    std::fs::write(place.path().join("tcphealth/config.toml"), LIMITS).expect("a file");
    let store = store.to_str().expect("UTF-8");
    let end = Arc::new(AtomicBool::new(false));
    let leak = leaking(&end);
    let record = ["record", "--census", "1s", "--store", store];
    let mut recorder = program(config, &record).stderr(Stdio::null()).spawn().expect("the program runs");
    let every = ["check", "--every", "1s", "--count", "5", "--format", "json"];
    let output = program(config, &every).output().expect("the program runs");
    let past = ["check", "--from", store, "--at", "now", "--format", "json"];
    let past_report = (0..60).find_map(|_| {
        let output = program(config, &past).output().expect("the program runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        sleep(Duration::from_millis(500));
        (ours(&report)["severity"] == "warning").then_some(report)
    });
    recorder.kill().expect("it runs");
    recorder.wait().expect("it was started");
    end.store(true, Ordering::Relaxed);
    leak.join().expect("it leaked to the end");

    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (first, last) = (ours(&lines[0]), ours(&lines[4]));
    assert_eq!((&first["severity"], first.get("since")), (&Value::from("info"), None));
    assert_eq!(last["severity"], "warning");
    assert_eq!(last["since"], lines[0]["window"]["begin"]);
    assert!(last["cause"].as_str().expect("words").contains("found in 5 of them in a row"), "{}", last["cause"]);

    let past_report = past_report.expect("the recording comes to a warning, too");
    assert!(ours(&past_report)["since"].is_string());
}
