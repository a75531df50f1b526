//! What happens to a recording's file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcphealth::survive(data));
