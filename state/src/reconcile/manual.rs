//! What an operator asks for past the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Role,
    entries::Stage,
    machine::{Context, Reconciler},
    pass::stray_of,
};
use crate::{
    Exclusion, LinkName, Owners, ServiceClass, TunnelId, TunnelSpec,
    desired::{Built, ManualRequest, manual_id, manual_spec},
    event::Event,
    lifecycle::RetireReason,
};

/// What an operator asked for past the ledger. While the switch is off it holds until the switch is set; while it is on,
/// until the ledger is read the next time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Manual {
    /// Tunnels to have, instead of the ledger's whose links have the same names.
    pub tunnels: BTreeMap<TunnelId, ManualRequest>,
    /// Tunnels that are to be gone.
    pub removed: BTreeSet<TunnelId>,
}

/// Why what an operator asked for past the ledger holds no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ManualEnd {
    /// The ledger says which tunnels there are.
    #[error("the ledger was read")]
    LedgerRead,
    /// Another word of the operator.
    #[error("the switch was set")]
    SwitchSet,
}

/// Why there can be no such manual tunnel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProvisionRefusal {
    /// There is a tunnel of this class already.
    #[error("cannot provision multiple {0} tunnels at the same time")]
    Multiple(ServiceClass),
    /// A gateway has its users' tunnels and no others.
    #[error(
        "this is a gateway: its tunnels are those of its users on the ledger, and no others can be provisioned"
    )]
    Gateway,
    /// The switch cannot be read: nothing is built until it is set.
    #[error("{Unknown}: no tunnel is built until the daemon is enabled or disabled", Unknown = crate::Switch::Unknown)]
    Held,
    /// What is there already is not known yet.
    #[error("the daemon has not observed the host yet")]
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
        if matches!(self.role, Some(Role::Gateway { .. })) {
            return Err(ProvisionRefusal::Gateway);
        }
        if self.is_held() {
            return Err(ProvisionRefusal::Held);
        }
        if self.switch.is_none() || !self.looking.done || self.shutdown.is_some() {
            return Err(ProvisionRefusal::NotReady);
        }
        let spec = self.manual_spec(request).map_err(ProvisionRefusal::Refused)?;
        let assigned = self
            .entries
            .values()
            .any(|entry| matches!(&entry.stage, Stage::Assigned(other) if other.link.name == spec.link.name));
        let wanted = self
            .desired
            .tunnels
            .values()
            .any(|want| want.spec.link.name == spec.link.name);
        let withheld = self.underlay.withheld.contains_key(&spec.id);
        if assigned || wanted || withheld {
            return Err(ProvisionRefusal::Multiple(request.kind.class()));
        }
        Ok(())
    }

    /// Only adds: without a view nothing that is there goes.
    pub(super) fn provision(&mut self, request: ManualRequest, cx: &mut Context<'_>) {
        let Ok(spec) = self
            .may_provision(&request)
            .map_err(|_| ())
            .and_then(|()| self.manual_spec(&request).map_err(drop))
        else {
            return;
        };
        cx.effects.push(super::Effect::Record(Event::ManualAsked {
            tunnel: spec.id,
            link: spec.link.name.clone(),
        }));
        self.manual.removed.remove(&spec.id);
        self.manual.tunnels.insert(spec.id, request);
        let before = cx.effects.len();
        self.rebuild(cx);
        let waiting = self.waiting.clone();
        self.assign_changed(waiting.into_iter().chain([spec.id]).collect(), cx);
        self.tell_what_stays_out(cx);
        self.commit(before, cx);
    }

    pub(super) fn remove(&mut self, tunnel: TunnelId, cx: &mut Context<'_>) {
        if self.shutdown.is_some() {
            return;
        }
        let there = match self.entries.get(&tunnel).map(|entry| &entry.stage) {
            Some(Stage::Assigned(spec)) => Some(stray_of(tunnel, spec)),
            Some(Stage::Retiring { .. } | Stage::Detaching) | None => None,
        };
        let link = there.as_ref().map(|stray| stray.link.clone());
        cx.effects
            .push(super::Effect::Record(Event::ManualRemoved { tunnel, link }));
        self.manual.tunnels.remove(&tunnel);
        self.manual.removed.insert(tunnel);
        let before = cx.effects.len();
        self.rebuild(cx);
        if let Some(stray) = there {
            self.retire(stray, RetireReason::RemovedByOperator, cx);
        }
        self.commit(before, cx);
    }

    /// Back to what the ledger says. Gives whether there was anything else.
    pub(super) fn end_manual(&mut self, reason: ManualEnd, cx: &mut Context<'_>) -> bool {
        let manual = std::mem::take(&mut self.manual);
        let over = manual != Manual::default();
        if over {
            cx.effects
                .push(super::Effect::Record(Event::ManualOver { reason }));
        }
        over
    }

    /// An operator's word goes over the ledger's.
    pub(super) fn put_manual(&self, built: &mut Built) {
        let Manual { tunnels, removed } = &self.manual;
        let specs: Vec<TunnelSpec> = tunnels
            .values()
            .filter_map(|request| self.manual_spec(request).ok())
            .collect();
        let names: BTreeSet<&LinkName> = specs.iter().map(|spec| &spec.link.name).collect();
        built
            .tunnels
            .retain(|id, spec| !removed.contains(id) && !names.contains(&spec.link.name));
        built.keep.retain(|key| !removed.contains(&TunnelId(*key)));
        built
            .tunnels
            .extend(specs.into_iter().map(|spec| (spec.id, Arc::new(spec))));
    }

    pub(super) fn take_exclusion(&mut self, exclude: Exclusion, cx: &mut Context<'_>) {
        if self.exclude != exclude {
            self.exclude = exclude;
            self.pass(cx);
        }
    }

    pub(super) fn take_owners(&mut self, owners: Owners, cx: &mut Context<'_>) {
        if self.settings.owners != owners {
            self.settings.owners = owners;
            self.pass(cx);
        }
    }

    fn manual_spec(&self, request: &ManualRequest) -> Result<TunnelSpec, String> {
        manual_spec(
            request,
            self.settings.max_prefixes,
            self.settings.liveness,
            &self.exclude,
        )
        .map_err(|refusal| refusal.to_string())
    }
}

impl ManualRequest {
    /// Names its tunnel.
    #[must_use]
    pub fn id(&self) -> TunnelId {
        manual_id(self.kind.class())
    }
}
