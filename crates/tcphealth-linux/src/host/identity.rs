//! Texts of `/proc` → which host this is, and which of its network namespaces.

use tcphealth_core::snapshot::Identity;

use crate::netns;
use crate::source::Source;
use crate::sysstat_live::hardware;

/// Whatever cannot be read is empty.
pub(super) fn identity(source: &mut Source) -> Identity {
    // The file is there since Linux 6.1.
    let hardware = if source.is_live() { hardware() } else { String::new() };
    let mut word = |name: &str| {
        let mut buffer = Vec::new();
        source.text(name, &mut buffer).ok()?;
        Some(String::from_utf8_lossy(buffer.trim_ascii()).into_owned())
    };
    let netns = word("proc/self/ns/net");
    // The kernel's threads live where process 1 does, and may be looked at where that may not.
    let first = word("proc/1/ns/net")
        .or_else(|| word("proc/2/comm").filter(|comm| comm == "kthreadd").and_then(|_| word("proc/2/ns/net")));
    let first_netns = first.map(|first| Some(&first) == netns.as_ref());
    Identity {
        hostname: word("proc/sys/kernel/hostname").unwrap_or_default(),
        kernel: word("proc/sys/kernel/osrelease").unwrap_or_default(),
        hardware: word("proc/sys/kernel/arch").unwrap_or(hardware),
        boot_id: word("proc/sys/kernel/random/boot_id").unwrap_or_default(),
        netns: netns.as_deref().and_then(netns::inode).unwrap_or_default(),
        first_netns,
    }
}
