//! Takes readings: of this machine, or of fake ones in directories that follow each other.

use std::path::PathBuf;

use tcphealth_core::sysstat::activity::{Activity, ItemKind, NETWORK};
use tcphealth_core::sysstat::clock::{Civil, Zone, utc};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::items::Items;
use tcphealth_core::sysstat::live::{FILES, File, Gathered, file, names_cpus};
use tcphealth_core::sysstat::record::Moment;
use tcphealth_core::sysstat::walk::{Reading, Stamp};
use tcphealth_linux::sysstat_live::{self, Machine};

use crate::command::sysstat::environment;
use crate::command::sysstat::failure::Failure;
use crate::command::sysstat::places;
use crate::command::sysstat::zone::LocalZone;

/// Ticks a second in everything that Linux tells user space.
const USER_HZ: u64 = 100;

/// Takes readings.
pub(crate) struct Collector {
    machine: Machine,
    gathered: Gathered,
    files: Vec<File>,
    fc: bool,
    activities: Vec<&'static Activity>,
    cpus: u32,
    buffer: Vec<u8>,
    fakes: Option<Fakes>,
    zone: LocalZone,
    saves_utc: bool,
}

/// Fake machines: `PREFIX<k>` below a folder, k counting up, a clock that advances by the interval.
struct Fakes {
    folder: PathBuf,
    prefix: String,
    next: u64,
    epoch: u64,
    interval: u64,
}

impl Fakes {
    fn new(folder: &str, first: &str, interval: u64) -> Result<Self, Failure> {
        let folder = PathBuf::from(folder);
        let prefix = first.trim_end_matches(|c: char| c.is_ascii_digit());
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let wrong = || Failure::line(1, format_args!("--first-root {first}: a name that ends in a number is needed"));
        let next = first.get(prefix.len()..).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
        let epoch = read("clock").trim().parse().unwrap_or_else(|_| places::now());
        Ok(Self { prefix: prefix.to_owned(), next, epoch, interval, folder })
    }

    fn root(&self) -> PathBuf {
        self.folder.join(format!("{}{}", self.prefix, self.next))
    }

    /// System, release, host and hardware, as the file beside the roots has them.
    fn names(&self) -> [Vec<u8>; 4] {
        let text = std::fs::read_to_string(self.folder.join("uname")).unwrap_or_default();
        let mut words = text.split_whitespace().map(|word| word.as_bytes().to_vec());
        let [system, release, host, hardware] = std::array::from_fn(|_| words.next().unwrap_or_default());
        [system, host, release, hardware]
    }
}

impl Collector {
    /// Gets ready to read these activities, and with `all` every other one that the machine has.
    pub(crate) fn new(
        roots: Option<&(String, String)>,
        (interval, all): (u64, bool),
        wanted: impl Fn(&Activity) -> bool,
    ) -> Result<Self, Failure> {
        let fakes = roots.map(|(folder, first)| Fakes::new(folder, first, interval)).transpose()?;
        let machine = fakes.as_ref().map_or_else(Machine::live, |fakes| Machine::fake(&fakes.root()));
        let there = |activity: &Activity| file(activity).is_none_or(|file| machine.has(file));
        let activities =
            NETWORK.iter().filter(|activity| wanted(activity) || (all && there(activity))).collect::<Vec<_>>();
        let cpus = machine.cpus();
        let mut collector = Self {
            machine,
            gathered: Gathered::default(),
            files: Vec::new(),
            fc: false,
            activities,
            cpus,
            buffer: Vec::new(),
            fakes,
            zone: LocalZone::of_process(),
            saves_utc: environment::saves_utc(),
        };
        collector.files = FILES.iter().copied().filter(|&one| collector.needs(one)).collect();
        if collector.needs(File::Dev) {
            collector.machine.open_links();
        }
        collector.fc = collector.activities.iter().any(|activity| activity.keyword == "FC");
        Ok(collector)
    }

    fn needs(&self, one: File) -> bool {
        self.activities.iter().any(|activity| file(activity) == Some(one))
    }

    /// The activities that are read.
    pub(crate) fn activities(&self) -> &[&'static Activity] {
        &self.activities
    }

    /// The machine, to be waited with.
    pub(crate) fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Leaves out activities that have no items in a reading; CPUs there are always.
    pub(crate) fn keep_present(&mut self, reading: &mut Reading) {
        let all = std::mem::take(&mut self.activities).into_iter().zip(std::mem::take(&mut reading.items));
        let present = all.filter(|(activity, items)| activity.item == ItemKind::Cpu || !items.is_empty());
        (self.activities, reading.items) = present.unzip();
    }

    /// An empty reading.
    pub(crate) fn reading(&self) -> Reading {
        Reading { items: self.activities.iter().map(|activity| Items::none(activity)).collect(), ..Reading::default() }
    }

    /// Takes the next reading; false when the fake machines have come to their end.
    pub(crate) fn take(&mut self, reading: &mut Reading) -> Result<bool, Failure> {
        if let Some(fakes) = &self.fakes {
            self.machine.move_to(&fakes.root());
            if !self.machine.exists() {
                return Ok(false);
            }
        }
        let uptime = |error| Failure::line(2, format_args!("Cannot read /proc/uptime: {error}"));
        let uptime_cs = self.machine.uptime_cs().map_err(uptime)?;
        let ust_time = self.fakes.as_ref().map_or_else(places::now, |fakes| fakes.epoch);
        self.gather()?;
        reading.at = self.stamp(ust_time, uptime_cs);
        for (activity, items) in self.activities.iter().zip(&mut reading.items) {
            self.gathered.items(activity, self.cpus as usize, items);
        }
        if let Some(fakes) = &mut self.fakes {
            fakes.next += 1;
            fakes.epoch += fakes.interval;
        }
        Ok(true)
    }

    fn stamp(&self, ust_time: u64, uptime_cs: u64) -> Stamp {
        let saved = self.saved(ust_time);
        let moment = Moment { uptime_cs, ust_time, clock: (saved.hour, saved.minute, saved.second) };
        Stamp { moment, civil: self.zone.local(ust_time).unwrap_or_default() }
    }

    /// The time as a file says it.
    pub(crate) fn saved(&self, ust_time: u64) -> Civil {
        if self.saves_utc { utc(ust_time) } else { self.zone.local(ust_time) }.unwrap_or_default()
    }

    fn gather(&mut self) -> Result<(), Failure> {
        for &one in &self.files {
            if one == File::Dev && self.machine.links(&mut self.gathered.links).is_some() {
                continue;
            }
            let failed =
                |error: &dyn std::fmt::Display| Failure::line(2, format_args!("/proc/{}: {error}", one.path()));
            self.machine.text(one, &mut self.buffer).map_err(|error| failed(&error))?;
            let unnamed = one == File::Softnet && !names_cpus(&self.buffer);
            let online = if unnamed { self.machine.online() } else { Vec::new() };
            self.gathered.take(one, &self.buffer, &online).map_err(|error| failed(&error))?;
            if one == File::Dev {
                self.machine.add_speeds(&mut self.gathered.links);
            }
        }
        if self.fc {
            self.gathered.fc_hosts = self.machine.fc_hosts();
        }
        Ok(())
    }

    /// The files that are needed and not there: what is printed of them is zero.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        if self.fakes.is_some() {
            return Vec::new();
        }
        self.files.iter().filter(|file| !self.machine.has(**file)).map(|file| file.path()).collect()
    }

    /// What a file's head says of this machine.
    pub(crate) fn header(&self, at: &Stamp) -> Header {
        let [sysname, nodename, release, hardware] = self.fakes.as_ref().map_or_else(sysstat_live::names, Fakes::names);
        let civil = self.saved(at.moment.ust_time);
        let local = || self.zone.abbreviation(at.moment.ust_time);
        let timezone = if self.saves_utc { "UTC".to_owned() } else { local() };
        Header {
            ust_time: at.moment.ust_time,
            cpus: self.cpus + 1,
            date: (civil.day, civil.month.saturating_sub(1), (civil.year - 1900) as i32),
            sysname,
            nodename,
            release,
            hardware,
            timezone: timezone.into_bytes(),
            hz: USER_HZ,
            ..Header::of_this_machine()
        }
    }
}
