//! Rates of tunnels: decided elsewhere, and made so by whoever holds the tunnel.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    entries::Stage,
    machine::{Context, Reconciler, Touched},
};
use crate::{Rates, TunnelId, TunnelSpec};

impl Reconciler {
    /// The work is that of the tunnels that it is about.
    pub(super) fn take_rates(&mut self, rates: Rates, cx: &mut Context<'_>) {
        let differs = rates.differs_from(&self.rates);
        self.rates = rates;
        if self.shutdown.is_some() {
            return;
        }
        let tunnels = differs.unwrap_or_else(|| {
            self.entries
                .keys()
                .chain(self.desired.tunnels.keys())
                .copied()
                .collect()
        });
        if tunnels.is_empty() {
            return;
        }
        self.entries.look_at(tunnels.len());
        for id in &tunnels {
            let Some(spec) = self.desired.tunnels.get(id).map(|want| want.spec.clone()) else {
                continue;
            };
            self.desired.tunnels.insert(*id, self.want(&spec));
        }
        if let Touched::These(touched) = &mut self.touched {
            touched.extend(&tunnels);
        }
        let before = cx.effects.len();
        self.assign_rates(&tunnels, cx);
        self.commit(before, cx);
    }

    /// Also of tunnels that stay as they are, whatever they should be. One that waits for something hears with its turn.
    fn assign_rates(&mut self, tunnels: &BTreeSet<TunnelId>, cx: &mut Context<'_>) {
        for id in tunnels {
            let Some(Stage::Assigned(before)) = self.entries.get(id).map(|entry| &entry.stage) else {
                continue;
            };
            let rate = self.rates.of(id);
            if before.rate != rate {
                let spec = TunnelSpec {
                    rate,
                    ..TunnelSpec::clone(before)
                };
                self.assign(&Arc::new(spec), cx);
            }
        }
    }
}
