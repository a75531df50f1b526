//! Carries out what path tracers ask for: probes become sockets, and what the sockets hear becomes replies.
//!
//! No privilege is needed: a probe is an ordinary non-blocking socket with a short time to live, and the routers' ICMP
//! errors come back on its error queue (ip(7) `IP_RECVERR`, ipv6(7) `IPV6_RECVERR`). All targets share one poll loop.

mod socket;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use socket::{Heard, Lane, Socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use tcphealth_core::path::{Mtu, MtuSearch, Path, Plan, Probe, Protocol, Step, Tracer, Walker};

/// This host's own address on the way to a target, as the routing table chooses it; nothing is sent.
///
/// # Errors
/// When there is no route.
pub fn source_for(target: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(SocketAddr::new(target, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Walks all plans side by side until they are done or somebody interrupts; what has been met until then is the result.
///
/// `watch` sees the tracers about once a second. A target for which no socket can be opened ends with the error.
///
/// # Errors
/// When polling fails.
pub fn walk(plans: &[Plan], watch: impl FnMut(&[&Tracer])) -> io::Result<Vec<io::Result<Path>>> {
    let mut runs: Vec<Run<Tracer>> = plans.iter().map(|plan| Run::new(plan, Tracer::new(plan.clone(), 0))).collect();
    drive(&mut runs, watch)?;
    Ok(runs.into_iter().map(|run| Ok(run.into_walker()?.path())).collect())
}

/// The port that traceroute(8) sends datagrams to, since nobody listens there.
const TRACEROUTE: u16 = 33434;

/// Finds the largest packet that a path of so many hops carries, by datagrams.
///
/// # Errors
/// When no socket can be opened, or polling fails.
pub fn find_mtu(plan: &Plan, length: u8) -> io::Result<Mtu> {
    let port = if plan.protocol == Protocol::Udp { plan.port } else { TRACEROUTE };
    let plan = Plan { protocol: Protocol::Udp, port, flows: 1, ..plan.clone() };
    let first = socket::route_mtu(plan.target)?;
    let mut runs = [Run::new(&plan, MtuSearch::new(&plan, length, first))];
    drive(&mut runs, |_| {})?;
    let [run] = runs;
    Ok(run.into_walker()?.into_found())
}

/// Does what the walkers want until all are done, or until an interrupt.
fn drive<W: Walker>(runs: &mut [Run<W>], mut watch: impl FnMut(&[&W])) -> io::Result<()> {
    let clock = Instant::now();
    let interrupt = Interrupt::catch()?;
    let mut watched = clock;
    loop {
        let now_us = clock.elapsed().as_micros() as u64;
        let Some(until_us) = runs.iter_mut().filter_map(|run| run.step(now_us)).min() else { return Ok(()) };
        if watched.elapsed() >= Duration::from_secs(1) {
            watched = Instant::now();
            watch(&runs.iter().map(|run| &run.walker).collect::<Vec<_>>());
        }
        let wait = Duration::from_micros(until_us.saturating_sub(now_us)).min(Duration::from_secs(1));
        if wait_for(runs, &interrupt, wait)? {
            return Ok(());
        }
        runs.iter_mut().for_each(Run::listen);
    }
}

/// Waits for a reply, an interrupt or the time; whether it was an interrupt.
fn wait_for<W>(runs: &[Run<W>], interrupt: &Interrupt, wait: Duration) -> io::Result<bool> {
    let sockets = runs.iter().flat_map(|run| &run.sockets);
    let mut fds: Vec<PollFd> = sockets.map(|socket| PollFd::new(socket.as_fd(), socket.interest())).collect();
    fds.push(PollFd::new(interrupt.0.as_fd(), PollFlags::POLLIN));
    // Rounded up: a wait that ends too early would spin.
    let timeout = PollTimeout::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(fds.last().and_then(PollFd::any).unwrap_or(false))
}

/// Ctrl-C ends the walk and not the program, so that there is a report.
struct Interrupt(SignalFd, SigSet);

impl Interrupt {
    fn catch() -> io::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?, signals))
    }
}

impl Drop for Interrupt {
    /// A signal that was heard is taken off before signals are let through again: it must not end the program after all.
    fn drop(&mut self) {
        let _ = self.0.read_signal();
        let _ = self.1.thread_unblock();
    }
}

/// One target.
struct Run<W> {
    walker: W,
    plan: Plan,
    lanes: Vec<Lane>,
    sockets: Vec<Socket>,
    failed: Option<io::Error>,
}

impl<W: Walker> Run<W> {
    fn new(plan: &Plan, walker: W) -> Self {
        Self {
            walker,
            plan: plan.clone(),
            lanes: (0..plan.flows).map(|_| Lane::default()).collect(),
            sockets: Vec::new(),
            failed: None,
        }
    }

    /// Does all that is due; when the next thing is, or `None` when all is done.
    fn step(&mut self, now_us: u64) -> Option<u64> {
        while self.failed.is_none() {
            match self.walker.step(now_us) {
                Step::Send(probe) => self.failed = self.send(probe).err(),
                Step::Forget(probe) => self.forget(probe),
                Step::Wait(until_us) => return Some(until_us),
                Step::Done => return None,
            }
        }
        None
    }

    fn send(&mut self, probe: Probe) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(usize::from(probe.flow)) else { return Ok(()) };
        self.sockets.push(Socket::open(&self.plan, probe, lane)?);
        Ok(())
    }

    fn forget(&mut self, probe: Probe) {
        let Some(at) = self.sockets.iter().position(|socket| socket.probe.id == probe.id) else { return };
        if self.sockets.swap_remove(at).heard_anything() {
            self.walker.heard(probe);
        }
    }

    /// Hands over what the sockets have heard. Whoever has heard an answer is closed: a connection by reset.
    fn listen(&mut self) {
        let (walker, plan) = (&mut self.walker, &self.plan);
        self.sockets.retain(|socket| match socket.hear(plan) {
            Heard::Answer(reply) => {
                walker.reply(reply);
                false
            }
            Heard::Nothing => true,
        });
    }

    fn into_walker(self) -> io::Result<W> {
        self.failed.map_or(Ok(self.walker), Err)
    }
}

/// The name that the host's resolver has for an address; `None` when it has none.
pub fn name_of(address: IpAddr) -> Option<String> {
    socket::name_of(address)
}
