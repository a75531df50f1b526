//! What can be heard of a namespace's connections without programs in the kernel, as it happens: sockets that are destroyed, of
//! which their tcp_info tells, and resets on the wire.
//!
//! Source: `SKNLGRP_INET_TCP_DESTROY` and its like for IPv6 (linux/sock_diag.h), packet(7). The kernel queues a few hundred
//! messages for an ordinary user, 8 MiB for CAP_NET_ADMIN; what finds no room is counted.

use std::collections::BTreeSet;
use std::thread::sleep;

use nix::errno::Errno;
use tcphealth_core::snapshot::{Absent, Endpoint, Event, EventCounts, Happening, Life, Packet, Socket, State, Watch};
use tcphealth_core::wire::WireError;
use tcphealth_core::wire::events::Kind;
use tcphealth_core::wire::sock_diag;

use crate::clock::boot_ns;
use crate::netlink::{Netlink, Protocol, feed};
use crate::packet_socket::PacketSocket;
use crate::watch::{LINGER, open_destroyed, refusal};

/// Messages that are taken at once, so that what they become stays small.
const READ_MAX: usize = 16_384;

/// Listening, as long as it lives.
#[derive(Debug)]
pub struct Overheard {
    destroyed: Option<Netlink>,
    packets: Option<PacketSocket>,
    counts: EventCounts,
    stopped: bool,
}

impl Overheard {
    /// Hears from now on, in the namespace of the calling thread, of lives and resets where these kinds are wanted.
    ///
    /// # Errors
    /// A packet socket is not permitted; of the other kinds nothing can be heard ([`Absent::NotHere`]).
    pub fn open(kinds: &BTreeSet<Kind>) -> Result<Self, Absent> {
        if !kinds.iter().all(|kind| matches!(kind, Kind::Life | Kind::ResetSent | Kind::ResetReceived)) {
            return Err(Absent::NotHere);
        }
        let lives = kinds.contains(&Kind::Life);
        let resets = kinds.iter().any(|kind| *kind != Kind::Life);
        let destroyed = lives.then(open_destroyed).transpose().map_err(|errno| refusal(Watch::Closed, errno))?;
        let packets = resets.then(|| PacketSocket::open(&[Watch::Resets])).transpose();
        let packets = packets.map_err(|errno| refusal(Watch::Resets, errno))?;
        Ok(Self { destroyed, packets, counts: EventCounts::default(), stopped: false })
    }

    /// What has been heard since this was last asked; each with the time when we read it.
    pub fn read(&mut self, each: &mut dyn FnMut(Event)) {
        let Self { destroyed, packets, counts, .. } = self;
        let mut overruns = packets.as_ref().map_or(0, PacketSocket::dropped);
        let mut hear = |event: Event| {
            counts.add(&event);
            each(event);
        };
        let heard = std::iter::from_fn(|| packets.as_ref().and_then(PacketSocket::next));
        heard.take(READ_MAX).for_each(|packet| hear(reset(&packet)));
        for _ in 0..READ_MAX {
            match destroyed.as_mut().map_or(Err(Errno::EAGAIN), Netlink::read_queued) {
                // A message that is not understood is one that was not heard.
                Ok(bytes) => overruns += u64::from(tell_lives(bytes, &mut hear).is_err()),
                Err(Errno::ENOBUFS) => overruns += 1,
                Err(_) => break,
            }
        }
        counts.overruns += overruns;
    }

    /// No more from now on but what is on its way, which can still be read.
    pub fn stop(&mut self) {
        if !self.stopped && self.destroyed.is_some() {
            sleep(LINGER);
        }
        self.stopped = true;
    }

    /// How often each thing has been heard so far.
    pub fn counts(&self) -> EventCounts {
        self.counts.clone()
    }
}

/// The lives that ended with the sockets of a message.
fn tell_lives(bytes: &[u8], tell: &mut dyn FnMut(Event)) -> Result<(), WireError> {
    let (at_ns, mut socket) = (boot_ns(), Socket::default());
    feed(Protocol::SockDiag.section(), bytes, &mut |_, body, _| {
        sock_diag::parse(body, &mut socket)?;
        if let Some(life) = socket.info.as_ref().and_then(Life::at_its_end) {
            let ends = (socket.local, socket.remote);
            tell(Event { uid: socket.uid, ..event(at_ns, ends, Happening::Life(life)) });
        }
        Ok(())
    })
    .map(drop)
}

fn reset(packet: &Packet) -> Event {
    let Packet { at_ns, source, destination, .. } = *packet;
    if packet.outgoing {
        // 0 is SK_RST_REASON_NOT_SPECIFIED.
        event(at_ns, (source, destination), Happening::ResetSent { reason: 0 })
    } else {
        event(at_ns, (destination, source), Happening::ResetReceived)
    }
}

fn event(at_ns: u64, (local, remote): (Endpoint, Endpoint), what: Happening) -> Event {
    Event { at_ns, local, remote, state: State::Close, program: None, inode: 0, uid: 0, what, stack: Vec::new() }
}
