//! Metrics that cannot be read from the state: how often something was done, and how long it took.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use imbl::OrdMap;

use serde::{Deserialize, Serialize};

use crate::{
    ApplyReport, Edit, Incarnation, LinkName, Phase, RouteProtocol, ServiceClass, StepOutcome, event::Event,
    serial::Name,
};

/// In seconds, as the reference has them.
const FETCH: &[f64] = &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0];
/// As the reference's metrics library has them where nothing else is said.
const USUAL: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const UPDATE: &[f64] = &exponential::<15>(0.0001, 2.0);
const ESTABLISHED: &[f64] = &exponential::<12>(1.0, 1.5);

/// Counts and durations since the start of the daemon.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Totals {
    /// Operations on tunnels, by the class of their service (`None`: not known, a tunnel that an earlier run left) and by
    /// whether they succeeded.
    #[serde(serialize_with = "crate::serial::pairs::serialize")]
    pub operations: BTreeMap<(Operation, Option<ServiceClass>, bool), u64>,
    /// Reads of the ledger that ended.
    #[serde(serialize_with = "crate::serial::pairs::serialize")]
    pub fetches: BTreeMap<Fetch, u64>,
    /// How long they took, retries included.
    pub fetch_seconds: Histogram,
    /// How long it took to handle what a peer sent, when it changed routes: up to handing the routes on.
    pub update_seconds: Histogram,
    /// From asking for a session, or losing it, to having it; by the peer's address.
    pub established_seconds: OrdMap<Ipv4Addr, Arc<Histogram>>,
    /// Datagrams of the multicast services, by kind (`pim`, `register`, `heartbeat`) and by whether they left.
    #[serde(serialize_with = "crate::serial::pairs::serialize")]
    pub datagrams: BTreeMap<(&'static str, bool), u64>,
    /// Learned routes that the dataplane did not put (`true`) or did not take away (`false`), by link and preferred source.
    #[serde(serialize_with = "crate::serial::pairs::serialize")]
    pub route_failures: OrdMap<(LinkName, Ipv4Addr, bool), u64>,
}

/// One thing that was counted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Count {
    /// An operation on a tunnel ended: the class of its service where it is known, and whether it succeeded.
    Operation(Operation, Option<ServiceClass>, bool),
    /// A read of the ledger ended, and how long it took.
    Fetch(Fetch, Duration),
    /// What a peer sent changed routes, and how long it took to handle it.
    Update(Duration),
    /// A session with this peer came up, and how long it was waited for.
    Established(Ipv4Addr, Duration),
    /// This peer's tunnel is gone, and with it what was counted for it.
    PeerGone(Ipv4Addr),
    /// A datagram of a multicast service, of this kind, and whether it left.
    Datagram(#[serde(deserialize_with = "crate::serial::name")] Name, bool),
    /// A learned route was not put (or taken away).
    RouteFailure {
        /// The name of the tunnel's link.
        link: LinkName,
        /// The route's preferred source.
        source: Ipv4Addr,
        /// Whether it was to be put.
        put: bool,
    },
}

/// What is done to a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// A new incarnation is built, up to the session.
    Provision,
    /// A tunnel that is there is changed because it should be another. Mending what others changed does not count.
    Update,
    /// It is taken down.
    Removal,
}

/// How a read of the ledger ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Fetch {
    /// With a view.
    Success,
    /// Without; the view in force holds.
    ErrorStale,
    /// Without, and there is no view in force.
    ErrorNoCache,
}

/// The upper bounds of a histogram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buckets {
    /// As the reference's metrics library has them where nothing else is said: from 5 ms to 10 s.
    #[default]
    Usual,
    /// Reads of the ledger: from 100 ms to 2 min.
    Fetch,
    /// Routes that a peer sent: from 100 µs to 1.6 s.
    Update,
    /// Sessions that come up: from 1 s to 86 s.
    Established,
}

/// Durations, sorted into buckets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Histogram {
    bounds: Buckets,
    /// One for each bound, not cumulative; what is above the last bound is only in `count`.
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
}

impl Totals {
    /// Adds one count to the totals.
    pub fn take(&mut self, count: &Count) {
        match count {
            Count::Operation(operation, class, success) => {
                *self.operations.entry((*operation, *class, *success)).or_default() += 1
            }
            Count::Fetch(fetch, took) => {
                *self.fetches.entry(*fetch).or_default() += 1;
                self.fetch_seconds.observe(*took);
            }
            Count::Update(took) => self.update_seconds.observe(*took),
            Count::Established(peer, took) => {
                let histogram = self
                    .established_seconds
                    .entry(*peer)
                    .or_insert_with(|| Arc::new(Histogram::new(Buckets::Established)));
                Arc::make_mut(histogram).observe(*took);
            }
            Count::PeerGone(peer) => {
                self.established_seconds.remove(peer);
            }
            Count::Datagram(kind, success) => *self.datagrams.entry((kind, *success)).or_default() += 1,
            Count::RouteFailure { link, source, put } => {
                *self
                    .route_failures
                    .entry((link.clone(), *source, *put))
                    .or_default() += 1;
            }
        }
    }
}

impl Count {
    /// Learned routes that could not be put or taken away.
    pub fn route_failures(report: &ApplyReport) -> impl Iterator<Item = Self> {
        report.steps.iter().filter_map(|(step, outcome)| {
            let (edit, route) = step.action.route()?;
            let (StepOutcome::Failed(_), RouteProtocol::Bgp, Some(source)) =
                (outcome, route.protocol, route.source)
            else {
                return None;
            };
            Some(Self::RouteFailure {
                link: step.link.clone(),
                source,
                put: edit == Edit::Put,
            })
        })
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            operations: BTreeMap::new(),
            fetches: BTreeMap::new(),
            fetch_seconds: Histogram::new(Buckets::Fetch),
            update_seconds: Histogram::new(Buckets::Update),
            established_seconds: OrdMap::new(),
            datagrams: BTreeMap::new(),
            route_failures: OrdMap::new(),
        }
    }
}

impl Operation {
    /// Every operation, so that each has a series from the start.
    pub const ALL: [Self; 3] = [Self::Provision, Self::Update, Self::Removal];
}

named! {
    /// The label that metrics use.
    Fetch {
        Success => "success",
        ErrorStale => "error_stale",
        ErrorNoCache => "error_no_cache",
    }
}

impl Buckets {
    /// In seconds; they ascend.
    fn bounds(self) -> &'static [f64] {
        match self {
            Self::Usual => USUAL,
            Self::Fetch => FETCH,
            Self::Update => UPDATE,
            Self::Established => ESTABLISHED,
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(Buckets::default())
    }
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: Buckets) -> Self {
        Self {
            bounds,
            buckets: vec![0; bounds.bounds().len()],
            count: 0,
            sum: Duration::ZERO,
        }
    }

    /// Takes a duration in.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.bounds().iter().position(|bound| seconds <= *bound);
        if let Some(count) = bucket.and_then(|bucket| self.buckets.get_mut(bucket)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += took;
    }

    /// For each upper bound in seconds: how many were at most that.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds
            .bounds()
            .iter()
            .zip(&self.buckets)
            .scan(0, |below, (bound, count)| {
                *below += count;
                Some((*bound, *below))
            })
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }
}

/// Tells from the events of one tunnel which operations they complete.
#[derive(Default, Debug)]
pub struct OperationTracker {
    /// The incarnation that was complete, and still is there.
    built: Option<Incarnation>,
    /// Something of the tunnel was built or changed since it was complete.
    worked: bool,
    /// It was so because something else had changed it.
    mended: bool,
}

impl OperationTracker {
    /// The operation that this event ends, and whether it succeeded.
    #[must_use]
    pub fn hear(&mut self, event: &Event) -> Option<(Operation, bool)> {
        if let Event::PhaseChanged { to, incarnation, .. } = event {
            return self.entered(*to, *incarnation);
        }
        if let Event::StepFailed { phase, .. } = event {
            let operation = match (phase, self.built) {
                (Phase::Draining, _) => Operation::Removal,
                (_, Some(_)) => Operation::Update,
                (_, None) => Operation::Provision,
            };
            return Some((operation, false));
        }
        if let Event::Adopted { incarnation, .. } = event {
            self.built = Some(*incarnation);
        }
        if let Event::Repaired { .. } = event {
            // Routes are put back without a change of phase.
            self.mended = self.worked;
        }
        None
    }

    fn entered(&mut self, phase: Phase, incarnation: Incarnation) -> Option<(Operation, bool)> {
        match phase {
            Phase::Linking | Phase::Addressing | Phase::Routing => self.worked = true,
            Phase::Peering | Phase::Active => {
                let (worked, mended) = (std::mem::take(&mut self.worked), std::mem::take(&mut self.mended));
                let new = self.built.replace(incarnation) != Some(incarnation);
                return match (mended, new, worked) {
                    (true, _, _) | (false, false, false) => None,
                    (false, true, _) => Some((Operation::Provision, true)),
                    (false, false, true) => Some((Operation::Update, true)),
                };
            }
            Phase::Removed => {
                *self = Self::default();
                return Some((Operation::Removal, true));
            }
            Phase::Pending | Phase::Draining | Phase::Failed => {}
        }
        None
    }
}

/// `N` bounds, each `factor` times the one before.
const fn exponential<const N: usize>(first: f64, factor: f64) -> [f64; N] {
    let mut bounds = [first; N];
    let mut index = 1;
    while index < N {
        bounds[index] = bounds[index - 1] * factor;
        index += 1;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use crate::{Fault, FaultClass, LinkName, Pubkey, TunnelId};

    use super::*;

    fn entered(to: Phase, incarnation: u64) -> Event {
        let link = LinkName::new("doublezero0").unwrap();
        Event::PhaseChanged {
            tunnel: id(),
            link,
            incarnation: Incarnation(incarnation),
            from: Phase::Pending,
            to,
            reason: None,
        }
    }

    fn failed(phase: Phase) -> Event {
        let fault = Fault {
            class: FaultClass::Transient,
            operation: String::new(),
            detail: String::new(),
        };
        Event::StepFailed {
            tunnel: id(),
            phase,
            fault,
            retry_in_ms: 1,
        }
    }

    fn id() -> TunnelId {
        TunnelId(Pubkey([1; 32]))
    }

    fn told(tracker: &mut OperationTracker, events: &[Event]) -> Vec<(Operation, bool)> {
        events.iter().filter_map(|event| tracker.hear(event)).collect()
    }

    #[test]
    fn building_counts_once_and_a_flap_of_the_session_does_not_count() {
        let mut tracker = OperationTracker::default();
        let built = [
            Phase::Linking,
            Phase::Addressing,
            Phase::Routing,
            Phase::Peering,
            Phase::Active,
        ]
        .map(|phase| entered(phase, 1));
        assert_eq!(told(&mut tracker, &built), [(Operation::Provision, true)]);
        let flap = [Phase::Peering, Phase::Active].map(|phase| entered(phase, 1));
        assert_eq!(told(&mut tracker, &flap), []);
    }

    #[test]
    fn a_change_in_place_is_an_update_a_new_link_a_provision_and_mending_neither() {
        let mut tracker = OperationTracker::default();
        told(
            &mut tracker,
            &[entered(Phase::Linking, 1), entered(Phase::Active, 1)],
        );
        let changed = [entered(Phase::Routing, 1), entered(Phase::Active, 1)];
        assert_eq!(told(&mut tracker, &changed), [(Operation::Update, true)]);
        let replaced = [entered(Phase::Linking, 1), entered(Phase::Active, 2)];
        assert_eq!(told(&mut tracker, &replaced), [(Operation::Provision, true)]);
        let quietly = Event::Repaired {
            tunnel: id(),
            steps: vec![],
            more: 0,
        };
        assert_eq!(
            told(
                &mut tracker,
                &[quietly, entered(Phase::Routing, 2), entered(Phase::Active, 2)]
            ),
            [(Operation::Update, true)]
        );
        let mended = [
            entered(Phase::Linking, 2),
            Event::Repaired {
                tunnel: id(),
                steps: vec![],
                more: 0,
            },
            entered(Phase::Peering, 3),
        ];
        assert_eq!(told(&mut tracker, &mended), []);
    }

    #[test]
    fn failures_count_for_what_was_attempted() {
        let mut tracker = OperationTracker::default();
        assert_eq!(
            told(&mut tracker, &[failed(Phase::Linking)]),
            [(Operation::Provision, false)]
        );
        told(&mut tracker, &[entered(Phase::Active, 1)]);
        assert_eq!(
            told(&mut tracker, &[failed(Phase::Routing)]),
            [(Operation::Update, false)]
        );
        assert_eq!(
            told(&mut tracker, &[failed(Phase::Draining)]),
            [(Operation::Removal, false)]
        );
        assert_eq!(
            told(&mut tracker, &[entered(Phase::Removed, 1)]),
            [(Operation::Removal, true)]
        );
        assert_eq!(
            told(&mut tracker, &[failed(Phase::Linking)]),
            [(Operation::Provision, false)]
        );
    }

    #[test]
    fn what_was_taken_over_is_not_provisioned() {
        let mut tracker = OperationTracker::default();
        let adopted = Event::Adopted {
            tunnel: id(),
            link: LinkName::new("doublezero0").unwrap(),
            incarnation: Incarnation(7),
        };
        assert_eq!(told(&mut tracker, &[adopted, entered(Phase::Peering, 7)]), []);
    }

    #[test]
    fn buckets_are_cumulative_include_their_bound_and_leave_out_what_is_above_the_last() {
        let mut histogram = Histogram::new(Buckets::Fetch);
        for milliseconds in [50, 100, 400, 500_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative[..2], [(0.1, 2), (0.5, 3)]);
        assert_eq!(cumulative.last(), Some(&(120.0, 3)));
        assert_eq!((histogram.count(), histogram.sum()), (4, 500.55));
    }

    #[test]
    fn the_exponential_bounds_are_the_references() {
        assert_eq!(
            (ESTABLISHED.len(), ESTABLISHED[1], ESTABLISHED[11]),
            (12, 1.5, 86.497_558_593_75)
        );
        assert_eq!((UPDATE.len(), UPDATE[0], UPDATE[14]), (15, 0.0001, 1.6384));
    }
}
