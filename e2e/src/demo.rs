//! The whole story, told step by step: a user on the ledger becomes a working tunnel, and stays one.

mod caps;

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;
use warren_ledger::accounts::UserStatus;

use crate::{
    bgp::Flavour,
    cli::{LedgerKind, print},
    daemon::Daemon,
    isolate::contain,
    netns::Namespace,
    observe::{await_gone, await_routes, await_session_up, bgp_routes, link_index},
    operator::{Operator, Said},
    ping,
    preflight::preflight,
    site::{Connection, LINK, Site, TEST_ADDRESSES, World, WorldConfig, tunnel_end},
    wait::{Ask, until},
};

/// The deadline of one step.
const SOON: Duration = Duration::from_secs(30);

/// Tell the whole story.
#[derive(Args, Debug)]
pub struct Demo {
    /// `auto`, `netlink` or `userspace`.
    #[arg(long, default_value = "auto")]
    dataplane: String,
    /// The device's BGP daemon.
    #[arg(long, value_enum, default_value = "bird")]
    bgp: Flavour,
    /// The ledger: the real validator takes accounts from the first block only, so there nobody is refused or banned.
    #[arg(long, value_enum, default_value = "surfpool")]
    ledger: LedgerKind,
    /// The program of the real validator.
    #[arg(long, default_value = "e2e/agave/target/debug/warren-agave")]
    agave: PathBuf,
}

/// Prints steps with the time since the beginning.
struct Story {
    begun: Instant,
}

impl Story {
    fn tell(&self, text: &str) {
        print(&format!("[{:7.3} s] {text}", self.begun.elapsed().as_secs_f64()));
    }

    /// Types a command, while the network's controller keeps the devices equal to the ledger, and prints what it says.
    fn types(&self, site: &mut Site<'_>, operator: &Operator, arguments: &[&str]) -> Result<Said> {
        self.tell(&format!("$ warren {}", arguments.join(" ")));
        let said = operator.warren_with_devices(site, arguments)?;
        for line in said.out.lines().chain(said.err.lines()) {
            print(&format!("    {line}"));
        }
        self.tell(&format!("exit code {} after {:.1?}", said.code, said.took));
        Ok(said)
    }

    /// The same, and it must end well.
    fn types_well(&self, site: &mut Site<'_>, operator: &Operator, arguments: &[&str]) -> Result<Said> {
        let said = self.types(site, operator, arguments)?;
        ensure!(
            said.code == 0,
            "warren {} ended with exit code {}",
            arguments.join(" "),
            said.code
        );
        Ok(said)
    }
}

impl Demo {
    /// Runs it; the last line says that all went well.
    pub fn run(self) -> Result<ExitCode> {
        preflight(self.bgp)?;
        if let Some(code) = contain()? {
            return Ok(code);
        }
        let story = Story {
            begun: Instant::now(),
        };
        let config = WorldConfig {
            dataplane: self.dataplane.clone(),
            flavour: self.bgp,
            ..WorldConfig::default()
        };
        match self.ledger {
            LedgerKind::Surfpool => self.with_surfpool(&story, config)?,
            LedgerKind::Agave => self.with_agave(&story, config)?,
            LedgerKind::None => anyhow::bail!("there is no story without a ledger"),
        }
        print("demo: ok");
        Ok(ExitCode::SUCCESS)
    }

    fn with_surfpool(&self, story: &Story, config: WorldConfig) -> Result<()> {
        let world = World::start(config)?;
        story.tell(&format!(
            "the ledger is ready: {} in a network of its own, slot {}",
            world.ledger.url(),
            world.ledger.slot()?
        ));
        let mut site = world.site()?;
        let (_, keypair) = site.add_payer("operator")?;
        let mut host = self.set_up(story, &mut site, keypair)?;
        let connection = self.there_and_back(story, &mut site, &mut host)?;
        let again = connect(story, &mut site, &host)?;
        ensure!(
            again.pubkey == connection.pubkey,
            "another account for the same host and service"
        );
        ban(story, &site, &host.daemon, &again, &host.client)
    }

    fn with_agave(&self, story: &Story, config: WorldConfig) -> Result<()> {
        let world = World::without_ledger(config)?;
        let mut site = world.site()?;
        let (key, keypair) = site.add_payer("operator")?;
        site.add_pass(site.client().address, key.pubkey(), |_| {})?;
        world.start_agave(&self.agave)?;
        story.tell(&format!(
            "the real validator is ready: {}, slot {}",
            world.ledger.url(),
            world.ledger.slot()?
        ));
        let mut host = self.set_up(story, &mut site, keypair)?;
        self.there_and_back(story, &mut site, &mut host)?;
        Ok(())
    }

    fn set_up(&self, story: &Story, site: &mut Site<'_>, keypair: PathBuf) -> Result<Host> {
        introduce(story, site, self.bgp);
        caps::configure(site)?;
        let (daemon, client) = start_daemon(story, site)?;
        let operator = Operator::new(site, &daemon, keypair)?;
        story.tell(&format!(
            "an operator has the keypair {} with a balance",
            operator.payer
        ));
        Ok(Host {
            daemon,
            client,
            operator,
        })
    }

    fn there_and_back(&self, story: &Story, site: &mut Site<'_>, host: &mut Host) -> Result<Connection> {
        if self.ledger == LedgerKind::Surfpool {
            // The real validator has the pass from its first block.
            let refused = story.types(site, &host.operator, &["connect", "ibrl"])?;
            ensure!(refused.code == 1, "connected without a pass: {refused}");
            host.operator.give_pass(site, site.client().address, |_| {})?;
            story.tell("an access pass for this keypair and host is put on the ledger");
        }
        let connection = connect(story, site, host)?;
        story.types_well(site, &host.operator, &["status"])?;
        story.types_well(site, &host.operator, &["latency"])?;
        story.types_well(site, &host.operator, &["doctor"])?;
        show_status(story, &host.daemon)?;
        delete_link(story, site, &host.daemon, &connection)?;
        kill_daemon(story, &host.client, &mut host.daemon, &connection)?;
        caps::used_up(story, site, host, &connection)?;
        let counted = used(story, site, host)?;
        let said = story.types_well(site, &host.operator, &["disconnect"])?;
        await_gone(&host.client, &host.daemon, SOON)?;
        ensure!(
            site.network.get(connection.pubkey)?.is_none(),
            "the user is still on the ledger"
        );
        story.tell(&format!(
            "the user and the tunnel are gone: {} ms after \"warren disconnect\"",
            said.took.as_millis()
        ));
        verified(story, host, &counted)?;
        Ok(connection)
    }
}

/// A client host.
struct Host {
    daemon: Daemon,
    client: Arc<Namespace>,
    operator: Operator,
}

/// Types `warren connect`, and makes sure that the tunnel works.
fn connect(story: &Story, site: &mut Site<'_>, host: &Host) -> Result<Connection> {
    let begun = Instant::now();
    story.types_well(site, &host.operator, &["connect", "ibrl"])?;
    let address = site.client().address;
    let found = site
        .network
        .users()?
        .into_iter()
        .find(|(_, user)| user.client_ip == address);
    let (pubkey, user) = found.context("there is no user on the ledger")?;
    let end = tunnel_end(&user, site.device().address);
    let connection = Connection { pubkey, user, end };
    working(story, site, &host.daemon, &connection, begun, "warren connect")?;
    Ok(connection)
}

fn introduce(story: &Story, site: &mut Site<'_>, flavour: Flavour) {
    let (device, client) = (site.device().address, site.client().address);
    let addresses = TEST_ADDRESSES.map(|address| address.to_string()).join(" and ");
    story.tell(&format!(
        "a device host at {device}, with {flavour:?} and {addresses} behind it, and a client host at {client}"
    ));
}

fn start_daemon(story: &Story, site: &Site<'_>) -> Result<(Daemon, Arc<Namespace>)> {
    let begun = Instant::now();
    let daemon = site.start_daemon()?;
    let capabilities = daemon.json("/v3/status")?["dataplane"].clone();
    let (backend, reason) = (
        capabilities["backend"].as_str().unwrap_or("?"),
        capabilities["reason"].as_str().unwrap_or(""),
    );
    story.tell(&format!(
        "warrend runs on the client host and is enabled, after {:.0?}; dataplane: {backend} {reason}",
        begun.elapsed()
    ));
    Ok((daemon, Arc::clone(&site.client().namespace)))
}

fn working(
    story: &Story,
    site: &mut Site<'_>,
    daemon: &Daemon,
    connection: &Connection,
    since: Instant,
    from: &str,
) -> Result<()> {
    let client = Arc::clone(&site.client().namespace);
    await_session_up(daemon, SOON)?;
    story.tell(&format!(
        "the tunnel is active: {} ms after \"{from}\"",
        since.elapsed().as_millis()
    ));
    let dz_ip = connection.user.dz_ip;
    await_routes(&client, SOON)?;
    ping::first_reply(&client, dz_ip, TEST_ADDRESSES[0], SOON)?;
    story.tell(&format!(
        "the first ping crosses: {} ms after \"{from}\"",
        since.elapsed().as_millis()
    ));
    let end = connection.end.clone();
    until("the device has the session", SOON, || {
        let session = site.device().session(&end)?;
        Ok(Ask::holds(session.established, || session.detail))
    })?;
    story.tell(&format!(
        "BGP is established with the device: {}",
        site.device().session(&end)?.detail
    ));
    for route in bgp_routes(&client)? {
        let text = |field: &str| route[field].as_str().unwrap_or("?").to_owned();
        story.tell(&format!(
            "in the kernel: {} via {} dev {} src {} proto bgp",
            text("dst"),
            text("gateway"),
            text("dev"),
            text("prefsrc")
        ));
    }
    let device = Arc::clone(&site.device().namespace);
    for address in TEST_ADDRESSES {
        let out = ping::first_reply(&client, dz_ip, address, SOON)?;
        let back = ping::first_reply(&device, address, dz_ip, SOON)?;
        story.tell(&format!(
            "ping {dz_ip} -> {address}: {out:.1?}, and back: {back:.1?}"
        ));
    }
    Ok(())
}

fn show_status(story: &Story, daemon: &Daemon) -> Result<()> {
    story.tell("GET /v2/status:");
    print(daemon.get("/v2/status")?.text().trim_end());
    Ok(())
}

fn delete_link(story: &Story, site: &mut Site<'_>, daemon: &Daemon, connection: &Connection) -> Result<()> {
    let client = Arc::clone(&site.client().namespace);
    let before = link_index(&client, LINK)?;
    client.ip(&format!("link del {LINK}\n"))?;
    let deleted = Instant::now();
    story.tell(&format!("somebody deletes {LINK} behind warrend's back"));
    until("the link is back", SOON, || {
        Ok(Ask::holds(
            link_index(&client, LINK).is_ok_and(|index| index != before),
            || "it is not".into(),
        ))
    })?;
    story.tell(&format!(
        "{LINK} is back: {} ms after it was deleted",
        deleted.elapsed().as_millis()
    ));
    await_session_up(daemon, SOON)?;
    ping::first_reply(&client, connection.user.dz_ip, TEST_ADDRESSES[0], SOON)?;
    story.tell(&format!(
        "pings cross again: {} ms after it was deleted",
        deleted.elapsed().as_millis()
    ));
    Ok(())
}

fn kill_daemon(
    story: &Story,
    client: &Namespace,
    daemon: &mut Daemon,
    connection: &Connection,
) -> Result<()> {
    // The session must be back before the next step, and the route to ping with it.
    await_session_up(daemon, SOON)?;
    await_routes(client, SOON)?;
    let pings = ping::Stream::start(
        client,
        connection.user.dz_ip,
        TEST_ADDRESSES[0],
        Duration::from_millis(10),
    )?;
    daemon.kill()?;
    story.tell("warrend is killed (SIGKILL), while a ping runs every 10 ms");
    let ready = daemon.resume()?;
    await_session_up(daemon, SOON)?;
    let report = pings.finish()?;
    story.tell(&format!(
        "warrend is back after {ready:.0?} and has adopted its tunnel: {} pings sent, {} lost",
        report.sent,
        report.lost.len()
    ));
    ensure!(
        report.lost.is_empty(),
        "the crash cost packets: {:?}",
        report.lost
    );
    Ok(())
}

/// All that the link carried is counted, also while warrend was dead.
fn used(story: &Story, site: &mut Site<'_>, host: &Host) -> Result<Value> {
    let carried = {
        let text = host
            .client
            .ip_output(&["-j", "-s", "link", "show", "dev", LINK])?;
        let links: Value = serde_json::from_str(&text)?;
        links[0]["stats64"]["rx"]["bytes"].as_u64().unwrap_or_default()
    };
    let mut figure = Value::Null;
    until("everything is counted", SOON, || {
        figure = host.daemon.json("/v3/usage")?["figures"][0].clone();
        let counted = figure["rx_bytes"].as_u64().unwrap_or_default();
        Ok(Ask::holds(counted >= carried, || {
            format!("{figure} of {carried}")
        }))
    })?;
    story.types_well(site, &host.operator, &["usage"])?;
    story.tell(&format!(
        "the link that warrend took over says that it received {carried} octets: all are counted"
    ));
    Ok(figure)
}

/// What recorders wrote of it is proven to be whole.
fn verified(story: &Story, host: &Host, counted: &Value) -> Result<()> {
    let file = host.daemon.state_directory().join("metering/ledger.jsonl");
    let file = file.to_str().context("a path that is no text")?;
    let least = counted["rx_bytes"].as_u64().unwrap_or_default();
    until("the ledger has the last sample", SOON, || {
        let said = host.operator.warren(&["meter", "verify", "--json", file])?;
        let report: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let tunnels = report["tunnels"]
            .as_object()
            .into_iter()
            .flat_map(|tunnels| tunnels.values());
        let told: u64 = tunnels.filter_map(|of| of["total"]["rx_bytes"].as_u64()).sum();
        Ok(Ask::holds(said.code == 0 && told >= least, || said.to_string()))
    })?;
    story.tell("$ warren meter verify ledger.jsonl");
    let said = host.operator.warren(&["meter", "verify", file])?;
    said.out.lines().for_each(|line| print(&format!("    {line}")));
    ensure!(said.code == 0, "{said}");
    caps::written(story, file.as_ref())
}

fn ban(
    story: &Story,
    site: &Site<'_>,
    daemon: &Daemon,
    connection: &Connection,
    client: &Namespace,
) -> Result<()> {
    let banned = Instant::now();
    site.network.edit_user(connection.pubkey, |user| {
        user.status = UserStatus::BANNED;
        user.tunnel_net = warren_ledger::accounts::Net::NONE;
        user.dz_ip = Ipv4Addr::UNSPECIFIED;
    })?;
    story.tell("the user is banned on the ledger");
    await_gone(client, daemon, SOON)?;
    story.tell(&format!(
        "the tunnel is gone, with its routes: {} ms after the ban",
        banned.elapsed().as_millis()
    ));
    ping::no_reply(
        client,
        connection.user.dz_ip,
        TEST_ADDRESSES[0],
        Duration::from_millis(200),
    )?;
    Ok(())
}
