//! `tcphealth sockets`: the socket table, filtered with ss's words; every socket, or groups of them.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use tcphealth_core::rules::reason_of;
use tcphealth_core::say;
use tcphealth_core::snapshot::{Absent, Socket};
use tcphealth_core::wire::sock_diag::{CONG, Family, INFO, SKMEMINFO};
use tcphealth_core::words::Lang;
use tcphealth_linux::{Host, Request};

use super::check;
use crate::args::{SocketsArgs, Table};
use crate::speech::{self, Complaint, Speech};

mod columns;
mod filter;
mod group;
mod list;
mod names;
mod recorded;

pub(crate) use columns::Column;
pub(crate) use filter::{Ends, Filter};

/// Prints what the filter takes.
pub(crate) fn run(args: &SocketsArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let filter = match Filter::parse(&args.filter) {
        Ok(filter) => filter,
        Err(error) => {
            speech::complain(&Complaint(error).into(), speech.lang);
            return Ok(ExitCode::from(2));
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = print(&filter, args, (speech.lang, &mut out)).and_then(|()| Ok(out.flush()?));
    match printed.map_err(anyhow::Error::downcast::<io::Error>) {
        Err(Ok(error)) => speech::ignore_broken_pipe(Err(error))?,
        Err(Err(error)) => return Err(error),
        Ok(()) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn print(filter: &Filter, args: &SocketsArgs, to: (Lang, &mut dyn Write)) -> anyhow::Result<()> {
    if let Some(when) = args.elsewhere.at {
        return recorded::run(when, filter, args, to);
    }
    let mut host = check::host(args.elsewhere.from.as_deref(), args.elsewhere.netns.as_deref(), None)?;
    if args.by.is_empty() { list::run(&mut host, filter, args, to) } else { group::run(&mut host, filter, args, to) }
}

/// Which sockets to ask the kernel for: of a few states only, and no more of each than is printed.
fn request(filter: &Filter, args: &SocketsArgs) -> Request<'static> {
    let everything = args.by.is_empty() && args.format != Table::Text;
    let sorted = args.sort.is_some_and(Column::needs_info);
    let attributes = if everything || sorted || !args.with.is_empty() { INFO | SKMEMINFO | CONG } else { 0 };
    Request { states: filter.states, attributes, family: Family::Both, code: None }
}

/// Hands on what the filter takes, until something cannot be written any more.
fn each(
    host: &mut Host,
    filter: &Filter,
    request: Request<'_>,
    take: &mut dyn FnMut(&Socket) -> io::Result<()>,
) -> anyhow::Result<()> {
    let (code, mut done) = (filter.code(), Ok(()));
    let visited = host.sockets(Request { code: code.as_ref(), ..request }, &mut |socket| {
        if done.is_ok() && filter.takes(socket) {
            done = take(socket);
        }
    });
    visited.map_err(|absent| unread(&absent))?;
    Ok(done?)
}

/// Why there is no table.
pub(super) fn unread(absent: &Absent) -> Complaint {
    Complaint(say! { en: "the sockets: {why}", ko: "소켓 목록: {why}"; why = reason_of(absent) })
}

/// Says that the program in the kernel was of no use.
pub(super) fn note_failed_walk(host: &Host, lang: Lang) {
    if let Some(absent) = host.walk_failed() {
        let words = say! {
            en: "the eBPF program failed ({why}); the sockets were read by sock_diag",
            ko: "eBPF 프로그램이 실패해({why}) sock_diag로 소켓을 읽음";
            why = reason_of(absent)
        };
        eprintln!("{}", words.get(lang));
    }
}

/// Says beside the table what is not in it: lines over the limit, and owners that nobody had the time to find.
fn note(left_out: usize, unnamed: usize, lang: Lang) {
    let over = say! { en: "{count} more were left out", ko: "{count}개는 생략함", count = left_out };
    let late = say! {
        en: "the process behind {count} sockets was not found in time",
        ko: "소켓 {count}개의 프로세스는 시간 안에 찾지 못함",
        count = unnamed
    };
    for (_, words) in [(left_out, over), (unnamed, late)].iter().filter(|(count, _)| *count > 0) {
        eprintln!("{}", words.get(lang));
    }
}
