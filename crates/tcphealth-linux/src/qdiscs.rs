//! The root queueing disciplines by rtnetlink → a table of counters, so that their drops have a rate as every counter has.
//!
//! A classful root counts what its children drop, and `mq` sums its queues, so the roots are enough.

use std::sync::Arc;

use tcphealth_core::snapshot::{Absent, Interface, Names, Qdisc, Table};
use tcphealth_core::wire::rtnetlink;

use crate::netlink::Protocol;
use crate::source::Source;

/// `qdisc.eth0.fq_codel.drops`, … of every device.
pub(crate) fn read(source: &mut Source, links: &[Interface]) -> Table {
    let mut table = Table { file: Table::QDISCS, ..Table::default() };
    match dump(source) {
        Ok(roots) => fill(&mut table, &roots, links),
        Err(absent) => table.absent = Some(absent),
    }
    table
}

fn dump(source: &mut Source) -> Result<Vec<(u32, Qdisc)>, Absent> {
    let mut roots = Vec::new();
    source.dump(Table::QDISCS, Protocol::Route, &rtnetlink::qdiscs_request(), &mut |kind, body, _| {
        if kind == rtnetlink::NEWQDISC {
            roots.extend(Some(rtnetlink::qdisc(body)?).filter(|(_, qdisc)| qdisc.root));
        }
        Ok(())
    })?;
    Ok(roots)
}

fn fill(table: &mut Table, roots: &[(u32, Qdisc)], links: &[Interface]) {
    let mut names = Vec::new();
    for (ifindex, qdisc) in roots {
        let Some(link) = links.iter().find(|link| link.ifindex == *ifindex) else { continue };
        for (column, value) in [("packets", qdisc.packets), ("drops", qdisc.drops), ("requeues", qdisc.requeues)] {
            names.push(format!("qdisc.{}.{}.{column}", link.name, qdisc.kind));
            table.values.push(value);
        }
    }
    table.names = Arc::new(Names::new(names));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_root_has_three_counters_under_its_device_and_kind() {
        let qdisc = Qdisc { kind: "tbf".into(), root: true, packets: 9, drops: 5, requeues: 2, ..Qdisc::default() };
        let link = Interface { name: "eth0.100".into(), ifindex: 4, ..Interface::default() };
        let mut table = Table::default();
        fill(&mut table, &[(4, qdisc.clone()), (5, qdisc)], &[link]);
        assert_eq!(table.values, [9, 5, 2]);
        assert_eq!(table.get("qdisc.eth0.100.tbf.drops"), Some(5));
    }
}
