//! How a change is written in events, recordings and answers: flat, under one name.

use serde::{Deserialize, Serialize};

use super::{Action, Edit, LinkAction, Part};
use crate::{Address, Incarnation, LinkSpec, Rate, Route, Rule};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub(super) enum Written {
    CreateLink {
        spec: LinkSpec,
        incarnation: Incarnation,
    },
    ChangeLink {
        spec: LinkSpec,
    },
    DeleteLink,
    AddAddress {
        address: Address,
    },
    DeleteAddress {
        address: Address,
    },
    PutRoute {
        route: Route,
    },
    DeleteRoute {
        route: Route,
    },
    AddRule {
        rule: Rule,
    },
    DeleteRule {
        rule: Rule,
    },
    PutRate {
        rate: Rate,
    },
    DeleteRate {
        rate: Rate,
    },
}

impl From<Action> for Written {
    fn from(action: Action) -> Self {
        match action {
            Action::Link(LinkAction::Create { spec, incarnation }) => Self::CreateLink { spec, incarnation },
            Action::Link(LinkAction::Change { spec }) => Self::ChangeLink { spec },
            Action::Link(LinkAction::Delete) => Self::DeleteLink,
            Action::Part(Edit::Put, Part::Address(address)) => Self::AddAddress { address },
            Action::Part(Edit::Delete, Part::Address(address)) => Self::DeleteAddress { address },
            Action::Part(Edit::Put, Part::Route(route)) => Self::PutRoute { route },
            Action::Part(Edit::Delete, Part::Route(route)) => Self::DeleteRoute { route },
            Action::Part(Edit::Put, Part::Rule(rule)) => Self::AddRule { rule },
            Action::Part(Edit::Delete, Part::Rule(rule)) => Self::DeleteRule { rule },
            Action::Part(Edit::Put, Part::Rate(rate)) => Self::PutRate { rate },
            Action::Part(Edit::Delete, Part::Rate(rate)) => Self::DeleteRate { rate },
        }
    }
}

impl From<Written> for Action {
    fn from(written: Written) -> Self {
        match written {
            Written::CreateLink { spec, incarnation } => Self::Link(LinkAction::Create { spec, incarnation }),
            Written::ChangeLink { spec } => Self::Link(LinkAction::Change { spec }),
            Written::DeleteLink => Self::Link(LinkAction::Delete),
            Written::AddAddress { address } => Self::put(address),
            Written::DeleteAddress { address } => Self::delete(address),
            Written::PutRoute { route } => Self::put(route),
            Written::DeleteRoute { route } => Self::delete(route),
            Written::AddRule { rule } => Self::put(rule),
            Written::DeleteRule { rule } => Self::delete(rule),
            Written::PutRate { rate } => Self::put(rate),
            Written::DeleteRate { rate } => Self::delete(rate),
        }
    }
}
