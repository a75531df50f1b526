//! A place that snapshots come from.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tcphealth_core::path::Tracer;
use tcphealth_core::snapshot::{
    Absent, Answer, Answers, Census, Counters, Fold, Identity, Interface, Marks, Question, SYSCTLS, Snapshot, Socket,
    SocketSums, StateCounts, Sysctls, Watch,
};

use crate::bpf::{Events, Walk, is_pinned};
use crate::counters::Tables;
use crate::links::Links;
use crate::netns::Namespace;
use crate::redact::Redaction;
use crate::saved::Saved;
use crate::sockets::{self, Request};
use crate::source::Source;
use crate::watch::Listening;
use crate::{Error, Holders, answer, netns, own, qdiscs};

mod brief;
mod identity;
mod together;
mod walker;

pub use brief::Brief;
pub use together::{Hosts, Member};
pub use walker::Walker;

use identity::identity;

/// The kernel's default of `ip_local_port_range`, where it may not be read.
const PORT_RANGE: (u16, u16) = (32_768, 60_999);

/// Sockets of the host from which loading the program (10 ms) costs less than sock_diag's 0.7 µs more a socket.
pub(crate) const WALK_FROM: u64 = 20_000;
/// The same where the program is loaded already.
const PINNED_WALK_FROM: u64 = 1000;

/// As above for a look with tcp_info: loading 50 ms, sock_diag's 1 µs more a socket, twice.
const DEEP_FROM: u64 = 50_000;

/// Which pass over the sockets a look takes.
#[derive(Debug)]
pub enum Pass<'a> {
    /// The first: it leaves marks.
    First,
    /// The second: it is compared with the marks of the look before and leaves none.
    Second(&'a Marks),
    /// Second to one and first to another: compared, and the marks become those of this look.
    Next(Marks),
}

/// Listening for the length of a window; see [`Host::watch`].
#[derive(Debug)]
pub struct Watcher {
    watches: BTreeSet<Watch>,
    listening: Option<Listening>,
}

/// This machine, or a directory in which everything that was read of one is kept.
#[derive(Debug)]
pub struct Host {
    source: Source,
    tables: Tables,
    links: Links,
    /// Whether `/sys` shows the devices of the namespace that we read.
    sys: bool,
    /// When the look before began, ns on the boot clock.
    before_ns: Option<u64>,
    /// How often each hop is probed when a rule asks for a path; `None` without leave to probe.
    rounds: Option<u32>,
    /// Whether windows have the kernel's events counted.
    counts_events: bool,
    /// What counts events from look to look, once it was asked for; `None` also where that is not permitted.
    events: Option<Events>,
    /// The program that walks the kernel's tables, or why there is none; `None` as long as it was not needed.
    walk: Option<Result<Walk, Absent>>,
    /// Why the program failed that had been loaded.
    walk_failed: Option<Absent>,
    /// What reads the sockets of a look when they are many.
    walker: Option<Walker>,
    /// Whether it read those of the look before.
    walked_before: bool,
    /// What finds the owners of sockets.
    finder: answer::Finder,
}

/// What a look has read before the sockets.
#[derive(Debug)]
struct Begun {
    identity: Identity,
    sysctls: Sysctls,
    interfaces: Result<Vec<Interface>, Absent>,
    counters: Counters,
}

impl Host {
    /// This machine, in the namespace of the calling thread.
    pub fn live() -> Self {
        Self::new(Source::live(None))
    }

    /// A directory that [`Host::saving`] filled.
    ///
    /// # Errors
    /// The directory is not one, or damaged; the words name the file.
    pub fn frozen(directory: &Path) -> Result<Self, Error> {
        Ok(Self::new(Source::frozen(Saved::open(directory)?)))
    }

    /// The same machine in another network namespace: a name of ip-netns(8), or the id of a process in it. The calling thread
    /// moves there for good.
    ///
    /// # Errors
    /// There is none of this name, or we may not (CAP_SYS_ADMIN).
    pub fn in_netns(mut self, which: &str) -> Result<Self, Error> {
        netns::enter(which)?;
        self.sys = false;
        Ok(self)
    }

    /// This machine in one of its namespaces, which the caller must have entered whenever something is read of it.
    pub fn within(namespace: &Namespace) -> Self {
        Self { sys: namespace.is_own, ..Self::live() }
    }

    /// Closes what is kept open between two looks: many namespaces would have more descriptors than a process may.
    pub fn rest(&mut self) {
        self.source.rest();
    }

    /// With leave to read the sockets of looks by a program in the kernel, where they are many and it is permitted.
    pub fn walking(self, walker: Walker) -> Self {
        Self { walker: Some(walker), ..self }
    }

    /// For one who looks again and again: what is loaded once counts for nothing, and what was found is remembered. Between two looks
    /// [`crate::give_back`] keeps such a process small.
    pub fn resident(self) -> Self {
        own::give_back_at_once();
        Self { finder: answer::Finder::resident(), ..self.walking(Walker::resident()) }
    }

    /// Keeps a copy of everything that is read from now on.
    ///
    /// # Errors
    /// The directory cannot be made, or holds a saved host already.
    pub fn saving(mut self, directory: &Path) -> Result<Self, Error> {
        self.source = Source::live(Some(Saved::create(directory)?));
        Ok(self)
    }

    /// With other addresses and names, the same one always by the same: in what is kept, or in what was kept.
    pub fn redacting(mut self, redaction: Redaction) -> Self {
        self.source.redact(redaction);
        self
    }

    /// With leave to probe the paths that rules ask for, each hop so often, about once a second.
    pub fn probing(mut self, rounds: u32) -> Self {
        self.rounds = Some(rounds);
        self
    }

    /// With leave to count the kernel's events while a window passes.
    pub fn counting_events(mut self) -> Self {
        self.counts_events = true;
        self
    }

    /// With the kernel's events among the counters of each look, where that is permitted: counted from now on, in the namespace of
    /// the calling thread.
    pub fn with_events(mut self) -> Self {
        self.events = Events::counting(netns::own_inode()).ok();
        self
    }

    /// Whether it has that leave.
    pub fn counts_events(&self) -> bool {
        self.counts_events
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            tables: Tables::default(),
            links: Links::default(),
            sys: true,
            before_ns: None,
            rounds: None,
            counts_events: false,
            events: None,
            walk: None,
            walk_failed: None,
            walker: None,
            walked_before: false,
            finder: answer::Finder::default(),
        }
    }

    /// Whether time passes between two looks by itself; a frozen host needs no waiting.
    pub fn is_live(&self) -> bool {
        self.source.is_live()
    }

    /// Whose snapshots these are.
    ///
    /// # Errors
    /// What was saved is damaged.
    pub fn identity(&mut self) -> Result<Identity, Error> {
        if !self.is_live() {
            self.source.begin()?;
        }
        Ok(identity(&mut self.source))
    }

    /// All counters, now.
    pub fn counters(&mut self) -> Counters {
        self.tables.read(&mut self.source)
    }

    /// Only these files of counters, named as [`tcphealth_core::snapshot::Table::file`]: what a fast rate can afford.
    pub fn counters_of(&mut self, files: &[&'static str]) -> Counters {
        self.tables.read_files(&mut self.source, files)
    }

    /// Everything of one instant; the window of the pass is the time since the look before.
    ///
    /// # Errors
    /// The copy could not be written, or what was saved is damaged.
    pub fn look(&mut self, pass: Pass<'_>) -> Result<(Snapshot, Marks), Error> {
        let begun = self.begin()?;
        let census = self.census(pass, port_range(&begun.sysctls));
        self.end(begun, census)
    }

    /// Everything of a look but the sockets.
    fn begin(&mut self) -> Result<Begun, Error> {
        self.source.begin()?;
        let identity = identity(&mut self.source);
        let sysctls = sysctls(&mut self.source);
        let interfaces = self.links.read(&mut self.source, self.sys);
        let mut counters = self.counters();
        counters.tables.push(qdiscs::read(&mut self.source, interfaces.as_deref().unwrap_or_default()));
        counters.tables.extend(self.events.as_ref().map(Events::table));
        Ok(Begun { identity, sysctls, interfaces, counters })
    }

    fn end(&mut self, begun: Begun, census: Result<(Census, Marks), Absent>) -> Result<(Snapshot, Marks), Error> {
        let (census, marks) = match census {
            Ok((census, marks)) => (Ok(census), marks),
            Err(absent) => (Err(absent), Marks::default()),
        };
        self.before_ns = Some(self.source.begin_ns());
        let at = self.source.end()?;
        let Begun { identity, sysctls, interfaces, counters } = begun;
        Ok((Snapshot { identity, at, counters, sysctls, interfaces, census }, marks))
    }

    fn census(&mut self, pass: Pass<'_>, range: (u16, u16)) -> Result<(Census, Marks), Absent> {
        let live = self.is_live() && !self.source.is_kept();
        if live && sockets::none_here(&mut self.source) {
            return Ok(self.fold(pass, range).finish());
        }
        let walks = live && self.walks_now(&pass);
        // The program gives sockets other cookies than the kernel: when the way changes nothing can be compared, and what would
        // have been is forgotten at once, not when the look ends.
        let pass = Some(pass).filter(|_| walks == self.walked_before).unwrap_or(Pass::First);
        self.walked_before = walks;
        let fold = self.fold(pass, range);
        let Some(walker) = self.walker.clone().filter(|_| walks) else {
            return sockets::census(&mut self.source, fold);
        };
        walker.census(&mut self.source, fold).or_else(|absent| {
            self.walk_failed = Some(absent);
            self.walked_before = false;
            let fold = self.fold(Pass::First, range);
            sockets::census(&mut self.source, fold)
        })
    }

    /// Whether the program reads the sockets of this look. The second of two goes the way of the first.
    fn walks_now(&mut self, pass: &Pass<'_>) -> bool {
        match (pass, &self.walker) {
            (_, None) => false,
            (Pass::Second(_), _) => self.walked_before,
            (_, Some(walker)) => {
                let worth = walker.pays(sockets::number(&mut self.source), self.walked_before);
                if worth {
                    self.finder.prepare();
                }
                worth
            }
        }
    }

    /// Hands every TCP socket that is asked for to `each`. Of a frozen host, those of the look that comes next.
    ///
    /// # Errors
    /// Neither sock_diag nor the text tables can be read.
    pub fn sockets(&mut self, request: Request<'_>, each: &mut dyn FnMut(&Socket)) -> Result<(), Absent> {
        if !self.is_live() {
            self.source.begin().map_err(|error| Absent::Failed(error.to_string()))?;
        }
        sockets::visit_any(&mut self.source, request, each)
    }

    /// Adds up every socket. Many are read by a program in the kernel, where that is permitted; should it fail on the way, they
    /// are asked for one by one and added up anew.
    ///
    /// # Errors
    /// The sockets cannot be read in any way.
    pub fn in_brief<T: Default>(&mut self, want: Brief<'_>, add: &mut dyn FnMut(&mut T, &Socket)) -> Result<T, Absent> {
        let walked = if self.pays() { self.walked(want, false, &mut |sum, socket, _| add(sum, socket)) } else { None };
        walked.map_or_else(
            || {
                let mut sum = T::default();
                self.sockets(want.request(), &mut |socket| add(&mut sum, socket)).map(|()| sum)
            },
            Ok,
        )
    }

    /// How many sockets are in each of these states (bits of [`tcphealth_core::snapshot::State::bit`]), read as by
    /// [`Host::in_brief`].
    ///
    /// # Errors
    /// The sockets cannot be read in any way.
    pub fn state_counts(&mut self, states: u32) -> Result<StateCounts, Absent> {
        let counted = if self.pays() { self.by_walk(|walk| walk.counts(states)) } else { None };
        counted.map_or_else(
            || self.in_brief(Brief::of(states), &mut |counts: &mut StateCounts, socket| counts.add(socket.state)),
            Ok,
        )
    }

    /// As [`Host::in_brief`] in all namespaces, each socket with the inode of its own. Without the program those that we may
    /// enter are asked one after the other; the answer tells which we may not.
    ///
    /// # Errors
    /// The sockets cannot be read in any way.
    pub fn everywhere<'a, T: Default>(
        &mut self,
        namespaces: &'a [Namespace],
        want: Brief<'_>,
        add: &mut dyn FnMut(&mut T, &Socket, u64),
    ) -> Result<(T, Vec<&'a Namespace>), Absent> {
        if let Some(sum) = self.walked(want, true, &mut |sum, socket, netns| add(sum, socket, u64::from(netns))) {
            return Ok((sum, Vec::new()));
        }
        let mut sum = T::default();
        let closed = Self::in_each(namespaces, want.request(), &mut |socket, netns| add(&mut sum, socket, netns))?;
        Ok((sum, closed))
    }

    /// As [`Host::sockets`] in one namespace after the other; the answer tells which we may not enter.
    ///
    /// # Errors
    /// The sockets of one that was entered cannot be read.
    pub fn in_each<'a>(
        namespaces: &'a [Namespace],
        request: Request<'_>,
        each: &mut dyn FnMut(&Socket, u64),
    ) -> Result<Vec<&'a Namespace>, Absent> {
        let mut closed = Vec::new();
        // Ours comes last, so that we end where we began; to stay in it needs no permission.
        for namespace in namespaces.iter().rev() {
            if namespace.enter().is_err() && !namespace.is_own {
                closed.push(namespace);
                continue;
            }
            Self::within(namespace).sockets(request, &mut |socket| each(socket, namespace.inode))?;
        }
        Ok(closed)
    }

    /// Sums of sockets that have state, peer and namespace in common, each with one of them, as the program makes them; `None`
    /// where it is of no use, or failed: then nothing that it added counts.
    pub fn sums<T: Default>(
        &mut self,
        want: Brief<'_>,
        everywhere: bool,
        add: &mut dyn FnMut(&mut T, &Socket, SocketSums, u64),
    ) -> Option<T> {
        if !everywhere && !self.pays() {
            return None;
        }
        self.by_walk(|walk| {
            let mut sum = T::default();
            walk.sums(want.want(everywhere), &mut |socket, sums, netns| add(&mut sum, socket, sums, netns.into()))?;
            Ok(sum)
        })
    }

    /// Whether the program was loaded and works.
    pub fn walks(&self) -> bool {
        matches!(self.walk, Some(Ok(_)))
    }

    /// Why the program failed, if it was loaded and failed on the way.
    pub fn walk_failed(&self) -> Option<&Absent> {
        self.walk_failed.as_ref()
    }

    /// What the program adds up; `None` when there is none, or it failed: then nothing that it added counts.
    fn walked<T: Default>(
        &mut self,
        want: Brief<'_>,
        everywhere: bool,
        add: &mut dyn FnMut(&mut T, &Socket, u32),
    ) -> Option<T> {
        self.by_walk(|walk| {
            let mut sum = T::default();
            walk.visit(want.want(everywhere), &mut |socket, netns| add(&mut sum, socket, netns))?;
            Ok(sum)
        })
    }

    fn by_walk<T>(&mut self, read: impl FnOnce(&mut Walk) -> Result<T, Absent>) -> Option<T> {
        let walk = self.walk.get_or_insert_with(Walk::load).as_mut().ok()?;
        let done = read(walk);
        if let Err(absent) = &done {
            self.walk = Some(Err(absent.clone()));
            self.walk_failed = Some(absent.clone());
        }
        done.ok()
    }

    /// The processes behind all sockets of the host at once, where there are so many that a program in the kernel pays and it
    /// is permitted; otherwise they are asked for one by one ([`Host::answer`]).
    pub fn holders(&mut self) -> Option<Holders> {
        if self.pays() { Holders::find().ok() } else { None }
    }

    /// Whether this host has so many sockets that loading a program is cheaper than asking for them one by one.
    fn pays(&mut self) -> bool {
        let from = if is_pinned() { PINNED_WALK_FROM } else { WALK_FROM };
        self.is_live() && !self.source.is_kept() && sockets::number(&mut self.source) >= from
    }

    /// Answers what has not been answered yet, in at most `budget` and a little. A frozen host answers what was kept; the rest
    /// was not asked.
    ///
    /// # Errors
    /// The answers could not be kept.
    pub fn answer(&mut self, asked: &BTreeSet<Question>, answers: &mut Answers, budget: Duration) -> Result<(), Error> {
        self.answer_watched(asked, answers, budget, &mut |_| {})
    }

    /// [`Host::answer`], where `watch` sees about once a second how far the paths are that are probed.
    ///
    /// # Errors
    /// The answers could not be kept.
    pub fn answer_watched(
        &mut self,
        asked: &BTreeSet<Question>,
        answers: &mut Answers,
        budget: Duration,
        watch: &mut dyn FnMut(&[&Tracer]),
    ) -> Result<(), Error> {
        let open: BTreeSet<Question> = asked.iter().filter(|asked| !answers.contains_key(*asked)).cloned().collect();
        let found = match self.source.thawed() {
            Some(saved) => open.into_iter().map(|asked| (asked.clone(), saved.answer(&asked))).collect(),
            None => self.find(&open, budget, watch),
        };
        self.keep(found, answers)
    }

    /// Paths take their own time, and only with leave.
    fn find(
        &mut self,
        asked: &BTreeSet<Question>,
        budget: Duration,
        watch: &mut dyn FnMut(&[&Tracer]),
    ) -> Vec<(Question, Answer)> {
        let mut found = answer::answer(asked, budget, &mut self.finder);
        if let Some(rounds) = self.rounds {
            let is_path = |question: &&Question| matches!(question, Question::Path { .. });
            let probed = answer::path::paths(asked.iter().filter(is_path).cloned(), rounds, watch);
            found.retain(|(question, _)| !is_path(&question));
            found.extend(probed);
        }
        found
    }

    /// Begins to listen in the namespace of the calling thread; [`Host::heard`] ends it. A frozen host knows what it heard.
    pub fn watch(&self, watches: &BTreeSet<Watch>) -> Watcher {
        Watcher { watches: watches.clone(), listening: self.is_live().then(|| Listening::start(watches)) }
    }

    /// Ends the listening; an answer to each watch.
    ///
    /// # Errors
    /// The answers could not be kept.
    pub fn heard(&mut self, watcher: Watcher, answers: &mut Answers) -> Result<(), Error> {
        if let Some(listening) = watcher.listening {
            return self.keep(listening.stop(), answers);
        }
        let asked = watcher.watches.into_iter().map(Question::Watch).collect();
        self.answer(&asked, answers, Duration::ZERO)
    }

    fn keep(&mut self, found: Vec<(Question, Answer)>, answers: &mut Answers) -> Result<(), Error> {
        self.source.keep(found.clone())?;
        answers.extend(found);
        Ok(())
    }

    fn fold<'a>(&self, pass: Pass<'a>, range: (u16, u16)) -> Fold<'a> {
        let since = self.source.begin_ns().saturating_sub(self.before_ns.unwrap_or_default());
        let window_ms = (since / 1_000_000).min(u64::from(u32::MAX)) as u32;
        match pass {
            Pass::First => Fold::first(range),
            Pass::Second(before) => Fold::second(before, window_ms, range),
            Pass::Next(before) => Fold::next(before, window_ms, range),
        }
    }
}

fn sysctls(source: &mut Source) -> Sysctls {
    let mut buffer = Vec::new();
    let mut read = |name: &str| {
        source.text(&format!("proc/sys/{}", name.replace('.', "/")), &mut buffer)?;
        Ok(String::from_utf8_lossy(buffer.trim_ascii()).into_owned())
    };
    SYSCTLS.iter().map(|name| ((*name).to_owned(), read(name))).collect()
}

fn port_range(sysctls: &Sysctls) -> (u16, u16) {
    let text = sysctls.get("net.ipv4.ip_local_port_range").and_then(|read| read.as_ref().ok());
    let range = text.and_then(|text| {
        let (low, high) = text.split_once(char::is_whitespace)?;
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    });
    range.unwrap_or(PORT_RANGE)
}

#[cfg(test)]
mod tests {
    use tcphealth_core::snapshot::State;

    use super::*;
    use crate::netns::Namespaces;

    #[test]
    fn a_program_that_fails_on_the_way_counts_for_nothing_and_sock_diag_is_asked() {
        let Ok(walk) = Walk::load() else {
            assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "needs CAP_BPF and CAP_PERFMON");
            return println!("not run: needs CAP_BPF and CAP_PERFMON");
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let mut host = Host { walk: Some(Ok(walk.failing())), ..Host::live() };
        let want = Brief::of(State::Listen.bit());
        let own = Namespaces::find().open.into_iter().filter(|one| one.is_own).collect::<Vec<_>>();
        let add = &mut |count: &mut u32, socket: &Socket, netns| {
            *count += u32::from(socket.local.to_string() == place && own.iter().any(|one| one.inode == netns));
        };
        let (count, closed) = host.everywhere(&own, want, add).unwrap();
        assert_eq!((count, closed.len()), (1, 0));
        assert!(host.walk_failed().is_some() && !host.walks());
    }
}
