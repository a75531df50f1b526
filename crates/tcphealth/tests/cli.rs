//! The program as it is typed: exit statuses, usage errors, reports of this host, and the same report again from what was saved.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.env("XDG_CONFIG_HOME", home).env("LC_ALL", "C").env_remove("COLUMNS");
    command
}

fn run(words: &[&str]) -> Output {
    let home = tempfile::tempdir().expect("a directory");
    program(home.path()).args(words).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn json(words: &[&str]) -> Value {
    let output = run(words);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
}

#[test]
fn a_usage_error_is_unknown_for_check_and_path_and_2_elsewhere() {
    for (words, status) in [
        (&["check", "--nonsense"][..], 3),
        (&["--nonsense"], 3),
        (&["--window", "soon"], 3),
        (&["--window", "0"], 3),
        (&["check", "--format", "xml"], 3),
        (&["check", "--every", "1s", "--format", "nagios"], 3),
        (&["path"], 3),
        (&["--lang"], 3),
        (&["states", "--nonsense"], 2),
        (&["sockets", "state", "nonsense"], 2),
        (&["sockets", "--sort", "nonsense"], 2),
        (&["why", "nonsense"], 2),
        (&["nonsense"], 2),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(status), "{words:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let help = run(&["--help"]);
    assert!(help.status.success() && stdout(&help).contains("Examples:"));
    assert_eq!(stdout(&run(&["-V"])), format!("tcphealth {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(home.path().join("tcphealth")).expect("a directory");
    std::fs::write(home.path().join("tcphealth/config.toml"), "[limits]\nwindow_min_second = 5\n").expect("a file");
    let output = program(home.path()).args(["check", "--window", "100ms"]).output().expect("the program runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3));
    assert!(complaint.contains("tcphealth/config.toml:2:1: there is no limit “window_min_second”"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn every_rule_is_in_the_report_and_the_verdict_is_the_exit_status() {
    let output = run(&["check", "--window", "300ms", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let verdict = report["verdict"].as_str().expect("a word");
    let status = ["ok", "warning", "critical", "unknown"].iter().position(|word| *word == verdict);
    assert_eq!(output.status.code().map(|code| code as usize), status);
    let named = |list: &Value| -> BTreeSet<String> {
        list.as_array().expect("a list").iter().map(|entry| entry["rule"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(named(&report["checks"]), named(&json(&["rules", "--format", "json"])["rules"]));
    assert!(report["window"]["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.3));
}

#[test]
fn what_was_saved_is_judged_again_to_the_byte() {
    let home = tempfile::tempdir().expect("a directory");
    let saved = home.path().join("saved").display().to_string();
    let live = run(&["check", "--window", "600ms", "--format", "json", "--save", &saved]);
    assert!(live.status.code().is_some_and(|status| status <= 2), "{live:?}");
    let again = run(&["check", "--from", &saved, "--format", "json"]);
    assert_eq!((stdout(&live), live.status.code()), (stdout(&again), again.status.code()));
    let korean = ["check", "--from", &saved, "--lang", "ko"];
    assert_eq!(stdout(&run(&korean)), stdout(&run(&korean)));
    let taken = run(&["check", "--window", "100ms", "--save", &saved]);
    assert_eq!(taken.status.code(), Some(3));
    let states = json(&["states", "--from", &saved, "--format", "json"]);
    assert_eq!(states["states"].as_object().map(serde_json::Map::len), Some(11));
}

#[test]
fn what_is_not_there_is_one_line_that_tells_what_to_do() {
    let home = tempfile::tempdir().expect("a directory");
    let empty = home.path().display().to_string();
    let nowhere = format!("{empty}/none");
    for (words, status, part) in [
        (
            &["check", "--from", &nowhere, "--at", "now"][..],
            3,
            "/none: no recording here; `tcphealth record` makes one",
        ),
        (&["replay", "--from", &nowhere, "--at", "-1h"], 1, "/none: no recording here; `tcphealth record` makes one"),
        (&["states", "--from", &empty], 1, "neither a recording nor a directory that --save wrote"),
        (
            &["check", "--netns", "nonsense"],
            3,
            "no network namespace of this name or process; `tcphealth check --netns all`",
        ),
        (&["import", "--store", &nowhere, &empty], 1, "no files of sysstat's here"),
        (&["path", "127.0.0.1", "--count", "1", "--format", "json", "--as-table", &nowhere], 3, "/none: No such file"),
    ] {
        let output = run(words);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), complaint.lines().count()), (Some(status), 1), "{words:?}: {complaint}");
        assert!(complaint.contains(part) && !complaint.contains("os error"), "{words:?}: {complaint}");
    }
}

#[test]
fn a_full_device_is_named_as_the_place() {
    for (words, status) in [(&["rules"][..], 1), (&["check", "--window", "100ms"], 3), (&["-V"], 3)] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let home = tempfile::tempdir().expect("a directory");
        let output = program(home.path()).args(words).stdout(full).output().expect("the program runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{words:?}");
        assert_eq!(complaint, "tcphealth: stdout: No space left on device\n", "{words:?}");
    }
}

#[test]
fn a_directory_that_is_no_saved_host_is_one_clear_line() {
    let home = tempfile::tempdir().expect("a directory");
    let output = run(&["check", "--from", &home.path().display().to_string()]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), complaint.lines().count()), (Some(3), 1), "{complaint}");
    assert!(complaint.contains("meta.json") && output.stdout.is_empty(), "{complaint}");
}

#[test]
fn a_plugin_prints_one_line_and_keeps_its_time() {
    let output = run(&["check", "--window", "100ms", "--format", "nagios"]);
    let text = stdout(&output);
    let first = text.lines().next().expect("a line");
    assert!(first.starts_with("TCPHEALTH ") && first.matches('|').count() == 1, "{first}");
    let late = run(&["check", "--window", "30s", "--format", "nagios", "--timeout", "200ms"]);
    assert_eq!(late.status.code(), Some(3));
    assert!(stdout(&late).starts_with("TCPHEALTH UNKNOWN - "));
}

/// A listener of our own with two connections, both ends here: five sockets with its port.
fn connected() -> (TcpListener, Vec<TcpStream>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut ends: Vec<TcpStream> =
        (0..2).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("a connection")).collect();
    ends.extend((0..2).map(|_| listener.accept().expect("a connection").0));
    (listener, ends, port)
}

#[test]
fn sockets_are_found_and_counted_by_filters() {
    let (_listener, _ends, port) = connected();
    let count = |filter: &str| {
        let found = json(&["sockets", "--format", "json", filter]);
        found["sockets"].as_array().expect("a list").len()
    };
    assert_eq!(count(&format!("sport = :{port} or dport = :{port}")), 5);
    assert_eq!(count(&format!("state established sport = :{port}")), 2);
    assert_eq!(count(&format!("state listening and src 127.0.0.0/8 and sport :{port}")), 1);
    assert_eq!(count(&format!("exclude listening dport {port} and not dst 127.0.0.1")), 0);
    let filter = format!("sport = :{port} or dport = :{port}");
    let groups = json(&["sockets", "--format", "json", "--by", "state,listener", &filter]);
    let first = groups["groups"].as_array().and_then(|groups| groups.first()).expect("a group").clone();
    assert_eq!((&first["key"]["state"], &first["sockets"]), (&"ESTABLISHED".into(), &2.into()));
    let own = std::process::id();
    let processes = json(&["sockets", "--format", "json", "--by", "process", &filter]);
    let name = processes["groups"][0]["key"]["process"].as_str().expect("a process").to_owned();
    assert!(name.ends_with(&format!("({own})")), "{name}");
}

/// What `ss -i` prints of a connection, by the kernel's names.
const OF_SS: &str = "snd_wscale rcv_wscale rto rtt rttvar ato snd_mss pmtu rcv_mss advmss snd_cwnd snd_ssthresh bytes_sent \
     bytes_retrans bytes_acked bytes_received segs_out segs_in data_segs_out data_segs_in last_data_sent last_data_recv \
     last_ack_recv pacing_rate max_pacing_rate delivery_rate delivered delivered_ce delivery_rate_app_limited busy_time \
     rwnd_limited sndbuf_limited unacked retrans total_retrans lost sacked dsack_dups fackets reordering reord_seen rcv_rtt \
     rcv_space rcv_ssthresh notsent_bytes min_rtt rcv_ooopack snd_wnd rcv_wnd rehash options backoff probes retransmits";

#[test]
fn json_has_every_field_of_tcp_info_that_ss_prints_and_csv_has_the_same_sockets() {
    let (_listener, _ends, port) = connected();
    let filter = format!("state established and sport = :{port}");
    let found = json(&["sockets", "--format", "json", &filter]);
    let info = found["sockets"][0]["tcp_info"].as_object().expect("tcp_info").clone();
    for field in OF_SS.split_whitespace() {
        assert!(info.contains_key(field), "{field} is missing");
    }
    let csv = stdout(&run(&["sockets", "--format", "csv", &filter]));
    let records: Vec<&str> = csv.split_terminator("\r\n").collect();
    let columns = |record: &str| record.split(',').count();
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| columns(record) == columns(records[0])), "{csv}");
}

#[test]
fn whoever_stops_reading_causes_no_complaint() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tcphealth"))
        .args(["rules", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut complaint).expect("UTF-8");
    assert_eq!((child.wait().expect("an end").code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn every_window_is_a_line() {
    let output = run(&["check", "--every", "200ms", "--count", "2", "--format", "json"]);
    let text = stdout(&output);
    let reports: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0]["window"]["end"], reports[1]["window"]["begin"]);
}

#[test]
fn the_language_of_text_follows_the_locale_and_that_of_json_does_not() {
    let home = tempfile::tempdir().expect("a directory");
    let mut text = program(home.path());
    let korean = text.env("LC_ALL", "ko_KR.UTF-8").args(["why", "accept-overflow", "--window", "100ms"]);
    let korean = String::from_utf8(korean.output().expect("the program runs").stdout).expect("UTF-8");
    assert!(korean.contains("초의 관찰 구간은 너무 짧음"), "{korean}");
    let mut report = program(home.path());
    let report = report.env("LC_ALL", "ko_KR.UTF-8").args(["check", "--window", "100ms", "--format", "json"]);
    let report = String::from_utf8(report.output().expect("the program runs").stdout).expect("UTF-8");
    assert!(report.is_ascii(), "{report}");
}
