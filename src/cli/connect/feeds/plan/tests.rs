use std::net::Ipv4Addr;

use warren_ledger::accounts::{AccessPass, Account, FeedSeat, PassType, samples};

use super::*;
use crate::connect::feeds::{self, Feeds};

const METRO: Pubkey = Pubkey([77; 32]);

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

fn feed(code: &str, groups: &[u8]) -> Feed {
    let sample = samples::full().into_iter().find_map(|(_, account)| {
        if let Account::Feed(feed) = account {
            Some(feed)
        } else {
            None
        }
    });
    let groups = groups.iter().map(|group| key(*group)).collect();
    Feed {
        code: code.to_owned(),
        exchange: METRO,
        groups,
        status: FeedStatus::ACTIVE,
        ..sample.unwrap()
    }
}

/// Feeds 1 to 6, called f1 to f6, with these groups.
fn all(groups: &[&[u8]]) -> ByKey {
    (1..)
        .zip(groups)
        .map(|(number, groups)| (key(number), feed(&format!("f{number}"), groups)))
        .collect()
}

fn user(held: &[u8], groups: &[u8]) -> User {
    let sample = samples::full().into_iter().find_map(|(_, account)| {
        if let Account::User(user) = account {
            Some(user)
        } else {
            None
        }
    });
    let keys = |numbers: &[u8]| numbers.iter().map(|number| key(*number)).collect();
    User {
        feed_pks: keys(held),
        subscribers: keys(groups),
        ..sample.unwrap()
    }
}

/// A pass with a seat for two at each of these feeds, of which one is taken.
fn seats(number: u8, feeds: &[u8]) -> Pass {
    let seat = |feed: &u8| FeedSeat {
        feed: key(*feed),
        max_users: 2,
        max_future: 2,
        current: 1,
        anniversary_day: 1,
        window_end: 0,
        terminates_at: 0,
    };
    let pass_type = PassType::EdgeSeat(feeds.iter().map(seat).collect());
    Pass {
        key: key(number),
        allows: AccessPass {
            client_ip: Ipv4Addr::new(203, 0, 113, number),
            ..samples::access_pass(pass_type)
        },
    }
}

fn keys(numbers: &[u8]) -> Vec<Pubkey> {
    numbers.iter().map(|number| key(*number)).collect()
}

fn swapped(
    user: &User,
    pass: &Pass,
    feeds: &ByKey,
    join: &[u8],
    leave: &[u8],
) -> Result<FeedChanges, Failure> {
    let passes = [pass.clone()];
    swap(
        SeatHolder {
            user,
            pass,
            passes: &passes,
            feeds,
        },
        &keys(join),
        &keys(leave),
    )
}

fn refused(user: &User, pass: &Pass, feeds: &ByKey, join: &[u8], leave: &[u8]) -> String {
    let failure = swapped(user, pass, feeds, join, leave).unwrap_err();
    format!("{} {}", failure.what, failure.advice.unwrap_or_default())
}

#[test]
fn joining_names_exactly_the_groups_that_it_adds() {
    let (feeds, pass) = (all(&[&[10, 11], &[11, 12]]), seats(50, &[1, 2]));
    let joins = |user: &User| swapped(user, &pass, &feeds, &[1, 2], &[]).unwrap().joins;
    assert_eq!(
        joins(&user(&[], &[10])),
        [Join {
            feeds: keys(&[1, 2]),
            groups: keys(&[11, 12])
        }]
    );
    assert_eq!(
        joins(&user(&[1], &[10, 11])),
        [Join {
            feeds: keys(&[2]),
            groups: keys(&[12])
        }]
    );
    assert_eq!(joins(&user(&[1, 2], &[10, 11, 12])), []);
}

#[test]
fn a_held_feed_that_grew_is_joined_again_and_needs_no_free_seat() {
    let (feeds, mut pass) = (all(&[&[10, 11, 12]]), seats(50, &[1]));
    if let PassType::EdgeSeat(seats) = &mut pass.allows.pass_type {
        seats[0].current = 2;
    }
    let swap = swapped(&user(&[1], &[10, 11]), &pass, &feeds, &[1], &[]).unwrap();
    assert_eq!(
        swap.joins,
        [Join {
            feeds: keys(&[1]),
            groups: keys(&[12])
        }]
    );
    assert!(
        refused(&user(&[], &[]), &pass, &feeds, &[1], &[])
            .contains("all seats are taken: f1 (2 of 2 seats in use)")
    );
}

#[test]
fn leaving_keeps_the_groups_that_another_feed_carries_too() {
    let (feeds, pass) = (all(&[&[10, 11], &[11, 12]]), seats(50, &[1, 2]));
    let swap = swapped(&user(&[1, 2], &[10, 11, 12]), &pass, &feeds, &[], &[1]).unwrap();
    assert_eq!(
        swap.leaves,
        [Leave {
            feeds: keys(&[1]),
            retained: keys(&[2]),
            groups: keys(&[10])
        }]
    );
}

#[test]
fn a_feed_that_is_no_longer_on_the_pass_is_not_named_as_kept() {
    let (feeds, pass) = (all(&[&[10, 11], &[11, 12]]), seats(50, &[1]));
    let swap = swapped(&user(&[1, 2], &[10, 11, 12]), &pass, &feeds, &[], &[1]).unwrap();
    assert_eq!(
        swap.leaves,
        [Leave {
            feeds: keys(&[1]),
            retained: vec![],
            groups: keys(&[10, 11])
        }]
    );
}

#[test]
fn a_feed_that_is_not_held_is_not_left() {
    let (feeds, pass) = (all(&[&[10], &[11]]), seats(50, &[1, 2]));
    let text = refused(&user(&[1], &[10]), &pass, &feeds, &[], &[2]);
    assert!(
        text.contains("does not hold the feed \"f2\"") && text.contains("Feeds that it holds: f1."),
        "{text}"
    );
}

#[test]
fn a_leave_whose_other_pass_holds_the_seat_is_refused() {
    let (feeds, pass, other) = (all(&[&[10]]), seats(50, &[]), seats(51, &[1]));
    let user = user(&[1], &[10]);
    let passes = [pass.clone(), other.clone()];
    let failure = swap(
        SeatHolder {
            user: &user,
            pass: &pass,
            passes: &passes,
            feeds: &feeds,
        },
        &[],
        &keys(&[1]),
    )
    .unwrap_err();
    assert!(
        failure
            .what
            .contains(&format!("held by the access pass {}", other.key)),
        "{failure}"
    );
    assert!(
        failure
            .advice
            .unwrap()
            .contains(&format!("--access-pass {}", other.key))
    );
    let named = SeatHolder {
        user: &user,
        pass: &other,
        passes: &passes,
        feeds: &feeds,
    };
    assert_eq!(swap(named, &[], &keys(&[1])).unwrap().leaves.len(), 1);
}

#[test]
fn a_swap_whose_second_half_would_be_refused_is_refused_whole() {
    let feeds = all(&[&[10], &[11], &[12]]);
    let held = user(&[1], &[10]);
    assert!(refused(&held, &seats(50, &[1]), &feeds, &[2], &[1]).contains("has no seat for the feed \"f2\""));
    let mut halted = feeds.clone();
    halted.get_mut(&key(2)).unwrap().status = FeedStatus::HALTED;
    assert!(refused(&held, &seats(50, &[1, 2]), &halted, &[2], &[1]).contains("it is halted"));
    let mut prepaid = seats(50, &[]);
    prepaid.allows.pass_type = PassType::Prepaid;
    assert!(refused(&held, &prepaid, &feeds, &[2], &[1]).contains("need an access pass with seats"));
}

#[test]
fn five_feeds_are_the_most_and_those_that_are_left_do_not_count() {
    let groups: Vec<Vec<u8>> = (10..16).map(|group| vec![group]).collect();
    let feeds = all(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let pass = seats(50, &[1, 2, 3, 4, 5, 6]);
    let full = user(&[1, 2, 3, 4, 5], &[10, 11, 12, 13, 14]);
    assert!(
        refused(&full, &pass, &feeds, &[6], &[]).contains("would hold 6 feeds, and at most 5 are allowed")
    );
    let swap = swapped(&full, &pass, &feeds, &[6], &[2]).unwrap();
    assert_eq!(
        (swap.leaves.len(), swap.joins),
        (
            1,
            vec![Join {
                feeds: keys(&[6]),
                groups: keys(&[15])
            }]
        )
    );
}

#[test]
fn what_does_not_fit_one_instruction_is_split() {
    let groups: Vec<Vec<u8>> = (0..3)
        .map(|feed| (100 + 10 * feed..110 + 10 * feed).collect())
        .collect();
    let feeds = all(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let pass = seats(50, &[1, 2, 3]);
    let joins = swapped(&user(&[], &[]), &pass, &feeds, &[1, 2, 3], &[])
        .unwrap()
        .joins;
    let sizes: Vec<(usize, usize)> = joins
        .iter()
        .map(|join| (join.feeds.len(), join.groups.len()))
        .collect();
    assert_eq!(sizes, [(1, 10), (1, 10), (1, 10)]);
    let all_groups: Vec<u8> = groups.concat();
    let leaves = swapped(&user(&[1, 2, 3], &all_groups), &pass, &feeds, &[], &[1, 2, 3])
        .unwrap()
        .leaves;
    assert!(
        leaves.iter().all(
            |leave| FRAME + leave.feeds.len() + leave.retained.len() + leave.groups.len() <= MOST_ACCOUNTS
        ),
        "{leaves:?}"
    );
    // Each names what is kept at that moment.
    assert_eq!(
        leaves
            .iter()
            .map(|leave| leave.retained.clone())
            .collect::<Vec<_>>(),
        [keys(&[2, 3]), keys(&[3]), vec![]]
    );
    let small = all(&[&[10], &[11], &[12]]);
    assert_eq!(
        swapped(&user(&[], &[]), &pass, &small, &[1, 2, 3], &[])
            .unwrap()
            .joins
            .len(),
        1
    );
}

#[test]
fn the_same_feed_in_both_flags_is_an_error() {
    let (feeds, pass) = (all(&[&[10]]), seats(50, &[1]));
    let (user, passes) = (user(&[1], &[10]), [pass.clone()]);
    let both = Feeds {
        join: vec!["f1".into()],
        leave: vec!["f1".into()],
    };
    let failure = feeds::swap(
        SeatHolder {
            user: &user,
            pass: &pass,
            passes: &passes,
            feeds: &feeds,
        },
        &METRO,
        &both,
    )
    .unwrap_err();
    assert!(failure.what.contains("to be joined and to be left"), "{failure}");
}

#[test]
fn what_was_bought_and_is_free_is_joined_in_the_order_of_codes_up_to_five() {
    let groups: Vec<Vec<u8>> = (10..17).map(|group| vec![group]).collect();
    let mut feeds = all(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
    feeds.get_mut(&key(2)).unwrap().status = FeedStatus::RETIRED;
    feeds.get_mut(&key(3)).unwrap().exchange = key(78);
    let pass = seats(50, &[7, 6, 5, 4, 3, 2, 1]);
    let (held, passes) = (user(&[6], &[15]), [pass.clone()]);
    let standing = SeatHolder {
        user: &held,
        pass: &pass,
        passes: &passes,
        feeds: &feeds,
    };
    assert_eq!(purchased(standing, &METRO), keys(&[6, 1, 4, 5, 7]));
    let one_more = user(&[1, 2, 4, 6], &[]);
    assert_eq!(
        purchased(
            SeatHolder {
                user: &one_more,
                ..standing
            },
            &METRO
        ),
        keys(&[1, 2, 4, 6, 5])
    );
}

#[test]
fn devices_are_looked_for_in_the_metros_of_feeds_with_a_free_seat() {
    let mut feeds = all(&[&[10], &[11]]);
    feeds.get_mut(&key(2)).unwrap().exchange = key(78);
    let mut pass = seats(50, &[1, 2]);
    assert_eq!(metros(&pass, &feeds).unwrap(), BTreeSet::from([METRO, key(78)]));
    if let PassType::EdgeSeat(seats) = &mut pass.allows.pass_type {
        seats.iter_mut().for_each(|seat| seat.current = seat.max_users);
    }
    let failure = metros(&pass, &feeds).unwrap_err();
    assert_eq!(
        failure.what,
        "every purchased feed is already at capacity: f1 (2 of 2 seats in use), f2 (2 of 2 seats in use)"
    );
    assert!(metros(&seats(50, &[]), &feeds).unwrap().is_empty());
}

#[test]
fn a_group_that_came_by_a_feed_is_joined_again_with_it() {
    let feeds = all(&[&[10, 11], &[12]]);
    let after = user(&[1, 2], &[11, 12]);
    assert_eq!(
        rejoin(&after, &feeds, &keys(&[10])),
        [Join {
            feeds: keys(&[1]),
            groups: keys(&[10])
        }]
    );
}
