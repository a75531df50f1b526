//! Files that claim to be sysstat's.
#![no_main]

#[path = "../../crates/tcphealth-core/tests/sysstat_files/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::survive(bytes));
