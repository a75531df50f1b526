//! Samples → the file of their day. One writer a directory; each sample is committed at once and synced when told to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tcphealth_core::frame::block::{Builder, Moment};
use tcphealth_core::frame::leaves::Leaf;
use tcphealth_core::frame::row::{self, Row, Series};
use tcphealth_core::frame::taken::goes_on;
use tcphealth_core::say;
use tcphealth_core::words::Message;

use super::day::{Day, beside};
use super::reader::{PAUSE_US, day_of, days};
use super::sum::LiveRow;
use super::{Stream, US_PER_DAY};
use crate::speech::Complaint;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// Days, today included.
    pub(crate) days: u32,
    /// Bytes of all files together.
    pub(crate) bytes: u64,
}

/// Takes a leaf: what it is about, what is said of it, its worth.
type Put<'a> = dyn FnMut(&str, &str, Leaf) + 'a;

/// What a stream needs to know of its sample before.
#[derive(Default)]
struct Chain {
    before: Row,
    /// Its series in the order in which they came.
    order: Vec<Series>,
    sum: u32,
    block: Builder,
    /// When the last sample was taken, and how long after the one before it, µs.
    last: Option<(Moment, Option<u64>)>,
}

impl Chain {
    /// Whether a sample goes on with the block: a block has no clock that was set in it and no long pause, so that from when
    /// until when there is something can be seen without reading it.
    fn takes(&self, at: Moment) -> bool {
        let Some((last, apart_us)) = self.last else { return true };
        let pause_us = PAUSE_US.unsigned_abs();
        goes_on(last, at, apart_us.map_or(u64::MAX, |apart_us| apart_us.saturating_mul(3).max(pause_us)))
    }
}

struct Open {
    number: i64,
    day: Day,
    log: File,
    chains: [Chain; Stream::ALL.len()],
}

/// The only writer of a directory.
pub(crate) struct Writer {
    directory: PathBuf,
    keep: Keep,
    open: Option<Open>,
    _lock: Flock<File>,
}

const LOCK: &str = "lock";

/// Whether a recorder writes to a directory now.
pub(crate) fn is_written(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join(LOCK)) else { return false };
    matches!(Flock::lock(lock, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
}

impl Writer {
    /// Takes the directory, makes it when it is not there, and puts in order what a crash may have left.
    pub(crate) fn new(directory: &Path, keep: Keep) -> anyhow::Result<Self> {
        let place = || directory.display().to_string();
        fs::create_dir_all(directory).with_context(place)?;
        let lock = File::options().create(true).append(true).open(directory.join(LOCK)).with_context(place)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => Complaint(say! {
                en: "{place}: another recorder writes here",
                ko: "{place}: 다른 기록기가 쓰고 있음",
                place = place()
            }),
            error => Complaint(Message::same(format!("{}: {}", place(), error.desc()))),
        })?;
        let writer = Self { directory: directory.to_owned(), keep, open: None, _lock: lock };
        let today = Timestamp::now().as_microsecond().div_euclid(US_PER_DAY);
        for (number, path) in days(directory)? {
            if number != today && beside(&path, "-wal").exists() {
                Open::of(number, &path)?.close()?;
            }
        }
        writer.forget_old()?;
        Ok(writer)
    }

    /// Stores one sample; when this returns, the death of this process does not lose it.
    ///
    /// # Errors
    /// It is not stored, and nothing that was is harmed. The next sample may be tried as if nothing had happened.
    pub(crate) fn append(
        &mut self,
        stream: Stream,
        at: Moment,
        leaves: &mut dyn FnMut(&mut Put<'_>),
    ) -> anyhow::Result<()> {
        let number = at.wall_us.div_euclid(US_PER_DAY);
        if self.open.as_ref().is_some_and(|open| open.number != number || open.day.names.is_full()) {
            self.close()?;
            self.forget_old()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::of(number, &self.directory.join(format!("{}.db", day_of(number))))?,
        };
        // After a failure the file is opened anew: what it holds is the truth, not what we remember.
        open.append(stream, at, leaves)?;
        self.open = Some(open);
        Ok(())
    }

    /// Makes what was stored survive a loss of power.
    pub(crate) fn sync(&self) -> anyhow::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        open.log.sync_data().with_context(|| beside(open.day.path(), "-wal").display().to_string())
    }

    /// Ends the file in progress so that it can be read from anywhere.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        self.open.take().map_or(Ok(()), Open::close)
    }

    /// Removes the oldest days that are too many; the newest always stays.
    fn forget_old(&self) -> anyhow::Result<()> {
        let (mut count, mut bytes) = (0, 0);
        for (_, path) in days(&self.directory)?.into_iter().rev() {
            count += 1;
            bytes += fs::metadata(&path).map_or(0, |meta| meta.len());
            if count > 1 && (count > self.keep.days || bytes > self.keep.bytes) {
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }
}

impl Open {
    /// Opens a day and folds what is live in it, so that each chain begins anew.
    fn of(number: i64, path: &Path) -> anyhow::Result<Self> {
        let mut day = Day::write(path)?;
        for stream in Stream::ALL {
            let (samples, damaged) = day.live(stream)?;
            let mut block = Builder::default();
            for (at, row) in &samples {
                block.push(*at, row);
            }
            if !samples.is_empty() {
                day.fold(stream, &block.finish())?;
            }
            if let Some(damaged) = damaged {
                eprintln!("tcphealth: {damaged:#}; the rows before it are kept");
                day.drop_live(stream)?;
            }
        }
        let log = beside(path, "-wal");
        let log = File::options().read(true).open(&log).with_context(|| log.display().to_string())?;
        Ok(Self { number, day, log, chains: Default::default() })
    }

    fn chain(&mut self, stream: Stream) -> &mut Chain {
        let [counters, census, totals] = &mut self.chains;
        match stream {
            Stream::Counters => counters,
            Stream::Census => census,
            Stream::Totals => totals,
        }
    }

    fn append(&mut self, stream: Stream, at: Moment, leaves: &mut dyn FnMut(&mut Put<'_>)) -> anyhow::Result<()> {
        if !self.chain(stream).takes(at) {
            self.fold(stream)?;
        }
        let Chain { before, mut order, sum, block, last } = std::mem::take(self.chain(stream));
        let (mut now, names) = (Row::with_capacity(before.len()), &mut self.day.names);
        leaves(&mut |entity, field, leaf| now.push(names.value(order.get(now.len()).copied(), entity, field, &leaf)));
        order.clear();
        order.extend(now.iter().map(|(series, _)| *series));
        now.sort_unstable();
        let bytes = row::encode(&before, &now);
        let row = LiveRow { stream, at, bytes: &bytes, before: &before, now: &now };
        let sum = self.day.append(sum, &row).with_context(|| self.day.path().display().to_string())?;
        let chain = self.chain(stream);
        let apart_us = last.map(|(last, _)| at.boot_us.saturating_sub(last.boot_us));
        *chain = Chain { before: now, order, sum, block, last: Some((at, apart_us)) };
        chain.block.push(at, &chain.before);
        if chain.block.rows() >= stream.block_rows() {
            self.fold(stream)?;
        }
        Ok(())
    }

    fn fold(&mut self, stream: Stream) -> anyhow::Result<()> {
        let chain = std::mem::take(self.chain(stream));
        self.day.fold(stream, &chain.block.finish()).with_context(|| self.day.path().display().to_string())
    }

    fn close(mut self) -> anyhow::Result<()> {
        for stream in Stream::ALL {
            if self.chain(stream).block.rows() > 0 {
                self.fold(stream)?;
            }
        }
        let path = self.day.path().display().to_string();
        drop(self.log);
        self.day.close().context(path)
    }
}
