//! An ordinary user gets what can be seen without privilege, and is told what cannot.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;

/// `nobody`, who has no capability.
const NOBODY: u32 = 65_534;

/// A copy of the program in a place that everybody may reach.
fn installed() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let program = home.path().join("tcphealth");
    // By a program of its own: a file that another thread's child still has open for writing cannot be started.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_tcphealth")).arg(&program).status().unwrap().success());
    fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
    home
}

fn command(home: &tempfile::TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(home.path().join("tcphealth"));
    command.args(words).env_clear().env("LC_ALL", "C").current_dir("/");
    command
}

fn run(home: &tempfile::TempDir, words: &[&str]) -> Output {
    let mut command = command(home, words);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

fn json(home: &tempfile::TempDir, words: &[&str]) -> Value {
    let output = run(home, words);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
}

#[test]
fn an_ordinary_user_sees_the_sockets_and_is_told_what_he_does_not_see() {
    let home = installed();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let _server = listener.accept().unwrap();
    let filter = format!("sport = :{port} or dport = :{port}");
    let sockets = json(&home, &["sockets", "--format", "json", &filter]);
    let info = |socket: &Value| socket["tcp_info"]["rto"].is_u64() && socket["skmem"]["rcvbuf"].is_u64();
    let list = sockets["sockets"].as_array().unwrap();
    assert!(list.len() == 3 && list.iter().filter(|socket| info(socket)).count() >= 2, "{sockets}");
    let states = json(&home, &["states", "--format", "json"]);
    assert!(
        states["states"]["ESTABLISHED"].as_u64().unwrap() >= 2 && states["states"]["LISTEN"].as_u64().unwrap() >= 1
    );
    let path = run(&home, &["path", &format!("127.0.0.1:{port}"), "--count", "2", "--interval", "0.1"]);
    assert_eq!(path.status.code(), Some(0), "{path:?}");
}

#[test]
fn an_ordinary_user_gets_a_verdict_and_is_told_how_to_see_more() {
    let home = installed();
    let output = run(&home, &["check", "--window", "300ms", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let status = ["ok", "warning", "critical"].iter().position(|word| report["verdict"] == *word);
    assert_eq!(output.status.code().map(|status| status as usize), status, "{report}");
    assert!(status.is_some() && output.stderr.is_empty(), "{output:?}");
    if nix::unistd::geteuid().is_root() {
        let unseen = report["unseen"].to_string();
        assert!(unseen.contains("CAP_SYS_PTRACE"), "{unseen}");
    }
    let doctor = json(&home, &["doctor", "--format", "json"]);
    let sights = doctor["sights"].as_array().unwrap();
    let unseen = sights.iter().filter(|sight| sight["seen"] == false);
    assert!(unseen.clone().all(|sight| sight["why"].is_string() && sight["remedy"].is_string()), "{doctor}");
    assert!(unseen.count() >= 1 && sights.iter().any(|sight| sight["seen"] == true), "{doctor}");
}

/// With the program pinned it pays from 1000 sockets on, so both ways are gone here with few sockets.
#[test]
fn an_ordinary_user_counts_by_sock_diag_what_root_counts_by_a_pinned_program() {
    let counts = || {
        let entered = unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS);
        if entered.is_err() && std::env::var_os("TCPHEALTH_ALL_TESTS").is_none() {
            return println!("not run: needs CAP_SYS_ADMIN");
        }
        entered.unwrap();
        for step in ["mount --make-rprivate /", "mount -t bpf bpf /sys/fs/bpf", "ip link set lo up"] {
            assert!(Command::new("sh").args(["-c", step]).status().unwrap().success(), "{step}");
        }
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pair = |_| (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener.accept().unwrap());
        let pairs: Vec<_> = (0..600).map(pair).collect();
        let home = installed();
        let words = ["sockets", "--by", "state,peer", "--format", "json"];
        let root = |words: &[&str]| command(&home, words).output().unwrap();
        let by_sock_diag = root(&words);
        assert!(root(&["pin"]).status.success() && !run(&home, &["pin"]).status.success());
        let (by_program, by_user) = (root(&words), run(&home, &words));
        assert!(root(&["unpin"]).status.success());
        let groups = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap()["groups"].to_string();
        assert!(groups(&by_sock_diag).contains("\"sockets\":1200"), "{by_sock_diag:?}");
        assert_eq!([groups(&by_program), groups(&by_user)], [groups(&by_sock_diag), groups(&by_sock_diag)]);
        drop(pairs);
    };
    std::thread::spawn(counts).join().unwrap();
}

#[test]
fn an_ordinary_user_is_told_what_events_need() {
    let home = installed();
    let output = run(&home, &["trace", "--duration", "100ms"]);
    if nix::unistd::geteuid().is_root() || output.status.code() != Some(0) {
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.lines().count() == 1 && told.contains("CAP_BPF and CAP_PERFMON"), "{told}");
    }
}
