//! Plans: ordered, printable data.

mod action;
mod wire;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

pub use action::{Action, Edit, LinkAction, Part};

use crate::{Generation, LinkName, Rule, TunnelId};

/// The steps from observed to desired: removals, then changes, then additions, then addresses that were replaced.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Plan {
    /// The plan's number once it is committed.
    pub generation: Generation,
    /// In the order in which they must be taken.
    pub steps: Vec<PlannedStep>,
    /// Rules of ours that lead into no tunnel: they go before anything else, and are no tunnel's steps.
    pub stray_rules: BTreeSet<Rule>,
    /// Tunnels that cannot be built as things are, with the reason: a link that is not ours is in the way.
    pub conflicts: Vec<PlanConflict>,
}

/// A tunnel that cannot be built as things are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlanConflict {
    /// The tunnel that the step is part of.
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
    /// The interface name of what the step is about: as the spec has it, or, where something is removed, as it is. A
    /// dataplane that has no interface for each tunnel knows the tunnel by its identity alone.
    pub link: LinkName,
    /// The change to the dataplane.
    #[serde(flatten)]
    pub action: Action,
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
    /// The tunnel is gone, with all that belonged to it.
    Removed,
    /// A step failed; it is tried again later.
    Failed,
}

named! {
    /// The name in status, events and metrics.
    Phase {
        Pending => "pending",
        Linking => "linking",
        Addressing => "addressing",
        Routing => "routing",
        Peering => "peering",
        Active => "active",
        Draining => "draining",
        Removed => "removed",
        Failed => "failed",
    }
}

impl fmt::Display for PlannedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = &self.link;
        match &self.action {
            Action::Link(LinkAction::Create { spec, incarnation }) => {
                write!(f, "+ link {spec} (incarnation {incarnation})")
            }
            Action::Link(LinkAction::Change { spec }) => write!(f, "~ link {spec}"),
            Action::Link(LinkAction::Delete) => write!(f, "- link {link}"),
            Action::Part(edit, Part::Address(address)) => write!(f, "{edit} address {address} dev {link}"),
            Action::Part(edit, Part::Route(route)) => write!(f, "{edit} route {route} dev {link}"),
            Action::Part(edit, Part::Rule(rule)) => write!(f, "{edit} rule {rule}"),
            Action::Part(edit, Part::Rate(rate)) => write!(f, "{edit} rate {rate} dev {link}"),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "+",
            Self::Delete => "-",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.stray_rules {
            writeln!(f, "- rule {rule}")?;
        }
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        for conflict in &self.conflicts {
            writeln!(f, "! {}: {}", conflict.link, conflict.reason)?;
        }
        Ok(())
    }
}
