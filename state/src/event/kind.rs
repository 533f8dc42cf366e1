//! The names of events. They are the same for ever: a name that is gone is not given to another kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Event;

macro_rules! kinds {
    ($($kind:ident $name:literal)*) => {
        /// What kind of event: a stable key for counts, subscriptions and schemas.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "each is the event of the same name")]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// Every variant, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name in metrics, events and JSON; it never changes.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }

        impl Event {
            /// The kind of event, as its stable key.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind { .. } => Kind::$kind,)*
                }
            }
        }
    };
}

kinds! {
    Started "started"
    Stopping "stopping"
    StoreImpaired "store_impaired"
    StoreMended "store_mended"
    Interrupted "interrupted"
    TunnelInterrupted "tunnel_interrupted"
    JournalImpaired "journal_impaired"
    JournalMended "journal_mended"
    JournalCut "journal_cut"
    JournalDropped "journal_dropped"
    HookFailed "hook_failed"
    HookMended "hook_mended"
    HookDropped "hook_dropped"
    HooksRefused "hooks_refused"
    HealthChanged "health_changed"
    RecorderImpaired "recorder_impaired"
    RecorderMended "recorder_mended"
    RecorderRepaired "recorder_repaired"
    UsageSampled "usage_sampled"
    ThrottleSet "throttle_set"
    ThrottleClear "throttle_clear"
    CapSet "cap_set"
    CapCleared "cap_cleared"
    ViewAccepted "view_accepted"
    ViewHeld "view_held"
    ViewRenewed "view_renewed"
    ViewStale "view_stale"
    LedgerRestarted "ledger_restarted"
    EndpointRotated "endpoint_rotated"
    SubscriptionChanged "subscription_changed"
    LedgerWayChanged "ledger_way_changed"
    Switched "switched"
    SwitchUnknown "switch_unknown"
    OwnersChanged "owners_changed"
    OwnerNamed "owner_named"
    ClientIpFound "client_ip_found"
    ClientIpUnknown "client_ip_unknown"
    ClientIpHeld "client_ip_held"
    ClientIpHoldOver "client_ip_hold_over"
    Pinned "pinned"
    PinAway "pin_away"
    PinBack "pin_back"
    PinDropped "pin_dropped"
    SourceHeld "source_held"
    SourceHoldOver "source_hold_over"
    PlanCommitted "plan_committed"
    Converged "converged"
    Refused "refused"
    RefusalOver "refusal_over"
    ManualAsked "manual_asked"
    ManualRemoved "manual_removed"
    ManualOver "manual_over"
    RulesRemoved "rules_removed"
    ExclusionChanged "exclusion_changed"
    ExclusionHeld "exclusion_held"
    ExclusionHoldOver "exclusion_hold_over"
    SpecChanged "spec_changed"
    GroupsChanged "groups_changed"
    PhaseChanged "phase_changed"
    TunnelDrained "tunnel_drained"
    StepFailed "step_failed"
    Adopted "adopted"
    Repaired "repaired"
    Contested "contested"
    ContestOver "contest_over"
    MovePostponed "move_postponed"
    MoveOver "move_over"
    SessionChanged "session_changed"
    SessionCauseChanged "session_cause_changed"
    RoutesChanged "routes_changed"
    RoutesBlocked "routes_blocked"
    RoutesCapturing "routes_capturing"
    LivenessChanged "liveness_changed"
    ActorRestarted "actor_restarted"
    InvariantBroken "invariant_broken"
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
