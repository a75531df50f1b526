//! The network activities: which structures a file holds, and which columns are printed from them.
//!
//! Source: sysstat's `activity.c` and `rd_stats.h`; the columns are those of `man sar`, option `-n`.

use super::bytes::Shape;

/// What the items of an activity are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// One item: the whole host or namespace.
    One,
    /// A network interface, by name.
    Interface,
    /// A Fibre Channel host, by name.
    FcHost,
    /// A CPU; item 0 is the sum over all.
    Cpu,
}

/// The width of an activity's stored counters, which is also the width in which they wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 64 bits.
    U64,
    /// The writer's `unsigned long`; subtracted in 64 bits.
    Long,
    /// 32 bits.
    U32,
}

/// How a column is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Growth per second.
    Rate,
    /// Growth per second of a byte counter, in units of 1024 bytes.
    KiloRate,
    /// The value now.
    Gauge,
    /// How much of the link's speed is used, in percent.
    Utilisation,
}

/// One printed column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The heading; rates end in `/s`.
    pub head: &'static str,
    /// Which field of its group the value is stored in.
    pub stored: u32,
    /// How it is computed.
    pub kind: Kind,
}

impl Column {
    /// The name of the column in JSON and XML.
    pub fn key(&self) -> &'static str {
        match self.kind {
            Kind::Utilisation => "ifutil-percent",
            _ => self.head.strip_suffix("/s").unwrap_or(self.head),
        }
    }
}

/// One activity as sysstat defines it.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    /// Its number in files.
    pub id: u32,
    /// Its keyword after `-n`.
    pub keyword: &'static str,
    /// Its name in sysstat's sources, which `sadf -H` prints.
    pub name: &'static str,
    /// Its element in JSON and XML.
    pub element: &'static str,
    /// The version of its structure.
    pub magic: u32,
    /// The fields of its structure as written today.
    pub shape: Shape,
    /// The bytes of its structure as written today.
    pub size: u32,
    /// The width of its counters.
    pub width: Width,
    /// What its items are.
    pub item: ItemKind,
    /// Its columns, in printed order.
    pub columns: &'static [Column],
}

impl Activity {
    /// Whether a record says how many items follow.
    pub fn counted(&self) -> bool {
        self.item != ItemKind::One
    }

    /// How many items a file may hold: `MAX_NR_IFACES`, `MAX_NR_FCHOSTS`, `NR_CPUS + 1`.
    pub fn items_max(&self) -> u32 {
        match self.item {
            ItemKind::One => 1,
            ItemKind::Interface | ItemKind::FcHost => 65_536,
            ItemKind::Cpu => CPUS_MAX + 1,
        }
    }

    /// The heading of the item column.
    pub fn item_head(&self) -> Option<&'static str> {
        match self.item {
            ItemKind::One => None,
            ItemKind::Interface => Some("IFACE"),
            ItemKind::FcHost => Some("FCHOST"),
            ItemKind::Cpu => Some("CPU"),
        }
    }

    /// How many values of an item are kept: the stored columns, and for interfaces speed and duplex.
    pub fn values(&self) -> usize {
        if self.has_speed() { SPEED + 2 } else { self.columns.len() }
    }

    /// Whether the items carry the speed and duplex of a link.
    pub fn has_speed(&self) -> bool {
        self.columns.iter().any(|column| column.kind == Kind::Utilisation)
    }
}

/// The most CPUs that sysstat counts, `NR_CPUS`.
pub const CPUS_MAX: u32 = 8192;
/// Where an interface's speed in Mbit/s stands among its values.
pub const SPEED: usize = 7;
/// Where an interface's duplex stands: 1 half, 2 full, 0 unknown.
pub const DUPLEX: usize = 8;

/// Which sysstat is imitated where its versions differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// 12.8.0: `retrseg/s`, time zones by name.
    #[default]
    Current,
    /// Versions before 12.7.6: `retrans/s`, `utc`.
    V12_6,
}

impl Dialect {
    /// A column's heading in this version.
    pub fn head(self, column: &Column) -> &'static str {
        match (self, column.head) {
            (Dialect::V12_6, "retrseg/s") => "retrans/s",
            (_, head) => head,
        }
    }

    /// A column's key in this version.
    pub fn key(self, column: &Column) -> &'static str {
        match (self, column.key()) {
            (Dialect::V12_6, "retrseg") => "retrans",
            (_, key) => key,
        }
    }
}

/// The activity that a keyword of `-n` names.
pub fn by_keyword(keyword: &str) -> Option<&'static Activity> {
    NETWORK.iter().find(|activity| activity.keyword == keyword)
}

/// The network activity with a number.
pub fn by_id(id: u32) -> Option<&'static Activity> {
    NETWORK.iter().find(|activity| activity.id == id)
}

/// Name and structure version of any activity that sysstat 12.8.0 knows, network or not.
pub fn known(id: u32) -> Option<(&'static str, u32)> {
    let listed = OTHERS.iter().find(|other| other.0 == id).map(|other| (other.1, other.2));
    listed.or_else(|| by_id(id).map(|activity| (activity.name, activity.magic)))
}

/// The activities that are not the network's: number, name, structure version.
const OTHERS: [(u32, &str, u32); 23] = [
    (1, "A_CPU", 0x8b),
    (2, "A_PCSW", 0x8b),
    (3, "A_IRQ", 0x8c),
    (4, "A_SWAP", 0x8a),
    (5, "A_PAGE", 0x8a),
    (6, "A_IO", 0x8b),
    (7, "A_MEMORY", 0x8b),
    (8, "A_KTABLES", 0x8b),
    (9, "A_QUEUE", 0x8c),
    (10, "A_SERIAL", 0x8b),
    (11, "A_DISK", 0x8c),
    (30, "A_PWR_CPU", 0x8a),
    (31, "A_PWR_FAN", 0x8a),
    (32, "A_PWR_TEMP", 0x8a),
    (33, "A_PWR_IN", 0x8a),
    (34, "A_HUGE", 0x8b),
    (35, "A_PWR_FREQ", 0x8b),
    (36, "A_PWR_USB", 0x8a),
    (37, "A_FS", 0x8b),
    (40, "A_PSI_CPU", 0x8a),
    (41, "A_PSI_IO", 0x8a),
    (42, "A_PSI_MEM", 0x8a),
    (43, "A_PWR_BAT", 0x8a),
];

macro_rules! columns {
    ($($head:literal $kind:ident $stored:literal),+ $(,)?) => {
        &[$(Column { head: $head, stored: $stored, kind: Kind::$kind }),+]
    };
}

macro_rules! activity {
    ($id:literal $keyword:literal $name:literal $element:literal $magic:literal
     ($u64s:literal, $longs:literal, $u32s:literal) $size:literal $width:ident $item:ident $columns:expr) => {
        Activity {
            id: $id,
            keyword: $keyword,
            name: $name,
            element: $element,
            magic: $magic,
            shape: Shape::new($u64s, $longs, $u32s),
            size: $size,
            width: Width::$width,
            item: ItemKind::$item,
            columns: $columns,
        }
    };
}

/// The twenty network activities, in the order in which live reports print them.
pub static NETWORK: [Activity; 20] = [
    activity! { 12 "DEV" "A_NET_DEV" "net-dev" 0x8d (7, 0, 1) 80 U64 Interface columns![
        "rxpck/s" Rate 0, "txpck/s" Rate 1, "rxkB/s" KiloRate 2, "txkB/s" KiloRate 3, "rxcmp/s" Rate 4,
        "txcmp/s" Rate 5, "rxmcst/s" Rate 6, "%ifutil" Utilisation 7,
    ] },
    activity! { 13 "EDEV" "A_NET_EDEV" "net-edev" 0x8c (9, 0, 0) 88 U64 Interface columns![
        "rxerr/s" Rate 1, "txerr/s" Rate 2, "coll/s" Rate 0, "rxdrop/s" Rate 3, "txdrop/s" Rate 4,
        "txcarr/s" Rate 8, "rxfram/s" Rate 7, "rxfifo/s" Rate 5, "txfifo/s" Rate 6,
    ] },
    activity! { 14 "NFS" "A_NET_NFS" "net-nfs" 0x8a (0, 0, 6) 24 U32 One columns![
        "call/s" Rate 0, "retrans/s" Rate 1, "read/s" Rate 2, "write/s" Rate 3, "access/s" Rate 4, "getatt/s" Rate 5,
    ] },
    activity! { 15 "NFSD" "A_NET_NFSD" "net-nfsd" 0x8a (0, 0, 11) 44 U32 One columns![
        "scall/s" Rate 0, "badcall/s" Rate 1, "packet/s" Rate 2, "udp/s" Rate 3, "tcp/s" Rate 4, "hit/s" Rate 5,
        "miss/s" Rate 6, "sread/s" Rate 7, "swrite/s" Rate 8, "saccess/s" Rate 9, "sgetatt/s" Rate 10,
    ] },
    activity! { 16 "SOCK" "A_NET_SOCK" "net-sock" 0x8a (0, 0, 6) 24 U32 One columns![
        "totsck" Gauge 0, "tcpsck" Gauge 1, "udpsck" Gauge 3, "rawsck" Gauge 4, "ip-frag" Gauge 5, "tcp-tw" Gauge 2,
    ] },
    activity! { 17 "IP" "A_NET_IP" "net-ip" 0x8c (8, 0, 0) 64 U64 One columns![
        "irec/s" Rate 0, "fwddgm/s" Rate 1, "idel/s" Rate 2, "orq/s" Rate 3, "asmrq/s" Rate 4, "asmok/s" Rate 5,
        "fragok/s" Rate 6, "fragcrt/s" Rate 7,
    ] },
    activity! { 18 "EIP" "A_NET_EIP" "net-eip" 0x8c (8, 0, 0) 64 U64 One columns![
        "ihdrerr/s" Rate 0, "iadrerr/s" Rate 1, "iukwnpr/s" Rate 2, "idisc/s" Rate 3, "odisc/s" Rate 4,
        "onort/s" Rate 5, "asmf/s" Rate 6, "fragf/s" Rate 7,
    ] },
    activity! { 19 "ICMP" "A_NET_ICMP" "net-icmp" 0x8a (0, 14, 0) 112 Long One columns![
        "imsg/s" Rate 0, "omsg/s" Rate 1, "iech/s" Rate 2, "iechr/s" Rate 3, "oech/s" Rate 4, "oechr/s" Rate 5,
        "itm/s" Rate 6, "itmr/s" Rate 7, "otm/s" Rate 8, "otmr/s" Rate 9, "iadrmk/s" Rate 10, "iadrmkr/s" Rate 11,
        "oadrmk/s" Rate 12, "oadrmkr/s" Rate 13,
    ] },
    activity! { 20 "EICMP" "A_NET_EICMP" "net-eicmp" 0x8a (0, 12, 0) 96 Long One columns![
        "ierr/s" Rate 0, "oerr/s" Rate 1, "idstunr/s" Rate 2, "odstunr/s" Rate 3, "itmex/s" Rate 4, "otmex/s" Rate 5,
        "iparmpb/s" Rate 6, "oparmpb/s" Rate 7, "isrcq/s" Rate 8, "osrcq/s" Rate 9, "iredir/s" Rate 10,
        "oredir/s" Rate 11,
    ] },
    activity! { 21 "TCP" "A_NET_TCP" "net-tcp" 0x8a (0, 4, 0) 32 Long One columns![
        "active/s" Rate 0, "passive/s" Rate 1, "iseg/s" Rate 2, "oseg/s" Rate 3,
    ] },
    activity! { 22 "ETCP" "A_NET_ETCP" "net-etcp" 0x8a (0, 5, 0) 40 Long One columns![
        "atmptf/s" Rate 0, "estres/s" Rate 1, "retrseg/s" Rate 2, "isegerr/s" Rate 3, "orsts/s" Rate 4,
    ] },
    activity! { 23 "UDP" "A_NET_UDP" "net-udp" 0x8a (0, 4, 0) 32 Long One columns![
        "idgm/s" Rate 0, "odgm/s" Rate 1, "noport/s" Rate 2, "idgmerr/s" Rate 3,
    ] },
    activity! { 24 "SOCK6" "A_NET_SOCK6" "net-sock6" 0x8a (0, 0, 4) 16 U32 One columns![
        "tcp6sck" Gauge 0, "udp6sck" Gauge 1, "raw6sck" Gauge 2, "ip6-frag" Gauge 3,
    ] },
    activity! { 25 "IP6" "A_NET_IP6" "net-ip6" 0x8c (10, 0, 0) 80 U64 One columns![
        "irec6/s" Rate 0, "fwddgm6/s" Rate 1, "idel6/s" Rate 2, "orq6/s" Rate 3, "asmrq6/s" Rate 4, "asmok6/s" Rate 5,
        "imcpck6/s" Rate 6, "omcpck6/s" Rate 7, "fragok6/s" Rate 8, "fragcr6/s" Rate 9,
    ] },
    activity! { 26 "EIP6" "A_NET_EIP6" "net-eip6" 0x8c (11, 0, 0) 88 U64 One columns![
        "ihdrer6/s" Rate 0, "iadrer6/s" Rate 1, "iukwnp6/s" Rate 2, "i2big6/s" Rate 3, "idisc6/s" Rate 4,
        "odisc6/s" Rate 5, "inort6/s" Rate 6, "onort6/s" Rate 7, "asmf6/s" Rate 8, "fragf6/s" Rate 9,
        "itrpck6/s" Rate 10,
    ] },
    activity! { 27 "ICMP6" "A_NET_ICMP6" "net-icmp6" 0x8a (0, 17, 0) 136 Long One columns![
        "imsg6/s" Rate 0, "omsg6/s" Rate 1, "iech6/s" Rate 2, "iechr6/s" Rate 3, "oechr6/s" Rate 4,
        "igmbq6/s" Rate 5, "igmbr6/s" Rate 6, "ogmbr6/s" Rate 7, "igmbrd6/s" Rate 8, "ogmbrd6/s" Rate 9,
        "irtsol6/s" Rate 10, "ortsol6/s" Rate 11, "irtad6/s" Rate 12, "inbsol6/s" Rate 13, "onbsol6/s" Rate 14,
        "inbad6/s" Rate 15, "onbad6/s" Rate 16,
    ] },
    activity! { 28 "EICMP6" "A_NET_EICMP6" "net-eicmp6" 0x8a (0, 11, 0) 88 Long One columns![
        "ierr6/s" Rate 0, "idtunr6/s" Rate 1, "odtunr6/s" Rate 2, "itmex6/s" Rate 3, "otmex6/s" Rate 4,
        "iprmpb6/s" Rate 5, "oprmpb6/s" Rate 6, "iredir6/s" Rate 7, "oredir6/s" Rate 8, "ipck2b6/s" Rate 9,
        "opck2b6/s" Rate 10,
    ] },
    activity! { 29 "UDP6" "A_NET_UDP6" "net-udp6" 0x8a (0, 4, 0) 32 Long One columns![
        "idgm6/s" Rate 0, "odgm6/s" Rate 1, "noport6/s" Rate 2, "idgmer6/s" Rate 3,
    ] },
    activity! { 38 "FC" "A_NET_FC" "fchosts" 0x8a (0, 4, 0) 48 Long FcHost columns![
        "fch_rxf/s" Rate 0, "fch_txf/s" Rate 1, "fch_rxw/s" Rate 2, "fch_txw/s" Rate 3,
    ] },
    activity! { 39 "SOFT" "A_NET_SOFT" "softnet" 0x8a (0, 0, 6) 24 U32 Cpu columns![
        "total/s" Rate 0, "dropd/s" Rate 1, "squeezd/s" Rate 2, "rx_rps/s" Rate 3, "flw_lim/s" Rate 4,
        "blg_len" Gauge 5,
    ] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_structure_holds_its_fields_and_its_name() {
        for activity in &NETWORK {
            let name = match activity.item {
                ItemKind::Interface | ItemKind::FcHost => 16,
                _ => 0,
            };
            assert!(activity.shape.tail() + name <= activity.size as usize, "{}", activity.keyword);
        }
    }

    #[test]
    fn every_stored_field_is_printed_once() {
        for activity in &NETWORK {
            let mut stored: Vec<u32> = activity.columns.iter().map(|column| column.stored).collect();
            stored.sort_unstable();
            assert_eq!(stored, (0..activity.columns.len() as u32).collect::<Vec<_>>(), "{}", activity.keyword);
        }
    }

    #[test]
    fn only_the_older_dialect_says_retrans_for_tcp() {
        let retransmissions = &by_keyword("ETCP").unwrap().columns[2];
        assert_eq!(Dialect::Current.head(retransmissions), "retrseg/s");
        assert_eq!(Dialect::V12_6.head(retransmissions), "retrans/s");
        assert_eq!(Dialect::Current.head(&by_keyword("NFS").unwrap().columns[1]), "retrans/s");
    }
}
