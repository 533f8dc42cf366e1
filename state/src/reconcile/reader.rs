//! The reconciler as a reader of the table, and what it says there.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use super::{Effect, Input, Manual, Reconciler, Role};
use crate::{
    Phase, Rates, Switch, TunnelId,
    event::Event,
    table::{Change, InForce, Reconciled, Step, Tables, TunnelNews},
};

/// What the reconciler has read, and what is said of it. One that is started again reads everything anew, and says what differs
/// from what the one before has said.
#[derive(Debug, Default)]
pub struct Reader {
    read: Option<Tables>,
    role: Option<Role>,
    view: Option<InForce>,
    told: Reconciled,
    manual: Arc<Manual>,
    other_sources: BTreeMap<TunnelId, Ipv4Addr>,
    /// Nobody was here before, or what was left was let go.
    orphans_dismissed: bool,
}

/// What came of inputs. What is told is appended before anything is carried out, so that whoever reads an event finds what it
/// tells.
#[derive(Debug, Default)]
pub struct Told {
    /// What the effects tell, in order, each with what changed.
    pub steps: Vec<Step>,
    /// And then what is said beside the effects.
    pub beside: Step,
    /// What is to be carried out then, in order.
    pub effects: Vec<Effect>,
}

impl Reader {
    /// Of the n-th reconciler of this run, which was made with this role while this was true.
    #[must_use]
    pub fn new(start: u64, role: Option<Role>, tables: &Tables) -> Self {
        let sources = tables.other_sources.iter();
        Self {
            role,
            told: tables.reconciled,
            manual: tables.manual.clone(),
            other_sources: sources.map(|(tunnel, source)| (*tunnel, *source)).collect(),
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

    /// What is new for the reconciler, in order: first what decides which tunnels there are, the switch before all of it, and then
    /// what these tell. So nothing is built that the same batch takes down. Provisioners that an earlier one left go on: a new one
    /// learns of all.
    pub fn read(&mut self, now: Tables, role: Option<Role>) -> Vec<Input> {
        let before = self.read.take();
        let first = before.is_none();
        let before = before.unwrap_or_default();
        let mut inputs = Vec::new();
        if first || before.switch != now.switch {
            inputs.push(Input::Switch(now.switch));
        }
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
        if let Some(Role::Client { client_ip }) = role
            && self.role != role
        {
            inputs.push(Input::ClientIp(client_ip));
        }
        self.role = role;
        inputs.extend(self.read_view(now.view_for(role)));
        // What ended before it was there is nothing to a new one.
        let news = now
            .tunnel_news(&before)
            .into_iter()
            .filter(|(_, news)| !first || matches!(news, TunnelNews::Report(_)));
        inputs.extend(news.map(|(tunnel, news)| input(tunnel, news)));
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

    /// Separates what is told from what is done. The machine has handled all that was read, and these are all of its effects since
    /// the last call.
    pub fn part(&mut self, core: &Reconciler, effects: Vec<Effect>) -> Told {
        let mut told = Told::default();
        for effect in effects {
            if let Effect::Record(event) = effect {
                told.tell(event);
            } else {
                told.effects.push(effect);
            }
        }
        let (events, changes) = self.say(core);
        let with = told.steps.first_mut().map_or(&mut told.beside, |first| first);
        with.1.extend(changes);
        told.beside.0 = events;
        told
    }

    /// What is to be said of the reconciler now and was not said before. The work is that of what changed.
    fn say(&mut self, core: &Reconciler) -> Step {
        let inputs = self.read.as_ref().map_or(self.told.inputs, |read| read.inputs);
        let (before, now) = (self.told, core.reconciled(inputs));
        self.told = now;
        let turned = (before.converged != now.converged).then_some(Event::Converged {
            converged: now.converged,
            generation: now.generation,
        });
        let mut changes = Vec::new();
        if *self.manual != *core.manual() {
            self.manual = Arc::new(core.manual().clone());
            changes.push(Change::Manual(self.manual.clone()));
        }
        if self.other_sources != *core.other_sources() {
            changes.extend(self.say_sources(core.other_sources()));
        }
        if before != now {
            changes.push(Change::Reconciled(now));
        }
        (turned.into_iter().collect(), changes)
    }

    fn say_sources(&mut self, now: &BTreeMap<TunnelId, Ipv4Addr>) -> Vec<Change> {
        let before = std::mem::replace(&mut self.other_sources, now.clone());
        let gone = before.keys().filter(|tunnel| !now.contains_key(tunnel));
        let new = now
            .iter()
            .filter(|(tunnel, source)| before.get(tunnel) != Some(source));
        gone.map(|tunnel| Change::OtherSource(*tunnel, None))
            .chain(new.map(|(tunnel, source)| Change::OtherSource(*tunnel, Some(*source))))
            .collect()
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

impl Told {
    fn tell(&mut self, event: Event) {
        match (self.steps.last_mut(), Change::told_by(&event)) {
            (Some((events, _)), None) => events.push(event),
            (Some(_) | None, change) => self.steps.push((vec![event], change.into_iter().collect())),
        }
    }
}

fn input(tunnel: TunnelId, news: TunnelNews) -> Input {
    match news {
        TunnelNews::Report(report) => Input::Tunnel(report),
        TunnelNews::Ended { finished } => Input::ProvisionerEnded { tunnel, finished },
    }
}
