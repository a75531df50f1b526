//! What it means. The core never opens, prints, waits, or asks the time.
//!
//! The kernel is read into a `Snapshot`. Two snapshots make a `Window`. Each rule looks at a window and gives a
//! `Verdict`. Verdicts and tables make a `Report`. The modules stand in reading order; each uses only those above it.
#![forbid(unsafe_code)]

pub mod words;
pub mod catalog;
pub mod statistics;
pub mod path;
pub mod snapshot;
pub mod wire;
pub mod window;
pub mod report;
pub mod rules;
pub mod frame;
pub mod diff;
pub mod sysstat;
pub mod manual;
pub mod format;
