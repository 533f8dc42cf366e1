//! The program's rules as `warren connect` and `disconnect` keep them: which pass counts, feeds, both services at once, others' users.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use warren_e2e::{daemon::Daemon, operator::Operator, program::seat, site::Site};
use warren_ledger::accounts::{AccessPass, Account, Feed, GroupStatus, PassType, User, UserType};
use warren_state::Pubkey;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    (
        "both_services_are_connected_at_once_as_far_as_the_pass_allows_them",
        both,
    ),
    (
        "feeds_are_swapped_whole_grown_ones_are_joined_again_and_roles_beside_them_keep_the_subscription",
        feeds,
    ),
    (
        "of_two_passes_the_one_that_lets_in_counts_and_no_leave_leaves_a_seat_charged",
        two_passes,
    ),
    (
        "an_address_of_the_host_is_pinned_where_a_pass_is_for_exactly_this_one",
        pinned,
    ),
    ("users_that_others_made_are_told_and_left_alone", others),
];

const DEVICE: &str = "--device=ams-dz01";

fn daemon(site: &Site<'_>) -> Result<Daemon> {
    site.start_daemon_with(site.daemon_config())
}

fn multicast_user(site: &Site<'_>) -> Result<User> {
    let key = site
        .network
        .pda()
        .user(site.client().address, UserType::MULTICAST)
        .address;
    match site.network.get(key)? {
        Some(Account::User(user)) => Ok(user),
        found => bail!("no user with multicast: {found:?}"),
    }
}

fn pass_at(site: &Site<'_>, key: Pubkey) -> Result<AccessPass> {
    match site.network.get(key)? {
        Some(Account::AccessPass(pass)) => Ok(pass),
        found => bail!("no pass: {found:?}"),
    }
}

/// How many users each seat of the pass has.
fn seats(site: &Site<'_>, key: Pubkey) -> Result<Vec<u8>> {
    let PassType::EdgeSeat(seats) = pass_at(site, key)?.pass_type else {
        bail!("the pass has no seats")
    };
    Ok(seats.iter().map(|seat| seat.current).collect())
}

fn groups<const N: usize>(site: &Site<'_>) -> Result<[Pubkey; N]> {
    let mut keys = [Pubkey::default(); N];
    for (number, key) in (1..).zip(&mut keys) {
        let (address, group) = site.network.new_group(
            number.into(),
            &format!("mg{number:02}"),
            Ipv4Addr::new(233, 84, 178, number),
        );
        site.network.put(address, group)?;
        *key = address;
    }
    Ok(keys)
}

fn feed(site: &Site<'_>, code: &str, groups: &[Pubkey]) -> Result<Pubkey> {
    let (key, feed) = site.network.new_feed(code, groups.to_vec())?;
    site.put(key, feed)?;
    Ok(key)
}

fn both(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    let daemon = daemon(site)?;
    let [mg01, _] = groups::<2>(site)?;
    let operator = Operator::with_pass(site, &daemon, |pass| pass.mgroup_sub_allowlist = vec![mg01])?;
    let misplaced = operator.warren(&["connect", "--tenant", "acme", "ibrl"])?;
    ensure!(misplaced.code == 2, "{misplaced}");
    misplaced.tells(&["apply to the bare 'connect'", "connect ibrl <TENANT>"])?;
    operator.succeeds(site, &["connect"])?.tells(&[
        "IBRL: provisioned",
        "Multicast: provisioned",
        "User Provisioned",
    ])?;
    let ends: std::collections::BTreeSet<Ipv4Addr> = site
        .network
        .users()?
        .iter()
        .map(|(_, user)| user.tunnel_endpoint)
        .collect();
    ensure!(
        ends.len() == 2 && multicast_user(site)?.subscribers == [mg01],
        "{ends:?}"
    );
    operator.succeeds(site, &["disconnect"])?;

    let key = site
        .network
        .pda()
        .access_pass(site.client().address, &operator.payer)
        .address;
    site.network.edit_pass(key, |pass| pass.last_access_epoch = 0)?;
    let skipped = operator.succeeds(site, &["connect"])?;
    skipped.tells(&[
        "IBRL skipped: the AccessPass expired at epoch 0",
        "multicast is not epoch-gated",
        "Multicast: provisioned",
    ])?;
    operator.succeeds(site, &["disconnect"])?;

    site.network.edit_pass(key, |pass| {
        (pass.max_unicast, pass.mgroup_sub_allowlist) = (0, vec![]);
    })?;
    let before = site.network.rpc.balance(operator.payer)?;
    let nothing = operator.warren(&["connect"])?;
    ensure!(
        nothing.code == 1 && site.network.rpc.balance(operator.payer)? == before,
        "{nothing}"
    );
    nothing.tells(&[
        "IBRL: nothing authorized",
        "Multicast: nothing authorized",
        "nothing to connect: the AccessPass authorizes",
    ])?;

    // Each leg is tried, and the one that failed is named.
    site.network.edit_pass(key, |pass| {
        (pass.max_unicast, pass.max_multicast, pass.last_access_epoch) = (1, 0, u64::MAX);
        pass.mgroup_sub_allowlist = vec![mg01];
    })?;
    let half = operator.warren_with_devices(site, &["connect"])?;
    ensure!(half.code == 1, "{half}");
    half.tells(&[
        "IBRL: provisioned",
        "Multicast failed:",
        "(0 of 0 in use)",
        "rerun `connect multicast` to finish",
    ])
}

fn feeds(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let [mg01, mg02, mg03, mg04] = groups::<4>(site)?;
    let news = feed(site, "news", &[mg01, mg02])?;
    let prices = feed(site, "prices", &[mg02, mg03])?;
    let full = feed(site, "full", &[mg04])?;
    let operator = Operator::with_pass(site, &daemon, |pass| {
        let taken = warren_ledger::accounts::FeedSeat {
            current: 1,
            ..seat(full, 1)
        };
        pass.pass_type = PassType::EdgeSeat(vec![seat(news, 1), seat(prices, 1), taken]);
        pass.mgroup_pub_allowlist = vec![mg03];
    })?;
    let pass = site
        .network
        .pda()
        .access_pass(site.client().address, &operator.payer)
        .address;
    // What the pass has a free seat at is joined without being named.
    operator
        .succeeds(site, &["connect", "multicast", DEVICE])?
        .tells(&["joined news, prices"])?;
    ensure!(seats(site, pass)? == [1, 1, 1], "{:?}", seats(site, pass)?);
    operator.succeeds(site, &["connect", "multicast", "--unsubscribe-feed", "prices"])?;
    ensure!(
        multicast_user(site)?.feed_pks == [news] && seats(site, pass)? == [1, 0, 1],
        "{:?}",
        seats(site, pass)?
    );

    let refused = |arguments: &[&str], code: i32, needles: &[&str]| -> Result<()> {
        let said = operator.warren(&[&["connect", "multicast"], arguments].concat())?;
        ensure!(said.code == code, "{said}");
        said.tells(needles)
    };
    refused(
        &["--unsubscribe-feed", "prices"],
        1,
        &["does not hold the feed \"prices\"", "Feeds that it holds: news"],
    )?;
    refused(
        &["--subscribe-feed", "news", "--unsubscribe-feed", "news"],
        1,
        &["to be joined and to be left"],
    )?;
    refused(
        &["--subscribe", "mg01", "--subscribe-feed", "prices"],
        2,
        &["groups and feeds cannot be named together"],
    )?;
    refused(
        &["--subscribe-feed", "full", "--unsubscribe-feed", "news"],
        1,
        &["all seats are taken: full (1 of 1 seats in use)"],
    )?;
    ensure!(
        multicast_user(site)?.feed_pks == [news],
        "the first half of a swap was sent"
    );

    operator
        .succeeds(
            site,
            &[
                "connect",
                "multicast",
                "--subscribe-feed",
                "prices",
                "--unsubscribe-feed",
                "news",
            ],
        )?
        .tells(&["left news", "joined prices"])?;
    let user = multicast_user(site)?;
    ensure!(
        user.feed_pks == [prices] && seats(site, pass)? == [0, 1, 1],
        "{user:?}"
    );
    refused(
        &["--subscribe", "mg01"],
        1,
        &["does not allow this host to receive from", "--subscribe-feed"],
    )?;

    // It grew.
    let grown: Feed = match site.network.get(prices)? {
        Some(Account::Feed(feed)) => Feed {
            groups: vec![mg02, mg03, mg04],
            ..feed
        },
        found => bail!("no feed: {found:?}"),
    };
    site.put(prices, grown)?;
    operator
        .succeeds(site, &["connect", "multicast", "--subscribe-feed", "prices"])?
        .tells(&["joined prices"])?;
    ensure!(
        multicast_user(site)?.subscribers.contains(&mg04) && seats(site, pass)? == [0, 1, 1],
        "{:?}",
        multicast_user(site)?
    );

    operator.succeeds(site, &["multicast", "publish", "mg03"])?;
    let user = multicast_user(site)?;
    ensure!(
        user.publishers == [mg03] && user.subscribers.contains(&mg03),
        "the subscription went: {user:?}"
    );
    operator.succeeds(site, &["multicast", "unpublish", "mg03"])?;
    let user = multicast_user(site)?;
    ensure!(
        user.publishers.is_empty() && user.subscribers.contains(&mg03),
        "the subscription went: {user:?}"
    );

    // A feed that is no longer on the pass is not named as kept, and goes.
    operator.succeeds(site, &["connect", "multicast", "--subscribe-feed", "news"])?;
    site.network.edit_pass(pass, |pass| {
        if let PassType::EdgeSeat(seats) = &mut pass.pass_type {
            seats.retain(|seat| seat.feed != news);
        }
    })?;
    operator
        .succeeds(site, &["connect", "multicast", "--unsubscribe-feed", "prices"])?
        .tells(&["left prices"])?;
    ensure!(
        multicast_user(site)?.feed_pks.is_empty(),
        "{:?}",
        multicast_user(site)?
    );
    operator.succeeds(site, &["disconnect"])?;
    Ok(())
}

fn two_passes(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let [mg01] = groups::<1>(site)?;
    let news = feed(site, "news", &[mg01])?;
    let operator = Operator::with_pass(site, &daemon, |pass| {
        pass.pass_type = PassType::EdgeSeat(vec![seat(news, 1)])
    })?;
    let exact = site
        .network
        .pda()
        .access_pass(site.client().address, &operator.payer)
        .address;
    let any = operator.give_pass(site, Ipv4Addr::UNSPECIFIED, |_| {})?;
    // The one for any address counts first, and only the other one has the seat.
    let said = operator.succeeds(
        site,
        &["connect", "multicast", "--subscribe-feed", "news", DEVICE],
    )?;
    said.tells(&[&format!("{exact} (edge seat (1 feeds))"), "joined news"])?;
    ensure!(
        seats(site, exact)? == [1] && pass_at(site, any)?.connection_count == 0,
        "the wrong pass was charged"
    );

    // A user of an older program, and nothing tells that it is not the first pass's.
    site.network.edit_pass(any, |pass| pass.connection_count = 1)?;
    let key = site
        .network
        .pda()
        .user(site.client().address, UserType::MULTICAST)
        .address;
    site.network
        .edit_user(key, |user| user.access_pass = Pubkey::default())?;
    let refused = operator.warren(&["connect", "multicast", "--unsubscribe-feed", "news"])?;
    ensure!(refused.code == 1 && seats(site, exact)? == [1], "{refused}");
    refused.tells(&[
        &format!("held by the access pass {exact}"),
        &format!("--access-pass {exact}"),
    ])?;
    let named = exact.to_string();
    operator
        .succeeds(
            site,
            &[
                "connect",
                "multicast",
                "--unsubscribe-feed",
                "news",
                "--access-pass",
                &named,
            ],
        )?
        .tells(&["left news"])?;
    ensure!(seats(site, exact)? == [0], "the seat stayed charged");
    operator.succeeds(site, &["disconnect", "--access-pass", &named])?;

    // Where both let in, the first one does.
    operator
        .succeeds(site, &["connect", "ibrl", DEVICE])?
        .tells(&[&format!("{any} (prepaid)")])?;
    operator.succeeds(site, &["disconnect"])?;
    // Its own cap is looked at before the fee.
    site.network
        .edit_pass(any, |pass| pass.unicast_user_count = pass.max_unicast)?;
    site.network
        .edit_pass(exact, |pass| pass.unicast_user_count = pass.max_unicast)?;
    let before = site.network.rpc.balance(operator.payer)?;
    let full = operator.warren(&["connect", "ibrl", DEVICE])?;
    ensure!(
        full.code == 1 && site.network.rpc.balance(operator.payer)? == before,
        "{full}"
    );
    full.tells(&["allows no more unicast connections (1 of 1 in use)"])
}

fn others(site: &mut Site<'_>) -> Result<()> {
    let daemon = daemon(site)?;
    let [mg01] = groups::<1>(site)?;
    let operator = Operator::with_pass(site, &daemon, |pass| pass.mgroup_sub_allowlist = vec![mg01])?;
    let (oracles, user) = site.new_user(7, UserType::MULTICAST);
    site.put(oracles, user)?;
    let (strangers, mut user) = site.new_user(8, UserType::IBRL);
    user.owner = Pubkey([9; 32]);
    site.put(strangers, user)?;
    let said = operator.warren(&["disconnect"])?;
    ensure!(said.code == 0 && site.network.users()?.len() == 2, "{said}");
    let by_oracle = format!("User {oracles} is managed by the shred oracle");
    let withdraw = "Use `doublezero-solana shreds withdraw` to disconnect.";
    said.tells(&[
        &by_oracle,
        withdraw,
        &format!("User {strangers} is managed by an external service"),
    ])?;
    let not_ours = operator.warren(&["connect", "ibrl", DEVICE])?;
    ensure!(not_ours.code == 1, "{not_ours}");
    not_ours.tells(&[
        &format!("was made by {}", Pubkey([9; 32])),
        "If that key is yours",
    ])?;
    for key in [oracles, strangers] {
        site.network.delete(key)?;
    }

    // A user in a group whose account is gone cannot be deleted: a sentence says so, before anything is paid.
    operator.succeeds(site, &["connect", "multicast", DEVICE])?;
    let Some(Account::MulticastGroup(group)) = site.network.get(mg01)? else {
        bail!("no group")
    };
    ensure!(group.status == GroupStatus::ACTIVATED, "{group:?}");
    site.network.delete(mg01)?;
    let before = site.network.rpc.balance(operator.payer)?;
    let stuck = operator.warren(&["disconnect"])?;
    ensure!(
        stuck.code == 1 && site.network.rpc.balance(operator.payer)? == before,
        "{stuck}"
    );
    stuck.tells(&[
        &format!("in the multicast group {mg01}, whose account is gone"),
        "network's operators",
    ])?;
    site.put(mg01, group)?;
    operator.succeeds(site, &["disconnect"])?;
    site.network
        .users()?
        .is_empty()
        .then_some(())
        .context("a user is left")
}

fn pinned(site: &mut Site<'_>) -> Result<()> {
    let (address, spare) = (site.client().address, site.client().spare_address);
    let named = spare.to_string();
    let connect = ["connect", "ibrl", DEVICE, "--client-ip", &named];
    // Who started the daemon has named another one.
    let mut daemon = daemon(site)?;
    let operator = Operator::without_pass(site, &daemon, "operator")?;
    let flag = operator.warren(&connect)?;
    ensure!(flag.code == 1, "{flag}");
    flag.tells(&[
        &format!("started with -client-ip {address}"),
        &format!("Start the daemon with -client-ip {spare}, or without it"),
    ])?;
    daemon.terminate()?;

    site.clients[0].daemon_arguments = vec!["--client-ip=".to_owned()];
    let daemon = site.start_daemon_with(site.daemon_config())?;
    let refused = |needle: &str| -> Result<()> {
        let said = operator.warren(&connect)?;
        ensure!(said.code == 1 && site.network.users()?.is_empty(), "{said}");
        ensure!(
            daemon.json("/v3/status")?["client_ip"] == address.to_string(),
            "the address was taken: {said}"
        );
        said.tells(&[needle])
    };
    let any = operator.give_pass(site, Ipv4Addr::UNSPECIFIED, |_| {})?;
    refused(&format!("no access pass is pinned to {spare}"))?;
    let exact = operator.give_pass(site, spare, |_| {})?;
    refused("for any address takes precedence over")?;
    site.network.delete(any)?;
    site.network.edit_pass(exact, |pass| pass.flags = 2)?;
    refused("allows several addresses")?;
    site.network.edit_pass(exact, |pass| pass.flags = 0)?;
    let nowhere = operator.warren(&["connect", "ibrl", "--client-ip", "10.0.0.1"])?;
    ensure!(nowhere.code == 1, "{nowhere}");
    nowhere.tells(&["it is not a globally routable address"])?;

    let said = operator.succeeds(site, &connect)?;
    said.tells(&[
        &format!("Using --client-ip {spare}"),
        &format!("from {spare}"),
        "Connected",
    ])?;
    let status = daemon.json("/v3/status")?;
    ensure!(
        status["client_ip"] == named && status["client_ip_source"] == "pin",
        "{status}"
    );
    // It is this host's own from now on.
    operator.succeeds(site, &["disconnect"])?.tells(&["Disconnected"])
}
