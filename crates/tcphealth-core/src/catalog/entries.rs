//! The table of the catalogue. One row a counter; a new one is added here and nowhere else.

use super::{Counter, Entry, Kind, Scope};
use crate::text;

const fn counter(name: &'static str, unit: &'static str, meaning: crate::words::Text, source: &'static str) -> Entry {
    Entry { counter: Counter(name), unit, kind: Kind::Counter, scope: Scope::Namespace, meaning, source }
}

/// All described counters, in the order of the kernel's files.
pub const ENTRIES: &[Entry] = &[
    counter(
        "Tcp.RetransSegs",
        "segments",
        text! {
            en: "Segments sent again: data, SYN, SYN-ACK and tail-loss probes together. Not part of OutSegs.",
            ko: "다시 보낸 세그먼트: 데이터, SYN, SYN-ACK, TLP 프로브를 모두 합한 수. OutSegs에는 들어 있지 않다."
        },
        "RFC 1213 tcpRetransSegs; net/ipv4/tcp_output.c __tcp_retransmit_skb()",
    ),
    counter(
        "Tcp.OutSegs",
        "segments",
        text! {
            en: "Segments sent, SYN, pure ACK and RST included, retransmissions excluded.",
            ko: "보낸 세그먼트. SYN, 순수 ACK, RST를 포함하고 재전송은 제외한다."
        },
        "RFC 1213 tcpOutSegs; net/ipv4/tcp_output.c __tcp_transmit_skb()",
    ),
];
