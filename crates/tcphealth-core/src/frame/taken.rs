//! A look with what was asked about it ⇄ leaves. The counters have a stream of their own, so that they can be taken more often
//! than the sockets; the two meet again by the time at which they were taken.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::block::Moment;
use super::leaves::{Leaf, STEP, Slots, flatten, unflatten};
use crate::snapshot::{
    Absent, Answer, Answers, Census, Counters, Identity, Interface, Names, Question, Snapshot, Stamp, Sysctls, Table,
};

/// What the recorder says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meter {
    /// When it began, µs since 1970; 0 where a recording does not say.
    pub begun_us: i64,
    /// Time between two looks at the counters, ms.
    pub interval_ms: u64,
    /// Time between two looks at the sockets that was asked for, ms.
    pub census_asked_ms: u64,
    /// Time between two looks at the sockets, ms: longer than asked for when one costs much.
    pub census_interval_ms: u64,
    /// CPU time that it has used so far, µs (getrusage).
    pub cpu_us: u64,
    /// The most memory that it has had resident, kB (`VmHWM`).
    pub resident_kb: u64,
    /// How often it has paused since it began, because a sample could not be stored.
    pub pauses: u64,
}

/// A look without its counters, what was answered to the questions about it, and who took it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Whose it is.
    pub identity: Identity,
    /// When it was taken.
    pub at: Stamp,
    /// The settings.
    #[serde(default)]
    pub sysctls: Sysctls,
    /// The interfaces.
    #[serde(default = "not_kept")]
    pub interfaces: Result<Vec<Interface>, Absent>,
    /// The sockets.
    #[serde(default = "not_kept")]
    pub census: Result<Census, Absent>,
    /// What was known when it was judged.
    #[serde(default)]
    answers: Vec<Answered>,
    /// The recorder.
    #[serde(default)]
    pub meter: Meter,
}

fn not_kept<T>() -> Result<T, Absent> {
    Err(Absent::NotAsked)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answered {
    question: Question,
    answer: Answer,
}

/// Whose a look is and how the host was, without its sockets.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Scene {
    /// Whose it is.
    pub identity: Identity,
    /// Of its time only what the local clock was ahead of UTC.
    pub at: Stamp,
    /// The interfaces, by their indexes.
    pub interfaces: Result<Vec<Interface>, Absent>,
    /// Of the recorder only how often it looked.
    pub meter: Meter,
}

impl Default for Scene {
    fn default() -> Self {
        Self { identity: Identity::default(), at: Stamp::default(), interfaces: not_kept(), meter: Meter::default() }
    }
}

impl Scene {
    /// Whether a leaf of a look belongs to it.
    pub fn has(path: &str) -> bool {
        let mut steps = path.split(STEP).skip(1);
        match steps.next() {
            Some("at") => steps.next() == Some("utc_offset_seconds"),
            Some("meter") => steps.next() == Some("census_interval_ms"),
            first => matches!(first, Some("identity" | "interfaces")),
        }
    }

    /// From its leaves.
    ///
    /// # Errors
    /// One of them is of another kind.
    pub fn from_leaves(leaves: &BTreeMap<String, Leaf>) -> Result<Self, NotTaken> {
        if leaves.is_empty() {
            return Ok(Self::default());
        }
        let mut scene: Self = serde_json::from_value(unflatten(leaves)).map_err(|error| NotTaken(error.to_string()))?;
        if let Ok(links) = &mut scene.interfaces {
            links.sort_by_key(|link| link.ifindex);
        }
        Ok(scene)
    }
}

/// Leaves that are no look.
#[derive(Debug)]
pub struct NotTaken(String);

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the recorded look is not whole: {}", self.0)
    }
}

impl std::error::Error for NotTaken {}

impl Taken {
    /// Of a look.
    pub fn of(snapshot: &Snapshot, answers: &Answers, meter: Meter) -> Self {
        let answered =
            |(question, answer): (&Question, &Answer)| Answered { question: question.clone(), answer: answer.clone() };
        Self {
            identity: snapshot.identity.clone(),
            at: snapshot.at,
            sysctls: snapshot.sysctls.clone(),
            interfaces: snapshot.interfaces.clone(),
            census: snapshot.census.clone(),
            answers: answers.iter().map(answered).collect(),
            meter,
        }
    }

    /// Its leaves.
    pub fn leaves(&self, slots: &mut Slots) -> BTreeMap<String, Leaf> {
        flatten(&serde_json::to_value(self).expect("its maps have names as keys"), slots)
    }

    /// From its leaves.
    ///
    /// # Errors
    /// One of the leaves that make it is missing or of another kind.
    pub fn from_leaves(leaves: &BTreeMap<String, Leaf>) -> Result<Self, NotTaken> {
        let mut taken: Self = serde_json::from_value(unflatten(leaves)).map_err(|error| NotTaken(error.to_string()))?;
        if let Ok(census) = &mut taken.census {
            census.services.sort_unstable_by_key(|service| service.key);
            census.peers.sort_unstable_by_key(|peer| peer.address);
            census.ports.sort_unstable_by_key(|ports| ports.source);
        }
        Ok(taken)
    }

    /// What the recorder said of itself in a look that has these leaves: entity, field, value.
    pub fn meter_of<'a>(leaves: impl IntoIterator<Item = (&'a str, &'a str, Leaf)>) -> Meter {
        let own = leaves.into_iter().filter(|(entity, field, _)| entity.is_empty() && field.starts_with(METER));
        let own = unflatten(&own.map(|(_, field, leaf)| (field.to_owned(), leaf)).collect());
        own.get("meter").and_then(|own| Meter::deserialize(own).ok()).unwrap_or_default()
    }

    /// When it was taken, as its stream has it.
    pub fn moment(&self) -> Moment {
        moment(&self.at)
    }

    /// What was asked about it, and answered.
    pub fn answers(&self) -> impl Iterator<Item = (&Question, &Answer)> {
        self.answers.iter().map(|answered| (&answered.question, &answered.answer))
    }

    /// The look and the answers, with the counters that were taken with it.
    pub fn with(self, counters: Counters) -> (Snapshot, Answers) {
        let answers = self.answers.into_iter().map(|answered| (answered.question, answered.answer)).collect();
        let Self { identity, at, sysctls, interfaces, census, .. } = self;
        (Snapshot { identity, at, counters, sysctls, interfaces, census }, answers)
    }
}

/// How the fields of a [`Meter`] begin.
const METER: &str = "\u{1f}meter\u{1f}";

/// Whether a leaf is needed to count sockets by state and service: not the sockets that were kept in full, and of a service
/// only which it is and its states. That is a tenth of a look.
pub fn is_to_count(entity: &str, field: &str) -> bool {
    match entity.strip_prefix("\u{1f}census\u{1f}Ok\u{1f}") {
        Some(part) if part.starts_with("sockets\u{1f}") => false,
        Some(part) if part.starts_with("services\u{1f}") => {
            field.starts_with("\u{1f}key") || field.starts_with("\u{1f}states")
        }
        _ => true,
    }
}

/// The wall clock may drift from the boot clock so far between two samples, µs; more is a boot, or a clock that was set.
const DRIFT_MAX_US: u64 = 1_000_000;

/// Whether a sample can be compared with the one before: time has passed, no more than that, and it is the same on both clocks.
pub fn goes_on(before: Moment, now: Moment, apart_max_us: u64) -> bool {
    let passed_us = now.boot_us.saturating_sub(before.boot_us);
    let drift_us = now.wall_us.saturating_sub(before.wall_us).saturating_sub_unsigned(passed_us);
    passed_us > 0 && passed_us <= apart_max_us && drift_us.unsigned_abs() <= DRIFT_MAX_US
}

/// A time as the streams have it.
pub fn moment(at: &Stamp) -> Moment {
    Moment { boot_us: at.begin_ns / 1000, wall_us: at.wall_ns.div_euclid(1000) }
}

const ABSENT: &str = "";

/// Hands on the leaves of counters: table, name, value; of a table that was not read, why.
pub fn counter_leaves(counters: &Counters, each: &mut dyn FnMut(&str, &str, Leaf)) {
    for table in &counters.tables {
        if let Some(absent) = &table.absent {
            let why = serde_json::to_string(absent).expect("it holds words only");
            each(table.file, ABSENT, Leaf::Word(why));
        }
        let pairs = table.names.list().iter().zip(&table.values);
        pairs.for_each(|(name, value)| each(table.file, name, Leaf::Number(*value)));
    }
}

/// The counters that have these leaves: table, name, value, ordered by table.
pub fn counters<'a>(leaves: impl IntoIterator<Item = (&'a str, &'a str, Leaf)>) -> Counters {
    type Parts = (Vec<String>, Vec<u64>, Option<Absent>);
    let mut tables: BTreeMap<&str, Parts> = BTreeMap::new();
    for (file, name, leaf) in leaves {
        let (names, values, absent) = tables.entry(file).or_default();
        match leaf {
            Leaf::Number(value) => {
                names.push(name.to_owned());
                values.push(value);
            }
            Leaf::Word(why) => *absent = serde_json::from_str(&why).ok(),
        }
    }
    let table = |(file, (names, values, absent))| Table {
        file: Table::FILES
            .into_iter()
            .chain([Table::QDISCS, Table::EVENTS])
            .find(|known| *known == file)
            .unwrap_or("recorded"),
        names: Arc::new(Names::new(names)),
        values,
        read_ns: 0,
        absent,
    };
    Counters { tables: tables.into_iter().map(table).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Endpoint, Followed, Listener, Mark, State};
    use crate::snapshot::{Fact, Owner, Peer, PortUse, Service, ServiceKey, Socket, TcpInfo};
    use proptest::prelude::*;

    fn census(sockets: &[(u64, u32)], peers: &[[u8; 4]]) -> Census {
        let mut census = Census { joined: true, ..Census::default() };
        for &(cookie, wqueue) in sockets {
            census.states.add(State::Established);
            let info = Some(TcpInfo::new(&cookie.to_le_bytes().repeat(35)));
            let socket = Socket { cookie, wqueue, state: State::Established, info, ..Socket::default() };
            let before = Some(Mark { cookie, ..Mark::default() }).filter(|_| cookie % 2 == 0);
            census.sockets.push(Followed { socket, before });
        }
        for &peer in peers {
            let address = peer.into();
            census.peers.push(Peer::new(address, address));
            let key = ServiceKey::Destination { source: address, destination: Endpoint { address, port: 443 } };
            census.services.push(Service::new(key));
        }
        census
    }

    fn snapshot(census: Census, at: u64) -> Snapshot {
        let mut snapshot = crate::window::tests::snapshot(at, &[]);
        snapshot.sysctls = [("net.ipv4.tcp_mem".to_owned(), Ok("1\t2\t3".to_owned()))].into();
        snapshot.sysctls.insert("net.ipv4.tcp_tw_recycle".to_owned(), Err(Absent::NotHere));
        snapshot.interfaces = Ok(vec![Interface { name: "eth0".to_owned(), ..Interface::default() }]);
        snapshot.census = Ok(census);
        snapshot
    }

    proptest! {
        // The state of the slots goes from one sample to the next, as in a recorder.
        #[test]
        fn looks_come_back(looks in prop::collection::vec((prop::collection::btree_map(1_u64..9, 0_u32..3, 0..6), prop::collection::btree_set(any::<[u8; 4]>(), 0..5)), 1..5)) {
            let mut slots = Slots::default();
            for (place, (sockets, peers)) in looks.into_iter().enumerate() {
                let (sockets, peers): (Vec<_>, Vec<_>) = (sockets.into_iter().collect(), peers.into_iter().collect());
                let snapshot = snapshot(census(&sockets, &peers), place as u64 + 1);
                let asked = Question::Owner { inode: 7, uid: 1000 };
                let owner = Fact::Owner(Some(Owner { pid: 1, comm: "a".to_owned(), others: 0 }));
                let answers: Answers = [(asked, Ok(owner)), (Question::Process { pid: 1 }, Err(Absent::NotHere))].into();
                let taken = Taken::of(&snapshot, &answers, Meter::default());
                let read = Taken::from_leaves(&taken.leaves(&mut slots)).unwrap();
                let (read, read_answers) = read.with(Counters::default());
                prop_assert_eq!(read_answers, answers);
                let in_order = |snapshot: &Snapshot| {
                    let mut census = snapshot.census.clone().unwrap();
                    census.sockets.sort_by_key(|followed| followed.socket.cookie);
                    format!("{:?} {:?} {:?} {:?}", census, snapshot.identity, snapshot.sysctls, snapshot.interfaces)
                };
                prop_assert_eq!(in_order(&read), in_order(&snapshot));
                prop_assert_eq!(read.at, snapshot.at);
            }
        }
    }

    /// What tells one thing from another; without it there is nothing to read.
    const IDENTITIES: [&str; 8] = ["identity", "at", "question", "answer", "key", "address", "port", "source"];

    #[test]
    fn a_look_whose_recorder_did_not_know_a_field_is_read_without_it() {
        let (mut slots, peer) = (Slots::default(), [192, 0, 2, 1]);
        let mut census = census(&[(2, 1), (3, 1)], &[peer]);
        census.ports.push(PortUse { source: peer.into(), distinct: 1, shared: 1 });
        census.listeners.push(Listener { local: Endpoint { address: peer.into(), port: 1 }, ..Listener::default() });
        let asked = Question::Owner { inode: 7, uid: 1000 };
        let answers = Answers::from([(asked, Ok(Fact::Owner(Some(Owner::default()))))]);
        let whole = serde_json::to_value(Taken::of(&snapshot(census, 1), &answers, Meter::default())).unwrap();
        let leaves = flatten(&whole, &mut slots);
        let mut tried = 0;
        let is_field = |path: &&String| {
            let steps: Vec<&str> = path.split('\u{1f}').collect();
            !steps.iter().any(|step| IDENTITIES.contains(step))
                && steps.last().is_some_and(|last| !last.starts_with('\u{1e}'))
        };
        for path in leaves.keys().filter(is_field) {
            let mut older = leaves.clone();
            older.remove(path);
            let read = Taken::from_leaves(&older);
            assert!(read.is_ok(), "{path:?}: {}", read.unwrap_err());
            tried += 1;
        }
        assert!(tried > 200, "{tried}");
    }

    #[test]
    fn a_listener_comes_back_with_its_address() {
        let local = Endpoint { address: "2001:db8::5".parse().unwrap(), port: 80 };
        let listener = Listener {
            local,
            ifindex: 0,
            dual_stack: true,
            queue: 1,
            limit: u32::MAX,
            drops: None,
            drops_grown: Some(0),
            syn_recv: 0,
            syn_recv_retried: 0,
            inode: 5,
            uid: 0,
            cookie: u64::MAX,
            cgroup: None,
        };
        let whole = snapshot(Census { listeners: vec![listener], ..Census::default() }, 1);
        let leaves = Taken::of(&whole, &Answers::new(), Meter::default()).leaves(&mut Slots::default());
        let read = Taken::from_leaves(&leaves).unwrap();
        assert_eq!(format!("{:?}", read.census), format!("{:?}", whole.census));
    }

    #[test]
    fn counters_come_back_with_what_is_absent() {
        let table = |file, absent| Table { file, absent, ..Table::default() };
        let mut written = Counters::from_pairs([("Tcp.ActiveOpens", 5), ("Tcp.MaxConn", u64::MAX)]);
        written.tables[0].file = "net/snmp";
        written.tables.push(table("net/netstat", Some(Absent::NotPermitted("root".into()))));
        let mut leaves = Vec::new();
        counter_leaves(&written, &mut |file, name, leaf| leaves.push((file.to_owned(), name.to_owned(), leaf)));
        let read = counters(leaves.iter().map(|(file, name, leaf)| (file.as_str(), name.as_str(), leaf.clone())));
        assert_eq!((read.named("Tcp.ActiveOpens"), read.named("Tcp.MaxConn")), (Some(5), Some(u64::MAX)));
        let absent = read.tables.iter().find(|table| table.file == "net/netstat").unwrap().absent.clone();
        assert_eq!(absent, Some(Absent::NotPermitted("root".into())));
    }
}
