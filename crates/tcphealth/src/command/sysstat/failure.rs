//! Trouble → the lines and the exit status that sysstat gives for it.

use std::fmt::Write as _;

use tcphealth_core::sysstat::header::{FORMAT, FORMAT_9_1_6};
use tcphealth_core::sysstat::input::Trouble;

/// Why a command ends before its time, or badly.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) status: u8,
    /// What is said on standard error; lines end in a newline.
    pub(crate) message: String,
}

/// The status of a program that writes to a closed pipe: 128 + SIGPIPE.
const CLOSED_PIPE: u8 = 141;

impl Failure {
    /// A failure with one line.
    pub(crate) fn line(status: u8, line: impl std::fmt::Display) -> Self {
        Self { status, message: format!("{line}\n") }
    }

    /// A file that could not be read to its end.
    pub(crate) fn of_file(trouble: &Trouble, file: &str) -> Self {
        match trouble {
            Trouble::NotSa => Self::line(3, format_args!("Invalid system activity file: {file}")),
            Trouble::Format { format, version } => Self::other_format(*format, *version, file),
            Trouble::Cut => Self::line(2, "End of system activity file unexpected"),
            Trouble::Invalid => Self::line(2, "Invalid data read"),
            // sysstat is content with a file that was begun and no more, and that must stay so.
            Trouble::Nothing { records } => Self::line(
                if *records { 2 } else { 0 },
                format_args!("{file} has no two readings to compare: nothing is reported"),
            ),
            Trouble::Io(error) => Self::line(2, format_args!("Error while reading {file}: {}", reason(error))),
            Trouble::Paper(error) => Self::of_output(error),
        }
    }

    /// A file that could not be opened.
    pub(crate) fn of_open(file: &str, error: &std::io::Error) -> Self {
        Self::line(2, format_args!("Cannot open {file}: {}", reason(error)))
    }

    /// Standard output that takes no more.
    pub(crate) fn of_output(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { status: CLOSED_PIPE, message: String::new() };
        }
        Self::line(6, format_args!("write: {}", reason(error)))
    }

    fn other_format(format: u16, version: [u8; 4], file: &str) -> Self {
        let mut message = format!(
            "Invalid system activity file: {file}\nFile created by sar/sadc from sysstat version {}\n",
            version_text(version)
        );
        // Writing to a String cannot fail.
        let _ = writeln!(message, "Current sysstat version cannot read the format of this file ({format:#x})");
        if (FORMAT_9_1_6..FORMAT).contains(&format) {
            let _ = write!(
                message,
                "Try to convert it to current format. Enter:\n\nsadf -c {file} > {file}.new\n\n\
                 You should then be able to read the new file created ({file}.new)\n"
            );
            let _ = writeln!(message, "tcphealth reads it as it is: add --old-format");
        }
        Self { status: 3, message }
    }
}

/// `12.6.1`, with a fourth number only when it is not zero.
pub(crate) fn version_text([major, minor, sub, extra]: [u8; 4]) -> String {
    if extra == 0 { format!("{major}.{minor}.{sub}") } else { format!("{major}.{minor}.{sub}.{extra}") }
}

/// The system's words for an error, without Rust's `(os error N)`.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
