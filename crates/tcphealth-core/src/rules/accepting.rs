//! How long connections wait in the queue of a listener until they are accepted, as evidence: measured of each one, or by
//! Little's law where accept() could not be watched or nothing that came was accepted before the window ended.

use super::by_events::{and, endpoint, time};
use crate::report::Finding;
use crate::say;
use crate::snapshot::{Census, Endpoint, QueueTally, Tally, Watch, With};
use crate::window::Window;

/// Adds how long the connections of the listener wait.
pub(super) fn accepting(window: &Window, tally: &Tally, finding: Finding) -> Finding {
    let Some(place) = finding.subject.listener.as_deref().and_then(endpoint) else { return finding };
    match measured(window, tally, place) {
        Some(queue) if queue.accepted > 0 => still_waiting(&queue, waited(&queue, finding)),
        Some(queue) => still_waiting(&queue, estimated(window, tally, place, finding)),
        None => estimated(window, tally, place, finding),
    }
}

/// What became of the connections that came to a listener, at all of its addresses together. Those that wait are none when they
/// are more than the kernel has in its queue: then some were accepted in a way that is not seen.
fn measured(window: &Window, tally: &Tally, place: Endpoint) -> Option<QueueTally> {
    let census = window.census()?;
    let is_its = |queue: &&QueueTally| census.listener(&queue.local).is_some_and(|listener| listener.local == place);
    let mut all = tally.queues.as_ref()?.iter().filter(is_its).copied().reduce(sum)?;
    let listeners = census.listeners.iter().filter(|listener| listener.local == place);
    if all.waiting > listeners.map(|listener| u64::from(listener.queue)).sum() {
        (all.waiting, all.waiting_ns) = (0, 0);
    }
    Some(all)
}

fn sum(one: QueueTally, other: QueueTally) -> QueueTally {
    QueueTally {
        local: one.local,
        accepted: one.accepted.saturating_add(other.accepted),
        waited_ns: one.waited_ns.saturating_add(other.waited_ns),
        waited_ns_max: one.waited_ns_max.max(other.waited_ns_max),
        waiting: one.waiting.saturating_add(other.waiting),
        waiting_ns: one.waiting_ns.saturating_add(other.waiting_ns),
        ended: one.ended.saturating_add(other.ended),
        unseen: one.unseen.saturating_add(other.unseen),
    }
}

fn waited(queue: &QueueTally, finding: Finding) -> Finding {
    let mean = queue.waited_ns as f64 / queue.accepted as f64 / 1e9;
    let longest = queue.waited_ns_max as f64 / 1e9;
    let told = say! {
        en: "{count} connections that came meanwhile were accepted after {mean} on average and {longest} at most",
        ko: "그사이 들어온 연결 {count}개가 accept될 때까지 평균 {mean}, 최대 {longest} 기다림",
        count = queue.accepted, mean = time(mean), longest = time(longest)
    };
    let numbers = [
        ("accepted", queue.accepted as f64, "connections"),
        ("mean time in the accept queue", mean, "seconds"),
        ("longest time in the accept queue", longest, "seconds"),
    ];
    proven(and(finding, vec![told]), &numbers)
}

fn still_waiting(queue: &QueueTally, finding: Finding) -> Finding {
    let besides = [("reset in the accept queue", queue.ended), ("accepted after an unknown time", queue.unseen)];
    let finding = besides
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .fold(finding, |finding, (name, count)| proven(finding, &[(name, count as f64, "connections")]));
    if queue.waiting == 0 {
        return finding;
    }
    let mean = queue.waiting_ns as f64 / queue.waiting as f64 / 1e9;
    let told = say! {
        en: "{count} that came meanwhile still wait, for {mean} on average so far",
        ko: "그사이 들어온 {count}개는 아직 대기 중이며 지금까지 평균 {mean} 기다림",
        count = queue.waiting, mean = time(mean)
    };
    let numbers = [
        ("still in the accept queue", queue.waiting as f64, "connections"),
        ("mean time in the accept queue so far", mean, "seconds"),
    ];
    proven(and(finding, vec![told]), &numbers)
}

fn proven(finding: Finding, numbers: &[(&str, f64, &str)]) -> Finding {
    numbers.iter().fold(finding, |finding, (name, value, unit)| {
        finding.evidence(*name, (*value, *unit), "listener, came in the window", "inet_sock_set_state, sys_exit")
    })
}

/// By Little's law: what waits on average, over how many leave a second.
fn estimated(window: &Window, tally: &Tally, place: Endpoint, finding: Finding) -> Finding {
    let Some((queue, per_second)) = queue(window, tally, place.port) else { return finding };
    let seconds = queue / per_second;
    let told = say! {
        en: "A connection waits {wait} on average until it is accepted: {queue} wait, {rate} are accepted a second",
        ko: "연결은 accept될 때까지 평균 {wait} 기다림: {queue}개가 기다리고 초당 {rate}개가 accept됨",
        wait = time(seconds), queue = format!("{queue:.1}"), rate = format!("{per_second:.1}")
    };
    and(finding, vec![told])
        .evidence("mean accept queue", (queue, "connections"), "port, window", "sock_diag")
        .evidence("accepted", (per_second, "per second"), "port, window", "inet_sock_set_state")
        .evidence("mean time in the accept queue", (seconds, "seconds"), "port, window", "queue ÷ rate")
}

/// The mean of the accept queues of a port, and how many connections leave them a second; `None` when none does.
fn queue(window: &Window, tally: &Tally, port: u16) -> Option<(f64, f64)> {
    let heard = window.heard(Watch::Listeners)?.ok().filter(|heard| heard.listener_samples > 0)?;
    let of = |census: &Census| -> Vec<(u64, u32)> {
        let listeners = census.listeners.iter().filter(|listener| listener.local.port == port);
        listeners.map(|listener| (listener.cookie, listener.queue)).collect()
    };
    let (before, now) = (of(window.census_before()?), of(window.census()?));
    let waiting = |listeners: &[(u64, u32)]| listeners.iter().map(|(_, queue)| u64::from(*queue)).sum::<u64>();
    let came = tally.processes.iter().filter(|one| one.with == With::Port(port) && one.failed.is_none());
    let came: u64 = came.map(|one| one.sums.opened).sum();
    let accepted = (came + waiting(&before)).saturating_sub(waiting(&now));
    let sums = heard.listener_queue_sums.iter().filter(|(cookie, _)| now.iter().any(|(known, _)| known == cookie));
    let mean = sums.map(|(_, sum)| *sum).sum::<u64>() as f64 / f64::from(heard.listener_samples);
    (tally.is_whole() && accepted > 0).then(|| (mean, accepted as f64 / tally.seconds().max(f64::MIN_POSITIVE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Severity, Subject};
    use crate::rules::processes::tests::{SECOND, tally};
    use crate::rules::testing::{Scene, endpoint as place};
    use crate::snapshot::{Fact, Heard, ProcessTally, Question, Socket, Sums};
    use crate::words::Message;

    fn of(window: &Window, tally: &Tally, listener: &str) -> Finding {
        let subject = Subject { listener: Some(listener.into()), ..Subject::default() };
        accepting(window, tally, Finding::new(Severity::Info, subject, Message::default()))
    }

    fn numbers(finding: &Finding) -> Vec<(&str, f64)> {
        finding.evidence.iter().map(|one| (one.name.as_str(), one.value)).collect()
    }

    #[test]
    fn what_was_measured_is_told_of_the_listener_that_has_the_address() {
        let at = |local: &str, accepted, waited_ns, waiting| QueueTally {
            local: place(local),
            accepted,
            waited_ns,
            waited_ns_max: waited_ns / 2,
            waiting,
            waiting_ns: 3 * SECOND * waiting,
            ended: 1,
            unseen: 0,
        };
        // Two addresses of the wildcard, and one with a listener of its own.
        let queues = vec![
            at("192.0.2.1:80", 3, 4 * SECOND, 2),
            at("192.0.2.2:80", 1, 2 * SECOND, 3),
            at("192.0.2.3:80", 0, 0, 5),
            at("192.0.2.1:81", 9, 9 * SECOND, 0),
        ];
        let all = Tally { queues: Some(queues), ..tally() };
        let looked = |local: &str, queue| Socket::listener(local, queue, 16).inode(7);
        let scene = Scene::new().kept(looked("0.0.0.0:80", 0), looked("0.0.0.0:80", 6));
        let example = scene.kept(looked("192.0.2.3:80", 0), looked("192.0.2.3:80", 4)).build();
        let window = example.window();
        let found = of(&window, &all, "0.0.0.0:80");
        let known = [
            ("accepted", 4.0),
            ("mean time in the accept queue", 1.5),
            ("longest time in the accept queue", 2.0),
            ("reset in the accept queue", 2.0),
            ("still in the accept queue", 5.0),
            ("mean time in the accept queue so far", 3.0),
        ];
        assert_eq!(numbers(&found), known);
        assert!(
            found.cause.en.contains("4 connections that came meanwhile were accepted after 1.5 s on average and 2.0 s")
        );
        // The kernel has four in its queue: of the five one at least was accepted by io_uring, and which is not known.
        assert_eq!(numbers(&of(&window, &all, "192.0.2.3:80")), [("reset in the accept queue", 1.0)]);
        assert!(of(&window, &tally(), "0.0.0.0:80").evidence.is_empty(), "accept() was not watched");
    }

    #[test]
    fn the_wait_in_an_accept_queue_follows_from_its_length_and_its_rate() {
        // 8 waited at the begin and 17 do at the end, of 49 that came 40 were accepted in ten seconds: 4 a second. Ten samples
        // of 12 on average: 3 seconds each.
        let looked = |queue| Socket::listener("192.0.2.1:80", queue, 16).inode(7);
        let accepted = ProcessTally {
            with: With::Port(80),
            sums: Sums { opened: 49, ..Sums::default() },
            ..tally().processes[0].clone()
        };
        let all = Tally { processes: vec![accepted], ..tally() };
        let scene = Scene::new().kept(looked(8), looked(17));
        let mut example = scene.answer(Question::Watch(Watch::Events), Ok(Fact::Tally(all.clone()))).build();
        let cookie = example.second.census.as_ref().unwrap().listeners[0].cookie;
        let heard =
            Heard { listener_queue_sums: vec![(cookie, 120), (9, 5)], listener_samples: 10, ..Heard::default() };
        assert_eq!(queue(&example.window(), &all, 80), None, "nobody looked");
        example.answers.insert(Question::Watch(Watch::Listeners), Ok(Fact::Heard(heard)));
        assert_eq!(queue(&example.window(), &all, 80), Some((12.0, 4.0)));
        assert_eq!(queue(&example.window(), &all, 81), None);
        let found = of(&example.window(), &all, "192.0.2.1:80");
        assert_eq!(found.evidence.last().map(|one| (one.value, one.unit.as_str())), Some((3.0, "seconds")));
    }
}
