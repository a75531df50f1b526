//! The whole terminal as one page that is drawn again and again, and given back as it was.

use std::io::{self, IsTerminal, Write};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use tcphealth_linux::sysstat_live::terminal_size;

/// Ours as long as it lives.
pub(super) struct Screen {
    /// How the keyboard was, if there is one: what is typed would be drawn into the page.
    keyboard: Option<Termios>,
}

impl Screen {
    /// Takes the terminal behind standard output; `None` when there is none.
    pub(super) fn take() -> Option<Self> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let keyboard = tcgetattr(io::stdin()).ok().filter(|_| has_the_keyboard());
        if let Some(mut silent) = keyboard.clone() {
            silent.local_flags.remove(LocalFlags::ECHO);
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &silent);
        }
        write("\x1b[?1049h\x1b[?25l").ok()?;
        Some(Self { keyboard })
    }

    /// Draws as many lines as there is room for.
    pub(super) fn draw(text: &str) -> io::Result<()> {
        let rows = terminal_size().map_or(usize::MAX, |(rows, _)| usize::from(rows));
        let lines: Vec<&str> = text.lines().take(rows).collect();
        write(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write("\x1b[?25h\x1b[?1049l");
        if let Some(keyboard) = self.keyboard.as_ref().filter(|_| has_the_keyboard()) {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, keyboard);
        }
    }
}

/// In the background (also below `timeout` in a script) it is another's, and the kernel stops whoever sets it (tcsetattr(3),
/// SIGTTOU): again after each SIGCONT, so that no blocked signal would end the program any more.
fn has_the_keyboard() -> bool {
    tcgetpgrp(io::stdin()) == Ok(getpgrp())
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}
