//! Runs the program.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tcphealth::run(std::env::args_os().collect())
}
