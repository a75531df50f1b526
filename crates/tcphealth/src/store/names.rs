//! Words ⇄ numbers, within one day.

use std::collections::HashMap;

use tcphealth_core::frame::columns::SERIES_MAX;
use tcphealth_core::frame::leaves::Leaf;
use tcphealth_core::frame::row::Series;
use tcphealth_core::say;

use crate::speech::Complaint;

/// The words of a day.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<Box<str>>,
    ids: HashMap<Box<str>, u32>,
    /// How many of them are stored.
    stored: usize,
}

/// A number that has no word.
pub(super) fn nameless() -> Complaint {
    Complaint(say! { en: "damaged: a name is missing", ko: "손상됨: 이름이 빠져 있음" })
}

impl Names {
    /// Adds one that is stored under this number; `false` when the numbers do not follow each other from 0.
    pub(super) fn load(&mut self, id: u32, text: &str) -> bool {
        self.stored += 1;
        self.id(text) == id && self.texts.len() == self.stored
    }

    /// The number of a word; a new one when it is new.
    pub(super) fn id(&mut self, text: &str) -> u32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as u32;
        self.texts.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }

    /// The word of a number.
    pub(super) fn text(&self, id: u64) -> Option<&str> {
        self.texts.get(usize::try_from(id).ok()?).map(AsRef::as_ref)
    }

    /// A leaf as a value of a series. Looking up two names costs more than all else, and nearly always it is the series that
    /// stood at this place in the sample before: that is tried first.
    pub(super) fn value(&mut self, before: Option<Series>, entity: &str, field: &str, leaf: &Leaf) -> (Series, u64) {
        let is = |id: u32, text| self.text(u64::from(id)) == Some(text);
        let same = before.filter(|before| is(before.entity, entity) && is(before.field, field));
        let (entity, field) =
            same.map_or_else(|| (self.id(entity), self.id(field)), |before| (before.entity, before.field));
        match leaf {
            Leaf::Number(number) => (Series { entity, field, word: false }, *number),
            Leaf::Word(word) => (Series { entity, field, word: true }, u64::from(self.id(word))),
        }
    }

    /// A value of a series as a leaf, with the names of its entity and field; `None` when a word is missing.
    pub(super) fn leaf(&self, series: Series, value: u64) -> Option<(&str, &str, Leaf)> {
        let leaf = if series.word { Leaf::Word(self.text(value)?.to_owned()) } else { Leaf::Number(value) };
        Some((self.text(series.entity.into())?, self.text(series.field.into())?, leaf))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }

    /// Those that are not stored yet, with their numbers.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..).zip(self.texts.iter().map(AsRef::as_ref)).skip(self.stored)
    }

    /// All of them are stored now.
    pub(super) fn are_stored(&mut self) {
        self.stored = self.texts.len();
    }

    /// Whether a day may have no more: a new day, or a new file, must begin.
    pub(super) fn is_full(&self) -> bool {
        self.texts.len() >= SERIES_MAX
    }
}
