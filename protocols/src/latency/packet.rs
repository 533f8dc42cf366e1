//! ICMP echo requests and replies (RFC 792).

use super::Drop;

/// A whole message: 8 bytes of header and 56 of payload, as `ping` sends by default.
pub const LENGTH: usize = HEADER + PAYLOAD;

const HEADER: usize = 8;
const PAYLOAD: usize = 56;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// What only the one who saw the request can know: the beginning of the payload.
pub type Nonce = [u8; 16];

/// An echo. The reply has the same identifier, sequence number and payload as the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    /// Tells the programs of a host from each other.
    pub identifier: u16,
    /// Tells the echoes of a program from each other.
    pub sequence: u16,
    /// Tells this echo from every other.
    pub nonce: Nonce,
}

impl Echo {
    /// The echo request, as octets from the ICMP header on.
    #[must_use]
    pub fn request(&self) -> [u8; LENGTH] {
        self.message(ECHO_REQUEST)
    }

    /// The reply that an honest host sends.
    #[must_use]
    pub fn reply(&self) -> [u8; LENGTH] {
        self.message(ECHO_REPLY)
    }

    /// Reads a reply: an ICMP message without its IP header.
    ///
    /// # Errors
    /// Why it is no reply to an echo of ours, as far as the message alone can tell.
    pub fn from_reply(bytes: &[u8]) -> Result<Self, Drop> {
        Self::read(ECHO_REPLY, bytes)
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Why it is not a request of this shape.
    pub fn from_request(bytes: &[u8]) -> Result<Self, Drop> {
        Self::read(ECHO_REQUEST, bytes)
    }

    fn message(&self, kind: u8) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0] = kind;
        bytes[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[HEADER..HEADER + 16].copy_from_slice(&self.nonce);
        for (at, byte) in (0..).zip(&mut bytes[HEADER..]).skip(16) {
            *byte = at;
        }
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn read(kind: u8, bytes: &[u8]) -> Result<Self, Drop> {
        let message: &[u8; LENGTH] = bytes.try_into().map_err(|_| Drop::NotOurs)?;
        if message[0] != kind || message[1] != 0 {
            return Err(Drop::NotOurs);
        }
        if checksum(message) != 0 {
            return Err(Drop::Damaged);
        }
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&message[HEADER..HEADER + 16]);
        let echo = Self {
            identifier: u16::from_be_bytes([message[4], message[5]]),
            sequence: u16::from_be_bytes([message[6], message[7]]),
            nonce,
        };
        // The rest of the payload is always the same.
        if echo.message(kind) == *message {
            Ok(echo)
        } else {
            Err(Drop::OtherPayload)
        }
    }
}

/// The internet checksum (RFC 1071); zero over a message that holds its own.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}
