//! Words → lines of a given width, where a Korean syllable is two columns wide.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with spaces after it, `columns` wide; longer ones stay as they are.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text cut to `columns`, with an ellipsis where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |symbol: &char| {
        let wide = symbol.width().unwrap_or(0);
        let fits = wide <= room;
        room = if fits { room - wide } else { 0 };
        fits
    };
    format!("{}…", text.chars().take_while(fits).collect::<String>())
}

/// Breaks at spaces: the first line begins with `first`, the others are indented as far. A word longer than a line stays whole,
/// so that a command can be copied.
pub fn wrap(first: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(width(first));
    let (mut lines, mut line, mut empty) = (Vec::new(), first.to_owned(), true);
    for word in text.split_whitespace() {
        if !empty && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

/// Some lines that belong together: all are shown, or none.
#[derive(Clone, Debug)]
pub(super) struct Paragraph {
    /// What is dropped first when there is no room: the largest.
    pub(super) weight: u8,
    /// Whether a blank line comes before it.
    pub(super) gap: bool,
    /// The lines.
    pub(super) lines: Vec<String>,
}

impl Paragraph {
    /// Without a blank line before it.
    pub(super) fn new(weight: u8, lines: Vec<String>) -> Self {
        Self { weight, gap: false, lines }
    }

    fn height(&self) -> usize {
        self.lines.len() + usize::from(self.gap)
    }
}

/// Drops whole paragraphs, the heaviest and among them the last first, until the rest is at most `height` lines.
pub(super) fn fit(mut paragraphs: Vec<Paragraph>, height: usize) -> Vec<String> {
    paragraphs.retain(|paragraph| !paragraph.lines.is_empty());
    while paragraphs.iter().map(Paragraph::height).sum::<usize>() > height {
        let last = paragraphs.iter().enumerate().max_by_key(|(place, paragraph)| (paragraph.weight, *place));
        let Some((place, _)) = last.filter(|_| paragraphs.len() > 1) else { break };
        let dropped = paragraphs.remove(place);
        // The blank line stays with what follows in the same block.
        if let Some(next) = paragraphs.get_mut(place).filter(|_| dropped.gap) {
            next.gap = true;
        }
    }
    let mut lines = Vec::new();
    for paragraph in paragraphs {
        if paragraph.gap {
            lines.push(String::new());
        }
        lines.extend(paragraph.lines);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_korean_syllable_is_two_columns_wide() {
        assert_eq!(width("재전송 a"), 8);
        assert_eq!(pad("포트", 6), "포트  ");
        assert_eq!(cut("재전송이 많음", 8), "재전송…");
        assert_eq!(cut("재전송", 6), "재전송");
    }

    #[test]
    fn lines_break_at_spaces_and_hang() {
        assert_eq!(wrap("now ", "one two three", 12), ["now one two", "    three"]);
        assert_eq!(wrap("", "a-word-longer-than-the-line b", 10), ["a-word-longer-than-the-line", "b"]);
        assert_eq!(wrap("- ", "", 10), ["- "]);
    }

    #[test]
    fn what_matters_least_goes_first_and_paragraphs_stay_whole() {
        let paragraph = |weight, lines: &[&str]| Paragraph {
            weight,
            gap: weight == 1,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        };
        let all = vec![paragraph(0, &["head"]), paragraph(1, &["a"]), paragraph(5, &["b", "b"]), paragraph(5, &["c"])];
        assert_eq!(fit(all.clone(), 6), ["head", "", "a", "b", "b", "c"]);
        assert_eq!(fit(all.clone(), 5), ["head", "", "a", "b", "b"]);
        assert_eq!(fit(all, 4), ["head", "", "a"]);
    }
}
