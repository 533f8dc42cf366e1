//! A ledger of 0.34, on which the program does what it did then.

use anyhow::{Result, ensure};
use warren_ledger::{
    ProgramError,
    accounts::{Account, Feed, FeedStatus, PassType, UserType},
    instructions::{CreateSubscribeUser, CreateUser, DeleteKind, DeleteUser},
    proof::IpProof,
};
use warren_state::Pubkey;

use crate::{
    Case,
    feeds::{Stage, publishing},
    multicast::member,
    stand::{HOST, Plan, Run},
};

pub const ALL: &[Case] = &[
    (
        "of_0_34_no_pass_is_recorded_and_no_user_is_deleted_by_its_type",
        of_old,
    ),
    (
        "of_0_34_no_proof_is_asked_for_and_one_that_follows_the_arguments_is_not_read",
        without_proof,
    ),
    ("of_0_34_several_groups_are_not_taken_at_once", one_group),
    (
        "of_0_34_a_role_that_is_held_must_still_be_on_the_pass_when_another_one_changes",
        held_and_revoked,
    ),
    (
        "of_0_34_refused_92_a_role_beside_a_group_that_came_with_a_feed",
        role_beside_a_feed,
    ),
    ("of_0_34_a_feeds_state_is_not_looked_at", any_feed),
    ("a_ledger_that_runs_is_made_one_of_0_34", made_old),
];

fn of_old(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    plan.old();
    Ok(Box::new(move || {
        let user = stand.made(UserType::IBRL)?;
        ensure!(user.access_pass == Pubkey::default(), "{user:?}");
        let length = stand
            .network
            .rpc
            .account(stand.address(UserType::IBRL))?
            .map(|raw| raw.data.len());
        ensure!(length == Some(206), "{length:?}");
        let kind = DeleteKind::of(&PassType::Prepaid);
        let typed = DeleteUser {
            kind,
            ..stand.delete(UserType::IBRL)
        };
        stand.stopped(typed.build(&stand.caller()), "InvalidInstructionData")?;
        stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))
    }))
}

fn without_proof(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    plan.state(|state| state.feature_flags |= 4);
    plan.old();
    Ok(Box::new(move || {
        let (payer, user_type) = (stand.payer.pubkey(), UserType::IBRL);
        let proof = IpProof {
            payer,
            client_ip: HOST,
            epoch: 0,
            user_type,
            signature: [0; 64],
        };
        let proven = CreateUser {
            proof: Some(proof),
            ..stand.create(user_type)
        }
        .build(&stand.caller());
        // The account that comes with it is one too many.
        stand.stopped(proven.clone(), "MissingRequiredSignature")?;
        let mut unread = proven;
        unread.accounts.pop();
        stand.done(unread)
    }))
}

fn one_group(plan: &mut Plan) -> Result<Run> {
    let groups = [1, 2, 3].map(|index| plan.group(index));
    let stand = member(plan, &groups)?;
    plan.old();
    Ok(Box::new(move || {
        let [first, second, third] = groups;
        let all = CreateSubscribeUser {
            extra_groups: vec![second, third],
            ..stand.subscription(first, false, true)
        };
        stand.stopped(stand.built(all), "NotEnoughAccountKeys")?;
        stand.done(stand.subscribe(first, false, true))?;
        stand.stopped(
            stand.roles_in(&[second, third], false, true),
            "MissingRequiredSignature",
        )?;
        stand.done(stand.roles(second, false, true))?;
        stand.done(stand.roles(third, false, true))?;
        ensure!(
            stand.user(UserType::MULTICAST)?.subscribers == groups,
            "{:?}",
            stand.user(UserType::MULTICAST)?
        );
        Ok(())
    }))
}

fn held_and_revoked(plan: &mut Plan) -> Result<Run> {
    let group = plan.group(1);
    let stand = plan.stand_with(|_| {}, |pass| pass.mgroup_pub_allowlist = vec![group])?;
    plan.member(&stand, |user| user.subscribers = vec![group]);
    plan.old();
    Ok(Box::new(move || {
        stand.refused(stand.roles(group, true, true), ProgramError::NotAllowed)?;
        stand.done(stand.roles(group, true, false))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.subscribers.is_empty() && user.publishers == [group],
            "{user:?}"
        );
        stand.done(stand.roles(group, false, false))
    }))
}

fn role_beside_a_feed(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    publishing(plan, &stage);
    plan.old();
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, _],
                groups: [one, two, _],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        stage.naked()?;
        stand.done(stage.join(&[*first], &[*one, *two])?)?;
        stand.refused(stand.roles(*one, true, true), ProgramError::FeedAccountRequired)?;
        // Without the subscription it may publish, and joins the feed's group again.
        stand.done(stand.roles(*one, true, false))?;
        stand.done(stage.join(&[*first], &[*one])?)?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.publishers == [*one] && user.subscribers == [*two, *one],
            "{user:?}"
        );
        // To stop publishing is a leave that names the subscription, too.
        stand.refused(stand.roles(*one, false, true), ProgramError::FeedAccountRequired)?;
        stage.seats_are([1, 0])
    }))
}

fn any_feed(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let (pubkey, feed) = plan.network.new_feed("first", stage.groups[..2].to_vec())?;
    plan.put(
        pubkey,
        Feed {
            status: FeedStatus::RETIRED,
            ..feed
        },
    );
    plan.old();
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, _],
                groups: [one, two, _],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        stage.naked()?;
        stand.done(stage.join(&[*first], &[*one, *two])?)?;
        stage.is(&[*first], &[*one, *two], [1, 0])
    }))
}

fn made_old(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    Ok(Box::new(move || {
        ensure!(
            stand.made(UserType::MULTICAST)?.access_pass == stand.pass,
            "no pass is recorded"
        );
        stand.network.make_old()?;
        ensure!(
            stand.made(UserType::IBRL)?.access_pass == Pubkey::default(),
            "a pass is recorded"
        );
        let version = stand.network.get(stand.network.pda().program_config().address)?;
        ensure!(
            matches!(&version, Some(Account::ProgramConfig(config)) if config.version.minor == 34),
            "{version:?}"
        );
        let state = stand.network.get(stand.network.pda().global_state().address)?;
        ensure!(
            matches!(&state, Some(Account::GlobalState(state)) if state.account_index == 2),
            "{state:?}"
        );
        Ok(())
    }))
}
