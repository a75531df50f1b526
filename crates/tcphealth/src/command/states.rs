//! `tcphealth states`: the diagram of RFC 9293 figure 5, with how many sockets are in each state.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tcphealth_core::format::wrap;
use tcphealth_core::snapshot::{State, StateCounts};
use tcphealth_core::words::{Lang, Message};
use tcphealth_core::{say, text};
use tcphealth_linux::Host;

use super::{check, sockets};
use crate::args::{StatesArgs, TextOrJson};
use crate::speech::{self, Speech};
use crate::store::{self, Past, Store};
use crate::when::When;
use moment::Moment;
use rates::Interval;

mod edges;
mod moment;
mod rates;
mod screen;
mod watch;

/// The words at the edges are the RFC's; a name at the left of a box is replaced by itself and its count.
const DIAGRAM: &str = "
                              ┌──────────────────┐
          ┌── passive OPEN ───┤[CLOSE           ]├─── active OPEN ──┐
          │                   └──────────────────┘         snd SYN  │
 ┌────────▼─────────┐                                      ┌────────▼─────────┐
 │[LISTEN          ]│                                      │[SYN_SENT        ]│
 └────────┬─────────┘                                      └────────┬─────────┘
          │ rcv SYN, snd SYN,ACK               rcv SYN,ACK, snd ACK │
 ┌────────▼─────────┐         ┌──────────────────┐                  │
 │[SYN_RECV        ]├─rcv ACK▶│[ESTABLISHED     ]│◀─────────────────┘
 └──────────────────┘         └──┬────────────┬──┘
          ┌─── CLOSE, snd FIN ───┘            └─ rcv FIN, snd ACK ──┐
 ┌────────▼─────────┐         ┌──────────────────┐         ┌────────▼─────────┐
 │[FIN_WAIT1       ]├─rcv FIN▶│[CLOSING         ]│         │[CLOSE_WAIT      ]│
 └────────┬─────────┘         └────────┬─────────┘         └────────┬─────────┘
          │ rcv ACK of FIN             │ rcv ACK     CLOSE, snd FIN │
 ┌────────▼─────────┐         ┌────────▼─────────┐         ┌────────▼─────────┐
 │[FIN_WAIT2       ]├─rcv FIN▶│[TIME_WAIT       ]│         │[LAST_ACK        ]│
 └──────────────────┘         └────────┬─────────┘         └────────┬─────────┘
                                       └─ 60 s ─▶ CLOSE ◀─ rcv ACK ─┘
";

/// Counts the sockets by state, for which the kernel need not describe them, and draws.
pub(crate) fn run(args: &StatesArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    if let Some(every) = args.watch {
        return watch::run(args, every, speech);
    }
    if let Some(when) = args.elsewhere.at {
        return recorded(args, when, speech);
    }
    let (counts, netns) = counted(args, speech.lang)?;
    let text = match args.format {
        TextOrJson::Text => text(&counts, speech),
        TextOrJson::Json => format!("{:#}\n", states_json(&counts, netns)),
    };
    speech::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn counted(args: &StatesArgs, lang: Lang) -> anyhow::Result<(StateCounts, u64)> {
    let mut host = check::host(args.elsewhere.from.as_deref(), args.elsewhere.netns.as_deref(), None)?;
    let counts = count(&mut host)?;
    sockets::note_failed_walk(&host, lang);
    Ok((counts, host.identity()?.netns))
}

fn count(host: &mut Host) -> anyhow::Result<StateCounts> {
    let states = State::ALL.iter().fold(0, |mask, state| mask | state.bit());
    Ok(host.state_counts(states).map_err(|absent| sockets::unread(&absent))?)
}

/// A moment of a recording, with the rates in the window that ends there.
fn recorded(args: &StatesArgs, when: When, speech: &Speech) -> anyhow::Result<ExitCode> {
    let store = Store::open(&args.elsewhere.from.clone().unwrap_or_else(store::default_dir))?;
    let past = Past::at(&store, when, None)?;
    let (look, rates) = (&past.last, Interval::recorded(&past));
    let counts = &look.census.as_ref().map_err(sockets::unread)?.states;
    let (at, netns) = (When(look.at.wall_ns.div_euclid(1000)), look.identity.netns);
    let moment = rates.as_ref().map(|(interval, counted)| Moment {
        counts,
        counted,
        interval: Some(interval),
        at,
        time: at.shown(),
    });
    let text = match (moment, args.format) {
        (Some(moment), TextOrJson::Text) => {
            let lines = |words: Message| {
                let lines = wrap(" ", words.get(speech.lang), speech.columns);
                lines.iter().fold(String::new(), |text, line| text + line + "\n")
            };
            let below = [sum(counts)].into_iter().chain(moment.missed_words());
            lines(moment.head()) + moment.drawn(speech).trim_start_matches('\n') + &below.map(lines).collect::<String>()
        }
        (Some(moment), TextOrJson::Json) => format!("{:#}\n", moment.json(netns)),
        (None, TextOrJson::Text) => text(counts, speech),
        (None, TextOrJson::Json) => format!("{:#}\n", states_json(counts, netns)),
    };
    speech::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(counts: &StateCounts, speech: &Speech) -> String {
    let mut text = fill_states(DIAGRAM.trim_start_matches('\n'), counts, speech.color);
    let sum = sum(counts);
    let more = text! {
        en: "Who is in a state: tcphealth sockets state close-wait --by process",
        ko: "누구의 소켓인지: tcphealth sockets state close-wait --by process"
    };
    for words in [sum.get(speech.lang), more.get(speech.lang)] {
        for line in wrap("  ", words, speech.columns) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn sum(counts: &StateCounts) -> Message {
    let connections = counts.total() - counts.get(State::Listen) - counts.get(State::Close);
    say! {
        en: "Sockets: {all}, connections among them: {connections}. Left: we closed first; right: the peer did.",
        ko: "소켓 {all}개, 그중 연결 {connections}개. 왼쪽은 이쪽이, 오른쪽은 상대가 먼저 닫은 경우.",
        all = counts.total(), connections = connections
    }
}

/// Puts the counts into the boxes. What is not zero is bold.
fn fill_states(diagram: &str, counts: &StateCounts, color: bool) -> String {
    let mut text = diagram.to_owned();
    for state in State::ALL {
        let name = state.name();
        let hole = format!("[{name:<16}]");
        let (count, room) = (counts.get(state), hole.len() - name.len());
        let filled = format!("{name}{count:>room$}");
        let filled = if color && count > 0 { format!("\x1b[1m{filled}\x1b[0m") } else { filled };
        text = text.replace(&hole, &filled);
    }
    text
}

fn states_json(counts: &StateCounts, netns: u64) -> Value {
    let states: Map<String, Value> =
        State::ALL.iter().map(|state| (state.name().to_owned(), counts.get(*state).into())).collect();
    json!({ "schema": "tcphealth.states/1", "netns": netns, "states": states })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcphealth_core::format::width;

    #[test]
    fn every_state_is_drawn_once_with_its_count_and_fits_80_columns() {
        let mut counts = StateCounts::default();
        for state in State::ALL {
            for _ in 0..=state as u8 {
                counts.add(state);
            }
        }
        for diagram in [DIAGRAM, edges::DIAGRAM] {
            let drawn = fill_states(diagram, &counts, false);
            for state in State::ALL {
                let count = state as u8 + 1;
                let text = format!("{}{count:>room$}", state.name(), room = 18 - state.name().len());
                assert_eq!(drawn.matches(&text).count(), 1, "{state}\n{drawn}");
            }
            assert!(!drawn.contains(['[', ']']));
            assert!(drawn.lines().all(|line| width(line) <= 80));
        }
    }
}
