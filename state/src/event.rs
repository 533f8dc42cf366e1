//! The one enum of events: it feeds log lines, metrics, the journal and the event stream.
//!
//! An event is data: what a program needs of it is in its fields, under names that stay. Words, level and the fields of the log
//! follow from it. What the operating system, a parser or another host says is kept as text, in fields named `detail`.
//!
//! Whatever is shown of the daemon's state has an event that says when it changed, except for what merely keeps
//! counting: ages, counters, and the next deadline of a wait whose beginning was told.

mod about;
mod kind;
mod level;
pub mod news;
mod peers;
mod probes;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
mod topic;
mod usage;
mod wire;
mod words;

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    Asn, Backend, Epoch, Fault, Generation, Incarnation, LinkName, Owners, Phase, PlannedStep, Pubkey, Rate,
    Sequence, ServiceKind, SessionCause, SessionStatus, Slot, Switch, TunnelId,
    address::{FoundBecause, KeptBecause, Unusable},
    desired::Refusal,
    guard::HoldReason,
    health::{HealthReason, Purpose},
    hooks::HookFailure,
    invariant::Invariant,
    journal::Interruption,
    lifecycle::{MoveReason, PhaseReason, RouteCounts},
    reconcile::ManualEnd,
    spec::SpecPart,
};

pub use about::About;
pub use kind::Kind;
pub use level::Level;
pub use peers::{PeerChange, PeerChangeBatch, PeerState};
pub use probes::{Probe, TargetChange};
pub use topic::{Topic, UnknownTopic};
pub use usage::UsageSample;
pub use wire::VERSION;

/// Something that happened, as data that can be read back for ever.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// The daemon started, with what it works on.
    Started {
        /// The device whose users it serves; none for a client.
        device: Option<Pubkey>,
        /// Which owners' accounts may name this host's address.
        owners: Owners,
        /// The enable switch, as it is on disk.
        switch: Switch,
        /// What makes the tunnels real.
        backend: Backend,
    },
    /// The daemon is about to end.
    Stopping {
        /// Whether its tunnels go with it.
        remove: bool,
    },
    /// The store cannot be written, or only a part of it.
    StoreImpaired {
        /// What the store says.
        detail: String,
    },
    /// The store can be written again, all of it.
    StoreMended,
    /// An earlier start of the daemon ended without saying that it stops.
    Interrupted {
        /// How.
        reason: Interruption,
        /// Which start.
        in_epoch: Epoch,
        /// When it began, in milliseconds since 1970.
        since_unix_ms: u64,
        /// When it was there last, as far as that is known.
        until_unix_ms: u64,
    },
    /// A tunnel was in use when an earlier start of the daemon ended without saying that it stops. What became of it then is
    /// not known; it may still be there, and be taken over.
    TunnelInterrupted {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Which making of the tunnel: a rebuilt one has another.
        incarnation: Incarnation,
        /// What ended it.
        reason: Interruption,
        /// The start in which it began.
        in_epoch: Epoch,
        /// The event there with which it began.
        since_sequence: Sequence,
        /// When it began, in milliseconds since 1970.
        since_unix_ms: u64,
        /// When that start of the daemon was there last, as far as that is known.
        until_unix_ms: u64,
    },
    /// What happens cannot be written to the journal on disk; it waits in memory.
    JournalImpaired {
        /// What the system says.
        detail: String,
    },
    /// The journal on disk is written again, with what waited.
    JournalMended {
        /// How many entries are missing, because there was no room for them in memory either.
        lost: u64,
    },
    /// The end of the journal on disk was no whole entry, and was cut off: a write that was not finished.
    JournalCut {
        /// How much of it.
        bytes: u64,
    },
    /// Entries were dropped from the journal on disk that one of its readers had not read.
    JournalDropped {
        /// Whose cursor it is.
        reader: String,
        /// The place of the cursor: the start.
        after_epoch: Epoch,
        /// And the event there.
        after_sequence: Sequence,
        /// The place of the last entry that was dropped: the start.
        to_epoch: Epoch,
        /// And the event there.
        to_sequence: Sequence,
    },
    /// A hook failed, in another way than before. Its later failures are counted, and told when they differ.
    HookFailed {
        /// The name of its file.
        hook: String,
        /// How.
        failure: HookFailure,
        /// What it wrote to its standard error, or what the system says.
        detail: Option<String>,
    },
    /// A hook that failed is well again.
    HookMended {
        /// The name of its file.
        hook: String,
        /// How often it failed in a row.
        failures: u32,
    },
    /// A hook was not given the oldest of the events that waited for it: there were too many.
    HookDropped {
        /// The name of its file.
        hook: String,
        /// How many, since it was run last.
        dropped: u64,
    },
    /// No hook is run.
    HooksRefused {
        /// What is wrong with their directory.
        detail: String,
    },
    /// Whether this host's tunnels can be relied on is judged differently now.
    HealthChanged {
        /// What for.
        purpose: Purpose,
        /// Whether nothing counts as wrong from now on.
        healthy: bool,
        /// What does.
        reasons: Vec<HealthReason>,
    },
    /// A recorder cannot write what happened; it waits in the journal.
    RecorderImpaired {
        /// Its name.
        recorder: String,
        /// What the system or the other end says.
        detail: String,
    },
    /// A recorder writes again, including what waited.
    RecorderMended {
        /// Its name.
        recorder: String,
    },
    /// The end of what a recorder wrote was no whole line: a write that was not finished. It was ended, and is told there.
    RecorderRepaired {
        /// Its name.
        recorder: String,
        /// How long that line is.
        bytes: u64,
    },
    /// What went through tunnels, up to now.
    UsageSampled {
        /// Those of which there is something new.
        samples: Vec<UsageSample>,
    },
    /// What tunnels carry cannot be written to the disk; it is counted on, and written later.
    UsageImpaired {
        /// What the system says.
        detail: String,
    },
    /// What tunnels carry is on disk again.
    UsageMended,
    /// What tunnels carried so far could not be read: it was set aside, and counting begins anew.
    UsageLost {
        /// What is wrong with it.
        detail: String,
    },
    /// A tunnel is held to a rate from now on, for what was used of a cap, or for none being known.
    ThrottleSet {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays for it, where it is known.
        owner: Option<Pubkey>,
        /// What it is held to from now on.
        rate: Rate,
        /// Octets that were used in the window.
        used: u64,
        /// Octets that may be; none where that is not known.
        limit: Option<u64>,
    },
    /// A tunnel is no longer held to a rate.
    ThrottleClear {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays for it, where it is known.
        owner: Option<Pubkey>,
    },
    /// An operator set how much one may use.
    CapSet {
        /// Whom it is for.
        device: String,
        /// The cap, as people write it.
        cap: String,
    },
    /// An operator lifted a cap.
    CapCleared {
        /// Whom it was for.
        device: String,
    },
    /// Caps cannot be asked for, kept on disk, or held to.
    CapsImpaired {
        /// What the authority or the system says.
        detail: String,
    },
    /// Caps can be asked for, kept and held to again.
    CapsMended,
    /// What was known of caps, or was still to be reported, could not all be read: that was set aside.
    CapsLost {
        /// What is wrong with it.
        detail: String,
    },
    /// A view became the one in force.
    ViewAccepted {
        /// The ledger's slot that it is of.
        slot: Slot,
        /// How many users it has.
        users: usize,
        /// How many accounts do not decode.
        quarantined: usize,
    },
    /// A read was not taken as the view in force.
    ViewHeld {
        /// The reason, in words for people.
        reason: HoldReason,
    },
    /// A read became the view in force again, after reads that did not or a time without any.
    ViewRenewed {
        /// The ledger's slot that it is of.
        slot: Slot,
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
    /// The subscription to the ledger's changes came up or went down.
    SubscriptionChanged {
        /// Whether it is up.
        subscribed: bool,
        /// Why it is not, where that is known.
        detail: Option<String>,
    },
    /// Requests to the ledger began or ceased to go over a tunnel of ours.
    LedgerWayChanged {
        /// Why they do; none once they do not.
        over_tunnel: Option<String>,
    },
    /// The enable switch was set, on disk and live.
    Switched {
        /// Whether it is on from now on.
        enabled: bool,
    },
    /// The enable switch cannot be read: tunnels are held as they are until it is set.
    SwitchUnknown {
        /// What the store says.
        detail: String,
    },
    /// Whose users count is another now.
    OwnersChanged {
        /// The owners whose accounts count from now on.
        owners: Owners,
    },
    /// Somebody connected this host, and that was written down.
    OwnerNamed {
        /// The key that connected.
        owner: Pubkey,
    },
    /// This host goes by this public address from now on.
    ClientIpFound {
        /// The IPv4 address that it is about.
        address: Ipv4Addr,
        /// The address in force before this one.
        before: Option<Ipv4Addr>,
        /// Why it is in force.
        reason: FoundBecause,
    },
    /// No public address was found for this host so far.
    ClientIpUnknown {
        /// What each way to find one says.
        detail: String,
    },
    /// Another public address would be chosen for this host today; the one in force stays.
    ClientIpHeld {
        /// The one in force.
        address: Ipv4Addr,
        /// What would be chosen.
        other: Ipv4Addr,
        /// Why the address in force stays.
        reason: KeptBecause,
    },
    /// No other public address would be chosen for this host any more.
    ClientIpHoldOver {
        /// The one in force.
        address: Ipv4Addr,
    },
    /// An operator pinned this host's address, and that was written down.
    Pinned {
        /// The IPv4 address that it is about.
        address: Ipv4Addr,
    },
    /// The host does not have the address that is pinned any more: a start would drop the pin.
    PinAway {
        /// The IPv4 address that it is about.
        address: Ipv4Addr,
    },
    /// It has it again.
    PinBack {
        /// The IPv4 address that it is about.
        address: Ipv4Addr,
    },
    /// The address that an operator pinned is no longer on this host, so the pin was dropped.
    PinDropped {
        /// The IPv4 address that it is about.
        address: Ipv4Addr,
        /// What is wrong with it.
        reason: Unusable,
    },
    /// Another outer source address would be chosen for a tunnel today; it stays at the one that it has.
    SourceHeld {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The address that it has, which is on this host.
        source: Ipv4Addr,
        /// What would be chosen.
        other: Ipv4Addr,
    },
    /// No other outer source address would be chosen for a tunnel any more.
    SourceHoldOver {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The address that it has.
        source: Ipv4Addr,
    },
    /// A plan was handed out.
    PlanCommitted {
        /// The number of the plan.
        generation: Generation,
        /// How many tunnels it starts or changes.
        assigned: usize,
        /// How many it takes down.
        retired: usize,
    },
    /// Desired and observed began to agree, or ceased to.
    Converged {
        /// Whether desired and observed agree from now on.
        converged: bool,
        /// The last plan handed out.
        generation: Generation,
    },
    /// A user's tunnel is not built, and why; told again when the reason changes.
    Refused {
        /// The account of the user that it is about.
        user: Pubkey,
        /// Why the user has no tunnel.
        refusal: Refusal,
    },
    /// A user is refused no longer: its tunnel is built, or the ledger does not have it any more.
    RefusalOver {
        /// The account of the user that it is about.
        user: Pubkey,
        /// Why it was refused.
        refusal: Refusal,
    },
    /// An operator asked for a tunnel, past the ledger.
    ManualAsked {
        /// The tunnel that this is for.
        tunnel: TunnelId,
        /// The name of its link at that moment.
        link: LinkName,
    },
    /// An operator asked for a tunnel to go, whoever asks for it.
    ManualRemoved {
        /// The tunnel that this is for.
        tunnel: TunnelId,
        /// Its link, where there is one.
        link: Option<LinkName>,
    },
    /// Rules of ours that led into no tunnel were removed, or not all of them.
    RulesRemoved {
        /// How many.
        removed: u64,
        /// Why others were not.
        fault: Option<Fault>,
    },
    /// What an operator asked for past the ledger is over: from now on the ledger alone says which tunnels there are.
    ManualOver {
        /// The reason, in words for people.
        reason: ManualEnd,
    },
    /// The list of destinations that sessions may not teach us has changed.
    ExclusionChanged {
        /// How many entries it has.
        entries: usize,
    },
    /// The list of excluded destinations cannot be used; the one before holds.
    ExclusionHeld {
        /// What is wrong with it.
        detail: String,
    },
    /// The list of excluded destinations can be used again.
    ExclusionHoldOver {
        /// How many entries it has.
        entries: usize,
    },
    /// What a tunnel should be has changed, or it should exist from now on.
    SpecChanged {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The name of its link at that moment.
        link: LinkName,
        /// The service that it carries.
        service: ServiceKind,
        /// The outer address of our end.
        local: Ipv4Addr,
        /// The other outer address.
        remote: Ipv4Addr,
        /// What differs from before; of a new one, what it has.
        parts: BTreeSet<SpecPart>,
    },
    /// The groups that this host publishes to or receives have changed.
    GroupsChanged {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The name of its link at that moment.
        link: LinkName,
        /// Those that it publishes to.
        publish: BTreeSet<Ipv4Addr>,
        /// Those that it subscribes to.
        subscribe: BTreeSet<Ipv4Addr>,
    },
    /// A tunnel went from one phase to another.
    PhaseChanged {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The name of its link at that moment.
        link: LinkName,
        /// Which (re)creation of the tunnel it was.
        incarnation: Incarnation,
        /// The phase that the tunnel was in.
        from: Phase,
        /// The phase that the tunnel is in from now on.
        to: Phase,
        /// Why, unless it is the usual course of things.
        reason: Option<PhaseReason>,
    },
    /// A tunnel is to go: what is open of it ends with it, and is summed up here for those who draw who is connected.
    TunnelDrained {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The name of its link at that moment.
        link: LinkName,
        /// Its incarnation: no other is meant.
        incarnation: Incarnation,
        /// The sessions that were up.
        open_sessions: usize,
    },
    /// The dataplane refused a step, and the tunnel is tried again later.
    StepFailed {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The phase in which it failed.
        phase: Phase,
        /// What was attempted, what went wrong, and what may be done.
        fault: Fault,
        /// When it is tried again, in milliseconds from now.
        retry_in_ms: u64,
    },
    /// A link that was there already was taken over.
    Adopted {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The name of its link at that moment.
        link: LinkName,
        /// The incarnation in its mark.
        incarnation: Incarnation,
    },
    /// What something else changed was put back.
    Repaired {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The first of the steps that did it.
        steps: Vec<PlannedStep>,
        /// How many others there were.
        more: usize,
    },
    /// Something else on this host changes the tunnel again and again: from now on it is put back after longer and longer
    /// waits.
    Contested {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// How often it was mended so far, with less than a minute between two times.
        repairs: u32,
        /// The first of the steps that were taken last.
        steps: Vec<PlannedStep>,
        /// How many others there were.
        more: usize,
    },
    /// Nothing else has changed the tunnel for a while.
    ContestOver {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
    },
    /// A tunnel that was moved is back where it was until the next try.
    MovePostponed {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// Our outer address where it should be.
        local: Ipv4Addr,
        /// The other outer address there.
        remote: Ipv4Addr,
        /// Why it is not there, and where it is.
        reason: MoveReason,
        /// When it is tried again, in milliseconds from now.
        retry_in_ms: u64,
    },
    /// A move that was postponed waits no longer: it is tried again, or not asked for any more.
    MoveOver {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The outer address of the far end that it has, or is moving to.
        remote: Ipv4Addr,
    },
    /// A session's status changed.
    SessionChanged {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The AS number that is expected of the peer.
        peer_asn: Asn,
        /// The status that the session had.
        from: SessionStatus,
        /// The status that the session has from now on.
        to: SessionStatus,
        /// What is in the way of the session.
        cause: Option<SessionCause>,
        /// What the system or the peer says.
        detail: Option<String>,
    },
    /// A session has the status that it had, for another reason.
    SessionCauseChanged {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// The AS number that is expected of the peer.
        peer_asn: Asn,
        /// The status that it has from now on.
        status: SessionStatus,
        /// Why it has that.
        cause: Option<SessionCause>,
        /// What the system or the peer says.
        detail: Option<String>,
    },
    /// The session has taught another number of routes, or another number of them is not in place. Told when the
    /// session has sent its table, and from time to time after that.
    RoutesChanged {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// How many there are of each sort.
        #[serde(flatten)]
        counts: RouteCounts,
    },
    /// Learned routes could not be put, because others that are not ours are in their places. The tunnel works without
    /// them; they are tried again whenever it is looked at.
    RoutesBlocked {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// How many were found blocked at once that were not before.
        count: usize,
        /// The first of them.
        first: Ipv4Net,
        /// What is in its way.
        fault: Fault,
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
    /// What the multicast services of a tunnel say cannot leave.
    MulticastImpaired {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
        /// What the system says.
        detail: String,
    },
    /// What the multicast services of a tunnel say leaves again.
    MulticastMended {
        /// The tunnel that it happened to.
        tunnel: TunnelId,
    },
    /// Addresses of devices began to answer echo requests, or ceased to.
    LatencyChanged {
        /// The first of them.
        targets: Vec<TargetChange>,
        /// How many others there were.
        more: usize,
    },
    /// Something cannot be measured, or not with what is new.
    ProbeImpaired {
        /// What.
        probe: Probe,
        /// What is in the way.
        detail: String,
    },
    /// It can be measured again.
    ProbeMended {
        /// What.
        probe: Probe,
    },
    /// Hosts behind learned routes came or went.
    LivenessChanged {
        /// Which tunnel they are behind.
        tunnel: TunnelId,
        /// The first of them, in the order in which it happened.
        peers: Vec<PeerChange>,
        /// How many others there were.
        more: usize,
    },
    /// A supervised actor ended and was started again.
    ActorRestarted {
        /// The name of the actor, as supervision has it.
        actor: String,
        /// Whose tunnel's it is.
        tunnel: Option<TunnelId>,
        /// What the actor failed with.
        detail: String,
        /// How many times in the current window.
        count: u32,
    },
    /// A named invariant does not hold: a defect of ours.
    InvariantBroken {
        /// The one that it names.
        name: Invariant,
        /// What was seen, in words for people.
        detail: String,
    },
}

impl Event {
    /// The name in logs, metrics and the event stream.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }
}
