use proptest::prelude::*;

use super::*;

/// A TCP packet as the kernel hands it out: headers, payload, and only the sum of the pseudo header in the checksum field.
pub fn tcp_packet(options: usize, payload: &[u8], sequence: u32, flags: u8) -> Vec<u8> {
    let headers = 40 + options * 4;
    let total = (headers + payload.len()) as u16;
    let mut packet = vec![0; headers];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet[4..6].copy_from_slice(&0xfff0u16.to_be_bytes());
    packet[6] = 0x40;
    packet[8] = 64;
    packet[9] = inet::TCP;
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    inet::seal_ipv4(&mut packet[..20]);
    packet[20..24].copy_from_slice(&[0x30, 0x39, 0x14, 0x51]);
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    packet[28..32].copy_from_slice(&77u32.to_be_bytes());
    packet[32] = ((5 + options) as u8) << 4;
    packet[33] = flags;
    packet[34..36].copy_from_slice(&501u16.to_be_bytes());
    packet[40..].fill(1);
    let pseudo = PartialChecksum::pseudo(packet.first_chunk().unwrap(), inet::TCP, total - 20).fold();
    packet[36..38].copy_from_slice(&pseudo);
    packet.extend_from_slice(payload);
    packet
}

pub fn finished(mut packet: Vec<u8>) -> Vec<u8> {
    assert!(inet::complete_checksum(&mut packet, 20, 16));
    packet
}

pub fn cut(packet: &[u8], segment: usize) -> Vec<Vec<u8>> {
    let pieces = Splitter::new(packet, segment).unwrap();
    pieces
        .map(|piece| {
            [
                &piece.headers[..piece.headers_len],
                &packet[piece.payload..][..piece.payload_len],
            ]
            .concat()
        })
        .collect()
}

/// What tun-rs, an independent implementation, makes of the same packet.
fn cut_by_tun_rs(packet: &[u8], segment: usize) -> Vec<Vec<u8>> {
    let headers = TcpLayout::of(packet).unwrap().headers;
    let header = tun_rs::VirtioNetHdr {
        flags: NEEDS_CHECKSUM,
        gso_type: GSO_TCPV4,
        hdr_len: headers as u16,
        gso_size: segment as u16,
        csum_start: 20,
        csum_offset: 16,
    };
    let count = (packet.len() - headers).div_ceil(segment);
    let mut buffers = vec![vec![0u8; headers + segment]; count];
    let mut sizes = vec![0; count];
    let count = tun_rs::gso_split(&mut packet.to_vec(), header, &mut buffers, &mut sizes, 0, false).unwrap();
    buffers
        .into_iter()
        .zip(sizes)
        .take(count)
        .map(|(buffer, size)| buffer[..size].to_vec())
        .collect()
}

proptest! {
    #[test]
    fn a_large_segment_is_cut_as_an_independent_implementation_cuts_it(
        payload in proptest::collection::vec(any::<u8>(), 1..6000), options in 0usize..=10, segment in 1usize..1500, sequence in any::<u32>(),
        flags in any::<u8>(),
    ) {
        // Where the congestion-window-reduced flag belongs after a cut, the two differ: ours is on the first piece only.
        let packet = tcp_packet(options, &payload, sequence, flags & !CWR);
        prop_assert_eq!(cut(&packet, segment), cut_by_tun_rs(&packet, segment));
    }

    #[test]
    fn any_bytes_with_any_instructions_are_taken_without_panic(
        header in any::<[u8; HEADER_LEN]>(), mut packet in proptest::collection::vec(any::<u8>(), 0..300), looks_like_tcp in any::<bool>(),
    ) {
        if looks_like_tcp && packet.len() > 40 {
            packet[0] = 0x45;
            packet[2..4].copy_from_slice(&200u16.to_be_bytes());
            packet[6..8].fill(0);
            packet[9] = inet::TCP;
        }
        match Instructions::parse(header) {
            Ok(Instructions::Checksum { start, offset }) => { let _ = inet::complete_checksum(&mut packet, start, offset); }
            Ok(Instructions::Tcp4 { segment }) => if let Ok(pieces) = Splitter::new(&packet, segment) {
                prop_assert!(pieces.count() <= packet.len());
            },
            Ok(Instructions::Plain) | Err(MalformedOffload) => {}
        }
    }
}

#[test]
fn only_the_last_piece_pushes_or_ends_and_only_the_first_reduces_the_window() {
    let pieces = cut(&tcp_packet(3, &[7; 250], 1, 0x10 | FIN | PSH | CWR), 100);
    let flags: Vec<u8> = pieces.iter().map(|piece| piece[33]).collect();
    assert_eq!(flags, [0x10 | CWR, 0x10, 0x10 | FIN | PSH]);
}

#[test]
fn instructions_that_were_not_offered_are_refused() {
    let of_type = |kind: u8, size: u8| [0, kind, 40, 0, size, size, 20, 0, 16, 0];
    for (kind, size) in [(4, 1), (5, 1), (3, 1), (0x81, 1), (1, 0)] {
        assert_eq!(
            Instructions::parse(of_type(kind, size)),
            Err(MalformedOffload),
            "type {kind}, size {size}"
        );
    }
}
