//! Kills the daemon at every effect of a full connect, change and disconnect, and starts it again.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use warren_state::{LivenessMode, reconcile::Role};

use crate::{
    ledger::CLIENT_IP,
    run::{Stats, settle},
    script::{Action, Script},
    world::{Breach, World},
};

/// What each stage does; after each the world must be as it should be.
fn stages() -> Vec<Vec<Action>> {
    vec![
        vec![Action::Activate(0), Action::Switch(true)],
        vec![Action::MoveDevice(1)],
        vec![Action::ChangeKind(0)],
        vec![Action::ChangeKind(0), Action::ChangePrefixes(0)],
        vec![Action::Activate(3)],
        vec![Action::ChangeGroups(3, 0b000_110)],
        vec![Action::ChangeGroups(3, 0)],
        vec![Action::Ban(3)],
        vec![Action::Ban(0)],
        vec![Action::Activate(2)],
        vec![Action::Switch(false)],
    ]
}

/// How many effects there are, and what came of a kill at each: the effect and what broke.
#[must_use]
pub fn kill_at_every_effect(threads: usize) -> (u64, Stats, Vec<(u64, String)>) {
    let total = match run(None) {
        Ok((effects, _)) => effects,
        Err(breach) => {
            return (
                0,
                Stats::default(),
                vec![(0, format!("{}: {}", breach.what, breach.detail))],
            );
        }
    };
    let next = AtomicU64::new(1);
    let work = || {
        let (mut stats, mut broken) = (Stats::default(), Vec::new());
        loop {
            let kill_at = next.fetch_add(1, Ordering::Relaxed);
            if kill_at > total {
                return (stats, broken);
            }
            match run(Some(kill_at)) {
                Ok((_, one)) => stats.add(one),
                Err(breach) => broken.push((kill_at, format!("{}: {}", breach.what, breach.detail))),
            }
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().ok())
            .collect()
    });
    let (mut stats, mut broken) = (Stats::default(), Vec::new());
    for (one, more) in results {
        stats.add(one);
        broken.extend(more);
    }
    broken.sort();
    (total, stats, broken)
}

fn run(kill_at: Option<u64>) -> Result<(u64, Stats), Breach> {
    let script = Script {
        seed: 1,
        role: Role::Client { client_ip: CLIENT_IP },
        steps: Vec::new(),
        liveness: Some(LivenessMode::Active),
        ends_without_peers: false,
        ends_enabled: true,
    };
    let mut world = World::new(script, false);
    world.kill_at = kill_at;
    let begin = world.now;
    for stage in stages() {
        for action in &stage {
            world.act(action);
        }
        let next = world.now + Duration::from_secs(1);
        world.run_until(next, |_| false);
        settle(&mut world)?;
    }
    if kill_at.is_some_and(|kill_at| kill_at > world.effects) {
        return Err(Breach {
            what: "the campaign".to_owned(),
            detail: "the effect did not come".to_owned(),
        });
    }
    Ok((world.effects, world.stats(begin)))
}
