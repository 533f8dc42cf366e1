//! The plan as it would be made now, for people to read.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use warren_dataplane::Scope;
use warren_state::{LearnedRoutes, Plan, TunnelId};

use crate::{
    env::Env,
    errors::late,
    supervision::exit::PlanError,
    tunnel::{reconciler::ReconcilerMessage, tunnels::TunnelsMessage},
};

/// A provisioner that does not answer in time is one whose session has not told us yet.
const ANSWER: Duration = Duration::from_secs(2);
const OBSERVE: Duration = Duration::from_secs(30);

pub(crate) async fn plan(env: &Env) -> Result<Plan, PlanError> {
    let tables = env.tables();
    let role = env.role(&tables);
    if role.is_none() {
        let reason = tables
            .address
            .error
            .clone()
            .unwrap_or_else(|| "it is being looked for".to_owned());
        return Err(PlanError::NotReady(format!(
            "this host's public address is not known: {reason}"
        )));
    }
    if tables.view_for(role).is_none() {
        return Err(PlanError::NotReady("the ledger has not been read yet".to_owned()));
    }
    let learned = learned(env).await;
    let observed = timeout(OBSERVE, env.dataplane.observe(Scope::All)).await;
    let observed = observed
        .unwrap_or_else(|_late| Err(late("observe everything".to_owned())))
        .map_err(PlanError::Observe)?;
    let (reply, answer) = oneshot::channel();
    let _gone = env.mailboxes.send(ReconcilerMessage::Plan {
        observed: Box::new(observed),
        learned,
        reply,
    });
    timeout(OBSERVE, answer)
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(PlanError::Stopping)
}

/// What the sessions taught us.
pub(crate) async fn learned(env: &Env) -> BTreeMap<TunnelId, LearnedRoutes> {
    let (reply, mut answers) = mpsc::channel(env.reports().len() + 16);
    let _gone = env.mailboxes.send(TunnelsMessage::Learned(reply));
    let (mut learned, until) = (BTreeMap::new(), Instant::now() + ANSWER);
    while let Ok(Some((tunnel, routes))) = timeout_at(until, answers.recv()).await {
        learned.insert(tunnel, routes);
    }
    learned
}
