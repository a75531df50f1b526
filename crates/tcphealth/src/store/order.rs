//! Samples as they were written → in the order of their times. Where the clock was set back some times are there twice: what was
//! written last stays.

use tcphealth_core::frame::block::Moment;
use tcphealth_core::frame::taken::goes_on;

use super::reader::PAUSE_US;

/// The samples of a day in order.
pub(super) fn in_order<T>(written: Vec<(Moment, T)>) -> Vec<(Moment, T)> {
    if written.is_sorted_by_key(|(at, _)| at.wall_us) {
        return written;
    }
    let mut all: Vec<(Moment, T)> = Vec::new();
    let mut written = written.into_iter().peekable();
    while let Some(first) = written.next() {
        let mut run = vec![first];
        while let Some(next) = written.next_if(|(at, _)| run.last().is_some_and(|(before, _)| is_next(*before, *at))) {
            run.push(next);
        }
        lay_over(&mut all, run);
    }
    all
}

/// Whether nothing lies between two samples that were written one after the other. Imported ones may come later than newer ones.
fn is_next(before: Moment, now: Moment) -> bool {
    goes_on(before, now, PAUSE_US.unsigned_abs())
}

/// Puts what was written later in the place of all that was written before about the same time.
fn lay_over<T>(all: &mut Vec<(Moment, T)>, run: Vec<(Moment, T)>) {
    let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return };
    let begin = all.partition_point(|(at, _)| at.wall_us < first.wall_us);
    let end = all.partition_point(|(at, _)| at.wall_us <= last.wall_us).max(begin);
    all.splice(begin..end, run);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(times: &[(u64, i64)]) -> Vec<(Moment, ())> {
        times.iter().map(|(boot, wall)| (Moment { boot_us: boot * 1_000_000, wall_us: wall * 1_000_000 }, ())).collect()
    }

    fn boots(times: &[(u64, i64)]) -> Vec<u64> {
        in_order(samples(times)).iter().map(|(at, ())| at.boot_us / 1_000_000).collect()
    }

    #[test]
    fn after_a_clock_was_set_back_the_newer_recording_of_a_time_stays() {
        let set_back = [(1, 101), (2, 102), (3, 103), (4, 104), (5, 103), (6, 104), (7, 105)];
        assert_eq!(boots(&set_back), [1, 2, 5, 6, 7]);
        let far = [(1, 101), (2, 102), (3, 50), (4, 51)];
        assert_eq!(boots(&far), [3, 4, 1, 2]);
    }

    #[test]
    fn what_was_imported_later_takes_nothing_away() {
        // A recording, then a day of which the file was imported, then the recording goes on.
        let imported = [(5000, 5000), (5001, 5001), (600, 600), (1200, 1200), (5002, 5002)];
        assert_eq!(boots(&imported), [600, 1200, 5000, 5001, 5002]);
    }
}
