//! Why the host could not be read at all: file, and reason as data, so that whoever tells it may choose the words.

use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// In the words of the system, or of a parser with its place.
    Told(String),
    /// A network namespace was meant, and there is none.
    NoNamespace,
    /// It holds a saved host already.
    SavedAlready,
    /// It ends before the dump does.
    EndsEarly,
    /// Another look was asked for than these.
    NoMoreLooks(usize),
    /// It was written in a form that is not ours.
    OtherSchema(String),
}

/// Where, and what: one clear line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file or directory.
    pub place: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Error {
    /// With a reason in somebody else's words.
    pub(crate) fn new(place: &Path, reason: impl fmt::Display) -> Self {
        Self::known(place, Reason::Told(reason.to_string()))
    }

    /// With a reason of our own.
    pub(crate) fn known(place: &Path, reason: Reason) -> Self {
        Self { place: place.to_owned(), reason }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Told(words) => write!(f, "{}: {words}", self.place.display()),
            reason => write!(f, "{}: {reason:?}", self.place.display()),
        }
    }
}

impl std::error::Error for Error {}
