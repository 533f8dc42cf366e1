//! What the sessions taught us, what the kernel has of it, and what route liveness says of it.

use std::collections::{BTreeMap, BTreeSet};

use warren_actors::Snapshot;
use warren_protocols::liveness::SessionReport;
use warren_state::{LearnedRoutes, LinkName, Observed, Route, RouteProtocol, TableId, TunnelId};

use crate::http::compat;

/// A route of a tunnel's session.
pub(super) struct Found<'a> {
    pub(super) tunnel: TunnelId,
    pub(super) link: &'a LinkName,
    pub(super) route: Route,
    /// Whether the kernel has it.
    pub(super) is_present: bool,
    /// The liveness session that it hangs on.
    pub(super) session: Option<&'a SessionReport>,
}

impl Found<'_> {
    /// `present` or `absent`.
    pub(super) fn kernel_state(&self) -> &'static str {
        if self.is_present { "present" } else { "absent" }
    }
}

/// Main-table BGP routes whose source is a service's address and whose next hop is its peer: those that the kernel has, those
/// that the session taught us and the kernel lacks, and those that wait for their hosts.
pub(super) fn all<'a>(
    snapshot: &'a Snapshot,
    learned: &BTreeMap<TunnelId, LearnedRoutes>,
    observed: &Observed,
) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for (report, spec) in compat::provisioned(snapshot) {
        let Some((bgp, install)) = spec.bgp.as_ref().and_then(|bgp| Some((bgp, bgp.install?))) else {
            continue;
        };
        let counts = |route: &&Route| {
            let ours = route.protocol == RouteProtocol::Bgp && route.table == TableId::MAIN;
            ours && route.via == bgp.peer_address && route.source == Some(install.source)
        };
        let link = &spec.link.name;
        let sessions = sessions(snapshot, link);
        let there = observed
            .of(report.tunnel)
            .flat_map(|have| &have.routes)
            .filter(counts);
        let present: BTreeSet<Route> = there.cloned().collect();
        let taught = learned
            .get(&report.tunnel)
            .into_iter()
            .flat_map(taught)
            .filter(counts)
            .cloned();
        // Routes that wait for their hosts are not among those that the session counts as taught.
        let waiting = sessions.keys().map(|dst| {
            let (table, via, source) = (install.table, bgp.peer_address, Some(install.source));
            Route {
                table,
                dst: *dst,
                via,
                source,
                protocol: RouteProtocol::Bgp,
            }
        });
        let every: BTreeSet<Route> = present.iter().cloned().chain(taught).chain(waiting).collect();
        found.extend(every.into_iter().map(|route| Found {
            tunnel: report.tunnel,
            link,
            is_present: present.contains(&route),
            session: sessions.get(&route.dst).copied(),
            route,
        }));
    }
    found
}

fn taught(learned: &LearnedRoutes) -> impl Iterator<Item = &Route> {
    let routes = match learned {
        LearnedRoutes::Unknown => None,
        LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => Some(routes),
    };
    routes.into_iter().flatten()
}

/// The liveness sessions over one link, by the routes that hang on them.
fn sessions<'a>(snapshot: &'a Snapshot, link: &LinkName) -> BTreeMap<ipnet::Ipv4Net, &'a SessionReport> {
    let all = snapshot
        .liveness
        .iter()
        .flat_map(|status| &status.sessions)
        .filter(|session| session.link == *link);
    all.flat_map(|session| session.routes.iter().map(move |dst| (*dst, session)))
        .collect()
}
