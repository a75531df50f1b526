//! How the program speaks: in which language, in which colours, how wide; and where what it says goes.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use clap::ColorChoice;
use tcphealth_core::format::{Format, Style};
use tcphealth_core::say;
use tcphealth_core::window::Break;
use tcphealth_core::words::{Lang, Message};
use tcphealth_linux::Reason;
use tcphealth_linux::sysstat_live::terminal_size;

use crate::args::{Line, Tongue};

/// The choices of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speech {
    /// The language of text.
    pub(crate) lang: Lang,
    /// The language of sentences inside JSON: English unless it was asked for.
    pub(crate) machine_lang: Lang,
    /// Whether to colour.
    pub(crate) color: bool,
    /// Columns of a line of text.
    pub(crate) columns: usize,
}

impl Speech {
    /// From the command line and the environment.
    pub(crate) fn new(line: &Line) -> Self {
        let asked = line.lang.map(|tongue| match tongue {
            Tongue::En => Lang::En,
            Tongue::Ko => Lang::Ko,
        });
        let lang = asked.unwrap_or_else(lang_of_environment);
        Self { lang, machine_lang: asked.unwrap_or_default(), color: colored(line.color), columns: columns() }
    }
}

impl Speech {
    /// How a report in this format speaks: what programs read is English unless it was asked for.
    pub(crate) fn style(&self, format: Format) -> Style {
        let lang = if matches!(format, Format::Text | Format::Nagios) { self.lang } else { self.machine_lang };
        Style { lang, columns: self.columns, color: self.color }
    }
}

/// The language before the command line is understood: for its own errors and `--help`.
pub(crate) fn early_lang(words: &[OsString]) -> Lang {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    let asked = std::iter::from_fn(|| words.next()).find_map(|word| match word.strip_prefix("--lang") {
        Some("") => Some(String::new()),
        Some(rest) => rest.strip_prefix('=').map(str::to_owned),
        None => None,
    });
    match asked.map(|value| if value.is_empty() { words.next().unwrap_or_default().into_owned() } else { value }) {
        Some(value) if value == "ko" => Lang::Ko,
        Some(_) => Lang::En,
        None => lang_of_environment(),
    }
}

fn lang_of_environment() -> Lang {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
    lang_of(locale.as_deref().unwrap_or_default())
}

fn lang_of(locale: &str) -> Lang {
    let korean = locale == "ko" || locale.starts_with("ko_") || locale.starts_with("ko.");
    if korean { Lang::Ko } else { Lang::En }
}

fn colored(choice: ColorChoice) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            !set("NO_COLOR") && !dumb && (set("CLICOLOR_FORCE") || io::stdout().is_terminal())
        }
    }
}

/// Width of a line of text: the terminal's between 60 and 100 columns, else 80.
fn columns() -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let known = set.filter(|_| io::stdout().is_terminal()).or_else(|| Some(terminal_size()?.1));
    known.map_or(80, |columns| usize::from(columns).clamp(60, 100))
}

/// Prints to standard output. Nobody listening any more (`| head`) is no failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    ignore_broken_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Turns a broken pipe into success, and names the place of another failure.
pub(crate) fn ignore_broken_pipe(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| io::Error::new(error.kind(), format!("stdout: {error}"))),
    }
}

/// What was typed or configured wrongly, in words of our own.
#[derive(Debug)]
pub(crate) struct Complaint(pub(crate) Message);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.en)
    }
}

impl std::error::Error for Complaint {}

/// Tells an error with its causes, on one line of standard error.
pub(crate) fn complain(error: &anyhow::Error, lang: Lang) {
    let causes: Vec<String> = error.chain().map(|cause| without_number(&told(cause, lang)).to_owned()).collect();
    eprintln!("tcphealth: {}", causes.join(": "));
}

/// The system's words for an error without Rust's `(os error 2)` behind them.
fn without_number(words: &str) -> &str {
    words.split_once(" (os error ").map_or(words, |(words, _)| words)
}

/// In our words where there are some; a system or a parser keeps its own.
fn told(cause: &(dyn std::error::Error + 'static), lang: Lang) -> String {
    if let Some(Complaint(words)) = cause.downcast_ref() {
        return words.get(lang).to_owned();
    }
    if let Some(broken) = cause.downcast_ref::<Break>() {
        return broken.words().get(lang).to_owned();
    }
    match cause.downcast_ref::<tcphealth_linux::Error>() {
        Some(error) => format!("{}: {}", error.place.display(), reason(&error.reason).get(lang)),
        None => cause.to_string(),
    }
}

fn reason(reason: &Reason) -> Message {
    match reason {
        Reason::Told(words) => Message::same(words),
        Reason::NoNamespace => say! {
            en: "no network namespace of this name or process; `tcphealth check --netns all` names those that there are",
            ko: "이 이름이나 프로세스의 네트워크 네임스페이스가 없음. `tcphealth check --netns all`이 있는 것을 보여 줌"
        },
        Reason::SavedAlready => say! { en: "holds a saved host already", ko: "이미 저장된 호스트가 들어 있음" },
        Reason::EndsEarly => say! { en: "ends before the dump does", ko: "덤프가 끝나기 전에 잘려 있음" },
        Reason::NoMoreLooks(looks) => {
            say! { en: "there are {looks} saved looks", ko: "저장된 관찰은 {looks}번뿐임", looks = looks }
        }
        Reason::OtherSchema(schema) => {
            say! { en: "“{schema}” is no form that this version reads", ko: "“{schema}”은(는) 이 버전이 읽는 형식이 아님", schema = schema }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_korean_locale_is_korean() {
        assert_eq!(["ko_KR.UTF-8", "ko", "ko.UTF-8"].map(lang_of), [Lang::Ko; 3]);
        assert_eq!(["en_US.UTF-8", "C", "", "kok_IN"].map(lang_of), [Lang::En; 4]);
    }

    #[test]
    fn the_language_is_known_before_the_command_line_is_understood() {
        let lang = |line: &str| early_lang(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!([lang("t check --lang ko"), lang("t --lang=ko")], [Lang::Ko; 2]);
        assert_eq!(lang("t --lang en"), Lang::En);
    }
}
