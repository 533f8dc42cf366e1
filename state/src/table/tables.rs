//! What is true, and how a change of it is taken in.

mod rows;

use std::{net::Ipv4Addr, sync::Arc};

use imbl::{OrdMap, OrdSet};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Entry;
use crate::{
    LastApplied, Notice, Owners, Pubkey, Rates, Sequence, Switch, TunnelId,
    caps::CapsStanding,
    desired::Refusal,
    event::Event,
    groups::{AllGroups, GroupsTraffic},
    guard::{HoldReason, Restarted},
    health::HealthStandings,
    hooks::HooksStanding,
    latency::LatencyStatus,
    lifecycle::{TunnelReport, WatchedRoute},
    liveness::LivenessStatus,
    reconcile::{Manual, Role},
    serial::Name,
    standing::{BgpStanding, MulticastStanding},
    totals::{Count, Totals},
};
pub use rows::{
    Disk, ExclusionStatus, HostAddress, InForce, LedgerWay, Life, ReconcilerStanding, RecorderStanding,
    UsageStatus, Watch,
};

/// One change of what is true.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// A tunnel is like this now, and its provisioner runs.
    Tunnel(Arc<TunnelReport>),
    /// A tunnel's BGP session stands like this now. Said of a tunnel that is gone it says nothing.
    Session(TunnelId, Arc<BgpStanding>),
    /// A tunnel's multicast services stand like this now. Said of a tunnel that is gone it says nothing.
    Multicast(TunnelId, Arc<MulticastStanding>),
    /// This much passed of a tunnel's multicast groups. Said of a tunnel that is gone it says nothing.
    Groups(TunnelId, Arc<GroupsTraffic>),
    /// Steps of a tunnel were taken. Said of a tunnel that is gone it says nothing.
    Applied(TunnelId, Arc<LastApplied>),
    /// A tunnel's provisioner failed, and was not started again yet.
    TunnelDown(TunnelId),
    /// A tunnel is gone: its provisioner had nothing left to do.
    TunnelGone(TunnelId),
    /// No provisioner runs any more.
    NoTunnels,
    /// Liveness is to be found out of other routes of a tunnel.
    Watch {
        /// Whose routes.
        tunnel: TunnelId,
        /// From now on, or with other facts.
        added: Vec<WatchedRoute>,
        /// No longer.
        removed: Vec<Ipv4Net>,
    },
    /// The enable switch in force.
    Switch(Switch),
    /// What is on disk beside the switch, and how writing it goes.
    Disk(Arc<Disk>),
    /// Why the journal on disk cannot be written; none while it can.
    Journal(Option<String>),
    /// Hooks fare like this now.
    Hooks(Arc<HooksStanding>),
    /// Health is judged like this now.
    Health(Arc<HealthStandings>),
    /// A recorder stands like this now.
    Recorder(Arc<RecorderStanding>),
    /// What tunnels carried was looked at again, and figures changed. They are in the book, as of this batch.
    Usage(Arc<UsageStatus>),
    /// Whose accounts count.
    Owners(Owners),
    /// This host's address, or why it is not known.
    Address(Arc<HostAddress>),
    /// The view in force; none when another question was asked than it answers.
    View(Option<InForce>),
    /// Whether the view in force is older than allowed.
    Stale(bool),
    /// The last read did not come into force, and why.
    Held(HoldReason),
    /// The ledger is read like this now.
    Ledger(Arc<LedgerWay>),
    /// The ledger was restarted from an earlier slot.
    LedgerRestarted(Restarted),
    /// Destinations that sessions may not teach us.
    Excluded(Arc<ExclusionStatus>),
    /// What the rates of tunnels are to be.
    Rates(Arc<Rates>),
    /// How caps stand.
    Caps(Arc<CapsStanding>),
    /// What an operator asked for past the ledger.
    Manual(Arc<Manual>),
    /// What the reconciler says about itself.
    Reconciler(ReconcilerStanding),
    /// Why a user's tunnel is not built, or groups that it names are not; none once nothing is in the way.
    Refused(Pubkey, Option<Refusal>),
    /// A tunnel stays at its outer source address although this one would be chosen today; none once it does not.
    OtherSource(TunnelId, Option<Ipv4Addr>),
    /// The dataplane told of a change. It leaves nothing but [`Tables::inputs`]: who misses it takes it that anything has changed.
    Noticed(Notice),
    /// How liveness stands. What its machine knows is no part of the serialised form.
    Liveness(Arc<LivenessStatus>),
    /// How latency stands. What its machine knows is no part of the serialised form.
    Latency(Arc<LatencyStatus>),
    /// Something was counted.
    Counted(Count),
    /// An actor of this kind failed.
    Restarted(#[serde(deserialize_with = "crate::serial::name")] Name),
    /// The daemon stops.
    Stopping,
}

/// What is true. A copy costs little: it shares what did not change.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Tables {
    /// How every tunnel was when its provisioner told last.
    pub tunnels: OrdMap<TunnelId, Arc<TunnelReport>>,
    /// How the tunnels' BGP sessions stand.
    pub sessions: OrdMap<TunnelId, Arc<BgpStanding>>,
    /// How the tunnels' multicast services stand.
    pub multicast: OrdMap<TunnelId, Arc<MulticastStanding>>,
    /// What passed of the tunnels' multicast groups.
    pub groups: AllGroups,
    /// What came of the steps that were taken last for each.
    pub applied: OrdMap<TunnelId, Arc<LastApplied>>,
    /// Their provisioners.
    pub lives: OrdMap<TunnelId, Life>,
    /// Provisioners that had nothing left to do.
    pub ends: Ends,
    /// The routes whose hosts are to be probed, by tunnel.
    pub watched: OrdMap<TunnelId, Watch>,
    /// The enable switch in force.
    pub switch: Switch,
    /// What is on disk beside it.
    pub disk: Arc<Disk>,
    /// Why the journal on disk cannot be written.
    pub journal_problem: Option<String>,
    /// How hooks fare; nothing where there are none.
    pub hooks: Arc<HooksStanding>,
    /// How health is judged.
    pub health: Arc<HealthStandings>,
    /// How recorders stand, by name.
    pub recorders: OrdMap<String, Arc<RecorderStanding>>,
    /// How what tunnels carry is counted.
    pub usage: Arc<UsageStatus>,
    /// Which owners' accounts may name this host.
    pub owners: Owners,
    /// This host's address.
    pub address: Arc<HostAddress>,
    /// The view in force.
    pub view: Option<InForce>,
    /// Whether that is older than allowed.
    pub stale: bool,
    /// Why the last read did not come into force.
    pub held: Option<HoldReason>,
    /// How the ledger is read.
    pub ledger: Arc<LedgerWay>,
    /// The last restart of the ledger from an earlier slot.
    pub ledger_restarted: Option<Restarted>,
    /// Destinations that sessions may not teach us.
    pub excluded: Arc<ExclusionStatus>,
    /// What the rates of tunnels are to be.
    pub rates: Arc<Rates>,
    /// How caps stand; nothing where there are none.
    pub caps: Arc<CapsStanding>,
    /// What an operator asked for past the ledger.
    pub manual: Arc<Manual>,
    /// What the reconciler said about itself last.
    pub reconciler: ReconcilerStanding,
    /// Users whose tunnel is not built, and why.
    pub refused: OrdMap<Pubkey, Refusal>,
    /// Tunnels that stay at their outer source address although another one, this one, would be chosen today.
    pub other_sources: OrdMap<TunnelId, Ipv4Addr>,
    /// The last change of what the reconciler decides by: see [`Change::is_input`].
    pub inputs: Sequence,
    /// How liveness stands, where it is on.
    #[serde(serialize_with = "LivenessStatus::whole")]
    pub liveness: Option<Arc<LivenessStatus>>,
    /// How latency stands, where it is measured.
    #[serde(serialize_with = "LatencyStatus::whole")]
    pub latency: Option<Arc<LatencyStatus>>,
    /// What was counted since the start.
    pub totals: Arc<Totals>,
    /// Failures of supervised actors since the start, by kind.
    pub restarts: OrdMap<&'static str, u64>,
    /// Events since the start, by name.
    pub events: OrdMap<&'static str, u64>,
    /// Broken invariants since the start, by name.
    pub broken: OrdMap<&'static str, u64>,
    /// Whether the daemon is stopping.
    pub stopping: bool,
}

/// When provisioners ended that had nothing left to do, the newest of them: whoever has not read for a while learns also of one
/// that was never seen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Ends {
    /// The last end of each tunnel's.
    pub tunnels: OrdMap<TunnelId, Sequence>,
    in_order: OrdSet<(Sequence, TunnelId)>,
}

impl Change {
    /// Whether the reconciler decides by it.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Switch(_)
            | Self::Owners(_)
            | Self::Address(_)
            | Self::View(_)
            | Self::Excluded(_)
            | Self::Rates(_)
            | Self::Noticed(_) => true,
            Self::Tunnel(_)
            | Self::Session(..)
            | Self::Multicast(..)
            | Self::Groups(..)
            | Self::Applied(..)
            | Self::TunnelDown(_)
            | Self::TunnelGone(_)
            | Self::NoTunnels
            | Self::Watch { .. }
            | Self::Disk(_)
            | Self::Journal(_)
            | Self::Hooks(_)
            | Self::Health(_)
            | Self::Usage(_)
            | Self::Recorder(_)
            | Self::Stale(_)
            | Self::Held(_)
            | Self::Ledger(_)
            | Self::LedgerRestarted(_)
            | Self::Caps(_)
            | Self::Manual(_)
            | Self::Reconciler(_)
            | Self::Refused(..)
            | Self::OtherSource(..)
            | Self::Liveness(_)
            | Self::Latency(_)
            | Self::Counted(_)
            | Self::Restarted(_)
            | Self::Stopping => false,
        }
    }
}

impl Tables {
    /// Takes a step in.
    pub fn fold(&mut self, entry: &Entry) {
        entry
            .changes
            .iter()
            .for_each(|change| self.change(entry.sequence, change));
        let Some(told) = &entry.told else { return };
        *self.events.entry(told.event.name()).or_default() += 1;
        if let Event::InvariantBroken { name, .. } = &told.event {
            *self.broken.entry(name.name()).or_default() += 1;
        }
    }

    /// The reports of tunnels whose provisioner runs.
    pub fn running(&self) -> impl Iterator<Item = &Arc<TunnelReport>> {
        self.tunnels
            .iter()
            .filter(|(id, _)| !self.is_down(id))
            .map(|(_, report)| report)
    }

    /// Whether this tunnel's provisioner failed and nothing was heard of the next one.
    #[must_use]
    pub fn is_down(&self, id: &TunnelId) -> bool {
        self.lives.get(id).is_some_and(|life| life.is_down)
    }

    /// The view in force, where it answers this role's question: one of another client says nothing about us.
    #[must_use]
    pub fn view_for(&self, role: Option<Role>) -> Option<&InForce> {
        self.view.as_ref().filter(|in_force| Some(in_force.role) == role)
    }

    fn change(&mut self, at: Sequence, change: &Change) {
        if change.is_input() {
            self.inputs = at;
        }
        match change {
            Change::Tunnel(report) => self.lives(at, report),
            Change::Session(id, standing) if self.tunnels.contains_key(id) => {
                self.sessions.insert(*id, standing.clone());
            }
            Change::Multicast(id, standing) if self.tunnels.contains_key(id) => {
                self.multicast.insert(*id, standing.clone());
            }
            Change::Groups(id, groups) if self.tunnels.contains_key(id) => {
                self.groups.insert(*id, groups.clone());
            }
            Change::Applied(id, applied) if self.tunnels.contains_key(id) => {
                self.applied.insert(*id, applied.clone());
            }
            Change::Session(..) | Change::Multicast(..) | Change::Groups(..) | Change::Applied(..) => {}
            Change::TunnelDown(id) => self.fails(at, *id),
            Change::TunnelGone(id) => self.forget(at, *id),
            Change::NoTunnels => {
                (self.tunnels, self.lives, self.watched) = (OrdMap::new(), OrdMap::new(), OrdMap::new());
                (self.sessions, self.multicast) = (OrdMap::new(), OrdMap::new());
                (self.applied, self.groups) = (OrdMap::new(), OrdMap::new());
            }
            Change::Watch {
                tunnel,
                added,
                removed,
            } => self.watch(at, *tunnel, added, removed),
            Change::Switch(switch) => self.switch = *switch,
            Change::Disk(disk) => self.disk = disk.clone(),
            Change::Journal(problem) => self.journal_problem = problem.clone(),
            Change::Hooks(standing) => self.hooks = standing.clone(),
            Change::Health(standing) => self.health = standing.clone(),
            Change::Recorder(standing) => {
                self.recorders.insert(standing.name.clone(), standing.clone());
            }
            Change::Usage(status) => self.usage = status.clone(),
            Change::Owners(owners) => self.owners = *owners,
            Change::Address(address) => self.address = address.clone(),
            Change::View(view) => (self.view, self.held) = (view.clone(), None),
            Change::Stale(stale) => self.stale = *stale,
            Change::Ledger(way) => self.ledger = way.clone(),
            Change::Held(reason) => self.held = Some(reason.clone()),
            Change::LedgerRestarted(restarted) => self.ledger_restarted = Some(*restarted),
            Change::Excluded(excluded) => self.excluded = excluded.clone(),
            Change::Rates(rates) => self.rates = rates.clone(),
            Change::Caps(standing) => self.caps = standing.clone(),
            Change::Manual(manual) => self.manual = manual.clone(),
            Change::Reconciler(reconciler) => self.reconciler = *reconciler,
            Change::Refused(user, refusal) => put(&mut self.refused, *user, refusal.clone()),
            Change::OtherSource(id, source) => put(&mut self.other_sources, *id, *source),
            Change::Noticed(_) => {}
            Change::Liveness(status) => self.liveness = Some(status.clone()),
            Change::Latency(status) => self.latency = Some(status.clone()),
            Change::Counted(count) => Arc::make_mut(&mut self.totals).take(count),
            Change::Restarted(kind) => *self.restarts.entry(*kind).or_default() += 1,
            Change::Stopping => self.stopping = true,
        }
    }

    fn lives(&mut self, at: Sequence, report: &Arc<TunnelReport>) {
        if self.lives.get(&report.tunnel).is_none_or(|life| life.is_down) {
            self.lives.insert(
                report.tunnel,
                Life {
                    began: at,
                    is_down: false,
                },
            );
        }
        self.tunnels.insert(report.tunnel, report.clone());
    }

    fn fails(&mut self, at: Sequence, id: TunnelId) {
        let began = self.lives.get(&id).map_or(at, |life| life.began);
        self.lives.insert(id, Life { began, is_down: true });
        self.watched.remove(&id);
    }

    fn forget(&mut self, at: Sequence, id: TunnelId) {
        self.tunnels.remove(&id);
        self.sessions.remove(&id);
        self.multicast.remove(&id);
        self.groups.remove(&id);
        self.applied.remove(&id);
        self.lives.remove(&id);
        self.watched.remove(&id);
        self.ends.add(at, id);
    }

    fn watch(&mut self, at: Sequence, tunnel: TunnelId, added: &[WatchedRoute], removed: &[Ipv4Net]) {
        let watch = self.watched.entry(tunnel).or_insert_with(|| Watch {
            began: at,
            routes: OrdMap::new(),
        });
        for dst in removed {
            watch.routes.remove(dst);
        }
        for route in added {
            watch.routes.insert(route.dst, route.clone());
        }
    }
}

fn put<K: Ord + Clone, V: Clone>(map: &mut OrdMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl Ends {
    /// Tunnels whose ends are kept.
    pub const MOST: usize = 4_096;

    fn add(&mut self, at: Sequence, id: TunnelId) {
        if let Some(before) = self.tunnels.insert(id, at) {
            self.in_order.remove(&(before, id));
        }
        self.in_order.insert((at, id));
        if self.in_order.len() > Self::MOST
            && let Some(oldest) = self.in_order.get_min().copied()
        {
            self.in_order.remove(&oldest);
            self.tunnels.remove(&oldest.1);
        }
    }
}
