//! `/proc/net/snmp` and `/proc/net/netstat`: pairs of lines, names above and values below.
//!
//! Source: net/ipv4/proc.c `snmp_seq_show()`, `netstat_seq_show()`. Columns come and go between kernels, so a value is found by
//! the name above it; the names are looked up once and again only when a header line changes.

use std::sync::Arc;

use super::{WireError, error, lines, number, words};
use crate::snapshot::Names;

/// Remembers the header lines of the sample before.
#[derive(Debug, Default)]
pub struct Parser {
    headers: Vec<Vec<u8>>,
    names: Arc<Names>,
}

impl Parser {
    /// Puts the values of one text into `values` and returns their names, `Tcp.OutSegs`.
    ///
    /// # Errors
    /// A line of names without its line of values, another number of values than names, or a value that is no number.
    pub fn parse(
        &mut self,
        section: &'static str,
        text: &[u8],
        values: &mut Vec<u64>,
    ) -> Result<Arc<Names>, WireError> {
        values.clear();
        values.reserve(self.names.list().len());
        let (mut known, mut pair) = (true, 0);
        let mut pending: Option<(usize, &[u8])> = None;
        for (place, line) in lines(text) {
            let Some((_, header)) = pending.take() else {
                known &= self.headers.get(pair).is_some_and(|before| before == line);
                pending = Some((place, line));
                continue;
            };
            let count = values.len();
            read_values(section, place, line, values)?;
            let named = words(header).count().saturating_sub(1);
            if values.len() - count != named || prefix(header) != prefix(line) {
                return Err(error(section, place, line));
            }
            pair += 1;
        }
        if let Some((place, line)) = pending {
            return Err(error(section, place, line));
        }
        if !known || pair != self.headers.len() {
            self.learn(text);
        }
        Ok(self.names.clone())
    }

    fn learn(&mut self, text: &[u8]) {
        self.headers = lines(text).map(|(_, line)| line.to_vec()).step_by(2).collect();
        self.names = Arc::new(Names::new(self.headers.iter().flat_map(|line| names_of(line))));
    }
}

fn read_values(section: &'static str, place: usize, line: &[u8], values: &mut Vec<u64>) -> Result<(), WireError> {
    for word in words(line).skip(1) {
        values.push(number(word).ok_or_else(|| error(section, place, word))?);
    }
    Ok(())
}

fn prefix(line: &[u8]) -> &[u8] {
    words(line).next().unwrap_or_default()
}

fn names_of(line: &[u8]) -> Vec<String> {
    let group = String::from_utf8_lossy(prefix(line)).trim_end_matches(':').to_owned();
    words(line).skip(1).map(|name| format!("{group}.{}", String::from_utf8_lossy(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, u64)>, WireError> {
        let mut values = Vec::new();
        let names = Parser::default().parse("net/snmp", text.as_bytes(), &mut values)?;
        Ok(names.list().iter().map(ToString::to_string).zip(values).collect())
    }

    #[test]
    fn a_value_belongs_to_the_name_above_it() {
        let table = parse("Tcp: RtoMin MaxConn New\nTcp: 200 -1 7\nUdp: In\nUdp: 5\n").unwrap();
        let expected = [("Tcp.RtoMin", 200), ("Tcp.MaxConn", u64::MAX), ("Tcp.New", 7), ("Udp.In", 5)];
        assert_eq!(table, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn a_new_column_between_two_samples_moves_no_value() {
        let (mut parser, mut values) = (Parser::default(), Vec::new());
        parser.parse("net/snmp", b"A: x z\nA: 1 3\n", &mut values).unwrap();
        let names = parser.parse("net/snmp", b"A: x y z\nA: 1 2 3\n", &mut values).unwrap();
        assert_eq!(names.list().iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["A.x", "A.y", "A.z"]);
        assert_eq!(values, [1, 2, 3]);
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_line() {
        assert_eq!(parse("A: x y\nA: 1\n").unwrap_err().place, 2);
        assert_eq!(parse("A: x\nB: 1\n").unwrap_err().place, 2);
        assert_eq!(parse("A: x\nA: 1\nB: y\n").unwrap_err().place, 3);
        assert_eq!(parse("A: x\nA: one\n").unwrap_err().to_string(), "net/snmp: at 2: “one”");
    }
}
