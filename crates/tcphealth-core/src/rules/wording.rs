//! Numbers as the sentences of all rules write them, and the parts of subjects that many rules share.

use crate::report::{Subject, SubjectKind};
use crate::snapshot::{Endpoint, Owner};

/// A share as a percentage with three digits that mean something: 0.00199 → `0.199 %`, 0.0001 → `0.01 %`.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let decimals = match value {
        _ if value >= 10.0 => 1,
        _ if value >= 1.0 => 2,
        _ if value >= 0.1 => 3,
        _ if value >= 0.01 => 4,
        _ => 5,
    };
    let digits = format!("{value:.decimals$}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits} %")
}

/// Microseconds as milliseconds, one decimal: 184_200 → `184.2`.
pub(super) fn ms(us: u32) -> String {
    format!("{:.1}", f64::from(us) / 1000.0)
}

/// A time for people: `40 s`, `12 min`, `3 h`.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3_600.0),
    }
}

/// `web (pid 42)`.
pub(super) fn process(owner: &Owner) -> String {
    format!("{} (pid {})", owner.comm, owner.pid)
}

/// A destination, from which of our addresses, and whose, as far as a live socket tells.
pub(super) fn destination(remote: Endpoint, source: std::net::IpAddr, owner: Option<&Owner>) -> Subject {
    Subject {
        kind: SubjectKind::Destination,
        remote: Some(remote.to_string()),
        source: Some(source.to_string()),
        pid: owner.map(|owner| owner.pid),
        comm: owner.map(|owner| owner.comm.clone()),
        ..Subject::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_keep_what_means_something() {
        let written = [0.00199, 0.0001, 0.005, 0.021_34, 0.25, 0.000_03].map(percent);
        assert_eq!(written, ["0.199 %", "0.01 %", "0.5 %", "2.13 %", "25 %", "0.003 %"]);
    }

    #[test]
    fn times_are_rounded_for_people() {
        assert_eq!([40.2, 600.0, 10_000.0].map(span), ["40 s", "10 min", "3 h"]);
    }
}
