//! A path → the table on the terminal, the report, the JSON object.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use tcphealth_core::path::{Hop, Path, Plan, probes_to_see, span};
use tcphealth_core::words::{Lang, Message};
use tcphealth_core::{say, text};

use super::Found;

/// The latest replies that the sparkline shows.
const SPARKS: usize = 20;

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
    pub(super) fn draw(&mut self, path: &Path, lang: Lang) {
        let table = table(path, &[], lang);
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
pub(super) fn report(found: &Found, lang: Lang) -> String {
    let mut out = String::new();
    if let Some(blame) = &found.judgement.blame {
        let _ = writeln!(out, "{} → {}", blame.from, blame.to);
    }
    for why in &found.judgement.why {
        let _ = writeln!(out, "{}", why.get(lang));
    }
    for said in found.mtu.iter().flat_map(|mtu| mtu.sentences(found.path.length())) {
        let _ = writeln!(out, "{}", said.get(lang));
    }
    out + "\n" + &table(&found.path, &found.labels, lang)
}

fn table(path: &Path, labels: &[(IpAddr, String)], lang: Lang) -> String {
    let head = text! {
        en: "hop  address                                   lost/sent   95 % interval     last      min      p50      p95     step  ms",
        ko: "홉   주소                                      손실/송신   95 % 구간        최근     최소     중앙      p95     증가  ms",
    };
    let mut out = format!("{}\n", head.get(lang));
    let mut before = 0;
    for hop in path.hops() {
        let _ = writeln!(out, "{}", row(&hop, labels, &mut before, lang));
        for (address, count) in hop.addresses.iter().filter(|(address, _)| Some(*address) != hop.address()) {
            let _ = writeln!(out, "     {address} ({count})");
        }
    }
    out
}

fn row(hop: &Hop, labels: &[(IpAddr, String)], before_us: &mut u32, lang: Lang) -> String {
    let Some(address) = hop.address() else {
        let silent = if hop.silent() {
            text! { en: "no reply", ko: "응답 없음" }
        } else {
            text! { en: "hidden by this kernel", ko: "이 커널이 알려 주지 않음" }
        };
        return format!("{:>3}  {:<40}  {:>4}/{:<5}", hop.ttl, silent.get(lang), hop.lost, hop.sent);
    };
    let known = labels.iter().filter(|(known, _)| *known == address).map(|(_, label)| label.clone());
    let label = std::iter::once(address.to_string()).chain(known).collect::<Vec<_>>().join(" ");
    let (low, high) = hop.loss_interval().unwrap_or((0.0, 1.0));
    let loss = format!("{:>4}/{:<5} {:>5.1} – {:>5.1} %", hop.lost, hop.sent, low * 100.0, high * 100.0);
    let times = hop.quantiles().map_or_else(String::new, |times| {
        let step = f64::from(times.min) - f64::from(*before_us);
        *before_us = times.min;
        let all = [times.last, times.min, times.p50, times.p95].map(|us| format!("{:8.2}", f64::from(us) / 1e3));
        format!("{} {:+8.2}", all.join(" "), step / 1e3)
    });
    format!("{:>3}  {label:<40}  {loss}  {times}  {}", hop.ttl, sparks(hop))
}

/// The latest response times as a line of blocks, from the shortest to the longest of them.
fn sparks(hop: &Hop) -> String {
    let latest = hop.rtts_us.get(hop.rtts_us.len().saturating_sub(SPARKS)..).unwrap_or_default();
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
