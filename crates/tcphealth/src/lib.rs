//! The program: what was typed becomes a command, a command becomes output and an exit status. `main.rs` runs it, and
//! `cargo xtask docs` makes the manual pages of its command line.
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

pub use args::command_line;
pub use command::run;
#[cfg(fuzzing)]
pub use store::hostile::survive;
