//! A wire in user space: frames are taken from one interface, and lost, delayed or reordered on their way to another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send, setsockopt, socket,
    sockopt,
};

/// What one direction of a wire does to frames. Chances are counted in thousandths; the same seed gives the same losses.
#[derive(Clone, Copy, Default)]
pub struct Line {
    /// One way.
    pub delay: Duration,
    /// Frames lost one by one, per 1000.
    pub loss: u32,
    /// Frames at which a burst of losses begins, per 1000; it lasts four frames on average.
    pub bursts: u32,
    /// Frames that come `late` after the others, per 1000.
    pub reordered: u32,
    /// How late.
    pub late: Duration,
    /// Frames longer than this vanish; 0 for none.
    pub longest_bytes: usize,
    /// Only frames with data are harmed.
    pub data_only: bool,
}

const OUTGOING: u8 = 4;
const DATA_BYTES: usize = 100;

/// Forwards until the interface is gone.
pub fn forward(from: &str, to: &str, line: Line) {
    let (input, output) = (packet_socket(from), packet_socket(to));
    let mut waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let (mut chance, mut number, mut buffer) =
        (Chance { state: 0x2545_F491_4F6C_DD1D, burst: false }, 0, vec![0; 65_536]);
    loop {
        wait(&input, waiting.peek().map(|next| next.0.0));
        while let Some(length) = receive(&input, &mut buffer) {
            let Ok(length) = length else { return };
            if let Some(after) = chance.fate(&line, length) {
                number += 1;
                waiting.push(Reverse((Instant::now() + after, number, buffer[..length].to_vec())));
            }
        }
        while waiting.peek().is_some_and(|next| next.0.0 <= Instant::now()) {
            let Reverse((_, _, frame)) = waiting.pop().expect("just seen");
            // A full queue loses the frame, as a wire does.
            let _ = send(output.as_raw_fd(), &frame, MsgFlags::empty());
        }
    }
}

fn packet_socket(device: &str) -> OwnedFd {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).expect("we own the namespace");
    let address = getifaddrs().expect("interfaces can be listed").find_map(|interface| {
        (interface.interface_name == device).then(|| interface.address?.as_link_addr().copied()).flatten()
    });
    bind(socket.as_raw_fd(), &address.expect("the interface exists")).expect("an interface can be bound");
    setsockopt(&socket, sockopt::RcvBuf, &(8 << 20)).expect("a buffer can be asked for");
    socket
}

fn wait(input: &OwnedFd, until: Option<Instant>) {
    let left = until.map_or(Duration::from_millis(200), |at| at.saturating_duration_since(Instant::now()));
    if left >= Duration::from_millis(1) {
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], timeout);
    }
}

/// The next frame that came from outside; `None` when there is none now.
fn receive(input: &OwnedFd, buffer: &mut [u8]) -> Option<nix::Result<usize>> {
    loop {
        match recvfrom::<LinkAddr>(input.as_raw_fd(), buffer) {
            Ok((_, Some(from))) if from.pkttype() == OUTGOING => {}
            Ok((length, _)) => return Some(Ok(length)),
            Err(Errno::EAGAIN) => return None,
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Marsaglia's xorshift64, and whether a burst of losses is on.
struct Chance {
    state: u64,
    burst: bool,
}

impl Chance {
    fn hits(&mut self, per_thousand: u32) -> bool {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % 1000 < u64::from(per_thousand)
    }

    /// How long a frame takes; `None` when it is lost.
    fn fate(&mut self, line: &Line, length: usize) -> Option<Duration> {
        if line.data_only && length < DATA_BYTES {
            return Some(line.delay);
        }
        let too_long = line.longest_bytes > 0 && length > line.longest_bytes;
        // A burst that has begun goes on with three chances in four.
        self.burst = if self.burst { self.hits(750) } else { self.hits(line.bursts) };
        if too_long || self.burst || self.hits(line.loss) {
            return None;
        }
        Some(if self.hits(line.reordered) { line.delay + line.late } else { line.delay })
    }
}
