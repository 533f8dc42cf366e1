//! Tunnels that an operator asks for past the ledger, and destinations that no session may teach us.

use std::{collections::BTreeSet, net::Ipv4Addr};

use warren_actors::{ManualError, StopMode};
use warren_state::{
    Asn, Exclusion, Phase, ServiceClass, ServiceKind,
    desired::{ManualRequest, manual_id},
    view::{RawIp, RawNet},
};

use crate::{
    ledger::CLIENT_IP,
    world::{World, gateway_link, id, link, phase},
};

fn request() -> ManualRequest {
    ManualRequest {
        kind: ServiceKind::Ibrl,
        source: CLIENT_IP,
        destination: Ipv4Addr::new(203, 0, 113, 77),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, 99, 0)),
            prefix_len: 31,
        },
        dz_ip: Some(CLIENT_IP),
        prefixes: BTreeSet::new(),
        publish: BTreeSet::new(),
        subscribe: BTreeSet::new(),
        rendezvous_point: None,
        local_asn: Asn(0),
        peer_asn: Asn(0),
    }
}

fn routes(world: &World) -> Vec<String> {
    let model = world.kernel.model();
    model
        .links()
        .get(&link())
        .into_iter()
        .flat_map(|have| &have.routes)
        .map(|route| route.dst.to_string())
        .collect()
}

async fn await_routes(world: &World, wanted: &[&str]) {
    world
        .eventually(&format!("the routes are {wanted:?}"), || routes(world) == wanted)
        .await;
}

#[tokio::test]
async fn a_manual_tunnel_is_there_when_the_call_returns_and_stays_while_the_daemon_is_disabled() {
    let mut world = World::client();
    world.ledger.add_user(0);
    world.start().await;
    world.converged().await;
    assert!(!world.kernel.has(&link()));
    world.handle().provision(request()).await.unwrap();
    assert!(world.kernel.has(&link()));
    let snapshot = world
        .until("its session is up", |s| {
            s.tunnels.values().any(|report| report.phase == Phase::Active)
        })
        .await;
    assert!(
        snapshot.tunnels.contains_key(&manual_id(ServiceClass::Unicast)) && phase(&snapshot, 0).is_none()
    );
    assert_eq!(
        world.handle().provision(request()).await.unwrap_err().to_string(),
        "cannot provision multiple unicast tunnels at the same time"
    );
    world
        .handle()
        .remove(manual_id(ServiceClass::Unicast))
        .await
        .unwrap();
    assert!(!world.kernel.has(&link()));
    world
        .handle()
        .remove(manual_id(ServiceClass::Unicast))
        .await
        .unwrap();
}

#[tokio::test]
async fn while_enabled_the_next_read_of_the_ledger_makes_it_as_the_ledger_says() {
    let mut world = World::client();
    world.settings.poll_interval = std::time::Duration::from_millis(50);
    let world = world.enabled().await;
    world.converged().await;
    let provisioned = world.handle().provision(request()).await;
    assert!(
        matches!(provisioned, Ok(()) | Err(ManualError::Superseded)),
        "{provisioned:?}"
    );
    world
        .eventually("it is gone again", || !world.kernel.has(&link()))
        .await;
    world.ledger.add_user(0);
    let before = world.active(0).await;
    world.handle().remove(id(0)).await.unwrap();
    let incarnation = before.tunnels.values().next().unwrap().incarnation;
    world
        .until("it is there again", |s| {
            s.tunnels
                .values()
                .any(|r| r.phase == Phase::Active && r.incarnation > incarnation)
        })
        .await;
}

#[tokio::test]
async fn a_manual_tunnel_that_cannot_be_built_leaves_nothing_and_says_why() {
    let mut world = World::client();
    world.start().await;
    world.converged().await;
    world.kernel.faults.lock().unwrap().fail_apply = 1;
    let error = world.handle().provision(request()).await.unwrap_err();
    assert!(
        matches!(&error, ManualError::Failed(text) if !text.is_empty()),
        "{error:?}"
    );
    world
        .until("nothing is left", |snapshot| {
            snapshot.tunnels.is_empty() && snapshot.converged
        })
        .await;
    assert!(!world.kernel.has(&link()));
    world.handle().provision(request()).await.unwrap();
}

#[tokio::test]
async fn a_manual_tunnel_does_not_outlive_the_daemon_by_more_than_a_restart() {
    let mut world = World::client();
    world.start().await;
    world.converged().await;
    world.handle().provision(request()).await.unwrap();
    world.stop(StopMode::Detach).await;
    assert!(world.kernel.has(&link()));
    world.start().await;
    world
        .eventually("it is gone", || !world.kernel.has(&link()))
        .await;
}

#[tokio::test]
async fn an_excluded_destination_goes_and_comes_back_while_the_session_stays() {
    let mut world = World::client();
    world.settings.exclusion = Exclusion::of(["10.20.0.0/16"]).unwrap();
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    await_routes(&world, &["10.10.0.0/16"]).await;
    let dials = world.peers.dials.load(std::sync::atomic::Ordering::SeqCst);
    world
        .handle()
        .exclude(Ok(Exclusion::of(["10.10.0.0", "10.20.0.0"]).unwrap()));
    await_routes(&world, &[]).await;
    world.handle().exclude(Err("it is nonsense".to_owned()));
    let snapshot = world
        .until("the reason shows", |snapshot| snapshot.exclusion.error.is_some())
        .await;
    assert_eq!(snapshot.exclusion.list.len(), 2, "the last good one holds");
    world.handle().exclude(Ok(Exclusion::default()));
    await_routes(&world, &["10.10.0.0/16", "10.20.0.0/16"]).await;
    assert_eq!(
        world.peers.dials.load(std::sync::atomic::Ordering::SeqCst),
        dials,
        "the session stayed"
    );
    let snapshot = world
        .until("the reason is gone", |snapshot| {
            snapshot.exclusion.error.is_none()
        })
        .await;
    assert_eq!(snapshot.events.get("exclusion_held"), Some(&1));
}

#[tokio::test]
async fn on_a_gateway_a_removal_takes_the_one_tunnel_that_is_named_and_nothing_is_provisioned() {
    let world = World::gateway().enabled().await;
    for number in 1..=3 {
        world.ledger.add_user(number);
    }
    for number in 1..=3 {
        world.active(number).await;
    }
    let error = world.handle().provision(request()).await.unwrap_err();
    assert!(error.to_string().starts_with("this is a gateway"), "{error}");
    let others = || [1, 3].map(|number| world.kernel.index(&gateway_link(number)));
    let before = others();
    world.handle().remove(id(2)).await.unwrap();
    assert_eq!(others(), before, "the others stay");
}
