//! All of a comparison → one JSON object, schema `tcphealth.diff/1`.

use serde_json::{Map, Value, json};
use tcphealth_core::diff::{Change, Kind, Side, UNUSUAL, Worth};
use tcphealth_core::frame::totals::Quantity;
use tcphealth_core::words::Lang;

use super::Diff;
use crate::store::Range;
use crate::when::When;

/// Prints everything, also what is usual.
pub(super) fn json(diff: &Diff, lang: Lang) -> String {
    let (pairs, apart) = diff.periods.pairs();
    let changes: Vec<Value> = diff.changes.iter().map(|each| change(each, lang)).collect();
    let [a, b] = &diff.sides;
    let [range_a, range_b] = diff.ranges;
    let length = (range_b.1 - range_b.0) as f64 / 1e6;
    let filled = diff.periods.list.iter().filter(|period| !period.is_empty()).count();
    let history =
        json!({ "periods": filled, "period_seconds": length.max(600.0), "pairs": pairs, "periods_apart": apart });
    let all = json!({ "schema": "tcphealth.diff/1", "a": side(diff, a, range_a), "b": side(diff, b, range_b), "history": history, "unusual_from": UNUSUAL,
        "changes": changes });
    format!("{all:#}\n")
}

fn side(diff: &Diff, side: &Side, (begin, end): Range) -> Value {
    let shown = |us| When(us).shown().replacen(' ', "T", 1);
    let hosts = side.hosts.iter().map(|host| {
        json!({ "hostname": host.hostname, "kernel": host.kernel, "boot_id": host.boot_id, "netns": host.netns })
    });
    json!({ "begin": shown(begin), "end": shown(end), "seconds_recorded": side.period.seconds,
        "samples": side.period.samples, "looks": side.period.looks, "judged": side.judged,
        "longest_pause_seconds": side.period.pause_seconds, "hosts": hosts.collect::<Vec<_>>(),
        "breaks": side.period.breaks.iter().map(|us| shown(*us)).collect::<Vec<_>>(),
        "went_back": went_back(diff, side) })
}

/// The counters that went back, by name.
pub(super) fn went_back<'a>(diff: &'a Diff, side: &Side) -> Vec<&'a str> {
    let name = |number: &usize| match diff.quantities.list().get(*number) {
        Some(Quantity::Counter(name)) => Some(name.as_str()),
        _ => None,
    };
    side.period.went_back.iter().filter_map(name).collect()
}

fn change(change: &Change, lang: Lang) -> Value {
    let mut all = Map::new();
    let mut set = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    set("kind", json!(change.kind.name()));
    set("name", json!(change.name));
    set("a", worth(&change.a));
    set("b", worth(&change.b));
    set("unusual", json!(change.is_unusual()));
    if let Some(owner) = &change.owner {
        set("process", json!(owner));
    }
    if let Some(z) = change.z {
        set("unit", json!(unit(change)));
        set("z", json!(z));
        set("median", json!(change.usual.median));
        set("spread", json!(change.usual.spread));
        set("pairs", json!(change.usual.pairs));
    }
    if let Some(says) = &change.says {
        set("summary", json!(says.get(lang)));
    }
    Value::Object(all)
}

fn worth(worth: &Worth) -> Value {
    match worth {
        Worth::Absent => Value::Null,
        Worth::Word(word) => json!(word),
        Worth::Number(number) => json!(number),
        Worth::Seen(severity, seen, of) => json!({ "severity": severity.name(), "seen": seen, "of": of }),
    }
}

fn unit(change: &Change) -> String {
    match change.kind {
        Kind::Counter => format!("{}/s", change.unit),
        Kind::Share => "ratio".to_owned(),
        _ => change.unit.to_owned(),
    }
}
