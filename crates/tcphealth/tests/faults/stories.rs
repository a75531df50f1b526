//! Faults and healthy look-alikes, each with the verdict that is true of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::actors::{
    Call, Curtain, Manner, churn, converse, hang_up, health_check, hold, keep_after_answer, serve, upload,
};
use crate::emulator::Line;
use crate::world::{Host, line, wire};

/// What is true of a story.
pub enum Truth {
    /// Nothing above info.
    Healthy,
    /// This rule leads, and its subject contains these words.
    Fault(&'static str, &'static str),
}

/// A story: how it is built, and what is true.
pub struct Story {
    /// Its name, and that of its fixture.
    pub name: &'static str,
    /// What is true.
    pub truth: Truth,
    /// Time from its begin to the check.
    pub warm_up: Duration,
    /// Begins it; returns the judged host and whatever must live as long.
    pub begin: fn(&Curtain) -> Stage,
}

/// The judged host and the rest of the world.
pub struct Stage {
    /// Where the check runs.
    pub here: Host,
    _rest: Vec<Host>,
}

const HERE: &str = "192.0.2.1/24";
const THERE: &str = "192.0.2.2/24";
const THERE_ADDRESS: &str = "192.0.2.2";
const HERE_ADDRESS: &str = "192.0.2.1";

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn story(name: &'static str, truth: Truth, begin: fn(&Curtain) -> Stage) -> Story {
    Story { name, truth, warm_up: ms(2500), begin }
}

/// A story that needs time to tell: a window closed for ten seconds, connections for a third of a minute.
const fn slow(story: Story) -> Story {
    Story { warm_up: ms(9000), ..story }
}

use Truth::{Fault, Healthy};

/// All of them.
pub const STORIES: &[Story] = &[
    story("loss-on-the-lan", Fault("retransmit-local", THERE_ADDRESS), loss_on_the_lan),
    story("loss-far-away", Fault("retransmit-remote", THERE_ADDRESS), loss_far_away),
    story("reordered", Fault("reordering", THERE_ADDRESS), reordered),
    story("tails-lost", Fault("tail-loss", THERE_ADDRESS), tails_lost),
    story("black-hole", Fault("mtu-black-hole", THERE_ADDRESS), black_hole),
    story("close-forgotten", Fault("close-wait-leak", "faults"), close_forgotten),
    story("close-forgotten-v6", Fault("close-wait-leak", "faults"), close_forgotten_v6),
    story("pool-stale", Fault("close-wait-pool", "8443"), pool_stale),
    story("nobody-accepts", Fault("accept-stalled", ":8001"), nobody_accepts),
    story("accepts-slowly", Fault("accept-overflow", ":8002"), accepts_slowly),
    story("ports-gone", Fault("ports-exhausted", "192.0.2.2:8003"), ports_gone),
    slow(story("connection-per-request", Fault("connection-churn", "192.0.2.2:8004"), connection_per_request)),
    slow(story("peer-deaf", Fault("peer-not-reading", THERE_ADDRESS), peer_deaf)),
    slow(story("program-deaf", Fault("process-not-reading", "faults"), program_deaf)),
    story("syn-swallowed", Fault("connect-unanswered", "192.0.2.2:8005"), syn_swallowed),
    story("refused", Fault("connect-refused", "192.0.2.2:8006"), refused),
    story("neighbour-off", Fault("neighbour-unreachable", "192.0.2.77"), neighbour_off),
    story("own-filter", Fault("own-firewall-drop", "192.0.2.2:8007"), own_filter),
    story("peer-gone", Fault("peer-vanished", THERE_ADDRESS), peer_gone),
    story("closed-unread", Fault("abort-unread", ""), closed_unread),
    story("quiet", Healthy, quiet),
    story("idle-with-keepalive", Healthy, idle_with_keepalive),
    story("two-losses-of-few", Healthy, two_losses_of_few),
    story("server-closes-first", Healthy, server_closes_first),
    story("closes-promptly", Healthy, closes_promptly),
    story("checked-by-resets", Healthy, checked_by_resets),
    story("far-and-fine", Healthy, far_and_fine),
    story("short-burst", Healthy, short_burst),
];

fn call(to: &str, bytes: usize, every: Duration) -> Call {
    Call { to: to.parse::<SocketAddr>().expect("a literal"), bytes, every }
}

fn server(host: &Host, at: &'static str, manner: Manner, curtain: &Curtain) {
    server_with(host, at, (manner, 1024, Duration::ZERO), curtain);
}

fn server_with(host: &Host, at: &'static str, how: (Manner, i32, Duration), curtain: &Curtain) {
    let curtain = curtain.clone();
    host.spawn(move || serve(at, how.0, how.1, how.2, &curtain));
    std::thread::sleep(ms(100));
}

fn client(host: &Host, curtain: &Curtain, count: usize, work: impl Fn(&Curtain) + Clone + Send + 'static) {
    for _ in 0..count {
        let (curtain, work) = (curtain.clone(), work.clone());
        host.spawn(move || work(&curtain));
    }
}

/// Two hosts on one wire.
fn pair() -> (Host, Host) {
    let (here, there) = (Host::new(), Host::new());
    wire((&here, HERE), (&there, THERE));
    (here, there)
}

/// Two hosts and a wire that does this on the way there, and only delays on the way back.
fn pair_through(forth: Line) -> (Host, Host, Host) {
    let (here, there) = (Host::new(), Host::new());
    let back = Line { delay: forth.delay, ..Line::default() };
    let between = line((&here, HERE), (&there, THERE), forth, back);
    (here, there, between)
}

fn stage(here: Host, rest: impl Into<Vec<Host>>) -> Stage {
    Stage { here, _rest: rest.into() }
}

fn uploads_through(forth: Line, curtain: &Curtain) -> Stage {
    let (here, there, between) = pair_through(forth);
    server(&there, "192.0.2.2:8010", Manner::Sink, curtain);
    client(&here, curtain, 3, |curtain| upload(call("192.0.2.2:8010", 28_960, ms(12)), curtain));
    stage(here, [there, between])
}

fn loss_on_the_lan(curtain: &Curtain) -> Stage {
    uploads_through(Line { loss: 8, data_only: true, ..Line::default() }, curtain)
}

fn loss_far_away(curtain: &Curtain) -> Stage {
    uploads_through(Line { delay: ms(15), loss: 40, data_only: true, ..Line::default() }, curtain)
}

fn reordered(curtain: &Curtain) -> Stage {
    uploads_through(Line { delay: ms(4), reordered: 40, late: ms(3), ..Line::default() }, curtain)
}

fn tails_lost(curtain: &Curtain) -> Stage {
    let (here, there, between) = pair_through(Line { delay: ms(2), bursts: 50, data_only: true, ..Line::default() });
    server(&there, "192.0.2.2:8011", Manner::Echo, curtain);
    client(&here, curtain, 30, |curtain| converse(call("192.0.2.2:8011", 300, ms(60)), curtain));
    stage(here, [there, between])
}

fn black_hole(curtain: &Curtain) -> Stage {
    let (here, there, between) = pair_through(Line { delay: ms(4), longest_bytes: 1400, ..Line::default() });
    server(&there, "192.0.2.2:8012", Manner::Echo, curtain);
    client(&here, curtain, 4, |curtain| converse(call("192.0.2.2:8012", 6000, ms(500)), curtain));
    client(&here, curtain, 2, |curtain| converse(call("192.0.2.2:8012", 200, ms(150)), curtain));
    stage(here, [there, between])
}

fn close_forgotten(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&here, "192.0.2.1:8080", Manner::Leak, curtain);
    client(&there, curtain, 1, |curtain| churn(call("192.0.2.1:8080", 100, ms(40)), curtain));
    stage(here, [there])
}

fn close_forgotten_v6(curtain: &Curtain) -> Stage {
    let (here, there) = (Host::new(), Host::new());
    wire((&here, "2001:db8::1/64"), (&there, "2001:db8::2/64"));
    server(&here, "[2001:db8::1]:8080", Manner::Leak, curtain);
    client(&there, curtain, 1, |curtain| churn(call("[2001:db8::1]:8080", 100, ms(40)), curtain));
    stage(here, [there])
}

fn pool_stale(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&there, "192.0.2.2:8443", Manner::CloseFirst, curtain);
    client(&here, curtain, 30, |curtain| keep_after_answer(call("192.0.2.2:8443", 10, ms(100)), curtain));
    stage(here, [there])
}

fn nobody_accepts(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server_with(&here, "192.0.2.1:8001", (Manner::Echo, 30, Duration::from_secs(600)), curtain);
    client(&there, curtain, 1, |curtain| hang_up(call("192.0.2.1:8001", 20, ms(25)), curtain));
    stage(here, [there])
}

fn accepts_slowly(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server_with(&here, "192.0.2.1:8002", (Manner::Echo, 8, ms(60)), curtain);
    client(&there, curtain, 40, |curtain| churn(call("192.0.2.1:8002", 20, ms(300)), curtain));
    stage(here, [there])
}

fn ports_gone(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    here.sysctl("net.ipv4.ip_local_port_range", "'50000 50299'");
    here.sysctl("net.ipv4.tcp_tw_reuse", "0");
    server(&there, "192.0.2.2:8003", Manner::Echo, curtain);
    client(&here, curtain, 2, |curtain| churn(call("192.0.2.2:8003", 20, ms(10)), curtain));
    stage(here, [there])
}

fn connection_per_request(curtain: &Curtain) -> Stage {
    let (here, there, between) = pair_through(Line { delay: ms(12), ..Line::default() });
    server(&there, "192.0.2.2:8004", Manner::Echo, curtain);
    client(&here, curtain, 20, |curtain| churn(call("192.0.2.2:8004", 20, ms(80)), curtain));
    stage(here, [there, between])
}

fn peer_deaf(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&there, "192.0.2.2:8013", Manner::Deaf, curtain);
    client(&here, curtain, 1, |curtain| hold(call("192.0.2.2:8013", 8192, ms(100)), 12, curtain));
    stage(here, [there])
}

fn program_deaf(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&here, "192.0.2.1:8014", Manner::Deaf, curtain);
    client(&there, curtain, 1, |curtain| hold(call("192.0.2.1:8014", 8192, ms(100)), 12, curtain));
    stage(here, [there])
}

fn syn_swallowed(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    there.drop_packets("input", "tcp dport 8005");
    client(&here, curtain, 12, |curtain| churn(call("192.0.2.2:8005", 10, ms(50)), curtain));
    stage(here, [there])
}

fn refused(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    client(&here, curtain, 1, |curtain| churn(call("192.0.2.2:8006", 10, ms(30)), curtain));
    stage(here, [there])
}

fn neighbour_off(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    client(&here, curtain, 4, |curtain| churn(call("192.0.2.77:8080", 10, ms(50)), curtain));
    stage(here, [there])
}

fn own_filter(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&there, "192.0.2.2:8007", Manner::Echo, curtain);
    here.drop_packets("input", "tcp sport 8007");
    client(&here, curtain, 12, |curtain| churn(call("192.0.2.2:8007", 10, ms(50)), curtain));
    stage(here, [there])
}

fn peer_gone(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&there, "192.0.2.2:8015", Manner::Echo, curtain);
    client(&here, curtain, 6, |curtain| converse(call("192.0.2.2:8015", 100, ms(100)), curtain));
    std::thread::sleep(ms(700));
    there.drop_packets("input", "meta l4proto tcp");
    stage(here, [there])
}

fn closed_unread(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&here, "192.0.2.1:8016", Manner::Abort, curtain);
    client(&there, curtain, 1, |curtain| churn(call("192.0.2.1:8016", 4000, ms(30)), curtain));
    stage(here, [there])
}

fn quiet(_: &Curtain) -> Stage {
    let (here, there) = pair();
    stage(here, [there])
}

fn idle_with_keepalive(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&there, "192.0.2.2:8017", Manner::Echo, curtain);
    client(&here, curtain, 1, |curtain| hold(call("192.0.2.2:8017", 0, ms(100)), 80, curtain));
    stage(here, [there])
}

fn two_losses_of_few(curtain: &Curtain) -> Stage {
    let (here, there, between) = pair_through(Line { delay: ms(1), loss: 15, data_only: true, ..Line::default() });
    server(&there, "192.0.2.2:8018", Manner::Echo, curtain);
    client(&here, curtain, 1, |curtain| converse(call("192.0.2.2:8018", 300, ms(100)), curtain));
    stage(here, [there, between])
}

fn server_closes_first(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&here, "192.0.2.1:8019", Manner::CloseFirst, curtain);
    client(&there, curtain, 4, |curtain| churn(call("192.0.2.1:8019", 50, ms(3)), curtain));
    stage(here, [there])
}

fn closes_promptly(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&here, "192.0.2.1:8020", Manner::Echo, curtain);
    client(&there, curtain, 4, |curtain| churn(call("192.0.2.1:8020", 50, ms(15)), curtain));
    stage(here, [there])
}

fn checked_by_resets(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server(&here, "192.0.2.1:8021", Manner::Echo, curtain);
    client(&there, curtain, 1, |curtain| health_check(call("192.0.2.1:8021", 0, ms(40)), curtain));
    client(&there, curtain, 10, |curtain| converse(call("192.0.2.1:8021", 100, ms(200)), curtain));
    stage(here, [there])
}

fn far_and_fine(curtain: &Curtain) -> Stage {
    uploads_through(Line { delay: ms(25), loss: 1, data_only: true, ..Line::default() }, curtain)
}

fn short_burst(curtain: &Curtain) -> Stage {
    let (here, there) = pair();
    server_with(&here, "192.0.2.1:8022", (Manner::Echo, 256, ms(2)), curtain);
    client(&there, curtain, 40, |curtain| churn(call(&format!("{HERE_ADDRESS}:8022"), 50, ms(1500)), curtain));
    stage(here, [there])
}
