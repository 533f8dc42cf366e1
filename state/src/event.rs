//! The one enum of events: it feeds log lines, metrics, the journal and the event stream.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;
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
    /// The ledger was restarted from an earlier slot: its slots count from there on.
    LedgerRestarted {
        /// The slot of the view in force until then.
        from: Slot,
        /// The slot of the view in force now.
        to: Slot,
        /// How many users it has.
        users: usize,
    },
    /// The ledger is read through another endpoint from now on.
    EndpointRotated {
        /// The one before, secrets redacted.
        from: String,
        /// The one in use now, secrets redacted.
        to: String,
        /// What went wrong with the one before, where something did.
        detail: Option<String>,
    },
    /// The enable switch was set, on disk and live.
    Switched {
        /// To what.
        enabled: bool,
    },
    /// This host goes by this public address from now on.
    ClientIpFound {
        /// The address.
        address: Ipv4Addr,
        /// The one before.
        before: Option<Ipv4Addr>,
        /// Why it replaced the one before, for people.
        reason: String,
    },
    /// The address that an operator pinned is none of this host's any more: it is pinned no longer.
    PinDropped {
        /// The address.
        address: Ipv4Addr,
        /// What is wrong with it, for people.
        reason: String,
    },
    /// Another public address would be chosen for this host today; the one in force stays.
    ClientIpHeld {
        /// The one in force.
        address: Ipv4Addr,
        /// What would be chosen.
        other: Ipv4Addr,
        /// Why it stays, for people.
        reason: String,
    },
    /// Another outer source address would be chosen for a tunnel today; it stays at the one that it has.
    SourceHeld {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The address that it has, which is on this host.
        source: Ipv4Addr,
        /// What would be chosen.
        other: Ipv4Addr,
    },
    /// The enable switch cannot be read: tunnels are held as they are until it is set.
    SwitchUnknown {
        /// Why, for people.
        reason: String,
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
    /// An operator asked for a tunnel, past the ledger.
    ManualAsked {
        /// Which.
        tunnel: TunnelId,
        /// Its link.
        link: LinkName,
    },
    /// An operator asked for a tunnel to go, whoever asks for it.
    ManualRemoved {
        /// Which.
        tunnel: TunnelId,
        /// Its link, where there is one.
        link: Option<LinkName>,
    },
    /// What an operator asked for past the ledger is over: from now on the ledger alone says which tunnels there are.
    ManualOver {
        /// Why, for people.
        reason: String,
    },
    /// The list of destinations that sessions may not teach us is another one now.
    ExclusionChanged {
        /// How many entries it has.
        entries: usize,
    },
    /// The list of excluded destinations cannot be used; the one before holds.
    ExclusionHeld {
        /// Why, for people.
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
    /// Learned routes could not be put, because others that are not ours are in their places. The tunnel works without
    /// them; they are tried again whenever it is looked at.
    RoutesBlocked {
        /// Which tunnel.
        tunnel: TunnelId,
        /// How many were found blocked at once that were not before.
        count: usize,
        /// What is in the way of the first of them, for people.
        reason: String,
    },
    /// Routes that the session taught us stay out: over them the packets of a tunnel would be sent into this one.
    RoutesCapturing {
        /// Which tunnel taught them.
        tunnel: TunnelId,
        /// How many were found at once that were not before.
        count: usize,
        /// One of all that stay out so.
        first: Ipv4Net,
        /// The far end of a tunnel that it leads to.
        far_end: Ipv4Addr,
    },
    /// What something else changed was put back.
    Repaired {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The steps that did it, as text.
        steps: Vec<String>,
    },
    /// Something else on this host changes the tunnel again and again: from now on it is put back after longer and longer
    /// waits.
    Contested {
        /// Which tunnel.
        tunnel: TunnelId,
        /// How often it was mended so far, with less than a minute between two times.
        repairs: u32,
        /// The steps that were taken last, as text.
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

/// How much an operator wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A decision.
    Debug,
    /// A change that users can see.
    Info,
    /// Something that an operator would want to be told.
    Warn,
    /// The daemon cannot do its job.
    Error,
}

impl Event {
    /// The level of its log line.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::ViewAccepted { quarantined, .. } if *quarantined > 0 => Level::Warn,
            Self::ViewAccepted { .. } => Level::Debug,
            Self::ViewHeld { .. }
            | Self::ViewStale { .. }
            | Self::LedgerRestarted { .. }
            | Self::Refused { .. }
            | Self::StepFailed { .. }
            | Self::RoutesBlocked { .. }
            | Self::Repaired { .. }
            | Self::Contested { .. }
            | Self::ExclusionHeld { .. }
            | Self::ClientIpHeld { .. }
            | Self::PinDropped { .. }
            | Self::SourceHeld { .. }
            | Self::ActorRestarted { .. } => Level::Warn,
            Self::PhaseChanged { to: Phase::Active | Phase::Removed | Phase::Draining, .. } => Level::Info,
            Self::PhaseChanged { .. } => Level::Debug,
            Self::SessionChanged { to: SessionStatus::Down | SessionStatus::Failed | SessionStatus::Unreachable, .. } => Level::Warn,
            Self::SessionChanged { to: SessionStatus::Up, .. } | Self::Switched { .. } | Self::Adopted { .. } => Level::Info,
            Self::ClientIpFound { .. } | Self::EndpointRotated { .. } => Level::Info,
            Self::ManualAsked { .. } | Self::ManualRemoved { .. } | Self::ManualOver { .. } | Self::ExclusionChanged { .. } => Level::Info,
            Self::RoutesCapturing { .. } => Level::Info,
            Self::SessionChanged { .. } | Self::PlanCommitted { .. } => Level::Debug,
            Self::SwitchUnknown { .. } | Self::InvariantBroken { .. } => Level::Error,
        }
    }

    /// The tunnel that it is about, where it is about one.
    #[must_use]
    pub fn tunnel(&self) -> Option<TunnelId> {
        match self {
            Self::ManualAsked { tunnel, .. }
            | Self::PhaseChanged { tunnel, .. }
            | Self::StepFailed { tunnel, .. }
            | Self::RoutesBlocked { tunnel, .. }
            | Self::RoutesCapturing { tunnel, .. }
            | Self::Repaired { tunnel, .. }
            | Self::Contested { tunnel, .. }
            | Self::Adopted { tunnel, .. }
            | Self::ManualRemoved { tunnel, .. }
            | Self::SourceHeld { tunnel, .. }
            | Self::SessionChanged { tunnel, .. } => Some(*tunnel),
            Self::Refused { user, .. } => Some(TunnelId(*user)),
            Self::ViewAccepted { .. }
            | Self::ViewHeld { .. }
            | Self::ViewStale { .. }
            | Self::LedgerRestarted { .. }
            | Self::EndpointRotated { .. }
            | Self::Switched { .. }
            | Self::PlanCommitted { .. }
            | Self::SwitchUnknown { .. }
            | Self::ClientIpFound { .. }
            | Self::ClientIpHeld { .. }
            | Self::PinDropped { .. }
            | Self::ManualOver { .. }
            | Self::ExclusionChanged { .. }
            | Self::ExclusionHeld { .. }
            | Self::ActorRestarted { .. }
            | Self::InvariantBroken { .. } => None,
        }
    }

    /// The name in logs, metrics and the event stream.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ViewAccepted { .. } => "view_accepted",
            Self::ViewHeld { .. } => "view_held",
            Self::ViewStale { .. } => "view_stale",
            Self::LedgerRestarted { .. } => "ledger_restarted",
            Self::EndpointRotated { .. } => "endpoint_rotated",
            Self::Switched { .. } => "switched",
            Self::ClientIpFound { .. } => "client_ip_found",
            Self::ClientIpHeld { .. } => "client_ip_held",
            Self::PinDropped { .. } => "pin_dropped",
            Self::SourceHeld { .. } => "source_held",
            Self::SwitchUnknown { .. } => "switch_unknown",
            Self::PlanCommitted { .. } => "plan_committed",
            Self::Refused { .. } => "refused",
            Self::ManualAsked { .. } => "manual_asked",
            Self::ManualRemoved { .. } => "manual_removed",
            Self::ManualOver { .. } => "manual_over",
            Self::ExclusionChanged { .. } => "exclusion_changed",
            Self::ExclusionHeld { .. } => "exclusion_held",
            Self::PhaseChanged { .. } => "phase_changed",
            Self::StepFailed { .. } => "step_failed",
            Self::RoutesBlocked { .. } => "routes_blocked",
            Self::RoutesCapturing { .. } => "routes_capturing",
            Self::Repaired { .. } => "repaired",
            Self::Contested { .. } => "contested",
            Self::Adopted { .. } => "adopted",
            Self::SessionChanged { .. } => "session_changed",
            Self::ActorRestarted { .. } => "actor_restarted",
            Self::InvariantBroken { .. } => "invariant_broken",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ViewAccepted { slot, users, quarantined } => {
                write!(f, "view of slot {slot} is in force: {users} users, {quarantined} accounts do not decode")
            }
            Self::ViewHeld { reason } => write!(f, "keeping the view in force: {reason}"),
            Self::ViewStale { age_seconds } => write!(f, "the view in force is {age_seconds} s old; tunnels stay as they are"),
            Self::LedgerRestarted { from, to, users } => {
                write!(f, "the ledger was restarted from an earlier slot: {to} after {from}; its view is in force, with {users} users")
            }
            Self::EndpointRotated { from, to, detail } => {
                write!(f, "the ledger is read from {to}, no longer from {from}")?;
                detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
            Self::Switched { enabled: true } => f.write_str("enabled"),
            Self::Switched { enabled: false } => f.write_str("disabled"),
            Self::ClientIpFound { address, before: None, .. } => write!(f, "this host's public address is {address}"),
            Self::ClientIpFound { address, before: Some(before), reason } => {
                write!(f, "this host's public address is {address}, no longer {before}: {reason}")
            }
            Self::PinDropped { address, reason } => {
                write!(f, "{address} was pinned as this host's address and is no longer: {reason}")
            }
            Self::ClientIpHeld { address, other, reason } => {
                write!(f, "this host's public address stays {address}: {reason}; today {other} would be chosen")
            }
            Self::SourceHeld { tunnel, source, other } => {
                write!(f, "tunnel {tunnel} stays at {source}, which is on this host; today {other} would be chosen")
            }
            Self::SwitchUnknown { reason } => {
                write!(f, "{}: tunnels stay as they are until `warren enable` or `warren disable`: {reason}", crate::Switch::Unknown)
            }
            Self::PlanCommitted { generation, assigned, retired } => {
                write!(f, "plan {generation}: {assigned} tunnels to build or change, {retired} to take down")
            }
            Self::Refused { user, reason, .. } => write!(f, "no tunnel for user {user}: {reason}"),
            Self::ManualAsked { link, .. } => write!(f, "{link}: manual tunnel, asked for through the API"),
            Self::ManualRemoved { tunnel, link: None } => write!(f, "tunnel {tunnel} is to go, as was asked through the API"),
            Self::ManualRemoved { link: Some(link), .. } => write!(f, "{link} is to go, as was asked through the API"),
            Self::ManualOver { reason } => write!(f, "what was asked for through the API is over: {reason}"),
            Self::ExclusionChanged { entries } => write!(f, "routes: {entries} destinations are excluded"),
            Self::ExclusionHeld { reason } => write!(f, "routes: the list of excluded destinations stays as it was: {reason}"),
            Self::PhaseChanged { link, from, to, reason, .. } => {
                write!(f, "{link}: {from} -> {to}")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
            }
            Self::StepFailed { tunnel, phase, class, reason, retry_in_ms } => {
                write!(f, "tunnel {tunnel} failed in {phase}, {class}: {reason}; next try in {retry_in_ms} ms")
            }
            Self::RoutesBlocked { tunnel, count, reason } => {
                write!(f, "tunnel {tunnel} goes without {count} learned routes, whose places are taken: {reason}")
            }
            Self::RoutesCapturing { tunnel, count, first, far_end } => {
                write!(f, "tunnel {tunnel} goes without {count} learned routes that lead to the far end of a tunnel: {first} to {far_end}")
            }
            Self::Repaired { tunnel, steps } => write!(f, "tunnel {tunnel} was changed by something else and mended: {}", steps.join("; ")),
            Self::Contested { tunnel, repairs, steps } => {
                write!(
                    f,
                    "something else on this host fights over tunnel {tunnel}, which was mended {repairs} times in a row: it is put back \
                     less and less often from now on ({})",
                    steps.join("; ")
                )
            }
            Self::Adopted { link, incarnation, .. } => write!(f, "{link}: taken over as it is (incarnation {incarnation})"),
            Self::SessionChanged { tunnel, peer_asn, from, to, detail } => {
                write!(f, "tunnel {tunnel}, AS {peer_asn}: {from} -> {to}")?;
                detail.as_ref().map_or(Ok(()), |detail| write!(f, " ({detail})"))
            }
            Self::ActorRestarted { actor, reason, count } => write!(f, "{actor} ended and was started again (no. {count}): {reason}"),
            Self::InvariantBroken { name, detail } => write!(f, "{name} does not hold: {detail}"),
        }
    }
}
