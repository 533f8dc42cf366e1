//! The packets of the multicast services: bounded, without panics. Encoding is what the daemon does; decoding is for those
//! who check it.

mod packet;
pub mod pim;

#[cfg(test)]
mod tests;

pub use packet::{Ipv4Packet, UdpDatagram, checksum};

use std::net::Ipv4Addr;

/// ALL-PIM-ROUTERS (RFC 7761, 4.9).
pub const ALL_PIM_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
/// The IP protocol number of PIM.
pub const PIM_PROTOCOL: u8 = 103;
/// The IP protocol number of UDP.
pub const UDP_PROTOCOL: u8 = 17;
/// Where heartbeats go, and both ports of the datagram inside a Register.
pub const HEARTBEAT_PORT: u16 = 5765;
/// What a heartbeat says: "DZ", version 1.
pub const HEARTBEAT: [u8; 4] = *b"DZ\x00\x01";
/// The time to live of heartbeats and Registers.
pub const BEACON_TTL: u8 = 32;

/// Why bytes are no packet that we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// It ends before it is complete, or a length in it says so.
    #[error("packet too short")]
    Short,
    /// There are bytes after the end.
    #[error("packet too long")]
    Long,
    /// The checksum of this header is wrong.
    #[error("wrong checksum of {0}")]
    Checksum(&'static str),
    /// A field has a value that is not supported here.
    #[error("unsupported {field} {value}")]
    Unsupported {
        /// The name of the field that is wrong.
        field: &'static str,
        /// What it says.
        value: u32,
    },
}

/// The heartbeat datagram that a Register for this source and group carries, as a whole IPv4 packet.
#[must_use]
pub fn registered_heartbeat(source: Ipv4Addr, group: Ipv4Addr) -> Vec<u8> {
    let datagram = UdpDatagram {
        source_port: HEARTBEAT_PORT,
        destination_port: HEARTBEAT_PORT,
        payload: HEARTBEAT.to_vec(),
    };
    let payload = datagram.encode(source, group);
    Ipv4Packet {
        source,
        destination: group,
        ttl: BEACON_TTL,
        protocol: UDP_PROTOCOL,
        payload,
    }
    .encode()
}

/// Takes fields off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn address(&mut self) -> Result<Ipv4Addr, DecodeError> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// Nothing may be left.
    fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Long)
        }
    }
}

/// An error unless the field has the only value that is supported.
fn expect(field: &'static str, value: impl Into<u32>, supported: u32) -> Result<(), DecodeError> {
    let value = value.into();
    if value == supported {
        Ok(())
    } else {
        Err(DecodeError::Unsupported { field, value })
    }
}
