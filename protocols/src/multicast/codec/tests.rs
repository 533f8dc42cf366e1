use std::net::Ipv4Addr;

use proptest::{collection::vec, prelude::*};

use super::{
    DecodeError, HEARTBEAT, Ipv4Packet, UdpDatagram,
    pim::{Group, Hello, JoinPrune, Message, Register, split},
    registered_heartbeat,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn same_both_ways(message: Message, bytes: &str) {
    assert_eq!(message.encode(), hex(bytes));
    assert_eq!(Message::decode(&hex(bytes)), Ok(message));
}

/// A router's Hello, which has State-Refresh (option 21) besides what we send.
const ROUTERS_HELLO: &str = "200041fe 000100020069 00140004d76fc4dc 0013000400000001 0015000401000000";

#[test]
fn multicast_golden_hello_is_byte_for_byte_the_networks() {
    let hello = Hello {
        hold: 105,
        generation_id: Some(3_614_426_332),
        dr_priority: Some(1),
    };
    same_both_ways(
        Message::Hello(hello),
        "20004317 000100020069 00140004d76fc4dc 0013000400000001",
    );
    assert_eq!(Message::decode(&hex(ROUTERS_HELLO)), Ok(Message::Hello(hello)));
}

#[test]
fn multicast_golden_join_is_byte_for_byte_the_networks() {
    let groups = vec![Group::join(
        Ipv4Addr::new(239, 123, 123, 123),
        Ipv4Addr::new(1, 1, 1, 1),
    )];
    let join = JoinPrune {
        upstream: Ipv4Addr::new(10, 0, 0, 13),
        hold: 210,
        groups,
    };
    same_both_ways(
        Message::JoinPrune(join),
        "23005ae5 01000a00000d 0001 00d2 01000020ef7b7b7b 0001 0000 01000720 01010101",
    );
}

#[test]
fn multicast_golden_prune_differs_in_counts_and_hold_time() {
    let groups = vec![Group::prune(
        Ipv4Addr::new(239, 123, 123, 123),
        Ipv4Addr::new(1, 1, 1, 1),
    )];
    let prune = JoinPrune {
        upstream: Ipv4Addr::new(10, 0, 0, 13),
        hold: 5,
        groups,
    };
    // The hold time is 0xcd less than in the join, and the two counts give the same sum.
    same_both_ways(
        Message::JoinPrune(prune),
        "23005bb2 01000a00000d 0001 0005 01000020ef7b7b7b 0000 0001 01000720 01010101",
    );
}

/// Summed by hand. IPv4: 4500 + 0020 + 2011 + 9433 + 7acb + e954 + b205 = 30f88, with carry 0f8b, inverted f074.
/// UDP: 9433 + 7acb + e954 + b205 + 0011 + 000c + 1685 + 1685 + 000c + 445a + 0001 = 31be5, with carry 1be8, inverted e417.
#[test]
fn multicast_golden_register_has_a_checksum_over_eight_bytes_and_an_inner_packet_with_right_checksums() {
    let (source, group) = (Ipv4Addr::new(148, 51, 122, 203), Ipv4Addr::new(233, 84, 178, 5));
    let bytes =
        "2100deff 00000000 4500 0020 0000 0000 2011 f074 94337acb e954b205 1685 1685 000c e417 445a0001";
    same_both_ways(
        Message::Register(Register::data(registered_heartbeat(source, group))),
        bytes,
    );
    let inner = Ipv4Packet::decode(&registered_heartbeat(source, group)).unwrap();
    let datagram = UdpDatagram::decode(inner.source, inner.destination, &inner.payload).unwrap();
    assert_eq!(
        (
            inner.ttl,
            inner.protocol,
            datagram.source_port,
            datagram.destination_port
        ),
        (32, 17, 5765, 5765)
    );
    assert_eq!(datagram.payload, HEARTBEAT);
}

#[test]
fn multicast_a_wrong_checksum_is_refused_anywhere() {
    let hello = Message::Hello(Hello {
        hold: 105,
        generation_id: Some(7),
        dr_priority: Some(1),
    })
    .encode();
    for at in 0..hello.len() {
        let mut broken = hello.clone();
        broken[at] ^= 0x01;
        assert!(Message::decode(&broken).is_err(), "byte {at}");
    }
    let mut packet = registered_heartbeat(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(233, 0, 0, 1));
    packet[8] -= 1;
    assert_eq!(Ipv4Packet::decode(&packet), Err(DecodeError::Checksum("ip")));
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn group() -> impl Strategy<Value = Group> {
    (address(), vec(address(), 0..4), vec(address(), 0..4)).prop_map(|(address, joined, pruned)| Group {
        address,
        joined,
        pruned,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let hello = (any::<u16>(), any::<Option<u32>>(), any::<Option<u32>>());
    let join_prune = (address(), any::<u16>(), vec(group(), 0..=255));
    let register = (any::<bool>(), any::<bool>(), vec(any::<u8>(), 0..100));
    prop_oneof![
        hello.prop_map(|(hold, generation_id, dr_priority)| Message::Hello(Hello {
            hold,
            generation_id,
            dr_priority
        })),
        join_prune.prop_map(|(upstream, hold, groups)| Message::JoinPrune(JoinPrune {
            upstream,
            hold,
            groups
        })),
        register.prop_map(|(border, null, inner)| Message::Register(Register { border, null, inner })),
    ]
}

proptest! {
    #[test]
    fn multicast_what_is_encoded_decodes_to_the_same(message in message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn multicast_packets_decode_to_the_same(source in address(), destination in address(), ttl: u8, protocol: u8, port: u16, payload in vec(any::<u8>(), 0..200)) {
        let datagram = UdpDatagram { source_port: port, destination_port: 5765, payload };
        let packet = Ipv4Packet { source, destination, ttl, protocol, payload: datagram.encode(source, destination) };
        let decoded = Ipv4Packet::decode(&packet.encode());
        prop_assert_eq!(decoded.as_ref(), Ok(&packet));
        prop_assert_eq!(UdpDatagram::decode(source, destination, &packet.payload), Ok(datagram));
    }

    #[test]
    fn multicast_no_bytes_make_the_decoders_panic(bytes in vec(any::<u8>(), 0..300), kind in 0u8..5) {
        // Past the checksum, too: that is where the lengths are read.
        let mut sealed = bytes.clone();
        if sealed.len() >= 4 {
            sealed[0] = 0x20 | kind;
            sealed[2..4].fill(0);
            let check = super::checksum(&sealed);
            sealed[2..4].copy_from_slice(&check.to_be_bytes());
        }
        let _ = (Message::decode(&bytes), Message::decode(&sealed), Ipv4Packet::decode(&bytes));
        let _ = UdpDatagram::decode(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, &bytes);
    }

    #[test]
    fn multicast_a_message_cut_short_is_refused(groups in vec(group(), 1..5), cut in 1usize..40) {
        let bytes = Message::JoinPrune(JoinPrune { upstream: Ipv4Addr::LOCALHOST, hold: 1, groups }).encode();
        prop_assert!(Message::decode(&bytes[..bytes.len() - cut.min(bytes.len())]).is_err());
    }

    #[test]
    fn multicast_a_split_loses_nothing_and_keeps_to_size_and_count(groups in vec(group(), 0..700), largest in 100usize..10_000) {
        let messages = split(groups.clone(), largest, |groups| JoinPrune { upstream: Ipv4Addr::LOCALHOST, hold: 1, groups });
        for message in &messages {
            prop_assert!((1..=255).contains(&message.groups.len()));
            prop_assert!(Message::JoinPrune(message.clone()).encode().len() <= largest);
        }
        prop_assert_eq!(messages.into_iter().flat_map(|message| message.groups).collect::<Vec<_>>(), groups);
    }
}
