//! What the tidy tests demand of a text. Each check turns text into complaints; an empty list is tidy.

use crate::source::{Function, functions, literals, uses};

/// The modules of the core in reading order: each uses only those before it. A new module finds its place here and in `lib.rs`.
pub const MODULES: &[&str] = &[
    "words",
    "catalog",
    "statistics",
    "path",
    "snapshot",
    "wire",
    "window",
    "report",
    "rules",
    "frame",
    "diff",
    "sysstat",
    "manual",
    "format",
];

/// Longest function, lines of code; clippy's `too-many-lines-threshold` says the same.
pub const FUNCTION_LINES_MAX: usize = 60;
/// Nineteen of twenty functions are not longer than this.
pub const FUNCTION_LINES_P95: usize = 35;
/// Longest file, lines; tables are exempt.
pub const FILE_LINES_MAX: usize = 600;
/// Tables, which are long because there is much in the world: a path that contains one of these may be longer.
pub const TABLES: &[&str] = &["catalog/entries", "/args.rs", "rules/limits.rs"];

/// Licences that may be linked into the program.
pub const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
    "CC0-1.0",
];

/// A module of the core that uses one below it, or one that has no place in the order.
pub fn upward_uses(module: &str, depth: usize, text: &str) -> Vec<String> {
    let place = |name: &str| MODULES.iter().position(|known| *known == name);
    let Some(own) = place(module) else { return vec![format!("{module} has no place in the order of modules")] };
    let below = |name: &str| place(name).is_some_and(|other| other > own);
    let upward = uses(text, depth).into_iter().filter(|(_, name)| below(name));
    upward.map(|(line, name)| format!("line {line}: {module} uses {name}, which comes after it")).collect()
}

/// Functions over the limit.
pub fn long_functions(text: &str) -> Vec<String> {
    let long = functions(text).into_iter().filter(|function| function.length > FUNCTION_LINES_MAX);
    long.map(|Function { name, line, length }| format!("line {line}: {name} has {length} lines")).collect()
}

/// The value that `share` (0 to 1) of the sorted values do not exceed: the nearest rank.
pub fn percentile(sorted: &[usize], share: f64) -> usize {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Words that say that something is not finished.
pub fn unfinished(text: &str) -> Vec<String> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];
    let lines = text.lines().enumerate().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    lines.map(|(at, line)| format!("line {}: {}", at + 1, line.trim())).collect()
}

/// Literals of a file that name a rule or a counter.
pub fn names_meaning(text: &str, rules: &[&str], counters: &[&str]) -> Vec<String> {
    let named = |literal: &str| rules.iter().chain(counters).any(|name| literal.contains(name));
    let found = literals(text).into_iter().filter(|(_, literal)| named(literal));
    found.map(|(line, literal)| format!("line {line}: “{literal}”")).collect()
}

/// A cure that does not cure: where the word stands, one of the denials must stand beside it.
struct Myth {
    word: &'static str,
    /// Parts of file names where it is a myth; empty: everywhere.
    files: &'static [&'static str],
    denials: &'static [&'static str],
}

const ABOUT_TIME_WAIT: &[&str] = &["time_wait", "ports", "bind_before", "churn"];
const DENIALS: &[&str] = &[
    "never", "not", "nothing", "no ", "않", "없", "말 것", "소용", "아니", "금지", "무관", "removed", "제거",
    "critical", "drops", "버림",
];
const MYTHS: &[Myth] = &[
    Myth { word: "tcp_tw_recycle", files: &[], denials: DENIALS },
    Myth { word: "tcp_fin_timeout", files: ABOUT_TIME_WAIT, denials: DENIALS },
    Myth { word: "SO_KEEPALIVE", files: ABOUT_TIME_WAIT, denials: DENIALS },
    Myth { word: "somaxconn=", files: &["accept_", "listen_", "syn_"], denials: DENIALS },
    Myth { word: "ss -K", files: &[], denials: &["descriptor", "디스크립터"] },
    Myth { word: "restart the network", files: &[], denials: DENIALS },
    Myth { word: "네트워크 재시작", files: &[], denials: DENIALS },
];

/// Sentences of a file that recommend a myth.
pub fn myths(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line, literal) in literals(text).into_iter().filter(|(_, literal)| is_sentence(literal)) {
        let here = |myth: &&Myth| myth.files.is_empty() || myth.files.iter().any(|part| file.contains(part));
        let told = MYTHS.iter().filter(here).filter(|myth| literal.contains(myth.word));
        let said = literal.to_lowercase();
        let believed = told.filter(|myth| !myth.denials.iter().any(|denial| said.contains(denial)));
        found.extend(believed.map(|myth| format!("line {line}: {}: “{literal}”", myth.word)));
    }
    found
}

/// Three words and more that are no list: names and headwords recommend nothing.
fn is_sentence(literal: &str) -> bool {
    let words: Vec<&str> = literal.split_whitespace().collect();
    let listed = words.iter().filter(|word| word.ends_with(',')).count();
    words.len() >= 3 && listed * 2 < words.len()
}

/// Whether a licence expression (SPDX, with the older `/` for “or”) leaves us a choice that we allow.
pub fn allowed(expression: &str) -> bool {
    let either = expression.replace('/', " OR ").replace(['(', ')'], "");
    either.split(" OR ").any(|choice| choice.split(" AND ").all(|licence| LICENCES.contains(&licence.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_upward_use_is_caught() {
        assert_eq!(upward_uses("window", 1, "use crate::snapshot::Snapshot;\n"), [""; 0]);
        let caught = upward_uses("window", 1, "use crate::rules::Limits;\n");
        assert_eq!(caught, ["line 1: window uses rules, which comes after it"]);
        assert_eq!(upward_uses("wire", 2, "let x = super::super::report::Word::Ok;\n").len(), 1);
        assert_eq!(upward_uses("newcomer", 1, "").len(), 1);
    }

    #[test]
    fn a_planted_long_function_is_caught() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "    call();\n".repeat(lines));
        assert_eq!(long_functions(&body(60)), [""; 0]);
        assert_eq!(long_functions(&body(61)), ["line 1: f has 61 lines"]);
    }

    #[test]
    fn the_nearest_rank_is_the_percentile() {
        let twenty: Vec<usize> = (1..=20).collect();
        assert_eq!((percentile(&twenty, 0.95), percentile(&twenty, 0.5), percentile(&[], 0.5)), (19, 10, 0));
    }

    #[test]
    fn a_planted_counter_or_rule_in_a_format_is_caught() {
        let text = "let a = \"accept-overflow\";\nlet b = \"state\";\n";
        assert_eq!(names_meaning(text, &["accept-overflow"], &["Tcp.OutSegs"]).len(), 1);
        assert_eq!(names_meaning("f(\"Tcp.OutSegs\")", &["accept-overflow"], &["Tcp.OutSegs"]).len(), 1);
    }

    #[test]
    fn a_planted_myth_is_caught_and_a_warning_is_none() {
        assert_eq!(myths("rules/a.rs", "say(\"set tcp_tw_recycle = 1\")").len(), 1);
        assert_eq!(myths("rules/a.rs", "say(\"never tcp_tw_recycle: it drops clients behind NAT\")").len(), 0);
        assert_eq!(myths("rules/ports_exhausted.rs", "say(\"lower tcp_fin_timeout to 15\")").len(), 1);
        assert_eq!(myths("rules/fin_wait2_orphaned.rs", "say(\"lower tcp_fin_timeout to 15\")").len(), 0);
        assert_eq!(myths("rules/accept_overflow.rs", "say(\"sysctl -w net.core.somaxconn=4096 now\")").len(), 1);
        assert_eq!(myths("rules/a.rs", "say(\"ss -K dst 192.0.2.1\")").len(), 1);
    }

    #[test]
    fn one_allowed_choice_is_enough_and_all_its_parts_are_needed() {
        assert!(
            allowed("MIT OR GPL-3.0") && allowed("Apache-2.0/MIT") && allowed("(MIT OR Apache-2.0) AND Unicode-3.0")
        );
        assert!(!allowed("GPL-3.0-only") && !allowed("MIT AND GPL-3.0-only"));
    }
}
