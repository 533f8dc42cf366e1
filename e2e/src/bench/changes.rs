//! Packets lost while something about a tunnel changes.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use warren_e2e::{
    bgp::Flavour,
    daemon::Daemon,
    device::Multicast,
    groups::{Receiver, Sender},
    observe::{
        await_device_session, await_gone, await_session_of, await_working, link_index, routes_over, service,
    },
    ping::Stream,
    site::{Connection, LINK, MULTICAST_LINK, Site, TEST_ADDRESSES, World},
};
use warren_ledger::accounts::{Net, User, UserType};
use warren_state::Pubkey;

use super::{
    report::{Row, note},
    stage::{SOON, Stage, watch},
};

/// 1 kHz: a packet lost is a millisecond.
const PERIOD: Duration = Duration::from_millis(1);
/// Before and after the change, so that what comes late is counted.
const MARGIN: Duration = Duration::from_millis(500);

/// A host whose tunnel works, on a site of its own.
struct Host<'w> {
    site: Site<'w>,
    daemon: Daemon,
    connection: Connection,
}

impl<'w> Host<'w> {
    fn connect(stage: &Stage, mut site: Site<'w>, kind: UserType) -> Result<Self> {
        let connection = site.connect(1, kind)?;
        let daemon = stage.daemon(&site, |config| config.poll_interval = Duration::from_secs(2))?;
        await_working(&mut site, &daemon, &connection, SOON)?;
        Ok(Self {
            site,
            daemon,
            connection,
        })
    }

    /// The device's way back holds whatever the sessions do, so that only the host's losses are counted.
    fn with_way_back(self) -> Result<Self> {
        let (_, device) = self.site.devices.first().context("no device")?;
        device.namespace.ip(&format!(
            "route add {}/32 dev {} metric 500\n",
            self.connection.user.dz_ip, self.connection.end.name
        ))?;
        Ok(self)
    }

    fn index(&self) -> Result<u64> {
        link_index(&self.site.client().namespace, LINK)
    }

    fn await_service(&self, field: &str, expected: Ipv4Addr) -> Result<()> {
        let expected = Value::from(expected.to_string());
        watch("the tunnel follows", Instant::now(), || {
            Ok(service(&self.daemon)?.unwrap_or_default()[field] == expected)
        })
        .map(drop)
    }

    /// Counts what a running ping loses in a change, to the moment when the tunnel works as it did before.
    fn loss(&mut self, what: &str, how: &str, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<Row> {
        let client = Arc::clone(&self.site.client().namespace);
        let before = self.index()?;
        let stream = Stream::start(&client, self.connection.user.dz_ip, TEST_ADDRESSES[0], PERIOD)?;
        thread::sleep(MARGIN);
        change(self)?;
        watch("the session is up", Instant::now(), || Ok(is_up(&self.daemon)))?;
        await_device_session(self.site.device(), &self.connection.end, SOON)?;
        thread::sleep(MARGIN);
        let report = stream.finish()?;
        let kept = if self.index()? == before {
            "same link"
        } else {
            "another link"
        };
        ensure!(report.sent < u16::MAX, "the change took longer than the ping");
        note(&format!(
            "{what}: {} of {} lost, {kept}",
            report.lost.len(),
            report.sent
        ));
        let lost = u32::try_from(report.lost.len())?;
        Ok(Row::new(format!("lost at 1 kHz: {what}"), lost.into(), "packets")
            .note(format!("of {}; {kept}; {how}", report.sent)))
    }
}

/// Whether the unicast session is up; a daemon that restarts does not answer.
fn is_up(daemon: &Daemon) -> bool {
    warren_e2e::observe::session_status(daemon).is_ok_and(|status| status == warren_e2e::observe::SESSION_UP)
}

/// Endpoint, source, overlay; and beside them what tearing down and setting up costs.
pub(super) fn unicast(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    Ok(vec![
        endpoint(stage, &world)?,
        source(stage, &world)?,
        overlay(stage, &world)?,
        torn_down(stage, &world)?,
    ])
}

fn endpoint(stage: &Stage, world: &World) -> Result<Row> {
    let mut host = Host::connect(stage, world.site()?, UserType::IBRL)?.with_way_back()?;
    let (spare, client) = (host.site.device().spare_address, host.site.client().address);
    let end = host.connection.end.clone();
    host.site.device().add_twin(&end, spare, client)?;
    host.loss(
        "the ledger names another endpoint",
        "both endpoints answer",
        |host| {
            host.site
                .network
                .edit_user(host.connection.pubkey, |user| user.tunnel_endpoint = spare)?;
            host.await_service("tunnel_dst", spare)
        },
    )
}

fn source(stage: &Stage, world: &World) -> Result<Row> {
    let mut host = Host::connect(stage, world.site()?, UserType::IBRL_WITH_ALLOCATED_IP)?.with_way_back()?;
    let (device, client, spare) = (
        host.site.device().address,
        host.site.client().address,
        host.site.client().spare_address,
    );
    let end = host.connection.end.clone();
    host.site.device().add_twin(&end, device, spare)?;
    // Without it the kernel would take the second address along.
    host.site
        .client()
        .namespace
        .sysctl("ipv4/conf/eth0/promote_secondaries", "1")?;
    host.loss(
        "the host's address goes and another one is there",
        "the device answers both",
        |host| {
            host.site
                .client()
                .namespace
                .ip(&format!("addr del {client}/29 dev eth0\n"))?;
            host.await_service("tunnel_src", spare)
        },
    )
}

fn overlay(stage: &Stage, world: &World) -> Result<Row> {
    let mut host = Host::connect(stage, world.site()?, UserType::IBRL_WITH_ALLOCATED_IP)?.with_way_back()?;
    let overlay = Ipv4Addr::new(169, 254, 7, 6);
    let end = host.connection.end.clone();
    host.site.device().add_overlay(&end, overlay)?;
    host.loss(
        "the ledger names another overlay network",
        "the device has both",
        |host| {
            host.site.network.edit_user(host.connection.pubkey, |user| {
                user.tunnel_net = Net::new(overlay, 31)
            })?;
            host.connection.end.overlay = overlay;
            let client = Arc::clone(&host.site.client().namespace);
            let next_hop = Value::from(overlay.to_string());
            watch("the routes have the new next hop", Instant::now(), || {
                let routes = routes_over(&client, LINK)?;
                Ok(routes.len() == TEST_ADDRESSES.len()
                    && routes.values().all(|route| route["gateway"] == next_hop))
            })
            .map(drop)
        },
    )
}

/// What the reference does for every one of these changes.
fn torn_down(stage: &Stage, world: &World) -> Result<Row> {
    let mut host = Host::connect(stage, world.site()?, UserType::IBRL)?.with_way_back()?;
    host.loss(
        "the user is deleted and made again",
        "tear-down and set-up, for comparison",
        |host| {
            host.site.network.delete(host.connection.pubkey)?;
            await_gone(&host.site.client().namespace, &host.daemon, SOON)?;
            host.site
                .network
                .put(host.connection.pubkey, host.connection.user.clone())
        },
    )
}

/// Stops and crashes, beside BGP daemons with and without graceful restart.
pub(super) fn restarts(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut rows = Vec::new();
    for (flavour, name) in [(Flavour::Bird, "BIRD"), (Flavour::Frr, "FRR")] {
        for (graceful, gr) in [(true, "graceful restart on"), (false, "graceful restart off")] {
            let mut host = Host::connect(stage, world.site_with(flavour, graceful)?, UserType::IBRL)?;
            rows.push(host.loss(
                &format!("SIGTERM and start again, {name}, {gr}"),
                "the device's routes included",
                |host| {
                    host.daemon.terminate()?;
                    host.daemon.resume().map(drop)
                },
            )?);
            if graceful {
                await_working(&mut host.site, &host.daemon, &host.connection, SOON)?;
                rows.push(host.loss(
                    &format!("SIGKILL and start again, {name}, {gr}"),
                    "the device's routes included",
                    |host| {
                        host.daemon.kill()?;
                        host.daemon.resume().map(drop)
                    },
                )?);
            }
        }
    }
    Ok(rows)
}

/// A publisher and a subscriber on two hosts.
struct Groups<'w> {
    site: Site<'w>,
    daemons: [Daemon; 2],
    users: [Connection; 2],
    groups: [Pubkey; 2],
}

const GROUP: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 1);

impl<'w> Groups<'w> {
    fn connect(stage: &Stage, world: &'w World) -> Result<Self> {
        let mut site = world.site()?;
        site.add_client()?;
        let groups = [1_u8, 2].map(|n| {
            let address = Ipv4Addr::new(233, 84, 178, n);
            site.network.new_group(n.into(), &format!("mg{n:02}"), address)
        });
        for (pubkey, account) in &groups {
            site.network.put(*pubkey, account.clone())?;
        }
        let groups = groups.map(|(pubkey, _)| pubkey);
        let publisher = Self::party(stage, &mut site, 0, |user| user.publishers = vec![groups[0]])?;
        let subscriber = Self::party(stage, &mut site, 1, |user| user.subscribers = vec![groups[0]])?;
        Ok(Self {
            site,
            daemons: [publisher.0, subscriber.0],
            users: [publisher.1, subscriber.1],
            groups,
        })
    }

    fn party(
        stage: &Stage,
        site: &mut Site<'w>,
        at: usize,
        change: impl FnOnce(&mut User),
    ) -> Result<(Daemon, Connection)> {
        let (pubkey, mut user) = site.new_user_of(&site.clients[at], u16::try_from(at)?, UserType::MULTICAST);
        change(&mut user);
        let connection = site.connect_user(pubkey, user)?;
        let daemon = site.start_daemon_of_with(&site.clients[at], |config| {
            config.warrend = stage.program("warrend").unwrap_or_default()
        })?;
        await_session_of(&daemon, "Multicast", SOON)?;
        Ok((daemon, connection))
    }

    fn loss(&mut self, what: &str, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<Row> {
        let clients = [0, 1].map(|at: usize| Arc::clone(&self.site.clients[at].namespace));
        let before = [
            link_index(&clients[0], MULTICAST_LINK)?,
            link_index(&clients[1], MULTICAST_LINK)?,
        ];
        let receiver = Receiver::join(&clients[1], GROUP)?;
        let sender = Sender::start(&clients[0], GROUP, PERIOD)?;
        watch("messages arrive", Instant::now(), || {
            Ok(receiver.received().len() > 100)
        })?;
        thread::sleep(MARGIN);
        let from = sender.sent();
        change(self)?;
        thread::sleep(MARGIN);
        let to = sender.sent();
        watch("the last message arrives", Instant::now(), || {
            Ok(receiver.received().range(to..).next().is_some())
        })?;
        let lost = receiver.lost(from, to).len();
        sender.finish()?;
        let kept = [
            link_index(&clients[0], MULTICAST_LINK)?,
            link_index(&clients[1], MULTICAST_LINK)?,
        ] == before;
        let kept = if kept { "same links" } else { "other links" };
        note(&format!("{what}: {lost} of {} lost, {kept}", to - from));
        let row = Row::new(
            format!("lost at 1 kHz: {what}"),
            f64::from(u32::try_from(lost)?),
            "packets",
        );
        Ok(row.note(format!(
            "of {} that an application sends to a group and another receives; {kept}; pimd between them",
            to - from
        )))
    }

    fn await_routes(&self, at: usize, count: usize) -> Result<()> {
        let client = &self.site.clients[at].namespace;
        watch("the groups have their routes", Instant::now(), || {
            Ok(routes_over(client, MULTICAST_LINK)?.len() == count)
        })
        .map(drop)
    }
}

/// Groups and roles that change under a running stream, and a restart.
pub(super) fn multicast(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut groups = Groups::connect(stage, &world)?;
    let another = groups.loss("another group comes and goes on both hosts", |groups| {
        let [first, second] = groups.groups;
        for (list, count) in [(vec![first, second], 2), (vec![first], 1)] {
            groups
                .site
                .network
                .edit_user(groups.users[0].pubkey, |user| user.publishers = list.clone())?;
            groups
                .site
                .network
                .edit_user(groups.users[1].pubkey, |user| user.subscribers = list.clone())?;
            (0..2).try_for_each(|at| groups.await_routes(at, count))?;
        }
        Ok(())
    })?;
    let role = groups.loss(
        "the subscriber becomes a publisher too, and stops being one",
        |groups| {
            let (user, second) = (groups.users[1].clone(), groups.groups[1]);
            for (multicast, list, count) in [
                (Multicast::Publisher, vec![second], 2),
                (Multicast::Subscriber, Vec::new(), 1),
            ] {
                groups
                    .site
                    .device()
                    .set_role(&user.end.name, multicast, user.user.dz_ip)?;
                groups
                    .site
                    .network
                    .edit_user(user.pubkey, |user| user.publishers = list)?;
                groups.await_routes(1, count)?;
            }
            Ok(())
        },
    )?;
    let killed = groups.loss("SIGKILL and start again, subscriber", |groups| {
        let daemon = &mut groups.daemons[1];
        daemon.kill()?;
        daemon.resume()?;
        await_session_of(daemon, "Multicast", SOON).map(drop)
    })?;
    Ok(vec![another, role, killed])
}
