//! Bytes of the kernel, of the wire, of a saved host: one fuzzer, the environment variable `TARGET` says for which parser.
#![no_main]

#[path = "../../crates/tcphealth-linux/tests/corpus/targets.rs"]
mod targets;

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("TARGET").expect("TARGET names the target");
        targets::ALL.iter().find(|(known, _)| *known == name).expect("a name in targets::ALL").1
    })(data);
});
