//! Samples one after another ⇄ a block: the names of its series, and a column for each and for the two clocks.
//!
//! Layout: number of series · (entity, 2 × field + word)* · the block of [`columns`], whose first two columns are the boot clock
//! and what the wall clock is ahead of it.

use std::collections::BTreeMap;

use super::columns::{self, Column, Damaged, SERIES_MAX, bounded, put_varint};
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
    boot_us: Column,
    ahead_us: Column,
    columns: BTreeMap<Series, Column>,
}

impl Builder {
    /// Appends a sample.
    pub fn push(&mut self, at: Moment, row: &Row) {
        self.boot_us.push(Some(at.boot_us));
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
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.columns.len() as u64);
        for series in self.columns.keys() {
            series.put(&mut bytes);
        }
        let columns = [self.boot_us, self.ahead_us].into_iter().chain(self.columns.into_values());
        bytes.extend(columns::encode(self.rows, columns));
        bytes
    }
}

/// A block that is read.
#[derive(Debug)]
pub struct Block<'a> {
    series: Vec<Series>,
    columns: columns::Block<'a>,
}

impl<'a> Block<'a> {
    /// Finds the series.
    ///
    /// # Errors
    /// The bytes are no block.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut at = 0;
        let count = bounded(bytes, &mut at, SERIES_MAX, "more series than a block has")?;
        let mut series = Vec::new();
        for _ in 0..count {
            series.push(Series::take(bytes, &mut at)?);
        }
        let columns = columns::Block::open(bytes.get(at..).unwrap_or_default())?;
        if columns.series() != count + 2 || !series.is_sorted_by(|a, b| a < b) {
            return Err(Damaged { place: at, what: "the names do not belong to the columns" });
        }
        Ok(Self { series, columns })
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
        let moment = |(boot_us, ahead_us): (Option<u64>, Option<u64>)| {
            let boot_us = boot_us?;
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
