//! Which address a client uses, and what that does to its tunnels.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use warren_actors::{ClientSettings, EnableError, RoleSettings, Snapshot, StopMode};
use warren_state::{
    LinkName, Phase, ServiceKind,
    address::{Source, Unusable},
    event::Event,
    view::User,
};
use warren_store::Store;

use crate::{
    connect::address_service,
    ledger::{DEVICE_IP, user, user_key},
    world::{World, id, link},
};

const A: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 6);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

/// A client with both addresses that prefers the first one and looks often, and the ledger has its user.
fn client() -> World {
    let mut world = World::new(settings(None));
    world.settings.guard.confirm_after = Duration::from_millis(50);
    for address in [A, B] {
        assert!(world.kernel.model().add_host_address(address));
    }
    prefer(&world, A);
    world.ledger.add_user(5);
    world
}

fn settings(service_url: Option<String>) -> RoleSettings {
    RoleSettings::Client(ClientSettings {
        recheck_interval: Duration::from_millis(20),
        service_url,
        ..ClientSettings::default()
    })
}

fn prefer(world: &World, source: Ipv4Addr) {
    *world.kernel.sources.lock().unwrap() = Some(source);
}

fn held(snapshot: &Snapshot) -> bool {
    (snapshot.client_ip(), snapshot.other_client_ip) == (Some(A), Some(B))
}

/// Why tunnel 5 was taken down.
fn reason(world: &World) -> String {
    let told = world.told();
    let reasons = told.iter().filter_map(|entry| match &entry.event {
        Event::PhaseChanged {
            tunnel,
            to: Phase::Draining,
            reason,
            ..
        } if *tunnel == id(5) => reason.as_ref().map(ToString::to_string),
        _ => None,
    });
    reasons.last().unwrap_or_default()
}

#[tokio::test]
async fn another_preferred_source_takes_no_tunnel_while_its_address_is_on_the_host() {
    let world = client().enabled().await;
    world.active(5).await;
    world.converged().await;
    let (index, changes) = (
        world.kernel.index(&link()),
        world.kernel.changes.lock().unwrap().len(),
    );
    prefer(&world, B);
    world.kernel.meddle(&LinkName::new("eth0").unwrap(), |_| true);
    let snapshot = world.until("it is told that another would be chosen", held).await;
    assert_eq!(snapshot.events.get("client_ip_held"), Some(&1));
    let looks = || world.kernel.looks.load(std::sync::atomic::Ordering::SeqCst);
    let before = looks();
    world.eventually("it looks on", || looks() > before + 20).await;
    assert!(held(&world.handle().snapshot()));
    assert_eq!(
        (
            world.kernel.index(&link()),
            world.kernel.changes.lock().unwrap().len()
        ),
        (index, changes),
        "nothing was touched"
    );
    prefer(&world, A);
    world
        .until("it is preferred again", |snapshot| {
            snapshot.other_client_ip.is_none()
        })
        .await;
}

#[tokio::test]
async fn an_address_that_has_left_the_host_takes_its_tunnel_along_and_the_reason_is_told_as_it_is() {
    let world = client().enabled().await;
    world.active(5).await;
    assert!(world.kernel.model().delete_host_address(A));
    prefer(&world, B);
    world
        .until("the other one is in force", |snapshot| {
            snapshot.client_ip() == Some(B)
        })
        .await;
    world.gone(5).await;
    assert_eq!(
        reason(&world),
        "this host's address is 20.0.0.6 now, no longer 20.0.0.5"
    );
    world.ledger.add_user(6);
    world.active(6).await;
}

#[tokio::test]
async fn after_a_restart_the_address_before_counts_though_another_one_is_preferred_first() {
    let mut world = client().enabled().await;
    world.active(5).await;
    let index = world.kernel.index(&link());
    world.stop(StopMode::Detach).await;
    prefer(&world, B);
    world.start().await;
    world.until("the address before is in force", held).await;
    world.active(5).await;
    assert_eq!(world.kernel.index(&link()), index, "it is the same link");
}

#[tokio::test]
async fn a_tunnel_in_place_counts_before_the_guess_where_nothing_is_remembered() {
    let mut world = client().enabled().await;
    world.active(5).await;
    let index = world.kernel.index(&link());
    world.stop(StopMode::Detach).await;
    drop(world.open_store().await);
    world.directory = tempfile::tempdir().unwrap();
    Store::open(world.directory.path())
        .unwrap()
        .0
        .set_enabled(true)
        .unwrap();
    prefer(&world, B);
    world.start().await;
    world.until("the tunnel's address is in force", held).await;
    world.active(5).await;
    assert_eq!(world.kernel.index(&link()), index, "it is the same link");
}

#[tokio::test]
async fn an_address_that_an_operator_names_replaces_the_one_of_a_tunnel_in_place() {
    let mut world = client().enabled().await;
    world.active(5).await;
    world.stop(StopMode::Detach).await;
    world.settings.role = RoleSettings::Client(ClientSettings {
        client_ip: Some(B),
        ..ClientSettings::default()
    });
    world.start().await;
    world
        .eventually("the tunnel is gone", || !world.kernel.has(&link()))
        .await;
    assert_eq!(world.handle().snapshot().client_ip(), Some(B));
}

#[tokio::test]
async fn an_address_that_nobody_uses_gives_way_to_the_preferred_one() {
    let world = client().enabled().await;
    world.active(5).await;
    prefer(&world, B);
    world.until("it stays", held).await;
    world.ledger.edit(|view| {
        view.users.remove(&user_key(5));
    });
    world.gone(5).await;
    assert_eq!(reason(&world), "the ledger no longer asks for it");
    world
        .until("the preferred one is in force", |snapshot| {
            snapshot.client_ip() == Some(B)
        })
        .await;
}

#[tokio::test]
async fn a_tunnel_that_works_behind_a_translator_stays_when_the_service_says_another_address() {
    let says = Arc::new(std::sync::Mutex::new(A));
    let (url, service) = address_service(says.clone()).await;
    let mut world = World::new(settings(Some(url)));
    assert!(world.kernel.model().add_host_address(PRIVATE));
    prefer(&world, PRIVATE);
    world.ledger.add_user(5);
    world.start().await;
    world.handle().set_enabled(true).await.unwrap();
    world.active(5).await;
    let index = world.kernel.index(&link());
    *says.lock().unwrap() = B;
    world.kernel.meddle(&LinkName::new("eth0").unwrap(), |_| true);
    world.until("it is told that another would be chosen", held).await;
    world.stop(StopMode::Detach).await;
    world.start().await;
    world.until("after a restart too", held).await;
    world.active(5).await;
    assert_eq!(world.kernel.index(&link()), index);
    service.abort();
}

/// A user whose tunnel goes out from the address that the host's routes prefer.
fn allocated() -> User {
    User {
        kind: Ok(ServiceKind::IbrlWithAllocatedIp),
        dz_ip: Ipv4Addr::new(100, 64, 0, 9),
        ..user(5)
    }
}

#[tokio::test]
async fn another_source_towards_the_device_moves_no_tunnel_while_its_own_is_on_the_host() {
    let mut world = client();
    world.settings.role = RoleSettings::Client(ClientSettings {
        client_ip: Some(A),
        ..ClientSettings::default()
    });
    world.ledger.edit(|view| {
        view.users.insert(user_key(5), allocated());
    });
    let mut world = world.enabled().await;
    world.active(5).await;
    let ends = |world: &World| {
        let model = world.kernel.model();
        model
            .links()
            .get(&link())
            .map(|have| (have.index, have.link.local, have.link.remote))
    };
    let before = ends(&world);
    assert_eq!(
        before.map(|(_, local, remote)| (local, remote)),
        Some((Some(A), Some(DEVICE_IP)))
    );
    prefer(&world, B);
    world.kernel.meddle(&LinkName::new("eth0").unwrap(), |_| true);
    let snapshot = world
        .until("it is told that another would be chosen", |s| {
            s.other_sources.get(&id(5)) == Some(&B)
        })
        .await;
    assert_eq!(snapshot.events.get("source_held"), Some(&1));
    assert_eq!(ends(&world), before);
    world.stop(StopMode::Detach).await;
    world.start().await;
    world
        .until("after a restart too", |s| s.other_sources.get(&id(5)) == Some(&B))
        .await;
    world.active(5).await;
    assert_eq!(ends(&world), before);
    assert!(world.kernel.model().delete_host_address(A));
    world.kernel.meddle(&LinkName::new("eth0").unwrap(), |_| true);
    world
        .eventually("it moves when its address has left the host", || {
            ends(&world).is_some_and(|(_, local, _)| local == Some(B))
        })
        .await;
}

fn from(snapshot: &Snapshot) -> (Option<Ipv4Addr>, Source, Option<Ipv4Addr>) {
    (snapshot.client_ip(), snapshot.client_ip_source, snapshot.pin)
}

/// A client whose second address is pinned, and the ledger has a user of each.
async fn pinned() -> World {
    let world = client().enabled().await;
    world.active(5).await;
    world.ledger.add_user(6);
    world.handle().enable(Some(B), None).await.unwrap();
    assert_eq!(
        from(&world.handle().snapshot()),
        (Some(B), Source::Pin, Some(B)),
        "status says so when the call has returned"
    );
    world
}

#[tokio::test]
async fn a_pinned_address_is_in_force_at_once_and_the_tunnel_of_the_one_before_goes_the_proper_way() {
    let world = pinned().await;
    world.gone(5).await;
    assert_eq!(
        reason(&world),
        "this host's address is 20.0.0.6 now, no longer 20.0.0.5"
    );
    world.active(6).await;
    world.converged().await;
    let index = world.kernel.index(&link());
    world.handle().enable(Some(B), None).await.unwrap();
    world.handle().enable(None, None).await.unwrap();
    let looks = || world.kernel.looks.load(std::sync::atomic::Ordering::SeqCst);
    let before = looks();
    world.eventually("it looks on", || looks() > before + 20).await;
    world.converged().await;
    assert_eq!(from(&world.handle().snapshot()), (Some(B), Source::Pin, Some(B)));
    assert_eq!(
        world.kernel.index(&link()),
        index,
        "the same one again changes nothing"
    );
}

#[tokio::test]
async fn a_pin_survives_a_disable_and_a_restart() {
    let mut world = pinned().await;
    world.handle().set_enabled(false).await.unwrap();
    world.stop(StopMode::Detach).await;
    world.start().await;
    world
        .until("the pin is in force", |snapshot| {
            from(snapshot) == (Some(B), Source::Pin, Some(B))
        })
        .await;
    world.handle().set_enabled(true).await.unwrap();
    world.active(6).await;
}

#[tokio::test]
async fn a_pin_that_has_left_the_host_stays_for_the_run_and_is_dropped_with_the_reason_at_the_next_start() {
    let mut world = pinned().await;
    world.active(6).await;
    assert!(world.kernel.model().delete_host_address(B));
    let away = |snapshot: &Snapshot| {
        snapshot
            .pin_problem
            .as_deref()
            .is_some_and(|problem| problem.contains("the next start drops it"))
    };
    world
        .until("it is told that it is away", |snapshot| {
            from(snapshot).0 == Some(B) && away(snapshot)
        })
        .await;
    world.stop(StopMode::Detach).await;
    world.start().await;
    let snapshot = world
        .until("another one is in force", |snapshot| {
            snapshot.client_ip() == Some(A)
        })
        .await;
    assert_eq!(snapshot.pin, None);
    let said = "20.0.0.6 is no longer pinned: client_ip 20.0.0.6 is not assigned to any interface that is up on this host";
    world
        .until("the reason is told", |snapshot| {
            snapshot.pin_problem.as_deref() == Some(said)
        })
        .await;
    world
        .until("the event is counted", |snapshot| {
            snapshot.events.get("pin_dropped") == Some(&1)
        })
        .await;
    world.active(5).await;
    assert!(world.kernel.model().add_host_address(B));
    world.stop(StopMode::Detach).await;
    assert_eq!(world.open_store().await.0.pin(), None, "on disk too");
}

#[tokio::test]
async fn a_host_that_cannot_be_looked_at_keeps_its_pin() {
    let mut world = pinned().await;
    world.active(6).await;
    world.stop(StopMode::Detach).await;
    world
        .kernel
        .blind
        .store(true, std::sync::atomic::Ordering::SeqCst);
    world.start().await;
    world
        .until("the pin is in force", |snapshot| {
            from(snapshot) == (Some(B), Source::Pin, Some(B))
        })
        .await;
    assert!(matches!(
        world.handle().enable(Some(B), None).await,
        Err(EnableError::Unverified { .. })
    ));
    world
        .kernel
        .blind
        .store(false, std::sync::atomic::Ordering::SeqCst);
    world.active(6).await;
    assert_eq!(from(&world.handle().snapshot()), (Some(B), Source::Pin, Some(B)));
}

#[tokio::test]
async fn an_address_that_cannot_be_this_hosts_is_not_pinned_and_nothing_is_changed() {
    let mut world = client();
    world.start().await;
    world
        .until("its own is found", |snapshot| snapshot.client_ip() == Some(A))
        .await;
    let elsewhere = Ipv4Addr::new(20, 0, 0, 9);
    assert!(world.kernel.model().add_host_address(PRIVATE));
    world.kernel.model().set_idle(B, true);
    for (pin, expected) in [
        (elsewhere, Unusable::NotHere(elsewhere)),
        (PRIVATE, Unusable::NotPublic(PRIVATE)),
        (B, Unusable::NotHere(B)),
    ] {
        let refused = world.handle().enable(Some(pin), None).await;
        assert!(
            matches!(refused, Err(EnableError::Unusable(why)) if why == expected),
            "{pin}: {refused:?}"
        );
    }
    assert_eq!(
        from(&world.handle().snapshot()),
        (Some(A), Source::Discovered, None)
    );
    assert_eq!(world.handle().snapshot().switch, warren_state::Switch::Off);
}

#[tokio::test]
async fn the_flag_counts_before_a_pin_and_refuses_another_one() {
    let mut world = pinned().await;
    world.stop(StopMode::Detach).await;
    world.settings.role = RoleSettings::Client(ClientSettings {
        client_ip: Some(A),
        ..ClientSettings::default()
    });
    world.start().await;
    world
        .until("the flag's is in force", |snapshot| {
            from(snapshot) == (Some(A), Source::Flag, Some(B))
        })
        .await;
    let refused = world.handle().enable(Some(B), None).await;
    assert!(
        matches!(refused, Err(EnableError::Conflict { pin: B, flag: A })),
        "{refused:?}"
    );
    world.handle().enable(Some(A), None).await.unwrap();
    assert_eq!(from(&world.handle().snapshot()), (Some(A), Source::Flag, Some(A)));
}
