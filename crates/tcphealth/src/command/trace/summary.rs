//! The counts of a trace → what is printed at its end.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};
use tcphealth_core::format::pad;
use tcphealth_core::snapshot::EventCounts;
use tcphealth_core::words::{Lang, Message, Text};
use tcphealth_core::{say, text};
use tcphealth_linux::Reasons;

use super::line::{outcome, outcome_words, reason};

/// Columns of the first part of a line.
const TITLE: usize = 16;

/// What there is to sum up.
pub(super) struct Summary<'a> {
    /// How long it was listened, s.
    pub(super) seconds: f64,
    /// What was asked for.
    pub(super) words: &'a [&'static str],
    /// What was counted.
    pub(super) counts: &'a EventCounts,
    /// Whether these know how many connections were opened.
    pub(super) has_opens: bool,
    /// The kernel's words.
    pub(super) reasons: &'a Reasons,
}

impl Summary<'_> {
    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// For people.
    pub(super) fn text(&self, lang: Lang) -> String {
        let mut text = format!("\n{:.1} s\n", self.seconds);
        let mut row = |title: Text, words: String| {
            let _ = writeln!(text, "  {} {words}", pad(title.get(lang), TITLE));
        };
        let counts = self.counts;
        if self.has_opens && (self.has("connect") || self.has("life") || self.has("state")) {
            row(text! { en: "opened", ko: "연결 시작" }, self.opened().get(lang).to_owned());
        }
        if self.has("connect") {
            let attempts = counts.attempts.iter().map(|(attempt, count)| (outcome_words(*attempt, lang), *count));
            row(text! { en: "connects", ko: "connect 결과" }, list(attempts.collect()));
        }
        if self.has("life") {
            row(text! { en: "ended", ko: "연결 종료" }, counts.lives.to_string());
        }
        if self.has("retransmit") {
            row(text! { en: "retransmitted", ko: "재전송" }, self.retransmitted().get(lang).to_owned());
        }
        if self.has("reset") {
            row(text! { en: "resets sent", ko: "보낸 RST" }, reasons(&counts.resets_sent, &self.reasons.resets));
            row(text! { en: "resets received", ko: "받은 RST" }, counts.resets_received.to_string());
        }
        if self.has("drop") {
            row(text! { en: "packets dropped", ko: "버린 패킷" }, reasons(&counts.drops, &self.reasons.drops));
        }
        if self.has("state") {
            row(text! { en: "states", ko: "상태 변화" }, list(self.changes()));
        }
        for lost in self.lost() {
            let _ = writeln!(text, "  {}", lost.get(lang));
        }
        text
    }

    fn opened(&self) -> Message {
        say! {
            en: "{active} by us, {passive} by peers",
            ko: "이쪽에서 {active}, 상대에서 {passive}",
            active = self.counts.active_opens(), passive = self.counts.passive_opens()
        }
    }

    fn retransmitted(&self) -> Message {
        let EventCounts { retransmitted, retransmitted_syn, retransmitted_synack, .. } = self.counts;
        say! {
            en: "{data} segments, {syn} SYN, {synack} SYN-ACK",
            ko: "세그먼트 {data}, SYN {syn}, SYN-ACK {synack}",
            data = retransmitted, syn = retransmitted_syn, synack = retransmitted_synack
        }
    }

    fn changes(&self) -> Vec<(String, u64)> {
        self.counts.states.iter().map(|((from, to), count)| (format!("{from} → {to}"), *count)).collect()
    }

    /// What this cannot account for.
    fn lost(&self) -> Vec<Message> {
        let EventCounts { untold, forgotten, missed, overruns, .. } = self.counts;
        let all = [
            (
                untold,
                say! {
                    en: "lost: {n} events came faster than they could be read; they are counted only",
                    ko: "유실: 이벤트 {n}개는 읽는 속도보다 빨리 와서 세기만 함", n = untold
                },
            ),
            (
                forgotten,
                say! {
                    en: "lost: the begin of {n} connections, too many at once to be remembered",
                    ko: "유실: 연결 {n}개는 동시에 너무 많아 시작을 기억하지 못함", n = forgotten
                },
            ),
            (
                missed,
                say! {
                    en: "lost: {n} events interrupted the program that counts them",
                    ko: "유실: 이벤트 {n}개는 세는 프로그램 도중에 끼어들어 세지 못함", n = missed
                },
            ),
            (
                overruns,
                say! {
                    en: "lost: the kernel's queue was full {n} times; what came then is neither told nor counted",
                    ko: "유실: 커널의 큐가 {n}번 가득 참. 그때 온 것은 알리지도 세지도 못함", n = overruns
                },
            ),
        ];
        all.into_iter().filter(|(count, _)| **count > 0).map(|(_, words)| words).collect()
    }

    /// For programs; only what was asked for.
    pub(super) fn json(&self) -> Value {
        let counts = self.counts;
        let mut object = json!({
            "event": "summary", "seconds": self.seconds,
            "lost": { "untold": counts.untold, "forgotten": counts.forgotten, "missed": counts.missed, "overruns": counts.overruns },
        });
        let mut put = |name: &str, value: Value| object.as_object_mut().map(|object| object.insert(name.into(), value));
        let map = |list: Vec<(String, u64)>| {
            Value::Object(list.into_iter().map(|(name, count)| (name, count.into())).collect::<Map<_, _>>())
        };
        let named = |counts: &BTreeMap<u32, u64>, words: &BTreeMap<u32, String>| {
            map(counts.iter().map(|(number, count)| (reason(words, *number).to_owned(), *count)).collect())
        };
        if self.has_opens && (self.has("connect") || self.has("life") || self.has("state")) {
            put("active_opens", counts.active_opens().into());
            put("passive_opens", counts.passive_opens().into());
        }
        if self.has("connect") {
            put("connects", map(counts.attempts.iter().map(|(attempt, count)| (outcome(*attempt), *count)).collect()));
        }
        if self.has("life") {
            put("lives", counts.lives.into());
        }
        if self.has("retransmit") {
            put("retransmitted_segments", counts.retransmitted.into());
            put("retransmitted_syn", counts.retransmitted_syn.into());
            put("retransmitted_synack", counts.retransmitted_synack.into());
            put("retransmit_failed", counts.retransmit_failed.into());
        }
        if self.has("reset") {
            put("resets_sent", named(&counts.resets_sent, &self.reasons.resets));
            put("resets_received", counts.resets_received.into());
        }
        if self.has("drop") {
            put("drops", named(&counts.drops, &self.reasons.drops));
        }
        if self.has("state") {
            put("states", map(self.changes()));
        }
        object
    }
}

/// `70 (NO_SOCKET 40, TCP_ABORT_ON_LINGER 30)`.
fn reasons(counts: &BTreeMap<u32, u64>, words: &BTreeMap<u32, String>) -> String {
    let sum: u64 = counts.values().sum();
    let each = counts.iter().map(|(number, count)| (reason(words, *number).to_owned(), *count)).collect();
    if sum == 0 { "0".to_owned() } else { format!("{sum} ({})", list(each)) }
}

/// The most frequent first.
fn list(mut counts: Vec<(String, u64)>) -> String {
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let words: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    if words.is_empty() { "0".to_owned() } else { words.join(", ") }
}
