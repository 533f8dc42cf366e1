use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use super::*;
use crate::{
    Epoch, Fault, FaultClass, Generation, LinkName, LinkSpec, LivenessMode, Monotonic, NodeId, Rate, Rates,
    SessionStatus,
    caps::{CapStanding, CapsStanding},
    event::{Kind, PeerChange, PeerState, TargetChange, samples::samples},
    hooks::{HookFailure, HookStanding, HooksStanding},
    latency::{LatencyStatus, Target, TargetReport},
    lifecycle::{Contest, Lifecycle, LifecycleSettings, MoveFault, MoveReason, PostponedMove, TunnelReport},
    liveness::{DownReason, LivenessStatus, SessionReport, SessionState},
    standing::MulticastStanding,
    table::{
        Bounds, Disk, ExclusionStatus, HostAddress, LedgerWay, ReconcilerStanding, RecorderStanding, Table,
        UsageStatus,
    },
};

const HERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// Whom a cap is for in the samples.
const DEVICE: &str = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";

/// Of these no table says whether they are so.
const UNCLAIMED: [Kind; 11] = [
    Kind::Interrupted,
    Kind::TunnelInterrupted,
    Kind::JournalCut,
    Kind::JournalDropped,
    Kind::RecorderRepaired,
    Kind::UsageSampled,
    Kind::UsageLost,
    Kind::CapsLost,
    Kind::RulesRemoved,
    Kind::TunnelDrained,
    Kind::InvariantBroken,
];

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

fn id() -> TunnelId {
    TunnelId(key(1))
}

fn link() -> LinkName {
    LinkName::new("doublezero0").unwrap()
}

fn after(changes: Vec<Change>) -> Tables {
    let bounds = Bounds::of_events(8);
    let mut table = Table::new(NodeId::default(), Epoch(1), bounds);
    table.append(0, vec![], changes);
    table.tables().clone()
}

fn report() -> TunnelReport {
    Lifecycle::new(id(), LifecycleSettings::default()).report()
}

fn caps(standing: CapStanding, problem: Option<String>) -> Change {
    Change::Caps(Arc::new(CapsStanding {
        problem,
        devices: [(DEVICE.to_owned(), standing)].into_iter().collect(),
        of_tunnels: [(id(), DEVICE.to_owned())].into_iter().collect(),
        ..CapsStanding::default()
    }))
}

fn hook(standing: HookStanding) -> Change {
    Change::Hooks(Arc::new(HooksStanding {
        hooks: [("failover".to_owned(), standing)].into(),
        ..HooksStanding::default()
    }))
}

fn recorder(problem: Option<String>) -> Change {
    Change::Recorder(Arc::new(RecorderStanding {
        name: "file".to_owned(),
        problem,
        ..RecorderStanding::default()
    }))
}

fn target(number: u8, reachable: bool) -> TargetChange {
    TargetChange {
        device: key(number),
        code: format!("ams{number}"),
        address: Ipv4Addr::new(203, 0, 113, number),
        reachable,
    }
}

/// Targets that were not asked yet.
fn latency() -> LatencyStatus {
    let report = |of: TargetChange| {
        Arc::new(TargetReport::new(Target {
            device: of.device,
            address: of.address,
            code: of.code,
            interface: None,
            is_activated: true,
        }))
    };
    LatencyStatus {
        targets: vec![report(target(1, true)), report(target(2, true))],
        ..LatencyStatus::default()
    }
}

/// Rows for everything, and nothing has happened.
fn quiet() -> Tables {
    after(vec![
        Change::Tunnel(Arc::new(report())),
        Change::Multicast(id(), Arc::default()),
        hook(HookStanding::default()),
        recorder(None),
        caps(CapStanding::default(), None),
        Change::Latency(Arc::new(latency())),
        Change::Liveness(Arc::default()),
    ])
}

/// Everything is wrong, and goes on being so.
fn ill() -> Tables {
    let problem = || Some("full".to_owned());
    let rate = Rate {
        up: Some(1),
        down: None,
    };
    let reason = MoveReason {
        why: MoveFault::Silence,
        back_at: HERE,
    };
    let contested = TunnelReport {
        contest: Some(Box::new(Contest {
            repairs: 20,
            steps: vec![],
            more: 0,
            last: Monotonic::ZERO,
            next: Monotonic::ZERO,
        })),
        postponed: Some(Box::new(PostponedMove {
            link: LinkSpec {
                name: link(),
                local: HERE,
                remote: HERE,
                ttl: 64,
                mtu: 1476,
            },
            reason,
            retry_at: Monotonic::ZERO,
        })),
        session: SessionStatus::Failed,
        ..report()
    };
    after(vec![
        Change::Tunnel(Arc::new(contested)),
        Change::Multicast(
            id(),
            Arc::new(MulticastStanding {
                failing: problem(),
                ..MulticastStanding::default()
            }),
        ),
        hook(HookStanding {
            failing: Some(HookFailure::NotStarted),
            ..HookStanding::default()
        }),
        recorder(problem()),
        caps(
            CapStanding {
                cap: problem(),
                held_to: Some(rate),
                ..CapStanding::default()
            },
            problem(),
        ),
        Change::Rates(Arc::new(Rates {
            of: [(id(), rate)].into_iter().collect(),
            ..Rates::default()
        })),
        Change::Latency(Arc::new(LatencyStatus {
            socket_error: problem(),
            devices_error: problem(),
            ..latency()
        })),
        Change::Liveness(Arc::new(LivenessStatus {
            socket_error: problem(),
            ..LivenessStatus::default()
        })),
        Change::Disk(Arc::new(Disk {
            problem: problem(),
            ..Disk::default()
        })),
        Change::Journal(problem()),
        Change::Usage(Arc::new(UsageStatus {
            problem: problem(),
            ..UsageStatus::default()
        })),
        Change::Address(Arc::new(HostAddress {
            other: Some(HERE),
            pin_problem: problem(),
            ..HostAddress::default()
        })),
        Change::OtherSource(id(), Some(HERE)),
        Change::Ledger(Arc::new(LedgerWay {
            subscribed: true,
            ..LedgerWay::default()
        })),
        Change::Switch(Switch::On),
        Change::Manual(Arc::new(Manual {
            removed: [id()].into(),
            ..Manual::default()
        })),
        Change::Excluded(Arc::new(ExclusionStatus {
            error: problem(),
            ..ExclusionStatus::default()
        })),
        Change::Refused(key(1), Some(crate::desired::Refusal::NotOurs)),
        Change::Reconciler(ReconcilerStanding {
            generation: Generation(2),
            ..ReconcilerStanding::default()
        }),
    ])
}

/// An address is pinned, and the disk is well.
fn pinned() -> Tables {
    after(vec![Change::Disk(Arc::new(Disk {
        pin: Some(HERE),
        ..Disk::default()
    }))])
}

#[test]
fn each_kind_of_event_is_belied_by_a_table_that_has_it_otherwise_but_for_those_of_which_no_table_tells() {
    let tables = [quiet(), ill(), pinned()];
    // Of hosts that are not named nothing is known: only an event that names all of them claims something.
    let mut events = samples();
    events.push(hosts(&[(1, PeerState::Up)], 0));
    let is_belied = |event: &Event| {
        tables
            .iter()
            .any(|tables| tables.belied(std::slice::from_ref(event)).is_some())
    };
    let belied: BTreeSet<Kind> = events
        .iter()
        .filter(|event| is_belied(event))
        .map(Event::kind)
        .collect();
    let unclaimed: BTreeSet<Kind> = Kind::ALL
        .iter()
        .filter(|kind| !belied.contains(kind))
        .copied()
        .collect();
    assert_eq!(unclaimed, BTreeSet::from(UNCLAIMED));
}

fn hosts(changes: &[(u8, PeerState)], more: usize) -> Event {
    let change = |(number, state): &(u8, PeerState)| PeerChange {
        link: link(),
        peer: Ipv4Addr::new(198, 18, 0, *number),
        state: *state,
    };
    Event::LivenessChanged {
        tunnel: id(),
        peers: changes.iter().map(change).collect(),
        more,
    }
}

#[test]
fn hosts_are_told_as_their_sessions_stand_after_the_last_of_their_changes() {
    let session = |number: u8, state| SessionReport {
        link: link(),
        source: HERE,
        peer: Ipv4Addr::new(198, 18, 0, number),
        routes: vec![],
        mode: LivenessMode::Passive,
        state,
        reason: DownReason::None,
        since: Monotonic::ZERO,
        peer_mode: None,
        peer_release: None,
        verdict: None,
        detection_time: std::time::Duration::ZERO,
    };
    let tables = after(vec![Change::Liveness(Arc::new(LivenessStatus {
        sessions: vec![session(1, SessionState::Up), session(2, SessionState::Down)],
        ..LivenessStatus::default()
    }))]);
    let is_so = |changes: &[(u8, PeerState)], more| tables.belied(&[hosts(changes, more)]).is_none();
    let (up, down, gone) = (PeerState::Up, PeerState::TimedOut, PeerState::Released);
    assert!(is_so(&[(1, up), (2, down), (3, gone)], 0));
    assert!(is_so(&[(1, down), (1, up)], 0), "it came back");
    for wrong in [(1, down), (1, gone), (2, up), (3, up)] {
        assert!(!is_so(&[wrong], 0), "{wrong:?}");
        assert!(is_so(&[wrong], 1), "it may be the one that is not named");
    }
}

#[test]
fn a_step_that_waits_is_told_with_the_fault_that_the_tunnel_waits_with_and_one_that_does_not_wait_claims_nothing()
 {
    let fault = |detail: &str| Fault {
        class: FaultClass::Transient,
        operation: "make link doublezero0".to_owned(),
        detail: detail.to_owned(),
    };
    let failed = |detail: &str, retry_in_ms| Event::StepFailed {
        tunnel: id(),
        phase: Phase::Linking,
        fault: fault(detail),
        retry_in_ms,
    };
    let waits = after(vec![Change::Tunnel(Arc::new(TunnelReport {
        failure: Some(Box::new(crate::lifecycle::FailureReport {
            phase: Phase::Linking,
            fault: fault("busy"),
            retry_at: Monotonic::ZERO,
        })),
        ..report()
    }))]);
    assert_eq!(waits.belied(&[failed("busy", 250)]), None);
    assert_eq!(waits.belied(&[failed("full", 250)]), Some(&failed("full", 250)));
    assert_eq!(
        waits.belied(&[failed("full", 250), failed("busy", 250)]),
        None,
        "the last counts"
    );
    assert_eq!(quiet().belied(&[failed("full", 0)]), None);
}
