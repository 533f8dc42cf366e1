//! What an operator can ask for independently of the ledger: excluded destinations, and manual tunnels.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::json;
use warren_e2e::{
    daemon::Daemon,
    http,
    observe::{await_device_session, await_gone, await_routes, await_session_up, bgp_routes, link},
    ping,
    site::{Connection, LINK, Site, TEST_ADDRESSES},
    wait::{Ask, scaled, stays, until},
};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{Connected, SOON, connected, without_loss},
};

pub const ALL: &[Scenario] = &[
    (
        "excluded_destinations_come_and_go_with_the_file_while_the_session_and_others_stay",
        exclusion,
    ),
    (
        "what_is_provisioned_past_the_ledger_works_while_disabled_and_enabling_follows_the_ledger",
        provision,
    ),
    ("while_enabled_the_next_pass_brings_back_what_was_removed", remove),
];

/// Replaced as a careful editor does it.
fn write(file: &Path, text: &str) -> Result<()> {
    let next = file.with_extension("next");
    fs::write(&next, text)?;
    Ok(fs::rename(next, file)?)
}

fn await_destinations(host: &Connected, wanted: &[&str], when: &str) -> Result<()> {
    until(when, SOON, || {
        let mut found: Vec<String> = bgp_routes(&host.client)?
            .iter()
            .map(|route| route["dst"].as_str().unwrap_or_default().to_owned())
            .collect();
        found.sort();
        Ok(Ask::holds(found == wanted, || {
            format!("{found:?} instead of {wanted:?}; {}", host.daemon.log_tail())
        }))
    })?;
    Ok(())
}

fn exclusion(site: &mut Site<'_>) -> Result<()> {
    let file: PathBuf = site
        .world()
        .directory()
        .join(format!("route-config-{}.json", site.client().namespace.name()));
    let [first, second] = TEST_ADDRESSES.map(|address| address.to_string());
    site.clients[0].daemon_arguments = vec![format!("--route-config={}", file.display())];
    write(&file, &json!({ "exclude": [second] }).to_string())?;
    let host = {
        let connection = site.connect(0, UserType::IBRL)?;
        let daemon = site.start_daemon()?;
        await_session_up(&daemon, SOON)?;
        Connected {
            daemon,
            connection,
            client: site.client().namespace.clone(),
        }
    };
    await_destinations(&host, &[&first], "what is excluded at the start is never there")?;
    stays("it stays out", scaled(Duration::from_millis(500)), || {
        ensure!(bgp_routes(&host.client)?.len() == 1);
        Ok(())
    })?;
    await_device_session(site.device(), &host.connection.end, SOON)?;
    ping::first_reply(&host.client, host.connection.user.dz_ip, TEST_ADDRESSES[0], SOON)?;
    let before = host.fingerprint(site)?;
    let pings = host.pings_to(TEST_ADDRESSES[0])?;
    fs::remove_file(&file)?;
    await_destinations(&host, &[&second, &first], "without the file everything is there")?;
    write(&file, &json!({ "exclude": ["45.33.0.0/16"] }).to_string())?;
    await_destinations(&host, &[&first], "a prefix excludes what is inside of it")?;
    without_loss(pings)?;
    write(&file, "{")?;
    until("the bad file shows", SOON, || {
        let said = host.daemon.json("/v3/status")?["route_exclusion"].clone();
        Ok(Ask::holds(
            said["error"].is_string() && said["entries"] == 1,
            || said.to_string(),
        ))
    })?;
    let metrics = host.daemon.get("/metrics")?.text();
    ensure!(
        metrics.contains("\nwarren_route_exclusion_failed 1\n"),
        "{metrics}"
    );
    await_destinations(&host, &[&first], "the last good list holds")?;
    write(&file, &json!({ "exclude": [first, "45.33.0.0/16"] }).to_string())?;
    await_destinations(&host, &[], "all are excluded")?;
    write(&file, &json!({ "exclude": [] }).to_string())?;
    await_routes(&host.client, SOON)?;
    host.await_working(site)?;
    host.is_still(site, &before)
}

fn post(daemon: &Daemon, path: &str, body: &str, expected: &str) -> Result<()> {
    let answer = http::unix(
        &daemon.socket(),
        "POST",
        path,
        body,
        scaled(Duration::from_secs(40)),
    )?;
    ensure!(
        answer.text() == expected,
        "POST {path}: {} {}; {}",
        answer.status,
        answer.text(),
        daemon.log_tail()
    );
    Ok(())
}

const OK: &str = r#"{"status": "ok"}"#;

/// What the ledger says of this user, as an operator would say it.
fn request(connection: &Connection) -> String {
    let (user, end) = (&connection.user, &connection.end);
    json!({
        "user_type": "IBRL",
        "tunnel_src": user.client_ip.to_string(),
        "tunnel_dst": end.local.to_string(),
        "tunnel_net": user.tunnel_net.to_string(),
        "doublezero_ip": user.dz_ip.to_string(),
        "bgp_local_asn": warren_e2e::network::USER_ASN,
        "bgp_remote_asn": warren_e2e::network::DEVICE_ASN,
    })
    .to_string()
}

fn provision(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    host.daemon.post("/disable?wait=30s")?;
    await_gone(&host.client, &host.daemon, SOON)?;
    let asked = request(&host.connection);
    post(&host.daemon, "/provision", &asked, OK)?;
    ensure!(
        link(&host.client, LINK)?.is_some(),
        "the link is there when the answer is"
    );
    host.await_working(site)?;
    without_loss({
        let pings = host.pings()?;
        stays(
            "it stays over the next reads of the ledger",
            scaled(Duration::from_secs(2)),
            || {
                ensure!(link(&host.client, LINK)?.is_some());
                Ok(())
            },
        )?;
        pings
    })?;
    let again = r#"{"status": "error", "description": "malformed stuff: cannot provision multiple unicast tunnels at the same time"}"#;
    post(&host.daemon, "/provision", &asked, again)?;
    let status = host.daemon.json("/v3/status")?;
    ensure!(
        status["tunnels"][0]["source"] == "manual" && status["enabled"] == false,
        "{status}"
    );
    ensure!(
        host.daemon.json("/status")?[0]["user_type"] == "IBRL",
        "it is a service as any other"
    );
    post(
        &host.daemon,
        "/remove",
        r#"{"user_type":"IBRLWithAllocatedIP"}"#,
        OK,
    )?;
    ensure!(
        link(&host.client, LINK)?.is_none(),
        "the link is gone when the answer is there"
    );
    post(&host.daemon, "/provision", &asked, OK)?;
    host.daemon.post("/enable?wait=30s")?;
    host.await_working(site)?;
    let status = host.daemon.json("/v3/status")?;
    ensure!(status["tunnels"][0]["source"] == "ledger", "{status}");
    Ok(())
}

fn remove(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    post(&host.daemon, "/remove", r#"{"user_type":"IBRL"}"#, OK)?;
    host.await_working(site)?;
    ensure!(host.fingerprint(site)?.0 != before.0, "it was taken down");
    Ok(())
}
