//! The program: what was typed becomes a command, a command becomes output and an exit status.
#![forbid(unsafe_code)]

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

fn main() -> ExitCode {
    command::run(std::env::args_os().collect())
}
