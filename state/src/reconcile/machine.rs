//! The reconciler's machine: its inputs, and what it can be asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Effect, Input, Manual, ReconcilerSettings, Role,
    ends::{FarEnds, Seen},
    entries::{Stage, TunnelEntries, TunnelEntry},
    marks::Mark,
    sources::Sources,
    underlay::Underlay,
};
use crate::{
    Core, Deadline, Desired, Exclusion, Fault, Generation, Incarnation, LearnedRoutes, LinkName, Monotonic,
    Notice, Observed, Phase, Plan, Pubkey, Rates, Sequence, Switch, TunnelId, TunnelSpec, TunnelWant, View,
    desired::{Built, Refusal},
    event::Event,
    guard::AcceptedView,
    lifecycle::{RetireReason, TunnelReport},
    plan::plan_keeping,
    random::Random,
    table::{Change, ReconcilerStanding},
};

/// Decides which tunnels there should be, and tells their provisioners.
///
/// * Nothing is removed before the first view of this run is in force, unless the switch is off. A view that did not
///   come into force removes nothing.
/// * The switch is a level: off takes everything of ours down and keeps doing so, on plans again; the last one wins.
/// * A switch that cannot be read takes nothing down and makes no tunnel that was not there: one that is there, over the link
///   that the ledger asks for, is served as it would be if the switch were on.
/// * A tunnel hears of a new spec when its own spec changes, and of nothing else.
/// * A link name or a pair of endpoints is handed to the next tunnel once the one before is gone.
///
/// [`Incarnation`]s are numbers of one tunnel: each assignment carries one that is higher than any that was reported or
/// seen on a mark, and the provisioner counts on from there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reconciler {
    pub(super) settings: ReconcilerSettings,
    pub(super) role: Option<Role>,
    pub(super) switch: Option<Switch>,
    pub(super) view: Option<AcceptedView>,
    pub(super) manual: Manual,
    pub(super) exclude: Exclusion,
    #[serde(default)]
    pub(super) rates: Rates,
    pub(super) built: Built,
    /// What `built` asks for, with nothing known of learned routes: what a full observation is held against.
    pub(super) desired: Desired,
    /// Whether `built` is what the view in force asks for, and nothing else.
    pub(super) follows_view: bool,
    pub(super) entries: TunnelEntries,
    /// Tunnels of which it is not yet seen that there is what should be: see [`Self::is_open`].
    open: BTreeSet<TunnelId>,
    /// Those that may be among these now, or no longer, whatever their slots say.
    pub(super) touched: Touched,
    /// Which slot's link has this name.
    pub(super) names: BTreeMap<LinkName, TunnelId>,
    /// Which slot's link is between these.
    #[serde(with = "crate::serial::pairs")]
    pub(super) endpoints: BTreeMap<(Ipv4Addr, Ipv4Addr), TunnelId>,
    /// Desired tunnels whose name or endpoints another slot still holds.
    pub(super) waiting: BTreeSet<TunnelId>,
    /// Tunnels in a conflict: something that is not ours is in the way.
    pub(super) conflicts: BTreeSet<TunnelId>,
    /// Marks seen in the last full observation and not taken down since.
    pub(super) marks: BTreeMap<TunnelId, Mark>,
    /// What they were then.
    pub(super) seen: BTreeMap<TunnelId, Seen>,
    /// As they were at the last pass.
    pub(super) far_ends: FarEnds,
    /// Provisioners that ended since the observation under way began.
    pub(super) ended: BTreeSet<TunnelId>,
    pub(super) sources: Sources,
    pub(super) underlay: Underlay,
    /// The address that this host had when the view before was in force.
    pub(super) moved_from: Option<Ipv4Addr>,
    pub(super) looking: Looking,
    /// Rules that lead into no tunnel are being removed.
    pub(super) removing_rules: bool,
    pub(super) next_incarnation: Incarnation,
    pub(super) generation: Generation,
    pub(super) shutdown: Option<Shutdown>,
}

/// Tunnels that are to be looked at again.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Touched {
    All,
    These(BTreeSet<TunnelId>),
}

impl Default for Touched {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

/// Full observations.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Looking {
    /// One is under way.
    pub(super) under_way: bool,
    /// Something happened that the one under way may have missed.
    pub(super) again: bool,
    /// One succeeded in this run.
    pub(super) done: bool,
    /// Something was taken down and not looked for since.
    pub(super) unverified: bool,
    /// When the last one was asked for because of a notice.
    pub(super) noticed_at: Option<Monotonic>,
    pub(super) resync_at: Option<Monotonic>,
    /// How many resyncs there were: whose turn it is.
    pub(super) resyncs: u64,
    /// What the next observation finds is shown to the tunnels whose turn it is.
    #[serde(default)]
    pub(super) shows: bool,
    pub(super) retry_at: Option<Monotonic>,
    pub(super) notice_due: Option<Monotonic>,
    /// When sources were asked for last because the host's network changed.
    pub(super) sources_at: Option<Monotonic>,
    pub(super) sources_due: Option<Monotonic>,
    pub(super) failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Shutdown {
    /// All provisioners let go.
    Detach,
    /// Everything of ours goes, also what no provisioner knows of; `looked` once that was looked for.
    Remove { looked: bool },
    /// Done.
    Finished,
}

/// One call of [`Reconciler::handle`].
pub(super) struct Context<'a> {
    pub(super) now: Monotonic,
    pub(super) random: &'a mut dyn Random,
    pub(super) effects: Vec<Effect>,
}

impl Reconciler {
    /// Knows nothing yet: acts once the switch ([`Input::Switch`]), the view and the host were seen. A client whose
    /// address is not known yet has no role until [`Input::ClientIp`].
    #[must_use]
    pub fn new(role: Option<Role>, settings: ReconcilerSettings, first_incarnation: Incarnation) -> Self {
        Self {
            settings,
            role,
            switch: None,
            view: None,
            manual: Manual::default(),
            exclude: Exclusion::default(),
            rates: Rates::default(),
            built: Built::default(),
            desired: Desired::default(),
            follows_view: false,
            entries: TunnelEntries::default(),
            open: BTreeSet::new(),
            touched: Touched::default(),
            names: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            waiting: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            marks: BTreeMap::new(),
            seen: BTreeMap::new(),
            far_ends: FarEnds::default(),
            ended: BTreeSet::new(),
            sources: Sources::default(),
            underlay: Underlay::default(),
            moved_from: None,
            looking: Looking::default(),
            removing_rules: false,
            next_incarnation: first_incarnation,
            generation: Generation::default(),
            shutdown: None,
        }
    }
}

impl Core for Reconciler {
    const NAME: &'static str = "reconciler";
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    const HAS_MANY: bool = true;

    fn is_of_many(input: &Input) -> bool {
        match input {
            Input::Tunnel(_) | Input::ProvisionerEnded { .. } | Input::Notice(Notice::Tunnel(_)) => true,
            Input::View(_)
            | Input::Switch(_)
            | Input::ClientIp(_)
            | Input::Owners(_)
            | Input::Exclude(_)
            | Input::Rates(_)
            | Input::Provision(_)
            | Input::Remove(_)
            | Input::Observed(_)
            | Input::Sources(_)
            | Input::Underlay(_)
            | Input::RulesRemoved(_)
            | Input::Notice(Notice::Elsewhere | Notice::Something | Notice::Overrun)
            | Input::Shutdown(_)
            | Input::Timeout => false,
        }
    }

    fn is_of_all(input: &Input) -> bool {
        matches!(input, Input::View(_) | Input::Observed(Ok(_)))
    }

    fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        let mut cx = Context {
            now,
            random,
            effects: Vec::new(),
        };
        match input {
            Input::View(view) => self.take_view(view, &mut cx),
            Input::Switch(switch) => self.take_switch(switch, &mut cx),
            Input::ClientIp(client_ip) => self.take_client_ip(client_ip, &mut cx),
            Input::Owners(owners) => self.take_owners(owners, &mut cx),
            Input::Exclude(exclude) => self.take_exclusion(exclude, &mut cx),
            Input::Rates(rates) => self.take_rates(*rates, &mut cx),
            Input::Provision(request) => self.provision(*request, &mut cx),
            Input::Remove(tunnel) => self.remove(tunnel, &mut cx),
            Input::Observed(Ok(observed)) => self.take_observed(&observed, &mut cx),
            Input::Observed(Err(_)) => self.observe_later(&mut cx),
            Input::Sources(answers) => self.take_sources(&answers, &mut cx),
            Input::Underlay(answers) => self.take_underlay(&answers, &mut cx),
            Input::Tunnel(report) => self.take_report(report, &mut cx),
            Input::ProvisionerEnded { tunnel, finished } => self.provisioner_ended(tunnel, finished, &mut cx),
            Input::RulesRemoved(report) => self.rules_removed(&report, &mut cx),
            Input::Notice(notice) => self.notice(notice, &mut cx),
            Input::Shutdown(mode) => self.shut_down(mode, &mut cx),
            Input::Timeout => self.pass_time(&mut cx),
        }
        self.follow_held_sources(&mut cx);
        self.follow_touched();
        cx.effects
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let looking = &self.looking;
        let named = [
            (looking.resync_at, "resync"),
            (looking.retry_at, "observe-retry"),
            (looking.notice_due, "observe"),
            (looking.sources_due, "sources"),
            (self.entries.first_due(), "recheck"),
        ];
        named
            .into_iter()
            .filter_map(|(at, name)| at.map(|at| Deadline { at, name }))
            .min()
    }

    fn told(effect: &Effect) -> Option<&Event> {
        if let Effect::Record(event) = effect {
            Some(event)
        } else {
            None
        }
    }

    fn vouch(&self, change: &Change) -> Change {
        if let Change::Reconciler(told) = change {
            return Change::Reconciler(self.standing(told.inputs));
        }
        if let Change::OtherSource(tunnel, _) = change {
            return Change::OtherSource(*tunnel, self.other_sources().get(tunnel).copied());
        }
        if matches!(change, Change::Manual(_)) {
            return Change::Manual(Arc::new(self.manual().clone()));
        }
        change.clone()
    }
}

impl Reconciler {
    /// The plan from what is observed to what is wanted now; `learned` are the routes that the sessions taught us, by
    /// tunnel. Empty until the switch was told, the host was looked at and, unless the switch is off, a view is in force.
    #[must_use]
    pub fn plan(&self, observed: &Observed, learned: &BTreeMap<TunnelId, LearnedRoutes>) -> Plan {
        if !self.may_act() || !self.looking.done {
            return Plan::default();
        }
        let mut desired = self.desired.clone();
        let mut keep = self.kept();
        for id in keep.clone() {
            if let Some(TunnelEntry {
                stage: Stage::Assigned(spec),
                ..
            }) = self.entries.get(&id)
            {
                desired.tunnels.insert(id, self.want(spec));
                keep.remove(&id);
            }
        }
        for (id, want) in &mut desired.tunnels {
            want.incarnation = self.next_incarnation;
            want.learned = learned.get(id).cloned().unwrap_or(LearnedRoutes::Unknown);
        }
        let mut plan = plan_keeping(&desired, &keep, observed);
        if self.is_held() {
            plan.steps
                .retain(|step| desired.tunnels.contains_key(&step.tunnel));
            plan.stray_rules.clear();
        }
        Plan {
            generation: self.generation,
            ..plan
        }
    }

    /// The switch in force; `None` until it was told.
    #[must_use]
    pub fn switch(&self) -> Option<Switch> {
        self.switch
    }

    /// Which users are ours.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The view in force, and when it was read.
    #[must_use]
    pub fn view(&self) -> Option<(&Arc<View>, Monotonic)> {
        self.view
            .as_ref()
            .map(|accepted| (&accepted.view, accepted.read_at))
    }

    /// Users whose tunnel is not built, and why.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<Pubkey, Refusal> {
        &self.built.refused
    }

    /// Goes on with what an earlier reconciler of this run has told of these: its first pass tells what differs from that.
    #[must_use]
    pub fn with_refused<'a>(mut self, told: impl IntoIterator<Item = (&'a Pubkey, &'a Refusal)>) -> Self {
        let told = told.into_iter().map(|(user, refusal)| (*user, refusal.clone()));
        self.built.refused = told.collect();
        self
    }

    /// What is said of it, when it has taken its inputs into account up to there.
    #[must_use]
    pub fn standing(&self, inputs: Sequence) -> ReconcilerStanding {
        ReconcilerStanding {
            inputs,
            converged: self.converged(),
            generation: self.generation,
        }
    }

    /// The number of the last plan handed out.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The last report of every provisioner that runs.
    pub fn reports(&self) -> impl Iterator<Item = &Arc<TunnelReport>> {
        self.entries.values().filter_map(|entry| entry.report.as_ref())
    }

    /// Whether desired and observed agree: the switch and, unless it is off, a view are in force, nothing is to do and
    /// nothing under way. A full observation that is under way does not count.
    #[must_use]
    pub fn converged(&self) -> bool {
        let decided = self.may_act() && self.looking.done && self.waiting.is_empty();
        let known = self.built.needs_source.is_empty() && self.underlay.withheld.is_empty();
        decided && known && !self.looking.unverified && self.open.is_empty()
    }

    /// Whether it is not yet seen that there is what should be of this tunnel: no provisioner is at work on it, or one is and is
    /// not done. Off takes away what was seen of ours; its removal begins with the observation that follows the switch.
    fn is_open(&self, tunnel: &TunnelId) -> bool {
        match self.entries.get(tunnel) {
            Some(entry) => !entry.is_settled(),
            None => {
                self.desired.tunnels.contains_key(tunnel)
                    || (self.marks.contains_key(tunnel) && !self.built.keep.contains(&tunnel.0))
            }
        }
    }

    /// Looks again at what may be open, or no longer.
    fn follow_touched(&mut self) {
        let entries = self.entries.take_touched();
        let touched: BTreeSet<TunnelId> = match std::mem::take(&mut self.touched) {
            Touched::All => self
                .entries
                .keys()
                .chain(self.desired.tunnels.keys())
                .chain(self.marks.keys())
                .chain(&self.open)
                .copied()
                .collect(),
            Touched::These(others) => entries.into_iter().chain(others).collect(),
        };
        self.entries.look_at(touched.len());
        for tunnel in touched {
            if self.is_open(&tunnel) {
                self.open.insert(tunnel);
            } else {
                self.open.remove(&tunnel);
            }
        }
    }

    /// Whether it is known what is to be done.
    pub(super) fn may_act(&self) -> bool {
        match self.switch {
            Some(Switch::On | Switch::Unknown) => self.view.is_some() && self.role.is_some(),
            Some(Switch::Off) => true,
            None => false,
        }
    }

    /// Tunnels that stay as they are.
    pub(super) fn kept(&self) -> BTreeSet<TunnelId> {
        self.built.keep.iter().copied().map(TunnelId).collect()
    }

    /// What is built says nothing of rates: they come and go without a view.
    pub(super) fn want(&self, spec: &Arc<TunnelSpec>) -> TunnelWant {
        let mut spec = spec.clone();
        let rate = self.rates.of(&spec.id);
        if spec.rate != rate {
            Arc::make_mut(&mut spec).rate = rate;
        }
        TunnelWant {
            spec,
            incarnation: self.next_incarnation,
            learned: LearnedRoutes::Unknown,
        }
    }

    fn take_report(&mut self, report: Arc<TunnelReport>, cx: &mut Context<'_>) {
        self.next_incarnation = self.next_incarnation.max(report.incarnation.next());
        let in_conflict = report
            .failure
            .as_ref()
            .is_some_and(|failure| is_conflict(&failure.fault));
        if in_conflict {
            self.conflicts.insert(report.tunnel);
        } else {
            self.conflicts.remove(&report.tunnel);
        }
        if self.entries.contains_key(&report.tunnel) {
            self.entries
                .edit(&report.tunnel.clone(), |entry| entry.report = Some(report));
            self.follow_far_ends(cx);
        } else {
            self.take_over(report, cx);
        }
    }

    /// A provisioner that an earlier reconciler of this run started goes on with what that one told it.
    fn take_over(&mut self, report: Arc<TunnelReport>, cx: &mut Context<'_>) {
        let Some(spec) = report.spec.clone() else { return };
        let (tunnel, link, endpoints) = (
            report.tunnel,
            spec.link.name.clone(),
            (spec.link.local, spec.link.remote),
        );
        let stage = match report.phase {
            // Its end is being told.
            Phase::Removed => return,
            Phase::Draining => Stage::Retiring { link: link.clone() },
            Phase::Pending
            | Phase::Linking
            | Phase::Addressing
            | Phase::Routing
            | Phase::Peering
            | Phase::Active
            | Phase::Failed => Stage::Assigned(spec),
        };
        self.adopt_source_of(&stage);
        self.entries.insert(
            tunnel,
            TunnelEntry {
                report: Some(report),
                ..TunnelEntry::new(stage)
            },
        );
        self.hold(tunnel, link, Some(endpoints));
        match self.shutdown {
            Some(Shutdown::Detach) => self.detach(tunnel, cx),
            Some(Shutdown::Remove { .. }) => self.retire_others(&RetireReason::DaemonStops, cx),
            Some(Shutdown::Finished) | None => self.pass(cx),
        }
    }
}

fn is_conflict(fault: &Fault) -> bool {
    fault.class == crate::FaultClass::Conflict
}
