//! An ordinary user gets what can be seen without privilege, and is told what cannot.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
fn an_ordinary_user_gets_a_verdict_without_events_and_is_told_so() {
    let home = installed();
    let report = json(&home, &["check", "--events", "300ms", "--format", "json"]);
    if nix::unistd::geteuid().is_root() {
        let unseen = report["unseen"].as_array().unwrap();
        let events = unseen.iter().filter(|one| one["remedy"].as_str().unwrap().contains("CAP_BPF and CAP_PERFMON"));
        assert!(events.count() == 1 && report["checks"].is_array(), "{report}");
    }
}

#[test]
fn an_ordinary_user_is_told_what_events_need() {
    if !nix::unistd::geteuid().is_root() {
        return println!("not run: needs root to become somebody who may less");
    }
    let home = installed();
    for (words, need) in [
        (["trace", "retransmit"].as_slice(), "CAP_BPF and CAP_PERFMON"),
        (&["trace", "reset"], "CAP_NET_RAW"),
        (&["trace", "life", "state", "established"], "a filter by state"),
    ] {
        let output = run(&home, words);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.lines().count() == 1 && told.contains(need), "{told}");
    }
}

/// `nobody` with these capabilities traces in a namespace of its own, which is gone with the thread.
fn traced(caps: &'static [&str], words: &'static [&str], test: fn(&mut Child, &mut dyn FnMut() -> Value)) {
    let trace = move || {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
            return println!("not run: needs CAP_SYS_ADMIN");
        }
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        let home = installed();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(caps)
            .arg(home.path().join("tcphealth"));
        command.arg("trace").args(words).args(["--format", "json"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        test(&mut child, &mut || serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    };
    std::thread::spawn(trace).join().unwrap();
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// A connection over which the client sends so much, and that it closes.
fn sent(listener: &TcpListener, data: &[u8]) -> String {
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut server = listener.accept().unwrap().0;
    client.write_all(data).unwrap();
    server.read_exact(&mut vec![0; data.len()]).unwrap();
    let local = client.local_addr().unwrap().to_string();
    drop(client);
    server.read_to_end(&mut Vec::new()).unwrap();
    local
}

#[test]
fn an_ordinary_user_hears_lives_and_is_told_what_is_missing() {
    traced(&[], &["--count", "2"], |_, next| {
        let head = next();
        assert_eq!((&head["source"], &head["kinds"]), (&"overheard".into(), &serde_json::json!(["life"])), "{head}");
        assert!(head["unseen"][0]["why"].as_str().unwrap().contains("CAP_BPF"), "{head}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect("127.0.0.1:9").unwrap_err();
        let local = sent(&listener, &[1; 1000]);
        let (one, other) = (next(), next());
        let (client, server) = if one["local"] == local { (one, other) } else { (other, one) };
        assert_eq!((&client["remote"], &server["remote"]), (&server["local"], &client["local"]));
        // bytes_acked counts the SYN and the FIN, bytes_received the FIN.
        let figure = |life: &Value, name: &str| life[name].as_u64().unwrap();
        assert_eq!([figure(&client, "bytes_acked"), figure(&server, "bytes_received")], [1002, 1001]);
        assert!(figure(&client, "rtt_us") > 0 && figure(&client, "total_retrans") == 0, "{client}");
        assert!(client["lasted_us"].is_u64() && server["lasted_us"].is_u64(), "one side sent nothing: {client}");
        for life in [client, server] {
            assert!(life["state"].is_null() && life["closed_by"].is_null() && life["pid"].is_null(), "{life}");
        }
        let summary = next();
        assert_eq!((&summary["lives"], &summary["active_opens"]), (&2.into(), &Value::Null), "{summary}");
    });
}

#[test]
fn what_an_ordinary_user_could_not_hear_is_counted() {
    traced(&[], &["life", "--summary"], |child, next| {
        next();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        signal(child, Signal::SIGSTOP);
        (0..2000).for_each(|_| drop(sent(&listener, b"x")));
        signal(child, Signal::SIGCONT);
        signal(child, Signal::SIGINT);
        let summary = next();
        let figure = |value: &Value| value.as_u64().unwrap();
        let (lives, overruns) = (figure(&summary["lives"]), figure(&summary["lost"]["overruns"]));
        assert!(lives > 0 && (lives < 4000) == (overruns > 0), "{summary}");
    });
}

#[test]
fn who_may_hear_packets_hears_resets() {
    let caps = &["--inh-caps=+net_raw", "--ambient-caps=+net_raw"];
    traced(caps, &["reset", "--count", "2"], |_, next| {
        assert_eq!(next()["source"], "overheard");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        TcpStream::connect(port).unwrap_err();
        let (sent, received) = (next(), next());
        assert_eq!((&sent["direction"], &received["direction"]), (&"sent".into(), &"received".into()));
        assert_eq!((&sent["local"], &received["remote"]), (&port.to_string().into(), &port.to_string().into()));
        assert!(sent["reason"].is_null() && received["state"].is_null(), "{sent} {received}");
        let summary = next();
        assert_eq!((&summary["resets_received"], &summary["lost"]["overruns"]), (&1.into(), &0.into()), "{summary}");
    });
}
