//! Listening for the length of a window: sockets that die, resets, SYN-ACKs and ICMP errors on the wire, queues of listeners.
//!
//! One thread polls all of it. Each kind keeps at most [`KEPT_MAX`] records and counts the rest; what the kernel itself had to
//! drop (ENOBUFS, packet statistics) is counted too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use tcphealth_core::snapshot::{
    Absent, Answer, ClosedSocket, Fact, Heard, Packet, PacketKind, Question, Socket, State, TcpInfo, Watch,
};
use tcphealth_core::wire::sock_diag::{self, Family};

use crate::bpf::Events;
use crate::clock::boot_ns;
use crate::netlink::{Ended, Netlink, Protocol, absent, feed};
use crate::netns::own_inode;
use crate::packet_socket::PacketSocket;

/// Records kept of each kind: 65 536 closed sockets are 10 MB.
const KEPT_MAX: usize = 65_536;
/// With the default of 208 KiB a reader that stalls for a second loses most of a storm; with 8 MiB none of it.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// `SKNLGRP_INET_TCP_DESTROY` (1) and `SKNLGRP_INET6_TCP_DESTROY` (3) as bits, include/uapi/linux/sock_diag.h.
const DESTROY_GROUPS: u32 = 1 << 0 | 1 << 2;
/// How often the listeners are looked at.
const LISTENERS_EVERY: Duration = Duration::from_millis(100);
/// The kernel tells of a death from a worker: so long after the end it is waited for what is on its way.
pub(crate) const LINGER: Duration = Duration::from_millis(20);

/// Listening, until it is stopped.
#[derive(Debug)]
pub(crate) struct Listening {
    thread: Option<JoinHandle<BTreeMap<Watch, Heard>>>,
    /// Closing our end wakes the thread for the last time.
    stop: Option<UnixStream>,
    /// What programs in the kernel add up by themselves.
    events: Option<Events>,
    /// What could not be listened to.
    refused: Vec<(Question, Answer)>,
}

impl Listening {
    /// Starts; what is not permitted is an answer already.
    pub(crate) fn start(watches: &BTreeSet<Watch>) -> Self {
        let mut watches = watches.clone();
        let adding = watches.remove(&Watch::Events).then(|| Events::adding_up(own_inode()));
        let (mut ears, mut refused) = Ears::open(&watches);
        let events = adding.and_then(|adding| {
            adding.map_err(|absent| refused.push((Question::Watch(Watch::Events), Err(absent)))).ok()
        });
        let Ok((stop, stopped)) = UnixStream::pair() else { return Self { thread: None, stop: None, events, refused } };
        let thread = (!ears.heard.is_empty()).then(|| {
            std::thread::spawn(move || {
                ears.listen(&stopped);
                ears.heard
            })
        });
        Self { thread, stop: Some(stop), events, refused }
    }

    /// Stops; an answer to each.
    pub(crate) fn stop(mut self) -> Vec<(Question, Answer)> {
        drop(self.stop.take());
        let heard = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let mut answers = self.refused;
        if let Some(mut events) = self.events {
            events.stop();
            answers.push((Question::Watch(Watch::Events), events.tally().map(Fact::Tally)));
        }
        answers.extend(heard.into_iter().map(|(watch, heard)| (Question::Watch(watch), Ok(Fact::Heard(heard)))));
        answers
    }
}

/// What listens, and what it has heard.
#[derive(Debug, Default)]
struct Ears {
    destroyed: Option<Netlink>,
    packets: Option<PacketSocket>,
    listeners: Option<Netlink>,
    /// By cookie: the largest and the sum of the samples.
    queues: HashMap<u64, (u32, u64)>,
    samples: u32,
    heard: BTreeMap<Watch, Heard>,
}

impl Ears {
    fn open(watches: &BTreeSet<Watch>) -> (Self, Vec<(Question, Answer)>) {
        let (mut ears, mut refused) = (Self::default(), Vec::new());
        let wire: Vec<Watch> =
            watches.iter().copied().filter(|watch| !matches!(watch, Watch::Closed | Watch::Listeners)).collect();
        let packets = if wire.is_empty() { None } else { Some(PacketSocket::open(&wire)) };
        for &watch in watches {
            let opened = match watch {
                Watch::Closed => open_destroyed().map(|netlink| ears.destroyed = Some(netlink)),
                Watch::Listeners => Netlink::open(Protocol::SockDiag, 0).map(|netlink| ears.listeners = Some(netlink)),
                _ => packets.as_ref().map_or(Ok(()), |packets| packets.as_ref().map(drop).map_err(|errno| *errno)),
            };
            match opened {
                Ok(()) => drop(ears.heard.insert(watch, Heard { begin_ns: boot_ns(), ..Heard::default() })),
                Err(errno) => refused.push((Question::Watch(watch), Err(refusal(watch, errno)))),
            }
        }
        ears.packets = packets.and_then(Result::ok);
        (ears, refused)
    }

    fn listen(&mut self, stop: &UnixStream) {
        let mut sampled = Instant::now();
        self.sample_listeners();
        while !self.wait(stop, LISTENERS_EVERY.saturating_sub(sampled.elapsed())) {
            self.hear();
            if sampled.elapsed() >= LISTENERS_EVERY {
                sampled = Instant::now();
                self.sample_listeners();
            }
        }
        self.sample_listeners();
        std::thread::sleep(LINGER);
        self.hear();
        self.finish();
    }

    /// Whether the end has come.
    fn wait(&self, stop: &UnixStream, at_most: Duration) -> bool {
        let mut polled = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.destroyed.as_ref().map(|netlink| PollFd::new(netlink.as_fd(), PollFlags::POLLIN)));
        polled.extend(self.packets.as_ref().map(|packets| PollFd::new(packets.as_fd(), PollFlags::POLLIN)));
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        let woken = poll(&mut polled, timeout).is_ok_and(|count| count > 0);
        woken && polled.first().and_then(PollFd::any).unwrap_or(false)
    }

    fn hear(&mut self) {
        while let Some(packet) = self.packets.as_ref().and_then(PacketSocket::next) {
            if let Some(heard) = self.heard.get_mut(&kind(&packet)) {
                keep(&mut heard.packets, packet, &mut heard.left_out);
            }
        }
        let (Some(netlink), Some(heard)) = (&mut self.destroyed, self.heard.get_mut(&Watch::Closed)) else { return };
        let mut socket = Socket::default();
        loop {
            match netlink.read_queued() {
                Ok(bytes) => {
                    let at_ns = boot_ns();
                    // A message that is not understood is one that was not heard.
                    let fed = feed(Protocol::SockDiag.section(), bytes, &mut |_, body, _| {
                        sock_diag::parse(body, &mut socket)?;
                        keep(&mut heard.closed, closed(&socket, at_ns), &mut heard.left_out);
                        Ok(())
                    });
                    heard.left_out += u64::from(fed.is_err());
                }
                Err(Errno::ENOBUFS) => heard.overruns += 1,
                Err(_) => return,
            }
        }
    }

    fn sample_listeners(&mut self) {
        let Some(netlink) = &mut self.listeners else { return };
        let (mut socket, queues) = (Socket::default(), &mut self.queues);
        let asked = netlink.ask(&sock_diag::dump(Family::Both, State::Listen.bit(), 0, None), &mut |bytes| {
            feed(Protocol::SockDiag.section(), bytes, &mut |_, body, _| {
                sock_diag::parse(body, &mut socket)?;
                if queues.len() < KEPT_MAX || queues.contains_key(&socket.cookie) {
                    let (largest, sum) = queues.entry(socket.cookie).or_default();
                    *largest = socket.rqueue.max(*largest);
                    *sum += u64::from(socket.rqueue);
                }
                Ok(())
            })
        });
        if matches!(asked, Ok(Ended::Done)) {
            self.samples += 1;
        } else {
            self.listeners = None;
            self.heard.entry(Watch::Listeners).or_default().overruns += 1;
        }
    }

    fn finish(&mut self) {
        let dropped = self.packets.as_ref().map_or(0, PacketSocket::dropped);
        let mut queues: Vec<_> = self.queues.drain().collect();
        queues.sort_unstable();
        for (watch, heard) in &mut self.heard {
            heard.end_ns = boot_ns();
            match watch {
                Watch::Closed => {}
                Watch::Listeners => {
                    heard.listener_queues = queues.iter().map(|&(cookie, (largest, _))| (cookie, largest)).collect();
                    heard.listener_queue_sums = queues.iter().map(|&(cookie, (_, sum))| (cookie, sum)).collect();
                    heard.listener_samples = self.samples;
                }
                // The queue is one for all kinds of packets: any of them may have been lost.
                _ => heard.overruns += dropped,
            }
        }
    }
}

/// Hears of the TCP sockets of the calling thread's namespace that are destroyed, with their tcp_info.
pub(crate) fn open_destroyed() -> Result<Netlink, Errno> {
    let netlink = Netlink::open(Protocol::SockDiag, DESTROY_GROUPS)?;
    // Forced where we may; else as much as net.core.rmem_max allows.
    setsockopt(&netlink, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)
        .or_else(|_| setsockopt(&netlink, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES))?;
    Ok(netlink)
}

/// Why this could not be listened to.
pub(crate) fn refusal(watch: Watch, errno: Errno) -> Absent {
    match watch {
        Watch::Closed | Watch::Listeners | Watch::Events => absent(errno, "sock_diag", "CAP_NET_ADMIN"),
        Watch::Resets | Watch::IcmpErrors | Watch::SynAcks => absent(errno, "packet socket", "CAP_NET_RAW"),
    }
}

fn kind(packet: &Packet) -> Watch {
    match packet.kind {
        PacketKind::Reset => Watch::Resets,
        PacketKind::SynAck => Watch::SynAcks,
        PacketKind::IcmpError { .. } => Watch::IcmpErrors,
    }
}

fn closed(socket: &Socket, at_ns: u64) -> ClosedSocket {
    let info = socket.info.as_ref();
    ClosedSocket {
        local: socket.local,
        remote: socket.remote,
        cookie: socket.cookie,
        uid: socket.uid,
        total_retrans: info.and_then(TcpInfo::total_retrans),
        bytes_acked: info.and_then(TcpInfo::bytes_acked),
        bytes_received: info.and_then(TcpInfo::bytes_received),
        segs_in: info.and_then(TcpInfo::segs_in),
        rtt_us: info.and_then(TcpInfo::rtt),
        at_ns,
    }
}

fn keep<T>(list: &mut Vec<T>, record: T, left_out: &mut u64) {
    if list.len() < KEPT_MAX {
        list.push(record);
    } else {
        *left_out += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
    use tcphealth_core::snapshot::Endpoint;

    use super::*;

    fn endpoint(address: SocketAddr) -> Endpoint {
        Endpoint::new(address.ip(), address.port())
    }

    fn heard(answers: &[(Question, Answer)], watch: Watch) -> &Result<Fact, Absent> {
        &answers.iter().find(|(question, _)| *question == Question::Watch(watch)).unwrap().1
    }

    /// A connect that does not wait, refused meanwhile.
    fn refused_later(to: SocketAddr) {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let client = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
        assert_eq!(connect(client.as_raw_fd(), &SockaddrStorage::from(to)), Err(Errno::EINPROGRESS));
        poll(&mut [PollFd::new(client.as_fd(), PollFlags::POLLOUT)], PollTimeout::from(1000_u16)).unwrap();
    }

    #[test]
    fn a_refused_connect_is_heard_though_no_look_could_see_it() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listening = Listening::start(&[Watch::Closed].into());
        refused_later(free);
        let answers = listening.stop();
        let Ok(Fact::Heard(heard)) = heard(&answers, Watch::Closed) else { panic!("{answers:?}") };
        let refused = heard.closed.iter().find(|closed| closed.remote == endpoint(free)).unwrap();
        assert_eq!((refused.segs_in, refused.bytes_received), (Some(1), Some(0)));
        assert!(heard.begin_ns < refused.at_ns && refused.at_ns < heard.end_ns && heard.left_out == 0);
    }

    #[test]
    fn a_connect_that_waits_and_is_refused_keeps_the_address_alone() {
        let free = TcpListener::bind("127.9.8.7:0").unwrap().local_addr().unwrap();
        let listening = Listening::start(&[Watch::Closed].into());
        TcpStream::connect(free).unwrap_err();
        let answers = listening.stop();
        let Ok(Fact::Heard(heard)) = heard(&answers, Watch::Closed) else { panic!("{answers:?}") };
        let refused = heard.closed.iter().find(|closed| closed.remote.address == free.ip()).unwrap();
        assert_eq!((refused.remote.port, refused.segs_in), (0, Some(0)));
    }

    #[test]
    fn a_listener_that_is_not_served_shows_its_longest_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = Listening::start(&[Watch::Listeners].into());
        let clients = [(); 3].map(|()| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        std::thread::sleep(3 * LISTENERS_EVERY);
        drop(clients);
        (0..3).for_each(|_| drop(listener.accept().unwrap()));
        let answers = listening.stop();
        let Ok(Fact::Heard(heard)) = heard(&answers, Watch::Listeners) else { panic!("{answers:?}") };
        assert!(heard.listener_queues.iter().any(|(_, queue)| *queue == 3), "{heard:?}");
        let sum = heard.listener_queue_sums.iter().map(|(_, sum)| *sum).max().unwrap_or(0);
        assert!((3..=3 * u64::from(heard.listener_samples)).contains(&sum), "{heard:?}");
    }

    #[test]
    fn resets_and_syn_acks_are_heard_or_not_permitted() {
        let free = TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = Listening::start(&[Watch::Resets, Watch::SynAcks].into());
        TcpStream::connect(free).unwrap_err();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"data that is no business of the filter").unwrap();
        let answers = listening.stop();
        match (heard(&answers, Watch::Resets), heard(&answers, Watch::SynAcks)) {
            (Ok(Fact::Heard(resets)), Ok(Fact::Heard(syn_acks))) => {
                let from = |heard: &Heard, source: SocketAddr| -> Vec<bool> {
                    heard
                        .packets
                        .iter()
                        .filter(|packet| packet.source == endpoint(source))
                        .map(|packet| packet.outgoing)
                        .collect()
                };
                // On lo a packet is heard when it leaves and again when it arrives.
                assert_eq!(from(resets, free), [true, false]);
                assert_eq!(from(syn_acks, listener.local_addr().unwrap()), [true, false]);
                assert!(resets.packets.iter().all(|packet| packet.kind == PacketKind::Reset && packet.ttl == 64));
            }
            (resets, syn_acks) => {
                let refused = Err(Absent::NotPermitted("CAP_NET_RAW".into()));
                assert_eq!((resets, syn_acks), (&refused, &refused));
                assert!(!nix::unistd::geteuid().is_root() || std::env::var_os("TCPHEALTH_ALL_TESTS").is_none());
                println!("not run: hearing packets needs CAP_NET_RAW");
            }
        }
    }
}
