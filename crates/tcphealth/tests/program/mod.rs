//! The program as several tests run it: in English, in UTC, without the configuration of whoever tests.

use std::process::{Command, Output};

pub(crate) fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    command.args(words).env("LC_ALL", "C").env("TZ", "UTC").env("XDG_CONFIG_HOME", "/nonexistent");
    command.output().expect("the program runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
