//! Bytes of a recording.
#![no_main]

#[path = "../../crates/tcphealth-core/tests/frames/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::survive(bytes));
