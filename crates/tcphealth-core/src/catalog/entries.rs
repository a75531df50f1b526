//! The table of the catalogue, a file for each of the kernel's. A new counter is a row in one of them and nothing elsewhere.
//!
//! A row: name, unit, where it is defined; what one increment means and where it lies, in both languages.

use super::Entry;

mod tcp;
mod tcp_ext;
mod ip;
mod ip6;
mod host;

/// Rows of one kind and scope.
macro_rules! rows {
    ($name:ident, $kind:ident, $scope:ident; $($counter:literal, $unit:literal, $source:literal, $en:literal, $ko:literal;)*) => {
        pub(super) const $name: &[$crate::catalog::Entry] = &[$($crate::catalog::Entry {
            counter: $crate::catalog::Counter($counter),
            unit: $unit,
            kind: $crate::catalog::Kind::$kind,
            scope: $crate::catalog::Scope::$scope,
            meaning: $crate::text! { en: $en, ko: $ko },
            source: $source,
        }),*];
    };
}
use rows;

const TABLES: &[&[Entry]] = &[
    tcp::GAUGES,
    tcp::COUNTERS,
    tcp_ext::COUNTERS,
    ip::COUNTERS,
    ip6::COUNTERS,
    host::SOCKSTAT,
    host::SOCKSTAT_HOST,
    host::INTERFACES,
    host::QDISCS,
    host::EVENTS,
    host::SOFTNET,
    host::SOFTNET_NOW,
    host::CONNTRACK,
    host::CONNTRACK_NOW,
    host::CONNTRACK_LIMIT,
];

/// All described counters, in the order of the kernel's files.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().copied().flatten()
}
