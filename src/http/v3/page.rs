//! Tunnels in pages: however many there are, no answer grows with them.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use warren_actors::Snapshot;
use warren_api::{
    open_enum::OpenEnum,
    v3::{DEFAULT_LIMIT, HIGHEST_LIMIT, SCHEMA, Tunnel, TunnelPage, TunnelQuery},
};
use warren_state::{Phase, SessionStatus, TunnelId, lifecycle::TunnelReport};

use super::answers::tunnel_state;
use crate::http::{Api, error, json};

/// What is asked for, understood.
struct Wanted {
    limit: usize,
    after: Option<TunnelId>,
    phase: Option<Phase>,
}

/// Tunnels, page by page. A page shows one state of the daemon; the next one may show a later one.
pub async fn tunnels(State(api): State<Api>, query: Result<Query<TunnelQuery>, QueryRejection>) -> Response {
    match query
        .map_err(|rejection| rejection.body_text())
        .and_then(|Query(asked)| Wanted::of(&asked))
    {
        Ok(wanted) => json(StatusCode::OK, &page(&api, &api.engine.snapshot(), &wanted)),
        Err(problem) => error(StatusCode::BAD_REQUEST, problem),
    }
}

/// The first page, as status shows it: its tunnels, and what comes after them.
pub(super) fn first(api: &Api, snapshot: &Snapshot) -> (Vec<Tunnel>, Option<String>) {
    let TunnelPage { tunnels, next, .. } = page(
        api,
        snapshot,
        &Wanted {
            limit: DEFAULT_LIMIT,
            after: None,
            phase: None,
        },
    );
    (tunnels, next)
}

/// Those that are not in place with their session up, at most so many, and how many there are in all; then others, as far as a page has room.
pub(super) fn in_trouble_first(api: &Api, snapshot: &Snapshot, most: usize) -> (Vec<Tunnel>, usize) {
    let (well, troubled): (Vec<_>, Vec<_>) = snapshot.tunnels.values().partition(|report| is_well(report));
    let total = troubled.len();
    let shown = troubled.into_iter().take(most);
    let others = well.into_iter().take(DEFAULT_LIMIT.saturating_sub(total));
    let tunnels = shown
        .chain(others)
        .map(|report| tunnel_state(api, snapshot, report));
    (tunnels.collect(), total)
}

fn is_well(report: &TunnelReport) -> bool {
    let hindered = report.failure.is_some() || report.postponed.is_some() || report.contest.is_some();
    report.phase == Phase::Active && report.session == SessionStatus::Up && !hindered
}

/// How many tunnels are in each phase.
pub(super) fn phases(snapshot: &Snapshot) -> BTreeMap<OpenEnum<Phase>, usize> {
    let mut counts = BTreeMap::<Phase, usize>::new();
    snapshot
        .tunnels
        .values()
        .for_each(|report| *counts.entry(report.phase).or_default() += 1);
    counts
        .into_iter()
        .map(|(phase, count)| (phase.into(), count))
        .collect()
}

fn page(api: &Api, snapshot: &Snapshot, wanted: &Wanted) -> TunnelPage {
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
            .map(|report| tunnel_state(api, snapshot, report))
            .collect(),
        next,
    }
}

impl Wanted {
    fn of(asked: &TunnelQuery) -> Result<Self, String> {
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
