//! `abort-unread`: a program here closes connections with unread data, and the kernel sends a reset instead of a FIN.

use super::connecting::ACTIVE_OPENS;
use super::resetting::{self, CURR_ESTAB, ON_CLOSE, OUT_RSTS, PASSIVE_OPENS};
use super::{Ask, Limits, Page, Read, Rule};
use crate::report::{Advice, Finding, Severity, Subject, Verdict};
use crate::snapshot::Watch;
use crate::window::Window;
use crate::{say, text};

/// The rule.
pub static RULE: Rule = Rule {
    id: "abort-unread",
    trouble: text! {
        en: "a program here closes with unread data: RST instead of FIN",
        ko: "이쪽 프로그램이 읽지 않은 데이터를 두고 닫아 FIN 대신 RST가 나감"
    },
    page: Page {
        sees: text! {
            en: "ΔTcpExt.TCPAbortOnClose against the connections that ended (ΔPassiveOpens + ΔActiveOpens − ΔCurrEstab), with ΔTcp.OutRsts \
                 beside it; the program by the resets that a packet socket hears leave.",
            ko: "끝난 연결 수(ΔPassiveOpens + ΔActiveOpens − ΔCurrEstab) 대비 ΔTcpExt.TCPAbortOnClose. ΔTcp.OutRsts도 함께 보고, 프로그램은 \
                 패킷 소켓이 들은 나가는 RST로 안다."
        },
        matters: text! {
            en: "The peer sees 'Connection reset by peer' and may lose the answer that was still on its way.",
            ko: "상대는 'Connection reset by peer'를 보고, 아직 가는 중이던 응답을 잃을 수 있다."
        },
        act: text! {
            en: "Let the program read to the end of the request before it closes.",
            ko: "프로그램이 요청을 끝까지 읽은 뒤 닫게 한다."
        },
        sources: "RFC 2525 §2.17; RFC 9293 §3.6.1; net/ipv4/tcp.c __tcp_close()",
    },
    rank: 99,
    reads: &[
        Read::Counter(ON_CLOSE),
        Read::Counter(OUT_RSTS),
        Read::Counter(ACTIVE_OPENS),
        Read::Counter(PASSIVE_OPENS),
        Read::Counter(CURR_ESTAB),
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Watch(Watch::Resets), Ask::Watch(Watch::Closed)],
    hides: &[],
    watches: |window, _| match window.delta(ON_CLOSE) {
        Some(count) if count > 0 => vec![Watch::Resets, Watch::Closed],
        _ => Vec::new(),
    },
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    resetting::aborted(window, limits, ON_CLOSE, finding)
}

fn severity(limits: &Limits, per_second: f64, share: f64) -> Severity {
    if share >= limits.abort_unread_critical_ratio && per_second >= limits.abort_unread_critical_per_second {
        Severity::Critical
    } else if share >= limits.abort_unread_warning_ratio && per_second >= limits.abort_unread_warning_per_second {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn finding(window: &Window, limits: &Limits, count: u64, subject: Subject) -> Finding {
    let closes = resetting::closes(window).unwrap_or(0);
    let (per_second, share) = (count as f64 / window.seconds(), count as f64 / closes.max(1) as f64);
    let rate = format!("{per_second:.1}");
    let summary = say! {
        en: "{who} closes {rate} connections a second with unread data: they end with a reset",
        ko: "{who}이(가) 읽지 않은 데이터를 두고 초당 연결 {rate}개를 닫아 RST로 끝남",
        rate = rate; who = resetting::who(&subject)
    };
    let finding = Finding {
        confidence: resetting::confidence(&subject),
        size: per_second,
        cause: say! {
            en: "{count} of {closes} connections that ended: the program called close() before it had read what the peer sent. The kernel \
                 then sends a reset, and what it had written may be lost with it.",
            ko: "끝난 연결 {closes}개 가운데 {count}개: 프로그램이 상대가 보낸 것을 다 읽기 전에 close()를 부름. 그러면 커널이 RST를 보내고, \
                 프로그램이 쓴 데이터도 함께 사라질 수 있음.",
            count = count, closes = closes
        },
        now: vec![Advice::from(say! {
            en: "strace -f -e trace=read,recvfrom,shutdown,close on the program: what does it leave unread?",
            ko: "프로그램에 strace -f -e trace=read,recvfrom,shutdown,close를 걸어 무엇을 읽지 않는지 확인한다"
        })],
        repair: vec![Advice::from(say! {
            en: "read to the end of the request (also of one that is refused), or shutdown(SHUT_WR) and read until EOF before close()",
            ko: "거절하는 요청이라도 끝까지 읽거나, close() 전에 shutdown(SHUT_WR) 뒤 EOF까지 읽는다"
        })],
        avoid: vec![say! {
            en: "SO_LINGER does not help: with unread data close() resets whatever it is set to",
            ko: "SO_LINGER는 소용없다: 읽지 않은 데이터가 있으면 값과 무관하게 RST가 나간다"
        }],
        verify: vec!["nstat -z TcpExtTCPAbortOnClose TcpOutRsts".into(), "tracepoint tcp/tcp_send_reset".into()],
        ..Finding::new(severity(limits, per_second, share), subject, summary)
    };
    resetting::with_closes(finding, window, ON_CLOSE, count)
}

#[cfg(test)]
mod tests {
    use super::super::resetting::tests::{closed, hearing, reset};
    use super::*;
    use crate::rules::testing::{Example, Scene, last_two};
    use crate::snapshot::Socket;

    fn scene(aborts: u64, closes: u64) -> Scene {
        let listener = Socket::listener("192.0.2.1:80", 0, 128).inode(7);
        Scene::new().grew(ON_CLOSE.0, aborts).grew(PASSIVE_OPENS.0, closes).owner(7, 42, "web").still(&listener)
    }

    pub(super) fn example() -> Example {
        scene(100, 100).build()
    }

    #[test]
    fn one_a_second_with_a_twentieth_and_five_with_a_half_are_the_levels() {
        assert_eq!(scene(0, 100).build().severity(&RULE), None);
        assert_eq!(scene(9, 100).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(10, 200).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(10, 201).build().severity(&RULE), Some(Severity::Info));
        assert_eq!(scene(49, 49).build().severity(&RULE), Some(Severity::Warning));
        assert_eq!(scene(50, 100).build().severity(&RULE), Some(Severity::Critical));
        assert_eq!(scene(50, 101).build().severity(&RULE), Some(Severity::Warning));
    }

    #[test]
    fn the_kernels_events_name_the_program_among_many() {
        let sums = crate::snapshot::Sums { aborted: 9, ..Default::default() };
        let one = crate::snapshot::ProcessTally { pid: Some(7), comm: "proxy".into(), sums, ..Default::default() };
        let tally = crate::snapshot::Tally { processes: vec![one], ..Default::default() };
        let told = Ok(crate::snapshot::Fact::Tally(tally));
        let found =
            scene(100, 100).answer(crate::snapshot::Question::Watch(Watch::Events), told).build().findings(&RULE);
        assert_eq!((found[0].subject.pid, found[0].subject.comm.as_deref()), (Some(7), Some("proxy")));
    }

    #[test]
    fn it_is_a_program_here_that_closes_and_never_the_place_it_connects_to() {
        let died = (0..9).map(|n| closed("192.0.2.1:40000", "198.51.100.9:80", 99, n)).collect();
        let scene = Scene::new().grew(ON_CLOSE.0, 9).grew("Tcp.ActiveOpens", 9);
        let found = hearing(scene, Watch::Closed, died, Vec::new()).build().findings(&RULE);
        assert_eq!(found[0].subject.remote.as_deref(), Some("198.51.100.9:80"));
        assert!(found[0].summary.en.starts_with("a program here that connects to 198.51.100.9:80 closes"));
        let unknown = Scene::new().grew(ON_CLOSE.0, 9).build().findings(&RULE);
        assert!(unknown[0].summary.en.starts_with("a program here closes"), "{}", unknown[0].summary.en);
    }

    #[test]
    fn the_only_listener_is_the_culprit() {
        let found = example().findings(&RULE);
        assert_eq!((found[0].subject.pid, found[0].subject.listener.as_deref()), (Some(42), Some("192.0.2.1:80")));
    }

    #[test]
    fn among_several_the_resets_that_leave_tell_it() {
        let other = Socket::listener("192.0.2.1:90", 0, 128).inode(8);
        let two = || scene(50, 100).still(&other).owner(8, 43, "api");
        assert_eq!(two().build().findings(&RULE)[0].subject.pid, None);
        let sent: Vec<_> =
            (0..9).map(|n| reset("192.0.2.1:90", &format!("198.51.100.9:{}", 1024 + n), true, n)).collect();
        let heard = hearing(two(), Watch::Resets, Vec::new(), sent);
        assert_eq!(heard.build().findings(&RULE)[0].subject.pid, Some(43));
        let died = (0..9).map(|n| closed("192.0.2.1:90", &format!("198.51.100.9:{}", 1024 + n), 99, n)).collect();
        let died = hearing(two(), Watch::Closed, died, Vec::new());
        assert_eq!(died.build().findings(&RULE)[0].subject.pid, Some(43));
    }

    #[test]
    fn a_twentieth_for_ten_minutes_is_a_warning() {
        assert_eq!(last_two(&RULE, 60, |_| scene(5, 100).build()), [Some(Severity::Info), Some(Severity::Warning)]);
        assert_eq!(last_two(&RULE, 60, |_| scene(4, 100).build()), [Some(Severity::Info); 2]);
    }
}
