//! `sar` and `sadf` as a user runs them: exit statuses, live samples of made-up hosts, and what the installed sysstat reads.
#![expect(clippy::unwrap_used, reason = "a test may panic, and it is then wrong itself")]

use std::fs::{create_dir_all, write};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.args(words).env("LC_ALL", "C").env("TZ", "UTC").env_remove("S_COLORS").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Hosts `host1`, `host2`, … whose counters of TCP are these, so many seconds apart.
fn hosts(folder: &Path, names: &str, seconds: usize, samples: &[&str]) {
    write(folder.join("clock"), "1591016000\n").unwrap();
    write(folder.join("uname"), "Linux 6.1.0 host.test x86_64\n").unwrap();
    for (index, sample) in samples.iter().enumerate() {
        let root = folder.join(format!("host{}", index + 1));
        create_dir_all(root.join("proc/net")).unwrap();
        create_dir_all(root.join("sys/devices/system/cpu/cpu0")).unwrap();
        write(root.join("proc/net/snmp"), format!("Tcp: {names}\nTcp: {sample}\n")).unwrap();
        write(
            root.join("proc/net/sockstat"),
            format!("TCP: inuse 3 orphan 0 tw {} alloc 4 mem 1\n", 900 + 300 * index),
        )
        .unwrap();
        write(root.join("proc/uptime"), format!("{}.00 0.00\n", 1000 + seconds * index)).unwrap();
    }
}

#[test]
fn counters_are_found_by_name_and_the_end_of_the_hosts_is_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let names = "OutSegs ActiveOpens Strange PassiveOpens InSegs";
    hosts(folder.path(), names, 1, &["4 1 7 2 3", "304 2 7 4 103", "305 2 7 4 103"]);
    let roots = folder.path().to_str().unwrap();
    let output = run(&["sar", "--roots", roots, "--first-root", "host1", "-n", "TCP", "1", "9"]);
    let wanted = "Linux 6.1.0 (host.test) \t06/01/20 \t_x86_64_\t(1 CPU)\n\n\
        12:53:20     active/s passive/s    iseg/s    oseg/s\n\
        12:53:21         1.00      2.00    100.00    300.00\n\
        12:53:22         0.00      0.00      0.00      1.00\n\n\
        Average:         0.50      1.00     50.00    150.50\n";
    assert_eq!((text(&output.stdout), output.status.code()), (wanted, Some(0)));
}

#[test]
fn mistakes_have_sysstats_exit_statuses() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    write(&other, [0; 300]).unwrap();
    let other = other.to_str().unwrap();
    for (words, status, said) in [
        (&["sar", "-n", "tcp", "1", "1"][..], 1, "Usage"),
        (&["sar", "-n", "TCP", "1.5"], 1, "Usage"),
        (&["sar", "-n", "TCP", "0", "1"], 1, "Usage"),
        (&["sar", "-n", "TCP", "--dec=3", "1", "1"], 1, "Usage"),
        (&["sar", "-n", "TCP", "-s", "10:00", "1", "1"], 1, "Not reading from a system activity file"),
        (&["sar", "-n", "TCP", "-f", "x", "-o", "y"], 1, "-f and -o options are mutually exclusive"),
        (&["sar", "-n", "TCP", "-f", "/no/such/file"], 2, "Cannot open /no/such/file: No such file or directory\n"),
        (&["sar", "-n", "TCP", "-f", other], 3, "Invalid system activity file"),
        (&["sadf", "-d", other, "--", "-n", "TCP"], 3, "Invalid system activity file"),
        (&["sadf", "-d", "-j", other, "--", "-n", "TCP"], 1, "Usage"),
        (&["sadf", "-T", "-U", other, "--", "-n", "TCP"], 1, "Usage"),
        (&["sadf", "-T", "-T", "-O", "debug", other, "--", "-n", "TCP"], 3, "Invalid system activity file"),
        (&["sadf", "-r", "-O", "debug", other, "--", "-n", "TCP"], 1, "-O debug"),
        (&["sar", "-n", "TCP", "--judge", "-f", other], 3, "Invalid system activity file"),
        (&["sar", "-n", "TCP", "--judge", "--roots", other, "1"], 1, "--judge"),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with(said), "{words:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

/// What `-o` writes is read back: by this program, and by the installed sysstat with the same result.
#[test]
fn what_is_recorded_is_read_back_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let file = file.to_str().unwrap();
    let live = run(&["sar", "-n", "TCP,SOCK", "-o", file, "1", "1"]);
    assert_eq!(live.status.code(), Some(0), "{}", text(&live.stderr));
    assert_eq!(run(&["sar", "-n", "TCP", "-o", file, "1", "1"]).status.code(), Some(0), "a second run appends");
    let ours = run(&["sar", "-n", "DEV,TCP,SOCK", "-f", file]);
    assert_eq!((ours.status.code(), text(&ours.stdout).matches("Average:").count() >= 3), (Some(0), true));
    let theirs =
        Command::new("sar").args(["-n", "DEV,TCP,SOCK", "-f", file]).env("LC_ALL", "C").env("TZ", "UTC").output();
    let Ok(theirs) = theirs else {
        assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "sysstat is needed");
        println!("sysstat is not installed: its view of the file was not compared");
        return;
    };
    assert_eq!(text(&theirs.stdout), text(&ours.stdout));
    write(file, "something else").unwrap();
    let refused = run(&["sar", "-n", "TCP", "-o", file, "1", "1"]);
    assert!(text(&refused.stderr).starts_with("Cannot append data to that file"));
    assert_eq!(refused.status.code(), Some(1));
}

/// sadc(8): with S_TIME_DEF_TIME=UTC data are saved in UTC; they are shown in local time all the same.
#[test]
fn what_is_saved_is_in_utc_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    hosts(folder.path(), NAMES, 1, &["1 1 0 0 1 1 0 0 0", "2 2 0 0 2 2 0 0 0"]);
    let sysstat = |saved: &str, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
        let output = command.args(words).env("TZ", "KST-9").env("S_TIME_DEF_TIME", saved).output().unwrap();
        text(&output.stdout).to_owned()
    };
    let roots = folder.path().to_str().unwrap();
    for (saved, of_writer) in [("UTC", "2020-06-01 12:53:21 UTC;"), ("", "2020-06-01 21:53:21 KST;")] {
        let file = folder.path().join(format!("file{saved}")).to_str().unwrap().to_owned();
        let shown = sysstat(saved, &["sar", "--roots", roots, "--first-root", "host1", "-n", "TCP", "-o", &file, "1"]);
        assert!(shown.contains("21:53:21         1.00      1.00"), "{shown}");
        let lines = sysstat("", &["sadf", "-d", "-t", &file, "--", "-n", "TCP"]);
        assert!(lines.contains(of_writer), "{lines}");
    }
}

const NAMES: &str = "ActiveOpens PassiveOpens AttemptFails EstabResets InSegs OutSegs RetransSegs InErrs OutRsts";

/// A file of two intervals of ten minutes: nothing sent again, then 3 000 of 100 000, with resets and errors.
fn recorded(folder: &Path, reports: &[&str]) -> String {
    let samples = ["10 20 0 5 1000 2000 30 0 9", "11 21 0 5 60000 102000 30 0 9", "12 22 4 12 150000 202000 3030 2 9"];
    hosts(folder, NAMES, 600, &samples);
    for sample in 1..=samples.len() {
        for report in ["snmp", "sockstat"].iter().filter(|report| !reports.contains(*report)) {
            std::fs::remove_file(folder.join(format!("host{sample}/proc/net/{report}"))).unwrap();
        }
    }
    let file = folder.join("sa").to_str().unwrap().to_owned();
    let roots = folder.to_str().unwrap();
    let made = run(&["sar", "--roots", roots, "--first-root", "host1", "-n", "ALL", "-o", &file, "600"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    file
}

fn check(words: &[&str], status: i32) -> Value {
    let output = run(&[&["check", "--format", "json", "--from"], words].concat());
    assert_eq!(output.status.code(), Some(status), "{words:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn entry<'a>(report: &'a Value, list: &str, rule: &str) -> &'a Value {
    report[list].as_array().unwrap().iter().find(|entry| entry["rule"] == rule).unwrap()
}

#[test]
fn a_file_is_judged_by_what_its_counters_allow() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path(), &["snmp", "sockstat"]);
    let last = check(&[&file], 1);
    assert!(last["verdict"] == "warning" && last["window"]["seconds"] == 600.0);
    let remote = entry(&last, "findings", "retransmit-remote");
    assert_eq!(remote["severity"], "warning");
    assert!(remote["summary"].as_str().unwrap().starts_with("3000 of 100000 segments were sent again (3.00 %)"));
    let values: Vec<&Value> = remote["evidence"].as_array().unwrap().iter().map(|piece| &piece["value"]).collect();
    assert_eq!(values, [3000, 100_000]);
    assert_eq!(entry(&last, "findings", "peer-resets")["evidence"][0]["value"], 7);
    assert_eq!(entry(&last, "findings", "bad-checksum")["evidence"][0]["value"], 2);
    assert_eq!(entry(&last, "findings", "time-wait-natural")["evidence"][0]["value"], 1500);
    let near = entry(&last, "checks", "retransmit-local");
    assert!(near["outcome"] == "undecided" && near["why"].as_str().unwrap().contains("one peer may have lost all"));
    for (rule, why) in [
        ("conntrack-full", "sysstat does not keep what it needs"),
        ("close-wait-leak", "sysstat keeps no sockets"),
        ("reordering", "sysstat keeps no counters of TcpExt"),
        ("interface-errors", "the file has no figures of report DEV"),
        ("softnet-drops", "the file has no figures of report SOFT"),
    ] {
        let check = entry(&last, "checks", rule);
        assert_eq!((&check["outcome"], &check["why"]), (&json!("undecided"), &json!(why)), "{rule}");
    }
    let first = check(&[&file, "--at", "2020-06-01 12:55 UTC"], 0);
    assert_eq!(first["verdict"], "ok");
    let cleared = entry(&first, "checks", "retransmit-local");
    assert_eq!(
        (&cleared["outcome"], &cleared["why"]),
        (&json!("healthy"), &json!("none of 100000 segments was sent again"))
    );
    let both = check(&[&file, "--window", "20m"], 1);
    assert_eq!(entry(&both, "findings", "retransmit-remote")["evidence"][1]["value"], 200_000);
    let korean = run(&["check", "--lang", "ko", "--from", &file]);
    assert!(
        text(&korean.stdout).contains("세그먼트 100000개 중 3000개를 다시 보냄(3.00 %)"),
        "{}",
        text(&korean.stdout)
    );
    let judged = run(&["sar", "-n", "ETCP", "--judge", "-f", &file]);
    let lines: Vec<&str> = text(&judged.stdout).lines().filter(|line| line.contains("judge ")).collect();
    assert_eq!(lines.len(), 2, "{}", text(&judged.stdout));
    assert!(
        lines[0].starts_with("13:03:20     judge      local undecided") && lines[0].contains(": ok, "),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("13:13:20 ") && lines[1].contains(": warning, retransmit-remote, "), "{}", lines[1]);
    let sar = run(&["sar", "-n", "ETCP", "-f", &file]);
    assert!(text(&judged.stdout).starts_with(text(&sar.stdout)));
    assert!(
        text(&sar.stdout).contains("13:13:20         0.01      0.01      5.00      0.00      0.00"),
        "5.00 · 600 = 3000"
    );
}

#[test]
fn what_a_file_does_not_hold_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path(), &["sockstat"]);
    let blind = check(&[&file], 3);
    assert_eq!(blind["verdict"], "unknown");
    assert_eq!(entry(&blind, "checks", "retransmit-remote")["outcome"], "undecided");
    let whole = std::fs::read(&file).unwrap();
    let other = |bytes: &[u8]| {
        write(folder.path().join("other"), bytes).unwrap();
        folder.path().join("other").to_str().unwrap().to_owned()
    };
    let refused = |file: &str, more: &[&str], said: &str| {
        let output = run(&[&["check", "--from", file], more].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), ""));
        let line = text(&output.stderr);
        assert!(line.contains(said) && line.lines().count() == 1, "{line}");
    };
    refused(&file, &["--at", "2020-06-01 12:53:19 UTC"], "its readings are from 2020-06-01 12:53:20+00:00 to");
    refused(&file, &["--at", "2020-06-01 13:13:21 UTC"], "holds no interval with 2020-06-01 13:13:21+00:00");
    refused(&other(&[0; 300]), &[], "no file of sysstat's");
    refused(&other(&whole[..whole.len() / 3]), &[], "");
    let ancient: Vec<u8> = [&[0x96, 0xd5, 0x70, 0x21, 9, 0, 6, 0][..], &[0; 292]].concat();
    refused(&other(&ancient), &[], "sysstat 9.0 wrote it in a format that is not read (0x2170)");
    let cut = check(&[&other(&whole[..whole.len() - 1])], 3);
    assert!(cut["unseen"].to_string().contains("ends in the middle of a record"));
}

/// Below each sample one line, and no other byte differs.
#[test]
fn a_verdict_stands_below_each_sample() {
    let output = run(&["sar", "-n", "SOCK6", "--judge", "1", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let said: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("judge      local ")).collect();
    assert_eq!((said, lines.len()), (vec![4, 6], 8), "{lines:#?}");
    assert!(lines[4].contains(" remote ") && lines[4].contains(" of 60 rules could not decide"), "{}", lines[4]);
    assert!(lines[7].starts_with("Average:"));
}

/// The installed collector's file: what we judge are the segments that the installed sadf counts in it.
#[test]
fn a_file_of_the_installed_collector_is_judged_by_its_counters() {
    let said = Command::new("sar").arg("--sadc").env("LC_ALL", "C").output();
    let sadc = said.ok().and_then(|said| Some(text(&said.stdout).rsplit(": ").next()?.trim().to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sa").to_str().unwrap().to_owned();
    let collect = |sadc: &String| Command::new(sadc).args(["-S", "SNMP", "3", "3", &file]).spawn();
    let Some(mut collector) = sadc.as_ref().and_then(|sadc| collect(sadc).ok()) else {
        assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "sysstat is needed");
        println!("sysstat is not installed: no file of its collector was judged");
        return;
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    while collector.try_wait().unwrap().is_none() {
        drop((std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener.accept().unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let raw = Command::new("sadf").args(["-r", &file, "--", "-n", "TCP,ETCP"]).env("LC_ALL", "C").output().unwrap();
    let grown = |column: &str| -> u64 {
        let after = text(&raw.stdout).lines().filter_map(|line| line.split_once(&format!(" {column}; ")));
        let pairs: Vec<Vec<u64>> = after
            .map(|(_, rest)| rest.split(';').take(2).map(|number| number.trim().parse().unwrap()).collect())
            .collect();
        assert!(pairs.len() == 2, "{}", text(&raw.stdout));
        pairs[1][1] - pairs[0][0]
    };
    let report = run(&["check", "--format", "json", "--from", &file]);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let sent = grown("oseg/s");
    let again = match grown("retrans/s") {
        0 => "none".to_owned(),
        again => again.to_string(),
    };
    let why = entry(&report, "checks", "retransmit-remote")["why"].as_str().unwrap();
    assert!(sent > 100 && why.starts_with(&format!("{again} of {sent} segments ")), "{why}: {again} of {sent}");
}
