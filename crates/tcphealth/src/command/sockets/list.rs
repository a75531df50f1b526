//! One socket a line, written while the kernel tells of it; only `--sort` must wait for the last.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};
use tcphealth_core::format::pad;
use tcphealth_core::snapshot::{FIELDS, SkMem, Socket, TcpInfo};
use tcphealth_core::text;
use tcphealth_core::words::{Lang, Text};
use tcphealth_linux::Host;

use super::columns::{Column, timer_name};
use super::filter::Filter;
use super::names::Names;
use super::recorded::Kept;
use super::{each, note, request};
use crate::args::{SocketsArgs, Table};

/// Sockets that `--sort` keeps when no `--limit` says otherwise.
const SORTED: usize = 1000;

/// Writes all that the filter takes.
pub(super) fn run(
    host: &mut Host,
    filter: &Filter,
    args: &SocketsArgs,
    (lang, out): (Lang, &mut dyn Write),
) -> anyhow::Result<()> {
    let mut names = Names::default();
    if args.process && !names.find_holders(host) {
        each(host, filter, request(filter, args), &mut |socket| {
            names.want_process(socket);
            Ok(())
        })?;
        names.ask(host)?;
    }
    let mut page = Page { format: args.format, names, netns: host.identity()?.netns, lang, written: 0, recorded: None };
    page.all(args, out, &mut |take| each(host, filter, request(filter, args), take))
}

type Take<'a> = &'a mut dyn FnMut(&Socket) -> io::Result<()>;
/// Hands on one socket after the other.
type Each<'a> = &'a mut dyn FnMut(Take<'_>) -> anyhow::Result<()>;

fn in_order(each: Each<'_>, args: &SocketsArgs, take: Take<'_>) -> anyhow::Result<usize> {
    let (limit, mut seen) = (args.limit.unwrap_or(usize::MAX), 0);
    each(&mut |socket| {
        seen += 1;
        if seen > limit { Ok(()) } else { take(socket) }
    })?;
    Ok(seen.saturating_sub(limit))
}

/// Keeps the first ones by the column, no more than the limit at any time.
fn sorted(each: Each<'_>, args: &SocketsArgs, column: Column, take: Take<'_>) -> anyhow::Result<usize> {
    let (limit, mut seen) = (args.limit.unwrap_or(SORTED), 0_usize);
    let mut kept: BTreeMap<((u128, u128), usize), Socket> = BTreeMap::new();
    each(&mut |socket| {
        let (first, second) = column.key(socket);
        let key = if column.ascends() { (first, second) } else { (u128::MAX - first, u128::MAX - second) };
        seen += 1;
        kept.insert((key, seen), socket.clone());
        if kept.len() > limit {
            kept.pop_last();
        }
        Ok(())
    })?;
    kept.values().try_for_each(take)?;
    Ok(seen.saturating_sub(limit))
}

/// A listing.
pub(super) struct Page {
    pub(super) format: Table,
    pub(super) names: Names,
    pub(super) netns: u64,
    pub(super) lang: Lang,
    pub(super) written: usize,
    /// Of a moment of a recording, how much is left of it.
    pub(super) recorded: Option<Kept>,
}

impl Page {
    /// Writes all sockets that are handed on.
    pub(super) fn all(&mut self, args: &SocketsArgs, out: &mut dyn Write, each: Each<'_>) -> anyhow::Result<()> {
        self.begin(out)?;
        let left_out = match args.sort {
            Some(column) => sorted(each, args, column, &mut |socket| self.socket(socket, out))?,
            None => in_order(each, args, &mut |socket| self.socket(socket, out))?,
        };
        self.end(left_out, out)?;
        if let Some(kept) = self.recorded.as_ref().filter(|_| self.format != Table::Json) {
            eprintln!("{}", kept.words().get(self.lang));
        }
        note(if self.format == Table::Json { 0 } else { left_out }, self.names.late(), self.lang);
        Ok(())
    }

    fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Table::Text => {
                let title = |title: Text, columns| pad(title.get(self.lang), columns);
                let state = title(text! { en: "State", ko: "상태" }, 11);
                let local = title(text! { en: "Local", ko: "로컬" }, 25);
                let remote = title(text! { en: "Remote", ko: "상대" }, 25);
                writeln!(out, "{state} {:>7} {:>7} {local} {remote}", "Recv-Q", "Send-Q")
            }
            Table::Json => {
                write!(out, "{{\"schema\":\"tcphealth.sockets/1\",\"netns\":{},\"sockets\":[", self.netns)
            }
            Table::Csv => {
                let fields: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
                let own = "state,local,remote,recv_q,send_q,uid,inode,cookie,timer,timer_ms,pid,comm";
                write!(out, "{own},{}\r\n", fields.join(","))
            }
        }
    }

    fn socket(&mut self, socket: &Socket, out: &mut dyn Write) -> io::Result<()> {
        self.written += 1;
        match self.format {
            Table::Text => self.line(socket, out),
            Table::Json => {
                let comma = if self.written > 1 { ",\n" } else { "\n" };
                write!(out, "{comma}{}", self.object(socket))
            }
            Table::Csv => self.record(socket, out),
        }
    }

    fn end(&self, left_out: usize, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Table::Json => {
                let recorded = self.recorded.as_ref().map(|kept| format!("\"recorded\":{},", kept.json()));
                let late = self.names.late();
                write!(out, "\n],{}", recorded.unwrap_or_default())?;
                writeln!(out, "\"left_out\":{left_out},\"owners_not_found_in_time\":{late}}}")
            }
            Table::Text | Table::Csv => Ok(()),
        }
    }

    fn line(&self, socket: &Socket, out: &mut dyn Write) -> io::Result<()> {
        let Socket { state, rqueue, wqueue, local, remote, .. } = socket;
        let (local, remote) = (local.to_string(), remote.to_string());
        write!(out, "{state:11} {rqueue:7} {wqueue:7} {local:25} {remote}")?;
        if let Some((pid, comm)) = self.names.process(socket) {
            write!(out, "  {comm} ({pid})")?;
        }
        if let Some(timer) = timer_name(socket.timer) {
            let seconds = f64::from(socket.timer_expires_ms) / 1000.0;
            write!(out, "  {timer} {seconds:.1}s/{}", socket.timer_retrans)?;
        }
        writeln!(out)
    }

    fn object(&self, socket: &Socket) -> Value {
        let owner = self.names.process(socket);
        let timer = timer_name(socket.timer).map(
            |name| json!({ "name": name, "expires_ms": socket.timer_expires_ms, "retrans": socket.timer_retrans }),
        );
        json!({
            "state": socket.state.name(), "local": socket.local.to_string(), "remote": socket.remote.to_string(),
            "recv_q": socket.rqueue, "send_q": socket.wqueue, "uid": socket.uid, "inode": socket.inode,
            "cookie": socket.cookie, "ifindex": socket.ifindex, "cgroup": socket.cgroup, "v6only": socket.v6only,
            "shutdown": socket.shutdown, "pid": owner.map(|(pid, _)| pid),
            "comm": owner.map(|(_, comm)| comm), "timer": timer, "congestion": socket.congestion_name(),
            "skmem": socket.skmem.as_ref().map(skmem), "tcp_info": socket.info.as_ref().map(info),
        })
    }

    fn record(&self, socket: &Socket, out: &mut dyn Write) -> io::Result<()> {
        let Socket { state, local, remote, rqueue, wqueue, uid, inode, cookie, .. } = socket;
        let timer = timer_name(socket.timer).unwrap_or_default();
        let (pid, comm) = self.names.process(socket).map_or_else(Default::default, |(pid, comm)| {
            (pid.to_string(), format!("\"{}\"", comm.replace('"', "\"\"")))
        });
        write!(out, "{state},{local},{remote},{rqueue},{wqueue},{uid},{inode},{cookie},{timer}")?;
        write!(out, ",{},{pid},{comm}", socket.timer_expires_ms)?;
        for field in FIELDS {
            let value = socket.info.as_ref().and_then(|info| info.field(field));
            write!(out, ",{}", value.map(|value| value.to_string()).unwrap_or_default())?;
        }
        write!(out, "\r\n")
    }
}

fn skmem(memory: &SkMem) -> Value {
    json!({
        "rmem_alloc": memory.rmem_alloc_bytes, "rcvbuf": memory.rcvbuf_bytes, "wmem_alloc": memory.wmem_alloc_bytes,
        "sndbuf": memory.sndbuf_bytes, "fwd_alloc": memory.fwd_alloc_bytes, "wmem_queued": memory.wmem_queued_bytes,
        "optmem": memory.optmem_bytes, "backlog": memory.backlog_bytes, "drops": memory.drops,
    })
}

/// Every field that this kernel filled, by the kernel's names, and the two that share a byte with another.
fn info(info: &TcpInfo) -> Value {
    let fields = FIELDS.iter().filter_map(|field| Some((field.name.to_owned(), Value::from(info.field(field)?))));
    let mut fields: Map<String, Value> = fields.collect();
    if let Some((ours, theirs)) = info.wscale() {
        fields.insert("snd_wscale".into(), ours.into());
        fields.insert("rcv_wscale".into(), theirs.into());
    }
    fields.insert("delivery_rate_app_limited".into(), info.delivery_rate_app_limited().into());
    Value::Object(fields)
}
