use std::net::Ipv4Addr;

use super::*;
use crate::{
    ServiceKind,
    view::{Quarantine, RawNet, User},
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
    let users = users.into_iter().map(|number| (key(number), user(UserStatus::Activated))).collect();
    View { slot: Slot(slot), users, ..View::default() }
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
    let verdict = guard.offer(at(5), Err("connection refused".to_owned()));
    assert!(matches!(verdict, Verdict::Hold(HoldReason::ReadFailed { .. })), "{verdict:?}");
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn a_failed_read_before_any_view_gives_none() {
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    assert!(matches!(guard.offer(at(0), Err("timed out".to_owned())), Verdict::Hold(_)));
    assert!(guard.in_force().is_none() && guard.age(at(9)).is_none());
}

#[test]
fn a_slot_that_goes_backwards_is_ignored_even_when_it_adds() {
    let mut guard = guard_with(view(10, [1]));
    let verdict = guard.offer(at(1), Ok(view(9, [1, 2])));
    assert!(matches!(verdict, Verdict::Hold(HoldReason::SlotWentBack { read: Slot(9), in_force: Slot(10) })), "{verdict:?}");
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn of_two_endpoints_the_newer_slot_wins_and_they_are_never_merged() {
    let mut guard = guard_with(view(10, [1, 2, 3]));
    assert!(matches!(guard.offer(at(1), Ok(view(12, [1, 2]))), Verdict::Accept(_)));
    assert!(matches!(guard.offer(at(2), Ok(view(11, [1, 2, 3]))), Verdict::Hold(_)));
    assert_eq!(users_in_force(&guard), 2);
}

#[test]
fn an_empty_list_after_a_full_one_waits_for_a_second_read() {
    let mut guard = guard_with(view(10, [1]));
    assert!(matches!(guard.offer(at(1), Ok(view(11, []))), Verdict::Confirm(HoldReason::Emptied { before: 1 })));
    assert_eq!(users_in_force(&guard), 1);
    assert!(matches!(guard.offer(at(2), Ok(view(12, []))), Verdict::Accept(_)));
    assert_eq!(users_in_force(&guard), 0);
}

#[test]
fn a_second_read_that_has_the_user_again_takes_nothing_away() {
    let mut guard = guard_with(view(10, [1]));
    guard.offer(at(1), Ok(view(11, [])));
    assert!(matches!(guard.offer(at(2), Ok(view(12, [1]))), Verdict::Accept(_)));
    assert!(matches!(guard.offer(at(3), Ok(view(13, []))), Verdict::Confirm(_)), "the first doubt is forgotten");
}

#[test]
fn a_failed_read_between_the_two_confirms_nothing() {
    let mut guard = guard_with(view(10, [1]));
    guard.offer(at(1), Ok(view(11, [])));
    guard.offer(at(2), Err("garbage".to_owned()));
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn more_than_half_of_more_than_one_waits_for_a_second_read() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4, 5]));
    let verdict = guard.offer(at(1), Ok(view(11, [1, 2])));
    assert!(matches!(verdict, Verdict::Confirm(HoldReason::MassRemoval { gone: 3, before: 5 })), "{verdict:?}");
    assert!(matches!(guard.offer(at(2), Ok(view(12, [1, 2]))), Verdict::Accept(_)));
}

#[test]
fn a_second_read_that_takes_others_away_is_not_a_confirmation() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4]));
    assert!(matches!(guard.offer(at(1), Ok(view(11, [1]))), Verdict::Confirm(_)));
    assert!(matches!(guard.offer(at(2), Ok(view(12, [4]))), Verdict::Confirm(_)));
    assert_eq!(users_in_force(&guard), 4);
}

#[test]
fn a_second_read_that_takes_fewer_away_is_a_confirmation_of_those() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4]));
    guard.offer(at(1), Ok(view(11, [])));
    assert!(matches!(guard.offer(at(2), Ok(view(12, [4]))), Verdict::Accept(_)));
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn half_of_the_users_and_one_of_one_go_at_once() {
    let mut guard = guard_with(view(10, [1, 2, 3, 4]));
    assert!(matches!(guard.offer(at(1), Ok(view(11, [1, 2]))), Verdict::Accept(_)));
    let mut guard = guard_with(view(10, [1]));
    let mut banned = view(11, []);
    banned.users.insert(key(1), user(UserStatus::Banned));
    assert!(matches!(guard.offer(at(1), Ok(banned)), Verdict::Accept(_)), "a ban is a statement about this user");
}

#[test]
fn users_that_lose_their_status_count_as_gone() {
    let mut guard = guard_with(view(10, [1, 2, 3]));
    let mut banned = view(11, [1]);
    banned.users.insert(key(2), user(UserStatus::Banned));
    banned.users.insert(key(3), user(UserStatus::Unknown(77)));
    assert!(matches!(guard.offer(at(1), Ok(banned)), Verdict::Confirm(HoldReason::MassRemoval { gone: 2, before: 3 })));
}

#[test]
fn a_removal_without_a_newer_slot_proves_nothing() {
    let mut guard = guard_with(view(10, [1, 2, 3]));
    assert!(matches!(guard.offer(at(1), Ok(view(10, [1, 2]))), Verdict::Confirm(HoldReason::SameSlot { .. })));
    assert!(matches!(guard.offer(at(2), Ok(view(10, [1, 2, 3, 4]))), Verdict::Accept(_)), "an addition needs no proof");
}

#[test]
fn a_user_that_no_longer_decodes_is_not_gone() {
    let mut guard = guard_with(view(10, [1]));
    let mut garbled = view(11, []);
    garbled.quarantined.insert(key(1), Quarantine { reason: "too short".to_owned() });
    let Verdict::Accept(accepted) = guard.offer(at(1), Ok(garbled)) else { panic!("a quarantine is no removal") };
    assert!(accepted.view.quarantined.contains_key(&key(1)));
}

#[test]
fn an_old_view_is_stale_and_stays_in_force() {
    let mut guard = guard_with(view(10, [1]));
    let limit = GuardSettings::default().max_view_age;
    guard.offer(at(1), Err("503".to_owned()));
    assert!(!guard.is_stale(Monotonic::ZERO + limit));
    let past = Monotonic::ZERO + limit + Duration::from_secs(1);
    assert!(guard.is_stale(past) && users_in_force(&guard) == 1);
    guard.offer(past, Ok(view(11, [1])));
    assert!(!guard.is_stale(past));
}

#[test]
fn a_guard_that_is_started_again_goes_on_from_the_view_in_force() {
    let guard = guard_with(view(10, [1]));
    let mut next = ViewGuard::new(GuardSettings::default(), guard.in_force().cloned());
    assert!(matches!(next.offer(at(1), Ok(view(9, []))), Verdict::Hold(HoldReason::SlotWentBack { .. })));
}

#[test]
fn a_wary_guards_empty_first_view_must_be_confirmed_by_a_second_one_that_is_not_older() {
    let mut guard = ViewGuard::wary(GuardSettings::default());
    let unconfirmed = |verdict| matches!(verdict, Verdict::Confirm(HoldReason::EmptyAtFirst));
    assert!(unconfirmed(guard.offer(at(0), Ok(view(10, [])))));
    assert!(matches!(guard.offer(at(1), Err("timed out".to_owned())), Verdict::Hold(HoldReason::ReadFailed { .. })));
    assert!(unconfirmed(guard.offer(at(2), Ok(view(9, [])))), "an older view confirms nothing");
    assert!(guard.is_wary() && guard.in_force().is_none());
    assert!(matches!(guard.offer(at(3), Ok(view(10, []))), Verdict::Accept(_)));
    assert!(!guard.is_wary());
}

#[test]
fn a_wary_guard_takes_a_first_view_with_users_at_once() {
    let mut guard = ViewGuard::wary(GuardSettings::default());
    assert!(matches!(guard.offer(at(0), Ok(view(10, [1]))), Verdict::Accept(_)));
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    assert!(matches!(guard.offer(at(0), Ok(view(10, []))), Verdict::Accept(_)), "no other question was asked before");
}
