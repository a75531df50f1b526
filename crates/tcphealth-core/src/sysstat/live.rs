//! Texts of the kernel → items of activities, by the names of the counters.
//!
//! Source: net/ipv4/proc.c, net/ipv6/proc.c, net/core/net-procfs.c, net/sunrpc/stats.c. sysstat reads by position, which
//! goes wrong when a kernel adds a counter in the middle (ICMP since 6.3); these are the names it means.

use std::sync::Arc;

use super::activity::{Activity, SPEED};
use super::items::Items;
use crate::snapshot::Names;
use crate::wire::{self, WireError};

/// A file that activities are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `net/snmp`.
    Snmp,
    /// `net/snmp6`.
    Snmp6,
    /// `net/sockstat`.
    Sockstat,
    /// `net/sockstat6`.
    Sockstat6,
    /// `net/dev`.
    Dev,
    /// `net/softnet_stat`.
    Softnet,
    /// `net/rpc/nfs`.
    Nfs,
    /// `net/rpc/nfsd`.
    Nfsd,
}

/// All files, in the order of the enumeration.
pub const FILES: [File; 8] =
    [File::Snmp, File::Snmp6, File::Sockstat, File::Sockstat6, File::Dev, File::Softnet, File::Nfs, File::Nfsd];

impl File {
    /// Where it is below `/proc`.
    pub fn path(self) -> &'static str {
        match self {
            File::Snmp => "net/snmp",
            File::Snmp6 => "net/snmp6",
            File::Sockstat => "net/sockstat",
            File::Sockstat6 => "net/sockstat6",
            File::Dev => "net/dev",
            File::Softnet => "net/softnet_stat",
            File::Nfs => "net/rpc/nfs",
            File::Nfsd => "net/rpc/nfsd",
        }
    }
}

impl File {
    /// Whether the kernel gives the whole text at once to a reader with room for it (`single_open()` with one `show`), and
    /// not in pieces as it does with lists.
    pub fn is_whole(self) -> bool {
        !matches!(self, File::Dev | File::Softnet)
    }
}

/// The file that an activity is read from; Fibre Channel has a directory instead.
pub fn file(activity: &Activity) -> Option<File> {
    match activity.keyword {
        "DEV" | "EDEV" => Some(File::Dev),
        "NFS" => Some(File::Nfs),
        "NFSD" => Some(File::Nfsd),
        "SOCK" => Some(File::Sockstat),
        "SOCK6" => Some(File::Sockstat6),
        "SOFT" => Some(File::Softnet),
        "FC" => None,
        keyword if keyword.ends_with('6') => Some(File::Snmp6),
        _ => Some(File::Snmp),
    }
}

/// The counters of an activity's columns: a prefix, then a name for each.
pub(super) fn counters(keyword: &str) -> (&'static str, &'static str) {
    match keyword {
        "IP" => ("Ip.", "InReceives ForwDatagrams InDelivers OutRequests ReasmReqds ReasmOKs FragOKs FragCreates"),
        "EIP" => {
            ("Ip.", "InHdrErrors InAddrErrors InUnknownProtos InDiscards OutDiscards OutNoRoutes ReasmFails FragFails")
        }
        "ICMP" => (
            "Icmp.",
            "InMsgs OutMsgs InEchos InEchoReps OutEchos OutEchoReps InTimestamps InTimestampReps OutTimestamps \
             OutTimestampReps InAddrMasks InAddrMaskReps OutAddrMasks OutAddrMaskReps",
        ),
        "EICMP" => (
            "Icmp.",
            "InErrors OutErrors InDestUnreachs OutDestUnreachs InTimeExcds OutTimeExcds InParmProbs OutParmProbs \
             InSrcQuenchs OutSrcQuenchs InRedirects OutRedirects",
        ),
        "TCP" => ("Tcp.", "ActiveOpens PassiveOpens InSegs OutSegs"),
        "ETCP" => ("Tcp.", "AttemptFails EstabResets RetransSegs InErrs OutRsts"),
        "UDP" => ("Udp.", "InDatagrams OutDatagrams NoPorts InErrors"),
        "SOCK" => ("", "sockets.used TCP.inuse UDP.inuse RAW.inuse FRAG.inuse TCP.tw"),
        "SOCK6" => ("", "TCP6.inuse UDP6.inuse RAW6.inuse FRAG6.inuse"),
        "IP6" => (
            "Ip6",
            "InReceives OutForwDatagrams InDelivers OutRequests ReasmReqds ReasmOKs InMcastPkts OutMcastPkts FragOKs \
             FragCreates",
        ),
        "EIP6" => (
            "Ip6",
            "InHdrErrors InAddrErrors InUnknownProtos InTooBigErrors InDiscards OutDiscards InNoRoutes OutNoRoutes \
             ReasmFails FragFails InTruncatedPkts",
        ),
        "ICMP6" => (
            "Icmp6",
            "InMsgs OutMsgs InEchos InEchoReplies OutEchoReplies InGroupMembQueries InGroupMembResponses \
             OutGroupMembResponses InGroupMembReductions OutGroupMembReductions InRouterSolicits OutRouterSolicits \
             InRouterAdvertisements InNeighborSolicits OutNeighborSolicits InNeighborAdvertisements \
             OutNeighborAdvertisements",
        ),
        "EICMP6" => (
            "Icmp6",
            "InErrors InDestUnreachs OutDestUnreachs InTimeExcds OutTimeExcds InParmProblems OutParmProblems \
             InRedirects OutRedirects InPktTooBigs OutPktTooBigs",
        ),
        "UDP6" => ("Udp6", "InDatagrams OutDatagrams NoPorts InErrors"),
        _ => ("", ""),
    }
}

/// An interface with the sixteen columns of `/proc/net/dev`, its speed in Mbit/s and its duplex (2 full, 1 half, 0 unknown).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: Vec<u8>,
    /// bytes packets errs drop fifo frame compressed multicast, then bytes packets errs drop fifo colls carrier compressed.
    pub columns: [u64; 16],
    /// Its speed; zero if that is not known.
    pub speed_mbit: u64,
    /// Its duplex.
    pub duplex: u8,
}

/// Where the columns of DEV and of EDEV stand in `/proc/net/dev`.
pub(super) const DEV_COLUMNS: [usize; 7] = [1, 9, 0, 8, 6, 15, 7];
pub(super) const EDEV_COLUMNS: [usize; 9] = [2, 10, 13, 3, 11, 14, 5, 4, 12];

/// A Fibre Channel host: frames received and sent, words received and sent.
pub type FcHost = (String, [u64; 4]);

/// What was read last from every file.
#[derive(Default)]
pub struct Gathered {
    snmp: wire::snmp::Parser,
    pairs: [wire::pairs::Parser; 3],
    named: [(Arc<Names>, Vec<u64>); 4],
    places: Vec<Places>,
    /// The interfaces.
    pub links: Vec<Link>,
    softnet: Vec<[u64; 6]>,
    rpc: [[u64; 11]; 2],
    /// The Fibre Channel hosts.
    pub fc_hosts: Vec<FcHost>,
}

/// Where an activity's columns stand among a file's values, as long as the names are the same.
struct Places {
    keyword: &'static str,
    names: Arc<Names>,
    columns: Vec<Option<usize>>,
}

impl Gathered {
    /// Takes a file's text; an empty text stands for a file that is not there. `online`: the CPUs that are, in order, for
    /// kernels whose softnet lines do not say whose they are.
    ///
    /// # Errors
    /// A text that is not what the kernel writes.
    pub fn take(&mut self, file: File, text: &[u8], online: &[u32]) -> Result<(), WireError> {
        let [pairs6, sockstat, sockstat6] = &mut self.pairs;
        let [snmp, snmp6, sock, sock6] = &mut self.named;
        match file {
            File::Snmp => snmp.0 = self.snmp.parse("net/snmp", text, &mut snmp.1)?,
            File::Snmp6 => snmp6.0 = pairs6.snmp6(text, &mut snmp6.1)?,
            File::Sockstat => sock.0 = sockstat.sockstat("net/sockstat", text, &mut sock.1)?,
            File::Sockstat6 => sock6.0 = sockstat6.sockstat("net/sockstat6", text, &mut sock6.1)?,
            File::Dev => self.links = links(text),
            File::Softnet => softnet(text, online, &mut self.softnet),
            File::Nfs => *self.rpc.first_mut().expect("two files") = nfs(text),
            File::Nfsd => *self.rpc.last_mut().expect("two files") = nfsd(text),
        }
        Ok(())
    }

    /// Fills the items of an activity from what was read. There were so many CPUs at first.
    pub fn items(&mut self, activity: &'static Activity, cpus: usize, items: &mut Items) {
        items.clear();
        match activity.keyword {
            "DEV" | "EDEV" => self.interfaces(activity, items),
            "FC" => {
                for (name, values) in &self.fc_hosts {
                    items.push(name.as_bytes()).copy_from_slice(values);
                }
            }
            // Where the file is not there, there is no CPU to tell of.
            "SOFT" if self.softnet.is_empty() => {}
            "SOFT" => {
                // A CPU may have been plugged in since they were counted.
                items.grow_to(cpus.max(self.softnet.len()) + 1);
                for (cpu, values) in self.softnet.iter().enumerate() {
                    items.row_mut(cpu + 1).copy_from_slice(values);
                }
            }
            "NFS" => fill(items.push(&[]), self.rpc.first().into_iter().flatten()),
            "NFSD" => fill(items.push(&[]), self.rpc.last().into_iter().flatten()),
            _ => self.by_name(activity, items.push(&[])),
        }
    }

    fn interfaces(&self, activity: &Activity, items: &mut Items) {
        let columns: &[usize] = if activity.has_speed() { &DEV_COLUMNS } else { &EDEV_COLUMNS };
        for link in &self.links {
            let row = items.push(&link.name);
            for (value, &column) in row.iter_mut().zip(columns) {
                *value = link.columns.get(column).copied().unwrap_or(0);
            }
            if activity.has_speed() {
                fill(row.get_mut(SPEED..).unwrap_or_default(), &[link.speed_mbit, u64::from(link.duplex)]);
            }
        }
    }

    fn by_name(&mut self, activity: &'static Activity, row: &mut [u64]) {
        let table = match file(activity) {
            Some(File::Snmp6) => self.named.get(1),
            Some(File::Sockstat) => self.named.get(2),
            Some(File::Sockstat6) => self.named.get(3),
            _ => self.named.first(),
        };
        let Some((names, values)) = table else { return };
        let known = self.places.iter().position(|places| places.keyword == activity.keyword);
        let place = known.unwrap_or_else(|| {
            self.places.push(places(activity.keyword, names));
            self.places.len() - 1
        });
        let Some(cached) = self.places.get_mut(place) else { return };
        if !Arc::ptr_eq(&cached.names, names) {
            *cached = places(activity.keyword, names);
        }
        for (value, column) in row.iter_mut().zip(&cached.columns) {
            *value = column.and_then(|column| values.get(column)).copied().unwrap_or(0);
        }
    }
}

fn places(keyword: &'static str, names: &Arc<Names>) -> Places {
    let (prefix, wanted) = counters(keyword);
    let place = |name: &str| {
        let name = format!("{prefix}{name}");
        names.list().iter().position(|known| **known == *name)
    };
    Places { keyword, names: names.clone(), columns: wanted.split_whitespace().map(place).collect() }
}

fn fill<'a>(row: &mut [u64], values: impl IntoIterator<Item = &'a u64>) {
    row.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
}

fn numbers(text: &[u8], radix: u32) -> impl Iterator<Item = u64> {
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map_while(move |word| u64::from_str_radix(std::str::from_utf8(word).ok()?, radix).ok())
}

/// `/proc/net/dev`: a name, a colon, sixteen numbers.
fn links(text: &[u8]) -> Vec<Link> {
    let rows = text.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().rposition(|&byte| byte == b':')?;
        let (name, values) = (line.get(..colon)?, line.get(colon + 1..)?);
        let mut link = Link { name: name.trim_ascii().to_vec(), ..Link::default() };
        fill(&mut link.columns, &numbers(values, 10).collect::<Vec<_>>());
        Some(link)
    });
    rows.collect()
}

/// Whether the lines of `/proc/net/softnet_stat` say whose they are, as they do since Linux 5.14.
pub fn names_cpus(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').next().is_some_and(|line| numbers(line, 16).count() > 12)
}

/// `/proc/net/softnet_stat`: hexadecimal; column 13 is the CPU, where the kernel writes it.
fn softnet(text: &[u8], online: &[u32], rows: &mut Vec<[u64; 6]>) {
    rows.clear();
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    for (place, line) in lines.enumerate() {
        let values: Vec<u64> = numbers(line, 16).collect();
        let counted = online.get(place).copied().unwrap_or(place as u32);
        let cpu = values.get(12).map_or(counted as usize, |&cpu| cpu as usize);
        if cpu >= super::activity::CPUS_MAX as usize {
            continue;
        }
        if rows.len() <= cpu {
            rows.resize(cpu + 1, [0; 6]);
        }
        if let Some(row) = rows.get_mut(cpu) {
            *row = [0, 1, 2, 9, 10, 11].map(|column| values.get(column).copied().unwrap_or(0));
        }
    }
}

/// The numbers behind a word at the start of a line.
fn line_of(text: &[u8], word: &str) -> Vec<u64> {
    let starts = |line: &&[u8]| line.strip_prefix(word.as_bytes()).is_some_and(|rest| rest.starts_with(b" "));
    let line = text.split(|&byte| byte == b'\n').find(starts);
    line.map(|line| numbers(line.get(word.len()..).unwrap_or_default(), 10).collect()).unwrap_or_default()
}

/// The sum of one procedure's calls over the versions; a line begins with how many procedures it lists.
fn calls(lines: &[(&[u64], usize)]) -> u64 {
    lines.iter().map(|(line, procedure)| line.get(procedure + 1).copied().unwrap_or(0)).sum()
}

/// Calls, retransmissions; READ, WRITE, ACCESS, GETATTR of versions 3 (RFC 1813 procedures 6, 7, 4, 1) and 4 (the kernel's
/// numbers of `nfs4_procedures`).
fn nfs(text: &[u8]) -> [u64; 11] {
    let (rpc, v3, v4) = (line_of(text, "rpc"), line_of(text, "proc3"), line_of(text, "proc4"));
    let both = |of_v3, of_v4| calls(&[(&v3, of_v3), (&v4, of_v4)]);
    let mut row = [0; 11];
    fill(&mut row, rpc.iter().take(2));
    fill(row.get_mut(2..).unwrap_or_default(), &[both(6, 1), both(7, 2), both(4, 17), both(1, 18)]);
    row
}

/// Calls, bad calls; packets, by UDP, by TCP; cache hits and misses; READ, WRITE, ACCESS, GETATTR (RFC 7530: operations 25, 38,
/// 3, 9).
fn nfsd(text: &[u8]) -> [u64; 11] {
    let (rpc, net, rc) = (line_of(text, "rpc"), line_of(text, "net"), line_of(text, "rc"));
    let (v3, v4) = (line_of(text, "proc3"), line_of(text, "proc4ops"));
    let both = |of_v3, of_v4| calls(&[(&v3, of_v3), (&v4, of_v4)]);
    let mut row = [0; 11];
    fill(&mut row, rpc.iter().take(2));
    fill(row.get_mut(2..).unwrap_or_default(), net.iter().take(3));
    fill(row.get_mut(5..).unwrap_or_default(), rc.iter().take(2));
    fill(row.get_mut(7..).unwrap_or_default(), &[both(6, 25), both(7, 38), both(4, 3), both(1, 9)]);
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysstat::activity::{NETWORK, by_keyword};

    fn row(keyword: &str, text: &str) -> Vec<u64> {
        let activity = by_keyword(keyword).unwrap();
        let mut gathered = Gathered::default();
        gathered.take(file(activity).unwrap(), text.as_bytes(), &[]).unwrap();
        let mut items = Items::none(activity);
        gathered.items(activity, 2, &mut items);
        items.row(items.len() - 1).to_vec()
    }

    #[test]
    fn every_column_of_a_named_file_has_its_counter() {
        for activity in &NETWORK {
            if matches!(file(activity), Some(File::Snmp | File::Snmp6 | File::Sockstat | File::Sockstat6)) {
                let (_, names) = counters(activity.keyword);
                assert_eq!(names.split_whitespace().count(), activity.columns.len(), "{}", activity.keyword);
            }
        }
    }

    /// Linux 6.3 put two counters behind OutErrors, which moved OutEchos from the 22nd place to the 24th.
    #[test]
    fn a_counter_that_was_added_in_the_middle_moves_nothing() {
        let text =
            "Icmp: InMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutEchos OutEchoReps\nIcmp: 1 2 3 4 80 40\n";
        assert_eq!(row("ICMP", text)[..6], [1, 0, 0, 0, 80, 40]);
    }

    #[test]
    fn interfaces_are_read_in_the_order_of_their_columns() {
        let text = "Inter-| Receive\n face |bytes\n a:b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        assert_eq!(row("DEV", text), [2, 10, 1, 9, 7, 16, 8, 0, 0]);
        assert_eq!(row("EDEV", text), [3, 11, 14, 4, 12, 15, 6, 5, 13]);
        assert_eq!(links(text.as_bytes())[0].name, b"a:b");
    }

    #[test]
    fn softnet_lines_belong_to_the_cpu_in_their_thirteenth_column() {
        let text = "ff 1 2 0 0 0 0 0 0 3 4 5 1\n";
        assert_eq!(row("SOFT", text), [255, 1, 2, 3, 4, 5]);
    }

    /// Two CPUs were there when the report began; the fourth came later.
    #[test]
    fn a_cpu_that_is_plugged_in_later_counts_too() {
        assert_eq!(
            row("SOFT", "1 0 0 0 0 0 0 0 0 0 0 0 0\n2 0 0 0 0 0 0 0 0 0 0 0 1\n9 0 0 0 0 0 0 0 0 0 0 0 3\n")[0],
            9
        );
    }

    #[test]
    fn without_softnet_stat_there_is_no_cpu_to_tell_of() {
        let activity = by_keyword("SOFT").unwrap();
        let mut items = Items::none(activity);
        Gathered::default().items(activity, 2, &mut items);
        assert!(items.is_empty());
    }

    #[test]
    fn nfs_counts_both_versions() {
        let text = "net 1 2\nrpc 7 8 9\nproc3 5 0 10 0 0 20 0 30\nproc4 3 0 100 200\n";
        assert_eq!(row("NFS", text)[..6], [7, 8, 130, 200, 20, 10]);
    }

    #[test]
    fn time_wait_comes_last() {
        let text = "sockets: used 1312\nTCP: inuse 80 orphan 1 tw 14630 alloc 13 mem 645\nUDP: inuse 34 mem 7\n\
                    RAW: inuse 2\nFRAG: inuse 5 memory 0\n";
        assert_eq!(row("SOCK", text), [1312, 80, 34, 2, 5, 14630]);
    }
}
