//! How long connections wait in the queue of a listener until they are accepted, as evidence.

use super::by_events::{and, endpoint, time};
use crate::report::Finding;
use crate::say;
use crate::snapshot::{Census, Tally, Watch, With};
use crate::window::Window;

/// How long connections wait to be accepted, by Little's law: what waits on average, over how many leave a second.
pub(super) fn accepting(window: &Window, tally: &Tally, finding: Finding) -> Finding {
    let port = finding.subject.listener.as_deref().and_then(endpoint).map(|place| place.port);
    let Some((queue, per_second)) = port.and_then(|port| queue(window, tally, port)) else { return finding };
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
    use crate::rules::processes::tests::tally;
    use crate::rules::testing::Scene;
    use crate::snapshot::{Fact, Heard, ProcessTally, Question, Socket, Sums};
    use crate::words::Message;

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
        let subject = Subject { listener: Some("192.0.2.1:80".into()), ..Subject::default() };
        let found = accepting(&example.window(), &all, Finding::new(Severity::Info, subject, Message::default()));
        assert_eq!(found.evidence.last().map(|one| (one.value, one.unit.as_str())), Some((3.0, "seconds")));
    }
}
