//! `tcphealth rules`: the catalogue, with the limits in force.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::json;
use tcphealth_core::rules::{ALL, Limit, Limits};

use crate::args::{RulesArgs, TextOrJson};
use crate::config;
use crate::speech::{self, Speech};

/// Prints the catalogue.
pub(crate) fn run(args: &RulesArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let limits = config::limits()?;
    let text = match args.format {
        TextOrJson::Text => text(&limits, speech),
        TextOrJson::Json => json(&limits, speech),
    };
    speech::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(limits: &Limits, speech: &Speech) -> String {
    let widest = ALL.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for rule in ALL {
        let _ = writeln!(text, "{:widest$}  {}", rule.id, rule.trouble.get(speech.lang));
    }
    text.push('\n');
    for limit in Limits::ALL {
        let value = limits.get(limit.name).unwrap_or(limit.default);
        let default = if changed(limit, value) { format!(" ({})", limit.default) } else { String::new() };
        let reason = limit.reason.get(speech.lang);
        let _ = writeln!(text, "{} = {value}{default}\n    {reason} [{}]", limit.name, limit.source);
    }
    text
}

fn changed(limit: &Limit, value: f64) -> bool {
    value.to_bits() != limit.default.to_bits()
}

fn json(limits: &Limits, speech: &Speech) -> String {
    let lang = speech.machine_lang;
    let rules = ALL.iter().map(|rule| {
        json!({ "rule": rule.id, "trouble": rule.trouble.get(lang), "sees": rule.page.sees.get(lang),
                "matters": rule.page.matters.get(lang), "act": rule.page.act.get(lang), "sources": rule.page.sources })
    });
    let levels = Limits::ALL.iter().map(|limit| {
        json!({ "name": limit.name, "value": limits.get(limit.name), "default": limit.default,
                "reason": limit.reason.get(lang), "source": limit.source })
    });
    let (rules, levels): (Vec<_>, Vec<_>) = (rules.collect(), levels.collect());
    format!("{:#}\n", json!({ "schema": "tcphealth.rules/1", "rules": rules, "limits": levels }))
}
