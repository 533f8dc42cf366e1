//! Whose users are this host's.
//!
//! Anybody with a pass for any address may name this host's in an account. An operator who says whose accounts count, or who
//! has connected this host, is safe from that.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Pubkey, view::User};

/// What an operator says about whose users count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum OwnerChoice {
    /// Users count whoever made them.
    Any,
    /// Those of whoever connected this host last.
    Auto,
    /// Only users that this key made count.
    Key(Pubkey),
}

/// A text that says nothing about whose users count.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not an owner: expected auto, any or a public key")]
pub struct NoOwner(String);

/// Which owners' accounts may name this host's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owners {
    /// Users count whoever made them.
    #[default]
    Any,
    /// Only users that this key made count.
    Only(Pubkey),
    /// Those of whoever connected this host last, and of the network itself; nobody's where nobody did.
    Last(Option<Pubkey>),
}

/// Why a user does not count; displayed with what makes it count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Foreign {
    /// One owner's count only.
    #[error("it was made by {owner}, and only accounts of {only} count here (-owner)")]
    Only {
        /// The key that made the account.
        owner: Pubkey,
        /// Whose count.
        only: Pubkey,
    },
    /// Those of whoever connected this host last count.
    #[error(
        "it was made by {owner}, and {last} connected this host last (-owner auto): connect with the key of {owner}, or start the daemon \
         with -owner {owner} or -owner any"
    )]
    Last {
        /// The key that made the account.
        owner: Pubkey,
        /// Whose count.
        last: Pubkey,
    },
    /// The same, and whether the one who made it makes users for others cannot be read.
    #[error(
        "it was made by {owner}, and {last} connected this host last (-owner auto); whether {owner} is the network's own cannot be read"
    )]
    LastUnread {
        /// The key that made the account.
        owner: Pubkey,
        /// Whose count.
        last: Pubkey,
    },
    /// Nobody connected this host yet.
    #[error(
        "it was made by {owner}, and nobody has connected this host yet (-owner auto): `warren connect` with the key of {owner}, or start the \
         daemon with -owner {owner} or -owner any"
    )]
    Nobody {
        /// The key that made the account.
        owner: Pubkey,
    },
}

impl Foreign {
    /// Whether it certainly belongs to somebody else; where that is uncertain, what is in place stays as it is.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Only { .. } | Self::Last { .. } => true,
            Self::LastUnread { .. } | Self::Nobody { .. } => false,
        }
    }
}

impl Owners {
    /// Whether a user counts; `network` are the keys that make users for others, as the ledger says.
    ///
    /// # Errors
    /// Why it does not, and what makes it count.
    pub fn accept(self, user: &User, network: Option<&BTreeSet<Pubkey>>) -> Result<(), Foreign> {
        let owner = user.owner;
        match (self, network) {
            (Self::Any, _) => Ok(()),
            (Self::Only(only) | Self::Last(Some(only)), _) if only == owner => Ok(()),
            (Self::Last(_), Some(network)) if network.contains(&owner) => Ok(()),
            (Self::Only(only), _) => Err(Foreign::Only { owner, only }),
            (Self::Last(Some(last)), Some(_)) => Err(Foreign::Last { owner, last }),
            (Self::Last(Some(last)), None) => Err(Foreign::LastUnread { owner, last }),
            (Self::Last(None), _) => Err(Foreign::Nobody { owner }),
        }
    }
}

impl FromStr for OwnerChoice {
    type Err = NoOwner;

    fn from_str(text: &str) -> Result<Self, NoOwner> {
        match text {
            "any" => Ok(Self::Any),
            "auto" => Ok(Self::Auto),
            key => key.parse().map(Self::Key).map_err(|_| NoOwner(key.to_owned())),
        }
    }
}

impl TryFrom<String> for OwnerChoice {
    type Error = NoOwner;

    fn try_from(text: String) -> Result<Self, NoOwner> {
        text.parse()
    }
}

impl fmt::Display for OwnerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Auto => f.write_str("auto"),
            Self::Key(key) => key.fmt(f),
        }
    }
}

impl From<OwnerChoice> for String {
    fn from(choice: OwnerChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(key) => key.fmt(f),
            Self::Last(_) => f.write_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_auto_any_or_a_key_in_flags_and_files() {
        let key = Pubkey([7; 32]);
        for (text, choice) in [
            ("any", OwnerChoice::Any),
            ("auto", OwnerChoice::Auto),
            (&key.to_string(), OwnerChoice::Key(key)),
        ] {
            assert_eq!((text.parse(), choice.to_string().as_str()), (Ok(choice), text));
            assert_eq!(serde_json::to_value(choice).unwrap(), text);
            assert_eq!(
                serde_json::from_value::<OwnerChoice>(text.into()).unwrap(),
                choice
            );
        }
        assert!(
            "Any"
                .parse::<OwnerChoice>()
                .unwrap_err()
                .to_string()
                .contains("auto, any or a public key")
        );
    }
}
