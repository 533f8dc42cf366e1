//! Users with multicast: their groups, and the address that a publisher has.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use warren_ledger::{
    Keypair, ProgramError,
    accounts::{Permission, UserType},
    instructions::{AccountMeta, CreateSubscribeUser, Instruction},
};
use warren_state::Pubkey;

use crate::{
    Case,
    stand::{HOST, Plan, Run, Stand},
};

/// The first address that a publisher gets.
const FIRST_PUBLISHER: Ipv4Addr = Ipv4Addr::new(148, 51, 120, 0);

pub const ALL: &[Case] = &[
    (
        "a_subscriber_keeps_its_hosts_address_and_a_publisher_gets_one",
        made,
    ),
    (
        "the_first_publishing_brings_an_address_and_the_last_one_takes_it_along",
        first_and_last,
    ),
    (
        "roles_are_what_is_wanted_afterwards_and_the_same_again_changes_nothing",
        desired,
    ),
    ("a_user_in_a_group_is_not_deleted_before_it_has_left", in_a_group),
    ("the_devices_count_goes_by_how_the_user_was_made", counted),
    (
        "only_a_role_that_is_gained_needs_the_pass_and_one_that_is_kept_or_given_up_does_not",
        gained,
    ),
    ("a_user_is_made_with_eight_groups_at_once_and_with_no_more", eight),
    ("sixteen_groups_change_at_once_and_no_more", sixteen),
    (
        "one_group_of_several_that_is_refused_leaves_all_as_they_were",
        one_of_several,
    ),
    ("refused_65_a_group_that_is_named_twice", twice),
    ("who_may_act_for_others_makes_a_user_for_its_owner", for_another),
    (
        "who_has_a_permission_in_force_makes_a_user_for_another",
        permitted,
    ),
];

/// A stand whose pass allows these groups for both roles.
pub fn member(plan: &mut Plan, groups: &[Pubkey]) -> Result<Stand> {
    plan.stand_with(
        |_| {},
        |pass| {
            pass.mgroup_pub_allowlist = groups.to_vec();
            pass.mgroup_sub_allowlist = groups.to_vec();
        },
    )
}

fn made(plan: &mut Plan) -> Result<Run> {
    let (one, two) = (plan.group(1), plan.group(2));
    let stand = member(plan, &[one, two])?;
    Ok(Box::new(move || {
        let before = stand.resources()?;
        stand.done(stand.subscribe(one, false, true))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            (
                user.dz_ip,
                user.publishers.as_slice(),
                user.subscribers.as_slice()
            ) == (HOST, &[][..], &[one][..]),
            "{user:?}"
        );
        let group = stand.group_account(one)?;
        ensure!(
            (group.publisher_count, group.subscriber_count) == (0, 1),
            "{group:?}"
        );
        leave_and_delete(&stand, &[one])?;
        ensure!(
            stand.resources()? == before,
            "what was allocated was not given back"
        );
        stand.done(stand.subscribe(two, true, true))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            (user.dz_ip, user.tunnel_flags) == (FIRST_PUBLISHER, 1),
            "{user:?}"
        );
        ensure!(
            (user.publishers.as_slice(), user.subscribers.as_slice()) == (&[two][..], &[two][..]),
            "{user:?}"
        );
        leave_and_delete(&stand, &[two])?;
        ensure!(
            stand.resources()? == before,
            "what was allocated was not given back"
        );
        Ok(())
    }))
}

fn first_and_last(plan: &mut Plan) -> Result<Run> {
    let (one, two) = (plan.group(1), plan.group(2));
    let stand = member(plan, &[one, two])?;
    Ok(Box::new(move || {
        // A user without any group, as the verbs of a reader may leave it.
        let user = stand.made(UserType::MULTICAST)?;
        ensure!(user.dz_ip == HOST, "{user:?}");
        let before = stand.resources()?;
        for (group, publisher, dz_ip) in [
            (one, true, FIRST_PUBLISHER),
            (two, true, FIRST_PUBLISHER),
            (one, false, FIRST_PUBLISHER),
            (two, false, HOST),
        ] {
            stand.done(stand.roles(group, publisher, true))?;
            let user = stand.user(UserType::MULTICAST)?;
            ensure!(user.dz_ip == dz_ip, "after {group} {publisher}: {user:?}");
        }
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            (user.publishers.as_slice(), user.subscribers.as_slice()) == (&[][..], &[one, two][..]),
            "{user:?}"
        );
        ensure!(stand.resources()? == before, "the address was not given back");
        Ok(())
    }))
}

fn desired(plan: &mut Plan) -> Result<Run> {
    let groups = [plan.group(1), plan.group(2), plan.group(3)];
    let stand = member(plan, &groups)?;
    let [one, two, three] = groups;
    Ok(Box::new(move || {
        stand.done(stand.subscribe(one, true, true))?;
        for group in [two, three] {
            stand.done(stand.roles(group, true, true))?;
        }
        // One from the middle of both lists.
        stand.done(stand.roles(two, false, true))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            (user.publishers.as_slice(), user.subscribers.as_slice())
                == (&[one, three][..], &[one, two, three][..]),
            "{user:?}"
        );
        stand.done(stand.roles(two, false, true))?;
        ensure!(
            stand.user(UserType::MULTICAST)? == user,
            "the same roles changed the user"
        );
        let group = stand.group_account(two)?;
        ensure!(
            (group.publisher_count, group.subscriber_count) == (0, 1),
            "{group:?}"
        );
        stand.done(stand.roles(two, true, false))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            (user.publishers.as_slice(), user.subscribers.as_slice())
                == (&[one, three, two][..], &[one, three][..]),
            "{user:?}"
        );
        Ok(())
    }))
}

fn in_a_group(plan: &mut Plan) -> Result<Run> {
    let group = plan.group(1);
    let stand = member(plan, &[group])?;
    Ok(Box::new(move || {
        stand.done(stand.subscribe(group, false, true))?;
        stand.refused(
            stand.delete(UserType::MULTICAST).build(&stand.caller()),
            ProgramError::ReferenceCountNotZero,
        )?;
        leave_and_delete(&stand, &[group])?;
        ensure!(
            stand.group_account(group)?.subscriber_count == 0,
            "the group still counts its subscriber"
        );
        Ok(())
    }))
}

fn counted(plan: &mut Plan) -> Result<Run> {
    let group = plan.group(1);
    let stand = member(plan, &[group])?;
    Ok(Box::new(move || {
        let counters = || {
            let device = stand.device_account()?;
            anyhow::Ok((
                device.users_count,
                device.multicast_subscribers_count,
                device.multicast_publishers_count,
            ))
        };
        stand.done(stand.subscribe(group, true, false))?;
        ensure!(counters()? == (1, 0, 1), "{:?}", counters()?);
        // It only subscribes from now on, and is counted as it was made.
        stand.done(stand.roles(group, false, true))?;
        ensure!(counters()? == (1, 0, 1), "{:?}", counters()?);
        leave_and_delete(&stand, &[group])?;
        ensure!(counters()? == (0, 0, 0), "{:?}", counters()?);
        let pass = stand.pass_account()?;
        ensure!(
            (pass.connection_count, pass.multicast_user_count) == (0, 0),
            "{pass:?}"
        );
        Ok(())
    }))
}

fn gained(plan: &mut Plan) -> Result<Run> {
    let (group, other) = (plan.group(1), plan.group(2));
    let stand = plan.stand_with(|_| {}, |pass| pass.mgroup_pub_allowlist = vec![group])?;
    plan.member(&stand, |user| user.subscribers = vec![group, other]);
    Ok(Box::new(move || {
        // The subscription is on no list any more, and is kept, and is given up, and is not had again.
        stand.done(stand.roles(group, true, true))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.subscribers == [group, other] && user.publishers == [group],
            "{user:?}"
        );
        stand.done(stand.roles(other, false, true))?;
        stand.done(stand.roles(group, true, false))?;
        stand.refused(stand.roles(group, true, true), ProgramError::NotAllowed)?;
        stand.done(stand.roles(other, false, false))?;
        stand.refused(stand.roles(other, false, true), ProgramError::NotAllowed)?;
        // Nor does the pass itself matter.
        stand.network.delete(stand.pass)?;
        stand.done(stand.roles(group, true, false))?;
        stand.done(stand.roles(group, false, false))
    }))
}

fn groups(plan: &mut Plan, count: u8) -> Vec<Pubkey> {
    (1..=count).map(|index| plan.group(index)).collect()
}

fn eight(plan: &mut Plan) -> Result<Run> {
    let groups = groups(plan, 9);
    let stand = member(plan, &groups)?;
    Ok(Box::new(move || {
        let before = stand.resources()?;
        let eight = CreateSubscribeUser {
            extra_groups: groups[1..8].to_vec(),
            ..stand.subscription(groups[0], true, true)
        };
        let mut nine = stand.built(eight.clone());
        *nine.data.last_mut().expect("a count") = 8;
        nine.accounts
            .insert(nine.accounts.len() - 2, AccountMeta::writable(groups[8]));
        stand.refused(nine, ProgramError::InvalidArgument)?;
        stand.done(stand.built(eight))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.publishers == groups[..8] && user.subscribers == groups[..8],
            "{user:?}"
        );
        ensure!(
            (user.dz_ip, user.access_pass) == (FIRST_PUBLISHER, stand.pass),
            "{user:?}"
        );
        for group in &groups[..8] {
            let group = stand.group_account(*group)?;
            ensure!(
                (group.publisher_count, group.subscriber_count) == (1, 1),
                "{group:?}"
            );
        }
        ensure!(
            stand.pass_account()?.multicast_user_count == 1,
            "the user is counted for each group"
        );
        stand.done(stand.roles_in(&groups[..8], false, false))?;
        stand.done(stand.delete(UserType::MULTICAST).build(&stand.caller()))?;
        ensure!(
            stand.resources()? == before,
            "what was allocated was not given back"
        );
        Ok(())
    }))
}

fn sixteen(plan: &mut Plan) -> Result<Run> {
    let groups = groups(plan, 17);
    let stand = member(plan, &groups)?;
    Ok(Box::new(move || {
        stand.made(UserType::MULTICAST)?;
        let mut seventeen = stand.roles_in(&groups[..16], true, true);
        *seventeen.data.last_mut().expect("a count") = 16;
        seventeen
            .accounts
            .insert(seventeen.accounts.len() - 2, AccountMeta::writable(groups[16]));
        stand.refused(seventeen, ProgramError::InvalidArgument)?;
        stand.done(stand.roles_in(&groups[..16], false, true))?;
        // Of these some are subscribed to already.
        stand.done(stand.roles_in(&groups[8..], true, true))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.subscribers == groups && user.publishers == groups[8..],
            "{user:?}"
        );
        ensure!(user.dz_ip == FIRST_PUBLISHER, "{user:?}");
        let counts = groups
            .iter()
            .map(|group| stand.group_account(*group))
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            counts.iter().all(|group| group.subscriber_count == 1),
            "{counts:?}"
        );
        ensure!(
            counts
                .iter()
                .map(|group| group.publisher_count)
                .eq((0..17).map(|number| u32::from(number >= 8))),
            "{counts:?}"
        );
        stand.done(stand.roles_in(&groups[..16], false, false))?;
        stand.done(stand.roles_in(&groups[16..], false, false))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.subscribers.is_empty() && user.publishers.is_empty() && user.dz_ip == HOST,
            "{user:?}"
        );
        Ok(())
    }))
}

fn one_of_several(plan: &mut Plan) -> Result<Run> {
    let groups = groups(plan, 3);
    let stand = member(plan, &groups[..2])?;
    Ok(Box::new(move || {
        let three = CreateSubscribeUser {
            extra_groups: groups[1..].to_vec(),
            ..stand.subscription(groups[0], false, true)
        };
        stand.refused(stand.built(three), ProgramError::NotAllowed)?;
        ensure!(stand.is_closed(UserType::MULTICAST)?, "there is a user");
        stand.made(UserType::MULTICAST)?;
        stand.refused(stand.roles_in(&groups, false, true), ProgramError::NotAllowed)?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(user.subscribers.is_empty(), "{user:?}");
        ensure!(
            stand.group_account(groups[0])?.subscriber_count == 0,
            "a group counts it"
        );
        Ok(())
    }))
}

fn twice(plan: &mut Plan) -> Result<Run> {
    let groups = groups(plan, 2);
    let stand = member(plan, &groups)?;
    Ok(Box::new(move || {
        // The second group becomes the first one again.
        let twice = |mut instruction: Instruction| {
            instruction
                .accounts
                .iter_mut()
                .filter(|meta| meta.pubkey == groups[1])
                .for_each(|meta| meta.pubkey = groups[0]);
            instruction
        };
        let both = CreateSubscribeUser {
            extra_groups: vec![groups[1]],
            ..stand.subscription(groups[0], false, true)
        };
        stand.refused(twice(stand.built(both.clone())), ProgramError::InvalidArgument)?;
        stand.made(UserType::MULTICAST)?;
        stand.refused(
            twice(stand.roles_in(&groups, false, true)),
            ProgramError::InvalidArgument,
        )?;
        stand.done(stand.roles_in(&groups, false, true))
    }))
}

fn for_another(plan: &mut Plan) -> Result<Run> {
    let group = plan.group(1);
    let mut stand = plan.stand()?;
    let (payer, owner) = (stand.payer.pubkey(), Keypair::generate()?.pubkey());
    stand.pass = plan.pass(HOST, owner, |pass| pass.mgroup_sub_allowlist = vec![group]);
    plan.state(|state| state.feed_authority = payer);
    Ok(Box::new(move || {
        let create = CreateSubscribeUser {
            owner: Some(owner),
            ..stand.subscription(group, false, true)
        };
        stand.done(create.build(&stand.caller())?)?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(user.owner == owner, "{user:?}");
        // The payer made it, and yet it is not the payer's.
        stand.refused(stand.roles(group, false, false), ProgramError::NotAllowed)
    }))
}

fn permitted(plan: &mut Plan) -> Result<Run> {
    let group = plan.group(1);
    let mut stand = plan.stand()?;
    let (payer, owner) = (stand.payer.pubkey(), Keypair::generate()?.pubkey());
    stand.pass = plan.pass(HOST, owner, |pass| pass.mgroup_sub_allowlist = vec![group]);
    let derived = plan.network.pda().permission(&payer);
    let not_in_force = Permission {
        owner: Pubkey([1; 32]),
        bump: derived.bump,
        status: 0,
        user_payer: payer,
        permissions: 1,
    };
    plan.put(derived.address, not_in_force.clone());
    Ok(Box::new(move || {
        let create = || {
            let mut create = stand.built(CreateSubscribeUser {
                owner: Some(owner),
                ..stand.subscription(group, false, true)
            });
            create.accounts.push(AccountMeta::readonly(derived.address));
            create
        };
        stand.refused(create(), ProgramError::NotAllowed)?;
        stand.network.put(
            derived.address,
            Permission {
                status: 1,
                ..not_in_force
            },
        )?;
        stand.done(create())?;
        ensure!(
            stand.user(UserType::MULTICAST)?.owner == owner,
            "the user is another's"
        );
        Ok(())
    }))
}

fn leave_and_delete(stand: &Stand, groups: &[Pubkey]) -> Result<()> {
    groups
        .iter()
        .try_for_each(|group| stand.done(stand.roles(*group, false, false)))?;
    stand.done(stand.delete(UserType::MULTICAST).build(&stand.caller()))?;
    ensure!(
        stand.is_closed(UserType::MULTICAST)?,
        "the account is still there"
    );
    Ok(())
}
