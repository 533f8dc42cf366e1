//! Starting the tree.

use std::{io, sync::Arc, time::Duration};

use ractor::{Actor, SpawnErr};
use tokio::{
    runtime::{Builder, Runtime},
    task::spawn_blocking,
    time::timeout,
};
use warren_dataplane::{Dataplane, Scope};
use warren_ledger::LedgerSource;
use warren_store::Store;

use crate::{
    caps,
    env::Env,
    errors::{chain, late},
    groups,
    handle::Handle,
    health, hooks, journal, log,
    probes::{client_ip, latency, liveness, monitor, watcher},
    recorders, sampler,
    settings::Settings,
    status, streams,
    supervision::{
        clock::Clock,
        exit::{ExitReason, StartError},
        recorder::Recorder,
        root::{self, Root},
        spec::Spec,
        store_writer,
    },
    tunnel::{reconciler, tunnels},
};

/// The actors that there is one of: a new one is added here, and to the diagram.
const ACTORS: &[Spec] = &[
    store_writer::SPEC,
    status::SPEC,
    log::SPEC,
    // Stopped after the journal: what it wrote last is recorded too.
    recorders::SPEC,
    journal::SPEC,
    sampler::SPEC,
    caps::SPEC,
    groups::SPEC,
    streams::SPEC,
    hooks::SPEC,
    health::SPEC,
    monitor::SPEC,
    liveness::SPEC,
    tunnels::SPEC,
    reconciler::SPEC,
    client_ip::SPEC,
    watcher::SPEC,
    latency::SPEC,
];

/// How long the first look at the host may take.
const OBSERVE: Duration = Duration::from_secs(30);

/// A runtime for the tree: one thread. What an actor does takes microseconds, and most of it is the work of the next one: with more
/// threads each message wakes another of them, which costs more than it does.
///
/// # Errors
/// When the kernel has no more timers or descriptors for it.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Starts the tree on an open store. On return every actor runs; the first read of the ledger is under way.
///
/// Tunnels that an earlier run left are not touched before the first good view.
///
/// # Errors
/// When a first start cannot be written to the store, or an actor does not start.
pub async fn start(
    settings: Settings,
    store: Store,
    ledger: Arc<dyn LedgerSource>,
    dataplane: Arc<dyn Dataplane>,
) -> Result<Handle, StartError> {
    let store = Arc::new(store);
    if store.is_first_start() {
        begin(store.clone(), &*dataplane, settings.installed).await?;
    }
    let recorder = Recorder::new(settings.record.as_ref(), store.epoch())?;
    recorders::prepare(&settings.recorders, store.journal()).await?;
    let env = Arc::new(Env::new(
        settings,
        Clock::start(),
        store,
        ledger,
        dataplane,
        recorder,
    ));
    let (root, running) = Actor::spawn(
        None,
        Root,
        root::Arguments {
            env: env.clone(),
            actors: ACTORS,
        },
    )
    .await
    .map_err(not_started)?;
    let left = env.clone();
    tokio::spawn(async move {
        let _joined = running.await;
        // The root itself failed: nobody looks after the tunnels any more.
        left.close_store();
        left.exit.send_if_modified(|exit| {
            let lost = exit.is_none();
            if lost {
                *exit = Some(ExitReason::Escalated {
                    actor: "root".to_owned(),
                    detail: "it ended unexpectedly".to_owned(),
                });
            }
            lost
        });
    });
    Ok(Handle { env, root })
}

/// A first start on a host that has tunnels of ours is not a first start: the state was lost.
async fn begin(store: Arc<Store>, dataplane: &dyn Dataplane, installed: bool) -> Result<(), StartError> {
    let observed = timeout(OBSERVE, dataplane.observe(Scope::All))
        .await
        .unwrap_or_else(|_late| Err(late("observe everything".to_owned())));
    let tunnels = observed
        .map(|observed| observed.ours().next().is_some())
        .map_err(|fault| fault.to_string());
    match spawn_blocking(move || store.begin(tunnels, installed)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(StartError::Store(chain(&error))),
        Err(error) => Err(StartError::Store(error.to_string())),
    }
}

fn not_started(error: SpawnErr) -> StartError {
    StartError::Actor {
        actor: "root".to_owned(),
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use warren_state::Pubkey;

    use super::*;
    use crate::{
        settings::{ClientSettings, RoleSettings},
        supervision::{
            service,
            spec::{ChildSpec, in_order},
        },
    };

    /// The diagram in the documentation of the crate: each row that hangs below the root, without what is said of it.
    fn drawn() -> Vec<String> {
        let rows = include_str!("lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//!")?.split_once(['├', '┬', '└']));
        let names = rows.map(|(_, row)| {
            row.trim_start_matches(['─', ' '])
                .split("  ")
                .next()
                .unwrap_or_default()
        });
        names
            .map(|names| names.replace(" × N", "").trim().to_owned())
            .collect()
    }

    /// An actor and those below it, as the diagram draws them.
    fn declared(name: &str, children: &[ChildSpec]) -> String {
        if children.is_empty() {
            return name.to_owned();
        }
        let below: Vec<String> = children
            .iter()
            .map(|child| declared(child.name, child.children))
            .collect();
        format!("{name} ── {}", below.join(", "))
    }

    #[test]
    fn the_diagram_is_what_the_actors_declare_in_the_order_of_their_start() {
        let mut all = ACTORS.to_vec();
        all.sort_by_key(|spec| spec.order);
        let mut tree: Vec<String> = all
            .iter()
            .map(|spec| declared(spec.name, spec.children))
            .collect();
        tree.push(declared(service::SPEC.name, service::SPEC.children));
        assert_eq!(drawn(), tree);
    }

    #[test]
    fn whoever_rests_on_another_is_started_after_it() {
        for spec in ACTORS {
            for below in spec.rests_on {
                let other = ACTORS
                    .iter()
                    .find(|other| other.name == *below)
                    .unwrap_or_else(|| panic!("{} rests on nobody", spec.name));
                assert!(other.order < spec.order, "{} rests on {below}", spec.name);
            }
        }
    }

    #[test]
    fn what_is_off_or_another_roles_does_not_run() {
        let left_out = |settings: &Settings| {
            let run: Vec<&str> = in_order(ACTORS, settings).iter().map(|spec| spec.name).collect();
            let all = ACTORS.iter().map(|spec| spec.name);
            all.filter(|name| !run.contains(name)).collect::<Vec<_>>()
        };
        let gateway = Settings::new(RoleSettings::Gateway {
            device: Pubkey([1; 32]),
        });
        assert_eq!(
            left_out(&gateway),
            [
                "recorders",
                "cap_holder",
                "groups",
                "hooks",
                "liveness",
                "client_ip",
                "latency"
            ]
        );
        let client = Settings::new(RoleSettings::Client(ClientSettings::default()));
        assert_eq!(
            left_out(&client),
            ["recorders", "cap_holder", "hooks", "liveness", "latency"]
        );
    }
}
