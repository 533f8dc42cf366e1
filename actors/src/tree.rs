//! Starting the tree.

use std::sync::Arc;

use ractor::{Actor, SpawnErr};
use tokio::task::spawn_blocking;
use warren_dataplane::Dataplane;
use warren_ledger::LedgerSource;
use warren_state::store::Store;

use crate::{Clock, ExitReason, Handle, Settings, StartError, board::Board, keeper::chain, root::Root};

/// Starts the tree on an open store. On return every actor runs; the first read of the ledger is under way.
///
/// Tunnels that an earlier run left are not touched before the first good view.
///
/// # Errors
/// When the store does not begin an epoch, or an actor does not start.
pub async fn start(
    settings: Settings,
    store: Store,
    ledger: Arc<dyn LedgerSource>,
    dataplane: Arc<dyn Dataplane>,
) -> Result<Handle, StartError> {
    let store = Arc::new(store);
    let opened = store.clone();
    let epoch = match spawn_blocking(move || opened.begin_epoch()).await {
        Ok(Ok(epoch)) => epoch,
        Ok(Err(error)) => return Err(StartError::Store(chain(&error))),
        Err(error) => return Err(StartError::Store(error.to_string())),
    };
    let board = Arc::new(Board::new(settings, Clock::start(), epoch, store, ledger, dataplane));
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

fn not_started(error: SpawnErr) -> StartError {
    StartError::Actor { actor: "root".to_owned(), detail: error.to_string() }
}
