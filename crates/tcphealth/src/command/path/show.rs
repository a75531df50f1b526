//! A path → the table on the terminal, the report, the JSON object.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use tcphealth_core::format::{pad, width, wrap};
use tcphealth_core::path::{Hop, Path, Plan, probes_to_see, span};
use tcphealth_core::words::{Lang, Message, Text};
use tcphealth_core::{say, text};

use super::Found;
use crate::speech::Speech;

/// The latest replies that the sparkline shows where there is room,
const SPARKS_MAX: usize = 20;
/// and how few are worth a line.
const SPARKS_MIN: usize = 5;
/// Columns of what every row has: number, losses with their interval, three times and the step from the hop before.
const NUMBERS: usize = 63;
/// Columns of a time, with the space before it.
const TIME: usize = 7;

/// What so many probes can show, and what the usual question costs.
pub(super) fn promise(plan: &Plan) -> Message {
    let (see, usual) = (probes_to_see(0.02), 0.02);
    say! {
        en: "{target}, port {port}, from {source}: {rounds} probes a hop, {time}; they show a loss of {share} % or more. \
             {usual} % needs {see} probes a hop: {long}.",
        ko: "{target}, 포트 {port}, 출발지 {source}: 홉마다 탐침 {rounds}개, {time}. {share} % 이상의 손실을 보여 준다. \
             {usual} %에는 홉마다 탐침 {see}개가 필요하다: {long}.",
        target = plan.target, port = plan.port, source = plan.source, rounds = plan.rounds,
        time = span(u64::from(plan.rounds) * plan.interval_us),
        share = format!("{:.1}", 300.0 / f64::from(plan.rounds.max(3))), usual = usual * 100.0, see = see,
        long = span(u64::from(probes_to_see(0.02)) * plan.interval_us),
    }
}

/// The table, redrawn in place.
#[derive(Default)]
pub(super) struct Screen {
    lines: usize,
}

impl Screen {
    pub(super) fn draw(&mut self, path: &Path, speech: &Speech) {
        let table = table(path, &[], speech);
        self.clear();
        self.lines = table.lines().count();
        print!("{table}");
        let _ = io::stdout().flush();
    }

    pub(super) fn clear(&mut self) {
        if self.lines > 0 {
            print!("\x1b[{}A\x1b[J", self.lines);
            self.lines = 0;
        }
    }
}

/// The segment to blame, the reasons, the table.
pub(super) fn report(found: &Found, speech: &Speech) -> String {
    let mut out = String::new();
    if let Some(blame) = &found.judgement.blame {
        let _ = writeln!(out, "{} → {}", blame.from, blame.to);
    }
    let mtu: Vec<Message> = found.mtu.iter().flat_map(|mtu| mtu.sentences(found.path.length())).collect();
    for said in found.judgement.why.iter().chain(&mtu) {
        out.push_str(&lines(said, speech));
    }
    out + "\n" + &table(&found.path, &found.labels, speech)
}

/// A sentence, as wide as the terminal.
pub(super) fn lines(said: &Message, speech: &Speech) -> String {
    wrap("", said.get(speech.lang), speech.columns).into_iter().map(|line| line + "\n").collect()
}

fn table(path: &Path, labels: &[(IpAddr, String)], speech: &Speech) -> String {
    let hops = path.hops();
    let layout = Layout::new(hops.iter().filter_map(|hop| label(hop, labels)), speech.columns);
    let mut out = layout.head(speech.lang);
    let mut before = 0;
    for hop in &hops {
        match label(hop, labels) {
            Some(label) => out.push_str(&layout.row(hop, &label, &mut before)),
            None => out.push_str(&layout.silent(hop, speech.lang)),
        }
        for (address, count) in hop.addresses.iter().filter(|(address, _)| Some(*address) != hop.address()) {
            let _ = writeln!(out, "     {address} ({count})");
        }
    }
    out
}

/// The address of a hop with what else it is called; `None` when it never replied.
fn label(hop: &Hop, labels: &[(IpAddr, String)]) -> Option<String> {
    let address = hop.address()?;
    let known = labels.iter().filter(|(known, _)| *known == address).map(|(_, label)| label.clone());
    Some(std::iter::once(address.to_string()).chain(known).collect::<Vec<_>>().join(" "))
}

/// What of a hop there is room for.
struct Layout {
    /// Columns of the address; a longer one has a line to itself.
    label: usize,
    /// The latest time.
    last: bool,
    /// The latest times as blocks, so many.
    sparks: usize,
}

impl Layout {
    fn new(labels: impl Iterator<Item = String>, columns: usize) -> Self {
        let room = columns.saturating_sub(NUMBERS);
        let label = labels.map(|label| width(&label)).max().unwrap_or(0).max(width("address")).min(room);
        let left = room - label;
        let sparks = left.saturating_sub(TIME + 2).min(SPARKS_MAX);
        Self { label, last: left >= TIME, sparks: if sparks < SPARKS_MIN { 0 } else { sparks } }
    }

    fn head(&self, lang: Lang) -> String {
        let right = |text: Text, columns: usize| {
            let text = text.get(lang);
            " ".repeat(columns.saturating_sub(width(text))) + text
        };
        let left = |text: Text, columns: usize| pad(text.get(lang), columns);
        let times = [
            self.last.then_some(text! { en: "last", ko: "최근" }),
            Some(text! { en: "min", ko: "최소" }),
            Some(text! { en: "p50", ko: "중앙" }),
            Some(text! { en: "p95", ko: "p95" }),
        ];
        let times: String = times.into_iter().flatten().map(|title| right(title, TIME)).collect();
        format!(
            "{}{}  {}{} {times}{}\n",
            left(text! { en: "hop", ko: "홉" }, 5),
            left(text! { en: "address", ko: "주소" }, self.label),
            left(text! { en: "lost/sent", ko: "손실/송신" }, 11),
            left(text! { en: "95 % interval", ko: "95 % 구간" }, 15),
            right(text! { en: "step ms", ko: "증가 ms" }, TIME + 1),
        )
    }

    fn row(&self, hop: &Hop, label: &str, before_us: &mut u32) -> String {
        let mut out = format!("{:>3}  ", hop.ttl);
        if width(label) > self.label {
            let _ = write!(out, "{label}\n     ");
        }
        let shown = if width(label) > self.label { "" } else { label };
        let (low, high) = hop.loss_interval().unwrap_or((0.0, 1.0));
        let _ = write!(out, "{}  {:>4}/{:<5} ", pad(shown, self.label), hop.lost, hop.sent);
        let _ = write!(out, "{:>5.1} – {:>5.1} % ", low * 100.0, high * 100.0);
        if let Some(times) = hop.quantiles() {
            let step = f64::from(times.min) - f64::from(*before_us);
            *before_us = times.min;
            let all = self.last.then_some(times.last).into_iter().chain([times.min, times.p50, times.p95]);
            all.for_each(|us| out.push_str(&milliseconds(f64::from(us), "")));
            out.push_str(&milliseconds(step, "+"));
        }
        format!("{}  {}", out, sparks(hop, self.sparks)).trim_end().to_owned() + "\n"
    }

    fn silent(&self, hop: &Hop, lang: Lang) -> String {
        let silent = if hop.silent() {
            text! { en: "no reply", ko: "응답 없음" }
        } else {
            text! { en: "hidden by this kernel", ko: "이 커널이 알려 주지 않음" }
        };
        format!("{:>3}  {}  {:>4}/{}\n", hop.ttl, pad(silent.get(lang), self.label), hop.lost, hop.sent)
    }
}

/// µs as ms, as exact as the columns allow; with a sign a column more.
fn milliseconds(us: f64, sign: &str) -> String {
    let (ms, columns) = (us / 1e3, TIME + sign.len());
    let digits = if ms.abs() < 100.0 { 2 } else { 1 };
    if sign.is_empty() { format!("{ms:columns$.digits$}") } else { format!("{ms:+columns$.digits$}") }
}

/// The latest response times as a line of blocks, from the shortest to the longest of them.
fn sparks(hop: &Hop, count: usize) -> String {
    let latest = hop.rtts_us.get(hop.rtts_us.len().saturating_sub(count)..).unwrap_or_default();
    let (low, high) = latest.iter().fold((u32::MAX, 1), |(low, high), rtt| (low.min(*rtt), high.max(*rtt)));
    let block = |rtt: &u32| char::from_u32('▁' as u32 + (rtt - low) * 7 / (high - low).max(1)).unwrap_or('▁');
    latest.iter().map(block).collect()
}

/// The object for machines.
pub(super) fn json(found: &Found, lang: Lang) -> String {
    let Found { path, judgement, mtu, labels } = found;
    let why: Vec<&str> = judgement.why.iter().map(|why| why.get(lang)).collect();
    let hops: Vec<Value> = path.hops().iter().map(|hop| json_hop(hop, labels)).collect();
    let object = json!({
        "schema": "tcphealth.path/1",
        "target": path.plan.target,
        "port": path.plan.port,
        "protocol": path.plan.protocol,
        "source": path.plan.source,
        "rounds": path.rounds,
        "reached": path.reached(),
        "hops": hops,
        "branches": path.branches().len(),
        "route_changes": path.route_changes,
        "mtu": mtu,
        "blame": judgement.blame,
        "why": why.join(" "),
    });
    format!("{object:#}\n")
}

fn json_hop(hop: &Hop, labels: &[(IpAddr, String)]) -> Value {
    let addresses: Vec<IpAddr> = hop.addresses.iter().map(|(address, _)| *address).collect();
    let known: Vec<&String> = labels.iter().filter(|(at, _)| addresses.contains(at)).map(|(_, label)| label).collect();
    let ms = |us: u32| f64::from(us) / 1e3;
    json!({
        "ttl": hop.ttl,
        "addresses": addresses,
        "labels": known,
        "sent": hop.sent,
        "lost": hop.lost,
        "loss": (hop.sent > 0).then(|| f64::from(hop.lost) / f64::from(hop.sent)),
        "rtt_ms": hop.quantiles().map(|times| json!({ "min": ms(times.min), "p50": ms(times.p50), "p95": ms(times.p95) })),
        "silent": hop.silent(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(labels: &[&str], columns: usize) -> Layout {
        Layout::new(labels.iter().map(|&label| label.to_owned()), columns)
    }

    fn hop() -> Hop {
        Hop { ttl: 7, sent: 40, lost: 1, rtts_us: vec![98_764; 39], ..Hop::default() }
    }

    #[test]
    fn a_row_fits_the_terminal_and_shows_more_where_there_is_room() {
        for (columns, label, times, sparks) in
            [(80, "203.0.113.254", 4, 0), (100, "203.0.113.254", 5, 15), (100, "1.1.1.1", 5, 20)]
        {
            let layout = layout(&[label], columns);
            let row = layout.row(&hop(), label, &mut 0);
            for line in layout.head(Lang::En).lines().chain(layout.head(Lang::Ko).lines()).chain(row.lines()) {
                assert!(width(line) <= columns, "{line}");
            }
            assert_eq!(row.matches("98.76").count(), times, "{row}");
            assert_eq!(row.matches(['▁', '█']).count(), sparks, "{row}");
        }
    }

    #[test]
    fn a_longer_address_has_a_line_to_itself() {
        let (name, layout) = ("2001:db8:1:2:3:4:5:6", layout(&["2001:db8:1:2:3:4:5:6"], 80));
        let row = layout.row(&hop(), name, &mut 0);
        assert!(row.starts_with("  7  2001:db8:1:2:3:4:5:6\n") && row.lines().all(|line| width(line) <= 80), "{row}");
    }

    #[test]
    fn times_have_the_digits_that_their_columns_hold() {
        assert_eq!([milliseconds(70.0, ""), milliseconds(149_960.0, "")], ["   0.07", "  150.0"]);
        assert_eq!([milliseconds(-1_500.0, "+"), milliseconds(119_000.0, "+")], ["   -1.50", "  +119.0"]);
    }
}
