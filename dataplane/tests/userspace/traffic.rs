//! Packets cross.

use std::process::Command;

use libtest_mimic::Trial;

use crate::{
    lab::{A, B, Host, INNER_A, INNER_B, Lab, eventually, ip, spec, transfer, within},
    trial,
};
use warren_dataplane::{kernel::LinkMaker, userspace::DropReason};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("pings_cross_a_routed_underlay_both_ways", pings_cross),
        trial("a_packet_of_the_full_mtu_crosses_unfragmented", full_mtu),
        trial("fifty_megabytes_of_tcp_arrive_as_they_were_sent", tcp_is_whole),
        trial(
            "tcp_is_whole_when_the_kernel_joins_packets_before_the_forwarder",
            tcp_with_kernel_gro,
        ),
        trial("a_changed_ttl_is_on_the_wire", changed_ttl),
        trial(
            "a_link_that_is_down_costs_its_packets_and_nothing_else",
            link_down,
        ),
        trial(
            "an_unreachable_underlay_costs_its_packets_and_nothing_else",
            underlay_unreachable,
        ),
        trial(
            "a_packet_too_large_for_the_underlay_is_cut_or_answered_with_what_fits",
            underlay_too_small,
        ),
        trial(
            "tcp_is_whole_over_an_underlay_that_is_narrower_than_the_link",
            tcp_over_narrow_underlay,
        ),
        trial(
            "tcp_is_whole_over_a_path_that_is_narrower_than_the_link",
            tcp_over_narrow_path,
        ),
        trial("a_way_that_becomes_wider_is_found_out", wider_again),
        trial("a_tunnel_routed_into_itself_does_not_run_away", recursion),
        trial("ipv6_crosses", ipv6),
    ]
}

fn pings_cross() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    a.must_ping("-c 5 -i 0.05 192.168.9.2");
    b.must_ping("-c 5 -i 0.05 192.168.9.1");
    let counters = &b.counters().tunnels["gt0"];
    // And what IPv6 has to say on a new link.
    assert!(
        counters.rx_packets >= 10 && counters.tx_packets >= 10,
        "{counters:?}"
    );
    assert!(
        counters.rx_bytes >= 840 && counters.tx_bytes >= 840,
        "{counters:?}"
    );
    // IPv6 may have spoken before this end was up.
    assert!(
        counters
            .drops
            .keys()
            .all(|reason| *reason == DropReason::LinkDown),
        "{counters:?}"
    );
}

fn full_mtu() {
    let lab = Lab::routed();
    let (a, _b) = lab.connected();
    a.must_ping("-c 3 -i 0.05 -s 1448 -M do 192.168.9.2");
    assert!(!a.ping("-c 1 -W 1 -s 1449 -M do 192.168.9.2").status.success());
}

fn tcp_is_whole() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    transfer(&a.namespace, &b.namespace, INNER_B, 50 << 20);
    transfer(&b.namespace, &a.namespace, INNER_A, 50 << 20);
}

fn tcp_with_kernel_gro() {
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    for host in [&a, &b] {
        let ethtool = within(&host.namespace, || {
            Command::new("ethtool")
                .args(["-K", "u0", "gro", "on"])
                .status()
                .unwrap()
        });
        assert!(ethtool.success());
    }
    transfer(&a.namespace, &b.namespace, INNER_B, 50 << 20);
    a.must_ping("-c 5 -i 0.05 192.168.9.2");
}

fn changed_ttl() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    let mut changed = spec("gt0", A, B);
    changed.ttl = 1;
    a.run(a.links.change(&changed)).unwrap();
    // The kernel may have sent something of its own before.
    let received = || b.counters().tunnels["gt0"].rx_packets;
    let before = received();
    // The router is one hop too far.
    assert!(!a.ping("-c 2 -i 0.05 -W 1 192.168.9.2").status.success());
    assert_eq!(received(), before);
    changed.ttl = 2;
    a.run(a.links.change(&changed)).unwrap();
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
}

fn link_down() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    let (before_a, before_b) = (a.forwarder(), b.forwarder());
    ip(&format!("-n {} link set gt0 down", b.namespace));
    assert!(!a.ping("-c 3 -i 0.05 -W 1 192.168.9.2").status.success());
    assert_eq!(b.counters().tunnels["gt0"].drops[&DropReason::LinkDown], 3);
    ip(&format!("-n {} link set gt0 up", b.namespace));
    a.must_ping("-c 3 -i 0.05 192.168.9.2");
    assert_eq!((a.forwarder(), b.forwarder()), (before_a, before_b));
}

fn underlay_unreachable() {
    let lab = Lab::routed();
    let (a, _b) = lab.connected();
    ip(&format!("-n {} route del default", a.namespace));
    assert!(!a.ping("-c 3 -i 0.05 -W 1 192.168.9.2").status.success());
    assert_eq!(a.counters().tunnels["gt0"].drops[&DropReason::Unreachable], 3);
    ip(&format!("-n {} route add default via 10.1.0.254", a.namespace));
    a.must_ping("-c 3 -i 0.05 192.168.9.2");
}

fn underlay_too_small() {
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    set_underlay(&[&a, &b], 1400);
    let refused = a.ping("-c 2 -i 0.2 -W 1 -s 1448 -M do 192.168.9.2");
    let text = String::from_utf8_lossy(&refused.stdout);
    assert!(
        !refused.status.success()
            && text.contains("From 192.168.9.2 icmp_seq=1 Frag needed and DF set (mtu = 1376)"),
        "{text}"
    );
    assert_eq!(
        a.counters().tunnels["gt0"].drops[&DropReason::TooBig],
        1,
        "the second one was not even sent"
    );
    a.must_ping("-c 2 -i 0.05 -s 1348 -M do 192.168.9.2");
    b.must_ping("-c 2 -i 0.05 -s 1448 -M dont 192.168.9.1");
}

fn tcp_over_narrow_underlay() {
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    set_underlay(&[&a, &b], 1400);
    transfer(&a.namespace, &b.namespace, INNER_B, 20 << 20);
    transfer(&b.namespace, &a.namespace, INNER_A, 20 << 20);
}

/// A wire takes what both of its ends take.
fn set_underlay(ends: &[&Host], mtu: u32) {
    for host in ends {
        ip(&format!("-n {} link set u0 mtu {mtu}", host.namespace));
    }
}

fn tcp_over_narrow_path() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    // Only the router knows, and says so to who sends from the other side.
    ip(&format!("-n {} link set b1 mtu 1300", lab.name("r")));
    ip(&format!("-n {} link set u0 mtu 1300", b.namespace));
    transfer(&a.namespace, &b.namespace, INNER_B, 20 << 20);
    transfer(&b.namespace, &a.namespace, INNER_A, 20 << 20);
}

fn wider_again() {
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    let cut = || {
        let before = pieces_put_together(&b);
        // Nobody tells the sender of these what fits.
        a.must_ping("-c 1 -s 1448 -M dont 192.168.9.2");
        pieces_put_together(&b) > before
    };
    set_underlay(&[&a, &b], 1400);
    assert!(cut());
    set_underlay(&[&a, &b], 1500);
    eventually("a whole packet crosses", || !cut());
}

/// Fragments that the host had to put together (proc_net_snmp, `ReasmReqds`).
fn pieces_put_together(host: &Host) -> u64 {
    let text = within(&host.namespace, || {
        std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap()
    });
    let mut lines = text.lines().filter(|line| line.starts_with("Ip:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let (_, value) = names
        .split(' ')
        .zip(values.split(' '))
        .find(|(name, _)| *name == "ReasmReqds")
        .unwrap();
    value.parse().unwrap()
}

fn recursion() {
    let lab = Lab::routed();
    let (a, _b) = lab.connected();
    ip(&format!("-n {} route add {B} dev gt0", a.namespace));
    assert!(!a.ping("-c 1 -W 1 192.168.9.2").status.success());
    eventually("counted", || {
        a.counters().tunnels["gt0"]
            .drops
            .contains_key(&DropReason::Recursion)
    });
    ip(&format!("-n {} route del {B} dev gt0", a.namespace));
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
}

fn ipv6() {
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    ip(&format!(
        "-n {} -6 addr add fd00:9::1/64 dev gt0 nodad",
        a.namespace
    ));
    ip(&format!(
        "-n {} -6 addr add fd00:9::2/64 dev gt0 nodad",
        b.namespace
    ));
    a.must_ping("-6 -c 3 -i 0.05 fd00:9::2");
}
