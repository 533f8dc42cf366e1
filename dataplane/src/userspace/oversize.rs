//! What becomes of a packet that the way to the peer does not take in one piece: what the kernel's own tunnels do without
//! path MTU discovery of their own (net/ipv4/ip_tunnel.c `ip_tunnel_xmit`, `tnl_update_pmtu`). The outer packet is as
//! divisible as the inner one: it is cut, or the inner packet's sender is told what fits. Pure.

use super::inet::{self, IPV4_MIN};

/// In the third byte pair of an IPv4 header: don't fragment, more fragments.
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

const ICMP: u8 = 1;
const ICMP_LEN: usize = 8;
/// RFC 1812 section 4.3.2.3: an ICMP error has no more bytes than this.
const ANSWER_MAX: usize = 576;
/// RFC 1812 section 4.3.2.5: internetwork control.
const ANSWER_TOS: u8 = 0xc0;

/// Whether an IPv4 packet must not be cut on its way. IPv6 says nothing about the packet around it.
#[must_use]
pub fn is_indivisible(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 4) && flags(packet) & DONT_FRAGMENT != 0
}

/// Cuts an IPv4 packet without options into packets of `limit` bytes at most (RFC 791 section 3.2). Whoever sends them fills in
/// the checksums. None when not even eight bytes of payload fit.
#[must_use]
pub fn fragments(packet: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let Some((header, payload)) = packet.split_at_checked(IPV4_MIN) else {
        return Vec::new();
    };
    let share = limit.saturating_sub(IPV4_MIN) / 8 * 8;
    if share == 0 {
        return Vec::new();
    }
    let count = payload.len().div_ceil(share);
    let cut = |(index, part): (usize, &[u8])| {
        let mut fragment = [header, part].concat();
        let more = if index + 1 < count { MORE_FRAGMENTS } else { 0 };
        fragment[2..4].copy_from_slice(&((IPV4_MIN + part.len()) as u16).to_be_bytes());
        fragment[6..8].copy_from_slice(&(more | (index * share / 8) as u16).to_be_bytes());
        fragment
    };
    payload.chunks(share).enumerate().map(cut).collect()
}

/// "Fragmentation needed" (RFC 792 type 3 code 4, RFC 1191) for the sender of an inner IPv4 packet, of which at most `mtu`
/// bytes fit. It comes from where the packet was going: that is the one address of which the host has just shown that its way
/// leads through this link, so that no reverse path filter minds. `None` for what must not be answered (RFC 1122 section
/// 3.2.2).
#[must_use]
pub fn fragmentation_needed(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let inner = inet::Ipv4::parse(packet)?;
    if flags(packet) & OFFSET != 0 || inner.destination.is_multicast() || inner.destination.is_broadcast() {
        return None;
    }
    let source = inner.source;
    if source.is_unspecified() || source.is_loopback() || source.is_multicast() || source.is_broadcast() {
        return None;
    }
    if inner.protocol == ICMP
        && !packet
            .get(inner.header_len)
            .is_some_and(|kind| is_question(*kind))
    {
        return None;
    }
    let quoted = &packet[..packet
        .len()
        .min(inner.total_len)
        .min(ANSWER_MAX - IPV4_MIN - ICMP_LEN)];
    let total = IPV4_MIN + ICMP_LEN + quoted.len();
    let mut answer = vec![0; IPV4_MIN + ICMP_LEN];
    answer.extend_from_slice(quoted);
    (answer[0], answer[1], answer[8], answer[9]) = (0x45, ANSWER_TOS, 64, ICMP);
    answer[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    answer[12..16].copy_from_slice(&inner.destination.octets());
    answer[16..20].copy_from_slice(&source.octets());
    inet::seal_ipv4(&mut answer[..IPV4_MIN]);
    (answer[20], answer[21]) = (3, 4);
    answer[26..28].copy_from_slice(&(mtu.min(usize::from(u16::MAX)) as u16).to_be_bytes());
    let checksum = inet::PartialChecksum::default()
        .add(&answer[IPV4_MIN..])
        .checksum();
    answer[22..24].copy_from_slice(&checksum);
    Some(answer)
}

/// Echo, timestamp and their like, rather than an error.
fn is_question(kind: u8) -> bool {
    !matches!(kind, 3 | 4 | 5 | 11 | 12)
}

fn flags(packet: &[u8]) -> u16 {
    inet::be16(packet, 6).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const FROM: [u8; 4] = [169, 254, 0, 1];
    const TO: [u8; 4] = [8, 8, 8, 8];

    fn packet(len: usize, flags: u16, protocol: u8) -> Vec<u8> {
        let mut packet: Vec<u8> = (0..len).map(|at| at as u8).collect();
        packet[..20].fill(0);
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        packet[6..8].copy_from_slice(&flags.to_be_bytes());
        packet[9] = protocol;
        packet[12..16].copy_from_slice(&FROM);
        packet[16..20].copy_from_slice(&TO);
        packet
    }

    #[test]
    fn the_answer_says_what_fits_quotes_the_packet_and_comes_from_where_it_was_going() {
        let asked = packet(1476, DONT_FRAGMENT, inet::UDP);
        let answer = fragmentation_needed(&asked, 1376).unwrap();
        let header = inet::Ipv4::parse(&answer).unwrap();
        assert_eq!(
            (header.source, header.destination),
            (Ipv4Addr::from(TO), Ipv4Addr::from(FROM))
        );
        assert_eq!((header.total_len, header.protocol), (ANSWER_MAX, ICMP));
        assert_eq!(answer.len(), ANSWER_MAX);
        assert_eq!(
            (answer[20], answer[21], inet::be16(&answer, 26)),
            (3, 4, Some(1376))
        );
        assert_eq!(answer[28..], asked[..ANSWER_MAX - 28]);
        for part in [&answer[..20], &answer[20..]] {
            assert_eq!(
                inet::PartialChecksum::default().add(part).fold(),
                [0xff, 0xff],
                "the checksum holds"
            );
        }
    }

    #[test]
    fn what_must_not_be_answered_is_not() {
        let with = |edit: fn(&mut Vec<u8>)| {
            let mut asked = packet(100, DONT_FRAGMENT, ICMP);
            asked[20] = 8;
            edit(&mut asked);
            fragmentation_needed(&asked, 60).is_some()
        };
        assert!(with(|_| {}), "an echo request");
        assert!(!with(|asked| asked[20] = 3), "an ICMP error");
        assert!(!with(|asked| asked[7] = 9), "not the first fragment");
        assert!(!with(|asked| asked[16] = 233), "to a group");
        assert!(!with(|asked| asked[16..20].fill(255)), "to everybody");
        assert!(!with(|asked| asked[12..16].fill(0)), "from nobody");
        assert!(!with(|asked| asked[12] = 127), "from the loopback");
        assert!(!with(|asked| asked[0] = 0x65), "not IPv4");
        assert!(!with(|asked| asked.truncate(19)), "cut short");
    }

    #[test]
    fn ipv6_says_nothing_about_the_packet_around_it() {
        assert!(is_indivisible(&packet(100, DONT_FRAGMENT, ICMP)));
        assert!(!is_indivisible(&packet(100, MORE_FRAGMENTS, ICMP)));
        let mut ipv6 = packet(100, DONT_FRAGMENT, ICMP);
        ipv6[0] = 0x60;
        assert!(!is_indivisible(&ipv6));
        assert!(!is_indivisible(&[0x45]) && !is_indivisible(&[]));
    }

    proptest! {
        #[test]
        fn fragments_fit_and_are_the_packet_when_put_together(len in 28usize..4000, limit in 28usize..3000) {
            let whole = packet(len, 0, 47);
            let pieces = fragments(&whole, limit);
            let mut together = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                prop_assert!(piece.len() <= limit);
                prop_assert_eq!(inet::be16(piece, 2), Some(piece.len() as u16));
                let flags = inet::be16(piece, 6).unwrap();
                prop_assert_eq!(flags & MORE_FRAGMENTS != 0, index + 1 < pieces.len());
                prop_assert_eq!(usize::from(flags & OFFSET) * 8, together.len());
                prop_assert_eq!(&piece[8..20], &whole[8..20]);
                together.extend_from_slice(&piece[20..]);
            }
            prop_assert_eq!(&together[..], &whole[20..]);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700), limit in 0usize..100) {
            let _ = fragments(&bytes, limit);
            if let Some(answer) = fragmentation_needed(&bytes, limit) {
                prop_assert!(answer.len() <= ANSWER_MAX);
            }
        }
    }
}
