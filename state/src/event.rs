//! The one enum of events: it feeds log lines, metrics, the journal and the event stream.

use serde::Serialize;

use crate::{Asn, FaultClass, Generation, Incarnation, LinkName, Phase, Pubkey, SessionStatus, Slot, TunnelId};

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// A view became the one in force.
    ViewAccepted {
        /// Its slot.
        slot: Slot,
        /// How many users it has.
        users: usize,
        /// How many accounts do not decode.
        quarantined: usize,
    },
    /// A read was not taken as the view in force.
    ViewHeld {
        /// Why, for people.
        reason: String,
    },
    /// The view in force is older than allowed; tunnels stay.
    ViewStale {
        /// Its age in whole seconds.
        age_seconds: u64,
    },
    /// The enable switch was set, on disk and live.
    Switched {
        /// To what.
        enabled: bool,
    },
    /// A plan was handed out.
    PlanCommitted {
        /// Its number.
        generation: Generation,
        /// How many tunnels it starts or changes.
        assigned: usize,
        /// How many it takes down.
        retired: usize,
    },
    /// A user's tunnel is not built, and why.
    Refused {
        /// The user's account.
        user: Pubkey,
        /// A machine-readable reason.
        code: &'static str,
        /// The reason for people.
        reason: String,
    },
    /// A tunnel went from one phase to another.
    PhaseChanged {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its link.
        link: LinkName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// The phase left.
        from: Phase,
        /// The phase entered.
        to: Phase,
        /// Why, for people.
        reason: Option<String>,
    },
    /// A step failed.
    StepFailed {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Where.
        phase: Phase,
        /// What may be done.
        class: FaultClass,
        /// Why, for people.
        reason: String,
        /// When it is tried again, in milliseconds from now.
        retry_in_ms: u64,
    },
    /// What something else changed was put back.
    Repaired {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The steps that did it, as text.
        steps: Vec<String>,
    },
    /// A link that was there already was taken over.
    Adopted {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its link.
        link: LinkName,
        /// The incarnation in its mark.
        incarnation: Incarnation,
    },
    /// A session's status changed.
    SessionChanged {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The peer's AS.
        peer_asn: Asn,
        /// The status left.
        from: SessionStatus,
        /// The status entered.
        to: SessionStatus,
        /// Why, for people.
        detail: Option<String>,
    },
    /// A supervised actor ended and was started again.
    ActorRestarted {
        /// Its name.
        actor: String,
        /// Why it ended.
        reason: String,
        /// How many times in the current window.
        count: u32,
    },
    /// A named invariant does not hold: a defect of ours.
    InvariantBroken {
        /// Its name: `INV-01` …
        name: &'static str,
        /// What was seen.
        detail: String,
    },
}
