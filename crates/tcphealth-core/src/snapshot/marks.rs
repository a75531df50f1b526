//! What one pass over the sockets leaves to the next, so that a socket can be compared with itself.

use serde::{Deserialize, Serialize};

use super::State;

/// What the next pass needs to know of a socket: 64 bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// Cookie.
    pub cookie: u64,
    /// Bytes acknowledged, low half: only whether it changed matters.
    pub bytes_acked_low: u32,
    /// Bytes received, low half.
    pub bytes_received_low: u32,
    /// `tcpi_data_segs_out`.
    pub data_segs_out: u32,
    /// `tcpi_total_retrans`.
    pub total_retrans: u32,
    /// `tcpi_dsack_dups`.
    pub dsack_dups: u32,
    /// Recv-Q.
    pub rqueue: u32,
    /// Send-Q.
    pub wqueue: u32,
    /// `tcpi_rtt`, µs.
    pub rtt_us: u32,
    /// `tcpi_rttvar`, µs.
    pub rttvar_us: u32,
    /// `tcpi_busy_time`, ms.
    pub busy_ms: u32,
    /// `tcpi_rwnd_limited`, ms.
    pub rwnd_limited_ms: u32,
    /// Since anything was sent or received, ms.
    pub idle_ms: u32,
    /// skmem `d`, low half.
    pub drops_low: u16,
    /// `tcpi_reord_seen`, low half.
    pub reord_seen_low: u16,
    /// State.
    pub state: State,
    /// `idiag_retrans`.
    pub timer_retrans: u8,
    /// No process had it.
    pub ownerless: bool,
    /// It had carried data.
    pub with_data: bool,
}

/// How many marks from the expected one on are looked at.
const NEARBY: usize = 4;

/// The marks of a pass, found by cookie. The pass after it may renew them one by one, so that there is one table however many
/// passes follow each other.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    all: Vec<Mark>,
    /// Whether the socket of each was seen in the pass in progress.
    seen: Vec<bool>,
    places: Vec<u32>,
}

impl Marks {
    /// Puts the mark of a socket in the place of the one that it had, and returns that; `None` when it had none. A socket that is
    /// told twice in one pass meets itself: nothing of it grew. With it comes its place; where it is expected is as for [`Marks::find`].
    pub fn renew(&mut self, mark: Mark, expected: usize) -> Option<(Mark, usize)> {
        let Some((&before, place)) = self.find(mark.cookie, expected) else {
            self.all.push(mark);
            self.seen.push(true);
            return None;
        };
        *self.all.get_mut(place)? = mark;
        *self.seen.get_mut(place)? = true;
        Some((before, place))
    }

    /// Ends a pass: the sockets that were not seen are gone, and those that are new can be found.
    pub fn end_pass(&mut self) {
        let mut seen = self.seen.iter();
        self.all.retain(|_| seen.next() == Some(&true));
        self.all.shrink_to(self.all.len() * 2);
        self.seen.clear();
        self.seen.resize(self.all.len(), false);
        self.index();
    }

    /// Open addressing with at least a fifth of the places free: most sockets are found where they are expected.
    fn index(&mut self) {
        let size = (self.all.len() + self.all.len() / 4 + 1).next_power_of_two();
        self.places.clear();
        self.places.resize(size, 0);
        self.places.shrink_to(size);
        for (number, mark) in self.all.iter().enumerate() {
            let mut place = Self::place(mark.cookie, size);
            while self.places.get(place).is_some_and(|&taken| taken != 0) {
                place = (place + 1) & (size - 1);
            }
            if let Some(free) = self.places.get_mut(place) {
                *free = number as u32 + 1;
            }
        }
    }

    /// The mark of a socket, and its place. A table is read in nearly the same order again, so it is looked for where it is
    /// expected, and among the next ones, before the whole memory is.
    pub fn find(&self, cookie: u64, expected: usize) -> Option<(&Mark, usize)> {
        let nearby = self.all.iter().enumerate().skip(expected).take(NEARBY);
        let near = nearby.into_iter().find(|(_, mark)| mark.cookie == cookie).map(|(place, mark)| (mark, place));
        near.or_else(|| self.search(cookie))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn search(&self, cookie: u64) -> Option<(&Mark, usize)> {
        let size = self.places.len();
        let mut place = Self::place(cookie, size.max(1));
        loop {
            let number = self.places.get(place)?.checked_sub(1)? as usize;
            let mark = self.all.get(number)?;
            if mark.cookie == cookie {
                return Some((mark, number));
            }
            place = (place + 1) & (size - 1);
        }
    }

    // Cookies count up from one: Fibonacci hashing spreads neighbours.
    fn place(cookie: u64, size: usize) -> usize {
        (cookie.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize & (size - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(cookie: u64, wqueue: u32) -> Mark {
        Mark { cookie, wqueue, ..Mark::default() }
    }

    #[test]
    fn marks_are_found_by_cookie_and_only_so() {
        let mut marks = Marks::default();
        assert!((1..=1000).all(|cookie| marks.renew(mark(cookie, cookie as u32 * 3), 0).is_none()));
        marks.end_pass();
        // Wherever it is expected: at its place, before it, after it, and where there is none.
        for expected in [0, 1, 500, 996, 1000, usize::MAX] {
            let is_found = |cookie| {
                let found = marks.find(cookie, expected).map(|(mark, place)| (mark.cookie, mark.wqueue, place));
                found == Some((cookie, cookie as u32 * 3, cookie as usize - 1))
            };
            assert!((1..=1000).all(is_found));
            assert!(marks.find(1001, expected).is_none());
        }
        assert!(Marks::default().find(1, 0).is_none());
    }

    #[test]
    fn a_pass_renews_the_marks_of_the_one_before_and_those_of_sockets_that_are_gone_go() {
        let mut marks = Marks::default();
        for pass in 0..20_u32 {
            // A hundred sockets, of which ten are gone and ten are new each time.
            for cookie in u64::from(pass * 10)..u64::from(pass * 10 + 100) {
                let before = marks.renew(mark(cookie, pass), 0).map(|(mark, _)| mark.wqueue);
                let was_there = pass > 0 && cookie < u64::from((pass - 1) * 10 + 100);
                assert_eq!(before, was_there.then(|| pass - 1));
            }
            marks.end_pass();
            assert_eq!(marks.len(), 100);
            assert!(marks.find(u64::from(pass * 10), 0).is_some());
            assert!(pass == 0 || marks.find(u64::from(pass * 10) - 1, 0).is_none());
        }
    }

    #[test]
    fn a_socket_that_is_told_twice_meets_itself() {
        let mut marks = Marks::default();
        marks.renew(mark(7, 1), 0);
        marks.end_pass();
        for before in [1, 2] {
            assert_eq!(marks.renew(mark(7, 2), 0).map(|(mark, place)| (mark.wqueue, place)), Some((before, 0)));
        }
    }
}
