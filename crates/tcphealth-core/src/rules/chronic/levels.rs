//! The table of chronic levels, in the order of the catalogue. A rule that is not here says in one window all that it can say.

use std::net::SocketAddr;

use super::{Case, Chronic, When};
use crate::catalog::Counter;
use crate::report::{Finding, Severity};
use crate::rules::{Class, Known, class_of, connecting, resetting};
use crate::snapshot::{Endpoint, Snapshot};
use crate::text;
use crate::window::Window;
use crate::words::Text;
use Severity::{Critical, Info, Warning};
use When::{Also, Grows, InARow, Lasts, Of, Over, PerSecond, Returns, Size};

const MINUTE: &str = "chronic_minute_seconds";
const TEN_MINUTES: &str = "chronic_long_seconds";
const AGAIN: When = InARow("chronic_windows");
const GROWING: When = Grows("chronic_growing_windows");

const fn minute(rule: &'static str, from: Severity) -> Chronic {
    Chronic { rule, from, level: None, when: &[Over { seconds: MINUTE, instead: &[] }] }
}

const fn ten_minutes(rule: &'static str, level: Severity) -> Chronic {
    Chronic { rule, from: level, level: Some(level), when: &[Over { seconds: TEN_MINUTES, instead: &[] }] }
}

const fn lasting(rule: &'static str, level: Severity, when: &'static [When]) -> Chronic {
    Chronic { rule, from: Info, level: Some(level), when }
}

const OFTEN: &[When] = &[Of { times: "retransmit_chronic_windows", windows: "retransmit_chronic_of_windows" }];
const AS_LONG_AGO_AS_NATS_FORGET: &[When] = &[Lasts("half_open_chronic_seconds")];

pub(super) const CHRONIC: &[Chronic] = &[
    minute("retransmit-local", Info),
    lasting("retransmit-local", Warning, OFTEN),
    minute("retransmit-remote", Info),
    lasting("retransmit-remote", Warning, OFTEN),
    Chronic {
        rule: "tail-loss",
        from: Warning,
        level: Some(Warning),
        when: &[Over { seconds: MINUTE, instead: &[("tail_loss_warning_ratio", "tail_loss_chronic_ratio")] }, AGAIN],
    },
    lasting("reordering", Warning, &[Lasts(TEN_MINUTES), Also(ON_THE_LOCAL_NETWORK, is_local)]),
    lasting("spurious-timeout", Warning, &[AGAIN, PerSecond("spurious_chronic_per_second")]),
    lasting("bad-checksum", Warning, &[AGAIN]),
    Chronic {
        rule: "old-timestamps",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: TEN_MINUTES,
            instead: &[("old_timestamps_warning_per_second", "old_timestamps_chronic_per_second")],
        }],
    },
    Chronic {
        rule: "socket-backlog-drop",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: TEN_MINUTES,
            instead: &[("backlog_drop_warning_per_second", "backlog_drop_chronic_per_second")],
        }],
    },
    lasting(
        "connect-unanswered",
        Critical,
        &[Lasts("connect_unanswered_critical_seconds"), Also(NO_SUCCESS, none_succeeded)],
    ),
    lasting(
        "connect-refused",
        Warning,
        &[Lasts("connect_refused_chronic_seconds"), PerSecond("connect_refused_chronic_per_second")],
    ),
    ten_minutes("own-firewall-drop", Warning),
    Chronic {
        rule: "rejected-by-router",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: TEN_MINUTES,
            instead: &[("rejected_by_router_warning_errors", "rejected_by_router_chronic_errors")],
        }],
    },
    Chronic {
        rule: "slow-connect",
        from: Warning,
        level: Some(Warning),
        when: &[Over { seconds: TEN_MINUTES, instead: &[] }, AGAIN],
    },
    lasting(
        "ports-running-out",
        Warning,
        &[Returns { times: "ports_chronic_times", seconds: "chronic_day_seconds", level: Warning }],
    ),
    lasting("time-wait-overflow", Warning, &[AGAIN]),
    Chronic {
        rule: "connection-churn",
        from: Warning,
        level: Some(Warning),
        when: &[Over { seconds: MINUTE, instead: &[("churn_warning_waiting", "churn_chronic_waiting")] }],
    },
    lasting(
        "close-wait-leak",
        Warning,
        &[GROWING, Lasts(MINUTE), Size("close_wait_chronic_count"), Also(SURVIVE, survive)],
    ),
    Chronic {
        rule: "close-wait-leak",
        from: Warning,
        level: Some(Critical),
        when: &[Also(DESCRIPTORS, descriptors_end)],
    },
    Chronic {
        rule: "accept-stalled",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: "accept_stalled_chronic_seconds",
            instead: &[("accept_stalled_warning_count", "accept_stalled_chronic_count")],
        }],
    },
    lasting(
        "close-wait-pool",
        Warning,
        &[GROWING, Lasts(MINUTE), Size("close_wait_chronic_count"), Also(SURVIVE, survive)],
    ),
    Chronic {
        rule: "close-wait-pool",
        from: Warning,
        level: Some(Critical),
        when: &[Also(DESCRIPTORS, descriptors_end)],
    },
    Chronic {
        rule: "descriptor-limit",
        from: Info,
        level: Some(Warning),
        when: &[
            Over { seconds: MINUTE, instead: &[("descriptors_warning_ratio", "descriptors_chronic_ratio")] },
            Also(FORECAST, runs_out),
        ],
    },
    lasting("ghost-sockets", Warning, &[GROWING]),
    lasting(
        "fin-wait2-held",
        Warning,
        &[Lasts("fin_wait2_held_chronic_seconds"), Size("fin_wait2_held_chronic_count")],
    ),
    lasting(
        "fin-wait2-held",
        Warning,
        &[Lasts("fin_wait2_held_chronic_seconds"), GROWING, Size("close_wait_chronic_count")],
    ),
    lasting("fin-wait1-orphans", Warning, &[GROWING, Size("fin_wait1_chronic_count"), Also(ONE_PEER, is_one_peer)]),
    lasting("last-ack-stuck", Warning, &[AGAIN, Size("last_ack_warning_count")]),
    minute("accept-overflow", Warning),
    minute("syn-flood", Warning),
    lasting("listen-drop", Warning, &[AGAIN]),
    lasting(
        "peer-not-reading",
        Warning,
        &[Lasts("peer_not_reading_chronic_seconds"), Also(SERVICE, is_service_or_many)],
    ),
    lasting("process-not-reading", Warning, &[Lasts("process_not_reading_chronic_seconds")]),
    lasting("receive-prune", Warning, &[AGAIN]),
    Chronic {
        rule: "tcp-memory",
        from: Info,
        level: Some(Info),
        when: &[
            Over { seconds: TEN_MINUTES, instead: &[("tcp_memory_warning_ratio", "tcp_memory_chronic_ratio")] },
            Also(ALL_THE_TIME, memory_all_the_time),
        ],
    },
    lasting("peer-resets", Warning, &[Also(SURGE, resets_surge)]),
    Chronic {
        rule: "abort-unread",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: TEN_MINUTES,
            instead: &[("abort_unread_warning_per_second", "abort_unread_chronic_per_second")],
        }],
    },
    ten_minutes("abort-linger", Warning),
    lasting("half-open-suspect", Warning, AS_LONG_AGO_AS_NATS_FORGET),
    lasting(
        "peer-vanished",
        Warning,
        &[Returns { times: "peer_vanished_chronic_times", seconds: "chronic_hour_seconds", level: Info }],
    ),
    lasting(
        "idle-forgotten",
        Warning,
        &[Returns { times: "idle_forgotten_chronic_times", seconds: "chronic_day_seconds", level: Info }],
    ),
    Chronic {
        rule: "interface-errors",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: TEN_MINUTES,
            instead: &[
                ("interface_errors_warning_packets", "interface_errors_chronic_packets"),
                ("interface_errors_warning_ratio", "interface_errors_chronic_ratio"),
            ],
        }],
    },
    Chronic {
        rule: "interface-errors",
        from: Critical,
        level: Some(Critical),
        when: &[Over { seconds: "interface_errors_critical_seconds", instead: &[] }],
    },
    Chronic {
        rule: "interface-errors",
        from: Info,
        level: Some(Warning),
        when: &[Over { seconds: TEN_MINUTES, instead: &[] }, Also(FIFO, is_fifo)],
    },
    Chronic {
        rule: "interface-drops",
        from: Warning,
        level: Some(Warning),
        when: &[Over {
            seconds: TEN_MINUTES,
            instead: &[
                ("interface_drops_info_per_second", "interface_drops_chronic_per_second"),
                ("interface_drops_rx_warning_per_second", "interface_drops_chronic_per_second"),
                ("interface_drops_rx_warning_packets", "interface_drops_chronic_packets"),
            ],
        }],
    },
    Chronic {
        rule: "softnet-drops",
        from: Warning,
        level: Some(Critical),
        when: &[Over { seconds: MINUTE, instead: &[] }, PerSecond("softnet_drops_critical_per_second")],
    },
];

const ON_THE_LOCAL_NETWORK: Text = text! { en: "peers on the local network", ko: "로컬 네트워크의 상대" };
const NO_SUCCESS: Text = text! { en: "no connect to it succeeded meanwhile", ko: "그동안 성공한 연결이 없음" };
const SURVIVE: Text = text! { en: "those of the first look are still there", ko: "첫 관찰의 소켓이 그대로 남음" };
const FORECAST: Text = text! {
    en: "descriptors that grew for a minute reach the limit within `descriptors_chronic_seconds`",
    ko: "1분 동안 늘어난 디스크립터가 `descriptors_chronic_seconds` 안에 한계에 이름"
};
const DESCRIPTORS: Text = text! {
    en: "`descriptors_critical_ratio` of the descriptors in use, or at the limit within `descriptors_chronic_seconds`",
    ko: "디스크립터 사용률이 `descriptors_critical_ratio` 이상이거나, `descriptors_chronic_seconds` 안에 한계에 이름"
};
const ONE_PEER: Text = text! { en: "all to one peer", ko: "모두 한 상대의 것" };
const SERVICE: Text = text! {
    en: "toward a service, or `peer_not_reading_critical_count` connections to one client",
    ko: "서비스로 가는 연결이거나, 한 클라이언트의 연결 `peer_not_reading_critical_count`개"
};
const ALL_THE_TIME: Text = text! { en: "in every look", ko: "모든 관찰에서" };
const SURGE: Text = text! {
    en: "`peer_resets_warning_per_second` resets a second and `peer_resets_chronic_factor` times as many as in the minute before",
    ko: "초당 RST `peer_resets_warning_per_second`개를 넘고 앞선 1분의 `peer_resets_chronic_factor`배"
};
const FIFO: Text = text! { en: "fifo errors among them", ko: "fifo 오류가 있음" };

fn evidence(finding: &Finding, name: &str) -> Option<f64> {
    finding.evidence.iter().find(|evidence| evidence.name == name).map(|evidence| evidence.value)
}

fn is_local(case: &Case) -> bool {
    let window = &case.series.window;
    let address = case.finding.subject.remote.as_ref().and_then(|remote| remote.parse().ok());
    let peer = address.and_then(|address| window.census()?.peer(&address));
    peer.is_some_and(|peer| matches!(class_of(window, peer), Known::Yes(classed) if classed.class == Class::Local))
}

fn none_succeeded(case: &Case) -> bool {
    let remote = case.finding.subject.remote.as_ref().and_then(|remote| remote.parse::<SocketAddr>().ok());
    let Some(destination) = remote.map(|remote| Endpoint::new(remote.ip(), remote.port())) else { return false };
    let Some(long) = case.series.long(case.limits.connect_unanswered_critical_seconds) else { return false };
    let window = long.window(case.series.window.answers());
    window.is_some_and(|window| connecting::successes(&window, &destination) == 0)
}

fn survive(case: &Case) -> bool {
    evidence(case.finding, "survival").is_some_and(|share| share >= case.limits.close_wait_survival_ratio)
}

/// Open descriptors, and how many there may be.
fn descriptors(finding: &Finding) -> Option<(f64, f64)> {
    evidence(finding, "descriptors").zip(evidence(finding, "RLIMIT_NOFILE"))
}

/// At the growth of the descriptors over a minute of windows in which they only grew.
fn runs_out(case: &Case) -> bool {
    let (Some((fds, limit)), Some(pid)) = (descriptors(case.finding), case.finding.subject.pid) else { return false };
    let growth = case.series.descriptors_per_second(pid, fds, case.limits.chronic_minute_seconds);
    growth.is_some_and(|growth| (limit - fds) / growth < case.limits.descriptors_chronic_seconds)
}

fn descriptors_end(case: &Case) -> bool {
    let full = |(fds, limit): (f64, f64)| fds >= limit * case.limits.descriptors_critical_ratio;
    descriptors(case.finding).is_some_and(full) || runs_out(case)
}

fn is_one_peer(case: &Case) -> bool {
    case.finding.subject.remote.is_some()
}

fn is_service_or_many(case: &Case) -> bool {
    let service = case.finding.subject.remote.as_ref().is_some_and(|remote| remote.parse::<SocketAddr>().is_ok());
    service || case.finding.size >= case.limits.peer_not_reading_critical_count
}

const PAGES: Counter = Counter("TCP.mem");

fn memory_all_the_time(case: &Case) -> bool {
    let window = &case.series.window;
    let pressure =
        window.last().sysctl("net.ipv4.tcp_mem").and_then(|words| words.split_whitespace().nth(1)?.parse().ok());
    let Some(least) = pressure.map(|pages: f64| pages * case.limits.tcp_memory_chronic_ratio) else { return false };
    let high = |look: &Snapshot| look.counters.get(PAGES).is_some_and(|pages| pages as f64 > least);
    case.series.looks(case.limits.chronic_long_seconds).is_some_and(|looks| looks.iter().all(|look| high(look)))
}

fn resets_surge(case: &Case) -> bool {
    let window: Window = case.series.window;
    let rate = |window: &Window| Some(resetting::received(window)? as f64 / window.seconds());
    let looks = case.series.looks(window.seconds() + case.limits.chronic_minute_seconds);
    let oldest = looks.and_then(|looks| looks.last().copied());
    let before = oldest.and_then(|oldest| Window::between(oldest, window.first(), window.answers()).ok());
    let (Some(now), Some(usual)) = (rate(&window), before.and_then(|before| rate(&before))) else { return false };
    now > case.limits.peer_resets_warning_per_second && now > usual * case.limits.peer_resets_chronic_factor
}

fn is_fifo(case: &Case) -> bool {
    ["rx_fifo", "tx_fifo"].iter().any(|name| evidence(case.finding, name).is_some_and(|count| count > 0.0))
}
