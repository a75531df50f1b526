//! Two snapshots of the same boot and namespace: what grew, how fast, and which ratio. The only place that subtracts counters.

use std::fmt;

use crate::catalog::Counter;
use crate::snapshot::{
    Absent, Answer, Answers, Census, Fact, Heard, Question, Service, ServiceKey, Snapshot, Tally, Watch,
};
use crate::text;
use crate::words::Text;

/// Why two snapshots make no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The host was booted between them.
    Reboot,
    /// They are of different namespaces.
    OtherNamespace,
    /// No time lies between them, or it ran backwards.
    NoTime,
}

impl Break {
    /// In words.
    pub fn words(self) -> Text {
        match self {
            Self::Reboot => text! {
                en: "the host was booted between the two snapshots",
                ko: "두 관찰 사이에 호스트가 다시 부팅됨"
            },
            Self::OtherNamespace => text! {
                en: "the two snapshots are of different network namespaces",
                ko: "두 관찰의 네트워크 네임스페이스가 서로 다름"
            },
            Self::NoTime => {
                text! { en: "no time lies between the two snapshots", ko: "두 관찰 사이에 시간이 흐르지 않음" }
            }
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().en)
    }
}

impl std::error::Error for Break {}

/// What the rules look at: one snapshot, or two and what grew between them, and the answers known so far.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    first: &'a Snapshot,
    second: Option<&'a Snapshot>,
    answers: &'a Answers,
}

impl<'a> Window<'a> {
    /// One look alone: gauges and sockets, no rate.
    pub fn instant(first: &'a Snapshot, answers: &'a Answers) -> Self {
        Self { first, second: None, answers }
    }

    /// Two looks.
    ///
    /// # Errors
    /// When the two do not belong together.
    pub fn between(first: &'a Snapshot, second: &'a Snapshot, answers: &'a Answers) -> Result<Self, Break> {
        if first.identity.boot_id != second.identity.boot_id {
            return Err(Break::Reboot);
        }
        if first.identity.netns != second.identity.netns {
            return Err(Break::OtherNamespace);
        }
        if second.at.begin_ns <= first.at.begin_ns {
            return Err(Break::NoTime);
        }
        Ok(Self { first, second: Some(second), answers })
    }

    /// The look at the begin.
    pub fn first(&self) -> &'a Snapshot {
        self.first
    }

    /// The newest look: the second, or the only one.
    pub fn last(&self) -> &'a Snapshot {
        self.second.unwrap_or(self.first)
    }

    /// Whether there are two looks.
    pub fn is_whole(&self) -> bool {
        self.second.is_some()
    }

    /// Time between the begins of the two looks, seconds on the boot clock; 0 for one look.
    pub fn seconds(&self) -> f64 {
        (self.last().at.begin_ns - self.first.at.begin_ns) as f64 / 1e9
    }

    /// A gauge now, or a counter since boot.
    pub fn value(&self, counter: Counter) -> Option<u64> {
        self.last().counters.get(counter)
    }

    /// How much the counter grew; `None` when it is missing or went backwards, or when there is one look.
    pub fn delta(&self, counter: Counter) -> Option<u64> {
        self.delta_named(counter.0)
    }

    /// As [`Window::delta`], for a name made at run time.
    pub fn delta_named(&self, name: &str) -> Option<u64> {
        let before = self.first.counters.named(name)?;
        let after = self.second?.counters.named(name)?;
        after.checked_sub(before)
    }

    /// Growth per second. Never rounded: 0.2 retransmissions a second is not zero.
    pub fn per_second(&self, counter: Counter) -> Option<f64> {
        Some(self.delta(counter)? as f64 / self.seconds())
    }

    /// Sum of how much several counters grew; `None` when one is missing.
    pub fn sum(&self, counters: &[Counter]) -> Option<u64> {
        counters.iter().map(|counter| self.delta(*counter)).sum()
    }

    /// Sockets of the newest look.
    pub fn census(&self) -> Option<&'a Census> {
        self.last().census.as_ref().ok()
    }

    /// Sockets of the first look, when there are two.
    pub fn census_before(&self) -> Option<&'a Census> {
        self.second.and_then(|_| self.first.census.as_ref().ok())
    }

    /// A service at the first of two looks.
    pub fn service_before(&self, key: &ServiceKey) -> Option<&'a Service> {
        self.census_before()?.service(key)
    }

    /// What has been answered to a question; `None` when it has not been asked yet.
    pub fn answer(&self, question: &Question) -> Option<&'a Answer> {
        self.answers.get(question)
    }

    /// Everything that has been answered.
    pub fn answers(&self) -> &'a Answers {
        self.answers
    }

    /// What was heard by a watch; `None` when nobody listened.
    pub fn heard(&self, watch: Watch) -> Option<Result<&'a Heard, &'a Absent>> {
        Some(match self.answers.get(&Question::Watch(watch))? {
            Ok(Fact::Heard(heard)) => Ok(heard),
            Ok(_) => Err(&Absent::NotAsked),
            Err(absent) => Err(absent),
        })
    }

    /// What the kernel's events add up to; `None` when nobody counted them.
    pub fn tally(&self) -> Option<&'a Tally> {
        match self.answers.get(&Question::Watch(Watch::Events))? {
            Ok(Fact::Tally(tally)) => Some(tally),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::snapshot::{Counters, Identity, Stamp, Sysctls};

    /// A snapshot with these counters, `seconds` after boot.
    pub(crate) fn snapshot(seconds: u64, pairs: &[(&str, u64)]) -> Snapshot {
        Snapshot {
            identity: Identity { boot_id: "b".into(), netns: 1, ..Identity::default() },
            at: Stamp { begin_ns: seconds * 1_000_000_000, end_ns: seconds * 1_000_000_000, ..Stamp::default() },
            counters: Counters::from_pairs(pairs.iter().copied()),
            sysctls: Sysctls::new(),
            interfaces: Ok(Vec::new()),
            census: Ok(Census { joined: true, ..Census::default() }),
        }
    }

    const C: Counter = Counter("T.c");

    #[test]
    fn a_rate_is_growth_over_seconds_and_never_rounded() {
        let (a, b, none) = (snapshot(10, &[("T.c", 5)]), snapshot(15, &[("T.c", 6)]), Answers::new());
        let window = Window::between(&a, &b, &none).unwrap();
        assert_eq!((window.delta(C), window.per_second(C)), (Some(1), Some(0.2)));
    }

    #[test]
    fn a_counter_that_went_back_or_is_missing_has_no_rate() {
        let none = Answers::new();
        let (a, b) = (snapshot(10, &[("T.c", 5)]), snapshot(15, &[("T.c", 4)]));
        assert_eq!(Window::between(&a, &b, &none).unwrap().delta(C), None);
        let c = snapshot(15, &[]);
        assert_eq!(Window::between(&a, &c, &none).unwrap().delta(C), None);
        assert_eq!(Window::instant(&a, &none).delta(C), None);
    }

    #[test]
    fn what_does_not_belong_together_makes_no_window() {
        let none = Answers::new();
        let (a, mut b) = (snapshot(10, &[]), snapshot(9, &[]));
        assert_eq!(Window::between(&a, &b, &none).err(), Some(Break::NoTime));
        b.identity.netns = 2;
        assert_eq!(Window::between(&a, &b, &none).err(), Some(Break::OtherNamespace));
        b.identity.boot_id = "c".into();
        assert_eq!(Window::between(&a, &b, &none).err(), Some(Break::Reboot));
    }
}
