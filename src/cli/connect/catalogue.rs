//! The ledger's multicast groups, by their codes: pure.

use std::collections::{BTreeMap, BTreeSet};

use warren_ledger::accounts::{GroupStatus, MulticastGroup};
use warren_state::Pubkey;

use super::roles::{ByGroup, Roles};
use crate::failure::Failure;

/// All multicast groups of the ledger, by account.
pub type Groups = BTreeMap<Pubkey, MulticastGroup>;

/// What a group is called.
pub fn name(groups: &Groups, key: &Pubkey) -> String {
    groups
        .get(key)
        .map_or_else(|| key.to_string(), |group| group.code.clone())
}

/// Changes in the order in which they are made, which the ledger keeps: groups to send to come first, because the first
/// role to send decides on the user's address, then the others by name.
pub fn in_order(mut changes: Vec<(Pubkey, Roles)>, groups: &Groups) -> Vec<(Pubkey, Roles)> {
    changes.sort_by_cached_key(|(key, roles)| (!roles.publisher, name(groups, key)));
    changes
}

/// Those of a user's groups that are still on the ledger: the daemon shows no others.
pub fn visible(all: &ByGroup, groups: &Groups) -> ByGroup {
    all.iter()
        .filter(|(group, _)| groups.contains_key(group))
        .map(|(group, roles)| (*group, *roles))
        .collect()
}

/// Those that are in use, and the others.
pub fn usable(all: &ByGroup, groups: &Groups) -> (ByGroup, Vec<Pubkey>) {
    let is_in_use = |key: &Pubkey| {
        groups
            .get(key)
            .is_some_and(|group| group.status == GroupStatus::ACTIVATED)
    };
    let usable = all
        .iter()
        .filter(|(key, _)| is_in_use(key))
        .map(|(key, roles)| (*key, *roles))
        .collect();
    (
        usable,
        all.keys().filter(|key| !is_in_use(key)).copied().collect(),
    )
}

/// The group with this code or account.
///
/// # Errors
/// When there is none.
pub fn find<'a>(groups: &'a Groups, code: &str) -> Result<(&'a Pubkey, &'a MulticastGroup), Failure> {
    let found = groups
        .iter()
        .find(|(key, group)| group.code == code || key.to_string() == code);
    found.ok_or_else(|| {
        let known: BTreeSet<&str> = groups.values().map(|group| group.code.as_str()).collect();
        let known: Vec<&str> = known.into_iter().take(20).collect();
        Failure::new(
            format!("there is no multicast group {code:?}"),
            format!("The ledger has: {}.", known.join(", ")),
        )
    })
}

/// Only a group that is in use can be joined; any can be left.
///
/// # Errors
/// When it is not.
pub fn in_use<'a>(
    (key, group): (&'a Pubkey, &'a MulticastGroup),
) -> Result<(&'a Pubkey, &'a MulticastGroup), Failure> {
    if group.status == GroupStatus::ACTIVATED {
        return Ok((key, group));
    }
    let what = format!("the multicast group {:?} is {}", group.code, group.status.name());
    Err(Failure::new(what, "Choose another group, or wait."))
}

#[cfg(test)]
mod tests {
    use warren_ledger::accounts::samples;

    use super::*;

    #[test]
    fn changes_are_made_by_the_groups_names_whatever_their_accounts_are() {
        let key = |number: u8| Pubkey([number; 32]);
        let named = |(number, code): (u8, &str)| {
            (
                key(number),
                MulticastGroup {
                    code: code.to_owned(),
                    ..samples::multicast_group()
                },
            )
        };
        let groups: Groups = [(1, "mg03"), (2, "mg01"), (3, "mg02")].map(named).into();
        let changes = [
            (1, Roles::SUBSCRIBER),
            (2, Roles::SUBSCRIBER),
            (3, Roles::PUBLISHER),
        ]
        .map(|(number, roles)| (key(number), roles));
        assert_eq!(
            in_order(changes.to_vec(), &groups)
                .iter()
                .map(|(key, _)| name(&groups, key))
                .collect::<Vec<_>>(),
            ["mg02", "mg01", "mg03"]
        );
    }
}
