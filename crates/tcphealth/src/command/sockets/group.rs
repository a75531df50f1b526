//! Sockets counted by what they have in common.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tcphealth_core::format::{pad, width};
use tcphealth_core::snapshot::{Endpoint, Quick, Socket, SocketSums, State};
use tcphealth_core::text;
use tcphealth_core::words::Lang;
use tcphealth_linux::{Brief, Host, Namespace, Namespaces};

use super::columns::Column;
use super::filter::Filter;
use super::names::Names;
use super::{note, note_failed_walk, request, unread};
use crate::args::{By, SocketsArgs, Table, With};

/// Where the value of a key is not known or does not apply.
const NONE: &str = "-";

/// What is told of a group; sums that are not known of all its sockets are not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    sums: SocketSums,
    queues_known: bool,
    total_retrans_known: bool,
}

impl Default for Totals {
    fn default() -> Self {
        Self { sums: SocketSums::default(), queues_known: true, total_retrans_known: true }
    }
}

impl Totals {
    /// Adds so many recorded sockets with their queues; of the rest nothing is known.
    pub(super) fn count(&mut self, sockets: u32, queues: Option<(u64, u64)>) {
        let (unread_bytes, unacknowledged_bytes) = queues.unwrap_or_default();
        self.sums +=
            SocketSums { sockets: sockets.into(), unread_bytes, unacknowledged_bytes, ..SocketSums::default() };
        self.queues_known &= queues.is_some();
        self.total_retrans_known = false;
    }

    fn of(&self, what: With) -> Option<u64> {
        let sums = &self.sums;
        match what {
            With::RecvQ => self.queues_known.then_some(sums.unread_bytes),
            With::SendQ => self.queues_known.then_some(sums.unacknowledged_bytes),
            With::TotalRetrans => self.total_retrans_known.then_some(sums.total_retrans),
            With::Rtt => sums.rtt_us.checked_div(sums.measured),
        }
    }
}

/// What is told: what was asked for, and what is sorted by.
fn told(args: &SocketsArgs) -> Vec<With> {
    With::ALL
        .into_iter()
        .filter(|what| args.with.contains(what) || args.sort.and_then(Column::with) == Some(*what))
        .collect()
}

/// The names of what each group has in common, and its sums.
pub(super) type Groups = Vec<(Vec<String>, Totals)>;

/// All that is to be written.
pub(super) struct Counted {
    pub(super) groups: Groups,
    pub(super) netns: u64,
    /// Sockets whose owner was not found in time.
    pub(super) late: usize,
    /// When it was recorded.
    pub(super) at: Option<String>,
    /// The namespaces whose sockets these are, and whether they are all there are; `None` when that was not asked.
    pub(super) namespaces: Option<(Vec<Namespace>, bool)>,
}

/// Counts the sockets of a host.
pub(super) fn run(
    host: &mut Host,
    filter: &Filter,
    args: &SocketsArgs,
    (lang, out): (Lang, &mut dyn Write),
) -> anyhow::Result<()> {
    let mut table = Reader::new(host, args)?;
    let keys = Keys::new(&mut table, filter)?;
    let groups = keys.count(&mut table, filter)?;
    note_failed_walk(table.host, lang);
    let all = table.everywhere && !table.is_partial;
    if table.is_partial {
        let words = text! {
            en: "only of this network namespace: others need root, or CAP_SYS_ADMIN",
            ko: "이 네트워크 네임스페이스의 소켓만 셈. 다른 곳은 root 또는 CAP_SYS_ADMIN이 필요함"
        };
        eprintln!("{}", words.get(lang));
    }
    let namespaces = table.by_netns.then_some((table.namespaces.open, all));
    write(args, Counted { groups, netns: table.netns, late: keys.names.late(), at: None, namespaces }, (lang, out))
}

/// Writes one line a group, the largest first unless `--sort` says otherwise.
pub(super) fn write(
    args: &SocketsArgs,
    mut counted: Counted,
    (lang, out): (Lang, &mut dyn Write),
) -> anyhow::Result<()> {
    let groups = &mut counted.groups;
    sort(groups, args.sort);
    let left_out = groups.len().saturating_sub(args.limit.unwrap_or(usize::MAX));
    groups.truncate(args.limit.unwrap_or(usize::MAX));
    match args.format {
        Table::Text => text(args, groups, (lang, out))?,
        Table::Json => json(args, &counted, left_out, out)?,
        Table::Csv => csv(args, groups, out)?,
    }
    note(if args.format == Table::Json { 0 } else { left_out }, counted.late, lang);
    Ok(())
}

/// Where the sockets are read: here, or, grouped by namespace and without another one named, in all of them.
struct Reader<'a> {
    host: &'a mut Host,
    args: &'a SocketsArgs,
    netns: u64,
    by_netns: bool,
    namespaces: Namespaces,
    everywhere: bool,
    /// Whether there may be sockets in namespaces that we may not enter.
    is_partial: bool,
}

impl<'a> Reader<'a> {
    fn new(host: &'a mut Host, args: &'a SocketsArgs) -> anyhow::Result<Self> {
        let netns = host.identity()?.netns;
        let by_netns = args.by.contains(&By::Netns) && host.is_live();
        let namespaces = if by_netns { Namespaces::find() } else { Namespaces::default() };
        let everywhere = by_netns && args.elsewhere.netns.is_none();
        Ok(Self { host, args, netns, by_netns, namespaces, everywhere, is_partial: false })
    }

    /// Adds up what the filter takes, each with its namespace; only a control group must be asked of sock_diag.
    fn read<T: Default>(&mut self, filter: &Filter, add: &mut dyn FnMut(&mut T, &Socket, u64)) -> anyhow::Result<T> {
        let add = &mut |sum: &mut T, socket: &Socket, netns| {
            if filter.takes(socket) {
                add(sum, socket, netns);
            }
        };
        let (netns, all) = (self.netns, &self.namespaces.open);
        let asked = self.args.by.contains(&By::Cgroup).then(|| request(filter, self.args));
        let code = filter.code();
        let want = Brief { code: code.as_ref(), ..self.want(filter) };
        let mut sum = T::default();
        let read = match asked {
            None if self.everywhere => self.host.everywhere(all, want, add),
            None => self.host.in_brief(want, &mut |sum, socket| add(sum, socket, netns)).map(|sum| (sum, vec![])),
            Some(request) if self.everywhere => {
                Host::in_each(all, request, &mut |socket, netns| add(&mut sum, socket, netns))
                    .map(|closed| (sum, closed))
            }
            Some(request) => {
                self.host.sockets(request, &mut |socket| add(&mut sum, socket, netns)).map(|()| (sum, vec![]))
            }
        };
        let (sum, closed) = read.map_err(|absent| unread(&absent))?;
        // Who may not enter another namespace may not see those of other users' processes either.
        self.is_partial |= !closed.is_empty() || (self.everywhere && !self.host.walks() && self.namespaces.refused > 0);
        Ok(sum)
    }

    /// Of each socket what the keys and the columns need.
    fn want(&self, filter: &Filter) -> Brief<'static> {
        let told = told(self.args);
        Brief {
            owners: self.args.by.contains(&By::Process),
            queues: told.contains(&With::RecvQ) || told.contains(&With::SendQ),
            progress: told.contains(&With::TotalRetrans) || told.contains(&With::Rtt),
            ..Brief::of(filter.states)
        }
    }

    /// As [`Reader::read`], but sockets that have state, peer and namespace in common may come summed up, with one of them.
    fn sum<T: Default>(
        &mut self,
        filter: &Filter,
        add: &mut dyn FnMut(&mut T, &Socket, SocketSums, u64),
    ) -> anyhow::Result<T> {
        let in_common = |by: &By| matches!(by, By::State | By::Peer | By::Subnet | By::Netns);
        if filter.is_by_state() && self.args.by.iter().all(in_common) {
            let ours = (!self.everywhere).then_some(self.netns);
            let summed = self.host.sums(self.want(filter), self.everywhere, &mut |sum, socket, sums, netns| {
                add(sum, socket, sums, ours.unwrap_or(netns));
            });
            if let Some(sum) = summed {
                return Ok(sum);
            }
        }
        self.read(filter, &mut |sum, socket, netns| add(sum, socket, SocketSums::of(socket), netns))
    }

    /// What a group is called; what has no way in goes by its inode.
    fn name(&self, common: &Common<'_>) -> String {
        let known = |inode| self.namespaces.open.iter().find(|one| one.inode == inode).map(|one| one.name.clone());
        match common {
            Common::Netns(inode) => known(*inode).unwrap_or_else(|| common.name()),
            _ => common.name(),
        }
    }
}

fn sort(groups: &mut Groups, column: Option<Column>) {
    let with = column.and_then(Column::with);
    groups.sort_by(|(a_key, a), (b_key, b)| match (with, column) {
        (Some(with), _) => b.of(with).cmp(&a.of(with)),
        (None, Some(column)) if column.ascends() => a_key.cmp(b_key),
        _ => b.sums.sockets.cmp(&a.sums.sockets),
    });
}

/// What sockets of one group have in common, as it stands in a socket or in the answers about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Common<'a> {
    State(State),
    Process(Option<(u32, &'a str)>),
    Endpoint(Option<Endpoint>),
    Address(Option<IpAddr>),
    Subnet(Option<IpAddr>),
    Cgroup(Option<&'a str>),
    Netns(u64),
}

impl Common<'_> {
    /// As it is written.
    pub(super) fn name(&self) -> String {
        let name = match self {
            Self::State(state) => Some(state.name().to_owned()),
            Self::Process(owner) => owner.map(|(pid, comm)| format!("{comm} ({pid})")),
            Self::Endpoint(endpoint) => endpoint.map(|endpoint| endpoint.to_string()),
            Self::Address(address) => address.map(|address| address.to_string()),
            Self::Subnet(network) => network.map(|network| format!("{network}/{}", subnet_bits(network))),
            Self::Cgroup(path) => path.map(str::to_owned),
            Self::Netns(netns) => Some(netns.to_string()),
        };
        name.unwrap_or_else(|| NONE.to_owned())
    }
}

/// What must be known beside a socket to tell its group.
struct Keys {
    names: Names,
    listening: HashSet<(u64, Endpoint)>,
}

impl Keys {
    fn new(table: &mut Reader<'_>, filter: &Filter) -> anyhow::Result<Self> {
        let by = &table.args.by;
        let (process, cgroup) = (by.contains(&By::Process), by.contains(&By::Cgroup));
        let mut keys = Self { names: Names::default(), listening: HashSet::new() };
        if by.iter().any(|by| matches!(by, By::Listener | By::Destination)) {
            let listeners = Filter::of(State::Listen.bit());
            let add = &mut |listening: &mut HashSet<_>, socket: &Socket, netns| {
                listening.insert((netns, socket.local));
            };
            keys.listening = table.read(&listeners, add)?;
        }
        let process = process && !keys.names.find_holders(table.host);
        if process || cgroup {
            let asked = table.read(filter, &mut |names: &mut Names, socket, _| {
                if process {
                    names.want_process(socket);
                }
                if cgroup {
                    names.want_cgroup(socket);
                }
            })?;
            keys.names.want(asked);
            keys.names.ask(table.host)?;
        }
        Ok(keys)
    }

    /// Counts by state alone, which does not take a look at each socket; `None` when more is asked for.
    fn count_states(table: &mut Reader<'_>, filter: &Filter) -> anyhow::Result<Option<Groups>> {
        if table.args.by != [By::State] || !told(table.args).is_empty() || !filter.is_by_state() {
            return Ok(None);
        }
        let counts = table.host.state_counts(filter.states).map_err(|absent| unread(&absent))?;
        let groups = State::ALL.into_iter().filter(|state| counts.get(*state) > 0).map(|state| {
            let sums = SocketSums { sockets: counts.get(state).into(), ..SocketSums::default() };
            (vec![state.name().to_owned()], Totals { sums, ..Totals::default() })
        });
        Ok(Some(groups.collect()))
    }

    /// Counts while the sockets are read, and names the groups at the end: a socket costs a search, and no text.
    fn count(&self, table: &mut Reader<'_>, filter: &Filter) -> anyhow::Result<Groups> {
        if let Some(groups) = Self::count_states(table, filter)? {
            return Ok(groups);
        }
        let mut key = Vec::with_capacity(table.args.by.len());
        let by = &table.args.by;
        let groups =
            table.sum(filter, &mut |groups: &mut HashMap<Vec<Common<'_>>, Totals, Quick>, socket, sums, netns| {
                key.clear();
                key.extend(by.iter().map(|by| self.of(*by, socket, netns)));
                match groups.get_mut(&key) {
                    Some(totals) => totals.sums += sums,
                    None => groups.entry(key.clone()).or_default().sums += sums,
                }
            })?;
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let named = |key: Vec<Common<'_>>| key.iter().map(|common| table.name(common)).collect();
        Ok(groups.into_iter().map(|(key, totals)| (named(key), totals)).collect())
    }

    fn of(&self, by: By, socket: &Socket, netns: u64) -> Common<'_> {
        let connected = socket.state != State::Listen && socket.state != State::Close;
        let remote = Some(socket.remote).filter(|_| connected);
        match by {
            By::State => Common::State(socket.state),
            By::Process => Common::Process(self.names.process(socket)),
            By::Listener => Common::Endpoint(self.listener(socket, netns)),
            By::Destination => Common::Endpoint(remote.filter(|_| self.listener(socket, netns).is_none())),
            By::Peer => Common::Address(remote.map(|remote| remote.address)),
            By::Subnet => Common::Subnet(remote.map(|remote| network(remote.address))),
            By::Cgroup => Common::Cgroup(self.names.cgroup(socket)),
            By::Netns => Common::Netns(netns),
        }
    }

    /// The listener that a connection arrived at: its own address, or the wildcard of either family.
    fn listener(&self, socket: &Socket, netns: u64) -> Option<Endpoint> {
        let at = |address| Endpoint { address, port: socket.local.port };
        let any = [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])];
        let places = [socket.local.address, any[0], any[1]].map(at);
        places.into_iter().find(|place| self.listening.contains(&(netns, *place)))
    }
}

/// /24 of IPv4, /48 of IPv6: what one site usually has.
fn subnet_bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 24 } else { 48 }
}

/// The network that a remote address is counted to.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => std::net::Ipv4Addr::from_bits(address.to_bits() & !(u32::MAX >> 24)).into(),
        IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 48)).into(),
    }
}

fn text(args: &SocketsArgs, groups: &Groups, (lang, out): (Lang, &mut dyn Write)) -> anyhow::Result<()> {
    let (by, told) = (&args.by, told(args));
    let column = |place: usize| groups.iter().filter_map(move |(key, _)| key.get(place));
    let wide = |(place, by): (usize, &By)| {
        column(place).map(|word| width(word)).max().unwrap_or(0).max(width(by.title().get(lang)))
    };
    let widths: Vec<usize> = by.iter().enumerate().map(wide).collect();
    let line = |words: &mut dyn Iterator<Item = &str>| {
        words.zip(&widths).map(|(word, width)| pad(word, *width) + "  ").collect::<String>()
    };
    let titles = line(&mut by.iter().map(|by| by.title().get(lang)));
    let sockets = text! { en: "sockets", ko: "소켓 수" }.get(lang);
    let row = |words: Vec<String>| words.iter().fold(String::new(), |row, word| row + &format!(" {word:>13}"));
    let more = row(told.iter().map(|what| what.title().to_owned()).collect());
    writeln!(out, "{titles}{sockets:>right$}{more}", right = 9 + sockets.chars().count() - width(sockets))?;
    for (key, totals) in groups {
        let words = line(&mut key.iter().map(String::as_str));
        let more = row(told.iter().map(|what| known(totals.of(*what), NONE)).collect());
        writeln!(out, "{words}{:>9}{more}", totals.sums.sockets)?;
    }
    Ok(())
}

fn known(number: Option<u64>, unknown: &str) -> String {
    number.map_or_else(|| unknown.to_owned(), |number| number.to_string())
}

fn json(
    args: &SocketsArgs,
    Counted { groups, netns, late, at, namespaces }: &Counted,
    left_out: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let told = told(args);
    let value = |word: &String| if word == NONE { Value::Null } else { Value::from(word.as_str()) };
    let groups: Vec<Value> = groups
        .iter()
        .map(|(key, totals)| {
            let key: Map<String, Value> =
                args.by.iter().zip(key).map(|(by, word)| (by.name().to_owned(), value(word))).collect();
            let more = told.iter().map(|what| (what.name().to_owned(), totals.of(*what).into()));
            let group = [("key".to_owned(), key.into()), ("sockets".to_owned(), totals.sums.sockets.into())];
            Value::from(group.into_iter().chain(more).collect::<Map<String, Value>>())
        })
        .collect();
    let mut root = json!({ "schema": "tcphealth.sockets/1", "netns": netns, "groups": groups, "left_out": left_out,
                       "owners_not_found_in_time": late });
    if let (Some(at), Some(root)) = (at, root.as_object_mut()) {
        root.insert("at".to_owned(), at.as_str().into());
    }
    if let (Some((known, all)), Some(root)) = (namespaces, root.as_object_mut()) {
        let one = |one: &Namespace| json!({ "name": one.name, "kind": one.kind, "netns": one.inode });
        root.insert("namespaces".to_owned(), known.iter().map(one).collect());
        root.insert("all_namespaces".to_owned(), Value::from(*all));
    }
    writeln!(out, "{root:#}")?;
    Ok(())
}

fn csv(args: &SocketsArgs, groups: &Groups, out: &mut dyn Write) -> anyhow::Result<()> {
    let told = told(args);
    let quoted = |word: &str| format!("\"{}\",", word.replace('"', "\"\""));
    let head = args.by.iter().map(|by| by.name()).chain(["sockets"]).chain(told.iter().map(|what| what.name()));
    write!(out, "{}\r\n", head.collect::<Vec<_>>().join(","))?;
    for (key, totals) in groups {
        let words: String = key.iter().map(|word| quoted(word)).collect();
        let more = told.iter().map(|what| known(totals.of(*what), ""));
        let sums: Vec<String> = [totals.sums.sockets.to_string()].into_iter().chain(more).collect();
        write!(out, "{words}{}\r\n", sums.join(","))?;
    }
    Ok(())
}
