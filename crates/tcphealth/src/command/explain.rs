//! `tcphealth explain`: the manual page of a rule, a TCP state, a column of sar, a counter, a word; alone, all of them.

use std::process::ExitCode;

use tcphealth_core::format::{Format, Style, pad, width, wrap};
use tcphealth_core::manual::{self, Article, Kind, Part};
use tcphealth_core::say;
use tcphealth_core::words::Message;

use crate::args::ExplainArgs;
use crate::speech::{self, Speech};

/// Prints what the word means; an unknown one is a usage error.
pub(crate) fn run(args: &ExplainArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let style = speech.style(Format::Text);
    let word = args.word.join(" ");
    if word.is_empty() {
        speech::print(&contents(&style))?;
        return Ok(ExitCode::SUCCESS);
    }
    let pages: Vec<String> = manual::explain(&word).iter().map(|article| page(article, &style)).collect();
    if pages.is_empty() {
        eprintln!("tcphealth: {}", unknown(&word).get(speech.lang));
        return Ok(ExitCode::from(2));
    }
    speech::print(&pages.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(word: &str) -> Message {
    let near = manual::similar(word).join(", ");
    if near.is_empty() {
        return say! { en: "there is no page on “{word}”; `tcphealth explain` lists all", ko: "“{word}” 설명이 없습니다. `tcphealth explain`이 전체 목록을 보여 줍니다", word = word };
    }
    say! { en: "there is no page on “{word}”; did you mean {near}?", ko: "“{word}” 설명이 없습니다. 비슷한 낱말: {near}", word = word, near = near }
}

/// All words, kind by kind.
fn contents(style: &Style) -> String {
    let articles: Vec<Article> = manual::articles().collect();
    let mut lines = Vec::new();
    for kind in Kind::ALL {
        let words = articles.iter().filter(|article| article.kind == kind);
        // A blank inside a word must not break the line there.
        let mut words: Vec<String> = words.map(|article| article.word.replace(' ', "\u{a0}")).collect();
        words.dedup();
        lines.push(bold(kind.heading().get(style.lang), style));
        let listed = wrap("  ", &words.join(", "), style.columns);
        lines.extend(listed.into_iter().map(|line| line.replace('\u{a0}', " ")));
        lines.push(String::new());
    }
    lines.pop();
    lines.join("\n") + "\n"
}

fn page(article: &Article, style: &Style) -> String {
    let mut lines = wrap(&format!("{}  ", article.word), article.title.get(style.lang), style.columns);
    if let Some(first) = lines.first_mut() {
        *first = first.trim_end().replacen(&article.word, &bold(&article.word, style), 1);
    }
    let parts = article.parts.iter().filter(|part| !part.body.en.is_empty());
    let widest = parts.clone().map(|part| width(part.heading.get(style.lang))).max().unwrap_or(0);
    lines.extend(parts.flat_map(|part| paragraph(part, widest, style)));
    lines.join("\n") + "\n"
}

fn paragraph(part: &Part, widest: usize, style: &Style) -> Vec<String> {
    let heading = part.heading.get(style.lang);
    let first = if heading.is_empty() { "  ".to_owned() } else { format!("  {}  ", pad(heading, widest)) };
    wrap(&first, part.body.get(style.lang), style.columns)
}

fn bold(text: &str, style: &Style) -> String {
    if style.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}
