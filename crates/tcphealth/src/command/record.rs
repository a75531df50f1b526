//! `tcphealth record`: every second the counters, every ten the sockets with what the rules ask about them → a store.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::{SigSet, Signal};
use tcphealth_core::frame::block::Moment;
use tcphealth_core::frame::leaves::{Slots, split};
use tcphealth_core::frame::taken::{Meter, Taken, counter_leaves};
use tcphealth_core::frame::totals::{PERIOD_US, Totals};
use tcphealth_core::rules::{History, Limits};
use tcphealth_core::say;
use tcphealth_core::snapshot::{Answers, Counters, Marks, Question, Snapshot};
use tcphealth_core::words::{Lang, Message};
use tcphealth_linux::{Host, Pass, boot_ns, cpu_us, give_back, resident_kb};

use super::check;
use crate::args::RecordArgs;
use crate::config;
use crate::examine::{ANSWER_BUDGET, answered};
use crate::speech::Speech;
use crate::stop::Stop;
use crate::store::{self, Keep, Stream, Writer};
use pace::Pace;

mod pace;

/// After so many intervals without a look (suspend, a stopped process) nothing is compared across.
const INTERVALS_MAX: u64 = 3;
/// What power may cost, ns.
const SYNC_NS: u64 = 10_000_000_000;
/// An answer is believed for this long, ns: searching all processes every ten seconds would cost more than everything else.
const ANSWER_NS: u64 = 60_000_000_000;

/// Records until told to stop.
pub(crate) fn run(args: &RecordArgs, speech: &Speech) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    // A limit on the size of files is a full disk like any other, and not a reason to die.
    SigSet::from(Signal::SIGXFSZ).thread_block()?;
    let directory = args.store.clone().unwrap_or_else(store::default_dir);
    let keep = Keep { days: args.max_days, bytes: args.max_bytes };
    let mut recorder = Recorder {
        host: check::host(None, args.netns.as_deref(), None)?.with_events().resident(),
        limits: config::limits()?,
        writer: Writer::new(&directory, keep)?,
        slots: Slots::default(),
        totals: Totals::default(),
        next_totals_us: 0,
        before: None,
        answers: Answers::new(),
        asked_ns: 0,
        pace: Pace::new(args),
        begun_us: Timestamp::now().as_microsecond(),
        paused: false,
        pauses: 0,
        lang: speech.lang,
        synced_ns: boot_ns(),
    };
    let span = args.duration.or(args.once.then_some(args.census)).map_or(u64::MAX, ns);
    let end_ns = boot_ns().saturating_add(span);
    loop {
        recorder.tick();
        let next_ns = recorder.pace.next(boot_ns()).min(end_ns);
        if stop.within(next_ns.saturating_sub(boot_ns()))? || next_ns >= end_ns {
            break;
        }
    }
    if args.once {
        recorder.census();
    }
    recorder.writer.close()?;
    Ok(ExitCode::SUCCESS)
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

struct Recorder {
    host: Host,
    limits: Limits,
    writer: Writer,
    slots: Slots,
    totals: Totals,
    next_totals_us: u64,
    before: Option<(Snapshot, Marks)>,
    answers: Answers,
    asked_ns: u64,
    pace: Pace,
    begun_us: i64,
    paused: bool,
    pauses: u64,
    lang: Lang,
    synced_ns: u64,
}

impl Recorder {
    /// One look at the counters, or at everything.
    fn tick(&mut self) {
        if self.pace.is_due(boot_ns()) {
            self.census();
        } else {
            let counters = self.host.counters();
            let at = Moment { boot_us: boot_ns() / 1000, wall_us: Timestamp::now().as_microsecond() };
            let stored = store_counters(&mut self.writer, at, &counters);
            self.report(stored);
        }
    }

    /// A disk that is full is said once; the next sample is tried all the same.
    fn report(&mut self, stored: anyhow::Result<()>) {
        let stored = stored.and_then(|()| {
            if boot_ns() - self.synced_ns >= SYNC_NS {
                self.synced_ns = boot_ns();
                self.writer.sync()?;
            }
            Ok(())
        });
        match stored {
            Ok(()) if self.paused => {
                self.paused = false;
                self.tell(&say! { en: "recording again", ko: "기록을 다시 시작함" });
            }
            Err(error) if !self.paused => {
                self.paused = true;
                self.pauses += 1;
                self.tell(
                    &say! { en: "recording pauses: {why}", ko: "기록을 멈춤: {why}", why = format!("{error:#}") },
                );
            }
            _ => {}
        }
    }

    fn tell(&self, words: &Message) {
        eprintln!("tcphealth: {}", words.get(self.lang));
    }

    fn census(&mut self) {
        let (now_ns, before_us) = (boot_ns(), cpu_us());
        self.pace.looked(now_ns);
        let stored = self.look(now_ns);
        self.report(stored);
        give_back();
        let cost_us = cpu_us().saturating_sub(before_us);
        let census = self.before.as_ref().and_then(|(look, _)| look.census.as_ref().ok());
        let sockets = census.map_or(0, |census| census.states.total());
        if self.pace.adapt(cost_us, sockets) {
            self.tell(&say! {
                en: "the last look at {sockets} sockets took {ms} ms of CPU: from now on every {seconds} s",
                ko: "소켓 {sockets}개를 보는 데 CPU {ms} ms가 듦. 이제 {seconds}초마다 봄",
                ms = cost_us / 1000, seconds = self.pace.census_ns as f64 / 1e9
            });
        }
    }

    fn look(&mut self, now_ns: u64) -> anyhow::Result<()> {
        let patience_ns = self.pace.census_ns * INTERVALS_MAX;
        let before = self.before.take().filter(|(look, _)| now_ns - look.at.begin_ns <= patience_ns);
        let (before, pass) = before.map_or((None, Pass::First), |(look, marks)| (Some(look), Pass::Next(marks)));
        let (mut now, marks) = self.host.look(pass)?;
        if let Ok(census) = &mut now.census {
            census.trim();
        }
        let answers = self.answers(before.as_ref(), &now)?;
        let taken = Taken::of(&now, &answers, self.meter());
        let at = taken.moment();
        let leaves = taken.leaves(&mut self.slots);
        self.answers = answers;
        let counters = now.counters.clone();
        self.totals.add(&counters, now.census.as_ref().ok());
        self.before = Some((now, marks));
        self.writer.append(Stream::Census, at, &mut |each| {
            for (path, leaf) in &leaves {
                let (entity, field) = split(path);
                each(entity, field, leaf.clone());
            }
        })?;
        store_counters(&mut self.writer, at, &counters)?;
        self.sum_up(at, &counters)
    }

    /// At the first look and then every ten minutes, what there was since.
    fn sum_up(&mut self, at: Moment, counters: &Counters) -> anyhow::Result<()> {
        if at.boot_us < self.next_totals_us {
            return Ok(());
        }
        self.next_totals_us = at.boot_us.saturating_add(PERIOD_US);
        self.writer.append(Stream::Totals, at, &mut |each| self.totals.finish(counters, each))
    }

    /// What the rules ask about these looks, answered; for a while what was answered before still holds.
    fn answers(&mut self, before: Option<&Snapshot>, now: &Snapshot) -> anyhow::Result<Answers> {
        if now.at.begin_ns.saturating_sub(self.asked_ns) > ANSWER_NS {
            self.asked_ns = now.at.begin_ns;
            self.answers.clear();
        }
        let host = &mut self.host;
        let mut find = |asked: BTreeSet<Question>, answers: &mut Answers| {
            let known = &self.answers;
            answers.extend(asked.iter().filter_map(|asked| Some((asked.clone(), known.get(asked)?.clone()))));
            Ok(host.answer(&asked, answers, ANSWER_BUDGET)?)
        };
        let (first, second) = before.map_or((now, None), |before| (before, Some(now)));
        // What was before is for whoever judges the recording: here only the questions count.
        let (none, known) = (History::default(), || (Answers::new(), &self.limits));
        // A host that was booted anew, or a namespace that was changed, makes no window: then it is one look.
        answered((first, second), &none, known(), &mut find)
            .or_else(|_| answered((now, None), &none, known(), &mut find))
    }

    fn meter(&self) -> Meter {
        Meter {
            begun_us: self.begun_us,
            interval_ms: self.pace.interval_ns / 1_000_000,
            census_asked_ms: self.pace.census_min_ns / 1_000_000,
            census_interval_ms: self.pace.census_ns / 1_000_000,
            cpu_us: cpu_us(),
            resident_kb: resident_kb(),
            pauses: self.pauses,
        }
    }
}

/// Stores a sample of the counters.
pub(super) fn store_counters(writer: &mut Writer, at: Moment, counters: &Counters) -> anyhow::Result<()> {
    writer.append(Stream::Counters, at, &mut |each| counter_leaves(counters, each))
}
