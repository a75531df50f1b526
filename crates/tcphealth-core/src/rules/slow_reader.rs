//! `slow-reader`: throughput is the peer's reading speed.

use super::held::LIKELY;
use super::peer_sockets::{PeerSockets, by_peer, unacknowledged};
use super::wording::percent;
use super::{Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Followed, State};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "slow-reader",
    trouble: text! { en: "throughput is the peer's reading speed", ko: "처리량이 상대가 읽는 속도로 정해짐" },
    page: Page {
        sees: text! {
            en: "Δtcpi_rwnd_limited / Δtcpi_busy_time of at least one half, on a moving connection that was busy for half of the window.",
            ko: "관찰 구간의 절반 이상 전송 중이고 데이터가 움직이는 연결에서 Δtcpi_rwnd_limited / Δtcpi_busy_time이 절반 이상."
        },
        matters: text! {
            en: "The transfer is as fast as the peer reads; neither the network nor this host slows it.",
            ko: "전송 속도는 상대가 읽는 속도이다. 네트워크나 이 호스트 때문이 아니다."
        },
        act: text! {
            en: "Nothing here; look at the reader or at its receive buffer (tcp_rmem there).",
            ko: "이쪽에서 할 일은 없다. 읽는 쪽 프로그램이나 그쪽 수신 버퍼(tcp_rmem)를 확인한다."
        },
        sources: "net/ipv4/tcp_output.c tcp_chrono_start(); net/ipv4/tcp.c tcp_get_info_chrono_stats()",
    },
    rank: 99,
    reads: &[Read::TwoLooks],
    asks: &[],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let Some(census) = window.census() else { return Verdict::Healthy(None) };
    let slow = |followed: &Followed| is_slow(window, limits, followed);
    let findings: Vec<Finding> = by_peer(census, slow).iter().map(|peer| finding(window, peer)).collect();
    findings.into()
}

/// Whether the peer's window sets the pace of a moving socket.
pub(super) fn is_slow(window: &Window, limits: &Limits, followed: &Followed) -> bool {
    limited(window, followed).is_some_and(|share| share >= limits.slow_reader_ratio)
}

/// Share of its busy time in which the peer's window held a moving socket up; `None` when it was busy for less than half of
/// the window.
fn limited(window: &Window, followed: &Followed) -> Option<f64> {
    let (info, mark) = (followed.socket.info.as_ref()?, followed.before?);
    if followed.socket.state != State::Established || !followed.kept() || unacknowledged(followed) {
        return None;
    }
    let grown = |us: u64, before_ms: u32| f64::from(((us / 1000) as u32).wrapping_sub(before_ms));
    let busy = grown(info.busy_time()?, mark.busy_ms);
    (busy >= window.seconds() * 500.0).then(|| grown(info.rwnd_limited().unwrap_or(0), mark.rwnd_limited_ms) / busy)
}

fn finding(window: &Window, peer: &PeerSockets) -> Finding {
    let share = peer.sockets.iter().filter_map(|followed| limited(window, followed)).fold(0.0, f64::max);
    let (address, count, ratio) = (peer.address, peer.count(), percent(share.min(1.0)));
    let summary = say! {
        en: "{address} reads more slowly than we send: its window held {count} connections up for {ratio} of the time",
        ko: "{address}: 보내는 것보다 느리게 읽음. 연결 {count}개가 시간의 {ratio} 동안 상대 윈도에 막힘",
        address = address, count = count, ratio = ratio
    };
    let mut finding = Finding::new(Severity::Info, peer.subject(), summary);
    finding.confidence = LIKELY;
    finding.size = share;
    finding.cause = say! { en: "the program on the peer, or its receive buffer, sets the pace", ko: "상대 프로그램이나 수신 버퍼가 속도를 정함" };
    finding.now = vec![Advice::from(say! { en: "nothing here", ko: "이쪽에서 할 일 없음" })];
    finding.verify = vec![format!("ss -tino dst {address}")];
    let buffer = |followed: &&Followed| {
        let info = followed.socket.info.as_ref()?;
        Some(info.sndbuf_limited()? as f64 / info.busy_time().filter(|&busy| busy > 0)? as f64)
    };
    let buffer = peer.sockets.iter().filter_map(buffer).fold(0.0, f64::max);
    finding
        .evidence(
            "held up by its window",
            (share, "ratio"),
            "peer, whole window",
            "Δtcpi_rwnd_limited / Δtcpi_busy_time",
        )
        .evidence(
            "held up by our send buffer",
            (buffer, "ratio"),
            "connection, its life",
            "tcpi_sndbuf_limited / tcpi_busy_time",
        )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::Socket;

    /// A window of ten seconds, so long busy and so long limited in it.
    fn scene(busy_ms: u64, limited_ms: u64, acked: u64) -> Example {
        let socket = Socket::tcp(State::Established, "192.0.2.1:80", "198.51.100.7:20000");
        let fields = [("busy_time", busy_ms * 1000), ("rwnd_limited", limited_ms * 1000), ("bytes_acked", acked)];
        Scene::new().kept(socket.clone(), socket.info(&fields)).build()
    }

    /// Limited for half of the time.
    pub(crate) fn example() -> Example {
        scene(10_000, 5_000, 9)
    }

    #[test]
    fn it_is_information_from_one_half_on() {
        assert_eq!(scene(10_000, 4_999, 9).severity(&RULE), None);
        assert_eq!(example().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(4_999, 4_999, 9).severity(&RULE), None, "hardly busy");
        assert_eq!(scene(10_000, 10_000, 0).severity(&RULE), None, "it does not move: peer-not-reading");
    }
}
