//! What the session says, and what follows for the tunnel's routes.

use std::{collections::BTreeSet, mem};

use super::{
    Effect, SessionNumber, SessionUpdate,
    machine::{Context, Lifecycle, TunnelSession},
};
use crate::{
    ApplyReport, BgpSpec, Monotonic, SessionDetail, SessionStatus, TunnelSpec, event::Event,
    rib::NewlyBlocked,
};

impl Lifecycle {
    /// News of the running session; those of an earlier one change nothing.
    pub(super) fn hear(&mut self, number: SessionNumber, update: SessionUpdate, cx: &mut Context<'_>) {
        if self
            .session
            .as_ref()
            .is_none_or(|session| session.number != number)
        {
            return;
        }
        let Some(spec) = self.spec.clone() else { return };
        match update {
            SessionUpdate::Status(status, detail) => self.note_status(status, detail, cx),
            SessionUpdate::Routes { announced, withdrawn } => {
                let captures = self.rib.hear(&spec, announced, withdrawn);
                self.tell_captures(captures, cx);
            }
            SessionUpdate::Synced => {
                self.rib.synced(&spec, cx.now + self.settings.stale_routes);
                self.tell_counts_now(cx.now);
            }
            SessionUpdate::Closed => self.rib.closed(&spec),
        }
    }

    /// Notes which routes found their places taken.
    pub(super) fn note_blocked(&mut self, report: &ApplyReport, cx: &mut Context<'_>) {
        let newly = self.spec.as_ref().and_then(|spec| self.rib.applied(spec, report));
        if let Some(NewlyBlocked { count, first, fault }) = newly {
            cx.record(Event::RoutesBlocked {
                tunnel: self.tunnel,
                count,
                first,
                fault,
            });
        }
    }

    /// Makes the running session fit another spec: kept where it can be, else stopped (a new one starts when the tunnel
    /// is built). A peer that stays is not told that the session is over: it may keep our routes until the next one.
    pub(super) fn follow_session(&mut self, spec: &TunnelSpec, cx: &mut Context<'_>) {
        let stays = spec.bgp.is_some()
            && self
                .spec
                .as_ref()
                .is_some_and(|before| has_same_peer(before, spec));
        let Some(session) = &mut self.session else { return };
        match &spec.bgp {
            Some(bgp) if stays && *bgp == session.spec => {}
            Some(bgp) if stays && differs_in_advertise_only(bgp, &session.spec) => {
                session.spec = bgp.clone();
                let prefixes = bgp.advertise.iter().copied().collect();
                cx.emit(Effect::Advertise {
                    session: session.number,
                    prefixes,
                });
            }
            Some(_) | None => {
                self.stop_session(!stays, cx);
                self.rib.begin_anew(self.stale_at(spec, cx.now));
            }
        }
    }

    pub(super) fn stop_session(&mut self, cease: bool, cx: &mut Context<'_>) {
        let Some(TunnelSession {
            number, spec, status, ..
        }) = self.session.take().map(|session| *session)
        else {
            return;
        };
        cx.emit(Effect::StopSession {
            session: number,
            cease,
        });
        // The next one begins there.
        let to = SessionStatus::Pending;
        if status != to {
            cx.record(Event::SessionChanged {
                tunnel: self.tunnel,
                peer_asn: spec.peer_asn,
                from: status,
                to,
                cause: None,
                detail: None,
            });
        }
    }

    /// Until when routes that are in place may stay without a session that vouches for them.
    pub(super) fn stale_at(&self, spec: &TunnelSpec, now: Monotonic) -> Option<Monotonic> {
        let install = spec.bgp.as_ref().and_then(|bgp| bgp.install)?;
        (!install.retain).then(|| now + self.settings.stale_routes)
    }

    fn note_status(&mut self, status: SessionStatus, detail: Option<SessionDetail>, cx: &mut Context<'_>) {
        let Some(session) = &mut self.session else { return };
        let before = mem::replace(&mut session.detail, detail.clone()).map(|before| before.cause);
        let from = mem::replace(&mut session.status, status);
        let (tunnel, peer_asn) = (self.tunnel, session.spec.peer_asn);
        let (cause, detail) = detail.map(|SessionDetail { cause, text }| (cause, text)).unzip();
        if from != status {
            session.since = Some(cx.now);
            cx.record(Event::SessionChanged {
                tunnel,
                peer_asn,
                from,
                to: status,
                cause,
                detail,
            });
        } else if before != cause {
            cx.record(Event::SessionCauseChanged {
                tunnel,
                peer_asn,
                status,
                cause,
                detail,
            });
        }
        self.move_heard(status == SessionStatus::Up, cx.now);
    }
}

fn differs_in_advertise_only(a: &BgpSpec, b: &BgpSpec) -> bool {
    BgpSpec {
        advertise: BTreeSet::new(),
        ..a.clone()
    } == BgpSpec {
        advertise: BTreeSet::new(),
        ..b.clone()
    }
}

fn has_same_peer(a: &TunnelSpec, b: &TunnelSpec) -> bool {
    let peer = |spec: &TunnelSpec| (spec.link.remote, spec.bgp.as_ref().map(|bgp| bgp.peer_address));
    peer(a) == peer(b)
}
