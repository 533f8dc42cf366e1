//! `warren connect multicast`.

use std::collections::BTreeMap;

use serde_json::json;
use warren_ledger::{
    ProgramError,
    accounts::{Cyoa, GroupStatus, MulticastGroup, PassType, User, UserType},
    instructions::{CreateSubscribeUser, CreateUser, DzPrefixCount, Permission, UpdateMulticastGroupRoles},
};
use warren_state::Pubkey;

use super::{
    Place, device, establish,
    feeds::{self, Feeds},
    resumable,
    roles::{self, ByGroup, Roles},
    select::Room,
    session::Session,
    unicast,
};
use crate::{
    cli::{
        command::{How, Role},
        failure::Failure,
    },
    http::v3,
};

/// What was asked for on the command line.
pub struct Asked {
    groups: Vec<(String, Roles)>,
    feeds: Feeds,
}

impl Asked {
    /// From both ways to write it.
    pub fn new(
        role: Option<Role>,
        groups: Vec<String>,
        publish: Vec<String>,
        subscribe: Vec<String>,
        join: Vec<String>,
        leave: Vec<String>,
    ) -> Self {
        let role = match role {
            Some(Role::Publisher) => Roles::PUBLISHER,
            Some(Role::Subscriber) | None => Roles::SUBSCRIBER,
        };
        let named = groups.into_iter().map(|code| (code, role));
        let published = publish.into_iter().map(|code| (code, Roles::PUBLISHER));
        let subscribed = subscribe.into_iter().map(|code| (code, Roles::SUBSCRIBER));
        Self { groups: named.chain(published).chain(subscribed).collect(), feeds: Feeds { join, leave } }
    }

    fn is_nothing(&self) -> bool {
        self.groups.is_empty() && self.feeds.join.is_empty() && self.feeds.leave.is_empty()
    }
}

/// Connects: makes the user where there is none, gives it the groups that it lacks, and waits for its tunnel. What the user
/// does already with a group it goes on doing.
///
/// # Errors
/// When a condition is not met, the program refuses, or the tunnel does not come up in time.
pub async fn connect(session: &Session<'_>, status: &v3::Status, asked: Asked, how: &How) -> Result<(), Failure> {
    let place = Place::look(session, how).await?;
    let wanted = wanted(session, &place, &asked).await?;
    let there = place.users.iter().find(|(_, user)| user.user_type == UserType::MULTICAST).map(|(key, user)| (*key, user.clone()));
    if wanted.is_empty() && asked.feeds.join.is_empty() && asked.feeds.leave.is_empty() {
        let text = format!("The access pass {} allows no groups: there is nothing to connect to", place.pass_key);
        session.steps.finish(&text, json!({ "user": null, "up": false }));
        return Ok(());
    }
    let slot = status.view.slot.unwrap_or_default();
    let (key, user, slot) = match there {
        Some((key, user)) => {
            resumable(session, &key, &user, &session.devices().await?, how)?;
            session.steps.done("user", &format!("{key} is there already"), json!({ "user": key.to_string(), "created": false }));
            (key, user, slot)
        }
        None => create(session, &place, &asked, &wanted, how).await?,
    };
    let now = roles::of(&user);
    change(session, &place, &key, &now, &roles::with(&now, &wanted)).await?;
    feeds::change(session, &place, &key, &user, &asked.feeds).await?;
    let groups = roles::of(&session.user(&key).await?);
    establish(session, &key, slot, how, Some(&groups)).await
}

/// The groups that are asked for: those that are named, or all that the pass allows.
async fn wanted(session: &Session<'_>, place: &Place, asked: &Asked) -> Result<ByGroup, Failure> {
    let mut wanted = ByGroup::new();
    if asked.is_nothing() {
        roles::add(&mut wanted, &place.pass.mgroup_pub_allowlist, Roles::PUBLISHER);
        roles::add(&mut wanted, &place.pass.mgroup_sub_allowlist, Roles::SUBSCRIBER);
        return Ok(wanted);
    }
    let groups = session.groups().await?;
    for (code, roles) in &asked.groups {
        let (key, _) = find(&groups, code)?;
        allowed(place, key, code, *roles)?;
        roles::add(&mut wanted, &[*key], *roles);
    }
    Ok(wanted)
}

/// The group with this code or account.
///
/// # Errors
/// When there is none, or it is not in use.
pub fn find<'a>(groups: &'a BTreeMap<Pubkey, MulticastGroup>, code: &str) -> Result<(&'a Pubkey, &'a MulticastGroup), Failure> {
    let found = groups.iter().find(|(key, group)| group.code == code || key.to_string() == code);
    let (key, group) = found.ok_or_else(|| {
        let known: std::collections::BTreeSet<&str> = groups.values().map(|group| group.code.as_str()).collect();
        let known: Vec<&str> = known.into_iter().take(20).collect();
        Failure::new(format!("there is no multicast group {code:?}"), format!("The ledger has: {}.", known.join(", ")))
    })?;
    if group.status != GroupStatus::ACTIVATED {
        return Err(Failure::new(format!("the multicast group {code:?} is {}", group.status.name()), "Choose another group, or wait."));
    }
    Ok((key, group))
}

/// Whether the pass lets this host do it; the program refuses otherwise. Feeds have rules of their own.
fn allowed(place: &Place, group: &Pubkey, code: &str, roles: Roles) -> Result<(), Failure> {
    if matches!(place.pass.pass_type, PassType::EdgeSeat(_)) {
        return Ok(());
    }
    let refused = [
        (roles.publisher && !place.pass.mgroup_pub_allowlist.contains(group), "send to"),
        (roles.subscriber && !place.pass.mgroup_sub_allowlist.contains(group), "receive from"),
    ];
    match refused.into_iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Failure::new(
            format!("the access pass {} does not allow this host to {what} the multicast group {code:?}", place.pass_key),
            "Have the group added to the pass, or name another one.",
        )),
        None => Ok(()),
    }
}

async fn create(session: &Session<'_>, place: &Place, asked: &Asked, wanted: &ByGroup, how: &How) -> Result<(Pubkey, User, u64), Failure> {
    let room = Room::Multicast {
        publisher: wanted.values().any(|roles| roles.publisher),
        subscriber: !asked.feeds.join.is_empty() || wanted.values().any(|roles| roles.subscriber),
    };
    let devices = session.devices().await?;
    let choice = device(session, place, &devices, room, how).await?;
    let chosen = devices.get(&choice.device).ok_or_else(|| Failure::from(ProgramError::InvalidDevicePubkey))?;
    let dz_prefixes = DzPrefixCount::of(chosen).map_err(|_| Failure::from(ProgramError::NoDzPrefixes))?;
    let (user_type, cyoa, client_ip, tunnel_endpoint) = (UserType::MULTICAST, Cyoa::GRE_OVER_DIA, place.client_ip, choice.endpoint);
    let (device, access_pass) = (choice.device, place.pass_key);
    // With a group where one is named; feeds are joined by a user that is there.
    let create = match roles::changes(&ByGroup::new(), wanted).first().copied() {
        Some((group, Roles { publisher, subscriber })) => {
            let (owner, feed) = (None, None);
            CreateSubscribeUser {
                user_type,
                cyoa,
                client_ip,
                group,
                publisher,
                subscriber,
                tunnel_endpoint,
                device,
                dz_prefixes,
                access_pass,
                owner,
                feed,
            }
            .build(&session.caller())
        }
        None if asked.feeds.join.is_empty() => {
            return Err(Failure::new("this host has no multicast user that could leave a feed", "Connect to a group or a feed first."));
        }
        None => CreateUser { user_type, cyoa, client_ip, tunnel_endpoint, device, dz_prefixes, access_pass, tenant: None }
            .build(&session.caller()),
    };
    let key = session.operator.pda().user(place.client_ip, UserType::MULTICAST).address;
    let confirmed = session.send(create, &format!("the user {key} is made")).await?;
    let user = session.user(&key).await?;
    unicast::created(session, &key, &user, &confirmed.signature.to_string());
    Ok((key, user, confirmed.slot.0))
}

/// Sends what differs, a transaction for each group.
///
/// # Errors
/// When the program refuses one; those before it stay.
pub async fn change(session: &Session<'_>, place: &Place, user: &Pubkey, now: &ByGroup, wanted: &ByGroup) -> Result<(), Failure> {
    change_with(session, place.client_ip, place.pass_key, user, now, wanted).await
}

/// As [`change`], for a host whose pass is this one.
///
/// # Errors
/// When the program refuses one; those before it stay.
pub async fn change_with(
    session: &Session<'_>,
    client_ip: std::net::Ipv4Addr,
    access_pass: Pubkey,
    user: &Pubkey,
    now: &ByGroup,
    wanted: &ByGroup,
) -> Result<(), Failure> {
    let changes = roles::changes(now, wanted);
    let permission = if changes.is_empty() { Permission::Absent } else { session.permission().await? };
    for (group, Roles { publisher, subscriber }) in changes {
        let update = UpdateMulticastGroupRoles { client_ip, user: *user, group, publisher, subscriber, access_pass, permission };
        let what = match (publisher, subscriber) {
            (true, true) => "sends to it and receives from it",
            (true, false) => "sends to it",
            (false, true) => "receives from it",
            (false, false) => "is out of it",
        };
        let confirmed = session.send(update.build(&session.caller()), &format!("the group {group}: the user {what}")).await?;
        session.steps.done(
            "group",
            &format!("{group}: this host {what}"),
            json!({ "group": group.to_string(), "publisher": publisher, "subscriber": subscriber, "transaction": confirmed.signature.to_string() }),
        );
    }
    Ok(())
}
