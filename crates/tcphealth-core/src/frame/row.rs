//! The values of one sample ⇄ bytes that say how it differs from the sample before.
//!
//! Both are walked in the order of their series. Layout, all varints of LEB128: `0, length` so many values are as before ·
//! `1` the next series is gone · `2, entity, 2 × field + word, value` a series more · else three more than the zigzag of the
//! difference to the value before.

use super::columns::{Damaged, SERIES_MAX, bounded, put_varint, put_wide, take_varint, take_wide, unzigzag, zigzag};

/// What the values of a column are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Number of the name of the thing.
    pub entity: u32,
    /// Number of the name of what is said of it.
    pub field: u32,
    /// Whether a value is the number of a word; else it is itself.
    pub word: bool,
}

impl Series {
    /// Appends it.
    pub(super) fn put(self, to: &mut Vec<u8>) {
        put_varint(to, u64::from(self.entity));
        put_varint(to, u64::from(self.field) << 1 | u64::from(self.word));
    }

    /// Reads what [`Series::put`] wrote.
    pub(super) fn take(from: &[u8], at: &mut usize) -> Result<Self, Damaged> {
        let place = *at;
        let number = |number: u64| {
            u32::try_from(number).map_err(|_| Damaged { place, what: "the number of a name has more than 32 bits" })
        };
        let entity = number(take_varint(from, at)?)?;
        let both = take_varint(from, at)?;
        Ok(Self { entity, field: number(both >> 1)?, word: both & 1 == 1 })
    }
}

/// One sample: its series in their order, each once.
pub type Row = Vec<(Series, u64)>;

const RUN: u128 = 0;
const GONE: u128 = 1;
const MORE: u128 = 2;
const FIRST_DIFFERENCE: u128 = 3;

/// Writes what is different in `now`.
pub fn encode(before: &[(Series, u64)], now: &[(Series, u64)]) -> Vec<u8> {
    let (mut bytes, mut run) = (Vec::new(), 0);
    let (mut old, mut new) = (before.iter().peekable(), now.iter().peekable());
    loop {
        let gone = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some((was, _)), Some((is, _))) => was < is,
            (was, _) => was.is_some(),
        };
        if gone {
            end_run(&mut bytes, &mut run);
            put_wide(&mut bytes, GONE);
            old.next();
            continue;
        }
        let Some((series, value)) = new.next() else { break };
        match old.next_if(|(was, _)| was == series) {
            Some((_, was)) if was == value => run += 1,
            Some((_, was)) => {
                end_run(&mut bytes, &mut run);
                let difference = zigzag(value.wrapping_sub(*was).cast_signed());
                put_wide(&mut bytes, u128::from(difference) + FIRST_DIFFERENCE);
            }
            None => {
                end_run(&mut bytes, &mut run);
                put_wide(&mut bytes, MORE);
                series.put(&mut bytes);
                put_varint(&mut bytes, *value);
            }
        }
    }
    end_run(&mut bytes, &mut run);
    bytes
}

fn end_run(bytes: &mut Vec<u8>, run: &mut u64) {
    if *run > 0 {
        put_wide(bytes, RUN);
        put_varint(bytes, *run);
        *run = 0;
    }
}

/// Reads what [`encode`] wrote against the same sample before.
///
/// # Errors
/// The bytes end, do not cover the sample before exactly, or name a series twice or out of order.
pub fn decode(before: &[(Series, u64)], bytes: &[u8]) -> Result<Row, Damaged> {
    let (mut row, mut at, mut old) = (Row::with_capacity(before.len()), 0, before.iter());
    while at < bytes.len() {
        let place = at;
        let missing = Damaged { place, what: "more series than the sample before has" };
        match take_wide(bytes, &mut at)? {
            RUN => {
                let run = bounded(bytes, &mut at, old.len(), "a run longer than the sample before")?;
                row.extend(old.by_ref().take(run));
            }
            GONE => drop(old.next().ok_or(missing)?),
            MORE => {
                let series = Series::take(bytes, &mut at)?;
                row.push((series, take_varint(bytes, &mut at)?));
            }
            number => {
                let (series, was) = old.next().ok_or(missing)?;
                let number = u64::try_from(number - FIRST_DIFFERENCE)
                    .map_err(|_| Damaged { place, what: "a difference of more than 64 bits" })?;
                row.push((*series, was.wrapping_add(unzigzag(number).cast_unsigned())));
            }
        }
        if row.len() > SERIES_MAX {
            return Err(Damaged { place, what: "more series than a sample has" });
        }
    }
    let rising = row.windows(2).all(|two| matches!(two, [(a, _), (b, _)] if a < b));
    if old.len() > 0 || !rising {
        return Err(Damaged { place: at, what: "the series are not those of a sample" });
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn series(number: u32) -> Series {
        Series { entity: number / 4, field: number / 2 % 2, word: number % 2 == 1 }
    }

    fn rows() -> impl Strategy<Value = Row> {
        prop::collection::btree_map(0_u32..40, prop_oneof![0_u64..3, any::<u64>()], 0..30).prop_map(
            |map: BTreeMap<u32, u64>| map.into_iter().map(|(number, value)| (series(number), value)).collect(),
        )
    }

    #[test]
    fn the_bytes_are_these() {
        let before = vec![(series(0), 5), (series(1), 6), (series(2), 7)];
        let now = vec![(series(0), 5), (series(2), 9), (series(7), 1)];
        // As before once; gone; +2 → zigzag 4 + 3; entity 1, field 1 as a word, 1.
        assert_eq!(encode(&before, &now), [0, 1, 1, 7, 2, 1, 3, 1]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(before in rows(), now in rows()) {
            prop_assert_eq!(decode(&before, &encode(&before, &now)).unwrap(), now);
        }

        #[test]
        fn damage_gives_an_error_or_a_sample_and_never_a_panic(before in rows(), bytes in prop::collection::vec(0_u8..12, 0..60)) {
            if let Ok(row) = decode(&before, &bytes) {
                prop_assert!(row.is_sorted_by(|(a, _), (b, _)| a < b));
            }
        }
    }
}
