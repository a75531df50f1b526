//! `/proc/net/snmp6` (a name and a value a line) and `/proc/net/sockstat[6]` (a group, then names and values).
//!
//! Source: net/ipv6/proc.c `snmp6_seq_show()`; net/ipv4/proc.c `sockstat_seq_show()`. sockstat's `orphan`, `alloc` and `mem`
//! are the whole host's, its `inuse` and `tw` the namespace's.

use std::sync::Arc;

use super::{WireError, error, lines, number, words};
use crate::snapshot::Names;

/// Remembers the names of the sample before.
#[derive(Debug, Default)]
pub struct Parser {
    shape: Vec<u8>,
    names: Arc<Names>,
}

impl Parser {
    /// snmp6: `Ip6InReceives` stays as the kernel writes it.
    ///
    /// # Errors
    /// A line that is not a name and a number.
    pub fn snmp6(&mut self, text: &[u8], values: &mut Vec<u64>) -> Result<Arc<Names>, WireError> {
        self.parse("net/snmp6", text, values, |words, add| {
            let name = words.next().unwrap_or_default();
            add(b"", name, words.next().unwrap_or_default())
        })
    }

    /// sockstat and sockstat6: `TCP.inuse`, `sockets.used`, `TCP6.inuse`.
    ///
    /// # Errors
    /// A name without a number.
    pub fn sockstat(
        &mut self,
        section: &'static str,
        text: &[u8],
        values: &mut Vec<u64>,
    ) -> Result<Arc<Names>, WireError> {
        self.parse(section, text, values, |words, add| {
            let group = words.next().unwrap_or_default();
            while let Some(name) = words.next() {
                add(group, name, words.next().unwrap_or_default())?;
            }
            Ok(())
        })
    }

    fn parse(
        &mut self,
        section: &'static str,
        text: &[u8],
        values: &mut Vec<u64>,
        line_of: impl Fn(&mut dyn Iterator<Item = &[u8]>, &mut Add<'_>) -> Result<(), Vec<u8>>,
    ) -> Result<Arc<Names>, WireError> {
        values.clear();
        values.reserve(self.names.list().len());
        let mut shape = Vec::with_capacity(self.shape.len());
        for (place, line) in lines(text) {
            let mut add = |group: &[u8], name: &[u8], value: &[u8]| {
                shape.extend_from_slice(group);
                shape.extend_from_slice(name);
                shape.push(b'\n');
                values.push(number(value).ok_or_else(|| value.to_vec())?);
                Ok(())
            };
            line_of(&mut words(line), &mut add).map_err(|token| error(section, place, &token))?;
        }
        if shape != self.shape {
            let names = String::from_utf8_lossy(&shape).lines().map(|name| name.replace(':', ".")).collect::<Vec<_>>();
            self.names = Arc::new(Names::new(names));
            self.shape = shape;
        }
        Ok(self.names.clone())
    }
}

/// A file that holds one number and nothing else, as those below `/proc/sys` do; it gets a name of ours.
///
/// # Errors
/// It holds something else.
pub fn single(section: &'static str, name: &str, text: &[u8], values: &mut Vec<u64>) -> Result<Arc<Names>, WireError> {
    values.clear();
    values.push(number(text.trim_ascii()).ok_or_else(|| error(section, 1, text))?);
    Ok(Arc::new(Names::new([name.to_owned()])))
}

type Add<'a> = dyn FnMut(&[u8], &[u8], &[u8]) -> Result<(), Vec<u8>> + 'a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockstat_names_carry_their_group() {
        let (mut parser, mut values) = (Parser::default(), Vec::new());
        let text = b"sockets: used 190\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1\nUDPLITE: inuse 0\n";
        let names = parser.sockstat("net/sockstat", text, &mut values).unwrap();
        let names: Vec<_> = names.list().iter().map(AsRef::as_ref).collect();
        assert_eq!(
            names,
            ["sockets.used", "TCP.inuse", "TCP.orphan", "TCP.tw", "TCP.alloc", "TCP.mem", "UDPLITE.inuse"]
        );
        assert_eq!(values, [190, 5, 0, 2, 7, 1, 0]);
    }

    #[test]
    fn snmp6_keeps_the_kernels_names() {
        let (mut parser, mut values) = (Parser::default(), Vec::new());
        let names = parser.snmp6(b"Ip6InReceives                   \t12\nIp6OutNoRoutes\t3\n", &mut values).unwrap();
        assert_eq!((&*names.list()[0], &*names.list()[1], values), ("Ip6InReceives", "Ip6OutNoRoutes", vec![12, 3]));
    }

    #[test]
    fn a_file_of_one_number_gets_its_name() {
        let mut values = Vec::new();
        let names = single("sys/x", "conntrack.max", b"262144\n", &mut values).unwrap();
        assert_eq!((&*names.list()[0], values.as_slice()), ("conntrack.max", &[262_144][..]));
        assert!(single("sys/x", "conntrack.max", b"1 2\n", &mut values).is_err());
    }

    #[test]
    fn a_name_without_a_number_is_an_error_with_its_line() {
        let error = Parser::default().snmp6(b"Ip6InReceives 1\nIp6Out\n", &mut Vec::new()).unwrap_err();
        assert_eq!((error.section, error.place), ("net/snmp6", 2));
    }
}
