//! What `sadf` prints: the same figures for programs to read.
//!
//! Source: sysstat's `sadf.c`, `sadf_misc.c`, `rndr_stats.c`, `json_stats.c`, `xml_stats.c`, `raw_stats.c`.

pub mod lines;
pub mod tree;
pub mod head;

use super::activity::Dialect;
use super::clock::{Clock, Zone};
use super::header::Header;
use super::walk::{Stamp, Step};

/// How moments are written.
pub struct Times<'a> {
    /// Whose clock.
    pub clock: Clock,
    /// Which sysstat.
    pub dialect: Dialect,
    /// The local zone.
    pub zone: &'a dyn Zone,
    /// The zone of the host that wrote the file.
    pub writers_zone: String,
}

impl<'a> Times<'a> {
    /// Times of a file on a clock.
    pub fn new(header: &Header, clock: Clock, dialect: Dialect, zone: &'a dyn Zone) -> Self {
        Self { clock, dialect, zone, writers_zone: String::from_utf8_lossy(&header.timezone).into_owned() }
    }

    /// What the zone of the clock is called.
    fn zone_name(&self, at: &Stamp) -> String {
        match self.clock {
            Clock::Local => self.zone.abbreviation(at.moment.ust_time),
            Clock::Writer => self.writers_zone.clone(),
            Clock::Utc | Clock::Epoch => "UTC".to_owned(),
        }
    }

    /// A time with its zone; older versions name UTC only.
    fn with_zone(&self, time: String, at: &Stamp) -> String {
        match self.dialect {
            Dialect::V12_6 if self.clock != Clock::Utc => time,
            _ => format!("{time} {}", self.zone_name(at)),
        }
    }

    /// Date and time, or seconds since 1970.
    fn date_and_time(&self, at: &Stamp) -> String {
        match self.clock {
            Clock::Epoch => at.moment.ust_time.to_string(),
            _ => self.with_zone(format!("{} {}", at.civil.iso_date(), at.civil.time()), at),
        }
    }

    /// The time, or seconds since 1970.
    fn time(&self, at: &Stamp) -> String {
        match self.clock {
            Clock::Epoch => at.moment.ust_time.to_string(),
            _ => self.with_zone(at.civil.time(), at),
        }
    }
}

/// The interval of a step in whole seconds, rounded half up.
fn seconds(step: &Step<'_>) -> u64 {
    let interval = super::rates::interval_cs(step.before.at.moment.uptime_cs, step.now.at.moment.uptime_cs);
    interval / 100 + u64::from(interval % 100 >= 50)
}
