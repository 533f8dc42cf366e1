//! How much may go through a tunnel is a part of it like any other.

use std::sync::Arc;

use warren_dataplane::kernel::KernelSettings;
use warren_state::{Action, FaultClass, Rate, StepOutcome};

use crate::world::*;

const HELD: Rate = Rate {
    up: Some(655_360),
    down: Some(16_384),
};

async fn rate(world: &World, n: u8) -> Rate {
    world.link(n).await.expect("the tunnel is there").rate
}

pub async fn a_rate_is_put_changed_and_deleted_and_the_link_stays(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let (before, neighbour) = (world.number(1), world.link(2).await);
    assert_eq!(rate(&world, 1).await, Rate::UNLIMITED);
    let half = |up, down| Rate { up, down };
    let large = half(Some(6_250_000), Some(5_000_000_000));
    for wanted in [
        HELD,
        large,
        Rate::BLOCKED,
        half(Some(125_000), None),
        half(None, Some(0)),
        HELD,
    ] {
        let put = step(1, Action::put(wanted));
        assert_eq!(world.one(put.clone()).await, StepOutcome::Done, "{wanted}");
        assert_eq!(rate(&world, 1).await, wanted);
        assert_eq!(
            world.all().await.tunnels[&tunnel(1)].rate,
            wanted,
            "{wanted}: of all"
        );
        assert_eq!(world.one(put).await, StepOutcome::AlreadySo, "{wanted}");
    }
    let delete = step(1, Action::delete(HELD));
    assert_eq!(world.one(delete.clone()).await, StepOutcome::Done);
    assert_eq!(world.one(delete).await, StepOutcome::AlreadySo);
    assert_eq!(rate(&world, 1).await, Rate::UNLIMITED);
    assert_eq!(world.number(1), before, "it is the same link");
    assert_eq!(world.link(2).await, neighbour);
    let observed = world.all().await;
    assert!(
        observed.stray.is_empty() && observed.tunnels.len() == 2,
        "{observed:?}"
    );
}

pub async fn a_rate_that_somebody_took_away_is_seen_and_put_again(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(vec![step(1, Action::put(HELD))]).await;
    world.unshape(1).await;
    let left = rate(&world, 1).await;
    assert_ne!(left, HELD, "{left}");
    assert_eq!(world.one(step(1, Action::put(HELD))).await, StepOutcome::Done);
    assert_eq!(rate(&world, 1).await, HELD);
}

pub async fn a_rate_stays_over_a_restart_and_goes_with_its_tunnel(world: Arc<World>) {
    let links = world.links();
    world.build(whole(1)).await;
    world.build(vec![step(1, Action::put(HELD))]).await;
    world.restart(KernelSettings::default());
    assert_eq!(world.all().await.tunnels[&tunnel(1)].rate, HELD);
    assert_eq!(
        world.one(step(1, Action::put(HELD))).await,
        StepOutcome::AlreadySo
    );
    let report = world.remove(1).await;
    assert!(report.is_complete(), "{report:?}");
    let observed = world.all().await;
    assert!(
        observed.tunnels.is_empty() && observed.stray.is_empty(),
        "{observed:?}"
    );
    assert_eq!(world.links(), links, "nothing is left of it");
    world.build(whole(1)).await;
    assert_eq!(rate(&world, 1).await, Rate::UNLIMITED, "the next one is another");
}

pub async fn a_rate_of_a_link_that_is_gone_is_gone_and_none_is_done(world: Arc<World>) {
    assert_eq!(
        world.fault(step(1, Action::put(HELD))).await.class,
        FaultClass::Gone
    );
    assert_eq!(
        world.one(step(1, Action::delete(HELD))).await,
        StepOutcome::AlreadySo
    );
}

pub async fn a_queue_of_somebody_else_is_a_conflict_and_stays(world: Arc<World>) {
    for theirs in ["root handle 12: pfifo limit 77", "ingress"] {
        world.build(whole(1)).await;
        tc(&format!("qdisc add dev wrn1 {theirs}"));
        let before = tc_shows("qdisc show dev wrn1");
        let fault = world.fault(step(1, Action::put(HELD))).await;
        assert_eq!(fault.class, FaultClass::Conflict, "{theirs}: {fault}");
        assert!(fault.detail.contains("is not ours"), "{fault}");
        assert_eq!(
            world.one(step(1, Action::delete(HELD))).await,
            StepOutcome::AlreadySo
        );
        assert_eq!(tc_shows("qdisc show dev wrn1"), before, "{theirs}");
        assert!(world.remove(1).await.is_complete());
    }
}

pub async fn what_is_left_of_a_rate_whose_link_somebody_deleted_is_removed(world: Arc<World>) {
    let links = world.links();
    world.build(whole(1)).await;
    world.build(vec![step(1, Action::put(HELD))]).await;
    world.delete_link(1);
    assert!(
        world.all().await.tunnels.contains_key(&tunnel(1)),
        "it carries the tunnel's mark"
    );
    assert!(world.remove(1).await.is_complete());
    assert_eq!(world.links(), links);
}
