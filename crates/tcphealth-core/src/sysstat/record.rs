//! The records of a file, one after the other.
//!
//! Source: sysstat's `read_record_hdr()` and `read_file_stat_bunch()` in `sa_common.c`.

use std::io::Read;

use super::activity::{Activity, ItemKind, NETWORK};
use super::bytes::text;
use super::header::{FORMAT, FORMAT_10_3_1, Header, skip_extra};
use super::input::{Input, Trouble};
use super::items::Items;

/// When a record was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Hundredths of a second since boot.
    pub uptime_cs: u64,
    /// Seconds since 1970.
    pub ust_time: u64,
    /// Hour, minute and second on the writer's own clock.
    pub clock: (u8, u8, u8),
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counters follow: to be read with [`Reader::items`] or passed over with [`Reader::pass`].
    Statistics,
    /// The host was started; it has that many CPUs plus one.
    Restart(u32),
    /// What follows cannot be compared with what stands before: a recording was interrupted. No file of sysstat's has it.
    Interruption,
    /// A line that somebody had written into the file, without its padding.
    Comment(Vec<u8>),
}

pub(super) const STATISTICS: u8 = 1;
pub(super) const RESTART: u8 = 2;
const LAST_STATISTICS: u8 = 3;
const COMMENT: u8 = 4;
/// Of ours only.
pub(super) const INTERRUPTION: u8 = 255;
const EXTRA_MAX: u8 = 15;
/// No record is older: September 2001, sysstat's own limit.
const UST_TIME_MIN: u64 = 1_000_000_000;
/// The bytes of a comment with its NUL.
pub const COMMENT_BYTES: usize = 64;
/// The bytes of a record's head in the older formats.
const OLD_RECORD_BYTES: usize = 48;

/// Reads the records of a file whose head has been read.
pub struct Reader<R> {
    input: Input<R>,
    header: Header,
    old_hz: u64,
    wanted: Vec<Option<usize>>,
    activities: Vec<&'static Activity>,
}

impl<R: Read> Reader<R> {
    /// Reads on behind the head. Of every record the activities are kept that `want` wants, in the file's order.
    pub fn new(input: Input<R>, header: Header, want: impl Fn(&Activity) -> bool) -> Self {
        let mut activities: Vec<&'static Activity> = Vec::new();
        let wanted = header.activities.iter().map(|listed| {
            let activity = listed.meaning.as_ref().map(|(activity, _)| *activity).filter(|activity| want(activity))?;
            let twice = activities.iter().any(|earlier| earlier.id == activity.id);
            (!twice).then(|| {
                activities.push(activity);
                activities.len() - 1
            })
        });
        let wanted = wanted.collect();
        let old_hz = header.hz.max(1);
        Self { input, header, old_hz, wanted, activities }
    }

    /// Keeps the activities in the order of the table instead of the file's, for reports that show them side by side.
    #[must_use]
    pub fn in_table_order(mut self) -> Self {
        let place = |activity: &Activity| NETWORK.iter().position(|one| one.id == activity.id);
        let mut sorted = self.activities.clone();
        sorted.sort_by_key(|activity| place(activity));
        for want in self.wanted.iter_mut().flatten() {
            let id = self.activities.get(*want).map(|activity| activity.id);
            *want = sorted.iter().position(|activity| Some(activity.id) == id).unwrap_or(*want);
        }
        self.activities = sorted;
        self
    }

    /// The file's head.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The activities that are kept, in the file's order.
    pub fn activities(&self) -> &[&'static Activity] {
        &self.activities
    }

    /// The next record's time and kind; `None` at the end of the file.
    ///
    /// # Errors
    /// When the record is cut or contradicts itself.
    pub fn advance(&mut self) -> Result<Option<(Moment, Kind)>, Trouble> {
        loop {
            if self.input.at_end()? {
                return Ok(None);
            }
            let (moment, kind, extra) = self.head()?;
            let body = match kind {
                STATISTICS | LAST_STATISTICS => {
                    self.extra(extra)?;
                    return Ok(Some((moment, Kind::Statistics)));
                }
                RESTART => Kind::Restart(self.restart()?),
                INTERRUPTION => Kind::Interruption,
                COMMENT => Kind::Comment(text(self.input.take(COMMENT_BYTES)?).to_vec()),
                _ => {
                    self.extra(extra)?;
                    continue;
                }
            };
            self.extra(extra)?;
            return Ok(Some((moment, body)));
        }
    }

    /// Reads the counters behind a statistics head into one set per kept activity.
    ///
    /// # Errors
    /// When the record is cut or contradicts itself.
    pub fn items(&mut self, sets: &mut [Items]) -> Result<(), Trouble> {
        self.body(Some(sets))
    }

    /// Passes over the counters behind a statistics head.
    ///
    /// # Errors
    /// When the record is cut or contradicts itself.
    pub fn pass(&mut self) -> Result<(), Trouble> {
        self.body(None)
    }

    /// A record's head: its time, its type, and whether unknown structures belong to it.
    fn head(&mut self) -> Result<(Moment, u8, bool), Trouble> {
        let (moment, kind, extra) = if self.header.format == FORMAT { self.current_head()? } else { self.old_head()? };
        let (hour, minute, second) = moment.clock;
        let known = (STATISTICS..=EXTRA_MAX).contains(&kind) || kind == INTERRUPTION;
        let sane = known && hour < 24 && minute < 60 && second <= 60;
        if sane && moment.ust_time >= UST_TIME_MIN { Ok((moment, kind, extra)) } else { Err(Trouble::Invalid) }
    }

    fn current_head(&mut self) -> Result<(Moment, u8, bool), Trouble> {
        let [_, _, shape] = self.header.shapes;
        let machine = self.header.machine;
        let bytes = self.input.take(self.header.record_bytes as usize)?;
        let byte = |n: usize| bytes.get(shape.tail() + n).copied().unwrap_or(0);
        let field = |n: u32| shape.u64_at(n).map_or(0, |at| machine.u64(bytes, at));
        let moment = Moment { uptime_cs: field(0), ust_time: field(1), clock: (byte(1), byte(2), byte(3)) };
        let extra = shape.u32_at(0).is_some_and(|at| machine.u32(bytes, at) != 0);
        Ok((moment, byte(0), extra))
    }

    /// The older head counts in clock ticks: of all CPUs together, and at 16 of one CPU.
    fn old_head(&mut self) -> Result<(Moment, u8, bool), Trouble> {
        let machine = self.header.machine;
        let hz = self.old_hz;
        let bytes = self.input.take(OLD_RECORD_BYTES)?;
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let uptime_cs = (u128::from(machine.u64(bytes, 16)) * 100 / u128::from(hz)) as u64;
        let moment = Moment { uptime_cs, ust_time: machine.long(bytes, 32), clock: (byte(41), byte(42), byte(43)) };
        Ok((moment, byte(40), false))
    }

    fn extra(&mut self, present: bool) -> Result<(), Trouble> {
        if present { skip_extra(&mut self.input, self.header.machine) } else { Ok(()) }
    }

    /// The body of a RESTART record: CPUs plus one.
    fn restart(&mut self) -> Result<u32, Trouble> {
        let machine = self.header.machine;
        match self.header.format {
            FORMAT => self.header.cpus = machine.u32(self.input.take(4)?, 0),
            FORMAT_10_3_1 => super::old::restart(&mut self.input, &mut self.header)?,
            _ => {}
        }
        Ok(self.header.cpus)
    }

    fn body(&mut self, mut sets: Option<&mut [Items]>) -> Result<(), Trouble> {
        let machine = self.header.machine;
        for (listed, want) in self.header.activities.iter().zip(&self.wanted) {
            let count = if listed.counted { machine.u32(self.input.take(4)?, 0) } else { listed.items };
            let items_max = listed.meaning.as_ref().map_or(i32::MAX as u32, |(activity, _)| activity.items_max());
            if count > items_max {
                return Err(Trouble::Invalid);
            }
            let set = want.and_then(|index| sets.as_deref_mut()?.get_mut(index));
            let (Some(set), Some((activity, layout))) = (set, &listed.meaning) else {
                self.input.skip(u64::from(count) * u64::from(listed.columns) * u64::from(listed.size))?;
                continue;
            };
            set.clear();
            for _ in 0..count {
                layout.read(machine, self.input.take(listed.size as usize)?, set);
            }
            self.input.skip(u64::from(count) * u64::from(listed.columns - 1) * u64::from(listed.size))?;
            if self.header.format != FORMAT && matches!(activity.item, ItemKind::Interface | ItemKind::FcHost) {
                set.end_at_nameless();
            }
        }
        Ok(())
    }
}
