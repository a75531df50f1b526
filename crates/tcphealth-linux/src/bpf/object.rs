//! A committed object (bpf/walk.o) → instructions for the running kernel, with every place written in.

use std::os::fd::{AsRawFd, BorrowedFd};

/// What marks an instruction into which something is to be written (`TAG` in bpf/kernel.h), the upper 16 bits of 64.
const TAG: u64 = 0x7c9e;
const LOAD_64_BITS: u64 = 0x18;
/// A call of the function that reads without a call, and its mark.
const CALL: u64 = 0x85;
const BPF_PSEUDO_KFUNC_CALL: u64 = 2;
const BPF_PSEUDO_MAP_FD: u64 = 1;
const BPF_PSEUDO_MAP_VALUE: u64 = 2;
const BPF_PSEUDO_FUNC: u64 = 4;

/// The instructions of the program and, after them, of its callback; and where that begins.
pub(super) fn code(object: &[u8]) -> Option<(Vec<u64>, usize)> {
    let mut code = section(object, "program")?;
    let callback_at = code.len();
    code.extend(section(object, "callback")?);
    Some((code, callback_at))
}

/// Writes in the id of `bpf_rdonly_cast()`.
pub(super) fn write_in_cast(code: &mut [u64], cast: u32) {
    for call in code.iter_mut().filter(|one| **one & 0xff == CALL && **one >> 32 == TAG) {
        *call = CALL | BPF_PSEUDO_KFUNC_CALL << 12 | u64::from(cast) << 32;
    }
}

/// What is written in, by the kinds of `WRITTEN_IN()` in bpf/kernel.h.
pub(super) struct Values<'a> {
    /// The offsets of the fields, in the order of their lines.
    pub(super) places: &'a [u32],
    /// The map whose memory is shared with us.
    pub(super) shared: BorrowedFd<'a>,
    /// Other maps.
    pub(super) maps: &'a [BorrowedFd<'a>],
    /// Numbers.
    pub(super) settings: &'a [u32],
    /// Where the callback begins.
    pub(super) callback_at: usize,
}

impl Values<'_> {
    /// The kind of the instruction at `at` and its value.
    fn value(&self, kind: u64, number: usize, at: usize) -> Option<(u64, u64)> {
        let number_of = |list: &[u32]| list.get(number).map(|value| (0, u64::from(*value)));
        match kind {
            0 => number_of(self.places),
            1 => Some((BPF_PSEUDO_MAP_VALUE, self.shared.as_raw_fd() as u64)),
            2 => Some((BPF_PSEUDO_FUNC, (self.callback_at - at - 1) as u64)),
            3 => self.maps.get(number).map(|map| (BPF_PSEUDO_MAP_FD, map.as_raw_fd() as u64)),
            4 => number_of(self.settings),
            _ => None,
        }
    }

    /// Writes them in. False when a place is not known.
    pub(super) fn write_in(&self, code: &mut [u64]) -> bool {
        for at in 0..code.len().saturating_sub(1) {
            let Some([first, second]) = code.get_mut(at..at + 2) else { return false };
            if *first & 0xff != LOAD_64_BITS || *second >> 48 != TAG {
                continue;
            }
            let Some((kind, value)) = self.value((*second >> 32) & 0xffff, (*first >> 32) as usize, at) else {
                return false;
            };
            *first = (*first & 0xffff_0fff) | kind << 12 | value << 32;
            *second &= 0xffff_ffff;
        }
        true
    }
}

/// The instructions in a section of an ELF file (elf(5)).
pub(super) fn section(object: &[u8], name: &str) -> Option<Vec<u64>> {
    let headers = word(object, 40, 8)?;
    let (bytes, count, names) = (word(object, 58, 2)?, word(object, 60, 2)?, word(object, 62, 2)?);
    let field = |number: usize, at: usize, length: usize| word(object, headers + number * bytes + at, length);
    let names = field(names, 24, 8)?;
    let is_it = |number: &usize| {
        let text = field(*number, 0, 4).and_then(|at| object.get(names + at..)).unwrap_or_default();
        text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    };
    let number = (0..count).find(is_it)?;
    let begin = field(number, 24, 8)?;
    let code = object.get(begin..begin + field(number, 32, 8)?)?;
    Some(code.chunks_exact(8).filter_map(|one| Some(u64::from_le_bytes(one.try_into().ok()?))).collect())
}

fn word(object: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = object.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// Type information that says no more than that there are two functions, which the kernel demands of a program with a callback.
pub(super) fn two_functions() -> Vec<u8> {
    const STRINGS: &[u8] = b"\0int\0program\0callback\0";
    const TYPES: [u32; 13] = [
        1,
        1 << 24,
        4,
        0x0100_0020, // 1: int, signed, 32 bits
        0,
        13 << 24,
        1, // 2: a function without arguments that returns int
        5,
        12 << 24,
        2, // 3: program
        13,
        12 << 24,
        2, // 4: callback
    ];
    let types = size_of_val(&TYPES) as u32;
    let header = [0x0001_eb9f, 24, 0, types, types, STRINGS.len() as u32];
    header.iter().chain(&TYPES).flat_map(|word| word.to_le_bytes()).chain(STRINGS.iter().copied()).collect()
}
