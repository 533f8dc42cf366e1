//! Starting the tree.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, SpawnErr};
use tokio::{task::spawn_blocking, time::timeout};
use warren_dataplane::{Dataplane, Scope};
use warren_ledger::LedgerSource;
use warren_state::store::Store;

use crate::{Clock, ExitReason, Handle, Settings, StartError, board::Board, keeper::chain, provisioner::late, root::Root};

/// How long the first look at the host may take.
const OBSERVE: Duration = Duration::from_secs(30);

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
    let board = Arc::new(Board::new(settings, Clock::start(), store, ledger, dataplane));
    let (root, running) = Actor::spawn(None, Root, board.clone()).await.map_err(not_started)?;
    let left = board.clone();
    tokio::spawn(async move {
        let _joined = running.await;
        // The root itself failed: nobody looks after the tunnels any more.
        left.close_store();
        left.exit.send_if_modified(|exit| {
            let lost = exit.is_none();
            if lost {
                *exit = Some(ExitReason::Escalated { actor: "root".to_owned(), detail: "it ended unexpectedly".to_owned() });
            }
            lost
        });
    });
    Ok(Handle { board, root })
}

/// A first start on a host with tunnels of ours is none: the state is lost.
async fn begin(store: Arc<Store>, dataplane: &dyn Dataplane, installed: bool) -> Result<(), StartError> {
    let observed = timeout(OBSERVE, dataplane.observe(Scope::All)).await.unwrap_or_else(|_late| Err(late("observe everything".to_owned())));
    let tunnels = observed.map(|observed| observed.ours().next().is_some()).map_err(|fault| fault.to_string());
    match spawn_blocking(move || store.begin(tunnels, installed)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(StartError::Store(chain(&error))),
        Err(error) => Err(StartError::Store(error.to_string())),
    }
}

fn not_started(error: SpawnErr) -> StartError {
    StartError::Actor { actor: "root".to_owned(), detail: error.to_string() }
}
