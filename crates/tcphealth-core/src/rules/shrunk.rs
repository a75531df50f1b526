//! Connections around which the kernel has found a way: full segments vanished, it probed and now sends smaller ones.
//!
//! Source: RFC 4821; net/ipv4/tcp_timer.c tcp_mtu_probing(). What they sent again on the way there tells of the MTU, not of the line.

use std::net::IpAddr;

use crate::catalog::Counter;
use crate::snapshot::{Followed, Line};
use crate::window::Window;

/// Probes of a larger segment that arrived.
pub(super) const PROBED: Counter = Counter("TcpExt.TCPMTUPSuccess");
/// IPv4 or IPv6 and TCP headers with timestamps, bytes.
const HEADERS_BYTES: [u32; 2] = [52, 72];

/// They; none as long as no probe has succeeded in the window.
pub(super) fn shrunk<'a>(window: &Window<'a>) -> impl Iterator<Item = &'a Followed> {
    let probed = window.delta(PROBED).unwrap_or(0) > 0;
    let sockets = window.census().filter(|_| probed).map_or(&[][..], |census| &census.sockets);
    sockets.iter().filter(|kept| is_shrunk(kept))
}

/// Sends smaller segments than its path's MTU allows and moves: what a successful MTU probe leaves behind.
fn is_shrunk(kept: &Followed) -> bool {
    let facts = || {
        let info = kept.socket.info.as_ref()?;
        let lossy = info.total_retrans()? > 0 && !kept.stuck();
        let [ipv4, ipv6] = HEADERS_BYTES;
        let headers = if kept.socket.remote.address.is_ipv6() { ipv6 } else { ipv4 };
        Some(lossy && info.snd_mss()? + headers < info.pmtu()? && info.snd_mss()? < info.advmss()?)
    };
    facts().unwrap_or(false)
}

/// What they sent again in the window.
pub(super) fn retrans(window: &Window) -> u64 {
    shrunk(window).map(|kept| again(kept).0).sum()
}

/// A peer's line without what they sent again.
pub(super) fn without(line: &Line, window: &Window, address: IpAddr) -> Line {
    shrunk(window).filter(|kept| kept.socket.remote.address == address).map(again).fold(
        *line,
        |line, (retrans, dups)| {
            let lost = retrans.saturating_sub(dups);
            Line {
                sockets_again: line.sockets_again.saturating_sub(u32::from(retrans > 0)),
                sockets_lossy: line.sockets_lossy.saturating_sub(u32::from(lost > 0)),
                retrans: line.retrans.saturating_sub(retrans),
                dsack_dups: line.dsack_dups.saturating_sub(dups),
                lost: line.lost.saturating_sub(lost),
                ..line
            }
        },
    )
}

/// Segments sent again since the look before, and duplicates that the peer reported.
fn again(kept: &Followed) -> (u64, u64) {
    let (Some(info), Some(mark)) = (&kept.socket.info, &kept.before) else { return (0, 0) };
    let grown = |now: Option<u32>, then: u32| u64::from(now.unwrap_or(then).wrapping_sub(then));
    (grown(info.total_retrans(), mark.total_retrans), grown(info.dsack_dups(), mark.dsack_dups))
}
