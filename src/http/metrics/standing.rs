//! How sessions and multicast services stand. A series goes with its tunnel.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use warren_actors::Snapshot;
use warren_state::{
    TunnelId,
    groups::{GroupTraffic, GroupsTraffic},
    standing::{BgpCounters, BgpStanding, MulticastCounters, MulticastStanding},
};

use super::{name, page::Page};

pub(super) fn write(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    sessions(page, snapshot)?;
    notifications(page, snapshot)?;
    multicast(page, snapshot)?;
    groups(page, snapshot)
}

/// Each session with the name of its tunnel.
fn bgp(snapshot: &Snapshot) -> impl Iterator<Item = (String, &Arc<BgpStanding>)> {
    snapshot
        .sessions
        .iter()
        .filter_map(|(id, standing)| Some((name(snapshot.tunnels.get(id)?), standing)))
}

fn sessions(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let total = |count: fn(&BgpCounters) -> u64| {
        bgp(snapshot).map(move |(name, standing)| (vec![name], count(&standing.counters)))
    };
    let (connections, established) = (
        total(|counters| counters.connections),
        total(|counters| counters.established),
    );
    page.counter(
        "warren_bgp_connections_total",
        "TCP connections of the session that were opened.",
        &["tunnel"],
        connections,
    )?;
    page.counter(
        "warren_bgp_established_total",
        "Times the session was established.",
        &["tunnel"],
        established,
    )?;
    let discarded = total(|counters| counters.attributes_discarded);
    page.counter(
        "warren_bgp_attributes_discarded_total",
        "Malformed attributes that were ignored.",
        &["tunnel"],
        discarded,
    )?;
    page.counter(
        "warren_bgp_updates_treated_as_withdraw_total",
        "UPDATE messages whose prefixes were taken as withdrawn, because their attributes are malformed.",
        &["tunnel"],
        total(|counters| counters.updates_treated_as_withdraw),
    )?;
    let both = |received: fn(&BgpCounters) -> u64, sent: fn(&BgpCounters) -> u64| {
        bgp(snapshot).flat_map(move |(name, standing)| {
            [("in", received), ("out", sent)]
                .map(|(way, count)| (vec![name.clone(), way.to_owned()], count(&standing.counters)))
        })
    };
    let updates = both(|counters| counters.updates_in, |counters| counters.updates_out);
    page.counter(
        "warren_bgp_updates_total",
        "UPDATE messages.",
        &["tunnel", "direction"],
        updates,
    )?;
    let notifications = both(
        |counters| counters.notifications_in,
        |counters| counters.notifications_out,
    );
    page.counter(
        "warren_bgp_notifications_total",
        "NOTIFICATION messages.",
        &["tunnel", "direction"],
        notifications,
    )?;
    let refused = bgp(snapshot).flat_map(|(name, standing)| {
        standing
            .refused
            .iter()
            .map(move |(reason, routes)| (vec![name.clone(), reason.name().to_owned()], routes.count))
    });
    page.counter(
        "warren_bgp_refused_prefixes_total",
        "Prefixes that were not accepted, by reason.",
        &["tunnel", "reason"],
        refused,
    )
}

fn notifications(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let last = bgp(snapshot).flat_map(|(name, standing)| {
        [("in", &standing.last_received), ("out", &standing.last_sent)]
            .into_iter()
            .filter_map(move |(way, last)| {
                let last = last.as_ref()?;
                let labels = vec![
                    name.clone(),
                    way.to_owned(),
                    last.what.code.to_string(),
                    last.what.subcode.to_string(),
                ];
                Some((labels, snapshot.unix_ms_of(last.at) as f64 / 1_000.0))
            })
    });
    page.gauge(
        "warren_bgp_last_notification_timestamp_seconds",
        "When the last NOTIFICATION was received or sent, by its code and subcode: Unix time.",
        &["tunnel", "direction", "code", "subcode"],
        last,
    )
}

fn multicast(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let all = || {
        snapshot
            .multicast
            .iter()
            .filter_map(|(id, standing)| Some((name(snapshot.tunnels.get(id)?), standing)))
    };
    let groups = all().flat_map(|(name, standing)| {
        let MulticastStanding {
            joined, announced, ..
        } = standing.as_ref();
        [("joined", joined), ("announced", announced)]
            .map(|(role, groups)| (vec![name.clone(), role.to_owned()], groups.count as f64))
    });
    page.gauge(
        "warren_multicast_groups",
        "Multicast groups that are joined, and that are announced.",
        &["tunnel", "role"],
        groups,
    )?;
    let messages = all().flat_map(|(name, standing)| {
        let MulticastCounters {
            hellos,
            joins,
            prunes,
            heartbeats,
            registers,
            unsent: _,
        } = standing.counters;
        [
            ("hello", hellos),
            ("join", joins),
            ("prune", prunes),
            ("heartbeat", heartbeats),
            ("register", registers),
        ]
        .map(|(kind, count)| (vec![name.clone(), kind.to_owned()], count))
    });
    page.counter(
        "warren_multicast_messages_total",
        "Multicast messages, sent or not.",
        &["tunnel", "kind"],
        messages,
    )?;
    let unsent = all().map(|(name, standing)| (vec![name], standing.counters.unsent));
    page.counter(
        "warren_multicast_unsent_total",
        "Multicast messages that could not be sent.",
        &["tunnel"],
        unsent,
    )
}

/// What passed of groups: the labels, and the traffic.
fn passed(snapshot: &Snapshot) -> Vec<(Vec<String>, GroupTraffic)> {
    let of = |(id, groups): (&TunnelId, &Arc<GroupsTraffic>)| {
        let tunnel = name(snapshot.tunnels.get(id)?);
        let way = |of: &BTreeMap<Ipv4Addr, GroupTraffic>, direction: &str| -> Vec<_> {
            let labels = |group: &Ipv4Addr| vec![tunnel.clone(), group.to_string(), direction.to_owned()];
            of.iter()
                .map(|(group, traffic)| (labels(group), *traffic))
                .collect()
        };
        Some([way(&groups.received, "in"), way(&groups.sent, "out")].concat())
    };
    snapshot.groups.iter().filter_map(of).flatten().collect()
}

fn groups(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    const LABELS: &[&str] = &["tunnel", "group", "direction"];
    let all = passed(snapshot);
    let packets = all
        .iter()
        .map(|(labels, traffic)| (labels.clone(), traffic.packets));
    page.counter(
        "warren_multicast_group_packets_total",
        "Packets of multicast groups received or sent over the tunnel, as far as they were counted.",
        LABELS,
        packets,
    )?;
    #[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
    let last = all.iter().filter_map(|(labels, traffic)| {
        Some((
            labels.clone(),
            snapshot.unix_ms_of(traffic.last?) as f64 / 1_000.0,
        ))
    });
    page.gauge(
        "warren_multicast_group_last_packet_timestamp_seconds",
        "When packets of the group were found to have passed last: Unix time.",
        LABELS,
        last,
    )
}
