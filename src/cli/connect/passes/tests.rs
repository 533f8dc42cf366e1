use warren_ledger::accounts::{UserType, samples};

use super::*;

const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

fn pass(number: u8, client_ip: Ipv4Addr, change: impl Fn(&mut AccessPass)) -> Pass {
    let mut allows = AccessPass {
        client_ip,
        last_access_epoch: 10,
        connection_count: 0,
        mgroup_pub_allowlist: vec![],
        mgroup_sub_allowlist: vec![],
        tenant_allowlist: vec![],
        unicast_user_count: 0,
        max_unicast: 1,
        multicast_user_count: 0,
        max_multicast: 1,
        ..samples::access_pass(PassType::Prepaid)
    };
    change(&mut allows);
    Pass {
        key: key(number),
        allows,
    }
}

/// A pass for any address, which is account 1, and one for this one, account 2.
fn both(any: impl Fn(&mut AccessPass), exact: impl Fn(&mut AccessPass)) -> Passes {
    Passes(vec![pass(1, Ipv4Addr::UNSPECIFIED, any), pass(2, HOST, exact)])
}

fn user(recorded: Pubkey) -> User {
    let found = samples::full().into_iter().find_map(|(_, account)| {
        if let warren_ledger::Account::User(user) = account {
            Some(user)
        } else {
            None
        }
    });
    User {
        access_pass: recorded,
        user_type: UserType::MULTICAST,
        ..found.unwrap()
    }
}

fn of(passes: &Passes, user: &User, named: Option<u8>) -> Result<Pubkey, String> {
    match passes.of_user(&key(9), user, named.map(key)) {
        Ok(Of::Known(pass)) => Ok(pass.key),
        Ok(Of::Recorded(key)) => Ok(key),
        Err(failure) => Err(failure.what),
    }
}

#[test]
fn of_two_passes_the_one_for_any_address_counts_first() {
    let passes = both(|_| {}, |_| {});
    assert_eq!(
        passes
            .letting_in(|pass| pass.refuses_unicast(10, None))
            .unwrap()
            .key,
        key(1)
    );
    assert_eq!(of(&passes, &user(Pubkey::default()), None), Ok(key(1)));
}

#[test]
fn the_other_pass_is_taken_where_only_it_lets_in_what_is_asked_for() {
    let ran_out = both(|any| any.last_access_epoch = 9, |_| {});
    assert_eq!(
        ran_out
            .letting_in(|pass| pass.refuses_unicast(10, None))
            .unwrap()
            .key,
        key(2)
    );
    let full = both(|any| any.unicast_user_count = 1, |_| {});
    assert_eq!(
        full.letting_in(|pass| pass.refuses_unicast(10, None))
            .unwrap()
            .key,
        key(2)
    );
    let tenants = both(|_| {}, |exact| exact.tenant_allowlist = vec![key(5)]);
    assert_eq!(
        tenants
            .letting_in(|pass| pass.refuses_unicast(10, Some(&key(5))))
            .unwrap()
            .key,
        key(2)
    );
}

#[test]
fn where_neither_does_it_is_said_why_the_first_does_not() {
    let neither = both(
        |any| any.last_access_epoch = 8,
        |exact| exact.unicast_user_count = 1,
    );
    let failure = neither
        .letting_in(|pass| pass.refuses_unicast(10, None))
        .unwrap_err();
    assert!(failure.what.contains("expired with epoch 8"), "{failure}");
    assert!(failure.advice.unwrap().contains("to renew"));
}

#[test]
fn a_pass_whose_last_epoch_is_zero_allows_no_unicast_and_one_without_end_does() {
    let zero = pass(1, HOST, |pass| pass.last_access_epoch = 0);
    assert!(
        zero.refuses_unicast(10, None)
            .unwrap()
            .what
            .contains("allows no unicast connection")
    );
    assert_eq!(
        pass(1, HOST, |pass| pass.last_access_epoch = u64::MAX)
            .refuses_unicast(10, None)
            .map(|failure| failure.what),
        None
    );
}

#[test]
fn a_passes_own_caps_are_told_with_their_numbers() {
    let full = pass(1, HOST, |pass| {
        (pass.multicast_user_count, pass.max_multicast) = (3, 3)
    });
    assert!(
        full.has_no_room_for_multicast()
            .unwrap()
            .what
            .contains("(3 of 3 in use)")
    );
    let seats = pass(1, HOST, |pass| {
        (pass.pass_type, pass.unicast_user_count) = (PassType::EdgeSeat(vec![]), 1)
    });
    assert!(
        seats
            .refuses_unicast(10, None)
            .unwrap()
            .what
            .contains("has no free unicast seat (1 of 1 in use)")
    );
}

#[test]
fn the_default_tenant_is_the_first_that_is_allowed_and_none_where_that_is_zero() {
    let tenants =
        |list: &[Pubkey]| pass(1, HOST, |pass| pass.tenant_allowlist = list.to_vec()).default_tenant();
    assert_eq!(tenants(&[key(5), key(6)]), Some(key(5)));
    assert_eq!(tenants(&[Pubkey::default(), key(6)]), None);
    assert_eq!(tenants(&[]), None);
}

#[test]
fn the_pass_that_is_written_on_a_user_comes_first() {
    let passes = both(|_| {}, |_| {});
    assert_eq!(of(&passes, &user(key(2)), None), Ok(key(2)));
    assert_eq!(
        of(&passes, &user(key(7)), None),
        Ok(key(7)),
        "one that is not this host's any more"
    );
    assert_eq!(of(&passes, &user(key(2)), Some(2)), Ok(key(2)));
    let refused = of(&passes, &user(key(2)), Some(1)).unwrap_err();
    assert!(
        refused.contains(&format!("records access pass {}", key(2))),
        "{refused}"
    );
}

#[test]
fn a_user_without_one_has_the_pass_that_let_somebody_in_or_the_one_that_is_named() {
    let passes = both(|_| {}, |exact| exact.connection_count = 1);
    assert_eq!(of(&passes, &user(Pubkey::default()), None), Ok(key(2)));
    assert_eq!(of(&passes, &user(Pubkey::default()), Some(1)), Ok(key(1)));
    assert!(
        of(&passes, &user(Pubkey::default()), Some(7))
            .unwrap_err()
            .contains("does not match")
    );
    assert!(
        of(&Passes(vec![]), &user(Pubkey::default()), None)
            .unwrap_err()
            .contains("no access pass matches")
    );
}

#[test]
fn groups_of_feeds_are_pointed_to_their_feed_and_publishing_goes_by_the_list() {
    let seats = pass(1, HOST, |pass| {
        (pass.pass_type, pass.mgroup_pub_allowlist) = (PassType::EdgeSeat(vec![]), vec![key(3)]);
    });
    let refused =
        |group, roles| seats.refuses_groups(&ByGroup::from([(key(group), roles)]), Pubkey::to_string);
    assert!(refused(3, Roles::PUBLISHER).is_none());
    assert!(
        refused(4, Roles::PUBLISHER)
            .unwrap()
            .advice
            .unwrap()
            .contains("added to the pass")
    );
    assert!(
        refused(3, Roles::SUBSCRIBER)
            .unwrap()
            .advice
            .unwrap()
            .contains("--subscribe-feed")
    );
}
