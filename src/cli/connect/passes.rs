//! Which of a host's access passes counts: pure.
//!
//! There may be two, one for any address and one for exactly this one; the first counts first. The other is taken for a new
//! user where only it lets in what is asked for. A user that is there has the pass that is written on it. Users of older
//! programs have none written on them: theirs is the one that counts first among those that let anybody in.

use std::net::Ipv4Addr;

use warren_ledger::{
    ProgramError,
    accounts::{AccessPass, FeedSeat, PassType, User},
};
use warren_state::Pubkey;

use super::roles::{ByGroup, Roles};
use crate::failure::Failure;

/// An access pass and its account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pass {
    /// Its account.
    pub key: Pubkey,
    /// The pass itself: types, dates, groups and seats.
    pub allows: AccessPass,
}

/// A host's passes, the one for any address first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passes(pub Vec<Pass>);

/// The pass of a user that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Of<'a> {
    /// One of the host's.
    Known(&'a Pass),
    /// Another one is written on the user.
    Recorded(Pubkey),
}

impl Passes {
    /// The one for exactly this host's address.
    pub fn exact(&self) -> Option<&Pass> {
        self.0.iter().find(|pass| !pass.is_for_any())
    }

    /// The one for any address.
    pub fn for_any(&self) -> Option<&Pass> {
        self.0.iter().find(|pass| pass.is_for_any())
    }

    /// The first that lets in what is asked for, where `refusal` says why one does not. Where none does, that of the first.
    ///
    /// # Errors
    /// When none does, or there is none.
    pub fn letting_in(&self, refusal: impl Fn(&Pass) -> Option<Failure>) -> Result<&Pass, Failure> {
        let mut first = None;
        for pass in &self.0 {
            match refusal(pass) {
                None => return Ok(pass),
                Some(failure) => first = first.or(Some(failure)),
            }
        }
        Err(first.unwrap_or_else(|| ProgramError::AccessPassNotFound.into()))
    }

    /// The pass of a user that is there; `named` is what the operator says that it is.
    ///
    /// # Errors
    /// When what was named is not it, or there is none.
    pub fn of_user(&self, key: &Pubkey, user: &User, named: Option<Pubkey>) -> Result<Of<'_>, Failure> {
        if !user.access_pass.is_zero() {
            if named.is_some_and(|named| named != user.access_pass) {
                return Err(Failure::new(
                    format!("user {key} records access pass {}", user.access_pass),
                    "Remove --access-pass or provide that address.",
                ));
            }
            let known = self.0.iter().find(|pass| pass.key == user.access_pass);
            return Ok(known.map_or(Of::Recorded(user.access_pass), Of::Known));
        }
        if let Some(named) = named {
            let found = self.0.iter().find(|pass| pass.key == named);
            return found.map(Of::Known).ok_or_else(|| {
                let known: Vec<String> = self.0.iter().map(|pass| pass.key.to_string()).collect();
                Failure::new(
                    format!("access pass {named} does not match user {key}"),
                    format!("Its passes: {}.", known.join(", ")),
                )
            });
        }
        let counts = self
            .0
            .iter()
            .find(|pass| pass.allows.connection_count > 0)
            .or_else(|| self.0.first());
        counts.map(Of::Known).ok_or_else(|| {
            Failure::new(
                format!("no access pass matches user {key}"),
                "Ask the network's operators, who can delete the user.",
            )
        })
    }
}

impl Pass {
    /// Whether it is for any address.
    pub fn is_for_any(&self) -> bool {
        self.allows.client_ip == Ipv4Addr::UNSPECIFIED
    }

    /// Its seats at feeds; none for a pass of another type.
    pub fn seats(&self) -> &[FeedSeat] {
        if let PassType::EdgeSeat(seats) = &self.allows.pass_type {
            seats
        } else {
            &[]
        }
    }

    /// Whether its type is the one with seats at feeds.
    pub fn has_seats(&self) -> bool {
        matches!(self.allows.pass_type, PassType::EdgeSeat(_))
    }

    /// Its seat at this feed.
    pub fn seat(&self, feed: &Pubkey) -> Option<&FeedSeat> {
        self.seats().iter().find(|seat| seat.feed == *feed)
    }

    /// Why it lets in no user without multicast in this epoch, as this tenant.
    pub fn refuses_unicast(&self, epoch: u64, tenant: Option<&Pubkey>) -> Option<Failure> {
        self.has_run_out(epoch)
            .or_else(|| self.has_no_room_for_unicast())
            .or_else(|| {
                let tenant = tenant.filter(|tenant| !self.allows.tenant_allowlist.contains(tenant))?;
                let error = ProgramError::TenantNotInAccessPassAllowlist;
                Some(Failure::new(
                    format!("the access pass {} does not allow the tenant {tenant}", self.key),
                    error.advice(),
                ))
            })
    }

    /// A pass lets in users without multicast up to its last epoch.
    pub fn has_run_out(&self, epoch: u64) -> Option<Failure> {
        let last = self.allows.last_access_epoch;
        let what = match last {
            _ if last >= epoch => return None,
            0 => format!(
                "the access pass {} allows no unicast connection (its last epoch is 0)",
                self.key
            ),
            _ => format!(
                "the access pass {} expired with epoch {last}; the current epoch is {epoch}",
                self.key
            ),
        };
        Some(Failure::new(
            what,
            "Ask the network's operators to renew the access pass, and run the command again.",
        ))
    }

    /// The same once a user of it without multicast has gone.
    pub fn without_a_unicast_user(&self) -> Self {
        let mut left = self.clone();
        left.allows.unicast_user_count = left.allows.unicast_user_count.saturating_sub(1);
        left
    }

    fn has_no_room_for_unicast(&self) -> Option<Failure> {
        let (current, most) = (self.allows.unicast_user_count, self.allows.max_unicast);
        self.has_no_room(
            current,
            most,
            "unicast",
            ProgramError::AccessPassMaxUnicastUsersExceeded,
        )
    }

    /// Why it lets in no more users with multicast.
    pub fn has_no_room_for_multicast(&self) -> Option<Failure> {
        let (current, most) = (self.allows.multicast_user_count, self.allows.max_multicast);
        self.has_no_room(
            current,
            most,
            "multicast",
            ProgramError::AccessPassMaxMulticastUsersExceeded,
        )
    }

    fn has_no_room(&self, current: u16, most: u16, service: &str, error: ProgramError) -> Option<Failure> {
        let what = if self.has_seats() {
            format!(
                "the EdgeSeat access pass {} has no free {service} seat ({current} of {most} in use)",
                self.key
            )
        } else {
            format!(
                "the access pass {} allows no more {service} connections ({current} of {most} in use)",
                self.key
            )
        };
        (current >= most).then(|| Failure::new(what, error.advice()))
    }

    /// The tenant of a user for whom none is named: the first of those that it allows, where that is one.
    pub fn default_tenant(&self) -> Option<Pubkey> {
        self.allows
            .tenant_allowlist
            .first()
            .copied()
            .filter(|key| !key.is_zero())
    }

    /// Why it does not let this host do these things with these groups, of which `name` tells what they are called.
    pub fn refuses_groups(&self, wanted: &ByGroup, name: impl Fn(&Pubkey) -> String) -> Option<Failure> {
        wanted.iter().find_map(|(group, roles)| {
            let asked = [
                (roles.publisher && !self.allows.mgroup_pub_allowlist.contains(group), "send to", true),
                (roles.subscriber && !self.allows.mgroup_sub_allowlist.contains(group), "receive from", !self.has_seats()),
            ];
            let (_, what, by_list) = asked.into_iter().find(|(refused, ..)| *refused)?;
            let advice = if by_list {
                "Have the group added to the pass, or name another one."
            } else {
                "Join the feed that carries it with --subscribe-feed: groups of feeds are joined and left with the whole feed."
            };
            let what = format!("the access pass {} does not allow this host to {what} the multicast group {:?}", self.key, name(group));
            Some(Failure::new(what, advice))
        })
    }

    /// What its own lists allow.
    pub fn allowed_groups(&self) -> ByGroup {
        let mut all = ByGroup::new();
        super::roles::add(&mut all, &self.allows.mgroup_pub_allowlist, Roles::PUBLISHER);
        super::roles::add(&mut all, &self.allows.mgroup_sub_allowlist, Roles::SUBSCRIBER);
        all
    }
}

#[cfg(test)]
mod tests;
