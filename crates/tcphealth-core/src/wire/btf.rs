//! The kernel's description of its own structures → where a member lies in one.
//!
//! Source: Documentation/bpf/btf.rst, include/uapi/linux/btf.h. A member may lie in an unnamed structure inside the one asked for.

use super::WireError;
use super::netlink::{cut, u16_at, u32_at};

const SECTION: &str = "btf";
const MAGIC: u16 = 0xeb9f;
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const ENUM64: u32 = 19;
/// How deep unnamed structures are looked into; the kernel's deepest have four levels.
const DEPTH: u32 = 8;
/// Bytes of the part that every type has, and of one member.
const TYPE_BYTES: usize = 12;

/// Type information, with the place of every type.
#[derive(Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Offset of each type in `types`, by its id less one.
    places: Vec<u32>,
}

impl<'a> Btf<'a> {
    /// Finds the types.
    ///
    /// # Errors
    /// It is no type information, is cut off, or has a kind of type that did not exist when this was written.
    pub fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        let (types, strings) = sections(bytes).ok_or_else(|| cut(SECTION, 0, "no header"))?;
        let mut places = Vec::with_capacity(types.len() / 32);
        let mut at = 0;
        while at < types.len() {
            places.push(at as u32);
            at += type_bytes(types, at).ok_or_else(|| cut(SECTION, at, "a kind of type that is not known"))?;
        }
        Ok(Self { types, strings, places })
    }

    /// Offset of a member in a structure, bytes; `None` when there is no such structure or member. One inside another is
    /// `OUTER__INNER`.
    pub fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let mut place = self.structure(structure)?;
        let mut bytes = 0;
        let mut names = member.split("__").peekable();
        while let Some(name) = names.next() {
            let (bits, kind) = self.find_member(place, name, DEPTH)?;
            bytes += bits / 8;
            if names.peek().is_some() {
                place = self.compound(kind)?;
            }
        }
        Some(bytes)
    }

    /// The id of a function; `None` when there is none of this name.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.find(FUNC, name).map(|number| number as u32 + 1)
    }

    /// A tracepoint that tells the types of its arguments: what a program attaches to, and how many arguments there are; `None`
    /// when this kernel does not have it. Source: include/trace/bpf_probe.h, `btf_trace_##call`.
    pub fn tracepoint(&self, name: &str) -> Option<(u32, u32)> {
        let number = self.find(TYPEDEF, &format!("btf_trace_{name}"))?;
        let pointer = self.behind(*self.places.get(number)? as usize, TYPEDEF)?;
        let function = self.behind(pointer, PTR)?;
        let info = u32_at(self.types, function + 4).filter(|info| kind(*info) == FUNC_PROTO)?;
        // The first is the data of whoever attached.
        Some((number as u32 + 1, (count(info) as u32).checked_sub(1)?))
    }

    /// The names of an enumeration with their values; empty when there is none of this name.
    pub fn enumerators(&self, name: &str) -> Vec<(&'a str, u32)> {
        let place = self.find(ENUM, name).and_then(|number| self.places.get(number)).map(|place| *place as usize);
        let of = |place: usize| {
            let members = count(u32_at(self.types, place + 4)?);
            let member = |number: usize| {
                let at = place + TYPE_BYTES + number * 8;
                Some((self.name(at)?, u32_at(self.types, at + 4)?))
            };
            Some((0..members).filter_map(member).collect())
        };
        place.and_then(of).unwrap_or_default()
    }

    /// By its own name, or by that of a type that stands for it.
    fn structure(&self, name: &str) -> Option<usize> {
        let place = |kind| Some(*self.places.get(self.find(kind, name)?)? as usize);
        place(STRUCT).or_else(|| self.behind(place(TYPEDEF)?, TYPEDEF))
    }

    /// The place of the type that one of this kind refers to.
    fn behind(&self, place: usize, wanted: u32) -> Option<usize> {
        let info = u32_at(self.types, place + 4).filter(|info| kind(*info) == wanted);
        let id = info.and_then(|_| u32_at(self.types, place + 8))?;
        self.places.get(id.checked_sub(1)? as usize).map(|place| *place as usize)
    }

    /// The number, from 0, of the type of this kind and name.
    fn find(&self, wanted: u32, name: &str) -> Option<usize> {
        let is_it = |place: &u32| {
            let info = u32_at(self.types, *place as usize + 4).unwrap_or(0);
            kind(info) == wanted && self.is_named(*place as usize, name)
        };
        self.places.iter().position(is_it)
    }

    /// The bit at which a member begins, and the id of its type.
    fn find_member(&self, place: usize, member: &str, depth: u32) -> Option<(u32, u32)> {
        let deeper = depth.checked_sub(1)?;
        let info = u32_at(self.types, place + 4)?;
        let members = (0..count(info)).map(|number| place + TYPE_BYTES + number * TYPE_BYTES);
        for at in members {
            let kind = u32_at(self.types, at + 4)?;
            // With the flag, the upper byte is the width of a bit field.
            let bits = u32_at(self.types, at + 8)? & if info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
            if self.is_named(at, member) {
                return Some((bits, kind));
            }
            if u32_at(self.types, at)? == 0
                && let Some((inside, kind)) =
                    self.compound(kind).and_then(|place| self.find_member(place, member, deeper))
            {
                return Some((bits.checked_add(inside)?, kind));
            }
        }
        None
    }

    /// The place of a type that is a structure or a union.
    fn compound(&self, id: u32) -> Option<usize> {
        let place = *self.places.get(id.checked_sub(1)? as usize)? as usize;
        matches!(kind(u32_at(self.types, place + 4)?), STRUCT | UNION).then_some(place)
    }

    fn is_named(&self, place: usize, name: &str) -> bool {
        let text = u32_at(self.types, place).and_then(|at| self.strings.get(at as usize..)).unwrap_or_default();
        !name.is_empty() && text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }

    fn name(&self, place: usize) -> Option<&'a str> {
        let text = self.strings.get(u32_at(self.types, place)? as usize..)?;
        std::str::from_utf8(text.split(|&byte| byte == 0).next()?).ok()
    }
}

fn sections(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if u16_at(bytes, 0)? != MAGIC {
        return None;
    }
    let word = |at| u32_at(bytes, at).map(|word| word as usize);
    let body = bytes.get(word(4)?..)?;
    let section = |at: usize| body.get(word(at)?..word(at)?.checked_add(word(at + 4)?)?);
    Some((section(8)?, section(16)?))
}

const fn kind(info: u32) -> u32 {
    info >> 24 & 0x1f
}

const fn count(info: u32) -> usize {
    (info & 0xffff) as usize
}

fn type_bytes(types: &[u8], at: usize) -> Option<usize> {
    let info = u32_at(types, at + 4)?;
    let more = match kind(info) {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * count(info),
        ENUM | FUNC_PROTO => 8 * count(info),
        1..=18 => 0,
        _ => return None,
    };
    Some(TYPE_BYTES + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct a { int x; union { int y; struct { int p; int z; }; }; }`, by hand from the format's description.
    const TYPES: [u32; 62] = [
        1,
        INT << 24,
        4,
        0x0100_0020, // 1: int
        0,
        STRUCT << 24 | 2,
        8,
        11,
        1,
        0,
        13,
        1,
        32, // 2: struct { int p; int z; }
        0,
        UNION << 24 | 2,
        8,
        9,
        1,
        0,
        0,
        2,
        0, // 3: union { int y; 2; }
        0,
        2 << 24,
        1, // 4: int *
        5,
        STRUCT << 24 | 2,
        12,
        7,
        1,
        0,
        0,
        3,
        32, // 5: struct a
        5,
        FUNC << 24,
        1, // 6: a function called a
        15,
        TYPEDEF << 24,
        8, // 7: typedef btf_trace_t
        0,
        PTR << 24,
        9, // 8: a pointer to
        0,
        FUNC_PROTO << 24 | 3,
        0,
        0,
        4,
        0,
        1,
        0,
        1, // 9: a function of void *, int, int
        7,
        ENUM << 24 | 2,
        4,
        9,
        0,
        13,
        7, // 10: enum x { y = 0, z = 7 }
        9,
        TYPEDEF << 24,
        2, // 11: typedef y, of 2
    ];
    const STRINGS: &[u8] = b"\0int\0a\0x\0y\0p\0z\0btf_trace_t\0";

    fn example() -> Vec<u8> {
        let types: Vec<u8> = TYPES.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types.len() as u32, types.len() as u32, STRINGS.len() as u32] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(types);
        bytes.extend(STRINGS);
        bytes
    }

    #[test]
    fn members_are_found_also_in_what_has_no_name() {
        let bytes = example();
        let btf = Btf::new(&bytes).unwrap();
        let at = |member| btf.offset("a", member);
        assert_eq!([at("x"), at("y"), at("p"), at("z")], [Some(0), Some(4), Some(4), Some(8)]);
        assert_eq!([at("q"), at(""), btf.offset("b", "x"), btf.offset("int", "x")], [None; 4]);
        assert_eq!([btf.function("a"), btf.function("int")], [Some(6), None]);
        assert_eq!([btf.offset("y", "z"), btf.offset("y", "x")], [Some(4), None]);
    }

    #[test]
    fn a_tracepoint_has_its_id_and_arguments_and_an_enumeration_its_names() {
        let bytes = example();
        let btf = Btf::new(&bytes).unwrap();
        assert_eq!([btf.tracepoint("t"), btf.tracepoint("a")], [Some((7, 2)), None]);
        assert_eq!(btf.enumerators("x"), [("y", 0), ("z", 7)]);
        assert!(btf.enumerators("a").is_empty());
    }

    #[test]
    fn what_is_no_type_information_is_an_error() {
        assert!(Btf::new(&[]).is_err() && Btf::new(&[0; 64]).is_err());
        let mut bytes = example();
        for length in 0..bytes.len() {
            let _ = Btf::new(&bytes[..length]);
        }
        bytes[24 + 7] = 31;
        assert!(Btf::new(&bytes).is_err());
    }
}
