//! A key → its place in a table that is asked once for each of a million sockets: a multiplication a word, where the standard
//! library's takes twenty steps.
//!
//! The tables are bounded, and each has a secret of its own, so that peers cannot choose addresses that all fall into one place.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes the hashes of one table.
#[derive(Clone, Copy, Debug)]
pub struct Quick(u64);

impl Default for Quick {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl BuildHasher for Quick {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.0)
    }
}

/// The hash of what was written so far.
#[derive(Clone, Copy, Debug)]
pub struct Mixed(u64);

impl Mixed {
    fn mix(&mut self, word: u64) {
        // 2⁶⁴ divided by the golden ratio; both halves of the product count.
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.mix(chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv6Addr};

    use super::*;

    // hashbrown takes the place from the low bits and tells neighbours apart by the seven highest.
    #[test]
    fn neighbours_fall_into_different_places() {
        let quick = Quick::default();
        let low: HashSet<u64> =
            (0..4096_u32).map(|number| quick.hash_one(IpAddr::from(number.to_be_bytes())) & 0xffff).collect();
        // Of 4096 balls in 65536 places by chance 4096 - 125 places are hit, give or take 11.
        assert!(low.len() > 3900, "{}", low.len());
        let high: HashSet<u64> =
            (0..4096_u128).map(|number| quick.hash_one(IpAddr::V6(Ipv6Addr::from(number << 64))) >> 57).collect();
        assert_eq!(high.len(), 128);
    }

    #[test]
    fn equal_keys_have_one_place_and_another_table_has_another() {
        let (one, other) = (Quick::default(), Quick::default());
        let key = ("192.0.2.1".parse::<IpAddr>().unwrap(), 443_u16, Some(7_u64));
        assert_eq!(one.hash_one(key), one.hash_one(key));
        assert_ne!(one.hash_one(key), other.hash_one(key));
        assert_ne!(one.hash_one((key.0, 444_u16, key.2)), one.hash_one(key));
    }
}
