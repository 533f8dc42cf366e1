//! Multicast: applications with plain sockets, client hosts that speak PIM, and a device that runs FRR's pimd.

mod heard;
mod together;
mod wire;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    bgp::SessionReport,
    capture::{self, Capture, Packet, complete_checksums, decode},
    daemon::Daemon,
    device::Multicast,
    groups::{Receiver, Sender},
    netns::Namespace,
    observe::{addresses, await_device_session, await_session_of, link, link_index, routes_over, service_of},
    pim::{self, RENDEZVOUS_POINT},
    ping,
    site::{Connection, LINK, MULTICAST_LINK, Site, TEST_ADDRESSES},
    wait::{Ask, scaled, stays, until},
};
use warren_ledger::accounts::{User, UserStatus, UserType};
use warren_state::Pubkey;

use self::{
    heard::heard,
    wire::{across, captures},
};
use crate::{Scenario, support::SOON};
use together::{same_ends, side_by_side};

pub const ALL: &[Scenario] = &[
    (
        "what_a_publishers_application_sends_reaches_a_subscribers_over_a_real_pim_router",
        across,
    ),
    (
        "groups_come_and_go_while_link_session_and_streams_stay",
        groups_change,
    ),
    (
        "a_unicast_and_a_multicast_tunnel_survive_each_others_deletion",
        side_by_side,
    ),
    (
        "a_killed_or_restarted_subscriber_loses_nothing_of_a_running_stream",
        killed,
    ),
    (
        "a_publisher_that_only_subscribes_from_now_on_keeps_link_routes_and_memberships",
        roles_change,
    ),
    (
        "more_groups_than_one_message_holds_are_joined_and_registered_at_the_rendezvous_point",
        many_groups,
    ),
    (
        "a_multicast_user_without_groups_idles_also_over_a_restart",
        no_groups,
    ),
    (
        "packets_of_a_group_are_counted_and_it_is_dead_a_minute_after_the_last",
        heard,
    ),
    (
        "two_tunnels_with_the_same_ends_are_refused_with_a_reason",
        same_ends,
    ),
];

/// Why these cannot run here, if they cannot.
pub fn missing() -> Option<String> {
    pim::missing().or_else(capture::missing)
}

const KIND: &str = "Multicast";
/// Protocols' numbers in IPv4.
const PIM: u8 = 103;
const UDP: u8 = 17;

const ALL_PIM_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

const fn group(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(233, 84, 178, n)
}

/// A client host with a multicast user.
struct Party {
    daemon: Daemon,
    connection: Connection,
    client: Arc<Namespace>,
}

impl Party {
    /// Puts the user on the ledger with both ends of its tunnel, and waits until the tunnel works.
    fn connect(site: &mut Site<'_>, at: usize, change: impl FnOnce(&mut User)) -> Result<Self> {
        let (pubkey, mut user) = site.new_user_of(&site.clients[at], u16::try_from(at)?, UserType::MULTICAST);
        change(&mut user);
        let connection = site.connect_user(pubkey, user)?;
        let daemon = site.start_daemon_of(&site.clients[at])?;
        let party = Self {
            daemon,
            connection,
            client: Arc::clone(&site.clients[at].namespace),
        };
        party.await_up(site)?;
        Ok(party)
    }

    fn await_up(&self, site: &mut Site<'_>) -> Result<()> {
        await_session_of(&self.daemon, KIND, SOON)?;
        await_device_session(site.device(), &self.connection.end, SOON)
    }

    /// Changes the user on the ledger.
    fn edit(&mut self, site: &Site<'_>, change: impl FnOnce(&mut User)) -> Result<()> {
        self.connection.user = site.network.edit_user(self.connection.pubkey, change)?;
        Ok(())
    }

    /// The groups that have a route over the link become these.
    fn await_routes(&self, groups: &[u8]) -> Result<()> {
        let expected: BTreeSet<String> = groups.iter().map(|&n| group(n).to_string()).collect();
        until("the groups have their routes", SOON, || {
            let found: BTreeSet<String> = routes_over(&self.client, MULTICAST_LINK)?.into_keys().collect();
            Ok(Ask::holds(found == expected, || {
                format!("{found:?} instead of {expected:?}; {}", self.daemon.log_tail())
            }))
        })?;
        Ok(())
    }

    /// The device knows that this host wants these groups.
    fn await_joined(&self, site: &mut Site<'_>, groups: &[u8]) -> Result<()> {
        let expected: BTreeSet<Ipv4Addr> = groups.iter().map(|&n| group(n)).collect();
        let interface = &self.connection.end.name;
        until("the device has the joins", SOON, || {
            let found = site.device().pim()?.joined(interface)?;
            Ok(Ask::holds(found == expected, || {
                format!("{found:?} instead of {expected:?}; {}", self.daemon.log_tail())
            }))
        })?;
        Ok(())
    }

    /// What changes when the tunnel flaps.
    fn fingerprint(&self, site: &mut Site<'_>) -> Result<(u64, SessionReport)> {
        Ok((
            link_index(&self.client, MULTICAST_LINK)?,
            site.device().session(&self.connection.end)?,
        ))
    }

    fn is_still(&self, site: &mut Site<'_>, before: &(u64, SessionReport)) -> Result<()> {
        let now = self.fingerprint(site)?;
        let same = now.0 == before.0 && now.1.is_same_session(&before.1);
        ensure!(
            same,
            "the tunnel flapped: it was {before:?} and is {now:?}; {}",
            self.daemon.log_tail()
        );
        Ok(())
    }
}

/// A site with this many client hosts, and groups on the ledger.
fn set_up(site: &mut Site<'_>, clients: usize) -> Result<[Pubkey; 3]> {
    while site.clients.len() < clients {
        site.add_client()?;
    }
    let mut keys = Vec::new();
    for n in 1..=3 {
        let (pubkey, account) = site.network.new_group(n.into(), &format!("mg{n:02}"), group(n));
        site.network.put(pubkey, account)?;
        keys.push(pubkey);
    }
    keys.try_into().ok().context("three groups")
}

fn stream(publisher: &Party, n: u8) -> Result<Sender> {
    Sender::start(&publisher.client, group(n), scaled(Duration::from_millis(10)))
}

/// Messages arrive that were sent from now on.
fn await_flow(sender: &Sender, receiver: &Receiver, about: &dyn Fn() -> String) -> Result<()> {
    let from = sender.sent();
    until("messages arrive", SOON, || {
        let arrived = receiver.received().range(from..).count();
        Ok(Ask::holds(arrived >= 3, || {
            format!("{arrived} since number {from}; {}", about())
        }))
    })?;
    Ok(())
}

/// Every message from this number on arrives, those under way included.
fn without_loss(sender: &Sender, receiver: &Receiver, from: u32, about: &dyn Fn() -> String) -> Result<()> {
    let to = sender.sent();
    until("the last message arrives", SOON, || {
        let arrived = receiver.received().range(to..).next().is_some();
        Ok(Ask::holds(arrived, || format!("nothing after {to}; {}", about())))
    })?;
    let lost = receiver.lost(from, to);
    ensure!(
        lost.is_empty(),
        "{} of {} messages lost: {lost:?}; {}",
        lost.len(),
        to - from,
        about()
    );
    Ok(())
}

fn groups_change(site: &mut Site<'_>) -> Result<()> {
    let [first, second, third] = set_up(site, 2)?;
    let mut publisher = Party::connect(site, 0, |user| user.publishers = vec![first])?;
    let mut subscriber = Party::connect(site, 1, |user| user.subscribers = vec![first])?;
    subscriber.await_joined(site, &[1])?;
    let before = (publisher.fingerprint(site)?, subscriber.fingerprint(site)?);
    let receiver = Receiver::join(&subscriber.client, group(1))?;
    let sender = stream(&publisher, 1)?;
    let about = |party: &Party| party.daemon.log_tail();
    await_flow(&sender, &receiver, &|| about(&subscriber))?;
    let from = sender.sent();
    publisher.edit(site, |user| user.publishers = vec![first, second, third])?;
    subscriber.edit(site, |user| user.subscribers = vec![third, first, second])?;
    publisher.await_routes(&[1, 2, 3])?;
    subscriber.await_routes(&[1, 2, 3])?;
    subscriber.await_joined(site, &[1, 2, 3])?;
    {
        let (other, more) = (
            Receiver::join(&subscriber.client, group(2))?,
            stream(&publisher, 2)?,
        );
        await_flow(&more, &other, &|| about(&subscriber))?;
    }
    publisher.edit(site, |user| user.publishers = vec![first])?;
    subscriber.edit(site, |user| user.subscribers = vec![first, third])?;
    publisher.await_routes(&[1])?;
    subscriber.await_routes(&[1, 3])?;
    subscriber.await_joined(site, &[1, 3])?;
    without_loss(&sender, &receiver, from, &|| about(&subscriber))?;
    publisher.is_still(site, &before.0)?;
    subscriber.is_still(site, &before.1)
}

/// Facts 9.3.6, and the publisher's role gained and lost: applications lose their memberships with the link.
fn roles_change(site: &mut Site<'_>) -> Result<()> {
    let [first, second, _] = set_up(site, 2)?;
    let mut both = Party::connect(site, 0, |user| {
        (user.publishers, user.subscribers) = (vec![first, second], vec![first])
    })?;
    let other = Party::connect(site, 1, |user| user.publishers = vec![first])?;
    both.await_joined(site, &[1])?;
    let before = both.fingerprint(site)?;
    let receiver = Receiver::join(&both.client, group(1))?;
    let sender = stream(&other, 1)?;
    await_flow(&sender, &receiver, &|| both.daemon.log_tail())?;
    let from = sender.sent();
    let dz_ip = both.connection.user.dz_ip;
    both.edit(site, |user| user.publishers = Vec::new())?;
    let end = both.connection.end.name.clone();
    site.device().set_role(&end, Multicast::Subscriber, dz_ip)?;
    both.await_routes(&[1])?;
    until("the address of the publisher is gone", SOON, || {
        let found = addresses(&both.client, MULTICAST_LINK)?;
        Ok(Ask::holds(found == ["169.254.0.1/31 link"], || {
            format!("{found:?}")
        }))
    })?;
    until("the route has no source any more", SOON, || {
        let routes = routes_over(&both.client, MULTICAST_LINK)?;
        Ok(Ask::holds(
            routes.values().all(|route| route["prefsrc"].is_null()),
            || format!("{routes:?}"),
        ))
    })?;
    both.await_joined(site, &[1])?;
    both.is_still(site, &before)?;
    site.device().set_role(&end, Multicast::Publisher, dz_ip)?;
    both.edit(site, |user| user.publishers = vec![second])?;
    both.await_routes(&[1, 2])?;
    until("the address of the publisher is back", SOON, || {
        let found = addresses(&both.client, MULTICAST_LINK)?;
        Ok(Ask::holds(found.len() == 2, || format!("{found:?}")))
    })?;
    without_loss(&sender, &receiver, from, &|| both.daemon.log_tail())?;
    let mine = stream(&both, 2)?;
    until("the device takes what the publisher sends again", SOON, || {
        let way = site.device().pim()?.forwarding(dz_ip, group(2))?;
        Ok(Ask::holds(
            way.as_ref().is_some_and(|(from, _)| *from == end),
            || format!("{way:?}"),
        ))
    })?;
    drop(mine);
    both.is_still(site, &before)
}

/// A group's first Register comes within a minute, so that of many groups one comes soon.
fn many_groups(site: &mut Site<'_>) -> Result<()> {
    const SUBSCRIBED: u16 = 260;
    const PUBLISHED: usize = 80;
    let address = |n: u16| Ipv4Addr::from(u32::from(Ipv4Addr::new(233, 85, 0, 1)) + u32::from(n));
    let mut keys = Vec::new();
    for n in 0..SUBSCRIBED {
        let (pubkey, account) = site
            .network
            .new_group(n.into(), &format!("many{n:03}"), address(n));
        site.network.put(pubkey, account)?;
        keys.push(pubkey);
    }
    let (pubkey, user) = site.new_user(0, UserType::MULTICAST);
    let user = User {
        publishers: keys[..PUBLISHED].to_vec(),
        subscribers: keys,
        ..user
    };
    let end = site.prepare_device(&user)?;
    let capture = captures(site)?.pop().context("no capture")?;
    site.network.put(pubkey, user.clone())?;
    let daemon = site.start_daemon()?;
    let party = Party {
        daemon,
        connection: Connection { pubkey, user, end },
        client: Arc::clone(&site.client().namespace),
    };
    party.await_up(site)?;
    until("the device has all joins", SOON, || {
        let joined = site.device().pim()?.joined("tun500")?.len();
        Ok(Ask::holds(joined == usize::from(SUBSCRIBED), || {
            format!("{joined} of {SUBSCRIBED}; {}", party.daemon.log_tail())
        }))
    })?;
    until("a Register has reached the device", SOON, || {
        let arrived = capture.has_packet(PIM, RENDEZVOUS_POINT)?;
        Ok(Ask::holds(arrived, || party.daemon.log_tail()))
    })?;
    let file = capture.finish()?;
    let fields = [
        "ip.src",
        "ip.dst",
        "ip.ttl",
        "pim.register_flag.null_register",
        "udp.srcport",
        "udp.dstport",
        "udp.payload",
    ];
    let packets = decode(&file, &[&fields[..], &["pim.type"]].concat())?;
    let register = packets
        .iter()
        .find(|packet| packet.field("pim.type") == "1")
        .context("no Register was captured")?;
    let [from, to, rest @ ..] = register.fields(fields);
    ensure!(
        from == format!("169.254.0.1,{}", party.connection.user.dz_ip) && to.starts_with("10.0.0.0,233.85."),
        "{register:?}"
    );
    ensure!(rest == ["32,32", "0", "5765", "5765", "445a0001"], "{register:?}");
    Ok(())
}

/// Facts 9.3.5.
fn no_groups(site: &mut Site<'_>) -> Result<()> {
    let [first, _, _] = set_up(site, 1)?;
    let mut party = Party::connect(site, 0, |user| {
        (user.publishers, user.subscribers) = (vec![first], vec![first])
    })?;
    party.await_joined(site, &[1])?;
    let before = party.fingerprint(site)?;
    party.edit(site, |user| {
        (user.publishers, user.subscribers) = (Vec::new(), Vec::new())
    })?;
    party.await_routes(&[])?;
    party.await_joined(site, &[])?;
    party.is_still(site, &before)?;
    party.daemon.terminate()?;
    party.daemon.resume()?;
    party.await_up(site)?;
    ensure!(
        link_index(&party.client, MULTICAST_LINK)? == before.0,
        "the restart made another link"
    );
    let idle = party.fingerprint(site)?;
    party.edit(site, |user| {
        (user.publishers, user.subscribers) = (vec![first], vec![first])
    })?;
    party.await_routes(&[1])?;
    party.await_joined(site, &[1])?;
    party.is_still(site, &idle)
}

fn killed(site: &mut Site<'_>) -> Result<()> {
    let [first, _, _] = set_up(site, 2)?;
    let publisher = Party::connect(site, 0, |user| user.publishers = vec![first])?;
    let mut subscriber = Party::connect(site, 1, |user| user.subscribers = vec![first])?;
    subscriber.await_joined(site, &[1])?;
    let index = link_index(&subscriber.client, MULTICAST_LINK)?;
    let receiver = Receiver::join(&subscriber.client, group(1))?;
    let sender = stream(&publisher, 1)?;
    await_flow(&sender, &receiver, &|| subscriber.daemon.log_tail())?;
    let from = sender.sent();
    subscriber.daemon.kill()?;
    subscriber.daemon.resume()?;
    subscriber.await_up(site)?;
    subscriber.daemon.terminate()?;
    subscriber.daemon.resume()?;
    subscriber.await_up(site)?;
    subscriber.await_joined(site, &[1])?;
    without_loss(&sender, &receiver, from, &|| subscriber.daemon.log_tail())?;
    ensure!(
        link_index(&subscriber.client, MULTICAST_LINK)? == index,
        "another link was made"
    );
    Ok(())
}
