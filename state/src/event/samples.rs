//! One event of every kind at least, and every reason once: what the golden files are made of.

mod daemon;
mod every_refusal;
mod measured;
mod tunnel;

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::*;
use crate::{
    Action, Address, AddressScope, Backend, FaultClass, LinkAction, LinkSpec, Route, RouteProtocol, Rule,
    RuleSelector, ServiceClass, TableId,
    desired::{EndpointFault, GroupFault, NetFault},
    health::HealthCode,
    lifecycle::{MoveFault, RetireReason},
    owners::Foreign,
    testing::net,
    view::{RawIp, RawNet, UserStatus},
};
use daemon::{of_hooks_and_health, of_the_daemon};
pub(super) use every_refusal::refusals;
use measured::of_what_is_measured;
use tunnel::{of_a_session, of_a_tunnel};

const HERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const THERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const GROUP: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 1);

/// All of them, in the order of the kinds.
pub(crate) fn samples() -> Vec<Event> {
    let mut all = [
        of_the_daemon(),
        of_the_ledger(),
        of_the_address(),
        of_the_plan(),
        of_a_tunnel(),
        of_a_session(),
        of_hooks_and_health(),
        of_what_is_measured(),
    ]
    .concat();
    all.sort_by_key(Event::kind);
    all
}

fn of_the_ledger() -> Vec<Event> {
    let reasons = [
        HoldReason::ReadFailed {
            detail: "connection refused".to_owned(),
        },
        HoldReason::SlotWentBack {
            read: Slot(9),
            in_force: Slot(10),
        },
        HoldReason::Restarting {
            read: Slot(1),
            in_force: Slot(10),
            seconds: 3,
            needed_seconds: 180,
        },
        HoldReason::RestartTakesAway { gone: 1 },
        HoldReason::SameSlot {
            slot: Slot(10),
            gone: 1,
        },
        HoldReason::Emptied { before: 3 },
        HoldReason::EmptyAtFirst,
        HoldReason::MassRemoval { gone: 3, before: 5 },
    ];
    let mut all: Vec<Event> = reasons
        .into_iter()
        .map(|reason| Event::ViewHeld { reason })
        .collect();
    let (from, to) = ("https://one.example".to_owned(), "https://two.example".to_owned());
    all.extend([
        Event::ViewAccepted {
            slot: Slot(10),
            users: 2,
            quarantined: 0,
        },
        Event::ViewRenewed { slot: Slot(11) },
        Event::ViewStale { age_seconds: 301 },
        Event::LedgerRestarted {
            from: Slot(10),
            to: Slot(1),
            users: 2,
        },
        Event::EndpointRotated {
            from,
            to,
            detail: Some("429 Too Many Requests".to_owned()),
        },
        Event::SubscriptionChanged {
            subscribed: false,
            detail: Some("closed".to_owned()),
        },
        Event::LedgerWayChanged {
            over_tunnel: Some("only doublezero0 leads there".to_owned()),
        },
    ]);
    all
}

fn of_the_address() -> Vec<Event> {
    let found = [
        FoundBecause::Found,
        FoundBecause::Pinned,
        FoundBecause::PinnedNow,
        FoundBecause::Named,
        FoundBecause::Returned,
        FoundBecause::Preferred,
        FoundBecause::SeenElsewhere,
        FoundBecause::Left,
    ];
    let kept = [
        KeptBecause::InForceBefore,
        KeptBecause::TunnelInPlace,
        KeptBecause::LedgerNamesIt,
        KeptBecause::LedgerNotAsked,
        KeptBecause::TunnelWorks,
    ];
    let found = found.into_iter().map(|reason| Event::ClientIpFound {
        address: HERE,
        before: Some(OTHER),
        reason,
    });
    let kept = kept.into_iter().map(|reason| Event::ClientIpHeld {
        address: HERE,
        other: OTHER,
        reason,
    });
    let others = [
        Event::OwnersChanged {
            owners: Owners::Only(key(7)),
        },
        Event::OwnerNamed { owner: key(7) },
        Event::ClientIpUnknown {
            detail: "there is no route to 192.0.2.1".to_owned(),
        },
        Event::ClientIpHoldOver { address: HERE },
        Event::Pinned { address: HERE },
        Event::PinAway { address: HERE },
        Event::PinBack { address: HERE },
        Event::PinDropped {
            address: HERE,
            reason: Unusable::NotHere(HERE),
        },
        Event::PinDropped {
            address: HERE,
            reason: Unusable::NotPublic(HERE),
        },
        Event::SourceHeld {
            tunnel: id(),
            source: HERE,
            other: OTHER,
        },
        Event::SourceHoldOver {
            tunnel: id(),
            source: HERE,
        },
    ];
    found.chain(kept).chain(others).collect()
}

fn of_the_plan() -> Vec<Event> {
    let refused = refusals().into_iter().map(|refusal| Event::Refused {
        user: key(1),
        refusal,
    });
    let others = [
        Event::PlanCommitted {
            generation: Generation(3),
            assigned: 1,
            retired: 0,
        },
        Event::Converged {
            converged: true,
            generation: Generation(3),
        },
        Event::RefusalOver {
            user: key(1),
            refusal: Refusal::NotOurs,
        },
        Event::ManualAsked {
            tunnel: id(),
            link: link(),
        },
        Event::ManualRemoved {
            tunnel: id(),
            link: Some(link()),
        },
        Event::RulesRemoved {
            removed: 2,
            fault: None,
        },
        Event::RulesRemoved {
            removed: 1,
            fault: Some(fault()),
        },
        Event::ManualOver {
            reason: ManualEnd::LedgerRead,
        },
        Event::ManualOver {
            reason: ManualEnd::SwitchSet,
        },
        Event::ExclusionChanged { entries: 2 },
        Event::ExclusionHeld {
            detail: "expected a list".to_owned(),
        },
        Event::ExclusionHoldOver { entries: 2 },
    ];
    refused.chain(others).collect()
}

fn fault() -> Fault {
    Fault {
        class: FaultClass::Conflict,
        operation: "make link doublezero0".to_owned(),
        detail: "it is not ours".to_owned(),
    }
}

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

fn id() -> TunnelId {
    TunnelId(key(1))
}

fn link() -> LinkName {
    LinkName::new("doublezero0").unwrap()
}
