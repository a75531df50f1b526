//! `cargo xtask docs|bench`: writes the generated documents and measures what the README claims.

fn main() {}
