//! Makes the datagrams, and counts them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use warren_state::{Monotonic, standing::MulticastStanding};

use super::{
    Datagram, DatagramKind, MulticastSettings, Output,
    codec::{
        ALL_PIM_ROUTERS, BEACON_TTL, HEARTBEAT,
        pim::{Group, Hello, JoinPrune, Message, Register, split},
        registered_heartbeat,
    },
};

/// Bytes of an IPv4 header.
const IPV4_HEADER: usize = 20;
/// RFC 7761, 4.3.2: the default.
const DR_PRIORITY: u32 = 1;

/// What one input leads to.
pub(super) struct Sender<'a> {
    pub(super) settings: MulticastSettings,
    pub(super) now: Monotonic,
    pub(super) standing: &'a mut MulticastStanding,
    pub(super) outputs: Vec<Output>,
}

/// The two ends of PIM on the link, and the root of the trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Neighbours {
    pub(super) local: Ipv4Addr,
    pub(super) upstream: Ipv4Addr,
    pub(super) root: Ipv4Addr,
}

impl Sender<'_> {
    pub(super) fn hello(&mut self, local: Ipv4Addr, generation_id: u32) {
        self.hello_with_hold(local, generation_id, seconds(self.settings.hello_hold));
    }

    /// A Hello that is believed for no time (RFC 7761, 4.3.1).
    pub(super) fn goodbye(&mut self, local: Ipv4Addr, generation_id: u32) {
        self.hello_with_hold(local, generation_id, 0);
    }

    pub(super) fn join<'g>(
        &mut self,
        neighbours: Neighbours,
        groups: impl IntoIterator<Item = &'g Ipv4Addr>,
    ) {
        let groups = groups
            .into_iter()
            .map(|group| Group::join(*group, neighbours.root))
            .collect();
        self.standing.counters.joins += self.join_prune(neighbours, seconds(self.settings.join_hold), groups);
    }

    pub(super) fn prune<'g>(
        &mut self,
        neighbours: Neighbours,
        groups: impl IntoIterator<Item = &'g Ipv4Addr>,
    ) {
        let groups = groups
            .into_iter()
            .map(|group| Group::prune(*group, neighbours.root))
            .collect();
        self.standing.counters.prunes +=
            self.join_prune(neighbours, seconds(self.settings.prune_hold), groups);
    }

    pub(super) fn heartbeat(&mut self, source: Ipv4Addr, group: Ipv4Addr) {
        self.standing.counters.heartbeats += 1;
        self.send(Datagram {
            kind: DatagramKind::Heartbeat,
            source,
            destination: group,
            ttl: BEACON_TTL,
            payload: HEARTBEAT.to_vec(),
        });
    }

    pub(super) fn register(&mut self, local: Ipv4Addr, root: Ipv4Addr, source: Ipv4Addr, group: Ipv4Addr) {
        self.standing.counters.registers += 1;
        let payload = Message::Register(Register::data(registered_heartbeat(source, group))).encode();
        self.send(Datagram {
            kind: DatagramKind::Register,
            source: local,
            destination: root,
            ttl: BEACON_TTL,
            payload,
        });
    }

    fn hello_with_hold(&mut self, local: Ipv4Addr, generation_id: u32, hold: u16) {
        self.standing.counters.hellos += 1;
        let hello = Hello {
            hold,
            generation_id: Some(generation_id),
            dr_priority: Some(DR_PRIORITY),
        };
        self.say_to_routers(local, &Message::Hello(hello));
    }

    /// Gives the number of messages.
    fn join_prune(&mut self, neighbours: Neighbours, hold: u16, groups: Vec<Group>) -> u64 {
        let largest = usize::from(self.settings.mtu).saturating_sub(IPV4_HEADER);
        let messages = split(groups, largest, |groups| JoinPrune {
            upstream: neighbours.upstream,
            hold,
            groups,
        });
        let count = messages.len() as u64;
        for message in messages {
            self.say_to_routers(neighbours.local, &Message::JoinPrune(message));
        }
        count
    }

    fn say_to_routers(&mut self, local: Ipv4Addr, message: &Message) {
        self.send(Datagram {
            kind: DatagramKind::Pim,
            source: local,
            destination: ALL_PIM_ROUTERS,
            ttl: 1,
            payload: message.encode(),
        });
    }

    fn send(&mut self, datagram: Datagram) {
        self.standing.last_said = Some(self.now);
        self.outputs.push(Output::Send(datagram));
    }
}

fn seconds(span: std::time::Duration) -> u16 {
    u16::try_from(span.as_secs()).unwrap_or(u16::MAX)
}
