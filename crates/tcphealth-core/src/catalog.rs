//! Every counter that we can name: its unit, its kind, what one increment means, and where the kernel counts it.
//!
//! A counter that stands here and not in the kernel is absent; one that stands in the kernel and not here is still read,
//! recorded and listed by its name.

use crate::text;
use crate::words::Text;

mod entries;

pub use entries::ENTRIES;

/// A counter by the kernel's own name, `TcpExt.ListenDrops`: the line of the file, a dot, the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter(pub &'static str);

/// Whether a value only grows or goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows from boot (or from the birth of the namespace) on; only its growth means something.
    Counter,
    /// The value now.
    Gauge,
}

/// Whose value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This network namespace.
    Namespace,
    /// The whole host, whatever the namespace it is read in.
    Host,
}

/// What the catalogue knows of a counter.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub counter: Counter,
    /// `segments`, `connections`, `packets`, `bytes`, …
    pub unit: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// Whose it is.
    pub scope: Scope,
    /// What one increment means, and the known lie, if any.
    pub meaning: Text,
    /// The kernel function or document that defines it.
    pub source: &'static str,
}

/// What the catalogue knows of a counter; `None` when nobody has described it yet.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.counter.0 == name)
}

/// The scope of a counter as the user reads it.
pub fn scope_text(scope: Scope) -> Text {
    match scope {
        Scope::Namespace => text! { en: "this network namespace", ko: "이 네트워크 네임스페이스" },
        Scope::Host => text! { en: "the whole host", ko: "호스트 전체" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_counter_is_described_twice() {
        let names: BTreeSet<_> = ENTRIES.iter().map(|entry| entry.counter.0).collect();
        assert_eq!(names.len(), ENTRIES.len());
    }
}
