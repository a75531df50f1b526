//! A few series of a recording, sample after sample, without decoding the others.

use tcphealth_core::frame::block::{Block, Moment};
use tcphealth_core::frame::leaves::Leaf;
use tcphealth_core::frame::row::Series;

use super::day::Day;
use super::names::{Names, nameless};
use super::order::in_order;
use super::{Store, Stream};

/// Chooses what is wanted by the names of a thing and of what is said of it, and gives it a name of its own.
pub(crate) type Pick<'a, T> = dyn FnMut(&str, &str) -> Option<T> + 'a;
/// When a sample was taken, and what was picked of it.
pub(crate) type Picked<T> = (Moment, Vec<(T, Leaf)>);

impl Store {
    /// What is picked of the samples between two times, both included, in their order.
    ///
    /// # Errors
    /// A day cannot be read, or is damaged.
    pub(crate) fn picked<T: Clone>(
        &self,
        stream: Stream,
        range: (i64, i64),
        pick: &mut Pick<'_, T>,
    ) -> anyhow::Result<Vec<Picked<T>>> {
        let mut days = Vec::new();
        for path in self.days_of(range) {
            let (day, mut all) = (Day::read(path)?, Vec::new());
            day.blocks(stream, range, &mut |block| of_block(block, &day.names, pick, &mut all))?;
            let (live, damaged) = day.live(stream)?;
            if let Some(damaged) = damaged {
                return Err(damaged);
            }
            for (at, row) in live {
                all.push((at, of_row(&row, &day.names, pick)?));
            }
            all.retain(|(at, _)| (range.0..=range.1).contains(&at.wall_us));
            days.extend(in_order(all));
        }
        Ok(days)
    }

    /// Hands on every name that occurs in the days of a time.
    ///
    /// # Errors
    /// A day cannot be read.
    pub(crate) fn names(&self, range: (i64, i64), each: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        for path in self.days_of(range) {
            Day::read(path)?.names.all().for_each(&mut *each);
        }
        Ok(())
    }
}

fn of_block<T: Clone>(
    block: &Block<'_>,
    names: &Names,
    pick: &mut Pick<'_, T>,
    all: &mut Vec<Picked<T>>,
) -> anyhow::Result<()> {
    let first = all.len();
    all.extend(block.moments()?.into_iter().map(|at| (at, Vec::new())));
    for (place, series) in block.series().iter().enumerate() {
        let Some(wanted) = picked(*series, names, pick)? else { continue };
        let rows = all.get_mut(first..).unwrap_or_default();
        for ((_, row), value) in rows.iter_mut().zip(block.column(place)?) {
            let Some(value) = value else { continue };
            row.push((wanted.clone(), leaf(*series, value, names)?));
        }
    }
    Ok(())
}

fn of_row<T: Clone>(row: &[(Series, u64)], names: &Names, pick: &mut Pick<'_, T>) -> anyhow::Result<Vec<(T, Leaf)>> {
    let mut chosen = Vec::new();
    for (series, value) in row {
        if let Some(wanted) = picked(*series, names, pick)? {
            chosen.push((wanted, leaf(*series, *value, names)?));
        }
    }
    Ok(chosen)
}

fn picked<T>(series: Series, names: &Names, pick: &mut Pick<'_, T>) -> anyhow::Result<Option<T>> {
    let name = |id: u32| names.text(id.into()).ok_or_else(nameless);
    Ok(pick(name(series.entity)?, name(series.field)?))
}

fn leaf(series: Series, value: u64, names: &Names) -> anyhow::Result<Leaf> {
    let (_, _, leaf) = names.leaf(series, value).ok_or_else(nameless)?;
    Ok(leaf)
}
