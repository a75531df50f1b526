//! Sockets counted by what they have in common.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tcphealth_core::format::{pad, width};
use tcphealth_core::snapshot::{Endpoint, Socket, State};
use tcphealth_core::text;
use tcphealth_core::words::Lang;
use tcphealth_linux::{Host, Request};

use super::columns::Column;
use super::filter::Filter;
use super::names::Names;
use super::{each, note, request, unread};
use crate::args::{By, SocketsArgs, Table};

/// Where the value of a key is not known or does not apply.
const NONE: &str = "-";

/// What is told of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    sockets: u64,
    /// Bytes received and not read, and bytes not acknowledged; `None` when they are not known of all.
    queues: Option<(u64, u64)>,
}

impl Default for Sums {
    fn default() -> Self {
        Self { sockets: 0, queues: Some((0, 0)) }
    }
}

impl Sums {
    fn add(&mut self, socket: &Socket) {
        // A listener's queues count connections, the others' bytes.
        let bytes = socket.state != State::Listen;
        let queues = if bytes { (socket.rqueue.into(), socket.wqueue.into()) } else { (0, 0) };
        self.count(1, Some(queues));
    }

    /// Adds so many sockets with their queues.
    pub(super) fn count(&mut self, sockets: u32, queues: Option<(u64, u64)>) {
        self.sockets += u64::from(sockets);
        self.queues = self.queues.zip(queues).map(|((recv, send), (r, s))| (recv + r, send + s));
    }

    fn recv_q(&self) -> Option<u64> {
        self.queues.map(|(recv, _)| recv)
    }

    fn send_q(&self) -> Option<u64> {
        self.queues.map(|(_, send)| send)
    }
}

/// The names of what each group has in common, and its sums.
pub(super) type Groups = Vec<(Vec<String>, Sums)>;

/// All that is to be written.
pub(super) struct Counted {
    pub(super) groups: Groups,
    pub(super) netns: u64,
    /// Sockets whose owner was not found in time.
    pub(super) late: usize,
    /// When it was recorded.
    pub(super) at: Option<String>,
}

/// Counts the sockets of a host.
pub(super) fn run(
    host: &mut Host,
    filter: &Filter,
    args: &SocketsArgs,
    (lang, out): (Lang, &mut dyn Write),
) -> anyhow::Result<()> {
    let keys = Keys::new(host, filter, args)?;
    let groups = keys.count(host, filter, args)?;
    write(args, Counted { groups, netns: keys.netns, late: keys.names.late(), at: None }, (lang, out))
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
        Table::Text => text(&args.by, groups, (lang, out))?,
        Table::Json => json(args, &counted, left_out, out)?,
        Table::Csv => csv(&args.by, groups, out)?,
    }
    note(if args.format == Table::Json { 0 } else { left_out }, counted.late, lang);
    Ok(())
}

/// Hands on what the filter takes; only a control group must be asked of sock_diag.
fn read(host: &mut Host, filter: &Filter, args: &SocketsArgs, take: &mut dyn FnMut(&Socket)) -> anyhow::Result<()> {
    if args.by.contains(&By::Cgroup) {
        return each(host, filter, request(filter, args), &mut |socket| {
            take(socket);
            Ok(())
        });
    }
    let read = host.sockets_in_brief(filter.states, args.by.contains(&By::Process), &mut |socket| {
        if filter.takes(socket) {
            take(socket);
        }
    });
    Ok(read.map_err(|absent| unread(&absent))?)
}

fn sort(groups: &mut Groups, column: Option<Column>) {
    groups.sort_by(|(a_key, a), (b_key, b)| match column {
        Some(Column::RecvQ) => b.recv_q().cmp(&a.recv_q()),
        Some(Column::SendQ) => b.send_q().cmp(&a.send_q()),
        Some(column) if column.ascends() => a_key.cmp(b_key),
        _ => b.sockets.cmp(&a.sockets),
    });
}

/// What sockets of one group have in common, as it stands in a socket or in the answers about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    listening: HashSet<Endpoint>,
    netns: u64,
}

impl Keys {
    fn new(host: &mut Host, filter: &Filter, args: &SocketsArgs) -> anyhow::Result<Self> {
        let netns = host.identity()?.netns;
        let mut keys = Self { names: Names::default(), listening: HashSet::new(), netns };
        if args.by.iter().any(|by| matches!(by, By::Listener | By::Destination)) {
            let listeners = Request { states: State::Listen.bit(), ..request(filter, args) };
            each(host, &Filter::all(), listeners, &mut |socket| {
                keys.listening.insert(socket.local);
                Ok(())
            })?;
        }
        let (process, cgroup) = (args.by.contains(&By::Process), args.by.contains(&By::Cgroup));
        let process = process && !keys.names.find_holders(host);
        if process || cgroup {
            read(host, filter, args, &mut |socket| {
                if process {
                    keys.names.want_process(socket);
                }
                if cgroup {
                    keys.names.want_cgroup(socket);
                }
            })?;
            keys.names.ask(host)?;
        }
        Ok(keys)
    }

    /// Counts while the sockets are read, and names the groups at the end: a socket costs a search, and no text.
    fn count(&self, host: &mut Host, filter: &Filter, args: &SocketsArgs) -> anyhow::Result<Groups> {
        let mut groups: BTreeMap<Vec<Common<'_>>, Sums> = BTreeMap::new();
        let mut key = Vec::with_capacity(args.by.len());
        read(host, filter, args, &mut |socket| {
            key.clear();
            key.extend(args.by.iter().map(|by| self.of(*by, socket)));
            match groups.get_mut(&key) {
                Some(sums) => sums.add(socket),
                None => groups.entry(key.clone()).or_default().add(socket),
            }
        })?;
        let named = |(key, sums): (Vec<Common<'_>>, Sums)| (key.iter().map(Common::name).collect(), sums);
        Ok(groups.into_iter().map(named).collect())
    }

    fn of(&self, by: By, socket: &Socket) -> Common<'_> {
        let connected = socket.state != State::Listen && socket.state != State::Close;
        let remote = Some(socket.remote).filter(|_| connected);
        match by {
            By::State => Common::State(socket.state),
            By::Process => Common::Process(self.names.process(socket)),
            By::Listener => Common::Endpoint(self.listener(socket)),
            By::Destination => Common::Endpoint(remote.filter(|_| self.listener(socket).is_none())),
            By::Peer => Common::Address(remote.map(|remote| remote.address)),
            By::Subnet => Common::Subnet(remote.map(|remote| network(remote.address))),
            By::Cgroup => Common::Cgroup(self.names.cgroup(socket)),
            By::Netns => Common::Netns(self.netns),
        }
    }

    /// The listener that a connection arrived at: its own address, or the wildcard of either family.
    fn listener(&self, socket: &Socket) -> Option<Endpoint> {
        let at = |address| Endpoint { address, port: socket.local.port };
        let any = [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])];
        let places = [socket.local.address, any[0], any[1]].map(at);
        places.into_iter().find(|place| self.listening.contains(place))
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

fn text(by: &[By], groups: &Groups, (lang, out): (Lang, &mut dyn Write)) -> anyhow::Result<()> {
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
    writeln!(
        out,
        "{titles}{sockets:>right$} {:>12} {:>12}",
        "recv_q",
        "send_q",
        right = 9 + sockets.chars().count() - width(sockets)
    )?;
    for (key, sums) in groups {
        let words = line(&mut key.iter().map(String::as_str));
        let (recv_q, send_q) = (known(sums.recv_q(), NONE), known(sums.send_q(), NONE));
        writeln!(out, "{words}{:>9} {recv_q:>12} {send_q:>12}", sums.sockets)?;
    }
    Ok(())
}

fn known(number: Option<u64>, unknown: &str) -> String {
    number.map_or_else(|| unknown.to_owned(), |number| number.to_string())
}

fn json(
    args: &SocketsArgs,
    Counted { groups, netns, late, at }: &Counted,
    left_out: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let value = |word: &String| if word == NONE { Value::Null } else { Value::from(word.as_str()) };
    let groups: Vec<Value> = groups
        .iter()
        .map(|(key, sums)| {
            let key: Map<String, Value> =
                args.by.iter().zip(key).map(|(by, word)| (by.name().to_owned(), value(word))).collect();
            json!({ "key": key, "sockets": sums.sockets, "recv_q_bytes": sums.recv_q(), "send_q_bytes": sums.send_q() })
        })
        .collect();
    let mut root = json!({ "schema": "tcphealth.sockets/1", "netns": netns, "groups": groups, "left_out": left_out,
                       "owners_not_found_in_time": late });
    if let (Some(at), Some(root)) = (at, root.as_object_mut()) {
        root.insert("at".to_owned(), at.as_str().into());
    }
    writeln!(out, "{root:#}")?;
    Ok(())
}

fn csv(by: &[By], groups: &Groups, out: &mut dyn Write) -> anyhow::Result<()> {
    let quoted = |word: &str| format!("\"{}\",", word.replace('"', "\"\""));
    let head: Vec<&str> = by.iter().map(|by| by.name()).collect();
    write!(out, "{},sockets,recv_q_bytes,send_q_bytes\r\n", head.join(","))?;
    for (key, sums) in groups {
        let words: String = key.iter().map(|word| quoted(word)).collect();
        write!(out, "{words}{},{},{}\r\n", sums.sockets, known(sums.recv_q(), ""), known(sums.send_q(), ""))?;
    }
    Ok(())
}
