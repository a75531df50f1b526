//! `struct tcp_info` as the kernel filled it, read field by field at its offset, so that a shorter one says `None`.
//!
//! Source: include/uapi/linux/tcp.h at v6.18 (280 bytes); filled by net/ipv4/tcp.c `tcp_get_info()`. A longer one is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most bytes of a `tcp_info` that are kept; the longest known is 280.
pub const BYTES_MAX: usize = 320;

/// One field of `tcp_info`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The kernel's name without `tcpi_`.
    pub name: &'static str,
    /// Where it begins, bytes.
    pub offset: usize,
    /// How wide it is, bytes: 1, 2, 4 or 8.
    pub width: usize,
}

/// The bytes of one `tcp_info`.
#[derive(Clone, Copy)]
pub struct TcpInfo {
    length: u16,
    bytes: [u8; BYTES_MAX],
}

impl TcpInfo {
    /// Keeps at most [`BYTES_MAX`] bytes.
    pub fn new(from: &[u8]) -> Self {
        let mut info = Self { length: 0, bytes: [0; BYTES_MAX] };
        let length = from.len().min(BYTES_MAX);
        if let (Some(to), Some(from)) = (info.bytes.get_mut(..length), from.get(..length)) {
            to.copy_from_slice(from);
        }
        info.length = length as u16;
        info
    }

    /// What the kernel filled.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// One field; `None` when this kernel's `tcp_info` ends before it.
    pub fn field(&self, field: &Field) -> Option<u64> {
        let bytes = self.bytes().get(field.offset..field.offset + field.width)?;
        let mut wide = [0; 8];
        if cfg!(target_endian = "little") {
            wide.get_mut(..field.width)?.copy_from_slice(bytes);
        } else {
            wide.get_mut(8 - field.width..)?.copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(wide))
    }

    /// Writes one field.
    pub(crate) fn put(&mut self, field: &Field, value: u64) {
        match field.width {
            1 => self.put_bytes(field.offset, (value as u8).to_ne_bytes()),
            2 => self.put_bytes(field.offset, (value as u16).to_ne_bytes()),
            4 => self.put_bytes(field.offset, (value as u32).to_ne_bytes()),
            _ => self.put_bytes(field.offset, value.to_ne_bytes()),
        }
    }

    fn put_bytes<const WIDTH: usize>(&mut self, offset: usize, from: [u8; WIDTH]) {
        if let Some(to) = self.bytes.get_mut(offset..offset + WIDTH).and_then(|to| to.first_chunk_mut()) {
            *to = from;
        }
    }

    /// Window scales, ours and the peer's: `snd_wscale`, `rcv_wscale` share one byte.
    pub fn wscale(&self) -> Option<(u8, u8)> {
        let byte = *self.bytes().get(6)?;
        let (low, high) = (byte & 0xf, byte >> 4);
        Some(if cfg!(target_endian = "little") { (low, high) } else { (high, low) })
    }

    /// Whether the delivery rate was measured while the program had nothing to send.
    pub fn delivery_rate_app_limited(&self) -> Option<bool> {
        let byte = *self.bytes().get(7)?;
        Some(if cfg!(target_endian = "little") { byte & 1 != 0 } else { byte & 0x80 != 0 })
    }
}

/// The bytes before the first whole field hold bit fields: they are kept by their offsets.
const BIT_FIELDS: [usize; 2] = [6, 7];

impl Serialize for TcpInfo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let named = FIELDS.iter().filter_map(|field| Some((field.name.to_owned(), self.field(field)?)));
        let bits = BIT_FIELDS.iter().filter_map(|at| Some((format!("byte{at}"), u64::from(*self.bytes().get(*at)?))));
        let length = [("length".to_owned(), u64::from(self.length))];
        let set = named.chain(bits).filter(|(_, value)| *value != 0).chain(length);
        set.collect::<BTreeMap<_, _>>().serialize(to)
    }
}

impl<'de> Deserialize<'de> for TcpInfo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, u64>::deserialize(from)?;
        let mut info = Self { length: 0, bytes: [0; BYTES_MAX] };
        info.length = values.get("length").map_or(0, |length| (*length).min(BYTES_MAX as u64) as u16);
        let bits = BIT_FIELDS.map(|offset| (format!("byte{offset}"), Field { name: "", offset, width: 1 }));
        let named = FIELDS.iter().map(|field| (field.name.to_owned(), *field));
        for (name, field) in named.chain(bits) {
            info.put(&field, values.get(&name).copied().unwrap_or(0));
        }
        Ok(info)
    }
}

impl std::fmt::Debug for TcpInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(FIELDS.iter().filter_map(|field| Some((field.name, self.field(field)?)))).finish()
    }
}

macro_rules! fields {
    ($($name:ident $kind:ident $offset:literal $meaning:literal;)*) => {
        /// Every named field but the bit fields, in the kernel's order.
        pub const FIELDS: &[Field] =
            &[$(Field { name: stringify!($name), offset: $offset, width: size_of::<$kind>() }),*];

        impl TcpInfo {
            $(
                #[doc = concat!("`tcpi_", stringify!($name), "`: ", $meaning)]
                pub fn $name(&self) -> Option<$kind> {
                    let bytes = self.bytes().get($offset..$offset + size_of::<$kind>())?;
                    Some($kind::from_ne_bytes(bytes.try_into().ok()?))
                }
            )*
        }
    };
}

fields! {
    state u8 0 "state at the time of the look.";
    ca_state u8 1 "congestion state: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.";
    retransmits u8 2 "timeouts in a row without an answer.";
    probes u8 3 "unanswered zero-window or keepalive probes.";
    backoff u8 4 "doublings of the timeout.";
    options u8 5 "1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 ECN seen, 32 Fast Open data.";
    rto u32 8 "retransmission timeout, µs.";
    ato u32 12 "delayed-ACK timeout, µs.";
    snd_mss u32 16 "segment size we send, bytes.";
    rcv_mss u32 20 "segment size the peer sends, bytes (estimate).";
    unacked u32 24 "segments in flight; LISTEN: length of the accept queue.";
    sacked u32 28 "segments the peer has beyond a gap; LISTEN: limit of the accept queue.";
    lost u32 32 "segments held for lost.";
    retrans u32 36 "segments in flight for the second time.";
    fackets u32 40 "unused since 4.15.";
    last_data_sent u32 44 "since the last data sent, ms.";
    last_ack_sent u32 48 "never filled.";
    last_data_recv u32 52 "since the last data received, ms.";
    last_ack_recv u32 56 "since the last acknowledgement received, ms.";
    pmtu u32 60 "path MTU, bytes.";
    rcv_ssthresh u32 64 "receive window clamp, bytes.";
    rtt u32 68 "smoothed round-trip time, µs (RFC 6298).";
    rttvar u32 72 "its mean deviation, µs (RFC 6298).";
    snd_ssthresh u32 76 "slow-start threshold, segments; 2147483647 when there was no loss yet.";
    snd_cwnd u32 80 "congestion window, segments.";
    advmss u32 84 "segment size we announced, bytes.";
    reordering u32 88 "reordering degree, segments.";
    rcv_rtt u32 92 "round-trip time seen as a receiver, µs.";
    rcv_space u32 96 "receive buffer auto-tuning, bytes.";
    total_retrans u32 100 "segments sent again, ever.";
    pacing_rate u64 104 "bytes a second; all ones without pacing.";
    max_pacing_rate u64 112 "bytes a second; all ones without a cap.";
    bytes_acked u64 120 "bytes acknowledged by the peer (SYN counts one).";
    bytes_received u64 128 "bytes received in order.";
    segs_out u32 136 "segments sent, retransmissions included.";
    segs_in u32 140 "segments received.";
    notsent_bytes u32 144 "bytes queued and never sent.";
    min_rtt u32 148 "smallest round-trip time of the last five minutes, µs; all ones when there is none.";
    data_segs_in u32 152 "segments with data received.";
    data_segs_out u32 156 "segments with data sent, retransmissions included.";
    delivery_rate u64 160 "newest goodput, bytes a second.";
    busy_time u64 168 "time with data in flight, µs.";
    rwnd_limited u64 176 "of it, held up by the peer's window, µs.";
    sndbuf_limited u64 184 "of it, held up by our send buffer, µs.";
    delivered u32 192 "segments delivered, retransmissions included.";
    delivered_ce u32 196 "of them, marked congested.";
    bytes_sent u64 200 "bytes of data sent, retransmissions included.";
    bytes_retrans u64 208 "bytes of data sent again.";
    dsack_dups u32 216 "duplicates reported by the peer (RFC 2883).";
    reord_seen u32 220 "reorderings detected.";
    rcv_ooopack u32 224 "segments received out of order.";
    snd_wnd u32 228 "the peer's window, bytes.";
    rcv_wnd u32 232 "our window, bytes.";
    rehash u32 236 "changes of the flow's hash after timeouts.";
    total_rto u16 240 "retransmission timeouts, ever.";
    total_rto_recoveries u16 242 "runs of such timeouts.";
    total_rto_time u32 244 "time spent in them, ms.";
    received_ce u32 248 "segments received with a congestion mark.";
    delivered_e1_bytes u32 252 "bytes delivered as ECT(1).";
    delivered_e0_bytes u32 256 "bytes delivered as ECT(0).";
    delivered_ce_bytes u32 260 "bytes delivered as CE.";
    received_e1_bytes u32 264 "bytes received as ECT(1).";
    received_e0_bytes u32 268 "bytes received as ECT(0).";
    received_ce_bytes u32 272 "bytes received as CE.";
    accecn_fail_mode u16 276 "AccECN failure bits.";
    accecn_opt_seen u16 278 "AccECN option seen.";
}

impl TcpInfo {
    /// `tcpi_min_rtt` in µs, or `None` when nothing has been measured.
    pub fn min_rtt_us(&self) -> Option<u32> {
        self.min_rtt().filter(|&rtt| rtt != u32::MAX && rtt != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_tcp_info_says_none_and_never_zero() {
        let info = TcpInfo::new(&[7; 104]);
        assert_eq!(info.total_retrans(), Some(0x0707_0707));
        assert_eq!(info.bytes_acked(), None);
        assert_eq!(TcpInfo::new(&[]).state(), None);
    }

    #[test]
    fn what_is_recorded_comes_back() {
        let bytes: Vec<u8> = (0..=255).chain(0..24).collect();
        let written = serde_json::to_string(&TcpInfo::new(&bytes)).unwrap();
        assert_eq!(serde_json::from_str::<TcpInfo>(&written).unwrap().bytes(), bytes);
        let short = serde_json::to_string(&TcpInfo::new(&bytes[..104])).unwrap();
        assert_eq!(serde_json::from_str::<TcpInfo>(&short).unwrap().bytes(), &bytes[..104]);
    }

    #[test]
    fn the_offsets_leave_no_gap_and_end_at_280() {
        let mut next = 8;
        for field in FIELDS.iter().filter(|field| field.offset >= 8) {
            assert_eq!(field.offset, next, "{}", field.name);
            next += field.width;
        }
        assert_eq!(next, 280);
    }
}
