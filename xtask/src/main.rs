//! `cargo xtask docs`: writes the generated documents.
#![forbid(unsafe_code)]

fn main() {}
