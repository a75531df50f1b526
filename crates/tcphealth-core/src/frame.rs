//! Snapshots ⇄ bytes of a recording. What is stored is what the kernel said, never a rate and never a verdict.

pub mod columns;
pub mod row;
pub mod block;
pub mod leaves;
pub mod taken;
pub mod totals;
