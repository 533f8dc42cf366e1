//! The reconciler as a reader of the table, and what it says there.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use super::{Effect, Input, Manual, Reconciler, Role};
use crate::{
    Notice, Owners, Phase, Rates, Sequence, Switch, TunnelId,
    event::Event,
    lifecycle::TunnelReport,
    table::{Change, ExclusionStatus, InForce, Life, ReconcilerStanding, Since, Step, Tables},
};

/// What the reconciler has read, and what is said of it. One that is started again reads everything anew, and says what differs
/// from what the one before has said.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// None before it has read anything.
    read: Option<Read>,
    role: Option<Role>,
    view: Option<InForce>,
    told: ReconcilerStanding,
    manual: Arc<Manual>,
    other_sources: BTreeMap<TunnelId, Ipv4Addr>,
    /// Nobody was here before, or what was left was let go.
    orphans_dismissed: bool,
}

/// What was true when the table was read last, of what is read there: no copy of the table itself, for whoever keeps one makes the
/// next change of each of its maps a copy.
#[derive(Clone, Debug)]
struct Read {
    position: Sequence,
    inputs: Sequence,
    switch: Switch,
    owners: Owners,
    excluded: Arc<ExclusionStatus>,
    rates: Arc<Rates>,
    provisioners: BTreeMap<TunnelId, Provisioner>,
}

/// A provisioner that did not end, as it was read.
#[derive(Clone, Debug)]
struct Provisioner {
    life: Life,
    report: Option<Arc<TunnelReport>>,
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
            told: tables.reconciler,
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

    /// How far it has read: what is asked of the table next is what came since.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.read.as_ref().map(|read| read.position).unwrap_or_default()
    }

    /// What is new for the reconciler, in order: first what decides which tunnels there are, the switch before all of it, and then
    /// what these tell. So nothing is built that the same batch takes down. Provisioners that an earlier one left go on: a new one
    /// learns of all.
    pub fn read(&mut self, since: &Since, role: Option<Role>) -> Vec<Input> {
        let before = self.read.take();
        let mut inputs = self.decided(before.as_ref(), &since.tables, role);
        let read = match before {
            Some(mut read) => {
                inputs.extend(read.go_on(since));
                inputs.extend(notices(since));
                read
            }
            // What ended before it was there, or was noticed then, is nothing to a new one.
            None => {
                inputs.extend(since.tables.running().cloned().map(Input::Tunnel));
                Read::all(since)
            }
        };
        self.read = Some(read);
        inputs
    }

    fn decided(&mut self, before: Option<&Read>, now: &Tables, role: Option<Role>) -> Vec<Input> {
        let mut inputs = Vec::new();
        if before.is_none_or(|before| before.switch != now.switch) {
            inputs.push(Input::Switch(now.switch));
        }
        let excluded = before.map(|before| &before.excluded);
        if excluded
            .is_none_or(|before| !Arc::ptr_eq(before, &now.excluded) && before.list != now.excluded.list)
        {
            inputs.push(Input::Exclude(now.excluded.list.clone()));
        }
        if before.map_or(&Arc::default(), |before| &before.rates) != &now.rates {
            inputs.push(Input::Rates(Box::new(Rates::clone(&now.rates))));
        }
        if before.is_none_or(|before| before.owners != now.owners) {
            inputs.push(Input::Owners(now.owners));
        }
        if let Some(Role::Client { client_ip }) = role
            && self.role != role
        {
            inputs.push(Input::ClientIp(client_ip));
        }
        self.role = role;
        inputs.extend(self.read_view(now.view_for(role)));
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
        let (before, now) = (self.told, core.standing(inputs));
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
            changes.push(Change::Reconciler(now));
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
        let provisioners = self.read.iter().flat_map(|read| read.provisioners.values());
        let running = provisioners.filter_map(|one| one.report.as_ref());
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

impl Read {
    fn all(since: &Since) -> Self {
        let now = &since.tables;
        let provisioner = |(tunnel, life): (&TunnelId, &Life)| {
            let report = now.tunnels.get(tunnel).cloned();
            (*tunnel, Provisioner { life: *life, report })
        };
        Self::of(since, now.lives.iter().map(provisioner).collect())
    }

    fn of(since: &Since, provisioners: BTreeMap<TunnelId, Provisioner>) -> Self {
        let now = &since.tables;
        Self {
            position: since.position,
            inputs: now.inputs,
            switch: now.switch,
            owners: now.owners,
            excluded: now.excluded.clone(),
            rates: now.rates.clone(),
            provisioners,
        }
    }

    /// What became of tunnels and their provisioners.
    fn go_on(&mut self, since: &Since) -> Vec<Input> {
        let (before, now) = (self.position, &since.tables);
        let touched = self.touched(since, before);
        let told = touched
            .into_iter()
            .flat_map(|tunnel| self.tunnel(now, tunnel, before))
            .collect();
        *self = Self::of(since, std::mem::take(&mut self.provisioners));
        told
    }

    /// The tunnels whose provisioners may have told something, or ended.
    fn touched(&self, since: &Since, position: Sequence) -> BTreeSet<TunnelId> {
        let now = &since.tables;
        let Some(changes) = since.changes() else {
            let ended = now.ends.tunnels.iter().filter(|(_, at)| **at > position);
            let running = self.provisioners.keys().chain(now.lives.keys());
            return running.chain(ended.map(|(tunnel, _)| tunnel)).copied().collect();
        };
        let mut touched = BTreeSet::new();
        for change in changes {
            if let Change::Tunnel(report) = change {
                touched.insert(report.tunnel);
            } else if let Change::TunnelDown(tunnel) | Change::TunnelGone(tunnel) = change {
                touched.insert(*tunnel);
            } else if matches!(change, Change::NoTunnels) {
                touched.extend(self.provisioners.keys());
            }
        }
        touched
    }

    /// What became of a tunnel and its provisioner since this position. A provisioner that failed, was started anew and has told
    /// something since is told of as one that ended, and then by its report.
    fn tunnel(&mut self, now: &Tables, tunnel: TunnelId, position: Sequence) -> Vec<Input> {
        let (life, report) = (now.lives.get(&tunnel).copied(), now.tunnels.get(&tunnel));
        let before = self.provisioners.remove(&tunnel);
        if let Some(life) = life {
            let report = report.cloned();
            self.provisioners.insert(tunnel, Provisioner { life, report });
        }
        let was = before.as_ref().map(|before| before.life);
        let another = was.zip(life).is_some_and(|(was, is)| was.began != is.began);
        let has_ended = || now.ends.tunnels.get(&tunnel).is_some_and(|at| *at > position);
        let finished = match (was, life) {
            (Some(_), None) => Some(true),
            (Some(was), Some(is)) if another || is.is_down => {
                (!was.is_down || (another && is.is_down)).then_some(false)
            }
            (None, Some(is)) if is.is_down => Some(false),
            // It may have begun and ended since.
            (None, Some(_) | None) => has_ended().then_some(true),
            (Some(_), Some(_)) => None,
        };
        let told = before.filter(|before| !another && !before.life.is_down);
        let told = told.and_then(|before| before.report);
        let running = report.filter(|_| life.is_some_and(|life| !life.is_down));
        let news = running.filter(|report| {
            !told
                .as_ref()
                .is_some_and(|told| Arc::ptr_eq(told, report) || told == *report)
        });
        let ended = finished.map(|finished| Input::ProvisionerEnded { tunnel, finished });
        ended
            .into_iter()
            .chain(news.cloned().map(Input::Tunnel))
            .collect()
    }
}

/// What the dataplane told of, each once; that something changed where not all of it is known, or of very many tunnels.
fn notices(since: &Since) -> Vec<Input> {
    let noticed = |change: &Change| {
        if let Change::Noticed(notice) = change {
            Some(*notice)
        } else {
            None
        }
    };
    let all: Option<BTreeSet<Notice>> = since
        .changes()
        .map(|changes| changes.filter_map(noticed).collect());
    let all = all.unwrap_or_else(|| [Notice::Something].into());
    all.into_iter().map(Input::Notice).collect()
}
