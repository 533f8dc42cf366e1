mod restarts;

use std::net::Ipv4Addr;

use super::*;
use crate::{
    Asn, ServiceKind,
    view::{Device, GlobalConfig, Provenance, Quarantine, RawNet, SlotRange, User},
};

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

fn user(status: UserStatus) -> User {
    User {
        owner: key(200),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: key(100),
        client_ip: Ipv4Addr::new(9, 1, 1, 1),
        dz_ip: Ipv4Addr::new(9, 1, 1, 1),
        tunnel_number: 500,
        tunnel_net: RawNet::default(),
        status,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}

fn view(slot: u64, users: impl IntoIterator<Item = u8>) -> View {
    let users = users
        .into_iter()
        .map(|number| (key(number), user(UserStatus::Activated)))
        .collect();
    View {
        slot: Slot(slot),
        users,
        ..View::default()
    }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_secs(seconds))
}

fn guard_with(first: View) -> ViewGuard {
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    assert!(matches!(guard.offer(at(0), Ok(first)), Verdict::Accept(_)));
    guard
}

fn users_in_force(guard: &ViewGuard) -> usize {
    guard.in_force().map_or(0, |accepted| accepted.view.users.len())
}

#[test]
fn a_failed_read_keeps_the_view_in_force() {
    let mut guard = guard_with(view(10, [1]));
    let verdict = guard.offer(at(5), Err::<View, _>("connection refused".to_owned()));
    assert!(
        matches!(verdict, Verdict::Hold(HoldReason::ReadFailed { .. })),
        "{verdict:?}"
    );
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn a_failed_read_before_any_view_gives_none() {
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    assert!(matches!(
        guard.offer(at(0), Err::<View, _>("timed out".to_owned())),
        Verdict::Hold(_)
    ));
    assert!(guard.in_force().is_none());
}

#[test]
fn a_slot_that_goes_backwards_is_ignored_even_when_it_adds() {
    let mut guard = guard_with(view(10, [1]));
    let verdict = guard.offer(at(1), Ok(view(9, [1, 2])));
    assert!(
        matches!(
            verdict,
            Verdict::Hold(HoldReason::SlotWentBack {
                read: Slot(9),
                in_force: Slot(10)
            })
        ),
        "{verdict:?}"
    );
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn of_two_endpoints_the_newer_slot_wins_and_they_are_never_merged() {
    let mut guard = guard_with(view(10, [1, 2, 3]));
    assert!(matches!(
        guard.offer(at(1), Ok(view(12, [1, 2]))),
        Verdict::Accept(_)
    ));
    assert!(matches!(
        guard.offer(at(2), Ok(view(11, [1, 2, 3]))),
        Verdict::Hold(_)
    ));
    assert_eq!(users_in_force(&guard), 2);
}

#[test]
fn an_empty_list_after_a_full_one_waits_for_a_second_read() {
    let mut guard = guard_with(view(10, [1]));
    assert!(matches!(
        guard.offer(at(1), Ok(view(11, []))),
        Verdict::Confirm(HoldReason::Emptied { before: 1 })
    ));
    assert_eq!(users_in_force(&guard), 1);
    assert!(matches!(guard.offer(at(2), Ok(view(12, []))), Verdict::Accept(_)));
    assert_eq!(users_in_force(&guard), 0);
}

#[test]
fn a_second_read_that_has_the_user_again_takes_nothing_away() {
    let mut guard = guard_with(view(10, [1]));
    guard.offer(at(1), Ok(view(11, [])));
    assert!(matches!(
        guard.offer(at(2), Ok(view(12, [1]))),
        Verdict::Accept(_)
    ));
    assert!(
        matches!(guard.offer(at(3), Ok(view(13, []))), Verdict::Confirm(_)),
        "the first doubt is forgotten"
    );
}

#[test]
fn a_failed_read_between_the_two_confirms_nothing() {
    let mut guard = guard_with(view(10, [1]));
    guard.offer(at(1), Ok(view(11, [])));
    guard.offer(at(2), Err::<View, _>("garbage".to_owned()));
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn more_than_half_of_more_than_one_waits_for_a_second_read() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4, 5]));
    let verdict = guard.offer(at(1), Ok(view(11, [1, 2])));
    assert!(
        matches!(
            verdict,
            Verdict::Confirm(HoldReason::MassRemoval { gone: 3, before: 5 })
        ),
        "{verdict:?}"
    );
    assert!(matches!(
        guard.offer(at(2), Ok(view(12, [1, 2]))),
        Verdict::Accept(_)
    ));
}

#[test]
fn a_second_read_that_takes_others_away_is_not_a_confirmation() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4]));
    assert!(matches!(
        guard.offer(at(1), Ok(view(11, [1]))),
        Verdict::Confirm(_)
    ));
    assert!(matches!(
        guard.offer(at(2), Ok(view(12, [4]))),
        Verdict::Confirm(_)
    ));
    assert_eq!(users_in_force(&guard), 4);
}

#[test]
fn a_second_read_that_takes_fewer_away_is_a_confirmation_of_those() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4]));
    guard.offer(at(1), Ok(view(11, [])));
    assert!(matches!(
        guard.offer(at(2), Ok(view(12, [4]))),
        Verdict::Accept(_)
    ));
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn half_of_the_users_and_one_of_one_go_at_once() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4]));
    assert!(matches!(
        guard.offer(at(1), Ok(view(11, [1, 2]))),
        Verdict::Accept(_)
    ));
    let mut guard = guard_with(view(10, [1]));
    let mut banned = view(11, []);
    banned.users.insert(key(1), user(UserStatus::Banned));
    assert!(
        matches!(guard.offer(at(1), Ok(banned)), Verdict::Accept(_)),
        "a ban is a statement about this user"
    );
}

#[test]
fn users_that_lose_their_status_count_as_gone() {
    let mut guard = guard_with(view(10, [1, 2, 3]));
    let mut banned = view(11, [1]);
    banned.users.insert(key(2), user(UserStatus::Banned));
    banned.users.insert(key(3), user(UserStatus::Unknown(77)));
    assert!(matches!(
        guard.offer(at(1), Ok(banned)),
        Verdict::Confirm(HoldReason::MassRemoval { gone: 2, before: 3 })
    ));
}

#[test]
fn a_removal_without_a_newer_slot_proves_nothing() {
    let mut guard = guard_with(view(10, [1, 2, 3]));
    assert!(matches!(
        guard.offer(at(1), Ok(view(10, [1, 2]))),
        Verdict::Confirm(HoldReason::SameSlot { .. })
    ));
    assert!(
        matches!(guard.offer(at(2), Ok(view(10, [1, 2, 3, 4]))), Verdict::Accept(_)),
        "an addition needs no proof"
    );
}

#[test]
fn a_user_that_no_longer_decodes_is_not_gone() {
    let mut guard = guard_with(view(10, [1]));
    let mut garbled = view(11, []);
    garbled.quarantined.insert(
        key(1),
        Quarantine {
            reason: "too short".to_owned(),
        },
    );
    let Verdict::Accept(accepted) = guard.offer(at(1), Ok(garbled)) else {
        panic!("a quarantine is no removal")
    };
    assert!(accepted.view.quarantined.contains_key(&key(1)));
}

#[test]
fn an_old_view_stays_in_force_and_is_as_old_as_its_read() {
    let mut guard = guard_with(view(10, [1]));
    let read_at = |guard: &ViewGuard| guard.in_force().map(|accepted| accepted.read_at);
    let past = Monotonic::ZERO + GuardSettings::default().max_view_age + Duration::from_secs(1);
    guard.offer(past, Err::<View, _>("503".to_owned()));
    assert!(read_at(&guard) < Some(past) && users_in_force(&guard) == 1);
    guard.offer(past, Ok(view(11, [1])));
    assert_eq!(read_at(&guard), Some(past));
}

#[test]
fn a_guard_that_is_started_again_goes_on_from_the_view_in_force() {
    let guard = guard_with(view(10, [1]));
    let mut next = ViewGuard::new(GuardSettings::default(), guard.in_force().cloned());
    assert!(matches!(
        next.offer(at(1), Ok(view(9, []))),
        Verdict::Hold(HoldReason::SlotWentBack { .. })
    ));
}

#[test]
fn a_wary_guards_empty_first_view_must_be_confirmed_by_a_second_one_that_is_not_older() {
    let mut guard = ViewGuard::wary(GuardSettings::default());
    let unconfirmed = |verdict| matches!(verdict, Verdict::Confirm(HoldReason::EmptyAtFirst));
    assert!(unconfirmed(guard.offer(at(0), Ok(view(10, [])))));
    assert!(matches!(
        guard.offer(at(1), Err::<View, _>("timed out".to_owned())),
        Verdict::Hold(HoldReason::ReadFailed { .. })
    ));
    assert!(
        unconfirmed(guard.offer(at(2), Ok(view(9, [])))),
        "an older view confirms nothing"
    );
    assert!(guard.in_force().is_none());
    assert!(matches!(guard.offer(at(3), Ok(view(10, []))), Verdict::Accept(_)));
}

#[test]
fn a_wary_guard_takes_a_first_view_with_users_at_once() {
    let mut guard = ViewGuard::wary(GuardSettings::default());
    assert!(matches!(
        guard.offer(at(0), Ok(view(10, [1]))),
        Verdict::Accept(_)
    ));
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    assert!(
        matches!(guard.offer(at(0), Ok(view(10, []))), Verdict::Accept(_)),
        "no other question was asked before"
    );
}

/// A read at these slots and this time of the ledger's clock.
fn read_at(users: u64, rest: u64, clock: i64, who: impl IntoIterator<Item = u8>) -> View {
    let (users, rest) = (SlotRange::at(Slot(users)), SlotRange::at(Slot(rest)));
    let device = Device {
        code: "d".to_owned(),
        exchange: key(0),
        public_ip: Ipv4Addr::new(203, 0, 113, 1),
        status: 1,
        prefixes: vec![],
    };
    View {
        slot: users.lowest.min(rest.lowest),
        devices: [(key(100), device)].into(),
        config: Some(GlobalConfig {
            local_asn: Asn(0),
            remote_asn: Asn(0),
        }),
        provenance: Some(Provenance {
            users,
            rest,
            clock: Some(clock),
            endpoint: 0,
        }),
        ..view(0, who)
    }
}

fn by_endpoint(endpoint: usize, mut view: View) -> View {
    view.provenance = view.provenance.map(|provenance| Provenance {
        endpoint,
        ..provenance
    });
    view
}

#[test]
fn each_part_of_a_view_is_compared_with_the_same_part_of_the_one_in_force() {
    let mut guard = guard_with(read_at(140, 120, 0, [1, 2, 3]));
    // Its lowest slot is newer, but the users are older: one that came in between is not gone.
    let verdict = guard.offer(at(1), Ok(read_at(125, 125, 0, [1, 2])));
    assert!(
        matches!(
            verdict,
            Verdict::Hold(HoldReason::SlotWentBack {
                read: Slot(125),
                in_force: Slot(140)
            })
        ),
        "{verdict:?}"
    );
    let verdict = guard.offer(at(2), Ok(read_at(150, 119, 0, [1, 2, 3])));
    assert!(
        matches!(
            verdict,
            Verdict::Hold(HoldReason::SlotWentBack {
                read: Slot(119),
                in_force: Slot(120)
            })
        ),
        "{verdict:?}"
    );
    assert!(matches!(
        guard.offer(at(3), Ok(read_at(150, 120, 0, [1, 2]))),
        Verdict::Accept(_)
    ));
    let verdict = guard.offer(at(4), Ok(read_at(150, 130, 0, [1])));
    assert!(
        matches!(
            verdict,
            Verdict::Confirm(HoldReason::SameSlot {
                slot: Slot(150),
                gone: 1
            })
        ),
        "{verdict:?}"
    );
}

#[test]
fn parts_that_took_several_requests_count_by_their_lowest_slot_now_and_by_their_newest_before() {
    let range = |lowest, newest| SlotRange {
        lowest: Slot(lowest),
        newest: Slot(newest),
    };
    let with = |users, rest| {
        let provenance = Provenance {
            users,
            rest,
            clock: None,
            endpoint: 0,
        };
        View {
            provenance: Some(provenance),
            ..view(0, [1])
        }
    };
    let mut guard = guard_with(with(range(100, 110), range(90, 120)));
    assert!(matches!(
        guard.offer(at(1), Ok(with(range(109, 130), range(120, 130)))),
        Verdict::Hold(_)
    ));
    assert!(matches!(
        guard.offer(at(1), Ok(with(range(110, 130), range(119, 130)))),
        Verdict::Hold(_)
    ));
    assert!(matches!(
        guard.offer(at(1), Ok(with(range(110, 130), range(120, 130)))),
        Verdict::Accept(_)
    ));
}

#[test]
fn a_view_that_says_the_same_is_not_told_again_and_a_read_that_is_held_is_told_once() {
    use crate::{
        Epoch, NodeId,
        reconcile::Role,
        table::{Bounds, Table},
    };
    let role = Role::Gateway { device: key(100) };
    let mut table = Table::new(NodeId(1), Epoch(1), Bounds::of_events(10));
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    let mut told = |at_second, read: Result<View, String>| {
        let (events, changes) = guard.offer(at(at_second), read).told(role, table.tables());
        let names: Vec<_> = events.iter().map(|event| event.name()).collect();
        table.append(7, events, changes);
        (
            names,
            table
                .tables()
                .view
                .clone()
                .map(|in_force| in_force.accepted.view.slot.0),
            table.tables().held.is_some(),
        )
    };
    assert_eq!(told(0, Ok(view(1, [1]))), (vec!["view_accepted"], Some(1), false));
    assert_eq!(told(1, Ok(view(2, [1]))), (vec![], Some(2), false));
    assert_eq!(
        told(2, Err("no answer".to_owned())),
        (vec!["view_held"], Some(2), true)
    );
    assert_eq!(told(3, Err("no answer".to_owned())), (vec![], Some(2), true));
    assert_eq!(
        told(4, Ok(view(3, [1]))),
        (vec!["view_renewed"], Some(3), false),
        "and so is its end"
    );
    assert_eq!(
        told(5, Ok(view(4, []))),
        (vec![], Some(3), true),
        "the second read tells whether it is worth a word"
    );
    assert_eq!(told(6, Ok(view(5, []))), (vec!["view_accepted"], Some(5), false));
}

#[test]
fn a_view_that_grows_old_is_told_once_and_so_is_the_one_that_renews_it() {
    use crate::{
        Epoch, NodeId,
        reconcile::Role,
        table::{Bounds, Change, Table},
    };
    let role = Role::Gateway { device: key(100) };
    let other = Role::Gateway { device: key(101) };
    let oldest = GuardSettings::default().max_view_age;
    let mut table = Table::new(NodeId(1), Epoch(1), Bounds::of_events(10));
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    let read = |guard: &mut ViewGuard, table: &mut Table, second, slot| {
        let (events, changes) = guard
            .offer(at(second), Ok(view(slot, [1])))
            .told(role, table.tables());
        let names: Vec<_> = events.iter().map(|event| event.name()).collect();
        table.append(7, events, changes);
        names
    };
    let look = |table: &mut Table, role, second| {
        let (events, changes) = aged(table.tables(), Some(role), at(second), oldest);
        let names: Vec<_> = events.iter().map(|event| event.name()).collect();
        table.append(7, events, changes);
        (names, table.tables().stale)
    };
    assert_eq!(look(&mut table, role, 0), (vec![], false), "there is none");
    assert_eq!(read(&mut guard, &mut table, 0, 1), ["view_accepted"]);
    assert_eq!(look(&mut table, role, oldest.as_secs()), (vec![], false));
    let late = oldest.as_secs() + 1;
    assert_eq!(look(&mut table, role, late), (vec!["view_stale"], true));
    assert_eq!(look(&mut table, role, late + 1), (vec![], true), "once");
    assert_eq!(read(&mut guard, &mut table, late + 2, 2), ["view_renewed"]);
    assert!(!table.tables().stale);
    assert_eq!(look(&mut table, role, 2 * late + 3), (vec!["view_stale"], true));
    assert_eq!(
        look(&mut table, other, 2 * late + 3),
        (vec![], false),
        "it is about somebody else: none is in force"
    );
    table.append(7, vec![], vec![Change::View(None)]);
    assert_eq!(look(&mut table, role, 9 * late), (vec![], false));
}
