//! The services beside the sessions: what the multicast senders were asked for, and the hosts behind learned routes, which
//! answer liveness probes or do not.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use warren_state::{
    Action, Edit, Incarnation, LivenessMode, Part, PlannedStep, RouteProtocol, TunnelId, TunnelSpec,
    invariant::Invariant,
    lifecycle::{Input, MulticastRun, Usability, WatchedRoute},
};

use crate::{
    trace::short,
    world::{Happening, World},
};

/// What one tunnel's services were asked for last.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) multicast: Option<MulticastRun>,
    watched: BTreeMap<Ipv4Net, WatchedRoute>,
    /// Those that may be in the kernel, by the last verdict told.
    usable: BTreeSet<Ipv4Net>,
}

impl Services {
    /// The routes whose hosts are watched.
    pub(crate) fn watched(&self) -> impl Iterator<Item = Ipv4Net> {
        self.watched.keys().copied()
    }
}

impl World {
    pub(crate) fn set_multicast(&mut self, tunnel: TunnelId, run: Option<MulticastRun>) {
        let session_up = self
            .provisioner(tunnel)
            .is_some_and(|one| one.machine.report().session == warren_state::SessionStatus::Up);
        let early = run.as_ref().is_some_and(|run| run.announce && !session_up);
        self.require(Invariant::ServicesNeedTheirTunnel, !early, || {
            format!("{} announces before its session is up", short(tunnel))
        });
        if let Some(provisioner) = self.provisioner_mut(tunnel) {
            provisioner.services.multicast = run;
        }
    }

    /// The first verdict on a route comes after a while, as from the liveness actor.
    pub(crate) fn watch(&mut self, tunnel: TunnelId, added: Vec<WatchedRoute>, removed: &[Ipv4Net]) {
        let Some(provisioner) = self.provisioner_mut(tunnel) else {
            return;
        };
        for dst in removed {
            provisioner.services.watched.remove(dst);
            provisioner.services.usable.remove(dst);
        }
        let fresh: Vec<Ipv4Net> = added.iter().map(|route| route.dst).collect();
        provisioner
            .services
            .watched
            .extend(added.into_iter().map(|route| (route.dst, route)));
        self.judge_later(tunnel, fresh);
    }

    /// A host behind a route falls silent or answers again: everyone who watches it hears of it.
    pub(crate) fn change_host(&mut self, which: u8, silent: bool) {
        let dst = host_prefix(which);
        if silent {
            self.silent_hosts.insert(dst)
        } else {
            self.silent_hosts.remove(&dst)
        };
        let watchers = self.daemon.iter().flat_map(|daemon| &daemon.provisioners);
        let watchers = watchers
            .filter(|(_, one)| one.services.watched.contains_key(&dst))
            .map(|(id, _)| *id);
        for tunnel in watchers.collect::<Vec<_>>() {
            self.judge_later(tunnel, vec![dst]);
        }
    }

    fn judge_later(&mut self, tunnel: TunnelId, routes: Vec<Ipv4Net>) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return;
        };
        let wait = self.chance.millis(10, 3_500);
        self.after(wait, Happening::Verdicts(run, tunnel, routes));
    }

    /// What is so by now: a verdict that was overtaken is not told.
    pub(crate) fn tell_verdicts(&mut self, tunnel: TunnelId, routes: Vec<Ipv4Net>) {
        let Some(provisioner) = self.provisioner(tunnel) else {
            return;
        };
        let watched = routes
            .into_iter()
            .filter(|dst| provisioner.services.watched.contains_key(dst));
        let usability = |dst: &Ipv4Net| {
            if self.silent_hosts.contains(dst) {
                Usability::Unusable
            } else {
                Usability::Usable
            }
        };
        let mut verdicts: BTreeMap<Incarnation, Vec<(Ipv4Net, Usability)>> = BTreeMap::new();
        for dst in watched {
            let incarnation = provisioner.services.watched[&dst].incarnation;
            let found = usability(&dst);
            verdicts.entry(incarnation).or_default().push((dst, found));
        }
        if let Some(provisioner) = self.provisioner_mut(tunnel) {
            for (dst, usability) in verdicts.values().flatten() {
                match usability {
                    Usability::Usable => provisioner.services.usable.insert(*dst),
                    Usability::Unusable => provisioner.services.usable.remove(dst),
                };
            }
        }
        for (incarnation, verdicts) in verdicts {
            self.tell_provisioner(tunnel, Input::Liveness(incarnation, verdicts));
        }
    }

    /// A route that waits for its host is to be put only once the host was found to answer; one that is there may be renewed.
    pub(crate) fn check_withheld(&mut self, step: &PlannedStep) {
        let Action::Part(Edit::Put, Part::Route(route)) = &step.action else {
            return;
        };
        let Some(provisioner) = self.provisioner(step.tunnel) else {
            return;
        };
        let install = provisioner.in_force().and_then(|spec| spec.bgp.as_ref()?.install);
        let waits =
            install.is_some_and(|install| install.liveness == Some(LivenessMode::Active) && !install.retain);
        // Others may have taken the link away since it was seen.
        let now = self.kernel.observed();
        let looks = [Some(&now), provisioner.seen.as_ref()];
        let links = looks
            .into_iter()
            .flatten()
            .filter_map(|look| look.under(step.tunnel, &step.link));
        let was_there = links
            .flat_map(|have| &have.routes)
            .any(|other| other.dst == route.dst);
        let good = !waits
            || route.protocol != RouteProtocol::Bgp
            || was_there
            || provisioner.services.usable.contains(&route.dst);
        self.require(Invariant::WithheldRoutesStayOut, good, || {
            format!("{step} before its host answered")
        });
    }

    /// Everything that watches is told again, as a liveness actor that was started anew does.
    pub(crate) fn judge_all_again(&mut self) {
        let all = self.daemon.iter().flat_map(|daemon| &daemon.provisioners);
        let all = all.map(|(id, one)| (*id, one.services.watched.keys().copied().collect::<Vec<_>>()));
        for (tunnel, routes) in all.collect::<Vec<_>>() {
            self.judge_later(tunnel, routes);
        }
    }

    /// Why the services of a tunnel are not as they should be.
    pub(crate) fn services_difference(&self, spec: &TunnelSpec, up: bool) -> Option<String> {
        let run = self.provisioner(spec.id)?.services.multicast.as_ref();
        match (&spec.multicast, run) {
            (None, None) => None,
            (Some(wanted), Some(run))
                if run.spec == *wanted && run.announce == up && run.link == spec.link.name =>
            {
                None
            }
            (wanted, run) => Some(format!(
                "the multicast services are {run:?}, wanted {wanted:?} with announce {up}"
            )),
        }
    }
}

/// The prefix that stands for a host which may fall silent; peers announce it among others.
pub(crate) fn host_prefix(which: u8) -> Ipv4Net {
    Ipv4Net::new(std::net::Ipv4Addr::new(100, 100 + which, 0, 0), 16).unwrap_or_default()
}
