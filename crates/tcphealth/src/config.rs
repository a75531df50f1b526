//! The configuration files → limits: the system's first, the user's over it. An unknown key is an error with its place.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tcphealth_core::rules::Limits;
use tcphealth_core::say;
use tcphealth_core::words::Message;
use toml::de::{DeTable, DeValue};

use crate::speech::Complaint;

const SYSTEM: &str = "/etc/tcphealth/config.toml";

/// The limits in force on this host for this user.
pub(crate) fn limits() -> anyhow::Result<Limits> {
    let mut limits = Limits::default();
    for file in std::iter::once(PathBuf::from(SYSTEM)).chain(user_file()) {
        match std::fs::read_to_string(&file) {
            Ok(text) => apply(&mut limits, &file, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        }
    }
    Ok(limits)
}

fn user_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("tcphealth/config.toml"))
}

/// Sets what one file says: `[limits]` with a number a line.
fn apply(limits: &mut Limits, file: &Path, text: &str) -> anyhow::Result<()> {
    let place = |at: usize| format!("{}:{}", file.display(), line_and_column(text, at));
    let wrong = |at: usize, words: Message| {
        Complaint(say! { en: "{place}: {words}", ko: "{place}: {words}", place = place(at); words = words })
    };
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        wrong(at, Message::same(error.message()))
    })?;
    for (section, value) in document.get_ref() {
        let at = section.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            return Err(wrong(at, unknown_key(section.get_ref())).into());
        };
        if section.get_ref() != "limits" {
            return Err(wrong(at, unknown_section(section.get_ref())).into());
        }
        for (key, value) in table {
            let number = number(value.get_ref()).ok_or_else(|| wrong(value.span().start, no_number(key.get_ref())))?;
            limits.set(key.get_ref(), number).map_err(|error| wrong(key.span().start, error.words()))?;
        }
    }
    Ok(())
}

fn unknown_key(key: &str) -> Message {
    say! { en: "unknown key “{key}”", ko: "알 수 없는 키 “{key}”", key = key }
}

fn unknown_section(name: &str) -> Message {
    say! { en: "unknown section “{name}”", ko: "알 수 없는 섹션 “{name}”", name = name }
}

fn no_number(key: &str) -> Message {
    say! { en: "“{key}” must be a number", ko: "“{key}” 값은 0 이상의 수여야 함", key = key }
}

fn number(value: &DeValue) -> Option<f64> {
    let text = match value {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return None,
    };
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// `line:column`, both from 1; the column counts characters.
fn line_and_column(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(1, |last| last.chars().count() + 1);
    format!("{line}:{column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str) -> Result<Limits, String> {
        let mut limits = Limits::default();
        apply(&mut limits, Path::new("c.toml"), text).map(|()| limits).map_err(|error| error.to_string())
    }

    #[test]
    fn a_limit_is_set_by_its_name() {
        let limits = applied("[limits]\nwindow_min_seconds = 7\naccept_overflow_critical_ratio = 0.25\n").unwrap();
        assert_eq!((limits.window_min_seconds, limits.accept_overflow_critical_ratio), (7.0, 0.25));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text| applied(text).unwrap_err();
        assert!(wrong("[limits]\n  nonsense = 1\n").starts_with("c.toml:2:3: there is no limit “nonsense”"));
        assert!(wrong("[limits]\nwindow_min_seconds = \"x\"\n").starts_with("c.toml:2:22: “window_min_seconds” must"));
        assert!(wrong("[limitz]\n").starts_with("c.toml:1:2: unknown section “limitz”"));
        assert!(wrong("a = 1\n").starts_with("c.toml:1:1: unknown key “a”"));
        assert!(wrong("[limits]\nwindow_min_seconds = -1\n").contains("must be a number"));
        assert!(wrong("[limits\n").starts_with("c.toml:1:8: "));
    }
}
