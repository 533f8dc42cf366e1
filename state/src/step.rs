//! Plans: ordered, printable data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, Generation, Incarnation, LinkName, LinkSpec, Route, Rule, TunnelId};

/// The steps from observed to desired: removals, then changes, then additions, then addresses that were replaced.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Plan {
    /// The plan's number once it is committed.
    pub generation: Generation,
    /// In the order in which they must be taken.
    pub steps: Vec<PlannedStep>,
    /// Tunnels that cannot be built as things are, with the reason: a link that is not ours is in the way.
    pub conflicts: Vec<PlanConflict>,
    /// Whether the limit on steps cut the plan short; the next pass takes the rest.
    pub truncated: bool,
}

/// A tunnel that cannot be built as things are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlanConflict {
    /// The tunnel.
    pub tunnel: TunnelId,
    /// The link in the way.
    pub link: LinkName,
    /// Why it is in the way, for people.
    pub reason: String,
}

/// One change, for one tunnel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Whose change it is.
    pub tunnel: TunnelId,
    /// The tunnel's link.
    pub link: LinkName,
    /// The change.
    #[serde(flatten)]
    pub action: Action,
}

/// A change to the dataplane.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// Remove a rule.
    DeleteRule {
        /// Which.
        rule: Rule,
    },
    /// Remove a route over the link.
    DeleteRoute {
        /// Which.
        route: Route,
    },
    /// Remove an address from the link.
    DeleteAddress {
        /// Which.
        address: Address,
    },
    /// Remove the link, and with it all that is on it. Only ever a link of ours.
    DeleteLink,
    /// Set endpoints, TTL, MTU and the up flag of the link that is there. It stays the same link, with all that is on it.
    ChangeLink {
        /// As it should be; the name is as it is.
        spec: LinkSpec,
    },
    /// Make the link, mark it as ours and bring it up.
    CreateLink {
        /// As it should be.
        spec: LinkSpec,
        /// Goes into the mark.
        incarnation: Incarnation,
    },
    /// Put an address on the link.
    AddAddress {
        /// Which.
        address: Address,
    },
    /// Put a route over the link, in place of another to the same destination in the same table that is ours.
    PutRoute {
        /// Which.
        route: Route,
    },
    /// Put a rule.
    AddRule {
        /// Which.
        rule: Rule,
    },
}

/// Where a tunnel is in its life; see the lifecycle machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Known, nothing done yet.
    Pending,
    /// The link is being made or mended.
    Linking,
    /// Addresses are being put on it.
    Addressing,
    /// Routes and rules are being put.
    Routing,
    /// The session is being established.
    Peering,
    /// All is as it should be.
    Active,
    /// It is being taken down.
    Draining,
    /// It is gone.
    Removed,
    /// A step failed; it is tried again later.
    Failed,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Linking,
        Self::Addressing,
        Self::Routing,
        Self::Peering,
        Self::Active,
        Self::Draining,
        Self::Removed,
        Self::Failed,
    ];

    /// The name in status, events and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Linking => "linking",
            Self::Addressing => "addressing",
            Self::Routing => "routing",
            Self::Peering => "peering",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Action {
    /// The phase of the lifecycle that this change belongs to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::DeleteLink | Self::ChangeLink { .. } | Self::CreateLink { .. } => Phase::Linking,
            Self::DeleteAddress { .. } | Self::AddAddress { .. } => Phase::Addressing,
            Self::DeleteRule { .. }
            | Self::DeleteRoute { .. }
            | Self::PutRoute { .. }
            | Self::AddRule { .. } => Phase::Routing,
        }
    }

    /// Whether the change takes something away.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        match self {
            Self::DeleteRule { .. }
            | Self::DeleteRoute { .. }
            | Self::DeleteAddress { .. }
            | Self::DeleteLink => true,
            Self::ChangeLink { .. }
            | Self::CreateLink { .. }
            | Self::AddAddress { .. }
            | Self::PutRoute { .. }
            | Self::AddRule { .. } => false,
        }
    }
}

impl fmt::Display for PlannedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = &self.link;
        match &self.action {
            Action::DeleteRule { rule } => write!(f, "- rule {rule}"),
            Action::DeleteRoute { route } => write!(f, "- route {route} dev {link}"),
            Action::DeleteAddress { address } => write!(f, "- address {address} dev {link}"),
            Action::DeleteLink => write!(f, "- link {link}"),
            Action::ChangeLink { spec } => write!(f, "~ link {spec}"),
            Action::CreateLink { spec, incarnation } => {
                write!(f, "+ link {spec} (incarnation {incarnation})")
            }
            Action::AddAddress { address } => write!(f, "+ address {address} dev {link}"),
            Action::PutRoute { route } => write!(f, "+ route {route} dev {link}"),
            Action::AddRule { rule } => write!(f, "+ rule {rule}"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        for conflict in &self.conflicts {
            writeln!(f, "! {}: {}", conflict.link, conflict.reason)?;
        }
        Ok(())
    }
}
