//! `backlog-clamped`: the overflowing queue is limited by `net.core.somaxconn`, not by the program.

use super::accept_overflow::{Overflow, found, overflows};
use super::{Ask, Hides, Limits, Page, Read, Rule, Shared, watches_nothing};
use crate::catalog::Counter;
use crate::report::{Advice, Finding, Verdict};
use crate::window::Window;
use crate::{say, text};

const SOMAXCONN: &str = "net.core.somaxconn";

/// The rule.
pub static RULE: Rule = Rule {
    id: "backlog-clamped",
    trouble: text! {
        en: "the overflowing queue is limited by somaxconn, not by the program",
        ko: "넘치는 큐의 한계가 프로그램이 아니라 somaxconn임"
    },
    page: Page {
        sees: text! {
            en: "accept-overflow on a listener whose Send-Q equals net.core.somaxconn of its namespace, while that is below the kernel's \
                 default of 4096.",
            ko: "accept-overflow인 리스너의 Send-Q가 그 네임스페이스의 net.core.somaxconn과 같고, 그 값이 커널 기본값 4096보다 작을 때."
        },
        matters: text! {
            en: "The program asked for a longer queue and got a shorter one without being told.",
            ko: "프로그램은 더 긴 큐를 요청했지만 통보 없이 짧은 큐를 받았다."
        },
        act: text! {
            en: "Raise net.core.somaxconn, then restart the program: only a new listen() takes the new limit.",
            ko: "net.core.somaxconn을 올린 뒤 프로그램을 재시작한다. listen()을 다시 불러야 새 한계가 적용된다."
        },
        sources: "net/socket.c __sys_listen(); Documentation/admin-guide/sysctl/net.rst somaxconn; listen(2)",
    },
    rank: 14,
    reads: &[
        Read::Counter(Counter("TcpExt.ListenOverflows")),
        Read::Counter(Counter("Tcp.PassiveOpens")),
        Read::Sysctl(SOMAXCONN),
        Read::Census,
        Read::Window,
    ],
    asks: &[Ask::Owner, Ask::Process],
    hides: &[Hides { rule: "accept-overflow", shared: Shared::Listener }],
    watches: watches_nothing,
    check,
    #[cfg(test)]
    example: tests::example,
};

fn check(window: &Window, limits: &Limits) -> Verdict {
    let overflows = match overflows(window, limits, &mut Vec::new()) {
        Ok(overflows) => overflows,
        Err(verdict) => return verdict,
    };
    let clamped = |overflow: &Overflow| Some((overflow.listener?.limit, window.last().sysctl_number(SOMAXCONN)?));
    let findings: Vec<Finding> = overflows
        .iter()
        .filter_map(|overflow| {
            let (limit, somaxconn) = clamped(overflow)?;
            let low = f64::from(limit) < limits.somaxconn_default_connections;
            (i64::from(limit) == somaxconn && low).then(|| finding(overflow, limit))
        })
        .collect();
    findings.into()
}

fn finding(overflow: &Overflow, limit: u32) -> Finding {
    let place = overflow.listener.map_or("?".to_owned(), |listener| listener.local.to_string());
    let mut finding = found(
        overflow,
        say! {
            en: "the accept queue of {place} overflows at {limit}, which is net.core.somaxconn",
            ko: "{place}의 accept 큐가 {limit}에서 넘침. 이 한계는 net.core.somaxconn 값임",
            place = place, limit = limit
        },
    );
    finding.cause = say! {
        en: "the program asked listen() for at least {limit} places and the kernel gave it no more",
        ko: "프로그램이 listen()에 {limit} 이상을 요청했지만 커널이 그만큼만 주었음",
        limit = limit
    };
    finding.repair = vec![
        Advice::from(say! { en: "sysctl -w net.core.somaxconn=4096, then restart the program", ko: "sysctl -w net.core.somaxconn=4096 후 프로그램 재시작" })
            .effect(say! { en: "a queue as long as the program asks for, up to 4096", ko: "프로그램이 요청한 길이(최대 4096)의 큐" })
            .side_effect(say! { en: "clients wait longer in a queue that is accepted too slowly", ko: "accept가 느리면 클라이언트가 큐에서 더 오래 기다림" })
            .undo(say! { en: "sysctl -w net.core.somaxconn={limit} and restart again", ko: "sysctl -w net.core.somaxconn={limit} 후 다시 재시작", limit = limit }),
    ];
    finding.verify = vec!["ss -ltn".into(), "sysctl net.core.somaxconn".into()];
    let source = "/proc/sys/net/core/somaxconn";
    finding.evidence(SOMAXCONN, (f64::from(limit), "connections"), "netns", source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Severity;
    use crate::rules::testing::{Example, Scene};
    use crate::snapshot::{Process, SkMem, Socket};

    fn clamped(limit: u32, somaxconn: &str) -> Example {
        let listener =
            |drops| Socket::listener("192.0.2.1:80", limit, limit).inode(7).skmem(SkMem { drops, ..SkMem::default() });
        let process = Process { pid: 42, comm: "web".into(), state: 'R', ..Process::default() };
        let scene = Scene::new().grew("TcpExt.ListenOverflows", 50).sysctl(SOMAXCONN, somaxconn);
        scene.kept(listener(0), listener(50)).owner(7, 42, "web").process(process).build()
    }

    pub(super) fn example() -> Example {
        clamped(128, "128")
    }

    #[test]
    fn it_is_the_setting_that_limits_and_below_the_default_only() {
        assert_eq!(example().severity(&RULE), Some(Severity::Critical));
        assert_eq!(clamped(127, "128").severity(&RULE), None, "the program's own backlog");
        assert_eq!(clamped(4095, "4095").severity(&RULE), Some(Severity::Critical));
        assert_eq!(clamped(4096, "4096").severity(&RULE), None);
    }
}
