//! A record of the deep walk over the kernel's hash tables → one socket as sock_diag would tell it: with timers, memory, and of
//! tcp_info what [`TOLD`] lists.
//!
//! Source: crates/tcphealth-linux/bpf/walk.c made with DEEP; net/ipv4/tcp.c `tcp_get_info()`, net/ipv4/inet_diag.c
//! `inet_sk_diag_fill()`, net/core/sock.c `sk_get_meminfo()`, all at v6.18. Nothing locks the socket meanwhile: what moves is told of
//! moments that lie nanoseconds apart.

use super::hash_walk::{self, Places};
use super::netlink::{u8_at, u64_at};
use crate::snapshot::{FIELDS, Field, SkMem, Socket, State, TcpInfo, Timer};

/// Where the address of the socket, the id of its control group, the third of `chrono_stat`, and the values stand in a record.
const ADDRESS_AT: usize = hash_walk::RECORD_BYTES;
const CGROUP_AT: usize = ADDRESS_AT + 8;
const SNDBUF_LIMITED_AT: usize = CGROUP_AT + 8;
const VALUES_AT: usize = SNDBUF_LIMITED_AT + 8;
/// Values that every walk can tell, in the part of the record that both have.
const IN_BOTH: [(&str, usize); 2] = [("srtt_us", 160), ("total_retrans", 164)];
/// What of that part is there.
const WANTED: u32 = hash_walk::QUEUES | hash_walk::OWNER | hash_walk::NETNS;
/// Bytes of a `tcp_info` up to the last field that is told.
const INFO_BYTES: usize = 280;
/// The kernel's numbers of what is less than a socket.
const STUB: u8 = 6;
const REQUEST: u8 = 12;
/// The jiffies began so long before they reached 2³² (`INITIAL_JIFFIES`, include/linux/jiffies.h), seconds.
const JIFFIES_HEAD_START: f64 = 300.0;
const HZ: [u32; 5] = [100, 250, 300, 1000, 1024];

/// How a field follows from a value.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The lowest 8, 16, 32 or 64 bits.
    Bits(u32),
    /// 32 bits of eighths (`srtt_us`), of quarters (`mdev_us`).
    Shifted(u32),
    /// The newest of `struct minmax`: the upper half, beside its time.
    Upper,
    /// A time in jiffies, as µs.
    Time,
    /// A moment in jiffies, as the time since, ms.
    Since,
}

/// The fields of `tcp_info` that are told, and what of `struct tcp_sock` and `struct inet_connection_sock` each follows from.
const TOLD: [(&str, &str, Turn); 24] = [
    ("rtt", "srtt_us", Turn::Shifted(3)),
    ("rttvar", "mdev_us", Turn::Shifted(2)),
    ("min_rtt", "rtt_min", Turn::Upper),
    ("total_retrans", "total_retrans", Turn::Bits(32)),
    ("dsack_dups", "dsack_dups", Turn::Bits(32)),
    ("reord_seen", "reord_seen", Turn::Bits(32)),
    ("bytes_acked", "bytes_acked", Turn::Bits(64)),
    ("bytes_received", "bytes_received", Turn::Bits(64)),
    ("bytes_sent", "bytes_sent", Turn::Bits(64)),
    ("bytes_retrans", "bytes_retrans", Turn::Bits(64)),
    ("unacked", "packets_out", Turn::Bits(32)),
    ("sacked", "sacked_out", Turn::Bits(32)),
    ("snd_ssthresh", "snd_ssthresh", Turn::Bits(32)),
    ("data_segs_out", "data_segs_out", Turn::Bits(32)),
    ("snd_mss", "mss_cache", Turn::Bits(32)),
    ("advmss", "advmss", Turn::Bits(16)),
    ("last_data_sent", "lsndtime", Turn::Since),
    ("last_data_recv", "icsk_ack__lrcvtime", Turn::Since),
    ("last_ack_recv", "rcv_tstamp", Turn::Since),
    ("rto", "icsk_rto", Turn::Time),
    ("backoff", "icsk_backoff", Turn::Bits(8)),
    ("retransmits", "icsk_retransmits", Turn::Bits(8)),
    ("probes", "icsk_probes_out", Turn::Bits(8)),
    ("pmtu", "icsk_pmtu_cookie", Turn::Bits(32)),
];

/// Fields that follow from more than one value.
const COMPUTED: [&str; 4] = ["state", "busy_time", "rwnd_limited", "sndbuf_limited"];

/// What turns records into sockets on one kernel.
#[derive(Clone, Debug)]
pub struct Deep {
    places: Places,
    told: Vec<(usize, Turn, Field)>,
    /// [`COMPUTED`].
    computed: Vec<Field>,
    at: Values,
}

/// Where in a record the values stand that do not become a field by themselves.
#[derive(Clone, Copy, Debug)]
struct Values {
    chrono: [usize; 3],
    pending: usize,
    retransmits: usize,
    probes_out: usize,
    retransmit_expires: usize,
    keepalive: [usize; 2],
    memory: [usize; 9],
}

/// The kernel's clock of jiffies at the moment of the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jiffies {
    /// `jiffies_64`.
    pub now: u64,
    /// `CONFIG_HZ`: how many make a second.
    pub hz: u32,
}

impl Jiffies {
    /// Which of the kernel's frequencies makes so many jiffies in the time since boot, suspend excluded; `None` when more than one
    /// does, which is so about the fifth minute.
    pub fn new(now: u64, since_boot_seconds: f64) -> Option<Self> {
        let ran = now as f64 - f64::from(u32::MAX) - 1.0;
        let slack_seconds = 2.0 + since_boot_seconds / 100.0;
        let makes = |hz: &u32| (ran / f64::from(*hz) + JIFFIES_HEAD_START - since_boot_seconds).abs() < slack_seconds;
        let mut right = HZ.into_iter().filter(makes);
        let hz = right.next()?;
        right.next().is_none().then_some(Self { now, hz })
    }

    fn us(self, jiffies: u64) -> u64 {
        jiffies * 1_000_000 / u64::from(self.hz)
    }

    /// Of a moment of which the kernel keeps the lower half (`tcp_jiffies32`).
    fn ms_since(self, moment: u64) -> u64 {
        u64::from((self.now as u32).wrapping_sub(moment as u32)) * 1000 / u64::from(self.hz)
    }

    /// `jiffies_delta_to_msecs()`: what is past is 0.
    fn ms_until(self, moment: u64) -> u32 {
        let left = moment.wrapping_sub(self.now).cast_signed().max(0).cast_unsigned();
        u32::try_from(left.saturating_mul(1000) / u64::from(self.hz)).unwrap_or(u32::MAX)
    }
}

impl Deep {
    /// For records whose values are these members in their order.
    pub fn new(places: Places, members: &[&str]) -> Option<Self> {
        let value = |name: &str| place(members, name);
        let field = |name: &str| FIELDS.iter().find(|field| field.name == name).copied();
        let told: Option<Vec<_>> =
            TOLD.iter().map(|(name, member, turn)| Some((value(member)?, *turn, field(name)?))).collect();
        Some(Self {
            places,
            told: told?,
            computed: COMPUTED.iter().filter_map(|name| field(name)).collect(),
            at: Values {
                chrono: [value("chrono_start")?, value("chrono_stat")?, value("chrono_type")?],
                pending: value("icsk_pending")?,
                retransmits: value("icsk_retransmits")?,
                probes_out: value("icsk_probes_out")?,
                retransmit_expires: value("icsk_retransmit_timer__expires")?,
                keepalive: [value("sk_timer__entry__pprev")?, value("sk_timer__expires")?],
                memory: [
                    value("sk_backlog__rmem_alloc")?,
                    value("sk_rcvbuf")?,
                    value("sk_wmem_alloc")?,
                    value("sk_sndbuf")?,
                    value("sk_forward_alloc")?,
                    value("sk_wmem_queued")?,
                    value("sk_omem_alloc")?,
                    value("sk_backlog__len")?,
                    value("sk_drops")?,
                ],
            },
        })
    }

    /// Whether this field of `tcp_info` is told; of the others nothing may be concluded.
    pub fn tells(name: &str) -> bool {
        COMPUTED.contains(&name) || TOLD.iter().any(|(field, ..)| *field == name)
    }

    /// Bytes of a record with so many values.
    pub const fn record_bytes(values: usize) -> usize {
        VALUES_AT + 8 * values
    }

    /// Reads a record into `socket`, of which nothing old remains, and returns its namespace. A listener is no matter of this.
    ///
    /// Its cookie is ours: the kernel gives one only to sockets that somebody has asked for. It tells a socket from every other by
    /// its place in memory and its ends, and from the kernel's by its highest bit.
    pub fn parse(&self, record: &[u8], jiffies: Jiffies, socket: &mut Socket) -> Option<u32> {
        let netns = hash_walk::parse(record, &self.places, WANTED, socket)?;
        socket.cookie = cookie(u64_at(record, ADDRESS_AT)?, socket);
        let value = Record(record);
        match u8_at(record, self.places.state)? {
            STUB => (socket.timer, socket.timer_expires_ms) = (Timer::TimeWait, jiffies.ms_until(value.at(VALUES_AT))),
            REQUEST => {
                (socket.timer, socket.timer_expires_ms) = (Timer::On, jiffies.ms_until(value.at(VALUES_AT)));
                socket.timer_retrans = value.at(VALUES_AT + 8) as u8;
            }
            _ => {
                self.timer(value, jiffies, socket);
                socket.cgroup = Some(value.at(CGROUP_AT));
                socket.skmem = Some(self.memory(value));
                let info = socket.info.insert(TcpInfo::new(&[0; INFO_BYTES]));
                self.tell(value, jiffies, socket.state, info);
            }
        }
        Some(netns)
    }

    fn timer(&self, value: Record<'_>, jiffies: Jiffies, socket: &mut Socket) {
        // ICSK_TIME_*, include/net/inet_connection_sock.h.
        let (timer, retrans, expires) = match value.at(self.at.pending) as u8 {
            1 | 5 | 6 => (Timer::On, self.at.retransmits, self.at.retransmit_expires),
            3 => (Timer::Persist, self.at.probes_out, self.at.retransmit_expires),
            _ if value.at(self.at.keepalive[0]) != 0 => (Timer::Keepalive, self.at.probes_out, self.at.keepalive[1]),
            _ => return,
        };
        (socket.timer, socket.timer_retrans) = (timer, value.at(retrans) as u8);
        socket.timer_expires_ms = jiffies.ms_until(value.at(expires));
    }

    fn memory(&self, value: Record<'_>) -> SkMem {
        let [rmem, rcvbuf, wmem, sndbuf, forward, queued, options, backlog, drops] =
            self.at.memory.map(|at| value.at(at) as u32);
        SkMem {
            rmem_alloc_bytes: rmem,
            rcvbuf_bytes: rcvbuf,
            // The socket itself holds one (`sk_wmem_alloc_get()`).
            wmem_alloc_bytes: wmem.wrapping_sub(1),
            sndbuf_bytes: sndbuf,
            fwd_alloc_bytes: forward,
            wmem_queued_bytes: queued,
            optmem_bytes: options,
            backlog_bytes: backlog,
            drops,
        }
    }

    /// Fills in what is told of `tcp_info`.
    fn tell(&self, value: Record<'_>, jiffies: Jiffies, state: State, info: &mut TcpInfo) {
        for (at, turn, field) in &self.told {
            let from = value.at(*at);
            let low = u64::from(from as u32);
            let told = match turn {
                Turn::Bits(64) => from,
                Turn::Bits(bits) => from & ((1 << bits) - 1),
                Turn::Shifted(bits) => low >> bits,
                Turn::Upper => from >> 32,
                Turn::Time => jiffies.us(low),
                Turn::Since => jiffies.ms_since(from),
            };
            info.put(field, told);
        }
        let [busy, rwnd, sndbuf] = self.chrono(value, jiffies);
        for (field, told) in self.computed.iter().zip([state as u64, busy + rwnd + sndbuf, rwnd, sndbuf]) {
            info.put(field, told);
        }
    }

    /// `tcp_get_info_chrono_stats()`: the time of each kind, µs, with what the present one has lasted.
    fn chrono(&self, value: Record<'_>, jiffies: Jiffies) -> [u64; 3] {
        let [began, stat, kind] = self.at.chrono;
        let running = value.at(kind) & 3;
        let lasted = u64::from((jiffies.now as u32).wrapping_sub(value.at(began) as u32));
        let counts = [value.at(stat) as u32, (value.at(stat) >> 32) as u32, value.at(SNDBUF_LIMITED_AT) as u32];
        let mut kind = 0;
        counts.map(|count| {
            kind += 1;
            jiffies.us(u64::from(count) + if kind == running { lasted } else { 0 })
        })
    }
}

/// The values of a record by their places; there is none behind its end.
#[derive(Clone, Copy)]
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn at(self, place: usize) -> u64 {
        u64_at(self.0, place).unwrap_or(0)
    }
}

/// Where in a record a value stands.
fn place(members: &[&str], name: &str) -> Option<usize> {
    let in_both = IN_BOTH.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
    in_both.or_else(|| Some(VALUES_AT + 8 * members.iter().position(|member| *member == name)?))
}

/// Of two sockets at the same place one after the other, the ends differ; of two with the same ends, the place.
fn cookie(address: u64, socket: &Socket) -> u64 {
    const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;
    let words = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(address) => [u64::from(address.to_bits()), 0],
        std::net::IpAddr::V6(address) => [address.to_bits() as u64, (address.to_bits() >> 64) as u64],
    };
    let ports = u64::from(socket.local.port) << 16 | u64::from(socket.remote.port);
    let ends = words(socket.local.address).into_iter().chain(words(socket.remote.address)).chain([ports]);
    ends.fold(address, |sum, word| (sum ^ word).wrapping_mul(PRIME).rotate_left(29)) | 1 << 63
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: &str = include_str!("../../../tcphealth-linux/bpf/deep.fields.h");

    fn members() -> Vec<&'static str> {
        let lines = MEMBERS.lines().filter_map(|line| line.strip_prefix("FIELD(")?.strip_suffix(')')?.split_once(", "));
        lines.map(|(_, member)| member).collect()
    }

    /// Places as on Linux 6.18 for x86-64.
    const PLACES: Places = Places {
        daddr: 0,
        rcv_saddr: 4,
        dport: 12,
        num: 14,
        family: 16,
        state: 18,
        bound_dev_if: 20,
        v6_daddr: 56,
        v6_rcv_saddr: 72,
    };

    fn record(state: u8, values: &[(&str, u64)]) -> Vec<u8> {
        let members = members();
        let mut record = vec![0; Deep::record_bytes(members.len())];
        record[16..18].copy_from_slice(&2u16.to_ne_bytes());
        record[18] = state;
        record[ADDRESS_AT..CGROUP_AT].copy_from_slice(&0xffff_8880_1234_5678u64.to_ne_bytes());
        for (name, value) in values {
            let at = place(&members, name).unwrap();
            record[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        record
    }

    #[test]
    fn the_frequency_follows_from_the_time_since_boot() {
        // An hour after boot at 250 Hz: 2^32 + (3600 - 300) * 250.
        let now = (1 << 32) + 3300 * 250;
        assert_eq!(Jiffies::new(now, 3600.0), Some(Jiffies { now, hz: 250 }));
        assert_eq!(Jiffies::new(now, 9000.0), None);
        // In the fifth minute every frequency has made the same.
        assert_eq!(Jiffies::new(1 << 32, 300.0), None);
    }

    #[test]
    fn fields_follow_as_the_kernel_computes_them() {
        let deep = Deep::new(PLACES, &members()).unwrap();
        let jiffies = Jiffies { now: (1 << 32) + 10_000, hz: 250 };
        // Times of 32 bits beside whatever lies behind them in memory.
        let beside = 0xdead_beef << 32;
        let values = [
            ("srtt_us", 8_000 + (7 << 32)),
            ("mdev_us", 2_000 + beside),
            ("rtt_min", (850 << 32) + 77),
            ("lsndtime", 9_750 + beside),
            ("icsk_rto", 51 + beside),
            ("icsk_pending", 1 + (0xaa << 8)),
            ("icsk_retransmits", 3 + (0xaa << 8)),
            ("icsk_retransmit_timer__expires", (1 << 32) + 10_100),
            ("chrono_stat", 100 + (50 << 32)),
            ("chrono_type", 2 + 0xfc),
            ("chrono_start", 9_990 + beside),
            ("sk_wmem_alloc", 1 + beside),
            ("bytes_acked", 1 << 40),
        ];
        let mut socket = Socket::default();
        assert_eq!(deep.parse(&record(1, &values), jiffies, &mut socket), Some(0));
        let info = socket.info.unwrap();
        assert_eq!((info.rtt(), info.rttvar(), info.min_rtt()), (Some(1000), Some(500), Some(850)));
        assert_eq!(info.total_retrans(), Some(7));
        // 250 jiffies of 4 ms; 51 of them.
        assert_eq!((info.last_data_sent(), info.rto()), (Some(1000), Some(204_000)));
        // 100 busy, and 50 + 10 held up by the window, which last still.
        assert_eq!((info.busy_time(), info.rwnd_limited()), (Some(640_000), Some(240_000)));
        assert_eq!((info.bytes_acked(), socket.skmem.unwrap().wmem_alloc_bytes), (Some(1 << 40), 0));
        assert_eq!((socket.timer, socket.timer_retrans, socket.timer_expires_ms), (Timer::On, 3, 400));
    }

    #[test]
    fn another_socket_in_the_same_place_is_another() {
        let deep = Deep::new(PLACES, &members()).unwrap();
        let (mut first, mut second) = (Socket::default(), Socket::default());
        let mut other = record(1, &[]);
        other[12..14].copy_from_slice(&443u16.to_be_bytes());
        deep.parse(&record(1, &[]), Jiffies { now: 0, hz: 250 }, &mut first).unwrap();
        deep.parse(&other, Jiffies { now: 0, hz: 250 }, &mut second).unwrap();
        assert!(first.cookie != second.cookie && first.cookie >> 63 == 1);
        // TIME_WAIT and requests tell only their timers.
        deep.parse(&record(12, &[("mdev_us", (1 << 32) + 25)]), Jiffies { now: 1 << 32, hz: 250 }, &mut first).unwrap();
        assert_eq!((first.state, first.timer, first.timer_expires_ms), (State::SynRecv, Timer::On, 100));
        assert!(first.info.is_none() && first.skmem.is_none());
    }
}
