//! What sessions and multicast services tell of themselves.

use ipnet::Ipv4Net;
use warren_protocols::bgp::codec::Notification;
use warren_state::{
    Direction, GroupFlow, Pubkey, Sequence, ServiceKind, SessionStatus,
    event::{Event, Kind, Probe},
    standing::{BgpState, RouteRefusal},
    table::Since,
    view::MulticastGroup,
};

use crate::{
    flood::probing,
    ledger::{CLIENT_IP, user, user_key},
    world::{World, id},
};

#[tokio::test]
async fn what_a_peer_sent_and_was_not_taken_and_why_it_ended_the_session_are_told_and_go_with_the_tunnel() {
    let world = World::client().enabled().await;
    world.peers.announce("0.0.0.0/0");
    world.ledger.add_user(0);
    world.active(0).await;
    let refused = |reason| {
        move |snapshot: &warren_actors::Snapshot| {
            snapshot
                .sessions
                .get(&id(0))
                .is_some_and(|standing| standing.refused.contains_key(&reason))
        }
    };
    let snapshot = world
        .until(
            "the default route is refused",
            refused(RouteRefusal::DefaultRoute),
        )
        .await;
    let standing = &snapshot.sessions[&id(0)];
    let default: Ipv4Net = "0.0.0.0/0".parse().unwrap();
    assert_eq!(
        (
            standing.refused[&RouteRefusal::DefaultRoute].count,
            &standing.refused[&RouteRefusal::DefaultRoute].latest
        ),
        (1, &vec![default])
    );
    let snapshot = world
        .until("what was sent is counted", |snapshot| {
            let standing = &snapshot.sessions[&id(0)];
            (standing.prefixes, standing.state) == (2, BgpState::Established)
                && standing.counters.updates_in >= 1
        })
        .await;
    assert_eq!(snapshot.sessions[&id(0)].last_notification(), None);

    world.peers.end(Notification {
        code: 6,
        subcode: 1,
        data: vec![],
    });
    let standing_of = |snapshot: &warren_actors::Snapshot| snapshot.sessions[&id(0)].clone();
    let snapshot = world
        .until("the NOTIFICATION is told", |snapshot| {
            standing_of(snapshot).last_received.is_some()
        })
        .await;
    let (last, is_theirs) = (standing_of(&snapshot)
        .last_notification()
        .map(|(last, theirs)| (last.to_string(), theirs)))
    .unwrap();
    assert_eq!(
        (last.as_str(), is_theirs),
        ("Cease / Maximum Number of Prefixes Reached", true)
    );
    world
        .until("the session comes back", |snapshot| {
            standing_of(snapshot).counters.established == 2
        })
        .await;
    let snapshot = world
        .until("and is up", |snapshot| {
            snapshot.tunnels[&id(0)].session == SessionStatus::Up
        })
        .await;
    assert_eq!(
        standing_of(&snapshot)
            .last_received
            .as_ref()
            .map(|last| last.what.subcode),
        Some(1),
        "what came last is still told"
    );

    world.handle().set_enabled(false).await.unwrap();
    let snapshot = world.gone(0).await;
    assert!(snapshot.sessions.is_empty());
    let Since { tables, steps, .. } = world.handle().since(Sequence(0));
    assert!(tables.sessions.is_empty());
    assert!(steps.unwrap().len() < 200, "what is counted is told together");
}

#[tokio::test]
async fn multicast_services_tell_their_groups_and_that_nothing_leaves_where_there_is_no_link() {
    let world = World::client().enabled().await;
    let group = Pubkey([77; 32]);
    let address = [233, 84, 178, 1].into();
    world.ledger.edit(|view| {
        view.groups.insert(
            group,
            MulticastGroup {
                code: "mg".to_owned(),
                multicast_ip: address,
                max_bandwidth: 1,
                status: 1,
            },
        );
        let subscriber = warren_state::view::User {
            kind: Ok(ServiceKind::Multicast),
            dz_ip: CLIENT_IP,
            subscribers: vec![group],
            ..user(0)
        };
        view.users.insert(user_key(0), subscriber);
    });
    // The kernel in memory has the link, and the host has not.
    let failing = |snapshot: &warren_actors::Snapshot| {
        snapshot
            .multicast
            .get(&id(0))
            .is_some_and(|standing| standing.failing.is_some())
    };
    let snapshot = world.until("it is told why nothing leaves", failing).await;
    let standing = &snapshot.multicast[&id(0)];
    assert_eq!(
        (standing.joined.count, &standing.joined.first),
        (1, &vec![address])
    );
    assert!(
        standing.last_said.is_some() && standing.counters.unsent > 0,
        "{standing:?}"
    );
    let impaired =
        |event: &Event| matches!(event, Event::MulticastImpaired { tunnel, .. } if *tunnel == id(0));
    assert!(has_told(&world, impaired), "with the change");
    let flow = GroupFlow {
        tunnel: id(0),
        group: address,
        direction: Direction::In,
    };
    let heard = |snapshot: &warren_actors::Snapshot| {
        let groups = snapshot.groups.get(&id(0))?;
        groups.received.get(&address).copied()
    };
    let counted = |snapshot: &warren_actors::Snapshot| heard(snapshot).is_some();
    let snapshot = world.until("its packets are counted", counted).await;
    assert_eq!(
        heard(&snapshot).map(|heard| (heard.packets, heard.last)),
        Some((0, None))
    );
    world.kernel.pass(flow, 7);
    let snapshot = world
        .until("the group is heard", |snapshot| {
            heard(snapshot).is_some_and(|heard| heard.packets == 7)
        })
        .await;
    assert!(heard(&snapshot).is_some_and(|heard| heard.last.is_some()));
    world.kernel.faults.lock().unwrap().fail_groups = true;
    let unknown = |event: &Event| {
        matches!(
            event,
            Event::ProbeImpaired {
                probe: Probe::Groups,
                ..
            }
        )
    };
    world
        .eventually("it is told that nothing is counted", || has_told(&world, unknown))
        .await;
    world.kernel.faults.lock().unwrap().fail_groups = false;
    let known = |event: &Event| *event == Event::ProbeMended { probe: Probe::Groups };
    world
        .eventually("and that it is again", || has_told(&world, known))
        .await;
    world.handle().set_enabled(false).await.unwrap();
    let gone = world.gone(0).await;
    assert!(gone.multicast.is_empty() && gone.groups.is_empty());
}

fn has_told(world: &World, such: impl Fn(&Event) -> bool) -> bool {
    world.told().iter().any(|entry| such(&entry.event))
}

#[tokio::test]
async fn a_port_that_somebody_has_keeps_liveness_from_probing_and_that_is_told_with_its_end() {
    let taken = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let mut world = World::client();
    world.settings.liveness = Some(probing(taken.local_addr().unwrap().port()));
    let world = world.enabled().await;
    let problem = |snapshot: &warren_actors::Snapshot| {
        snapshot
            .liveness
            .as_ref()
            .is_some_and(|status| status.socket_error.is_some())
    };
    world.until("the port is taken", problem).await;
    let of_liveness = |world: &World| {
        let told = world.told();
        told.iter()
            .map(|entry| entry.event.kind())
            .filter(|kind| matches!(kind, Kind::ProbeImpaired | Kind::ProbeMended))
            .collect::<Vec<_>>()
    };
    assert_eq!(of_liveness(&world), [Kind::ProbeImpaired]);
    drop(taken);
    world
        .until("it has its socket", |snapshot| !problem(snapshot))
        .await;
    assert_eq!(of_liveness(&world), [Kind::ProbeImpaired, Kind::ProbeMended]);
}
