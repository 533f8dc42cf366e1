//! Whose users a host takes for its own.

use anyhow::{Result, ensure};
use serde_json::json;
use warren_e2e::{
    daemon::Daemon,
    network::OWNER,
    observe::{await_gone, await_working, service},
    site::Site,
    wait::{Ask, until},
};
use warren_ledger::{
    Pda,
    accounts::{GlobalState, UserType},
};
use warren_state::Pubkey;

use crate::{Scenario, support::SOON};

pub const ALL: &[Scenario] = &[(
    "with_owner_auto_only_users_of_who_connected_last_and_of_the_network_have_a_tunnel",
    auto,
)];

const STRANGER: Pubkey = Pubkey([0xbb; 32]);

/// The user has no tunnel, and it is told who made it.
fn await_refused(daemon: &Daemon, owner: Pubkey) -> Result<()> {
    until(&format!("it is told that {owner} made it"), SOON, || {
        let status = daemon.json("/v3/status")?;
        let refused = &status["refused"][0];
        let right = refused["code"] == "other_owner" && refused["made_by"] == owner.to_string();
        Ok(Ask::holds(right, || {
            format!("{}; {}", status["refused"], daemon.log_tail())
        }))
    })?;
    Ok(())
}

fn connected_by(daemon: &Daemon, owner: Pubkey) -> Result<()> {
    let answer = daemon.post_body("/enable", &json!({ "owner": owner.to_string() }).to_string())?;
    ensure!(answer.status == 200, "{}", answer.text());
    Ok(())
}

fn auto(site: &mut Site<'_>) -> Result<()> {
    let network = Pubkey([0xcc; 32]);
    let state = GlobalState {
        feed_authority: network,
        health_oracle: Pubkey::default(),
        ..site.network.new_global_state()
    };
    site.put(Pda::new(site.network.program_id).global_state().address, state)?;
    site.clients[0].daemon_arguments = vec!["--owner=auto".to_owned()];
    let connection = site.connect(0, UserType::IBRL)?;
    let mut daemon = site.start_daemon()?;
    await_refused(&daemon, OWNER)?;
    ensure!(service(&daemon)?.is_none(), "nobody connected yet");
    connected_by(&daemon, STRANGER)?;
    await_refused(&daemon, OWNER)?;
    connected_by(&daemon, OWNER)?;
    await_working(site, &daemon, &connection, SOON)?;
    ensure!(daemon.json("/v3/status")?["tunnels"][0]["made_by"] == OWNER.to_string());
    daemon.terminate()?;
    daemon.resume()?;
    await_working(site, &daemon, &connection, SOON)?;
    site.network
        .edit_user(connection.pubkey, |user| user.owner = STRANGER)?;
    await_refused(&daemon, STRANGER)?;
    await_gone(&site.client().namespace, &daemon, SOON)?;
    site.network
        .edit_user(connection.pubkey, |user| user.owner = network)?;
    await_working(site, &daemon, &connection, SOON)
}
