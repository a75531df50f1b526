//! `sar -o FILE`: the readings in a file of sysstat's format, the network's part of it.

use std::fs::File;
use std::io::{ErrorKind, Write};

use nix::fcntl::{Flock, FlockArg};
use tcphealth_core::sysstat::activity::Activity;
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::Input;
use tcphealth_core::sysstat::items::Items;
use tcphealth_core::sysstat::walk::Reading;
use tcphealth_core::sysstat::writer::{can_append, head, statistics};

use super::collector::Collector;
use super::options::Options;
use crate::command::sysstat::failure::Failure;
use crate::command::sysstat::places;

/// A file that readings are appended to; nobody else writes to it meanwhile.
pub(crate) struct Output {
    file: Flock<File>,
    name: String,
    /// The file's activities in its order, and where each stands in a reading.
    order: Vec<(&'static Activity, Option<usize>)>,
}

impl Output {
    /// Opens the file, begins it if it is empty, and writes the first reading.
    pub(crate) fn open(options: &Options, collector: &Collector, first: &Reading) -> Result<Self, Failure> {
        let name = file_name(options, collector, first);
        let failed = |error: std::io::Error| Failure::of_open(&name, &error);
        let file = File::options().read(true).append(true).create(true).open(&name).map_err(failed)?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let file = locked.map_err(|(_, errno)| Failure::of_open(&name, &errno.into()))?;
        let cannot = || Failure::line(1, format_args!("Cannot append data to that file ({name})"));
        let ours = collector.activities();
        let listed: Vec<&'static Activity> = if file.metadata().map_err(failed)?.len() == 0 {
            let counted: Vec<(&Activity, u32)> =
                ours.iter().zip(&first.items).map(|(activity, items)| (*activity, items.len() as u32)).collect();
            (&*file).write_all(&head(&collector.header(&first.at), &counted)).map_err(failed)?;
            ours.to_vec()
        } else {
            let header = Header::read(&mut Input::new(&*file), None).ok().filter(can_append).ok_or_else(cannot)?;
            header.activities.iter().filter_map(|listed| Some(listed.meaning.as_ref()?.0)).collect()
        };
        let place = |activity: &Activity| ours.iter().position(|one| one.id == activity.id);
        let order: Vec<_> = listed.into_iter().map(|activity| (activity, place(activity))).collect();
        if order.iter().any(|(activity, place)| place.is_none() && !activity.counted()) {
            return Err(cannot());
        }
        let mut output = Self { file, name, order };
        output.write(first)?;
        Ok(output)
    }

    /// Appends a reading with one write, so that a file that is read meanwhile ends in a whole record.
    pub(crate) fn write(&mut self, reading: &Reading) -> Result<(), Failure> {
        let empty: Vec<Items> = self.order.iter().map(|(activity, _)| Items::none(activity)).collect();
        let sets = self.order.iter().zip(&empty);
        let sets: Vec<(&Activity, &Items)> = sets
            .map(|((activity, place), none)| (*activity, place.and_then(|at| reading.items.get(at)).unwrap_or(none)))
            .collect();
        let record = statistics(&reading.at.moment, &sets);
        self.file.write_all(&record).map_err(|error| match error.kind() {
            ErrorKind::StorageFull => {
                Failure::line(2, format_args!("Cannot write data to system activity file {}: {error}", self.name))
            }
            _ => Failure::of_open(&self.name, &error),
        })
    }
}

fn file_name(options: &Options, collector: &Collector, first: &Reading) -> String {
    match options.output.as_deref() {
        Some("-") | None => {
            let day = &collector.saved(first.at.moment.ust_time);
            let name = if options.long_names { places::long_name(day) } else { places::short_name(day) };
            places::directory().join(name).to_string_lossy().into_owned()
        }
        Some(name) => name.to_owned(),
    }
}
