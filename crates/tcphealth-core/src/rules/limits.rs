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
