//! Packets of multicast groups are counted, each way.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::SockRef;
use warren_state::{Direction, GroupFlow};

use crate::{packets::*, world::*};

const GROUP: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 1);
const ANOTHER: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 2);

pub async fn packets_of_groups_are_counted_each_way_and_of_each_tunnel(world: Arc<World>) {
    accept_from_anywhere(&world);
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let flows = [
        flow(1, GROUP, Direction::In),
        flow(1, GROUP, Direction::Out),
        flow(1, ANOTHER, Direction::In),
        flow(2, GROUP, Direction::In),
        flow(2, GROUP, Direction::Out),
    ];
    let none: BTreeMap<_, _> = flows.map(|flow| (flow, 0)).into();
    assert_eq!(ask(&world, &flows).await, none, "they are counted from here on");
    // A second question while packets pass loses none.
    pass(&world, flow(1, GROUP, Direction::In), 40);
    await_counts(&world, &flows, &[40, 0, 0, 0, 0]).await;
    pass(&world, flow(1, GROUP, Direction::In), 3);
    pass(&world, flow(1, GROUP, Direction::Out), 7);
    pass(&world, flow(1, ANOTHER, Direction::In), 2);
    pass(&world, flow(2, GROUP, Direction::Out), 1);
    await_counts(&world, &flows, &[43, 7, 2, 0, 1]).await;
}

pub async fn a_count_goes_on_over_another_link_and_ends_when_it_is_not_asked_for(world: Arc<World>) {
    accept_from_anywhere(&world);
    world.build(whole(1)).await;
    let flows = [flow(1, GROUP, Direction::Out), flow(1, ANOTHER, Direction::Out)];
    ask(&world, &flows).await;
    pass(&world, flows[0], 5);
    pass(&world, flows[1], 4);
    await_counts(&world, &flows, &[5, 4]).await;
    world.delete_link(1);
    assert_eq!(
        ask(&world, &flows).await,
        BTreeMap::from([(flows[0], 5), (flows[1], 4)])
    );
    assert!(world.remove(1).await.failed.is_empty());
    world.build(whole(1)).await;
    ask(&world, &flows[..1]).await;
    pass(&world, flows[0], 1);
    pass(&world, flows[1], 1);
    await_counts(&world, &flows[..1], &[6]).await;
    assert_eq!(
        ask(&world, &flows).await,
        BTreeMap::from([(flows[0], 6), (flows[1], 0)]),
        "what was not asked for begins anew"
    );
    assert_eq!(ask(&world, &[]).await, BTreeMap::new());
}

pub async fn groups_of_a_tunnel_that_is_not_there_have_no_packets(world: Arc<World>) {
    let flows = [flow(1, GROUP, Direction::In)];
    assert_eq!(ask(&world, &flows).await, BTreeMap::from([(flows[0], 0)]));
}

fn flow(n: u8, group: Ipv4Addr, direction: Direction) -> GroupFlow {
    GroupFlow {
        tunnel: tunnel(n),
        group,
        direction,
    }
}

async fn ask(world: &World, flows: &[GroupFlow]) -> BTreeMap<GroupFlow, u64> {
    let flows: BTreeSet<GroupFlow> = flows.iter().copied().collect();
    world.dataplane().groups(flows).await.unwrap()
}

/// The userspace backend's packets arrive a moment later.
async fn await_counts(world: &World, flows: &[GroupFlow], expected: &[u64]) {
    let expected: BTreeMap<_, _> = flows.iter().copied().zip(expected.iter().copied()).collect();
    let until = Instant::now() + patience();
    loop {
        let counted = ask(world, flows).await;
        if counted == expected {
            return;
        }
        assert!(Instant::now() < until, "{counted:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// This many packets pass over the link of the tunnel, whose number is also in its addresses.
fn pass(world: &World, flow: GroupFlow, packets: u64) {
    if let Some(simulated) = world.simulated() {
        return simulated.carry_group(flow, packets);
    }
    let n = flow.tunnel.0.0[0] - 1;
    for _ in 0..packets {
        match flow.direction {
            Direction::In => come(n, flow.group),
            Direction::Out => leave(n, flow.group),
        }
    }
}

/// An application of this host sends to the group.
fn leave(n: u8, group: Ipv4Addr) {
    let socket = UdpSocket::bind((overlay(n).address, 0)).unwrap();
    SockRef::from(&socket)
        .set_multicast_if_v4(&overlay(n).address)
        .unwrap();
    socket.send_to(b"a shred", (group, 7000)).unwrap();
}

/// A packet of the group comes from the tunnel's far end.
fn come(n: u8, group: Ipv4Addr) {
    let inner = datagram(
        17,
        [203, 0, 113, 200].into(),
        group,
        &[0x1b, 0x58, 0x1b, 0x58, 0, 9, 0, 0, b'x'],
    );
    arrive(n, &inner);
}
