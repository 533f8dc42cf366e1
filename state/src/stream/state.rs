//! The state that is shown, as JSON without `null`, and patches of it (RFC 7396).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    Monotonic, SessionCause, TunnelId,
    desired::Refusal,
    lifecycle::TunnelReport,
    table::{Change, Entry, Tables},
};

/// All of it; with the name of a tunnel, of the tunnels only that one.
#[must_use]
pub fn snapshot(tables: &Tables, only: Option<TunnelId>) -> Value {
    let mut state = head(tables);
    let ids = tables
        .tunnels
        .keys()
        .filter(|id| only.is_none_or(|only| only == **id));
    let tunnels: Map<String, Value> = ids
        .filter_map(|id| Some((id.to_string(), tunnel(tables, *id)?)))
        .collect();
    state.insert("tunnels".to_owned(), Value::Object(tunnels));
    state.insert("refused".to_owned(), refused(tables));
    Value::Object(state)
}

/// What a step changed of it: applied to what was before, it gives what is after. Nothing where nothing that is shown changed.
#[must_use]
pub fn patch(before: &Tables, entry: &Entry, after: &Tables) -> Option<Value> {
    let mut all = Map::new();
    let (mut ids, mut users, mut is_in_the_head) = (BTreeSet::new(), BTreeSet::new(), false);
    for change in &entry.changes {
        match change {
            Change::Tunnel(report) => drop(ids.insert(report.tunnel)),
            Change::Session(id, _) | Change::TunnelDown(id) | Change::TunnelGone(id) => drop(ids.insert(*id)),
            Change::NoTunnels => ids.extend(before.tunnels.keys().copied()),
            Change::Refused(user, _) => drop(users.insert(*user)),
            Change::Reconciler(_)
            | Change::Switch(_)
            | Change::Disk(_)
            | Change::Journal(_)
            | Change::Owners(_)
            | Change::Address(_)
            | Change::View(_)
            | Change::Held(_)
            | Change::Excluded(_)
            | Change::Stopping => is_in_the_head = true,
            Change::Multicast(..)
            | Change::Groups(..)
            | Change::Hooks(_)
            | Change::Health(_)
            | Change::Recorder(_)
            | Change::Applied(..)
            | Change::Usage(_)
            | Change::Watch { .. }
            | Change::Stale(_)
            | Change::Ledger(_)
            | Change::LedgerRestarted(_)
            | Change::Rates(_)
            | Change::Caps(_)
            | Change::Manual(_)
            | Change::OtherSource(..)
            | Change::Noticed(_)
            | Change::Liveness(_)
            | Change::Latency(_)
            | Change::Counted(_)
            | Change::Restarted(_) => {}
        }
    }
    let of = |tables: &Tables, id| tunnel(tables, id).unwrap_or(Value::Null);
    let tunnels: Map<String, Value> = ids
        .into_iter()
        .filter_map(|id| Some((id.to_string(), difference(&of(before, id), &of(after, id))?)))
        .collect();
    if !tunnels.is_empty() {
        all.insert("tunnels".to_owned(), Value::Object(tunnels));
    }
    let of = |tables: &Tables, user| tables.refused.get(user).map_or(Value::Null, refusal);
    let users: Map<String, Value> = users
        .iter()
        .filter_map(|user| Some((user.to_string(), difference(&of(before, user), &of(after, user))?)))
        .collect();
    if !users.is_empty() {
        all.insert("refused".to_owned(), Value::Object(users));
    }
    if is_in_the_head
        && let Some(Value::Object(changed)) =
            difference(&Value::Object(head(before)), &Value::Object(head(after)))
    {
        all.extend(changed);
    }
    (!all.is_empty()).then_some(Value::Object(all))
}

/// Applies a patch (RFC 7396 section 2).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in members {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The patch from one to the other, where they differ. `Null` stands for what is not there.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(was), Value::Object(is)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let gone = was
        .keys()
        .filter(|name| !is.contains_key(*name))
        .map(|name| (name.clone(), Value::Null));
    let changed = is.iter().filter_map(|(name, value)| {
        let patch = difference(was.get(name).unwrap_or(&Value::Null), value)?;
        Some((name.clone(), patch))
    });
    let patch: Map<String, Value> = gone.chain(changed).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// All but the tunnels and the refused users.
fn head(tables: &Tables) -> Map<String, Value> {
    let Tables {
        disk,
        address,
        reconciler,
        excluded,
        ..
    } = tables;
    let view = tables.view.as_ref().map(|in_force| &in_force.accepted.view);
    present([
        ("switch", json!(tables.switch)),
        ("enabled", json!(tables.switch.has_tunnels())),
        ("switch_unknown", json!(disk.switch_unknown)),
        ("stopping", json!(tables.stopping)),
        ("converged", json!(reconciler.converged)),
        ("generation", json!(reconciler.generation)),
        ("owners", json!(tables.owners.to_string())),
        ("owner", json!(disk.owner)),
        ("pin", json!(disk.pin)),
        ("client_ip", json!(address.in_force.map(|chosen| chosen.address))),
        (
            "client_ip_source",
            json!(address.in_force.map(|_| address.source.name())),
        ),
        ("client_ip_error", json!(address.error)),
        ("store_problem", json!(disk.problem)),
        ("journal_problem", json!(tables.journal_problem)),
        ("held", json!(tables.held.as_ref().map(ToString::to_string))),
        (
            "view",
            json!(view.map(|view| json!({"slot": view.slot, "users": view.users.len()}))),
        ),
        (
            "exclusion",
            Value::Object(present([
                ("entries", json!(excluded.list.len())),
                ("error", json!(excluded.error)),
            ])),
        ),
    ])
}

fn refused(tables: &Tables) -> Value {
    let all = tables.refused.iter();
    Value::Object(all.map(|(user, why)| (user.to_string(), refusal(why))).collect())
}

fn refusal(why: &Refusal) -> Value {
    json!({"code": why.code(), "reason": why.to_string()})
}

fn tunnel(tables: &Tables, id: TunnelId) -> Option<Value> {
    let report: &TunnelReport = tables.tunnels.get(&id)?;
    let spec = report.spec.as_deref();
    let stands = tables.sessions.get(&id).map(|stands| {
        Value::Object(present([
            ("state", json!(stands.state.name())),
            ("prefixes", json!(stands.prefixes)),
            ("hold_seconds", json!(stands.hold_time.map(|time| time.as_secs()))),
            ("router_id", json!(stands.peer_router_id)),
        ]))
    });
    let failure = report.failure.as_ref().map(|failure| {
        json!({
            "phase": failure.phase.name(),
            "class": failure.fault.class.to_string(),
            "operation": failure.fault.operation,
            "detail": failure.fault.detail,
        })
    });
    let multicast = spec.and_then(|spec| spec.multicast.as_ref());
    let groups = multicast.map(|spec| json!({"publish": spec.publish, "subscribe": spec.subscribe}));
    Some(Value::Object(present([
        ("link", json!(spec.map(|spec| &spec.link.name))),
        ("service", json!(spec.map(|spec| spec.kind.name()))),
        ("local", json!(spec.map(|spec| spec.link.local))),
        ("remote", json!(spec.map(|spec| spec.link.remote))),
        ("phase", json!(report.phase.name())),
        ("since_ms", milliseconds(report.since)),
        ("incarnation", json!(report.incarnation)),
        ("session", json!(report.session.name())),
        (
            "session_cause",
            json!(report.session_cause.and_then(SessionCause::name)),
        ),
        ("session_detail", json!(report.session_detail)),
        (
            "session_since_ms",
            report.session_since.map_or(Value::Null, milliseconds),
        ),
        ("learned_routes", json!(report.learned_routes)),
        ("blocked_routes", json!(report.blocked_routes.count)),
        ("withheld_routes", json!(report.withheld_routes.count)),
        ("excluded_routes", json!(report.excluded_routes)),
        ("capturing_routes", json!(report.capturing_routes.count)),
        ("repairs", json!(report.repairs)),
        ("attempts", json!(report.attempts)),
        (
            "postponed",
            json!(
                report
                    .postponed
                    .as_ref()
                    .map(|postponed| postponed.reason.to_string())
            ),
        ),
        ("contested", json!(report.contest.is_some())),
        ("failure", json!(failure)),
        ("down", json!(tables.is_down(&id))),
        ("bgp", json!(stands)),
        ("groups", json!(groups)),
    ])))
}

fn milliseconds(at: Monotonic) -> Value {
    json!(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// Without those that are `null`: a patch could not tell them from what is gone.
fn present<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    present.map(|(name, value)| (name.to_owned(), value)).collect()
}
