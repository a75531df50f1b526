//! Descriptors of a process that are TCP sockets in no table: their connection has ended, the program has not closed them.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket};
use nix::{getsockopt_impl, libc, sockopt_impl};
use tcphealth_core::snapshot::{Absent, Quick, Socket, State, TcpInfo};
use tcphealth_core::wire::hash_walk::OWNER;
use tcphealth_core::wire::sock_diag::{ALL_STATES, BOUND, Family};

use super::Deadline;
use super::owner::socket_inode;
use crate::bpf::{Walk, Want};
use crate::host::WALK_FROM;
use crate::netns;
use crate::own;
use crate::sockets::{Request, number, visit};
use crate::source::Source;

// Identity of a socket's network namespace, 5.14; include/uapi/asm-generic/socket.h.
sockopt_impl!(NetnsCookie, GetOnly, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, u64);
// tcp_info up to segs_in, 4.2.
sockopt_impl!(Info, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, [u8; 144]);

/// Their inodes. The descriptors are read before the tables and again after: what was opened or closed meanwhile is no ghost.
pub(super) fn ghosts(pid: u32, source: &mut Source, deadline: Deadline) -> Result<Vec<u64>, Absent> {
    let theirs = netns::of_process(pid).map_err(|_| refused_or_gone(pid))?;
    if netns::of_process(std::process::id()).ok() != Some(theirs) {
        return Err(Absent::NotHere);
    }
    let sockets = sockets_of(pid, deadline)?;
    let mut suspects = sockets.iter().map(|(_, inode)| *inode).collect();
    clear(&mut suspects, source)?;
    let mut found = Vec::new();
    for (number, inode) in sockets.into_iter().filter(|(_, inode)| suspects.contains(inode)) {
        if deadline.passed() {
            return Err(Absent::CutShort(found.len().to_string()));
        }
        let descriptor = PathBuf::from(format!("/proc/{pid}/fd/{number}"));
        if is_tcp(&descriptor) && had_a_connection_here(pid, number)? && socket_inode(&descriptor) == Some(inode) {
            found.push(u64::from(inode));
        }
    }
    Ok(found)
}

fn refused_or_gone(pid: u32) -> Absent {
    if Path::new(&format!("/proc/{pid}")).exists() { own::refused(pid) } else { Absent::NotHere }
}

/// The sockets of a process: descriptor and inode.
fn sockets_of(pid: u32, deadline: Deadline) -> Result<Vec<(i32, u32)>, Absent> {
    let path = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => own::refused(pid),
        ErrorKind::NotFound => Absent::NotHere,
        _ => Absent::Failed(format!("{path}: {error}")),
    })?;
    let mut found = Vec::new();
    for entry in entries.flatten() {
        if deadline.passed() {
            return Err(Absent::CutShort(found.len().to_string()));
        }
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(number.zip(socket_inode(&entry.path())));
    }
    Ok(found)
}

/// Takes the inodes of all sockets in the tables out. Of many, sock_diag would need more time than there is for an answer; it alone
/// tells those that are only bound, but these had no connection.
fn clear(suspects: &mut HashSet<u32, Quick>, source: &mut Source) -> Result<(), Absent> {
    let mut clear = |socket: &Socket| _ = suspects.remove(&socket.inode);
    if number(source) >= WALK_FROM {
        let want = Want { states: ALL_STATES, parts: OWNER, everywhere: false };
        let walked = Walk::load().and_then(|mut walk| walk.visit(want, &mut |socket, _| clear(socket)));
        if walked == Ok(false) {
            return Ok(());
        }
    }
    let request = Request { states: ALL_STATES | BOUND, attributes: 0, family: Family::Both, code: None };
    visit(source, "netlink/all", request, &mut clear).map(drop)
}

/// `system.sockprotoname` is the name of the protocol (net/socket.c `sockfs_xattr_get()`).
fn is_tcp(descriptor: &Path) -> bool {
    let Ok(path) = CString::new(descriptor.as_os_str().as_encoded_bytes()) else { return false };
    let mut name = [0_u8; 32];
    // SAFETY: both strings end in NUL, and the kernel writes at most the length given.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), c"system.sockprotoname".as_ptr(), name.as_mut_ptr().cast(), name.len())
    };
    let name = usize::try_from(length).ok().and_then(|length| name.get(..length)).unwrap_or_default();
    matches!(name.split(|&byte| byte == 0).next(), Some(b"TCP" | b"TCPv6"))
}

/// A process may hold a socket of another namespace, which no table here has, or one that never was connected. Only the socket
/// itself knows: it is borrowed.
fn had_a_connection_here(pid: u32, number: i32) -> Result<bool, Absent> {
    let theirs = match borrow(pid, number) {
        Ok(theirs) => theirs,
        Err(Errno::EPERM | Errno::EACCES) => return Err(own::refused(pid)),
        // Closed meanwhile.
        Err(Errno::EBADF | Errno::ESRCH) => return Ok(false),
        Err(_) => return Err(Absent::NotHere),
    };
    let is_ghost = || {
        let ours = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let here = getsockopt(&ours, NetnsCookie)? == getsockopt(&theirs, NetnsCookie)?;
        let info = TcpInfo::new(&getsockopt(&theirs, Info)?);
        let ended = info.state() == Some(State::Close as u8);
        nix::Result::Ok(here && ended && info.segs_out().zip(info.segs_in()).is_some_and(|segments| segments != (0, 0)))
    };
    is_ghost().map_err(|_| Absent::NotHere)
}

/// `pidfd_getfd` (5.6): our own descriptor of the same socket.
fn borrow(pid: u32, number: i32) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers and returns a descriptor that is nobody else's.
    let process = unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        OwnedFd::from_raw_fd(fd as i32)
    };
    // SAFETY: pidfd_getfd takes three numbers and returns a descriptor that is nobody else's.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use nix::sys::socket::{setsockopt, sockopt::Linger};

    use super::*;

    #[test]
    fn a_reset_connection_that_stays_open_is_a_ghost_and_a_live_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let [client, kept] = [(); 2].map(|()| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (server, _) = listener.accept().unwrap();
        setsockopt(&server, Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
        drop(server); // resets the client, which leaves every table and keeps its descriptor
        let inode =
            |socket: &TcpStream| socket_inode(&PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd()))).unwrap();
        let fresh = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
        let fresh_inode =
            u64::from(socket_inode(&PathBuf::from(format!("/proc/self/fd/{}", fresh.as_raw_fd()))).unwrap());
        let (ghost, live) = (u64::from(inode(&client)), u64::from(inode(&kept)));
        std::thread::sleep(Duration::from_millis(50));
        let found =
            ghosts(std::process::id(), &mut Source::live(None), Deadline::after(Duration::from_secs(20))).unwrap();
        assert!(found.contains(&ghost) && !found.contains(&live) && !found.contains(&fresh_inode), "{found:?}");
    }
}
