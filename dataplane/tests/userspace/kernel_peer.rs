//! Against the kernel's own GRE, where it has it.

use std::net::Ipv4Addr;

use libtest_mimic::Trial;

use crate::{
    lab::{A, B, Host, INNER_A, INNER_B, Lab, PATIENCE, eventually, ip, transfer, try_ip, within},
    trial,
};

pub fn trials() -> Vec<Trial> {
    let trials = [
        trial("pings_cross_to_a_kernel_tunnel_both_ways", pings),
        trial("datagrams_cross_to_a_kernel_tunnel_both_ways", datagrams),
        trial(
            "tcp_is_whole_to_and_from_a_kernel_tunnel_with_all_its_offloads",
            tcp,
        ),
        trial(
            "large_packets_cross_a_narrow_path_to_and_from_a_kernel_tunnel",
            narrow,
        ),
    ];
    let can = kernel_has_gre();
    if !can {
        eprintln!("skipped by name: the kernel has no GRE (ip link add type gre)");
    }
    trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(!can))
        .collect()
}

fn pings() {
    let lab = Lab::routed();
    let (a, b) = pair(&lab);
    a.must_ping("-c 5 -i 0.05 192.168.9.2");
    b.must_ping("-c 5 -i 0.05 192.168.9.1");
    a.must_ping("-c 3 -i 0.05 -s 1448 -M do 192.168.9.2");
    b.must_ping("-c 3 -i 0.05 -s 1448 -M do 192.168.9.1");
}

fn datagrams() {
    use std::net::UdpSocket;

    let lab = Lab::routed();
    let (a, b) = pair(&lab);
    let open = |host: &Host, address| within(&host.namespace, || UdpSocket::bind((address, 0)).unwrap());
    let (at_a, at_b) = (open(&a, INNER_A), open(&b, INNER_B));
    for (from, to) in [(&at_a, &at_b), (&at_b, &at_a)] {
        to.set_read_timeout(Some(PATIENCE)).unwrap();
        from.send_to(b"hello", to.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(to.recv(&mut buffer).unwrap(), 5);
    }
}

fn tcp() {
    let lab = Lab::routed();
    let (a, b) = pair(&lab);
    transfer(&a.namespace, &b.namespace, INNER_B, 2 << 20);
    transfer(&b.namespace, &a.namespace, INNER_A, 2 << 20);
    let lab = Lab::direct();
    let (a, b) = pair(&lab);
    transfer(&a.namespace, &b.namespace, INNER_B, 2 << 20);
    transfer(&b.namespace, &a.namespace, INNER_A, 2 << 20);
}

fn narrow() {
    let lab = Lab::routed();
    let (a, b) = pair(&lab);
    ip(&format!("-n {} link set b1 mtu 1400", lab.name("r")));
    ip(&format!("-n {} link set u0 mtu 1400", b.namespace));
    for (host, peer) in [(&a, INNER_B), (&b, INNER_A)] {
        // Either end may have to learn first what the way takes.
        let crosses = |size: &str| host.ping(&format!("-c 1 -W 2 {size} {peer}")).status.success();
        eventually("a packet that may be cut crosses", || crosses("-s 1448 -M dont"));
        eventually("a packet that fits crosses", || crosses("-s 1348 -M do"));
    }
    transfer(&a.namespace, &b.namespace, INNER_B, 2 << 20);
    transfer(&b.namespace, &a.namespace, INNER_A, 2 << 20);
}

/// Host A with a userspace tunnel, host B with the kernel's.
fn pair(lab: &Lab) -> (Host, Host) {
    let (a, b) = (lab.host("a"), lab.host("b"));
    a.tunnel(A, B, INNER_A, INNER_B);
    kernel_tunnel(&b.namespace, B, A, INNER_B, INNER_A);
    (a, b)
}

fn kernel_tunnel(namespace: &str, local: Ipv4Addr, remote: Ipv4Addr, inner: Ipv4Addr, inner_peer: Ipv4Addr) {
    ip(&format!(
        "-n {namespace} link add gt0 type gre local {local} remote {remote} ttl 64"
    ));
    ip(&format!(
        "-n {namespace} addr add {inner} peer {inner_peer} dev gt0"
    ));
    ip(&format!("-n {namespace} link set gt0 mtu 1476 up"));
}

fn kernel_has_gre() -> bool {
    let probe = format!("wu{}gre", std::process::id());
    let has = try_ip(&format!("netns add {probe}"))
        && try_ip(&format!(
            "-n {probe} link add g1 type gre local 127.0.0.1 remote 127.0.0.2 ttl 64"
        ));
    try_ip(&format!("netns del {probe}"));
    has
}
