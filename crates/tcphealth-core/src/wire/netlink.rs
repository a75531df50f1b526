//! A run of netlink messages → its messages and their attributes, and requests in the other direction.
//!
//! Source: include/uapi/linux/netlink.h, netlink(7). All numbers are in host order; messages and attributes are padded to 4.

use super::WireError;

/// `sizeof(struct nlmsghdr)`.
pub const HEADER_BYTES: usize = 16;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// `NLM_F_ROOT | NLM_F_MATCH`: all of a table.
const NLM_F_DUMP: u16 = 0x300;
/// The two high bits of an attribute's type are flags.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Something told.
    Data {
        /// `nlmsg_type`.
        kind: u16,
        /// What follows the header.
        body: &'a [u8],
        /// `NLM_F_DUMP_INTR`: the table changed while it was dumped.
        interrupted: bool,
    },
    /// The dump is complete.
    Done,
    /// The request was refused, with the errno; 0 is an acknowledgement.
    Error(i32),
}

/// The messages of what one or many reads returned.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    section: &'static str,
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Messages<'a> {
    /// `section` names them in an error.
    pub fn new(section: &'static str, bytes: &'a [u8]) -> Self {
        Self { section, bytes, place: 0 }
    }

    fn next_message(&mut self, rest: &'a [u8]) -> Option<Message<'a>> {
        let length = u32_at(rest, 0)? as usize;
        let (kind, flags) = (u16_at(rest, 4)?, u16_at(rest, 6)?);
        let body = rest.get(HEADER_BYTES..length)?;
        self.place += aligned(length);
        Some(match kind {
            NLMSG_ERROR => Message::Error(u32_at(body, 0)?.cast_signed().wrapping_neg()),
            NLMSG_DONE => match u32_at(body, 0).unwrap_or(0).cast_signed() {
                errno if errno < 0 => Message::Error(errno.wrapping_neg()),
                _ => Message::Done,
            },
            _ => Message::Data { kind, body, interrupted: flags & NLM_F_DUMP_INTR != 0 },
        })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.place..).filter(|rest| !rest.is_empty())?;
        let place = self.place;
        Some(self.next_message(rest).ok_or_else(|| {
            self.place = self.bytes.len();
            cut(self.section, place, "a message is longer than what was read")
        }))
    }
}

/// The attributes of a message: type and payload. What is cut off at the end is left out.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let payload = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// A request: its header, then its body.
pub fn request(kind: u16, dump: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&((HEADER_BYTES + body.len()) as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | if dump { NLM_F_DUMP } else { 0 }).to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(body);
    bytes
}

/// An attribute of a request.
pub(super) fn put_attribute(body: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    body.extend_from_slice(&((4 + payload.len()) as u16).to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(payload);
    body.resize(aligned(body.len()), 0);
}

pub(super) fn cut(section: &'static str, place: usize, token: &str) -> WireError {
    WireError { section, place, token: token.to_owned() }
}

pub(super) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u16_be_at(bytes: &[u8], at: usize) -> Option<u16> {
    u16_at(bytes, at).map(u16::from_be)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message as the kernel would send it, padded.
    pub(in crate::wire) fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = request(kind, false, body);
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn messages_come_one_by_one_with_their_padding() {
        let bytes =
            [message(20, NLM_F_DUMP_INTR, &[1, 2, 3]), message(3, 2, &[0; 4]), message(2, 0, &(-13i32).to_ne_bytes())]
                .concat();
        let all: Vec<_> = Messages::new("x", &bytes).map(Result::unwrap).collect();
        let data = Message::Data { kind: 20, body: &[1, 2, 3], interrupted: true };
        assert_eq!(all, [data, Message::Done, Message::Error(13)]);
    }

    #[test]
    fn a_cut_message_is_one_error_with_its_place() {
        let mut bytes = [message(20, 0, &[0; 8]), message(20, 0, &[0; 8])].concat();
        bytes.truncate(40);
        let mut messages = Messages::new("x", &bytes);
        assert!(messages.next().unwrap().is_ok());
        assert_eq!(messages.next().unwrap().unwrap_err().place, 24);
        assert!(messages.next().is_none());
    }

    #[test]
    fn a_length_shorter_than_the_header_ends_the_run() {
        let mut bytes = message(20, 0, &[]);
        bytes[0] = 0;
        let mut messages = Messages::new("x", &bytes);
        assert!(messages.next().unwrap().is_err());
        assert!(messages.next().is_none());
    }

    #[test]
    fn attributes_are_split_at_their_padding() {
        let mut body = Vec::new();
        put_attribute(&mut body, 4, b"cubic\0");
        put_attribute(&mut body, 0x8000 | 8, &[3]);
        assert_eq!(attributes(&body).collect::<Vec<_>>(), [(4, &b"cubic\0"[..]), (8, &[3][..])]);
    }
}
