//! Hosts behind learned routes that come and go: many at once are one event.

use std::{collections::BTreeMap, fmt, mem, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{
    LinkName, TunnelId,
    liveness::{DownReason, SessionState},
};

/// The most that an event names.
const NAMED: usize = 16;

/// A host's liveness session that came up or went down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerChange {
    /// The link that it is behind.
    pub link: LinkName,
    /// The host whose session changed.
    pub peer: Ipv4Addr,
    /// What became of the session.
    pub state: PeerState,
}

/// What became of a liveness session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Both hear each other.
    #[error("up")]
    Up,
    /// Nothing was heard for the detection time.
    #[error("down, nothing is heard")]
    TimedOut,
    /// The peer's operator holds it down.
    #[error("down, held down by its operator")]
    HeldDown,
    /// The peer has lost us.
    #[error("down, it no longer hears this host")]
    LostUs,
    /// It is not probed any more.
    #[error("no longer probed")]
    Released,
}

impl PeerState {
    /// What users of a host see of a change of its session: it came up, or was up and is not.
    #[must_use]
    pub fn after(from: SessionState, to: SessionState, reason: DownReason) -> Option<Self> {
        let (was_up, is_up) = (from == SessionState::Up, to == SessionState::Up);
        match (was_up, is_up, reason) {
            (true, true, _) | (false, false, _) => None,
            (false, true, _) => Some(Self::Up),
            (true, false, DownReason::None) => Some(Self::Released),
            (true, false, DownReason::Timeout) => Some(Self::TimedOut),
            (true, false, DownReason::RemoteAdmin) => Some(Self::HeldDown),
            (true, false, DownReason::RemoteDown) => Some(Self::LostUs),
        }
    }
}

impl fmt::Display for PeerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peer, self.state)
    }
}

/// Gathers what happens to hosts, to be told once in a while.
#[derive(Debug, Default)]
pub struct PeerChangeBatch {
    tunnels: BTreeMap<TunnelId, Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    first: Vec<PeerChange>,
    more: usize,
}

impl PeerChangeBatch {
    /// Something happened to a host behind this tunnel.
    pub fn note(&mut self, tunnel: TunnelId, change: PeerChange) {
        let gathered = self.tunnels.entry(tunnel).or_default();
        if gathered.first.len() < NAMED {
            gathered.first.push(change);
        } else {
            gathered.more += 1;
        }
    }

    /// What happened since the last time: one event a tunnel, with the first 16 by name.
    pub fn take(&mut self) -> Vec<Event> {
        let tunnels = mem::take(&mut self.tunnels).into_iter();
        tunnels
            .map(|(tunnel, Gathered { first, more })| Event::LivenessChanged {
                tunnel,
                peers: first,
                more,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pubkey, event::Level};

    fn change(number: u8, state: PeerState) -> PeerChange {
        PeerChange {
            link: LinkName::new("doublezero0").unwrap(),
            peer: Ipv4Addr::new(198, 18, 0, number),
            state,
        }
    }

    #[test]
    fn a_session_is_told_when_it_came_up_and_when_it_was_up() {
        use SessionState::{AdminDown, Down, Init, Up};
        let after = PeerState::after;
        assert_eq!(after(Init, Up, DownReason::None), Some(PeerState::Up));
        assert_eq!(after(Up, Down, DownReason::Timeout), Some(PeerState::TimedOut));
        assert_eq!(
            after(Up, Down, DownReason::RemoteAdmin),
            Some(PeerState::HeldDown)
        );
        assert_eq!(after(Up, Init, DownReason::RemoteDown), Some(PeerState::LostUs));
        assert_eq!(after(Up, AdminDown, DownReason::None), Some(PeerState::Released));
        assert_eq!(
            (
                after(Down, Init, DownReason::None),
                after(Init, Down, DownReason::Timeout)
            ),
            (None, None)
        );
    }

    #[test]
    fn a_storm_of_hosts_is_one_event_of_each_tunnel_that_counts_all_of_them() {
        let tunnel = |number| TunnelId(Pubkey([number; 32]));
        let mut news = PeerChangeBatch::default();
        for number in 0..200 {
            news.note(tunnel(1), change(number, PeerState::TimedOut));
        }
        news.note(tunnel(2), change(1, PeerState::Up));
        let told = news.take();
        let [
            Event::LivenessChanged { peers, more, .. },
            Event::LivenessChanged {
                peers: other,
                more: 0,
                ..
            },
        ] = &told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!((peers.len() + more, other.len()), (200, 1));
        assert_eq!(peers[0], change(0, PeerState::TimedOut));
        assert_eq!((told[0].level(), told[1].level()), (Level::Info, Level::Debug));
        assert!(news.take().is_empty(), "once");
    }
}
