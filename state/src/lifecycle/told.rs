//! What is told of a tunnel beside its phases: what it is to be, and moves that wait.

use super::machine::{Lifecycle, State, Turn};
use crate::{TunnelSpec, event::Event, spec::SpecPart};

impl Lifecycle {
    /// The tunnel is to be this from now on.
    pub(super) fn tell_spec(&self, before: Option<&TunnelSpec>, now: &TunnelSpec, turn: &mut Turn<'_>) {
        let parts = before.map_or_else(|| now.parts(), |before| now.differs_from(before));
        if parts.is_empty() {
            return;
        }
        let link = now.link.name.clone();
        if let Some(multicast) = now
            .multicast
            .as_ref()
            .filter(|_| parts.contains(&SpecPart::Multicast))
        {
            let (publish, subscribe) = (multicast.publish.clone(), multicast.subscribe.clone());
            let served = before.and_then(|before| before.multicast.as_ref());
            if served.is_none_or(|served| (&served.publish, &served.subscribe) != (&publish, &subscribe)) {
                turn.record(Event::GroupsChanged {
                    tunnel: self.tunnel,
                    link: link.clone(),
                    publish,
                    subscribe,
                });
            }
        }
        let (local, remote) = (now.link.local, now.link.remote);
        turn.record(Event::SpecChanged {
            tunnel: self.tunnel,
            link,
            service: now.kind,
            local,
            remote,
            parts,
        });
    }

    /// Tells when a move that was postponed waits no longer.
    pub(super) fn follow_postponed(&mut self, turn: &mut Turn<'_>) {
        if !self.told_postponed || self.postponed_move().is_some() {
            return;
        }
        self.told_postponed = false;
        if let Some(want) = self.want.as_ref().filter(|_| !matches!(self.state, State::Ended)) {
            turn.record(Event::MoveOver {
                tunnel: self.tunnel,
                remote: want.spec.link.remote,
            });
        }
    }
}
