//! The wish to stop, by a signal → something to wait for.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGTERM, SIGINT and SIGHUP as something to wait for.
pub(crate) struct Stop(SignalFd);

impl Stop {
    /// From now on they do not end the program by themselves.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits for so long; whether one came.
    pub(crate) fn within(&self, time_ns: u64) -> anyhow::Result<bool> {
        // A millisecond more than less: the tick must not come before its time.
        let wait = PollTimeout::try_from(Duration::from_nanos(time_ns).as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], wait) {
            Ok(0) | Err(Errno::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
