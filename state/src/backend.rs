//! The dataplane's backend.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The dataplane's backend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// GRE links of the kernel's own, made by rtnetlink.
    Netlink,
    /// TUN devices and a raw socket.
    Userspace,
    /// A kernel in memory: nothing on this host is changed.
    #[default]
    Simulated,
}

/// Which backend is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BackendChoice {
    /// The kernel's GRE where it has one, else userspace.
    #[default]
    Auto,
    /// This one, and no other.
    Only(Backend),
}

/// A text that names no backend.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown dataplane {0:?}: expected auto, netlink, userspace, simulated")]
pub struct UnknownBackend(pub String);

named! {
    /// The name in flags, files and the API.
    Backend {
        Netlink => "netlink",
        Userspace => "userspace",
        Simulated => "simulated",
    }
}

impl FromStr for BackendChoice {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let known = Backend::ALL.into_iter().find(|backend| backend.name() == text);
        known
            .map(Self::Only)
            .ok_or_else(|| UnknownBackend(text.to_owned()))
    }
}

impl TryFrom<String> for BackendChoice {
    type Error = UnknownBackend;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BackendChoice> for String {
    fn from(choice: BackendChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(backend) => backend.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        let every = Backend::ALL.map(BackendChoice::Only);
        for choice in every.into_iter().chain([BackendChoice::Auto]) {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "ethernet".parse::<BackendChoice>().unwrap_err();
        assert!(error.to_string().contains("\"ethernet\"") && error.to_string().contains("netlink"));
    }
}
