//! Where bytes come from: the running kernel, perhaps with a copy kept, or what was kept of one. Everything above asks by name
//! (`proc/net/snmp`, `netlink/sockets`) and cannot tell which it is.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use tcphealth_core::snapshot::{Absent, Answer, Question, Stamp};
use tcphealth_core::wire::WireError;

use crate::netlink::{Each, Ended, Failure, Netlink, Protocol, absent, feed};
use crate::redact::Redaction;
use crate::saved::{Entry, Look, Saved};
use crate::{Error, Reason, clock};

/// A place to read from.
#[derive(Debug)]
pub(crate) struct Source {
    place: Place,
    /// The first thing that could not be saved, or was damaged where it was saved.
    damage: Option<Error>,
    /// The look in progress.
    look: Look,
    /// What changes addresses and names in what is kept, or in what was.
    redaction: Option<Redaction>,
}

#[derive(Debug)]
enum Place {
    Live { files: HashMap<String, File>, netlinks: HashMap<Protocol, Netlink>, saved: Option<Saved> },
    Frozen { saved: Saved, number: usize },
}

impl Source {
    /// The running kernel.
    pub(crate) fn live(saved: Option<Saved>) -> Self {
        Self::new(Place::Live { files: HashMap::new(), netlinks: HashMap::new(), saved })
    }

    /// What was saved.
    pub(crate) fn frozen(saved: Saved) -> Self {
        Self::new(Place::Frozen { saved, number: 0 })
    }

    fn new(place: Place) -> Self {
        Self { place, damage: None, look: Look::default(), redaction: None }
    }

    /// Whether a copy is kept of everything that is read.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.place, Place::Live { saved: Some(_), .. })
    }

    /// From now on, what is kept is redacted, or what was kept.
    pub(crate) fn redact(&mut self, redaction: Redaction) {
        if let Place::Frozen { saved, .. } = &mut self.place {
            redaction.with(|redactor| saved.redact(redactor));
        }
        self.redaction = Some(redaction);
    }

    /// Keeps answers, where something is kept.
    pub(crate) fn keep(&mut self, mut found: Vec<(Question, Answer)>) -> Result<(), Error> {
        let Place::Live { saved: Some(saved), .. } = &mut self.place else { return Ok(()) };
        if let Some(redaction) = &self.redaction {
            found = redaction.with(|redactor| redactor.answers(found));
        }
        saved.keep(found)
    }

    /// Closes what is kept open to be read again.
    pub(crate) fn rest(&mut self) {
        if let Place::Live { files, netlinks, .. } = &mut self.place {
            files.clear();
            netlinks.clear();
        }
    }

    /// Whether the kernel is asked.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.place, Place::Live { .. })
    }

    /// The directory that is read.
    pub(crate) fn thawed(&self) -> Option<&Saved> {
        match &self.place {
            Place::Live { .. } => None,
            Place::Frozen { saved, .. } => Some(saved),
        }
    }

    /// Begins a look.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.look = match &self.place {
            Place::Live { .. } => {
                let wall_ns = clock::wall_ns();
                let utc_offset_seconds = clock::utc_offset_seconds(wall_ns);
                let at = Stamp { begin_ns: clock::boot_ns(), end_ns: 0, wall_ns, utc_offset_seconds };
                Look { at, ..Look::default() }
            }
            Place::Frozen { saved, number } => saved
                .look(*number)
                .cloned()
                .ok_or_else(|| Error::known(&saved.path(*number, ""), Reason::NoMoreLooks(saved.looks())))?,
        };
        Ok(())
    }

    /// When the look in progress began, ns on the boot clock.
    pub(crate) fn begin_ns(&self) -> u64 {
        self.look.at.begin_ns
    }

    /// Ends the look. Damage found on the way is an error now.
    pub(crate) fn end(&mut self) -> Result<Stamp, Error> {
        if let Some(damage) = self.damage.take() {
            return Err(damage);
        }
        match &mut self.place {
            Place::Live { saved, .. } => {
                self.look.at.end_ns = clock::boot_ns();
                if let Some(saved) = saved {
                    saved.finish(self.look.clone())?;
                }
            }
            Place::Frozen { number, .. } => *number += 1,
        }
        Ok(self.look.at)
    }

    /// Reads a text into `buffer`, or the target of a link that ends in `/ns/net`; returns when, ns on the boot clock.
    pub(crate) fn text(&mut self, name: &str, buffer: &mut Vec<u8>) -> Result<u64, Absent> {
        buffer.clear();
        match &mut self.place {
            Place::Live { files, .. } => {
                let read = read_live(files, name, buffer).map_err(|error| io_absent(&error, name));
                let read_ns = clock::boot_ns();
                self.remember(name, read_ns, read.as_ref().err());
                read?;
                self.copy(name, buffer);
                Ok(read_ns)
            }
            Place::Frozen { saved, number } => {
                let read_ns = known(&self.look, name)?;
                let path = saved.path(*number, name);
                match std::fs::read(&path) {
                    Ok(bytes) => *buffer = bytes,
                    Err(error) => return Err(self.damaged(Error::new(&path, error))),
                }
                if let Some(redaction) = &self.redaction {
                    redaction.with(|redactor| redactor.text(name, buffer));
                }
                Ok(read_ns)
            }
        }
    }

    /// Hands the messages that answer a request to `each`; `name` is where they are kept.
    pub(crate) fn dump(
        &mut self,
        name: &str,
        protocol: Protocol,
        request: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Absent> {
        if !self.is_live() {
            return self.dump_frozen(name, protocol, each);
        }
        let answer = self.dump_live(name, protocol, request, each);
        let answer = answer.map_err(|failure| {
            // An answer left half read would be taken for the next one's.
            self.forget(protocol);
            match failure {
                Failure::System(errno) => absent(errno, name, "CAP_NET_ADMIN"),
                Failure::Wire(error) => Absent::Failed(error.to_string()),
            }
        });
        self.remember(name, clock::boot_ns(), answer.as_ref().err());
        answer
    }

    fn dump_live(
        &mut self,
        name: &str,
        protocol: Protocol,
        request: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Failure> {
        let Place::Live { netlinks, saved, .. } = &mut self.place else { return Ok(()) };
        let netlink = match netlinks.remove(&protocol) {
            Some(open) => open,
            None => Netlink::open(protocol, 0)?,
        };
        let netlink = netlinks.entry(protocol).or_insert(netlink);
        let mut copy = saved.as_ref().map(|saved| saved.file(name)).transpose().unwrap_or_else(|error| {
            self.damage.get_or_insert(error);
            None
        });
        let (damage, redaction) = (&mut self.damage, self.redaction.as_ref());
        let ended = netlink.ask(request, &mut |chunk| {
            if let Some((path, Err(error))) = copy.as_mut().map(|(path, copy)| (path, write(copy, chunk, redaction))) {
                damage.get_or_insert(Error::new(path, error));
            }
            feed(protocol.section(), chunk, each)
        })?;
        match ended {
            Ended::Refused(errno) => Err(Errno::from_raw(errno).into()),
            _ => Ok(()),
        }
    }

    fn dump_frozen(&mut self, name: &str, protocol: Protocol, each: &mut Each<'_>) -> Result<(), Absent> {
        known(&self.look, name)?;
        let Place::Frozen { saved, number } = &self.place else { return Ok(()) };
        let path = saved.path(*number, name);
        let mut bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return Err(self.damaged(Error::new(&path, error))),
        };
        if let Some(redaction) = &self.redaction {
            redaction.with(|redactor| redactor.messages(&mut bytes));
        }
        match feed(protocol.section(), &bytes, each) {
            Ok(Ended::Done) => Ok(()),
            Ok(Ended::Refused(errno)) => Err(self.damaged(Error::new(&path, Errno::from_raw(errno).desc()))),
            Ok(Ended::NotYet) => Err(self.damaged(Error::known(&path, Reason::EndsEarly))),
            Err(error) => Err(self.damaged(Error::new(&path, error))),
        }
    }

    /// What was read as `name` could not be parsed: on a live host that is an absence, in a directory it is damage.
    pub(crate) fn not_understood(&mut self, name: &str, error: &WireError) -> Absent {
        let absent = Absent::Failed(error.to_string());
        match &self.place {
            Place::Live { .. } => {
                self.remember(name, clock::boot_ns(), Some(&absent));
                absent
            }
            Place::Frozen { saved, number } => {
                let path = saved.path(*number, name);
                self.damaged(Error::new(&path, error))
            }
        }
    }

    fn damaged(&mut self, error: Error) -> Absent {
        let absent = Absent::Failed(error.to_string());
        self.damage.get_or_insert(error);
        absent
    }

    fn forget(&mut self, protocol: Protocol) {
        if let Place::Live { netlinks, .. } = &mut self.place {
            netlinks.remove(&protocol);
        }
    }

    fn remember(&mut self, name: &str, read_ns: u64, absent: Option<&Absent>) {
        if self.is_kept() {
            self.look.reads.insert(name.to_owned(), Entry { read_ns, absent: absent.cloned() });
        }
    }

    fn copy(&mut self, name: &str, bytes: &[u8]) {
        let Place::Live { saved: Some(saved), .. } = &self.place else { return };
        let mut bytes = bytes.to_vec();
        if let Some(redaction) = &self.redaction {
            redaction.with(|redactor| redactor.text(name, &mut bytes));
        }
        let written = saved
            .file(name)
            .and_then(|(path, mut file)| file.write_all(&bytes).map_err(|error| Error::new(&path, error)));
        if let Err(error) = written {
            self.damage.get_or_insert(error);
        }
    }
}

/// Writes what the kernel said, or the same redacted.
fn write(file: &mut File, chunk: &[u8], redaction: Option<&Redaction>) -> io::Result<()> {
    let Some(redaction) = redaction else { return file.write_all(chunk) };
    let mut chunk = chunk.to_vec();
    redaction.with(|redactor| redactor.messages(&mut chunk));
    file.write_all(&chunk)
}

/// When it was read, if it was; what a directory does not speak of was not asked for.
fn known(look: &Look, name: &str) -> Result<u64, Absent> {
    let entry = look.reads.get(name).ok_or(Absent::NotAsked)?;
    entry.absent.clone().map_or(Ok(entry.read_ns), Err)
}

/// Files stay open and are read again from their beginning. `/proc/self` is the first thread's; a namespace is the thread's own.
fn read_live(files: &mut HashMap<String, File>, name: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    let path = match (name.strip_prefix("proc/net/"), name.strip_prefix("proc/self/")) {
        (Some(rest), _) => format!("/proc/thread-self/net/{rest}"),
        (_, Some(rest)) => format!("/proc/thread-self/{rest}"),
        _ => format!("/{name}"),
    };
    if name.ends_with("/ns/net") {
        buffer.extend_from_slice(std::fs::read_link(path)?.as_os_str().as_encoded_bytes());
        return Ok(());
    }
    if !files.contains_key(name) {
        files.insert(name.to_owned(), File::open(path)?);
    }
    let file = files.get(name).ok_or(ErrorKind::NotFound)?;
    read_whole(file, buffer)
}

fn read_whole(file: &File, buffer: &mut Vec<u8>) -> io::Result<()> {
    const STEP: usize = 16 * 1024;
    let mut length = 0;
    loop {
        if buffer.len() == length {
            buffer.resize(length + STEP, 0);
        }
        let read = file.read_at(buffer.get_mut(length..).unwrap_or_default(), length as u64)?;
        length += read;
        if read == 0 {
            buffer.truncate(length);
            return Ok(());
        }
    }
}

fn io_absent(error: &io::Error, name: &str) -> Absent {
    match error.kind() {
        ErrorKind::NotFound => Absent::NotHere,
        ErrorKind::PermissionDenied => Absent::NotPermitted("root".to_owned()),
        _ => Absent::Failed(format!("/{name}: {error}")),
    }
}
