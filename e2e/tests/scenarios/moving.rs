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
use warren_ledger::accounts::User;
use warren_state::Pubkey;

use crate::{Scenario, latency::Delayed, support::SOON};

pub const ALL: &[Scenario] = &[(
    "a_move_takes_the_user_to_the_nearer_device_in_one_transaction_and_the_link_stays",
    moves,
)];

const FAR: Duration = Duration::from_millis(60);
const ASKED: [&str; 5] = ["move", "--if-better-by", "5ms", "--for", "4s"];

fn user(site: &Site<'_>) -> Result<(Pubkey, User)> {
    let users = site.network.users()?;
    let own = users
        .into_iter()
        .find(|(_, user)| user.client_ip == site.client().address);
    own.context("the host has no user")
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
        let stays = "Stays on ams-dz01: the daemon knows the device in use for";
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
    operator.succeeds(site, &ASKED)?.tells(&["Stays on ams-dz02"])
}
