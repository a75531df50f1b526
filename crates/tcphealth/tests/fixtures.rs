//! Saved hosts, judged again by every test run: the verdict is the truth that was saved beside them, nothing depends on this
//! machine, and no advice is a myth. A report from the field becomes a test by becoming a directory of testdata/hosts.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn hosts() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts");
    let mut hosts: Vec<PathBuf> = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    hosts.sort();
    assert!(hosts.len() >= 18, "only {} fixtures", hosts.len());
    hosts
}

fn check(host: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.arg("check").arg("--from").arg(host).args(arguments).output().unwrap()
}

fn report(host: &Path, lang: &str) -> Value {
    let output = check(host, &["--format", "json", "--lang", lang]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}: {said}", host.display()))
}

#[test]
fn every_saved_host_gets_the_verdict_that_is_true_of_it() {
    for host in hosts() {
        let truth: Value = serde_json::from_str(&std::fs::read_to_string(host.join("truth.json")).unwrap()).unwrap();
        let report = report(&host, "en");
        let first = report["findings"].as_array().unwrap().iter().find(|finding| finding["severity"] != "info");
        let rule = first.map_or(&Value::Null, |finding| &finding["rule"]);
        assert_eq!(rule, &truth["rule"], "{}", host.display());
        if let (Some(first), Some(words)) = (first, truth["subject"].as_str()) {
            assert!(first["subject"].to_string().contains(words), "{}: {}", host.display(), first["subject"]);
        }
    }
}

#[test]
fn the_same_host_is_told_the_same_way_every_time() {
    for host in hosts() {
        assert_eq!(check(&host, &["--format", "json"]).stdout, check(&host, &["--format", "json"]).stdout);
    }
}

/// Words that no advice may contain, and the rules whose advice may not contain them (an empty word is every rule).
const MYTHS: &[(&str, &str)] = &[
    ("", "tcp_tw_recycle"),
    ("ports", "tcp_fin_timeout"),
    ("time-wait", "tcp_fin_timeout"),
    ("connection-churn", "tcp_fin_timeout"),
    ("ports", "SO_KEEPALIVE"),
    ("time-wait", "SO_KEEPALIVE"),
    ("connection-churn", "SO_KEEPALIVE"),
    ("close-wait", "restart the network"),
    ("close-wait", "네트워크를 재시작"),
    ("accept", "raise net.core.somaxconn"),
];

#[test]
fn no_advice_is_a_myth() {
    for host in hosts() {
        for lang in ["en", "ko"] {
            for finding in report(&host, lang)["findings"].as_array().unwrap() {
                let advice = format!("{}{}", finding["now"], finding["repair"]);
                for (rule, myth) in MYTHS {
                    let about = finding["rule"].as_str().unwrap().starts_with(rule);
                    assert!(!about || !advice.contains(myth), "{}: {advice}", host.display());
                }
            }
        }
    }
}
