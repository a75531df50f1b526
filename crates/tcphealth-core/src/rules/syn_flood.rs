//! `syn-flood`: half-open connections fill a listener.

use std::collections::BTreeSet;

use super::held::{CERTAIN, LIKELY, who};
use super::wording::percent;
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Severity, Subject, SubjectKind, Verdict};
use crate::snapshot::{Listener, Owner, State};
use crate::window::Window;
use crate::{say, text};

/// SYNs answered with a cookie because the queue was full.
pub(super) const DO_COOKIES: Counter = Counter("TcpExt.TCPReqQFullDoCookies");
/// SYNs dropped because the queue was full.
pub(super) const QUEUE_FULL_DROP: Counter = Counter("TcpExt.TCPReqQFullDrop");
const COOKIES_SENT: Counter = Counter("TcpExt.SyncookiesSent");
const COOKIES_RECEIVED: Counter = Counter("TcpExt.SyncookiesRecv");
/// Connections dropped at listeners, for whatever reason.
pub(super) const LISTEN_DROPS: Counter = Counter("TcpExt.ListenDrops");
/// Connections dropped because the accept queue was full.
pub(super) const LISTEN_OVERFLOWS: Counter = Counter("TcpExt.ListenOverflows");
const SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";
const MAX_SYN_BACKLOG: &str = "net.ipv4.tcp_max_syn_backlog";

/// The rule.
pub static RULE: Rule = Rule {
    id: "syn-flood",
    trouble: text! { en: "half-open connections fill a listener", ko: "반쯤 열린 연결이 리스너를 채움" },
    page: Page {
        sees: text! {
            en: "SYN_RECV of a listener at 90 % of its limit and more, with ΔTCPReqQFullDoCookies (cookies on) or ΔTCPReqQFullDrop and \
                 ΔListenDrops (off). SyncookiesRecv / SyncookiesSent tells a flood (below 5 %) from an honest crowd (above 50 %).",
            ko: "리스너의 SYN_RECV가 한계의 90 % 이상이면서 ΔTCPReqQFullDoCookies(쿠키 사용) 또는 ΔTCPReqQFullDrop, ΔListenDrops(쿠키 \
                 미사용)가 늘어남. SyncookiesRecv / SyncookiesSent로 공격(5 % 미만)과 정상 접속 폭주(50 % 초과)를 구분한다."
        },
        matters: text! {
            en: "Without cookies real clients cannot connect; with them they can, but lose options such as window scaling.",
            ko: "쿠키가 없으면 실제 클라이언트가 연결하지 못한다. 쿠키가 있으면 연결되지만 윈도 스케일 같은 옵션을 잃는다."
        },
        act: text! {
            en: "Keep tcp_syncookies at 1 and filter upstream; against an honest crowd raise the backlog.",
            ko: "tcp_syncookies를 1로 두고 상위 장비에서 걸러낸다. 정상 접속 폭주라면 backlog를 늘린다."
        },
        sources: "net/ipv4/tcp_input.c tcp_conn_request(), tcp_syn_flood_action(); RFC 4987; netdata tcp_listen.conf",
    },
    rank: 13,
    reads: &[
        Read::Counter(DO_COOKIES),
        Read::Counter(QUEUE_FULL_DROP),
        Read::Counter(COOKIES_SENT),
        Read::Counter(COOKIES_RECEIVED),
        Read::Counter(LISTEN_DROPS),
        Read::Counter(LISTEN_OVERFLOWS),
        Read::Sysctl(SYNCOOKIES),
        Read::Sysctl(MAX_SYN_BACKLOG),
        Read::Census,
        Read::Window,
    ],
    asks: &[Ask::Owner],
    hides: &[
        Hides { rule: "accept-overflow", shared: Shared::Listener },
        Hides { rule: "syn-ack-unanswered", shared: Shared::Listener },
        Hides { rule: "listen-drop", shared: Shared::Listener },
        Hides { rule: "slow-connect", shared: Shared::Listener },
        Hides { rule: "closed-port-probed", shared: Shared::Listener },
    ],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let cookies = window.last().sysctl_number(SYNCOOKIES).unwrap_or(0) != 0;
    let count = refused(window, cookies);
    let per_second = count as f64 / window.seconds();
    if (count as f64) < limits.syn_flood_count || per_second <= limits.syn_flood_warning_per_second {
        return Verdict::Healthy(None);
    }
    let Some(listener) = pressed(window, limits, cookies) else { return Verdict::Healthy(None) };
    let mut questions = Vec::new();
    let owner = window.listener_owner(listener).or_ask(&mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let critical = !cookies && per_second > limits.syn_flood_critical_per_second;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let flood = Flood { listener, owner, cookies, count, per_second, completed: completed(window) };
    Verdict::Findings(vec![finding(window, limits, &flood, severity)])
}

/// SYNs that found the queue full. A full accept queue keeps the half-open connections, too: what it refuses counts as
/// TCPReqQFullDoCookies but is answered with no cookie (`tcp_conn_request()` drops it behind that). Without cookies the kernel drops those of unknown peers at three quarters of
/// `tcp_max_syn_backlog`, and only ListenDrops counts them.
fn refused(window: &Window, cookies: bool) -> u64 {
    if cookies {
        return window.delta(DO_COOKIES).min(window.delta(COOKIES_SENT)).unwrap_or(0);
    }
    let others = window.delta(LISTEN_DROPS).unwrap_or(0).saturating_sub(window.delta(LISTEN_OVERFLOWS).unwrap_or(0));
    others.max(window.delta(QUEUE_FULL_DROP).unwrap_or(0))
}

/// The listener that half-open connections fill, while nothing keeps them from being accepted.
fn pressed<'a>(window: &Window<'a>, limits: &Limits, cookies: bool) -> Option<&'a Listener> {
    let backlog = window.last().sysctl_number(MAX_SYN_BACKLOG).map_or(f64::INFINITY, |max| max as f64 * 0.75);
    let most = |listener: &Listener| {
        let limit = f64::from(listener.limit);
        (if cookies { limit } else { limit.min(backlog) }).max(1.0)
    };
    let full = |listener: &&Listener| f64::from(listener.syn_recv) >= most(listener) * limits.syn_flood_queue_ratio;
    window
        .census()?
        .listeners
        .iter()
        .filter(full)
        .filter(|listener| cookies || !keeps_half_open(window, limits, listener))
        .max_by_key(|listener| listener.syn_recv)
}

/// Whether a full accept queue, now or since the first look, is what holds its half-open connections. A flood's own SYNs are drops
/// of the listener, too, but never complete, so that they overflow nothing.
fn keeps_half_open(window: &Window, limits: &Limits, listener: &Listener) -> bool {
    let overflows = window.delta(LISTEN_OVERFLOWS).unwrap_or(0) as f64;
    let drops = f64::from(listener.drops_grown.unwrap_or(0));
    listener.queue_is_full() || overflows > drops * limits.syn_flood_overflow_ratio
}

/// Share of the cookies that came back: clients that are real.
fn completed(window: &Window) -> Option<f64> {
    let sent = window.delta(COOKIES_SENT).filter(|&sent| sent > 0)?;
    Some(window.delta(COOKIES_RECEIVED)? as f64 / sent as f64)
}

struct Flood<'a> {
    listener: &'a Listener,
    owner: Option<&'a Owner>,
    cookies: bool,
    count: u64,
    per_second: f64,
    completed: Option<f64>,
}

fn finding(window: &Window, limits: &Limits, flood: &Flood, severity: Severity) -> Finding {
    let (local, rate) = (flood.listener.local, format!("{:.0}", flood.per_second));
    let crowd = flood.completed.is_some_and(|completed| completed > limits.syn_flood_crowd_ratio);
    let summary = if crowd {
        say! { en: "more clients connect to {local} than its queue holds: {rate} a second over it", ko: "{local}에 큐보다 많은 클라이언트가 접속함: 초당 {rate}개 초과", local = local, rate = rate }
    } else {
        say! { en: "SYN flood on {local}: {rate} a second find its queue full", ko: "{local}에 SYN 폭주: 초당 {rate}개가 가득 찬 큐를 만남", local = local, rate = rate }
    };
    let mut finding = Finding::new(severity, subject(flood), summary);
    let sure = flood.completed.is_some_and(|completed| completed < limits.syn_flood_flood_ratio);
    finding.confidence = if sure || crowd { CERTAIN } else { LIKELY };
    finding.size = flood.per_second;
    let who = who(flood.owner, flood.listener.inode);
    let percent = flood.completed.map_or_else(|| "?".to_owned(), percent);
    finding.cause = if flood.cookies {
        say! {
            en: "{percent} of the SYN cookies came back from a real client. Cookies are on: clients of {who} still get in.",
            ko: "실제 클라이언트가 돌려준 SYN 쿠키는 {percent}. 쿠키가 켜져 있어 {who}의 클라이언트는 계속 접속됨.",
            percent = percent, who = who
        }
    } else {
        say! { en: "SYN cookies are off: the clients of {who} cannot connect", ko: "SYN 쿠키가 꺼져 있음: {who}의 클라이언트가 연결하지 못함", who = who }
    };
    advise(&mut finding, flood, crowd);
    with_evidence(window, finding, flood)
}

fn subject(flood: &Flood) -> Subject {
    let local = Some(flood.listener.local.to_string());
    Subject {
        kind: SubjectKind::Listener,
        listener: local.clone(),
        local,
        pid: flood.owner.map(|owner| owner.pid),
        comm: flood.owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    }
}

fn advise(finding: &mut Finding, flood: &Flood, crowd: bool) {
    if !flood.cookies {
        finding.now = vec![
            Advice::from(say! { en: "sysctl -w net.ipv4.tcp_syncookies=1", ko: "sysctl -w net.ipv4.tcp_syncookies=1" })
                .effect(say! { en: "real clients connect again at once", ko: "실제 클라이언트가 바로 다시 접속됨" })
                .side_effect(say! { en: "under pressure new connections lose TCP options", ko: "부하 중 새 연결은 TCP 옵션을 잃음" })
                .undo(say! { en: "sysctl -w net.ipv4.tcp_syncookies=0", ko: "sysctl -w net.ipv4.tcp_syncookies=0" }),
        ];
    }
    finding.repair = vec![if crowd {
        Advice::from(
            say! { en: "a larger backlog in listen(), more servers: cookies are no remedy for load", ko: "listen() backlog를 늘리고 서버를 늘린다. 쿠키는 부하 대책이 아님" },
        )
    } else {
        Advice::from(say! { en: "filter upstream, by source or rate", ko: "상위 장비에서 출발지나 속도로 걸러낸다" })
    }];
    finding.verify = vec![
        "nstat -z 'TcpExtSyncookies*' 'TcpExtTCPReqQFull*'".into(),
        format!("ss -tan state syn-recv sport = :{} | wc -l", flood.listener.local.port),
    ];
}

fn with_evidence(window: &Window, finding: Finding, flood: &Flood) -> Finding {
    let census = window.census();
    let half_open = census.into_iter().flat_map(|census| census.in_state(State::SynRecv));
    let sources: BTreeSet<_> = half_open
        .filter(|followed| followed.socket.local.port == flood.listener.local.port)
        .map(|followed| followed.socket.remote.address)
        .collect();
    let netns = "netns, whole window";
    let name = if flood.cookies { DO_COOKIES.0 } else { QUEUE_FULL_DROP.0 };
    finding
        .evidence(name, (flood.count as f64, "SYNs"), netns, "/proc/net/netstat")
        .evidence("SYNs over the queue", (flood.per_second, "per second"), netns, "/proc/net/netstat")
        .evidence("SYN_RECV", (f64::from(flood.listener.syn_recv), "sockets"), "listener", "sock_diag")
        .evidence(
            "SYN-ACK sent again",
            (f64::from(flood.listener.syn_recv_retried), "sockets"),
            "listener",
            "sock_diag",
        )
        .evidence("Send-Q", (f64::from(flood.listener.limit), "connections"), "listener", "sock_diag")
        .evidence("sources", (sources.len() as f64, "addresses"), "SYN_RECV seen", "sock_diag")
        .evidence(
            "cookies that came back",
            (flood.completed.unwrap_or(0.0), "ratio"),
            netns,
            "SyncookiesRecv / SyncookiesSent",
        )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, levels};
    use crate::snapshot::{SkMem, Socket, Timer};

    fn half_open(n: u16) -> Socket {
        let remote = format!("203.0.{}.{}:4000", n / 200, n % 200 + 1);
        Socket { info: None, ..Socket::tcp(State::SynRecv, "192.0.2.1:80", &remote).timer(Timer::On, 1, 900) }
    }

    fn scene(half: u16, cookies: u64) -> Scene {
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 100).inode(7)).owner(7, 42, "web");
        let scene = scene.each(half, |scene, n| scene.still(&half_open(n)));
        scene.grew(DO_COOKIES.0, cookies).grew(COOKIES_SENT.0, cookies)
    }

    /// A full queue and fifty cookies.
    pub(crate) fn example() -> Example {
        scene(90, 50).build()
    }

    #[test]
    fn levels_stand_at_nine_tenths_and_at_more_than_one_a_second() {
        assert_eq!(scene(89, 500).build().severity(&RULE), None);
        assert_eq!(scene(90, 10).build().severity(&RULE), None, "one a second");
        assert_eq!(scene(90, 11).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(90, 9_000).build().severity(&RULE), Some(Severity::Warning), "cookies absorb it");
    }

    #[test]
    fn without_cookies_it_is_critical_above_five_a_second() {
        let off = |drops| scene(90, 0).sysctl(SYNCOOKIES, "0").grew(LISTEN_DROPS.0, drops).build().severity(&RULE);
        assert_eq!(off(10), None);
        assert_eq!(off(50), Some(Severity::Warning));
        assert_eq!(off(51), Some(Severity::Critical));
        let small = scene(68, 0).sysctl(SYNCOOKIES, "0").sysctl(MAX_SYN_BACKLOG, "100").grew(LISTEN_DROPS.0, 99);
        assert_eq!(small.build().severity(&RULE), Some(Severity::Critical), "0.9 · ¾ · 100 = 67.5");
    }

    #[test]
    fn what_a_full_accept_queue_keeps_half_open_is_no_flood() {
        let full = |syncookies| {
            let listener = Socket::listener("0.0.0.0:80", 101, 100).inode(7);
            let scene = Scene::new().still(&listener).owner(7, 42, "web").sysctl(SYNCOOKIES, syncookies);
            scene.each(90, |scene, n| scene.still(&half_open(n)))
        };
        // 300 SYNs met both queues full, and five were answered in between.
        let kept = full("1").grew(DO_COOKIES.0, 300).grew(COOKIES_SENT.0, 5).grew(LISTEN_OVERFLOWS.0, 295);
        assert_eq!(kept.build().severity(&RULE), None);
        assert_eq!(full("0").grew(LISTEN_DROPS.0, 300).build().severity(&RULE), None);
    }

    #[test]
    fn a_flood_without_cookies_drops_at_its_listener_and_overflows_nothing() {
        let dropped = |overflows| {
            let listener =
                |drops| Socket::listener("0.0.0.0:80", 0, 100).inode(7).skmem(SkMem { drops, ..SkMem::default() });
            let scene = Scene::new().kept(listener(5), listener(305)).owner(7, 42, "web").sysctl(SYNCOOKIES, "0");
            let scene = scene.each(90, |scene, n| scene.still(&half_open(n)));
            let scene = scene.grew(LISTEN_DROPS.0, 300).grew(QUEUE_FULL_DROP.0, 300 - overflows);
            scene.grew(LISTEN_OVERFLOWS.0, overflows).build().severity(&RULE)
        };
        assert_eq!([0, 30].map(dropped), [Some(Severity::Critical); 2]);
        assert_eq!(dropped(31), None, "a tenth of what was dropped had completed its handshake");
    }

    #[test]
    fn a_crowd_is_told_from_a_flood_by_the_cookies_that_come_back() {
        let said = |back| scene(90, 100).grew(COOKIES_RECEIVED.0, back).build().findings(&RULE)[0].summary.en.clone();
        assert!(said(50).contains("SYN flood") && said(51).contains("more clients"));
    }

    #[test]
    fn the_mean_of_a_minute_counts_between_its_bursts() {
        assert_eq!(
            levels(&RULE, 7, |n| scene(90, n % 2 * 22).build()),
            [
                None,
                Some(Severity::Warning),
                None,
                Some(Severity::Warning),
                None,
                Some(Severity::Warning),
                Some(Severity::Warning)
            ]
        );
    }
}
