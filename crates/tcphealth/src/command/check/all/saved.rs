//! A directory that `check --netns all --save` wrote: a saved host for each namespace, and what each goes by.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use tcphealth_core::format::Format;
use tcphealth_core::report::{Place, Survey, Unseen};
use tcphealth_core::rules::History;
use tcphealth_linux::{Error, Host, Hosts, Member, Reason, Redaction};

use super::super::WINDOW;
use super::print;
use crate::args::CheckArgs;
use crate::config;
use crate::examine::Examiner;
use crate::progress::Progress;
use crate::speech::Speech;

const INDEX: &str = "namespaces.json";
const SCHEMA: &str = "tcphealth.saved-namespaces/1";

#[derive(Deserialize, Serialize)]
struct Index {
    schema: String,
    namespaces: Vec<Entry>,
    unseen: Vec<Unseen>,
}

/// One namespace: its directory beside the index, and its name.
#[derive(Deserialize, Serialize)]
struct Entry {
    directory: String,
    name: String,
    kind: String,
}

/// Whether this is one.
pub(crate) fn is_one(directory: &Path) -> bool {
    directory.join(INDEX).is_file()
}

/// Nothing that was saved is written over.
pub(super) fn refuse_a_second(directory: &Path) -> Result<(), Error> {
    let taken = is_one(directory) || directory.join("meta.json").exists();
    if taken { Err(Error { place: directory.to_owned(), reason: Reason::SavedAlready }) } else { Ok(()) }
}

/// Completes the directory when everything has been judged.
pub(super) fn write(directory: &Path, hosts: &mut Hosts, unseen: &[Unseen], redact: bool) -> Result<(), Error> {
    let entry = |(number, Member { namespace, .. }): (usize, &mut Member)| {
        let kind = namespace.kind.to_owned();
        let name = if redact { other_name(&kind, number) } else { namespace.name.clone() };
        Entry { directory: namespace.directory(), name, kind }
    };
    let namespaces = hosts.members().iter_mut().enumerate().map(entry).collect();
    let index = Index { schema: SCHEMA.to_owned(), namespaces, unseen: unseen.to_vec() };
    let place = directory.join(INDEX);
    let text = serde_json::to_string_pretty(&index).map_err(|error| told(&place, &error))?;
    fs::write(&place, text + "\n").map_err(|error| told(&place, &error))
}

/// The name of a service or container is somebody's; there is one host only.
fn other_name(kind: &str, number: usize) -> String {
    if kind == "host" { kind.to_owned() } else { format!("{kind}-{}", number + 1) }
}

fn told(place: &Path, error: &dyn std::fmt::Display) -> Error {
    Error { place: place.to_owned(), reason: Reason::Told(error.to_string()) }
}

fn read(directory: &Path) -> Result<Index, Error> {
    let place = directory.join(INDEX);
    let bytes = fs::read(&place).map_err(|error| told(&place, &error))?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| told(&place, &error))?;
    if index.schema == SCHEMA { Ok(index) } else { Err(Error { place, reason: Reason::OtherSchema(index.schema) }) }
}

/// Judges again what was saved.
pub(in super::super) fn run(
    directory: &Path,
    args: &CheckArgs,
    format: Format,
    speech: &Speech,
) -> anyhow::Result<ExitCode> {
    let (index, limits) = (read(directory)?, config::limits()?);
    let redaction = args.redact.then(Redaction::default);
    let mut places = Vec::with_capacity(index.namespaces.len());
    for (number, Entry { directory: inside, mut name, kind }) in index.namespaces.into_iter().enumerate() {
        let host = Host::frozen(&beside(directory, &inside))?;
        let mut host = redaction.clone().into_iter().fold(host, Host::redacting);
        if args.redact {
            name = other_name(&kind, number);
        }
        let mut progress = Progress::new(speech);
        let history = History::default();
        let mut examiner = Examiner { host: &mut host, limits: &limits, history, meanwhile: &mut progress };
        let report = if args.since_boot { examiner.since_boot()? } else { examiner.once(WINDOW)? };
        places.push(Place { name, kind, report });
    }
    print(&Survey::new(places, index.unseen), format, speech)
}

/// A name never leads elsewhere.
fn beside(directory: &Path, inside: &str) -> PathBuf {
    directory.join(Path::new(inside).file_name().unwrap_or_default())
}
