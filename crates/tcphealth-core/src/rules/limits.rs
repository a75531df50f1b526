//! Every threshold: its name, its default, its reason and source. Passed in, never read from a global.

use std::fmt;

use crate::words::{Message, Text};
use crate::{say, text};

/// One threshold as the catalogue of limits shows it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name in the configuration file; the unit comes last.
    pub name: &'static str,
    /// Its default.
    pub default: f64,
    /// Why this number.
    pub reason: Text,
    /// Where it comes from; `own choice` where nobody else says.
    pub source: &'static str,
}

/// A name that is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLimit(pub String);

impl UnknownLimit {
    /// In words.
    pub fn words(&self) -> Message {
        say! {
            en: "there is no limit “{name}”; `tcphealth rules` lists them",
            ko: "“{name}”(이)라는 한계값은 없음. `tcphealth rules`가 전체 목록을 보여 줌",
            name = self.0
        }
    }
}

impl fmt::Display for UnknownLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().en)
    }
}

impl std::error::Error for UnknownLimit {}

macro_rules! limits {
    ($($name:ident = $default:literal, $source:literal, $en:literal, $ko:literal;)*) => {
        /// The thresholds in force.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Limits {
            $(#[doc = $en] pub $name: f64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default),* }
            }
        }

        impl Limits {
            /// All of them, with reason and source.
            #[expect(clippy::large_stack_arrays, reason = "a constant stands among the program's data, on no stack")]
            pub const ALL: &'static [Limit] = &[$(Limit {
                name: stringify!($name),
                default: $default,
                reason: text! { en: $en, ko: $ko },
                source: $source,
            }),*];

            /// The value in force; `None` for an unknown name.
            pub fn get(&self, name: &str) -> Option<f64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)*
                    _ => None,
                }
            }

            /// Sets one.
            ///
            /// # Errors
            /// When there is no limit of that name.
            pub fn set(&mut self, name: &str, value: f64) -> Result<(), UnknownLimit> {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return Err(UnknownLimit(name.to_owned())),
                }
                Ok(())
            }
        }
    };
}

limits! {
    window_min_seconds = 5.0, "own choice",
        "Shortest window that rules on rates and on followed sockets judge.",
        "비율과 소켓 추적 규칙이 판정하는 가장 짧은 관찰 구간.";

    losses_min = 3.0, "own choice",
        "Fewer lost segments than this are noise, whatever the ratio.",
        "손실 세그먼트가 이보다 적으면 비율과 무관하게 잡음으로 본다.";
    loss_alpha_info = 0.05, "own choice",
        "How often chance alone may show so many losses, for a line.",
        "정보 수준 판정에서 우연으로 허용하는 확률.";
    loss_alpha_warning = 0.001, "own choice",
        "How often chance alone may show so many losses in one window, for a warning and above.",
        "한 구간만 보고 경고 이상으로 판정할 때 우연으로 허용하는 확률.";
    loss_episodes_min = 3.0, "own choice",
        "Recoveries of the host below which a loss is one burst and no warning.",
        "호스트의 복구 횟수가 이보다 적으면 한 번의 몰림으로 보고 경고하지 않는다.";
    loss_episodes_one_connection = 10.0, "own choice",
        "Recoveries from which losses on a single connection are a warning too.",
        "한 연결에서만 손실이 나도 경고하는 복구 횟수.";
    retransmit_local_info_ratio = 0.0001, "TCP Health Check note",
        "On the directly connected network practically nothing is sent again: 0.01 %.",
        "직접 연결된 네트워크에서는 재전송이 거의 없어야 한다: 0.01 %.";
    retransmit_local_warning_ratio = 0.001, "own choice",
        "Ten times the local limit.",
        "로컬 한계의 열 배.";
    retransmit_local_critical_ratio = 0.01, "own choice",
        "A hundred times the local limit.",
        "로컬 한계의 백 배.";
    retransmit_site_info_ratio = 0.001, "own choice",
        "One or two routers of one's own: between the local and the long-distance limit.",
        "자기 라우터 한두 대 너머: 로컬과 원거리 한계의 중간.";
    retransmit_site_warning_ratio = 0.005, "own choice",
        "The long-distance limit, within one site.",
        "사이트 안에서 원거리 한계에 이른 값.";
    retransmit_site_critical_ratio = 0.02, "own choice",
        "Within one site users feel this.",
        "사이트 안에서 사용자가 느끼는 값.";
    retransmit_remote_info_ratio = 0.005, "TCP Health Check note",
        "Over long distance up to 0.5 % is usual.",
        "원거리에서는 0.5 %까지 흔하다.";
    retransmit_remote_warning_ratio = 0.01, "own choice",
        "Twice what is usual over long distance.",
        "원거리에서 흔한 값의 두 배.";
    retransmit_remote_critical_ratio = 0.03, "IBM Tivoli NAS_TCPIPConn_Pct_Seg_Retran",
        "From 3 % on interactive work is hardly possible.",
        "3 %부터는 대화형 작업이 거의 불가능하다.";

    majority_cases_min = 10.0, "own choice",
        "Fewer cases than this have no majority.",
        "사례가 이보다 적으면 다수를 말할 수 없다.";
    tail_loss_warning_count = 10.0, "own choice",
        "Timeouts in the window for a warning.",
        "경고가 되는 구간 내 타임아웃 수.";
    tail_loss_warning_spread = 5.0, "own choice",
        "Timeouts for a warning when three connections or more sent again.",
        "연결 셋 이상이 재전송했을 때 경고가 되는 타임아웃 수.";
    tail_loss_warning_ratio = 0.001, "own choice",
        "Timeouts per segment of data for a warning.",
        "경고가 되는 데이터 세그먼트당 타임아웃 비율.";
    tail_loss_critical_ratio = 0.01, "own choice",
        "Timeouts per segment of data that users feel.",
        "사용자가 느끼는 데이터 세그먼트당 타임아웃 비율.";
    tail_loss_critical_lost_again = 0.2, "own choice",
        "Share of the retransmissions that were lost as well.",
        "재전송마저 손실된 비율.";
    congestion_info_factor = 2.0, "own choice",
        "Round trip against the smallest one, from which a queue stands.",
        "큐가 서 있다고 보는, 최소 왕복 시간 대비 배수.";
    congestion_warning_factor = 4.0, "own choice",
        "Round trip against the smallest one, for a warning.",
        "경고가 되는, 최소 왕복 시간 대비 배수.";
    congestion_delay_ms = 20.0, "own choice",
        "Standing delay of a distant path that is a queue.",
        "원거리 경로에서 큐로 보는 상시 지연.";
    congestion_delay_local_ms = 2.0, "own choice",
        "Standing delay on the local network that is a queue.",
        "로컬 네트워크에서 큐로 보는 상시 지연.";
    congestion_warning_delay_ms = 100.0, "own choice",
        "Standing delay for a warning.",
        "경고가 되는 상시 지연.";
    reorder_info_ratio = 0.001, "own choice",
        "Reorderings per segment of data worth a line.",
        "한 줄 알릴 만한 데이터 세그먼트당 순서 뒤바뀜 비율.";
    reorder_warning_ratio = 0.01, "own choice",
        "Reorderings per segment of data for a warning.",
        "경고가 되는 데이터 세그먼트당 순서 뒤바뀜 비율.";
    reorder_warning_count = 100.0, "own choice",
        "Reorderings for a warning.",
        "경고가 되는 순서 뒤바뀜 수.";
    spurious_info_count = 3.0, "own choice",
        "Timeouts, undone, worth a line.",
        "한 줄 알릴 만한, 취소된 타임아웃 수.";
    spurious_warning_count = 5.0, "own choice",
        "Timeouts, undone, for a warning.",
        "경고가 되는, 취소된 타임아웃 수.";
    spurious_undone_ratio = 0.5, "own choice",
        "Share of the timeouts that must have been undone.",
        "취소되었어야 하는 타임아웃 비율.";
    spurious_duplicate_ratio = 0.7, "own choice",
        "Share of the retransmissions that must have come back as duplicates.",
        "중복으로 돌아왔어야 하는 재전송 비율.";
    spurious_timeouts_ratio = 0.25, "own choice",
        "Share of timeouts in the retransmissions, under which duplicates that did not all come back are lost acknowledgements, no stall.",
        "돌아오지 않은 중복이 있을 때 멈춤이 아니라 ACK 손실로 보는, 재전송 중 타임아웃의 최대 비율.";
    spurious_all_ratio = 0.9, "own choice",
        "Share of the retransmissions that come back as duplicates when no acknowledgement is lost.",
        "ACK가 손실되지 않을 때 중복으로 돌아오는 재전송 비율.";
    ack_loss_warning_ratio = 0.01, "own choice",
        "Retransmissions per segment of data, most of them unnecessary, for a warning.",
        "경고가 되는, 대부분 불필요한 재전송의 데이터 세그먼트당 비율.";
    duplicate_info_count = 10.0, "own choice",
        "Duplicate reports without retransmissions worth a line.",
        "재전송 없이 온, 한 줄 알릴 만한 중복 보고 수.";
    duplicate_factor = 5.0, "own choice",
        "Duplicate reports per retransmission from which the network makes them.",
        "네트워크가 복제한다고 보는 재전송 대비 중복 보고 배수.";
    duplicate_warning_ratio = 0.001, "own choice",
        "Duplicate reports per segment of data for a warning.",
        "경고가 되는 데이터 세그먼트당 중복 보고 비율.";
    black_hole_mss_bytes = 1300.0, "own choice",
        "Segments smaller than this pass every usual tunnel.",
        "이보다 작은 세그먼트는 흔한 터널을 모두 지난다.";
    black_hole_critical_connections = 2.0, "own choice",
        "Connections stuck on full-sized segments for critical.",
        "큰 세그먼트에서 멈춘 연결이 이만큼이면 위험.";
    checksum_warning_count = 3.0, "own choice",
        "Bad checksums for a warning.",
        "경고가 되는 체크섬 오류 수.";
    checksum_warning_ratio = 0.000_001, "own choice",
        "Bad checksums per segment received for a warning.",
        "경고가 되는 수신 세그먼트당 체크섬 오류 비율.";
    checksum_critical_count = 10.0, "own choice",
        "Bad checksums for critical.",
        "위험이 되는 체크섬 오류 수.";
    checksum_critical_ratio = 0.0001, "own choice",
        "Bad checksums per segment received for critical.",
        "위험이 되는 수신 세그먼트당 체크섬 오류 비율.";
    old_timestamps_warning_count = 10.0, "own choice",
        "Segments with old timestamps for a warning.",
        "경고가 되는, 타임스탬프가 오래된 세그먼트 수.";
    old_timestamps_warning_per_second = 1.0, "own choice",
        "Segments with old timestamps a second for a warning.",
        "경고가 되는, 타임스탬프가 오래된 초당 세그먼트 수.";
    backlog_drop_warning_count = 10.0, "own choice",
        "Segments dropped at locked sockets for a warning.",
        "경고가 되는, 잠긴 소켓에서 버린 세그먼트 수.";
    backlog_drop_warning_per_second = 1.0, "own choice",
        "Segments dropped at locked sockets a second for a warning.",
        "경고가 되는, 잠긴 소켓에서 초당 버린 세그먼트 수.";
    backlog_drop_critical_ratio = 0.01, "own choice",
        "Share of the received segments dropped at locked sockets for critical.",
        "위험이 되는, 수신 세그먼트 중 잠긴 소켓에서 버린 비율.";

    time_wait_mention_sockets = 1000.0, "own choice",
        "TIME_WAIT on a listening port worth a line.",
        "한 줄 알릴 만한 수신 포트의 TIME_WAIT 수.";
    time_wait_mention_ratio = 0.5, "own choice",
        "Share of tcp_max_tw_buckets worth a line.",
        "한 줄 알릴 만한 tcp_max_tw_buckets 대비 비율.";
    time_wait_overflow_warning_per_second = 1.0, "own choice",
        "TIME_WAIT sockets destroyed early per second for a warning.",
        "경고가 되는, 초당 일찍 파괴된 TIME_WAIT 수.";
    time_wait_table_warning_ratio = 0.9, "own choice",
        "Share of tcp_max_tw_buckets in use for a warning.",
        "경고가 되는 tcp_max_tw_buckets 사용률.";
    ports_info_ratio = 0.25, "own choice",
        "Share of the local ports toward one destination worth a line.",
        "한 목적지로 쓰이는 로컬 포트 비율이 이 값이면 한 줄 알린다.";
    ports_warning_ratio = 0.5, "Cloudflare, connect() – why are you so slow?",
        "From one half on the ports of the fast parity are used up and connect() searches long.",
        "절반부터는 먼저 쓰는 홀짝의 포트가 바닥나 connect()가 오래 찾는다.";
    ports_critical_ratio = 0.85, "own choice",
        "So few ports are left that a burst takes them all.",
        "남은 포트가 적어 한 번의 몰림으로 바닥난다.";
    ports_exhausted_ratio = 0.99, "own choice",
        "From here on connect() fails for want of a port.",
        "이 비율부터는 포트가 없어 connect()가 실패한다.";
    ports_level_ratio = 0.5, "own choice",
        "Share of the ports that the present rate leads to.",
        "현재 속도가 이끄는 포트 사용률.";
    ports_warning_seconds = 600.0, "own choice",
        "Time until the ports are used up for a warning.",
        "경고가 되는, 포트가 바닥날 때까지의 시간.";
    ports_critical_seconds = 60.0, "own choice",
        "Time until the ports are used up that leaves none to react.",
        "대응할 시간이 없는, 포트가 바닥날 때까지의 시간.";
    ports_rate_seconds = 20.0, "own choice",
        "TIME_WAIT ages over which the rate of new connections is taken.",
        "새 연결 속도를 재는 TIME_WAIT 나이의 범위.";
    bind_shared_expected = 10.0, "own choice",
        "Ports that two destinations should share by chance before sharing none proves anything.",
        "하나도 공유하지 않는 것이 증거가 되려면 우연으로 공유해야 하는 포트 수.";
    bind_ratio_below = 0.45, "own choice",
        "Below this use plain connect() has no reason to take ports of the second parity.",
        "사용률이 이보다 낮으면 일반 connect()는 두 번째 홀짝의 포트를 쓸 이유가 없다.";
    bind_second_parity_ratio = 0.25, "own choice",
        "Share of second-parity ports that shows bind() before connect().",
        "connect() 전에 bind()한다는 표시가 되는 두 번째 홀짝의 비율.";
    bind_ports_min = 20.0, "own choice",
        "Fewer ports than this show no pattern.",
        "포트가 이보다 적으면 모양을 알 수 없다.";
    bind_warning_ratio = 0.5, "own choice",
        "Share of all local ports that binding programs hold for a warning.",
        "경고가 되는, bind하는 프로그램이 쥔 로컬 포트 비율.";
    bind_critical_ratio = 0.95, "own choice",
        "From here on other programs' connect() fails.",
        "이 비율부터는 다른 프로그램의 connect()가 실패한다.";
    churn_info_per_second = 10.0, "own choice",
        "Connections a second to one destination worth a line.",
        "한 줄 알릴 만한, 한 목적지로의 초당 연결 수.";
    churn_info_waiting = 0.1, "own choice",
        "Connections that are always in handshake worth a line.",
        "한 줄 알릴 만한, 항상 핸드셰이크 중인 연결 수.";
    churn_warning_per_second = 50.0, "own choice",
        "Connections a second for a warning, together with what they wait.",
        "(대기와 함께) 경고가 되는 초당 연결 수.";
    churn_warning_waiting = 1.0, "own choice",
        "Connections that are always in handshake for a warning.",
        "경고가 되는, 항상 핸드셰이크 중인 연결 수.";
    churn_storm_seconds = 10.0, "own choice",
        "A storm of connections shorter than this is no way of working.",
        "연결 몰림이 이보다 짧으면 상시 동작으로 보지 않는다.";

    accept_overflow_warning_count = 5.0, "own choice",
        "Overflows in one window from which an overflowing accept queue is a warning, with the rate.",
        "한 구간에서 accept 큐 넘침이 경고가 되는 횟수(초당 비율과 함께).";
    accept_overflow_warning_per_second = 1.0, "netdata tcp_listen.conf",
        "Overflows a second for a warning.",
        "경고가 되는 초당 넘침 수.";
    accept_overflow_critical_per_second = 5.0, "netdata tcp_listen.conf",
        "Overflows a second that users feel.",
        "사용자가 느끼는 초당 넘침 수.";
    accept_overflow_critical_ratio = 0.1, "own choice",
        "Share of arriving connections that overflowed, with enough of them.",
        "들어온 연결 가운데 넘친 비율(횟수가 충분할 때).";
    accept_overflow_critical_ratio_count = 10.0, "own choice",
        "Overflows from which their share says something.",
        "넘친 비율을 말할 수 있는 최소 횟수.";
    somaxconn_default_connections = 4096.0, "net/core/sysctl_net_core.c since 5.4",
        "The kernel's own default: below it the setting is the limit, from it on a longer queue only lengthens waiting.",
        "커널 기본값. 이보다 작으면 설정이 한계이고, 이 이상이면 큐를 늘려도 기다림만 길어진다.";

    close_wait_info_count = 5.0, "own choice",
        "CLOSE_WAIT sockets of one process that last a whole window, from which they are worth a line.",
        "관찰 구간 내내 남은 한 프로세스의 CLOSE_WAIT가 보고되는 개수.";
    close_wait_warning_count = 20.0, "own choice",
        "CLOSE_WAIT sockets of one process that last, from which they are a warning, with survival and growth.",
        "남은 CLOSE_WAIT가 경고가 되는 개수(생존율, 증가와 함께).";
    close_wait_survival_ratio = 0.9, "own choice",
        "Share of the first look's sockets that must still be there: near 0 in a healthy program, 1 in a leak.",
        "첫 관찰의 소켓 가운데 남아 있어야 하는 비율. 정상이면 0에 가깝고 누수면 1이다.";
    close_wait_old_seconds = 60.0, "own choice",
        "Age from which a CLOSE_WAIT counts as old.",
        "CLOSE_WAIT를 오래되었다고 보는 나이.";
    close_wait_old_warning_count = 50.0, "own choice",
        "Old CLOSE_WAIT sockets of one process that are a warning even if they do not grow.",
        "늘지 않아도 경고가 되는 오래된 CLOSE_WAIT 개수.";
    close_wait_pool_ratio = 0.5, "own choice",
        "Share of a process's sockets to one server that the server has closed, for a warning.",
        "한 서버로 가는 소켓 가운데 서버가 닫은 비율이 이 이상이면 경고.";
    requests_unread_info_count = 3.0, "own choice",
        "Unread requests of clients that gave up, lasting a whole window, worth a line.",
        "포기한 클라이언트의 읽지 않은 요청이 보고되는 개수.";
    requests_unread_warning_count = 10.0, "own choice",
        "As many of them are a warning.",
        "경고가 되는 개수.";
    accept_stalled_warning_count = 3.0, "own choice",
        "Connections that wait in an accept queue through a whole window while nothing is accepted.",
        "아무것도 accept되지 않는 동안 구간 내내 큐에서 기다린 연결 수.";
    accept_stalled_critical_close_wait_count = 10.0, "own choice",
        "Of them, so many whose clients have gone are critical even if the queue is not full.",
        "큐가 차지 않아도 심각이 되는, 클라이언트가 떠난 대기 연결 수.";
    descriptors_warning_ratio = 0.9, "own choice",
        "Open descriptors of a process as a share of RLIMIT_NOFILE, for a warning.",
        "RLIMIT_NOFILE 대비 열린 디스크립터 비율이 이 이상이면 경고.";
    descriptors_full_ratio = 0.99, "own choice",
        "From this share on a process is at its limit: a program keeps a few descriptors in reserve.",
        "이 비율부터 한계에 이른 것으로 본다. 프로그램은 디스크립터 몇 개를 남겨 두기도 한다.";
    descriptors_critical_ratio = 0.8, "own choice",
        "Share of RLIMIT_NOFILE at which a leak is critical.",
        "누수가 심각이 되는 RLIMIT_NOFILE 대비 비율.";
    descriptors_critical_seconds = 600.0, "own choice",
        "Time until the limit of descriptors, at the present growth, below which a leak is critical.",
        "지금 증가 속도로 디스크립터 한계까지 남은 시간이 이보다 짧으면 심각.";
    descriptors_owner_ratio = 0.25, "own choice",
        "Share of all sockets from which a service's process is looked into although nothing points at it.",
        "별다른 징후가 없어도 프로세스를 살펴보는, 전체 소켓 대비 비율.";

    connect_unanswered_warning_sockets = 3.0, "own choice",
        "Connects to one destination that send their SYN again, seen at one look.",
        "한 시점에 한 목적지로 SYN을 다시 보내고 있는 연결 수.";
    connect_unanswered_ratio = 0.3, "own choice",
        "Share of the connects to a destination that wait, above which those that got through no longer make it a slow one.",
        "한 목적지로의 연결 중 기다리는 비율. 이보다 크면 성공한 연결이 있어도 느린 연결로 보지 않는다.";
    connect_unanswered_critical_sockets = 10.0, "own choice",
        "As many to a destination that answered nobody: the service is dead for its users.",
        "아무에게도 응답하지 않는 목적지로 이만큼이면 사용자에게 그 서비스는 죽은 것이다.";
    connect_refused_warning_count = 10.0, "own choice",
        "Connects refused in a row; a restart refuses a burst and then accepts.",
        "연속으로 거부된 연결 수. 재시작이라면 한동안 거부하다가 다시 받는다.";
    connect_refused_warning_seconds = 3.0, "own choice",
        "How long a destination refuses every connect, to the end of the window: longer than a quick restart.",
        "구간 끝까지 모든 연결을 거부한 시간. 빠른 재시작보다 길다.";
    connect_refused_warning_ratio = 0.5, "own choice",
        "Share of all connects that failed at once, where only counters tell.",
        "카운터만으로 판정할 때 전체 연결 시도 가운데 즉시 실패한 비율.";
    connect_explained_ratio = 0.5, "own choice",
        "A drop inside this host explains unanswered SYNs when it is at least this share of them.",
        "이 호스트 안의 폐기가 응답 없는 SYN의 이 비율 이상이면 그 원인으로 본다.";
    own_firewall_drop_warning_packets = 3.0, "own choice",
        "Packets dropped by this host's own filter while connects wait: single ones are noise.",
        "연결이 기다리는 동안 이 호스트의 방화벽이 버린 패킷 수. 한둘은 잡음이다.";
    rejected_by_router_warning_errors = 2.0, "own choice; RFC 1812 §4.3.2.8 limits their rate",
        "ICMP errors from others while connects fail; routers send about one a second.",
        "연결이 실패하는 동안 다른 장비가 보낸 ICMP 오류 수. 라우터는 초당 한 번 정도만 보낸다.";
    rejected_by_router_critical_count = 10.0, "own choice",
        "Connects rejected, when none to the destination succeeds.",
        "그 목적지로 성공한 연결이 하나도 없을 때 거절된 연결 수.";
    reverse_path_filter_warning_packets = 3.0, "own choice",
        "Answers dropped by rp_filter while connects wait.",
        "연결이 기다리는 동안 rp_filter가 버린 응답 수.";
    slow_connect_info_count = 3.0, "own choice",
        "Connects that took a second or more; single losses are noise.",
        "1초 이상 걸린 연결 수. 한두 번의 유실은 잡음이다.";
    slow_connect_warning_count = 10.0, "own choice",
        "Slow connects in one window for a warning, with their share.",
        "한 구간에서 경고가 되는 느린 연결 수(비율과 함께).";
    slow_connect_warning_ratio = 0.01, "own choice",
        "Share of the connects that were slow.",
        "전체 연결 시도 가운데 느린 연결의 비율.";
    no_route_warning_count = 10.0, "own choice",
        "Packets without a route in one window for a warning, with the rate.",
        "한 구간에서 경고가 되는, 경로 없는 패킷 수(초당 비율과 함께).";
    no_route_warning_per_second = 1.0, "own choice",
        "Packets without a route a second: a program tries again and again.",
        "경로 없는 패킷의 초당 수. 프로그램이 계속 시도하는 것이다.";

    conntrack_warning_ratio = 0.75, "node-mixin NodeHighNumberConntrackEntriesUsed",
        "How full the connection tracking table may be.",
        "연결 추적 테이블 사용률의 경고 기준.";
    conntrack_critical_ratio = 0.95, "own choice",
        "From here on a burst fills it.",
        "이 이상이면 순간적인 몰림에도 가득 찬다.";
    conntrack_invalid_info_per_second = 1.0, "own choice",
        "Packets a second that fit no tracked connection and are worth a line; a few always come from the Internet.",
        "한 줄 언급할 만한 초당 invalid 패킷 수. 인터넷에서는 조금씩 늘 들어온다.";

    peer_resets_warning_connections = 5.0, "own choice",
        "Connections with data that one peer's port reset.",
        "한 상대의 포트가 재설정한, 데이터가 오가던 연결 수.";
    peer_resets_warning_per_second = 5.0, "netdata tcp_resets.conf",
        "Resets a second of connections with data that lived between the looks.",
        "두 시점 사이에 살았던, 데이터가 오간 연결의 초당 재설정 수.";
    peer_resets_critical_connections = 10.0, "own choice",
        "As many, with their share: the service behind the port is gone.",
        "이만큼이고 비율도 높으면 그 포트의 서비스가 죽은 것이다.";
    peer_resets_critical_ratio = 0.3, "own choice",
        "Share of the peer's connections that were reset.",
        "그 상대와의 연결 가운데 재설정된 비율.";
    middlebox_reset_count = 3.0, "own choice",
        "Resets that come one by one while the service goes on.",
        "서비스가 계속되는 동안 하나씩 오는 RST 수.";
    middlebox_reset_spread_ratio = 0.5, "own choice",
        "Share of the window over which they are spread; a crash takes all connections at once.",
        "그것들이 걸쳐 있는 구간의 비율. 서비스가 죽으면 한꺼번에 끊긴다.";
    abort_unread_warning_per_second = 1.0, "own choice",
        "Connections a second closed with unread data, with their share.",
        "읽지 않은 데이터를 두고 닫은 초당 연결 수(비율과 함께).";
    abort_unread_warning_ratio = 0.05, "own choice",
        "Their share of the connections that ended.",
        "끝난 연결 가운데 차지하는 비율.";
    abort_unread_critical_per_second = 5.0, "own choice",
        "As many a second that users feel it, with their share.",
        "사용자가 느끼는 초당 수(비율과 함께).";
    abort_unread_critical_ratio = 0.5, "own choice",
        "The half of all connections ends with a reset.",
        "전체 연결의 절반이 RST로 끝난다.";
    abort_linger_warning_per_second = 1.0, "own choice",
        "Connections a second ended with SO_LINGER 0, with their share.",
        "SO_LINGER 0으로 끝낸 초당 연결 수(비율과 함께).";
    abort_linger_warning_ratio = 0.5, "own choice",
        "Their share of the connections that ended; below it a proxy or health check does it on purpose.",
        "끝난 연결 가운데 차지하는 비율. 이보다 낮으면 프록시나 상태 확인이 일부러 하는 것이다.";
    closed_port_info_per_second = 1.0, "own choice",
        "Resets a second to strangers that are worth a line.",
        "한 줄 언급할 만한, 모르는 상대에게 보낸 초당 RST 수.";

    fin_wait2_orphaned_count = 100.0, "own choice",
        "FIN_WAIT2 kept by the kernel through a window, in all or toward one service, worth a line.",
        "관찰 구간 내내 커널이 유지한 FIN_WAIT2가 보고되는 개수.";
    fin_wait2_orphaned_ratio = 0.5, "own choice",
        "Share of what we closed first toward a service that stays in FIN_WAIT2, for a warning.",
        "한 서비스로 먼저 닫은 연결 가운데 FIN_WAIT2로 남은 비율이 이 이상이면 경고.";
    fin_wait2_orphaned_buckets_ratio = 0.2, "own choice",
        "Share of tcp_max_tw_buckets that all FIN_WAIT2 together may take before it is a warning.",
        "모든 FIN_WAIT2가 tcp_max_tw_buckets에서 차지하면 경고가 되는 비율.";
    fin_wait2_held_info_count = 5.0, "own choice",
        "Half-closed connections of one process on which nothing moves, worth a line.",
        "한 프로세스의 반만 닫힌, 움직이지 않는 연결이 보고되는 개수.";
    fin_wait2_held_warning_count = 20.0, "own choice",
        "As many of them, none of which ended, are a warning.",
        "하나도 끝나지 않았을 때 경고가 되는 개수.";
    fin_wait2_held_ratio = 0.5, "own choice",
        "Share of the process's sockets to that service that must be such, for a warning.",
        "그 서비스로 가는 소켓 가운데 경고에 필요한 비율.";
    fin_wait1_info_count = 3.0, "own choice",
        "Closed connections to one peer whose data it does not take, worth a line.",
        "데이터를 받지 않는 한 상대의 닫은 연결이 보고되는 개수.";
    fin_wait1_warning_count = 10.0, "own choice",
        "As many of them to one peer are a warning.",
        "한 상대에 이만큼이면 경고.";
    fin_wait1_warning_ratio = 0.5, "own choice",
        "Share of the sockets to that peer that must be such, for a warning.",
        "그 상대로 가는 소켓 가운데 경고에 필요한 비율.";
    orphans_warning_ratio = 0.25, "netdata tcp_orphans.conf",
        "Orphans as a share of tcp_max_orphans: the kernel may count a suspicious one four times.",
        "tcp_max_orphans 대비 orphan 비율. 커널은 의심스러운 것을 네 배로 셀 수 있다.";
    orphans_critical_ratio = 0.5, "netdata tcp_orphans.conf",
        "As above, critical.",
        "위와 같으며 심각.";
    last_ack_info_count = 5.0, "own choice",
        "Connections to one peer or network whose FIN was sent again twice, worth a line.",
        "한 상대나 네트워크로 FIN을 두 번 다시 보낸 연결이 보고되는 개수.";
    last_ack_warning_count = 20.0, "own choice",
        "As many, stuck and sent again three times, are a warning.",
        "세 번 다시 보내고 멈춘 것이 이만큼이면 경고.";

    syn_flood_queue_ratio = 0.9, "own choice",
        "Half-open connections as a share of the listener's limit from which its queue counts as full.",
        "SYN 큐가 가득 찬 것으로 보는 한계 대비 반쯤 열린 연결 비율.";
    syn_flood_count = 10.0, "own choice",
        "SYNs over a full queue in one window from which it is more than a moment.",
        "가득 찬 큐를 만난 SYN이 순간 이상이라고 보는 개수.";
    syn_flood_warning_per_second = 1.0, "netdata tcp_listen.conf",
        "SYNs over a full queue a second, above which it is a warning.",
        "가득 찬 큐를 만난 SYN이 초당 이보다 많으면 경고.";
    syn_flood_critical_per_second = 5.0, "netdata tcp_listen.conf",
        "As above without SYN cookies: real clients fail.",
        "SYN 쿠키 없이 이보다 많으면 심각: 실제 클라이언트가 실패한다.";
    syn_flood_flood_ratio = 0.05, "own choice",
        "Share of SYN cookies that come back, below which it is surely a flood.",
        "돌아온 SYN 쿠키 비율이 이보다 작으면 확실한 공격.";
    syn_flood_overflow_ratio = 0.1, "own choice",
        "Without cookies: share of a listener's drops above which a full accept queue, not a flood, keeps its connections half open.",
        "쿠키가 꺼진 경우: 리스너 드롭 중 이 비율을 넘으면 폭주가 아니라 가득 찬 accept 큐가 반쯤 열린 연결을 붙들고 있는 것.";
    syn_flood_crowd_ratio = 0.5, "own choice",
        "Share of SYN cookies that come back, above which it is an honest crowd.",
        "돌아온 SYN 쿠키 비율이 이보다 크면 정상 접속 폭주.";
    syn_ack_unanswered_count = 3.0, "own choice",
        "Half-open connections of one network whose SYN-ACK was sent again twice, for a warning.",
        "SYN-ACK를 두 번 다시 보낸 한 네트워크의 반쯤 열린 연결 수(경고).";
    listen_drop_warning_count = 5.0, "own choice",
        "SYNs dropped for other reasons than a full queue in one window, for a warning, with the rate.",
        "큐가 아닌 이유로 버려진 SYN의 구간당 개수(경고, 초당 비율과 함께).";
    listen_drop_warning_per_second = 1.0, "own choice",
        "As above, a second.",
        "위와 같으며 초당.";

    peer_not_reading_seconds = 10.0, "own choice",
        "How long the window of a peer must have been closed before it is more than a pause.",
        "상대 윈도가 이보다 오래 닫혀 있어야 단순한 멈춤이 아니다.";
    peer_not_reading_warning_count = 3.0, "own choice",
        "Connections to one service whose window stays closed, for a warning; all of its connections are one, too.",
        "한 서비스로 가는 연결 가운데 윈도가 닫힌 개수(경고). 전부여도 경고이다.";
    peer_not_reading_critical_count = 10.0, "own choice",
        "As many and all of them toward a service are critical; as many to one client are a warning.",
        "서비스로 가는 연결 전부가 이만큼이면 심각, 한 클라이언트에 이만큼이면 경고.";
    process_not_reading_seconds = 10.0, "own choice",
        "How long a full receive buffer must have been left before it is more than a pause.",
        "가득 찬 수신 버퍼를 이보다 오래 두어야 단순한 멈춤이 아니다.";
    process_not_reading_warning_count = 3.0, "own choice",
        "Connections of one process that it does not read, for a warning.",
        "한 프로세스가 읽지 않는 연결 수(경고).";
    process_not_reading_critical_count = 10.0, "own choice",
        "As many and all of its connections are critical.",
        "이만큼이고 전부이면 심각.";
    slow_reader_ratio = 0.5, "own choice",
        "Share of the busy time in which the peer's window held a connection up.",
        "전송 시간 가운데 상대 윈도에 막힌 비율.";
    thrown_warning_count = 10.0, "own choice",
        "Received segments thrown away in one window, for a warning, with the rate.",
        "한 구간에서 버린 수신 세그먼트 수(경고, 초당 비율과 함께).";
    thrown_warning_per_second = 1.0, "own choice",
        "As above, a second.",
        "위와 같으며 초당.";
    prune_warning_per_second = 10.0, "own choice",
        "Collapses of receive queues a second, for a warning with a full buffer that is mostly overhead.",
        "대부분 오버헤드인 가득 찬 버퍼가 있을 때 경고가 되는 초당 수신 큐 정리 횟수.";
    tcp_memory_critical_ratio = 0.9, "netdata tcp_mem.conf",
        "TCP memory as a share of its maximum, above which it is critical.",
        "최대값 대비 TCP 메모리가 이 비율을 넘으면 심각.";
    cgroup_memory_warning_ratio = 0.99, "own choice",
        "Memory of a cgroup as a share of its limit from which it counts as used up.",
        "cgroup 메모리를 다 쓴 것으로 보는 한계 대비 비율.";

    half_open_info_count = 10.0, "own choice",
        "Silent connections to one destination that no timer watches, worth a line.",
        "한 목적지로 가는, 타이머 없는 조용한 연결이 보고되는 개수.";
    half_open_silent_seconds = 7200.0, "RFC 5382 REQ-5",
        "Silence after which a device on the path may have forgotten a connection.",
        "경로의 장비가 연결을 잊었을 수 있는 침묵 시간.";
    peer_vanished_warning_count = 3.0, "own choice",
        "Connections to one silent peer, for a warning; one or two are a client that walked away.",
        "응답 없는 한 상대의 연결 수(경고). 한둘은 떠난 클라이언트이다.";
    idle_forgotten_min_seconds = 1.0, "own choice",
        "Idle time before a connection died that is worth a comparison.",
        "비교할 만한, 연결이 죽기 전의 유휴 시간.";
    idle_forgotten_factor = 2.0, "own choice",
        "How many times longer than any survivor the dead must have been idle.",
        "죽은 연결의 유휴 시간이 살아남은 것보다 몇 배 길어야 하는지.";
    idle_forgotten_warning_count = 3.0, "own choice",
        "Connections to one destination that died after idling, for a warning.",
        "쉰 뒤 죽은 한 목적지의 연결 수(경고).";
    idle_forgotten_critical_count = 10.0, "own choice",
        "As above, critical.",
        "위와 같으며 심각.";
    ghosts_info_count = 5.0, "own choice",
        "Descriptors of a process without a socket, worth a line; sockets not yet connected look alike.",
        "소켓 없는 디스크립터가 보고되는 개수. 아직 연결하지 않은 소켓도 똑같이 보인다.";
    ghosts_warning_count = 100.0, "own choice",
        "As many are a warning.",
        "이만큼이면 경고.";
    ghosts_warning_ratio = 0.25, "own choice",
        "Or such a share of RLIMIT_NOFILE.",
        "또는 RLIMIT_NOFILE 대비 이 비율.";
    interface_errors_warning_packets = 10.0, "own choice",
        "Errors of one direction in a window, with their share; a clean link has none.",
        "한 구간, 한 방향의 오류 수(비율과 함께). 깨끗한 링크에는 없다.";
    interface_errors_warning_ratio = 0.001, "own choice",
        "Their share of the packets.",
        "패킷 가운데 오류의 비율.";
    interface_errors_critical_ratio = 0.01, "node-mixin NodeNetworkReceiveErrs",
        "From here on every connection over the link suffers.",
        "이 이상이면 그 링크의 모든 연결이 고통받는다.";
    interface_drops_info_per_second = 1.0, "own choice",
        "Drops a second that are worth a line.",
        "한 줄 언급할 만한 초당 폐기 수.";
    interface_drops_rx_warning_per_second = 10.0, "own choice",
        "Received packets dropped a second, multicast taken out, with their share.",
        "멀티캐스트를 뺀 초당 수신 폐기 수(비율과 함께).";
    interface_drops_rx_warning_ratio = 0.02, "netdata net.conf",
        "Their share of what is received.",
        "수신 패킷 가운데 폐기의 비율.";
    interface_drops_tx_warning_packets = 10.0, "own choice",
        "Packets dropped on the way out, with their share.",
        "나가는 길에 버려진 패킷 수(비율과 함께).";
    interface_drops_tx_warning_ratio = 0.001, "own choice",
        "Their share of what is sent.",
        "송신 패킷 가운데 폐기의 비율.";
    interface_drops_tx_critical_ratio = 0.01, "own choice",
        "Their share when peers behind the interface suffer.",
        "그 인터페이스 너머의 상대가 피해를 볼 때의 비율.";
    interface_saturated_info_ratio = 0.85, "netdata net.conf",
        "How busy a line may be.",
        "회선 사용률.";
    interface_saturated_warning_ratio = 0.9, "netdata net.conf",
        "How busy over the whole window.",
        "구간 전체의 회선 사용률.";
    interface_saturated_critical_ratio = 0.95, "own choice",
        "At the line rate, with drops or a standing queue.",
        "폐기나 쌓인 큐와 함께 회선 속도에 이른 사용률.";
    softnet_drops_warning_packets = 10.0, "own choice",
        "Packets dropped before TCP saw them.",
        "TCP에 닿기 전에 버려진 패킷 수.";
    softnet_drops_warning_per_second = 1.0, "netdata softnet.conf",
        "As many a second.",
        "초당 그 수.";
    softnet_squeeze_info_per_second = 10.0, "netdata softnet.conf",
        "Times a second that a CPU left packets waiting.",
        "CPU가 패킷을 남겨 둔 초당 횟수.";

    chronic_windows = 2.0, "own choice",
        "Windows in a row in which what is a line in one window becomes a warning.",
        "한 구간에서는 언급에 그치는 것이 경고가 되는 연속 구간 수.";
    chronic_growing_windows = 3.0, "own choice",
        "Windows in a row over which something must grow to be called growing.",
        "늘고 있다고 말하려면 연속으로 늘어야 하는 구간 수.";
    chronic_minute_seconds = 60.0, "netdata: averages over one minute",
        "Time over which the windows of a rate are judged together.",
        "비율을 함께 판정하는 여러 구간의 시간.";
    chronic_long_seconds = 600.0, "netdata, node-mixin: ten minutes",
        "Time over which rare events of many windows are judged together.",
        "드문 사건을 함께 판정하는 여러 구간의 시간.";
    chronic_hour_seconds = 3600.0, "own choice",
        "Time in which what comes again and again is counted.",
        "되풀이되는 일을 세는 시간.";
    chronic_day_seconds = 86400.0, "own choice",
        "Time in which peaks and rare repetitions are remembered.",
        "정점과 드문 되풀이를 기억하는 시간.";
    retransmit_chronic_windows = 10.0, "own choice",
        "Windows with significant loss, of the last ones, for a warning.",
        "최근 구간 가운데 경고가 되는, 유의한 손실이 있는 구간 수.";
    retransmit_chronic_of_windows = 12.0, "own choice",
        "Windows among which those with loss are counted: a minute of five seconds each.",
        "손실 구간을 세는 최근 구간 수: 5초 구간으로 1분.";
    tail_loss_chronic_ratio = 0.0, "own choice",
        "Over a minute timeouts are a warning whatever their share of the segments.",
        "1분에 걸쳐서는 세그먼트 대비 비율과 무관하게 타임아웃을 경고로 본다.";
    spurious_chronic_per_second = 0.083, "own choice: 5 a minute",
        "Timeouts, undone, a second, in windows in a row, for a warning.",
        "연속 구간에서 경고가 되는, 취소된 초당 타임아웃 수.";
    old_timestamps_chronic_per_second = 0.1, "own choice",
        "Segments with old timestamps a second over ten minutes for a warning.",
        "10분에 걸쳐 경고가 되는, 타임스탬프가 오래된 초당 세그먼트 수.";
    backlog_drop_chronic_per_second = 0.1, "own choice",
        "Segments dropped at locked sockets a second over ten minutes for a warning.",
        "10분에 걸쳐 경고가 되는, 잠긴 소켓에서 초당 버린 세그먼트 수.";
    connect_unanswered_critical_seconds = 30.0, "own choice",
        "How long no connect to a destination gets an answer until it is critical, however few try.",
        "시도가 적더라도 위험이 되는, 한 목적지가 응답하지 않는 시간.";
    connect_refused_chronic_seconds = 30.0, "own choice",
        "How long a destination refuses connects in every window for a warning.",
        "모든 구간에서 연결이 거부되어 경고가 되는 시간.";
    connect_refused_chronic_per_second = 1.0, "own choice",
        "Refused connects a second, together with the time, for a warning.",
        "(시간과 함께) 경고가 되는 초당 거부된 연결 수.";
    rejected_by_router_chronic_errors = 10.0, "own choice: 1 a minute",
        "ICMP errors from others over ten minutes, while connects fail, for a warning.",
        "연결이 실패하는 동안 10분에 걸쳐 다른 장비가 보낸, 경고가 되는 ICMP 오류 수.";
    ports_chronic_times = 1.0, "own choice",
        "How often in a day the ports must have reached a warning to stay one.",
        "하루에 포트 사용이 경고에 이른 횟수가 이 이상이면 경고로 남는다.";
    churn_chronic_waiting = 0.5, "own choice",
        "Connections that are always in handshake, over a minute, for a warning.",
        "1분에 걸쳐 경고가 되는, 항상 핸드셰이크 중인 연결 수.";
    close_wait_chronic_count = 10.0, "own choice",
        "Lasting half-closed connections of one process from which their steady growth is a warning.",
        "꾸준히 늘면 경고가 되는, 한 프로세스의 오래 남은 반쯤 닫힌 연결 수.";
    accept_stalled_chronic_seconds = 30.0, "own choice",
        "How long a single connection may wait in an accept queue from which nothing is accepted.",
        "아무것도 accept되지 않는 큐에서 연결 하나가 기다릴 수 있는 시간.";
    accept_stalled_chronic_count = 1.0, "own choice",
        "Connections that have waited so long for a warning.",
        "그만큼 기다려 경고가 되는 연결 수.";
    descriptors_chronic_seconds = 3600.0, "own choice",
        "Time until the limit of descriptors, at the growth of a minute of windows.",
        "1분 동안의 증가 속도로 디스크립터 한계까지 남은 시간.";
    descriptors_chronic_ratio = 0.0, "own choice",
        "Share of the limit from which the growth of descriptors is followed.",
        "디스크립터 증가를 살펴보기 시작하는 한계 대비 비율.";
    fin_wait2_held_chronic_seconds = 300.0, "own choice",
        "How long half-closed connections wait in every window for a warning.",
        "반만 닫은 연결이 모든 구간에서 기다려 경고가 되는 시간.";
    fin_wait2_held_chronic_count = 50.0, "own choice",
        "As many of them need not grow.",
        "이만큼이면 늘지 않아도 경고이다.";
    fin_wait1_chronic_count = 100.0, "own choice",
        "Closed connections to one peer that wait, growing, for a warning.",
        "늘고 있으면 경고가 되는, 한 상대의 기다리는 닫은 연결 수.";
    peer_not_reading_chronic_seconds = 30.0, "own choice",
        "How long a single connection's window stays closed for a warning.",
        "연결 하나의 윈도가 닫혀 있어 경고가 되는 시간.";
    process_not_reading_chronic_seconds = 30.0, "own choice",
        "How long a single full connection is not read for a warning.",
        "가득 찬 연결 하나를 읽지 않아 경고가 되는 시간.";
    tcp_memory_warning_ratio = 1.0, "netdata tcp_mem.conf",
        "TCP memory as a share of the pressure value of tcp_mem for a warning.",
        "tcp_mem의 pressure 값 대비 경고가 되는 TCP 메모리 비율.";
    tcp_memory_chronic_ratio = 0.8, "own choice",
        "As above, for a line when it stands so for ten minutes.",
        "위와 같으며, 10분 동안 그러하면 한 줄 알린다.";
    peer_resets_chronic_factor = 10.0, "netdata tcp_resets.conf",
        "Resets a second against the minute before that are a surge.",
        "앞선 1분 대비 급증으로 보는 초당 RST 배수.";
    abort_unread_chronic_per_second = 0.0, "own choice",
        "Over ten minutes the share alone of connections closed with unread data decides.",
        "10분에 걸쳐서는 읽지 않고 닫은 연결의 비율만으로 판정한다.";
    half_open_chronic_seconds = 7440.0, "RFC 5382 REQ-5: 2 h 4 min",
        "How long connections are silent in every window for a warning.",
        "모든 구간에서 연결이 조용하여 경고가 되는 시간.";
    peer_vanished_chronic_times = 3.0, "own choice",
        "How often in an hour one peer vanishes for a warning.",
        "한 상대가 한 시간에 사라져 경고가 되는 횟수.";
    idle_forgotten_chronic_times = 3.0, "own choice",
        "How often in a day connections to one destination die after idling for a warning.",
        "한 목적지의 연결이 쉰 뒤 죽어 하루에 경고가 되는 횟수.";
    interface_errors_chronic_packets = 3.0, "own choice",
        "Errors of one direction over ten minutes, with their share, for a warning.",
        "10분에 걸쳐 경고가 되는 한 방향의 오류 수(비율과 함께).";
    interface_errors_chronic_ratio = 0.000_001, "own choice",
        "Their share of the packets: a clean link has none.",
        "패킷 가운데 그 비율. 깨끗한 링크에는 없다.";
    interface_errors_critical_seconds = 120.0, "node-mixin NodeNetworkReceiveErrs",
        "Time over which many errors are critical.",
        "많은 오류가 위험이 되는 시간.";
    interface_drops_rx_warning_packets = 0.0, "own choice",
        "Packets received from which the share of the dropped says something in one window.",
        "한 구간에서 폐기 비율을 말할 수 있는 수신 패킷 수.";
    interface_drops_chronic_packets = 10000.0, "netdata net.conf",
        "As above over ten minutes.",
        "위와 같으며 10분에 걸친 수.";
    interface_drops_chronic_per_second = 0.0, "netdata net.conf",
        "Over ten minutes the share alone of the dropped decides.",
        "10분에 걸쳐서는 폐기 비율만으로 판정한다.";
    softnet_drops_critical_per_second = 10.0, "netdata softnet.conf",
        "Packets a second, over a minute, dropped before TCP saw them, for critical.",
        "1분에 걸쳐 위험이 되는, TCP에 닿기 전에 초당 버려진 패킷 수.";
}

impl Limits {
    /// Those that are not the default: name, value, default.
    pub fn changed(&self) -> Vec<(String, f64, f64)> {
        let pairs = Self::ALL.iter().filter_map(|limit| Some((limit, self.get(limit.name)?)));
        pairs
            .filter(|(limit, value)| value.to_bits() != limit.default.to_bits())
            .map(|(limit, value)| (limit.name.to_owned(), value, limit.default))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_limit_is_listed_and_an_unknown_one_refused() {
        let mut limits = Limits::default();
        assert!(limits.changed().is_empty());
        limits.set("accept_overflow_warning_count", 9.0).unwrap();
        assert_eq!(limits.changed(), [("accept_overflow_warning_count".to_owned(), 9.0, 5.0)]);
        assert!(limits.set("nonsense", 1.0).is_err());
    }
}
