//! What is told: verdicts, findings with their evidence, and the report that every format prints.

use serde::{Deserialize, Serialize};

use crate::snapshot::{Question, Stamp};
use crate::words::Message;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a line.
    Info,
    /// Act this week.
    Warning,
    /// Users feel it now.
    Critical,
}

impl Severity {
    /// The word that is never translated.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Who is responsible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A program here.
    Process,
    /// A listening socket here.
    Listener,
    /// An address and port that we connect to.
    Destination,
    /// A remote address.
    Peer,
    /// A network.
    Subnet,
    /// An interface here.
    Interface,
    /// A segment of a path.
    Hop,
    /// This network namespace.
    #[default]
    Netns,
    /// This host.
    Host,
}

/// Who is responsible, and all that is known beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// Which of the fields names the culprit.
    pub kind: SubjectKind,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Process name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Our address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Their address, with the port unless all are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Our source address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The listener concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The network concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The interface concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// `rx` or `tx`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Kind of queueing discipline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qdisc: Option<String>,
    /// Address of a hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<String>,
    /// Its distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// Control group, as a systemd unit or container where it can be read so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Network namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
}

impl Subject {
    /// The part of a finding's id after the `@`: the same from run to run.
    pub fn key(&self) -> String {
        let known = |word: &str, value: &Option<String>| value.as_ref().map(|value| format!("{word}:{value}"));
        let named = match self.kind {
            SubjectKind::Process => self.pid.map(|pid| format!("pid:{pid}")).or_else(|| known("local", &self.local)),
            SubjectKind::Listener => known("listener", &self.listener).or_else(|| known("listener", &self.local)),
            SubjectKind::Destination => known("destination", &self.remote),
            SubjectKind::Peer => known("peer", &self.remote),
            SubjectKind::Subnet => known("subnet", &self.subnet),
            SubjectKind::Interface => known("interface", &self.interface),
            SubjectKind::Hop => known("hop", &self.hop),
            SubjectKind::Netns | SubjectKind::Host => None,
        };
        let second = [known("source", &self.source), known("remote", &self.remote)].into_iter().flatten().next();
        named.or(second).unwrap_or_else(|| if self.kind == SubjectKind::Host { "host" } else { "netns" }.to_owned())
    }
}

/// One number that a finding rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is, by the kernel's name where it has one.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// Whose it is: `netns`, `host`, `process`, `peer`, `listener`, `destination`, …, and over which time.
    pub scope: String,
    /// Where it was read.
    pub source: String,
}

/// One piece of advice, with what it does, what else it does, and how to take it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What to do, the command in it.
    pub act: Message,
    /// What it would do.
    pub effect: Option<Message>,
    /// What else it would do.
    pub side_effect: Option<Message>,
    /// How to take it back.
    pub undo: Option<Message>,
}

impl From<Message> for Advice {
    fn from(act: Message) -> Self {
        Self { act, ..Self::default() }
    }
}

impl Advice {
    /// Adds what it would do.
    pub fn effect(mut self, effect: Message) -> Self {
        self.effect = Some(effect);
        self
    }

    /// Adds what else it would do.
    pub fn side_effect(mut self, side_effect: Message) -> Self {
        self.side_effect = Some(side_effect);
        self
    }

    /// Adds how to take it back.
    pub fn undo(mut self, undo: Message) -> Self {
        self.undo = Some(undo);
        self
    }
}

/// One trouble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule says so.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure, 0 to 1: certain from 0.95, likely from 0.75, possible below.
    pub confidence: f64,
    /// Who.
    pub subject: Subject,
    /// One sentence with the numbers.
    pub summary: Message,
    /// Why it is so, and what users feel.
    pub cause: Message,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Until it gets worse, seconds.
    pub eta_seconds: Option<f64>,
    /// Since when, RFC 3339, where a recording tells.
    pub since: Option<String>,
    /// What to do now.
    pub now: Vec<Advice>,
    /// What to repair.
    pub repair: Vec<Advice>,
    /// What not to do.
    pub avoid: Vec<Message>,
    /// What it is not, and by which number.
    pub ruled_out: Vec<Message>,
    /// Commands with which a sceptic repeats it.
    pub verify: Vec<String>,
    /// How large, for the order among equals; the rule's own unit.
    pub size: f64,
    /// Whether this finding explains those of the rules that its rule hides.
    pub explains: bool,
    /// Further peers or destinations that it concerns, written as a subject's `remote`: what is told of them is explained too.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub concerns: Vec<String>,
    /// Findings that it explains.
    pub consequences: Vec<Message>,
}

impl Finding {
    /// An empty one; the rule fills what it knows.
    pub fn new(severity: Severity, subject: Subject, summary: Message) -> Self {
        Self {
            rule: String::new(),
            severity,
            confidence: 0.95,
            subject,
            summary,
            cause: Message::default(),
            evidence: Vec::new(),
            eta_seconds: None,
            since: None,
            now: Vec::new(),
            repair: Vec::new(),
            avoid: Vec::new(),
            ruled_out: Vec::new(),
            verify: Vec::new(),
            size: 0.0,
            explains: true,
            concerns: Vec::new(),
            consequences: Vec::new(),
        }
    }

    /// `rule@subject`, the same from run to run.
    pub fn id(&self) -> String {
        format!("{}@{}", self.rule, self.subject.key())
    }

    /// Adds a number that it rests on: its name, the number with its unit, whose it is, where it was read.
    pub fn evidence(mut self, name: impl Into<String>, value: (f64, &str), scope: &str, source: &str) -> Self {
        let (unit, scope, source) = (value.1.into(), scope.into(), source.into());
        self.evidence.push(Evidence { name: name.into(), value: value.0, unit, scope, source });
        self
    }
}

/// Why a rule cannot decide, and what would decide it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The reason.
    pub reason: Message,
    /// How much more observation, or which permission, would decide it.
    pub needs: Option<Message>,
}

/// What a rule says of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Looked, and found nothing; with what was looked at where that is worth a line.
    Healthy(Option<Message>),
    /// Worst first.
    Findings(Vec<Finding>),
    /// Cannot be decided.
    Undecided(Why),
    /// Needs to know this first.
    Ask(Vec<Question>),
}

/// No finding is healthy: for rules that looked at all there is, however short the window was.
impl From<Vec<Finding>> for Verdict {
    fn from(findings: Vec<Finding>) -> Self {
        if findings.is_empty() { Self::Healthy(None) } else { Self::Findings(findings) }
    }
}

/// A rule's outcome as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing found.
    Healthy,
    /// At least one finding.
    Finding,
    /// Not decided.
    Undecided,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Finding, Self::Undecided];

    /// The word that is never translated.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Finding => "finding",
            Self::Undecided => "undecided",
        }
    }
}

/// A line for every rule, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The rule.
    pub rule: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it is undecided, what healthy rests on, or which rule explains its finding.
    pub why: Option<Message>,
    /// What would decide it.
    pub needs: Option<Message>,
}

/// Something that could not be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// What.
    pub what: Message,
    /// Why.
    pub why: Message,
    /// How to see it.
    pub remedy: Message,
}

/// The host in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Nothing above info.
    Ok,
    /// A warning.
    Warning,
    /// A critical finding.
    Critical,
    /// The host could not be judged.
    Unknown,
}

impl Word {
    /// All of them, in the order of the exit statuses of the monitoring plugins.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Critical, Self::Unknown];

    /// The word that is never translated.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// Exit status as the monitoring plugins have it: 0, 1, 2, 3.
    pub fn status(self) -> u8 {
        self as u8
    }
}

/// Everything that a format may print.
#[derive(Clone, Debug)]
pub struct Report {
    /// Host and namespace.
    pub identity: crate::snapshot::Identity,
    /// Begin of the window.
    pub begin: Stamp,
    /// End of the window.
    pub end: Stamp,
    /// Its length.
    pub seconds: f64,
    /// The verdict.
    pub word: Word,
    /// Worst first; what another explains is not among them.
    pub findings: Vec<Finding>,
    /// A line a rule.
    pub checks: Vec<Check>,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
    /// Whether the window is all the time since boot: context, and no verdict.
    pub since_boot: bool,
    /// Thresholds that are not the default: name, value, default.
    pub limits_changed: Vec<(String, f64, f64)>,
    /// Numbers worth a glance, for the summary lines and performance data.
    pub figures: Vec<Figure>,
}

impl Report {
    /// As context only: history proves nothing of now, so nothing in it is more than worth a line.
    pub fn into_context(mut self) -> Self {
        self.since_boot = true;
        self.findings.iter_mut().for_each(|finding| finding.severity = Severity::Info);
        if self.word != Word::Unknown {
            self.word = Word::Ok;
        }
        self
    }
}

/// A number of the report that is no finding: for performance data and the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// A stable key with the unit last, `retransmit_local_ratio`.
    pub name: &'static str,
    /// What it is, for people.
    pub label: Message,
    /// The value; `None` when it is not known.
    pub value: Option<f64>,
    /// Unit of measurement.
    pub unit: &'static str,
    /// The value as people read it, with what it rests on; `None` where it is not worth a line.
    pub shown: Option<Message>,
}

/// The report on one of the network namespaces of a host.
#[derive(Clone, Debug)]
pub struct Place {
    /// What the namespace goes by: `nginx.service`.
    pub name: String,
    /// What kind of name that is: `host`, `service`, `container`, …
    pub kind: String,
    /// What is said of it.
    pub report: Report,
}

/// The reports on the network namespaces of a host in one window.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Worst first.
    pub places: Vec<Place>,
    /// Namespaces that could not be judged.
    pub unseen: Vec<Unseen>,
}

impl Survey {
    /// Puts the worst first: by its verdict, then by how many findings make it so.
    pub fn new(mut places: Vec<Place>, unseen: Vec<Unseen>) -> Self {
        let weight = |place: &Place| {
            let findings = |severity| place.report.findings.iter().filter(|one| one.severity == severity).count();
            (badness(place.report.word), findings(Severity::Critical), findings(Severity::Warning))
        };
        places.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.name.cmp(&b.name)));
        Self { places, unseen }
    }

    /// The verdict on the worst.
    pub fn word(&self) -> Word {
        self.places.first().map_or(Word::Unknown, |worst| worst.report.word)
    }

    /// How many have this verdict.
    pub fn count(&self, word: Word) -> usize {
        self.places.iter().filter(|place| place.report.word == word).count()
    }
}

/// A namespace that cannot be judged does not hide one that is known to be in trouble.
fn badness(word: Word) -> u8 {
    match word {
        Word::Ok => 0,
        Word::Warning => 1,
        Word::Unknown => 2,
        Word::Critical => 3,
    }
}
