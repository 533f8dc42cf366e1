//! The virtio-net header before every packet of a TUN device, and what it asks the reader to do: finish checksums, and cut
//! large TCP segments. The wire gets only whole packets that fit the MTU, so the peer needs no offload of its own.

use super::inet::{self, Ipv4, PartialChecksum};

/// Bytes of the header (include/uapi/linux/virtio_net.h, `struct virtio_net_hdr`).
pub const HEADER_LEN: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const CHECKSUM_IS_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;

/// The longest IPv4 and TCP headers together.
pub const HEADERS_MAX: usize = 120;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The instructions that came with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instructions {
    /// Send as it is.
    Plain,
    /// The checksum at `start + offset` must be finished.
    Checksum {
        /// Where the sum begins.
        start: usize,
        /// Where the field is, from there.
        offset: usize,
    },
    /// A TCP segment over IPv4 that must be cut.
    Tcp4 {
        /// Bytes of payload in each piece but the last.
        segment: usize,
    },
}

/// The kernel handed out something that cannot be made sense of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MalformedOffload;

impl Instructions {
    /// Reads the header.
    ///
    /// # Errors
    /// When it asks for what we did not offer.
    pub fn parse(header: [u8; HEADER_LEN]) -> Result<Self, MalformedOffload> {
        let field = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
        match (header[1], header[0] & NEEDS_CHECKSUM) {
            (GSO_NONE, 0) => Ok(Self::Plain),
            (GSO_NONE, _) => Ok(Self::Checksum {
                start: field(6),
                offset: field(8),
            }),
            (GSO_TCPV4, _) if field(4) > 0 => Ok(Self::Tcp4 { segment: field(4) }),
            (_, _) => Err(MalformedOffload),
        }
    }
}

/// What goes before a packet that the kernel may check by itself.
pub const PLAIN: [u8; HEADER_LEN] = [0; HEADER_LEN];

/// What goes before a packet whose checksums we have verified.
pub const VERIFIED: [u8; HEADER_LEN] = [CHECKSUM_IS_VALID, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What goes before a packet whose checksum field, at `start + offset`, holds the sum of the pseudo header only.
#[must_use]
pub fn unfinished(start: usize, offset: usize) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[0] = NEEDS_CHECKSUM;
    put(&mut header, 6, start);
    put(&mut header, 8, offset);
    header
}

/// The same for TCP; with a segment size where it stands for several packets.
#[must_use]
pub fn unfinished_tcp4(ip_header_len: usize, headers_len: usize, segment: Option<usize>) -> [u8; HEADER_LEN] {
    let mut header = unfinished(ip_header_len, inet::TCP_CHECKSUM);
    if let Some(segment) = segment {
        header[1] = GSO_TCPV4;
        put(&mut header, 2, headers_len);
        put(&mut header, 4, segment);
    }
    header
}

fn put(header: &mut [u8; HEADER_LEN], at: usize, value: usize) {
    header[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
}

/// Where the headers of a TCP packet over IPv4 end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpLayout {
    /// Bytes of the IPv4 header.
    pub ip: usize,
    /// Bytes of both headers.
    pub headers: usize,
    /// Bytes of the packet.
    pub total: usize,
}

impl TcpLayout {
    /// `None` when it is not a whole TCP packet over IPv4, or a fragment.
    #[must_use]
    pub fn of(packet: &[u8]) -> Option<Self> {
        let ip = Ipv4::parse(packet)?;
        if ip.protocol != inet::TCP || ip.is_fragment || ip.total_len > packet.len() {
            return None;
        }
        let data_offset = usize::from(packet.get(ip.header_len + 12)? >> 4) * 4;
        let headers = ip.header_len + data_offset;
        (data_offset >= inet::TCP_MIN && headers <= ip.total_len).then_some(Self {
            ip: ip.header_len,
            headers,
            total: ip.total_len,
        })
    }
}

/// A large TCP segment that is being cut into packets.
pub struct Splitter<'a> {
    packet: &'a [u8],
    layout: TcpLayout,
    segment: usize,
    id: u16,
    sequence: u32,
    /// Of the headers that all pieces share, without lengths, sequence number, flags and checksum.
    at: usize,
}

/// One packet of several: its own headers, and where its payload is in the large one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Bytes of the headers, of which the first are filled.
    pub headers: [u8; HEADERS_MAX],
    /// How many of them.
    pub headers_len: usize,
    /// Offset of the payload.
    pub payload: usize,
    /// Its length.
    pub payload_len: usize,
}

impl<'a> Splitter<'a> {
    /// Starts to cut.
    ///
    /// # Errors
    /// When it is not a TCP packet over IPv4.
    pub fn new(packet: &'a [u8], segment: usize) -> Result<Self, MalformedOffload> {
        let layout = TcpLayout::of(packet)
            .filter(|_| segment > 0)
            .ok_or(MalformedOffload)?;
        let id = inet::be16(packet, 4).ok_or(MalformedOffload)?;
        let sequence = inet::be32(packet, layout.ip + 4).ok_or(MalformedOffload)?;
        Ok(Self {
            packet,
            layout,
            segment,
            id,
            sequence,
            at: layout.headers,
        })
    }

    fn cut(&self, payload: &[u8], is_last: bool) -> Piece {
        let TcpLayout { ip, headers, .. } = self.layout;
        let mut piece = [0; HEADERS_MAX];
        let filled = &mut piece[..headers];
        filled.copy_from_slice(&self.packet[..headers]);
        let total = (headers + payload.len()) as u16;
        filled[2..4].copy_from_slice(&total.to_be_bytes());
        filled[4..6].copy_from_slice(&self.id.to_be_bytes());
        inet::seal_ipv4(&mut filled[..ip]);
        filled[ip + 4..ip + 8].copy_from_slice(&self.sequence.to_be_bytes());
        if !is_last {
            filled[ip + 13] &= !(FIN | PSH);
        }
        if self.at > headers {
            filled[ip + 13] &= !CWR;
        }
        filled[ip + inet::TCP_CHECKSUM..][..2].fill(0);
        let pseudo = filled
            .first_chunk()
            .map_or_else(PartialChecksum::default, |fixed| {
                PartialChecksum::pseudo(fixed, inet::TCP, total - ip as u16)
            });
        let checksum = pseudo.add(&filled[ip..]).add(payload).checksum();
        filled[ip + inet::TCP_CHECKSUM..][..2].copy_from_slice(&checksum);
        Piece {
            headers: piece,
            headers_len: headers,
            payload: self.at,
            payload_len: payload.len(),
        }
    }
}

impl Iterator for Splitter<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let rest = self
            .packet
            .get(self.at..self.layout.total)
            .filter(|rest| !rest.is_empty())?;
        let payload = &rest[..rest.len().min(self.segment)];
        let piece = self.cut(payload, payload.len() == rest.len());
        self.at += payload.len();
        self.id = self.id.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(payload.len() as u32);
        Some(piece)
    }
}

#[cfg(test)]
pub mod tests;
