//! From a snapshot to the bodies of the answers.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use warren_actors::{
    KnownAnswer, Snapshot,
    latency::LatencyStatus,
    streams::{ReaderStanding, StreamsStanding},
};
use warren_api::{
    open_enum::OpenEnum,
    v3::{
        Answer, Conflict, Contest, DataplaneState, Failure, JournalState, LatencyState, Ledger,
        LedgerRestart, OwnerState, PlanReply, Postponed, Process, ReaderBehind, RecorderState, Refused,
        RouteExclusion, SCHEMA, Status, Step, StreamsState, Tunnel, TunnelReply, TunnelSource, ViewState,
    },
};
use warren_state::{
    Monotonic, Plan, Position, Pubkey, SessionCause, TunnelId,
    desired::Refusal,
    event::Level,
    journal::{JournalEntry, LocalPosition},
    lifecycle::{BlockedRoutes, FailureReport, TunnelReport, steps_in_words},
    table::RecorderStanding,
};

use super::{applied, page, standing};
use crate::http::{Api, caps, compat, health, usage};

/// The journal's newest entries that are shown for one tunnel.
const RECENT: usize = 32;
/// Readers of streams that are named because they are behind.
const BEHIND: usize = 16;

/// The body of `/v3/status`.
#[must_use]
pub fn status(snapshot: &Snapshot, api: &Api) -> Status {
    let (tunnels, tunnels_next) = page::first(api, snapshot);
    Status {
        schema: SCHEMA,
        node: snapshot.node.to_string(),
        position: place(snapshot).of(snapshot.node).to_string(),
        epoch: snapshot.epoch.0,
        sequence: snapshot.sequence.0,
        unix_ms: snapshot.unix_ms,
        uptime_seconds: snapshot.at.elapsed().as_secs_f64(),
        enabled: snapshot.switch.has_tunnels(),
        switch_unknown: unknown(snapshot),
        store_problem: snapshot.store_problem.clone(),
        journal: journal(snapshot),
        recorders: recorders(snapshot),
        hooks: health::hooks(&snapshot.hooks),
        converged: snapshot.converged,
        stopping: snapshot.stopping,
        role: api.config.role.into(),
        client_ip: snapshot.client_ip().map(|ip| ip.to_string()),
        client_ip_source: snapshot.client_ip().map(|_| snapshot.client_ip_source.into()),
        client_ip_pin: snapshot.pin.map(|ip| ip.to_string()),
        client_ip_pin_problem: snapshot.pin_problem.clone(),
        client_ip_error: snapshot.client_ip_error.clone(),
        other_client_ip: snapshot.other_client_ip.map(|ip| ip.to_string()),
        owner: OwnerState {
            rule: snapshot.owners.to_string(),
            last: snapshot.owner.map(|owner| owner.to_string()),
        },
        device: api.config.device.map(|device| device.to_string()),
        network: api.config.ledger.env.moniker().to_owned(),
        ledger: ledger(snapshot, api),
        view: view(snapshot),
        generation: snapshot.generation.0,
        tunnels,
        tunnels_total: snapshot.tunnels.len(),
        tunnels_next,
        phases: page::phases(snapshot),
        refused: refused(snapshot),
        route_exclusion: RouteExclusion {
            file: api.config.route_config.display().to_string(),
            entries: snapshot.exclusion.list.len(),
            error: snapshot.exclusion.error.clone(),
        },
        dataplane: dataplane(snapshot),
        restarts: by_name(&snapshot.restarts),
        invariants_broken: by_name(&snapshot.invariants_broken),
        latency: snapshot.latency.as_deref().map(latency),
        streams: streams(snapshot, &api.engine.streams().standing()),
        process: Process::clone(&api.process),
    }
}

fn journal(snapshot: &Snapshot) -> JournalState {
    let on_disk = &snapshot.journal;
    // The disk was asked later than the table: it may have more than what is shown here.
    let shown = |at: Position| {
        LocalPosition::from(at)
            .min(place(snapshot))
            .of(at.node)
            .to_string()
    };
    let readers = on_disk
        .cursors
        .iter()
        .map(|(name, at)| (name.clone(), shown(*at)));
    JournalState {
        position: shown(on_disk.position),
        oldest: on_disk.oldest.to_string(),
        entries: on_disk.entries,
        bytes: on_disk.bytes,
        problem: snapshot.journal_problem.clone(),
        readers: readers.collect(),
    }
}

fn recorders(snapshot: &Snapshot) -> Vec<RecorderState> {
    let recorders = snapshot.recorders.values();
    let state = |one: &Arc<RecorderStanding>| RecorderState {
        name: one.name.clone(),
        problem: one.problem.clone(),
        position: one.position.of(snapshot.node).to_string(),
        entries: one.entries,
    };
    recorders.map(state).collect()
}

fn unknown(snapshot: &Snapshot) -> Option<String> {
    let reason = || snapshot.switch_unknown.as_deref().unwrap_or("no reason is known");
    snapshot
        .switch
        .is_unknown()
        .then(|| format!("{}: {}", snapshot.switch, reason()))
}

/// The body of `/v3/plan`.
#[must_use]
pub fn plan(plan: &Plan, snapshot: &Snapshot) -> PlanReply {
    let steps = plan.steps.iter().map(|step| Step {
        tunnel: step.tunnel.to_string(),
        link: step.link.to_string(),
        text: step.to_string(),
        step: value(step),
    });
    let conflicts = plan.conflicts.iter().map(|conflict| Conflict {
        tunnel: conflict.tunnel.to_string(),
        link: conflict.link.to_string(),
        reason: conflict.reason.clone(),
    });
    PlanReply {
        schema: SCHEMA,
        generation: snapshot.generation.0,
        steps: steps.collect(),
        conflicts: conflicts.collect(),
        stray_rules: plan.stray_rules.iter().map(ToString::to_string).collect(),
        last_applied: applied::first(snapshot),
    }
}

/// The body of `/v3/tunnels/{id}`, when there is such a tunnel. No event is told of which the tunnel as it is shown knows nothing yet.
#[must_use]
pub fn tunnel(snapshot: &Snapshot, api: &Api, name: &str) -> Option<TunnelReply> {
    let report = find(snapshot, name)?;
    let shown = place(snapshot);
    let events = api
        .engine
        .recent(report.tunnel, RECENT)
        .iter()
        .rev()
        .filter(|entry| entry.place() <= shown)
        .map(|entry| told(entry))
        .collect();
    Some(TunnelReply {
        schema: SCHEMA,
        tunnel: tunnel_state(api, snapshot, report),
        spec: value(&report.spec),
        events,
    })
}

/// As of when a snapshot is.
fn place(snapshot: &Snapshot) -> LocalPosition {
    LocalPosition {
        epoch: snapshot.epoch,
        sequence: snapshot.sequence,
    }
}

/// What keeps the daemon from knowing what it should do.
#[must_use]
pub fn not_ready(snapshot: &Snapshot) -> Vec<String> {
    let mut reasons = Vec::new();
    if snapshot.stopping {
        reasons.push("the daemon is stopping".to_owned());
    }
    if snapshot.role.is_none() {
        let detail = snapshot.client_ip_error.as_deref().unwrap_or("still looking");
        reasons.push(format!("this host's public address is not known: {detail}"));
    }
    if snapshot.view.is_none() {
        let detail = snapshot.ledger.last_error.as_deref().unwrap_or("still reading");
        reasons.push(format!("the ledger was not read yet: {detail}"));
    }
    if snapshot.stale {
        reasons.push("the view is stale".to_owned());
    }
    reasons
}

/// The tunnel of this account, or with a link of this name.
pub(crate) fn named(snapshot: &Snapshot, name: &str) -> Option<TunnelId> {
    find(snapshot, name).map(|report| report.tunnel)
}

fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a TunnelReport> {
    let by_id = name
        .parse::<TunnelId>()
        .ok()
        .and_then(|id| snapshot.tunnels.get(&id));
    let named = |report: &&std::sync::Arc<TunnelReport>| {
        report
            .spec
            .as_ref()
            .is_some_and(|spec| spec.link.name.as_str() == name)
    };
    by_id
        .or_else(|| snapshot.tunnels.values().find(named))
        .map(AsRef::as_ref)
}

fn by_name(counts: &imbl::OrdMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// An event with what follows from it: its level, and the words for people.
#[must_use]
pub fn told(entry: &JournalEntry) -> serde_json::Value {
    #[derive(Serialize)]
    struct Told<'a> {
        #[serde(flatten)]
        entry: &'a JournalEntry,
        level: Level,
        text: String,
    }
    value(&Told {
        entry,
        level: entry.event.level(),
        text: entry.event.to_string(),
    })
}

pub(super) fn tunnel_state(api: &Api, snapshot: &Snapshot, report: &TunnelReport) -> Tunnel {
    let spec = report.spec.as_ref();
    Tunnel {
        id: report.tunnel.to_string(),
        source: if report.tunnel.is_manual() {
            TunnelSource::Manual.into()
        } else {
            TunnelSource::Ledger.into()
        },
        made_by: owner_of(snapshot, &report.tunnel.0).map(|owner| owner.to_string()),
        made_by_another: owner_of(snapshot, &report.tunnel.0)
            .is_some_and(|owner| is_another(snapshot, owner)),
        name: spec.map(|spec| spec.link.name.to_string()),
        user_type: spec.map(|spec| spec.kind.into()),
        phase: report.phase.into(),
        since_unix_ms: snapshot.unix_ms_of(report.since),
        since_seconds: age(snapshot, report.since),
        incarnation: report.incarnation.0,
        local: spec.map(|spec| spec.link.local.to_string()),
        other_local: snapshot
            .other_sources
            .get(&report.tunnel)
            .map(ToString::to_string),
        remote: spec.map(|spec| spec.link.remote.to_string()),
        doublezero_ip: spec
            .and_then(|spec| compat::overlay_address(snapshot, report, spec))
            .map(|ip| ip.to_string()),
        session: report.session.into(),
        session_detail: report.session_detail.clone(),
        session_cause: report
            .session_cause
            .filter(|cause| *cause != SessionCause::Other)
            .map(OpenEnum::from),
        session_since_unix_ms: report.session_since.map(|since| snapshot.unix_ms_of(since)),
        bgp: snapshot
            .sessions
            .get(&report.tunnel)
            .map(|stands| standing::bgp(snapshot, stands)),
        last_applied: snapshot
            .applied
            .get(&report.tunnel)
            .map(|last| applied::last(last)),
        multicast: snapshot
            .multicast
            .get(&report.tunnel)
            .map(|stands| standing::multicast(snapshot, stands, snapshot.groups.get(&report.tunnel))),
        learned_routes: report.learned_routes,
        blocked_routes: first_of(&report.blocked_routes),
        blocked_routes_total: report.blocked_routes.count,
        withheld_routes: first_of(&report.withheld_routes),
        withheld_routes_total: report.withheld_routes.count,
        excluded_routes_total: report.excluded_routes,
        capturing_routes: first_of(&report.capturing_routes),
        capturing_routes_total: report.capturing_routes.count,
        postponed: report.postponed.as_ref().map(|postponed| Postponed {
            local: postponed.link.local.to_string(),
            remote: postponed.link.remote.to_string(),
            reason: postponed.reason.to_string(),
            retry_in_seconds: postponed.retry_at.since(snapshot.at).as_secs_f64(),
        }),
        carried: api.engine.carried(report.tunnel).as_ref().map(usage::carried),
        held_to: report
            .spec
            .as_ref()
            .and_then(|spec| caps::held_to(spec.rate.rate()?)),
        cap: caps::of_tunnel(snapshot, report.tunnel),
        repairs: report.repairs,
        contest: report.contest.as_ref().map(|contest| Contest {
            repairs: contest.repairs,
            steps: steps_in_words(&contest.steps, contest.more),
            last_seconds: snapshot.at.since(contest.last).as_secs_f64(),
            next_in_seconds: contest.next.since(snapshot.at).as_secs_f64(),
        }),
        attempts: report.attempts,
        rate_failure: report
            .rate_failure
            .as_ref()
            .map(|failure| failed(snapshot, failure)),
        failure: report.failure.as_ref().map(|failure| failed(snapshot, failure)),
    }
}

fn failed(snapshot: &Snapshot, failure: &FailureReport) -> Failure {
    Failure {
        phase: failure.phase.into(),
        class: failure.fault.class.into(),
        operation: failure.fault.operation.clone(),
        detail: failure.fault.detail.clone(),
        retry_in_seconds: failure.retry_at.since(snapshot.at).as_secs_f64(),
    }
}

fn owner_of(snapshot: &Snapshot, user: &Pubkey) -> Option<Pubkey> {
    snapshot.view.as_deref()?.users.get(user).map(|user| user.owner)
}

fn is_another(snapshot: &Snapshot, owner: Pubkey) -> bool {
    let network = snapshot
        .view
        .as_deref()
        .and_then(|view| view.authorities.as_ref());
    snapshot.owner.is_some_and(|last| last != owner)
        && network.is_some_and(|network| !network.contains(&owner))
}

fn first_of(routes: &BlockedRoutes) -> Vec<String> {
    routes
        .first
        .iter()
        .map(|(dst, reason)| format!("{dst}: {reason}"))
        .collect()
}

fn ledger(snapshot: &Snapshot, api: &Api) -> Ledger {
    let health = &snapshot.ledger;
    Ledger {
        endpoint: health.endpoint.clone(),
        program_id: api.config.ledger.program_id.to_string(),
        subscribed: health.subscribed,
        requests: health.requests,
        bytes_received: health.bytes_received,
        reads_ok: health.reads_ok,
        reads_failed: health.reads_failed,
        retries: health.retries,
        last_error: health.last_error.clone(),
        last_problem: health.last_problem.map(OpenEnum::Known),
        websocket_bytes: health.watch_bytes_received + health.watch_bytes_sent,
        over_tunnel: health.over_tunnel.clone(),
        lacks: health.lacks.clone(),
        answers: snapshot
            .ledger_cache
            .answers
            .iter()
            .map(|known| answer(snapshot, known))
            .collect(),
    }
}

fn answer(snapshot: &Snapshot, known: &KnownAnswer) -> Answer {
    Answer {
        question: known.question.clone(),
        age_seconds: known.read_at.map(|read_at| age(snapshot, read_at)),
        error: known.error.clone(),
    }
}

fn view(snapshot: &Snapshot) -> ViewState {
    let view = snapshot.view.as_deref();
    ViewState {
        slot: view.map(|view| view.slot.0),
        age_seconds: snapshot.view_read_at.map(|read_at| age(snapshot, read_at)),
        stale: snapshot.stale,
        held: snapshot.held.as_ref().map(ToString::to_string),
        restarted: snapshot.restarted.map(|restarted| LedgerRestart {
            from: restarted.from.0,
            to: restarted.to.0,
            age_seconds: age(snapshot, restarted.at),
        }),
        users: view.map_or(0, |view| view.users.len()),
        quarantined: view.map_or_else(BTreeMap::new, |view| {
            view.quarantined
                .iter()
                .map(|(key, quarantine)| (key.to_string(), quarantine.reason.clone()))
                .collect()
        }),
    }
}

fn refused(snapshot: &Snapshot) -> Vec<Refused> {
    let entry = |(user, refusal): (&Pubkey, &Refusal)| Refused {
        user: user.to_string(),
        code: refusal.code().to_owned(),
        reason: refusal.to_string(),
        refusal: Some(refusal.clone()),
        made_by: owner_of(snapshot, user).map(|owner| owner.to_string()),
    };
    snapshot.refused.iter().map(entry).collect()
}

fn latency(status: &LatencyStatus) -> LatencyState {
    LatencyState {
        ready: status.is_ready,
        targets: status.targets.len(),
        reachable: status
            .targets
            .iter()
            .filter(|report| report.is_reachable())
            .count(),
        socket: status.socket.map(str::to_owned),
        error: status
            .socket_error
            .clone()
            .or_else(|| status.devices_error.clone()),
    }
}

fn streams(snapshot: &Snapshot, standing: &StreamsStanding) -> StreamsState {
    let seconds = |reader: &ReaderStanding| {
        reader
            .waits_since
            .map_or(0, |since| snapshot.at.since(since).as_secs())
    };
    let mut behind: Vec<ReaderBehind> = standing
        .readers
        .iter()
        .filter(|reader| reader.behind > 0 || seconds(reader) > 0)
        .map(|reader| ReaderBehind {
            reader: reader.reader,
            stream: reader.stream.to_owned(),
            uid: reader.uid,
            frames: reader.behind,
            seconds: seconds(reader),
            gaps: reader.gaps,
        })
        .collect();
    behind.sort_by_key(|reader| std::cmp::Reverse((reader.seconds, reader.frames)));
    behind.truncate(BEHIND);
    StreamsState {
        readers: standing.readers.len(),
        gaps: standing.gaps,
        behind,
    }
}

fn dataplane(snapshot: &Snapshot) -> DataplaneState {
    let capabilities = &snapshot.capabilities;
    DataplaneState {
        backend: capabilities.backend.into(),
        reason: capabilities.reason.clone(),
        features: value(&capabilities.features),
        missing: value(&capabilities.missing),
    }
}

fn age(snapshot: &Snapshot, at: Monotonic) -> f64 {
    snapshot.at.since(at).as_secs_f64()
}

pub(super) fn value(of: &(impl Serialize + ?Sized)) -> serde_json::Value {
    serde_json::to_value(of).unwrap_or(serde_json::Value::Null)
}
