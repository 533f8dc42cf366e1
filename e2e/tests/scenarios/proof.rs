//! Proofs of address: from the network's verification service, over `warren connect`, to the program.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use warren_e2e::{daemon::Daemon, operator::Operator, site::Site, verifier::Verifier};
use warren_ledger::{Keypair, accounts::UserType};
use warren_state::Pubkey;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    (
        "a_proof_is_obtained_where_a_service_is_named_and_the_program_takes_it_whether_it_asks_or_not",
        proven,
    ),
    (
        "a_network_that_asks_for_a_proof_and_gets_none_refuses_and_connect_says_what_to_do",
        missing,
    ),
    (
        "a_proof_of_another_address_ends_connect_which_names_both",
        contradicted,
    ),
    ("a_pass_for_exactly_this_address_needs_no_proof", waived),
    ("a_proof_that_the_program_would_refuse_is_not_sent", unattachable),
];

const DEVICE: &str = "--device=ams-dz01";
const VARIABLE: &str = "DZ_IP_VERIFIER_URL";

/// Somebody whose pass is for any address, so that a proof counts; and a service that the network names.
fn stand(site: &Site<'_>, requires: bool) -> Result<(Daemon, Operator, Verifier)> {
    let daemon = site.start_daemon_with(site.daemon_config())?;
    let operator = Operator::without_pass(site, &daemon, "operator")?;
    operator.give_pass(site, Ipv4Addr::UNSPECIFIED, |_| {})?;
    let verifier = site.world().verifier()?;
    site.network.set_verifier(verifier.key, requires)?;
    Ok((daemon, operator, verifier))
}

fn has_user(site: &Site<'_>) -> Result<bool> {
    Ok(site
        .network
        .users()?
        .iter()
        .any(|(_, user)| user.client_ip == site.client().address))
}

fn proven(site: &mut Site<'_>) -> Result<()> {
    let (_daemon, mut operator, verifier) = stand(site, true)?;
    let verified = format!("IP ownership verified for {}", site.client().address);
    let url = ["--ip-verifier-url", &verifier.url];
    let named = [&["connect", "ibrl", DEVICE], &url[..]].concat();
    operator
        .succeeds(site, &named)?
        .tells(&[&verified, "Connected: doublezero0"])?;
    let signed = verifier.signed();
    let first = signed.first().context("nothing was signed")?;
    let wanted = (site.client().address, operator.payer, UserType::IBRL);
    ensure!(
        (first.client_ip, first.payer, first.user_type) == wanted && signed.len() == 1,
        "{signed:?}"
    );
    operator.succeeds(site, &named)?.tells(&["is there already"])?;
    ensure!(
        verifier.signed().len() == 1,
        "a user that is there was proven again"
    );
    operator.succeeds(site, &["disconnect"])?;

    // Nobody asks for it: it is sent and checked all the same. The variable names the service, and no proxy is on its way.
    site.network.set_verifier(verifier.key, false)?;
    let port = verifier.url.rsplit(':').next().context("no port")?;
    let from_the_cable = format!("http://{}:{port}", site.client().gateway);
    operator.variables = vec![
        (VARIABLE.into(), from_the_cable),
        ("http_proxy".into(), "http://127.0.0.1:1".into()),
        ("no_proxy".into(), site.network.rpc.server.ip().to_string()),
    ];
    let (group, account) = site.network.new_group(1, "mg01", Ipv4Addr::new(233, 84, 178, 1));
    site.put(group, account)?;
    operator.give_pass(site, Ipv4Addr::UNSPECIFIED, |pass| {
        pass.mgroup_sub_allowlist = vec![group]
    })?;
    operator
        .succeeds(site, &["connect", "multicast", "subscriber", "mg01", DEVICE])?
        .tells(&[&verified])?;
    let signed = verifier.signed();
    ensure!(
        signed
            .last()
            .is_some_and(|proof| proof.user_type == UserType::MULTICAST)
            && signed.len() == 2,
        "{signed:?}"
    );
    Ok(())
}

fn missing(site: &mut Site<'_>) -> Result<()> {
    let (_daemon, operator, verifier) = stand(site, true)?;
    let connect = ["connect", "ibrl", DEVICE];
    let refused = operator.warren(&connect)?;
    ensure!(refused.code == 1 && !refused.out.contains("proof"), "{refused}");
    refused.tells(&[
        "(error 105, IpOwnershipProofRequired)",
        "Name the network's verification service with --ip-verifier-url",
    ])?;

    let (url, key) = (verifier.url.clone(), verifier.key);
    drop(verifier);
    let without = [
        "Continuing without an IP ownership proof. This will be rejected onchain",
        "Check that this host's firewall lets it out",
    ];
    let unreachable = format!("could not reach the IP ownership verification service at {url}: ");
    operator
        .warren(&["config", "set", "--ip-verifier-url", &url])?
        .tells(&["wrote"])?;
    let down = operator.warren(&connect)?;
    ensure!(down.code == 1, "{down}");
    down.tells(&[&unreachable, "(error 105, IpOwnershipProofRequired)"])?;
    down.tells(&without)?;
    ensure!(!has_user(site)?, "a user was made");

    // Where nobody asks for a proof, none is needed.
    site.network.set_verifier(key, false)?;
    operator
        .succeeds(site, &connect)?
        .tells(&[&unreachable, "Connected: doublezero0"])
}

/// The host's way to the service is another one than its tunnel's: from the tunnel's address nothing leads there.
fn contradicted(site: &mut Site<'_>) -> Result<()> {
    let (daemon, operator, verifier) = stand(site, true)?;
    let client = site.client();
    let (address, spare, service) = (client.address, client.spare_address, site.network.rpc.server.ip());
    client.namespace.ip(&format!(
        "route add {service} via {} src {spare}\nrule add from {address} to {service} unreachable priority 50\n",
        client.gateway
    ))?;
    let connect = ["connect", "ibrl", DEVICE, "--ip-verifier-url", &verifier.url];
    let fails = |more: &[&str], who: &str| {
        let said = operator.warren(&[&connect, more].concat())?;
        ensure!(said.code == 1, "{said}");
        said.tells(&[
            "this host cannot reach the verification service from the address being provisioned",
            &format!("❌  The verification service observed this host at {spare}, but the daemon is provisioning {address}."),
            &format!("IP ownership verification saw {spare} while {who} {address}"),
            "would leave this host by different paths. Set --client-ip on the daemon",
            "So far: nothing was changed.",
        ])
    };
    fails(&[], "the daemon reports")?;
    fails(&["--client-ip", &address.to_string()], "--client-ip names")?;
    ensure!(!has_user(site)?, "a user was made");

    // What the message advises.
    drop(daemon);
    let mut config = site.daemon_config();
    config.client_ip = spare;
    let _daemon = site.start_daemon_with(config)?;
    let said = operator.warren(&[&connect[..], &["--no-wait"]].concat())?;
    ensure!(said.code == 0, "{said}");
    said.tells(&[&format!("IP ownership verified for {spare}")])
}

fn waived(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon_with(site.daemon_config())?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    site.network.set_verifier(Pubkey([9; 32]), true)?;
    operator
        .succeeds(site, &["connect", "ibrl", DEVICE])?
        .tells(&["Connected: doublezero0"])
}

fn unattachable(site: &mut Site<'_>) -> Result<()> {
    let (_daemon, operator, verifier) = stand(site, true)?;
    let connect = ["connect", "ibrl", DEVICE, "--ip-verifier-url", &verifier.url];
    let other = Keypair::generate()?.pubkey();
    site.network.set_verifier(other, true)?;
    let foreign = operator.warren(&connect)?;
    ensure!(foreign.code == 1, "{foreign}");
    foreign.tells(&[
        &format!("IP ownership proof does not verify against the onchain verifier {other}: "),
        "Name the network's own verification service with --ip-verifier-url",
        "So far: nothing was changed.",
    ])?;

    // Nobody's proofs count: none is asked for.
    site.network.set_verifier(Pubkey::default(), true)?;
    let nobody = operator.warren(&connect)?;
    ensure!(nobody.code == 1, "{nobody}");
    nobody.tells(&[
        "No IP verifier authority is configured onchain; cannot attach an IP ownership proof",
        "IpOwnershipProofRequired",
    ])?;
    ensure!(
        !has_user(site)? && verifier.signed().len() == 1,
        "a user was made, or another proof was asked for"
    );
    site.network.set_verifier(Pubkey::default(), false)?;
    let silent = operator.succeeds(site, &connect)?;
    ensure!(!silent.to_string().contains("IP verifier"), "{silent}");
    ensure!(verifier.signed().len() == 1, "another proof was asked for");
    Ok(())
}
