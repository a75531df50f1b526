//! Rust source as text: its files, its functions' lengths, its string literals, the modules it uses.
//!
//! No parser: rustfmt has already put every brace where this file expects it.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Every file below `folder` whose name ends so, sorted; build output and version control left out.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if path.is_file() && name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as the tidy tests write it, relative to the root.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The text of a file; empty when it cannot be read.
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A function and how many lines of code its body has; blank lines and comments do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line it starts at, from 1.
    pub line: usize,
    /// Lines of code between its braces.
    pub length: usize,
}

/// Every function with a body.
pub fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter_map(|(at, line)| Some((at, function_name(line)?)));
    starts
        .filter_map(|(at, name)| Some(Function { name, line: at + 1, length: body_length(lines.get(at..)?)? }))
        .collect()
}

fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let words = ["pub", "const", "async", "unsafe", "extern", "default"];
    let qualifies = |word: &str| words.iter().any(|known| word.starts_with(known)) || word.starts_with('"');
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (before.split_whitespace().all(qualifies) && !name.is_empty()).then_some(name)
}

/// `None` for a declaration without a body.
fn body_length(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    if first.ends_with('}') {
        return Some(1);
    }
    let indent = first.len() - first.trim_start().len();
    let level = |line: &str| !line.trim().is_empty() && line.len() - line.trim_start().len() == indent;
    let opening = lines.iter().position(|line| level(line) && line.ends_with(['{', ';']))?;
    if lines.get(opening)?.ends_with(';') {
        return None;
    }
    let body = lines.get(opening + 1..)?.iter().take_while(|line| !(level(line) && line.trim_start().starts_with('}')));
    Some(body.filter(|line| is_code(line)).count())
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// The string literals of a file, with their line; a `\` at a line's end joins, as the compiler does.
pub fn literals(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '/', '\'']) {
        let (_, tail) = rest.split_at(start);
        let line =
            1 + text.len().checked_sub(tail.len()).and_then(|at| text.get(..at)).map_or(0, |s| s.matches('\n').count());
        rest = if tail.starts_with("//") {
            tail.split_once('\n').map_or("", |(_, next)| next)
        } else if let Some(inside) = tail.strip_prefix('"') {
            let (literal, after) = string(inside);
            found.push((line, literal));
            after
        } else {
            after_character(tail)
        };
    }
    found
}

/// A string's text and what stands behind its closing quote.
fn string(inside: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('\n') => chars = chars.as_str().trim_start().chars(),
                Some('n') => literal.push('\n'),
                escaped => literal.extend(escaped),
            },
            _ => literal.push(c),
        }
    }
    (literal, chars.as_str())
}

/// Skips a slash, a lifetime's quote, or a whole character literal such as `'"'`.
fn after_character(tail: &str) -> &str {
    let mut chars = tail.chars();
    let first = chars.next();
    let rest = chars.as_str();
    let literal = ["'\"'", "'\\\"'", "'/'", "'\\''"].iter().find_map(|literal| tail.strip_prefix(literal));
    if first == Some('\'') { literal.unwrap_or(rest) } else { rest }
}

/// The modules of the crate's root that a file uses, with the line. `depth` is 1 for `src/x.rs`, 2 for `src/x/y.rs`.
pub fn uses(text: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| is_code(line)) {
        let roots = ["crate::".to_owned(), "super::".repeat(depth)];
        for root in roots {
            let paths = line.match_indices(&root).filter_map(|(start, _)| line.get(start + root.len()..));
            found.extend(paths.flat_map(heads).map(|name| (at + 1, name)));
        }
    }
    found
}

/// The first names of `a::b` or of `{a::b, c}`.
fn heads(path: &str) -> Vec<String> {
    let name = |part: &str| part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {}
        }
        parts.last_mut().expect("it began with one").push(c);
    }
    parts.iter().map(|part| name(part.trim_start_matches(','))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_as_long_as_its_code() {
        let text = "pub fn one() -> u8 { 1 }\n\nfn two(\n    a: u8,\n) -> u8 {\n    // why\n    let b = a;\n\n    b\n}\n\
                    trait T {\n    fn declared(&self);\n    fn given(&self) {\n        call();\n    }\n}\n";
        let lengths: Vec<_> =
            functions(text).into_iter().map(|function| (function.name, function.line, function.length)).collect();
        let expected = [("one", 1, 1), ("two", 3, 2), ("given", 13, 1)];
        assert_eq!(lengths, expected.map(|(name, line, length)| (name.to_owned(), line, length)));
    }

    #[test]
    fn literals_are_joined_and_comments_are_none() {
        let text = "// \"no\"\nlet a = \"x \\\n    y\"; let c = '\"'; fn f<'a>() {}\nlet b = \"\\\"q\\\"\";\n";
        assert_eq!(literals(text), [(2, "x y".to_owned()), (4, "\"q\"".to_owned())]);
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        let text = "use crate::{say, rules::{judge, x}, window};\nuse super::super::path::Hop;\n// crate::no\n";
        let names: Vec<_> = uses(text, 2).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
        assert_eq!(names, ["1 say", "1 rules", "1 window", "2 path"]);
    }
}
