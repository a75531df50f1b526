//! What the interfaces and their queueing disciplines counted in a window, and which peers behind them suffer.

use super::{Limits, loss};
use crate::report::{Subject, SubjectKind, Verdict, Why};
use crate::say;
use crate::snapshot::{Interface, Question};
use crate::window::Window;

/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u16 = 772;
/// A queue stands on the path when the round trip is so many times its minimum, and so much longer, µs.
const QUEUE_TIMES: u32 = 2;
const QUEUE_US: u32 = 2_000;

/// One direction of an interface.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Received.
    Rx,
    /// Sent.
    Tx,
}

impl Direction {
    /// `rx` or `tx`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rx => "rx",
            Self::Tx => "tx",
        }
    }
}

/// Interfaces that packets leave or enter the host by and of which these columns were counted in this window.
pub(super) fn devices<'a>(window: &Window<'a>, columns: &[&str]) -> Vec<&'a Interface> {
    let all = window.last().interfaces.as_deref().unwrap_or_default();
    let counted = |known: &&Interface| columns.iter().all(|column| grown(window, known, column).is_some());
    let outer = all.iter().filter(|known| known.link_type != LOOPBACK && !is_another(window, known));
    outer.filter(counted).collect()
}

/// Whether a device that is gone had this name at the begin: then its counters stand there, and not those of this one.
fn is_another(window: &Window, device: &Interface) -> bool {
    let before = window.first().interfaces.as_deref().unwrap_or_default();
    before.iter().any(|before| before.name == device.name && before.ifindex != device.ifindex)
}

/// How much a column of `/proc/net/dev` grew.
pub(super) fn grown(window: &Window, device: &Interface, column: &str) -> Option<u64> {
    window.delta_named(&format!("dev.{}.{column}", device.name))
}

/// As [`grown`], in one direction.
pub(super) fn grown_in(window: &Window, device: &Interface, direction: Direction, column: &str) -> Option<u64> {
    grown(window, device, &format!("{}_{column}", direction.word()))
}

/// The root queueing disciplines of a device: kind and what they dropped in the window.
pub(super) fn qdisc_drops<'a>(window: &Window<'a>, device: &Interface) -> Vec<(&'a str, u64)> {
    let prefix = format!("qdisc.{}.", device.name);
    let names = window.last().counters.iter().map(|(name, _)| name);
    names
        .filter_map(|name| {
            let kind = name.strip_prefix(&prefix)?.strip_suffix(".drops").filter(|kind| !kind.contains('.'))?;
            Some((kind, window.delta_named(name)?))
        })
        .collect()
}

/// Packets that this host dropped on the way out of a device: by the driver and by the queueing discipline.
pub(super) fn dropped_out(window: &Window, device: &Interface) -> u64 {
    let by_qdisc: u64 = qdisc_drops(window, device).iter().map(|(_, drops)| drops).sum();
    grown(window, device, "tx_drop").unwrap_or(0) + by_qdisc
}

/// What the peers behind a device show of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Harm {
    /// One of them loses more than its limit.
    pub(super) lossy: bool,
    /// A queue stands on the way to one of them.
    pub(super) queued: bool,
}

impl Harm {
    /// Whether TCP suffers at all.
    pub(super) fn any(self) -> bool {
        self.lossy || self.queued
    }
}

/// How the peers routed over a device do; asks for routes.
pub(super) fn harm(window: &Window, limits: &Limits, device: &Interface, questions: &mut Vec<Question>) -> Harm {
    let mut harm = Harm::default();
    let Some(census) = window.census() else { return harm };
    let behind = loss::peers(window, limits, questions);
    for peer in behind.iter().filter(|peer| peer.classed.interface.as_deref() == Some(device.name.as_str())) {
        harm.lossy |= peer.severity.is_some();
        let trips = loss::round_trips(census, |address| address == peer.peer.address);
        harm.queued |= trips.is_some_and(|(rtt, least)| rtt >= QUEUE_TIMES * least && rtt - least >= QUEUE_US);
    }
    harm
}

/// Whether drops in this host explain what its connections lost: the half of it, or a queue without loss.
pub(super) fn explains(window: &Window, dropped: u64, harm: Harm) -> bool {
    match loss::host_lost(window).unwrap_or(0) {
        0 => harm.queued,
        lost => dropped * 2 >= lost,
    }
}

/// An interface and a direction as a subject.
pub(super) fn subject(device: &Interface, direction: Direction) -> Subject {
    Subject {
        kind: SubjectKind::Interface,
        interface: Some(device.name.clone()),
        direction: Some(direction.word().to_owned()),
        ..Subject::default()
    }
}

/// What is said when no interface was counted.
pub(super) fn uncounted() -> Verdict {
    let reason = say! {
        en: "no counters of an interface other than lo that this needs",
        ko: "여기에 필요한, lo 이외의 인터페이스 카운터가 없음"
    };
    Verdict::Undecided(Why { reason, needs: None })
}

/// What the rules on interfaces are tested with.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::Scene;
    use crate::snapshot::{Socket, State};

    /// A host with an Ethernet device of 100 Mbit/s that received and sent so many packets.
    pub(crate) fn host(packets: u64) -> Scene {
        let device = Interface {
            name: "eth0".into(),
            ifindex: 2,
            link_type: 1,
            speed_mbit_per_second: Some(100),
            duplex: Some("full".into()),
            ..Interface::default()
        };
        let zeros = ["rx_errs", "rx_drop", "rx_fifo", "rx_frame", "rx_multicast", "rx_bytes", "tx_errs", "tx_drop"];
        let scene = zeros.into_iter().chain(["tx_fifo", "tx_carrier", "tx_colls", "tx_bytes"]);
        let scene =
            scene.fold(Scene::new().interface(device), |scene, column| scene.grew(&format!("dev.eth0.{column}"), 0));
        scene.grew("dev.eth0.rx_packets", packets).grew("dev.eth0.tx_packets", packets)
    }

    /// A peer behind eth0 that lost a twentieth of what it was sent.
    pub(crate) fn lossy(scene: Scene) -> Scene {
        let line = |sent: u64, again: u64| {
            Socket::tcp(State::Established, "192.0.2.1:40000", "192.0.2.9:80").inode(7).info(&[
                ("data_segs_out", sent),
                ("total_retrans", again),
                ("bytes_acked", sent),
                ("min_rtt", 300),
                ("rtt", 310),
            ])
        };
        let counted = ["TcpExt.TCPSackRecovery", "TcpExt.TCPRenoRecovery", "TcpExt.TCPTimeouts"];
        let scene = counted.into_iter().fold(scene, |scene, name| scene.grew(name, 50));
        let scene = scene.grew("TcpExt.TCPLossProbeRecovery", 0).grew("Tcp.RetransSegs", 500);
        let scene = scene.grew("TcpExt.TCPSynRetrans", 0).grew("TcpExt.TCPDSACKRecvSegs", 0);
        scene.kept(line(1, 0), line(10_501, 500)).route("192.0.2.9", None, "eth0")
    }

    #[test]
    fn a_qdisc_is_found_by_the_whole_name_of_its_device() {
        let scene = host(10).grew("qdisc.eth0.tbf.drops", 5).grew("qdisc.eth0.100.fq.drops", 7).build();
        let window = scene.window();
        assert_eq!(qdisc_drops(&window, devices(&window, &["rx_packets"])[0]), [("tbf", 5)]);
        assert_eq!(dropped_out(&window, devices(&window, &["rx_packets"])[0]), 5);
    }

    #[test]
    fn the_peers_behind_a_device_show_its_harm() {
        let scene = lossy(host(10)).build();
        let (window, mut questions) = (scene.window(), Vec::new());
        let harm = harm(&window, &Limits::default(), devices(&window, &["rx_packets"])[0], &mut questions);
        assert_eq!((harm, questions), (Harm { lossy: true, queued: false }, vec![]));
    }
}
