//! A directory that holds everything that was read of a host: texts and netlink bytes as they came, one folder a look;
//! `meta.json` says when each was read or why it was not; `answers.json` holds what was asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tcphealth_core::snapshot::{Absent, Answer, Answers, Question, Stamp};

use crate::redact::Redactor;
use crate::{Error, Reason};

const SCHEMA: &str = "tcphealth.saved/1";
const META: &str = "meta.json";
const ANSWERS: &str = "answers.json";

/// One thing read: when, or why not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) read_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) absent: Option<Absent>,
}

/// One look: when, and what it read by the name of its file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) at: Stamp,
    pub(crate) reads: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    schema: String,
    looks: Vec<Look>,
}

/// The directory, while it is written or when it is read.
#[derive(Debug)]
pub(crate) struct Saved {
    root: PathBuf,
    looks: Vec<Look>,
    answers: Answers,
}

impl Saved {
    /// An empty directory to write to.
    pub(crate) fn create(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(|error| Error::new(root, error))?;
        if root.join(META).exists() {
            return Err(Error::known(root, Reason::SavedAlready));
        }
        Ok(Self { root: root.to_owned(), looks: Vec::new(), answers: Answers::new() })
    }

    /// What was saved.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let meta: Meta = read_json(&root.join(META))?;
        if meta.schema != SCHEMA {
            return Err(Error::known(&root.join(META), Reason::OtherSchema(meta.schema)));
        }
        let answers = root.join(ANSWERS);
        let pairs: Vec<(Question, Answer)> = if answers.exists() { read_json(&answers)? } else { Vec::new() };
        Ok(Self { root: root.to_owned(), looks: meta.looks, answers: pairs.into_iter().collect() })
    }

    /// How many looks there are.
    pub(crate) fn looks(&self) -> usize {
        self.looks.len()
    }

    /// A look by its number, from 0.
    pub(crate) fn look(&self, number: usize) -> Option<&Look> {
        self.looks.get(number)
    }

    /// The file that a look keeps something in. A name never leads out of the directory.
    pub(crate) fn path(&self, look: usize, name: &str) -> PathBuf {
        let inside = Path::new(name).components().filter(|part| matches!(part, Component::Normal(_)));
        self.root.join(format!("look-{}", look + 1)).join(inside.collect::<PathBuf>())
    }

    /// Opens a file of the look in progress for writing; also its path.
    pub(crate) fn file(&self, name: &str) -> Result<(PathBuf, fs::File), Error> {
        let path = self.path(self.looks.len(), name);
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(|error| Error::new(parent, error))?;
        let file = fs::File::create(&path).map_err(|error| Error::new(&path, error))?;
        Ok((path, file))
    }

    /// Ends the look in progress.
    pub(crate) fn finish(&mut self, look: Look) -> Result<(), Error> {
        self.looks.push(look);
        let meta = Meta { schema: SCHEMA.to_owned(), looks: std::mem::take(&mut self.looks) };
        let written = write_json(&self.root.join(META), &meta);
        self.looks = meta.looks;
        written
    }

    /// What was answered; an answer that was not kept was not asked for.
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        self.answers.get(question).cloned().unwrap_or(Err(Absent::NotAsked))
    }

    /// Redacts the answers that were kept.
    pub(crate) fn redact(&mut self, redactor: &mut Redactor) {
        let answers = std::mem::take(&mut self.answers);
        self.answers = redactor.answers(answers.into_iter().collect()).into_iter().collect();
    }

    /// Keeps answers.
    pub(crate) fn keep(&mut self, answers: impl IntoIterator<Item = (Question, Answer)>) -> Result<(), Error> {
        self.answers.extend(answers);
        write_json(&self.root.join(ANSWERS), &self.answers.iter().collect::<Vec<_>>())
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(|error| Error::new(path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::new(path, error))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::new(path, error))?;
    text.push('\n');
    fs::write(path, text).map_err(|error| Error::new(path, error))
}
