//! What holds for every rule: it finds its fault, and what is taken away makes it undecided, never healthy.

use super::testing::{Example, Scene};
use super::{ALL, Ask, Limits, Read, Rule, judge};
use crate::report::{Finding, Verdict};
use crate::snapshot::{Absent, Question, Watch};
use crate::window::Window;
use crate::words::Message;

fn kind(question: &Question) -> Ask {
    match question {
        Question::Owner { .. } => Ask::Owner,
        Question::Process { .. } => Ask::Process,
        Question::Route { .. } => Ask::Route,
        Question::Neighbour { .. } => Ask::Neighbour,
        Question::Qdisc { .. } => Ask::Qdisc,
        Question::Cgroup { .. } => Ask::Cgroup,
        Question::Ghosts { .. } => Ask::Ghosts,
        Question::Path { .. } => Ask::Path,
        Question::Watch(watch) => Ask::Watch(*watch),
    }
}

/// What the rule says when this is missing; `None` for what cannot be taken away from an example.
fn without(rule: &'static Rule, read: Read) -> Verdict {
    let mut example = (rule.example)();
    let limits = Limits::default();
    match read {
        Read::Counter(counter) => {
            example.first.counters.remove(counter.0);
            example.second.counters.remove(counter.0);
        }
        Read::Sysctl(name) => {
            for snapshot in [&mut example.first, &mut example.second] {
                snapshot.sysctls.insert(name.to_owned(), Err(Absent::NotHere));
            }
        }
        Read::Census => example.second.census = Err(Absent::NotPermitted("CAP_NET_ADMIN".into())),
        Read::Interfaces => example.second.interfaces = Err(Absent::NotHere),
        Read::TwoLooks => example.first.census = Err(Absent::NotHere),
        Read::Window => {
            let window = Window::instant(&example.second, &example.answers);
            return judge::verdict_of(rule, &window, &limits);
        }
    }
    example.verdict(rule)
}

#[test]
fn every_rule_finds_its_fault_and_says_all_that_a_finding_must_say() {
    for rule in ALL {
        for finding in (rule.example)().findings(rule) {
            complete(rule, &finding);
        }
    }
}

fn complete(rule: &Rule, finding: &Finding) {
    let said = |message: &Message| !message.en.is_empty() && !message.ko.is_empty();
    assert!(said(&finding.summary) && said(&finding.cause), "{}: {:?} {:?}", rule.id, finding.summary, finding.cause);
    assert!(!finding.evidence.is_empty(), "{} gives no evidence", rule.id);
    assert!(!finding.verify.is_empty(), "{} names no command that proves it", rule.id);
    let units = finding.evidence.iter().all(|evidence| !evidence.unit.is_empty() && !evidence.scope.is_empty());
    assert!(units, "{} has evidence without unit or scope: {:?}", rule.id, finding.evidence);
    assert!((0.0..=1.0).contains(&finding.confidence), "{}", rule.id);
}

#[test]
fn what_a_rule_reads_and_does_not_get_makes_it_undecided() {
    for rule in ALL {
        for read in rule.reads {
            let verdict = without(rule, *read);
            assert!(matches!(verdict, Verdict::Undecided(_)), "{} without {read:?} says {verdict:?}", rule.id);
        }
    }
}

#[test]
fn what_a_rule_asks_and_is_refused_never_makes_it_healthy() {
    for rule in ALL {
        for ask in rule.asks {
            let mut example = (rule.example)();
            refuse(&mut example, *ask);
            let verdict = example.verdict(rule);
            let spoke = matches!(verdict, Verdict::Findings(_) | Verdict::Undecided(_));
            assert!(spoke, "{} refused {ask:?} says {verdict:?}", rule.id);
        }
    }
}

fn refuse(example: &mut Example, ask: Ask) {
    for (question, answer) in &mut example.answers {
        if kind(question) == ask {
            *answer = Err(Absent::NotPermitted("CAP_SYS_PTRACE".into()));
        }
    }
    if let Ask::Watch(watch) = ask {
        example.answers.insert(Question::Watch(watch), Err(Absent::NotPermitted("CAP_NET_RAW".into())));
    }
}

#[test]
fn before_it_is_answered_a_rule_is_never_healthy_and_asks_only_what_it_announced() {
    for rule in ALL {
        let mut example = (rule.example)();
        example.answers.clear();
        match example.verdict(rule) {
            Verdict::Healthy(_) => panic!("{} is healthy before it is answered", rule.id),
            Verdict::Ask(questions) => {
                let announced = questions.iter().all(|question| rule.asks.contains(&kind(question)));
                assert!(announced && !questions.is_empty(), "{} asks {questions:?}", rule.id);
            }
            Verdict::Findings(_) | Verdict::Undecided(_) => {}
        }
    }
}

#[test]
fn a_rule_listens_only_to_what_it_announced() {
    for rule in ALL {
        let example = (rule.example)();
        let watches: Vec<Watch> = (rule.watches)(&example.window(), &Limits::default());
        assert!(watches.iter().all(|watch| rule.asks.contains(&Ask::Watch(*watch))), "{}: {watches:?}", rule.id);
    }
}

#[test]
fn on_a_quiet_host_no_rule_finds_anything() {
    let quiet = Scene::new().build();
    for rule in ALL {
        let verdict = quiet.verdict(rule);
        assert!(!matches!(verdict, Verdict::Findings(_)), "{} says {verdict:?}", rule.id);
    }
}

#[test]
fn every_page_is_complete_and_every_hidden_rule_exists_or_is_in_the_catalogue() {
    for rule in ALL {
        let page = &rule.page;
        for text in [rule.trouble, page.sees, page.matters, page.act] {
            assert!(!text.en.is_empty() && !text.ko.is_empty(), "{}", rule.id);
        }
        assert!(!page.sources.is_empty(), "{}", rule.id);
        assert_eq!(rule.rank == 99, rule.hides.is_empty(), "{} hides by its rank", rule.id);
        assert!(rule.hides.iter().all(|hides| hides.rule != rule.id), "{} hides itself", rule.id);
    }
}

#[test]
fn no_two_rules_share_an_id() {
    let ids: std::collections::BTreeSet<_> = ALL.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), ALL.len());
}

#[test]
fn every_counter_that_a_rule_reads_is_in_the_catalogue() {
    for rule in ALL {
        for read in rule.reads {
            let Read::Counter(counter) = read else { continue };
            assert!(crate::catalog::entry(counter.0).is_some(), "{} reads {}", rule.id, counter.0);
        }
    }
}
