//! Whether multicast flows: what passed of each group, and when it was seen last.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{
    Direction, GroupFlow, Monotonic, TunnelId,
    table::{Change, Tables},
};

/// This long after its last packet a group is fresh.
pub const FRESH: Duration = Duration::from_secs(10);
/// This long after its last packet a group is dead.
pub const SILENT: Duration = Duration::from_secs(60);
/// This many groups of a tunnel are counted each way, the lowest first: each costs every packet of the tunnel a comparison.
pub const MOST: usize = 32;

/// What passed of a group, one way, as far as it was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupTraffic {
    /// Packets since then.
    pub packets: u64,
    /// Since when they are counted.
    pub since: Monotonic,
    /// When they were found to have become more; the last of them may be older by the time between two looks.
    pub last: Option<Monotonic>,
}

/// What passed of a tunnel's groups.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GroupsTraffic {
    /// Of the groups that this host receives.
    pub received: BTreeMap<Ipv4Addr, GroupTraffic>,
    /// Of the groups that this host sends to.
    pub sent: BTreeMap<Ipv4Addr, GroupTraffic>,
}

/// Of all tunnels that have groups.
pub type AllGroups = OrdMap<TunnelId, Arc<GroupsTraffic>>;

impl GroupTraffic {
    /// When the group is dead, if it was alive: nobody can tell a group that nobody sends to from one that does not come through.
    #[must_use]
    pub fn silent_at(&self) -> Option<Monotonic> {
        Some(self.last? + SILENT)
    }
}

/// What is to be counted: the groups of every tunnel that has multicast services.
#[must_use]
pub fn wanted(tables: &Tables) -> BTreeSet<GroupFlow> {
    let specs = tables.multicast.keys().filter_map(|tunnel| {
        let spec = tables.tunnels.get(tunnel)?.spec.as_ref()?;
        Some((*tunnel, spec.multicast.as_ref()?))
    });
    let flows = specs.flat_map(|(tunnel, spec)| {
        let of = move |groups: &BTreeSet<Ipv4Addr>, direction| -> Vec<GroupFlow> {
            let flow = |group: &Ipv4Addr| GroupFlow {
                tunnel,
                group: *group,
                direction,
            };
            groups.iter().take(MOST).map(flow).collect()
        };
        [
            of(&spec.subscribe, Direction::In),
            of(&spec.publish, Direction::Out),
        ]
        .concat()
    });
    flows.collect()
}

/// What follows from what was counted. `known` is what was told before; packets that were counted since then were seen now.
#[must_use]
pub fn look(known: &AllGroups, now: Monotonic, counted: &BTreeMap<GroupFlow, u64>) -> Vec<Change> {
    let mut all: BTreeMap<TunnelId, GroupsTraffic> = BTreeMap::new();
    for (flow, packets) in counted {
        let before = known.get(&flow.tunnel).and_then(|known| known.of(flow));
        let of_tunnel = all.entry(flow.tunnel).or_default();
        of_tunnel
            .side(flow.direction)
            .insert(flow.group, after(before, now, *packets));
    }
    // One that has no groups any more has nothing that passed of them.
    for tunnel in known.keys() {
        all.entry(*tunnel).or_default();
    }
    all.into_iter()
        .filter(|(tunnel, groups)| known.get(tunnel).is_none_or(|known| **known != *groups))
        .map(|(tunnel, groups)| Change::Groups(tunnel, Arc::new(groups)))
        .collect()
}

fn after(before: Option<&GroupTraffic>, now: Monotonic, packets: u64) -> GroupTraffic {
    let mut traffic = before.copied().unwrap_or(GroupTraffic {
        packets: 0,
        since: now,
        last: None,
    });
    if packets > traffic.packets {
        traffic.last = Some(now);
    }
    // Who counts may have begun anew.
    traffic.packets = packets;
    traffic
}

impl GroupsTraffic {
    fn of(&self, flow: &GroupFlow) -> Option<&GroupTraffic> {
        match flow.direction {
            Direction::In => self.received.get(&flow.group),
            Direction::Out => self.sent.get(&flow.group),
        }
    }

    fn side(&mut self, direction: Direction) -> &mut BTreeMap<Ipv4Addr, GroupTraffic> {
        match direction {
            Direction::In => &mut self.received,
            Direction::Out => &mut self.sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pubkey;

    const TUNNEL: TunnelId = TunnelId(Pubkey([1; 32]));
    const GROUP: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 1);

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_secs(seconds))
    }

    fn flow(direction: Direction) -> GroupFlow {
        GroupFlow {
            tunnel: TUNNEL,
            group: GROUP,
            direction,
        }
    }

    /// Looks, and takes in what follows.
    fn seen(known: &mut AllGroups, now: u64, counted: &[(GroupFlow, u64)]) -> usize {
        let changes = look(known, at(now), &counted.iter().copied().collect());
        for change in &changes {
            if let Change::Groups(tunnel, groups) = change {
                known.insert(*tunnel, groups.clone());
            }
        }
        changes.len()
    }

    #[test]
    fn a_group_was_seen_when_its_packets_became_more_and_what_did_not_change_is_not_told() {
        let mut known = AllGroups::new();
        assert_eq!(
            seen(
                &mut known,
                0,
                &[(flow(Direction::In), 0), (flow(Direction::Out), 0)]
            ),
            1
        );
        let quiet = known[&TUNNEL].received[&GROUP];
        assert_eq!((quiet.last, quiet.since, quiet.silent_at()), (None, at(0), None));
        assert_eq!(
            seen(
                &mut known,
                2,
                &[(flow(Direction::In), 0), (flow(Direction::Out), 0)]
            ),
            0
        );
        assert_eq!(
            seen(
                &mut known,
                4,
                &[(flow(Direction::In), 7), (flow(Direction::Out), 0)]
            ),
            1
        );
        assert_eq!(
            seen(
                &mut known,
                6,
                &[(flow(Direction::In), 7), (flow(Direction::Out), 0)]
            ),
            0
        );
        let heard = known[&TUNNEL].received[&GROUP];
        assert_eq!((heard.packets, heard.since, heard.last), (7, at(0), Some(at(4))));
        assert_eq!(heard.silent_at(), Some(at(64)));
        assert_eq!(known[&TUNNEL].sent[&GROUP].last, None);
    }

    #[test]
    fn a_count_that_began_anew_is_not_a_packet_and_groups_that_are_left_are_gone() {
        let mut known = AllGroups::new();
        seen(&mut known, 0, &[(flow(Direction::In), 5)]);
        seen(&mut known, 2, &[(flow(Direction::In), 0)]);
        let heard = known[&TUNNEL].received[&GROUP];
        assert_eq!((heard.packets, heard.last), (0, Some(at(0))));
        assert_eq!(seen(&mut known, 4, &[]), 1);
        assert_eq!(*known[&TUNNEL], GroupsTraffic::default());
        assert_eq!(seen(&mut known, 6, &[]), 0);
    }
}
