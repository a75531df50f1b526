//! A saved host says what the live one said, and damage in it is one line with file and place.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use tcphealth_core::snapshot::{Absent, Answers, Fact, Marks, Question, Snapshot, Watch};
use tcphealth_linux::{Host, Pass};

/// Everything in a snapshot, as text.
fn shown(snapshot: &Snapshot) -> String {
    let tables: Vec<_> =
        snapshot.counters.tables.iter().map(|table| (table.file, table.read_ns, &table.absent)).collect();
    let counters: Vec<_> = snapshot.counters.iter().collect();
    let Snapshot { identity, at, sysctls, interfaces, census, .. } = snapshot;
    format!("{identity:?}\n{at:?}\n{tables:?}\n{counters:?}\n{sysctls:?}\n{interfaces:?}\n{census:?}")
}

fn two_looks(host: &mut Host) -> (String, String) {
    let (first, marks): (Snapshot, Marks) = host.look(Pass::First).unwrap();
    let (second, _) = host.look(Pass::Second(&marks)).unwrap();
    (shown(&first), shown(&second))
}

fn saved(directory: &Path) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    two_looks(&mut Host::live().saving(directory).unwrap())
}

#[test]
fn a_saved_host_says_what_the_live_one_said() {
    let directory = tempfile::tempdir().unwrap();
    let live = saved(directory.path());
    let frozen = two_looks(&mut Host::frozen(directory.path()).unwrap());
    assert_eq!(live.0, frozen.0);
    assert_eq!(live.1, frozen.1);
    assert!(live.1.contains("joined: true") && live.0.contains("(\"Tcp.OutSegs\""));
}

#[test]
fn a_directory_is_not_written_twice_and_ends_with_its_looks() {
    let directory = tempfile::tempdir().unwrap();
    saved(directory.path());
    let again = Host::live().saving(directory.path()).unwrap_err().to_string();
    assert!(again.ends_with("SavedAlready"), "{again}");
    let mut host = Host::frozen(directory.path()).unwrap();
    two_looks(&mut host);
    let end = host.look(Pass::First).unwrap_err().to_string();
    assert!(end.contains("look-3") && end.ends_with("NoMoreLooks(2)"), "{end}");
}

type Damage = fn(&mut Vec<u8>);

#[test]
fn damage_is_one_line_with_file_and_place() {
    let cases: [(&str, Damage, &str); 5] = [
        ("meta.json", |bytes| bytes.truncate(20), "line 2 column"),
        ("look-1/netlink/sockets", |bytes| bytes.truncate(bytes.len() - 30), "sock_diag: at "),
        ("look-1/netlink/sockets", |bytes| bytes.clear(), "EndsEarly"),
        ("look-1/proc/net/snmp", |bytes| bytes.extend(b"Tcp: 1\n"), "net/snmp: at "),
        ("look-1/netlink/links", |bytes| bytes[16..].fill(0xff), "rtnetlink: at "),
    ];
    for (name, damage, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        saved(directory.path());
        let path = directory.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let look = Host::frozen(directory.path()).and_then(|mut host| host.look(Pass::First).map(drop));
        let line = look.unwrap_err().to_string();
        assert!(line.starts_with(&path.display().to_string()) && line.contains(expected), "{name}: {line}");
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn answers_and_what_was_heard_are_kept_and_the_rest_was_not_asked() {
    let directory = tempfile::tempdir().unwrap();
    let asked = BTreeSet::from([
        Question::Process { pid: std::process::id() },
        Question::Route { peer: "127.0.0.1".parse().unwrap() },
    ]);
    let watches = BTreeSet::from([Watch::Closed, Watch::Resets]);
    let session = |host: &mut Host| {
        let mut answers = Answers::new();
        let listening = host.watch(&watches);
        drop(host.look(Pass::First).unwrap());
        host.heard(listening, &mut answers).unwrap();
        host.answer(&asked, &mut answers, Duration::from_secs(20)).unwrap();
        answers
    };
    let live = session(&mut Host::live().saving(directory.path()).unwrap());
    let mut host = Host::frozen(directory.path()).unwrap();
    assert_eq!(session(&mut host), live);
    assert!(live.len() == 4 && matches!(live[&Question::Watch(Watch::Closed)], Ok(Fact::Heard(_))));
    let other = Question::Process { pid: 1 };
    let mut answers = Answers::new();
    host.answer(&BTreeSet::from([other.clone()]), &mut answers, Duration::ZERO).unwrap();
    assert_eq!(answers[&other], Err(Absent::NotAsked));
}

#[test]
fn a_missing_directory_is_named() {
    let line = Host::frozen(Path::new("/nonexistent/host")).unwrap_err().to_string();
    assert!(line.starts_with("/nonexistent/host/meta.json: "), "{line}");
}
