//! GRE over IPv4 on the wire (RFC 2784): pure, and safe for any input.

use std::net::Ipv4Addr;

use super::{drops::DropReason, inet};

/// Bytes of the outer IPv4 header and the GRE header that we send.
pub const ENCAP_LEN: usize = inet::IPV4_MIN + 4;

/// In the seventh byte of an IPv4 header.
const DONT_FRAGMENT: u8 = 0x40;

/// IP protocol 47.
pub const PROTOCOL: u8 = 47;

/// What the inner packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inner {
    /// Ether type 0x0800.
    Ipv4,
    /// Ether type 0x86dd.
    Ipv6,
}

impl Inner {
    /// By the version nibble of a packet.
    #[must_use]
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Some(Self::Ipv4),
            6 => Some(Self::Ipv6),
            0..=3 | 5 | 7.. => None,
        }
    }
}

/// The outer addresses of a packet, as its sender wrote them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Outer {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// The address that it is sent to.
    pub destination: Ipv4Addr,
}

/// The headers for an inner packet of `inner_len` bytes: no key, no checksum, no sequence number; TOS 0. The kernel fills in
/// the checksum (`raw(7)`, IP_HDRINCL). An `indivisible` one must not be fragmented on its way.
///
/// `None` when the packet would be longer than IPv4 allows.
#[must_use]
pub fn encapsulate(
    outer: Outer,
    ttl: u8,
    id: u16,
    inner: Inner,
    indivisible: bool,
    inner_len: usize,
) -> Option<[u8; ENCAP_LEN]> {
    let total = u16::try_from(inner_len + ENCAP_LEN).ok()?;
    let mut header = [0; ENCAP_LEN];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[4..6].copy_from_slice(&id.to_be_bytes());
    header[6] = if indivisible { DONT_FRAGMENT } else { 0 };
    header[8] = ttl;
    header[9] = PROTOCOL;
    header[12..16].copy_from_slice(&outer.source.octets());
    header[16..20].copy_from_slice(&outer.destination.octets());
    header[22..24].copy_from_slice(match inner {
        Inner::Ipv4 => &[0x08, 0x00],
        Inner::Ipv6 => &[0x86, 0xdd],
    });
    Some(header)
}

/// Splits what a raw socket received into the outer addresses and the GRE packet.
///
/// # Errors
/// When it is not a whole IPv4 packet that carries GRE.
pub fn outer(packet: &[u8]) -> Result<(Outer, &[u8]), DropReason> {
    let header = inet::Ipv4::parse(packet).ok_or(DropReason::Truncated)?;
    if header.protocol != PROTOCOL || header.is_fragment {
        return Err(DropReason::NotGre);
    }
    let gre = packet
        .get(header.header_len..header.total_len)
        .ok_or(DropReason::Truncated)?;
    Ok((
        Outer {
            source: header.source,
            destination: header.destination,
        },
        gre,
    ))
}

/// The inner packet of a GRE packet, without what follows it.
///
/// # Errors
/// When a tunnel without key, checksum and routing must not take it, or it is not whole.
pub fn decapsulate(gre: &[u8]) -> Result<&[u8], DropReason> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const RESERVED: u16 = 0x0ff8;
    const VERSION: u16 = 0x0007;

    let flags = inet::be16(gre, 0).ok_or(DropReason::Truncated)?;
    let ether_type = inet::be16(gre, 2).ok_or(DropReason::Truncated)?;
    if flags & VERSION != 0 {
        return Err(DropReason::Version);
    }
    if flags & CHECKSUM != 0 {
        return Err(DropReason::Checksummed);
    }
    if flags & (ROUTING | RESERVED) != 0 {
        return Err(DropReason::Routing);
    }
    if flags & KEY != 0 {
        return Err(DropReason::Keyed);
    }
    let start = if flags & SEQUENCE == 0 { 4 } else { 8 };
    let inner = gre.get(start..).ok_or(DropReason::Truncated)?;
    let length = match (ether_type, Inner::of(inner)) {
        (0x0800, Some(Inner::Ipv4)) => inet::Ipv4::parse(inner).map(|header| header.total_len),
        (0x86dd, Some(Inner::Ipv6)) => inet::ipv6_total_len(inner),
        (0x0800 | 0x86dd, Some(Inner::Ipv4 | Inner::Ipv6) | None) => None,
        (_, Some(Inner::Ipv4 | Inner::Ipv6) | None) => return Err(DropReason::EtherType),
    };
    length
        .and_then(|length| inner.get(..length))
        .ok_or(DropReason::Inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OUTER: Outer = Outer {
        source: Ipv4Addr::new(10, 1, 0, 1),
        destination: Ipv4Addr::new(10, 2, 0, 1),
    };

    fn inner(len: u16) -> Vec<u8> {
        let mut packet = vec![0xa5; usize::from(len)];
        packet[..20].fill(0);
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[8] = 64;
        packet[9] = 1;
        packet
    }

    fn with_flags(flags: u16, options: &[u8], inner: &[u8]) -> Vec<u8> {
        [&flags.to_be_bytes(), &[0x08, 0x00], options, inner].concat()
    }

    #[test]
    fn what_is_encapsulated_comes_out_again_with_its_addresses() {
        let inner = inner(84);
        let header = encapsulate(OUTER, 64, 7, Inner::Ipv4, false, inner.len()).unwrap();
        let wire = [&header[..], &inner].concat();
        let (addresses, gre) = outer(&wire).unwrap();
        assert_eq!(addresses, OUTER);
        assert_eq!(decapsulate(gre), Ok(&inner[..]));
        assert_eq!(header[8], 64, "ttl");
        assert_eq!(
            (header[1], header[6], header[7]),
            (0, 0, 0),
            "tos and don't-fragment"
        );
        let indivisible = encapsulate(OUTER, 64, 7, Inner::Ipv4, true, inner.len()).unwrap();
        assert_eq!((indivisible[6], indivisible[7]), (0x40, 0));
    }

    #[test]
    fn padding_behind_the_inner_packet_is_cut_off() {
        let packet = with_flags(0, &[], &[inner(40), vec![0; 9]].concat());
        assert_eq!(decapsulate(&packet), Ok(&inner(40)[..]));
    }

    #[test]
    fn a_sequence_number_is_skipped() {
        assert_eq!(
            decapsulate(&with_flags(0x1000, &[0, 0, 0, 7], &inner(40))),
            Ok(&inner(40)[..])
        );
    }

    #[test]
    fn what_a_plain_tunnel_must_not_take_is_told_apart() {
        let cases = [
            (with_flags(1, &[], &inner(40)), DropReason::Version),
            (with_flags(0x8000, &[0; 4], &inner(40)), DropReason::Checksummed),
            (with_flags(0x4000, &[0; 4], &inner(40)), DropReason::Routing),
            (with_flags(0x0800, &[], &inner(40)), DropReason::Routing),
            (with_flags(0x2000, &[0; 4], &inner(40)), DropReason::Keyed),
            (
                [&[0, 0, 0x88, 0xbe][..], &inner(40)].concat(),
                DropReason::EtherType,
            ),
            ([&[0, 0, 0x86, 0xdd][..], &inner(40)].concat(), DropReason::Inner),
            (with_flags(0, &[], &inner(40)[..39]), DropReason::Inner),
            (vec![0, 0, 8], DropReason::Truncated),
            (vec![0x10, 0, 8, 0, 0], DropReason::Truncated),
            (vec![0, 0, 8, 0], DropReason::Inner),
        ];
        for (packet, reason) in cases {
            assert_eq!(decapsulate(&packet), Err(reason), "{packet:02x?}");
        }
    }

    #[test]
    fn an_inner_packet_beyond_what_ipv4_can_carry_is_refused() {
        assert!(encapsulate(OUTER, 64, 7, Inner::Ipv4, false, 65_511).is_some());
        assert_eq!(encapsulate(OUTER, 64, 7, Inner::Ipv4, false, 65_512), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_panic_and_stay_within_the_packet(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((_, gre)) = outer(&bytes) {
                prop_assert!(gre.len() + 20 <= bytes.len());
            }
            if let Ok(inner) = decapsulate(&bytes) {
                prop_assert!(inner.len() + 4 <= bytes.len());
                prop_assert!(Inner::of(inner).is_some());
            }
        }

        #[test]
        fn any_damage_to_a_good_packet_is_taken_without_panic(at in 0usize..108, value in any::<u8>(), cut in 0usize..109) {
            let header = encapsulate(OUTER, 64, 7, Inner::Ipv4, false, 84).unwrap();
            let mut wire = [&header[..], &inner(84)].concat();
            wire[at] = value;
            wire.truncate(cut);
            if let Ok(inner) = outer(&wire).and_then(|(_, gre)| decapsulate(gre)) {
                prop_assert!(inner.len() <= 84);
            }
        }
    }
}
