//! Bytes → replies that nobody asked for: truncated quotes, forged senders, loops, replies to probes of the past and of
//! the future. Whatever comes, probes stay bounded in number and rate, the walk ends, and nothing panics.

use std::net::{IpAddr, Ipv4Addr};
use tcphealth_core::path::{Answer, Plan, Probe, Protocol, Quote, Reply, Step, Tracer, Walker, judge};

const ROUNDS: u32 = 6;
const MAX_TTL: u8 = 12;
const INTERVAL_US: u64 = 1_050_000;

/// Four bytes of input for each reply.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<[u8; 4]> {
        let (four, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*four)
    }
}

fn plan(flows: u8) -> Plan {
    Plan {
        target: address(0),
        port: 443,
        source: address(1),
        protocol: Protocol::Tcp,
        flows: u16::from(flows % 5),
        rounds: ROUNDS,
        interval_us: INTERVAL_US,
        max_ttl: MAX_TTL,
        duration_us: None,
    }
}

/// 0 is the target, 1 this host, the others are whoever.
fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, number).into()
}

fn forged([kind, who, id, rtt]: [u8; 4], newest: u32) -> Reply {
    let answer = match kind % 4 {
        0 => Answer::Arrived,
        1 => Answer::Unreachable(kind),
        _ => Answer::TimeExceeded,
    };
    // Mostly the probe on its way, at times one of the past or one that was never sent.
    let id = if id < 200 { newest } else { newest.wrapping_add(u32::from(id)).wrapping_sub(228) };
    let from = (kind & 0x40 == 0).then(|| address(who % 32));
    Reply { id, from, answer, rtt_us: (kind & 0x20 == 0).then(|| u32::from(rtt) << (kind >> 3)) }
}

/// Lets a tracer meet the replies that the bytes spell.
pub fn survive(bytes: &[u8]) {
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
        let _ = Quote::parse(protocol, bytes);
    }
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (mut bytes, mut tracer) = (Bytes(rest), Tracer::new(plan(*first), 0));
    let (mut now_us, mut sent) = (0, Vec::<(u64, Probe)>::new());
    loop {
        match tracer.step(now_us) {
            Step::Send(probe) => sent.push((now_us, probe)),
            Step::Forget(probe) if probe.id % 3 == 0 => tracer.heard(probe),
            Step::Forget(_) => {}
            Step::Wait(until_us) => {
                assert!(until_us > now_us, "a wait that is over already would spin");
                let newest = sent.last().map_or(0, |(_, probe)| probe.id);
                match bytes.next() {
                    Some(four) => {
                        tracer.reply(forged(four, newest));
                        now_us += u64::from(four[3]) * 100;
                    }
                    None => now_us = until_us,
                }
            }
            Step::Done => break,
        }
    }
    bounded(&sent);
    let path = tracer.path();
    let _ = judge(&path);
    assert!(path.hops().iter().all(|hop| hop.lost <= hop.sent && hop.sent <= ROUNDS && hop.addresses.len() <= 16));
}

fn bounded(sent: &[(u64, Probe)]) {
    assert!(sent.len() <= ROUNDS as usize * usize::from(MAX_TTL));
    for ttl in 1..=MAX_TTL {
        let times: Vec<u64> = sent.iter().filter(|(_, probe)| probe.ttl == ttl).map(|(at, _)| *at).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL_US), "ttl {ttl}: {times:?}");
    }
}
