//! `cargo xtask docs` writes the generated documents, `completions` what shells complete; `cargo run --release -p xtask -- bench` measures what the README claims.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use xtask::{bench, bench_netns, bench_record, bench_sar, bench_sockets, bench_trace};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["docs"] => write_docs(),
        ["completions", directory] => Ok(xtask::manual::completions(Path::new(directory))?),
        ["bench"] => bench::counters(),
        ["bench-netns", program, namespaces, sockets] => bench_netns::bench(program, namespaces, sockets),
        ["bench-netns-inside", program, namespaces, sockets] => {
            bench_netns::inside(program, namespaces.parse()?, sockets.parse()?)
        }
        ["bench-record", program, seconds] => bench_record::bench(program, seconds, 0),
        ["bench-record", program, seconds, sockets] => bench_record::bench(program, seconds, sockets.parse()?),
        ["bench-sar", program] => bench_sar::bench(program),
        ["bench-sockets", program, sockets] => bench_sockets::bench(program, sockets.parse()?),
        ["bench-trace", program] => bench_trace::bench(program),
        // What bench starts to be measured, or to hold sockets.
        ["bench-actor", number, pairs] => bench_sockets::actor(number.parse()?, pairs.parse()?),
        ["bench-load"] => bench_trace::load(),
        ["bench-cost", command @ ..] => bench_sar::cost(command),
        _ => bail!(
            "usage: cargo xtask docs | completions DIRECTORY | bench | bench-netns PROGRAM NAMESPACES SOCKETS | bench-record PROGRAM SECONDS [SOCKETS] | bench-sar PROGRAM | bench-sockets PROGRAM NUMBER | bench-trace PROGRAM"
        ),
    }
}

fn write_docs() -> anyhow::Result<()> {
    for (path, text) in xtask::docs::all() {
        let file = xtask::source::root().join(path);
        fs::create_dir_all(file.parent().expect("a folder of the tree"))?;
        fs::write(file, text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}
