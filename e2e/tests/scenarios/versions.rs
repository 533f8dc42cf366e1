//! `warren connect` and `disconnect` send what the program on the ledger takes, whether it is of 0.34 or today's.

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::{Result, bail, ensure};
use warren_e2e::{
    operator::{Operator, Said},
    program::{TODAY, seat},
    site::Site,
};
use warren_ledger::accounts::{Account, PassType, ProgramConfig, User, UserType};
use warren_state::Pubkey;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    ("ten_groups_are_joined_and_left_in_two_transactions_each", folded),
    ("of_0_34_ten_groups_are_joined_and_left_one_by_one", one_by_one),
    (
        "of_0_34_a_role_beside_a_feed_keeps_the_subscription",
        beside_a_feed,
    ),
    (
        "a_deletion_by_type_that_the_program_does_not_know_is_sent_as_the_one_of_old",
        unknown_deletion,
    ),
];

const DEVICE: &str = "--device=ams-dz01";

fn group(site: &Site<'_>, index: u8) -> Result<Pubkey> {
    let (key, group) = site.network.new_group(
        index.into(),
        &format!("mg{index:02}"),
        Ipv4Addr::new(233, 84, 178, index),
    );
    site.put(key, group)?;
    Ok(key)
}

fn user(site: &Site<'_>) -> Result<Option<User>> {
    match site.network.get(
        site.network
            .pda()
            .user(site.client().address, UserType::MULTICAST)
            .address,
    )? {
        Some(Account::User(user)) => Ok(Some(user)),
        None => Ok(None),
        Some(found) => bail!("no user: {found:?}"),
    }
}

/// How many transactions a command has sent that were carried out.
fn transactions(said: &Said) -> Result<usize> {
    let events = said.events()?;
    let signatures: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event["transaction"].as_str())
        .collect();
    Ok(signatures.len())
}

/// Joins ten groups and leaves them again, in this many transactions each.
fn there_and_back(site: &mut Site<'_>, join: usize, leave: usize) -> Result<()> {
    let daemon = site.start_daemon_with(site.daemon_config())?;
    let groups = (1..=10)
        .map(|index| group(site, index))
        .collect::<Result<Vec<_>>>()?;
    let operator = Operator::with_pass(site, &daemon, |pass| pass.mgroup_sub_allowlist = groups.clone())?;
    let said = operator.succeeds(site, &["connect", "multicast", DEVICE, "--json"])?;
    let joined: BTreeSet<_> = user(site)?
        .map(|user| user.subscribers)
        .unwrap_or_default()
        .into_iter()
        .collect();
    ensure!(
        joined == groups.into_iter().collect() && transactions(&said)? == join,
        "{joined:?}\n{said}"
    );
    let said = operator.succeeds(site, &["disconnect", "--json"])?;
    ensure!(user(site)?.is_none() && transactions(&said)? == leave, "{said}");
    Ok(())
}

fn folded(site: &mut Site<'_>) -> Result<()> {
    // The user with eight, and two; all at once, and the user.
    there_and_back(site, 2, 2)
}

fn one_by_one(site: &mut Site<'_>) -> Result<()> {
    site.network.make_old()?;
    there_and_back(site, 10, 11)
}

fn beside_a_feed(site: &mut Site<'_>) -> Result<()> {
    site.network.make_old()?;
    let daemon = site.start_daemon_with(site.daemon_config())?;
    let groups = [group(site, 1)?, group(site, 2)?];
    let (news, feed) = site.network.new_feed("news", groups.to_vec())?;
    site.put(news, feed)?;
    let operator = Operator::with_pass(site, &daemon, |pass| {
        pass.pass_type = PassType::EdgeSeat(vec![seat(news, 1)]);
        pass.mgroup_pub_allowlist = vec![groups[0]];
    })?;
    operator.succeeds(
        site,
        &["connect", "multicast", "--subscribe-feed", "news", DEVICE],
    )?;
    for (verb, publishers) in [("publish", &groups[..1]), ("unpublish", &[])] {
        operator.succeeds(site, &["multicast", verb, "mg01"])?;
        let Some(user) = user(site)? else { bail!("no user") };
        let subscribers: BTreeSet<_> = user.subscribers.iter().copied().collect();
        ensure!(
            user.publishers == publishers && subscribers == groups.into(),
            "after {verb}: {user:?}"
        );
        ensure!(user.feed_pks == [news], "after {verb}: {user:?}");
    }
    operator.succeeds(site, &["disconnect"])?;
    ensure!(user(site)?.is_none(), "a user is left");
    Ok(())
}

fn unknown_deletion(site: &mut Site<'_>) -> Result<()> {
    site.network.make_old()?;
    // The ledger says that it is newer than its program.
    let derived = site.network.pda().program_config();
    site.put(
        derived.address,
        ProgramConfig {
            bump: derived.bump,
            version: TODAY,
            min_compatible: TODAY,
        },
    )?;
    let daemon = site.start_daemon_with(site.daemon_config())?;
    let group = group(site, 1)?;
    let operator = Operator::with_pass(site, &daemon, |pass| pass.mgroup_sub_allowlist = vec![group])?;
    operator.succeeds(site, &["connect", "multicast", DEVICE])?;
    ensure!(
        user(site)?.is_some_and(|user| user.access_pass.is_zero()),
        "it is no program of 0.34"
    );
    operator.succeeds(site, &["disconnect"])?;
    ensure!(user(site)?.is_none(), "a user is left");
    Ok(())
}
