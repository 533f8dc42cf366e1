//! Whether this host's tunnels can be relied on.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use warren_actors::Snapshot;
use warren_api::v3::{HealthCondition, HealthQuery, HealthReply, HookState, HooksState, SCHEMA};
use warren_state::{
    Monotonic,
    health::{HealthReason, HealthStanding, Purpose},
    hooks::{HookStanding, HooksStanding},
};

use super::{Api, error, json};

/// Whether this host's tunnels can be relied on, with what is wrong. What is wrong counts once it lasts, and what is well again once that
/// lasts. The answer is 200 whatever the verdict is.
pub async fn health(State(api): State<Api>, query: Result<Query<HealthQuery>, QueryRejection>) -> Response {
    let purpose = query
        .map_err(|rejection| rejection.body_text())
        .and_then(|Query(asked)| purpose(asked.purpose.as_deref()));
    match purpose {
        Ok(purpose) => json(StatusCode::OK, &reply(&api.engine.snapshot(), purpose)),
        Err(problem) => error(StatusCode::BAD_REQUEST, problem),
    }
}

fn purpose(asked: Option<&str>) -> Result<Purpose, String> {
    asked.map_or(Ok(Purpose::General), |text| {
        text.parse::<Purpose>().map_err(|unknown| unknown.to_string())
    })
}

fn reply(snapshot: &Snapshot, purpose: Purpose) -> HealthReply {
    let HealthStanding {
        verdict,
        since,
        reasons,
        coming,
    } = snapshot.health.get(&purpose).cloned().unwrap_or_default();
    HealthReply {
        schema: SCHEMA,
        purpose: purpose.into(),
        verdict: verdict.into(),
        since_unix_ms: snapshot.unix_ms_of(since),
        reasons: conditions(snapshot, &reasons),
        coming: conditions(snapshot, &coming),
    }
}

fn conditions(snapshot: &Snapshot, of: &BTreeMap<HealthReason, Monotonic>) -> Vec<HealthCondition> {
    let condition = |(reason, since): (&HealthReason, &Monotonic)| HealthCondition {
        code: reason.code.into(),
        tunnel: reason.tunnel.map(|tunnel| tunnel.to_string()),
        text: reason.to_string(),
        since_unix_ms: snapshot.unix_ms_of(*since),
    };
    of.iter().map(condition).collect()
}

/// How hooks fare, as status shows it.
pub(super) fn hooks(standing: &HooksStanding) -> HooksState {
    let of = |hook: &HookStanding| HookState {
        runs: hook.runs,
        failures: hook.failures,
        dropped: hook.dropped,
        waiting: hook.waiting,
        failing: hook.failing.as_ref().map(ToString::to_string),
    };
    HooksState {
        problem: standing.problem.clone(),
        hooks: standing
            .hooks
            .iter()
            .map(|(name, hook)| (name.clone(), of(hook)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use warren_state::health::{HealthCode, HealthVerdict};

    use super::*;
    use crate::http::testing::{FakeDaemon, serve};

    #[tokio::test]
    async fn health_is_told_for_each_purpose_with_codes_that_stay_and_since_when() {
        let at = |seconds| Monotonic::from_elapsed(Duration::from_secs(seconds));
        let reason = HealthReason {
            code: HealthCode::SessionDown,
            tunnel: None,
        };
        let unwell = HealthStanding {
            verdict: HealthVerdict::Unhealthy,
            since: at(50),
            reasons: [(reason, at(45))].into(),
            coming: BTreeMap::new(),
        };
        let snapshot = Snapshot {
            at: at(60),
            unix_ms: 100_000,
            health: Arc::new([(Purpose::Failover, unwell)].into()),
            ..Snapshot::default()
        };
        let served = serve(FakeDaemon::new(snapshot)).await;
        let reply: HealthReply = served.client.read("/v3/health?for=failover").await.unwrap();
        assert!(reply.verdict == HealthVerdict::Unhealthy && reply.since_unix_ms == 90_000);
        let condition = &reply.reasons[0];
        assert!(condition.code == HealthCode::SessionDown && condition.since_unix_ms == 85_000);
        let general: HealthReply = served.client.read("/v3/health").await.unwrap();
        assert!(general.verdict == HealthVerdict::Unknown && general.purpose == Purpose::General);
        let wrong = served.client.get("/v3/health?for=lunch").await.unwrap();
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    }
}
