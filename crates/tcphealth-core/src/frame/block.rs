//! Samples one after another ⇄ a block: the names of its series, and a column for each and for the two clocks.
//!
//! Layout: 0 · version 2 · number of series · series* · the block of [`columns`]. A series is by how much its entity is above the
//! entity before, then 2 × the zigzag of by how much its field is above the field before + whether it is a word. The first two
//! columns are by how much the boot clock is above the sample before, and what the wall clock is ahead of it.
//!
//! Version 1 had no mark of its own (no block of it is without series), whole numbers of entities and fields, and the boot clock
//! as it was.

use std::collections::BTreeMap;

use super::columns::{self, Column, Damaged, SERIES_MAX, bounded, put_varint, take_varint, unzigzag, zigzag};
use super::row::{Row, Series};

/// When a sample was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// `CLOCK_BOOTTIME`, µs since boot.
    pub boot_us: u64,
    /// `CLOCK_REALTIME`, µs since 1970-01-01 UTC.
    pub wall_us: i64,
}

impl Moment {
    fn ahead(self) -> u64 {
        self.wall_us.cast_unsigned().wrapping_sub(self.boot_us)
    }
}

/// A block while it grows.
#[derive(Debug, Default)]
pub struct Builder {
    rows: usize,
    before_us: u64,
    boot_us: Column,
    ahead_us: Column,
    columns: BTreeMap<Series, Column>,
}

impl Builder {
    /// Appends a sample.
    pub fn push(&mut self, at: Moment, row: &Row) {
        self.boot_us.push(Some(at.boot_us.wrapping_sub(self.before_us)));
        self.before_us = at.boot_us;
        self.ahead_us.push(Some(at.ahead()));
        let mut now = row.iter().peekable();
        let mut late = Vec::new();
        for (series, column) in &mut self.columns {
            while let Some(new) = now.next_if(|(named, _)| named < series) {
                late.push(*new);
            }
            column.push(now.next_if(|(named, _)| named == series).map(|(_, value)| *value));
        }
        late.extend(now);
        for (series, value) in late {
            self.columns.insert(series, std::iter::repeat_n(None, self.rows).chain([Some(value)]).collect());
        }
        self.rows += 1;
    }

    /// Samples in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The block.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = VERSION_2.to_vec();
        put_varint(&mut bytes, self.columns.len() as u64);
        let mut before = FIRST;
        for series in self.columns.keys() {
            put_series(&mut bytes, before, *series);
            before = *series;
        }
        let columns = [self.boot_us, self.ahead_us].into_iter().chain(self.columns.into_values());
        bytes.extend(columns::encode(self.rows, columns));
        bytes
    }
}

/// How a block of version 2 begins.
const VERSION_2: [u8; 2] = [0, 2];
/// What the first series is told from.
const FIRST: Series = Series { entity: 0, field: 0, word: false };

fn put_series(to: &mut Vec<u8>, before: Series, series: Series) {
    put_varint(to, u64::from(series.entity - before.entity));
    let field = zigzag(i64::from(series.field) - i64::from(before.field));
    put_varint(to, field << 1 | u64::from(series.word));
}

fn take_series(from: &[u8], at: &mut usize, before: Series) -> Result<Series, Damaged> {
    let place = *at;
    let (entity, field) = (take_varint(from, at)?, take_varint(from, at)?);
    let entity = u64::from(before.entity).checked_add(entity).and_then(|id| u32::try_from(id).ok());
    let id = u64::from(before.field).checked_add_signed(unzigzag(field >> 1)).and_then(|id| u32::try_from(id).ok());
    let ids = entity.zip(id).ok_or(Damaged { place, what: "the number of a name has more than 32 bits" })?;
    Ok(Series { entity: ids.0, field: ids.1, word: field & 1 == 1 })
}

/// A block that is read.
#[derive(Debug)]
pub struct Block<'a> {
    version: u8,
    series: Vec<Series>,
    columns: columns::Block<'a>,
}

impl<'a> Block<'a> {
    /// Finds the series.
    ///
    /// # Errors
    /// The bytes are no block.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let (version, mut at) = if bytes.starts_with(&VERSION_2) { (2, VERSION_2.len()) } else { (1, 0) };
        let count = bounded(bytes, &mut at, SERIES_MAX, "more series than a block has")?;
        let (mut series, mut before) = (Vec::new(), FIRST);
        for _ in 0..count {
            let next = if version == 1 { Series::take(bytes, &mut at) } else { take_series(bytes, &mut at, before) };
            before = next?;
            series.push(before);
        }
        let columns = columns::Block::open(bytes.get(at..).unwrap_or_default())?;
        if columns.series() != count + 2 || !series.is_sorted_by(|a, b| a < b) {
            return Err(Damaged { place: at, what: "the names do not belong to the columns" });
        }
        Ok(Self { version, series, columns })
    }

    /// The series, in their order.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// When the samples were taken.
    ///
    /// # Errors
    /// The columns of the clocks are damaged.
    pub fn moments(&self) -> Result<Vec<Moment>, Damaged> {
        let (boot_us, ahead_us) = (self.columns.column(0)?, self.columns.column(1)?);
        let mut before_us = 0_u64;
        let moment = |(boot_us, ahead_us): (Option<u64>, Option<u64>)| {
            let boot_us = if self.version == 1 { boot_us? } else { before_us.wrapping_add(boot_us?) };
            before_us = boot_us;
            Some(Moment { boot_us, wall_us: boot_us.wrapping_add(ahead_us?).cast_signed() })
        };
        let moments = boot_us.into_iter().zip(ahead_us).map(moment).collect::<Option<_>>();
        moments.ok_or(Damaged { place: 0, what: "a sample without a time" })
    }

    /// The values of one series, by its place in [`Block::series`].
    ///
    /// # Errors
    /// Its column is damaged.
    pub fn column(&self, place: usize) -> Result<Vec<Option<u64>>, Damaged> {
        self.columns.column(place + 2)
    }

    /// Every sample.
    ///
    /// # Errors
    /// A column is damaged.
    pub fn rows(&self) -> Result<Vec<Row>, Damaged> {
        let mut rows = vec![Row::new(); self.columns.rows()];
        for (place, series) in self.series.iter().enumerate() {
            for (row, value) in rows.iter_mut().zip(self.column(place)?) {
                row.extend(value.map(|value| (*series, value)));
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let row = prop::collection::btree_map(0_u32..12, any::<u64>(), 0..10);
        let named = |(number, value)| (Series { entity: number / 3, field: number % 3, word: number % 2 == 0 }, value);
        let row = row.prop_map(move |map| {
            let mut row: Row = map.into_iter().map(named).collect();
            row.sort_unstable();
            row
        });
        prop::collection::vec(row, 0..20)
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_read(rows in rows(), begin in any::<u32>(), wall in any::<i32>()) {
            let moment = |place: usize| Moment { boot_us: u64::from(begin) + place as u64, wall_us: i64::from(wall) };
            let mut builder = Builder::default();
            for (place, row) in rows.iter().enumerate() {
                builder.push(moment(place), row);
            }
            let bytes = builder.finish();
            let block = Block::open(&bytes).unwrap();
            prop_assert_eq!(block.moments().unwrap(), (0..rows.len()).map(moment).collect::<Vec<_>>());
            prop_assert_eq!(block.rows().unwrap(), rows);
        }

        #[test]
        fn damage_gives_an_error_or_samples_and_never_a_panic(rows in rows(), place in any::<prop::sample::Index>(), bits in 1_u8.., cut in any::<prop::sample::Index>()) {
            let mut builder = Builder::default();
            for row in &rows {
                builder.push(Moment::default(), row);
            }
            let mut bytes = builder.finish();
            let at = place.index(bytes.len());
            bytes[at] ^= bits;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(read) = Block::open(&bytes).and_then(|block| block.rows()) {
                prop_assert!(read.iter().all(|row| row.is_sorted_by(|(a, _), (b, _)| a < b)));
            }
        }
    }
}
