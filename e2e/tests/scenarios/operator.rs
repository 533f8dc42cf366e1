//! What an operator types: `warren connect`, `disconnect` and `multicast`, against the program on the ledger.

mod asking;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    daemon::Daemon,
    observe::{await_gone, link, service},
    operator::{Operator, Said, follow_all},
    ping,
    program::seat,
    site::{LINK, MULTICAST_LINK, Site, TEST_ADDRESSES},
    wait::{Ask, until},
};
use warren_ledger::accounts::{Device, PassType, ProgramConfig, User, UserStatus, UserType, Version};
use warren_state::Pubkey;

use crate::{Scenario, support::SOON};
use asking::{looks, nearest, versions};

pub const ALL: &[Scenario] = &[
    (
        "connect_makes_a_user_and_ends_when_pings_cross_and_disconnect_takes_everything_back",
        there_and_back,
    ),
    (
        "connect_run_again_resumes_and_no_wait_leaves_the_rest_to_the_daemon",
        resumes,
    ),
    (
        "what_keeps_a_host_from_connecting_is_told_before_anything_is_paid",
        refused,
    ),
    (
        "a_daemon_or_a_ledger_that_is_down_is_told_with_its_exit_code",
        down,
    ),
    (
        "a_tunnel_that_cannot_come_up_ends_connect_with_its_phase_and_what_to_check",
        hangs,
    ),
    (
        "an_interrupted_connect_says_what_stands_and_the_next_one_goes_on",
        interrupted,
    ),
    ("multicast_roles_are_taken_up_and_given_up_one_by_one", roles),
    ("feeds_are_joined_and_left_with_exactly_their_groups", feeds),
    ("two_tunnels_of_a_host_never_end_at_the_same_address", two_tunnels),
    ("the_nearest_device_that_answers_is_chosen", nearest),
    (
        "a_newer_program_is_noted_and_one_that_is_too_new_is_an_error",
        versions,
    ),
    ("keys_balance_users_passes_and_configuration_are_shown", looks),
];

const DEVICE: &str = "--device=ams-dz01";

fn daemon(site: &Site<'_>) -> Result<Daemon> {
    site.start_daemon_with(site.daemon_config())
}

fn users(site: &Site<'_>) -> Result<Vec<(Pubkey, User)>> {
    Ok(site
        .network
        .users()?
        .into_iter()
        .filter(|(_, user)| user.client_ip == site.client().address)
        .collect())
}

fn there_and_back(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let said = operator.succeeds(site, &["connect", "ibrl", DEVICE])?;
    said.tells(&[
        "Connected: doublezero0",
        "BGP Session Up",
        "ams-dz01",
        "access pass",
    ])?;
    let (_, user) = users(site)?.into_iter().next().context("no user")?;
    ensure!(
        user.status == UserStatus::ACTIVATED
            && user.user_type == UserType::IBRL
            && user.owner == operator.payer,
        "{user:?}"
    );
    ensure!(
        service(&daemon)?.context("no service")?["doublezero_status"]["session_status"] == "BGP Session Up",
        "it ended too early"
    );
    let client = Arc::clone(&site.client().namespace);
    ping::first_reply(&client, user.dz_ip, TEST_ADDRESSES[0], SOON)?;
    let warnings = daemon.log_lines_at(&["WARN", "ERROR"]);
    ensure!(
        warnings.is_empty(),
        "the happy path warned:\n{}",
        warnings.join("\n")
    );

    // From here on the device may go first, which is worth a warning.
    let back = operator.succeeds(site, &["disconnect"])?;
    back.tells(&["Disconnected: the users and their tunnels are gone"])?;
    ensure!(
        users(site)?.is_empty() && link(&client, LINK)?.is_none(),
        "something is left: {back}"
    );
    operator
        .succeeds(site, &["disconnect", "ibrl"])?
        .tells(&["Nothing to disconnect"])?;
    // The address of another host is none of ours, and a disconnect that nobody waited for is waited for by the next one.
    let elsewhere = operator.warren(&["connect", "ibrl", DEVICE, "--client-ip", "9.128.0.77"])?;
    ensure!(elsewhere.code == 1 && users(site)?.is_empty(), "{elsewhere}");
    elsewhere.tells(&["which takes precedence", "-client-ip 9.128.0.77"])?;
    operator.succeeds(site, &["connect", "ibrl", DEVICE])?;
    operator
        .warren(&["disconnect", "--no-wait"])?
        .tells(&["Disconnected on the ledger"])?;
    operator.succeeds(site, &["disconnect"])?;
    ensure!(link(&client, LINK)?.is_none(), "the tunnel is still there");
    Ok(())
}

fn resumes(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    operator
        .succeeds(site, &["connect", "ibrl", DEVICE, "--no-wait"])?
        .tells(&["Tunnel provisioning in progress (daemon will handle it)"])?;
    let made = users(site)?;
    daemon.post("/disable?wait=10s")?;
    let said = operator.succeeds(site, &["connect", "ibrl", "--json"])?;
    let events = said.events()?;
    let last = events.last().context("no events")?;
    ensure!(
        last["event"] == "result" && last["ok"] == true && last["tunnel"]["phase"] == "active",
        "{last}"
    );
    ensure!(
        events
            .iter()
            .any(|event| event["step"] == "user" && event["created"] == false),
        "{said}"
    );
    ensure!(users(site)? == made, "another user was made");
    let other = operator.warren(&["connect", "ibrl", "--allocate-addr"])?;
    ensure!(other.code == 1, "{other}");
    other.tells(&["another kind", "`warren disconnect ibrl` first"])
}

fn refused(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::without_pass(site, &daemon, "poor")?;
    let connect = |arguments: &[&str]| operator.warren(&[&["connect", "ibrl"], arguments].concat());
    let fails = |said: Said, parts: &[&str]| {
        ensure!(said.code == 1, "{said}");
        said.tells(parts)?;
        said.tells(&["So far: nothing was changed."])
    };
    fails(
        connect(&[DEVICE])?,
        &[
            "there is no access pass for",
            &operator.payer.to_string(),
            &site.client().address.to_string(),
        ],
    )?;
    operator.give_pass(site, site.client().address, |_| {})?;
    fails(
        connect(&["--device=moon-dz01"])?,
        &[
            "there is no device \"moon-dz01\"",
            "`warren latency` lists the devices",
        ],
    )?;
    fails(connect(&["nobody", DEVICE])?, &["there is no tenant \"nobody\""])?;
    let full = |device: &mut Device| device.users_count = device.max_users;
    site.network.edit_device(site.device_key(), full)?;
    fails(
        connect(&[DEVICE])?,
        &["device ams-dz01 cannot be used: it is full"],
    )?;
    site.network
        .edit_device(site.device_key(), |device| device.users_count = 0)?;
    let new = operator.keypair.with_extension("new");
    let broke = operator.with_keypair(new);
    broke
        .warren(&["keygen", "--outfile", &broke.keypair.display().to_string()])?
        .tells(&["whoever has this file"])?;
    fails(
        broke.warren(&["connect", "ibrl", DEVICE])?,
        &["has no balance on", "Send some SOL to"],
    )?;
    ensure!(users(site)?.is_empty(), "a user was made");
    Ok(())
}

fn down(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = daemon(site)?;
    let mut operator = Operator::with_pass(site, &daemon, |_| {})?;
    let url = std::mem::replace(&mut operator.url, format!("http://{}:1", site.client().gateway));
    let deaf = operator.warren(&["connect", "ibrl", DEVICE])?;
    ensure!(deaf.code == 1, "{deaf}");
    deaf.tells(&["the ledger cannot be asked", "Check --url"])?;
    operator.url = url;
    operator.succeeds(site, &["connect", "ibrl", DEVICE])?;
    daemon.terminate()?;
    let gone = operator.warren(&["connect", "ibrl", DEVICE])?;
    ensure!(gone.code == 3, "{gone}");
    gone.tells(&["is warrend running? Start it with"])?;
    let address = site.client().address.to_string();
    let unsure = operator.warren(&["disconnect", "--client-ip", &address])?;
    ensure!(unsure.code == 3, "{unsure}");
    unsure.tells(&["the users are gone from the ledger, but whether their tunnels are is not known"])?;
    ensure!(users(site)?.is_empty(), "the user is still there");
    daemon.resume()?;
    await_gone(&site.client().namespace, &daemon, SOON)?;
    Ok(())
}

/// The device never gets its end: nobody is the network's controller.
fn hangs(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let said = operator.warren(&["connect", "ibrl", DEVICE, "--timeout", "4s"])?;
    ensure!(said.code == 4, "{said}");
    let (client, device) = (site.client().address, site.device().address);
    let ends = format!("between {client} and {device}");
    said.tells(&[
        "after 4s: doublezero0 is in place, but its session is",
        "GRE (IP protocol 47)",
        &ends,
        "is on the ledger",
    ])?;
    operator
        .succeeds(site, &["connect", "ibrl"])?
        .tells(&["Connected: doublezero0"])
}

fn interrupted(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let running = operator.start(&["connect", "ibrl", DEVICE])?;
    until("the user is made", SOON, || {
        Ok(Ask::holds(!users(site)?.is_empty(), || "no user".into()))
    })?;
    until("the daemon is enabled", SOON, || {
        let status = daemon.json("/v2/status")?;
        Ok(Ask::holds(status["reconciler_enabled"] == true, || {
            status.to_string()
        }))
    })?;
    running.interrupt()?;
    let said = running.wait(|| Ok(()))?;
    ensure!(said.code == 130, "{said}");
    said.tells(&["interrupted", "Run the command again", "So far:"])?;
    operator
        .succeeds(site, &["connect", "ibrl"])?
        .tells(&["is there already", "Connected: doublezero0"])
}

fn group(site: &Site<'_>, number: u8, code: &str) -> Result<Pubkey> {
    let (key, group) = site
        .network
        .new_group(number.into(), code, Ipv4Addr::new(233, 84, 178, number));
    site.network.put(key, group)?;
    Ok(key)
}

fn roles(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let groups = [group(site, 1, "mg01")?, group(site, 2, "mg02")?];
    let operator = Operator::with_pass(site, &daemon, |pass| {
        pass.mgroup_pub_allowlist = groups.to_vec();
        pass.mgroup_sub_allowlist = groups.to_vec();
    })?;
    let roles = |site: &Site<'_>| -> Result<(Vec<Pubkey>, Vec<Pubkey>)> {
        let (_, user) = users(site)?.into_iter().next().context("no user")?;
        Ok((user.publishers, user.subscribers))
    };
    operator
        .succeeds(site, &["connect", "multicast", "subscriber", "mg01", DEVICE])?
        .tells(&["Connected: doublezero1"])?;
    ensure!(roles(site)? == (vec![], vec![groups[0]]), "{:?}", roles(site)?);
    // The reference takes the role to receive away here, and so does what is called like it.
    operator.succeeds(site, &["connect", "multicast", "publisher", "mg01"])?;
    ensure!(
        roles(site)? == (vec![groups[0]], vec![groups[0]]),
        "{:?}",
        roles(site)?
    );
    let reference = Operator::new(site, &daemon, operator.keypair.clone())?.who_types("doublezero");
    reference.succeeds(site, &["connect", "multicast", "publisher", "mg01"])?;
    ensure!(roles(site)? == (vec![groups[0]], vec![]), "{:?}", roles(site)?);
    operator.succeeds(site, &["multicast", "subscribe", "mg01"])?;
    operator
        .succeeds(site, &["multicast", "subscribe", "mg02"])?
        .tells(&["Changed, and the daemon has applied it"])?;
    operator.succeeds(site, &["multicast", "unpublish", "mg01"])?;
    ensure!(
        roles(site)? == (vec![], vec![groups[0], groups[1]]),
        "{:?}",
        roles(site)?
    );
    operator.succeeds(site, &["multicast", "unsubscribe", "mg01", "mg02"])?;
    ensure!(roles(site)? == (vec![], vec![]), "{:?}", roles(site)?);
    ensure!(
        link(&site.client().namespace, MULTICAST_LINK)?.is_some(),
        "the tunnel went with its groups"
    );
    operator
        .succeeds(site, &["multicast", "unsubscribe", "mg01"])?
        .tells(&["It is so already"])?;
    let unknown = operator.warren(&["multicast", "publish", "mg09"])?;
    ensure!(unknown.code == 1, "{unknown}");
    unknown.tells(&["there is no multicast group \"mg09\"", "mg01, mg02"])?;
    operator.succeeds(site, &["disconnect", "multicast"])?;
    // Without groups named, all that the pass allows.
    operator.succeeds(site, &["connect", "multicast", DEVICE])?;
    let (publishers, subscribers) = roles(site)?;
    ensure!(
        publishers.len() == 2 && subscribers.len() == 2,
        "{publishers:?} {subscribers:?}"
    );
    operator.succeeds(site, &["disconnect"])?;
    ensure!(users(site)?.is_empty(), "a user is left");
    Ok(())
}

fn feeds(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let groups = [
        group(site, 1, "mg01")?,
        group(site, 2, "mg02")?,
        group(site, 3, "mg03")?,
    ];
    let feeds = [
        ("news", vec![groups[0], groups[1]]),
        ("prices", vec![groups[1], groups[2]]),
    ];
    let mut seats = Vec::new();
    for (code, carried) in feeds {
        let (key, feed) = site.network.new_feed(code, carried)?;
        site.put(key, feed)?;
        seats.push(seat(key, 2));
    }
    let operator = Operator::with_pass(site, &daemon, |pass| pass.pass_type = PassType::EdgeSeat(seats))?;
    let subscribed = |site: &Site<'_>| -> Result<BTreeSet<Pubkey>> {
        let (_, user) = users(site)?.into_iter().next().context("no user")?;
        ensure!(user.publishers.is_empty(), "{user:?}");
        Ok(user.subscribers.into_iter().collect())
    };
    let unknown = operator.warren(&["connect", "multicast", "--subscribe-feed", "gossip", DEVICE])?;
    ensure!(
        unknown.code == 1 && users(site)?.is_empty(),
        "a user was made and paid for nothing: {unknown}"
    );
    operator
        .succeeds(
            site,
            &["connect", "multicast", "--subscribe-feed", "news", DEVICE],
        )?
        .tells(&["joined news", "Connected: doublezero1"])?;
    ensure!(
        subscribed(site)? == [groups[0], groups[1]].into(),
        "{:?}",
        subscribed(site)?
    );
    operator.succeeds(site, &["connect", "multicast", "--subscribe-feed", "prices"])?;
    ensure!(subscribed(site)? == groups.into(), "{:?}", subscribed(site)?);
    operator
        .succeeds(site, &["connect", "multicast", "--unsubscribe-feed", "news"])?
        .tells(&["left news"])?;
    ensure!(
        subscribed(site)? == [groups[1], groups[2]].into(),
        "{:?}",
        subscribed(site)?
    );
    let unknown = operator.warren(&["connect", "multicast", "--subscribe-feed", "gossip"])?;
    ensure!(unknown.code == 1, "{unknown}");
    unknown.tells(&["there is no feed \"gossip\" in the device's metro"])?;
    operator.succeeds(site, &["disconnect"])?;
    ensure!(users(site)?.is_empty(), "a user is left");
    Ok(())
}

fn two_tunnels(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    let daemon = daemon(site)?;
    let mg01 = group(site, 1, "mg01")?;
    let operator = Operator::with_pass(site, &daemon, |pass| pass.mgroup_sub_allowlist = vec![mg01])?;
    operator.succeeds(site, &["connect", "ibrl", DEVICE])?;
    let taken = operator.warren(&["connect", "multicast", "--subscribe", "mg01", DEVICE])?;
    ensure!(taken.code == 1, "{taken}");
    taken.tells(&["each of its addresses ends a tunnel of this host already"])?;
    operator.succeeds(
        site,
        &[
            "connect",
            "multicast",
            "--subscribe",
            "mg01",
            "--device",
            "ams-dz02",
        ],
    )?;
    let mut ends: Vec<Ipv4Addr> = users(site)?
        .into_iter()
        .map(|(_, user)| user.tunnel_endpoint)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ensure!(
        ends.len() == 2 && !ends.contains(&Ipv4Addr::UNSPECIFIED),
        "{ends:?}"
    );
    operator.succeeds(site, &["disconnect", "multicast"])?;
    ensure!(
        service(&daemon)?.is_some_and(|service| service["user_type"] == "IBRL"),
        "the other tunnel went too"
    );
    Ok(())
}
