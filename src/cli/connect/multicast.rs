//! `warren connect multicast`.

use std::collections::BTreeMap;

use serde_json::json;
use warren_ledger::{
    ProgramError,
    accounts::{Cyoa, GroupStatus, MulticastGroup, PassType, User, UserType},
    instructions::{BuildError, CreateSubscribeUser, CreateUser, DzPrefixCount, Permission, UpdateMulticastGroupRoles},
};
use warren_state::Pubkey;

use super::{
    Place, device, enable, establish,
    feeds::{self, Feeds},
    resumable,
    roles::{self, ByGroup, Roles},
    select::Room,
    session::Session,
    unicast,
};
use crate::cli::{
    command::{How, Role},
    failure::Failure,
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
pub async fn connect(session: &Session<'_>, asked: Asked, how: &How) -> Result<(), Failure> {
    let place = Place::look(session, how).await?;
    let wanted = wanted(session, &place, &asked).await?;
    let there = place.users.iter().find(|(_, user)| user.user_type == UserType::MULTICAST).map(|(key, user)| (*key, user.clone()));
    if there.is_none() && wanted.is_empty() && asked.feeds.join.is_empty() && asked.feeds.leave.is_empty() {
        let text = format!("The access pass {} allows no groups: there is nothing to connect to", place.pass_key);
        session.steps.finish(&text, json!({ "user": null, "up": false }));
        return Ok(());
    }
    let (key, user, made) = match there {
        Some((key, user)) => {
            resumable(session, &key, &user, &session.devices().await?, how)?;
            unicast::there_already(session, &key);
            (key, user, 0)
        }
        None => create(session, &place, &asked, &wanted, how).await?,
    };
    let now = roles::of(&user);
    let changed = change(session, place.client_ip, place.pass_key, &key, &now, &roles::with(&now, &wanted)).await?;
    let fed = feeds::change(session, &place, &key, &user, &asked.feeds).await?;
    let groups = visible(&roles::of(&session.user(&key).await?), &session.groups().await?);
    establish(session, &key, made.max(changed).max(fed), how, Some(&groups)).await
}

/// The groups that are asked for: those that are named, or all that the pass allows.
async fn wanted(session: &Session<'_>, place: &Place, asked: &Asked) -> Result<ByGroup, Failure> {
    let mut wanted = ByGroup::new();
    if asked.is_nothing() {
        roles::add(&mut wanted, &place.pass.mgroup_pub_allowlist, Roles::PUBLISHER);
        roles::add(&mut wanted, &place.pass.mgroup_sub_allowlist, Roles::SUBSCRIBER);
        let groups = session.groups().await?;
        let usable = |key: &Pubkey| groups.get(key).is_some_and(|group| group.status == GroupStatus::ACTIVATED);
        for left_out in wanted.keys().filter(|key| !usable(key)) {
            let name = groups.get(left_out).map_or_else(|| left_out.to_string(), |group| group.code.clone());
            session.steps.done("group", &format!("{name} is left out: it is not in use"), json!({ "left_out": left_out.to_string() }));
        }
        wanted.retain(|key, _| usable(key));
        return Ok(wanted);
    }
    let groups = session.groups().await?;
    for (code, roles) in &asked.groups {
        let (key, _) = in_use(find(&groups, code)?)?;
        allowed(place, key, code, *roles)?;
        roles::add(&mut wanted, &[*key], *roles);
    }
    Ok(wanted)
}

/// Those of a user's groups that are still on the ledger: the daemon shows no others.
pub fn visible(all: &ByGroup, groups: &BTreeMap<Pubkey, MulticastGroup>) -> ByGroup {
    all.iter().filter(|(group, _)| groups.contains_key(group)).map(|(group, roles)| (*group, *roles)).collect()
}

/// The group with this code or account.
///
/// # Errors
/// When there is none.
pub fn find<'a>(groups: &'a BTreeMap<Pubkey, MulticastGroup>, code: &str) -> Result<(&'a Pubkey, &'a MulticastGroup), Failure> {
    let found = groups.iter().find(|(key, group)| group.code == code || key.to_string() == code);
    found.ok_or_else(|| {
        let known: std::collections::BTreeSet<&str> = groups.values().map(|group| group.code.as_str()).collect();
        let known: Vec<&str> = known.into_iter().take(20).collect();
        Failure::new(format!("there is no multicast group {code:?}"), format!("The ledger has: {}.", known.join(", ")))
    })
}

/// Only a group that is in use can be joined; any can be left.
///
/// # Errors
/// When it is not.
pub fn in_use<'a>((key, group): (&'a Pubkey, &'a MulticastGroup)) -> Result<(&'a Pubkey, &'a MulticastGroup), Failure> {
    if group.status == GroupStatus::ACTIVATED {
        return Ok((key, group));
    }
    let what = format!("the multicast group {:?} is {}", group.code, group.status.name());
    Err(Failure::new(what, "Choose another group, or wait."))
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
    let mut devices = session.devices().await?;
    feeds::keep_covered(session, place, &asked.feeds, &mut devices, how.device.as_deref()).await?;
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
                extra_groups: Vec::new(),
                publisher,
                subscriber,
                tunnel_endpoint,
                device,
                dz_prefixes,
                access_pass,
                owner,
                feed,
                proof: None,
            }
            .build(&session.caller())
            .map_err(too_many)?
        }
        None if asked.feeds.join.is_empty() => {
            return Err(Failure::new("this host has no multicast user that could leave a feed", "Connect to a group or a feed first."));
        }
        None => CreateUser { user_type, cyoa, client_ip, tunnel_endpoint, device, dz_prefixes, access_pass, tenant: None, proof: None }
            .build(&session.caller()),
    };
    let key = session.operator.pda().user(place.client_ip, UserType::MULTICAST).address;
    enable(session).await?;
    let confirmed = session.send(&[create], &format!("the user {key} is made")).await?;
    let user = session.user(&key).await?;
    unicast::created(session, &key, &user, &confirmed.signature.to_string());
    Ok((key, user, confirmed.slot.0))
}

fn too_many(error: BuildError) -> Failure {
    Failure::new(error.to_string(), "Name fewer groups.")
}

/// Sends what differs, a transaction for each group. The slot of the last one; 0 when nothing differs.
///
/// # Errors
/// When the program refuses one; those before it stay.
pub async fn change(
    session: &Session<'_>,
    client_ip: std::net::Ipv4Addr,
    access_pass: Pubkey,
    user: &Pubkey,
    now: &ByGroup,
    wanted: &ByGroup,
) -> Result<u64, Failure> {
    let mut slot = 0;
    let changes = roles::changes(now, wanted);
    let permission = if changes.is_empty() { Permission::Absent } else { session.permission().await? };
    for (group, Roles { publisher, subscriber }) in changes {
        let extra_groups = Vec::new();
        let update =
            UpdateMulticastGroupRoles { client_ip, user: *user, group, extra_groups, publisher, subscriber, access_pass, permission };
        let what = match (publisher, subscriber) {
            (true, true) => "sends to it and receives from it",
            (true, false) => "sends to it",
            (false, true) => "receives from it",
            (false, false) => "is out of it",
        };
        let update = update.build(&session.caller()).map_err(too_many)?;
        let confirmed = session.send(&[update], &format!("the group {group}: the user {what}")).await?;
        session.steps.done(
            "group",
            &format!("{group}: this host {what}"),
            json!({ "group": group.to_string(), "publisher": publisher, "subscriber": subscriber, "transaction": confirmed.signature.to_string() }),
        );
        slot = confirmed.slot.0;
    }
    Ok(slot)
}
