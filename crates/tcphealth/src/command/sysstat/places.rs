//! Where the system's own data files are: `saDD` or `saYYYYMMDD` in the collector's directory.
//!
//! Source: `set_default_file()` and `check_alt_sa_dir()` in sysstat's `sa_common.c`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tcphealth_core::sysstat::clock::{Civil, Zone};

/// Debian's directory, and Red Hat's.
const DIRECTORIES: [&str; 2] = ["/var/log/sysstat", "/var/log/sa"];
const DAY_SECONDS: u64 = 86_400;

/// Seconds since 1970, now.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The directory of the system's collector.
pub(crate) fn directory() -> &'static Path {
    let [debian, red_hat] = DIRECTORIES.map(Path::new);
    if !debian.is_dir() && red_hat.is_dir() { red_hat } else { debian }
}

/// The file of so many days ago: the newer of both names, or the short name if there is none.
pub(crate) fn file_of_day(directory: &Path, zone: &dyn Zone, days_ago: u64) -> PathBuf {
    let day = zone.local(now().saturating_sub(days_ago * DAY_SECONDS)).unwrap_or_default();
    let [short, long] = [directory.join(short_name(&day)), directory.join(long_name(&day))];
    let written = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    match (written(&short), written(&long)) {
        (None, Some(_)) => long,
        (Some(of_short), Some(of_long)) if of_long > of_short => long,
        _ => short,
    }
}

/// `sa14`.
pub(crate) fn short_name(day: &Civil) -> String {
    format!("sa{:02}", day.day)
}

/// `sa20231114`.
pub(crate) fn long_name(day: &Civil) -> String {
    format!("sa{:04}{:02}{:02}", day.year, day.month, day.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Utc;
    impl Zone for Utc {
        fn local(&self, epoch: u64) -> Option<Civil> {
            tcphealth_core::sysstat::clock::utc(epoch)
        }
        fn abbreviation(&self, _: u64) -> String {
            "UTC".to_owned()
        }
    }

    #[test]
    fn the_long_name_is_taken_when_it_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let today = Utc.local(now()).unwrap();
        assert_eq!(file_of_day(folder.path(), &Utc, 0), folder.path().join(short_name(&today)));
        std::fs::write(folder.path().join(long_name(&today)), "").unwrap();
        assert_eq!(file_of_day(folder.path(), &Utc, 0), folder.path().join(long_name(&today)));
    }
}
