//! How sessions and multicast services stand, beside their status.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use warren_actors::Snapshot;
use warren_api::v3::{Bgp, GroupPackets, Multicast, Notification, RefusedPrefixes};
use warren_state::{
    groups::{GroupTraffic, GroupsTraffic},
    standing::{BgpStanding, MulticastStanding, Notified},
};

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

pub(super) fn multicast(
    snapshot: &Snapshot,
    standing: &Arc<MulticastStanding>,
    passed: Option<&Arc<GroupsTraffic>>,
) -> Multicast {
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
        groups: passed.map_or_else(Vec::new, |passed| groups(snapshot, passed)),
    }
}

fn groups(snapshot: &Snapshot, passed: &GroupsTraffic) -> Vec<GroupPackets> {
    let all: BTreeSet<Ipv4Addr> = passed
        .received
        .keys()
        .chain(passed.sent.keys())
        .copied()
        .collect();
    let last = |traffic: Option<&GroupTraffic>| Some(snapshot.unix_ms_of(traffic?.last?));
    let of = |group: Ipv4Addr| {
        let (received, sent) = (passed.received.get(&group), passed.sent.get(&group));
        let since = received
            .into_iter()
            .chain(sent)
            .map(|traffic| traffic.since)
            .min()?;
        Some(GroupPackets {
            group: group.to_string(),
            packets_in: received.map(|traffic| traffic.packets),
            packets_out: sent.map(|traffic| traffic.packets),
            last_in_unix_ms: last(received),
            last_out_unix_ms: last(sent),
            since_unix_ms: snapshot.unix_ms_of(since),
        })
    };
    all.into_iter().filter_map(of).collect()
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
