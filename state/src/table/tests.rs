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
    reconcile::{Input, Reader},
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
        8 => Change::Reconciler(ReconcilerStanding {
            converged: small % 2 == 0,
            ..ReconcilerStanding::default()
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
    fn hear(&mut self, told: Vec<Input>, before: &Tables, now: &Tables) {
        for input in told {
            match input {
                Input::ProvisionerEnded { tunnel, .. } => drop(self.running.remove(&tunnel)),
                Input::Tunnel(report) => drop(self.running.insert(report.tunnel, report)),
                _ => {}
            }
        }
        for (id, news) in Watch::news(&before.watched, &now.watched) {
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

/// The reconciler as a reader, which has read everything until now.
fn reader(table: &Table) -> Reader {
    let mut reader = Reader::new(0, None, table.tables());
    read(&mut reader, table);
    reader
}

fn read(reader: &mut Reader, table: &Table) -> Vec<Input> {
    reader.read(&table.since(reader.position()), None)
}

fn ended(number: u8, finished: bool) -> Input {
    Input::ProvisionerEnded {
        tunnel: id(number),
        finished,
    }
}

proptest! {
    #[test]
    fn a_reader_that_goes_by_what_is_new_knows_all_at_every_pace(history in history(), kept in 1_usize..9, pace in 1_usize..9) {
        let mut table = Table::new(NodeId(1), Epoch(3), Bounds { told: kept + 3, whole: kept, bytes: usize::MAX });
        let (mut reader, mut before, mut known) = (reader(&table), Tables::default(), Known::default());
        for (number, step) in history.into_iter().enumerate() {
            append(&mut table, step);
            if number % pace == 0 {
                let now = table.tables().clone();
                known.hear(read(&mut reader, &table), &before, &now);
                prop_assert_eq!(&known, &Known::of(&now));
                prop_assert!(read(&mut reader, &table).is_empty() && Watch::news(&now.watched, &now.watched).is_empty());
                before = now;
            }
        }
    }
}

/// Short enough a past that a reader misses some of it, and long enough that it misses nothing.
const PASTS: [usize; 2] = [1, 10];

#[test]
fn a_provisioner_that_failed_and_came_back_between_two_reads_is_told_of_as_one_that_ended() {
    for kept in PASTS {
        let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(kept));
        let watch = || Change::Watch {
            tunnel: id(1),
            added: vec![route(0)],
            removed: vec![],
        };
        table.append(7, vec![], vec![Change::Tunnel(report(1, 0)), watch()]);
        let (mut slow, mut fast, before) = (reader(&table), reader(&table), table.tables().clone());
        table.append(7, vec![], vec![Change::TunnelDown(id(1))]);
        let down = table.tables().clone();
        assert_eq!(read(&mut fast, &table), [ended(1, false)]);
        assert_eq!(
            Watch::news(&before.watched, &down.watched),
            [(id(1), WatchNews::Gone)]
        );
        table.append(7, vec![], vec![Change::Tunnel(report(1, 0))]);
        table.append(7, vec![], vec![watch()]);
        let of_tunnels = |inputs: Vec<Input>| -> Vec<Input> {
            let is_notice = |input: &Input| matches!(input, Input::Notice(_));
            inputs.into_iter().filter(|input| !is_notice(input)).collect()
        };
        let news = Input::Tunnel(report(1, 0));
        assert_eq!(
            of_tunnels(read(&mut slow, &table)),
            [ended(1, false), news.clone()]
        );
        let mut late = fast.clone();
        assert_eq!(of_tunnels(read(&mut fast, &table)), [news]);
        let again = WatchNews::Changed {
            added: vec![route(0)],
            removed: vec![],
        };
        assert_eq!(
            Watch::news(&before.watched, &table.tables().watched),
            [(id(1), WatchNews::Gone), (id(1), again)]
        );
        table.append(7, vec![], vec![Change::TunnelGone(id(1))]);
        assert_eq!(of_tunnels(read(&mut late, &table)), [ended(1, true)]);
    }
}

#[test]
fn a_provisioner_that_began_and_ended_between_two_reads_is_told_of_and_the_oldest_ends_are_let_go() {
    for kept in PASTS {
        let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(kept));
        let (mut one, mut two) = (reader(&table), reader(&table));
        table.append(7, vec![], vec![Change::Tunnel(report(1, 0))]);
        table.append(7, vec![], vec![Change::TunnelGone(id(1))]);
        assert_eq!(read(&mut one, &table)[0], ended(1, true));
        assert_eq!(read(&mut one, &table), []);
        table.append(7, vec![], vec![Change::Tunnel(report(1, 1))]);
        let news = Input::Tunnel(report(1, 1));
        assert_eq!(read(&mut two, &table)[..2], [ended(1, true), news.clone()]);
        assert_eq!(read(&mut one, &table), [news]);
        for number in 0..Ends::MOST + 10 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            table.append(7, vec![], vec![Change::TunnelGone(TunnelId(Pubkey(key)))]);
        }
        assert_eq!(table.tables().ends.tunnels.len(), Ends::MOST);
    }
}

#[test]
fn notices_are_told_once_and_anything_may_have_changed_where_some_were_missed() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(3));
    let mut reader = reader(&table);
    let tunnel = |number: u8| Notice::Tunnel(id(number));
    let tell = |table: &mut Table, notices: &[Notice]| {
        table.append(7, vec![], notices.iter().copied().map(Change::Noticed).collect());
    };
    let told = |notices: &[Notice]| notices.iter().copied().map(Input::Notice).collect::<Vec<_>>();
    tell(&mut table, &[tunnel(1), Notice::Elsewhere, tunnel(2), tunnel(1)]);
    assert_eq!(
        read(&mut reader, &table),
        told(&[tunnel(1), tunnel(2), Notice::Elsewhere])
    );
    (0..9).for_each(|number| tell(&mut table, &[tunnel(number)]));
    assert_eq!(read(&mut reader, &table), told(&[Notice::Something]));
    tell(&mut table, &[tunnel(3)]);
    assert_eq!(read(&mut reader, &table), told(&[tunnel(3)]));
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
