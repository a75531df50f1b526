//! Bytes of another machine ⇄ numbers of this one.
//!
//! Source: sysstat's `sa.h`: every structure is a group of 64-bit fields, a group of `unsigned long`, a group of
//! 32-bit fields and a tail of bytes. A `long` fills an eight-byte slot everywhere; a 32-bit writer leaves its
//! value in the first four bytes.

/// How the machine that wrote the file stored its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// `sizeof(long)` of the writer has four bytes.
    pub long32: bool,
}

impl Machine {
    /// The 16-bit number at an offset; bytes beyond the end count as zero.
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let raw = array::<2>(bytes, at);
        if self.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) }
    }

    /// The 32-bit number at an offset; bytes beyond the end count as zero.
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let raw = array::<4>(bytes, at);
        if self.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }
    }

    /// The 64-bit number at an offset; bytes beyond the end count as zero.
    pub fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let raw = array::<8>(bytes, at);
        if self.big_endian { u64::from_be_bytes(raw) } else { u64::from_le_bytes(raw) }
    }

    /// The `unsigned long` in the slot at an offset.
    pub fn long(self, bytes: &[u8], at: usize) -> u64 {
        if self.long32 { u64::from(self.u32(bytes, at)) } else { self.u64(bytes, at) }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    match bytes.get(at..at + N).and_then(|part| part.try_into().ok()) {
        Some(whole) => whole,
        None => std::array::from_fn(|i| bytes.get(at + i).copied().unwrap_or(0)),
    }
}

/// How many fields of each width a structure has; sysstat calls it `types_nr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Fields of 64 bits.
    pub u64s: u32,
    /// Fields of type `unsigned long`, in eight-byte slots.
    pub longs: u32,
    /// Fields of 32 bits.
    pub u32s: u32,
}

impl Shape {
    /// A shape from its three numbers, in the order in which files hold them.
    pub const fn new(u64s: u32, longs: u32, u32s: u32) -> Self {
        Self { u64s, longs, u32s }
    }

    /// The shape stored as three 32-bit numbers at an offset.
    pub fn read(machine: Machine, bytes: &[u8], at: usize) -> Self {
        Self::new(machine.u32(bytes, at), machine.u32(bytes, at + 4), machine.u32(bytes, at + 8))
    }

    /// Where the tail of bytes begins, counted from the start of the structure.
    pub fn tail(self) -> usize {
        self.slot_of_u32(self.u32s)
    }

    /// Whether the fields fit into a structure of that many bytes.
    pub fn fits(self, size: u32) -> bool {
        let fields = u64::from(self.u64s) + u64::from(self.longs);
        8 * fields + 4 * u64::from(self.u32s) <= u64::from(size)
    }

    /// Where the `n`-th 64-bit field stands, if the writer had it.
    pub fn u64_at(self, n: u32) -> Option<usize> {
        (n < self.u64s).then_some(8 * n as usize)
    }

    /// Where the `n`-th long stands, if the writer had it.
    pub fn long_at(self, n: u32) -> Option<usize> {
        (n < self.longs).then_some(8 * (self.u64s as usize + n as usize))
    }

    /// Where the `n`-th 32-bit field stands, if the writer had it.
    pub fn u32_at(self, n: u32) -> Option<usize> {
        (n < self.u32s).then_some(self.slot_of_u32(n))
    }

    fn slot_of_u32(self, n: u32) -> usize {
        8 * (self.u64s as usize + self.longs as usize) + 4 * n as usize
    }
}

/// The bytes of a text field up to its first NUL.
pub fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_32_bit_long_is_the_first_half_of_its_slot_on_either_byte_order() {
        let slot = [1, 2, 3, 4, 9, 9, 9, 9];
        assert_eq!(Machine { big_endian: true, long32: true }.long(&slot, 0), 0x0102_0304);
        assert_eq!(Machine { big_endian: false, long32: true }.long(&slot, 0), 0x0403_0201);
        assert_eq!(Machine { big_endian: true, long32: false }.long(&slot, 0), 0x0102_0304_0909_0909);
    }

    #[test]
    fn bytes_that_are_not_there_read_as_zero() {
        assert_eq!(Machine { big_endian: false, long32: false }.u32(&[7, 1], 0), 0x0107);
    }

    /// The offsets of A_NET_DEV: seven 64-bit counters, then the speed at 56, the name at 60.
    #[test]
    fn groups_stand_one_after_the_other_without_padding() {
        let dev = Shape::new(7, 0, 1);
        assert_eq!((dev.u64_at(6), dev.u64_at(7), dev.u32_at(0), dev.tail()), (Some(48), None, Some(56), 60));
        assert_eq!(Shape::new(2, 3, 1).long_at(1), Some(24));
        assert!(dev.fits(60) && !dev.fits(59));
        assert!(!Shape::new(u32::MAX, u32::MAX, u32::MAX).fits(1024));
    }
}
