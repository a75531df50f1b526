//! The checksums that tie numbers to the words that name them.

use std::collections::BTreeSet;

use flate2::Crc;
use tcphealth_core::frame::block::{Block, Moment};
use tcphealth_core::frame::columns::Damaged;
use tcphealth_core::frame::row::Series;

use super::Stream;
use super::names::Names;

struct Sum<'a>(Crc, &'a Names);

impl Sum<'_> {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn name(&mut self, id: u64) {
        let text = self.1.text(id).unwrap_or_default();
        self.bytes(text.as_bytes());
    }

    fn series(&mut self, series: Series) {
        self.name(u64::from(series.entity));
        self.name(u64::from(series.field));
    }
}

/// A row that is to be summed.
pub(super) struct LiveRow<'a> {
    pub(super) stream: Stream,
    pub(super) at: Moment,
    pub(super) bytes: &'a [u8],
    pub(super) before: &'a [(Series, u64)],
    pub(super) now: &'a [(Series, u64)],
}

/// The sum of a row: over the sum of the row before, so that none can be missing between them, and over the words that are new
/// in it.
pub(super) fn of_row(before: u32, row: &LiveRow<'_>, names: &Names) -> u32 {
    let mut sum = Sum(Crc::new(), names);
    for number in [u64::from(before), row.stream as u64, row.at.boot_us, row.at.wall_us.cast_unsigned()] {
        sum.number(number);
    }
    sum.bytes(row.bytes);
    let mut old = row.before.iter().peekable();
    for (series, value) in row.now {
        while old.next_if(|(was, _)| was < series).is_some() {}
        let was = old.next_if(|(was, _)| was == series).map(|(_, value)| value);
        if was.is_none() {
            sum.series(*series);
        }
        if series.word && was != Some(value) {
            sum.name(*value);
        }
    }
    sum.0.sum()
}

/// A block that is to be summed, compressed as it is stored.
pub(super) struct Packed<'a> {
    pub(super) stream: Stream,
    pub(super) begin_us: i64,
    pub(super) end_us: i64,
    pub(super) bytes: &'a [u8],
}

/// The sum of a block: over every word that names its series or is a value in it.
pub(super) fn of_block(packed: &Packed<'_>, block: &Block<'_>, names: &Names) -> Result<u32, Damaged> {
    let mut sum = Sum(Crc::new(), names);
    for number in [packed.stream as u64, packed.begin_us.cast_unsigned(), packed.end_us.cast_unsigned()] {
        sum.number(number);
    }
    sum.bytes(packed.bytes);
    let mut words = BTreeSet::new();
    for (place, series) in block.series().iter().enumerate() {
        sum.series(*series);
        if series.word {
            words.extend(block.column(place)?.into_iter().flatten());
        }
    }
    for word in words {
        sum.name(word);
    }
    Ok(sum.0.sum())
}
