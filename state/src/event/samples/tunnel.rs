//! Of a tunnel and of its session.

use super::*;

pub(super) fn of_a_tunnel() -> Vec<Event> {
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

pub(super) fn of_a_session() -> Vec<Event> {
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
