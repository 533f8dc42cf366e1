//! The 40 bytes on the wire: UDP from port 44880 to port 44880, laid out after a BFD control packet (RFC 5880 section 4.1)
//! with room at the end.

use std::time::Duration;

use super::{Drop, Release, SessionState};

/// The UDP port of both ends.
pub const PORT: u16 = 44880;
/// The length of a packet.
pub const LENGTH: usize = 40;
/// The version of the format.
const VERSION: u8 = 1;
/// Byte 20: the sender's routes do not depend on the session.
const PASSIVE: u8 = 1;

/// A packet. Times are in whole microseconds on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The sender's state.
    pub state: SessionState,
    /// How many packets must be lost in a row for the receiver to give up; not 0.
    pub detect_mult: u8,
    /// The sender's name for the session; not 0.
    pub my_discriminator: u32,
    /// The receiver's name for the session as the sender knows it, else 0.
    pub your_discriminator: u32,
    /// The sender would like to send this often.
    pub desired_min_tx: Duration,
    /// The sender can take packets this often.
    pub required_min_rx: Duration,
    /// The sender's routes do not depend on the session.
    pub passive: bool,
    /// What the sender runs.
    pub release: Release,
}

impl Packet {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let state: u8 = match self.state {
            SessionState::AdminDown => 0,
            SessionState::Down => 1,
            SessionState::Init => 2,
            SessionState::Up => 3,
        };
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&[VERSION << 5, state << 6, self.detect_mult, LENGTH as u8]);
        bytes[4..8].copy_from_slice(&self.my_discriminator.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.your_discriminator.to_be_bytes());
        bytes[12..16].copy_from_slice(&micros(self.desired_min_tx).to_be_bytes());
        bytes[16..20].copy_from_slice(&micros(self.required_min_rx).to_be_bytes());
        bytes[20] = if self.passive { PASSIVE } else { 0 };
        bytes[21..24].copy_from_slice(&self.release.numbers);
        bytes[24] = self.release.channel;
        bytes
    }

    /// Reads a packet. Bits and bytes without a meaning are passed over.
    ///
    /// # Errors
    /// When it is none, with the reason.
    pub fn decode(bytes: &[u8]) -> Result<Self, Drop> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk().ok_or(Drop::Short)?;
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if usize::from(bytes[3]) != LENGTH {
            return Err(Drop::Length);
        }
        if bytes[0] >> 5 != VERSION {
            return Err(Drop::Version);
        }
        if bytes[2] == 0 {
            return Err(Drop::DetectMult);
        }
        if word(4) == 0 {
            return Err(Drop::NoDiscriminator);
        }
        Ok(Self {
            state: match bytes[1] >> 6 {
                0 => SessionState::AdminDown,
                1 => SessionState::Down,
                2 => SessionState::Init,
                _ => SessionState::Up,
            },
            detect_mult: bytes[2],
            my_discriminator: word(4),
            your_discriminator: word(8),
            desired_min_tx: Duration::from_micros(word(12).into()),
            required_min_rx: Duration::from_micros(word(16).into()),
            passive: bytes[20] & PASSIVE != 0,
            release: Release {
                numbers: [bytes[21], bytes[22], bytes[23]],
                channel: bytes[24],
            },
        })
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
