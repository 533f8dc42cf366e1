//! Whether the tunnels can be relied on.

use std::{sync::atomic::Ordering, time::Duration};

use warren_actors::{Snapshot, StopMode};
use warren_state::{
    event::Event,
    health::{HealthCode, HealthSettings, HealthVerdict, Purpose},
};

use crate::world::World;

pub fn verdict(snapshot: &Snapshot, purpose: Purpose) -> HealthVerdict {
    snapshot
        .health
        .get(&purpose)
        .map_or(HealthVerdict::Unknown, |standing| standing.verdict)
}

fn has(snapshot: &Snapshot, purpose: Purpose, code: HealthCode) -> bool {
    let standing = snapshot.health.get(&purpose);
    standing.is_some_and(|standing| standing.reasons.keys().any(|reason| reason.code == code))
}

/// Of one that judges fast.
pub fn settings() -> HealthSettings {
    HealthSettings {
        unwell_after: Duration::from_millis(200),
        well_after: Duration::from_millis(300),
        settle: Duration::from_millis(100),
        ..HealthSettings::default()
    }
}

fn client() -> World {
    let mut world = World::client();
    world.settings.health = settings();
    world
}

#[tokio::test]
async fn health_follows_the_switch_the_tunnel_and_its_session_each_with_its_reason() {
    let mut world = client();
    world.start().await;
    let disabled = |snapshot: &Snapshot| has(snapshot, Purpose::Failover, HealthCode::Disabled);
    let snapshot = world.until("a disabled host is none to stay on", disabled).await;
    assert_eq!(verdict(&snapshot, Purpose::Failover), HealthVerdict::Unhealthy);
    world
        .until("and nothing is missing there", |snapshot| {
            verdict(snapshot, Purpose::General) == HealthVerdict::Healthy
        })
        .await;
    world.ledger.add_user(0);
    world.handle().set_enabled(true).await.unwrap();
    world.active(0).await;
    world
        .until("all is well", |snapshot| {
            Purpose::ALL
                .into_iter()
                .all(|purpose| verdict(snapshot, purpose) == HealthVerdict::Healthy)
        })
        .await;
    world.peers.down.store(true, Ordering::SeqCst);
    world.peers.kill();
    let down = |snapshot: &Snapshot| has(snapshot, Purpose::Failover, HealthCode::SessionDown);
    let snapshot = world.until("the session is down", down).await;
    assert_eq!(verdict(&snapshot, Purpose::General), HealthVerdict::Unhealthy);
    world.peers.down.store(false, Ordering::SeqCst);
    world
        .until("all is well again", |snapshot| {
            verdict(snapshot, Purpose::Failover) == HealthVerdict::Healthy
        })
        .await;
    let told: Vec<bool> = world
        .told()
        .iter()
        .filter_map(|entry| match entry.event {
            Event::HealthChanged {
                purpose: Purpose::Failover,
                healthy,
                ..
            } => Some(healthy),
            _ => None,
        })
        .collect();
    assert_eq!(told, [false, true, false, true]);
    world.stop(StopMode::Detach).await;
}

#[tokio::test]
async fn a_session_that_is_gone_for_a_moment_is_no_outage() {
    let mut world = client();
    world.settings.health.unwell_after = Duration::from_secs(3600);
    let mut world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world
        .until("all is well", |snapshot| {
            verdict(snapshot, Purpose::Failover) == HealthVerdict::Healthy
        })
        .await;
    world.peers.down.store(true, Ordering::SeqCst);
    world.peers.kill();
    world
        .until("what is wrong is shown, and does not count", |snapshot| {
            let standing = &snapshot.health[&Purpose::Failover];
            standing
                .coming
                .keys()
                .any(|reason| reason.code == HealthCode::SessionDown)
        })
        .await;
    assert_eq!(
        verdict(&world.handle().snapshot(), Purpose::Failover),
        HealthVerdict::Healthy
    );
    world.stop(StopMode::Detach).await;
}
