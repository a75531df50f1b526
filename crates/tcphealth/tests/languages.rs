//! What a user reads is there in both languages: each sentence passes through `text!` or `say!`, which take no less.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Ways to say something that take one language only. What follows sysstat says it in sysstat's words.
const ONE_LANGUAGE: [&str; 6] =
    ["anyhow!(\"", "bail!(\"", "ensure!(", ".context(\"", "eprintln!(\"tcphealth: t", "println!(\"T"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["sysstat", "sar", "sadf"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn no_sentence_is_said_in_one_language_only() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for way in ONE_LANGUAGE {
            assert!(!code.contains(way), "{}: {way} takes one language only", file.display());
        }
    }
}

/// What the program says when it is run so, on both streams.
fn said(words: &[&str], config: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("tcphealth")).unwrap();
    std::fs::write(home.path().join("tcphealth/config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcphealth"));
    let output = command.env("XDG_CONFIG_HOME", home.path()).env("LC_ALL", "ko_KR.UTF-8").args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn errors_titles_and_examples_are_told_in_korean() {
    for (words, config, korean) in [
        (&["rules"][..], "[limits]\nnonsense = 1\n", "config.toml:2:1: “nonsense”(이)라는 한계값은 없음"),
        (&["rules"], "[limitz]\n", "config.toml:1:2: 알 수 없는 섹션 “limitz”"),
        (&["rules"], "a = 1\n", "config.toml:1:1: 알 수 없는 키 “a”"),
        (&["rules"], "[limits]\nwindow_min_seconds = \"x\"\n", "“window_min_seconds” 값은 0 이상의 수여야 함"),
        (&["sockets", "state", "nonsense"], "", "필터의 “state nonsense” 끝에서: “nonsense”(이)라는 상태는 없음"),
        (&["sockets", "(", "dport", "1"], "", "괄호가 닫히지 않음"),
        (&["sockets", "dst", "10.0.0.0/33"], "", "그런 프리픽스 길이는 없음"),
        (&["why", "nonsense"], "", "“nonsense”(이)라는 규칙은 없음"),
        (&["why", "close-wait"], "", "“close-wait”(이)라는 규칙은 없음. 비슷한 규칙: close-wait-leak"),
        (&["explain", "zzzzzz"], "", "“zzzzzz” 설명이 없습니다"),
        (&["check", "--every", "1s", "--format", "nagios"], "", "구간마다 한 줄씩"),
        (&["check", "--redact"], "", "--save나 --from과 함께"),
        (
            &["check", "--from", "/proc/self"],
            "",
            "/proc/self: 기록도 아니고 --save로 저장한 디렉터리도 아님(meta.json 없음)",
        ),
        (&["sockets", "--limit", "0"], "", "Recv-Q  Send-Q 로컬"),
        (&["sockets", "--by", "state"], "", "소켓 수"),
        (&["check", "--windw", "5"], "", "오류: 알 수 없는 인자 '--windw'\n\n  비슷한 인자: '--window'"),
        (&["check", "--netns", "nonsense"], "", "이 이름이나 프로세스의 네트워크 네임스페이스가 없음"),
        (&["diff", "--from", "/proc/self"], "", "기록이 없음. `tcphealth record`로 기록함"),
        (&["--help"], "", "예:\n  tcphealth  "),
        (&["sockets", "--help"], "", "예:\n  tcphealth sockets"),
        (&["path", "--help"], "", "권한이 필요 없다"),
    ] {
        let said = said(words, config);
        assert!(said.contains(korean), "{words:?}: {said}");
    }
}

#[test]
fn help_lists_every_command() {
    let help = said(&["--lang", "en", "--help"], "");
    for command in ["check", "why", "path", "states", "sockets", "doctor", "explain", "rules", "sar", "sadf"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
    assert!(said(&["--lang", "en", "sar", "-V"], "").contains("sysstat"), "sar after an option is sar");
}
