//! The packets that keep a tunnel's own session: a rate never holds them back, whatever else waits. Pure.

use super::inet::{self, Ipv4, be16};

/// RFC 4271 section 8.2.1.
const BGP: u16 = 179;

/// Whether the packet is of the tunnel's own BGP session: TCP from or to port 179, between the two addresses of one /31, as every
/// tunnel's overlay network is (RFC 3021). What hosts behind the tunnel send to each other is not, whatever its ports.
#[must_use]
pub fn is_of_own_session(packet: &[u8]) -> bool {
    let Some(header) = Ipv4::parse(packet) else {
        return false;
    };
    let are_both_ends = u32::from(header.source) ^ u32::from(header.destination) == 1;
    if !are_both_ends || header.protocol != inet::TCP || header.is_fragment {
        return false;
    }
    let ports = [0, 2].map(|at| be16(packet, header.header_len + at));
    ports.contains(&Some(BGP))
}

#[cfg(test)]
pub mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// A TCP packet over IPv4 of so many octets.
    pub fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), length: u16) -> Vec<u8> {
        let mut packet = vec![0; usize::from(length)];
        (packet[0], packet[8], packet[9]) = (0x45, 1, inet::TCP);
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet[12..16].copy_from_slice(&Ipv4Addr::from(from.0).octets());
        packet[16..20].copy_from_slice(&Ipv4Addr::from(to.0).octets());
        packet[20..22].copy_from_slice(&from.1.to_be_bytes());
        packet[22..24].copy_from_slice(&to.1.to_be_bytes());
        packet[32] = 0x50;
        packet
    }

    const OURS: [u8; 4] = [169, 254, 0, 1];
    const DEVICES: [u8; 4] = [169, 254, 0, 0];

    #[test]
    fn only_bgp_between_the_ends_of_one_31_is_the_tunnels_own_session() {
        assert!(is_of_own_session(&tcp((OURS, 40_000), (DEVICES, 179), 59)));
        assert!(is_of_own_session(&tcp((DEVICES, 179), (OURS, 40_000), 59)));
        assert!(
            !is_of_own_session(&tcp((OURS, 40_000), (DEVICES, 180), 59)),
            "another port"
        );
        assert!(
            !is_of_own_session(&tcp(([169, 254, 0, 2], 40_000), (OURS, 179), 59)),
            "neighbours, and of two networks"
        );
        assert!(!is_of_own_session(&tcp(([10, 0, 0, 9], 179), (OURS, 179), 59)));
        let own = tcp((OURS, 40_000), (DEVICES, 179), 59);
        let with = |at: usize, value: u8| {
            let mut packet = own.clone();
            packet[at] = value;
            packet
        };
        assert!(!is_of_own_session(&with(9, inet::UDP)));
        assert!(
            !is_of_own_session(&with(7, 1)),
            "a fragment: these octets are no ports"
        );
        assert!(!is_of_own_session(&with(0, 0x65)), "not IPv4");
        for length in 0..24 {
            assert!(!is_of_own_session(&own[..length]), "{length} octets of it");
        }
    }
}
