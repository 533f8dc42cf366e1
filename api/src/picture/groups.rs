//! Multicast groups, and how fresh what is known of them is.

use std::collections::BTreeMap;

use warren_state::groups::{FRESH, SILENT};

use crate::{
    phrases,
    v3::{Freshness, Group, GroupPackets, Multicast, Tunnel},
};

/// The groups of a tunnel, by their addresses.
#[must_use]
pub fn groups(tunnel: &Tunnel, now_unix_ms: u64) -> Vec<Group> {
    let multicast = tunnel.multicast.as_ref();
    multicast.map_or_else(Vec::new, |multicast| of_services(multicast, now_unix_ms))
}

/// The same, of its multicast services.
#[must_use]
pub fn of_services(multicast: &Multicast, now_unix_ms: u64) -> Vec<Group> {
    let named = multicast.joined.iter().chain(&multicast.announced);
    let mut all: BTreeMap<&String, Option<&GroupPackets>> = named.map(|name| (name, None)).collect();
    all.extend(
        multicast
            .groups
            .iter()
            .map(|counted| (&counted.group, Some(counted))),
    );
    all.into_iter()
        .map(|(name, counted)| group(multicast, name, counted, now_unix_ms))
        .collect()
}

fn group(multicast: &Multicast, name: &String, counted: Option<&GroupPackets>, now: u64) -> Group {
    let packets_in = counted.and_then(|counted| counted.packets_in);
    let packets_out = counted.and_then(|counted| counted.packets_out);
    let receives = packets_in.is_some() || multicast.joined.contains(name);
    // What this host sends itself says nothing of what it receives.
    let last_seen_unix_ms = counted.and_then(|counted| {
        if receives {
            counted.last_in_unix_ms
        } else {
            counted.last_out_unix_ms
        }
    });
    let since = counted.map(|counted| counted.since_unix_ms);
    Group {
        group: name.clone(),
        sends: packets_out.is_some() || multicast.announced.contains(name),
        receives,
        packets_in,
        packets_out,
        last_seen_unix_ms,
        freshness: freshness(last_seen_unix_ms, since, now),
    }
}

/// How fresh a group is whose packets are counted since then, and were seen last at that time.
fn freshness(last: Option<u64>, since: Option<u64>, now: u64) -> Freshness {
    let ago = |at: u64| std::time::Duration::from_millis(now.saturating_sub(at));
    match (last.map(ago), since.map(ago)) {
        (Some(old), _) if old <= FRESH => Freshness::Ok,
        (Some(old), _) if old <= SILENT => Freshness::Stale,
        (Some(_), _) => Freshness::Dead,
        (None, Some(counted)) if counted > SILENT => Freshness::Dead,
        (None, _) => Freshness::Unknown,
    }
}

impl Group {
    /// What this host does with it.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match (self.sends, self.receives) {
            (true, true) => "sends, receives",
            (true, false) => "sends",
            (false, true) => "receives",
            (false, false) => "left",
        }
    }

    /// How many packets passed, where they are counted.
    #[must_use]
    pub fn passed(&self) -> String {
        let way = |packets: Option<u64>, way| packets.map(|packets| format!("{packets} {way}"));
        let ways = [way(self.packets_in, "in"), way(self.packets_out, "out")];
        ways.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// How fresh it is, and since when.
    #[must_use]
    pub fn seen(&self, now_unix_ms: u64) -> String {
        let is_counted = self.packets_in.is_some() || self.packets_out.is_some();
        match (self.last_seen_unix_ms, self.freshness) {
            (Some(last), freshness) => {
                let old = std::time::Duration::from_millis(now_unix_ms.saturating_sub(last)).as_secs();
                format!(
                    "{} {}",
                    freshness.word(),
                    phrases::span(std::time::Duration::from_secs(old).as_secs_f64())
                )
            }
            (None, Freshness::Unknown) if is_counted => "nothing yet".to_owned(),
            (None, Freshness::Unknown) => "not measured".to_owned(),
            (None, freshness) => format!("{}, nothing so far", freshness.word()),
        }
    }
}

impl Freshness {
    /// As people read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Stale => "STALE",
            Self::Dead => "DEAD",
            Self::Unknown => "not known",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn multicast(groups: serde_json::Value) -> Multicast {
        serde_json::from_value(json!({
            "joined": ["233.84.178.1"], "joined_total": 1, "announced": ["233.84.178.2"], "announced_total": 1, "last_said_unix_ms": null,
            "failing": null, "hellos": 0, "joins": 0, "prunes": 0, "heartbeats": 0, "registers": 0, "unsent": 0, "groups": groups,
        }))
        .unwrap()
    }

    #[test]
    fn a_group_is_fresh_for_ten_seconds_stale_for_a_minute_and_then_dead() {
        for (last, since, expected) in [
            (Some(NOW - 10_000), 0, Freshness::Ok),
            (Some(NOW - 10_001), 0, Freshness::Stale),
            (Some(NOW - 60_000), 0, Freshness::Stale),
            (Some(NOW - 60_001), NOW - 70_000, Freshness::Dead),
            (None, NOW - 60_000, Freshness::Unknown),
            (None, NOW - 60_001, Freshness::Dead),
            (Some(NOW + 5), NOW, Freshness::Ok),
        ] {
            let known = of_services(
                &multicast(
                    json!([{"group": "233.84.178.1", "packets_in": 7, "packets_out": null, "last_in_unix_ms": last,
                                   "last_out_unix_ms": null, "since_unix_ms": since}]),
                ),
                NOW,
            );
            assert_eq!(known[0].freshness, expected, "{last:?} since {since}");
        }
    }

    #[test]
    fn what_is_received_is_fresh_by_what_came_and_what_is_only_sent_by_what_left() {
        let known = of_services(
            &multicast(json!([
                {"group": "233.84.178.1", "packets_in": 0, "packets_out": 9, "last_in_unix_ms": null, "last_out_unix_ms": NOW, "since_unix_ms": 0},
                {"group": "233.84.178.3", "packets_in": null, "packets_out": 9, "last_in_unix_ms": null, "last_out_unix_ms": NOW, "since_unix_ms": 0},
            ])),
            NOW,
        );
        let [both, uncounted, sent] = known.as_slice() else {
            panic!("{known:?}")
        };
        assert_eq!(
            (both.sends, both.receives, both.freshness),
            (true, true, Freshness::Dead)
        );
        assert_eq!(
            (uncounted.sends, uncounted.packets_out, uncounted.freshness),
            (true, None, Freshness::Unknown)
        );
        assert_eq!(
            (sent.receives, sent.last_seen_unix_ms, sent.freshness),
            (false, Some(NOW), Freshness::Ok)
        );
    }
}
