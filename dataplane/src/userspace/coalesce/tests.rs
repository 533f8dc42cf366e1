use proptest::prelude::*;

use super::*;
use crate::userspace::offload::{
    Instructions,
    tests::{cut, finished, tcp_packet},
};

/// What a TUN device would get: the tunnel, the virtio-net header, the packet, and how many packets it stands for.
#[derive(Debug, PartialEq)]
struct Frame {
    tunnel: u8,
    header: [u8; HEADER_LEN],
    packet: Vec<u8>,
    packets: u64,
}

fn frames(packets: &[(u8, Vec<u8>)]) -> Vec<Frame> {
    let mut coalescer = Coalescer::with_capacity(packets.len());
    for (tunnel, packet) in packets {
        coalescer.push(*tunnel, 1476, packet);
    }
    let mut frames = Vec::new();
    coalescer.emit(|tunnel, parts, packets, bytes| {
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let (header, packet) = whole.split_first_chunk().unwrap();
        let sent = as_sent(*header, packet);
        assert_eq!(sent.len() as u64, packets);
        assert_eq!(sent.iter().map(|packet| packet.len() as u64).sum::<u64>(), bytes);
        frames.push(Frame {
            tunnel,
            header: *header,
            packet: packet.to_vec(),
            packets,
        });
    });
    frames
}

/// The packets that a frame stands for.
fn as_sent(header: [u8; HEADER_LEN], packet: &[u8]) -> Vec<Vec<u8>> {
    match Instructions::parse(header).unwrap() {
        Instructions::Plain => vec![packet.to_vec()],
        Instructions::Checksum { start, offset } => {
            let mut packet = packet.to_vec();
            assert!(inet::complete_checksum(&mut packet, start, offset));
            vec![packet]
        }
        Instructions::Tcp4 { segment } => cut(packet, segment),
    }
}

fn stream(payload: &[u8], segment: usize, flags: u8) -> Vec<Vec<u8>> {
    cut(&tcp_packet(3, payload, 1000, flags), segment)
}

fn on(tunnel: u8, packets: Vec<Vec<u8>>) -> Vec<(u8, Vec<u8>)> {
    packets.into_iter().map(|packet| (tunnel, packet)).collect()
}

#[test]
fn the_segments_of_a_flow_become_one_and_come_apart_as_they_were() {
    let packets = stream(&[9; 10_000], 1424, ACK | PSH);
    let frames = frames(&on(1, packets.clone()));
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].packets, 8);
    assert_eq!(as_sent(frames[0].header, &frames[0].packet), packets);
}

#[test]
fn flows_that_arrive_interleaved_are_joined_each_for_itself() {
    let here = stream(&[1; 4000], 1000, ACK);
    let there: Vec<_> = here.iter().map(|packet| elsewhere(packet.clone())).collect();
    let mixed: Vec<_> = here
        .iter()
        .zip(&there)
        .flat_map(|(here, there)| [(1, here.clone()), (1, there.clone())])
        .collect();
    assert_eq!(
        frames(&mixed)
            .iter()
            .map(|frame| frame.packets)
            .collect::<Vec<_>>(),
        [4, 4]
    );
}

/// The same packet from another port.
fn elsewhere(mut packet: Vec<u8>) -> Vec<u8> {
    packet[20] ^= 0xff;
    packet[36..38].fill(0);
    let pseudo = PartialChecksum::pseudo(
        packet.first_chunk().unwrap(),
        inet::TCP,
        (packet.len() - 20) as u16,
    );
    packet[36..38].copy_from_slice(&pseudo.fold());
    finished(packet)
}

#[test]
fn the_same_flow_in_two_tunnels_is_not_joined() {
    let packets = stream(&[1; 2000], 1000, ACK);
    assert_eq!(
        frames(&[(1, packets[0].clone()), (2, packets[1].clone())]).len(),
        2
    );
}

#[test]
fn a_gap_a_repetition_a_bare_acknowledgement_and_another_ttl_are_not_joined() {
    let packets = stream(&[1; 3000], 1000, ACK);
    let mut other_ttl = packets[1].clone();
    other_ttl[8] = 3;
    inet::seal_ipv4(&mut other_ttl[..20]);
    let bare = finished(tcp_packet(3, &[], 2000, ACK));
    for second in [packets[2].clone(), packets[0].clone(), bare, other_ttl] {
        let given = on(1, vec![packets[0].clone(), second]);
        let frames = frames(&given);
        assert_eq!(
            frames
                .iter()
                .map(|frame| frame.packet.clone())
                .collect::<Vec<_>>(),
            given.into_iter().map(|(_, packet)| packet).collect::<Vec<_>>()
        );
    }
}

#[test]
fn nothing_is_joined_over_a_bare_acknowledgement_of_the_same_flow() {
    let packets = stream(&[1; 2000], 1000, ACK);
    let bare = finished(tcp_packet(3, &[], 2000, ACK));
    assert_eq!(
        frames(&on(1, vec![packets[0].clone(), bare, packets[1].clone()])).len(),
        3
    );
}

#[test]
fn a_push_ends_a_run() {
    let mut packets = stream(&[1; 1500], 1000, ACK | PSH);
    packets.extend(stream(&[1; 1500], 1000, ACK).into_iter().skip(1));
    assert_eq!(
        frames(&on(1, packets))
            .iter()
            .map(|frame| frame.packets)
            .collect::<Vec<_>>(),
        [2, 1]
    );
}

#[test]
fn a_packet_with_a_wrong_checksum_is_left_as_it_is_for_the_kernel_to_drop() {
    let mut packets = stream(&[1; 2000], 1000, ACK);
    packets[1][500] ^= 1;
    let frames = frames(&on(1, packets.clone()));
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (frames[1].header, &frames[1].packet),
        (offload::PLAIN, &packets[1])
    );
}

#[test]
fn what_the_kernel_has_joined_already_gets_its_checksum_finished() {
    let large = tcp_packet(3, &[5; 20_000], 1, ACK);
    let frames = frames(&on(1, vec![large.clone(), tcp_packet(3, &[5; 200], 1, ACK)]));
    assert_eq!(
        as_sent(frames[0].header, &frames[0].packet),
        cut(&large, 1476 - 52)
    );
    assert_eq!(
        as_sent(frames[1].header, &frames[1].packet),
        [finished(tcp_packet(3, &[5; 200], 1, ACK))]
    );
}

#[test]
fn a_bare_acknowledgement_and_a_datagram_that_were_never_on_a_wire_get_their_checksums_finished() {
    let bare = tcp_packet(3, &[], 2000, ACK);
    let datagram = datagram();
    let frames = frames(&on(
        1,
        vec![bare.clone(), datagram.clone(), finished(bare.clone())],
    ));
    assert_eq!(
        as_sent(frames[0].header, &frames[0].packet),
        [finished(bare.clone())]
    );
    let mut whole = datagram;
    assert!(inet::complete_checksum(&mut whole, 20, 6));
    assert_eq!(as_sent(frames[1].header, &frames[1].packet), [whole]);
    assert_eq!(
        (frames[2].header, &frames[2].packet),
        (offload::PLAIN, &finished(bare))
    );
}

/// UDP, with only the sum of the pseudo header in the checksum field.
fn datagram() -> Vec<u8> {
    let mut packet = tcp_packet(0, &[3; 8], 0, 0);
    packet[9] = inet::UDP;
    inet::seal_ipv4(&mut packet[..20]);
    packet[24..26].copy_from_slice(&28u16.to_be_bytes());
    let pseudo = PartialChecksum::pseudo(packet.first_chunk().unwrap(), inet::UDP, 28).fold();
    packet[26..28].copy_from_slice(&pseudo);
    packet
}

#[test]
fn a_run_never_outgrows_an_ipv4_packet() {
    let packets: Vec<_> = (0..100)
        .map(|i| finished(tcp_packet(3, &[1; 1000], 1000 * i, ACK)))
        .collect();
    let sizes: Vec<_> = frames(&on(1, packets))
        .iter()
        .map(|frame| frame.packets)
        .collect();
    assert_eq!(sizes, [65, 35]);
}

proptest! {
    #[test]
    fn whatever_arrives_leaves_unchanged_in_the_order_of_its_flow(
        choices in proptest::collection::vec((0u32..8, 0usize..3, 0u8..3, any::<bool>(), 0u8..5), 1..60),
    ) {
        let sizes = [1000, 1000, 400];
        let mut next = [0u32; 3];
        let mut given = Vec::new();
        for (jump, size, tunnel, push, oddity) in choices {
            let sequence = &mut next[usize::from(tunnel)];
            *sequence += u32::from(jump == 0) * 77;
            let payload = if oddity == 1 { 0 } else { sizes[size] };
            let flags = ACK | if push && oddity == 2 { PSH } else { 0 };
            let mut packet = finished(tcp_packet(3, &vec![tunnel; payload], *sequence, flags));
            if oddity == 3 {
                packet.push(0);
            }
            *sequence += payload as u32;
            given.push((tunnel, packet));
        }
        for tunnel in 0..3 {
            let before: Vec<_> = given.iter().filter(|(of, _)| *of == tunnel).map(|(_, packet)| without_id(packet)).collect();
            let after: Vec<_> = frames(&given).iter().filter(|frame| frame.tunnel == tunnel)
                .flat_map(|frame| as_sent(frame.header, &frame.packet)).map(|packet| without_id(&packet)).collect();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn any_bytes_are_passed_on_as_they_are(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..20)) {
        let given = on(1, packets);
        let frames = frames(&given);
        prop_assert_eq!(frames.len(), given.len());
    }
}

/// Without what is behind the packet, and the identification, which has no meaning in a packet that is not to be fragmented.
fn without_id(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet[..TcpLayout::of(packet).unwrap().total].to_vec();
    packet[4..6].fill(0);
    inet::seal_ipv4(&mut packet[..20]);
    packet
}
