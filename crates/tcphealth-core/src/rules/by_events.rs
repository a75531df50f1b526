//! What the kernel's events say of a finding, by its subject: which processes opened, closed and failed, how often and how long.
//!
//! It is exact where the rule had to estimate, and names who has gone already. It is evidence, and changes no level.
use std::net::{IpAddr, SocketAddr};

use super::Rule;
use super::accepting::accepting;
use super::processes::{Doer, doers, main};
use super::wording::process;
use crate::report::{Finding, Subject, SubjectKind, Verdict};
use crate::say;
use crate::snapshot::{Attempt, Endpoint, Owner, Passed, ProcessTally, Sums, Tally, With};
use crate::window::Window;
use crate::words::Message;

/// Processes that evidence names, and sentences.
const EVIDENCE_MAX: usize = 5;
const NAMED_MAX: usize = 2;

/// What of the events matters to a rule.
#[derive(Clone, Copy)]
enum Matter {
    /// Who opens and closes, and leaves TIME_WAIT.
    Opening,
    /// How long it took to close after the peer had.
    CloseWait,
    /// Which attempts failed, or came late.
    Failing,
    /// Who was reset.
    Resets,
    /// How long connections wait to be accepted.
    Accepting,
}

fn matter(rule: &str) -> Option<Matter> {
    Some(match rule {
        "connection-churn"
        | "ports-running-out"
        | "time-wait-natural"
        | "time-wait-overflow"
        | "bind-before-connect" => Matter::Opening,
        "close-wait-leak" | "close-wait-pool" | "requests-unread" | "descriptor-limit" => Matter::CloseWait,
        "connect-refused"
        | "connect-unanswered"
        | "slow-connect"
        | "neighbour-unreachable"
        | "own-firewall-drop"
        | "rejected-by-router"
        | "reverse-path-filter"
        | "no-route"
        | "ports-exhausted" => Matter::Failing,
        "middlebox-reset" | "peer-resets" | "closed-port-probed" => Matter::Resets,
        "accept-overflow" | "accept-stalled" => Matter::Accepting,
        _ => return None,
    })
}

/// Adds what events say to the findings of a rule.
pub(super) fn sharpened(window: &Window, rule: &Rule, verdict: Verdict) -> Verdict {
    match (window.tally(), matter(rule.id), verdict) {
        (Some(tally), Some(matter), Verdict::Findings(list)) => {
            Verdict::Findings(list.into_iter().map(|finding| sharpen(window, tally, matter, finding)).collect())
        }
        (None, Some(matter), Verdict::Findings(list)) => {
            Verdict::Findings(list.into_iter().map(|finding| recorded(window, matter, finding)).collect())
        }
        (_, _, verdict) => verdict,
    }
}

/// Of events that were counted alone, as a recorder does, the growth in the window: of the whole namespace.
fn recorded(window: &Window, matter: Matter, finding: Finding) -> Finding {
    let (kinds, unit): (&[&str], _) = match matter {
        Matter::Opening => (&["event.connect."], "connects"),
        Matter::CloseWait => (&["event.change.ESTABLISHED.CLOSE_WAIT", "event.change.CLOSE_WAIT."], "sockets"),
        Matter::Failing => (&["event.connect.", "event.retransmit_syn"], "events"),
        Matter::Resets => (&["event.reset_"], "segments"),
        Matter::Accepting => return finding,
    };
    let counters = window.last().counters.iter().map(|(name, _)| name);
    let named = counters.filter(|name| kinds.iter().any(|kind| name.starts_with(kind)));
    let grown = named.filter_map(|name| Some((name, window.delta_named(name).filter(|count| *count > 0)?)));
    grown.fold(finding, |finding, (name, count)| {
        finding.evidence(name, (count as f64, unit), "netns, window", "tracepoints")
    })
}

fn sharpen(window: &Window, tally: &Tally, matter: Matter, finding: Finding) -> Finding {
    match matter {
        Matter::Opening => opening(tally, finding),
        Matter::CloseWait => close_wait(tally, finding),
        Matter::Failing => failing(tally, opening(tally, finding)),
        Matter::Resets => resets(tally, finding),
        Matter::Accepting => accepting(window, tally, finding),
    }
}

pub(super) fn endpoint(words: &str) -> Option<Endpoint> {
    let place: SocketAddr = words.parse().ok()?;
    Some(Endpoint::new(place.ip(), place.port()))
}

/// Whether events with somebody concern the subject; those of the whole namespace where it names nobody.
fn concerns(subject: &Subject, with: With) -> bool {
    let port = subject.listener.as_deref().and_then(endpoint).map(|place| place.port);
    match (subject.remote.as_deref(), port) {
        (Some(remote), _) => endpoint(remote).map(With::Destination) == Some(with),
        (None, Some(port)) => with == With::Port(port),
        (None, None) => true,
    }
}

fn opening(tally: &Tally, mut finding: Finding) -> Finding {
    let list = doers(tally, |one| one.failed.is_none() && concerns(&finding.subject, one.with));
    name(&mut finding.subject, &list);
    let told = list.iter().take(NAMED_MAX).map(|doer| deeds(tally, doer)).collect();
    list.iter().take(EVIDENCE_MAX).fold(and(finding, told), |finding, doer| {
        let numbers = [
            ("opened", Some(doer.opened_per_second(tally)), "per second"),
            ("mean life", doer.life_seconds(), "seconds"),
            ("pool by Little's law", doer.pool(tally), "connections"),
            ("left to TIME_WAIT", Some(doer.sums.time_wait as f64), "connections"),
        ];
        proven(finding, &doer.owner, &numbers)
    })
}

/// Says who it was, where nobody could and one did most of it.
fn name(subject: &mut Subject, list: &[Doer]) {
    let open = matches!(subject.kind, SubjectKind::Destination | SubjectKind::Netns) && subject.pid.is_none();
    if let Some(doer) = main(list).filter(|_| open) {
        subject.pid = Some(doer.owner.pid);
        subject.comm = Some(doer.owner.comm.clone());
    }
}

fn deeds(tally: &Tally, doer: &Doer) -> Message {
    let rate = format!("{:.1}", doer.opened_per_second(tally));
    let life = doer.life_seconds().map_or_else(|| "?".to_owned(), time);
    let (pool, waiting) = (doer.pool(tally).unwrap_or(1.0), doer.sums.time_wait);
    let who = process(&doer.owner);
    if doer.sums.opened > 0 {
        say! {
            en: "{who} opened {rate}/s that lived {life} on average (a pool of {pool} would do) and left {waiting} to TIME_WAIT",
            ko: "{who}: 초당 {rate}개를 열어 평균 {life} 씀(풀은 {pool}개면 됨), TIME_WAIT {waiting}개를 남김",
            who = who, rate = rate, life = life, pool = pool, waiting = waiting
        }
    } else {
        say! {
            en: "{who} closed {ended} and left {waiting} of them to TIME_WAIT",
            ko: "{who}: {ended}개를 닫고 그중 {waiting}개를 TIME_WAIT로 남김",
            who = who, ended = doer.sums.ended, waiting = waiting
        }
    }
}

fn close_wait(tally: &Tally, finding: Finding) -> Finding {
    let Some(pid) = finding.subject.pid else { return finding };
    let list = doers(tally, |one| one.pid == Some(pid));
    let Some(doer) = list.first().filter(|doer| doer.sums.close_waits > 0) else { return finding };
    let Sums { close_waits, close_wait_ns, close_wait_ns_max, .. } = doer.sums;
    let mean = close_wait_ns as f64 / close_waits as f64 / 1e9;
    let longest = close_wait_ns_max as f64 / 1e9;
    let told = say! {
        en: "{who} closed {count} that had come into CLOSE_WAIT meanwhile, {mean} after their peer on average and {longest} at most",
        ko: "{who}: 그사이 CLOSE_WAIT가 된 {count}개를 닫음. 상대가 닫은 뒤 평균 {mean}, 최대 {longest}",
        who = process(&doer.owner), count = close_waits, mean = time(mean), longest = time(longest)
    };
    let numbers = [
        ("left CLOSE_WAIT", Some(close_waits as f64), "connections"),
        ("mean time in CLOSE_WAIT", Some(mean), "seconds"),
        ("longest time in CLOSE_WAIT", Some(longest), "seconds"),
    ];
    proven(and(finding, vec![told]), &doer.owner, &numbers)
}

fn failing(tally: &Tally, finding: Finding) -> Finding {
    let subject = finding.subject.clone();
    let mut failed: Vec<&ProcessTally> =
        tally.processes.iter().filter(|one| one.failed.is_some() && concerns(&subject, one.with)).collect();
    failed.sort_by_key(|one| std::cmp::Reverse(one.sums.ended));
    failed.truncate(EVIDENCE_MAX);
    let mut finding = finding;
    if let [one] = failed.as_slice() {
        let doer = Doer { owner: owner(one), sums: one.sums };
        name(&mut finding.subject, &[doer]);
    }
    let told = failed.iter().take(NAMED_MAX).map(|one| {
        say! {
            en: "connect() of {who} failed with {why} {count} times",
            ko: "{who}의 connect()가 {why}(으)로 {count}번 실패함",
            who = process(&owner(one)), why = failure(one), count = one.sums.ended
        }
    });
    let finding = and(finding, told.collect());
    let finding = failed.iter().fold(finding, |finding, one| {
        proven(finding, &owner(one), &[(&failure(one), Some(one.sums.ended as f64), "connects")])
    });
    let late = doers(tally, |one| one.failed.is_none() && concerns(&subject, one.with));
    late.iter().filter(|doer| doer.sums.retried > 0).take(EVIDENCE_MAX).fold(finding, |finding, doer| {
        let numbers = [
            ("made after a SYN was sent again", Some(doer.sums.retried as f64), "connections"),
            ("slowest connect", Some(doer.sums.opening_ns_max as f64 / 1e9), "seconds"),
        ];
        proven(finding, &doer.owner, &numbers)
    })
}

fn owner(one: &ProcessTally) -> Owner {
    Owner { pid: one.pid.unwrap_or_default(), comm: one.comm.clone(), others: 0 }
}

fn failure(one: &ProcessTally) -> String {
    one.failed.map(Attempt::name).unwrap_or_default()
}

fn resets(tally: &Tally, finding: Finding) -> Finding {
    let place = finding.subject.remote.as_deref();
    let address: Option<IpAddr> =
        place.and_then(|words| words.parse().ok().or_else(|| endpoint(words).map(|place| place.address)));
    let count = |what: &dyn Fn(&Passed) -> bool| {
        tally.passed(|peer| what(&peer.what) && address.is_none_or(|address| peer.address == address)) as f64
    };
    let (scope, unit) = ("peer, window", "segments");
    let received = count(&|what| *what == Passed::TheyReset);
    let sent = count(&|what| matches!(what, Passed::WeReset { .. }));
    finding.evidence("resets received", (received, unit), scope, "tcp_receive_reset").evidence(
        "resets sent",
        (sent, unit),
        scope,
        "tcp_send_reset",
    )
}

/// Adds sentences to the cause.
pub(super) fn and(finding: Finding, told: Vec<Message>) -> Finding {
    let add = |cause: Message, told: Message| {
        let (en, ko) = (cause.en.trim_end_matches('.').to_owned(), cause.ko.trim_end_matches('.').to_owned());
        say! { en: "{cause}. {told}", ko: "{cause}. {told}"; cause = Message { en, ko }, told = told }
    };
    Finding { cause: told.into_iter().fold(finding.cause.clone(), add), ..finding }
}

/// Adds what is known of the numbers.
fn proven(finding: Finding, owner: &Owner, numbers: &[(&str, Option<f64>, &str)]) -> Finding {
    let known = numbers.iter().filter_map(|(name, value, unit)| Some((name, (*value)?, unit)));
    known.fold(finding, |finding, (name, value, unit)| {
        finding.evidence(
            format!("{name}: {}", process(owner)),
            (value, *unit),
            "process, window",
            "inet_sock_set_state",
        )
    })
}

/// `0.4 ms`, `12 ms`, `3.1 s`.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Severity;
    use crate::rules::processes::tests::{SECOND, opener, tally};
    use crate::rules::testing::{Example, Scene};
    use crate::rules::{History, Limits, connection_churn, judge};
    use crate::snapshot::{Fact, Question, Socket, State, Watch};

    fn example(tally: Option<Tally>) -> Example {
        let scene = Scene::new().each(3_000, |scene, n| {
            scene.born(Socket::time_wait(&format!("192.0.2.1:{}", 33_000 + n), "192.0.2.9:80", u32::from(n) % 10))
        });
        let live = Socket::tcp(State::Established, "192.0.2.1:32999", "192.0.2.9:80");
        let scene = scene.born(live.info(&[("rtt", 20_000), ("min_rtt", 20_000)]));
        match tally {
            Some(tally) => scene.answer(Question::Watch(Watch::Events), Ok(Fact::Tally(tally))).build(),
            None => scene.build(),
        }
    }

    fn judged(tally: Option<Tally>) -> Vec<Finding> {
        judge(&example(tally).window(), &History::default(), &Limits::default()).combine().1
    }

    #[test]
    fn a_finding_names_who_has_gone_and_nothing_changes_its_level() {
        let find = |list: &[Finding]| list.iter().find(|one| one.rule == connection_churn::RULE.id).unwrap().clone();
        let (without, with) = (find(&judged(None)), find(&judged(Some(tally()))));
        assert_eq!((without.subject.pid, with.subject.pid), (None, Some(42)));
        assert_eq!((without.severity, with.severity), (Severity::Warning, Severity::Warning));
        assert!(
            with.cause.en.contains("shop (pid 42) opened 300.0/s that lived 20 ms on average (a pool of 6"),
            "{}",
            with.cause.en
        );
        let number = |name: &str| with.evidence.iter().find(|one| one.name == name).unwrap().value;
        let told = [number("opened: shop (pid 42)"), number("pool by Little's law: curl (pid 7)")];
        assert_eq!(told.map(|value| value as u64), [300, 1]);
        assert!(!with.evidence.iter().any(|one| one.name.contains("other")), "another destination");
    }

    #[test]
    fn failures_have_their_process_and_errno() {
        let subject = Subject { remote: Some("192.0.2.9:80".into()), ..Subject::default() };
        let finding = failing(&tally(), Finding::new(Severity::Info, subject, Message::default()));
        let one = finding.evidence.iter().find(|one| one.name == "ECONNREFUSED: shop (pid 42)").unwrap();
        assert_eq!((one.value, one.unit.as_str()), (12.0, "connects"));
    }

    #[test]
    fn what_a_recorder_counted_is_told_of_the_namespace() {
        let scene = Scene::new().grew("event.connect.ECONNREFUSED", 9).grew("event.connect.ETIMEDOUT", 0);
        let example = scene.grew("event.reset_received", 5).build();
        let of = |matter| {
            let finding = Finding::new(Severity::Info, Subject::default(), Message::default());
            let told = recorded(&example.window(), matter, finding).evidence;
            told.into_iter().map(|one| (one.name, one.value as u64)).collect::<Vec<_>>()
        };
        assert_eq!(of(Matter::Failing), [("event.connect.ECONNREFUSED".to_owned(), 9)]);
        assert_eq!(of(Matter::Resets), [("event.reset_received".to_owned(), 5)]);
        assert!(of(Matter::CloseWait).is_empty());
    }

    #[test]
    fn close_wait_is_told_of_the_process_that_a_finding_names() {
        let sums = Sums { close_waits: 4, close_wait_ns: 6 * SECOND, close_wait_ns_max: 3 * SECOND, ..Sums::default() };
        let all = Tally { processes: vec![opener(42, "web", "192.0.2.9:80", sums)], ..tally() };
        let of = |pid| {
            let subject = Subject { pid: Some(pid), kind: SubjectKind::Process, ..Subject::default() };
            close_wait(&all, Finding::new(Severity::Info, subject, Message::default()))
        };
        let values: Vec<f64> = of(42).evidence.iter().map(|one| one.value).collect();
        assert_eq!(values, [4.0, 1.5, 3.0]);
        assert!(of(43).evidence.is_empty());
    }

    #[test]
    fn every_rule_that_is_told_something_exists() {
        let known = crate::rules::ALL.iter().filter(|rule| matter(rule.id).is_some()).count();
        let named =
            include_str!("by_events.rs").split("fn matter").nth(1).unwrap().split("_ => return None").next().unwrap();
        assert_eq!(known, named.matches('"').count() / 2);
    }

    #[test]
    fn times_are_written_for_people() {
        assert_eq!([0.000_42, 0.0123, 3.12].map(time), ["0.4 ms", "12 ms", "3.1 s"]);
    }
}
