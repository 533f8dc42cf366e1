//! What this host's tunnels need of the underlay: that the way to their far ends does not lead into one of them, and that
//! no outer address of one is an address on another.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    entries::{Stage, TunnelEntry},
    machine::{Context, Reconciler},
};
use crate::{Observed, TunnelId, TunnelSpec, desired::Built, lifecycle::TunnelReport, reconcile::Role};

/// The far ends of all tunnels of this host: those that are there, are wanted, wait or are on their way out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct FarEnds {
    of: BTreeMap<TunnelId, BTreeSet<Ipv4Addr>>,
    /// Of tunnels that wait for their source address.
    waiting: BTreeSet<Ipv4Addr>,
}

/// A tunnel as the last full observation showed it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    far_end: Option<Ipv4Addr>,
    addresses: BTreeSet<Ipv4Addr>,
}

impl FarEnds {
    /// Those that no session of this tunnel may teach a route to. A tunnel's own are refused by its session already.
    pub(super) fn of_others(&self, tunnel: TunnelId) -> BTreeSet<Ipv4Addr> {
        let others = self
            .of
            .iter()
            .filter(|(id, _)| **id != tunnel)
            .flat_map(|(_, ends)| ends);
        others.chain(&self.waiting).copied().collect()
    }

    fn add(&mut self, tunnel: TunnelId, ends: impl IntoIterator<Item = Ipv4Addr>) {
        self.of.entry(tunnel).or_default().extend(ends);
    }
}

impl Reconciler {
    /// Of a gateway there is nothing to know: its tunnels install no routes.
    pub(super) fn far_ends_with(&self, built: &Built) -> FarEnds {
        let mut ends = FarEnds::default();
        match self.role {
            Some(Role::Gateway { .. }) => return ends,
            Some(Role::Client { .. }) | None => {}
        }
        for (id, spec) in &built.tunnels {
            ends.add(*id, [spec.link.remote]);
        }
        for (id, entry) in self.entries.iter() {
            ends.add(*id, entry.endpoints.iter().map(|(_, remote)| *remote));
            ends.add(*id, entry.report.iter().flat_map(|report| far_ends_in(report)));
        }
        for (id, seen) in &self.seen {
            ends.add(*id, seen.far_end);
        }
        for (id, spec) in &self.underlay.withheld {
            ends.add(*id, [spec.link.remote]);
        }
        ends.waiting.clone_from(&built.needs_source);
        ends
    }

    /// Gives each tunnel that installs routes the far ends of the others.
    pub(super) fn put_far_ends(&mut self, built: &mut Built) {
        self.far_ends = self.far_ends_with(built);
        for (id, spec) in built.tunnels.iter_mut().filter(|(_, spec)| installs(spec)) {
            Arc::make_mut(spec).far_ends = self.far_ends.of_others(*id);
        }
    }

    /// Tunnels come, move and go without a pass.
    pub(super) fn follow_far_ends(&mut self, cx: &mut Context<'_>) {
        if self.shutdown.is_none() && self.far_ends_with(&self.built) != self.far_ends {
            self.pass(cx);
        }
    }

    /// A tunnel that stays as it is, whatever it should be, still hears what its session may not teach us.
    pub(super) fn tell_what_stays_out(&mut self, cx: &mut Context<'_>) {
        let told = |(id, entry): (&TunnelId, &TunnelEntry)| match &entry.stage {
            Stage::Assigned(spec) if installs(spec) => {
                let (far_ends, rate) = (self.far_ends.of_others(*id), self.rates.of(id));
                let heard = (&spec.exclude, &spec.far_ends, spec.rate) == (&self.exclude, &far_ends, rate);
                (!heard).then(|| {
                    Arc::new(TunnelSpec {
                        exclude: self.exclude.clone(),
                        far_ends,
                        rate,
                        ..TunnelSpec::clone(spec)
                    })
                })
            }
            Stage::Assigned(_) | Stage::Retiring { .. } | Stage::Detaching => None,
        };
        for spec in self.entries.iter().filter_map(told).collect::<Vec<_>>() {
            self.assign(&spec, cx);
        }
    }

    pub(super) fn note_seen(&mut self, observed: &Observed) {
        if matches!(self.role, Some(Role::Gateway { .. })) {
            return;
        }
        let seen = observed
            .ours()
            .filter(|(id, _)| !self.ended.contains(id))
            .map(|(id, tunnel)| {
                let addresses = tunnel.addresses.iter().map(|address| address.address).collect();
                (
                    id,
                    Seen {
                        far_end: tunnel.link.remote,
                        addresses,
                    },
                )
            });
        self.seen = seen.collect();
    }

    /// Whether this is an address on a tunnel of ours: where a route of a session captured the way to a far end, the kernel
    /// names such a one as the source. Packets that carry a tunnel cannot come from it.
    pub(super) fn is_on_a_tunnel(&self, address: Ipv4Addr) -> bool {
        let has = |spec: &TunnelSpec| spec.addresses.iter().any(|own| own.address == address);
        let assigned = |entry: &TunnelEntry| matches!(&entry.stage, Stage::Assigned(spec) if has(spec));
        let reported = |entry: &TunnelEntry| {
            entry
                .report
                .as_ref()
                .and_then(|report| report.spec.as_deref())
                .is_some_and(has)
        };
        self.built.tunnels.values().any(|spec| has(spec))
            || self
                .entries
                .values()
                .any(|entry| assigned(entry) || reported(entry))
            || self.seen.values().any(|seen| seen.addresses.contains(&address))
    }
}

/// Where the tunnel is, and where it would be if somebody answered there.
fn far_ends_in(report: &TunnelReport) -> impl Iterator<Item = Ipv4Addr> {
    let here = report.spec.as_ref().map(|spec| spec.link.remote);
    here.into_iter()
        .chain(report.postponed.as_ref().map(|postponed| postponed.link.remote))
}

pub(super) fn installs(spec: &TunnelSpec) -> bool {
    spec.bgp.as_ref().is_some_and(|bgp| bgp.install.is_some())
}
