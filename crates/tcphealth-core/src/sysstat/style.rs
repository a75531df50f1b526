//! How a cell of a report looks: its width, its decimals, its colour.
//!
//! Source: `cprintf_*()` and `init_colors()` in sysstat's `common.c`; `man sar`, S_COLORS_SGR.

use super::number::{fixed, integer, padded};

/// What a cell means, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A value that is not zero.
    NonZero,
    /// A value that rounds to zero.
    Zero,
    /// The name of an item.
    Item,
    /// A RESTART.
    Restart,
    /// A comment.
    Comment,
    /// A percentage from 75 on.
    High,
    /// A percentage from 90 on.
    VeryHigh,
}

/// The ANSI codes of every ink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colours([(Ink, String); 7]);

impl Default for Colours {
    fn default() -> Self {
        use Ink::{Comment, High, Item, NonZero, Restart, VeryHigh, Zero};
        Self(
            [
                (NonZero, "34;1"),
                (Zero, "34;22"),
                (Item, "32;22"),
                (Restart, "31;22"),
                (Comment, "33;22"),
                (High, "35;1"),
                (VeryHigh, "31;1"),
            ]
            .map(|(ink, codes)| (ink, codes.to_owned())),
        )
    }
}

impl Colours {
    /// The colours after `S_COLORS_SGR`, entries `L=codes` separated by colons; bad entries are passed over.
    pub fn from_sgr(list: &str) -> Self {
        let mut colours = Self::default();
        for entry in list.split(':').filter(|entry| (3..=18).contains(&entry.len())) {
            let Some((letter, codes)) = entry.split_once('=') else { continue };
            let numbers = codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
            if let (Some(ink), true) = (ink_of(letter), numbers && !codes.is_empty()) {
                colours.0.iter_mut().filter(|(of, _)| *of == ink).for_each(|(_, old)| codes.clone_into(old));
            }
        }
        colours
    }

    fn codes(&self, ink: Ink) -> &str {
        self.0.iter().find(|(of, _)| *of == ink).map_or("0", |(_, codes)| codes)
    }
}

fn ink_of(letter: &str) -> Option<Ink> {
    match letter {
        "N" => Some(Ink::NonZero),
        "Z" => Some(Ink::Zero),
        "I" => Some(Ink::Item),
        "R" => Some(Ink::Restart),
        "C" => Some(Ink::Comment),
        "M" | "W" => Some(Ink::High),
        "H" | "X" => Some(Ink::VeryHigh),
        _ => None,
    }
}

/// How values are written.
#[derive(Clone, Debug)]
pub struct Style {
    /// Decimals of rates, 0 to 2.
    pub decimals: usize,
    /// Bytes with a unit, percentages with a sign.
    pub human: bool,
    /// The name of an item stands at the end of its line.
    pub pretty: bool,
    /// The colours, if there are any.
    pub colours: Option<Colours>,
}

impl Default for Style {
    fn default() -> Self {
        Self { decimals: 2, human: false, pretty: false, colours: None }
    }
}

impl Style {
    /// Writes text in an ink.
    pub fn ink(&self, out: &mut Vec<u8>, ink: Ink, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(colours) = &self.colours else { return write(out) };
        out.extend_from_slice(b"\x1b[");
        out.extend_from_slice(colours.codes(ink).as_bytes());
        out.push(b'm');
        write(out);
        out.extend_from_slice(b"\x1b[0m");
    }

    /// A rate: a blank and nine places.
    pub fn rate(&self, out: &mut Vec<u8>, value: f64) {
        self.number(out, value, 9, self.decimals);
    }

    /// A gauge.
    pub fn gauge(&self, out: &mut Vec<u8>, value: u64) {
        self.ink(out, if value == 0 { Ink::Zero } else { Ink::NonZero }, |out| {
            out.push(b' ');
            integer(out, value, 9);
        });
    }

    /// The mean of a gauge, which has no decimals whatever is asked for.
    pub fn mean(&self, out: &mut Vec<u8>, value: f64) {
        self.number(out, value, 9, 0);
    }

    /// Bytes a second, shown in units of 1024, or with the unit that suits.
    pub fn bytes(&self, out: &mut Vec<u8>, mut value: f64) {
        if !self.human {
            return self.rate(out, value / 1024.0);
        }
        let mut units = b"BkMGTP?".iter();
        let mut unit = units.next();
        while value >= 1024.0 && units.len() > 0 {
            value /= 1024.0;
            unit = units.next();
        }
        self.ink(out, zero_or_not(value, self.decimals), |out| {
            out.push(b' ');
            fixed(out, value, 8, self.decimals.min(1));
        });
        out.extend(unit);
    }

    /// A percentage.
    pub fn percentage(&self, out: &mut Vec<u8>, value: f64) {
        let (width, decimals) = if self.human { (8, self.decimals.min(1)) } else { (9, self.decimals) };
        let ink = match value {
            _ if value >= 90.0 => Ink::VeryHigh,
            _ if value >= 75.0 => Ink::High,
            _ => zero_or_not(value, decimals),
        };
        self.ink(out, ink, |out| {
            out.push(b' ');
            fixed(out, value, width, decimals);
        });
        if self.human {
            out.push(b'%');
        }
    }

    /// The name of an item in front of its line.
    pub fn item(&self, out: &mut Vec<u8>, name: &[u8], width: usize) {
        self.ink(out, Ink::Item, |out| {
            out.push(b' ');
            padded(out, name, width);
        });
    }

    fn number(&self, out: &mut Vec<u8>, value: f64, width: usize, decimals: usize) {
        self.ink(out, zero_or_not(value, decimals), |out| {
            out.push(b' ');
            fixed(out, value, width, decimals);
        });
    }
}

/// Zero is what is printed as zero; bytes with a unit are judged by the decimals asked for, not the one they have.
fn zero_or_not(value: f64, decimals: usize) -> Ink {
    let zero = match decimals {
        0 => value.abs() <= 0.5,
        1 => value.abs() < 0.05,
        _ => value.abs() < 0.005,
    };
    if zero { Ink::Zero } else { Ink::NonZero }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(style: &Style, write: impl FnOnce(&Style, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(style, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// 9 000 bytes are 8.79 kB, 10 000 000 are 9.5 MB: a kB has 1024 bytes.
    #[test]
    fn bytes_are_counted_in_1024() {
        let plain = Style::default();
        let human = Style { human: true, ..Style::default() };
        let whole = Style { human: true, decimals: 0, ..Style::default() };
        assert_eq!(written(&plain, |s, out| s.bytes(out, 9000.0)), "      8.79");
        assert_eq!(written(&human, |s, out| s.bytes(out, 9000.0)), "      8.8k");
        assert_eq!(written(&human, |s, out| s.bytes(out, 1e7)), "      9.5M");
        assert_eq!(written(&whole, |s, out| s.bytes(out, 300.0)), "      300B");
        assert_eq!(written(&human, |s, out| s.percentage(out, 0.874)), "      0.9%");
    }

    #[test]
    fn colours_follow_the_value_and_bad_codes_are_passed_over() {
        let colours = Some(Colours::from_sgr("N=35;4:H=1:Z:I=x:toolongtoolongtoolong=1"));
        let style = Style { colours, ..Style::default() };
        assert_eq!(written(&style, |s, out| s.rate(out, 1.0)), "\x1b[35;4m      1.00\x1b[0m");
        assert_eq!(written(&style, |s, out| s.rate(out, 0.004)), "\x1b[34;22m      0.00\x1b[0m");
        assert_eq!(written(&style, |s, out| s.percentage(out, 90.0)), "\x1b[1m     90.00\x1b[0m");
        assert_eq!(written(&style, |s, out| s.percentage(out, 75.0)), "\x1b[35;1m     75.00\x1b[0m");
        assert_eq!(written(&style, |s, out| s.item(out, b"lo", 9)), "\x1b[32;22m        lo\x1b[0m");
    }
}
