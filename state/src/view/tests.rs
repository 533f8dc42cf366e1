use proptest::{collection::btree_map, prelude::*};

use super::*;
use crate::testing::user;

fn key(n: u32) -> Pubkey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&n.to_be_bytes());
    Pubkey(key)
}

/// Decoded anew: it shares nothing.
fn view(slot: u64, users: impl IntoIterator<Item = (u32, u16)>) -> View {
    View {
        slot: Slot(slot),
        users: users
            .into_iter()
            .map(|(n, number)| (key(n), user(number)))
            .collect(),
        ..View::default()
    }
}

/// Users whose accounts two views have in common, place by place.
fn in_common(one: &View, other: &View) -> usize {
    one.users
        .iter()
        .filter(|(key, user)| {
            other
                .users
                .get(*key)
                .is_some_and(|same| std::ptr::eq(*user, same))
        })
        .count()
}

#[test]
fn a_read_that_brings_nothing_new_shares_all_users_with_the_one_before() {
    let (before, read) = (
        view(1, (0..1_000).map(|n| (n, 0))),
        view(2, (0..1_000).map(|n| (n, 0))),
    );
    assert_eq!(in_common(&read, &before), 0);
    let shared = read.sharing(&before);
    assert_eq!((shared.slot, in_common(&shared, &before)), (Slot(2), 1_000));
}

#[test]
fn of_one_user_that_joins_many_only_the_neighbours_are_held_twice() {
    let before = view(1, (0..10_000).map(|n| (2 * n, 0)));
    let read = view(2, (0..10_000).map(|n| (2 * n, 0)).chain([(777, 1)]));
    let shared = read.clone().sharing(&before);
    assert_eq!(shared, read);
    assert!(in_common(&shared, &before) >= 10_000 - 32);
    assert_eq!(shared.differs_from(&before), Difference::Users([key(777)].into()));
}

proptest! {
    #[test]
    fn what_shares_with_another_view_says_what_it_said_itself(
        before in btree_map(0_u32..200, 0_u16..3, 0..150),
        read in btree_map(0_u32..200, 0_u16..3, 0..150),
    ) {
        let (before, read) = (view(1, before), view(2, read));
        let shared = read.clone().sharing(&before);
        let same = read.users.iter().filter(|(key, user)| before.users.get(*key) == Some(*user));
        prop_assert!(in_common(&shared, &before) <= same.count());
        prop_assert_eq!(shared.differs_from(&before), read.differs_from(&before));
        prop_assert_eq!(shared, read);
    }
}
