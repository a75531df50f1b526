//! `/proc/net/stat/nf_conntrack`: a line of names, then a line a CPU, hexadecimal.
//!
//! Source: net/netfilter/nf_conntrack_standalone.c `ct_cpu_seq_show()`. `entries` repeats the namespace's count on every line and is
//! therefore not summed.

use std::sync::Arc;

use super::{WireError, error, hexadecimal, lines, words};
use crate::snapshot::Names;

/// Puts `conntrack.drop`, `conntrack.early_drop`, … (sums over the CPUs) into `values`.
///
/// # Errors
/// A row with another number of values than names, or a word that is not hexadecimal.
pub fn parse(text: &[u8], values: &mut Vec<u64>) -> Result<Arc<Names>, WireError> {
    const SECTION: &str = "net/stat/nf_conntrack";
    values.clear();
    let mut lines = lines(text);
    let (_, header) = lines.next().ok_or_else(|| error(SECTION, 1, b"no header"))?;
    let names: Vec<String> = words(header).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    values.resize(names.len(), 0);
    for (place, line) in lines {
        let row: Vec<&[u8]> = words(line).collect();
        if row.len() != names.len() {
            return Err(error(SECTION, place, line));
        }
        for ((sum, name), word) in values.iter_mut().zip(&names).zip(row) {
            let value = hexadecimal(word).ok_or_else(|| error(SECTION, place, word))?;
            *sum = if name == "entries" { value } else { sum.wrapping_add(value) };
        }
    }
    Ok(Arc::new(Names::new(names.into_iter().map(|name| format!("conntrack.{name}")))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_summed_and_entries_are_not() {
        let text = b"entries  searched found drop early_drop\n0000000c 1 2 3 00\n0000000c 0 0 a 1\n";
        let mut values = Vec::new();
        let names = parse(text, &mut values).unwrap();
        assert_eq!(&*names.list()[3], "conntrack.drop");
        assert_eq!(values, [12, 1, 2, 13, 1]);
    }
}
