//! What is wrong with a command line, in Korean: clap says it in English only, and keeps the parts of what it says.

use std::fmt::Write as _;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use tcphealth_core::words::Lang;

use crate::speech::Complaint;

/// The error in Korean; in clap's words where it is of a kind that cannot come about here.
pub(crate) fn in_korean(error: &Error) -> String {
    let Some(headline) = headline(error) else { return error.render().to_string() };
    let mut text = format!("오류: {headline}\n");
    if let Some(values) = list(error, ContextKind::ValidValue) {
        let _ = writeln!(text, "  [가능한 값: {}]", values.join(", "));
    }
    for (kind, similar) in SIMILAR {
        if let Some(words) = list(error, kind) {
            let _ = writeln!(text, "\n  {similar}: {}", quoted(&words));
        }
    }
    if let Some(usage) = error.get(ContextKind::Usage) {
        let _ = writeln!(text, "\n{}", usage.to_string().replace("Usage:", "사용법:"));
    }
    text + "\n자세한 내용은 --help로 볼 수 있음\n"
}

/// What may have been meant.
const SIMILAR: [(ContextKind, &str); 3] = [
    (ContextKind::SuggestedArg, "비슷한 인자"),
    (ContextKind::SuggestedSubcommand, "비슷한 명령"),
    (ContextKind::SuggestedValue, "비슷한 값"),
];

fn headline(error: &Error) -> Option<String> {
    let of = |kind| Some(error.get(kind)?.to_string());
    let arg = || of(ContextKind::InvalidArg);
    let value = || of(ContextKind::InvalidValue);
    Some(match error.kind() {
        ErrorKind::UnknownArgument => format!("알 수 없는 인자 '{}'", arg()?),
        ErrorKind::InvalidSubcommand => format!("알 수 없는 명령 '{}'", of(ContextKind::InvalidSubcommand)?),
        ErrorKind::InvalidValue if value()?.is_empty() => format!("'{}'에 값이 없음", arg()?),
        ErrorKind::InvalidValue => format!("'{}'에 쓸 수 없는 값 '{}'", arg()?, value()?),
        ErrorKind::ValueValidation => format!("'{}'에 쓸 수 없는 값 '{}': {}", arg()?, value()?, why(error)),
        ErrorKind::TooManyValues => format!("'{}'에 더 줄 수 없는 값 '{}'", arg()?, value()?),
        ErrorKind::NoEquals => format!("'{}'의 값은 =로 이어 써야 함", arg()?),
        ErrorKind::MissingRequiredArgument => {
            format!("빠진 인자:\n  {}", list(error, ContextKind::InvalidArg)?.join("\n  "))
        }
        ErrorKind::ArgumentConflict => conflict(&arg()?, &list(error, ContextKind::PriorArg)?),
        _ => return None,
    })
}

fn conflict(arg: &str, prior: &[String]) -> String {
    if prior.iter().all(|prior| prior == arg) {
        return format!("'{arg}': 한 번만 쓸 수 있음");
    }
    format!("함께 쓸 수 없는 인자: '{arg}', {}", quoted(prior))
}

/// Why a value cannot be taken: our own parsers know it in both languages.
fn why(error: &Error) -> String {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<Complaint>()) {
        Some(Complaint(words)) => words.get(Lang::Ko).to_owned(),
        None => source.map(ToString::to_string).unwrap_or_default(),
    }
}

/// The words of a part; `None` without any.
fn list(error: &Error, kind: ContextKind) -> Option<Vec<String>> {
    let words = match error.get(kind)? {
        ContextValue::Strings(words) => words.clone(),
        word => vec![word.to_string()],
    };
    (!words.is_empty()).then_some(words)
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::parse;

    fn told(line: &str) -> String {
        let words = format!("tcphealth {line}").split_whitespace().map(Into::into).collect();
        in_korean(&parse(words, Lang::Ko).unwrap_err())
    }

    #[test]
    fn every_kind_of_mistake_is_told_in_korean() {
        for (line, korean) in [
            (
                "check --windw 5",
                "오류: 알 수 없는 인자 '--windw'\n\n  비슷한 인자: '--window'\n\n사용법: tcphealth check",
            ),
            ("chek", "오류: 알 수 없는 명령 'chek'\n\n  비슷한 명령: 'check'\n"),
            ("check --window", "오류: '--window <TIME>'에 값이 없음\n"),
            ("check --format xml", "'--format <FORMAT>'에 쓸 수 없는 값 'xml'\n  [가능한 값: text, json, nagios, "),
            (
                "check --window soon",
                "쓸 수 없는 값 'soon': 30s, 2m, 1m30s처럼 0보다 크고 24시간 이하인 시간이어야 함\n",
            ),
            ("check --at soon", "쓸 수 없는 값 'soon': '2026-11-21 03:00'"),
            ("path h --count 0", "쓸 수 없는 값 '0': 1부터 100000까지의 정수여야 함\n"),
            ("sockets --sort x", "쓸 수 없는 값 'x': state, recv_q"),
            ("check --redact=1", "오류: '--redact'에 더 줄 수 없는 값 '1'\n"),
            ("path", "오류: 빠진 인자:\n  <TARGET>\n"),
            ("check --count 3", "오류: 빠진 인자:\n  --every <TIME>\n"),
            ("check --save a --from b", "오류: 함께 쓸 수 없는 인자: '--save <DIR>', '--from <PATH>'\n"),
            ("check --window 1 --window 2", "오류: '--window <TIME>': 한 번만 쓸 수 있음\n"),
            ("--lang", "오류: '--lang <LANG>'에 값이 없음\n  [가능한 값: en, ko]\n"),
        ] {
            let told = told(line);
            assert!(told.contains(korean) && told.ends_with("--help로 볼 수 있음\n"), "{line}: {told}");
            for english in ["error", "Usage", "tip", "value", "similar"] {
                assert!(!told.contains(english), "{line}: {told}");
            }
        }
    }
}
