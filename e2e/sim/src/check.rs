//! The invariants, checked by rules of their own: none of them asks the code under test what is right, except that the
//! desired state in the end is what the builder makes of the truth.

mod difference;

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use warren_protocols::bgp;
use warren_state::{
    Action, BgpSpec, Core, Edit, Incarnation, LinkAction, LinkName, Part, PlannedStep, RouteProtocol,
    SessionStatus, Switch, TunnelId, TunnelSpec, View,
    invariant::Invariant,
    lifecycle::{Input, RetireReason, SessionNumber, SessionUpdate, Usability},
    model::{Model, Owner},
    reconcile::Role,
    view::{User, UserStatus},
};

use crate::{daemon::RESTART_AFTER, trace::short, world::World};
use difference::is_as_assigned;

/// From one look at the host to what follows from the next one, at most, slow operations and retries included.
const LOOKS: Duration = Duration::from_secs(75);

impl World {
    /// What holds after every transition.
    pub(crate) fn check_always(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let told = daemon.reconciler.switch();
        if told.is_some() && !self.switch_pending() && told != Some(self.disk.switch) {
            self.breach(Invariant::SwitchIsOnDisk, || format!("{told:?} is in force"));
            return;
        }
        self.check_what_is_said();
        let Some(daemon) = &self.daemon else { return };
        let disabled = told == Some(Switch::Off) && !self.switch_pending() && daemon.reconciler.converged();
        let left = self
            .kernel
            .observed()
            .ours()
            .next()
            .map(|(tunnel, have)| format!("{} has {}", short(tunnel), have.link.name));
        if disabled && let Some(detail) = left {
            self.breach(Invariant::DisabledMeansGone, || detail);
        }
    }

    /// The table has what the reconciler holds, whatever it has handled. Of one that was started again it has what the one before
    /// said until that reads.
    fn check_what_is_said(&mut self) {
        let Some(daemon) = self.daemon.as_ref().filter(|daemon| daemon.has_said()) else {
            return;
        };
        let (tables, core) = (daemon.table.tables(), &daemon.reconciler);
        let said = core.standing(tables.reconciler.inputs);
        let wrong = [
            ("what it says of itself", tables.reconciler == said),
            ("who is refused", tables.refused.iter().eq(core.refused())),
            (
                "other sources",
                tables.other_sources.iter().eq(core.other_sources()),
            ),
            ("manual tunnels", *tables.manual == *core.manual()),
        ]
        .into_iter()
        .find(|(_, holds)| !holds);
        if let Some((what, _)) = wrong {
            self.breach(Invariant::EventsTellTheTable, || {
                format!("the reconciler has not told {what}")
            });
        }
    }

    /// A view came into force: did it have the right to?
    pub(crate) fn check_accepted(&mut self, before: Option<&View>, after: &View) {
        let confirmed = self
            .daemon
            .as_mut()
            .is_some_and(|daemon| std::mem::take(&mut daemon.confirming));
        let Some(before) = before else { return };
        let active = |view: &View| -> BTreeSet<_> {
            view.users
                .iter()
                .filter(|(_, user)| user.status == UserStatus::Activated)
                .map(|(key, _)| *key)
                .collect()
        };
        let (had, has) = (active(before), active(after));
        let gone = had
            .iter()
            .filter(|key| !has.contains(key) && !after.quarantined.contains_key(key))
            .count();
        let rebased = self.is_rebase(before, after);
        let (newer, confirmed_if_rebased) = (after.slot > before.slot, gone == 0 || confirmed);
        self.require(
            Invariant::RemovalHasProof,
            after.slot >= before.slot || rebased,
            || "the slot went backwards".to_owned(),
        );
        self.require(Invariant::RemovalHasProof, gone == 0 || newer || rebased, || {
            "users went without a newer slot".to_owned()
        });
        self.require(
            Invariant::RemovalHasProof,
            newer || !rebased || confirmed_if_rebased,
            || "users went with a restart of the ledger by a single read".to_owned(),
        );
        let all = after.users.is_empty() && after.quarantined.is_empty() && gone > 0;
        let many = had.len() > 1 && gone * 2 > had.len();
        self.require(Invariant::RemovalHasProof, confirmed || !(all || many), || {
            format!("{gone} of {} users went by a single read", had.len())
        });
    }

    /// Whether the ledger was restarted long enough ago for a view of another chain to come into force.
    fn is_rebase(&self, before: &View, after: &View) -> bool {
        let long_ago = self
            .ledger
            .restarted_at
            .is_some_and(|at| self.now.since(at) >= RESTART_AFTER);
        let later = after.provenance().clock > before.provenance().clock;
        long_ago && after.slot < before.slot && later
    }

    pub(crate) fn check_assign(&mut self, spec: &TunnelSpec) {
        let view = self
            .daemon
            .as_ref()
            .and_then(|daemon| daemon.reconciler.view())
            .map(|(view, _)| view.clone());
        // One whose account does not decode keeps what it has.
        let active = view.is_some_and(|view| {
            let user = view.users.get(&spec.id.0);
            let active = user
                .is_some_and(|user| user.status == UserStatus::Activated && is_ours(self.script.role, user));
            active || view.quarantined.contains_key(&spec.id.0)
        });
        if let Some(daemon) = &mut self.daemon {
            daemon.leaving.remove(&spec.id);
        }
        let switch = self.daemon.as_ref().and_then(|daemon| daemon.reconciler.switch());
        let there = self
            .daemon
            .as_ref()
            .is_some_and(|daemon| daemon.found.contains(&spec.id));
        // Nor does one that is held go because of the ledger.
        let active = active || (switch == Some(Switch::Unknown) && there);
        self.require(Invariant::RemovalHasProof, active, || {
            format!("{} is built without an activated user", short(spec.id))
        });
        self.require(
            Invariant::UnknownSwitchHolds,
            switch != Some(Switch::Unknown) || there,
            || format!("{} is built", short(spec.id)),
        );
        self.require(
            Invariant::SwitchIsOnDisk,
            switch.is_some_and(Switch::has_tunnels),
            || format!("{} is built while disabled", short(spec.id)),
        );
        self.check_source(spec);
    }

    /// A tunnel moves to another source only when its own was seen to be gone.
    fn check_source(&mut self, spec: &TunnelSpec) {
        let Some(before) = self
            .provisioner(spec.id)
            .and_then(|provisioner| provisioner.assigned.clone())
        else {
            return;
        };
        let (was, is) = (&before.link, &spec.link);
        let moved = before.kind == spec.kind && was.remote == is.remote && was.local != is.local;
        let stays = self.kernel.observed().host.contains(&was.local);
        // It may have come back since the last look.
        let lately = self
            .source_came
            .get(&was.local)
            .is_some_and(|at| self.now.since(*at) < LOOKS);
        self.require(Invariant::RemovalHasProof, !moved || !stays || lately, || {
            format!(
                "{} moves from {} to {}, and the host has both",
                short(spec.id),
                was.local,
                is.local
            )
        });
    }

    pub(crate) fn check_retire(&mut self, tunnel: TunnelId, link: &LinkName, reason: &RetireReason) {
        let Some(daemon) = &self.daemon else { return };
        let disabled = daemon.reconciler.switch() == Some(Switch::Off);
        let held = daemon.reconciler.switch() == Some(Switch::Unknown);
        let proved = daemon
            .reconciler
            .view()
            .is_some_and(|(view, _)| may_go(view, self.script.role, tunnel));
        // One that others renamed is in the way of the right one.
        let misnamed = link.as_str() == "renamed0";
        let proved = disabled || proved || misnamed || daemon.leaving.contains(&tunnel);
        if let Some(daemon) = &mut self.daemon {
            daemon.leaving.insert(tunnel);
        }
        self.require(Invariant::UnknownSwitchHolds, !held, || {
            format!("{} is retired: {reason}", short(tunnel))
        });
        self.require(Invariant::RemovalHasProof, proved, || {
            format!("{} is retired: {reason}", short(tunnel))
        });
    }

    /// A plan is made for what was seen: nothing on a link that was seen not to be ours.
    pub(crate) fn check_steps(&mut self, tunnel: TunnelId, steps: &[PlannedStep]) {
        let seen = self
            .provisioner(tunnel)
            .and_then(|provisioner| provisioner.seen.clone())
            .unwrap_or_default();
        let foreign = |link: &LinkName| seen.foreign.contains_key(link);
        let touches = steps
            .iter()
            .find(|step| foreign(&step.link))
            .map(ToString::to_string);
        self.require(Invariant::ForeignUntouched, touches.is_none(), || {
            format!("{touches:?} is planned")
        });
        steps.iter().for_each(|step| self.check_withheld(step));
    }

    /// After a step of ours in the kernel.
    pub(crate) fn check_step(&mut self, step: &PlannedStep, before: &Model) {
        let untouched = self
            .foreign
            .iter()
            .all(|(name, have)| self.kernel.links().get(name) == Some(have));
        self.require(Invariant::ForeignUntouched, untouched, || {
            format!("{step} changed what is not ours")
        });
        self.check_creation(step, before);
        self.check_removal(step, before);
        if let Action::Part(Edit::Put, Part::Route(route)) = &step.action
            && route.protocol == RouteProtocol::Bgp
            && let Some(bgp) = self
                .provisioner(step.tunnel)
                .and_then(|one| one.in_force()?.bgp.clone())
        {
            let good = within_policy(&bgp, route.dst) && route.via == bgp.peer_address;
            self.require(Invariant::RoutesWithinPolicy, good, || format!("{step}"));
        }
    }

    fn check_creation(&mut self, step: &PlannedStep, before: &Model) {
        let Action::Link(LinkAction::Create { spec, incarnation }) = &step.action else {
            return;
        };
        let made = !before.links().contains_key(&spec.name) && self.kernel.links().contains_key(&spec.name);
        if !made {
            return;
        }
        let last = self.incarnations.insert(step.tunnel, *incarnation);
        self.require(
            Invariant::IncarnationsGoUp,
            last.is_none_or(|last| last < *incarnation),
            || format!("{}: {incarnation} after {last:?}", short(step.tunnel)),
        );
        let links = self
            .kernel
            .observed()
            .ours()
            .filter(|(tunnel, _)| *tunnel == step.tunnel)
            .count();
        // One that others renamed while we were about to make it is seen with the next look.
        let renamed = self.kernel.links().keys().any(|name| name.as_str() == "renamed0");
        self.require(Invariant::OneLinkPerTunnel, links == 1 || renamed, || {
            format!("{} has {links} links", short(step.tunnel))
        });
    }

    /// A link of ours went by our doing: the tunnel was retired, or the link is not what was assigned, or what was half
    /// built is taken back.
    fn check_removal(&mut self, step: &PlannedStep, before: &Model) {
        let Some(was) = before.links().get(&step.link) else {
            return;
        };
        if self.kernel.links().contains_key(&step.link) {
            return;
        }
        let Owner::Ours { tunnel, .. } = was.owner else {
            return;
        };
        let Some(provisioner) = self.provisioner(tunnel) else {
            return;
        };
        let mismatch = provisioner
            .assigned
            .as_ref()
            .is_none_or(|spec| !is_as_assigned(&was.link, spec));
        let proved = provisioner.retired || provisioner.failed || mismatch;
        self.require(Invariant::RemovalHasProof, proved, || {
            format!("{}: {step} removes a good link", short(tunnel))
        });
    }

    /// A session is started only over a link that was not seen to have the wrong ends.
    pub(crate) fn check_session_start(&mut self, tunnel: TunnelId) {
        let Some(provisioner) = self.provisioner(tunnel) else {
            return;
        };
        let Some(spec) = &provisioner.in_force() else {
            return;
        };
        let Some(have) = self.kernel.links().get(&spec.link.name).cloned() else {
            return;
        };
        let ours = matches!(have.owner, Owner::Ours { tunnel: marked, .. } if marked == tunnel);
        let meddled = have.link.local == Some(Ipv4Addr::new(10, 1, 1, 1));
        let right = have.link.local == Some(spec.link.local) && have.link.remote == Some(spec.link.remote);
        let stale = provisioner.retired;
        self.require(
            Invariant::EndpointsAreRight,
            right || meddled || !ours || stale,
            || format!("{}: {:?}", short(tunnel), have.link),
        );
    }

    pub(crate) fn check_announced(&mut self, tunnel: TunnelId, announced: &[Ipv4Net]) {
        let Some(session) = self.provisioner(tunnel).and_then(|one| one.session.as_ref()) else {
            return;
        };
        let wrong = announced
            .iter()
            .find(|prefix| !within_policy(&session.spec, **prefix))
            .copied();
        self.require(Invariant::RoutesWithinPolicy, wrong.is_none(), || {
            format!("{}: {wrong:?} was accepted", short(tunnel))
        });
    }

    /// News of earlier sessions, connections and operations changes nothing.
    pub(crate) fn check_late_signals(&mut self) {
        let now = self.now;
        let mut broken = None;
        let Some(daemon) = &mut self.daemon else { return };
        for (tunnel, provisioner) in &mut daemon.provisioners {
            let before = provisioner.machine.report();
            let old = SessionNumber(0);
            let updates = [
                SessionUpdate::Status(SessionStatus::Up, None),
                SessionUpdate::Routes {
                    announced: vec![Ipv4Net::default()],
                    withdrawn: Vec::new(),
                },
                SessionUpdate::Synced,
                SessionUpdate::Closed,
            ];
            for update in updates {
                let effects = provisioner.machine.handle(
                    now,
                    Input::Session(old, update.clone()),
                    self.machine_chance.source(),
                );
                if !effects.is_empty() || provisioner.machine.report() != before {
                    broken = Some(format!("{}: {update:?}", short(*tunnel)));
                }
            }
            // Of all that this one has learned, as it was for an earlier incarnation, and of a route that no session of it has taught.
            let unknown = Ipv4Net::from(Ipv4Addr::new(240, 0, 0, 1));
            let known: Vec<Ipv4Net> = provisioner.services.watched().collect();
            for usability in [Usability::Usable, Usability::Unusable] {
                let late = known.iter().map(|dst| (*dst, usability)).collect();
                let late = Input::Liveness(Incarnation(0), late);
                let strange = Input::Liveness(before.incarnation, vec![(unknown, usability)]);
                for input in [late, strange] {
                    let effects = provisioner
                        .machine
                        .handle(now, input, self.machine_chance.source());
                    if !effects.is_empty() || provisioner.machine.report() != before {
                        broken = Some(format!("{}: {usability:?}", short(*tunnel)));
                    }
                }
            }
            if let Some(machine) = provisioner
                .session
                .as_mut()
                .and_then(|session| session.machine.as_mut())
            {
                let before = machine.standing();
                let old = bgp::ConnectionNumber(0);
                for input in [
                    bgp::Input::Connected(old),
                    bgp::Input::Received(old, (&[0; 19]).into()),
                    bgp::Input::Disconnected(old, "late".into()),
                ] {
                    let outputs = machine.handle(now, input.clone(), self.machine_chance.source());
                    if !outputs.is_empty() || machine.standing() != before {
                        broken = Some(format!("{}: {input:?}", short(*tunnel)));
                    }
                }
            }
        }
        self.require(Invariant::LateSignalsIgnored, broken.is_none(), || {
            format!("{broken:?}")
        });
    }
}

/// Whether a view takes this tunnel away.
fn may_go(view: &View, role: Role, tunnel: TunnelId) -> bool {
    let key = tunnel.0;
    let Some(user) = view.users.get(&key) else {
        return !view.quarantined.contains_key(&key);
    };
    let class = |user: &User| user.kind.ok().map(|kind| kind.class());
    let rival = view.users.iter().any(|(other, rival)| {
        *other != key
            && rival.status == UserStatus::Activated
            && rival.client_ip == user.client_ip
            && class(rival) == class(user)
    });
    user.status != UserStatus::Activated || !is_ours(role, user) || user.kind.is_err() || rival
}

fn is_ours(role: Role, user: &User) -> bool {
    match role {
        Role::Client { client_ip } => user.client_ip == client_ip,
        Role::Gateway { device } => user.device == device,
    }
}

/// The import policy, in other words than the speaker's.
fn within_policy(bgp: &BgpSpec, prefix: Ipv4Net) -> bool {
    let (first, last) = (u32::from(prefix.network()), u32::from(prefix.broadcast()));
    let overlaps = |from: [u8; 4], to: [u8; 4]| {
        first <= u32::from(Ipv4Addr::from(to)) && last >= u32::from(Ipv4Addr::from(from))
    };
    let martian = overlaps([0; 4], [0, 255, 255, 255])
        || overlaps([127, 0, 0, 0], [127, 255, 255, 255])
        || overlaps([224, 0, 0, 0], [255; 4]);
    !martian
        && bgp
            .policy
            .protected
            .iter()
            .all(|address| !prefix.contains(address))
}
