//! What is told of a tunnel beside its phases: what it is to be, and moves that wait.

use super::{
    machine::{Context, Lifecycle},
    state::State,
};
use crate::{TunnelSpec, event::Event, rib::CapturingRoutes, spec::SpecPart};

impl Lifecycle {
    /// The tunnel is to be this from now on.
    pub(super) fn tell_spec(&self, before: Option<&TunnelSpec>, now: &TunnelSpec, cx: &mut Context<'_>) {
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
                cx.record(Event::GroupsChanged {
                    tunnel: self.tunnel,
                    link: link.clone(),
                    publish,
                    subscribe,
                });
            }
        }
        let (local, remote) = (now.link.local, now.link.remote);
        cx.record(Event::SpecChanged {
            tunnel: self.tunnel,
            link,
            service: now.kind,
            local,
            remote,
            parts,
        });
    }

    /// Routes newly stay out because they lead to the far end of a tunnel.
    pub(super) fn tell_captures(&self, captures: Option<CapturingRoutes>, cx: &mut Context<'_>) {
        if let Some(CapturingRoutes {
            count,
            first,
            far_end,
        }) = captures
        {
            cx.record(Event::RoutesCapturing {
                tunnel: self.tunnel,
                count,
                first,
                far_end,
            });
        }
    }

    /// Tells when a move that was postponed waits no longer.
    pub(super) fn follow_postponed(&mut self, was_postponed: bool, cx: &mut Context<'_>) {
        if !was_postponed || self.postponed_move().is_some() || matches!(self.state, State::Ended(_)) {
            return;
        }
        if let Some(spec) = &self.spec {
            cx.record(Event::MoveOver {
                tunnel: self.tunnel,
                remote: spec.link.remote,
            });
        }
    }
}
