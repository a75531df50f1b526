//! `/proc/net/softnet_stat`: a line a CPU, hexadecimal, without names.
//!
//! Source: net/core/net-procfs.c `softnet_seq_show()`: 0 processed, 1 dropped, 2 time_squeeze, 9 received_rps, 10 flow_limit,
//! 11 backlog_len, 12 the CPU's number (older kernels end earlier and list online CPUs only). They are the machine's.

use std::sync::Arc;

use super::{WireError, error, hexadecimal, lines, words};
use crate::snapshot::Names;

const COLUMNS: [(usize, &str); 6] = [
    (0, "processed"),
    (1, "dropped"),
    (2, "time_squeeze"),
    (9, "received_rps"),
    (10, "flow_limit"),
    (11, "backlog_len"),
];

/// Puts `softnet.cpu0.dropped` … and the sums `softnet.dropped` … into `values`, names into `names`.
///
/// # Errors
/// A word that is not hexadecimal.
pub fn parse(text: &[u8], values: &mut Vec<u64>) -> Result<Arc<Names>, WireError> {
    values.clear();
    let mut names = Vec::new();
    let mut sums = [None::<u64>; COLUMNS.len()];
    for (place, line) in lines(text) {
        let row: Vec<u64> = words(line)
            .map(|word| hexadecimal(word).ok_or_else(|| error("net/softnet_stat", place, word)))
            .collect::<Result<_, _>>()?;
        let cpu = row.get(12).copied().unwrap_or(place as u64 - 1);
        for ((column, name), sum) in COLUMNS.iter().zip(&mut sums) {
            let Some(&value) = row.get(*column) else { continue };
            names.push(format!("softnet.cpu{cpu}.{name}"));
            values.push(value);
            *sum = Some(sum.unwrap_or(0).wrapping_add(value));
        }
    }
    for ((_, name), sum) in COLUMNS.iter().zip(sums) {
        let Some(sum) = sum else { continue };
        names.push(format!("softnet.{name}"));
        values.push(sum);
    }
    Ok(Arc::new(Names::new(names)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_hexadecimal_and_summed_over_the_cpus() {
        let text = b"000000ff 00000001 00000002 0 0 0 0 0 0 00000000 00000000 00000003 00000000 0 0\n\
                     00000001 0000000a 00000000 0 0 0 0 0 0 00000000 00000000 00000000 00000004 0 0\n";
        let mut values = Vec::new();
        let names = parse(text, &mut values).unwrap();
        let at = |name: &str| values[names.list().iter().position(|known| &**known == name).unwrap()];
        assert_eq!((at("softnet.cpu0.processed"), at("softnet.cpu4.dropped"), at("softnet.dropped")), (255, 10, 11));
    }
}
