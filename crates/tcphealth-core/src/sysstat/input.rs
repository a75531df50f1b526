//! Pulls bytes out of a source a window at a time, so that memory does not follow the size of the file.

use std::io::{ErrorKind, Read};

/// What can be wrong with a file of sysstat's.
#[derive(Debug)]
pub enum Trouble {
    /// It is no such file, or its headers contradict themselves.
    NotSa,
    /// It is one, in a format that is not read (or not without being asked).
    Format {
        /// The number of the format, `0x2171` for example.
        format: u16,
        /// The sysstat version that wrote it: major, minor, sub, extra.
        version: [u8; 4],
    },
    /// It ends in the middle of something.
    Cut,
    /// A record contradicts itself.
    Invalid,
    /// It is whole, and no two readings of it can be compared: a report on it is empty.
    Nothing {
        /// It has records.
        records: bool,
    },
    /// The source could not be read.
    Io(std::io::Error),
    /// What was printed could not be shown.
    Paper(std::io::Error),
}

/// The bytes held at a time, unless a single structure is larger.
const WINDOW_BYTES: usize = 128 * 1024;

/// A source with a window of bytes in front of it.
pub struct Input<R> {
    source: R,
    window: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Input<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self { source, window: vec![0; WINDOW_BYTES], start: 0, end: 0 }
    }

    /// The next `count` bytes (at most the size of the window), which are taken; `Cut` when the source has fewer.
    ///
    /// # Errors
    /// `Cut`, or what the source says.
    pub fn take(&mut self, count: usize) -> Result<&[u8], Trouble> {
        if self.fill(count)? < count {
            return Err(Trouble::Cut);
        }
        let from = self.start;
        self.start += count;
        self.window.get(from..from + count).ok_or(Trouble::Invalid)
    }

    /// Passes over bytes; `Cut` when the source ends before.
    ///
    /// # Errors
    /// `Cut`, or what the source says.
    pub fn skip(&mut self, mut count: u64) -> Result<(), Trouble> {
        while count > 0 {
            let held = self.fill(1)?;
            if held == 0 {
                return Err(Trouble::Cut);
            }
            let step = held.min(usize::try_from(count).unwrap_or(usize::MAX));
            self.start += step;
            count -= step as u64;
        }
        Ok(())
    }

    /// Whether the source has no more bytes.
    ///
    /// # Errors
    /// What the source says.
    pub fn at_end(&mut self) -> Result<bool, Trouble> {
        Ok(self.fill(1)? == 0)
    }

    /// Brings at least `count` bytes into the window if the source has them, and says how many there are.
    fn fill(&mut self, count: usize) -> Result<usize, Trouble> {
        if self.end - self.start >= count {
            return Ok(self.end - self.start);
        }
        self.window.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < count.min(self.window.len()) {
            match self.source.read(self.window.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(got) => self.end += got,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Io(error)),
            }
        }
        Ok(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, as a pipe may.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let part = self.0.len().min(out.len()).min(1);
            self.0.read(&mut out[..part])
        }
    }

    #[test]
    fn bytes_arrive_whole_from_a_source_that_gives_drops() {
        let mut input = Input::new(Drops(b"abcdefg"));
        assert_eq!(input.take(3).unwrap(), b"abc");
        input.skip(2).unwrap();
        assert_eq!(input.take(2).unwrap(), b"fg");
        assert!(input.at_end().unwrap());
        assert!(matches!(input.take(1), Err(Trouble::Cut)));
        assert!(matches!(input.skip(1), Err(Trouble::Cut)));
    }
}
