//! Services that the tree supervises for the shell of the daemon.

use std::{pin::Pin, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::supervision::spec::ChildSpec;

pub(crate) const SPEC: ChildSpec = ChildSpec {
    name: "service",
    policy: |policies| policies.service,
    children: &[],
};

/// A service that the tree supervises for the shell: called for each start. It runs until it ends or is dropped;
/// `Ok` means that it is done, an error or a panic that it is to be started again.
pub type ServiceFactory =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Runs one service; ends as it ends.
pub(crate) struct Service;

/// Start the service; sent once, when the actor begins.
pub(crate) struct Run;

impl Actor for Service {
    type Msg = Run;
    type State = Arc<ServiceFactory>;
    type Arguments = Arc<ServiceFactory>;

    async fn pre_start(
        &self,
        myself: ActorRef<Run>,
        factory: Arc<ServiceFactory>,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.cast(Run)?;
        Ok(factory)
    }

    async fn handle(
        &self,
        myself: ActorRef<Run>,
        _run: Run,
        factory: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        factory().await?;
        myself.stop(None);
        Ok(())
    }
}
