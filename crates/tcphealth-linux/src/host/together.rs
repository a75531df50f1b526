//! One look at many network namespaces: what each has of its own is read inside it, the sockets of all of them by one walk over
//! each table that they share.
//!
//! A namespace shares the host's table of connections unless it was made with one of its own (`net.ipv4.tcp_child_ehash_entries`).
//! sock_diag goes through the whole table for each namespace that it is asked in.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tcphealth_core::snapshot::{Absent, Answer, Answers, Fold, Marks, Question, Snapshot};

use super::{Begun, DEEP_FROM, Host, Pass, port_range};
use crate::bpf::DeepWalk;
use crate::netns::Namespace;
use crate::redact::Redaction;
use crate::{Error, answer, clock, sockets};

/// One of many namespaces.
#[derive(Debug)]
pub struct Member {
    /// Which.
    pub namespace: Namespace,
    /// What reads it.
    pub host: Host,
}

/// Namespaces of this machine that are looked at together. The calling thread moves from one to the other.
#[derive(Debug, Default)]
pub struct Hosts {
    members: Vec<Member>,
    walk: Option<Result<DeepWalk, Absent>>,
    /// Whether it read the sockets of the look before.
    walked: bool,
    /// What finds the owners of sockets.
    finder: answer::Finder,
}

/// Why the walk did not end in a look.
enum Broken {
    Walk(Absent),
    Host(Error),
}

impl From<Absent> for Broken {
    fn from(absent: Absent) -> Self {
        Self::Walk(absent)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

/// A namespace whose sockets are still to come.
struct Open<'a> {
    begun: Begun,
    fold: Fold<'a>,
    /// The table in which they are; `None` when it has none.
    table: Option<u64>,
}

impl Member {
    /// As the kernel's sockets tell their namespace.
    fn number(&self) -> u32 {
        self.namespace.inode as u32
    }

    /// Moves the calling thread there. Ours is never left when no other may be entered.
    pub fn enter(&self) -> bool {
        self.namespace.enter().is_ok() || self.namespace.is_own
    }

    /// Moves there when `window` has passed since its look before, not earlier: the first looks may have taken longer.
    fn enter_after(&self, window: Duration) {
        let end = self.host.before_ns.map_or(Duration::ZERO, Duration::from_nanos) + window;
        thread::sleep(end.saturating_sub(Duration::from_nanos(clock::boot_ns())));
        self.enter();
    }

    fn open<'a>(&mut self, pass: Pass<'a>, walk: &mut DeepWalk) -> Result<Open<'a>, Broken> {
        let host = &mut self.host;
        let begun = host.begin()?;
        let mut fold = host.fold(pass, port_range(&begun.sysctls));
        let mut table = None;
        if !sockets::none_here(&mut host.source) {
            sockets::listeners(&mut host.source, &mut fold)?;
            table = Some(walk.table()?);
        }
        host.rest();
        Ok(Open { begun, fold, table })
    }
}

impl Hosts {
    /// Those that we may enter; also tells how many we may not.
    pub fn within(namespaces: Vec<Namespace>) -> (Self, usize) {
        let all = namespaces.len();
        let members = namespaces.into_iter().map(|namespace| Member { host: Host::within(&namespace), namespace });
        let members: Vec<Member> = members.filter(Member::enter).collect();
        let closed = all - members.len();
        (Self { members, ..Self::default() }, closed)
    }

    /// Keeps a copy of everything that is read from now on, each namespace in a directory of its own ([`Namespace::directory`]).
    ///
    /// # Errors
    /// As [`Host::saving`].
    pub fn saving(mut self, root: &Path, redaction: Option<&Redaction>) -> Result<Self, Error> {
        let save = |Member { namespace, host }| {
            let host = host.saving(&root.join(namespace.directory()))?;
            let host = redaction.cloned().into_iter().fold(host, Host::redacting);
            Ok(Member { namespace, host })
        };
        self.members = self.members.into_iter().map(save).collect::<Result<_, Error>>()?;
        Ok(self)
    }

    /// All of them, in the order of looks.
    pub fn members(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// A look at each, `window` after its look before.
    ///
    /// # Errors
    /// As [`Host::look`].
    pub fn look(&mut self, mut passes: Vec<Pass<'_>>, window: Duration) -> Result<Vec<(Snapshot, Marks)>, Error> {
        let first = passes.iter().all(|pass| matches!(pass, Pass::First));
        let walks = if first { self.pays() } else { self.walked };
        self.walked = false;
        if walks {
            match self.by_walk(passes, window) {
                Ok(looks) => {
                    self.walked = true;
                    return Ok(looks);
                }
                Err(Broken::Host(error)) => return Err(error),
                Err(Broken::Walk(absent)) => self.walk = Some(Err(absent)),
            }
            // The marks of a walk are of no use to sock_diag.
            passes = self.members.iter().map(|_| Pass::First).collect();
        }
        let one_by_one = self.members.iter_mut().zip(passes).map(|(member, pass)| {
            member.enter_after(window);
            let look = member.host.look(pass);
            member.host.rest();
            look
        });
        one_by_one.collect()
    }

    /// Why the sockets are asked for in one namespace after the other, where one walk would pay.
    pub fn walk_refused(&self) -> Option<&Absent> {
        self.walk.as_ref()?.as_ref().err()
    }

    /// Whether there is so much to read that loading the program costs less.
    fn pays(&mut self) -> bool {
        let namespaces = self.members.len() as u64;
        let Some(Member { host, .. }) = self.members.first_mut() else { return false };
        !host.source.is_kept() && sockets::number(&mut host.source).saturating_mul(namespaces) >= DEEP_FROM
    }

    fn by_walk(&mut self, passes: Vec<Pass<'_>>, window: Duration) -> Result<Vec<(Snapshot, Marks)>, Broken> {
        let walk = self.walk.get_or_insert_with(DeepWalk::load).as_mut().map_err(|absent| absent.clone())?;
        let mut opened = Vec::with_capacity(self.members.len());
        for (member, pass) in self.members.iter_mut().zip(passes) {
            member.enter_after(window);
            opened.push(member.open(pass, walk)?);
        }
        fill(&self.members, &mut opened, walk)?;
        let looks = self.members.iter_mut().zip(opened).map(|(member, open)| {
            let census = open.fold.finish();
            Ok(member.host.end(open.begun, Ok(census))?)
        });
        looks.collect()
    }

    /// Answers what each asks, in all together within `budget` and a little. Who holds a socket is searched for once for all.
    ///
    /// # Errors
    /// As [`Host::answer`].
    pub fn answer(
        &mut self,
        asked: &[BTreeSet<Question>],
        answers: &mut [Answers],
        budget: Duration,
    ) -> Result<(), Error> {
        let begin = Instant::now();
        let is_owner = |question: &&Question| matches!(question, Question::Owner { .. });
        let owners: BTreeSet<Question> = asked.iter().flatten().filter(is_owner).cloned().collect();
        let owners: BTreeMap<Question, Answer> =
            answer::answer(&owners, budget / 2, &mut self.finder).into_iter().collect();
        for ((member, asked), answers) in self.members.iter_mut().zip(asked).zip(answers) {
            let known = |question: &Question| Some((question.clone(), owners.get(question)?.clone()));
            member.host.keep(asked.iter().filter_map(known).collect(), answers)?;
            let rest: BTreeSet<Question> = asked.iter().filter(|one| !is_owner(one)).cloned().collect();
            if !rest.is_empty() {
                member.enter();
                member.host.answer(&rest, answers, budget.saturating_sub(begin.elapsed()))?;
            }
        }
        Ok(())
    }
}

/// Walks over each table once, from inside a namespace that has it.
fn fill(members: &[Member], opened: &mut [Open<'_>], walk: &mut DeepWalk) -> Result<(), Absent> {
    let mut tables: BTreeMap<u64, Vec<&Member>> = BTreeMap::new();
    let mut folds: BTreeMap<u32, &mut Fold<'_>> = BTreeMap::new();
    for (member, open) in members.iter().zip(opened) {
        let Some(table) = open.table else { continue };
        tables.entry(table).or_default().push(member);
        folds.insert(member.number(), &mut open.fold);
    }
    for sharers in tables.values() {
        let numbers: HashSet<u32> = sharers.iter().map(|member| member.number()).collect();
        if let Some(inside) = sharers.first() {
            inside.enter();
        }
        let interrupted = walk.visit_all(sockets::CONNECTED, &numbers, &mut |socket, netns| {
            if let Some(fold) = folds.get_mut(&netns) {
                fold.add(socket);
            }
        })?;
        let concerned = folds.iter_mut().filter(|(netns, _)| interrupted && numbers.contains(netns));
        concerned.for_each(|(_, fold)| fold.interrupted());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Child, Command, Stdio};

    use nix::sched::{CloneFlags, setns};
    use tcphealth_core::snapshot::{Census, State};

    use super::*;
    use crate::bpf::population;
    use crate::netns::{self, Namespaces};

    /// Two that share the host's table and one with its own.
    const NAMESPACES: [&str; 3] = ["", "", "echo 1024 > /proc/sys/net/ipv4/tcp_child_ehash_entries; exec unshare -n "];

    fn keeper(before: &str) -> Child {
        let words = ["-n", "sh", "-c", &format!("{before}sleep 60")];
        Command::new("unshare").args(words).stdin(Stdio::null()).spawn().unwrap()
    }

    /// What stands still in a census, whoever read it.
    fn still(census: &Census) -> String {
        let services = census.services.iter().map(|of| {
            let counts = (of.key, of.states, of.fin_wait2_stubs, of.unaccepted, of.unaccepted_close_wait);
            let queues = (of.unread, of.recv_queue_bytes, of.send_queue_bytes, of.memory_bytes);
            let rest = (of.with_data, of.ports, of.ports_second_parity, of.min_rtt_us, of.uid, of.cgroup);
            format!("{counts:?} {queues:?} {rest:?}\n")
        });
        let peers =
            census.peers.iter().map(|of| format!("{:?}\n", (of.address, of.sockets, of.with_data, of.min_rtt_us)));
        let sums = (&census.states, &census.listeners, &census.ports, &census.left_out, census.sockets.len());
        format!("{sums:?}\n{}{}", services.collect::<String>(), peers.collect::<String>())
    }

    fn looks_alike(namespaces: Vec<Namespace>) -> Result<(), Absent> {
        let inodes: Vec<u64> = namespaces.iter().map(|one| one.inode).collect();
        let (mut hosts, closed) = Hosts::within(namespaces);
        assert_eq!((hosts.members.len(), closed), (NAMESPACES.len(), 0));
        let first = NAMESPACES.map(|_| Pass::First).into();
        let by_walk = match hosts.by_walk(first, Duration::ZERO) {
            Ok(looks) => looks,
            Err(Broken::Walk(absent)) => return Err(absent),
            Err(Broken::Host(error)) => panic!("{error}"),
        };
        let tables: BTreeSet<u64> = hosts
            .members
            .iter_mut()
            .map(|member| {
                member.enter();
                hosts.walk.as_mut().unwrap().as_mut().unwrap().table().unwrap()
            })
            .collect();
        assert_eq!(tables.len(), 2);
        for (member, (walked, _)) in hosts.members.iter_mut().zip(&by_walk) {
            member.enter();
            let (told, _) = member.host.look(Pass::First).unwrap();
            let (walked, told) = (walked.census.as_ref().unwrap(), told.census.unwrap());
            assert_eq!(still(walked), still(&told));
            assert_eq!((told.states.get(State::Established), told.states.get(State::Listen)), (808, 3));
        }
        assert_eq!(by_walk.iter().map(|(look, _)| look.identity.netns).collect::<Vec<_>>(), inodes);
        // A second look by the same way finds all that is left of the first, at once or after another way has failed.
        let second = || by_walk.iter().map(|(_, marks)| Pass::Second(marks)).collect();
        hosts.walked = true;
        for (look, marks) in hosts.look(second(), Duration::from_millis(10)).unwrap() {
            let census = look.census.unwrap();
            let kept: u32 = census.services.iter().map(|service| service.kept.total()).sum();
            assert!(census.joined && kept > 1_000 && marks.is_empty());
            assert_eq!((kept, census.born.total()), (census.states.live(), 0));
        }
        let failing = hosts.walk.take().unwrap().unwrap().failing();
        hosts.walk = Some(Ok(failing));
        for (look, _) in hosts.look(second(), Duration::ZERO).unwrap() {
            assert!(!look.census.unwrap().joined);
        }
        assert!(hosts.walk_refused().is_some() && !hosts.walked);
        Ok(())
    }

    #[test]
    fn one_walk_and_a_dump_in_each_namespace_make_the_same_censuses() {
        let mut children = NAMESPACES.map(keeper);
        thread::sleep(Duration::from_millis(500));
        let held = children.each_ref().map(|child| {
            let place = File::open(format!("/proc/{}/ns/net", child.id())).unwrap();
            let inside = thread::spawn(move || {
                setns(place, CloneFlags::CLONE_NEWNET).map_err(|errno| Absent::NotPermitted(errno.to_string()))?;
                assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
                Ok(population())
            });
            inside.join().unwrap()
        });
        let inodes = children.each_ref().map(|child| netns::of_process(child.id()).unwrap());
        thread::sleep(Duration::from_millis(500));
        let refused = held.iter().find_map(|held| held.as_ref().err().cloned());
        let alike = thread::spawn(move || {
            let open = Namespaces::find().open.into_iter().filter(|one| inodes.contains(&one.inode)).collect();
            refused.map_or_else(|| looks_alike(open), Err)
        });
        let alike = alike.join();
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        drop(held);
        match alike {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                assert!(std::env::var_os("TCPHEALTH_ALL_TESTS").is_none(), "{why:?}");
                println!("not run: {why:?}");
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
