//! A moment of a recording → the same tables as of a live host, as far as they were kept: every count, and in full only the
//! sockets that a rule might have had to name, the worst of each kind.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Census, Endpoint, State, StateCounts};
use tcphealth_core::words::{Lang, Message};

use super::filter::Filter;
use super::group::{self, Common, Counted, Groups, Totals};
use super::list::Page;
use super::names::Names;
use super::unread;
use crate::args::{By, SocketsArgs};
use crate::speech::Complaint;
use crate::store::{self, Past, Store};
use crate::when::When;

/// Writes what the filter takes of what was recorded.
pub(super) fn run(
    when: When,
    filter: &Filter,
    args: &SocketsArgs,
    (lang, out): (Lang, &mut dyn Write),
) -> anyhow::Result<()> {
    let store = Store::open(&args.elsewhere.from.clone().unwrap_or_else(store::default_dir))?;
    let past = Past::at(&store, when, None)?;
    let (look, names) = (&past.last, Names::known(past.answers()));
    let census = look.census.as_ref().map_err(unread)?;
    let at = When(look.at.wall_ns.div_euclid(1000)).shown();
    let netns = look.identity.netns;
    if args.by.is_empty() {
        let kept = Kept { at, sockets: census.sockets.len(), of: census.states.total() };
        let mut page = Page { format: args.format, names, netns, lang, written: 0, recorded: Some(kept) };
        return page.all(args, out, &mut |take| {
            let mut meant = census.sockets.iter().map(|followed| &followed.socket);
            Ok(meant.by_ref().filter(|socket| filter.takes(socket)).try_for_each(take)?)
        });
    }
    let groups = if args.by.iter().any(|by| matches!(by, By::Peer | By::Subnet)) {
        of_peers(census, filter, args, netns)?
    } else {
        of_services(census, filter, args, netns)?
    };
    group::write(args, Counted { groups, netns, late: 0, at: Some(at), namespaces: None }, (lang, out))
}

/// How many of the sockets a recording has in full.
pub(super) struct Kept {
    at: String,
    sockets: usize,
    of: u32,
}

impl Kept {
    /// For people.
    pub(super) fn words(&self) -> Message {
        say! {
            en: "{at}: {kept} of {all} sockets; a recording keeps only those in full that a rule may have to name, the worst of each kind. --by state,listener,destination counts all",
            ko: "{at}: 소켓 {all}개 가운데 {kept}개. 규칙이 지목할 만한 소켓만 종류별로 심한 것부터 통째로 기록된다. 전체 집계는 --by state,listener,destination",
            at = self.at, kept = self.sockets, all = self.of
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({ "at": self.at, "kept": self.sockets, "of": self.of })
    }
}

type Key = Vec<Common<'static>>;

fn named(groups: BTreeMap<Key, Totals>) -> Groups {
    groups.into_iter().map(|(key, sums)| (key.iter().map(Common::name).collect(), sums)).collect()
}

/// Live connections by the remote address, without their states and queues.
fn of_peers(census: &Census, filter: &Filter, args: &SocketsArgs, netns: u64) -> anyhow::Result<Groups> {
    let others = args.by.iter().any(|by| !matches!(by, By::Peer | By::Subnet | By::Netns));
    if others || !filter.is_everything() {
        return Err(Complaint(say! {
            en: "by peer and subnet a recording counts live connections of all states together: no filter and no other --by goes with it",
            ko: "기록은 peer와 subnet으로는 상태 구분 없이 살아 있는 연결만 세므로, 필터나 다른 --by와 함께 쓸 수 없음"
        })
        .into());
    }
    let mut groups: BTreeMap<Key, Totals> = BTreeMap::new();
    for peer in &census.peers {
        let common = |by: &By| match by {
            By::Peer => Common::Address(Some(peer.address)),
            By::Subnet => Common::Subnet(Some(group::network(peer.address))),
            _ => Common::Netns(netns),
        };
        groups.entry(args.by.iter().map(common).collect()).or_default().count(peer.sockets, None);
    }
    let nobody = |by: &By| if *by == By::Netns { Common::Netns(netns) } else { Common::Address(None) };
    if let Some(rest) = u32::try_from(census.left_out.peers).ok().filter(|rest| *rest > 0) {
        groups.entry(args.by.iter().map(nobody).collect()).or_default().count(rest, None);
    }
    Ok(named(groups))
}

/// Every socket by state, listener, destination; what belongs to a service that was too small to be kept has neither.
fn of_services(census: &Census, filter: &Filter, args: &SocketsArgs, netns: u64) -> anyhow::Result<Groups> {
    if args.by.iter().any(|by| matches!(by, By::Process | By::Cgroup)) || !filter.is_by_state() {
        return Err(Complaint(say! {
            en: "a recording counts sockets by state, listener, destination, peer and subnet only, and a filter chooses among them by state only; without --by the sockets that were kept are listed one by one",
            ko: "기록은 state, listener, destination, peer, subnet으로만, 필터로는 상태만 골라 셀 수 있음. --by 없이 쓰면 남아 있는 소켓을 하나씩 나열한다"
        })
        .into());
    }
    let mut rest = census.states;
    let mut counted = Count { filter, by: &args.by, netns, groups: BTreeMap::new() };
    for service in &census.services {
        let (listener, destination) = (service.key.listener(), service.key.destination());
        let queues = Some((service.recv_queue_bytes, service.send_queue_bytes));
        counted.add(&service.states, (listener, destination), queues);
        for state in State::ALL {
            take(&mut rest, state, service.states.get(state));
        }
    }
    for listener in &census.listeners {
        let mut one = StateCounts::default();
        one.add(State::Listen);
        counted.add(&one, (Some(listener.local), None), Some((0, 0)));
        take(&mut rest, State::Listen, 1);
    }
    counted.add(&rest, (None, None), None);
    Ok(named(counted.groups))
}

fn take(rest: &mut StateCounts, state: State, sockets: u32) {
    rest.set(state, rest.get(state).saturating_sub(sockets));
}

/// Groups in the making.
struct Count<'a> {
    filter: &'a Filter,
    by: &'a [By],
    netns: u64,
    groups: BTreeMap<Key, Totals>,
}

impl Count<'_> {
    /// Adds the sockets of one service. Its queues are known over all states together only.
    fn add(&mut self, states: &StateCounts, ends: (Option<Endpoint>, Option<Endpoint>), queues: Option<(u64, u64)>) {
        let together = self.filter.is_everything() && !self.by.contains(&By::State);
        if together && states.total() > 0 {
            self.count(State::Close, ends, (states.total(), queues));
        }
        for state in State::ALL.into_iter().filter(|state| !together && self.filter.states & state.bit() != 0) {
            if states.get(state) > 0 {
                self.count(state, ends, (states.get(state), None));
            }
        }
    }

    fn count(&mut self, state: State, ends: (Option<Endpoint>, Option<Endpoint>), what: (u32, Option<(u64, u64)>)) {
        let common = |by: &By| match by {
            By::State => Common::State(state),
            By::Listener => Common::Endpoint(ends.0),
            By::Destination => Common::Endpoint(ends.1),
            _ => Common::Netns(self.netns),
        };
        self.groups.entry(self.by.iter().map(common).collect()).or_default().count(what.0, what.1);
    }
}
