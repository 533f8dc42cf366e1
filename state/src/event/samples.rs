//! One event of every kind at least, and every reason once: what the golden files are made of.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::*;
use crate::{
    Action, Address, AddressScope, Backend, FaultClass, LinkAction, LinkSpec, Route, RouteProtocol, Rule,
    RuleSelector, ServiceClass, TableId,
    desired::{EndpointFault, GroupFault, NetFault},
    health::HealthCode,
    lifecycle::{MoveFault, RetireReason},
    owners::Foreign,
    testing::net,
    view::{RawIp, RawNet, UserStatus},
};

const HERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const THERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const GROUP: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 1);

/// All of them, in the order of the kinds.
pub(super) fn samples() -> Vec<Event> {
    let mut all = [
        of_the_daemon(),
        of_the_ledger(),
        of_the_address(),
        of_the_plan(),
        of_a_tunnel(),
        of_a_session(),
        of_hooks_and_health(),
    ]
    .concat();
    all.sort_by_key(Event::kind);
    all
}

fn of_the_daemon() -> Vec<Event> {
    let detail = || "no space left on device".to_owned();
    let started = |device, owners, switch| Event::Started {
        device,
        owners,
        switch,
        backend: Backend::Netlink,
    };
    vec![
        started(None, Owners::Last(Some(key(7))), Switch::On),
        started(None, Owners::Last(None), Switch::Off),
        started(Some(key(8)), Owners::Any, Switch::Unknown),
        Event::Stopping { remove: false },
        Event::StoreImpaired { detail: detail() },
        Event::StoreMended,
        Event::Interrupted {
            reason: Interruption::Crash,
            in_epoch: Epoch(11),
            since_unix_ms: 1_760_464_000_000,
            until_unix_ms: 1_760_464_600_000,
        },
        Event::TunnelInterrupted {
            tunnel: id(),
            incarnation: Incarnation(4_294_967_298),
            reason: Interruption::Crash,
            in_epoch: Epoch(11),
            since_sequence: Sequence(42),
            since_unix_ms: 1_760_464_000_000,
            until_unix_ms: 1_760_464_600_000,
        },
        Event::JournalImpaired { detail: detail() },
        Event::JournalMended { lost: 0 },
        Event::JournalMended { lost: 7 },
        Event::JournalCut { bytes: 131 },
        Event::JournalDropped {
            reader: "recorder".to_owned(),
            after_epoch: Epoch(3),
            after_sequence: Sequence(17),
            to_epoch: Epoch(4),
            to_sequence: Sequence(23),
        },
        Event::HookMended {
            hook: "failover".to_owned(),
            failures: 3,
        },
        Event::HookDropped {
            hook: "failover".to_owned(),
            dropped: 17,
        },
        Event::HooksRefused { detail: detail() },
        Event::HealthChanged {
            purpose: Purpose::Failover,
            healthy: true,
            reasons: vec![],
        },
        Event::RecorderImpaired {
            recorder: "file".to_owned(),
            detail: detail(),
        },
        Event::RecorderMended {
            recorder: "file".to_owned(),
        },
        Event::RecorderRepaired {
            recorder: "file".to_owned(),
            bytes: 131,
        },
        Event::UsageSampled {
            samples: vec![UsageSample {
                tunnel: id(),
                owner: Some(key(7)),
                incarnation: Incarnation(4_294_967_298),
                rx_bytes: 5_000_000_123,
                tx_bytes: 1_200,
                rx_packets: 3_600_000,
                tx_packets: 12,
                gap_seconds: 0,
                last: false,
            }],
        },
        Event::ThrottleSet {
            tunnel: id(),
            owner: Some(key(7)),
            rate: Rate {
                up: Some(655_360),
                down: Some(16_384),
            },
            used: 5_000_123,
            limit: Some(5_000_000),
        },
        Event::ThrottleSet {
            tunnel: id(),
            owner: None,
            rate: Rate::BLOCKED,
            used: 0,
            limit: None,
        },
        Event::ThrottleClear {
            tunnel: id(),
            owner: Some(key(7)),
        },
        Event::CapSet {
            device: "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi".to_owned(),
            cap: "500GB/month".to_owned(),
        },
        Event::CapCleared {
            device: "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi".to_owned(),
        },
        Event::Switched { enabled: true },
        Event::SwitchUnknown { detail: detail() },
        Event::ActorRestarted {
            actor: "provisioner".to_owned(),
            tunnel: Some(id()),
            detail: "it panicked".to_owned(),
            count: 2,
        },
        Event::ActorRestarted {
            actor: "ledger-watcher".to_owned(),
            tunnel: None,
            detail: "killed".to_owned(),
            count: 1,
        },
        Event::InvariantBroken {
            name: Invariant::RemovalHasProof,
            detail: "a tunnel went".to_owned(),
        },
    ]
}

fn of_hooks_and_health() -> Vec<Event> {
    let failures = [
        HookFailure::Exit { status: 1 },
        HookFailure::Signal { signal: 11 },
        HookFailure::Deadline { seconds: 10 },
        HookFailure::NotStarted,
        HookFailure::Refused,
        HookFailure::TooMany { most: 32 },
    ];
    let failed = failures.into_iter().map(|failure| Event::HookFailed {
        hook: "failover".to_owned(),
        failure,
        detail: None,
    });
    let reason = |code| HealthReason {
        code,
        tunnel: Some(id()).filter(|_| code > HealthCode::ViewStale),
    };
    let health = Event::HealthChanged {
        purpose: Purpose::General,
        healthy: false,
        reasons: HealthCode::ALL.into_iter().map(reason).collect(),
    };
    failed.chain([health]).collect()
}

fn of_the_ledger() -> Vec<Event> {
    let reasons = [
        HoldReason::ReadFailed {
            detail: "connection refused".to_owned(),
        },
        HoldReason::SlotWentBack {
            read: Slot(9),
            in_force: Slot(10),
        },
        HoldReason::Restarting {
            read: Slot(1),
            in_force: Slot(10),
            seconds: 3,
            needed_seconds: 180,
        },
        HoldReason::RestartTakesAway { gone: 1 },
        HoldReason::SameSlot {
            slot: Slot(10),
            gone: 1,
        },
        HoldReason::Emptied { before: 3 },
        HoldReason::EmptyAtFirst,
        HoldReason::MassRemoval { gone: 3, before: 5 },
    ];
    let mut all: Vec<Event> = reasons
        .into_iter()
        .map(|reason| Event::ViewHeld { reason })
        .collect();
    let (from, to) = ("https://one.example".to_owned(), "https://two.example".to_owned());
    all.extend([
        Event::ViewAccepted {
            slot: Slot(10),
            users: 2,
            quarantined: 0,
        },
        Event::ViewRenewed { slot: Slot(11) },
        Event::ViewStale { age_seconds: 301 },
        Event::LedgerRestarted {
            from: Slot(10),
            to: Slot(1),
            users: 2,
        },
        Event::EndpointRotated {
            from,
            to,
            detail: Some("429 Too Many Requests".to_owned()),
        },
        Event::SubscriptionChanged {
            subscribed: false,
            detail: Some("closed".to_owned()),
        },
        Event::LedgerWayChanged {
            over_tunnel: Some("only doublezero0 leads there".to_owned()),
        },
    ]);
    all
}

fn of_the_address() -> Vec<Event> {
    let found = [
        FoundBecause::Found,
        FoundBecause::Pinned,
        FoundBecause::PinnedNow,
        FoundBecause::Named,
        FoundBecause::Returned,
        FoundBecause::Preferred,
        FoundBecause::SeenElsewhere,
        FoundBecause::Left,
    ];
    let kept = [
        KeptBecause::InForceBefore,
        KeptBecause::TunnelInPlace,
        KeptBecause::LedgerNamesIt,
        KeptBecause::LedgerNotAsked,
        KeptBecause::TunnelWorks,
    ];
    let found = found.into_iter().map(|reason| Event::ClientIpFound {
        address: HERE,
        before: Some(OTHER),
        reason,
    });
    let kept = kept.into_iter().map(|reason| Event::ClientIpHeld {
        address: HERE,
        other: OTHER,
        reason,
    });
    let others = [
        Event::OwnersChanged {
            owners: Owners::Only(key(7)),
        },
        Event::OwnerNamed { owner: key(7) },
        Event::ClientIpUnknown {
            detail: "there is no route to 192.0.2.1".to_owned(),
        },
        Event::ClientIpHoldOver { address: HERE },
        Event::Pinned { address: HERE },
        Event::PinAway { address: HERE },
        Event::PinBack { address: HERE },
        Event::PinDropped {
            address: HERE,
            reason: Unusable::NotHere(HERE),
        },
        Event::PinDropped {
            address: HERE,
            reason: Unusable::NotPublic(HERE),
        },
        Event::SourceHeld {
            tunnel: id(),
            source: HERE,
            other: OTHER,
        },
        Event::SourceHoldOver {
            tunnel: id(),
            source: HERE,
        },
    ];
    found.chain(kept).chain(others).collect()
}

fn of_the_plan() -> Vec<Event> {
    let refused = refusals().into_iter().map(|refusal| Event::Refused {
        user: key(1),
        refusal,
    });
    let others = [
        Event::PlanCommitted {
            generation: Generation(3),
            assigned: 1,
            retired: 0,
        },
        Event::Converged {
            converged: true,
            generation: Generation(3),
        },
        Event::RefusalOver {
            user: key(1),
            refusal: Refusal::NotOurs,
        },
        Event::ManualAsked {
            tunnel: id(),
            link: link(),
        },
        Event::ManualRemoved {
            tunnel: id(),
            link: Some(link()),
        },
        Event::RulesRemoved {
            removed: 2,
            fault: None,
        },
        Event::RulesRemoved {
            removed: 1,
            fault: Some(fault()),
        },
        Event::ManualOver {
            reason: ManualEnd::LedgerRead,
        },
        Event::ManualOver {
            reason: ManualEnd::SwitchSet,
        },
        Event::ExclusionChanged { entries: 2 },
        Event::ExclusionHeld {
            detail: "expected a list".to_owned(),
        },
        Event::ExclusionHoldOver { entries: 2 },
    ];
    refused.chain(others).collect()
}

pub(super) fn refusals() -> Vec<Refusal> {
    let detail = || "it is cut short".to_owned();
    let net = RawNet {
        address: RawIp(Ipv4Addr::new(169, 254, 0, 0)),
        prefix_len: 30,
    };
    let foreign = [
        Foreign::Only {
            owner: key(6),
            only: key(7),
        },
        Foreign::Last {
            owner: key(6),
            last: key(7),
        },
        Foreign::LastUnread {
            owner: key(6),
            last: key(7),
        },
        Foreign::Nobody { owner: key(6) },
    ];
    let groups = [
        GroupFault::Quarantined {
            group: key(9),
            detail: detail(),
        },
        GroupFault::NoAccount { user: key(1) },
        GroupFault::NoAddress {
            user: key(1),
            address: HERE,
        },
        GroupFault::NoneNamed,
    ];
    let statuses = [
        UserStatus::Deleting,
        UserStatus::Banned,
        UserStatus::OutOfCredits,
        UserStatus::Deprecated(5),
    ];
    let mut all = vec![
        Refusal::Quarantined { detail: detail() },
        Refusal::NotOurs,
        Refusal::UnknownStatus { number: 77 },
        Refusal::NotSupportedYet {
            kind: ServiceKind::Multicast,
        },
        Refusal::UnknownKind { number: 42 },
        Refusal::BadEndpoint {
            endpoint: HERE,
            why: EndpointFault::NoHost,
        },
        Refusal::BadEndpoint {
            endpoint: HERE,
            why: EndpointFault::BothEnds,
        },
        Refusal::NoDevice {
            device: key(8),
            detail: Some(detail()),
        },
        Refusal::NoDevice {
            device: key(8),
            detail: None,
        },
        Refusal::BadTunnelNet {
            net,
            why: NetFault::NoNetwork,
        },
        Refusal::BadTunnelNet {
            net,
            why: NetFault::Unusable,
        },
        Refusal::BadTunnelNet {
            net,
            why: NetFault::ContainsAnEnd,
        },
        Refusal::BadClientIp { client_ip: HERE },
        Refusal::BadDzIp { dz_ip: HERE },
        Refusal::BadLinkName { detail: detail() },
        Refusal::NoConfig,
        Refusal::NoPrefixes,
        Refusal::NoSource { endpoint: THERE },
        Refusal::Duplicate {
            winner: key(2),
            class: ServiceClass::Unicast,
            client_ip: HERE,
        },
        Refusal::LinkNameInUse { link: link() },
        Refusal::EndpointsInUse {
            holder: key(2),
            local: HERE,
            remote: THERE,
        },
    ];
    all.extend(foreign.map(|why| Refusal::OtherOwner { why }));
    all.extend(groups.map(|why| Refusal::NoGroup { why }));
    all.extend(statuses.map(|status| Refusal::NotActivated { status }));
    all
}

fn of_a_tunnel() -> Vec<Event> {
    let (tunnel, incarnation) = (id(), Incarnation(4));
    let phase = |from, to, reason| Event::PhaseChanged {
        tunnel,
        link: link(),
        incarnation,
        from,
        to,
        reason,
    };
    let retired = [
        RetireReason::Disabled,
        RetireReason::DaemonStops,
        RetireReason::ManualOver,
        RetireReason::RemovedByOperator,
        RetireReason::AddressChanged {
            now: OTHER,
            before: HERE,
        },
        RetireReason::NotAskedFor { refusal: None },
        RetireReason::NotAskedFor {
            refusal: Some(Refusal::NotActivated {
                status: UserStatus::Banned,
            }),
        },
        RetireReason::LeftBehind { client_ip: None },
        RetireReason::LeftBehind {
            client_ip: Some(HERE),
        },
        RetireReason::Renamed,
        RetireReason::Replaced,
        RetireReason::Interrupted,
    ];
    let mut all: Vec<Event> = retired
        .into_iter()
        .map(|reason| phase(Phase::Active, Phase::Draining, Some(PhaseReason::Retired(reason))))
        .collect();
    let moved = |why| MoveReason { why, back_at: OTHER };
    let postponed = |reason| Event::MovePostponed {
        tunnel,
        local: HERE,
        remote: THERE,
        reason,
        retry_in_ms: 60_000,
    };
    let parts = BTreeSet::from([SpecPart::Link, SpecPart::Session, SpecPart::FarEnds]);
    all.extend([
        phase(Phase::Pending, Phase::Linking, None),
        phase(Phase::Linking, Phase::Failed, Some(PhaseReason::Fault(fault()))),
        Event::SpecChanged {
            tunnel,
            link: link(),
            service: ServiceKind::IbrlWithAllocatedIp,
            local: HERE,
            remote: THERE,
            parts,
        },
        Event::GroupsChanged {
            tunnel,
            link: link(),
            publish: [GROUP].into(),
            subscribe: BTreeSet::new(),
        },
        Event::TunnelDrained {
            tunnel,
            link: link(),
            incarnation,
            open_sessions: 1,
        },
        Event::StepFailed {
            tunnel,
            phase: Phase::Linking,
            fault: fault(),
            retry_in_ms: 250,
        },
        Event::Adopted {
            tunnel,
            link: link(),
            incarnation,
        },
        Event::Repaired {
            tunnel,
            steps: steps(),
            more: 7,
        },
        Event::Contested {
            tunnel,
            repairs: 9,
            steps: steps().into_iter().take(1).collect(),
            more: 0,
        },
        Event::ContestOver { tunnel },
        postponed(moved(MoveFault::Silence)),
        postponed(moved(MoveFault::Fault(fault()))),
        Event::MoveOver {
            tunnel,
            remote: THERE,
        },
    ]);
    all
}

fn of_a_session() -> Vec<Event> {
    let (tunnel, peer_asn) = (id(), Asn(65001));
    let detail = || Some("connection refused".to_owned());
    let changed = |from, to, cause, detail| Event::SessionChanged {
        tunnel,
        peer_asn,
        from,
        to,
        cause,
        detail,
    };
    let cause = |cause| {
        let status = SessionStatus::Pending;
        Event::SessionCauseChanged {
            tunnel,
            peer_asn,
            status,
            cause: Some(cause),
            detail: detail(),
        }
    };
    let states = [
        PeerState::Up,
        PeerState::TimedOut,
        PeerState::HeldDown,
        PeerState::LostUs,
        PeerState::Released,
    ];
    let peers = states.map(|state| PeerChange {
        link: link(),
        peer: Ipv4Addr::new(198, 18, 0, 1),
        state,
    });
    let first = net("198.18.0.0/24");
    let mut all: Vec<Event> = SessionCause::ALL.into_iter().map(cause).collect();
    all.extend([
        changed(SessionStatus::Pending, SessionStatus::Up, None, None),
        changed(
            SessionStatus::Up,
            SessionStatus::Down,
            Some(SessionCause::NotificationReceived),
            detail(),
        ),
        changed(SessionStatus::Initializing, SessionStatus::Failed, None, None),
        changed(
            SessionStatus::Pending,
            SessionStatus::Unreachable,
            Some(SessionCause::NoWay),
            detail(),
        ),
        Event::RoutesChanged {
            tunnel,
            counts: RouteCounts {
                learned: 12,
                blocked: 1,
                withheld: 2,
                excluded: 3,
                capturing: 4,
            },
        },
        Event::RoutesBlocked {
            tunnel,
            count: 2,
            first,
            fault: fault(),
        },
        Event::RoutesCapturing {
            tunnel,
            count: 2,
            first,
            far_end: THERE,
        },
        Event::LivenessChanged {
            tunnel,
            peers: peers.to_vec(),
            more: 3,
        },
    ]);
    all
}

fn steps() -> Vec<PlannedStep> {
    let address = Address {
        address: Ipv4Addr::new(169, 254, 0, 1),
        prefix_len: 31,
        scope: AddressScope::Link,
    };
    let via = Ipv4Addr::new(169, 254, 0, 0);
    let dst = net("198.18.0.0/24");
    let route = Route {
        table: TableId::MAIN,
        dst,
        via,
        source: Some(HERE),
        protocol: RouteProtocol::Bgp,
    };
    let rule = |selector| Rule {
        selector,
        table: TableId(100),
    };
    let spec = || LinkSpec {
        name: link(),
        local: HERE,
        remote: THERE,
        ttl: 64,
        mtu: 1476,
    };
    let actions = [
        Action::delete(rule(RuleSelector::From(dst))),
        Action::delete(Route {
            source: None,
            protocol: RouteProtocol::Static,
            ..route
        }),
        Action::delete(Address {
            scope: AddressScope::Universe,
            ..address
        }),
        Action::Link(LinkAction::Delete),
        Action::Link(LinkAction::Change { spec: spec() }),
        Action::Link(LinkAction::Create {
            spec: spec(),
            incarnation: Incarnation(4),
        }),
        Action::put(address),
        Action::put(route),
        Action::put(rule(RuleSelector::To(dst))),
    ];
    actions
        .into_iter()
        .map(|action| PlannedStep {
            tunnel: id(),
            link: link(),
            action,
        })
        .collect()
}

fn fault() -> Fault {
    Fault {
        class: FaultClass::Conflict,
        operation: "make link doublezero0".to_owned(),
        detail: "it is not ours".to_owned(),
    }
}

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

fn id() -> TunnelId {
    TunnelId(key(1))
}

fn link() -> LinkName {
    LinkName::new("doublezero0").unwrap()
}
