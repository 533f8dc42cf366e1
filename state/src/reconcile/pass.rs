//! One pass: from what is wanted now to what the provisioners are told.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use super::{
    Effect, ManualEnd, Role,
    entries::{Stage, TunnelEntry},
    machine::{Context, Reconciler, Shutdown, Touched},
    marks::Stray,
};
use crate::{
    Desired, Incarnation, LinkName, Notice, Pubkey, StopMode, Switch, TunnelId, TunnelSpec,
    desired::{Built, Refusal, Request, build},
    event::Event,
    guard::AcceptedView,
    lifecycle::RetireReason,
    view::Difference,
};

/// More links than a provisioner makes between two reports.
const UNREPORTED: u64 = 1 << 10;

impl Reconciler {
    pub(super) fn take_view(&mut self, view: AcceptedView, cx: &mut Context<'_>) {
        let first = self.view.is_none();
        // A pass is a function of what is known, and everything else that becomes known has its own pass.
        let difference = self.view.as_ref().map_or_else(
            || Arc::new(Difference::Everything),
            |before| view.differs_from(before),
        );
        self.view = Some(view);
        let over = self.switch == Some(Switch::On) && self.end_manual(ManualEnd::LedgerRead, cx);
        if *difference == Difference::Nothing && !over {
            return;
        }
        self.pass_for(&difference, cx);
        if first {
            self.observe(cx);
        }
    }

    pub(super) fn take_switch(&mut self, switch: Switch, cx: &mut Context<'_>) {
        if self.switch != Some(switch) {
            if self.switch.is_some() {
                self.end_manual(ManualEnd::SwitchSet, cx);
            }
            self.switch = Some(switch);
            self.pass(cx);
            self.observe(cx);
        }
    }

    /// With another address we are another client: the view in force is about the one before.
    pub(super) fn take_client_ip(&mut self, client_ip: Ipv4Addr, cx: &mut Context<'_>) {
        let role = Role::Client { client_ip };
        match self.role {
            Some(Role::Gateway { .. }) => return,
            Some(Role::Client { client_ip: before }) if before != client_ip => {
                self.view = None;
                self.moved_from.get_or_insert(before);
            }
            Some(Role::Client { .. }) | None => {}
        }
        self.role = Some(role);
        self.pass(cx);
    }

    pub(super) fn provisioner_ended(&mut self, tunnel: TunnelId, finished: bool, cx: &mut Context<'_>) {
        let Some(entry) = self.entries.remove(&tunnel) else {
            return;
        };
        let before = cx.effects.len();
        self.release(tunnel, &entry);
        // Links that were made but not reported yet have numbers too: the news that a provisioner ended may arrive
        // before its last report.
        self.next_incarnation = Incarnation(self.next_incarnation.0 + UNREPORTED);
        match entry.stage {
            Stage::Retiring { link } if !finished => {
                let stray = Stray {
                    tunnel,
                    link,
                    endpoints: entry.endpoints.first().copied(),
                };
                self.retire(stray, RetireReason::Interrupted, cx);
            }
            Stage::Assigned(spec) if !finished && self.shutdown.is_none() && self.keeps(tunnel) => {
                self.assign(&spec, cx)
            }
            Stage::Retiring { .. } => {
                self.marks.remove(&tunnel);
                self.seen.remove(&tunnel);
                self.ended.insert(tunnel);
                self.looking.unverified = true;
            }
            Stage::Assigned(_) | Stage::Detaching => {}
        }
        if self.shutdown.is_none() {
            let mut next = std::mem::take(&mut self.waiting);
            next.insert(tunnel);
            self.assign_changed(next, cx);
        }
        self.forget_sources();
        self.commit(before, cx);
        self.verify_removals(cx);
        self.finish_shutdown(cx);
    }

    /// Once nothing more is being taken down, the host is looked at: whatever is still there goes too. No more often than
    /// after lost notices, should the same thing be there again and again.
    fn verify_removals(&mut self, cx: &mut Context<'_>) {
        if self.looking.unverified && !self.entries.any_retires() && self.shutdown.is_none() {
            self.notice(Notice::Something, cx);
        }
    }

    pub(super) fn shut_down(&mut self, mode: StopMode, cx: &mut Context<'_>) {
        match mode {
            StopMode::Remove => {
                self.shutdown = Some(Shutdown::Remove { looked: false });
                self.desired = Desired::default();
                self.touched = Touched::All;
                self.retire_others(&RetireReason::DaemonStops, cx);
                self.observe(cx);
            }
            StopMode::Detach => {
                self.shutdown = Some(Shutdown::Detach);
                for id in self.entries.keys().copied().collect::<Vec<_>>() {
                    self.detach(id, cx);
                }
            }
        }
        self.finish_shutdown(cx);
    }

    pub(super) fn detach(&mut self, tunnel: TunnelId, cx: &mut Context<'_>) {
        let let_go = |entry: &mut TunnelEntry| (entry.stage, entry.recheck.due) = (Stage::Detaching, None);
        if self.entries.edit(&tunnel, let_go).is_some() {
            cx.effects.push(Effect::Detach(tunnel));
        }
    }

    pub(super) fn finish_shutdown(&mut self, cx: &mut Context<'_>) {
        let done = match self.shutdown {
            Some(Shutdown::Detach | Shutdown::Remove { looked: true }) => {
                self.entries.is_empty() && !self.removing_rules
            }
            Some(Shutdown::Remove { looked: false } | Shutdown::Finished) | None => false,
        };
        if done {
            self.shutdown = Some(Shutdown::Finished);
            cx.effects.push(Effect::Finished);
        }
    }

    /// Builds what is wanted and tells every provisioner whose tunnel differs.
    pub(super) fn pass(&mut self, cx: &mut Context<'_>) {
        if self.shutdown.is_some() {
            self.finish_shutdown(cx);
            return;
        }
        if !self.may_act() || !self.looking.done {
            self.follows_view = false;
            return;
        }
        self.rebuild(cx);
        let before = cx.effects.len();
        self.retire_undesired(cx);
        let all = self.desired.tunnels.keys().copied().collect();
        self.assign_changed(all, cx);
        self.tell_what_stays_out(cx);
        self.commit(before, cx);
        self.ask_sources(cx);
    }

    pub(super) fn build_from_view(&self) -> Built {
        let provisioned = |id: &TunnelId| self.is_provisioned(id);
        match self.switch {
            Some(Switch::On | Switch::Unknown) => {
                self.request(&provisioned).as_ref().map(build).unwrap_or_default()
            }
            Some(Switch::Off) | None => Built::default(),
        }
    }

    /// What the view in force is asked.
    pub(super) fn request<'a>(&'a self, provisioned: &'a dyn Fn(&TunnelId) -> bool) -> Option<Request<'a>> {
        Some(Request {
            view: &self.view.as_ref()?.view,
            role: self.role?,
            sources: &self.sources.known,
            provisioned,
            max_prefixes: self.settings.max_prefixes,
            liveness: self.settings.liveness,
            owners: self.settings.owners,
            exclude: &self.exclude,
        })
    }

    pub(super) fn is_provisioned(&self, tunnel: &TunnelId) -> bool {
        self.marks.contains_key(tunnel)
            || self
                .entries
                .get(tunnel)
                .is_some_and(|entry| entry.spec().is_some())
    }

    /// Tells what became of refusals: whose, what it was, and what it is.
    pub(super) fn tell_refusals<'a>(
        refusals: impl Iterator<Item = (&'a Pubkey, Option<&'a Refusal>, Option<&'a Refusal>)>,
        cx: &mut Context<'_>,
    ) {
        for (user, was, is) in refusals.filter(|(_, was, is)| was != is) {
            let told = match (was, is) {
                (_, Some(refusal)) => Event::Refused {
                    user: *user,
                    refusal: refusal.clone(),
                },
                (Some(refusal), None) => Event::RefusalOver {
                    user: *user,
                    refusal: refusal.clone(),
                },
                (None, None) => continue,
            };
            cx.effects.push(Effect::Record(told));
        }
    }

    /// Retires every tunnel that is neither desired nor kept, each for its own reason.
    fn retire_undesired(&mut self, cx: &mut Context<'_>) {
        for stray in self.undesired() {
            let reason = self.why_undesired(stray.tunnel);
            self.retire(stray, reason, cx);
        }
        if self.switch == Some(Switch::On) {
            self.moved_from = None;
        }
    }

    /// The same for one reason.
    pub(super) fn retire_others(&mut self, reason: &RetireReason, cx: &mut Context<'_>) {
        for stray in self.undesired() {
            self.retire(stray, reason.clone(), cx);
        }
    }

    fn undesired(&self) -> Vec<Stray> {
        self.undesired_of(self.entries.keys())
    }

    pub(super) fn undesired_of<'a>(&self, tunnels: impl IntoIterator<Item = &'a TunnelId>) -> Vec<Stray> {
        let leaving = tunnels.into_iter().filter(|id| !self.keeps(**id));
        leaving
            .filter_map(|id| Some(stray_of(*id, self.entries.get(id)?.spec()?)))
            .collect()
    }

    pub(super) fn why_undesired(&self, tunnel: TunnelId) -> RetireReason {
        if tunnel.is_manual() {
            return RetireReason::ManualOver;
        }
        if self.switch != Some(Switch::On) {
            return RetireReason::Disabled;
        }
        match (self.moved_from, self.role) {
            (Some(before), Some(Role::Client { client_ip: now })) => {
                RetireReason::AddressChanged { now, before }
            }
            (Some(_) | None, _) => RetireReason::NotAskedFor {
                refusal: self.built.refused.get(&tunnel.0).cloned(),
            },
        }
    }

    /// What was told about a tunnel of an earlier run is not known.
    pub(super) fn why_stray(&self) -> RetireReason {
        match (self.shutdown, self.switch, self.role) {
            (Some(_), _, _) => RetireReason::DaemonStops,
            (None, Some(Switch::On), Some(Role::Client { client_ip })) => RetireReason::LeftBehind {
                client_ip: Some(client_ip),
            },
            (None, Some(Switch::On), _) => RetireReason::LeftBehind { client_ip: None },
            (None, _, _) => RetireReason::Disabled,
        }
    }

    fn keeps(&self, id: TunnelId) -> bool {
        let kept = !matches!(self.shutdown, Some(Shutdown::Remove { .. })) && self.built.keep.contains(&id.0);
        kept || self.desired.tunnels.contains_key(&id)
    }

    /// Assigns the tunnels whose desired spec is not the assigned one, as far as what they need is free.
    pub(super) fn assign_changed(&mut self, tunnels: BTreeSet<TunnelId>, cx: &mut Context<'_>) {
        self.waiting.clear();
        let mut free = Vec::new();
        for id in tunnels {
            let Some(want) = self.desired.tunnels.get(&id) else {
                continue;
            };
            let spec = &want.spec;
            match self.entries.get(&id).map(|entry| &entry.stage) {
                Some(Stage::Assigned(before)) if before == spec => {}
                Some(Stage::Assigned(before))
                    if before.link.name != spec.link.name || self.is_taken(spec) =>
                {
                    let stray = stray_of(id, before);
                    self.retire(stray, RetireReason::Replaced, cx);
                    self.waiting.insert(id);
                }
                Some(Stage::Retiring { .. } | Stage::Detaching) => {
                    self.waiting.insert(id);
                }
                None if self.is_taken(spec) => {
                    self.waiting.insert(id);
                }
                Some(Stage::Assigned(_)) | None => free.push(spec.clone()),
            }
        }
        for spec in free {
            self.assign(&spec, cx);
        }
    }

    /// Whether another slot has the link name or the endpoints.
    fn is_taken(&self, spec: &TunnelSpec) -> bool {
        let other = |holder: Option<&TunnelId>| holder.is_some_and(|holder| *holder != spec.id);
        other(self.names.get(&spec.link.name))
            || other(self.endpoints.get(&(spec.link.local, spec.link.remote)))
    }

    pub(super) fn hold(&mut self, tunnel: TunnelId, link: LinkName, endpoints: Option<(Ipv4Addr, Ipv4Addr)>) {
        let take = |entry: &mut TunnelEntry| {
            entry.names.insert(link.clone());
            endpoints
                .into_iter()
                .for_each(|endpoints| entry.endpoints.insert(endpoints));
        };
        if self.entries.edit(&tunnel, take).is_some() {
            self.names.entry(link).or_insert(tunnel);
            endpoints.map(|endpoints| self.endpoints.entry(endpoints).or_insert(tunnel));
        }
    }

    fn release(&mut self, tunnel: TunnelId, entry: &TunnelEntry) {
        for name in entry.names.iter() {
            if self.names.get(name) == Some(&tunnel) {
                self.names.remove(name);
            }
        }
        for endpoints in entry.endpoints.iter() {
            if self.endpoints.get(endpoints) == Some(&tunnel) {
                self.endpoints.remove(endpoints);
            }
        }
        self.conflicts.remove(&tunnel);
    }

    pub(super) fn assign(&mut self, spec: &Arc<TunnelSpec>, cx: &mut Context<'_>) {
        let incarnation = self.next_incarnation;
        self.next_incarnation = incarnation.next();
        let mut entry = self
            .entries
            .remove(&spec.id)
            .unwrap_or_else(|| TunnelEntry::new(Stage::Detaching));
        self.release(spec.id, &entry);
        entry.names.clear();
        entry.endpoints.clear();
        entry.stage = Stage::Assigned(spec.clone());
        self.entries.insert(spec.id, entry);
        self.hold(
            spec.id,
            spec.link.name.clone(),
            Some((spec.link.local, spec.link.remote)),
        );
        cx.effects.push(Effect::Assign {
            spec: spec.clone(),
            incarnation,
            generation: self.generation.next(),
        });
    }

    pub(super) fn retire(&mut self, stray: Stray, reason: RetireReason, cx: &mut Context<'_>) {
        let Stray {
            tunnel,
            link,
            endpoints,
        } = stray;
        self.conflicts.remove(&tunnel);
        let stage = Stage::Retiring { link: link.clone() };
        let mut entry = self
            .entries
            .remove(&tunnel)
            .unwrap_or_else(|| TunnelEntry::new(Stage::Detaching));
        (entry.stage, entry.recheck.due) = (stage, None);
        self.entries.insert(tunnel, entry);
        self.hold(tunnel, link.clone(), endpoints);
        cx.effects.push(Effect::Retire { tunnel, link, reason });
    }

    /// Numbers what was handed out since `before`, if anything was.
    pub(super) fn commit(&mut self, before: usize, cx: &mut Context<'_>) {
        let handed_out = cx.effects.iter().skip(before);
        let (mut assigned, mut retired) = (0, 0);
        for effect in handed_out {
            match effect {
                Effect::Assign { .. } => assigned += 1,
                Effect::Retire { .. } => retired += 1,
                Effect::Observe
                | Effect::ResolveSources(_)
                | Effect::MeasureUnderlay(_)
                | Effect::RemoveRules(_)
                | Effect::Recheck(_)
                | Effect::Sighted(..)
                | Effect::Detach(_)
                | Effect::Record(_)
                | Effect::Finished => {}
            }
        }
        if assigned + retired > 0 {
            self.generation = self.generation.next();
            cx.effects.push(Effect::Record(Event::PlanCommitted {
                generation: self.generation,
                assigned,
                retired,
            }));
        }
    }
}

pub(super) fn stray_of(tunnel: TunnelId, spec: &TunnelSpec) -> Stray {
    let link: LinkName = spec.link.name.clone();
    Stray {
        tunnel,
        link,
        endpoints: Some((spec.link.local, spec.link.remote)),
    }
}
