//! Hostile replies to the path prober.
#![no_main]

#[path = "../../crates/tcphealth-core/tests/path_networks/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::survive(bytes));
