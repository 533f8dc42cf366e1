//! Entries for tests.

use warren_state::{
    Epoch, Incarnation, NodeId, Position, Pubkey, Sequence, TunnelId, journal::LocalPosition,
};

use super::entry::{EntryContent, EntryId, Reason, Usage};

pub(super) fn key(n: u8) -> Pubkey {
    Pubkey([n; 32])
}

pub(super) fn tunnel(n: u8) -> TunnelId {
    TunnelId(key(n))
}

pub(super) fn id(epoch: u64, sequence: u64, part: u32) -> EntryId {
    EntryId {
        node: NodeId(7),
        at: LocalPosition {
            epoch: Epoch(epoch),
            sequence: Sequence(sequence),
        },
        part,
    }
}

impl EntryId {
    pub(super) fn position(self) -> Position {
        self.at.of(self.node)
    }
}

pub(super) fn usage(rx: u64, tx: u64) -> Usage {
    Usage {
        rx_bytes: rx,
        tx_bytes: tx,
        rx_packets: rx,
        tx_packets: tx,
    }
}

pub(super) fn sample(of: u8, owner: Option<u8>, delta: Option<Usage>, total: Usage) -> EntryContent {
    EntryContent::UsageSample {
        tunnel: tunnel(of),
        owner: owner.map(key),
        incarnation: Incarnation(1),
        from: None,
        delta,
        total,
        gap_seconds: 0,
        last: false,
    }
}

pub(super) fn start(of: u8) -> EntryContent {
    EntryContent::TunnelStart {
        tunnel: tunnel(of),
        owner: Some(key(9)),
        incarnation: Incarnation(1),
        reason: Reason::Activated,
    }
}

pub(super) fn stop(of: u8, start: Option<EntryId>) -> EntryContent {
    EntryContent::TunnelStop {
        tunnel: tunnel(of),
        owner: Some(key(9)),
        incarnation: Incarnation(1),
        reason: Some(Reason::Deactivated),
        start,
        since: 1_000,
        until: 2_000,
    }
}

pub(super) fn every_kind() -> Vec<EntryContent> {
    vec![
        start(1),
        stop(1, Some(id(1, 2, 0))),
        EntryContent::ThrottleStart {
            tunnel: tunnel(1),
            owner: None,
            reason: Reason::Cap,
            up: Some(640 << 10),
            down: None,
        },
        EntryContent::ThrottleStop {
            tunnel: tunnel(1),
            owner: None,
            reason: Reason::Cap,
            start: Some(id(1, 3, 0)),
        },
        sample(1, None, Some(usage(1, 2)), usage(3, 4)),
        EntryContent::Gap {
            after: Some(id(1, 3, 0).position()),
            to: id(1, 9, 0).position(),
        },
        EntryContent::Repair { torn_bytes: 17 },
    ]
}
