//! What is on the wire, and in the kernel's tables, between a publisher and a subscriber.

use super::*;

pub(super) fn across(site: &mut Site<'_>) -> Result<()> {
    let [first, second, _] = set_up(site, 2)?;
    // The device's ends are there before the hosts', so that their first packets are seen.
    let mut users = Vec::new();
    for (at, (publishers, subscribers)) in [(vec![first], Vec::new()), (Vec::new(), vec![first, second])]
        .into_iter()
        .enumerate()
    {
        let (pubkey, user) = site.new_user_of(&site.clients[at], u16::try_from(at)?, UserType::MULTICAST);
        let user = User {
            publishers,
            subscribers,
            ..user
        };
        let end = site.prepare_device(&user)?;
        users.push(Connection { pubkey, user, end });
    }
    let [from_publisher, from_subscriber] = <[Capture; 2]>::try_from(captures(site)?)
        .ok()
        .context("two captures")?;
    let mut parties = Vec::new();
    for (at, connection) in users.into_iter().enumerate() {
        site.network.put(connection.pubkey, connection.user.clone())?;
        let daemon = site.start_daemon_of(&site.clients[at])?;
        parties.push(Party {
            daemon,
            connection,
            client: Arc::clone(&site.clients[at].namespace),
        });
    }
    let [mut publisher, mut subscriber] = <[Party; 2]>::try_from(parties).ok().context("two parties")?;
    publisher.await_up(site)?;
    subscriber.await_up(site)?;
    links_are_exact(&publisher, &subscriber)?;
    subscriber.await_joined(site, &[1, 2])?;
    until("the publisher's heartbeat arrives", SOON, || {
        let arrived = from_publisher.has_packet(UDP, group(1))?;
        Ok(Ask::holds(arrived, || publisher.daemon.log_tail()))
    })?;
    messages_cross(site, &publisher, &subscriber)?;
    // A ban prunes at once; without it the device would go on for the two minutes of the joins' holdtime.
    subscriber.edit(site, |user| user.status = UserStatus::BANNED)?;
    subscriber.await_joined(site, &[])?;
    until("the subscriber's last words are recorded", SOON, || {
        let arrived = from_subscriber.has_payload(PIM, ALL_PIM_ROUTERS, is_goodbye)?;
        Ok(Ask::holds(arrived, || subscriber.daemon.log_tail()))
    })?;
    publisher.edit(site, |user| user.status = UserStatus::BANNED)?;
    for party in [&publisher, &subscriber] {
        until("the tunnel is gone", SOON, || {
            let (left, routes) = (
                link(&party.client, MULTICAST_LINK)?,
                routes_over(&party.client, MULTICAST_LINK)?,
            );
            Ok(Ask::holds(left.is_none() && routes.is_empty(), || {
                format!("{left:?} {routes:?}")
            }))
        })?;
    }
    packets_are_right(
        &from_publisher.finish()?,
        &from_subscriber.finish()?,
        publisher.connection.user.dz_ip,
    )
}

/// A Hello whose first option is a hold time of no seconds; a checksum is before it.
fn is_goodbye(message: &[u8]) -> bool {
    message.starts_with(&[0x20, 0])
        && message
            .get(4..)
            .is_some_and(|options| options.starts_with(&[0, 1, 0, 2, 0, 0]))
}

/// What the device gets over each of its tunnels.
pub(super) fn captures(site: &mut Site<'_>) -> Result<Vec<Capture>> {
    site.clients
        .iter()
        .try_for_each(|client| complete_checksums(&client.namespace, "eth0"))?;
    let files = site
        .world()
        .directory()
        .join(format!("captures-{}", site.client().namespace.name()));
    std::fs::create_dir_all(&files)?;
    let device = Arc::clone(&site.device().namespace);
    let start = |name: &str, peer: &str| {
        Capture::start(
            &device,
            name,
            &format!("not src host {peer}"),
            files.join(format!("{name}.pcap")),
        )
    };
    let names = site
        .device()
        .tunnels()
        .iter()
        .map(|end| (end.name.clone(), end.overlay.to_string()))
        .collect::<Vec<_>>();
    names.iter().map(|(name, overlay)| start(name, overlay)).collect()
}

fn messages_cross(site: &mut Site<'_>, publisher: &Party, subscriber: &Party) -> Result<()> {
    let source = publisher.connection.user.dz_ip;
    let receiver = Receiver::join(&subscriber.client, group(1))?;
    let sender = stream(publisher, 1)?;
    await_flow(&sender, &receiver, &|| subscriber.daemon.log_tail())?;
    ensure!(
        receiver.sources() == BTreeSet::from([source]),
        "messages came from {:?}",
        receiver.sources()
    );
    until("the device forwards from tunnel to tunnel", SOON, || {
        let way = site.device().pim()?.forwarding(source, group(1))?;
        let expected = Some(("tun500".to_owned(), BTreeSet::from(["tun501".to_owned()])));
        Ok(Ask::holds(way == expected, || format!("{way:?}")))
    })?;
    until("the subscriber is a PIM neighbour of the device", SOON, || {
        let neighbors = site.device().pim()?.neighbors("tun501")?;
        Ok(Ask::holds(neighbors.len() == 1, || format!("{neighbors:?}")))
    })?;
    sender.finish().map(drop)
}

fn links_are_exact(publisher: &Party, subscriber: &Party) -> Result<()> {
    publisher.await_routes(&[1])?;
    subscriber.await_routes(&[1, 2])?;
    let source = publisher.connection.user.dz_ip.to_string();
    let route = routes_over(&publisher.client, MULTICAST_LINK)?
        .remove(&group(1).to_string())
        .context("no route")?;
    let right = route["gateway"] == "169.254.0.0" && route["prefsrc"] == source && route["protocol"] == "4";
    ensure!(right, "the publisher's route {route}");
    for (n, route) in routes_over(&subscriber.client, MULTICAST_LINK)? {
        ensure!(
            route["gateway"] == "169.254.0.2" && route["prefsrc"].is_null() && route["protocol"] == "4",
            "the subscriber's route to {n}: {route}"
        );
    }
    let on = |party: &Party| addresses(&party.client, MULTICAST_LINK);
    ensure!(
        on(publisher)? == [format!("{source}/32 global"), "169.254.0.1/31 link".to_owned()],
        "{:?}",
        on(publisher)?
    );
    ensure!(
        on(subscriber)? == ["169.254.0.3/31 link"],
        "{:?}",
        on(subscriber)?
    );
    let status = service_of(&publisher.daemon, KIND)?.context("no service")?;
    ensure!(
        status["doublezero_ip"] == source && status["tunnel_name"] == MULTICAST_LINK,
        "{status}"
    );
    let status = service_of(&subscriber.daemon, KIND)?.context("no service")?;
    ensure!(status["doublezero_ip"] == "", "{status}");
    for party in [publisher, subscriber] {
        let warnings = party.daemon.log_lines_at(&["WARN", "ERROR"]);
        ensure!(
            warnings.is_empty(),
            "the happy path warned:\n{}",
            warnings.join("\n")
        );
    }
    Ok(())
}

/// What tshark makes of the packets that the device got from the two hosts.
fn packets_are_right(
    publisher: &std::path::Path,
    subscriber: &std::path::Path,
    source: Ipv4Addr,
) -> Result<()> {
    const HELLO: [&str; 5] = ["ip.src", "ip.dst", "ip.ttl", "pim.holdtime", "pim.dr_priority"];
    const JOIN: [&str; 6] = [
        "pim.upstream_neighbor",
        "pim.holdtime",
        "pim.numjoins",
        "pim.numprunes",
        "pim.join_ip",
        "pim.prune_ip",
    ];
    let packets = decode(
        subscriber,
        &[&HELLO[..], &JOIN, &["pim.type", "pim.generation_id", "pim.group"]].concat(),
    )?;
    let of_type = |kind: &'static str| {
        packets
            .iter()
            .filter(move |packet| packet.field("pim.type") == kind)
    };
    let hello = of_type("0").next().context("no PIM hello")?;
    ensure!(
        hello.fields(HELLO) == ["169.254.0.3", "224.0.0.13", "1", "105", "1"],
        "{hello:?}"
    );
    let generation = hello.field("pim.generation_id");
    ensure!(
        !generation.is_empty() && generation != "3614426332",
        "a generation id that everybody has: {hello:?}"
    );
    let first = of_type("3").next().context("no PIM join")?;
    // tshark names each group twice.
    let groups: BTreeSet<&str> = first.field("pim.group").split(',').collect();
    ensure!(
        groups == BTreeSet::from(["233.84.178.1", "233.84.178.2"]),
        "{first:?}"
    );
    ensure!(
        first.fields(JOIN) == ["169.254.0.2", "120", "1,1", "0,0", "10.0.0.0,10.0.0.0", ""],
        "{first:?}"
    );
    let last = of_type("3").last().context("no PIM prune")?;
    ensure!(
        last.fields(JOIN)[2..] == ["0,0", "1,1", "", "10.0.0.0,10.0.0.0"],
        "the last message prunes nothing: {last:?}"
    );
    let goodbye = of_type("0").last().context("no PIM hello")?;
    ensure!(
        goodbye.field("pim.holdtime") == "0",
        "the last hello is no goodbye: {goodbye:?}"
    );
    let packets = decode(
        publisher,
        &[
            "ip.src",
            "ip.dst",
            "ip.ttl",
            "udp.dstport",
            "udp.payload",
            "pim.type",
            "bgp.type",
        ],
    )?;
    let is_beat =
        |packet: &&Packet| packet.field("udp.dstport") == "5765" && packet.field("pim.type").is_empty();
    let beat = packets.iter().find(is_beat).context("no heartbeat")?;
    let expected = [&source.to_string(), &group(1).to_string(), "32", "445a0001"];
    ensure!(
        beat.fields(["ip.src", "ip.dst", "ip.ttl", "udp.payload"]) == expected,
        "{beat:?}"
    );
    // The first heartbeat comes after the device knows the source: our KEEPALIVE has answered its OPEN by then.
    let order = packets
        .iter()
        .find(|packet| is_beat(packet) || packet.field("bgp.type").contains('4'));
    ensure!(
        order.is_some_and(|packet| !is_beat(&packet)),
        "a heartbeat before the session was up: {order:?}"
    );
    Ok(())
}
