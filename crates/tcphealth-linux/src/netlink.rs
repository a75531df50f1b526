//! A netlink socket: a request goes out, the bytes of its answer come back through one reused buffer.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use tcphealth_core::snapshot::Absent;
use tcphealth_core::wire::WireError;
use tcphealth_core::wire::netlink::{Message, Messages};

/// The kernel fills no more than this into one read of a dump (`netlink_recvmsg()`: 32 KiB).
const BUFFER_BYTES: usize = 32 * 1024;

/// What takes the messages of an answer: type, body, and whether the table changed while it was dumped.
pub(crate) type Each<'a> = dyn FnMut(u16, &[u8], bool) -> Result<(), WireError> + 'a;

/// Which part of the kernel answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// Sockets.
    SockDiag,
    /// Links, routes, neighbours, queueing disciplines.
    Route,
}

impl Protocol {
    /// Its name in an error.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::SockDiag => "sock_diag",
            Self::Route => "rtnetlink",
        }
    }
}

/// How a run of messages ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There is more to read.
    NotYet,
    /// The dump is complete.
    Done,
    /// The kernel refused.
    Refused(i32),
}

/// Hands the messages in `bytes` to `each`.
pub(crate) fn feed(section: &'static str, bytes: &[u8], each: &mut Each<'_>) -> Result<Ended, WireError> {
    let mut ended = Ended::NotYet;
    for message in Messages::new(section, bytes) {
        match message? {
            Message::Data { kind, body, interrupted } => each(kind, body, interrupted)?,
            Message::Done | Message::Error(0) => ended = Ended::Done,
            Message::Error(errno) => return Ok(Ended::Refused(errno)),
        }
    }
    Ok(ended)
}

/// An open netlink socket.
#[derive(Debug)]
pub(crate) struct Netlink {
    fd: OwnedFd,
    /// Empty until something is read: most of a short run's memory would be here.
    buffer: Vec<u8>,
    room: usize,
}

impl Netlink {
    /// Opens one, subscribed to the multicast groups whose bits are set.
    pub(crate) fn open(protocol: Protocol, groups: u32) -> Result<Self, Errno> {
        let number = match protocol {
            Protocol::SockDiag => SockProtocol::NetlinkSockDiag,
            Protocol::Route => SockProtocol::NetlinkRoute,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, number)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { fd, buffer: Vec::new(), room: BUFFER_BYTES })
    }

    /// How much one read takes; the kernel makes its next answer no larger.
    pub(crate) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// Sends a request and hands every read of its answer to `chunk` until that says it has ended. A request that is no dump
    /// has one answer.
    pub(crate) fn ask(
        &mut self,
        request: &[u8],
        chunk: &mut dyn FnMut(&[u8]) -> Result<Ended, WireError>,
    ) -> Result<Ended, Failure> {
        send(self.fd.as_raw_fd(), request, MsgFlags::empty())?;
        loop {
            match chunk(self.read(MsgFlags::empty())?)? {
                Ended::NotYet => {}
                ended => return Ok(ended),
            }
        }
    }

    /// What is queued, without waiting for it.
    pub(crate) fn read_queued(&mut self) -> Result<&[u8], Errno> {
        self.read(MsgFlags::MSG_DONTWAIT)
    }

    fn read(&mut self, flags: MsgFlags) -> Result<&[u8], Errno> {
        self.buffer.resize(self.room, 0);
        let length = recv(self.fd.as_raw_fd(), &mut self.buffer, flags)?;
        self.buffer.get(..length).ok_or(Errno::EMSGSIZE)
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Why an answer could not be had.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A system call failed.
    System(Errno),
    /// The bytes were not understood.
    Wire(WireError),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// An errno as absence: `what` was looked for, `privilege` would allow it.
pub(crate) fn absent(errno: Errno, what: &str, privilege: &str) -> Absent {
    match errno {
        Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT => {
            Absent::NotHere
        }
        Errno::EPERM | Errno::EACCES => Absent::NotPermitted(privilege.to_owned()),
        errno => Absent::Failed(format!("{what}: {}", errno.desc())),
    }
}
