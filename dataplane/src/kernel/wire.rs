//! rtnetlink messages as bytes: a builder and a bounded reader. No I/O.

use super::numbers::{NLA_F_NESTED, NLA_TYPE_MASK, NLM_F_REQUEST};

/// linux/netlink.h `struct nlmsghdr`.
pub const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// A request under construction. The socket sets its sequence number.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Starts a message of the kind `RTM_*` with the family's fixed header.
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(header);
        Self { bytes }
    }

    /// Appends an attribute.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
        self
    }

    /// Appends an attribute of 32 bits in the host's order.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Appends a text with its terminating zero.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// Appends an attribute that consists of the attributes that `inner` appends.
    #[must_use]
    pub fn nest(mut self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NLA_F_NESTED).to_ne_bytes());
        let mut nested = inner(self);
        let length = u16::try_from(nested.bytes.len() - start).unwrap_or(u16::MAX);
        nested.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        nested
    }

    /// Adds flags to the message's header.
    #[must_use]
    pub fn flags(mut self, more: u16) -> Self {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) | more;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    /// The finished message.
    pub fn finish(&mut self, sequence: u32) -> &[u8] {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

/// Splits a datagram into its messages; ends at the first that does not fit.
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = read_u32(self.0, 0)? as usize;
        let payload = self.0.get(MESSAGE_HEADER..length)?;
        let message = Message { kind: read_u16(self.0, 4)?, flags: read_u16(self.0, 6)?, sequence: read_u32(self.0, 8)?, payload };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// Splits a run of attributes into (kind, value); ends at the first that does not fit.
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(read_u16(self.0, 0)?);
        let kind = read_u16(self.0, 2)? & NLA_TYPE_MASK;
        let value = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// The two bytes at `at`, in the host's order.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The four bytes at `at`, in the host's order.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The eight bytes at `at`, in the host's order.
pub fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

/// A text with or without its terminating zero.
pub fn read_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_reads_back_as_it_was_built() {
        let mut request = Request::new(16, 0x400, &[9; 16]).text(3, "gre0").nest(18, |r| r.text(1, "gre").nest(2, |r| r.number(6, 7)));
        let bytes = request.finish(42).to_vec();
        let message = Messages(&bytes).next().expect("one message");
        assert_eq!((message.kind, message.flags, message.sequence), (16, 0x401, 42));
        let outer: Vec<_> = Attributes(&message.payload[16..]).collect();
        assert_eq!(outer[0], (3, b"gre0\0".as_slice()));
        let info: Vec<_> = Attributes(outer[1].1).collect();
        assert_eq!((outer[1].0, info[0]), (18, (1, b"gre\0".as_slice())));
        assert_eq!(Attributes(info[1].1).next(), Some((6, 7_u32.to_ne_bytes().as_slice())));
        assert_eq!(Messages(&bytes).count(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_without_a_panic_and_without_an_endless_loop(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(Messages(&bytes).count() <= 16);
            prop_assert!(Attributes(&bytes).count() <= 64);
        }
    }
}
