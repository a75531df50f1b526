//! Kernel bytes → parts of a snapshot, one file a format. Parsing goes by name, keeps what it does not understand, and never
//! panics: an error says which section, which line, which token.

use std::fmt;

pub mod btf;
pub mod conntrack;
pub mod deep_walk;
pub mod events;
pub mod hash_walk;
pub mod kallsyms;
pub mod net_dev;
pub mod netlink;
pub mod packet;
pub mod pairs;
pub mod proc_net_tcp;
pub mod rtnetlink;
pub mod snmp;
pub mod sock_diag;
pub mod softnet;
pub mod tally;

/// What was wrong in bytes of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// The file or message that was read.
    pub section: &'static str,
    /// Line of a text, from 1; offset in bytes of a binary message.
    pub place: usize,
    /// What stood there, or what was missing.
    pub token: String,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: at {}: {}", self.section, self.place, self.token)
    }
}

impl std::error::Error for WireError {}

/// The lines of a text with their numbers from 1; an incomplete last line counts as one.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate().map(|(at, line)| (at + 1, line))
}

/// The words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A number as the kernel prints it: decimal, perhaps negative (then two's complement).
fn number(word: &[u8]) -> Option<u64> {
    let (negative, digits) = match word.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, word),
    };
    let mut value: u64 = 0;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if digits.is_empty() { None } else { Some(if negative { value.wrapping_neg() } else { value }) }
}

/// A number in hexadecimal without a prefix.
fn hexadecimal(word: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()
}

fn error(section: &'static str, place: usize, token: &[u8]) -> WireError {
    let shown = token.get(..token.len().min(40)).unwrap_or_default();
    WireError { section, place, token: format!("“{}”", String::from_utf8_lossy(shown).escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_prints_them() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"-1"), Some(u64::MAX));
        assert_eq!([number(b""), number(b"-"), number(b"1x"), number(b"18446744073709551616")], [None; 4]);
        assert_eq!(hexadecimal(b"0000001f"), Some(31));
    }
}
