//! sysstat's files ⇄ sysstat's reports, byte for byte: what `sar -n` and `sadf` print, for LC_ALL=C.
//!
//! Source: sysstat 12.8.0, read as facts; the file format is `sa.h`'s. Where sysstat prints garbage the same bytes are
//! printed, and the printer says that a counter went back.

pub mod bytes;
pub mod activity;
pub mod items;
pub mod input;
pub mod header;
mod old;
pub mod record;
pub mod number;
pub mod rates;
pub mod clock;
pub mod walk;
pub mod style;
pub mod text;
pub mod live;
pub mod writer;
pub mod sadf;
pub mod past;
pub mod kept;
pub mod verdict;
