//! Where events come from: programs in the kernel where these are permitted, else what can be heard without them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tcphealth_core::format::wrap;
use tcphealth_core::report::Unseen;
use tcphealth_core::rules::reason_of;
use tcphealth_core::say;
use tcphealth_core::snapshot::{Absent, Event, EventCounts};
use tcphealth_core::wire::events::Kind;
use tcphealth_core::words::{Lang, Message};
use tcphealth_linux::{Events, Overheard, Reasons};

use crate::speech::Complaint;

/// How it is wanted.
#[derive(Clone, Copy)]
pub(super) struct Tell {
    /// The kinds were named: all of them or none.
    pub(super) named: bool,
    /// One by one, not only counted.
    pub(super) each: bool,
    /// With stacks.
    pub(super) stacks: bool,
}

/// One of the two.
pub(super) enum Source {
    /// Programs at tracepoints.
    Programs(Events),
    /// Sockets that are destroyed, and packets: the kinds that are heard, and why there are no programs.
    Heard(Overheard, BTreeSet<Kind>, Absent),
}

impl Source {
    /// Listens for what is wanted; where nothing was named, for as much of it as can be heard.
    pub(super) fn open(netns: u64, kinds: &BTreeSet<Kind>, tell: Tell) -> Result<Self, Complaint> {
        let Tell { named, each, stacks } = tell;
        let events = if stacks { Events::with_stacks(netns, kinds) } else { Events::open(netns, kinds, each) };
        let why = match events {
            Ok(events) => return Ok(Self::Programs(events)),
            Err(why) => why,
        };
        let lives = BTreeSet::from([Kind::Life]);
        let resets = BTreeSet::from([Kind::ResetSent, Kind::ResetReceived]);
        let either = if named { vec![kinds.clone()] } else { vec![&lives | &resets, lives] };
        let mut refused = Absent::NotHere;
        for kinds in either {
            match Overheard::open(&kinds) {
                Ok(heard) => return Ok(Self::Heard(heard, kinds, why)),
                Err(absent) => refused = absent,
            }
        }
        Err(impossible(&why, &refused))
    }

    /// The kinds that are told of those that were wanted.
    pub(super) fn tells(&self, kind: Kind) -> bool {
        !matches!(self, Self::Heard(_, kinds, _) if !kinds.contains(&kind))
    }

    /// Whether events know the state of their socket, and whether state changes are counted.
    pub(super) fn has_states(&self) -> bool {
        matches!(self, Self::Programs(_))
    }

    /// How often to read: the kernel keeps 8 MiB of what programs tell, but of destroyed sockets, for an ordinary user, only
    /// about 300.
    pub(super) fn tick(&self) -> Duration {
        Duration::from_millis(if self.has_states() { 100 } else { 10 })
    }

    /// What has happened since this was last asked.
    pub(super) fn read(&mut self, each: &mut dyn FnMut(Event)) {
        match self {
            Self::Programs(events) => events.read(each),
            Self::Heard(heard, ..) => heard.read(each),
        }
    }

    /// No more events from now on.
    pub(super) fn stop(&mut self) {
        match self {
            Self::Programs(events) => events.stop(),
            Self::Heard(heard, ..) => heard.stop(),
        }
    }

    /// How often each thing has happened.
    pub(super) fn counts(&self) -> EventCounts {
        match self {
            Self::Programs(events) => events.counts(),
            Self::Heard(heard, ..) => heard.counts(),
        }
    }

    /// The kernel's words.
    pub(super) fn reasons(&self) -> Reasons {
        match self {
            Self::Programs(events) => events.reasons().clone(),
            Self::Heard(..) => Reasons::default(),
        }
    }

    /// For programs.
    pub(super) fn name(&self) -> &'static str {
        if self.has_states() { "tracepoints" } else { "overheard" }
    }

    /// What this way cannot see.
    pub(super) fn unseen(&self) -> Vec<Unseen> {
        let Self::Heard(.., why) = self else { return Vec::new() };
        let unseen = |what: Message| Unseen { what, why: reason_of(why), remedy: remedy() };
        let life = say! {
            en: "of lives: the process (but for whose listener it was), who closed first, errors; how long, unless one side sent no data; connections reset or refused before they were made",
            ko: "life에서: 프로세스(수신 소켓의 것은 보임), 먼저 닫은 쪽, 오류, 길이(한쪽이 데이터를 보내지 않은 연결은 보임), 맺기 전에 끊기거나 거절된 연결"
        };
        let reset = say! {
            en: "of resets: the process, the reason, the state of the socket; a reset is told once for each device it passes, also when it is only forwarded",
            ko: "reset에서: 프로세스, 이유, 소켓 상태. RST는 지나가는 장치마다 한 번씩, 전달만 하는 것도 나옴"
        };
        let packets = say! { en: "reset (with CAP_NET_RAW it is)", ko: "reset (CAP_NET_RAW가 있으면 보임)" };
        let others = say! { en: "retransmit, connect, state, drop", ko: "retransmit, connect, state, drop" };
        let all = [
            (self.tells(Kind::Life), life),
            (self.tells(Kind::ResetSent), reset),
            (!self.tells(Kind::ResetSent), packets),
            (true, others),
        ];
        all.into_iter().filter(|(is_told, _)| *is_told).map(|(_, what)| unseen(what)).collect()
    }
}

impl Source {
    /// The same for people.
    pub(super) fn unseen_lines(&self, lang: Lang, columns: usize) -> Vec<String> {
        let unseen = self.unseen();
        let Some(Unseen { why, remedy, .. }) = unseen.first() else { return Vec::new() };
        let because = say! {
            en: "without eBPF: {why} ({remedy}). Not seen this way:",
            ko: "eBPF 없이 봄: {why} ({remedy} 필요). 이 방법으로 볼 수 없는 것:";
            why = why, remedy = remedy
        };
        let mut lines = wrap("", because.get(lang), columns);
        lines.extend(unseen.iter().flat_map(|unseen| wrap("  ", unseen.what.get(lang), columns)));
        lines
    }
}

/// What programs in the kernel need.
fn remedy() -> Message {
    say! {
        en: "root, or CAP_BPF and CAP_PERFMON, on Linux 6.1 or later with CONFIG_DEBUG_INFO_BTF",
        ko: "CONFIG_DEBUG_INFO_BTF가 켜진 Linux 6.1 이상에서 root, 또는 CAP_BPF와 CAP_PERFMON"
    }
}

/// Why nothing can be told, and what can be had instead.
fn impossible(why: &Absent, refused: &Absent) -> Complaint {
    let packets = match refused {
        Absent::NotHere => Message::default(),
        refused => say! { en: "; a packet socket: {why}", ko: ", 패킷 소켓은 {why}"; why = reason_of(refused) },
    };
    Complaint(say! {
        en: "these events are told by programs in the kernel: {why} ({remedy}){packets}; without them `trace life` still works, and `trace reset` with CAP_NET_RAW",
        ko: "이 이벤트는 커널 안의 프로그램이 알려 준다: {why} ({remedy} 필요){packets}. 없어도 `trace life`는 되고, `trace reset`은 CAP_NET_RAW가 있으면 됨";
        why = reason_of(why), remedy = remedy(), packets = packets
    })
}

/// That the last state is not told.
pub(super) fn no_states() -> Complaint {
    Complaint(say! {
        en: "a filter by state needs programs in the kernel ({remedy}); without them the last state is not told",
        ko: "상태로 거르려면 커널 안의 프로그램이 필요함({remedy}). 없으면 마지막 상태를 알 수 없음";
        remedy = remedy()
    })
}

/// For programs, as in a report.
pub(super) fn json(unseen: &Unseen, lang: Lang) -> Value {
    let Unseen { what, why, remedy } = unseen;
    json!({ "what": what.get(lang), "why": why.get(lang), "remedy": remedy.get(lang) })
}
