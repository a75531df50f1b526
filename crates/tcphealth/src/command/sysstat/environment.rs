//! The environment variables that sysstat knows, and the one that chooses its version.

use std::env::var;

use tcphealth_core::sysstat::activity::Dialect;
use tcphealth_core::sysstat::style::Colours;

/// Lines after which a header is repeated when nobody says otherwise: as good as never.
const ROWS: u64 = 3600 * 24;

/// The variables, in the order in which `-V` prints them.
pub(crate) const NAMES: [&str; 6] =
    ["S_COLORS", "S_COLORS_SGR", "S_REPEAT_HEADER", "S_TIME_DEF_TIME", "S_TIME_FORMAT", "S_TCPHEALTH_SYSSTAT"];

/// Which version's names are printed: 12.8.0's, or those before 12.7.6 with `S_TCPHEALTH_SYSSTAT=12.6`.
pub(crate) fn dialect() -> Dialect {
    match var("S_TCPHEALTH_SYSSTAT") {
        Ok(version) if version.starts_with("12.6") => Dialect::V12_6,
        _ => Dialect::Current,
    }
}

/// Dates and times as ISO 8601 has them.
pub(crate) fn iso_time() -> bool {
    var("S_TIME_FORMAT").is_ok_and(|format| format == "ISO")
}

/// What is saved is in UTC, and so are the days that files are named after.
pub(crate) fn saves_utc() -> bool {
    var("S_TIME_DEF_TIME").is_ok_and(|clock| clock == "UTC")
}

/// The colours, when standard output is a terminal or they are wanted always.
pub(crate) fn colours(terminal: bool) -> Option<Colours> {
    let wanted = match var("S_COLORS").as_deref() {
        Ok("never") => false,
        Ok("always") => true,
        _ => terminal,
    };
    wanted.then(|| Colours::from_sgr(&var("S_COLORS_SGR").unwrap_or_default()))
}

/// Lines after which a header is repeated: what fits on the terminal (0 where that does not tell its height), or without a
/// terminal what the variable says.
pub(crate) fn rows(terminal_rows: Option<u16>) -> u64 {
    if let Some(rows) = terminal_rows {
        return if rows > 2 { u64::from(rows) - 2 } else { ROWS };
    }
    let said = var("S_REPEAT_HEADER").ok().filter(|said| said.bytes().all(|byte| byte.is_ascii_digit()));
    said.and_then(|said| said.parse().ok()).filter(|&rows| rows > 0).unwrap_or(ROWS)
}

/// The variables that are set, for `-V`.
pub(crate) fn listing() -> String {
    NAMES.iter().filter_map(|name| var(name).ok().map(|value| format!("{name}={value}\n"))).collect()
}
