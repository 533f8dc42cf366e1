//! What an operator may ask.

use super::*;

/// The second device does not answer pings; the first one does.
pub(super) fn nearest(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    site.devices[1]
        .1
        .namespace
        .sysctl("ipv4/icmp_echo_ignore_all", "1")?;
    let daemon = site.start_daemon_with({
        let mut config = site.daemon_config();
        config.more.push("-probe-interval=5".into());
        config
    })?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    operator
        .succeeds(site, &["connect", "ibrl"])?
        .tells(&["ams-dz01", "ms away"])?;
    operator
        .succeeds(site, &["latency"])?
        .tells(&["ams-dz01", "ams-dz02", "true", "false"])?;
    follow_all(site)
}

pub(super) fn versions(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let derived = site.network.pda().program_config();
    let put = |version: u32, least: u32| {
        let of = |minor| Version {
            major: 0,
            minor,
            patch: 0,
        };
        site.put(
            derived.address,
            ProgramConfig {
                bump: derived.bump,
                version: of(version),
                min_compatible: of(least),
            },
        )
    };
    let warning = "an update may be due";
    put(99, 30)?;
    let noted = operator.warren(&["disconnect"])?;
    ensure!(noted.code == 0 && noted.err.contains(warning), "{noted}");
    let silent = operator.warren(&["disconnect", "--no-version-warning"])?;
    ensure!(silent.code == 0 && !silent.err.contains(warning), "{silent}");
    put(99, 98)?;
    let refused = operator.warren(&["connect", "ibrl", DEVICE, "--no-version-warning"])?;
    ensure!(refused.code == 1 && users(site)?.is_empty(), "{refused}");
    refused.tells(&[
        "asks for clients of version 0.98.0 or later",
        "Update this software.",
    ])?;
    // The switch and the status are the daemon's: whatever the program asks for, tunnels can be turned off.
    for verb in ["enable", "disable", "status"] {
        let said = operator.warren(&[verb])?;
        ensure!(said.code == 0 && !said.err.contains("version"), "{said}");
    }
    Ok(())
}

pub(super) fn looks(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let payer = operator.payer.to_string();
    operator.succeeds(site, &["address"])?.tells(&[&payer])?;
    operator.succeeds(site, &["balance"])?.tells(&[" SOL"])?;
    operator
        .succeeds(site, &["access-pass", "list", "--mine"])?
        .tells(&["prepaid", &payer])?;
    operator
        .succeeds(site, &["access-pass", "get"])?
        .tells(&[&payer])?;
    operator.succeeds(site, &["connect", "ibrl", DEVICE])?;
    operator.succeeds(site, &["user", "list", "--here"])?.tells(&[
        "IBRL",
        "ams-dz01",
        "activated",
        &payer,
    ])?;
    let (key, _) = users(site)?.into_iter().next().context("no user")?;
    operator
        .succeeds(site, &["user", "get", "--pubkey", &key.to_string()])?
        .tells(&["169.254.0.", "activated"])?;
    operator
        .succeeds(site, &["config", "set", "--tenant", "acme"])?
        .tells(&["wrote"])?;
    operator
        .succeeds(site, &["config", "get"])?
        .tells(&["Tenant: acme", "RPC URL: http://"])?;
    until("the tunnel is still there", Duration::from_secs(1), || {
        Ok(Ask::holds(service(&daemon)?.is_some(), || "it is gone".into()))
    })?;
    Ok(())
}
