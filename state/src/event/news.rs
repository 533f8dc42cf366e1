//! Which events tell of a difference.

use super::Event;
use crate::{Owners, table::Disk};

/// What is to be told when the store says this, after it said that.
#[must_use]
pub fn of_disk(before: &Disk, now: &Disk) -> Vec<Event> {
    let problem = match &now.problem {
        Some(detail) if before.problem != now.problem => Some(Event::StoreImpaired {
            detail: detail.clone(),
        }),
        None if before.problem.is_some() => Some(Event::StoreMended),
        Some(_) | None => None,
    };
    let owner = now
        .owner
        .filter(|_| before.owner != now.owner)
        .map(|owner| Event::OwnerNamed { owner });
    let pin = now
        .pin
        .filter(|_| before.pin != now.pin)
        .map(|address| Event::Pinned { address });
    problem.into_iter().chain(owner).chain(pin).collect()
}

/// The same of whose users count.
#[must_use]
pub fn of_owners(before: Owners, now: Owners) -> Option<Event> {
    (before != now).then_some(Event::OwnersChanged { owners: now })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::Pubkey;

    #[test]
    fn what_the_store_says_is_told_once_it_differs_and_when_it_is_well_again() {
        let well = Disk::default();
        let problem = |text: &str| Disk {
            problem: Some(text.to_owned()),
            ..Disk::default()
        };
        assert_eq!(
            of_disk(&well, &problem("full")),
            [Event::StoreImpaired {
                detail: "full".to_owned()
            }]
        );
        assert_eq!(of_disk(&problem("full"), &problem("full")), []);
        assert_eq!(of_disk(&problem("full"), &well), [Event::StoreMended]);
        let (address, owner) = (Ipv4Addr::new(198, 51, 100, 7), Pubkey([7; 32]));
        let named = Disk {
            pin: Some(address),
            owner: Some(owner),
            ..Disk::default()
        };
        assert_eq!(
            of_disk(&well, &named),
            [Event::OwnerNamed { owner }, Event::Pinned { address }]
        );
        assert_eq!(
            of_disk(&named, &well),
            [],
            "a pin that is dropped has an event of its own, with the reason"
        );
        assert_eq!(of_owners(Owners::Any, Owners::Any), None);
    }
}
