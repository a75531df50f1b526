//! Samples ⇄ a directory with one SQLite file a day (UTC): the newest samples row by row, older ones in blocks of ten minutes.
//!
//! `name` holds every word once; `live` and `block` name things by its numbers. Each row and block has a CRC-32 over its bytes
//! and over the words that it uses: a flipped bit anywhere is an error, never another number. Why SQLite: docs/decisions.

use std::path::PathBuf;

mod sum;
mod day;
mod names;
mod writer;
mod reader;
mod order;
mod picked;
mod history;
mod range;
#[cfg(test)]
mod month;
#[cfg(any(test, fuzzing))]
pub(crate) mod hostile;

pub(crate) use history::{Past, patience_us};
pub(crate) use picked::Picked;
pub(crate) use range::Range;
pub(crate) use reader::{Sample, Store};
pub(crate) use writer::{Keep, Writer, is_written};

/// The versions of what is in a file, the newest first; each that was ever released stays readable. Blocks of version 2 are told
/// apart from those of version 1 by themselves: a file that is written on is of the newest.
const SCHEMAS: [&str; 2] = ["tcphealth.store/2", "tcphealth.store/1"];
const US_PER_DAY: i64 = 86_400_000_000;

/// What is sampled at its own pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    /// Every counter: an entity is a table, a field is a counter.
    Counters = 1,
    /// Sockets, settings, interfaces, answers.
    Census = 2,
    /// What ten minutes of both sum up to, to compare weeks.
    Totals = 3,
}

impl Stream {
    /// All.
    pub(crate) const ALL: [Self; 3] = [Self::Counters, Self::Census, Self::Totals];

    /// Rows that are folded into one block: ten minutes of them at the usual pace; a day of those that sum up.
    fn block_rows(self) -> usize {
        match self {
            Self::Counters => 600,
            Self::Census => 60,
            Self::Totals => 144,
        }
    }
}

/// Where recordings are kept unless told otherwise: root's in `/var/lib`, a user's in the XDG state directory.
pub(crate) fn default_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    match user() {
        Some(folder) if !nix::unistd::Uid::effective().is_root() => folder.join("tcphealth"),
        _ => PathBuf::from("/var/lib/tcphealth"),
    }
}
