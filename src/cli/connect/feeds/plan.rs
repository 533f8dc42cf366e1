//! What is to be sent so that a user holds the feeds that are asked for: pure.
//!
//! A change is worked out and checked whole before its first half is sent: who leaves one feed for another is not left
//! without both.

use std::collections::{BTreeMap, BTreeSet};

use warren_ledger::{
    ProgramError,
    accounts::{Device, Feed, FeedStatus, User},
};
use warren_state::Pubkey;

use crate::{connect::passes::Pass, failure::Failure};

/// Feeds by their accounts.
pub type ByKey = BTreeMap<Pubkey, Feed>;

/// The most feeds that a user may hold.
pub const MOST_HELD: usize = 5;
/// The most accounts of one instruction.
const MOST_ACCOUNTS: usize = 25;
/// Those of every instruction about feeds: pass, user, state and device, payer and system program.
const FRAME: usize = 6;

/// Where a user stands.
#[derive(Clone, Copy)]
pub struct SeatHolder<'a> {
    /// The account of the user that it is about.
    pub user: &'a User,
    /// The pass that its seats are taken with.
    pub pass: &'a Pass,
    /// The host's passes.
    pub passes: &'a [Pass],
    /// All feeds of the ledger, by account.
    pub feeds: &'a ByKey,
}

/// What is to be sent, in this order: what is left, then what is joined.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FeedChanges {
    /// Each an instruction.
    pub leaves: Vec<Leave>,
    /// Each an instruction.
    pub joins: Vec<Join>,
}

/// Feeds to leave at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leave {
    pub feeds: Vec<Pubkey>,
    /// Those that the user keeps, as far as the pass covers them; the program takes the rest away.
    pub retained: Vec<Pubkey>,
    /// Exactly the groups that no kept feed carries.
    pub groups: Vec<Pubkey>,
}

/// Feeds to join at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Join {
    pub feeds: Vec<Pubkey>,
    /// Exactly the groups that this adds.
    pub groups: Vec<Pubkey>,
}

/// Works out what leaves these feeds and joins those.
///
/// # Errors
/// When the program would refuse any of it.
pub fn swap(standing: SeatHolder<'_>, join: &[Pubkey], leave: &[Pubkey]) -> Result<FeedChanges, Failure> {
    can_leave(standing, leave)?;
    let wanted = lacking(standing, join);
    can_join(standing, &wanted, leave)?;
    let mut user = standing.user.clone();
    let leaves = leaves(standing, &mut user, leave);
    let joins = joins(standing.feeds, &mut user, &wanted);
    Ok(FeedChanges { leaves, joins })
}

/// What joins these groups again, which came with feeds that the user holds.
pub fn rejoin(user: &User, feeds: &ByKey, groups: &[Pubkey]) -> Vec<Join> {
    let carries = |key: &&Pubkey| {
        feeds
            .get(key)
            .is_some_and(|feed| feed.groups.iter().any(|group| groups.contains(group)))
    };
    let held: Vec<Pubkey> = user.feed_pks.iter().filter(carries).copied().collect();
    joins(feeds, &mut user.clone(), &held)
}

/// The feeds that the pass has a free seat at and whose metro this is, in the order of their codes: as many as the user may
/// hold beside those that it has.
pub fn purchased(standing: SeatHolder<'_>, exchange: &Pubkey) -> Vec<Pubkey> {
    let held = &standing.user.feed_pks;
    let covered = held
        .iter()
        .copied()
        .filter(|key| standing.pass.seat(key).is_some());
    let mut found: Vec<(&Pubkey, &Feed)> = free(standing.pass, standing.feeds)
        .filter(|(_, feed)| feed.exchange == *exchange)
        .collect();
    found.retain(|(key, _)| !held.contains(key));
    found.sort_by(|one, other| (&one.1.code, one.0).cmp(&(&other.1.code, other.0)));
    let new = found
        .into_iter()
        .map(|(key, _)| *key)
        .take(MOST_HELD.saturating_sub(held.len()));
    covered.chain(new).collect()
}

/// The metros where the pass has a free seat at a feed.
///
/// # Errors
/// When it has seats, and none is free.
pub fn metros(pass: &Pass, feeds: &ByKey) -> Result<BTreeSet<Pubkey>, Failure> {
    let metros: BTreeSet<Pubkey> = free(pass, feeds).map(|(_, feed)| feed.exchange).collect();
    if metros.is_empty() && !pass.seats().is_empty() {
        let taken: Vec<String> = pass
            .seats()
            .iter()
            .map(|seat| told(pass, &seat.feed, feeds))
            .collect();
        return Err(Failure::new(
            format!(
                "every purchased feed is already at capacity: {}",
                taken.join(", ")
            ),
            "Free a seat by disconnecting another machine, or buy more.",
        ));
    }
    Ok(metros)
}

/// The devices in whose metro are all of these feeds, with seats that the pass still has free.
///
/// # Errors
/// When there is none: says what stands in the way.
pub fn covering(
    pass: &Pass,
    feeds: &ByKey,
    codes: &[String],
    devices: &BTreeMap<Pubkey, Device>,
) -> Result<BTreeMap<Pubkey, Device>, Failure> {
    if !pass.has_seats() {
        return Err(ProgramError::EdgeSeatRequired.into());
    }
    if codes.len() > MOST_HELD {
        return Err(ProgramError::UserFeedLimitExceeded.into());
    }
    let mut flaw = None;
    let exchanges: BTreeSet<Pubkey> = devices.values().map(|device| device.exchange_pk).collect();
    let is_covered = |exchange: &Pubkey| {
        let all = codes
            .iter()
            .try_for_each(|code| is_open(pass, feeds, &find(feeds, code, exchange)?));
        all.map_err(|failure| flaw = Some(failure)).is_ok()
    };
    let covered: BTreeSet<Pubkey> = exchanges.into_iter().filter(is_covered).collect();
    match flaw {
        Some(failure) if covered.is_empty() => Err(failure),
        _ => Ok(devices
            .iter()
            .filter(|(_, device)| covered.contains(&device.exchange_pk))
            .map(|(key, device)| (*key, device.clone()))
            .collect()),
    }
}

/// The feed with this code or account in this metro.
///
/// # Errors
/// When there is none.
pub fn find(feeds: &ByKey, code: &str, exchange: &Pubkey) -> Result<Pubkey, Failure> {
    let here = |(key, feed): &(&Pubkey, &Feed)| {
        feed.exchange == *exchange && (feed.code == code || key.to_string() == code)
    };
    feeds.iter().find(here).map(|(key, _)| *key).ok_or_else(|| {
        Failure::new(
            format!("there is no feed {code:?} in the device's metro"),
            "Check its code, or choose another device.",
        )
    })
}

/// What a feed is called.
pub fn name(feeds: &ByKey, key: &Pubkey) -> String {
    feeds
        .get(key)
        .map_or_else(|| key.to_string(), |feed| feed.code.clone())
}

fn told(pass: &Pass, feed: &Pubkey, feeds: &ByKey) -> String {
    let (current, most) = pass
        .seat(feed)
        .map_or((0, 0), |seat| (seat.current, seat.max_users));
    format!("{} ({current} of {most} seats in use)", name(feeds, feed))
}

fn free<'a>(pass: &'a Pass, feeds: &'a ByKey) -> impl Iterator<Item = (&'a Pubkey, &'a Feed)> {
    let seats = pass.seats().iter().filter(|seat| seat.current < seat.max_users);
    seats
        .filter_map(|seat| feeds.get_key_value(&seat.feed))
        .filter(|(_, feed)| feed.status == FeedStatus::ACTIVE)
}

fn can_leave(standing: SeatHolder<'_>, leave: &[Pubkey]) -> Result<(), Failure> {
    let SeatHolder {
        user,
        pass,
        passes,
        feeds,
    } = standing;
    if let Some(key) = leave.iter().find(|key| !user.feed_pks.contains(key)) {
        let held: Vec<String> = user.feed_pks.iter().map(|key| name(feeds, key)).collect();
        let held = if held.is_empty() {
            "none".to_owned()
        } else {
            held.join(", ")
        };
        return Err(Failure::new(
            format!("this host does not hold the feed {:?}", name(feeds, key)),
            format!("Feeds that it holds: {held}."),
        ));
    }
    for key in leave.iter().filter(|key| pass.seat(key).is_none()) {
        if let Some(other) = passes.iter().find(|other| other.seat(key).is_some()) {
            return Err(Failure::new(
                format!(
                    "the seat for the feed {:?} is held by the access pass {}, and this user's is {}",
                    name(feeds, key),
                    other.key,
                    pass.key
                ),
                format!(
                    "Name the pass that holds the seat (--access-pass {}): under the other one the seat would stay charged.",
                    other.key
                ),
            ));
        }
    }
    Ok(())
}

/// Those that the user does not hold, or of whose groups it lacks one: such a feed has grown since.
fn lacking(standing: SeatHolder<'_>, join: &[Pubkey]) -> Vec<Pubkey> {
    let SeatHolder { user, feeds, .. } = standing;
    let is_whole = |key: &Pubkey| {
        feeds
            .get(key)
            .is_none_or(|feed| feed.groups.iter().all(|group| user.subscribers.contains(group)))
    };
    join.iter()
        .filter(|key| !user.feed_pks.contains(key) || !is_whole(key))
        .copied()
        .collect()
}

fn can_join(standing: SeatHolder<'_>, join: &[Pubkey], leave: &[Pubkey]) -> Result<(), Failure> {
    let SeatHolder {
        user, pass, feeds, ..
    } = standing;
    if join.is_empty() {
        return Ok(());
    }
    if !pass.has_seats() {
        return Err(ProgramError::EdgeSeatRequired.into());
    }
    // One that is held takes no second seat.
    let new: Vec<&Pubkey> = join.iter().filter(|key| !user.feed_pks.contains(key)).collect();
    new.iter().try_for_each(|key| is_open(pass, feeds, key))?;
    let held = user.feed_pks.iter().filter(|key| !leave.contains(key)).count();
    if held + new.len() > MOST_HELD {
        let what = format!(
            "the user would hold {} feeds, and at most {MOST_HELD} are allowed",
            held + new.len()
        );
        return Err(Failure::new(what, ProgramError::UserFeedLimitExceeded.advice()));
    }
    Ok(())
}

/// Whether somebody new can join this feed with this pass.
fn is_open(pass: &Pass, feeds: &ByKey, key: &Pubkey) -> Result<(), Failure> {
    let code = name(feeds, key);
    let Some(seat) = pass.seat(key) else {
        let error = ProgramError::FeedNotOnAccessPass;
        return Err(Failure::new(
            format!("the access pass {} has no seat for the feed {code:?}", pass.key),
            error.advice(),
        ));
    };
    if let Some(feed) = feeds.get(key).filter(|feed| feed.status != FeedStatus::ACTIVE) {
        let what = format!(
            "the feed {code:?} accepts nobody new: it is {}",
            feed.status.name()
        );
        return Err(Failure::new(
            what,
            "Choose another feed, or wait until it is active again.",
        ));
    }
    if seat.current >= seat.max_users {
        return Err(Failure::new(
            format!("all seats are taken: {}", told(pass, key, feeds)),
            ProgramError::FeedSeatFull.advice(),
        ));
    }
    Ok(())
}

fn leaves(standing: SeatHolder<'_>, user: &mut User, leave: &[Pubkey]) -> Vec<Leave> {
    let mut all = Vec::new();
    let mut batch: Vec<Pubkey> = Vec::new();
    for key in leave {
        batch.push(*key);
        let one = left(standing, user, &batch);
        if batch.len() > 1 && FRAME + one.feeds.len() + one.retained.len() + one.groups.len() > MOST_ACCOUNTS
        {
            batch.pop();
            all.push(done(user, left(standing, user, &batch)));
            batch = vec![*key];
        }
    }
    if !batch.is_empty() {
        all.push(done(user, left(standing, user, &batch)));
    }
    all
}

fn left(standing: SeatHolder<'_>, user: &User, leave: &[Pubkey]) -> Leave {
    let SeatHolder { pass, feeds, .. } = standing;
    let is_kept = |key: &&Pubkey| !leave.contains(key) && pass.seat(key).is_some();
    let retained: Vec<Pubkey> = user.feed_pks.iter().filter(is_kept).copied().collect();
    let groups_of = |keys: &[Pubkey]| -> BTreeSet<Pubkey> {
        keys.iter()
            .filter_map(|key| feeds.get(key))
            .flat_map(|feed| feed.groups.clone())
            .collect()
    };
    let kept = groups_of(&retained);
    let groups = groups_of(leave)
        .into_iter()
        .filter(|group| user.subscribers.contains(group) && !kept.contains(group))
        .collect();
    Leave {
        feeds: leave.to_vec(),
        retained,
        groups,
    }
}

fn done(user: &mut User, leave: Leave) -> Leave {
    user.feed_pks.clone_from(&leave.retained);
    user.subscribers.retain(|group| !leave.groups.contains(group));
    leave
}

fn joins(feeds: &ByKey, user: &mut User, join: &[Pubkey]) -> Vec<Join> {
    let mut all = Vec::new();
    let mut batch = Join::default();
    for key in join {
        let carried: BTreeSet<Pubkey> = feeds
            .get(key)
            .map(|feed| feed.groups.iter().copied().collect())
            .unwrap_or_default();
        let new: Vec<Pubkey> = carried
            .into_iter()
            .filter(|group| !user.subscribers.contains(group))
            .collect();
        if !batch.feeds.is_empty()
            && FRAME + batch.feeds.len() + 1 + batch.groups.len() + new.len() > MOST_ACCOUNTS
        {
            all.push(std::mem::take(&mut batch));
        }
        user.subscribers.extend(&new);
        batch.feeds.push(*key);
        batch.groups.extend(new);
    }
    if !batch.feeds.is_empty() {
        all.push(batch);
    }
    all
}

#[cfg(test)]
mod tests;
