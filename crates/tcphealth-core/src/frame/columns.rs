//! Many samples of many series ⇄ bytes, a column a series.
//!
//! A series is its first value, then the zigzag varint of each difference to the value before; a run of differences that are zero
//! is `0, length`. The offsets of all series stand in front, so that one is decoded without the others. A run of samples without a
//! value is `1, length` and does not move the value before; in version 1 each of them is a `1`.
//!
//! Layout: version · rows · series · (length of each column)* · column*, all varints of LEB128.

/// Version of this layout; a decoder reads every version ever released.
const VERSION: u64 = 2;
/// Most rows of a block that is believed: a day of seconds.
pub const ROWS_MAX: usize = 86_400;
/// Most series of a block that is believed.
pub const SERIES_MAX: usize = 1 << 20;

/// Why bytes are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where, bytes from the begin.
    pub place: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "damaged block: at {}: {}", self.place, self.what)
    }
}

impl std::error::Error for Damaged {}

/// Appends an unsigned number, seven bits a byte, the lowest first (LEB128).
pub fn put_varint(to: &mut Vec<u8>, number: u64) {
    put_wide(to, u128::from(number));
}

/// Reads what [`put_varint`] wrote, and moves on.
///
/// # Errors
/// The bytes end, or the number has more than 64 bits.
pub fn take_varint(from: &[u8], at: &mut usize) -> Result<u64, Damaged> {
    let place = *at;
    u64::try_from(take_wide(from, at)?).map_err(|_| Damaged { place, what: "a number of more than 64 bits" })
}

pub(super) fn put_wide(to: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

pub(super) fn take_wide(from: &[u8], at: &mut usize) -> Result<u128, Damaged> {
    let mut number = 0_u128;
    for shift in (0..70).step_by(7) {
        let byte = *from.get(*at).ok_or(Damaged { place: *at, what: "the bytes end" })?;
        *at += 1;
        number |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged { place: *at, what: "a number without an end" })
}

pub(super) fn zigzag(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

// A difference is written plus two, which may need a 65th bit: 0 and 1 stand before the length of a run.
const RUN: u128 = 0;
const ABSENT: u128 = 1;
const FIRST_DIFFERENCE: u128 = 2;

/// A column while it grows, already encoded: what a recorder keeps in memory is no larger than what it writes.
#[derive(Clone, Debug, Default)]
pub struct Column {
    bytes: Vec<u8>,
    before: u64,
    /// Whether the run in progress is of samples without a value, and how long it is.
    run: (bool, u32),
}

impl Column {
    /// Appends the value of one row.
    pub fn push(&mut self, value: Option<u64>) {
        match value {
            None => self.run_on(true),
            Some(value) if value == self.before => self.run_on(false),
            Some(value) => {
                self.end_run();
                let difference = zigzag(value.wrapping_sub(self.before).cast_signed());
                put_wide(&mut self.bytes, u128::from(difference) + FIRST_DIFFERENCE);
                self.before = value;
            }
        }
    }

    fn run_on(&mut self, absent: bool) {
        if self.run.0 != absent {
            self.end_run();
            self.run.0 = absent;
        }
        self.run.1 += 1;
    }

    fn end_run(&mut self) {
        let (absent, length) = std::mem::take(&mut self.run);
        if length > 0 {
            put_wide(&mut self.bytes, if absent { ABSENT } else { RUN });
            put_varint(&mut self.bytes, u64::from(length));
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.end_run();
        self.bytes
    }
}

impl FromIterator<Option<u64>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<u64>>>(values: I) -> Self {
        let mut column = Self::default();
        for value in values {
            column.push(value);
        }
        column
    }
}

/// Writes a block of `rows` rows; every column has so many values.
pub fn encode(rows: usize, columns: impl IntoIterator<Item = Column>) -> Vec<u8> {
    let written: Vec<Vec<u8>> = columns.into_iter().map(Column::finish).collect();
    let mut block = Vec::with_capacity(written.iter().map(|column| column.len() + 2).sum::<usize>() + 16);
    put_varint(&mut block, VERSION);
    put_varint(&mut block, rows as u64);
    put_varint(&mut block, written.len() as u64);
    for column in &written {
        put_varint(&mut block, column.len() as u64);
    }
    for column in &written {
        block.extend_from_slice(column);
    }
    block
}

/// A block whose columns are decoded one by one.
#[derive(Debug)]
pub struct Block<'a> {
    bytes: &'a [u8],
    version: u64,
    rows: usize,
    columns: Vec<(usize, usize)>,
}

impl<'a> Block<'a> {
    /// Finds the columns.
    ///
    /// # Errors
    /// Another version, more rows or series than any block has, or columns that do not fill the block exactly.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut at = 0;
        let version = take_varint(bytes, &mut at)?;
        if !(1..=VERSION).contains(&version) {
            return Err(Damaged { place: 0, what: "an unknown version" });
        }
        let rows = bounded(bytes, &mut at, ROWS_MAX, "more rows than a block has")?;
        let count = bounded(bytes, &mut at, SERIES_MAX, "more series than a block has")?;
        let mut lengths = Vec::new();
        for _ in 0..count {
            lengths.push(bounded(bytes, &mut at, bytes.len(), "a column longer than the block")?);
        }
        let mut columns = Vec::with_capacity(lengths.len());
        for length in lengths {
            columns.push((at, at + length));
            at += length;
        }
        if at != bytes.len() {
            return Err(Damaged { place: at, what: "the columns do not fill the block" });
        }
        Ok(Self { bytes, version, rows, columns })
    }

    /// Samples in the block.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Series in the block.
    pub fn series(&self) -> usize {
        self.columns.len()
    }

    /// The values of one series, one a row.
    ///
    /// # Errors
    /// There is no such series, or its bytes do not make exactly as many values as the block has rows.
    pub fn column(&self, series: usize) -> Result<Vec<Option<u64>>, Damaged> {
        let none = Damaged { place: 0, what: "no such series" };
        let (mut at, end) = *self.columns.get(series).ok_or(none)?;
        let bytes = self.bytes.get(..end).ok_or(none)?;
        let (mut values, mut before) = (Vec::with_capacity(self.rows), 0_u64);
        while at < end {
            let place = at;
            match take_wide(bytes, &mut at)? {
                ABSENT if self.version == 1 => values.push(None),
                code @ (RUN | ABSENT) => {
                    let left = self.rows - values.len();
                    let run = bounded(bytes, &mut at, left, "a run longer than the block")?;
                    values.resize(values.len() + run, (code == RUN).then_some(before));
                }
                number => {
                    let number = u64::try_from(number - FIRST_DIFFERENCE)
                        .map_err(|_| Damaged { place, what: "a difference of more than 64 bits" })?;
                    before = before.wrapping_add(unzigzag(number).cast_unsigned());
                    values.push(Some(before));
                }
            }
            if values.len() > self.rows {
                return Err(Damaged { place, what: "more values than rows" });
            }
        }
        if values.len() == self.rows { Ok(values) } else { Err(Damaged { place: end, what: "fewer values than rows" }) }
    }
}

pub(super) fn bounded(bytes: &[u8], at: &mut usize, most: usize, what: &'static str) -> Result<usize, Damaged> {
    let place = *at;
    let number = take_varint(bytes, at)?;
    usize::try_from(number).ok().filter(|&number| number <= most).ok_or(Damaged { place, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(columns: &[Vec<Option<u64>>]) -> Vec<u8> {
        super::encode(
            columns.first().map_or(0, Vec::len),
            columns.iter().map(|column| column.iter().copied().collect()),
        )
    }

    #[test]
    fn a_quiet_series_costs_a_few_bytes_whatever_its_length() {
        let block = encode(&[vec![Some(1_000_000); 600]]);
        // Version, rows (2), series, column length; then 1 000 000 as a difference (3) and a run of 599 (1 + 2).
        assert_eq!(block.len(), 5 + 3 + 3);
    }

    #[test]
    fn the_bytes_of_each_version_are_these() {
        let values = vec![Some(5), Some(5), Some(4), None, Some(4)];
        // 5 → zigzag 10 + 2; a run of 1; −1 → zigzag 1 + 2; absent, once; a run of 1.
        assert_eq!(encode(std::slice::from_ref(&values)), [2, 5, 1, 8, 12, 0, 1, 3, 1, 1, 0, 1]);
        let version_1 = [1, 5, 1, 7, 12, 0, 1, 3, 1, 0, 1];
        assert_eq!(Block::open(&version_1).unwrap().column(0).unwrap(), values);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in 0_usize..40, columns in prop::collection::vec(prop::collection::vec(any::<Option<u64>>(), 40), 0..6)) {
            let columns: Vec<Vec<Option<u64>>> = columns.into_iter().map(|column| column[..rows].to_vec()).collect();
            let bytes = encode(&columns);
            let block = Block::open(&bytes).unwrap();
            prop_assert_eq!(block.series(), columns.len());
            for (series, column) in columns.iter().enumerate() {
                prop_assert_eq!(&block.column(series).unwrap(), column);
            }
        }

        #[test]
        fn damage_gives_an_error_or_values_and_never_a_panic(place in any::<prop::sample::Index>(), bits in 1_u8.., cut in any::<prop::sample::Index>()) {
            let columns: Vec<Vec<Option<u64>>> = (0..5).map(|series| (0..60).map(|row| Some(row * series * 7)).collect()).collect();
            let mut bytes = encode(&columns);
            let at = place.index(bytes.len());
            bytes[at] ^= bits;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(block) = Block::open(&bytes) {
                for series in 0..block.series() {
                    if let Ok(column) = block.column(series) {
                        prop_assert_eq!(column.len(), block.rows());
                    }
                }
            }
        }
    }
}
