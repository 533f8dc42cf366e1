//! Which kinds of events tell of which changes: nothing that is shown changes without one, but for what merely keeps counting.

use std::collections::BTreeSet;

use super::Kind;
use crate::table::Change;

macro_rules! told {
    ($($change:pat => [$($kind:ident)*])*) => {
        /// The kinds that tell of such a change. A new change, or a new kind, is named here.
        fn kinds(change: &Change) -> &'static [Kind] {
            match change {
                $($change => &[$(Kind::$kind),*],)*
            }
        }

        /// All of them.
        const TOLD: &[&[Kind]] = &[$(&[$(Kind::$kind),*]),*];
    };
}

told! {
    Change::Tunnel(_) => [
        SpecChanged GroupsChanged PhaseChanged TunnelDrained StepFailed Adopted Repaired Contested ContestOver MovePostponed MoveOver
        SessionChanged SessionCauseChanged RoutesChanged RoutesBlocked RoutesCapturing
    ]
    Change::Session(..) => [SessionChanged SessionCauseChanged]
    Change::Multicast(..) => [MulticastImpaired MulticastMended GroupsChanged]
    // What passed only counts; that nothing passes is told by health.
    Change::Groups(..) => [HealthChanged]
    Change::Applied(..) => [StepFailed Repaired]
    Change::TunnelDown(_) => [ActorRestarted]
    Change::TunnelGone(_) => [PhaseChanged]
    Change::NoTunnels => [ActorRestarted]
    Change::Watch { .. } => [RoutesChanged]
    Change::Switch(_) => [Started Switched SwitchUnknown]
    Change::Disk(_) => [StoreImpaired StoreMended OwnerNamed Pinned PinDropped]
    Change::Journal(_) => [JournalImpaired JournalMended]
    Change::Hooks(_) => [HookFailed HookMended HookDropped HooksRefused]
    Change::Health(_) => [HealthChanged]
    Change::Recorder(_) => [RecorderImpaired RecorderMended]
    Change::Usage(_) => [UsageSampled UsageImpaired UsageMended]
    Change::Owners(_) => [OwnersChanged]
    Change::Address(_) => [ClientIpFound ClientIpUnknown ClientIpHeld ClientIpHoldOver PinAway PinBack PinDropped]
    Change::View(_) => [ViewAccepted ViewRenewed]
    Change::Stale(_) => [ViewStale ViewRenewed]
    Change::Held(_) => [ViewHeld]
    Change::Ledger(_) => [EndpointRotated SubscriptionChanged LedgerWayChanged]
    Change::LedgerRestarted(_) => [LedgerRestarted]
    Change::Excluded(_) => [ExclusionChanged ExclusionHeld ExclusionHoldOver]
    Change::Rates(_) => [ThrottleSet ThrottleClear]
    Change::Caps(_) => [CapSet CapCleared CapsImpaired CapsMended]
    Change::Manual(_) => [ManualAsked ManualRemoved ManualOver]
    Change::Reconciler(_) => [PlanCommitted Converged]
    Change::Refused(..) => [Refused RefusalOver]
    Change::OtherSource(..) => [SourceHeld SourceHoldOver]
    // Counts what the dataplane told of; what follows from it is told.
    Change::Noticed(_) => []
    Change::Liveness(_) => [LivenessChanged ProbeImpaired ProbeMended]
    Change::Latency(_) => [LatencyChanged ProbeImpaired ProbeMended]
    // Counts.
    Change::Counted(_) => []
    Change::Restarted(_) => [ActorRestarted]
    Change::Stopping => [Stopping]
}

/// What happens without changing anything that the tables show.
const HAPPENS: [Kind; 9] = [
    Kind::Interrupted,
    Kind::TunnelInterrupted,
    Kind::JournalCut,
    Kind::JournalDropped,
    Kind::RecorderRepaired,
    Kind::UsageLost,
    Kind::CapsLost,
    Kind::RulesRemoved,
    Kind::InvariantBroken,
];

#[test]
fn every_kind_of_event_tells_of_a_change_or_is_said_to_change_nothing() {
    let told: BTreeSet<Kind> = TOLD.iter().copied().flatten().copied().collect();
    let happens = BTreeSet::from(HAPPENS);
    assert!(told.is_disjoint(&happens), "{:?}", told.intersection(&happens));
    let named: BTreeSet<Kind> = told.union(&happens).copied().collect();
    let unnamed: Vec<&Kind> = Kind::ALL.iter().filter(|kind| !named.contains(kind)).collect();
    assert!(unnamed.is_empty(), "which change do these tell of? {unnamed:?}");
}

#[test]
fn what_only_counts_is_all_that_no_event_tells_of() {
    let counts = TOLD.iter().filter(|kinds| kinds.is_empty()).count();
    assert_eq!(counts, 2, "notices and counts");
    assert!(kinds(&Change::Noticed(crate::Notice::Elsewhere)).is_empty());
}
