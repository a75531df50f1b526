//! What was typed → what is needed. One variant a command; what a command needs stands in its `Args`.

use std::ffi::OsString;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "Examples:
  tcphealth                                the verdict on this host, in six seconds
  tcphealth check --window 30s --lang ko   a longer look, told in Korean
  tcphealth check --format nagios          one line for a monitoring system; exit status 0, 1, 2 or 3
  tcphealth why close-wait-leak            one finding with all its evidence
  tcphealth states                         the state diagram with the sockets in each state
  tcphealth sockets state close-wait --by process
";

/// Tells whether this host's TCP is healthy, and if not: what is wrong, who is responsible, what to do.
#[derive(Debug, Parser)]
#[command(name = "tcphealth", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Line {
    /// When to use colours; without this also NO_COLOR decides.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Language of sentences: without this LC_ALL, LC_MESSAGES, LANG decide, for text only.
    #[arg(long, global = true, value_name = "LANG")]
    pub(crate) lang: Option<Tongue>,
    /// What to do; `check` when nothing is named.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The languages by the names that are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tongue {
    /// English.
    En,
    /// Korean.
    Ko,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The catalogue of rules with their limits.
    Rules(RulesArgs),
}

/// What `rules` needs.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

/// The formats of commands that print tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Options that may stand before the command, each with a value.
const GLOBAL: [&str; 2] = ["--color", "--lang"];

/// Reads the command line; `tcphealth` alone, or with options only, is `tcphealth check`.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Line, clap::Error> {
    Line::try_parse_from(with_command(words))
}

fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let place = command_place(&words);
    let word = words.get(place).map(|word| word.to_string_lossy().into_owned());
    let is_help = matches!(word.as_deref(), Some("-h" | "--help" | "-V" | "--version"));
    if word.is_none_or(|word| word.starts_with('-')) && !is_help {
        words.insert(place, "check".into());
    }
    words
}

/// Where the command stands, or would stand.
fn command_place(words: &[OsString]) -> usize {
    let mut place = 1;
    while let Some(word) = words.get(place).map(|word| word.to_string_lossy()) {
        let joined = GLOBAL.iter().any(|option| word.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')));
        if joined {
            place += 1;
        } else if GLOBAL.contains(&word.as_ref()) {
            place += 2;
        } else {
            break;
        }
    }
    place.min(words.len())
}

/// The exit status of a usage error: monitoring systems run `check` and `path`, and to them 2 would be critical.
pub(crate) fn usage_status(words: &[OsString]) -> u8 {
    let word = words.get(command_place(words)).map(|word| word.to_string_lossy());
    match word.as_deref() {
        None | Some("check" | "path") => 3,
        Some(word) if word.starts_with('-') => 3,
        Some(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn options_alone_belong_to_check() {
        let given = |line| with_command(words(line)).join(" ".as_ref());
        assert_eq!(given("tcphealth"), "tcphealth check");
        assert_eq!(given("tcphealth --window 9s"), "tcphealth check --window 9s");
        assert_eq!(given("tcphealth --lang ko --every 5s"), "tcphealth --lang ko check --every 5s");
        assert_eq!(given("tcphealth --lang=ko states"), "tcphealth --lang=ko states");
        assert_eq!(given("tcphealth --help"), "tcphealth --help");
    }

    #[test]
    fn a_usage_error_is_unknown_to_a_monitoring_system_and_2_elsewhere() {
        let status = |line| usage_status(&words(line));
        assert_eq!([status("tcphealth"), status("tcphealth --nonsense"), status("tcphealth check --nonsense")], [3; 3]);
        assert_eq!([status("tcphealth path"), status("tcphealth --lang ko path")], [3; 2]);
        assert_eq!([status("tcphealth states --nonsense"), status("tcphealth nonsense")], [2; 2]);
    }
}
