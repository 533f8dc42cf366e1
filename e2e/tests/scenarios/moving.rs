//! `warren move`, against the program on the ledger.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    observe::link_index,
    operator::Operator,
    ping,
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, until},
};
use warren_ledger::accounts::{User, UserType};
use warren_state::Pubkey;

use crate::{Scenario, latency::Delayed, support::SOON};

pub const ALL: &[Scenario] = &[
    (
        "a_move_takes_the_user_to_the_nearer_device_in_one_transaction_and_the_link_stays",
        moves,
    ),
    (
        "a_move_that_cannot_be_is_refused_with_its_reason_and_changes_nothing",
        refused,
    ),
    (
        "a_wait_of_over_a_second_is_told_without_a_terminal_and_never_under_the_references_name",
        waits,
    ),
];

const FAR: Duration = Duration::from_millis(60);
/// From one packet across to the next.
const EVERY: Duration = Duration::from_millis(20);
const ASKED: [&str; 5] = ["move", "--if-better-by", "5ms", "--for", "4s"];

fn user(site: &Site<'_>) -> Result<(Pubkey, User)> {
    user_of(site, UserType::IBRL)
}

fn user_of(site: &Site<'_>, kind: UserType) -> Result<(Pubkey, User)> {
    let users = site.network.users()?;
    let own = users
        .into_iter()
        .find(|(_, user)| user.client_ip == site.client().address && user.user_type == kind);
    own.with_context(|| format!("the host has no {kind:?} user"))
}

fn moves(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    let _far = Delayed::start(&site.devices[0].1.namespace, FAR)?;
    let mut config = site.daemon_config();
    config.more.push("-probe-interval=2".into());
    let daemon = site.start_daemon_with(config)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    operator.succeeds(site, &["connect", "ibrl", "--device=ams-dz01"])?;
    let client = Arc::clone(&site.client().namespace);
    let (before, link) = (user(site)?, link_index(&client, LINK)?);
    until("the device in use is measured", SOON, || {
        let said = operator.warren(&["move", "--for", "12h"])?;
        let stays = "Stays on ams-dz01: the daemon has known the device in use for only";
        Ok(Ask::holds(said.code == 0 && said.out.contains(stays), || {
            said.to_string()
        }))
    })?;
    until("the other device was nearer for long enough", SOON, || {
        let said = operator.warren(&[&ASKED[..], &["--dry-run"]].concat())?;
        let would = said.code == 0 && said.out.contains("Would move: ams-dz01 to ams-dz02");
        Ok(Ask::holds(would, || said.to_string()))
    })?;
    ensure!(
        user(site)?.1.device_pk == before.1.device_pk,
        "only said, and done"
    );

    let new = site.devices[1].1.address.to_string();
    let across = ping::Stream::start(&client, before.1.dz_ip, TEST_ADDRESSES[0], EVERY)?;
    operator.succeeds(site, &ASKED)?.tells(&[
        "ams-dz01 to ams-dz02",
        &format!("Moved: the tunnel ends at {new} now"),
    ])?;
    let after = user(site)?;
    ensure!(
        after.0 == before.0 && after.1.device_pk == site.devices[1].0,
        "{after:?}"
    );
    ensure!(link_index(&client, LINK)? == link, "the link was made again");
    ping::first_reply(&client, after.1.dz_ip, TEST_ADDRESSES[0], SOON)?;
    let crossed = across.finish()?;
    // An address has one place for a user of its kind, so the old way ends before the new one is there.
    println!(
        "of {} packets, one each {EVERY:?}, {} were lost over the move",
        crossed.sent,
        crossed.lost.len()
    );
    ensure!(
        crossed.lost.len() < usize::from(crossed.sent),
        "nothing crossed: {crossed:?}"
    );
    operator.succeeds(site, &ASKED)?.tells(&["Stays on ams-dz02"])
}

fn refused(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    let _far = Delayed::start(&site.devices[0].1.namespace, FAR)?;
    let (group, account) = site.network.new_group(1, "mg01", [233, 84, 178, 1].into());
    site.put(group, account)?;
    let mut config = site.daemon_config();
    config.more.push("-probe-interval=2".into());
    let daemon = site.start_daemon_with(config)?;
    let operator = Operator::with_pass(site, &daemon, |pass| pass.mgroup_sub_allowlist = vec![group])?;
    let none = operator.warren(&ASKED)?;
    let said = none.code == 1
        && none.err.contains("no unicast user to move")
        && none.err.contains("warren connect ibrl");
    ensure!(said, "{none}");
    operator.succeeds(site, &["connect", "ibrl", "--device=ams-dz01"])?;
    let (before, link) = (
        user_of(site, UserType::IBRL)?,
        link_index(&site.client().namespace, LINK)?,
    );
    until("the other device was nearer for long enough", SOON, || {
        let said = operator.warren(&[&ASKED[..], &["--dry-run"]].concat())?;
        let would = said.code == 0 && said.out.contains("Would move: ams-dz01 to ams-dz02");
        Ok(Ask::holds(would, || said.to_string()))
    })?;
    // On a busy host a round may be lost that speaks against it.
    let stay = |asked: &[&str], why: &str| -> Result<()> {
        until("it stays", SOON, || {
            let said = operator.warren(&[asked, &["--dry-run"]].concat())?;
            let stays = said.code == 0 && said.out.contains(&format!("Stays on ams-dz01: {why}"));
            Ok(Ask::holds(stays, || said.to_string()))
        })
        .map(drop)
    };
    stay(
        &["move", "--if-better-by", "10s", "--for", "4s"],
        "no device that has room was nearer",
    )?;
    stay(
        &["move", "--for", "12h"],
        "the daemon has known the device in use for only",
    )?;
    // Without a place for one more there is nowhere to go, however near it is.
    let second = site.devices[1].0;
    let room = site.network.edit_device(second, |device| {
        device.max_unicast_users = device.unicast_users_count.max(1);
        device.unicast_users_count = device.max_unicast_users;
    })?;
    ensure!(room.max_unicast_users > 0);
    stay(&ASKED, "no device that has room was nearer")?;
    let (_, stranger) = site.add_payer("stranger")?;
    let stranger = Operator::new(site, &daemon, stranger)?;
    stranger.give_pass(site, site.client().address, |_| {})?;
    let theirs = stranger.warren(&ASKED)?;
    ensure!(theirs.code == 1 && theirs.err.contains("was made by"), "{theirs}");
    site.network.edit_device(second, |device| {
        device.max_unicast_users = 100;
        device.unicast_users_count = 0;
    })?;
    // Two tunnels of a host never end at one address, and the other device has but one.
    operator.succeeds(
        site,
        &["connect", "multicast", "subscriber", "mg01", "--device=ams-dz02"],
    )?;
    stay(&ASKED, "no device that has room was nearer")?;
    ensure!(user_of(site, UserType::IBRL)? == before, "the user was changed");
    ensure!(
        link_index(&site.client().namespace, LINK)? == link,
        "another link"
    );
    operator.succeeds(site, &["disconnect", "multicast"])?;
    until("it moves once there is a place", SOON, || {
        let said = operator.warren_with_devices(site, &ASKED)?;
        let moved = said.code == 0 && said.out.contains("Moved: the tunnel ends at");
        Ok(Ask::holds(moved, || said.to_string()))
    })?;
    ensure!(
        user_of(site, UserType::IBRL)?.1.device_pk == second,
        "it did not move"
    );
    Ok(())
}

/// Nobody makes the device's end, so the tunnel is waited for until timed out.
fn waits(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon()?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let asked = ["connect", "ibrl", "--device=ams-dz01", "--timeout=4s"];
    let waited = operator.warren(&asked)?;
    let told = waited
        .err
        .lines()
        .find(|line| line.starts_with("waiting for the tunnel: "));
    ensure!(
        waited.code == 4 && told.is_some_and(|line| line.ends_with(" s)")),
        "{waited}"
    );
    ensure!(!waited.out.contains("waiting"), "{waited}");
    let reference = Operator::new(site, &daemon, operator.keypair.clone())?.who_types("doublezero");
    let waited = reference.warren(&asked)?;
    ensure!(!waited.err.contains("waiting for"), "{waited}");
    let waited = operator.warren(&[&["--json"], &asked[..]].concat())?;
    ensure!(!waited.err.contains("waiting for"), "{waited}");
    Ok(())
}
