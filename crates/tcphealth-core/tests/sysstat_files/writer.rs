//! Files as any machine may have written them: byte order, word size, fields, structures nobody knows.

use tcphealth_core::sysstat::bytes::Shape;

/// Who writes, and how.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way in which machines differ")]
pub struct Machine {
    pub big_endian: bool,
    pub long32: bool,
    /// The header and the record heads of 12.1.6 and before.
    pub old_heads: bool,
    /// Extra structures follow the list of activities and every record's head.
    pub extra: bool,
}

pub const USUAL: Machine = Machine { big_endian: false, long32: false, old_heads: false, extra: false };

/// One activity of a file.
#[derive(Clone, Copy)]
pub struct Activity {
    pub id: u32,
    pub magic: u32,
    pub shape: Shape,
    pub size: u32,
    pub counted: bool,
}

pub const DEV: Activity = Activity { id: 12, magic: 0x8d, shape: Shape::new(7, 0, 1), size: 80, counted: true };
pub const TCP: Activity = Activity { id: 21, magic: 0x8a, shape: Shape::new(0, 4, 0), size: 32, counted: false };
pub const SOCK: Activity = Activity { id: 16, magic: 0x8a, shape: Shape::new(0, 0, 6), size: 24, counted: false };
pub const SOFT: Activity = Activity { id: 39, magic: 0x8a, shape: Shape::new(0, 0, 6), size: 24, counted: true };
pub const UNKNOWN: Activity = Activity { id: 250, magic: 0x8a, shape: Shape::new(1, 1, 1), size: 24, counted: true };

/// An item: 64-bit fields, longs, 32-bit fields, the tail.
pub type Item<'a> = (&'a [u64], &'a [u64], &'a [u32], &'a [u8]);

pub struct Writer {
    pub bytes: Vec<u8>,
    machine: Machine,
}

impl Writer {
    pub fn new(machine: Machine, activities: &[Activity], cpus: u32) -> Self {
        let mut file = Self { bytes: Vec::new(), machine };
        let fields = if machine.old_heads { 11 } else { 12 };
        let size = if machine.old_heads { 328 } else { 336 };
        file.put(&[0xd596, 0x2175], 2);
        file.bytes.extend([12, 6, 1, 0]);
        file.put(&[size, 0, 1, 1, fields], 4);
        file.bytes.resize(76, 0);
        file.put(&[1_700_000_000], 8);
        file.long(100);
        file.put(&[u64::from(cpus) + 1, activities.len() as u64, 123, 0, 0, 9], 4);
        file.put(&[2, 0, u64::from(!machine.old_heads), 36, 24], 4);
        if !machine.old_heads {
            file.put(&[u64::from(machine.extra)], 4);
        }
        file.bytes.extend([14, 10, if machine.long32 { 4 } else { 8 }]);
        for name in ["Linux", "host.test", "6.1.0", "x86_64"] {
            file.text(name, 65);
        }
        file.text("UTC", if machine.old_heads { 4 } else { 8 });
        file.bytes.resize(76 + size as usize, 0);
        for one in activities {
            let shape = one.shape;
            let numbers =
                [one.id, one.magic, 1, 1, u32::from(one.counted), one.size, shape.u64s, shape.longs, shape.u32s];
            file.put(&numbers.map(u64::from), 4);
        }
        if machine.extra {
            file.extra();
        }
        file
    }

    /// A record's head; the kind is sysstat's number.
    pub fn record(&mut self, kind: u8, uptime_cs: u64, seconds: u64) {
        self.put(&[uptime_cs, 1_700_000_000 + seconds], 8);
        let of_day = 22 * 3600 + 13 * 60 + 20 + seconds;
        if !self.machine.old_heads {
            self.put(&[u64::from(self.machine.extra)], 4);
        }
        self.bytes.extend([kind, (of_day / 3600 % 24) as u8, (of_day / 60 % 60) as u8, (of_day % 60) as u8]);
        let rest = if self.machine.old_heads { 4 } else { 0 };
        self.bytes.extend(vec![0; rest]);
        if self.machine.extra && kind == 1 {
            self.extra();
        }
    }

    pub fn restart(&mut self, seconds: u64, cpus: u32) {
        self.record(2, 0, seconds);
        self.put(&[u64::from(cpus) + 1], 4);
        self.extra_behind();
    }

    pub fn comment(&mut self, seconds: u64, text: &str) {
        self.record(4, 0, seconds);
        self.text(text, 64);
        self.extra_behind();
    }

    pub fn items(&mut self, activity: &Activity, items: &[Item<'_>]) {
        if activity.counted {
            self.put(&[items.len() as u64], 4);
        }
        for (u64s, longs, u32s, tail) in items {
            let start = self.bytes.len();
            self.put(u64s, 8);
            longs.iter().for_each(|&long| self.long(long));
            u32s.iter().for_each(|&number| self.put(&[u64::from(number)], 4));
            self.bytes.extend_from_slice(tail);
            self.bytes.resize(start + activity.size as usize, 0);
        }
    }

    fn extra_behind(&mut self) {
        if self.machine.extra {
            self.extra();
        }
    }

    /// Two groups of structures that nobody knows.
    fn extra(&mut self) {
        for next in [1, 0] {
            self.put(&[2, 12, next, 1, 0, 1], 4);
            self.bytes.extend([0xee; 24]);
        }
    }

    fn long(&mut self, value: u64) {
        if self.machine.long32 {
            self.put(&[value], 4);
            self.bytes.extend([0xaa; 4]);
        } else {
            self.put(&[value], 8);
        }
    }

    fn put(&mut self, numbers: &[u64], bytes: usize) {
        for number in numbers {
            let all = number.to_be_bytes();
            let mut part = all[8 - bytes..].to_vec();
            if !self.machine.big_endian {
                part.reverse();
            }
            self.bytes.extend(part);
        }
    }

    fn text(&mut self, text: &str, room: usize) {
        let end = self.bytes.len() + room;
        self.bytes.extend(text.bytes());
        self.bytes.resize(end, 0);
    }
}

/// A name of sixteen bytes and a duplex.
pub fn named(name: &str, duplex: u8) -> Vec<u8> {
    let mut tail = name.as_bytes().to_vec();
    tail.resize(16, 0);
    tail.push(duplex);
    tail
}

/// Two interfaces, TCP, sockets; a RESTART, comments, and something unknown between.
pub fn example(machine: Machine) -> Vec<u8> {
    let mut file = Writer::new(machine, &[DEV, UNKNOWN, TCP, SOCK], 2);
    let (lo, eth0) = (named("lo", 0), named("eth0", 2));
    let reading = |file: &mut Writer, uptime_cs: u64, seconds: u64, n: u64| {
        file.record(1, uptime_cs, seconds);
        let dev = [
            (&[n, n, 0, 0, 0, 0, 0][..], &[][..], &[0][..], &lo[..]),
            (&[10 * n, 20 * n, 10_240 * n, 1_250_000 * n, 0, 0, n][..], &[], &[100], &eth0),
        ];
        file.items(&DEV, &dev);
        file.items(&UNKNOWN, &[(&[1], &[2], &[3], &[])]);
        file.items(&TCP, &[(&[], &[n, 2 * n, 100 * n, 300 * n], &[], &[])]);
        file.items(&SOCK, &[(&[], &[], &[9 + n as u32, 3, 40, 2, 1, 0], &[])]);
    };
    file.comment(0, "before");
    reading(&mut file, 500_000, 0, 1);
    reading(&mut file, 500_100, 1, 2);
    file.comment(2, "be\ttween");
    reading(&mut file, 500_300, 3, 6);
    file.restart(10, 4);
    reading(&mut file, 1_000, 20, 1);
    reading(&mut file, 1_200, 22, 4);
    file.bytes
}

/// A file of an older format: an interface with an empty place behind it, TCP; two readings a second apart, a RESTART with
/// four CPUs, which 0x2173 tells and 0x2171 had from the start.
pub fn older(format: u64, big_endian: bool) -> Vec<u8> {
    let newer = format == 0x2173;
    let mut file = Writer { bytes: Vec::new(), machine: Machine { big_endian, ..USUAL } };
    file.put(&[0xd596, format], 2);
    file.bytes.extend(if newer { [11, 6, 1, 0] } else { [9, 1, 6, 0] });
    let head = if newer { 76 } else { 8 };
    file.bytes.resize(head, 0);
    file.put(&[1_700_000_000], 8);
    file.put(if newer { &[3, 3, 1] } else { &[3] }, 4);
    file.bytes.extend([14, 10, 123, 8]);
    for name in ["Linux", "host.test", "6.1.0", "x86_64"] {
        file.text(name, 65);
    }
    file.bytes.resize(head + if newer { 288 } else { 280 }, 0);
    let (magic, size) = if newer { (0x8c, 144) } else { (0x8a, 72) };
    file.put(&[1, 0x8a, if newer { 3 } else { 5 }, 1, 4], 4);
    file.put(&[12, magic, 2, 1, size], 4);
    file.put(&[21, 0x8a, 1, 1, 32], 4);
    for (seconds, n) in [(0, 1), (1, 2)] {
        file.old_record(1, 1000 + 250 * seconds, seconds);
        file.bytes.extend(vec![0; if newer { 12 } else { 20 }]);
        file.old_link([10 * n, 20 * n, 10_240 * n, 1_250_000 * n, 0, 0, n], "eth0", (newer, size as usize));
        file.old_link([9; 7], "", (newer, size as usize));
        file.put(&[n, 2 * n, 100 * n, 300 * n], 8);
    }
    file.old_record(2, 0, 10);
    if newer {
        file.put(&[1, 0x8a, 5, 1, 4], 4);
    }
    file.bytes
}

impl Writer {
    fn old_record(&mut self, kind: u8, ticks: u64, seconds: u64) {
        self.put(&[2 * ticks, 0, ticks, 0, 1_700_000_000 + seconds], 8);
        self.bytes.extend([kind, 22, 13, 20 + seconds as u8, 0, 0, 0, 0]);
    }

    /// Longs and the name, or 64-bit counters in places of sixteen bytes, the speed, the name, the duplex.
    fn old_link(&mut self, counters: [u64; 7], name: &str, (newer, size): (bool, usize)) {
        let start = self.bytes.len();
        for counter in counters {
            self.put(&[counter], 8);
            if newer {
                self.bytes.extend([0xbb; 8]);
            }
        }
        if newer {
            self.put(&[100], 4);
        }
        self.text(name, 16);
        self.bytes.push(2);
        self.bytes.truncate(start + size);
        self.bytes.resize(start + size, 0);
    }
}
