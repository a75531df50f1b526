//! Local ports toward one destination: how many there are, how many are taken, and when the present rate takes the rest.
//!
//! Source: net/ipv4/inet_hashtables.c `__inet_hash_connect()` (the range is free anew for every source, destination and
//! destination port; first the ports of the lower end's parity, then the others) and net/ipv4/tcp_ipv4.c `tcp_twsk_unique()`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Limits, Read};
use crate::report::{Advice, Finding};
use crate::say;
use crate::snapshot::{AGES, Endpoint, Owner, Question, Service, ServiceKey, Snapshot, State};
use crate::window::Window;
use crate::words::Message;

pub(super) const RANGE: &str = "net.ipv4.ip_local_port_range";
pub(super) const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";
pub(super) const REUSE: &str = "net.ipv4.tcp_tw_reuse";
pub(super) const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";
const REUSE_DELAY: &str = "net.ipv4.tcp_tw_reuse_delay";

/// What no rule of ports can do without.
pub(super) const READS: &[Read] =
    &[Read::Census, Read::Sysctl(RANGE), Read::Sysctl(RESERVED), Read::Sysctl(REUSE), Read::Sysctl(TIMESTAMPS)];

/// The local ports of a namespace and how it hands them out.
pub(super) struct Ports {
    /// `ip_local_port_range`.
    pub(super) range: (u16, u16),
    /// Ports inside it that connect() never takes: reserved, or with a listener.
    blocked: BTreeSet<u16>,
    /// `tcp_tw_reuse`: 0 never, 1 always, 2 on loopback.
    pub(super) reuse: i64,
    /// Whether `tcp_timestamps` are on, without which nothing is reused.
    pub(super) timestamps: bool,
    /// A TIME_WAIT must be this old before it is reused.
    reuse_after_seconds: usize,
}

impl Ports {
    /// From a look; `None` when a setting cannot be read.
    pub(super) fn of(snapshot: &Snapshot) -> Option<Self> {
        let range = range(snapshot.sysctl(RANGE)?)?;
        let inside = |port: &u16| (range.0..=range.1).contains(port);
        let mut blocked: BTreeSet<u16> = reserved(snapshot.sysctl(RESERVED)?).filter(inside).collect();
        let listeners = snapshot.census.iter().flat_map(|census| &census.listeners);
        blocked.extend(listeners.map(|listener| listener.local.port).filter(inside));
        let delay_ms = snapshot.sysctl_number(REUSE_DELAY).unwrap_or(1_000);
        Some(Self {
            range,
            blocked,
            reuse: snapshot.sysctl_number(REUSE)?,
            timestamps: snapshot.sysctl_number(TIMESTAMPS)? != 0,
            reuse_after_seconds: usize::try_from(delay_ms).unwrap_or(0).div_ceil(1_000),
        })
    }

    /// Connections that one source can have to one destination at a time.
    pub(super) fn capacity(&self) -> u32 {
        (u32::from(self.range.1) + 1).saturating_sub(u32::from(self.range.0) + self.blocked.len() as u32)
    }

    /// Whether connect() may take over a TIME_WAIT toward this destination. `tcp_tw_reuse` 2 means loopback addresses only.
    pub(super) fn reuses(&self, key: &ServiceKey) -> bool {
        let ServiceKey::Destination { source, destination } = key else { return false };
        let loopback = source.is_loopback() || destination.address.is_loopback();
        self.timestamps && (self.reuse == 1 || (self.reuse == 2 && loopback))
    }

    /// How the ports toward a destination are used; `None` for the connections of a listener, which take none.
    pub(super) fn usage<'a>(&self, service: &'a Service, limits: &Limits) -> Option<Usage<'a>> {
        let ServiceKey::Destination { source, destination } = service.key else { return None };
        let reused = self.reuses(&service.key);
        let time_wait = service.states.get(State::TimeWait);
        let live = service.ports.saturating_sub(time_wait);
        let held = if reused { service.time_wait_younger_than_seconds(self.reuse_after_seconds) } else { time_wait };
        let rate = rate(service, limits.ports_rate_seconds as usize).filter(|_| !reused);
        let taken = live + held.min(service.ports);
        Some(Usage { service, source, destination, capacity: self.capacity(), taken, live, reused, rate })
    }
}

fn range(words: &str) -> Option<(u16, u16)> {
    let mut ports = words.split_whitespace().map(str::parse);
    Some((ports.next()?.ok()?, ports.next()?.ok()?))
}

/// `8080,9000-9010`; what cannot be read reserves nothing.
fn reserved(words: &str) -> impl Iterator<Item = u16> {
    words
        .trim()
        .split(',')
        .filter_map(|part| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            Some(low.trim().parse().ok()?..=high.trim().parse::<u16>().ok()?)
        })
        .flatten()
}

/// Connections a second that reached TIME_WAIT over the last seconds; `None` unless they came in each third of them: one burst is
/// no rate.
pub(super) fn rate(service: &Service, seconds: usize) -> Option<f64> {
    let mean = f64::from(service.time_wait_younger_than_seconds(seconds)) / seconds.clamp(1, AGES) as f64;
    let third = seconds.div_ceil(3).max(1);
    let recent = service.time_wait_ages.get(..seconds.min(AGES))?;
    let even = recent.chunks(third).all(|ages| f64::from(ages.iter().sum::<u32>()) >= mean / 2.0 * ages.len() as f64);
    (even && mean > 0.0).then_some(mean)
}

/// Share of the ports toward a destination that is taken; 0 where it has none of its own, or a setting cannot be read.
pub(super) fn share_taken(window: &Window, service: &Service, limits: &Limits) -> f64 {
    let ports = Ports::of(window.last());
    ports.and_then(|ports| Some(ports.usage(service, limits)?.share())).unwrap_or(0.0)
}

/// The ports of one destination, counted.
pub(super) struct Usage<'a> {
    pub(super) service: &'a Service,
    /// Our address.
    pub(super) source: IpAddr,
    /// Their address and port.
    pub(super) destination: Endpoint,
    /// Ports there are.
    pub(super) capacity: u32,
    /// Ports that connect() cannot have now.
    pub(super) taken: u32,
    /// Of them, those of live connections.
    pub(super) live: u32,
    /// Whether older TIME_WAIT are reused.
    pub(super) reused: bool,
    /// New connections a second, when they come steadily.
    pub(super) rate: Option<f64>,
}

impl Usage<'_> {
    /// Share of the ports that is taken.
    pub(super) fn share(&self) -> f64 {
        f64::from(self.taken) / f64::from(self.capacity.max(1))
    }

    /// The share that the present rate leads to: each connection holds its port for 60 s of TIME_WAIT.
    pub(super) fn level(&self) -> Option<f64> {
        Some((self.rate? * AGES as f64 + f64::from(self.live)) / f64::from(self.capacity.max(1)))
    }

    /// Seconds until this many ports are taken, if the rate leads there.
    pub(super) fn until(&self, ports: f64) -> Option<f64> {
        if self.level()? * f64::from(self.capacity) <= ports || f64::from(self.taken) >= ports {
            return None;
        }
        let expiring = f64::from(self.service.time_wait_ages.iter().skip(AGES - 10).sum::<u32>()) / 10.0;
        let growth = self.rate? - expiring;
        (growth > 0.0).then(|| (ports - f64::from(self.taken)) / growth)
    }

    /// Seconds until no port is left.
    pub(super) fn until_full(&self) -> Option<f64> {
        self.until(f64::from(self.capacity))
    }

    /// Seconds until the ports of the fast parity are used up.
    pub(super) fn until_half(&self) -> Option<f64> {
        self.until(f64::from(self.capacity) / 2.0)
    }

    /// The state that holds most of the ports.
    pub(super) fn main_state(&self) -> State {
        let count = |state: &State| self.service.states.get(*state);
        State::ALL.into_iter().max_by_key(count).unwrap_or_default()
    }
}

/// The process behind a service, by one of its live sockets.
pub(super) fn owner<'a>(window: &Window<'a>, service: &Service, questions: &mut Vec<Question>) -> Option<&'a Owner> {
    let inode = service.inodes.first().copied().filter(|&inode| inode != 0)?;
    window.owner(inode, service.uid).or_ask(questions)
}

/// What gives ports back, as far as this host has not done it already.
pub(super) fn repair(ports: &Ports, usage: &Usage) -> Vec<Advice> {
    let mut repair = vec![
        Advice::from(say! {
            en: "keep connections open and use them again (HTTP keep-alive, a connection pool)",
            ko: "연결을 열어 두고 다시 쓴다(HTTP keep-alive, 커넥션 풀)"
        })
        .effect(say! { en: "no new port per request, and no handshake", ko: "요청마다 새 포트도 핸드셰이크도 필요 없음" }),
        Advice::from(say! {
            en: "let the other side close first where the protocol allows; or use more destination or source addresses",
            ko: "프로토콜이 허용하면 상대가 먼저 닫게 하거나, 목적지 또는 출발지 주소를 늘린다"
        })
        .effect(say! { en: "TIME_WAIT moves to the side that closes; each further address has the whole range again", ko: "TIME_WAIT는 먼저 닫는 쪽에 남고, 주소 하나마다 포트 범위 전체를 새로 쓴다" }),
    ];
    repair.extend(wider(ports));
    if usage.main_state() == State::TimeWait && !usage.reused {
        repair.push(reuse(ports));
    }
    repair
}

fn wider(ports: &Ports) -> Option<Advice> {
    let (low, high) = ports.range;
    (low > 10_240 || high < 65_000).then(|| {
        Advice::from(say! {
            en: "sysctl -w {key}=\"10240 65535\" (keep ports of services in ip_local_reserved_ports)",
            ko: "sysctl -w {key}=\"10240 65535\" (서비스 포트는 ip_local_reserved_ports에 넣는다)",
            key = RANGE
        })
        .effect(say! { en: "up to 55296 ports toward each destination", ko: "목적지마다 최대 55296개 포트" })
        .side_effect(say! {
            en: "a program that starts later may find its port taken by a connection",
            ko: "나중에 시작하는 프로그램의 포트를 연결이 먼저 쓸 수 있음"
        })
        .undo(say! { en: "sysctl -w {key}=\"{low} {high}\"", ko: "sysctl -w {key}=\"{low} {high}\"", key = RANGE, low = low, high = high })
    })
}

fn reuse(ports: &Ports) -> Advice {
    let command = if ports.timestamps {
        "sysctl -w net.ipv4.tcp_tw_reuse=1"
    } else {
        "sysctl -w net.ipv4.tcp_timestamps=1 net.ipv4.tcp_tw_reuse=1"
    };
    Advice::from(say! {
        en: "{command} (acts on the side that connects; the peer must have timestamps on too)",
        ko: "{command} (연결하는 쪽에만 작용하며 상대도 타임스탬프를 써야 한다)",
        command = command
    })
    .effect(say! {
        en: "connect() takes over a TIME_WAIT that is older than a second",
        ko: "connect()가 1초 넘은 TIME_WAIT의 포트를 이어받음"
    })
    .side_effect(say! { en: "none known: timestamps tell old segments apart (RFC 6191)", ko: "알려진 것 없음: 타임스탬프로 옛 세그먼트를 가려냄(RFC 6191)" })
    .undo(say! {
        en: "sysctl -w net.ipv4.tcp_tw_reuse={reuse}",
        ko: "sysctl -w net.ipv4.tcp_tw_reuse={reuse}",
        reuse = ports.reuse
    })
}

/// What does not help.
pub(super) fn avoid() -> Vec<Message> {
    vec![
        say! {
            en: "tcp_fin_timeout does not shorten TIME_WAIT: its 60 s are compiled in",
            ko: "tcp_fin_timeout은 TIME_WAIT를 줄이지 않는다: 60초는 커널에 고정되어 있다"
        },
        say! {
            en: "SO_KEEPALIVE gives no port back: it probes idle connections",
            ko: "SO_KEEPALIVE는 포트를 돌려주지 않는다: 유휴 연결을 확인할 뿐이다"
        },
    ]
}

/// The numbers that all rules of ports rest on.
pub(super) fn with_evidence(finding: Finding, ports: &Ports, usage: &Usage) -> Finding {
    let scope = "destination";
    let mut finding = finding
        .evidence(
            "local ports",
            (f64::from(usage.capacity), "ports"),
            scope,
            "ip_local_port_range − reserved − listening",
        )
        .evidence("ports taken", (f64::from(usage.taken), "ports"), scope, "sock_diag")
        .evidence("share taken", (usage.share(), "ratio"), scope, "taken / local ports")
        .evidence(REUSE, (ports.reuse as f64, "setting"), "netns", "/proc/sys/net/ipv4/tcp_tw_reuse");
    for state in State::ALL {
        let count = usage.service.states.get(state);
        if count > 0 {
            finding = finding.evidence(state.name(), (f64::from(count), "sockets"), scope, "sock_diag");
        }
    }
    if let Some((rate, level)) = usage.rate.zip(usage.level()) {
        finding = finding.evidence("new connections", (rate, "per second"), scope, "TIME_WAIT ages");
        finding = finding.evidence("share at this rate", (level, "ratio"), scope, "(rate × 60 s + live) / local ports");
    }
    finding
}

/// The commands with which a sceptic counts again.
pub(super) fn verify(usage: &Usage) -> Vec<String> {
    let to = usage.destination;
    vec![
        format!("ss -Htan dst {} dport = :{} | awk '{{print $1}}' | sort | uniq -c", to.address, to.port),
        format!("sysctl {RANGE} {RESERVED} {REUSE} {TIMESTAMPS}"),
    ]
}

/// The destination with the largest share of its ports taken.
pub(super) fn fullest<'a>(usages: &'a [Usage]) -> Option<&'a Usage<'a>> {
    usages.iter().max_by_key(|usage| usage.taken)
}

/// The destinations of a look, those with no port in use left out.
pub(super) fn usages<'a>(window: &Window<'a>, ports: &Ports, limits: &Limits) -> Vec<Usage<'a>> {
    let services = window.census().map_or(&[][..], |census| &census.services);
    services.iter().filter(|service| service.ports > 0).filter_map(|service| ports.usage(service, limits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::Scene;
    use crate::snapshot::Socket;

    fn ports(settings: &[(&str, &str)], listener: Option<&str>) -> Ports {
        let scene = settings.iter().fold(Scene::new(), |scene, (name, value)| scene.sysctl(name, value));
        let scene = listener.into_iter().fold(scene, |scene, at| scene.still(&Socket::listener(at, 0, 128)));
        Ports::of(&scene.build().second).unwrap()
    }

    #[test]
    fn reserved_and_listening_ports_inside_the_range_are_no_capacity() {
        assert_eq!(ports(&[], None).capacity(), 28_232);
        let small = (RANGE, "40000\t40019");
        assert_eq!(ports(&[small], None).capacity(), 20);
        assert_eq!(ports(&[small, (RESERVED, "40000-40009")], None).capacity(), 10);
        assert_eq!(ports(&[small, (RESERVED, "80,40003,50000-50009")], None).capacity(), 19);
        assert_eq!(ports(&[small], Some("0.0.0.0:40007")).capacity(), 19);
        assert_eq!(ports(&[small], Some("0.0.0.0:8080")).capacity(), 20);
    }

    #[test]
    fn reuse_needs_timestamps_and_means_loopback_when_it_is_two() {
        let to = |address: &str| ServiceKey::Destination {
            source: address.parse().unwrap(),
            destination: crate::snapshot::Endpoint::new(address.parse().unwrap(), 80),
        };
        let reuses = |reuse, stamps, address| ports(&[(REUSE, reuse), (TIMESTAMPS, stamps)], None).reuses(&to(address));
        assert!(reuses("1", "1", "192.0.2.9") && reuses("2", "1", "127.0.0.1") && reuses("2", "1", "::1"));
        assert!(!reuses("1", "0", "192.0.2.9") && !reuses("2", "1", "192.0.2.9") && !reuses("0", "1", "127.0.0.1"));
    }

    fn service(ages: &[u32]) -> Service {
        let mut service = Service::new(ServiceKey::Listener(Endpoint::default()));
        service.time_wait_ages[..ages.len()].copy_from_slice(ages);
        service
    }

    #[test]
    fn one_burst_is_no_rate() {
        assert_eq!(rate(&service(&[0, 0, 0, 400]), 20), None);
        assert_eq!(rate(&service(&[25; AGES]), 20), Some(25.0));
    }

    #[test]
    fn the_forecast_is_arithmetic() {
        // 25/s for 28 s on 2000 ports: 700 taken (35 %), 1500 of them in the end (75 %), never full, half in 12 s.
        let service = service(&[25; 28]);
        let (source, destination) = ([192, 0, 2, 1].into(), Endpoint::default());
        let rate = rate(&service, 20);
        let usage =
            Usage { service: &service, source, destination, capacity: 2_000, taken: 700, live: 0, reused: false, rate };
        assert_eq!((usage.share(), usage.level()), (0.35, Some(0.75)));
        assert_eq!((usage.until_full(), usage.until_half()), (None, Some(12.0)));
        let faster = Usage { rate: Some(50.0), ..usage };
        assert_eq!(faster.until_full(), Some(26.0));
    }
}
