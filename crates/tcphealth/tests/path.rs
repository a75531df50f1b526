//! `tcphealth path` on a real chain of four hops, made of network namespaces, side by side with mtr.
#![expect(clippy::indexing_slicing, reason = "a test may panic, and it is then wrong itself")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

const TARGET: &str = "10.91.4.2";
const HOPS: [&str; 4] = ["10.91.1.2", "10.91.2.2", "10.91.3.2", TARGET];
const HOPS_V6: [&str; 4] = ["fd91:1::2", "fd91:2::2", "fd91:3::2", "fd91:4::2"];

/// Whether namespaces may be made here. Where they must be, a test that cannot run fails.
fn may_run() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        assert_ne!(std::env::var("TCPHEALTH_ALL_TESTS").as_deref(), Ok("1"), "network namespaces need root");
        println!("not run: network namespaces need root");
    }
    root
}

fn sh(command: &str) -> Output {
    let output = Command::new("sh").args(["-ec", command]).output().expect("sh runs");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Reads whatever comes, and says when it listens.
const SERVER: &str = "import socket, threading
server = socket.socket(socket.AF_INET6)
server.bind(('::', 443))
server.listen(64)
print(flush=True)
def read(peer):
    while peer.recv(65536): pass
while True:
    threading.Thread(target=read, args=(server.accept()[0],), daemon=True).start()";

/// h – r1 – r2 – r3 – s, with a server on port 443 of s.
struct Chain {
    prefix: String,
    server: Option<Child>,
}

impl Chain {
    fn new() -> Self {
        static CHAINS: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("tph{}n{}", std::process::id(), CHAINS.fetch_add(1, Ordering::Relaxed));
        let mut chain = Self { prefix, server: None };
        for name in ["h", "r1", "r2", "r3", "s"] {
            sh(&format!("ip netns add {0}{name}; ip -n {0}{name} link set lo up", chain.prefix));
        }
        for (number, pair) in ["h", "r1", "r2", "r3", "s"].windows(2).enumerate() {
            chain.link(number + 1, pair[0], pair[1]);
        }
        for (router, west, east) in [("r1", None, Some(2)), ("r2", Some(2), Some(3)), ("r3", Some(3), None)] {
            chain.within(router, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
            chain.route(router, west, east);
        }
        chain.within("h", "ip route add default via 10.91.1.2; ip route add default via fd91:1::2");
        chain.within("s", "ip route add default via 10.91.4.1; ip route add default via fd91:4::1");
        chain.serve();
        chain
    }

    fn link(&self, number: usize, west: &str, east: &str) {
        let p = &self.prefix;
        sh(&format!("ip link add e{number} netns {p}{west} type veth peer name w{number} netns {p}{east}"));
        for (name, device, end) in [(west, 'e', 1), (east, 'w', 2)] {
            self.within(
                name,
                &format!(
                    "ip addr add 10.91.{number}.{end}/24 dev {device}{number};
                     ip addr add fd91:{number}::{end}/64 dev {device}{number} nodad;
                     ip link set {device}{number} up"
                ),
            );
        }
    }

    /// The way to the first net by the western neighbour, to the last by the eastern one.
    fn route(&self, router: &str, west: Option<u8>, east: Option<u8>) {
        for (net, link, end) in [(1, west, 1), (4, east, 2)] {
            if let Some(link) = link {
                self.within(
                    router,
                    &format!(
                        "ip route add 10.91.{net}.0/24 via 10.91.{link}.{end};
                         ip route add fd91:{net}::/64 via fd91:{link}::{end}"
                    ),
                );
            }
        }
    }

    fn within(&self, name: &str, command: &str) -> Output {
        sh(&format!("ip netns exec {}{name} sh -ec '{command}'", self.prefix))
    }

    fn serve(&mut self) {
        let mut command = self.command("s", "python3");
        command.args(["-c", SERVER]);
        let mut server = command.stdout(Stdio::piped()).spawn().expect("python3 runs");
        let mut ready = [0];
        std::io::Read::read_exact(server.stdout.as_mut().expect("piped"), &mut ready).expect("the server listens");
        self.server = Some(server);
    }

    fn command(&self, name: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}{name}", self.prefix), program]);
        command
    }

    fn path(&self, arguments: &[&str]) -> (Value, i32) {
        let mut command = self.command("h", env!("CARGO_BIN_EXE_tcphealth"));
        json(command.arg("path").args(arguments).args(["--format", "json"]))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        for name in ["h", "r1", "r2", "r3", "s"] {
            let _ = Command::new("ip").args(["netns", "del", &format!("{}{name}", self.prefix)]).output();
        }
    }
}

fn json(command: &mut Command) -> (Value, i32) {
    let output = command.output().expect("the program runs");
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().expect("an exit status"))
}

fn addresses(report: &Value) -> Vec<&str> {
    let hops = report["hops"].as_array().expect("hops");
    hops.iter().map(|hop| hop["addresses"][0].as_str().unwrap_or("silent")).collect()
}

fn lost(report: &Value) -> Vec<u64> {
    report["hops"].as_array().expect("hops").iter().map(|hop| hop["lost"].as_u64().expect("a count")).collect()
}

/// What mtr says of each hop: address, loss in percent, best response time in milliseconds.
fn mtr(chain: &Chain, arguments: &str) -> Vec<(String, f64, f64)> {
    let output = chain.within("h", &format!("mtr -n -r {arguments} --tcp -P 443 {TARGET}"));
    let text = String::from_utf8(output.stdout).expect("mtr prints text");
    let rows = text.lines().filter(|line| line.contains("|--"));
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let number = |at: usize| words[at].trim_end_matches('%').parse().expect("a number");
        (words[1].to_owned(), number(2), number(6))
    })
    .collect()
}

#[test]
fn the_hops_are_those_of_mtr_and_so_are_the_response_times() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    let (report, status) = chain.path(&["10.91.4.2:443", "--count", "6"]);
    assert_eq!((addresses(&report), status), (HOPS.to_vec(), 0));
    assert_eq!((lost(&report), &report["blame"]), (vec![0; 4], &Value::Null));
    let ours: Vec<f64> =
        report["hops"].as_array().unwrap().iter().map(|hop| hop["rtt_ms"]["min"].as_f64().unwrap()).collect();
    // mtr takes its times in user space: on a busy machine they are longer than the kernel's, and it is asked again.
    let alike = |oracle: &[(String, f64, f64)]| {
        oracle.iter().zip(&ours).all(|(hop, min)| *min <= hop.2 + 0.3 && hop.2 <= min + 1.0)
    };
    let mut oracle = Vec::new();
    for _ in 0..4 {
        oracle = mtr(&chain, "-c 6 -i 1.05");
        if alike(&oracle) {
            break;
        }
    }
    assert_eq!(oracle.iter().map(|hop| hop.0.as_str()).collect::<Vec<_>>(), HOPS);
    assert!(alike(&oracle), "{ours:?}, mtr {oracle:?}");
}

#[test]
fn without_privilege_the_same_hops_are_found_by_ipv4_and_ipv6() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    // The build's own folder may be closed to others.
    let folder = tempfile::tempdir().unwrap();
    let program: PathBuf = folder.path().join("tcphealth");
    // By a program of its own: a file that another thread's child still has open for writing cannot be started.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_tcphealth")).arg(&program).status().unwrap().success());
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for (target, hops) in [("10.91.4.2:443", HOPS), ("[fd91:4::2]:443", HOPS_V6)] {
        let mut command = chain.command("h", "setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        let (report, status) = json(command.arg(&program).args(["path", target, "--count", "3", "--format", "json"]));
        assert_eq!((addresses(&report), lost(&report), status), (hops.to_vec(), vec![0; 4], 0));
    }
}

#[test]
fn datagrams_and_echo_requests_find_the_same_hops() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    chain.within("h", "sysctl -qw \"net.ipv4.ping_group_range=0 2147483647\"");
    for arguments in [["10.91.4.2", "--udp"], ["10.91.4.2", "--icmp"], ["fd91:4::2", "--udp"], ["fd91:4::2", "--icmp"]]
    {
        let (report, status) = chain.path(&[arguments[0], arguments[1], "--count", "2"]);
        let hops = if arguments[0] == TARGET { HOPS } else { HOPS_V6 };
        assert_eq!((addresses(&report), lost(&report), status), (hops.to_vec(), vec![0; 4], 0), "{arguments:?}");
    }
}

#[test]
fn a_limit_on_icmp_errors_is_loss_to_mtr_and_not_to_us() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    let oracle = mtr(&chain, "-c 30 -i 0.1");
    assert!(oracle[..3].iter().all(|hop| hop.1 > 20.0) && oracle[3].1 < 1.0, "{oracle:?}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let (report, status) = chain.path(&["10.91.4.2:443", "--count", "8"]);
    assert_eq!((lost(&report), &report["blame"], status), (vec![0; 4], &Value::Null, 0));
}

#[test]
fn the_segment_that_loses_is_blamed() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    let rule = "type filter hook prerouting priority 0; } ; add rule ip t c iif w2 numgen random mod 100 < 50 drop";
    chain.within("r2", &format!("nft \"add table ip t; add chain ip t c {{ {rule}\""));
    let (report, status) = chain.path(&["10.91.4.2:443", "--count", "32"]);
    let blame = &report["blame"];
    assert_eq!((blame["kind"].as_str(), status), (Some("loss"), 1), "{report:#}");
    // Five percent of the time the range is wider; it always spans r1 – r2.
    assert!(["10.91.1.1", HOPS[0]].contains(&blame["from"].as_str().unwrap()), "{report:#}");
    assert!(HOPS[1..].contains(&blame["to"].as_str().unwrap()), "{report:#}");
}

#[test]
fn a_server_that_still_holds_the_last_round_is_not_loss() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    // The server never learns that a probe was called off, and challenges the next one (RFC 5961, section 4).
    let rule = "type filter hook forward priority 0; } ; add rule ip t c tcp flags rst drop";
    chain.within("r1", &format!("nft \"add table ip t; add chain ip t c {{ {rule}\""));
    let (report, _) = chain.path(&["10.91.4.2:443", "--count", "5"]);
    assert_eq!(lost(&report), [0; 4], "{report:#}");
}

#[test]
fn the_hop_where_full_sized_packets_die_is_found() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    chain.within("r2", "ip link set e3 mtu 1300");
    chain.within("r3", "ip link set w3 mtu 1300");
    let (report, _) = chain.path(&["10.91.4.2:443", "--count", "1", "--mtu"]);
    assert_eq!(report["mtu"]["reported"], serde_json::json!([[HOPS[1], 1300]]));
    assert_eq!((&report["mtu"]["path"], &report["mtu"]["black_hole"]), (&Value::from(1300), &Value::Null));
    let rule = "type filter hook output priority 0; } ; add rule ip t c icmp type destination-unreachable drop";
    chain.within("r2", &format!("nft \"add table ip t; add chain ip t c {{ {rule}\""));
    chain.within("h", "ip route flush cache");
    let (report, status) = chain.path(&["10.91.4.2:443", "--count", "1", "--mtu"]);
    let hole = &report["mtu"]["black_hole"];
    assert_eq!((&hole["from"], &hole["to"], status), (&Value::from(HOPS[1]), &Value::from(HOPS[2]), 1), "{report:#}");
    assert!((1292..=1300).contains(&hole["passes"].as_u64().unwrap()), "{hole}");
}

/// Senders that write a little and often, so that loss shows in every connection.
const SENDERS: &str = "import socket, time
peers = [socket.create_connection(('10.91.4.2', 443)) for _ in range(6)]
while True:
    for peer in peers:
        peer.send(bytes(1000))
    time.sleep(.004)";

#[test]
fn check_probes_the_paths_of_peers_that_lose_when_it_is_told_to() {
    if !may_run() {
        return;
    }
    let chain = Chain::new();
    let rule = "type filter hook prerouting priority 0; } ; add rule ip t c iif w2 meta l4proto tcp numgen random mod 100 < 25 drop";
    let mut senders = chain.command("h", "python3").args(["-c", SENDERS]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    chain.within("r2", &format!("nft \"add table ip t; add chain ip t c {{ {rule}\""));
    let mut command = chain.command("h", env!("CARGO_BIN_EXE_tcphealth"));
    let (report, status) = json(command.args(["check", "--path=24", "--format", "json"]));
    senders.kill().unwrap();
    senders.wait().unwrap();
    let findings = report["findings"].as_array().unwrap();
    let hop = findings.iter().find(|finding| finding["rule"] == "lossy-hop").expect("a segment is blamed");
    assert_eq!((&hop["subject"]["kind"], &hop["subject"]["remote"]), (&"hop".into(), &TARGET.into()));
    assert!(HOPS[1..].contains(&hop["subject"]["hop"].as_str().unwrap()) && status > 0, "{hop:#}");
    assert!(findings.iter().any(|finding| finding["rule"] != "lossy-hop"), "the loss itself is told too");
}

#[test]
fn what_cannot_be_probed_is_said_in_one_line_with_status_3() {
    for arguments in
        [&["path"][..], &["path", "host:0"], &["path", "127.0.0.1", "--count", "0"], &["path", "a.invalid:1"]]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_tcphealth")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

#[test]
fn a_service_on_this_host_is_one_hop_away() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    let (report, status) = json(command.args(["path", &target, "--count", "1", "--format", "json"]));
    assert_eq!((addresses(&report), status), (vec!["127.0.0.1"], 0));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the service never sees a probe");
}
