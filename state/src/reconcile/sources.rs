//! The outer source addresses that the host chooses: asked for, used, and held while they are on the host.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Effect, Role,
    entries::{Stage, TunnelEntry},
    machine::{Context, Reconciler},
};
use crate::{Observed, TunnelId, TunnelSpec, desired::takes_route_source, event::Event};

/// What is known of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sources {
    /// Towards each endpoint, what tunnels are built with; `None` where there is no route.
    pub(super) known: BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
    /// Endpoints with a question under way.
    asked: BTreeSet<Ipv4Addr>,
    /// Endpoints whose source is that of a tunnel of an earlier run: the host was not asked.
    adopted: BTreeSet<Ipv4Addr>,
    /// Towards each endpoint, what the host would choose today instead of the address that a tunnel has.
    others: BTreeMap<Ipv4Addr, Other>,
    /// Tunnels of which it was told that they stay although another one, this one, would be chosen.
    told: BTreeMap<TunnelId, Ipv4Addr>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Other {
    source: Ipv4Addr,
    /// The host was seen to have the tunnel's address still.
    is_held: bool,
}

impl Reconciler {
    /// Tunnels that stay at the address that they have although the host would choose another one, this one, today.
    #[must_use]
    pub fn other_sources(&self) -> &BTreeMap<TunnelId, Ipv4Addr> {
        &self.sources.told
    }

    fn held_sources(&self) -> BTreeMap<TunnelId, Ipv4Addr> {
        let held = self.sources.others.iter().filter(|(_, other)| other.is_held);
        held.filter_map(|(endpoint, other)| Some((self.tunnel_towards(*endpoint)?.id, other.source)))
            .collect()
    }

    /// Several questions may be under way: an answer is about what its own question asked, and about nothing else. A tunnel
    /// in place stays at its address until that was seen to be gone.
    pub(super) fn take_sources(
        &mut self,
        answers: &BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
        cx: &mut Context<'_>,
    ) {
        let mut in_doubt = false;
        for (endpoint, answer) in answers {
            self.sources.asked.remove(endpoint);
            self.sources.adopted.remove(endpoint);
            let answer = answer.filter(|source| !self.is_on_a_tunnel(*source));
            let used = self.tunnel_towards(*endpoint).map(|spec| spec.link.local);
            match (used, answer) {
                // A route that is missing for a moment is no reason to move a tunnel.
                (_, None) if self.sources.known.get(endpoint).copied().flatten().is_some() => {}
                (Some(used), Some(source)) if used != source => {
                    self.doubt(*endpoint, source);
                    in_doubt = true;
                }
                (_, source) => {
                    self.sources.known.insert(*endpoint, source);
                    self.sources.others.remove(endpoint);
                }
            }
        }
        if in_doubt {
            self.observe(cx);
        }
        self.pass(cx);
    }

    /// Tunnels of an earlier run stay at their addresses, too.
    pub(super) fn adopt_sources(&mut self, observed: &Observed) {
        if matches!(self.role, Some(Role::Gateway { .. })) {
            return;
        }
        let ends = observed
            .ours()
            .filter_map(|(_, tunnel)| tunnel.link.local.zip(tunnel.link.remote));
        for (local, remote) in ends.filter(|(local, _)| observed.host.contains(local)) {
            self.sources.adopt(local, remote);
        }
    }

    /// What an earlier reconciler of this run has told stays too, also while the link is away.
    pub(super) fn adopt_source_of(&mut self, stage: &Stage) {
        if let Stage::Assigned(spec) = stage
            && takes_route_source(spec.kind)
        {
            self.sources.adopt(spec.link.local, spec.link.remote);
        }
    }

    /// Takes other sources where the one in use is not on the host any more. Gives whether anything changes by that.
    pub(super) fn leave_gone_sources(&mut self, host: &BTreeSet<Ipv4Addr>) -> bool {
        let mut changed = false;
        for (endpoint, Other { source: other, .. }) in self.sources.others.clone() {
            let Some(used) = self.tunnel_towards(endpoint).map(|spec| spec.link.local) else {
                continue;
            };
            if used == other {
                self.sources.others.remove(&endpoint);
                continue;
            }
            let is_held = host.contains(&used);
            let source = if is_held { used } else { other };
            changed |= self.sources.known.insert(endpoint, Some(source)) != Some(Some(source));
            self.sources.others.insert(
                endpoint,
                Other {
                    source: other,
                    is_held,
                },
            );
        }
        changed
    }

    /// Tells of tunnels that stay at an address although another one would be chosen, and of those that no longer do.
    pub(super) fn follow_held_sources(&mut self, cx: &mut Context<'_>) {
        if self.sources.told.is_empty() && self.sources.others.is_empty() {
            return;
        }
        let held = self.held_sources();
        let told = std::mem::replace(&mut self.sources.told, held.clone());
        let source_of = |tunnel: &TunnelId| Some(self.entries.get(tunnel)?.spec()?.link.local);
        let over = told.keys().filter(|tunnel| !held.contains_key(tunnel));
        let over = over.filter_map(|tunnel| {
            Some(Event::SourceHoldOver {
                tunnel: *tunnel,
                source: source_of(tunnel)?,
            })
        });
        let new = held
            .iter()
            .filter(|(tunnel, other)| told.get(tunnel) != Some(other));
        let new = new.filter_map(|(tunnel, other)| {
            Some(Event::SourceHeld {
                tunnel: *tunnel,
                source: source_of(tunnel)?,
                other: *other,
            })
        });
        cx.effects.extend(over.chain(new).map(Effect::Record));
    }

    /// A tunnel that is built again takes what the host chooses then.
    pub(super) fn forget_sources(&mut self) {
        if self.sources.known.is_empty() {
            return;
        }
        let used: BTreeSet<Ipv4Addr> = self
            .entries
            .values()
            .filter_map(TunnelEntry::spec)
            .map(|spec| spec.link.remote)
            .collect();
        self.sources.known.retain(|endpoint, _| used.contains(endpoint));
        self.sources.others.retain(|endpoint, _| used.contains(endpoint));
        self.sources.adopted.retain(|endpoint| used.contains(endpoint));
    }

    pub(super) fn ask_sources(&mut self, cx: &mut Context<'_>) {
        let adopted = self.built.uses_source.intersection(&self.sources.adopted);
        let new: BTreeSet<Ipv4Addr> = self.built.needs_source.iter().chain(adopted).copied().collect();
        let new: BTreeSet<Ipv4Addr> = new.difference(&self.sources.asked).copied().collect();
        if !new.is_empty() {
            self.sources.asked.extend(&new);
            cx.effects.push(Effect::ResolveSources(new));
        }
    }

    /// The host's own network changed. The last of many changes in a row is followed by a question too.
    pub(super) fn ask_sources_soon(&mut self, cx: &mut Context<'_>) {
        if !self.uses_sources() && !self.uses_underlay() {
            return;
        }
        match self
            .looking
            .sources_at
            .map(|at| at + self.settings.source_gap)
            .filter(|at| *at > cx.now)
        {
            Some(at) => self.looking.sources_due = Some(at),
            None => {
                self.looking.sources_at = Some(cx.now);
                self.ask_sources_again(cx);
            }
        }
    }

    /// Routes of the host changed: sources and paths that are in use are all asked for again.
    fn ask_sources_again(&mut self, cx: &mut Context<'_>) {
        let all = self
            .built
            .uses_source
            .union(&self.built.needs_source)
            .copied()
            .collect();
        self.resolve(all, cx);
        self.ask_underlay_again(cx);
    }

    /// Routes may have changed without a notice: those whose turn it is are asked for again, and those that are missing.
    pub(super) fn ask_sources_in_turn(&mut self, cx: &mut Context<'_>) {
        let turn = self.turn(self.built.uses_source.len());
        let used = self.built.uses_source.iter();
        let some = used
            .filter(|endpoint| turn.is_of(&endpoint.octets()))
            .chain(&self.built.needs_source)
            .copied()
            .collect();
        self.resolve(some, cx);
        self.ask_underlay_in_turn(cx);
    }

    fn resolve(&mut self, endpoints: BTreeSet<Ipv4Addr>, cx: &mut Context<'_>) {
        self.sources.asked.extend(&endpoints);
        if !endpoints.is_empty() {
            cx.effects.push(Effect::ResolveSources(endpoints));
        }
    }

    pub(super) fn uses_sources(&self) -> bool {
        !self.built.uses_source.is_empty()
    }

    /// The host would choose this one: whether it has the one in use still is to be seen.
    fn doubt(&mut self, endpoint: Ipv4Addr, source: Ipv4Addr) {
        let other = self.sources.others.entry(endpoint).or_insert(Other {
            source,
            is_held: false,
        });
        if other.source != source {
            *other = Other {
                source,
                is_held: false,
            };
        }
    }

    /// The tunnel there whose source the host chose.
    fn tunnel_towards(&self, endpoint: Ipv4Addr) -> Option<&TunnelSpec> {
        let specs = self.entries.values().filter_map(TunnelEntry::spec);
        specs
            .filter(|spec| takes_route_source(spec.kind))
            .find(|spec| spec.link.remote == endpoint)
            .map(Arc::as_ref)
    }
}

impl Sources {
    fn adopt(&mut self, source: Ipv4Addr, endpoint: Ipv4Addr) {
        if let Entry::Vacant(unknown) = self.known.entry(endpoint) {
            unknown.insert(Some(source));
            self.adopted.insert(endpoint);
        }
    }
}
