//! House style over the whole tree: what no compiler checks and every reader relies on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tcphealth_core::catalog::{entries, entry};
use tcphealth_core::rules::ALL;
use xtask::source::{files, functions, relative, root, text};
use xtask::tidy;

fn nothing(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Complaints of one check over many files, each with the file's name.
fn over(paths: &[PathBuf], check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let of = |path: &PathBuf| {
        let name = relative(path);
        check(&name, &text(path)).into_iter().map(move |complaint| format!("{name}: {complaint}"))
    };
    paths.iter().flat_map(of).collect()
}

fn rust() -> Vec<PathBuf> {
    ["crates", "xtask", "fuzz"].iter().flat_map(|folder| files(&root().join(folder), ".rs")).collect()
}

fn core() -> PathBuf {
    root().join("crates/tcphealth-core/src")
}

fn metadata(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline"]).args(arguments).current_dir(root());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().expect("a list of packages")
}

#[test]
fn the_modules_of_the_core_stand_in_reading_order() {
    let lib = text(&core().join("lib.rs"));
    let listed: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let expected: Vec<&str> = tidy::MODULES.iter().copied().filter(|name| listed.contains(name)).collect();
    assert_eq!(listed, expected, "lib.rs lists the modules in the order of xtask/src/tidy.rs");
}

#[test]
fn each_module_of_the_core_uses_only_those_above_it() {
    let check = |name: &str, text: &str| {
        let parts: Vec<&str> = name.trim_start_matches("crates/tcphealth-core/src/").split('/').collect();
        let module = parts[0].trim_end_matches(".rs");
        if module == "lib" { Vec::new() } else { tidy::upward_uses(module, parts.len(), text) }
    };
    nothing(&over(&files(&core(), ".rs"), check));
}

#[test]
fn crates_depend_downward_only() {
    let allowed = BTreeMap::from([
        ("tcphealth-core", &[][..]),
        ("tcphealth-linux", &["tcphealth-core"][..]),
        ("tcphealth", &["tcphealth-core", "tcphealth-linux"][..]),
        // Its bench measures the reading of the kernel, its manual pages are of the command line.
        ("xtask", &["tcphealth", "tcphealth-core", "tcphealth-linux"][..]),
    ]);
    let metadata = metadata(&["--no-deps"]);
    for package in packages(&metadata) {
        let name = package["name"].as_str().expect("a name");
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let own = dependencies.iter().filter(|dependency| dependency["path"].is_string());
        for dependency in own.map(|dependency| dependency["name"].as_str().expect("a name")) {
            assert!(allowed[name].contains(&dependency), "{name} may not depend on {dependency}");
        }
    }
}

#[test]
fn unsafe_lives_in_the_kernel_crate_only() {
    for file in [
        "crates/tcphealth-core/src/lib.rs",
        "crates/tcphealth/src/lib.rs",
        "crates/tcphealth/src/main.rs",
        "xtask/src/lib.rs",
        "xtask/src/main.rs",
    ] {
        assert!(text(&root().join(file)).contains("#![forbid(unsafe_code)]"), "{file} must forbid unsafe code");
    }
}

#[test]
fn functions_are_short() {
    let paths = rust();
    nothing(&over(&paths, |_, text| tidy::long_functions(text)));
    let mut lengths: Vec<usize> =
        paths.iter().flat_map(|path| functions(&text(path))).map(|function| function.length).collect();
    lengths.sort_unstable();
    let (median, p95) = (tidy::percentile(&lengths, 0.5), tidy::percentile(&lengths, 0.95));
    println!("{} functions: median {median} lines, p95 {p95}", lengths.len());
    assert!(median <= 8 && p95 <= tidy::FUNCTION_LINES_P95, "median {median}, p95 {p95}");
}

#[test]
fn files_are_short_unless_they_are_tables() {
    let check = |name: &str, text: &str| {
        let lines = text.lines().count();
        let table = tidy::TABLES.iter().any(|table| name.contains(table));
        if table || lines <= tidy::FILE_LINES_MAX { Vec::new() } else { vec![format!("{lines} lines")] }
    };
    nothing(&over(&rust(), check));
}

#[test]
fn every_rule_is_a_file_that_bears_its_name() {
    let folder = core().join("rules");
    for rule in ALL {
        let kebab = rule
            .id
            .split('-')
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        assert!(kebab, "{} is not kebab-case", rule.id);
        let file = folder.join(format!("{}.rs", rule.id.replace('-', "_")));
        assert!(text(&file).contains(&format!("id: \"{}\"", rule.id)), "{} must define {}", relative(&file), rule.id);
    }
}

#[test]
fn every_rules_page_is_complete_in_both_languages() {
    let hangul = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
    for rule in ALL {
        for part in [rule.trouble, rule.page.sees, rule.page.matters, rule.page.act] {
            assert!(part.en.len() > 10 && !hangul(part.en), "{}: “{}”", rule.id, part.en);
            assert!(hangul(part.ko), "{}: “{}”", rule.id, part.ko);
        }
        assert!(rule.page.sources.len() > 10, "{} has no sources", rule.id);
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let endings = [".rs", ".md", ".toml", ".yml", ".js"];
    let paths: Vec<PathBuf> = endings.iter().flat_map(|ending| files(&root(), ending)).collect();
    nothing(&over(&paths, |_, text| tidy::unfinished(text)));
}

#[test]
fn what_prints_a_report_knows_no_counter_and_no_rule() {
    let rules: Vec<&str> = ALL.iter().map(|rule| rule.id).collect();
    let counters: Vec<&str> = entries().map(|entry| entry.counter.0).collect();
    let places =
        [core().join("format"), root().join("crates/tcphealth/src/tui"), root().join("crates/tcphealth/src/web")];
    let paths: Vec<PathBuf> = places.iter().flat_map(|place| files(place, ".rs")).collect();
    let production = |text: &str| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    nothing(&over(&paths, |_, text| tidy::names_meaning(&production(text), &rules, &counters)));
}

#[test]
fn every_counter_in_a_rules_code_is_in_the_catalogue() {
    let check = |_: &str, text: &str| {
        let named = text.split("Counter(\"").skip(1).filter_map(|rest| rest.split('"').next());
        named.filter(|name| entry(name).is_none()).map(str::to_owned).collect()
    };
    nothing(&over(&files(&core().join("rules"), ".rs"), check));
}

#[test]
fn no_sentence_recommends_a_myth() {
    let places = [core(), root().join("crates/tcphealth/src")];
    let paths: Vec<PathBuf> = places.iter().flat_map(|place| files(place, ".rs")).collect();
    nothing(&over(&paths, tidy::myths));
}

#[test]
fn every_dependency_has_a_licence_that_we_allow() {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = metadata(&["--filter-platform", &triple]);
    let resolved: Vec<&Value> =
        metadata["resolve"]["nodes"].as_array().expect("a graph").iter().map(|node| &node["id"]).collect();
    assert!(resolved.len() > 10, "the graph is empty");
    for package in packages(&metadata).iter().filter(|package| resolved.contains(&&package["id"])) {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(tidy::allowed(licence), "{} has the licence {licence}", package["name"]);
    }
}

#[test]
fn the_generated_documents_are_fresh() {
    for (path, expected) in xtask::docs::all() {
        assert!(text(&root().join(path)) == expected, "{path} is old: run `cargo xtask docs`");
    }
}

#[test]
fn the_lock_file_is_committed() {
    assert!(Path::new(&root().join("Cargo.lock")).exists());
}
