//! `tcphealth why`: one rule's findings in full, or why there is none.

use std::process::ExitCode;

use tcphealth_core::format::{Format, Style, finding_in_full, wrap};
use tcphealth_core::manual::SEVERAL_WINDOWS;
use tcphealth_core::report::{Check, Finding, Report};
use tcphealth_core::words::Message;
use tcphealth_core::{manual, rules, say};

use super::check;
use crate::args::WhyArgs;
use crate::speech::{self, Complaint, Speech};

mod timeline;

/// Looks again and prints.
pub(crate) fn run(args: &WhyArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let rule = args.what.split('@').next().unwrap_or_default();
    if rules::rule(rule).is_none() {
        speech::complain(&Complaint(unknown(rule)).into(), speech.lang);
        return Ok(ExitCode::from(2));
    }
    if args.timeline {
        timeline::run(args, rule, speech)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = if let Some(report) = check::recorded(&args.look)? {
        report
    } else {
        let host = check::host(args.look.from.as_deref(), args.look.netns.as_deref(), None)?;
        check::look(host, args.look.window, speech)?
    };
    let style = speech.style(Format::Text);
    speech::print(&answer(&report, rule, &args.what, &style))?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(rule: &str) -> Message {
    let near: Vec<String> = manual::similar(rule).into_iter().filter(|word| rules::rule(word).is_some()).collect();
    if near.is_empty() {
        return say! {
            en: "there is no rule “{rule}”; `tcphealth rules` lists them",
            ko: "“{rule}”(이)라는 규칙은 없음. `tcphealth rules`가 전체 목록을 보여 줌", rule = rule
        };
    }
    let near = near.join(", ");
    say! {
        en: "there is no rule “{rule}”; did you mean {near}?",
        ko: "“{rule}”(이)라는 규칙은 없음. 비슷한 규칙: {near}", rule = rule, near = near
    }
}

fn answer(report: &Report, rule: &str, what: &str, style: &Style) -> String {
    let meant = |finding: &&Finding| finding.rule == rule && (what == rule || finding.id() == what);
    let pages = report.findings.iter().filter(meant).enumerate();
    let pages: Vec<String> = pages.map(|(number, finding)| finding_in_full(finding, number, style)).collect();
    if pages.is_empty() {
        let checks = report.checks.iter().filter(|check| check.rule == rule);
        return checks.map(|check| none(check, style)).collect();
    }
    let several = several_windows(rule, style);
    pages.into_iter().chain(several).collect::<Vec<_>>().join("\n")
}

/// What more windows would decide: by `check --every`, or by a recording.
fn several_windows(rule: &str, style: &Style) -> Option<String> {
    let words = rules::chronic_words(rule)?;
    let lines = wrap("     ", words.get(style.lang), style.columns).join("\n");
    Some(format!("   {} (check --every 5s)\n{lines}\n", SEVERAL_WINDOWS.get(style.lang)))
}

/// Why there is no finding, or which one explains it.
fn none(check: &Check, style: &Style) -> String {
    let words = |message: &Option<Message>| message.as_ref().map(|message| message.get(style.lang).to_owned());
    let said: Vec<String> = [words(&check.why), words(&check.needs)].into_iter().flatten().collect();
    let first = format!("{}  {}: ", check.outcome.name(), check.rule);
    wrap(&first, &said.join("; "), style.columns).join("\n") + "\n"
}
