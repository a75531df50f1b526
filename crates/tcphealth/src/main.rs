//! The program: what was typed becomes a command, a command becomes a report.

fn main() {}
