//! One file a rule. A rule looks at a window and gives a verdict; which rule explains which is data, and so is what each reads.
//!
//! To add a rule: a file here with a `RULE`, its `mod` line, and its place in [`ALL`].

use crate::catalog::Counter;
use crate::report::Verdict;
use crate::snapshot::Watch;
use crate::window::Window;
use crate::words::Text;

mod retransmit_local;
mod retransmit_remote;
mod tail_loss;
mod path_congested;
mod reordering;
mod spurious_timeout;
mod ack_loss;
mod duplicate_delivery;
mod mtu_black_hole;
mod bad_checksum;
mod old_timestamps;
mod socket_backlog_drop;
mod lossy_hop;
mod connect_unanswered;
mod connect_refused;
mod neighbour_unreachable;
mod own_firewall_drop;
mod rejected_by_router;
mod reverse_path_filter;
mod slow_connect;
mod no_route;
mod time_wait_natural;
mod ports_running_out;
mod ports_exhausted;
mod time_wait_overflow;
mod bind_before_connect;
mod connection_churn;
mod close_wait_leak;
mod accept_stalled;
mod requests_unread;
mod close_wait_pool;
mod descriptor_limit;
mod ghost_sockets;
mod fin_wait2_orphaned;
mod fin_wait2_held;
mod fin_wait1_orphans;
mod last_ack_stuck;
mod accept_overflow;
mod backlog_clamped;
mod syn_flood;
mod syn_ack_unanswered;
mod listen_drop;
mod peer_not_reading;
mod process_not_reading;
mod slow_reader;
mod receive_prune;
mod tcp_memory;
mod peer_resets;
mod abort_unread;
mod abort_linger;
mod middlebox_reset;
mod closed_port_probed;
mod half_open_suspect;
mod peer_vanished;
mod idle_forgotten;
mod conntrack_full;
mod interface_errors;
mod interface_drops;
mod interface_saturated;
mod softnet_drops;

mod accepting;
mod by_events;
mod chronic;
mod class;
mod connecting;
mod held;
mod history;
mod judge;
mod known;
mod limits;
mod link;
mod summary;
mod loss;
mod peer_sockets;
mod ports;
mod processes;
mod resetting;
mod retransmissions;
mod shrunk;
mod suspects;
mod wording;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_all;
#[cfg(test)]
mod simulation;

pub use chronic::words_of as chronic_words;
pub use class::{Class, Classed, class_of};
pub use history::History;
pub use judge::{Judgement, judge, reason_of};
pub use known::Known;
pub use limits::{Limit, Limits, UnknownLimit};
pub use summary::summary;

/// Every rule, in the order of the catalogue.
pub const ALL: &[&Rule] = &[
    &retransmit_local::RULE,
    &retransmit_remote::RULE,
    &tail_loss::RULE,
    &path_congested::RULE,
    &reordering::RULE,
    &spurious_timeout::RULE,
    &ack_loss::RULE,
    &duplicate_delivery::RULE,
    &mtu_black_hole::RULE,
    &bad_checksum::RULE,
    &old_timestamps::RULE,
    &socket_backlog_drop::RULE,
    &lossy_hop::RULE,
    &connect_unanswered::RULE,
    &connect_refused::RULE,
    &neighbour_unreachable::RULE,
    &own_firewall_drop::RULE,
    &rejected_by_router::RULE,
    &reverse_path_filter::RULE,
    &slow_connect::RULE,
    &no_route::RULE,
    &time_wait_natural::RULE,
    &ports_running_out::RULE,
    &ports_exhausted::RULE,
    &time_wait_overflow::RULE,
    &bind_before_connect::RULE,
    &connection_churn::RULE,
    &close_wait_leak::RULE,
    &accept_stalled::RULE,
    &requests_unread::RULE,
    &close_wait_pool::RULE,
    &descriptor_limit::RULE,
    &ghost_sockets::RULE,
    &fin_wait2_orphaned::RULE,
    &fin_wait2_held::RULE,
    &fin_wait1_orphans::RULE,
    &last_ack_stuck::RULE,
    &accept_overflow::RULE,
    &backlog_clamped::RULE,
    &syn_flood::RULE,
    &syn_ack_unanswered::RULE,
    &listen_drop::RULE,
    &peer_not_reading::RULE,
    &process_not_reading::RULE,
    &slow_reader::RULE,
    &receive_prune::RULE,
    &tcp_memory::RULE,
    &peer_resets::RULE,
    &abort_unread::RULE,
    &abort_linger::RULE,
    &middlebox_reset::RULE,
    &closed_port_probed::RULE,
    &half_open_suspect::RULE,
    &peer_vanished::RULE,
    &idle_forgotten::RULE,
    &conntrack_full::RULE,
    &interface_errors::RULE,
    // Of one rank, and the full line explains its drops: it comes first.
    &interface_saturated::RULE,
    &interface_drops::RULE,
    &softnet_drops::RULE,
];

/// Something that a rule cannot do without: what is missing makes it undecided, by the judge, before its check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A counter or gauge.
    Counter(Counter),
    /// A setting.
    Sysctl(&'static str),
    /// The sockets of the newest look.
    Census,
    /// Two samples of the counters, five seconds apart at least.
    Window,
    /// Two looks at the sockets, five seconds apart at least, joined by cookie.
    TwoLooks,
    /// The interfaces.
    Interfaces,
}

/// A kind of question that a rule may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Who owns a socket.
    Owner,
    /// How a process does.
    Process,
    /// The way to a peer.
    Route,
    /// Whether a neighbour answers.
    Neighbour,
    /// Drops of queueing disciplines.
    Qdisc,
    /// A cgroup's name and memory.
    Cgroup,
    /// Descriptors without a socket.
    Ghosts,
    /// What probes to a peer meet.
    Path,
    /// Something listened to while the window lasts.
    Watch(Watch),
}

/// What a hidden finding must share with the finding that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Nothing: both concern the namespace or the host.
    Nothing,
    /// The remote address.
    Peer,
    /// The remote address and port.
    Destination,
    /// The process.
    Process,
    /// The listener, or the process behind it.
    Listener,
    /// The interface.
    Interface,
    /// Our source address.
    Source,
}

/// A rule that another explains.
#[derive(Clone, Copy, Debug)]
pub struct Hides {
    /// The rule whose findings are consequences.
    pub rule: &'static str,
    /// When both concern the same.
    pub shared: Shared,
}

/// What `explain` prints of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The formula, with the kernel's names.
    pub sees: Text,
    /// What a user feels.
    pub matters: Text,
    /// The next thing to do.
    pub act: Text,
    /// RFCs, kernel functions, documents.
    pub sources: &'static str,
}

/// A rule.
pub struct Rule {
    /// Kebab-case; names the trouble. Never renamed, never used again.
    pub id: &'static str,
    /// The trouble in words.
    pub trouble: Text,
    /// Its manual page.
    pub page: Page,
    /// Its place among causes: a smaller rank is nearer to the root. 99: hides nothing.
    pub rank: u8,
    /// What it cannot do without.
    pub reads: &'static [Read],
    /// What it may ask.
    pub asks: &'static [Ask],
    /// Which rules' findings are its consequences.
    pub hides: &'static [Hides],
    /// What to listen to for the rest of the window, seen in its first second.
    pub watches: fn(&Window, &Limits) -> Vec<Watch>,
    /// Looks and says.
    pub check: fn(&Window, &Limits) -> Verdict,
    /// A made-up host on which it finds its fault.
    #[cfg(test)]
    pub(crate) example: fn() -> testing::Example,
}

/// For rules that listen to nothing.
pub fn watches_nothing(_: &Window, _: &Limits) -> Vec<Watch> {
    Vec::new()
}

/// A rule by its id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.id == id)
}
