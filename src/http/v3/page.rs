//! Tunnels in pages: however many there are, no answer grows with them.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use warren_actors::Snapshot;
use warren_state::{Phase, TunnelId, lifecycle::TunnelReport};

use super::{SCHEMA, Tunnel, answers::tunnel_state};
use crate::http::{Api, compat::Outcome, error, json};

/// Tunnels of a page where nothing else is asked, and of the one in status.
pub const DEFAULT_LIMIT: usize = 100;
/// Tunnels of a page at most.
pub const HIGHEST_LIMIT: usize = 500;

/// Which tunnels are asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// How many at most: 1 to 500, by default 100.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Option<String>,
    /// Those that come after this account: `next` of the page before.
    after: Option<String>,
    /// Only those in this phase.
    phase: Option<String>,
}

/// A page of tunnels, in the order of their accounts' bytes.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct TunnelPage {
    /// The version of this document's form.
    pub schema: u32,
    /// This start of the daemon.
    pub epoch: u64,
    /// The last journal entry that is folded in.
    pub sequence: u64,
    /// When this state was published: Unix time in milliseconds.
    pub unix_ms: u64,
    /// How many tunnels there are in all, in whatever phase.
    pub total: usize,
    /// Those of this page.
    pub tunnels: Vec<Tunnel>,
    /// What to ask for as `after` to get the next page; none when this is the last one.
    pub next: Option<String>,
}

/// What is asked for, understood.
struct Wanted {
    limit: usize,
    after: Option<TunnelId>,
    phase: Option<Phase>,
}

/// Tunnels, page by page. A page shows one state of the daemon; the next one may show a later one.
#[utoipa::path(get, path = "/v3/tunnels", params(Asked), responses(
    (status = 200, body = TunnelPage), (status = 400, description = "the query makes no sense", body = Outcome)))]
pub async fn tunnels(State(api): State<Api>, query: Result<Query<Asked>, QueryRejection>) -> Response {
    match query
        .map_err(|rejection| rejection.body_text())
        .and_then(|Query(asked)| Wanted::of(&asked))
    {
        Ok(wanted) => json(StatusCode::OK, &page(&api.engine.snapshot(), &wanted)),
        Err(problem) => error(StatusCode::BAD_REQUEST, problem),
    }
}

/// The first page, as status shows it: its tunnels, and what comes after them.
pub(super) fn first(snapshot: &Snapshot) -> (Vec<Tunnel>, Option<String>) {
    let TunnelPage { tunnels, next, .. } = page(
        snapshot,
        &Wanted {
            limit: DEFAULT_LIMIT,
            after: None,
            phase: None,
        },
    );
    (tunnels, next)
}

/// How many tunnels are in each phase.
pub(super) fn phases(snapshot: &Snapshot) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::<Phase, usize>::new();
    snapshot
        .tunnels
        .values()
        .for_each(|report| *counts.entry(report.phase).or_default() += 1);
    counts
        .into_iter()
        .map(|(phase, count)| (phase.name().to_owned(), count))
        .collect()
}

fn page(snapshot: &Snapshot, wanted: &Wanted) -> TunnelPage {
    let begin = wanted.after.map_or(Bound::Unbounded, Bound::Excluded);
    let is_wanted = |report: &&Arc<TunnelReport>| wanted.phase.is_none_or(|phase| report.phase == phase);
    let mut matching = snapshot
        .tunnels
        .range((begin, Bound::Unbounded))
        .map(|(_, report)| report)
        .filter(is_wanted);
    let reports: Vec<&Arc<TunnelReport>> = matching.by_ref().take(wanted.limit).collect();
    let next = matching
        .next()
        .and(reports.last())
        .map(|last| last.tunnel.to_string());
    TunnelPage {
        schema: SCHEMA,
        epoch: snapshot.epoch.0,
        sequence: snapshot.sequence.0,
        unix_ms: snapshot.unix_ms,
        total: snapshot.tunnels.len(),
        tunnels: reports
            .into_iter()
            .map(|report| tunnel_state(snapshot, report))
            .collect(),
        next,
    }
}

impl Wanted {
    fn of(asked: &Asked) -> Result<Self, String> {
        let limit = asked.limit.as_deref().map(|text| {
            let limit = text
                .parse()
                .ok()
                .filter(|limit| (1..=HIGHEST_LIMIT).contains(limit));
            limit.ok_or_else(|| format!("limit is a number from 1 to {HIGHEST_LIMIT}, and not {text:?}"))
        });
        let after = asked.after.as_deref().map(|text| {
            text.parse().map_err(|_| {
                format!(
                    "after is the account of a tunnel, as `next` of the page before has it, and not {text:?}"
                )
            })
        });
        let phase = asked.phase.as_deref().map(|text| {
            let phase = Phase::ALL.into_iter().find(|phase| phase.name() == text);
            phase.ok_or_else(|| {
                format!(
                    "phase is one of {}, and not {text:?}",
                    Phase::ALL.map(Phase::name).join(", ")
                )
            })
        });
        Ok(Self {
            limit: limit.transpose()?.unwrap_or(DEFAULT_LIMIT),
            after: after.transpose()?,
            phase: phase.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests;
