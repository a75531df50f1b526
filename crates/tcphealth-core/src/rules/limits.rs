//! Every threshold: its name, its default, its reason and source. Passed in, never read from a global.

use std::fmt;

use crate::text;
use crate::words::Text;

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

impl fmt::Display for UnknownLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no limit “{}”; `tcphealth rules` lists them", self.0)
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
        "Share of arriving connections that overflowed, with at least ten of them.",
        "들어온 연결 가운데 넘친 비율(열 번 이상일 때).";
    somaxconn_default_connections = 4096.0, "net/core/sysctl_net_core.c since 5.4",
        "The kernel's own default: below it the setting is the limit, from it on a longer queue only lengthens waiting.",
        "커널 기본값. 이보다 작으면 설정이 한계이고, 이 이상이면 큐를 늘려도 기다림만 길어진다.";
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
