//! How the host differs from what the truth asks for, in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use warren_state::{
    Exclusion, LivenessMode, ObservedLink, ObservedTunnel, Owners, RouteProtocol, SessionStatus, TunnelId,
    TunnelSpec,
    desired::{Request, build},
};

use super::{is_ours, within_policy};
use crate::{trace::short, world::World};

pub(super) fn is_as_assigned(have: &ObservedLink, spec: &TunnelSpec) -> bool {
    have.name == spec.link.name
        && have.local == Some(spec.link.local)
        && have.remote == Some(spec.link.remote)
}

impl World {
    /// Why the world is not yet as it should be.
    pub(crate) fn difference(&self) -> Option<String> {
        let Some(daemon) = &self.daemon else {
            return Some("the daemon is not running".to_owned());
        };
        let expected = if self.disk.switch.is_on() {
            self.expected()
        } else {
            BTreeMap::new()
        };
        let observed = self.kernel.observed();
        let ours: BTreeMap<TunnelId, &ObservedTunnel> = observed.ours().collect();
        let rules: BTreeSet<_> = expected.values().flat_map(|spec| &spec.rules).copied().collect();
        if *self.kernel.rules() != rules {
            return Some(format!("the rules are {:?}", self.kernel.rules()));
        }
        if self.kernel.observed().ours().count() != expected.len() {
            let have: Vec<_> = self
                .kernel
                .observed()
                .ours()
                .map(|(id, have)| format!("{} {}", short(id), have.link.name))
                .collect();
            return Some(format!(
                "wanted {:?}, have {have:?}",
                expected.keys().map(|id| short(*id)).collect::<Vec<_>>()
            ));
        }
        for (id, spec) in &expected {
            let Some(have) = ours.get(id) else {
                return Some(format!("{} is missing", short(*id)));
            };
            if let Some(difference) = self.tunnel_difference(spec, have) {
                return Some(format!("{}: {difference}", short(*id)));
            }
        }
        // Without its peer a tunnel is not active, and the reconciler says so.
        let peers = expected.values().any(|spec| spec.bgp.is_some()) && self.script.ends_without_peers;
        (!peers && !daemon.reconciler.converged())
            .then(|| "the reconciler does not know that all is well".to_owned())
    }

    pub(super) fn expected(&self) -> BTreeMap<TunnelId, TunnelSpec> {
        let mut view = self.ledger.truth.clone();
        view.retain_users(|(_, user)| is_ours(self.script.role, user));
        let ends = view
            .devices
            .values()
            .map(|device| device.public_ip)
            .chain(view.users.values().map(|user| user.tunnel_endpoint));
        let sources = ends.map(|end| (end, Some(self.source_towards(end)))).collect();
        let provisioned: BTreeSet<TunnelId> = self.kernel.observed().ours().map(|(id, _)| id).collect();
        let request = Request {
            view: &view,
            role: self.script.role,
            sources: &sources,
            provisioned: &|id| provisioned.contains(id),
            max_prefixes: 20_000,
            liveness: self.script.liveness,
            owners: Owners::Any,
            exclude: &Exclusion::default(),
        };
        let built = build(&request).tunnels.into_iter();
        let mut tunnels: BTreeMap<TunnelId, TunnelSpec> =
            built.map(|(id, spec)| (id, Arc::unwrap_or_clone(spec))).collect();
        let room = u16::try_from(self.underlay_mtu - 24).unwrap_or(u16::MAX);
        tunnels
            .values_mut()
            .for_each(|spec| spec.link.mtu = spec.link.mtu.min(room));
        let ends: BTreeMap<TunnelId, Ipv4Addr> =
            tunnels.iter().map(|(id, spec)| (*id, spec.link.remote)).collect();
        for (id, spec) in &mut tunnels {
            spec.far_ends = ends
                .iter()
                .filter(|(other, _)| *other != id)
                .map(|(_, end)| *end)
                .collect();
        }
        tunnels
    }

    /// The preferred one, but for a tunnel that is there with another one that the host has.
    pub(super) fn source_towards(&self, endpoint: Ipv4Addr) -> Ipv4Addr {
        let observed = self.kernel.observed();
        let there = observed
            .ours()
            .find(|(_, have)| have.link.remote == Some(endpoint));
        there
            .and_then(|(_, have)| have.link.local)
            .filter(|local| observed.host.contains(local))
            .unwrap_or(self.source)
    }

    pub(super) fn tunnel_difference(&self, spec: &TunnelSpec, have: &ObservedTunnel) -> Option<String> {
        if !is_as_assigned(&have.link, spec)
            || !have.link.up
            || have.link.mtu != u32::from(spec.link.mtu)
            || have.link.ttl != Some(spec.link.ttl)
        {
            return Some(format!("the link is {:?}", have.link));
        }
        if have.addresses != spec.addresses {
            return Some(format!("the addresses are {:?}", have.addresses));
        }
        let fixed: BTreeSet<_> = have
            .routes
            .iter()
            .copied()
            .filter(|route| route.protocol == RouteProtocol::Static)
            .collect();
        if fixed != spec.routes {
            return Some(format!("the routes of its own are {fixed:?}"));
        }
        let learned: BTreeSet<Ipv4Net> = have
            .routes
            .iter()
            .filter(|route| route.protocol == RouteProtocol::Bgp)
            .map(|route| route.dst)
            .collect();
        let Some(bgp) = &spec.bgp else {
            return (!learned.is_empty()).then(|| format!("routes of no session: {learned:?}"));
        };
        let peer = self.peers.get(&bgp.peer_address)?;
        let retain = bgp.install.is_some_and(|install| install.retain);
        let waits = !retain
            && bgp
                .install
                .is_some_and(|install| install.liveness == Some(LivenessMode::Active));
        let may_be = |prefix: &Ipv4Net| {
            bgp.install.is_some()
                && within_policy(bgp, *prefix)
                && spec.keeps_out(prefix).is_none()
                && !(waits && self.silent_hosts.contains(prefix))
        };
        let told: BTreeSet<Ipv4Net> = peer
            .routes
            .iter()
            .copied()
            .filter(|prefix| peer.alive && may_be(prefix))
            .collect();
        if if retain {
            !learned.is_superset(&told)
        } else {
            learned != told
        } {
            return Some(format!("the routes are {learned:?}, the peer told {told:?}"));
        }
        if peer.alive && peer.heard() != bgp.advertise {
            return Some(format!("the peer heard {:?}", peer.heard()));
        }
        if let Some(difference) = self.services_difference(spec, peer.alive) {
            return Some(difference);
        }
        let status = self.provisioner(spec.id)?.machine.report().session;
        (peer.alive != (status == SessionStatus::Up)).then(|| format!("the session is {status}"))
    }
}
