//! What a host does with its multicast groups: pure.
//!
//! The program takes the state that is wanted for a group, not a change of it. So every change is worked out from both roles
//! together: to start sending never stops receiving.

use std::collections::BTreeMap;

use warren_ledger::accounts::User;
use warren_state::Pubkey;

/// What a host does with one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// Whether the host sends to the group.
    pub publisher: bool,
    /// Whether the host receives from the group.
    pub subscriber: bool,
}

/// What a host does with each of its groups.
pub type ByGroup = BTreeMap<Pubkey, Roles>;

impl Roles {
    /// Sends only.
    pub const PUBLISHER: Self = Self {
        publisher: true,
        subscriber: false,
    };
    /// Receives only.
    pub const SUBSCRIBER: Self = Self {
        publisher: false,
        subscriber: true,
    };

    /// What one of both asks for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            publisher: self.publisher || other.publisher,
            subscriber: self.subscriber || other.subscriber,
        }
    }

    /// What is left of it without the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            publisher: self.publisher && !other.publisher,
            subscriber: self.subscriber && !other.subscriber,
        }
    }

    /// Neither.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// What a user does now.
pub fn of(user: &User) -> ByGroup {
    let mut all = ByGroup::new();
    add(&mut all, &user.publishers, Roles::PUBLISHER);
    add(&mut all, &user.subscribers, Roles::SUBSCRIBER);
    all
}

/// Puts a role to those that are there.
pub fn add(all: &mut ByGroup, groups: &[Pubkey], roles: Roles) {
    for group in groups {
        let entry = all.entry(*group).or_default();
        *entry = entry.and(roles);
    }
}

/// The groups whose roles differ, each with what is wanted, those to send to first: the first role to send decides on the
/// user's address.
pub fn changes(now: &ByGroup, wanted: &ByGroup) -> Vec<(Pubkey, Roles)> {
    let groups: std::collections::BTreeSet<&Pubkey> = now.keys().chain(wanted.keys()).collect();
    let of = |all: &ByGroup, group| all.get(group).copied().unwrap_or_default();
    let mut changes: Vec<(Pubkey, Roles)> = groups
        .into_iter()
        .filter(|group| of(now, group) != of(wanted, group))
        .map(|group| (*group, of(wanted, group)))
        .collect();
    changes.sort_by_key(|(_, roles)| !roles.publisher);
    changes
}

/// Changes that one transaction can carry, in the order of [`changes`]: groups whose roles are the same, this many at once.
pub fn batches(changes: &[(Pubkey, Roles)], at_once: usize) -> Vec<(Roles, Vec<Pubkey>)> {
    let mut all: Vec<(Roles, Vec<Pubkey>)> = Vec::new();
    for (group, roles) in changes {
        match all
            .iter_mut()
            .find(|(same, groups)| same == roles && groups.len() < at_once)
        {
            Some((_, groups)) => groups.push(*group),
            None => all.push((*roles, vec![*group])),
        }
    }
    all
}

/// What is wanted when these roles are put to those that are there.
pub fn with(now: &ByGroup, more: &ByGroup) -> ByGroup {
    let mut all = now.clone();
    for (group, roles) in more {
        let entry = all.entry(*group).or_default();
        *entry = entry.and(*roles);
    }
    all
}

/// What is wanted when these groups have these roles and no others.
pub fn exactly(now: &ByGroup, roles: &ByGroup) -> ByGroup {
    now.iter()
        .chain(roles)
        .map(|(group, roles)| (*group, *roles))
        .collect()
}

/// What is wanted when these roles are taken from those that are there.
pub fn less(now: &ByGroup, fewer: &ByGroup) -> ByGroup {
    let kept = |group, roles: &Roles| roles.without(fewer.get(group).copied().unwrap_or_default());
    now.iter()
        .map(|(group, roles)| (*group, kept(group, roles)))
        .filter(|(_, roles)| !roles.is_none())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Pubkey = Pubkey([1; 32]);
    const B: Pubkey = Pubkey([2; 32]);
    const BOTH: Roles = Roles {
        publisher: true,
        subscriber: true,
    };

    fn roles(all: &[(Pubkey, Roles)]) -> ByGroup {
        all.iter().copied().collect()
    }

    #[test]
    fn to_start_sending_never_stops_receiving() {
        let now = roles(&[(A, Roles::SUBSCRIBER)]);
        assert_eq!(
            changes(&now, &with(&now, &roles(&[(A, Roles::PUBLISHER)]))),
            [(A, BOTH)]
        );
    }

    #[test]
    fn to_stop_receiving_goes_on_sending_and_other_groups_stay() {
        let now = roles(&[(A, BOTH), (B, Roles::SUBSCRIBER)]);
        assert_eq!(
            changes(&now, &less(&now, &roles(&[(A, Roles::SUBSCRIBER)]))),
            [(A, Roles::PUBLISHER)]
        );
        assert_eq!(
            changes(&now, &less(&now, &roles(&[(B, BOTH)]))),
            [(B, Roles::default())]
        );
    }

    #[test]
    fn exactly_takes_the_other_role_away_and_leaves_other_groups_alone() {
        let now = roles(&[(A, Roles::SUBSCRIBER), (B, Roles::SUBSCRIBER)]);
        assert_eq!(
            changes(&now, &exactly(&now, &roles(&[(A, Roles::PUBLISHER)]))),
            [(A, Roles::PUBLISHER)]
        );
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let now = roles(&[(A, BOTH)]);
        assert!(changes(&now, &with(&now, &roles(&[(A, Roles::PUBLISHER)]))).is_empty());
        assert!(changes(&now, &less(&now, &roles(&[(B, BOTH)]))).is_empty());
    }

    #[test]
    fn groups_whose_roles_are_the_same_go_together_up_to_the_most() {
        let all = [
            (A, BOTH),
            (B, Roles::SUBSCRIBER),
            (Pubkey([3; 32]), BOTH),
            (Pubkey([4; 32]), BOTH),
        ];
        let of = |at_once| {
            batches(&all, at_once)
                .into_iter()
                .map(|(roles, groups)| (roles, groups.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(1), [(BOTH, 1), (Roles::SUBSCRIBER, 1), (BOTH, 1), (BOTH, 1)]);
        assert_eq!(of(2), [(BOTH, 2), (Roles::SUBSCRIBER, 1), (BOTH, 1)]);
        assert_eq!(of(16), [(BOTH, 3), (Roles::SUBSCRIBER, 1)]);
    }

    #[test]
    fn groups_to_send_to_come_first() {
        let wanted = roles(&[(A, Roles::SUBSCRIBER), (B, Roles::PUBLISHER)]);
        assert_eq!(
            changes(&ByGroup::new(), &wanted),
            [(B, Roles::PUBLISHER), (A, Roles::SUBSCRIBER)]
        );
    }
}
