//! The sockets, one at a time through one reused [`Socket`]: by sock_diag, or from `/proc/net/tcp` where that is refused.

use tcphealth_core::snapshot::{Absent, Census, Fold, Marks, Socket, State};
use tcphealth_core::wire::{proc_net_tcp, sock_diag};

use crate::bpf::DeepWalk;
use crate::netlink::Protocol;
use crate::source::Source;

/// Which sockets a command wants, and what of them: the less is asked for, the less the kernel works.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Bits of [`State::bit`].
    pub states: u32,
    /// [`sock_diag::INFO`], [`sock_diag::SKMEMINFO`], [`sock_diag::CONG`], or 0.
    pub attributes: u8,
    /// Which families.
    pub family: sock_diag::Family,
    /// By what else the kernel may choose them. Saved sockets and those of the text tables are not chosen from: who asks looks again.
    pub code: Option<&'a sock_diag::Code>,
}

const LISTENERS: &str = "netlink/listeners";
const SOCKETS: &str = "netlink/sockets";
const TEXTS: [(&str, &str); 2] = [("net/tcp", "proc/net/tcp"), ("net/tcp6", "proc/net/tcp6")];

/// Everything but listeners and CLOSE, which are sockets without a connection: bound or never used.
pub(crate) const CONNECTED: u32 = sock_diag::ALL_STATES & !State::Listen.bit() & !State::Close.bit();

/// What a census wants of each.
const ATTRIBUTES: u8 = sock_diag::INFO | sock_diag::SKMEMINFO;

/// A dump that the kernel calls interrupted is taken again so often before it is used as it is.
const RETRIES: u32 = 2;

/// Hands every socket that is asked for to `each`; the answer tells whether the table changed meanwhile.
pub(crate) fn visit(
    source: &mut Source,
    name: &str,
    request: Request<'_>,
    each: &mut dyn FnMut(&Socket),
) -> Result<bool, Absent> {
    let (mut socket, mut any_interrupted) = (Socket::default(), false);
    let bytes = sock_diag::dump(request.family, request.states, request.attributes, request.code);
    source.dump(name, Protocol::SockDiag, &bytes, &mut |_, body, interrupted| {
        any_interrupted |= interrupted;
        sock_diag::parse(body, &mut socket)?;
        each(&socket);
        Ok(())
    })?;
    Ok(any_interrupted)
}

/// As [`visit`], from the text tables where sock_diag is refused. A saved look is one of all sockets, in two parts.
pub(crate) fn visit_any(
    source: &mut Source,
    request: Request<'_>,
    each: &mut dyn FnMut(&Socket),
) -> Result<(), Absent> {
    let family = |socket: &Socket| match request.family {
        sock_diag::Family::Both => true,
        sock_diag::Family::Inet => !socket.inet6,
        sock_diag::Family::Inet6 => socket.inet6,
    };
    let mut wanted = |socket: &Socket| {
        if request.states & socket.state.bit() != 0 && family(socket) {
            each(socket);
        }
    };
    let names: &[&str] = if source.is_live() { &[SOCKETS] } else { &[LISTENERS, SOCKETS] };
    match names.iter().try_for_each(|name| visit(source, name, request, &mut wanted).map(drop)) {
        Err(absent) => texts(source, &mut wanted).map_err(|_| absent),
        Ok(()) => Ok(()),
    }
}

/// Sockets of the whole host, whatever their namespace: `TCP: … alloc` of `/proc/net/sockstat`. TIME_WAIT is not among them.
pub(crate) fn number(source: &mut Source) -> u64 {
    let mut buffer = Vec::new();
    let _ = source.text("proc/net/sockstat", &mut buffer);
    value(&String::from_utf8_lossy(&buffer), ("TCP:", "alloc")).unwrap_or(0)
}

/// Whether the namespace has no socket that a census counts: requests have a listener, orphans are in use. An idle one need not be
/// searched for in the host's table.
pub(crate) fn none_here(source: &mut Source) -> bool {
    let mut zero = |name: &str, words: &[(&str, &str)]| {
        let mut buffer = Vec::new();
        let text = source.text(name, &mut buffer).map(|_| String::from_utf8_lossy(&buffer).into_owned());
        text.is_ok_and(|text| words.iter().all(|word| value(&text, *word) == Some(0)))
    };
    zero("proc/net/sockstat", &[("TCP:", "inuse"), ("TCP:", "tw")]) && zero("proc/net/sockstat6", &[("TCP6:", "inuse")])
}

/// `LINE … NAME VALUE`.
fn value(text: &str, (line, name): (&str, &str)) -> Option<u64> {
    let mut words = text.lines().filter_map(|text| text.strip_prefix(line)).flat_map(str::split_whitespace);
    words.find(|word| *word == name).and_then(|_| words.next()).and_then(|word| word.parse().ok())
}

/// As [`census`], but all that is connected is read by the program in the kernel.
pub(crate) fn census_by_walk(
    source: &mut Source,
    mut fold: Fold<'_>,
    walk: &mut DeepWalk,
) -> Result<(Census, Marks), Absent> {
    listeners(source, &mut fold)?;
    if walk.visit(CONNECTED, &mut |socket| fold.add(socket))? {
        fold.interrupted();
    }
    Ok(fold.finish())
}

/// All sockets, folded: listeners first, for they tell which side of a connection we are.
pub(crate) fn census(source: &mut Source, mut fold: Fold<'_>) -> Result<(Census, Marks), Absent> {
    let texts = fold.of_texts();
    let retries = if source.is_live() { RETRIES } else { 0 };
    for _ in 0..retries {
        let Some(mut attempt) = fold.again() else { break };
        match pass(source, &mut attempt) {
            Ok(true) => {}
            Ok(false) => return Ok(attempt.finish()),
            Err(absent) => return census_of_texts(source, texts).map_err(|_| absent),
        }
    }
    match pass(source, &mut fold) {
        Ok(interrupted) => {
            if interrupted {
                fold.interrupted();
            }
            Ok(fold.finish())
        }
        Err(absent) => census_of_texts(source, texts).map_err(|_| absent),
    }
}

/// The first part of a census: who listens in the namespace of the calling thread. Whatever its number, the host's connections are
/// not gone through for it.
pub(crate) fn listeners(source: &mut Source, fold: &mut Fold<'_>) -> Result<bool, Absent> {
    let family = sock_diag::Family::Both;
    let request = Request { states: State::Listen.bit(), attributes: ATTRIBUTES, family, code: None };
    visit(source, LISTENERS, request, &mut |socket| fold.add(socket))
}

fn pass(source: &mut Source, fold: &mut Fold<'_>) -> Result<bool, Absent> {
    let interrupted = listeners(source, fold)?;
    let others = Request { states: CONNECTED, attributes: ATTRIBUTES, family: sock_diag::Family::Both, code: None };
    Ok(interrupted | visit(source, SOCKETS, others, &mut |socket| fold.add(socket))?)
}

/// The texts have their listeners first too, but each family for itself.
fn census_of_texts(source: &mut Source, mut fold: Fold<'_>) -> Result<(Census, Marks), Absent> {
    texts(source, &mut |socket| {
        if socket.state == State::Listen {
            fold.add(socket);
        }
    })?;
    texts(source, &mut |socket| {
        if socket.state != State::Listen {
            fold.add(socket);
        }
    })?;
    Ok(fold.finish())
}

fn texts(source: &mut Source, each: &mut dyn FnMut(&Socket)) -> Result<(), Absent> {
    let mut buffer = Vec::new();
    for (section, name) in TEXTS {
        match source.text(name, &mut buffer) {
            Ok(_) => {}
            // A kernel without IPv6 has no tcp6.
            Err(Absent::NotHere) if section == "net/tcp6" => continue,
            Err(absent) => return Err(absent),
        }
        proc_net_tcp::parse(section, &buffer, each).map_err(|error| source.not_understood(name, &error))?;
    }
    Ok(())
}
