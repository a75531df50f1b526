//! Two ranges of a recording → what changed between them, the most unusual first.
//!
//! What is usual, the recording itself says: how far apart the same quantity was in other pairs of ranges that lie as far from
//! each other. The formula and its reasons: docs/decisions/0013.

mod period;
mod unusual;
mod side;
mod changes;

pub use changes::{Change, Kind, Worth, compare};
pub use period::{Follower, Measure, Period, Quantities, Value};
pub use side::{Seen, Side};
pub use unusual::{Periods, UNUSUAL, Usual};
