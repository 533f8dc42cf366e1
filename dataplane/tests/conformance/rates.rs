//! How much may go through a tunnel is a part of it like any other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use warren_dataplane::kernel::KernelSettings;
use warren_state::{Action, Backend, Direction, FaultClass, Rate, StepOutcome};

use crate::{packets::*, world::*};

const HELD: Rate = Rate {
    up: Some(655_360),
    down: Some(16_384),
};

const WAYS: [Direction; 2] = [Direction::Out, Direction::In];

fn both(rate: u64) -> Rate {
    Rate {
        up: Some(rate),
        down: Some(rate),
    }
}

/// What may pass beyond rate times time: a bucket that was full, a packet, and what a link says by itself.
fn at_once(rate: u64) -> u64 {
    (rate / 50).max(4 << 10) + 2 * PACKET + 4 * 1_024
}

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

/// More than the rate times the time is never carried, however busy the machine is; what is carried at least, and how exactly, is
/// measured (`warren-bench caps`), but for the virtual clock, which nothing holds up.
pub async fn what_passes_is_the_rate_and_no_more_and_of_the_neighbours_everything(world: Arc<World>) {
    reachable(&world);
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let is_exact = world.simulated().is_some();
    let time = Duration::from_secs(if is_exact { 10 } else { 1 });
    for (rate, way) in [125_000, 6_250_000]
        .into_iter()
        .flat_map(|rate| WAYS.map(|way| (rate, way)))
    {
        let put = world.one(step(1, Action::put(both(rate)))).await;
        assert!(!matches!(put, StepOutcome::Failed(_)), "{put:?}");
        let (held, neighbour) = (Flow::open(&world, 1, way), Flow::open(&world, 2, way));
        let (before, neighbours) = (held.passed().await, neighbour.passed().await);
        let (begun, until) = (world.clock(), Instant::now() + patience());
        let mut offered = 0;
        let carried = loop {
            // Twice as much, and more where time does not pass of itself.
            held.offer(rate / 1_000 * 2 / PACKET + 20);
            neighbour.offer(5);
            offered += 5 * PACKET;
            while neighbour.passed().await - neighbours < offered {
                assert!(
                    Instant::now() < until,
                    "{rate} {way:?}: the neighbour's packets do not pass"
                );
                world.moment().await;
            }
            world.moment().await;
            let carried = held.passed().await - before;
            if world.clock() - begun >= time && carried >= rate / 4 {
                break carried;
            }
            assert!(
                Instant::now() < until,
                "{rate} {way:?}: only {carried} octets passed"
            );
        };
        let most = (world.clock() - begun).as_secs_f64() * rate as f64;
        assert!(
            carried as f64 <= most + at_once(rate) as f64,
            "{rate} {way:?}: {carried} octets, where {most} may pass"
        );
        if is_exact {
            let off = (carried as f64 - most).abs() / most;
            assert!(
                off < 0.03,
                "{rate} {way:?}: {carried} octets, where {most} should pass"
            );
        }
    }
}

pub async fn a_blocked_tunnel_carries_nothing_and_what_it_drops_is_counted(world: Arc<World>) {
    reachable(&world);
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    for way in WAYS {
        world.build(vec![step(1, Action::put(Rate::BLOCKED))]).await;
        let (blocked, neighbour) = (Flow::open(&world, 1, way), Flow::open(&world, 2, way));
        let (before, neighbours) = (blocked.passed().await, neighbour.passed().await);
        let (dropped, others) = (blocked.dropped().await, neighbour.dropped().await);
        blocked.offer(100);
        neighbour.offer(20);
        passes(&neighbour, neighbours + 20 * PACKET).await;
        let until = Instant::now() + patience();
        while blocked.dropped().await < dropped + 100 {
            assert!(
                Instant::now() < until,
                "{way:?}: {} drops are counted",
                blocked.dropped().await - dropped
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(blocked.passed().await, before, "{way:?}");
        assert_eq!(
            neighbour.dropped().await,
            others,
            "{way:?}: nothing of the neighbour's"
        );
        world.build(vec![step(1, Action::delete(Rate::BLOCKED))]).await;
        blocked.offer(20);
        passes(&blocked, before + 20 * PACKET).await;
    }
}

/// What its own session sends at once would take minutes at such a rate, and waits neither behind others nor for them.
pub async fn the_own_session_of_a_tunnel_passes_whatever_its_rate_and_loses_nothing(world: Arc<World>) {
    const PACKETS: u64 = 200;
    reachable(&world);
    world.build(whole(1)).await;
    for rate in [both(1_000), Rate::BLOCKED, both(1_000)] {
        world.build(vec![step(1, Action::put(rate))]).await;
        for way in WAYS {
            let (flow, session) = (Flow::open(&world, 1, way), OwnSession::open(1, way));
            flow.offer(200);
            let before = session.passed(&flow).await;
            // A few at a time: sessions do not send more than their window.
            for some in 1..=PACKETS / 20 {
                session.offer(20);
                let until = Instant::now() + patience();
                while session.passed(&flow).await < before + some * 20 * PACKET {
                    assert!(
                        Instant::now() < until,
                        "{rate} {way:?}: {} of {} octets pass",
                        session.passed(&flow).await - before,
                        some * 20 * PACKET
                    );
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
}

/// However often a rate is changed, no more passes than at the higher of both. The kernel's own bucket is filled by each change: there it
/// is what fills it, a fiftieth of a second's worth or two packets, and nothing else (net/sched/sch_tbf.c `tbf_change`).
pub async fn a_new_rate_gives_nothing_away(world: Arc<World>) {
    const HIGHER: u64 = 125_000;
    const CHANGES: u64 = 200;
    reachable(&world);
    world.build(whole(1)).await;
    for way in WAYS {
        world.build(vec![step(1, Action::put(both(HIGHER)))]).await;
        let flow = Flow::open(&world, 1, way);
        let (before, begun) = (flow.passed().await, world.clock());
        for change in 0..CHANGES {
            flow.offer(5);
            let rate = if change % 2 == 0 { HIGHER - 1_000 } else { HIGHER };
            world.build(vec![step(1, Action::put(both(rate)))]).await;
            if change % 10 == 0 {
                world.moment().await;
            }
        }
        let carried = flow.passed().await - before;
        let most = (world.clock() - begun).as_secs_f64() * HIGHER as f64;
        let given = match world.backend {
            Backend::Netlink => CHANGES * 4_096,
            Backend::Simulated | Backend::Userspace => 0,
        };
        assert!(
            carried as f64 <= most + (at_once(HIGHER) + given) as f64,
            "{way:?}: {carried} octets, where {most} may pass"
        );
        world.build(vec![step(1, Action::delete(both(HIGHER)))]).await;
    }
}

/// So much has passed, sooner or later.
async fn passes(flow: &Flow, octets: u64) {
    let until = Instant::now() + patience();
    while flow.passed().await < octets {
        assert!(
            Instant::now() < until,
            "{} of {octets} octets",
            flow.passed().await
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub async fn a_rate_that_holds_the_session_too_as_an_earlier_release_put_it_is_made_anew(world: Arc<World>) {
    world.build(whole(1)).await;
    let put = step(1, Action::put(HELD));
    let alone = "qdisc add dev wrn1 root handle 7761: tbf rate 655360bps burst 13107 limit 78643";
    for theirs in [
        ["qdisc del dev wrn1 root", alone].as_slice(),
        &["filter del dev wrn1 parent 7761:"],
        &["filter del dev wrn1 ingress prio 30560"],
    ] {
        let there = world.one(put.clone()).await;
        assert!(!matches!(there, StepOutcome::Failed(_)), "{there:?}");
        theirs.iter().for_each(|command| tc(command));
        assert_ne!(rate(&world, 1).await, HELD, "{theirs:?}");
        assert_eq!(world.one(put.clone()).await, StepOutcome::Done, "{theirs:?}");
        assert_eq!(rate(&world, 1).await, HELD, "{theirs:?}");
        assert_eq!(world.one(put.clone()).await, StepOutcome::AlreadySo, "{theirs:?}");
    }
    assert_eq!(world.one(step(1, Action::delete(HELD))).await, StepOutcome::Done);
    assert_eq!(rate(&world, 1).await, Rate::UNLIMITED);
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
