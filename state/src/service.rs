//! The services that a user account may ask for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A user's type, under the names that the reference's JSON uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ServiceKind {
    /// Traffic of the host's own public address.
    #[serde(rename = "IBRL")]
    Ibrl,
    /// Traffic of an address that the network allocated.
    #[serde(rename = "IBRLWithAllocatedIP")]
    IbrlWithAllocatedIp,
    /// Traffic to the network's prefixes only, by policy routing.
    EdgeFiltering,
    /// Multicast groups, published or subscribed.
    Multicast,
}

/// A host has at most one tunnel of each class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceClass {
    /// IBRL, IBRL with an allocated address, and edge filtering.
    Unicast,
    /// A tunnel for groups to send to or receive from.
    Multicast,
}

named! {
    /// The name that the reference's JSON uses.
    ServiceKind {
        Ibrl => "IBRL",
        IbrlWithAllocatedIp => "IBRLWithAllocatedIP",
        EdgeFiltering => "EdgeFiltering",
        Multicast => "Multicast",
    }
}

impl ServiceKind {
    /// The class that this kind belongs to.
    #[must_use]
    pub fn class(self) -> ServiceClass {
        match self {
            Self::Ibrl | Self::IbrlWithAllocatedIp | Self::EdgeFiltering => ServiceClass::Unicast,
            Self::Multicast => ServiceClass::Multicast,
        }
    }
}

/// The text names no service kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown service kind {0:?}: expected IBRL, IBRLWithAllocatedIP, EdgeFiltering or Multicast")]
pub struct UnknownServiceKind(pub String);

impl FromStr for ServiceKind {
    type Err = UnknownServiceKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownServiceKind(text.to_owned()))
    }
}

impl ServiceClass {
    /// The label that metrics use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Multicast => "multicast",
        }
    }
}

impl fmt::Display for ServiceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
