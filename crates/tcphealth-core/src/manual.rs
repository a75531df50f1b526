//! The manual: a word that this program, the kernel, ss, nstat or sar prints → what it means, in every language.

use crate::catalog::{self, Entry, Kind as Growth};
use crate::rules::{self, Rule};
use crate::text;
use crate::words::{Message, Text};

mod columns;
mod states;
mod words;

/// What kind of word an article explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rule, by its id.
    Rule,
    /// A TCP state, by the kernel's name.
    State,
    /// A keyword of `sar -n`.
    Keyword,
    /// A column of sar.
    Column,
    /// A limit, a remedy, a setting, a term.
    Word,
    /// A kernel counter.
    Counter,
}

impl Kind {
    /// All kinds, in the order in which the manual lists them.
    pub const ALL: [Self; 6] = [Self::Rule, Self::State, Self::Keyword, Self::Column, Self::Word, Self::Counter];

    /// The heading of its list.
    pub fn heading(self) -> Text {
        match self {
            Self::Rule => text! { en: "Rules", ko: "규칙" },
            Self::State => text! { en: "TCP states", ko: "TCP 상태" },
            Self::Keyword => text! { en: "Reports of sar -n", ko: "sar -n 보고서" },
            Self::Column => text! { en: "Columns of sar", ko: "sar의 열" },
            Self::Word => text! { en: "Words", ko: "용어" },
            Self::Counter => text! { en: "Kernel counters", ko: "커널 카운터" },
        }
    }
}

/// A paragraph under a heading; the heading may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The heading.
    pub heading: Text,
    /// The paragraph.
    pub body: Message,
}

impl Part {
    fn new(heading: Text, body: Text) -> Self {
        Self { heading, body: body.into() }
    }

    fn same(heading: Text, body: String) -> Self {
        Self { heading, body: Message::same(body) }
    }
}

/// The manual page of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// What kind of word it is.
    pub kind: Kind,
    /// The word as it is printed.
    pub word: String,
    /// Other ways to write it.
    pub spellings: Vec<String>,
    /// One line.
    pub title: Message,
    /// The rest, paragraph by paragraph.
    pub parts: Vec<Part>,
}

impl Article {
    fn is_called(&self, plain_word: &str) -> bool {
        plain(&self.word) == plain_word || self.spellings.iter().any(|spelling| plain(spelling) == plain_word)
    }
}

const WHAT: Text = text! { en: "Counts", ko: "세는 것" };
/// What `check --every` and a recording add to a rule's levels.
pub const SEVERAL_WINDOWS: Text = text! { en: "What several windows add", ko: "여러 구간이 더하는 수준" };
const SOURCES: Text = text! { en: "Sources", ko: "출처" };

/// Every article: rules, states, sar's reports and columns, words, counters.
pub fn articles() -> impl Iterator<Item = Article> {
    let rules = rules::ALL.iter().map(|rule| of_rule(rule));
    let counters = catalog::entries().map(of_counter);
    rules.chain(states::articles()).chain(columns::articles()).chain(words::articles()).chain(counters)
}

fn of_rule(rule: &Rule) -> Article {
    let page = &rule.page;
    Article {
        kind: Kind::Rule,
        word: rule.id.to_owned(),
        spellings: Vec::new(),
        title: rule.trouble.into(),
        parts: [
            Some(Part::new(text! { en: "What it sees", ko: "무엇을 보는가" }, page.sees)),
            rules::chronic_words(rule.id).map(|body| Part { heading: SEVERAL_WINDOWS, body }),
            Some(Part::new(text! { en: "Why it matters", ko: "왜 중요한가" }, page.matters)),
            Some(Part::new(text! { en: "What to do", ko: "할 일" }, page.act)),
            Some(Part::same(SOURCES, page.sources.to_owned())),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn of_counter(entry: &Entry) -> Article {
    let name = entry.counter.0;
    let grows = match entry.kind {
        Growth::Counter => text! { en: "a counter", ko: "누적 카운터" },
        Growth::Gauge => text! { en: "a value now", ko: "현재 값" },
    };
    let scope = catalog::scope_text(entry.scope);
    let facts = |grows: &str, scope: &str| format!("{grows}, {}; {scope}", entry.unit);
    let mut parts = vec![
        Part::new(WHAT, entry.meaning),
        Part {
            heading: text! { en: "Kind", ko: "종류" },
            body: Message { en: facts(grows.en, scope.en), ko: facts(grows.ko, scope.ko) },
        },
        Part::same(SOURCES, entry.source.to_owned()),
    ];
    let spelling = nstat(name);
    if let Some(spelling) = &spelling {
        parts.push(Part::same(text! { en: "Look", ko: "확인" }, format!("nstat -az {spelling}")));
    }
    Article {
        kind: Kind::Counter,
        word: name.to_owned(),
        spellings: spelling.into_iter().collect(),
        title: Message::default(),
        parts,
    }
}

/// nstat writes `Tcp.RetransSegs` as `TcpRetransSegs`; it reads snmp, netstat and snmp6 only.
fn nstat(name: &str) -> Option<String> {
    let shown = ["Tcp.", "TcpExt.", "Ip.", "IpExt.", "Icmp.", "Udp.", "Ip6", "Icmp6", "Udp6"];
    shown.iter().any(|group| name.starts_with(group)).then(|| name.replace('.', ""))
}

/// The articles of a word, however it is spelled: case, blanks, `-`, `_` and `.` do not matter. A counter's bare name will do.
pub fn explain(word: &str) -> Vec<Article> {
    let wanted = plain(word);
    let mut named: Vec<Article> = articles().filter(|article| article.is_called(&wanted)).collect();
    if !named.is_empty() {
        // Of two pages, `retrans/s` of ETCP and of NFS, the one with more to say comes first.
        named.sort_by_key(|article| std::cmp::Reverse(article.parts.len()));
        return named;
    }
    let described = catalog::entry(word).map(of_counter);
    let bare = |article: &Article| article.word.rsplit('.').next().is_some_and(|name| plain(name) == wanted);
    let bare = articles().filter(|article| article.kind == Kind::Counter && bare(article));
    described.into_iter().chain(bare).collect()
}

fn plain(word: &str) -> String {
    word.chars().filter(|symbol| !matches!(symbol, ' ' | '-' | '_' | '.')).flat_map(char::to_lowercase).collect()
}

/// Words that look like this one, the likest first; three at most.
pub fn similar(word: &str) -> Vec<String> {
    let wanted: Vec<char> = plain(word).chars().collect();
    let far = |spelling: &String| {
        let known: Vec<char> = plain(spelling).chars().collect();
        let far = distance(&wanted, &known);
        (far * 3 <= wanted.len().max(known.len())).then_some(far)
    };
    let near = articles().filter_map(|article| {
        let nearest = article.spellings.iter().chain([&article.word]).filter_map(far).min()?;
        Some((nearest, article.word))
    });
    let mut near: Vec<_> = near.collect();
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, word)| word).take(3).collect()
}

/// How many letters must be changed, added or taken away (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.iter().enumerate() {
        let mut left = line + 1;
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.windows(2)) {
            let [diagonal, above] = above else { continue };
            left = (diagonal + usize::from(letter != other)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
