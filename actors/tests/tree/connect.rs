//! From the ledger to the tunnel, and back; and what others do in between.

mod host;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::AbortHandle,
};

use warren_actors::{ClientSettings, RoleSettings, StopMode};
use warren_state::{
    Edit, Part, Phase, Pubkey, SessionStatus, event::Event, guard::HoldReason, model::LinkKind, step::Action,
    view::UserStatus,
};

use crate::{
    ledger::{Answer, CLIENT_IP, DEVICE_IP, user_key},
    log::Lines,
    world::{World, gateway_link, id, link, phase},
};
pub use host::address_service;

#[tokio::test]
async fn an_activated_user_becomes_an_active_tunnel_with_the_routes_of_its_session() {
    let world = World::client().enabled().await;
    world.ledger.add_user(0);
    let snapshot = world.active(0).await;
    assert_eq!(world.kernel.owner(&link()), Some(id(0)));
    world.has_routes(2).await;
    assert_eq!(snapshot.tunnels[&id(0)].session, SessionStatus::Up);
    world.converged().await;
    let applied = world.handle().snapshot().applied[&id(0)].clone();
    assert_eq!(applied.report.generation, world.handle().snapshot().generation);
    assert!(
        applied.tried > 0 && applied.report.failure().is_none(),
        "{applied:?}"
    );
    assert_eq!(applied.report.managed, [id(0)].into());
    assert_eq!(
        applied.report.capabilities.backend,
        warren_state::Backend::Simulated
    );
    world.ledger.set_status(0, UserStatus::Banned);
    world.gone(0).await;
    world
        .until("what was applied goes with the tunnel", |snapshot| {
            snapshot.applied.is_empty()
        })
        .await;
}

#[tokio::test]
async fn a_banned_user_loses_the_tunnel_and_the_peer_gets_a_cease() {
    let world = World::connected().await;
    world.ledger.set_status(0, UserStatus::Banned);
    world.gone(0).await;
    assert!(!world.kernel.has(&link()));
    world
        .eventually("the peer got a cease", || {
            world.peers.ceased.load(Ordering::SeqCst) == 1
        })
        .await;
    world.converged().await;
}

#[tokio::test]
async fn a_link_that_is_deleted_behind_our_back_is_put_back() {
    let world = World::connected().await;
    let before = world.kernel.index(&link());
    world.kernel.meddle(&link(), |model| model.delete_link(&link()));
    world
        .eventually("the link is back", || {
            world
                .kernel
                .index(&link())
                .is_some_and(|index| Some(index) != before)
        })
        .await;
    let snapshot = world
        .until("it counts as a repair", |snapshot| {
            snapshot
                .tunnels
                .get(&id(0))
                .is_some_and(|report| report.repairs > 0)
        })
        .await;
    assert!(snapshot.events.contains_key("repaired"));
    world.active(0).await;
}

#[tokio::test]
async fn an_address_that_is_deleted_while_no_notice_arrives_is_put_back_by_the_resync() {
    let mut world = World::client();
    world.settings.resync_interval = Duration::from_millis(300);
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    let addresses = || {
        world
            .kernel
            .model()
            .links()
            .get(&link())
            .map(|tunnel| tunnel.addresses.clone())
            .unwrap_or_default()
    };
    let address = *addresses().first().unwrap();
    assert!(world.kernel.model().delete_address(&link(), &address));
    world
        .eventually("the address is back", || addresses().contains(&address))
        .await;
}

#[tokio::test]
async fn notices_are_subscribed_to_again_when_they_end() {
    let world = World::connected().await;
    world.kernel.drop_listeners();
    world
        .eventually("there is a second subscription", || {
            world.kernel.subscriptions.load(Ordering::SeqCst) == 2
        })
        .await;
    world.kernel.meddle(&link(), |model| model.delete_link(&link()));
    world
        .eventually("the link is back", || world.kernel.has(&link()))
        .await;
}

#[tokio::test]
async fn a_peer_that_goes_away_takes_its_routes_along_and_a_peer_that_comes_back_brings_them() {
    let world = World::connected().await;
    world.has_routes(2).await;
    world.peers.down.store(true, Ordering::SeqCst);
    world.peers.kill();
    world
        .until("the session is down", |snapshot| {
            snapshot.tunnels[&id(0)].session == SessionStatus::Down
        })
        .await;
    world.has_routes(0).await;
    assert!(world.kernel.has(&link()), "the link stays");
    world.peers.down.store(false, Ordering::SeqCst);
    world.has_routes(2).await;
    world.active(0).await;
}

#[tokio::test]
async fn a_ledger_that_fails_keeps_tunnels_and_status_says_why() {
    let world = World::connected().await;
    world.ledger.answer(Answer::Failure);
    let snapshot = world
        .until("the view is held", |snapshot| snapshot.held.is_some())
        .await;
    assert_eq!(phase(&snapshot, 0), Some(Phase::Active));
    assert!(
        snapshot
            .held
            .as_ref()
            .unwrap()
            .to_string()
            .contains("connection refused")
    );
    world.ledger.answer(Answer::View);
    world
        .until("the view is good again", |snapshot| snapshot.held.is_none())
        .await;
    assert!(world.kernel.has(&link()));
}

#[tokio::test]
async fn a_ledger_that_hangs_is_given_up_and_asked_again() {
    let mut world = World::client();
    world.settings.fetch_timeout = Duration::from_millis(50);
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.ledger.answer(Answer::Hang);
    world
        .until("the view is held", |snapshot| snapshot.held.is_some())
        .await;
    world.ledger.answer(Answer::View);
    world
        .until("the view is good again", |snapshot| snapshot.held.is_none())
        .await;
}

#[tokio::test]
async fn an_empty_ledger_must_say_so_twice_before_the_tunnel_goes() {
    let mut world = World::client();
    world.settings.poll_interval = Duration::from_secs(3_600);
    world.settings.guard.confirm_after = Duration::from_millis(50);
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    let reads = world.ledger.reads.load(Ordering::SeqCst);
    world.ledger.edit(|view| view.users.clear());
    world.gone(0).await;
    assert!(
        world.ledger.reads.load(Ordering::SeqCst) >= reads + 2,
        "a confirming read follows soon, without a poll"
    );
    assert!(!world.kernel.has(&link()));
}

#[tokio::test]
async fn a_link_with_our_mark_and_the_wrong_endpoints_is_moved_to_the_right_ones() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.stop(StopMode::Detach).await;
    let before = world.kernel.index(&link());
    assert!(
        world
            .kernel
            .model()
            .set_ends(&link(), CLIENT_IP, Ipv4Addr::new(192, 88, 99, 1))
    );
    world.start().await;
    let remote = || world.kernel.model().links()[&link()].link.remote;
    world
        .eventually("the link has the right ends", || remote() == Some(DEVICE_IP))
        .await;
    world.active(0).await;
    assert_eq!(world.kernel.index(&link()), before, "it is the same link");
}

#[tokio::test]
async fn a_link_that_is_not_ours_is_left_alone_and_the_tunnel_says_so() {
    let world = World::client();
    assert!(
        world
            .kernel
            .model()
            .add_foreign(&link(), LinkKind::Other("dummy".to_owned()), None)
    );
    let before = world.kernel.index(&link());
    let world = world.enabled().await;
    world.ledger.add_user(0);
    let snapshot = world
        .until("the tunnel failed", |snapshot| {
            phase(snapshot, 0) == Some(Phase::Failed)
        })
        .await;
    assert!(snapshot.tunnels[&id(0)].failure.is_some());
    assert_eq!(
        (world.kernel.index(&link()), world.kernel.owner(&link())),
        (before, None)
    );
}

#[tokio::test]
async fn an_unrelated_user_and_device_change_nothing() {
    let world = World::connected().await;
    world.has_routes(2).await;
    world.converged().await;
    let before = world.kernel.changes.lock().unwrap().len();
    let read_at = world.handle().snapshot().view_read_at;
    world.ledger.edit(|view| {
        let device = view.devices.values().next().unwrap().clone();
        view.devices.insert(Pubkey([77; 32]), device);
    });
    world
        .until("the view is read", |snapshot| snapshot.view_read_at > read_at)
        .await;
    world.converged().await;
    assert_eq!(
        world.kernel.changes.lock().unwrap().len(),
        before,
        "nothing was changed"
    );
    assert_eq!(world.peers.dials.load(Ordering::SeqCst), 1, "the session stayed");
}

#[tokio::test]
async fn the_plan_is_shown_with_the_learned_routes_and_changes_nothing() {
    let world = World::client().enabled().await;
    world.converged().await;
    assert!(world.handle().plan().await.is_ok_and(|plan| plan.is_empty()));
    world.ledger.add_user(0);
    world.active(0).await;
    world.has_routes(2).await;
    world.converged().await;
    let plan = world.handle().plan().await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    // Notices off: nobody but us sees that it is gone.
    let route = *world.kernel.model().links()[&link()].routes.first().unwrap();
    assert!(world.kernel.model().delete_route(&link(), &route));
    let plan = world.handle().plan().await.unwrap();
    assert!(
        matches!(plan.steps.as_slice(), [step] if matches!(step.action, Action::Part(Edit::Put, Part::Route(put)) if put == route)),
        "{plan}"
    );
}

#[tokio::test]
async fn a_gateway_builds_the_tunnels_of_its_users_and_takes_down_only_the_one_that_went() {
    let world = World::gateway().enabled().await;
    for number in 1..=5 {
        world.ledger.add_user(number);
    }
    for number in 1..=5 {
        world.active(number).await;
    }
    let before: Vec<_> = (1..=4)
        .map(|number| world.kernel.index(&gateway_link(number)))
        .collect();
    world.ledger.edit(|view| {
        view.users.remove(&user_key(5));
    });
    world.gone(5).await;
    let after: Vec<_> = (1..=4)
        .map(|number| world.kernel.index(&gateway_link(number)))
        .collect();
    assert_eq!(before, after);
    assert!(!world.kernel.has(&gateway_link(5)));
}

#[tokio::test]
async fn the_happy_path_logs_no_warning_and_every_event_once() {
    let lines = Lines::collect();
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.has_routes(2).await;
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
    world.handle().set_enabled(true).await.unwrap();
    world.active(0).await;
    world.ledger.set_status(0, UserStatus::Deleting);
    world.gone(0).await;
    let journal = world.told();
    world.stop(StopMode::Detach).await;
    let text = lines.text();
    assert!(text.contains("active"), "something is logged at all");
    let loud: Vec<_> = text
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "))
        .collect();
    // A user of ours that may not connect any more is told on purpose.
    let loud: Vec<_> = loud
        .into_iter()
        .filter(|line| !line.contains("event=\"refused\""))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
    for entry in &journal {
        let mark = format!("sequence={} ", entry.sequence.0);
        let mark_at_end = format!("sequence={}", entry.sequence.0);
        let times = text
            .lines()
            .filter(|line| line.contains(&mark) || line.ends_with(&mark_at_end))
            .count();
        assert_eq!(times, 1, "{entry:?}\n{text}");
    }
    assert!(journal.iter().any(|entry| matches!(
        entry.event,
        Event::PhaseChanged {
            to: Phase::Active,
            ..
        }
    )));
}

#[tokio::test]
async fn a_tunnel_fits_the_underlay_and_follows_it_in_place() {
    let world = World::client().enabled().await;
    world.kernel.set_underlay_mtu(1_400);
    world.ledger.add_user(0);
    world.active(0).await;
    let mtu = || {
        world
            .kernel
            .model()
            .links()
            .get(&link())
            .map(|have| have.link.mtu)
    };
    assert_eq!(mtu(), Some(1_376));
    let index = world.kernel.index(&link());
    world.kernel.set_underlay_mtu(9_000);
    world
        .eventually("its MTU is as large as it gets", || mtu() == Some(1_476))
        .await;
    world
        .kernel
        .meddle(&link(), |model| model.set_mtu(&link(), 1_300));
    world
        .eventually("what others set is put back", || mtu() == Some(1_476))
        .await;
    world.active(0).await;
    assert_eq!(world.kernel.index(&link()), index, "the link is the same one");
    assert_eq!(
        world.peers.dials.load(Ordering::SeqCst),
        1,
        "and so is the session"
    );
}
