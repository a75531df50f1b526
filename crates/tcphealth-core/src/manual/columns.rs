//! sar's columns: what each counts, from which kernel counter, against which limits, and its traps.
//!
//! Source: sysstat's `man sar`, option -n. What a counter means stands in the catalogue; here stands what the column adds.

use super::{Article, Kind, Part, WHAT};
use crate::catalog;
use crate::sysstat::activity::{Activity, Column, Kind as Computed, NETWORK};
use crate::words::{Message, Text};
use crate::{say, text};

mod notes;
mod sources;

use notes::{KEYWORDS, NOTES};
use sources::SOURCES;

/// What a column's reader must know beside the counter.
struct Note {
    keyword: &'static str,
    head: &'static str,
    /// What older versions of sar call it, and how else it is typed.
    spellings: &'static [&'static str],
    /// What it counts, where no single counter says so.
    counts: Option<Text>,
    limits: Option<Text>,
    traps: Option<Text>,
}

/// The counter, or the place in a file, that a column is made from.
fn source(keyword: &str, head: &str) -> &'static str {
    let rows = SOURCES.iter().find(|(known, _)| *known == keyword).map_or(&[][..], |(_, rows)| rows);
    rows.iter().find(|(known, _)| *known == head).map_or("", |(_, source)| source)
}

/// One article a keyword and one a column, in sar's order.
pub(super) fn articles() -> impl Iterator<Item = Article> {
    let columns =
        NETWORK.iter().flat_map(|activity| activity.columns.iter().map(move |column| of_column(activity, column)));
    NETWORK.iter().map(of_keyword).chain(columns)
}

fn of_keyword(activity: &Activity) -> Article {
    let title = KEYWORDS.iter().find(|(known, _)| *known == activity.keyword).map(|(_, title)| *title);
    let heads: Vec<&str> =
        activity.item_head().into_iter().chain(activity.columns.iter().map(|column| column.head)).collect();
    Article {
        kind: Kind::Keyword,
        word: activity.keyword.to_owned(),
        spellings: activity.item_head().into_iter().chain([activity.keyword]).map(str::to_owned).collect(),
        title: title.map(Message::from).unwrap_or_default(),
        parts: vec![
            Part::same(text! { en: "Report", ko: "보고서" }, format!("sar -n {} 5", activity.keyword)),
            Part::same(text! { en: "Columns", ko: "열" }, heads.join("  ")),
        ],
    }
}

fn of_column(activity: &Activity, column: &Column) -> Article {
    let source = source(activity.keyword, column.head);
    let note = NOTES.iter().find(|note| note.keyword == activity.keyword && note.head == column.head);
    let counted = note.and_then(|note| note.counts).or_else(|| catalog::entry(source).map(|entry| entry.meaning));
    let mut parts = vec![
        Part::new(WHAT, counted.unwrap_or(text! { en: "", ko: "" })),
        Part { heading: SOURCE, body: computed(column, source) },
    ];
    let limits = note.and_then(|note| note.limits).map(|limits| Part::new(LIMITS, limits));
    let traps = note.and_then(|note| note.traps).map(|traps| Part::new(TRAPS, traps));
    parts.extend(limits.into_iter().chain(traps));
    Article {
        kind: Kind::Column,
        word: column.head.to_owned(),
        spellings: note.map_or(&[][..], |note| note.spellings).iter().map(|&spelling| spelling.to_owned()).collect(),
        title: say! { en: "a column of sar -n {keyword}", ko: "sar -n {keyword}의 열", keyword = activity.keyword },
        parts,
    }
}

const SOURCE: Text = text! { en: "From", ko: "출처" };
const LIMITS: Text = text! { en: "Limits", ko: "한계" };
const TRAPS: Text = text! { en: "Traps", ko: "주의" };

fn computed(column: &Column, source: &str) -> Message {
    match column.kind {
        Computed::Rate => say! { en: "{source}, growth per second", ko: "{source}의 초당 증가량", source = source },
        Computed::KiloRate => {
            say! { en: "{source}, growth per second in units of 1024 bytes", ko: "{source}의 초당 증가량(1024바이트 단위)", source = source }
        }
        Computed::Gauge => say! { en: "{source}, the value now", ko: "{source}의 현재 값", source = source },
        Computed::Utilisation => Message::same(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_sar_has_a_source_and_says_what_it_counts() {
        for (activity, column) in
            NETWORK.iter().flat_map(|activity| activity.columns.iter().map(move |column| (activity, column)))
        {
            let place = format!("{} {}", activity.keyword, column.head);
            let source = source(activity.keyword, column.head);
            let noted = NOTES
                .iter()
                .any(|note| note.keyword == activity.keyword && note.head == column.head && note.counts.is_some());
            assert!(!source.is_empty(), "{place} has no source");
            assert!(noted || catalog::entry(source).is_some(), "{place}: {source} is not in the catalogue");
        }
    }

    #[test]
    fn every_note_and_source_belongs_to_a_column() {
        let known = |keyword: &str, head: &str| {
            let activity = NETWORK.iter().find(|activity| activity.keyword == keyword);
            activity.is_some_and(|activity| activity.columns.iter().any(|column| column.head == head))
        };
        assert!(NOTES.iter().all(|note| known(note.keyword, note.head)));
        assert!(SOURCES.iter().all(|(keyword, rows)| rows.iter().all(|(head, _)| known(keyword, head))));
        assert!(NETWORK.iter().all(|activity| KEYWORDS.iter().any(|(keyword, _)| *keyword == activity.keyword)));
    }
}
