//! All rules over one window, and what they say together: one cause, one headline.

use std::collections::BTreeSet;

use super::history::{History, Sighting};
use super::{ALL, Hides, Limits, Read, Rule, Shared, by_events, chronic};
use crate::report::{Check, Finding, Outcome, Severity, Subject, SubjectKind, Verdict, Why, Word};
use crate::say;
use crate::snapshot::{Absent, Answer, Question};
use crate::window::Window;
use crate::words::Message;

/// What every rule said.
pub struct Judgement {
    verdicts: Vec<(&'static Rule, Verdict)>,
    sightings: Vec<Sighting>,
}

/// Runs every rule, and lets the windows before this one add what several of them decide. What a rule cannot do without is
/// checked here, so that nothing missing is ever judged healthy.
pub fn judge(window: &Window, history: &History, limits: &Limits) -> Judgement {
    judge_by(ALL, window, history, limits)
}

/// As [`judge`], by some of the rules.
pub(super) fn judge_by(rules: &[&'static Rule], window: &Window, history: &History, limits: &Limits) -> Judgement {
    let series = history.until(window);
    let mut sightings = Vec::new();
    let verdicts = rules.iter().map(|rule| {
        let acute = verdict_of(rule, window, limits);
        if let Verdict::Findings(list) = &acute {
            sightings.extend(list.iter().map(|finding| Sighting::new(rule, finding)));
        }
        (*rule, chronic::lifted(rule, acute, &series, limits))
    });
    Judgement { verdicts: verdicts.collect(), sightings }
}

/// What one rule says, or what it misses.
pub(super) fn verdict_of(rule: &Rule, window: &Window, limits: &Limits) -> Verdict {
    match missing(rule, window, limits) {
        Some(why) => Verdict::Undecided(why),
        None => by_events::sharpened(window, rule, (rule.check)(window, limits)),
    }
}

/// What a rule has to say: its questions first, then its findings; none of both is healthy only in a window that is long enough.
pub(super) fn said(window: &Window, limits: &Limits, findings: Vec<Finding>, questions: Vec<Question>) -> Verdict {
    if !questions.is_empty() {
        Verdict::Ask(questions)
    } else if findings.is_empty() {
        short(window, limits).map_or(Verdict::Healthy(None), Verdict::Undecided)
    } else {
        Verdict::Findings(findings)
    }
}

impl Judgement {
    /// What was found by the levels of one window, hidden or not.
    pub(super) fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// What the rules must know before they can speak.
    pub fn asked(&self) -> BTreeSet<Question> {
        let asks = self.verdicts.iter().filter_map(|(_, verdict)| match verdict {
            Verdict::Ask(questions) => Some(questions.iter().cloned()),
            _ => None,
        });
        asks.flatten().collect()
    }

    /// Says in other words what the rules lack that are undecided for want of something.
    pub fn reword(&mut self, window: &Window, limits: &Limits, words: impl Fn(Read) -> Option<Message>) {
        for (rule, said) in &mut self.verdicts {
            let lacks = rule.reads.iter().find(|read| missing_read(**read, window, limits).is_some());
            if let (Some(reason), Verdict::Undecided(why)) = (lacks.and_then(|read| words(*read)), said) {
                *why = Why { reason, needs: None };
            }
        }
    }

    /// Lets a verdict stand that somebody else reached, where a rule could not decide.
    pub fn fill_in(&mut self, rule: &str, verdict: Verdict) {
        let open = |(known, said): &&mut (&'static Rule, Verdict)| {
            known.id == rule && matches!(said, Verdict::Undecided(_) | Verdict::Ask(_))
        };
        if let Some((_, said)) = self.verdicts.iter_mut().find(open) {
            *said = verdict;
        }
    }

    /// The findings, worst first and without those that another explains; a line for every rule; the verdict.
    pub fn combine(self) -> (Word, Vec<Finding>, Vec<Check>) {
        let mut findings = Vec::new();
        let mut checks = Vec::new();
        for (rule, verdict) in self.verdicts {
            checks.push(check_of(rule, &verdict));
            let Verdict::Findings(list) = verdict else { continue };
            findings.extend(list.into_iter().map(|finding| Finding { rule: rule.id.to_owned(), ..finding }));
        }
        let findings = explain(findings, &mut checks);
        let word = match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Word::Critical,
            Some(Severity::Warning) => Word::Warning,
            _ => Word::Ok,
        };
        (word, findings, checks)
    }
}

fn check_of(rule: &Rule, verdict: &Verdict) -> Check {
    let (outcome, why, needs) = match verdict {
        Verdict::Healthy(why) => (Outcome::Healthy, why.clone(), None),
        Verdict::Findings(list) => (Outcome::Finding, list.first().map(|finding| finding.summary.clone()), None),
        Verdict::Undecided(why) => (Outcome::Undecided, Some(why.reason.clone()), why.needs.clone()),
        Verdict::Ask(_) => {
            let reason = say! { en: "what it asked for was not answered in time", ko: "필요한 정보를 제때 얻지 못함" };
            (Outcome::Undecided, Some(reason), None)
        }
    };
    Check { rule: rule.id.to_owned(), outcome, why, needs }
}

fn rank(finding: &Finding) -> u8 {
    super::rule(&finding.rule).map_or(99, |rule| rule.rank)
}

/// Takes out what another finding explains: consequences become evidence of their cause, which inherits their severity when
/// the subject is the same. Only a cause above info explains anything.
fn explain(mut findings: Vec<Finding>, checks: &mut [Check]) -> Vec<Finding> {
    findings.sort_by_key(rank);
    let mut at = 0;
    while at < findings.len() {
        let (causes, rest) = findings.split_at_mut(at + 1);
        let Some(cause) = causes.last_mut() else { break };
        let hidden: Vec<bool> = rest.iter().map(|effect| hides(cause, effect)).collect();
        for (effect, _) in rest.iter().zip(&hidden).filter(|(_, hidden)| **hidden) {
            absorb(cause, effect, checks);
        }
        let mut keep = hidden.into_iter().map(|hidden| !hidden);
        let mut place = 0;
        findings.retain(|_| {
            place += 1;
            place <= at + 1 || keep.next().unwrap_or(true)
        });
        at += 1;
    }
    findings.sort_by(|a, b| {
        let by_weight = b.severity.cmp(&a.severity).then(rank(a).cmp(&rank(b)));
        by_weight.then(b.confidence.total_cmp(&a.confidence)).then(b.size.total_cmp(&a.size))
    });
    findings
}

fn absorb(cause: &mut Finding, effect: &Finding, checks: &mut [Check]) {
    cause.consequences.push(effect.summary.clone());
    if cause.subject.key() == effect.subject.key() {
        cause.severity = cause.severity.max(effect.severity);
    }
    if let Some(check) = checks.iter_mut().find(|check| check.rule == effect.rule) {
        check.why = Some(say! { en: "explained by {rule}", ko: "{rule}(으)로 설명됨", rule = cause.rule });
    }
}

fn hides(cause: &Finding, effect: &Finding) -> bool {
    if cause.severity < Severity::Warning || !cause.explains {
        return false;
    }
    let hides = super::rule(&cause.rule).map_or(&[][..], |rule| rule.hides);
    let hidden = hides.iter().filter(|hidden| hidden.rule == effect.rule);
    hidden.into_iter().any(|Hides { shared, .. }| {
        share(*shared, &cause.subject, &effect.subject) || concerns(*shared, cause, &effect.subject)
    })
}

/// Whether a finding names the subject's remote among those that it concerns beside its own.
fn concerns(shared: Shared, cause: &Finding, effect: &Subject) -> bool {
    let Some(remote) = &effect.remote else { return false };
    match shared {
        Shared::Peer => cause.concerns.iter().any(|other| address_of(other) == address_of(remote)),
        Shared::Destination => cause.concerns.contains(remote),
        _ => false,
    }
}

/// Whether two subjects are about the same. A subject that could not be narrowed down may be about anything.
fn share(shared: Shared, cause: &Subject, effect: &Subject) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    let address = |subject: &Subject| subject.remote.as_deref().map(|remote| address_of(remote).to_owned());
    let vague = matches!(effect.kind, SubjectKind::Netns | SubjectKind::Host) && effect.remote.is_none();
    vague
        || match shared {
            Shared::Nothing => true,
            Shared::Peer => same(&address(cause), &address(effect)) || same(&cause.subnet, &effect.subnet),
            Shared::Destination => same(&cause.remote, &effect.remote),
            Shared::Process => cause.pid.is_some() && cause.pid == effect.pid,
            Shared::Listener => {
                same(&listener(cause), &listener(effect)) || (cause.pid.is_some() && cause.pid == effect.pid)
            }
            Shared::Interface => same(&cause.interface, &effect.interface),
            Shared::Source => same(&cause.source, &effect.source),
        }
}

fn listener(subject: &Subject) -> Option<String> {
    subject.listener.clone().or_else(|| subject.local.clone())
}

/// The address of `192.0.2.1:80`, `[2001:db8::1]:80`, or of a bare address.
fn address_of(remote: &str) -> &str {
    if let Some(rest) = remote.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match remote.matches(':').count() {
        1 => remote.split(':').next().unwrap_or(remote),
        _ => remote,
    }
}

/// The first thing that a rule reads and this window does not have.
fn missing(rule: &Rule, window: &Window, limits: &Limits) -> Option<Why> {
    rule.reads.iter().find_map(|read| missing_read(*read, window, limits))
}

fn missing_read(read: Read, window: &Window, limits: &Limits) -> Option<Why> {
    let snapshot = window.last();
    match read {
        Read::Counter(counter) => (window.value(counter).is_none() || went_back(window, counter.0)).then(|| {
            let reason = say! { en: "{name} is missing or went backwards", ko: "{name} 값이 없거나 거꾸로 감", name = counter.0 };
            Why { reason, needs: None }
        }),
        Read::Sysctl(name) => snapshot.sysctl(name).is_none().then(|| {
            let reason = say! { en: "{name} cannot be read", ko: "{name} 설정을 읽을 수 없음", name = name };
            Why { reason, needs: None }
        }),
        Read::Census => absent(&snapshot.census),
        Read::Interfaces => absent(&snapshot.interfaces),
        Read::Window => short(window, limits),
        Read::TwoLooks => {
            let joined = window.census().is_some_and(|census| census.joined) && window.census_before().is_some();
            let unread = || absent(&window.first().census).or_else(|| absent(&snapshot.census));
            unread().or_else(|| short(window, limits)).or_else(|| (!joined).then(one_look))
        }
    }
}

fn went_back(window: &Window, name: &str) -> bool {
    window.is_whole() && window.delta_named(name).is_none() && !is_gauge(name)
}

fn is_gauge(name: &str) -> bool {
    crate::catalog::entry(name).is_some_and(|entry| entry.kind == crate::catalog::Kind::Gauge)
}

fn absent<T>(table: &Result<T, Absent>) -> Option<Why> {
    let reason = reason_of(table.as_ref().err()?);
    Some(Why { reason, needs: None })
}

/// Why something is absent, in words.
pub fn reason_of(absent: &Absent) -> Message {
    match absent {
        Absent::NotHere => {
            say! { en: "this kernel or namespace does not have it", ko: "이 커널이나 네임스페이스에는 없음" }
        }
        Absent::NotPermitted(need) => say! { en: "not permitted: {need}", ko: "권한 없음: {need}", need = need },
        Absent::Failed(place) => say! { en: "could not be read: {place}", ko: "읽지 못함: {place}", place = place },
        Absent::NotAsked => say! { en: "it was not read", ko: "읽지 않음" },
        Absent::CutShort(far) => say! { en: "cut short: {far}", ko: "도중에 멈춤: {far}", far = far },
    }
}

/// The privilege that would let more processes be looked into; `None` where none is missing.
pub(super) fn missing_privilege(window: &Window) -> Option<Message> {
    let lacks = |answer: &Answer| matches!(answer, Err(Absent::NotPermitted(need)) if need == "CAP_SYS_PTRACE");
    let lacks = window.answers().values().any(lacks);
    lacks.then(|| say! { en: "root, or CAP_SYS_PTRACE", ko: "root 또는 CAP_SYS_PTRACE" })
}

/// Why a window is too short for rates and followed sockets; `None` when it is long enough.
pub(super) fn short(window: &Window, limits: &Limits) -> Option<Why> {
    // A window asked for as 5 s may come out a hair shorter.
    let needed = limits.window_min_seconds - 0.1;
    let seconds = format!("{:.1}", window.seconds());
    let reason = if window.is_whole() {
        say! { en: "the window of {seconds} s is too short", ko: "{seconds}초의 관찰 구간은 너무 짧음", seconds = seconds }
    } else {
        say! { en: "one look decides nothing here", ko: "한 번의 관찰로는 판정할 수 없음" }
    };
    (!window.is_whole() || window.seconds() < needed).then(|| Why {
        reason,
        needs: Some(say! { en: "a window of {seconds} s", ko: "{seconds}초 이상의 관찰 구간", seconds = limits.window_min_seconds }),
    })
}

fn one_look() -> Why {
    let reason = say! { en: "the sockets of two looks could not be compared", ko: "두 시점의 소켓을 비교하지 못함" };
    Why { reason, needs: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_every_spelling() {
        let spellings = ["192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", "192.0.2.1"];
        assert_eq!(spellings.map(address_of), ["192.0.2.1", "2001:db8::1", "2001:db8::1", "192.0.2.1"]);
    }
}
