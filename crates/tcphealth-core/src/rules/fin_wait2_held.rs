//! `fin-wait2-held`: a program closed its sending side and waits for ever for the peer to close the other.

use super::held::{Group, Pick, groups, seconds};
use super::{Ask, Limits, Page, Read, Rule, watches_nothing};
use crate::report::{Advice, Finding, Severity, Verdict};
use crate::snapshot::{Followed, ServiceKey, Socket, State, Timer};
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "fin-wait2-held",
    trouble: text! { en: "a program half-closed and waits for ever", ko: "프로그램이 반만 닫고 한없이 기다림" },
    page: Page {
        sees: text! {
            en: "FIN_WAIT2 sockets that a process still holds, with no timer, on which nothing moved between the looks: no byte received, \
                 the same Recv-Q.",
            ko: "프로세스가 아직 가지고 있고 타이머가 없는 FIN_WAIT2 소켓 가운데 두 시점 사이에 아무것도 움직이지 않은 것(받은 바이트 없음, \
                 같은 Recv-Q)."
        },
        matters: text! {
            en: "shutdown(SHUT_WR) without a time limit: each socket keeps a descriptor and a port until the peer closes, and \
                 tcp_fin_timeout does not bound it.",
            ko: "시간 제한 없는 shutdown(SHUT_WR): 상대가 닫을 때까지 디스크립터와 포트를 차지하며 tcp_fin_timeout으로도 끝나지 않는다."
        },
        act: text! {
            en: "Give the wait after shutdown() a time limit, then close().",
            ko: "shutdown() 뒤의 기다림에 시간 제한을 두고 close()한다."
        },
        sources: "RFC 9293 §3.6; shutdown(2); ip-sysctl.rst tcp_fin_timeout (orphaned connections only)",
    },
    rank: 99,
    reads: &[Read::TwoLooks],
    asks: &[Ask::Owner],
    hides: &[],
    watches: watches_nothing,
    #[cfg(test)]
    example: tests::example,
    check,
};

const PICK: Pick = Pick {
    service: |_| true,
    socket: |socket: &Socket| socket.state == State::FinWait2 && socket.inode != 0 && socket.timer == Timer::None,
    held: Followed::stuck,
    whole_process: false,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let mut questions = Vec::new();
    let groups = groups(window, &PICK, limits.fin_wait2_held_info_count as u32, &mut questions);
    if !questions.is_empty() {
        return Verdict::Ask(questions);
    }
    let findings: Vec<Finding> = groups.iter().map(|group| finding(window, limits, group)).collect();
    findings.into()
}

/// Their share of the live sockets of that service, and how many half-closed ones still get data.
fn beside(window: &Window, group: &Group) -> (f64, u32) {
    let Some(census) = window.census() else { return (0.0, 0) };
    let live = census.service(&group.key).map_or(0, |service| service.states.live() - service.fin_wait2_stubs);
    let flowing = census.in_state(State::FinWait2).filter(|followed| {
        (PICK.socket)(&followed.socket) && !followed.stuck() && census.key_of(&followed.socket) == group.key
    });
    (f64::from(group.kept) / f64::from(live.max(group.kept).max(1)), flowing.count() as u32)
}

fn finding(window: &Window, limits: &Limits, group: &Group) -> Finding {
    let (share, flowing) = beside(window, group);
    let lasting = f64::from(group.kept) >= limits.fin_wait2_held_warning_count && group.gone == 0;
    let all = flowing == 0 && share >= limits.fin_wait2_held_ratio;
    let severity = if lasting && all { Severity::Warning } else { Severity::Info };
    let (who, count) = (group.who(), group.kept);
    let peer = match group.key {
        ServiceKey::Destination { destination, .. } => destination.to_string(),
        ServiceKey::Listener(local) => local.to_string(),
    };
    let summary = say! {
        en: "{who} half-closed {count} connections ({peer}) and waits for the other side",
        ko: "{who}: 연결 {count}개({peer})를 반만 닫고 상대를 기다림",
        who = who, count = count, peer = peer
    };
    let mut subject = group.subject();
    subject.remote = subject.remote.or_else(|| only_peer(group));
    let mut finding = Finding::new(severity, subject, summary);
    finding.confidence = group.confidence();
    finding.size = f64::from(count);
    let unread = group.share_of(|followed| followed.socket.rqueue > 0);
    let idle = group.sockets.iter().filter_map(|followed| followed.socket.info.as_ref()?.last_data_recv()).max();
    let idle = seconds(idle.unwrap_or(0));
    finding.cause = if unread * 2 >= count.max(1) {
        say! { en: "the answer lies unread in its own receive queue", ko: "응답이 자기 수신 큐에 읽히지 않은 채 있음" }
    } else {
        say! {
            en: "it sent its end with shutdown(), the peer neither answers nor closes, the longest for {idle} s; nothing ends this",
            ko: "shutdown()으로 끝을 알렸지만 상대가 응답하지도 닫지도 않음(가장 오래 {idle}초). 끝낼 타이머가 없음",
            idle = idle
        }
    };
    advise(&mut finding);
    finding
        .evidence("FIN_WAIT2 held", (f64::from(count), "sockets"), "process, whole window", "sock_diag cookies")
        .evidence("share of its sockets", (share, "ratio"), "process, this service", "sock_diag")
        .evidence("unread", (f64::from(unread), "sockets"), "process", "sock_diag Recv-Q > 0")
        .evidence("still receiving", (f64::from(flowing), "sockets"), "this service, whole window", "sock_diag cookies")
}

fn only_peer(group: &Group) -> Option<String> {
    let first = group.sockets.first()?.socket.remote.address;
    group.sockets.iter().all(|followed| followed.socket.remote.address == first).then(|| first.to_string())
}

fn advise(finding: &mut Finding) {
    finding.now = vec![Advice::from(
        say! { en: "see what the peer does with these connections", ko: "상대가 이 연결로 무엇을 하는지 확인" },
    )];
    finding.repair = vec![Advice::from(say! {
        en: "a time limit on reading after shutdown(SHUT_WR), then close()",
        ko: "shutdown(SHUT_WR) 뒤 읽기에 시간 제한을 두고 close()"
    })];
    finding.avoid = vec![say! {
        en: "tcp_fin_timeout: it concerns only connections that no process holds",
        ko: "tcp_fin_timeout: 프로세스가 가지지 않은 연결에만 해당함"
    }];
    finding.verify = vec!["ss -tanpo state fin-wait-2".into()];
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};

    fn socket(n: u16, state: State) -> Socket {
        let local = format!("192.0.2.1:{}", 40_000 + n);
        Socket::tcp(state, &local, "198.51.100.9:80").inode(1000 + u32::from(n))
    }

    fn scene(stuck: u16, others: u16, flowing: u16) -> Scene {
        let scene = Scene::new().each(200, |scene, n| scene.owner(1000 + u32::from(n), 42, "app"));
        let scene = scene.each(stuck, |scene, n| scene.still(&socket(n, State::FinWait2)));
        let scene = scene.each(others, |scene, n| scene.still(&socket(60 + n, State::Established)));
        let moved = |n| (socket(n, State::FinWait2), socket(n, State::FinWait2).info(&[("bytes_received", 9)]));
        scene.each(flowing, |scene, n| scene.kept(moved(120 + n).0, moved(120 + n).1))
    }

    /// Twenty that wait.
    pub(crate) fn example() -> Example {
        scene(20, 0, 0).build()
    }

    #[test]
    fn levels_stand_at_five_at_twenty_and_at_the_half() {
        let level = |stuck, others, flowing| scene(stuck, others, flowing).build().severity(&RULE);
        assert_eq!(level(4, 0, 0), None);
        assert_eq!(level(5, 0, 0), Some(Severity::Info));
        assert_eq!(level(19, 0, 0), Some(Severity::Info));
        assert_eq!(level(20, 20, 0), Some(Severity::Warning));
        assert_eq!(level(20, 21, 0), Some(Severity::Info));
        assert_eq!(level(20, 0, 1), Some(Severity::Info), "one still receives");
        assert_eq!(level(0, 0, 50), None, "all still receive");
    }

    #[test]
    fn one_that_ended_shows_that_they_end() {
        let gone = scene(20, 0, 0).gone(socket(150, State::FinWait2));
        assert_eq!(gone.build().severity(&RULE), Some(Severity::Info));
    }

    #[test]
    fn a_server_names_its_one_client() {
        let client = |n: u16| Socket::tcp(State::FinWait2, "192.0.2.1:80", &format!("198.51.100.7:{}", 20_000 + n));
        let scene = Scene::new().still(&Socket::listener("0.0.0.0:80", 0, 128)).owner(9, 42, "web");
        let example = scene.each(20, |scene, n| scene.still(&client(n).inode(9))).build();
        let subject = &example.findings(&RULE)[0].subject;
        assert_eq!((subject.pid, subject.remote.as_deref()), (Some(42), Some("198.51.100.7")));
    }

    #[test]
    fn fifty_for_five_minutes_or_ten_that_grow_are_a_warning() {
        assert_eq!(last_two(&RULE, 30, |_| scene(50, 51, 0).build()), [Some(Severity::Info), Some(Severity::Warning)]);
        let info = Some(Severity::Info);
        assert_eq!(last_two(&RULE, 30, |n| scene(10 + n as u16, 60, 0).build()), [info, Some(Severity::Warning)]);
        assert_eq!(last_two(&RULE, 30, |_| scene(49, 51, 0).build()), [info; 2]);
    }
}
