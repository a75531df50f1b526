//! Every counter that we can name: its unit, its kind, what one increment means, and where the kernel counts it.
//!
//! A counter that stands here and not in the kernel is absent; one that stands in the kernel and not here is still read,
//! recorded and listed by its name.

use crate::text;
use crate::words::Text;

mod entries;

pub use entries::entries;

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
///
/// `dev.eth0.rx_drop` is described as `dev.*.rx_drop`, `qdisc.eth0.fq.drops` as `qdisc.*.drops`, `softnet.cpu3.dropped` as
/// `softnet.dropped`, `event.connect.ETIMEDOUT` as `event.connect.*`.
pub fn entry(name: &str) -> Option<&'static Entry> {
    let general = general(name);
    entries().find(|entry| entry.counter.0 == general)
}

fn general(name: &str) -> String {
    let parts = |prefix| name.strip_prefix(prefix).and_then(|rest: &str| rest.rsplit_once('.'));
    for many in ["dev.", "qdisc."] {
        if let Some((_, column)) = parts(many) {
            return format!("{many}*.{column}");
        }
    }
    for many in ["event.change.", "event.connect.", "event.reset_sent."] {
        if name.starts_with(many) {
            return format!("{many}*");
        }
    }
    parts("softnet.cpu").map_or_else(|| name.to_owned(), |(_, column)| format!("softnet.{column}"))
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
        let names: BTreeSet<_> = entries().map(|entry| entry.counter.0).collect();
        assert_eq!(names.len(), entries().count());
    }

    #[test]
    fn a_name_made_at_run_time_is_described_by_its_column() {
        let unit = |name| entry(name).map(|entry| (entry.counter.0, entry.unit));
        assert_eq!(unit("dev.eth0.100.rx_drop"), Some(("dev.*.rx_drop", "packets")));
        assert_eq!(unit("qdisc.eth0.100.fq_codel.drops"), Some(("qdisc.*.drops", "packets")));
        assert_eq!(unit("event.connect.ETIMEDOUT"), Some(("event.connect.*", "connects")));
        assert_eq!(unit("softnet.cpu12.dropped"), Some(("softnet.dropped", "packets")));
        assert_eq!(unit("Tcp.RetransSegs"), Some(("Tcp.RetransSegs", "segments")));
        assert_eq!(unit("Tcp.Nonsense"), None);
    }

    #[test]
    fn every_row_says_something_in_both_languages() {
        for entry in entries() {
            let hangul = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
            assert!(!entry.meaning.en.is_empty() && !hangul(entry.meaning.en), "{}", entry.counter.0);
            assert!(hangul(entry.meaning.ko), "{}", entry.counter.0);
            assert!(!entry.source.is_empty(), "{}", entry.counter.0);
        }
    }
}
