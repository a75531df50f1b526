//! A condition on the two ends of a socket → the program by which the kernel chooses what it dumps.
//!
//! Source: include/uapi/linux/inet_diag.h (`INET_DIAG_REQ_BYTECODE`), net/ipv4/inet_diag.c (`inet_diag_bc_run()`). Each step says how
//! far to go on when it holds and when it does not, in bytes; who comes to the end exactly is taken, who comes beyond it is not.

use std::net::IpAddr;

const JMP: u8 = 1;
const S_GE: u8 = 2;
const S_LE: u8 = 3;
const S_COND: u8 = 7;
/// From a step on our end to the same on the remote end: ports, hosts.
const D_GE_AFTER: u8 = 2;
const D_COND_AFTER: u8 = 1;
/// `sizeof(struct inet_diag_bc_op)`, and how far beyond the end a refusal leads.
const STEP: usize = 4;
/// Far fewer than a step's 16 bits can skip.
const BYTES_MAX: usize = 16_384;

/// Which end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Ours.
    Local,
    /// The peer's.
    Remote,
}

/// A program for the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(Vec<u8>);

impl Code {
    /// The port is this or higher.
    pub fn port_from(end: End, port: u16) -> Self {
        Self::port(S_GE, end, port)
    }

    /// The port is this or lower.
    pub fn port_to(end: End, port: u16) -> Self {
        Self::port(S_LE, end, port)
    }

    fn port(code: u8, end: End, port: u16) -> Self {
        let code = code + if end == End::Remote { D_GE_AFTER } else { 0 };
        let [low, high] = port.to_ne_bytes();
        Self::step(code, &[0, 0, low, high])
    }

    /// The address is in this network of so many bits; an IPv4 address mapped into IPv6 is an IPv4 address.
    pub fn inside(end: End, network: IpAddr, bits: u8) -> Self {
        let code = S_COND + if end == End::Remote { D_COND_AFTER } else { 0 };
        let family = if network.is_ipv4() { 2 } else { 10 };
        let mut condition = vec![family, bits, 0, 0];
        condition.extend((-1_i32).to_ne_bytes());
        match network {
            IpAddr::V4(address) => condition.extend(address.octets()),
            IpAddr::V6(address) => condition.extend(address.octets()),
        }
        Self::step(code, &condition)
    }

    /// Goes on at its end when it holds, and beyond it when not.
    fn step(code: u8, operands: &[u8]) -> Self {
        let bytes = STEP + operands.len();
        let mut step = op(code, bytes as u8, bytes + STEP);
        step.extend(operands);
        Self(step)
    }

    /// Both hold.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let (end, more) = (self.0.len(), other.0.len());
        let mut at = 0;
        while let Some([_, yes, low, high]) = self.0.get(at..at + STEP) {
            let (yes, no) = (usize::from(*yes), usize::from(u16::from_ne_bytes([*low, *high])));
            // What leads beyond the end of this must lead beyond the end of both.
            if at + no == end + STEP
                && let Some(place) = self.0.get_mut(at + 2..at + STEP)
            {
                place.copy_from_slice(&((no + more) as u16).to_ne_bytes());
            }
            at += yes;
        }
        self.0.extend(&other.0);
        self
    }

    /// One of them holds, or both.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.0.extend(op(JMP, STEP as u8, STEP + other.0.len()));
        self.0.extend(&other.0);
        self
    }

    /// It does not hold.
    #[must_use]
    pub fn negated(mut self) -> Self {
        self.0.extend(op(JMP, STEP as u8, 2 * STEP));
        self
    }

    /// The bytes; `None` for a program that is longer than its steps can skip.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        Some(self.0.as_slice()).filter(|bytes| bytes.len() <= BYTES_MAX)
    }
}

/// `struct inet_diag_bc_op`.
fn op(code: u8, yes: u8, no: usize) -> Vec<u8> {
    let [low, high] = (no as u16).to_ne_bytes();
    vec![code, yes, low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's `inet_diag_bc_audit()` and `inet_diag_bc_run()` on ports, from their description.
    fn runs(code: &Code, sport: u16, dport: u16) -> bool {
        let bytes = code.bytes().unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let (kind, yes) = (bytes[at], usize::from(bytes[at + 1]));
            let no = usize::from(u16::from_ne_bytes([bytes[at + 2], bytes[at + 3]]));
            assert!([yes, no].iter().all(|skip| *skip >= 4 && at + skip <= bytes.len() + 4 && skip % 4 == 0));
            let port = || u16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]);
            let holds = match kind {
                1 => false,
                2 => sport >= port(),
                3 => sport <= port(),
                4 => dport >= port(),
                5 => dport <= port(),
                other => panic!("{other}"),
            };
            at += if holds { yes } else { no };
        }
        at == bytes.len()
    }

    type Case = (Code, fn(u16, u16) -> bool);

    #[test]
    fn ports_joined_in_every_way_choose_as_logic_does() {
        let low = || Code::port_from(End::Local, 10).and(&Code::port_to(End::Local, 20));
        let far = || Code::port_from(End::Remote, 100);
        let cases: [Case; 6] = [
            (low(), |s, _| (10..=20).contains(&s)),
            (low().negated(), |s, _| !(10..=20).contains(&s)),
            (low().or(&far()), |s, d| (10..=20).contains(&s) || d >= 100),
            (low().or(&far()).negated().and(&Code::port_to(End::Remote, 50)), |s, d| {
                !(10..=20).contains(&s) && d <= 50
            }),
            (far().and(&low().negated()).or(&Code::port_to(End::Local, 5)), |s, d| {
                d >= 100 && !(10..=20).contains(&s) || s <= 5
            }),
            (low().or(&far()).and(&low().or(&far()).negated()), |_, _| false),
        ];
        for (code, logic) in cases {
            for (sport, dport) in
                [4, 5, 9, 10, 15, 20, 21, 99].into_iter().flat_map(|s| [50, 51, 99, 100].map(|d| (s, d)))
            {
                assert_eq!(runs(&code, sport, dport), logic(sport, dport), "{sport} {dport} {code:?}");
            }
        }
    }

    #[test]
    fn a_network_is_written_as_the_kernel_reads_it() {
        let Code(bytes) = Code::inside(End::Remote, "192.0.2.0".parse().unwrap(), 24);
        assert_eq!(bytes[..2], [8, 16]);
        assert_eq!(bytes[4..], [[2, 24, 0, 0], [255; 4], [192, 0, 2, 0]].concat());
        assert_eq!(Code::inside(End::Local, "2001:db8::".parse().unwrap(), 32).0.len(), 28);
    }

    #[test]
    fn what_is_too_long_to_skip_is_not_asked() {
        let one = Code::port_from(End::Local, 1);
        let long = (0..3000).fold(one.clone(), |code, _| code.or(&one));
        assert!(long.bytes().is_none() && one.bytes().is_some());
    }
}
