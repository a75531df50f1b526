//! What was typed → what is needed. One variant a command; what a command needs stands in its `Args`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tcphealth_core::format::Format;
use tcphealth_core::path::FLOWS_MAX;
use tcphealth_core::words::Lang;

use crate::when::{self, Span, When};

mod korean;
mod sockets;
mod values;
mod wrong;

use values::{duration, interval, size, whole};

pub(crate) use sockets::{By, SocketsArgs, Table, With};
pub(crate) use wrong::in_korean;

/// No command is `check`, whose options may follow.
const USAGE: &str = "tcphealth [COMMAND] [OPTIONS]";

const EXAMPLES: &str = "Examples:
  tcphealth                               the verdict on this host, in 6 s
  tcphealth check --window 30s --lang ko  a longer look, told in Korean
  tcphealth check --format nagios         one line for a monitoring system
  tcphealth check --netns all             all network namespaces, worst first
  tcphealth why close-wait-leak           one finding with all its evidence
  tcphealth states                        the state diagram with its counts
  tcphealth sockets state close-wait --by process
  tcphealth sockets --by peer --with total_retrans,rtt --sort total_retrans
  tcphealth trace life dport = :5432      connections to a database as they end
  tcphealth path 203.0.113.9:443          time and loss of each hop on the way
  tcphealth explain retrans/s             what a word means: rule, state, column
  tcphealth sar -n TCP,ETCP --judge 5     sar's reports, each with the verdict
  tcphealth check --from /var/log/sysstat/sa21 --at '2026-11-21 03:00'
";

/// Place of the options that every command has: behind its own, and before `--help` (999).
const LAST: usize = 990;
/// Events, windows or lines that may be asked for.
const COUNT_MAX: u64 = 1_000_000_000;
/// A century.
const DAYS_MAX: u32 = 36_500;

/// Tells whether this host's TCP is healthy, and if not: what is wrong, who is responsible, what to do.
#[derive(Debug, Parser)]
#[command(name = "tcphealth", version, override_usage = USAGE, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Line {
    /// When to use colours; without this also NO_COLOR decides.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = LAST)]
    pub(crate) color: ColorChoice,
    /// Language of sentences: without this LC_ALL, LC_MESSAGES, LANG decide, for text only.
    #[arg(long, global = true, value_name = "LANG", display_order = LAST)]
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
    /// The verdict on this host.
    ///
    /// Exit status: 0 nothing above info, 1 a warning, 2 a critical finding, 3 the host could not be judged.
    Check(CheckArgs),
    /// One rule's findings with all their evidence, or why there is none.
    Why(WhyArgs),
    /// Which hop on the way to a peer loses or delays packets.
    ///
    /// The probes are SYNs to the service's own port and need no privilege. A loss of 2 % needs 150 probes a hop: 2 min 38 s.
    /// Exit status: 0 nothing to blame, 1 a segment is blamed, 3 the path could not be probed.
    Path(PathArgs),
    /// Keep what the kernel says, second by second, so that any past moment can be judged.
    Record(RecordArgs),
    /// Take files of sysstat's into the recording, so that memory reaches back before the installation.
    Import(ImportArgs),
    /// Judge a recording moment after moment.
    Replay(ReplayArgs),
    /// What changed between two ranges of a recording, the most unusual first.
    ///
    /// Counters are followed from sample to sample. Of the looks at the sockets sixty in each range are counted and six judged, so
    /// that a finding which lasted for less than a sixth of a range may be missed: why RULE --timeline judges every look of an hour.
    ///
    /// Exit status: 0 nothing unusual, 1 something is, 3 there is nothing to compare.
    Diff(DiffArgs),
    /// The TCP state diagram, with the sockets in each state.
    States(StatesArgs),
    /// The socket table, filtered with ss's words and grouped.
    Sockets(SocketsArgs),
    /// What happens to connections now: retransmissions, resets, failed connects, lives, state changes, drops.
    ///
    /// It needs CAP_BPF and CAP_PERFMON, which root has; without them anybody hears lives, and CAP_NET_RAW resets. Exit status: 0
    /// done, 1 not permitted or not possible here.
    Trace(TraceArgs),
    /// What can be seen on this host, with which privilege, and what is missing.
    Doctor(DoctorArgs),
    /// Keep the program that reads many sockets loaded in the kernel (eBPF), so that a look need not load it.
    ///
    /// It stays in /sys/fs/bpf/tcphealth, is used by every later run of this version on this kernel, and takes 3 MB.
    Pin,
    /// Take out of the kernel what `pin` left there.
    Unpin,
    /// What a word means: a rule, a TCP state, a column of sar, a kernel counter, a remedy; alone, all of them.
    Explain(ExplainArgs),
    /// The catalogue of rules with their limits.
    Rules(RulesArgs),
    /// The network reports of sysstat's sar, live or from its files: sar's own options, columns and exit statuses.
    #[command(disable_help_flag = true)]
    Sar(SysstatArgs),
    /// The same for programs, as sysstat's sadf writes them: sadf's own options, formats and exit statuses.
    #[command(disable_help_flag = true)]
    Sadf(SysstatArgs),
}

/// What `sar` and `sadf` need: they read it themselves, for their syntax is sysstat's.
#[derive(Debug, Args)]
pub(crate) struct SysstatArgs {
    /// As sar(1) and sadf(1) say, such as: -n DEV,TCP,ETCP 5.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// Where to look, and for how long.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// Time between the two looks: 30s, 2m, 1m30s; a bare number is seconds; 5 s unless given, or what was recorded.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) window: Option<Duration>,
    /// Judge a directory that `check --save` wrote, a moment of a recording, or a file of sysstat's.
    #[arg(long, value_name = "PATH", conflicts_with = "netns")]
    pub(crate) from: Option<PathBuf>,
    /// Judge this moment of a recording or of a file of sysstat's: '2026-11-21 03:00', 'yesterday 03:00', -2h; local time unless UTC stands behind it.
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true, conflicts_with = "netns")]
    pub(crate) at: Option<When>,
    /// Look into another network namespace: a name of ip-netns(8), a service or container, or the id of a process in it; check
    /// also looks into all.
    #[arg(long, value_name = "NAME|PID|all")]
    pub(crate) netns: Option<String>,
}

/// What `check` needs.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// How to print the report.
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = format_parser())]
    pub(crate) format: String,
    /// Probe the paths to the peers that lose or are silent, each hop so often (40 unless given), about once a second.
    #[arg(long, value_name = "PROBES", num_args = 0..=1, require_equals = true, default_missing_value = "40",
          value_parser = whole(1..=10_000_u32), conflicts_with_all = ["from", "at"])]
    pub(crate) path: Option<u32>,
    /// Listen to the kernel's own events in the window, of this length if it is given: who opens, closes and fails to connect,
    /// exactly (CAP_BPF and CAP_PERFMON).
    #[arg(long, value_name = "TIME", num_args = 0..=1, value_parser = duration, conflicts_with_all = ["from", "at", "since_boot"])]
    #[expect(clippy::option_option, reason = "without it, alone, and with a time")]
    pub(crate) events: Option<Option<Duration>>,
    /// Keep everything that is read, to judge it again with --from.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["from", "at"])]
    pub(crate) save: Option<PathBuf>,
    /// Replace addresses, host and process names, the same one always by the same: in what --save keeps, or what --from tells.
    #[arg(long)]
    pub(crate) redact: bool,
    /// What the counters say since boot, as context only: never a verdict, and no finding above info.
    #[arg(long, conflicts_with_all = ["window", "path", "every"])]
    pub(crate) since_boot: bool,
    /// Judge again and again, one line a window of this length; counts of losses fade with a half-life of a minute.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["from", "at", "window", "save", "timeout"])]
    pub(crate) every: Option<Duration>,
    /// Windows of --every, then stop.
    #[arg(long, value_name = "N", requires = "every", value_parser = whole(1..=COUNT_MAX))]
    pub(crate) count: Option<u64>,
    /// Give up after this time, with exit status 3.
    #[arg(long, short, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// What `record` needs.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Where to keep it; /var/lib/tcphealth for root, else ~/.local/state/tcphealth unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Time between two looks at the counters.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) interval: Duration,
    /// Time between two looks at the sockets; grows by itself when they cost too much.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) census: Duration,
    /// Stop after this time.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Two looks at everything, the time of --census apart, and stop: for cron.
    #[arg(long, conflicts_with = "duration")]
    pub(crate) once: bool,
    /// Keep no more days than this.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = whole(1..=DAYS_MAX))]
    pub(crate) max_days: u32,
    /// Keep no more than this: a number of bytes, or with k, M or G behind it.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size)]
    pub(crate) max_bytes: u64,
    /// Record another network namespace: a name of ip-netns(8), or the id of a process in it.
    #[arg(long, value_name = "NAME|PID")]
    pub(crate) netns: Option<String>,
}

const IMPORT_EXAMPLES: &str = "Examples:
  tcphealth import /var/log/sysstat
  tcphealth import --store /tmp/host-7 host-7/sa20 host-7/sa21
";

/// What `import` needs.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportArgs {
    /// Files of sysstat's, or directories of them (sa01 to sa31, saYYYYMMDD).
    #[arg(value_name = "DIR|FILE", required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// The recording; the usual place unless given. While a recorder writes there, nobody else can.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// What `replay` needs.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The recording; the usual place unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// The first moment: '2026-11-21 03:00', 'yesterday 03:00', -2h; local time unless UTC stands behind it.
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    pub(crate) at: When,
    /// The last moment; now unless given.
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true, default_value = "now")]
    pub(crate) until: When,
    /// Time between two moments.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) step: Duration,
    /// Length of the window that is judged at each; what was recorded unless given.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) window: Option<Duration>,
    /// How to print it: a line a moment, or a report a line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

const DIFF_EXAMPLES: &str = "Examples:
  tcphealth diff                    the last hour, and the same hour yesterday
  tcphealth diff -2h                the last hour, and the one until 2 h ago
  tcphealth diff -20m --window 10m  the last 10 min, and those until 20 min ago
  tcphealth diff 'yesterday 03:00..04:00' 03:00..04:00
";

/// What `diff` needs.
#[derive(Debug, Args)]
#[command(after_help = DIFF_EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The first range: 'yesterday 03:00..04:00', or the time when it ended; a day before the second unless given.
    #[arg(value_name = "A", value_parser = when::parse_span, allow_hyphen_values = true)]
    pub(crate) a: Option<Span>,
    /// The second range; what ends now unless given.
    #[arg(value_name = "B", value_parser = when::parse_span, allow_hyphen_values = true)]
    pub(crate) b: Option<Span>,
    /// The recording; the usual place unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Length of a range that is given by its end; an hour unless given, or as long as the other.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) window: Option<Duration>,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

const WHY_EXAMPLES: &str = "Examples:
  tcphealth why close-wait-leak
  tcphealth why close-wait-leak@pid:4711 --at 'yesterday 03:00'
  tcphealth why retransmit-remote --timeline --since -8h
";

/// What `why` needs.
#[derive(Debug, Args)]
#[command(after_help = WHY_EXAMPLES)]
pub(crate) struct WhyArgs {
    /// A rule's id, or a finding's (`rule@subject`).
    #[arg(value_name = "RULE|ID")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// When it began, how it changed and when it ended in a recording, from --since until --at or now.
    #[arg(long, conflicts_with_all = ["window", "netns"])]
    pub(crate) timeline: bool,
    /// Where the timeline begins; a day before its end unless given.
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true, requires = "timeline")]
    pub(crate) since: Option<When>,
}

/// Where to look but here and now.
#[derive(Debug, Args)]
pub(crate) struct Elsewhere {
    /// Read a directory that `check --save` wrote, or a moment of a recording.
    #[arg(long, value_name = "DIR", conflicts_with = "netns")]
    pub(crate) from: Option<PathBuf>,
    /// Show this moment of a recording: '2026-11-21 03:00', 'yesterday 03:00', -2h; local time unless UTC stands behind it.
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true, conflicts_with = "netns")]
    pub(crate) at: Option<When>,
    /// Look into another network namespace: a name of ip-netns(8), or the id of a process in it.
    #[arg(long, value_name = "NAME|PID")]
    pub(crate) netns: Option<String>,
}

/// What `states` needs.
#[derive(Debug, Args)]
pub(crate) struct StatesArgs {
    /// Draw it again and again, with how many sockets move along each line a second; every second unless a time is given.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1s", value_parser = duration, conflicts_with_all = ["from", "at"])]
    pub(crate) watch: Option<Duration>,
    /// How to print them.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
}

const TRACE_EXAMPLES: &str = "Examples:
  tcphealth trace                  retransmissions, resets, connects, lives
  tcphealth trace retransmit dst 10.0.0.0/8
  tcphealth trace life sport = :443 --format json --duration 1m
  tcphealth trace state --summary  how often which state followed which
";

/// What `trace` needs.
#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES)]
pub(crate) struct TraceArgs {
    /// One of retransmit, reset, connect, life, state, drop (the first four unless given); then which sockets, in the words of
    /// `sockets`.
    #[arg(value_name = "KIND|FILTER")]
    pub(crate) words: Vec<String>,
    /// Only the counts at the end; as long as no filter is given nothing else leaves the kernel.
    #[arg(long, conflicts_with = "count")]
    pub(crate) summary: bool,
    /// Tell retransmissions and drops with the calls in the kernel that led to them.
    #[arg(long, conflicts_with = "summary")]
    pub(crate) stack: bool,
    /// Stop after this many events.
    #[arg(long, value_name = "N", value_parser = whole(1..=COUNT_MAX))]
    pub(crate) count: Option<u64>,
    /// Stop after this time; without it Ctrl-C does.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// How to print: a line an event, or an object a line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
    /// Look into another network namespace: a name of ip-netns(8), or the id of a process in it.
    #[arg(long, value_name = "NAME|PID")]
    pub(crate) netns: Option<String>,
}

/// What `doctor` needs.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The recording; the usual place unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

/// What `explain` needs.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The word, however the kernel, ss, nstat or sar spells it.
    #[arg(value_name = "WORD")]
    pub(crate) word: Vec<String>,
}

/// What `rules` needs.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

/// What `path` needs.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct PathArgs {
    /// The peer: HOST, HOST:PORT or [IPv6]:PORT; port 443 unless given (UDP: 33434).
    pub(crate) target: String,
    /// Probe with UDP datagrams instead.
    #[arg(long, conflicts_with = "icmp")]
    pub(crate) udp: bool,
    /// Probe with echo requests instead (net.ipv4.ping_group_range must admit the group).
    #[arg(long)]
    pub(crate) icmp: bool,
    /// Walk this many flows (source ports): shows the branches where routers balance load.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1..=FLOWS_MAX))]
    pub(crate) flows: u16,
    /// Probes a hop.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = whole(1..=100_000_u32))]
    pub(crate) count: u32,
    /// Time between two probes with the same TTL; routers limit their replies to one a second.
    #[arg(long, value_name = "TIME", default_value = "1.05s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// The highest TTL to try.
    #[arg(long, value_name = "TTL", default_value_t = 30, value_parser = whole(1..=u8::MAX))]
    pub(crate) max_ttl: u8,
    /// Stop after this time, whatever --count says.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Look up the names of the hops.
    #[arg(long)]
    pub(crate) names: bool,
    /// Name the autonomous systems of the hops by this table: FIRST, LAST and NUMBER with tabs between, one range a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) as_table: Option<PathBuf>,
    /// Also find the hop where full-sized packets die (with datagrams).
    #[arg(long)]
    pub(crate) mtu: bool,
    /// How to print the result.
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

fn format_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Format::ALL.map(|(name, _)| name))
}

/// Options that may stand before the command, each with a value.
const GLOBAL: [&str; 2] = ["--color", "--lang"];

/// The command line with its help, of which the manual pages are made, too.
pub fn command_line(lang: Lang) -> clap::Command {
    match lang {
        Lang::En => Line::command(),
        Lang::Ko => korean::translated(Line::command()),
    }
}

/// Reads the command line; `tcphealth` alone, or with options only, is `tcphealth check`.
pub(crate) fn parse(words: Vec<OsString>, lang: Lang) -> Result<Line, clap::Error> {
    Line::from_arg_matches(&command_line(lang).try_get_matches_from(with_command(words))?)
}

fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let place = command_place(&words);
    if place > words.len() {
        return words;
    }
    let word = words.get(place).map(|word| word.to_string_lossy().into_owned());
    let is_help = matches!(word.as_deref(), Some("-h" | "--help" | "-V" | "--version"));
    if word.is_none_or(|word| word.starts_with('-')) && !is_help {
        words.insert(place, "check".into());
    }
    words
}

/// Where the command stands, or would stand; beyond the end when an option before it lacks its value.
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
    place
}

/// The exit status of a usage error: monitoring systems run `check` and `path`, and to them 2 would be critical.
pub(crate) fn usage_status(words: &[OsString]) -> u8 {
    let word = words.get(command_place(words)).map(|word| word.to_string_lossy());
    match word.as_deref() {
        None | Some("check" | "path" | "diff") => 3,
        Some(word) if word.starts_with('-') => 3,
        Some(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn probes_of_a_hop_are_as_far_apart_as_the_tracer_wants_them() {
        let line = parse(words("tcphealth path 192.0.2.1"), Lang::En).unwrap();
        let Command::Path(args) = line.command else { panic!("{line:?}") };
        assert_eq!(args.interval, Duration::from_micros(tcphealth_core::path::INTERVAL_US));
    }

    #[test]
    fn options_alone_belong_to_check() {
        let given = |line| with_command(words(line)).join(" ".as_ref());
        assert_eq!(given("tcphealth"), "tcphealth check");
        assert_eq!(given("tcphealth --window 9s"), "tcphealth check --window 9s");
        assert_eq!(given("tcphealth --lang ko --every 5s"), "tcphealth --lang ko check --every 5s");
        assert_eq!(given("tcphealth --lang=ko states"), "tcphealth --lang=ko states");
        assert_eq!(given("tcphealth --help"), "tcphealth --help");
        assert_eq!(given("tcphealth --lang"), "tcphealth --lang");
    }

    #[test]
    fn a_usage_error_is_unknown_to_a_monitoring_system_and_2_elsewhere() {
        let status = |line| usage_status(&words(line));
        assert_eq!([status("tcphealth"), status("tcphealth --nonsense"), status("tcphealth check --nonsense")], [3; 3]);
        assert_eq!([status("tcphealth path"), status("tcphealth --lang ko path"), status("tcphealth diff")], [3; 3]);
        assert_eq!([status("tcphealth states --nonsense"), status("tcphealth nonsense")], [2; 2]);
    }
}
