//! Many network namespaces at once: each is judged by what is in it, under the name that its owner knows.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;

/// A namespace with a name of ip-netns(8), which goes when this value does.
struct Named(String);

impl Named {
    fn new(word: &str) -> Self {
        let name = format!("tcphealth-{}-{word}", std::process::id());
        assert!(ip(&["netns", "add", &name]) && ip(&["-n", &name, "link", "set", "lo", "up"]), "{name}");
        Self(name)
    }

    /// A thread that lives there.
    fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let namespace = File::open(format!("/run/netns/{}", self.0)).unwrap();
        thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        })
    }

    fn inode(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(format!("/run/netns/{}", self.0)).unwrap().ino()
    }

    /// What ss counts there, by its name of the state.
    fn counted_by_ss(&self) -> BTreeMap<String, u64> {
        let output = Command::new("ip").args(["netns", "exec", &self.0, "ss", "-tanH"]).output().unwrap();
        let mut counts = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            *counts.entry(line.split_whitespace().next().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // A test may have deleted it already.
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).output().unwrap().status.success()
}

/// Whether namespaces may be made; where every test is demanded they must.
fn allowed() -> bool {
    let allowed =
        nix::unistd::geteuid().is_root() && thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join().unwrap().is_ok();
    assert!(allowed || std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
    if !allowed {
        println!("not run: needs CAP_SYS_ADMIN");
    }
    allowed
}

fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Never closes what its clients have closed: a hundred at once, then one each 20 ms until it is told to end.
fn leak(stop: &AtomicBool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut held: Vec<TcpStream> = (0..100).map(|_| pair(&listener).1).collect();
    while !stop.load(Ordering::Relaxed) {
        held.push(pair(&listener).1);
        thread::sleep(Duration::from_millis(20));
    }
}

/// So many open connections, until it is told to end.
fn quiet(connections: usize, stop: &AtomicBool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let held: Vec<_> = (0..connections).map(|_| pair(&listener)).collect();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    drop(held);
}

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tcphealth")).args(words).env("LC_ALL", "C").output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Two quiet namespaces and one with a leak between them.
fn three() -> (Vec<Named>, Arc<AtomicBool>, Vec<JoinHandle<()>>) {
    let namespaces = ["a", "b", "c"].map(Named::new);
    let stop = Arc::new(AtomicBool::new(false));
    let actors = namespaces.iter().enumerate().map(|(number, namespace)| {
        let stop = stop.clone();
        namespace.spawn(move || if number == 1 { leak(&stop) } else { quiet(5 + 20 * number, &stop) })
    });
    let actors = actors.collect();
    thread::sleep(Duration::from_millis(500));
    (namespaces.into(), stop, actors)
}

#[test]
fn the_one_in_trouble_comes_first_and_none_is_left_out() {
    if !allowed() {
        return;
    }
    let (namespaces, stop, actors) = three();
    let in_text = thread::spawn(|| run(&["check", "--netns", "all"]));
    let output = run(&["check", "--netns", "all", "--format", "json"]);
    let text = in_text.join().unwrap();
    let by_name = run(&["check", "--netns", &namespaces[1].0, "--window", "300ms", "--format", "json"]);
    stop.store(true, Ordering::Relaxed);
    for actor in actors {
        actor.join().unwrap();
    }

    let all = json(&output);
    let found = all["namespaces"].as_array().unwrap();
    for namespace in &namespaces {
        let place = found.iter().find(|place| place["report"]["host"]["netns"] == namespace.inode()).unwrap();
        assert_eq!(place["name"], namespace.0.as_str());
        assert_eq!(place["kind"], "netns");
        let rules = place["report"]["findings"].as_array().unwrap();
        let leaks = rules.iter().any(|finding| finding["rule"] == "close-wait-leak");
        assert_eq!(leaks, namespace.0 == namespaces[1].0, "{place}");
        let seconds = place["report"]["window"]["seconds"].as_f64().unwrap();
        assert!(seconds >= 5.0, "{seconds}");
    }
    // Whatever else lives on this host, nothing that is well stands before what is not.
    let verdicts: Vec<&str> = found.iter().map(|place| place["report"]["verdict"].as_str().unwrap()).collect();
    let badness = |verdict: &str| ["ok", "warning", "unknown", "critical"].iter().position(|word| *word == verdict);
    assert!(verdicts.is_sorted_by_key(|verdict| std::cmp::Reverse(badness(verdict))), "{verdicts:?}");
    let status = ["ok", "warning", "critical", "unknown"].iter().position(|word| all["verdict"] == *word);
    assert_eq!(output.status.code().map(|code| code as usize), status);
    let text = String::from_utf8(text.stdout).unwrap();
    let troubled = |line: &str| line.starts_with("warning") || line.starts_with("critical");
    assert!(text.lines().any(|line| troubled(line) && line.contains(&format!("  {}  ", namespaces[1].0))), "{text}");
    assert_eq!(json(&by_name)["host"]["netns"], namespaces[1].inode());
}

#[test]
fn sockets_of_all_namespaces_are_counted_as_ss_counts_each() {
    if !allowed() {
        return;
    }
    let namespaces = ["d", "e"].map(Named::new);
    let stop = Arc::new(AtomicBool::new(false));
    let actors: Vec<_> = namespaces
        .iter()
        .zip([30, 70])
        .map(|(namespace, count)| {
            let stop = stop.clone();
            namespace.spawn(move || quiet(count, &stop))
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    let output = run(&["sockets", "--by", "netns,state", "--format", "json"]);
    let by_cgroup = run(&["sockets", "--by", "netns,cgroup", "--format", "json"]);
    let expected = namespaces.each_ref().map(Named::counted_by_ss);
    stop.store(true, Ordering::Relaxed);
    for actor in actors {
        actor.join().unwrap();
    }

    let table = json(&output);
    assert_eq!(table["all_namespaces"], true);
    let sockets = |table: &Value, key: &[(&str, &str)]| -> u64 {
        let groups = table["groups"].as_array().unwrap().iter();
        let wanted = groups.filter(|group| key.iter().all(|(name, value)| group["key"][name] == *value));
        wanted.map(|group| group["sockets"].as_u64().unwrap()).sum()
    };
    for (namespace, (expected, count)) in namespaces.iter().zip(expected.iter().zip([30, 70])) {
        assert_eq!(*expected, BTreeMap::from([("ESTAB".to_owned(), 2 * count), ("LISTEN".to_owned(), 1)]));
        let ours = |state| sockets(&table, &[("netns", &namespace.0), ("state", state)]);
        assert_eq!((ours("ESTABLISHED"), ours("LISTEN")), (2 * count, 1), "{table}");
        // Control groups are asked of sock_diag, in one namespace after the other.
        assert_eq!(sockets(&json(&by_cgroup), &[("netns", &namespace.0)]), 2 * count + 1);
        let named = table["namespaces"].as_array().unwrap().iter().find(|one| one["name"] == namespace.0.as_str());
        assert_eq!(named.unwrap()["netns"], namespace.inode());
    }
}

#[test]
fn a_namespace_that_is_deleted_in_the_window_is_judged_to_the_end() {
    if !allowed() {
        return;
    }
    let namespace = Named::new("f");
    let stop = Arc::new(AtomicBool::new(false));
    let actor = namespace.spawn({
        let stop = stop.clone();
        move || quiet(10, &stop)
    });
    thread::sleep(Duration::from_millis(300));
    let inode = namespace.inode();
    let check = thread::spawn(|| run(&["check", "--netns", "all", "--window", "2s", "--format", "json"]));
    thread::sleep(Duration::from_millis(700));
    stop.store(true, Ordering::Relaxed);
    actor.join().unwrap();
    drop(namespace);
    let output = check.join().unwrap();
    let all = json(&output);
    let place =
        all["namespaces"].as_array().unwrap().iter().find(|one| one["report"]["host"]["netns"] == inode).unwrap();
    assert_ne!(place["report"]["verdict"], "unknown", "{place}");
}

#[test]
fn what_nothing_leads_to_is_told() {
    if !allowed() {
        return;
    }
    // Only a thread keeps it, and /proc/PID/ns is the first thread's.
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = std::sync::mpsc::channel();
    let keeper = thread::spawn({
        let stop = stop.clone();
        move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            assert!(ip(&["link", "set", "lo", "up"]));
            tell.send(fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string()).unwrap();
            quiet(300, &stop);
        }
    });
    let link = told.recv().unwrap();
    thread::sleep(Duration::from_millis(500));
    let doctor = run(&["doctor", "--format", "json"]);
    let output = run(&["check", "--netns", "all", "--window", "300ms", "--format", "json"]);
    stop.store(true, Ordering::Relaxed);
    keeper.join().unwrap();
    if json(&doctor).to_string().contains("(eBPF)\",\"why\":null") {
        let unseen = json(&output)["unseen"].to_string();
        assert!(unseen.contains(&link), "{link}: {unseen}");
    }
}

#[test]
fn an_ordinary_user_is_judged_in_his_own_namespace_and_told_so() {
    if !allowed() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = home.path().join("tcphealth");
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_tcphealth")).arg(&program).status().unwrap().success());
    let run = |words: &[&str]| {
        Command::new(&program).args(words).env_clear().current_dir("/").uid(65_534).gid(65_534).output().unwrap()
    };
    let all = json(&run(&["check", "--netns", "all", "--window", "300ms", "--format", "json"]));
    assert_eq!(all["namespaces"].as_array().unwrap().len(), 1, "{all}");
    let own = fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    assert_eq!(format!("net:[{}]", all["namespaces"][0]["report"]["host"]["netns"]), own);
    assert!(all["unseen"].to_string().contains("CAP_SYS_ADMIN"), "{all}");
    let table = run(&["sockets", "--by", "netns", "--format", "json"]);
    assert_eq!(json(&table)["all_namespaces"], false);
    assert!(String::from_utf8(table.stderr).unwrap().contains("CAP_SYS_ADMIN"));
}

#[test]
fn what_does_not_go_with_all_is_refused() {
    for (words, status) in [
        (&["check", "--netns", "all", "--format", "openmetrics"][..], 3),
        (&["check", "--netns", "all", "--every", "1s"], 3),
        (&["check", "--netns", "all", "--since-boot"], 3),
        (&["states", "--netns", "all"], 1),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(status), "{words:?} {output:?}");
        assert!(
            output.stdout.is_empty() && String::from_utf8(output.stderr).unwrap().contains("--netns all"),
            "{words:?}"
        );
    }
}
