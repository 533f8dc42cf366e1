//! IPv4 (RFC 791, no options, no fragments) and UDP (RFC 768).

use std::net::Ipv4Addr;

use super::{DecodeError, Reader, UDP_PROTOCOL, expect};

/// The Internet checksum (RFC 1071): zero over bytes that contain their own correct one.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    fold(sum(bytes))
}

/// An IPv4 packet with a header of 20 bytes. Encoded with type of service, identification, flags and fragment offset zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ipv4Packet {
    /// Where it comes from.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// The time to live.
    pub ttl: u8,
    /// The protocol's number.
    pub protocol: u8,
    /// What follows the header: at most 65515 bytes.
    pub payload: Vec<u8>,
}

impl Ipv4Packet {
    const HEADER: usize = 20;

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0x45, 0];
        bytes.extend(length(Self::HEADER + self.payload.len()).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([self.ttl, self.protocol, 0, 0]);
        bytes.extend(self.source.octets());
        bytes.extend(self.destination.octets());
        let check = checksum(&bytes);
        bytes[10..12].copy_from_slice(&check.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Reads one packet. Type of service and identification are passed over.
    ///
    /// # Errors
    /// When it is not exactly one whole packet with a right checksum and without options.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        expect("ip version and header length", reader.u8()?, 0x45)?;
        reader.u8()?;
        let total = usize::from(reader.u16()?);
        reader.u16()?;
        // All but "don't fragment" would make it a fragment.
        expect("fragment", reader.u16()? & !0x4000, 0)?;
        let (ttl, protocol) = (reader.u8()?, reader.u8()?);
        reader.u16()?;
        let (source, destination) = (reader.address()?, reader.address()?);
        if checksum(&bytes[..Self::HEADER]) != 0 {
            return Err(DecodeError::Checksum("ip"));
        }
        let payload = reader
            .bytes(total.checked_sub(Self::HEADER).ok_or(DecodeError::Short)?)?
            .to_vec();
        reader.end()?;
        Ok(Self {
            source,
            destination,
            ttl,
            protocol,
            payload,
        })
    }
}

/// A UDP datagram (RFC 768) with its ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpDatagram {
    /// The port that it comes from.
    pub source_port: u16,
    /// The port that it goes to.
    pub destination_port: u16,
    /// What follows the header: at most 65507 bytes.
    pub payload: Vec<u8>,
}

impl UdpDatagram {
    const HEADER: usize = 8;

    /// The bytes on the wire between these addresses, which the checksum covers.
    #[must_use]
    pub fn encode(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::HEADER + self.payload.len());
        bytes.extend(self.source_port.to_be_bytes());
        bytes.extend(self.destination_port.to_be_bytes());
        bytes.extend(length(Self::HEADER + self.payload.len()).to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(&self.payload);
        // Zero means "no checksum"; a sum of zero is sent as its other form.
        let check = match pseudo_checksum(source, destination, &bytes) {
            0 => u16::MAX,
            check => check,
        };
        bytes[6..8].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// Reads one datagram that came between these addresses. One without a checksum is accepted.
    ///
    /// # Errors
    /// When it is not exactly one whole datagram, or its checksum is wrong.
    pub fn decode(source: Ipv4Addr, destination: Ipv4Addr, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        let (source_port, destination_port) = (reader.u16()?, reader.u16()?);
        let (total, check) = (usize::from(reader.u16()?), reader.u16()?);
        let payload = reader
            .bytes(total.checked_sub(Self::HEADER).ok_or(DecodeError::Short)?)?
            .to_vec();
        reader.end()?;
        if check != 0 && pseudo_checksum(source, destination, bytes) != 0 {
            return Err(DecodeError::Checksum("udp"));
        }
        Ok(Self {
            source_port,
            destination_port,
            payload,
        })
    }
}

fn pseudo_checksum(source: Ipv4Addr, destination: Ipv4Addr, datagram: &[u8]) -> u16 {
    let pseudo = [0, UDP_PROTOCOL];
    let addresses = sum(&source.octets()) + sum(&destination.octets());
    fold(addresses + sum(&pseudo) + u64::from(length(datagram.len())) + sum(datagram))
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| (u64::from(pair[0]) << 8) | pair.get(1).map_or(0, |byte| u64::from(*byte)))
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
