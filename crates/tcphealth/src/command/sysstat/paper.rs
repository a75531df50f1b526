//! Text by lanes → standard output in lane order, in bounded memory: what has to wait goes to a temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use tcphealth_core::sysstat::walk::Paper;

/// Waiting text is held in memory up to so many bytes of all lanes together.
const HELD_BYTES_MAX: usize = 1024 * 1024;

/// A paper in front of a writer. The first lane is shown at once; the others wait for the end of the section.
pub(crate) struct Sheet<W> {
    out: W,
    waiting: Vec<Waiting>,
    held: usize,
    store: Option<File>,
    stored: u64,
}

/// What a lane has in the temporary file, and behind that in memory.
#[derive(Default)]
struct Waiting {
    pieces: Vec<(u64, u64)>,
    held: Vec<u8>,
}

impl<W: Write> Sheet<W> {
    /// An empty paper.
    pub(crate) fn new(out: W) -> Self {
        Self { out, waiting: Vec::new(), held: 0, store: None, stored: 0 }
    }

    /// The writer, to be written to between sections.
    pub(crate) fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Moves what waits in memory to the temporary file, lane by lane.
    fn store(&mut self) -> io::Result<()> {
        if self.store.is_none() {
            self.store = Some(temporary()?);
        }
        let Some(store) = &mut self.store else { return Ok(()) };
        for lane in self.waiting.iter_mut().filter(|lane| !lane.held.is_empty()) {
            store.write_all(&lane.held)?;
            let length = lane.held.len() as u64;
            lane.pieces.push((self.stored, length));
            self.stored += length;
            lane.held.clear();
        }
        self.held = 0;
        Ok(())
    }

    fn show(&mut self, lanes: usize) -> io::Result<()> {
        for lane in self.waiting.iter().take(lanes.saturating_sub(1)) {
            for &(from, length) in &lane.pieces {
                let Some(store) = &mut self.store else { break };
                store.seek(SeekFrom::Start(from))?;
                io::copy(&mut store.take(length), &mut self.out)?;
            }
            self.out.write_all(&lane.held)?;
        }
        Ok(())
    }
}

/// A file without a name, gone when it is closed.
fn temporary() -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let unnamed = nix::fcntl::OFlag::O_TMPFILE.bits();
    let open = |folder: &std::path::Path| {
        File::options().read(true).write(true).mode(0o600).custom_flags(unnamed).open(folder)
    };
    let folders = [std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into()];
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for folder in folders {
        match open(&folder) {
            Ok(file) => return Ok(file),
            Err(error) => last = error,
        }
    }
    Err(io::Error::new(last.kind(), format!("no place for a temporary file (TMPDIR): {last}")))
}

impl<W: Write> Paper for Sheet<W> {
    fn put(&mut self, lane: usize, text: &mut Vec<u8>) -> io::Result<()> {
        let Some(waiting) = lane.checked_sub(1) else {
            self.out.write_all(text)?;
            text.clear();
            return Ok(());
        };
        if self.waiting.len() <= waiting {
            self.waiting.resize_with(waiting + 1, Waiting::default);
        }
        if let Some(lane) = self.waiting.get_mut(waiting) {
            self.held += text.len();
            lane.held.append(text);
        }
        if self.held > HELD_BYTES_MAX { self.store() } else { Ok(()) }
    }

    fn end_section(&mut self, lanes: usize) -> io::Result<()> {
        self.show(lanes)?;
        for lane in &mut self.waiting {
            lane.pieces.clear();
            lane.held.clear();
        }
        (self.held, self.stored) = (0, 0);
        if let Some(store) = &mut self.store {
            store.seek(SeekFrom::Start(0))?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(lanes: &[(usize, usize)], shown: usize) -> Vec<u8> {
        let mut sheet = Sheet::new(Vec::new());
        for &(lane, length) in lanes {
            sheet.put(lane, &mut vec![b'0' + lane as u8; length]).unwrap();
        }
        sheet.end_section(shown).unwrap();
        sheet.out
    }

    #[test]
    fn lanes_are_shown_in_order_whenever_they_spoke() {
        assert_eq!(sheet(&[(2, 2), (0, 1), (1, 3), (2, 1), (0, 1)], 3), b"00111222");
        assert_eq!(sheet(&[(2, 2), (0, 1), (1, 3)], 2), b"0111");
    }

    #[test]
    fn what_does_not_fit_in_memory_comes_back_from_the_file() {
        let pieces: Vec<(usize, usize)> = (0..300).map(|piece| (piece % 3, 10_000)).collect();
        let shown = sheet(&pieces, 3);
        let wanted: Vec<u8> = [b'0', b'1', b'2'].iter().flat_map(|&lane| vec![lane; 1_000_000]).collect();
        assert!(shown == wanted);
    }
}
