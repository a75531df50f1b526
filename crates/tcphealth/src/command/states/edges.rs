//! The diagram with how many sockets move along each of its edges a second.

use tcphealth_core::snapshot::State;

/// In brackets: edges by the first letters of their states, room for a rate beside or within a line. A socket that the kernel
/// replaces by a small one (FIN_WAIT2 and TIME_WAIT) leaves by CLOSE.
pub(super) const DIAGRAM: &str = "
                              ┌──────────────────┐
          ┌── OPEN {CL>LI  }──┤[CLOSE           ]├── OPEN {CL>SS  }─┐
          │                   └──────────────────┘                  │
 ┌────────▼─────────┐                                      ┌────────▼─────────┐
 │[LISTEN          ]│                                      │[SYN_SENT        ]│
 └────────┬─────────┘                                      └────────┬─────────┘
          │ SYN (LI>SR  )                        SYN,ACK  (SS>ES  ) │
 ┌────────▼─────────┐         ┌──────────────────┐                  │
 │[SYN_RECV        ]├{SR>ES }▶│[ESTABLISHED     ]│◀─────────────────┘
 └──────────────────┘         └──┬────────────┬──┘
          ┌── CLOSE {ES>F1   }───┘            └── FIN {ES>CW   }────┐
 ┌────────▼─────────┐         ┌──────────────────┐         ┌────────▼─────────┐
 │[FIN_WAIT1       ]├{F1>CG }▶│[CLOSING         ]│         │[CLOSE_WAIT      ]│
 └────────┬─────────┘         └────────┬─────────┘         └────────┬─────────┘
          │ ACK (F1>F2  )              │ (CG>CL )   CLOSE (CW>LA  ) │
 ┌────────▼─────────┐         ┌────────▼─────────┐         ┌────────▼─────────┐
 │[FIN_WAIT2       ]├{F2>CL }▶│[TIME_WAIT       ]│         │[LAST_ACK        ]│
 └──────────────────┘         └────────┬─────────┘         └────────┬─────────┘
                                       └─ 60 s ─▶ CLOSE ◀─{LA>CL  }─┘
";

const LETTERS: [(&str, State); 10] = [
    ("CL", State::Close),
    ("LI", State::Listen),
    ("SS", State::SynSent),
    ("SR", State::SynRecv),
    ("ES", State::Established),
    ("F1", State::FinWait1),
    ("F2", State::FinWait2),
    ("CG", State::Closing),
    ("CW", State::CloseWait),
    ("LA", State::LastAck),
];

/// An edge of the diagram.
pub(super) type Edge = (State, State);

/// The edges that are drawn.
pub(super) fn drawn() -> impl Iterator<Item = Edge> {
    DIAGRAM.split(['{', '(']).filter_map(edge)
}

/// The edge at the begin of a hole.
fn edge(hole: &str) -> Option<Edge> {
    let state = |letters: &str| LETTERS.iter().find(|(short, _)| *short == letters).map(|(_, state)| *state);
    let (from, to) = hole.get(..5)?.split_once('>')?;
    Some((state(from)?, state(to)?))
}

/// Puts the rates into their holes; what is not known leaves them empty, what is not zero is bold.
pub(super) fn fill(diagram: &str, color: bool, per_second: &dyn Fn(Edge) -> Option<f64>) -> String {
    let mut text = String::new();
    let mut rest = diagram;
    while let Some((before, hole, after)) = next_hole(rest) {
        text.push_str(before);
        let line = if hole.starts_with('{') { '─' } else { ' ' };
        let rate = edge(hole.get(1..).unwrap_or_default()).and_then(per_second);
        text.push_str(&within(hole.len(), line, rate, color));
        rest = after;
    }
    text + rest
}

/// What stands before the next hole, it, and what stands behind it.
fn next_hole(text: &str) -> Option<(&str, &str, &str)> {
    let begin = text.find(['{', '('])?;
    let end = begin + text.get(begin..)?.find(['}', ')'])? + 1;
    Some((text.get(..begin)?, text.get(begin..end)?, text.get(end..)?))
}

/// A rate in the middle of so many columns.
fn within(columns: usize, line: char, rate: Option<f64>, color: bool) -> String {
    let Some(rate) = rate else { return line.to_string().repeat(columns) };
    let words = short(rate);
    let left = columns.saturating_sub(words.len()) / 2;
    let right = columns.saturating_sub(words.len() + left);
    let words = if color && rate > 0.0 { format!("\x1b[1m{words}\x1b[0m") } else { words };
    [line.to_string().repeat(left), words, line.to_string().repeat(right)].concat()
}

/// A rate in at most seven columns.
pub(super) fn short(per_second: f64) -> String {
    match per_second {
        0.0 => "0/s".to_owned(),
        rate if rate < 99.95 => format!("{rate:.1}/s"),
        rate if rate < 99_999.5 => format!("{rate:.0}/s"),
        rate => format!("{:.0}k/s", rate / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcphealth_core::format::width;

    #[test]
    fn every_edge_is_drawn_once_and_fits() {
        let edges: Vec<Edge> = drawn().collect();
        assert_eq!(edges.len(), 13);
        assert!(edges.iter().all(|edge| edges.iter().filter(|other| *other == edge).count() == 1));
        for rate in [None, Some(0.0), Some(3.25), Some(99.96), Some(12_345.6), Some(123_456.7)] {
            let text = fill(DIAGRAM, false, &|_| rate);
            assert!(!text.contains(['{', '}', '(', ')']), "{text}");
            let widths = |text: &str| text.lines().map(width).collect::<Vec<_>>();
            assert_eq!(widths(&text), widths(DIAGRAM), "{text}");
        }
        let text = fill(DIAGRAM, false, &|edge| (edge == (State::SynRecv, State::Established)).then_some(12.34));
        assert!(text.contains("├─12.3/s─▶│"), "{text}");
    }

    #[test]
    fn rates_are_short() {
        let told = [0.0, 0.04, 3.25, 99.96, 12_345.6, 123_456.7].map(short);
        assert_eq!(told, ["0/s", "0.0/s", "3.2/s", "100/s", "12346/s", "123k/s"]);
    }
}
