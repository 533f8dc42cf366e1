//! A unicast and a multicast tunnel of one host.

use super::*;

/// A user of another class at the device's other address: GRE without keys needs different ends.
pub(super) fn multicast_elsewhere(site: &mut Site<'_>, subscribers: Vec<Pubkey>) -> Result<(Pubkey, User)> {
    let (pubkey, mut user) = site.new_user(7, UserType::MULTICAST);
    user.tunnel_endpoint = site.device().spare_address;
    user.subscribers = subscribers;
    Ok((pubkey, user))
}

pub(super) fn side_by_side(site: &mut Site<'_>) -> Result<()> {
    let [first, _, _] = set_up(site, 1)?;
    let host = crate::support::connected(site, UserType::IBRL)?;
    let unicast = host.fingerprint(site)?;
    let pings = host.pings()?;
    let (pubkey, user) = multicast_elsewhere(site, vec![first])?;
    let connection = site.connect_user(pubkey, user)?;
    await_session_of(&host.daemon, KIND, SOON)?;
    await_device_session(site.device(), &connection.end, SOON)?;
    connection.set_status(&site.network, UserStatus::BANNED)?;
    until("the multicast tunnel is gone", SOON, || {
        Ok(Ask::holds(link(&host.client, MULTICAST_LINK)?.is_none(), || {
            "it is there".into()
        }))
    })?;
    crate::support::without_loss(pings)?;
    host.is_still(site, &unicast)?;
    connection.set_status(&site.network, UserStatus::ACTIVATED)?;
    await_session_of(&host.daemon, KIND, SOON)?;
    await_device_session(site.device(), &connection.end, SOON)?;
    let multicast = (
        link_index(&host.client, MULTICAST_LINK)?,
        site.device().session(&connection.end)?,
    );
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    until("the unicast tunnel is gone", SOON, || {
        Ok(Ask::holds(link(&host.client, LINK)?.is_none(), || {
            "it is there".into()
        }))
    })?;
    ping::no_reply(
        &host.client,
        host.connection.user.dz_ip,
        TEST_ADDRESSES[0],
        Duration::from_millis(200),
    )?;
    stays(
        "the multicast tunnel is the same",
        Duration::from_millis(300),
        || {
            let now = (
                link_index(&host.client, MULTICAST_LINK)?,
                site.device().session(&connection.end)?,
            );
            ensure!(
                now.0 == multicast.0 && now.1.is_same_session(&multicast.1),
                "it was {multicast:?} and is {now:?}"
            );
            Ok(())
        },
    )
}

pub(super) fn same_ends(site: &mut Site<'_>) -> Result<()> {
    let [first, _, _] = set_up(site, 1)?;
    let host = crate::support::connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    let pings = host.pings()?;
    let (pubkey, mut user) = multicast_elsewhere(site, vec![first])?;
    user.tunnel_endpoint = Ipv4Addr::UNSPECIFIED;
    site.network.put(pubkey, user)?;
    until("the second tunnel is refused with a reason", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        let refused = status["refused"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|refused| refused["user"] == pubkey.to_string());
        let told = refused.is_some_and(|refused| {
            refused["code"] == "endpoints_in_use"
                && refused["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.contains("between"))
        });
        Ok(Ask::holds(told, || status.to_string()))
    })?;
    ensure!(
        link(&host.client, MULTICAST_LINK)?.is_none(),
        "a link was made for a tunnel that cannot be"
    );
    crate::support::without_loss(pings)?;
    host.is_still(site, &before)
}
