//! A ledger that misbehaves: stale is safe.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use warren_e2e::{
    daemon::Daemon,
    observe::{await_gone, bgp_routes, rules},
    proxy::{Fault, Proxy},
    site::{LINK, Site},
    underlay::LEDGER_ADDRESS,
    wait::{Ask, is_emulated, scaled, until},
};
use warren_ledger::accounts::{UserStatus, UserType};

use crate::{
    Scenario,
    support::{Connected, SOON, without_loss},
};

/// Where the processor is emulated, one host meets all faults one after another, because hosts are slow to start.
pub fn all() -> Vec<Scenario> {
    if !is_emulated() {
        return [FAULTS, OTHERS].concat();
    }
    let in_turn: Scenario = ("no_fault_of_the_ledger_in_turn_costs_the_tunnel", |site| {
        let rate_limit = Fault::Status(429, Some(1));
        let errors = [
            Fault::Down,
            Fault::Silent,
            Fault::Garbage,
            Fault::Truncated,
            rate_limit,
            Fault::Status(503, None),
        ];
        survives(
            site,
            &[&errors[..], &[Fault::SlotBack(1_000_000), Fault::WrongOwner]].concat(),
        )
    });
    [&[in_turn], OTHERS].concat()
}

const FAULTS: &[Scenario] = &[
    ("a_ledger_that_is_down_costs_no_tunnel", |site| {
        survives(site, &[Fault::Down])
    }),
    ("a_silent_ledger_costs_no_tunnel", |site| {
        survives(site, &[Fault::Silent])
    }),
    ("a_ledger_that_answers_garbage_costs_no_tunnel", |site| {
        survives(site, &[Fault::Garbage])
    }),
    ("a_truncated_answer_costs_no_tunnel", |site| {
        survives(site, &[Fault::Truncated])
    }),
    ("a_rate_limit_costs_no_tunnel", |site| {
        survives(site, &[Fault::Status(429, Some(1))])
    }),
    ("a_ledger_that_is_overloaded_costs_no_tunnel", |site| {
        survives(site, &[Fault::Status(503, None)])
    }),
    ("an_older_slot_without_the_user_costs_no_tunnel", |site| {
        survives(site, &[Fault::SlotBack(1_000_000)])
    }),
    ("accounts_of_another_owner_cost_no_tunnel", |site| {
        survives(site, &[Fault::WrongOwner])
    }),
];

const OTHERS: &[Scenario] = &[
    ("a_single_empty_list_costs_no_tunnel", empty_once),
    ("a_slow_ledger_still_connects", slow),
    ("a_balancer_over_a_node_that_lags_is_read_all_the_same", |site| {
        is_read(site, Fault::Lagging(20))
    }),
    ("an_endpoint_that_redirects_is_read_all_the_same", |site| {
        is_read(site, Fault::Redirected)
    }),
    (
        "a_ledger_that_was_restarted_from_an_earlier_slot_is_followed",
        restarted,
    ),
    ("without_websocket_a_change_is_found_by_reading", no_websocket),
    (
        "a_daemon_started_before_the_ledger_connects_when_it_comes",
        ledger_later,
    ),
    ("a_learned_route_to_the_ledger_takes_it_from_nobody", |site| {
        captured(site, UserType::IBRL)
    }),
    (
        "a_learned_route_to_the_ledger_takes_it_from_no_allocated_address",
        |site| captured(site, UserType::IBRL_WITH_ALLOCATED_IP),
    ),
];

fn connected_by(site: &mut Site<'_>, proxy: &Proxy) -> Result<Connected> {
    site.network.rpc = proxy.rpc;
    let host = crate::support::connected(site, UserType::IBRL);
    site.network.rpc = site.world().ledger;
    host
}

/// While a fault lasts no packet is lost and the tunnel is the same; afterwards a change takes effect.
fn survives(site: &mut Site<'_>, faults: &[Fault]) -> Result<()> {
    let proxy = site.world().proxy()?;
    // A request that nobody answers is given up after this, by default after 30 s.
    site.daemon_arguments = ["--request-timeout", "3s"].map(str::to_owned).to_vec();
    let host = connected_by(site, &proxy)?;
    let before = host.fingerprint(site)?;
    for fault in faults {
        let pings = host.pings()?;
        endure(&proxy, fault).with_context(|| format!("{fault:?}"))?;
        without_loss(pings).with_context(|| format!("{fault:?}"))?;
        host.is_still(site, &before)
            .with_context(|| format!("{fault:?}"))?;
    }
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    proxy.set(Fault::None);
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

/// Has the fault until it has met a few reads; one where the processor is emulated. Down and silent ledgers count by time:
/// their requests are few or unseen.
fn endure(proxy: &Proxy, fault: &Fault) -> Result<()> {
    let (requests, begun) = (proxy.traffic().requests, Instant::now());
    let (reads, time) = if is_emulated() {
        (1, Duration::from_secs(12))
    } else {
        (3, Duration::from_secs(4))
    };
    proxy.set(fault.clone());
    proxy.cut_websockets();
    until("reads have failed", SOON, || {
        let tried = proxy.traffic().requests.saturating_sub(requests);
        let by_time = matches!(fault, Fault::Down | Fault::Silent) && begun.elapsed() > time;
        Ok(Ask::holds(tried >= reads || by_time, || {
            format!("{tried} requests")
        }))
    })?;
    Ok(())
}

fn empty_once(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    let host = connected_by(site, &proxy)?;
    let before = host.fingerprint(site)?;
    let pings = host.pings()?;
    for _ in 0..3 {
        let reads = reads_of(&host)?;
        proxy.next(1, Fault::Empty);
        // The one under way, the one with the empty list, and the one that does not confirm it: the next empty list is not the next.
        until("the ledger was read again", SOON, || {
            let since = reads_of(&host)? - reads;
            Ok(Ask::holds(since >= 3, || format!("{since} reads")))
        })?;
    }
    without_loss(pings)?;
    host.is_still(site, &before)?;
    Ok(())
}

/// Reads of the ledger that ended with a view.
fn reads_of(host: &Connected) -> Result<u64> {
    const NAME: &str = "doublezero_onchain_fetch_total{result=\"success\"}";
    let page = host.daemon.get("/metrics")?.text();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(NAME))
        .context("no such metric")?;
    Ok(line.trim().parse()?)
}

fn slow(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    let slowly = Fault::Slow(Duration::from_millis(700));
    site.daemon_arguments = ["--request-timeout", "5s"].map(str::to_owned).to_vec();
    proxy.set(slowly.clone());
    let host = connected_by(site, &proxy)?;
    // One that waited for the ledger would get no answer now.
    proxy.set(Fault::Silent);
    host.daemon
        .json("/v2/status")
        .context("status waits for the ledger")?;
    proxy.set(slowly);
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

/// From the first view to a ban.
fn is_read(site: &mut Site<'_>, fault: Fault) -> Result<()> {
    let proxy = site.world().proxy()?;
    proxy.set(fault);
    proxy.refuse_websockets(true);
    let host = connected_by(site, &proxy)?;
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    let failed = host.daemon.json("/v3/status")?["ledger"]["reads_failed"].clone();
    ensure!(failed == 0, "{failed} reads failed");
    Ok(())
}

/// Until it is sure nothing changes; then the ledger that goes on is in force, with what it takes away.
fn restarted(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    let wait = scaled(Duration::from_secs(8));
    site.daemon_arguments = [
        "--ledger-restart-after".to_owned(),
        format!("{}s", wait.as_secs()),
    ]
    .to_vec();
    let host = connected_by(site, &proxy)?;
    let before = host.fingerprint(site)?;
    let view = |host: &Connected| Ok::<_, anyhow::Error>(host.daemon.json("/v3/status")?["view"].clone());
    let slot = view(&host)?["slot"].as_u64().context("no slot")?;
    proxy.set(Fault::Restarted(slot / 2));
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    until("the restart is told of", SOON, || {
        let held = view(&host)?["held"].clone();
        Ok(Ask::holds(
            held.as_str()
                .is_some_and(|held| held.contains("restarted from an earlier slot")),
            || held.to_string(),
        ))
    })?;
    host.is_still(site, &before)?;
    await_gone(&host.client, &host.daemon, wait + SOON)?;
    let view = view(&host)?;
    let (from, to) = (
        view["restarted"]["from"].as_u64(),
        view["restarted"]["to"].as_u64(),
    );
    ensure!(from >= Some(slot) && to < Some(slot) && to.is_some(), "{view}");
    Ok(())
}

fn no_websocket(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    proxy.refuse_websockets(true);
    let host = connected_by(site, &proxy)?;
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

fn ledger_later(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    proxy.set(Fault::Down);
    let connection = site.connect(0, UserType::IBRL)?;
    let mut config = site.daemon_config();
    config.rpc = proxy.rpc;
    let daemon = site.start_daemon_with(config)?;
    daemon.post("/enable")?;
    proxy.set(Fault::None);
    warren_e2e::observe::await_working(site, &daemon, &connection, SOON)
}

/// A session teaches a route to the ledger itself, behind which nobody is. The daemon alone goes past it.
fn captured(site: &mut Site<'_>, kind: UserType) -> Result<()> {
    site.daemon_arguments = ["--request-timeout", "3s"].map(str::to_owned).to_vec();
    let host = crate::support::connected(site, kind)?;
    let rules_before = rules(&host.client)?;
    site.device()
        .namespace
        .ip(&format!("route add blackhole {LEDGER_ADDRESS}/32\n"))?;
    let announced = [
        site.device().speaker.announced(),
        &[Ipv4Net::from(LEDGER_ADDRESS)],
    ]
    .concat();
    site.device().speaker.announce(announced)?;
    until("the route to the ledger is in", SOON, || {
        let routes = bgp_routes(&host.client)?;
        Ok(Ask::holds(
            routes
                .iter()
                .any(|route| route["dst"] == LEDGER_ADDRESS.to_string()),
            || format!("{routes:?}"),
        ))
    })?;
    let reads = ledger(&host.daemon)?["reads_ok"].as_u64();
    until("the ledger is read on", SOON, || {
        let ledger = ledger(&host.daemon)?;
        Ok(Ask::holds(
            ledger["reads_ok"].as_u64() >= reads.map(|reads| reads + 3),
            || ledger.to_string(),
        ))
    })?;
    let told = ledger(&host.daemon)?["over_tunnel"].clone();
    ensure!(told.is_null(), "the ledger is reached over a tunnel: {told}");
    ensure!(rules(&host.client)? == rules_before, "the host's rules changed");
    let way = host
        .client
        .ip_output(&["route", "get", &LEDGER_ADDRESS.to_string()])?;
    ensure!(way.contains(LINK), "other programs go another way: {way}");
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

fn ledger(daemon: &Daemon) -> Result<serde_json::Value> {
    Ok(daemon.json("/v3/status")?["ledger"].clone())
}
