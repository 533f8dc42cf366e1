//! What an operator asks for past the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{Reconciler, Slot, Stage, Turn};
use crate::{
    Exclusion, ServiceClass, TunnelId, TunnelSpec,
    desired::{Built, ManualRequest, manual_id, manual_spec},
    event::Event,
};

/// What an operator asked for past the ledger. While the switch is off it holds until the switch is set; while it is on,
/// until the ledger is read the next time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manual {
    /// Tunnels to have, instead of the ledger's of the same class.
    pub tunnels: BTreeMap<ServiceClass, ManualRequest>,
    /// Classes whose tunnel is to be gone.
    pub removed: BTreeSet<ServiceClass>,
}

/// Why there can be no such manual tunnel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProvisionRefusal {
    /// There is a tunnel of this class already.
    #[error("cannot provision multiple {0} tunnels at the same time")]
    Multiple(ServiceClass),
    /// The switch cannot be read: nothing is built until it is set.
    #[error("{Unknown}: no tunnel is built until the daemon is enabled or disabled", Unknown = crate::Switch::Unknown)]
    Held,
    /// What is there already is not known yet.
    #[error("the daemon has not looked at the host yet")]
    NotReady,
    /// The request makes no tunnel.
    #[error("{0}")]
    Refused(String),
}

impl Reconciler {
    /// Goes on with what an earlier reconciler of this run was asked for.
    #[must_use]
    pub fn with_manual(mut self, manual: Manual) -> Self {
        self.manual = manual;
        self
    }

    /// What an operator asked for past the ledger, and holds.
    #[must_use]
    pub fn manual(&self) -> &Manual {
        &self.manual
    }

    /// Whether there can be such a tunnel now.
    ///
    /// # Errors
    /// When there cannot.
    pub fn may_provision(&self, request: &ManualRequest) -> Result<(), ProvisionRefusal> {
        let class = request.kind.class();
        if self.is_held() {
            return Err(ProvisionRefusal::Held);
        }
        if self.switch.is_none() || !self.looking.done || self.shutdown.is_some() {
            return Err(ProvisionRefusal::NotReady);
        }
        let assigned = self.slots.values().any(|slot| is_assigned(slot, class));
        let wanted = self.desired.tunnels.values().any(|want| want.spec.kind.class() == class);
        if assigned || wanted {
            return Err(ProvisionRefusal::Multiple(class));
        }
        self.manual_spec(request).map(drop).map_err(ProvisionRefusal::Refused)
    }

    /// Only adds: without a view nothing that is there goes.
    pub(super) fn provision(&mut self, request: ManualRequest, turn: &mut Turn<'_>) {
        let Ok(spec) = self.may_provision(&request).map_err(|_| ()).and_then(|()| self.manual_spec(&request).map_err(drop)) else {
            return;
        };
        let class = request.kind.class();
        turn.effects.push(super::Effect::Record(Event::ManualAsked { tunnel: spec.id, link: spec.link.name.clone() }));
        self.manual.removed.remove(&class);
        self.manual.tunnels.insert(class, request);
        let before = turn.effects.len();
        self.rebuild(turn);
        let waiting = self.waiting.clone();
        self.assign_changed(waiting.into_iter().chain([spec.id]).collect(), turn);
        self.commit(before, turn);
    }

    pub(super) fn remove(&mut self, class: ServiceClass, turn: &mut Turn<'_>) {
        if self.shutdown.is_some() {
            return;
        }
        turn.effects.push(super::Effect::Record(Event::ManualRemoved { class }));
        self.manual.tunnels.remove(&class);
        self.manual.removed.insert(class);
        let before = turn.effects.len();
        self.rebuild(turn);
        self.retire_class(class, turn);
        self.commit(before, turn);
    }

    /// Back to what the ledger says. Gives whether there was anything else.
    pub(super) fn end_manual(&mut self, reason: &str, turn: &mut Turn<'_>) -> bool {
        let manual = std::mem::take(&mut self.manual);
        let over = manual != Manual::default();
        if over {
            turn.effects.push(super::Effect::Record(Event::ManualOver { reason: reason.to_owned() }));
        }
        over
    }

    /// An operator's word goes over the ledger's.
    pub(super) fn put_manual(&self, built: &mut Built) {
        let Manual { tunnels, removed } = &self.manual;
        built.tunnels.retain(|_, spec| !tunnels.contains_key(&spec.kind.class()) && !removed.contains(&spec.kind.class()));
        built.keep.retain(|key| match self.slots.get(&TunnelId(*key)).map(|slot| &slot.stage) {
            Some(Stage::Assigned(spec)) => !removed.contains(&spec.kind.class()),
            Some(Stage::Retiring { .. } | Stage::Detaching) | None => true,
        });
        let specs = tunnels.values().filter_map(|request| self.manual_spec(request).ok());
        built.tunnels.extend(specs.map(|spec| (spec.id, spec)));
    }

    pub(super) fn take_exclusion(&mut self, exclude: Exclusion, turn: &mut Turn<'_>) {
        if self.exclude != exclude {
            self.exclude = exclude;
            self.pass(turn);
        }
    }

    /// Of a tunnel that stays because nobody knows what it should be, it is known what its session may not teach us.
    pub(super) fn exclude_on_kept(&mut self, turn: &mut Turn<'_>) {
        let kept = self.kept();
        let outdated = self.slots.iter().filter(|(id, _)| kept.contains(id)).filter_map(|(_, slot)| match &slot.stage {
            Stage::Assigned(spec) if installs(spec) && spec.exclude != self.exclude => Some(spec.clone()),
            Stage::Assigned(_) | Stage::Retiring { .. } | Stage::Detaching => None,
        });
        for spec in outdated.collect::<Vec<_>>() {
            self.assign(&TunnelSpec { exclude: self.exclude.clone(), ..*spec }, turn);
        }
    }

    fn manual_spec(&self, request: &ManualRequest) -> Result<TunnelSpec, String> {
        manual_spec(request, self.settings.max_prefixes, self.settings.liveness, &self.exclude).map_err(|refusal| refusal.reason)
    }

    fn retire_class(&mut self, class: ServiceClass, turn: &mut Turn<'_>) {
        let leaving: Vec<_> = self.slots.iter().filter(|(_, slot)| is_assigned(slot, class)).map(|(id, _)| *id).collect();
        for id in leaving {
            let Some(Slot { stage: Stage::Assigned(spec), .. }) = self.slots.get(&id) else { continue };
            let stray = super::pass::stray_of(id, spec);
            self.retire(stray, "it was removed through the API", turn);
        }
    }
}

fn is_assigned(slot: &Slot, class: ServiceClass) -> bool {
    matches!(&slot.stage, Stage::Assigned(spec) if spec.kind.class() == class)
}

fn installs(spec: &TunnelSpec) -> bool {
    spec.bgp.as_ref().is_some_and(|bgp| bgp.install.is_some())
}

impl ManualRequest {
    /// Names its tunnel.
    #[must_use]
    pub fn id(&self) -> TunnelId {
        manual_id(self.kind.class())
    }
}
