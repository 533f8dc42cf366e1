//! The kinds of events: their names, what they are about, and how much they matter. A name is the same for ever: one that is
//! gone is not given to another kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Event, Level, Topic};

macro_rules! kinds {
    ($($kind:ident $name:literal $topic:ident $level:ident $journaled:literal)*) => {
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

            /// The topic that it belongs to.
            #[must_use]
            pub fn topic(self) -> Topic {
                match self {
                    $(Self::$kind => Topic::$topic,)*
                }
            }

            /// The level of such events, but for those that [`Event::level`] raises or lowers.
            pub(super) fn level(self) -> Level {
                match self {
                    $(Self::$kind => Level::$level,)*
                }
            }

            /// Whether such events are kept on disk, but for those that [`Event::is_journaled`] leaves out.
            pub(crate) fn is_journaled(self) -> bool {
                match self {
                    $(Self::$kind => $journaled,)*
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
    Started "started" Daemon Info true
    Stopping "stopping" Daemon Info true
    StoreImpaired "store_impaired" Store Warn true
    StoreMended "store_mended" Store Info true
    Interrupted "interrupted" Daemon Warn true
    TunnelInterrupted "tunnel_interrupted" Tunnel Info true
    JournalImpaired "journal_impaired" Store Warn true
    JournalMended "journal_mended" Store Info true
    JournalCut "journal_cut" Store Warn true
    JournalDropped "journal_dropped" Store Warn true
    HookFailed "hook_failed" Hooks Warn true
    HookMended "hook_mended" Hooks Info true
    HookDropped "hook_dropped" Hooks Warn true
    HooksRefused "hooks_refused" Hooks Warn true
    HealthChanged "health_changed" Health Info true
    RecorderImpaired "recorder_impaired" Store Warn true
    RecorderMended "recorder_mended" Store Info true
    RecorderRepaired "recorder_repaired" Store Warn true
    UsageSampled "usage_sampled" Usage Debug true
    UsageImpaired "usage_impaired" Usage Warn true
    UsageMended "usage_mended" Usage Info true
    UsageLost "usage_lost" Usage Warn true
    ThrottleSet "throttle_set" Usage Info true
    ThrottleClear "throttle_clear" Usage Info true
    CapSet "cap_set" Usage Info true
    CapCleared "cap_cleared" Usage Info true
    CapsImpaired "caps_impaired" Usage Warn true
    CapsMended "caps_mended" Usage Info true
    CapsLost "caps_lost" Usage Warn true
    ViewAccepted "view_accepted" Ledger Debug false
    ViewHeld "view_held" Ledger Warn false
    ViewRenewed "view_renewed" Ledger Info false
    ViewStale "view_stale" Ledger Warn true
    LedgerRestarted "ledger_restarted" Ledger Warn true
    EndpointRotated "endpoint_rotated" Ledger Info false
    SubscriptionChanged "subscription_changed" Ledger Debug false
    LedgerWayChanged "ledger_way_changed" Ledger Info false
    Switched "switched" Switch Info true
    SwitchUnknown "switch_unknown" Switch Error true
    OwnersChanged "owners_changed" Switch Info true
    OwnerNamed "owner_named" Switch Info true
    ClientIpFound "client_ip_found" Address Info true
    ClientIpUnknown "client_ip_unknown" Address Warn false
    ClientIpHeld "client_ip_held" Address Warn true
    ClientIpHoldOver "client_ip_hold_over" Address Info true
    Pinned "pinned" Address Info true
    PinAway "pin_away" Address Warn true
    PinBack "pin_back" Address Info true
    PinDropped "pin_dropped" Address Warn true
    SourceHeld "source_held" Address Warn false
    SourceHoldOver "source_hold_over" Address Info false
    PlanCommitted "plan_committed" Plan Debug false
    Converged "converged" Plan Debug false
    Refused "refused" Plan Warn true
    RefusalOver "refusal_over" Plan Info true
    ManualAsked "manual_asked" Plan Info true
    ManualRemoved "manual_removed" Plan Info true
    ManualOver "manual_over" Plan Info true
    RulesRemoved "rules_removed" Plan Info true
    ExclusionChanged "exclusion_changed" Routes Info true
    ExclusionHeld "exclusion_held" Routes Warn true
    ExclusionHoldOver "exclusion_hold_over" Routes Info true
    SpecChanged "spec_changed" Tunnel Debug true
    GroupsChanged "groups_changed" Tunnel Info true
    PhaseChanged "phase_changed" Tunnel Debug true
    TunnelDrained "tunnel_drained" Tunnel Debug true
    StepFailed "step_failed" Tunnel Warn false
    Adopted "adopted" Tunnel Info true
    Repaired "repaired" Tunnel Warn true
    Contested "contested" Tunnel Warn true
    ContestOver "contest_over" Tunnel Info true
    MovePostponed "move_postponed" Tunnel Info true
    MoveOver "move_over" Tunnel Info true
    SessionChanged "session_changed" Session Debug true
    SessionCauseChanged "session_cause_changed" Session Debug false
    RoutesChanged "routes_changed" Routes Debug false
    RoutesBlocked "routes_blocked" Routes Warn false
    RoutesCapturing "routes_capturing" Routes Info true
    MulticastImpaired "multicast_impaired" Tunnel Info false
    MulticastMended "multicast_mended" Tunnel Info false
    LivenessChanged "liveness_changed" Liveness Debug false
    LatencyChanged "latency_changed" Probes Debug false
    ProbeImpaired "probe_impaired" Probes Info false
    ProbeMended "probe_mended" Probes Info false
    ActorRestarted "actor_restarted" Daemon Warn true
    InvariantBroken "invariant_broken" Daemon Error true
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
