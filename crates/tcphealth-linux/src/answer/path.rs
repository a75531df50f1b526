//! What probes to some peers meet on the way, all at once.

use std::io;

use tcphealth_core::path::{INTERVAL_US, Path, Plan, Protocol, Tracer};
use tcphealth_core::snapshot::{Absent, Answer, Fact, Question};

use crate::probe;

/// Paths that are probed at once; the rules ask for seven at most.
const PATHS_MAX: usize = 8;
/// The longest path that is worth a probe, as in traceroute(8).
const TTL_MAX: u8 = 30;

/// Probes the paths of these questions, each hop so often; `watch` sees how far they are.
pub(crate) fn paths(
    asked: impl Iterator<Item = Question>,
    rounds: u32,
    watch: &mut dyn FnMut(&[&Tracer]),
) -> Vec<(Question, Answer)> {
    let planned: Vec<(Question, io::Result<Plan>)> =
        asked.take(PATHS_MAX).filter_map(|question| Some((question.clone(), plan(&question, rounds)?))).collect();
    let plans: Vec<Plan> = planned.iter().filter_map(|(_, plan)| plan.as_ref().ok().cloned()).collect();
    let mut walked = match probe::walk(&plans, watch) {
        Ok(paths) => paths.into_iter(),
        Err(_) => Vec::new().into_iter(),
    };
    let mut path = |plan: io::Result<Plan>| -> io::Result<Path> {
        plan.and_then(|_| walked.next().unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into())))
    };
    let answer = |found: io::Result<Path>| found.map(Fact::Path).map_err(|error| Absent::Failed(error.to_string()));
    planned.into_iter().map(|(question, plan)| (question, answer(path(plan)))).collect()
}

fn plan(question: &Question, rounds: u32) -> Option<io::Result<Plan>> {
    let Question::Path { peer, port } = *question else { return None };
    Some(probe::source_for(peer).map(|source| Plan {
        target: peer,
        port,
        source,
        protocol: Protocol::Tcp,
        flows: 1,
        rounds,
        interval_us: INTERVAL_US,
        max_ttl: TTL_MAX,
        duration_us: None,
    }))
}
