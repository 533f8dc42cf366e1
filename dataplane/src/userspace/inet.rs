//! Just enough of IPv4, IPv6 and TCP to move packets: header fields and the Internet checksum (RFC 1071).

use std::net::Ipv4Addr;

/// Bytes of an IPv4 header without options.
pub const IPV4_MIN: usize = 20;
/// Bytes of a TCP header without options.
pub const TCP_MIN: usize = 20;
/// IP protocol 6.
pub const TCP: u8 = 6;
/// Where the checksum is in a TCP header.
pub const TCP_CHECKSUM: usize = 16;
/// IP protocol 17.
pub const UDP: u8 = 17;
/// Where the checksum is in a UDP header.
pub const UDP_CHECKSUM: usize = 6;

/// The fields of an IPv4 header that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4 {
    /// The length of the header in bytes, from 20 to 60.
    pub header_len: usize,
    /// Header and payload; at least `header_len`. The packet at hand may be shorter or longer.
    pub total_len: usize,
    /// Whether it is one piece of a larger packet.
    pub is_fragment: bool,
    /// Of the payload.
    pub protocol: u8,
    /// From whom.
    pub source: Ipv4Addr,
    /// The address that it is sent to.
    pub destination: Ipv4Addr,
}

impl Ipv4 {
    /// Reads the header; `None` when it is not one, or is cut short.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; IPV4_MIN] = packet.first_chunk()?;
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if fixed[0] >> 4 != 4 || header_len < IPV4_MIN || total_len < header_len || packet.len() < header_len
        {
            return None;
        }
        Some(Self {
            header_len,
            total_len,
            is_fragment: u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff != 0,
            protocol: fixed[9],
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
        })
    }
}

/// Header and payload of an IPv6 packet; `None` when it is not one, or the header is cut short.
#[must_use]
pub fn ipv6_total_len(packet: &[u8]) -> Option<usize> {
    let fixed: &[u8; 40] = packet.first_chunk()?;
    (fixed[0] >> 4 == 6).then(|| 40 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]])))
}

/// Two bytes in network order.
#[must_use]
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Four bytes in network order.
#[must_use]
pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .first_chunk()
        .map(|four| u32::from_be_bytes(*four))
}

/// A one's complement sum that is not folded yet, in this machine's byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartialChecksum(u64);

impl PartialChecksum {
    /// Adds bytes that start at an even offset of what is summed.
    #[must_use]
    pub fn add(self, bytes: &[u8]) -> Self {
        let mut lanes = [0u64; 8];
        let mut blocks = bytes.chunks_exact(32);
        for block in &mut blocks {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(4)) {
                *lane += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
            }
        }
        let mut sum: u64 = self.0 + lanes.iter().sum::<u64>();
        let mut pairs = blocks.remainder().chunks_exact(2);
        for pair in &mut pairs {
            sum += u64::from(u16::from_ne_bytes([pair[0], pair[1]]));
        }
        if let [last] = pairs.remainder() {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        Self(sum)
    }

    /// Adds one number as it would be in a header.
    #[must_use]
    pub fn add_u16(self, value: u16) -> Self {
        Self(self.0 + u64::from(value.to_be()))
    }

    /// The sum in 16 bits, as it stands in a packet.
    #[must_use]
    pub fn fold(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_ne_bytes()
    }

    /// The checksum: the complement of the sum.
    #[must_use]
    pub fn checksum(self) -> [u8; 2] {
        self.fold().map(|byte| !byte)
    }

    /// The pseudo header of TCP and UDP over IPv4.
    #[must_use]
    pub fn pseudo(ip_header: &[u8; IPV4_MIN], protocol: u8, length: u16) -> Self {
        Self::default()
            .add(&ip_header[12..20])
            .add_u16(u16::from(protocol))
            .add_u16(length)
    }
}

/// Writes the checksum of an IPv4 header into it.
pub fn seal_ipv4(header: &mut [u8]) {
    header[10..12].fill(0);
    let checksum = PartialChecksum::default().add(header).checksum();
    header[10..12].copy_from_slice(&checksum);
}

/// Finishes a checksum that was left to the reader: the field at `start + offset` holds the sum of the pseudo header, and
/// everything from `start` on is to be added. False when it is not within the packet.
#[must_use]
pub fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> bool {
    let Some(covered) = packet
        .get_mut(start..)
        .filter(|covered| covered.len() >= offset + 2)
    else {
        return false;
    };
    let checksum = match PartialChecksum::default().add(covered).checksum() {
        // Zero says "no checksum" in UDP, and means the same as its complement elsewhere.
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    };
    covered[offset..offset + 2].copy_from_slice(&checksum);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_of_a_known_header_is_right() {
        let mut header: [u8; 20] = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xff, 0xff, 0xc0, 0xa8, 0x00, 0x01,
            0xc0, 0xa8, 0x00, 0xc7,
        ];
        seal_ipv4(&mut header);
        assert_eq!(header[10..12], [0xb8, 0x61]);
    }

    proptest! {
        #[test]
        fn the_fast_sum_is_the_plain_sum(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut plain: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum();
            while plain > 0xffff {
                plain = (plain & 0xffff) + (plain >> 16);
            }
            prop_assert_eq!(u16::from_be_bytes(PartialChecksum::default().add(&bytes).fold()), plain as u16);
        }

        #[test]
        fn headers_of_any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(header) = Ipv4::parse(&bytes) {
                prop_assert!(header.header_len <= bytes.len() && header.header_len <= header.total_len);
            }
            let _ = ipv6_total_len(&bytes);
        }
    }
}
