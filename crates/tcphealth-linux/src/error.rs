//! Why the host could not be read at all: one line, with file and place.

use std::fmt;
use std::path::Path;

/// One clear line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// `place: reason`.
    pub(crate) fn new(place: &Path, reason: impl fmt::Display) -> Self {
        Self(format!("{}: {reason}", place.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
