//! `warren connect multicast`.

mod creation;

use std::collections::BTreeMap;

use serde_json::json;
use warren_ledger::accounts::{Device, User, UserType};
use warren_state::Pubkey;

use super::{
    catalogue::{self, Groups},
    change::Change,
    device::{self, Candidates},
    establish::{RegisteredUser, enable},
    feeds::{
        self, Feeds, Member,
        plan::{self, ByKey},
    },
    host_state::{HostState, resumable, tell_pass},
    passes::Pass,
    proof::ProofSource,
    roles::{self, ByGroup, Roles},
    select::CapacityKind,
    session::LedgerSession,
    unicast,
};
use crate::{
    command::{ConnectOptions, GroupRole},
    failure::Failure,
    name,
};
use creation::{covered, creation};

/// What was asked for on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// All that the pass allows: groups on its lists, and feeds that it has seats at.
    All,
    /// These groups.
    Groups(Vec<(String, Roles)>),
    /// Feeds to join and to leave.
    Feeds(Feeds),
}

impl Asked {
    /// From every way to write it.
    ///
    /// # Errors
    /// When groups are named beside feeds.
    pub fn new(
        role: Option<GroupRole>,
        groups: Vec<String>,
        publish: Vec<String>,
        subscribe: Vec<String>,
        feeds: Feeds,
    ) -> Result<Self, Failure> {
        let role = match role {
            Some(GroupRole::Publisher) => Roles::PUBLISHER,
            Some(GroupRole::Subscriber) | None => Roles::SUBSCRIBER,
        };
        let named = groups.into_iter().map(|code| (code, role));
        let published = publish.into_iter().map(|code| (code, Roles::PUBLISHER));
        let subscribed = subscribe.into_iter().map(|code| (code, Roles::SUBSCRIBER));
        let groups: Vec<_> = named.chain(published).chain(subscribed).collect();
        match (groups.is_empty(), feeds == Feeds::default()) {
            (true, true) => Ok(Self::All),
            (false, true) => Ok(Self::Groups(groups)),
            (true, false) => Ok(Self::Feeds(feeds)),
            (false, false) => Err(Failure {
                code: crate::USAGE,
                what: "groups and feeds cannot be named together".to_owned(),
                advice: Some(
                    "Connect to the groups with one command, and to the feeds with another one.".to_owned(),
                ),
            }),
        }
    }
}

/// What the ledger has to choose from.
struct Offer {
    groups: Groups,
    feeds: ByKey,
    devices: BTreeMap<Pubkey, Device>,
}

/// Makes the user where there is none, and gives it the groups and feeds that it lacks. What the user does already with a group
/// it goes on doing. `None` when there is nothing to connect to.
///
/// # Errors
/// When a condition is not met, or the program refuses.
pub async fn connect(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    prover: &ProofSource<'_>,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<Option<RegisteredUser>, Failure> {
    let offer = Offer {
        groups: session.groups().await?,
        feeds: session.feeds().await?,
        devices: session.devices().await?,
    };
    let (key, user, pass, made) = match host_state.user(true) {
        Some((key, user)) => {
            resumable(session, key, user, &offer.devices, how).await?;
            let pass = pass_for(session, host_state, key, user, asked, how).await?;
            tell_pass(session, &pass);
            unicast::there_already(session, key);
            (*key, user.clone(), pass, 0)
        }
        None => match create(session, host_state, prover, &offer, asked, how).await? {
            Some(made) => made,
            None => return Ok(None),
        },
    };
    let slot = complete(
        session,
        host_state,
        &offer,
        asked,
        Member {
            key: &key,
            user: &user,
            pass: &pass,
        },
    )
    .await?;
    let groups = catalogue::visible(&roles::of(&session.user(&key).await?), &offer.groups);
    Ok(Some(RegisteredUser {
        key,
        slot: made.max(slot),
        groups: Some(groups),
    }))
}

/// Brings a user that is there to what is asked for. The slot of the last change.
async fn complete(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    offer: &Offer,
    asked: &Asked,
    member: Member<'_>,
) -> Result<u64, Failure> {
    let Member { key, user, pass } = member;
    // All of it is looked at before the first transaction.
    let swap = feeds_of(session, host_state, offer, asked, member)?;
    let wanted = wanted(session, pass, &offer.groups, asked)?;
    let now = roles::of(user);
    let change = Change {
        session,
        client_ip: host_state.client_ip,
        key,
        pass,
        groups: &offer.groups,
        feeds: &offer.feeds,
    };
    let changed = change.to(user, &goal(asked, &now, &wanted)).await?;
    let fed = if changed == 0 {
        feeds::send(session, member, &offer.feeds, &swap).await?
    } else {
        // A group that it has now need not be joined with its feed.
        let user = session.user(key).await?;
        let member = Member {
            user: &user,
            ..member
        };
        feeds::send(
            session,
            member,
            &offer.feeds,
            &feeds_of(session, host_state, offer, asked, member)?,
        )
        .await?
    };
    Ok(changed.max(fed))
}

/// What the user does with its groups in the end: what it does now goes on beside what is asked for. Under the reference's name
/// the groups that are named have the roles that are named and no others, as there.
fn goal(asked: &Asked, now: &ByGroup, wanted: &ByGroup) -> ByGroup {
    match asked {
        Asked::Groups(_) if name::is_reference() => roles::exactly(now, wanted),
        Asked::Groups(_) | Asked::Feeds(_) | Asked::All => roles::with(now, wanted),
    }
}

/// The pass of a user that is there. Seats are taken with the one that has them, where none is written on the user.
async fn pass_for(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    key: &Pubkey,
    user: &User,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<Pass, Failure> {
    let pass = host_state.pass_of(session, key, user, how).await?;
    let joins = matches!(asked, Asked::Feeds(feeds) if !feeds.join.is_empty());
    if joins
        && !pass.has_seats()
        && user.feed_pks.is_empty()
        && user.access_pass.is_zero()
        && how.wait.access_pass.is_none()
    {
        return Ok(host_state
            .passes
            .0
            .iter()
            .find(|pass| pass.has_seats())
            .cloned()
            .unwrap_or(pass));
    }
    Ok(pass)
}

fn feeds_of(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    offer: &Offer,
    asked: &Asked,
    Member { key, user, pass }: Member<'_>,
) -> Result<plan::FeedChanges, Failure> {
    let standing = plan::SeatHolder {
        user,
        pass,
        passes: &host_state.passes.0,
        feeds: &offer.feeds,
    };
    if matches!(asked, Asked::Groups(_)) || (*asked == Asked::All && !pass.has_seats()) {
        return Ok(plan::FeedChanges::default());
    }
    let Some(device) = offer.devices.get(&user.device_pk) else {
        let what = format!(
            "the device {} of the user {key} is not on the ledger",
            user.device_pk
        );
        return Err(Failure::new(
            what,
            "Tell the network's operators: only they can delete the user.",
        ));
    };
    match asked {
        Asked::Feeds(feeds) => feeds::swap(standing, &device.exchange_pk, feeds),
        Asked::All | Asked::Groups(_) => {
            let all = plan::purchased(standing, &device.exchange_pk);
            let new: Vec<String> = all
                .iter()
                .filter(|key| !user.feed_pks.contains(key))
                .map(|key| plan::name(&offer.feeds, key))
                .collect();
            session
                .steps
                .detail("feed", &format!("to join: {}", new.join(", ")));
            plan::swap(standing, &all, &[])
        }
    }
}

/// The groups that are asked for: those that are named, or all on the pass's lists.
fn wanted(
    session: &LedgerSession<'_>,
    pass: &Pass,
    groups: &Groups,
    asked: &Asked,
) -> Result<ByGroup, Failure> {
    match asked {
        Asked::Feeds(_) => Ok(ByGroup::new()),
        Asked::Groups(named) => named_groups(named, groups),
        Asked::All => {
            let (usable, left_out) = catalogue::usable(&pass.allowed_groups(), groups);
            for key in left_out {
                let text = format!("{} is left out: it is not in use", catalogue::name(groups, &key));
                session
                    .steps
                    .done("group", &text, json!({ "left_out": key.to_string() }));
            }
            Ok(usable)
        }
    }
}

fn named_groups(named: &[(String, Roles)], groups: &Groups) -> Result<ByGroup, Failure> {
    let mut wanted = ByGroup::new();
    for (code, roles) in named {
        let (key, _) = catalogue::in_use(catalogue::find(groups, code)?)?;
        roles::add(&mut wanted, &[*key], *roles);
    }
    Ok(wanted)
}

/// Why a pass does not let in a new user that asks for this.
fn refusal(pass: &Pass, offer: &Offer, asked: &Asked) -> Option<Failure> {
    let full = pass.has_no_room_for_multicast();
    match asked {
        Asked::All => full.or_else(|| {
            plan::metros(pass, &offer.feeds)
                .err()
                .filter(|_| pass.allowed_groups().is_empty())
        }),
        Asked::Groups(named) => match named_groups(named, &offer.groups) {
            Ok(wanted) => {
                full.or_else(|| pass.refuses_groups(&wanted, |key| catalogue::name(&offer.groups, key)))
            }
            Err(failure) => Some(failure),
        },
        Asked::Feeds(feeds) => plan::covering(pass, &offer.feeds, &feeds.join, &offer.devices)
            .err()
            .or(full),
    }
}

type Made = (Pubkey, User, Pass, u64);

async fn create(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    prover: &ProofSource<'_>,
    offer: &Offer,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<Option<Made>, Failure> {
    if let Asked::Feeds(Feeds { join, .. }) = asked
        && join.is_empty()
    {
        return Err(Failure::new(
            "this host has no multicast user that could leave a feed",
            "Connect to a group or a feed first.",
        ));
    }
    let offers =
        |pass: &&Pass| *asked != Asked::All || !pass.allowed_groups().is_empty() || !pass.seats().is_empty();
    if !host_state.passes.0.iter().any(|pass| offers(&pass)) {
        return Ok(None);
    }
    let pass = host_state.passes.letting_in(|pass| {
        if offers(&pass) {
            refusal(pass, offer, asked)
        } else {
            Some(nothing(pass))
        }
    })?;
    tell_pass(session, pass);
    let wanted = wanted(session, pass, &offer.groups, asked)?;
    let for_feeds = wanted.is_empty();
    let only = if for_feeds {
        Some(covered(pass, offer, asked, how)?)
    } else {
        None
    };
    let capacity = CapacityKind::Multicast {
        publisher: wanted.values().any(|roles| roles.publisher),
        subscriber: for_feeds || wanted.values().any(|roles| roles.subscriber),
    };
    let candidates = Candidates {
        all: &offer.devices,
        only: only.map(|only| (only, "none of the feeds with a free seat exists")),
    };
    let choice = device::choose(session, host_state, &candidates, capacity, how).await?;
    let proven = prover.proof(host_state.client_ip, UserType::MULTICAST).await?;
    enable(session).await?;
    let instruction = creation(
        session,
        host_state,
        offer,
        pass,
        &wanted,
        &choice,
        proven.as_ref(),
    )?;
    let key = session
        .operator
        .pda()
        .user(host_state.client_ip, UserType::MULTICAST)
        .address;
    let instructions: Vec<_> = proven
        .map(|proven| proven.check)
        .into_iter()
        .chain([instruction])
        .collect();
    let confirmed = session
        .send(&instructions, &format!("the user {key} is made"))
        .await?;
    let user = session.user(&key).await?;
    unicast::created(session, &key, &user, &confirmed.signature.to_string());
    // Its seats have changed with it.
    Ok(Some((key, user, pass.clone(), confirmed.slot.0)))
}

fn nothing(pass: &Pass) -> Failure {
    Failure::new(
        format!("the access pass {} allows no groups", pass.key),
        "Ask the network's operators to add groups to it.",
    )
}

#[cfg(test)]
mod tests;
