//! `check --events` names who opened and who failed, though they have gone, and says the same again of what it saved.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

mod own_netns;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio, id};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen};
use serde_json::Value;

use own_netns::in_netns;

fn tcphealth(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.args(words).args(["--format", "json"]).stdout(Stdio::piped());
    command
}

/// A connection of some twenty milliseconds that the client closes, and a connect that is refused.
fn traffic(listener: &TcpListener, nobody: SocketAddr) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    sleep(Duration::from_millis(20));
    drop(client);
    server.read_exact(&mut [0]).unwrap_err();
    TcpStream::connect(nobody).unwrap_err();
}

fn finding<'a>(report: &'a Value, rule: &str) -> &'a Value {
    let list = report["findings"].as_array().unwrap();
    list.iter().find(|one| one["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {report}"))
}

fn evidence(finding: &Value, name: &str) -> f64 {
    let list = finding["evidence"].as_array().unwrap();
    let one = list.iter().find(|one| one["name"].as_str().unwrap().starts_with(name));
    one.unwrap_or_else(|| panic!("{name}: {finding}"))["value"].as_f64().unwrap()
}

#[test]
fn who_opened_and_who_failed_is_named_and_said_again() {
    in_netns(|| {
        let directory = tempfile::tempdir().unwrap();
        let saved = directory.path().join("saved").display().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut check = tcphealth(&["check", "--events", "10s", "--save", &saved]).spawn().unwrap();
        let mut made = 0.0;
        while check.try_wait().unwrap().is_none() {
            traffic(&listener, nobody);
            made += 1.0;
        }
        let mut report = String::new();
        check.stdout.take().unwrap().read_to_string(&mut report).unwrap();
        let again = tcphealth(&["check", "--from", &saved]).output().unwrap();
        assert_eq!(report, String::from_utf8(again.stdout).unwrap());
        let report: Value = serde_json::from_str(&report).unwrap();
        if report["unseen"].to_string().contains("CAP_PERFMON") {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{report}");
            return println!("not run: needs CAP_BPF and CAP_PERFMON");
        }
        let churn = finding(&report, "connection-churn");
        assert_eq!(churn["subject"]["pid"], id(), "{churn}");
        assert!((0.02..1.0).contains(&evidence(churn, "mean life")), "{churn}");
        let left = evidence(churn, "left to TIME_WAIT");
        assert!(left > made / 20.0 && left <= made, "{left} of {made}: {churn}");
        let refused = finding(&report, "connect-refused");
        let place = (&refused["subject"]["remote"], &refused["subject"]["pid"]);
        assert_eq!(place, (&nobody.to_string().into(), &id().into()), "{refused}");
        let failed = evidence(refused, "ECONNREFUSED");
        assert!(failed > made / 20.0 && failed <= made, "{failed} of {made}: {refused}");
    });
}

#[test]
fn each_of_several_windows_counts_its_own_events() {
    in_netns(|| {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut check = tcphealth(&["check", "--every", "5s", "--count", "2", "--events"]).spawn().unwrap();
        let mut made = 0.0;
        while check.try_wait().unwrap().is_none() {
            TcpStream::connect(nobody).unwrap_err();
            made += 1.0;
            sleep(Duration::from_millis(20));
        }
        let mut lines = String::new();
        check.stdout.take().unwrap().read_to_string(&mut lines).unwrap();
        let windows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if windows[0]["unseen"].to_string().contains("CAP_PERFMON") {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{lines}");
            return println!("not run: needs CAP_BPF and CAP_PERFMON");
        }
        let failed = |window| evidence(finding(window, "connect-refused"), "ECONNREFUSED");
        let [first, second] = [failed(&windows[0]), failed(&windows[1])];
        let least = made / 20.0;
        assert!(first > least && second > least && first + second <= made, "{first} and {second} of {made}");
    });
}

/// Fills the queue, lets more overflow, and accepts all of it after this time; how long they waited at most, seconds.
fn fill_and_accept(listener: &TcpListener, after: Duration) -> f64 {
    let (place, begin) = (listener.local_addr().unwrap(), Instant::now());
    let held: Vec<_> = (0..=QUEUE).map(|_| TcpStream::connect(place).unwrap()).collect();
    (0..3).for_each(|_| drop(TcpStream::connect_timeout(&place, Duration::from_millis(5)).unwrap_err()));
    sleep(after);
    let accepted: Vec<_> = held.iter().map(|_| listener.accept().unwrap()).collect();
    let longest = begin.elapsed().as_secs_f64();
    drop((held, accepted));
    longest
}

const QUEUE: i32 = 8;

#[test]
fn the_time_in_a_full_accept_queue_is_what_the_program_lets_pass() {
    const AFTER: Duration = Duration::from_millis(300);
    in_netns(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(&listener, Backlog::new(QUEUE).unwrap()).unwrap();
        let mut check = tcphealth(&["check", "--events", "10s"]).spawn().unwrap();
        let mut most = 0.0_f64;
        while check.try_wait().unwrap().is_none() {
            most = most.max(fill_and_accept(&listener, AFTER));
        }
        let mut report = String::new();
        check.stdout.take().unwrap().read_to_string(&mut report).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        if report["unseen"].to_string().contains("CAP_PERFMON") {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{report}");
            return println!("not run: needs CAP_BPF and CAP_PERFMON");
        }
        let of = |name: &str| evidence(finding(&report, "accept-overflow"), name);
        let [mean, longest] = ["mean", "longest"].map(|which| of(&format!("{which} time in the accept queue")));
        let possible = AFTER.as_secs_f64()..most;
        assert!(
            possible.contains(&mean) && mean <= longest && longest < most,
            "{mean} s, {longest} s, not {possible:?}"
        );
        assert!(of("accepted") >= f64::from(QUEUE), "{report}");
    });
}

#[test]
fn who_waits_for_a_program_that_accepts_nothing_has_waited_since_it_came() {
    in_netns(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let connect = |number: usize| (0..number).map(|_| TcpStream::connect(place).unwrap()).collect::<Vec<_>>();
        let before = connect(20);
        let (window, begin) = (Duration::from_secs(12), Instant::now());
        let check = tcphealth(&["check", "--events", "12s"]).spawn().unwrap();
        let (mut late, mut came) = (Vec::new(), Vec::new());
        while begin.elapsed() < Duration::from_secs(10) {
            came.push(begin.elapsed().as_secs_f64());
            late.extend(connect(1));
            sleep(Duration::from_millis(150));
        }
        let output = check.wait_with_output().unwrap();
        let end = begin.elapsed().as_secs_f64();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if report["unseen"].to_string().contains("CAP_PERFMON") {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{report}");
            return println!("not run: needs CAP_BPF and CAP_PERFMON");
        }
        let stalled = finding(&report, "accept-stalled");
        // Those that came before the kernel's events were listened to are not among them.
        let waiting = evidence(stalled, "still in the accept queue") as usize;
        let heard = &came[came.len().checked_sub(waiting).unwrap()..];
        let mean = heard.iter().sum::<f64>() / waiting as f64;
        let waited = evidence(stalled, "mean time in the accept queue so far");
        let possible = window.as_secs_f64() - mean - 0.1..end - mean;
        assert!(waiting > 5 && possible.contains(&waited), "{waiting}: {waited}, not in {possible:?}: {stalled}");
        drop((before, late));
    });
}

#[test]
fn a_recording_holds_the_counts_of_events_and_a_moment_of_it_tells_them() {
    in_netns(|| {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store").display().to_string();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let recorder = Command::new(env!("CARGO_BIN_EXE_tcphealth"))
            .args(["record", "--once", "--census", "6s", "--store", &store])
            .spawn();
        // The first look takes its time on a busy machine.
        sleep(Duration::from_secs(3));
        (0..15).for_each(|_| drop(TcpStream::connect(nobody).unwrap_err()));
        assert!(recorder.unwrap().wait().unwrap().success());
        let output = tcphealth(&["check", "--from", &store, "--at", "now"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let refused = finding(&report, "connect-refused");
        let list = refused["evidence"].as_array().unwrap();
        if !list.iter().any(|one| one["source"] == "tracepoints") {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{report}");
            return println!("not run: needs CAP_BPF and CAP_PERFMON");
        }
        assert_eq!(evidence(refused, "event.connect.ECONNREFUSED") as u64, 15, "{refused}");
        let drawn = tcphealth(&["states", "--from", &store, "--at", "now"]).output().unwrap();
        let drawn: Value = serde_json::from_slice(&drawn.stdout).unwrap();
        let seconds = drawn["seconds"].as_f64().unwrap();
        let along = |edge: &str| (drawn["per_second"][edge].as_f64().unwrap() * seconds).round() as u64;
        assert_eq!([along("CLOSE → SYN_SENT"), along("SYN_SENT → CLOSE")], [15, 15], "{drawn}");
        assert_eq!(drawn["counted_by"], "tracepoints");
    });
}
