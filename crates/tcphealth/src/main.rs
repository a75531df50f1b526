//! The program: what was typed becomes a command, a command becomes output and an exit status.
#![forbid(unsafe_code)]
// `fuzz/run store` builds this program around its fuzzer.
#![cfg_attr(fuzzing, no_main)]

mod args;
mod command;
mod config;
mod examine;
mod when;
mod stop;
mod store;
mod progress;
mod speech;

use std::process::ExitCode;

#[cfg_attr(fuzzing, expect(dead_code, reason = "the fuzzer has its own"))]
fn main() -> ExitCode {
    command::run(std::env::args_os().collect())
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::hostile::survive(bytes));
