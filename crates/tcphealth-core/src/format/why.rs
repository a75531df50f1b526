//! One finding in full: every number it rests on, every piece of advice, and how a sceptic repeats it.

use super::Style;
use super::layout::{pad, width, wrap};
use super::text::{AVOID, CAUSE, CONSEQUENCE, NOW, REPAIR, RULED_OUT, title};
use crate::report::{Advice, Evidence, Finding};
use crate::text;
use crate::words::{Message, Text};

/// The finding with everything that it holds.
pub fn finding_in_full(finding: &Finding, number: usize, style: &Style) -> String {
    let mut page = Page { style, lines: title(finding, number, style) };
    page.lines.push(format!("   {}", finding.id()));
    page.paragraph("   ", finding.summary.get(style.lang));
    page.section(CAUSE, std::slice::from_ref(&finding.cause));
    if let Some(since) = &finding.since {
        page.section(text! { en: "since", ko: "시작 시각" }, &[Message::same(since)]);
    }
    page.evidence(&finding.evidence);
    page.advice(NOW, &finding.now);
    page.advice(REPAIR, &finding.repair);
    page.section(AVOID, &finding.avoid);
    page.section(RULED_OUT, &finding.ruled_out);
    page.section(CONSEQUENCE, &finding.consequences);
    page.commands(&finding.verify);
    page.lines.join("\n") + "\n"
}

struct Page<'a> {
    style: &'a Style,
    lines: Vec<String>,
}

impl Page<'_> {
    fn paragraph(&mut self, first: &str, words: &str) {
        self.lines.extend(wrap(first, words, self.style.columns));
    }

    fn heading(&mut self, text: Text) {
        self.lines.push(String::new());
        self.lines.push(format!("   {}", text.get(self.style.lang)));
    }

    fn section(&mut self, heading: Text, messages: &[Message]) {
        let said: Vec<&str> =
            messages.iter().map(|message| message.get(self.style.lang)).filter(|words| !words.is_empty()).collect();
        if said.is_empty() {
            return;
        }
        self.heading(heading);
        for words in said {
            self.paragraph("     ", words);
        }
    }

    fn advice(&mut self, heading: Text, advice: &[Advice]) {
        if advice.is_empty() {
            return;
        }
        self.heading(heading);
        for (number, advice) in advice.iter().enumerate() {
            self.paragraph(&format!("     {} ", number + 1), advice.act.get(self.style.lang));
            let parts = [(EFFECT, &advice.effect), (SIDE_EFFECT, &advice.side_effect), (UNDO, &advice.undo)];
            for (label, words) in parts {
                let Some(words) = words else { continue };
                let label = format!("       {} ", pad(label.get(self.style.lang), 12));
                self.paragraph(&label, words.get(self.style.lang));
            }
        }
    }

    fn evidence(&mut self, evidence: &[Evidence]) {
        if evidence.is_empty() {
            return;
        }
        self.heading(text! { en: "evidence", ko: "근거" });
        let names = evidence.iter().map(|one| width(&one.name)).max().unwrap_or(0);
        let values: Vec<String> = evidence.iter().map(|one| shown(one.value)).collect();
        let widest = values.iter().map(String::len).max().unwrap_or(0);
        for (one, value) in evidence.iter().zip(values) {
            let Evidence { name, unit, scope, source, .. } = one;
            let first = format!("     {}  {value:>widest$} {unit}  ", pad(name, names));
            self.paragraph(&first, &format!("{scope}; {source}"));
        }
    }

    fn commands(&mut self, commands: &[String]) {
        if commands.is_empty() {
            return;
        }
        self.heading(text! { en: "repeat it with", ko: "직접 확인" });
        self.lines.extend(commands.iter().map(|command| format!("     {command}")));
    }
}

const EFFECT: Text = text! { en: "effect", ko: "효과" };
const SIDE_EFFECT: Text = text! { en: "side effect", ko: "부작용" };
const UNDO: Text = text! { en: "to undo", ko: "되돌리기" };

/// Whole numbers whole; others with as many digits as mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.1}"),
        some if some >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.6}").trim_end_matches('0').to_owned(),
    }
}
