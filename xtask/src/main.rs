//! `cargo xtask docs`: writes the generated documents.
#![forbid(unsafe_code)]

use std::fs;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("docs") => write_docs(),
        _ => bail!("usage: cargo xtask docs"),
    }
}

fn write_docs() -> anyhow::Result<()> {
    for (path, text) in xtask::docs::all() {
        fs::write(xtask::source::root().join(path), text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}
