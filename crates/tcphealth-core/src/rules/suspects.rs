//! Which processes are worth looking into: those that some socket trouble points at, and those that hold most of the sockets.

use std::collections::BTreeMap;

use super::Limits;
use super::held::OWNERS_MAX;
use crate::snapshot::{Census, Owner, Question, Service, ServiceKey, State};
use crate::window::Window;

/// A process and the service that pointed at it.
pub(super) struct Suspect<'a> {
    /// The process.
    pub(super) owner: &'a Owner,
    /// The service.
    pub(super) key: ServiceKey,
}

/// The suspects, and how many sockets' owners could not be found out. Asks for them first.
pub(super) fn suspects<'a>(
    window: &Window<'a>,
    limits: &Limits,
    questions: &mut Vec<Question>,
) -> (Vec<Suspect<'a>>, usize) {
    let mut found: BTreeMap<u32, Suspect> = BTreeMap::new();
    let mut unknown = 0;
    let sockets = window.census().map(|census| pointed_at(census, limits)).unwrap_or_default();
    for (inode, uid, key) in sockets.into_iter().take(OWNERS_MAX) {
        match window.owner(inode, uid).or_ask(questions) {
            Some(owner) => drop(found.entry(owner.pid).or_insert(Suspect { owner, key })),
            None => unknown += 1,
        }
    }
    (found.into_values().collect(), unknown)
}

/// Inode, user and service of sockets whose process is worth a look, the most telling first.
fn pointed_at(census: &Census, limits: &Limits) -> Vec<(u32, u32, ServiceKey)> {
    let mut waiting: Vec<_> =
        census.listeners.iter().filter(|listener| listener.queue > 0 || listener.is_full()).collect();
    waiting.sort_by_key(|listener| (std::cmp::Reverse(listener.queue), listener.cookie));
    let of_listeners =
        waiting.iter().map(|listener| (listener.inode, listener.uid, ServiceKey::Listener(listener.local)));
    let all = f64::from(census.states.live() + census.states.get(State::Listen));
    let share = |service: &Service| f64::from(service.states.live() + own_listener(service)) / all;
    let mut services: Vec<_> = census.services.iter().filter(|service| troubled(service, limits)).collect();
    let large = census.services.iter().filter(|service| share(service) > limits.descriptors_owner_ratio);
    services.extend(large);
    let lone = census.listeners.iter().filter(|_| all * limits.descriptors_owner_ratio < 1.0);
    let of_services = services.into_iter().flat_map(|service| {
        service.inodes.into_iter().filter(|&inode| inode != 0).map(|inode| (inode, service.uid, service.key))
    });
    let of_lone = lone.map(|listener| (listener.inode, listener.uid, ServiceKey::Listener(listener.local)));
    let mut sockets: Vec<_> = of_listeners.chain(of_services).chain(of_lone).collect();
    let mut seen = std::collections::BTreeSet::new();
    sockets.retain(|(inode, _, _)| seen.insert(*inode));
    sockets
}

fn own_listener(service: &Service) -> u32 {
    u32::from(service.key.listener().is_some())
}

/// Whether a rule on CLOSE_WAIT or on unread data may name its process.
fn troubled(service: &Service, limits: &Limits) -> bool {
    let close_wait = service.states.get(State::CloseWait).saturating_sub(service.unaccepted_close_wait);
    f64::from(close_wait.max(service.unread)) >= limits.close_wait_info_count
}
