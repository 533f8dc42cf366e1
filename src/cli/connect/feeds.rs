//! Feeds: bundles of groups that a pass has seats at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use warren_ledger::{
    Account, ProgramError,
    accounts::{Device, Feed, PassType, User},
    instructions::{SubscribeFeed, UnsubscribeFeed},
};
use warren_state::Pubkey;

use super::{Place, select, session::Session};
use crate::cli::{failure::Failure, operator::soon};

/// Feeds to join and to leave, by their codes.
#[derive(Default)]
pub struct Feeds {
    /// To join.
    pub join: Vec<String>,
    /// To leave.
    pub leave: Vec<String>,
}

/// The most feeds that a user may hold.
const MOST: usize = 5;

/// Keeps the devices in whose metro all feeds to join are, and makes sure that the pass has seats at them: before anything is
/// paid.
///
/// # Errors
/// When no device is left, or the pass does not allow it.
pub async fn keep_covered(
    session: &Session<'_>,
    place: &Place,
    feeds: &Feeds,
    devices: &mut BTreeMap<Pubkey, Device>,
    named: Option<&str>,
) -> Result<(), Failure> {
    if feeds.join.is_empty() {
        return Ok(());
    }
    let PassType::EdgeSeat(seats) = &place.pass.pass_type else { return Err(ProgramError::EdgeSeatRequired.into()) };
    if feeds.join.len() > MOST {
        return Err(ProgramError::UserFeedLimitExceeded.into());
    }
    if let Some((_, device)) = named.and_then(|name| select::find(devices, name)) {
        let exchange = device.exchange_pk;
        devices.retain(|_, device| device.exchange_pk == exchange);
    }
    let exchanges: BTreeSet<Pubkey> = devices.values().map(|device| device.exchange_pk).collect();
    let mut missing = None;
    for exchange in exchanges {
        match all(session, &feeds.join, &exchange).await {
            Ok(found) => {
                if let Some(key) = found.keys().find(|key| !seats.iter().any(|seat| seat.feed == **key)) {
                    let code = found.get(key).map_or("", |feed| feed.code.as_str());
                    return Err(Failure::new(
                        format!("the access pass has no seat at the feed {code:?}"),
                        ProgramError::FeedNotOnAccessPass.advice(),
                    ));
                }
            }
            Err(failure) => {
                devices.retain(|_, device| device.exchange_pk != exchange);
                missing = Some(failure);
            }
        }
    }
    match missing {
        Some(failure) if devices.is_empty() => Err(failure),
        Some(_) | None => Ok(()),
    }
}

/// Leaves and joins. The slot of the last transaction; 0 when there was none.
///
/// # Errors
/// When there is no such feed in the metro of the user's device, or the program refuses.
pub async fn change(session: &Session<'_>, place: &Place, key: &Pubkey, user: &User, feeds: &Feeds) -> Result<u64, Failure> {
    if feeds.join.is_empty() && feeds.leave.is_empty() {
        return Ok(0);
    }
    let user = session.user(key).await.unwrap_or_else(|_| user.clone());
    let exchange = match session.operator.ledger.account(&user.device_pk, soon()).await? {
        Some(Account::Device(device)) => device.exchange_pk,
        _ => {
            return Err(Failure::new(format!("the device {} of the user {key} is not on the ledger", user.device_pk), "Disconnect first."));
        }
    };
    let (join, leave) = (all(session, &feeds.join, &exchange).await?, all(session, &feeds.leave, &exchange).await?);
    let mut slot = 0;
    let held = held(session, &user).await?;
    if let Some(Left { feeds, retained, groups }) = left(&user, &leave, &held) {
        let instruction = UnsubscribeFeed { access_pass: place.pass_key, user: *key, device: user.device_pk, feeds, retained, groups };
        slot = send(session, instruction.build(&session.caller()), "left", &leave).await?;
    }
    let user = session.user(key).await?;
    if let Some((feeds, groups)) = joined(&user, &join) {
        let instruction = SubscribeFeed { access_pass: place.pass_key, user: *key, device: user.device_pk, feeds, groups };
        slot = send(session, instruction.build(&session.caller()), "joined", &join).await?;
    }
    Ok(slot)
}

async fn send(
    session: &Session<'_>,
    instruction: Result<warren_ledger::instructions::Instruction, warren_ledger::instructions::BuildError>,
    what: &str,
    feeds: &BTreeMap<Pubkey, Feed>,
) -> Result<u64, Failure> {
    let instruction = instruction.map_err(|error| Failure::new(error.to_string(), "Name fewer feeds."))?;
    let codes: Vec<&str> = feeds.values().map(|feed| feed.code.as_str()).collect();
    let confirmed = session.send(&[instruction], &format!("{what} {}", codes.join(", "))).await?;
    let fields = json!({ "feeds": codes, "transaction": confirmed.signature.to_string() });
    session.steps.done("feed", &format!("{what} {}", codes.join(", ")), fields);
    Ok(confirmed.slot.0)
}

async fn all(session: &Session<'_>, codes: &[String], exchange: &Pubkey) -> Result<BTreeMap<Pubkey, Feed>, Failure> {
    let mut feeds = BTreeMap::new();
    for code in codes {
        let (key, feed) = find(session, code, exchange).await?;
        feeds.insert(key, feed);
    }
    Ok(feeds)
}

async fn held(session: &Session<'_>, user: &User) -> Result<BTreeMap<Pubkey, Feed>, Failure> {
    let accounts = session.operator.ledger.accounts(&user.feed_pks, soon()).await?;
    let feed = |(key, account): (&Pubkey, Option<Account>)| if let Some(Account::Feed(feed)) = account { Some((*key, feed)) } else { None };
    Ok(user.feed_pks.iter().zip(accounts).filter_map(feed).collect())
}

/// The feed with this code or account in this metro.
async fn find(session: &Session<'_>, code: &str, exchange: &Pubkey) -> Result<(Pubkey, Feed), Failure> {
    let derived = session.operator.pda().feed(code, exchange).ok().map(|derived| derived.address);
    for key in derived.into_iter().chain(code.parse()) {
        match session.operator.ledger.account(&key, soon()).await? {
            Some(Account::Feed(feed)) if feed.exchange == *exchange => return Ok((key, feed)),
            Some(_) | None => {}
        }
    }
    Err(Failure::new(format!("there is no feed {code:?} in the device's metro"), "Check its code, or choose another device."))
}

/// The feeds that are new to the user and exactly the groups that they add.
fn joined(user: &User, join: &BTreeMap<Pubkey, Feed>) -> Option<(Vec<Pubkey>, Vec<Pubkey>)> {
    let new: Vec<Pubkey> = join.keys().filter(|key| !user.feed_pks.contains(key)).copied().collect();
    let groups: BTreeSet<Pubkey> = new.iter().filter_map(|key| join.get(key)).flat_map(|feed| feed.groups.iter().copied()).collect();
    let added = groups.into_iter().filter(|group| !user.subscribers.contains(group)).collect();
    (!new.is_empty()).then_some((new, added))
}

#[derive(PartialEq, Eq, Debug)]
struct Left {
    feeds: Vec<Pubkey>,
    retained: Vec<Pubkey>,
    groups: Vec<Pubkey>,
}

/// The feeds that the user leaves, those that it keeps, and exactly the groups that no kept one carries.
fn left(user: &User, leave: &BTreeMap<Pubkey, Feed>, held: &BTreeMap<Pubkey, Feed>) -> Option<Left> {
    let feeds: Vec<Pubkey> = user.feed_pks.iter().filter(|key| leave.contains_key(key)).copied().collect();
    let retained: Vec<Pubkey> = user.feed_pks.iter().filter(|key| !leave.contains_key(key)).copied().collect();
    let kept: BTreeSet<&Pubkey> = retained.iter().filter_map(|key| held.get(key)).flat_map(|feed| &feed.groups).collect();
    let carried: BTreeSet<&Pubkey> = feeds.iter().filter_map(|key| leave.get(key)).flat_map(|feed| &feed.groups).collect();
    let groups = carried.into_iter().filter(|group| user.subscribers.contains(group) && !kept.contains(group)).copied().collect();
    (!feeds.is_empty()).then_some(Left { feeds, retained, groups })
}

#[cfg(test)]
mod tests {
    use warren_ledger::accounts::samples;

    use super::*;

    fn key(number: u8) -> Pubkey {
        Pubkey([number; 32])
    }

    fn feeds(all: &[(u8, &[u8])]) -> BTreeMap<Pubkey, Feed> {
        let sample = samples::full().into_iter().find_map(|(_, account)| if let Account::Feed(feed) = account { Some(feed) } else { None });
        let feed = |groups: &[u8]| Feed { groups: groups.iter().map(|group| key(*group)).collect(), ..sample.clone().unwrap() };
        all.iter().map(|(number, groups)| (key(*number), feed(groups))).collect()
    }

    fn user(held: &[u8], groups: &[u8]) -> User {
        let sample = samples::full().into_iter().find_map(|(_, account)| if let Account::User(user) = account { Some(user) } else { None });
        let keys = |numbers: &[u8]| numbers.iter().map(|number| key(*number)).collect();
        User { feed_pks: keys(held), subscribers: keys(groups), ..sample.unwrap() }
    }

    #[test]
    fn joining_names_exactly_the_groups_that_it_adds() {
        let join = feeds(&[(1, &[10, 11]), (2, &[11, 12])]);
        assert_eq!(joined(&user(&[], &[10]), &join), Some((vec![key(1), key(2)], vec![key(11), key(12)])));
        assert_eq!(joined(&user(&[1], &[10, 11]), &join), Some((vec![key(2)], vec![key(12)])));
        assert_eq!(joined(&user(&[1, 2], &[10, 11, 12]), &join), None);
    }

    #[test]
    fn leaving_keeps_the_groups_that_another_feed_carries_too() {
        let held = feeds(&[(1, &[10, 11]), (2, &[11, 12])]);
        let leave = feeds(&[(1, &[10, 11])]);
        let expected = Left { feeds: vec![key(1)], retained: vec![key(2)], groups: vec![key(10)] };
        assert_eq!(left(&user(&[1, 2], &[10, 11, 12]), &leave, &held), Some(expected));
        assert_eq!(left(&user(&[2], &[11, 12]), &leave, &held), None);
    }
}
