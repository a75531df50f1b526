//! `/proc/net/dev`: sixteen values an interface, the names above in two groups.
//!
//! Source: net/core/net-procfs.c `dev_seq_show()`. `drop` on the receive side contains packets of protocols nobody asked for.

use std::sync::Arc;

use super::{WireError, error, lines, number, words};
use crate::snapshot::Names;

/// Remembers which interfaces the sample before had.
#[derive(Debug, Default)]
pub struct Parser {
    shape: Vec<u8>,
    names: Arc<Names>,
}

impl Parser {
    /// `dev.eth0.rx_bytes`, `dev.eth0.tx_drop`, … with the header's own words.
    ///
    /// # Errors
    /// A missing header, or a row with another number of values than the header has names.
    pub fn parse(&mut self, text: &[u8], values: &mut Vec<u64>) -> Result<Arc<Names>, WireError> {
        const SECTION: &str = "net/dev";
        values.clear();
        values.reserve(self.names.list().len());
        let mut lines = lines(text);
        let _groups = lines.next();
        let (_, header) = lines.next().ok_or_else(|| error(SECTION, 2, b"no header"))?;
        let columns = header.split(|&byte| byte == b'|').skip(1).map(|half| words(half).count()).sum::<usize>();
        let mut shape = header.to_vec();
        for (place, line) in lines {
            let (name, row) = split_name(line).ok_or_else(|| error(SECTION, place, line))?;
            shape.push(b'\n');
            shape.extend_from_slice(name);
            let count = values.len();
            for word in words(row) {
                values.push(number(word).ok_or_else(|| error(SECTION, place, word))?);
            }
            if values.len() - count != columns {
                return Err(error(SECTION, place, line));
            }
        }
        if shape != self.shape {
            self.names = Arc::new(Names::new(names_of(&shape)));
            self.shape = shape;
        }
        Ok(self.names.clone())
    }
}

// An interface may be called `a:b`; the values never contain a colon.
fn split_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().rposition(|&byte| byte == b':')?;
    Some((line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?))
}

fn names_of(shape: &[u8]) -> Vec<String> {
    let mut parts = shape.split(|&byte| byte == b'\n');
    let header = parts.next().unwrap_or_default();
    let halves = header.split(|&byte| byte == b'|').skip(1);
    // The first half counts what is received, the second what is sent.
    let directions = ["rx", "tx"].into_iter().chain(std::iter::repeat("more"));
    let columns: Vec<String> = halves
        .zip(directions)
        .flat_map(|(half, direction)| {
            words(half).map(move |name| format!("{direction}_{}", String::from_utf8_lossy(name)))
        })
        .collect();
    parts
        .map(String::from_utf8_lossy)
        .flat_map(|name| columns.iter().map(move |column| format!("dev.{name}.{column}")).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
        lo:     840      10    0    0    0     0          0         0      840      10    0    0    0     0       0          0\n  \
        v:1:       1       2    3    4    5     6          7         8        9      10   11   12   13    14      15         16\n";

    #[test]
    fn sixteen_values_an_interface_by_the_headers_names() {
        let (mut parser, mut values) = (Parser::default(), Vec::new());
        let names = parser.parse(TEXT.as_bytes(), &mut values).unwrap();
        assert_eq!(values.len(), 32);
        let at = |name: &str| values[names.list().iter().position(|known| &**known == name).unwrap()];
        assert_eq!((at("dev.lo.rx_bytes"), at("dev.v:1.rx_multicast"), at("dev.v:1.tx_drop")), (840, 8, 12));
    }

    #[test]
    fn a_cut_row_is_an_error_with_its_line() {
        let cut = &TEXT[..TEXT.len() - 6];
        assert_eq!(Parser::default().parse(cut.as_bytes(), &mut Vec::new()).unwrap_err().place, 4);
    }
}
