//! What was read of a host → the same with other addresses and names, so that it may leave the house: the same address always
//! becomes the same other one, of the same kind and network for network (/24, /64), so that every rule says what it said.
//!
//! Source of the layouts: include/uapi/linux/inet_diag.h, if_link.h; proc_pid_net(5). Ports, interfaces, sizes and times stay.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use serde_json::Value;
use tcphealth_core::snapshot::{Answer, Question};

const HEADER_BYTES: usize = 16;
const RTM_NEWLINK: u16 = 16;
const TCPDIAG_GETSOCK: u16 = 18;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `sizeof(struct inet_diag_msg)`, and where the two addresses stand in it.
const INET_DIAG_MSG_BYTES: usize = 72;
const INET_DIAG_ADDRESSES: [usize; 2] = [8, 24];
/// INET_DIAG_LOCALS, _PEERS, _MD5SIG (it holds keys), _SK_BPF_STORAGES.
const INET_DIAG_SECRETS: [u16; 4] = [12, 13, 18, 20];
/// `sizeof(struct ifinfomsg)`.
const IFINFOMSG_BYTES: usize = 16;
/// IFLA_ADDRESS, _BROADCAST, _IFALIAS, _AF_SPEC, _PERM_ADDRESS.
const IFLA_SECRETS: [u16; 5] = [1, 2, 20, 26, 54];
const IFLA_LINKINFO: u16 = 18;
/// IFLA_INFO_DATA: the ends of a tunnel.
const IFLA_INFO_DATA: u16 = 2;
/// Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Where a kind of address goes, and how many networks of it there are.
#[derive(Clone, Copy)]
enum Kind {
    Private,
    CarrierGrade,
    Public,
    UniqueLocal,
    LinkLocal,
    Global,
}

/// What has become of what, for one host or for several: the same is the same in all.
#[derive(Clone, Debug, Default)]
pub struct Redaction(Rc<RefCell<Redactor>>);

impl Redaction {
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Redactor) -> T) -> T {
        work(&mut self.0.borrow_mut())
    }
}

/// What has become of what.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    addresses: HashMap<IpAddr, IpAddr>,
    /// A network of a kind: its number, and the addresses seen in it.
    networks: HashMap<(u8, u128), (u32, u32)>,
    /// How many networks of each kind were seen.
    seen: [u32; 6],
    names: HashMap<(&'static str, String), String>,
}

impl Redactor {
    /// Redacts a text, by the name of its file.
    pub(crate) fn text(&mut self, name: &str, bytes: &mut Vec<u8>) {
        let told = match name {
            "proc/sys/kernel/hostname" => self.name("host", String::from_utf8_lossy(bytes.trim_ascii()).as_ref()),
            "proc/sys/kernel/random/boot_id" => "00000000-0000-0000-0000-000000000000".to_owned(),
            "proc/net/tcp" | "proc/net/tcp6" => self.table(&String::from_utf8_lossy(bytes)),
            _ => return,
        };
        *bytes = told.trim_end().as_bytes().to_vec();
        bytes.push(b'\n');
    }

    /// Redacts netlink messages in place.
    pub(crate) fn messages(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while let Some((length, kind)) = header(rest) {
            let taken = length.next_multiple_of(4).min(rest.len());
            let (message, after) = rest.split_at_mut(taken);
            let body = message.get_mut(HEADER_BYTES..).unwrap_or_default();
            match kind {
                SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => self.socket(body),
                RTM_NEWLINK => link(body),
                _ => {}
            }
            rest = after;
        }
    }

    /// Redacts questions and their answers. What cannot be told apart any more is left out.
    pub(crate) fn answers(&mut self, found: Vec<(Question, Answer)>) -> Vec<(Question, Answer)> {
        let redacted = found.into_iter().filter_map(|pair| {
            let mut value = serde_json::to_value(pair).ok()?;
            self.value(&mut value);
            serde_json::from_value(value).ok()
        });
        redacted.collect()
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Ok(address) = text.parse() {
                    *text = self.address(address).to_string();
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value)),
            Value::Object(map) => map.iter_mut().for_each(|(key, value)| match (key.as_str(), value) {
                ("comm", Value::String(name)) => *name = self.name("process", name),
                ("cgroup" | "path", Value::String(name)) => *name = self.name("cgroup", name),
                (_, value) => self.value(value),
            }),
            _ => {}
        }
    }

    fn socket(&mut self, body: &mut [u8]) {
        let six = body.first() == Some(&10);
        for at in INET_DIAG_ADDRESSES {
            if let Some(bytes) = body.get_mut(at..at + 16).filter(|_| six) {
                let address = <[u8; 16]>::try_from(&*bytes).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from);
                bytes.copy_from_slice(&self.six(address).octets());
            } else if let Some(bytes) = body.get_mut(at..at + 4) {
                let address = <[u8; 4]>::try_from(&*bytes).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from);
                bytes.copy_from_slice(&self.four(address).octets());
            }
        }
        clear(body.get_mut(INET_DIAG_MSG_BYTES..).unwrap_or_default(), &INET_DIAG_SECRETS);
    }

    /// `/proc/net/tcp`: the second and the third column are addresses, four bytes at a time in the host's order.
    fn table(&mut self, text: &str) -> String {
        let mut told = String::new();
        for line in text.lines() {
            let words = line.split_whitespace().enumerate().map(|(column, word)| match word.split_once(':') {
                Some((hex, port)) if column == 1 || column == 2 => {
                    self.hexadecimal(hex).map_or(word.to_owned(), |hex| format!("{hex}:{port}"))
                }
                _ => word.to_owned(),
            });
            let words: Vec<String> = words.collect();
            told.push_str(&words.join(" "));
            told.push('\n');
        }
        told
    }

    fn hexadecimal(&mut self, hex: &str) -> Option<String> {
        let groups =
            hex.as_bytes().chunks(8).map(|group| u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok());
        let bytes: Vec<u8> = groups.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
        let told = match bytes.len() {
            4 => self.four(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)).octets().to_vec(),
            16 => self.six(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).octets().to_vec(),
            _ => return None,
        };
        Some(told.chunks(4).fold(String::new(), |mut text, group| {
            let group = <[u8; 4]>::try_from(group).map(u32::from_ne_bytes).unwrap_or_default();
            let _ = write!(text, "{group:08X}");
            text
        }))
    }

    fn name(&mut self, kind: &'static str, name: &str) -> String {
        let number = self.names.keys().filter(|(known, _)| *known == kind).count() + 1;
        let told = || if name.is_empty() { String::new() } else { format!("{kind}-{number}") };
        self.names.entry((kind, name.to_owned())).or_insert_with(told).clone()
    }

    fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => self.four(address).into(),
            IpAddr::V6(address) => self.six(address).into(),
        }
    }

    fn four(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let [first, second, ..] = address.octets();
        let kind = match address {
            _ if address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_link_local() =>
            {
                return address;
            }
            _ if address.is_private() => Kind::Private,
            _ if first == 100 && (64..128).contains(&second) => Kind::CarrierGrade,
            _ => Kind::Public,
        };
        let told = self.other(kind, address.into(), u128::from(address.to_bits() >> 8));
        if let IpAddr::V4(told) = told { told } else { address }
    }

    fn six(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if let Some(mapped) = address.to_ipv4_mapped() {
            return self.four(mapped).to_ipv6_mapped();
        }
        let kind = match address {
            _ if address.is_unspecified() || address.is_loopback() || address.is_multicast() => return address,
            _ if address.is_unicast_link_local() => Kind::LinkLocal,
            _ if address.is_unique_local() => Kind::UniqueLocal,
            _ => Kind::Global,
        };
        let told = self.other(kind, address.into(), address.to_bits() >> 64);
        if let IpAddr::V6(told) = told { told } else { address }
    }

    /// The address that stands for another: the next free one of the network that stands for its network.
    fn other(&mut self, kind: Kind, address: IpAddr, network: u128) -> IpAddr {
        if let Some(known) = self.addresses.get(&address) {
            return *known;
        }
        let seen = &mut self.seen;
        let (number, hosts) = self.networks.entry((kind as u8, network)).or_insert_with(|| {
            let next = seen.get_mut(kind as usize).map_or(0, |seen| std::mem::replace(seen, *seen + 1));
            (next, 0)
        });
        *hosts += 1;
        let told = kind.address(*number, *hosts);
        self.addresses.insert(address, told);
        told
    }
}

impl Kind {
    /// Reserved addresses stand for public ones (240/4: RFC 1112; 2001:db8::/32: RFC 3849), so that nobody takes them for real.
    fn address(self, network: u32, host: u32) -> IpAddr {
        let four = |base: [u8; 4]| {
            let bits = Ipv4Addr::from(base).to_bits() | (network << 8) | (host & 0xff);
            IpAddr::from(Ipv4Addr::from_bits(bits))
        };
        let six =
            |base: u128| IpAddr::from(Ipv6Addr::from_bits(base << 96 | u128::from(network) << 64 | u128::from(host)));
        match self {
            Self::Private => four([10, 0, 0, 0]),
            Self::CarrierGrade => four([100, 64, 0, 0]),
            Self::Public => four([240, 0, 0, 0]),
            Self::UniqueLocal => six(0xfd00_0000),
            Self::LinkLocal => six(0xfe80_0000),
            Self::Global => six(0x2001_0db8),
        }
    }
}

/// Length and type of the message that the bytes begin with.
fn header(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    (length >= HEADER_BYTES).then_some((length, kind))
}

fn link(body: &mut [u8]) {
    let attributes = body.get_mut(IFINFOMSG_BYTES..).unwrap_or_default();
    clear(attributes, &IFLA_SECRETS);
    each_attribute(attributes, &mut |kind, value| {
        if kind == IFLA_LINKINFO {
            clear(value, &[IFLA_INFO_DATA]);
        }
    });
}

/// Zeros the values of some attributes.
fn clear(attributes: &mut [u8], kinds: &[u16]) {
    each_attribute(attributes, &mut |kind, value| {
        if kinds.contains(&kind) {
            value.fill(0);
        }
    });
}

fn each_attribute(mut bytes: &mut [u8], each: &mut dyn FnMut(u16, &mut [u8])) {
    while let Some(&[l0, l1, k0, k1]) = bytes.first_chunk() {
        let (length, kind) = (usize::from(u16::from_ne_bytes([l0, l1])), u16::from_ne_bytes([k0, k1]) & NLA_TYPE_MASK);
        let Some(value) = bytes.get_mut(4..length) else { return };
        each(kind, value);
        let taken = length.next_multiple_of(4).min(bytes.len());
        bytes = bytes.split_at_mut(taken).1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(redactor: &mut Redactor, address: &str) -> String {
        redactor.address(address.parse().unwrap()).to_string()
    }

    #[test]
    fn the_same_becomes_the_same_and_keeps_its_kind_and_network() {
        let mut all = Redactor::default();
        let told = |all: &mut Redactor, list: &[&str]| list.iter().map(|text| told(all, text)).collect::<Vec<_>>();
        assert_eq!(
            told(&mut all, &["8.8.8.8", "8.8.8.4", "1.1.1.1", "8.8.8.8"]),
            ["240.0.0.1", "240.0.0.2", "240.0.1.1", "240.0.0.1"]
        );
        assert_eq!(
            told(&mut all, &["172.16.5.9", "192.168.1.2", "100.99.1.1"]),
            ["10.0.0.1", "10.0.1.1", "100.64.0.1"]
        );
        assert_eq!(told(&mut all, &["127.0.0.5", "0.0.0.0", "::1", "::"]), ["127.0.0.5", "0.0.0.0", "::1", "::"]);
        assert_eq!(
            told(&mut all, &["::ffff:8.8.8.8", "2a00::7", "2a00::8"]),
            ["::ffff:240.0.0.1", "2001:db8::1", "2001:db8::2"]
        );
        assert_eq!(
            told(&mut all, &["2a00:0:0:1::7", "fe80::abcd", "fc00::1"]),
            ["2001:db8:0:1::1", "fe80::1", "fd00::1"]
        );
    }

    // 8.8.8.8 is 0x08080808 in either order; 192.0.2.1 stands as 010200C0 on a little-endian host, its other 240.0.1.1 as 010100F0.
    #[test]
    fn the_text_table_keeps_its_columns() {
        if cfg!(target_endian = "big") {
            return;
        }
        let mut bytes = b"  sl  local_address rem_address st\n   0: 010200C0:0050 08080808:A000 01 x:1\n".to_vec();
        let mut redactor = Redactor::default();
        redactor.address("8.8.8.8".parse().unwrap());
        redactor.text("proc/net/tcp", &mut bytes);
        assert_eq!(bytes, b"sl local_address rem_address st\n0: 010100F0:0050 010000F0:A000 01 x:1\n");
    }

    #[test]
    fn names_are_numbered_by_kind() {
        let mut redactor = Redactor::default();
        let mut value = serde_json::json!({ "comm": "shop", "list": ["9.9.9.9", "word"], "path": "/a/b", "of": { "comm": "shop" } });
        redactor.value(&mut value);
        let expected = serde_json::json!({ "comm": "process-1", "list": ["240.0.0.1", "word"], "path": "cgroup-1", "of": { "comm": "process-1" } });
        assert_eq!(value, expected);
    }

    #[test]
    fn damaged_messages_are_left_as_they_are() {
        for length in 0..80_u8 {
            let mut bytes = vec![length; usize::from(length)];
            Redactor::default().messages(&mut bytes);
            assert_eq!(bytes.len(), usize::from(length));
        }
    }
}
