//! Sockets counted by what they have in common.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tcphealth_core::format::{pad, width};
use tcphealth_core::snapshot::{Endpoint, Socket, State};
use tcphealth_linux::{Host, Request};

use super::columns::Column;
use super::filter::Filter;
use super::names::Names;
use super::{each, request};
use crate::args::{By, SocketsArgs, Table};

/// Where the value of a key is not known or does not apply.
const NONE: &str = "-";

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    sockets: u64,
    recv_q: u64,
    send_q: u64,
}

type Groups = Vec<(Vec<String>, Sums)>;

/// Writes one line a group, the largest first unless `--sort` says otherwise.
pub(super) fn run(host: &mut Host, filter: &Filter, args: &SocketsArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let keys = Keys::new(host, filter, args)?;
    let mut groups: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
    each(host, filter, request(filter, args), &mut |socket| {
        let sums = groups.entry(args.by.iter().map(|by| keys.of(*by, socket)).collect()).or_default();
        sums.sockets += 1;
        // A listener's queues count connections, the others' bytes.
        if socket.state != State::Listen {
            sums.recv_q += u64::from(socket.rqueue);
            sums.send_q += u64::from(socket.wqueue);
        }
        Ok(())
    })?;
    let mut groups: Groups = groups.into_iter().collect();
    sort(&mut groups, args.sort);
    let left_out = groups.len().saturating_sub(args.limit.unwrap_or(usize::MAX));
    groups.truncate(args.limit.unwrap_or(usize::MAX));
    match args.format {
        Table::Text => text(&args.by, &groups, out)?,
        Table::Json => json(args, &groups, left_out, &keys, out)?,
        Table::Csv => csv(&args.by, &groups, out)?,
    }
    if left_out > 0 && args.format != Table::Json {
        eprintln!("{left_out} more were left out");
    }
    Ok(())
}

fn sort(groups: &mut Groups, column: Option<Column>) {
    groups.sort_by(|(a_key, a), (b_key, b)| match column {
        Some(Column::RecvQ) => b.recv_q.cmp(&a.recv_q),
        Some(Column::SendQ) => b.send_q.cmp(&a.send_q),
        Some(column) if column.ascends() => a_key.cmp(b_key),
        _ => b.sockets.cmp(&a.sockets),
    });
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
            let everything = Filter::parse(&[])?;
            each(host, &everything, listeners, &mut |socket| {
                keys.listening.insert(socket.local);
                Ok(())
            })?;
        }
        let (process, cgroup) = (args.by.contains(&By::Process), args.by.contains(&By::Cgroup));
        if process || cgroup {
            each(host, filter, request(filter, args), &mut |socket| {
                if process {
                    keys.names.want_process(socket);
                }
                if cgroup {
                    keys.names.want_cgroup(socket);
                }
                Ok(())
            })?;
            keys.names.ask(host)?;
        }
        Ok(keys)
    }

    fn of(&self, by: By, socket: &Socket) -> String {
        let connected = socket.state != State::Listen && socket.state != State::Close;
        let remote = Some(socket.remote).filter(|_| connected);
        let none = || NONE.to_owned();
        match by {
            By::State => socket.state.name().to_owned(),
            By::Process => {
                self.names.process(socket).map_or_else(none, |owner| format!("{} ({})", owner.comm, owner.pid))
            }
            By::Listener => self.listener(socket).map_or_else(none, |listener| listener.to_string()),
            By::Destination => match (self.listener(socket), remote) {
                (None, Some(remote)) => remote.to_string(),
                _ => none(),
            },
            By::Peer => remote.map_or_else(none, |remote| remote.address.to_string()),
            By::Subnet => remote.map_or_else(none, |remote| subnet(remote.address)),
            By::Cgroup => self.names.cgroup(socket).map_or_else(none, str::to_owned),
            By::Netns => self.netns.to_string(),
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
fn subnet(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let network = address.to_bits() & !(u128::MAX >> 48);
            format!("{}/48", std::net::Ipv6Addr::from_bits(network))
        }
    }
}

fn text(by: &[By], groups: &Groups, out: &mut dyn Write) -> anyhow::Result<()> {
    let column = |place: usize| groups.iter().filter_map(move |(key, _)| key.get(place));
    let wide =
        |(place, by): (usize, &By)| column(place).map(|word| width(word)).max().unwrap_or(0).max(by.name().len());
    let widths: Vec<usize> = by.iter().enumerate().map(wide).collect();
    let line = |words: &mut dyn Iterator<Item = &str>| {
        words.zip(&widths).map(|(word, width)| pad(word, *width) + "  ").collect::<String>()
    };
    writeln!(out, "{}{:>9} {:>12} {:>12}", line(&mut by.iter().map(|by| by.name())), "sockets", "recv_q", "send_q")?;
    for (key, sums) in groups {
        let words = line(&mut key.iter().map(String::as_str));
        writeln!(out, "{words}{:>9} {:>12} {:>12}", sums.sockets, sums.recv_q, sums.send_q)?;
    }
    Ok(())
}

fn json(args: &SocketsArgs, groups: &Groups, left_out: usize, keys: &Keys, out: &mut dyn Write) -> anyhow::Result<()> {
    let value = |word: &String| if word == NONE { Value::Null } else { Value::from(word.as_str()) };
    let groups: Vec<Value> = groups
        .iter()
        .map(|(key, sums)| {
            let key: Map<String, Value> =
                args.by.iter().zip(key).map(|(by, word)| (by.name().to_owned(), value(word))).collect();
            json!({ "key": key, "sockets": sums.sockets, "recv_q_bytes": sums.recv_q, "send_q_bytes": sums.send_q })
        })
        .collect();
    let root = json!({ "schema": "tcphealth.sockets/1", "netns": keys.netns, "groups": groups, "left_out": left_out });
    writeln!(out, "{root:#}")?;
    Ok(())
}

fn csv(by: &[By], groups: &Groups, out: &mut dyn Write) -> anyhow::Result<()> {
    let quoted = |word: &str| format!("\"{}\",", word.replace('"', "\"\""));
    let head: Vec<&str> = by.iter().map(|by| by.name()).collect();
    write!(out, "{},sockets,recv_q_bytes,send_q_bytes\r\n", head.join(","))?;
    for (key, sums) in groups {
        let words: String = key.iter().map(|word| quoted(word)).collect();
        write!(out, "{words}{},{},{}\r\n", sums.sockets, sums.recv_q, sums.send_q)?;
    }
    Ok(())
}
