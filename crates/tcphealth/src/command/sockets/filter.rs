//! ss's filter words → which sockets are meant: `state close-wait dport = :443 and not dst 10.0.0.0/8`.
//!
//! Source: ss(8), “STATE-FILTER” and “EXPRESSION”. Two predicates side by side are joined by `and`.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};

use tcphealth_core::say;
use tcphealth_core::snapshot::{Endpoint, Socket, State};
use tcphealth_core::wire::sock_diag::{Code, End};
use tcphealth_core::words::Message;

type Parsed<T> = Result<T, Message>;

/// Which sockets are meant.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Bits of [`State::bit`].
    pub(crate) states: u32,
    expression: Option<Expression>,
}

/// All of a socket that can be asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Its state.
    pub(crate) state: State,
    /// Our end.
    pub(crate) local: Endpoint,
    /// The peer's end.
    pub(crate) remote: Endpoint,
}

#[derive(Debug)]
enum Expression {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Port(End, Compare, u16),
    Address(End, Place),
    State(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

/// A network and a port; what is `None` may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    network: Option<(IpAddr, u8)>,
    port: Option<u16>,
}

/// Every state, and what ss calls some of them together.
const ALL: u32 = 0xffe;
const CONNECTED: u32 = ALL & !State::Listen.bit() & !State::Close.bit();
const BUCKET: u32 = State::SynRecv.bit() | State::TimeWait.bit();
const GROUPS: [(&str, u32); 5] = [
    ("all", ALL),
    ("connected", CONNECTED),
    ("synchronized", CONNECTED & !State::SynSent.bit()),
    ("bucket", BUCKET),
    ("big", ALL & !BUCKET),
];
/// Spellings of ss that are neither its own output nor the kernel's names.
const SPELLINGS: [(&str, State); 3] =
    [("listening", State::Listen), ("closed", State::Close), ("unconnected", State::Close)];

impl Filter {
    /// Whether a socket is meant; the kernel has chosen by state already.
    pub(crate) fn takes(&self, socket: &Socket) -> bool {
        self.takes_ends(&Ends { state: socket.state, local: socket.local, remote: socket.remote })
    }

    /// Whether a socket with this state and these ends is meant.
    pub(crate) fn takes_ends(&self, ends: &Ends) -> bool {
        self.states & ends.state.bit() != 0 && self.expression.as_ref().is_none_or(|expression| expression.takes(ends))
    }

    /// The same for the kernel, which then need not tell what is not meant; `None` where it has no words for it.
    pub(crate) fn code(&self) -> Option<Code> {
        self.expression.as_ref()?.code()
    }

    /// Whether no socket is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.states == ALL && self.is_by_state()
    }

    /// Whether nothing but the state decides.
    pub(crate) fn is_by_state(&self) -> bool {
        self.expression.is_none()
    }

    /// Whether the state decides at all.
    pub(crate) fn asks_state(&self) -> bool {
        self.states != ALL || self.expression.as_ref().is_some_and(Expression::asks_state)
    }

    /// Every socket in these states (bits of [`State::bit`]).
    pub(crate) fn of(states: u32) -> Self {
        Self { states, expression: None }
    }

    /// Reads the words of a command line.
    pub(crate) fn parse(words: &[String]) -> Parsed<Self> {
        let tokens = tokens(words);
        let mut reader = Reader { tokens: &tokens, at: 0 };
        let mut states = reader.states().map_err(|wrong| reader.here(&wrong))?;
        if !reader.skip(&["and", "&", "&&"]) && reader.peek().is_some_and(|word| matches!(word, "or" | "|" | "||")) {
            // `state A or …`: a state among other predicates, which the kernel cannot choose by.
            (reader.at, states) = (0, ALL);
        }
        let expression = match reader.peek() {
            Some(_) => Some(reader.or().map_err(|wrong| reader.here(&wrong))?),
            None => None,
        };
        if reader.peek().is_some() {
            let wrong = say! { en: "a bracket closes that was never opened", ko: "열리지 않은 괄호를 닫음" };
            return Err(reader.here(&wrong));
        }
        Ok(Self { states, expression })
    }
}

impl Expression {
    fn takes(&self, ends: &Ends) -> bool {
        match self {
            Self::And(a, b) => a.takes(ends) && b.takes(ends),
            Self::Or(a, b) => a.takes(ends) || b.takes(ends),
            Self::Not(a) => !a.takes(ends),
            Self::Port(side, compare, port) => compare.holds(ends.of(*side).port, *port),
            Self::Address(side, place) => place.holds(ends.of(*side)),
            Self::State(states) => states & ends.state.bit() != 0,
        }
    }

    fn asks_state(&self) -> bool {
        match self {
            Self::And(a, b) | Self::Or(a, b) => a.asks_state() || b.asks_state(),
            Self::Not(a) => a.asks_state(),
            Self::State(_) => true,
            Self::Port(..) | Self::Address(..) => false,
        }
    }
}

impl Expression {
    fn code(&self) -> Option<Code> {
        Some(match self {
            Self::And(a, b) => a.code()?.and(&b.code()?),
            Self::Or(a, b) => a.code()?.or(&b.code()?),
            Self::Not(a) => a.code()?.negated(),
            Self::Port(end, compare, port) => compare.code(*end, *port)?,
            Self::Address(end, place) => place.code(*end)?,
            Self::State(_) => return None,
        })
    }
}

impl Ends {
    fn of(&self, end: End) -> Endpoint {
        match end {
            End::Local => self.local,
            End::Remote => self.remote,
        }
    }
}

impl Compare {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "=" | "==" | "eq" => Self::Equal,
            "!=" | "ne" | "neq" => Self::Unequal,
            "<" | "lt" => Self::Less,
            ">" | "gt" => Self::Greater,
            "<=" | "le" | "leq" => Self::LessOrEqual,
            ">=" | "ge" | "geq" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn code(self, end: End, port: u16) -> Option<Code> {
        let is = || Code::port_from(end, port).and(&Code::port_to(end, port));
        Some(match self {
            Self::Equal => is(),
            Self::Unequal => is().negated(),
            Self::Less => Code::port_to(end, port.checked_sub(1)?),
            Self::Greater => Code::port_from(end, port.checked_add(1)?),
            Self::LessOrEqual => Code::port_to(end, port),
            Self::GreaterOrEqual => Code::port_from(end, port),
        })
    }

    fn holds(self, a: u16, b: u16) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Unequal => a != b,
            Self::Less => a < b,
            Self::Greater => a > b,
            Self::LessOrEqual => a <= b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

impl Place {
    /// A network of IPv6 that holds IPv4 ones is not said to the kernel, for which these are IPv6.
    fn code(self, end: End) -> Option<Code> {
        let mapped = IpAddr::from(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped());
        let port = self.port.and_then(|port| Compare::Equal.code(end, port));
        let network = match self.network {
            Some((network, bits)) if inside(mapped, network, bits) => return None,
            Some((network, bits)) => Some(Code::inside(end, network, bits)),
            None => None,
        };
        match (network, port) {
            (Some(network), Some(port)) => Some(network.and(&port)),
            (network, port) => network.or(port),
        }
    }

    fn holds(&self, endpoint: Endpoint) -> bool {
        self.port.is_none_or(|port| port == endpoint.port)
            && self.network.is_none_or(|(network, length)| inside(endpoint.address, network, length))
    }
}

/// Whether an address lies in a network.
fn inside(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (address.to_bits().into(), network.to_bits().into(), 32),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let differ: u128 = address ^ network;
    differ.checked_shr(width - u32::from(length)).unwrap_or(0) == 0
}

/// Words, with brackets and operators on their own even where no space parts them.
fn tokens(words: &[String]) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let mut rest = word;
        while !rest.is_empty() {
            let length = operator(rest).unwrap_or_else(|| {
                let ends = rest.char_indices().map(|(at, _)| at).skip(1);
                ends.into_iter().find(|&at| rest.get(at..).and_then(operator).is_some()).unwrap_or(rest.len())
            });
            let (token, after) = rest.split_at(length);
            tokens.push(token.to_owned());
            rest = after;
        }
    }
    tokens
}

/// Length of the operator that the text begins with.
fn operator(text: &str) -> Option<usize> {
    let known = ["&&", "||", "!=", "<=", ">=", "==", "(", ")", "!", "&", "|", "<", ">", "="];
    known.iter().find(|operator| text.starts_with(**operator)).map(|operator| operator.len())
}

struct Reader<'a> {
    tokens: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<&str> {
        self.at += 1;
        self.tokens.get(self.at - 1).map(String::as_str)
    }

    fn skip(&mut self, words: &[&str]) -> bool {
        let is = self.peek().is_some_and(|word| words.contains(&word));
        self.at += usize::from(is);
        is
    }

    /// What is wrong where reading stopped.
    fn here(&self, wrong: &Message) -> Message {
        let at = self.at.min(self.tokens.len());
        let before = self.tokens.get(..at).unwrap_or_default().join(" ");
        say! {
            en: "the filter, at the end of “{before}”: {wrong}",
            ko: "필터의 “{before}” 끝에서: {wrong}",
            before = before; wrong = wrong
        }
    }

    /// `state A state B exclude C`, before everything else.
    fn states(&mut self) -> Parsed<u32> {
        let (mut with, mut without) = (0, 0);
        loop {
            if self.skip(&["state"]) {
                with |= self.state()?;
            } else if self.skip(&["exclude"]) {
                without |= self.state()?;
            } else {
                return Ok(if with == 0 { ALL } else { with } & !without);
            }
        }
    }

    fn state(&mut self) -> Parsed<u32> {
        let word = self.next().ok_or_else(|| say! { en: "the name of a state is missing", ko: "상태 이름이 없음" })?;
        let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
        let wanted = plain(word);
        let group = GROUPS.iter().find(|(name, _)| *name == wanted).map(|(_, mask)| *mask);
        let spelling = SPELLINGS.iter().find(|(name, _)| *name == wanted).map(|(_, state)| state.bit());
        let mut states = State::ALL.iter();
        let state = states.find(|state| plain(state.name()) == wanted || plain(state.ss_name()) == wanted);
        group
            .or(spelling)
            .or_else(|| state.map(|state| state.bit()))
            .ok_or_else(|| say! { en: "there is no state “{word}”", ko: "“{word}”(이)라는 상태는 없음", word = word })
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.skip(&["or", "|", "||"]) {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.not()?;
        while self.skip(&["and", "&", "&&"]) || self.begins_predicate() {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn begins_predicate(&self) -> bool {
        self.peek().is_some_and(|word| !matches!(word, "or" | "|" | "||" | ")"))
    }

    fn not(&mut self) -> Parsed<Expression> {
        if self.skip(&["not", "!"]) {
            return Ok(Expression::Not(Box::new(self.not()?)));
        }
        if self.skip(&["("]) {
            let inner = self.or()?;
            if !self.skip(&[")"]) {
                return Err(say! { en: "a bracket is not closed", ko: "괄호가 닫히지 않음" });
            }
            return Ok(inner);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Parsed<Expression> {
        let word =
            self.next().ok_or_else(|| say! { en: "something must follow", ko: "뒤에 무언가가 와야 함" })?.to_owned();
        match word.as_str() {
            "state" => return Ok(Expression::State(self.state()?)),
            "exclude" => return Ok(Expression::State(ALL & !self.state()?)),
            _ => {}
        }
        let compare = self.peek().and_then(Compare::named);
        self.at += usize::from(compare.is_some());
        let compare = compare.unwrap_or(Compare::Equal);
        let side = match word.as_str() {
            "sport" | "src" => End::Local,
            "dport" | "dst" => End::Remote,
            _ => {
                return Err(say! {
                    en: "“{word}” is none of sport, dport, src, dst, state, exclude, and, or, not",
                    ko: "“{word}”은(는) sport, dport, src, dst, state, exclude, and, or, not 가운데 하나가 아님",
                    word = word
                });
            }
        };
        let value = self.next().ok_or_else(|| say! { en: "{word} of what?", ko: "{word}의 값이 없음", word = word })?;
        if word.ends_with("port") {
            return Ok(Expression::Port(side, compare, port(value.strip_prefix(':').unwrap_or(value))?));
        }
        let address = Expression::Address(side, place(value)?);
        match compare {
            Compare::Equal => Ok(address),
            Compare::Unequal => Ok(Expression::Not(Box::new(address))),
            _ => Err(say! {
                en: "addresses have no order: use sport or dport",
                ko: "주소에는 크고 작음이 없음: sport나 dport를 쓸 것"
            }),
        }
    }
}

/// A port by its number, or by its name in /etc/services.
fn port(text: &str) -> Parsed<u16> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    named_port(&services, text)
        .ok_or_else(|| say! { en: "“{text}” is no port", ko: "“{text}”은(는) 포트가 아님", text = text })
}

fn named_port(services: &str, name: &str) -> Option<u16> {
    let mut lines = services.lines().filter_map(|line| line.split('#').next());
    lines.find_map(|line| {
        let mut words = line.split_whitespace();
        let (first, number) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (first == name || words.any(|alias| alias == name)).then(|| number.parse().ok())?
    })
}

/// `10.0.0.0/8`, `10.0.0.1:443`, `[2001:db8::1]:443`, `2001:db8::/32`, `:443`, `*:443`, or a host name.
fn place(text: &str) -> Parsed<Place> {
    if let Some(network) = network(text) {
        return Ok(Place { network: Some(network?), port: None });
    }
    let (host, port_text) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let port = port_text.filter(|port| *port != "*").map(port).transpose()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let network =
        if host.is_empty() || host == "*" { None } else { Some(network(host).unwrap_or_else(|| resolve(host))?) };
    Ok(Place { network, port })
}

/// An address and the length of its prefix; `None` when the text is no address.
fn network(text: &str) -> Option<Parsed<(IpAddr, u8)>> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let mapped = address.to_canonical() != address;
    let wrong =
        || say! { en: "“{text}”: no such prefix length", ko: "“{text}”: 그런 프리픽스 길이는 없음", text = text };
    let length = length.map_or(Some(width), |length| length.parse().ok()).filter(|length| *length <= width);
    let length = length.map(|length| if mapped { length.saturating_sub(96) } else { length });
    Some(length.map(|length| (address.to_canonical(), length)).ok_or_else(wrong))
}

fn resolve(host: &str) -> Parsed<(IpAddr, u8)> {
    let address = (host, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address.map(|address| address.ip().to_canonical()).ok_or_else(
        || say! { en: "“{host}” is no address, and no name that has one", ko: "“{host}”은(는) 주소도, 주소가 있는 이름도 아님", host = host },
    )?;
    Ok((address, if address.is_ipv4() { 32 } else { 128 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(state: State, local: &str, remote: &str) -> Socket {
        let endpoint = |text: &str| {
            let address: std::net::SocketAddr = text.parse().unwrap();
            Endpoint::new(address.ip(), address.port())
        };
        Socket { state, local: endpoint(local), remote: endpoint(remote), ..Socket::default() }
    }

    fn takes(filter: &str, socket: &Socket) -> bool {
        Filter::parse(&[filter.to_owned()]).unwrap_or_else(|error| panic!("{filter}: {}", error.en)).takes(socket)
    }

    fn states(filter: &str) -> u32 {
        Filter::parse(&[filter.to_owned()]).unwrap().states
    }

    #[test]
    fn states_have_the_names_of_the_kernel_and_of_ss() {
        for name in ["close-wait", "CLOSE_WAIT", "CLOSE-WAIT"] {
            assert_eq!(states(&format!("state {name}")), State::CloseWait.bit());
        }
        assert_eq!(states("state fin-wait-1 state fin_wait2"), State::FinWait1.bit() | State::FinWait2.bit());
        assert_eq!([states("state listening"), states("state closed")], [State::Listen.bit(), State::Close.bit()]);
        assert_eq!(states(""), ALL);
    }

    // ss(8): connected is all but listening and closed; synchronized is that without syn-sent; bucket is time-wait and syn-recv.
    #[test]
    fn groups_are_those_of_ss() {
        let bits = |list: &[State]| list.iter().fold(0, |mask, state| mask | state.bit());
        assert_eq!(states("state bucket"), bits(&[State::TimeWait, State::SynRecv]));
        assert_eq!(states("state big") | states("state bucket"), bits(&State::ALL));
        assert_eq!(bits(&State::ALL) & !states("state connected"), bits(&[State::Listen, State::Close]));
        assert_eq!(states("state connected") & !states("state synchronized"), State::SynSent.bit());
        assert_eq!(states("exclude listen"), bits(&State::ALL) & !State::Listen.bit());
    }

    #[test]
    fn ports_are_compared() {
        let one = socket(State::Established, "192.0.2.1:40000", "203.0.113.9:443");
        for yes in
            ["dport = :443", "dport 443", "dport == 443", "dport eq 443", "dport >= 443", "dport<=443", "dport != 80"]
        {
            assert!(takes(yes, &one), "{yes}");
        }
        for no in ["dport = 80", "dport > 443", "dport lt 443", "sport 443", "dport ne 443"] {
            assert!(!takes(no, &one), "{no}");
        }
    }

    #[test]
    fn addresses_are_matched_by_prefix() {
        let four = socket(State::Established, "192.0.2.1:40000", "203.0.113.9:443");
        let six = socket(State::Established, "[2001:db8::1]:40000", "[2001:db8:1::9]:443");
        for yes in [
            "dst 203.0.113.0/24",
            "dst 203.0.113.9",
            "dst 203.0.113.9:443",
            "dst :443",
            "src 192.0.2.1:40000",
            "dst 0.0.0.0/0",
            "dst != 10.0.0.1",
        ] {
            assert!(takes(yes, &four), "{yes}");
        }
        for yes in
            ["dst 2001:db8::/32", "dst [2001:db8:1::9]:443", "dst [2001:db8:1::9]", "dst ::/0", "src 2001:db8::1"]
        {
            assert!(takes(yes, &six), "{yes}");
        }
        for no in ["dst 203.0.113.0/30", "dst 203.0.113.9:80", "dst ::/0"] {
            assert!(!takes(no, &four), "{no}");
        }
        assert!(takes("dst ::ffff:203.0.113.0/120", &four));
    }

    #[test]
    fn and_binds_tighter_than_or_and_brackets_than_both() {
        let one = socket(State::Established, "192.0.2.1:1", "203.0.113.9:2");
        assert!(takes("dport 2 or sport 9 and sport 8", &one));
        assert!(!takes("( dport 2 or sport 9 ) and sport 8", &one));
        assert!(!takes("(dport 2||sport 9)&&sport 8", &one));
        assert!(takes("not dport 3", &one) && takes("! ( dport 3 or dport 4 )", &one));
        assert!(takes("state established dport 2 sport 1", &one));
        assert!(!takes("state close-wait dport 2", &one));
        assert!(takes("state established and dport 2", &one) && takes("dport 2 and state established", &one));
        assert!(takes("state close-wait or dport 2", &one) && !takes("state close-wait or dport 3", &one));
        assert!(!takes("dport 2 and not ( state established )", &one));
    }

    #[test]
    fn a_wrong_word_is_told_with_its_place() {
        let wrong = |filter: &str| Filter::parse(&[filter.to_owned()]).unwrap_err().en;
        assert!(wrong("state nonsense").contains("at the end of “state nonsense”: there is no state “nonsense”"));
        assert!(wrong("dport = :70000").contains("no port"));
        assert!(wrong("( dport 1").contains("not closed"));
        assert!(wrong("dport 1 )").contains("never opened"));
        assert!(wrong("dst 10.0.0.0/33").contains("10.0.0.0/33"));
        assert!(wrong("dst < 10.0.0.1").contains("no order"));
        assert!(wrong("port 5").contains("“port” is none of"));
        assert!(wrong("dport").contains("of what?"));
    }

    #[test]
    fn a_port_has_a_name() {
        let services = "ssh 22/tcp # shell\nhttp 80/tcp www\ntftp 69/udp\n";
        let port = |name| named_port(services, name);
        assert_eq!([port("ssh"), port("www"), port("tftp"), port("no")], [Some(22), Some(80), None, None]);
    }
}
