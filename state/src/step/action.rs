//! A change to the dataplane: to a link, or to a part of what is on it.

use serde::{Deserialize, Serialize};

use super::{Phase, wire::Written};
use crate::{Address, Incarnation, LinkSpec, Rate, Route, Rule};

/// A change to the dataplane. Written with one name for each kind of change, `put_route` for example.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Action {
    /// To the tunnel's link itself.
    Link(LinkAction),
    /// To an address, a route, a rule or the rate.
    Part(Edit, Part),
}

/// A change to a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkAction {
    /// Make the link, mark it as ours and bring it up.
    Create {
        /// As it should be.
        spec: LinkSpec,
        /// Goes into the mark.
        incarnation: Incarnation,
    },
    /// Set endpoints, TTL, MTU and the up flag of the link that is there. It stays the same link, with all that is on it.
    Change {
        /// As it should be; the name is as it is.
        spec: LinkSpec,
    },
    /// Remove the link, and with it all that is on it. Only ever a link of ours.
    Delete,
}

/// What is done to a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edit {
    /// It is there afterwards. A route takes the place of another of ours to the same destination in the same table.
    Put,
    /// It is gone afterwards.
    Delete,
}

/// What a tunnel has beside its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// An address on the link.
    Address(Address),
    /// A route over the link.
    Route(Route),
    /// A policy rule.
    Rule(Rule),
    /// How much may go through the tunnel. It is put over another one, and deleted whatever it is.
    Rate(Rate),
}

impl Action {
    /// Puts an address, a route, a rule or a rate.
    pub fn put(part: impl Into<Part>) -> Self {
        Self::Part(Edit::Put, part.into())
    }

    /// Takes an address, a route, a rule or a rate away.
    pub fn delete(part: impl Into<Part>) -> Self {
        Self::Part(Edit::Delete, part.into())
    }

    /// The phase of the lifecycle that this change belongs to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Link(_) => Phase::Linking,
            Self::Part(_, Part::Address(_)) => Phase::Addressing,
            Self::Part(_, Part::Route(_) | Part::Rule(_) | Part::Rate(_)) => Phase::Routing,
        }
    }

    /// The route that this change puts or takes away, and which of the two.
    #[must_use]
    pub fn route(&self) -> Option<(Edit, &Route)> {
        match self {
            Self::Part(edit, Part::Route(route)) => Some((*edit, route)),
            Self::Part(_, Part::Address(_) | Part::Rule(_) | Part::Rate(_)) | Self::Link(_) => None,
        }
    }

    /// The route that this change puts.
    #[must_use]
    pub fn put_route(&self) -> Option<&Route> {
        match self.route()? {
            (Edit::Put, route) => Some(route),
            (Edit::Delete, _) => None,
        }
    }
}

impl From<Address> for Part {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<Route> for Part {
    fn from(route: Route) -> Self {
        Self::Route(route)
    }
}

impl From<Rule> for Part {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl From<Rate> for Part {
    fn from(rate: Rate) -> Self {
        Self::Rate(rate)
    }
}
