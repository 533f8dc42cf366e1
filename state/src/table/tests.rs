mod steps;

use proptest::{collection::vec, prelude::*};

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use super::*;
use crate::{
    Action, ApplyReport, Fault, FaultClass, Generation, Incarnation, LastApplied, LinkAction, LinkName,
    LivenessMode, Notice, PlannedStep, Pubkey, StepOutcome, Switch, TunnelId,
    desired::Refusal,
    guard::HoldReason,
    invariant::Invariant,
    lifecycle::{Lifecycle, LifecycleSettings, TunnelReport, WatchedRoute},
    standing::{BgpStanding, MulticastStanding},
    totals::Count,
};

/// What somebody appends: which events, and which changes.
#[derive(Clone, Debug)]
struct Append(Vec<u8>, Vec<(u8, u8)>);

fn id(number: u8) -> TunnelId {
    TunnelId(Pubkey([number; 32]))
}

fn applied() -> Arc<LastApplied> {
    let fault = Fault {
        class: FaultClass::Transient,
        operation: "create".to_owned(),
        detail: "busy".to_owned(),
    };
    let step = |number| PlannedStep {
        tunnel: id(number),
        link: LinkName::new("t0").unwrap(),
        action: Action::Link(LinkAction::Delete),
    };
    let mut steps: Vec<_> = (0..40).map(|number| (step(number), StepOutcome::Done)).collect();
    steps.push((step(99), StepOutcome::Failed(fault)));
    Arc::new(LastApplied::of(&ApplyReport {
        generation: Generation(3),
        steps,
        managed: [id(1)].into(),
        capabilities: Default::default(),
    }))
}

#[test]
fn of_what_was_applied_last_a_bounded_number_of_steps_is_kept_and_what_failed_comes_first() {
    let applied = applied();
    assert_eq!(
        (applied.tried, applied.report.steps.len()),
        (41, LastApplied::STEPS)
    );
    assert!(matches!(applied.report.steps[0].1, StepOutcome::Failed(_)));
    assert_eq!(applied.report.steps[1].0.tunnel, id(0));
}

fn report(number: u8, failures: u8) -> Arc<TunnelReport> {
    let report = Lifecycle::new(id(number), LifecycleSettings::default()).report();
    Arc::new(TunnelReport {
        repairs: u64::from(failures),
        ..report
    })
}

fn route(number: u8) -> WatchedRoute {
    let (dst, link) = (
        Ipv4Addr::from(u32::from(number % 4)).into(),
        LinkName::new("t0").unwrap(),
    );
    let mode = if number % 2 == 0 {
        LivenessMode::Active
    } else {
        LivenessMode::Passive
    };
    WatchedRoute {
        dst,
        link,
        source: Ipv4Addr::LOCALHOST,
        mode,
        incarnation: Incarnation(u64::from(number / 8)),
    }
}

fn event(number: u8) -> Event {
    match number % 3 {
        0 => Event::Switched { enabled: true },
        1 => Event::ViewStale {
            age_seconds: u64::from(number),
        },
        _ => Event::InvariantBroken {
            name: Invariant::ForeignUntouched,
            detail: String::new(),
        },
    }
}

fn change((kind, tunnel): (u8, u8)) -> Change {
    let small = kind / 20;
    match kind % 20 {
        0 => Change::TunnelDown(id(tunnel)),
        1 => Change::TunnelGone(id(tunnel)),
        2 if tunnel == 0 => Change::NoTunnels,
        3 if tunnel == 0 => Change::Restarted("watcher"),
        4 => Change::Watch {
            tunnel: id(tunnel),
            added: vec![route(small)],
            removed: vec![route(small / 2).dst],
        },
        5 => Change::Switch(Switch::from(small % 2 == 0)),
        6 => Change::Noticed(
            [Notice::Something, Notice::Elsewhere, Notice::Tunnel(id(tunnel))][usize::from(tunnel.min(2))],
        ),
        7 => Change::Counted(Count::Established(
            Ipv4Addr::from(u32::from(tunnel)),
            Duration::from_secs(small.into()),
        )),
        8 => Change::Reconciled(Reconciled {
            converged: small % 2 == 0,
            ..Reconciled::default()
        }),
        15 => Change::Refused(
            id(tunnel).0,
            (small % 3 > 0).then_some(Refusal::UnknownStatus { number: small }),
        ),
        17 => Change::Stale(small % 2 == 0),
        18 => Change::Ledger(Arc::new(LedgerWay {
            endpoint: small.to_string(),
            ..LedgerWay::default()
        })),
        16 => Change::OtherSource(
            id(tunnel),
            (small % 3 > 0).then_some(Ipv4Addr::from(u32::from(small))),
        ),
        9 => Change::Disk(Arc::new(Disk {
            pin: Some(Ipv4Addr::from(u32::from(small))),
            ..Disk::default()
        })),
        10 => Change::Excluded(Arc::new(ExclusionStatus {
            error: Some(small.to_string()),
            ..ExclusionStatus::default()
        })),
        11 => Change::Held(HoldReason::Emptied { before: small.into() }),
        12 if tunnel == 0 => Change::View(None),
        13 => Change::Session(
            id(tunnel),
            Arc::new(BgpStanding {
                prefixes: kind.into(),
                ..BgpStanding::default()
            }),
        ),
        14 => Change::Multicast(
            id(tunnel),
            Arc::new(MulticastStanding {
                generation_id: Some(kind.into()),
                ..MulticastStanding::default()
            }),
        ),
        other => Change::Tunnel(report(tunnel, other)),
    }
}

fn history() -> impl Strategy<Value = Vec<Append>> {
    let changes = vec((any::<u8>(), 0_u8..5), 0..3);
    vec(
        (vec(any::<u8>(), 0..4), changes).prop_map(|(events, changes)| Append(events, changes)),
        0..40,
    )
}

fn append(table: &mut Table, Append(events, changes): Append) {
    table.append(
        7,
        events.into_iter().map(event).collect(),
        changes.into_iter().map(change).collect(),
    );
}

proptest! {
    #[test]
    fn what_came_after_a_snapshot_folded_into_it_gives_every_later_one(history in history()) {
        let mut table = Table::new(NodeId(1), Epoch(3), Bounds { told: usize::MAX, whole: usize::MAX, bytes: usize::MAX });
        let mut snapshots = vec![table.snapshot()];
        for step in history {
            append(&mut table, step);
            snapshots.push(table.snapshot());
        }
        for (number, (at, tables)) in snapshots.iter().enumerate() {
            let mut folded = tables.clone();
            let mut position = *at;
            let mut later = snapshots[number..].iter();
            let mut next = later.next();
            for entry in table.changes_since(*at).unwrap() {
                while let Some((_, expected)) = next.filter(|(at, _)| *at == position) {
                    prop_assert_eq!(&folded, expected);
                    next = later.next();
                }
                prop_assert_eq!(entry.sequence.0, position.0 + 1);
                folded.fold(entry);
                position = entry.sequence;
            }
            prop_assert_eq!(&folded, table.tables());
        }
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_and_goes_on_from_a_snapshot(history in history(), kept in 1_usize..6, pace in 1_usize..9) {
        let mut table = Table::new(NodeId(1), Epoch(3), Bounds { told: kept + 3, whole: kept, bytes: usize::MAX });
        let (mut at, mut replica) = table.snapshot();
        for (number, step) in history.into_iter().enumerate() {
            append(&mut table, step);
            if number % pace != 0 {
                continue;
            }
            match table.changes_since(at) {
                Ok(entries) => {
                    for entry in entries {
                        replica.fold(entry);
                        at = entry.sequence;
                    }
                }
                Err(gap) => {
                    prop_assert!(gap.oldest.0 > at.0 + 1);
                    (at, replica) = table.snapshot();
                }
            }
            prop_assert_eq!(&replica, table.tables());
            prop_assert_eq!(at, table.snapshot().0);
        }
    }
}

/// What a reader knows that goes by news alone.
#[derive(Default, PartialEq, Debug)]
struct Known {
    running: BTreeMap<TunnelId, Arc<TunnelReport>>,
    watched: BTreeMap<TunnelId, BTreeMap<ipnet::Ipv4Net, WatchedRoute>>,
}

impl Known {
    fn hear(&mut self, before: &Tables, now: &Tables) {
        for (id, news) in now.tunnel_news(before) {
            match news {
                TunnelNews::Ended { .. } => drop(self.running.remove(&id)),
                TunnelNews::Report(report) => drop(self.running.insert(id, report)),
            }
        }
        for (id, news) in now.watch_news(before) {
            match news {
                WatchNews::Gone => drop(self.watched.remove(&id)),
                WatchNews::Changed { added, removed } => {
                    let routes = self.watched.entry(id).or_default();
                    removed.iter().for_each(|dst| drop(routes.remove(dst)));
                    routes.extend(added.into_iter().map(|route| (route.dst, route)));
                }
            }
        }
    }

    fn of(tables: &Tables) -> Self {
        let running = tables
            .running()
            .map(|report| (report.tunnel, report.clone()))
            .collect();
        let routes = |watch: &Watch| {
            watch
                .routes
                .iter()
                .map(|(dst, route)| (*dst, route.clone()))
                .collect()
        };
        Self {
            running,
            watched: tables
                .watched
                .iter()
                .map(|(id, watch)| (*id, routes(watch)))
                .collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_reader_that_goes_by_what_is_new_knows_all_at_every_pace(history in history(), pace in 1_usize..9) {
        let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
        let (mut before, mut known) = (Tables::default(), Known::default());
        for (number, step) in history.into_iter().enumerate() {
            append(&mut table, step);
            if number % pace == 0 {
                let now = table.tables().clone();
                known.hear(&before, &now);
                prop_assert_eq!(&known, &Known::of(&now));
                prop_assert!(now.tunnel_news(&now).is_empty() && now.watch_news(&now).is_empty() && now.notices.since(&now.notices).is_empty());
                before = now;
            }
        }
    }
}

#[test]
fn a_provisioner_that_failed_and_came_back_between_two_reads_is_told_of_as_one_that_ended() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
    table.append(
        7,
        vec![],
        vec![
            Change::Tunnel(report(1, 0)),
            Change::Watch {
                tunnel: id(1),
                added: vec![route(0)],
                removed: vec![],
            },
        ],
    );
    let before = table.tables().clone();
    table.append(7, vec![], vec![Change::TunnelDown(id(1))]);
    let down = table.tables().clone();
    assert_eq!(
        down.tunnel_news(&before),
        [(id(1), TunnelNews::Ended { finished: false })]
    );
    assert_eq!(down.watch_news(&before), [(id(1), WatchNews::Gone)]);
    table.append(7, vec![], vec![Change::Tunnel(report(1, 0))]);
    table.append(
        7,
        vec![],
        vec![Change::Watch {
            tunnel: id(1),
            added: vec![route(0)],
            removed: vec![],
        }],
    );
    let now = table.tables();
    let report = TunnelNews::Report(report(1, 0));
    assert_eq!(
        now.tunnel_news(&before),
        [
            (id(1), TunnelNews::Ended { finished: false }),
            (id(1), report.clone())
        ]
    );
    assert_eq!(now.tunnel_news(&down), [(id(1), report)]);
    let again = WatchNews::Changed {
        added: vec![route(0)],
        removed: vec![],
    };
    assert_eq!(
        now.watch_news(&before),
        [(id(1), WatchNews::Gone), (id(1), again)]
    );
    table.append(7, vec![], vec![Change::TunnelGone(id(1))]);
    assert_eq!(
        table.tables().tunnel_news(&down),
        [(id(1), TunnelNews::Ended { finished: true })]
    );
}

#[test]
fn a_provisioner_that_began_and_ended_between_two_reads_is_told_of_and_the_oldest_ends_are_let_go() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
    let before = table.tables().clone();
    table.append(7, vec![], vec![Change::Tunnel(report(1, 0))]);
    table.append(7, vec![], vec![Change::TunnelGone(id(1))]);
    let gone = table.tables().clone();
    assert_eq!(
        gone.tunnel_news(&before),
        [(id(1), TunnelNews::Ended { finished: true })]
    );
    assert_eq!(gone.tunnel_news(&gone), []);
    table.append(7, vec![], vec![Change::Tunnel(report(1, 1))]);
    let ended = (id(1), TunnelNews::Ended { finished: true });
    assert_eq!(
        table.tables().tunnel_news(&before),
        [ended, (id(1), TunnelNews::Report(report(1, 1)))]
    );
    assert_eq!(
        table.tables().tunnel_news(&gone),
        [(id(1), TunnelNews::Report(report(1, 1)))]
    );
    for number in 0..Ends::MOST + 10 {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        table.append(7, vec![], vec![Change::TunnelGone(TunnelId(Pubkey(key)))]);
    }
    assert_eq!(table.tables().ends.tunnels.len(), Ends::MOST);
}

#[test]
fn notices_are_told_once_and_past_the_bound_they_are_of_anything() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
    let tunnel = |number: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        Notice::Tunnel(TunnelId(Pubkey(key)))
    };
    let tell = |table: &mut Table, notices: &[Notice]| {
        table.append(7, vec![], notices.iter().copied().map(Change::Noticed).collect());
    };
    let before = table.tables().clone();
    tell(&mut table, &[tunnel(1), Notice::Elsewhere, tunnel(2), tunnel(1)]);
    let two = table.tables().clone();
    assert_eq!(
        two.notices.since(&before.notices),
        [Notice::Elsewhere, tunnel(1), tunnel(2)]
    );
    (0..=Notices::MOST).for_each(|number| tell(&mut table, &[tunnel(number)]));
    let now = table.tables().clone();
    assert_eq!(now.notices.since(&two.notices)[0], Notice::Something);
    tell(&mut table, &[tunnel(3)]);
    assert_eq!(table.tables().notices.since(&now.notices), [tunnel(3)]);
    assert_eq!(table.tables().inputs, table.snapshot().0);
}

#[test]
fn many_routes_are_told_in_pieces_and_in_order() {
    let changed = WatchNews::Changed {
        added: (10..35).map(route).collect(),
        removed: (0..8).map(|number| route(number).dst).collect(),
    };
    let (mut rest, mut sizes) = (Some(changed), vec![]);
    while let Some(news) = rest {
        let (now, later) = news.split(10);
        sizes.push(now.len());
        rest = later;
    }
    assert_eq!(sizes, [10, 10, 10, 3]);
}
