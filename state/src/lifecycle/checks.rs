//! Named invariants that the machine holds itself to; see [`Invariant`].

use std::collections::BTreeSet;

use super::{
    SessionNumber,
    machine::{Context, Lifecycle},
};
use crate::{BgpSpec, Observed, Plan, PlannedStep, Route, RouteProtocol, TunnelSpec, invariant::Invariant};

impl Lifecycle {
    /// A route of an earlier run may be replaced while it waits; none is put anew.
    pub(super) fn check_withheld(&self, plan: &Plan, observed: &Observed, cx: &mut Context<'_>) {
        let wrong = plan.steps.iter().find(|step| {
            step.action.put_route().is_some_and(|route| {
                route.protocol == RouteProtocol::Bgp
                    && self.rib.withholds(&route.dst)
                    && !is_over(observed, step, route)
            })
        });
        let broken = Invariant::WithheldRoutesStayOut.check(wrong.is_none(), || format!("{wrong:?}"));
        broken.into_iter().for_each(|event| cx.record(event));
    }

    /// Before the tunnel goes.
    pub(super) fn check_services_ended(&self, cx: &mut Context<'_>) {
        let runs = self.services.multicast.as_ref();
        let broken = Invariant::ServicesNeedTheirTunnel.check(runs.is_none(), || {
            format!("the tunnel goes, and multicast services run over it: {runs:?}")
        });
        broken.into_iter().for_each(|event| cx.record(event));
    }

    /// After every input.
    pub(super) fn check_announcing(&self, cx: &mut Context<'_>) {
        let announces = self.services.multicast.as_ref().is_some_and(|run| run.announce);
        let up = self.is_up();
        let broken = Invariant::ServicesNeedTheirTunnel
            .check(up || !announces, || "announced without a session".to_owned());
        broken.into_iter().for_each(|event| cx.record(event));
    }

    /// After the session was made to fit another spec; `before` is the one that ran.
    pub(super) fn check_session_kept(
        &self,
        spec: &TunnelSpec,
        before: Option<SessionNumber>,
        cx: &mut Context<'_>,
    ) {
        let Some(old) = self
            .spec
            .as_ref()
            .filter(|old| old.multicast.is_some() && spec.multicast.is_some())
        else {
            return;
        };
        let now = self.session.as_ref().map(|session| session.number);
        let holds = before == now || but_groups(old) != but_groups(spec);
        let broken = Invariant::GroupChangesAreIncremental
            .check(holds, || format!("session {before:?} became {now:?}"));
        broken.into_iter().for_each(|event| cx.record(event));
    }
}

/// What a change of groups leaves alone.
fn but_groups(spec: &TunnelSpec) -> TunnelSpec {
    let bgp = spec.bgp.clone().map(|bgp| BgpSpec {
        advertise: BTreeSet::new(),
        ..bgp
    });
    TunnelSpec {
        dz_ip: None,
        addresses: BTreeSet::new(),
        routes: BTreeSet::new(),
        multicast: None,
        bgp,
        ..spec.clone()
    }
}

fn is_over(observed: &Observed, step: &PlannedStep, route: &Route) -> bool {
    let have = observed.under(step.tunnel, &step.link);
    have.is_some_and(|have| {
        have.routes
            .iter()
            .any(|other| (other.table, other.dst) == (route.table, route.dst))
    })
}
