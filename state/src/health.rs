//! Health: whether this host's tunnels can be relied on, and if not, why. What is wrong counts only once it lasts, and what is well
//! again counts only once that lasts, so that whoever acts on it does not go to and fro.
//!
//! ```text
//! condition:   absent ── seen ──▶ coming ── lasts unwell_after ──▶ reason ── absent for well_after ──▶ absent
//! verdict:     unknown ── nothing is seen ──▶ healthy ◀── no reason / a reason ──▶ unhealthy
//!              unknown ── a condition is still there settle after the start ──▶ unhealthy
//! ```

mod conditions;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Core, Deadline, Monotonic, TunnelId, event::Event, random::Random, table::Change};

pub use conditions::{Seen, see};

/// What changes within this is looked at together.
const PAUSE: Duration = Duration::from_millis(100);

/// What health is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Whether everything that should be there is there.
    General,
    /// Whether whoever needs these tunnels may stay on this host: also nothing that should be there is no health then.
    Failover,
}

/// A condition that makes a host unhealthy. The names are the same for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCode {
    /// Failover: the enable switch is off.
    Disabled,
    /// Failover: the daemon stops.
    Stopping,
    /// Failover: the daemon is enabled, and no tunnel is asked for.
    NoTunnels,
    /// The ledger was not read yet.
    ViewMissing,
    /// The view of the ledger is too old.
    ViewStale,
    /// A user of this host has no tunnel.
    NotBuilt,
    /// A tunnel is not built, or a part of it fails.
    TunnelDown,
    /// A tunnel's BGP session is not up.
    SessionDown,
    /// Too few routes that the session taught are in place.
    NoRoutes,
    /// Not all groups that this host receives are joined, or what has to be said for that cannot leave.
    GroupsNotJoined,
    /// Failover: of a group that this host receives and that came over the tunnel nothing has come for [a while](crate::groups::SILENT).
    GroupsNotHeard,
}

/// Something that is wrong, with a tunnel where it is one's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct HealthReason {
    /// What.
    pub code: HealthCode,
    /// Whose; the account of a user that has no tunnel.
    pub tunnel: Option<TunnelId>,
}

/// The numbers of health.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HealthSettings {
    /// What is wrong counts once it lasts this long.
    pub unwell_after: Duration,
    /// It counts no longer once it has been well for this long.
    pub well_after: Duration,
    /// This long after a start nothing is said unless all is well.
    pub settle: Duration,
    /// A view may be so old.
    pub view_age: Duration,
    /// A unicast tunnel has this many routes in place at least.
    pub routes: usize,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            unwell_after: Duration::from_secs(5),
            well_after: Duration::from_secs(30),
            settle: Duration::from_secs(30),
            view_age: Duration::from_secs(300),
            routes: 1,
        }
    }
}

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthVerdict {
    /// The daemon has just started.
    #[default]
    Unknown,
    /// Nothing counts as wrong.
    Healthy,
    /// Something does.
    Unhealthy,
}

/// How health stands, for one purpose.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HealthStanding {
    /// What is said.
    pub verdict: HealthVerdict,
    /// Since when.
    pub since: Monotonic,
    /// What counts as wrong, and since when it was seen.
    #[serde(with = "crate::serial::pairs")]
    pub reasons: BTreeMap<HealthReason, Monotonic>,
    /// What is wrong and does not count yet, and since when it is seen.
    #[serde(with = "crate::serial::pairs")]
    pub coming: BTreeMap<HealthReason, Monotonic>,
}

/// Both.
pub type HealthStandings = BTreeMap<Purpose, HealthStanding>;

/// Everything that can happen to [`Health`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Something changed.
    Changed,
    /// This is what there is: the answer to [`Effect::Look`].
    Seen(Seen),
    /// The deadline has passed.
    Timeout,
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub enum Effect {
    /// [Look](see) at everything now.
    Look,
    /// Append this to the table.
    Tell(Event),
}

/// What counts as wrong.
#[derive(Debug, Serialize, Deserialize)]
pub struct Health {
    settings: HealthSettings,
    started: Monotonic,
    purposes: BTreeMap<Purpose, Judge>,
    /// When to look because something changed.
    look_at: Option<Monotonic>,
    /// When what was seen may be otherwise although nothing changed.
    seen_until: Option<Monotonic>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Judge {
    verdict: HealthVerdict,
    since: Monotonic,
    /// What is seen now, and since when.
    #[serde(with = "crate::serial::pairs")]
    seen: BTreeMap<HealthReason, Monotonic>,
    /// What counts, since when it was seen, and since when it is not any more.
    #[serde(with = "crate::serial::pairs")]
    counts: BTreeMap<HealthReason, (Monotonic, Option<Monotonic>)>,
}

named! {
    /// The name in requests, events and metrics.
    Purpose {
        General => "general",
        Failover => "failover",
    }
}

named! {
    /// The name in JSON.
    HealthVerdict {
        Unknown => "unknown",
        Healthy => "healthy",
        Unhealthy => "unhealthy",
    }
}

named! {
    /// The name in JSON; it never changes.
    HealthCode {
        Disabled => "disabled",
        Stopping => "stopping",
        NoTunnels => "no_tunnels",
        ViewMissing => "view_missing",
        ViewStale => "view_stale",
        NotBuilt => "not_built",
        TunnelDown => "tunnel_down",
        SessionDown => "session_down",
        NoRoutes => "no_routes",
        GroupsNotJoined => "groups_not_joined",
        GroupsNotHeard => "groups_not_heard",
    }
}

impl HealthCode {
    /// Whether it is wrong for who asks for this.
    #[must_use]
    pub fn concerns(self, purpose: Purpose) -> bool {
        match self {
            Self::Disabled | Self::Stopping | Self::NoTunnels | Self::GroupsNotHeard => {
                purpose == Purpose::Failover
            }
            Self::ViewMissing
            | Self::ViewStale
            | Self::NotBuilt
            | Self::TunnelDown
            | Self::SessionDown
            | Self::NoRoutes
            | Self::GroupsNotJoined => true,
        }
    }

    /// Whether it counts at once: it has lasted already, or somebody meant it.
    fn is_sudden(self) -> bool {
        match self {
            Self::Disabled | Self::Stopping | Self::ViewStale | Self::GroupsNotHeard => true,
            Self::NoTunnels
            | Self::ViewMissing
            | Self::NotBuilt
            | Self::TunnelDown
            | Self::SessionDown
            | Self::NoRoutes
            | Self::GroupsNotJoined => false,
        }
    }
}

impl Health {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: HealthSettings, now: Monotonic) -> Self {
        Self::after(settings, now, &HealthStandings::new())
    }

    /// Goes on where an earlier one of the same start was, of which this is known.
    #[must_use]
    pub fn after(settings: HealthSettings, now: Monotonic, known: &HealthStandings) -> Self {
        let judge = |purpose| {
            let standing = known.get(&purpose).cloned().unwrap_or_default();
            let counts = standing
                .reasons
                .iter()
                .map(|(reason, since)| (*reason, (*since, None)));
            let judge = Judge {
                verdict: standing.verdict,
                since: standing.since,
                counts: counts.collect(),
                seen: standing.reasons.into_iter().chain(standing.coming).collect(),
            };
            (purpose, judge)
        };
        Self {
            settings,
            started: now,
            purposes: Purpose::ALL.into_iter().map(judge).collect(),
            look_at: None,
            seen_until: None,
        }
    }

    /// What is wrong now. Says what there is to tell.
    fn look(&mut self, now: Monotonic, wrong: &BTreeSet<HealthReason>) -> Vec<Event> {
        let (settings, started) = (self.settings, self.started);
        let mut told = Vec::new();
        for (purpose, judge) in &mut self.purposes {
            let concerns = |reason: &&HealthReason| reason.code.concerns(*purpose);
            let its = wrong.iter().filter(concerns).copied().collect();
            told.extend(judge.look(*purpose, now, its, settings, started));
        }
        told
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> HealthStandings {
        let of = |judge: &Judge| HealthStanding {
            verdict: judge.verdict,
            since: judge.since,
            reasons: judge
                .counts
                .iter()
                .map(|(reason, (since, _))| (*reason, *since))
                .collect(),
            coming: judge.coming().map(|(reason, since)| (*reason, *since)).collect(),
        };
        self.purposes
            .iter()
            .map(|(purpose, judge)| (*purpose, of(judge)))
            .collect()
    }
}

impl Core for Health {
    const NAME: &'static str = "health";
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, _random: &mut dyn Random) -> Vec<Effect> {
        match input {
            Input::Changed => {
                self.look_at.get_or_insert(now + PAUSE);
                Vec::new()
            }
            Input::Seen(Seen { wrong, due }) => {
                (self.look_at, self.seen_until) = (None, due);
                self.look(now, &wrong).into_iter().map(Effect::Tell).collect()
            }
            Input::Timeout => {
                let is_due = self.poll_timeout().is_some_and(|due| due.at <= now);
                is_due.then_some(Effect::Look).into_iter().collect()
            }
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let judges = self.purposes.values();
        judges
            .filter_map(|judge| judge.due(self.settings, self.started))
            .chain(self.look_at)
            .chain(self.seen_until)
            .min()
            .map(|at| Deadline { at, name: "health" })
    }

    fn told(effect: &Effect) -> Option<&Event> {
        match effect {
            Effect::Tell(event) => Some(event),
            Effect::Look => None,
        }
    }

    fn vouch(&self, change: &Change) -> Change {
        if matches!(change, Change::Health(_)) {
            return Change::Health(Arc::new(self.standing()));
        }
        change.clone()
    }
}

impl Effect {
    /// What it tells.
    #[must_use]
    pub fn event(self) -> Option<Event> {
        match self {
            Self::Tell(event) => Some(event),
            Self::Look => None,
        }
    }
}

impl Judge {
    fn look(
        &mut self,
        purpose: Purpose,
        now: Monotonic,
        wrong: BTreeSet<HealthReason>,
        settings: HealthSettings,
        started: Monotonic,
    ) -> Option<Event> {
        self.seen.retain(|reason, _| wrong.contains(reason));
        for reason in &wrong {
            self.seen.entry(*reason).or_insert(now);
        }
        for (reason, (_, gone)) in &mut self.counts {
            *gone = match wrong.contains(reason) {
                true => None,
                false => Some(gone.unwrap_or(now)),
            };
        }
        self.counts
            .retain(|_, (_, gone)| gone.is_none_or(|gone| now.since(gone) < settings.well_after));
        for (reason, since) in &self.seen {
            if self.verdict_known_at(settings, started, reason, *since) <= now {
                self.counts.entry(*reason).or_insert((*since, None));
            }
        }
        let verdict = match (self.counts.is_empty(), self.verdict) {
            (false, _) => HealthVerdict::Unhealthy,
            (true, HealthVerdict::Unknown) if !self.seen.is_empty() => HealthVerdict::Unknown,
            (true, _) => HealthVerdict::Healthy,
        };
        if verdict == self.verdict {
            return None;
        }
        (self.verdict, self.since) = (verdict, now);
        Some(Event::HealthChanged {
            purpose,
            healthy: verdict == HealthVerdict::Healthy,
            reasons: self.counts.keys().copied().collect(),
        })
    }

    /// When a condition that is seen since then begins to count.
    fn verdict_known_at(
        &self,
        settings: HealthSettings,
        started: Monotonic,
        reason: &HealthReason,
        since: Monotonic,
    ) -> Monotonic {
        let lasts = match reason.code.is_sudden() {
            true => since,
            false => since + settings.unwell_after,
        };
        match self.verdict {
            HealthVerdict::Unknown => lasts.max(started + settings.settle),
            HealthVerdict::Healthy | HealthVerdict::Unhealthy => lasts,
        }
    }

    fn coming(&self) -> impl Iterator<Item = (&HealthReason, &Monotonic)> {
        self.seen
            .iter()
            .filter(|(reason, _)| !self.counts.contains_key(reason))
    }

    fn due(&self, settings: HealthSettings, started: Monotonic) -> Option<Monotonic> {
        let coming = self
            .coming()
            .map(|(reason, since)| self.verdict_known_at(settings, started, reason, *since));
        let going = self
            .counts
            .values()
            .filter_map(|(_, gone)| Some((*gone)? + settings.well_after));
        coming.chain(going).min()
    }
}

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.name() == text);
        found.ok_or_else(|| UnknownPurpose(text.chars().take(100).collect()))
    }
}

/// The text names no purpose.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown purpose {0:?}: expected general or failover")]
pub struct UnknownPurpose(String);

impl fmt::Display for HealthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.code {
            HealthCode::Disabled => "the daemon is disabled",
            HealthCode::Stopping => "the daemon is stopping",
            HealthCode::NoTunnels => "the ledger asks for no tunnel of this host",
            HealthCode::ViewMissing => "the ledger was not read yet",
            HealthCode::ViewStale => "the view of the ledger is too old",
            HealthCode::NotBuilt => "a user of this host has no tunnel",
            HealthCode::TunnelDown => "a tunnel is not built",
            HealthCode::SessionDown => "a tunnel's session is not up",
            HealthCode::NoRoutes => "a tunnel has too few routes in place",
            HealthCode::GroupsNotJoined => "not all groups of a tunnel are joined",
            HealthCode::GroupsNotHeard => "a group that was received over a tunnel no longer is",
        };
        f.write_str(words)?;
        self.tunnel.map_or(Ok(()), |tunnel| write!(f, " ({tunnel})"))
    }
}
