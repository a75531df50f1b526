//! One probe as a socket: opened with its time to live, asked what it heard, closed by reset.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::sockopt::{
    Ipv4RecvErr, Ipv4Ttl, Ipv6RecvErr, Ipv6Ttl, Linger, ReceiveTimestampns, ReuseAddr, SocketError,
};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, SockaddrStorage,
    bind, connect, getsockname, getsockopt, recv, recvmsg, send, setsockopt, socket,
};
use nix::time::{ClockId, clock_gettime};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use tcphealth_core::path::{Answer, Plan, Probe, Protocol, Quote, Reply};

/// Whether each socket gets a random flow label, by which routers may balance: include/uapi/linux/in6.h, not in libc.
const IPV6_AUTOFLOWLABEL: libc::c_int = 70;

/// `struct tcp_info` up to `tcpi_segs_in` (include/uapi/linux/tcp.h, Linux 4.6 and later).
const TCP_INFO_LEN: usize = 144;
const TCPI_RTT: usize = 68;
const TCPI_SEGS_IN: usize = 140;

/// What holds a flow's source port between its probes.
#[derive(Debug, Default)]
pub(super) struct Lane {
    port: u16,
    holder: Option<OwnedFd>,
}

/// A probe on its way.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) probe: Probe,
    fd: OwnedFd,
    protocol: Protocol,
    /// What an error about this probe must quote.
    quote: Quote,
    left: Instant,
    /// The same moment on the clock of the kernel's time stamps.
    left_real: Duration,
}

/// What a socket has heard.
pub(super) enum Heard {
    /// A reply; the socket has done its work.
    Answer(Reply),
    /// Nothing, or nothing that speaks of this probe.
    Nothing,
}

/// An ICMP error from the error queue.
struct Icmp {
    kind: u8,
    code: u8,
    v6: bool,
    /// `ee_info`: with "too big" the size that can be forwarded.
    info: u32,
    from: Option<IpAddr>,
    quote: Option<Quote>,
    stamp: Option<Duration>,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// Sends a probe.
    pub(super) fn open(plan: &Plan, probe: Probe, lane: &mut Lane) -> io::Result<Self> {
        lane.take_port(plan)?;
        let fd = new_socket(plan)?;
        setsockopt(&fd, ReuseAddr, &true)?;
        set_path_options(&fd, plan, probe)?;
        bind(fd.as_raw_fd(), &address(plan.source, lane.port))?;
        let quote = match plan.protocol {
            Protocol::Tcp => Quote::Ports { source: lane.port, destination: plan.port },
            Protocol::Udp => Quote::Mark(probe.id),
            Protocol::Icmp => Quote::Sequence(probe.id as u16),
        };
        let left_real = Duration::from(clock_gettime(ClockId::CLOCK_REALTIME)?);
        let socket = Self { probe, fd, protocol: plan.protocol, quote, left: Instant::now(), left_real };
        socket.launch(plan)?;
        Ok(socket)
    }

    fn launch(&self, plan: &Plan) -> io::Result<()> {
        match connect(self.fd.as_raw_fd(), &address(plan.target, plan.port)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let packet = match self.protocol {
            Protocol::Tcp => return Ok(()),
            Protocol::Udp => datagram(self.probe, plan.target.is_ipv6()),
            Protocol::Icmp => echo_request(self.probe.id as u16, plan.target.is_ipv6()),
        };
        match send(self.fd.as_raw_fd(), &packet, MsgFlags::empty()) {
            // An error of the probe before may be told here; it is read from the error queue like any other.
            Ok(_) | Err(Errno::EHOSTUNREACH | Errno::ECONNREFUSED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.protocol == Protocol::Tcp { PollFlags::POLLOUT } else { PollFlags::POLLIN }
    }

    /// What has come back, if anything has.
    pub(super) fn hear(&self, plan: &Plan) -> Heard {
        while let Some(icmp) = self.read_error() {
            if let Some(answer) =
                icmp.answer(plan.target).filter(|_| icmp.quote.is_none_or(|quote| quote == self.quote))
            {
                return self.reply(icmp.from, answer, Some(self.rtt(icmp.stamp)));
            }
        }
        match self.protocol {
            Protocol::Tcp => self.hear_tcp(plan),
            Protocol::Udp | Protocol::Icmp => self.hear_data(plan),
        }
    }

    /// A handshake that got its answer, or a reset. The kernel has measured the handshake itself.
    fn hear_tcp(&self, plan: &Plan) -> Heard {
        match getsockopt(&self.fd, SocketError).map(Errno::from_raw) {
            Ok(Errno::ECONNREFUSED | Errno::ECONNRESET) => {
                self.reply(Some(plan.target), Answer::Arrived, Some(self.rtt(None)))
            }
            Ok(Errno::EHOSTUNREACH) => self.reply(None, Answer::TimeExceeded, Some(self.rtt(None))),
            _ if self.connected() => {
                let measured = self.tcp_info(TCPI_RTT).filter(|rtt| *rtt > 0);
                self.reply(Some(plan.target), Answer::Arrived, measured.or_else(|| Some(self.rtt(None))))
            }
            _ => Heard::Nothing,
        }
    }

    fn hear_data(&self, plan: &Plan) -> Heard {
        let mut bytes = [0; 64];
        let Ok(length) = recv(self.fd.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) else { return Heard::Nothing };
        let received = bytes.get(..length).unwrap_or(&bytes);
        let echo = (self.protocol == Protocol::Icmp).then(|| Quote::parse(Protocol::Icmp, received));
        match echo {
            Some(sequence) if sequence != Some(self.quote) => Heard::Nothing,
            _ => self.reply(Some(plan.target), Answer::Arrived, Some(self.rtt(None))),
        }
    }

    fn connected(&self) -> bool {
        nix::sys::socket::getpeername::<SockaddrStorage>(self.fd.as_raw_fd()).is_ok()
    }

    /// Whether a segment of any kind has come in, though it was no answer: `tcpi_segs_in`.
    pub(super) fn heard_anything(&self) -> bool {
        self.protocol == Protocol::Tcp && self.tcp_info(TCPI_SEGS_IN).is_some_and(|segments| segments > 0)
    }

    fn reply(&self, from: Option<IpAddr>, answer: Answer, rtt_us: Option<u32>) -> Heard {
        Heard::Answer(Reply { id: self.probe.id, from, answer, rtt_us })
    }

    /// From sending to receiving: by the kernel's time stamp, unless somebody has set the clock in between.
    fn rtt(&self, stamp: Option<Duration>) -> u32 {
        let elapsed = self.left.elapsed();
        let stamped = stamp.and_then(|stamp| stamp.checked_sub(self.left_real)).filter(|rtt| *rtt <= elapsed);
        stamped.unwrap_or(elapsed).as_micros() as u32
    }

    fn read_error(&self) -> Option<Icmp> {
        let mut quoted = [0; 128];
        let mut iov = [IoSliceMut::new(&mut quoted)];
        let mut control = cmsg_space!([u8; 256]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(self.fd.as_raw_fd(), &mut iov, Some(&mut control), flags).ok()?;
        let mut icmp = Icmp { kind: 0, code: 0, v6: false, info: 0, from: None, quote: None, stamp: None };
        for part in message.cmsgs().ok()? {
            icmp.take(&part);
        }
        let length = message.bytes;
        icmp.quote = Quote::parse(self.protocol, quoted.get(..length).unwrap_or(&quoted));
        Some(icmp)
    }

    /// A 32-bit field of this connection's tcp_info; `None` when this kernel's is shorter.
    fn tcp_info(&self, at: usize) -> Option<u32> {
        let mut info = [0; TCP_INFO_LEN];
        let length = get_option(&self.fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info).ok()?;
        let filled = info.get(..length)?;
        Some(u32::from_ne_bytes(filled.get(at..at + 4)?.try_into().ok()?))
    }
}

impl Lane {
    /// The kernel chooses the port with the first probe; a bound socket keeps it from then on.
    fn take_port(&mut self, plan: &Plan) -> io::Result<()> {
        if self.port != 0 {
            return Ok(());
        }
        let holder = new_socket(plan)?;
        setsockopt(&holder, ReuseAddr, &true)?;
        bind(holder.as_raw_fd(), &address(plan.source, 0))?;
        let bound: SockaddrStorage = getsockname(holder.as_raw_fd())?;
        let v4 = bound.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::port);
        let v6 = bound.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::port);
        self.port = v4.or(v6).unwrap_or(0);
        // Of two ping sockets with one identifier either might get the reply.
        self.holder = Some(holder).filter(|_| plan.protocol != Protocol::Icmp);
        Ok(())
    }
}

impl Icmp {
    fn take(&mut self, part: &ControlMessageOwned) {
        let error = match part {
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                self.from = from.map(|from| IpAddr::from(u32::from_be(from.sin_addr.s_addr).to_be_bytes()));
                error
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                self.from = from.map(|from| IpAddr::from(from.sin6_addr.s6_addr));
                error
            }
            ControlMessageOwned::ScmTimestampns(stamp) => {
                self.stamp = Some(Duration::from(*stamp));
                return;
            }
            _ => return,
        };
        self.v6 = error.ee_origin == libc::SO_EE_ORIGIN_ICMP6;
        if self.v6 || error.ee_origin == libc::SO_EE_ORIGIN_ICMP {
            (self.kind, self.code, self.info) = (error.ee_type, error.ee_code, error.ee_info);
        }
    }

    /// RFC 792: type 11 time exceeded, 3 unreachable, of which code 4 too big; RFC 4443: types 3, 1 and 2. The target's own
    /// refusal is an arrival.
    fn answer(&self, target: IpAddr) -> Option<Answer> {
        match (self.v6, self.kind) {
            (false, 3) if self.code == 4 => Some(Answer::TooBig(self.info.min(u32::from(u16::MAX)) as u16)),
            (true, 2) => Some(Answer::TooBig(self.info.min(u32::from(u16::MAX)) as u16)),
            (false, 3) | (true, 1) if self.from == Some(target) => Some(Answer::Arrived),
            (false, 11) | (true, 3) => Some(Answer::TimeExceeded),
            (false, 3) | (true, 1) => Some(Answer::Unreachable(self.code)),
            _ => None,
        }
    }
}

fn new_socket(plan: &Plan) -> io::Result<OwnedFd> {
    let family = if plan.target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let (kind, protocol) = match plan.protocol {
        Protocol::Tcp => (SockType::Stream, SockProtocol::Tcp),
        Protocol::Udp => (SockType::Datagram, SockProtocol::Udp),
        Protocol::Icmp if plan.target.is_ipv4() => (SockType::Datagram, SockProtocol::Icmp),
        Protocol::Icmp => (SockType::Datagram, SockProtocol::IcmpV6),
    };
    Ok(socket(family, kind, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, protocol)?)
}

fn set_path_options(fd: &OwnedFd, plan: &Plan, probe: Probe) -> io::Result<()> {
    setsockopt(fd, ReceiveTimestampns, &true)?;
    if plan.target.is_ipv4() {
        setsockopt(fd, Ipv4RecvErr, &true)?;
        set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
        setsockopt(fd, Ipv4Ttl, &i32::from(probe.ttl))?;
    } else {
        setsockopt(fd, Ipv6RecvErr, &true)?;
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
        setsockopt(fd, Ipv6Ttl, &i32::from(probe.ttl))?;
        set_option(fd, libc::IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0)?;
    }
    if plan.protocol == Protocol::Tcp {
        // The last step of the handshake waits for data, up to 200 ms: the reset comes first, and the service's accept()
        // never sees the probe (`tcp_rcv_synsent_state_process`, net/ipv4/tcp_input.c).
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 1)?;
        setsockopt(fd, Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    }
    Ok(())
}

/// An option that nix does not know.
fn set_option(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes from `value`, which is that long and lives through the call.
    let failed = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option into `bytes`; how many the kernel wrote.
fn get_option(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `bytes`, which has that many, and any bytes are valid there.
    let failed = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, bytes.as_mut_ptr().cast(), &raw mut length) };
    if failed == 0 { Ok(length as usize) } else { Err(io::Error::last_os_error()) }
}

/// A mark and its complement, so that the checksum is the same for every probe of a flow, and zeros up to the size.
fn datagram(probe: Probe, v6: bool) -> Vec<u8> {
    let headers = if v6 { 48 } else { 28 };
    let mut payload = [probe.id.to_be_bytes(), (!probe.id).to_be_bytes()].concat();
    payload.resize(usize::from(probe.size).saturating_sub(headers).max(payload.len()), 0);
    payload
}

/// The size that the route to a target carries, as far as this host knows: `IP_MTU`, `IPV6_MTU`.
pub(super) fn route_mtu(target: IpAddr) -> io::Result<u16> {
    let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::Udp)?;
    connect(fd.as_raw_fd(), &address(target, 9))?;
    let (level, name) =
        if target.is_ipv4() { (libc::IPPROTO_IP, libc::IP_MTU) } else { (libc::IPPROTO_IPV6, libc::IPV6_MTU) };
    let mut mtu = [0; 4];
    let length = get_option(&fd, level, name, &mut mtu)?;
    Ok(if length == 4 { u32::from_ne_bytes(mtu).min(u32::from(u16::MAX)) as u16 } else { 0 })
}

/// RFC 792 and RFC 4443: an echo request; the kernel fills in checksum and identifier. The payload is the sequence
/// number's complement, so that the checksum is the same for every probe of a flow.
fn echo_request(sequence: u16, v6: bool) -> Vec<u8> {
    let header = [if v6 { 128 } else { 8 }, 0, 0, 0, 0, 0];
    [&header[..], &sequence.to_be_bytes(), &(!sequence).to_be_bytes()].concat()
}

fn address(ip: IpAddr, port: u16) -> SockaddrStorage {
    SocketAddr::new(ip, port).into()
}

/// getnameinfo(3) with `NI_NAMEREQD`.
pub(super) fn name_of(ip: IpAddr) -> Option<String> {
    let address = address(ip, 0);
    let mut name = [0_u8; 256];
    // SAFETY: both pointers are valid for the lengths that go with them, and the function writes a terminated string.
    let failed = unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.len(),
            name.as_mut_ptr().cast(),
            name.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    let name = std::ffi::CStr::from_bytes_until_nul(&name).ok().filter(|_| failed == 0)?;
    name.to_str().ok().map(str::to_owned)
}
