//! How sessions and multicast services stand, beside their status.

use std::sync::Arc;

use warren_actors::Snapshot;
use warren_api::v3::{Bgp, Multicast, Notification, RefusedPrefixes};
use warren_state::standing::{BgpStanding, MulticastStanding, Notified};

pub(super) fn bgp(snapshot: &Snapshot, standing: &Arc<BgpStanding>) -> Bgp {
    let BgpStanding {
        state,
        hold_time,
        peer_router_id,
        prefixes,
        last_sent,
        last_received,
        counters,
        refused,
    } = standing.as_ref();
    let told =
        |notified: &Option<Notified>| notified.as_ref().map(|notified| notification(snapshot, notified));
    Bgp {
        state: (*state).into(),
        hold_time_seconds: hold_time.map(|hold_time| hold_time.as_secs_f64()),
        peer_router_id: peer_router_id.map(|id| id.to_string()),
        prefixes: *prefixes,
        connections: counters.connections,
        established: counters.established,
        updates_in: counters.updates_in,
        updates_out: counters.updates_out,
        notifications_in: counters.notifications_in,
        notifications_out: counters.notifications_out,
        attributes_discarded: counters.attributes_discarded,
        updates_treated_as_withdraw: counters.updates_treated_as_withdraw,
        last_received: told(last_received),
        last_sent: told(last_sent),
        refused: refused
            .iter()
            .map(|(reason, routes)| {
                let latest = routes.latest.iter().map(ToString::to_string).collect();
                (
                    reason.name().to_owned(),
                    RefusedPrefixes {
                        count: routes.count,
                        latest,
                    },
                )
            })
            .collect(),
    }
}

pub(super) fn multicast(snapshot: &Snapshot, standing: &Arc<MulticastStanding>) -> Multicast {
    let MulticastStanding {
        joined,
        announced,
        generation_id: _,
        last_said,
        failing,
        counters,
    } = standing.as_ref();
    let names = |groups: &[std::net::Ipv4Addr]| groups.iter().map(ToString::to_string).collect();
    Multicast {
        joined: names(&joined.first),
        joined_total: joined.count,
        announced: names(&announced.first),
        announced_total: announced.count,
        last_said_unix_ms: last_said.map(|at| snapshot.unix_ms_of(at)),
        failing: failing.clone(),
        hellos: counters.hellos,
        joins: counters.joins,
        prunes: counters.prunes,
        heartbeats: counters.heartbeats,
        registers: counters.registers,
        unsent: counters.unsent,
    }
}

fn notification(snapshot: &Snapshot, notified: &Notified) -> Notification {
    let (code, subcode) = (notified.what.code, notified.what.subcode);
    Notification {
        code,
        subcode,
        text: notified.to_string(),
        unix_ms: snapshot.unix_ms_of(notified.at),
    }
}
