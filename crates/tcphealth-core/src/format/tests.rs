//! One made-up report in every form, beside what it must look like. The names of its rules are no rules of ours: a format knows
//! none.

use serde_json::Value;

use super::{Format, Style, finding_in_full, json_line, survey_counts, survey_line, width};
use crate::report::{
    Advice, Check, Figure, Finding, Outcome, Place, Report, Severity, Subject, SubjectKind, Survey, Unseen, Word,
};
use crate::say;
use crate::snapshot::{Identity, Stamp};
use crate::words::{Lang, Message};

fn finding() -> Finding {
    let subject = Subject {
        kind: SubjectKind::Process,
        pid: Some(4711),
        comm: Some("shop".into()),
        remote: Some("[2001:db8::5]:8443".into()),
        ..Subject::default()
    };
    let summary = say! {
        en: "shop (pid 4711) keeps {count} connections that it has read to the end",
        ko: "shop (pid 4711)이 끝까지 읽은 연결 {count}개를 닫지 않고 있음",
        count = 312
    };
    let mut finding = Finding::new(Severity::Critical, subject, summary).evidence(
        "held sockets",
        (312.0, "sockets"),
        "process",
        "sock_diag",
    );
    finding = finding.evidence("growth", (1.025, "per second"), "process, 5 s", "two looks");
    finding.rule = "made-up-leak".into();
    finding.confidence = 0.97;
    finding.cause = say! { en: "the program has read the end and does not call close()", ko: "프로그램이 끝을 읽고도 close()를 부르지 않음" };
    finding.eta_seconds = Some(4440.0);
    finding.now = vec![
        Advice::from(say! { en: "restart shop", ko: "shop을 재시작한다" })
            .effect(say! { en: "frees 312 descriptors", ko: "디스크립터 312개를 돌려받음" })
            .side_effect(say! { en: "open requests fail", ko: "진행 중인 요청이 실패함" })
            .undo(say! { en: "none is needed", ko: "되돌릴 것 없음" }),
    ];
    finding.repair =
        vec![Advice::from(say! { en: "close the response on the error path", ko: "오류 경로에서도 응답을 닫는다" })];
    finding.avoid =
        vec![say! { en: "killing the sockets keeps the descriptors", ko: "소켓을 죽여도 디스크립터는 남는다" }];
    finding.ruled_out =
        vec![say! { en: "the network: 0 of 44000 segments lost", ko: "네트워크: 세그먼트 44000개 중 손실 0개" }];
    finding.verify = vec!["ss -tnp state close-wait".into()];
    finding.consequences = vec![say! { en: "a queue is full | or nearly", ko: "큐가 가득 참 | 또는 거의" }];
    finding
}

fn check(rule: &str, outcome: Outcome, why: Option<Message>, needs: Option<Message>) -> Check {
    Check { rule: rule.into(), outcome, why, needs }
}

fn report() -> Report {
    let second = Stamp { wall_ns: 1_709_164_805_250_000_000, utc_offset_seconds: 32_400, ..Stamp::default() };
    let figure = |name, value, unit, shown| Figure {
        name,
        label: say! { en: "connects out", ko: "나가는 연결" },
        value,
        unit,
        shown,
    };
    Report {
        identity: Identity {
            hostname: "pay-07".into(),
            kernel: "6.8.0".into(),
            hardware: "x86_64".into(),
            boot_id: "b-1".into(),
            netns: 4_026_531_840,
            first_netns: Some(true),
        },
        begin: Stamp { wall_ns: 1_709_164_800_000_000_000, ..second },
        end: second,
        seconds: 5.25,
        word: Word::Critical,
        findings: vec![finding()],
        checks: vec![
            check("made-up-leak", Outcome::Finding, Some(say! { en: "as above", ko: "위와 같음" }), None),
            check(
                "made-up-loss",
                Outcome::Undecided,
                Some(say! { en: "too little was sent", ko: "보낸 양이 적음" }),
                Some(say! { en: "28000 more segments", ko: "세그먼트 28000개 더" }),
            ),
            check(
                "made-up-queue",
                Outcome::Healthy,
                Some(say! { en: "9 queues, the fullest 3 of 4096", ko: "큐 9개, 가장 찬 것이 4096 중 3" }),
                None,
            ),
        ],
        unseen: vec![Unseen {
            what: say! { en: "the processes of 3 sockets", ko: "소켓 3개의 프로세스" },
            why: say! { en: "not permitted", ko: "권한 없음" },
            remedy: say! { en: "run as root", ko: "root로 실행" },
        }],
        since_boot: false,
        limits_changed: vec![("made_up_limit_ratio".into(), 0.02, 0.01)],
        figures: vec![
            figure(
                "out_per_second",
                Some(12.5),
                "connections per second",
                Some(say! { en: "12.5/s", ko: "초당 12.5" }),
            ),
            figure("loss_ratio", Some(0.000_012_5), "ratio", None),
            figure("unknown_bytes", None, "bytes", None),
        ],
    }
}

fn style(lang: Lang) -> Style {
    Style { lang, columns: 80, color: false }
}

fn printed(format: Format, lang: Lang) -> String {
    format.print(&report(), &style(lang))
}

#[test]
fn text_is_what_an_operator_reads() {
    assert_eq!(printed(Format::Text, Lang::En), include_str!("golden/text.en.txt"));
    assert_eq!(printed(Format::Text, Lang::Ko), include_str!("golden/text.ko.txt"));
}

#[test]
fn a_finding_in_full_leaves_nothing_out() {
    assert_eq!(finding_in_full(&finding(), 0, &style(Lang::En)), include_str!("golden/why.en.txt"));
    assert_eq!(finding_in_full(&finding(), 0, &style(Lang::Ko)), include_str!("golden/why.ko.txt"));
}

#[test]
fn a_plugin_prints_one_line_and_its_performance_data() {
    assert_eq!(printed(Format::Nagios, Lang::En), include_str!("golden/nagios.txt"));
}

#[test]
fn an_exposition_is_as_the_specification_wants_it() {
    assert_eq!(printed(Format::OpenMetrics, Lang::En), include_str!("golden/openmetrics.txt"));
}

#[test]
fn json_has_the_keys_of_the_schema_and_numbers_are_numbers() {
    let root: Value = serde_json::from_str(&printed(Format::Json, Lang::En)).unwrap();
    assert_eq!(root["schema"], "tcphealth.report/1");
    assert_eq!((&root["host"]["hostname"], &root["host"]["netns"]), (&"pay-07".into(), &4_026_531_840_u64.into()));
    assert_eq!(root["window"]["begin"], "2024-02-29T09:00:00.000+09:00");
    assert_eq!(root["window"]["seconds"], 5.25);
    assert_eq!(root["verdict"], "critical");
    let finding = &root["findings"][0];
    assert_eq!(finding["id"], "made-up-leak@pid:4711");
    assert_eq!(finding["subject"]["remote"], "[2001:db8::5]:8443");
    assert!(finding["subject"].get("listener").is_none());
    assert_eq!(finding["evidence"][0]["value"].as_u64(), Some(312));
    assert_eq!(finding["evidence"][1]["value"].as_f64(), Some(1.025));
    assert_eq!((&finding["eta_seconds"], &finding["now"][0]), (&4440.into(), &"restart shop".into()));
    assert!(finding.get("since").is_none());
    assert_eq!(root["checks"][1]["needs"], "28000 more segments");
    assert_eq!(root["unseen"][0]["remedy"], "run as root");
    assert_eq!(root["figures"][2]["value"], Value::Null);
}

#[test]
fn json_speaks_another_language_only_when_it_is_asked_to_and_keeps_its_words() {
    let root: Value = serde_json::from_str(&json_line(&report(), Lang::Ko)).unwrap();
    assert_eq!(root["unseen"][0]["remedy"], "root로 실행");
    assert_eq!((&root["verdict"], &root["findings"][0]["severity"]), (&"critical".into(), &"critical".into()));
    assert_eq!(json_line(&report(), Lang::Ko).matches('\n').count(), 1);
}

#[test]
fn however_much_there_is_to_say_it_fits_a_screen() {
    let mut full = report();
    full.findings = vec![finding(); 9];
    full.checks = (0..60)
        .map(|n| {
            let why = say! { en: "reason number {n}", ko: "이유 {n}", n = n };
            check(&format!("made-up-{n}"), Outcome::Undecided, Some(why), None)
        })
        .collect();
    for lang in [Lang::En, Lang::Ko] {
        let text = Format::Text.print(&full, &style(lang));
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        let shown = |number: usize| text.contains(&format!("{number}  critical made-up-leak"));
        assert!([1, 2, 3].into_iter().all(shown) && !shown(4), "{text}");
        assert!(text.lines().next().is_some_and(|first| first.starts_with("CRITICAL  ")), "{text}");
        assert!(text.contains(finding().now[0].act.get(lang)), "{text}");
    }
}

#[test]
fn colour_is_never_needed() {
    let colored = Format::Text.print(&report(), &Style { color: true, ..style(Lang::En) });
    let plain: String = colored
        .split('\x1b')
        .enumerate()
        .map(|(part, text)| if part == 0 { text } else { text.split_once('m').map_or("", |(_, rest)| rest) })
        .collect();
    assert_ne!(colored, plain);
    assert_eq!(plain, printed(Format::Text, Lang::En));
}

#[test]
fn what_could_not_be_judged_says_so() {
    let mut blind = report();
    (blind.word, blind.findings) = (Word::Unknown, Vec::new());
    let text = Format::Nagios.print(&blind, &style(Lang::En));
    assert!(text.starts_with("TCPHEALTH UNKNOWN - this host could not be judged | "), "{text}");
    assert_eq!(Word::ALL.map(Word::status), [0, 1, 2, 3]);
}

/// Three namespaces, of which the second is in trouble, and one that was not seen.
fn survey() -> Survey {
    let quiet = || Report { word: Word::Ok, findings: Vec::new(), ..report() };
    let place = |name: &str, report| Place { name: name.into(), kind: "container".into(), report };
    let hidden =
        Unseen { what: Message::same("one more"), why: Message::same("a lock"), remedy: Message::same("a key") };
    Survey::new(vec![place("host", quiet()), place("docker shop", report()), place("blue", quiet())], vec![hidden])
}

#[test]
fn of_many_namespaces_the_worst_comes_first_and_in_full() {
    let text = Format::Text.print_all(&survey(), &style(Lang::En));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "CRITICAL  docker shop: shop (pid 4711) keeps 312 connections that it has read to");
    assert!(lines[2].starts_with("3 network namespace(s): 1 critical, 2 ok; "), "{text}");
    let table = lines.iter().position(|line| line.is_empty()).unwrap() + 1;
    assert!(lines[table].starts_with("critical  docker shop  shop (pid 4711) keeps 312 connections"), "{text}");
    assert!(lines[table + 1].starts_with("ok        blue         "), "{text}");
    assert!(lines[table + 2].starts_with("ok        host         "), "{text}");
    assert_eq!(lines[table + 3], "unseen: one more: a lock (a key)");
    let alone = Format::Text.print(&report(), &style(Lang::En));
    let (full, _) = alone.rsplit_once("more: ").unwrap();
    let more = "more: tcphealth why made-up-leak --netns 'docker shop' · tcphealth explain\nmade-up-leak\n";
    assert!(text.ends_with(&format!("\n== docker shop ==\n{full}{more}")), "{text}");
    assert!(lines.iter().all(|line| width(line) <= style(Lang::En).columns));
}

#[test]
fn programs_read_a_report_for_each_namespace() {
    let all: Value = serde_json::from_str(&Format::Json.print_all(&survey(), &style(Lang::En))).unwrap();
    let one: Value = serde_json::from_str(&Format::Json.print(&report(), &style(Lang::En))).unwrap();
    assert_eq!((&all["schema"], &all["verdict"]), (&"tcphealth.reports/1".into(), &"critical".into()));
    let names: Vec<&str> =
        all["namespaces"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["docker shop", "blue", "host"]);
    assert_eq!(all["namespaces"][0]["report"], one);
    assert_eq!(all["unseen"][0]["remedy"], "a key");
    let nagios = Format::Nagios.print_all(&survey(), &style(Lang::En));
    let head = "TCPHEALTH CRITICAL - docker shop: shop (pid 4711) keeps 312 connections that it has read to the end | \
                'ok'=2;;;0; 'warning'=0;;;0; 'critical'=1;;;0; 'unknown'=0;;;0;\nCRITICAL docker shop: shop";
    assert!(nagios.starts_with(head), "{nagios}");
    let line = survey_line(&survey(), Lang::En);
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), all);
    assert_eq!((line.lines().count(), survey_counts(&survey()).as_str()), (1, "1 critical, 2 ok"));
}

#[test]
fn metrics_of_many_namespaces_are_told_apart_by_a_label() {
    let alone = Format::OpenMetrics.print(&report(), &style(Lang::En));
    let all = Format::OpenMetrics.print_all(&survey(), &style(Lang::En));
    // Each family once, in the same order, and its samples behind it.
    let heads = |text: &str| text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(heads(&all), heads(&alone));
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples(&all), 3 * samples(&alone) - 2, "the two that are well have no finding");
    for line in [
        r#"tcphealth_host_info{netns="docker shop",hostname="pay-07",kernel="6.8.0",netns_inode="4026531840"} 1"#,
        r#"tcphealth_verdict{netns="docker shop",tcphealth_verdict="critical"} 1"#,
        r#"tcphealth_verdict{netns="blue",tcphealth_verdict="critical"} 0"#,
        r#"tcphealth_window_seconds{netns="host"} 5.25"#,
        r#"tcphealth_loss_ratio{netns="blue"} 0.0000125"#,
    ] {
        assert!(all.lines().any(|found| found == line), "{line}: {all}");
    }
    assert!(all.ends_with("# EOF\n"));
}

#[test]
fn what_cannot_be_judged_hides_no_trouble() {
    let place = |word| Place { name: "a".into(), kind: "netns".into(), report: Report { word, ..report() } };
    let words = [Word::Ok, Word::Unknown, Word::Warning, Word::Critical];
    let sorted = Survey::new(words.map(place).into(), Vec::new());
    let found: Vec<Word> = sorted.places.iter().map(|place| place.report.word).collect();
    assert_eq!(found, [Word::Critical, Word::Unknown, Word::Warning, Word::Ok]);
    assert_eq!(Survey::new(Vec::new(), Vec::new()).word(), Word::Unknown);
    // What is context only has no trouble to find in any number of namespaces.
    let since_boot = Place { report: Report { findings: Vec::new(), ..report() }.into_context(), ..place(Word::Ok) };
    let text = Format::Text.print_all(&Survey::new(vec![since_boot], Vec::new()), &style(Lang::En));
    assert!(text.starts_with("OK  no verdict: "), "{text}");
}
