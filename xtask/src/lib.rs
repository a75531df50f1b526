//! The house's own tools: what the tidy tests look for, and the generated documents.
#![forbid(unsafe_code)]

pub mod bench;
pub mod bench_netns;
pub mod bench_record;
pub mod bench_sar;
pub mod bench_sockets;
pub mod bench_trace;
pub mod docs;
pub mod manual;
pub mod source;
pub mod tidy;
