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

/// Runs the program on a host of three namespaces: ours, `blue` and `red`.
fn on_three(words: &[&str]) -> Output {
    const WORLD: &str = "umount -q -a -t nsfs; mkdir -p /run/netns; mount -t tmpfs none /run/netns
        for name in blue red; do ip netns add $name; ip -n $name link set lo up; done; exec \"$@\"";
    let unshare = ["--pid", "--mount", "--fork", "--mount-proc", "sh", "-c", WORLD, "sh"];
    let mut command = Command::new("unshare");
    command.args(unshare).arg(env!("CARGO_BIN_EXE_tcphealth")).arg("check");
    command.args(words).env("LC_ALL", "C").output().unwrap()
}

#[test]
fn what_is_saved_of_all_is_judged_again_to_the_letter() {
    if !allowed() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let saved = home.path().join("all");
    let directory = saved.to_str().unwrap();
    let live = on_three(&["--netns", "all", "--window", "300ms", "--save", directory, "--redact", "--format", "json"]);
    let again = run(&["check", "--from", directory, "--format", "json"]);
    let names = |all: &Value| -> Vec<String> {
        let names = all["namespaces"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    let (live, again) = (json(&live), json(&again));
    assert_eq!(names(&live), ["blue", "host", "red"], "{live}");
    assert_eq!(names(&again), ["host", "netns-2", "netns-3"], "{again}");
    for one in again["namespaces"].as_array().unwrap() {
        assert_eq!(one["report"]["host"]["hostname"], "host-1");
    }
    let plain = home.path().join("plain");
    let live =
        on_three(&["--netns", "all", "--window", "300ms", "--save", plain.to_str().unwrap(), "--format", "json"]);
    let again = run(&["check", "--from", plain.to_str().unwrap(), "--format", "json"]);
    assert_eq!(String::from_utf8(live.stdout).unwrap(), String::from_utf8(again.stdout).unwrap());
    // One of them is a saved host like any other; all of them are for check.
    let inside = fs::read_dir(&plain).unwrap().map(|one| one.unwrap().path()).find(|path| path.is_dir()).unwrap();
    assert!(run(&["states", "--from", inside.to_str().unwrap()]).status.success());
    let refused = run(&["states", "--from", plain.to_str().unwrap()]);
    assert!(!refused.status.success() && String::from_utf8(refused.stderr).unwrap().contains("only check judges"));
    let second = on_three(&["--netns", "all", "--window", "300ms", "--save", directory]);
    assert!(second.stdout.is_empty() && second.status.code() == Some(3), "{second:?}");
}

#[test]
fn damage_to_the_list_of_namespaces_is_one_line_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let index = home.path().join("namespaces.json");
    let entry = r#"{"directory":"../../etc","name":"x","kind":"netns"}"#;
    for text in [
        "{".to_owned(),
        r#"{"schema":"other/9","namespaces":[],"unseen":[]}"#.to_owned(),
        format!(r#"{{"schema":"tcphealth.saved-namespaces/1","namespaces":[{entry}],"unseen":[]}}"#),
    ] {
        fs::write(&index, text).unwrap();
        let output = run(&["check", "--from", home.path().to_str().unwrap()]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), words.lines().count(), output.stdout.len()), (Some(3), 1, 0), "{words}");
        assert!(words.contains(home.path().to_str().unwrap()), "{words}");
    }
}

#[test]
fn all_can_be_watched_exposed_and_told_since_boot() {
    if !allowed() {
        return;
    }
    let lines = String::from_utf8(on_three(&["--netns", "all", "--since-boot", "--format", "json"]).stdout);
    let since_boot: Value = serde_json::from_str(&lines.unwrap()).unwrap();
    for one in since_boot["namespaces"].as_array().unwrap() {
        assert_eq!((&one["report"]["since_boot"], &one["report"]["verdict"]), (&true.into(), &"ok".into()));
    }
    let metrics =
        String::from_utf8(on_three(&["--netns", "all", "--window", "300ms", "--format", "openmetrics"]).stdout)
            .unwrap();
    for name in ["blue", "host", "red"] {
        let verdicts = metrics.lines().filter(|line| line.starts_with(&format!("tcphealth_verdict{{netns=\"{name}\"")));
        let verdicts: Vec<&str> = verdicts.collect();
        assert_eq!((verdicts.len(), verdicts.iter().filter(|line| line.ends_with(" 1")).count()), (4, 1), "{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn all_are_judged_again_and_again_a_line_a_window() {
    if !allowed() {
        return;
    }
    let every = |format| {
        let output = on_three(&["--netns", "all", "--every", "300ms", "--count", "3", "--format", format]);
        String::from_utf8(output.stdout).unwrap()
    };
    let windows: Vec<Value> = every("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(windows.len(), 3);
    for pair in windows.windows(2) {
        // Each begins where the one before ended, whichever namespace is the worst.
        for one in pair[0]["namespaces"].as_array().unwrap() {
            let next =
                pair[1]["namespaces"].as_array().unwrap().iter().find(|next| next["name"] == one["name"]).unwrap();
            assert_eq!(one["report"]["window"]["end"], next["report"]["window"]["begin"], "{one}");
        }
    }
    let text = every("text");
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.lines().nth(1).unwrap().starts_with("time     verdict  crit/unk/warn/ok the worst"), "{text}");
}

#[test]
fn what_does_not_go_with_all_is_refused() {
    for (words, status) in [
        (&["check", "--netns", "all", "--path"][..], 3),
        (&["check", "--netns", "all", "--events", "1s"], 3),
        (&["check", "--netns", "all", "--redact"], 3),
        (&["check", "--netns", "all", "--every", "1s", "--format", "openmetrics"], 3),
        (&["states", "--netns", "all"], 1),
    ] {
        let output = run(words);
        let words_told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), words_told.lines().count()), (Some(status), 1), "{words:?} {words_told}");
        assert!(output.stdout.is_empty() && words_told.contains("--"), "{words:?}");
    }
}
