//! How sessions and multicast services stand, in words.

use crate::{
    phrases,
    picture::of_services,
    v3::{Bgp, Multicast, Notification},
};

/// What a session counted, why it ended last, and what it did not take.
#[must_use]
pub fn bgp(now_unix_ms: u64, bgp: &Bgp) -> Vec<String> {
    let times = |count: u64, one: &str, more: &str| {
        phrases::count(usize::try_from(count).unwrap_or(usize::MAX), one, more)
    };
    let hold = bgp.hold_time_seconds.map(|seconds| match seconds {
        seconds if seconds > 0.0 => format!("; silence ends it after {}", phrases::span(seconds)),
        _ => "; silence does not end it".to_owned(),
    });
    let mut lines = vec![format!(
        "its session was established {}, over {}; {} received, {} sent{}",
        times(bgp.established, "time", "times"),
        times(bgp.connections, "connection", "connections"),
        times(bgp.updates_in, "UPDATE", "UPDATEs"),
        times(bgp.updates_out, "UPDATE", "UPDATEs"),
        hold.unwrap_or_default(),
    )];
    lines.extend(last_notification(bgp).map(|(last, is_theirs)| ended(now_unix_ms, last, is_theirs)));
    for (reason, refused) in &bgp.refused {
        let count = times(
            refused.count,
            "prefix that the device sent was",
            "prefixes that the device sent were",
        );
        let latest = match refused.latest.as_slice() {
            [] => "it sends none of them now".to_owned(),
            latest if (latest.len() as u64) < refused.count => format!("the newest: {}", latest.join(", ")),
            latest => latest.join(", "),
        };
        lines.push(format!(
            "{count} not accepted because {} ({reason}): {latest}",
            why(reason)
        ));
    }
    lines
}

/// What is joined and announced, and how sending goes.
#[must_use]
pub fn multicast(now_unix_ms: u64, multicast: &Multicast) -> Vec<String> {
    let groups = |total: usize, first: &[String], what: &str| {
        let more = if first.len() < total { ", …" } else { "" };
        let named = if first.is_empty() {
            String::new()
        } else {
            format!(" ({}{more})", first.join(", "))
        };
        format!("{} {what}{named}", phrases::count(total, "group", "groups"))
    };
    let Multicast {
        hellos,
        joins,
        prunes,
        heartbeats,
        registers,
        ..
    } = multicast;
    let mut lines = vec![
        format!(
            "multicast: {}, {}",
            groups(multicast.joined_total, &multicast.joined, "joined"),
            groups(multicast.announced_total, &multicast.announced, "announced")
        ),
        format!(
            "  sent so far: {hellos} Hello, {joins} Join, {prunes} Prune, {heartbeats} heartbeats, {registers} Register{}; no answer is expected, so only the traffic that arrives shows whether the device accepted it",
            multicast.last_said_unix_ms.map_or_else(String::new, |at| format!(
                ", the last {} ago",
                since(now_unix_ms, at)
            ))
        ),
    ];
    if multicast.unsent > 0 {
        lines.push(format!("  {} of these could not be sent", multicast.unsent));
    }
    lines.extend(failing(multicast).map(|failing| format!("  {failing}")));
    let counted = of_services(multicast, now_unix_ms)
        .into_iter()
        .filter(|group| !group.passed().is_empty());
    lines.extend(counted.map(|group| {
        let (role, passed, seen) = (group.role(), group.passed(), group.seen(now_unix_ms));
        format!("  {} {role}: {passed}; {seen}", group.group)
    }));
    lines
}

/// That nothing leaves, and why.
#[must_use]
pub fn failing(multicast: &Multicast) -> Option<String> {
    multicast.failing.as_deref().map(|reason| {
        format!("multicast messages cannot be sent: {reason}; each is tried again when next due")
    })
}

/// And whether it was the device's.
fn last_notification(bgp: &Bgp) -> Option<(&Notification, bool)> {
    let received = bgp.last_received.as_ref().map(|last| (last, true));
    received
        .into_iter()
        .chain(bgp.last_sent.as_ref().map(|last| (last, false)))
        .max_by_key(|(last, _)| last.unix_ms)
}

fn ended(now_unix_ms: u64, last: &Notification, is_theirs: bool) -> String {
    let who = if is_theirs { "the device" } else { "this host" };
    let Notification {
        code,
        subcode,
        text,
        unix_ms,
    } = last;
    let means = meaning(*code, *subcode, is_theirs).map_or_else(String::new, |means| format!(": {means}"));
    format!(
        "{who} ended a session {} ago with NOTIFICATION {code}/{subcode}, {text}{means}",
        since(now_unix_ms, *unix_ms)
    )
}

fn since(now_unix_ms: u64, unix_ms: u64) -> String {
    phrases::span(std::time::Duration::from_millis(now_unix_ms.saturating_sub(unix_ms)).as_secs_f64())
}

/// What an operator can make of it.
fn meaning(code: u8, subcode: u8, is_theirs: bool) -> Option<&'static str> {
    Some(match (code, subcode, is_theirs) {
        (2, 2, true) => "it expects another AS number from this host",
        (2, 2, false) => "the device's AS number is not the expected one",
        (4, _, true) => "it heard nothing from this host for the hold time",
        (4, _, false) => "nothing was heard from the device for the hold time",
        (6, 1, true) => "it accepts fewer prefixes than this host announces",
        (6, 1, false) => "the device sent more prefixes than are accepted from it",
        (6, 2, true) => "an operator shut the session down there",
        (6, 3, true) => "its end of the session was removed from its configuration",
        (6, 4, true) => "an operator reset the session there",
        (6, 5, true) => "it is configured not to accept this connection",
        (6, 6, true) => "its configuration was changed",
        (6, 8, true) => "it has no room for this session",
        (6, 10, true) => "BFD, which monitors the path, found it down",
        _ => return None,
    })
}

fn why(reason: &str) -> &'static str {
    match reason {
        "default_route" => "a default route is never accepted from a session",
        "martian" => "these are not addresses of remote hosts",
        "protected" => "it would lead the tunnel's own packets into the tunnel",
        "next_hop" => "the next hop is not the device",
        "own" => "this host announces the same itself, which does no harm",
        "malformed" => "its attributes are malformed",
        _ => "for a reason that this version of warren does not know",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_760_464_781_000;

    fn of(change: impl FnOnce(&mut serde_json::Value)) -> Vec<String> {
        let mut standing = json!({
            "state": "established", "hold_time_seconds": 90.0, "peer_router_id": "10.0.0.2", "prefixes": 2, "connections": 3, "established": 2,
            "updates_in": 12, "updates_out": 1, "notifications_in": 0, "notifications_out": 0, "attributes_discarded": 0,
            "updates_treated_as_withdraw": 0, "last_received": null, "last_sent": null, "refused": {},
        });
        change(&mut standing);
        bgp(NOW, &serde_json::from_value(standing).unwrap())
    }

    #[test]
    fn a_session_is_told_with_what_it_counted_why_it_ended_last_and_what_it_did_not_take() {
        let said = "its session was established 2 times, over 3 connections; 12 UPDATEs received, 1 UPDATE sent; silence ends it after 1m 30s";
        assert_eq!(of(|_| {}), [said]);
        let lines = of(|standing| {
            standing["last_sent"] =
                json!({"code": 4, "subcode": 0, "text": "Hold Timer Expired", "unix_ms": NOW - 600_000});
            standing["last_received"] = json!({"code": 6, "subcode": 1, "text": "Cease / Maximum Number of Prefixes Reached", "unix_ms": NOW - 65_000});
            standing["refused"] = json!({
                "default_route": {"count": 1, "latest": ["0.0.0.0/0"]},
                "next_hop": {"count": 40, "latest": ["10.0.0.0/8"]},
                "own": {"count": 2, "latest": []},
            });
        });
        assert_eq!(
            lines[1..],
            [
                "the device ended a session 1m 5s ago with NOTIFICATION 6/1, Cease / Maximum Number of Prefixes Reached: it accepts fewer prefixes than this host announces",
                "1 prefix that the device sent was not accepted because a default route is never accepted from a session (default_route): \
                 0.0.0.0/0",
                "40 prefixes that the device sent were not accepted because the next hop is not the device (next_hop): the newest: \
                 10.0.0.0/8",
                "2 prefixes that the device sent were not accepted because this host announces the same itself, which does no harm (own): it \
                 sends none of them now",
            ]
        );
        let lines = of(|standing| {
            standing["last_sent"] =
                json!({"code": 4, "subcode": 0, "text": "Hold Timer Expired", "unix_ms": NOW - 1_000});
        });
        assert!(
            lines[1].starts_with(
                "this host ended a session 1s ago with NOTIFICATION 4/0, Hold Timer Expired: nothing"
            ),
            "{lines:?}"
        );
    }

    #[test]
    fn multicast_is_told_with_its_groups_and_with_what_cannot_leave() {
        let mut standing = json!({
            "joined": ["233.84.178.1"], "joined_total": 1, "announced": ["233.84.178.2"], "announced_total": 17,
            "last_said_unix_ms": NOW - 3_000, "failing": null, "hellos": 4, "joins": 5, "prunes": 0, "heartbeats": 6, "registers": 1, "unsent": 0,
        });
        let lines = multicast(NOW, &serde_json::from_value(standing.clone()).unwrap());
        assert_eq!(
            lines[0],
            "multicast: 1 group joined (233.84.178.1), 17 groups announced (233.84.178.2, …)"
        );
        assert!(
            lines[1].contains("4 Hello, 5 Join") && lines[1].contains("the last 3s ago") && lines.len() == 2,
            "{lines:?}"
        );
        (standing["failing"], standing["unsent"]) = (json!("Operation not permitted"), json!(7));
        standing["groups"] = json!([{
            "group": "233.84.178.1", "packets_in": 12, "packets_out": null, "last_in_unix_ms": NOW - 2_500, "last_out_unix_ms": null,
            "since_unix_ms": 0,
        }]);
        let lines = multicast(NOW, &serde_json::from_value(standing).unwrap());
        assert!(
            lines[2].contains("7 of these")
                && lines[3].contains("cannot be sent: Operation not permitted")
                && lines[4] == "  233.84.178.1 receives: 12 in; OK 2s",
            "{lines:?}"
        );
    }
}
