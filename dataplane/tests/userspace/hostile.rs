//! What a tunnel must not take.

use std::net::{Ipv4Addr, SocketAddrV4};

use libtest_mimic::Trial;
use socket2::{Domain, Protocol, Socket, Type};
use warren_dataplane::userspace::DropReason;

use crate::{
    lab::{A, B, Lab, ROUTER_TO_B, eventually, within},
    trial,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("gre_of_a_third_party_is_dropped_and_counted", third_party),
        trial(
            "malformed_gre_in_the_peers_name_is_dropped_and_counted_by_reason",
            malformed,
        ),
    ]
}

fn third_party() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    // To the right host from the wrong one, and in the name of hosts without a tunnel.
    for source in [
        ROUTER_TO_B,
        Ipv4Addr::new(10, 1, 0, 2),
        Ipv4Addr::new(192, 0, 2, 7),
    ] {
        inject(&lab, source, &[&[0, 0, 8, 0], &echo_request()[..]].concat());
    }
    eventually("three packets counted", || {
        b.counters().strangers.get(&DropReason::UnknownPeer) == Some(&3)
    });
    let tunnel = &b.counters().tunnels["gt0"];
    assert_eq!((tunnel.rx_packets, tunnel.drops.len()), (0, 0));
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
}

fn malformed() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    let pid = b.forwarder();
    let echo = echo_request();
    let with = |header: &[u8]| [header, &echo].concat();
    let packets = [
        (with(&[0x20, 0, 8, 0, 0, 0, 0, 7]), DropReason::Keyed),
        (with(&[0x80, 0, 8, 0, 0, 0, 0, 0]), DropReason::Checksummed),
        (with(&[0x40, 0, 8, 0]), DropReason::Routing),
        (with(&[0, 1, 8, 0]), DropReason::Version),
        (with(&[0, 0, 0x65, 0x58]), DropReason::EtherType),
        (with(&[0, 0, 8, 0])[..20].to_vec(), DropReason::Inner),
        (vec![0, 0], DropReason::Truncated),
        (
            (0..200u8).map(|byte| byte.wrapping_mul(0x6d) | 0x80).collect(),
            DropReason::Version,
        ),
    ];
    for (packet, _) in &packets {
        inject(&lab, A, packet);
    }
    let expected = packets
        .iter()
        .fold(std::collections::BTreeMap::new(), |mut counts, (_, reason)| {
            *counts.entry(*reason).or_insert(0) += 1;
            counts
        });
    eventually("all counted by reason", || {
        b.counters().tunnels["gt0"].drops == expected
    });
    assert_eq!(b.counters().tunnels["gt0"].rx_packets, 0);
    // The same in order, to see that the way in was open.
    inject(&lab, A, &with(&[0, 0, 8, 0]));
    eventually("the good one taken", || {
        b.counters().tunnels["gt0"].rx_packets == 1
    });
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
    assert_eq!(b.forwarder(), pid);
}

/// Sends GRE from the router to host B in any name.
fn inject(lab: &Lab, source: Ipv4Addr, gre: &[u8]) {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0];
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&B.octets());
    packet.extend_from_slice(gre);
    within(&lab.name("r"), || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
        socket.send_to(&packet, &SocketAddrV4::new(B, 0).into()).unwrap();
    });
}

/// A whole IPv4 packet.
fn echo_request() -> Vec<u8> {
    let mut packet = vec![0; 28];
    packet[0] = 0x45;
    packet[3] = 28;
    packet[8] = 64;
    packet[9] = 1;
    packet[12..20].copy_from_slice(&[192, 168, 9, 1, 192, 168, 9, 2]);
    packet[20] = 8;
    packet
}
