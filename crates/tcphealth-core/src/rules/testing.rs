//! Made-up hosts for the tests of rules: sockets pass through the real fold, so that a rule sees what it would see.
//!
//! Every rule names one faulty [`Example`]; `tests_all` walks them and takes away, piece by piece, what the rule reads.

use std::collections::BTreeMap;

use super::{ALL, Limits, Read, Rule};
use crate::report::{Finding, Severity, Verdict};
use crate::snapshot::{
    Answer, Answers, Census, Counters, Endpoint, FIELDS, Fact, Fold, Identity, Interface, Owner, Process, Question,
    Route, SkMem, Snapshot, Socket, Stamp, State, TcpInfo, Timer,
};
use crate::window::Window;

mod in_a_row;

pub(crate) use in_a_row::{in_a_row, last_two, levels};

/// Boot clock of the first look, seconds.
const BEGIN_SECONDS: u64 = 1_000;
/// What every counter stands at before the window.
const COUNTER_BEFORE: u64 = 1_000;
const RANGE: (u16, u16) = (32_768, 60_999);

/// Settings of a fresh host.
const SYSCTLS: &[(&str, &str)] = &[
    ("net.core.netdev_max_backlog", "1000"),
    ("net.core.somaxconn", "4096"),
    ("net.ipv4.ip_local_port_range", "32768\t60999"),
    ("net.ipv4.ip_local_reserved_ports", ""),
    ("net.ipv4.tcp_abort_on_overflow", "0"),
    ("net.ipv4.tcp_congestion_control", "cubic"),
    ("net.ipv4.tcp_early_retrans", "3"),
    ("net.ipv4.tcp_fin_timeout", "60"),
    ("net.ipv4.tcp_keepalive_time", "7200"),
    ("net.ipv4.tcp_max_orphans", "131072"),
    ("net.ipv4.tcp_max_syn_backlog", "1024"),
    ("net.ipv4.tcp_max_tw_buckets", "131072"),
    ("net.ipv4.tcp_mem", "90000\t120000\t180000"),
    ("net.ipv4.tcp_mtu_probing", "0"),
    ("net.ipv4.tcp_orphan_retries", "0"),
    ("net.ipv4.tcp_recovery", "1"),
    ("net.ipv4.tcp_retries2", "15"),
    ("net.ipv4.tcp_rmem", "4096\t131072\t6291456"),
    ("net.ipv4.tcp_sack", "1"),
    ("net.ipv4.tcp_syncookies", "1"),
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.tcp_tw_reuse", "2"),
    ("net.ipv4.tcp_tw_reuse_delay", "1000"),
    ("net.ipv4.tcp_wmem", "4096\t16384\t4194304"),
    ("net.netfilter.nf_conntrack_max", "262144"),
];

/// A host in the making: quiet, until told otherwise.
pub(crate) struct Scene {
    seconds: u64,
    counters: BTreeMap<String, (u64, u64)>,
    sysctls: BTreeMap<String, String>,
    interfaces: Vec<Interface>,
    first: Vec<Socket>,
    second: Vec<Socket>,
    answers: Answers,
}

impl Scene {
    /// A window of ten seconds in which no counter of any rule grew, over a fresh host's settings and no socket.
    pub(crate) fn new() -> Self {
        let counters = ALL.iter().flat_map(|rule| rule.reads).filter_map(|read| match read {
            Read::Counter(counter) => Some((counter.0.to_owned(), (COUNTER_BEFORE, COUNTER_BEFORE))),
            _ => None,
        });
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            seconds: 10,
            counters: counters.collect(),
            sysctls: SYSCTLS.iter().map(own).collect(),
            interfaces: Vec::new(),
            first: Vec::new(),
            second: Vec::new(),
            answers: Answers::new(),
        }
    }

    /// Another length of the window.
    pub(crate) fn lasting(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    /// A counter that grew.
    pub(crate) fn grew(mut self, name: &str, by: u64) -> Self {
        self.counters.insert(name.to_owned(), (COUNTER_BEFORE, COUNTER_BEFORE + by));
        self
    }

    /// A value that is the same at both looks.
    pub(crate) fn gauge(mut self, name: &str, value: u64) -> Self {
        self.counters.insert(name.to_owned(), (value, value));
        self
    }

    /// A setting.
    pub(crate) fn sysctl(mut self, name: &str, value: &str) -> Self {
        self.sysctls.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An interface of the namespace.
    pub(crate) fn interface(mut self, interface: Interface) -> Self {
        self.interfaces.push(interface);
        self
    }

    /// A socket that is there at both looks, as it was and as it is.
    pub(crate) fn kept(mut self, mut before: Socket, mut after: Socket) -> Self {
        before.cookie = self.cookie();
        after.cookie = before.cookie;
        self.first.push(before);
        self.second.push(after);
        self
    }

    /// A socket that is the same at both looks.
    pub(crate) fn still(self, socket: &Socket) -> Self {
        self.kept(socket.clone(), socket.clone())
    }

    /// A socket of the first look only.
    pub(crate) fn gone(mut self, mut socket: Socket) -> Self {
        socket.cookie = self.cookie();
        self.first.push(socket);
        self
    }

    /// A socket of the second look only.
    pub(crate) fn born(mut self, mut socket: Socket) -> Self {
        socket.cookie = self.cookie();
        self.second.push(socket);
        self
    }

    /// As many sockets as `count`, each made from its number and put in place by `put`.
    pub(crate) fn each(self, count: u16, put: impl Fn(Self, u16) -> Self) -> Self {
        (0..count).fold(self, put)
    }

    /// What is answered to a question.
    pub(crate) fn answer(mut self, question: Question, answer: Answer) -> Self {
        self.answers.insert(question, answer);
        self
    }

    /// The way to a peer: by a gateway, or on the link.
    pub(crate) fn route(self, peer: &str, gateway: Option<&str>, interface: &str) -> Self {
        let gateway = gateway.map(|address| address.parse().unwrap());
        let route = Route { gateway, ifindex: 2, interface: interface.into(), link_type: 1, ..Route::default() };
        self.answer(Question::Route { peer: peer.parse().unwrap() }, Ok(Fact::Route(Some(route))))
    }

    /// The process that holds a socket with this inode and user 0.
    pub(crate) fn owner(self, inode: u32, pid: u32, comm: &str) -> Self {
        let owner = Owner { pid, comm: comm.into(), others: 0 };
        self.answer(Question::Owner { inode, uid: 0 }, Ok(Fact::Owner(Some(owner))))
    }

    /// How a process does.
    pub(crate) fn process(self, process: Process) -> Self {
        self.answer(Question::Process { pid: process.pid }, Ok(Fact::Process(process)))
    }

    /// The two looks and the answers.
    pub(crate) fn build(self) -> Example {
        let range = self.range();
        let mut fold = Fold::first(range);
        feed(&mut fold, &self.first);
        let (first, marks) = fold.finish();
        let mut fold = Fold::second(&marks, self.seconds as u32 * 1000, range);
        feed(&mut fold, &self.second);
        let second = fold.finish().0;
        Example {
            first: self.snapshot(BEGIN_SECONDS, first, |values| values.0),
            second: self.snapshot(BEGIN_SECONDS + self.seconds, second, |values| values.1),
            answers: self.answers,
        }
    }

    fn cookie(&self) -> u64 {
        (self.first.len() + self.second.len() + 1) as u64
    }

    fn range(&self) -> (u16, u16) {
        let words = self.sysctls.get("net.ipv4.ip_local_port_range").map(String::as_str).unwrap_or_default();
        let mut ports = words.split_whitespace().map(|word| word.parse().unwrap());
        ports.next().zip(ports.next()).unwrap_or(RANGE)
    }

    fn snapshot(&self, seconds: u64, census: Census, pick: fn(&(u64, u64)) -> u64) -> Snapshot {
        let at_ns = seconds * 1_000_000_000;
        Snapshot {
            identity: Identity { boot_id: "boot".into(), netns: 1, first_netns: Some(true), ..Identity::default() },
            at: Stamp { begin_ns: at_ns, end_ns: at_ns, ..Stamp::default() },
            counters: Counters::from_pairs(self.counters.iter().map(|(name, values)| (name.as_str(), pick(values)))),
            sysctls: self.sysctls.iter().map(|(name, value)| (name.clone(), Ok(value.clone()))).collect(),
            interfaces: Ok(self.interfaces.clone()),
            census: Ok(census),
        }
    }
}

/// Listeners first, as every reader feeds them.
fn feed(fold: &mut Fold, sockets: &[Socket]) {
    let listening = |socket: &&Socket| socket.state == State::Listen;
    sockets.iter().filter(listening).for_each(|socket| fold.add(socket));
    sockets.iter().filter(|socket| !listening(socket)).for_each(|socket| fold.add(socket));
}

/// A made-up host, finished.
pub(crate) struct Example {
    /// The look at the begin.
    pub(crate) first: Snapshot,
    /// The look at the end.
    pub(crate) second: Snapshot,
    /// What has been answered.
    pub(crate) answers: Answers,
}

impl Example {
    /// The window between the two looks.
    pub(crate) fn window(&self) -> Window<'_> {
        Window::between(&self.first, &self.second, &self.answers).unwrap()
    }

    /// What a rule says of it with the default limits, after the judge has looked at what the rule reads.
    pub(crate) fn verdict(&self, rule: &'static Rule) -> Verdict {
        super::judge::verdict_of(rule, &self.window(), &Limits::default())
    }

    /// What a rule finds; panics when it says anything else.
    pub(crate) fn findings(&self, rule: &'static Rule) -> Vec<Finding> {
        match self.verdict(rule) {
            Verdict::Findings(list) => list,
            other => panic!("{} says {other:?}", rule.id),
        }
    }

    /// How bad the worst finding of a rule is; `None` when it is healthy. Panics on anything else.
    pub(crate) fn severity(&self, rule: &'static Rule) -> Option<Severity> {
        match self.verdict(rule) {
            Verdict::Findings(list) => list.iter().map(|finding| finding.severity).max(),
            Verdict::Healthy(_) => None,
            other => panic!("{} says {other:?}", rule.id),
        }
    }

    /// Whether a rule leaves it undecided.
    pub(crate) fn is_undecided(&self, rule: &'static Rule) -> bool {
        matches!(self.verdict(rule), Verdict::Undecided(_))
    }
}

/// An address and port from their usual spelling.
pub(crate) fn endpoint(words: &str) -> Endpoint {
    let address: std::net::SocketAddr = words.parse().unwrap();
    Endpoint::new(address.ip(), address.port())
}

impl Socket {
    /// A connection in this state. It has a `tcp_info` of zeros where the kernel gives one.
    pub(crate) fn tcp(state: State, local: &str, remote: &str) -> Self {
        let info = (state != State::TimeWait).then(|| TcpInfo::new(&[0; 280]));
        Self { state, local: endpoint(local), remote: endpoint(remote), info, ..Self::default() }
    }

    /// A listener with this many connections waiting, and its limit.
    pub(crate) fn listener(local: &str, queue: u32, limit: u32) -> Self {
        Self { skmem: Some(SkMem::default()), ..Self::tcp(State::Listen, local, "0.0.0.0:0").queues(queue, limit) }
    }

    /// A TIME_WAIT of this age.
    pub(crate) fn time_wait(local: &str, remote: &str, age_seconds: u32) -> Self {
        Self::tcp(State::TimeWait, local, remote).timer(Timer::TimeWait, 0, 60_000 - age_seconds * 1000)
    }

    /// With these fields of `tcp_info`, by the kernel's names without `tcpi_`.
    pub(crate) fn info(mut self, values: &[(&str, u64)]) -> Self {
        let mut bytes = self.info.map_or([0; 280], |info| info.bytes().try_into().unwrap());
        for (name, value) in values {
            let field = FIELDS.iter().find(|field| field.name == *name).expect("a field of tcp_info");
            bytes[field.offset..field.offset + field.width].copy_from_slice(&value.to_le_bytes()[..field.width]);
        }
        self.info = Some(TcpInfo::new(&bytes));
        self
    }

    /// With this inode.
    pub(crate) fn inode(mut self, inode: u32) -> Self {
        self.inode = inode;
        self
    }

    /// With Recv-Q and Send-Q.
    pub(crate) fn queues(mut self, rqueue: u32, wqueue: u32) -> Self {
        (self.rqueue, self.wqueue) = (rqueue, wqueue);
        self
    }

    /// With a timer that has fired so often and fires again after so long.
    pub(crate) fn timer(mut self, timer: Timer, retrans: u8, expires_ms: u32) -> Self {
        (self.timer, self.timer_retrans, self.timer_expires_ms) = (timer, retrans, expires_ms);
        self
    }

    /// With its memory.
    pub(crate) fn skmem(mut self, skmem: SkMem) -> Self {
        self.skmem = Some(skmem);
        self
    }
}
