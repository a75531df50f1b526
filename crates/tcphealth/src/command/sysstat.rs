//! What `sar` and `sadf` share: their arguments, their environment, where their files are, how they fail.

pub(crate) mod arguments;
pub(crate) mod environment;
pub(crate) mod failure;
pub(crate) mod paper;
pub(crate) mod past;
pub(crate) mod places;
pub(crate) mod recorded;
pub(crate) mod zone;

use std::ffi::{OsStr, OsString};

/// sar's and sadf's command lines follow sysstat's syntax, not that of the other commands.
pub(crate) fn command(name: &OsStr) -> Option<fn(&[OsString]) -> u8> {
    match name.to_str() {
        Some("sar") => Some(super::sar::run),
        Some("sadf") => Some(super::sadf::run),
        _ => None,
    }
}

/// The words of a command line; what is no text cannot be matched by anything.
pub(crate) fn words(words: &[OsString]) -> Vec<String> {
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}
