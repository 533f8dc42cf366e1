//! Of the daemon, of hooks and of health.

use super::*;

pub(super) fn of_the_daemon() -> Vec<Event> {
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

pub(super) fn of_hooks_and_health() -> Vec<Event> {
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
