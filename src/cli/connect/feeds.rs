//! Feeds: bundles of groups that a pass has seats at.

pub mod plan;

use serde_json::json;
use warren_ledger::{
    accounts::User,
    instructions::{BuildError, Instruction, SubscribeFeed, UnsubscribeFeed},
};
use warren_state::Pubkey;

use super::{passes::Pass, session::LedgerSession};
use crate::failure::Failure;
use plan::{ByKey, FeedChanges, Join, Leave, SeatHolder};

/// Feeds to join and to leave, by their codes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Feeds {
    /// The codes of the feeds to join.
    pub join: Vec<String>,
    /// The codes of the feeds to leave.
    pub leave: Vec<String>,
}

/// A user whose feeds change.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// Its account.
    pub key: &'a Pubkey,
    /// As it is before.
    pub user: &'a User,
    /// The pass that its seats are taken with.
    pub pass: &'a Pass,
}

/// Works out what leaves and joins these feeds in the metro of the user's device.
///
/// # Errors
/// When there is no such feed there, or the program would refuse any of it.
pub fn swap(standing: SeatHolder<'_>, exchange: &Pubkey, asked: &Feeds) -> Result<FeedChanges, Failure> {
    let all = |codes: &[String]| {
        codes
            .iter()
            .map(|code| plan::find(standing.feeds, code, exchange))
            .collect::<Result<Vec<_>, _>>()
    };
    let (join, leave) = (
        distinct(all(&asked.join)?),
        distinct(leaving(standing, exchange, &asked.leave)?),
    );
    if let Some(both) = join.iter().find(|key| leave.contains(key)) {
        let code = plan::name(standing.feeds, both);
        return Err(Failure::new(
            format!("the feed {code:?} is named both to be joined and to be left"),
            "Name it with only one of the two flags.",
        ));
    }
    plan::swap(standing, &join, &leave)
}

/// Sends it. The slot of the last transaction; 0 when there was none.
///
/// # Errors
/// When the program refuses; what was sent before stays, and the advice says what to run again.
pub async fn send(
    session: &LedgerSession<'_>,
    member: Member<'_>,
    feeds: &ByKey,
    swap: &FeedChanges,
) -> Result<u64, Failure> {
    let (device, user, access_pass) = (member.user.device_pk, *member.key, member.pass.key);
    let mut slot = 0;
    for Leave {
        feeds: left,
        retained,
        groups,
    } in &swap.leaves
    {
        let (feeds_left, retained, groups) = (left.clone(), retained.clone(), groups.clone());
        let instruction = UnsubscribeFeed {
            access_pass,
            user,
            device,
            feeds: feeds_left,
            retained,
            groups,
        }
        .build(&session.caller());
        slot = one(session, instruction, "left", &names(feeds, left)).await?;
    }
    for (
        number,
        Join {
            feeds: joined,
            groups,
        },
    ) in swap.joins.iter().enumerate()
    {
        let instruction = SubscribeFeed {
            access_pass,
            user,
            device,
            feeds: joined.clone(),
            groups: groups.clone(),
        }
        .build(&session.caller());
        let sent = one(session, instruction, "joined", &names(feeds, joined)).await;
        slot = sent.map_err(|failure| {
            if slot > 0 {
                again(failure, feeds, &swap.joins[number..])
            } else {
                failure
            }
        })?;
    }
    Ok(slot)
}

/// The first half is done, the second is not: says what completes it.
fn again(failure: Failure, feeds: &ByKey, missing: &[Join]) -> Failure {
    let codes: Vec<String> = missing
        .iter()
        .flat_map(|join| names(feeds, &join.feeds))
        .collect();
    let command = format!("`warren connect multicast --subscribe-feed {}`", codes.join(" "));
    let advice = match failure.advice {
        Some(advice) => format!("{advice} Then {command} completes it."),
        None => format!("{command} completes it."),
    };
    Failure {
        advice: Some(advice),
        ..failure
    }
}

async fn one(
    session: &LedgerSession<'_>,
    instruction: Result<Instruction, BuildError>,
    what: &str,
    codes: &[String],
) -> Result<u64, Failure> {
    let instruction = instruction.map_err(|error| Failure::new(error.to_string(), "Name fewer feeds."))?;
    let text = format!("{what} {}", codes.join(", "));
    let confirmed = session.send(&[instruction], &text).await?;
    session.steps.done(
        "feed",
        &text,
        json!({ "feeds": codes, "transaction": confirmed.signature.to_string() }),
    );
    Ok(confirmed.slot.0)
}

/// Feeds to leave are looked for among those that are held too: the device's metro may have lost one.
fn leaving(standing: SeatHolder<'_>, exchange: &Pubkey, codes: &[String]) -> Result<Vec<Pubkey>, Failure> {
    let held = |code: &String| {
        let held = &standing.user.feed_pks;
        held.iter()
            .copied()
            .find(|key| plan::name(standing.feeds, key) == *code || key.to_string() == *code)
    };
    codes
        .iter()
        .map(|code| held(code).map_or_else(|| plan::find(standing.feeds, code, exchange), Ok))
        .collect()
}

fn names(feeds: &ByKey, keys: &[Pubkey]) -> Vec<String> {
    keys.iter().map(|key| plan::name(feeds, key)).collect()
}

fn distinct(keys: Vec<Pubkey>) -> Vec<Pubkey> {
    let mut seen = std::collections::BTreeSet::new();
    keys.into_iter().filter(|key| seen.insert(*key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_that_stops_half_way_names_the_command_that_completes_it() {
        let missing = [Join {
            feeds: vec![Pubkey([1; 32]), Pubkey([2; 32])],
            groups: vec![],
        }];
        let failure = again(
            Failure::new("the seat is gone", "Free a seat."),
            &ByKey::new(),
            &missing,
        );
        let (one, other) = (Pubkey([1; 32]), Pubkey([2; 32]));
        let expected = format!(
            "Free a seat. Then `warren connect multicast --subscribe-feed {one} {other}` completes it."
        );
        assert_eq!(
            (failure.what.as_str(), failure.advice),
            ("the seat is gone", Some(expected))
        );
    }
}
