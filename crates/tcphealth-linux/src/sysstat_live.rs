//! What sysstat's collector reads: whole files again and again, interfaces, Fibre Channel hosts, CPUs; of this machine or of a
//! fake one in a directory.
//!
//! Source: include/uapi/linux/{if_link,ethtool}.h, Documentation/ABI/testing/sysfs-class-net, sysfs-class-fc_host.

use std::collections::HashMap;
use std::fs::File as Handle;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tcphealth_core::sysstat::live::{FcHost, File, Link};
use tcphealth_core::wire::rtnetlink::{self, NEWLINK, NEWSTATS, link_stats, links_request, stats_request};

use crate::netlink::{Ended, Netlink, Protocol, feed};

mod ethtool;

/// `RTMGRP_LINK`: links that come, go, or change.
const GROUP_LINK: u32 = 1;

/// A machine that is read: this one, or a directory with its `proc` and `sys`.
pub struct Machine {
    root: PathBuf,
    fake: bool,
    open: HashMap<&'static str, Handle>,
    links: Option<Links>,
}

/// Below so many interfaces a small answer is asked for: the kernel makes room for as much as the last answer could take.
const MANY: usize = 32;
const SMALL_BYTES: usize = 8 * 1024;
const LARGE_BYTES: usize = 32 * 1024;

/// The interfaces of this machine: what stays the same is read again only when the kernel says that links changed.
struct Links {
    changes: Netlink,
    ioctl: OwnedFd,
    changed: bool,
    speeds: HashMap<Vec<u8>, (u64, u8)>,
    counters: Option<Counters>,
}

/// Counters of all interfaces, by their numbers.
struct Counters {
    route: Netlink,
    /// The interfaces of the last reading, in its order; none when their names have to be asked for.
    known: Vec<u32>,
    stats: Vec<(u32, [u64; 23])>,
}

impl Machine {
    /// This machine.
    pub fn live() -> Self {
        Self { root: PathBuf::from("/"), fake: false, open: HashMap::new(), links: None }
    }

    /// Gets ready to read interfaces by netlink. Only who wants them should: the sockets of this count among the host's.
    pub fn open_links(&mut self) {
        self.links = Links::open().ok().filter(|_| !self.fake);
    }

    /// The machine in a directory.
    pub fn fake(root: &Path) -> Self {
        Self { root: root.to_owned(), fake: true, open: HashMap::new(), links: None }
    }

    /// Goes on with the machine in another directory.
    pub fn move_to(&mut self, root: &Path) {
        self.open.clear();
        root.clone_into(&mut self.root);
    }

    /// Whether the machine is there.
    pub fn exists(&self) -> bool {
        self.root.join("proc").is_dir()
    }

    /// Reads a whole file below `/proc`; false when it is not there. Files stay open between readings.
    ///
    /// # Errors
    /// What the system says.
    pub fn text(&mut self, file: File, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        let path = file.path();
        if !self.open.contains_key(path) {
            match Handle::open(self.root.join("proc").join(path)) {
                Ok(handle) => self.open.insert(path, handle),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
        }
        let Some(handle) = self.open.get(path) else { return Ok(false) };
        read_again(handle, buffer, file.is_whole() && !self.fake)?;
        Ok(true)
    }

    /// Whether a file below `/proc` is there.
    pub fn has(&self, file: File) -> bool {
        let by_netlink = file == File::Dev && self.links.is_some();
        by_netlink || self.open.contains_key(file.path()) || self.root.join("proc").join(file.path()).exists()
    }

    /// What becomes readable when links come, go, or change.
    pub fn link_changes(&self) -> Option<BorrowedFd<'_>> {
        self.links.as_ref().map(|links| links.changes.as_fd())
    }

    /// Tells that links changed: their names and speeds are read anew.
    pub fn links_changed(&mut self) {
        if let Some(links) = &mut self.links {
            links.changed = true;
        }
    }

    /// The interfaces with their counters and speeds, by netlink; `None` where netlink cannot be used and the file has to
    /// be read. What was read last goes in: of the same interfaces only the counters are written anew.
    pub fn links(&mut self, links: &mut Vec<Link>) -> Option<()> {
        let reader = self.links.as_mut()?;
        let done = reader.read(links)?;
        if done.is_err() {
            reader.counters = None;
        }
        done.ok()
    }

    /// Adds speed and duplex to interfaces that were read from the file.
    pub fn add_speeds(&mut self, links: &mut [Link]) {
        match &mut self.links {
            Some(reader) => reader.add_speeds(links),
            None => links.iter_mut().for_each(|link| sysfs_speed(&self.root, link)),
        }
    }

    /// The Fibre Channel hosts, in the order of their names; counters are hexadecimal.
    pub fn fc_hosts(&self) -> Vec<FcHost> {
        let folder = self.root.join("sys/class/fc_host");
        let names = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with("host"))
            .collect();
        names.sort();
        let value = |name: &str, counter: &str| {
            let text = std::fs::read_to_string(folder.join(name).join("statistics").join(counter)).unwrap_or_default();
            u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap_or(0)
        };
        let counters = ["rx_frames", "tx_frames", "rx_words", "tx_words"];
        names.into_iter().map(|name| (name.clone(), counters.map(|counter| value(&name, counter)))).collect()
    }

    /// How many CPUs the machine has, online or not.
    pub fn cpus(&self) -> u32 {
        let entries = std::fs::read_dir(self.root.join("sys/devices/system/cpu")).into_iter().flatten().flatten();
        let count = entries.filter(|entry| entry.file_name().to_str().and_then(cpu_number).is_some()).count();
        (count as u32).max(1)
    }

    /// The numbers of the CPUs that are online, as `/proc/stat` lists them.
    pub fn online(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.root.join("proc/stat")).unwrap_or_default();
        text.lines().filter_map(|line| cpu_number(line.split(' ').next()?)).collect()
    }

    /// Hundredths of a second since boot.
    ///
    /// # Errors
    /// When a fake machine does not tell.
    pub fn uptime_cs(&self) -> io::Result<u64> {
        if !self.fake {
            return Ok(crate::clock::boot_ns() / 10_000_000);
        }
        let text = std::fs::read_to_string(self.root.join("proc/uptime"))?;
        let (seconds, hundredths) =
            text.split_whitespace().next().and_then(|word| word.split_once('.')).unwrap_or(("", ""));
        let number = |word: &str| word.parse::<u64>().map_err(|_| io::Error::from(ErrorKind::InvalidData));
        Ok(number(seconds)? * 100 + number(hundredths)?)
    }
}

/// What `uname` calls this machine: system, host, release, hardware.
pub fn names() -> [Vec<u8>; 4] {
    // SAFETY: all-zero is a valid `utsname`; uname writes to it only and keeps no pointer.
    let names = unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut names);
        names
    };
    let text = |field: &[libc::c_char]| {
        field.iter().take_while(|&&byte| byte != 0).map(|&byte| byte.cast_unsigned()).collect()
    };
    [text(&names.sysname), text(&names.nodename), text(&names.release), text(&names.machine)]
}

/// `uname -m`.
pub(crate) fn hardware() -> String {
    let [.., machine] = names();
    String::from_utf8_lossy(&machine).into_owned()
}

/// How many lines and columns the terminal behind standard output has.
pub fn terminal_size() -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes a `winsize` to the place it is given, which outlives the call.
    let failed = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } != 0;
    (!failed && size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// The number in `cpu12`.
fn cpu_number(name: &str) -> Option<u32> {
    name.strip_prefix("cpu")?.parse().ok()
}

/// Reads a file from its beginning. A `whole` one that is shorter than the buffer has no more.
fn read_again(handle: &Handle, buffer: &mut Vec<u8>, whole: bool) -> io::Result<()> {
    let mut length = 0;
    loop {
        if buffer.len() - length < 4096 {
            buffer.resize((buffer.len() * 2).max(8 * 1024), 0);
        }
        match handle.read_at(buffer.get_mut(length..).unwrap_or_default(), length as u64) {
            Ok(0) => break,
            Ok(got) => {
                length += got;
                if whole && length < buffer.len() {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(length);
    Ok(())
}

impl Links {
    fn open() -> Result<Self, Errno> {
        let changes = Netlink::open(Protocol::Route, GROUP_LINK)?;
        let ioctl = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        let mut route = Netlink::open(Protocol::Route, 0)?;
        route.set_room(SMALL_BYTES);
        let counters = Some(Counters { route, known: Vec::new(), stats: Vec::new() });
        Ok(Self { changes, ioctl, changed: false, speeds: HashMap::new(), counters })
    }

    /// Forgets what may have changed, and empties the queue of changes before: what comes later is a change again.
    fn refresh(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        // A queue that overflowed says ENOBUFS once and then goes on.
        while matches!(self.changes.read_queued(), Ok(_) | Err(Errno::ENOBUFS)) {}
        self.speeds.clear();
        if let Some(counters) = &mut self.counters {
            counters.known.clear();
        }
    }

    fn add_speeds(&mut self, links: &mut [Link]) {
        self.refresh();
        for link in links {
            self.add_speed(link);
        }
    }

    fn add_speed(&mut self, link: &mut Link) {
        if !self.speeds.contains_key(&link.name) {
            self.speeds.insert(link.name.clone(), ethtool::link(&self.ioctl, &link.name));
        }
        (link.speed_mbit, link.duplex) = self.speeds.get(&link.name).copied().unwrap_or_default();
    }

    fn read(&mut self, links: &mut Vec<Link>) -> Option<Result<(), Errno>> {
        self.refresh();
        let done = self.counters.as_mut()?.read(links);
        if done == Ok(true) {
            for link in links {
                self.add_speed(link);
            }
        }
        Some(done.map(drop))
    }
}

/// Speed and duplex as `/sys` has them; sysstat scans an unsigned number, so that -1 becomes 2³² − 1.
fn sysfs_speed(root: &Path, link: &mut Link) {
    let folder = root.join("sys/class/net").join(String::from_utf8_lossy(&link.name).as_ref());
    link.duplex = match std::fs::read_to_string(folder.join("duplex")).as_deref().map(str::trim) {
        Ok("full") => 2,
        Ok("half") => 1,
        _ => return,
    };
    let speed = std::fs::read_to_string(folder.join("speed")).unwrap_or_default();
    link.speed_mbit = speed.trim().parse::<i64>().map_or(0, |speed| u64::from(speed as u32));
}

impl Counters {
    /// True when the interfaces are others than those of the last reading.
    fn read(&mut self, links: &mut Vec<Link>) -> Result<bool, Errno> {
        let Self { route, known, stats } = self;
        stats.clear();
        ask(route, &stats_request(), &mut |kind, body| {
            if kind == NEWSTATS {
                stats.extend(link_stats(body));
            }
        })?;
        let others = links.len() != known.len() || !stats.iter().map(|(index, _)| index).eq(&*known);
        if others {
            self.learn(links)?;
        }
        for (link, (_, stats)) in links.iter_mut().zip(&self.stats) {
            link.columns = columns(stats);
        }
        Ok(others)
    }

    fn learn(&mut self, links: &mut Vec<Link>) -> Result<(), Errno> {
        let mut names = HashMap::new();
        ask(&mut self.route, &links_request(), &mut |kind, body| {
            if kind == NEWLINK
                && let Ok(link) = rtnetlink::link(body)
            {
                names.insert(link.ifindex, link.name.into_bytes());
            }
        })?;
        // A link that came and went between both questions is left for the next reading.
        self.stats.retain(|(index, _)| names.contains_key(index));
        self.known = self.stats.iter().map(|(index, _)| *index).collect();
        let name = |index| names.get(index).cloned().unwrap_or_default();
        *links = self.known.iter().map(|index| Link { name: name(index), ..Link::default() }).collect();
        self.route.set_room(if links.len() < MANY { SMALL_BYTES } else { LARGE_BYTES });
        Ok(())
    }
}

fn ask(socket: &mut Netlink, request: &[u8], each: &mut dyn FnMut(u16, &[u8])) -> Result<(), Errno> {
    let ended = socket.ask(request, &mut |chunk| {
        feed("rtnetlink", chunk, &mut |kind, body, _| {
            each(kind, body);
            Ok(())
        })
    });
    match ended {
        Ok(Ended::Done) => Ok(()),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// `rtnl_link_stats64` → the columns of `/proc/net/dev`, as `dev_seq_printf_stats()` adds them up.
fn columns(stats: &[u64; 23]) -> [u64; 16] {
    let &[
        rx_packets,
        tx_packets,
        rx_bytes,
        tx_bytes,
        rx_errors,
        tx_errors,
        rx_dropped,
        tx_dropped,
        multicast,
        collisions,
        rx_length,
        rx_over,
        rx_crc,
        rx_frame,
        rx_fifo,
        rx_missed,
        tx_aborted,
        tx_carrier,
        tx_fifo,
        tx_heartbeat,
        tx_window,
        rx_compressed,
        tx_compressed,
    ] = stats;
    let sum = |parts: &[u64]| parts.iter().fold(0_u64, |sum, part| sum.wrapping_add(*part));
    [
        rx_bytes,
        rx_packets,
        rx_errors,
        sum(&[rx_dropped, rx_missed]),
        rx_fifo,
        sum(&[rx_length, rx_over, rx_crc, rx_frame]),
        rx_compressed,
        multicast,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        tx_fifo,
        collisions,
        sum(&[tx_carrier, tx_aborted, tx_window, tx_heartbeat]),
        tx_compressed,
    ]
}

#[cfg(test)]
mod tests {
    use tcphealth_core::sysstat::live::Gathered;

    use super::*;

    /// The file and netlink are two views of the same counters; loopback may carry traffic between both readings.
    #[test]
    fn netlink_tells_what_the_file_tells() {
        let mut machine = Machine::live();
        machine.open_links();
        let mut links = Vec::new();
        machine.links(&mut links).expect("rtnetlink has counters since Linux 4.7");
        let mut text = Vec::new();
        assert!(machine.text(File::Dev, &mut text).unwrap());
        let mut gathered = Gathered::default();
        gathered.take(File::Dev, &text, &[]).unwrap();
        let root = machine.root.clone();
        gathered.links.iter_mut().for_each(|link| sysfs_speed(&root, link));
        assert!(!links.is_empty());
        let about = |link: &Link| (link.name.clone(), link.speed_mbit, link.duplex);
        assert_eq!(links.iter().map(about).collect::<Vec<_>>(), gathered.links.iter().map(about).collect::<Vec<_>>());
        for (by_netlink, by_file) in links.iter().zip(&gathered.links) {
            assert!(by_netlink.columns.iter().zip(&by_file.columns).all(|(before, after)| before <= after));
        }
    }

    #[test]
    fn interfaces_that_come_and_go_are_read_with_their_names() {
        let ip = |words: &str| {
            let done = std::process::Command::new("ip").args(words.split(' ')).status().unwrap();
            assert!(done.success(), "{words}");
        };
        let run = move || {
            if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
                assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_SYS_ADMIN");
                return;
            }
            let (mut machine, mut links) = (Machine::live(), Vec::new());
            machine.open_links();
            let mut names = || {
                machine.links(&mut links).unwrap();
                links.iter().map(|link| String::from_utf8(link.name.clone()).unwrap()).collect::<Vec<_>>()
            };
            let before = names();
            ip("link add this type veth peer name that");
            assert_eq!(names(), [&before[..], &["that".to_owned(), "this".to_owned()]].concat());
            ip("link delete this");
            assert_eq!(names(), before);
        };
        std::thread::spawn(run).join().unwrap();
    }

    #[test]
    fn a_file_is_read_again_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        let long = "Tcp: 1\n".repeat(5000);
        std::fs::write(folder.path().join("proc/net/snmp"), &long).unwrap();
        let mut machine = Machine::fake(folder.path());
        let mut text = Vec::new();
        for _ in 0..2 {
            assert!(machine.text(File::Snmp, &mut text).unwrap());
            assert_eq!(text, long.as_bytes());
        }
        assert!(!machine.text(File::Nfs, &mut text).unwrap());
    }

    #[test]
    fn a_fake_machine_tells_its_uptime_and_its_cpus() {
        let folder = tempfile::tempdir().unwrap();
        for cpu in ["cpu0", "cpu1", "cpufreq"] {
            std::fs::create_dir_all(folder.path().join("sys/devices/system/cpu").join(cpu)).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("proc")).unwrap();
        std::fs::write(folder.path().join("proc/stat"), "cpu  1 2\ncpu0 1 2\nintr 0\n").unwrap();
        std::fs::write(folder.path().join("proc/uptime"), "7192.55 29212.05\n").unwrap();
        let machine = Machine::fake(folder.path());
        assert_eq!((machine.cpus(), machine.online(), machine.uptime_cs().unwrap()), (2, vec![0], 719_255));
    }
}
