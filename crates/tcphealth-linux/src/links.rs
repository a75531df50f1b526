//! Links by rtnetlink, with what only `/sys/class/net` tells: line rate and duplex, read once a device.

use std::collections::HashMap;

use tcphealth_core::snapshot::{Absent, Interface};
use tcphealth_core::wire::rtnetlink;

use crate::netlink::Protocol;
use crate::source::Source;

/// What `/sys/class/net` said of a device, by index.
#[derive(Debug, Default)]
pub(crate) struct Links {
    lines: HashMap<u32, (Option<u32>, Option<String>)>,
}

impl Links {
    /// The links of the namespace. `sys` is false where `/sys` shows another namespace's devices.
    pub(crate) fn read(&mut self, source: &mut Source, sys: bool) -> Result<Vec<Interface>, Absent> {
        let mut links = dump(source)?;
        for link in &mut links {
            let line = self
                .lines
                .entry(link.ifindex)
                .or_insert_with(|| if sys { line(source, &link.name) } else { (None, None) });
            (link.speed_mbit_per_second, link.duplex) = line.clone();
        }
        Ok(links)
    }
}

/// The links as rtnetlink tells them.
pub(crate) fn dump(source: &mut Source) -> Result<Vec<Interface>, Absent> {
    let mut links = Vec::new();
    source.dump("netlink/links", Protocol::Route, &rtnetlink::links_request(), &mut |kind, body, _| {
        if kind == rtnetlink::NEWLINK {
            links.push(rtnetlink::link(body)?);
        }
        Ok(())
    })?;
    Ok(links)
}

/// `speed` is -1, and reading it fails, where the driver does not know.
fn line(source: &mut Source, name: &str) -> (Option<u32>, Option<String>) {
    let mut word = |file: &str| {
        let mut buffer = Vec::new();
        source.text(&format!("sys/class/net/{name}/{file}"), &mut buffer).ok()?;
        Some(String::from_utf8_lossy(buffer.trim_ascii()).into_owned())
    };
    let speed = word("speed").and_then(|speed| speed.parse().ok());
    (speed, word("duplex").filter(|duplex| duplex != "unknown"))
}
