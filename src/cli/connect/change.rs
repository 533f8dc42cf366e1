//! Changing what a user does with its groups.

use std::net::Ipv4Addr;

use serde_json::json;
use warren_ledger::{
    InstructionForms,
    accounts::User,
    instructions::{BuildError, MOST_GROUPS_OF_ROLES, Permission, UpdateMulticastGroupRoles},
};
use warren_state::Pubkey;

use super::{
    catalogue::{self, Groups},
    feeds::{
        self, Member,
        plan::{self, ByKey},
    },
    passes::Pass,
    roles::{self, ByGroup, Roles},
    session::LedgerSession,
};
use crate::failure::Failure;

/// A user whose groups change.
pub struct Change<'a> {
    /// The keypair, the ledger and the daemon that it is done with.
    pub session: &'a LedgerSession<'a>,
    /// The public address of the host that connects.
    pub client_ip: Ipv4Addr,
    /// The user's account.
    pub key: &'a Pubkey,
    pub pass: &'a Pass,
    /// All multicast groups of the ledger, by account.
    pub groups: &'a Groups,
    /// All feeds of the ledger, by account.
    pub feeds: &'a ByKey,
}

impl Change<'_> {
    /// Sends what differs, as many groups in a transaction as the program takes. The slot of the last one; 0 when nothing differs.
    ///
    /// # Errors
    /// When the pass does not allow it, or the program refuses one; those before it stay.
    pub async fn to(&self, user: &User, wanted: &ByGroup) -> Result<u64, Failure> {
        let now = roles::of(user);
        let changes = catalogue::in_order(roles::changes(&now, wanted), self.groups);
        if changes.is_empty() {
            return Ok(0);
        }
        let Sent { roles: sent, lost } = as_sent(&changes, &now, self.pass, self.session.forms);
        let asked = asking(&sent, &now, self.session.forms);
        if let Some(failure) = self
            .pass
            .refuses_groups(&asked, |key| catalogue::name(self.groups, key))
        {
            return Err(failure);
        }
        let permission = self.session.permission().await?;
        let at_once = if self.session.forms.folds_groups {
            MOST_GROUPS_OF_ROLES
        } else {
            1
        };
        let mut slot = 0;
        for (roles, groups) in roles::batches(&sent, at_once) {
            slot = self.send(roles, &groups, permission).await?;
        }
        if lost.is_empty() {
            Ok(slot)
        } else {
            self.rejoin(&lost).await
        }
    }

    async fn send(&self, roles: Roles, groups: &[Pubkey], permission: Permission) -> Result<u64, Failure> {
        let [group, extra @ ..] = groups else { return Ok(0) };
        let Roles {
            publisher,
            subscriber,
        } = roles;
        let (client_ip, user, access_pass, extra_groups) =
            (self.client_ip, *self.key, self.pass.key, extra.to_vec());
        let update = UpdateMulticastGroupRoles {
            client_ip,
            user,
            group: *group,
            extra_groups,
            publisher,
            subscriber,
            access_pass,
            permission,
        };
        let instruction = update
            .build(&self.session.caller())
            .map_err(|error| unbuildable(&error))?;
        let what = match (publisher, subscriber) {
            (true, true) => "sends to it and receives from it",
            (true, false) => "sends to it",
            (false, true) => "receives from it",
            (false, false) => "is out of it",
        };
        let names: Vec<String> = groups
            .iter()
            .map(|key| catalogue::name(self.groups, key))
            .collect();
        let names = names.join(", ");
        let sent = self
            .session
            .send(&[instruction], &format!("the group {names}: the user {what}"))
            .await;
        let confirmed = sent.map_err(|failure| Failure {
            what: format!("{names}: {}", failure.what),
            ..failure
        })?;
        let signature = confirmed.signature.to_string();
        for key in groups {
            self.session.steps.done(
                "group",
                &format!("{}: this host {what}", catalogue::name(self.groups, key)),
                json!({ "group": key.to_string(), "publisher": publisher, "subscriber": subscriber, "transaction": signature }),
            );
        }
        Ok(confirmed.slot.0)
    }

    /// Joins the groups again that came with a feed and whose subscription went with the change.
    async fn rejoin(&self, lost: &[Pubkey]) -> Result<u64, Failure> {
        let user = self.session.user(self.key).await?;
        let swap = plan::FeedChanges {
            leaves: vec![],
            joins: plan::rejoin(&user, self.feeds, lost),
        };
        let codes: Vec<String> = swap
            .joins
            .iter()
            .flat_map(|join| &join.feeds)
            .map(|key| plan::name(self.feeds, key))
            .collect();
        let member = Member {
            key: self.key,
            user: &user,
            pass: self.pass,
        };
        feeds::send(self.session, member, self.feeds, &swap)
            .await
            .map_err(|failure| {
                let command = format!(
                    "`warren connect multicast --subscribe-feed {}` receives from its groups again.",
                    codes.join(" ")
                );
                let advice = failure
                    .advice
                    .map_or_else(|| command.clone(), |advice| format!("{advice} Then {command}"));
                Failure {
                    advice: Some(advice),
                    ..failure
                }
            })
    }
}

/// An instruction that cannot be built.
pub fn unbuildable(error: &BuildError) -> Failure {
    Failure::new(error.to_string(), "Name fewer groups.")
}

#[derive(PartialEq, Eq, Debug)]
struct Sent {
    roles: Vec<(Pubkey, Roles)>,
    /// Groups whose subscription goes with it, and comes back with their feed.
    lost: Vec<Pubkey>,
}

/// Programs up to 0.38 take no role beside a subscription that came with a feed: it is given up with the change then.
fn as_sent(changes: &[(Pubkey, Roles)], now: &ByGroup, pass: &Pass, forms: InstructionForms) -> Sent {
    let mut lost = Vec::new();
    let by_feed = |group: &Pubkey| pass.has_seats() && !pass.allows.mgroup_sub_allowlist.contains(group);
    let roles = changes.iter().map(|(group, roles)| {
        let stays = roles.subscriber && now.get(group).is_some_and(|now| now.subscriber);
        if forms.asks_for_gained_roles_only || !stays || !by_feed(group) {
            return (*group, *roles);
        }
        lost.push(*group);
        (
            *group,
            Roles {
                subscriber: false,
                ..*roles
            },
        )
    });
    Sent {
        roles: roles.collect(),
        lost,
    }
}

/// The roles that the program looks for on the pass's lists: all that are sent, for later ones those that are gained.
fn asking(sent: &[(Pubkey, Roles)], now: &ByGroup, forms: InstructionForms) -> ByGroup {
    let held = |group: &Pubkey| now.get(group).copied().unwrap_or_default();
    let asked = |(group, roles): &(Pubkey, Roles)| {
        let roles = if forms.asks_for_gained_roles_only {
            roles.without(held(group))
        } else {
            *roles
        };
        (*group, roles)
    };
    sent.iter().map(asked).collect()
}

#[cfg(test)]
mod tests {
    use warren_ledger::accounts::{AccessPass, PassType, samples};

    use super::*;

    const BOTH: Roles = Roles {
        publisher: true,
        subscriber: true,
    };
    const LATER: InstructionForms = InstructionForms {
        folds_groups: true,
        asks_for_gained_roles_only: true,
        deletes_by_pass_type: true,
    };

    fn key(number: u8) -> Pubkey {
        Pubkey([number; 32])
    }

    fn seats(subscribe: &[Pubkey]) -> Pass {
        let allows = AccessPass {
            mgroup_sub_allowlist: subscribe.to_vec(),
            ..samples::access_pass(PassType::EdgeSeat(vec![]))
        };
        Pass { key: key(50), allows }
    }

    #[test]
    fn to_publish_beside_a_feeds_group_gives_the_subscription_up_for_a_moment() {
        let now = ByGroup::from([(key(1), Roles::SUBSCRIBER)]);
        let changes = [(key(1), BOTH)];
        let sent = as_sent(&changes, &now, &seats(&[]), InstructionForms::default());
        assert_eq!(
            sent,
            Sent {
                roles: vec![(key(1), Roles::PUBLISHER)],
                lost: vec![key(1)]
            }
        );
        // To stop publishing, too.
        let now = ByGroup::from([(key(1), BOTH)]);
        let sent = as_sent(
            &[(key(1), Roles::SUBSCRIBER)],
            &now,
            &seats(&[]),
            InstructionForms::default(),
        );
        assert_eq!(
            sent,
            Sent {
                roles: vec![(key(1), Roles::default())],
                lost: vec![key(1)]
            }
        );
    }

    #[test]
    fn a_subscription_by_the_passes_own_list_and_a_later_program_need_no_detour() {
        let now = ByGroup::from([(key(1), Roles::SUBSCRIBER)]);
        let changes = vec![(key(1), BOTH)];
        let plain = Sent {
            roles: changes.clone(),
            lost: vec![],
        };
        assert_eq!(
            as_sent(&changes, &now, &seats(&[key(1)]), InstructionForms::default()),
            plain
        );
        assert_eq!(as_sent(&changes, &now, &seats(&[]), LATER), plain);
    }

    #[test]
    fn later_programs_look_only_at_roles_that_are_gained() {
        let now = ByGroup::from([(key(1), Roles::SUBSCRIBER)]);
        let sent = [(key(1), BOTH), (key(2), Roles::SUBSCRIBER)];
        assert_eq!(
            asking(&sent, &now, InstructionForms::default()),
            ByGroup::from(sent)
        );
        assert_eq!(
            asking(&sent, &now, LATER),
            ByGroup::from([(key(1), Roles::PUBLISHER), (key(2), Roles::SUBSCRIBER)])
        );
    }
}
