//! The reconciler as a reader of the table, and what it says there.

use std::{collections::BTreeSet, sync::Arc};

use super::{Input, Manual, Reconciler, Role};
use crate::{
    Phase, Rates, Sequence, Switch, TunnelId,
    event::Event,
    table::{Change, InForce, Reconciled, Tables, TunnelNews},
};

/// What the reconciler has read, and what it has said. One that is started again reads and says everything anew.
#[derive(Debug, Default)]
pub struct Reader {
    read: Option<Tables>,
    role: Option<Role>,
    view: Option<InForce>,
    told: Arc<Reconciled>,
    manual: Arc<Manual>,
    /// Nobody was here before, or what was left was let go.
    orphans_dismissed: bool,
}

impl Reader {
    /// Of the n-th reconciler of this run, which was made with this role and with what operators asked for.
    #[must_use]
    pub fn new(start: u64, role: Option<Role>, manual: Arc<Manual>) -> Self {
        Self {
            role,
            manual,
            orphans_dismissed: start == 0,
            ..Self::default()
        }
    }

    /// Whether there is anything to read in a change.
    #[must_use]
    pub fn wants(change: &Change) -> bool {
        change.is_input()
            || matches!(
                change,
                Change::Tunnel(_) | Change::TunnelDown(_) | Change::TunnelGone(_) | Change::NoTunnels
            )
    }

    /// What is new for the reconciler, in order. Provisioners that an earlier one left go on: a new one learns of all.
    pub fn read(&mut self, now: Tables, role: Option<Role>) -> Vec<Input> {
        let before = self.read.take();
        let first = before.is_none();
        let before = before.unwrap_or_default();
        // What ended before it was there is nothing to a new one.
        let news = now
            .tunnel_news(&before)
            .into_iter()
            .filter(|(_, news)| !first || matches!(news, TunnelNews::Report(_)));
        let mut inputs: Vec<Input> = news.map(|(tunnel, news)| input(tunnel, news)).collect();
        if first
            || (!Arc::ptr_eq(&before.excluded, &now.excluded) && before.excluded.list != now.excluded.list)
        {
            inputs.push(Input::Exclude(now.excluded.list.clone()));
        }
        if before.rates != now.rates {
            inputs.push(Input::Rates(Box::new(Rates::clone(&now.rates))));
        }
        if first || before.owners != now.owners {
            inputs.push(Input::Owners(now.owners));
        }
        if first || before.switch != now.switch {
            inputs.push(Input::Switch(now.switch));
        }
        if let Some(Role::Client { client_ip }) = role
            && self.role != role
        {
            inputs.push(Input::ClientIp(client_ip));
        }
        self.role = role;
        inputs.extend(self.read_view(now.view_for(role)));
        inputs.extend(now.notices.since(&before.notices).into_iter().map(Input::Notice));
        self.read = Some(now);
        inputs
    }

    /// After an address was replaced, the view in force is of another client for a moment.
    fn read_view(&mut self, view: Option<&InForce>) -> Option<Input> {
        let new = view.filter(|in_force| !self.view.as_ref().is_some_and(|seen| seen.is(in_force)));
        let input = new.map(|in_force| Input::View(in_force.accepted.clone()));
        self.view = view.cloned();
        input
    }

    /// The switch as it was read last.
    #[must_use]
    pub fn switch(&self) -> Option<Switch> {
        self.read.as_ref().map(|read| read.switch)
    }

    /// What the reconciler says now and did not say before. It has handled all that was read.
    pub fn say(&mut self, core: &Reconciler) -> (Vec<Event>, Vec<Change>) {
        let inputs = self.read.as_ref().map_or(Sequence::default(), |read| read.inputs);
        let (converged, generation, other_sources) =
            (core.converged(), core.generation(), core.other_sources());
        let told = &self.told;
        let same = told.refused == *core.refused()
            && told.other_sources == other_sources
            && (told.converged, told.generation) == (converged, generation);
        let events = (told.converged != converged)
            .then_some(Event::Converged {
                converged,
                generation,
            })
            .into_iter()
            .collect();
        let mut changes = Vec::new();
        if *self.manual != *core.manual() {
            self.manual = Arc::new(core.manual().clone());
            changes.push(Change::Manual(self.manual.clone()));
        }
        if !same || told.inputs != inputs {
            self.told = Arc::new(core.reconciled(inputs));
            changes.push(Change::Reconciled(self.told.clone()));
        }
        (events, changes)
    }

    /// Once it agrees with the host: provisioners of an earlier reconciler that this one has no use for, and that have no link
    /// that it could see. They are to let go.
    pub fn orphans(&mut self, core: &Reconciler) -> Vec<TunnelId> {
        if !core.converged() || std::mem::replace(&mut self.orphans_dismissed, true) {
            return Vec::new();
        }
        let in_use: BTreeSet<TunnelId> = core.reports().map(|report| report.tunnel).collect();
        let running = self.read.iter().flat_map(|read| read.tunnels.values());
        let idle = running.filter(|report| matches!(report.phase, Phase::Pending | Phase::Failed));
        idle.map(|report| report.tunnel)
            .filter(|tunnel| !in_use.contains(tunnel))
            .collect()
    }
}

fn input(tunnel: TunnelId, news: TunnelNews) -> Input {
    match news {
        TunnelNews::Report(report) => Input::Tunnel(report),
        TunnelNews::Ended { finished } => Input::ProvisionerEnded { tunnel, finished },
    }
}
