//! `tcphealth sar` and `sadf` beside the installed sysstat: the same figures of the same seconds, and the same bytes of either
//! one's files.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::Input;
use tcphealth_core::sysstat::record::{Kind, Reader};

const OURS: &str = env!("CARGO_BIN_EXE_tcphealth");

/// What sysstat's programs print, whose names ours are asked to use.
fn version() -> Option<String> {
    let output = Command::new("sar").arg("-V").output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("sysstat version ")).map(str::to_owned)
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    let version = version().unwrap();
    command.args(&words[1..]).env("LC_ALL", "C").env("TZ", "UTC").env("S_TCPHEALTH_SYSSTAT", version);
    for name in ["S_COLORS", "S_TIME_FORMAT", "S_REPEAT_HEADER"] {
        command.env_remove(name);
    }
    command
}

fn run(words: &[&str]) -> Output {
    command(words).output().unwrap()
}

/// Runs a test in a network of its own, with sysstat; where one of them is missing it says so.
fn with_sysstat(test: fn(&Path)) {
    let run = move || {
        let missing = match (version(), unshare(CloneFlags::CLONE_NEWNET)) {
            (None, _) => "sysstat is not installed",
            (_, Err(_)) => "needs CAP_SYS_ADMIN",
            _ => {
                assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
                return test(tempfile::tempdir().unwrap().path());
            }
        };
        assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{missing}");
        println!("not run: {missing}");
    };
    std::thread::spawn(run).join().unwrap();
}

/// Connections with data that are closed and wait, some that are refused, datagrams that arrive and some that nobody waits for;
/// what is given back stays open.
fn burst(connections: usize) -> (TcpListener, UdpSocket) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..connections {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = listener.accept().unwrap().0;
        client.write_all(&vec![1; 1000 + number]).unwrap();
        server.read_exact(&mut vec![0; 1000 + number]).unwrap();
        socket.send_to(&vec![2; 100 + number], socket.local_addr().unwrap()).unwrap();
        // Port 1 is nobody's in a network of one's own.
        assert!(TcpStream::connect("127.0.0.1:1").is_err());
        socket.send_to(b"nobody", "127.0.0.1:1").unwrap();
    }
    (listener, socket)
}

/// The uptime of each reading in a file that may still be growing, in hundredths of a second.
fn uptimes_cs(file: &Path) -> Vec<u64> {
    let Ok(source) = File::open(file) else { return Vec::new() };
    let mut input = Input::new(source);
    let Ok(header) = Header::read(&mut input, None) else { return Vec::new() };
    let mut reader = Reader::new(input, header, |_| false);
    let mut uptimes = Vec::new();
    while let Ok(Some((moment, kind))) = reader.advance() {
        if kind == Kind::Statistics {
            if reader.pass().is_err() {
                break;
            }
            uptimes.push(moment.uptime_cs);
        }
    }
    uptimes
}

/// Every printed figure by its sample, column and item.
type Figures = BTreeMap<(usize, String, String), f64>;

fn figures(text: &str) -> Figures {
    let (mut found, mut heads, mut samples) = (Figures::new(), Vec::new(), BTreeMap::new());
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    for pair in lines.windows(2).take_while(|pair| pair[1].first() != Some(&"Average:")) {
        let [before, words] = pair else { unreachable!("a pair") };
        if before.is_empty() {
            heads.clone_from(words);
            *samples.entry(heads[1..].to_vec()).or_insert(0) += 1;
        } else if !words.is_empty() {
            let item = if heads[1] == "IFACE" { words[1] } else { "" };
            for (head, word) in heads.iter().zip(words).skip(1).filter(|(head, _)| **head != "IFACE") {
                found.insert((samples[&heads[1..]], (*head).to_owned(), item.to_owned()), word.parse().unwrap());
            }
        }
    }
    found
}

const KEYWORDS: &str = "DEV,EDEV,TCP,ETCP,IP,UDP,SOCK";
/// Samples that are compared. One more is taken, so that none is compared for which one of the programs has closed its sockets.
const SAMPLES: usize = 7;

fn live(program: &[&str], file: &Path) -> Child {
    let samples = (SAMPLES + 1).to_string();
    let words = ["-n", KEYWORDS, "-o", file.to_str().unwrap(), "1", &samples];
    command(&[program, &words].concat()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Each burst begins when both have written a reading. Both see it in their next readings, unless one of these came before the
/// burst was over: gives the samples of which the seconds are the same.
fn bursts_between_readings(files: [&Path; 2]) -> (Vec<usize>, Vec<(TcpListener, UdpSocket)>) {
    let (mut same, mut kept, mut clean) = (Vec::new(), Vec::new(), false);
    let written = || files.map(|file| uptimes_cs(file).len());
    let deadline = Instant::now() + Duration::from_secs(60);
    let wait_for = |reading| {
        while written().iter().any(|&count| count < reading) {
            assert!(Instant::now() < deadline, "a collector does not go on");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    for reading in 1..=SAMPLES {
        wait_for(reading);
        let began = written() == [reading; 2];
        kept.push(burst(10 + reading));
        std::thread::sleep(Duration::from_millis(200));
        let was = std::mem::replace(&mut clean, began && written() == [reading; 2]);
        // The interval that ends in the next reading: the burst before it must not have reached into it either.
        if clean && (was || reading == 1) {
            same.push(reading);
        }
    }
    wait_for(SAMPLES + 1);
    (same, kept)
}

fn the_same_seconds(folder: &Path) {
    let files = ["ours", "theirs"].map(|name| folder.join(name));
    let [ours, theirs] = [live(&[OURS, "sar"], &files[0]), live(&["sar"], &files[1])];
    let (same, _kept) = bursts_between_readings([&files[0], &files[1]]);
    assert!(same.len() >= 2, "the readings of both fell apart: {same:?}");
    let printed = [ours, theirs].map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        figures(std::str::from_utf8(&output.stdout).unwrap())
    });
    assert_eq!(printed[0].keys().collect::<Vec<_>>(), printed[1].keys().collect::<Vec<_>>());
    let uptimes = [uptimes_cs(&files[0]), uptimes_cs(&files[1])];
    for (key @ (sample, column, _), ours) in printed[0].iter().filter(|((sample, ..), _)| same.contains(sample)) {
        let theirs = printed[1][key];
        if !column.contains('/') {
            assert!((ours - theirs).abs() < f64::EPSILON, "{key:?}: {ours} and {theirs}");
            continue;
        }
        // A rate times its interval is what was counted, which has no clock in it; the last decimal is rounded.
        let [mine, other] = [(0, *ours), (1, theirs)].map(|(who, rate)| {
            let interval = uptimes[who][*sample] - uptimes[who][sample - 1];
            (rate * interval as f64 / 100.0, 0.005 * interval as f64 / 100.0)
        });
        assert!((mine.0 - other.0).abs() <= mine.1 + other.1 + 1e-9, "{key:?}: {mine:?} and {other:?}");
        if column == "active/s" {
            // As many connections as the burst was to make, and one refused for each.
            assert!((mine.0 - 2.0 * (10 + sample) as f64).abs() <= mine.1 + 1e-9, "{key:?}: {mine:?}");
        }
    }
}

/// The same readings of the same network, taken by two programs at once: what they print differs by the rounding of their
/// intervals only.
#[test]
fn the_same_figures_as_sar_of_the_same_seconds() {
    with_sysstat(the_same_seconds);
}

/// Both programs print the same of a file, in every report and format, and end alike.
fn the_same_reports(file: &Path) {
    let file = file.to_str().unwrap();
    let mut compared = 0;
    let mut compare = |name: &str, words: &[&str]| {
        let [ours, theirs] = [run(&[&[OURS, name], words].concat()), run(&[&[name], words].concat())];
        assert_eq!(ours.status.code(), theirs.status.code(), "{name} {words:?}");
        assert!(ours.stdout == theirs.stdout, "{name} {words:?}:\n{}", first_difference(&ours.stdout, &theirs.stdout));
        compared += theirs.stdout.len();
    };
    for words in SAR_WORDS {
        compare("sar", &[&["-f", file][..], &words.split(' ').collect::<Vec<_>>()].concat());
    }
    for format in ["-d", "-dh", "-p", "-j", "-x", "-r", "-H"] {
        for (words, rest) in [("", "-n ALL"), ("-C -t", "-n ALL -P ALL"), ("-T", "-n DEV,TCP"), ("-U", "-n SOCK")] {
            let words = [format, words, file, "--", rest].join(" ");
            compare("sadf", &words.split_whitespace().collect::<Vec<_>>());
        }
    }
    assert!(compared > 10_000, "{compared}");
}

const SAR_WORDS: [&str; 13] = [
    "-n ALL",
    "-n ALL -C",
    "-n DEV,TCP,ETCP -t",
    "-n DEV,EDEV -h",
    "-n DEV -p",
    "-n DEV --human --dec=1",
    "-n EDEV,SOCK --dec=0",
    "-n DEV,EDEV,SOFT -z -P ALL",
    "-n SOFT -P 0,1",
    "-n DEV --iface=lo",
    "-n DEV,TCP -i 2",
    "-n TCP -s 00:00:00 -e 23:59:59",
    "-n UDP6,IP6",
];

fn first_difference(ours: &[u8], theirs: &[u8]) -> String {
    let [ours, theirs] = [ours, theirs].map(String::from_utf8_lossy);
    let pair = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    pair.map_or("one is longer".to_owned(), |(ours, theirs)| format!("ours   {ours}\ntheirs {theirs}"))
}

/// Readings, a comment, a RESTART, readings: as sysstat's own services put a day together.
fn a_file_of_sadc(folder: &Path) {
    let said = run(&["sar", "--sadc"]);
    let said = String::from_utf8(said.stdout).unwrap();
    let sadc = said.trim().rsplit(' ').next().unwrap();
    let path = folder.join("sa");
    let file = path.to_str().unwrap();
    let _kept = burst(30);
    for words in [&["-S", "SNMP,IPV6", "1", "3", file][..], &["-C", "hello", file], &[file], &["1", "3", file]] {
        let output = run(&[&[sadc], words].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    the_same_reports(&path);
}

#[test]
fn files_of_sadc_are_printed_as_sysstat_prints_them() {
    with_sysstat(a_file_of_sadc);
}

fn a_file_of_ours(folder: &Path) {
    let path = folder.join("sa");
    let file = path.to_str().unwrap();
    let recording = command(&[OURS, "sar", "-n", "TCP", "-o", file, "1", "3"]).stdout(Stdio::null()).spawn();
    let _kept =
        (1..4).map(|round| (burst(10 * round), std::thread::sleep(Duration::from_millis(700)))).collect::<Vec<_>>();
    assert!(recording.unwrap().wait().unwrap().success());
    the_same_reports(&path);
}

#[test]
fn sysstat_reads_our_files_and_prints_what_we_print() {
    with_sysstat(a_file_of_ours);
}
