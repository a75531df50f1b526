//! A packet socket that hears resets, SYN-ACKs and ICMP errors, and nothing else: a classic BPF program in the kernel drops the
//! rest before it is queued.
//!
//! Source: packet(7), Documentation/networking/filter.rst. SOCK_DGRAM begins at the IP header on every kind of device.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, getsockopt, recvfrom, setsockopt, socket,
};
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};
use tcphealth_core::snapshot::{Packet, Watch};
use tcphealth_core::wire::packet;

use crate::clock;

// include/uapi/asm-generic/socket.h, linux/if_packet.h
sockopt_impl!(AttachFilter, SetOnly, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, libc::sock_fprog);
sockopt_impl!(Statistics, GetOnly, libc::SOL_PACKET, libc::PACKET_STATISTICS, libc::tpacket_stats);

/// Enough for the longest IP header, the ICMP header, and a quoted IP header with the first bytes of TCP.
const SNAP_BYTES: usize = 192;
/// What the filter returns for a packet that is wanted: how much of it to keep.
const KEEP: u32 = SNAP_BYTES as u32;

const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_BYTE_AFTER_HEADER: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
const LOAD_HEADER_LENGTH: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
/// `SKF_AD_OFF + SKF_AD_PROTOCOL`: the packet's EtherType.
const PROTOCOL: u32 = (-0x1000_i32).cast_unsigned();

/// A label, an operation with its operand, and the labels to go on at when it holds and when not; an empty one is the next.
type Step = (&'static str, u32, u32, &'static str, &'static str);

/// The program. `reset`, `syn-ack` and `icmp` return what is wanted of them.
const STEPS: [Step; 31] = [
    ("", LOAD_HALF, PROTOCOL, "", ""),
    ("", EQUAL, 0x0800, "", "ipv6"),
    ("", LOAD_BYTE, 9, "", ""),
    ("", EQUAL, 6, "", "not tcp4"),
    ("", LOAD_HALF, 6, "", ""),
    ("", ANY_BIT, 0x1fff, "drop", ""), // only the first fragment has the header
    ("", LOAD_HEADER_LENGTH, 0, "", ""),
    ("", LOAD_BYTE_AFTER_HEADER, 13, "", ""),
    ("", ANY_BIT, 0x04, "reset", ""),
    ("", AND, 0x12, "", ""),
    ("", EQUAL, 0x12, "syn-ack", "drop"),
    ("not tcp4", EQUAL, 1, "", "drop"),
    ("", LOAD_HEADER_LENGTH, 0, "", ""),
    ("", LOAD_BYTE_AFTER_HEADER, 0, "", ""),
    ("", EQUAL, 3, "icmp", ""),
    ("", EQUAL, 11, "icmp", ""),
    ("", EQUAL, 12, "icmp", "drop"),
    ("ipv6", EQUAL, 0x86dd, "", "drop"),
    ("", LOAD_BYTE, 6, "", ""),
    ("", EQUAL, 6, "", "not tcp6"),
    ("", LOAD_BYTE, 40 + 13, "", ""),
    ("", ANY_BIT, 0x04, "reset", ""),
    ("", AND, 0x12, "", ""),
    ("", EQUAL, 0x12, "syn-ack", "drop"),
    ("not tcp6", EQUAL, 58, "", "drop"),
    ("", LOAD_BYTE, 40, "", ""),
    ("", GREATER, 4, "drop", "icmp"),
    ("reset", RETURN, KEEP, "", ""),
    ("syn-ack", RETURN, KEEP, "", ""),
    ("icmp", RETURN, KEEP, "", ""),
    ("drop", RETURN, 0, "", ""),
];

fn program(watches: &[Watch]) -> Vec<libc::sock_filter> {
    let unwanted = |label: &str| match label {
        "reset" => !watches.contains(&Watch::Resets),
        "syn-ack" => !watches.contains(&Watch::SynAcks),
        "icmp" => !watches.contains(&Watch::IcmpErrors),
        _ => false,
    };
    let far = |from: usize, label: &str| match label {
        "" => 0,
        label => {
            STEPS.iter().skip(from + 1).position(|step| step.0 == label).expect("jumps go forward to a label") as u8
        }
    };
    let step = |(place, &(label, code, k, yes, no)): (usize, &Step)| {
        let k = if unwanted(label) { 0 } else { k };
        libc::sock_filter { code: code as u16, jt: far(place, yes), jf: far(place, no), k }
    };
    STEPS.iter().enumerate().map(step).collect()
}

/// An open packet socket.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Hears all devices of the namespace of the calling thread, both directions. Needs CAP_NET_RAW.
    pub(crate) fn open(watches: &[Watch]) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll)?;
        let mut steps = program(watches);
        let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        setsockopt(&fd, AttachFilter, &program)?;
        Ok(Self { fd })
    }

    /// The next packet of the wanted kinds that has been queued.
    pub(crate) fn next(&self) -> Option<Packet> {
        let mut bytes = [0; SNAP_BYTES];
        loop {
            let (length, from) = recvfrom::<LinkAddr>(self.fd.as_raw_fd(), &mut bytes).ok()?;
            // What was queued before the filter was attached is sorted out here.
            let Some(mut heard) = bytes.get(..length).and_then(packet::parse) else { continue };
            heard.at_ns = clock::boot_ns();
            if let Some(from) = from {
                heard.outgoing = from.pkttype() == libc::PACKET_OUTGOING;
                heard.ifindex = from.ifindex() as u32;
            }
            return Some(heard);
        }
    }

    /// How many packets did not fit into the queue since the last call.
    pub(crate) fn dropped(&self) -> u64 {
        getsockopt(&self.fd, Statistics).map_or(0, |statistics| u64::from(statistics.tp_drops))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
