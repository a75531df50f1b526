//! The files of counters → tables by the kernel's names.

use std::sync::Arc;

use tcphealth_core::snapshot::{Absent, Counters, Names, Table};
use tcphealth_core::wire::{WireError, conntrack, net_dev, pairs, snmp, softnet};

use crate::source::Source;

/// The parsers with the names they learnt, and one buffer.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    snmp: snmp::Parser,
    netstat: snmp::Parser,
    snmp6: pairs::Parser,
    dev: net_dev::Parser,
    sockstat: pairs::Parser,
    sockstat6: pairs::Parser,
    buffer: Vec<u8>,
}

impl Tables {
    /// All of them.
    pub(crate) fn read(&mut self, source: &mut Source) -> Counters {
        self.read_files(source, &Table::FILES)
    }

    /// Some of them.
    pub(crate) fn read_files(&mut self, source: &mut Source, files: &[&'static str]) -> Counters {
        Counters { tables: files.iter().map(|file| self.table(source, file)).collect() }
    }

    fn table(&mut self, source: &mut Source, file: &'static str) -> Table {
        let mut table = Table { file, ..Table::default() };
        match self.fill(source, &mut table) {
            Ok(()) => table,
            Err(absent) => Table { file, absent: Some(absent), ..Table::default() },
        }
    }

    fn fill(&mut self, source: &mut Source, table: &mut Table) -> Result<(), Absent> {
        let name = format!("proc/{}", table.file);
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = source.text(&name, &mut buffer);
        let parsed = read.map(|read_ns| {
            table.read_ns = read_ns;
            self.parse(table.file, &buffer, &mut table.values)
        });
        self.buffer = buffer;
        table.names = parsed?.map_err(|error| source.not_understood(&name, &error))?;
        Ok(())
    }

    fn parse(&mut self, file: &'static str, text: &[u8], values: &mut Vec<u64>) -> Result<Arc<Names>, WireError> {
        match file {
            "net/snmp" => self.snmp.parse(file, text, values),
            "net/netstat" => self.netstat.parse(file, text, values),
            "net/snmp6" => self.snmp6.snmp6(text, values),
            "net/dev" => self.dev.parse(text, values),
            "net/sockstat" => self.sockstat.sockstat(file, text, values),
            "net/sockstat6" => self.sockstat6.sockstat(file, text, values),
            "net/softnet_stat" => softnet::parse(text, values),
            "net/stat/nf_conntrack" => conntrack::parse(text, values),
            "sys/net/netfilter/nf_conntrack_count" => pairs::single(file, "conntrack.count", text, values),
            _ => pairs::single(file, "conntrack.max", text, values),
        }
    }
}
