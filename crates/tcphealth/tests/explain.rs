//! `tcphealth explain` as it is typed.

use std::process::{Command, Output};

fn explain(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tcphealth")).arg("explain").args(words).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn retransmission_is_explained_in_korean() {
    let output = explain(&["retrans/s", "--lang", "ko"]);
    let text = said(&output);
    assert!(output.status.success() && text.starts_with("retrseg/s"), "{text}");
    for needed in ["한계", "0.01 %", "0.5 %", "oseg/s", "30,000", "주의", "Tcp.RetransSegs"] {
        assert!(text.contains(needed), "{needed} is missing in\n{text}");
    }
}

#[test]
fn a_word_of_two_words_needs_no_quotes() {
    assert!(said(&explain(&["connection", "pool", "--lang", "en"])).starts_with("connection pool"));
}

#[test]
fn alone_it_lists_every_kind_of_word() {
    let text = said(&explain(&["--lang", "en"]));
    for word in ["accept-overflow", "CLOSE_WAIT", "retrseg/s", "tcp_tw_recycle", "TcpExt.ListenDrops", "ETCP"] {
        assert!(text.contains(word), "{word} is missing");
    }
}

#[test]
fn an_unknown_word_is_a_usage_error_with_a_suggestion() {
    let output = explain(&["CLOSE_WIAT", "--lang", "en"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output.stdout.is_empty() && complaint.contains("CLOSE_WAIT") && complaint.lines().count() == 1,
        "{complaint}"
    );
}
