//! Services that the tree supervises for the shell of the daemon.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::ServiceFactory;

/// Runs one service; ends as it ends.
pub(crate) struct Service;

/// Run.
pub(crate) struct Run;

impl Actor for Service {
    type Msg = Run;
    type State = Arc<ServiceFactory>;
    type Arguments = Arc<ServiceFactory>;

    async fn pre_start(&self, myself: ActorRef<Run>, factory: Arc<ServiceFactory>) -> Result<Self::State, ActorProcessingErr> {
        myself.cast(Run)?;
        Ok(factory)
    }

    async fn handle(&self, myself: ActorRef<Run>, _run: Run, factory: &mut Self::State) -> Result<(), ActorProcessingErr> {
        factory().await?;
        myself.stop(None);
        Ok(())
    }
}
