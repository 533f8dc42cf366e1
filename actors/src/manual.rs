//! Tunnels that an operator asks for past the ledger: asking the reconciler, and waiting for what comes of it.

use std::time::Duration;

use tokio::{sync::oneshot, time::timeout};
use warren_state::{
    Incarnation, Phase, TunnelId, desired::ManualRequest, lifecycle::TunnelReport,
    reconcile::ProvisionRefusal,
};

use crate::{env::Env, handle::Handle, snapshot::Snapshot, tunnel::reconciler::ReconcilerMessage};

/// How long a tunnel may take to be there or to be gone. A session is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A manual tunnel that is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManualError {
    /// There can be no such tunnel now.
    #[error(transparent)]
    Refused(#[from] ProvisionRefusal),
    /// Building it failed; what there was of it is taken down.
    #[error("{0}")]
    Failed(String),
    /// It took too long; what there is of it is taken down.
    #[error("it did not appear within {} s", PATIENCE.as_secs())]
    Late,
    /// It was taken away meanwhile.
    #[error("the next pass, which follows the ledger, removed it again")]
    Superseded,
    /// The daemon is stopping.
    #[error("the daemon does not answer")]
    Unanswered,
}

/// A tunnel that is not gone. It is taken down nevertheless, as soon as that can be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RemoveError {
    /// Taking it down failed; it is tried again.
    #[error("{0}")]
    Failed(String),
    /// It takes long.
    #[error("it is still there after {} s", PATIENCE.as_secs())]
    Late,
    /// The daemon is stopping.
    #[error("the daemon does not answer")]
    Unanswered,
}

impl Handle {
    /// Builds a tunnel past the ledger and waits until it is there but for its session. While the daemon is enabled the next
    /// read of the ledger takes it away again; while it is disabled it stays until the switch is set, it is removed, or the
    /// daemon ends.
    ///
    /// # Errors
    /// When it is not there. Then nothing of it stays.
    pub async fn provision(&self, request: ManualRequest) -> Result<(), ManualError> {
        let (id, env) = (request.id(), &self.env);
        let before = env.report(id).map(|report| report.incarnation);
        ask(env, |reply| ReconcilerMessage::Provision {
            request: Box::new(request),
            reply,
        })
        .await
        .ok_or(ManualError::Unanswered)??;
        let outcome = |snapshot: &Snapshot| {
            let report = snapshot.tunnels.get(&id).filter(|report| is_new(report, before));
            let built = report.and_then(|report| outcome(report));
            built.or_else(|| {
                (!env.tables().manual.tunnels.contains_key(&id)).then_some(Err(ManualError::Superseded))
            })
        };
        let built = self.when(outcome).await.unwrap_or(Err(ManualError::Late));
        if let Err(ManualError::Failed(_) | ManualError::Late) = &built {
            ask(env, |reply| ReconcilerMessage::Remove { tunnel: id, reply }).await;
        }
        built
    }

    /// Takes this tunnel down, whoever asks for it, and waits until it is gone. While the daemon is enabled the next read of
    /// the ledger brings back what the ledger asks for.
    ///
    /// # Errors
    /// When it is not gone yet.
    pub async fn remove(&self, tunnel: TunnelId) -> Result<(), RemoveError> {
        let before = self.env.report(tunnel).map(|report| report.incarnation);
        ask(&self.env, |reply| ReconcilerMessage::Remove { tunnel, reply })
            .await
            .ok_or(RemoveError::Unanswered)?;
        let Some(before) = before else { return Ok(()) };
        self.when(|snapshot| gone(snapshot, tunnel, before))
            .await
            .unwrap_or(Err(RemoveError::Late))
    }

    async fn when<T>(&self, outcome: impl Fn(&Snapshot) -> Option<T>) -> Option<T> {
        let mut published = self.subscribe();
        let seen = timeout(
            PATIENCE,
            published.wait_for(|snapshot| outcome(snapshot).is_some()),
        )
        .await
        .ok()?
        .ok()?
        .clone();
        outcome(&seen)
    }
}

async fn ask<T>(env: &Env, message: impl FnOnce(oneshot::Sender<T>) -> ReconcilerMessage) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    if !env.mailboxes.send(message(reply)) {
        return None;
    }
    timeout(PATIENCE, answer).await.ok()?.ok()
}

/// Whether the report is not of a tunnel before this one.
fn is_new(report: &TunnelReport, before: Option<Incarnation>) -> bool {
    before.is_none_or(|before| before == Incarnation::default() || before != report.incarnation)
}

fn outcome(report: &TunnelReport) -> Option<Result<(), ManualError>> {
    if let Some(failure) = report
        .failure
        .as_ref()
        .filter(|failure| failure.phase != Phase::Draining)
    {
        return Some(Err(ManualError::Failed(failure.fault.to_string())));
    }
    match report.phase {
        Phase::Peering | Phase::Active => Some(Ok(())),
        Phase::Pending
        | Phase::Linking
        | Phase::Addressing
        | Phase::Routing
        | Phase::Draining
        | Phase::Removed
        | Phase::Failed => None,
    }
}

fn gone(snapshot: &Snapshot, tunnel: TunnelId, before: Incarnation) -> Option<Result<(), RemoveError>> {
    let left = snapshot
        .tunnels
        .get(&tunnel)
        .filter(|report| report.incarnation == before);
    let Some(report) = left else { return Some(Ok(())) };
    let failure = report
        .failure
        .as_ref()
        .filter(|failure| failure.phase == Phase::Draining)?;
    Some(Err(RemoveError::Failed(failure.fault.to_string())))
}
